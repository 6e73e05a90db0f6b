"""The arithmetic that every bound of this package assumes: round to nearest, and keep subnormal numbers.

The mode belongs to a thread (MXCSR on x86, FPCR on ARM), can be changed at any moment by any library, and a new
thread inherits the mode of the one that made it. So it is tested in the thread that computes, before a proof and
again after it. Results are compared as bit patterns: a comparison of floats is made in the arithmetic that it should
judge, and under denormals-are-zero it finds 5e-324 equal to 0. BLAS gets one thread during a proof, which is then the
tested one (`parallel` has several such threads); where it may keep its workers, they are tested by a product that takes
all of them.
"""

from __future__ import annotations

import struct
import threading
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from functools import cache
from typing import Any, final

import numpy as np
import scipy.linalg.blas
from threadpoolctl import ThreadpoolController

from ..arrays import Array
from ..errors import ArithmeticModeError

__all__ = ["blas_threads", "ieee_proof", "one_blas_thread", "require_ieee"]


def _floats(*patterns: int) -> tuple[float, ...]:
    """Floats by their bits; to read them from text would already be arithmetic."""
    return struct.unpack(f"{len(patterns)}d", struct.pack(f"{len(patterns)}q", *patterns))


_ONE, _HALF_ULP = 1023 << 52, (1023 - 53) << 52
_SUMMANDS, _ADDED = _floats(_ONE, _ONE + 1), _floats(_HALF_ULP)[0]
_FACTORS, _TIMES = _floats(1 << 52, 1), _floats(1022 << 52, (1023 + 52) << 52)
_RIGHT = {
    # 1 + u is a tie, u = 2^-53, and goes to 1, which is even; so (1 + 2u) + u goes to 1 + 4u.
    "rounds upward": _ONE,
    "rounds downward or towards zero": _ONE + 2,
    # 2^-1022 · 2^-1 is subnormal; 2^-1074 · 2^52 = 2^-1022 is not, but its first factor is.
    "flushes subnormal results to zero": 1 << 51,
    "reads subnormal numbers as zero": 1 << 52,
}
"""What is wrong where a result does not have these bits: of the two sums, then of the two products."""

_EXPECTED = np.array(list(_RIGHT.values()), dtype=np.int64)
_CALCULATED = struct.Struct("4d")
_EXPECTED_BYTES = _EXPECTED.tobytes()

_DEPTH, _REPEATED, _PER_THREAD = 64, 4, 1024
"""2^20 multiplications a thread: OpenBLAS takes as many threads as get 2^18 each, and spares none for small ones."""


@cache
def _blas() -> ThreadpoolController:
    """The BLAS libraries that are loaded, those of numpy and of scipy among them."""
    return ThreadpoolController().select(user_api="blas")


@final
class _OneThread(AbstractContextManager[None]):
    """The one limit of all that ask for it: BLAS gets its threads back when the last of them is done.

    The number of threads belongs to the process. Were each proof to put back what it found, one that began inside
    another would leave BLAS with one thread for ever, and one that ended inside another would give it its workers.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._users = 0
        self._limit: Any = None
        self._replaced: dict[str, int] = {}

    def __enter__(self) -> None:
        with self._lock:
            if not self._users:
                self._replaced = _threads_now()
                self._limit = _blas().limit(limits=1)
            self._users += 1

    def __exit__(self, *_: object) -> None:
        with self._lock:
            self._users -= 1
            if not self._users:
                self._limit.restore_original_limits()

    def threads(self) -> dict[str, int]:
        """By path of the library, what BLAS has while nobody limits it."""
        with self._lock:
            return dict(self._replaced) if self._users else _threads_now()


def _threads_now() -> dict[str, int]:
    return {library.filepath: library.num_threads for library in _blas().lib_controllers}


_ONE_THREAD = _OneThread()


def one_blas_thread() -> AbstractContextManager[None]:
    """Keep BLAS to one thread: blocks that fit a cache gain nothing from more, and lose much on a busy machine.

    It may be entered again inside itself, and by several threads.

    Example:
        >>> with one_blas_thread(), one_blas_thread():
        ...     _blas().lib_controllers[0].num_threads
        1
    """
    return _ONE_THREAD


def blas_threads() -> dict[str, int]:
    """The threads of BLAS in this process outside proofs, by path of the library; a proof itself takes but one.

    Example:
        >>> outside = blas_threads()
        >>> with one_blas_thread():
        ...     blas_threads() == outside
        True
    """
    return _ONE_THREAD.threads()


def require_ieee() -> None:
    """Check that this thread rounds to nearest and keeps subnormals, and that BLAS does.

    BLAS's workers are asked only if it may use more than one thread at the moment.

    Raises:
        ArithmeticModeError: something else, so that no bound would hold.

    Example:
        >>> require_ieee()
    """
    # Floats of Python obey the mode of the thread as those of numpy do, and are quicker; packing them copies bits.
    (one, next_one), (normal, subnormal), (half, large) = _SUMMANDS, _FACTORS, _TIMES
    found = _CALCULATED.pack(one + _ADDED, next_one + _ADDED, normal * half, subnormal * large)
    if found != _EXPECTED_BYTES:
        raise _refusal(np.frombuffer(found, dtype=np.int64), "this thread")
    threads = _blas_threads()
    if threads > 1:
        _require_ieee_of_workers(threads)


def _blas_threads() -> int:
    """Threads that BLAS may use now; two where no library is known that could be asked."""
    return max((library.num_threads or 2 for library in _blas().lib_controllers), default=2)


def _require_ieee_of_workers(threads: int) -> None:
    """Multiply with a matrix of equal columns: BLAS deals them out, so that each thread meets every case."""
    column, cases = np.zeros((_DEPTH, 1)), np.zeros((4, _DEPTH))
    column[:5, 0] = [*_SUMMANDS, _ADDED, *_FACTORS]
    cases[[0, 1], [0, 1]] = cases[:2, 2] = 1.0
    cases[[2, 3], [3, 4]] = _TIMES
    cases, wide = np.tile(cases, (_REPEATED, 1)), np.tile(column, (1, _PER_THREAD * threads))
    right = np.tile(_EXPECTED, _REPEATED)[:, None]
    # Both are dgemm with wide's columns as its rows, the side that OpenBLAS cuts into parts which wait for each
    # other: no thread can be done, and take a second part, before the last has begun.
    with np.errstate(all="ignore"):
        products = {"numpy": cases @ wide, "scipy": scipy.linalg.blas.dgemm(1.0, wide.T, cases.T).T}
    for library, product in products.items():
        bits = product.view(np.int64)
        wrong = (bits != right).any(axis=0)
        if wrong.any():
            raise _refusal(bits[:4, int(np.argmax(wrong))], f"a thread of {library}'s BLAS")


def _refusal(bits: Array, where: str) -> ArithmeticModeError:
    """Word what is wrong with the mode of a thread."""
    wrong = [words for (words, right), got in zip(_RIGHT.items(), bits.tolist(), strict=True) if got != right]
    return ArithmeticModeError(
        f"expected arithmetic that rounds to nearest and keeps subnormal numbers, as every bound assumes, but "
        f"{where} {' and '.join(wrong)}; try a process without the library that changed the floating-point mode "
        f"(code compiled with -ffast-math does), or OPENBLAS_NUM_THREADS=1 if only a thread of BLAS has changed"
    )


@contextmanager
def ieee_proof() -> Iterator[None]:
    """Test the floating-point mode before and after a proof, in the thread that computes; also a decorator.

    Whatever is proved in between holds if the mode was right all the time, and it was if nothing changed it and changed
    it back. BLAS is kept to this one, tested thread. An exception passes untested: it proves nothing.

    Raises:
        ArithmeticModeError: another mode, before or after.

    Example:
        >>> with ieee_proof():
        ...     0.1 + 0.2 > 0.3
        True
        >>> @ieee_proof()
        ... def double(x):
        ...     return 2 * x
        >>> double(2)
        4
    """
    with one_blas_thread():
        require_ieee()
        yield
        require_ieee()
