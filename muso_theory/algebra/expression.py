"""Reading expressions such as ``w_0 + Phi^+ (y - Phi w_0)`` as typed polynomials."""

from __future__ import annotations

import re
from fractions import Fraction

from ..errors import nearest
from .polynomial import MAX_WORD, AlgebraError, Polynomial, Signature, Word, quoted

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
    return _Reader(text, signature).read()


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
        raise AlgebraError(f"expected one equality sign in {quoted(text)}", len("=".join(sides[:2])))
    left = parse_expression(sides[0], signature)
    try:
        right = parse_expression(sides[1], signature)
    except AlgebraError as error:
        raise AlgebraError(str(error), None if error.at is None else error.at + len(sides[0]) + 1) from None
    try:
        polynomial = left - right
    except AlgebraError as error:
        raise AlgebraError(f"the sides of an equation differ in size: {error}", len(sides[0])) from None
    if polynomial.rows is None:
        raise AlgebraError(f"an equation between bare numbers has no type: {quoted(text)}", 0)
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


def _tokens(text: str) -> list[tuple[str, int]]:
    """Split into names, numbers and signs, each with its place."""
    tokens, position, end = [], 0, len(text.rstrip(" "))
    while position < end:
        match = _TOKEN.match(text, position)
        if match is None:
            position += len(text[position:]) - len(text[position:].lstrip(" "))
            raise _unreadable(text, position)
        group = match.lastindex or 0
        tokens.append((match.group(group), match.start(group)))
        position = match.end()
    return tokens


_MEANT = {
    r"[*.](?!T\b)": "a product is written side by side, A B",
    r"\^[0-9]": "a power is a product, A A",
    r"\^?\.?T\b": "a transpose is written A'",
    r"/": "a fraction comes first, 1/2 A",
    r"[<>]": "an inequality is an equation with squares, A = B + C' C",
    r"[\[\]{}]": "brackets are round",
}
"""What other languages write, to what this one does."""


def _unreadable(text: str, position: int) -> AlgebraError:
    """An error at what is no token, with what was meant where that is known."""
    decimal = next((m for m in re.finditer(r"[0-9]*\.[0-9]+", text) if m.start() <= position < m.end()), None)
    if decimal:
        words = f"numbers are whole or fractions: {decimal[0]} is written {Fraction(decimal[0])}"
        return AlgebraError(words, decimal.start())
    meant = next((words for sign, words in _MEANT.items() if re.match(sign, text[position:])), "")
    shown = f"cannot read {text[position : position + 20]!r} in an expression"
    return AlgebraError(f"{shown}: {meant}" if meant else shown, position)


_INVERSES = {
    "+": "pinv {}",
    "-1": "assume some-label: {} invertible",
    "L": "assume some-label: {} left-invertible",
    "R": "assume some-label: {} right-invertible",
}


def _meant(name: str, signature: Signature) -> str:
    """What to do about an unknown symbol: declare its inverse, or write the one that is nearest."""
    base, _, mark = name.partition("^")
    if mark and base in signature:
        return f"its inverse is declared by the line {_INVERSES[mark].format(base)!r}"
    return f"try {nearest(name, signature, 'a line that declares it: matrix A : n x D')}"


class _Reader:
    """Recursive descent over the tokens of one expression."""

    def __init__(self, text: str, signature: Signature) -> None:
        read = _tokens(text)
        self.text, self.signature, self.at, self.depth = text, signature, 0, 0
        self.tokens = [token for token, _ in read]
        self.places = [*(place for _, place in read), len(text.rstrip(" "))]

    def refuse(self, words: str, token: int | None = None) -> AlgebraError:
        """An error at a token, by default the one just read."""
        last = self.at - 1 if token is None else token
        return AlgebraError(words, self.places[max(0, min(last, len(self.places) - 1))])

    def shown(self, first: int, last: int) -> str:
        """The text of some tokens."""
        return " ".join(self.text[self.places[first] : self.places[last]].split())[:40]

    def read(self) -> Polynomial:
        """Read all tokens."""
        result = self.sum()
        if self.at < len(self.tokens):
            raise self.refuse(f"unexpected {self.tokens[self.at]!r} in an expression", self.at)
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
            start = self.at
            term = self.product().scaled(sign)
            try:
                result = result + term
            except AlgebraError as error:
                raise self.refuse(
                    f"{error}; the term {self.shown(start, self.at)} does not fit", start
                ) from None
        return result

    def product(self) -> Polynomial:
        """Factors side by side."""
        begin = self.at
        result = self.factor()
        while self.peek() and self.peek() not in ("+", "-", ")", "'"):
            start = self.at
            factor = self.factor()
            if None not in (result.rows, factor.rows) and result.cols != factor.rows:
                left, right = self.shown(begin, start), self.shown(start, self.at)
                raise self.refuse(
                    f"expected equal inner dimensions but got {left}, which is {result.rows} x {result.cols}, "
                    f"times {right}, which is {factor.rows} x {factor.cols}",
                    start,
                )
            result = result * factor
        return result

    def factor(self) -> Polynomial:
        """A name, number or bracket, with primes."""
        token = self.peek()
        self.at += 1
        if token == "(":
            self.depth += 1
            if self.depth > _MAX_DEPTH:
                raise self.refuse(f"brackets are nested more than {_MAX_DEPTH} deep")
            opened = self.at - 1
            result = self.sum()
            if self.peek() != ")":
                raise self.refuse("a bracket is not closed", opened)
            self.at, self.depth = self.at + 1, self.depth - 1
        elif token and token[0].isdigit():
            numerator, _, denominator = token.partition("/")
            if denominator and not int(denominator):
                raise self.refuse("a number has denominator 0")
            result = Polynomial.number(Fraction(int(numerator), int(denominator or "1")))
        elif token == "I":
            result = Polynomial.number(1)
        elif token and token[0].isalpha():
            if token not in self.signature:
                raise self.refuse(f"unknown symbol {token[:40]!r}; {_meant(token, self.signature)}")
            result = Polynomial.letter(token, self.signature)
        else:
            raise self.refuse(f"expected a symbol, number or bracket but got {token or 'the end'!r}")
        while self.peek() == "'":
            self.at += 1
            result = result.transpose()
        return result
