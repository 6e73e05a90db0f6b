"""The parts of a problem, for figures: spectrum, labels, kernels of networks by layer, and where exactness holds.

The campaign fails if the labels called optimal are not what the retrained model says, or if gaps measured in float64
are not small exactly where the claims are proved on the same integers.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from muso_theory import UnlearningProblem, Verdict, check, optimal_labels
from muso_theory.linear.features import GaussianFeatures
from muso_theory.methods.rules import BadTeacher, OriginalLabels, RandomLabels
from muso_theory.networks import cnn, empirical_ntk, mlp, parametrised_layers

from .campaign import Options, measure_points
from .scenarios import scenario
from .tables import Column, table

__all__ = ["SECONDS", "run", "tabulate"]

SECONDS = (2, 6)
DATA, SEED, BANDWIDTH = "digits:3,7", 0, 2.0
SMALL = 1e-6
"""A gap relative to doing nothing is rounding below this."""


def _linear(quick: bool) -> dict[str, Any]:
    """Spectrum and labels of the linear problem."""
    n_features, n_retain, n_forget = (400, 60, 20) if quick else (3000, 200, 60)
    found = scenario(DATA, "random", SEED, n_retain=n_retain, n_forget=n_forget)
    problem, _ = found.problem(
        GaussianFeatures(n_features=n_features, bandwidth=BANDWIDTH, seed=SEED), noise=1.0, seed=SEED
    )
    phi = problem.features
    retain = found.retain
    gram = phi @ phi.T
    eigenvalues = np.linalg.eigvalsh(gram)[::-1]
    optimal = np.asarray(optimal_labels(problem)).ravel()
    start = np.zeros(phi.shape[1]) if problem.w_init is None else np.asarray(problem.w_init).ravel()
    residual = np.asarray(problem.targets).ravel()[retain] - phi[retain] @ start
    retrained = start + phi[retain].T @ np.linalg.solve(gram[np.ix_(retain, retain)], residual)
    labels = {
        "original": OriginalLabels()(problem),
        "optimal": optimal,
        "random": RandomLabels(seed=SEED)(problem),
        "bad teacher": BadTeacher(seed=SEED)(problem),
    }
    off = float(np.abs(phi[found.forget] @ retrained - optimal).max() / np.abs(optimal).max())
    return {
        "data": DATA,
        "seed": SEED,
        "bandwidth": BANDWIDTH,
        "n_features": n_features,
        "n_retain": n_retain,
        "n_forget": n_forget,
        "eigenvalues": eigenvalues.tolist(),
        "step limit of gradient descent": 2 / float(eigenvalues[0]),
        "step limit of one sample": 2 / float(np.max(np.diag(gram))),
        "labels": {name: np.asarray(values).ravel().tolist() for name, values in labels.items()},
        "optimal labels off": off,
    }


def _layers(quick: bool) -> list[dict[str, Any]]:
    """Trace of each layer's part of the tangent kernel at the start of training, as a share of the whole."""
    width = 16 if quick else 128
    X = scenario(DATA, "random", SEED, n_retain=10, n_forget=10).X
    nets = {
        "MLP": (mlp([X.shape[1], width, width, 1]), X),
        "CNN": (cnn((8, 8, 1), (width // 4, width // 4), 1), X.reshape(-1, 8, 8, 1)),
    }
    found = []
    for name, (net, inputs) in nets.items():
        kernels = empirical_ntk(net, net.init(SEED), inputs, contract="trace", per_layer=True)
        traces = np.trace(kernels, axis1=1, axis2=2)
        found.append(
            {
                "network": name,
                "width": width,
                "n": len(X),
                "seed": SEED,
                "layers": parametrised_layers(net),
                "shares of the trace": (traces / traces.sum()).tolist(),
            }
        )
    return found


def _phase(point: Mapping[str, Any]) -> dict[str, Any]:
    """Both rules on integer features of one size and rank: verdicts in exact arithmetic, gaps in float64.

    Rank is lost by all samples alike (features through a bottleneck), or by the retain set alone (repeated samples,
    with the targets of others).
    """
    n, n_forget, rank, columns = (point[key] for key in ("n", "n_forget", "rank", "D"))
    found = scenario(DATA, "random", SEED, n_retain=n - n_forget, n_forget=n_forget, scale="raw")
    rng = np.random.default_rng(SEED)
    X = np.rint(found.X).astype(np.int64)
    if point["rank lost"] == "by all":
        X = X @ rng.integers(-1, 2, (X.shape[1], rank)) @ rng.integers(-1, 2, (rank, columns))
    else:
        X = X @ rng.integers(-1, 2, (X.shape[1], columns))
        distinct = found.retain[: rank - n_forget]
        X[found.retain] = X[np.resize(distinct, len(found.retain))]
    claims = {"exact-labels": "closed-form", "label-free": "label-free"}
    report = check(UnlearningProblem(X, found.y, found.forget), list(claims), arithmetic="rational")
    phi, y, retain, forget = X.astype(float), found.y.astype(float), found.retain, found.forget
    floats = UnlearningProblem(phi, y, forget)
    w_p, w_r = (np.linalg.lstsq(phi[rows], y[rows], rcond=None)[0] for rows in (np.arange(n), retain))

    def gap(rule: str) -> float:
        labels = y.copy()
        labels[forget] = np.ravel(optimal_labels(floats, rule))
        w_u = w_p + np.linalg.lstsq(phi, labels - phi @ w_p, rcond=None)[0]
        return float(np.linalg.norm(w_u - w_r) / np.linalg.norm(w_p - w_r))

    return {
        **point,
        "rank of Φ": int(np.linalg.matrix_rank(phi)),
        "proved": {claim: report.theorem(claim).verdict is Verdict.PROVED for claim in claims},
        "relative gap": {claim: gap(rule) for claim, rule in claims.items()},
    }


def _phases(quick: bool) -> list[dict[str, Any]]:
    """The grid of sizes and ranks."""
    n, n_forget = 32, 8
    wide = (16, 32, 64) if quick else (16, 24, 32, 40, 48, 64, 96)
    ranks = (16, 24, 32) if quick else (12, 16, 20, 24, 28, 32)
    return [
        _phase({"n": n, "n_forget": n_forget, "D": columns, "rank": rank, "rank lost": lost})
        for lost in ("by all", "in R")
        for columns in wide
        for rank in ranks
        if rank <= columns
    ]


def measure(point: Mapping[str, Any]) -> dict[str, Any]:
    """One part, by its name."""
    parts = {"linear": _linear, "networks": _layers, "phases": _phases}
    return {"found": parts[point["part"]](point["quick"])}


def run(quick: bool, options: Options) -> dict[str, Any]:
    """Take one problem apart."""
    parts = [{"part": part, "quick": quick} for part in ("linear", "networks", "phases")]
    linear, networks, phases = (part["found"] for part in measure_points("anatomy", measure, parts, options))
    off = linear["optimal labels off"]
    wrong = [
        row
        for row in phases
        if row["rank of Φ"] != row["rank"]
        or any((row["relative gap"][claim] < SMALL) is not row["proved"][claim] for claim in row["proved"])
    ]
    return {
        "linear": linear,
        "networks": networks,
        "phases": phases,
        "largest relative gap where proved": max(
            row["relative gap"][claim] for row in phases for claim in row["proved"] if row["proved"][claim]
        ),
        "smallest relative gap where not": min(
            row["relative gap"][claim]
            for row in phases
            for claim in row["proved"]
            if not row["proved"][claim]
        ),
        "failed": not off < SMALL or bool(wrong),
        "verdict": (
            f"optimal labels are the retrained model's to {off:.0e}, relative to the largest; gaps are below "
            f"{SMALL:g} of doing nothing exactly where claims are proved, but for {len(wrong)} of {len(phases)} "
            "problems"
        ),
    }


def tabulate(result: Mapping[str, Any]) -> dict[str, Any]:
    """One table: where each claim is proved, and the gap in float64."""
    phases = result["phases"]
    flat = [
        {
            **row,
            **{
                f"{claim}, {key}": row[key][claim]
                for claim in row["proved"]
                for key in ("proved", "relative gap")
            },
        }
        for row in phases
    ]
    columns = [Column("rank lost"), Column("D"), Column("rank")]
    for claim in ("exact-labels", "label-free"):
        columns += [Column(f"{claim}, proved"), Column(f"{claim}, relative gap", spec=".1e")]
    title = (
        f"Where each claim is proved in exact arithmetic, and the gap in float64 relative to doing nothing; "
        f"integer features of {DATA}, n = {phases[0]['n']}, {phases[0]['n_forget']} forgotten"
    )
    return {"phases": table(title, flat, columns)}
