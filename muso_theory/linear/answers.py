"""Answers kept by what was asked: claims that ask for the same fit or prediction, however they came to it, share one.

A question is known by the bytes of its numbers and by the set of its rows, whether that came as a range, as a tuple or
in another order. The arrays of a problem do not change, and neither do answers.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Hashable, Iterable
from dataclasses import dataclass
from fractions import Fraction
from hashlib import sha256
from typing import Any, TypeVar, final

import numpy as np

from ..arrays import Array
from ..former import former
from ..numbers.accurate import Accurate
from ..numbers.lockstep import Work, alone, together
from ..rows import ByRows
from .repeats import Rows, in_order

__all__ = ["LIMIT", "Answers", "Images", "Question", "content_of"]
former(__name__)

T = TypeVar("T")

LIMIT = 1 << 27
"""Bytes of answers that are kept; the one that was asked for longest ago makes room."""


def content_of(*parts: Array | ByRows | Fraction | float | None) -> bytes:
    """What arrays and numbers are known by: equal for equal bytes.

    Example:
        >>> content_of(np.zeros(2), None) == content_of(np.zeros(2), None) != content_of(np.zeros((1, 2)), None)
        True
    """
    found = sha256()
    for part in parts:
        if isinstance(part, ByRows):
            found.update(part.key)
        elif isinstance(part, np.ndarray):
            found.update(f"{part.dtype.str}{part.shape}".encode())
            found.update(np.ascontiguousarray(part).data)
        else:
            found.update(f"{part!r};".encode())
    return found.digest()


@dataclass(frozen=True, eq=False, slots=True)
class Question:
    """Something that takes products with Φ to answer.

    Args:
        known_by: what tells it from other questions.
        work: what answers it.
    """

    known_by: Hashable
    work: Callable[[], Work[Any]]


@final
class Answers:
    """The answers to the questions asked last.

    Example:
        >>> answers = Answers()
        >>> answers.of("2 + 2", lambda: np.full(1, 4)), answers.of("2 + 2", lambda: np.zeros(1))
        (array([4]), array([4]))
    """

    def __init__(self, limit: int = LIMIT) -> None:
        self._limit = limit
        self._known: OrderedDict[Any, tuple[Any, int]] = OrderedDict()
        self._bytes = 0

    def of(self, question: Any, answer: Callable[[], T]) -> T:
        """What was answered before, or the answer; an error is none."""
        if question in self._known:
            self._known.move_to_end(question)
            return self._known[question][0]  # type: ignore[no-any-return]
        found = answer()
        self._keep(question, found)
        return found

    def known(self, question: Any) -> Any:
        """What was answered before, or None."""
        return self._known.get(question, (None, 0))[0]

    def to(self, question: Question) -> Any:
        """The answer to a question, worked out alone if it is not known."""
        return self.of(question.known_by, lambda: alone(question.work()))

    def prepare(self, questions: Iterable[Question]) -> None:
        """Answer questions together, ahead of whoever asks them; what float64 cannot decide is left to be asked."""
        new = {q.known_by: q for q in questions if q.known_by not in self._known}
        for known_by, found in zip(new, together([q.work() for q in new.values()]), strict=True):
            # One may have asked for another; the answer that was given stays.
            if found is not None and known_by not in self._known:
                self._keep(known_by, found)

    def grown(self, question: Any) -> None:
        """Count the bytes of a kept answer again, to which something was added."""
        if question in self._known:
            answer, size = self._known.pop(question)
            self._bytes -= size
            self._keep(question, answer)

    def _keep(self, question: Any, answer: Any) -> None:
        """Remember an answer, and forget old ones."""
        size = _bytes_of(answer)
        self._known[question] = answer, size
        self._bytes += size
        while self._bytes > self._limit:
            self._bytes -= self._known.popitem(last=False)[1][1]


def _bytes_of(answer: Any) -> int:
    """Bytes of an array, or of those among the fields of an answer, and of theirs."""
    if isinstance(answer, np.ndarray):
        return answer.nbytes
    if isinstance(answer, tuple):
        return sum(map(_bytes_of, answer))
    return sum(_bytes_of(getattr(answer, name, None)) for name in getattr(answer, "__slots__", ()))


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

    __slots__ = ("_place", "error", "high", "low", "off")

    def __init__(self, n: int, columns: int) -> None:
        self._place = np.full(n, -1)  # of each row among those that are known
        self.off = Fraction(0)  # what all rows are off by together, beside the errors of each
        self.high, self.low, self.error = np.zeros((3, 0, columns))

    def of(self, rows: Rows, product: Callable[[Rows], Accurate]) -> Accurate:
        """The image for these rows, of which only those that nobody asked for before are computed."""
        missing = self.missing(rows)
        if len(missing):
            self.put(missing, product(missing))
        place = self._place[np.asarray(rows)]
        return Accurate(self.high[place], self.low[place], self.error[place])

    def missing(self, rows: Rows) -> Rows:
        """Which of these rows are not known, in order."""
        index = np.asarray(rows)
        return in_order(tuple(index[self._place[index] < 0].tolist()))[0]

    def put(self, rows: Rows, found: Accurate, off: Fraction = Fraction(0)) -> None:
        """Remember the image for these rows, which may be off by some more (Frobenius norm)."""
        self.off += off
        self._place[np.asarray(rows)] = len(self.high) + np.arange(len(rows))
        self.high = np.concatenate([self.high, found.high])
        self.low = np.concatenate([self.low, found.low])
        self.error = np.concatenate([self.error, found.error])
