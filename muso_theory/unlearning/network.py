"""Unlearn a trained network by any method that serves networks, and hold it against the retrained network."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from typing import Any, final

import numpy as np

from ..arrays import Array
from ..errors import BadInputError
from ..evaluation import Attack, roc
from ..evaluation.outputs import log_probabilities
from ..evaluation.roc import FEWEST_SCORES
from ..evidence import Verdict
from ..inputs.networks import PreparedNetwork
from ..methods import Descent, Method
from ..networks.problem import NetworkProblem
from ..networks.training import DivergedError
from .scoring import scored, square_errors, too_few
from .unlearned import RETRAINED, UNTOUCHED, Outcome

__all__ = ["REORDERED", "UnlearnedNetwork", "unlearn_networks"]

REORDERED = "retraining, other order"
"""Retraining with its batches in another order: an exact method by any but the strictest definition.

What it scores beside the retrained network is what chance explains.
"""

NetworkParameters = list[Array]


@final
@dataclass(frozen=True, eq=False, repr=False)
class UnlearnedNetwork(Outcome):
    """What a method made of a trained network.

    Args:
        method: the method, with its settings.
        prepared: the network, how it was trained, and what was understood of the data.
        params: θ_u; None where training diverged.
        retrained: θ_r, what the method is compared with.
        rows: numbers of retraining, of retraining in another order, of doing nothing and of the method.
        attacks: the membership attack on each of them; empty where none was made.
        missing: why there is no attack; empty where there is one.
        failed: how training diverged; empty where it did not.
    """

    method: Method
    prepared: PreparedNetwork
    params: NetworkParameters | None
    retrained: NetworkParameters
    rows: tuple[Mapping[str, Any], ...]
    attacks: Mapping[str, Attack] = field(default_factory=dict)
    missing: str = ""
    failed: str = ""

    @property
    def verdict(self) -> Verdict:
        """MEASURED: of trained networks nothing is proved."""
        return Verdict.UNDECIDED if self.failed else Verdict.MEASURED

    @property
    def title(self) -> str:
        """What was unlearned, in one line."""
        return self.prepared.title

    @property
    def inputs(self) -> Mapping[str, Any]:
        """What was understood, with hashes and notes."""
        return self.prepared.inputs

    @property
    def settings(self) -> Mapping[str, Any]:
        """What a repetition needs."""
        chosen = _chosen(self.method)
        asked = {"method": self.method.name, "set": [f"{name}={value!r}" for name, value in chosen.items()]}
        return {**self.prepared.settings, "unlearning": {**asked, "test": self.prepared.test}}

    @property
    def exit_status(self) -> int:
        """0, or 3 where training diverged, or where no parameters would make a model that forgot."""
        return 0 if self.prepared.forgets and not self.failed else 3

    @property
    def components(self) -> tuple[tuple[str, str], ...]:
        """The four parts that the result is made of, each in words."""
        net = self.prepared.problem.net
        # A formula of the registry is that of a linear model; what a method does to a network its own form says.
        update = (
            (inspect.getdoc(type(self.method).on_network) or self.method.formula).split("\n")[0].rstrip(".")
        )
        way = ", ".join(f"{name} {value}" for name, value in _chosen(self.method).items())
        return (
            ("feature generator", f"the network itself, {net.n_params} parameters, trained as told above"),
            ("label modifier", f"that of {self.method.name}, if it has one: its parameter updater says how"),
            (
                "parameter updater",
                f"{update}{f'; set to {way}' if way else ''}  ({self.method.source})",
            ),
            (
                "membership evaluation",
                self.missing or "its loss, forget against test samples; low says member",
            ),
        )


def _chosen(method: Method) -> dict[str, Any]:
    """The settings of a method for networks, those of its fine-tuning among them."""
    found = {name: getattr(method, name) for name in method.settings("network")}
    descent = found.pop("descent", None)
    return {**found, **(vars(descent) if isinstance(descent, Descent) else {})}


def unlearn_networks(
    prepared: PreparedNetwork,
    methods: Sequence[Method],
    progress: Callable[[str], None] = lambda line: None,
) -> list[UnlearnedNetwork]:
    """Retrain once, and unlearn by each method.

    Raises:
        DivergedError: the retrained network, or every method, diverged.
    """
    problem = prepared.problem
    progress("retraining the network on the retained samples")
    retrained = problem.check_trained(problem.retrain(), problem.recipe.learning_rate)
    problem = problem.with_retrained(retrained)
    prepared = replace(prepared, problem=problem)
    beside: dict[str, NetworkParameters] = {RETRAINED: retrained}
    if problem.recipe.batch_size is not None and problem.recipe.batch_size < len(problem.retain):
        progress(REORDERED)
        beside[REORDERED] = _reordered(problem)
    beside[UNTOUCHED] = list(problem.pretrained)
    found = []
    for method in methods:
        progress(f"unlearning by {method.name}")
        params, failed = None, ""
        try:
            with np.errstate(all="ignore"):  # a method that diverges overflows before it is stopped
                params = beside[method.name] if method.name in beside else method(problem)
        except DivergedError as error:
            failed = str(error)
            if len(methods) == 1:
                raise
        models = beside if params is None else {**beside, method.name: params}
        attacks, missing = _attacks(prepared, models)
        rows = [_row(prepared, name, params, attacks.get(name)) for name, params in models.items()]
        if params is None:
            rows.append({"method": method.name, "seed": prepared.seed, "failed": failed})
        found.append(
            UnlearnedNetwork(method, prepared, params, retrained, tuple(rows), attacks, missing, failed)
        )
    if all(result.failed for result in found):
        raise DivergedError(found[0].failed)
    return found


def _reordered(problem: NetworkProblem) -> NetworkParameters:
    """θ_r with its batches in another order."""
    recipe, kept = problem.recipe, problem.retain
    X, targets = problem.X[kept], problem.targets[kept]
    params = recipe.fit(problem.net, problem.start, X, targets, seed=recipe.seed + 1)
    return problem.check_trained(params, recipe.learning_rate)


def _outputs(prepared: PreparedNetwork, params: NetworkParameters) -> dict[str, tuple[Array, Array]]:
    """Outputs and targets on the retain and forget set, and on the test samples where there are any."""
    problem = prepared.problem
    found = {
        name: (np.asarray(problem.outputs(params, rows), dtype=np.float64), problem.targets[rows])
        for name, rows in (("retain", problem.retain), ("forget", problem.forget))
    }
    if prepared.held_out is not None:
        X, targets = prepared.held_out
        outputs = problem.net(params, X.astype(problem.X.dtype))
        found["test"] = np.asarray(outputs, dtype=np.float64).reshape(targets.shape), targets
    return found


def _row(
    prepared: PreparedNetwork, name: str, params: NetworkParameters, attack: Attack | None
) -> dict[str, Any]:
    """The numbers of one model: distances to the retrained network, what it does to samples, and the attack on it."""
    problem = prepared.problem
    row: dict[str, Any] = {"method": name, "seed": prepared.seed}
    assert problem.retrained is not None
    if name != RETRAINED:
        row["gap"] = problem.distance(params, problem.retrained)
        with suppress(
            BadInputError
        ):  # where doing nothing leaves no gap but rounding nothing has a share of it
            row["gap share"], row["forget output gap"] = problem.relative_gaps(params)
    row |= scored(_outputs(prepared, params), prepared.classes)
    return row | ({} if attack is None else {"AUC": attack.auc, "AUC interval": list(attack.interval)})


def _attacks(
    prepared: PreparedNetwork, models: Mapping[str, NetworkParameters]
) -> tuple[dict[str, Attack], str]:
    """The same attack on every model; none, and why, where it cannot be made.

    A low loss says "member", which is known beforehand: nothing is fitted, and every sample is held out.
    """
    held = None if prepared.held_out is None else len(prepared.held_out[1])
    missing = too_few(len(prepared.problem.forget), held, FEWEST_SCORES)
    if missing:
        return {}, missing
    found = {}
    try:
        for name, params in models.items():
            outputs = _outputs(prepared, params)
            found[name] = roc(*(-_losses(prepared.problem, *outputs[part]) for part in ("forget", "test")))
    except BadInputError as error:
        return {}, str(error)
    return found, ""


def _losses(problem: NetworkProblem, outputs: Array, targets: Array) -> Array:
    """The loss of each sample that the network was trained by."""
    if problem.recipe.loss == "cross-entropy":
        return np.asarray(-(targets * log_probabilities(outputs)).sum(axis=1))
    return square_errors(outputs, targets)
