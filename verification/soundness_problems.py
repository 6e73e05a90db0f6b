"""Problems of 27 kinds for `soundness`: drawn in floats, or built so that something of them is known exactly."""

from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction
from typing import Any

import numpy as np
from flint import fmpq

from .exact_truth import FlintMatrix, read

__all__ = ["KINDS", "Array", "Rng", "as_floats", "nearest_float", "product"]

Rng = np.random.Generator
Array = np.ndarray[Any, Any]
DrawnData = tuple[Array, Array, Array | None]
"""Φ (n, D), y (n, C), w₀ (D, C) or None."""


def nearest_float(value: fmpq) -> float:
    """The nearest float; the largest one where there is none."""
    exact = Fraction(int(value.p), int(value.q))
    try:
        return float(exact)
    except OverflowError:
        return 1e308 if exact > 0 else -1e308


def as_floats(values: FlintMatrix, dtype: str) -> Array:
    """Exact numbers rounded to floats of some width, or kept as Fractions."""
    rows = values.tolist()
    if dtype == "fractions":
        out = np.empty((len(rows), values.ncols()), dtype=object)
        for i, row in enumerate(rows):
            out[i] = [Fraction(int(x.p), int(x.q)) for x in row]
        return out
    with np.errstate(over="ignore"):
        floats = np.array([[nearest_float(x) for x in row] for row in rows]).astype(dtype)
    return np.clip(floats, np.finfo(dtype).min, np.finfo(dtype).max) if dtype != "int64" else floats


def product(a: Array, b: Array) -> Array:
    """AB, each entry rounded once: the same on every machine."""
    return as_floats(read(a) * read(b), "float64")


def _plain(rng: Rng, n: int, width: int, outputs: int) -> DrawnData:
    start = None if rng.random() < 0.4 else rng.standard_normal((width, outputs))
    return rng.standard_normal((n, width)), rng.standard_normal((n, outputs)), start


def _integers(rng: Rng, *sizes: int) -> DrawnData:
    phi, y, start = _plain(rng, *sizes)
    whole = [None if a is None else np.round(3 * a).astype(np.int64) for a in (phi, y, start)]
    kind = rng.choice(["int64", "int32", "int8", "uint8", "bool"])
    # No sign is left in the last two.
    features = np.abs(whole[0]) if kind in ("uint8", "bool") else whole[0]  # type: ignore[arg-type]
    return features.astype(kind), whole[1], whole[2]  # type: ignore[union-attr, return-value]


def _float32(rng: Rng, *sizes: int) -> DrawnData:
    phi, y, start = _plain(rng, *sizes)
    return phi.astype(np.float32), y.astype(rng.choice(["float32", "float64"])), start


def _float16(rng: Rng, *sizes: int) -> DrawnData:
    phi, y, start = _plain(rng, *sizes)
    return phi.astype(np.float16), y, start


def _fractions(rng: Rng, *sizes: int) -> DrawnData:
    phi, y, start = _plain(rng, *sizes)
    bits = int(rng.choice([3, 10, 60]))

    def exact(a: Array) -> Array:
        draw = [Fraction(round(x * 2**bits), int(rng.integers(1, 50))) for x in a.ravel().tolist()]
        out = np.empty(a.size, dtype=object)
        out[:] = draw
        return out.reshape(a.shape)

    return exact(phi), exact(y), None if start is None else exact(start)


def _exponent(rng: Rng, *sizes: int) -> DrawnData:
    phi, y, start = _plain(rng, *sizes)
    reach = int(rng.choice([60, 500]))
    return (
        np.ldexp(phi, int(rng.integers(-reach, reach))),
        np.ldexp(y, int(rng.integers(-reach, reach))),
        start,
    )


def _row_exponents(rng: Rng, *sizes: int) -> DrawnData:
    phi, y, start = _plain(rng, *sizes)
    reach = int(rng.choice([3, 20, 100, 500]))
    return np.ldexp(phi, rng.integers(-reach, reach + 1, size=(len(phi), 1))), y, start


def _column_exponents(rng: Rng, *sizes: int) -> DrawnData:
    phi, y, start = _plain(rng, *sizes)
    reach = int(rng.choice([3, 20, 100]))
    return np.ldexp(phi, rng.integers(-reach, reach + 1, size=(1, phi.shape[1]))), y, start


def _graded(rng: Rng, *sizes: int) -> DrawnData:
    """Rows and columns that shrink steadily: κ is huge and every entry is well known."""
    phi, y, start = _plain(rng, *sizes)
    rows, columns = (-int(rng.integers(0, 12)) * np.arange(k) for k in phi.shape)
    return np.ldexp(np.ldexp(phi, rows[:, None]), columns[None, :]), y, start


def _subnormal(rng: Rng, *sizes: int) -> DrawnData:
    phi, y, start = _plain(rng, *sizes)
    phi = np.ldexp(phi, int(rng.integers(-1074, -1000)))
    if rng.random() < 0.5:
        phi[0, 0] = 1.0
    return phi, np.ldexp(y, int(rng.integers(-1074, -900))), start


def _near_duplicate(rng: Rng, *sizes: int) -> DrawnData:
    phi, y, start = _plain(rng, *sizes)
    phi[-1] = phi[0] + np.ldexp(rng.standard_normal(phi.shape[1]), -int(rng.integers(2, 28)))
    return phi, y, start


def _nearer_duplicate(rng: Rng, *sizes: int) -> DrawnData:
    phi, y, start = _plain(rng, *sizes)
    phi[-1] = phi[0] + np.ldexp(rng.standard_normal(phi.shape[1]), -int(rng.integers(28, 56)))
    return phi, y, start


def _loose(rng: Rng, n: int, width: int, outputs: int) -> DrawnData:
    """Two rows that nearly agree, and a far start that nearly fits: float64 encloses ‖w_p − w_r‖ loosely."""
    width = max(2, min(3, width))
    phi, noise, start = _plain(rng, 2, width, outputs)
    phi = phi[0] + np.ldexp(phi, -int(rng.integers(21, 25)))
    start = np.ldexp(rng.standard_normal((width, outputs)), int(rng.integers(0, 12)))
    return phi, product(phi, start) + np.ldexp(noise, -int(rng.integers(0, 30))), start


def _duplicate(rng: Rng, *sizes: int) -> DrawnData:
    phi, y, start = _plain(rng, *sizes)
    for _ in range(int(rng.integers(1, 4))):
        a, b = rng.integers(0, len(phi), 2)
        phi[a] = phi[b]
        if rng.random() < 0.5:
            y[a] = y[b]
    return phi, y, start


def _low_rank(rng: Rng, n: int, width: int, outputs: int) -> DrawnData:
    _, y, start = _plain(rng, n, width, outputs)
    rank = int(rng.integers(0, min(n, width) + 1))
    return (rng.integers(-3, 4, (n, rank)) @ rng.integers(-3, 4, (rank, width))).astype(float), y, start


def _ill_conditioned(rng: Rng, n: int, width: int, outputs: int) -> DrawnData:
    """A product of three matrices, the middle one diagonal and graded down to 2^-56."""
    _, y, start = _plain(rng, n, width, outputs)
    rank = min(n, width)
    scales = -(int(rng.integers(0, 57)) * np.arange(rank)) // max(1, rank - 1)
    left, right = np.ldexp(rng.standard_normal((n, rank)), scales), rng.standard_normal((rank, width))
    return product(left, right), y, start


def _cancellation(rng: Rng, *sizes: int) -> DrawnData:
    """Φw₀ cancels to about y: large entries of both signs."""
    phi, y, _ = _plain(rng, *sizes)
    start = np.ldexp(rng.standard_normal((phi.shape[1], y.shape[1])), int(rng.integers(5, 60)))
    if phi.shape[1] > 1:
        phi[:, -1] = phi[:, 0] + np.ldexp(rng.standard_normal(len(phi)), -int(rng.integers(0, 30)))
        start[-1] = -start[0]
    return phi, y, start


def _large_start(rng: Rng, *sizes: int) -> DrawnData:
    phi, y, _ = _plain(rng, *sizes)
    return phi, y, np.ldexp(rng.standard_normal((phi.shape[1], y.shape[1])), int(rng.integers(0, 51)))


def _wild_start(rng: Rng, *sizes: int) -> DrawnData:
    phi, y, _ = _plain(rng, *sizes)
    shape = (phi.shape[1], y.shape[1])
    return phi, y, np.ldexp(rng.standard_normal(shape), int(rng.integers(-500, 501)))


def _wild_targets(rng: Rng, *sizes: int) -> DrawnData:
    phi, y, start = _plain(rng, *sizes)
    return phi, np.ldexp(y, rng.integers(-500, 501, size=y.shape)), start


def _tall(n: int, width: int) -> tuple[int, int]:
    return max(n, width) + 1, min(n, width)


def _consistent(rng: Rng, n: int, width: int, outputs: int) -> DrawnData:
    """More samples than features and y = Φw in floats: hypotheses hold up to rounding."""
    phi, _, start = _plain(rng, *_tall(n, width), outputs)
    return phi, product(phi, rng.standard_normal((phi.shape[1], outputs))), start


def _exactly_consistent(rng: Rng, n: int, width: int, outputs: int) -> DrawnData:
    """More samples than features and y = Φw to the last digit."""
    phi = rng.integers(-8, 9, _tall(n, width)).astype(float)
    w = rng.integers(-8, 9, (phi.shape[1], outputs)) / 4
    return phi, phi @ w, None if rng.random() < 0.5 else w + 1.0


def _nearly_consistent(rng: Rng, n: int, width: int, outputs: int) -> DrawnData:
    """More samples than features, and hypotheses violated by about the tolerance."""
    phi, y, start = _consistent(rng, n, width, outputs)
    return phi, y + np.ldexp(rng.standard_normal(y.shape), -int(rng.integers(10, 34))), start


def _inconsistent(rng: Rng, n: int, width: int, outputs: int) -> DrawnData:
    return _plain(rng, *_tall(n, width), outputs)


def _on_a_line(rng: Rng, n: int, width: int, outputs: int) -> DrawnData:
    """Φ = (1, …, n)ᵀ and y = Φ/10, rounded."""
    phi = np.arange(1.0, n + 1)[:, None]
    return phi, np.repeat(phi * 0.1, outputs, axis=1), None


def _nothing_to_unlearn(rng: Rng, n: int, width: int, outputs: int) -> DrawnData:
    """Targets that a model already predicts, up to rounding: w_p ≈ w_r."""
    phi, y, start = _plain(rng, n, width, outputs)
    begin = np.zeros((width, outputs)) if start is None else start
    return phi, product(phi, begin + product(phi.T, y)), start


def _orthogonal_blocks(rng: Rng, n: int, width: int, outputs: int) -> DrawnData:
    """Samples on disjoint features: K_RF may vanish."""
    phi, y, start = _plain(rng, n, width, outputs)
    phi[: n // 2, width // 2 :] = 0
    phi[n // 2 :, : width // 2] = 0
    return phi, y, start


KINDS: dict[str, Callable[..., DrawnData]] = {
    "gaussian": _plain,
    "integers": _integers,
    "float32": _float32,
    "float16": _float16,
    "fractions": _fractions,
    "exponent": _exponent,
    "row exponents": _row_exponents,
    "column exponents": _column_exponents,
    "graded": _graded,
    "subnormal": _subnormal,
    "near duplicate": _near_duplicate,
    "nearer duplicate": _nearer_duplicate,
    "loose": _loose,
    "duplicate": _duplicate,
    "low rank": _low_rank,
    "ill conditioned": _ill_conditioned,
    "cancellation": _cancellation,
    "large start": _large_start,
    "wild start": _wild_start,
    "wild targets": _wild_targets,
    "consistent": _consistent,
    "exactly consistent": _exactly_consistent,
    "nearly consistent": _nearly_consistent,
    "inconsistent": _inconsistent,
    "on a line": _on_a_line,
    "nothing to unlearn": _nothing_to_unlearn,
    "orthogonal blocks": _orthogonal_blocks,
}
