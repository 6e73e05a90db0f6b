"""Work on blocks by several threads, so that no digit depends on how many there are.

A block is computed by one thread with a BLAS of one thread, and the order of its sums is fixed by the block alone.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

from .ieee import blas_threads, ieee_proof

__all__ = ["over_blocks", "thread_count"]

T = TypeVar("T")


def thread_count() -> int:
    """Threads for work on blocks: as many as this process leaves its BLAS (OPENBLAS_NUM_THREADS), outside proofs.

    Example:
        >>> thread_count() >= 1
        True
    """
    return max([1, *blas_threads().values()])


def over_blocks(work: Callable[[T], None], blocks: Sequence[T], *, alone: bool = False) -> None:
    """Do some work on every block, each of which must write to a place of its own.

    The floating-point mode belongs to a thread: each is tested before and after its share, as `ieee_proof` says.

    Args:
        work: what to do with a block.
        blocks: where.
        alone: keep to this thread, as small work should.

    Raises:
        ArithmeticModeError: a thread does not do IEEE arithmetic.

    Example:
        >>> found = [0] * 3
        >>> over_blocks(lambda i: found.__setitem__(i, i * i), range(3))
        >>> found
        [0, 1, 4]
    """
    count = 1 if alone else min(thread_count(), len(blocks))

    def share(first: int) -> None:
        with ieee_proof():
            for block in blocks[first::count]:
                work(block)

    if count < 2:
        share(0)
        return
    # BLAS has one thread while the shares begin and end at different moments, too.
    with ieee_proof(), ThreadPoolExecutor(count) as pool:
        for _ in pool.map(share, range(count)):
            pass
