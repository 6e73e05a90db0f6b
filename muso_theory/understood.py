"""What was understood of the input, told before anything is concluded from it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, TypeAlias

__all__ = ["COMPUTED", "How", "Understood", "listed", "told_in_line"]

How: TypeAlias = Literal["given", "inferred", "default", "varied"]
"""``given`` by the user or by the data, ``inferred`` from the data's values or names, by ``default``, or ``varied``."""

COMPUTED = {
    "K": ("inferred", "--memory", r"\d+ tiles on disk, [\d.e+-]+ GB with its factors"),
    "cluster": (
        "given",
        "--scheduler",
        r"(tiles of K|spans of rows where there are several), by the workers of \S{1,300}, \d+ at the beginning",
    ),
}
"""Rows about where it is computed, by word: how, option, and form of their values. Only last digits depend on it."""


@dataclass(frozen=True, slots=True)
class Understood:
    """One fact about the input that a verdict depends on.

    Args:
        word: what the fact is about, such as "target".
        value: what was understood, in words.
        how: how it was decided.
        option: the option that says it outright; its name in Python is the same without dashes.

    Example:
        >>> Understood("task", "classification: no, yes", "inferred", "--task")
        Understood(word='task', value='classification: no, yes', how='inferred', option='--task')
    """

    word: str
    value: str
    how: How
    option: str


def listed(names: Sequence[object], limit: int = 12) -> str:
    """Names in one line, only the first ones where there are many.

    Example:
        >>> listed(["a", "b", "c"], limit=2), listed([])
        ('a, b, … (3 in all)', 'nothing')
    """
    shown = ", ".join(map(str, names[:limit])) or "nothing"
    return shown if len(names) <= limit else f"{shown}, … ({len(names)} in all)"


def told_in_line(rows: Iterable[Mapping[str, str]]) -> str:
    """What was understood in one line, where there is no room for a table: what nobody said outright comes first.

    Example:
        >>> forget = {"word": "forget", "value": "1 of 3 rows", "how": "given", "option": "--forget"}
        >>> start = {"word": "w₀", "value": "zero, assumed", "how": "default", "option": "--w-init"}
        >>> told_in_line([forget, start])
        'w₀: zero, assumed (default, --w-init); forget: 1 of 3 rows'
    """
    ordered = sorted(rows, key=lambda row: row["how"] == "given")
    hows = ("" if row["how"] == "given" else f" ({row['how']}, {row['option']})" for row in ordered)
    return "; ".join(f"{row['word']}: {row['value']}{how}" for row, how in zip(ordered, hows, strict=True))
