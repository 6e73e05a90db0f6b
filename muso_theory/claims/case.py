"""What claims are checked on: one problem in one arithmetic, and the lengths that a tolerance is relative to.

The theorem on the exact data, an audit of something handed in and the floats that this package hands out make
findings of different types, so that none can be judged by the rule of another.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from fractions import Fraction
from functools import cached_property
from typing import Any

import numpy as np

from ..arrays import Array, row_blocks
from ..errors import BadInputError
from ..evaluation.release import parameters, parameters_sha256
from ..evidence import NOTHING, Allowance, Audit, Finding, Hypothesis, Identity, Output, round_digits
from ..linear.closed_forms import float_model
from ..linear.handed import Handed
from ..linear.labels import subset_positions
from ..linear.model import Model, Rows
from ..linear.problem import UnlearningProblem
from ..numbers import Quantity
from ..numbers.quantity import decimal_text, is_finite
from ..numbers.rounding import UNIT, norm_bounds
from ..settings import TOLERANCE, Settings

__all__ = ["Artefact", "Case", "Found", "Yardstick", "text", "ulps"]

_NOTHING_THERE = "nothing to unlearn at this precision"
_OPEN = "unless there is nothing to unlearn, which is open"
_TOO_FINE = "finer than floats of this size"

Found = tuple[Sequence[Finding], list[str]]
"""What a check returns: findings, the row's own quantity first, and facts worth knowing."""

Yardstick = tuple[Quantity, str]
"""A length and what it is in words; a tolerance is relative to it."""


@dataclass(frozen=True, eq=False)
class Artefact:
    """Something handed in, to be audited.

    Args:
        name: ``labels``, ``w_unlearned`` or ``w_pretrained``.
        values: shape (n_F, C) for labels, (D, C) for parameters, in the dtype as given.
    """

    name: str
    values: Array

    @property
    def is_exact(self) -> bool:
        """Whether it consists of integers or Fractions, of which equality can be asked."""
        return bool(self.values.dtype.kind != "f")

    @property
    def sha256(self) -> str:
        """Content hash; of parameters the one by which a removal certificate knows them."""
        try:
            return parameters_sha256(parameters(self.values))
        except BadInputError:  # not float64 numbers: exact ones are hashed by their digits
            digits = ",".join(map(decimal_text, self.values.ravel().tolist()))
            return hashlib.sha256(digits.encode()).hexdigest()


def ulps(values: Array) -> Array:
    """One unit in the last place of each float, of its own dtype; none of integers and Fractions.

    Example:
        >>> ulps(np.array([1.0, 0.0])).tolist() == [2.0**-52, 5e-324], ulps(np.array([3]))
        (True, array([0.]))
        >>> float(ulps(np.array([np.finfo("f8").max]))[0]) == 2.0**971
        True
    """
    if values.dtype.kind != "f":
        return np.zeros(values.shape)
    # Not np.spacing, which is the distance to the next larger float: none is there after the largest one.
    info = np.finfo(values.dtype)
    exponent = np.where(values == 0, info.minexp, np.frexp(values)[1] - 1)
    return np.asarray(np.ldexp(1.0, np.maximum(exponent, info.minexp) - info.nmant))


@dataclass(eq=False)
class Case:
    """One problem, one arithmetic and the settings under which claims are checked.

    Nothing that was handed in is part of a case, so a theorem cannot be judged by it.

    Args:
        problem: the problem.
        model: closed forms in the arithmetic to be used.
        settings: of the check.
        insisted: the user insists on the statement, whatever its hypotheses; nothing is explained by them then.
        hypotheses_hold: every hypothesis of the claim holds exactly, so that nothing is explained by one.
        handed: the floats that this package hands out for the problem.
    """

    problem: UnlearningProblem
    model: Model
    settings: Settings = field(default_factory=Settings)
    insisted: bool = False
    hypotheses_hold: bool = False
    handed: Handed | None = None

    # -- the theorem on the exact data -----------------------------------------------------------------

    def identity(
        self,
        what: str,
        quantity: Quantity,
        yardsticks: Sequence[Yardstick],
        explained: Callable[[], Quantity] | None = None,
        squared: bool = False,
    ) -> Identity:
        """A number that the theorem says is zero, in exact real arithmetic on the data as given.

        Args:
            yardsticks: lengths that the tolerance may be relative to; the first that is not nothing
                beside the last counts.
            explained: computes Cε, the part that a hypothesis violated within tolerance explains, if need be.
            squared: whether number and yardsticks are squares of lengths.
        """
        allowed = self._of_theorem(yardsticks, UNIT**2 if squared else UNIT)
        if self.insisted:
            return Identity(what, quantity, allowed, None)
        if (
            explained is None
            or self.hypotheses_hold
            or (quantity.lower <= 0 and quantity.upper <= allowed.lower)
        ):
            return Identity(what, quantity, allowed)
        return Identity(what, quantity, allowed, explained())

    def statement(self, what: str, quantity: Quantity, scale: Quantity, of: str) -> Identity:
        """A number that is zero if the data are what they claim to be, such as a network's own derivative.

        It is held to a length that is taken as computed; beyond tolerance the data are refuted, not a theorem.
        """
        taken = Quantity.exact(Fraction(scale.bound)) if scale.bound < np.inf else scale
        return Identity(what, quantity, Allowance.of_scale(self.settings.limit, taken, of), None)

    def violation(self, what: str, quantity: Quantity, scale: Quantity, of: str) -> Hypothesis:
        """How far a hypothesis is violated, relative to a norm of the data."""
        return Hypothesis(what, quantity, Allowance.of_scale(self.settings.limit, scale, of))

    # -- what was handed in, and what is handed out ----------------------------------------------------

    def audit(
        self, artefact: Artefact, what: str, quantity: Quantity, rounding: Quantity, labels: bool = False
    ) -> Audit:
        """The distance of an artefact from what it should be.

        Args:
            rounding: one unit in the last place of every entry of the artefact, carried to that distance.
            labels: whether the distance is one of labels, not of parameters.
        """
        if self.settings.tolerance is None and artefact.is_exact:
            return Audit(what, quantity, NOTHING)
        yardsticks = self.label_yardsticks if labels else self.parameter_yardsticks
        are_labels = artefact.name == "labels"
        allowed = self._of_floats(artefact.values, are_labels, yardsticks, rounding, self.settings.limit)
        return Audit(what, quantity, allowed)

    def least_squares_audit(self, artefact: Artefact, rows: Rows, name: str) -> Found:
        """The distance of an artefact from all that training on some rows can end at, whatever it starts from.

        Right parameters have distance 0 from these least-squares minimisers for every w₀, so that a distance refutes
        them for every w₀; no distance says nothing. Of labels the same is asked of what fine-tuning on them from the
        assumed w₀ ends at: v = Φ⁺(y_R; ỹ_F) there and v + (I − P)w₀ elsewhere, while w_r is Φ_R⁺y_R + (I − P_R)w₀, so
        that min ‖w_u − w_r‖ over w₀ is ‖P_R(v − Φ_R⁺y_R)‖, this very distance.
        """
        model, of_labels = self.model, artefact.name == "labels"
        w = model.unlearned(model.given(artefact.values)) if of_labels else model.at(artefact.values)
        off = model.distance(w, model.fit(rows, model.targets(rows), w))
        allowed = NOTHING
        if not (self.settings.tolerance is None and artefact.is_exact):
            # Doing nothing is known for the assumed w₀ only, so that beside another one it may be too short a length.
            # Only (P − P_R)w₀ of w₀ matters to it. Parameters have (P − P_R)w₀ = (P − P_R)w_r: with d for what doing
            # nothing leaves, d₀ for the assumed w₀, and w within τd of w_r, d ≤ d₀ + ‖w_r‖ ≤ d₀ + ‖w‖ + τd whatever
            # w₀ is. Of labels the gap is that for the assumed w₀ less (P − P_R)w₀: within τd, it is d ≤ d₀ + gap₀ + τd.
            other = model.retrained if of_labels else model.at(np.zeros(artefact.values.shape))
            scale, limit = self.doing_nothing.plus(model.distance(w, other)), self.settings.limit
            words = "their gap for the assumed w₀" if of_labels else f"‖{artefact.name}‖"
            allowed = Allowance.of_scale(limit / (1 - limit), scale, f"doing nothing + {words}")
        judged = "w_u" if of_labels else artefact.name
        what = f"‖Φ{name}⁺(y{name} − Φ{name} {judged})‖" + (" of the given labels" if of_labels else "")
        return [Audit(what, off, allowed)], ["no w₀ whatever leads there, within tolerance of doing nothing"]

    def output(self, what: str, quantity: Quantity, floats: Array, are_labels: bool) -> Output:
        """The distance of floats that this package hands out, labels or parameters, from what they stand for."""
        # Equality is never asked of our floats: with tolerance=0 they are held to the default.
        tolerance = self.settings.limit or TOLERANCE
        rounding = self.gap_of_ulps(floats) if are_labels else self.size_of_ulps(floats)
        allowed = self._of_floats(floats, are_labels, self.parameter_yardsticks, rounding, tolerance)
        return Output(what, quantity, replace(allowed, rounding=0))

    @property
    def floats(self) -> Handed:
        """The floats that this package hands out for the problem."""
        return Handed(self.problem) if self.handed is None else self.handed

    def gap_of_ulps(self, labels: Array) -> Quantity:
        """‖Φ⁺(0; ulp(ỹ_F))‖: one unit in the last place of every label, carried to the gap; 0 for exact labels."""
        unit = ulps(labels)
        return self.model.reach(self.model.given(unit)) if unit.any() else Quantity.exact(0)

    @staticmethod
    def size_of_ulps(w: Array) -> Quantity:
        """‖ulp(w)‖: one unit in the last place of every parameter; 0 for exact ones."""
        unit = ulps(w)
        return Quantity.enclosure(*norm_bounds(unit)) if unit.any() else Quantity.exact(0)

    def gap_of(self, labels: Array) -> Quantity:
        """‖w_u − w_r‖ of given labels, shape (n_F, C), taken exactly."""
        return self.model.unlearned_gap(self.model.given(labels))

    # -- lengths that a tolerance is relative to -------------------------------------------------------

    def _of_theorem(self, yardsticks: Sequence[Yardstick], unit: Fraction) -> Allowance:
        """Tolerance times the first length that is not below the last one by more than a float's digits.

        A theorem is about exact numbers, which some arithmetic tells apart however small they are. Only where such a
        length is nothing beside the last one, or zero, is there nothing that a tolerance could be relative to.
        """
        last, of_last = yardsticks[-1]
        for scale, of in yardsticks[:-1]:
            # 0 ≤ 0 as well: a start that fits every sample leaves nothing to do. A measured length may be infinite.
            known = is_finite(scale.upper) and is_finite(last.floor)
            if not (known and Fraction(scale.upper) <= unit * Fraction(last.floor)):
                return Allowance.of_scale(self.settings.limit, scale, of)
        if len(yardsticks) == 1:
            return Allowance.of_scale(self.settings.limit, last, of_last)
        return Allowance.of_scale(self.settings.limit, last, f"{of_last}: {_NOTHING_THERE}", is_second=True)

    def _of_floats(
        self,
        values: Array,
        are_labels: bool,
        yardsticks: tuple[Yardstick, Yardstick],
        rounding: Quantity,
        tolerance: Fraction,
    ) -> Allowance:
        """Tolerance times doing nothing, unless doing nothing is itself within the rounding of every entry.

        A tolerance that is finer than the rounding says so. What rounding explains is neither refuted nor allowed.

        Args:
            rounding: one unit in the last place of every entry, carried to the distance that is judged.
        """
        (asked, of), (other, of_other) = yardsticks
        first = Allowance.of_scale(tolerance, asked, of)
        # If ‖ỹ − y‖ (or ‖w_r − w_p‖) is at most half the smallest ulp, every entry of the original is the float next
        # to the exact one: no floats do better than doing nothing. A norm of all ulps would not show that: beside an
        # entry of 2⁶⁰ it is 256, and hides any change of an entry of size 1.
        change = self.label_change if are_labels else self.doing_nothing
        unit = Fraction(float(ulps(values).min())) / 2
        if not (tolerance and unit):
            return first
        second = Allowance.of_scale(tolerance, other, f"{of_other}: {_NOTHING_THERE}", is_second=True)
        if change.upper <= unit:
            return second
        if change.lower <= unit:
            # Not known which of the two counts: the smaller one allows, the larger one refutes.
            low, high = min(first.lower, second.lower), max(first.upper, second.upper)
            words = f"{first.of}: {_OPEN}"
            return replace(first, lower=low, upper=high, of=words, rounding=rounding.upper)
        if first.upper < rounding.lower:
            first = replace(first, of=f"{first.of}: {_TOO_FINE}")
        return replace(first, rounding=rounding.upper)

    @cached_property
    def subset(self) -> Rows:
        """S, the part of the retain set that down-sampling keeps: drawn by the seed, at least one sample."""
        share = max(self.settings.subset, 1 / len(self.problem.retain))
        return subset_positions(self.problem, share, self.settings.seed)

    @cached_property
    def doing_nothing(self) -> Quantity:
        """‖w_p − w_r‖, the gap of doing nothing and the scale of every parameter gap."""
        return self.model.distance(self.model.pretrained, self.model.retrained)

    @property
    def is_zero(self) -> bool:
        """Whether Φ = 0 exactly."""
        features = self.problem.features
        return not any(np.any(features[block]) for block in row_blocks(features))

    @cached_property
    def float_error(self) -> Quantity:
        """How far w_p and w_r of the float64 model are from those of this case's model, together.

        What is measured with that model speaks of the same objects only up to this length: where float64 cuts off
        small eigenvalues, they may be many orders of magnitude apart.
        """
        floats, model = float_model(self.problem), self.model
        w_p, w_r = (
            model.distance(model.at(floats.final(w)), exact)
            for w, exact in ((floats.pretrained, model.pretrained), (floats.retrained, model.retrained))
        )
        return w_p.plus(w_r)

    @cached_property
    def retraining(self) -> Quantity:
        """‖w_r − w₀‖."""
        return self.model.distance(self.model.retrained, self.model.start)

    @cached_property
    def travelled(self) -> Quantity:
        """‖w_p − w₀‖."""
        return self.model.distance(self.model.pretrained, self.model.start)

    @cached_property
    def parameter_yardsticks(self) -> tuple[Yardstick, Yardstick]:
        """Lengths of parameter gaps: doing nothing, else the way of retraining.

        Never the size of the start: beside ‖w₀‖ = 10¹⁵ a gap as large as doing nothing is small.
        """
        return ((self.doing_nothing, "doing nothing"), (self.retraining, "‖w_r − w₀‖"))

    @cached_property
    def label_change(self) -> Quantity:
        """‖y_F − Φ_F w_r‖, the scale of every label error."""
        return self.model.label_distance(self.model.targets(self.model.forget), self.model.optimal_labels)

    @cached_property
    def label_yardsticks(self) -> tuple[Yardstick, Yardstick]:
        """Lengths of label errors, likewise."""
        model = self.model
        moved = model.label_distance(model.optimal_labels, model.predict(model.forget, model.start))
        return ((self.label_change, "the label change"), (moved, "‖Φ_F(w_r − w₀)‖"))

    @cached_property
    def square_yardsticks(self) -> tuple[Yardstick, ...]:
        """Squares of the lengths of parameter gaps."""
        return tuple((length.squared(), f"{of}²") for length, of in self.parameter_yardsticks)


def text(value: Any) -> str:
    """A number as short text for facts, never larger than the number."""
    return round_digits(float(value), up=False, digits=3)
