"""Statistics whose scale or order one odd number must not decide: planted outliers, saturation, rounding, small counts.

Beside each assertion stands what the textbook form of the same statistic makes of the same data, as its control.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable
from functools import partial

import numpy as np
import pytest
from scipy.stats import norm

from muso_theory import evaluation as E
from muso_theory.descent.losses import check_logistic
from muso_theory.errors import BadInputError
from muso_theory.evaluation.intervals import quantile_ranks
from muso_theory.evaluation.margins import diverged_models, without_outliers
from muso_theory.linear.approximation import centred_alignment, kernel_alignment
from muso_theory.methods.monitors import Convergence, Epoch, FailureSign, signatures
from muso_theory.numbers.constant import rounding, tied
from verification.membership import average_gap_of_what_tells, membership_score

# -- attacks ---------------------------------------------------------------------------------------------------


def standardised_direction(members: np.ndarray, nonmembers: np.ndarray) -> float:
    """The sign that a logistic regression on scores by mean and standard deviation gives: the textbook form."""
    from sklearn.linear_model import LogisticRegression

    x = np.concatenate([members, nonmembers])[:, None]
    y = np.repeat([1, 0], [len(members), len(nonmembers)])
    fitted = LogisticRegression(class_weight="balanced").fit((x - x.mean()) / x.std(), y)
    return float(np.sign(fitted.coef_[0, 0]))


@pytest.mark.parametrize("method", ["logistic", "threshold"])
@pytest.mark.parametrize("sign", [1.0, -1.0])
def test_one_outlier_does_not_turn_an_attack_around(method: str, sign: float) -> None:
    reversed_ = 0
    for seed in range(8):
        rng = np.random.default_rng(seed)
        members, nonmembers = rng.normal(1.5, 1, 200), rng.normal(0, 1, 200)
        clean = E.attack(sign * members, sign * nonmembers, seed, method=method)
        nonmembers[:] = np.where(np.arange(200) == seed, 1e6, nonmembers)
        found = E.attack(sign * members, sign * nonmembers, seed, method=method)
        assert abs(found.auc - clean.auc) < 0.02  # one of a hundred held out moves it by one hundredth
        assert found.accuracy.value > 0.68
        reversed_ += standardised_direction(members, nonmembers) < 0
    assert reversed_ == 8


def test_an_attack_on_several_scores_survives_an_outlier_in_any() -> None:
    rng = np.random.default_rng(0)
    members, nonmembers = rng.normal(1, 1, (200, 3)), rng.normal(0, 1, (200, 3))
    members[:, 2], nonmembers[:, 2] = 0.1, 0.1  # this one never varies
    clean = E.attack(members, nonmembers).auc
    assert clean > E.attack(members[:, 0], nonmembers[:, 0]).auc + 0.02
    for column in range(3):
        for planted in (1e9, -1e9):
            wild = nonmembers.copy()
            wild[7, column] = planted
            assert abs(E.attack(members, wild).auc - clean) < 0.02
    turned = E.attack(members * [1, -1, 1], nonmembers * [1, -1, 1]).auc
    assert turned == pytest.approx(clean, abs=1e-3)


def test_rounding_orders_nobody_whatever_else_is_among_the_scores() -> None:
    lifted, plain = np.full(50, 36.7) + 7e-15, np.full(50, 36.7)
    plain[0] = 1.0  # so that not all agree
    assert np.mean(lifted[:, None] > plain) == 1.0  # the control: as numbers they are told apart without fail
    # One pair in fifty is apart, the others are tied.
    assert E.roc(lifted, plain).auc == 0.5 + 0.5 / 50
    assert E.roc(-lifted, -plain).auc == 0.5 - 0.5 / 50
    assert E.roc(lifted, plain).tpr(0.1).value == 0.0
    assert E.roc(lifted, plain, threshold=36.7).accuracy.value == 0.5
    for method in ("logistic", "threshold"):
        assert abs(E.attack(lifted, plain, method=method).auc - 0.5) <= 0.5 / 25
    assert E.roc(lifted + 1e-9, plain).auc == 1.0
    narrow = np.float32(36.7) * (1 + np.float32(2e-7) * np.arange(50, dtype=np.float32) / 50)
    assert E.roc(narrow + np.float32(4e-6), narrow).auc == 0.5  # rounding of their own float type
    assert E.roc((narrow + np.float32(4e-6)).astype(float), narrow.astype(float)).auc > 0.8


def test_ties_are_groups_about_a_number_and_not_chains() -> None:
    step = 1 + 32 * 2.0**-52  # each within rounding of the next, all together far beyond it
    chain = step ** np.arange(4000.0)
    merged = tied(chain)
    assert np.max(np.abs(merged / chain - 1)) <= rounding(1.0)
    assert 1000 < len(np.unique(merged)) <= 2000
    np.testing.assert_array_equal(tied(-chain), -merged)
    np.testing.assert_array_equal(tied(chain[::-1]), merged[::-1])
    x = np.random.default_rng(0).standard_normal(1000)
    np.testing.assert_array_equal(tied(x), x)
    np.testing.assert_array_equal(tied(np.array([0.0, 1e-300, -1e-300])), [0.0, 1e-300, -1e-300])


# -- true positives at few false ones --------------------------------------------------------------------------------


@pytest.mark.parametrize(("k", "m"), [(20, 200), (100, 30)])
def test_the_interval_of_a_true_positive_rate_covers_the_populations(k: int, m: int) -> None:
    truth = norm.sf(norm.isf(0.1) - 1)
    found, at_the_cut = [], []
    for seed in range(300):
        rng = np.random.default_rng(seed)
        a, b = rng.normal(1, 1, m), rng.normal(0, 1, k)
        low, high = E.roc(a, b).tpr(0.1).interval
        found.append(low <= truth <= high)
        cut = np.sort(b)[k - k // 10 - 1]
        low, high = E.binomial_rate(int(np.sum(a > cut)), m).interval
        at_the_cut.append(low <= truth <= high)
    # At least 95 % by proof; of 300 draws at 0.95 fewer than 270 come out with probability 2e-4.
    assert np.mean(found) >= 0.9
    assert np.mean(at_the_cut) < (0.6 if k == 20 else 0.9)


def test_order_statistics_enclose_a_quantile_of_any_distribution() -> None:
    draws: dict[str, tuple[Callable[[np.random.Generator], np.ndarray], float]] = {
        "normal": (lambda rng: rng.standard_normal(60), norm.isf(0.2)),
        # P(X > 0) = 0.2 exactly, so t* = 0; and P(X > 1) = 0 ≤ 0.2 < P(X > 0) = 0.3, so t* = 1.
        "coin at its quantile": (lambda rng: 1.0 * (rng.random(60) < 0.2), 0.0),
        "coin above it": (lambda rng: 1.0 * (rng.random(60) < 0.3), 1.0),
    }
    few, many = quantile_ranks(0.2, 60, 0.95)
    assert 0 < few < 12 < many < 61
    for draw, wanted in draws.values():
        inside = 0
        for seed in range(300):
            falling = np.sort(draw(np.random.default_rng(seed)))[::-1]
            inside += falling[many - 1] <= wanted <= falling[few - 1]
        assert inside >= 270
    assert quantile_ranks(0.1, 5, 0.95)[0] == 0  # nothing bounds it above
    assert quantile_ranks(0.9, 5, 0.95)[1] == 6  # nor below


# -- margins -------------------------------------------------------------------------------------------------------


def shadows_of(seed: int, models: int, planted: str) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    included = rng.random((models, 400)) < 0.5
    shadows = rng.standard_normal((models, 400)) + 2 * included
    member = np.arange(400) < 200
    observed = rng.standard_normal(400) + 2 * member
    if planted == "two fifths":
        shadows[0, ::5], shadows[0, 1::5] = 1e4, -1e4
    elif planted == "twentieths":
        shadows[0, :20], shadows[1, 20:40] = 1e4, -1e4
    elif planted == "one sample":
        shadows[:2, 0] = 1e6
    return observed, shadows, included, member


@pytest.mark.parametrize("variant", ["online", "offline"])
@pytest.mark.parametrize("planted", ["two fifths", "twentieths", "one sample"])
@pytest.mark.parametrize("models", [20, 64])
def test_shadows_that_are_off_on_some_samples_do_not_blunt_the_ratio(
    variant: str, planted: str, models: int
) -> None:
    def auc(planted: str) -> float:
        observed, shadows, included, member = shadows_of(3, models, planted)
        scores = E.likelihood_ratio(observed, shadows, included, variant)
        return E.roc(scores[member], scores[~member]).auc

    clean = auc("nothing")
    with warnings.catch_warnings(record=True) as told:
        warnings.simplefilter("always")
        found = auc(planted)
    assert found > clean - 0.01
    assert bool(told) == (
        planted == "two fifths"
    )  # a fifth of the samples is where a model counts as diverged
    assert all("shadow models 0 diverged" in str(item.message) for item in told)


def test_moments_of_everything_are_what_blunts_it() -> None:
    observed, shadows, included, member = shadows_of(3, 20, "two fifths")
    means = np.array([np.where(side, shadows, 0).sum(0) / side.sum(0) for side in (included, ~included)])
    spreads = [
        (np.where(side, shadows - mean, 0) ** 2).sum() / (side.sum(0) - 1).sum()
        for side, mean in zip((included, ~included), means, strict=True)
    ]
    scores = (observed - means[1]) ** 2 / spreads[1] - (observed - means[0]) ** 2 / spreads[0]
    assert E.roc(scores[member], scores[~member]).auc < 0.7


def test_saturated_margins_are_no_divergence() -> None:
    rng = np.random.default_rng(0)
    margins = np.full((40, 60), 36.7)
    margins[::4] = rng.uniform(30, 36.6, (10, 60))  # a quarter of the models is a little less sure
    assert (
        np.median(np.abs(margins - 36.7)) == 0
    )  # the control: on this scale everything else is infinitely far
    assert diverged_models(margins) == ()
    included = rng.random((40, 60)) < 0.5
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert np.isfinite(E.likelihood_ratio(np.full(60, 36.7), margins, included)).all()
    far = margins.copy()
    far[5] = -1e4
    assert diverged_models(far) == (5,)
    assert np.isnan(without_outliers(far, pooled=False)[5]).all()
    assert np.isnan(without_outliers(far, pooled=False)).sum() == 60
    alone = np.full((40, 3), 36.7)
    alone[5] = 30.0
    with (
        pytest.warns(RuntimeWarning, match="shadow models 5 diverged"),
        pytest.raises(BadInputError, match="no spread"),
    ):
        E.likelihood_ratio(np.full(3, 36.7), alone, included[:, :3])


def test_klom_of_saturated_margins_sees_where_the_others_are() -> None:
    rng = np.random.default_rng(1)

    def group(models: int, low: float, high: float) -> np.ndarray:
        return np.where(rng.random((models, 200)) < 0.6, 36.7, rng.uniform(low, high, (models, 200)))

    retrained = group(40, 0, 30)
    same, far = E.klom(group(20, 0, 30), retrained), E.klom(group(20, -200, -150), retrained)
    assert same.diverged == far.diverged == ((), ())
    assert same.mean < 1.3 * same.null_mean
    assert far.mean > 3 * far.null_mean
    lost = rng.standard_normal((40, 60))
    lost[3, :24] = 1e6
    assert E.klom(rng.standard_normal((20, 60)), lost).diverged == ((), (3,))


def test_float32_shadows_that_agree_to_their_own_rounding_are_refused() -> None:
    included = np.arange(40)[:, None] % 2 == np.zeros((1, 5))
    shadows = np.float32(36.7) * (1 + np.float32(1.2e-7) * (np.arange(40)[:, None] % 3) * np.ones((1, 5)))
    with pytest.raises(BadInputError, match="no spread"):
        E.likelihood_ratio(np.full(5, 36.8), shadows.astype(np.float32), included)
    assert np.isfinite(E.likelihood_ratio(np.full(5, 36.8), shadows.astype(float), included)).all()


# -- the score of the literature -----------------------------------------------------------------------------------


def tiny_beliefs(low: float, high: float, n: int, unsure: int = 0) -> np.ndarray:
    wrong = 10 ** np.random.default_rng(n).uniform(low, high, n)
    wrong[:unsure] = 0.4
    return np.stack([1 - wrong, wrong], axis=1)


@pytest.mark.parametrize("unsure", [0, 1, 3, 10, 40])
@pytest.mark.parametrize("where", ["retain", "test"])
def test_a_few_unsure_samples_do_not_silence_the_warning(unsure: int, where: str) -> None:
    retain = tiny_beliefs(-9, -8, 300, unsure * (where == "retain"))
    test = tiny_beliefs(-6, -5, 301, unsure * (where == "test"))
    likes = tiny_beliefs(-9, -8, 50), tiny_beliefs(-6, -5, 50)
    with pytest.warns(RuntimeWarning, match="says nothing"):
        seen, unseen = (E.paper_membership_score(retain, test, like) for like in likes)
    assert seen == unseen  # it tells seen-like from unseen-like no better than that
    assert membership_score(retain, test, likes[0]) is None
    entropies = E.entropy(np.vstack([retain, test]))
    if unsure >= 10:  # the control: a deviation over all samples does not notice
        assert entropies.std() > 1e3 * np.median(entropies)


def test_few_test_samples_that_differ_are_not_called_alike() -> None:
    retain, test = tiny_beliefs(-9, -8, 2000), np.tile([0.6, 0.4], (40, 1))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert E.paper_membership_score(retain, test, retain[:50]) == 1.0
        assert E.paper_membership_score(retain, test, test) == 0.0
    assert membership_score(retain, test, test) == 0.0


def test_scores_that_say_nothing_are_left_out_of_both_sides_of_an_average() -> None:
    told, silent = {"test": 0.9, "membership": 0.5}, {"test": 0.7, "membership": None}
    assert average_gap_of_what_tells(told, {"test": 0.8, "membership": 0.1}) == pytest.approx(0.25)
    for pair in ((told, silent), (silent, told), (silent, silent | {"test": 0.9})):
        assert average_gap_of_what_tells(*pair) == pytest.approx(0.2)
    with pytest.raises(BadInputError, match="same scores"):
        average_gap_of_what_tells({"membership": None}, {"membership": None})


# -- what is not finite --------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "alignment", [centred_alignment, kernel_alignment, partial(centred_alignment, constant=0.0)]
)
@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_kernels_that_are_not_finite_have_no_alignment(alignment: Callable[..., float], bad: float) -> None:
    kernel = np.diag([1.0, 2.0, 3.0])
    broken = kernel.copy()
    broken[1, 1] = bad
    assert alignment(kernel, kernel) == pytest.approx(1)
    for pair in ((broken, kernel), (kernel, broken), (np.full((3, 3), bad), kernel)):
        with pytest.raises(BadInputError, match="finite"):
            alignment(*pair)


@pytest.mark.parametrize(
    ("field", "sign"),
    [
        ("alignment", FailureSign.POOR_KERNEL),
        ("label_change", FailureSign.UNSTABLE_LABELS),
        ("label_change", FailureSign.NOT_CONVERGED),
        ("parameter_change", FailureSign.NOT_CONVERGED),
        ("loss", FailureSign.NOT_CONVERGED),
    ],
)
@pytest.mark.parametrize("at", [0, 3, 5])
def test_a_history_with_nan_shows_signs_whatever_the_end_was_called(
    field: str, sign: FailureSign, at: int
) -> None:
    calm = {"label_change": 1e-3, "parameter_change": 1e-3, "loss": 0.1, "alignment": 0.99}
    history = [Epoch(0.0, **(calm | ({field: np.nan} if step == at else {}))) for step in range(6)]
    assert signatures([Epoch(0.0, **calm)] * 6, Convergence.SETTLED) == ()
    assert sign in signatures(history, Convergence.SETTLED)
    assert signatures(history[at : at + 1], Convergence.SETTLED) != ()


# -- one convention of logistic targets ----------------------------------------------------------------------------


def test_logistic_targets_have_one_convention_that_parts_of_them_need_not_show() -> None:
    whole = E.Objective(np.eye(3), np.array([-1.0, 0.0, 1.0]), "logistic", 1.0)
    part = whole.on(np.array([1, 2]))
    np.testing.assert_array_equal(part.targets, [0.0, 1.0])
    np.testing.assert_allclose(part.gradient(np.zeros(3)), [0.0, 0.0, -0.5])
    relabelled = whole.on(np.array([0, 2]), np.array([0.0, 1.0]))
    np.testing.assert_array_equal(relabelled.targets, [0.0, 1.0])
    with pytest.raises(BadInputError, match="between"):
        whole.on(np.array([0, 2]), np.array([0.0, 2.0]))
    with pytest.raises(BadInputError, match="targets"):
        whole.on(np.array([0, 2]), np.array([0.0]))
    for wrong in ([0.0, 1.0, 1.0], [0.0, 0.3, 1.0], [1.0, 0.0, 0.5]):
        with pytest.raises(BadInputError, match="from 0 to 1"):
            E.Objective(np.eye(3), np.array(wrong), "logistic", 1.0)
    for right in ([0.0, 0.0], [1.0, 1.0], [0.2, 0.7], [-1.0, 0.0], [-0.5, 1.0], []):
        check_logistic(np.array(right))
