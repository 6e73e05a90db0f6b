"""Lazy networks: what the exact labels of a wide network's linearisation leave of the gap, beside what was predicted.

An MLP in NTK parameterisation is trained by gradient descent on the squared loss of 20 digits and fine-tuned with the
exact labels of its linearisation. `JUDGED`: after as many steps as the linearisation asks for to leave 7 % of the
parameter gap, at most a tenth remains, and at least half of what was predicted. Further steps, a narrower network and
another activation are measured beside it, and are not judged: there the linearisation's residual falls below the
nonlinear rest, of which it says nothing.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from muso_theory.methods import Descent, LinearisedLabels, predict_residual, steps_to
from muso_theory.networks import NetworkProblem, Recipe, empirical_ntk, mlp
from muso_theory.networks.training import DivergedError

from .tables import Column, mean_sd, table

__all__ = ["JUDGED", "PROMISE", "lazy", "lazy_holds", "lazy_rows", "lazy_table"]

JUDGED = {"activation": "erf", "width": 4096, "steps": "7 %"}
PROMISE = 0.07
"""Residual that the linearisation promises after the judged number of steps."""


def lazy(activation: str, width: int, seed: int, n: int = 20, n_forget: int = 3) -> dict[str, Any]:
    """Predicted and measured residuals of a wide network, and what random labels leave (the control)."""
    from sklearn.datasets import load_digits

    data = load_digits()
    keep = np.flatnonzero(np.isin(data.target, (3, 7)))
    chosen = np.random.default_rng(seed).permutation(keep)[:n]
    X = (data.data[chosen] - data.data[keep].mean(axis=0)) / 16
    X *= 8.0 / np.linalg.norm(X, axis=1, keepdims=True)
    y = np.where(data.target[chosen] == 3, 1.0, -1.0)[:, None]
    net = mlp([64, width, 1], activation, "ntk")
    eigenvalues = np.linalg.eigvalsh(empirical_ntk(net, net.init(seed), X, contract="trace"))
    rate = n / float(eigenvalues[-1])
    recipe = Recipe("squared", "gd", rate, 1000, None, seed=seed)
    try:
        problem = NetworkProblem.pretrain(
            net, X, y, forget=np.arange(n - n_forget, n), recipe=recipe, seed=seed
        ).with_retrained()
        rows = []
        promised = steps_to(problem, PROMISE)
        for name, steps in {"7 %": promised, "30": 30, "100": 100, "300": 300}.items():
            method = LinearisedLabels(descent=Descent(steps, rate, "gd", None, seed))
            measured, outputs = problem.relative_gaps(method(problem))
            predicted = predict_residual(problem, steps).relative
            rows.append(
                {
                    "steps": name,
                    "number": steps,
                    "measured": measured,
                    "predicted": predicted,
                    "ratio": measured / predicted,
                    "forget output gap": outputs,
                }
            )
        opposite = problem.targets.copy()
        opposite[problem.forget] *= -1
        wrong = recipe.fit(net, problem.pretrained, problem.X, opposite, epochs=promised)
        return {
            "diverged": False,
            "condition number": float(eigenvalues[-1] / eigenvalues[0]),
            "rows": rows,
            "control": problem.relative_gaps(wrong)[0],
        }
    except DivergedError as diverged:
        return {"diverged": True, "reason": str(diverged)}


def lazy_rows(results: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Mean and deviation of residuals, by activation, width and steps."""
    groups: dict[tuple[str, int, str], list[dict[str, Any]]] = {}
    for item in results:
        for row in item.get("rows", []):
            groups.setdefault((item["activation"], item["width"], row["steps"]), []).append(
                {**row, "control": item["control"]}
            )
    found = []
    for (activation, width, steps), rows in groups.items():
        keys = ("number", "measured", "predicted", "ratio", "forget output gap", "control")
        means = {key: mean_sd([row[key] for row in rows]) for key in keys}
        found.append(
            {
                "activation": activation,
                "width": width,
                "steps": steps,
                "runs": len(rows),
                **means,
                "largest": max(row["measured"] for row in rows),
                "worst ratio": max(max(row["ratio"], 1 / row["ratio"]) for row in rows),
            }
        )
    return found


def lazy_holds(rows: list[dict[str, Any]], quick: bool) -> bool:
    """Whether what is judged is as required; a quick run has a narrower network."""
    widest = JUDGED | ({"width": 1024} if quick else {})
    judged = [row for row in rows if all(row[key] == value for key, value in widest.items())]
    return bool(judged) and all(row["largest"] < 0.1 and row["worst ratio"] < 2 for row in judged)


def lazy_table(rows: list[dict[str, Any]]) -> Any:
    """What remains, and what was predicted."""
    return table(
        "Wide networks, exact labels of the linearisation: what remains of the gap in θ, and what was predicted; "
        "mean ± sd over seeds",
        rows,
        [
            Column("activation"),
            Column("width", spec="d"),
            Column("steps"),
            Column("runs", "seeds", "d"),
            Column("number", "number", ".0f"),
            Column("measured", spec=".4f"),
            Column("predicted", spec=".4f"),
            Column("worst ratio", spec=".2f"),
            Column("forget output gap", "gap in f_F", ".4f"),
            Column("control", "wrong labels", ".2f"),
        ],
    )
