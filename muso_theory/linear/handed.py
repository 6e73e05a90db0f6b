"""The floats that this package hands out: labels and unlearned parameters, rounded from a chosen arithmetic."""

from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction
from functools import cached_property
from typing import Any

import numpy as np

from ..arrays import Array
from ..errors import BadInputError, SingularMatrixError, expected, nearest
from ..numbers import BALL, RATIONAL, Arithmetic, UndecidedError
from ..numbers.ieee import ieee_proof
from ..numbers.rounding import U, norm_bounds
from ..numbers.spectrum import smallest_eigenvalue_estimate
from .certified import CertifiedForms
from .closed_forms import ClosedForms, float_model
from .label_ball import LabelBall
from .model import Model
from .problem import UnlearningProblem

__all__ = ["ARITHMETICS", "PRECISIONS", "Handed", "NothingHandedError"]

PRECISIONS = (128, 256, 512, 1024, 2048)
"""Bits of balls, tried in turn until the answer is known to the last place of float64."""

ARITHMETICS = ("auto", "float64", "ball", "rational")

_SIX_DIGITS = 2.0**-20
_LARGEST = 2**24
"""Entries of Φ up to which auto looks for better floats than those of float64: half a minute at most."""


class NothingHandedError(UndecidedError):
    """There are no floats to judge: the arithmetic that was asked for hands out none."""


class Handed:
    """What ``optimal_labels`` and ``solve`` hand out in one arithmetic.

    Args:
        problem: the problem.
        arithmetic: "float64" computes in float64; "ball" and "rational" compute in theirs and round once. "auto" is
            float64 as long as that keeps six digits; where the condition number of a Gram matrix takes more, and Φ,
            or what is distinct of its rows, has full rank and at most 2²⁴ entries, it rounds what preconditioned
            float64 encloses. No tolerance and no
            budget plays a part, so that whoever asks is handed the same floats.
        shared: the model of an arithmetic by its name, if the caller has it already.

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
        shared: Callable[[str], Model | None] = lambda name: None,
    ) -> None:
        if arithmetic not in ARITHMETICS:
            raise expected(
                "an arithmetic", "arithmetic", arithmetic, "unknown", nearest(str(arithmetic), ARITHMETICS)
            )
        self.problem = problem
        self.arithmetic = arithmetic
        self._shared = shared
        self._known: dict[str, Array] = {}
        self._settled: list[bool] = []

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
        formula: dict[str, Callable[[Any], Any]] = {
            "closed-form": lambda model: model.optimal_labels,
            "label-free": lambda model: model.label_free(model.retain),
            "leave-block-out": lambda model: model.leave_block_out(),
        }
        return self._rounded(method, formula[method])

    @property
    def w_unlearned(self) -> Array:
        """The unlearned parameters w_u, float64, shape (D, C)."""
        return self._rounded("w_unlearned", lambda model: model.final(model.unlearned_exactly))

    def _rounded(self, name: str, formula: Callable[[Any], Any]) -> Array:
        """A matrix, computed once."""
        if name not in self._known:
            try:
                self._known[name] = _finite(self.compute(formula))
            except (BadInputError, SingularMatrixError) as error:
                raise NothingHandedError(
                    f"{self.arithmetic} hands out nothing here: {error}", "--arithmetic ball"
                ) from None
        return self._known[name]

    @property
    def is_nearest(self) -> bool:
        """Whether all floats handed out so far are known to the last place of float64, in norm."""
        return bool(self._settled) and all(self._settled)

    @property
    def computed_in(self) -> str:
        """The arithmetic that the floats are rounded from."""
        return self.arithmetic if self.arithmetic in ("ball", "rational") else self.floating.name

    @cached_property
    def floating(self) -> ClosedForms | CertifiedForms:
        """What "auto" and "float64" compute with.

        Raises:
            NothingHandedError: the caller cannot afford it.
        """
        plain = float_model(self.problem)
        if self.arithmetic == "float64" or self.problem.features.size > _LARGEST or _keeps_digits(plain):
            return plain
        try:
            better = self._shared(CertifiedForms.preconditioned_name) or CertifiedForms(
                self.problem, preconditioned=True
            )
            assert isinstance(better, CertifiedForms)
            return better if better.knows_ranks else plain
        except NothingHandedError:
            raise
        except UndecidedError:  # Fractions, or features beyond its range
            return plain

    def compute(self, formula: Callable[[Any], Any]) -> Array:
        """A matrix of the arithmetic as the floats next to it.

        Args:
            formula: what to compute from the closed forms: labels, or the numbers of `Model.final`.

        Returns:
            Float64 array of the matrix's shape.

        Raises:
            BadInputError: float64 was chosen and overflows.
            NothingHandedError: its answer does.
            UndecidedError: no precision of balls settles it, or it is beyond the range of float64.
        """
        if self.arithmetic not in ("auto", "float64"):
            nearest = self._nearest(formula)
            self._settled.append(True)
            return nearest
        if isinstance(self.floating, CertifiedForms):
            try:
                known: LabelBall = formula(self.floating)
                self._settled.append(known.miss <= norm_bounds(known.values)[0] / 2**52)
                return np.asarray(known.values)
            except UndecidedError:
                pass  # some of the rows that this formula solves for are dependent
        self._settled.append(False)
        found = np.array(formula(float_model(self.problem)), dtype=np.float64)
        if not np.isfinite(found).all():
            # Its way may overflow where its answer does not: another arithmetic is asked.
            raise NothingHandedError(f"{self.arithmetic} overflows here", "--arithmetic ball")
        return found

    def _model(self, name: str, arithmetic: Arithmetic) -> ClosedForms:
        """The closed forms of an arithmetic that rounds once."""
        known = self._shared(name)
        return known if isinstance(known, ClosedForms) else ClosedForms(self.problem, arithmetic)

    @ieee_proof()
    def _nearest(self, formula: Callable[[Any], Any]) -> Array:
        """The floats next to the exact answer."""
        if self.arithmetic == "rational":
            model = self._model("rational", RATIONAL)
            return _finite(model.arithmetic.to_numpy(formula(model)))
        for bits in PRECISIONS:
            model = self._model(f"ball({bits})", BALL(bits))
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


def _keeps_digits(model: ClosedForms) -> bool:
    """Whether solves with the Gram matrices of Φ and of Φ_R keep six digits, by estimate."""
    if any(model.repeats.lower_the_rank(rows) for rows in (model.everything, model.retain)):
        return False
    # A solve is relatively wrong by about κu, and κ is at most trace/λ_min, with trace ≤ ‖Φ‖_F².
    trace = model.square_size
    factors = (model.factor(rows) for rows in (model.everything, model.retain))
    return all(
        factor.rank == factor.size and trace * U <= _SIX_DIGITS * smallest_eigenvalue_estimate(factor)[0]
        for factor in factors
    )


def _finite(found: Array) -> Array:
    """The array, if float64 has its range."""
    if not np.isfinite(found).all():
        raise UndecidedError("the answer is beyond the range of float64", "features or targets scaled down")
    return found


def _settled(arithmetic: Arithmetic, found: Any, rounded: Array) -> bool:
    """Whether enclosed numbers are known to the last place of float64, in norm, or to its smallest number each."""
    off = arithmetic.square_norm(arithmetic.sub(found, arithmetic.matrix(rounded)))
    size = arithmetic.square_norm(found)
    # Below the normal numbers rounding is no smaller part of the answer, and of zero it is none: there every entry may
    # be off by the smallest float.
    return bool(off.upper <= max(Fraction(1, 4**52) * Fraction(size.lower), Fraction(rounded.size, 4**1074)))
