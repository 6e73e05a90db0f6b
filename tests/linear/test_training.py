"""Training: the dual paths give the iterates of the plain loop, and bad settings are refused."""

from __future__ import annotations

import numpy as np
import pytest

import muso_theory as mt
from muso_theory.errors import BadInputError
from muso_theory.evaluation import Objective
from muso_theory.linear.training import PAPER_STEPS, PowerSteps
from muso_theory.linear.training.engines import SweepEngine

train = mt.linear.train


def plain_loop(features, targets, w, gammas, epochs, order=None):
    """SGD as in a textbook: the twin that shares no code."""
    w = w.copy()
    for _ in range(epochs):
        for i in range(len(features)) if order is None else order:
            phi = features[i]
            w -= gammas[i] * (phi @ w - targets[i]) * phi
    return w


def data(n, d, outputs=None, seed=0):
    rng = np.random.default_rng(seed)
    shape = () if outputs is None else (outputs,)
    features = rng.standard_normal((n, d)) / np.sqrt(d)
    return features, rng.standard_normal((n, *shape)), rng.standard_normal((d, *shape))


def distance(a, b):
    return np.linalg.norm(a - b) / np.linalg.norm(a)


SETTINGS = {
    "gd": {"method": "gd", "step_sizes": 0.3},
    "gd schedule": {"method": "gd", "step_sizes": PowerSteps(0.3, 0.5)},
    "gd per sample": {"method": "gd", "step_sizes": 0.3 + 0.01 * np.arange(6)},
    "momentum": {"method": "momentum", "step_sizes": 0.2, "momentum": 0.5},
    "nesterov": {"method": "nesterov", "step_sizes": 0.2, "momentum": 0.5},
    "cyclic": {"method": "cyclic-sgd", "step_sizes": 0.4},
    "cyclic paper": {"method": "cyclic-sgd", "step_sizes": PowerSteps(0.5)},
    "cyclic batches": {"method": "cyclic-sgd", "step_sizes": PowerSteps(0.5), "batch_size": 4},
    "cyclic falling": {"method": "cyclic-sgd", "step_sizes": PowerSteps(0.5), "restart": False},
    "shuffled": {"method": "shuffled-sgd", "step_sizes": 0.4},
    "shuffled batches": {"method": "shuffled-sgd", "step_sizes": 0.2 + 0.01 * np.arange(6), "batch_size": 4},
    "replacement": {"method": "sgd", "step_sizes": 0.3},
    "replacement batches": {"method": "sgd", "step_sizes": 0.2, "batch_size": 2},
    "cyclic decay to zero": {"method": "cyclic-sgd", "step_sizes": 0.3, "weight_decay": 0.1},
    "gd decay to start": {"method": "gd", "step_sizes": 0.2, "weight_decay": 0.1, "anchor": "start"},
    "momentum batches decay": {
        "method": "momentum",
        "step_sizes": 0.1,
        "momentum": 0.5,
        "weight_decay": 0.1,
        "batch_size": 2,
    },
}


@pytest.mark.parametrize("shape", [(6, 11, None), (6, 11, 3), (6, 4, 2), (6, 6, None)])
@pytest.mark.parametrize("name", SETTINGS)
def test_the_dual_gives_the_iterates_of_the_primal(name, shape):
    features, targets, start = data(*shape)
    for epochs in (1, 3, 300):
        slow = train(features, targets, start, epochs=epochs, form="primal", **SETTINGS[name])
        fast = train(features, targets, start, epochs=epochs, form="dual", **SETTINGS[name])
        assert distance(slow.w, fast.w) < (1e-14 if epochs < 300 else 2e-13)
        assert slow.w.shape == fast.w.shape == start.shape
        assert slow.steps == fast.steps
        assert slow.residual_norm == pytest.approx(fast.residual_norm, abs=1e-12)


@pytest.mark.parametrize("epochs", [1, 2, 3, 37, 1000, 4097])
def test_sweeps_equal_the_textbook_loop(epochs):
    features, targets, start = data(9, 20)
    gammas = 1.9 / (features**2).sum(axis=1) * np.linspace(0.2, 1, 9)
    result = train(features, targets, start, step_sizes=gammas, epochs=epochs)
    assert result.form == "sweeps"
    assert distance(plain_loop(features, targets, start, gammas, epochs), result.w) < 1e-13


def test_a_wrong_order_is_seen():
    features, targets, start = data(9, 20)
    gammas = 1.9 / (features**2).sum(axis=1)
    result = train(features, targets, start, step_sizes=gammas, epochs=3)
    assert distance(plain_loop(features, targets, start, gammas, 3, range(8, -1, -1)), result.w) > 1e-3


def test_the_paper_schedule_restarts_every_pass():
    features, targets, start = data(5, 12)
    features /= np.linalg.norm(features, axis=1, keepdims=True)
    gammas = np.array([2 * (t + 1) ** -0.2 for t in range(5)])
    result = train(features, targets, start, step_sizes=PAPER_STEPS, epochs=7)
    assert distance(plain_loop(features, targets, start, gammas, 7), result.w) < 1e-14


def test_many_outputs_are_trained_as_columns():
    features, targets, start = data(8, 15, 4)
    together = train(features, targets, start, step_sizes=0.5, epochs=50).w
    for c in range(4):
        alone = train(features, targets[:, c], start[:, c], step_sizes=0.5, epochs=50).w
        assert distance(together[:, c], alone) < 1e-14


def test_float32_is_computed_in_float64():
    features, targets, start = (x.astype(np.float32) for x in data(8, 15))
    wide = [x.astype(np.float64) for x in (features, targets, start)]
    for form in ("primal", "dual"):
        narrow = train(features, targets, start, step_sizes=0.5, epochs=20, form=form)
        assert narrow.w.dtype == np.float64
        assert distance(train(*wide, step_sizes=0.5, epochs=20, form=form).w, narrow.w) < 1e-15


def test_random_orders_follow_the_seed():
    features, targets, start = data(8, 15)
    for method in ("shuffled-sgd", "sgd"):
        runs = [
            train(features, targets, start, method, step_sizes=0.5, epochs=3, seed=s).w for s in (1, 1, 2)
        ]
        assert (runs[0] == runs[1]).all()
        assert distance(runs[0], runs[2]) > 1e-4


def test_trajectory_and_callback():
    features, targets, start = data(8, 15)
    seen = []
    result = train(
        features,
        targets,
        start,
        step_sizes=0.5,
        epochs=100,
        record=[0, 10, 40],
        callback=lambda epoch, w: seen.append((epoch, w)),
    )
    assert [s.epoch for s in result.trajectory] == [0, 10, 40] == [e for e, _ in seen]
    assert (result.trajectory[0].w == start).all()
    assert distance(train(features, targets, start, step_sizes=0.5, epochs=40).w, seen[2][1]) < 1e-13
    stopped = train(
        features, targets, start, step_sizes=0.5, epochs=100, record=range(100), callback=lambda e, w: e == 7
    )
    assert stopped.epochs == 7
    assert stopped.stopped


@pytest.mark.parametrize("form", ["primal", "dual"])
@pytest.mark.parametrize("method", ["gd", "cyclic-sgd", "shuffled-sgd"])
def test_the_tolerance_stops_both_forms_in_the_same_pass(method, form):
    features, targets, start = data(4, 15)
    result = train(features, targets, start, method, step_sizes=0.5, epochs=10_000, tolerance=1e-6, form=form)
    assert result.converged
    assert result.stopped
    assert result.residual_norm <= 1e-6 * result.initial_residual_norm
    shorter = train(features, targets, start, method, step_sizes=0.5, epochs=result.epochs - 1, form=form)
    assert shorter.residual_norm > 1e-6 * result.initial_residual_norm


def test_logistic_and_cross_entropy_minimise_their_losses():
    features, _, _ = data(6, 3)
    probabilities = np.array([0.1, 0.7, 0.4, 0.9, 0.5, 0.2])
    kwargs = {"method": "gd", "step_sizes": 1.0, "epochs": 3000, "weight_decay": 0.05}
    w = train(features, 2 * probabilities - 1, loss="logistic", **kwargs).w
    gradient = features.T @ (1 / (1 + np.exp(-features @ w)) - probabilities) + 0.05 * w
    assert np.abs(gradient).max() < 1e-12
    soft = np.stack([probabilities, 1 - probabilities], axis=1)
    both = train(features, soft, loss="cross-entropy", **kwargs).w
    z = features @ both
    derivative = np.exp(z) / np.exp(z).sum(axis=1, keepdims=True) - soft
    assert np.abs(features.T @ derivative + 0.05 * both).max() < 1e-12
    classes = np.array([0, 1, 1, 0, 1, 0])
    by_class = train(features, classes, loss="cross-entropy", **kwargs).w
    one_hot = train(features, np.eye(2)[classes], loss="cross-entropy", **kwargs).w
    assert (by_class == one_hot).all()


def test_logistic_classes_are_signs_and_all_zeros_are_what_zero_predicts():
    """The one convention: ±1, with tanh(z/2) between. Read as 0 and 1, the same labels would train another model."""
    features, _, _ = data(6, 3)
    signs = np.array([1.0, -1, -1, 1, 1, -1])
    kwargs = {"method": "gd", "step_sizes": 1.0, "epochs": 3000, "weight_decay": 0.05}
    w = train(features, signs, loss="logistic", **kwargs).w
    slope = -signs / (1 + np.exp(signs * (features @ w)))  # of Σ log(1 + e^(−tz)), the usual form for signs
    assert np.abs(features.T @ slope + 0.05 * w).max() < 1e-12
    # The control: ½(signs + 1), were it let through, has its minimum elsewhere.
    as_targets = np.tanh(features @ w / 2) - (signs + 1) / 2
    assert np.abs(features.T @ as_targets / 2 + 0.05 * w).max() > 0.1
    objective = Objective(features, signs, "logistic", 0.05)
    assert np.abs(objective.minimiser() - w).max() < 1e-10
    assert np.abs(train(features, np.zeros(6), loss="logistic", **kwargs).w).max() == 0
    with pytest.raises(BadInputError, match="from 0 to 1"):
        Objective(features, (signs + 1) / 2, "logistic", 0.05)
    with pytest.raises(BadInputError, match="from 0 to 1"):
        train(features, (signs + 1) / 2, loss="logistic", **kwargs)


def test_adam_matches_its_definition():
    features, targets, start = data(5, 8)
    w, m, v = start.copy(), np.zeros(8), np.zeros(8)
    for t in range(1, 51):
        g = features.T @ (features @ w - targets)
        m, v = 0.9 * m + 0.1 * g, 0.999 * v + 0.001 * g * g
        w = w - 0.01 * (m / (1 - 0.9**t)) / (np.sqrt(v / (1 - 0.999**t)) + 1e-8)
    assert distance(w, train(features, targets, start, "adam", step_sizes=0.01, epochs=50).w) < 1e-13


@pytest.mark.parametrize("form", ["primal", "dual"])
@pytest.mark.parametrize("method", ["gd", "momentum", "nesterov", "cyclic-sgd", "shuffled-sgd", "sgd"])
def test_divergence_is_noticed_before_overflow_and_names_a_stable_step(method, form):
    features, targets, start = data(5, 8)
    with pytest.raises(mt.BadInputError, match=r"1e12-fold.*try steps below (\d|\.)+") as error:
        train(features, targets, start, method, step_sizes=50.0, epochs=5000, form=form)
    named = float(str(error.value).split("steps below ")[1].split(",")[0])
    good = train(features, targets, start, method, step_sizes=0.99 * named, epochs=5000, form=form)
    assert good.residual_norm < good.initial_residual_norm


@pytest.mark.parametrize("method", ["gd", "momentum", "nesterov", "cyclic-sgd", "shuffled-sgd", "sgd"])
def test_the_step_named_after_divergence_is_stable_with_weight_decay(method):
    features, targets, start = data(5, 8)
    settings = {"weight_decay": 30.0, "epochs": 5000, "batch_size": None if method in FULL else 2}
    with pytest.raises(mt.BadInputError, match="1e12-fold") as error:
        train(features, targets, start, method, step_sizes=50.0, **settings)
    named = float(str(error.value).split("steps below ")[1].split(",")[0])
    good = train(features, targets, start, method, step_sizes=0.99 * named, **settings)
    assert np.linalg.norm(good.w) < 10 * np.linalg.norm(start)


FULL = ("gd", "momentum", "nesterov")


@pytest.mark.parametrize("method", ["momentum", "nesterov"])
def test_no_step_is_promised_to_momentum_on_random_batches(method):
    features, targets, start = data(5, 8)
    # Each visit alone would be stable at this step, and their product in random order is not.
    step = 1.9 / (features**2).sum(axis=1).max()
    with pytest.raises(mt.BadInputError, match="no limit of") as error:
        train(features, targets, start, method, step_sizes=step, epochs=5000, batch_size=1)
    assert "steps below" not in str(error.value)


@pytest.mark.parametrize("step", [1e300, 1.7e308, lambda t: 1e200])
@pytest.mark.parametrize("method", ["gd", "momentum", "nesterov", "cyclic-sgd", "shuffled-sgd"])
def test_absurd_steps_end_in_words(method, step):
    features, targets, start = data(5, 8)
    with pytest.raises(mt.BadInputError, match="1e12-fold"):
        train(features, targets, start, method, step_sizes=step, epochs=1000)


def test_a_callback_stops_with_the_truth_of_numpy():
    features, targets, start = data(5, 8)
    settings = {"step_sizes": 0.05, "epochs": 50, "record": range(51)}
    done = train(features, targets, start, callback=lambda epoch, w: np.bool_(epoch == 7), **settings)
    assert (done.epochs, done.stopped) == (7, True)


REFUSED = {
    "zero epochs": ({"epochs": 0}, "an integer of at least 1 but got epochs=0"),
    "NaN schedule": ({"step_sizes": lambda t: float("nan")}, r"step_sizes\(0\)=nan"),
    "negative schedule": ({"step_sizes": lambda t: 1.0 - t}, r"step_sizes\(2\)=-1"),
    "text schedule": ({"step_sizes": lambda t: "1"}, "str"),
    "negative step": ({"step_sizes": -0.1}, "positive step size"),
    "zero step": ({"step_sizes": 0}, "positive step size"),
    "steps of another length": ({"step_sizes": np.ones(3)}, r"shape \(5,\)"),
    "NaN in steps": ({"step_sizes": np.array([1, 1, np.nan, 1, 1])}, r"step_sizes\[2\]"),
    "text steps": ({"step_sizes": "fast"}, "callable"),
    "batch larger than n": ({"batch_size": 6}, "at most 5 samples"),
    "empty batch": ({"batch_size": 0}, "at least 1"),
    "batches of gd": ({"method": "gd", "batch_size": 2}, "shuffled-sgd"),
    "unknown method": ({"method": "cyclc-sgd"}, "'cyclic-sgd'"),
    "unknown loss": ({"loss": "squard"}, "'squared'"),
    "logistic beyond ±1": ({"loss": "logistic", "targets": 2 * np.ones(5)}, r"2 \* targets - 1"),
    "logistic of 0 and 1": (
        {"loss": "logistic", "targets": np.arange(5) % 2},
        r"from 0 to 1.*2 \* targets - 1",
    ),
    "logistic of NaN": ({"loss": "logistic", "targets": np.full(5, np.nan)}, "targets"),
    "cross-entropy of ±1": (
        {"loss": "cross-entropy", "targets": np.tile([2.0, -1.0], (5, 1))},
        "one-hot rows",
    ),
    "rows that are no distributions": ({"loss": "cross-entropy", "targets": np.ones((5, 2))}, "sum to one"),
    "momentum 1": ({"momentum": 1.0}, "momentum"),
    "momentum of cyclic SGD": ({"momentum": 0.5}, "momentum with method momentum, nesterov only"),
    "momentum of Adam": ({"method": "adam", "momentum": 0.5}, "leaving momentum out"),
    "betas of momentum": (
        {"method": "momentum", "betas": (0.5, 0.9)},
        "betas with method adam, adamw, rmsprop only",
    ),
    "epsilon of gd": (
        {"method": "gd", "epsilon": 1e-3},
        "epsilon with method adam, adamw, adagrad, rmsprop only",
    ),
    "negative decay": ({"weight_decay": -1.0}, "weight_decay"),
    "start of another shape": ({"start": np.zeros(7)}, r"\(8,\)"),
    "unknown anchor": ({"weight_decay": 0.1, "anchor": "w0"}, "'start'"),
    "record beyond the end": ({"record": [4]}, "from 0 to 3"),
    "record between epochs": ({"record": [1.5]}, r"a whole number but got record\[0\]=1\.5"),
    "record True": ({"record": [True]}, r"a whole number but got record\[0\]=True \(bool\)"),
    "a callback that is never called": ({"callback": lambda epoch, w: True}, "call back"),
    "True as a step": ({"step_sizes": True}, "bool"),
    "no data": ({"features": np.zeros((0, 8)), "targets": np.zeros(0)}, "at least one sample"),
    "dual Adam": ({"method": "adam", "form": "dual"}, "primal"),
    "Adam by sample": ({"method": "adam", "step_sizes": np.ones(5)}, "number or a callable"),
    "fewer targets": ({"targets": np.ones(4)}, "as many targets"),
    "NaN feature": ({"features": np.full((5, 8), np.nan)}, "finite"),
    "zero sample": ({"features": np.diag(np.arange(8.0))[:5]}, r"‖features\[0\]‖"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_bad_input_is_refused_in_words(name):
    features, targets, _ = data(5, 8)
    given = {"features": features, "targets": targets, "step_sizes": 0.1, "epochs": 3, **REFUSED[name][0]}
    with pytest.raises(mt.BadInputError, match=REFUSED[name][1]):
        train(**given)


def _flops(n, columns, passes, doublings, formed):
    """Multiplications and additions of `repeated` with so many squarings, of which some are there."""
    product = 2 * n * n * columns
    if doublings is None:
        return 1.5 * passes * product  # a triangular solve and a product each
    first = 0 if formed else 3 * n**3
    squarings = max(0, doublings - max(0, formed - 1)) * 2 * n**3
    blocks, rest = divmod(passes, 1 << doublings)
    parts = sum(k + 1 for k in range(doublings) if rest >> k & 1)
    return first + squarings + (blocks + doublings + parts) * product


@pytest.mark.parametrize("n", [4, 30])
@pytest.mark.parametrize("formed", [0, 1, 3])
def test_the_powers_chosen_cost_hardly_more_than_the_best(n, formed):
    for columns in (3, 10):  # so many columns of so small a matrix run at full speed
        sweep = SweepEngine(np.eye(n) / 2, np.arange(n), np.ones(n))
        sweep._powers = [np.eye(n)] * formed
        before = None
        for passes in (1, 2, 3, 5, 8, 20, 64, 100, 1000, 10_000):
            chosen = sweep._worthwhile(passes, columns)
            choices = [None, *range(passes.bit_length())]
            costs = {k: _flops(n, columns, passes, k, formed) for k in choices}
            assert costs[chosen] <= 1.5 * min(costs.values())
            assert before is None or chosen is not None, "more passes are no reason to form none"
            before = chosen
        assert before is not None


def test_powers_pay_sooner_where_a_column_waits_for_memory():
    def first(columns, n=30):
        sweep = SweepEngine(np.eye(n) / 2, np.arange(n), np.ones(n))
        return next(passes for passes in range(1, 10**6) if sweep._worthwhile(passes, columns) is not None)

    assert first(1) == first(2) == first(3) > first(4) > first(40)  # three columns cost what one does


@pytest.mark.parametrize("passes", [1, 2, 7, 16, 100])
def test_any_number_of_squarings_gives_the_same_passes(passes, monkeypatch):
    rng = np.random.default_rng(0)
    phi, residual = rng.standard_normal((5, 8)) / 3, rng.standard_normal((5, 2))
    order, steps = rng.permutation(5), rng.uniform(0.1, 0.5, 5)
    found = []
    for doublings in (None, 0, 1, 2, 3, 5):
        sweep = SweepEngine(phi @ phi.T, order, steps)
        monkeypatch.setattr(sweep, "_worthwhile", lambda passes, columns, k=doublings: k)
        found.append(sweep.repeated(residual, passes))
        found.append(sweep.repeated(residual, passes))  # with powers that are there
    for other in found[1:]:
        np.testing.assert_allclose(other, found[0], rtol=0, atol=1e-12)
