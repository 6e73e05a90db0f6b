"""Campaign ``identities``: by what both sides of each certified identity differ on real data, and without a hypothesis.

Each claim with a proof and an instance check is checked on digits and cell nuclei: as they are, and in 300 random
features, where every row is independent. "Share" is the difference of both sides over the length that a check holds it
against (doing nothing, mostly), with its bound where it is proved. Where a hypothesis fails, the row is VACUOUS; the
claim is then asserted nonetheless, and "share without" is by what its two sides differ: the theorem does not cover it.

A proof says that a share is zero in exact arithmetic; so a share here is of the arithmetic, and one without the
hypothesis is of the data. Claims that no report has a row of are computed by their formulas in ordinary float64.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from fractions import Fraction
from typing import Any

import numpy as np

import muso_theory as mt
from muso_theory.arrays import Array
from muso_theory.claims import CATALOGUE
from muso_theory.claims.families import CHECKS
from muso_theory.claims.theorems.registry import slugs
from muso_theory.evidence import Evidence, Verdict
from muso_theory.settings import TOLERANCE

from .campaign import GridPoint, Options, measure_points
from .scenarios import scenario
from .tables import Column, table

__all__ = ["CLAIMS", "EXPLICIT", "measure", "run", "tabulate"]

SECONDS = (20, 120)

CLAIMS = tuple(
    slug
    for slug in slugs()
    if slug in CATALOGUE
    and slug != "inexact-training"  # an inequality, whose two sides differ
    and (CHECKS[slug].on_any_problem or slug in ("mirror-descent", "newton-glm"))
)
"""Claims with a theorem whose rows can be asked for on any data."""


def points(quick: bool) -> list[dict[str, Any]]:
    """Data, features and seeds."""
    return [
        {"data": data, "features": features, "seed": seed}
        for data in ("digits:3,7", "breast_cancer")
        for features in ("as they are", "300 random")
        for seed in range(1 if quick else 3)
    ]


def measure(point: GridPoint) -> dict[str, Any]:
    """Every claim on one problem."""
    problem = problem_of(point)
    report = mt.check(problem, list(CLAIMS))
    rows = []
    for slug in CLAIMS:
        row = report[slug]
        found: dict[str, Any] = {"claim": slug, "verdict": row.verdict.name, "share": _share(row)}
        if row.verdict is Verdict.VACUOUS:
            found["needs"] = ", ".join(hypothesis for hypothesis, _ in row.failed)
            asserted = mt.check(problem, [slug], asserted=[slug])[slug]
            found["share without"] = _share(asserted) if asserted.verdict is Verdict.REFUTED else None
        rows.append(found)
    independent = report["full-rank"].verdict is not Verdict.VACUOUS
    for slug, sides in EXPLICIT.items():
        left, right = sides(problem)
        share = float(np.linalg.norm(left - right) / np.linalg.norm(left))
        if slug in _NEED_FULL_RANK and not independent:
            lost = {"verdict": Verdict.VACUOUS.name, "share": None, "needs": "full-rank"}
            rows.append({"claim": slug, **lost, "share without": share})
        else:
            rows.append({"claim": slug, "verdict": Verdict.MEASURED.name, "share": share})
    bound = {"verdict": Verdict.MEASURED.name, "share": None, "of bound": _of_bound(problem)}
    return {**point, "rows": [*rows, {"claim": "inexact-training", **bound}]}


def problem_of(point: GridPoint) -> mt.UnlearningProblem:
    """90 samples to keep, 10 to forget."""
    chosen = scenario(point["data"], "random:0.1", point["seed"], n_retain=90, n_forget=10)
    features = None
    if point["features"] != "as they are":
        features = mt.GaussianFeatures(n_features=300, bandwidth="median", seed=point["seed"])
    return mt.UnlearningProblem.from_data(chosen.X, chosen.y, forget=chosen.forget, feature_map=features)


def _share(row: Evidence) -> float | None:
    """The largest difference of a row over the length that it is held against; None of an inequality that holds."""
    shares = []
    for finding in row.findings:
        allowed = getattr(finding, "allowed", None)
        if allowed is None or not allowed.upper:
            continue
        quantity = finding.quantity
        size = quantity.floor if finding.fails else quantity.bound
        shares.append(float(Fraction(size) * TOLERANCE / Fraction(allowed.upper)))
    return max(shares, default=None)


# -- claims that no report has a row of ---------------------------------------------------------------------------


class _Fitted:
    """Trained and retrained models of a problem with w₀ = 0, in float64."""

    def __init__(self, problem: mt.UnlearningProblem) -> None:
        self.phi = np.asarray(problem.features, dtype=np.float64)
        self.y = np.asarray(problem.targets, dtype=np.float64).reshape(len(self.phi), -1)
        self.retain, self.forget = problem.retain, problem.forget
        self.w_p = self.fit(slice(None))
        self.w_r = self.fit(self.retain)
        self.ridge = 0.01 * float(np.linalg.norm(self.phi, 2)) ** 2

    def fit(self, rows: Any, targets: Array | None = None) -> Array:
        """Φ⁺y of some rows."""
        y = self.y if targets is None else targets
        return np.asarray(np.linalg.lstsq(self.phi[rows], y[rows], rcond=None)[0])

    def ridged(self, rows: Any) -> Array:
        """(ΦᵀΦ + λI)⁻¹Φᵀy of some rows."""
        phi = self.phi[rows]
        normal = phi.T @ phi + self.ridge * np.eye(phi.shape[1])
        return np.asarray(np.linalg.solve(normal, phi.T @ self.y[rows]))


def _square(a: Array) -> Array:
    return np.array([float(np.sum(a**2))])


def _minimum_norm(problem: mt.UnlearningProblem) -> tuple[Array, Array]:
    m = _Fitted(problem)
    z = np.random.default_rng(_ANOTHER).standard_normal(m.w_p.shape)
    other = m.w_p + z - np.linalg.lstsq(m.phi, m.phi @ z, rcond=None)[0]
    return _square(other), _square(m.w_p) + _square(other - m.w_p)


def _ridge_minimiser(problem: mt.UnlearningProblem) -> tuple[Array, Array]:
    m = _Fitted(problem)
    best = m.ridged(slice(None))

    def loss(w: Array) -> Array:
        return _square(m.phi @ w - m.y) + m.ridge * _square(w)

    away = m.w_r - best
    return loss(m.w_r), loss(best) + _square(m.phi @ away) + m.ridge * _square(away)


def _newton_removal(problem: mt.UnlearningProblem) -> tuple[Array, Array]:
    m = _Fitted(problem)
    w_p, kept = m.ridged(slice(None)), m.phi[m.retain]
    normal = kept.T @ kept + m.ridge * np.eye(kept.shape[1])
    slope = kept.T @ (kept @ w_p - m.y[m.retain]) + m.ridge * w_p
    return m.ridged(m.retain), w_p - np.linalg.solve(normal, slope)


def _downsample_gap(problem: mt.UnlearningProblem) -> tuple[Array, Array]:
    m = _Fitted(problem)
    part = m.retain[: len(m.retain) // 2]
    w_s = m.fit(part)
    labels = m.y.copy()
    labels[m.forget] = m.phi[m.forget] @ w_s
    missed = m.y - m.phi @ w_s
    missed[m.forget] = missed[part] = 0
    return m.fit(slice(None), labels) - w_s, m.fit(slice(None), missed)


def _orthogonal_gradient(problem: mt.UnlearningProblem) -> tuple[Array, Array]:
    m = _Fitted(problem)
    z = np.random.default_rng(_ANOTHER).standard_normal(m.w_p.shape)
    kept = m.phi[m.retain]
    shortest = np.linalg.lstsq(kept, kept @ m.w_p, rcond=None)[0]
    longer = shortest + z - np.linalg.lstsq(kept, kept @ z, rcond=None)[0]
    return _square(longer), _square(shortest) + _square(longer - shortest)


def _ntk_scrubbing(problem: mt.UnlearningProblem) -> tuple[Array, Array]:
    m = _Fitted(problem)
    kept, gone = m.phi[m.retain], m.phi[m.forget]
    off = gone.T - np.linalg.lstsq(kept, kept @ gone.T, rcond=None)[0]
    missed = gone @ m.w_r - m.y[m.forget]
    return m.w_r - m.w_p, off @ np.linalg.lstsq(gone @ off, missed, rcond=None)[0]


def _of_bound(problem: mt.UnlearningProblem) -> float:
    """‖w_T − w_r‖² over what inexact-training allows, T = 10 steps with η = 1/λ_max from a start off the span."""
    m = _Fitted(problem)
    labels = m.y.copy()
    labels[m.forget] = m.phi[m.forget] @ m.w_r
    values = np.linalg.svd(m.phi, compute_uv=False) ** 2
    values = values[values > 1e-12 * values.max()]
    start = m.w_p + np.linalg.norm(m.w_p) * np.eye(len(m.w_p), 1)
    inside = np.linalg.lstsq(m.phi, m.phi @ start, rcond=None)[0]
    w = start
    for _ in range(_STEPS):
        w = w + m.phi.T @ (labels - m.phi @ w) / values.max()
    rate = (1 - values.min() / values.max()) ** (2 * _STEPS)
    allowed = rate * np.sum((inside - m.w_r) ** 2) + np.sum((start - inside) ** 2)
    return float(np.sum((w - m.w_r) ** 2) / allowed)


_STEPS = 10
_ANOTHER = 1729
"""Seed of a direction that is no row of random features."""
_NEED_FULL_RANK = ("ntk-scrubbing",)

EXPLICIT: Mapping[str, Callable[[mt.UnlearningProblem], tuple[Array, Array]]] = {
    "minimum-norm": _minimum_norm,
    "ridge-minimiser": _ridge_minimiser,
    "newton-removal": _newton_removal,
    "downsample-gap": _downsample_gap,
    "orthogonal-gradient": _orthogonal_gradient,
    "ntk-scrubbing": _ntk_scrubbing,
}
"""Both sides of theorems that no report has a row of, by the formulas in their statements."""


def run(quick: bool, options: Options) -> dict[str, Any]:
    """Run the campaign."""
    measured = measure_points("identities", measure, points(quick), options)
    rows = [
        {**{key: point[key] for key in ("data", "features", "seed")}, **row}
        for point in measured
        for row in point["rows"]
    ]
    holding = [row for row in rows if row["verdict"] not in ("VACUOUS", "REFUTED", "UNDECIDED")]
    refuted = [row for row in rows if row["verdict"] == "REFUTED"]
    return {
        "digits": 3,
        "rows": rows,
        "largest share": max(row["share"] for row in holding if row["share"] is not None),
        "least share without": min(row["share without"] for row in rows if row.get("share without")),
        "claims": len(CLAIMS) + len(EXPLICIT) + 1,
        "verdict": f"{len(holding)} rows hold, {len(refuted)} refuted, of {len(rows)}",
        "failed": bool(refuted),
    }


def tabulate(result: Mapping[str, Any]) -> dict[str, Any]:
    """A line a claim: the largest difference with its hypotheses, the least without one; of a bound, what it allows."""
    lines = []
    for claim in dict.fromkeys(row["claim"] for row in result["rows"]):
        own = [row for row in result["rows"] if row["claim"] == claim]
        shares = [row["share"] for row in own if row["verdict"] != "VACUOUS" and row["share"] is not None]
        without = [row["share without"] for row in own if row.get("share without") is not None]
        bounds = [row["of bound"] for row in own if row.get("of bound") is not None]
        lines.append(
            {
                "claim": claim,
                "rows": len(shares) or len(bounds),
                "of bound": max(bounds, default=None),
                "share": max(shares, default=None),
                "without": len(without),
                "least": min(without, default=None),
                "most": max(without, default=None),
            }
        )
    columns = [
        Column("claim"),
        Column("rows", "problems", "d"),
        Column("share", "largest difference, as a share", ".1e"),
        Column("of bound", "largest of what a bound allows", ".3f"),
        Column("without", "problems without its hypothesis", "d"),
        Column("least", "difference there, from", ".2g"),
        Column("most", "to", ".2g"),
    ]
    return {"identities": table("Both sides of every identity, on real data", lines, columns)}
