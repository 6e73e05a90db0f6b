"""Unlearned models as a distribution: likelihood-ratio attacks and KLoM over models that differ in their seed alone.

The data, the split and the forget samples are fixed; a point is one seed of initial parameters and batches. It holds,
for every method, the logit confidences of the unlearned network on the forget samples, and those of three retrained
networks: the one from the same initial parameters, which is scored like a method and so is the null, and two from
initial parameters of their own, from which the retrained distribution is estimated.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from muso_theory.arrays import Array
from muso_theory.evaluation import klom, likelihood_ratio, logit_confidence, roc
from muso_theory.networks.training import DivergedError

from .network_scenarios import trained
from .tables import mean_sd

__all__ = ["measure_margins", "summarise_margins"]

SPLIT = 0
"""Seed of the data, the same for all models."""
_FEWEST = 3
"""Fewest models of a method that are compared with retrained ones."""


def _margins(found: Any, params: Sequence[Array]) -> list[float]:
    """Logit confidences on the forget samples, to the digits that float32 networks have."""
    problem = found.problem
    values = logit_confidence(
        problem.outputs(params, problem.forget), problem.targets[problem.forget].argmax(axis=1)
    )
    return [float(f"{value:.6g}") for value in values]


def measure_margins(
    network: str, forgetting: str, seed: int, models: str, methods: Mapping[str, Callable[..., Any]]
) -> dict[str, Any]:
    """One seed of the models.

    Args:
        seed: of initial parameters and batches.
    """
    try:
        found = trained(models, network, forgetting, SPLIT, model_seed=seed)
        others = [
            trained(models, network, forgetting, SPLIT, model_seed=1000 + 2 * seed + i) for i in range(2)
        ]
    except DivergedError as problem:
        return {"diverged": True, "reason": str(problem)}
    done: dict[str, list[float] | None] = {}
    for name, method in methods.items():
        try:
            with np.errstate(all="ignore"):  # a diverging method overflows before it is stopped
                done[name] = _margins(found, method(found.problem))
        except DivergedError:
            done[name] = None
    peers = [_margins(other, other.problem.retrained) for other in others]
    return {"diverged": False, "methods": done, "retrained": peers}


def summarise_margins(results: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Attack and divergence of every method, beside their nulls.

    The likelihood-ratio attack asks of each forget sample whether the model at hand was unlearned or retrained. It is
    told everything: the shadow models are all unlearned and retrained ones of the other seeds. Its AUC is taken for one
    seed at a time, samples of the unlearned model against the same samples of a retrained one.
    """
    groups: dict[tuple[str, str], list[Mapping[str, Any]]] = {}
    for item in results:
        if not item["diverged"]:
            groups.setdefault((item["network"], item["forgetting"]), []).append(item)
    rows = []
    for (network, forgetting), items in groups.items():
        for name in items[0]["methods"]:
            good = [item for item in items if item["methods"][name] is not None]
            row: dict[str, Any] = {"network": network, "forgetting": forgetting, "method": name}
            row |= {"runs": len(items), "diverged": len(items) - len(good)}
            rows.append(row | (_compare(name, good) if len(good) >= _FEWEST else {}))
    return rows


def _compare(name: str, items: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Scores of one method over seeds."""
    unlearned = np.array([item["methods"][name] for item in items])
    retrained = np.array([item["retrained"] for item in items])  # (seeds, 2, samples)
    aucs = []
    for index in range(len(items)):
        rest = np.delete(np.arange(len(items)), index)
        out = retrained[rest].reshape(-1, retrained.shape[2])
        shadows = np.vstack([unlearned[rest], out])
        inside = np.zeros(shadows.shape, dtype=bool)
        inside[: len(rest)] = True
        scores = [
            likelihood_ratio(observed, shadows, inside)
            for observed in (unlearned[index], retrained[index, 0])
        ]
        aucs.append(roc(*scores).auc)
    divergence = klom(unlearned, retrained.reshape(-1, retrained.shape[2]))
    high, null_high = divergence.quantile(0.95)
    return {
        "LiRA AUC": mean_sd(aucs),
        "KLoM": divergence.mean,
        "KLoM null": divergence.null_mean,
        "KLoM 95 %": high,
        "KLoM 95 % null": null_high,
    }
