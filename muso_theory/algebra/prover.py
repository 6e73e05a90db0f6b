"""Noncommutative Buchberger with cofactors: is a polynomial a combination of given ones, and of which?

F. Mora, "An introduction to commutative and noncommutative Gröbner bases", TCS 1994; with cofactors, for identities of
operators: C. Hofstadler, C. Raab, G. Regensburger, "Certifying operator identities via noncommutative Gröbner bases",
ACM Communications in Computer Algebra 2019.

The answer is a list of terms c·a·g·b with rational c, words a, b and a given g, whose sum is the target. It can have
thousands of terms where the way to it was short, because what was found on the way is written out wherever it is used.
A chain of short sums says the same: each equation on the way once, and used by name after that.

Ideal membership in a free algebra is only semi-decidable, so the search has limits, and `NotFoundError` says which was
met.
"""

from __future__ import annotations

import heapq
import math
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from fractions import Fraction
from typing import final

from .polynomial import AlgebraError, Polynomial, Word

__all__ = ["Combination", "Link", "NotFoundError", "Term", "find_chain", "find_combination"]

_Number = int | Fraction
"""Whole numbers stay int, which is several times faster than Fraction and almost always the case."""
_Terms = dict[Word, _Number]
_Cofactors = dict[tuple[Word, str, Word], _Number]


_LETTERS = 200
"""Letters of the longest equation that has a name of its own in a chain: a checker must be able to read it."""


class NotFoundError(AlgebraError):
    """No certificate within the limits. This is no refutation."""


@final
@dataclass(frozen=True)
class Term:
    """One summand coefficient · left · fact · right.

    Args:
        coefficient: a nonzero rational.
        left: the word multiplied from the left.
        fact: the key of the polynomial that is zero.
        right: the word multiplied from the right.
    """

    coefficient: Fraction
    left: Word
    fact: str
    right: Word


Combination = tuple[Term, ...]

Link = tuple[str, Mapping[Word, _Number], Combination]
"""A key, what is zero, leading word first, and the terms of which it is the sum."""


def find_combination(
    target: Polynomial,
    facts: Mapping[str, Polynomial],
    weights: Mapping[str, int] | None = None,
    *,
    max_degree: int = 20,
    max_work: int = 5_000_000,
    seconds: float = 20.0,
) -> Combination:
    """Write a polynomial exactly as a combination of facts, polynomials that are zero.

    Args:
        weights: weight of symbols that count for more than one letter; a defined symbol that weighs more than its
            definition is eliminated first.
        max_degree: how much heavier than everything given an S-polynomial may be.
        max_work: number of terms touched at which the search stops, the same on every machine.
        seconds: time after which the search stops.

    Raises:
        NotFoundError: if the limits were met, or the completed basis does not reduce the target to zero.

    Example:
        >>> from muso_theory.algebra.statement import parse_statement
        >>> s = parse_statement("demo", ["matrix A : n x D", "pinv A", "conclude A' A A^+ = A'"])
        >>> facts = {key: fact.polynomial for key, fact in s.facts.items()}
        >>> for term in find_combination(s.conclusions[0], facts):
        ...     print(term.coefficient, term.left, term.fact, term.right)
        1 () penrose1(A)' ()
        -1 ("A'",) penrose3(A) ()
    """
    return _Search(facts, weights or {}, max_work, time.monotonic() + seconds).run(target, max_degree)


def find_chain(
    target: Polynomial,
    facts: Mapping[str, Polynomial],
    weights: Mapping[str, int] | None = None,
    *,
    longest: float,
    max_degree: int = 20,
    max_work: int = 5_000_000,
    seconds: float = 20.0,
) -> tuple[list[Link], Combination]:
    """The same in several steps, where a sum on the way has more terms than asked for.

    Args:
        longest: terms of an equation on the way beyond which it has a name of its own, and is used by that.

    Returns:
        The equations on the way, each from facts and those before it; and the combination of the target.

    Raises:
        NotFoundError: as `find_combination` does.

    Example:
        >>> from muso_theory.algebra.statement import parse_statement
        >>> s = parse_statement("demo", ["matrix A : n x D", "pinv A", "conclude A' A A^+ = A'"])
        >>> facts = {key: fact.polynomial for key, fact in s.facts.items()}
        >>> links, combination = find_chain(s.conclusions[0], facts, longest=1)
        >>> [len(terms) for _, _, terms in links], len(combination)
        ([2], 1)
    """
    search = _Search(facts, weights or {}, max_work, time.monotonic() + seconds, longest)
    found = search.run(target, max_degree)
    return list(search.reached(found)), found


@dataclass
class _Element:
    """A basis element: polynomial with leading word and its expression in the facts; leading coefficient 1."""

    lead: Word
    tail: _Terms
    cofactors: _Cofactors


class _Search:
    """One run of Buchberger's procedure, stopped as soon as the target reduces to zero."""

    def __init__(
        self,
        facts: Mapping[str, Polynomial],
        weights: Mapping[str, int],
        work: int,
        deadline: float,
        longest: float = math.inf,
    ) -> None:
        self.weight = {letter: w for symbol, w in weights.items() for letter in (symbol, symbol + "'")}
        self.basis: list[_Element] = []
        self.work, self.deadline = work, deadline
        self.longest, self.cuts = longest, dict[str, _Element]()
        self.pairs: list[tuple[int, int, _Terms, _Cofactors]] = []
        self.count = 0
        self.initial: list[tuple[_Terms, _Cofactors]] = []
        seen: set[frozenset[tuple[Word, Fraction]]] = set()
        for key, polynomial in facts.items():
            # What is zero has a zero transpose: both are given, unless they are the same up to sign.
            for mark, version in (("", polynomial), ("'", polynomial.transpose())):
                same = frozenset(version.terms.items())
                if same in seen or frozenset((-version).terms.items()) in seen:
                    continue
                seen.add(same)
                self.initial.append((_whole(version.terms), {((), key + mark, ()): 1}))

    def order(self, word: Word) -> tuple[int, int, Word]:
        """Weighted degree-lexicographic order; primes come late so that projectors are written without them."""
        return sum(self.weight.get(letter, 1) for letter in word), len(word), word

    def run(self, target: Polynomial, max_degree: int) -> Combination:
        """Grow the basis until the target reduces to zero."""
        for terms, cofactors in sorted(
            self.initial, key=lambda item: max(map(self.order, item[0]), default=(0, 0, ()))
        ):
            self.push(terms, cofactors)
        given = [word for terms, _ in self.initial for word in terms] + list(target.terms)
        limit = max(self.order(word)[0] for word in given) + max_degree if given else 0
        goal, used = self.reduce(_whole(target.terms), {})
        while goal:
            if not self.pairs:
                raise NotFoundError(f"not a consequence of the facts by ideal membership: {target}")
            degree, _, terms, cofactors = heapq.heappop(self.pairs)
            if degree > limit:
                raise NotFoundError(f"no certificate within the limits for {target}")
            if self.push(terms, cofactors):
                goal, used = self.reduce(goal, used)
        # `used` collected -c·a·g·b for every reduction step, so the target is minus their sum.
        return _terms({place: -c for place, c in used.items()})

    def reached(self, combination: Combination) -> Iterator[Link]:
        """The cuts on which a combination rests, in the order in which they were made."""
        waiting, needed = [term.fact for term in combination], set[str]()
        while waiting:
            key = waiting.pop()
            if key in self.cuts and key not in needed:
                needed.add(key)
                waiting += [fact for _, fact, _ in self.cuts[key].cofactors]
        for key, cut in self.cuts.items():
            if key in needed:
                yield key, {cut.lead: 1, **cut.tail}, _terms(cut.cofactors)

    def push(self, terms: _Terms, cofactors: _Cofactors) -> bool:
        """Reduce a polynomial and add what is left to the basis; False if nothing is left."""
        terms, cofactors = self.reduce(terms, cofactors)
        if not terms:
            return False
        lead = max(terms, key=self.order)
        top = terms.pop(lead)
        element = _Element(
            lead,
            {w: _ratio(c, top) for w, c in terms.items()},
            {k: _ratio(c, top) for k, c in cofactors.items() if c},
        )
        if len(element.cofactors) > self.longest and len(lead) + sum(map(len, element.tail)) <= _LETTERS:
            # The search goes the same way: what it looks at are words, and the cofactors only follow.
            key = f"cut({len(self.cuts) + 1})"
            self.cuts[key] = element
            element = replace(element, cofactors={((), key, ()): 1})
        # The new leading word contains no other one. Those that contain it are taken out and reduced again, so that
        # no leading word ever lies within another, and proper overlaps are all the ambiguities that there are.
        old = [other for other in self.basis if _find(lead, other.lead) >= 0]
        self.basis = [other for other in self.basis if _find(lead, other.lead) < 0]
        self.basis.append(element)
        for other in list(self.basis):
            self.overlaps(element, other)
            if other is not element:
                self.overlaps(other, element)
        for other in old:
            self.queue({other.lead: 1, **other.tail}, other.cofactors)
        return True

    def overlaps(self, f: _Element, g: _Element) -> None:
        """Queue S-polynomials of words that end like ``f.lead`` and begin like ``g.lead``."""
        for size in range(1, min(len(f.lead), len(g.lead))):
            if f.lead[-size:] == g.lead[:size]:
                left, right = f.lead[:-size], g.lead[size:]
                terms: _Terms = {}
                cofactors: _Cofactors = {}
                _add(terms, cofactors, f, (), right, 1)
                _add(terms, cofactors, g, left, (), -1)
                self.queue(terms, cofactors)

    def queue(self, terms: _Terms, cofactors: _Cofactors) -> None:
        """Put a polynomial on the heap by its weight."""
        terms = {w: c for w, c in terms.items() if c}
        if terms:
            self.count += 1
            degree = max(self.order(w)[0] for w in terms)
            heapq.heappush(self.pairs, (degree, self.count, terms, cofactors))

    def reduce(self, terms: _Terms, cofactors: _Cofactors) -> tuple[_Terms, _Cofactors]:
        """Full normal form; cofactors follow every step."""
        terms, cofactors = dict(terms), dict(cofactors)
        pending = set(terms)
        while pending:
            word = max(pending, key=self.order)
            pending.discard(word)
            coefficient = terms.get(word)
            if not coefficient:
                terms.pop(word, None)
                continue
            for element in self.basis:
                at = _find(element.lead, word)
                if at >= 0:
                    self.work -= 2 + len(element.tail) + len(element.cofactors)
                    if self.work < 0 or time.monotonic() > self.deadline:
                        raise NotFoundError("no certificate within the limits of work and time")
                    left, right = word[:at], word[at + len(element.lead) :]
                    pending.update(_add(terms, cofactors, element, left, right, -coefficient))
                    terms.pop(word, None)
                    break
        return {w: c for w, c in terms.items() if c}, cofactors


def _find(needle: Word, hay: Word) -> int:
    """Position of one word in another, or -1."""
    size = len(needle)
    return next((i for i in range(len(hay) - size + 1) if hay[i : i + size] == needle), -1)


def _add(
    terms: _Terms, cofactors: _Cofactors, element: _Element, left: Word, right: Word, factor: _Number
) -> list[Word]:
    """Add factor·left·element·right in place; give the words touched."""
    touched = []
    for word, c in ((element.lead, 1), *element.tail.items()):
        full = left + word + right
        terms[full] = terms.get(full, 0) + factor * c
        touched.append(full)
    for (a, g, b), c in element.cofactors.items():
        key = (left + a, g, b + right)
        cofactors[key] = cofactors.get(key, 0) + factor * c
    return touched


def _terms(cofactors: _Cofactors) -> Combination:
    """Cofactors as terms, in an order that no run changes."""
    return tuple(Term(Fraction(c), a, g, b) for (a, g, b), c in sorted(cofactors.items()) if c)


def _whole(terms: Mapping[Word, Fraction]) -> _Terms:
    """Coefficients as int where they are whole."""
    return {w: c.numerator if c.denominator == 1 else c for w, c in terms.items()}


def _ratio(a: _Number, b: _Number) -> _Number:
    """Quotient; int if the divisor is a unit."""
    return a * b if b in (1, -1) else Fraction(a) / b
