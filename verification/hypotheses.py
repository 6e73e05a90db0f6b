"""Is every hypothesis needed? Each is dropped, and a search looks for a counterexample.

Two searches, and the proof room to compare with. On instances, `refute --claim C --without H` looks for a small exact
problem that satisfies the other hypotheses of a claim of the catalogue and violates the claim. In general, random
integer models of a theorem are drawn anew: a hypothesis is found needed when a model of all the others violates the
conclusion; one that the theorem does without is found redundant when the conclusion holds in every model in which that
hypothesis fails. The certificates say of each hypothesis whether it is needed or redundant; a search must find what
they say. For a claim of the catalogue that is the theorem named in `COUNTERPART`, where there is one.

The two searches are evidence of different weight. That on instances uses no model of the proof room: its problems
come from the falsifier and its verdict from the claim's own check. That on theorems is no second opinion: it draws
models with the generator that found those in the certificates (`algebra.search.models`), evaluated by the same code, by
another seed. It repeats the prover's search and shows only that its finding does not hang on one seed.

A hypothesis that there be a network cannot be dropped from a matrix of features; these are listed as out of reach. That
a search finds nothing proves nothing; there the proof is the certificate's, and the search only does not contradict it.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from muso_theory.algebra.search import models
from muso_theory.algebra.statement import parse_statement
from muso_theory.algebra.trials import concludes, violates
from muso_theory.claims import CATALOGUE
from muso_theory.claims.families import CHECKS
from muso_theory.claims.theorems.registry import THEOREMS, slugs
from muso_theory.claims.theorems.status import theorem_status
from muso_theory.evidence import Verdict
from muso_theory.refutation import refute_report

from .campaign import GridPoint, Options, measure_points
from .tables import Column, table

__all__ = ["COUNTERPART", "run", "search_instances", "search_models", "tabulate"]

SECONDS = (30, 240)
SEED = 7

COUNTERPART = {
    ("implicit-bias", "step-size"): ("implicit-bias/contraction", "small-step"),
    ("start-span", "start-in-span"): ("start-span/sufficient", "start-in-span"),
    ("label-free", "least-squares-on-retain"): ("label-free/sufficient", "least-squares-on-retain"),
    ("leave-block-out", "full-rank"): ("leave-block-out", "gram-invertible"),
    ("downdate", "full-rank"): ("downdate", "gram-invertible"),
    ("energy", "least-squares-on-retain"): ("energy", "least-squares-on-retain"),
    ("capacity", "least-squares-on-retain"): ("capacity", "least-squares-on-retain"),
    # The claim is checked with K_RR⁺, as the theorem for any rank has it.
    ("ridge-inverse", "full-rank-retain"): ("ridge-inverse/any-rank", "retain-gram-invertible"),
    ("downsampling", "least-squares-on-subset"): ("downsampling/labels", "least-squares-on-subset"),
    ("early-stopping", "start-in-span"): ("early-stopping/exact", "start-in-span"),
    ("momentum", "start-in-span"): ("momentum/limit", "in-span"),
}
"""Hypothesis of a claim of the catalogue, to the hypothesis of a theorem that says the same."""


def search_instances(point: GridPoint) -> dict[str, Any]:
    """Drop one hypothesis of a claim of the catalogue."""
    found = refute_report(
        point["claim"], without=point["hypothesis"], max_examples=point["examples"], seed=point["seed"]
    )
    words = {Verdict.REFUTED: "needed", Verdict.MEASURED: "none found"}
    result: dict[str, Any] = {"search": words.get(found.verdict, "undecided"), "tried": found.coverage.tried}
    if found.counterexample is not None:
        problem = found.counterexample.problem
        result["size"] = f"n = {problem.n_samples}, D = {problem.n_features}"
        result["counterexample"] = str(found.counterexample)
    return result


def search_models(point: GridPoint) -> dict[str, Any]:
    """Drop one hypothesis of a theorem, by the prover's own search with another seed."""
    statement = parse_statement(point["theorem"], THEOREMS[point["theorem"]].lines)
    [hypothesis] = [h for h in statement.hypotheses if h.label == point["hypothesis"]]
    seed = f"{point['seed']} {point['theorem']} {point['hypothesis']}"
    tried = 0
    # A hypothesis that the theorem does without is dropped by not being there.
    dropped = hypothesis.label if hypothesis.assumed else None
    for model in models(statement, seed, dropped=dropped, tries=point["tries"]):
        tried += 1 if hypothesis.assumed else violates(statement, hypothesis, model)
        if not concludes(statement, model):
            sizes = ", ".join(f"{name} = {size}" for name, size in sorted(model[0].items()))
            return {"search": "needed", "tried": tried, "size": sizes}
        if not hypothesis.assumed and tried == point["enough"]:
            break
    return {"search": "none found" if tried else "undecided", "tried": tried}


def _row(point: GridPoint, found: dict[str, Any], certificate: str | None) -> dict[str, Any]:
    """One line of the table: what was found, what the certificate says, and whether these say the same."""
    agrees = None
    if certificate is not None:
        agrees = found["search"] == {"needed": "needed", "redundant": "none found"}[certificate]
    shown = {k: point[k] for k in ("claim", "theorem", "hypothesis") if k in point}
    return {**shown, **found, "certificate": certificate or "no counterpart", "agrees": agrees}


def run(quick: bool, options: Options) -> dict[str, Any]:
    """Run the campaign."""
    known = {
        (theorem, label): kind
        for slug in slugs()
        for theorem, label, _, kind, _ in theorem_status(slug).hypotheses
    }
    pairs = [(claim, h) for claim in CATALOGUE.values() if not claim.is_condition for h in claim.hypotheses]
    reachable = [CHECKS[claim.slug].on_any_problem for claim, _ in pairs]
    instances = [
        {"claim": claim.slug, "hypothesis": h, "examples": 200 if quick else 5000, "seed": SEED}
        for (claim, h), reached in zip(pairs, reachable, strict=True)
        if reached
    ]
    general = [
        {"theorem": theorem, "hypothesis": label, "tries": 200, "enough": 20 if quick else 500, "seed": SEED}
        for theorem, label in (list(known)[::6] if quick else known)
    ]
    rows = [
        _row(point, found, known.get(COUNTERPART.get((point["claim"], point["hypothesis"]), ("", ""))))
        for point, found in zip(
            instances,
            measure_points("hypotheses-instances", search_instances, instances, options),
            strict=True,
        )
    ]
    general_rows = [
        _row(point, found, known[point["theorem"], point["hypothesis"]])
        for point, found in zip(
            general, measure_points("hypotheses-models", search_models, general, options), strict=True
        )
    ]
    wrong = [row for row in (*rows, *general_rows) if row["agrees"] is False]
    needed = sum(row["search"] == "needed" for row in general_rows)
    alone = sum(row["agrees"] is None for row in rows)
    return {
        "seed": SEED,
        "claims": rows,
        "theorems": general_rows,
        "disagreements": wrong,
        "out of reach": [
            f"{claim.slug}: {h}" for (claim, h), reached in zip(pairs, reachable, strict=True) if not reached
        ],
        "verdict": (
            f"{len(general_rows)} hypotheses of theorems, by the prover's own search repeated with another seed: "
            f"{needed} needed, {len(general_rows) - needed} not; {len(rows)} of claims, by instances, {alone} without "
            f"a counterpart; {len(wrong)} contradict a certificate"
        ),
        "failed": bool(wrong),
    }


def tabulate(result: Mapping[str, Any]) -> dict[str, Any]:
    """Two tables: hypotheses of claims, and of theorems."""
    columns = [Column(key) for key in ("hypothesis", "search", "tried", "size", "certificate")]
    return {
        "claims": table(
            "Hypotheses of claims, dropped on instances", result["claims"], [Column("claim"), *columns]
        ),
        "theorems": table(
            "Hypotheses of theorems, dropped in models that the prover's own search draws by another seed",
            result["theorems"],
            [Column("theorem"), *columns],
        ),
    }
