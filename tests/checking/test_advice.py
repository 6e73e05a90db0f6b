"""What an undecided row says would decide it: each word is followed, and must."""

from __future__ import annotations

import re
from fractions import Fraction
from typing import Any

import numpy as np
import pytest

import muso_theory as mt
from muso_theory.checking.ladder import Ladder
from muso_theory.numbers.modular import has_full_rank, seconds_of_rank
from tests.zoo import ZOO
from verification.exact_truth import read

RNG = np.random.default_rng(7)


def graded(n: int, d: int, decades: int) -> mt.UnlearningProblem:
    """Singular values of Φ over some decades: κ(K) is 10^(2·decades)."""
    m = min(n, d)
    left, right = (np.linalg.qr(RNG.standard_normal((k, m)))[0] for k in (n, d))
    phi = (left * np.logspace(0, -decades, m)) @ right.T
    return mt.UnlearningProblem(phi, RNG.standard_normal(n), range(3))


def dependent(n: int, d: int) -> mt.UnlearningProblem:
    """A row of F that is twice one of R."""
    phi = RNG.standard_normal((n, d))
    phi[0] = 2 * phi[-1]
    return mt.UnlearningProblem(phi, RNG.standard_normal(n), [0, 1])


PROBLEMS = {
    "graded": graded(12, 20, 13),
    "tall": graded(20, 6, 12),
    "dependent": dependent(12, 20),
    "tall-deficient": ZOO["tall-deficient"](),
}
CLAIMS = ["full-rank", "full-rank-retain", "exact-labels", "label-free", "leave-block-out", "gap-formula"]


def followed(needs: str) -> dict[str, Any]:
    """The settings that the advice names."""
    found = re.search(r"--arithmetic (\w+)", needs)
    assert found is not None, needs
    return {"arithmetic": found[1]}


@pytest.mark.parametrize("arithmetic", ["auto", "float64", "ball"])
@pytest.mark.parametrize("name", PROBLEMS)
def test_advice_that_is_followed_decides(name: str, arithmetic: str) -> None:
    problem = PROBLEMS[name]
    # No ball and no rational is this cheap, and the rank is.
    settings: dict[str, Any] = {"arithmetic": arithmetic, "budget": 2e-4}
    first = mt.check(problem, CLAIMS, **settings)
    undecided = [row for row in first.rows if row.verdict is mt.Verdict.UNDECIDED]
    reports = {}
    for row in undecided:
        change = followed(row.needs)
        key = str(change)
        if key not in reports:
            reports[key] = mt.check(problem, CLAIMS, **(settings | change))
        then = reports[key].evidence.get(row.name)
        if then is None:  # nothing is handed out by a claim that says nothing here
            assert reports[key].theorem(row.claim).verdict is mt.Verdict.VACUOUS
        else:
            assert then.verdict is not mt.Verdict.UNDECIDED, (row.name, row.needs, then.needs)
    if arithmetic != "ball" or name in ("dependent", "tall-deficient"):
        assert undecided


def test_advice_names_the_cheapest_that_can() -> None:
    regular, singular = (
        Ladder(problem, "auto", 2e-4) for problem in (PROBLEMS["graded"], PROBLEMS["dependent"])
    )
    assert regular.full_rank
    assert singular.full_rank is False
    assert regular.advice().startswith("--arithmetic ball tries 128 bits and more, from about")
    assert singular.advice().startswith("--arithmetic rational tries it")
    assert [rung.name for rung in Ladder(PROBLEMS["dependent"], "auto", 30.0)] == [
        "verified float64",
        "preconditioned float64",
        "rational",
    ]
    assert not Ladder(PROBLEMS["dependent"], "rational", 30.0).advice()


def test_a_rank_that_is_too_dear_is_not_claimed() -> None:
    ladder = Ladder(PROBLEMS["graded"], "auto", 1e-9)
    assert ladder.full_rank is None
    assert ladder.advice().startswith("--arithmetic rational tries it")
    found = re.search(r"--budget (\S+) finds out", ladder.advice())
    assert found is not None
    assert Ladder(PROBLEMS["graded"], "auto", float(found[1])).advice().startswith("--arithmetic ball")


def test_full_rank_modulo_a_prime_against_rationals() -> None:
    rng = np.random.default_rng(3)
    seen = set()
    for case in range(200):
        n, d = (int(k) for k in rng.integers(1, 6, 2))
        phi = rng.integers(-1, 2, (n, d)).astype(np.float64)
        phi = np.ldexp(phi, rng.integers(-1074, 900, (n, 1)) if case % 2 else 0)
        whole = [[Fraction(x) for x in row] for row in phi.tolist()]
        rank = read(phi).rank()
        seen.add(rank == min(n, d))
        assert has_full_rank(phi) == (rank == min(n, d)), phi
        assert has_full_rank(np.array(whole, dtype=object)) == (rank == min(n, d))
    assert seen == {True, False}
    assert not has_full_rank(np.array([[Fraction(1, 2**31 - 1)]]))  # p divides it: nothing is known
    assert has_full_rank(np.array([[2**31]]))
    assert not has_full_rank(np.array([[2**31 - 1]]))
    assert seconds_of_rank(10, 10) < seconds_of_rank(100, 100)


def test_floats_that_are_not_good_enough_name_better_ones() -> None:
    problem = graded(12, 20, 4)
    row = mt.check(problem, ["exact-labels"], tolerance=1e-12)["exact-labels"]
    assert row.name == "exact-labels[output]"
    assert row.verdict is mt.Verdict.UNDECIDED
    assert "within tolerance" in row.needs
    settings: dict[str, Any] = {"tolerance": 1e-12} | followed(row.needs)
    assert mt.check(problem, ["exact-labels"], **settings)["exact-labels"].verdict in (
        mt.Verdict.CERTIFIED,
        mt.Verdict.PROVED,
    )


@pytest.mark.parametrize("decades", [4, 7])
def test_a_tolerance_that_no_floats_meet_is_said_to_be_one(decades: int) -> None:
    problem = graded(12, 20, decades)
    none = mt.check(problem, ["exact-labels"], tolerance=1e-30).evidence["exact-labels[output]"]
    assert none.verdict is mt.Verdict.UNDECIDED
    met = re.fullmatch(
        "also the floats next to the exact answer miss the tolerance; --tolerance (.*) is met", none.needs
    )
    assert met is not None, none.needs
    for tolerance, verdict in (
        (float(met[1]), mt.Verdict.CERTIFIED),
        (0.8 * float(met[1]), mt.Verdict.UNDECIDED),
    ):
        followed = mt.check(problem, ["exact-labels"], tolerance=tolerance).evidence["exact-labels[output]"]
        assert followed.verdict is verdict


@pytest.mark.parametrize("arithmetic", ["auto", "float64", "ball", "rational"])
def test_what_only_float_bounds_enclose_is_not_sent_to_balls(arithmetic: str) -> None:
    problem = graded(12, 20, 12)
    row = mt.check(problem, ["conditioning"], arithmetic, budget=1e-2)["conditioning"]
    assert row.verdict is mt.Verdict.UNDECIDED
    found = re.match(r"--(budget|arithmetic) (\S+) (?:tries|decides it by) preconditioned float64", row.needs)
    assert found is not None, row.needs
    settings: dict[str, Any] = (
        {"budget": float(found[2])} if found[1] == "budget" else {"arithmetic": found[2]}
    )
    assert mt.check(problem, ["conditioning"], **settings)["conditioning"].verdict is mt.Verdict.VACUOUS


@pytest.mark.parametrize("arithmetic", ["ball", "rational"])
def test_no_arithmetic_is_named_where_each_reads_an_overflowing_float(arithmetic: str) -> None:
    problem = mt.UnlearningProblem(np.array([[1e160, 0.0], [0.0, 1.0]]), np.ones(2), [0])
    for slug in ("step-size", "cyclic-sgd"):
        needs = mt.check(problem, [slug], arithmetic)[slug].needs
        assert needs.startswith("nothing in this package decides it"), needs
        assert "arithmetic" not in needs.removeprefix("nothing in this package decides it")


@pytest.mark.parametrize("arithmetic", ["auto", "float64", "ball", "rational"])
def test_features_of_zero_have_every_stable_step_and_no_condition(arithmetic: str) -> None:
    problem = mt.UnlearningProblem(np.zeros((2, 3)), np.ones(2), [0])
    report = mt.check(problem, ["step-size", "conditioning"], arithmetic)
    assert report["step-size"].verdict is mt.Verdict.PROVED
    assert "any η" in report["step-size"].facts[0]
    assert report["conditioning"].verdict is mt.Verdict.UNDECIDED
    assert "no positive eigenvalue" in report["conditioning"].needs


def test_floats_are_not_promised_before_there_may_be_any() -> None:
    row = mt.check(PROBLEMS["dependent"], ["leave-block-out"], budget=2e-4).evidence[
        "leave-block-out[output]"
    ]
    assert row.verdict is mt.Verdict.UNDECIDED
    assert row.needs.startswith("full-rank first: --arithmetic rational")
    after = mt.check(PROBLEMS["dependent"], ["leave-block-out"], "rational")
    assert "leave-block-out[output]" not in after.evidence


def test_floats_of_tiny_features_are_handed_out_or_better_ones_named() -> None:
    problem = mt.UnlearningProblem(np.array([[1e-160, 0.0], [0.0, 1.0]]), np.ones(2), [0])
    row = mt.check(problem, ["exact-labels"]).evidence["exact-labels[output]"]
    if row.verdict is mt.Verdict.UNDECIDED:
        named = followed(row.needs)
        row = mt.check(problem, ["exact-labels"], **named).evidence["exact-labels[output]"]
    assert row.verdict is mt.Verdict.CERTIFIED
    # w_r = (10¹⁶⁰, 0) and w_p = (10¹⁶⁰, 1): the first float is off by more than the whole change of the second.
    problem = mt.UnlearningProblem(np.array([[1e-160, 0.0], [0.0, 1.0]]), np.ones(2), [1])
    row = mt.check(problem, ["exact-labels"]).evidence["exact-labels[output]"]
    assert row.verdict is mt.Verdict.UNDECIDED
    assert row.needs.startswith("also the floats next to the exact answer miss the tolerance")
