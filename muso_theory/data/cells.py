"""The cells of a table as numbers, each exactly or refused by its place."""

from __future__ import annotations

import math
import numbers
import re
import shlex
from collections.abc import Sequence
from decimal import Decimal
from typing import Any

import numpy as np

from ..arrays import Array
from ..errors import BadInputError, expected
from .dataset import FloatArray, check_numbers
from .tables import Table

__all__ = [
    "INTEGER",
    "bit",
    "is_missing",
    "is_number",
    "is_text",
    "matrix",
    "option",
    "spelled",
    "target_cells",
]

INTEGER = re.compile(r"\s*[+-]?[0-9]+\s*")
"""Text that is a whole number."""

_DRESSED = re.compile(r"\s*[-+]?[^\w\s]?\s*\d[\d.,' ]*\s*[^\w\s]?\s*")
"""Text that is a number in the dress of a report: 1,200.5 or 7 % or $3."""

_YES_NO = {"yes": True, "no": False, "true": True, "false": False}
_BITS = {**_YES_NO, "1": True, "0": False, "1.0": True, "0.0": False}
_NAMES = ("na", "n/a", "nat", "null", "none")
"""Words for a missing cell that may as well be the name of a class, which is not guessed."""

_MISSING = ("", "nan", "?", "<na>", *_NAMES)


def matrix(table: Table, names: Sequence[str], dense: bool, chosen: bool = False) -> FloatArray:
    """Columns as one matrix; all columns of text are named together, so that one cure helps.

    Args:
        dense: fill in the zeros of sparse ones.
        chosen: whether the user named them, who then has to leave out what they name.

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
            X[:, j] = _numbers(column, table, name, _without([name], names, chosen))
    if texts:
        cells = table.frame[texts[0]].tolist()
        row = next(i for i, cell in enumerate(cells) if _is_word(cell))
        few = 2 * len(set(map(spelled, cells))) <= len(cells)  # words of which each comes twice are kinds
        numbers_of_them = "numbers in its place, as of pandas.get_dummies" if few else "numbers in its place"
        hint = _either(_plainer(cells[row]) or numbers_of_them, _without(texts, names, chosen))
        raise expected("a number", f"column {texts[0]!r}", cells[row], f"{table.place(row)}: text", hint)
    return X


def _without(columns: Sequence[str], names: Sequence[str], chosen: bool) -> str:
    """How to leave out feature columns; empty where none would be left."""
    if len(columns) == len(names):
        return ""
    return f"leaving out {option('columns', *columns)}" if chosen else option("drop", *columns)


def _either(*cures: str) -> str:
    """Cures in words, those that are empty left out."""
    *first, last = filter(None, cures)
    return ", ".join(first) + (", or " if first else "") + last


def _is_word(cell: Any) -> bool:
    """Whether a cell says something that neither a number does nor yes or no."""
    return isinstance(cell, str) and not (
        is_missing(cell) or is_number(cell) or cell.strip().lower() in _YES_NO
    )


_SPELLINGS = (
    (re.compile(r"[+-]?[0-9]*\.?[0-9]+[dD][+-]?[0-9]+"), "an E in place of the D"),
    (re.compile(r"\u2212[0-9]*\.?[0-9]+([eE][+-]?[0-9]+)?"), "a hyphen in place of the minus sign"),
    (re.compile(r"0[xX][0-9a-fA-F]+"), "decimal digits"),
    (re.compile(r"[+-]?[0-9]*,[0-9]+([eE][+-]?[0-9]+)?"), "a decimal point in place of the comma"),
)
"""How others write numbers, and what makes plain ones of them."""


def _plainer(cell: str) -> str:
    """What makes a plain number of text that is one in another spelling; empty where it is none."""
    written = cell.strip()
    known = next((cure for spelling, cure in _SPELLINGS if spelling.fullmatch(written)), "")
    return known or ("digits and a decimal point only" if _DRESSED.fullmatch(written) else "")


def holds_integers(column: Any) -> bool:
    """Whether a column that was read holds whole numbers only, as they are written, or words that become such.

    Example:
        >>> import pandas as pd
        >>> [holds_integers(pd.Series(cells)) for cells in (["1", " -2"], ["yes", "no"], ["1", "2.0"], [1.0, 2.0])]
        [True, True, False, False]
    """
    if column.dtype.kind != "O":
        return column.dtype.kind in "biu" and not _is_sparse(column)
    return all(
        INTEGER.fullmatch(cell) is not None or not is_number(cell)
        if isinstance(cell, str)
        else isinstance(cell, int | np.integer | np.bool_)
        for cell in column.tolist()
    )


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
    cells = [cell for cell in column.tolist() if not is_missing(cell)]
    words = all(isinstance(cell, str) and not is_number(cell) for cell in cells)
    return bool(cells) and words and not all(cell.strip().lower() in _YES_NO for cell in cells)


def is_missing(cell: Any) -> bool:
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
    odd = [i for i, cell in enumerate(low) if not (isinstance(cell, str) and cell in _YES_NO)]
    if not odd:
        return np.array([_YES_NO[cell] for cell in low], dtype=np.float64)
    if 2 * len(odd) < len(cells):  # what is rare is what is wrong
        raise _odd("yes or no", cells[odd[0]], table, odd[0], name, cure)
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
        hint = cure or "smaller ones"
        raise expected("numbers that float64 holds", f"column {name!r}", cell, got, hint)
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
        got = f"{where}: {type(cell).__name__}, nested"
        return expected("a number", column, cell, got, cure or "a column for each of its numbers")
    if is_missing(cell) and not (isinstance(cell, str) and cell.strip().lower() == "nan"):
        return _odd("a number", cell, table, row, name, cure)
    if isinstance(cell, int | float | np.floating) or (isinstance(cell, str) and is_number(cell)):
        return expected("a finite number", column, cell, where, _either("removing the row", cure))
    got = "text" if isinstance(cell, str) else type(cell).__name__
    plain = (_plainer(cell) if isinstance(cell, str) else "") or "a plain number"
    if isinstance(cell, numbers.Number | Decimal):  # such as parquet's decimal128
        plain = f"frame[{name!r}].astype(float), which rounds"
    return expected("a number", column, cell, f"{where}: {got}", _either(plain, cure))


def _odd(what: str, cell: Any, table: Table, row: int, name: str, cure: str) -> BadInputError:
    """Word the refusal of a cell that is empty, or another thing than what the column holds."""
    column, where = f"column {name!r}", table.place(row)
    if is_missing(cell):
        text = "''" if cell is None or not spelled(cell).strip() else cell
        is_word = isinstance(cell, str) and text == cell
        got = f"{where}: empty cell, which this word stands for" if is_word else f"{where}: empty cell"
        other = ""
        if is_word and what == "a word" and cell.strip().lower() in _NAMES:
            other = f"another name if it is a class, such as {'N_A' if cell.strip() == 'NA' else cell.strip() + '_'}"
        elif text == "''" and table.name.lower().partition(",")[0].endswith((".xlsx", ".xlsm")):
            other = "opening and saving the file in a spreadsheet program, if a formula stands there"
        return expected(what, column, text, got, _either("filling it", "removing the row", other, cure))
    got = "a word" if isinstance(cell, str) and not is_number(cell) else "a number"
    return expected(f"{what}, as in most rows,", column, cell, f"{where}: {got}", _either(what, cure))


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
    odd = [
        i for i, cell in enumerate(cells) if not isinstance(cell, str) or is_number(cell) or is_missing(cell)
    ]
    if cells and not odd:
        if all(_DRESSED.fullmatch(cell) for cell in cells):
            got = f"{table.place(0)}: numbers with signs or separators"
            raise expected(
                "plain numbers", f"column {name!r}", cells[0], got, "digits and a decimal point only"
            )
        return np.array([cell.strip() for cell in cells], dtype=np.str_)
    named = len(odd) < len(cells) and all(spelled(cells[i]).strip().lower() in _NAMES for i in odd)
    if named or 2 * len(odd) < len(cells):  # classes as words, of which some rows have none
        raise _odd("a word", cells[odd[0]], table, odd[0], name, "another --target")
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
