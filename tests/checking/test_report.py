"""The report: order of verdicts, text, JSON and HTML."""

from __future__ import annotations

import json
from fractions import Fraction

import numpy as np
import pytest

import muso_theory as mt
from muso_theory.checking.report import Report
from muso_theory.evidence import Evidence, Inequality, Scope, Verdict, round_digits, worst
from muso_theory.files.results import encoded
from muso_theory.numbers import Quantity
from tests.zoo import ZOO


@pytest.fixture(scope="module")
def report() -> Report:
    return mt.check(ZOO["under-parameterised"](), arithmetic="rational")


def test_worst_is_in_the_stated_order() -> None:
    order = [
        Verdict.REFUTED,
        Verdict.UNDECIDED,
        Verdict.VACUOUS,
        Verdict.MEASURED,
        Verdict.CERTIFIED,
        Verdict.PROVED,
    ]
    for i, verdict in enumerate(order):
        assert worst(order[i:]) is verdict


@pytest.mark.parametrize(
    ("verdicts", "status"),
    [
        ("PROVED CERTIFIED MEASURED", 0),
        ("PROVED VACUOUS", 3),
        ("UNDECIDED MEASURED", 3),
        ("VACUOUS REFUTED UNDECIDED", 1),
    ],
)
def test_exit_status(verdicts: str, status: int) -> None:
    make = {
        "PROVED": Evidence("c", Scope.INSTANCE, (Inequality("x", Quantity.exact(0)),), "rational"),
        "CERTIFIED": Evidence(
            "c", Scope.INSTANCE, (Inequality("x", Quantity.enclosure(0, 1), bar=2),), "ball"
        ),
        "MEASURED": Evidence("c", Scope.INSTANCE, (Inequality("x", Quantity.measured(0)),), "float64"),
        "VACUOUS": Evidence("c", Scope.INSTANCE, (), "float64", failed=(("full-rank", "rank 1"),)),
        "UNDECIDED": Evidence("c", Scope.INSTANCE, (), "float64"),
        "REFUTED": Evidence("c", Scope.INSTANCE, (Inequality("x", Quantity.exact(1)),), "rational"),
    }
    evidence = {str(i): make[name] for i, name in enumerate(verdicts.split())}
    for name, e in zip(verdicts.split(), evidence.values(), strict=True):
        assert e.verdict is Verdict[name]
    assert Report("t", evidence).exit_status == status


def test_has_no_truth_value(report: Report) -> None:
    with pytest.raises(TypeError, match="verdict"):
        bool(report)


def test_repr_is_short_and_starts_with_the_verdict(report: Report) -> None:
    lines = repr(report).splitlines()
    assert lines[0].startswith("VACUOUS")
    assert len(lines) <= 10
    assert max(map(len, lines)) <= 110
    assert "array(" not in repr(report)
    assert lines[1].startswith("  outputs: 1; w₀: an array; forget: 9 of 40 rows")


def test_a_report_contains_its_rows_and_claims_and_nothing_else(report: Report) -> None:
    for name in [*report.evidence, *report]:
        assert name in report
    for name in ("a", "exact", "exact-label", "exact-labels2", "zzz", "", None):
        assert name not in report
    assert len(report) == len(list(report))


def test_unknown_claim_suggests(report: Report) -> None:
    with pytest.raises(mt.BadInputError, match="'exact-labels'"):
        report["exact-label"]


def test_json_is_deterministic_and_exact(report: Report) -> None:
    again = mt.check(ZOO["under-parameterised"](), arithmetic="rational")
    assert report.to_json() == again.to_json()
    data = json.loads(report.to_json())
    assert data["schema"] == 4
    assert data["input"]["sha256"] == ZOO["under-parameterised"]().sha256
    assert data["settings"]["arithmetic"] == "rational"
    by_claim = {e["row"]: e for e in data["evidence"]}
    assert list(by_claim) == [row.name for row in report.rows]
    assert by_claim["exact-labels[output]"]["about"] == "output"
    gap = by_claim["exact-labels"]["findings"][0]
    assert Fraction(gap["upper"]) == 0
    assert gap["grade"] == "PROVED"
    assert by_claim["label-free"]["failed_hypotheses"][0]["claim"] == "least-squares-on-retain"
    for e in data["evidence"]:
        for finding in e["findings"]:
            assert isinstance(finding["upper"], str)


def test_json_carries_different_numbers_for_different_seeds() -> None:
    problem = ZOO["over-parameterised"]()
    one, two = (mt.check(problem, ["downsampling"], "float64", seed=s).to_json() for s in (0, 1))
    assert one != two


def test_html_is_plain_and_escaped() -> None:
    evidence = Evidence("x<script>", Scope.INSTANCE, (Inequality("‖<b>‖", Quantity.exact(0)),), "rational")
    page = Report("<i>title</i>", {"x": evidence})._repr_html_()
    assert "<script" not in page
    assert "<b>" not in page
    assert "<i>" not in page
    assert "PROVED" in page
    assert "<details>" in page


def test_markdown(report: Report) -> None:
    text = report.to_markdown()
    assert text.startswith("**VACUOUS**")
    title, understood, rows = text.split("\n\n")
    assert "|" not in title
    for table, lines in ((understood, report.inputs["understood"]), (rows, report.rows)):
        assert len(table.strip().splitlines()) == len(lines) + 2
        assert all(line.count(" | ") >= 3 or line.startswith("|---") for line in table.strip().splitlines())


@pytest.mark.parametrize("value", [3.1e-12, 0.0465, 1.0, 123456.0, 9.99e-5, 5e-324, 1.7976931348623157e308])
def test_rounding_never_flatters(value: float) -> None:
    assert float(round_digits(value, up=False)) <= value <= float(round_digits(value, up=True))
    assert float(round_digits(value, up=True)) <= value * 1.1 or value < 1e-300


def test_bound_is_rounded_outward() -> None:
    third = Quantity.exact(Fraction(1, 3))
    assert Fraction(third.bound) > Fraction(1, 3) > Fraction(third.floor)
    root = Quantity.exact(Fraction(2)).sqrt()
    assert Fraction(root.floor) ** 2 < 2 < Fraction(root.bound) ** 2
    huge = Quantity.exact(10**400)
    assert huge.bound == np.inf
    assert huge.floor < np.inf
    tiny = Quantity.exact(Fraction(1, 10**400))
    assert tiny.bound == 5e-324
    assert tiny.floor == 0
    assert tiny.sqrt().floor > 0


@pytest.mark.parametrize("start", [None, np.ones(3)])
def test_a_start_is_called_assumed_only_where_an_audit_rests_on_it(start: np.ndarray | None) -> None:
    problem = mt.UnlearningProblem(np.eye(2, 3), [1.0, 2.0], [1], start)
    report = mt.check(problem, "exact-labels")
    assert "assumed" not in report.title
    audited = mt.check(problem, "exact-labels", labels=np.zeros(1))
    assert ("w₀ = 0 (assumed)" in audited.title) is (start is None)


def test_words_of_results_are_written_as_they_are() -> None:
    text = encoded({"x": "‖w_u − w_r‖ ≤ ε for every Φ"}).decode()
    assert "‖w_u − w_r‖ ≤ ε for every Φ" in text
    assert text.splitlines() == ["{", ' "x": "‖w_u − w_r‖ ≤ ε for every Φ"', "}"]
