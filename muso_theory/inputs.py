"""From the words of a command to a problem: data, classes, feature map, forget set."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

from .data import Dataset, load, parse_forget
from .errors import expected
from .linear.problem import UnlearningProblem
from .report import Report

__all__ = ["Prepared", "prepare"]

_POOR = 0.1


@dataclass(frozen=True)
class Prepared:
    """A problem and how it came about.

    Args:
        problem: the problem.
        dataset: the data it was made from.
        notes: facts in words for the reader.
        origin: the words of the command that made it, for the report.
    """

    problem: UnlearningProblem
    dataset: Dataset
    notes: tuple[str, ...]
    origin: dict[str, Any]

    def describe(self, report: Report) -> Report:
        """Add to a report where its problem came from.

        Args:
            report: a report about the problem.

        Returns:
            The report with data, options and notes in title, inputs and settings.
        """
        return replace(
            report,
            title=f"{self.dataset.name}: {report.title}",
            inputs={**report.inputs, "data_sha256": self.dataset.sha256, "notes": list(self.notes)},
            settings={**report.settings, "data": self.origin},
        )


def feature_map(name: str, n_features: int, bandwidth: str, seed: int) -> Any:
    """A feature map from its name.

    Args:
        name: identity, gaussian, laplacian, matern, orthogonal or arccos.
        n_features: D.
        bandwidth: "median" or a number as text.
        seed: seed of the random frequencies.

    Returns:
        An unfitted transformer, or None for the identity.

    Raises:
        BadInputError: a bandwidth that is no number.
    """
    from .linear import features

    if name == "identity":
        return None
    if name == "arccos":
        return features.ArcCosineFeatures(n_features=n_features, seed=seed)
    width: float | str = bandwidth
    if bandwidth != "median":
        try:
            width = float(bandwidth)
        except ValueError:
            raise expected(
                "'median' or a number", "bandwidth", bandwidth, "text", "--bandwidth median"
            ) from None
    maps = {
        "gaussian": features.GaussianFeatures,
        "laplacian": features.LaplacianFeatures,
        "matern": features.MaternFeatures,
        "orthogonal": features.OrthogonalFeatures,
    }
    return maps[name](n_features=n_features, bandwidth=width, seed=seed)


def prepare(
    data: str,
    classes: str | None,
    features: str,
    n_features: int,
    bandwidth: str,
    forget: str | None,
    w_init: str,
    seed: int,
    tell: Callable[[str], None],
) -> Prepared:
    """Load data and build the problem that a command speaks about.

    Args:
        data: name, path or ``-``.
        classes: class selection or None.
        features: name of the feature map; a source that brings features takes none.
        n_features: D.
        bandwidth: "median" or a number as text.
        forget: forget specification, or None for the source's own, else a random tenth.
        w_init: "zero" or "normal", unless the source brings w₀.
        seed: seed of everything random.
        tell: progress.

    Returns:
        The problem and its origin.

    Raises:
        BadInputError: whatever the data, the feature map or the problem refuse.
    """
    tell(f"loading {data}")
    dataset = load(data, classes=classes)
    spec = forget or ("column" if dataset.forget is not None else "random:0.1")
    indices, words = parse_forget(spec, dataset, seed)
    if dataset.labels is not None and (dataset.forget is None or indices.tolist() != dataset.forget.tolist()):
        raise expected(
            "the source's own forget set with its labels", "forget", spec, "option", "--forget column"
        )
    transformer = None if dataset.is_features else feature_map(str(features), n_features, bandwidth, seed)
    notes = [f"forget {words}"]
    if transformer is None:
        matrix = dataset.X
        notes.append("features: the input itself")
    else:
        tell("computing features")
        transformer = transformer.fit(dataset.X)
        matrix = transformer.transform(dataset.X)
        notes.append(f"features: {transformer}".replace("\n", " "))
        notes += _approximation(transformer, dataset.X, tell)
    start: Any = dataset.w_init if dataset.w_init is not None else str(w_init)
    problem = UnlearningProblem.from_data(matrix, dataset.y, forget=indices, w_init=start, seed=seed)
    origin = {
        "source": dataset.name,
        "classes": classes,
        "features": "given" if dataset.is_features else str(features),
        "n_features": n_features,
        "bandwidth": bandwidth,
        "forget": spec,
        "w_init": "given" if dataset.w_init is not None else str(w_init),
        "seed": seed,
    }
    return Prepared(problem, dataset, tuple(notes), origin)


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
