"""Numbers in words, never narrower or smaller than what is known."""

from __future__ import annotations

import math
from typing import Any

__all__ = ["between", "counted", "outward", "p_value", "rounded_up", "short"]


def counted(number: int) -> str:
    """A whole number."""
    return f"{number:,}"


def short(number: Any) -> str:
    """A number in three digits, a ratio near one in four, as people write it."""
    if isinstance(number, int):
        return counted(number)
    if 1000 <= abs(number) < 1e6:
        return _signed(f"{number:,.0f}")
    return _signed(f"{number:.4g}" if 0.9 < number < 1.1 else f"{number:.3g}")


def _signed(text: str) -> str:
    return f"−{text[1:]}" if text.startswith("-") else text


def outward(number: Any, *, up: bool) -> str:
    """An end of a range in words: rounded away from what is inside, so that the words are never more than is known."""
    if isinstance(number, int) or not math.isfinite(number) or number == 0 or 1000 <= abs(number) < 1e6:
        whole = isinstance(number, float) and math.isfinite(number) and number != 0
        return short((math.ceil if up else math.floor)(number) if whole else number)
    digits = 4 if 0.9 < number < 1.1 else 3
    step = 10.0 ** (math.floor(math.log10(abs(number))) + 1 - digits)
    text = f"{(math.ceil if up else math.floor)(number / step - (1e-9 if up else -1e-9)) * step:.{digits}g}"
    return _signed(text)


def between(low: float, high: float) -> str:
    """An interval."""
    return f"{outward(low, up=False)} to {outward(high, up=True)}"


def rounded_up(number: float) -> str:
    """A ceiling in words."""
    return outward(number, up=True)


def p_value(p: float) -> str:
    """A p-value in two digits."""
    return "p < 0.001" if p < 0.001 else f"p = {p:.2g}"
