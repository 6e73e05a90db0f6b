"""Try to break a labelling rule, an unlearning method or a claim, and show the smallest exact way it breaks."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any, final

import numpy as np

from ..arguments import checked
from ..claims import CATALOGUE
from ..errors import MusoError, check_integer, expected, nearest
from ..evidence import Verdict
from ..linear.problem import UnlearningProblem
from ..numbers.ieee import ieee_proof
from ..steps import Step
from .counterexample import Counterexample
from .isolation import Rule, Runner
from .named import check_takes_problem
from .rulebook import RULEBOOK
from .shrinking import shrink
from .structures import STRUCTURES, draw_problem
from .trials import REFUSED, TIMED_OUT, Attempt, Trial, claim_trial, named_conditions, rule_trial

__all__ = ["Coverage", "Refutation", "refute", "refute_report"]

_PATIENCE = 3
"""Calls that may exceed the time limit before the search ends: a thousand of them would take hours."""


@final
@dataclass(eq=False)
class Coverage:
    """What part of the search space was tried.

    Args:
        tried: problems on which the rule was judged.
        skipped: problems left out, by reason.
        structures: judged problems by structure, ``guided`` for those of the guided search.
        ranks: judged problems by rank of Φ: "full row rank" or "deficient", over- or under-parameterised.
        sizes: judged problems by (n, D).
    """

    tried: int = 0
    skipped: Counter[str] = field(default_factory=Counter)
    structures: Counter[str] = field(default_factory=Counter)
    ranks: Counter[str] = field(default_factory=Counter)
    sizes: Counter[tuple[int, int]] = field(default_factory=Counter)

    def add(self, structure: str, problem: UnlearningProblem, attempt: Attempt) -> None:
        """Count one attempt."""
        if attempt.skipped:
            self.skipped[attempt.skipped] += 1
            return
        self.tried += 1
        self.structures[structure] += 1
        n, d = problem.n_samples, problem.n_features
        self.sizes[n, d] += 1
        rank = int(np.linalg.matrix_rank(problem.features.astype(np.float64)))
        self.ranks[
            f"{'n ≤ D' if n <= d else 'n > D'}, {'full rank' if rank == min(n, d) else 'deficient'}"
        ] += 1

    def __str__(self) -> str:
        def listed(counts: Counter[str]) -> str:
            return ", ".join(f"{name} {number}" for name, number in sorted(counts.items()))

        lines = [f"{self.tried} problems tried"]
        if self.sizes:
            (n_low, n_high), (d_low, d_high) = (
                (min(side), max(side)) for side in zip(*self.sizes, strict=True)
            )
            lines.append(f"sizes: {len(self.sizes)}, n = {n_low} to {n_high}, D = {d_low} to {d_high}")
            lines += [f"ranks: {listed(self.ranks)}", f"structures: {listed(self.structures)}"]
        if self.skipped:
            lines.append(f"left out: {listed(self.skipped)}")
        return "\n".join(lines)


@final
@dataclass(frozen=True, eq=False, repr=False)
class Refutation:
    """What a search found.

    Args:
        name: what was attacked.
        counterexample: the smallest found, or None.
        coverage: what was tried.
        settings: seed and limits.
    """

    name: str
    counterexample: Counterexample | None
    coverage: Coverage
    settings: dict[str, Any]

    @property
    def verdict(self) -> Verdict:
        """REFUTED with a counterexample, MEASURED without one, UNDECIDED as ``undecided`` says; never PROVED."""
        if self.counterexample is not None:
            return Verdict.REFUTED
        return Verdict.UNDECIDED if self.undecided else Verdict.MEASURED

    @property
    def undecided(self) -> str:
        """Why finding no counterexample says nothing: the rule ran out of time, or answered no problem."""
        if self.counterexample is not None:
            return ""
        tried, skipped = self.coverage.tried, self.coverage.skipped
        if skipped[TIMED_OUT]:
            late = f"did not answer in {self.settings['time_limit']:g} s on {skipped[TIMED_OUT]} problems"
            return f"{late}, {tried} answered; try a longer one"
        if tried:
            return ""
        asked = skipped[REFUSED]
        reasons = ", ".join(f"{reason} ({number})" for reason, number in sorted(skipped.items()))
        what = f"declined each of the {asked} problems it was asked" if asked else "no problem could be asked"
        return f"{what}: {reasons}; try other conditions, or larger problems"

    def __bool__(self) -> bool:
        raise TypeError("a search has a verdict, not a truth value; ask .verdict or .counterexample")

    def __repr__(self) -> str:
        if self.counterexample is not None:
            return f"REFUTED  {self.counterexample!r}"
        found = self.undecided or f"no counterexample in {self.coverage.tried} problems"
        return f"{self.verdict.name}  {self.name}: {found}"

    def __str__(self) -> str:
        head = f"{self.verdict.name}  {self.name}"
        if self.counterexample is not None:
            return f"{head}\n{self.counterexample}"
        return f"{head}: {self.undecided or 'no counterexample found, which proves nothing'}\n{self.coverage}"


@checked
def refute(rule: Rule | str, **options: Any) -> Counterexample | None:
    """Search for a small exact problem on which a rule, a method or a claim fails.

    Args:
        rule: ``rule(problem)`` that returns labels in the order of ``problem.forget``, or parameters; or a claim. It
            declines a problem by raising a ``MusoError``. Its ``problem.w_init`` is always an array.
        options: those of ``refute_report``: kind, exact, assuming, without, max_examples, seed, tolerance, ...

    Returns:
        The counterexample, or None where problems were answered and none was wrong. None is no proof:
        ``refute_report`` says what was tried.

    Raises:
        MusoError: there is no counterexample, and that says nothing: the rule declined every problem, no problem met
            the conditions, or the rule did not return within the time limit.

    Example:
        >>> from muso_theory.refutation import RULEBOOK
        >>> print(refute(RULEBOOK["zero-labels"], exact=True, seed=0))
        zero-labels does not unlearn exactly
        ...
        >>> refute(RULEBOOK["closed-form"], exact=True, max_examples=20) is None
        True
    """
    report = refute_report(rule, **options)
    if report.undecided:
        raise MusoError(f"{report.name}: {report.undecided}")
    return report.counterexample


@ieee_proof()
@checked
def refute_report(
    rule: Rule | str,
    *,
    kind: str = "labels",
    exact: bool = False,
    assuming: Iterable[str] | str = (),
    without: str | None = None,
    max_examples: int = 2000,
    seed: int = 0,
    tolerance: float = 1e-6,
    time_limit: float = 5.0,
    guided: int = 2,
    max_samples: int = 6,
    max_features: int = 8,
    isolate: bool = True,
    name: str | None = None,
    progress: Callable[[str], None] = lambda line: None,
) -> Refutation:
    """Search, and say what was searched.

    The answer of the rule is judged in exact rational arithmetic. A float rule sees float64 arrays, only
    well-conditioned problems (κ⁺ ≤ 1e6), and is held to ‖w_u − w_r‖ ≤ tolerance × scale; an exact one sees Fractions
    and is held to equality. A ``MusoError`` from the rule is an honest refusal; any other exception is reported, and so
    are NaN, wrong shapes, writing into the problem and two answers to one question. Not returning in time is no answer.

    Args:
        kind: "labels" or "parameters": what the rule returns.
        exact: hand it object arrays of Fractions and hold it to equality.
        assuming: conditions under which the rule is meant to be right.
        without: for a claim, the hypothesis to drop; None attacks the claim as stated.
        max_examples: problems that the rule is asked in the search, half of them guided; making a counterexample
            smaller asks more.
        seed: seed of the search; the same seed gives the same answer.
        tolerance: of the audit of a float rule.
        time_limit: seconds a call of the rule may take.
        guided: starts of the guided search after a random search in vain; 0 leaves all problems to the random search,
            as for claims.
        max_samples: largest n.
        max_features: largest D.
        isolate: False calls the rule in this process, without a time limit.
        name: what the result calls the rule; its own name where left out.
        progress: called with a line of words that counts before each problem.

    Raises:
        BadInputError: options out of range, unknown claims or conditions, a rule that cannot be called.

    Example:
        >>> refute_report("label-free", max_examples=30)
        MEASURED  label-free: no counterexample in ... problems
        >>> refute_report("label-free", without="least-squares-on-retain").verdict
        Verdict.REFUTED
    """
    for word, value, least in (
        ("max_examples", max_examples, 1),
        ("guided", guided, 0),
        ("max_samples", max_samples, 2),
        ("max_features", max_features, 1),
    ):
        check_integer(word, value, least, hint="the default")
    for word, number in (("tolerance", tolerance), ("time_limit", time_limit)):
        if not 0 < number < float("inf"):
            raise expected("a positive number", word, number, type(number).__name__, "the default")
    if kind not in ("labels", "parameters"):
        raise expected("what the rule returns", "kind", kind, "unknown", "'labels' or 'parameters'")
    search = _Search(max_examples, seed, max_samples, max_features, tolerance, exact, progress)
    settings = {"seed": seed, "max_examples": max_examples, "exact": exact, "tolerance": repr(tolerance)}
    settings["time_limit"] = time_limit
    if isinstance(rule, str):
        alike = "" if rule in CATALOGUE else nearest(rule, RULEBOOK, "-")
        if alike.startswith("'"):
            hint = f"mt.refutation.load_rule({alike})"
            raise expected("a claim, or the rule itself,", "rule", rule, "no claim", hint)
        claim = claim_trial(rule, without)
        return Refutation(claim.name, search.run(claim, 0), search.coverage, settings)
    if without is not None:
        named = getattr(rule, "name", rule)
        hint = f"refuting the claim {named} (--claim {named})" if str(named) in CATALOGUE else "--assuming"
        raise expected("a claim, whose hypothesis is dropped,", "rule", named, "a rule has none", hint)
    if isinstance(rule, type):
        hint = f"{rule.__name__}(), with its settings"
        raise expected(
            "a rule(problem) or a claim", "rule", rule.__name__, "a class, of which none was made", hint
        )
    if not callable(rule):
        raise expected("a rule(problem) or a claim", "rule", rule, type(rule).__name__, "a function")
    check_takes_problem(rule, str(name or getattr(rule, "__name__", type(rule).__name__)))
    named = name or str(getattr(rule, "name", None) or getattr(rule, "__name__", type(rule).__name__))
    with Runner(rule, time_limit, isolate) as runner:
        trial = rule_trial(runner, named, kind, exact, named_conditions(assuming), tolerance)
        return Refutation(named, search.run(trial, guided), search.coverage, settings)


@final
class _Search:
    """Random search, guided search, then shrinking."""

    def __init__(
        self,
        examples: int,
        seed: int,
        max_samples: int,
        max_features: int,
        tolerance: float,
        exact: bool,
        progress: Callable[[str], None],
    ) -> None:
        self.coverage = Coverage()
        self._examples, self._seed = examples, seed
        self._samples, self._features = max_samples, max_features
        self._tolerance, self._exact = tolerance, exact
        self._tell, self._asked = progress, 0
        self._late = 0

    def run(self, trial: Trial, guided: int) -> Counterexample | None:
        """The smallest counterexample found, or None."""
        climbing = self._examples // 2 if guided else 0
        found = self._first(trial, self._random(self._examples - climbing))
        if found is None and climbing and not self.coverage.skipped[TIMED_OUT]:
            from .guided import worst_problems

            found = self._first(trial, worst_problems(trial, guided, self._seed, climbing))
        if found is None:
            return None
        self._tell("making the counterexample smaller")
        failure = found[1].failure
        problem = shrink(found[0], lambda p: self._patient(trial, p).failure is failure)
        attempt = trial.attempt(problem)
        if attempt.failure is not failure:  # not repeatable: report the first sight of it
            problem, attempt = found
        assert attempt.failure is not None
        return Counterexample(
            problem,
            trial.name,
            trial.kind,
            attempt.failure,
            attempt.values,
            attempt.square_gap,
            self._exact,
            self._tolerance,
            attempt.detail,
        )

    def _random(self, examples: int) -> Iterator[tuple[str, UnlearningProblem]]:
        """Problems of every structure in turn, the first ones smaller."""
        source = random.Random(self._seed)
        names = list(STRUCTURES)
        for i in range(examples):
            grown = min(1.0, 0.4 + i / 100)
            samples = max(2, round(grown * self._samples))
            features = max(1, round(grown * self._features))
            structure = names[i % len(names)]
            yield structure, draw_problem(source.randint, structure, samples, features)

    def _patient(self, trial: Trial, problem: UnlearningProblem) -> Attempt:
        """One attempt, unless too many have run out of time."""
        if self._late >= _PATIENCE:
            return Attempt(skipped=TIMED_OUT)
        attempt = trial.attempt(problem)
        self._late += attempt.skipped == TIMED_OUT
        return attempt

    def _first(
        self, trial: Trial, problems: Iterable[tuple[str, UnlearningProblem]]
    ) -> tuple[UnlearningProblem, Attempt] | None:
        """The first failure in a stream of problems, which ends when the rule has run out of time too often."""
        for structure, problem in problems:
            self._tell(Step(f"asking {trial.name}", self._asked, self._examples))
            self._asked += 1
            attempt = self._patient(trial, problem)
            self.coverage.add(structure, problem, attempt)
            if attempt.failure is not None:
                return problem, attempt
            if self._late >= _PATIENCE:
                break
        return None
