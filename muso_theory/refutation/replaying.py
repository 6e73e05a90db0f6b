"""Check a stored counterexample again."""

from __future__ import annotations

import shlex
from dataclasses import replace
from fractions import Fraction
from pathlib import Path
from typing import Any

from ..errors import expected
from ..files.kinds import refuse_other_kinds
from ..files.reading import read_text
from ..numbers.ieee import ieee_proof
from .counterexample import Counterexample, exact_square_gap
from .isolation import Failure, Runner
from .rulebook import RULEBOOK
from .trials import claim_trial, rule_trial, square_scale

__all__ = ["replay"]


@ieee_proof()
def replay(path: Path, rule: Any = None, time_limit: float = 5.0) -> tuple[str, int]:
    """Compute the stored gap again, and ask the claim, the entry of the rulebook or the given rule again.

    A file names no code that is run: what it says of its rule is a word, which only the rulebook gives a meaning.

    Args:
        path: a file of ``muso refute --json``.
        rule: the rule to ask, in a process of its own; None asks none but those of the rulebook.
        time_limit: seconds that it may take.

    Returns:
        What to print, and an exit status: 1 if the refutation stands, 0 if the rule or claim no longer fails on it, 3
        if the rule gave no answer.

    Raises:
        BadInputError: an unreadable file, a stored gap that exact arithmetic does not confirm, or a rule that would
            have to be asked and is not given.
    """
    if not 0 < time_limit < float("inf"):
        raise expected(
            "a positive number", "time_limit", time_limit, type(time_limit).__name__, "the default"
        )
    refuse_other_kinds(path, "replay", "counterexample")
    stored = Counterexample.from_json(read_text(path, "replay"))
    if not stored.stands():
        raise expected(
            "a stored gap that exact arithmetic confirms",
            "square_gap",
            stored.square_gap,
            "false",
            "searching again",
        )
    if stored.kind == "claim":
        slug, _, without = stored.rule.partition(" without ")
        again = claim_trial(slug, without or None).attempt(stored.problem)
        fails = again.failure is not None and again.failure is stored.failure
        # What the file says in numbers and words is replaced by what was found now.
        found = replace(stored, square_gap=again.square_gap, detail=again.detail)
        return _told(found, fails, "the claim, checked again,"), int(fails)
    rule = RULEBOOK.get(stored.rule) if rule is None else rule
    if rule is None:
        hint = f"muso refute {shlex.quote(stored.rule)} --replay {path}"  # the file may name anything
        if not _leaves_a_gap(stored):
            what = "the rule to ask again, or stored values that leave a gap"
            raise expected(what, "replay", stored.rule, "a name in a file, whose code is not run", hint)
        return f"REFUTED  the gap is confirmed; the rule was not asked again; to ask it, {hint}\n{stored}", 1
    stored = replace(stored, rule=str(getattr(rule, "name", stored.rule)))
    with Runner(rule, time_limit) as runner:
        trial = rule_trial(runner, stored.rule, stored.kind, stored.exact, (), stored.tolerance)
        answer = trial.attempt(stored.problem)
    if answer.skipped:
        return f"UNDECIDED  the rule, asked again: {answer.skipped}; {answer.detail}", 3
    fails = answer.failure is stored.failure
    if answer.failure is Failure.GAP:  # what the rule says now, which the file need not have told truly
        stored = replace(stored, values=answer.values, square_gap=answer.square_gap)
    return _told(stored, fails, "the rule, asked again,"), int(fails)


def _leaves_a_gap(stored: Counterexample) -> bool:
    """Whether the stored values alone refute the rule: a gap that is computed here, beyond the tolerance of floats."""
    if stored.failure is not Failure.GAP or stored.values is None:
        return False
    gap = exact_square_gap(stored.problem, stored.values, stored.kind)
    if stored.exact:
        return gap != 0
    return gap > Fraction(stored.tolerance) ** 2 * square_scale(stored.problem)


def _told(stored: Counterexample, fails: bool, who: str) -> str:
    if fails:
        return f"REFUTED  {who} fails as stored\n{stored}"
    return f"MEASURED  {who} no longer fails on this problem, which proves nothing for others"
