"""Hypotheses that stand in a definition: what a ``let`` takes for granted without an ``assume``.

A ``let`` only gives a name, so nothing that it says restricts a theorem about that name. But claims use some names for
things of their own, and of these a definition may say more than is true of all of them:

* data, such as the targets y: ``let y = Phi v`` makes them targets that can be fitted;
* a trained model: w_p, w_r, w_u are where training ends, and another formula than that of the shared setting, such as
  one with an inverse, is the same model under a condition only, or the model of another training;
* the square of a number, ``let eta : D x D = h_D h_D``, is not negative;
* what has a parameter of its own, which no other line has: ``let d = Phi_R' a`` is a combination of rows. Where the
  parameter is a term by itself, the name is of anything.
"""

from __future__ import annotations

import re

from ...algebra.statement import Statement
from .settings import FINE_TUNED, LEAST_SQUARES

__all__ = ["hidden_hypotheses"]

_SETTING = [line.strip() for line in f"{FINE_TUNED}{LEAST_SQUARES}".splitlines()]
_DATA = {line.split(" ")[1] for line in _SETTING if line.startswith("matrix ")}
_MODELS = {name: body for line in _SETTING for name, body in re.findall(r"^let (w_[pru]) = (.+)", line)}
_USING = ("let ", "pinv ", "assume ", "conclude ", "exists ", "partition ")
"""Lines that say something of a symbol; the others declare it, or are words."""


def hidden_hypotheses(theorem: Statement) -> list[str]:
    """The definitions of a theorem that take something for granted, as they are written.

    Example:
        >>> from ...algebra.statement import parse_statement
        >>> lines = ["matrix Phi : n x D", "matrix v : D x c", "let y = Phi v", "conclude y = Phi v"]
        >>> hidden_hypotheses(parse_statement("fits", lines))
        ['y = Phi v']
    """
    free = {*theorem.free, *(symbol for sizes in theorem.scalars for symbol in sizes)} - _DATA
    found = []
    for line in theorem.lines:
        head, _, body = line.removeprefix("let ").partition(" = ")
        name = head.partition(" ")[0]
        if not line.startswith("let "):
            continue
        others = [text for text in theorem.lines if text.startswith(_USING) and text != line]
        own = [
            symbol
            for symbol in free
            if _has(body, symbol)
            and not _is_model(symbol)
            and not _is_term(body, symbol)
            and not any(_has(text, symbol) for text in others)
        ]
        square = any(body == f"{number} {number}" for sizes in theorem.scalars for number in sizes)
        if name in _DATA or _MODELS.get(name, body) != body or own or square:
            found.append(f"{name} = {body}")
    return found


def _has(text: str, symbol: str) -> bool:
    return re.search(rf"(?<![\w-]){re.escape(symbol)}(?![\w-])", text) is not None


def _is_model(symbol: str) -> bool:
    """Whether it is a model, which claims speak of by its name: any pretrained one, or any iterate."""
    return re.fullmatch(r"w(_\w+)?", symbol) is not None


def _is_term(body: str, symbol: str) -> bool:
    """Whether the definition is of anything whatever, as the parameter is added to the rest."""
    return re.search(rf"(?:^|[+-] ){re.escape(symbol)}(?: [+-]|$)", body) is not None
