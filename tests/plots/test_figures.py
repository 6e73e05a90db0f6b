"""Figures and captions are made of the result files alone, the same bytes every time, or say what is missing."""

from __future__ import annotations

import ast
import json
import random
import tempfile
from functools import lru_cache
from pathlib import Path
from typing import Any

import pytest

import muso_theory.plots as plots
from figures.__main__ import draw, main
from figures.results import MissingResultError, load
from muso_theory.errors import BadInputError
from muso_theory.files.results import result_hash
from muso_theory.plots.captions import fill
from muso_theory.plots.gallery import NAMES, script
from tests import ROOT
from verification import anatomy
from verification.campaign import Options

RESULTS = ROOT / "verification" / "results"


def leaves(content: Any) -> set[float]:
    """Every number of a result, wherever it stands."""
    if isinstance(content, dict):
        return set().union(*(leaves(v) for v in content.values())) if content else set()
    if isinstance(content, list):
        return set().union(*(leaves(v) for v in content)) if content else set()
    if isinstance(content, bool) or not isinstance(content, int | float):
        return set()
    return {float(content)}


def changed(content: Any) -> Any:
    """The same result with every number that is no integer moved by a part in a million."""
    if isinstance(content, dict):
        return {k: changed(v) for k, v in content.items()}
    if isinstance(content, list):
        return [changed(v) for v in content]
    return content * (1 + 1e-6) if isinstance(content, float) and content != 0 else content


def convergence() -> dict[str, Any]:
    """A small result of paper-convergence."""
    random.seed(3)
    points = []
    for seed, bandwidth in ((0, 2.0), (0, 20.0)):
        rows = [
            {"epochs": e, "labels": name, "predicted": (g := random.random()), "measured": g * (1 + 1e-12)}
            for e in (1, 4, 16)
            for name in ("nothing", "label-free")
        ]
        rows += [{"epochs": 64, "labels": name, "predicted": random.random()} for name in ("nothing",)]
        points.append(
            {"forgetting": "random", "order": "random", "seed": seed, "scale": "unit", "data": "digits:3,7"}
            | {"condition number of K": bandwidth * 3.1, "n_features": 5000, "rows": rows}
        )
    judged = {"predictions": 12, "largest relative error": 1.2e-12}
    return {
        "campaign": "paper-convergence",
        "schema": 1,
        "quick": False,
        "points": points,
        "judgement": judged,
    }


def sealed(result: dict[str, Any]) -> str:
    """A result as a campaign would write it."""
    return json.dumps(result | {"sha256": result_hash(result)})


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Result files: one small convergence result."""
    (tmp_path / "paper-convergence.json").write_text(sealed(convergence()), encoding="utf-8")
    return tmp_path


@lru_cache
def dissected() -> dict[str, Any]:
    """The small campaign that takes a problem apart."""
    with tempfile.TemporaryDirectory() as folder:
        found = anatomy.run(True, Options(directory=Path(folder), jobs=1))
    assert not found["failed"]
    return {"campaign": "anatomy", "schema": 1, "quick": True, **found}


@lru_cache
def loaded(need: str) -> Any:
    """A committed result; reading and hashing the largest takes a second."""
    return load(RESULTS, need).content


def results_of(name: str) -> dict[str, Any]:
    """The committed results that a figure needs."""
    try:
        return {need: loaded(need) for need in script(name).NEEDS}
    except MissingResultError as error:
        if name == "gap_by_epoch":
            return {"paper-convergence": convergence()}
        if script(name).NEEDS == ("anatomy",):
            return {"anatomy": dissected()}
        pytest.skip(str(error))


@pytest.mark.parametrize("name", NAMES)
def test_a_caption_can_be_filled_and_types_no_number(name: str) -> None:
    assert "{" not in fill(script(name).CAPTION, results_of(name))


@pytest.mark.slow
@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("venue", ["plain", "icml"])
def test_same_bytes_twice(name: str, venue: str) -> None:
    results = results_of(name)
    with plots.styled(venue):
        first = plots.render(script(name).draw(results), "pdf")
        again = plots.render(script(name).draw(results), "pdf")
    assert first == again
    assert b"CreationDate" not in first


@pytest.mark.parametrize(
    "caption",
    [
        "the error is 0.3",
        "{a|rows/9/seed} seeds",
        "{a|rows/0/size}",
        "{b|rows/#}",
        "{a|rows}",
        "{a|rows/*/size}",
    ],
)
def test_a_number_that_no_result_holds_is_refused(caption: str) -> None:
    with pytest.raises(BadInputError, match=r"not typed|that the result holds"):
        fill(caption, {"a": {"rows": [{"seed": 0}]}})


def test_a_figure_and_its_caption_are_written(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = folder / "out"
    arguments = ["gap_by_epoch", "--results", str(folder), "--out", str(out), "--format", "svg"]
    assert main(arguments) == 0
    first = {path.name: path.read_bytes() for path in out.iterdir()}
    assert sorted(first) == ["gap_by_epoch.svg", "gap_by_epoch.txt"]
    assert b"1.2e-12" in first["gap_by_epoch.txt"]
    assert main(arguments) == 0
    assert first == {path.name: path.read_bytes() for path in out.iterdir()}


def test_without_names_what_can_be_is_drawn_and_campaigns_are_named(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["--results", str(folder), "--out", str(folder / "out"), "--format", "png"]) == 2
    said = capsys.readouterr()
    assert "gap_by_epoch.png" in said.out
    assert "python -m verification precision" in said.err


def refused(arguments: list[str], folder: Path, capsys: pytest.CaptureFixture[str]) -> str:
    assert main([*arguments, "--results", str(folder)]) == 2
    return capsys.readouterr().err


def test_bad_input(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = ["--out", str(folder / "out")]
    assert "try 'gap_by_epoch'" in refused(["gap_by_epochs", *out], folder, capsys)
    assert "python -m verification precision" in refused(["precision_ladder", *out], folder, capsys)
    assert "try 'icml'" in refused(["--style", "imcl", *out], folder, capsys)
    assert "try 'pdf'" in refused(["--format", "pdff", *out], folder, capsys)
    (folder / "file").touch()
    assert "folder" in refused(["gap_by_epoch", "--out", str(folder / "file")], folder, capsys)
    path = folder / "paper-convergence.json"
    path.write_text(sealed(convergence() | {"schema": 3}), encoding="utf-8")
    assert "schema version 1" in refused(["gap_by_epoch", *out], folder, capsys)
    path.write_text(sealed(convergence() | {"campaign": "ablation"}), encoding="utf-8")
    assert "paper-convergence" in refused(["gap_by_epoch", *out], folder, capsys)
    path.write_text("{", encoding="utf-8")
    assert "JSON text" in refused(["gap_by_epoch", *out], folder, capsys)
    del (changed_shape := convergence())["points"][0]["rows"]
    path.write_text(sealed(changed_shape), encoding="utf-8")
    assert "rows" in refused(["gap_by_epoch", *out], folder, capsys)


def test_a_result_that_was_changed_by_hand_is_not_drawn(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = folder / "paper-convergence.json"
    result = json.loads(path.read_text(encoding="utf-8"))
    assert result["points"][0]["rows"][0].pop("measured")
    path.write_text(json.dumps(result), encoding="utf-8")
    out = ["--out", str(folder / "out")]
    assert "changed after it was written" in refused(["gap_by_epoch", *out], folder, capsys)
    del result["sha256"]
    path.write_text(json.dumps(result), encoding="utf-8")
    assert "sha256=None" in refused(["gap_by_epoch", *out], folder, capsys)


def test_a_caption_says_that_a_campaign_failed(folder: Path) -> None:
    path = folder / "paper-convergence.json"
    assert "Failed" not in draw("gap_by_epoch", folder)[1]
    path.write_text(sealed(convergence() | {"failed": True}), encoding="utf-8")
    assert "Failed its own judgement: paper-convergence." in draw("gap_by_epoch", folder)[1]


def test_words_about_labels_and_predictions_are_true_of_the_results() -> None:
    kinds = results_of("labels")["anatomy"]["linear"]["labels"]
    classes = {*kinds["original"]}
    assert not {*kinds["optimal"]} & classes
    assert not {*kinds["bad teacher"]} & classes
    assert "Only the optimal" not in script("labels").CAPTION
    results = results_of("predicted_measured")
    shown = {name: len(x) for name, x, _ in script("predicted_measured")._pairs(results)}
    for name, count in shown.items():
        assert count < results[name]["judgement"]["predictions"]


def test_a_quick_result_is_drawn_and_said_to_be_no_evidence(folder: Path) -> None:
    path = folder / "paper-convergence.json"
    path.rename(folder / "paper-convergence-quick.json")
    (folder / "paper-convergence-quick.json").write_text(sealed(convergence() | {"quick": True}))
    assert "no evidence" in draw("gap_by_epoch", folder)[1]
    out = folder / "out"
    out.mkdir()
    (out / "gap_by_epoch.pdf").write_bytes(b"drawn from full results")
    assert main(["gap_by_epoch", "--results", str(folder), "--out", str(out)]) == 0
    assert (out / "gap_by_epoch.pdf").read_bytes() == b"drawn from full results"
    assert {path.name for path in out.iterdir()} == {
        "gap_by_epoch.pdf",
        "gap_by_epoch-quick.pdf",
        "gap_by_epoch-quick.txt",
    }


def test_figures_import_nothing_that_computes_science() -> None:
    allowed = {"muso_theory.errors", "muso_theory.files.writing"}
    for path in (ROOT / "figures").glob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            names = [node.module or ""] if isinstance(node, ast.ImportFrom) and not node.level else []
            names += [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            for name in names:
                assert (
                    name in allowed
                    or name.startswith("muso_theory.plots")
                    or name.split(".")[0]
                    not in (
                        "muso_theory",
                        "verification",
                        "scipy",
                        "sklearn",
                    )
                ), path
