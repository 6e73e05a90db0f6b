"""What evaluation refuses, and what it says of itself: hypotheses that data can break, and arguments that are none."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import muso_theory as mt
from muso_theory.errors import BadInputError
from muso_theory.evaluation import Guarantee, Objective, Public, audit_guarantee, guarantee
from muso_theory.evaluation.mechanisms import MECHANISMS
from muso_theory.evaluation.public import descent_reach, global_sensitivity, newton_reach, rate
from muso_theory.glossary import GLOSSARY
from muso_theory.methods.monitors import Convergence, Epoch, FailureSign, signatures
from muso_theory.numbers import Quantity
from tests.convex_data import declare, make

E = mt.evaluation


# -- guarantees for any data ---------------------------------------------------------------------------------


@pytest.mark.parametrize("mechanism", ["output-noise", "newton-step", "descent-to-delete"])
def test_a_tilt_is_outside_the_public_bounds(mechanism: str) -> None:
    """With a tilt the minimiser is longer than any public bound: ε = 1 was promised where it is in the thousands."""
    public = Public(
        samples=2,
        forget=1,
        loss="squared",
        ridge=1.0,
        feature_norm=1.0,
        target_bound=1.0,
        rounding=1e-9,
        steps=9,
    )
    tilted = Objective(np.eye(2), np.ones(2), "squared", 1.0, np.array([1000.0, 0.0]))
    kept = tilted.on([1])
    apart = float(np.linalg.norm(tilted.minimiser() - kept.minimiser()))
    assert apart > 100 * float(
        global_sensitivity(public)
    )  # the theorem's conclusion fails, not its bookkeeping
    promise = guarantee(mechanism, 1.0, 1e-5, public=public)
    with pytest.raises(BadInputError, match="tilt"):
        promise.release(tilted.minimiser(), tilted, [], 1)
    # A proved gap is about this objective, tilt and all.
    guarantee("proved-gap", 1.0, 1e-5, gap=Quantity.exact(1)).release(kept.minimiser(), tilted, [0], 1)


@pytest.mark.parametrize(
    ("count", "number"), [(np.int64, np.float32), (np.int32, np.float64), (np.uint8, np.int64)]
)
def test_numbers_of_numpy_are_those_of_python(count: Any, number: Any) -> None:
    plain = Public(
        samples=200, forget=20, steps=5, loss="squared", ridge=4.0, feature_norm=2.0, target_bound=1.0
    )
    theirs = Public(
        samples=count(200), forget=count(20), steps=count(5), loss="squared", ridge=number(4), feature_norm=number(2),
        target_bound=number(1),
    )  # fmt: skip
    for bound in (global_sensitivity, newton_reach, descent_reach, rate):
        assert bound(theirs) == bound(plain)
    assert theirs == plain
    assert {type(value) for value in theirs.declared().values()} <= {int, float, str}
    promise = guarantee(
        "output-noise", 1.0, 1e-5, public=declare(), requests=np.int64(2), sigma=np.float32(1e6)
    )
    assert "2 requests" in promise.statement
    assert type(promise.sigma) is float
    objective = make("logistic")
    w = objective.minimiser()
    assert np.array_equal(
        promise.release(w, objective, [], np.int64(7)), promise.release(w, objective, [], 7)
    )


def test_several_releases_are_drawn_at_once() -> None:
    """Each is what the sampler gives, and the first is not the others."""
    promise, objective = guarantee("output-noise", 1.0, 1e-5, public=declare()), make("logistic")
    w = objective.minimiser()
    drawn = promise.release(w, objective, np.zeros(60, dtype=bool), 3, draws=400)
    assert drawn.shape == (400, 5)
    assert len(np.unique(drawn, axis=0)) == 400
    assert np.array_equal(drawn[0], promise.release(w, objective, [], 3))
    assert 0.8 < float(np.std(drawn - w)) / promise.sigma < 1.25
    with pytest.raises(BadInputError, match="draws=0"):
        promise.release(w, objective, [], 3, draws=0)


def test_what_a_guarantee_leaves_to_its_user_is_said() -> None:
    constants = declare(steps=3, clip=1.0)
    for name in MECHANISMS:
        promise = guarantee(name, 1.0, 1e-5, public=constants)
        assert any("m points are published" in words and "secret seed" in words for words in promise.assumed)
        # noisy_descent is not told who has left, so that nothing checks how many did.
        assert (("no more than rk samples leave") in promise.assumed) == (name == "noisy-descent")
        assert any("rk samples" in words for words in promise.checked) == (name != "noisy-descent")
        assert MECHANISMS[name].made in str(promise)
    private = guarantee("proved-gap", 1.0, 1e-5, gap=Quantity.exact(1))
    assert any("m points are published" in words for words in private.assumed)


def test_a_refused_release_names_its_own_point() -> None:
    objective = make("logistic")
    for name, words in (
        ("output-noise", "objective.minimiser"), ("newton-step", "newton_removal"), ("descent-to-delete", "descent(")
    ):  # fmt: skip
        promise = guarantee(name, 1.0, 1e-5, public=declare(steps=500))
        far = objective.minimiser() + 1e6
        with pytest.raises(BadInputError) as refused:
            promise.release(far, objective, [0], 1)
        assert words in str(refused.value)
    gap = guarantee("proved-gap", 1.0, 1e-5, gap=Quantity.exact(1))
    with pytest.raises(BadInputError, match="the point whose gap was bounded"):
        gap.release(far, objective, [0], 1)


def test_a_declared_noise_is_told_what_would_do() -> None:
    """The smallest grid was named where the distance needed far more."""
    need = guarantee("output-noise", 1.0, 1e-5, public=declare()).sigma
    with pytest.raises(BadInputError, match=f"try {need!r}"):
        guarantee("output-noise", 1.0, 1e-5, public=declare(), sigma=0)
    guarantee("output-noise", 1.0, 1e-5, public=declare(), sigma=need)
    with pytest.raises(BadInputError, match="a whole number"):
        Public(samples=5.0)  # type: ignore[arg-type]


# -- removal -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("forget", [[0, 3], (3, 0), np.array([0, 3]), np.isin(np.arange(60), [0, 3])])
def test_one_forget_set_in_every_spelling(forget: Any) -> None:
    """A mask was read as the indices 0 and 1."""
    objective = make("logistic")
    w = objective.minimiser()
    step, bound = E.newton_removal(objective, w, forget)
    kept = np.setdiff1d(np.arange(60), [0, 3])
    by_hand = w - np.linalg.solve(objective.on(kept).hessian(w), objective.on(kept).gradient(w))
    assert np.allclose(step, by_hand, atol=1e-8)
    assert 0 < bound.bound < 1


def test_bounds_are_short_in_print() -> None:
    objective = make("logistic")
    assert len(repr(objective.gap_bound(objective.minimiser()))) < 100
    assert repr(E.binomial_rate(1, 3)) == "Estimate(0.33333 in [0.008, 0.906])"


def test_a_distance_of_zero_needs_no_noise() -> None:
    promise = Guarantee("proved-gap", 1.0, 1e-5, 0.0, 0.0)
    assert "inf" not in str(E.GuaranteeAudit(0.0, 0.0, promise, 400, 0.9999))
    assert "one published number" in str(
        E.GuaranteeAudit(0.0, 0.0, Guarantee("proved-gap", 1.0, 1e-5, 1.0, 4.0), 400, 0.99)
    )


# -- refusals ------------------------------------------------------------------------------------------------


OBJECTIVE = make("squared")
W = OBJECTIVE.minimiser()
GAP = guarantee("proved-gap", 10.0, 1e-5, gap=Quantity.exact(1))
SCORES = np.arange(20.0)
ATTACK = E.roc(SCORES + 5, SCORES)
SHADOWS = np.random.default_rng(0).standard_normal((40, 4))
MASK = np.random.default_rng(1).random((40, 4)) < 0.5
ROUNDS = [Epoch(0.0, 0.1, 0.1, 1.0)]
ROWS = np.tile([0.9, 0.1], (8, 1))


def audit(first: Any, second: Any = lambda seed: [0.0], promise: Any = GAP) -> Any:
    return audit_guarantee(promise, first, second, draws=400)


def sign(**change: Any) -> Any:
    given = {"history": ROUNDS, "convergence": Convergence.SETTLED, **change}
    return signatures(given.pop("history"), given.pop("convergence"), **given)


REFUSED: dict[str, Callable[[], Any]] = {
    "release of data": lambda: GAP.release(W, OBJECTIVE.features, [0], 1),
    "release of a pair": lambda: GAP.release(W, (OBJECTIVE.features, OBJECTIVE.targets), [0], 1),
    "release of a model": lambda: GAP.release(W, object(), [0], 1),
    "seed of true": lambda: GAP.release(OBJECTIVE.on(np.arange(1, 60)).minimiser(), OBJECTIVE, [0], True),
    "ridge of text": lambda: Objective(np.eye(2), np.ones(2), "squared", "1"),
    "no ridge": lambda: Objective(np.eye(2), np.ones(2), "squared", None),
    "NaN ridge": lambda: Objective(np.eye(2), np.ones(2), "squared", math.nan),
    "noisy descent of nothing": lambda: E.noisy_descent(None, OBJECTIVE, 1),
    "noisy descent on data": lambda: E.noisy_descent(
        guarantee("noisy-descent", 1.0, 1e-5, public=declare("squared", steps=2, clip=1.0)),
        OBJECTIVE.features,
        1,
    ),
    "audit of nothing": lambda: audit(lambda s: [0.0], promise=None),
    "audit of points": lambda: audit(W, W),
    "outputs of text": lambda: audit(lambda s: ["a"]),
    "complex outputs": lambda: audit(lambda s: [1j]),
    "ragged outputs": lambda: audit(lambda s: [[1.0], [1.0, 2.0]]),
    "descent from elsewhere": lambda: E.descent(OBJECTIVE, np.zeros(4), 3),
    "descent on data": lambda: E.descent(OBJECTIVE.features, W, 3),
    "step of text": lambda: E.descent(OBJECTIVE, W, 3, "a"),
    "Newton step from elsewhere": lambda: E.newton_removal(OBJECTIVE, np.zeros(4), [0]),
    "Newton step on data": lambda: E.newton_removal(OBJECTIVE.features, W, [0]),
    "removal out of range": lambda: E.newton_removal(OBJECTIVE, W, [60]),
    "removal of a negative index": lambda: E.newton_removal(OBJECTIVE, W, [-1]),
    "removal of one sample twice": lambda: E.newton_removal(OBJECTIVE, W, [0, 0]),
    "rows out of range": lambda: OBJECTIVE.on(np.array([60])),
    "negative rows": lambda: OBJECTIVE.on([-1]),
    "rows of fractions": lambda: OBJECTIVE.on([0.5]),
    "negative gap": lambda: guarantee("proved-gap", 1.0, 1e-5, gap=Quantity.exact(-1)),
    "epsilon of true": lambda: guarantee("proved-gap", True, 1e-5, gap=Quantity.exact(1)),
    "sigma of true": lambda: guarantee("proved-gap", 1.0, 1e-5, gap=Quantity.exact(1), sigma=True),
    "no level": lambda: E.roc(SCORES, SCORES, level=None),
    "no threshold": lambda: E.roc(SCORES, SCORES, threshold=None),
    "rate of text": lambda: ATTACK.tpr("a"),
    "quantile of text": lambda: E.klom(SHADOWS[:9], SHADOWS).quantile("a"),
    "calibrated by nothing": lambda: E.calibrated(ATTACK, None),
    "two attacks": lambda: E.calibrated(
        E.attack(SCORES, SCORES + 1), E.attack(SCORES, SCORES + 1, method="threshold")
    ),
    "KLoM of one model": lambda: E.klom(SHADOWS[0], SHADOWS),
    "KLoM of one sample": lambda: E.klom(SHADOWS[:, 0], SHADOWS[:, 0]),
    "variance of text": lambda: E.likelihood_ratio(SHADOWS[0], SHADOWS, MASK, shared_variance="yes"),
    "huge confidences": lambda: E.likelihood_ratio(1e200 * SHADOWS[0], 1e200 * SHADOWS, MASK),
    "huge confidence": lambda: E.likelihood_ratio(1e200 * SHADOWS[0], SHADOWS, MASK),
    "one retain sample": lambda: E.paper_membership_score(ROWS[:1], ROWS, ROWS),
    "one test sample": lambda: E.paper_membership_score(ROWS, ROWS[:1], ROWS),
    "other classes": lambda: E.paper_membership_score(ROWS, ROWS, np.full((8, 3), 1 / 3)),
    "end in words": lambda: sign(convergence="settled"),
    "rounds of numbers": lambda: sign(history=[1.0]),
    "NaN tolerance": lambda: sign(tolerance=math.nan),
    "NaN alignment": lambda: sign(alignment=math.nan),
    "AUC without interval": lambda: sign(attack=0.7, null=(0.4, 0.5)),
    "interval of text": lambda: sign(attack=("a", "b"), null=(0.4, 0.5)),
}


@pytest.mark.parametrize("case", REFUSED.values(), ids=REFUSED.keys())
def test_what_is_no_argument_is_refused(case: Callable[[], Any]) -> None:
    with pytest.raises(BadInputError, match="expected"):
        case()


def test_a_missing_shadow_is_asked_for_where_it_is_missing() -> None:
    with pytest.raises(BadInputError) as refused:
        E.likelihood_ratio(SHADOWS[0], SHADOWS, np.ones((40, 4), dtype=bool))
    assert "offline" not in str(refused.value)
    with pytest.raises(BadInputError, match="variant='offline'"):
        E.likelihood_ratio(SHADOWS[0], SHADOWS, np.zeros((40, 4), dtype=bool))
    E.likelihood_ratio(SHADOWS[0], SHADOWS, np.zeros((40, 4), dtype=bool), "offline")


def test_signatures_read_attacks() -> None:
    null = E.roc(SCORES, SCORES)
    strong = E.roc(SCORES + 15, SCORES)
    assert (
        sign(attack=strong, null=null)
        == sign(attack=strong.interval, null=null.interval)
        == (FailureSign.LEAKAGE,)
    )


@pytest.mark.parametrize("word", ["guarantee", "removal", "public", "methods", "proved-gap", *MECHANISMS])
def test_the_words_of_guarantees_are_explained(word: str) -> None:
    assert GLOSSARY[word].code.split("(")[0].split(".")[0] in {"evaluation", "methods"}
