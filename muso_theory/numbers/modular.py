"""Full rank, proved modulo a prime: far cheaper than elimination over the rationals."""

from __future__ import annotations

from fractions import Fraction

import flint
import numpy as np

from ..arrays import Array
from .ieee import ieee_proof

__all__ = ["has_full_rank", "seconds_of_rank"]

_PRIME = 2**31 - 1  # products of two residues fit 64 bits


@ieee_proof()
def has_full_rank(matrix: Array) -> bool:
    """Try to prove that a matrix, taken exactly as it is, has full rank.

    A float is an integer times a power of two, and 2 has an inverse modulo an odd prime p; so every float has a
    residue, and rank modulo p ≤ rank. An integer minor that is not zero vanishes modulo p by accident only.

    Returns:
        True if rank = min(n, D) is proved. False proves nothing; for data that know nothing of p it means a lower
        rank but for a chance of about min(n, D)/2^31.

    Example:
        >>> a = np.array([[1.0, 1.0], [1.0, 1.0 + 2.0**-52]])
        >>> has_full_rank(a), has_full_rank(a[:, [0, 0]]), has_full_rank(np.array([[Fraction(1, 3)], [0]]))
        (True, False, True)
    """
    residues = _residues(matrix)
    if residues is None:
        return False
    rows, columns = matrix.shape
    rank = int(flint.nmod_mat(rows, columns, residues, _PRIME).rank())
    full: int = min(rows, columns)
    return rank == full


def seconds_of_rank(n: int, d: int) -> float:
    """Estimate what `has_full_rank` takes for shape (n, d), in seconds of one core of a present-day machine.

    Example:
        >>> seconds_of_rank(1500, 2250) < 10
        True
    """
    return 3e-7 * n * d + 4e-10 * n * d * min(n, d)


def _residues(matrix: Array) -> list[int] | None:
    """Entries modulo p, row by row; None where p divides a denominator."""
    if matrix.dtype.kind == "f":
        mantissa, exponent = np.frexp(np.asarray(matrix, dtype=np.float64))
        whole = np.ldexp(mantissa, 53).astype(np.int64) % _PRIME
        first, last = int(exponent.min(initial=0)), int(exponent.max(initial=0))
        powers = np.array([pow(2, e - 53, _PRIME) for e in range(first, last + 1)], dtype=np.int64)
        found: list[int] = (whole * powers[exponent - first] % _PRIME).ravel().tolist()
        return found
    if matrix.dtype.kind in "biu":
        return [int(x) % _PRIME for x in matrix.ravel().tolist()]
    exact = [Fraction(x) for x in matrix.ravel().tolist()]
    if any(x.denominator % _PRIME == 0 for x in exact):
        return None
    return [x.numerator * pow(x.denominator, -1, _PRIME) % _PRIME for x in exact]
