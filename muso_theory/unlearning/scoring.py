"""What models do to samples: accuracies or errors, and a membership attack on each."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from ..arrays import Array
from ..errors import BadInputError
from ..evaluation import Attack, accuracy, attack
from ..evaluation.outputs import class_indices
from ..evaluation.roc import FEWEST_SCORES
from ..former import former
from ..linear.problem import UnlearningProblem
from ..numbers import FLOAT64

__all__ = ["NO_TEST", "attacks", "scored", "scored_parts", "scores", "square_errors", "too_few"]
former(__name__)

NO_TEST = "no samples were held out: --test 0.2"
"""Why there is no attack."""


def too_few(forget: int, test: int | None, fewest: int) -> str:
    """Why there can be no attack, and the option that helps; empty where there can.

    Example:
        >>> too_few(6, 40, 10)
        '6 samples are to be forgotten, and an attack needs 10: more of them by --forget'
    """
    if test is None:
        return NO_TEST
    if forget < fewest:
        return f"{forget} samples are to be forgotten, and an attack needs {fewest}: more of them by --forget"
    if test < fewest:
        return f"{test} samples were held out, and an attack needs {fewest}: more of them by --test"
    return ""


def scored_parts(
    problem: UnlearningProblem, held: tuple[Array, Array] | None
) -> dict[str, tuple[Array, Array]]:
    """Features and targets of the retain and forget set, and of the test samples where there are any."""
    found = {
        name: (FLOAT64.matrix(problem.features[rows]), problem.targets[rows])
        for name, rows in (("retain", problem.retain), ("forget", problem.forget))
    }
    return found if held is None else found | {"test": held}


def scores(problem: UnlearningProblem, w: Array, held: tuple[Array, Array] | None = None) -> dict[str, float]:
    """Accuracies of classes, or root mean squared errors of a regression, on retain, forget and test samples.

    By name, such as ``retain accuracy`` or ``retain error``.
    """
    classes = not any(r.word == "task" and r.value.startswith("regression") for r in problem.understood)
    try:
        class_indices(problem.targets, problem.n_samples, problem.n_outputs)
    except BadInputError:
        classes = False
    return scored({n: (_outputs(w, x), y) for n, (x, y) in scored_parts(problem, held).items()}, classes)


def scored(outputs: Mapping[str, tuple[Array, Array]], classes: bool) -> dict[str, float]:
    """The same of outputs and targets by name: accuracies of classes, errors of a regression."""
    if classes:
        return {f"{name} accuracy": accuracy(z, y) for name, (z, y) in outputs.items()}
    return {f"{n} error": float(np.sqrt(np.mean(square_errors(z, y)))) for n, (z, y) in outputs.items()}


def attacks(
    models: Mapping[str, Array], parts: Mapping[str, tuple[Array, Array]], seed: int
) -> tuple[dict[str, Attack], str]:
    """The same attack on every model, judged on the same samples, so that each has the retrained one as its null.

    Returns:
        The attacks by name; none, and why, where they cannot be made.
    """
    counts = {name: len(targets) for name, (_, targets) in parts.items()}
    missing = too_few(counts["forget"], counts.get("test"), 2 * FEWEST_SCORES)
    if missing:
        return {}, missing
    found = {}
    try:
        for name, w in models.items():
            mine, others = (square_errors(_outputs(w, parts[p][0]), parts[p][1]) for p in ("forget", "test"))
            found[name] = attack(mine, others, seed)
    except BadInputError as error:
        return {}, str(error)
    return found, ""


def _outputs(w: Array, features: Array) -> Array:
    """f(x) as columns."""
    return np.asarray(FLOAT64.matmul(FLOAT64.matrix(features), w.reshape(len(w), -1)))


def square_errors(outputs: Array, targets: Array) -> Array:
    """The squared error of each sample, the loss that linear models are trained by."""
    off: Array = outputs - np.asarray(targets, dtype=np.float64).reshape(outputs.shape)
    return np.asarray(np.square(off).sum(axis=1))
