"""Tables of the campaign `guarantees`, and the settings that its points and its tables share."""

from __future__ import annotations

from typing import Any

from muso_theory.evaluation import guarantee
from muso_theory.evaluation.guarantees import MECHANISMS
from muso_theory.numbers import Quantity

from .tables import mean_sd, table

__all__ = ["DELTA", "EPSILON", "EPSILONS", "SWEPT", "TABULATED", "by_epsilon", "tabulated"]

EPSILON, DELTA = 1.0, 1e-5
EPSILONS = (0.1, 0.3, 1.0, 3.0, 10.0)
TABULATED = (0.1, 1.0, 10.0)
SWEPT = {"ridge per sample": 1e-3, "share": 0.01}
"""Where noise and accuracy are followed over ε."""


def tabulated(
    ridge: list[dict[str, Any]],
    plain: list[dict[str, Any]],
    audits: list[dict[str, Any]],
    swept: list[dict[str, Any]],
) -> dict[str, Any]:
    """Every table of the campaign."""
    tables = {
        "assumptions": table(
            "What each guarantee rests on",
            [
                *(
                    {
                        "guarantee": name,
                        "promises": f"{spec.promise}, for any data",
                        "public": ", ".join(spec.needs),
                        "assumes": "; ".join(spec.assumed),
                        "checks": "; ".join(spec.checked),
                    }
                    for name, spec in MECHANISMS.items()
                ),
                _of_a_gap(),
            ],
            [(key,) for key in ("guarantee", "promises", "public", "assumes", "checks")],
        ),
        "audits": table(
            "Audits on small data, and planted leaks; lower bounds at level "
            f"{audits[0]['level']:g}; last the factor of too little noise that nine of ten such audits find "
            "on these data, which reach the given share of Δ, and a dash where they do not differ",
            [{**row, "kind": "planted leak" if row["planted"] else "guarantee"} for row in audits],
            [
                ("kind",),
                ("audited",),
                ("ε promised", "ε promised", "g"),
                ("ε at least", "ε shown, any distribution", ".3g"),
                ("ε of a Gaussian at least", "ε shown, Gaussian", ".3g"),
                ("Δ/σ promised", "Δ/σ promised", ".3g"),
                ("Δ/σ at least", "Δ/σ shown", ".3g"),
                ("largest Δ/σ", "most Δ/σ that could be shown", ".3g"),
                ("share of Δ", "share of Δ", ".2f"),
                ("draws", "draws", "d"),
                ("detects", "too little noise it finds", ".3g"),
                ("violated",),
            ],
        ),
        "least-squares": table(
            "Least squares without a ridge, random features: certified gap, and the noise for (ε, δ) = (1, 1e-5)",
            plain,
            [
                ("data",),
                ("seed", "seed", "d"),
                ("n", "n", "d"),
                ("D", "D", "d"),
                ("n_F", "n_F", "d"),
                ("verdict",),
                ("gap bound", "gap ≤", ".1e"),
                ("noise", "σ", ".1e"),
                ("noise of doing nothing", "σ of doing nothing", ".3g"),
                ("ratio", "ratio ≥", ".1e"),
                ("removal seconds", "removal, s", ".2g"),
                ("proof seconds", "proof, s", ".2g"),
            ],
        ),
    }
    keys = ("data", "loss", "ridge per sample", "share")
    for setting in dict.fromkeys(tuple(row[key] for key in keys) for row in ridge):
        group = [r for r in ridge if tuple(r[key] for key in keys) == setting and r["epsilon"] == EPSILON]
        name = "-".join(str(part) for part in setting).replace(":", "-")
        title = f"{setting[0]}, {setting[1]} loss, λ = {setting[2]:g} N, {100 * setting[3]:g} % forgotten"
        tables[name] = table(
            f"{title}, ε = {EPSILON:g}; mean ± sd over {len(group)} forget sets",
            [_row(group, index) for index in range(len(group[0]["rows"]))],
            [
                ("method",),
                ("noise", "noise per parameter", ".1e"),
                ("displacement", "displacement", ".1e"),
                ("test accuracy", "test accuracy", ".3f"),
                ("removal seconds", "removal, s", ".2g"),
            ],
        )
    for data, loss in dict.fromkeys((row["data"], row["loss"]) for row in swept):
        point = next(row for row in ridge if (row["data"], row["loss"]) == (data, loss))
        shown = {
            (row["epsilon"], each["method"]): each["audit"]
            for row in reversed(ridge)
            if (row["data"], row["loss"]) == (data, loss)
            and all(row[key] == value for key, value in SWEPT.items())
            for each in row["rows"]
            if "audit" in each
        }
        group = [
            {
                **row,
                "ε shown": shown.get((row["epsilon"], row["method"]), {}).get("ε of a Gaussian at least"),
                "found": shown.get((row["epsilon"], row["method"]), {}).get("detects"),
            }
            for row in swept
            if (row["data"], row["loss"]) == (data, loss) and row["epsilon"] in TABULATED
        ]
        tables[f"{data}-{loss}-over-epsilon".replace(":", "-")] = table(
            f"{data}, {loss} loss, λ = {SWEPT['ridge per sample']:g} N, {100 * SWEPT['share']:g} % forgotten, public "
            f"N = {point['N']} (n = {point['n']}), k = {point['k']} (n_F = {point['n_F']}); mean ± sd over "
            "forget sets; the noise is audited at two points at distance Δ",
            group,
            [
                ("method",),
                ("epsilon", "ε", "g"),
                ("noise", "noise per parameter", ".1e"),
                ("test accuracy", "test accuracy", ".3f"),
                ("removal seconds", "removal, s", ".2g"),
                ("ε shown", "ε shown by audit of the noise", ".2g"),
                ("found", "too little noise it finds", ".3g"),
            ],
        )
    return tables


def _of_a_gap() -> dict[str, str]:
    """What the guarantee from a proved gap rests on, in its own words."""
    promise = guarantee("proved-gap", EPSILON, DELTA, gap=Quantity.exact(1))
    return {
        "guarantee": promise.mechanism,
        "promises": "this point from the retrained model published likewise, on this data and forget set; not DP",
        "public": "σ",
        "assumes": "; ".join(promise.assumed),
        "checks": "; ".join(promise.checked[1:]),
    }


def _row(group: list[dict[str, Any]], index: int) -> dict[str, Any]:
    """One method over the forget sets of a setting."""
    each = [row["rows"][index] for row in group]
    return {
        "method": each[0]["method"],
        "test accuracy": mean_sd(e["test accuracy"]["mean"] for e in each),
        **{key: mean_sd(e[key] for e in each) for key in ("noise", "displacement", "removal seconds")},
    }


def by_epsilon(found: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Every method over ε, where ε was varied; means over forget sets."""
    swept = [row for row in found if all(row[key] == value for key, value in SWEPT.items())]
    rows = []
    for data, loss in dict.fromkeys((row["data"], row["loss"]) for row in swept):
        groups = [
            (epsilon, [r for r in swept if (r["data"], r["loss"], r["epsilon"]) == (data, loss, epsilon)])
            for epsilon in sorted({row["epsilon"] for row in swept})
        ]
        rows += [
            {"data": data, "loss": loss, "epsilon": epsilon, **_row(group, index)}
            for index in range(len(groups[0][1][0]["rows"]))
            for epsilon, group in groups
        ]
    return rows
