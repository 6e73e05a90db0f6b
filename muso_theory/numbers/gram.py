"""The Gram matrix ΦΦᵀ in float64, formed in blocks so that neither memory nor rounding grows with D."""

from __future__ import annotations

from typing import Any

import numpy as np

from .ieee import ieee_proof

__all__ = ["COLUMN_BLOCK", "blocked_gram", "gram_roundings"]

COLUMN_BLOCK = 256
"""Columns per partial product. The rounding bound grows with COLUMN_BLOCK + D / COLUMN_BLOCK instead of D."""

_ROW_PANEL = 384


def gram_roundings(width: int) -> int:
    """The k for which `blocked_gram` of D columns keeps |K̂ − ΦΦᵀ| ≤ γ_k |Φ||Φ|ᵀ entry by entry, underflow apart.

    Example:
        >>> gram_roundings(8000)
        288
    """
    return min(width, COLUMN_BLOCK) + -(-width // COLUMN_BLOCK)


def blocked_gram(
    features: np.ndarray[Any, Any],
    rows: np.ndarray[Any, Any] | None = None,
    columns: np.ndarray[Any, Any] | slice | None = None,
) -> np.ndarray[Any, Any]:
    """Form ΦΦᵀ from column blocks, without ever copying the whole feature matrix.

    Each entry is a sum over column blocks of inner products of length at most ``COLUMN_BLOCK``, one float64
    addition per block; float32 features are converted (exactly) a block at a time. Only the lower triangle is
    computed, and mirrored, so the result is exactly symmetric.

    Args:
        features: shape (n, D), float64 or float32, C- or F-ordered, possibly memory-mapped.
        rows: positions of the rows to use, in the wanted order; None for all.
        columns: positions of the columns to sum over, or a slice; None for all.

    Returns:
        Float64 array of shape (n, n). Overflow shows as an infinite or NaN entry.

    Example:
        >>> blocked_gram(np.array([[1.0, 2.0], [0.0, 3.0]]))
        array([[5., 6.],
               [6., 9.]])
    """
    n = features.shape[0] if rows is None else len(rows)
    index = np.arange(features.shape[1])[slice(None) if columns is None else columns]
    width = len(index)
    gram = np.zeros((n, n))
    # Bounds are proved from this matrix, now or later: see `ieee`. From about .1 s on, threads are worth their test.
    guard = ieee_proof(threaded=n * n * width > 10**9)
    with guard, np.errstate(over="ignore", invalid="ignore", under="ignore"):
        for start in range(0, width, COLUMN_BLOCK):
            stop = min(start + COLUMN_BLOCK, width)
            # Consecutive columns are a view; everything else is gathered a block at a time.
            first = int(index[start])
            consecutive = np.array_equal(index[start:stop], np.arange(first, first + stop - start))
            piece = features[
                :, slice(int(index[start]), int(index[stop - 1]) + 1) if consecutive else index[start:stop]
            ]
            piece = piece if rows is None else piece[rows]
            block = np.ascontiguousarray(piece, dtype=np.float64)
            for top in range(0, n, _ROW_PANEL):
                bottom = min(n, top + _ROW_PANEL)
                gram[top:bottom, :bottom] += block[top:bottom] @ block[:bottom].T
        # Mirror by panels: a whole-matrix np.tril would need another n².
        for top in range(0, n, _ROW_PANEL):
            bottom = min(n, top + _ROW_PANEL)
            corner = np.tril(gram[top:bottom, top:bottom])
            gram[top:bottom, top:bottom] = corner + np.tril(corner, -1).T
            gram[:top, top:bottom] = gram[top:bottom, :top].T
    return gram
