"""What is computed of a problem once and kept with it."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import TypeVar

from .problem import UnlearningProblem

__all__ = ["kept"]

T = TypeVar("T")


def kept(make: Callable[[UnlearningProblem], T]) -> Callable[[UnlearningProblem], T]:
    """Have a function of a problem computed once and kept with the problem, for whoever asks next.

    Args:
        make: a function of a problem, which never changes.

    Returns:
        The same function with a memory.

    Example:
        >>> import numpy as np
        >>> @kept
        ... def total(problem):
        ...     print("computed")
        ...     return float(problem.targets.sum())
        >>> problem = UnlearningProblem(np.eye(2), [1.0, 2.0], [0])
        >>> total(problem), total(problem)
        computed
        (3.0, 3.0)
    """
    key = f"{make.__module__}.{make.__qualname__}"

    @wraps(make)
    def once(problem: UnlearningProblem) -> T:
        if key not in problem._kept:
            problem._kept[key] = make(problem)
        return problem._kept[key]  # type: ignore[no-any-return]

    return once
