"""Rigorous float64 answers about exact unlearning: every number comes with a proof, at BLAS speed.

Inputs are taken as the exact real numbers their floats are; what is enclosed are quantities of that real problem. Three proofs
carry everything: an eigenvalue bound (`spectrum`), nearly exact residuals (`accurate`), and the perturbation bounds of
minimum-norm and least-squares solutions (`leastsquares`). Where float64 cannot prove a bound an `UndecidedError` says what would.
"""

from __future__ import annotations

from fractions import Fraction
from functools import cached_property
from typing import Any, Literal, final

import numpy as np

from ..errors import BadInputError, expected
from .accurate import accurate_product, plain_product
from .float64 import CholeskyFactor
from .gram import gram_roundings
from .inputs import first_nonfinite
from .leastsquares import CertifiedParameters, DualSystem, PrimalSystem, RowSystem
from .quantity import Quantity
from .rounding import ETA, UNIT, UndecidedError, exact, norm_bounds, root_down, root_up, two_sum
from .spectrum import (
    largest_eigenvalue_bound,
    rayleigh_bound,
    smallest_eigenvalue_bound,
    smallest_eigenvalue_estimate,
)

__all__ = ["CertifiedProblem", "UndecidedError"]

Array = np.ndarray[Any, Any]


@final
class CertifiedProblem:
    """An unlearning problem in float64, answered with proved enclosures.

    Works for independent rows (n ≤ D, minimum norm) and independent columns (n > D, least squares), and proves which
    of them it has; anything rank-deficient is left undecided. Features whose largest entry lies outside 2^±100 are
    scaled by a power of two, exactly or not at all.

    A Gram matrix handed in must be the work of `blocked_gram` (FLOAT64.gram) on these features: the bound on its
    rounding rests on how it was formed. That is checked with a vector of random signs, which catches a wrong
    matrix and a diagonal shift, though not every wrong last digit. A Cholesky factor handed in is only a
    proposal and needs no trust.

    Args:
        features: Φ, shape (n, D), float64 or float32, possibly memory-mapped.
        targets: y, shape (n,) or (n, C), float64 or float32.
        retain: positions of the retain set, n_R ≥ 1.
        forget: positions of the forget set, n_F ≥ 1; labels follow this order.
        w_init: w₀, shape (D,) or (D, C); None for zero.
        gram: K̂ with rows and columns in the order retain, forget; used when n ≤ D.
        cholesky: its factor.

    Raises:
        BadInputError: shapes that do not fit, NaN or infinite entries, other dtypes, index sets that are empty or
            not a partition, a Gram matrix that is not ΦΦᵀ.

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
        self.retain, self.forget = _partition(retain, forget, features)
        n, width = features.shape
        self._targets = _columns("targets", targets, n)
        outputs = self._targets.shape[1]
        self._start = None if w_init is None else _columns("w_init", w_init, width, outputs)
        self._exponent = _exponent(features)
        if self._exponent:
            features, gram, cholesky = _scaled("features", features, -self._exponent), None, None
            if self._start is not None:
                self._start = _scaled("w_init", self._start, self._exponent)
        self.features = features
        self._gram = gram
        self._cholesky = cholesky
        if gram is not None and n <= width:
            self._check_gram(gram)

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

    def _check_gram(self, gram: Array) -> None:
        """Compare K̂v with Φ(Φᵀv) for random signs v, within what rounding explains."""
        order = self._order
        n = len(order)
        if gram.shape != (n, n) or gram.dtype != np.float64:
            raise expected(
                f"a float64 Gram matrix of shape {(n, n)}", "gram", gram.shape, "array", "FLOAT64.gram"
            )
        v = np.random.default_rng(0).choice([-1.0, 1.0], size=(n, 1))
        with np.errstate(all="ignore"):
            z, first = plain_product(self.features, order, v, transposed=True)
            direct, second = plain_product(self.features, order, z)
            image, third = plain_product(gram, slice(None), v)
            roots = np.sqrt(np.diagonal(gram))
            # Each of the three products, and K̂ itself, is wrong by at most γ_k‖φ_i‖Σ_j‖φ_j‖.
            count = first + second + third + gram_roundings(self.features.shape[1]) + n
            allowed = 1.01 * count * float(UNIT) * roots * roots.sum() + 1e-300
            deviation = np.abs(image - direct)[:, 0]
            wrong = ~(deviation <= allowed)
        if wrong.any():
            i = int(np.argmax(wrong))
            raise BadInputError(
                f"expected gram = ΦΦᵀ in the order retain, forget but its row {i} is off by {deviation[i]:.2g} where rounding "
                f"explains {allowed[i]:.2g}; try FLOAT64.gram(features[order]), with nothing added to it"
            )

    # -- conditions --------------------------------------------------------------------------------------

    def _eigenvalue(self, bound: Fraction) -> Fraction:
        """Undo the scaling of the features in an eigenvalue of the Gram matrix."""
        return bound * Fraction(4) ** self._exponent

    @cached_property
    def min_eigenvalue(self) -> Quantity:
        """λ_min of K = ΦΦᵀ (n ≤ D) or of ΦᵀΦ (n > D), that is, the square of Φ's smallest singular value.

        For n ≤ D its floor is a lower bound for K_RR and for the Schur complement S as well. A positive floor proves full rank.

        Returns:
            The enclosure, with a positive floor.

        Raises:
            UndecidedError: full rank is not proved.
        """
        system = self._all
        low = system.smallest
        high = rayleigh_bound(system.matrix, system.estimate[1], system.error)
        return Quantity.enclosure(self._eigenvalue(low), self._eigenvalue(high))

    @cached_property
    def max_eigenvalue(self) -> Quantity:
        """λ_max of the same matrix: at least its largest diagonal entry, at most its smallest easy norm."""
        system = self._all
        high = largest_eigenvalue_bound(system.matrix, system.error)
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

    @cached_property
    def schur_min_eigenvalue(self) -> Fraction:
        """A lower bound of λ_min(S), S = K_FF − K_FR K_RR⁻¹ K_RF, sharper than λ_min(K) where S is better conditioned.

        S ⪰ sI follows from K − diag(0, sI_F) ≻ 0, which another shifted Cholesky proves.

        Returns:
            The bound, at least that of `min_eigenvalue`.

        Raises:
            UndecidedError: full row rank is not proved, or n > D.
        """
        system = self._all
        if not isinstance(system, DualSystem):
            raise UndecidedError("K is singular because n > D", "parameter_gap needs no Schur complement")
        count = len(self.retain)
        estimate = smallest_eigenvalue_estimate(system.factor.trailing(count))[0]
        shift = estimate / 2
        shifted = system.matrix.copy()
        index = np.arange(count, len(shifted))
        shifted[index, index] -= shift
        error = system.error + UNIT * (exact(float(np.diagonal(system.matrix).max())) + exact(shift))
        # With s at most half of λ_min(S), K − diag(0, sI) ⪰ K/2: that is the estimate, not a claim.
        proved = smallest_eigenvalue_bound(shifted, error, system.estimate[0] / 2) is not None
        return self._eigenvalue(max(exact(shift), system.smallest) if proved else system.smallest)

    # -- quantities --------------------------------------------------------------------------------------

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
        t = self._targets[index] if targets is None else _columns("targets", targets, len(index), outputs)
        v = self._start
        if start is not None:
            v = _scaled("start", _columns("start", start, self.features.shape[1], outputs), self._exponent)
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
        """Φ_F w_r as high + low, and a bound of its error."""
        fit = self._retrained
        product = accurate_product(self.features, self.forget, fit.high, fit.low)
        error = norm_bounds(product.error)[1] + root_up(self._all.trace) * fit.radius
        return product.high, product.low, error

    def _label_error(self, labels: Array) -> tuple[Array, Fraction]:
        """δ = ỹ_F − Φ_F w_r in float64, and a bound of its error."""
        high, low, error = self._optimal_labels
        difference, rest = two_sum(
            _columns("labels", labels, len(self.forget), self._targets.shape[1]), -high
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
        lost = error / root_down(self._all.smallest)
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
        w = _columns("w_unlearned", w_unlearned, self.features.shape[1], self._targets.shape[1])
        return self._parameter_quantity(*self._retrained.distance(_scaled("w_unlearned", w, self._exponent)))

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
        w = _columns("parameters", parameters, self.features.shape[1], self._targets.shape[1])
        index = self._order if rows == "all" else self.retain
        product = accurate_product(self.features, index, _scaled("parameters", w, self._exponent))
        difference, rest = two_sum(self._targets[index], -product.high)
        rest = rest - product.low
        total = difference + rest
        lost = norm_bounds(product.error)[1] + UNIT * (norm_bounds(rest)[1] + norm_bounds(total)[1])
        low, high = norm_bounds(total)
        return Quantity.enclosure(max(Fraction(0), low - lost), high + lost)


def _columns(name: str, values: Array, rows: int, outputs: int | None = None) -> Array:
    """Read targets, labels or parameters as a float64 array of columns."""
    array = np.asarray(values)
    if array.dtype not in (np.float64, np.float32):
        if array.dtype.kind not in "biu" or (array.astype(np.float64).astype(array.dtype) != array).any():
            raise expected(
                "floats", name, array.dtype, "dtype", "float64, or rational arithmetic for exact numbers"
            )
    array = array.astype(np.float64, copy=False).reshape(len(array), -1) if array.ndim == 1 else array
    if array.ndim != 2 or array.shape[0] != rows or outputs not in (None, array.shape[1]):
        raise expected(
            f"{rows} rows and {'any number of' if outputs is None else outputs} columns",
            name,
            np.shape(values),
            "shape",
            "one row a sample (or parameter) and one column an output",
        )
    bad = first_nonfinite(array)
    if bad is not None:
        raise expected(
            "finite numbers", f"{name}[{bad[0]}, {bad[1]}]", array[bad], "float", "data without NaN"
        )
    return array.astype(np.float64, copy=False)


def _partition(retain: Any, forget: Any, features: Array) -> tuple[Array, Array]:
    """Check the features and the two index sets."""
    if features.ndim != 2 or features.dtype not in (np.float64, np.float32):
        raise expected(
            "a float64 or float32 matrix", "features", features.shape, str(features.dtype), "astype(float)"
        )
    bad = first_nonfinite(features)
    if bad is not None:
        where = f"features[{bad[0]}, {bad[1]}]"
        raise expected("finite numbers", where, features[bad], "float", "data without NaN or infinity")
    sets = []
    for name, given in (("retain", retain), ("forget", forget)):
        index = np.asarray(given)
        if index.ndim != 1 or index.size == 0 or index.dtype.kind not in "iu":
            raise expected(
                "at least one row position", name, index.shape, f"{index.dtype}", "an array of indices"
            )
        sets.append(index.astype(np.int64))
    if not np.array_equal(np.sort(np.concatenate(sets)), np.arange(features.shape[0])):
        raise expected(
            f"each row from 0 to {features.shape[0] - 1} once",
            "retain and forget",
            f"{len(sets[0])} + {len(sets[1])}",
            "rows",
            "numpy.setdiff1d(numpy.arange(n), forget)",
        )
    return sets[0], sets[1]


def _exponent(features: Array) -> int:
    """The power of two that brings the largest entry near 1; 0 when it is near enough."""
    largest = 0.0
    for start in range(0, features.shape[0], 1024):
        block = features[start : start + 1024]
        largest = max(largest, float(block.max(initial=0.0)), -float(block.min(initial=0.0)))
    if largest == 0.0:
        raise UndecidedError("the features are all zero", "rational arithmetic treats rank zero")
    return 0 if 2.0**-100 <= largest <= 2.0**100 else int(np.frexp(largest)[1])


def _scaled(name: str, array: Array, exponent: int) -> Array:
    """Multiply with a power of two, exactly or not at all."""
    if not exponent:
        return array
    wide = array.astype(np.float64)
    with np.errstate(all="ignore"):
        result = np.ldexp(wide, exponent)
        same = np.isfinite(result) & (np.ldexp(result, -exponent) == wide)
    if not same.all():
        raise UndecidedError(
            f"{name} span more than the exponent range of float64",
            "rational or ball arithmetic has the range",
        )
    return result
