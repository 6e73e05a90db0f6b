"""Theorems as declared: a statement in the statement language, and a plan of lemmas that the prover fills in."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import final

__all__ = ["Apply", "Cancel", "Have", "PlanStep", "Theorem", "Witness", "canonical", "text_lines"]


@final
@dataclass(frozen=True)
class Apply:
    """Use a proved theorem, with its free matrices and row selections replaced.

    Args:
        lemma: name of the theorem used.
        values: symbol of the lemma to an expression of the host; symbols of equal name may be left out.
    """

    lemma: str
    values: Mapping[str, str] = field(default_factory=dict)


@final
@dataclass(frozen=True)
class Have:
    """An intermediate equation, to be found as a combination of what is known.

    Args:
        equation: what to prove.
        using: keys of the facts to use; "steps" stands for all earlier steps, "last" for the latest, "last 3" for
            the latest three. Empty to let the prover choose.
    """

    equation: str
    using: tuple[str, ...] = ()


@final
@dataclass(frozen=True)
class Cancel:
    """Conclude q = 0 from c₁q₁ᵀq₁ + … = 0 with positive cᵢ: over the reals every summand vanishes.

    Args:
        squares: the expressions q₁, q₂, …; the first is concluded zero.
    """

    squares: tuple[str, ...]


@final
@dataclass(frozen=True)
class Witness:
    """Name a matrix whose existence the theorem claims.

    Args:
        symbol: the symbol of the ``exists`` line.
        value: the expression that defines it.
    """

    symbol: str
    value: str


PlanStep = Apply | Have | Cancel | Witness


@final
@dataclass(frozen=True)
class Theorem:
    """A named theorem: what it says and how the prover should go about it.

    Args:
        name: ``slug``, ``slug/part`` or ``lemma/...``; the slug says which claim it belongs to.
        lines: the statement.
        plan: intermediate steps; what they leave open is sought in one combination. An induction needs none.

    Example:
        >>> Theorem("lemma/demo", text_lines("matrix A : n x D", "conclude A = A")).slug
        'lemma'
    """

    name: str
    lines: tuple[str, ...]
    plan: tuple[PlanStep, ...] = ()

    @property
    def slug(self) -> str:
        """The claim that this theorem is a part of."""
        return self.name.partition("/")[0]


def text_lines(*blocks: str) -> tuple[str, ...]:
    """Join blocks of statement text into lines with single blanks between words and no blank ones.

    Example:
        >>> text_lines("a  b", " c ")
        ('a b', 'c')
    """
    return tuple(" ".join(line.split()) for block in blocks for line in block.splitlines() if line.strip())


def canonical(value: object) -> bytes:
    """The bytes that are hashed: JSON with sorted keys and no blanks."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()
