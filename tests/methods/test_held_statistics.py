"""Methods on networks with running statistics, which no gradient sees."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from muso_theory.errors import BadInputError
from muso_theory.methods import (
    Descent,
    GradientAscent,
    NegativePreference,
    SaliencyRelabelling,
    Scrub,
    serving,
)
from muso_theory.networks import Activation, BatchNorm, Dense, Sequential
from muso_theory.networks.problem import NetworkProblem
from muso_theory.networks.recipe import Recipe

METHODS = serving("network")


def normed_problem(momentum: float = 0.1, normed: bool = True) -> NetworkProblem:
    """A small classifier with batch norm or without, θ_r known."""
    rng = np.random.default_rng(0)
    norm = (BatchNorm(6, momentum=momentum),) if normed else ()
    net = Sequential((3,), (Dense(3, 6), *norm, Activation("tanh"), Dense(6, 3)))
    X, y = rng.standard_normal((24, 3)), rng.integers(0, 3, 24)
    recipe = Recipe(epochs=3, batch_size=12)
    return NetworkProblem.pretrain(net, X, y, forget=range(4), recipe=recipe).with_retrained()


@pytest.mark.parametrize("name", sorted(set(METHODS) - {"retraining"}))
def test_nothing_but_batches_moves_running_statistics(name):
    problem = normed_problem(momentum=1e-12)  # what batches do is not to be seen
    at = [array.copy() for array in problem.pretrained]
    at[4], at[5] = np.full(6, 0.5), np.full(6, 2.0)
    found = METHODS[name]()(replace(problem, pretrained=at))
    for index in (4, 5):
        assert np.allclose(found[index], at[index], rtol=1e-8), name


def test_a_share_of_salient_parameters_is_one_of_those_that_gradients_move():
    problem = normed_problem()
    found = SaliencyRelabelling(fraction=0.25)(problem)
    assert all((found[i] != problem.pretrained[i]).all() for i in (4, 5))  # by the batches, as in training
    moved = sum(
        int((a != b).sum())
        for a, b, moves in zip(found, problem.pretrained, problem.net.trainable, strict=True)
        if moves
    )
    assert problem.net.n_trainable == 57
    assert moved == 15  # ⌈57/4⌉


def test_distances_are_over_what_gradients_move():
    problem = normed_problem()
    other = [array.copy() for array in problem.retrained]
    other[5] += 100.0
    assert problem.distance(other, problem.retrained) == 0
    assert problem.relative_gaps(other)[0] == 0
    other[0][0, 0] += 3.0
    assert problem.distance(other, problem.retrained) == pytest.approx(3.0)


@pytest.mark.parametrize("name", ["scrub", "gradient-ascent", "npo"])
def test_one_sample_to_forget_is_refused_with_a_cure_that_works(name):
    problem = normed_problem()
    with pytest.raises(BadInputError, match="two to forget, where a method ascends on these alone"):
        METHODS[name]()(replace(problem, forget=np.array([3])))
    METHODS[name]()(replace(problem, forget=np.array([3, 5])))


def test_with_batch_norm_the_first_ascent_has_a_gradient_and_the_first_weight_is_not_one():
    """What is said of w_p holds where training is evaluation, and not where batches have their own statistics."""
    descent = Descent(epochs=1, optimizer="gd", learning_rate=1e-2)
    for normed in (False, True):
        problem = normed_problem(normed=normed)
        ascended, rested = (Scrub(ascents=n, descent=descent)(problem) for n in (1, 0))
        assert (problem.distance(ascended, rested) > 1e-5) is normed
        one = replace(descent, batch_size=None)  # one step: with W = 1 it is that of gradient ascent
        climbs = (kind(descent=one)(problem) for kind in (NegativePreference, GradientAscent))
        assert (problem.distance(*climbs) > 1e-6) is normed
    assert all("batch" in str(kind.__doc__) for kind in (Scrub, NegativePreference))
