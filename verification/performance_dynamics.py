"""Part `dynamics` of the campaign performance: what replaces a loop over samples or over requests, beside that loop.

Training is compared with two loops: a textbook's, one numpy row, one inner product and one update a sample, and one
that also takes the norm of its residual at each sample, as a loop that watches its convergence does. The data are the
digits 3 and 7, 362 samples with 5,000 random Fourier features, with one output (±1) and with ten; the steps are the
paper's. Optimal labels of 1,000 forget requests are compared with retraining for each of them, given K. All times are
processor seconds with BLAS of one thread, medians of a few; ratios are with K formed anew, and given K.
"""

from __future__ import annotations

import os
import statistics
import time
from collections.abc import Callable, Mapping
from functools import lru_cache, partial
from typing import Any

import numpy as np
from scipy.linalg.lapack import dpotrf, dpotrs
from threadpoolctl import threadpool_limits

import muso_theory as mt
from muso_theory.arrays import Array
from muso_theory.data import load
from muso_theory.linear.closed_forms import float_model
from muso_theory.linear.training import PAPER_STEPS
from muso_theory.numbers.gram import blocked_gram

from .tables import Column, table

__all__ = ["points", "retrained_labels", "run_point", "sample_loop", "verdict"]

_EPOCHS = 1500
_RUNS = 7
_RETRAINED = 40
"""Requests for which the retraining is timed; the time for all is in proportion."""


def points(quick: bool) -> list[dict[str, Any]]:
    """Methods by number of outputs, and requests by size; a quick run loops for fewer epochs, and says so."""
    loop = 30 if quick else _EPOCHS
    trained = [
        {"method": method, "outputs": outputs, "epochs": _EPOCHS, "loop epochs": loop}
        for method, outputs in (("cyclic-sgd", 1), ("cyclic-sgd", 10), ("gd", 1))
    ]
    n, requests = (100, 50) if quick else (1000, 1000)
    return [
        *trained,
        *({"method": "requests", "n": n, "D": 4 * n, "|F|": f, "requests": requests} for f in (1, 10)),
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


def sample_loop(
    features: Array, targets: Array, w: Array, steps: Array, epochs: int, *, watched: bool = False
) -> Array:
    """Cyclic SGD sample by sample, as it is usually written; watched, with the norm of the residual at each sample."""
    w = w.copy()
    for _ in range(epochs):
        for i in range(len(features)):
            phi = features[i]
            residual = phi @ w - targets[i]
            if watched:
                np.linalg.norm(residual)
            w -= steps[i] * residual * phi if w.ndim == 1 else np.outer(phi, steps[i] * residual)
    return w


def descent_loop(features: Array, targets: Array, w: Array, step: float, epochs: int) -> Array:
    """Gradient descent step by step."""
    for _ in range(epochs):
        w = w - step * (features.T @ (features @ w - targets))
    return w


def retrained_labels(gram: Array, targets: Array, forget: Array) -> Array:
    """Φ_F w_r for w₀ = 0 by a factorisation of the retained samples' K."""
    retain = np.setdiff1d(np.arange(len(gram)), forget)
    factor = dpotrf(gram[np.ix_(retain, retain)], lower=1, overwrite_a=1)[0]
    return np.asarray(gram[np.ix_(forget, retain)] @ dpotrs(factor, targets[retain], lower=1)[0])


def run_point(point: Mapping[str, Any]) -> dict[str, Any]:
    """Time one method both ways and compare what comes of it."""
    before = os.getloadavg()[0]
    with threadpool_limits(1, user_api="blas"):
        found = _requests(point) if point["method"] == "requests" else _training(point)
    return {**point, **found, "load": [before, os.getloadavg()[0]], "processors": os.cpu_count()}


def _seconds(work: Callable[[], Any], runs: int = _RUNS) -> tuple[float, Any]:
    """Processor seconds, the median of a few runs, and what the last of them gave."""
    times, found = [], None
    for _ in range(runs):
        started = time.process_time()
        found = work()
        times.append(time.process_time() - started)
    return statistics.median(times), found


def _ratios(loop: float, closed: float, gram: float) -> dict[str, float]:
    return {"loop seconds": loop, "ratio given K": loop / closed, "ratio with K": loop / (closed + gram)}


def _training(point: Mapping[str, Any]) -> dict[str, Any]:
    """One method of training, by its closed form and by loops; a loop cut short is scaled to all epochs."""
    method, epochs, looped = point["method"], point["epochs"], point["loop epochs"]
    features, targets, start = _data(point["outputs"])
    if point["outputs"] == 1:
        targets, start = targets[:, 0], start[:, 0]
    n = len(features)
    gram_seconds, gram = _seconds(partial(blocked_gram, features))
    step = 1.0 / float(np.linalg.eigvalsh(gram)[-1])
    steps: Any = step if method == "gd" else PAPER_STEPS

    def fast(count: int) -> Any:
        return mt.linear.train(features, targets, start, method, step_sizes=steps, epochs=count, gram=gram)

    def slow(count: int, *, watched: bool = False) -> Array:
        if method == "gd":
            return descent_loop(features, targets, start, step, count)
        rates = np.array([PAPER_STEPS(t) for t in range(n)])
        return sample_loop(features, targets, start, rates, count, watched=watched)

    fast(epochs)  # what is made once is not timed
    closed, trained = _seconds(partial(fast, epochs))
    loop, by_loop = _seconds(partial(slow, looped), 1)
    found = {
        "n": n,
        "D": features.shape[1],
        "form": trained.form,
        "closed seconds": closed,
        "gram seconds": gram_seconds,
        **_ratios(loop * epochs / looped, closed, gram_seconds),
        # Where the loop was cut short, the parameters are compared where it stopped.
        "relative difference": _difference(by_loop, fast(looped).w),
    }
    if method == "cyclic-sgd":
        seconds = _seconds(partial(slow, looped, watched=True), 1)[0] * epochs / looped
        found |= {f"watched {key}": value for key, value in _ratios(seconds, closed, gram_seconds).items()}
    return found


def _requests(point: Mapping[str, Any]) -> dict[str, Any]:
    """Many forget requests from one factorisation of K, and by one of each request's own."""
    n, rng = point["n"], np.random.default_rng(0)
    features, targets = rng.standard_normal((n, point["D"])), rng.standard_normal((n, 1))
    sets = [np.sort(rng.choice(n, point["|F|"], replace=False)) for _ in range(point["requests"])]
    gram_seconds, gram = _seconds(partial(blocked_gram, features))
    times, labels = [], []
    for _ in range(_RUNS):
        problem = mt.UnlearningProblem(features, targets, sets[0])
        assert len(float_model(problem).gram) == n  # K is at hand, as it is for retraining
        seconds, labels = _seconds(partial(mt.leave_block_out_labels, problem, sets), 1)
        times.append(seconds)
    some = sets[:_RETRAINED]
    seconds, retrained = _seconds(lambda: [retrained_labels(gram, targets, f) for f in some], 1)
    closed, loop = statistics.median(times), seconds * len(sets) / len(some)
    return {
        "outputs": 1,
        "form": "leave-block-out",
        "closed seconds": closed,
        "gram seconds": gram_seconds,
        **_ratios(loop, closed, gram_seconds),
        "relative difference": _difference(np.vstack(retrained), np.vstack(labels[: len(some)])),
    }


def _difference(a: Array, b: Array) -> float:
    return float(np.linalg.norm(a - b) / np.linalg.norm(a))


def verdict(rows: list[dict[str, Any]]) -> str:
    """What was measured in one sentence."""
    return "; ".join(
        f"{_name(row)}: {row['ratio given K']:.0f} times faster given K ({row['ratio with K']:.0f} with forming K), "
        f"difference {row['relative difference']:.1e}"
        for row in rows
    )


def _name(row: Mapping[str, Any]) -> str:
    """The method, and of what size."""
    if row["method"] == "requests":
        return f"{row['requests']} requests of {row['|F|']}"
    return f"{row['method']}, {row['outputs']} outputs"


def tabulate(rows: list[dict[str, Any]]) -> dict[str, Any]:
    """The times."""
    shown = [{**row, "busiest": max(row["load"])} for row in rows]
    columns = [
        Column("method"),
        Column("outputs", spec="d"),
        Column("n", spec="d"),
        Column("D", spec="d"),
        Column("epochs", spec="d"),
        Column("|F|", spec="d"),
        Column("requests", spec="d"),
        Column("closed seconds", "closed form, CPU s", ".2g"),
        Column("gram seconds", "forming K, CPU s", ".2g"),
        Column("loop seconds", "loop, CPU s", ".3g"),
        Column("ratio given K", spec=".0f"),
        Column("ratio with K", spec=".0f"),
        Column("watched ratio given K", "given K, loop with norms", ".0f"),
        Column("watched ratio with K", "with K, loop with norms", ".0f"),
        Column("relative difference", "relative difference", ".1e"),
        Column("busiest", "load", ".1f"),
    ]
    title = (
        "Closed forms against the loops that they replace; ratios are scaled to the same epochs and requests"
    )
    return {"dynamics": table(title, shown, columns)}
