"""Reports that were edited and given a new digest, and reports of another shape: none stands."""

from __future__ import annotations

import contextlib
import copy
import json
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import muso_theory as mt
from muso_theory.checking.implication import number
from muso_theory.checking.rechecking import digest
from muso_theory.commands.repeat import recheck
from muso_theory.errors import BadInputError
from muso_theory.evidence import Verdict
from muso_theory.inputs import Source, prepare


@pytest.fixture
def stored(tmp_path: Path) -> tuple[Path, dict[str, Any]]:
    """A data file whose labels are wrong, and its report: exact-labels REFUTED."""
    rng = np.random.default_rng(0)
    data = tmp_path / "data.npz"
    np.savez(
        data,
        X=rng.normal(size=(8, 20)),
        y=rng.normal(size=8),
        forget=np.array([1, 3]),
        labels=np.array([5.0, 5.0]),
    )
    prepared = prepare(Source(str(data), features="identity"))
    report = prepared.describe(mt.check(prepared.problem, **prepared.audited))
    return data, json.loads(report.to_json())


def _find(document: dict[str, Any], slug: str) -> dict[str, Any]:
    return next(e for e in document["evidence"] if e["claim"] == slug)


def _facts(document: dict[str, Any]) -> None:
    _find(document, "exact-labels")["facts"] = ["doing nothing ≥ 1e+09"]


def _meaning(document: dict[str, Any]) -> None:
    _find(document, "exact-labels")["meaning"] = (
        "Fine-tuning on these labels ends at the retrained parameters."
    )


def _sharper_upper_end(document: dict[str, Any]) -> None:
    evidence = _find(document, "label-free")
    evidence["findings"][0]["upper"] = repr(float(evidence["findings"][0]["upper"]) * 0.11)
    evidence["bound"] = evidence["findings"][0]["upper"]


def _eigenvalue_bound_raised_to_the_trace(document: dict[str, Any]) -> None:
    finding = _find(document, "full-rank")["findings"][0]
    finding["lower"] = finding["upper"]


def _bound_is_no_number(document: dict[str, Any]) -> None:
    _find(document, "exact-labels")["bound"] = "0 (exact)"


def _problem_hash(document: dict[str, Any]) -> None:
    document["input"]["sha256"] = "0" * 64


def _title_and_notes(document: dict[str, Any]) -> None:
    document["title"], document["input"]["notes"] = "mnist: n = 60000", ["forget all of class 7"]


def _audit_denied(document: dict[str, Any]) -> None:
    document["settings"]["audited"] = []


def _refuted_evidence_deleted(document: dict[str, Any]) -> None:
    document["evidence"] = [e for e in document["evidence"] if e["claim"] != "exact-labels"]
    document["verdict"] = "CERTIFIED"


def _false_duplicate_first(document: dict[str, Any]) -> None:
    false = copy.deepcopy(_find(document, "exact-labels"))
    false["verdict"] = "PROVED"
    document["evidence"].insert(0, false)


def _evidence_that_is_a_sentence(document: dict[str, Any]) -> None:
    document["evidence"].append("exact-labels is PROVED for all data")


@pytest.mark.slow
@pytest.mark.parametrize(
    "tamper",
    [
        _facts,
        _meaning,
        _sharper_upper_end,
        _eigenvalue_bound_raised_to_the_trace,
        _bound_is_no_number,
        _problem_hash,
        _title_and_notes,
        _audit_denied,
        _refuted_evidence_deleted,
        _false_duplicate_first,
        _evidence_that_is_a_sentence,
    ],
)
def test_a_forged_report_with_its_digest_does_not_stand(
    stored: tuple[Path, dict[str, Any]], tamper: Any, tmp_path: Path
) -> None:
    data, document = stored
    path = tmp_path / "report.json"
    path.write_text(json.dumps(document), encoding="utf-8")
    assert not recheck(path, str(data)).mismatches
    tamper(document)
    document["digest"] = digest(document)
    path.write_text(json.dumps(document), encoding="utf-8")
    assert recheck(path, str(data)).mismatches


def _interrupted(document: dict[str, Any], rows: list[dict[str, Any]], how_far: str) -> None:
    document["evidence"] = rows
    document["settings"]["interrupted"] = how_far
    document["title"] += f"; interrupted, {how_far}"
    document["verdict"] = "CERTIFIED"


def test_an_interrupted_report_has_the_first_rows_and_says_how_many(
    stored: tuple[Path, dict[str, Any]], tmp_path: Path
) -> None:
    data, whole = stored
    rows = whole["evidence"]
    claims = list(dict.fromkeys(row["claim"] for row in rows))
    first = [row for row in rows if row["claim"] in claims[:2]]
    assert "REFUTED" not in {row["verdict"] for row in first}
    honest = f"2 of {len(claims)} claims decided"
    for kept, how_far, stands in (
        (first, honest, True),
        (first, "all rows are here", False),
        (first, f"{len(claims)} of {len(claims)} claims decided", False),
        ([row for row in rows if row["verdict"] != "REFUTED"], honest, False),
        (first[1:], honest, False),
    ):
        document = copy.deepcopy(whole)
        _interrupted(document, kept, how_far)
        verdicts = {row["verdict"] for row in kept}
        order = [verdict.name for verdict in Verdict]
        document["verdict"] = min(verdicts, key=order.index)
        document["digest"] = digest(document)
        path = tmp_path / "cut.json"
        path.write_text(json.dumps(document), encoding="utf-8")
        result = recheck(path, str(data))
        assert (not result.mismatches) is stands, (how_far, result.mismatches)
        assert result.interrupted == honest or not stands


@pytest.mark.parametrize(
    ("key", "value"), [("evidence", []), ("evidence", {}), ("input", []), ("settings.seed", "x")]
)
def test_a_report_of_another_shape_is_refused_or_does_not_stand(
    stored: tuple[Path, dict[str, Any]], key: str, value: Any, tmp_path: Path
) -> None:
    data, document = stored
    outer, _, inner = key.partition(".")
    if inner:
        document[outer][inner] = value
    else:
        document[outer] = value
    document["digest"] = digest(document)
    path = tmp_path / "report.json"
    path.write_text(json.dumps(document), encoding="utf-8")
    with contextlib.suppress(BadInputError):
        assert recheck(path, str(data)).mismatches


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("1e-400", Fraction(1, 10**400)),
        ("1e400", Fraction(10**400)),
        ("0.1", Fraction(0.1)),
        ("1e-99999", None),
    ],
)
def test_decimals_beyond_floats_mean_themselves(text: str, value: Fraction | None) -> None:
    assert number(text) == value


def test_no_bound_follows_from_that_of_another_quantity(tmp_path: Path) -> None:
    """Another arithmetic decides a row by a pivot or a rank, which is no bound of an eigenvalue."""
    rng = np.random.default_rng(3)
    data = tmp_path / "data.npz"
    np.savez(data, X=rng.normal(size=(6, 9)), y=rng.normal(size=6), forget=np.array([1]))
    prepared = prepare(Source(str(data), features="identity"))
    plan: dict[str, Any] = {"optimizer": "gd", "lr": 0.05}
    report = prepared.describe(mt.check(prepared.problem, ["full-rank", "stable-step"], **plan))
    honest = json.loads(report.to_json())
    honest["versions"]["machine"] = "another"
    for row, end, value in (("stable-step", "lower", "1.1"), ("full-rank", "upper", "1.480609394611")):
        document = copy.deepcopy(honest)
        evidence = next(entry for entry in document["evidence"] if entry["row"] == row)
        evidence["findings"][0][end] = value
        if end == "upper":
            evidence["bound"] = value
        document["digest"] = digest(document)
        path = tmp_path / "forged.json"
        path.write_text(json.dumps(document), encoding="utf-8")
        assert recheck(path, str(data)).mismatches, row
    honest["digest"] = digest(honest)
    path.write_text(json.dumps(honest), encoding="utf-8")
    assert not recheck(path, str(data)).mismatches
