"""One problem in certified float64, each quantity by its own formula: an oracle for the model of the package.

It shares the proofs of ``numbers`` with the model and nothing else; exact rationals judge both.
"""

from __future__ import annotations

from fractions import Fraction
from functools import cached_property
from typing import Any, Literal, final

import numpy as np

from muso_theory.arrays import first_nonfinite, float_values
from muso_theory.errors import expected
from muso_theory.numbers import CholeskyFactor, Quantity
from muso_theory.numbers.accurate import accurate_product
from muso_theory.numbers.base_system import RowSystem
from muso_theory.numbers.leastsquares import DualSystem
from muso_theory.numbers.point_ball import CertifiedParameters
from muso_theory.numbers.primal import PrimalSystem
from muso_theory.numbers.rounding import (
    ETA,
    UNIT,
    norm_bounds,
    root_down,
    root_up,
    scaled_exactly,
    scaling_exponent,
    two_sum,
)
from muso_theory.numbers.spectrum import (
    largest_eigenvalue_bound,
    rayleigh_bound,
    smallest_eigenvalue_bound,
)

__all__ = ["CertifiedProblem"]

Array = np.ndarray[Any, Any]


def float_columns(name: str, values: Array, rows: int, outputs: int | None = None) -> Array:
    """Targets, labels or parameters as float64 columns, with the shape that is expected."""
    array = float_values(name, values, (1, 2))
    array = array.reshape(len(array), -1)
    if array.shape[0] != rows or outputs not in (None, array.shape[1]):
        raise expected(f"{rows} rows and {outputs} columns", name, np.shape(values), "shape", "those")
    return array


@final
class CertifiedProblem:
    """An unlearning problem in float64, answered with proved enclosures.

    Works for independent rows (n ≤ D, minimum norm) and independent columns (n > D, least squares), and
    proves which of them it has; anything rank-deficient is left undecided. Features whose largest entry
    lies outside 2^±100 are scaled by a power of two, exactly or not at all.

    Args:
        features: Φ, shape (n, D), float64 or float32, possibly memory-mapped.
        targets: y, shape (n,) or (n, C), float64 or float32.
        retain: positions of the retain set, n_R ≥ 1.
        forget: positions of the forget set, n_F ≥ 1; labels follow this order.
        w_init: w₀, shape (D,) or (D, C); None for zero.
        gram: K̂ by `blocked_gram`, with rows and columns in the order retain, forget; used when n ≤ D.
        cholesky: its factor.

    Example:
        >>> rng = np.random.default_rng(0)
        >>> phi, y = rng.normal(size=(4, 9)), rng.normal(size=4)
        >>> problem = CertifiedProblem(phi, y, [0, 1, 2], [3])
        >>> w_r = np.linalg.pinv(phi[:3]) @ y[:3]
        >>> bool(problem.parameter_gap(phi[3:] @ w_r).bound < 1e-14 < 0.1 < problem.pretrained_gap.floor)
        True
    """

    def __init__(
        self,
        features: Array,
        targets: Array,
        retain: Any,
        forget: Any,
        w_init: Array | None = None,
        gram: Array | None = None,
        cholesky: CholeskyFactor | None = None,
    ) -> None:
        self.retain, self.forget = row_partition(retain, forget, features)
        n, width = features.shape
        self._targets = float_columns("targets", targets, n)
        outputs = self._targets.shape[1]
        self._start = None if w_init is None else float_columns("w_init", w_init, width, outputs)
        self._exponent = scaling_exponent(features)
        if self._exponent:
            features, gram, cholesky = scaled_exactly("features", features, -self._exponent), None, None
            if self._start is not None:
                self._start = scaled_exactly("w_init", self._start, self._exponent)
        self.features = features
        self._gram = gram
        self._cholesky = cholesky

    # -- the two sets of rows ----------------------------------------------------------------------------

    @property
    def _order(self) -> Array:
        return np.concatenate([self.retain, self.forget])

    @cached_property
    def _all(self) -> RowSystem:
        if self.features.shape[0] > self.features.shape[1]:
            return PrimalSystem(self.features, slice(None), "Φ")
        return DualSystem(self.features, self._order, "Φ", self._gram, self._cholesky)

    @cached_property
    def _retained(self) -> RowSystem:
        if len(self.retain) > self.features.shape[1]:
            return PrimalSystem(self.features, self.retain, "Φ_R")
        if not isinstance(self._all, DualSystem):
            return DualSystem(self.features, self.retain, "Φ_R")
        count = len(self.retain)
        block = self._all.matrix[:count, :count]
        return DualSystem(
            self.features, self.retain, "Φ_R", block, self._all.factor.leading(count), parent=self._all
        )

    # -- conditions --------------------------------------------------------------------------------------

    def _eigenvalue(self, bound: Fraction) -> Fraction:
        """Undo the scaling of the features in an eigenvalue of the Gram matrix."""
        return bound * Fraction(4) ** self._exponent

    @cached_property
    def min_eigenvalue(self) -> Quantity:
        """λ_min of K = ΦΦᵀ (n ≤ D) or of ΦᵀΦ (n > D), that is, the square of Φ's smallest singular value.

        For n ≤ D its floor is a lower bound for K_RR and for the Schur complement S as well. A positive
        floor proves full rank.

        Returns:
            The enclosure, with a positive floor.

        Raises:
            UndecidedError: full rank is not proved.
        """
        system = self._all
        low = system.smallest
        high = rayleigh_bound(system.matrix, system.estimate[1], system.error)
        # The digits that differ between BLAS kernels are left out, as they are in the model.
        return Quantity.enclosure(self._eigenvalue(low), self._eigenvalue(high)).outward()

    @cached_property
    def max_eigenvalue(self) -> Quantity:
        """λ_max of the same matrix: at least its largest diagonal entry, at most its smallest easy norm."""
        system = self._all
        high = system.largest
        low = max(Fraction(0), Fraction(float(np.diagonal(system.matrix).max())) - system.error)
        return Quantity.enclosure(self._eigenvalue(low), self._eigenvalue(high))

    @cached_property
    def condition_number(self) -> Quantity:
        """λ_max/λ_min of the same matrix.

        Returns:
            The enclosure.

        Raises:
            UndecidedError: full rank is not proved.
        """
        low, high = self.min_eigenvalue, self.max_eigenvalue
        return Quantity.enclosure(
            max(Fraction(1), Fraction(high.lower) / Fraction(low.upper)),
            Fraction(high.upper) / Fraction(low.lower),
        )

    @cached_property
    def retain_min_eigenvalue(self) -> Fraction:
        """A sharper lower bound of λ_min(K_RR) (of Φ_RᵀΦ_R when n_R > D), at the price of its own Cholesky.

        Returns:
            The bound, at least that of `min_eigenvalue`.

        Raises:
            UndecidedError: full rank of Φ_R is not proved.
        """
        system = self._retained
        own = smallest_eigenvalue_bound(system.matrix, system.error, system.estimate[0])
        return self._eigenvalue(system.smallest if own is None else max(own, system.smallest))

    def fit(
        self, rows: Literal["all", "retain"], targets: Array | None = None, start: Array | None = None
    ) -> CertifiedParameters:
        """Enclose G_{Φ_rows, targets}(start), the end of gradient descent on these rows.

        Args:
            rows: "all" (in the order retain, forget) or "retain".
            targets: shape (len(rows),) or (len(rows), C) in that order; None for the data's own.
            start: shape (D,) or (D, C); None for w₀.

        Returns:
            Parameters with a proved radius; `parameters` gives the floats and their distance.

        Raises:
            UndecidedError: full rank of these rows is not proved, or float64 overflows.
            BadInputError: other words for rows, or shapes that do not fit.
        """
        if rows not in ("all", "retain"):
            raise expected("'all' or 'retain'", "rows", rows, type(rows).__name__, "'retain'")
        index = self._order if rows == "all" else self.retain
        outputs = self._targets.shape[1]
        t = (
            self._targets[index]
            if targets is None
            else float_columns("targets", targets, len(index), outputs)
        )
        v = self._start
        if start is not None:
            v = scaled_exactly(
                "start", float_columns("start", start, self.features.shape[1], outputs), self._exponent
            )
        fit = (self._all if rows == "all" else self._retained).fit(t, v)
        if not self._exponent:
            return fit
        scale = Fraction(2) ** -self._exponent
        high, low = (np.ldexp(part, -self._exponent) for part in (fit.high, fit.low))
        tiny = 2 * high.size * ETA  # entries that become subnormal
        return CertifiedParameters(high, low, fit.radius * scale + tiny)

    @cached_property
    def _retrained(self) -> CertifiedParameters:
        """w_r of the scaled problem."""
        return self._retained.fit(self._targets[self.retain], self._start)

    @cached_property
    def _optimal_labels(self) -> tuple[Array, Array, Fraction]:
        """Φ_F at the middle of the enclosure of w_r, as high + low, and a bound of the error of that product."""
        fit = self._retrained
        product = accurate_product(self.features, self.forget, fit.high, fit.low)
        return product.high, product.low, norm_bounds(product.error)[1]

    @cached_property
    def _forget_norm(self) -> Fraction:
        """Upper bound of ‖Φ_F‖₂."""
        largest = self._all.largest
        if isinstance(self._all, DualSystem):
            count = len(self.retain)
            block = self._all.matrix[count:, count:]
            largest = min(largest, largest_eigenvalue_bound(block, self._all.error))
        return root_up(largest)

    def _label_error(self, labels: Array) -> tuple[Array, Fraction]:
        """ỹ_F − Φ_F ŵ in float64, ŵ the middle of the enclosure of w_r, and a bound of its error."""
        high, low, error = self._optimal_labels
        difference, rest = two_sum(
            float_columns("labels", labels, len(self.forget), self._targets.shape[1]), -high
        )
        rest = rest - low
        delta = difference + rest
        return delta, error + UNIT * (norm_bounds(rest)[1] + norm_bounds(delta)[1])

    def label_error(self, labels: Array) -> Quantity:
        """‖ỹ_F − Φ_F w_r‖, for any labels (claim exact-labels asks whether it is zero).

        Args:
            labels: ỹ_F, shape (n_F,) or (n_F, C), in the order of ``forget``.

        Returns:
            The enclosure.

        Raises:
            UndecidedError: full rank of Φ_R is not proved, or float64 overflows.
            BadInputError: labels that do not fit.
        """
        delta, error = self._label_error(labels)
        error += self._forget_norm * self._retrained.radius
        low, high = norm_bounds(delta)
        return Quantity.enclosure(max(Fraction(0), low - error), high + error)

    def parameter_gap(self, labels: Array) -> Quantity:
        """‖w_u − w_r‖ = ‖Φ⁺(0; δ)‖ for any labels (claim gap-formula): both what it is at most and at least.

        Args:
            labels: ỹ_F, shape (n_F,) or (n_F, C), in the order of ``forget``.

        Returns:
            The enclosure.

        Raises:
            UndecidedError: full rank is not proved, or float64 overflows.
            BadInputError: labels that do not fit.
        """
        delta, error = self._label_error(labels)
        g = np.zeros_like(self._targets)
        if isinstance(self._all, DualSystem):
            g[len(self.retain) :] = delta
        else:
            g[self.forget] = delta
        low, high = self._all.pseudo_norm(g)
        # With e = w_r − ŵ the gap is Φ⁺(0; δ̂ − Φ_F e), and Φ⁺(0; Φ_F e) = Pe − Φ⁺(Φ_R e; 0), where Φ_R e is small.
        fit, root = self._retrained, root_down(self._all.smallest)
        moved = self._forget_norm * fit.radius / root
        if fit.image is not None:
            moved = min(moved, fit.radius + fit.image / root)
        lost = error / root + moved
        return self._parameter_quantity(low - lost, high + lost)

    def _parameter_quantity(self, low: Fraction, high: Fraction) -> Quantity:
        """Undo the scaling of the features in a distance of parameters."""
        scale = Fraction(2) ** -self._exponent
        return Quantity.enclosure(max(Fraction(0), low) * scale, high * scale)

    @cached_property
    def pretrained_gap(self) -> Quantity:
        """‖w_p − w_r‖, the gap of not unlearning: the gap of the original labels."""
        return self.parameter_gap(self._targets[self.forget])

    def unlearned_gap(self, w_unlearned: Array) -> Quantity:
        """‖w − w_r‖ for any float parameters, their component off w₀ + row(Φ) included.

        Args:
            w_unlearned: shape (D,) or (D, C).

        Returns:
            The enclosure.

        Raises:
            UndecidedError: full rank of Φ_R is not proved, or float64 overflows.
            BadInputError: parameters that do not fit.
        """
        w = float_columns("w_unlearned", w_unlearned, self.features.shape[1], self._targets.shape[1])
        return self._parameter_quantity(
            *self._retrained.distance(scaled_exactly("w_unlearned", w, self._exponent))
        )

    def residual(self, parameters: Array, rows: Literal["all", "retain"] = "retain") -> Quantity:
        """‖t − Φ_rows w‖ for float parameters, whatever the rank; sharp even under cancellation.

        Args:
            parameters: w, shape (D,) or (D, C).
            rows: "retain" or "all".

        Returns:
            The enclosure.

        Raises:
            UndecidedError: float64 overflows.
            BadInputError: parameters that do not fit.
        """
        w = float_columns("parameters", parameters, self.features.shape[1], self._targets.shape[1])
        index = self._order if rows == "all" else self.retain
        product = accurate_product(self.features, index, scaled_exactly("parameters", w, self._exponent))
        difference, rest = two_sum(self._targets[index], -product.high)
        rest = rest - product.low
        total = difference + rest
        lost = norm_bounds(product.error)[1] + UNIT * (norm_bounds(rest)[1] + norm_bounds(total)[1])
        low, high = norm_bounds(total)
        return Quantity.enclosure(max(Fraction(0), low - lost), high + lost)


def row_partition(retain: Any, forget: Any, features: Array) -> tuple[Array, Array]:
    """Both index sets as int64 arrays; they must be a partition of the rows of a finite float matrix."""
    assert features.ndim == 2
    assert features.dtype in (np.float64, np.float32)
    assert first_nonfinite(features) is None
    sets = [np.asarray(given).astype(np.int64) for given in (retain, forget)]
    assert np.array_equal(np.sort(np.concatenate(sets)), np.arange(features.shape[0]))
    return sets[0], sets[1]
