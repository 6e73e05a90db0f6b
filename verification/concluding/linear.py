"""Conclusions on linear models: the paper's experiments, baselines, ablations, arithmetic."""

from __future__ import annotations

import math
from typing import Any

from .families import ranked
from .judges import Draft, compare, fit, fit_by_seed, intervals, largest, none, share
from .registry import concludes
from .rows import Result, Row, count, select

_TOLERANCE = 1e-6
"""What an audit asks of a gap, relative to that of doing nothing."""


@concludes("paper-linear")
def paper_linear(result: Result) -> list[Draft]:
    """The paper's linear experiment, trained and in the limit."""
    rows = select(result, "rows")
    epochs = result["points"][0]["epochs"]
    errors = ("gap, relative error", "gap to limit, relative error", "predict_gap, relative error")

    def against_nothing(method: str, scale: str, forgetting: list[str]) -> Draft:
        labels = {"MUSO, label-free": "label-free labels"}.get(method, method)
        pixels = {"unit": "[0, 1]", "byte": "[0, 255]"}[scale]
        words = {1: "random samples", 2: "a class or a sub-class", 3: "classes and samples"}[len(forgetting)]
        return compare(
            "gap-formula",
            f"{epochs:,} epochs of cyclic SGD on linear models of digits and MNIST (pixels in {pixels}, forgetting "
            f"{words}) with {labels} end {{ratio}} times as far from the parameters retrained as long as doing "
            f"nothing does, in geometric mean over {{settings}} settings",
            rows.but(scale=scale, forgetting=forgetting),
            "gap",
            (method, "pretrained"),
            setting=("data", "forgetting"),
            logs=True,
        )

    return [
        largest(
            "gd-finite-time",
            "the parameter gaps of {n} linear models are as theory predicts without training them, to {largest} of "
            "themselves (or of what float64 tells apart) at most",
            rows,
            lambda row: max((row[key] for key in errors if key in row), default=None),
            at_most=_TOLERANCE,
        ),
        largest(
            "label-free",
            "in the limit of training, label-free labels leave at most {largest} of the parameter gap of doing "
            "nothing, in {n} problems of digits and MNIST with independent rows",
            rows.but(method="label-free"),
            "common share",
            at_most=_TOLERANCE,
        ),
        against_nothing("MUSO, label-free", "unit", ["class", "subclass"]),
        against_nothing("MUSO, label-free", "unit", ["random"]),
        against_nothing("MUSO, label-free", "byte", ["class", "subclass", "random"]),
        against_nothing("random labels", "unit", ["random"]),
        compare(
            "exact-labels",
            f"After {epochs:,} epochs the labels of the retrained model end {{ratio}} times as far from it as "
            f"label-free ones, pixels in [0, 1], in geometric mean over {{settings}} settings",
            rows.but(scale="unit"),
            "gap",
            ("MUSO, labels of w_r", "MUSO, label-free"),
            setting=("data", "forgetting"),
            logs=True,
        ),
    ]


@concludes("paper-convergence")
def paper_convergence(result: Result) -> list[Draft]:
    """How long exactness takes."""
    rows, points = select(result, "points/rows"), select(result, "points")
    epochs = max(point["epochs"] for point in points.found)

    def needed(point: Row) -> Any:
        return point["epochs needed"]["label-free, no ridge"]

    return [
        largest(
            "gd-finite-time",
            "the gap after 1 to 4,096 epochs of cyclic SGD is as predicted without training, to {largest} of itself "
            "(or of what float64 tells apart) at most, in {n} runs",
            rows,
            "relative error",
            at_most=_TOLERANCE,
        ),
        *(
            fit_by_seed(
                "label-free",
                "by the closed form, the epochs in which label-free labels come to a millionth of the gap of doing "
                f"nothing grow like κ(K) to the power {{slope}}, over {{n}} problems of {data} with pixels in [0, 1] "
                "and samples in random order",
                points.but(data=data, scale="unit", order="random"),
                "condition number of K",
                needed,
            )
            for data in dict.fromkeys(point["data"] for point in points.found)
        ),
        *(
            share(
                "label-free",
                f"by the closed form, the paper's {epochs:,} epochs are enough for label-free labels to come to a "
                f"millionth of the gap of doing nothing in {{k}} of {{n}} problems with pixels in {pixels}",
                count(points.but(scale=scale), lambda point: (needed(point) or math.inf) <= epochs),
            )
            for scale, pixels in (("unit", "[0, 1]"), ("byte", "[0, 255]"))
        ),
        largest(
            "early-stopping",
            "with all labels free, early-stopped fine-tuning comes to the early-stopped retrained model: at most "
            "{largest} of the gap of doing nothing is left, in {n} problems",
            points,
            lambda point: point["early-stopping labels"]["relative gap"],
            at_most=_TOLERANCE,
        ),
    ]


@concludes("ablation")
def ablation(result: Result) -> list[Draft]:
    """Every choice of the linear method, one at a time."""
    rows = select(result, "rows")
    after = rows.but(axis="optimizer", quantity="gap after exact relabelling")
    spanning = ["gd", "sgd", "shuffled-sgd", "cyclic-sgd", "momentum", "nesterov"]
    label_free = rows.but(quantity="gap, label-free")
    subsets = rows.but(axis="downsampling", quantity="label error")
    return [
        largest(
            "gap-formula",
            "{n} gaps and label errors are as predicted without training, to {largest} of themselves (or of what "
            "float64 tells apart) at most",
            rows,
            "relative error",
            at_most=_TOLERANCE,
        ),
        largest(
            "momentum",
            "exact labels leave at most {largest} of the gap of doing nothing after pretraining by gradient descent, "
            "SGD, momentum or Nesterov's method ({n} runs)",
            after.but(optimizer=spanning),
            "relative gap",
            at_most=_TOLERANCE,
        ),
        largest(
            "adaptive-optimizer",
            "after pretraining by Adam, RMSprop, Adagrad or with weight decay, exact labels leave {least} to "
            "{largest} of the gap of doing nothing ({n} runs)",
            after.but(optimizer=["adam", "adagrad", "rmsprop", "weight decay"]),
            "relative gap",
        ),
        compare(
            "downsampling",
            "Labels from a subset chosen by leverage scores leave {ratio} times the gap of those from a uniform "
            "subset of the same size, in geometric mean over {settings} "
            "pairs of a data set and a size below all of R (at all of R they are the same subset)",
            subsets._replace(found=[row for row in subsets.found if row["ratio"] < 1]),
            "relative gap",
            ("leverage", "uniform"),
            by="sampling",
            setting=("data", "ratio"),
            logs=True,
        ),
        share(
            "label-free",
            "stopped after 10 epochs, label-free relabelling is further from the retrained model than doing nothing "
            "in {k} of {n} runs",
            count(label_free.but(epochs=10), lambda row: row["relative gap"] > 1),
        ),
        intervals(
            "linearised-network",
            "labels from D random features come to those of their kernel like D^s with −0.6 ≤ s ≤ −0.4 (99 % "
            "intervals) on {k} of {n} data sets; s is {least} to {largest}",
            select(result, "slopes"),
            (-0.6, -0.4),
        ),
    ]


@concludes("anatomy")
def anatomy(result: Result) -> list[Draft]:
    """Where label-free is exact, decided in exact arithmetic and measured in floats."""
    phases = select(result, "phases")

    def of(claim: str, proved: bool) -> Any:
        return lambda row: row["relative gap"][claim] if row["proved"][claim] is proved else None

    return [
        largest(
            "exact-labels",
            f"the retrained model's labels are proved exact, and leave at most {{largest}} of the gap of doing "
            f"nothing in float64, in {{n}} of {len(phases.found)} integer problems on digits:3,7 of many sizes and "
            "ranks",
            phases,
            of("exact-labels", True),
            at_most=_TOLERANCE,
        ),
        largest(
            "label-free",
            "where label-free is proved exact on integers from digits:3,7, it leaves at most {largest} of the gap of "
            "doing nothing in float64 ({n} problems)",
            phases,
            of("label-free", True),
            at_most=_TOLERANCE,
        ),
        largest(
            "label-free",
            "where label-free is not proved exact on integers from digits:3,7, it leaves {least} to {largest} of the "
            "gap of doing nothing ({n} problems)",
            phases,
            of("label-free", False),
        ),
    ]


@concludes("baselines")
def baselines(result: Result) -> list[Draft]:
    """Every baseline on linear models."""
    every = select(result, "points/rows")
    rows = every._replace(found=[row for row in every.found if "refused" not in row])
    every_method = {row["method"].removesuffix(", oracle stop") for row in rows.found} - {
        "none",
        "retraining",
    }
    near = [row for row in rows.found if row["method"] in every_method and abs(row["average gap"]) < 0.01]
    looks = rows._replace(found=near)
    promised = [row for row in rows.found if row["claims exactness"] and row["method"] != "retraining"]
    holds = rows._replace(found=[row for row in promised if row["hypotheses hold"]])
    broken = rows._replace(found=[row for row in promised if not row["hypotheses hold"]])

    exact = {row["method"] for row in holds.found}
    inexact = (
        {row["method"] for row in rows.found} - {row["method"] for row in promised} - {"none", "retraining"}
    )
    against_nothing = ranked(
        "gap-formula",
        "{who} leaves {ratio} times the parameter gap of doing nothing, in geometric mean over {settings} linear "
        "problems",
        rows,
        "relative gap",
        inexact,
        "none",
        kind="methods at their defaults that no theorem calls exact",
        tell=("random-labels", "bad-teacher", "saliency", "influence", "fisher-noise"),
        setting=("name", "what"),
        logs=True,
    )
    return [
        largest(
            "exact-labels",
            f"the {len(exact)} of {len(every_method)} methods that theory calls exact leave at most {{largest}} of the "
            "gap of doing nothing to what they are exact for, retraining with the method's own ridge, where their "
            "hypotheses hold ({n} runs)",
            holds,
            "relative gap to reference",
            at_most=_TOLERANCE,
        ),
        largest(
            "label-free",
            "where their hypotheses fail, methods that theory calls exact leave {least} to {largest} of that gap ({n} "
            "runs), median {median}",
            broken,
            "relative gap to reference",
        ),
        share(
            "exact-labels",
            "accuracy does not see parameters: of {n} runs with an average gap of test accuracy, forget accuracy and "
            "membership score below one percent, {k} ({share}) leave more than half of the parameter gap of doing "
            "nothing",
            count(looks, lambda row: row["relative gap"] > 0.5),
        ),
        *against_nothing,
    ]


@concludes("precision")
def precision(result: Result) -> list[Draft]:
    """What each arithmetic still knows."""
    points = select(result, "points")
    rungs = points._replace(
        of="points.rungs",
        found=[
            {**point, **rung, "rung": name} for point in points.found for name, rung in point["rungs"].items()
        ],
    )
    enclosing = rungs._replace(found=[row for row in rungs.found if "encloses the truth" in row])
    beyond = rungs.but(rung="float64")._replace(
        found=[row for row in rungs.found if row["rung"] == "float64" and row["condition"] >= 1e16]
    )
    verified = rungs.but(rung="verified float64")
    return [
        none(
            "precision",
            "{k} of {n} enclosures of ‖w_p − w_r‖ by balls and proved float64 miss the exact rational value",
            count(enclosing, lambda row: not row["encloses the truth"]),
        ),
        fit(
            "precision",
            "the relative error of ‖w_p − w_r‖ in ordinary float64 grows like the condition number to the power "
            "{slope}, over {n} problems up to 1e15",
            rungs.but(rung="float64")._replace(
                found=[row for row in rungs.found if row["rung"] == "float64" and row["condition"] < 1e15]
            ),
            "condition",
            "relative error",
        ),
        share(
            "precision",
            "beyond condition number 1e16 ordinary float64 gives ‖w_p − w_r‖ without one correct digit, and without "
            "a word, in {k} of {n} problems",
            count(beyond, lambda row: not row["relative error"] < 0.1),
        ),
        share(
            "precision",
            "proved float64 encloses ‖w_p − w_r‖ in {k} of {n} problems, and says of the others that it cannot",
            count(verified, lambda row: row.get("encloses the truth") is not None),
        ),
    ]


@concludes("identities")
def identities(result: Result) -> list[Draft]:
    """Both sides of the certified identities, with their hypotheses and without one."""
    rows = select(result, "rows")
    held = rows._replace(found=[row for row in rows.found if row["share"] is not None])
    without = rows._replace(found=[row for row in rows.found if row.get("share without")])
    bounded = rows.but(claim="inexact-training")
    return [
        largest(
            "prove",
            "both sides of the certified identities differ on digits and cell nuclei by at most {largest} of the "
            "length that a check holds them against, in {n} rows where their hypotheses hold",
            held,
            "share",
            at_most=_TOLERANCE,
        ),
        largest(
            "prove",
            "where the hypothesis that a row names fails, both sides differ by {least} to {largest} of that length "
            "({n} rows)",
            without,
            "share without",
        ),
        largest(
            "inexact-training",
            "the squared gap after ten steps is {least} to {largest} of what the spectrum allows ({n} problems)",
            bounded,
            "of bound",
            at_most=1,
        ),
    ]
