"""Reading expressions such as ``w_0 + Phi^+ (y - Phi w_0)`` as typed polynomials."""

from __future__ import annotations

import re
from fractions import Fraction

from .polynomial import MAX_WORD, AlgebraError, Polynomial, Signature, Word

__all__ = ["NAME", "parse_equation", "parse_expression", "parse_word"]

NAME = r"[A-Za-z][A-Za-z0-9_]*(?:\^(?:\+|-1|L|R))?"
_TOKEN = re.compile(rf" *(?:({NAME})|([0-9]+(?:/[0-9]+)?)|([-+()']))")
_MAX_TEXT = 2_000
_MAX_DEPTH = 20


def parse_expression(text: str, signature: Signature) -> Polynomial:
    """Read an expression; juxtaposition is the product, ``'`` the transpose, ``I`` an identity of the size needed.

    Raises:
        AlgebraError: if the text is not an expression, is ill typed, or is too large.

    Example:
        >>> print(parse_expression("(I - X A) B'", {"A": ("n", "D"), "X": ("D", "n"), "B": ("f", "D")}))
        B' - X A B'
    """
    if len(text) > _MAX_TEXT:
        raise AlgebraError(f"expected an expression of at most {_MAX_TEXT} characters but got {len(text)}")
    return _Reader(_tokens(text), signature).read()


def parse_equation(text: str, signature: Signature) -> Polynomial:
    """Read ``left = right`` as the polynomial left - right, which is zero and has a type.

    Raises:
        AlgebraError: if it is not one equation between expressions of one type.

    Example:
        >>> print(parse_equation("A X = I", {"A": ("n", "D"), "X": ("D", "n")}))
        A X - I
    """
    sides = text.split("=")
    if len(sides) != 2:
        raise AlgebraError(f"expected one equality sign in {text[:60]!r}")
    polynomial = parse_expression(sides[0], signature) - parse_expression(sides[1], signature)
    if polynomial.rows is None:
        raise AlgebraError(f"an equation between bare numbers has no type: {text[:60]!r}")
    return polynomial


def parse_word(text: str, signature: Signature) -> Word:
    """Read a product of letters with single blanks between; the empty text is the identity.

    Raises:
        AlgebraError: if a letter is unknown or the word is too long.
    """
    word = tuple(text.split(" ")) if text else ()
    if len(word) > MAX_WORD:
        raise AlgebraError(f"a word has more than {MAX_WORD} letters")
    Polynomial.word(word, signature)
    return word


def _tokens(text: str) -> list[str]:
    """Split into names, numbers and signs."""
    tokens, position = [], 0
    text = text.strip(" ")
    while position < len(text):
        match = _TOKEN.match(text, position)
        if match is None:
            raise AlgebraError(f"cannot read {text[position : position + 20]!r} in an expression")
        tokens.append(match.group(match.lastindex or 0))
        position = match.end()
    return tokens


class _Reader:
    """Recursive descent over the tokens of one expression."""

    def __init__(self, tokens: list[str], signature: Signature) -> None:
        self.tokens, self.signature, self.at, self.depth = tokens, signature, 0, 0

    def read(self) -> Polynomial:
        """Read all tokens."""
        result = self.sum()
        if self.at < len(self.tokens):
            raise AlgebraError(f"unexpected {self.tokens[self.at]!r} in an expression")
        return result

    def peek(self) -> str:
        """The next token, or the empty string at the end."""
        return self.tokens[self.at] if self.at < len(self.tokens) else ""

    def sum(self) -> Polynomial:
        """Terms joined by plus and minus."""
        sign = Fraction(1)
        if self.peek() == "-":
            self.at, sign = self.at + 1, Fraction(-1)
        result = self.product().scaled(sign)
        while self.peek() in ("+", "-") and self.peek():
            sign = Fraction(1) if self.peek() == "+" else Fraction(-1)
            self.at += 1
            result = result + self.product().scaled(sign)
        return result

    def product(self) -> Polynomial:
        """Factors side by side."""
        result = self.factor()
        while self.peek() and self.peek() not in ("+", "-", ")", "'"):
            result = result * self.factor()
        return result

    def factor(self) -> Polynomial:
        """A name, number or bracket, with primes."""
        token = self.peek()
        self.at += 1
        if token == "(":
            self.depth += 1
            if self.depth > _MAX_DEPTH:
                raise AlgebraError(f"brackets are nested more than {_MAX_DEPTH} deep")
            result = self.sum()
            if self.peek() != ")":
                raise AlgebraError("a bracket is not closed")
            self.at, self.depth = self.at + 1, self.depth - 1
        elif token and token[0].isdigit():
            numerator, _, denominator = token.partition("/")
            if denominator and not int(denominator):
                raise AlgebraError("a number has denominator 0")
            result = Polynomial.number(Fraction(int(numerator), int(denominator or "1")))
        elif token == "I":
            result = Polynomial.number(1)
        elif token and token[0].isalpha():
            result = Polynomial.letter(token, self.signature)
        else:
            raise AlgebraError(f"expected a symbol, number or bracket but got {token or 'the end'!r}")
        while self.peek() == "'":
            self.at += 1
            result = result.transpose()
        return result
