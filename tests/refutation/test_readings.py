"""A claim without one of its hypotheses: what is said of a counterexample is true of it, number by number."""

from __future__ import annotations

import re
from fractions import Fraction

import numpy as np
import pytest

import muso_theory as mt
from muso_theory.refutation.trials import claim_trial

PHI = np.array([[1, 0, 0, 0], [0, 0, 2, 1], [3, 0, 2, 1]])
PROBLEM = mt.UnlearningProblem(PHI[:2], np.array([[1, 2], [-1, 5]]), [1])
EXACT = np.array([[Fraction(x) for x in row] for row in PHI[:, [0, 2]].tolist()], dtype=object)
SINGULAR = mt.UnlearningProblem(EXACT, np.array([1, 2, 4]), [2])


def fractions(words: str) -> list[Fraction]:
    return [Fraction(found) for found in re.findall(r"(?<![\w_])-?\d+(?:/\d+)?", words)]


@pytest.mark.parametrize(
    ("slug", "dropped"),
    [("start-span", "start-in-span"), ("momentum", "start-in-span"), ("early-stopping", "start-in-span")],
)
def test_a_start_off_the_rows_is_the_first_that_leaves_a_part(slug: str, dropped: str) -> None:
    found = claim_trial(slug, dropped).attempt(PROBLEM)
    off = np.eye(4) - np.linalg.pinv(PHI[:2]) @ PHI[:2]
    left = (off**2).sum(axis=0) * 2  # of each e_j in both outputs
    first = int(np.flatnonzero(left > 1e-12)[0])
    assert first == 1
    assert found.failure is not None
    assert f"e_{first + 1} " in found.detail
    assert found.square_gap == fractions(found.detail)[-1]
    assert float(found.square_gap) == pytest.approx(left[first])
    # Where the rows span everything there is no such start.
    whole = mt.UnlearningProblem(np.eye(3, dtype=int), np.array([1, 2, 3]), [1])
    assert claim_trial(slug, dropped).attempt(whole).failure is None


@pytest.mark.parametrize("outputs", [1, 2])
def test_a_step_size_that_is_too_large_takes_it_no_nearer(outputs: int) -> None:
    problem = mt.UnlearningProblem(PHI[:2], PROBLEM.targets[:, :outputs], [1])
    found = claim_trial("implicit-bias", "step-size").attempt(problem)
    eta, *_, now, before = fractions(found.detail.replace("‖²", ""))
    phi = np.array([[Fraction(x) for x in row] for row in PHI[:2].tolist()], dtype=object)
    values = (np.linalg.pinv(PHI[:2]) @ problem.targets).tolist()
    error = np.array([[Fraction(x).limit_denominator(1000) for x in row] for row in values], dtype=object)
    after = error - eta * (phi.T @ (phi @ error))
    assert [before, now] == [sum(x * x for x in e.ravel().tolist()) for e in (error, after)]
    assert found.square_gap == now >= before
    assert eta * np.linalg.eigvalsh(PHI[:2] @ PHI[:2].T)[-1] >= 2


def test_labels_of_a_formula_without_meaning_are_told() -> None:
    for slug in ("leave-block-out", "downdate"):
        found = claim_trial(slug, "full-rank").attempt(SINGULAR)
        labels = re.findall(r"'(-?[\d/]+)'", found.detail)
        assert len(labels) == len(SINGULAR.forget)
        gap = mt.parameter_gap(SINGULAR, np.array([float(Fraction(label)) for label in labels]))
        assert float(found.square_gap or 0) == pytest.approx(gap**2, abs=1e-12)
        assert (found.failure is None) is (found.square_gap == 0)
