"""The cells of a table as numbers, each exactly or refused by its place."""

from __future__ import annotations

import math
import re
import shlex
from collections.abc import Sequence
from typing import Any

import numpy as np

from ..arrays import Array
from ..errors import BadInputError, expected
from .dataset import FloatArray, check_numbers
from .tables import Table

__all__ = ["INTEGER", "bit", "is_number", "is_text", "matrix", "option", "spelled", "target_cells"]

INTEGER = re.compile(r"\s*[+-]?[0-9]+\s*")
"""Text that is a whole number."""

_DRESSED = re.compile(r"\s*[-+]?[^\w\s]?\s*\d[\d.,' ]*\s*[^\w\s]?\s*")
"""Text that is a number in the dress of a report: 1,200.5 or 7 % or $3."""

_YES_NO = {"yes": True, "no": False, "true": True, "false": False}
_BITS = {**_YES_NO, "1": True, "0": False, "1.0": True, "0.0": False}
_MISSING = ("", "na", "n/a", "nan", "nat", "null", "none", "?", "<na>")


def matrix(table: Table, names: Sequence[str], dense: bool) -> FloatArray:
    """Columns as one matrix; all columns of text are named together, so that one cure helps.

    Args:
        dense: fill in the zeros of sparse ones.

    Raises:
        BadInputError: cells that are missing, no numbers or not finite, integers above 2⁵³, sparse columns.
    """
    X = np.empty((len(table.frame), len(names)))
    texts = []
    for j, name in enumerate(names):
        column = table.frame[name]
        if _is_sparse(column):
            if not dense:
                raise expected("dense columns", "column", name, f"{table.name}: sparse", "--dense")
            column = column.sparse.to_dense()
        plain = _plain_numbers(column.tolist()) if column.dtype == object else None
        if plain is not None:
            X[:, j] = plain
        elif is_text(column):
            texts.append(name)
        else:
            X[:, j] = _numbers(column, table, name, option("drop", name))
    if texts:
        first = table.frame[texts[0]].iloc[0]
        got = f"{table.place(0)}: text"
        hint = f"numbers in its place, or {option('drop', *texts)}"
        raise expected("a number", f"column {texts[0]!r}", first, got, hint)
    return X


def option(name: str, *columns: str) -> str:
    """An option with the columns that it names, as a shell takes them.

    Example:
        >>> option("drop", "a", "b c")
        "--drop a --drop 'b c'"
    """
    return " ".join(f"--{name} {shlex.quote(column)}" for column in columns)


def _is_sparse(column: Any) -> bool:
    """Whether pandas keeps a column without its zeros."""
    return hasattr(column, "sparse") and "Sparse" in type(column.dtype).__name__


def is_text(column: Any) -> bool:
    """Whether a column holds words only, and not yes and no."""
    if column.dtype.kind in "biufc" or not len(column):
        return False
    cells = [cell for cell in column.tolist() if not _is_missing(cell)]
    words = all(isinstance(cell, str) and not is_number(cell) for cell in cells)
    return bool(cells) and words and not all(cell.strip().lower() in _YES_NO for cell in cells)


def _is_missing(cell: Any) -> bool:
    """Whether a cell says that there is nothing."""
    return cell is None or spelled(cell).strip().lower() in _MISSING


def spelled(cell: Any) -> str:
    """A cell as text, hexadecimal for integers of some thousand digits, which Python writes in no other way.

    Example:
        >>> spelled(1.5), len(spelled(10**5000))
        ('1.5', 4155)
    """
    try:
        return str(cell)
    except ValueError:
        return hex(cell)


def _plain_numbers(cells: list[Any]) -> FloatArray | None:
    """A column of text that holds nothing but numbers below 2⁵³, read at once; None leaves it to be read by cell."""
    try:
        values = np.array([float(cell) for cell in cells if isinstance(cell, str)])
    except ValueError:
        return None
    plain = len(values) == len(cells) and bool((np.abs(values) < 2.0**53).all())
    together = "".join(cells) if plain else "_"
    return values if together.isascii() and "_" not in together else None


def _numbers(column: Any, table: Table, name: str, cure: str) -> FloatArray:
    """A column as float64, exactly or not at all; the cure is what else helps than repairing a cell."""
    kind = column.dtype.kind
    if kind in "biuf" and isinstance(column.dtype, np.dtype):
        values = column.to_numpy()
        if kind == "f" and not np.isfinite(values).all():
            row = int(np.flatnonzero(~np.isfinite(values))[0])
            raise _bad(values[row], table, row, name, cure)
        return check_numbers(f"column {name!r}", values, (1,))
    cells = column.tolist()
    low = [cell.strip().lower() if isinstance(cell, str) else cell for cell in cells]
    if all(isinstance(cell, str) and cell in _YES_NO for cell in low):
        return np.array([_YES_NO[cell] for cell in low], dtype=np.float64)
    return np.array([_number(cell, table, i, name, cure) for i, cell in enumerate(cells)])


def _number(cell: Any, table: Table, row: int, name: str, cure: str) -> float:
    """One cell as a finite number."""
    if isinstance(cell, str):
        if not is_number(cell):
            raise _bad(cell, table, row, name, cure)
        value, exact = float(cell), INTEGER.fullmatch(cell) is not None
    elif isinstance(cell, bool | np.bool_ | int | float | np.integer | np.floating):
        value, exact = _float(cell), isinstance(cell, int | np.integer)
    else:
        raise _bad(cell, table, row, name, cure)
    if not math.isfinite(value):
        raise _bad(cell, table, row, name, cure)
    # Python reads no integer of some thousand digits; zeros in front count, and mean nothing.
    digits = cell.strip().lstrip("+-0") if isinstance(cell, str) else cell
    if exact and abs(value) >= 2.0**53 and abs(int(digits)) > 2**53:
        # Further integers are not all float64, so that two different ones could be read as the same number.
        got = f"{table.place(row)}: an integer above 2**53"
        raise expected("numbers that float64 holds", f"column {name!r}", cell, got, cure)
    return value


def _float(number: Any) -> float:
    """A number as a float, infinite where none is large enough."""
    try:
        return float(number)
    except OverflowError:
        return math.inf if number > 0 else -math.inf


def _bad(cell: Any, table: Table, row: int, name: str, cure: str) -> BadInputError:
    """Word the refusal of a cell."""
    column, where = f"column {name!r}", table.place(row)
    if isinstance(cell, list | tuple | dict | set | np.ndarray):
        return expected("a number", column, cell, f"{where}: {type(cell).__name__}, nested", cure)
    if _is_missing(cell) and not (isinstance(cell, str) and cell.strip().lower() == "nan"):
        text = "''" if cell is None or not spelled(cell).strip() else cell
        return expected(
            "a number", column, text, f"{where}: empty cell", f"filling it, removing the row, or {cure}"
        )
    if isinstance(cell, int | float | np.floating) or (isinstance(cell, str) and is_number(cell)):
        return expected("a finite number", column, cell, where, f"removing the row, or {cure}")
    got = "text" if isinstance(cell, str) else type(cell).__name__
    return expected("a number", column, cell, f"{where}: {got}", f"a plain number, or {cure}")


def bit(cell: Any, table: Table, row: int, name: str) -> bool:
    """One cell, yes, no, true, false, 1 or 0; any other is refused with its place."""
    value = _BITS.get(spelled(cell).strip().lower())
    if value is None:
        raise expected("yes, no, true, false, 1 or 0", f"column {name!r}", cell, table.place(row), "0 or 1")
    return value


def target_cells(column: Any, table: Table, name: str) -> Array:
    """A target column, shape (n,), as numbers, or as class names if no cell is a number."""
    if _is_sparse(column):
        column = column.sparse.to_dense()
    cells = column.tolist()
    if cells and all(isinstance(cell, bool) for cell in cells):
        return np.array([spelled(cell) for cell in cells], dtype=np.str_)
    if cells and all(
        isinstance(cell, str) and not is_number(cell) and not _is_missing(cell) for cell in cells
    ):
        if all(_DRESSED.fullmatch(cell) for cell in cells):
            got = f"{table.place(0)}: numbers with signs or separators"
            raise expected(
                "plain numbers", f"column {name!r}", cells[0], got, "digits and a decimal point only"
            )
        return np.array([cell.strip() for cell in cells], dtype=np.str_)
    return _numbers(column, table, name, "another --target")


def is_number(cell: str) -> bool:
    """Whether text reads as a number, NaN and infinity included.

    Example:
        >>> is_number(" 1e3 "), is_number("1_000"), is_number("nan")
        (True, False, True)
    """
    try:
        float(cell)
    except ValueError:
        return False
    return cell.isascii() and "_" not in cell  # Python's float takes 1_000 and other scripts' digits
