"""Generated whole checks: a problem of some kind, what is handed in for audit, and the settings of one ``mt.check``.

What is handed in is built from the exact truth so that its distance is a stated multiple of what the tolerance allows
(0.5, 0.9, 1 ± 2⁻ᵏ, 1.1 or 2 times, or far), and rounded to the floats of a user only then; the judge takes those as
they are.
"""

from __future__ import annotations

import math
import tempfile
from dataclasses import dataclass, field
from fractions import Fraction
from typing import Any

import numpy as np
from flint import fmpq

from .exact_numbers import Root
from .exact_truth import FlintMatrix, Truth, norm, read
from .soundness_problems import KINDS, Array, Rng, as_floats, nearest_float

__all__ = ["ARITHMETICS", "FACTORS", "LAYOUTS", "TRAINING", "DrawnProblem", "generate"]

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
class DrawnProblem:
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


def _factor(rng: Rng, near: float) -> float:
    """A multiple of the allowance: with probability ``near`` 1 ± 2⁻ᵏ, between the ends of some enclosure of it."""
    if rng.random() < near:
        return 1 + float(rng.choice([-1, 1])) * 2.0 ** -int(rng.integers(1, 31))
    return float(rng.choice(FACTORS))


def _step(direction: FlintMatrix, size: Root, allowed: Root) -> FlintMatrix:
    """The direction times a rational near allowed/size; zero where the direction does nothing."""
    if not size.square:
        return 0 * direction
    ratio = allowed.square / size.square
    shift = 2 * (64 + max(0, ratio.denominator.bit_length() - ratio.numerator.bit_length()) // 2)
    root = Fraction(math.isqrt(math.floor(ratio * 2**shift)), 2 ** (shift // 2))
    return fmpq(root.numerator, root.denominator) * direction


def _artefact(rng: Rng, name: str, truth: Truth, tolerance: float, factor: float) -> FlintMatrix:
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
    typical = nearest_float(sizes[0]) or 1.0
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
) -> DrawnProblem:
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
            given = as_floats(values, dtype)
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
    return DrawnProblem(kind, layout, arrays, settings, truth, factors)


def _forget_as_given(rng: Rng, forget: Array, n: int) -> Any:
    """A mask, indices in any order, or a list."""
    form = rng.integers(3)
    if form == 0:
        return np.isin(np.arange(n), forget)
    shuffled = rng.permutation(forget)
    return shuffled if form == 1 else shuffled.tolist()
