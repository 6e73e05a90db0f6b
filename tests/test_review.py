"""What a hostile reading found: each test holds the defect that its name states shut."""

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
from muso_theory.claims import case, families
from muso_theory.errors import BadInputError
from muso_theory.evidence import Allowance, Audit, Evidence, Scope, Verdict
from muso_theory.inputs import Source, prepare
from muso_theory.linear.certified import CertifiedForms
from muso_theory.numbers import FLOAT64, Quantity
from muso_theory.numbers.gram import blocked_gram
from muso_theory.rechecking import digest
from muso_theory.repeat import recheck

GOOD = (Verdict.PROVED, Verdict.CERTIFIED, Verdict.MEASURED)


def _generic() -> tuple[np.ndarray[Any, Any], np.ndarray[Any, Any]]:
    rng = np.random.default_rng(0)
    return rng.normal(size=(4, 9)), rng.normal(size=4)


# -- enclosures that do not hold the truth ---------------------------------------------------------------


def test_unsound_gram_of_unsorted_columns_takes_other_rows() -> None:
    """[0, 4, 2, 3] spans as many columns as range(0, 4) and is read as if it were that range."""
    assert blocked_gram(np.arange(5.0)[None], columns=np.array([0, 4, 2, 3])).item() == 16 + 4 + 9


def test_unsound_sequential_requests_refuted_although_proved() -> None:
    problem = mt.UnlearningProblem(
        np.array([[1.0], [2], [4], [8], [16]]), np.array([1.0, 0, 0, 0, 3]), [1, 2, 3]
    )
    assert mt.check(problem, "sequential-requests")["sequential-requests"].verdict in GOOD


def test_unsound_certified_fit_on_unsorted_retain_set() -> None:
    features = np.array([[1.0], [2], [4], [8], [16]])
    m = CertifiedForms(mt.UnlearningProblem(features, np.array([1.0, 0, 0, 0, 3]), [2]))
    rows = (0, 3, 1, 2)  # samples 0, 4, 1, 3
    fit, truth = m.fit(rows, m.targets(rows)), Fraction(49, 325)
    off = abs(Fraction(float(fit.high[0, 0])) + Fraction(float(fit.low[0, 0])) - truth)
    assert off <= fit.radius


def test_unsound_wrong_labels_certified_because_wide_integers_are_rounded() -> None:
    """2^53 + 1 rounds to 2^53, which passes the test of being at most 2^53."""
    features, targets = np.array([[1.0, 0], [1.0, 1.0]]), np.array([2**53 + 1, 2**53 - 1000])
    problem = mt.UnlearningProblem(features, targets, [1])
    labels = np.array([2.0**53])
    row = "exact-labels[labels]"
    exact = mt.check(problem, "exact-labels", "rational", labels=labels, tolerance=0)[row]
    found = mt.check(problem, "exact-labels", labels=labels, tolerance=0)[row]
    assert exact.verdict is Verdict.REFUTED
    assert found.verdict is Verdict.REFUTED
    assert found.findings[0].quantity.upper >= 1


# -- true claims REFUTED, false conditions CERTIFIED ------------------------------------------------------


def test_false_verdict_solution_set_refuted_by_large_targets() -> None:
    """The test label is one feature row away, the noise floor grows with the targets."""
    features, targets = _generic()
    problem = mt.UnlearningProblem(features, targets * 1e8, [1])
    assert mt.check(problem, "label-solution-set")["label-solution-set"].verdict in GOOD


@pytest.mark.parametrize("arithmetic", ["auto", "rational"])
def test_false_verdict_solution_set_refuted_by_zero_forget_row(arithmetic: str) -> None:
    """Φ_F = 0: every label is exact, there is none outside the set to be found."""
    features = np.array([[1.0, 0, 1], [0, 1, 2], [0, 0, 0]])
    problem = mt.UnlearningProblem(features, np.array([1.0, 2, 3]), [2])
    report = mt.check(problem, "label-solution-set", arithmetic)
    assert report["label-solution-set"].verdict is not Verdict.REFUTED


def test_false_verdict_solution_set_refuted_by_float_underflow_in_rational_mode() -> None:
    features, targets = _generic()
    problem = mt.UnlearningProblem(features * 2.0**-560, targets, [1])
    report = mt.check(problem, "label-solution-set", "rational")
    assert report["label-solution-set"].verdict is Verdict.PROVED


def _barely_inconsistent() -> mt.UnlearningProblem:
    rows = np.column_stack([np.ones(6), np.arange(6.0)])
    return mt.UnlearningProblem(rows, 1e7 + np.array([0, 1.0, 0, 1, 0, 1]), [5])


@pytest.mark.parametrize("slug", ["interpolable-retain", "interpolates-retain", "least-squares-on-retain"])
def test_false_verdict_condition_certified_although_proved_false(slug: str) -> None:
    """‖y_R − Φ_R w_r‖ ≥ 1 is proved: a violation of 1e-7 of the data's norm, certified as a bound and not as zero."""
    report = mt.check(_barely_inconsistent(), slug)
    assert report[slug].findings[0].quantity.lower > 0
    assert report[slug].verdict is Verdict.CERTIFIED
    assert report[slug].bound > 1
    strict = mt.check(_barely_inconsistent(), slug, tolerance=0)
    assert strict[slug].verdict is Verdict.VACUOUS


@pytest.mark.parametrize("slug", ["label-free", "downsampling"])
def test_false_verdict_theorem_refuted_where_its_hypothesis_fails(slug: str) -> None:
    assert mt.check(_barely_inconsistent(), slug, "rational")[slug].verdict is Verdict.VACUOUS
    assert mt.check(_barely_inconsistent(), slug)[slug].verdict is Verdict.VACUOUS


def test_false_verdict_conditioning_passes_because_the_small_eigenvalue_is_dropped() -> None:
    """K is regular with κ about 1e19; κ⁺ leaves out what float64 cannot see and finds 10."""
    features, targets = _generic()
    features[3] = features[0] + 1e-9 * np.random.default_rng(1).normal(size=9)
    report = mt.check(mt.UnlearningProblem(features, targets, [1]), ["conditioning", "full-rank"])
    assert report["full-rank"].verdict in (Verdict.PROVED, Verdict.CERTIFIED)
    assert report["conditioning"].verdict not in GOOD


def test_false_verdict_float64_makes_a_true_condition_vacuous() -> None:
    """A measurement refutes nothing; here it says VACUOUS and excuses every claim that needs the condition."""
    features, targets = _generic()
    features[2] = features[0] + 1e-9 * np.random.default_rng(1).normal(size=9)
    problem = mt.UnlearningProblem(features, targets, [1])
    assert mt.check(problem, "interpolates-retain", "rational")["interpolates-retain"].verdict in GOOD
    measured = mt.check(problem, "interpolates-retain", "float64")["interpolates-retain"]
    assert measured.verdict is not Verdict.VACUOUS


def test_false_verdict_wrong_labels_pass_when_parameters_are_given_too() -> None:
    features, targets = _generic()
    problem = mt.UnlearningProblem(features, targets, [1])
    right = mt.solve(problem).w_unlearned
    report = mt.check(problem, "exact-labels", labels=np.array([99.0]), w_unlearned=right)
    assert report["exact-labels"].verdict is Verdict.REFUTED


def test_false_verdict_exact_input_is_not_held_to_equality_by_balls() -> None:
    rows = np.array([[1, 0, 1], [1, 1, 0], [2, 1, 2]])
    problem = mt.UnlearningProblem(rows, np.array([1, 2, 9]), [1])
    labels = np.array([Fraction(15, 2) + Fraction(1, 10**9)], dtype=object)
    assert (
        mt.check(problem, "exact-labels", "ball", labels=labels)["exact-labels[labels]"].verdict
        is Verdict.REFUTED
    )


# -- checks that cannot see what they are about -----------------------------------------------------------


def _verdict(model: Any, slug: str) -> Verdict:
    findings, _ = families.CHECKS[slug].theorem(case.Case(model.problem, model))
    return Evidence(slug, Scope.INSTANCE, tuple(findings), model.name).verdict


def test_a_pretrained_model_that_is_not_minimum_norm_is_refuted() -> None:
    rows = np.array([[1, 0, 1, 0], [1, 1, 0, 0], [0, 1, 1, 0]])
    problem = mt.UnlearningProblem(rows, np.array([1, 2, 5]), [1], np.zeros(4, dtype=int))
    beside = mt.solve(problem).w_pretrained + np.array([0, 0, 0, 1.0])
    report = mt.check(problem, "implicit-bias", w_pretrained=beside)
    assert report["implicit-bias[w_pretrained]"].verdict is Verdict.REFUTED


def test_blind_certified_exact_labels_never_fine_tunes() -> None:
    """Claim 2 is certified by formula 6, so fine-tuning that does nothing passes."""
    features, targets = _generic()
    model = CertifiedForms(mt.UnlearningProblem(features, targets, [1]))
    model.unlearned = lambda labels, start=None: model.pretrained  # type: ignore[method-assign]
    assert _verdict(model, "exact-labels") is not Verdict.CERTIFIED


# -- words ------------------------------------------------------------------------------------------------


def test_words_an_upper_bound_is_not_printed_as_a_lower_one() -> None:
    finding = Audit("‖w_u − w_r‖", Quantity.enclosure(1.00e-17, 1.01e-17), Allowance(1e-6, 1e-6, ""))
    assert finding.verdict is Verdict.CERTIFIED
    assert "≥" not in str(finding)


def test_words_no_ball_is_promised_to_decide_a_singular_matrix() -> None:
    rng = np.random.default_rng(0)
    features = rng.normal(size=(30, 60))
    features[1] = features[0]
    problem = mt.UnlearningProblem(features, rng.normal(size=30), [2])
    for budget in (1e-9, 1e-2):  # the second suffices to find out the rank modulo a prime
        found = mt.check(problem, "exact-labels", budget=budget)["exact-labels"]
        assert found.verdict is Verdict.UNDECIDED
        assert found.needs.startswith("--arithmetic rational")
    assert "balls cannot" in found.needs


# -- crashes ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("arithmetic", ["auto", "ball", "float64"])
def test_crash_large_targets(arithmetic: str) -> None:
    features, targets = _generic()
    assert len(mt.check(mt.UnlearningProblem(features, targets * 1e200, [1]), arithmetic=arithmetic)) > 0


def test_what_overflows_is_not_measured_as_zero() -> None:
    """A negative infinity, or infinity minus itself, was cut off at zero like a rounding error."""
    large = np.array([[1e200], [1e200]])
    for sign in (1.0, -1.0):
        gram = np.array([[1e200, sign * 1e200], [sign * 1e200, 1e200]])
        for k in (gram, -gram):
            assert FLOAT64.energy(large, k).bound == np.inf
    assert FLOAT64.square_norm(large).bound == np.inf
    assert FLOAT64.energy(np.array([[1.0]]), np.array([[-1e-20]])).bound == 0
    # And beside a scale that overflowed nothing is small.
    allowed = Allowance.of_scale(Fraction(1, 10**6), Quantity.measured(np.inf), "a scale")
    assert Audit("gap", Quantity.measured(1.0), allowed).verdict is Verdict.UNDECIDED


@pytest.mark.parametrize("arithmetic", ["auto", "float64"])
def test_crash_largest_start(arithmetic: str) -> None:
    features, targets = _generic()
    problem = mt.UnlearningProblem(features, targets, [1], np.full(9, 1.7e308))
    plan: dict[str, Any] = {"optimizer": "gd", "lr": 0.1, "epochs": 50}
    assert len(mt.check(problem, arithmetic=arithmetic, budget=2.0, **plan)) > 0


@pytest.mark.parametrize(("optimizer", "lr"), [("gd", 0.1), ("adam", 1e150)])
def test_crash_training_beyond_the_squares_of_floats(optimizer: str, lr: float) -> None:
    features, targets = _generic()
    for problem in (features * 1e100, targets), (features, targets * 1e200):
        report = mt.check(
            mt.UnlearningProblem(*problem, [1]), "optimizer-in-span", optimizer=optimizer, lr=lr
        )
        assert "optimizer-in-span" in report


def test_crash_large_exact_targets() -> None:
    rows = np.array([[1, 0, 1], [1, 1, 0], [2, 1, 1]])
    targets = np.array([10**400, 2, 3], dtype=object)
    assert len(mt.check(mt.UnlearningProblem(rows, targets, [1]), arithmetic="rational")) > 0


@pytest.mark.parametrize("arithmetic", ["auto", "ball"])
def test_crash_tiny_features(arithmetic: str) -> None:
    features, targets = _generic()
    assert len(mt.check(mt.UnlearningProblem(features * 2.0**-560, targets, [1]), arithmetic=arithmetic)) > 0


@pytest.mark.parametrize("arithmetic", ["auto", "ball", "rational"])
def test_crash_gram_overflow_although_exact_arithmetic_has_the_range(arithmetic: str) -> None:
    """The refusal advises arithmetic='rational', which then refuses with the same words."""
    features, targets = _generic()
    assert len(mt.check(mt.UnlearningProblem(features * 1e160, targets, [1]), arithmetic=arithmetic)) > 0


def test_crash_one_tiny_row_accused_of_a_wrong_gram_matrix() -> None:
    rng = np.random.default_rng(0)
    features = rng.normal(size=(40, 60))
    features[0] *= 1e-170
    assert len(mt.check(mt.UnlearningProblem(features, rng.normal(size=40), [1]), "conditioning")) > 0


def test_crash_boolean_start() -> None:
    features, targets = _generic()
    assert (
        len(mt.check(mt.UnlearningProblem(features, targets, [1], np.ones(9, dtype=bool)), "start-span")) > 0
    )


@pytest.mark.parametrize(
    "keywords",
    [
        {"subset": "a"},
        {"subset": None},
        {"claims": 3},
        {"claims": [3]},
        {"arithmetic": ["auto"]},
        {"asserted": 3},
        {"progress": 3},
        {"ridge": 10**400},
    ],
)
def test_crash_settings_of_another_type_are_refused_in_words(keywords: dict[str, Any]) -> None:
    features, targets = _generic()
    with pytest.raises(BadInputError, match="try"):
        mt.check(mt.UnlearningProblem(features, targets, [1]), **keywords)


def test_crash_arrays_are_no_problem() -> None:
    with pytest.raises(BadInputError, match="an UnlearningProblem"):
        mt.check(np.eye(3))  # type: ignore[arg-type]


@pytest.mark.parametrize("keywords", [{"claims": []}, {"claims": ["downsampling"], "seed": -1}])
def test_crash_bad_settings_are_refused_in_words(keywords: dict[str, Any]) -> None:
    features, targets = _generic()
    with pytest.raises(BadInputError):
        _ = mt.check(mt.UnlearningProblem(features, targets, [1]), **keywords).verdict


def test_contract_feature_maps_are_in_the_top_namespace() -> None:
    assert mt.GaussianFeatures(n_features=4, bandwidth="median", seed=0)


# -- tampering that recheck lets pass, the digest computed again ------------------------------------------


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
def test_tampering_passes_recheck(stored: tuple[Path, dict[str, Any]], tamper: Any, tmp_path: Path) -> None:
    data, document = stored
    path = tmp_path / "report.json"
    path.write_text(json.dumps(document), encoding="utf-8")
    assert not recheck(path, str(data)).mismatches
    tamper(document)
    document["digest"] = digest(document)
    path.write_text(json.dumps(document), encoding="utf-8")
    assert recheck(path, str(data)).mismatches


@pytest.mark.parametrize(
    ("key", "value"), [("evidence", []), ("evidence", {}), ("input", []), ("settings.seed", "x")]
)
def test_crash_recheck_of_a_malformed_report(
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
