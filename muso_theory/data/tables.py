"""Tables of every kind as one frame of cells: CSV, Excel, Parquet and Feather."""

from __future__ import annotations

import csv
import io
import itertools
import re
import shlex
import warnings
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from ..errors import BadInputError, expected, nearest
from ..files.reading import grown
from ..files.zipped import open_archive
from ..former import former
from ..understood import Understood
from .foreign import extra_package, refuse_foreign, unreadable

__all__ = ["Table", "read_table"]
former(__name__)

_SEPARATORS = {",": "commas", ";": "semicolons", "\t": "tabs"}
_SEPARATED = {**_SEPARATORS, " ": "blanks"}
_DECIMAL_COMMA = re.compile(r"\s*[+-]?[0-9]*,[0-9]+([eE][+-]?[0-9]+)?\s*")
_DECIMAL_POINT = re.compile(r"\s*[+-]?[0-9]*\.[0-9]+([eE][+-]?[0-9]+)?\s*")
_THOUSANDS = re.compile(r"\s*[+-]?[1-9][0-9]{0,2},[0-9]{3}\s*")
_ROW_NAME = re.compile(r"\s*([0-9]+|.*[^0-9.,eE+-].*)\s*", re.DOTALL)
_MARKS = {b"\xff\xfe": "utf-16", b"\xfe\xff": "utf-16"}

_MOST_CELLS = 1 << 22
"""Of a sheet, unless more are written in it."""

_BINARY_IN = 1 << 16
"""Text has no zero byte, and binary data have one among so many."""

_PANDAS = {
    ".dta": "read_stata",
    ".sav": "read_spss",
    ".sas7bdat": "read_sas",
    ".xpt": "read_sas",
    ".xls": "read_excel",
    ".h5": "read_hdf",
    ".hdf5": "read_hdf",
    ".orc": "read_orc",
}
"""What reads files of other programs."""


@dataclass(frozen=True)
class Table:
    """Cells with named columns, and where each row stands in its file.

    Args:
        name: of the file, for messages.
        frame: a pandas data frame; its columns are as they were written, repeated or empty names included.
        place: says where a row, counted from 0, is.
        understood: how the file was read.
    """

    name: str
    frame: Any
    place: Callable[[int], str]
    understood: tuple[Understood, ...] = ()


def read_table(data: bytes, kind: str, name: str, *, sheet: str | None, encoding: str | None) -> Table:
    r"""Read a table; nothing is converted yet, so that every bad cell can be named.

    Args:
        data: the file's bytes, not compressed.
        kind: csv, xlsx, parquet or feather.
        sheet: of an Excel file; None is the first.
        encoding: of text; None is UTF-8, with or without a byte-order mark.

    Raises:
        BadInputError: other encodings, ragged rows, unterminated quotes, no rows, an absent sheet, broken files, an
            option that does not go with this kind of file.

    Example:
        >>> table = read_table(b"a;y\n0,5;1\n1,5;2\n", "csv", "data.csv", sheet=None, encoding=None)
        >>> table.frame["a"].tolist(), table.place(1), table.understood[0].value
        (['0.5', '1.5'], 'data.csv, line 3', 'text, separated by semicolons, decimal commas, utf-8')
    """
    if sheet is not None and kind != "xlsx":
        raise expected("a sheet for Excel files only", "sheet", sheet, name, "leaving out --sheet")
    if encoding is not None and kind != "csv":
        raise expected(
            "an encoding for text files only", "encoding", encoding, name, "leaving out --encoding"
        )
    if kind == "csv":
        return _read_csv(data, name, encoding)
    import pandas as pd

    if kind == "xlsx":
        return _read_excel(data, name, sheet)
    extra_package("pyarrow", name)
    try:
        read = pd.read_parquet if kind == "parquet" else pd.read_feather
        frame = read(io.BytesIO(data))
    except Exception as error:
        raise unreadable(f"a complete .{kind} file", name, error) from error
    return Table(name, frame, lambda row: f"{name}, row {row}, counted from 0")


def _read_excel(data: bytes, name: str, sheet: str | None) -> Table:
    """One sheet of an Excel file, whose first row names the columns."""
    import pandas as pd

    extra_package("openpyxl", name)
    try:
        with open_archive(io.BytesIO(data)) as archive:
            total = sum(member.file_size for member in archive.infolist())
        if total > grown(len(data)):
            what = f"a workbook that grows to at most {grown(len(data)):,} bytes"
            raise expected(what, "DATA", name, f"{total:,} bytes", "the sheet as .csv")
        with pd.ExcelFile(io.BytesIO(data)) as book:
            sheets = [str(known) for known in book.sheet_names]
            if sheet is not None and sheet not in sheets:
                raise expected(f"a sheet of {name}", "sheet", sheet, "no such sheet", nearest(sheet, sheets))
            chosen = sheets[0] if sheet is None else sheet
            _check_cells(book, chosen, name, total)
            as_written = {"header": None, "dtype": object, "na_filter": False, "keep_default_na": False}
            cells = pd.read_excel(book, sheet_name=chosen, **as_written)
            if len(cells) < 2:
                others = (known for known in sheets if known != chosen)
                full = [
                    s for s in others if len(pd.read_excel(book, sheet_name=s, nrows=2, **as_written)) > 1
                ]
                if full:
                    got = f"{name}, sheet {chosen!r}: {'a header only' if len(cells) else 'empty'}"
                    raise expected(
                        "a header and rows", "sheet", chosen, got, f"--sheet {shlex.quote(full[0])}"
                    )
    except BadInputError:
        raise
    except Exception as error:
        raise unreadable("a complete .xlsx file", name, error) from error
    words = f"sheet {chosen!r}" + (
        f", the first of {', '.join(sheets)}" if sheet is None and sheets[1:] else ""
    )
    how = Understood("data", words, "inferred" if sheet is None else "given", "--sheet")
    return _headed(cells, name, lambda row: f"{name}, sheet {chosen!r}, row {row + 2}", how)


def _check_cells(book: Any, sheet: str, name: str, size: int) -> None:
    """Refuse a sheet of more cells than its file wrote: one that is far away makes all before it."""
    # No cell that is written takes less than 16 bytes, so that a full sheet of any size passes.
    most, rows, columns = max(_MOST_CELLS, size // 16), 0, 0
    pages = book.book[sheet]
    if not hasattr(pages, "reset_dimensions"):  # a chart
        return
    pages.reset_dimensions()  # which the file may say wrongly
    for row in pages.iter_rows(values_only=True):
        rows, columns = rows + 1, max(columns, len(row), 1)
        if rows * columns > most:
            what = f"a sheet of at most {most:,} cells, those between and before them too,"
            raise expected(what, "sheet", sheet, f"{name}: more", "the table alone as .csv")


def _headed(cells: Any, name: str, place: Callable[[int], str], how: Understood) -> Table:
    """A table from cells whose first row is the header."""
    if not len(cells):
        raise expected("a header and rows", "file", name, "empty", "a file with content")
    frame = cells.iloc[1:].reset_index(drop=True)
    frame.columns = [str(cell).strip() for cell in cells.iloc[0]]
    return Table(name, frame, place, (how,))


def _read_csv(data: bytes, name: str, encoding: str | None) -> Table:
    """Text in columns, every cell as it is written."""
    import pandas as pd

    text = _decode(data, name, encoding)
    refuse_foreign(text, name)
    separator = _separator(text, name)
    header, row = _widths(text, separator, name)
    try:
        # The parser in Python is the one that is strict about quotes: '"2"3' is an error and not the number 23.
        with warnings.catch_warnings():
            # A row longer than the first is an error; pandas 2 only warns, and loses the cells.
            warnings.simplefilter("error", pd.errors.ParserWarning)
            cells = pd.read_csv(
                io.StringIO(text, newline=""),
                sep=separator,
                header=None,
                names=range(row) if row == header + 1 else None,
                index_col=False,
                dtype=object,
                na_filter=False,
                keep_default_na=False,
                skipinitialspace=True,
                skip_blank_lines=False,
                engine="python",
            )
    except (pd.errors.ParserError, pd.errors.ParserWarning) as error:
        _refuse_ragged(text, separator, name)
        raise expected("well-formed CSV", "file", name, str(error), "closing every quote") from error
    while len(cells) and cells.iloc[-1].isna().all():  # empty lines at the end are no rows
        cells = cells.iloc[:-1]
    words = [f"text, separated by {_SEPARATED[separator]}"]
    if row == header + 1 and _names_rows_first(cells):
        cells = cells.copy()
        cells.iloc[0] = ["", *cells.iloc[0, :-1]]
        words.append("row names in a first column that the header does not name")
    if cells.isna().to_numpy().any():
        _refuse_ragged(text, separator, name)
        got = "a row that ends before the header does"  # as pandas reads quotes, and Python's own reader does not
        raise expected("as many cells in every row", "file", name, got, "one cell per column")
    if _has_decimal_commas(cells, name, separator):
        words.append("decimal commas")
        comma = cells.map(lambda cell: _DECIMAL_COMMA.fullmatch(cell) is not None)
        cells = cells.where(~comma, cells.map(lambda cell: cell.replace(",", ".")))
    words.append(encoding or "utf-8")
    how = Understood("data", ", ".join(words), "inferred" if encoding is None else "given", "--encoding")

    def place(row: int) -> str:
        line, _ = next(itertools.islice(_records(text, separator, name), row + 1, None))
        return f"{name}, line {line}"

    return _headed(cells, name, place, how)


def _decode(data: bytes, name: str, encoding: str | None) -> str:
    """Decode text; what is not UTF-8 needs its encoding said."""
    if b"\0" in data[:_BINARY_IN] and encoding is None and data[:2] not in _MARKS:
        read = next((call for ending, call in _PANDAS.items() if name.lower().endswith(ending)), None)
        hint = f"pandas.{read}({name!r}).to_csv('data.csv', index=False)" if read else "numpy.savez(X=…, y=…)"
        raise expected("a table or an archive", "DATA", name, "binary data of another kind", hint)
    codec = encoding or "utf-8-sig"
    try:
        text = data.decode(codec)
    except LookupError:
        raise expected("a known encoding", "encoding", encoding, "unknown", "--encoding cp1252") from None
    except UnicodeError as error:
        at = getattr(error, "start", 0)
        likely = _MARKS.get(data[:2]) or "cp1252"
        try:
            data.decode(likely)
        except UnicodeError:
            likely = "latin-1"
        hint = f"--encoding {likely}" if likely != encoding else "another --encoding"
        what, where = f"{encoding or 'UTF-8'} text", f"byte {at} of {name}, perhaps {likely}"
        raise expected(what, "byte", hex(data[at]) if at < len(data) else "none", where, hint) from error
    text = text.removeprefix("\ufeff")
    if "\0" in text:
        raise expected("text", "file", name, "binary data", "a .npz file, or a text file")
    if not text.strip():
        raise expected("a header and rows", "file", name, "empty", "a file with content")
    if text[0] in "\r\n":  # releases of pandas differ in what they make of it
        raise expected("a header", "line", 1, f"{name}: empty", "removing the empty lines above the header")
    return text


def _separator(text: str, name: str) -> str:
    """The separator that splits the header into most names; blanks, where no other does and they split rows alike."""
    counts = {}
    for mark in _SEPARATORS:
        try:
            counts[mark] = len(next(csv.reader(io.StringIO(text, newline=""), delimiter=mark)))
        except (csv.Error, StopIteration):
            counts[mark] = 0
    best = max(counts.values())
    found = [mark for mark, count in counts.items() if count == best]
    if best > 1 and len(found) > 1:
        marks = " and ".join(_SEPARATORS[mark] for mark in found)
        header = text.splitlines()[0]
        raise expected(
            "one separator", "header", header, f"{name}: {marks}", "quoting the names in the header"
        )
    if best == 1:
        first, second = _widths(text, " ", name)
        if first > 1 and second - first in (0, 1):
            return " "
        # Below a line that is no header, such as a comment, the rows tell what separates them.
        found = [mark for mark in _SEPARATORS if _widths(text, mark, name)[1] > 1] or found
    return found[0]


def _widths(text: str, separator: str, name: str) -> tuple[int, int]:
    """Cells of the header and of the first row, 0 where there is none."""
    widths = []
    with suppress(BadInputError):
        widths = [len(record) for _, record in itertools.islice(_records(text, separator, name), 2)]
    first, second, *_ = *widths, 0, 0
    return first, second


def _names_rows_first(cells: Any) -> bool:
    """Whether rows, a cell longer than the header, all begin with a name of their own, as R writes them."""
    if len(cells) < 3 or cells.iloc[1:].isna().to_numpy().any():
        return False
    names = cells.iloc[1:, 0]
    return bool(names.is_unique and names.map(lambda cell: _ROW_NAME.fullmatch(cell) is not None).all())


def _has_decimal_commas(cells: Any, name: str, separator: str) -> bool:
    """Whether numbers are written with decimal commas; some with commas and some with points are refused.

    Beside commas that separate, 1,234 is a number of thousands as likely, so that another number has to tell.
    """
    flat = cells.to_numpy().ravel().tolist()
    comma = next(filter(_DECIMAL_COMMA.fullmatch, flat), None)
    point = next(filter(_DECIMAL_POINT.fullmatch, flat), None)
    if separator == ",":
        tells = any(_DECIMAL_COMMA.fullmatch(cell) and not _THOUSANDS.fullmatch(cell) for cell in flat)
        return tells and point is None
    if comma is not None and point is not None:
        got = f"{name}: beside {point!r}"
        raise expected("one decimal mark", "cell", comma, got, "writing all numbers with decimal points")
    return comma is not None


def _records(text: str, separator: str, name: str) -> Iterator[tuple[int, list[str]]]:
    """Every record with the line on which it starts, for messages only."""
    reader = csv.reader(
        io.StringIO(text, newline=""), delimiter=separator, strict=True, skipinitialspace=True
    )
    start = 1
    try:
        for record in reader:
            yield start, record
            start = reader.line_num + 1
    except csv.Error as error:
        raise expected("well-formed CSV", "line", start, f"{name}: {error}", "closing every quote") from error


def _refuse_ragged(text: str, separator: str, name: str) -> None:
    """Refuse the first row that has not as many cells as the header, or the quote that is never closed."""
    width = 0
    for line, record in _records(text, separator, name):
        width = width or len(record)
        if len(record) != width:
            what = f"{width} cell{'s' if width > 1 else ''}, as in the header,"
            hint = "one cell per column"
            if not record:
                hint = "removing the empty line"
            elif width < len(record) and width < 3:
                hint = "removing what stands above the header, or a name for every column"
            raise expected(what, "cells", len(record), f"{name}, line {line}", hint)
