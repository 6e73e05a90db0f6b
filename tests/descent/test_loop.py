"""One loop for linear models and networks: the same steps in both wings, watched where it is asked to be."""

from __future__ import annotations

import math
from dataclasses import replace
from fractions import Fraction
from typing import Any

import numpy as np
import pytest

from muso_theory.descent.loop import DivergedError, Engine, growth_guard, length, run
from muso_theory.descent.losses import LOSSES, targets_for
from muso_theory.descent.passes import Passes
from muso_theory.descent.schedules import step_sizes_of
from muso_theory.errors import BadInputError
from muso_theory.linear.training import train as train_linear
from muso_theory.networks import mlp, train
from muso_theory.networks.training import NETWORK_OPTIMIZERS

RNG = np.random.default_rng(3)
X = RNG.standard_normal((11, 4))
FEATURES = np.hstack([X, np.ones((11, 1))])
Y = RNG.standard_normal((11, 2))


# A batch has its share of a linear model's decay and all of a network's; Nesterov's is taken ahead or where it stands.
CASES = [(name, batch, 0.0) for name in NETWORK_OPTIMIZERS for batch in (None, 4)]
CASES += [(name, None, 0.3) for name in NETWORK_OPTIMIZERS if name != "nesterov"]


@pytest.mark.numeric
@pytest.mark.parametrize(("optimizer", "batch", "decay"), CASES)
def test_a_network_of_one_layer_takes_the_steps_of_a_linear_model(
    optimizer: str, batch: int | None, decay: float
) -> None:
    net = mlp([4, 2])
    params = net.init(0)
    deep = train(
        net,
        params,
        X,
        Y,
        epochs=9,
        learning_rate=0.01,
        optimizer=optimizer,
        batch_size=batch,
        weight_decay=decay,
        seed=5,
    )
    method = "shuffled-sgd" if batch and optimizer == "gd" else optimizer
    flat = train_linear(
        FEATURES,
        Y,
        np.vstack([params[0], params[1]]),
        method,
        step_sizes=0.01,
        epochs=9,
        batch_size=batch,
        weight_decay=decay,
        form="primal",
        seed=5,
    )
    assert deep.steps == flat.steps == 9 * (1 if batch is None else 3)
    assert np.allclose(np.vstack([deep.params[0], deep.params[1]]), flat.w, rtol=0, atol=1e-12)
    assert np.abs(flat.w - np.vstack([params[0], params[1]])).max() > 1e-3


def test_a_loss_is_computed_where_it_is_recorded_and_nowhere_else(monkeypatch: pytest.MonkeyPatch) -> None:
    asked = []
    plain = LOSSES["squared"]
    monkeypatch.setitem(
        LOSSES, "squared", replace(plain, value=lambda z, t: asked.append(len(z)) or plain.value(z, t))
    )
    net = mlp([4, 2])
    found = train(net, net.init(0), X, Y, epochs=7, learning_rate=0.01, batch_size=2, record_every=3)
    assert len(found.losses) == 4  # before, after 3, 6 and 7
    assert asked == [11] * 4


@pytest.mark.parametrize("optimizer", NETWORK_OPTIMIZERS)
def test_a_learning_rate_of_numpy_leaves_parameters_their_precision(optimizer: str) -> None:
    net = mlp([4, 2])
    start = [a.astype(np.float32) for a in net.init(0)]
    settings: dict[str, Any] = {"epochs": 2, "optimizer": optimizer, "weight_decay": 0.1}
    x, y = X.astype(np.float32), Y.astype(np.float32)
    found = train(net, start, x, y, learning_rate=np.float64(0.01), **settings).params
    plain = train(net, start, x, y, learning_rate=0.01, **settings).params
    assert {a.dtype for a in found} == {np.dtype(np.float32)}
    assert all((a == b).all() for a, b in zip(found, plain, strict=True))


class _Count(Engine):
    def advance(self, passes: int) -> None:
        self.epochs += passes
        self.steps += 1


def test_the_watch_sees_every_stop_and_ends_the_run() -> None:
    engine, seen = _Count(), []

    def watch() -> bool:
        seen.append(engine.epochs)
        return engine.epochs >= 5

    assert run(engine, [0, 2, 5, 9], watch)
    assert (seen, engine.steps) == ([0, 2, 5], 2)
    assert not run(_Count(), [1, 2], lambda: False)


@pytest.mark.parametrize("kind", ["full", "cyclic", "shuffled", "replacement"])
def test_visits_are_the_batches_of_a_pass(kind: str) -> None:
    size = 7 if kind == "full" else 3
    steps = step_sizes_of(np.arange(1.0, 8.0), 7, size, True)
    order, rates = Passes(7, kind, steps, seed=2).next()
    visits = list(Passes(7, kind, steps, seed=2).visits())
    assert [len(r) for _, r in visits] == ([7] if kind == "full" else [3, 3, 1])
    assert np.concatenate([np.arange(7)[rows] for rows, _ in visits]).tolist() == order.tolist()
    assert np.concatenate([r for _, r in visits]).tolist() == rates.tolist() == (order + 1).tolist()


def test_a_guard_notices_growth_and_what_is_no_number() -> None:
    check = growth_guard(np.array([1.0]), np.array([0.5]))
    check(np.array([1e12, -3.0]), 1)
    for bad in (1.1e12, np.nan, -np.inf):
        with pytest.raises(DivergedError, match=r"1e12-fold by epoch 4$"):
            check(np.array([0.0, bad]), 4)


@pytest.mark.parametrize("exponent", [-1060, -700, -520, -490, -1, 0, 490, 520, 700, 1020])
def test_a_length_is_that_of_the_numbers_however_large_they_are(exponent: int) -> None:
    values = np.ldexp(np.array([[3.1, -1.7, 0.0], [2.3, 0.6, -4.9]]), exponent)
    whole = sum(Fraction(value) ** 2 for value in values.ravel().tolist())
    exact = Fraction(math.isqrt(int(whole * 4**1200)), 2**1200)
    for same in (values, -values.T):
        assert abs(Fraction(length(same)) - exact) <= max(exact / 2**50, Fraction(1, 2**1074))
    assert length(0 * values) == length(values[:0]) == 0
    for bad, of in ((np.inf, np.inf), (-np.inf, np.inf), (np.nan, np.nan)):
        assert np.array_equal(length(np.append(values, bad)), of, equal_nan=True)


def test_targets_beside_outputs_are_rows_or_refused() -> None:
    outputs = np.zeros((2, 3), dtype=np.float32)
    rows = targets_for(outputs, np.array([2, 0]), "cross-entropy")
    assert rows.dtype == np.float32
    assert rows.tolist() == [[0, 0, 1], [1, 0, 0]]
    assert targets_for(outputs, rows, "cross-entropy") is rows
    for bad, loss in ((np.ones((2, 3)), "cross-entropy"), (np.ones(2), "squared"), (rows, "square")):
        with pytest.raises(BadInputError):
            targets_for(outputs, bad, loss)  # type: ignore[arg-type]
