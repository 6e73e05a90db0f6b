"""From the words of a command to a problem: data, classes, feature map, forget set."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from ..arrays import Array
from ..checking.report import Report
from ..data import Dataset, read_start
from ..errors import check_integer, expected
from ..evidence import Evidence
from ..linear.fitting import ruling
from ..linear.problem import UnlearningProblem
from ..machine import memory
from ..options import USUAL_MAP, Source
from ..precision import feature_precision
from ..understood import Understood
from .audited import making, require_fit
from .maps import (
    approximation,
    built_network,
    map_options,
    named_map,
    network_inputs,
    network_notes,
)
from .said import decided
from .samples import Samples, chosen

__all__ = ["Prepared", "prepare"]


@dataclass(frozen=True, eq=False)
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
    def made_with(self) -> str:
        """What parameters or labels of this problem are made with, as JSON: to be kept beside them."""
        return json.dumps({"data": self.dataset.sha256, **making(self.origin)}, ensure_ascii=False)

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
        """Forget samples and their labels as the source has them: with Jacobians, one row of k labels a sample."""
        if self.dataset.X.ndim == 2:
            return self.problem.forget, labels
        k = self.dataset.X.shape[1]
        return self.problem.forget[::k] // k, labels.reshape(-1, k)

    def describe(self, report: Report) -> Report:
        """Add to a report where its problem came from: data, options, notes, and if asked the features' precision."""
        extra = {} if self.precision is None else {self.precision.claim: self.precision}
        return replace(
            report,
            evidence={**extra, **report.evidence},
            title=f"{self.dataset.name}: {report.title}",
            inputs={**report.inputs, "data_sha256": self.dataset.sha256, "notes": list(self.notes)},
            settings={**report.settings, "source": asdict(self.origin)},
        )


def prepare(
    source: Source, tell: Callable[[str], None] = lambda line: None, *, test: float | None = None
) -> Prepared:
    """Load data and build the problem that a command speaks about.

    Args:
        test: share of the samples not to be forgotten that is held out before anything is fitted; None holds out
            nothing.

    Raises:
        BadInputError: whatever the data, the feature map or the problem refuse.
    """
    if source.features_precision is not None:
        from ..linear.precise import check_digits

        check_digits(source.features_precision)
    seed = check_integer("seed", source.seed)
    net, params = (None, []) if source.network is None else built_network(source.network, seed)
    samples = chosen(source, net, tell, test)
    dataset, X, handed, where, told = (
        samples.dataset,
        samples.X,
        samples.handed,
        samples.where,
        list(samples.told),
    )
    word, name, scaled = samples.fitted_on, source.features or USUAL_MAP, source.standardize
    if net is not None:
        from ..networks import from_network

        tell("linearising the network")
        problem = from_network(
            net,
            params,
            network_inputs(X, net, str(source.network), dataset.image),
            dataset.y,
            forget=samples.forget,
        )
        if word is None and not str(source.network).endswith(".npz"):
            word = "nothing"  # the parameters were drawn here
        problem = problem.telling(*told, map_fitted_on=word)
        return Prepared(problem, dataset, tuple(network_notes(source, net, problem)), samples.origin)
    transformer = None if dataset.is_features else named_map(name, source.n_features, source.bandwidth, seed)
    # A map of a chosen size draws its features, whose kernel they approximate.
    approximates = transformer is not None and "n_features" in map_options(name)
    if transformer is not None and not scaled and (widest := ruling(X, dataset.columns)):
        told.append(Understood("scale", widest, "inferred", "--standardize"))
    if approximates and 8 * X.shape[0] * source.n_features > (most := memory()):
        what = f"features of at most {most:,} bytes, the memory of this machine,"
        got = f"for {X.shape[0]} samples"
        raise expected(what, "n-features", source.n_features, got, "--n-features 5000")
    if transformer is None and scaled:
        from ..linear.features import IdentityFeatures

        transformer = IdentityFeatures()
    if source.audit is not None and (approximates or transformer is None):
        require_fit(dataset, X.shape[-1] if transformer is None else source.n_features, str(source.audit))
    tell("computing features")
    problem = UnlearningProblem.from_data(
        X,
        dataset.y,
        forget=samples.forget,
        task=None if dataset.y.ndim > 1 else "regression",  # the reader has decided and encoded them
        feature_map=transformer,
        fit_map=samples.fit_on,
        w_init=_start(source, dataset),
        seed=seed,
    )
    notes = approximation(problem.feature_map, X, tell) if approximates else []
    precision = None
    if source.features_precision is not None:
        if dataset.is_features:
            raise expected(
                "a feature map to evaluate again", "features", "data", dataset.name, "data with X in it"
            )
        precision = feature_precision(problem.feature_map, X, problem, source.features_precision, tell)
    told += decided(source, problem, where)
    if dataset.is_features:
        words = "none: the features came as they are; what they were fitted on is unknown"
        told.append(Understood("map", words, "given", "features"))
    if source.w_init not in (None, "zero", "normal") and dataset.w_init is None:
        told.append(Understood("w₀", f"the array of {Path(str(source.w_init)).name}", "given", "--w-init"))
    elif handed.w_init is not None:
        told.append(Understood("w₀", f"w_init of {Path(str(source.audit)).name}", "given", "--audit"))
    problem = problem.telling(*told, map_fitted_on=word)
    return Prepared(
        problem,
        dataset,
        tuple(notes),
        samples.origin,
        precision,
        test,
        _held_out(samples, problem.feature_map),
        samples.rows,
    )


def _held_out(samples: Samples, made: Any) -> tuple[Array, Array] | None:
    """Features and targets of the test samples."""
    if samples.held_out is None:
        return None
    unseen, targets = samples.held_out
    unseen = unseen if made is None else np.asarray(made.transform(unseen))
    if unseen.ndim == 3:  # outputs of a sample are rows
        return unseen.reshape(-1, unseen.shape[-1]), targets.ravel()
    return unseen, targets


def _start(source: Source, dataset: Dataset) -> Any:
    """w₀ as the data bring it, as a word, or from a file."""
    word = source.w_init
    if dataset.w_init is not None:
        if word is not None and source.audit is not None:
            got = f"beside w_init of {Path(source.audit).name}"
            raise expected("one w₀", "w-init", word, got, "leaving out --w-init")
        return dataset.w_init
    return word if word in (None, "zero", "normal") else read_start(word)
