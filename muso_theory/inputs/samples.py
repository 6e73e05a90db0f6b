"""Which samples a problem is made of: those that were loaded, that are held out, and that a map is fitted on."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from ..arrays import Array
from ..data import Dataset, load, parse_forget, public_samples, read_artefacts
from ..data.artefacts import Artefacts
from ..errors import expected
from ..former import former
from ..options import USUAL_MAP, Source
from ..rows import taken
from ..streams import TEST
from ..understood import Understood, listed
from .audited import audited, require_same_making
from .maps import MAP_OPTIONS, map_options
from .said import how_forget, require_usual

__all__ = ["Samples", "chosen", "loaded", "rows_held_out", "rows_kept", "said_to_fit"]
former(__name__)


@dataclass(frozen=True, eq=False)
class Samples:
    """The samples of a problem, before a feature map or a network makes anything of them.

    Args:
        dataset: those that are kept.
        X: their inputs, scaled where that was asked for.
        forget: which of them to forget.
        told: what was understood.
        rows: the row of the source that each is.
        fit_on: what a map is fitted on, "retain", "all" or samples.
        where: the same in words, where these are samples.
        fitted_on: what was fitted already, in a word; None where nothing was.
        origin: the words of the source, with the forget set spelt out.
        handed: what a file brings to be audited.
        held_out: inputs and targets of the test samples, where some were asked for.
    """

    dataset: Dataset
    X: Any
    forget: Array
    told: tuple[Understood, ...]
    rows: Array
    fit_on: Any
    where: str
    fitted_on: str | None
    origin: Source
    handed: Artefacts
    held_out: tuple[Any, Any] | None


def chosen(source: Source, net: Any, tell: Callable[[str], None], test: float | None = None) -> Samples:
    """Load samples, say which to forget, hold out test samples, and scale what is left.

    Args:
        net: the network that takes the place of a feature map, or None.
        test: as for `prepare`.

    Raises:
        BadInputError: whatever the data refuse, and options that would change nothing.
    """
    tell(f"loading {source.data}")
    dataset, spec, usual = loaded(source, net)
    if net is not None:  # to which integers are other things: tokens, and numbers of classes
        dataset = replace(dataset, X=dataset.X.astype(np.float64), y=dataset.y.astype(np.float64))
    handed = Artefacts()
    if source.audit is not None:
        handed = read_artefacts(Path(source.audit), dataset.n_samples)
        require_same_making(source, handed, dataset)
        dataset, spec, usual = audited(source, handed, dataset, spec, usual)
    _refuse_idle(source, dataset, net)
    forget, words = parse_forget(spec, dataset, source.seed)
    if dataset.labels is not None and (dataset.forget is None or forget.tolist() != dataset.forget.tolist()):
        raise expected(
            "the source's own forget set with its labels", "forget", spec, "option", "--forget column"
        )
    origin = replace(source, forget=spec if source.forget is None else source.forget)
    told = [*dataset.understood, Understood("forget", words, how_forget(spec, usual), "--forget")]
    if handed.forget is not None and spec == "column":
        of_file = words.replace("given by the data", f"given by {Path(str(source.audit)).name}")
        told[-1] = Understood("forget", of_file, "given", "--audit")
    rows = np.arange(dataset.n_samples)
    held_out: Any = None
    if test is not None:
        kept, out = rows_held_out(test, dataset.n_samples, forget, source.seed)
        held_out = dataset.X[out], dataset.y[out]
        words = f"{len(out)} of {len(rows)} samples, none to forget, held out before anything is fitted"
        told.append(Understood("test", f"{words}; seed {source.seed}", "given", "--test"))
        rows, (dataset, forget) = kept, rows_kept(dataset, forget, kept)
    elif handed.trained_on is not None and len(handed.trained_on) < len(rows):
        kept = handed.trained_on
        words = f"{len(kept)} of {len(rows)} samples, as {Path(str(source.audit)).name} says"
        told.append(Understood("trained on", words, "given", "--audit"))
        rows, (dataset, forget) = kept, rows_kept(dataset, forget, kept)
    fit_on, where = said_to_fit(source.fit_map, dataset)
    X: Any = dataset.X
    # What the map was fitted on as far as the problem cannot know: its X may be features, or scaled already.
    word = "unknown" if dataset.is_features else None
    if source.standardize:
        from sklearn.preprocessing import StandardScaler

        from ..linear.fitting import fitted

        scaler, word, on = fitted(StandardScaler(), X, forget, fit_on)
        X, fit_on = scaler.transform(X), fit_on if isinstance(fit_on, str) else scaler.transform(fit_on)
        held_out = None if held_out is None else (scaler.transform(held_out[0]), held_out[1])
        told.append(Understood("scaling", f"standardised; fitted on {where or on}", "given", "--standardize"))
    return Samples(dataset, X, forget, tuple(told), rows, fit_on, where, word, origin, handed, held_out)


def _refuse_idle(source: Source, dataset: Dataset, net: Any) -> None:
    """Refuse options of a feature map that is not there, or has none of them."""
    if net is not None:
        why = "--network takes the place of a feature map, and begins at its own parameters"
        require_usual(source, ("features", "n_features", "bandwidth", "w_init"), why)
    if dataset.is_features:
        unused = ("features", "n_features", "bandwidth", "standardize")
        require_usual(source, unused, "the data bring their features")
    elif net is None:
        name = source.features or USUAL_MAP
        # The seed is not of the map alone: without one there is still a forget set to draw.
        lacking = {*MAP_OPTIONS} - {*map_options(name), "seed"}
        require_usual(source, sorted(lacking), f"the feature map {name} has none")


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
    parts = {name: taken(a, kept) for name in names if (a := getattr(dataset, name)) is not None}
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


def said_to_fit(fit_map: str, dataset: Dataset) -> tuple[Any, str]:
    """What a map is fitted on: a word, or public samples with what they are."""
    kind, _, file = fit_map.partition(":")
    if kind == "public" and file:
        return public_samples(file, dataset)
    if fit_map not in ("retain", "all"):
        raise expected("retain, all or public:FILE", "fit-map", fit_map, "unknown", "--fit-map retain")
    return fit_map, ""
