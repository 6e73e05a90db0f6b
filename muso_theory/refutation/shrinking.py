"""Make a failing problem as small and as plain as it will go."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from fractions import Fraction
from typing import Any

import numpy as np

from ..arrays import Array
from ..linear.problem import UnlearningProblem

__all__ = ["shrink", "size"]


def size(problem: UnlearningProblem) -> tuple[Any, ...]:
    """What shrinking makes smaller, in this order: samples, features, outputs, w₀, zero rows, the entries."""
    arrays = [problem.features, problem.targets] + ([] if problem.w_init is None else [problem.w_init])
    entries = [Fraction(x) for a in arrays for x in a.ravel()]
    start = [] if problem.w_init is None else [x for x in problem.w_init.ravel() if x]
    return (
        problem.n_samples,
        problem.n_features,
        problem.n_outputs,
        len(problem.forget),
        problem.w_init is not None,
        len(start),
        sum(not row.any() for row in problem.features),  # a sample without features is a poor example
        sum(x.denominator - 1 for x in entries),
        sum(abs(x.numerator) for x in entries),
        sum(x < 0 for x in entries),
    )


def shrink(
    problem: UnlearningProblem, fails: Callable[[UnlearningProblem], bool], budget: int = 1500
) -> UnlearningProblem:
    """Simplify while the failure stays, until no single simplification keeps it or ``fails`` was called too often.

    Example:
        >>> from fractions import Fraction as Q
        >>> features = np.array([[Q(3), Q(1)], [Q(2), Q(0)], [Q(1), Q(1)]])
        >>> big = UnlearningProblem(features, np.array([Q(1), Q(2), Q(3)]), [1])
        >>> shrink(big, lambda p: p.features.sum() >= 2).features.tolist()
        [[Fraction(1, 1)], [Fraction(1, 1)]]
    """
    spent = 0
    improved = True
    while improved:
        improved = False
        here = size(problem)
        for candidate in _simpler(problem):
            if spent >= budget:
                return problem
            if size(candidate) >= here:
                continue
            spent += 1
            if fails(candidate):
                problem, improved = candidate, True
                break
    return problem


def _simpler(p: UnlearningProblem) -> Iterator[UnlearningProblem]:
    """Single simplifications, those first that take away most."""
    mask = np.zeros(p.n_samples, dtype=bool)
    mask[p.forget] = True
    for i in range(p.n_samples):
        kept = np.delete(mask, i)
        if kept.any() and not kept.all():
            yield UnlearningProblem(np.delete(p.features, i, 0), np.delete(p.targets, i, 0), kept, p.w_init)
    for j in range(p.n_features if p.n_features > 1 else 0):
        start = None if p.w_init is None else np.delete(p.w_init, j, 0)
        yield UnlearningProblem(np.delete(p.features, j, 1), p.targets, p.forget, start)
    if p.targets.ndim == 2:
        for c in range(p.n_outputs):
            start = None if p.w_init is None else p.w_init[:, c]
            yield UnlearningProblem(p.features, p.targets[:, c], p.forget, start)
    if len(p.forget) > 1:
        for row in p.forget:
            less = mask.copy()
            less[row] = False
            yield UnlearningProblem(p.features, p.targets, less, p.w_init)
    if p.w_init is not None:
        yield UnlearningProblem(p.features, p.targets, p.forget)
        for w_init in _plainer(p.w_init):
            yield UnlearningProblem(p.features, p.targets, p.forget, w_init)
    for i, row in enumerate(p.features):
        for scale in (Fraction(1, 2), -1):
            scaled = p.features.copy()
            scaled[i] = row * scale
            yield UnlearningProblem(scaled, p.targets, p.forget, p.w_init)
    for features in _plainer(p.features):
        yield UnlearningProblem(features, p.targets, p.forget, p.w_init)
    for targets in _plainer(p.targets):
        yield UnlearningProblem(p.features, targets, p.forget, p.w_init)


def _plainer(array: Array) -> Iterator[Array]:
    """The array with one entry plainer: zero, one, rounded, without its sign, nearer to zero."""
    for index, value in np.ndenumerate(array):
        x = Fraction(value)
        towards = x - (1 if x > 0 else -1)
        options = (
            Fraction(0),
            Fraction(1),
            Fraction(round(x)),
            x.limit_denominator(2),
            abs(x),
            x / 2,
            towards,
        )
        for option in dict.fromkeys(options):
            # A denominator that is not a power of two would not survive in float64.
            dyadic = option.denominator & (option.denominator - 1) == 0
            if option != x and dyadic:
                changed = array.copy()
                changed[index] = option
                yield changed
