"""How strong is the falsifier? Every wrong rule of the rulebook must be refuted, no right one may be.

Wrong rules are attacked as anyone would, with the default settings of `refute`: once exactly, once as float rules.
Right rules are attacked in exact arithmetic until 20,000 problems that satisfy their conditions have been judged.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Any

from muso_theory.evidence import Verdict
from muso_theory.refutation import RIGHT, RULEBOOK, WRONG, refute_report

from .campaign import GridPoint, Options, measure_points
from .tables import Column, table

__all__ = ["attack", "run", "tabulate"]

SECONDS = (30, 600)
_CHUNK = 10_000
_WANTED, _QUICK = 20_000, 500


def attack(point: GridPoint) -> dict[str, Any]:
    """Search for a counterexample to one rule."""
    rule, began = RULEBOOK[point["rule"]], time.process_time()
    found = refute_report(
        rule,
        kind=rule.kind,
        exact=point["exact"],
        assuming=rule.assuming if point["right"] else (),
        max_examples=point["examples"],
        guided=0 if point["right"] else 2,
        seed=point["seed"],
        isolate=not point["exact"],
    )
    result = {
        "verdict": found.verdict.name,
        "tried": found.coverage.tried,
        "seconds": time.process_time() - began,
    }
    if found.counterexample is not None:
        problem = found.counterexample.problem
        result |= {
            "n": problem.n_samples,
            "D": problem.n_features,
            "counterexample": str(found.counterexample),
        }
    return result


def _right(wanted: int, options: Options) -> list[dict[str, Any]]:
    """Attack every right rule until enough problems have been judged."""
    rows = {name: {"rule": name, "tried": 0, "seconds": 0.0, "verdict": "MEASURED"} for name in RIGHT}
    open_, seed = list(RIGHT), 0
    while open_ and seed < 40:
        points = [
            {"rule": name, "right": True, "exact": True, "seed": seed, "examples": min(_CHUNK, wanted)}
            for name in open_
        ]
        for name, found in zip(open_, measure_points("falsifier", attack, points, options), strict=True):
            row = rows[name]
            row["tried"] += found["tried"]
            row["seconds"] += found["seconds"]
            if found["verdict"] == "REFUTED":
                row |= {"verdict": "REFUTED", "counterexample": found["counterexample"]}
        open_ = [
            name for name in open_ if rows[name]["tried"] < wanted and rows[name]["verdict"] != "REFUTED"
        ]
        seed += 1
    return list(rows.values())


def run(quick: bool, options: Options) -> dict[str, Any]:
    """Run the campaign."""
    points = [
        {"rule": name, "right": False, "exact": exact, "seed": 0, "examples": 1000}
        for name in WRONG
        for exact in (True, False)
    ]
    wrong = [
        {"rule": point["rule"], "arithmetic": "exact" if point["exact"] else "float64", **found}
        for point, found in zip(points, measure_points("falsifier", attack, points, options), strict=True)
    ]
    wanted = _QUICK if quick else _WANTED
    right = _right(wanted, options)
    escaped = sorted({row["rule"] for row in wrong if row["verdict"] != "REFUTED"})
    small = {row["rule"] for row in wrong if row.get("n", 9) <= 4 and row.get("D", 9) <= 5}
    broken = [row["rule"] for row in right if row["verdict"] == Verdict.REFUTED.name]
    few = [row["rule"] for row in right if row["tried"] < wanted]
    seconds = sum(row["seconds"] for row in wrong if row["arithmetic"] == "exact")
    return {
        "wrong": wrong,
        "right": right,
        "wrong rules": len(WRONG),
        "wrong rules not refuted": escaped,
        "wrong rules with a counterexample of n ≤ 4 and D ≤ 5": len(small),
        "all wrong rules, exactly, seconds": seconds,
        "right rules": len(RIGHT),
        "right rules refuted": broken,
        "verdict": (
            f"{len(WRONG) - len(escaped)} of {len(WRONG)} wrong rules refuted, in {seconds:.1f} s of processor time, "
            f"{len(small)} with n ≤ 4 and D ≤ 5; {len(broken)} of {len(RIGHT)} right rules refuted "
            f"in {wanted:,} problems each"
        ),
        "failed": bool(escaped or broken or few or len(small) < 12 or seconds > 60),
    }


def tabulate(result: Mapping[str, Any]) -> dict[str, Any]:
    """Two tables, of wrong rules and of right ones."""
    wrong = ("rule", "arithmetic", "verdict", "tried", "n", "D", "seconds")
    right = ("rule", "verdict", "tried", "seconds")
    return {
        "wrong-rules": table(
            "Wrong rules and the smallest counterexample found",
            result["wrong"],
            [Column(key) for key in wrong],
        ),
        "right-rules": table(
            "Right rules, attacked in exact arithmetic", result["right"], [Column(key) for key in right]
        ),
    }
