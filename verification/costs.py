"""Estimated against measured time and memory of each arithmetic, and whether the budget of a check is kept.

Each point is a whole check, all claims, by one arithmetic, in a process of its own: processor time, and how far the
peak of its memory rises. Constants of the rational and ball estimates were set on these very points, and most sizes of
verified float64 were among those fitted to: for them the result is no test on unseen sizes. Estimates are made for all
claims together and are the same on every machine, so a machine of another speed shows here in all ratios alike.
"""

from __future__ import annotations

import multiprocessing
import random
import resource
import sys
import time
from collections.abc import Mapping
from fractions import Fraction
from typing import Any

import numpy as np

import muso_theory as mt
from muso_theory.arrays import Array
from muso_theory.checking import ladder
from muso_theory.checking.costs import Cost, ball_cost, certified_cost, rational_cost

from .campaign import GridPoint, Options, measured_rows
from .tables import Column, table

__all__ = ["FACTOR", "KINDS", "measure", "measure_budget", "points", "problem_of", "run", "within"]

SECONDS = (60, 300)
FACTOR = 3.0
"""How far an estimate may be from the measurement, and a check from its budget."""

_SHORT = 0.5
"""Seconds below which starting up decides, and not the sizes."""

KINDS = {
    "float": "normal floats",
    "graded": "floats over 2^±bits",
    "dup": "normal floats with two equal rows",
    "near": "floats with κ(K) about 1e26",
    "int": "integers of so many bits",
    "decimal": "Fractions over 10^bits",
    "fraction": "Fractions with numerators and denominators of so many bits",
}


def problem_of(point: GridPoint) -> mt.UnlearningProblem:
    """Build the problem of a point, whose last tenth of the samples is to be forgotten."""
    kind, n, d, bits = point["kind"], point["n"], point["D"], point["bits"]
    source, rng = random.Random(f"{kind} {n} {d} {bits}"), np.random.default_rng([n, d, bits])

    def entry() -> int | Fraction:
        if kind == "int":
            return source.randrange(-(2 ** (bits - 1)), 2 ** (bits - 1))
        if kind == "decimal":
            return Fraction(source.randrange(-(10**6), 10**6), 10**bits)
        return Fraction(source.getrandbits(bits) + 1, source.getrandbits(bits) | 1)

    def array(rows: int, columns: int) -> Array:
        if kind in ("int", "decimal", "fraction"):
            return np.array([[entry() for _ in range(columns)] for _ in range(rows)], dtype=object)
        values = rng.standard_normal((rows, columns))
        if kind == "graded":
            return np.ldexp(values, rng.integers(-bits, bits, values.shape))
        if kind == "near" and rows <= columns:
            left, _ = np.linalg.qr(values @ values.T)
            return np.asarray((left * np.logspace(0, -13, rows)) @ values)
        return values

    features = array(n, d)
    if kind == "dup":
        features[-1] = features[0]
    return mt.UnlearningProblem(features, array(n, point["outputs"]), range(n - max(1, n // 10), n))


def estimate(point: GridPoint, problem: mt.UnlearningProblem) -> Cost:
    """What the point is expected to cost."""
    if point["arithmetic"] == "rational":
        return rational_cost(problem)
    if point["arithmetic"] == "verified float64":
        return certified_cost(problem)
    return ball_cost(problem, point["precision"])


def measure(point: GridPoint) -> dict[str, Any]:
    """Check one problem in one arithmetic."""
    cost = estimate(point, problem_of(point))
    seconds, gigabytes, _ = _alone(point)
    return {
        "estimated seconds": cost.seconds,
        "measured seconds": seconds,
        "time ratio": cost.seconds / seconds,
        "estimated GB": cost.gigabytes,
        "measured GB": gigabytes,
        "memory ratio": cost.gigabytes / gigabytes if gigabytes else None,
    }


def measure_budget(point: GridPoint) -> dict[str, Any]:
    """Check one problem by ``auto`` within a budget."""
    seconds, _, needs = _alone(point)
    return {
        "measured seconds": seconds,
        "over budget": seconds / max(point["budget"], 1.0),
        "undecided": len(needs),
        "not started": sorted({need for need in needs if "not started" in need}),
    }


def _alone(point: GridPoint) -> tuple[float, float, list[str]]:
    """Check in a process of its own, so that no point finds the memory of another."""
    _warm_up()
    fork = "fork" in multiprocessing.get_all_start_methods()
    context: Any = multiprocessing.get_context("fork" if fork else "spawn")
    here, there = context.Pipe(duplex=False)
    process = context.Process(target=_check, args=(dict(point), there))
    process.start()
    there.close()
    found: tuple[float, float, list[str]] = here.recv()
    process.join()
    return found


def _check(point: GridPoint, connection: Any) -> None:
    """What that process does: check, and send back time and memory."""
    problem = problem_of(point)
    arithmetic = point["arithmetic"]
    settings: dict[str, Any] = {"arithmetic": arithmetic}
    if arithmetic == "verified float64":
        settings = {"arithmetic": "auto", "budget": 1e6}
        ladder.Ladder._affordable = property(lambda self: [self._certified])  # type: ignore[assignment]
    if arithmetic == "ball":
        ladder.PRECISIONS = (point["precision"],)
    if arithmetic == "auto":
        settings["budget"] = point["budget"]
    before, started = _peak(), time.process_time()
    report = mt.check(problem, **settings)
    needs = [row.needs for row in report.rows if row.verdict is mt.Verdict.UNDECIDED]
    connection.send((time.process_time() - started, _peak() - before, needs))


def _peak() -> float:
    """Gigabytes of the largest resident set so far."""
    unit = 1 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit / 1e9


def _warm_up() -> None:
    """Import, once, all that a check imports when it is first needed."""
    if not _WARM:
        small = mt.UnlearningProblem(np.eye(2, 3), [1.0, 2.0], [0])
        for arithmetic in ("auto", "ball", "rational"):
            mt.check(small, arithmetic=arithmetic)
        _WARM.append(True)


_WARM: list[bool] = []


def points(quick: bool) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """Points of one arithmetic each, and points with a budget."""
    rational = [
        ("fraction", 4, 6, 200, 1), ("fraction", 8, 10, 1000, 1), ("fraction", 10, 12, 200, 1),
        ("fraction", 6, 8, 100, 4), ("fraction", 25, 4, 60, 1), ("fraction", 2, 3, 16000, 1),
        ("int", 2, 3, 16000, 1), ("int", 30, 40, 64, 1), ("int", 70, 90, 10, 1), ("int", 250, 15, 32, 1),
        ("decimal", 40, 50, 4, 1), ("float", 30, 45, 0, 1), ("float", 75, 85, 0, 1), ("float", 160, 20, 0, 1),
        ("float", 25, 600, 0, 1), ("float", 25, 40, 0, 4), ("graded", 25, 40, 100, 1), ("dup", 45, 60, 0, 1),
    ]  # fmt: skip
    ball = [
        (128, 50, 70, 1), (128, 130, 170, 1), (128, 700, 25, 1), (128, 60, 80, 5), (128, 30, 1500, 1),
        (512, 70, 90, 1), (512, 500, 15, 1), (2048, 35, 50, 1),
    ]  # fmt: skip
    verified = [
        (200, 300, 1), (500, 800, 1), (1000, 1500, 1), (150, 5000, 1), (10000, 60, 1), (2500, 300, 1), (400, 600, 10),
        (40000, 60, 1), (20000, 100, 1),
    ]  # fmt: skip
    budgets = [
        ("fraction", 8, 10, 1000, 2.0), ("fraction", 10, 12, 200, 5.0), ("int", 3, 4, 16000, 2.0),
        ("dup", 60, 90, 0, 1.0), ("dup", 60, 90, 0, 10.0), ("near", 60, 90, 0, 3.0), ("float", 2000, 3000, 0, 2.0),
        ("float", 1000, 1500, 0, 5.0), ("graded", 40, 60, 300, 4.0),
    ]  # fmt: skip
    one = [
        {"arithmetic": "rational", "kind": kind, "n": n, "D": d, "bits": bits, "outputs": c}
        for kind, n, d, bits, c in rational
    ]
    one += [
        {"arithmetic": "ball", "precision": b, "kind": "float", "n": n, "D": d, "bits": 0, "outputs": c}
        for b, n, d, c in ball
    ]
    one += [
        {"arithmetic": "verified float64", "kind": "float", "n": n, "D": d, "bits": 0, "outputs": c}
        for n, d, c in verified
    ]
    within = [
        {"arithmetic": "auto", "kind": kind, "n": n, "D": d, "bits": bits, "outputs": 1, "budget": budget}
        for kind, n, d, bits, budget in budgets
    ]
    return (one[::4], within[::4]) if quick else (one, within)


def run(quick: bool, options: Options) -> dict[str, Any]:
    """Run the campaign; points are timed one at a time whatever the number of jobs."""
    one, budgets = points(quick)
    rows = measured_rows("costs", measure, one, options.one_by_one)
    kept = measured_rows("costs-budget", measure_budget, budgets, options.one_by_one)
    off = [row for row in rows if not within(row)]
    over = [row for row in kept if row["over budget"] > FACTOR]
    return {
        "kinds": KINDS,
        "points": rows,
        "budgets": kept,
        "outside the factor": off,
        "beyond the budget": over,
        "verdict": f"{len(off)} of {len(rows)} estimates outside a factor of {FACTOR:g}, {len(over)} budgets exceeded",
        "failed": bool(off or over),
    }


def within(row: Mapping[str, Any]) -> bool:
    """Whether the estimates are within the factor; starting up takes what a short check or a small memory is."""
    time_off = max(row["estimated seconds"], _SHORT) / max(row["measured seconds"], _SHORT)
    memory_off = max(row["estimated GB"], 0.02) / max(row["measured GB"], 0.02)
    return all(1 / FACTOR <= off <= FACTOR for off in (time_off, memory_off))


def tabulate(result: Mapping[str, Any]) -> dict[str, Any]:
    """Estimates beside measurements."""
    sizes = [
        Column("kind"),
        Column("n", spec="d"),
        Column("D", spec="d"),
        Column("outputs", spec="d"),
        Column("bits", spec="d"),
    ]
    return {
        "estimates": table(
            "Estimated and measured cost of a check, one core",
            result["points"],
            [
                Column("arithmetic"),
                Column("precision", spec="d"),
                *sizes,
                Column("estimated seconds", spec=".2g"),
                Column("measured seconds", spec=".2g"),
                Column("time ratio", spec=".2f"),
                Column("estimated GB", spec=".2g"),
                Column("measured GB", spec=".2g"),
            ],
        ),
        "budgets": table(
            "Checks within a budget",
            result["budgets"],
            [
                *sizes,
                Column("budget"),
                Column("measured seconds", spec=".2g"),
                Column("over budget", spec=".2f"),
                Column("undecided", spec="d"),
            ],
        ),
    }
