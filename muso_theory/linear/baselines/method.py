"""What an unlearning method for a linear model is: a frozen rule from a problem to parameters."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import ClassVar, NamedTuple, final

import numpy as np

from ...arguments import checked
from ...errors import expected
from ..closed_forms import Point
from ..problem import Array, UnlearningProblem, require_problem

__all__ = ["Gaps", "UnlearningMethod"]


class Gaps(NamedTuple):
    """How far a method is from two references, absolutely and as shares of what doing nothing leaves.

    A method with a ridge aims at w_r^λ, from w_p^λ. Held against w_r alone, it shows the bias of its ridge in place of
    the error of its unlearning; held against w_r^λ alone, it hides that this is another model.

    Args:
        common: ‖w_u − w_r‖, against the retrained model without ridge, the same for every method.
        common_share: that over ‖w_p − w_r‖.
        own: ‖w_u − reference‖, against the method's own reference.
        own_share: that over the distance of the method's own start from it, for a ridge ‖w_p^λ − w_r^λ‖.
    """

    common: float
    common_share: float
    own: float
    own_share: float


class UnlearningMethod(ABC):
    """A way to unlearn: call it with a problem to get w_u, shape (D,) or (D, C).

    Every method starts from what is trained on all samples, w_p, or for the methods with a ridge λ from the minimiser
    w_p^λ of ‖Φw − y‖² + λ‖w − w₀‖². Work is done in the coefficients of Φᵀ where n ≤ D and never with a D × D matrix
    there; float64 throughout. Subclasses are frozen dataclasses that set the class attributes below.
    """

    name: ClassVar[str]
    """Its name in tables and in ``METHODS``."""

    formula: ClassVar[str]
    """The update in the symbols of this project."""

    source: ClassVar[str]
    """Author, year, and the paper's arXiv number where there is one."""

    exactness: ClassVar[str]
    """The slug of the theorem by which w_u is exact under ``assuming``, or in words why and where it is not."""

    assuming: ClassVar[tuple[str, ...]] = ()
    """Conditions of the catalogue under which the theorem of ``exactness`` holds."""

    follows_own_labels: ClassVar[bool] = False
    """Whether it follows gradients of the data's own labels alone, and so equals doing nothing where w_p fits them."""

    @property
    def claims_exactness(self) -> bool:
        """Whether ``exactness`` names a theorem."""
        return " " not in self.exactness

    @property
    def needs_retrained(self) -> bool:
        """Whether the retrained model itself is consulted, which a real deletion request does not have."""
        return False

    @final
    def __call__(self, problem: UnlearningProblem) -> Array:
        """Unlearn.

        Args:
            problem: the problem.

        Returns:
            w_u, shape (D,) or (D, C) like w₀.

        Raises:
            BadInputError: no problem.
        """
        require_problem(problem)
        return problem.shaped(problem.float_model.explicit(self.point(problem)))

    @abstractmethod
    def point(self, problem: UnlearningProblem) -> Point:
        """w_u in the coordinates of ``problem.float_model``: coefficients of Φᵀ and an offset, both relative to w₀."""

    def reference(self, problem: UnlearningProblem) -> Point:
        """What exactness is measured from: w_r, or where the method has an objective of its own, its retraining."""
        return problem.float_model.retrained  # type: ignore[no-any-return]

    def start(self, problem: UnlearningProblem) -> Point:
        """What it unlearns: w_p, or where the method has an objective of its own, the minimiser of that."""
        return problem.float_model.pretrained  # type: ignore[no-any-return]

    @property
    def has_own_reference(self) -> bool:
        """Whether exactness is measured from anything but w_r."""
        return type(self).reference is not UnlearningMethod.reference

    @final
    @checked
    def gaps(self, problem: UnlearningProblem, w: Point | None = None) -> Gaps:
        """Gaps to the common reference and to the method's own.

        Args:
            problem: the problem.
            w: w_u in model coordinates; None computes it.

        Returns:
            Both, each beside its share of doing nothing; a share of a gap of zero is infinite, or NaN.

        Example:
            >>> from muso_theory.linear.baselines import NewtonRemoval
            >>> problem = UnlearningProblem(np.array([[1.0, 0, 1], [1, 1, 0]]), np.array([1.0, 2.0]), [1])
            >>> [round(gap, 3) for gap in NewtonRemoval(ridge=1.0).gaps(problem)]  # exact for w_r^λ, not for w_r
            [0.236, 0.192, 0.0, 0.0]
        """
        model = problem.float_model
        w = self.point(problem) if w is None else w
        found = []
        for start, reference in (
            (model.pretrained, model.retrained),
            (self.start(problem), self.reference(problem)),
        ):
            gap, nothing = (float(model.distance(v, reference).upper) for v in (w, start))
            found += [gap, float(np.divide(gap, nothing)) if nothing else np.inf if gap else np.nan]
        return Gaps(*found)

    @final
    @checked
    def expected_square_gap(self, problem: UnlearningProblem, *, own: bool = False) -> float | None:
        """E‖w_u − w_r‖² over the method's randomness, in closed form; w_r is the retrained model without ridge.

        Args:
            problem: the problem.
            own: to the method's own reference in place of w_r.

        Returns:
            The expectation, for a deterministic method its own squared gap; None where there is no closed form.
        """
        if not (own and self.has_own_reference):
            return self._expected(problem)
        mean, spread = self._moments(problem)
        return float(problem.float_model.square_distance(mean, self.reference(problem)).upper) + spread

    def _expected(self, problem: UnlearningProblem) -> float | None:
        """By mean and covariance; methods of which a theorem says more override it."""
        mean, spread = self._moments(problem)
        model = problem.float_model
        return float(model.square_distance(mean, model.retrained).upper) + spread

    def _moments(self, problem: UnlearningProblem) -> tuple[Point, float]:
        """Mean of w_u, and the trace of its covariance over all outputs."""
        return self.point(problem), 0.0


def positive(name: str, value: float) -> float:
    """Validate a positive finite number.

    Args:
        name: the argument.
        value: its value.

    Returns:
        The value.

    Raises:
        BadInputError: not positive or not finite.
    """
    if not 0 < value < np.inf:
        raise expected("a positive number", name, value, type(value).__name__, "the default")
    return value


def count(name: str, value: int) -> int:
    """Validate a number of steps.

    Args:
        name: the argument.
        value: its value.

    Returns:
        The value.

    Raises:
        BadInputError: not an integer of at least one.
    """
    if isinstance(value, bool) or not isinstance(value, int) or value < 1:
        raise expected("an integer of at least 1", name, value, type(value).__name__, "the default")
    return value


def moved(problem: UnlearningProblem, w: Point, coefficients: Array) -> Point:
    """Move by Φᵀa: in coefficients where n ≤ D, explicitly where n > D.

    Args:
        problem: the problem.
        w: where to start.
        coefficients: a, shape (n, C) in position order.

    Returns:
        The moved point.
    """
    model = problem.float_model
    if model.is_dual:
        before = w.coefficients
        return Point(coefficients if before is None else before + coefficients, w.offset)
    step = model.combine(coefficients)
    return Point(None, step if w.offset is None else w.offset + step)


def forget_rows(problem: UnlearningProblem, values: Array) -> Array:
    """Coefficients that are zero on R and ``values`` on F, shape (n, C) in position order."""
    out = np.zeros((problem.n_samples, values.shape[1]))
    out[len(problem.retain) :] = values
    return out


def noisy(problem: UnlearningProblem, w: Point, sigma: float | Array, seed: int) -> Point:
    """Add independent normal noise.

    Args:
        problem: the problem.
        w: where to add it.
        sigma: standard deviations, a number or shape (D, 1).
        seed: seed of the noise.

    Returns:
        The noisy point.
    """
    shape = (problem.n_features, problem.n_outputs)
    noise = sigma * np.random.default_rng(seed).standard_normal(shape)
    return Point(w.coefficients, noise if w.offset is None else w.offset + noise)
