"""Answers kept by what was asked: claims that ask for the same fit or prediction, however they came to it, share one.

A question is known by the bytes of its numbers and by the set of its rows, whether that came as a range, as a tuple or
in another order. The arrays of a problem do not change, and neither do answers.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from fractions import Fraction
from hashlib import blake2b
from typing import Any, TypeVar, final

import numpy as np

from ..arrays import Array
from ..numbers.accurate import Accurate
from ..rows import ByRows
from .repeats import Rows, in_order

__all__ = ["Answers", "Images", "content"]

T = TypeVar("T")

_LIMIT = 1 << 26
"""Bytes of answers that are kept; the one that was asked for longest ago makes room."""


def content(*parts: Array | ByRows | Fraction | float | None) -> bytes:
    """What arrays and numbers are known by: equal for equal bytes.

    Example:
        >>> content(np.zeros(2), None) == content(np.zeros(2), None) != content(np.zeros((1, 2)), None)
        True
    """
    found = blake2b(digest_size=32)
    for part in parts:
        if isinstance(part, ByRows):
            found.update(part.key)
        elif isinstance(part, np.ndarray):
            found.update(f"{part.dtype.str}{part.shape}".encode())
            found.update(np.ascontiguousarray(part).data)
        else:
            found.update(f"{part!r};".encode())
    return found.digest()


@final
class Answers:
    """The answers to the questions asked last.

    Example:
        >>> answers = Answers()
        >>> answers.of("2 + 2", lambda: np.full(1, 4)), answers.of("2 + 2", lambda: np.zeros(1))
        (array([4]), array([4]))
    """

    def __init__(self, limit: int = _LIMIT) -> None:
        self._limit = limit
        self._known: OrderedDict[Any, tuple[Any, int]] = OrderedDict()
        self._bytes = 0

    def of(self, question: Any, answer: Callable[[], T]) -> T:
        """What was answered before, or the answer; an error is none."""
        if question in self._known:
            self._known.move_to_end(question)
            return self._known[question][0]  # type: ignore[no-any-return]
        found = answer()
        size = _bytes_of(found)
        self._known[question] = found, size
        self._bytes += size
        while self._bytes > self._limit:
            self._bytes -= self._known.popitem(last=False)[1][1]
        return found


def _bytes_of(answer: Any) -> int:
    """Bytes of an array, or of those among the fields of an answer."""
    if isinstance(answer, np.ndarray):
        return answer.nbytes
    parts = (getattr(answer, name, None) for name in getattr(answer, "__slots__", ()))
    return sum(part.nbytes for part in parts if isinstance(part, np.ndarray))


@final
class Images:
    """Φw for the rows of Φ that were asked for so far, of one w.

    Args:
        n: rows of Φ.
        columns: C.

    Example:
        >>> images, asked = Images(3, 1), []
        >>> def product(rows):
        ...     asked.append(rows)
        ...     return Accurate(*np.ones((3, len(rows), 1)))
        >>> images.of(range(2), product).high.shape, images.of((0, 2), product).high.shape, asked
        ((2, 1), (2, 1), [range(0, 2), range(2, 3)])
    """

    __slots__ = ("error", "high", "known", "low")

    def __init__(self, n: int, columns: int) -> None:
        self.known = np.zeros(n, dtype=bool)
        self.high, self.low, self.error = np.zeros((3, n, columns))

    def of(self, rows: Rows, product: Callable[[Rows], Accurate]) -> Accurate:
        """The image for these rows, of which only those that nobody asked for before are computed."""
        index = np.asarray(rows)
        missing = index[~self.known[index]]
        if len(missing):
            found = product(in_order(tuple(missing.tolist()))[0])
            missing.sort()
            self.high[missing], self.low[missing], self.error[missing] = found.high, found.low, found.error
            self.known[missing] = True
        return Accurate(self.high[index], self.low[index], self.error[index])
