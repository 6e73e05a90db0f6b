"""Forget sets of pandas beside samples of pandas: their labels say which rows are meant, whatever the order."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from .arrays import counts_rows, refuse_another_order
from .errors import expected

__all__ = ["by_label", "is_mask"]


def by_label(forget: Any, labels: Mapping[str, Any]) -> Any:
    """A forget set of pandas as what positions say; anything else as it is.

    Args:
        forget: whatever came. A mask must have the labels of the rows, in their order. An Index means labels. Numbers
            in a Series may be either, and are positions where the labels are.
        labels: indexes of the samples and of their targets by what they are called; at least one. Rows are found in
            the first.

    Raises:
        BadInputError: a mask of other labels or in another order, labels that no row or several have, and numbers
            that may be labels or positions.

    Example:
        >>> import pandas as pd
        >>> rows = pd.Index(["a", "b", "c"])
        >>> by_label(pd.Index(["c"]), {"X.index": rows})
        array([2])
        >>> by_label(pd.Series([False, True, True], index=rows), {"X.index": rows})
        array([False,  True,  True])
    """
    name, first = next(iter(labels.items()))
    is_series = hasattr(forget, "iloc")
    if is_series and is_mask(forget):
        if not any(index.equals(forget.index) for index in labels.values()):
            refuse_another_order("forget", forget, first, name)
            got, hint = "a mask with another index", "forget.to_numpy() for positions"
            raise expected(f"a mask with the labels of {name}", "forget", forget.shape, got, hint)
        return forget.to_numpy()
    if is_series and not counts_rows(first):
        got = "numbers in a Series: labels or positions"
        hint = "pandas.Index(labels), or .to_numpy() for positions"
        raise expected("rows, clearly,", "forget", forget.to_numpy()[:5], got, hint)
    if hasattr(forget, "get_indexer"):
        found = first.get_indexer(forget) if first.is_unique else None
        if found is None or (found < 0).any():
            got, hint = "absent, or of several rows", f"labels of {name}, or row numbers from 0 in a list"
            raise expected("labels of one row each", "forget", list(forget[:5]), got, hint)
        return found
    return forget


def is_mask(series: Any) -> bool:
    """Whether a Series holds truth values, in a dtype of numpy or in one of pandas' own.

    Example:
        >>> import pandas as pd
        >>> is_mask(pd.Series([True]).astype("boolean")), is_mask(pd.Series([1]))
        (True, False)
    """
    return str(getattr(series, "dtype", "")) in ("bool", "boolean", "bool[pyarrow]")
