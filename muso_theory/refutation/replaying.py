"""Check a stored counterexample again."""

from __future__ import annotations

from pathlib import Path

from ..errors import MusoError, expected
from .counterexample import Counterexample
from .isolation import Runner
from .loading import load_rule
from .trials import ClaimTrial, RuleTrial

__all__ = ["replay"]


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
        fails = ClaimTrial(slug, without or None)(stored.problem).failure is stored.failure
        return _told(stored, fails, "the claim, checked again,"), int(fails)
    try:
        rule = load_rule(stored.rule)
    except MusoError:
        return (
            f"REFUTED  the gap is confirmed; the rule cannot be found here and was not asked again\n{stored}",
            1,
        )
    with Runner(rule) as runner:
        trial = RuleTrial(runner, stored.rule, stored.kind, stored.exact, (), stored.tolerance)
        fails = trial(stored.problem).failure is stored.failure
    return _told(stored, fails, "the rule, asked again,"), int(fails)


def _told(stored: Counterexample, fails: bool, who: str) -> str:
    if fails:
        return f"REFUTED  {who} fails as stored\n{stored}"
    return f"MEASURED  {who} no longer fails on this problem, which proves nothing for others"
