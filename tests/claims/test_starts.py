"""Audits and the start: a right artefact and a wrong one never come out the same, and no theorem moves for either."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import muso_theory as mt
from muso_theory.evidence import About, Evidence, Verdict
from tests.running import write
from verification.commands import Answer, muso

RNG = np.random.default_rng(5)
FEATURES, TARGETS, FORGET = RNG.standard_normal((6, 9)), RNG.standard_normal(6), np.array([1, 4])
KEEP = np.setdiff1d(np.arange(6), FORGET)
STARTS = {"zero": np.zeros(9), "drawn": RNG.standard_normal(9)}
OFF = np.linalg.svd(FEATURES)[2][-1]
"""A direction that no training on these samples moves in."""
ARTEFACTS = ("labels", "w_unlearned", "w_pretrained")


def trained(rows: Any, start: np.ndarray) -> np.ndarray:
    """Where gradient descent from a start ends, by the pseudo-inverse."""
    phi = FEATURES[rows]
    return start + np.linalg.pinv(phi) @ (TARGETS[rows] - phi @ start)  # type: ignore[no-any-return]


def right(name: str, start: str) -> np.ndarray:
    w_r = trained(KEEP, STARTS[start])
    made = {"labels": FEATURES[FORGET] @ w_r, "w_unlearned": w_r}
    return made[name] if name in made else trained(np.arange(6), STARTS[start])


def wrong(name: str, start: str) -> np.ndarray:
    """Wrong by something that training does remove or keep, whatever it starts from."""
    return right(name, start) + (1e-2 if name == "labels" else 1e-2 * FEATURES[KEEP[0]])


def by_python(w_init: np.ndarray | None, **given: np.ndarray) -> mt.Report:
    return mt.check(mt.UnlearningProblem(FEATURES, TARGETS, FORGET, w_init), **given)


def by_command(folder: Path, w_init: np.ndarray | None, **given: np.ndarray) -> Answer:
    arrays = {"features": FEATURES, "y": TARGETS, "forget": FORGET, **given}
    if w_init is not None:
        arrays["w_init"] = w_init
    return muso("check", write(folder / "given.npz", arrays), "--json", "-")


def audits(report: mt.Report) -> dict[str, Verdict]:
    return {row.name: row.verdict for row in report.rows if row.about is About.AUDIT}


def theorems(report: mt.Report) -> dict[str, Evidence]:
    return {row.name: row for row in report.rows if row.about is not About.AUDIT}


@pytest.mark.parametrize("start", STARTS)
@pytest.mark.parametrize("name", ARTEFACTS)
def test_right_and_wrong_artefacts_differ_in_python_and_by_command(
    tmp_path: Path, name: str, start: str
) -> None:
    """With w₀ given; the zero start, too, where it is assumed."""
    for w_init in (STARTS[start], *([None] if start == "zero" else [])):
        plain, tallies = theorems(by_python(w_init)), []
        for artefact, status in ((right(name, start), 0), (wrong(name, start), 1)):
            report = by_python(w_init, **{name: artefact})
            answer = by_command(tmp_path, w_init, **{name: artefact})
            found = audits(report)
            assert (report.exit_status, answer.status) == (status, status)
            assert {row: Verdict[v] for row, v in answer.verdicts.items() if row in found} == found
            assert theorems(report) == plain
            tallies.append(Counter(found.values()))
        assert set(tallies[0]) == {Verdict.CERTIFIED}
        assert tallies[1][Verdict.REFUTED] >= 1
        assert tallies[1][Verdict.VACUOUS] == 0


@pytest.mark.parametrize("name", ["w_unlearned", "w_pretrained"])
def test_a_start_alone_is_refuted_where_it_was_given_and_vacuous_where_it_was_assumed(
    tmp_path: Path, name: str
) -> None:
    beside = right(name, "zero") + 1e-2 * OFF
    given = by_python(STARTS["zero"], **{name: beside})
    assert audits(given)[f"start-in-span[{name}]"] is Verdict.REFUTED
    assert (given.exit_status, by_command(tmp_path, STARTS["zero"], **{name: beside}).status) == (1, 1)
    assumed = by_python(None, **{name: beside})
    assert set(audits(assumed).values()) == {Verdict.VACUOUS}
    assert (assumed.exit_status, by_command(tmp_path, None, **{name: beside}).status) == (3, 3)
    assert all("pass --w-init" in assumed[row].summary for row in audits(assumed))
    # It differs from a right one, and what is said of the theorems does not.
    assert set(audits(by_python(None, **{name: right(name, "zero")})).values()) == {Verdict.CERTIFIED}
    assert theorems(assumed) == theorems(by_python(None))


@pytest.mark.parametrize("name", ["w_unlearned", "w_pretrained"])
def test_what_no_start_explains_is_refuted_although_the_start_was_assumed(tmp_path: Path, name: str) -> None:
    """Trained from a drawn w₀ that was not told: right ones say nothing, wrong ones are wrong for every w₀."""
    row = {"w_unlearned": "exact-labels[w_unlearned]", "w_pretrained": "implicit-bias[w_pretrained]"}[name]
    artefact = right(name, "drawn")
    fine = by_python(None, **{name: artefact})
    assert set(audits(fine).values()) == {Verdict.VACUOUS}
    assert (fine.exit_status, by_command(tmp_path, None, **{name: artefact}).status) == (3, 3)
    artefact = wrong(name, "drawn")
    bad = by_python(None, **{name: artefact})
    assert [r for r, verdict in audits(bad).items() if verdict is Verdict.REFUTED] == [row]
    assert (bad.exit_status, by_command(tmp_path, None, **{name: artefact}).status) == (1, 1)
    assert "no w₀ whatever leads there, within tolerance of doing nothing" in bad[row].facts
    # The distance from all that training can end at, by the pseudo-inverse.
    rows = KEEP if name == "w_unlearned" else np.arange(6)
    off = np.linalg.pinv(FEATURES[rows]) @ (TARGETS[rows] - FEATURES[rows] @ artefact)
    quantity = bad[row].findings[0].quantity
    assert quantity.floor <= np.linalg.norm(off) * (1 + 1e-9)
    assert quantity.bound >= np.linalg.norm(off) * (1 - 1e-9)
    assert not any(theorem.verdict is Verdict.REFUTED for theorem in theorems(bad).values())


@pytest.mark.parametrize("size", [1e3, 1e8])
def test_no_rounding_of_a_large_start_refutes_what_is_right(size: float) -> None:
    for name, rows in (("w_unlearned", KEEP), ("w_pretrained", np.arange(6))):
        report = by_python(None, **{name: trained(rows, size * STARTS["drawn"])})
        assert Verdict.REFUTED not in audits(report).values()


def test_what_is_right_for_some_start_is_not_refuted_for_all_at_any_tolerance() -> None:
    """What doing nothing leaves is longer for the true start than for the assumed one, by a share of the tolerance."""
    rows = np.array([[1.0, 0, 0], [0, 1, 0]])
    start, w = np.array([0, 1.0, 0.3]), np.array([0, 0.71, 0.3])
    targets = np.array([0.4, 0])
    told = mt.check(
        mt.UnlearningProblem(rows, targets, [1], start), "exact-labels", w_unlearned=w, tolerance=0.5
    )
    assert told["exact-labels[w_unlearned]"].verdict is Verdict.CERTIFIED
    assumed = mt.UnlearningProblem(rows, targets, [1])
    report = mt.check(assumed, "exact-labels", w_unlearned=w, tolerance=0.5)
    assert report["exact-labels[w_unlearned]"].verdict is Verdict.VACUOUS
    # A larger tolerance would allow what is asked of no start: the scale is no shorter than the parameters themselves.
    far = mt.check(assumed, "exact-labels", w_unlearned=w + np.array([9.0, 0, 0]), tolerance=0.1)
    assert far["exact-labels[w_unlearned]"].verdict is Verdict.REFUTED


def test_labels_cannot_reveal_the_start_and_say_so() -> None:
    assumed = by_python(None, labels=right("labels", "zero"))
    drawn = by_python(None, labels=right("labels", "drawn"))
    for report in (assumed, drawn):
        assert report["exact-labels[labels]"].facts[-1] == "for w₀ = 0 (assumed)"
    assert drawn["exact-labels[labels]"].verdict is Verdict.REFUTED
    told = by_python(STARTS["drawn"], labels=right("labels", "drawn"))["exact-labels[labels]"]
    assert told.verdict is Verdict.CERTIFIED
    assert not any("assumed" in fact for fact in told.facts)
    # Beside a pretrained model that did not come from 0, labels for its start are not called wrong.
    both = by_python(None, labels=right("labels", "drawn"), w_pretrained=right("w_pretrained", "drawn"))
    assert set(audits(both).values()) == {Verdict.VACUOUS}
    from_zero = right("w_pretrained", "zero")
    both = by_python(None, labels=wrong("labels", "zero"), w_pretrained=from_zero)
    assert both["exact-labels[labels]"].verdict is Verdict.REFUTED


def _low_rank(n: int, rank: int, size: int, seed: int = 3) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Features of a rank below their number, targets that they do not fit, and a start that is not in their span."""
    rng = np.random.default_rng(seed)
    rows = rng.integers(-4, 5, (n, rank)) @ rng.integers(
        -4, 5, (rank, size)
    )  # products of floats are of full rank
    return rows.astype(float), rng.standard_normal(n), rng.standard_normal(size)


def _retrained(rows: np.ndarray, y: np.ndarray, start: np.ndarray, keep: Any) -> np.ndarray:
    return start + np.linalg.pinv(rows[keep]) @ (y[keep] - rows[keep] @ start)  # type: ignore[no-any-return]


def _least_gap(rows: np.ndarray, y: np.ndarray, labels: np.ndarray, gone: list[int]) -> float:
    """The gap of labels for the best of all starts, by singular vectors."""
    keep = np.setdiff1d(np.arange(len(rows)), gone)
    relabelled = y.copy()
    relabelled[gone] = labels
    onto, onto_kept = (np.linalg.pinv(part) @ part for part in (rows, rows[keep]))
    apart = np.linalg.pinv(rows) @ relabelled - np.linalg.pinv(rows[keep]) @ y[keep]
    directions, sizes, _ = np.linalg.svd(onto - onto_kept)
    movable = directions[:, sizes > 0.5]  # of a difference of projectors these are 0 or 1
    return float(np.linalg.norm(apart - movable @ (movable.T @ apart)))


def test_labels_that_no_start_makes_right_are_said_to_be_wrong_for_every_one() -> None:
    rows, y, start = _low_rank(9, 3, 5)
    gone, keep = [0, 4], np.setdiff1d(np.arange(9), [0, 4])
    assumed = mt.UnlearningProblem(rows, y, gone)
    fine = rows[gone] @ _retrained(rows, y, start, keep)
    bad = fine + 1e-2
    report = mt.check(assumed, "exact-labels", "rational", labels=bad)
    row = report["exact-labels[labels]"]
    assert row.verdict is Verdict.REFUTED
    assert "No other start makes these labels right, either." in row.meaning
    assert "pass --w-init" not in row.meaning
    # The retained rows span the others, so that right labels are so for every start.
    right_ones = mt.check(assumed, "exact-labels", "rational", labels=fine)["exact-labels[labels]"]
    assert right_ones.verdict in (Verdict.CERTIFIED, Verdict.PROVED)
    # Where they do not, other labels are right for other starts, and only the start decides.
    row = by_python(None, labels=wrong("labels", "zero"))["exact-labels[labels]"]
    assert row.verdict is Verdict.REFUTED
    assert "these labels may be right: pass --w-init" in row.meaning
    assert _least_gap(FEATURES, TARGETS, wrong("labels", "zero"), FORGET.tolist()) < 1e-12
    # Beside a pretrained model from elsewhere: wrong for every start, or nothing to say of it.
    w_p = _retrained(rows, y, start, np.arange(9))
    for labels, verdict in ((bad, Verdict.REFUTED), (fine, Verdict.VACUOUS)):
        both = mt.check(
            assumed, ["exact-labels", "implicit-bias"], "rational", labels=labels, w_pretrained=w_p
        )
        row = both["exact-labels[labels]"]
        assert row.verdict is verdict
        if verdict is Verdict.REFUTED:
            least = _least_gap(rows, y, labels, gone)
            quantity = row.findings[0].quantity
            assert quantity.floor <= least * (1 + 1e-9)
            assert quantity.bound >= least * (1 - 1e-9)


@pytest.mark.parametrize("tolerance", [0.3, 0.9])
def test_labels_within_tolerance_for_some_start_are_not_refuted_for_all(tolerance: float) -> None:
    """Targets that nothing fits, and retained rows that span less than all: the least gap is neither 0 nor the gap."""
    rng = np.random.default_rng(1)
    for seed in range(12):
        rows, y, start = _low_rank(7, 3, 5, seed)
        rows[0] = rng.integers(-4, 5, 5)  # alone in its direction
        gone, keep = [0, 4], np.setdiff1d(np.arange(7), [0, 4])
        start = 10.0 ** rng.uniform(-1, 2) * start
        w_p, w_r = (_retrained(rows, y, start, part) for part in (np.arange(7), keep))
        error = rng.standard_normal(2)
        relabelled = np.zeros(7)
        relabelled[gone] = error
        allowed = tolerance * np.linalg.norm(w_p - w_r) * (1 - 1e-9)
        labels = rows[gone] @ w_r + error * allowed / np.linalg.norm(np.linalg.pinv(rows) @ relabelled)
        told = mt.check(
            mt.UnlearningProblem(rows, y, gone, start),
            "exact-labels",
            "rational",
            labels=labels,
            tolerance=tolerance,
        )
        assert told["exact-labels[labels]"].verdict is Verdict.CERTIFIED
        report = mt.check(
            mt.UnlearningProblem(rows, y, gone),
            "exact-labels",
            "rational",
            labels=labels,
            tolerance=tolerance,
        )
        assert "No other start" not in report["exact-labels[labels]"].meaning
        far = mt.check(
            mt.UnlearningProblem(rows, y, gone),
            "exact-labels",
            "rational",
            labels=labels + 1e3,
            tolerance=1e-3,
        )
        assert "No other start" in far["exact-labels[labels]"].meaning


def test_an_assumed_start_is_said_in_the_first_line_of_audits(tmp_path: Path) -> None:
    labels = right("labels", "zero")
    for report, said in (
        (by_python(None, labels=labels), True),
        (by_python(STARTS["zero"], labels=labels), False),
        (by_python(None), False),
    ):
        for text in (repr(report), report.to_markdown(), report.title):
            assert ("w₀ = 0 (assumed)" in text.splitlines()[0]) is said
    arrays = {"features": FEATURES, "y": TARGETS, "forget": FORGET, "labels": labels}
    path = write(tmp_path / "given.npz", arrays)
    answer = muso("check", path, "--claim", "exact-labels")
    assert "w₀ = 0 (assumed)" in answer.out.splitlines()[0]
    assert "for w₀ = 0 (assumed)" in " ".join(answer.out.split())  # lines end where the screen does
    said_zero = muso("check", path, "--claim", "exact-labels", "--w-init", "zero", "--json", "-")
    assert "(assumed)" not in json.dumps(said_zero.report, ensure_ascii=False)
