"""One setting of the linear experiment, ready to train and to predict."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from muso_theory.arrays import Array
from muso_theory.evaluation import accuracy, probabilities
from muso_theory.linear.features import GaussianFeatures
from muso_theory.linear.problem import UnlearningProblem
from muso_theory.linear.training import PAPER_STEPS, Training, train

from .membership import membership_score
from .scenarios import Scenario, scenario
from .theory import PredictedRuns, sweep

__all__ = ["FLOOR", "RIDGE", "Experiment", "loop_error"]

RIDGE = 1e-8
"""The paper's ridge in the label."""

FLOOR = 1e-6
"""Gaps below this part of ‖w_p − w_r‖, the tolerance of an audit, are compared on this scale."""

_FLIP_STREAM = 7
"""Separates this draw from others with the same seed."""


@dataclass(frozen=True, eq=False)
class Experiment:
    """One setting, ready to train and to predict.

    Args:
        point: the setting.
        scenario: the data.
        problem: features, targets, forget set and w₀.
        test: features of the test samples.
        gram: K.
        predict: what theory says.
    """

    point: Mapping[str, Any]
    scenario: Scenario
    problem: UnlearningProblem
    test: Array
    gram: Array
    predict: PredictedRuns

    @classmethod
    def of(cls, point: Mapping[str, Any]) -> Experiment:
        """Load the data and map it.

        Args:
            point: the setting: data, forgetting, scale, seed, n_features, bandwidth; where they matter n_retain, order,
                epochs, the scale ``noise`` of w₀ and the share ``flipped`` of labels that are turned round.
        """
        seed = point["seed"]
        found = scenario(
            point["data"],
            point["forgetting"],
            seed,
            n_retain=point.get("n_retain"),
            scale=point["scale"],
            order=point.get("order", "random"),
        )
        if point.get("flipped"):
            wrong = np.random.default_rng((seed, _FLIP_STREAM)).random(len(found.y)) < point["flipped"]
            found = replace(found, y=np.where(wrong, -found.y, found.y))
        feature_map = GaussianFeatures(
            n_features=point["n_features"], bandwidth=point["bandwidth"], seed=seed
        )
        problem, test = found.problem(feature_map, noise=point.get("noise", 1.0), seed=seed)
        gram = problem.features @ problem.features.T
        retain = problem.retain
        assert problem.w_init is not None
        predict = PredictedRuns(
            sweep(gram, PAPER_STEPS),
            sweep(gram[np.ix_(retain, retain)], PAPER_STEPS),
            retain,
            problem.forget,
            problem.targets,
            problem.features @ problem.w_init,
        )
        return cls(point, found, problem, test, gram, predict)

    def train(self, start: Array, targets: Array, rows: Array | None = None, **settings: Any) -> Training:
        """Cyclic SGD with the paper's steps, on all rows of Φ unless some are chosen."""
        phi, gram = self.problem.features, self.gram
        if rows is not None:
            phi, gram = phi[rows], gram[np.ix_(rows, rows)]
        settings = {"epochs": self.point["epochs"], **settings}
        return train(phi, targets, start, "cyclic-sgd", step_sizes=PAPER_STEPS, gram=gram, **settings)

    def relabelled(self, labels: Array) -> Array:
        """Everyone's targets after the forget samples got new labels."""
        targets = np.array(self.problem.targets)
        targets[self.problem.forget] = labels
        return targets

    def muso_labels(self, w: Array, ridge: float = RIDGE) -> Array:
        """The paper's labels, Φ_F(w₀ + Φ_Rᵀ(K_RR + εI)⁻¹Φ_R(w − w₀)), of the parameters of a pretrained model."""
        retained = self.problem.features[self.problem.retain]
        block = retained @ retained.T + ridge * np.eye(len(retained))
        projected = retained.T @ np.linalg.solve(block, retained @ (w - self.problem.w_init))
        return np.asarray(self.problem.features[self.problem.forget] @ (self.problem.w_init + projected))

    def scores(self, w: Array) -> dict[str, float | None]:
        """Accuracies and the membership score of the paper, None where it says nothing."""
        outputs, test = self.problem.features @ w, self.test @ w
        retain, forget = self.problem.retain, self.problem.forget
        belief = probabilities(outputs)
        return {
            "test accuracy": accuracy(test, self.scenario.y_test),
            "forget accuracy": accuracy(outputs[forget], self.problem.targets[forget]),
            "membership": membership_score(belief[retain], probabilities(test), belief[forget]),
        }


def loop_error(experiment: Experiment, epochs: int = 3) -> float:
    """‖w_dual − w_loop‖/‖w_loop − w₀‖ after a few passes over the samples."""
    start, y = experiment.problem.w_init, experiment.problem.targets
    assert start is not None
    fast = experiment.train(start, y, epochs=epochs).w
    slow = start.copy()
    for _ in range(epochs):
        for t, (phi, target) in enumerate(zip(experiment.problem.features, y, strict=True)):
            slow -= (t + 1) ** -0.2 * 2 * (phi @ slow - target) * phi
    return float(np.linalg.norm(fast - slow) / np.linalg.norm(slow - start))
