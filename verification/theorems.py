"""Which claims are proved for all data, and on what each proof rests: every stored certificate, checked again.

Two checkers that share no code read the certificates of `proofs`: the package's own, and `proofs/check.py` as a reader
would run it. A status is derived from the graph, never stored: a theorem is proved only if all that it uses is.
"""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Mapping
from typing import Any

from muso_theory.claims import CATALOGUE
from muso_theory.claims.theorems.library import Proof
from muso_theory.claims.theorems.registry import slugs
from muso_theory.claims.theorems.writing import load_certificate, theorem_graph

from . import ROOT
from .campaign import Options
from .tables import Column, table

__all__ = ["SECONDS", "run", "tabulate"]

SECONDS = (5, 5)
ROOM = ROOT / "proofs"


def _proof(slug: str) -> Proof:
    return Proof(slug, load_certificate(ROOM / "certificates" / f"{slug}.json"))  # type: ignore[arg-type]


def _trials(proof: Proof) -> dict[str, int]:
    """How many hypotheses of its theorems are needed, how many by one of them, and how many redundant."""
    outcomes = [
        [next(iter(trial)) for trial in node["trials"]["hypotheses"].values()]
        for node in proof.theorems
        if "trials" in node
    ]
    needed, redundant = ([found.count(kind) for found in outcomes] for kind in ("needed", "redundant"))
    return {"needed": sum(needed), "most in one": max(needed, default=0), "redundant": sum(redundant)}


def run(quick: bool, options: Options) -> dict[str, Any]:
    """Check every certificate and derive the graph; the quick version is the whole."""
    proofs = [_proof(slug) for slug in slugs()]
    edges, statuses = theorem_graph(proofs)
    nodes = [{"name": name, "status": statuses[name], "uses": sorted(edges[name])} for name in sorted(edges)]
    rows = [
        {
            "claim": proof.slug,
            "status": proof.status,
            "theorems": len(proof.theorems),
            **_trials(proof),
            "certificate": proof.hash[:16],
        }
        for proof in proofs
    ]
    unproved = [
        {
            "name": claim.slug,
            "status": f"measured: campaign {claim.campaign}" if claim.campaign else "no general proof",
            "uses": [],
        }
        for claim in CATALOGUE.values()
        if not claim.is_condition and claim.slug not in statuses
    ]
    alone = subprocess.run(
        [sys.executable, str(ROOM / "check.py")], capture_output=True, text=True, check=False
    )
    accepted = alone.returncode == 0
    rejected = [row["claim"] for row in rows if row["status"] == "not proved"]
    counts = {status: sum(row["status"] == status for row in rows) for status in ("proved", "core proved")}
    return {
        "nodes": nodes,
        "without a proof": unproved,
        "claims": rows,
        "counts": counts | {"theorems": sum(row["theorems"] for row in rows)},
        "stand-alone checker": alone.stdout.splitlines()[-1] if alone.stdout else alone.stderr[-200:],
        "verdict": (
            f"{counts['proved']} claims proved and {counts['core proved']} in their algebraic core, "
            f"{len(unproved)} without a general proof; {len(rejected)} certificates rejected, "
            f"the stand-alone checker {'agrees' if accepted else 'disagrees'}"
        ),
        "failed": bool(rejected) or not accepted,
    }


def tabulate(result: Mapping[str, Any]) -> dict[str, Any]:
    """The table of claims."""
    keys = ("claim", "status", "theorems", "needed", "most in one", "redundant", "certificate")
    title = (
        "General proofs, their certificates checked by two checkers; hypotheses of their theorems on trial"
    )
    return {"theorems": table(title, result["claims"], [Column(key) for key in keys])}
