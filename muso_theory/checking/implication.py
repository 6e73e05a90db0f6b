"""When one stated number follows from another: enclosures by containment, sentences by the relations in them."""

from __future__ import annotations

import itertools
import math
import re
from fractions import Fraction
from typing import Any

from flint import fmpz

from ..claims.guarantees import DELTA, EPSILON
from ..errors import BadInputError
from ..evaluation.gaussian import gaussian_sigma
from ..evaluation.release import grid_spacing
from ..evidence import Allowance, Audit, Finding, Hypothesis, Identity, Inequality, Output, round_digits
from ..numbers.quantity import Grade, Quantity
from .report import exact_text

__all__ = ["contains", "end_of_first", "noise_fits", "number", "possible", "still_supported", "words_follow"]

_NUMBER = re.compile(r"(?:-?\d+(?:\.\d+)?(?:e[+-]?\d+)?(?:/\d+)?|-?inf)(?![\w.])")

_FLOAT, _MULTIPLES = " of the float ", "rounded to multiples of "
_SPACING, _RAISED = "the spacing ", "σ raised from "


_LARGEST_EXPONENT = 4000
"""Of a decimal, so that no text takes memory."""


def number(text: Any) -> Fraction | float | None:
    """A number from the text of a report, ``p/q`` or a decimal; None for anything else.

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
        if "inf" in text:
            return float(text)
        if int(text.partition("e")[2].lstrip("+-0")[:9] or 0) > _LARGEST_EXPONENT:
            return None
        # The shortest decimal of a float means that float; any other, such as 1e-400, means itself.
        value, exact = float(text), Fraction(text)
        return Fraction(value) if math.isfinite(value) and Fraction(repr(value)) == exact else exact
    except (ValueError, ZeroDivisionError):
        return None


def contains(end: str, stated: Any, proved: Any) -> bool:
    """Whether a stated end of an enclosure follows from a proved one: no higher a ``lower``, no lower an ``upper`` end.

    Example:
        >>> contains("upper", "3e-13", "2e-13"), contains("upper", "1e-13", "2e-13"), contains("lower", "0", "2e-13")
        (True, False, True)
    """
    old, new = number(stated), number(proved)
    if old is None or new is None:
        return False
    return bool(old <= new if end == "lower" else new <= old)


def words_follow(stated: Any, proved: Any, handed_out: bool = False) -> bool:
    """Whether a stated sentence follows from a proved one: the same words, and each number weaker or equal.

    After ≤ a larger number is weaker, after ≥ a smaller one, in an interval both; more noise σ hides more, but that
    doing nothing needs more noise says more. Any other number must be equal.

    Args:
        handed_out: True leaves open the numbers that depend on floats handed out, as far as they are possible, and no
            others.

    Example:
        >>> words_follow("gap ≤ 3e-13, T = 2", "gap ≤ 2e-13, T = 2"), words_follow("gap ≥ 3", "gap ≥ 2")
        (True, False)
        >>> words_follow("in [1, 3]", "in [1.1, 2]"), words_follow("T = 3", "T = 2")
        (True, False)
        >>> words_follow("gap of the float w ≥ 3", "gap of the float w ≥ 2", handed_out=True)
        True
        >>> words_follow("gap of the float w ≤ 3e-300", "gap of the float w ≤ 3e-16", handed_out=True)
        False
        >>> words_follow("doing nothing ≥ 3", "doing nothing ≥ 2", handed_out=True)
        False
    """
    if not isinstance(stated, str) or not isinstance(proved, str):
        return False
    words = _NUMBER.split(stated)
    if words != _NUMBER.split(proved):
        return False
    pairs = list(zip(_NUMBER.findall(stated), _NUMBER.findall(proved), strict=True))
    is_open = _of_floats(words) if handed_out else [False] * len(pairs)
    return all(
        old == new
        or (free and (end == "lower" or _comparable(old, new)))
        or (end is not None and contains(end, old, new))
        for (old, new), end, free in zip(pairs, _relations(words), is_open, strict=True)
    )


def _comparable(stated: Any, found: Any) -> bool:
    """Whether a length of rounding from another machine is not impossibly small beside the one found here.

    Both are sums of roundings of the same numbers in other orders. No bound says how much smaller one can be, short of
    the exact answer, but a millionth is not another order's doing.
    """
    old, new = number(stated), number(found)
    return old is not None and new is not None and old * 2**20 >= new and (old > 0 or new == 0)


def _relations(words: list[str]) -> list[str | None]:
    """For each number of a sentence, by the words around it, which end it states; None for a plain number."""
    ends: list[str | None] = []
    for i, before in enumerate(words[:-1]):
        # Noise that suffices may be larger; how much doing nothing needs says how bad that is, and may be smaller.
        if before.endswith(("≥ ", "in [")):
            ends.append("lower")
        elif before.endswith(("≤ ", "σ = ")) or (before == ", " and i and words[i - 1].endswith("in [")):
            ends.append("upper")
        else:
            ends.append(None)
    return ends


def _of_floats(words: list[str]) -> list[bool]:
    """For each number of a sentence, whether it depends on floats handed out, which differ between kernels."""
    found = []
    for i, (before, after) in enumerate(itertools.pairwise(words)):
        inside = before == ", " and i and words[i - 1].endswith("in [")
        gap = any(_FLOAT in part for part in words[: i + 1]) and (
            inside or before.endswith(("≤ ", "≥ ", "≈ ", "in ["))
        )
        noise = before.endswith("σ = ") and after.startswith(_FLOAT)
        found.append(gap or noise or before.endswith((_RAISED, _SPACING, _MULTIPLES)))
    return found


def noise_fits(row: Any, found: Any) -> bool:
    """Whether the noise, the gap, the grid and the spacing of floats that a row states belong to each other."""
    try:
        told = re.search(f"σ = ({_NUMBER.pattern})", row["findings"][0]["what"])
        multiples, spacings, raised, here = (
            [match[1] for fact in facts if (match := re.search(f"{words}({_NUMBER.pattern})", fact))]
            for facts, words in (
                (row["facts"], _MULTIPLES),
                (row["facts"], _SPACING),
                (row["facts"], _RAISED),
                (found["facts"], _SPACING),
            )
        )
        if told is None or not multiples:
            return not multiples and not spacings
        sigma = float(told[1])
        # Floats handed out elsewhere are as large as these up to rounding, which may cross one power of two.
        near = [math.ldexp(1.0, round(math.log2(float(h))) + step) for h in here for step in (-1, 0, 1)]
        least = [math.ldexp(h, 10) for h in near if f"{h:.2g}" == spacings[0]]
        # A gap is told in two digits, so it is at least nine tenths of what is told.
        gap = next(_NUMBER.findall(fact)[-1] for fact in row["facts"] if _FLOAT in fact)
        needed = gaussian_sigma(0.9 * float(gap), EPSILON, DELTA)
        fits = set(spacings) == {spacings[0]} and multiples == [f"{grid_spacing(sigma):.3g}"]
        if raised:
            # told is rounded up to two digits
            fits &= told[1] in [round_digits(s, up=True) for s in least] and float(raised[0]) >= 0.99 * needed
        return fits and sigma >= needed and any(sigma >= s for s in least)
    except (KeyError, IndexError, TypeError, ValueError, StopIteration, OverflowError, BadInputError):
        return False


def end_of_first(row: Any) -> str | None:
    """What ``bound`` must be: the upper end of the row's own first finding, rounded outward to a float, or None."""
    try:
        return exact_text(_quantity(row["findings"][0]).bound)
    except (KeyError, IndexError, TypeError, ValueError):
        return None


def still_supported(stated: Any, found: dict[str, Any]) -> bool:
    """Whether a finding's verdict follows from its own numbers; not where a bound was loosened too far."""
    if _gives(stated):
        return True
    # Ends are stored rounded outward, which may cost a right verdict. Then nothing looser than what is found may stand.
    return not _gives(found) and _within(stated, found)


def possible(stated: Any, found: dict[str, Any]) -> bool:
    """Whether the enclosure of a number that depends on floats, a distance or a δ, can be one.

    That is 0 ≤ lower ≤ upper, equal for a measurement, and an upper end that is not impossibly small beside the one
    found, or zero without it.
    """
    low, high = number(stated["lower"]), number(stated["upper"])
    if low is None or high is None or (stated["grade"] == Grade.MEASURED.name and low != high):
        return False
    if found["kind"] != "output":
        return low <= high
    # Directed rounding leaves a proved upper end of something that is not exactly known positive.
    is_length = not found["what"].startswith("δ")  # which falls faster than any power of the gap
    return 0 <= low <= high and (_comparable(stated["upper"], found["upper"]) if is_length else high > 0)


def _within(stated: Any, found: dict[str, Any]) -> bool:
    """Whether two findings differ in nothing but an enclosure, which the stated one has no wider."""
    ends = {end: found[end] for end in ("lower", "upper")}
    return {**stated, **ends} == found and all(contains(end, ends[end], stated[end]) for end in ends)


def _gives(stated: Any) -> bool:
    """Whether the numbers give the verdict, at the limit as it is or rounded outward like what it is held against."""
    try:
        return any(_finding(stated, rounded).verdict.name == stated["verdict"] for rounded in (False, True))
    except (KeyError, TypeError, ValueError):
        return False


def _finding(stated: dict[str, Any], rounded: bool) -> Finding:
    """A finding from plain data; with a limit from above rounded up to a float, as an upper end is."""
    what, quantity = stated["what"], _quantity(stated)
    if stated["kind"] == "inequality":
        bar = number(stated["limit"])
        if bar is None:
            raise ValueError("no limit")
        positive = stated["asks"] == "> limit"
        if rounded:
            limit = Quantity(bar, bar, Grade.PROVED)
            bar = limit.floor if positive else limit.bound
        return Inequality(what, quantity, positive, bar)
    limit = _quantity(stated["limit"])
    lowest = Quantity(limit.lower, limit.lower, Grade.PROVED).bound if rounded else limit.lower
    allowed = Allowance(lowest, limit.upper, "", limit.grade)
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
