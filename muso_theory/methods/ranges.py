"""Ranges of the settings of methods, refused in the same words."""

from __future__ import annotations

import numpy as np

from ..errors import expected
from ..former import former

__all__ = ["require_fraction", "require_nonnegative", "require_positive"]
former(__name__)


def _real(value: float) -> float:
    """As a float; a whole number too large for one is infinite."""
    try:
        return float(value)
    except OverflowError:
        return np.inf


def require_positive(name: str, value: float) -> float:
    """Refuse what is no positive finite number."""
    if not 0 < _real(value) < np.inf:
        raise expected("a positive number", name, value, type(value).__name__, "the default")
    return value


def require_nonnegative(name: str, value: float) -> float:
    """Refuse what is no finite number of at least zero."""
    if not 0 <= _real(value) < np.inf:
        raise expected("a number ≥ 0", name, value, type(value).__name__, "the default")
    return value


def require_fraction(name: str, value: float, hint: str) -> float:
    """Refuse what is no fraction in (0, 1]."""
    if not 0 < value <= 1:
        raise expected("a fraction in (0, 1]", name, value, type(value).__name__, hint)
    return value
