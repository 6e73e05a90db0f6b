"""Tables of the campaign `guarantees`, and the settings that its points and its tables share."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from muso_theory.evaluation import guarantee
from muso_theory.evaluation.guarantees import MECHANISMS
from muso_theory.numbers import Quantity

from .tables import mean_sd, table

__all__ = [
    "DELTA",
    "EPSILON",
    "EPSILONS",
    "NEWTON",
    "RELABELLING",
    "STRONG",
    "SWEPT",
    "TABULATED",
    "by_epsilon",
    "tabulate",
    "verdict",
]

EPSILON, DELTA = 1.0, 1e-5
EPSILONS = (0.1, 0.3, 1.0, 3.0, 10.0)
TABULATED = (0.1, 1.0, 10.0)
SWEPT = {"ridge per sample": 1e-3, "share": 0.01}
"""Where noise and accuracy are followed over ε."""


RELABELLING, NEWTON = "relabelling from retrained, proved gap", "Newton step, proved gap"
STRONG = 2.0
"""Audits are counted that mostly find so many times too little noise."""


def verdict(result: Mapping[str, Any]) -> str:
    """What was audited, what could have been found, and what the certified gap saves, in words."""
    small = [row for row in result["audits"] if not row["planted"]]
    valid = [*small, *result["audits of noise"]]
    caught = [row["violated"] for row in result["audits"] if row["planted"]]
    # The factor is that of one published number: of several the direction has to be found first.
    strong = sum(
        row["detects"] is not None and row["detects"] <= STRONG and row["numbers"] == 1 for row in valid
    )
    rows = [(point, row) for point in result["points"] for row in point.get("rows", ())]
    noisy = sum("σ" in row for _, row in rows)
    newton = [point["doing nothing at least"] / row["Δ"] for point, row in rows if row["method"] == NEWTON]
    ratio = result["smallest ratio"]
    return (
        f"{sum(row['violated'] for row in valid)} of {len(valid)} audits of different settings refute their guarantee, "
        f"{len(small)} on small data and one for each of the {len(valid) - len(small)} pairs of ε and Δ/σ of "
        f"{noisy} rows; {strong} of the {len(valid)} would mostly have found {STRONG:g} times too little noise; "
        f"{sum(caught)} of {len(caught)} planted leaks are caught; relabelling by exact labels, which takes retraining "
        f"where there is a ridge, needs {'at least' if ratio >= 1e6 else 'only'} {ratio:.1e} times less noise than "
        f"per-instance output noise, a Newton step with a proved gap from {min(newton):.2g} to {max(newton):.1e} times"
    )


def tabulate(result: Mapping[str, Any]) -> dict[str, Any]:
    """Every table of the campaign, from its numbers."""
    ridge, plain = ([p for p in result["points"] if ("rows" in p) == wanted] for wanted in (True, False))
    audits, swept = result["audits"], result["over epsilon"]
    tables = {
        "assumptions": table(
            "What each guarantee rests on",
            [
                *(
                    {
                        "guarantee": name,
                        "promises": f"{spec.promise}, for any data",
                        "public": ", ".join(spec.needs),
                        "private": "nothing",
                        "assumes": "; ".join(spec.assumed),
                        "checks": "; ".join(spec.checked),
                    }
                    for name, spec in MECHANISMS.items()
                ),
                _of_a_gap(),
            ],
            [(key,) for key in ("guarantee", "promises", "public", "private", "assumes", "checks")],
        ),
        "audits": table(
            "Audits on small data, and planted leaks; lower bounds at level "
            f"{audits[0]['level']:g}; the factor of too little noise is what counting the best event finds in nine "
            "of ten runs on these data, which reach the given share of Δ, if one number is published. An audit "
            "chooses its event from draws: in simulations it found that factor in 398 of 440 runs with ε from 1 to "
            "10, in 20 of 30 at ε = 0.1; with 30 published numbers in 48 of 60 at ε = 10 and 18 of 60 at ε = 1",
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
                ("numbers", "published numbers", "d"),
                ("draws", "draws", "d"),
                ("detects", "factor of too little noise", ".3g"),
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
            "forget sets; the noise is audited at two points at distance Δ, once for all rows of one ε and Δ/σ, and "
            "the factor is as in the table of audits",
            group,
            [
                ("method",),
                ("epsilon", "ε", "g"),
                ("noise", "noise per parameter", ".1e"),
                ("test accuracy", "test accuracy", ".3f"),
                ("removal seconds", "removal, s", ".2g"),
                ("ε shown", "ε shown by audit of the noise", ".2g"),
                ("found", "factor of too little noise", ".3g"),
            ],
        )
    return tables


def _of_a_gap() -> dict[str, str]:
    """What the guarantee from a proved gap rests on, in its own words."""
    promise = guarantee("proved-gap", EPSILON, DELTA, gap=Quantity.exact(1))
    return {
        "guarantee": promise.mechanism,
        "promises": "this point from the retrained model published likewise, on this data and forget set; not DP",
        "public": "nothing",
        "private": "Δ: a proved gap; σ: computed from Δ, unless it is declared in advance",
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
