"""The verbs that claims are written in: fit, predict, distance. Every arithmetic answers them.

Samples are addressed by *position*: the retain set first, then the forget set, each in sorted order.
Labels and parameters are opaque values of the model that made them.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from functools import cached_property
from typing import Any

import numpy as np

from ..arrays import Array
from ..former import former
from ..numbers import Quantity
from .problem import UnlearningProblem
from .repeats import Repeats, Rows

__all__ = ["Labels", "Model", "Parameters", "Rows"]
former(__name__)

Labels = Any
"""Labels of some positions, (m, C), in the numbers of the model that made them."""

Parameters = Any
"""A point of parameter space, (D, C), in the numbers of the model that made it."""


class Model(ABC):
    """The minimum-norm solutions of one problem, in one kind of number.

    Args:
        problem: the problem.
    """

    name: str
    """The arithmetic, for evidence."""

    is_exact: bool
    """Whether a zero of this model is a proof."""

    def __init__(self, problem: UnlearningProblem) -> None:
        self.problem = problem
        self.order = np.concatenate([problem.retain, problem.forget])
        n, n_retain = problem.n_samples, len(problem.retain)
        self.everything: Rows = range(n)
        self.retain: Rows = range(n_retain)
        self.forget: Rows = range(n_retain, n)
        self.is_dual = n <= problem.n_features
        self.repeats = Repeats(problem.first_equal[self.order], problem.n_features)

    # -- labels ----------------------------------------------------------------------------------------

    @abstractmethod
    def targets(self, rows: Rows) -> Labels:
        """The data's own labels y of the given positions."""

    @abstractmethod
    def given(self, labels: Array) -> Labels:
        """Labels handed in from outside, (m, C), taken exactly."""

    @abstractmethod
    def stack(self, a: Labels, b: Labels) -> Labels:
        """Labels a above labels b."""

    @abstractmethod
    def mix(self, a: Any, x: Labels, b: Any, y: Labels) -> Labels:
        """a·x + b·y for scalars a, b, which are taken exactly."""

    @abstractmethod
    def label_distance(self, a: Labels, b: Labels) -> Quantity:
        """Frobenius distance of two label matrices."""

    def relabelled(self, forget_labels: Labels) -> Labels:
        """(y_R, ỹ_F): everyone's labels after the forget samples got new ones."""
        return self.stack(self.targets(self.retain), forget_labels)

    # -- parameters ------------------------------------------------------------------------------------

    @property
    @abstractmethod
    def start(self) -> Parameters:
        """The initial parameters w₀."""

    @abstractmethod
    def at(self, w: Array) -> Parameters:
        """Parameters handed in from outside, (D, C), taken exactly."""

    @abstractmethod
    def final(self, w: Parameters) -> Labels:
        """The parameters w themselves, (D, C), in the numbers that labels are in."""

    @abstractmethod
    def fit(
        self, rows: Rows, targets: Labels, start: Parameters | None = None, ridge: float = 0
    ) -> Parameters:
        """G_{Φ_rows, targets}(start): where gradient descent on least squares from ``start`` ends.

        Args:
            rows: positions to fit.
            targets: their labels, (len(rows), C).
            start: where to start (claim implicit-bias) or, with a ridge, the anchor; None is w₀.
            ridge: λ of ‖Φw − y‖² + λ‖w − start‖², taken exactly.

        Returns:
            The minimum-norm update of the start.
        """

    @abstractmethod
    def predict(self, rows: Rows, w: Parameters) -> Labels:
        """Φ_rows w, shape (len(rows), C)."""

    def project(self, rows: Rows, w: Parameters) -> Parameters:
        """w₀ + P_rows(w − w₀): refit the predictions of w from w₀."""
        return self.fit(rows, self.predict(rows, w))

    @abstractmethod
    def square_distance(self, w: Parameters, other: Parameters) -> Quantity:
        """‖w − w'‖² in parameter space, all outputs together."""

    def distance(self, w: Parameters, other: Parameters) -> Quantity:
        """‖w − w'‖ in parameter space."""
        return self.square_distance(w, other).sqrt()

    @abstractmethod
    def gradient_norm(self, rows: Rows, targets: Labels, w: Parameters) -> Quantity:
        """‖Φ_rowsᵀ(targets − Φ_rows w)‖: zero exactly at the least-squares minimisers."""

    def residual_norm(self, rows: Rows, targets: Labels, w: Parameters | None = None) -> Quantity:
        """‖targets − Φ_rows w‖, of all outputs together; without w the size of the targets."""
        zeros = (len(rows), self.problem.n_outputs)
        seen = self.given(np.zeros(zeros)) if w is None else self.predict(rows, w)
        return self.label_distance(targets, seen)

    def image_distance(self, rows: Rows, w: Parameters, other: Parameters) -> Quantity:
        """‖Φ_rows(w − w')‖, of all outputs together."""
        return self.label_distance(self.predict(rows, w), self.predict(rows, other))

    def pushed(self, w: Parameters, d: Labels, ridge: float = 0) -> Parameters:
        """The step w + (ΦᵀΦ + λI)⁻¹Φ_Fᵀd; without a ridge w + Φ⁺(0; d)."""
        zeros = self.given(np.zeros((len(self.retain), self.problem.n_outputs)))
        seen = self.predict(self.everything, w)
        return self.fit(self.everything, self.mix(1, seen, 1, self.stack(zeros, d)), w, ridge=ridge)

    # -- solutions -------------------------------------------------------------------------------------

    @cached_property
    def pretrained(self) -> Parameters:
        """w_p = G_{Φ,y}(w₀)."""
        return self.fit(self.everything, self.targets(self.everything))

    @cached_property
    def retrained(self) -> Parameters:
        """w_r = G_{Φ_R,y_R}(w₀)."""
        return self.fit(self.retain, self.targets(self.retain))

    @cached_property
    def optimal_labels(self) -> Labels:
        """Φ_F w_r."""
        return self.predict(self.forget, self.retrained)

    def unlearned(self, forget_labels: Labels, start: Parameters | None = None) -> Parameters:
        """w_u = G_{Φ,(y_R,ỹ_F)}(start), from w_p unless another start is given."""
        return self.fit(self.everything, self.relabelled(forget_labels), start or self.pretrained)

    @cached_property
    def unlearned_exactly(self) -> Parameters:
        """w_u of the optimal labels."""
        return self.unlearned(self.optimal_labels)

    def label_free(self, rows: Rows) -> Labels:
        """Φ_F(w₀ + P_rows(w_p − w₀)): no target is used beyond w_p."""
        return self.predict(self.forget, self.project(rows, self.pretrained))

    # -- formulas that need the matrices ---------------------------------------------------------------

    @abstractmethod
    def square_gap(self, label_error: Labels) -> Quantity:
        """‖Φ⁺(0; δ)‖² for δ of shape (n_F, C): claim gap-formula, valid for any Φ."""

    def reach(self, label_error: Labels) -> Quantity:
        """‖Φ⁺(0; δ)‖ where it is a yardstick, which needs no more than three digits."""
        return self.square_gap(label_error).sqrt()

    def gap(self, forget_labels: Labels) -> Quantity:
        """‖w_u − w_r‖ of any labels, by claim gap-formula."""
        return self.square_gap(self.mix(1, forget_labels, -1, self.optimal_labels)).sqrt()

    def unlearned_gap(self, forget_labels: Labels) -> Quantity:
        """‖w_u − w_r‖ after fine-tuning in closed form from w_p; a model of balls may take the labels' midpoints."""
        return self.distance(self.unlearned(forget_labels), self.retrained)

    @abstractmethod
    def leave_block_out(self) -> Labels:
        """ỹ_F = y_F − [(K⁻¹)_FF]⁻¹[K⁻¹(y − Φw₀)]_F, from the factorisation of K alone.

        Raises SingularMatrixError where K is singular (always so when n > D): the formula then has no meaning.
        """

    @abstractmethod
    def dual_coefficients(self) -> Labels:
        """K_RR⁻¹(y_R − Φ_R w₀), shape (n_R, C)."""

    def along_kernel(self, labels: Labels) -> tuple[Labels, int]:
        """Labels moved along ker Φ_Fᵀ by some vector in it, and the dimension of that kernel.

        The residual z − Φ_FΦ_F⁺z of a least-squares fit lies in ker Φ_Fᵀ, whatever z is, and is zero only for z in the
        range of Φ_F. So no basis of the kernel is needed, which has up to n_F² numbers.

        Args:
            labels: of the forget samples.

        Returns:
            The moved labels, and n_F − rank Φ_F.
        """
        dimension = len(self.forget) - self.rank(self.forget)
        if not dimension:
            return labels, 0
        shape = (len(self.forget), self.problem.n_outputs)
        size = self.label_distance(labels, self.given(np.zeros(shape))).bound
        # As long as the labels, up to a power of two: a longer step would lose them in its own rounding.
        unit = 2.0 ** math.floor(math.log2(size)) if 1e-300 < size < math.inf else 1.0
        z = unit * np.random.default_rng(0).integers(-8, 9, shape)
        aim = self.mix(1, self.predict(self.forget, self.start), 1, self.given(z / 8))
        seen = self.predict(self.forget, self.fit(self.forget, aim))
        return self.mix(1, labels, 1, self.mix(1, aim, -1, seen)), dimension

    @abstractmethod
    def rank(self, rows: Rows) -> int:
        """Rank of Φ_rows: numerical in FLOAT64, else proved, or raised as undecided."""

    # -- what is known about the data ------------------------------------------------------------------

    @abstractmethod
    def full_row_rank(self, rows: Rows, suffix: str = "") -> tuple[str, Quantity, bool]:
        """What decides whether Φ_rows has independent rows.

        Args:
            rows: positions.
            suffix: subscript for the words.

        Returns:
            The quantity in words, the quantity, and whether it must be positive (else it must be ≤ 0).
        """

    @property
    @abstractmethod
    def spectrum(self) -> tuple[Quantity, Quantity]:
        """Smallest nonzero and largest eigenvalue of K."""

    @property
    def sees_all_eigenvalues(self) -> bool:
        """Whether the smallest eigenvalue of ``spectrum`` is the smallest nonzero one of K."""
        return True

    @property
    @abstractmethod
    def condition_number(self) -> Quantity:
        """κ⁺(K) = λ_max/λ_min⁺."""
