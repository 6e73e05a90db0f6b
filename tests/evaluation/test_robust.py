"""Statistics under planted outliers, constants, ties, reversed directions and unusable input.

Beside each assertion stands what the textbook form of the same statistic makes of the same data, as its control.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import pytest

from muso_theory import evaluation as E
from muso_theory.arrays import Array
from muso_theory.errors import BadInputError, MusoError
from muso_theory.evaluation.intervals import pairs_interval, wald_interval
from muso_theory.evaluation.margins import diverged_models
from muso_theory.linear.approximation import centred_alignment
from muso_theory.methods.monitors import Convergence, FailureSign, signatures
from muso_theory.numbers import is_constant

ULP = 2.0**-56
"""Spacing of floats in [1/16, 1/8), where the constants below lie."""


def watched_alignment(A: Array, B: Array) -> float:
    """As the monitors of a network take it."""
    return centred_alignment(A, B, constant=0.0)


# -- constant up to rounding ---------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", [np.float32, np.float64])
def test_constant_up_to_rounding_and_no_further(kind: type) -> None:
    u = float(np.finfo(kind).eps)
    for value in (1e-30, 0.1, 36.7, -1e30):
        x = np.full(41, value, dtype=kind)
        near = x.copy()
        near[::2] *= kind(1 + 2 * u)
        assert is_constant(x)
        assert is_constant(near)
        apart = x.copy()
        apart[0] *= kind(1 + 1e3 * u)
        assert not is_constant(apart), value
        assert near.astype(np.float64).var(ddof=1) > 0 or value == 1e-30  # the control: not "== 0"
    assert is_constant(np.zeros(3))
    assert is_constant([1e308, 1e308])
    assert not is_constant([-1e308, 1e308])
    assert not is_constant([1.0, np.nan])
    assert not is_constant([0.0, 1e-300])
    assert is_constant([0.0, 1e-300], scale=1.0)


@pytest.mark.parametrize("alignment", [centred_alignment, watched_alignment])
def test_centring_a_constant_kernel_leaves_no_direction(alignment: Callable[..., float]) -> None:
    rng = np.random.default_rng(0)
    features = rng.standard_normal((6, 9))
    other = features @ features.T
    rows = rng.standard_normal(6)
    for flat in (np.full((6, 6), 0.1), 0.1 + ULP * rng.integers(-1, 2, (6, 6)), rows[:, None] + rows):
        centred = flat - flat.mean(axis=0) - flat.mean(axis=1)[:, None] + flat.mean()
        if np.any(centred):  # the control: what centring leaves does have a direction
            assert abs(np.vdot(centred, other)) > 0
        if alignment is watched_alignment:
            assert alignment(flat, other) == alignment(other, flat) == 0.0
        else:
            with pytest.raises(BadInputError, match="not constant"):
                alignment(flat, other)
            with pytest.raises(BadInputError, match="not constant but got B"):
                alignment(other, flat)
    assert alignment(other, 3 * other + 7) == pytest.approx(1)
    assert alignment(0.1 + 1e-9 * other, other) == pytest.approx(1, abs=1e-5)


def test_shadows_that_all_say_the_same_are_refused_and_equal_margins_are_no_divergence() -> None:
    included = (np.arange(41) % 2 == 0)[:, None]
    with np.errstate(all="ignore"):
        values = 36.7 + 7e-15 * (np.arange(41) % 3)
        control = (36.8 - values.mean()) ** 2 / values.var(ddof=1)
    assert control > 1e20  # what a test for a variance of zero lets through
    for jitter in (0.0, 7e-15):
        shadows = np.full((41, 1), 36.7) + jitter * (np.arange(41)[:, None] % 3)
        for shared in (True, False):
            with pytest.raises(BadInputError, match="vary"):
                E.likelihood_ratio([36.8], shadows, included, shared_variance=shared)
    rng = np.random.default_rng(1)
    retrained = 0.1 + ULP * rng.integers(-2, 3, (40, 5))
    unlearned = 0.1 + ULP * rng.integers(3, 6, (20, 5))
    assert equal_width_klom(unlearned, retrained)[0] > 1
    assert E.klom(unlearned, retrained).mean == 0
    assert E.klom(unlearned.astype(np.float32) + np.float32(1e-7), retrained.astype(np.float32)).mean == 0
    for bins in (3, 9, 10):
        assert E.klom(unlearned + 1e-6, retrained, bins=bins).mean > 0.5


@pytest.mark.parametrize("method", ["logistic", "threshold"])
def test_rounding_errors_rank_nobody(method: str) -> None:
    lifted, plain = np.full(30, 36.7) + 7e-15, np.full(30, 36.7)
    assert (lifted > plain).all()  # the control: as ranks they are told apart without fail
    assert E.roc(lifted, plain).auc == 0.5
    assert E.attack(lifted, plain, method=method).auc == 0.5
    assert E.roc(lifted + 1e-9, plain).auc == 1
    assert E.attack(lifted + 1e-9, plain, method=method).auc == 1


# -- scales that extremes do not set ---------------------------------------------------------------------------


def equal_width_klom(unlearned: np.ndarray, retrained: np.ndarray, bins: int = 9) -> tuple[float, float]:
    """The textbook form: equal bins from the smallest to the largest margin of all groups."""
    half = len(retrained) // 2
    groups = unlearned[:half], retrained[half:], retrained[:half]
    both = np.vstack(groups)
    found = np.zeros(2)
    for column in range(both.shape[1]):
        edges = np.linspace(both[:, column].min(), both[:, column].max(), bins + 1)
        p, null, q = ((np.histogram(g[:, column], edges)[0] + 0.5) / (half + 0.5 * bins) for g in groups)
        found += [np.sum(p * np.log(p / q)), np.sum(null * np.log(null / q))]
    return tuple(found / both.shape[1])


def test_one_diverged_model_does_not_hide_a_difference_and_is_named() -> None:
    rng = np.random.default_rng(2)
    retrained, far = rng.standard_normal((40, 60)), rng.standard_normal((20, 60)) + 8
    lost = retrained.copy()
    lost[7] = 1e6
    assert equal_width_klom(far, retrained)[0] > 2
    assert equal_width_klom(far, lost)[0] < 0.1
    before, after = E.klom(far, retrained), E.klom(far, lost)
    assert before.mean > 2
    assert after.mean > 0.8 * before.mean
    assert (before.diverged, after.diverged) == (((), ()), ((), (7,)))
    assert "retrained 7" in repr(after)
    far[3] -= 1e9
    assert E.klom(far, retrained).diverged == ((3,), ())
    assert E.klom(far, retrained).mean > 0.8 * before.mean


def test_the_null_is_the_retrained_models_own() -> None:
    rng = np.random.default_rng(3)
    retrained = rng.standard_normal((40, 60))
    same, far = rng.standard_normal((20, 60)), rng.standard_normal((20, 60)) + 8
    assert equal_width_klom(far, retrained)[1] < 0.5 * equal_width_klom(same, retrained)[1]
    nulls = [E.klom(group, retrained).null for group in (same, far, 1e6 * same)]
    for null in nulls[1:]:
        np.testing.assert_array_equal(null, nulls[0])
    # Reference and peers are exchangeable with an unlearned group that is retrained ones: equal in the mean.
    means = np.array([(found.mean, found.null_mean) for found in (E.klom(*_groups(rng)) for _ in range(60))])
    difference = means[:, 0] - means[:, 1]
    assert abs(difference.mean()) < 4 * difference.std(ddof=1) / math.sqrt(60)


def _groups(rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    return rng.standard_cauchy((12, 20)), rng.standard_cauchy((24, 20))


def test_klom_sees_shifts_spreads_and_directions_alike() -> None:
    rng = np.random.default_rng(4)
    retrained = rng.standard_normal((60, 200))
    null = E.klom(rng.standard_normal((30, 200)), retrained)
    for change in (lambda x: x + 2, lambda x: x - 2, lambda x: 0.2 * x, lambda x: 5 * x):
        found = E.klom(change(rng.standard_normal((30, 200))), retrained)
        assert found.mean > 2 * null.null_mean
    plus, minus = (E.klom(s * (null_group(4) + 2), s * retrained).mean for s in (1, -1))
    assert plus == pytest.approx(minus, rel=0.1)


def null_group(seed: int) -> np.ndarray:
    return np.random.default_rng(seed).standard_normal((30, 200))


def test_few_or_ordinary_models_are_not_called_diverged() -> None:
    rng = np.random.default_rng(5)
    called = [
        len(diverged_models(rng.standard_normal((20, 1)) + rng.standard_normal((20, 1)))) for _ in range(500)
    ]
    assert sum(called) <= 2
    assert diverged_models(np.array([[0.0], [1e-3], [1.0]])) == ()
    assert diverged_models(np.full((20, 3), 0.1) + ULP * rng.integers(-2, 3, (20, 3))) == ()
    one_sample = rng.standard_normal((20, 9))
    one_sample[3, 2] = 1e9  # off on one sample of nine: an outlier, not a model that diverged
    assert diverged_models(one_sample) == ()


def test_one_diverged_shadow_does_not_blunt_the_likelihood_ratio() -> None:
    rng = np.random.default_rng(6)
    included = rng.random((48, 200)) < 0.5
    member = np.arange(200) < 100
    hardness = rng.normal(0, 3, 200)
    shadows = hardness + 2.5 * included + rng.standard_normal((48, 200))
    observed = hardness + 2.5 * member + rng.standard_normal(200)

    def auc(scores: np.ndarray) -> float:
        return E.roc(scores[member], scores[~member]).auc

    lost = shadows.copy()
    lost[3] = 1e4
    plain = np.array(
        [_log_ratio(observed[j], lost[included[:, j], j], lost[~included[:, j], j]) for j in range(200)]
    )
    clean = auc(E.likelihood_ratio(observed, shadows, included))
    assert auc(plain) < clean - 0.05  # the control: moments of everything
    with pytest.warns(RuntimeWarning, match="shadow models 3 diverged"):
        found = auc(E.likelihood_ratio(observed, lost, included))
    assert found > clean - 0.02
    reversed_ = auc(E.likelihood_ratio(-observed, -shadows, included))
    assert reversed_ == pytest.approx(clean)  # the ratio knows no direction; it learns it from the shadows


def _log_ratio(x: float, inside: np.ndarray, outside: np.ndarray) -> float:
    return float(
        np.log(outside.std(ddof=1) / inside.std(ddof=1))
        - 0.5 * ((x - inside.mean()) / inside.std(ddof=1)) ** 2
        + 0.5 * ((x - outside.mean()) / outside.std(ddof=1)) ** 2
    )


def test_ranks_ignore_how_far_an_outlier_is() -> None:
    rng = np.random.default_rng(7)
    a, b = rng.normal(1, 1, 60), rng.normal(0, 1, 60)
    wild = np.where(a == a.max(), 1e300, a)
    assert E.roc(wild, b).auc == E.roc(a, b).auc
    assert E.roc(-a, -b).auc == pytest.approx(1 - E.roc(a, b).auc, abs=1e-12)
    assert E.roc(np.repeat([0.0, 1.0], 30), np.repeat([0.0, 1.0], 30)).auc == 0.5


# -- two-sided signatures ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("attack", "found"),
    [
        ((0.001, 0.03), (FailureSign.OVER_FORGETTING,)),
        ((0.3, 0.449), (FailureSign.OVER_FORGETTING,)),
        ((0.3, 0.45), ()),
        ((0.46, 0.54), ()),
        ((0.55, 0.7), ()),
        ((0.551, 0.7), (FailureSign.LEAKAGE,)),
    ],
)
def test_attacks_on_either_side_of_the_null_are_signs(
    attack: tuple[float, float], found: tuple[FailureSign, ...]
) -> None:
    assert signatures([], Convergence.SETTLED, attack=attack, null=(0.45, 0.55)) == found
    mirrored = tuple(1 - end for end in reversed(attack))
    swap = {
        FailureSign.LEAKAGE: FailureSign.OVER_FORGETTING,
        FailureSign.OVER_FORGETTING: FailureSign.LEAKAGE,
    }
    if abs(mirrored[0] - 0.55) > 1e-12 and abs(mirrored[1] - 0.45) > 1e-12:
        wanted = tuple(swap[sign] for sign in found)
        assert signatures([], Convergence.SETTLED, attack=mirrored, null=(0.45, 0.55)) == wanted


@pytest.mark.parametrize(
    "ends",
    [
        {"attack": (0.1, 0.2)},
        {"null": (0.1, 0.2)},
        {"attack": (0.2, 0.1), "null": (0.1, 0.2)},
        {"attack": (math.nan, 0.1), "null": (0.1, 0.2)},
        {"attack": (0.1, 0.2), "null": (0.1, 1.2)},
    ],
)
def test_intervals_that_are_none_are_refused(ends: dict[str, tuple[float, float]]) -> None:
    with pytest.raises(BadInputError, match="interval"):
        signatures([], Convergence.SETTLED, **ends)


# -- the score of the literature -----------------------------------------------------------------------------------


def beliefs(scale: float, mean: float, n: int = 300, seed: int = 0) -> np.ndarray:
    wrong = scale * np.abs(np.random.default_rng(seed).normal(mean, mean / 5, n))
    return np.stack([1 - wrong, wrong], axis=1)


@pytest.mark.parametrize("scale", [1e-3, 1e-6, 1e-12])
def test_the_papers_score_warns_where_entropies_are_too_tiny_for_its_solver(scale: float) -> None:
    retain, test = beliefs(scale, 0.05), beliefs(scale, 0.25, seed=1)
    for like in (0.05, 0.25):
        with pytest.warns(RuntimeWarning, match="nats on retain.*tiny or too alike"):
            assert E.paper_membership_score(retain, test, beliefs(scale, like, seed=2)) == 0.0
    # The samples can be told apart; it is the regression that cannot.
    assert E.attack(E.entropy(retain), E.entropy(test)).auc > 0.99


@pytest.mark.parametrize("scale", [1.0, 0.1])
def test_the_papers_score_is_silent_where_it_tells(scale: float) -> None:
    retain, test = beliefs(scale, 0.05), beliefs(scale, 0.25, seed=1)
    scores = [E.paper_membership_score(retain, test, beliefs(scale, like, seed=2)) for like in (0.05, 0.25)]
    assert scores[0] > 0.95
    assert scores[1] < 0.05


# -- unusable input ------------------------------------------------------------------------------------------------

GOOD = np.random.default_rng(8).standard_normal((20, 4))
MASK = np.random.default_rng(9).random((20, 4)) < 0.5
HOLED = np.where(GOOD.max() == GOOD, np.nan, GOOD)
REFUSED: dict[str, tuple[Callable[[], object], str]] = {
    "one shadow with": (
        lambda: E.likelihood_ratio(GOOD[0], GOOD, np.arange(20)[:, None] + np.zeros((1, 4)) == 0),
        "at least two shadow models trained with",
    ),
    "no shadow without": (
        lambda: E.likelihood_ratio(GOOD[0], GOOD, np.ones((20, 4), dtype=bool)),
        "at least two shadow models trained without",
    ),
    "shadows with NaN": (lambda: E.likelihood_ratio(GOOD[0], HOLED, MASK), "finite numbers"),
    "observed NaN": (lambda: E.likelihood_ratio(np.full(4, np.nan), GOOD, MASK), "finite numbers"),
    "mask of numbers": (lambda: E.likelihood_ratio(GOOD[0], GOOD, MASK * 1.0), "bool mask"),
    "KLoM of NaN": (lambda: E.klom(GOOD, HOLED), "finite numbers"),
    "KLoM of two models": (lambda: E.klom(GOOD[:2], GOOD), "at least 3 unlearned and 6 retrained"),
    "KLoM of five retrained": (lambda: E.klom(GOOD, GOOD[:5]), "at least 3 unlearned and 6 retrained"),
    "KLoM of other samples": (lambda: E.klom(GOOD, GOOD[:, :3]), "margins of 4 samples"),
    "negative bins": (lambda: E.klom(GOOD, GOOD, bins=-3), "bins=-3"),
    "half a bin": (lambda: E.klom(GOOD, GOOD, bins=2.5), "bins=2.5"),  # type: ignore[arg-type]
    "no splits": (lambda: E.klom(GOOD, GOOD, splits=0), "splits=0"),
    "negative seed": (lambda: E.klom(GOOD, GOOD, seed=-1), "seed=-1"),
    "quantile beyond one": (lambda: E.klom(GOOD, GOOD).quantile(95), "probability"),
    "scores with NaN": (lambda: E.roc(HOLED[:, 0], np.full(9, np.nan)), "finite numbers"),
    "members only": (lambda: E.roc(GOOD[:, 0], []), "nonmember_scores"),
    "non-members only": (lambda: E.attack(np.zeros((0, 2)), GOOD[:, :2]), "member_scores"),
    "no retain samples": (
        lambda: E.paper_membership_score(np.zeros((0, 2)), [[0.5, 0.5]], [[0.5, 0.5]]),
        "one row a sample",
    ),
    "probabilities with NaN": (lambda: E.entropy([[np.nan, 0.5]]), "finite numbers"),
    "negative successes": (lambda: E.binomial_rate(-1, 5), "successes=-1"),
    "more than all": (lambda: E.binomial_rate(6, 5), "successes=6"),
    "no trials": (lambda: E.binomial_rate(0, 0), "trials=0"),
    "half a success": (lambda: E.binomial_rate(0.5, 2), "successes=0.5"),  # type: ignore[arg-type]
    "NaN successes": (lambda: E.binomial_rate(math.nan, 2), "successes=nan"),  # type: ignore[arg-type]
    "level of one": (lambda: E.binomial_rate(1, 2, 1.0), "confidence level"),
    "no pairs": (lambda: pairs_interval(0.5, 0, 1.0, 0.95), "pairs=0"),
    "negative variance": (lambda: wald_interval(0.5, -1.0, 0.95), "variance"),
    "NaN variance": (lambda: wald_interval(0.5, math.nan, 0.95), "variance"),
    "NaN accuracy": (lambda: E.average_gap({"test": math.nan}, {"test": 1.0}), "finite scores"),
    "no samples": (lambda: E.accuracy([], []), "outputs"),
    "parameters with NaN": (lambda: E.parameter_distance(np.array([np.nan]), np.zeros(1)), "finite"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_unusable_input_is_refused_and_named(name: str) -> None:
    call, words = REFUSED[name]
    with pytest.raises(MusoError, match=words):
        call()
