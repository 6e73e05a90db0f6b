"""What certainty costs: wall time and memory of certified answers beside ordinary ones, in one run.

Part `certified`. The ordinary answer is what a float64 user computes: Gram matrix, Cholesky factor, w_p,
w_r, the optimal labels, w_u and the gaps. The certified answer is all of that plus proved bounds on the
smallest eigenvalue, the condition number, the label error, both gaps and the distance of the float w_u.
Runs alternate, so that a busy machine hits both alike.
"""

from __future__ import annotations

import os
import statistics
import time
import tracemalloc
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from muso_theory import UnlearningProblem, solve
from muso_theory.linear.certified import CertifiedForms
from muso_theory.numbers import BALL, MP

from .campaign import Options, measure_points, measured_rows
from .tables import Column, table

__all__ = ["PARTS", "certified_answer", "ordinary_answer", "run", "tabulate"]

PARTS = {
    "certified": "What certainty costs: certified answers beside ordinary ones.",
    "engine": "What whole checks cost in plain solves of the same numbers, in processor time.",
    "memory": "What problems larger than memory cost: peaks, and time beside the normal equations; on a cluster, too.",
    "cluster": "The largest of these on a cluster of which a worker is killed, beside as many threads.",
    "dynamics": "What closed forms save: training beside its loops, and many forget requests beside retraining.",
    "kappa": "Up to which condition number claims are decided, and what that costs in ordinary solves.",
    "ntk": "How fast the empirical tangent kernel is, beside those of other libraries where they are installed.",
}
SECONDS = {
    "certified": (20, 600),
    "engine": (10, 240),
    "memory": (160, 7200),
    "cluster": (60, 1800),
    "dynamics": (25, 150),
    "kappa": (20, 600),
    "ntk": (20, 2200),
}


def problem_data(n: int, width: int, seed: int = 0) -> dict[str, Any]:
    """Random Fourier features of clustered points: a kernel problem of moderate condition."""
    rng = np.random.default_rng(seed)
    x = rng.standard_normal((n, 20)) + 2 * rng.standard_normal((10, 20))[rng.integers(0, 10, n)]
    angle = x @ (rng.standard_normal((20, width // 2)) / 4)
    features = np.empty((n, 2 * (width // 2)))
    np.cos(angle, out=features[:, : width // 2])
    np.sin(angle, out=features[:, width // 2 :])
    features /= (width // 2) ** 0.5
    forget = np.sort(rng.choice(n, n // 10, replace=False))
    return {
        "features": features,
        "targets": np.sign(x[:, :1]),
        "forget": forget,
        "w_init": rng.standard_normal((features.shape[1], 1)),
    }


def ordinary_answer(data: Mapping[str, Any]) -> dict[str, Any]:
    """Everything a float64 user wants to know, without a proof."""
    problem = UnlearningProblem(**data)
    solution = solve(problem)
    return {
        "problem": problem,
        "solution": solution,
        "gap": solution.parameter_gap,
        "pretrained gap": solution.pretrained_gap,
    }


def certified_answer(data: Mapping[str, Any]) -> dict[str, Any]:
    """Compute the ordinary answer, then prove it."""
    ordinary = ordinary_answer(data)
    model, solution = CertifiedForms(ordinary["problem"]), ordinary["solution"]
    labels = model.given(solution.forget_labels)
    enclosures = {
        "smallest eigenvalue": model.spectrum[0],
        "condition number": model.condition_number,
        "label error": model.label_distance(labels, model.optimal_labels),
        "parameter gap of the labels": model.gap(labels),
        "parameter gap of w_u": model.distance(model.at(solution.w_unlearned), model.retrained),
        "pretrained gap": model.gap(model.targets(model.forget)),
    }
    return {
        "gap": ordinary["gap"],
        "pretrained gap": ordinary["pretrained gap"],
        "proved": {name: [q.floor, q.bound] for name, q in enclosures.items()},
    }


def _seconds(work: Callable[[], object]) -> float:
    started = time.perf_counter()
    work()
    return time.perf_counter() - started


def _peak(n: int, width: int, answer: Callable[[Mapping[str, Any]], object]) -> int:
    """Peak of traced memory in bytes, the features included."""
    data = problem_data(n, width)
    tracemalloc.start()
    try:
        copy = {key: np.array(value) for key, value in data.items()}
        answer(copy)
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


def measure_certified(point: Mapping[str, Any]) -> dict[str, Any]:
    """Time one size."""
    n, width, runs = point["n"], point["D"], point["runs"]
    data = problem_data(n, width)
    found = certified_answer(data)  # also warms up
    ordinary, certified = [], []
    for _ in range(runs):
        ordinary.append(_seconds(lambda: ordinary_answer(data)))
        certified.append(_seconds(lambda: certified_answer(data)))
    plain, proved = _peak(n, width, ordinary_answer), _peak(n, width, certified_answer)
    return {
        **found,
        "ordinary seconds": statistics.median(ordinary),
        "certified seconds": statistics.median(certified),
        "time ratio": statistics.median(c / o for c, o in zip(certified, ordinary, strict=True)),
        "time ratio of medians": statistics.median(certified) / statistics.median(ordinary),
        "all ordinary seconds": ordinary,
        "all certified seconds": certified,
        "peak bytes": [plain, proved],
        "memory ratio": proved / plain,
    }


def measure_slow_twins(point: Mapping[str, Any]) -> dict[str, Any]:
    """Time one solve in mpmath, in MP, in balls, and as a certified float64 fit."""
    import mpmath

    n, bits = point["n"], point["bits"]
    rng = np.random.default_rng(1)
    features = rng.standard_normal((n, 2 * n))
    gram, b = features @ features.T, rng.standard_normal((n, 1))
    context = mpmath.MPContext()
    context.prec = bits
    slow_k, slow_b = context.matrix(gram.tolist()), context.matrix(b.tolist())
    ball, mp = BALL(bits), MP(max(2, round(bits * 0.30103)))
    ball_k, ball_b = ball.matrix(gram), ball.matrix(b)
    mp_k, mp_b = mp.matrix(gram), mp.matrix(b)
    ball_factor = ball.factor(ball_k)
    seconds = {
        "mpmath lu_solve": _seconds(lambda: context.lu_solve(slow_k, slow_b)),
        "mpmath cholesky_solve": _seconds(lambda: context.cholesky_solve(slow_k, slow_b)),
        "MP factor and solve": _seconds(lambda: mp.factor(mp_k).solve(mp_b)),
        "BALL solve, proved": statistics.median(
            _seconds(lambda: ball_factor.solve(ball_b)) for _ in range(5)
        ),
        "BALL factor and solve, proved": statistics.median(
            _seconds(lambda: ball.factor(ball_k).solve(ball_b)) for _ in range(5)
        ),
        "certified float64 fit from the features": _seconds(
            lambda: CertifiedForms(UnlearningProblem(features, b, np.arange(n // 2, n))).pretrained
        ),
    }
    proved = seconds["BALL solve, proved"]
    return {
        "seconds": seconds,
        "BALL solve faster than mpmath lu_solve by": seconds["mpmath lu_solve"] / proved,
        "BALL solve faster than mpmath cholesky_solve by": seconds["mpmath cholesky_solve"] / proved,
    }


def run(quick: bool, options: Options, part: str = "certified") -> dict[str, Any]:
    """Run the campaign; points are timed one at a time whatever the number of jobs."""
    assert part in PARTS
    if part == "ntk":
        return _tangent_kernels(quick, options)
    if part == "dynamics":
        return _dynamics(quick, options)
    if part == "kappa":
        return _conditions(quick, options)
    if part == "engine":
        return _engine(quick, options)
    if part == "memory":
        return _memory(quick, options)
    if part == "cluster":
        return _on_cluster(quick, options)
    grid = ((500, 1000), (1000, 2000), (1000, 8000), (2000, 4000), (2000, 8000), (3000, 8000), (4000, 8000))
    sizes = grid[:3] if quick else grid
    points = [{"n": n, "D": d, "runs": 3 if quick else 7} for n, d in sizes]
    alone = options.one_by_one
    rows = measured_rows("performance-certified", measure_certified, points, alone, threads=None)
    twins = [{"n": n, "bits": bits} for n in (50, 100) for bits in (100, 128)]
    slow = measured_rows("performance-slow-twins", measure_slow_twins, twins, alone, threads=None)
    worst = max(row["time ratio"] for row in rows if row["n"] >= 1000)
    return {
        "certified": rows,
        "multiprecision": slow,
        "verdict": f"certified at most {worst:.2f} times the ordinary wall time from n = 1000 on",
    }


def tabulate(result: Mapping[str, Any]) -> dict[str, Any]:
    """The times of any part."""
    if "certified" in result:
        slow = [
            {**row["seconds"], **{key: value for key, value in row.items() if key != "seconds"}}
            for row in result["multiprecision"]
        ]
        names = list(result["multiprecision"][0]["seconds"])
        return {
            "certified": table(
                "A certified fit against an ordinary one, medians of wall time and peak memory",
                result["certified"],
                [
                    Column("n", spec="d"),
                    Column("D", spec="d"),
                    Column("ordinary seconds", spec=".3g"),
                    Column("certified seconds", spec=".3g"),
                    Column("time ratio", spec=".2f"),
                    Column("memory ratio", spec=".2f"),
                ],
            ),
            "multiprecision": table(
                "One solve in wider arithmetic, seconds",
                slow,
                [
                    Column("n", spec="d"),
                    Column("bits", spec="d"),
                    *(Column(name, spec=".2g") for name in names),
                ],
            ),
        }
    from . import (
        performance_dynamics,
        performance_engine,
        performance_kappa,
        performance_memory,
        performance_ntk,
    )

    first = result["cases"][0]
    part = (
        performance_kappa
        if "condition" in first
        else performance_engine
        if "work" in first
        else performance_memory
        if "where" in first
        else performance_dynamics
        if "method" in first
        else performance_ntk
    )
    return part.tabulate(result["cases"])


def _dynamics(quick: bool, options: Options) -> dict[str, Any]:
    """Training in closed form against the loops that it replaces."""
    from .performance_dynamics import points, verdict

    rows = measure_points(
        "performance-dynamics", _time_training, points(quick), options.one_by_one, threads=None
    )
    return {"cases": rows, "verdict": verdict(rows)}


def _time_training(point: Mapping[str, Any]) -> dict[str, Any]:
    """One method, both ways."""
    from .performance_dynamics import run_point

    return run_point(point)


def _conditions(quick: bool, options: Options) -> dict[str, Any]:
    """Condition numbers beyond float64's own."""
    from .performance_kappa import points, verdict

    rows = measured_rows("performance-kappa", _time_check, points(quick), options.one_by_one)
    return {"cases": rows, "verdict": verdict(rows)}


def _time_check(point: Mapping[str, Any]) -> dict[str, Any]:
    """One size and condition number."""
    from .performance_kappa import run_point

    return run_point(point)


def _engine(quick: bool, options: Options) -> dict[str, Any]:
    """Whole checks beside plain solves."""
    from .performance_engine import points

    # By the clock with all threads of BLAS; the part in processor time keeps to one by itself.
    rows = measured_rows("performance-engine", _time_engine, points(quick), options.one_by_one, threads=None)
    verdict = (
        f"{rows[0]['work']} of {rows[0]['data']} in {rows[0]['ratio']:.1f} times the time of plain solves"
    )
    return {"cases": rows, "verdict": verdict}


def _time_engine(point: Mapping[str, Any]) -> dict[str, Any]:
    """One problem and what is done with it."""
    from .performance_engine import run_point

    return run_point(point)


def _memory(quick: bool, options: Options) -> dict[str, Any]:
    """Problems in a file."""
    from .performance_memory import extrapolate, points

    rows = measured_rows("performance-memory", _measure_memory, points(quick), options.one_by_one)
    extrapolate(rows)
    largest = max(rows, key=lambda row: row["bytes of features"])
    sizes = f"{largest['bytes of features'] / 1e6:.0f} MB of features"
    return {"cases": rows, "verdict": f"{sizes} checked within {largest['peak bytes'] / 1e6:.0f} MB"}


def _on_cluster(quick: bool, options: Options) -> dict[str, Any]:
    """The largest problems on a cluster."""
    from .performance_memory import cluster_points

    rows = measured_rows("performance-cluster", _measure_memory, cluster_points(quick), options.one_by_one)
    slower = max(row["seconds"] / row["seconds of threads"] for row in rows)
    return {"cases": rows, "verdict": f"{len(rows)} problems, at most {slower:.2f} times the time of threads"}


def _measure_memory(point: Mapping[str, Any]) -> dict[str, Any]:
    """One size."""
    from .performance_memory import run_point

    return run_point(point)


def _tangent_kernels(quick: bool, options: Options) -> dict[str, Any]:
    """The empirical NTK against its peers, or against the naive Jacobian twin where none is given."""
    from .performance_ntk import points

    rows = measure_points(
        "performance-ntk", _time_kernel, points(quick, dict(options.peers)), options.one_by_one, threads=None
    )
    load = max(value for row in rows for value in row["load"])
    missing = sorted({f"{peer}: {why}" for row in rows for peer, why in row.get("failed", {}).items()})
    lost = f"; WITHOUT {'; '.join(missing)}" if missing else ""
    return {
        "cases": rows,
        "verdict": f"{len(rows)} cases timed, load of the machine at most {load:.1f}{lost}",
    }


def _time_kernel(point: Mapping[str, Any]) -> dict[str, Any]:
    """One case, with what it is a case of and how busy the machine was; peers by name, not by their place."""
    from .performance_ntk import run_point

    before = os.getloadavg()[0]
    result = {**point, **run_point(**point), "load": [before, os.getloadavg()[0]]}
    return result | ({"peers": sorted(point["peers"])} if "peers" in point else {})
