"""Why relabelling can come out farther from retraining than doing nothing: one cause after the other taken away.

Four suspects: the labels are wrong (the linear view), the targets of the retained samples are (retraining stops early),
the optimiser is (Adam leaves the span), or there were too few steps. ``oracle`` labels are the outputs of θ_r itself;
no method knows them.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from muso_theory.arrays import Array
from muso_theory.methods import Alternating, Descent
from muso_theory.methods.difference import linear_outputs
from muso_theory.networks import NetworkProblem
from muso_theory.networks.training import DivergedError

from .network_difference import adam_metric, difference, kernel_at
from .tables import mean_sd

__all__ = [
    "REORDERED",
    "causes",
    "reordered",
    "summarise_causes",
    "summarise_labels",
    "summarise_theory",
]

CLEAR = 0.05
"""A run is called nearer to retraining than doing nothing if it takes away so much of the gap at least."""

REORDERED = "retraining, other order"
"""Retraining from θ₀ with the batches in another order: what no method can be asked to beat."""


def reordered(problem: NetworkProblem, seed: int) -> list[Array]:
    """Train from θ₀ on R, batches drawn by another seed."""
    recipe, rows = problem.recipe, problem.retain
    params = recipe.fit(
        problem.net, problem.start, problem.X[rows], problem.targets[rows], seed=10_000 + seed
    )
    return problem.check_trained(params, recipe.learning_rate)


def causes(problem: NetworkProblem, seed: int) -> dict[str, Any]:
    """Errors of labels before any training, and what is left of the gap of outputs on F after it.

    Returns:
        ``labels``: ‖ỹ_F − f_F(θ_r)‖/‖f_F(θ_p) − f_F(θ_r)‖ by name; ``runs``: the gaps after fine-tuning, None where it
        diverged; ``theory``: what `difference` predicted and measured.
    """
    assert problem.retrained is not None
    forget = problem.forget
    own, wanted = problem.outputs(problem.pretrained), problem.outputs(problem.retrained)
    nothing = float(np.linalg.norm(own[forget] - wanted[forget]))
    labels: dict[str, float] = {}
    differences: dict[str, Array] = {}
    places = {"θ_p": problem.pretrained, "θ₀": problem.start}
    for where, params in places.items():
        for metric in ("", ", Adam's metric"):
            kernel = kernel_at(problem, params, adam_metric(problem, params) if metric else None)
            linear = linear_outputs(problem, kernel)
            found = {"difference": linear.labels(problem), "absolute": linear.retained}
            for kind, outputs in found.items():
                name = f"{kind} at {where}{metric}"
                labels[name] = float(np.linalg.norm(outputs[forget] - wanted[forget])) / nothing
            differences[where + metric] = found["difference"]
            if not metric and where == "θ_p":
                absolute = found["absolute"]
    runs: dict[str, float | None] = {}
    told: dict[str, Any] = {}

    def after(name: str, train: Any) -> None:
        try:
            with np.errstate(all="ignore"):
                runs[name] = problem.relative_gaps(problem.check_trained(train(), 0.0))[1]
        except DivergedError:
            runs[name] = None

    def fitted(on_forget: Array, on_retain: Array, epochs: int, optimizer: str = "adam") -> Any:
        """Fine-tuning with targets of F and of R, by the recipe's loss."""
        targets = np.array(on_retain, dtype=problem.X.dtype)
        targets[forget] = on_forget[forget]
        rate = 1e-3 if optimizer == "adam" else 1e-2
        descent = Descent(epochs, rate, optimizer, 64, seed)
        return lambda: descent.fit(problem, np.arange(len(targets)), targets)

    def by_theory() -> list[Array]:
        params, found = difference(problem, seed)
        told.update(found)
        return params

    after(REORDERED, lambda: reordered(problem, seed))
    after("alternating, corrected", lambda: Alternating.corrected(seed=seed, watch=0)(problem))
    oracle, kept, data = problem.as_targets(wanted), problem.as_targets(own), problem.targets
    change = problem.as_targets(differences["θ_p"])
    for epochs in (5, 30):
        after(f"oracle on F, data on R, {epochs} epochs", fitted(oracle, data, epochs))
    after("oracle on F, data on R, 5 epochs, momentum", fitted(oracle, data, 5, "momentum"))
    after("oracle on F, θ_p on R, 5 epochs", fitted(oracle, kept, 5))
    for epochs in (5, 30):
        after(f"oracle on all, {epochs} epochs", fitted(oracle, oracle, epochs))
    after("oracle on all, 30 epochs, momentum", fitted(oracle, oracle, 30, "momentum"))
    after("absolute on F, data on R, 5 epochs", fitted(problem.as_targets(absolute), data, 5))
    after("difference on F, data on R, 5 epochs", fitted(change, data, 5))
    after("difference on F, θ_p on R, 5 epochs", fitted(change, kept, 5))
    after("difference on all, 5 epochs", fitted(change, change, 5))
    after("difference on all, by theory", by_theory)
    return {"labels": labels, "runs": runs, "theory": told}


def summarise_causes(items: Sequence[Mapping[str, Any]], part: str = "runs") -> list[dict[str, Any]]:
    """Mean and deviation over seeds, and for how many seeds it came nearer to retraining than doing nothing."""
    groups: dict[tuple[str, str, str, str], list[float | None]] = {}
    for item in items:
        for name, value in item[part].items():
            groups.setdefault((item["network"], item["loss"], item["forgetting"], name), []).append(value)
    rows = []
    for (network, loss, forgetting, name), values in groups.items():
        known = [value for value in values if value is not None]
        row: dict[str, Any] = {"network": network, "loss": loss, "forgetting": forgetting, "what": name}
        row |= {"runs": len(values), "diverged": len(values) - len(known), "each": values}
        if known:
            row |= {
                "left": mean_sd(known),
                "nearer": f"{sum(value < 1 - CLEAR for value in known)} of {len(known)}",
            }
        rows.append(row)
    return rows


def summarise_labels(items: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """The same of labels, before any training."""
    return summarise_causes(items, "labels")


def summarise_theory(items: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """What of the change of labels the predicted number of epochs leaves, predicted and measured."""
    groups: dict[tuple[str, str, str], list[Mapping[str, Any]]] = {}
    for item in items:
        if item["theory"]:
            key = (item["network"], item["loss"], item["forgetting"])
            groups.setdefault(key, []).append(item["theory"])
    return [
        {"network": network, "loss": loss, "forgetting": forgetting, "runs": len(told)}
        | {
            key: mean_sd([one[key] for one in told])
            for key in ("epochs", "left, predicted", "left, measured")
        }
        for (network, loss, forgetting), told in groups.items()
    ]
