"""What models do to samples: accuracies or errors, and a membership attack on each."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from .arrays import Array
from .errors import BadInputError
from .evaluation import Attack, accuracy, attack
from .evaluation.outputs import class_indices
from .linear.problem import UnlearningProblem
from .numbers import FLOAT64

__all__ = ["attacks", "parts", "scores"]

_NO_TEST = "no samples were held out: --test 0.2"


def parts(problem: UnlearningProblem, held: tuple[Array, Array] | None) -> dict[str, tuple[Array, Array]]:
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
    found = {}
    for name, (features, targets) in parts(problem, held).items():
        outputs = _outputs(w, features)
        if classes:
            found[f"{name} accuracy"] = accuracy(outputs, targets)
        else:
            found[f"{name} error"] = float(np.sqrt(np.mean(_losses(outputs, targets))))
    return found


def attacks(
    models: Mapping[str, Array], parts: Mapping[str, tuple[Array, Array]], seed: int
) -> tuple[dict[str, Attack], str]:
    """The same attack on every model, judged on the same samples, so that each has the retrained one as its null.

    Returns:
        The attacks by name; none, and why, where they cannot be made.
    """
    if "test" not in parts:
        return {}, _NO_TEST
    found = {}
    try:
        for name, w in models.items():
            mine, others = (_losses(_outputs(w, parts[p][0]), parts[p][1]) for p in ("forget", "test"))
            found[name] = attack(mine, others, seed)
    except BadInputError as error:
        return {}, str(error)
    return found, ""


def _outputs(w: Array, features: Array) -> Array:
    """f(x) as columns."""
    return np.asarray(FLOAT64.matmul(FLOAT64.matrix(features), w.reshape(len(w), -1)))


def _losses(outputs: Array, targets: Array) -> Array:
    """The squared error of each sample, the loss that all these models are trained by."""
    off: Array = outputs - np.asarray(targets, dtype=np.float64).reshape(outputs.shape)
    return np.asarray(np.square(off).sum(axis=1))
