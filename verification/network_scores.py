"""Scores of an unlearned network against the retrained one."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from muso_theory.arrays import Array
from muso_theory.evaluation import (
    Attack,
    accuracy,
    agreement,
    calibrated,
    entropy,
    kl_divergence,
    loss,
    modified_entropy,
    roc,
)
from muso_theory.methods import Alternating
from muso_theory.methods.monitors import Convergence
from muso_theory.networks.training import DivergedError

from .membership import average_gap_of_what_tells, membership_score
from .network_scenarios import Trained, build

__all__ = ["FEWEST", "FPR", "Scorer", "memorising", "unlearn"]

FEWEST = 10
"""An attack needs so many samples of a kind; with fewer it is left out."""
FPR = 0.05
"""False positive rate at which true positives are counted; where it is too small for the samples that is left out."""


class Scorer:
    """Scores of parameters on one trained problem; the retrained model's own are computed once.

    Test accuracy is that on test samples of the kind that is kept; those of the forgotten kind have one of their own.

    Membership: forget samples against test samples of their kind, by modified entropy, by entropy and by loss. A low
    score says "member", known beforehand; so nothing is fitted and every sample is held out. A direction learnt on one
    half comes out wrong for some models and right for others where there is little to learn, and AUCs on either side
    of a half then differ even between retrained models. Every AUC is held against the same attack on θ_r.

    Args:
        found: the problem with both models.
    """

    def __init__(self, found: Trained) -> None:
        self.found = found
        everyone = np.arange(len(found.X_test))
        others = np.setdiff1d(everyone, found.kin)
        self.kept = others if len(others) else everyone
        assert found.problem.retrained is not None
        self.test = self._test_outputs(found.problem.retrained)
        self.doing_nothing = self._test_outputs(found.problem.pretrained)
        self.null = self._attacks(found.problem.retrained)
        self.paper = self._paper(found.problem.retrained)

    def _test_outputs(self, params: Sequence[Array]) -> Array:
        return np.asarray(self.found.problem.net(params, self.found.X_test))

    def _attacks(self, params: Sequence[Array]) -> dict[str, Attack]:
        """Every attack by name, the first by modified entropy; none where there are too few samples."""
        found, problem = self.found, self.found.problem
        if min(len(problem.forget), len(found.kin)) < FEWEST:
            return {}
        sides = (
            (problem.outputs(params, problem.forget), problem.targets[problem.forget].argmax(axis=1)),
            (self._test_outputs(params)[found.kin], found.y_test[found.kin]),
        )
        scores: dict[str, list[Array]] = {"": [], "entropy ": [], "loss ": []}
        for outputs, classes in sides:
            p = _tidy(problem.probabilities(outputs))
            scores[""].append(-modified_entropy(p, classes))
            scores["entropy "].append(-entropy(p))
            scores["loss "].append(-self._losses(outputs, p, classes))
        return {name: roc(*both) for name, both in scores.items()}

    def _losses(self, outputs: Array, p: Array, classes: Array) -> Array:
        """Each sample's loss, as the recipe has it."""
        if self.found.problem.recipe.loss == "cross-entropy":
            return loss(p, classes)
        wide = np.asarray(outputs, dtype=np.float64)
        return np.asarray(np.sum((wide - np.eye(wide.shape[1])[classes]) ** 2, axis=1))

    def _paper(self, params: Sequence[Array]) -> dict[str, Any]:
        """The three scores of the paper's average gap, that of membership None where it says nothing."""
        problem = self.found.problem
        on = {
            name: problem.outputs(params, rows)
            for name, rows in (("R", problem.retain), ("F", problem.forget))
        }
        on["T"] = self._test_outputs(params)
        r, t, f = (_tidy(problem.probabilities(on[name])) for name in ("R", "T", "F"))
        return {
            "test": accuracy(on["T"][self.kept], self.found.y_test[self.kept]),
            "forget": accuracy(on["F"], problem.targets[problem.forget].argmax(axis=1)),
            "membership": membership_score(r, t, f),
        }

    def __call__(self, params: Sequence[Array]) -> dict[str, Any]:
        """All scores."""
        problem = self.found.problem
        own, paper = self._test_outputs(params), self._paper(params)
        gap, output_gap = problem.relative_gaps(list(params))
        nothing = float(np.linalg.norm(self.doing_nothing - self.test))
        retained = problem.outputs(params, problem.retain)
        scores: dict[str, Any] = {
            "retain accuracy": accuracy(retained, problem.targets[problem.retain].argmax(axis=1)),
            "forget accuracy": paper["forget"],
            "test accuracy": paper["test"],
            "kin accuracy": accuracy(own[self.found.kin], self.found.y_test[self.found.kin]),
            "parameter gap": gap,
            "forget output gap": output_gap,
            "test output gap": float(np.linalg.norm(own - self.test)) / nothing,
            "agreement": agreement(own, self.test),
            "average gap": 100 * average_gap_of_what_tells(paper, self.paper),
            "membership score": paper["membership"],
        }
        if problem.recipe.loss == "cross-entropy":
            scores["KL"] = kl_divergence(self.test, own)
        for name, found in self._attacks(params).items():
            null = self.null[name]
            difference = calibrated(found, null)
            scores |= {
                f"{name}AUC": found.auc,
                f"{name}AUC interval": list(found.interval),
                f"{name}AUC null": null.auc,
                f"{name}AUC null interval": list(null.interval),
                f"{name}AUC difference": difference.value,
                f"{name}AUC difference interval": list(difference.interval),
                f"{name}AUC differs": difference.excludes_zero,
            }
            if len(found.nonmembers) * FPR >= 1:
                scores |= {f"{name}TPR": found.tpr(FPR).value, f"{name}TPR null": null.tpr(FPR).value}
        return scores


def _tidy(rows: Array) -> Array:
    """Probabilities in double precision that sum to one to its last digits."""
    wide = np.asarray(rows, dtype=np.float64)
    return np.asarray(wide / wide.sum(axis=1, keepdims=True))


def unlearn(scorer: Scorer, method: Callable[..., list[Array]]) -> dict[str, Any]:
    """Run one method and score it; divergence is a result, not a failure.

    The monitors of an alternation are kept, with ``seconds`` of processor time.
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


def memorising(seed: int, epochs: int = 100) -> dict[str, Any]:
    """The control of the attacks: a network that learns random classes by heart, so that only memory tells them.

    The AUC is that of a model which memorised, its null that of one which did not.
    """
    problem, X_test, y_test, kin, words = build("digits-mlp", "random 10 %", seed, epochs=epochs, width=512)
    k, rng = problem.net.n_out, np.random.default_rng((seed, 5))
    problem = replace(problem, targets=np.eye(k)[rng.integers(k, size=len(problem.X))])
    pretrained = problem.recipe.fit(problem.net, problem.start, problem.X, problem.targets)
    problem = replace(problem, pretrained=pretrained).with_retrained()
    return Scorer(Trained(problem, X_test, rng.integers(k, size=len(y_test)), kin, words))(pretrained)
