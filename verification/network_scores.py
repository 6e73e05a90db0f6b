"""Scores of an unlearned network against the retrained one."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from muso_theory.evaluation import (
    Attack,
    accuracy,
    agreement,
    attack,
    average_gap,
    calibrated,
    kl_divergence,
    modified_entropy,
    paper_membership_score,
)
from muso_theory.networks.training import DivergedError
from muso_theory.networks.unlearning import Alternating, Convergence

from .network_scenarios import Trained

__all__ = ["FEWEST", "Scorer", "unlearn"]

Array = np.ndarray[Any, Any]
FEWEST = 10
"""The attack needs so many samples of a kind; with fewer it is left out."""


class Scorer:
    """Scores of parameters on one trained problem; the retrained model's own are computed once.

    Membership: forget samples against test samples of their kind, by modified entropy, learnt on one half and judged
    on the other. An AUC is held against the same attack on the retrained model.

    Args:
        found: the problem with both models.
        seed: of the attack's split.
    """

    def __init__(self, found: Trained, seed: int) -> None:
        self.found, self.seed = found, seed
        assert found.problem.retrained is not None
        self.test = self._test_outputs(found.problem.retrained)
        self.doing_nothing = self._test_outputs(found.problem.pretrained)
        self.null = self._attack(found.problem.retrained)
        self.paper = self._paper(found.problem.retrained)

    def _test_outputs(self, params: Sequence[Array]) -> Array:
        return np.asarray(self.found.problem.net(params, self.found.X_test))

    def _attack(self, params: Sequence[Array]) -> Attack | None:
        found, problem = self.found, self.found.problem
        if min(len(problem.forget), len(found.kin)) < FEWEST:
            return None
        members = problem.probabilities(problem.outputs(params, problem.forget))
        others = problem.probabilities(problem.net(params, found.X_test[found.kin]))
        classes = problem.targets[problem.forget].argmax(axis=1)
        scores = (
            modified_entropy(_tidy(members), classes),
            modified_entropy(_tidy(others), found.y_test[found.kin]),
        )
        return attack(*scores, seed=self.seed)

    def _paper(self, params: Sequence[Array]) -> dict[str, float]:
        """The three scores of the paper's average gap."""
        problem = self.found.problem
        on = {
            name: problem.outputs(params, rows)
            for name, rows in (("R", problem.retain), ("F", problem.forget))
        }
        on["T"] = self._test_outputs(params)
        r, t, f = (_tidy(problem.probabilities(on[name])) for name in ("R", "T", "F"))
        return {
            "test": accuracy(on["T"], self.found.y_test),
            "forget": accuracy(on["F"], problem.targets[problem.forget].argmax(axis=1)),
            "membership": paper_membership_score(r, t, f),
        }

    def __call__(self, params: Sequence[Array]) -> dict[str, Any]:
        """All scores.

        Args:
            params: θ_u.

        Returns:
            JSON-able numbers.
        """
        problem = self.found.problem
        own, paper = self._test_outputs(params), self._paper(params)
        gap, output_gap = problem.relative_gaps(list(params))
        nothing = float(np.linalg.norm(self.doing_nothing - self.test))
        retained = problem.outputs(params, problem.retain)
        scores: dict[str, Any] = {
            "retain accuracy": accuracy(retained, problem.targets[problem.retain].argmax(axis=1)),
            "forget accuracy": paper["forget"],
            "test accuracy": paper["test"],
            "parameter gap": gap,
            "forget output gap": output_gap,
            "test output gap": float(np.linalg.norm(own - self.test)) / nothing,
            "agreement": agreement(own, self.test),
            "average gap": 100 * average_gap(paper, self.paper),
            "membership score": paper["membership"],
        }
        if problem.recipe.loss == "cross-entropy":
            scores["KL"] = kl_divergence(self.test, own)
        found = self._attack(params)
        if found is not None and self.null is not None:
            difference = calibrated(found, self.null)
            scores |= {
                "AUC": found.auc,
                "AUC interval": list(found.interval),
                "AUC null": self.null.auc,
                "AUC null interval": list(self.null.interval),
                "AUC difference": difference.value,
                "AUC difference interval": list(difference.interval),
                "AUC differs": difference.excludes_zero,
            }
        return scores


def _tidy(rows: Array) -> Array:
    """Probabilities in double precision that sum to one to its last digits."""
    wide = np.asarray(rows, dtype=np.float64)
    return np.asarray(wide / wide.sum(axis=1, keepdims=True))


def unlearn(scorer: Scorer, method: Callable[..., list[Array]]) -> dict[str, Any]:
    """Run one method and score it; divergence is a result, not a failure.

    Args:
        scorer: of the problem.
        method: a method, or an alternation, whose monitors are then kept.

    Returns:
        Scores, or ``diverged`` with the reason; ``seconds`` of processor time.
    """
    started = time.process_time()
    watched: dict[str, Any] = {}
    try:
        with np.errstate(all="ignore"):  # a diverging method overflows before it is stopped
            if isinstance(method, Alternating):
                result = method.run(scorer.found.problem)
                watched = _watched(result)
                params = result.params
                if result.convergence is Convergence.DIVERGED:
                    raise DivergedError(result.convergence.value)
            else:
                params = method(scorer.found.problem)
    except DivergedError as problem:
        return {"diverged": True, "reason": str(problem), "seconds": time.process_time() - started, **watched}
    seconds = time.process_time() - started
    scores = scorer(params)
    if isinstance(method, Alternating):
        settings: Mapping[str, Any] = {}
        if "AUC" in scores:
            settings = {"attack": tuple(scores["AUC interval"]), "null": tuple(scores["AUC null interval"])}
        watched["signatures"] = [sign.name for sign in result.signatures(**settings)]
    return {"diverged": False, **scores, **watched, "seconds": seconds}


def _watched(result: Any) -> dict[str, Any]:
    """What the monitors of an alternation say."""
    last = result.history[-1] if result.history else None
    found: dict[str, Any] = {"convergence": result.convergence.name}
    if last is not None:
        found |= {"label change": last.label_change, "parameter change": last.parameter_change}
        found["alignment"] = last.alignment
    if result.head is not None:
        found["head"] = {
            "rows": result.head.rows,
            "features": result.head.features,
            "rank": result.head.rank,
            "joint rank": result.head.joint_rank,
            "removed": result.head.removed,
            "label shift": result.head.label_shift,
            "degenerate": result.head.degenerate,
        }
    return found
