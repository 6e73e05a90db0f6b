"""Every sign of failure that the paper names, produced on purpose and caught; and input that no run can use."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from muso_theory.errors import BadInputError
from muso_theory.methods import Alternating, Descent, Published, RandomRelabelling, published_head
from muso_theory.methods.monitors import Convergence, FailureSign, signatures
from muso_theory.networks import NetworkProblem, Recipe, mlp
from muso_theory.networks.network import Sequential
from muso_theory.networks.training import DivergedError
from verification.network_paper import scored, signs_of
from verification.network_scenarios import trained
from verification.network_scores import Scorer, memorising


def clouds(**settings: Any) -> NetworkProblem:
    """Three clouds of points, one of which is to be forgotten."""
    rng = np.random.default_rng(0)
    y = np.arange(48) % 3
    X = np.eye(3, 5)[y] * 2 + 0.7 * rng.standard_normal((48, 5))
    recipe = Recipe(epochs=60, learning_rate=1e-2)
    usual: dict[str, Any] = {"forget": y == 2, "recipe": recipe}
    return NetworkProblem.pretrain(mlp([5, 7, 3], "tanh"), X, y, **(usual | settings))


# -- signs of failure ------------------------------------------------------------------------------------------


def of(problem: NetworkProblem, **settings: Any) -> tuple[FailureSign, ...]:
    return (
        Alternating.last_layer(labels="soft", loss="squared", watch=24, **settings).run(problem).signatures()
    )


def test_a_kernel_that_turns_away_is_told() -> None:
    problem = clouds()
    assert FailureSign.POOR_KERNEL in of(problem, learning_rate=0.5, epochs=5)
    wide = NetworkProblem.pretrain(
        mlp([5, 512, 3], "tanh", "ntk"), problem.X, problem.targets, forget=problem.forget,
        recipe=Recipe("squared", "gd", 0.05, 5),
    )  # fmt: skip
    assert FailureSign.POOR_KERNEL not in of(wide, learning_rate=1e-6, epochs=5)


def test_labels_that_do_not_settle_are_told() -> None:
    problem = clouds()
    slow: dict[str, Any] = {"learning_rate": 1e-6, "epochs": 6, "subset": 1.0}
    # A ridge that grows late through the spectrum of the features changes the labels then, one that stays does not.
    assert FailureSign.UNSTABLE_LABELS in of(problem, ridge=(1e-6, 1e4), ridge_lag=3, **slow)
    assert FailureSign.UNSTABLE_LABELS not in of(problem, ridge=(1e-6, 1e-6), **slow)


def test_parameters_that_still_move_are_told() -> None:
    problem = clouds()
    assert FailureSign.NOT_CONVERGED in of(problem, learning_rate=0.1, epochs=2)
    assert FailureSign.NOT_CONVERGED not in of(
        problem, learning_rate=1e-7, epochs=3, subset=1.0, ridge=(1e-6, 1e-6)
    )


def ends(scores: Any) -> dict[str, Any]:
    return {"attack": tuple(scores["AUC interval"]), "null": tuple(scores["AUC null interval"])}


def test_a_network_that_gives_its_members_away_is_told() -> None:
    found = memorising(0, epochs=60)  # nothing was unlearned
    assert signatures([], Convergence.SETTLED, **ends(found)) == (FailureSign.LEAKAGE,)


@pytest.fixture(scope="module")
def scorer(tmp_path_factory: pytest.TempPathFactory) -> Scorer:
    return Scorer(trained(str(tmp_path_factory.mktemp("models")), "digits-mlp", "random 10 %", 0))


def test_a_network_that_forgot_too_much_is_told(scorer: Scorer) -> None:
    problem = scorer.found.problem
    wrong = RandomRelabelling(descent=Descent(60, 3e-3))(problem)
    assert signatures([], Convergence.SETTLED, **ends(scorer(wrong))) == (FailureSign.OVER_FORGETTING,)
    assert problem.retrained is not None
    assert signatures([], Convergence.SETTLED, **ends(scorer(problem.retrained))) == ()  # the control


def test_the_campaign_reads_the_same_signs_from_the_published_rounds(scorer: Scorer) -> None:
    problem = scorer.found.problem
    method = Published.of("random", precision="float64", revision="projector")
    result = method.run(problem)
    early, late = result.history
    calm = (
        (replace(early, label_change=0.4), replace(late, label_change=0.0, parameter_change=0.0)),
        Convergence.SETTLED,
    )
    assert signs_of(problem, result.params, *calm, {}) == []
    turned = ((replace(early, label_change=0.1), replace(late, label_change=0.4)), Convergence.UNSETTLED)
    assert signs_of(problem, result.params, *turned, {}) == ["UNSTABLE_LABELS", "NOT_CONVERGED"]
    apart = {"AUC interval": [0.7, 0.8], "AUC null interval": [0.4, 0.6]}
    assert "LEAKAGE" in signs_of(problem, result.params, *calm, apart)
    # Parameters that see one pixel alone have another tangent kernel.
    far = [a.copy() for a in problem.start]
    far[0][np.arange(64) != 20] = 0
    assert "POOR_KERNEL" in signs_of(problem, far, *calm, {})


# -- bad input -------------------------------------------------------------------------------------------------


def test_a_network_without_a_linear_head_is_refused() -> None:
    net = mlp([5, 7, 3], "tanh")
    bent = Sequential(net.input_shape, (*net.layers, net.layers[1]))
    problem = clouds()
    other = NetworkProblem(
        bent, problem.X, problem.targets, problem.forget, problem.start, problem.pretrained
    )
    with pytest.raises(BadInputError, match="last layer is dense"):
        Published().run(other)


def test_a_class_that_the_head_has_no_column_for_is_refused() -> None:
    y = np.arange(48) % 4
    with pytest.raises(BadInputError, match="class indices from 0 to 2"):
        NetworkProblem.pretrain(mlp([5, 7, 3]), clouds().X, y, forget=y == 3)


def test_a_subset_smaller_than_one_sample_is_refused() -> None:
    with pytest.raises(BadInputError, match="subset of at least one sample"):
        Published(subset=0.01).run(clouds())


@pytest.mark.parametrize("precision", ["float32", "float64", "50 digits"])
def test_no_ridge_is_refused_in_every_precision(precision: Any) -> None:
    with pytest.raises(BadInputError, match="positive ridge"):
        published_head(np.ones((3, 2)), np.zeros((2, 1)), np.ones((2, 1)), ridge=0.0, precision=precision)
    with pytest.raises(BadInputError, match="two positive ridges"):
        Published(ridge=(0.0, 0.0), precision=precision)


def test_training_that_diverged_is_told_and_has_no_scores(scorer: Scorer) -> None:
    lost = scored(scorer, Published.of("class", optimizer="gd", learning_rate=1e30, schedule="constant"))
    assert lost["diverged"]
    assert "forget accuracy" not in lost
    assert "learning_rate" in lost["reason"]

    def give_up(problem: NetworkProblem) -> Any:
        raise DivergedError("on purpose")

    assert scored(scorer, give_up)["reason"] == "on purpose"
