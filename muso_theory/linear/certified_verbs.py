"""Certified verbs: every label and every parameter is a ball that holds the truth.

The inputs are taken as the exact reals that their floats are. ``numbers`` proves the radii of solves, `ScaledFeatures`
the bounds of their spectra; this module carries the radii through fit, predict and distance.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from fractions import Fraction
from typing import Any

import numpy as np

from ..arrays import Array
from ..numbers import Quantity, spans
from ..numbers.accurate import Accurate, plain_product
from ..numbers.ieee import ieee_proof
from ..numbers.lockstep import Product, Work
from ..numbers.point_ball import CertifiedParameters, ball_norm, pair_sum
from ..numbers.primal import PrimalSystem
from ..numbers.rounding import ETA, gamma, norm_bounds, root_down, root_up, scaled_exactly, two_sum
from ..rows import taken
from .answers import Answers, Images, Question, content_of
from .label_ball import LabelBall
from .model import Model, Rows
from .problem import UnlearningProblem
from .repeats import in_order
from .scaled_features import ScaledFeatures, exact_floats
from .spreading import spread

__all__ = ["CertifiedVerbs"]

_MOST_KEPT = 1 << 23
"""Numbers of one image of all rows that is kept for those who ask for other rows of it, 64 MB."""


class CertifiedVerbs(Model):
    """What a model in verified float64 does with labels and parameters; its formulas are `CertifiedForms`."""

    name = "verified float64"
    preconditioned_name = "preconditioned float64"
    is_exact = False

    def __init__(self, problem: UnlearningProblem, *, preconditioned: bool = False) -> None:
        super().__init__(problem)
        if preconditioned:
            self.name = self.preconditioned_name
        self.systems = ScaledFeatures(problem, self.order, preconditioned=preconditioned)
        labels = exact_floats("targets", problem.targets).reshape(problem.n_samples, problem.n_outputs)
        self._labels = taken(labels, self.order).astype(np.float64, copy=False)
        self._start = None if problem.w_init is None else self._columns("w_init", problem.w_init)
        self._own: dict[range, LabelBall] = {}
        self._answers = Answers()

    def _columns(self, name: str, w: Array) -> Array:
        """Parameters in the coordinates of the scaled features, (D, C), exactly or not at all."""
        wide = np.asarray(exact_floats(name, w), dtype=np.float64).reshape(self.problem.n_features, -1)
        return scaled_exactly(name, wide, self.systems.exponent)

    def _true(self, power: int, ends: tuple[Fraction, Fraction]) -> Quantity:
        """The enclosure for the features as given, of a quantity that scales with their power."""
        return Quantity.enclosure(*(self.systems.scaled_back(end, power) for end in ends))

    # -- labels ----------------------------------------------------------------------------------------

    def targets(self, rows: Rows) -> LabelBall:
        """The data's own labels y of the given positions, exactly."""
        if not isinstance(rows, range):
            return LabelBall(taken(self._labels, rows))
        if rows not in self._own:  # consecutive ones take no room, and are hashed once
            labels = self._labels
            is_array = isinstance(labels, np.ndarray)
            self._own[rows] = LabelBall(labels[rows.start : rows.stop] if is_array else taken(labels, rows))
        return self._own[rows]

    def given(self, labels: Array) -> LabelBall:
        """Labels handed in from outside, (m, C), taken exactly."""
        return LabelBall(np.asarray(exact_floats("labels", labels), dtype=np.float64))

    def stack(self, a: LabelBall, b: LabelBall) -> LabelBall:
        """Labels a above labels b."""
        return a.above(b)

    @ieee_proof()
    def mix(self, a: Any, x: LabelBall, b: Any, y: LabelBall) -> LabelBall:
        """a·x + b·y."""
        return x.times(a).plus(y.times(b))

    @ieee_proof()
    def label_distance(self, a: LabelBall, b: LabelBall) -> Quantity:
        """Frobenius distance of two label matrices, sharp under cancellation."""
        return a.plus(b.times(-1)).norm()

    # -- parameters ------------------------------------------------------------------------------------

    @property
    def start(self) -> CertifiedParameters:
        """The initial parameters w₀."""
        shape = (self.problem.n_features, self.problem.n_outputs)
        return _point(np.zeros(shape) if self._start is None else self._start)

    def at(self, w: Array) -> CertifiedParameters:
        """Parameters handed in from outside, (D, C), taken exactly."""
        return _point(self._columns("parameters", w))

    @ieee_proof()
    def final(self, w: CertifiedParameters) -> LabelBall:
        """The parameters, (D, C), as labels are known: the nearest floats and a radius.

        Args:
            w: parameters.

        Returns:
            The ball; floats are infinite or subnormal where the features are that small or large.
        """
        exponent = self.systems.exponent
        with np.errstate(all="ignore"):
            high, low = (np.ldexp(part, -exponent) for part in two_sum(w.high, w.low))
        # The sum is exact; entries of both parts that become subnormal are rounded.
        lost = 2 * high.size * ETA if exponent else 0
        return LabelBall(high, self.systems.scaled_back(w.radius, -1) + lost, low)

    def explicit(self, w: CertifiedParameters) -> Array:
        """The parameters as floats, (D, C)."""
        return np.asarray(self.final(w).values)

    @ieee_proof()
    def fit(
        self, rows: Rows, targets: LabelBall, start: CertifiedParameters | None = None, ridge: float = 0
    ) -> CertifiedParameters:
        """G_{Φ_rows, targets}(start), or the ridge minimiser anchored at ``start``.

        The radii of the inputs enter linearly, as `RowSystem.fit` says.

        Args:
            rows: positions to fit.
            targets: their labels.
            start: where to start; None is w₀.
            ridge: λ.

        Returns:
            The enclosure.

        Raises:
            UndecidedError: full rank of these rows is not proved (without a ridge), or float64 overflows.
        """
        return self._answers.to(self.fit_question(rows, targets, start, ridge))  # type: ignore[no-any-return]

    def fit_question(
        self,
        rows: Rows,
        targets: LabelBall,
        start: CertifiedParameters | None = None,
        ridge: float = 0,
        *,
        with_image: bool = False,
    ) -> Question:
        """What `fit` answers, to be answered together with others; with the image of its rows, which comes with it."""
        near = self._near(rows, targets) if targets.parts is not None else None
        rows, way = in_order(rows)
        targets = targets if way is None else targets.taken(way)
        if start is not None and not ridge and not self.systems.of(rows).is_dual:
            start = None  # least squares end at one point
        begin = None if start is None else content_of(start.high, start.low, start.radius)
        known_by = ("fit", rows, targets.content, begin, ridge)

        def work() -> Work[CertifiedParameters]:
            found = yield from self._fitting(rows, targets, start, ridge, near)
            if with_image and found.seen is not None and not self._is_large(found):
                self._keep_image(rows, found)
            # Where rows go by spans the gradients of others would only take room.
            is_kept = rows == self.retain or not self.goes_by_spans(rows)
            return replace(found, gradient=found.gradient if is_kept else None, seen=None)

        return Question(known_by, work)

    def _keep_image(self, rows: Rows, found: CertifiedParameters) -> None:
        """Remember what a fit had computed of Φ_rows w."""
        assert found.seen is not None
        high, low, off = found.seen
        known_by = ("image", content_of(found.high, found.low))
        images = self._images(known_by, high.shape[1])
        if len(images.missing(rows)) == len(rows):
            images.put(rows, Accurate(high, low, np.zeros_like(high)), off)
            self._answers.grown(known_by)

    def _near(self, rows: Rows, targets: LabelBall) -> _Near | None:
        """What a fit of labels above others may begin with, in least squares: the fit of the former."""
        if not isinstance(self.systems.of(in_order(rows)[0]), PrimalSystem):
            return None
        first, last = targets.parts  # type: ignore[misc]
        count = len(first.values)
        above, way = in_order(rows[:count])
        return _Near(above, first if way is None else first.taken(way), rows[count:], last)

    def _fitting(
        self,
        rows: Rows,
        targets: LabelBall,
        start: CertifiedParameters | None,
        ridge: float,
        near: _Near | None,
    ) -> Work[CertifiedParameters]:
        """The work of a fit."""
        system = self.systems.of(rows)
        begin, more = (self._start, None) if start is None else (start.high, start.low)
        fit = None if near is None else self._known_fit(near, ridge)
        ridge = self._scaled_ridge(ridge)
        found = None
        if near is not None and fit is not None:
            assert isinstance(system, PrimalSystem)
            index, labels = self.systems.index(near.last), near.labels
            found = yield from system.refitting(fit, index, labels.values, labels.correction, begin, ridge)
            lost, low = near.labels.radius, more if ridge else None
            lost = lost / root_down(system.floor(ridge)) if lost else lost
            lost += Fraction(0) if low is None else norm_bounds(low)[1]
        if found is None:
            found = yield from system.fitting(
                targets.values, begin, ridge, targets_low=targets.correction, start_low=more
            )
            lost = targets.radius / root_down(system.floor(ridge)) if targets.radius else Fraction(0)
        if start is not None and (ridge or system.is_dual):
            lost += start.radius
        return found.widened(lost)

    def _known_fit(self, near: _Near, ridge: float) -> CertifiedParameters | None:
        """The fit of the rows above, if it is at hand or that of w_r, and has another solution."""
        if near.above_labels.radius or near.above_labels.correction is not None:
            return None  # refitting takes the labels above to be exactly their floats
        labels = near.above_labels.content
        if (
            labels == self.targets(near.above).content
            and near.labels.content == self.targets(near.last).content
        ):
            return None  # nothing was relabelled
        known: CertifiedParameters | None
        if near.above == self.retain and not ridge and labels == self.targets(self.retain).content:
            known = self.retrained
        else:
            known = self._answers.known(("fit", near.above, labels, None, ridge))
        return known

    def _scaled_ridge(self, ridge: float) -> float:
        """λ for the scaled features: Φᵀ(ΦΦᵀ + λI)⁻¹ scales with Φ if λ does with ΦΦᵀ."""
        if not ridge or not self.systems.exponent:
            return ridge
        return float(scaled_exactly("ridge", np.array([ridge]), -2 * self.systems.exponent)[0])

    def project(self, rows: Rows, w: CertifiedParameters) -> CertifiedParameters:
        """w₀ + P_rows(w − w₀), where a projector does not enlarge the radius of w.

        Where the columns of Φ_rows are independent, P_rows is the identity.

        Args:
            rows: positions.
            w: parameters.

        Returns:
            The enclosure.

        Raises:
            UndecidedError: full rank of these rows is not proved, or float64 overflows.
        """
        floats = self.leading(w)
        found = floats if self.keeps_all(rows) else self.fit(rows, self.predict(rows, floats))
        return CertifiedParameters(found.high, found.low, found.radius + w.radius + norm_bounds(w.low)[1])

    def keeps_all(self, rows: Rows) -> bool:
        """Whether P_rows is the identity, because the columns of Φ_rows are proved to be independent.

        Raises:
            UndecidedError: there are rows enough, and it is not proved.
        """
        system = self.systems.of(rows)
        return not system.is_dual and system.smallest > 0

    @staticmethod
    def leading(w: CertifiedParameters) -> CertifiedParameters:
        """The floats of w alone, exactly."""
        return CertifiedParameters(w.high, np.zeros_like(w.low), Fraction(0))

    @ieee_proof()
    def predict(self, rows: Rows, w: CertifiedParameters) -> LabelBall:
        """Φ_rows w."""
        image = self._image(rows, w)
        if not w.radius:
            return image
        return LabelBall(image.values, image.radius + self.systems.norm(rows) * w.radius, image.low)

    def _image(self, rows: Rows, w: CertifiedParameters) -> LabelBall:
        """Φ_rows times the middle of the ball w."""
        product, off = self._product(rows, w)
        return LabelBall(product.high, norm_bounds(product.error)[1] + off, product.low)

    def _product(self, rows: Rows, w: CertifiedParameters) -> tuple[Accurate, Fraction]:
        """Φ_rows(high + low), of whose rows none is computed twice; for w = 0 it is zero without an error.

        What it is off by beside its errors is that of all rows together.
        """
        if not (w.high.any() or w.low.any()):
            return Accurate(*np.zeros((3, len(rows), w.high.shape[1]))), Fraction(0)
        if self._is_large(w):
            return self.systems.image(rows, w.high, w.low), Fraction(0)
        known_by = ("image", content_of(w.high, w.low))
        images = self._images(known_by, w.high.shape[1])
        found = images.of(rows, lambda missing: self.systems.image(missing, w.high, w.low))
        self._answers.grown(known_by)
        return found, images.off

    def _is_large(self, w: CertifiedParameters) -> bool:
        """Whether an image of all rows is too large to be kept."""
        return bool(3 * self.problem.n_samples * w.high.shape[1] > _MOST_KEPT)

    def _images(self, known_by: tuple[str, bytes], columns: int) -> Images:
        """What is known of the image of the middle of a ball."""
        return self._answers.of(known_by, lambda: Images(self.problem.n_samples, columns))

    def image_question(self, rows: Rows, w: CertifiedParameters) -> Question:
        """The image that `predict` takes of these rows, to be answered together with others."""
        known_by = ("image", content_of(w.high, w.low))
        return Question(("image of", rows, *known_by), lambda: self._imaging(rows, w, known_by))

    def _imaging(self, rows: Rows, w: CertifiedParameters, known_by: tuple[str, bytes]) -> Work[None]:
        """The work of an image; it is kept with those of other rows."""
        images = self._images(known_by, w.high.shape[1])
        missing = images.missing(rows)
        if len(missing) and not self._is_large(w) and (w.high.any() or w.low.any()):
            index = self.systems.index(missing)
            images.put(missing, (yield Product(self.systems.features, index, w.high, w.low)))
            self._answers.grown(known_by)

    def prepare(self, questions: Iterable[Question]) -> None:
        """Answer questions together, so that they share products with Φ, ahead of whoever asks them."""
        self._answers.prepare(questions)

    def square_distance(self, w: CertifiedParameters, other: CertifiedParameters) -> Quantity:
        """‖w − w'‖²."""
        low, high = self._distance(w, other)
        return self._true(-2, (low**2, high**2))

    @ieee_proof()
    def distance(self, w: CertifiedParameters, other: CertifiedParameters) -> Quantity:
        """‖w − w'‖ in parameter space, their components off w₀ + row(Φ) included; sharp under cancellation."""
        return self._true(-1, self._distance(w, other))

    def _distance(self, w: CertifiedParameters, other: CertifiedParameters) -> tuple[Fraction, Fraction]:
        """Bounds of ‖w − w'‖ in the coordinates of the scaled features."""
        return ball_norm(*pair_sum(w.high, w.low, -other.high, -other.low), w.radius + other.radius)

    @ieee_proof()
    def gradient_norm(self, rows: Rows, targets: LabelBall, w: CertifiedParameters) -> Quantity:
        """‖Φ_rowsᵀ(targets − Φ_rows w)‖."""
        question = ("gradient", rows, targets.content, content_of(w.high, w.low, w.radius))
        return self._answers.of(question, lambda: self._gradient_norm(rows, targets, w))

    def goes_by_spans(self, rows: Rows) -> bool:
        """Whether the labels of these rows are gone over a span at a time: there are so many that none is kept."""
        return self.systems.of(rows).goes_by_spans(len(rows) * self.problem.n_outputs)

    def _gradient_norm(self, rows: Rows, targets: LabelBall, w: CertifiedParameters) -> Quantity:
        """The same, where nobody has asked for it yet."""
        if self.goes_by_spans(rows):
            found, off = spans.gradient(
                self.systems.features, self.systems.index(rows), targets.values, w.high, spread(), w.low
            )
            # What is wrong with labels and with w is seen through Φᵀ, and through ΦᵀΦ.
            norm = self.systems.norm(rows)
            lost = norm * (off + targets.miss + norm * w.radius) + norm_bounds(found.error)[1]
            return self._true(1, ball_norm(found.high, found.low, lost))
        residual = targets.plus(self.predict(rows, w).times(-1))
        index = self.systems.index(rows)
        gradient, roundings = plain_product(self.systems.features, index, residual.values, transposed=True)
        tiny = gradient.size * len(residual.values) * ETA
        frobenius = root_up(self.systems.everything.trace)
        error = frobenius * gamma(roundings) * norm_bounds(residual.values)[1] + tiny
        low, high = norm_bounds(gradient)
        lost = self.systems.norm(rows) * residual.miss + error
        return self._true(1, (max(Fraction(0), low - lost), high + lost))


@dataclass(frozen=True, eq=False, slots=True)
class _Near:
    """Labels of some rows above those of others.

    Args:
        above: the former rows, in order.
        above_labels: theirs.
        last: the others.
        labels: theirs.
    """

    above: Rows
    above_labels: LabelBall
    last: Rows
    labels: LabelBall


def _point(w: Array) -> CertifiedParameters:
    """A point known exactly."""
    return CertifiedParameters(w, np.zeros_like(w), Fraction(0))
