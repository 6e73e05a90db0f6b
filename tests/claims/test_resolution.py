"""Doing nothing is no unlearning: what a tolerance is relative to where floats are coarse, and words beside it."""

from __future__ import annotations

import itertools
import re
from fractions import Fraction
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

import muso_theory as mt
from muso_theory.checking.rechecking import Recheck
from muso_theory.claims.case import Case
from muso_theory.commands import terminal
from muso_theory.evidence import short, show
from muso_theory.numbers import Quantity
from verification.commands import muso

Verdict = mt.Verdict
LARGE = 2.0**60
ARITHMETICS = ["auto", "ball", "rational"]


def moved(step: float) -> tuple[mt.UnlearningProblem, np.ndarray]:
    """w_r = (2⁶⁰, 0) and w_p = (2⁶⁰, step): the forget sample alone says what the second parameter is."""
    targets = np.array([LARGE, LARGE + step])
    return mt.UnlearningProblem(np.array([[1.0, 0.0], [1.0, 1.0]]), targets, [1]), targets[[1]]


@pytest.mark.parametrize("arithmetic", ARITHMETICS)
@pytest.mark.parametrize("ulps", [1, 2, 4, 1024])
def test_doing_nothing_is_refuted_wherever_floats_show_it(arithmetic: str, ulps: int) -> None:
    problem, original = moved(256.0 * ulps)
    report = mt.check(problem, ["exact-labels", "membership"], arithmetic, labels=original)
    exact = mt.check(problem, ["exact-labels", "membership"], arithmetic, labels=np.array([LARGE]))
    for slug in ("exact-labels[labels]", "membership[labels]"):
        # One unit in the last place is what the original label itself may be off by.
        assert report.evidence[slug].verdict is (Verdict.UNDECIDED if ulps == 1 else Verdict.REFUTED)
        assert exact.evidence[slug].verdict in (Verdict.PROVED, Verdict.CERTIFIED)
    if ulps > 4:
        w = np.array([LARGE, 256.0 * ulps])
        row = mt.check(problem, ["exact-labels"], arithmetic, w_unlearned=w).evidence[
            "exact-labels[w_unlearned]"
        ]
        assert row.verdict is Verdict.REFUTED


@pytest.mark.parametrize("arithmetic", ARITHMETICS)
@pytest.mark.parametrize("given", ["labels", "w_unlearned"])
def test_a_large_entry_hides_no_change_of_a_small_one(arithmetic: str, given: str) -> None:
    features = np.array([[1.0, 0.0], [1.0, 0.0], [0.0, 1.0]])
    problem = mt.UnlearningProblem(features, np.array([LARGE, LARGE, 0.5]), [1, 2])
    values: Any = np.array([LARGE, 0.4])  # (2⁶⁰, 0) is right, as labels and as parameters
    row = mt.check(problem, ["exact-labels"], arithmetic, **{given: values}).evidence[
        f"exact-labels[{given}]"
    ]
    assert row.verdict in (Verdict.REFUTED, Verdict.UNDECIDED)


def test_the_original_label_of_a_point_moved_a_little_is_no_unlearning() -> None:
    rng = np.random.default_rng(0)
    features, targets = rng.standard_normal((20, 50)), rng.standard_normal(20)
    probe = mt.UnlearningProblem(features, targets, [3])
    targets[3] = float(mt.optimal_labels(probe)[0]) + 1e-11
    problem = mt.UnlearningProblem(features, targets, [3])
    row = mt.check(problem, ["exact-labels"], labels=targets[[3]]).evidence["exact-labels[labels]"]
    assert row.verdict is Verdict.REFUTED
    # The floats next to the exact labels are no closer than floats are: neither good enough nor refuted.
    best = mt.optimal_labels(problem, arithmetic="rational")
    row = mt.check(problem, ["exact-labels"], labels=best, tolerance=1e-9).evidence["exact-labels[labels]"]
    assert row.verdict is Verdict.UNDECIDED
    assert "finer than floats of this size" in row.needs
    tolerance = float(row.needs.split()[1])
    row = mt.check(problem, ["exact-labels"], labels=best, tolerance=tolerance).evidence[
        "exact-labels[labels]"
    ]
    assert row.verdict is Verdict.CERTIFIED


@pytest.mark.parametrize("tolerance", [1e-16, 1e-20])
def test_a_tolerance_finer_than_floats_is_no_laxer_one(tolerance: float) -> None:
    rng = np.random.default_rng(1)
    problem = mt.UnlearningProblem(rng.standard_normal((5, 8)), rng.standard_normal(5), [3])
    labels = mt.optimal_labels(problem) * (1 + 1e-12)
    report = mt.check(problem, ["exact-labels"], labels=labels, tolerance=tolerance)
    assert report.evidence["exact-labels[labels]"].verdict is Verdict.REFUTED
    for row in report.rows:
        assert "nothing to unlearn" not in short(row, limit=True)
    output = report.evidence["exact-labels[output]"]
    assert any("finer than floats of this size" in finding.limit for finding in output.findings)


def test_three_points_on_a_line_leave_nothing_to_unlearn() -> None:
    problem = mt.UnlearningProblem(np.array([[1.0], [2.0], [3.0]]), np.array([0.1, 0.2, 0.3]), [0])
    slugs = ["exact-labels", "label-free", "downsampling"]
    report = mt.check(problem, slugs, labels=mt.optimal_labels(problem))
    assert all(row.verdict in (Verdict.PROVED, Verdict.CERTIFIED) for row in report.rows)
    assert "nothing to unlearn at this precision" in short(
        report.evidence["exact-labels[output]"], limit=True
    )


def test_arithmetic_that_hands_out_floats_beyond_the_range_of_products_is_named() -> None:
    rng = np.random.default_rng(0)
    features, targets = rng.standard_normal((5, 8)) * 1e200, rng.standard_normal(5) * 1e200
    problem = mt.UnlearningProblem(features, targets, [3])
    row = mt.check(problem, ["exact-labels"]).evidence["exact-labels[output]"]
    assert row.verdict is Verdict.UNDECIDED
    name = row.needs.split()[1]
    row = mt.check(problem, ["exact-labels"], name).evidence["exact-labels[output]"]
    assert row.verdict is Verdict.CERTIFIED


# -- words that are true of the numbers beside them --------------------------------------------------------


def small() -> mt.UnlearningProblem:
    rng = np.random.default_rng(3)
    return mt.UnlearningProblem(rng.standard_normal((6, 9)), rng.standard_normal(6), [0, 3])


def test_only_another_model_is_called_another_one() -> None:
    def fact(subset: float) -> str:
        row = mt.check(small(), ["downsampling"], subset=subset).theorem("downsampling")
        return next(fact for fact in row.facts if "‖w_r(S) − w_r‖" in fact)

    assert fact(0.5).startswith("the model retrained on S alone is another one")
    assert not fact(1.0).startswith("the model")


def test_what_rests_on_an_upper_bound_prints_it() -> None:
    problem = small()
    labels = mt.optimal_labels(problem) + 1.0
    report = mt.check(problem, ["membership", "removal-certificate"], labels=labels)
    sentence = next(fact for fact in report.evidence["membership[labels]"].facts if "slope L" in fact)
    assert re.search("gap ≤ ", sentence), sentence
    for slug in ("removal-certificate", "removal-certificate[output]"):
        assert re.search("^‖w_u − w_r‖.* ≤ ", report.evidence[slug].facts[0]), report.evidence[slug].facts


def test_a_rounded_number_is_not_called_equal() -> None:
    long = Quantity.exact(Fraction(8 * 10**20 + 1, 9 * 10**20))
    assert show(long) == "≈ 0.888889 (exact value kept)"
    assert show(Quantity.exact(Fraction(8, 9))) == "= 8/9"


def test_a_gap_is_finite_where_only_its_square_overflows() -> None:
    settings: dict[str, Any] = {"method": "gd", "step_sizes": 10.0}
    gaps = mt.linear.predict_gap(small(), epochs=range(40, 300), **settings)
    assert gaps[np.isfinite(gaps)].max() > 1e250


def test_epochs_that_are_advised_are_enough() -> None:
    for arithmetic in ("auto", "rational"):
        settings: dict[str, Any] = {"optimizer": "gd", "lr": 0.02}
        row = mt.check(small(), ["enough-epochs"], arithmetic, epochs=1, **settings)["enough-epochs"]
        assert row.verdict is Verdict.UNDECIDED
        advised = re.match(r"--epochs (\d+) is enough", row.needs)
        assert advised is not None, row.needs
        row = mt.check(small(), ["enough-epochs"], arithmetic, epochs=int(advised[1]), **settings)[
            "enough-epochs"
        ]
        assert row.verdict is Verdict.MEASURED


def test_floats_of_a_refuted_formula_stand_for_nothing() -> None:
    tall = mt.UnlearningProblem(np.array([[1], [2], [3]]), np.array([1, 1, 2]), [0])
    report = mt.check(tall, "label-free", "rational", asserted=["label-free"])
    assert report.theorem("label-free").verdict is Verdict.REFUTED
    assert report.evidence["label-free[output]"].verdict is Verdict.VACUOUS
    assert "needs label-free: refuted here" in report.evidence["label-free[output]"].summary


def doubled() -> mt.UnlearningProblem:
    features = np.random.default_rng(0).standard_normal((4, 6))
    features[1] = features[0] * (1 + 2.0**-45)
    return mt.UnlearningProblem(features, np.array([1.0, 2.0, 3.0, 4.0]), [2])


def test_a_rank_that_floats_assume_is_told(tmp_path: Path) -> None:
    told = "float64 assumes rank Φ = 3 of 4"
    row = mt.check(doubled(), ["exact-labels"], "float64").theorem("exact-labels")
    assert any(fact.startswith(told) for fact in row.facts)
    row = mt.check(small(), ["exact-labels"], "float64").theorem("exact-labels")
    assert not any("assumes" in fact for fact in row.facts)
    problem, data = doubled(), tmp_path / "d.npz"
    np.savez(data, X=problem.features, y=problem.targets, forget=[2])
    done = muso("labels", data, "-o", tmp_path / "l.npz", "--arithmetic", "float64")
    assert told in done.err


def test_labels_are_not_written_under_the_name_of_another_format(tmp_path: Path) -> None:
    problem, data = small(), tmp_path / "d.npz"
    np.savez(data, X=problem.features, y=problem.targets, forget=problem.forget)
    assert muso("labels", data, "-o", tmp_path / "l.csv").status == 2
    assert not (tmp_path / "l.csv").exists()
    assert muso("labels", data, "-o", tmp_path / "l.npz").status == 0


def test_labels_no_better_than_doing_nothing_are_told(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    features, targets = rng.standard_normal((30, 40)), rng.standard_normal(30)
    data = tmp_path / "d.npz"
    for retained, worse in ((1, True), (29, False)):
        # Of data whose forget labels are nearly right a small part of R knows less than they do.
        problem = mt.UnlearningProblem(features, targets, [0])
        near = targets.copy()
        near[0] = float(mt.optimal_labels(problem)[0]) + 1e-3
        np.savez(data, X=features, y=near, forget=[0])
        done = muso(
            "labels", data, "-o", tmp_path / "l.npz", "--method", "subsample", "--subset", retained / 29
        )
        assert done.status == (3 if worse else 0)  # handed out, so never a refutation
        assert ("no smaller gap than doing nothing" in done.err) is worse, done.err


def test_equality_that_is_not_asked_is_said_to_be_none() -> None:
    def facts(tolerance: float) -> str:
        report = mt.check(small(), ["exact-labels"], tolerance=tolerance)
        return " ".join(report.evidence["exact-labels[output]"].facts)

    assert "held to 1e-06: equality is not asked of them" in facts(0)
    assert "held to" not in facts(1e-6)


def test_what_overflows_names_a_scale_that_decides_it() -> None:
    rng = np.random.default_rng(0)
    features, targets = rng.standard_normal((5, 8)) * 1e200, rng.standard_normal(5)
    row = mt.check(mt.UnlearningProblem(features, targets, [3]), ["gd-finite-time"])["gd-finite-time"]
    code = re.search(r"np\.ldexp\(.*?max\(\)\)\[1\]\)\)", row.needs)
    assert row.verdict is Verdict.UNDECIDED
    assert code is not None, row.needs
    scaled = eval(code[0], {"np": np, "features": features})
    row = mt.check(mt.UnlearningProblem(scaled, targets, [3]), ["gd-finite-time"])["gd-finite-time"]
    assert row.verdict is Verdict.CERTIFIED


def test_rows_whose_digits_follow_are_named(capsys: pytest.CaptureFixture[str]) -> None:
    terminal.show_recheck(Path("r.json"), Recheck((), 3, ("exact-labels", "membership")))
    told = " ".join(capsys.readouterr().out.split())
    assert "2 with other digits that follow from what is proved here (exact-labels, membership)" in told


def test_symbols_and_relations_are_written_once() -> None:
    net = mt.networks.mlp([2, 3, 1], activation="erf")
    X = np.array([[1.0, 2.0], [0.5, -1.0], [0.25, 1.0]])
    tangent = mt.networks.from_network(net, net.init(0), X, np.array([1.0, 2.0, 3.0]), forget=[0])
    report = mt.check(tangent, ["linearised-network"])
    limits = [finding.limit for row in report.rows for finding in row.findings]
    assert any("‖J" in limit for limit in limits)
    assert not any("‖_F‖" in limit for limit in limits)
    found = mt.refute(lambda problem: np.zeros(len(problem.forget)), max_examples=50, seed=0)
    assert "= ≈" not in str(found) + repr(found)


@pytest.mark.parametrize(("worse", "told"), [(3, True), (Fraction(1, 3), False)])
def test_labels_that_are_farther_than_the_original_ones_are_told(worse: Fraction, told: bool) -> None:
    problem = mt.UnlearningProblem(np.array([[1, 0], [1, 1]]), np.array([1, 2]), [1])
    optimal = Fraction(1)
    labels = np.array([optimal + worse * (2 - optimal)])
    row = mt.check(problem, ["exact-labels"], "rational", labels=labels)["exact-labels[labels]"]
    assert row.verdict is mt.Verdict.REFUTED
    assert ("closer" in row.facts[0]) is told


def test_a_tolerance_is_relative_to_the_first_length_that_is_not_nothing() -> None:
    """All but the last are asked in order whether they are above the last one's rounding; it counts where none is."""
    unit, limit, sizes = Fraction(1, 8), mt.settings.Settings().limit, (0, 1, 2, 9)
    asked = SimpleNamespace(settings=mt.settings.Settings())
    for count in (1, 2, 3):
        for given in itertools.product(sizes, repeat=count):
            yardsticks = [(Quantity.exact(size), f"length {i}") for i, size in enumerate(given)]
            found = Case._of_theorem(asked, yardsticks, unit)  # type: ignore[arg-type]
            above = [i for i, size in enumerate(given[:-1]) if size > unit * given[-1]]
            place = above[0] if above else count - 1
            assert f"length {place}" in found.of
            assert found.lower == found.upper == limit * given[place]
            assert found.is_second is ("nothing to unlearn" in found.of) is (count > 1 and not above)


@pytest.mark.parametrize("arithmetic", ["auto", "float64"])
@pytest.mark.parametrize("share", [0.5, 0.999, 1.001, 2.0])
def test_noise_is_more_than_doing_nothing_needs_where_the_gap_is_larger(
    arithmetic: str, share: float
) -> None:
    rng = np.random.default_rng(4)
    problem = mt.UnlearningProblem(rng.standard_normal((6, 9)), rng.standard_normal(6), [1, 4])
    solution = mt.solve(problem)
    w = solution.w_retrained + share * (solution.w_pretrained - solution.w_retrained)
    row = mt.check(problem, "removal-certificate", arithmetic, w_unlearned=w).evidence[
        "removal-certificate[w_unlearned]"
    ]
    assert ("more noise than doing nothing needs" in row.findings[0].what) is (share > 1)
