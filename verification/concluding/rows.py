"""Rows of a result, found by values that they have, and how many of them are of a kind."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

from muso_theory.errors import expected

from ..tables import Row

__all__ = ["FoundRows", "Result", "Row", "Tally", "Value", "count", "select", "value_of"]

Result = Mapping[str, Any]
Value = str | Callable[[Row], Any]
"""A number of a row: its key, or a function."""


class FoundRows(NamedTuple):
    """Rows of a result, and by which words they are found in it again."""

    of: str
    where: Mapping[str, Any]
    found: list[Row]

    def but(self, **where: Any) -> FoundRows:
        """Those of them that have these values too."""
        return FoundRows(self.of, {**self.where, **where}, [row for row in self.found if _fits(row, where)])

    def told(self) -> dict[str, Any]:
        """What a conclusion carries of the rows that it rests on."""
        return {"of": self.of, "where": dict(self.where), "n": len(self.found)}


def select(result: Row, of: str, where: Mapping[str, Any] | None = None) -> FoundRows:
    """Rows of a result by the name of their list; ``points/rows`` are the rows of each point, which have its keys too.

    Args:
        where: values that the rows have; a list holds several, of which a row has one.

    Raises:
        BadInputError: the result has no such list.
    """
    outer, _, inner = of.partition("/")
    listed = result.get(outer)
    if not isinstance(listed, list):
        raise expected(
            f"a result with the rows {outer!r}", outer, listed, type(listed).__name__, "running it again"
        )
    if inner:
        listed = [{**point, **row} for point in listed for row in point.get(inner, ())]
    return FoundRows(of, where or {}, [row for row in listed if _fits(row, where or {})])


def _fits(row: Row, where: Mapping[str, Any]) -> bool:
    return all(
        row.get(key) in value if isinstance(value, list) else row.get(key) == value
        for key, value in where.items()
    )


class Tally(NamedTuple):
    """How many of so many, and of which rows."""

    k: int
    n: int
    rows: Mapping[str, Any]


def count(rows: FoundRows, what: Callable[[Row], Any]) -> Tally:
    """How many of the rows are of a kind."""
    return Tally(sum(bool(what(row)) for row in rows.found), len(rows.found), rows.told())


def value_of(row: Row, value: Value) -> Any:
    """A number of a row; None where it has none."""
    return row.get(value) if isinstance(value, str) else value(row)
