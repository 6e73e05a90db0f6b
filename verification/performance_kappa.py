"""Part `kappa` of the campaign performance: up to which condition number are theorems decided, and at what cost.

Rows have singular values in geometric progression from 1 down to κ^-½, and random singular vectors; targets are either
random, so that the solution is as long as it can be, or those of a random w. The unit of cost is one ordinary solve of
the same sizes on the same core: dsyrk, dpotrf and dpotrs, both in processor time, which a busy machine disturbs less
than the clock. The condition number of the plain solves is 10^4, since their time does not depend on it. How sharp the
bounds are is told by enclosures of two numbers that are not zero: bound/truth is at most the upper end over the lower.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Mapping
from functools import lru_cache, partial
from typing import Any

import numpy as np
import scipy.linalg

import muso_theory as mt
from muso_theory.arrays import Array
from muso_theory.linear.certified import CertifiedForms

from .tables import Column, table

__all__ = ["CLAIMS", "points", "problem_of", "run_point", "tabulate", "verdict"]


CLAIMS = (
    "full-rank",
    "full-rank-retain",
    "full-rank-forget",
    "exact-labels",
    "label-free",
    "leave-block-out",
)
"""What has to be decided in one check."""

_SIZES = (300, 700, 1500)
_CONDITIONS = (1e2, 1e4, 1e7, 1e10, 1e13, 1e16, 1e18, 1e20)


def points(quick: bool) -> list[dict[str, Any]]:
    """One point a size, condition number and kind of targets; a quick run has one size and four condition numbers."""
    conditions = (1e4, 1e10, 1e16, 1e20) if quick else _CONDITIONS
    return [
        {"n": n, "D": 3 * n // 2, "condition": condition, "targets": targets, "runs": 3 if n < 1000 else 1}
        for n in (_SIZES[:1] if quick else _SIZES)
        for condition in conditions
        for targets in ("random", "of a model")
    ]


@lru_cache(maxsize=1)
def _vectors(n: int, width: int) -> tuple[Array, Array]:
    """Random singular vectors."""
    rng = np.random.default_rng(0)
    left = scipy.linalg.qr(rng.standard_normal((n, n)))[0]
    return left, scipy.linalg.qr(rng.standard_normal((width, n)), mode="economic")[0]


def problem_of(point: Mapping[str, Any]) -> mt.UnlearningProblem:
    """The problem of one point; a tenth of the samples is to be forgotten."""
    n, width = point["n"], point["D"]
    left, right = _vectors(n, width)
    features = (left * np.geomspace(1, point["condition"] ** -0.5, n)) @ right.T
    rng = np.random.default_rng(1)
    forget = np.sort(rng.choice(n, n // 10, replace=False))
    targets = (
        rng.standard_normal(n) if point["targets"] == "random" else features @ rng.standard_normal(width)
    )
    return mt.UnlearningProblem(features, targets, forget)


def _plain_solve(features: Array, targets: Array) -> Array:
    """K⁻¹y by the three calls that everybody uses."""
    gram = scipy.linalg.blas.dsyrk(1.0, features.T, trans=1, lower=1)
    factor, _ = scipy.linalg.lapack.dpotrf(gram, lower=1, overwrite_a=1)
    solution, _ = scipy.linalg.lapack.dpotrs(factor, targets, lower=1)
    return np.asarray(solution)


def run_point(point: Mapping[str, Any]) -> dict[str, Any]:
    """Check the claims of one problem, all together, and time that beside ordinary solves."""
    problem = problem_of(point)
    easy = problem_of({**point, "condition": 1e4})
    features, targets = np.asarray(easy.features), np.asarray(easy.targets)[:, None]
    report = mt.check(problem, CLAIMS)  # also warms up
    checks, solves, waits = [], [], []
    for _ in range(point["runs"]):
        for _ in range(5):
            solves.append(_seconds(partial(_plain_solve, features, targets))[0])
        # A problem of its own: nothing that an earlier check has computed is at hand.
        fresh = problem_of(point)
        check, wait = _seconds(partial(mt.check, fresh, CLAIMS))
        checks.append(check)
        waits.append(wait)
    rows = {row.name: row for row in report.rows if row.claim in CLAIMS}
    theorems = {slug: rows[slug] for slug in CLAIMS}
    check, solve = statistics.median(checks), statistics.median(solves)
    model = CertifiedForms(problem, preconditioned=True)
    smallest, gap = model.spectrum[0], model.gap(model.targets(model.forget))
    return {
        "verdicts": {slug: row.verdict.name for slug, row in theorems.items()},
        "arithmetics": {slug: row.arithmetic for slug, row in theorems.items()},
        "handed out": {name: row.verdict.name for name, row in rows.items() if name.endswith("[output]")},
        "undecided": sorted(slug for slug, row in theorems.items() if row.verdict.name == "UNDECIDED"),
        "smallest eigenvalue": float(theorems["full-rank"].findings[0].quantity.lower),
        "gap of exact labels": _bound(theorems["exact-labels"]),
        "gap of label-free": _bound(theorems["label-free"]),
        "error of leave-block-out": _bound(theorems["leave-block-out"]),
        "smallest eigenvalue, bound/truth": smallest.bound / smallest.floor,
        "gap of doing nothing, bound/truth": gap.bound / gap.floor,
        "check seconds": check,
        "waited seconds": statistics.median(waits),
        "solve seconds": solve,
        "cost in plain solves": check / solve,
    }


def _seconds(work: Callable[[], object]) -> tuple[float, float]:
    """Processor time, and time by the clock."""
    started = time.process_time(), time.perf_counter()
    work()
    return time.process_time() - started[0], time.perf_counter() - started[1]


def _bound(row: Any) -> float | None:
    """The first finding's bound, relative to the length that it is allowed a millionth of."""
    if not row.findings:
        return None
    finding = row.findings[0]
    allowed = float(finding.allowed.lower)
    return float(finding.quantity.upper) / allowed * 1e-6 if allowed else None


def verdict(rows: list[dict[str, Any]]) -> str:
    """How many problems are decided."""
    inside = [row for row in rows if row["condition"] <= 1e20]
    return (
        f"{sum(not row['undecided'] for row in rows)} of {len(rows)} problems have all of {', '.join(CLAIMS)} decided; "
        f"up to condition number 1e20 {sum(not row['undecided'] for row in inside)} of {len(inside)}"
    )


def tabulate(rows: list[dict[str, Any]]) -> dict[str, Any]:
    """The condition numbers."""
    shown = [
        {
            **row,
            "decided": "all" if not row["undecided"] else "not " + ", ".join(row["undecided"]),
            "by": ", ".join(sorted(set(row["arithmetics"].values()))),
        }
        for row in rows
    ]
    columns = [
        Column("n", spec="d"),
        Column("condition", "κ(K)", ".0e"),
        Column("targets"),
        Column("decided"),
        Column("by"),
        Column("smallest eigenvalue", "λ_min ≥", ".2g"),
        Column("gap of exact labels", "exact labels", ".1e"),
        Column("gap of label-free", "label-free", ".1e"),
        Column("error of leave-block-out", "leave block out", ".1e"),
        Column("smallest eigenvalue, bound/truth", "λ_min, bound/truth ≤", ".3g"),
        Column("gap of doing nothing, bound/truth", "gap, bound/truth ≤", ".6g"),
        Column("check seconds", "check, CPU s", ".2g"),
        Column("cost in plain solves", "plain solves", ".3g"),
    ]
    title = (
        "Claims decided at large condition numbers: bounds relative to their scale, and what a check costs"
    )
    return {"kappa": table(title, shown, columns)}
