"""When one stated number follows from another: enclosures by containment, sentences by the relations in them."""

from __future__ import annotations

import math
import re
from fractions import Fraction
from typing import Any

from flint import fmpz

from .evidence import Allowance, Audit, Finding, Hypothesis, Identity, Inequality, Output
from .numbers.quantity import Grade, Quantity
from .report import exact_text

__all__ = ["contains", "end_of_first", "number", "still_supported", "words_follow"]

_NUMBER = re.compile(r"(?:-?\d+(?:\.\d+)?(?:e[+-]?\d+)?(?:/\d+)?|-?inf)(?![\w.])")


def number(text: Any) -> Fraction | float | None:
    """A number from the text of a report.

    Args:
        text: ``p/q``, an integer, or the shortest decimal of a float, which means that float.

    Returns:
        A fraction, an infinite float, or None for anything else.

    Example:
        >>> number("1/3"), number("0.5"), number("-inf"), number("nan"), number(0.5)
        (Fraction(1, 3), Fraction(1, 2), -inf, None, None)
    """
    if not isinstance(text, str) or not _NUMBER.fullmatch(text):
        return None
    try:
        if "." not in text and "e" not in text and "n" not in text:
            # FLINT reads integers of any length, where Python refuses those of some thousand digits.
            top, _, bottom = text.partition("/")
            return Fraction(int(fmpz(top)), int(fmpz(bottom or "1")))
        value = float(text)
        return Fraction(value) if math.isfinite(value) else value
    except (ValueError, ZeroDivisionError):
        return None


def contains(end: str, stated: Any, proved: Any) -> bool:
    """Whether a stated end of an enclosure follows from a proved one.

    Args:
        end: ``lower`` or ``upper``.
        stated: its text in a report.
        proved: the same end as proved now.

    Returns:
        stated ≤ proved for a lower end, proved ≤ stated for an upper one.

    Example:
        >>> contains("upper", "3e-13", "2e-13"), contains("upper", "1e-13", "2e-13"), contains("lower", "0", "2e-13")
        (True, False, True)
    """
    old, new = number(stated), number(proved)
    if old is None or new is None:
        return False
    return bool(old <= new if end == "lower" else new <= old)


def words_follow(stated: Any, proved: Any, numbers: bool = True) -> bool:
    """Whether a stated sentence follows from a proved one: the same words, and each number weaker or equal.

    After ≤ a larger number is weaker, after ≥ a smaller one, in an interval both; more noise σ hides more. Any other
    number must be equal.

    Args:
        stated: the sentence of a report.
        proved: the same sentence now.
        numbers: False compares the words alone.

    Returns:
        Whether it follows.

    Example:
        >>> words_follow("gap ≤ 3e-13, T = 2", "gap ≤ 2e-13, T = 2"), words_follow("gap ≥ 3", "gap ≥ 2")
        (True, False)
        >>> words_follow("in [1, 3]", "in [1.1, 2]"), words_follow("T = 3", "T = 2")
        (True, False)
    """
    if not isinstance(stated, str) or not isinstance(proved, str):
        return False
    words = _NUMBER.split(stated)
    if words != _NUMBER.split(proved):
        return False
    pairs = list(zip(_NUMBER.findall(stated), _NUMBER.findall(proved), strict=True))
    return not numbers or all(
        old == new or (end is not None and contains(end, old, new))
        for (old, new), end in zip(pairs, _relations(words), strict=True)
    )


def _relations(words: list[str]) -> list[str | None]:
    """For each number of a sentence, by the words around it, which end it states; None for a plain number."""
    ends: list[str | None] = []
    for i, before in enumerate(words[:-1]):
        if before.endswith(("≤ ", "σ = ")) or (before == ", " and i and words[i - 1].endswith("in [")):
            ends.append("upper")
        else:
            ends.append("lower" if before.endswith(("≥ ", "in [")) else None)
    return ends


def end_of_first(row: Any) -> str | None:
    """What ``bound`` must be, from the row's own first finding.

    Args:
        row: evidence as plain data, not trusted.

    Returns:
        Its upper end rounded outward to a float, or None.
    """
    try:
        return exact_text(_quantity(row["findings"][0]).bound)
    except (KeyError, IndexError, TypeError, ValueError):
        return None


def still_supported(stated: Any, found: dict[str, Any]) -> bool:
    """Whether a finding's verdict follows from its own numbers, as it does from those found.

    Args:
        stated: a finding as plain data, not trusted.
        found: the same finding, computed now.

    Returns:
        False for a bound that was loosened so far that its own verdict no longer follows.
    """
    # Ends are stored rounded outward: at an exact limit they may fail to give back a verdict that is right.
    return _gives(stated, stated) or not _gives(found, found)


def _gives(finding: Any, verdict_of: Any) -> bool:
    try:
        return bool(_finding(finding).verdict.name == verdict_of["verdict"])
    except (KeyError, TypeError, ValueError):
        return False


def _finding(stated: dict[str, Any]) -> Finding:
    """A finding from plain data."""
    what, quantity = stated["what"], _quantity(stated)
    if stated["kind"] == "inequality":
        bar = number(stated["limit"])
        if bar is None:
            raise ValueError("no limit")
        return Inequality(what, quantity, stated["asks"] == "> limit", bar)
    limit = _quantity(stated["limit"])
    allowed = Allowance(limit.lower, limit.upper, "", limit.grade)
    if stated["kind"] == "identity":
        explained = stated["explained"]
        return Identity(what, quantity, allowed, None if explained is None else _quantity(explained))
    kinds: dict[str, type[Hypothesis | Audit | Output]] = {
        "hypothesis": Hypothesis,
        "audit": Audit,
        "output": Output,
    }
    return kinds[stated["kind"]](what, quantity, allowed)


def _quantity(stated: dict[str, Any]) -> Quantity:
    """A quantity from plain data."""
    lower, upper = number(stated["lower"]), number(stated["upper"])
    if lower is None or upper is None:
        raise ValueError("no number")
    return Quantity(lower, upper, Grade[stated["grade"]])
