"""Generated whole checks: a problem of some kind, what is handed in for audit, and the settings of one ``mt.check``.

What is handed in is built from the exact truth so that its distance is a stated multiple of what the tolerance allows
(0.5, 0.9, 1 ± 2⁻ᵏ, 1.1 or 2 times, or far), and rounded to the floats of a user only then; the judge takes those as
they are.
"""

from __future__ import annotations

import math
import tempfile
from collections.abc import Callable
from dataclasses import dataclass, field
from fractions import Fraction
from typing import Any

import numpy as np
from flint import fmpq

from .exact_numbers import Root
from .exact_truth import Matrix, Truth, norm, read

__all__ = ["ARITHMETICS", "FACTORS", "KINDS", "LAYOUTS", "TRAINING", "Draw", "generate"]

Array = np.ndarray[Any, Any]
Data = tuple[Array, Array, Array | None]
"""Φ (n, D), y (n, C), w₀ (D, C) or None."""

ARITHMETICS = ("auto", "float64", "ball", "rational")

FACTORS = (0.0, 0.5, 0.9, 1.1, 2.0, 1e4, math.inf)
"""Distances of what is handed in, as multiples of what the tolerance allows; inf is a random guess."""

LAYOUTS = ("C", "Fortran", "strided", "reversed", "read-only", "memory map", "big-endian", "list")

_STEPS = ("optimizer-in-span", "stable-step", "enough-epochs")
TRAINING = {
    "gd": _STEPS,
    "momentum": _STEPS,
    "nesterov": _STEPS,
    "cyclic-sgd": (*_STEPS, "ostrowski-reich"),
    "adam": ("optimizer-in-span",),
}
"""Conditions on training, which join where a draw names an optimizer."""

_TOLERANCES = (None, None, None, 0.1, 1e-3, 1e-9, 1e-12, 0)


@dataclass(frozen=True)
class Draw:
    """One call of ``mt.check``.

    Args:
        kind: of the problem.
        layout: of its arrays in memory.
        arrays: features, targets, forget and w_init as they are handed over.
        settings: keyword arguments of the check.
        truth: the exact objects of this problem.
        factors: multiple of the allowance that each artefact was built for.
    """

    kind: str
    layout: str
    arrays: dict[str, Any]
    settings: dict[str, Any]
    truth: Truth = field(repr=False)
    factors: dict[str, float] = field(default_factory=dict)


# -- problems ----------------------------------------------------------------------------------------------

Rng = np.random.Generator


def product(a: Array, b: Array) -> Array:
    """AB, each entry rounded once: the same on every machine."""
    return _as_handed_in(read(a) * read(b), "float64")


def _plain(rng: Rng, n: int, width: int, outputs: int) -> Data:
    start = None if rng.random() < 0.4 else rng.standard_normal((width, outputs))
    return rng.standard_normal((n, width)), rng.standard_normal((n, outputs)), start


def _integers(rng: Rng, *sizes: int) -> Data:
    phi, y, start = _plain(rng, *sizes)
    whole = [None if a is None else np.round(3 * a).astype(np.int64) for a in (phi, y, start)]
    kind = rng.choice(["int64", "int32", "int8", "uint8", "bool"])
    # No sign is left in the last two.
    features = np.abs(whole[0]) if kind in ("uint8", "bool") else whole[0]  # type: ignore[arg-type]
    return features.astype(kind), whole[1], whole[2]  # type: ignore[union-attr, return-value]


def _float32(rng: Rng, *sizes: int) -> Data:
    phi, y, start = _plain(rng, *sizes)
    return phi.astype(np.float32), y.astype(rng.choice(["float32", "float64"])), start


def _float16(rng: Rng, *sizes: int) -> Data:
    phi, y, start = _plain(rng, *sizes)
    return phi.astype(np.float16), y, start


def _fractions(rng: Rng, *sizes: int) -> Data:
    phi, y, start = _plain(rng, *sizes)
    bits = int(rng.choice([3, 10, 60]))

    def exact(a: Array) -> Array:
        draw = [Fraction(round(x * 2**bits), int(rng.integers(1, 50))) for x in a.ravel().tolist()]
        out = np.empty(a.size, dtype=object)
        out[:] = draw
        return out.reshape(a.shape)

    return exact(phi), exact(y), None if start is None else exact(start)


def _exponent(rng: Rng, *sizes: int) -> Data:
    phi, y, start = _plain(rng, *sizes)
    reach = int(rng.choice([60, 500]))
    return (
        np.ldexp(phi, int(rng.integers(-reach, reach))),
        np.ldexp(y, int(rng.integers(-reach, reach))),
        start,
    )


def _row_exponents(rng: Rng, *sizes: int) -> Data:
    phi, y, start = _plain(rng, *sizes)
    reach = int(rng.choice([3, 20, 100, 500]))
    return np.ldexp(phi, rng.integers(-reach, reach + 1, size=(len(phi), 1))), y, start


def _column_exponents(rng: Rng, *sizes: int) -> Data:
    phi, y, start = _plain(rng, *sizes)
    reach = int(rng.choice([3, 20, 100]))
    return np.ldexp(phi, rng.integers(-reach, reach + 1, size=(1, phi.shape[1]))), y, start


def _graded(rng: Rng, *sizes: int) -> Data:
    """Rows and columns that shrink steadily: κ is huge and every entry is well known."""
    phi, y, start = _plain(rng, *sizes)
    rows, columns = (-int(rng.integers(0, 12)) * np.arange(k) for k in phi.shape)
    return np.ldexp(np.ldexp(phi, rows[:, None]), columns[None, :]), y, start


def _subnormal(rng: Rng, *sizes: int) -> Data:
    phi, y, start = _plain(rng, *sizes)
    phi = np.ldexp(phi, int(rng.integers(-1074, -1000)))
    if rng.random() < 0.5:
        phi[0, 0] = 1.0
    return phi, np.ldexp(y, int(rng.integers(-1074, -900))), start


def _near_duplicate(rng: Rng, *sizes: int) -> Data:
    phi, y, start = _plain(rng, *sizes)
    phi[-1] = phi[0] + np.ldexp(rng.standard_normal(phi.shape[1]), -int(rng.integers(2, 28)))
    return phi, y, start


def _nearer_duplicate(rng: Rng, *sizes: int) -> Data:
    phi, y, start = _plain(rng, *sizes)
    phi[-1] = phi[0] + np.ldexp(rng.standard_normal(phi.shape[1]), -int(rng.integers(28, 56)))
    return phi, y, start


def _loose(rng: Rng, n: int, width: int, outputs: int) -> Data:
    """Two rows that nearly agree, and a far start that nearly fits: float64 encloses ‖w_p − w_r‖ loosely."""
    width = max(2, min(3, width))
    phi, noise, start = _plain(rng, 2, width, outputs)
    phi = phi[0] + np.ldexp(phi, -int(rng.integers(21, 25)))
    start = np.ldexp(rng.standard_normal((width, outputs)), int(rng.integers(0, 12)))
    return phi, product(phi, start) + np.ldexp(noise, -int(rng.integers(0, 30))), start


def _duplicate(rng: Rng, *sizes: int) -> Data:
    phi, y, start = _plain(rng, *sizes)
    for _ in range(int(rng.integers(1, 4))):
        a, b = rng.integers(0, len(phi), 2)
        phi[a] = phi[b]
        if rng.random() < 0.5:
            y[a] = y[b]
    return phi, y, start


def _low_rank(rng: Rng, n: int, width: int, outputs: int) -> Data:
    _, y, start = _plain(rng, n, width, outputs)
    rank = int(rng.integers(0, min(n, width) + 1))
    return (rng.integers(-3, 4, (n, rank)) @ rng.integers(-3, 4, (rank, width))).astype(float), y, start


def _ill_conditioned(rng: Rng, n: int, width: int, outputs: int) -> Data:
    """A product of three matrices, the middle one diagonal and graded down to 2^-56."""
    _, y, start = _plain(rng, n, width, outputs)
    rank = min(n, width)
    scales = -(int(rng.integers(0, 57)) * np.arange(rank)) // max(1, rank - 1)
    left, right = np.ldexp(rng.standard_normal((n, rank)), scales), rng.standard_normal((rank, width))
    return product(left, right), y, start


def _cancellation(rng: Rng, *sizes: int) -> Data:
    """Φw₀ cancels to about y: large entries of both signs."""
    phi, y, _ = _plain(rng, *sizes)
    start = np.ldexp(rng.standard_normal((phi.shape[1], y.shape[1])), int(rng.integers(5, 60)))
    if phi.shape[1] > 1:
        phi[:, -1] = phi[:, 0] + np.ldexp(rng.standard_normal(len(phi)), -int(rng.integers(0, 30)))
        start[-1] = -start[0]
    return phi, y, start


def _large_start(rng: Rng, *sizes: int) -> Data:
    phi, y, _ = _plain(rng, *sizes)
    return phi, y, np.ldexp(rng.standard_normal((phi.shape[1], y.shape[1])), int(rng.integers(0, 51)))


def _wild_start(rng: Rng, *sizes: int) -> Data:
    phi, y, _ = _plain(rng, *sizes)
    shape = (phi.shape[1], y.shape[1])
    return phi, y, np.ldexp(rng.standard_normal(shape), int(rng.integers(-500, 501)))


def _wild_targets(rng: Rng, *sizes: int) -> Data:
    phi, y, start = _plain(rng, *sizes)
    return phi, np.ldexp(y, rng.integers(-500, 501, size=y.shape)), start


def _tall(n: int, width: int) -> tuple[int, int]:
    return max(n, width) + 1, min(n, width)


def _consistent(rng: Rng, n: int, width: int, outputs: int) -> Data:
    """More samples than features and y = Φw in floats: hypotheses hold up to rounding."""
    phi, _, start = _plain(rng, *_tall(n, width), outputs)
    return phi, product(phi, rng.standard_normal((phi.shape[1], outputs))), start


def _exactly_consistent(rng: Rng, n: int, width: int, outputs: int) -> Data:
    """More samples than features and y = Φw to the last digit."""
    phi = rng.integers(-8, 9, _tall(n, width)).astype(float)
    w = rng.integers(-8, 9, (phi.shape[1], outputs)) / 4
    return phi, phi @ w, None if rng.random() < 0.5 else w + 1.0


def _nearly_consistent(rng: Rng, n: int, width: int, outputs: int) -> Data:
    """More samples than features, and hypotheses violated by about the tolerance."""
    phi, y, start = _consistent(rng, n, width, outputs)
    return phi, y + np.ldexp(rng.standard_normal(y.shape), -int(rng.integers(10, 34))), start


def _inconsistent(rng: Rng, n: int, width: int, outputs: int) -> Data:
    return _plain(rng, *_tall(n, width), outputs)


def _on_a_line(rng: Rng, n: int, width: int, outputs: int) -> Data:
    """Φ = (1, …, n)ᵀ and y = Φ/10, rounded."""
    phi = np.arange(1.0, n + 1)[:, None]
    return phi, np.repeat(phi * 0.1, outputs, axis=1), None


def _nothing_to_unlearn(rng: Rng, n: int, width: int, outputs: int) -> Data:
    """Targets that a model already predicts, up to rounding: w_p ≈ w_r."""
    phi, y, start = _plain(rng, n, width, outputs)
    begin = np.zeros((width, outputs)) if start is None else start
    return phi, product(phi, begin + product(phi.T, y)), start


def _orthogonal_blocks(rng: Rng, n: int, width: int, outputs: int) -> Data:
    """Samples on disjoint features: K_RF may vanish."""
    phi, y, start = _plain(rng, n, width, outputs)
    phi[: n // 2, width // 2 :] = 0
    phi[n // 2 :, : width // 2] = 0
    return phi, y, start


KINDS: dict[str, Callable[..., Data]] = {
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


# -- memory ------------------------------------------------------------------------------------------------


def _laid_out(array: Array, layout: str) -> Any:
    """The same numbers, elsewhere or otherwise in memory."""
    if layout == "Fortran":
        return np.asfortranarray(array)
    if layout == "strided":
        for axis in range(array.ndim):
            array = np.repeat(array, 2, axis=axis)
        return array[(slice(None, None, 2),) * array.ndim]
    if layout == "reversed":
        return np.ascontiguousarray(array[::-1])[::-1]
    if layout == "read-only":
        array = array.copy()
        array.flags.writeable = False
        return array
    if layout == "big-endian" and array.dtype != object:
        return array.astype(array.dtype.newbyteorder(">"))
    if layout == "memory map" and array.dtype != object:
        with tempfile.TemporaryFile() as file:
            mapped = np.memmap(file, array.dtype, "w+", shape=array.shape)
        mapped[...] = array
        return mapped
    return array.tolist() if layout == "list" and array.dtype == np.float64 else array


# -- what is handed in for audit ---------------------------------------------------------------------------


def _nearest(value: fmpq) -> float:
    """The nearest float; the largest one where there is none."""
    exact = Fraction(int(value.p), int(value.q))
    try:
        return float(exact)
    except OverflowError:
        return 1e308 if exact > 0 else -1e308


def _as_handed_in(values: Matrix, dtype: str) -> Array:
    """Exact numbers rounded to floats of some width, or kept as Fractions."""
    rows = values.tolist()
    if dtype == "fractions":
        out = np.empty((len(rows), values.ncols()), dtype=object)
        for i, row in enumerate(rows):
            out[i] = [Fraction(int(x.p), int(x.q)) for x in row]
        return out
    with np.errstate(over="ignore"):
        floats = np.array([[_nearest(x) for x in row] for row in rows]).astype(dtype)
    return np.clip(floats, np.finfo(dtype).min, np.finfo(dtype).max) if dtype != "int64" else floats


def _factor(rng: Rng, near: float) -> float:
    """A multiple of the allowance: with probability ``near`` 1 ± 2⁻ᵏ, between the ends of some enclosure of it."""
    if rng.random() < near:
        return 1 + float(rng.choice([-1, 1])) * 2.0 ** -int(rng.integers(1, 31))
    return float(rng.choice(FACTORS))


def _step(direction: Matrix, size: Root, allowed: Root) -> Matrix:
    """The direction times a rational near allowed/size; zero where the direction does nothing."""
    if not size.square:
        return 0 * direction
    ratio = allowed.square / size.square
    shift = 2 * (64 + max(0, ratio.denominator.bit_length() - ratio.numerator.bit_length()) // 2)
    root = Fraction(math.isqrt(math.floor(ratio * 2**shift)), 2 ** (shift // 2))
    return fmpq(root.numerator, root.denominator) * direction


def _artefact(rng: Rng, name: str, truth: Truth, tolerance: float, factor: float) -> Matrix:
    """Labels or parameters whose audited distance is factor × tolerance × ‖w_p − w_r‖, before rounding."""
    rows = len(truth.forget) if name == "labels" else truth.width
    guess = read(np.round(rng.standard_normal((rows, truth.outputs)) * 2**20) / 2**20)
    if factor == math.inf:
        return guess
    allowed = truth.doing_nothing.times(Fraction(factor) * Fraction(tolerance))
    if name == "labels":
        moved = truth.optimal_labels + guess
        return truth.optimal_labels + _step(guess, truth.label_gap(moved), allowed)
    base = truth.pretrained if name == "w_pretrained" else truth.retrained
    if name == "w_pretrained" or rng.random() < 0.5:
        inside = truth.project(truth.everything, truth.start + guess) - truth.start
        if name == "w_pretrained":
            # The judged part is off the span; anything inside it is free.
            off = guess - inside
            return base + _step(off, norm(off), allowed) + (inside if rng.random() < 0.5 else 0 * inside)
        guess = inside
    return base + _step(guess, norm(guess), allowed)


# -- settings ----------------------------------------------------------------------------------------------


def _sizes(rng: Rng) -> tuple[int, int, int]:
    """Mostly up to 8, now and then up to 14; more columns than rows in most."""
    top = 14 if rng.random() < 0.05 else 8
    n, width = (int(np.ceil(np.exp(rng.uniform(np.log(low), np.log(top))))) for low in (2, 1))
    if rng.random() < 0.6 and width < n:
        n, width = max(width, 2), n
    return n, width, int(rng.choice([1, 1, 1, 2, 3]))


def _training(rng: Rng, truth: Truth) -> dict[str, Any]:
    """How a user trains: a method, and a step on either side of where it stops converging."""
    optimizer = str(rng.choice(list(TRAINING)))
    if optimizer == "adam":
        return {"optimizer": optimizer}
    sizes = [row[0] for row in (truth.phi * truth.phi.transpose()).tolist()][:1]
    typical = _nearest(sizes[0]) or 1.0
    lr = float(min(max(rng.choice([0.2, 1.0, 1.9, 2.1]) / typical, 1e-300), 1e300))
    return {"optimizer": optimizer, "lr": lr, "epochs": int(rng.choice([1, 20]))}


_USED_BY = {
    "ridge": {"ridge-anchored", "ridge-inverse", "adaptive-optimizer"},
    "subset": {"downsampling", "least-squares-on-subset"},
}
"""Claims that use a setting, which is refused where none of them is asked for."""

_JUDGES = {"labels": "exact-labels", "w_unlearned": "exact-labels", "w_pretrained": "start-in-span"}
"""A claim that judges what is handed in, without which it would be refused."""


def _claims(rng: Rng, names: tuple[str, ...]) -> list[str] | None:
    """A quarter of all checks ask for everything, the others for a few claims."""
    if rng.random() < 0.25:
        return None
    return [str(name) for name in rng.choice(names, size=int(rng.integers(1, 6)), replace=False)]


def generate(
    seed: int, index: int, names: tuple[str, ...], arithmetics: tuple[str, ...] = ARITHMETICS
) -> Draw:
    """Make one draw of a seed, kinds taking turns; the same arguments give the same one on every machine."""
    rng = np.random.default_rng([seed, index])
    kind = list(KINDS)[index % len(KINDS)]
    phi, y, start = KINDS[kind](rng, *_sizes(rng))
    n = len(phi)
    forget = np.sort(rng.choice(n, size=int(rng.integers(1, n)), replace=False))
    truth = Truth(phi, y, forget.tolist(), start)
    tolerance = _TOLERANCES[rng.integers(len(_TOLERANCES))]
    settings: dict[str, Any] = {
        "arithmetic": str(rng.choice(arithmetics)),
        "claims": _claims(rng, names),
        "seed": int(rng.integers(3)),
        "subset": float(rng.choice([0.2, 0.5, 1.0])),
        "ridge": float(rng.choice([1e-3, 0.1, 2.0**-30])),
    }
    if tolerance is not None:
        settings["tolerance"] = tolerance
    if settings["claims"] is not None and rng.random() < 0.1:
        settings["asserted"] = settings["claims"][:1]
    if rng.random() < 0.1:
        settings |= _training(rng, truth)
        if settings["claims"] is not None:
            settings["claims"] = [*settings["claims"], *TRAINING[settings["optimizer"]]]
    for name, users in _USED_BY.items():
        if settings["claims"] is not None and not users & {*settings["claims"]}:
            del settings[name]  # it would be refused; drawn all the same, so that the draw stays what it was
    flat = truth.outputs == 1 and rng.random() < 0.5
    factors = {}
    for name in ("labels", "w_unlearned", "w_pretrained"):
        if rng.random() < (0.8 if kind == "loose" else 0.35):
            factors[name] = _factor(rng, 0.9 if kind == "loose" else 0.3)
            values = _artefact(rng, name, truth, 1e-6 if tolerance is None else tolerance, factors[name])
            dtype = str(rng.choice(["float64", "float64", "float64", "float32", "fractions"]))
            given = _as_handed_in(values, dtype)
            settings[name] = given[:, 0] if flat else given
            if settings["claims"] is not None and _JUDGES[name] not in settings["claims"]:
                settings["claims"] = [*settings["claims"], _JUDGES[name]]
    layout = LAYOUTS[rng.integers(len(LAYOUTS))]
    arrays = {
        "features": _laid_out(phi, layout),
        "targets": _laid_out(y[:, 0] if flat else y, layout),
        "forget": _forget_as_given(rng, forget, n),
        "w_init": None if start is None else _laid_out(start[:, 0] if flat else start, layout),
    }
    return Draw(kind, layout, arrays, settings, truth, factors)


def _forget_as_given(rng: Rng, forget: Array, n: int) -> Any:
    """A mask, indices in any order, or a list."""
    form = rng.integers(3)
    if form == 0:
        return np.isin(np.arange(n), forget)
    shuffled = rng.permutation(forget)
    return shuffled if form == 1 else shuffled.tolist()
