"""The certified model through a preconditioner: what plain float64 leaves open is decided, and never wrongly."""

from __future__ import annotations

import collections
from dataclasses import replace
from fractions import Fraction
from typing import Any

import numpy as np
import pytest

import muso_theory as mt
from muso_theory.evidence import Verdict
from muso_theory.linear.certified import CertifiedForms
from muso_theory.numbers import UndecidedError, preconditioned
from muso_theory.numbers.preconditioned import PreconditionedSystem
from muso_theory.numbers.preconditioner import Preconditioner
from tests.linear.certified_cases import KINDS, check_case, generate
from verification.performance_kappa import CLAIMS

Array = np.ndarray[Any, Any]
SEED = 11
NAME = "preconditioned float64"


def through_preconditioner(problem: mt.UnlearningProblem) -> CertifiedForms:
    return CertifiedForms(problem, preconditioned=True)


def outcomes(indices: range, model: Any = through_preconditioner) -> collections.Counter[str]:
    counts: collections.Counter[str] = collections.Counter()
    for index in indices:
        counts.update(check_case(generate(SEED, index), model)["outcome"].values())
    return counts


def with_condition(n: int, width: int, condition: float, targets: str = "random") -> mt.UnlearningProblem:
    """A problem whose K (or ΦᵀΦ) has this condition number; a tenth is to be forgotten."""
    rng = np.random.default_rng(n)
    size = min(n, width)
    left = np.linalg.qr(rng.standard_normal((n, size)))[0]
    right = np.linalg.qr(rng.standard_normal((width, size)))[0]
    phi = (left * np.geomspace(1, condition**-0.5, size)) @ right.T
    y = rng.standard_normal(n) if targets == "random" else phi @ rng.standard_normal(width)
    return mt.UnlearningProblem(phi, y, rng.choice(n, n // 10, replace=False))


# -- against exact rationals ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", KINDS)
def test_no_bound_is_ever_violated(kind: str) -> None:
    counts = outcomes(range(KINDS.index(kind), 8 * len(KINDS), len(KINDS)))
    assert counts["VIOLATED"] == 0
    assert counts["sound"] > 0


def test_more_is_decided_than_by_the_plain_model() -> None:
    hard = range(KINDS.index("ill conditioned"), 16 * len(KINDS), len(KINDS))
    plain, better = outcomes(hard, CertifiedForms), outcomes(hard)
    assert better["undecided"] < plain["undecided"] / 2


def test_a_residual_that_is_forgotten_is_seen(monkeypatch: pytest.MonkeyPatch) -> None:
    honest = PreconditionedSystem._solve

    def careless(self: PreconditionedSystem, *arguments: Any, **more: Any) -> Any:
        solved = honest(self, *arguments, **more)
        nothing = replace(solved.image, error=np.zeros_like(solved.image.error))
        return replace(solved, residual=Fraction(0), image=nothing)

    monkeypatch.setattr(PreconditionedSystem, "_solve", careless)
    assert outcomes(range(26))["VIOLATED"] > 0


def test_singular_values_that_are_overrated_are_seen(monkeypatch: pytest.MonkeyPatch) -> None:
    honest = Preconditioner.smallest.func  # type: ignore[attr-defined]
    monkeypatch.setattr(Preconditioner, "smallest", property(lambda self: 2 * honest(self)))
    assert outcomes(range(26))["VIOLATED"] > 0


# -- verdicts ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("targets", ["random", "of a model"])
@pytest.mark.parametrize("condition", [1e13, 1e16, 1e20])
def test_claims_are_decided_without_multiprecision(condition: float, targets: str) -> None:
    report = mt.check(with_condition(120, 180, condition, targets), CLAIMS)
    for slug in CLAIMS:
        row = report.theorem(slug)
        assert row.verdict is Verdict.CERTIFIED, slug
        assert row.arithmetic in ("verified float64", NAME)
    assert report.theorem("full-rank").arithmetic == NAME
    for slug in ("exact-labels", "label-free", "leave-block-out"):
        identity = report.theorem(slug).findings[0]
        assert identity.quantity.upper <= identity.allowed.lower


@pytest.mark.parametrize("condition", [1e13, 1e18])
def test_more_samples_than_features_are_solved_through_columns(condition: float) -> None:
    problem = with_condition(150, 90, condition)
    with pytest.raises(UndecidedError):
        _ = CertifiedForms(problem).spectrum
    model = through_preconditioner(problem)
    assert model.spectrum[0].lower > 0
    gap = model.gap(model.targets(model.forget))
    assert 0 < gap.upper < 1.001 * gap.lower
    report = mt.check(problem, ["exact-labels", "full-rank-forget"])
    assert report.theorem("exact-labels").verdict is Verdict.CERTIFIED
    assert report.theorem("exact-labels").arithmetic == NAME


def test_what_plain_float64_decides_never_meets_the_preconditioner(monkeypatch: pytest.MonkeyPatch) -> None:
    def called(*arguments: Any, **more: Any) -> None:
        raise AssertionError("preconditioned without need")

    monkeypatch.setattr(preconditioned, "precondition", called)
    report = mt.check(with_condition(60, 90, 1e4), CLAIMS)
    assert {report.theorem(slug).arithmetic for slug in CLAIMS} == {"verified float64"}
    with pytest.raises(AssertionError, match="without need"):
        mt.check(with_condition(60, 90, 1e16), CLAIMS)


@pytest.mark.parametrize("shape", [(40, 60), (60, 40)], ids=str)
def test_a_dependent_row_or_column_is_never_full_rank(shape: tuple[int, int]) -> None:
    problem = with_condition(*shape, 1e10)
    features = np.array(problem.features)
    if shape[0] < shape[1]:
        features[5] = 2 * features[6]
    else:
        features[:, 5] = features[:, 6]
    model = through_preconditioner(mt.UnlearningProblem(features, problem.targets, problem.forget))
    with pytest.raises(UndecidedError, match="cannot prove that Φ has full rank"):
        _ = model.spectrum


def test_labels_and_their_low_parts_are_fitted_together() -> None:
    """A label that floats only hold as high + low is fitted as such: rounding it would cost 1/√λ_min."""
    model = through_preconditioner(with_condition(40, 60, 1e13))
    fit = model.unlearned(model.optimal_labels)
    rounded = model.unlearned(model.given(model.optimal_labels.values))
    exact, off = (model.distance(w, model.retrained) for w in (fit, rounded))
    assert exact.bound < off.floor / 10


@pytest.mark.parametrize("exponent", [-350, 0, 350])
def test_features_are_scaled_exactly(exponent: int) -> None:
    problem = with_condition(30, 45, 1e16)
    features = np.ldexp(np.asarray(problem.features), exponent)
    report = mt.check(mt.UnlearningProblem(features, problem.targets, problem.forget), CLAIMS[3:])
    for slug in CLAIMS[3:]:
        assert report.theorem(slug).verdict in (Verdict.CERTIFIED, Verdict.PROVED), slug
