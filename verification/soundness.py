"""Campaign ``soundness``: is any verdict, bound or row of a report ever false? Whole checks against exact rationals.

Each draw is one ``mt.check``: a problem of one of 27 kinds, an arithmetic, a layout in memory, claims, settings, and
labels or parameters handed in at chosen distances. Every enclosure, allowance, verdict, row and exit status is judged
by values that are computed without the toolkit (`exact_truth`).
"""

from __future__ import annotations

import collections
import sys
import time
import warnings
from collections.abc import Mapping
from typing import Any

import numpy as np

import muso_theory as mt
from muso_theory.claims.families import CHECKS
from muso_theory.errors import MusoError

from .campaign import Options, measure_points
from .soundness_draws import ARITHMETICS, DrawnProblem, generate
from .soundness_judge import Judgement, judge
from .soundness_problems import KINDS
from .tables import Column, table

__all__ = ["CLAIMS", "check_drawn", "measure", "run", "tabulate"]

SECONDS = (80, 5400)
SEED = 20
_CHUNK = 50
_QUICK, _FULL = 1_500, 100_000

_SMALL = mt.UnlearningProblem(np.eye(3), np.ones(3), [0])
CLAIMS = (*(slug for slug in mt.claims if CHECKS[slug].listed(_SMALL)), "convex-loss")
"""Claims to draw from: about linear models; conditions on training join where a draw names an optimizer."""


def check_drawn(draw: DrawnProblem) -> Judgement:
    """Make one check and judge it; its input is good, so that a refusal is a violation like any other."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            problem = mt.UnlearningProblem(**draw.arrays)
            # The judge asks for what the toolkit hands out, so that it may be refused there too.
            return judge(draw, mt.check(problem, **draw.settings), problem)
        except Exception as error:
            kind = "refusal" if isinstance(error, MusoError) else "exception"
            return Judgement([(kind, type(error).__name__, str(error)[:200])])


def measure(point: Mapping[str, Any]) -> dict[str, Any]:
    """Check one chunk of cases."""
    violations: list[list[Any]] = []
    rows: collections.Counter[str] = collections.Counter()
    judged: collections.Counter[str] = collections.Counter()
    ratios: dict[str, collections.Counter[str]] = collections.defaultdict(collections.Counter)
    slowest = 0.0
    for index in range(point["first"], point["first"] + point["count"]):
        draw = generate(point["seed"], index, CLAIMS)
        arithmetic = draw.settings["arithmetic"]
        started = time.process_time()
        found = check_drawn(draw)
        slowest = max(slowest, time.process_time() - started)
        violations += [[index, draw.kind, arithmetic, *words] for words in found.violations]
        judged.update(found.judged)
        rows.update(f"{arithmetic}|{draw.kind}|{verdict}" for verdict in found.rows.values())
        ratios[arithmetic].update(f"{min(ratio, 1000.0):.3f}" for ratio in found.ratios)
    return {
        "violations": violations,
        "rows": rows,
        "judged": judged,
        "ratios": ratios,
        "slowest CPU seconds": slowest,
    }


def run(quick: bool, options: Options) -> dict[str, Any]:
    """Run the campaign.

    Args:
        quick: 1,500 cases, not 100,000.
    """
    total = _QUICK if quick else _FULL
    points = [{"seed": SEED, "first": first, "count": _CHUNK} for first in range(0, total, _CHUNK)]
    parts = _measured(points, options)
    total = sum(point["count"] for point in points[: len(parts)])
    merged: dict[str, collections.Counter[str]] = {}
    for name in ("rows", "judged"):
        merged[name] = collections.Counter()
        for part in parts:
            merged[name].update(part[name])
    violations = [violation for part in parts for violation in part["violations"]]
    ratios: dict[str, collections.Counter[str]] = {name: collections.Counter() for name in ARITHMETICS}
    for part in parts:
        for name, found in part["ratios"].items():
            ratios[name].update(found)
    return {
        "seed": SEED,
        "total": total,
        "undecided": _undecided(merged["rows"]),
        "violations": violations,
        "violations by kind": dict(collections.Counter(violation[3] for violation in violations)),
        **{name: dict(sorted(counts.items())) for name, counts in merged.items()},
        "bound/truth": {name: _distribution(counts) for name, counts in ratios.items()},
        "slowest CPU seconds": max(part["slowest CPU seconds"] for part in parts),
        "verdict": "no violation" if not violations else f"{len(violations)} VIOLATIONS",
        "failed": bool(violations),
    }


def _measured(points: list[dict[str, Any]], options: Options) -> list[dict[str, Any]]:
    """All points in one go; where minutes are set a few at a time, for as long as they last."""
    if options.minutes is None:
        return measure_points("soundness", measure, points, options)
    started, parts = time.monotonic(), list[dict[str, Any]]()
    while len(parts) < len(points) and time.monotonic() - started < 60 * options.minutes:
        parts += measure_points("soundness", measure, points[len(parts) :][: 2 * options.jobs], options)
        print(f"soundness: {len(parts)} of {len(points)} chunks", file=sys.stderr, flush=True)
    return parts


def _undecided(rows: Mapping[str, int]) -> dict[str, float]:
    """Share of rows that an arithmetic leaves UNDECIDED, in percent."""
    counts: dict[str, collections.Counter[str]] = collections.defaultdict(collections.Counter)
    for key, count in rows.items():
        arithmetic, _, verdict = key.split("|")
        counts[arithmetic][verdict] += count
    return {name: 100 * found["UNDECIDED"] / found.total() for name, found in counts.items()}


def _distribution(counts: Mapping[str, int]) -> dict[str, float | int]:
    """Median and 95th percentile of bound/truth, given how often each binary logarithm was found."""
    if not counts:
        return {"count": 0}
    logarithms, found = zip(*sorted((float(key), count) for key, count in counts.items()), strict=True)
    running = np.cumsum(found)
    middle, high = (2.0 ** logarithms[np.searchsorted(running, q * running[-1])] for q in (0.5, 0.95))
    return {"count": int(running[-1]), "median": middle, "95th percentile": high}


def tabulate(result: Mapping[str, Any]) -> dict[str, Any]:
    """Undecided rows by kind and arithmetic, and the sharpness of bounds."""
    counts: dict[tuple[str, str], collections.Counter[str]] = collections.defaultdict(collections.Counter)
    for key, count in result["rows"].items():
        arithmetic, kind, verdict = key.split("|")
        counts[kind, arithmetic][verdict] += count

    def share(kind: str, arithmetic: str) -> float | None:
        found = counts[kind, arithmetic]
        return 100 * found["UNDECIDED"] / found.total() if found else None

    return {
        "undecided": table(
            f"{result['verdict']}; rows that stay UNDECIDED, in percent",
            [{"kind": kind, **{name: share(kind, name) for name in ARITHMETICS}} for kind in KINDS],
            [Column("kind"), *(Column(name, spec=".1f") for name in ARITHMETICS)],
        ),
        "sharpness": table(
            "proved upper bound of a length over its exact value",
            [{"arithmetic": name, **found} for name, found in result["bound/truth"].items()],
            [
                Column("arithmetic"),
                Column("count", "bounds", "d"),
                Column("median"),
                Column("95th percentile"),
            ],
        ),
    }
