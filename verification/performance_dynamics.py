"""Part `dynamics` of the campaign performance: training in closed form against the loop that it replaces, in one run.

The loop is a textbook's: one numpy row, one inner product and one update a sample. The data are the digits 3 and 7,
362 samples with 5,000 random Fourier features, with one output (±1) and with ten; the steps are the paper's.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Mapping
from functools import lru_cache
from typing import Any

import numpy as np

import muso_theory as mt
from muso_theory.arrays import Array
from muso_theory.data import load
from muso_theory.linear.training import PAPER_STEPS
from muso_theory.numbers.gram import blocked_gram

from .tables import Column, table

__all__ = ["points", "run_point", "verdict"]

_EPOCHS = 1500


def points(quick: bool) -> list[dict[str, Any]]:
    """One point a method and number of outputs; a quick run loops for fewer epochs, and says so in the result."""
    loop = 30 if quick else _EPOCHS
    return [
        {"method": "cyclic-sgd", "outputs": 1, "epochs": _EPOCHS, "loop epochs": loop},
        {"method": "cyclic-sgd", "outputs": 10, "epochs": _EPOCHS, "loop epochs": min(loop, _EPOCHS)},
        {"method": "gd", "outputs": 1, "epochs": _EPOCHS, "loop epochs": loop},
    ]


@lru_cache(maxsize=1)
def _data(outputs: int) -> tuple[Array, Array, Array]:
    """Features of digits 3 and 7, targets, and a start."""
    digits = load("digits")
    names = np.asarray(digits.groups).astype(str)
    kept = np.flatnonzero((names == "3") | (names == "7"))
    images = np.asarray(digits.X, dtype=np.float64)[kept]
    features = np.asarray(mt.GaussianFeatures(n_features=5000, seed=0).fit_transform(images))
    rng = np.random.default_rng(0)
    # A class more than two shows what several outputs cost; their targets only have to be numbers.
    y = np.where(names[kept] == "7", 1.0, -1.0)[:, None]
    targets = y if outputs == 1 else np.hstack([y, rng.standard_normal((len(y), outputs - 1))])
    return features, targets, rng.standard_normal((features.shape[1], outputs))


def sample_loop(features: Array, targets: Array, w: Array, steps: Array, epochs: int) -> Array:
    """Cyclic SGD sample by sample, as it is usually written."""
    w = w.copy()
    for _ in range(epochs):
        for i in range(len(features)):
            phi = features[i]
            if w.ndim == 1:
                w -= (steps[i] * (phi @ w - targets[i])) * phi
            else:
                w -= np.outer(phi, steps[i] * (phi @ w - targets[i]))
    return w


def descent_loop(features: Array, targets: Array, w: Array, step: float, epochs: int) -> Array:
    """Gradient descent step by step."""
    for _ in range(epochs):
        w = w - step * (features.T @ (features @ w - targets))
    return w


def run_point(point: Mapping[str, Any]) -> dict[str, Any]:
    """Time one method both ways and compare the parameters."""
    method, epochs, looped = point["method"], point["epochs"], point["loop epochs"]
    features, targets, start = _data(point["outputs"])
    if point["outputs"] == 1:
        targets, start = targets[:, 0], start[:, 0]
    n = len(features)
    started = time.perf_counter()
    gram = blocked_gram(features)
    gram_seconds = time.perf_counter() - started
    steps: Any = PAPER_STEPS
    if method == "gd":
        steps = 1.0 / float(np.linalg.eigvalsh(gram)[-1])

    def fast(count: int) -> Array:
        return mt.linear.train(features, targets, start, method, step_sizes=steps, epochs=count, gram=gram).w

    def slow(count: int) -> Array:
        if method == "gd":
            return descent_loop(features, targets, start, steps, count)
        return sample_loop(features, targets, start, np.array([PAPER_STEPS(t) for t in range(n)]), count)

    fast(epochs)
    times = []
    for _ in range(7):
        started = time.perf_counter()
        fast(epochs)
        times.append(time.perf_counter() - started)
    closed = statistics.median(times)
    started = time.perf_counter()
    by_loop = slow(looped)
    loop = time.perf_counter() - started
    # Where the loop was cut short, its time is scaled, and the parameters are compared where it stopped.
    loop_for_all = loop * epochs / looped
    return {
        **point,
        "n": n,
        "D": features.shape[1],
        "form": mt.linear.train(
            features, targets, start, method, step_sizes=steps, epochs=epochs, gram=gram
        ).form,
        "loop seconds": loop,
        "loop scaled": looped != epochs,
        "closed seconds": closed,
        "gram seconds": gram_seconds,
        "ratio given K": loop_for_all / closed,
        "ratio with K": loop_for_all / (closed + gram_seconds),
        "relative difference after 3 epochs": _difference(slow(3), fast(3)),
        "relative difference after the loop": _difference(by_loop, fast(looped)),
    }


def _difference(a: Array, b: Array) -> float:
    return float(np.linalg.norm(a - b) / np.linalg.norm(a))


def verdict(rows: list[dict[str, Any]]) -> str:
    """What was measured in one sentence."""
    parts = [
        f"{row['method']}, {row['outputs']} outputs: {row['ratio given K']:.0f} times faster than the loop "
        f"({row['ratio with K']:.0f} with forming K), "
        f"difference {row['relative difference after the loop']:.1e}"
        for row in rows
    ]
    return "; ".join(parts)


def tabulate(rows: list[dict[str, Any]]) -> dict[str, Any]:
    """The times."""
    columns = [
        Column("method"),
        Column("outputs", spec="d"),
        Column("n", spec="d"),
        Column("D", spec="d"),
        Column("epochs", spec="d"),
        Column("closed seconds", "closed form, s", ".2g"),
        Column("gram seconds", "forming K, s", ".2g"),
        Column("loop seconds", "loop, s", ".3g"),
        Column("loop epochs", "epochs of the loop", "d"),
        Column("ratio given K", spec=".0f"),
        Column("ratio with K", spec=".0f"),
        Column("relative difference after the loop", "relative difference", ".1e"),
    ]
    title = "Training in closed form against the loops that it replaces; ratios are scaled to the same epochs"
    return {"dynamics": table(title, rows, columns)}
