"""Parameters and labels in files of their own, beside the data that they belong to."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from ..arguments import checked
from ..arrays import Array, forget_indices
from ..errors import expected, nearest
from ..files.kinds import refuse_other_kinds
from ..files.reading import read_arrays
from .archive import meant, read_npy_array
from .dataset import FloatArray, IndexArray, taken_exactly

__all__ = ["read_artefacts", "read_start"]

_AUDITED = ("labels", "w_unlearned", "w_pretrained")
_NAMES = (*_AUDITED, "w_init", "forget", "trained_on", "made_with")


@dataclass(frozen=True, eq=False)
class Artefacts:
    """What is to be audited on data that are in another file.

    Args:
        labels: (n_F,) or (n_F, C), in increasing order of the forgotten rows; of Jacobians (n_F, k).
        w_unlearned: (D,) or (D, C).
        w_pretrained: (D,) or (D, C).
        w_init: (D,) or (D, C), where training began; None leaves it to be assumed.
        forget: sorted rows of the data, from 0, that were to be forgotten; None does not say.
        trained_on: sorted rows of the data, from 0, that were trained on; None is all.
        made_with: what it was made with as JSON, where a command wrote it: data and options.
    """

    labels: Array | None = None
    w_unlearned: Array | None = None
    w_pretrained: Array | None = None
    w_init: Array | None = None
    forget: IndexArray | None = None
    trained_on: IndexArray | None = None
    made_with: str | None = None


@checked
def read_artefacts(path: Path, n_samples: int) -> Artefacts:
    """Read what is to be audited.

    Args:
        path: an .npz file with one or more of ``labels``, ``w_unlearned`` and ``w_pretrained``, and perhaps ``w_init``,
            ``forget`` and ``trained_on``, as ``muso unlearn -o`` and ``muso labels -o`` write them.
        n_samples: samples of the data.

    Returns:
        The arrays. Shapes of parameters and labels are for the problem to judge.

    Raises:
        BadInputError: no complete archive, other names, nothing to audit, rows that the data do not have, labels of
            forgotten rows in no order, NaN and infinity.

    Example:
        >>> import tempfile
        >>> from muso_theory.files.writing import npz_bytes, write_atomic
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     path = Path(folder, "mine.npz")
        ...     write_atomic(path, npz_bytes({"w_unlearned": [0.5, 1.0], "forget": [2]}))
        ...     read_artefacts(path, 3).forget
        array([2])
    """
    name = path.name

    def check(members: Collection[str]) -> None:
        for key in members:
            if key not in _NAMES:
                what = f"only arrays named {', '.join(_NAMES)}"
                raise expected(what, "array", key, name, meant(key, _NAMES, members))
        if not set(members) & set(_AUDITED):
            there = ", ".join(members) or "nothing"
            raise expected(f"an array named {' or '.join(_AUDITED)}", "--audit", there, name, "adding one")

    refuse_other_kinds(path, "--audit", "parameters", "labels")
    arrays = read_arrays(path, name, check)
    found: dict[str, Any] = {}
    for key in ("forget", "trained_on"):
        if key in arrays:
            found[key] = _rows(arrays[key], n_samples, f"{name}: {key}")
    if "made_with" in arrays:
        if arrays["made_with"].dtype.kind != "U" or arrays["made_with"].ndim:
            raise expected("text", "made_with", arrays["made_with"].shape, name, "leaving it out")
        found["made_with"] = str(arrays["made_with"])
    listed = arrays.get("forget")
    if "labels" in arrays and listed is not None and listed.dtype.kind != "b" and (np.diff(listed) < 0).any():
        hint = "sorting forget and labels together"
        raise expected("forget rows in increasing order", "forget", listed[:5], name, hint)
    for key in (*_AUDITED, "w_init"):
        if key in arrays:
            found[key] = taken_exactly(f"{name}: {key}", arrays[key], (1, 2))
    return Artefacts(**found)


@checked
def read_start(path: str) -> Array:
    """Read w₀, shape (D,) or (D, C), from an .npy file; BadInputError where that holds no array of numbers."""
    if not path.endswith(".npy") or not Path(path).is_file():
        got = "no such file" if path.endswith(".npy") else "another word"
        hint = nearest(path.strip().lower(), ("zero", "normal"), "a path that exists, written by numpy.save")
        raise expected("zero, normal or an .npy file", "w-init", path, got, hint)
    return taken_exactly(path, read_npy_array(Path(path), Path(path).name), (1, 2))


def _rows(given: FloatArray, n_samples: int, name: str) -> IndexArray:
    """Sorted rows of the data; all of them may be meant, unlike of a forget set."""
    everything = np.arange(n_samples)
    if given.dtype.kind in "iu" and np.array_equal(np.sort(given.ravel()), everything):
        return everything
    return forget_indices(given, n_samples, name)
