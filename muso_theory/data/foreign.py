"""Files that cannot be read as they are: what they are, and how to make a table of them."""

from __future__ import annotations

import importlib
import re
from typing import Any

from ..errors import BadInputError, expected

__all__ = ["extra_package", "refuse_foreign", "unreadable"]

_KINDS = (
    # What each begins with, what it is called, and what makes a table of it.
    (
        re.compile(r'\s*\{\s*"(kind|schema|campaign)"\s*:'),
        "a result of this toolkit",
        "the data that it was made of; muso figure draws it, and muso recheck FILE DATA checks a report",
    ),
    (
        re.compile(r"\s*\{[^\n]*\}[ \t\r]*\n\s*\{"),
        "JSON, one object a line",
        "pandas.read_json(FILE, lines=True).to_csv('data.csv', index=False)",
    ),
    (
        re.compile(r"\s*(\[\s*[\[{\]]|\{\s*[\"}])"),
        "JSON",
        "pandas.read_json(FILE).to_csv('data.csv', index=False)",
    ),
    (
        re.compile(r"\s*<[!?a-zA-Z]"),
        "HTML or XML",
        "pandas.read_html(FILE)[0].to_csv('data.csv', index=False), if there is a table in it",
    ),
    (
        re.compile(r"(\s*(%[^\n]*)?\n)*\s*@relation\b", re.IGNORECASE),
        "ARFF",
        "pandas.DataFrame(scipy.io.arff.loadarff(FILE)[0]).to_csv('data.csv', index=False)",
    ),
    (
        re.compile(r"\S+([ \t]+[0-9]+:\S+)+[ \t\r]*(#[^\n]*)?(\n|$)"),
        "rows of libsvm",
        "X, y = sklearn.datasets.load_svmlight_file(FILE); numpy.savez('data.npz', X=X.toarray(), y=y)",
    ),
)


def refuse_foreign(text: str, name: str) -> None:
    """Refuse text that is written in another format than one record a line, its cells between separators.

    Raises:
        BadInputError: JSON, HTML, ARFF and libsvm, by what they begin with.

    Example:
        >>> refuse_foreign("a,y", "data.csv")
        >>> refuse_foreign('[{"a": 1}]', "data.json")
        Traceback (most recent call last):
        muso_theory.errors.BadInputError: expected a table, one record a line, but got DATA=data.json (JSON); try \
pandas.read_json(FILE).to_csv('data.csv', index=False)
    """
    for begins, kind, hint in _KINDS:
        if begins.match(text):
            raise expected("a table, one record a line,", "DATA", name, kind, hint)


def extra_package(module: str, name: str) -> Any:
    """A package of the extra [parquet]."""
    try:
        return importlib.import_module(module)
    except ImportError as error:
        why, hint = f"{module} is not installed", "pip install 'muso-theory[parquet]'"
        raise expected(f"the package {module}, which reads this,", "DATA", name, why, hint) from error


def unreadable(what: str, name: str, error: Exception) -> BadInputError:
    """Word what a library said about a broken file."""
    return expected(
        what, "DATA", name, " ".join(str(error).split())[:120] or type(error).__name__, "saving it anew"
    )
