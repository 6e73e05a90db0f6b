"""Campaign network-residual: the points of network-paper's algorithm on networks that are not in it."""

from __future__ import annotations

from typing import Any

import pytest

from verification import network_paper, network_residual
from verification.concluding.registry import conclude
from verification.network_scenarios import FORGETTING, NETWORKS


def test_the_two_campaigns_share_every_network_out() -> None:
    here, there = (
        {point["network"] for point in part.points()} for part in (network_residual, network_paper)
    )
    assert not here & there
    assert here | there == set(NETWORKS)
    groups = {(point["network"], point["forgetting"]) for point in network_residual.points()}
    assert groups == {(network, forgetting) for network in here for forgetting in FORGETTING}
    assert all(point["kind"] == "switches" and not point["all"] for point in network_residual.points())


def result(corrected: float, seeds: int) -> dict[str, Any]:
    def row(switch: str, rate: float | None, **each: Any) -> dict[str, Any]:
        found = {"network": "n", "forgetting": "class", "rate": rate, "batch": 64, "diverged": 0}
        return found | {"switch": switch, "each forget output gap": [1.0] * seeds} | each

    accuracies = {
        "published (revision 2025-02)": 0.5,
        "float64 inverses": 0.5,
        "correct projector": corrected,
    }
    rows = [
        row(
            name,
            1e-3,
            **{"each forget accuracy": [value + 0.01 * (seed * step % 5) for seed in range(seeds)]},
        )
        for step, (name, value) in enumerate(accuracies.items(), start=1)
    ]
    rows += [row(name, None, forgetting="random 1 %") for name in ("doing nothing", "alternating, corrected")]
    return {"campaign": "network-residual", "rows": rows}


@pytest.mark.parametrize(
    ("corrected", "seeds", "word"), [(0.9, 5, "higher"), (0.1, 5, "lower"), (0.9, 2, "too few")]
)
def test_what_it_concludes_follows_its_rows(corrected: float, seeds: int, word: str) -> None:
    found = {c["sentence"]: c["verdict"] for c in conclude(result(corrected, seeds))}
    (verdict,) = (v for sentence, v in found.items() if "correct projector" in sentence)
    assert word in verdict
    assert all("residual network with batch norm" in sentence for sentence in found)
