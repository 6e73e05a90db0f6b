"""Which arithmetic may decide a claim, in which order, what each would cost, and what to run where none has."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np

from ..errors import BadInputError
from ..evidence import round_digits
from ..former import former
from ..linear.certified import CertifiedForms
from ..linear.closed_forms import ClosedForms, float_model
from ..linear.handed import PRECISIONS, NothingHandedError
from ..linear.model import Model
from ..linear.problem import UnlearningProblem
from ..linear.tiling import held_bytes
from ..machine import memory, memory_words
from ..numbers import BALL, RATIONAL, UndecidedError
from ..numbers.modular import has_full_rank, seconds_of_rank
from .costs import Cost, ball_cost, certified_cost, preconditioned_cost, rational_cost

__all__ = ["Ladder", "Rung"]
former(__name__)

_ALWAYS = 1.0
"""Seconds of proved float64 bounds that are spent whatever the budget: without this step nothing is known."""


@dataclass(eq=False)
class Rung:
    """One arithmetic for one problem, built on first use.

    Args:
        name: of the arithmetic.
        make: builds the model.
        price: estimates what it is expected to take for all claims together, where that is asked.
    """

    name: str
    make: Callable[[], Model]
    price: Callable[[], Cost]
    _built: list[Model] = field(default_factory=list)

    @cached_property
    def cost(self) -> Cost:
        """The estimate."""
        return self.price()

    @property
    def model(self) -> Model:
        """The model; its matrices and factorisations are shared by all claims."""
        if not self._built:
            self._built.append(self.make())
        return self._built[0]

    @property
    def is_verified(self) -> bool:
        """Whether it is that of proved float64 bounds, without a preconditioner."""
        return self.name == CertifiedForms.name

    @property
    def is_built(self) -> bool:
        """Whether it was started."""
        return bool(self._built)


class Ladder:
    """The arithmetics to try on one problem, cheapest suitable first, and what else could decide.

    ``auto`` begins with proved float64 bounds, then those of preconditioned features, whose condition number is but the
    root of their matrix's. What comes next depends on the rank, which is looked for modulo a prime where float64
    cannot factorise: balls of enough bits decide a matrix of full rank, however ill-conditioned, and none proves that
    a singular matrix is singular, but for equal rows, of which one is enough. Where the input is exact, so that
    equality is the question, rationals come first.

    Args:
        problem: the problem.
        arithmetic: "auto", "float64", "ball" or "rational".
        budget: seconds that the arithmetics of ``auto`` may be estimated to take together. What is estimated to exceed
            it, or the memory that there is, is not started; only proved float64 bounds of at most a second always
            are. An arithmetic that is asked for by name ignores it.

    Example:
        >>> import numpy as np
        >>> problem = UnlearningProblem(np.array([[1.0, 1.0], [2.0, 2.0]]), np.ones(2), [0])
        >>> [rung.name for rung in Ladder(problem, "auto", 30.0)]
        ['verified float64', 'preconditioned float64', 'rational']
    """

    def __init__(self, problem: UnlearningProblem, arithmetic: str, budget: float) -> None:
        self.problem = problem
        self.arithmetic = arithmetic
        self.budget = budget
        self._certified = Rung(
            "verified float64", lambda: CertifiedForms(problem), lambda: certified_cost(problem)
        )
        self._preconditioned = Rung(
            CertifiedForms.preconditioned_name,
            lambda: CertifiedForms(problem, preconditioned=True),
            lambda: preconditioned_cost(problem),
        )
        self._balls = [self._ball(bits) for bits in PRECISIONS]
        self._exact = Rung("rational", lambda: ClosedForms(problem, RATIONAL), lambda: rational_cost(problem))
        self._seconds_of_rank = seconds_of_rank(problem.n_samples, problem.n_features)
        self._beside = 0.0

    def _ball(self, bits: int) -> Rung:
        """Balls of one precision."""
        problem = self.problem
        return Rung(
            f"ball({bits})", lambda: ClosedForms(problem, BALL(bits)), lambda: ball_cost(problem, bits)
        )

    def __iter__(self) -> Iterator[Rung]:
        """The arithmetics to try; the rank is looked for only when float64 has not decided."""
        if self.arithmetic == "auto" and not self.problem.is_exact:
            floats = self._fitting([self._certified, self._preconditioned])
            yield from floats
            yield from self._affordable[len(floats) :]
        else:
            yield from self._affordable

    @property
    def _may_start(self) -> bool:
        """Whether proved float64 bounds are cheap enough: the first step, and no dearer than finding out the rank."""
        cost = self._certified.cost
        return cost.seconds <= max(self.budget, _ALWAYS) and cost.gigabytes <= _memory()

    def named(self, name: str) -> Rung | None:
        """The arithmetic of this name, if it may be tried."""
        return next((rung for rung in self if rung.name == name), None)

    @cached_property
    def _order(self) -> list[Rung]:
        """All arithmetics that may decide, in the order to try them."""
        if self.arithmetic == "float64":
            return [
                Rung("float64", lambda: float_model(self.problem), self._certified.price),
                self._certified,
            ]
        if self.arithmetic == "ball":
            return self._balls
        if self.arithmetic == "rational":
            return [self._exact]
        if self.problem.is_exact:
            return [self._exact, self._certified, self._preconditioned, *self._balls]
        if not self.full_rank:
            return [self._certified, self._preconditioned, self._exact]
        return [self._certified, self._preconditioned, *self._balls, self._exact]

    @cached_property
    def _affordable(self) -> list[Rung]:
        """What of them the budget allows together, in their order."""
        if self.arithmetic != "auto":
            return self._order
        return self._fitting(self._order)

    def _fitting(self, rungs: Sequence[Rung]) -> list[Rung]:
        """What of them the budget and the memory allow together, in their order."""
        taken: list[Rung] = []
        spent = 0.0
        for rung in rungs:
            fits = spent + rung.cost.seconds <= self.budget and not self._exceeds(rung.cost)
            if self._may_start if rung is self._certified else fits:
                taken.append(rung)
                spent += rung.cost.seconds
        return taken

    def _exceeds(self, cost: Cost) -> bool:
        """Whether something has no room beside the process, what it was given, and proved float64 bounds."""
        models = self._certified.cost.gigabytes + cost.gigabytes
        return held_bytes(self.problem) / 1e9 + models > _memory()

    @cached_property
    def full_rank(self) -> bool | None:
        """Whether the distinct rows of Φ and Φ_R have full rank: True is proved, False likely, None too dear."""
        problem = self.problem
        if not self._may_start:
            return None
        if not (self.has_equal_rows or _float_cannot_factorise(problem)):
            return True
        # Where the preconditioner has been tried its proof is at hand, and a search modulo a prime dearer.
        if self._preconditioned.is_built:
            known = self._preconditioned.model
            assert isinstance(known, CertifiedForms)
            if known.knows_ranks:
                return True
        if self._seconds_of_rank > self.budget:
            return None
        first = problem.first_equal
        distinct = np.unique(first)
        whole = has_full_rank(problem.features[distinct] if self.has_equal_rows else problem.features)
        if whole and len(distinct) > problem.n_features:
            whole = has_full_rank(problem.features[np.unique(first[problem.retain])])
        return whole

    @cached_property
    def has_equal_rows(self) -> bool:
        """Whether Φ has less than full rank because some of its rows are equal."""
        problem = self.problem
        kinds = len(np.unique(problem.first_equal))
        return kinds < min(problem.n_samples, problem.n_features)

    def judging(self, name: str) -> Iterator[Rung]:
        """The arithmetics to try on floats that were computed in one of them: no bounds that are wider than its own."""
        sharper = name == self._preconditioned.name and self.named(name) is not None
        yield from (rung for rung in self if not (sharper and rung is self._certified))

    def shared(self, name: str) -> Model | None:
        """The model of this arithmetic, or None, for handing out floats; it does not depend on what is tried here.

        Raises:
            NothingHandedError: preconditioned float64 is dearer than the budget and than what is always spent.
        """
        rung = self._preconditioned
        if name != rung.name:
            known = self.named(name)
            return None if known is None else known.model
        if rung.cost.seconds > max(self.budget, _ALWAYS) or self._exceeds(rung.cost):
            seconds = round_digits(rung.cost.seconds + self._certified.cost.seconds, up=True)
            why = f"{name} computes what is handed out, in {rung.cost}, more than the budget or the memory allow"
            raise NothingHandedError(why, f"--budget {seconds}")
        return rung.model

    def starts(self, cost: Cost) -> str:
        """Start what a claim takes beside these arithmetics, where budget and memory allow it.

        Returns:
            What to run where they do not, and why; empty where it may start.
        """
        if self.arithmetic != "auto":
            return ""
        if self._exceeds(cost):
            beside = f"{cost}, with what is in memory more than {memory_words()}"
            return f"its steps in float64 were not started: {beside}"
        needed = self._certified.cost.seconds + self._beside + cost.seconds
        if needed > max(self.budget, _ALWAYS):
            seconds = round_digits(needed, up=True)
            return f"--budget {seconds} tries it: its steps in float64 take {cost}, so they were not started"
        self._beside += cost.seconds
        return ""

    def handing(self) -> list[tuple[str, Rung]]:
        """What else may hand out floats, as --arithmetic names it, cheapest first."""
        others = [("rational", self._exact)]
        if self.full_rank is not False:
            others.append(("ball", self._balls[0]))
        return sorted((o for o in others if o[0] != self.arithmetic), key=lambda other: other[1].cost.seconds)

    def advice(
        self, by_floats: bool = False, decides: Callable[[Rung], bool | None] = lambda rung: None
    ) -> str:
        """What to run where no arithmetic of this ladder has decided, and why that can decide; empty if nothing can.

        Args:
            by_floats: only proved float64 bounds say anything.
            decides: whether an arithmetic was seen to decide; None where it was not tried.
        """
        if self.arithmetic == "auto" and self._certified not in self._affordable:
            cost = self._certified.cost
            if cost.gigabytes > _memory():
                return f"proved float64 bounds were not started: {cost}, more than {memory_words()}"
            seconds = round_digits(cost.seconds, up=True)
            return f"--budget {seconds} tries proved float64 bounds first: {cost}, so they were not started"
        if by_floats and self.full_rank:
            rung = self._preconditioned
            if self.arithmetic != "auto":
                sure = decides(rung)
                verb = f"decides it by {rung.name}" if sure else f"tries {rung.name}"
                only = "only proved float64 bounds enclose it"
                return "" if sure is False else f"--arithmetic auto {verb}, in {rung.cost}: {only}"
            if rung in self._affordable:
                return ""
            if self._exceeds(rung.cost):
                beside = f"{rung.cost}, with what is in memory more than {memory_words()}"
                return f"{rung.name}, which alone could enclose it, was not started: {beside}"
            seconds = round_digits(self._certified.cost.seconds + rung.cost.seconds, up=True)
            return f"--budget {seconds} tries {rung.name}: only proved float64 bounds enclose it"
        if self._exact in self._affordable:
            return ""  # what exact arithmetic leaves open, no ball decides
        untried = [rung for rung in (*self._balls, self._exact) if rung not in self._affordable]
        able = [rung for rung in untried if rung is self._exact or self.full_rank]
        seen = ((rung, decides(rung)) for rung in sorted(able, key=lambda rung: rung.cost.seconds))
        found = next((pair for pair in seen if pair[1] is not False), None)
        if found is None:
            return ""
        best, sure = found
        beyond = ""
        if self._exceeds(best.cost):
            beyond = f" (not started: beyond {memory_words()})"
        elif self.arithmetic == "auto":
            beyond = (
                f" (not started: it would exceed the budget of {self.budget:g} s, with what is tried before)"
            )
        if best is not self._exact:
            bits = best.name.removeprefix("ball(").removesuffix(")")
            # Which precision does, and whether a claim takes other rows whose rank no ball settles, is seen by trying.
            what = "the matrix of the distinct rows of Φ" if self.has_equal_rows else "Φ"
            if sure:
                return f"--arithmetic ball decides it at {bits} bits, in {best.cost}"
            return f"--arithmetic ball tries {bits} bits and more, from {best.cost}{beyond}: {what} has full rank"
        if sure:
            return f"--arithmetic rational decides it, in {best.cost}"
        why = "exact arithmetic decides any rank"
        if self.full_rank is False:
            what = "the matrix of the distinct rows of Φ" if self.has_equal_rows else "Φ"
            why = f"{what} has no full rank modulo a prime, and balls cannot prove a matrix singular"
        if self.full_rank is None:
            seconds = round_digits(self._seconds_of_rank, up=True)
            why += f"; --budget {seconds} finds out whether balls do, in {self._balls[0].cost}"
        return f"--arithmetic rational tries it, in {best.cost}{beyond}: {why}"


def _float_cannot_factorise(problem: UnlearningProblem) -> bool:
    """Whether the Gram matrix is numerically singular or beyond float64."""
    try:
        return float_model(problem).is_singular
    except (BadInputError, UndecidedError):
        return True


def _memory() -> float:
    """Gigabytes that this process may have."""
    return memory() / 1e9
