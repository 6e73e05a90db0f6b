"""Expressions as trees whose every node knows its sizes, and their two spellings in Coq.

Polynomials forget how a person wrote an expression. A statement is to be compared by eye, so it is exported as it
was written; the tree gives both the matrix that a reader sees and the code that the normaliser works on.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from fractions import Fraction
from typing import final

from ..expression import NAME
from ..polynomial import AlgebraError, Polynomial, Signature, quoted

__all__ = ["Equation", "Names", "Tree", "read_equation", "read_expression", "symbol_tree"]

_TOKEN = re.compile(rf"{NAME}|[0-9]+(?:/[0-9]+)?|\S")
# What a matrix may not be called: words of Coq, and names that generated files use.
_KEYWORDS = set(
    re.findall(
        r"\w+",
        """
        forall exists exists2 fun let in if then else match with end as return at by of is on under over using where
        for fix cofix Set Prop Type SProp IF True False conj And4 ex_intro erefl R I Q S0 env ds ts
        same_scalar holds combination cancellation equal different value model Filled proj1 proj2 row_partition is_pinv
        is_inverse is_left_inverse is_right_inverse penrose1 penrose2 penrose3 penrose4 orthonormal1 orthonormal2
        disjoint complete Var Num Zero Add Opp Mul Tr Scale Sub Eqn Term Sized Plain Turned Square
        """,
    )
)


@final
@dataclass(frozen=True)
class Tree:
    """An expression with its sizes.

    Args:
        kind: ``number`` (times an identity), ``symbol``, ``transpose``, ``minus``, ``sum``, ``difference``,
            ``product`` or ``multiple`` (by a number).
        rows: the row object.
        cols: the column object.
        parts: the expressions it is made of.
        symbol: the name of a symbol.
        number: the number of a number or multiple.
    """

    kind: str
    rows: str
    cols: str
    parts: tuple[Tree, ...] = ()
    symbol: str = ""
    number: Fraction = Fraction(0)

    def polynomial(self) -> Polynomial:
        """The same without its brackets."""
        p = [part.polynomial() for part in self.parts]
        match self.kind:
            case "number":
                return Polynomial.number(self.number).typed(self.rows, self.cols)
            case "symbol":
                return Polynomial(self.rows, self.cols, {(self.symbol,): Fraction(1)})
            case "transpose":
                return p[0].transpose()
            case "minus":
                return -p[0]
            case "sum":
                return p[0] + p[1]
            case "difference":
                return p[0] - p[1]
            case "product":
                return p[0] * p[1]
        return p[0].scaled(self.number)

    def replaced(self, values: Mapping[str, Tree], objects: Mapping[str, str]) -> Tree:
        """Other matrices in place of the symbols, other sizes in place of the objects."""
        if self.kind == "symbol":
            return values[self.symbol]
        parts = tuple(part.replaced(values, objects) for part in self.parts)
        return Tree(self.kind, objects[self.rows], objects[self.cols], parts, "", self.number)


@final
@dataclass(frozen=True)
class Equation:
    """Two expressions of the same sizes, said to be equal."""

    left: Tree
    right: Tree

    def polynomial(self) -> Polynomial:
        """Left minus right."""
        return self.left.polynomial() - self.right.polynomial()

    def replaced(self, values: Mapping[str, Tree], objects: Mapping[str, str]) -> Equation:
        """Other matrices in place of the symbols, on both sides."""
        return Equation(self.left.replaced(values, objects), self.right.replaced(values, objects))


def symbol_tree(symbol: str, signature: Signature) -> Tree:
    """A symbol alone."""
    return Tree("symbol", *signature[symbol], symbol=symbol)


def read_expression(text: str, signature: Signature, kind: tuple[str, str] | None = None) -> Tree:
    """Read an expression, of this type if it is a bare number.

    Raises:
        AlgebraError: if it cannot be read or is ill typed, or its type is open.

    Example:
        >>> signature = {"A": ("n", "D"), "w": ("D", "c")}
        >>> Names(signature).text(read_expression("w - A' (I + 2 A A') A w", signature))
        'w - A^T *m (1%:M + (2%:R *: A) *m A^T) *m A *m w'
    """
    raw = _Reader(text, signature).read()
    kind = raw.kind(signature) or kind
    if kind is None:
        raise AlgebraError(f"the type of {quoted(text)} is open")
    return raw.typed(signature, kind)


def read_equation(text: str, signature: Signature) -> Equation:
    """Read left = right.

    Raises:
        AlgebraError: if it is no equation between matrices of the same sizes.
    """
    sides = [_Reader(side, signature).read() for side in text.split("=")]
    kinds = [kind for side in sides if (kind := side.kind(signature))]
    if len(sides) != 2 or not kinds:
        raise AlgebraError(f"expected one equation between matrices but got {quoted(text)}")
    left, right = (side.typed(signature, kinds[0]) for side in sides)
    return Equation(left, right)


class Names:
    """What symbols and sizes are called in Coq, where no name has a mark and none is taken twice.

    Args:
        signature: symbols with their types, in the order in which the normaliser numbers them.
        sizes: numbers for the sizes, if they are known.

    Example:
        >>> names = Names({"A": ("n", "D"), "A^+": ("D", "n"), "R": ("n", "n")})
        >>> list(names.symbols.values()), list(names.objects.values())
        (['A', 'A_pinv', 'R_'], ['n', 'D'])
    """

    def __init__(self, signature: Signature, sizes: Mapping[str, int] | None = None) -> None:
        self.symbols = {symbol: _identifier(symbol) for symbol in signature}
        self.objects: dict[str, str] = {}
        for name in (size for kind in signature.values() for size in kind):
            taken = name in self.symbols.values() or name in _KEYWORDS
            self.objects[name] = f"{name}_size" if taken else name
        used = [*self.symbols.values(), *self.objects.values()]
        if len(set(used)) < len(used):
            raise AlgebraError("two symbols would have the same name in Coq")
        self.number = {symbol: i for i, symbol in enumerate(signature)}
        self.place = {name: i for i, name in enumerate(self.objects)}
        if sizes is not None:
            self.objects = {name: str(sizes[name]) for name in self.objects}

    def kind(self, rows: str, cols: str) -> str:
        """The type of a matrix."""
        return f"'M[R]_({self.objects[rows]}, {self.objects[cols]})"

    def text(self, tree: Tree) -> str:
        """The expression as a person reads it."""
        inner = [self.text(part) for part in tree.parts]
        bracketed = [f"({text})" if _loose(p) else text for p, text in zip(tree.parts, inner, strict=True)]
        match tree.kind:
            case "number":
                one = "1%:M" if tree.number == 1 else f"({_number(tree.number)})%:M"
                return one if tree.number else "0"
            case "symbol":
                return self.symbols[tree.symbol]
            case "transpose":
                atom = tree.parts[0].kind == "symbol"
                return f"{inner[0] if atom else f'({inner[0]})'}^T"
            case "minus":
                tight = tree.parts[0].kind in ("symbol", "transpose", "number")
                return f"- {inner[0] if tight else f'({inner[0]})'}"
            case "sum" | "difference":
                # Sums lean to the left, so only what stands on the right needs brackets.
                right = f"({inner[1]})" if tree.parts[1].kind in ("sum", "difference", "minus") else inner[1]
                return f"{inner[0]} {'+' if tree.kind == 'sum' else '-'} {right}"
            case "product":
                right = f"({inner[1]})" if tree.parts[1].kind in ("product", "multiple") else bracketed[1]
                left = f"({inner[0]})" if tree.parts[0].kind == "multiple" else bracketed[0]
                return f"{left} *m {right}"
        factor = f"({inner[0]})" if tree.parts[0].kind in ("product", "multiple") else bracketed[0]
        number = _number(tree.number)
        return f"{f'({number})' if ' ' in number else number} *: {factor}"

    def equation(self, equation: Equation) -> str:
        """An equation as a person reads it."""
        return f"{self.text(equation.left)} = {self.text(equation.right)}"

    def code(self, tree: Tree) -> str:
        """The expression as the normaliser takes it."""
        inner = " ".join(self.code(part) for part in tree.parts)
        match tree.kind:
            case "number":
                return f"(Num {fraction(tree.number)})" if tree.number else "Zero"
            case "symbol":
                return f"(Var {self.number[tree.symbol]})"
            case "transpose":
                return f"(Tr {inner})"
            case "minus":
                return f"(Opp {inner})"
            case "sum":
                return f"(Add {inner})"
            case "difference":
                return f"(Sub {inner})"
            case "product":
                return f"(Mul {self.place[tree.parts[0].cols]} {inner})"
        return f"(Scale {fraction(tree.number)} {inner})"

    def equation_code(self, equation: Equation) -> str:
        """An equation as the normaliser takes it."""
        rows, cols = self.place[equation.left.rows], self.place[equation.left.cols]
        return f"(Eqn {rows} {cols} {self.code(equation.left)} {self.code(equation.right)})"

    def word(self, text: str) -> str:
        """A product of letters as the normaliser takes it."""
        letters = [(letter.removesuffix("'"), letter) for letter in text.split(" ") if letter]
        codes = [f"{'Plain' if s == letter else 'Turned'} {self.number[s]}" for s, letter in letters]
        return f"[:: {'; '.join(codes)}]"


def fraction(value: Fraction) -> str:
    """A coefficient as the normaliser takes it."""
    return f"({value.numerator} # {value.denominator})"


def _number(value: Fraction) -> str:
    """A number of the field as a person reads it."""
    above = f"{abs(value.numerator)}%:R"
    signed = above if value > 0 else f"- {above}"
    return signed if value.denominator == 1 else f"{signed} / {value.denominator}%:R"


def _loose(tree: Tree) -> bool:
    """Whether an expression needs brackets inside a product."""
    return tree.kind in ("sum", "difference", "minus")


def _identifier(symbol: str) -> str:
    """A name without marks."""
    plain, _, mark = symbol.partition("^")
    plain += {"": "", "+": "_pinv", "-1": "_inv", "L": "_left", "R": "_right"}[mark]
    return f"{plain}_" if plain in _KEYWORDS else plain


@final
@dataclass(frozen=True)
class _Raw:
    """An expression as read, before its numbers have found their sizes."""

    head: str
    parts: tuple[_Raw, ...] = ()
    number: Fraction = Fraction(0)

    def kind(self, signature: Signature) -> tuple[str, str] | None:
        """Its type, or None for a bare number."""
        kinds = [part.kind(signature) for part in self.parts]
        if self.head == "'":
            return kinds[0] and (kinds[0][1], kinds[0][0])
        if self.head == " ":
            if kinds[0] is None or kinds[1] is None:
                return kinds[0] or kinds[1]
            return kinds[0][0], kinds[1][1]
        if self.parts:
            return next((kind for kind in kinds if kind), None)
        return signature[self.head] if self.head else None

    def value(self) -> Fraction:
        """The value of a bare number."""
        v = [part.value() for part in self.parts]
        match self.head:
            case "+":
                return v[0] + v[1]
            case "-":
                return v[0] - v[1] if len(v) == 2 else -v[0]
            case " ":
                return v[0] * v[1]
            case "'":
                return v[0]
        return self.number

    def typed(self, signature: Signature, kind: tuple[str, str]) -> Tree:
        """The tree of this type."""
        own = self.kind(signature)
        if own is None:
            value = self.value()
            if value and kind[0] != kind[1]:
                raise AlgebraError(f"the number {value} has no type {kind[0]} x {kind[1]}")
            return Tree("number", *kind, number=value)
        if own != kind:
            raise AlgebraError(f"expected type {kind[0]} x {kind[1]} but got {own[0]} x {own[1]}")
        if self.head == "'":
            return Tree("transpose", *kind, (self.parts[0].typed(signature, (kind[1], kind[0])),))
        if self.head == " ":
            return self._product(signature, kind)
        if self.parts:
            parts = tuple(part.typed(signature, kind) for part in self.parts)
            name = "minus" if len(parts) == 1 else {"+": "sum", "-": "difference"}[self.head]
            return Tree(name, *kind, parts)
        return symbol_tree(self.head, signature)

    def _product(self, signature: Signature, kind: tuple[str, str]) -> Tree:
        """A product of matrices, or of a number and a matrix."""
        left, right = (part.kind(signature) for part in self.parts)
        if left and right:
            if left[1] != right[0]:
                raise AlgebraError(f"expected equal inner sizes but got {left[1]} and {right[0]}")
            parts = self.parts[0].typed(signature, left), self.parts[1].typed(signature, right)
            return Tree("product", *kind, parts)
        number, matrix = self.parts if left is None else reversed(self.parts)
        inner = matrix.typed(signature, kind)
        return inner if number.value() == 1 else Tree("multiple", *kind, (inner,), "", number.value())


class _Reader:
    """Recursive descent over the tokens of one expression."""

    def __init__(self, text: str, signature: Signature) -> None:
        self.tokens, self.signature, self.at = [*_TOKEN.findall(text), ""], signature, 0

    def read(self) -> _Raw:
        """Read all tokens."""
        result = self.sum()
        if self.tokens[self.at]:
            raise AlgebraError(f"unexpected {self.tokens[self.at]!r} in an expression")
        return result

    def next(self) -> str:
        """Take one token."""
        token: str = self.tokens[self.at]
        self.at += 1
        return token

    def sum(self) -> _Raw:
        """Terms joined by plus and minus."""
        minus = self.tokens[self.at] == "-"
        self.at += minus
        result = _Raw("-", (self.product(),)) if minus else self.product()
        while self.tokens[self.at] in ("+", "-"):
            result = _Raw(self.next(), (result, self.product()))
        return result

    def product(self) -> _Raw:
        """Factors side by side."""
        result = self.factor()
        while self.tokens[self.at] not in ("", "+", "-", ")", "'"):
            result = _Raw(" ", (result, self.factor()))
        return result

    def factor(self) -> _Raw:
        """A name, number or bracket, with primes."""
        token = self.next()
        if token == "(":
            result = self.sum()
            if self.next() != ")":
                raise AlgebraError("a bracket is not closed")
        elif token == "I":
            result = _Raw("", (), Fraction(1))
        elif token[:1].isdigit():
            result = _Raw("", (), Fraction(token))
        elif re.fullmatch(NAME, token) and token in self.signature:
            result = _Raw(token)
        else:
            raise AlgebraError(f"expected a known symbol, number or bracket but got {token or 'the end'!r}")
        while self.tokens[self.at] == "'":
            self.at += 1
            result = _Raw("'", (result,))
        return result
