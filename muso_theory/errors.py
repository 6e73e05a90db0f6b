"""The one exception root, and the one way a refusal is worded."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable

__all__ = [
    "ArithmeticModeError",
    "BadInputError",
    "MusoError",
    "SingularMatrixError",
    "expected",
    "nearest",
    "printable",
]

# C0 but tab and newline, DEL and C1, marks of direction and of lines, and the halves that stand for undecodable bytes.
_CONTROLS = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ud800-\udfff]"
)


class MusoError(Exception):
    """Root of every error this package raises on purpose; its text is meant to be read by a person."""


class BadInputError(MusoError, ValueError):
    """Data, an option or a file that cannot be used as given. Nothing is repaired quietly."""


class SingularMatrixError(MusoError, ArithmeticError):
    """A formula needs the inverse of a matrix that is singular, or not provably regular."""


class ArithmeticModeError(MusoError):
    """This thread, or one of BLAS, does not round to nearest or flushes subnormal numbers, so no bound would hold.

    It is neither an undecided proof nor bad input: another arithmetic does not help, and nothing falls back on it.
    """


def expected(what: str, name: str, value: object, got: str, hint: str) -> BadInputError:
    """Word a refusal: what was expected, what came, what to try.

    Args:
        what: what would have been accepted.
        name: the argument, column, key or array that is wrong.
        value: the offending value; shortened to one line of at most 60 characters.
        got: its type or shape, in words.
        hint: what helps.

    Returns:
        The error, ready to be raised.

    Example:
        >>> print(expected("an even number of features", "n_features", 7, "int", "8"))
        expected an even number of features but got n_features=7 (int); try 8
    """
    try:
        text = " ".join(str(value).split())
    except ValueError:  # Python writes no integer of more than some thousand digits
        text = "a number of thousands of digits"
    text = printable(text)
    if len(text) > 60:
        text = text[:57] + "..."
    # Names of files, members and columns are part of the other words; none of them may begin a line of its own.
    what, name, got, hint = (printable(part.replace("\n", " ")) for part in (what, name, str(got), hint))
    return BadInputError(f"expected {what} but got {name}={text} ({got}); try {hint}")


def printable(text: str) -> str:
    r"""Text that a terminal, a page or a file shows and does not obey.

    Control characters, marks that reorder what is read, and bytes of a file name that are no text become ``\uXXXX``,
    which JSON reads back as what it was. Newlines and tabs stay.

    Args:
        text: anything, from anywhere.

    Returns:
        The text without control characters.

    Example:
        >>> print(printable("a\x1b[31mred"))
        a\u001b[31mred
    """
    return _CONTROLS.sub(lambda found: f"\\u{ord(found[0]):04x}", text)


def nearest(word: object, options: Iterable[str], otherwise: str = "") -> str:
    """Say which known word a misspelt one is closest to.

    Args:
        word: what was typed, or came where a word should be.
        options: the known words.
        otherwise: what to say when nothing is close; all options when left out.

    Returns:
        A phrase to put after "try".

    Example:
        >>> nearest("exact-label", ["exact-labels", "label-free"])
        "'exact-labels'"
    """
    known = {option.lower(): option for option in sorted(options)}
    close = difflib.get_close_matches(str(word).lower(), known, n=1, cutoff=0.5)
    return repr(known[close[0]]) if close else otherwise or "one of " + ", ".join(known.values())
