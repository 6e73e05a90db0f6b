"""What a claim is: a statement with a source, hypotheses, and checks on an instance.

A claim is checked on three objects, by three functions: the theorem on the exact data, an audit of something
handed in, and the floats that this package hands out. They make findings of different types, so that none can be
judged by the rule of another.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from functools import cached_property
from typing import Any

import numpy as np

from ..arrays import row_blocks
from ..errors import BadInputError
from ..evaluation.release import parameters, parameters_sha256
from ..evidence import NOTHING, Allowance, Audit, Finding, Hypothesis, Identity, Output, round_digits
from ..linear.handed import Handed
from ..linear.model import Model
from ..linear.problem import Array, UnlearningProblem
from ..linear.training.plan import TrainingPlan
from ..numbers import Quantity
from ..numbers.rounding import UNIT, norm_bounds

__all__ = ["TOLERANCE", "Artefact", "Case", "Claim", "Found", "Yardstick"]

TOLERANCE = Fraction(1, 10**6)
"""What is asked where nothing else was said: a gap of at most a millionth of doing nothing."""

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
            return hashlib.sha256(",".join(map(str, self.values.ravel().tolist())).encode()).hexdigest()


def ulps(values: Array) -> Array:
    """One unit in the last place of each entry.

    Args:
        values: any shape; floats have the spacing of their dtype, integers and Fractions none.

    Returns:
        Float64, the same shape.

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
        tolerance: what audits, outputs and violated hypotheses are held to, relative to a scale; 0 asks equality.
        ridge: λ for ridge-anchored and ε for ridge-inverse.
        subset: fraction of R that down-sampling keeps.
        seed: seed of every random choice in a check.
        plan: how the user trains, or None.
        equality_of_exact: ask equality of artefacts that are exact themselves: no tolerance was given.
        asserted: the user insists on the statement, whatever its hypotheses; nothing is explained by them then.
        hypotheses_hold: every hypothesis of the claim holds exactly, so that nothing is explained by one.
        handed: the floats that this package hands out for the problem.
    """

    problem: UnlearningProblem
    model: Model
    tolerance: Fraction = TOLERANCE
    ridge: float = 1e-3
    subset: float = 0.2
    seed: int = 0
    plan: TrainingPlan | None = None
    equality_of_exact: bool = True
    asserted: bool = False
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
            what: symbols and words.
            quantity: the number.
            yardsticks: lengths that the tolerance may be relative to; the first that floats resolve counts.
            explained: computes Cε, the part that a hypothesis violated within tolerance explains, if need be.
            squared: whether number and yardsticks are squares of lengths.

        Returns:
            The finding.
        """
        resolution = self._resolution.squared() if squared else self._resolution
        allowed = self.allowance(yardsticks, resolution)
        if self.asserted:
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

        Args:
            what: symbols and words.
            quantity: the number.
            scale: a length that is computed and then taken as it is.
            of: the length in words.

        Returns:
            The finding, refuted beyond the tolerance: that refutes the data and not a theorem.
        """
        taken = Quantity.exact(Fraction(scale.bound)) if scale.bound < np.inf else scale
        return Identity(what, quantity, Allowance.of_scale(self.tolerance, taken, of), None)

    def violation(self, what: str, quantity: Quantity, scale: Quantity, of: str) -> Hypothesis:
        """How far a hypothesis is violated.

        Args:
            what: symbols and words.
            quantity: the number.
            scale: a norm of the data.
            of: the norm in words.

        Returns:
            The finding.
        """
        return Hypothesis(what, quantity, Allowance.of_scale(self.tolerance, scale, of))

    # -- what was handed in, and what is handed out ----------------------------------------------------

    def audit(
        self, artefact: Artefact, what: str, quantity: Quantity, rounding: Quantity, labels: bool = False
    ) -> Audit:
        """The distance of an artefact from what it should be.

        Args:
            artefact: what was handed in.
            what: symbols and words.
            quantity: the distance.
            rounding: one unit in the last place of every entry of the artefact, carried to that distance.
            labels: whether the distance is one of labels, not of parameters.

        Returns:
            The finding.
        """
        if self.equality_of_exact and artefact.is_exact:
            return Audit(what, quantity, NOTHING)
        yardsticks = self.label_yardsticks if labels else self.parameter_yardsticks
        return Audit(what, quantity, self.allowance(yardsticks, rounding))

    def output(self, what: str, quantity: Quantity, rounding: Quantity) -> Output:
        """The distance of floats that this package hands out from what they stand for.

        Args:
            what: symbols and words.
            quantity: the distance.
            rounding: one unit in the last place of every entry, carried to that distance.

        Returns:
            The finding.
        """
        # Equality is never asked of our floats: with tolerance=0 they are held to the default.
        tolerance = self.tolerance or TOLERANCE
        return Output(what, quantity, self.allowance(self.parameter_yardsticks, rounding, tolerance))

    @property
    def floats(self) -> Handed:
        """The floats that this package hands out for the problem."""
        return Handed(self.problem) if self.handed is None else self.handed

    def gap_of_ulps(self, labels: Array) -> Quantity:
        """‖Φ⁺(0; ulp(ỹ_F))‖: one unit in the last place of every label, carried to the parameter gap.

        Args:
            labels: shape (n_F, C).

        Returns:
            The length; exactly zero for exact labels.
        """
        unit = ulps(labels)
        return self.model.square_gap(self.model.given(unit)).sqrt() if unit.any() else Quantity.exact(0)

    @staticmethod
    def size_of_ulps(w: Array) -> Quantity:
        """‖ulp(w)‖: one unit in the last place of every parameter.

        Args:
            w: shape (D, C).

        Returns:
            The length; exactly zero for exact parameters.
        """
        unit = ulps(w)
        return Quantity.enclosure(*norm_bounds(unit)) if unit.any() else Quantity.exact(0)

    def gap_of(self, labels: Array) -> Quantity:
        """‖w_u − w_r‖ of given labels, taken exactly.

        Args:
            labels: shape (n_F, C).

        Returns:
            The gap.
        """
        return self.model.unlearned_gap(self.model.given(labels))

    # -- lengths that a tolerance is relative to -------------------------------------------------------

    def allowance(
        self, yardsticks: Sequence[Yardstick], rounding: Quantity, tolerance: Fraction | None = None
    ) -> Allowance:
        """Tolerance times the first length of which the tolerance exceeds a rounding; the last if none does.

        Args:
            yardsticks: lengths in words, the preferred one first.
            rounding: what cannot be told apart.
            tolerance: None for that of the case.

        Returns:
            The allowance.
        """
        tolerance = self.tolerance if tolerance is None else tolerance
        for scale, of in yardsticks[:-1]:
            if tolerance * Fraction(scale.bound if scale.bound < np.inf else 0) >= rounding.upper:
                return Allowance.of_scale(tolerance, scale, of)
        scale, of = yardsticks[-1]
        if len(yardsticks) == 1:
            return Allowance.of_scale(tolerance, scale, of)
        told = f"{of}: nothing to unlearn at this precision"
        return Allowance.of_scale(tolerance, scale, told, is_second=True)

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
        floats, model = self.problem.float_model, self.model
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
    def size(self) -> Quantity:
        """At least ‖w_r‖, at most ‖w₀‖ + ‖w_r − w₀‖."""
        w_init = self.problem.w_init
        if w_init is None:
            return self.retraining
        entries = w_init.ravel()
        if entries.dtype.kind == "f":
            start = Quantity.enclosure(*norm_bounds(entries.astype(np.float64)))
        else:
            start = Quantity.exact(sum((Fraction(v) ** 2 for v in entries.tolist()), Fraction(0))).sqrt()
        return start.plus(self.retraining)

    @cached_property
    def _resolution(self) -> Quantity:
        """What float64 parameters of this size cannot resolve."""
        return Quantity.enclosure(0, UNIT * Fraction(self.size.bound if self.size.bound < np.inf else 0))

    @cached_property
    def parameter_yardsticks(self) -> tuple[Yardstick, ...]:
        """Lengths of parameter gaps: doing nothing, else the way of retraining.

        Never the size of the start: beside ‖w₀‖ = 10¹⁵ a gap as large as doing nothing is small.
        """
        return ((self.doing_nothing, "doing nothing"), (self.retraining, "‖w_r − w₀‖"))

    @cached_property
    def label_change(self) -> Quantity:
        """‖y_F − Φ_F w_r‖, the scale of every label error."""
        return self.model.label_distance(self.model.targets(self.model.forget), self.model.optimal_labels)

    @cached_property
    def label_yardsticks(self) -> tuple[Yardstick, ...]:
        """Lengths of label errors, likewise."""
        model = self.model
        moved = model.label_distance(model.optimal_labels, model.predict(model.forget, model.start))
        return ((self.label_change, "the label change"), (moved, "‖Φ_F(w_r − w₀)‖"))

    @cached_property
    def square_yardsticks(self) -> tuple[Yardstick, ...]:
        """Squares of the lengths of parameter gaps."""
        return tuple((length.squared(), f"{of}²") for length, of in self.parameter_yardsticks)


Check = Callable[[Case], Found]


def everywhere(problem: UnlearningProblem) -> bool:
    """A claim that speaks of every problem."""
    return True


def by_name_only(problem: UnlearningProblem) -> bool:
    """A claim that a check of all claims leaves out: about other losses, families of networks, or measured at best."""
    return False


def on_a_tangent(problem: UnlearningProblem) -> bool:
    """A claim about the network whose tangent the problem is."""
    return problem.tangent is not None


@dataclass(frozen=True)
class Claim:
    """A claim of the theory, or a condition that claims use.

    Args:
        slug: its name everywhere.
        words: the claim in words, one line.
        statement: the formula.
        source: where it comes from.
        check: how the theorem is checked on the exact data of an instance.
        holds: what it means for the user when it holds.
        fails: what it means for the user when it does not.
        hypotheses: slugs of the conditions it needs.
        without: for each hypothesis, what breaks when it alone is dropped.
        number: its number in the list of claims; 0 for a condition.
        listed: whether a check of all claims includes it on a problem; naming a claim includes it anywhere.
        of_training: a claim about training that is listed, too, where a user says how he trains.
        campaign: the campaign that measures what no single instance shows, if there is one.
        climbs: whether another arithmetic may decide what one has left open.
        by_floats: whether that is float64 where Φ has full rank: the others read this number off a float64 model.
        audits: which artefacts it can audit.
        audit: how it judges one of them.
        output: how it judges the floats that this package hands out for it, if any.
    """

    slug: str
    words: str
    statement: str
    source: str
    check: Check
    holds: str
    fails: str
    hypotheses: tuple[str, ...] = ()
    without: dict[str, str] = field(default_factory=dict)
    number: int = 0
    listed: Callable[[UnlearningProblem], bool] = everywhere
    campaign: str = ""
    climbs: bool = True
    by_floats: bool = False
    of_training: bool = False
    audits: tuple[str, ...] = ()
    audit: Callable[[Case, Artefact], Found] | None = None
    output: Check | None = None

    @property
    def is_condition(self) -> bool:
        """Whether this is a hypothesis of claims rather than a claim."""
        return self.number == 0

    @property
    def kind(self) -> str:
        """``condition`` or ``theorem``."""
        return "condition" if self.is_condition else "theorem"

    def __repr__(self) -> str:
        needs = f", needs {', '.join(self.hypotheses)}" if self.hypotheses else ""
        return f"<{self.kind} {self.slug}: {self.words}{needs}>"


def text(value: Any) -> str:
    """A number as short text for facts, never larger than the number."""
    return round_digits(float(value), up=False, digits=3)
