"""Whether hypotheses contradict one another: what they say makes an identity matrix zero.

Two ways lead on, in turns. Ideal membership: I is a combination of what is zero. And traces: a combination of what is
zero, each part multiplied by a word that makes it square, has trace zero; if that trace is Σ d_k tr(q_kᵀq_k), d_k ≥ 0,
every q_k with d_k > 0 is zero, for tr(qᵀq) is the sum of the squared entries of a real matrix. Words count up to
rotation and transposition there, so that AB − BA = I is seen to be impossible, too. Which combination does it, a linear
programme says in floats; only what holds in exact numbers is believed. The squares are those of words u, of u ± v
(A. Ahmadi, A. Majumdar, "DSOS and SDSOS optimization", SIAM J. Applied Algebra and Geometry 2019) and of what the
hypotheses have in brackets, so that not all are found.
"""

from __future__ import annotations

import itertools
import re
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

from .expression import parse_expression
from .polynomial import Polynomial, Word, flip_word
from .prover import NotFoundError, find_combination
from .statement import Statement

__all__ = ["contradiction", "squared"]

_ROUNDS = 4
"""Roots that are zero make others zero; more rounds were never of use."""
_MAX_TERMS, _MAX_LENGTH, _MAX_COLUMNS = 60, 10, 4_000
"""Longer polynomials and words are left out, and more products."""
_DENOMINATOR = 1_000
_LITTLE = 20_000
"""Work to see that a root is nothing new."""
_SEEN = 1e-7
"""What of a float solution is no rounding; it is held against exact numbers afterwards."""

_Trace = dict[tuple[str, Word], Fraction]
"""A trace: classes of closed words, an identity by its size, to their coefficients."""


@dataclass(frozen=True)
class _Zero:
    """What is zero, and the hypotheses that make it so."""

    polynomial: Polynomial
    labels: frozenset[str]


def contradiction(statement: Statement, seconds: float) -> str:
    """Words if no data satisfy the hypotheses; the empty text if that was not found within a time.

    Example:
        >>> from muso_theory.algebra.statement import parse_statement
        >>> lines = ["matrix A : n x n", "matrix B : n x n", "assume squares: A' A + B' B = 0"]
        >>> contradiction(parse_statement("demo", [*lines, "conclude A = B"]), 1.0)
        ''
        >>> lines += ["assume regular: B invertible", "conclude A = B"]
        >>> print(contradiction(parse_statement("demo", lines), 5.0))
        squares makes B zero, part of a sum of squares; regular, squares together make an identity matrix zero
    """
    deadline = time.monotonic() + seconds
    zeros = {key: _Zero(f.polynomial, _labels(f.label)) for key, f in statement.facts.items()}
    for _ in range(_ROUNDS):
        if found := _identity_is_zero(statement, zeros, deadline):
            return found
        new: list[_Zero] = []
        for multiplied in (False, True):
            if not new and time.monotonic() < deadline:
                new = _unknown(_Traces(statement, zeros, multiplied).roots(deadline), zeros)
        if not new:
            return ""
        zeros |= {f"root({len(zeros) + i})": root for i, root in enumerate(new)}
    return ""


def squared(p: Polynomial) -> tuple[str, ...]:
    """The roots of a polynomial that is, up to its sign, a sum of squares of words; none where it is something else.

    Example:
        >>> from muso_theory.algebra.expression import parse_expression
        >>> squared(parse_expression("- 2 A' A - B B'", {"A": ("n", "n"), "B": ("n", "n")}))
        ('A', 'A', "B'")
    """
    roots: list[str] = []
    for word, coefficient in p.terms.items():
        half = word[len(word) // 2 :]
        positive = coefficient > 0
        if (
            word != (*flip_word(half), *half)
            or coefficient.denominator > 1
            or positive != (max(p.terms.values()) > 0)
        ):
            return ()
        roots += [" ".join(half) or "I"] * abs(coefficient.numerator)
    return tuple(roots) if len(roots) <= _MAX_LENGTH else ()


def _labels(label: str | None) -> frozenset[str]:
    return frozenset() if label is None else frozenset((label,))


def _make(labels: frozenset[str]) -> str:
    """Who makes something zero."""
    return (
        f"{', '.join(sorted(labels))} together make"
        if len(labels) > 1
        else f"{next(iter(labels), 'the setting')} makes"
    )


def _unknown(roots: list[_Zero], zeros: Mapping[str, _Zero]) -> list[_Zero]:
    """The roots that are not known to be zero from what is."""
    facts = {key: zero.polynomial for key, zero in zeros.items()}
    new = []
    for root in roots:
        try:
            find_combination(root.polynomial, facts, max_work=_LITTLE, seconds=0.2)
        except NotFoundError:
            new.append(root)
    return new


def _identity_is_zero(statement: Statement, zeros: Mapping[str, _Zero], deadline: float) -> str:
    """Words if the identity of some size is a combination of what is zero, with the roots of squares in it."""
    facts = {key: zero.polynomial for key, zero in zeros.items()}
    for zero in zeros.values():
        if set(zero.polynomial.terms) == {()}:
            return f"{_make(zero.labels)} a sum of squares zero of which an identity matrix is one"
    sizes = sorted({size for kind in statement.signature.values() for size in kind})
    for number, size in enumerate(sizes):
        share = (deadline - time.monotonic()) / 2 / (len(sizes) - number)
        try:
            found = find_combination(Polynomial.number(1).typed(size, size), facts, seconds=max(0.05, share))
        except NotFoundError:
            continue
        used = {key: zeros[key] for key in dict.fromkeys(term.fact.removesuffix("'") for term in found)}
        told = [
            f"{_make(zero.labels)} {zero.polynomial} zero, part of a sum of squares"
            for key, zero in used.items()
            if key.startswith("root(")
        ]
        labels = frozenset[str]().union(*(zero.labels for zero in used.values()))
        return "; ".join([*told, f"{_make(labels)} an identity matrix zero"])
    return ""


class _Traces:
    """The linear programme: which products of what is zero have the trace of a sum of squares."""

    def __init__(self, statement: Statement, zeros: Mapping[str, _Zero], multiplied: bool) -> None:
        self.signature = statement.signature
        self.symmetric = {
            s: zero.labels
            for s in self.signature
            for zero in zeros.values()
            if _says_symmetric(zero.polynomial, s)
        }
        self.products: list[tuple[frozenset[str], _Trace]] = []
        for zero in zeros.values():
            for version in {zero.polynomial, statement.unfolded(zero.polynomial)}:
                for product in self.closed(version, multiplied):
                    trace = self.trace(product)
                    if trace and len(self.products) < _MAX_COLUMNS:
                        turned = (self.symmetric.get(symbol, frozenset()) for symbol in product.symbols())
                        self.products.append((zero.labels.union(*turned), trace))
        self.classes = sorted({word for _, trace in self.products for word in trace})
        ones = [Polynomial.number(1).typed(size, size) for size, word in self.classes if not word]
        roots = [*ones, *self.candidates(_bracketed(statement))]
        self.squares = [(q, self.trace(q.transpose() * q)) for q in roots]

    def closed(self, p: Polynomial, multiplied: bool) -> Iterator[Polynomial]:
        """The polynomial, and its products with words of at most two letters, where they are square."""
        if len(p.terms) > _MAX_TERMS or p.rows is None:
            return
        if p.rows == p.cols:
            yield p
        for symbol in self.signature if multiplied else ():
            for letter in dict.fromkeys((symbol, self.plain(flip_word((symbol,)))[0])):
                factor = Polynomial.letter(letter, self.signature)
                if (factor.rows, factor.cols) == (p.cols, p.rows):
                    yield p * factor
                if p.rows == p.cols == factor.rows:
                    yield p * factor * factor.transpose()

    def plain(self, word: Word) -> Word:
        """A word without the primes of symmetric matrices."""
        return tuple(x.rstrip("'") if x.rstrip("'") in self.symmetric else x for x in word)

    def key(self, word: Word, size: str) -> tuple[str, Word]:
        """What a closed word shares with its rotations and transposes, whose trace is the same."""
        if not word:
            return size, ()
        words = (self.plain(word), self.plain(flip_word(word)))
        return "", min(w[i:] + w[:i] for w in words for i in range(len(w)))

    def trace(self, p: Polynomial) -> _Trace:
        """The trace; empty where a word is too long."""
        found: _Trace = {}
        for word, coefficient in p.terms.items():
            if len(word) > _MAX_LENGTH:
                return {}
            key = self.key(word, str(p.rows))
            found[key] = found.get(key, Fraction(0)) + coefficient
        return {key: c for key, c in found.items() if c}

    def candidates(self, bracketed: Iterator[Polynomial]) -> list[Polynomial]:
        """What hypotheses have in brackets, words u, and u + v and u − v, with squares made of the words at hand."""
        known, found = set(self.classes), dict.fromkeys(bracketed)
        for _, word in self.classes:
            for i, j in itertools.product(range(len(word)), repeat=2):
                turned = word[i:] + word[:i]
                for q in self.roots_of(self.plain(flip_word(turned[:j])), turned[j:]):
                    if len(found) < _MAX_COLUMNS:
                        found[min((q, -q, q.transpose(), -q.transpose()), key=_simplicity)] = None
        squares = {q: self.trace(q.transpose() * q) for q in found if len(q.terms) <= _MAX_TERMS}
        return [q for q, square in squares.items() if square and set(square) <= known]

    def roots_of(self, u: Word, v: Word) -> Iterator[Polynomial]:
        """Only u where it is v, else u + v and u − v; u may be the empty word, an identity."""
        first, second = (Polynomial.word(w, self.signature) for w in (u, v))
        if u == v:
            yield first
        elif (first.rows, first.cols) == (second.rows, second.cols) or (not u and second.rows == second.cols):
            yield first + second
            yield first - second

    def roots(self, deadline: float) -> list[_Zero]:
        """What is zero because its square has a part in a trace that is zero; without what a zero letter makes zero."""
        found: list[_Zero] = []
        gone: set[str] = set()
        count = len(self.squares)
        possible = self.solve([(0, 1)] * count, gain=True)
        for k in sorted(range(count), key=lambda k: _simplicity(self.squares[k][0])):
            if k not in possible or _vanishes(self.squares[k][0], gone) or time.monotonic() > deadline:
                continue
            weights = self.solve([(int(i == k), None) for i in range(count)])
            labels = self.exactly(weights)
            for i in weights if labels is not None else ():
                if i < count and labels is not None and not _vanishes(self.squares[i][0], gone):
                    root = self.squares[i][0]
                    found.append(_Zero(root, labels))
                    gone |= root.symbols() if [len(word) for word in root.terms] == [1] else set()
        return found

    def solve(self, bounds: list[tuple[float, float | None]], gain: bool = False) -> dict[int, Fraction]:
        """Weights of squares, and after them of products, whose traces are the same; those that are not zero.

        Args:
            bounds: of the weights of squares.
            gain: as much weight as there is for squares, instead of as little as possible for products.
        """
        import numpy as np
        from scipy.optimize import linprog
        from scipy.sparse import csr_array

        if not self.products or not self.squares:
            return {}
        place = {word: i for i, word in enumerate(self.classes)}
        n, columns = len(self.squares), [*self.squares, *self.products]
        # A product's weight is the difference of two that are not negative, so that its size has a price.
        at = [
            (place[w], j, float(c if j < n else -c))
            for j, (_, trace) in enumerate(columns)
            for w, c in trace.items()
        ]
        at += [(i, j + len(self.products), -c) for i, j, c in at if j >= n]
        rows, cols, entries = zip(*at, strict=True)
        matrix: Any = csr_array(
            (entries, (rows, cols)), shape=(len(place), len(columns) + len(self.products))
        )
        price = np.concatenate([np.full(n, -float(gain)), np.full(2 * len(self.products), float(not gain))])
        limits: list[tuple[float, float | None]] = [*bounds, *[(0, None)] * (2 * len(self.products))]
        answer = linprog(price, A_eq=matrix, b_eq=np.zeros(len(place)), bounds=limits)
        if answer.x is None:
            return {}
        squares, plus, minus = np.split(answer.x, [n, len(columns)])
        weights = enumerate([*squares, *(plus - minus)])
        return {k: Fraction(float(w)).limit_denominator(_DENOMINATOR) for k, w in weights if abs(w) > _SEEN}

    def exactly(self, weights: Mapping[int, Fraction]) -> frozenset[str] | None:
        """The hypotheses that make the weighted squares zero, if the traces are the same in exact numbers."""
        n, total, labels = len(self.squares), _Trace(), frozenset[str]()
        for k, weight in weights.items():
            trace = self.squares[k][1] if k < n else self.products[k - n][1]
            labels |= frozenset() if k < n else self.products[k - n][0]
            for word, c in trace.items():
                total[word] = total.get(word, Fraction(0)) + (weight if k < n else -weight) * c
        proved = weights and not any(total.values()) and all(w > 0 for k, w in weights.items() if k < n)
        return labels if proved else None


def _vanishes(q: Polynomial, gone: set[str]) -> bool:
    """Whether every term has a letter that is zero."""
    return all({x.rstrip("'") for x in word} & gone for word in q.terms)


def _simplicity(q: Polynomial) -> tuple[int, int, int, str]:
    """Order of roots: few terms first, then short words, then few primes and signs."""
    shown = str(q)
    return len(q.terms), max(map(len, q.terms), default=0), len(shown), shown


def _bracketed(statement: Statement) -> Iterator[Polynomial]:
    """What is written in brackets in hypotheses and definitions."""
    for line in statement.lines:
        if line.startswith(("assume ", "let ")):
            for text in re.findall(r"\(([^()]*)\)", line):
                q = parse_expression(text, statement.signature)
                if q.rows is not None:
                    yield q


def _says_symmetric(p: Polynomial, symbol: str) -> bool:
    """Whether what is zero is a matrix less its transpose."""
    letters = {(symbol,), (symbol + "'",)}
    return set(p.terms) == letters and sum(p.terms.values()) == 0
