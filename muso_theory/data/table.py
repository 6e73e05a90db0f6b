"""Reading CSV text with a header."""

from __future__ import annotations

import csv
import io
import math
from collections import Counter

import numpy as np

from muso_theory.arrays import forget_indices
from muso_theory.data.classes import encode_classes
from muso_theory.data.dataset import (
    Dataset,
    FloatArray,
    TextArray,
    class_order,
    integer_labels,
)
from muso_theory.errors import expected, nearest

__all__ = ["TARGET_NAMES", "read_csv"]

TARGET_NAMES = ("y", "target", "label")
"""Header names that mark the target column."""

_BOOLEANS = {"0": False, "1": True, "false": False, "true": True}


def read_csv(data: bytes, name: str, sha256: str, target: str | None = None) -> Dataset:
    r"""Parse UTF-8 CSV text: a header, then one sample per line, comma-separated, cells may be quoted.

    The target is the column asked for, else the one named ``y``, ``target`` or ``label``, else the last
    one. A column named ``forget`` holds 0/1 or true/false and is no feature. All others are features.
    Numbers are read as the nearest float64. A target column holds numbers or class names, never both.

    Args:
        data: the file's bytes; a UTF-8 byte-order mark is allowed.
        name: of the file, for messages.
        sha256: of its bytes.
        target: name of the target column.

    Returns:
        The data set: numeric targets as they are, text targets encoded as classes.

    Raises:
        BadInputError: naming line (the header is line 1) and column, for everything else: other encodings,
            no header, repeated or empty names, ragged rows, no rows, cells that are missing, not numbers or
            not finite, an unterminated quote, no feature column, a bad forget column.

    Example:
        >>> pets = read_csv(b"a,b,label\n1,2,cat\n3,4,dog\n", "pets.csv", "0" * 64)
        >>> pets.X.tolist(), pets.y.tolist(), pets.classes
        ([[1.0, 2.0], [3.0, 4.0]], [-1.0, 1.0], ('cat', 'dog'))
    """
    header, rows, lines = _split(_decode(data, name), name)
    _check_header(header, name)
    target_at, forget_at = _roles(header, target, name)
    feature_at = [i for i in range(len(header)) if i not in (target_at, forget_at)]
    if not feature_at:
        raise expected("at least one feature column", "header", ",".join(header), name, "a wider table")
    X = np.empty((len(rows), len(feature_at)))
    for i, (row, line) in enumerate(zip(rows, lines, strict=True)):
        X[i] = [_number(row[j], header[j], line, name) for j in feature_at]
    y, target_class = _targets([row[target_at] for row in rows], header[target_at], lines, name)
    forget = None
    if forget_at is not None:
        mask = [_boolean(row[forget_at], line, name) for row, line in zip(rows, lines, strict=True)]
        forget = forget_indices(np.array(mask, dtype=np.bool_), len(rows), f"{name}, column forget")
    classes = () if target_class is None else class_order(target_class)
    return Dataset(
        name=name,
        X=X,
        y=y,
        sha256=sha256,
        classes=classes,
        target_class=target_class,
        groups=target_class,
        forget=forget,
    )


def _decode(data: bytes, name: str) -> str:
    """Decode UTF-8 with or without a byte-order mark."""
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        where = f"byte {error.start} of {name}"
        raise expected("UTF-8 text", "byte", hex(data[error.start]), where, "saving as UTF-8 CSV") from error
    if "\0" in text:
        raise expected("CSV text", "file", name, "binary data", "a .npz or a UTF-8 .csv file")
    if not text.strip():
        raise expected("a header and rows", "file", name, "empty", "a .csv file with content")
    return text


def _split(text: str, name: str) -> tuple[list[str], list[list[str]], list[int]]:
    """Split into header, rows and the line on which each row starts."""
    reader = csv.reader(io.StringIO(text, newline=""), strict=True, skipinitialspace=True)
    records, lines, start = [], [], 1
    try:
        for record in reader:
            records.append(record)
            lines.append(start)
            start = reader.line_num + 1
    except csv.Error as error:
        raise expected("well-formed CSV", "line", start, f"{name}: {error}", "closing every quote") from error
    while records and not records[-1]:  # empty lines at the end are no rows
        records.pop()
        lines.pop()
    header = [cell.strip() for cell in records[0]]
    for record, line in zip(records[1:], lines[1:], strict=True):
        if len(record) != len(header):
            raise expected(
                f"{len(header)} cells, as in the header,",
                "cells",
                len(record),
                f"{name}, line {line}",
                "one cell per column",
            )
    if len(records) == 1:
        raise expected("rows after the header", "rows", 0, name, "at least two samples")
    return header, records[1:], lines[1:]


def _check_header(header: list[str], name: str) -> None:
    """Refuse headers that do not name every column once."""
    if len(header) < 2:
        separators = [word for mark, word in ((";", "semicolons"), ("\t", "tabs")) if mark in "".join(header)]
        hint = f"commas instead of {separators[0]}" if separators else "a feature and a target column"
        raise expected("at least two comma-separated columns", "header", ",".join(header), name, hint)
    if all(_is_number(cell) for cell in header):
        raise expected(
            "a header with column names", "line 1", ",".join(header), f"{name}: numbers", "adding one"
        )
    if "" in header:
        raise expected("a name for every column", "column", header.index("") + 1, f"{name}: empty", "a name")
    repeated = [column for column, count in Counter(header).items() if count > 1]
    if repeated:
        raise expected("distinct column names", "column", repeated[0], f"{name}: repeated", "renaming one")


def _roles(header: list[str], target: str | None, name: str) -> tuple[int, int | None]:
    """Positions of the target column and of the forget column, if there is one."""
    forget_at = header.index("forget") if "forget" in header else None
    if target is not None:
        if target not in header or target == "forget":
            others = [column for column in header if column != "forget"]
            raise expected(f"a column of {name}", "target", target, "no such column", nearest(target, others))
        return header.index(target), forget_at
    marked = [column for column in TARGET_NAMES if column in header]
    if len(marked) > 1:
        raise expected(
            "one target column",
            "columns",
            ", ".join(marked),
            name,
            f"naming the target, for example {marked[0]!r}",
        )
    if marked:
        return header.index(marked[0]), forget_at
    return max(i for i in range(len(header)) if i != forget_at), forget_at


def _is_number(cell: str) -> bool:
    """Whether a cell reads as a number, NaN and infinity included."""
    try:
        float(cell)
    except ValueError:
        return False
    return cell.isascii() and "_" not in cell  # Python's float takes 1_000 and other scripts' digits


def _number(cell: str, column: str, line: int, name: str) -> float:
    """Read one cell as a finite number."""
    place = f"{name}, line {line}"
    if not cell.strip():
        raise expected(
            "a number", f"column {column!r}", "''", f"{place}: empty cell", "filling it or removing the row"
        )
    if not _is_number(cell):
        raise expected("a number", f"column {column!r}", cell, f"{place}: text", "a numeric cell")
    value = float(cell)
    if not math.isfinite(value):
        raise expected("a finite number", f"column {column!r}", cell, place, "removing the row")
    return value


def _boolean(cell: str, line: int, name: str) -> bool:
    """Read one cell of the forget column."""
    value = _BOOLEANS.get(cell.strip().lower())
    if value is None:
        raise expected("0, 1, true or false", "column 'forget'", cell, f"{name}, line {line}", "0 or 1")
    return value


def _targets(
    cells: list[str], column: str, lines: list[int], name: str
) -> tuple[FloatArray, TextArray | None]:
    """Read the target column as numbers, or as class names if no cell is a number."""
    numeric = [_is_number(cell) for cell in cells]
    if not any(numeric) and all(cell.strip() for cell in cells):
        names = np.array([cell.strip() for cell in cells], dtype=np.str_)
        return encode_classes(names, class_order(names)), names
    pairs = zip(cells, lines, strict=True)
    y = np.array([_number(cell, column, line, name) for cell, line in pairs])
    return y, integer_labels(y)
