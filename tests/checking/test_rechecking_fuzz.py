"""Every single edit of a stored report, its digest computed again: none that changes what it says may stand."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import muso_theory as mt
from muso_theory.checking.report import digest
from muso_theory.commands import repeat
from muso_theory.inputs import Source
from muso_theory.machine import versions
from tests.checking.mutations import leaves, mutants

Document = dict[str, Any]

# Settings on which nothing in these reports depends: with another value the report is the honest one of that command.
IDLE = {
    "settings.budget",
    "settings.ridge",
    "settings.subset",
    "settings.seed",
    "settings.source.seed",
    "settings.source.bandwidth",
    "settings.source.n_features",
    "settings.source.features",
    "settings.source.standardize",
    "settings.source.w_init",
    "settings.training.momentum",
    # Its folder only: another name of the file is refused.
    "settings.source.data",
}


def report_of(data: Path, *claims: str, network: str | None = None, **settings: Any) -> Document:
    source = Source(str(data), network=network)
    prepared = repeat.prepare(source)
    made = mt.check(prepared.problem, claims or None, **prepared.audited, **settings)
    return json.loads(prepared.describe(made).to_json())  # type: ignore[no-any-return]


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    folder = tmp_path_factory.mktemp("fuzz")
    rng = np.random.default_rng(0)
    problem = mt.UnlearningProblem(rng.standard_normal((5, 8)), rng.standard_normal(5), [1, 3])
    arrays: dict[str, Any] = {"features": problem.features, "y": problem.targets, "forget": [1, 3]}
    np.savez(folder / "plain.npz", **arrays)
    labels = mt.optimal_labels(problem)
    np.savez(folder / "labels.npz", labels=labels + np.array([0, 1e-3]), w_pretrained=np.zeros(8), **arrays)
    np.savez(folder / "parameters.npz", w_unlearned=mt.solve(problem).w_unlearned, **arrays)
    np.savez(folder / "network.npz", X=rng.standard_normal((4, 3)), y=rng.standard_normal(4), forget=[2])
    return {path.stem: path for path in folder.iterdir()}


REPORTS: dict[str, Callable[[dict[str, Path]], tuple[Document, Path]]] = {
    "auto": lambda d: (report_of(d["plain"], "exact-labels", "start-span"), d["plain"]),
    "rational": lambda d: (report_of(d["plain"], "exact-labels", arithmetic="rational"), d["plain"]),
    "ball": lambda d: (report_of(d["plain"], "leave-block-out", arithmetic="ball"), d["plain"]),
    "float64": lambda d: (report_of(d["plain"], "exact-labels", arithmetic="float64"), d["plain"]),
    "audits": lambda d: (report_of(d["labels"], "exact-labels", "implicit-bias"), d["labels"]),
    "certificate": lambda d: (report_of(d["parameters"], "removal-certificate"), d["parameters"]),
    "network": lambda d: (
        report_of(d["network"], "exact-labels", "full-rank", network="mlp:3-4-1:erf"),
        d["network"],
    ),
    "training": lambda d: (
        report_of(d["plain"], "stable-step", optimizer="gd", lr=0.01, epochs=50),
        d["plain"],
    ),
}


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Equal settings give equal reports: each is computed once, whatever else was edited."""
    known: dict[Any, Any] = {}

    def once(name: str, key: Callable[..., Any]) -> None:
        real = getattr(repeat, name)

        def remembered(*args: Any, **keywords: Any) -> Any:
            asked = (name, key(*args, **keywords))
            if asked not in known:
                try:
                    known[asked] = real(*args, **keywords)
                except mt.MusoError as error:
                    known[asked] = error
            if isinstance(known[asked], mt.MusoError):
                raise known[asked]
            return known[asked]

        monkeypatch.setattr(repeat, name, remembered)

    here = versions()
    monkeypatch.setattr("muso_theory.checking.report.versions", lambda: here)
    once("prepare", lambda source, tell=None: repr(source))
    once(
        "check_with",
        lambda problem, *asked, **others: (problem.sha256, repr((asked, {**others, "progress": None}))),
    )


def stands(document: Document, data: Path) -> bool:
    """Whether a report stands; a refusal with words is none, any other error fails the test."""
    try:
        return not repeat.repeat(repeat.parse_report(json.dumps(document), "r"), str(data)).mismatches
    except mt.MusoError:
        return False


def where(path: tuple[Any, ...]) -> str:
    return ".".join(str(key) for key in path if not isinstance(key, int))


@pytest.mark.slow
@pytest.mark.parametrize("name", REPORTS)
def test_no_edit_that_changes_what_is_said_stands(name: str, data: dict[str, Path], quick: None) -> None:
    document, path = REPORTS[name](data)
    assert stands(document, path)
    tried = list(mutants(document))
    accepted = [(kind, where(place), place) for kind, place, edited in tried if stands(edited, path)]
    kinds = Counter(spot for _, spot, _ in accepted)
    print(f"{name}: {len(accepted)} of {len(tried)} edits stand: {dict(kinds)}")
    assert len(tried) > 300
    wrong = [
        (kind, place)
        for kind, spot, place in accepted
        if spot not in IDLE
        and not (spot.startswith("versions.") and kind not in ("deleted", "inserted", "type"))
    ]
    assert wrong == []
    names = {
        Path(edited["settings"]["source"]["data"]).name
        for _, place, edited in tried
        if where(place) == "settings.source.data" and stands(edited, path)
    }
    assert names == {path.name}


def elsewhere(document: Document) -> Document:
    """The same report as if from a machine that nobody has: its digits need not come out again."""
    copied: Document = json.loads(json.dumps(document))
    copied["versions"]["numpy"] = "0"
    copied["digest"] = digest(copied)
    return copied


@pytest.mark.slow
@pytest.mark.parametrize("name", ["auto", "audits", "certificate", "rational"])
def test_elsewhere_only_what_follows_stands(name: str, data: dict[str, Path], quick: None) -> None:
    """Of theorems and audits an end of an enclosure may be weaker, or as tight as balls prove; nothing else moves."""
    document, path = REPORTS[name](data)
    stored = elsewhere(document)
    assert stands(stored, path)
    wrong = []
    for kind, place, edited in mutants(stored):
        spot = where(place)
        if spot in IDLE or spot.startswith("versions.") or not stands(edited, path):
            continue
        handed_out = place[0] == "evidence" and document["evidence"][place[1]]["about"] == "output"
        number = place[-1] in ("lower", "upper") or "facts" in place or place[-1] in ("what", "why")
        true = number and (handed_out or kind.startswith("number") or kind == "digit in words")
        if not true:
            wrong.append((kind, place))
    assert wrong == []


def test_elsewhere_a_bound_below_the_truth_falls(data: dict[str, Path], quick: None) -> None:
    """An upper end of something that is not zero, / 2.8, and a lower end × 2.8, are false and fall."""
    document, path = REPORTS["audits"](data)
    stored = elsewhere(document)
    tried = 0
    for place, value in leaves(stored):
        if place[0] != "evidence" or place[-1] not in ("lower", "upper") or place[2] != "findings":
            continue
        row = stored["evidence"][place[1]]
        if row["about"] != "audit" or len(place) != 5 or not float(row["findings"][place[3]]["lower"]) > 0:
            continue
        edited = json.loads(json.dumps(stored))
        factor = 2.8 if place[-1] == "lower" else 1 / 2.8
        edited["evidence"][place[1]]["findings"][place[3]][place[-1]] = repr(float(value) * factor)
        edited["digest"] = digest(edited)
        assert not stands(edited, path), place
        tried += 1
    assert tried >= 4
