"""A user's own theorem, on the field's benchmark: facts of handbooks are proved, false variants refuted.

Each text of `handbook_facts` is read and answered as ``muso prove FILE`` would, each with the same budget. A
certificate is checked by the package's checker before it counts, and a counterexample is evaluated anew.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Any

import muso_theory as mt
from muso_theory.algebra.statement import parse_statement
from muso_theory.algebra.trials import concludes, failing, read_model
from muso_theory.evidence import Verdict

from .campaign import GridPoint, Options, measure_points
from .handbook_facts import FALSE, TRUE
from .tables import Column, table

__all__ = ["answer", "run", "tabulate"]

SECONDS = (60, 600)
BUDGET = 60.0
"""Seconds a theorem, far more than each takes."""


def answer(point: GridPoint) -> dict[str, Any]:
    """Read one text and answer it."""
    began = time.process_time()
    theorem = mt.statement(point["text"] + "\n")
    found = mt.prove(theorem, seconds=BUDGET)
    parsed = parse_statement(theorem.name, theorem.lines)
    result: dict[str, Any] = {
        "verdict": found.verdict.name,
        "symbols": len(parsed.signature),
        "seconds": time.process_time() - began,
    }
    if found.proof is not None:
        assert mt.check_certificate(found.proof.certificate, theorem).accepted
        steps = [step for node in found.proof.theorems for step in node["steps"]]
        result |= {"steps": len(steps), "terms": sum(len(step.get("terms", ())) for step in steps)}
    if found.model is not None:
        model = read_model(parsed, found.model)
        assert not failing(parsed, model)
        assert not concludes(parsed, model)
        result["sizes"] = ", ".join(f"{name} = {size}" for name, size in sorted(model[0].items()))
    return result


def run(quick: bool, options: Options) -> dict[str, Any]:
    """Run the campaign.

    Args:
        quick: every fourth text.
    """
    texts = [(name, text, True) for name, text in TRUE.items()] + [(n, t, False) for n, t in FALSE.items()]
    points = [{"name": name, "text": text, "true": true} for name, text, true in texts[:: 4 if quick else 1]]
    found = measure_points("handbook", answer, points, options)
    rows = [
        {"theorem": point["name"], "is": "true" if point["true"] else "false", **row}
        for point, row in zip(points, found, strict=True)
    ]
    right = {"true": Verdict.PROVED.name, "false": Verdict.REFUTED.name}
    wrong = [row for row in rows if row["verdict"] in right.values() and row["verdict"] != right[row["is"]]]
    open_ = [row["theorem"] for row in rows if row["verdict"] not in right.values()]
    proved, refuted = (sum(row["verdict"] == name for row in rows) for name in ("PROVED", "REFUTED"))
    counts = {kind: sum(row["is"] == kind for row in rows) for kind in ("true", "false")}
    told = (
        f"{proved} of {counts['true']} true theorems are proved, {refuted} of {counts['false']} false ones refuted, "
        f"{len(open_)} left open{': ' + ', '.join(open_) if open_ else ''}."
    )
    return {
        "rows": rows,
        "open": open_,
        "verdict": told if not wrong else f"{len(wrong)} WRONG ANSWERS",
        "failed": bool(wrong),
    }


def tabulate(result: Mapping[str, Any]) -> dict[str, Any]:
    """One line a theorem."""
    columns = [Column("theorem"), Column("is"), Column("verdict"), Column("symbols", spec="d")]
    columns += [
        Column("steps", spec="d"),
        Column("terms", spec="d"),
        Column("sizes"),
        Column("seconds", spec=".1f"),
    ]
    return {"handbook": table(result["verdict"], result["rows"], columns)}
