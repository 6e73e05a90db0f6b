"""A float64 guess at which columns are independent; whoever uses it proves or checks the guess."""

from __future__ import annotations

from typing import Any

import numpy as np
import scipy.linalg

__all__ = ["independent_columns"]


def independent_columns(a: np.ndarray[Any, Any], count: int) -> list[int]:
    """Sorted positions of the ``count`` columns that QR with pivoting takes first; nothing is claimed about them.

    Entries may be infinite, that is, out of float64's range.

    Example:
        >>> independent_columns(np.array([[0.0, 1.0, 1.0], [0.0, 0.0, 1.0]]), 2)
        [1, 2]
    """
    if count == 0:
        return []
    finite = np.nan_to_num(a)
    # Columns scaled to unit size: pivoting then looks at directions, and nothing overflows.
    size = np.abs(finite).max(axis=0, initial=0.0)
    finite = finite / np.where(size > 0, size, 1.0)
    pivots = scipy.linalg.qr(finite, mode="r", pivoting=True, check_finite=False)[1]
    return sorted(int(j) for j in pivots[:count])
