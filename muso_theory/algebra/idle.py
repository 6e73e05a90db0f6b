"""Which lines of a plan a proof does not rest on."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

from .derivation import Node
from .expression import parse_equation, parse_expression
from .instance import Instance
from .polynomial import Polynomial
from .statement import Statement, parse_statement
from .theorem import Apply, Cancel, Have, PlanStep, Theorem, Witness

__all__ = ["idle_lines"]


def idle_lines(theorem: Theorem, node: Node, known: Mapping[str, Node]) -> tuple[str, ...]:
    """The lines of a theorem's plan, as they are written, without which its proof reaches the conclusions.

    Args:
        node: the proof.
        known: certificates of the theorems that it uses, by name.

    Example:
        >>> from muso_theory.algebra.derivation import derive
        >>> lines = ("matrix A : n x n", "assume zero: A = 0", "conclude A A = 0")
        >>> demo = Theorem("demo", lines, (Have("A' = 0"), Have("A A = 0")))
        >>> idle_lines(demo, derive(demo, {}), {})
        ("have A' = 0",)
    """
    statement = parse_statement(node["name"], node["statement"])
    steps = node["steps"]
    proved = [list(_proved(step, statement, known)) for step in steps]
    waiting = [
        next(i for i, found in enumerate(proved) if conclusion in found)
        for conclusion in statement.conclusions
    ]
    waiting += [i for i, step in enumerate(steps) if step["rule"] == "witness"]
    used: set[int] = set()
    while waiting:
        i = waiting.pop()
        if i not in used:
            used.add(i)
            waiting += _rests_on(i, steps, proved, statement, known)
    live = [steps[i] for i in used]
    return tuple(
        _line(step) for step in theorem.plan if not any(_carries_out(done, step, statement) for done in live)
    )


def _proved(step: Mapping[str, Any], statement: Statement, known: Mapping[str, Node]) -> Iterator[Polynomial]:
    """What a step establishes."""
    if step["rule"] == "lemma":
        yield from _instance(step, statement, known).conclusions
    elif step["rule"] != "witness":
        yield parse_equation(step["conclusion"], statement.signature)


def _instance(step: Mapping[str, Any], statement: Statement, known: Mapping[str, Node]) -> Instance:
    """The theorem that a step applies, in the symbols of this one."""
    return Instance(
        parse_statement(step["lemma"], known[step["lemma"]]["statement"]), statement, step["with"]
    )


def _rests_on(
    i: int,
    steps: list[dict[str, Any]],
    proved: list[list[Polynomial]],
    statement: Statement,
    known: Mapping[str, Node],
) -> list[int]:
    """The steps before one that it uses."""
    step = steps[i]
    if step["rule"] == "lemma":
        # A theorem's assumptions are looked for among all that is proved; the first step that has one is meant.
        wanted = [p for _, p in _instance(step, statement, known).unknown([])]
        same = [{q for p in found for u in [statement.unfolded(p)] for q in (u, -u, u.transpose(), -u.transpose())}
                for found in proved[:i]]  # fmt: skip
        return [next(j for j, those in enumerate(same) if statement.unfolded(p) in those) for p in wanted]
    keys = [step["from"]] if "from" in step else [term[2] for term in step.get("terms", ())]
    return [int(found[1]) - 1 for key in keys if (found := re.match(r"step\((\d+)\)", key))]


def _carries_out(done: Mapping[str, Any], step: PlanStep, statement: Statement) -> bool:
    """Whether a step of a proof is what a line of the plan asks for."""
    match step:
        case Apply():
            return (done["rule"], done.get("lemma")) == ("lemma", step.lemma) and all(
                parse_expression(text, statement.signature)
                == parse_expression(done["with"][symbol], statement.signature)
                for symbol, text in step.values.items()
            )
        case Have():
            return (done["rule"], done.get("conclusion")) == ("combination", step.equation)
        case Cancel():
            return (done["rule"], done.get("conclusion")) == ("cancellation", f"{step.squares[0]} = 0")
        case Witness():
            return (done["rule"], done.get("symbol")) == ("witness", step.symbol)


def _line(step: PlanStep) -> str:
    """A line of a plan as it is written."""
    match step:
        case Apply():
            values = ", ".join(f"{symbol} = {text}" for symbol, text in step.values.items())
            return f"lemma {step.lemma} with {values}" if values else f"lemma {step.lemma}"
        case Have():
            return f"have {step.equation}"
        case Cancel():
            return f"cancel {', '.join(step.squares)}"
        case Witness():
            return f"choose {step.symbol} = {step.value}"
