"""Which arithmetic may decide a claim, in which order, and what each would cost."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from .errors import BadInputError
from .linear.certified import CertifiedForms
from .linear.closed_forms import ClosedForms
from .linear.model import Model
from .linear.problem import UnlearningProblem
from .numbers import BALL, RATIONAL

__all__ = ["ARITHMETICS", "Rung", "rungs"]

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

    def __str__(self) -> str:
        return f"{self.name} (about {self.seconds:.2g} s and {self.gigabytes:.2g} GB)"


def rungs(problem: UnlearningProblem, arithmetic: str, budget: float) -> tuple[list[Rung], list[Rung]]:
    """The arithmetics to try, cheapest suitable first, and those that the budget rules out.

    ``auto`` begins with proved float64 bounds, then those of preconditioned features, whose condition number is only the
    root of the matrix's. Where the matrix is numerically singular, or the input is exact so that equality is the
    question, rationals come before balls: no precision of balls proves a singular matrix singular, or an equality.

    Args:
        problem: the problem.
        arithmetic: one of ARITHMETICS.
        budget: seconds that an arithmetic may be estimated to take; an explicit ``ball`` or ``rational`` ignores it.

    Returns:
        Rungs to climb, and rungs that would decide but are too dear.
    """
    preconditioned = _preconditioned(problem)
    measured = Rung("float64", lambda: problem.float_model, 0.0, 0.0)
    certified = _certified(problem)
    if arithmetic == "float64":
        return [measured, certified], []
    balls = [_balls(problem, bits) for bits in _PRECISIONS]
    exact = _rationals(problem)
    if arithmetic == "ball":
        return balls, []
    if arithmetic == "rational":
        return [exact], []
    if problem.is_exact:
        order = [exact, certified, preconditioned, *balls]
    elif _float_cannot_factorise(problem):
        order = [certified, *sorted((preconditioned, exact), key=lambda rung: rung.seconds), balls[-1]]
    else:
        order = [certified, preconditioned, *balls, exact]
    return [r for r in order if r is certified or r.seconds <= budget], [
        r for r in order if r is not certified and r.seconds > budget
    ]


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


def _preconditioned(problem: UnlearningProblem) -> Rung:
    """A QR factorisation, a triangular inverse, their proof, and some sixty sliced products of a few slices each."""
    n, d, c = problem.n_samples, problem.n_features, problem.n_outputs
    size = min(n, d)
    seconds = 0.05 + 2e-11 * (8 * n * d * size + 4 * size**3) + 4e-9 * 180 * n * d * (1 + c / 10)
    return Rung(
        "preconditioned float64",
        lambda: CertifiedForms(problem, preconditioned=True),
        seconds,
        8e-9 * (4 * n * d + 6 * size**2),
    )


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
