"""Whether what is forgotten went into the feature map: a condition of its own, and of no theorem."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from sklearn.base import BaseEstimator
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer, StandardScaler

import muso_theory as mt
from muso_theory.claims import CATALOGUE
from muso_theory.evidence import Verdict
from muso_theory.inputs import Source, prepare
from tests.running import write
from verification.commands import muso

SLUG = "map-free-of-forget"
RNG = np.random.default_rng(0)
X, Y, FORGET = RNG.standard_normal((9, 2)), RNG.standard_normal(9), [4]
MOVED = X.copy()
MOVED[FORGET] += 5.0


def made(X: Any = X, feature_map: Any = None, **options: Any) -> mt.UnlearningProblem:
    fm = mt.GaussianFeatures(n_features=12) if feature_map is None else feature_map
    return mt.UnlearningProblem.from_data(X, Y, forget=FORGET, feature_map=fm, **options)


def verdict(problem: mt.UnlearningProblem) -> Verdict:
    return mt.check(problem, SLUG)[SLUG].verdict


def test_the_bandwidth_by_the_forgotten_row_alone() -> None:
    """The verdict is VACUOUS exactly where that row moves the features of the others."""
    keep = np.setdiff1d(np.arange(9), FORGET)
    for fit_map, expected in (("retain", Verdict.PROVED), ("all", Verdict.VACUOUS)):
        one, other = (made(data, fit_map=fit_map) for data in (X, MOVED))
        same = one.feature_map.bandwidth_ == other.feature_map.bandwidth_
        assert same == np.array_equal(one.features[keep], other.features[keep])
        assert (verdict(one), same) == (expected, expected is Verdict.PROVED)
    row = mt.check(made(fit_map="all"), SLUG)[SLUG]
    assert row.summary == "samples to forget that the map was fitted on = 1"
    assert "has not forgotten" in row.meaning


def test_a_map_that_reads_no_samples_depends_on_none_whatever_it_is_fitted_on() -> None:
    given = mt.GaussianFeatures(n_features=12, bandwidth=1.5)
    for fm in (given, given.fit(X), FunctionTransformer(np.tanh), mt.IdentityFeatures()):
        one, other = (made(data, fm, fit_map="all") for data in (X, MOVED))
        keep = np.setdiff1d(np.arange(9), FORGET)
        np.testing.assert_array_equal(one.features[keep], other.features[keep])
        # What a function holds is not seen from outside: there nothing is proved.
        proved = not isinstance(fm, FunctionTransformer)
        assert one.map_fitted_on == "nothing"
        assert verdict(one) is (Verdict.PROVED if proved else Verdict.MEASURED)
    # The negative control: a scaler before it reads them.
    scaled = make_pipeline(StandardScaler(), mt.GaussianFeatures(n_features=12, bandwidth=1.5))
    assert verdict(made(feature_map=scaled, fit_map="all")) is Verdict.VACUOUS
    assert verdict(made(feature_map=scaled)) is Verdict.PROVED
    assert verdict(mt.UnlearningProblem.from_data(X, Y, forget=FORGET)) is Verdict.PROVED


def test_public_samples_are_no_copies_of_what_is_forgotten() -> None:
    public = RNG.standard_normal((7, 2))
    assert verdict(made(fit_map=public)) is Verdict.PROVED
    assert verdict(made(fit_map=np.vstack([public, X[:2]]))) is Verdict.PROVED  # retained ones may be known
    leaked = made(fit_map=np.vstack([public, X[FORGET]]))
    assert verdict(leaked) is Verdict.VACUOUS
    told = {row.word: row.value for row in leaked.understood}["map fitted on"]
    assert told == "8 public samples, 1 of them to be forgotten"


def test_copies_with_fewer_decimals_are_told_and_others_are_not() -> None:
    rng = np.random.default_rng(1)
    data, forget = rng.standard_normal((40, 4)), [3, 17]
    others = rng.standard_normal((30, 4))

    def fitted_on(public: Any) -> mt.Evidence:
        fm = mt.GaussianFeatures(n_features=50)
        y = rng.standard_normal(40)
        problem = mt.UnlearningProblem.from_data(data, y, forget=forget, feature_map=fm, fit_map=public)
        return mt.check(problem, SLUG)[SLUG]

    for decimals in (1, 2, 5):
        hidden = np.vstack([others.round(decimals), data[forget].round(decimals)])
        assert "rounded copy" in fitted_on(hidden).needs
        assert fitted_on(hidden).verdict is Verdict.UNDECIDED
        # The controls: other samples of as few decimals, and retained ones.
        for public in (others.round(decimals), np.vstack([others, data[:3]]).round(decimals)):
            assert fitted_on(public).verdict is Verdict.PROVED
    # Numbers so coarse that retained rows round to the same tell nobody apart: what is known is said, and no more.
    data /= 10
    row = fitted_on(np.vstack([(3 * others).round(), data[forget].round()]))
    assert row.verdict is Verdict.PROVED
    assert row.findings[0].what == "samples to forget, not retained too, that equal a public one"
    assert "that it knows none in another form is your word" in row.facts[0]


@pytest.mark.parametrize(
    "problem",
    [
        mt.UnlearningProblem(RNG.standard_normal((9, 12)), Y, FORGET),
        made(feature_map=mt.GaussianFeatures(n_features=12).fit(X)),
        mt.UnlearningProblem.from_data(RNG.standard_normal((9, 1, 12)), Y, forget=FORGET),
    ],
    ids=["features", "fitted", "Jacobians"],
)
def test_of_features_that_were_handed_in_nothing_is_said(problem: mt.UnlearningProblem) -> None:
    report = mt.check(problem)
    assert SLUG not in report
    assert report.exit_status == 0
    asked = mt.check(problem, SLUG)[SLUG]
    assert asked.verdict is Verdict.UNDECIDED
    assert "is unknown" in asked.needs


def test_no_theorem_needs_it_and_those_about_retraining_name_their_map() -> None:
    assert not [claim.slug for claim in CATALOGUE.values() if SLUG in claim.hypotheses]
    free, bound = (mt.check(made(fit_map=on)) for on in ("retain", "all"))
    assert (free.exit_status, bound.exit_status) == (0, 3)
    assert [row.name for row in bound.rows if row.verdict is Verdict.VACUOUS] == [SLUG]
    assert bound["exact-labels"].verdict is Verdict.CERTIFIED
    for slug in ("membership", "removal-certificate"):
        told = [any(SLUG in fact for fact in r.theorem(slug).facts) for r in (free, bound)]
        assert told == [False, True]


def test_by_command(tmp_path: Path) -> None:
    arrays = {"X": X, "y": Y, "forget": np.array(FORGET)}
    path = write(tmp_path / "given.npz", arrays)

    def found(*options: object) -> tuple[int, str | None]:
        size = () if "identity" in options else ("--n-features", 12)
        answer = muso("check", path, *size, *options, "--json", "-")
        return answer.status, answer.verdicts.get(SLUG)

    assert found() == (0, "PROVED")
    assert found("--fit-map", "all") == (3, "VACUOUS")
    assert found("--fit-map", "all", "--bandwidth", 1.5) == (0, "PROVED")
    assert found("--fit-map", "all", "--bandwidth", 1.5, "--standardize") == (3, "VACUOUS")
    assert found("--features", "identity")[1] == "PROVED"
    public = f"public:{tmp_path / 'public.npy'}"
    np.save(tmp_path / "public.npy", X[1::2])
    assert found("--fit-map", public) == (0, "PROVED")
    np.save(tmp_path / "public.npy", X[::2])
    assert found("--fit-map", public) == (3, "VACUOUS")
    assert found("--fit-map", public, "--standardize", "--bandwidth", 1.5) == (3, "VACUOUS")
    features = write(
        tmp_path / "features.npz", {"features": made().features, "y": Y, "forget": np.array([4])}
    )
    answer = muso("check", features, "--json", "-")
    assert (answer.status, SLUG in answer.verdicts) == (0, False)


def test_a_network_that_is_drawn_here_knows_nothing_and_one_from_a_file_may(tmp_path: Path) -> None:
    path = str(write(tmp_path / "given.npz", {"X": X, "y": Y, "forget": np.array(FORGET)}))
    words = {"network": "mlp:2-8-1:erf"}
    assert prepare(Source(path, **words)).problem.map_fitted_on == "nothing"  # type: ignore[arg-type]
    assert prepare(Source(path, standardize=True, **words)).problem.map_fitted_on == "retain"  # type: ignore[arg-type]
    net = mt.networks.mlp([2, 8, 1], activation="erf")
    problem = mt.networks.from_network(net, net.init(0), X, Y, forget=FORGET)
    assert problem.map_fitted_on == "unknown"


def test_a_rounded_copy_of_what_is_forgotten_is_no_proof() -> None:
    public = RNG.standard_normal((7, 2))
    rounded = made(fit_map=np.vstack([public, X[FORGET].round(4)]))
    row = mt.check(rounded, SLUG)[SLUG]
    assert row.verdict is Verdict.UNDECIDED
    assert "next to samples to forget" in row.summary
    assert {r.word: r.value for r in rounded.understood}["map fitted on"] == (
        "8 public samples, 1 of them next to samples to be forgotten"
    )
    # Rounded retained samples may be known, and a public sample far from all proves nothing against itself.
    assert verdict(made(fit_map=np.vstack([public, X[:2].round(4)]))) is Verdict.PROVED
    assert "your word" in str(mt.check(made(fit_map=public), SLUG)[SLUG].facts)


@pytest.mark.parametrize("fit_map", ["retain", "all"])
def test_a_map_that_may_tell_is_a_row_of_every_check(fit_map: str) -> None:
    report = mt.check(made(fit_map=fit_map), "exact-labels")
    assert (SLUG in report.evidence) == (fit_map == "all")
    assert (report.exit_status == 3) == (fit_map == "all")


def test_a_transform_that_reads_the_samples_beside_is_seen() -> None:
    class Centred(BaseEstimator):  # type: ignore[misc]
        def fit(self, X: Any, y: Any = None) -> Centred:
            self.width_ = X.shape[1]
            return self

        def transform(self, X: Any) -> Any:
            return X - X.mean(axis=0)

    for fm in (FunctionTransformer(lambda A: A - A.mean(0)), Centred()):
        assert verdict(made(feature_map=fm)) is Verdict.VACUOUS
        told = {r.word: r.value for r in made(feature_map=fm).understood}["map fitted on"]
        assert told.endswith("depend on those beside it")
    assert verdict(made(feature_map=StandardScaler())) is Verdict.PROVED


def _scaled(Z: Any, by: Any) -> Any:
    return Z / by


class _Foreign(mt.GaussianFeatures):
    """A map of somebody else."""


@pytest.mark.parametrize(
    "feature_map",
    [
        FunctionTransformer(lambda Z: (Z - X.mean(axis=0)) / X.std(axis=0)),
        FunctionTransformer(_scaled, kw_args={"by": X.std(axis=0)}),
        make_pipeline(FunctionTransformer(lambda Z: Z - X.mean(axis=0)), StandardScaler()),
        _Foreign(n_features=12, bandwidth=1.5),
    ],
    ids=["function", "array", "pipeline", "code"],
)
def test_what_functions_arrays_and_code_hold_is_proved_by_nobody(feature_map: Any) -> None:
    row = mt.check(made(feature_map=feature_map), SLUG)[SLUG]
    assert row.verdict is Verdict.MEASURED
    assert any("is your word" in fact for fact in row.facts)


def test_a_bandwidth_that_was_given_may_know_samples() -> None:
    given, found = (
        mt.check(made(feature_map=mt.GaussianFeatures(n_features=12, bandwidth=width)), SLUG)[SLUG]
        for width in (1.5, "median")
    )
    assert given.verdict is found.verdict is Verdict.PROVED
    assert "that the bandwidth given knows no sample is your word" in given.facts
    assert not any("bandwidth" in fact for fact in found.facts)


def test_a_batch_is_noticed_in_each_column() -> None:
    """A column of 10¹⁰ hides no other one, which the mean of the batch moves by less than its rounding."""
    wide = np.column_stack([np.full(9, 1e10), X])
    centred = FunctionTransformer(lambda Z: np.column_stack([Z[:, :1], Z[:, 1:] - Z[:, 1:].mean(axis=0)]))
    assert made(wide, centred).map_fitted_on == "all"
    alone = FunctionTransformer(lambda Z: np.column_stack([Z[:, :1], 2 * Z[:, 1:]]))
    assert made(wide, alone).map_fitted_on == "nothing"
