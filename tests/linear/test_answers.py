"""Fits and predictions are shared by what was asked, and by nothing less."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from fractions import Fraction
from typing import Any

import numpy as np
import pytest

import muso_theory as mt
from muso_theory.linear import labels as labels_module
from muso_theory.linear.answers import Answers, Images, content_of
from muso_theory.linear.certified import CertifiedForms
from muso_theory.linear.closed_forms import ClosedForms
from muso_theory.linear.label_ball import LabelBall
from muso_theory.linear.repeats import in_order
from muso_theory.linear.scaled_features import ScaledFeatures
from muso_theory.numbers import RATIONAL, lockstep
from muso_theory.numbers.accurate import Accurate
from muso_theory.numbers.leastsquares import DualSystem
from muso_theory.numbers.primal import PrimalSystem


def random_problem(n: int, width: int, seed: int) -> mt.UnlearningProblem:
    rng = np.random.default_rng(seed)
    return mt.UnlearningProblem(rng.standard_normal((n, width)), rng.standard_normal((n, 2)), [1, 4, 6])


@pytest.fixture
def fits(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[int]]:
    """Rows of every fit that is computed."""
    done: list[int] = []
    for system in (DualSystem, PrimalSystem):
        plain = system._fitting

        def counted(self: Any, *given: Any, plain: Any = plain) -> Any:
            done.append(len(self.rows))
            return plain(self, *given)

        monkeypatch.setattr(system, "_fitting", counted)
    return done


@pytest.mark.parametrize("shape", [(9, 20), (30, 5)])
def test_a_fit_is_known_by_its_numbers_and_by_its_set_of_rows(
    shape: tuple[int, int], fits: list[int]
) -> None:
    model = CertifiedForms(random_problem(*shape, seed=3))
    assert model.systems.everything.smallest > 0
    y = model.targets(model.everything)
    first = model.fit(model.everything, y)
    assert model.fit(tuple(model.everything), LabelBall(y.values.copy())) is first
    backwards = tuple(reversed(model.everything))
    assert model.fit(backwards, model.targets(backwards)) is first
    assert len(fits) == 1
    # Other labels of the same rows, the same labels in another order, a last bit, a radius, a start, a ridge: all new.
    nudged = y.values.copy()
    nudged[0] = np.nextafter(nudged[0], np.inf)
    for others, start, ridge in (
        (LabelBall(y.values[::-1].copy()), None, 0.0),
        (LabelBall(nudged), None, 0.0),
        (LabelBall(y.values, Fraction(1, 2**40)), None, 0.0),
        (y, first, 0.5),
        (y, None, 0.5),
    ):
        assert model.fit(model.everything, others, start, ridge) is not first
    assert len(fits) == 6
    # With more rows than columns least squares end at one point, wherever they start.
    assert (model.fit(model.everything, y, first) is first) == (shape[0] > shape[1])


def test_fits_of_permuted_rows_are_those_of_the_rows_in_order() -> None:
    model = CertifiedForms(random_problem(9, 20, seed=4))
    rows = (7, 2, 5, 0)
    found = model.fit(rows, model.targets(rows))
    with_others = model.fit(rows, model.targets(tuple(sorted(rows))))
    seen = model.predict(rows, found)
    assert model.label_distance(seen, model.targets(rows)).bound < 1e-12
    assert model.label_distance(model.predict(rows, with_others), model.targets(rows)).floor > 0.1


def test_no_row_of_an_image_is_computed_twice(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[int] = []
    plain = ScaledFeatures.image

    def counted(self: ScaledFeatures, rows: Any, high: Any, low: Any) -> Any:
        asked.append(len(rows))
        return plain(self, rows, high, low)

    monkeypatch.setattr(ScaledFeatures, "image", counted)
    problem = random_problem(9, 20, seed=5)
    model, fresh = CertifiedForms(problem), CertifiedForms(problem)
    w = model.pretrained
    for rows in (model.retain, (3, 1), model.everything, model.forget, (8, 0)):
        known, alone = model.predict(rows, w), fresh.systems.image(rows, w.high, w.low)
        assert np.abs(known.values - alone.high).max() < 1e-14
    computed = [count for count in asked if count]
    assert computed[:1] == [len(model.retain)]
    assert len(model.forget) in computed
    assert (
        model.predict(model.everything, model.start).norm().bound == 0
    )  # of w = 0 there is nothing to compute


def test_what_was_asked_longest_ago_makes_room() -> None:
    answers = Answers(limit=20 * 8)
    made: list[str] = []

    def ask(name: str) -> None:
        def answer() -> np.ndarray[Any, Any]:
            made.append(name)
            return np.zeros(8)

        answers.of(name, answer)

    for name in ("a", "b", "a", "c", "a", "b"):
        ask(name)
    assert made == ["a", "b", "c", "b"]


def test_an_answer_that_grows_makes_room() -> None:
    answers = Answers(limit=120)
    images = answers.of("w", lambda: Images(2, 1))
    first = answers.of("x", lambda: np.zeros(8))
    assert answers.of("x", lambda: pytest.fail("forgotten")) is first
    images.put(range(2), Accurate(*np.ones((3, 2, 1))))
    answers.grown("w")
    assert answers.of("x", lambda: np.zeros(8)) is not first


def test_arrays_of_another_shape_or_type_are_other_questions() -> None:
    x = np.zeros((2, 3))
    same = content_of(x.copy(), Fraction(1, 3), None)
    assert content_of(x, Fraction(1, 3), None) == same
    for others in (x.T, x.astype(np.float32), np.full((2, 3), -0.0), np.zeros(6)):
        assert content_of(others, Fraction(1, 3), None) != same
    assert content_of(x, Fraction(1, 3), 0.0) != same
    assert in_order(range(3)) == (range(3), None)


def test_the_inverse_is_kept_between_calls(monkeypatch: pytest.MonkeyPatch) -> None:
    problem = random_problem(12, 30, seed=6)
    first = mt.leave_block_out_labels(problem, [[0, 3], [1]])
    monkeypatch.setattr(labels_module, "float_model", lambda problem: pytest.fail("factorised again"))
    again = mt.leave_block_out_labels(problem, [[0, 3]])
    assert (again[0] == first[0]).all()


# -- fits that begin with others ---------------------------------------------------------------------------------


@pytest.mark.parametrize("ridge", [0, 0.5])
@pytest.mark.parametrize("order", ["sorted", "mixed"])
def test_labels_above_others_begin_with_the_fit_of_those(
    ridge: float, order: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    rng = np.random.default_rng(7)
    problem = mt.UnlearningProblem(rng.standard_normal((40, 3)), rng.standard_normal((40, 2)), [3, 8, 30])
    model, exact = CertifiedForms(problem), ClosedForms(problem, RATIONAL)
    above: Any = model.retain if order == "sorted" else (9, 4, *range(12, 37))
    last: Any = model.forget if order == "sorted" else (2, 38, 0)
    rows = model.everything if order == "sorted" else (*above, *last)
    first = model.fit(above, model.targets(above), ridge=ridge)
    asked: list[int] = []
    plain = lockstep.gradients
    monkeypatch.setattr(
        lockstep, "gradients", lambda every: asked.extend(len(it.index) for it in every) or plain(every)
    )

    def fitted(labels: Any) -> Fraction:
        """Fit these beside the own ones of the others; how far the exact solution is, over the radius, squared."""
        found = model.fit(rows, model.stack(model.targets(above), labels), ridge=ridge)
        y = exact.stack(exact.targets(above), exact.given(labels.values))
        truth = exact.final(exact.fit(rows, y, ridge=Fraction(ridge)))
        middle = RATIONAL.add(RATIONAL.matrix(found.high), RATIONAL.matrix(found.low))
        off = RATIONAL.square_norm(RATIONAL.sub(middle, truth))
        assert 0 < found.radius < (1e-16 if ridge else 1e-18)
        return Fraction(off.upper) / found.radius**2

    predicted = model.predict(last, first)
    assert fitted(LabelBall(predicted.values)) <= 1
    assert asked == [3]  # of no row but the last ones
    # What is far from there is fitted to all rows, after it was tried.
    assert fitted(LabelBall(predicted.values + 1)) <= 1
    assert asked == [3, 3, len(rows)]
    # Unless the fit is of these labels, nothing begins with it.
    model.fit(rows, model.stack(model.given(np.ones((len(above), 2))), predicted), ridge=ridge)
    assert asked == [3, 3, len(rows), len(rows)]


def test_the_image_of_fitted_rows_comes_with_the_fit(monkeypatch: pytest.MonkeyPatch) -> None:
    problem = random_problem(9, 20, seed=5)
    model = CertifiedForms(problem)
    assert model.systems.everything.smallest > 0
    y = model.targets(model.retain)
    model.prepare([model.fit_question(model.retain, y, with_image=True)])
    products: list[Any] = []
    plain = ScaledFeatures.image
    monkeypatch.setattr(
        ScaledFeatures, "image", lambda self, rows, *w: products.append(rows) or plain(self, rows, *w)
    )
    w = model.fit(model.retain, y)
    assert w.seen is None  # it is kept where others look for it
    point = replace(w, radius=Fraction(0))  # the floats themselves
    found = model.predict(model.retain, point)
    assert not products
    phi = RATIONAL.matrix(problem.features[model.order])
    middle = RATIONAL.add(RATIONAL.matrix(w.high), RATIONAL.matrix(w.low))
    truth = RATIONAL.matmul(phi, middle)

    def missed(rows: Any, ball: LabelBall, more: float = 0.0) -> bool:
        """Whether the exact image of some rows, moved a little, is outside."""
        own = RATIONAL.take(truth, list(rows))
        seen = RATIONAL.add(RATIONAL.matrix(ball.values + more), RATIONAL.matrix(ball.low))
        return Fraction(RATIONAL.square_norm(RATIONAL.sub(own, seen)).upper) > ball.radius**2

    assert not missed(model.retain, found)
    assert 0 < found.radius < 1e-19
    assert missed(model.retain, found, more=1e-15)
    some = range(2, 4)
    assert not missed(some, model.predict(some, point))
    # Rows that were not fitted are multiplied, and the image of all of them is off by what both are.
    assert not missed(model.everything, model.predict(model.everything, point))
    assert products == [model.forget]


@pytest.mark.parametrize("ridge", [0.0, 0.5])
def test_labels_that_are_a_ball_widen_a_fit_whatever_was_asked_before(ridge: float) -> None:
    """Also above others, where a fit may begin with the one of the rows above."""
    for seed in range(3):
        rng = np.random.default_rng(seed)
        X, y = rng.standard_normal((12, 1)), rng.standard_normal((12, 1))
        model = CertifiedForms(mt.UnlearningProblem(X, y, [8, 9, 10, 11]))
        own = model.targets(model.retain)
        third = model.mix(Fraction(1, 3), own, 0, own)
        before = model.fit(model.retain, third, ridge=ridge)
        last = np.asarray(model.predict(model.forget, before).values)
        found = model.fit(model.everything, model.stack(third, model.given(last)), ridge=ridge)
        rows, targets = [Fraction(x) for x in X[:, 0]], [Fraction(t) / 3 for t in y[:8, 0]]
        targets += [Fraction(t) for t in last[:, 0]]
        truth = sum(a * b for a, b in zip(rows, targets, strict=True)) / (
            sum(a * a for a in rows) + Fraction(ridge)
        )
        assert abs(truth - Fraction(found.high[0, 0]) - Fraction(found.low[0, 0])) <= found.radius
