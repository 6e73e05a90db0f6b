"""The campaigns behind the figures of one problem and of the theorems, and what makes each of them fail."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest

from muso_theory.files.results import check_result, restored
from tests import ROOT
from verification import anatomy, folding, theorems
from verification.__main__ import campaigns, main, names
from verification.campaign import Options

PROVED = ("exact-labels", "label-free", "gap-formula")


@pytest.fixture
def few(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(theorems, "slugs", lambda: PROVED)


@pytest.mark.usefixtures("few")
def test_theorems_are_derived_from_checked_certificates(tmp_path: Path) -> None:
    found = theorems.run(True, Options(directory=tmp_path))
    assert not found["failed"]
    nodes = {node["name"]: node for node in found["nodes"]}
    assert {nodes[slug]["status"] for slug in PROVED} == {"proved"}
    assert "gap-formula" in nodes["exact-labels"]["uses"]
    assert {"convex-loss", "alternating"} <= {node["name"] for node in found["without a proof"]}
    assert found["stand-alone checker"].endswith("certificates accepted")


@pytest.mark.usefixtures("few")
def test_a_spoilt_certificate_fails_the_campaign_and_all_that_uses_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    room = tmp_path / "proofs"
    shutil.copytree(theorems.ROOM, room)
    path = room / "certificates" / "label-free.json"
    certificate: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    node = next(n for n in certificate["theorems"] if n["name"].startswith("gap-formula"))
    node["statement"] = [line for line in node["statement"] if not line.startswith("says")]
    path.write_text(json.dumps(certificate), encoding="utf-8")
    monkeypatch.setattr(theorems, "ROOM", room)
    found = theorems.run(True, Options(directory=tmp_path))
    assert found["failed"]
    status = {row["claim"]: row["status"] for row in found["claims"]}
    assert status == {"exact-labels": "proved", "gap-formula": "proved", "label-free": "not proved"}
    assert "1 certificates rejected, the stand-alone checker disagrees" in found["verdict"]


def point(lost: str, columns: int, rank: int) -> dict[str, Any]:
    return {"n": 16, "n_forget": 4, "D": columns, "rank": rank, "rank lost": lost}


@pytest.mark.parametrize(
    ("where", "holds"),
    [
        (point("by all", 24, 16), True),
        (point("by all", 24, 12), False),
        (point("in R", 24, 12), True),
        (point("in R", 10, 8), True),
    ],
)
def test_where_label_free_is_exact(where: dict[str, Any], holds: bool) -> None:
    found = anatomy._phase(where)
    assert found["rank of Φ"] == where["rank"]
    assert found["proved"] == {"exact-labels": True, "label-free": holds}
    assert found["relative gap"]["exact-labels"] < anatomy.SMALL
    assert (found["relative gap"]["label-free"] < anatomy.SMALL) is holds


def test_gaps_that_do_not_agree_with_the_proofs_fail_the_campaign(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    phase = anatomy._phase

    def wrong(where: Any) -> dict[str, Any]:
        found = phase(where)
        return found | {"relative gap": {claim: 1e-3 for claim in found["relative gap"]}}

    options = Options(directory=tmp_path, jobs=1)
    assert not anatomy.run(True, options)["failed"]
    monkeypatch.setattr(anatomy, "_phase", wrong)
    found = anatomy.run(True, Options(directory=tmp_path, jobs=1, fresh=True))
    assert found["failed"]


# -- tables beside every result --------------------------------------------------------------------------------

RESULTS = ROOT / "verification" / "results"


def _task(path: Path) -> Any:
    """The campaign of a result file."""
    label = path.stem.removesuffix("-quick")
    return next(
        campaign for name in names() for campaign in campaigns(name, None, False) if campaign.label == label
    )


@pytest.mark.parametrize("path", sorted(RESULTS.glob("*.json")), ids=lambda path: path.stem)
def test_every_result_has_the_tables_that_are_made_of_it(path: Path) -> None:
    result = restored(json.loads(path.read_text(encoding="utf-8")))
    check_result(result, path)
    markdown, _ = folding.write(_task(path).tabulate(result), result["conclusions"])
    kept = path.with_suffix(".md").read_text(encoding="utf-8")
    assert kept == markdown, f"python -m verification {path.stem} --tables"


def test_tables_are_written_anew_from_the_stored_numbers(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "precision.json"
    text = (RESULTS / path.name).read_text(encoding="utf-8")
    path.write_text(text.replace('"failed": false', '"failed": true'), encoding="utf-8")
    assert main(["precision", "--tables", "--results", str(tmp_path)]) == 2
    assert "changed after it was written" in capsys.readouterr().err
    path.write_text(text, encoding="utf-8")
    (tmp_path / "precision.md").write_text("typed by hand", encoding="utf-8")
    assert main(["precision", "--tables", "--results", str(tmp_path)]) == 0
    assert (tmp_path / "precision.md").read_bytes() == (RESULTS / "precision.md").read_bytes()
    assert (tmp_path / "precision.tex").read_text(encoding="utf-8").startswith("\\begin{table}")
    assert path.read_text(encoding="utf-8") == text


def test_tables_of_no_result_are_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["precision", "--tables", "--results", str(tmp_path)]) == 2
    assert "python -m verification precision" in capsys.readouterr().err
