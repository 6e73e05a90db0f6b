"""The paper's linear campaigns on tiny sizes: theory and training agree, and a planted slip in either is reported."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from muso_theory.files.results import restored
from muso_theory.linear.training import PAPER_STEPS, PowerSteps, train
from muso_theory.methods import serving
from verification import ablation, ablation_axes, experiment, paper_convergence, paper_linear
from verification.campaign import Options, result_file
from verification.theory import PredictedRuns, descent, first_epoch, judge, relative_error, sweep

METHODS = serving("linear")

TINY = {"data": "digits:3,7", "n_features": 200, "n_retain": 30, "epochs": 25, "bandwidth": 20.0}


def linear_points(quick: bool = False) -> list[dict[str, Any]]:
    return [
        {**TINY, "scale": scale, "forgetting": forgetting, "seed": seed}
        for scale, forgetting in (("unit", "subclass"), ("byte", "random:30"))
        for seed in range(2)
    ]


def convergence_points(quick: bool = False) -> list[dict[str, Any]]:
    return [
        {**TINY, "scale": scale, "bandwidth": bandwidth, "forgetting": "random:30", "order": order, "seed": 0}
        | {"trained": [1, 4, 64], "predicted": [1024, 2**14]}
        for scale, bandwidth, order in (("unit", 1.0, "random"), ("byte", 20.0, "data"))
    ]


def few(points: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Some points of every axis."""
    found: list[dict[str, Any]] = []
    for point in points:
        most = {"features": 99, "parameterisation": 4}.get(point["axis"], 2)
        if sum(p["axis"] == point["axis"] for p in found) < most:
            found.append(point)
    return found


ABLATION = few(ablation.points(quick=True))


@pytest.fixture
def tiny(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(paper_linear, "points", linear_points)
    monkeypatch.setattr(paper_convergence, "points", convergence_points)


def options(tmp_path: Path, *, fresh: bool = True) -> Options:
    return Options(directory=tmp_path, jobs=1, fresh=fresh)


# -- theory against a loop that knows nothing of it ----------------------------------------------------------


def test_sweeps_and_descent_are_what_a_loop_does() -> None:
    rng = np.random.default_rng(0)
    phi, y, start = rng.standard_normal((6, 9)) / 3, rng.standard_normal(6), rng.standard_normal(9)
    gram, schedule = phi @ phi.T, PowerSteps(1.0, 0.3)
    w = start.copy()
    for _ in range(7):
        for t in range(6):
            w -= schedule(t) * (phi[t] @ w - y[t]) * phi[t]
    a = sweep(gram, schedule).coefficients(y - phi @ start, 7)
    np.testing.assert_allclose(start + phi.T @ a, w, rtol=1e-12)
    w = start.copy()
    for _ in range(7):
        w -= 0.1 * phi.T @ (phi @ w - y)
    a = descent(gram, 0.1).coefficients(y - phi @ start, 7)
    np.testing.assert_allclose(start + phi.T @ a, w, rtol=1e-12)


def test_the_spectral_radius_decides() -> None:
    phi = np.random.default_rng(1).standard_normal((8, 20))
    phi /= np.linalg.norm(phi, axis=1, keepdims=True)
    assert sweep(phi @ phi.T, 1.9).radius < 1
    # The determinant of a pass is Π(1 − γ‖φ_i‖²), so at γ‖φ‖² = 2 some eigenvalue does not shrink.
    assert sweep(phi @ phi.T, 2.0).radius >= 1 - 1e-12
    assert sweep(phi @ phi.T, 2.1).radius > 1


def test_judgement_reports_what_is_wrong() -> None:
    good, bad = {"relative error": 1e-9}, {"relative error": 1e-5, "name": "bad"}
    assert not judge([good, {"relative error": None}])["failed"]
    assert judge([good, {"relative error": None}])["not predicted"] == 1
    found = judge([good, bad])
    assert found["failed"]
    assert found["worst"]["name"] == "bad"
    assert found["beyond tolerance"] == 1
    assert judge([])["failed"]
    assert judge([{"relative error": math.nan}])["failed"]
    assert relative_error(math.nan, 1.0) == math.inf
    assert relative_error(1.0, math.inf) == math.inf
    assert relative_error(1e-15, 0.0) == math.inf
    assert relative_error(1e-15, 0.0, 1e-6) == pytest.approx(1e-9)
    assert relative_error(1.01, 1.0) == pytest.approx(0.01)


@pytest.mark.parametrize("guess", [1, 3, 1000, 10**6])
def test_first_epoch_is_found_from_any_guess(guess: int) -> None:
    assert first_epoch(lambda epochs: epochs >= 777, 10**9, guess) == 777
    assert first_epoch(lambda epochs: epochs >= 10**12, 10**9, guess) is None
    assert first_epoch(lambda epochs: epochs >= 777_777, 10**9, guess, 2) == pytest.approx(777_777, rel=0.02)


# -- paper-linear --------------------------------------------------------------------------------------------


@pytest.mark.usefixtures("tiny")
def test_paper_linear_is_as_predicted_and_ends_in_two_tables(tmp_path: Path) -> None:
    found = paper_linear.run(True, options(tmp_path))
    assert not found["failed"], found["judgement"]
    assert found["largest loop error"] < 1e-12
    methods = {row["method"] for row in found["rows"]}
    still = {name for name, method in METHODS.items() if method.follows_own_labels}
    assert set(METHODS) - methods == still == {"fine-tuning", "gradient-ascent", "neggrad+", "scrub", "npo"}
    assert {"retrained", "pretrained", "random labels", "bad teacher, oracle stop"} <= methods
    assert "random labels, oracle stop" in methods
    for row in found["rows"]:
        if row["method"] in ("newton", "ridge-anchored"):
            assert row["own share"] < 1e-5 < 1e-3 < row["common share"]
        if row["method"] == "influence":
            assert row["own share"] > 1e-3
        if row["method"] == "none":
            assert row["own share"] == row["common share"] == pytest.approx(1, rel=1e-9)
    # Not a comparison of zeros: doing nothing leaves a gap, and 25 epochs at bandwidth 20 do not unlearn.
    for row in found["rows"]:
        if row["method"] == "pretrained":
            assert row["gap"] > 0.1
        if row["method"] == "MUSO, label-free" and row["scale"] == "unit":
            assert row["gap"] > 1e-2
        assert 0 <= row["membership"] <= 1
    path = result_file(tmp_path, "paper-linear", True, found, 0.0, paper_linear.tabulate)
    assert "| digits:3,7 | [0, 1] | subclass | MUSO, label-free |" in path.with_suffix(".md").read_text()
    assert path.with_suffix(".tex").read_text().isascii()
    once_more = paper_linear.run(True, options(tmp_path, fresh=False))
    again = result_file(tmp_path, "again", True, once_more, 9.0, paper_linear.tabulate)
    first, second = (restored(json.loads(p.read_text())) for p in (path, again))
    assert first["rows"] == second["rows"]


@pytest.mark.usefixtures("tiny")
def test_paper_linear_reports_a_planted_slip_in_theory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    honest = PredictedRuns.label_free

    def slipped(self: PredictedRuns, a: Any, ridge: float = 0.0) -> Any:
        return honest(self, a, ridge) * (1 + 1e-4)

    monkeypatch.setattr(PredictedRuns, "label_free", slipped)
    found = paper_linear.run(True, options(tmp_path))
    assert found["failed"]
    assert found["judgement"]["worst"]["method"] == "MUSO, label-free"
    assert "FAILED" in found["verdict"]


@pytest.mark.usefixtures("tiny")
def test_paper_linear_reports_steps_that_are_not_the_papers(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Theory and training agree on the wrong schedule; the loop over samples does not.
    for module in (experiment, paper_linear):
        monkeypatch.setattr(module, "PAPER_STEPS", PowerSteps(2.0, 0.21))
    found = paper_linear.run(True, options(tmp_path))
    assert found["largest loop error"] > 1e-4
    assert found["failed"]


def test_the_bad_teacher_stops_near_the_retrained_model() -> None:
    setting = {"scale": "unit", "forgetting": "class", "seed": 0, "epochs": 100}
    found = paper_linear.measure({**TINY, "n_features": 600, "n_retain": 60, **setting})
    rows = {row["method"]: row for row in found["rows"]}
    stopped, whole = rows["bad teacher, oracle stop"], rows["bad teacher"]
    assert stopped["epochs"] < whole["epochs"] == 100
    target = rows["retrained"]["scores"]["forget accuracy"]
    assert abs(stopped["scores"]["forget accuracy"] - target) <= 0.03


# -- paper-convergence ---------------------------------------------------------------------------------------


@pytest.mark.usefixtures("tiny")
def test_convergence_is_as_predicted_and_the_epochs_suffice(tmp_path: Path) -> None:
    found = paper_convergence.run(True, options(tmp_path))
    assert not found["failed"], found["judgement"]
    for point in found["points"]:
        assert point["early-stopping labels"]["relative gap"] < 1e-8
        needed = point["epochs needed"]["label-free, no ridge"]
        setting = experiment.Experiment.of(point)
        gaps = [
            paper_convergence._measured(setting, [epochs])[epochs]["label-free, no ridge"]
            for epochs in (needed, needed // 2)
        ]
        assert gaps[0] <= 1e-6 * point["limits"]["nothing"] < gaps[1]
    slow, fast = found["points"]
    assert slow["condition number of K"] > fast["condition number of K"]
    assert slow["epochs needed"]["label-free, no ridge"] > fast["epochs needed"]["label-free, no ridge"]
    result_file(tmp_path, "paper-convergence", True, found, 0.0, paper_convergence.tabulate)
    assert (tmp_path / "paper-convergence-quick.tex").exists()


@pytest.mark.usefixtures("tiny")
def test_convergence_reports_a_planted_slip(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def slipped(gram: Any, steps: Any) -> Any:
        return sweep(gram, lambda t: 1.0001 * PAPER_STEPS(t))

    monkeypatch.setattr(experiment, "sweep", slipped)
    assert paper_convergence.run(True, options(tmp_path))["failed"]


# -- ablation ------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def ablated(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(ablation, "points", lambda quick: ABLATION)
        return ablation.run(True, Options(directory=tmp_path_factory.mktemp("ablation"), jobs=1))


def test_every_axis_is_as_predicted(ablated: dict[str, Any], tmp_path: Path) -> None:
    assert not ablated["failed"], ablated["judgement"]
    assert {row["axis"] for row in ablated["rows"]} == set(ablation_axes.AXES)
    for axis, error in ablated["largest relative error by axis"].items():
        assert error is None if axis == "features" else error <= 1e-6, axis
    path = result_file(tmp_path, "ablation", True, ablated, 0.0, ablation.tabulate)
    assert path.with_suffix(".tex").read_text().count("begin{table}") == len(ablation_axes.AXES) + 1


def test_ablation_sees_both_sides_of_the_thresholds(ablated: dict[str, Any]) -> None:
    rows = ablated["rows"]
    fits = {row["ratio"]: row["measured"] for row in rows if row["quantity"] == "w_p fits R"}
    assert len(fits) == 4
    assert all(fitted == (ratio >= 1) for ratio, fitted in fits.items())
    exact = [row["relative gap"] for row in rows if row["quantity"] == "gap, exact labels"]
    free = [row["relative gap"] for row in rows if row["quantity"] == "gap, label-free"]
    assert max(exact) < 1e-9
    assert max(free) > 0.1
    stable = {row["measured"] for row in rows if row["axis"] == "stable steps"}
    assert stable == {0.0, 1.0}
    gaps = {row["optimizer"]: row for row in rows if row["quantity"] == "gap after exact relabelling"}
    assert gaps["momentum"]["relative gap"] < 1e-9
    assert gaps["adam"]["relative gap"] > 1e-3


@pytest.mark.parametrize("axis", [axis for axis in ablation_axes.AXES if axis != "features"])
def test_ablation_reports_a_planted_error_on_every_axis(ablated: dict[str, Any], axis: str) -> None:
    rows = [dict(row) for row in ablated["rows"] if row["axis"] == axis]
    chosen = max(rows, key=lambda row: abs(row["measured"]))
    wrong = relative_error(chosen["predicted"] * (1 + 1e-5), chosen["measured"])
    chosen["relative error"] = wrong
    assert judge(rows)["failed"]
    assert not judge([row for row in rows if row is not chosen])["failed"] or len(rows) == 1


@pytest.mark.parametrize(
    ("axis", "name", "slip"),
    [
        ("gradient", "descent", lambda gram, step: descent(gram, 1.001 * step)),
        ("steps", "sweep", lambda gram, steps: sweep(gram, lambda t: 1.001 * steps(t))),
        ("optimizer", "train", lambda *a, **k: train(*a, **{**k, "epochs": 3})),
    ],
)
def test_ablation_reports_a_slip_in_a_formula_or_a_run(
    axis: str, name: str, slip: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    point = next(p for p in ABLATION if p["axis"] == axis)
    assert not judge(ablation.measure(point)["rows"])["failed"]
    monkeypatch.setattr(ablation_axes, name, slip)
    assert judge(ablation.measure(point)["rows"])["failed"]


def test_slopes_have_intervals_and_can_disagree() -> None:
    rng = np.random.default_rng(0)
    rows = [
        {"data": data, "seed": seed, "n_features": d, "measured": d**power * math.exp(0.05 * rng.normal())}
        for data, power in (("right", -0.5), ("wrong", -0.3))
        for seed in range(5)
        for d in (100, 400, 1600)
    ]
    right, wrong = ablation.slopes(rows)
    assert right["agrees"]
    assert right["low"] < -0.5 < right["high"]
    assert not wrong["agrees"]
