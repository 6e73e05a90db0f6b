"""A stored report is computed again; whatever was tampered with is found."""

from __future__ import annotations

import copy
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import muso_theory as mt
from muso_theory.cli import main
from muso_theory.repeat import recheck
from muso_theory.report import digest


@pytest.fixture(scope="module")
def stored(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    folder = tmp_path_factory.mktemp("recheck")
    rng = np.random.default_rng(0)
    data = folder / "data.npz"
    np.savez(data, features=rng.standard_normal((12, 30)), y=rng.standard_normal(12), forget=[2, 5])
    report = folder / "report.json"
    with pytest.raises(SystemExit) as ended:
        main(["check", str(data), "--json", str(report)])
    assert ended.value.code == 0
    return report, data


def numbers(node: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """Where the numbers of a report are."""
    if isinstance(node, dict):
        for key, value in node.items():
            yield from numbers(value, (*path, key))
    elif isinstance(node, list):
        for i, value in enumerate(node):
            yield from numbers(value, (*path, i))
    elif path[-1] in ("lower", "upper", "bound", "limit") and node is not None:
        yield path


def changed(document: dict[str, Any], path: tuple[Any, ...], value: object) -> dict[str, Any]:
    copied = copy.deepcopy(document)
    node = copied
    for key in path[:-1]:
        node = node[key]
    node[path[-1]] = value
    return copied


def test_an_honest_report_stands(stored: tuple[Path, Path]) -> None:
    report, data = stored
    result = recheck(report, str(data), independent=True)
    assert result.mismatches == ()
    rows = json.loads(report.read_text())["evidence"]
    assert result.identical == len(rows)
    assert result.independent >= sum(row["about"] != "output" for row in rows) - 1


def test_other_data_are_noticed(stored: tuple[Path, Path], tmp_path: Path) -> None:
    report, data = stored
    content = dict(np.load(data))
    content["y"] = content["y"] + 1
    other = tmp_path / "other.npz"
    np.savez(other, **content)
    assert any("data_sha256" in line for line in recheck(report, str(other)).mismatches)


def test_every_single_number_is_protected(stored: tuple[Path, Path], tmp_path: Path) -> None:
    """Each number changed alone: the digest notices; with a forged digest the repetition does, if it is off by more
    than what rounding explains."""
    report, _ = stored
    document = json.loads(report.read_text())
    places = list(numbers(document))
    assert len(places) > 100
    prepared = []
    for path in places:
        node: Any = document
        for key in path:
            node = node[key]
        value = str(node)
        prepared.append((path, repr(float(eval(value)) * 1e6 + 1.0)))
    from muso_theory.checking import check
    from muso_theory.inputs import Source, prepare
    from muso_theory.rechecking import compare

    source = Source(**document["settings"]["source"])
    made = prepare(source)
    fresh = made.describe(check(made.problem, seed=0))
    assert compare(document, fresh).mismatches == ()
    for path, value in prepared:
        tampered = changed(document, path, value)
        assert compare(tampered, fresh).mismatches, path
        tampered["digest"] = digest(tampered)
        assert compare(tampered, fresh).mismatches, path


@pytest.mark.parametrize(
    ("path", "value"),
    [
        (("verdict",), "PROVED"),
        (("evidence", 3, "verdict"), "PROVED"),
        (("evidence", 3, "arithmetic"), "rational"),
        (("evidence", 13, "findings", 0, "what"), "‖w‖"),
        (("evidence", 13, "findings", 0, "grade"), "EXACT"),
        (("evidence", 13, "findings"), []),
        (("input", "n"), 13),
    ],
)
def test_words_are_protected_too(stored: tuple[Path, Path], tmp_path: Path, path: Any, value: object) -> None:
    report, data = stored
    tampered = changed(json.loads(report.read_text()), path, value)
    tampered["digest"] = digest(tampered)
    forged = tmp_path / "forged.json"
    forged.write_text(json.dumps(tampered))
    assert recheck(forged, str(data)).mismatches


def test_a_wrong_label_stays_refuted(tmp_path: Path) -> None:
    rng = np.random.default_rng(1)
    phi, y = rng.standard_normal((8, 20)), rng.standard_normal(8)
    data, report = tmp_path / "d.npz", tmp_path / "r.json"
    np.savez(data, features=phi, y=y, forget=[1, 2], labels=np.zeros(2))
    with pytest.raises(SystemExit) as ended:
        main(["check", str(data), "--json", str(report)])
    assert ended.value.code == 1
    assert recheck(report, str(data), independent=True).mismatches == ()


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ("not json", "JSON report"),
        ("[]", "expected a report"),
        ('{"schema": 2, "settings": {}, "input": {}, "evidence": []}', "at least one piece of evidence"),
        ('{"schema": 99, "settings": {}, "input": {}, "evidence": [{}]}', "schema version 2"),
        ('{"schema": 2, "settings": {}, "input": {}, "evidence": [{}]}', "muso check"),
    ],
)
def test_bad_reports(tmp_path: Path, content: str, words: str) -> None:
    path = tmp_path / "r.json"
    path.write_text(content)
    with pytest.raises(mt.MusoError, match=words):
        recheck(path, "digits")
    with pytest.raises(mt.MusoError, match="readable report"):
        recheck(tmp_path / "absent.json", "digits")
