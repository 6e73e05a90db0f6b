"""Part `engine` of the campaign performance: whole checks beside the same solves by the calls that everybody uses.

The unit of cost is w_p, w_r, the labels and w_u of the same problem by dsyrk, dpotrf, dpotrs and gemm, all in processor
time of one thread of BLAS, which a busy machine disturbs less than the clock. With more rows than features the plain
solves take the retained rows' normal equations from those of all rows, as the engine does. Each check has a problem of
its own, so that nothing is at hand from an earlier one. A point at which more processes wanted to run than there are
processors is measured again, at most twice, and says so.
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
        {"data": "normal", "n": n, "D": width, "C": columns, "work": work, "runs": 3}
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
    """‖w_u − w_r‖ by plain solves for w₀ = 0."""
    dual = len(features) <= features.shape[1]
    matrix = dsyrk(1.0, features.T, trans=int(dual), lower=1)
    theirs = features[forget]
    others = np.ix_(retain, retain)
    less = np.tril(matrix)[others] if dual else matrix - dsyrk(1.0, theirs.T, trans=0, lower=1)
    whole, rest = (dpotrf(m, lower=1)[0] for m in (matrix, less))

    def fit(factor: Array, rows: Array, labels: Array) -> Array:
        if dual:
            return np.asarray(rows.T @ dpotrs(factor, labels, lower=1)[0])
        return np.asarray(dpotrs(factor, rows.T @ labels, lower=1)[0])

    w_p = fit(whole, features, targets)
    w_r = fit(rest, features[retain], targets[retain])
    labels = targets.copy()
    labels[forget] = theirs @ w_r
    return float(np.linalg.norm(w_p + fit(whole, features, labels - features @ w_p) - w_r))


def run_point(point: Mapping[str, Any]) -> dict[str, Any]:
    """Time one problem, again where the machine was too busy."""
    found: dict[str, Any] = {}
    with threadpool_limits(1, user_api="blas"):
        while not found or (max(found["load"]) > (os.cpu_count() or 1) and found["tries"] < _TRIES):
            found = _measured(point) | {"tries": found.get("tries", 0) + 1}
    return found


def _measured(point: Mapping[str, Any]) -> dict[str, Any]:
    """One point, once."""
    before = os.getloadavg()[0]
    problem = problem_of(point)
    features, targets = (np.asarray(a, dtype=np.float64) for a in (problem.features, problem.targets))
    arrays = features, targets.reshape(len(features), -1), problem.forget, problem.retain
    plain, works = [], []
    _done(point["work"], problem_of({**point, "data": "normal", "n": 60, "D": 90}))  # imports are not timed
    for _ in range(point["runs"]):
        plain.append(_seconds(partial(plain_gap, *arrays))[0])
        seconds, found = _seconds(partial(_done, point["work"], problem_of(point)))
        works.append(seconds)
    return {
        **found,
        "gap of plain solves": plain_gap(*arrays),
        "plain CPU seconds": statistics.median(plain),
        "CPU seconds": statistics.median(works),
        "ratio": statistics.median(w / p for w, p in zip(works, plain, strict=True)),
        "load": [before, os.getloadavg()[0]],
        "processors": os.cpu_count(),
    }


def _done(work: str, problem: mt.UnlearningProblem) -> dict[str, Any]:
    """The work, and how sharp its answer is."""
    if work == "solve":
        return {"verdict": "MEASURED", "gap": mt.solve(problem).parameter_gap}
    claims = None if work == "all claims" else ["exact-labels"]
    report = mt.check(problem, claims, budget=_BUDGET)
    row = report["exact-labels"]
    return {"verdict": row.verdict.name, "gap": float(row.findings[0].quantity.upper)}


def _seconds(work: Callable[[], Any]) -> tuple[float, Any]:
    """Processor time of some work, and its result."""
    started = time.process_time()
    found = work()
    return time.process_time() - started, found


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
        Column("verdict"),
        Column("gap", "‖w_u − w_r‖ ≤", ".1e"),
        Column("gap of plain solves", "of plain solves", ".1e"),
        Column("busiest", "load", ".1f"),
    ]
    return {"engine": table("Whole checks beside the plain solves of the same numbers", shown, columns)}
