"""Difference labels: a naive twin, exactness for linear models, predicted numbers of epochs, and refusals."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction
from typing import Any

import numpy as np
import pytest
from sympy import Matrix, ones, zeros

import muso_theory as mt
from muso_theory.errors import BadInputError
from muso_theory.methods import ClosedFormLabels, DifferenceLabels, DifferenceResult
from muso_theory.methods.difference import MeanKernel
from muso_theory.methods.method import Method
from muso_theory.networks import NetworkProblem, Recipe, mlp
from muso_theory.networks.training import DivergedError


def problem_of(loss: str, n: int = 24, **settings: Any) -> NetworkProblem:
    rng = np.random.default_rng(0)
    y = np.arange(n) % 3
    X = np.eye(3, 5)[y] + 0.5 * rng.standard_normal((n, 5))
    recipe = Recipe(loss, epochs=20, learning_rate=1e-2)  # type: ignore[arg-type]
    usual: dict[str, Any] = {"forget": [0, 4, 9], "recipe": recipe}
    return NetworkProblem.pretrain(mlp([5, 7, 3], "tanh"), X, y, **(usual | settings))


# -- the twin --------------------


def twin(problem: NetworkProblem, left: float) -> tuple[np.ndarray, int, list[np.ndarray]]:
    """Labels, epochs and θ_u by explicit weights of an explicit Jacobian, steps one at a time, and full batches."""
    net, X, y, entropy = problem.net, problem.X, problem.targets, problem.recipe.loss == "cross-entropy"
    n, k, F = len(X), net.n_out, problem.forget
    Z = net.jacobian(problem.pretrained, X).reshape(n, -1) / np.sqrt(k)  # of all outputs side by side
    K, base, own = Z @ Z.T, net(problem.start, X), net(problem.pretrained, X)
    top = np.linalg.svd(Z, compute_uv=False)[0] ** 2

    def seen(f: np.ndarray) -> np.ndarray:
        return np.exp(f) / np.exp(f).sum(axis=1, keepdims=True) if entropy else f

    ends = [(np.zeros((Z.shape[1], k)),) * 2 for _ in range(2)]
    t = 0
    while np.linalg.norm(y - seen(base + Z @ ends[0][0])) > np.linalg.norm(y - seen(own)):
        t += 1
        for which, rows in enumerate((np.arange(n), problem.retain)):
            w, ahead = ends[which]
            new = ahead + (1 + entropy) / top * Z[rows].T @ (y[rows] - seen(base[rows] + Z[rows] @ ahead))
            ends[which] = new, new + (t - 1) / (t + 2) * (new - w)
    labels = own + Z @ (ends[1][0] - ends[0][0])
    rate, rest, epochs = n / top / 2, labels - own, 0
    while np.linalg.norm(rest[F]) > left * np.linalg.norm((labels - own)[F]):
        rest, epochs = rest - rate / n * K @ rest, epochs + 1
    theta = net.flatten(problem.pretrained)
    for _ in range(epochs):
        params = net.unflatten(theta)
        J = net.jacobian(params, X).reshape(n * k, -1)
        theta = theta + rate / n * J.T @ (labels - net(params, X)).ravel()
    return labels, epochs, net.unflatten(theta)


@pytest.mark.parametrize("loss", ["cross-entropy", "squared"])
@pytest.mark.parametrize("left", [0.5, 0.2])
def test_a_naive_twin_gives_the_same_labels_epochs_and_parameters(loss: str, left: float) -> None:
    problem = problem_of(loss)
    labels, epochs, params = twin(problem, left)
    found = DifferenceLabels(left=left, epochs=2000, batch_size=None).run(problem)
    assert found.epochs == epochs > 1
    assert found.steps > 1
    np.testing.assert_allclose(found.labels, labels, rtol=0, atol=1e-9)
    assert problem.distance(found.params, params) < 1e-9 < 1e-3 < problem.distance(params, problem.pretrained)


# -- linear models --------------------


def converged(forget: Any = (1, 4), **settings: Any) -> tuple[NetworkProblem, mt.UnlearningProblem]:
    """A linear network trained to the end, and the linear problem that it is, well conditioned."""
    rng = np.random.default_rng(1)
    X = np.linalg.qr(rng.standard_normal((12, 8)))[0].T + 0.02 * rng.standard_normal((8, 12))
    y, net = rng.standard_normal((8, 2)), mlp([12, 2])
    recipe = Recipe(
        **({"loss": "squared", "optimizer": "gd", "learning_rate": 0.8, "epochs": 250} | settings)
    )
    recipe = replace(recipe, batch_size=None)
    problem = NetworkProblem.pretrain(net, X, y, forget=list(forget), recipe=recipe)
    weights = np.vstack([problem.start[0], problem.start[1]])
    Z = np.hstack([X, np.ones((8, 1))])
    return problem, mt.UnlearningProblem(Z, y, list(forget), w_init=weights)


THOROUGH = DifferenceLabels(steps=3000, left=1e-12, epochs=3000, batch_size=None)


def test_of_a_linear_model_trained_to_the_end_it_equals_exact_labels() -> None:
    problem, linear = converged()
    wanted = ClosedFormLabels()(linear)
    nothing = np.linalg.norm(mt.solve(linear).w_pretrained - wanted)
    found = THOROUGH.run(problem)
    assert found.fits
    np.testing.assert_allclose(found.labels[problem.forget], mt.optimal_labels(linear), atol=1e-8)
    assert np.linalg.norm(np.vstack([found.params[0], found.params[1]]) - wanted) < 1e-8 < 1e-1 < nothing
    # The controls: training that was stopped early, a view that is, and few epochs.
    for method, given in (
        (THOROUGH, converged(epochs=2)[0]),
        (replace(THOROUGH, steps=1), problem),
        (replace(THOROUGH, epochs=1), problem),
    ):
        off = method.run(given).params
        assert np.linalg.norm(np.vstack([off[0], off[1]]) - wanted) > 1e-3 * nothing


PHI, Y, START = (
    [[1, 0, 2, 1, 0], [0, 1, 1, 0, 0], [1, 1, 3, 1, 0], [2, 0, 1, 1, 0], [1, 0, 2, 1, 0]],
    [1, 2, -1, 3, 5],
    2,
)
FORGET, RETAIN = [0, 3], [1, 2, 4]
"""Of rank 3, with targets that contradict each other; w₀ is twos."""


def end(rows: list[int], y: Matrix, w: Matrix) -> Matrix:
    """Where training on some rows ends, in fractions."""
    A = Matrix(PHI)[rows, :]
    return w + A.pinv() * (y[rows, :] - A * w)


def rational(moved: Matrix) -> Matrix:
    """w_u − w_r in fractions, where w_p is moved from where training ends."""
    Phi, start, everyone = Matrix(PHI), START * ones(5, 1), list(range(5))
    w_r, trained = end(RETAIN, Matrix(Y), start), end(everyone, Matrix(Y), start)
    assert trained != w_r
    labels = Phi * (trained + moved) + Phi * w_r - Phi * trained
    assert labels[FORGET, :] != Matrix(Y)[FORGET, :]
    return end(everyone, labels, trained + moved) - w_r


def test_in_fractions_it_is_exact_for_any_rank_and_any_targets() -> None:
    assert (Matrix(PHI).rank(), Matrix(PHI).row_join(Matrix(Y)).rank()) == (3, 4)
    assert rational(zeros(5, 1)) == zeros(5, 1)


def test_in_fractions_a_model_that_is_not_trained_to_the_end_keeps_what_it_is_off() -> None:
    moved = Matrix(PHI)[0, :].T  # in row(Φ), as descent moves
    assert rational(moved) == moved


@pytest.mark.parametrize(
    ("off", "verdict"), [(0, mt.Verdict.PROVED), (Fraction(1, 10**9), mt.Verdict.REFUTED)]
)
def test_claim_exact_labels_holds_when_the_outputs_of_w_r_stand_for_the_targets(
    off: Any, verdict: Any
) -> None:
    """The step of the proof: the problem whose targets on R are Φ_R w_r has this same w_r, and labels Φ_F w_r."""
    w_r = end(RETAIN, Matrix(Y), START * ones(5, 1))

    def fractions(values: Matrix) -> np.ndarray:
        return np.array([Fraction(int(v.p), int(v.q)) for v in values], dtype=object)

    outputs = fractions(Matrix(PHI) * w_r)
    assert (outputs[RETAIN] != np.array(Y)[RETAIN]).any()
    targets = np.where(np.isin(np.arange(5), FORGET), np.array(Y), outputs)
    problem = mt.UnlearningProblem(np.array(PHI), targets, FORGET, w_init=np.full(5, START))
    given = {"labels": outputs[FORGET], "w_unlearned": fractions(w_r) + off}
    report = mt.check(problem, ["exact-labels"], arithmetic="rational", tolerance=0, **given)
    found = {row.name: row.verdict for row in report.rows if "output" not in row.name}
    assert found == {
        "exact-labels": mt.Verdict.PROVED,
        "exact-labels[labels]": mt.Verdict.PROVED,
        "exact-labels[w_unlearned]": verdict,
    }


# -- the linear view, and numbers of epochs --------------------


def test_a_view_that_was_stopped_says_so() -> None:
    problem, _ = converged()
    stuck = DifferenceLabels(steps=1).run(problem)
    assert (stuck.steps, stuck.fits) == (1, False)


@pytest.mark.parametrize("left", [0.3, 0.03])
def test_the_number_of_epochs_is_predicted_exactly_for_a_linear_network(left: float) -> None:
    problem, _ = converged(epochs=6)
    method = DifferenceLabels(left=left, batch_size=None)
    found = method.run(problem)
    assert found.predicted <= left
    assert found.measured == pytest.approx(found.predicted, rel=1e-8)
    # It is the fewest: one epoch less leaves more, and to leave a little less takes one more.
    assert replace(method, left=found.predicted * 1.0001).run(problem).epochs == found.epochs
    assert replace(method, left=found.predicted * 0.9999).run(problem).epochs == found.epochs + 1
    assert replace(method, epochs=found.epochs - 1).run(problem).predicted > left


def test_labels_that_ask_for_nothing_change_nothing() -> None:
    problem, _ = converged()
    untrained = replace(problem, pretrained=problem.start)  # the view fits as well before any step
    found = DifferenceLabels().run(untrained)
    assert isinstance(found, DifferenceResult)
    assert (found.steps, found.fits, found.epochs, found.predicted, found.measured) == (0, True, 1, 0, 0)
    assert problem.distance(found.params, problem.start) == 0
    # The control: what was trained on all samples is asked to change.
    assert problem.distance(DifferenceLabels()(problem), problem.pretrained) > 0.1


# -- refusals --------------------


def test_a_kernel_beyond_memory_is_refused_with_what_it_needs() -> None:
    problem = problem_of("squared")
    need = 48 * 24**2
    enough = DifferenceLabels(max_bytes=need, epochs=1)
    assert problem.distance(enough(problem), problem.pretrained) > 0
    with pytest.raises(BadInputError, match=f"24 samples, {need} bytes but got max_bytes={need - 1}"):
        replace(enough, max_bytes=need - 1)(problem)


def test_a_kernel_of_nothing_is_refused() -> None:
    assert MeanKernel(np.ones((3, 3))).largest == pytest.approx(3)
    with pytest.raises(
        BadInputError, match=r"a network that can learn but got kernel=\(3, 3\) \(all zero\); try"
    ):
        MeanKernel(np.zeros((3, 3)))


def test_targets_that_are_no_distributions_are_refused_before_any_kernel(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    problem = problem_of("squared")
    monkeypatch.setattr("muso_theory.methods.difference.empirical_ntk", None)
    with pytest.raises(BadInputError, match="targets"):
        DifferenceLabels()(replace(problem, targets=-problem.targets, recipe=Recipe()))
    with pytest.raises(TypeError):  # the control: these targets go on to the kernel
        DifferenceLabels()(replace(problem, recipe=Recipe()))


def test_divergence_is_refused() -> None:
    # One sample a step, and one sample a hundred times as long as the others in the mean over all.
    rng = np.random.default_rng(0)
    X = rng.standard_normal((64, 3)) * np.where(np.arange(64) == 7, 30, 1)[:, None]
    recipe = Recipe("squared", "gd", 1e-4, 3, None)
    problem = NetworkProblem.pretrain(mlp([3, 1]), X, X[:, :1], forget=[7], recipe=recipe)
    method: Method = DifferenceLabels(batch_size=1)
    with pytest.raises(DivergedError):
        method(problem)
    replace(method, batch_size=None)(problem)  # type: ignore[call-arg]
