"""Using a theorem inside another: what its symbols become, and which of its assumptions are not known there."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from .expression import parse_expression
from .polynomial import AlgebraError, Polynomial
from .statement import Statement

__all__ = ["Instance"]


class Instance:
    """A theorem with matrices of a host in place of its symbols.

    Args:
        lemma: the theorem used.
        host: the statement that uses it.
        texts: for every symbol of the lemma, an expression of the host.

    Raises:
        AlgebraError: if a symbol has no value, a value has no type, or the types do not fit together.

    Example:
        >>> from muso_theory.algebra.statement import parse_statement
        >>> lemma = parse_statement("lemma", ["matrix A : m x D", "assume zero: A = 0", "conclude A A' = 0"])
        >>> host = parse_statement("host", ["matrix B : n x D", "conclude B = B"])
        >>> instance = Instance(lemma, host, {"A": "2 B"})
        >>> [str(p) for p in instance.conclusions], [str(p) for _, p in instance.unknown([])]
        (["4 B B'"], ['2 B'])
    """

    def __init__(self, lemma: Statement, host: Statement, texts: Mapping[str, str]) -> None:
        if lemma.exists:
            raise AlgebraError(f"{lemma.name} claims existence and cannot be used as a lemma")
        if set(texts) != set(lemma.signature) or any(not isinstance(text, str) for text in texts.values()):
            raise AlgebraError(f"every symbol of {lemma.name} needs a value, and no other")
        self.lemma, self.host = lemma, host
        self.values = {symbol: parse_expression(text, host.signature) for symbol, text in texts.items()}
        self.objects: dict[str, str] = {}
        for symbol, value in self.values.items():
            for local, actual in zip(lemma.signature[symbol], (value.rows, value.cols), strict=True):
                if actual is None:
                    raise AlgebraError(f"the value of {symbol} is a bare number; give it a name and a type")
                if self.objects.setdefault(local, actual) != actual:
                    raise AlgebraError(
                        f"{local} of {lemma.name} would be both {self.objects[local]} and {actual}"
                    )

    def replaced(self, polynomial: Polynomial) -> Polynomial:
        """A fact or conclusion of the lemma in the symbols of the host."""
        typed = self.objects[str(polynomial.rows)], self.objects[str(polynomial.cols)]
        return polynomial.substitute(self.values, {}).typed(*typed)

    @property
    def conclusions(self) -> list[Polynomial]:
        """What the lemma says in the host."""
        return [self.replaced(conclusion) for conclusion in self.lemma.conclusions]

    def unknown(self, proved: Iterable[Polynomial]) -> list[tuple[str, Polynomial]]:
        """Assumptions of the lemma that are not among the facts of the host, up to sign and transposition.

        Definitions of the host are unfolded on both sides before they are compared.
        """
        unfold = self.host.unfolded
        known = {unfold(p) for p in (*(fact.polynomial for fact in self.host.facts.values()), *proved)}
        known |= {-p for p in known}
        known |= {p.transpose() for p in known}
        needed = [(key, self.replaced(fact.polynomial)) for key, fact in self.lemma.facts.items()]
        return [(key, p) for key, p in needed if (u := unfold(p)).terms and u not in known]
