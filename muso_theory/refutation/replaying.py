"""Check a stored counterexample again."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import numpy as np

from ..errors import MusoError, expected
from ..numbers.ieee import ieee_proof
from .counterexample import Counterexample, exact_square_gap
from .isolation import Failure, Runner
from .loading import load_rule
from .trials import ClaimTrial, RuleTrial

__all__ = ["replay"]


@ieee_proof()
def replay(path: Path) -> tuple[str, int]:
    """Compute the stored gap again, and ask the rule again if it can be found.

    Args:
        path: a file of ``muso refute --json``.

    Returns:
        What to print, and an exit status: 1 if the refutation stands, 0 if the rule or claim no longer fails on it.

    Raises:
        BadInputError: an unreadable file, or a stored gap that exact arithmetic does not confirm.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise expected(
            "a readable replay file", "replay", path, str(error), "muso refute RULE --json FILE"
        ) from error
    stored = Counterexample.from_json(text)
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
        again = ClaimTrial(slug, without or None)(stored.problem)
        fails = again.failure is not None and again.failure is stored.failure
        # What the file says in numbers and words is replaced by what was found now.
        found = replace(stored, square_gap=again.square_gap, detail=again.detail)
        return _told(found, fails, "the claim, checked again,"), int(fails)
    try:
        rule = load_rule(stored.rule)
    except MusoError:
        if not _leaves_a_gap(stored):
            raise expected(
                "a rule that can be asked again, or stored values that leave a gap",
                "replay",
                stored.rule,
                "not found here",
                "running it where the rule can be imported",
            ) from None
        return (
            f"REFUTED  the gap is confirmed; the rule cannot be found here and was not asked again\n{stored}",
            1,
        )
    with Runner(rule) as runner:
        trial = RuleTrial(runner, stored.rule, stored.kind, stored.exact, (), stored.tolerance)
        answer = trial(stored.problem)
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
    original = np.asarray(stored.problem.targets[stored.problem.forget])
    scale = max(Fraction(1), exact_square_gap(stored.problem, original))
    return gap > Fraction(stored.tolerance) ** 2 * scale


def _told(stored: Counterexample, fails: bool, who: str) -> str:
    if fails:
        return f"REFUTED  {who} fails as stored\n{stored}"
    return f"MEASURED  {who} no longer fails on this problem, which proves nothing for others"
