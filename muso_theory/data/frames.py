"""From a table to a data set: which column is what, and every cell a number or refused by name."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from ..arguments import checked
from ..arrays import counts_rows, forget_indices
from ..errors import expected, nearest
from ..targets import MOST_CLASSES, decide_targets
from ..understood import How, Understood, listed
from .cells import (
    INTEGER,
    bit,
    holds_integers,
    is_missing,
    is_number,
    is_text,
    matrix,
    option,
    spelled,
    target_cells,
)
from .dataset import Dataset, FloatArray
from .tables import Table

__all__ = ["NO_CHOICES", "TARGET_NAMES", "Choices", "frame_dataset", "frame_samples"]

TARGET_NAMES = ("y", "target", "targets", "label", "labels", "class")
"""Header names that mark the target column, in upper or lower case."""

_IDENTIFIERS = re.compile(r"(unnamed: ?\d+|.*[_ .-]id|id|index|idx)", re.IGNORECASE)
_SHORTEST_RUN = 5
"""Integers that count from 0 or 1 look like an identifier from so many rows on; three of them may well be data."""

_FEWEST_NUMBERS = 20
"""Integers of which none repeats look like one from so many rows on; fewer may differ by chance."""


@dataclass(frozen=True)
class Choices:
    """What the user says about the columns of a table or the members of a file.

    Args:
        target: name of the target column; of a single matrix its number, from 0, or the .npy file of its targets.
        task: "regression" or "classification".
        drop: columns that are no features.
        columns: the feature columns, when not all of them.
        index: the column that names the samples.
        forget: the column that marks what to forget, when it is not called ``forget``.
        sheet: of an Excel file.
        encoding: of a text file.
        dense: fill in the zeros of sparse data.
    """

    target: str | None = None
    task: str | None = None
    drop: tuple[str, ...] = ()
    columns: tuple[str, ...] = ()
    index: str | None = None
    forget: str | None = None
    sheet: str | None = None
    encoding: str | None = None
    dense: bool = False

    def refuse(self, names: Iterable[str], source: str) -> None:
        """Refuse choices that this kind of source has no use for."""
        for name in names:
            value = getattr(self, name)
            if value not in (None, (), False):
                got = f"{source} brings its own y" if name == "target" else f"{source} is no table"
                raise expected(f"no --{name} here", name, value, got, f"leaving out --{name}")


NO_CHOICES = Choices()
"""Everything is inferred."""


@checked
def frame_dataset(table: Table, sha256: str, choices: Choices = NO_CHOICES) -> Dataset:
    r"""Make a data set of a table.

    The target is the column asked for, else the one named like a target, else the last one. A column named ``forget``
    holds yes and no, true and false or 1 and 0. Identifiers are no features: columns named like one whose values do
    not repeat are left out and told; integers of another name that count the rows, or of which none repeats, are
    refused until the user says what they are. All others are features and hold numbers, or yes and no.

    Args:
        table: the table, as `read_table` or a data frame gives it.
        sha256: of what it was read from; reports carry it.
        choices: what the user says about columns and targets; by default nothing.

    Raises:
        BadInputError: names that are absent, empty, repeated or ambiguous; no rows; cells that are missing, no numbers
            or not finite, integers above 2⁵³, named by their place; columns of text, dates, lists or complex numbers;
            sparse columns without ``dense``; whatever `decide_targets` refuses.

    Example:
        >>> from muso_theory.data.tables import read_table
        >>> text = b"id,a,b,label\n7,1,2,cat\n8,3,4,dog\n"
        >>> pets = frame_dataset(read_table(text, "csv", "pets.csv", sheet=None, encoding=None), "0" * 64)
        >>> pets.X.tolist(), pets.y.tolist(), pets.classes, pets.columns
        ([[1, 2], [3, 4]], [-1, 1], ('cat', 'dog'), ('a', 'b'))
    """
    table = _checked(table)
    frame, header = table.frame, list(table.frame.columns)
    find = _finder(header, table.name)
    dropped = {find(name, "drop"): "" for name in choices.drop}
    chosen = [find(name, "columns") for name in choices.columns]
    others = {"drop": [*dropped], "index": [], "forget": [], "target": []}
    for role in ("index", "forget", "target"):
        said = getattr(choices, role)
        others[role] = [] if said is None or said == frame.index.name else [find(said, role)]
    for role, named in others.items():
        for name in chosen:
            if name in named:
                hint = (
                    f"leaving out --{role} {'column:' if role == 'forget' else ''}{name}, or --columns {name}"
                )
                raise expected("columns that are features alone", "columns", name, f"also --{role}", hint)
    if choices.index is not None and choices.index != frame.index.name:
        dropped[find(choices.index, "index")] = "the index"
    if frame.index.name is not None or not counts_rows(frame.index):
        dropped[f"index {frame.index.name or 'of the rows'}"] = ""
    forget_at = _forget_column(header, dropped, choices, find)
    free = [name for name in header if name not in dropped and name != forget_at]
    features = [name for name in (chosen or free) if name != forget_at]
    target, how, why = _target_column(free, choices, find, table)
    features = [name for name in features if name != target]
    if not chosen:
        identifiers = [name for name in features if _is_identifier(frame[name], table, name)]
        dropped |= dict.fromkeys(identifiers, "an identifier")
        features = [name for name in features if name not in dropped]
    if not features:
        raise expected("at least one feature column", "header", ",".join(header), table.name, "a wider table")
    X = matrix(table, features, choices.dense, bool(chosen))
    targets = decide_targets(target_cells(frame[target], table, target), choices.task, f"column {target!r}")
    if not chosen:
        _refuse_numbers_that_name(table, features)
    y = targets.y
    if all(
        holds_integers(frame[name]) for name in (*features, target)
    ):  # else the problem is of floats anyway
        X, y = X.astype(np.int64), y.astype(np.int64)
    forget = None
    if forget_at is not None:
        mask = np.array(
            [bit(cell, table, i, forget_at) for i, cell in enumerate(frame[forget_at])], dtype=bool
        )
        forget = forget_indices(mask, len(frame), f"{table.name}, column {forget_at}")
    constant = [name for name, column in zip(features, X.T, strict=True) if (column == column[0]).all()]
    left_out = [name for name in free if name != target and name not in features and name not in dropped]
    gone = [f"{name}{f' ({words})' if words else ''}" for name, words in dropped.items()] + left_out
    told = [
        *table.understood,
        Understood("target", f"column {target}{why}", how, "--target"),
        targets.understood,
        Understood("features", listed(features), "given" if chosen else "inferred", "--columns"),
        Understood("dropped", listed(gone), "given" if choices.drop else "inferred", "--drop"),
    ]
    if constant:
        told.append(
            Understood("constant", f"{listed(constant)}: features that never change", "inferred", "--drop")
        )
    return Dataset(
        name=table.name,
        X=X,
        y=y,
        sha256=sha256,
        classes=targets.classes,
        target_class=targets.names,
        groups=targets.names,
        forget=forget,
        columns=tuple(features),
        understood=tuple(told),
    )


@checked
def frame_samples(table: Table, columns: Sequence[str], dense: bool = False) -> FloatArray:
    """Samples, shape (n, d), of a table that has the features of another and possibly more columns.

    Raises:
        BadInputError: absent columns and bad cells.
    """
    table = _checked(table)
    find = _finder(list(table.frame.columns), table.name)
    return matrix(table, [find(name, "columns") for name in columns], dense)


def _checked(table: Table) -> Table:
    """The table with names that name every column once, as text."""
    frame, name = table.frame, table.name
    if frame.columns.nlevels > 1:
        hint = "frame.columns = ['_'.join(map(str, c)) for c in frame.columns]"
        raise expected("one name a column", "columns", frame.columns[0], f"{name}: several levels", hint)
    header = [str(column).strip() for column in frame.columns]
    separated = [mark for mark in (",", ";", "\t", "|") if mark in "".join(header)]
    if len(header) < 2:
        hint = f"commas instead of {separated[0]!r}" if separated else "a feature and a target column"
        raise expected("at least two columns", "header", ",".join(header), name, hint)
    if table.understood and all(
        is_number(cell) for cell in header
    ):  # of a frame in memory, numbers are names
        hint = "a first line of names"
        raise expected("a header with column names", "header", ",".join(header), f"{name}: numbers", hint)
    # An empty name is how pandas writes its own index.
    header = [cell or (f"Unnamed: {i}" if i == 0 else "") for i, cell in enumerate(header)]
    if "" in header:
        at, hint = header.index(""), "a name in the header"
        if not any(header[1:]):
            hint = "removing what stands above the header"
        elif all(is_missing(cell) for cell in frame.iloc[:, at]):
            hint = "removing this column, in which nothing stands"
        raise expected("a name for every column", "column", at + 1, f"{name}: empty", hint)
    repeated = [column for column, count in Counter(header).items() if count > 1]
    if repeated:
        hint = "renaming one of them in the header"
        raise expected("distinct column names", "column", repeated[0], f"{name}: repeated", hint)
    if not len(frame):
        raise expected("rows after the header", "rows", 0, name, "at least two samples")
    return Table(name, frame.set_axis(header, axis=1), table.place, table.understood)


def _finder(header: Sequence[str], source: str) -> Callable[[str, str], str]:
    """A function that finds a column by its name, in another case where only one fits."""

    def find(name: str, option: str) -> str:
        if name in header:
            return name
        same = [column for column in header if column.lower() == name.strip().lower()]
        if len(same) == 1:
            return same[0]
        got, hint = "no such column", nearest(name, header)
        if same:
            got, hint = f"may be {' or '.join(same)}", f"--{option} {same[0]}"
        raise expected(f"a column of {source}", option, name, got, hint)

    return find


def _forget_column(
    header: Sequence[str], dropped: Iterable[str], choices: Choices, find: Callable[[str, str], str]
) -> str | None:
    """The column that marks what to forget."""
    if choices.forget is not None:
        return find(choices.forget, "forget")
    named = [name for name in header if name.lower() == "forget" and name not in dropped]
    if len(named) > 1:
        hint = f"--forget column:{named[0]} --drop {named[1]}"
        raise expected("one forget column", "columns", ", ".join(named), "ambiguous", hint)
    return named[0] if named else None


def _target_column(
    free: Sequence[str], choices: Choices, find: Callable[[str, str], str], table: Table
) -> tuple[str, How, str]:
    """The target column, how it was found, and why it is the one."""
    if choices.target is not None:
        target = find(choices.target, "target")
        if target not in free:
            others = [name for name in free if name not in choices.columns]
            got = "dropped, or the index" if target != choices.forget else "the column of the forget set"
            raise expected("a column that is a target", "target", target, got, nearest(target, others))
        return target, "given", ""
    claimed = [name for name in free if name.lower() in TARGET_NAMES and name not in choices.columns]
    if len(claimed) > 1:
        got = f"{table.name}: several are named like one"
        raise expected("one target column", "columns", ", ".join(claimed), got, f"--target {claimed[0]}")
    if claimed:
        return claimed[0], "inferred", ", by its name"
    left = [name for name in free if name not in choices.columns]
    gone = [find(name, "drop") for name in choices.drop if name.strip().lower() in TARGET_NAMES]
    if gone:
        hint = f"--target with one of {listed(left)}, or leaving out {option('drop', *gone)}"
        raise expected("a target column", "drop", gone[0], "the column that is named like the target", hint)
    if not left:
        raise expected(
            "a target column", "columns", ",".join(free), "all are features", "--target with one of them"
        )
    last = left[-1]
    classes = [name for name in left if _holds_classes(table.frame[name])]
    if classes and classes != [last]:
        got = f"{table.name}: {classes[0]} holds classes, and {last} is the last column"
        hint = f"{option('target', classes[0])}, or {option('target', last)} {option('drop', *classes)}"
        raise expected("one target column", "columns", f"{classes[0]}, {last}", got, hint)
    if _is_identifier(table.frame[last], table, last) or _names_rows(table.frame[last]):
        what, hint = "a target column", f"--target with one of {listed(left[:-1])}"
        raise expected(what, "column", last, f"{table.name}: the last column is an identifier", hint)
    why = ", the last one; none is named " + " or ".join(TARGET_NAMES)
    few = [name for name in left[:-1] if _holds_few_integers(table.frame[name])]
    if few and not (classes or _holds_few_integers(table.frame[last])):
        # Whole numbers of few values may as well be a feature, such as a number of rooms: told, not refused.
        why += f"; {listed(few, 3)}: whole numbers of few values, which may be classes"
    return last, "inferred", why


def _holds_few_integers(column: Any) -> bool:
    """Whether a column holds whole numbers that would be taken for classes if it were the target."""
    if not _is_hashable(column):
        return False
    distinct = column.unique()
    few = 1 < len(distinct) <= MOST_CLASSES and 2 * len(distinct) <= len(column)
    return bool(few and all(INTEGER.fullmatch(spelled(cell)) for cell in distinct))


def _holds_classes(column: Any) -> bool:
    """Whether a column is text of few values, which nothing but a target can be."""
    if not is_text(column) or not _is_hashable(column):
        return False
    distinct = column.nunique()
    return bool(1 < distinct <= MOST_CLASSES and 2 * distinct <= len(column))


def _is_identifier(column: Any, table: Table, name: str) -> bool:
    """Whether a column names the samples by its own name; refused where its values repeat."""
    if _IDENTIFIERS.fullmatch(name) is None:
        return False
    if not (_is_hashable(column) and column.is_unique):
        got, hint = f"{table.name}: its values repeat", f"{option('drop', name)}, or {option('index', name)}"
        raise expected("an identifier that names every sample once", "column", name, got, hint)
    return True


def _refuse_numbers_that_name(table: Table, features: Sequence[str]) -> None:
    """Refuse integers that may name the samples as well as measure them, all such columns at once."""
    found = [name for name in features if _names_rows(table.frame[name])]
    if found:
        got = f"{table.name}: integers of which none repeats"
        hint = f"{option('drop', *found)} if {'they are identifiers' if found[1:] else 'it is an identifier'}, or "
        hint += (
            f"{option('columns', *features)} if {'they are' if found[1:] else 'it is'} data"
            if len(features) <= _FEW_NAMES
            else "--columns with every feature if not"
        )
        raise expected("features or identifiers, clearly,", "column", ", ".join(found), got, hint)


_FEW_NAMES = 12
"""So many options fit into an error."""


def _names_rows(column: Any) -> bool:
    """Whether a column holds integers of which none repeats: a run from 0 or 1, or many."""
    if len(column) < _SHORTEST_RUN or INTEGER.fullmatch(spelled(column.iloc[0])) is None:
        return False
    if not (_is_hashable(column) and column.is_unique):
        return False
    cells = column.tolist()
    if not all(INTEGER.fullmatch(spelled(cell)) for cell in cells):
        return False
    numbers = sorted(
        float(cell) for cell in cells
    )  # exact as far as any run of rows goes; never too long to read
    counts = numbers[0] in (0, 1) and numbers[-1] - numbers[0] == len(numbers) - 1
    return counts or len(numbers) >= _FEWEST_NUMBERS


def _is_hashable(column: Any) -> bool:
    """Whether cells can be told apart; lists cannot."""
    return column.dtype != object or all(isinstance(cell, str | int | float | bool) for cell in column)
