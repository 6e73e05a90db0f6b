"""The verbs in float64 with proof: every label and every parameter is a ball that holds the truth.

The inputs are taken as the exact reals that their floats are. A ball is a float array and a radius in the Frobenius
norm; ``numbers`` proves the radii of solves, this module carries them through fit, predict and distance.
"""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from functools import cached_property
from typing import Any

import numpy as np

from ..errors import BadInputError, SingularMatrixError
from ..numbers import CholeskyFactor, Quantity, UndecidedError
from ..numbers.accurate import accurate_product, plain_product
from ..numbers.leastsquares import CertifiedParameters, DualSystem, PrimalSystem, RowSystem
from ..numbers.rounding import UNIT, gamma, norm_bounds, root_down, root_up, two_sum
from ..numbers.verified import CertifiedProblem
from .model import Model, Rows
from .problem import Array, UnlearningProblem

__all__ = ["CertifiedForms", "LabelBall"]


@dataclass(frozen=True, eq=False)
class LabelBall:
    """Labels known up to a radius: ‖labels − values‖_F ≤ radius.

    Args:
        values: float64, shape (m, C).
        radius: proved.
    """

    values: Array
    radius: Fraction = Fraction(0)


class CertifiedForms(Model):
    """The closed forms of one problem in verified float64, sharing its Gram matrix and factorisation.

    Args:
        problem: float64 or float32 arrays, or integers that float64 holds exactly.

    Raises:
        UndecidedError: Fractions or wide integers, which are not floats.

    Example:
        >>> problem = UnlearningProblem(np.array([[1.0, 0, 1], [1, 1, 0]]), np.array([1.0, 2.0]), [1])
        >>> model = CertifiedForms(problem)
        >>> model.distance(model.unlearned(model.optimal_labels), model.retrained).bound < 1e-14
        True
    """

    name = "verified float64"
    is_exact = False

    def __init__(self, problem: UnlearningProblem) -> None:
        super().__init__(problem)
        self._features = _floats("features", problem.features)
        self._labels = _floats("targets", problem.targets).reshape(problem.n_samples, -1)[self.order]
        self._labels = np.asarray(self._labels, dtype=np.float64)
        self._start: Array | None = None
        if problem.w_init is not None:
            start = _floats("w_init", problem.w_init).reshape(problem.n_features, -1)
            self._start = np.asarray(start, dtype=np.float64)
        self._systems: dict[Rows, RowSystem] = {}

    # -- systems of rows -------------------------------------------------------------------------------

    def _system(self, rows: Rows) -> RowSystem:
        if rows not in self._systems:
            try:
                self._systems[rows] = self._make_system(rows)
            except BadInputError as error:
                raise UndecidedError(str(error), "rational or ball arithmetic has the range") from None
        return self._systems[rows]

    def _make_system(self, rows: Rows) -> RowSystem:
        index = self.order[list(rows)]
        name = {self.everything: "Φ", self.retain: "Φ_R", self.forget: "Φ_F"}.get(rows, "a block of rows")
        if len(rows) > self.problem.n_features:
            return PrimalSystem(self._features, index, name)
        if not self.is_dual:
            return DualSystem(self._features, index, name)
        shared = self.problem.float_model
        if rows == self.everything:
            factor = shared.factor(self.everything)
            if not isinstance(factor, CholeskyFactor):
                raise UndecidedError(
                    "float64 cannot prove that Φ has full rank",
                    "ball arithmetic decides it if the rank is full, rational arithmetic in any case",
                )
            return DualSystem(self._features, index, name, shared.gram, factor)
        known = shared.factor(rows) if rows == self.retain else None
        return DualSystem(
            self._features,
            index,
            name,
            shared.gram_block(rows),
            known if isinstance(known, CholeskyFactor) else None,
            parent=self._system(self.everything) if self._whole_is_regular else None,
        )

    @cached_property
    def _whole_is_regular(self) -> bool:
        try:
            return self._system(self.everything).smallest > 0
        except UndecidedError:
            return False

    @cached_property
    def _certified(self) -> CertifiedProblem:
        """The sharpest bounds for the user's own labels."""
        certified = CertifiedProblem(
            self._features,
            np.asarray(_floats("targets", self.problem.targets)),
            self.problem.retain,
            self.problem.forget,
            self._start,
        )
        if self._whole_is_regular:
            certified.share(self._system(self.everything), self._system(self.retain), self.retrained)
        return certified

    # -- labels ----------------------------------------------------------------------------------------

    def targets(self, rows: Rows) -> LabelBall:
        """The data's own labels y of the given positions, exactly."""
        return LabelBall(self._labels[list(rows)])

    def given(self, labels: Array) -> LabelBall:
        """Labels handed in from outside, (m, C), taken exactly."""
        return LabelBall(np.asarray(_floats("labels", labels), dtype=np.float64))

    def stack(self, a: LabelBall, b: LabelBall) -> LabelBall:
        """Labels a above labels b."""
        return LabelBall(np.vstack([a.values, b.values]), a.radius + b.radius)

    def mix(self, a: Any, x: LabelBall, b: Any, y: LabelBall) -> LabelBall:
        """a·x + b·y for floats a and b."""
        left, right = float(a) * x.values, float(b) * y.values
        total = left + right
        rounding = UNIT * sum((norm_bounds(part)[1] for part in (left, right, total)), Fraction(0))
        tiny = Fraction(2 * total.size, 2**1074)
        radius = abs(Fraction(a)) * x.radius + abs(Fraction(b)) * y.radius
        return LabelBall(total, radius + rounding + tiny)

    def label_distance(self, a: LabelBall, b: LabelBall) -> Quantity:
        """Frobenius distance of two label matrices."""
        difference = a.values - b.values
        low, high = norm_bounds(difference)
        lost = a.radius + b.radius + UNIT * high
        return Quantity.enclosure(max(Fraction(0), low - lost), high + lost)

    # -- parameters ------------------------------------------------------------------------------------

    @property
    def start(self) -> CertifiedParameters:
        """The initial parameters w₀."""
        shape = (self.problem.n_features, self.problem.n_outputs)
        return _point(np.zeros(shape) if self._start is None else self._start)

    def at(self, w: Array) -> CertifiedParameters:
        """Parameters handed in from outside, (D, C), taken exactly."""
        return _point(np.asarray(_floats("parameters", w), dtype=np.float64))

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
        system = self._system(rows)
        begin = self._start if start is None else start.high
        found = system.fit(targets.values, begin, ridge)
        radius = found.radius
        if targets.radius:
            radius += targets.radius / root_down(system.floor(ridge))
        if start is not None and (ridge or isinstance(system, DualSystem)):
            radius += start.radius + norm_bounds(start.low)[1]
        return CertifiedParameters(found.high, found.low, radius)

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
        index = self.order[list(rows)]
        product = accurate_product(self._features, index, w.high, w.low)
        values = product.high + product.low
        radius = norm_bounds(product.error)[1] + UNIT * norm_bounds(values)[1]
        if w.radius:
            radius += self._norm * w.radius
        return LabelBall(values, radius)

    @cached_property
    def _norm(self) -> Fraction:
        """Upper bound of ‖Φ‖₂, and so of ‖Φ_rows‖₂ for any rows."""
        return root_up(self._system(self.everything).largest)

    def square_distance(self, w: CertifiedParameters, other: CertifiedParameters) -> Quantity:
        """‖w − w'‖²."""
        distance = self.distance(w, other)
        return Quantity.enclosure(Fraction(distance.lower) ** 2, Fraction(distance.upper) ** 2)

    def distance(self, w: CertifiedParameters, other: CertifiedParameters) -> Quantity:
        """‖w − w'‖ in parameter space, sharp under cancellation."""
        leading, lost = two_sum(w.high, -other.high)
        first, second = two_sum(w.low, -other.low)
        rest = lost + first
        total = leading + (rest + second)
        sizes = sum((norm_bounds(part)[1] for part in (rest, rest + second, total)), Fraction(0))
        error = w.radius + other.radius + UNIT * sizes
        low, high = norm_bounds(total)
        return Quantity.enclosure(max(Fraction(0), low - error), high + error)

    def gradient_norm(self, rows: Rows, targets: LabelBall, w: CertifiedParameters) -> Quantity:
        """‖Φ_rowsᵀ(targets − Φ_rows w)‖."""
        predicted = self.predict(rows, w)
        residual = targets.values - predicted.values
        off = targets.radius + predicted.radius + UNIT * norm_bounds(residual)[1]
        gradient, roundings = plain_product(self._features, self.order[list(rows)], residual, transposed=True)
        tiny = Fraction(gradient.size * len(residual), 2**1074)
        frobenius = root_up(self._system(self.everything).trace)
        error = self._norm * off + frobenius * gamma(roundings) * norm_bounds(residual)[1] + tiny
        low, high = norm_bounds(gradient)
        return Quantity.enclosure(max(Fraction(0), low - error), high + error)

    # -- formulas that need the matrices ---------------------------------------------------------------

    def square_gap(self, label_error: LabelBall) -> Quantity:
        """‖Φ⁺(0; δ)‖²."""
        system = self._system(self.everything)
        padded = np.zeros((self.problem.n_samples, self.problem.n_outputs))
        padded[len(self.retain) :] = label_error.values
        found = system.fit(padded, None)
        low, high = found.distance(np.zeros_like(found.high))
        lost = label_error.radius / root_down(system.smallest)
        return Quantity.enclosure(max(Fraction(0), low - lost) ** 2, (high + lost) ** 2)

    def gap(self, forget_labels: LabelBall) -> Quantity:
        """‖w_u − w_r‖ of any labels."""
        gap = self._certified.parameter_gap(forget_labels.values)
        if not forget_labels.radius:
            return gap
        lost = forget_labels.radius / root_down(self._system(self.everything).smallest)
        return Quantity.enclosure(max(Fraction(0), Fraction(gap.lower) - lost), Fraction(gap.upper) + lost)

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
        system = self._system(self.everything) if self.is_dual else None
        if not isinstance(system, DualSystem):
            raise SingularMatrixError(
                "expected an invertible Gram matrix for the leave-block-out formula but n > D; "
                "try the closed-form labels, which need no invertibility"
            )
        first, count = len(self.retain), len(self.forget)
        residual = self.mix(1, self.targets(self.everything), -1, self.predict(self.everything, self.start))
        weighted, off = system.coefficients(residual.values)
        off += residual.radius / system.smallest
        unit = np.zeros((first + count, count))
        unit[first:] = np.eye(count)
        inverse, inverse_off = system.coefficients(unit)
        block, right = np.ascontiguousarray(inverse[first:]), weighted[first:]
        correction = np.linalg.solve(block, right)
        product = accurate_product(block, slice(None), correction)
        high, lost = two_sum(right, -product.high)
        left = norm_bounds(high)[1] + norm_bounds(lost - product.low)[1] * (1 + 2 * UNIT)
        left += norm_bounds(product.error)[1] + off + inverse_off * norm_bounds(correction)[1]
        # The exact c solves B c = b_F, B = (K⁻¹)_FF, so ‖c − ĉ‖ ≤ ‖B⁻¹‖‖b_F − Bĉ‖, and B⁻¹ = S ⪯ K_FF ⪯ ‖Φ‖²I.
        radius = system.largest * left
        labels = self.mix(1, self.targets(self.forget), -1, LabelBall(correction, radius))
        return labels

    def dual_coefficients(self) -> LabelBall:
        """K_RR⁻¹(y_R − Φ_R w₀).

        Returns:
            The enclosure.

        Raises:
            SingularMatrixError: n_R > D.
            UndecidedError: full rank of Φ_R is not proved.
        """
        system = self._system(self.retain)
        if not isinstance(system, DualSystem):
            raise SingularMatrixError("expected n_R ≤ D but K_RR is singular; try the closed-form labels")
        residual = self.mix(1, self.targets(self.retain), -1, self.predict(self.retain, self.start))
        values, radius = system.coefficients(residual.values)
        return LabelBall(values, radius + residual.radius / system.smallest)

    def along_kernel(self, labels: LabelBall) -> tuple[LabelBall, int]:
        """The labels as they are, when Φ_F provably has full row rank; undecided otherwise."""
        system = self._system(self.forget)
        if isinstance(system, DualSystem) and system.smallest > 0:
            return labels, 0
        raise UndecidedError("float64 cannot prove that ker Φ_Fᵀ is zero", "rational arithmetic decides it")

    # -- what is known about the data ------------------------------------------------------------------

    def full_row_rank(self, rows: Rows, suffix: str = "") -> tuple[str, Quantity, bool]:
        """λ_min(K_rows) > 0, or the count n − rank > 0 where there are more rows than features."""
        missing = len(rows) - self.problem.n_features
        if missing > 0:
            return f"n{suffix} − rank Φ{suffix}", Quantity.enclosure(missing, len(rows)), False
        system = self._system(rows)
        return f"λ_min(K{suffix + suffix[1:]})", Quantity.enclosure(system.smallest, system.trace), True

    @cached_property
    def spectrum(self) -> tuple[Quantity, Quantity]:
        """Enclosures of λ_min and λ_max of K (n ≤ D) or of ΦᵀΦ."""
        return self._certified.min_eigenvalue, self._certified.max_eigenvalue

    @property
    def condition_number(self) -> Quantity:
        """Enclosure of λ_max/λ_min."""
        return self._certified.condition_number


def _point(w: Array) -> CertifiedParameters:
    """A point known exactly."""
    return CertifiedParameters(w, np.zeros_like(w), Fraction(0))


def _floats(name: str, values: Array) -> Array:
    """The array itself when it is float, float64 when integers convert exactly."""
    if values.dtype in (np.float64, np.float32):
        return values
    if values.dtype.kind in "biu":
        # Compared as integers: 2^53 + 1 rounds to 2^53 and would pass as a float.
        if (
            values.dtype.kind == "b"
            or ((values <= 2**53) & (values >= -(2**53) if values.dtype.kind == "i" else True)).all()
        ):
            return values.astype(np.float64)
    elif values.dtype.kind == "f":
        return values.astype(np.float64)
    raise UndecidedError(f"{name} are not exactly float64", "rational arithmetic takes them as they are")
