"""Polynomials in typed noncommuting letters: matrices of symbolic size, their transposes, and identities.

A letter is a symbol such as ``"Phi"`` or its transpose ``"Phi'"``. A word is a tuple of letters and is a path in the
quiver whose objects are the symbolic dimensions; the empty word is the identity at an object. A polynomial knows its
two end objects, so that a sum or product that no matrices of these sizes could form is refused when it is written.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from fractions import Fraction
from typing import final

from ..errors import MusoError

__all__ = [
    "MAX_TERMS",
    "MAX_WORD",
    "AlgebraError",
    "Letter",
    "Polynomial",
    "Signature",
    "Word",
    "flip",
    "flip_word",
    "quoted",
]

Letter = str
Word = tuple[Letter, ...]
Signature = Mapping[str, tuple[str, str]]
"""Symbol name to its (row object, column object)."""

MAX_TERMS = 5_000
MAX_WORD = 64


class AlgebraError(MusoError, ValueError):
    """An expression that is ill typed, unknown, too large, or not an expression at all.

    Args:
        words: what is wrong.
        at: where in the text that was read, counted from 0; None where no place is known.
    """

    def __init__(self, words: str, at: int | None = None) -> None:
        super().__init__(words)
        self.at = at


def quoted(text: str) -> str:
    """Text that was read, as an error quotes it: its beginning is enough to find it.

    Example:
        >>> quoted("A = B"), len(quoted(1000 * "A"))
        ("'A = B'", 62)
    """
    return repr(text[:60])


def flip(letter: Letter) -> Letter:
    """Transpose one letter.

    Example:
        >>> flip("Phi"), flip("Phi'")
        ("Phi'", 'Phi')
    """
    return letter[:-1] if letter.endswith("'") else letter + "'"


def flip_word(word: Word) -> Word:
    """Transpose a word: reverse it and transpose each letter.

    Example:
        >>> flip_word(("A", "B'"))
        ('B', "A'")
    """
    return tuple(flip(letter) for letter in reversed(word))


@final
@dataclass(frozen=True)
class Polynomial:
    """A rational combination of words between two objects; ``None`` objects mark a bare number.

    A bare number stands for that multiple of the identity and takes its type from what it is added to or multiplied
    with. Zero coefficients are never stored, so equality of polynomials is equality of the fields.

    Args:
        rows: the row object, or None for a bare number.
        cols: the column object, or None for a bare number.
        terms: word to nonzero coefficient.

    Example:
        >>> signature = {"A": ("n", "D")}
        >>> a = Polynomial.letter("A", signature)
        >>> print((a.transpose() * a - Polynomial.number(2)) * a.transpose())
        A' A A' - 2 A'
    """

    rows: str | None
    cols: str | None
    terms: Mapping[Word, Fraction]

    @staticmethod
    def number(value: Fraction | int) -> Polynomial:
        """A bare number, without a type yet."""
        return Polynomial(None, None, {(): Fraction(value)} if value else {})

    @staticmethod
    def letter(letter: Letter, signature: Signature) -> Polynomial:
        """A single letter, a declared symbol or its transpose.

        Raises:
            AlgebraError: if the symbol is not declared.
        """
        base = letter.rstrip("'")
        if base not in signature or letter not in (base, base + "'"):
            raise AlgebraError(f"unknown symbol {letter[:40]!r}")
        rows, cols = signature[base]
        if letter != base:
            rows, cols = cols, rows
        return Polynomial(rows, cols, {(letter,): Fraction(1)})

    @staticmethod
    def word(word: Iterable[Letter], signature: Signature) -> Polynomial:
        """A product of letters; the empty product is the bare number 1."""
        result = Polynomial.number(1)
        for letter in word:
            result = result * Polynomial.letter(letter, signature)
        return result

    def typed(self, rows: str, cols: str) -> Polynomial:
        """Give a bare number its type, or confirm the type of anything else.

        Raises:
            AlgebraError: if it has another type, or is a nonzero number between different objects.
        """
        if (self.rows, self.cols) == (rows, cols):
            return self
        if self.rows is not None:
            raise AlgebraError(f"expected type {rows} x {cols} but got {self.rows} x {self.cols} in {self}")
        if rows != cols and self.terms:
            raise AlgebraError(
                f"the number {self} is a multiple of an identity and cannot have type {rows} x {cols}"
            )
        return Polynomial(rows, cols, self.terms)

    def __add__(self, other: Polynomial) -> Polynomial:
        """Sum of two polynomials of the same type."""
        if other.rows is not None and other.cols is not None:
            mine = self.typed(other.rows, other.cols)
        elif self.rows is not None and self.cols is not None:
            mine, other = self, other.typed(self.rows, self.cols)
        else:
            mine = self
        terms = dict(mine.terms)
        for word, coefficient in other.terms.items():
            total = terms.get(word, Fraction(0)) + coefficient
            if total:
                terms[word] = total
            else:
                terms.pop(word, None)
        return Polynomial(mine.rows, mine.cols, _bounded(terms))

    def __neg__(self) -> Polynomial:
        """Minus this polynomial."""
        return self.scaled(Fraction(-1))

    def __sub__(self, other: Polynomial) -> Polynomial:
        """Difference of two polynomials of the same type."""
        return self + (-other)

    def scaled(self, factor: Fraction) -> Polynomial:
        """Multiply by a rational number; zero keeps its type."""
        terms = {word: factor * c for word, c in self.terms.items()} if factor else {}
        return Polynomial(self.rows, self.cols, terms)

    def __mul__(self, other: Polynomial) -> Polynomial:
        """Product of two polynomials whose inner objects agree."""
        if self.rows is None or other.rows is None:
            number, matrix = (self, other) if self.rows is None else (other, self)
            return matrix.scaled(number.terms.get((), Fraction(0)))
        if self.cols != other.rows:
            raise AlgebraError(
                f"expected equal inner dimensions but got {self.rows} x {self.cols} times {other.rows} x {other.cols}"
            )
        if len(self.terms) * len(other.terms) > MAX_TERMS:
            raise AlgebraError(f"a product would have more than {MAX_TERMS} terms")
        terms: dict[Word, Fraction] = {}
        for u, a in self.terms.items():
            for v, b in other.terms.items():
                terms[u + v] = terms.get(u + v, Fraction(0)) + a * b
        return Polynomial(self.rows, other.cols, _bounded({w: c for w, c in terms.items() if c}))

    def transpose(self) -> Polynomial:
        """Transpose every word."""
        return Polynomial(self.cols, self.rows, {flip_word(word): c for word, c in self.terms.items()})

    def substitute(self, values: Mapping[str, Polynomial], signature: Signature) -> Polynomial:
        """Replace symbols by polynomials; symbols not named stay.

        A nonzero constant keeps its type only if the row object is not itself renamed by the substitution, so rename
        objects with :meth:`typed` afterwards.
        """
        result = Polynomial.number(0)
        for word, coefficient in self.terms.items():
            product = Polynomial.number(coefficient)
            for letter in word:
                base = letter.rstrip("'")
                value = values.get(base)
                if value is None:
                    value = Polynomial.letter(base, signature)
                product = product * (value if letter == base else value.transpose())
            result = result + product
        return result

    def symbols(self) -> set[str]:
        """The symbols that occur, without primes."""
        return {letter.rstrip("'") for word in self.terms for letter in word}

    def __hash__(self) -> int:
        """Hash consistent with equality."""
        return hash((self.rows, self.cols, frozenset(self.terms.items())))

    def __str__(self) -> str:
        """Plain text that the statement language reads back."""
        return _joined(self, " ".join, "I")


def ordered(polynomial: Polynomial) -> list[tuple[Word, Fraction]]:
    """Terms in reading order: positive before negative, short before long."""
    return sorted(polynomial.terms.items(), key=lambda item: (item[1] < 0, len(item[0]), item[0]))


def _joined(polynomial: Polynomial, write: object, identity: str) -> str:
    """Join signed terms, writing words with ``write``."""
    assert callable(write)
    parts: list[str] = []
    for word, coefficient in ordered(polynomial):
        size = abs(coefficient)
        body = write(word) if word else identity
        if size != 1:
            body = f"{size} {body}"
        sign = "-" if coefficient < 0 else "+"
        parts.append(f"{sign} {body}" if parts else (f"-{body}" if coefficient < 0 else body))
    return " ".join(parts) or "0"


def _bounded(terms: dict[Word, Fraction]) -> dict[Word, Fraction]:
    """Refuse polynomials too large to be part of a readable proof."""
    if len(terms) > MAX_TERMS or any(len(word) > MAX_WORD for word in terms):
        raise AlgebraError(f"a polynomial exceeds {MAX_TERMS} terms or words of {MAX_WORD} letters")
    return terms
