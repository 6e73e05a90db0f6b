"""Hashes of what was given: samples, targets, options and seeds, before a product of BLAS has touched them.

The last digits of features that a map or a network makes belong to a machine: to its processor, to its kernels of BLAS
and to their threads. What they are made of does not.
"""

from __future__ import annotations

import dataclasses
import hashlib
import numbers
from collections.abc import Mapping
from typing import Any

import numpy as np

from ..arrays import Array, row_blocks
from ..former import former
from ..numbers.quantity import decimal_text
from ..rows import ByRows

__all__ = ["given_sha256", "running_hashes"]
former(__name__)


def _hash_array(digest: Any, name: str, array: Any) -> None:
    """Feed an array to a hash: its kind, its shape and its entries, whatever their order in memory.

    Args:
        digest: of hashlib.
        name: what to call it, so that no two arrays change places.
        array: of numbers, or what gives its rows.
    """
    digest.update(f"{name}:{array.dtype.kind}{array.dtype.itemsize}:{array.shape};".encode())
    for rows in row_blocks(array):
        part = array[rows]
        if part.dtype == object:
            # The comma also stands between blocks: without it 1 | 23 and 12 | 3 would be the same text.
            digest.update(("," * (rows.start > 0) + ",".join(decimal_text(v) for v in part.ravel())).encode())
        else:
            digest.update(np.ascontiguousarray(part, dtype=part.dtype.newbyteorder("<")).data)


def running_hashes(arrays: Mapping[str, Array | None], forget: Array) -> tuple[str, ...]:
    """One sha256 of everything up to and including each array, so that the last one is that of them all.

    An array that is None is zero; the forget indices come last.
    """
    digest, found = hashlib.sha256(), []
    for name, array in arrays.items():
        if array is None:
            digest.update(f"{name}:zero;".encode())
        else:
            _hash_array(digest, name, array)
        found.append(digest.copy().hexdigest())
    digest.update(b"forget:" + forget.astype("<i8").tobytes())
    return (*found, digest.hexdigest())


def given_sha256(**given: Any) -> str:
    """Hash everything that features are made of, by name.

    Args:
        **given: arrays, words, numbers, sequences of them; networks and other dataclasses by their fields, maps of
            scikit-learn's kind by their parameters.

    Returns:
        A sha256 in hexadecimal; empty where something is given that neither says what it is made of nor is a number or
        a word, such as a function.

    Example:
        >>> from muso_theory.linear.features import GaussianFeatures
        >>> one, other = (given_sha256(X=np.eye(2), map=GaussianFeatures(n_features=8, seed=seed)) for seed in (0, 1))
        >>> len(one), one == other, given_sha256(f=len)
        (64, False, '')
    """
    digest = hashlib.sha256()
    return digest.hexdigest() if all(_feed(digest, name, value) for name, value in given.items()) else ""


def _feed(digest: Any, name: str, value: Any) -> bool:
    """Feed one thing to a hash, or say that it cannot be told apart from others of its kind."""
    if isinstance(value, np.ndarray | ByRows) and value.ndim and value.dtype.kind in "biufO":
        _hash_array(digest, name, value)
        return True
    if isinstance(value, str | numbers.Real | None):
        text = value if isinstance(value, str) else None if value is None else decimal_text(value)
        digest.update(f"{name}:{'word' if isinstance(value, str) else 'number'}:{text!r};".encode())
        return True
    if isinstance(value, list | tuple):
        parts = [(f"{name}[{i}]", one) for i, one in enumerate(value)]
    elif dataclasses.is_dataclass(value) and not isinstance(value, type):
        parts = [(f"{name}.{f.name}", getattr(value, f.name)) for f in dataclasses.fields(value) if f.init]
    elif hasattr(value, "get_params"):
        parts = [(f"{name}.{word}", one) for word, one in sorted(value.get_params(deep=False).items())]
    else:
        return False
    digest.update(f"{name}:{type(value).__module__}.{type(value).__qualname__}:{len(parts)};".encode())
    return all(_feed(digest, *part) for part in parts)
