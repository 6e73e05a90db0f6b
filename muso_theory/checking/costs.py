"""What each arithmetic is expected to cost on one problem: seconds and memory from sizes and lengths of numbers.

The constants are fitted to measurements (python -m verification costs) on one core, all claims together. They are the
same on every machine, so that what is tried does not depend on where, and within a factor of three on those they were
fitted on, mostly above them, which leaves room for slower cores. One claim alone takes less.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, final

import flint
import numpy as np

from ..arrays import Array
from ..former import former
from ..linear import tiling
from ..linear.problem import UnlearningProblem

__all__ = [
    "Cost",
    "ball_cost",
    "certified_cost",
    "entry_length",
    "own_cost",
    "preconditioned_cost",
    "rational_cost",
]
former(__name__)

_SAMPLE, _LONG = 1 << 20, 1 << 20


@final
@dataclass(frozen=True)
class Cost:
    """An estimate.

    Args:
        seconds: of one core, for all claims together.
        gigabytes: at the peak, beside what the process holds before.
    """

    seconds: float
    gigabytes: float

    def __str__(self) -> str:
        return f"about {self.seconds:.2g} s and {self.gigabytes:.2g} GB"


@final
@dataclass(frozen=True)
class _Length:
    """How many bits the entries of a matrix of rational numbers have.

    Args:
        common: of an entry over the common denominator of the whole matrix.
        row: of an entry over the common denominator of its own row, on average.
    """

    common: float
    row: float


def entry_length(array: Array) -> _Length:
    """Bits of the entries of an array as exact numbers; of a sample of rows where there are more than 10⁶ entries.

    Example:
        >>> from fractions import Fraction
        >>> found = entry_length(np.array([[1.0, 0.5], [8.0, 8.0]]))
        >>> found.common, found.row
        (5.0, 1.5)
        >>> entry_length(np.array([[Fraction(1, 3), Fraction(2, 5)]], dtype=object)).common
        3.0
    """
    table = array.reshape(len(array), -1)
    table = table[:: max(1, table.size // _SAMPLE)]
    if table.dtype == object:
        return _of_fractions(table.tolist())
    if table.dtype.kind != "f":
        bits = float(max(abs(int(table.max())), abs(int(table.min()))).bit_length())
        return _Length(bits, bits)
    # x = k·2^(e − 53) with an integer k, whose lowest set bit is k & −k.
    mantissa, exponent = np.frexp(table.astype(np.float64))
    whole = np.ldexp(mantissa, 53).astype(np.int64)
    lowest = np.frexp((whole & -whole).astype(np.float64))[1] - 1
    top = np.where(whole != 0, exponent, -(1 << 20))
    bottom = np.where(whole != 0, exponent - 53 + lowest, 1 << 20)
    rows = np.maximum(top.max(axis=1) - bottom.min(axis=1), 0)
    return _Length(float(max(top.max() - bottom.min(), 0)), float(rows.mean()))


def _of_fractions(table: list[list[Any]]) -> _Length:
    """Lengths over common denominators, whose growth over the rows is extended once they are a million bits."""
    common, largest, rows = flint.fmpz(1), 0, 0.0
    for seen, row in enumerate(table, start=1):
        own, size = flint.fmpz(1), 0
        for value in row:
            own = own.lcm(int(value.denominator))
            size = max(size, int(value.numerator).bit_length() - int(value.denominator).bit_length() + 1)
        common, largest = common.lcm(own), max(largest, size)
        rows += own.bit_length() - 1 + size
        if common.bit_length() > _LONG:
            return _Length(common.bit_length() * len(table) / seen, rows / seen)
    return _Length(float(common.bit_length() - 1 + largest), rows / len(table))


def certified_cost(problem: UnlearningProblem) -> Cost:
    """Proved float64 bounds: one Gram matrix, a few factorisations, and nearly exact products with Φ."""
    n, d, c = problem.n_samples, problem.n_features, problem.n_outputs
    size = min(n, d)
    seconds = (
        0.2
        + 1.5e-5 * n
        + n * d * (1.0e-7 + 8e-9 * c)
        + 3e-11 * n * d * size
        + 1.2e-10 * size**3
        + 1e-6 * n * c
    )
    if tiling.in_tiles(problem):  # read from disk for every product and solve, a hash of each tile with it
        return Cost(1.3 * seconds, (tiling.tiled_bytes(problem) - tiling.held_bytes(problem)) / 1e9)
    whole = tiling.dual_bytes(problem) if n <= d else tiling.primal_bytes(problem)
    # Of small problems what is at an entry of Φ: in spans, of more rows than columns, less than in whole matrices.
    reading = tiling.reading_bytes(problem) if n > d else 0
    taken = (
        min((32 if n <= d else 20) * n * d + 64 * size**2, whole - tiling.PROCESS_BYTES - reading) + reading
    )
    return Cost(seconds, 0.01 + (taken + tiling.output_bytes(problem, every=False)) / 1e9)


def preconditioned_cost(problem: UnlearningProblem) -> Cost:
    """A QR factorisation, a triangular inverse, their proof, and some sixty sliced products of a few slices each."""
    n, d, c = problem.n_samples, problem.n_features, problem.n_outputs
    size = min(n, d)
    seconds = 0.12 + 9e-5 * n + n * d * (9e-7 + 8e-8 * c) + 5e-11 * n * d * size + 3.6e-10 * size**3
    outputs = tiling.output_bytes(problem) + 70 * n * c  # whose products with slices are there at once
    return Cost(seconds, 0.01 + 8e-9 * (4 * n * d + 6 * size**2) + outputs / 1e9)


def ball_cost(problem: UnlearningProblem, bits: int) -> Cost:
    """Balls: products and solves in size³, and what is done once an entry of Φ."""
    n, d, c = problem.n_samples, problem.n_features, problem.n_outputs
    size = min(n, d)
    entries = 2.2e-5 * n * (d + size)
    return Cost(
        0.08 + (1 + c / 10) * entries + 1.7e-6 * size**3 * (1 + c / size) * bits / 128,
        0.01 + (1.6e-7 + 1e-10 * bits) * n * (d + 2 * size),
    )


def rational_cost(problem: UnlearningProblem) -> Cost:
    """Rationals: by Dixon lifting, and products with solutions that are as long as a determinant.

    K over row and column contents has entries of about twice the bits of a row of Φ, so its determinant and every
    entry of a solution have ``size`` times as many, and the lengths of the data over their common denominators.
    """
    n, d, c = problem.n_samples, problem.n_features, problem.n_outputs
    size = min(n, d)
    phi, y = entry_length(problem.features), entry_length(problem.targets)
    start = 0.0 if problem.w_init is None else entry_length(problem.w_init).common
    solution = size * (2 * phi.row + math.log2(max(n, d)) + 2) + 2 * phi.common + y.common + start
    # A row of Φ is shorter than a solution, and long products of short rows with it are cheaper than of equals.
    products = (n + 1) * (size + 1) * c * (1.0 if n <= d else 0.75)
    seconds = (
        0.1
        + 4e-10 * size**3 * solution * (1 + c / 10)
        + 8e-10 * products * (solution + 2 * phi.common) ** 1.5
        + 1e-6 * n * d * phi.common
    )
    gigabytes = (
        0.01
        + 2.5e-10 * n * size * c * solution
        + 1e-9 * (n * d * (phi.common + 900) + 2 * n * n * phi.common)
    )
    return Cost(seconds, gigabytes)


def own_cost(claim: str, problem: UnlearningProblem) -> Cost | None:
    """What the check of a claim takes beside the models that claims share, or None if that is little.

    These two take Newton's steps in float64, some ten for each model of each output; a hundred at most.
    """
    n, d, c = problem.n_samples, problem.n_features, problem.n_outputs
    size = min(n, d)
    if claim == "mirror-descent":  # of three models, each step a product of features and a factorisation
        triangle = 4.5e-10 * n * d**2 if n > d else 0.0
        return Cost(0.02 + 1.3e-9 * c * size**2 * d + triangle, 0.01 + 8e-9 * (4 * n * d + 3 * size**2))
    if claim == "newton-glm":  # of two models, with the nodes of a mean Hessian, in coordinates from an SVD
        seconds = 0.01 + 2.4e-9 * c * n * size**2 + 6e-10 * n * d * size
        return Cost(seconds, 0.01 + 8e-9 * (5 * n * d + 3 * size**2))
    return None
