"""The verbs in float64 with proof: every label and every parameter is a ball that holds the truth.

The inputs are taken as the exact reals that their floats are. ``numbers`` proves the radii of solves, `ScaledFeatures`
the bounds of their spectra; this module carries the radii through fit, predict and distance.
"""

from __future__ import annotations

from collections.abc import Iterable
from fractions import Fraction
from typing import Any

import numpy as np

from ..arrays import Array
from ..errors import SingularMatrixError
from ..numbers import Quantity, UndecidedError
from ..numbers.accurate import Accurate, plain_product
from ..numbers.ieee import ieee_proof
from ..numbers.lockstep import Product, Work
from ..numbers.point_ball import CertifiedParameters, ball_norm, pair_sum
from ..numbers.rounding import ETA, gamma, norm_bounds, root_down, root_up, scaled_exactly, two_sum
from ..rows import Above, OneHot, taken
from .answers import Answers, Images, Question, content
from .label_ball import LabelBall
from .model import Model, Rows
from .problem import UnlearningProblem
from .repeats import in_order
from .scaled_features import ScaledFeatures, exact_floats

__all__ = ["CertifiedForms", "LabelBall"]


_MOST_KEPT = 1 << 23
"""Numbers of one image of all rows that is kept for those who ask for other rows of it, 64 MB."""


class CertifiedForms(Model):
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
        >>> problem = UnlearningProblem(np.array([[1.0, 0, 1], [1, 1, 0]]), np.array([1.0, 2.0]), [1])
        >>> model = CertifiedForms(problem)
        >>> model.distance(model.unlearned(model.optimal_labels), model.retrained).bound < 1e-14
        True
        >>> gap = model.gap(model.given(np.array([[2.0]])))
        >>> 1.2247 < gap.floor <= gap.bound < 1.2248
        True
    """

    name = "verified float64"
    preconditioned_name = "preconditioned float64"
    is_exact = False

    def __init__(self, problem: UnlearningProblem, *, preconditioned: bool = False) -> None:
        super().__init__(problem)
        if preconditioned:
            self.name = self.preconditioned_name
        self.systems = ScaledFeatures(problem, self.order, preconditioned=preconditioned)
        labels = exact_floats("targets", problem.targets).reshape(problem.n_samples, problem.n_outputs)
        self._labels = taken(labels, self.order).astype(np.float64, copy=False)
        self._start = None if problem.w_init is None else self._columns("w_init", problem.w_init)
        self._answers = Answers()

    def _columns(self, name: str, w: Array) -> Array:
        """Parameters in the coordinates of the scaled features, (D, C), exactly or not at all."""
        wide = np.asarray(exact_floats(name, w), dtype=np.float64).reshape(self.problem.n_features, -1)
        return scaled_exactly(name, wide, self.systems.exponent)

    def _true(self, power: int, ends: tuple[Fraction, Fraction]) -> Quantity:
        """The enclosure for the features as given, of a quantity that scales with their power."""
        return Quantity.enclosure(*(self.systems.scaled_back(end, power) for end in ends))

    # -- labels ----------------------------------------------------------------------------------------

    def targets(self, rows: Rows) -> LabelBall:
        """The data's own labels y of the given positions, exactly."""
        return LabelBall(taken(self._labels, rows))

    def given(self, labels: Array) -> LabelBall:
        """Labels handed in from outside, (m, C), taken exactly."""
        return LabelBall(np.asarray(exact_floats("labels", labels), dtype=np.float64))

    def stack(self, a: LabelBall, b: LabelBall) -> LabelBall:
        """Labels a above labels b."""
        return a.above(b)

    @ieee_proof()
    def mix(self, a: Any, x: LabelBall, b: Any, y: LabelBall) -> LabelBall:
        """a·x + b·y."""
        return x.times(a).plus(y.times(b))

    @ieee_proof()
    def label_distance(self, a: LabelBall, b: LabelBall) -> Quantity:
        """Frobenius distance of two label matrices, sharp under cancellation."""
        return a.plus(b.times(-1)).norm()

    # -- parameters ------------------------------------------------------------------------------------

    @property
    def start(self) -> CertifiedParameters:
        """The initial parameters w₀."""
        shape = (self.problem.n_features, self.problem.n_outputs)
        return _point(np.zeros(shape) if self._start is None else self._start)

    def at(self, w: Array) -> CertifiedParameters:
        """Parameters handed in from outside, (D, C), taken exactly."""
        return _point(self._columns("parameters", w))

    @ieee_proof()
    def final(self, w: CertifiedParameters) -> LabelBall:
        """The parameters, (D, C), as labels are known: the nearest floats and a radius.

        Args:
            w: parameters.

        Returns:
            The ball; floats are infinite or subnormal where the features are that small or large.
        """
        exponent = self.systems.exponent
        with np.errstate(all="ignore"):
            high, low = (np.ldexp(part, -exponent) for part in two_sum(w.high, w.low))
        # The sum is exact; entries of both parts that become subnormal are rounded.
        lost = 2 * high.size * ETA if exponent else 0
        return LabelBall(high, self.systems.scaled_back(w.radius, -1) + lost, low)

    def explicit(self, w: CertifiedParameters) -> Array:
        """The parameters as floats, (D, C)."""
        return np.asarray(self.final(w).values)

    @ieee_proof()
    def fit(
        self, rows: Rows, targets: LabelBall, start: CertifiedParameters | None = None, ridge: float = 0
    ) -> CertifiedParameters:
        """G_{Φ_rows, targets}(start), or the ridge minimiser anchored at ``start``.

        The radii of the inputs enter linearly, as `RowSystem.fit` says.

        Args:
            rows: positions to fit.
            targets: their labels.
            start: where to start; None is w₀.
            ridge: λ.

        Returns:
            The enclosure.

        Raises:
            UndecidedError: full rank of these rows is not proved (without a ridge), or float64 overflows.
        """
        return self._answers.to(self.fit_question(rows, targets, start, ridge))  # type: ignore[no-any-return]

    def fit_question(
        self, rows: Rows, targets: LabelBall, start: CertifiedParameters | None = None, ridge: float = 0
    ) -> Question:
        """What `fit` answers, to be answered together with others."""
        rows, way = in_order(rows)
        targets = targets if way is None else targets.taken(way)
        if start is not None and not ridge and not self.systems.of(rows).is_dual:
            start = None  # least squares end at one point
        begin = None if start is None else content(start.high, start.low, start.radius)
        known_by = ("fit", rows, targets.content, begin, ridge)
        return Question(known_by, lambda: self._fitting(rows, targets, start, ridge))

    def _fitting(
        self, rows: Rows, targets: LabelBall, start: CertifiedParameters | None, ridge: float
    ) -> Work[CertifiedParameters]:
        """The work of a fit."""
        system = self.systems.of(rows)
        ridge = self._scaled_ridge(ridge)
        begin, more = (self._start, None) if start is None else (start.high, start.low)
        found = yield from system.fitting(
            targets.values, begin, ridge, targets_low=targets.correction, start_low=more
        )
        lost = Fraction(0)
        if targets.radius:
            lost += targets.radius / root_down(system.floor(ridge))
        if start is not None and (ridge or system.is_dual):
            lost += start.radius
        return found.widened(lost)

    def _scaled_ridge(self, ridge: float) -> float:
        """λ for the scaled features: Φᵀ(ΦΦᵀ + λI)⁻¹ scales with Φ if λ does with ΦΦᵀ."""
        if not ridge or not self.systems.exponent:
            return ridge
        return float(scaled_exactly("ridge", np.array([ridge]), -2 * self.systems.exponent)[0])

    def project(self, rows: Rows, w: CertifiedParameters) -> CertifiedParameters:
        """w₀ + P_rows(w − w₀), where a projector does not enlarge the radius of w.

        Args:
            rows: positions.
            w: parameters.

        Returns:
            The enclosure.

        Raises:
            UndecidedError: full rank of these rows is not proved, or float64 overflows.
        """
        found = self.fit(rows, self.predict(rows, self.leading(w)))
        return CertifiedParameters(found.high, found.low, found.radius + w.radius + norm_bounds(w.low)[1])

    @staticmethod
    def leading(w: CertifiedParameters) -> CertifiedParameters:
        """The floats of w alone, exactly."""
        return CertifiedParameters(w.high, np.zeros_like(w.low), Fraction(0))

    @ieee_proof()
    def predict(self, rows: Rows, w: CertifiedParameters) -> LabelBall:
        """Φ_rows w."""
        image = self._image(rows, w)
        if not w.radius:
            return image
        return LabelBall(image.values, image.radius + self.systems.norm(rows) * w.radius, image.low)

    def _image(self, rows: Rows, w: CertifiedParameters) -> LabelBall:
        """Φ_rows times the middle of the ball w."""
        product = self._product(rows, w)
        return LabelBall(product.high, norm_bounds(product.error)[1], product.low)

    def _product(self, rows: Rows, w: CertifiedParameters) -> Accurate:
        """Φ_rows(high + low), of whose rows none is computed twice; for w = 0 it is zero without an error."""
        if not (w.high.any() or w.low.any()):
            return Accurate(*np.zeros((3, len(rows), w.high.shape[1])))
        if self._is_large(w):
            return self.systems.image(rows, w.high, w.low)
        known_by = ("image", content(w.high, w.low))
        images = self._images(known_by, w.high.shape[1])
        found = images.of(rows, lambda missing: self.systems.image(missing, w.high, w.low))
        self._answers.grown(known_by)
        return found

    def _is_large(self, w: CertifiedParameters) -> bool:
        """Whether an image of all rows is too large to be kept."""
        return bool(3 * self.problem.n_samples * w.high.shape[1] > _MOST_KEPT)

    def _images(self, known_by: tuple[str, bytes], columns: int) -> Images:
        """What is known of the image of the middle of a ball."""
        return self._answers.of(known_by, lambda: Images(self.problem.n_samples, columns))

    def image_question(self, rows: Rows, w: CertifiedParameters) -> Question:
        """The image that `predict` takes of these rows, to be answered together with others."""
        known_by = ("image", content(w.high, w.low))
        return Question(("image of", rows, *known_by), lambda: self._imaging(rows, w, known_by))

    def _imaging(self, rows: Rows, w: CertifiedParameters, known_by: tuple[str, bytes]) -> Work[None]:
        """The work of an image; it is kept with those of other rows."""
        images = self._images(known_by, w.high.shape[1])
        missing = images.missing(rows)
        if len(missing) and not self._is_large(w) and (w.high.any() or w.low.any()):
            index = self.systems.index(missing)
            images.put(missing, (yield Product(self.systems.features, index, w.high, w.low)))
            self._answers.grown(known_by)

    def prepare(self, questions: Iterable[Question]) -> None:
        """Answer questions together, so that they share products with Φ, ahead of whoever asks them."""
        self._answers.prepare(questions)

    def square_distance(self, w: CertifiedParameters, other: CertifiedParameters) -> Quantity:
        """‖w − w'‖²."""
        low, high = self._distance(w, other)
        return self._true(-2, (low**2, high**2))

    @ieee_proof()
    def distance(self, w: CertifiedParameters, other: CertifiedParameters) -> Quantity:
        """‖w − w'‖ in parameter space, their components off w₀ + row(Φ) included; sharp under cancellation."""
        return self._true(-1, self._distance(w, other))

    def _distance(self, w: CertifiedParameters, other: CertifiedParameters) -> tuple[Fraction, Fraction]:
        """Bounds of ‖w − w'‖ in the coordinates of the scaled features."""
        return ball_norm(*pair_sum(w.high, w.low, -other.high, -other.low), w.radius + other.radius)

    @ieee_proof()
    def gradient_norm(self, rows: Rows, targets: LabelBall, w: CertifiedParameters) -> Quantity:
        """‖Φ_rowsᵀ(targets − Φ_rows w)‖."""
        question = ("gradient", rows, targets.content, content(w.high, w.low, w.radius))
        return self._answers.of(question, lambda: self._gradient_norm(rows, targets, w))

    def _gradient_norm(self, rows: Rows, targets: LabelBall, w: CertifiedParameters) -> Quantity:
        """The same, where nobody has asked for it yet."""
        residual = targets.plus(self.predict(rows, w).times(-1))
        index = self.systems.index(rows)
        gradient, roundings = plain_product(self.systems.features, index, residual.values, transposed=True)
        tiny = gradient.size * len(residual.values) * ETA
        frobenius = root_up(self.systems.everything.trace)
        error = frobenius * gamma(roundings) * norm_bounds(residual.values)[1] + tiny
        low, high = norm_bounds(gradient)
        lost = self.systems.norm(rows) * residual.miss + error
        return self._true(1, (max(Fraction(0), low - lost), high + lost))

    # -- formulas that need the matrices ---------------------------------------------------------------

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
        found = yield from system.fitting(
            self._padded(label_error.values), None, targets_low=None if more is None else self._padded(more)
        )
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
        low, high = system.pseudo_norm(self._padded(delta.values))
        lost = delta.miss / root_down(system.smallest) + moved
        return max(Fraction(0), low - lost), high + lost

    def _padded(self, values: Array) -> Any:
        """(0; δ): zeros for the retain set above; for spans of rows as rows of no class, which take no room."""
        rows = len(self.retain), values.shape[1]
        if not self.systems.everything.goes_by_spans(self.problem.n_samples * rows[1]):
            return np.vstack([np.zeros(rows), values])
        return Above([OneHot(np.full(rows[0], -1), rows[1]), values])

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


def _point(w: Array) -> CertifiedParameters:
    """A point known exactly."""
    return CertifiedParameters(w, np.zeros_like(w), Fraction(0))
