"""The closed forms in float64 with proof: gaps, leave-block-out, dual coefficients, ranks and spectra.

They are computed from matrices that are formed once and bounded with proof, and carry the radii of what they take.
"""

from __future__ import annotations

from fractions import Fraction
from typing import Any

import numpy as np

from ..errors import SingularMatrixError
from ..numbers import Quantity, UndecidedError
from ..numbers.ieee import ieee_proof
from ..numbers.lockstep import Work
from ..numbers.point_ball import CertifiedParameters, ball_norm, pair_sum
from ..numbers.rounding import ETA, root_down
from ..numbers.spans import residual_norm
from ..rows import no_class
from .answers import Question
from .certified_verbs import CertifiedVerbs
from .label_ball import LabelBall
from .model import Rows
from .spreading import spread

__all__ = ["CertifiedForms", "LabelBall"]


class CertifiedForms(CertifiedVerbs):
    """The closed forms of one problem in verified float64, sharing its Gram matrix and factorisation.

    Independent rows (n ≤ D, minimum norm) and independent columns (n > D, least squares) are proved, not assumed;
    what is rank-deficient for another reason than equal rows is left undecided. Features whose largest entry lies
    outside 2^±100 are scaled by a power of two, exactly or not at all, and a point of parameter space is kept in the
    coordinates of the scaled features: `explicit` gives its floats. Quantities are those of the problem as given.

    Args:
        problem: float64 or float32 arrays, or integers that float64 holds exactly.
        preconditioned: solve through a preconditioner of Φ; dearer, and decides far larger condition numbers.

    Raises:
        UndecidedError: Fractions or wide integers, which are not floats, or features beyond the range of float64.

    Example:
        >>> from muso_theory import UnlearningProblem
        >>> problem = UnlearningProblem(np.array([[1.0, 0, 1], [1, 1, 0]]), np.array([1.0, 2.0]), [1])
        >>> model = CertifiedForms(problem)
        >>> model.distance(model.unlearned(model.optimal_labels), model.retrained).bound < 1e-14
        True
        >>> gap = model.gap(model.given(np.array([[2.0]])))
        >>> 1.2247 < gap.floor <= gap.bound < 1.2248
        True
    """

    @ieee_proof()
    def square_gap(self, label_error: LabelBall) -> Quantity:
        """‖Φ⁺(0; δ)‖²."""
        # A fit is refined, where the quadratic form of `gap` is not: squares are compared with squares to their digits.
        found = self._answers.to(self.gap_question(label_error))
        low, high = ball_norm(found.high, found.low, found.radius)
        return self._true(-2, (low**2, high**2))

    def gap_question(self, label_error: LabelBall) -> Question:
        """The Φ⁺(0; δ) of `square_gap`, to be answered together with others."""
        return Question(("gap", label_error.content), lambda: self._lifting(label_error))

    def _lifting(self, label_error: LabelBall) -> Work[CertifiedParameters]:
        """The work of Φ⁺(0; δ)."""
        more = label_error.correction
        system = self.systems.everything
        low = None if more is None else system.padded(more)
        found = yield from system.fitting(system.padded(label_error.values), None, targets_low=low)
        return found.widened(
            label_error.radius / root_down(system.smallest) if label_error.radius else Fraction(0)
        )

    @ieee_proof()
    def reach(self, label_error: LabelBall) -> Quantity:
        """‖Φ⁺(0; δ)‖ to three digits: of the quadratic form, if it has them."""
        low, high = self._carried(label_error)
        if high - low > high / 1024:
            return super().reach(label_error)
        return self._true(-1, (low, high))

    @ieee_proof()
    def gap(self, forget_labels: LabelBall) -> Quantity:
        """‖w_u − w_r‖ = ‖Φ⁺(0; δ)‖ of any labels, both what it is at most and at least."""
        fit, root = self.retrained, root_down(self.systems.everything.smallest)
        # With e = w_r − ŵ the gap is Φ⁺(0; δ̂ − Φ_F e), and Φ⁺(0; Φ_F e) = Pe − Φ⁺(Φ_R e; 0), where Φ_R e is small.
        moved = self.systems.norm(self.forget) * fit.radius / root
        if fit.image is not None:
            moved = min(moved, fit.radius + fit.image / root)
        delta = forget_labels.plus(self._image(self.forget, fit).times(-1))
        return self._true(-1, self._carried(delta, moved))

    def _carried(self, delta: LabelBall, moved: Fraction = Fraction(0)) -> tuple[Fraction, Fraction]:
        """Bounds of ‖Φ⁺(0; δ)‖ in the coordinates of the scaled features, when δ's image is known up to ``moved``."""
        system = self.systems.everything
        low, high = system.pseudo_norm(delta.values)
        lost = delta.miss / root_down(system.smallest) + moved
        return max(Fraction(0), low - lost), high + lost

    def unlearned_gap(self, forget_labels: LabelBall) -> Quantity:
        """The gap of the float labels themselves, by the gap formula: sharper than fine-tuning with balls."""
        return self.gap(LabelBall(forget_labels.values))

    @ieee_proof()
    def leave_block_out(self) -> LabelBall:
        """The formula's exact value, enclosed.

        Returns:
            The labels.

        Raises:
            SingularMatrixError: n > D, or equal rows.
            UndecidedError: full rank is not proved.
        """
        if not self.systems.everything.is_invertible:
            raise SingularMatrixError(
                "expected an invertible Gram matrix for the leave-block-out formula but it is singular; "
                "try the closed-form labels, which need no invertibility"
            )
        return self._answers.to(self.block_question())  # type: ignore[no-any-return]

    def block_question(self) -> Question:
        """What `leave_block_out` answers, to be answered together with others."""
        return Question("leave-block-out", self._leaving_block_out)

    def _leaving_block_out(self) -> Work[LabelBall]:
        """The work of leave-block-out."""
        system = self.systems.everything
        residual = self.targets(self.everything).plus(self.predict(self.everything, self.start).times(-1))
        left = residual.values[len(self.retain) :]
        if not self.systems.is_preconditioned:
            # What retraining predicts beyond w₀ is what the formula leaves of r_F, if the claim is true.
            left = self.optimal_labels.plus(self.predict(self.forget, self.start).times(-1)).values
        q, low, radius = yield from system.leaving_block_out(residual.values, left, residual.correction)
        if residual.radius:
            # q = S[K⁻¹r]_F is at most ‖Φ_F‖‖Φ⁺r‖, see `leave_block_out`.
            radius += self.systems.norm(self.forget) * residual.radius / root_down(system.smallest)
        return self.targets(self.forget).plus(LabelBall(-q, radius, -low))

    @ieee_proof()
    def dual_coefficients(self) -> LabelBall:
        """K_RR⁻¹(y_R − Φ_R w₀).

        Returns:
            The enclosure.

        Raises:
            SingularMatrixError: n_R > D, or equal rows.
            UndecidedError: full rank of Φ_R is not proved.
        """
        if not self.systems.retained.is_invertible:
            raise SingularMatrixError(
                "expected independent rows of Φ_R but K_RR is singular; try the closed-form labels"
            )
        return self._answers.to(self.dual_question())  # type: ignore[no-any-return]

    def dual_question(self) -> Question:
        """What `dual_coefficients` answers, to be answered together with others."""
        return Question("dual-coefficients", self._solving)

    def _solving(self) -> Work[LabelBall]:
        """The work of the dual coefficients."""
        system = self.systems.retained
        residual = self.targets(self.retain).plus(self.predict(self.retain, self.start).times(-1))
        values, radius = yield from system.solving(residual.values)
        radius = self.systems.scaled_back(radius + residual.miss / system.smallest, -2)
        if self.systems.exponent:
            values = np.ldexp(values, -2 * self.systems.exponent)
            radius += values.size * ETA  # entries that become subnormal
        return LabelBall(values, radius)

    def rank(self, rows: Rows) -> int:
        """Rank of Φ_rows where its columns, or its distinct rows, are provably independent.

        Args:
            rows: positions.

        Returns:
            The smaller of the number of distinct rows and D.

        Raises:
            UndecidedError: that is not proved.
        """
        if not self.systems.of(rows).smallest > 0:
            raise UndecidedError(
                "float64 cannot prove full rank", "ball or rational arithmetic may", climbs=True
            )
        return self.repeats.rank_at_most(rows)

    # -- what has numbers of all samples, a span of rows at a time where these are many -------------------------------

    @ieee_proof()
    def residual_norm(self, rows: Rows, targets: LabelBall, w: CertifiedParameters | None = None) -> Quantity:
        """‖targets − Φ_rows w‖; without w the size of the targets."""
        if not self.goes_by_spans(rows):
            return super().residual_norm(rows, targets, w)
        lost = targets.miss
        if w is not None and w.radius:
            lost += self.systems.norm(rows) * w.radius
        return self._residual_norm(rows, targets.values, w, lost)

    @ieee_proof()
    def image_distance(self, rows: Rows, w: CertifiedParameters, other: CertifiedParameters) -> Quantity:
        """‖Φ_rows(w − w')‖, by the image of the difference."""
        if not self.goes_by_spans(rows):
            return super().image_distance(rows, w, other)
        high, low, error = pair_sum(w.high, w.low, -other.high, -other.low)
        apart = CertifiedParameters(high, low, w.radius + other.radius + error)
        lost = self.systems.norm(rows) * apart.radius
        return self._residual_norm(rows, no_class(len(rows), high.shape[1]), apart, lost)

    def _residual_norm(
        self, rows: Rows, labels: Any, w: CertifiedParameters | None, lost: Fraction
    ) -> Quantity:
        """‖labels − Φ_rows w‖ for the middle of the ball w, give or take what else is wrong."""
        at_zero = w is None or not (w.high.any() or w.low.any())
        high, low = (None, None) if w is None or at_zero else (w.high, w.low)
        index = self.systems.index(rows)
        smallest, largest = residual_norm(self.systems.features, index, labels, high, spread(), low)
        return Quantity.enclosure(max(Fraction(0), smallest - lost), largest + lost)

    @ieee_proof()
    def pushed(self, w: CertifiedParameters, d: LabelBall, ridge: float = 0) -> CertifiedParameters:
        """The step w + (ΦᵀΦ + λI)⁻¹Φ_Fᵀd; it is w and a fit of (0; d) from zero, whatever Φw is."""
        if not self.goes_by_spans(self.everything):
            found: CertifiedParameters = super().pushed(w, d, ridge)
            return found
        zeros = LabelBall(no_class(len(self.retain), w.high.shape[1]))
        zero = CertifiedParameters(np.zeros_like(w.high), np.zeros_like(w.high), Fraction(0))
        step = self.fit(self.everything, zeros.above(d), zero, ridge)
        high, low, error = pair_sum(w.high, w.low, step.high, step.low)
        return CertifiedParameters(high, low, w.radius + step.radius + error)

    # -- what is known about the data ------------------------------------------------------------------

    @property
    def knows_ranks(self) -> bool:
        """Whether the columns, or the distinct rows, of Φ and of Φ_R are provably independent."""
        try:
            return self.systems.everything.smallest > 0 and self.systems.retained.smallest > 0
        except UndecidedError:
            return False

    def full_row_rank(self, rows: Rows, suffix: str = "") -> tuple[str, Quantity, bool]:
        """λ_min(K_rows) > 0, or the count n − rank > 0 where there are more rows than features, or equal ones."""
        missing = len(rows) - self.repeats.rank_at_most(rows)
        if missing > 0:
            return f"n{suffix} − rank Φ{suffix}", Quantity.enclosure(missing, len(rows)), False
        system = self.systems.of(rows)
        return (
            f"λ_min(K{suffix + suffix[1:]})",
            self._true(2, (system.smallest, system.trace)).outward(),
            True,
        )

    @property
    def spectrum(self) -> tuple[Quantity, Quantity]:
        """Enclosures of the smallest positive eigenvalue of K, and of its largest."""
        return self.systems.min_eigenvalue, self.systems.max_eigenvalue

    @property
    def condition_number(self) -> Quantity:
        """Enclosure of λ_max/λ_min⁺."""
        smallest, largest = self.spectrum
        return Quantity.enclosure(
            max(Fraction(1), Fraction(largest.lower) / Fraction(smallest.upper)),
            Fraction(largest.upper) / Fraction(smallest.lower),
        )
