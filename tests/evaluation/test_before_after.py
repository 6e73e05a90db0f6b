"""One figure for each way in which a guarantee or a statistic used to go wrong, by the old form and by the present one.

``python -m tests.evaluation.test_before_after`` prints the table. The old forms are written out here; none of them is
in the package.
"""

from __future__ import annotations

import math
import warnings
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import muso_theory as mt
from muso_theory.errors import BadInputError
from muso_theory.evaluation import Public
from muso_theory.evaluation.public import global_sensitivity
from muso_theory.linear.approximation import centred_alignment
from muso_theory.methods import METHODS, BadTeaching, FisherNoise
from muso_theory.methods.monitors import Convergence, FailureSign, signatures
from muso_theory.methods.rules import RandomLabels
from muso_theory.methods.saliency import largest
from muso_theory.networks import mlp
from muso_theory.networks.dense import Dense
from muso_theory.networks.network import Sequential
from muso_theory.networks.problem import NetworkProblem
from muso_theory.networks.recipe import Recipe
from tests.evaluation.test_outliers import shadows_of, standardised_direction, tiny_beliefs
from tests.evaluation.test_robust import equal_width_klom
from tests.oracles import Naive
from tests.zoo import ZOO

E = mt.evaluation
Pair = tuple[float, float]


def noise_beyond_the_classical_theorem() -> Pair:
    """True δ at ε = 50 of noise for δ = 1e-5: √(2 ln(1.25/δ))/ε, and the analytic mechanism."""
    classical = math.sqrt(2 * math.log(1.25e5)) / 50
    return (
        E.gaussian_delta(1.0, classical, 50.0),
        E.gaussian_delta(1.0, E.gaussian_sigma(1.0, 50.0, 1e-5), 50.0),
    )


def sensitivity_from_private_data() -> Pair:
    """Change of a squared loss's sensitivity when 4 of 60 samples leave: from √(n/λ), and from declared constants."""
    old = [4 * (1 + math.sqrt(n / 0.05)) / 0.05 for n in (60, 56)]
    public = Public(samples=60, forget=4, loss="squared", ridge=0.05, feature_norm=1.0, target_bound=1.0)
    phi = np.eye(60)
    whole = E.Objective(phi, np.ones(60), "squared", 0.05)
    new = []
    for objective in (whole, whole.on(np.arange(4, 60))):
        public.holds_for(objective)
        new.append(float(global_sensitivity(public)))
    return abs(old[0] - old[1]), abs(new[0] - new[1])


def one_diverged_model_in_klom() -> Pair:
    """KLoM of N(0, 1) against N(8, 1), in nats, with one of 40 retrained models diverged."""
    rng = np.random.default_rng(2)
    retrained, far = rng.standard_normal((40, 60)), rng.standard_normal((20, 60)) + 8
    retrained[7] = 1e6
    return equal_width_klom(far, retrained)[0], E.klom(far, retrained).mean


def one_outlier_in_an_attack() -> Pair:
    """AUC, 0.86 without it, of an attack on scores of which one is 1e6."""
    rng = np.random.default_rng(0)
    members, nonmembers = rng.normal(1.5, 1, 200), rng.normal(0, 1, 200)
    nonmembers[0] = 1e6
    sign = standardised_direction(members, nonmembers)
    return E.roc(sign * members, sign * nonmembers).auc, E.attack(members, nonmembers).auc


def a_shadow_diverged_on_some_samples() -> Pair:
    """AUC, 0.93 without it, of a likelihood ratio with one of 20 shadows off on two fifths of the samples."""
    observed, shadows, included, member = shadows_of(3, 20, "two fifths")
    fits = []
    for side in (included, ~included):
        mean = np.where(side, shadows, 0).sum(0) / side.sum(0)
        fits.append((mean, (np.where(side, shadows - mean, 0) ** 2).sum() / (side.sum(0) - 1).sum()))
    old = (observed - fits[1][0]) ** 2 / fits[1][1] - (observed - fits[0][0]) ** 2 / fits[0][1]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        new = E.likelihood_ratio(observed, shadows, included)
    return E.roc(old[member], old[~member]).auc, E.roc(new[member], new[~member]).auc


def confidences_equal_up_to_rounding() -> Pair:
    """Largest score of a likelihood ratio on 41 shadows that all say 36.7; refused counts as zero."""
    values = 36.7 + 7e-15 * (np.arange(41) % 3)
    try:
        E.likelihood_ratio([36.8], values[:, None], (np.arange(41) % 2 == 0)[:, None])
    except BadInputError:
        return float((36.8 - values.mean()) ** 2 / values.var(ddof=1)), 0.0
    raise AssertionError


def order_among_rounding_errors() -> Pair:
    """AUC of 50 scores 36.7 + 7e-15 against 49 of 36.7 and one of 1."""
    lifted, plain = np.full(50, 36.7) + 7e-15, np.append(np.full(49, 36.7), 1.0)
    return float(np.mean(lifted[:, None] > plain)), E.roc(lifted, plain).auc


def alignment_of_a_constant_kernel() -> Pair:
    """Alignment of a constant kernel with another: ⟨HKH, HLH⟩/(‖HKH‖‖HLH‖); refused counts as zero."""
    flat = np.ones((4, 4))
    centred = flat - flat.mean(axis=0)
    with np.errstate(invalid="ignore"):
        old = float(np.vdot(centred, np.eye(4)) / np.linalg.norm(centred))
    with pytest.raises(BadInputError):
        centred_alignment(flat, np.eye(4))
    return old, 0.0


def over_forgetting() -> Pair:
    """Signs of failure for an attack's AUC in (.001, .03) against a null of (.45, .55): from above, and two-sided."""
    found = signatures([], Convergence.SETTLED, attack=(0.001, 0.03), null=(0.45, 0.55))
    return float(0.001 > 0.55), float(found == (FailureSign.OVER_FORGETTING,))


def interval_of_a_true_positive_rate() -> Pair:
    """How often a 95 % interval covers the true positive rate at FPR 0.1, 20 non-members: at the cut, and at t*."""
    truth, hits = 0.3891, np.zeros(2)
    for seed in range(200):
        rng = np.random.default_rng(seed)
        a, b = rng.normal(1, 1, 200), rng.normal(0, 1, 20)
        ends = E.binomial_rate(int(np.sum(a > np.sort(b)[17])), 200).interval, E.roc(a, b).tpr(0.1).interval
        hits += [low <= truth <= high for low, high in ends]
    return float(hits[0] / 200), float(hits[1] / 200)


def ties_at_a_quantile() -> Pair:
    """Share of parameters that a mask of share 0.1 lets move where 19 of 20 gradients are zero."""
    sizes = np.where(np.arange(1000) % 4 == 0, 1.0 + np.arange(1000), 0.0) * (np.arange(1000) < 200)
    return float(np.mean(sizes >= np.quantile(sizes, 0.9))), float(np.mean(largest(sizes, 0.1)))


def logistic_classes_zero_and_one() -> Pair:
    """Distance from the model of ±1 that 0/1 targets train without a word; refused counts as zero."""
    rng = np.random.default_rng(0)
    phi = rng.standard_normal((40, 3))
    y = np.sign(phi[:, 0] + 0.1)
    wanted = E.Objective(phi, y, "logistic", 1.0).minimiser()
    # A hair below zero, so that the old reading of 0/1 targets can be written down at all.
    old = E.Objective(phi, np.where(y > 0, 1.0, -1e-12), "logistic", 1.0).minimiser()
    with pytest.raises(BadInputError):
        E.Objective(phi, (y + 1) / 2, "logistic", 1.0)
    return float(np.linalg.norm(old - wanted) / np.linalg.norm(wanted)), 0.0


def classes_of_a_linearised_network() -> Pair:
    """Share of random labels of a tangent that are a class, chosen among y − f(x; θ₀) and among y."""
    rng = np.random.default_rng(0)
    net, X = mlp([4, 8, 3]), rng.standard_normal((9, 4))
    problem = mt.networks.from_network(net, net.init(0), X, np.eye(3)[np.arange(9) % 3], forget=[0, 4])
    off = problem.tangent.outputs[[0, 4]]
    old = np.random.default_rng(0).choice(problem.targets, (2, 3)) + off
    new = RandomLabels(0)(problem).reshape(2, 3) + off
    return tuple(
        float(np.mean([np.abs(np.sort(row) - [0, 0, 1]).max() < 1e-12 for row in rows]))
        for rows in (old, new)
    )


def classes_of_networks_with_other_targets() -> Pair:
    """Share of random labels that are targets of the data, for ±1 in three columns: rows of I, and of the data."""
    targets = 2 * np.eye(3)[np.arange(12) % 3] - 1
    X = np.random.default_rng(1).standard_normal((12, 4))
    problem = NetworkProblem.pretrain(
        mlp([4, 6, 3]), X, targets, forget=np.arange(6), recipe=Recipe(loss="squared", epochs=1)
    )
    kinds = {tuple(row) for row in targets}
    return tuple(
        float(np.mean([tuple(row) in kinds for row in rows]))
        for rows in (np.eye(3), RandomLabels(0)(problem))
    )


def reference_of_a_method_with_a_ridge() -> Pair:
    """Gap of ridge-anchored relabelling over doing nothing: to the unridged w_r, and to its own reference."""
    gaps = METHODS["ridge-anchored"]().gaps(ZOO["over-parameterised"]())
    return gaps.common_share, gaps.own_share


def silent_membership_score() -> Pair:
    """Warnings of the literature's score on entropies of 1e-8 and 1e-5 with one unsure sample."""
    retain, test = tiny_beliefs(-9, -8, 300), tiny_beliefs(-6, -5, 301, 1)
    with warnings.catch_warnings(record=True) as told:
        warnings.simplefilter("always")
        E.paper_membership_score(retain, test, retain)
    from sklearn.linear_model import LogisticRegression

    x = E.entropy(np.vstack([retain, test]))[:, None]
    fitted = LogisticRegression(class_weight="balanced").fit(x, np.repeat([1, 0], [300, 301]))
    return float(np.std(fitted.decision_function(x)) <= 4e-4), float(len(told))


def bad_teaching_on_the_retain_set() -> Pair:
    """Distance from the published bad teacher, over ‖w_p − w_r‖: beside targets on R, and beside outputs of w_p."""
    problem = ZOO["under-parameterised"]()
    naive = Naive(problem)
    labels, outputs = BadTeaching(3).labels(problem), naive.phi @ naive.w_p
    outputs[naive.f] = labels
    published, scale = naive.update(naive.phi, outputs, naive.w_p), np.linalg.norm(naive.w_p - naive.w_r)
    return tuple(
        float(np.linalg.norm(w - published) / scale)
        for w in (naive.unlearned(labels), BadTeaching(3)(problem))
    )


def noise_on_parameters_that_no_sample_sees() -> Pair:
    """Ratio of the network's Fisher noise to the linear one there: capped at a root mean square, and damped."""
    X = np.random.default_rng(0).standard_normal((12, 6)) * np.array([1, 1, 1, 1, 1, 0])
    net = Sequential((6,), (Dense(6, 1),))
    problem = NetworkProblem.pretrain(
        net, X, X[:, :1], forget=[0], recipe=Recipe(loss="squared", learning_rate=0.05, epochs=200)
    )
    linear = mt.UnlearningProblem(problem.X, problem.targets, problem.forget)
    network, wanted = (
        np.std([noise(seed) for seed in range(400)], ddof=1)
        for noise in (
            lambda s: FisherNoise(1e-3, seed=s)(problem)[0][5, 0],
            lambda s: FisherNoise(1e-3, seed=s)(linear)[5, 0],
        )
    )
    return float(np.sqrt(np.mean(problem.pretrained[0] ** 2)) / wanted), float(network / wanted)


CASES: dict[Callable[[], Any], tuple[Callable[[float], bool], Callable[[float], bool]]] = {
    noise_beyond_the_classical_theorem: (lambda x: x > 0.3, lambda x: x <= 1e-5),
    sensitivity_from_private_data: (lambda x: x > 50, lambda x: x == 0),
    one_diverged_model_in_klom: (lambda x: x < 0.1, lambda x: x > 1.6),
    one_outlier_in_an_attack: (lambda x: x < 0.2, lambda x: x > 0.8),
    a_shadow_diverged_on_some_samples: (lambda x: x < 0.7, lambda x: x > 0.9),
    confidences_equal_up_to_rounding: (lambda x: x > 1e20, lambda x: x == 0),
    order_among_rounding_errors: (lambda x: x == 1, lambda x: x == 0.51),
    alignment_of_a_constant_kernel: (math.isnan, lambda x: x == 0),
    over_forgetting: (lambda x: x == 0, lambda x: x == 1),
    interval_of_a_true_positive_rate: (lambda x: x < 0.6, lambda x: x >= 0.9),
    ties_at_a_quantile: (lambda x: x == 1, lambda x: x == 0.1),
    logistic_classes_zero_and_one: (lambda x: x > 0.3, lambda x: x == 0),
    classes_of_a_linearised_network: (lambda x: x == 0, lambda x: x == 1),
    classes_of_networks_with_other_targets: (lambda x: x == 0, lambda x: x == 1),
    reference_of_a_method_with_a_ridge: (lambda x: x > 1e-5, lambda x: x < 1e-9),
    silent_membership_score: (lambda x: x == 0, lambda x: x == 1),
    bad_teaching_on_the_retain_set: (lambda x: x > 0.01, lambda x: x < 1e-8),
    noise_on_parameters_that_no_sample_sees: (lambda x: x > 5, lambda x: abs(x - 1) < 0.25),
}
"""What to compute, and what the old and the present figure must be."""


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.__name__)
def test_the_old_form_goes_wrong_and_the_present_one_does_not(case: Callable[[], Pair]) -> None:
    before, after = case()
    wrong, right = CASES[case]
    assert wrong(before), before
    assert right(after), after
    assert not right(before)


def main() -> None:
    """Print the table."""
    print("| what | before | after |\n|---|---:|---:|")
    for case in CASES:
        before, after = case()
        print(f"| {(case.__doc__ or '').rstrip('.')} | {before:.3g} | {after:.3g} |")


if __name__ == "__main__":
    main()
