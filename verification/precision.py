"""The ladder of precision: float32, float64, verified float64, 30, 50 and 100 digits, and exactly.

Every rung computes ‖w_p − w_r‖, the gap of not unlearning, by one formula; condition numbers run from 10
to 1e18 and beyond. A rung's error is measured against the exact rational value (multiprecision is rounded
to float64 first, so its error is never seen below 1e-17); a rigorous rung must enclose that value or say
that it cannot decide.
"""

from __future__ import annotations

import math
import statistics
import time
from collections.abc import Mapping
from fractions import Fraction
from typing import Any

import numpy as np

from muso_theory import UnlearningProblem
from muso_theory.arrays import Array
from muso_theory.errors import BadInputError, SingularMatrixError
from muso_theory.linear.certified import CertifiedForms
from muso_theory.numbers import BALL, FLOAT64, MP, RATIONAL, Arithmetic, Grade, Quantity, UndecidedError

from .campaign import Options, measured_rows
from .tables import Column, table

__all__ = ["FAMILIES", "features_of", "gap_of", "run"]

SECONDS = (10, 180)
FAMILIES = ("hilbert", "vandermonde", "near duplicate", "fourier")
_RUNGS: dict[str, Arithmetic] = {
    "float64": FLOAT64,
    "MP 30 digits": MP(30),
    "MP 50 digits": MP(50),
    "MP 100 digits": MP(100),
    "balls 30 digits": BALL(100),
    "balls 50 digits": BALL(167),
    "balls 100 digits": BALL(333),
}


def features_of(family: str, level: int) -> Array:
    """Φ of one of `FAMILIES`, with more columns than rows; κ(K) grows with the level, which begins at 1."""
    rng = np.random.default_rng(level)
    if family == "hilbert":
        n = level + 1
        return np.array([[1 / (i + j + 1) for j in range(n + 2)] for i in range(n)])
    if family == "vandermonde":
        n = level + 2
        return np.vander(np.linspace(0.1, 1.0, n), n + 1, increasing=True)
    if family == "near duplicate":
        phi = rng.standard_normal((12, 30))
        phi[-1] = phi[0] + 2.0 ** -(2 * level) * rng.standard_normal(30)
        return phi
    x = rng.standard_normal((12, 3))
    angle = x @ rng.standard_normal((3, 40)) / 2.0 ** (0.5 * level)
    return np.hstack([np.cos(angle), np.sin(angle)]) / 40**0.5


def gap_of(ring: Arithmetic, features: Array, targets: Array) -> Quantity:
    """‖w_p − w_r‖ = (δᵀS⁻¹δ)^½ with the last row forgotten and w₀ = 0.

    Raises:
        SingularMatrixError: the arithmetic cannot exclude a singular matrix.
    """
    k = ring.gram(ring.matrix(features))
    n = len(features)
    r, f = range(n - 1), [n - 1]
    cross, y = ring.take(k, r, f), ring.matrix(targets)
    factor = ring.factor(ring.take(k, r, r))
    across = ring.transpose(cross)
    schur = ring.sub(ring.take(k, f, f), ring.matmul(across, factor.solve(cross)))
    delta = ring.sub(ring.take(y, f), ring.matmul(across, factor.solve(ring.take(y, r))))
    return ring.energy(ring.factor(schur).solve(delta), schur).sqrt()


def _float32(features: Array, targets: Array) -> float:
    """Compute the same number as a float32 pipeline would."""
    phi, y = features.astype(np.float32), targets.astype(np.float32)
    k = phi @ phi.T
    solved = np.linalg.solve(k[:-1, :-1], np.hstack([k[:-1, -1:], y[:-1]]))
    schur = k[-1, -1] - k[-1, :-1] @ solved[:, 0]
    delta = y[-1, 0] - k[-1, :-1] @ solved[:, 1]
    return float(np.abs(delta) / np.sqrt(np.abs(schur)))


def _condition(features: Array) -> float:
    """Condition number of K from the singular values at 80 digits."""
    import mpmath

    context = mpmath.MPContext()
    context.dps = 80
    values = context.svd_r(context.matrix(features.tolist()), compute_uv=False)
    return float((values[0] / values[len(features) - 1]) ** 2)


def measure(point: Mapping[str, Any]) -> dict[str, Any]:
    """Climb the ladder once."""
    features = features_of(point["family"], point["level"])
    targets = np.random.default_rng(1).choice([-1.0, 1.0], size=(len(features), 1))
    started = time.perf_counter()
    square = gap_of(RATIONAL, features, targets)
    exact_seconds = time.perf_counter() - started
    truth = square.upper if isinstance(square.upper, Fraction) else Fraction(square.upper)
    rungs: dict[str, dict[str, Any]] = {"exact": {"seconds": exact_seconds, "relative error": 0.0}}

    def error(value: Fraction | float) -> float:
        if isinstance(value, float) and not math.isfinite(value):
            return math.inf
        ratio = abs(Fraction(value) - truth) / truth
        return float(ratio) if ratio < 10**300 else math.inf

    with np.errstate(all="ignore"):
        started = time.perf_counter()
        try:
            value = _float32(features, targets)
        except np.linalg.LinAlgError:
            value = math.nan
        rungs["float32"] = _json({"seconds": time.perf_counter() - started, "relative error": error(value)})
    for name, ring in _RUNGS.items():
        started = time.perf_counter()
        try:
            quantity = gap_of(ring, features, targets)
        except (SingularMatrixError, BadInputError):
            rungs[name] = {"seconds": time.perf_counter() - started, "relative error": "undecided"}
            continue
        rungs[name] = _graded(quantity, time.perf_counter() - started, truth, error)
    started = time.perf_counter()
    count = len(features)
    try:
        model = CertifiedForms(UnlearningProblem(features, targets, [count - 1]))
        quantity = model.gap(model.targets(model.forget))
    except UndecidedError:
        rungs["verified float64"] = {"seconds": time.perf_counter() - started, "relative error": "undecided"}
    else:
        rungs["verified float64"] = _graded(quantity, time.perf_counter() - started, truth, error)
    return {"condition": _condition(features), "rows": count, "rungs": rungs}


def _graded(quantity: Quantity, seconds: float, truth: Fraction, error: Any) -> dict[str, Any]:
    """Describe what one rung found."""
    found: dict[str, Any] = {"seconds": seconds}
    if quantity.grade is Grade.CERTIFIED:
        # The truth itself is irrational: 60 digits of it, widened, stand for it.
        slack = truth / 10**25
        found["encloses the truth"] = bool(
            quantity.lower <= truth + slack and truth - slack <= quantity.upper
        )
        found["relative error"] = max(error(quantity.lower), error(quantity.upper))
    else:
        found["relative error"] = error(quantity.upper)
    return _json(found)


def _json(found: dict[str, Any]) -> dict[str, Any]:
    """Replace what JSON has no number for."""
    return {k: "infinite" if isinstance(v, float) and not math.isfinite(v) else v for k, v in found.items()}


def tabulate(result: Mapping[str, Any]) -> dict[str, Any]:
    """How far each rung reaches, and what it costs."""
    rows = []
    for rung, reach in result["six digits up to condition number"].items():
        found = [point["rungs"][rung] for point in result["points"] if rung in point["rungs"]]
        errors = [f["relative error"] for f in found if not isinstance(f["relative error"], str)]
        rows.append(
            {
                "arithmetic": rung,
                "reach": reach,
                "answers": f"{len(errors)} of {len(result['points'])}",
                "largest": max(errors, default=None),
                "enclose": all(f.get("encloses the truth", True) for f in found)
                if any("encloses the truth" in f for f in found)
                else None,
                "seconds": statistics.median(f["seconds"] for f in found),
            }
        )
    columns = [
        Column("arithmetic"),
        Column("reach", "six digits up to condition number", ".1e"),
        Column("answers"),
        Column("largest", "largest relative error", ".1e"),
        Column("enclose", "encloses the truth"),
        Column("seconds", "median seconds", ".1e"),
    ]
    title = f"The gap of not unlearning in each arithmetic, {len(result['points'])} problems"
    return {"precision": table(title, rows, columns)}


def run(quick: bool, options: Options) -> dict[str, Any]:
    """Run the campaign."""
    top = {"hilbert": 9, "vandermonde": 9, "near duplicate": 26, "fourier": 12}
    points = [
        {"family": family, "level": level}
        for family in FAMILIES
        for level in range(1, top[family] + 1, 4 if quick else 1)
    ]
    rows = measured_rows("precision", measure, points, options)
    reach: dict[str, float] = {}
    for name in rows[0]["rungs"]:
        good = 0.0
        for row in sorted(rows, key=lambda r: float(r["condition"])):
            found = row["rungs"][name]["relative error"]
            if isinstance(found, str) or found > 1e-6:
                break
            good = row["condition"]
        reach[name] = good
    false = [row for row in rows for rung in row["rungs"].values() if rung.get("encloses the truth") is False]
    return {
        "points": rows,
        "six digits up to condition number": reach,
        "verdict": f"{len(false)} false enclosures among {len(rows)} problems",
        "failed": bool(false),
    }
