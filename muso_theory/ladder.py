"""Which arithmetic may decide a claim, in which order, what each would cost, and what to run where none has."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import cached_property

from .errors import BadInputError
from .evidence import round_digits
from .linear.certified import CertifiedForms
from .linear.closed_forms import ClosedForms
from .linear.model import Model
from .linear.problem import UnlearningProblem
from .numbers import BALL, RATIONAL
from .numbers.modular import has_full_rank, seconds_of_rank

__all__ = ["ARITHMETICS", "Ladder", "Rung"]

ARITHMETICS = ("auto", "float64", "ball", "rational")
"""What a user may ask for."""

_PRECISIONS = (128, 256, 512, 1024, 2048)


@dataclass(eq=False)
class Rung:
    """One arithmetic for one problem, built on first use.

    Args:
        name: of the arithmetic.
        make: builds the model.
        seconds: a rough, deterministic estimate for all claims together, on one core of a present-day machine.
        gigabytes: likewise for memory.
    """

    name: str
    make: Callable[[], Model]
    seconds: float
    gigabytes: float
    _built: list[Model] = field(default_factory=list)

    @property
    def model(self) -> Model:
        """The model; its matrices and factorisations are shared by all claims."""
        if not self._built:
            self._built.append(self.make())
        return self._built[0]

    @property
    def cost(self) -> str:
        """The estimates in words."""
        return f"about {self.seconds:.2g} s and {self.gigabytes:.2g} GB"


class Ladder:
    """The arithmetics to try on one problem, cheapest suitable first, and what else could decide.

    ``auto`` begins with proved float64 bounds. What comes next depends on the rank, which is looked for modulo a prime
    where float64 cannot factorise: balls of enough bits decide a matrix of full rank, however ill-conditioned, and
    none proves that a singular matrix is singular. Where the input is exact, so that equality is the question,
    rationals come first.

    Args:
        problem: the problem.
        arithmetic: one of ARITHMETICS.
        budget: seconds that an arithmetic may be estimated to take; an explicit ``ball`` or ``rational`` ignores it.

    Example:
        >>> import numpy as np
        >>> problem = UnlearningProblem(np.array([[1.0, 1.0], [1.0, 1.0]]), np.ones(2), [0])
        >>> [rung.name for rung in Ladder(problem, "auto", 30.0)]
        ['verified float64', 'rational']
    """

    def __init__(self, problem: UnlearningProblem, arithmetic: str, budget: float) -> None:
        self.problem = problem
        self.arithmetic = arithmetic
        self.budget = budget
        self._certified = _certified(problem)
        self._balls = [_balls(problem, bits) for bits in _PRECISIONS]
        self._exact = _rationals(problem)
        self._seconds_of_rank = seconds_of_rank(problem.n_samples, problem.n_features)

    def __iter__(self) -> Iterator[Rung]:
        """The arithmetics to try; the rank is looked for only when the first has not decided."""
        if self.arithmetic == "auto" and not self.problem.is_exact:
            yield self._certified
            yield from self._affordable[1:]
        else:
            yield from self._affordable

    def named(self, name: str) -> Rung | None:
        """The arithmetic of this name, if it may be tried."""
        return next((rung for rung in self if rung.name == name), None)

    @cached_property
    def _order(self) -> list[Rung]:
        """All arithmetics that may decide, in the order to try them."""
        if self.arithmetic == "float64":
            return [Rung("float64", lambda: self.problem.float_model, 0.0, 0.0), self._certified]
        if self.arithmetic == "ball":
            return self._balls
        if self.arithmetic == "rational":
            return [self._exact]
        if self.problem.is_exact:
            return [self._exact, self._certified, *self._balls]
        if not self.full_rank:
            return [self._certified, self._exact]
        return [self._certified, *self._balls, self._exact]

    @cached_property
    def _affordable(self) -> list[Rung]:
        """What of them the budget allows."""
        if self.arithmetic != "auto":
            return self._order
        return [rung for rung in self._order if rung is self._certified or rung.seconds <= self.budget]

    @cached_property
    def full_rank(self) -> bool | None:
        """Whether Φ and Φ_R have full rank: True is proved, False very likely, None was too dear to find out."""
        problem = self.problem
        if not _float_cannot_factorise(problem):
            return True
        if self._seconds_of_rank > self.budget:
            return None
        whole = has_full_rank(problem.features)
        if whole and problem.n_samples > problem.n_features:
            whole = has_full_rank(problem.features[problem.retain])
        return whole

    def handing(self) -> list[tuple[str, Rung]]:
        """What else may hand out floats, as --arithmetic names it, cheapest first."""
        others = [("rational", self._exact)]
        if self.full_rank is not False:
            others.append(("ball", self._balls[0]))
        return sorted((o for o in others if o[0] != self.arithmetic), key=lambda other: other[1].seconds)

    def advice(self) -> str:
        """What to run where no arithmetic of this ladder has decided, and why that can decide; empty if nothing can."""
        untried = [rung for rung in (*self._balls, self._exact) if rung not in self._affordable]
        able = [rung for rung in untried if rung is self._exact or self.full_rank]
        if not able:
            return ""
        best = min(able, key=lambda rung: rung.seconds)
        if best is not self._exact:
            bits = best.name.removeprefix("ball(").removesuffix(")")
            return f"--arithmetic ball decides it: Φ has full rank; {bits} bits take {best.cost}"
        why = "exact arithmetic decides any rank"
        if self.full_rank is False:
            why = "Φ has no full rank modulo a prime, and balls cannot prove a matrix singular"
        if self.full_rank is None:
            seconds = round_digits(self._seconds_of_rank, up=True)
            why += f"; --budget {seconds} finds out whether balls do, in {self._balls[0].cost}"
        return f"--arithmetic rational decides it, in {best.cost}: {why}"


def _float_cannot_factorise(problem: UnlearningProblem) -> bool:
    """Whether the Gram matrix is numerically singular or beyond float64."""
    try:
        return problem.float_model.is_singular
    except BadInputError:
        return True


def _certified(problem: UnlearningProblem) -> Rung:
    """Twice the float64 factorisation, and some thirty nearly exact products with Φ."""
    n, d, c = problem.n_samples, problem.n_features, problem.n_outputs
    size = min(n, d)
    seconds = 2e-11 * (2 * n * d * size + 4 * size**3) + 4e-9 * 30 * n * d * (1 + c / 10)
    return Rung("verified float64", lambda: CertifiedForms(problem), seconds, 8e-9 * (n * d + 5 * size**2))


def _balls(problem: UnlearningProblem, bits: int) -> Rung:
    """Estimates fitted to python-flint: O(n³) products and solves, 4 to 6 machine words an entry."""
    n, d = problem.n_samples, problem.n_features
    size = min(n, d)
    seconds = (1.5e-6 * size**3 + 4e-8 * n * d * size) * bits / 128
    return Rung(
        f"ball({bits})", lambda: ClosedForms(problem, BALL(bits)), seconds, 1e-7 * n * d + 5e-7 * size**2
    )


def _rationals(problem: UnlearningProblem) -> Rung:
    """Estimates fitted to Dixon lifting: solutions of about 100·n bits an entry, O(n⁴) and more in all."""
    n, d = problem.n_samples, problem.n_features
    size = min(n, d)
    seconds = (
        (1e-7 * size**4 + 2e-8 * n * size**2) * (1 + problem.n_outputs / 10) + 3e-6 * n * d + 2e-6 * n**2
    )
    gigabytes = 1e-7 * n * d + 2e-8 * size**2 * problem.n_outputs + 2e-7 * size**2
    return Rung("rational", lambda: ClosedForms(problem, RATIONAL), seconds, gigabytes)
