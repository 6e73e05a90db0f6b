"""What a claim is: a statement with a source, hypotheses, and a check on an instance."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from fractions import Fraction
from functools import cached_property
from typing import Any

from ..evidence import Finding, round_digits
from ..linear.model import Model
from ..linear.problem import Array, UnlearningProblem
from ..linear.training.plan import TrainingPlan
from ..numbers import Grade, Quantity

__all__ = ["Case", "Claim", "Found"]

Found = tuple[list[Finding], list[str]]
"""What a check returns: findings, the claim's own quantity first, and facts worth knowing."""


@dataclass(eq=False)
class Case:
    """One problem, one arithmetic and the settings under which claims are checked.

    Args:
        problem: the problem.
        model: closed forms in the arithmetic to be used.
        tolerance: an audit of floats asks for a gap ≤ tolerance × the gap of doing nothing.
        ridge: λ for ridge-anchored and ε for ridge-inverse.
        subset: fraction of R that down-sampling keeps.
        seed: seed of every random choice in a check.
        labels: the user's labels for the forget samples, (n_F, C), or None for the optimal ones.
        w_unlearned: the user's unlearned parameters, (D, C), or None.
        w_pretrained: the user's pretrained parameters, (D, C), or None for the closed form.
        equality: hold floats from the user to equality too: explicit rational mode.
        plan: how the user trains, or None.
    """

    problem: UnlearningProblem
    model: Model
    tolerance: float = 1e-6
    ridge: float = 1e-3
    subset: float = 0.2
    seed: int = 0
    labels: Array | None = None
    w_unlearned: Array | None = None
    w_pretrained: Array | None = None
    equality: bool = False
    plan: TrainingPlan | None = None

    @cached_property
    def is_exact(self) -> bool:
        """Whether this arithmetic can prove an equality."""
        return self.model.is_exact

    def zero(self, what: str, quantity: Quantity, scale: Quantity, of: str) -> Finding:
        """A quantity that the claim says is zero: equality in exact arithmetic, else relative to a scale.

        Args:
            what: symbols and words.
            quantity: the number.
            scale: what tolerance is relative to.
            of: the scale in words.

        Returns:
            The finding.
        """
        proved_nonzero = quantity.grade is Grade.RIGOROUS and quantity.lower > 0
        if (self.is_exact or proved_nonzero) and not self.start_is_float:
            return Finding(what, quantity, 0)
        return self.audit(what, quantity, scale, of)

    def computed(self, what: str, quantity: Quantity, scale: Quantity, of: str) -> Finding:
        """A quantity of which a non-exact model evaluates one side in floats, so that it is not zero to the last digit.

        Args:
            what: symbols and words.
            quantity: the number.
            scale: what tolerance is relative to.
            of: the scale in words.

        Returns:
            The finding.
        """
        return (self.zero if self.is_exact else self.audit)(what, quantity, scale, of)

    @property
    def start_is_float(self) -> bool:
        """Whether w_p was handed in as floats, which are never exactly the real solution."""
        return self.w_pretrained is not None and self.w_pretrained.dtype.kind == "f" and not self.equality

    def audit(self, what: str, quantity: Quantity, scale: Quantity, of: str) -> Finding:
        """A float result held against the tolerance; exact arithmetic then certifies an inequality.

        Args:
            what: symbols and words.
            quantity: the number.
            scale: what tolerance is relative to.
            of: the scale in words.

        Returns:
            The finding.
        """
        floor = scale.lower
        limit: Fraction | float = (
            Fraction(self.tolerance) * floor if isinstance(floor, Fraction) else self.tolerance * floor
        )
        if quantity.grade is Grade.EXACT and quantity.upper != 0:
            quantity = Quantity.enclosure(quantity.lower, quantity.upper)
        return Finding(what, quantity, limit, unit_of=f"{self.tolerance:g} of {of}")

    def held_to(self, given: Array) -> Callable[[str, Quantity, Quantity, str], Finding]:
        """How what the user handed in is judged: exact input by equality, floats by the tolerance.

        Args:
            given: the user's labels or parameters.

        Returns:
            ``zero`` or ``audit``.
        """
        exact = self.equality or (self.problem.is_exact and given.dtype.kind != "f")
        return self.zero if exact else self.audit

    @cached_property
    def gaps(self) -> list[tuple[str, Quantity, Array | None]]:
        """‖w_u − w_r‖ of each thing handed in, with its words and itself; else of the optimal labels as computed."""
        model = self.model
        found: list[tuple[str, Quantity, Array | None]] = []
        if self.labels is not None:
            gap = model.unlearned_gap(model.given(self.labels))
            found.append((" of the given labels", gap, self.labels))
        if self.w_unlearned is not None:
            gap = model.distance(model.at(self.w_unlearned), model.retrained)
            found.append((" of the given w_unlearned", gap, self.w_unlearned))
        return found or [("", model.unlearned_gap(model.optimal_labels), None)]

    @cached_property
    def doing_nothing(self) -> Quantity:
        """‖w_p − w_r‖, the gap of doing nothing and the scale of every parameter gap."""
        return self.model.distance(self.model.pretrained, self.model.retrained)

    @cached_property
    def square_scale(self) -> Quantity:
        """‖w_p − w_r‖², the scale of squared parameter gaps."""
        return self.model.square_distance(self.model.pretrained, self.model.retrained)

    @cached_property
    def travelled(self) -> Quantity:
        """‖w_p − w₀‖."""
        return self.model.distance(self.model.pretrained, self.model.start)

    @cached_property
    def label_change(self) -> Quantity:
        """‖y_F − Φ_F w_r‖, the scale of every label error."""
        return self.model.label_distance(self.model.targets(self.model.forget), self.model.optimal_labels)


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
        check: how it is checked on an instance.
        holds: what it means for the user when it holds.
        fails: what it means for the user when it does not.
        hypotheses: slugs of the conditions it needs.
        without: for each hypothesis, what breaks when it alone is dropped.
        number: its number in the list of claims; 0 for a condition.
        listed: whether a check of all claims includes it on a problem; naming a claim includes it anywhere.
        of_training: a claim about training that is listed, too, where a user says how he trains.
        campaign: the campaign that measures what no single instance shows, if there is one.
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
    of_training: bool = False

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
