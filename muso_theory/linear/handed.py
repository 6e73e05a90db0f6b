"""The floats that this package hands out: labels and unlearned parameters, rounded from a chosen arithmetic."""

from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction
from typing import Any

import numpy as np

from ..errors import BadInputError, SingularMatrixError, expected, nearest
from ..numbers import BALL, RATIONAL, Arithmetic, UndecidedError
from ..numbers.ieee import ieee_proof
from .closed_forms import ClosedForms
from .problem import Array, UnlearningProblem

__all__ = ["PRECISIONS", "Handed", "NothingHandedError"]

PRECISIONS = (128, 256, 512, 1024, 2048)
"""Bits of balls, tried in turn until the answer is known to the last place of float64."""

_ARITHMETICS = ("auto", "float64", "ball", "rational")


class NothingHandedError(UndecidedError):
    """There are no floats to judge: the arithmetic that was asked for hands out none."""


class Handed:
    """What ``optimal_labels`` and ``solve`` hand out in one arithmetic.

    Args:
        problem: the problem.
        arithmetic: "auto" and "float64" compute in float64; "ball" and "rational" compute in theirs and round once.
        build: makes the closed forms of an arithmetic; a caller that has them already shares them.

    Raises:
        BadInputError: unknown arithmetic.

    Example:
        >>> problem = UnlearningProblem(np.array([[1.0, 0, 1], [1, 1, 0]]), np.array([1.0, 2.0]), [1])
        >>> Handed(problem, "rational").labels()
        array([[0.5]])
    """

    def __init__(
        self,
        problem: UnlearningProblem,
        arithmetic: str = "auto",
        build: Callable[[Arithmetic], ClosedForms] | None = None,
    ) -> None:
        if arithmetic not in _ARITHMETICS:
            raise expected(
                "an arithmetic", "arithmetic", arithmetic, "unknown", nearest(str(arithmetic), _ARITHMETICS)
            )
        self.problem = problem
        self.arithmetic = arithmetic
        self._build = build or (lambda arithmetic: ClosedForms(problem, arithmetic))
        self._known: dict[str, Array] = {}

    def labels(self, method: str = "closed-form") -> Array:
        """Labels by one of the exact methods.

        Args:
            method: "closed-form", "label-free" or "leave-block-out".

        Returns:
            Float64, shape (n_F, C).

        Raises:
            NothingHandedError: "leave-block-out" where K is singular, numerically so in float64; overflow.
            UndecidedError: no precision of balls settles the labels.
        """
        formula: dict[str, Callable[[ClosedForms], Any]] = {
            "closed-form": lambda model: model.optimal_labels,
            "label-free": lambda model: model.label_free(model.retain),
            "leave-block-out": lambda model: model.leave_block_out(),
        }
        return self._rounded(method, formula[method])

    @property
    def w_unlearned(self) -> Array:
        """The unlearned parameters w_u, float64, shape (D, C)."""
        return self._rounded("w_unlearned", lambda model: model.final(model.unlearned(model.optimal_labels)))

    def _rounded(self, name: str, formula: Callable[[ClosedForms], Any]) -> Array:
        """A matrix, computed once."""
        if name not in self._known:
            try:
                self._known[name] = _finite(self.compute(formula))
            except (BadInputError, SingularMatrixError) as error:
                raise NothingHandedError(
                    f"{self.arithmetic} hands out nothing here: {error}", "--arithmetic ball"
                ) from None
        return self._known[name]

    def compute(self, formula: Callable[[ClosedForms], Any]) -> Array:
        """A matrix of the arithmetic as the floats next to it.

        Args:
            formula: what to compute from the closed forms.

        Returns:
            Float64 array of the matrix's shape.

        Raises:
            BadInputError: float64 was chosen and overflows.
            UndecidedError: no precision of balls settles it, or it is beyond the range of float64.
        """
        if self.arithmetic in ("auto", "float64"):
            return np.array(formula(self.problem.float_model), dtype=np.float64)
        return self._nearest(formula)

    @ieee_proof()
    def _nearest(self, formula: Callable[[ClosedForms], Any]) -> Array:
        """The floats next to the exact answer."""
        if self.arithmetic == "rational":
            model = self._build(RATIONAL)
            return _finite(model.arithmetic.to_numpy(formula(model)))
        for bits in PRECISIONS:
            model = self._build(BALL(bits))
            try:
                found = formula(model)
            except (SingularMatrixError, UndecidedError):
                if bits == PRECISIONS[-1]:
                    raise
                continue
            rounded = model.arithmetic.to_numpy(found)
            if np.isfinite(rounded).all() and _settled(model.arithmetic, found, rounded):
                return rounded
        raise UndecidedError(
            f"{PRECISIONS[-1]} bits do not settle the answer", "rational arithmetic does", climbs=True
        )


def _finite(found: Array) -> Array:
    """The array, if float64 has its range."""
    if not np.isfinite(found).all():
        raise UndecidedError("the answer is beyond the range of float64", "features or targets scaled down")
    return found


def _settled(arithmetic: Arithmetic, found: Any, rounded: Array) -> bool:
    """Whether enclosed numbers are known to the last place of float64, in norm, or to be nothing."""
    off = arithmetic.square_norm(arithmetic.sub(found, arithmetic.matrix(rounded)))
    size = arithmetic.square_norm(found)
    # An answer that is zero has no leading digits to be relative to; its ball must be below the smallest float.
    return bool(off.upper <= max(Fraction(1, 4**52) * Fraction(size.lower), Fraction(1, 4**1074)))
