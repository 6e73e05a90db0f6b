"""From the words of a command to a problem: data, classes, feature map, forget set."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from math import inf
from sys import float_info
from typing import Any

from .claims.theorems.status import theorem_status
from .data import Dataset, load, parse_forget
from .errors import expected
from .evidence import Evidence, Inequality, Scope, Verdict, round_digits
from .linear.problem import UnlearningProblem
from .numbers import Quantity, UndecidedError
from .options import Source
from .report import Report

__all__ = ["Prepared", "Source", "prepare"]

_POOR = 0.1


@dataclass(frozen=True)
class Prepared:
    """A problem and how it came about.

    Args:
        problem: the problem.
        dataset: the data it was made from.
        notes: facts in words for the reader.
        origin: the words that made it, with the forget set spelt out.
        precision: how far its float features are from their map, or None when nobody asked.
    """

    problem: UnlearningProblem
    dataset: Dataset
    notes: tuple[str, ...]
    origin: Source
    precision: Evidence | None = None

    @property
    def audited(self) -> dict[str, Any]:
        """What the source brings to be audited, as keywords of ``check``."""
        names = ("labels", "w_unlearned", "w_pretrained")
        return {name: getattr(self.dataset, name) for name in names}

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


def feature_map(source: Source) -> Any:
    """The feature map that the words name.

    Args:
        source: names it, with its number of features, bandwidth and seed.

    Returns:
        An unfitted transformer, or None for the identity.

    Raises:
        BadInputError: a bandwidth that is no number.
    """
    from .linear import features

    common: dict[str, Any] = {"n_features": source.n_features, "seed": source.seed}
    if source.features == "identity":
        return None
    if source.features not in ("gaussian", "laplacian", "matern", "orthogonal", "arccos"):
        raise expected("a feature map", "features", source.features, "unknown", "gaussian")
    if source.features == "arccos":
        return features.ArcCosineFeatures(**common)
    width: float | str = source.bandwidth
    if width != "median":
        try:
            width = float(width)
        except ValueError:
            raise expected("'median' or a number", "bandwidth", width, "text", "--bandwidth median") from None
    maps = {
        "gaussian": features.GaussianFeatures,
        "laplacian": features.LaplacianFeatures,
        "matern": features.MaternFeatures,
        "orthogonal": features.OrthogonalFeatures,
    }
    return maps[source.features](bandwidth=width, **common)


def prepare(source: Source, tell: Callable[[str], None] = lambda line: None) -> Prepared:
    """Load data and build the problem that a command speaks about.

    Args:
        source: where the data come from and what to do with them.
        tell: progress.

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
    dataset = load(source.data, classes=source.classes)
    notes = []
    if net is not None and net.n_out == 1 and source.classes is None and len(dataset.classes) > 2:
        dataset = load(source.data, classes="odd-even")
        notes.append("task: odd against even classes, as the network has one output")
    spec = source.forget
    if spec is None:
        spec = "random:0.1" if dataset.forget is None else "column"
    indices, words = parse_forget(spec, dataset, seed)
    if dataset.labels is not None and (dataset.forget is None or indices.tolist() != dataset.forget.tolist()):
        raise expected(
            "the source's own forget set with its labels", "forget", spec, "option", "--forget column"
        )
    notes.append(f"forget {words}")
    X: Any = dataset.X
    if source.standardize and not dataset.is_features:
        from sklearn.preprocessing import StandardScaler

        X = StandardScaler().fit_transform(X)
        notes.append("every input column standardised to mean 0 and standard deviation 1")
    if net is not None:
        tell("linearising the network")
        general = theorem_status("linearised-network")
        notes.append(f"network {source.network}: {net.n_params} parameters, linearised; seed {seed}")
        notes.append(
            f"claim linearised-network: {general.status} in general, certificate {general.hash[:16]}"
        )
        problem = UnlearningProblem.from_network(net, params, X, dataset.y, forget=indices)
        held = "its Gram only, the empirical NTK" if problem.tangent.by_gram else "the Jacobian itself"
        notes.append(f"features: the tangent at these parameters in floats, used through {held}")
        return Prepared(problem, dataset, tuple(notes), replace(source, forget=spec))
    transformer = None if dataset.is_features else feature_map(source)
    if transformer is None:
        matrix = X
        notes.append("features: the input itself")
    else:
        tell("computing features")
        transformer = transformer.fit(X)
        matrix = transformer.transform(X)
        notes.append(_described(source.features, transformer, source.bandwidth))
        notes += _approximation(transformer, X, tell)
    start: Any = dataset.w_init if dataset.w_init is not None else source.w_init
    problem = UnlearningProblem.from_data(matrix, dataset.y, forget=indices, w_init=start, seed=seed)
    precision = None
    if source.features_precision is not None:
        if dataset.is_features:
            raise expected(
                "a feature map to evaluate again", "features", "data", dataset.name, "data with X in it"
            )
        precision = _precision(transformer, X, problem, source.features_precision, tell)
    return Prepared(problem, dataset, tuple(notes), replace(source, forget=spec), precision)


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


def _precision(
    transformer: Any, X: Any, problem: UnlearningProblem, digits: int, tell: Callable[[str], None]
) -> Evidence:
    """Evidence about the feature map itself: how far the float features are from it, and what survives that."""
    from .linear import precise
    from .linear.features import IdentityFeatures

    if transformer is None:
        transformer = IdentityFeatures().fit(X)
    seconds = precise.estimated_seconds(transformer, problem.n_samples, digits)
    words = f"features at {digits} digits, about {seconds:.2g} s in all"
    tell(words)
    error = precise.feature_error(
        transformer, X, problem.features, digits, lambda line: tell(f"{words}: {line}")
    )
    findings = [_finite("‖Φ̂ − Φ‖_F", error.frobenius)]
    needs = ""
    try:
        found = precise.perturbation(problem, error)
    except UndecidedError as obstacle:
        needs = f"verified float64: {obstacle}"
        unknown = Quantity.enclosure(-inf, inf)
        findings.append(Inequality(_MARGIN, unknown, positive=True))
    else:
        findings += [
            Inequality(_MARGIN, found.margin, positive=True),
            _finite("‖w_r(Φ̂) − w_r(Φ)‖", found.parameters),
            _finite("‖Φ̂_F w_r(Φ̂) − Φ_F w_r(Φ)‖", found.labels),
        ]
        if found.margin.lower <= 0:
            needs = "more digits, or features of higher precision"
    facts = [
        f"every entry of {error.rows} rows enclosed at {digits} digits",
        f"no entry off by more than {round_digits(error.largest.bound, up=True)}",
        *(str(finding) for finding in findings[1:]),
    ]
    evidence = Evidence(
        "feature-precision",
        Scope.INSTANCE,
        tuple(findings),
        "ball, verified float64",
        is_condition=True,
        needs=needs,
        facts=tuple(facts),
    )
    meaning = {
        Verdict.CERTIFIED: "The feature map's own Φ has full rank too; its parameters and labels differ by no more.",
        Verdict.UNDECIDED: "All else is about the float matrix Φ̂; of the feature map's own Φ nothing is proved.",
    }.get(evidence.verdict, "The float features are too far from their map: nothing carries over to it.")
    return replace(evidence, meaning=meaning)


_MARGIN = "σ_min(Φ̂) − ‖Φ̂ − Φ‖_F"
"""Where positive, a lower bound of σ_min(Φ)."""


def _finite(what: str, quantity: Quantity) -> Inequality:
    """A bound worth having whatever its size: held only against being finite."""
    return Inequality(what, quantity, bar=float_info.max, unit_of="any finite number")


def _described(name: str, transformer: Any, bandwidth: str) -> str:
    """The feature map with the numbers that it found out, such as the median bandwidth."""
    words = f"features: {name}, D = {transformer.n_features}"
    if hasattr(transformer, "bandwidth_"):
        words += f", bandwidth {transformer.bandwidth_:.6g}" + (" (median)" if bandwidth == "median" else "")
    return f"{words}, seed {transformer.seed}"


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
