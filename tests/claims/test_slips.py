"""Slips of the kind that published code contains, planted: each must be refuted, refused or show in a bound.

Every slip has a clean twin that passes, so that a check which condemns everything fails here too.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import muso_theory as mt
from muso_theory.checking.report import digest
from muso_theory.commands.cli import main
from muso_theory.commands.repeat import recheck
from muso_theory.errors import BadInputError, MusoError
from muso_theory.linear.certified import CertifiedForms
from muso_theory.linear.features import GaussianFeatures
from muso_theory.numbers import FLOAT64, UndecidedError
from muso_theory.numbers.gramcheck import check_gram, spot_check_gram

Array = np.ndarray[Any, Any]


@pytest.fixture(scope="module")
def problem() -> mt.UnlearningProblem:
    """Digits 3 against 7 in 600 random Fourier features, 100 samples, a tenth to forget."""
    from sklearn.datasets import load_digits

    X, y = load_digits(return_X_y=True)
    keep = np.flatnonzero((y == 3) | (y == 7))[:100]
    features = GaussianFeatures(n_features=600, bandwidth=25.0, seed=0)
    targets = np.where(y[keep] == 3, 1.0, -1.0)
    forget = list(range(5, 100, 10))
    return mt.UnlearningProblem.from_data(
        X[keep], targets, forget=forget, feature_map=features, w_init="normal"
    )


def audit(problem: mt.UnlearningProblem, labels: Array, tolerance: float = 1e-6) -> mt.Evidence:
    report = mt.check(problem, "exact-labels", labels=labels, tolerance=tolerance)
    return report["exact-labels[labels]"]


def audited_gap(problem: mt.UnlearningProblem, labels: Array) -> tuple[float, float]:
    """Proved ends of ‖w_u − w_r‖."""
    quantity = audit(problem, labels).findings[0].quantity
    return quantity.floor, quantity.bound


# -- slips in labels, audited ---------------------------------------------------------------------------------


def projector_labels(problem: mt.UnlearningProblem, ridge: float, weight: float) -> Array:
    """Φ_F(w₀ + Π(w_p − w₀)), Π = Φ_Rᵀ(εI + weight·Φ_RΦ_Rᵀ)⁻¹Φ_R."""
    retained, forgotten = problem.features[problem.retain], problem.features[problem.forget]
    start = problem.w_init
    assert start is not None
    travelled = mt.solve(problem).w_pretrained - start
    inner = np.linalg.inv(ridge * np.eye(len(retained)) + weight * (retained @ retained.T))
    return np.asarray(forgotten @ (start + retained.T @ (inner @ (retained @ travelled))))


def test_the_published_woodbury_rewrite(problem: mt.UnlearningProblem) -> None:
    ridge = 1e-10
    assert audit(problem, projector_labels(problem, ridge, 1.0)).verdict is mt.Verdict.CERTIFIED
    slip = audit(problem, projector_labels(problem, ridge, ridge))  # (εI + εZZᵀ)⁻¹
    assert slip.verdict is mt.Verdict.REFUTED
    doing_nothing = mt.solve(problem).pretrained_gap
    assert slip.findings[0].quantity.floor > 1e6 * doing_nothing  # a "projector" of size 1/ε


def dual_labels(problem: mt.UnlearningProblem, gram: Array) -> Array:
    """Φ_F w_r by the usual dual formula, from a Gram matrix in the order retain, forget."""
    order, count = np.concatenate([problem.retain, problem.forget]), len(problem.retain)
    rest = problem.targets[order] - problem.features[order] @ problem.w_init
    initial = (problem.features[order] @ problem.w_init)[count:]
    return np.asarray(initial + gram[count:, :count] @ np.linalg.solve(gram[:count, :count], rest[:count]))


def gram_of(problem: mt.UnlearningProblem) -> Array:
    return FLOAT64.gram(problem.features[np.concatenate([problem.retain, problem.forget])])


def test_jitter_added_quietly(problem: mt.UnlearningProblem) -> None:
    gram = gram_of(problem)
    clean = dual_labels(problem, gram)
    slip = dual_labels(problem, gram + 1e-8 * np.eye(len(gram)))
    assert audit(problem, clean).verdict is mt.Verdict.CERTIFIED
    assert audit(problem, clean, tolerance=1e-10).verdict is mt.Verdict.CERTIFIED
    assert audit(problem, slip, tolerance=1e-10).verdict is mt.Verdict.REFUTED
    assert audited_gap(problem, slip)[0] > 1000 * audited_gap(problem, clean)[1]
    with pytest.raises(BadInputError, match="nothing added"):
        check_gram(
            problem.features,
            np.concatenate([problem.retain, problem.forget]),
            gram + 1e-8 * np.eye(len(gram)),
        )


def test_a_gram_entry_wrong_at_1e_minus_9_inside_a_rule(problem: mt.UnlearningProblem) -> None:
    gram = gram_of(problem)
    clean = dual_labels(problem, gram)
    gram[7, 3] = gram[3, 7] = gram[3, 7] * (1 + 1e-9)
    slip = dual_labels(problem, gram)
    assert audited_gap(problem, slip)[0] > 100 * audited_gap(problem, clean)[1]
    assert audit(problem, slip, tolerance=1e-12).verdict is mt.Verdict.REFUTED
    assert audit(problem, clean, tolerance=1e-12).verdict is mt.Verdict.CERTIFIED


def test_one_label_off_by_1e_minus_7(problem: mt.UnlearningProblem) -> None:
    clean = mt.optimal_labels(problem)
    slip = clean.copy()
    slip[4] += 1e-7
    padded = np.zeros(problem.n_samples)
    padded[problem.forget[4]] = 1e-7
    true_gap = float(np.linalg.norm(np.linalg.pinv(problem.features) @ padded))
    low, high = audited_gap(problem, slip)
    assert low <= true_gap * (1 + 1e-6)
    assert high >= true_gap * (1 - 1e-6)
    assert high > low > 100 * audited_gap(problem, clean)[1]
    assert high < 1.001 * low
    tolerance = true_gap / mt.solve(problem).pretrained_gap  # the gap itself, relative to doing nothing
    assert audit(problem, slip, tolerance=0.9 * tolerance).verdict is mt.Verdict.REFUTED
    assert audit(problem, slip, tolerance=1.1 * tolerance).verdict is mt.Verdict.CERTIFIED
    assert audit(problem, clean, tolerance=0.9 * tolerance).verdict is mt.Verdict.CERTIFIED


# -- a Gram matrix handed in ----------------------------------------------------------------------------------


def fourier(n: int, rows_per_feature: int = 2) -> Array:
    rng = np.random.default_rng(n)
    wx = rng.standard_normal((n, 10)) @ rng.standard_normal((10, rows_per_feature * n // 2))
    return np.asarray(np.hstack([np.cos(wx), np.sin(wx)]) / wx.shape[1] ** 0.5)


@pytest.mark.parametrize("n", [50, 200, 1000])
def test_one_wrong_entry_of_a_handed_in_gram_matrix_is_refused(n: int) -> None:
    features, rows = fourier(n), np.arange(n)
    gram = FLOAT64.gram(features)
    check_gram(features, rows, gram)
    for i, j in ((0, 0), (n - 1, n - 1), (3, 7), (n - 1, 2), (n // 2, n // 2 + 1)):
        for mirrored in (True, False):
            wrong = gram.copy()
            wrong[i, j] *= 1 + 1e-9
            if mirrored:
                wrong[j, i] = wrong[i, j]
            with pytest.raises(BadInputError, match=f"row {min(i, j) if mirrored else i} is off"):
                check_gram(features, rows, wrong)
    with pytest.raises(BadInputError, match=rf"\({n}, {n}\)"):
        check_gram(features, rows, np.eye(3))


def test_our_own_gram_matrix_is_only_spot_checked() -> None:
    """Why that is for matrices formed here: random signs see a shift, not one entry among a million."""
    features, rows = fourier(1000), np.arange(1000)
    gram = FLOAT64.gram(features)
    wrong = gram.copy()
    wrong[3, 7] = wrong[7, 3] = wrong[3, 7] * (1 + 1e-9)
    spot_check_gram(features, rows, wrong)
    with pytest.raises(BadInputError, match="nothing added"):
        spot_check_gram(features, rows, gram + 1e-8 * np.eye(1000))


# -- stored reports -------------------------------------------------------------------------------------------


def stored(
    folder: Path, name: str, problem: mt.UnlearningProblem, labels: Array, tolerance: float
) -> tuple[Path, Path]:
    data, report = folder / f"{name}.npz", folder / f"{name}.json"
    arrays = {"features": problem.features, "y": problem.targets, "forget": problem.forget, "labels": labels}
    np.savez(data, w_init=problem.w_init, **arrays)
    words = [
        "check",
        str(data),
        "--claim",
        "exact-labels",
        "--tolerance",
        repr(tolerance),
        "--json",
        str(report),
    ]
    with pytest.raises(SystemExit):
        main(words)
    return data, report


def test_a_report_about_good_labels_does_not_stand_for_slipped_ones(
    problem: mt.UnlearningProblem, tmp_path: Path
) -> None:
    clean = mt.optimal_labels(problem)
    slip = clean.copy()
    slip[4] += 1e-7
    data, report = stored(tmp_path, "clean", problem, clean, 1e-12)
    other, refuted = stored(tmp_path, "slip", problem, slip, 1e-12)
    good, bad = (json.loads(path.read_text()) for path in (report, refuted))
    assert (good["verdict"], bad["verdict"]) == ("CERTIFIED", "REFUTED")
    assert recheck(report, str(data)).mismatches == ()
    assert recheck(refuted, str(other)).mismatches == ()
    assert any("exact-labels" in line for line in recheck(report, str(other)).mismatches)
    # The evidence of the good labels, forged into the report about the slipped ones.
    forged = {**bad, "evidence": good["evidence"], "verdict": "CERTIFIED"}
    forged["digest"] = digest(forged)
    refuted.write_text(json.dumps(forged))
    found = recheck(refuted, str(other)).mismatches
    assert any("verdict" in line for line in found)
    assert any("upper" in line or "stored" in line for line in found)


# -- bad input: a clear error or UNDECIDED, never a hang, never a wrong verdict --------------------------------


def gaussian(n: int, d: int, scale: float = 1.0) -> tuple[Array, Array]:
    rng = np.random.default_rng(0)
    return scale * rng.standard_normal((n, d)), rng.standard_normal(n)


def test_overflow_in_the_gram_matrix_is_a_clear_error_or_decided_in_scaled_features() -> None:
    features, y = gaussian(12, 30, 1e200)
    with pytest.raises(BadInputError, match=r"overflow.*rescaling the features by a power of two"):
        mt.solve(mt.UnlearningProblem(features, y, [1, 3]))
    report = mt.check(mt.UnlearningProblem(features, y, [1, 3]), "exact-labels")
    decided = report.theorem("exact-labels")
    assert report["exact-labels[output]"].verdict is mt.Verdict.UNDECIDED  # float64 hands out nothing
    assert (decided.verdict, decided.arithmetic) == (mt.Verdict.CERTIFIED, "verified float64")
    exact = mt.check(mt.UnlearningProblem(features, y, [1, 3]), "exact-labels", arithmetic="rational")
    assert exact.theorem("exact-labels").verdict is mt.Verdict.PROVED
    scaled = CertifiedForms(mt.UnlearningProblem(features, y, [1, 3]))
    assert scaled.spectrum[0].lower > 0  # scaled by a power of two, exactly


def test_underflow_in_the_gram_matrix_gives_no_wrong_verdict() -> None:
    features, y = gaussian(12, 30, 1e-200)
    report = mt.check(mt.UnlearningProblem(features, y, [1, 3]))
    assert mt.Verdict.REFUTED not in {e.verdict for e in report.values()}
    assert report.theorem("exact-labels").verdict in (mt.Verdict.CERTIFIED, mt.Verdict.PROVED)


@pytest.mark.parametrize("zero", [[3, 5], [1, 3], [0, 1, 2], list(range(12))], ids=str)
@pytest.mark.parametrize("arithmetic", ["auto", "float64", "ball", "rational"])
def test_rows_of_zeros(zero: list[int], arithmetic: str) -> None:
    features, y = gaussian(12, 30)
    features[zero] = 0
    report = mt.check(mt.UnlearningProblem(features, y, [1, 3]), arithmetic=arithmetic)
    assert mt.Verdict.REFUTED not in {e.verdict for e in report.values()}
    assert report["full-rank"].verdict in (mt.Verdict.VACUOUS, mt.Verdict.UNDECIDED)
    if arithmetic in ("auto", "rational"):
        assert report["full-rank"].verdict is mt.Verdict.VACUOUS
        for claim in ("exact-labels", "label-solution-set"):
            assert report.theorem(claim).verdict is mt.Verdict.PROVED
    # A label that is wrong is still told from one that is right, unless nothing depends on labels.
    if arithmetic == "rational" and not {1, 3} <= set(zero):
        wrong = mt.optimal_labels(mt.UnlearningProblem(features, y, [1, 3])) + 1
        found = mt.check(mt.UnlearningProblem(features, y, [1, 3]), labels=wrong, arithmetic=arithmetic)
        assert found["exact-labels"].verdict is mt.Verdict.REFUTED


@pytest.mark.parametrize(
    "make", [lambda: mt.BALL(6), lambda: mt.MP(1), lambda: mt.BALL(0), lambda: mt.MP(-2)]
)
def test_less_than_two_digits(make: Any) -> None:
    with pytest.raises(MusoError, match=r"two|2"):
        make()


def test_an_exact_path_beyond_the_budget_is_undecided_at_once() -> None:
    features, y = gaussian(300, 400)
    # Singular, and no two rows are equal: only rationals could tell.
    features, y = np.vstack([features, 2 * features[:100]]), np.append(y, 2 * y[:100])
    report = mt.check(mt.UnlearningProblem(features, y, [1, 3]), "exact-labels", budget=1.0)
    evidence = report["exact-labels"]
    assert evidence.verdict is mt.Verdict.UNDECIDED
    assert "--arithmetic rational tries it" in evidence.needs
    assert "GB" in evidence.needs
    with pytest.raises(UndecidedError):
        _ = CertifiedForms(mt.UnlearningProblem(features, y, [399])).spectrum
