"""What algorithms that relabel a network by a subset of the retained samples share: its size, and its ridge."""

from __future__ import annotations

import math

from ..errors import expected

__all__ = ["annealed", "require_sample"]


def annealed(ends: tuple[float, float], t: int, epochs: int) -> float:
    """ε along a cosine, first + (last − first)(1 − cos πt/(T − 1))/2, and the first one before t = 0.

    Example:
        >>> [annealed((0.0, 1.0), t, 3) for t in (-1, 0, 2)]
        [0.0, 0.0, 1.0]
    """
    first, last = ends
    return first + (last - first) * (1 - math.cos(math.pi * max(0, t) / max(1, epochs - 1))) / 2


def require_sample(size: int, share: float, retained: int) -> int:
    """The size of a subset, refused if it is empty."""
    if size < 1:
        least, of = f"subset={1 / retained:.2g} or more", f"of {retained} retained"
        raise expected("a subset of at least one sample", "subset", share, of, least)
    return size
