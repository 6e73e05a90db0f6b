"""Result files: what they hold of all runs alike, their kinds, and the hash that tells whether they were changed.

Three kinds share this layout; the fourth, the report of ``muso check``, has its own (`muso_theory.checking.report`).

- A *campaign* of ``python -m verification`` has ``campaign``, its name, what its figures and tables read, and
  ``conclusions``, each with ``claim``, ``sentence``, ``number`` (with ``low`` and ``high`` where it has an interval),
  what it is held ``against``, ``verdict`` and the ``rows`` that it rests on; they are made of the rows alone.
- A *sweep* has ``kind`` ``sweep``, ``axis`` (what is varied) and ``rows``; a row has ``axis``, ``value``, ``seed`` and
  named numbers, and may have ``series``, the line that it belongs to. A number ``X, bound`` is a proved upper bound of
  the number ``X``, and ``X, closed form`` its proved value, in closed form, for the float labels that were handed out.
  ``promise`` is the claim by which the method is exact (none where it promises nothing), ``verdict`` that claim's on
  this data, ``why`` what fails, ``audit`` the verdict of the gap: CERTIFIED where it is within the tolerance of none;
  ``no attack`` says why a membership attack that was asked for could not be made.
- An *unlearn* has ``kind`` ``unlearn`` and ``rows``; a row has ``method``, ``seed`` and named numbers, such as ``retain
  accuracy``, ``forget accuracy``, ``test accuracy``, ``gap``, ``AUC``, and may have ``AUC interval``, two numbers, and
  ``audit``.

In files of campaigns a list of rows is a table, ``{"columns": […], "rows": [[…], …]}``, or several in a row,
``{"blocks": […]}``, whichever is shortest: one line a row, and nothing repeated on it. A column is a name, or the names
that lead to a number inside of dictionaries; what all rows of a table have alike stands among the columns, such as
``{"seed": 3}``, and not on the rows; ``{}`` is the cell of a row that has no such key. `restored` gives the rows back.

Sweep and unlearn may also have ``title``, ``input`` and ``settings`` as a report has them, ``quick``, and beside the
rows ``eigenvalues`` (of the Gram matrix, all of them) and ``labels`` (the labels of each rule). All have ``schema`` and
``sha256``.
"""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from functools import reduce
from itertools import groupby, pairwise
from pathlib import Path
from typing import Any

from ..errors import expected, printable
from ..former import former

__all__ = [
    "LAID_OUT",
    "RESULT_SCHEMA",
    "ROW_KEYS",
    "check_result",
    "encoded",
    "laid_out",
    "restored",
    "result_hash",
    "sealed",
    "timeless",
]
former(__name__)

RESULT_SCHEMA = 1
"""The version of result files; a file that names none is of the first."""

LAID_OUT = 2
"""The version of files that `laid_out` writes."""

_FIRST = ("campaign", "quick", "schema", "verdict", "failed", "conclusions", "sha256", "wall seconds")
_LAST = ("environment",)
_TABLE, _BLOCKS = {"columns", "rows"}, {"blocks"}
_ABSENT: dict[str, Any] = {}
_MOST_ALIKE = 8
_Leaves = Mapping[tuple[str, ...], Any]
_AS_WRITTEN = "the file as it was written"

ROW_KEYS = {"sweep": ("axis", "value", "seed"), "unlearn": ("method", "seed")}
"""What every row of these kinds has beside its numbers."""


def timeless(content: Any) -> Any:
    """A result, or a part of one, without its times and its environment.

    What is left is what the same code reproduces with the same kernels of BLAS.
    """
    if isinstance(content, Mapping):
        return {
            key: timeless(value)
            for key, value in content.items()
            if key not in ("environment", "sha256", "seconds") and not key.endswith(" seconds")
        }
    return [timeless(value) for value in content] if isinstance(content, list | tuple) else content


def result_hash(result: Mapping[str, Any]) -> str:
    """The hash that a result carries under ``sha256``: of all but times and environment.

    Example:
        >>> result_hash({"x": 1, "seconds": 2.0}) == result_hash({"seconds": 3.0, "x": 1, "sha256": ""})
        True
    """
    whole = json.dumps(timeless(result), sort_keys=True, ensure_ascii=False)
    return hashlib.sha256(printable(whole).encode()).hexdigest()


def sealed(result: Mapping[str, Any]) -> dict[str, Any]:
    """A result with its schema version and its hash, ready to be written as JSON.

    Example:
        >>> row = {"axis": "ridge", "value": 0.1, "seed": 0, "gap": 2.5}
        >>> check_result(sealed({"kind": "sweep", "axis": "ridge", "rows": [row]}), "sweep.json")
    """
    whole = {**result, "schema": RESULT_SCHEMA}
    return whole | {"sha256": result_hash(whole)}


def encoded(result: Mapping[str, Any]) -> bytes:
    r"""A result as the bytes of its file: the same result gives the same.

    Example:
        >>> encoded({"x": 0.5})
        b'{\n "x": 0.5\n}\n'
    """
    return (printable(json.dumps(result, indent=1, ensure_ascii=False, allow_nan=False)) + "\n").encode()


def laid_out(result: Mapping[str, Any]) -> str:
    """A result as JSON text that a person can read: what was concluded on top, then one line a row.

    Returns:
        Text, from which `restored` gives the same result.

    Raises:
        BadInputError: a dictionary with no other keys than columns and rows, or blocks, which mean a table here.

    Example:
        >>> rows = [{"seed": i, "gap": {"mean": i / 4, "n": 5}} for i in range(4)]
        >>> print(laid_out({"rows": rows, "verdict": "as predicted"}), end="")
        {
         "verdict": "as predicted",
         "rows": {"columns": ["seed", ["gap", "mean"], {"gap": {"n": 5}}], "rows": [
          [0,0.0],
          [1,0.25],
          [2,0.5],
          [3,0.75]
         ]}
        }
    """
    middle = [key for key in result if key not in (*_FIRST, *_LAST)]
    order = [*_FIRST, *sorted(middle, key=lambda key: isinstance(result[key], list)), *_LAST]
    parts = (f" {_text(key)}: {_lines(_packed(result[key]))}" for key in order if key in result)
    return "{\n" + ",\n".join(parts) + "\n}\n"


def restored(document: Any) -> Any:
    """What a file of a result holds, with every table as the rows that it was made of.

    Raises:
        BadInputError: a table whose rows do not fit its columns.

    Example:
        >>> restored({"rows": {"columns": ["x"], "rows": [[1], [3]]}})
        {'rows': [{'x': 1}, {'x': 3}]}
    """
    if isinstance(document, Mapping):
        if set(document) == _BLOCKS:
            blocks = document["blocks"]
            if not isinstance(blocks, list) or not all(map(_is_table, blocks)):
                raise expected("a list of tables", "blocks", blocks, type(blocks).__name__, _AS_WRITTEN)
            return [row for block in blocks for row in restored(block)]
        if _is_table(document):
            return _rows(document["columns"], document["rows"])
        return {key: restored(value) for key, value in document.items()}
    return [restored(value) for value in document] if isinstance(document, list) else document


def _is_table(value: Any) -> bool:
    return isinstance(value, Mapping) and set(value) == _TABLE


def _rows(columns: Any, rows: Any) -> list[dict[str, Any]]:
    """The rows of a table as dictionaries."""
    lists = isinstance(columns, list) and isinstance(rows, list)
    own = [column for column in columns if not isinstance(column, Mapping)] if lists else []
    if not lists or not all(isinstance(row, list) and len(row) <= len(own) for row in rows):
        raise expected("a cell a column in each row", "rows", rows, f"columns {columns}", _AS_WRITTEN)
    paths = [[column] if isinstance(column, str) else column for column in own]
    if not all(
        isinstance(path, list) and path and all(isinstance(name, str) for name in path) for path in paths
    ):
        raise expected("names of columns", "columns", columns, "other JSON", _AS_WRITTEN)
    return [_row(columns, iter(row), iter(paths)) for row in rows]


def _row(columns: Sequence[Any], cells: Iterator[Any], paths: Iterator[Sequence[str]]) -> dict[str, Any]:
    """One row, of its own cells and of what it has like all others."""
    row: dict[str, Any] = {}
    for column in columns:
        leaves = _leaves(column) if isinstance(column, Mapping) else [(next(paths), next(cells, _ABSENT))]
        for path, cell in leaves:
            if cell == _ABSENT:
                continue
            place = row
            for name in path[:-1]:
                place = place.setdefault(name, {})
                if not isinstance(place, dict):
                    raise expected("one value a name", "columns", columns, f"two for {name}", _AS_WRITTEN)
            place[path[-1]] = restored(cell)
    return row


def _leaves(row: Mapping[str, Any], path: Sequence[str] = ()) -> Iterator[tuple[tuple[str, ...], Any]]:
    """What is at the ends of nested dictionaries, each with the names that lead there."""
    for name, value in row.items():
        if isinstance(value, Mapping) and value and set(value) not in (_TABLE, _BLOCKS):
            yield from _leaves(value, (*path, name))
        else:
            yield (*path, name), value


def _packed(value: Any) -> Any:
    """The same with every list of rows as tables, where that is shorter."""
    if isinstance(value, Mapping):
        if set(value) in (_TABLE, _BLOCKS):
            raise expected(
                "other keys", "result", sorted(value), "the keys of a table", "another name for one"
            )
        return {key: _packed(inner) for key, inner in value.items()}
    if not isinstance(value, list | tuple):
        return value
    plain = [_packed(inner) for inner in value]
    if not plain or not all(isinstance(row, Mapping) for row in value):
        return plain
    rows = [dict(_leaves(row)) for row in plain]
    if any(cell == _ABSENT for row in rows for cell in row.values()):
        return plain
    return min([plain, *_tables(rows)], key=lambda layout: len(_text(layout)))


def _tables(rows: Sequence[_Leaves]) -> Iterator[Any]:
    """Rows as one table, and as ever more of them, each of which has alike what changes least from row to row."""
    paths = list(dict.fromkeys(path for row in rows for path in row))
    texts = {path: [json.dumps(row.get(path, _ABSENT)) for row in rows] for path in paths}
    steadiest = sorted(paths, key=lambda path: sum(a != b for a, b in pairwise(texts[path])))
    for most in range(min(len(paths), _MOST_ALIKE) + 1):
        groups = groupby(range(len(rows)), key=lambda i: [texts[path][i] for path in steadiest[:most]])
        blocks = [_table(rows, texts, list(group)) for _, group in groups]
        yield blocks[0] if len(blocks) == 1 else {"blocks": blocks}


def _table(
    rows: Sequence[_Leaves], texts: Mapping[tuple[str, ...], Sequence[str]], group: Sequence[int]
) -> dict[str, Any]:
    """Some rows as one table."""
    columns: list[Any] = []
    own: list[tuple[str, ...]] = []
    present = Counter(path for i in group for path in rows[i])
    # What few rows have comes last, where a row that does not have it just ends.
    for path in sorted(present, key=lambda path: -present[path]):
        cell = rows[group[0]].get(path)
        alike = 1 < len(group) == present[path] and len({texts[path][i] for i in group}) == 1
        if alike and not isinstance(cell, list | dict):
            columns.append(reduce(lambda inner, name: {name: inner}, reversed(path), cell))
        else:
            columns.append(path[0] if len(path) == 1 else list(path))
            own.append(path)
    cells = []
    for i in group:
        last = max((k for k, path in enumerate(own) if path in rows[i]), default=-1)
        cells.append([rows[i].get(path, _ABSENT) for path in own[: last + 1]])
    return {"columns": columns, "rows": cells}


def _lines(value: Any) -> str:
    """JSON text, a line for each row of a table or list of dictionaries."""
    if isinstance(value, Mapping) and set(value) == _BLOCKS:
        return f'{{"blocks": [{", ".join(map(_lines, value["blocks"]))}]}}'
    if _is_table(value):
        return f'{{"columns": {_text(value["columns"])}, "rows": {_column(value["rows"])}}}'
    return (
        _column(value)
        if isinstance(value, list) and any(isinstance(v, Mapping) for v in value)
        else _text(value)
    )


def _column(items: list[Any]) -> str:
    return "[\n" + ",\n".join(f"  {_text(item, ',')}" for item in items) + "\n ]"


def _text(value: Any, between: str = ", ") -> str:
    return printable(json.dumps(value, ensure_ascii=False, separators=(between, ": ")))


def check_result(result: Mapping[str, Any], path: str | Path) -> None:
    """Refuse a result that this version cannot read, or that is not as it was written.

    Raises:
        BadInputError: another schema version, no hash, one that does not fit the content, or a row of a sweep or
            unlearn result without the keys that its kind has.
    """
    kind = result.get("kind")
    again = (
        f"muso {kind} DATA"
        if kind in ROW_KEYS
        else f"python -m verification {result.get('campaign', 'NAME')}"
    )
    version = result.get("schema", RESULT_SCHEMA)
    known = (RESULT_SCHEMA,) if kind in ROW_KEYS else (RESULT_SCHEMA, LAID_OUT)
    if version not in known:
        words = " or ".join(map(str, known))
        raise expected(f"results of schema version {words}", "schema", version, str(path), again)
    if result.get("sha256") != result_hash(result):
        found = f"{path}: changed after it was written"
        raise expected("a result as it was written", "sha256", result.get("sha256"), found, again)
    if kind not in ROW_KEYS:
        return
    rows = result.get("rows")
    if not isinstance(rows, list) or not rows:
        raise expected("a list of rows", "rows", rows, f"{path}: {type(rows).__name__}", again)
    for i, row in enumerate(rows):
        missing = [key for key in ROW_KEYS[kind] if not isinstance(row, Mapping) or key not in row]
        if missing:
            raise expected(f"rows with {', '.join(missing)}", f"rows[{i}]", row, str(path), again)
