"""Conclusions on networks: the paper's algorithm, wide networks, limits."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from scipy import stats

from muso_theory.methods import DifferenceLabels

from .families import ranked
from .judges import FEW, FEWEST, OPEN, Draft, compare, holm, intervals, largest, none, share
from .registry import concludes
from .rows import FoundRows, Result, Tally, count, select
from .words import rounded_up


@concludes("alternating")
def alternating(result: Result) -> list[Draft]:
    """Methods on trained networks, against doing nothing and against each other."""
    runs = select(result, "runs", {"diverged": False})
    random = ["random 1 %", "random 10 %"]
    lazy = select(result, "lazy")
    ceiling = rounded_up(max((row["predicted"]["mean"] for row in lazy.but(steps="300").found), default=0.0))

    family = {row["method"] for row in runs.found} - {"none", "retraining", "retraining, other order"}
    corrected, last_layer = "alternating, corrected", "alternating, last layer"
    called = {
        corrected: "the corrected alternating algorithm",
        last_layer: "relabelling from the last layer alone",
        "exact-labels": "fine-tuning on the labels of the retrained network itself",
    }
    scores = "(mean of test accuracy, forget accuracy, membership score)"

    def mean_gaps(asked: str, forgetting: list[str], other: str, *tell: str) -> list[Draft]:
        return ranked(
            "alternating",
            f"asked to forget {asked}, {{who}} leaves a gap to the retrained networks {scores} of {{one}} percent "
            f"points, {called.get(other, 'doing nothing')} of {{other}}, over {{settings}} settings of MLPs and CNNs",
            runs.but(forgetting=forgetting),
            "average gap",
            family - {other},
            other,
            setting=("network", "loss", "forgetting"),
            called=called,
            tell=tell,
        )

    return [
        *mean_gaps("random samples", random, "none", corrected),
        *mean_gaps("random samples", random, corrected),
        *mean_gaps("a class", ["class"], "none", last_layer),
        *mean_gaps("a sub-class", ["subclass"], "none"),
        *mean_gaps("a class or a sub-class", ["class", "subclass"], corrected),
        compare(
            "exact-labels",
            "The same retraining in another order of samples ends {ratio} times as far from the retrained network's "
            "parameters as doing nothing, in geometric mean over {settings} settings of MLPs and CNNs",
            runs,
            "parameter gap",
            ("retraining, other order", "none"),
            setting=("network", "loss", "forgetting"),
            logs=True,
        ),
        largest(
            "lazy-training",
            "wide networks, fine-tuned on the exact labels of their linearisation until it predicts 7 percent of the "
            "gap of doing nothing, end within a factor {largest} of what it predicts (worst seed of {n} networks)",
            lazy.but(steps="7 %"),
            "worst ratio",
            at_most=2.0,
        ),
        largest(
            "lazy-training",
            f"wide networks fine-tuned on the exact labels of their linearisation keep {{least}} to {{largest}} of "
            f"the gap of doing nothing after 300 epochs, where the linearisation predicts less than {ceiling} (mean "
            f"over seeds, {{n}} networks)",
            lazy.but(steps="300"),
            lambda row: row["measured"]["mean"],
        ),
    ]


@concludes("ablation-networks")
def ablation_networks(result: Result) -> list[Draft]:
    """Which switch of the corrected algorithm matters."""
    rows = select(result, "rows", {"variant": "corrected"})
    drafts = []
    for forgetting in ("class", "random 10 %"):
        own = rows.but(forgetting=forgetting)
        [default] = own.but(axis="default").found
        switched = [row for row in own.found if row["axis"] != "default"]
        others = own._replace(found=[row for row in switched if not _same_numbers(row, default)])
        better, worse = _told_apart(others, default, "average gap")
        draft = share(
            "alternating",
            f"forgetting {'a class' if forgetting == 'class' else forgetting} of digits, {{k}} of {{n}} single "
            f"switches of the corrected algorithm, or of its network's width and depth, are seen to move its average "
            f"accuracy gap, {better} down and {worse} up (Welch's t test over {default['average gap']['n']} seeds, "
            f"Holm; {len(switched) - len(others.found)} more values are the default's and left out)",
            Tally(better + worse, len(others.found), others.told()),
        )
        drafts.append(draft if better + worse else {**draft, "verdict": OPEN})
    lost = count(select(result, "rows"), lambda row: row["diverged"])
    return [
        *drafts,
        none("alternating", "{k} of {n} settings had a run that diverged and was left out", lost),
    ]


def _same_numbers(one: Mapping[str, Any], other: Mapping[str, Any]) -> bool:
    """Whether two rows are one run under two names: they agree in every mean and deviation but the time."""
    return all(
        one[key] == number for key, number in other.items() if isinstance(number, dict) and key != "seconds"
    )


def _told_apart(rows: FoundRows, default: Mapping[str, Any], key: str) -> tuple[int, int]:
    """How many rows of means lie below and above another by that test; seeds are the same, and not paired here."""
    base, tests = default[key], []
    for row in rows.found:
        cell = row[key]
        found = stats.ttest_ind_from_stats(
            cell["mean"], cell["sd"], cell["n"], base["mean"], base["sd"], base["n"], equal_var=False
        )
        tests.append((float(found.pvalue), cell["mean"] < base["mean"]))
    adjusted = holm([p for p, _ in tests])
    told = [below for p, (_, below) in zip(adjusted, tests, strict=True) if p < 0.05]
    return sum(told), len(told) - sum(told)


@concludes("lazy")
def lazy(result: Result) -> list[Draft]:
    """Gaps of wide networks."""
    gaps = select(result, "slopes", {"quantity": "parameter_gap_linearised"})
    small, stable = gaps.but(rate=1.0), 2.0
    large = gaps._replace(found=[row for row in gaps.found if row["rate"] > stable])
    return [
        share(
            "lazy-training",
            "with steps of 1/λ_max the gap that the labels of the linearisation leave falls with width, beyond its "
            "95 % interval, in {k} of {n} networks (one to three hidden layers, erf and ReLU)",
            count(small, lambda row: row["high"] is not None and row["high"] < 0),
        ),
        intervals(
            "lazy-training",
            "with steps of 1/λ_max the exponent in the width of the gap that the labels of the linearisation leave "
            "has its 95 % interval within [−1, 0] in {k} of {n} networks, and is {least} to {largest}",
            small,
            (-1.0, 0.0),
        ),
        share(
            "lazy-training",
            "with steps beyond 2/λ_max, where a linear model diverges, the gap rises with width, beyond its 95 % "
            "interval, in {k} of {n} networks",
            count(large, lambda row: row["low"] is not None and row["low"] > 0),
        ),
        share(
            "lazy-training",
            "{k} of {n} networks trained until their loss stood still",
            count(select(result, "points"), lambda row: row["converged"]),
        ),
    ]


@concludes("ntk-limit")
def ntk_limit(result: Result) -> list[Draft]:
    """How fast the tangent kernel tends to its limit."""
    return [
        intervals(
            "ntk-limit",
            "the distance of the empirical tangent kernel from its limit falls like width^s with −0.6 ≤ s ≤ −0.4 (95 "
            "% intervals over seeds) in {k} of {n} networks; s is {least} to {largest}",
            select(result, "slopes"),
            (-0.6, -0.4),
        )
    ]


@concludes("deep-features")
def deep_features(result: Result) -> list[Draft]:
    """Heads of deep models, and what the statistics of batch norm know."""
    heads, tangents = select(result, "heads"), select(result, "tangents")
    wide = heads._replace(found=[row for row in heads.found if row["n_retain"] > row["n_features"]])

    def of(name: str, verdict: str) -> Tally:
        return count(wide, lambda row: row[name] == verdict)

    return [
        share(
            "label-free",
            "of heads with more retained samples than features (resnet8 and random convolutions on MNIST), label-free "
            "is VACUOUS for {k} of {n}",
            of("label-free", "VACUOUS"),
        ),
        share(
            "exact-labels",
            "the exact labels that are handed out are CERTIFIED to leave at most a millionth of the gap of doing "
            "nothing for {k} of these {n} heads",
            of("exact-labels[output]", "CERTIFIED"),
        ),
        share(
            "exact-labels",
            "the theorem's own row, which bounds the exact objects by the Gram matrix of the features, is UNDECIDED "
            "for {k} of these {n} heads",
            of("exact-labels", "UNDECIDED"),
        ),
        largest(
            "label-free",
            "label-free labels leave {least} to {largest} of the gap of doing nothing for {n} such heads",
            wide,
            "label-free share",
        ),
        largest(
            "map-free-of-forget",
            "batch norm statistics fitted on all samples instead of the retained ones move the retrained tangent of "
            "resnet8 on the forget samples by {least} to {largest} of what retraining moves it there ({n} problems)",
            tangents,
            "shift",
        ),
    ]


_STEPS = "steps and batches of its code and three others"
_PUBLISHED = {"rate": 2.8e-4, "batch": 128}


def _by_seed(
    words: str,
    rows: FoundRows,
    each: str,
    pair: tuple[str, str],
    by: str,
    setting: Sequence[str],
    factor: float = 1.0,
) -> Draft:
    """Two algorithms by seed. A row holds what its seeds measured in their order: all, as none diverged."""
    seeds = rows._replace(
        found=[
            {**row, "seed": seed, "of it": factor * value}
            for row in rows.found
            for seed, value in enumerate(row[each])
        ]
    )
    draft = compare("alternating", words, seeds, "of it", pair, by=by, setting=setting)
    return {**draft, "rows": rows.but(**{by: list(pair)}).told()}


def _forgets(
    rows: FoundRows, switch: str, revision: str = "2025-02", network: str = "", steps: str = _STEPS
) -> Draft:
    """A class, by a published revision with one choice changed."""
    base = "published (revision 2025-02)" if revision == "2025-02" else f"revision {revision}"
    changed = switch if revision == "2025-02" else f"{base}, float64"
    return _by_seed(
        f"asked to forget a class{network}, revision {revision} of the published algorithm ends at a forget accuracy "
        f"of {{one}} percent with {switch}, of {{other}} as published (settings: {{settings}}, {steps}; seeds: {{n}})",
        rows.but(forgetting="class"),
        "each forget accuracy",
        (changed, base),
        "switch",
        ("network", "forgetting", "rate", "batch"),
        100.0,
    )


def _against_nothing(rows: FoundRows, network: str = "") -> Draft:
    """The corrected algorithm, where samples are forgotten at random."""
    return _by_seed(
        f"asked to forget random samples{network}, the corrected alternating algorithm leaves {{one}} of the gap of "
        "doing nothing in the outputs on them, doing nothing {other} (settings: {settings}, seeds: {n})",
        rows.but(forgetting=["random 1 %", "random 10 %"]),
        "each forget output gap",
        ("alternating, corrected", "doing nothing"),
        "switch",
        ("network", "forgetting"),
    )


@concludes("network-residual")
def network_residual(result: Result) -> list[Draft]:
    """The same on a residual network with batch norm."""
    rows = select(result, "rows", {"diverged": 0})
    network = " of a residual network with batch norm"
    return [
        _forgets(rows, "float64 inverses", network=network),
        _forgets(rows, "float64 inverses", "2024-10", network),
        _forgets(rows, "correct projector", network=network),
        _against_nothing(rows, network),
    ]


@concludes("network-paper")
def network_paper(result: Result) -> list[Draft]:
    """What the published network algorithm does, and by which of its choices."""
    rows = select(result, "rows", {"diverged": 0})
    causes = select(result, "causes", {"diverged": 0})
    kernels = select(result, "kernels")

    def spread(precision: str) -> Draft:
        return largest(
            "alternating",
            "between kernels of BLAS, the forget accuracy that the published algorithm ends at, from the same trained "
            f"network, differs by up to {{largest}} with {precision} inverses ({{n}} cases of steps of 1e-3 on batches "
            "of 64, five kernels)",
            kernels._replace(found=[row for row in kernels.found if row["algorithm"].endswith(precision)]),
            "largest spread",
        )

    asked = [row for row in result["steps"] if row["forgetting"] == "random 10 %"]
    # Every seed there: a mean at the most that is allowed has no other reading.
    reached = sum(row["epochs"]["mean"] == DifferenceLabels.epochs for row in asked)
    capped = f"{reached} of {len(asked)}"
    off = select(result, "rounding", {"precision": "float32", "ridge": 1e-6})
    rounded = min((row["distance"]["n"] for row in off.found), default=0)
    rounding = largest(
        "alternating",
        "at a ridge of 1e-6 the projector with float32 inverses is {least} to {largest} of its size off that of 50 "
        f"digits (means over {rounded} seeds, settings: {{n}})",
        off,
        lambda row: row["distance"]["mean"],
    )
    return [
        _forgets(rows, "float64 inverses"),
        _forgets(rows.but(**_PUBLISHED), "float64 inverses", steps="steps and batches of its code"),
        _forgets(rows, "float64 inverses", "2024-10"),
        _forgets(rows, "correct projector"),
        _against_nothing(rows),
        _by_seed(
            "asked to forget random samples, difference labels on all samples, for as many epochs as theory asks for "
            f"up to {DifferenceLabels.epochs}, which {capped} settings reach, leave {{one}} of the gap of doing "
            "nothing in the outputs on them, the corrected alternating algorithm {other} (settings: {settings}, "
            "seeds: {n})",
            causes.but(forgetting="random 10 %"),
            "each",
            ("difference on all, by theory", "alternating, corrected"),
            "what",
            ("network", "loss"),
        ),
        largest(
            "alternating",
            "where samples were forgotten at random, retraining in another order is itself {least} to {largest} of "
            "that gap away (means over seeds, settings: {n})",
            causes.but(forgetting="random 10 %", what="retraining, other order"),
            lambda row: row["left"]["mean"],
        ),
        spread("float32"),
        spread("float64"),
        rounding if rounded >= FEWEST else {**rounding, "verdict": FEW},
    ]
