"""The verbs in float64 with proof: every label and every parameter is a ball that holds the truth.

The inputs are taken as the exact reals that their floats are. ``numbers`` proves the radii of solves, `RowSystems` the
bounds of their spectra; this module carries the radii through fit, predict and distance.
"""

from __future__ import annotations

from fractions import Fraction
from typing import Any

import numpy as np

from ..errors import SingularMatrixError
from ..numbers import Quantity, UndecidedError
from ..numbers.accurate import accurate_product, plain_product
from ..numbers.leastsquares import CertifiedParameters, DualSystem
from ..numbers.rounding import ETA, gamma, norm_bounds, root_down, root_up, scaled_exactly
from ..numbers.rowsystem import ball_norm, pair_sum
from .label_ball import LabelBall
from .model import Model, Rows
from .problem import Array, UnlearningProblem
from .row_systems import RowSystems, exact_floats

__all__ = ["CertifiedForms", "LabelBall"]


class CertifiedForms(Model):
    """The closed forms of one problem in verified float64, sharing its Gram matrix and factorisation.

    Independent rows (n ≤ D, minimum norm) and independent columns (n > D, least squares) are proved, not assumed;
    what is rank-deficient is left undecided. Features whose largest entry lies outside 2^±100 are scaled by a power of
    two, exactly or not at all, and a point of parameter space is kept in the coordinates of the scaled features:
    `explicit` gives its floats. Quantities are those of the problem as given.

    Args:
        problem: float64 or float32 arrays, or integers that float64 holds exactly.

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
    is_exact = False

    def __init__(self, problem: UnlearningProblem) -> None:
        super().__init__(problem)
        self.systems = RowSystems(problem, self.order)
        labels = exact_floats("targets", problem.targets).reshape(problem.n_samples, -1)[self.order]
        self._labels = np.asarray(labels, dtype=np.float64)
        self._start = None if problem.w_init is None else self._columns("w_init", problem.w_init)

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
        return LabelBall(self._labels[list(rows)])

    def given(self, labels: Array) -> LabelBall:
        """Labels handed in from outside, (m, C), taken exactly."""
        return LabelBall(np.asarray(exact_floats("labels", labels), dtype=np.float64))

    def stack(self, a: LabelBall, b: LabelBall) -> LabelBall:
        """Labels a above labels b."""
        return a.above(b)

    def mix(self, a: Any, x: LabelBall, b: Any, y: LabelBall) -> LabelBall:
        """a·x + b·y."""
        return x.times(a).plus(y.times(b))

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

    def explicit(self, w: CertifiedParameters) -> Array:
        """The parameters as floats, (D, C); infinite or subnormal where the features are that small or large."""
        with np.errstate(all="ignore"):
            return np.ldexp(w.parameters, -self.systems.exponent)

    def fit(
        self, rows: Rows, targets: LabelBall, start: CertifiedParameters | None = None, ridge: float = 0
    ) -> CertifiedParameters:
        """G_{Φ_rows, targets}(start), or the ridge minimiser anchored at ``start``.

        The radii of the inputs enter linearly: an error of the targets by at most 1/√(λ_min + λ), one of the start
        by at most 1, as w = start + Φ⁺(t − Φ start) applies a projector to it.

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
        system = self.systems.of(rows)
        ridge = self._scaled_ridge(ridge)
        begin = self._start if start is None else start.high
        found = system.fit(targets.values, begin, ridge)
        lost, miss = Fraction(0), targets.miss
        if miss:
            lost += miss / root_down(system.floor(ridge))
        if start is not None and (ridge or isinstance(system, DualSystem)):
            lost += start.radius + norm_bounds(start.low)[1]
        # What is known of the image of the error holds for the floats that were fitted, not for a ball of them.
        return CertifiedParameters(found.high, found.low, found.radius + lost, None if lost else found.image)

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
        known = CertifiedParameters(w.high, np.zeros_like(w.low), Fraction(0))
        found = self.fit(rows, self.predict(rows, known))
        return CertifiedParameters(found.high, found.low, found.radius + w.radius + norm_bounds(w.low)[1])

    def predict(self, rows: Rows, w: CertifiedParameters) -> LabelBall:
        """Φ_rows w."""
        image = self._image(rows, w)
        if not w.radius:
            return image
        return LabelBall(image.values, image.radius + self.systems.norm(rows) * w.radius, image.low)

    def _image(self, rows: Rows, w: CertifiedParameters) -> LabelBall:
        """Φ_rows times the middle of the ball w."""
        product = accurate_product(self.systems.features, self.systems.index(rows), w.high, w.low)
        return LabelBall(product.high, norm_bounds(product.error)[1], product.low)

    def square_distance(self, w: CertifiedParameters, other: CertifiedParameters) -> Quantity:
        """‖w − w'‖²."""
        low, high = self._distance(w, other)
        return self._true(-2, (low**2, high**2))

    def distance(self, w: CertifiedParameters, other: CertifiedParameters) -> Quantity:
        """‖w − w'‖ in parameter space, their components off w₀ + row(Φ) included; sharp under cancellation."""
        return self._true(-1, self._distance(w, other))

    def _distance(self, w: CertifiedParameters, other: CertifiedParameters) -> tuple[Fraction, Fraction]:
        """Bounds of ‖w − w'‖ in the coordinates of the scaled features."""
        return ball_norm(*pair_sum(w.high, w.low, -other.high, -other.low), w.radius + other.radius)

    def gradient_norm(self, rows: Rows, targets: LabelBall, w: CertifiedParameters) -> Quantity:
        """‖Φ_rowsᵀ(targets − Φ_rows w)‖."""
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

    def square_gap(self, label_error: LabelBall) -> Quantity:
        """‖Φ⁺(0; δ)‖²."""
        low, high = self._carried(label_error)
        return self._true(-2, (low**2, high**2))

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
        padded = np.zeros((self.problem.n_samples, self.problem.n_outputs))
        padded[len(self.retain) :] = delta.values
        low, high = system.pseudo_norm(padded)
        lost = delta.miss / root_down(system.smallest) + moved
        return max(Fraction(0), low - lost), high + lost

    def unlearned_gap(self, forget_labels: LabelBall) -> Quantity:
        """The gap of the float labels themselves, by the gap formula: sharper than fine-tuning with balls."""
        return self.gap(LabelBall(forget_labels.values))

    def leave_block_out(self) -> LabelBall:
        """The formula's exact value, enclosed.

        Returns:
            The labels.

        Raises:
            SingularMatrixError: n > D.
            UndecidedError: full rank is not proved.
        """
        system = self.systems.everything if self.is_dual else None
        if not isinstance(system, DualSystem):
            raise SingularMatrixError(
                "expected an invertible Gram matrix for the leave-block-out formula but n > D; "
                "try the closed-form labels, which need no invertibility"
            )
        first, count = len(self.retain), len(self.forget)
        known = self.targets(self.everything).plus(self.predict(self.everything, self.start).times(-1))
        r = known.values
        unit = np.zeros((first + count, count))
        unit[first:] = np.eye(count)
        block = system.factor.solve(unit)[first:]
        g = r.copy()
        g[first:] = 0.0
        for _ in range(4):
            # g is any float vector equal to r on R; the correction it stands for is c = r_F − g_F, exactly.
            a, off = system.coefficients(g)
            left = a[first:]
            step = np.linalg.solve(block, left)
            if not float(np.abs(step).max()) > 2.0**-60 * float(np.abs(r).max()):
                break
            previous, g = g, g.copy()
            g[first:] -= step
        else:
            g = previous
        # The exact c* solves [K⁻¹(r − E_F c*)]_F = 0, so c* − c = S[K⁻¹g]_F with S = [(K⁻¹)_FF]⁻¹ ⪯ K_FF. An error
        # of r moves c* by [−K_FR K_RR⁻¹, I] times it, whose norm is at most 1 + ‖Φ_F Φ_R⁺‖ ≤ 1 + ‖Φ_F‖/√λ_min.
        norm = self.systems.norm(self.forget)
        radius = norm**2 * (norm_bounds(left)[1] + off)
        radius += (1 + norm / root_down(system.smallest)) * known.miss
        moved = LabelBall(g[first:]).plus(LabelBall(r[first:]).times(-1))
        labels = self.targets(self.forget).plus(moved)
        return LabelBall(labels.values, labels.radius + radius, labels.low)

    def dual_coefficients(self) -> LabelBall:
        """K_RR⁻¹(y_R − Φ_R w₀).

        Returns:
            The enclosure.

        Raises:
            SingularMatrixError: n_R > D.
            UndecidedError: full rank of Φ_R is not proved.
        """
        system = self.systems.retained
        if not isinstance(system, DualSystem):
            raise SingularMatrixError("expected n_R ≤ D but K_RR is singular; try the closed-form labels")
        residual = self.targets(self.retain).plus(self.predict(self.retain, self.start).times(-1))
        values, radius = system.coefficients(residual.values)
        radius = self.systems.scaled_back(radius + residual.miss / system.smallest, -2)
        if self.systems.exponent:
            with np.errstate(all="ignore"):
                values = np.ldexp(values, -2 * self.systems.exponent)
            radius += values.size * ETA  # entries that become subnormal
        return LabelBall(values, radius)

    def along_kernel(self, labels: LabelBall) -> tuple[LabelBall, int]:
        """The labels as they are, when Φ_F provably has full row rank; undecided otherwise."""
        system = self.systems.of(self.forget)
        if isinstance(system, DualSystem) and system.smallest > 0:
            return labels, 0
        raise UndecidedError("float64 cannot prove that ker Φ_Fᵀ is zero", "rational arithmetic decides it")

    # -- what is known about the data ------------------------------------------------------------------

    def full_row_rank(self, rows: Rows, suffix: str = "") -> tuple[str, Quantity, bool]:
        """λ_min(K_rows) > 0, or the count n − rank > 0 where there are more rows than features."""
        missing = len(rows) - self.problem.n_features
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
        """Enclosures of λ_min and λ_max of K (n ≤ D) or of ΦᵀΦ."""
        return self.systems.min_eigenvalue, self.systems.max_eigenvalue

    @property
    def condition_number(self) -> Quantity:
        """Enclosure of λ_max/λ_min."""
        smallest, largest = self.spectrum
        return Quantity.enclosure(
            max(Fraction(1), Fraction(largest.lower) / Fraction(smallest.upper)),
            Fraction(largest.upper) / Fraction(smallest.lower),
        )


def _point(w: Array) -> CertifiedParameters:
    """A point known exactly."""
    return CertifiedParameters(w, np.zeros_like(w), Fraction(0))
