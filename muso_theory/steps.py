"""How far a run is: a line of words that also counts, and loops that tell it while they go on."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Self, TypeVar, final

__all__ = ["Step", "counted", "telling"]

T = TypeVar("T")


@final
class Step(str):
    """A line of words that also knows how much of a run is done.

    Example:
        >>> step = Step("checking label-free", 3, 4)
        >>> print(step, step.done, step.left(elapsed=6.0))
        checking label-free 3 2.0
    """

    done: int
    total: int
    within: Step | None

    def __new__(cls, words: str, done: int, total: int, within: Step | None = None) -> Self:
        """Keep the count beside the words, and the step that this one is a part of."""
        step = super().__new__(cls, words)
        step.done, step.total, step.within = done, total, within
        return step

    def left(self, elapsed: float) -> float | None:
        """Seconds that the rest takes if it goes on as so far; None where nothing is finished yet."""
        return elapsed / self.done * (self.total - self.done) if self.done else None


@final
class _Told:
    """Who is told, the step that was told last, and whether one of its parts is being counted."""

    def __init__(self, tell: Callable[[str], None]) -> None:
        self.tell = tell
        self.step: Step | None = None
        self.is_counting = False


_TOLD: ContextVar[_Told | None] = ContextVar("who is told of loops that take long", default=None)


@contextmanager
def telling(tell: Callable[[str], None] | None) -> Iterator[Callable[[Step], None]]:
    """Have loops within tell how far they are, as parts of the step that was told last; None tells nobody.

    Example:
        >>> with telling(lambda line: print(line, line.done, line.total)) as tell:
        ...     tell(Step("checking", 0, 1))
        ...     sum(counted([5, 6], "blocks", [1, 3]))
        checking 0 1
        checking, blocks 0 4
        checking, blocks 1 4
        checking, blocks 4 4
        checking 0 1
        11
    """
    if tell is None:
        yield lambda step: None
        return
    told = _Told(tell)

    def outer(step: Step) -> None:
        told.step = step
        told.tell(step)

    token = _TOLD.set(told)
    try:
        yield outer
    finally:
        _TOLD.reset(token)


def counted(items: Iterable[T], words: str, sizes: Sequence[int]) -> Iterator[T]:
    """Go over items and tell how much is done, unless it is one, or a loop around this one tells it.

    Args:
        items: to work on, or what comes of work on each.
        words: what they are.
        sizes: of the work on each, in any unit.

    Yields:
        The items.
    """
    told = _TOLD.get()
    if told is None or told.step is None or told.is_counting or len(sizes) < 2:
        yield from items
        return
    step, done, total = told.step, 0, sum(sizes)
    told.is_counting = True
    try:
        told.tell(Step(f"{step}, {words}", done, total, step))
        for item, size in zip(items, sizes, strict=True):
            yield item
            done += size
            told.tell(Step(f"{step}, {words}", done, total, step))
        told.tell(step)
    finally:
        told.is_counting = False
