"""What users hand in by mistake in the place of a good argument, and where it is legal."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator
from typing import Any

import numpy as np
import scipy.sparse

from tests.project.calls import Call


def instead_of(good: Any) -> Iterator[tuple[str, Any]]:
    """What users hand in by mistake, as near to a good argument as it can be."""
    yield "None", None
    yield "5", 5
    yield "text", "x"
    yield "object", object()
    yield "ragged", [[1.0], [1.0, 2.0]]
    yield "empty", []
    yield "0-d", np.array(1.5)
    if isinstance(good, list) and good and all(isinstance(item, np.ndarray) for item in good):
        for word, spoilt in _arrays(good[0]):
            yield f"[0] {word}", [spoilt, *good[1:]]
        return
    numbers = isinstance(good, np.ndarray | list | tuple) and np.asarray(good).dtype.kind in "iufb"
    yield from _arrays(np.array(good, dtype=float) if numbers and np.size(good) else np.ones((2, 2)))
    if not numbers:
        yield "nan", math.nan
        yield "complex", 1j
        yield "masked", np.ma.masked


def _arrays(good: Any) -> Iterator[tuple[str, Any]]:
    """Arrays of the right shape that are no arrays of numbers."""
    spoilt = good.astype(float)
    spoilt.flat[0] = math.nan
    yield "array with nan", spoilt
    yield "masked array", np.ma.array(good, mask=np.zeros(good.shape, bool))
    yield "sparse array", scipy.sparse.csr_array(np.atleast_2d(good) if good.ndim < 3 else good[0])
    yield "complex array", good + 0j
    yield "array of text", np.full(good.shape, "x")


_LITERAL = re.compile(r"Literal\[[^\]]*\]")
_INNER = re.compile(r"\[[^\[\]]*\]")


def is_declared(call: Call, argument: str, word: str) -> bool:
    """Whether the annotation, or the list of exceptions below, says that this is a legal value."""
    if word in LEGAL.get(f"{call.name}({argument})", ()):
        return True
    if (
        word in COMPLEX
        and call.name.startswith(("networks.", "methods.head.", "methods.tangent."))
        and argument in DIFFERENTIATED
    ):
        return True
    text = _LITERAL.sub("", call.annotations.get(argument, ""))
    while _INNER.search(text):
        text = _INNER.sub("", text)
    words = set(re.findall(r"\w+", text))
    match word:
        case "None":
            return "None" in words or call.defaults.get(argument, call) is None
        case "5":
            return bool(words & {"int", "float", "Number", "Fraction", "StepSizes"})
        case "text":
            return "str" in words
        case "empty":
            return bool(words & {"Sequence", "Iterable", "Mapping", "tuple", "list"})
        case "nan":
            default = call.defaults.get(argument)
            return isinstance(default, float) and math.isnan(default)
    return False


_KEPT = {word for word, _ in instead_of(1.0)} | {"None"}

LEGAL: dict[str, set[str]] = {
    "claims.theorems.library.check_certificate(certificate)": _KEPT,  # the answer says what is wrong with it
    "linear.feature_map.FeatureMap.fit(y)": _KEPT,  # scikit-learn's convention: y is there and not read
    "inputs.frame.from_frame(feature_map)": {"None"},
    "linear.problem.UnlearningProblem.from_data(feature_map)": {"None"},
    "refutation.search.refute(max_examples)": {"5"},
    "linear.training.prediction.epochs_needed(step_sizes)": {"5"},
    "linear.training.prediction.predict_gap(step_sizes)": {"5"},
    "methods.alternating.Alternating.last_layer(epochs)": {"5"},
    "methods.alternating.Alternating.corrected(epochs)": {"5"},
    "methods.monitors.AlternatingResult.signatures(tolerance)": {"5"},
    "evaluation.roc.roc(samples)": {"ragged"},  # members and nonmembers need not be equally many
    "numbers.constant.is_constant(values)": {"5", "0-d", "array with nan"},  # NaN differs from everything
    "numbers.constant.is_constant(like)": {
        "empty",
        "0-d",
        "array with nan",
        "complex array",
    },  # its dtype counts
    "numbers.quantity.Quantity.enclosure(lower)": {"nan"},  # becomes the infinite end
    "numbers.quantity.Quantity.enclosure(upper)": {"nan"},
    "numbers.quantity.Quantity.measured(value)": {"nan"},  # a measurement that failed
    "linear.problem.UnlearningProblem.shaped(values)": {
        "array with nan",
        "complex array",
    },  # nothing is computed
    "descent.losses.loss_and_cotangent(outputs)": {
        "array with nan",
        "complex array",
    },  # how divergence is noticed
    "descent.losses.loss_and_cotangent(targets)": {"array with nan", "complex array"},
    "networks.linearised.Linearisation.rows(samples)": {"empty"},
    "networks.problem.NetworkProblem.outputs(samples)": {"empty"},
}
"""Legal values that annotations do not tell, by callable and argument."""

COMPLEX = {"complex array", "[0] complex array"}
DIFFERENTIATED = {"params", "X", "X1", "X2", "tangent", "cotangent", "vector", "outputs", "targets"}
"""What networks take in complex numbers, too: by complex steps their derivatives are tested."""
