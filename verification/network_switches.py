"""The choices of the published network algorithm, each changed alone, and what theory says of the labels first.

Theory looks at the pretrained network alone: its features are frozen there, so that the head is a linear model (claim
label-free with Φ = Z). What exact arithmetic makes of a formula is evaluated at 50 digits.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

import muso_theory as mt
from muso_theory.arrays import Array
from muso_theory.errors import expected
from muso_theory.linear.labels import subset_size
from muso_theory.methods import HeadCondition, Published, published_head
from muso_theory.methods.head import head_features, head_labels, head_matrix
from muso_theory.methods.published import streamed_subset
from muso_theory.networks import NetworkProblem
from muso_theory.streams import PUBLISHED

__all__ = ["FEW", "SWITCHES", "Frozen", "head_theory", "published", "relabelled"]

SWITCHES: dict[str, dict[str, Any]] = {
    "published (revision 2025-02)": {},
    "float64 inverses": {"precision": "float64"},
    "50-digit inverses": {"precision": "50 digits"},
    "revision 2024-10": {"revision": "2024-10"},
    "revision 2024-10, float64": {"revision": "2024-10", "precision": "float64"},
    "intention of 2024-10": {"revision": "intended"},
    "intention of 2024-10, float64": {"revision": "intended", "precision": "float64"},
    "correct projector": {"revision": "projector", "precision": "float64"},
    "current head": {"head": "current"},
    "without (Z_t − Z_p)w_p": {"feature_shift": False},
    "soft labels": {"labels": "soft"},
    "labels an epoch": {"relabel": "epoch"},
    "uniform subset": {"sampling": "uniform"},
    "subset of all": {"sampling": "uniform", "subset": 1.0},
    "momentum": {"optimizer": "momentum"},
    "SGD": {"optimizer": "gd"},
    "decay 1e-2": {"optimizer": "adamw", "weight_decay": 1e-2},
    "other schedule": {},
    "ε not late": {"ridge_lag": 0},
    "ε = 1e-6": {"ridge": (1e-6, 1e-6)},
    "ε = 1e-2": {"ridge": (1e-2, 1e-2)},
    "ε = 1": {"ridge": (1.0, 1.0)},
}
"""By name, the fields that differ from the published ones. Adam is AdamW without decay: no switch."""

FEW = (
    "published (revision 2025-02)",
    "float64 inverses",
    "revision 2024-10",
    "revision 2024-10, float64",
    "correct projector",
)
"""What also runs where not all do."""


def published(name: str, forgetting: str, seed: int, **settings: Any) -> Published:
    """The published algorithm with one choice changed.

    Args:
        name: of ``SWITCHES``.
        forgetting: a way of `network_scenarios`; a sub-class has the settings of a class.
        seed: of batches and subsets.
        **settings: learning rate and batch size.
    """
    if name not in SWITCHES:
        raise expected("a switch", "switch", name, "unknown", ", ".join(SWITCHES))
    scenario = "random" if forgetting.startswith("random") else "class"
    changes = dict(SWITCHES[name])
    if name == "other schedule":
        changes["schedule"] = "cosine" if scenario == "random" else "constant"
    return Published.of(scenario, seed=seed, **(settings | changes))  # type: ignore[arg-type]


class Frozen:
    """The head as a linear model: what the pretrained network's features are, and the heads between which it moved.

    Args:
        problem: with pretrained parameters.
    """

    def __init__(self, problem: NetworkProblem) -> None:
        self.problem, net = problem, problem.net
        self.Z = head_features(net, problem.pretrained, problem.X).astype(np.float64)
        self.w_init, self.w = (
            head_matrix(net, params).astype(np.float64) for params in (problem.start, problem.pretrained)
        )
        self.classes = problem.targets[problem.forget].argmax(axis=1)

    def subset(self, method: Published) -> Array:
        """Indices of the samples that a method forms its first projector from."""
        retain, rng = self.problem.retain, np.random.default_rng((method.seed, PUBLISHED))
        size = subset_size(method.subset, len(retain), int)
        if method.sampling == "streaming":
            return np.asarray(retain[streamed_subset(len(retain), size, method.batch_size, rng)])
        return np.asarray(retain[rng.permutation(len(retain))[:size]])

    def head(self, method: Published, ridge: float, rows: Array, **changes: Any) -> Array:
        """The head of a method at an ε; with precision and heads changed where asked."""
        Z = self.Z[rows]
        settings: dict[str, Any] = {"revision": method.revision, "precision": method.precision} | changes
        if settings["revision"] == "intended":
            settings["Z_pretrained"] = Z
        start, w = settings.pop("w_init", self.w_init), settings.pop("w", self.w)
        return published_head(Z, start, w, ridge=ridge, **settings)

    def outputs(self, head: Array) -> Array:
        """On F."""
        return np.asarray(self.Z[self.problem.forget] @ head)


def relabelled(frozen: Frozen, method: Published) -> list[float]:
    """Share of F that gets another class than its own, in exact arithmetic, at the first and the last ε."""
    rows = frozen.subset(method)
    ends = (method.ridge_at(0), method.ridge_at(method.epochs - 1))
    heads = (frozen.head(method, ridge, rows, precision="50 digits") for ridge in ends)
    return [float(np.mean(frozen.outputs(head).argmax(axis=1) != frozen.classes)) for head in heads]


def head_theory(frozen: Frozen) -> dict[str, Any]:
    """What theory and certificates say of the labels of claim 5 for the frozen head, from all of R.

    Returns:
        ``condition``, whether they degenerate; ``relabelled``, the share of F to which they give another class;
        the certified verdicts of label-free and of an audit of the labels, with their gap (of float64)
        as a share of doing nothing. The certificates are of the head without the features that are zero on all of R,
        which make H_R singular.
    """
    problem = frozen.problem
    retain, forget = problem.retain, problem.forget
    labels, condition = head_labels(frozen.Z[retain], frozen.Z[forget], frozen.w_init, frozen.w)
    return {
        "relabelled": float(np.mean(labels.argmax(axis=1) != frozen.classes)),
        "wrong before": float(np.mean(frozen.outputs(frozen.w).argmax(axis=1) != frozen.classes)),
        **_told(condition),
        **certified(frozen, labels),
    }


def _told(condition: HeadCondition) -> dict[str, Any]:
    return {
        "rank": condition.rank,
        "joint rank": condition.joint_rank,
        "features": condition.features,
        "degenerate": condition.degenerate,
        "label shift": condition.label_shift,
    }


def certified(frozen: Frozen, labels: Array) -> dict[str, Any]:
    """Verdicts on the head with the data's targets: of the theorem, and of these labels as an artefact."""
    problem = frozen.problem
    live = (frozen.Z[problem.retain] != 0).any(axis=0)
    linear = mt.UnlearningProblem(
        frozen.Z[:, live], problem.targets.astype(np.float64), problem.forget, w_init=frozen.w_init[live]
    )
    report = mt.check(linear, claims=["label-free", "exact-labels"], labels=labels)
    audit = report["exact-labels[labels]"]
    return {
        "label-free": report["label-free"].verdict.name,
        "audit of the labels": audit.verdict.name,
        "own labels": report["exact-labels[output]"].verdict.name,
        "gap of the labels": _share(linear, labels),
    }


def _share(linear: mt.UnlearningProblem, labels: Array) -> float:
    """Gap of labels over that of doing nothing, of the head as a linear model."""
    gap = mt.parameter_gap(linear, labels)
    return float(gap / mt.parameter_gap(linear, linear.targets[linear.forget]))


def summarised(found: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """What `head_theory` said, over seeds."""
    n = len(found)

    def count(key: str, word: Any) -> str:
        return f"{sum(item[key] == word for item in found)} of {n}"

    return {
        "degenerate": count("degenerate", True),
        "label-free VACUOUS": count("label-free", "VACUOUS"),
        "labels REFUTED": count("audit of the labels", "REFUTED"),
        "own labels CERTIFIED": count("own labels", "CERTIFIED"),
    }
