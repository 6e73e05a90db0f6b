"""Tables of the campaign ``network-paper``."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from .network_causes import CLEAR
from .tables import Column, table

__all__ = ["paper_tables", "switch_tables"]

_SWITCHES = [
    Column("switch"),
    Column("runs", "seeds", "d"),
    Column("expected", "relabelled, exact", ".3f"),
    Column("relabelled", "relabelled", ".3f"),
    Column("forget accuracy", "forget", ".3f"),
    Column("test accuracy", "test", ".3f"),
    Column("forget output gap", "gap in f_F", ".3f"),
    Column("nearer", f"nearer by {100 * CLEAR:g} %"),
    Column("parameter gap", "gap in θ", ".3f"),
    Column("AUC difference", "AUC − null", ".3f"),
    Column("signs", "signs of failure"),
    Column("diverged"),
]
_WHERE = [Column("network"), Column("forgetting")]
_SCENES = [
    *_WHERE,
    Column("runs", "seeds", "d"),
    Column("degenerate", "labels degenerate"),
    Column("label shift", spec=".1e"),
    Column("wrong before", "wrong already", ".3f"),
    Column("relabelled", "other class by claim 5", ".3f"),
    Column("label-free VACUOUS"),
    Column("labels REFUTED"),
    Column("gap of the labels", "their gap, nothing is 1", ".1f"),
    Column("own labels CERTIFIED"),
]
_PRINTED = [
    Column("whose"),
    Column("data"),
    Column("forgetting"),
    Column("test", "test, %", ".2f"),
    Column("forget", "forget, %", ".2f"),
    Column("membership", "membership, %", ".2f"),
]
_ROUNDING = [
    *_WHERE,
    Column("revision"),
    Column("ridge", "ε", ".0e"),
    Column("precision"),
    Column("distance", "distance of Π", ".1e"),
    Column("flipped", "labels flipped", ".3f"),
    Column("forget accuracy", "forget", ".3f"),
    Column("no inverse"),
]
_CAUSES = [
    Column("what"),
    Column("runs", "seeds", "d"),
    Column("left", "left of the gap", ".3f"),
    Column("nearer", f"nearer by {100 * CLEAR:g} %"),
    Column("diverged"),
]
_STEPS = [
    Column("network"),
    Column("loss"),
    Column("forgetting"),
    Column("runs", "seeds", "d"),
    Column("epochs", spec=".1f"),
    Column("left, predicted", "left, predicted", ".3f"),
    Column("left, measured", "left, measured", ".3f"),
]


def switch_tables(result: Mapping[str, Any]) -> dict[str, Any]:
    """Every switch at every step, and what theory says, each with what it means in its title."""
    found = {}
    for network, forgetting in _pairs(result["rows"]):
        rows = [row for row in result["rows"] if (row["network"], row["forgetting"]) == (network, forgetting)]
        steps = list(dict.fromkeys((row["rate"], row["batch"]) for row in rows if row["rate"] is not None))
        others = [row for row in rows if row["rate"] is None]
        rate, batch = steps[0]
        found[f"{network}, {forgetting}"] = table(
            f"{network}, forgetting {forgetting}, steps {rate:g}, batches of {batch}: the published algorithm, one "
            "choice changed at a time, mean ± sd over seeds; gaps are shares of those of doing nothing; relabelled: "
            "share of F with another class than its own, by exact arithmetic with frozen features (the larger of the "
            "first and the last ε), and as it was at the end",
            [row for row in rows if (row["rate"], row["batch"]) == (rate, batch)] + others,
            _SWITCHES,
        )
        if steps[1:]:
            found[f"{network}, {forgetting}, all steps"] = _all_steps(network, forgetting, rows, steps)
    found["theory"] = table(
        "What theory says before anything is trained, of the head on frozen features and all of R: whether the labels "
        "of claim label-free are the network's own outputs, how far they move, and certified verdicts on the head with "
        "the data's targets",
        result["theory"],
        _SCENES,
    )
    return found


def paper_tables(result: Mapping[str, Any]) -> dict[str, Any]:
    """These, and the rest."""
    found = switch_tables(result)
    found["printed"] = table(
        "Retraining where samples are forgotten at random: the paper's printed numbers, which are theirs, of ResNet-18 "
        "on CIFAR, and ours, of small networks on digits; other data and networks, so that no row answers another",
        result["printed"],
        _PRINTED,
    )
    for network, forgetting in _pairs(result["rounding"]):
        own = [
            row for row in result["rounding"] if (row["network"], row["forgetting"]) == (network, forgetting)
        ]
        found[f"rounding, {network}, {forgetting}"] = table(
            f"{network}, forgetting {forgetting}: what rounding makes of the published inverses at a constant ε; "
            "distance ‖Π − Π at 50 digits‖ / ‖Π at 50 digits‖ and the share of F whose label is another than at 50 "
            "digits, with the pretrained features; forget accuracy after five epochs (two, where samples are random) "
            "of steps of 1e-3 on batches of 64",
            own,
            _ROUNDING,
        )
    kernels = [key for key in (result["kernels"] or [{}])[0] if key not in _KERNEL_ROWS]
    found["kernels"] = table(
        "Forget accuracy after forgetting a class (steps 1e-3, batches of 64), by BLAS kernel asked for, for the same "
        "trained networks; largest spread: of one seed, between kernels",
        result["kernels"],
        [Column("network"), Column("algorithm"), Column("runs", "seeds", "d")]
        + [Column(kernel, spec=".3f") for kernel in kernels]
        + [Column("largest spread", spec=".3f")],
    )
    for part, words in _PARTS.items():
        keys = dict.fromkeys((row["network"], row["loss"], row["forgetting"]) for row in result[part])
        for network, loss, forgetting in keys:
            own = [
                row
                for row in result[part]
                if (row["network"], row["loss"], row["forgetting"]) == (network, loss, forgetting)
            ]
            name = f"{part}, {network}, {loss}, {forgetting}"
            found[name] = table(f"{network}, {loss}, forgetting {forgetting}: {words}", own, _CAUSES)
    found["steps"] = table(
        "Difference labels on all samples, plain descent on the squared loss: the number of epochs that theory asks "
        "for, and the share of the labels' change on F that is left, predicted with the kernel at θ_p and measured",
        result["steps"],
        _STEPS,
    )
    return found


def _pairs(rows: Sequence[Mapping[str, Any]]) -> list[tuple[str, str]]:
    """Networks and ways of forgetting, each once."""
    return list(dict.fromkeys((row["network"], row["forgetting"]) for row in rows))


def _all_steps(
    network: str, forgetting: str, rows: Sequence[Mapping[str, Any]], steps: Sequence[tuple[float, int]]
) -> Any:
    """Forget accuracy and gap of outputs of every switch, a pair of columns for each step and batch size."""
    switches: dict[str, dict[str, Any]] = {}
    columns = [Column("switch")]
    for rate, batch in steps:
        for key, title in (("forget accuracy", "forget"), ("forget output gap", "gap in f_F")):
            name = f"{title}, {rate:g}, {batch}"
            columns.append(Column(name, spec=".3f"))
            for row in rows:
                if (row["rate"], row["batch"]) == (rate, batch):
                    switches.setdefault(row["switch"], {"switch": row["switch"]})[name] = row[key]
    title = (
        f"{network}, forgetting {forgetting}: forget accuracy, and what is left of the gap of outputs on F, by steps "
        "and size of batches"
    )
    return table(title, list(switches.values()), columns)


_KERNEL_ROWS = ("network", "algorithm", "runs", "largest spread")
_PARTS = {
    "labels": "how far labels of F are from the outputs of θ_r before any training, those of θ_p being at 1",
    "causes": "what is left of the gap of outputs on F after fine-tuning, doing nothing being 1",
}
"""Parts with tables for each network, loss and way of forgetting."""
