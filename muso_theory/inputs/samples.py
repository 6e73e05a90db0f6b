"""Which samples a problem is made of: those that were loaded, that are held out, and that a map is fitted on."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np

from ..arrays import Array
from ..data import Dataset, load, public_samples
from ..errors import expected
from ..options import Source
from ..streams import TEST
from ..understood import listed

__all__ = ["loaded", "rows_held_out", "rows_kept", "samples_to_fit"]


_CHOICES = ("target", "task", "drop", "columns", "index", "sheet", "encoding", "dense")
"""Words of a source that say what is what in a file."""


def loaded(source: Source, net: Any) -> tuple[Dataset, str, str]:
    """The data set, its forget specification and the usual one; a network of one output gets odd against even."""
    spec, choices = source.forget, {name: getattr(source, name) for name in _CHOICES}
    kind, _, column = (spec or "").partition(":")
    if kind == "column" and column:
        spec, choices["forget"] = "column", column
    dataset = load(source.data, classes=source.classes, **choices)
    if net is not None and net.n_out == 1 and source.classes is None and len(dataset.classes) > 2:
        # A regression has no classes, so that its targets are never split by their parity.
        dataset = load(source.data, classes="odd-even", **choices)
        words = "odd against even classes, as the network has one output"
        rows = (
            replace(r, value=words, how="inferred") if r.word == "task" else r for r in dataset.understood
        )
        dataset = replace(dataset, understood=tuple(rows))
    usual = "random:0.1" if dataset.forget is None else "column"
    return dataset, usual if spec is None else spec, usual


def rows_kept(dataset: Dataset, indices: Array, kept: Array) -> tuple[Dataset, Array]:
    """Some rows of a data set, with the forget set counted among them."""
    missing = np.setdiff1d(indices, kept)
    if missing.size:
        what, got = "forget rows among those that were trained on", f"rows {listed(missing.tolist(), 6)}"
        raise expected(what, "forget", got, "were not trained on", "the forget set that was unlearned")
    indices = np.searchsorted(kept, indices)
    names = ("X", "y", "target_class", "groups")
    parts = {name: a[kept] for name in names if (a := getattr(dataset, name)) is not None}
    return replace(dataset, **parts, forget=None if dataset.forget is None else indices), indices


def rows_held_out(test: float, n: int, forget: Array, seed: int) -> tuple[Array, Array]:
    """Sorted rows that are kept and rows that are held out; what is to be forgotten was trained on, and is kept."""
    if isinstance(test, bool) or not isinstance(test, int | float) or not 0 < test < 1:
        raise expected("a fraction in (0, 1)", "test", test, type(test).__name__, "--test 0.2")
    retain = np.setdiff1d(np.arange(n), forget)
    size = round(test * len(retain))
    if not 0 < size < len(retain):
        what = f"a fraction that leaves some of {len(retain)} samples on both sides"
        raise expected(what, "test", test, f"{size} held out", "--test 0.5")
    # A stream of its own: the same seed draws the forget set and the features.
    out = np.sort(np.random.default_rng((seed, TEST)).choice(retain, size, replace=False))
    return np.setdiff1d(np.arange(n), out), out


def samples_to_fit(fit_map: str, dataset: Dataset) -> tuple[Any, str]:
    """What a map is fitted on: a word, or public samples with what they are."""
    kind, _, file = fit_map.partition(":")
    if kind == "public" and file:
        return public_samples(file, dataset)
    if fit_map not in ("retain", "all"):
        raise expected("retain, all or public:FILE", "fit-map", fit_map, "unknown", "--fit-map retain")
    return fit_map, ""
