"""The statement language: what a theorem assumes and concludes, one readable line per schema.

    matrix A : n x D            any real matrix
    partition n = r + f by S, T the rows of an n-dimensional space, split in two: S and T select them
    scalar eta on n, D          one real number: eta_n and eta_D are that multiple of the identities of these sizes
    let w = expression          a definition: a new symbol, in terms of earlier ones
    pinv A                      A^+, the Moore-Penrose inverse: it exists for every matrix
    assume label: left = right  a hypothesis
    assume label: A invertible  a hypothesis, and a name A^-1 (also left-invertible: A^L, right-invertible: A^R)
    without label: ...          a hypothesis of the literature that is *not* assumed
    exists a : f x c            the conclusion claims that such a matrix exists
    conclude left = right       what is proved
    says, remains               the statement in words; what remains to be said beyond algebra, in words

Only ``assume`` restricts the data. Everything else is conservative, because each line introduces symbols that no
earlier line knows: whatever the earlier matrices are, matrices as described exist.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import final

from ..errors import nearest
from ..former import former
from .expression import parse_equation, parse_expression
from .polynomial import AlgebraError, Polynomial, quoted

__all__ = ["Premise", "Statement", "StatementBuilder", "fields_of", "parse_statement"]
former(__name__)

_MAX_LINES = 80
_PLAIN = r"[A-Za-z][A-Za-z0-9_]*"
_PROPERTY = re.compile(rf"({_PLAIN}) (invertible|left-invertible|right-invertible)")
_RESERVED = {"I"}


@final
@dataclass(frozen=True)
class _Fact:
    """A polynomial that a line of the statement makes zero.

    Args:
        key: how certificates refer to it, for example ``penrose1(Phi)``.
        polynomial: what is zero.
        label: the hypothesis that it belongs to, or None for the setting.
    """

    key: str
    polynomial: Polynomial
    label: str | None


@final
@dataclass(frozen=True)
class Premise:
    """A hypothesis by its label.

    Args:
        label: its name in tables.
        text: the equation or property, as written.
        assumed: whether the theorem assumes it (``assume``) or does without it (``without``).
    """

    label: str
    text: str
    assumed: bool


@final
@dataclass(frozen=True)
class Statement:
    """A parsed theorem: symbols with types, facts generated from schemas, conclusions.

    Args:
        name: the name of the theorem.
        lines: its text, one schema per line.
        signature: every symbol with its type.
        facts: every assumption by key, in order.
        hypotheses: assumed ones and those of ``without`` lines.
        exists: symbols whose existence is claimed.
        conclusions: the polynomials proved zero.
        definitions: right sides of ``let`` lines, in order.
        inverses: generalised-inverse symbol to (property, symbol inverted); property "pinv" for ``pinv`` lines.
        selections: pairs of row selections of ``partition`` lines.
        scalars: for every ``scalar`` line its number as matrices, one a size.
        says: the statement in words.
        remains: what remains beyond algebra, in words.
        spare: facts of the ``without`` lines, for trials only; never available to a proof.
        spare_signature: the symbols of the facts of the ``without`` lines.

    Example:
        >>> statement = parse_statement("demo", ["matrix A : n x D", "pinv A", "conclude A A^+ A = A"])
        >>> list(statement.facts)
        ['penrose1(A)', 'penrose2(A)', 'penrose3(A)', 'penrose4(A)']
        >>> statement.signature["A^+"]
        ('D', 'n')
    """

    name: str
    lines: tuple[str, ...]
    signature: Mapping[str, tuple[str, str]]
    facts: Mapping[str, _Fact]
    hypotheses: tuple[Premise, ...]
    exists: tuple[str, ...]
    conclusions: tuple[Polynomial, ...]
    definitions: Mapping[str, Polynomial]
    inverses: Mapping[str, tuple[str, str]]
    selections: tuple[tuple[str, str], ...]
    scalars: tuple[tuple[str, ...], ...]
    says: tuple[str, ...]
    remains: tuple[str, ...]
    spare: tuple[_Fact, ...]
    spare_signature: Mapping[str, tuple[str, str]]

    def __hash__(self) -> int:
        """Hash by text."""
        return hash((self.name, self.lines))

    @property
    def free(self) -> tuple[str, ...]:
        """Symbols of ``matrix`` lines: the data, over which the theorem quantifies."""
        bound = {
            *self.definitions,
            *self.inverses,
            *self.exists,
            *(s for group in (*self.selections, *self.scalars) for s in group),
        }
        return tuple(s for s in self.signature if s not in bound)

    def unfolded(self, polynomial: Polynomial) -> Polynomial:
        """Replace every defined symbol by its definition, down to undefined ones."""
        for symbol in reversed(list(self.definitions)):
            if symbol in polynomial.symbols():
                rows, cols = polynomial.rows, polynomial.cols
                polynomial = polynomial.substitute({symbol: self.definitions[symbol]}, self.signature)
                if rows is not None and cols is not None:
                    polynomial = polynomial.typed(rows, cols)
        return polynomial


def parse_statement(name: str, lines: list[str] | tuple[str, ...]) -> Statement:
    """Read a theorem and regenerate every assumption from its schema.

    Raises:
        AlgebraError: if a line is not of a known schema, introduces a symbol twice, uses an unknown symbol or is
            ill typed; or if nothing is concluded.
    """
    if len(lines) > _MAX_LINES:
        raise AlgebraError(f"expected at most {_MAX_LINES} lines in a statement but got {len(lines)}")
    builder = StatementBuilder()
    for line in lines:
        builder.add(line)
    if not builder.conclusions:
        raise AlgebraError(f"{name} concludes nothing")
    facts = {fact.key: fact for fact in builder.facts}
    if len(facts) != len(builder.facts):
        raise AlgebraError(f"{name} has two assumptions of one name")
    return Statement(
        name, tuple(lines), builder.signature, facts, tuple(builder.hypotheses), tuple(builder.exists),
        tuple(builder.conclusions), builder.definitions, builder.inverses, tuple(builder.selections),
        tuple(builder.scalars.values()),
        tuple(builder.says), tuple(builder.remains), tuple(builder.spare), builder.spare_signature,
    )  # fmt: skip


class StatementBuilder:
    """Collects a statement line by line; the order of the lines is the order of quantification."""

    def __init__(self) -> None:
        self.signature: dict[str, tuple[str, str]] = {}
        self.facts: list[_Fact] = []
        self.hypotheses: list[Premise] = []
        self.exists: list[str] = []
        self.conclusions: list[Polynomial] = []
        self.definitions: dict[str, Polynomial] = {}
        self.inverses: dict[str, tuple[str, str]] = {}
        self.selections: list[tuple[str, str]] = []
        self.scalars: dict[str, tuple[str, ...]] = {}
        self.says: list[str] = []
        self.remains: list[str] = []
        self.spare: list[_Fact] = []
        self.spare_signature: dict[str, tuple[str, str]] = {}

    def add(self, line: str) -> None:
        """Read one line."""
        verb, _, rest = line.partition(" ")
        reader: Callable[[StatementBuilder, str], None] | None = _READERS.get(verb)
        if reader is None or not rest or line != " ".join(line.split()):
            raise AlgebraError(
                f"expected a line that starts with one of {', '.join(_READERS)} but got {quoted(line)}"
            )
        stage = _STAGES.get(verb, 0)
        if stage < 2 and self.conclusions:
            raise AlgebraError(
                f"a conclusion is followed by {quoted(line)}: data come first, and a file holds one theorem"
            )
        if stage < 1 and self.exists:
            raise AlgebraError(f"a claimed existence is followed by {quoted(line)}: data come first")
        try:
            reader(self, rest)
        except AlgebraError as error:
            # The expression is the end of the line, so its place in the line follows from its length.
            begin = _BODIES.get(verb, "")
            body = rest[rest.index(begin) + len(begin) :] if begin in rest else rest
            raise AlgebraError(
                str(error), None if error.at is None else len(line) - len(body) + error.at
            ) from None

    def introduce(self, symbol: str, rows: str, cols: str) -> None:
        """Declare a new symbol; no symbol has two origins."""
        if symbol in self.signature or symbol in _RESERVED:
            raise AlgebraError(f"the symbol {symbol!r} is introduced twice, or reserved")
        self.signature[symbol] = (rows, cols)

    def fact(self, key: str, text: str, label: str | None) -> None:
        """Record an assumption written as an equation."""
        self.facts.append(_Fact(key, parse_equation(text, self.signature), label))

    def matrix(self, rest: str) -> None:
        """Read ``A : n x D``."""
        name, rows, cols = fields_of(rf"({_PLAIN}) : ({_PLAIN}) x ({_PLAIN})", rest)
        self.introduce(name, rows, cols)

    def exist(self, rest: str) -> None:
        """Read ``a : f x c`` of an existence claim."""
        self.matrix(rest)
        self.exists.append(rest.split(" ")[0])

    def partition(self, rest: str) -> None:
        """Read ``n = r + f by S, T``."""
        whole, first, second, s, t = fields_of(
            rf"({_PLAIN}) = ({_PLAIN}) \+ ({_PLAIN}) by ({_PLAIN}), ({_PLAIN})", rest
        )
        if len({whole, first, second}) < 3:
            raise AlgebraError(f"a partition needs three different dimensions but got {rest!r}")
        known = {size for kind in self.signature.values() for size in kind}
        if whole in known and {first, second} & known:
            raise AlgebraError(f"a partition of known sizes restricts the data: {rest!r}")
        self.introduce(s, first, whole)
        self.introduce(t, second, whole)
        self.selections.append((s, t))
        self.fact(f"orthonormal({s})", f"{s} {s}' = I", None)
        self.fact(f"orthonormal({t})", f"{t} {t}' = I", None)
        self.fact(f"disjoint({s},{t})", f"{s} {t}' = 0", None)
        self.fact(f"complete({s},{t})", f"{s}' {s} + {t}' {t} = I", None)

    def scalar(self, rest: str) -> None:
        """Read ``eta on n, D``: what is known by then and lies between these sizes commutes with the number."""
        name, listed = fields_of(rf"({_PLAIN}) on ({_PLAIN}(?:, {_PLAIN})?)", rest)
        sizes, known = listed.split(", "), dict(self.signature)
        if len(set(sizes)) < len(sizes) or name in self.scalars:
            raise AlgebraError(f"the scalar {name!r} has two values of one size, or two origins")
        self.scalars[name] = tuple(f"{name}_{size}" for size in sizes)
        for symbol, size in zip(self.scalars[name], sizes, strict=True):
            self.introduce(symbol, size, size)
            self.fact(f"symmetric({symbol})", f"{symbol}' = {symbol}", None)
        for symbol, (rows, cols) in known.items():
            if rows in sizes and cols in sizes:
                self.fact(
                    f"commutes({name},{symbol})", f"{name}_{rows} {symbol} = {symbol} {name}_{cols}", None
                )

    def let(self, rest: str) -> None:
        """Read ``w = expression`` or ``w : n x c = expression``."""
        name, rows, cols, body = fields_of(rf"({_PLAIN})(?: : ({_PLAIN}) x ({_PLAIN}))? = ([^=]+)", rest)
        value = parse_expression(body, self.signature)
        if rows:
            value = value.typed(rows, cols)
        if value.rows is None or value.cols is None:
            raise AlgebraError(f"the type of {name} is not determined; write it after a colon")
        self.introduce(name, value.rows, value.cols)
        self.definitions[name] = value
        self.fact(f"def({name})", f"{name} = {body}", None)

    def pinv(self, rest: str) -> None:
        """Read the name of the matrix whose Moore-Penrose inverse is meant."""
        (a,) = fields_of(rf"({_PLAIN})", rest)
        x = self.inverse(a, "+", "pinv")
        for i, equation in enumerate(_penrose(a, x), start=1):
            self.fact(f"penrose{i}({a})", equation, None)

    def inverse(self, a: str, mark: str, kind: str) -> str:
        """Introduce a generalised inverse of a known symbol."""
        if a not in self.signature:
            raise AlgebraError(
                f"unknown symbol {a!r}; try {nearest(a, self.signature, 'a line that declares it')}"
            )
        rows, cols = self.signature[a]
        if kind == "invertible" and rows != cols:
            raise AlgebraError(f"{a} is {rows} x {cols}: only a square matrix can be invertible")
        name = f"{a}^{mark}"
        self.introduce(name, cols, rows)
        self.inverses[name] = (kind, a)
        return name

    def assume(self, rest: str) -> None:
        """Read ``label: equation`` or ``label: A invertible``."""
        label, body = self.hypothesis(rest, assumed=True)
        for key, equation in self.meaning(label, body):
            self.fact(key, equation, label)

    def without(self, rest: str) -> None:
        """Read a hypothesis that is *not* assumed; its symbols are not available to proofs."""
        label, body = self.hypothesis(rest, assumed=False)
        outer, inverses = dict(self.signature), dict(self.inverses)
        try:
            for key, equation in self.meaning(label, body):
                self.spare.append(_Fact(key, parse_equation(equation, self.signature), label))
            self.spare_signature |= {s: t for s, t in self.signature.items() if s not in outer}
        finally:
            self.signature, self.inverses = outer, inverses

    def hypothesis(self, rest: str, *, assumed: bool) -> tuple[str, str]:
        """Split label and body, and record them."""
        label, body = fields_of(r"([a-z][a-z0-9-]*): (.+)", rest)
        if any(h.label == label for h in self.hypotheses):
            raise AlgebraError(f"two hypotheses are called {label!r}")
        self.hypotheses.append(Premise(label, body, assumed))
        return label, body

    def meaning(self, label: str, body: str) -> list[tuple[str, str]]:
        """The equations that a hypothesis stands for, with their keys."""
        match = _PROPERTY.fullmatch(body)
        if match is None:
            return [(f"assume({label})", body)]
        a, kind = match.groups()
        x = self.inverse(a, {"invertible": "-1", "left-invertible": "L", "right-invertible": "R"}[kind], kind)
        left, right = (f"left_inverse({a})", f"{x} {a} = I"), (f"right_inverse({a})", f"{a} {x} = I")
        return {"invertible": [left, right], "left-invertible": [left], "right-invertible": [right]}[kind]

    def say(self, rest: str) -> None:
        """Record the statement in words."""
        self.says.append(rest)

    def remain(self, rest: str) -> None:
        """Record what remains beyond algebra."""
        self.remains.append(rest)

    def conclude(self, rest: str) -> None:
        """Read a conclusion."""
        self.conclusions.append(parse_equation(rest, self.signature))


def _penrose(a: str, x: str) -> tuple[str, str, str, str]:
    """The four Penrose equations."""
    return f"{a} {x} {a} = {a}", f"{x} {a} {x} = {x}", f"({a} {x})' = {a} {x}", f"({x} {a})' = {x} {a}"


def fields_of(pattern: str, text: str) -> tuple[str, ...]:
    """Match a whole line or refuse it."""
    match = re.fullmatch(pattern, text)
    if match is None:
        raise AlgebraError(f"cannot read {quoted(text)}")
    return match.groups()


_READERS = {
    "matrix": StatementBuilder.matrix,
    "partition": StatementBuilder.partition,
    "scalar": StatementBuilder.scalar,
    "let": StatementBuilder.let,
    "pinv": StatementBuilder.pinv,
    "assume": StatementBuilder.assume,
    "without": StatementBuilder.without,
    "exists": StatementBuilder.exist,
    "conclude": StatementBuilder.conclude,
    "says": StatementBuilder.say,
    "remains": StatementBuilder.remain,
}
_BODIES = {"let": " = ", "assume": ": ", "without": ": "}
"""After what, in a line of a kind, its expression begins."""
_STAGES = {"exists": 1, "conclude": 2, "says": 2, "remains": 2}
