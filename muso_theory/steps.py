"""How far a run is: a line of words that also counts."""

from __future__ import annotations

from typing import Self, final

__all__ = ["Step"]


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

    def __new__(cls, words: str, done: int, total: int) -> Self:
        """Keep the count beside the words."""
        step = super().__new__(cls, words)
        step.done, step.total = done, total
        return step

    def left(self, elapsed: float) -> float | None:
        """Seconds that the rest takes if it goes on as so far; None where nothing is finished yet."""
        return elapsed / self.done * (self.total - self.done) if self.done else None
