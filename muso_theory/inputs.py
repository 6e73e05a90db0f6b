"""From the words of a command to a problem: data, classes, feature map, forget set."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np

from .arguments import checked
from .claims.theorems.status import theorem_status
from .data import Choices, Dataset, Table, frame_dataset, frame_samples, load, parse_forget, public_samples
from .errors import expected, nearest
from .evidence import Evidence
from .linear.problem import Array, UnlearningProblem
from .machine import memory
from .options import Source
from .precision import feature_precision
from .report import Report
from .understood import How, Understood

__all__ = ["Prepared", "Source", "from_frame", "prepare"]

_POOR = 0.1
_TEST_STREAM = 11


@dataclass(frozen=True)
class Prepared:
    """A problem and how it came about.

    Args:
        problem: the problem.
        dataset: the data it was made from.
        notes: facts in words for the reader.
        origin: the words that made it, with the forget set spelt out.
        precision: how far its float features are from their map, or None when nobody asked.
        test: share of samples that was held out, or None when nobody asked.
        held_out: features and targets of these test samples.
        rows: the row of the source that each sample of the problem is.
    """

    problem: UnlearningProblem
    dataset: Dataset
    notes: tuple[str, ...]
    origin: Source
    precision: Evidence | None = None
    test: float | None = None
    held_out: tuple[Array, Array] | None = None
    rows: Array | None = None

    @property
    def audited(self) -> dict[str, Any]:
        """What the source brings to be audited, as keywords of ``check``."""
        names = ("labels", "w_unlearned", "w_pretrained")
        found = {name: getattr(self.dataset, name) for name in names}
        if (
            found["labels"] is not None and self.dataset.X.ndim == 3
        ):  # outputs of a sample are rows of the problem
            found["labels"] = found["labels"].ravel()
        return found

    def by_sample(self, labels: Array) -> tuple[Array, Array]:
        """Forget samples and their labels as the source has them: with Jacobians, one row of k labels a sample.

        Args:
            labels: one a forget row of the problem.

        Returns:
            Indices of samples, and their labels.
        """
        if self.dataset.X.ndim == 2:
            return self.problem.forget, labels
        k = self.dataset.X.shape[1]
        return self.problem.forget[::k] // k, labels.reshape(-1, k)

    def describe(self, report: Report) -> Report:
        """Add to a report where its problem came from.

        Args:
            report: a report about the problem.

        Returns:
            The report with data, options and notes in title, inputs and settings, and evidence about the precision
            of the features where that was asked for.
        """
        extra = {} if self.precision is None else {self.precision.claim: self.precision}
        return replace(
            report,
            evidence={**extra, **report.evidence},
            title=f"{self.dataset.name}: {report.title}",
            inputs={**report.inputs, "data_sha256": self.dataset.sha256, "notes": list(self.notes)},
            settings={**report.settings, "source": asdict(self.origin)},
        )


@checked
def from_frame(
    frame: Any,
    *,
    target: str | int | None = None,
    task: str | None = None,
    drop: Sequence[str | int] = (),
    columns: Sequence[str | int] = (),
    index: str | int | None = None,
    forget: Any = None,
    feature_map: Any = "gaussian",
    fit_map: Any = "retain",
    w_init: Any = None,
    dense: bool = False,
    seed: int = 0,
) -> UnlearningProblem:
    """Build a problem from a pandas data frame, with the names and defaults of the command line.

    Args:
        frame: features, target and, if it has one, a column ``forget``.
        target: the target column; None looks for one that is named like it, else takes the last.
        task: "regression" or "classification"; None infers it. ``problem.understood`` tells what was inferred.
        drop: columns that are no features.
        columns: the feature columns, when not all of them.
        index: the column that names the samples.
        forget: a column of yes and no, a specification such as "class:7" or "random:0.1", a mask or row numbers from 0;
            None is the column ``forget``, else "random:0.1".
        feature_map: a name as in ``--features``, a scikit-learn transformer, or None for the columns themselves.
        fit_map: what to fit it on: "retain", "all", "public:FILE", or public samples as a frame or an array.
        w_init: None assumes zero; "zero", "normal" or an array.
        dense: fill in the zeros of sparse columns.
        seed: of the named feature maps, of w₀ and of the forget set.

    Returns:
        The problem.

    Raises:
        BadInputError: no data frame, and whatever `frame_dataset` and the problem refuse.

    Example:
        >>> import pandas as pd
        >>> frame = pd.DataFrame({"id": [7, 8, 9], "a": [1.0, 2.0, 4.0], "y": [0.5, 1.5, 2.5]})
        >>> problem = from_frame(frame, forget=[2], feature_map=None)
        >>> problem.features.tolist(), problem.targets.tolist()
        ([[1.0], [2.0], [4.0]], [0.5, 1.5, 2.5])
        >>> next(row.value for row in problem.understood if row.word == "dropped")
        'id (an identifier)'
    """
    if not (hasattr(frame, "iloc") and hasattr(frame, "columns")):
        hint = (
            "frame.to_pandas()" if hasattr(frame, "to_pandas") else "UnlearningProblem.from_data for arrays"
        )
        raise expected("a pandas data frame", "frame", type(frame).__name__, "another type", hint)
    named = isinstance(forget, str) and forget in frame.columns
    choices = Choices(
        None if target is None else str(target),
        task,
        tuple(map(str, drop)),
        tuple(map(str, columns)),
        None if index is None else str(index),
        forget if named else None,
        dense=dense,
    )
    dataset = frame_dataset(Table("the frame", frame, lambda row: f"row {row}, counted from 0"), "", choices)
    spec: Any = "column" if named else forget
    if spec is None:
        spec = "random:0.1" if dataset.forget is None else "column"
    indices, words = parse_forget(spec, dataset, seed) if isinstance(spec, str) else (spec, "")
    where = ""
    if isinstance(fit_map, str):
        fit_map, where = _samples(fit_map, dataset)
    elif hasattr(fit_map, "iloc"):
        public = Table("the public frame", fit_map, lambda row: f"row {row}, counted from 0")
        fit_map = frame_samples(public, dataset.columns, dense)
    transformer = (
        _named_map(feature_map, 5000, "median", seed) if isinstance(feature_map, str) else feature_map
    )
    problem = UnlearningProblem.from_data(
        dataset.X,
        dataset.y,
        forget=indices,
        feature_map=transformer,
        fit_map=fit_map,
        w_init=w_init,
        seed=seed,
    )
    how: How = "default" if forget is None else "given"
    told = [*dataset.understood, *([Understood("forget", words, how, "--forget")] if words else [])]
    return problem.telling(
        *told, *([Understood("map fitted on", where, "given", "--fit-map")] if where else [])
    )


def _named_map(name: str, n_features: int, bandwidth: str, seed: int) -> Any:
    """The unfitted feature map of a name; None for the identity."""
    from .linear import features
    from .linear.feature_map import check_integer

    common: dict[str, Any] = {"n_features": check_integer("n_features", n_features, 1), "seed": seed}
    maps: dict[str, Any] = {
        "gaussian": features.GaussianFeatures,
        "laplacian": features.LaplacianFeatures,
        "matern": features.MaternFeatures,
        "orthogonal": features.OrthogonalFeatures,
        "arccos": features.ArcCosineFeatures,
        "identity": None,
    }
    if name not in maps:
        raise expected("a feature map", "features", name, "unknown", nearest(name, maps))
    made = maps[name]
    if made is None or name == "arccos":
        return made and made(**common)
    width: float | str = bandwidth
    if width != "median":
        try:
            width = float(width)
        except ValueError:
            raise expected("'median' or a number", "bandwidth", width, "text", "--bandwidth median") from None
    return made(bandwidth=width, **common)


def prepare(
    source: Source, tell: Callable[[str], None] = lambda line: None, *, test: float | None = None
) -> Prepared:
    """Load data and build the problem that a command speaks about.

    Args:
        source: where the data come from and what to do with them.
        tell: progress.
        test: share of the samples not to be forgotten that is held out before anything is fitted; None holds out
            nothing.

    Returns:
        The problem and its origin.

    Raises:
        BadInputError: whatever the data, the feature map or the problem refuse.
    """
    if source.features_precision is not None:
        from .linear.precise import check_digits

        check_digits(source.features_precision)
    seed = source.seed
    if seed < 0:
        raise expected("a non-negative integer", "seed", seed, type(seed).__name__, "0")
    tell(f"loading {source.data}")
    net, params = (None, None) if source.network is None else _network(source.network, seed)
    dataset, spec, usual = _loaded(source, net)
    if net is not None:
        _require_usual(
            source, ("features", "n_features", "bandwidth"), "--network takes the place of a feature map"
        )
    if dataset.is_features:
        unused = ("features", "n_features", "bandwidth", "standardize")
        _require_usual(source, unused, "the data bring their features")
    indices, words = parse_forget(spec, dataset, seed)
    if dataset.labels is not None and (dataset.forget is None or indices.tolist() != dataset.forget.tolist()):
        raise expected(
            "the source's own forget set with its labels", "forget", spec, "option", "--forget column"
        )
    from .linear.fitting import fitted

    origin = replace(source, forget=spec if source.forget is None else source.forget)
    told = [
        *dataset.understood,
        Understood("forget", words, "default" if spec == usual else "given", "--forget"),
    ]
    rows = np.arange(dataset.n_samples)
    unseen: Any = None
    if test is not None:
        kept, out = _held_out(test, dataset.n_samples, indices, seed)
        unseen, unseen_y = dataset.X[out], dataset.y[out]
        words = f"{len(out)} of {len(rows)} samples, none to forget, held out before anything is fitted"
        told.append(Understood("test", f"{words}; seed {seed}", "given", "--test"))
        rows, indices = kept, np.searchsorted(kept, indices)
        names = ("X", "y", "target_class", "groups")
        parts = {name: a[kept] for name in names if (a := getattr(dataset, name)) is not None}
        dataset = replace(dataset, **parts, forget=None if dataset.forget is None else indices)
    samples, where = _samples(source.fit_map, dataset)
    X: Any = dataset.X
    scaled = source.standardize
    # What the map was fitted on as far as the problem cannot know: its X may be features, or scaled already.
    word = "unknown" if dataset.is_features else None
    if scaled:
        from sklearn.preprocessing import StandardScaler

        scaler, word, on = fitted(StandardScaler(), X, indices, samples)
        X, samples = scaler.transform(X), samples if isinstance(samples, str) else scaler.transform(samples)
        unseen = None if unseen is None else scaler.transform(unseen)
        told.append(Understood("scaling", f"standardised; fitted on {where or on}", "given", "--standardize"))
    if net is not None:
        tell("linearising the network")
        problem = UnlearningProblem.from_network(net, params, X, dataset.y, forget=indices)
        if word is None and not str(source.network).endswith(".npz"):
            word = "nothing"  # the parameters were drawn here
        problem = problem.telling(*told, map_fitted_on=word)
        return Prepared(problem, dataset, tuple(_network_notes(source, net, problem)), origin)
    transformer = (
        None
        if dataset.is_features
        else _named_map(source.features or "gaussian", source.n_features, source.bandwidth, seed)
    )
    approximates = transformer is not None
    if approximates and 8 * X.shape[0] * source.n_features > (most := memory()):
        what = f"features of at most {most:,} bytes, the memory of this machine,"
        got = f"for {X.shape[0]} samples"
        raise expected(what, "n-features", source.n_features, got, "--n-features 5000")
    if transformer is None and scaled:
        from .linear.features import IdentityFeatures

        transformer = IdentityFeatures()
    tell("computing features")
    problem = UnlearningProblem.from_data(
        X,
        dataset.y,
        forget=indices,
        feature_map=transformer,
        fit_map=samples,
        w_init=source.w_init if dataset.w_init is None else dataset.w_init,
        seed=seed,
    )
    notes = _approximation(problem.feature_map, X, tell) if approximates else []
    precision = None
    if source.features_precision is not None:
        if dataset.is_features:
            raise expected(
                "a feature map to evaluate again", "features", "data", dataset.name, "data with X in it"
            )
        precision = feature_precision(problem.feature_map, X, problem, source.features_precision, tell)
    problem = problem.telling(*told, *_decided(source, problem, where), map_fitted_on=word)
    held_out = None
    if unseen is not None:
        made = problem.feature_map
        unseen = unseen if made is None else np.asarray(made.transform(unseen))
        if unseen.ndim == 3:  # outputs of a sample are rows
            unseen, unseen_y = unseen.reshape(-1, unseen.shape[-1]), unseen_y.ravel()
        held_out = (unseen, unseen_y)
    return Prepared(problem, dataset, tuple(notes), origin, precision, test, held_out, rows)


def _held_out(test: float, n: int, forget: Array, seed: int) -> tuple[Array, Array]:
    """Sorted rows that are kept and rows that are held out; what is to be forgotten was trained on, and is kept."""
    if isinstance(test, bool) or not isinstance(test, int | float) or not 0 < test < 1:
        raise expected("a fraction in (0, 1)", "test", test, type(test).__name__, "--test 0.2")
    retain = np.setdiff1d(np.arange(n), forget)
    size = round(test * len(retain))
    if not 0 < size < len(retain):
        what = f"a fraction that leaves some of {len(retain)} samples on both sides"
        raise expected(what, "test", test, f"{size} held out", "--test 0.5")
    # A stream of its own: the same seed draws the forget set and the features.
    out = np.sort(np.random.default_rng((seed, _TEST_STREAM)).choice(retain, size, replace=False))
    return np.setdiff1d(np.arange(n), out), out


def _loaded(source: Source, net: Any) -> tuple[Dataset, str, str]:
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


_CHOICES = ("target", "task", "drop", "columns", "index", "sheet", "encoding", "dense")
"""Words of a source that say what is what in a file."""


def _samples(fit_map: str, dataset: Dataset) -> tuple[Any, str]:
    """What a map is fitted on: a word, or public samples with what they are."""
    kind, _, file = fit_map.partition(":")
    if kind == "public" and file:
        return public_samples(file, dataset)
    if fit_map not in ("retain", "all"):
        raise expected("retain, all or public:FILE", "fit-map", fit_map, "unknown", "--fit-map retain")
    return fit_map, ""


def _decided(source: Source, problem: UnlearningProblem, where: str) -> list[Understood]:
    """What the problem understood, with how a command decided it."""
    plain, rows = Source(""), []
    names = {"map": ("features", "n_features", "bandwidth", "seed"), "map fitted on": ("fit_map",)}
    for row in problem.understood:
        if row.word in names:
            usual = all(getattr(source, name) == getattr(plain, name) for name in names[row.word])
            value = where if where and row.word == "map fitted on" else row.value
            row = replace(row, value=value, how="default" if usual else "given")
            rows.append(row)
    return rows


def _require_usual(source: Source, names: Sequence[str], why: str) -> None:
    """Refuse options that would change nothing, and so promise what is not done."""
    for name in names:
        value = getattr(source, name)
        if value != getattr(Source(""), name):
            option = f"--{name.replace('_', '-')}"
            raise expected("no option about a feature map", option, value, why, f"leaving {option} out")


def _network(words: str, seed: int) -> tuple[Any, Any]:
    """A network and its parameters: from a file, or built and initialised from ``mlp:SIZES:ACTIVATION``."""
    from . import networks

    if words.endswith(".npz"):
        return networks.load(words)
    kind, _, rest = words.partition(":")
    sizes, _, activation = rest.partition(":")
    try:
        widths = [int(size) for size in sizes.split("-")]
    except ValueError:
        widths = []
    if kind != "mlp" or len(widths) < 2:
        what = "a network such as mlp:64-256-1:erf or an .npz file"
        raise expected(what, "network", words, "text", "mlp:64-256-1:erf")
    net = networks.mlp(widths, activation=activation or "relu", parameterization="ntk")
    return net, net.init(seed)


def _network_notes(source: Source, net: Any, problem: UnlearningProblem) -> list[str]:
    """What a linearised network is, in words."""
    general = theorem_status("linearised-network")
    held = "its Gram only, the empirical NTK" if problem.tangent.by_gram else "the Jacobian itself"
    return [
        f"network {source.network}: {net.n_params} parameters, linearised; seed {source.seed}",
        f"claim linearised-network: {general.status} in general, certificate {general.hash[:16]}",
        f"features: the tangent at these parameters in floats, used through {held}",
    ]


def _approximation(transformer: Any, X: Any, tell: Callable[[str], None]) -> list[str]:
    """How well the features approximate their kernel: a poor approximation is a failure signature."""
    from .linear.approximation import kernel_approximation

    tell("comparing features with their kernel")
    (row,) = kernel_approximation(
        transformer, X, n_features=(transformer.n_features,), repeats=1, threshold=_POOR, max_samples=300
    )
    judgement = "poor: results speak of these features, not of the kernel" if row.poor else "good"
    return [
        f"kernel approximation {judgement} (relative spectral error {row.spectral_error:.2g}, "
        f"alignment {row.alignment:.4f}, on {row.n_samples} samples)"
    ]
