"""Activations with proved errors: Taylor polynomials from ball arithmetic, evaluated in float64.

No bound of numpy's tanh or SciPy's erf is proved, and it may differ between builds. Additions and products of float64
are rounded correctly everywhere. So an activation is cut into cells of width 1/16, its Taylor coefficients at the
centre of each cell are enclosed once by ball arithmetic, and the polynomial is evaluated by Horner's rule with

    |computed − true| ≤ Horner's rounding + error of the coefficients + |f⁽ᴺ⁾(ξ)/N!| hᴺ,   h = 1/32,

where the last factor is a coefficient of the Taylor series at the whole cell as one ball. The derivative is that of
the same series: nothing here knows a formula for a slope, so that the layers' own formulas are judged.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from typing import Any, final

import numpy as np

from ..arrays import Array
from ..former import former
from ..numbers import UndecidedError
from ..numbers.balls import working_precision
from ..numbers.ieee import ieee_proof
from ..numbers.rounding import U

__all__ = ["CURVES", "curve_table"]
former(__name__)

ORDER = 12
"""Terms of each polynomial: (1/32)¹² is 9e-19."""

SPACING = 1 / 16
HALF = SPACING / 2
TABLE_BITS = 128
SMALL = 1e-17
"""A remainder below this needs no finer enclosure."""

LOST_AT_MOST = 2.0**-1000
"""Above what underflow can lose in one polynomial."""


@final
@dataclass(frozen=True)
class _Curve:
    """An analytic activation.

    Args:
        series: its value at a power series of balls (``flint.arb_series``).
        reach: where the tables end, a power of two.
        tail: what it is beyond, as floats and slopes that are exact; None where it has no limit. Its error and that
            of its slope fall with |x| from ``reach`` on, so what they are at ±``reach`` bounds them beyond.
    """

    series: Callable[[Any], Any]
    reach: int
    tail: Callable[[Array], tuple[Array, Array]] | None


def _steps(low: float) -> Callable[[Array], tuple[Array, Array]]:
    """The limits ``low`` and 1 of a sigmoid curve."""
    return lambda x: (np.where(x > 0, 1.0, low), np.zeros_like(x))


def _ramp(x: Array) -> tuple[Array, Array]:
    """The asymptotes of softplus, gelu and silu: relu."""
    return np.where(x > 0, x, 0.0), np.where(x > 0, 1.0, 0.0)


def _gelu(x: Any) -> Any:
    import flint

    return x * (1 + (x / flint.arb(2).sqrt()).erf()) / 2


# Each tail's errors: 1 − erf and its slope e^{−x²}, 1 − tanh and sigmoid's 1/(1 + eˣ), log(1 + e^{−x}), and for gelu
# xΦ(−x) with slope error |Φ(−x) − xφ(x)|, falling for x ≥ 2; for silu x/(1 + eˣ) with slope error
# |1 − σ − xσ(1 − σ)| ≤ (1 + x)e⁻ˣ, both falling there. All second derivatives fall there too.
CURVES: dict[str, _Curve] = {
    "erf": _Curve(lambda x: x.erf(), 8, _steps(-1.0)),
    "tanh": _Curve(lambda x: 1 - 2 / (1 + (2 * x).exp()), 32, _steps(-1.0)),
    "sigmoid": _Curve(lambda x: 1 / (1 + (-x).exp()), 64, _steps(0.0)),
    "softplus": _Curve(lambda x: (1 + x.exp()).log(), 64, _ramp),
    "gelu": _Curve(_gelu, 16, _ramp),
    "silu": _Curve(lambda x: x / (1 + (-x).exp()), 64, _ramp),
    "sin": _Curve(lambda x: x.sin(), 64, None),
}
"""The analytic activations of ``ACTIVATIONS``, but for the identity."""


@final
@dataclass(frozen=True, eq=False)
class _CurveTable:
    """Taylor polynomials of one activation and its slope on the cells of [−reach, reach].

    Args:
        name: of the activation.
        reach: half the width of the table.
        values: coefficients (ORDER, cells) of the value.
        slopes: coefficients (ORDER, cells) of the slope.
        errors: bounds (2, cells) of the errors of value and slope.
        curvature: bound of |f″| on the table, and beyond it where there is a tail.
        tail_errors: bounds of the errors of the tail and its slope; infinite without one.
    """

    name: str
    reach: int
    values: Array
    slopes: Array
    errors: Array
    curvature: float
    tail_errors: tuple[float, float]

    def __call__(self, x: Array) -> tuple[Array, Array, Array, Array]:
        """Value and slope at floats x, taken as exact, with bounds of their errors.

        Args:
            x: float64, any shape.

        Returns:
            Value, slope, error of the value, error of the slope, of x's shape.

        Raises:
            UndecidedError: x beyond the table of a function without a limit.
        """
        last = round(self.reach / SPACING)
        # x/SPACING is exact, and so is x − centre (Sterbenz: it is within half a cell of the centre).
        cell = np.rint(x / SPACING).clip(-last, last)
        t = x - cell * SPACING
        index = cell.astype(np.intp) + last
        outside = np.abs(t) > HALF
        with np.errstate(all="ignore"):
            value, slope = _horner(self.values, index, t), _horner(self.slopes, index, t)
        value_error, slope_error = self.errors[0][index], self.errors[1][index]
        if outside.any():
            tail = CURVES[self.name].tail
            if tail is None:
                raise UndecidedError(
                    f"{self.name} is enclosed up to |x| = {self.reach} only", "inputs of an ordinary size"
                )
            value[outside], slope[outside] = tail(x[outside])
            value_error[outside], slope_error[outside] = self.tail_errors
        return value, slope, value_error, slope_error


def _horner(coefficients: Array, index: Array, t: Array) -> Array:
    """Σ_j c_j tʲ, where entry i of t belongs to column index[i]."""
    total: Array = coefficients[-1][index]
    for row in coefficients[-2::-1]:
        total *= t
        total += row[index]
    return total


def curve_table(name: str, size: float) -> _CurveTable:
    """The table of an activation that covers |x| ≤ size, or as much of that as any does.

    Args:
        name: a key of ``CURVES``.
        size: largest |x|.

    Returns:
        The table, made once.

    Example:
        >>> value, slope, error, _ = curve_table("erf", 1.0)(np.array([0.5]))
        >>> bool(abs(value[0] - math.erf(0.5)) < 1e-15), bool(error[0] < 1e-15)
        (True, True)
    """
    reach = CURVES[name].reach
    return _table(name, min(reach, 2 ** max(0, math.ceil(math.log2(size)))) if 0 < size < reach else reach)


@cache
@ieee_proof()
def _table(name: str, reach: int) -> _CurveTable:
    """Enclose the coefficients of every cell, and round them to floats with their errors."""
    import flint

    curve, last = CURVES[name], round(reach / SPACING)
    with working_precision(TABLE_BITS):
        before = flint.ctx.cap
        flint.ctx.cap = ORDER + 2
        try:
            cells = [_cell(curve, k * SPACING) for k in range(-last, last + 1)]
            ends = [_tail_error(curve, x) for x in (-float(reach), float(reach))]
        finally:
            flint.ctx.cap = before
    floats, lost, rest, bends = (np.array(part) for part in zip(*cells, strict=True))
    polynomials = [np.ascontiguousarray(floats[:, which].T) for which in range(2)]
    errors = [
        _horner_error(coefficients, lost[:, which].T) + rest[:, which] * 1.0001
        for which, coefficients in enumerate(polynomials)
    ]
    return _CurveTable(
        name,
        reach,
        polynomials[0],
        polynomials[1],
        np.array(errors),
        float(bends.max()),
        (max(end[0] for end in ends), max(end[1] for end in ends)),
    )


def _cell(curve: _Curve, centre: float) -> tuple[Any, Any, Any, float]:
    """Coefficients of value and slope at a centre, their errors, the two remainders, and a bound of |f″|."""
    import flint

    def series(start: Any) -> list[Any]:
        found = curve.series(flint.arb_series([start, 1]))
        return [found[j] for j in range(ORDER + 2)]

    def beyond(middle: float, half: float) -> list[float]:
        """Bounds over an interval of |f⁽ᴺ⁾|/N!, of the same for the slope, and of |f″|."""
        over = series(flint.arb(middle, half))
        bounds = [_up(over[ORDER]), _up((ORDER + 1) * over[ORDER + 1]), _up(2 * over[2])]
        # A ball that stands for a whole interval forgets how its parts depend on each other; halves forget less.
        if half > HALF / 16 and max(bounds[:2]) * HALF**ORDER > SMALL:
            parts = [beyond(middle + shift * half / 2, half / 2) for shift in (-1, 1)]
            bounds = [max(pair) for pair in zip(*parts, strict=True)]
        return bounds

    at = series(flint.arb(centre))
    both = at[:ORDER], [(j + 1) * at[j + 1] for j in range(ORDER)]
    floats = [[float(c.mid()) for c in part] for part in both]
    lost = [
        [_up(c - f) for c, f in zip(part, own, strict=True)] for part, own in zip(both, floats, strict=True)
    ]
    *remainders, bend = beyond(centre, HALF)
    return floats, lost, [bound * HALF**ORDER for bound in remainders], bend


def _tail_error(curve: _Curve, x: float) -> tuple[float, float]:
    """How far the tail and its slope are from the truth at one end of the table."""
    import flint

    if curve.tail is None:
        return math.inf, math.inf
    found = curve.series(flint.arb_series([flint.arb(x), 1]))
    value, slope = (float(part[0]) for part in curve.tail(np.array([x])))
    return _up(found[0] - value), _up(found[1] - slope)


def _up(ball: Any) -> float:
    """A float that is not below |ball|."""
    return float(ball.abs_upper()) * (1 + 2.0**-50) + LOST_AT_MOST


def _horner_error(coefficients: Array, lost: Array) -> Array:
    """Bound Horner's rule for |t| ≤ h, cell by cell.

    With s_j = c_j + t s_{j+1}: the computed s_j is off by at most e_j = d_j + h e_{j+1} + u h(S_{j+1} + e_{j+1}) +
    u(|c_j| + h(S_{j+1} + e_{j+1})(1 + u)), where d_j is the error of c_j and S_j ≥ |s_j| the sum of absolute values.

    Returns:
        e_0 (cells,).
    """
    size, error = np.abs(coefficients[-1]) + lost[-1], lost[-1] + LOST_AT_MOST
    for c, d in zip(np.abs(coefficients[-2::-1]), lost[-2::-1], strict=True):
        product = HALF * (size + error)
        error = (d + HALF * error + U * product + U * (c + 1.0001 * product) + LOST_AT_MOST) * (1 + 2.0**-40)
        size = (c + d + HALF * size) * (1 + 2.0**-40)
    return np.asarray(error)
