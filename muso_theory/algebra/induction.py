"""Induction over the way an object is built: from base objects, by a step.

    induction in words         what the induction runs over
    matrix / let / pinv / ...  what stays fixed, as in a theorem, hypotheses (assume) included
    state M : D x D            a part of the object that is built
    predicate left = right     what is claimed of every object
    base NAME with M = M_0     the theorem that proves it for base objects, and what they are called there
    step NAME from M = M_t to M = M_next
                               the theorem that proves it for a built object from its parts ("from ... and ...")
    says, remains              as in a theorem

The base theorem must conclude the predicate; the step theorem must conclude it from the predicate of each part and
from nothing else that is not fixed. A hypothesis that is fixed stands in base or step, word for word, and is tried
there; whichever of them does without it proves more.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import final

from .expression import parse_expression
from .polynomial import AlgebraError, Polynomial, quoted
from .statement import Statement, fields_of, parse_statement

__all__ = ["Induction", "check_induction", "parse_induction"]


@final
@dataclass(frozen=True)
class Induction:
    """A parsed induction.

    Args:
        name: the name of the theorem.
        lines: its text.
        ambient: a statement of what stays fixed, the states as free matrices, the predicate as its conclusions.
        states: the symbols of the object that is built.
        base: the theorem for base objects.
        base_values: state to its expression there.
        step: the theorem for the building step.
        parts: for every part, state to its expression in the step theorem.
        built: state of the built object to its expression there.
    """

    name: str
    lines: tuple[str, ...]
    ambient: Statement
    states: tuple[str, ...]
    base: str
    base_values: Mapping[str, str]
    step: str
    parts: tuple[Mapping[str, str], ...]
    built: Mapping[str, str]


def parse_induction(name: str, lines: list[str] | tuple[str, ...]) -> Induction:
    """Read an induction.

    Raises:
        AlgebraError: if it is not of the form described in this module.
    """
    verbs = [line.partition(" ")[0] for line in lines]
    if verbs[:1] != ["induction"] or any(verbs.count(verb) != 1 for verb in ("induction", "base", "step")):
        raise AlgebraError(f"{name} is not an induction with one base and one step")
    if {"conclude", "exists", "without"} & set(verbs):
        raise AlgebraError(f"the induction {name} may only fix, state and predicate")
    body = [line for line in lines if line.partition(" ")[0] not in ("induction", "base", "step")]
    rewritten = [re.sub(r"^state ", "matrix ", re.sub(r"^predicate ", "conclude ", line)) for line in body]
    ambient = parse_statement(name, rewritten)
    states = tuple(line.split(" ")[1] for line in body if line.startswith("state "))
    base, base_text = fields_of(r"base (\S+) with (.+)", lines[verbs.index("base")])
    step, from_text, to_text = fields_of(r"step (\S+) from (.+) to (.+)", lines[verbs.index("step")])
    return Induction(
        name, tuple(lines), ambient, states, base, _values(base_text, states), step,
        tuple(_values(part, states) for part in from_text.split(" and ")), _values(to_text, states),
    )  # fmt: skip


def check_induction(induction: Induction, base: Statement, step: Statement) -> None:
    """Check that base and step theorem are what the induction needs.

    Raises:
        AlgebraError: if the base does not conclude the predicate, or the step does not conclude it from exactly
            the predicate of its parts.
    """
    assumed = [line for line in induction.ambient.lines if line.startswith("assume ")]
    if lost := [line for line in assumed if line not in base.lines and line not in step.lines]:
        raise AlgebraError(f"neither base nor step of {induction.name} tries {lost[0]!r}")
    for theorem in (base, step):
        if theorem.exists:
            raise AlgebraError(f"{theorem.name} claims existence and cannot carry an induction")
        fixed = [line for line in induction.ambient.lines if line.split(" ")[1] not in induction.states]
        setting = [line for line in fixed if line.partition(" ")[0] not in ("conclude", "says", "remains")]
        # A definition that names a state would speak of the host's own matrix of that name.
        if any(set(re.findall(r"[A-Za-z]\w*", line)) & set(induction.states) for line in setting):
            raise AlgebraError(f"what {induction.name} keeps fixed depends on a state")
        if any(line not in theorem.lines for line in setting if line not in assumed):
            raise AlgebraError(f"{theorem.name} lacks a line of what {induction.name} keeps fixed")
    if list(base.conclusions) != _instance(induction, induction.base_values, base):
        raise AlgebraError(f"{base.name} does not conclude the predicate of {induction.name}")
    if list(step.conclusions) != _instance(induction, induction.built, step):
        raise AlgebraError(f"{step.name} does not conclude the predicate of {induction.name}")
    premises = [p for part in induction.parts for p in _instance(induction, part, step)]
    # By line, not by label alone: under the same label the step might assume something else.
    given = {None, *(line.split(" ")[1][:-1] for line in assumed if line in step.lines)}
    if [fact.polynomial for fact in step.facts.values() if fact.label not in given] != premises:
        raise AlgebraError(f"{step.name} assumes something other than the predicate of its parts")
    free = {s for part in induction.parts for text in part.values() for s in text.split()}
    if not free <= set(step.free):
        raise AlgebraError(f"the parts of {step.name} must be arbitrary matrices, not defined ones")


def _instance(induction: Induction, texts: Mapping[str, str], host: Statement) -> list[Polynomial]:
    """The predicate, with the states replaced by expressions of the host theorem."""
    values = {state: parse_expression(texts[state], host.signature) for state in induction.states}
    objects: dict[str, str | None] = {}
    for state, value in values.items():
        for local, actual in zip(induction.ambient.signature[state], (value.rows, value.cols), strict=True):
            if objects.setdefault(local, actual) != actual or actual is None:
                raise AlgebraError(f"the sizes of {state} do not fit in {host.name}")
    for symbol, kind in induction.ambient.signature.items():
        if symbol in induction.states:
            continue
        if host.signature.get(symbol) != kind or any(objects.setdefault(d, d) != d for d in kind):
            raise AlgebraError(f"{symbol} is not the same in {induction.name} and {host.name}")
    result = []
    for predicate in induction.ambient.conclusions:
        rows, cols = objects.get(str(predicate.rows)), objects.get(str(predicate.cols))
        if rows is None or cols is None:
            raise AlgebraError(f"the sizes of the predicate of {induction.name} are not determined")
        result.append(predicate.substitute(values, host.signature).typed(rows, cols))
    return result


def _values(text: str, states: tuple[str, ...]) -> dict[str, str]:
    """Read ``M = expression, w = expression``."""
    values = {}
    for part in text.split(", "):
        state, _, value = part.partition(" = ")
        values[state] = value
    if sorted(values) != sorted(states) or len(text.split(", ")) != len(states):
        raise AlgebraError(f"expected one value for each of {', '.join(states)} but got {quoted(text)}")
    return values
