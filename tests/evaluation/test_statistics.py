"""Accuracies, distances and membership attacks: against naive twins, at the null, and on models that do memorise."""

from __future__ import annotations

import math

import mpmath
import numpy as np
import pytest
from scipy import stats

import muso_theory as mt
from muso_theory.errors import BadInputError
from muso_theory.evaluation.roc import FEWEST_SCORES

E = mt.evaluation


# -- accuracies and distances --------------------------------------------------------------------------


def test_the_three_forms_of_targets_agree() -> None:
    rng = np.random.default_rng(0)
    z = rng.standard_normal(50)
    y = rng.choice([-1, 1], size=50)
    pair, classes = np.stack([-z, z], axis=1), (y + 1) // 2
    one_hot = np.eye(2)[classes]
    naive = sum((a > 0) == (b > 0) for a, b in zip(z, y, strict=True)) / 50
    assert {E.accuracy(z, y), E.accuracy(z[:, None], y[:, None])} == {naive}
    assert {E.accuracy(pair, classes), E.accuracy(pair, one_hot)} == {naive}


def test_an_undecided_output_is_not_right() -> None:
    assert E.accuracy([0.0, 0.0], [1, -1]) == 0.0


@pytest.mark.parametrize(
    ("outputs", "targets"),
    [
        ([0.1, 0.2], [0, 1]),
        ([[0.1, 0.2]], [2]),
        ([[0.1, 0.2]], [0.5]),
        ([[0.1, 0.2, 0.3]], [[1, 1, 0]]),
        ([math.nan], [1]),
        ([], []),
        ([0.1, 0.2], [1]),
    ],
)
def test_ambiguous_or_broken_targets_are_refused(outputs: list[object], targets: list[object]) -> None:
    with pytest.raises(BadInputError, match=r"expected .* but got .*; try "):
        E.accuracy(outputs, targets)


def test_distances_by_definition() -> None:
    rng = np.random.default_rng(1)
    f, g = rng.standard_normal((2, 20, 4))
    p, q = E.probabilities(f), E.probabilities(g)
    assert E.kl_divergence(f, g) == pytest.approx(
        np.mean([stats.entropy(a, b) for a, b in zip(p, q, strict=True)])
    )
    assert E.kl_divergence(f, f + 3) == pytest.approx(0, abs=1e-15)  # softmax does not see a shift
    assert E.function_distance(f, g) == pytest.approx(np.sqrt(((f - g) ** 2).sum() / 20))
    assert E.agreement(f, g) == np.mean(f.argmax(1) == g.argmax(1))
    assert E.parameter_distance([f, f[0]], [g, g[0]]) == pytest.approx(
        math.hypot(np.linalg.norm(f - g), np.linalg.norm(f[0] - g[0]))
    )
    assert E.parameter_distance(np.array([1e200]), np.array([-1e200])) == 2e200
    assert E.kl_divergence([[0.0, 0.0]], [[0.0, 2000.0]]) == pytest.approx(1000 - math.log(2))
    with pytest.raises(BadInputError, match="shapes"):
        E.parameter_distance([f], [f, g])


# -- scores --------------------------------------------------------------------------------------------


def _modified_entropy_50(p: list[str], y: int) -> float:
    with mpmath.workdps(50):
        v = [mpmath.mpf(x) for x in p]
        rest = mpmath.fsum(v[c] * mpmath.log(1 - v[c]) for c in range(len(v)) if c != y)
        return float(-(1 - v[y]) * mpmath.log(v[y]) - rest)


@pytest.mark.parametrize("y", [0, 1, 2])
def test_modified_entropy_against_fifty_digits(y: int) -> None:
    p = ["0.125", "0.874999999", "0.000000001"]
    ours = E.modified_entropy([[float(x) for x in p]], [y])[0]
    assert ours == pytest.approx(_modified_entropy_50(p, y), rel=1e-12)


def _widespread_variant(p: np.ndarray, y: int) -> float:
    """What is widely copied: log p_c where log(1 − p_c) is due."""
    return float(-(1 - p[y]) * np.log(p[y]) - sum(p[c] * np.log(p[c]) for c in range(len(p)) if c != y))


def test_the_widespread_variant_differs_and_ours_orders_predictions_rightly() -> None:
    sure_and_wrong, hesitant = np.array([0.1, 0.85, 0.05]), np.array([0.1, 0.45, 0.45])
    right, variant = (
        E.modified_entropy([sure_and_wrong, hesitant], [0, 0]),
        [_widespread_variant(p, 0) for p in (sure_and_wrong, hesitant)],
    )
    assert right[0] > right[1]  # the surer mistake is the less member-like
    assert variant[0] < variant[1]  # the variant says the opposite
    # The defining property: growing in every p_c of another class, falling in p_y.
    grid = np.linspace(0.01, 0.89, 60)
    ours = E.modified_entropy(np.stack([np.full(60, 0.1), grid, 0.9 - grid], axis=1), np.zeros(60, dtype=int))
    convex = np.diff(ours, 2)
    assert (convex > 0).all()
    alone = np.array([_widespread_variant(np.array([0.1, g, 0.9 - g]), 0) for g in grid])
    assert (np.diff(alone, 2) < 0).all()


def test_scores_stay_finite_at_the_corners() -> None:
    p = np.array([[1.0, 0.0], [0.0, 1.0]])
    for score in (E.modified_entropy(p, [0, 0]), E.loss(p, [0, 0]), E.entropy(p), E.confidence(p, [0, 0])):
        assert np.isfinite(score).all()
        assert (score >= 0).all()
    with pytest.raises(BadInputError, match="distributions"):
        E.entropy([[0.5, 0.6]])


def test_logit_confidence_keeps_what_probabilities_lose() -> None:
    f = np.array([[60.0, 0.0, 1.0]])
    assert E.probabilities(f)[0, 0] == 1.0
    assert E.logit_confidence(f, [0])[0] == pytest.approx(60 - math.log(1 + math.e))
    p = E.probabilities(np.array([[0.3, -0.2, 0.9]]))
    expected = math.log(p[0, 2] / (1 - p[0, 2]))
    assert E.logit_confidence([[0.3, -0.2, 0.9]], [2])[0] == pytest.approx(expected)


# -- curves and intervals ------------------------------------------------------------------------------


def test_auc_and_delong_against_naive_twins() -> None:
    rng = np.random.default_rng(2)
    x, y = rng.integers(0, 6, 17).astype(float), rng.integers(0, 5, 13).astype(float)
    wins = (x[:, None] > y) + 0.5 * (x[:, None] == y)
    found = E.roc(x, y)
    assert found.auc == pytest.approx(wins.mean())
    variance = wins.mean(axis=1).var(ddof=1) / 17 + wins.mean(axis=0).var(ddof=1) / 13
    auc = wins.mean()
    a, b = wins.mean(axis=1).var(ddof=1) / 17, wins.mean(axis=0).var(ddof=1) / 13
    freedom = (a + b) ** 2 / (a**2 / 16 + b**2 / 12)
    half = stats.t.ppf(0.975, freedom) * math.sqrt(variance) / (auc * (1 - auc))
    logit = math.log(auc / (1 - auc))
    assert found.interval == pytest.approx([1 / (1 + math.exp(-(logit + s * half))) for s in (-1, 1)])


def test_tpr_at_low_fpr_and_its_refusal() -> None:
    rng = np.random.default_rng(3)
    x, y = rng.normal(1, 1, 100), rng.normal(0, 1, 40)
    found = E.roc(x, y)
    rate = found.tpr(0.05)  # two of forty may pass
    assert rate.value == np.mean(x > np.sort(y)[-3])
    # Where the population's cut is, two of forty say little: above the largest with probability 0.95⁴⁰ = 0.13, and
    # with probability 0.003 only below the seventh; the members beyond that bound the rate from above.
    assert stats.binom.sf(6, 40, 0.05) < 0.0125 < stats.binom.sf(5, 40, 0.05)
    test = stats.binomtest(int(np.sum(x > np.sort(y)[-7])), 100).proportion_ci(0.975, method="exact")
    assert rate.interval == pytest.approx((0.0, test.high))
    assert found.tpr(1 / 40).value == np.mean(x > np.sort(y)[-2])
    with pytest.raises(BadInputError, match=r"at least 1000 non-members.*fpr=0\.025, the smallest usable"):
        found.tpr(0.001)
    for k in (7, 30, 40, 999):
        scores = rng.standard_normal(k)
        with pytest.raises(BadInputError) as refusal:
            E.roc(x, scores).tpr(0.5 / k)
        smallest = float(str(refusal.value).split("fpr=")[1].split(",")[0])
        E.roc(x, scores).tpr(smallest)  # the advice can be followed


def test_perfect_separation_and_constant_scores_are_not_certain() -> None:
    perfect, constant = E.roc(np.arange(5.0) + 10, np.arange(5.0)), E.roc(np.zeros(20), np.zeros(20))
    assert (perfect.auc, perfect.interval[1]) == (1.0, 1.0)
    assert perfect.interval[0] < 0.6
    assert constant.auc == 0.5
    assert constant.interval[0] < 0.5 < constant.interval[1]
    with pytest.raises(BadInputError, match=f"at least {FEWEST_SCORES} scores"):
        E.roc(np.arange(4.0), np.arange(9.0))


@pytest.mark.parametrize("sizes", [(25, 25), (60, 200)])
def test_intervals_cover_about_as_often_as_they_say(sizes: tuple[int, int]) -> None:
    rng = np.random.default_rng(4)
    for shift in (0.0, 1.0):
        truth = stats.norm.cdf(shift / math.sqrt(2))
        hits = 0
        for _ in range(400):
            low, high = E.roc(rng.normal(shift, 1, sizes[0]), rng.normal(0, 1, sizes[1])).interval
            hits += low <= truth <= high
        assert 0.92 <= hits / 400 <= 0.985  # three standard deviations of 400 trials, around 0.95


def test_intervals_cover_with_few_members() -> None:
    """As when one in a hundred is forgotten; by the normal's quantile one in ten would be missed."""
    rng = np.random.default_rng(4)
    shift = stats.norm.ppf(0.8) * math.sqrt(2)
    hits, by_normal = 0, 0
    for _ in range(1500):
        found = E.roc(rng.normal(shift, 1, 7), rng.normal(0, 1, 180))
        hits += found.interval[0] <= 0.8 <= found.interval[1]
        below, above = found._placements
        spread = math.sqrt(below.var(ddof=1) / 7 + above.var(ddof=1) / 180)
        slope, logit = found.auc * (1 - found.auc), stats.logistic.ppf(found.auc)
        by_normal += spread > 0 and abs(logit - stats.logistic.ppf(0.8)) <= 1.96 * spread / slope
    assert hits / 1500 >= 0.925
    assert by_normal / 1500 < 0.92


def test_a_difference_with_no_spread_may_still_be_any() -> None:
    """Twelve pairs that all differ by a half say nothing of the next, which may differ by anything from −1 to 1."""
    apart, alike = E.roc(np.ones(12), np.zeros(12)), E.roc(np.zeros(12), np.zeros(12))
    found = E.calibrated(apart, alike)
    q = 1 - 0.05 ** (1 / 12)
    assert found.interval == pytest.approx((0.5 - 1.5 * q, 0.5 + 1.5 * q))


def test_a_too_narrow_interval_would_be_seen() -> None:
    rng = np.random.default_rng(4)
    hits = 0
    for _ in range(400):
        found = E.roc(rng.normal(0, 1, 25), rng.normal(0, 1, 25), level=0.8)
        hits += found.interval[0] <= 0.5 <= found.interval[1]
    assert hits / 400 < 0.92


# -- attacks -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("method", ["logistic", "threshold"])
def test_at_the_null_the_auc_is_a_half(method: str) -> None:
    """Neither set was seen, so there is nothing to find: the direction is learnt, yet the AUC is not above a half."""
    rng = np.random.default_rng(5)
    aucs, covered = [], 0
    for seed in range(200):
        a, b = rng.standard_normal((2, 60))
        found = E.attack(a, b, seed, method=method)
        aucs.append(found.auc)
        covered += found.interval[0] <= 0.5 <= found.interval[1]
    assert abs(np.mean(aucs) - 0.5) < 4 * np.std(aucs) / math.sqrt(200)
    assert 0.9 <= covered / 200 <= 0.995


def test_choosing_the_direction_afterwards_would_be_seen() -> None:
    rng = np.random.default_rng(5)
    aucs = [max(a, 1 - a) for a in (E.roc(*rng.standard_normal((2, 30))).auc for _ in range(200))]
    assert abs(np.mean(aucs) - 0.5) > 4 * np.std(aucs) / math.sqrt(200)


def _nearest_neighbour_outputs(train: np.ndarray, labels: np.ndarray, x: np.ndarray) -> np.ndarray:
    """A model that memorises: sharp kernel regression on its own training set."""
    square = ((x[:, None] - train[None]) ** 2).sum(axis=2)
    weight = np.exp(-square * 4)
    return weight @ np.eye(3)[labels] * 8


@pytest.mark.parametrize("score", ["entropy", "modified_entropy", "confidence", "loss"])
def test_a_memorising_model_is_detected(score: str) -> None:
    rng = np.random.default_rng(6)
    inside, outside = rng.standard_normal((2, 150, 6))
    labels = rng.integers(0, 3, 300)
    scores = []
    for x, y in ((inside, labels[:150]), (outside, labels[150:])):
        p = E.probabilities(_nearest_neighbour_outputs(inside, labels[:150], x))
        scores.append(E.entropy(p) if score == "entropy" else getattr(E, score)(p, y))
    found = E.attack(*scores, seed=0)
    assert found.auc > 0.8
    assert found.interval[0] > 0.5
    assert found.tpr(0.1).value > 0.5
    # The same attack on a model that saw neither set finds nothing.
    third, third_labels = rng.standard_normal((150, 6)), rng.integers(0, 3, 150)
    null = []
    for x, y in ((inside, labels[:150]), (outside, labels[150:])):
        p = E.probabilities(_nearest_neighbour_outputs(third, third_labels, x))
        null.append(E.entropy(p) if score == "entropy" else getattr(E, score)(p, y))
    other = E.attack(*null, seed=0)
    assert other.interval[0] <= 0.5 <= other.interval[1]
    assert E.calibrated(found, other).excludes_zero
    assert not E.calibrated(found, found).excludes_zero


def test_several_scores_together_and_refusals() -> None:
    rng = np.random.default_rng(7)
    a, b = rng.normal(0.7, 1, (300, 2)), rng.normal(0, 1, (300, 2))
    both, one = E.attack(a, b), E.attack(a[:, 0], b[:, 0])
    assert both.auc > one.auc
    assert both.accuracy.interval[0] < both.accuracy.value < both.accuracy.interval[1]
    with pytest.raises(BadInputError, match="several scores"):
        E.attack(a, b, method="threshold")
    with pytest.raises(BadInputError, match="'logistic'"):
        E.attack(a, b, method="logistics")
    with pytest.raises(BadInputError, match="at least 10 scores"):
        E.attack(a[:9], b)
    with pytest.raises(BadInputError, match="decides"):
        _ = E.roc(a[:, 0], b[:, 0]).accuracy
    with pytest.raises(BadInputError, match="same samples"):
        E.calibrated(E.attack(a, b, seed=0), E.attack(a, b, seed=1))


def test_paired_differences_cover_and_are_narrower_than_unpaired_ones() -> None:
    rng = np.random.default_rng(8)
    hits, widths = 0, []
    for _ in range(200):
        x, y = rng.normal(0.5, 1, 60), rng.normal(0, 1, 60)
        noise = rng.normal(0, 0.3, (2, 2, 60))
        first, second = (E.roc(x + n[0], y + n[1]) for n in noise)
        difference = E.calibrated(first, second)
        hits += not difference.excludes_zero
        widths.append(np.ptp(difference.interval) / np.ptp(first.interval))
    assert 0.9 <= hits / 200 <= 0.99
    assert np.mean(widths) < 0.8


def test_the_papers_score_is_not_half_at_the_null() -> None:
    rng = np.random.default_rng(9)
    retain, test, forget = (E.probabilities(rng.normal(0, s, (400, 5))) for s in (6.0, 3.0, 3.0))
    score = E.paper_membership_score(retain, test, forget)
    assert 0.1 < score < 0.45  # forget samples were never seen, and yet the score is not a half
    assert E.paper_membership_score(retain, test, retain) > 0.6


def test_average_gap_needs_the_same_scores() -> None:
    with pytest.raises(BadInputError, match="same scores"):
        E.average_gap({"test": 1.0}, {"forget": 1.0})


@pytest.mark.parametrize("trials", [5, 40])
def test_clopper_pearson_covers_at_least_as_often_as_it_says(trials: int) -> None:
    for p in np.linspace(0.02, 0.98, 25):
        rates = [E.binomial_rate(k, trials).interval for k in range(trials + 1)]
        covered = sum(
            stats.binom.pmf(k, trials, p) for k, (low, high) in enumerate(rates) if low <= p <= high
        )
        assert covered >= 0.95


# -- shadow models and margins -------------------------------------------------------------------------


@pytest.mark.parametrize("variant", ["online", "offline"])
def test_likelihood_ratio_finds_members_and_nothing_where_there_is_nothing(variant: str) -> None:
    rng = np.random.default_rng(10)
    n, s = 300, 48
    included = rng.random((s, n)) < 0.5
    hardness, member = rng.normal(0, 3, n), np.arange(n) < n // 2
    for effect in (2.5, 0.0):
        shadows = hardness + effect * included + rng.standard_normal((s, n))
        observed = hardness + effect * member + rng.standard_normal(n)
        scores = E.likelihood_ratio(observed, shadows, included, variant)
        found, plain = E.roc(scores[member], scores[~member]), E.roc(observed[member], observed[~member])
        if effect:
            assert found.auc > 0.9
            assert found.interval[0] > plain.interval[1]  # it knows which samples are hard
        else:
            assert found.interval[0] <= 0.5 <= found.interval[1]


def test_likelihood_ratio_against_scipy() -> None:
    rng = np.random.default_rng(11)
    shadows, x = rng.standard_normal((40, 3)), rng.standard_normal(3)
    included = np.arange(40)[:, None] % 2 + np.zeros((1, 3)) > 0
    inside, outside = shadows[1::2], shadows[::2]
    ratio = stats.norm.logpdf(x, inside.mean(0), inside.std(0, ddof=1)) - stats.norm.logpdf(
        x, outside.mean(0), outside.std(0, ddof=1)
    )
    assert E.likelihood_ratio(x, shadows, included, shared_variance=False) == pytest.approx(ratio)
    with pytest.raises(BadInputError, match="at least two shadow models trained with"):
        E.likelihood_ratio(x, shadows, np.zeros((40, 3), dtype=bool))
    with pytest.raises(BadInputError, match="vary"):
        E.likelihood_ratio(x, np.ones((40, 3)), included)
    with pytest.raises(BadInputError, match="'offline'"):
        E.likelihood_ratio(x, shadows, included, "off-line")


def test_klom_is_at_its_null_for_retraining_and_above_it_otherwise() -> None:
    rng = np.random.default_rng(12)
    centre = rng.normal(0, 2, 80)
    retrained = centre + rng.standard_normal((40, 80))
    same = E.klom(centre + rng.standard_normal((20, 80)), retrained)
    apart = np.std(same.per_sample - same.null) / math.sqrt(80)
    assert abs(same.mean - same.null_mean) < 5 * apart
    assert same.null_mean > 0.1  # a plain KL of zero cannot be had from twenty models
    off = E.klom(centre + 1.5 + rng.standard_normal((20, 80)), retrained)
    narrow = E.klom(centre + 0.1 * rng.standard_normal((20, 80)), retrained)
    assert min(off.mean, narrow.mean) > 2 * off.null_mean
    assert off.quantile(0.95)[0] > off.quantile(0.95)[1]
    with pytest.raises(BadInputError, match="too few"):
        E.klom(retrained[:2], retrained)
