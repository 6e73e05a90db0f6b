"""Gaussian noise that can be published: the exact normal, rounded to a grid of floats.

A guarantee for w + σZ, Z standard normal, is about real numbers. Its floating-point imitation ``w + sigma * z`` is
another mechanism: the last bits of a float sum tell which w it started from (I. Mironov, "On significance of the least
significant bits for differential privacy", 2012), and noise below the spacing of floats near w changes nothing at all.
Here the published float is exactly round_h(w + σZ), the multiple of h nearest to the real sum. Rounding does not look
at w again, so it cannot weaken what holds for w + σZ.
"""

from __future__ import annotations

import hashlib
import math
from typing import Any

import flint
import numpy as np
from scipy.special import erfcinv

from ..arrays import Array, float_values
from ..errors import check_integer, expected
from ..former import former
from ..numbers.balls import working_precision
from ..numbers.ieee import ieee_proof

__all__ = ["grid_spacing", "least_sigma", "parameters", "parameters_sha256", "rounded_normal"]
former(__name__)

_SIGMA_BITS = 10
"""σ ≥ 2¹⁰h, so that rounding to the grid adds less than a ten-millionth to the variance σ²."""

_LARGEST_INDEX = 2**53 - 1
"""Every k·h with |k| ≤ 2⁵³ − 1 is a float."""

_REACH = 40
"""Noise of 40σ stays on the grid; more has a probability below 10⁻³⁴⁸ and ends at the grid's last point."""

# σ < 2¹¹h for the spacing that belongs to σ, so noise of 40σ moves by less than 40·2¹¹ points.
_ROOM = _LARGEST_INDEX - _REACH * 2 ** (_SIGMA_BITS + 1)

_FINEST, _COARSEST = -1074, 971
"""Exponents of h: below the first no float, above the second k·h overflows."""

_WORD = 64


def parameters(values: object) -> Array:
    """Read parameters as the float64 numbers that they are, without rounding any.

    Raises:
        BadInputError: no real numbers, not finite, masked, or numbers that are not float64 numbers.

    Example:
        >>> parameters([1, 2])
        array([1., 2.])
    """
    array = float_values("w_unlearned", values, None)
    if not array.ndim:
        raise expected(
            "parameters", "w_unlearned", values, "a single number", "[w] for a model of one parameter"
        )
    if array.size == 0:
        raise expected("at least one parameter", "w_unlearned", array.shape, "empty", "those of a model")
    return array.astype(np.float64)


def parameters_sha256(w: Array) -> str:
    """The sha256 of parameters read row by row, so that (D,) and (D, 1) are the same.

    Example:
        >>> parameters_sha256(np.zeros(2)) == parameters_sha256(-np.zeros((2, 1)))
        True
    """
    return hashlib.sha256((w.ravel() + 0.0).astype("<f8").tobytes()).hexdigest()


def grid_spacing(sigma: float) -> float:
    """The spacing h of the grid for noise σ: the largest power of two with 2¹⁰h ≤ σ.

    It depends on σ alone, so that publishing it says nothing about the parameters.

    Raises:
        BadInputError: σ for which the grid is not a grid of floats.

    Example:
        >>> grid_spacing(1024.0), grid_spacing(1023.9), grid_spacing(1e-12) == 2.0**-50
        (1.0, 0.5, True)
    """
    low, high = math.ldexp(1.0, _FINEST + _SIGMA_BITS), math.ldexp(1.0, _COARSEST + _SIGMA_BITS + 1)
    if not low <= sigma < high:
        what = f"noise from {low:.2g} to {high:.2g}, whose grid is made of floats"
        raise expected(what, "sigma", sigma, type(sigma).__name__, "parameters of ordinary size")
    return math.ldexp(1.0, math.frexp(sigma)[1] - 1 - _SIGMA_BITS)


@ieee_proof()
def least_sigma(w: Array) -> float:
    """The smallest σ whose grid holds every entry of w with noise of 40σ: 2¹⁰ times the spacing of floats there.

    Returns:
        2¹⁰h for the smallest power of two h with max |w| + 40·2¹¹h ≤ (2⁵³ − 1)h, and so h ≥ ulp(max |w|).

    Raises:
        BadInputError: entries so large that noise on them overflows.

    Example:
        >>> least_sigma(np.array([1.0, -3.0])) == 2**10 * math.ulp(3.0)
        True
    """
    largest = float(np.abs(w).max())
    exponent = max(math.frexp(largest)[1] - 53, _FINEST) if largest else _FINEST
    # largest < 2⁵³⁺ᵉ; the quotient by a power of two is exact, as nothing this large can underflow.
    if largest > _ROOM * math.ldexp(1.0, exponent):
        exponent += 1
    if exponent > _COARSEST:
        raise expected("entries that noise can be added to", "max |w|", largest, "float", "a rescaled model")
    return math.ldexp(1.0, exponent + _SIGMA_BITS)


@ieee_proof()
def rounded_normal(w: Array, sigma: float, seed: int) -> Array:
    """Sample round_h(w + σZ) exactly, Z independent standard normals, h = grid_spacing(σ).

    Z = ±√2 erfc⁻¹(V) for a fair sign and V uniform on (0, 1). Bits of V are revealed until every V that begins with
    them leads to the same grid point, which balls of growing precision prove by erfc alone: |Z| lies between a and b
    if and only if erfc(b/√2) ≤ V ≤ erfc(a/√2). So the result is exact for the bits, on every machine; ordinary floats
    only guess where to look first. Ties have probability zero. What lies beyond the grid goes to its last point,
    ±(2⁵³ − 1)h, which like rounding does not look at w.

    The bits of entry i are SHAKE-256 of the seed and i. Taking them for independent fair coins is the one assumption;
    against an attacker it needs a secret seed that cannot be guessed, e.g. ``secrets.randbits(256)``.

    Args:
        seed: seed of the bits, a non-negative integer of any size.

    Returns:
        Multiples of h, float64, the shape of w.

    Raises:
        BadInputError: a σ below ``least_sigma(w)`` or beyond all grids, or a bad seed.

    Example:
        >>> noisy = rounded_normal(np.array([1.0, 2.0]), 1e-12, seed=1)
        >>> noisy - [1, 2], bool((noisy % grid_spacing(1e-12) == 0).all())
        (array([...e-1..., ...e-1...]), True)
    """
    seed = check_integer("seed", seed, hint="secrets.randbits(256)")
    h, least = grid_spacing(sigma), least_sigma(w)
    if sigma < least:
        what = f"noise of at least {least:.3g}, 2¹⁰ times the spacing of floats as large as these parameters"
        raise expected(what, "sigma", sigma, "float", "the sigma of a removal certificate for them")
    exponent = math.frexp(h)[1] - 1
    scale = sigma / h  # exact: h is a power of two, and 2¹⁰ ≤ σ/h < 2¹¹
    sample = [_index(value, exponent, scale, f"{seed}:{i}") for i, value in enumerate(w.ravel().tolist())]
    clamped = [max(-_LARGEST_INDEX, min(_LARGEST_INDEX, k)) for k in sample]
    return np.ldexp(np.array(clamped, dtype=np.float64), exponent).reshape(w.shape)


def _uniform(name: str, words: int) -> tuple[int, int]:
    """A sign, and the first 64·words − 1 bits of V as an integer; more words begin with the same bits."""
    stream = hashlib.shake_256(f"muso-theory release {name}".encode())
    drawn = int.from_bytes(stream.digest(words * _WORD // 8), "big")
    top = words * _WORD - 1
    return 1 - 2 * (drawn >> top), drawn & ((1 << top) - 1)


def _index(value: float, exponent: int, scale: float, name: str) -> int:
    """The k for which k·2^exponent is nearest to value + σZ, where σ = scale·2^exponent."""
    # In units of h, and counted from a grid point close to value, so that small numbers are all that is left.
    scaled = math.ldexp(value, -exponent)
    whole = round(scaled)
    words = 1
    while True:
        sign, bits = _uniform(name, words)
        known = words * _WORD - 1
        size = math.sqrt(2) * float(erfcinv(math.ldexp(bits + 0.5, -known)))
        with working_precision(words * _WORD):
            offset = flint.arb(value) * flint.arb((1, -exponent)) - whole
            # For Z < 0 the mirror image: −round(−t) is round(t) but for ties.
            near = _nearest(sign * offset, scale, bits, known, round(sign * (scaled - whole) + scale * size))
        if near is not None:
            return whole + sign * near
        words += 1


def _nearest(offset: Any, scale: float, bits: int, known: int, guess: int) -> int | None:
    """The integer nearest to offset + scale·|Z| for all V in [bits, bits + 1]·2^−known, or None; guess is a start."""
    low, high = flint.arb((bits, -known)), flint.arb((bits + 1, -known))
    unit = flint.arb(scale) * flint.arb(2).sqrt()
    while True:
        # |Z| falls as V grows: these are the V at which offset + scale·|Z| is guess + ½ and guess − ½.
        above = ((flint.arb((2 * guess + 1, -1)) - offset) / unit).erfc()
        below = ((flint.arb((2 * guess - 1, -1)) - offset) / unit).erfc()
        # Comparisons of balls are true only where every member agrees.
        if bool(above <= low) and bool(high <= below):
            return guess
        if bool(high <= above):
            guess += 1
        elif bool(below <= low):
            guess -= 1
        else:
            return None
