"""The one exception root, and the one way a refusal is worded."""

from __future__ import annotations

import difflib
import numbers
import re
from collections.abc import Iterable
from typing import NoReturn, final

__all__ = [
    "ArithmeticModeError",
    "BadInputError",
    "MusoError",
    "Renamed",
    "RenamedError",
    "SingularMatrixError",
    "check_integer",
    "expected",
    "nearest",
    "printable",
    "refuse_idle",
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


class RenamedError(MusoError, AttributeError):
    """A public name of an earlier version; the message says what replaced it."""


@final
class Renamed:
    """Takes the place of a public name of an earlier version; using it raises an error with the new name.

    Args:
        now: what it is called today.

    Example:
        >>> class Problem:
        ...     from_network = Renamed("networks.from_network")
        >>> Problem.from_network
        Traceback (most recent call last):
        muso_theory.errors.RenamedError: Problem.from_network is replaced by networks.from_network; see CHANGELOG.md
    """

    def __init__(self, now: str) -> None:
        self.now = self.before = now

    def __set_name__(self, owner: type, name: str) -> None:
        self.before = f"{owner.__name__}.{name}"

    def __get__(self, instance: object, owner: type) -> NoReturn:
        raise RenamedError(f"{self.before} is replaced by {self.now}; see CHANGELOG.md")


def expected(what: str, name: str, value: object, got: str, hint: str) -> BadInputError:
    """Word a refusal: what was expected, what came, what to try.

    Args:
        name: the argument, column, key or array that is wrong.
        value: the offending value; shortened to one line of at most 60 characters.
        got: its type or shape, in words.

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


def refuse_idle(
    name: str, value: object, usual: object, mode: str, chosen: str, users: Iterable[str]
) -> None:
    """Refuse a setting that the chosen mode would ignore.

    Args:
        usual: its default, which says nothing and is never refused; settings are compared by ``==``.
        mode: the option that chooses, such as ``"method"``.
        users: the choices that use the setting.

    Raises:
        BadInputError: a setting of other choices.

    Example:
        >>> refuse_idle("momentum", 0.9, 0.9, "method", "gd", ["nesterov"])
        >>> try:
        ...     refuse_idle("momentum", 0.5, 0.9, "method", "gd", ["nesterov"])
        ... except BadInputError as error:
        ...     print(error)
        expected momentum with method nesterov only but got momentum=0.5 (method gd); try leaving momentum out
    """
    users = list(users)
    if chosen not in users and value != usual:
        hint = f"leaving {name} out"
        raise expected(f"{name} with {mode} {', '.join(users)} only", name, value, f"{mode} {chosen}", hint)


def check_integer(name: str, value: object, least: int = 0, bits: int | None = None, hint: str = "") -> int:
    """Refuse what is no integer, of Python or NumPy, or too small or too long; a truth value is none.

    Args:
        bits: it must be below two to this power; None is any size.
        hint: what helps; the smallest that will do where left out.

    Raises:
        BadInputError: it is something else.

    Example:
        >>> check_integer("bins", 5, 2)
        5
        >>> check_integer("seed", -1)
        Traceback (most recent call last):
        muso_theory.errors.BadInputError: expected a non-negative integer but got seed=-1 (int); try 0
    """
    if (
        isinstance(value, bool)
        or not isinstance(value, numbers.Integral)
        or int(value) < least
        or (bits is not None and int(value) >= 1 << bits)
    ):
        what = f"an integer of at least {least}" if least else "a non-negative integer"
        below = "" if bits is None else f" below 2**{bits}"
        raise expected(what + below, name, value, type(value).__name__, hint or str(least))
    return int(value)


def printable(text: str) -> str:
    r"""Text that a terminal, a page or a file shows and does not obey.

    Control characters, marks that reorder what is read, and bytes of a file name that are no text become ``\uXXXX``,
    which JSON reads back as what it was. Newlines and tabs stay.

    Example:
        >>> print(printable("a\x1b[31mred"))
        a\u001b[31mred
    """
    return _CONTROLS.sub(lambda found: f"\\u{ord(found[0]):04x}", text)


_ALIKE = 0.65
"""Two of three letters in the same order: further words are others, and not the same one misspelt."""


def nearest(word: object, options: Iterable[str], otherwise: str = "") -> str:
    """Say after "try" which known word a misspelt one is closest to.

    Args:
        otherwise: what to say when nothing is close; all options when left out.

    Example:
        >>> nearest("exact-label", ["exact-labels", "label-free"])
        "'exact-labels'"
        >>> nearest("classification", ["condition", "target"])
        'one of condition, target'
    """
    known = {option.lower(): option for option in sorted(options)}
    close = difflib.get_close_matches(str(word).lower(), known, n=1, cutoff=_ALIKE)
    return repr(known[close[0]]) if close else otherwise or "one of " + ", ".join(known.values())
