"""The campaign of deep features, in small: what it says of a head and of a tangent, and what would make it fail."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from verification import deep_features
from verification.campaign import Options
from verification.concluding import conclude

HEAD = {"kind": "head", "map": "convolution", "forgetting": "random 10 %", "seed": 0}


def test_a_head_interpolates_only_with_more_features_than_samples() -> None:
    narrow = deep_features.measure({**HEAD, "width": 64, "n": 200})
    assert (narrow["n_retain"], narrow["n_forget"], narrow["n_features"]) == (180, 20, 65)
    assert (narrow["exact-labels"], narrow["label-free"]) == ("CERTIFIED", "VACUOUS")
    assert narrow["told"].startswith("needs least-squares-on-retain: ‖Φ_Rᵀ(Φ_R w_p − y_R)‖ ≥ ")
    assert narrow["label-free share"] > 0.01
    # The control: the same map, wide enough to interpolate.
    wide = deep_features.measure({**HEAD, "width": 512, "n": 200})
    assert (wide["exact-labels"], wide["label-free"]) == ("CERTIFIED", "CERTIFIED")
    assert wide["label-free share"] < 1e-6


def test_statistics_of_all_samples_are_told_and_move_the_retrained_tangent() -> None:
    found = deep_features.measure({"kind": "tangent", "forgetting": "random 10 %", "n": 20, "seed": 0})
    assert found["map-free-of-forget, all"] == "VACUOUS"
    assert found["map-free-of-forget, retain"] != "VACUOUS"
    assert found["exact-labels, all"] == found["exact-labels, retain"] == "CERTIFIED"
    assert found["apart"] == pytest.approx(found["shift"] * found["moved"])
    assert found["shift"] > 1e-6


def test_features_of_resnet8_know_nothing_of_the_forget_samples() -> None:
    found = deep_features._samples("mnist", "class", 60, 0)
    features, test = deep_features.features_of("resnet8", 64, found, 0)
    assert features.shape == (60, 65)
    assert test.shape == (60, 65)
    found.X[found.forget] = 0.0  # another forget set: the same features of all others
    assert np.array_equal(
        deep_features.features_of("resnet8", 64, found, 0)[0][found.retain], features[found.retain]
    )


@pytest.mark.parametrize(
    ("name", "slip", "fails"),
    [
        ("map", "convolution", False),
        ("exact-labels", "REFUTED", True),
        ("exact-labels[output]", "REFUTED", True),
        ("map-free-of-forget, all", "CERTIFIED", True),
    ],
)
def test_a_contradiction_of_theory_fails(
    name: str, slip: str, fails: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    head = {"exact-labels": "CERTIFIED", "exact-labels[output]": "CERTIFIED", "label-free": "VACUOUS"}
    head |= {"n_retain": 9, "n_features": 5, "label-free share": 0.5, "map": "resnet8"}
    tangent = {"kind": "tangent", "map-free-of-forget, all": "VACUOUS", "shift": 0.1}

    def measured(*_: Any, **__: Any) -> list[dict[str, Any]]:
        return [{"kind": "head", **head} | ({name: slip} if name in head else {}), tangent | {name: slip}]

    monkeypatch.setattr(deep_features, "measure_points", measured)
    result = deep_features.run(True, Options(directory=tmp_path))
    assert result["failed"] is fails
    sentences = [drawn["sentence"] for drawn in conclude({"campaign": "deep-features", **result})]
    assert sentences[0].endswith("label-free is VACUOUS for 1 of 1.")
    assert len(sentences) == 5
