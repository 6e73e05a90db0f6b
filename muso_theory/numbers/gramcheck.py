"""Whether a matrix that was formed elsewhere is the Gram matrix of given features."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..arrays import Array, first_nonfinite
from ..errors import BadInputError, expected
from ..rows import OneHot
from .accurate import plain_product
from .gram import blocked_gram, gram_roundings
from .ieee import ieee_proof
from .rounding import ETA, UNIT, UndecidedError, gamma
from .spans import Spread, here, right_side, spans
from .tiles import Tiles

__all__ = ["check_gram", "spot_check_curvature", "spot_check_gram"]


@ieee_proof()
def check_gram(features: Array, order: Array, gram: Array) -> None:
    """Form ΦΦᵀ again and compare every entry within what rounding explains.

    A Gram matrix handed in is a statement to be checked; nothing is ever proved from it.

    Args:
        order: positions of the rows, in the order of the matrix.
        gram: the matrix in question, shape (n, n), float64.

    Raises:
        BadInputError: another shape or dtype, or an entry that is not that of ΦΦᵀ.
        UndecidedError: ΦΦᵀ overflows.

    Example:
        >>> phi = np.array([[1.0, 2.0], [0.0, 3.0]])
        >>> check_gram(phi, np.arange(2), phi @ phi.T)
        >>> check_gram(phi, np.arange(2), phi @ phi.T + 1e-8 * np.eye(2))
        Traceback (most recent call last):
        muso_theory.errors.BadInputError: expected gram = ΦΦᵀ in the order ... its row 0 is off by 1e-08 in column 0 ...
    """
    n, width = len(order), features.shape[1]
    if gram.shape != (n, n) or gram.dtype != np.float64:
        raise expected(
            f"a float64 Gram matrix of shape {(n, n)}", "gram", gram.shape, "array", "FLOAT64.gram"
        )
    own = blocked_gram(features, order)
    if first_nonfinite(own) is not None:
        raise UndecidedError("ΦΦᵀ overflows float64", "features scaled by a power of two have the range")
    # Both are within γ_k‖φ_i‖‖φ_j‖ of the truth, underflow apart, if both were formed by `blocked_gram`.
    roots = _row_norms(own, width)
    factor = 2.02 * float(gamma(gram_roundings(width)))
    for top in range(0, n, 256):
        rows = slice(top, top + 256)
        with np.errstate(all="ignore"):
            deviation = np.abs(gram[rows] - own[rows])
            allowed = factor * roots[rows, None] * roots + 2 * width * float(ETA)
        wrong = ~(deviation <= allowed)
        if wrong.any():
            i, j = (int(k) for k in np.unravel_index(int(np.argmax(wrong)), wrong.shape))
            where = f"row {top + i} is off by {deviation[i, j]:.2g} in column {j}"
            raise _wrong_gram(where, float(allowed[i, j]))


@ieee_proof()
def spot_check_gram(features: Array, order: Array, gram: Array | Tiles) -> None:
    """Compare K̂v with Φ(Φᵀv) for random signs v, within what rounding explains.

    It costs three products with a vector and catches a wrong matrix and a shift of the diagonal, but not every wrong
    digit of one entry: it is for a matrix that this package formed itself and that nobody should have touched.

    Args:
        order: positions of the rows, in the order of the matrix.
        gram: K̂, formed by `blocked_gram` or `tiled_gram`, shape (n, n).

    Raises:
        BadInputError: a row of K̂v is not that of ΦΦᵀv.

    Example:
        >>> phi = np.array([[1.0, 2.0], [0.0, 3.0]])
        >>> spot_check_gram(phi, np.arange(2), phi @ phi.T)
    """
    v = _signs(len(order))
    with np.errstate(all="ignore"):
        z, first = plain_product(features, order, v, transposed=True)
        direct, second = plain_product(features, order, z)
    _compare(gram, v, direct, first + second, features.shape[1])


@ieee_proof()
def spot_check_curvature(
    features: Any, gram: Array, index: Array | None = None, spread: Spread[Array] = here
) -> None:
    """The same for Φ_AᵀΦ_A, in one pass over the rows A.

    Args:
        features: Φ, shape (n, D), an array or what gives rows.
        gram: formed by `curvature`, shape (D, D).
        index: A; None for all rows.
        spread: who does the pass.

    Raises:
        BadInputError: a row of the matrix times a vector of signs is not that of ΦᵀΦ.

    Example:
        >>> phi = np.array([[1.0, 2.0], [0.0, 3.0]])
        >>> spot_check_curvature(phi, phi.T @ phi)
    """
    index = np.arange(len(features)) if index is None else index
    n, width = len(index), features.shape[1]
    v = _signs(width)
    # Φᵀ(0 − Φ(−v)): inner products of length D, then of a span, then a sum over spans.
    direct = right_side(features, index, OneHot(np.full(n, -1), 1), -v, spread)
    cut = spans(n, width + 1)
    _compare(gram, v, direct, width + 1 + cut[0].stop + len(cut), n)


def _signs(n: int) -> Array:
    return np.random.default_rng(0).choice([-1.0, 1.0], size=(n, 1))


def _compare(gram: Array | Tiles, v: Array, direct: Array, roundings: int, width: int) -> None:
    """Refuse K̂ if K̂v is not ΦΦᵀv, which was computed with so many roundings, for a Φ of so many columns."""
    with np.errstate(all="ignore"):
        image, third = (
            (gram @ v, len(gram)) if isinstance(gram, Tiles) else plain_product(gram, slice(None), v)
        )
        roots = _row_norms(gram, width)
        # Each of the three products, and K̂ itself, is wrong by at most γ_k‖φ_i‖Σ_j‖φ_j‖.
        count = roundings + third + gram_roundings(width) + len(gram)
        allowed = 1.01 * count * float(UNIT) * roots * roots.sum() + 1e-300
        deviation = np.abs(image - direct)[:, 0]
        wrong = ~(deviation <= allowed)
    if wrong.any():
        i = int(np.argmax(wrong))
        raise _wrong_gram(f"row {i} is off by {deviation[i]:.2g}", float(allowed[i]))


def _row_norms(gram: Array | Tiles, width: int) -> Array:
    """‖φ_i‖ to a few ulps, or a little more: each of the D squares of a tiny row may have vanished, by at most η."""
    return np.asarray(np.sqrt(gram.diagonal() + width * float(ETA)))


def _wrong_gram(where: str, allowed: float) -> BadInputError:
    """Word the refusal of a matrix that is not ΦΦᵀ."""
    return BadInputError(
        f"expected gram = ΦΦᵀ in the order retain, forget but its {where} where rounding explains {allowed:.2g}; "
        f"try FLOAT64.gram(features[order]), with nothing added to it"
    )
