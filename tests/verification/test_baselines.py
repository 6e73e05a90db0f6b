"""The campaign of all baselines: what it measures, that it repeats itself, and that it notices what is wrong."""

from __future__ import annotations

import copy
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import muso_theory as mt
from muso_theory.methods import serving
from verification import baselines
from verification.campaign import Options, result_file, timeless
from verification.scenarios import scenario

METHODS = serving("linear")

SMALL = ("breast_cancer, as it is", "breast_cancer, Fourier")


@pytest.fixture(scope="module")
def measured() -> dict[str, dict[str, Any]]:
    """One point in each regime, with few draws."""
    found = {}
    for point in baselines.points(quick=True):
        if point["name"] in SMALL and point["forgetting"] == "random" and point["seed"] == 0:
            found[point["name"]] = baselines.measure({**point, "draws": 30})
    return found


def flat(measured: dict[str, dict[str, Any]]) -> list[dict[str, Any]]:
    return [{**copy.deepcopy(row), "point": name} for name, p in measured.items() for row in p["rows"]]


def row_of(rows: list[dict[str, Any]], method: str, point: str = SMALL[1]) -> dict[str, Any]:
    (row,) = [row for row in rows if row["method"] == method and row["point"] == point]
    return row


@pytest.mark.slow
def test_every_method_is_in_every_point(measured: dict[str, dict[str, Any]]) -> None:
    stops = {"random-labels, oracle stop", "bad-teacher, oracle stop"}
    still = {"fine-tuning", "gradient-ascent", "neggrad+", "scrub", "npo"}
    for point in measured.values():
        wanted = {*METHODS, *stops} - (set() if point["D"] == 30 else still)
        assert {row["method"] for row in point["rows"]} == wanted
        refused = {row["method"] for row in point["rows"] if "refused" in row}
        assert refused == ({"leave-block-out"} if point["D"] == 30 else set())


def test_gaps_are_those_of_the_parameters(measured: dict[str, dict[str, Any]]) -> None:
    found = scenario("breast_cancer", "random:0.1", 0)
    problem, test = found.problem()
    w_r = mt.solve(problem).w_retrained
    for row in measured[SMALL[0]]["rows"]:
        if "refused" in row or row["method"] not in ("none", "newton", "gradient-ascent", "label-free"):
            continue
        w = METHODS[row["method"]]()(problem)
        assert row["gap"] == pytest.approx(np.linalg.norm(w - w_r), rel=1e-6)
        assert row["gap²/D"] == pytest.approx(row["gap"] ** 2 / 30)
        assert row["scores"]["test accuracy"] == np.mean(np.sign(test @ w) == found.y_test)


def test_each_method_has_its_own_reference_beside_the_common_one(measured: dict[str, dict[str, Any]]) -> None:
    rows = flat(measured)
    for point in SMALL:
        for name in ("newton", "ridge-anchored"):
            row = row_of(rows, name, point)
            assert row["relative gap to reference"] < 1e-6
            assert row["relative gap"] > 1e3 * row["relative gap to reference"]
        for name in ("influence", "descent-to-delete"):
            row = row_of(rows, name, point)
            assert row["relative gap to reference"] > 1e-3
            assert row["relative gap to reference"] != row["relative gap"]
        for name in ("none", "random-labels", "label-free"):
            row = row_of(rows, name, point)
            assert row["relative gap to reference"] == row["relative gap"]


def test_methods_that_follow_their_own_labels_are_shown_where_they_move(
    measured: dict[str, dict[str, Any]],
) -> None:
    rows = flat(measured)
    for name in ("fine-tuning", "gradient-ascent", "neggrad+", "scrub", "npo"):
        assert abs(row_of(rows, name, SMALL[0])["relative gap"] - 1) > 1e-4
        assert not [row for row in rows if row["method"] == name and row["point"] == SMALL[1]]


def test_hypotheses_are_those_of_the_regime(measured: dict[str, dict[str, Any]]) -> None:
    tall, wide = (measured[name]["hypotheses"] for name in SMALL)
    assert not any(tall.values())
    assert all(wide.values())


def test_a_second_run_gives_the_same_numbers(measured: dict[str, dict[str, Any]]) -> None:
    (point,) = [
        p
        for p in baselines.points(quick=True)
        if p["name"] == SMALL[0] and p["forgetting"] == "random" and p["seed"] == 0
    ]
    again = baselines.measure({**point, "draws": 30})
    assert json.dumps(timeless(again)) == json.dumps(timeless(measured[SMALL[0]]))
    seconds = [row["seconds"] for row in again["rows"] if "refused" not in row]
    assert min(seconds) > 0


def test_what_was_measured_agrees_with_theory(measured: dict[str, dict[str, Any]]) -> None:
    judged = baselines.judge(flat(measured))
    assert judged["contradictions"] == []
    assert judged["means compared"] == 12
    assert judged["exact by theorem"] == 12
    assert judged["largest relative gap to reference of these"] < 1e-8


def _gap(rows: list[dict[str, Any]]) -> str:
    row = row_of(rows, "ntk-scrubbing")
    row["gap to reference"] = 1e-5 * row_of(rows, "none")["gap"]
    return "ntk-scrubbing"


def _hypothesis(rows: list[dict[str, Any]]) -> str:
    row_of(rows, "label-free", SMALL[0])["hypotheses hold"] = True
    return "label-free"


def _expected(rows: list[dict[str, Any]]) -> str:
    row_of(rows, "neggrad+", SMALL[0])["expected relative gap"] *= 1.001
    return "neggrad+"


def _mean(rows: list[dict[str, Any]]) -> str:
    row_of(rows, "bad-teacher")["draws"]["standard errors off"] = -6.0
    return "bad-teacher"


@pytest.mark.parametrize("plant", [_gap, _hypothesis, _expected, _mean])
def test_a_planted_contradiction_is_found(measured: dict[str, dict[str, Any]], plant: Any) -> None:
    rows = flat(measured)
    name = plant(rows)
    (found,) = baselines.judge(rows)["contradictions"]
    assert found.startswith(name)


def test_tables_come_in_markdown_and_latex(
    measured: dict[str, dict[str, Any]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = [
        p
        for p in baselines.points(quick=True)
        if p["name"] in SMALL and p["seed"] == 0 and p["forgetting"] == "random"
    ]
    other = [{**p, "forgetting": "class"} for p in asked]
    monkeypatch.setattr(baselines, "points", lambda quick: asked + other)
    monkeypatch.setattr(
        baselines,
        "measured_rows",
        lambda name, measure, points, options: [{**p, **measured[p["name"]]} for p in points],
    )
    content = baselines.run(True, Options(directory=tmp_path))
    assert not content["failed"], content["verdict"]
    path = result_file(tmp_path, "baselines", True, content, 0.0, baselines.tabulate)
    markdown, latex = (path.with_suffix(suffix).read_text(encoding="utf-8") for suffix in (".md", ".tex"))
    assert markdown.count("| ntk-scrubbing | hypothesis fails |") == 2
    assert markdown.count("| ntk-scrubbing | yes |") == 2
    assert latex.count(r"\begin{tabular}") == 4
    assert latex.isascii()


def test_the_full_campaign_has_all_data() -> None:
    points = baselines.points()
    assert {(p["name"], p["forgetting"], p["seed"]) for p in points} == {
        (name, forgetting, seed)
        for name in baselines.DATA
        for forgetting in ("class", "random")
        for seed in range(3)
    }
