"""The axes of campaign `ablation`: what is varied, what theory says, what is measured. One function an axis.

Each returns rows with ``quantity``, ``predicted``, ``measured`` and ``relative error``, and whatever else belongs to a
curve. A prediction comes from `theory`, from a closed form of `muso_theory` or from a formula spelt out here; the
measurement from training, or from a least-squares solver that knows none of them.
"""

from __future__ import annotations

import itertools
import time
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import scipy.linalg

from muso_theory.arrays import Array
from muso_theory.errors import BadInputError
from muso_theory.linear.closed_forms import float_model
from muso_theory.linear.features import GaussianFeatures
from muso_theory.linear.labels import optimal_labels
from muso_theory.linear.problem import UnlearningProblem
from muso_theory.linear.solution import parameter_gap
from muso_theory.linear.training import PowerSteps, off_span_gap, predict_gap, stability, train
from muso_theory.methods.rules import RandomLabels
from muso_theory.numbers import BALL

from .experiment import FLOOR, Experiment
from .scenarios import scenario
from .tables import Row
from .theory import PredictedRuns, descent, relative_error, sweep

__all__ = ["AXES"]


def _row(quantity: str, predicted: float, measured: float, scale: float = 0.0, **more: Any) -> Row:
    """One prediction beside its measurement."""
    error = relative_error(predicted, measured, scale)
    return {
        "quantity": quantity,
        "predicted": predicted,
        "measured": measured,
        "relative error": error,
        **more,
    }


def _small(point: Mapping[str, Any]) -> UnlearningProblem:
    """A problem with few samples, for axes that train step by step or calculate exactly."""
    found = scenario(
        point["data"], "random", point["seed"], n_retain=point["n_retain"], n_forget=point["n_forget"]
    )
    feature_map = GaussianFeatures(
        n_features=point["n_features"], bandwidth=point["bandwidth"], seed=point["seed"]
    )
    return found.problem(feature_map, noise=1.0, seed=point["seed"])[0]


def downsampling(point: Mapping[str, Any]) -> list[Row]:
    """Claim downsampling: labels from S ⊂ R are those of the model retrained on S alone; S nested."""
    problem = Experiment.of(point).problem
    retain, forget = problem.retain, problem.forget
    phi, y, start = problem.features, problem.targets, problem.w_init
    assert start is not None
    rng = np.random.default_rng((point["seed"], 6))
    gram = phi @ phi.T
    weight = np.ones(len(retain))
    if point["sampling"] == "leverage":
        block = gram[np.ix_(retain, retain)]
        # Ridge leverage scores [K(K + λI)⁻¹]_ii with λ the mean eigenvalue: half of a typical direction.
        ridge = float(np.trace(block)) / len(retain)
        weight = 1 - ridge * np.diag(np.linalg.inv(block + ridge * np.eye(len(retain))))
    # Efraimidis–Spirakis: the first k of this order are a weighted sample without replacement, for every k.
    order = retain[np.argsort(-(rng.random(len(retain)) ** (1 / weight)), kind="stable")]
    full = optimal_labels(problem, "closed-form")
    nothing = parameter_gap(problem, y[forget])
    model = float_model(problem)
    w_pretrained = problem.shaped(model.explicit(model.pretrained))
    rows, distances = [], []
    for ratio in point["ratios"]:
        subset = np.sort(order[: max(1, round(ratio * len(retain)))])
        began = time.perf_counter()
        labels = optimal_labels(problem, "subsample", subset=subset)
        seconds = time.perf_counter() - began
        # Retraining on S alone, from the targets of S, which the labels have not seen.
        solved = np.linalg.solve(gram[np.ix_(subset, subset)], y[subset] - phi[subset] @ start)
        alone = phi[forget] @ start + gram[np.ix_(forget, subset)] @ solved
        moved = gram[np.ix_(retain, subset)] @ np.linalg.solve(
            gram[np.ix_(subset, subset)], phi[subset] @ (w_pretrained - start)
        )
        whole = phi[retain] @ (w_pretrained - start)
        missing = np.linalg.solve(gram[np.ix_(retain, retain)], whole - moved)
        distances.append(float(np.sqrt(max(0.0, float((whole - moved) @ missing)))))
        rows.append(
            _row(
                "label error",
                float(np.linalg.norm(alone - full)),
                float(np.linalg.norm(labels - full)),
                FLOOR * float(np.linalg.norm(full)),
                ratio=ratio,
                **{"relative gap": parameter_gap(problem, labels) / nothing, "seconds": seconds},
                projection=distances[-1],
            )
        )
    # Nested subsets, so the missing part must fall; rounding is what is left at S = R.
    falls = [b <= a * (1 + 1e-9) + 1e-6 * distances[0] for a, b in itertools.pairwise(distances)]
    return [*rows, _row("nested subsets fall", 1.0, float(all(falls)))]


def steps(point: Mapping[str, Any]) -> list[Row]:
    """Cyclic SGD with γ(t) = first · (t + 1)^−power: the gap after E epochs, and what remains of the residual."""
    experiment = Experiment.of(point)
    schedule = PowerSteps(point["first"], point["power"])
    problem, retain = experiment.problem, experiment.problem.retain
    gram, start = experiment.gram, problem.w_init
    assert start is not None
    predict = _predicted(problem, lambda k: sweep(k, schedule))

    def fit(start: Array, targets: Array, rows: Array, epochs: int) -> Array:
        block = gram[np.ix_(rows, rows)]
        done = train(
            problem.features[rows], targets[rows], start, step_sizes=schedule, epochs=epochs, gram=block
        )
        return np.asarray(done.w)

    more = {"radius deficit": 1 - predict.everyone.radius}
    return [row | more for row in _course(problem, predict, fit, retain, point["epochs"])]


def gradient(point: Mapping[str, Any]) -> list[Row]:
    """Gradient descent with η = share · 2/λ_max: the gap after T steps (claims implicit-bias, gd-finite-time)."""
    experiment = Experiment.of(point)
    problem = experiment.problem
    step = point["share"] * 2 / float(np.linalg.eigvalsh(experiment.gram)[-1])
    predict = _predicted(problem, lambda k: descent(k, step))

    def fit(start: Array, targets: Array, rows: Array, epochs: int) -> Array:
        phi = problem.features[rows]
        return np.asarray(train(phi, targets[rows], start, "gd", step_sizes=step, epochs=epochs).w)

    return _course(problem, predict, fit, problem.retain, point["epochs"])


def _predicted(problem: UnlearningProblem, dynamics: Callable[[Array], Any]) -> PredictedRuns:
    """What theory says of a problem under given dynamics."""
    retain, start = problem.retain, problem.w_init
    gram = problem.features @ problem.features.T
    return PredictedRuns(
        dynamics(gram),
        dynamics(gram[np.ix_(retain, retain)]),
        retain,
        problem.forget,
        problem.targets,
        problem.features @ start,
    )


def _course(
    problem: UnlearningProblem,
    predict: PredictedRuns,
    fit: Callable[[Array, Array, Array, int], Array],
    retain: Array,
    epochs: list[int],
) -> list[Row]:
    """Pretrain, retrain and fine-tune for so many epochs each, by training and by theory."""
    everyone, forget, y, start = np.arange(problem.n_samples), problem.forget, problem.targets, problem.w_init
    rows = []
    for count in epochs:
        w_p, w_r = fit(start, y, everyone, count), fit(start, y, retain, count)
        a, goal = predict.pretrained(count), predict.retrained(count)
        nothing = float(np.linalg.norm(w_p - w_r))
        rows.append(_row("gap of doing nothing", predict.gap(a, goal), nothing, epochs=count))
        random = RandomLabels(0)(problem)
        block = problem.features[retain]
        projected = block.T @ np.linalg.solve(block @ block.T, block @ (w_p - start))
        labels = problem.features[forget] @ (start + projected)
        for name, given, said in (
            ("gap, label-free", labels, predict.label_free(a)),
            ("gap, random labels", random, random),
        ):
            targets = np.array(y)
            targets[forget] = given
            measured = float(np.linalg.norm(fit(w_p, targets, everyone, count) - w_r))
            predicted = predict.gap(predict.finetuned(a, said, count), goal)
            rows.append(
                _row(name, predicted, measured, FLOOR * nothing, epochs=count)
                | {"relative gap": measured / nothing}
            )
    return rows


def stable_steps(point: Mapping[str, Any]) -> list[Row]:
    """The stability boundary, predicted from the data and confirmed one percent below and above."""
    problem = Experiment.of(point).problem
    phi, y, start = problem.features, problem.targets, problem.w_init
    method = point["method"]
    limit = stability(problem, method=method, step_sizes=1.0).largest_step
    rows = []
    for share, converges in ((0.99, True), (1.01, False)):
        try:
            done = train(phi, y, start, method, step_sizes=share * limit, epochs=point["epochs"][0])
            grew = not done.residual_norm < done.initial_residual_norm
        except BadInputError:
            grew = True
        rows.append(
            _row(f"converges at {share} of the limit", float(converges), float(not grew), limit=limit)
        )
    return rows


def ridge(point: Mapping[str, Any]) -> list[Row]:
    """Claim ridge-inverse: ε in the label's inverse changes it by ε K_FR(K_RR + εI)⁻¹K_RR⁻¹(y_R − Φ_R w₀).

    Measured in balls of 300 bits on the floats as given: in float64 the difference of two labels drowns for small ε.
    """
    problem = _small(point)
    retain, forget, start = problem.retain, problem.forget, problem.w_init
    assert start is not None
    ball = BALL(300)
    phi = ball.matrix(problem.features)
    exact = ball.gram(phi)
    block = ball.take(exact, retain.tolist(), retain.tolist())
    cross = ball.take(exact, forget.tolist(), retain.tolist())
    outputs = ball.matmul(ball.take(phi, retain.tolist()), ball.matrix(start[:, None]))
    rest = ball.sub(ball.matrix(problem.targets[retain][:, None]), outputs)
    plain = ball.matmul(cross, ball.factor(block).solve(rest))

    gram = problem.features @ problem.features.T
    k, k_cross = gram[np.ix_(retain, retain)], gram[np.ix_(forget, retain)]
    y = problem.targets[retain] - problem.features[retain] @ start
    solved = np.linalg.solve(k, y)
    smallest = float(np.linalg.eigvalsh(k)[0])
    reach = float(np.linalg.norm(np.linalg.solve(k, k_cross.T), 2) * np.linalg.norm(y))
    nothing = parameter_gap(problem, problem.targets[forget])
    rows = []
    for epsilon in point["ridges"]:
        shifted = ball.add(block, ball.scale(epsilon, ball.identity(len(retain))))
        change = ball.sub(ball.matmul(cross, ball.factor(shifted).solve(rest)), plain)
        measured = float(np.linalg.norm(ball.to_numpy(change)))
        formula = -epsilon * k_cross @ np.linalg.solve(k + epsilon * np.eye(len(k)), solved)
        bound = epsilon / (smallest + epsilon) * reach
        labels = optimal_labels(problem, "ridge", ridge=epsilon)
        rows.append(
            _row("label change", float(np.linalg.norm(formula)), measured, epsilon=epsilon, bound=bound)
            | {"relative gap": parameter_gap(problem, labels) / nothing}
        )
        rows.append(_row("below the bound", 1.0, float(measured <= bound * (1 + 1e-9)), epsilon=epsilon))
    return rows


def n_features(point: Mapping[str, Any]) -> list[Row]:
    """Claim kernel-limit: with w₀ = 0 the labels tend to K_FR K_RR⁻¹ y_R of the exact kernel."""
    found = scenario(
        point["data"],
        "random",
        0,
        n_retain=point["n_retain"],
        n_forget=point["n_forget"],
        scale=point["scale"],
    )
    feature_map = GaussianFeatures(
        n_features=point["n_features"], bandwidth=point["bandwidth"], seed=point["seed"]
    )
    problem, _ = found.problem(feature_map)
    k = feature_map.kernel(found.X)
    retain, forget = problem.retain, problem.forget
    kernel = k[np.ix_(forget, retain)] @ np.linalg.solve(k[np.ix_(retain, retain)], problem.targets[retain])
    error = float(np.linalg.norm(optimal_labels(problem) - kernel) / np.linalg.norm(kernel))
    return [{"quantity": "relative distance to the kernel's labels", "measured": error}]


def fixed_epochs(point: Mapping[str, Any]) -> list[Row]:
    """The paper's schedule on any setting: forget fraction, scale of w₀, label noise."""
    return steps({**point, "first": 2.0, "power": 0.2})


def parameterisation(point: Mapping[str, Any]) -> list[Row]:
    """Claims exact-labels, which needs no D ≥ n, and label-free, which needs w_p to fit R."""
    n = point["n_retain"] + point["n_forget"]
    width = max(2, 2 * round(point["ratio"] * n / 2))
    problem = _small({**point, "n_features": width})
    retain, forget, start = problem.retain, problem.forget, problem.w_init
    phi, y = problem.features, problem.targets
    assert start is not None

    def fit(rows: Array, targets: Array, start: Array) -> Array:
        # A solver by singular values, which knows neither Gram matrix nor claims.
        step = scipy.linalg.lstsq(phi[rows], targets - phi[rows] @ start, lapack_driver="gelsd")[0]
        return np.asarray(start + step)

    everyone = np.arange(n)
    w_p, w_r = fit(everyone, y, start), fit(retain, y[retain], start)

    def gap(labels: Array) -> float:
        targets = np.array(y)
        targets[forget] = labels
        return float(np.linalg.norm(fit(everyone, targets, w_p) - w_r))

    nothing = float(np.linalg.norm(w_p - w_r))
    label_free = phi[forget] @ fit(retain, phi[retain] @ w_p, start)
    unfitted = phi[retain].T @ (y[retain] - phi[retain] @ w_p)
    # δ = −Φ_F Φ_R⁺(y_R − Φ_R w_p): what claim label-free misses where its hypothesis fails.
    delta = -phi[forget] @ (np.linalg.pinv(phi[retain]) @ (y[retain] - phi[retain] @ w_p))
    padded = np.zeros(n)
    padded[forget] = delta
    missed = float(np.linalg.norm(np.linalg.pinv(phi) @ padded))
    scale = FLOOR * nothing
    more = {"ratio": width / n, "condition number": float(np.linalg.cond(phi) ** 2)}
    exact, free = gap(phi[forget] @ w_r), gap(label_free)
    holds = float(np.linalg.norm(unfitted)) <= 1e-6 * float(np.linalg.norm(phi[retain].T @ y[retain]))
    return [
        _row("gap, exact labels", 0.0, exact, nothing) | more | {"relative gap": exact / nothing},
        _row("gap, label-free", missed, free, scale) | more | {"relative gap": free / nothing},
        _row(
            "gap, random labels",
            parameter_gap(problem, RandomLabels(0)(problem)),
            gap(RandomLabels(0)(problem)),
        )
        | more,
        # Generic features of full rank fit R exactly if and only if there are as many as samples.
        _row("w_p fits R", float(width >= n), float(holds)) | more,
        _row("label-free is exact", float(width >= n), float(free <= 1e-6 * nothing)) | more,
    ]


def optimizer(point: Mapping[str, Any]) -> list[Row]:
    """Claims momentum and adaptive-optimizer: pretrain by any method, relabel exactly, fine-tune to the limit."""
    problem = _small(point)
    phi, y, start, forget = problem.features, problem.targets, problem.w_init, problem.forget
    assert start is not None
    model = float_model(problem)
    w_r = problem.shaped(model.explicit(model.retrained))
    method = point["optimizer"]
    largest = float(np.linalg.eigvalsh(phi @ phi.T)[-1])
    settings: dict[str, Any] = {"step_sizes": 0.01, "epochs": point["epochs"][0]}
    if method in ("gd", "momentum", "nesterov", "weight decay"):
        settings["step_sizes"] = 0.9 / largest
    elif method.endswith("sgd"):
        settings["step_sizes"] = 1.0
    if method == "weight decay":
        # To its limit, which is the ridge solution around zero.
        pretrained = phi.T @ np.linalg.solve(phi @ phi.T + 0.01 * np.eye(len(phi)), y)
    else:
        pretrained = train(phi, y, start, method, **settings).w
    targets = np.array(y)
    targets[forget] = phi[forget] @ w_r
    done = train(phi, targets, pretrained, step_sizes=1.0, epochs=200_000)
    measured = float(np.linalg.norm(done.w - w_r))
    nothing = float(np.linalg.norm(pretrained - w_r))
    basis = np.linalg.qr(phi.T)[0]
    away = pretrained - start
    predicted = float(np.linalg.norm(away - basis @ (basis.T @ away)))
    rows = [
        _row("gap after exact relabelling", predicted, measured, FLOOR * nothing, optimizer=method)
        | {"relative gap": measured / nothing},
        _row("the same by off_span_gap", off_span_gap(problem, pretrained), measured, FLOOR * nothing),
    ]
    if method in ("gd", "momentum", "nesterov", "cyclic-sgd"):
        for count in point["epochs"]:
            finite = train(phi, targets, pretrained, method, step_sizes=settings["step_sizes"], epochs=count)
            predicted = predict_gap(
                problem, method=method, step_sizes=settings["step_sizes"], epochs=count, start=pretrained
            )
            measured = float(np.linalg.norm(finite.w - w_r))
            rows.append(
                _row("gap while fine-tuning", predicted, measured, FLOOR * nothing, epochs=count)
                | {"optimizer": method}
            )
    return rows


AXES: dict[str, Callable[[Mapping[str, Any]], list[Row]]] = {
    "downsampling": downsampling,
    "steps": steps,
    "gradient": gradient,
    "stable steps": stable_steps,
    "ridge": ridge,
    "features": n_features,
    "forget fraction": fixed_epochs,
    "scale of w₀": fixed_epochs,
    "label noise": fixed_epochs,
    "parameterisation": parameterisation,
    "optimizer": optimizer,
}
"""What is varied, and the function that measures it."""
