"""Equal rows of Φ: a witness against full rank, told before anything is checked, and no obstacle to the rest."""

from __future__ import annotations

import collections
from fractions import Fraction
from typing import Any

import numpy as np
import pytest

import muso_theory as mt
from muso_theory.claims.training import _spans_everything
from muso_theory.commands.terminal import show_report
from muso_theory.linear import repeats, scaled_features
from muso_theory.linear.certified import CertifiedForms
from muso_theory.linear.features import GaussianFeatures
from muso_theory.linear.precise import feature_error, perturbation
from muso_theory.linear.repeats import first_equal_rows
from muso_theory.numbers import Grade, UndecidedError, repeated
from muso_theory.numbers.repeated import averages
from muso_theory.verdict import Verdict

RANKS = ["full-rank", "full-rank-retain", "full-rank-forget"]
HOLDS = (Verdict.PROVED, Verdict.CERTIFIED, Verdict.MEASURED)


def drawn(seed: int) -> mt.UnlearningProblem:
    """Copies of all rows, of one, several of one, or of any; more or fewer rows than features; targets that differ."""
    rng = np.random.default_rng(seed)
    width, kinds, outputs = int(rng.integers(2, 9)), int(rng.integers(1, 7)), int(rng.integers(1, 3))
    rows = rng.standard_normal((kinds, width))
    if rng.random() < 0.2:
        rows[-1] = rows[0] + 1e-9 * rng.standard_normal(width)
    if kinds > 2 and rng.random() < 0.15:
        rows[-1] = rows[0] + rows[1]
    copies = ([*range(kinds)], [0], [0, 0], rng.integers(0, kinds, int(rng.integers(1, 5))))[seed % 4]
    place = rng.permutation([*range(kinds), *copies])
    n = len(place)
    features = np.ldexp(rows[place], int(rng.choice([0, 0, 0, 110, -110])))
    targets = rng.standard_normal((kinds, outputs))[place]
    if rng.random() < 0.6:
        targets = targets + rng.standard_normal((n, outputs)) * (rng.random((n, 1)) < 0.5)
    start = None if rng.random() < 0.5 else rng.standard_normal((width, outputs))
    forget = rng.choice(n, int(rng.integers(1, n)), replace=False)
    return mt.UnlearningProblem(features, targets, forget, start)


def contradictions(problem: mt.UnlearningProblem, arithmetic: str) -> collections.Counter[str]:
    """What a check says that the same check in exact rationals contradicts, and how many numbers were compared."""
    labels = problem.targets[problem.forget] + 0.125
    exact, found = (
        mt.check(problem, arithmetic=name, labels=labels, subset=0.5) for name in ("rational", arithmetic)
    )
    told: collections.Counter[str] = collections.Counter(compared=0)
    for row in found.rows:
        truth = exact.evidence.get(row.name)
        if truth is None or row.name.endswith("[output]"):
            continue  # these are other floats
        decided = Verdict.UNDECIDED not in (row.verdict, truth.verdict) and not row.unsettled
        if decided and (row.verdict in HOLDS) != (truth.verdict in HOLDS):
            told[f"verdict of {row.name}"] += 1
        known = {finding.what: finding.quantity for finding in truth.findings}
        for finding in row.findings:
            q, value = finding.quantity, known.get(finding.what)
            if value is None or Grade.MEASURED in (q.grade, value.grade):
                continue
            told["compared"] += 1
            if q.lower > value.upper or q.upper < value.lower:
                told[f"{row.name}: {finding.what}"] += 1
    return told


def table(n: int = 40, d: int = 60, *, factor: float = 1.0) -> mt.UnlearningProblem:
    """The first row once more at the end, or a multiple of it, which is no copy."""
    rng = np.random.default_rng(3)
    features = rng.standard_normal((n, d))
    features[-1] = factor * features[0]
    targets = rng.standard_normal(n)
    return mt.UnlearningProblem(features, targets, [5, 6, 7])


# -- where rows are equal -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("dtype", ["f8", "f4", "f2", ">f8", "i8", "u1", "O"])
def test_equal_rows_are_found_as_numbers(dtype: str) -> None:
    rows = np.array([[1, 0, 2], [1, 2, 0], [1, 0, 2], [0, 0, 0], [1, 2, 0], [1, 0, 2]]).astype(dtype)
    if "f" in dtype:
        rows[2] = [1, -0.0, 2]
    assert first_equal_rows(rows).tolist() == [0, 1, 0, 3, 1, 0]
    assert first_equal_rows(np.asfortranarray(rows)[::-1]).tolist() == [0, 1, 2, 0, 1, 0]


def test_rows_that_differ_in_their_last_digit_are_not_equal() -> None:
    rows = np.ones((2, 3))
    rows[1, 2] = np.nextafter(1, 2)
    assert first_equal_rows(rows).tolist() == [0, 1]
    fractions = np.array([[Fraction(1, 3)], [Fraction(1 / 3)], [Fraction(2, 6)]], dtype=object)
    assert first_equal_rows(fractions).tolist() == [0, 1, 0]


def test_rows_are_compared_where_hashes_agree(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(repeats, "_hashes", lambda block: [0] * len(block))
    assert first_equal_rows(np.array([[1.0, 2], [1, 3], [1, 2]])).tolist() == [0, 1, 0]


def test_equal_samples_have_equal_features_wherever_they_are() -> None:
    class Uneven(GaussianFeatures):
        """Rounds by position, as products of some libraries do."""

        def transform(self, X: Any) -> Any:
            found = super().transform(X)
            return found * (1 + np.arange(len(X))[:, None] * 2.0**-52)

    X = np.random.default_rng(0).standard_normal((6, 2))
    X[4] = X[1]
    fm = Uneven(n_features=8, bandwidth=1.0, seed=0).fit(X)
    assert not np.array_equal(*fm.transform(X)[[1, 4]])
    features = mt.UnlearningProblem.from_data(X, X[:, 0], forget=[0], feature_map=fm).features
    assert np.array_equal(features[1], features[4])
    assert np.array_equal(np.delete(features, 4, 0), np.delete(fm.transform(X), 4, 0))


# -- the witness ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("arithmetic", ["auto", "float64", "ball", "rational"])
def test_equal_rows_are_a_witness_in_every_arithmetic(arithmetic: str) -> None:
    features = np.random.default_rng(1).standard_normal((6, 8))
    features[:, 2] = 0.0
    features[5] = features[1]
    features[5, 2] = -0.0
    features[4] = features[1]
    report = mt.check(mt.UnlearningProblem(features, np.ones(6), [0, 1, 5]), RANKS, arithmetic)
    told = {slug: report[slug] for slug in RANKS}
    assert told["full-rank"].verdict is Verdict.VACUOUS
    assert "rows 1 and 4 of Φ are equal, and so on: 2 are copies" in told["full-rank"].facts
    assert told["full-rank"].findings[0].quantity.lower == 2
    assert told["full-rank-forget"].verdict is Verdict.VACUOUS
    assert "rows 1 and 5 of Φ are equal" in told["full-rank-forget"].facts
    assert told["full-rank-retain"].verdict in HOLDS


@pytest.mark.parametrize("arithmetic", ["auto", "float64", "ball", "rational"])
def test_a_row_of_zeros_is_a_witness(arithmetic: str) -> None:
    features = np.random.default_rng(1).standard_normal((4, 8))
    features[2] = 0.0
    row = mt.check(mt.UnlearningProblem(features, np.ones(4), [0]), RANKS, arithmetic)["full-rank"]
    assert row.verdict is Verdict.VACUOUS
    assert "row 2 of Φ is zero" in row.facts


def test_rows_that_nearly_agree_are_no_witness() -> None:
    features = np.random.default_rng(1).standard_normal((6, 8))
    features[5] = features[1]
    features[5, 0] = np.nextafter(features[1, 0], 9)
    problem = mt.UnlearningProblem(features, np.ones(6), [0, 1, 5])
    assert mt.check(problem, RANKS)["full-rank"].verdict in (Verdict.CERTIFIED, Verdict.PROVED)
    assert "equal rows" not in {row.word for row in problem.understood}


# -- what is told ---------------------------------------------------------------------------------------------------


def words(targets: list[float], forget: list[int]) -> str:
    features = np.array([[1.0, 0, 0, 0], [0, 1, 0, 0], [1, 0, 0, 0], [1, 0, 0, 0]])
    problem = mt.UnlearningProblem(features, np.array(targets), forget)
    return next(row.value for row in problem.understood if row.word == "equal rows")


def test_copies_are_told_with_the_cure() -> None:
    assert words([1, 2, 1, 1], [1]) == (
        "2 of 4 rows of Φ repeat another (rows 0 and 2, …); one of each would do"
    )


def test_copies_with_other_targets_are_told_apart() -> None:
    told = words([1, 2, 1, 5], [1])
    assert "1 with another target (rows 0 and 3): no model fits both" in told
    assert "one of each" in told
    assert "another target" not in words([1, 2, 1, 1], [1])
    assert "one of each" not in words([1, 2, 3, 5], [1])  # it takes away whole rows of a frame that are equal


def test_a_copy_that_is_retained_is_told() -> None:
    told = words([1, 2, 1, 1], [0])
    assert "row 2 is retained and still teaches row 0, which is to be forgotten: forget both" in told
    assert "is retained" not in words([1, 2, 1, 1], [0, 2, 3])


# -- averages -------------------------------------------------------------------------------------------------------


def test_averages_are_within_their_bound_of_exact_ones() -> None:
    rng = np.random.default_rng(0)
    missed = 0
    for case in range(300):
        count = int(rng.integers(1, 5))
        place = np.concatenate([np.arange(count), rng.integers(0, count, int(rng.integers(0, 9)))])
        reach = (0, 40, 300, 1000)[case % 4]
        high = np.ldexp(
            rng.standard_normal((len(place), 2)), rng.integers(-reach, reach + 1, (len(place), 2))
        )
        if case % 3 == 0:
            high = high[:count][place]
        low = high * 2.0**-54 * rng.random() if case % 2 else None
        mean, rest, error = averages(place, high, low)
        square = plain = Fraction(0)
        for j in range(count):
            for c in range(2):
                parts = [high] if low is None else [high, low]
                rows = np.flatnonzero(place == j)
                exact = sum(Fraction(part[i, c]) for part in parts for i in rows) / len(rows)
                square += (exact - Fraction(mean[j, c]) - Fraction(rest[j, c])) ** 2
                plain += (exact - Fraction(mean[j, c])) ** 2
        assert square <= error**2, case
        size = Fraction(float(np.abs(high).max()))
        assert error <= size * 40 * len(place) / 2**104 + Fraction(1, 2**1060)
        if case % 3 == 0 and low is None:
            assert error == 0
        missed += plain > error**2
    assert missed > 100  # the control: nearest floats alone are not within these bounds


def test_averages_that_overflow_are_refused() -> None:
    with pytest.raises(UndecidedError):
        averages(np.array([0, 0]), np.array([[1.7e308], [-1.7e308]]), None)


# -- against exact rationals ----------------------------------------------------------------------------------------

SEEDS = range(24)


@pytest.mark.parametrize("arithmetic", ["auto", "float64", "ball"])
def test_nothing_contradicts_exact_rationals(arithmetic: str) -> None:
    told = sum((contradictions(drawn(seed), arithmetic) for seed in SEEDS), collections.Counter[str]())
    assert told.pop("compared") > 150
    assert not told


def test_the_first_copy_instead_of_the_mean_is_contradicted(monkeypatch: pytest.MonkeyPatch) -> None:
    def first(place: Any, high: Any, low: Any) -> Any:
        rows = np.unique(place, return_index=True)[1]
        return high[rows], np.zeros_like(high[rows]), Fraction(0)

    monkeypatch.setattr(repeated, "averages", first)
    told = sum((contradictions(drawn(seed), "auto") for seed in range(6)), collections.Counter[str]())
    told.pop("compared")
    assert told


def test_a_ridge_counts_copies() -> None:
    """With a ridge a row that is there twice weighs twice: the averages of distinct rows would be another minimiser."""
    features = np.array([[1.0, 0, 0], [0, 1, 0], [1, 0, 0]])
    model = CertifiedForms(mt.UnlearningProblem(features, np.array([1.0, 1, 1]), [1]))
    w = model.fit(model.everything, model.targets(model.everything), ridge=1.0)
    assert abs(float(w.parameters[0, 0]) - 2 / 3) <= float(w.radius) + 2.0**-53
    assert w.radius < 1e-14  # 1/2 without the copy


def test_copies_see_the_error_of_a_fit_as_often_as_they_are_there() -> None:
    """The exact answer is 1/3 on all three copies; a float is off by some error, and their images by √3 times that."""
    features = np.array([[3.0, 0, 0, 0, 0], [3, 0, 0, 0, 0], [3, 0, 0, 0, 0], [0, 1, 0, 0, 0]])
    model = CertifiedForms(mt.UnlearningProblem(features, np.array([1.0, 1, 1, 0]), [3]))
    w = model.retrained
    one = model.systems.of((0,)).fit(np.array([[1.0]]), None)
    assert w.image is not None
    assert one.image is not None
    assert w.image**2 >= 3 * one.image**2 > 0


def test_rows_that_repeat_span_no_more_than_the_distinct_ones() -> None:
    features = np.tile(np.eye(5)[:3], (2, 1))  # six rows, five columns, rank 3
    problem = mt.UnlearningProblem(features, np.ones(6), [0])
    assert not _spans_everything(CertifiedForms(problem), problem)
    whole = mt.UnlearningProblem(np.tile(np.eye(3), (2, 1)), np.ones(6), [0])
    assert _spans_everything(CertifiedForms(whole), whole)


def test_the_smallest_positive_eigenvalue_is_enclosed() -> None:
    features = np.array([[3.0, 0, 0, 0], [0, 1, 0, 0], [0, 1, 0, 0], [0, 1, 0, 0]])  # eigenvalues 9, 3, 0, 0
    smallest, largest = CertifiedForms(mt.UnlearningProblem(features, np.ones(4), [0])).spectrum
    assert 0 < smallest.lower <= 3 <= smallest.upper
    assert largest.lower <= 9 <= largest.upper < 9.001


# -- a table with one row too many ----------------------------------------------------------------------------------


def test_one_copy_leaves_nothing_undecided() -> None:
    report = mt.check(table())
    assert Verdict.UNDECIDED not in {row.verdict for row in report.rows}
    assert report.theorem("exact-labels").verdict is Verdict.CERTIFIED
    assert report.theorem("exact-labels").arithmetic == "verified float64"
    assert report["leave-block-out"].verdict is Verdict.VACUOUS
    # The control: a row that is dependent but no copy is left to exact arithmetic.
    other = mt.check(table(factor=2.0), ["exact-labels", "full-rank"], budget=0.01)
    assert other["exact-labels"].verdict is Verdict.UNDECIDED


def test_copies_of_all_rows_of_a_tall_table_are_decided() -> None:
    rng = np.random.default_rng(0)
    features = np.tile(rng.standard_normal((20, 30)), (2, 1))  # 40 rows, 30 columns, rank 20
    problem = mt.UnlearningProblem(features, rng.standard_normal(40), [0, 25])
    for arithmetic in ("auto", "ball"):
        row = mt.check(problem, ["exact-labels"], arithmetic).theorem("exact-labels")
        assert row.verdict is Verdict.CERTIFIED, arithmetic


def test_problems_without_copies_never_meet_averages(monkeypatch: pytest.MonkeyPatch) -> None:
    def called(*arguments: Any) -> None:
        raise AssertionError("averaged without need")

    monkeypatch.setattr(scaled_features, "RepeatedSystem", called)
    rng = np.random.default_rng(0)
    for shape in ((12, 20), (20, 12)):
        mt.check(mt.UnlearningProblem(rng.standard_normal(shape), rng.standard_normal(shape[0]), [0, 1]))
    tall = np.tile(
        rng.standard_normal((20, 5)), (2, 1)
    )  # more distinct rows than columns, which are independent
    mt.check(mt.UnlearningProblem(tall, rng.standard_normal(40), [0, 1]), ["exact-labels"])
    with pytest.raises(AssertionError, match="without need"):
        mt.check(table(), ["exact-labels"])


def test_features_that_are_equal_as_floats_may_be_others_of_the_map() -> None:
    X = np.random.default_rng(0).standard_normal((5, 2))
    fm = GaussianFeatures(n_features=8, bandwidth=1.0, seed=0).fit(X)
    error = feature_error(fm, X, fm.transform(X))
    plain = mt.UnlearningProblem(fm.transform(X), np.ones(5), [2])
    assert perturbation(plain, error).margin.floor > 0
    features = fm.transform(X)
    features[4] = features[0]
    with pytest.raises(UndecidedError, match="equal"):
        perturbation(mt.UnlearningProblem(features, np.ones(5), [2]), error)


# -- the terminal ---------------------------------------------------------------------------------------------------


def test_what_many_rows_need_is_said_once(capsys: pytest.CaptureFixture[str]) -> None:
    slugs = ["exact-labels", "label-free", "gap-formula", "full-rank", "over-parameterised"]
    report = mt.check(table(factor=2.0), slugs, budget=0.01)
    undecided = [row for row in report.rows if row.verdict is Verdict.UNDECIDED]
    assert len(undecided) > 4
    needs = min((row.needs for row in undecided), key=len)
    assert all(row.needs.endswith(needs) for row in undecided)
    assert any(row.needs != needs for row in undecided)  # another row is to be decided first, by the same
    show_report(report)
    shown = " ".join(capsys.readouterr().out.split())
    assert shown.count("--arithmetic rational tries it") == 1
    assert f"[1] {len(undecided)} rows are not decided: {needs}" in shown
    assert shown.count("see [1] below") == len(undecided)


def test_what_one_row_needs_is_said_in_it(capsys: pytest.CaptureFixture[str]) -> None:
    show_report(mt.check(table(factor=2.0), ["full-rank"], budget=0.01))
    shown = capsys.readouterr().out
    assert "--arithmetic rational tries it" in shown
    assert "[1]" not in shown


def test_rows_of_several_outputs_are_told_by_the_samples_that_can_be_forgotten() -> None:
    jacobians = np.random.default_rng(0).standard_normal((4, 3, 20))
    jacobians[3, 1] = jacobians[1, 1]
    problem = mt.UnlearningProblem(jacobians, np.zeros((4, 3)), forget=[3])
    (told,) = (row.value for row in problem.understood if row.word == "equal rows")
    assert told.startswith(
        "1 of 12 rows of Φ repeats another (output 1 of sample 1 and output 1 of sample 3); "
    )
    assert "; sample 1 is retained and still teaches sample 3, which is to be forgotten: forget both" in told
    blocks = mt.UnlearningProblem(lambda: [jacobians[:1], jacobians[1:]], np.zeros((4, 3)), forget=[3])
    assert [row.value for row in blocks.understood if row.word == "equal rows"] == [told]
    both = mt.UnlearningProblem(jacobians, np.zeros((4, 3)), forget=[1, 3])  # the cure, obeyed
    assert not any("still teaches" in row.value for row in both.understood)
