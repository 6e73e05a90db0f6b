"""Part `engine` of the campaign performance: whole checks beside the same solves by the calls that everybody uses.

The unit of cost is w_p, w_r, the labels and w_u of the same problem by dsyrk, dpotrf, dpotrs and gemm, in processor
time of one thread of BLAS, which a busy machine disturbs less than the clock, and by the clock with all processors.
With more rows than features the plain solves take the retained rows' normal equations from those of all rows, as the
engine does. Each check has a problem of its own, so that nothing is at hand from an earlier one. A point at which more
processes wanted to run than there are processors is measured again, at most twice, and says so.
"""

from __future__ import annotations

import os
import statistics
import time
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

import numpy as np
from scipy.linalg.blas import dsyrk
from scipy.linalg.lapack import dpotrf, dpotrs
from sklearn.datasets import load_digits
from threadpoolctl import threadpool_limits

import muso_theory as mt
from muso_theory.arrays import Array

from .tables import Column, table

__all__ = ["plain_gap", "points", "problem_of", "run_point", "tabulate"]

_SIZES = ((1000, 4000, 1), (3000, 8000, 1), (20_000, 512, 10))
_TRIES = 3
_BUDGET = 1e4  # seconds: what is to be timed is started, whatever it was estimated to take


def points(quick: bool) -> list[dict[str, Any]]:
    """Digits with all claims, sizes with exact-labels alone, and many rows with a solution and with all claims."""
    if quick:
        return [
            {"data": "normal", "n": n, "D": width, "C": 2, "work": work, "runs": 1}
            for n, width in ((200, 400), (2000, 50))
            for work in ("solve", "exact-labels", "all claims")
        ]
    sized = [
        {"data": "normal", "n": n, "D": width, "C": columns, "work": work, "runs": 3 if n == 3000 else 7}
        for n, width, columns in _SIZES
        for work in ("solve", "exact-labels", *(["all claims"] if n > width else []))
    ]
    return [{"data": "digits", "n": 1797, "D": 5000, "C": 10, "work": "all claims", "runs": 3}, *sized]


def problem_of(point: Mapping[str, Any]) -> mt.UnlearningProblem:
    """The problem of one point; a tenth of the samples is to be forgotten."""
    n, width = point["n"], point["D"]
    rng = np.random.default_rng(0)
    forget = np.sort(rng.choice(n, n // 10, replace=False))
    if point["data"] == "digits":
        X, y = load_digits(return_X_y=True)
        fm = mt.GaussianFeatures(n_features=width, bandwidth="median", seed=0)
        return mt.UnlearningProblem.from_data(X, y, forget=forget, task="classification", feature_map=fm)
    features, targets = rng.standard_normal((n, width)), rng.standard_normal((n, point["C"]))
    return mt.UnlearningProblem(features, targets, forget)


def plain_gap(features: Array, targets: Array, forget: Array, retain: Array) -> float:
    """‖w_u − w_r‖ by plain solves for w₀ = 0.

    No row of the retained samples is copied: what the system takes for fresh pages varies twofold from run to run.
    """
    dual, theirs = len(features) <= features.shape[1], features[forget]
    matrix = dsyrk(1.0, features.T, trans=int(dual), lower=1)
    if dual:
        gap = _dual_gap(matrix, features, targets, forget, retain)
    else:
        less = matrix - dsyrk(1.0, theirs.T, trans=0, lower=1)
        whole, rest = (dpotrf(m, lower=1)[0] for m in (matrix, less))
        side = features.T @ targets
        w_p = dpotrs(whole, side, lower=1)[0]
        w_r = dpotrs(rest, side - theirs.T @ targets[forget], lower=1)[0]
        labels = targets.copy()
        labels[forget] = theirs @ w_r
        gap = w_p + dpotrs(whole, features.T @ (labels - features @ w_p), lower=1)[0] - w_r
    return float(np.linalg.norm(gap))


def _dual_gap(gram: Array, features: Array, targets: Array, forget: Array, retain: Array) -> Array:
    """The same from K: a fit of the retained samples is one of all with coefficients of zero."""
    whole, rest = (dpotrf(m, lower=1)[0] for m in (gram, np.tril(gram)[np.ix_(retain, retain)]))
    kept = np.zeros_like(targets)
    kept[retain] = dpotrs(rest, targets[retain], lower=1)[0]
    w_p, w_r = features.T @ dpotrs(whole, targets, lower=1)[0], features.T @ kept
    labels = targets.copy()
    labels[forget] = features[forget] @ w_r
    return np.asarray(w_p + features.T @ dpotrs(whole, labels - features @ w_p, lower=1)[0] - w_r)


def run_point(point: Mapping[str, Any]) -> dict[str, Any]:
    """Time one problem, again where the machine was too busy."""
    found: dict[str, Any] = {}
    while not found or (max(found["load"]) > (os.cpu_count() or 1) and found["tries"] < _TRIES):
        found = _measured(point) | {"tries": found.get("tries", 0) + 1}
    return found


def _measured(point: Mapping[str, Any]) -> dict[str, Any]:
    """One point, once."""
    before = os.getloadavg()[0]
    problem = problem_of(point)
    features, targets = (np.asarray(a, dtype=np.float64) for a in (problem.features, problem.targets))
    arrays = features, targets.reshape(len(features), -1), problem.forget, problem.retain
    _done(point["work"], problem_of({**point, "data": "normal", "n": 60, "D": 90}))  # imports are not timed
    with threadpool_limits(1, user_api="blas"):
        plain, work, ratio, found = _compared(point, arrays, time.process_time)
    plain_clock, clock, by_clock, _ = _compared(point, arrays, time.perf_counter)
    return {
        **found,
        "gap of plain solves": plain_gap(*arrays),
        "plain CPU seconds": plain,
        "CPU seconds": work,
        "ratio": ratio,
        "plain seconds": plain_clock,
        "seconds": clock,
        "ratio of the clock": by_clock,
        "load": [before, os.getloadavg()[0]],
        "processors": os.cpu_count(),
    }


def _compared(
    point: Mapping[str, Any], arrays: tuple[Array, Array, Array, Array], clock: Callable[[], float]
) -> tuple[float, float, float, dict[str, Any]]:
    """Medians of the plain solves, of the work and of their ratio, run in turns; and how sharp the answer is."""
    plain, works, found = [], [], {}
    for _ in range(point["runs"]):
        plain.append(_seconds(partial(plain_gap, *arrays), clock)[0])
        seconds, found = _seconds(partial(_done, point["work"], problem_of(point)), clock)
        works.append(seconds)
    ratio = statistics.median(w / p for w, p in zip(works, plain, strict=True))
    return statistics.median(plain), statistics.median(works), ratio, found


def _done(work: str, problem: mt.UnlearningProblem) -> dict[str, Any]:
    """The work, and how sharp its answer is."""
    if work == "solve":
        return {"verdict": "MEASURED", "gap": mt.solve(problem).parameter_gap}
    claims = None if work == "all claims" else ["exact-labels"]
    report = mt.check(problem, claims, budget=_BUDGET)
    row = report["exact-labels"]
    return {"verdict": row.verdict.name, "gap": float(row.findings[0].quantity.upper)}


def _seconds(work: Callable[[], Any], clock: Callable[[], float]) -> tuple[float, Any]:
    """Time of some work, and its result."""
    started = clock()
    found = work()
    return clock() - started, found


def tabulate(rows: list[dict[str, Any]]) -> dict[str, Any]:
    """Ratios, and accuracy beside them."""
    shown = [{**row, "busiest": max(row["load"])} for row in rows]
    columns = [
        Column("data"),
        Column("n", spec="d"),
        Column("D", spec="d"),
        Column("C", spec="d"),
        Column("work"),
        Column("plain CPU seconds", "plain solves, CPU s", ".3g"),
        Column("CPU seconds", "CPU s", ".3g"),
        Column("ratio", spec=".2f"),
        Column("ratio of the clock", "by the clock, all processors", ".2f"),
        Column("verdict"),
        Column("gap", "‖w_u − w_r‖ ≤", ".1e"),
        Column("gap of plain solves", "of plain solves", ".1e"),
        Column("busiest", "load", ".1f"),
    ]
    return {"engine": table("Whole checks beside the plain solves of the same numbers", shown, columns)}
