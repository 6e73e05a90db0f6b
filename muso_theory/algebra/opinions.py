"""Second opinions: a theorem evaluated with generic matrices, over a prime field and with symbolic entries.

Neither knows anything of certificates. Over a random prime field of 61 bits the free matrices are random (a
Schwartz-Zippel test, with a stated bound for the probability that a false theorem passes); with symbolic entries a
tiny size is decided completely, for matrices of generic rank. Both test generic points only, so they are opinions
and no proofs: in particular they say nothing about matrices of deficient rank.
"""

from __future__ import annotations

import math
import random
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, final

from .polynomial import AlgebraError, Polynomial
from .statement import Statement

__all__ = ["modular_opinion", "symbolic_opinion"]


@final
@dataclass(frozen=True)
class _Opinion:
    """What a test with generic matrices says.

    Args:
        agrees: whether every conclusion holds.
        sizes: the dimensions tested.
        failure: a bound for the probability that a false theorem passes; 0 for symbolic entries.
        prime: the prime, or None for symbolic entries.
    """

    agrees: bool
    sizes: Mapping[str, int]
    failure: float
    prime: int | None


def modular_opinion(statement: Statement, sizes: Mapping[str, int], *, seed: int) -> _Opinion:
    """Evaluate a theorem at a random point modulo a random 61-bit prime.

    Returns:
        The opinion. The bound counts an unlucky point (degree over the size of the field) and an unlucky prime (one
        that divides every coefficient of a nonzero numerator: at most its bits over 60, among more than 2⁵⁴ primes).

    Raises:
        AlgebraError: if a hypothesis is of another kind, or a matrix that must be inverted is singular.

    Example:
        >>> from muso_theory.algebra.statement import parse_statement
        >>> s = parse_statement("demo", ["matrix A : n x D", "pinv A", "conclude A' A A^+ = A'"])
        >>> opinion = modular_opinion(s, {"n": 2, "D": 3}, seed=0)
        >>> opinion.agrees, opinion.failure < 1e-15
        (True, True)
    """
    from sympy import GF

    rng = random.Random(seed)
    prime = next(n for n in iter(lambda: rng.getrandbits(61) | 1 << 60 | 1, 0) if _is_prime(n))
    field = GF(prime)
    generic = _Generic(statement, sizes, field, lambda symbol, i, j: field(rng.randrange(prime)))
    agrees = generic.agrees()
    degree, bits = generic.size_of_numerators()
    return _Opinion(agrees, dict(sizes), degree / (2**60 - degree) + bits / 60 / 2**54, prime)


def symbolic_opinion(statement: Statement, sizes: Mapping[str, int]) -> _Opinion:
    """As :func:`modular_opinion`, with an indeterminate for every entry: for these sizes and generic rank, a decision.

    Keep the sizes tiny.

    Example:
        >>> from muso_theory.algebra.statement import parse_statement
        >>> s = parse_statement("demo", ["matrix A : n x D", "pinv A", "conclude A A^+ = I"])
        >>> symbolic_opinion(s, {"n": 1, "D": 2}).agrees, symbolic_opinion(s, {"n": 2, "D": 1}).agrees
        (True, False)
    """
    from sympy import QQ, symbols

    names = [
        f"{symbol}_{i}_{j}"
        for symbol in statement.free
        for i in range(sizes[statement.signature[symbol][0]])
        for j in range(sizes[statement.signature[symbol][1]])
    ]
    field = QQ.frac_field(*symbols(names))
    entries = dict(zip(names, field.gens, strict=True))
    generic = _Generic(statement, sizes, field, lambda symbol, i, j: entries[f"{symbol}_{i}_{j}"])
    return _Opinion(generic.agrees(), dict(sizes), 0.0, None)


@dataclass
class _Value:
    """A matrix over the field, and bounds for it as N/d: degrees of N and d, bits of their coefficient sums."""

    matrix: Any
    degree: tuple[int, int]
    bits: tuple[float, float]


class _Generic:
    """Evaluates the symbols of a statement at one point."""

    def __init__(
        self,
        statement: Statement,
        sizes: Mapping[str, int],
        field: Any,
        entry: Callable[[str, int, int], Any],
    ) -> None:
        self.statement, self.sizes, self.field = statement, sizes, field
        self.values: dict[str, _Value] = {}
        self.open: set[str] = set()
        self.assigned = _assignments(statement)
        self.selected = {s: i for pair in statement.selections for i, s in enumerate(pair)}
        self.entry = entry

    def agrees(self) -> bool:
        """Whether all facts and conclusions vanish; a fact that does not is an error of the evaluation."""
        for fact in self.statement.facts.values():
            if not self.of(fact.polynomial).matrix.is_zero_matrix:
                raise AlgebraError(f"{fact.key} does not hold at a generic point of these sizes")
        return all(self.of(conclusion).matrix.is_zero_matrix for conclusion in self.statement.conclusions)

    def size_of_numerators(self) -> tuple[int, float]:
        """Largest degree and bits that decide the conclusions, denominators that must not vanish included."""
        found = [self.of(conclusion) for conclusion in self.statement.conclusions]
        return max(sum(v.degree) for v in found), max(sum(v.bits) for v in found)

    def value(self, symbol: str) -> _Value:
        """The matrix of a symbol."""
        if symbol not in self.values:
            if symbol in self.open:
                raise AlgebraError(f"{symbol} would be assigned in terms of itself")
            self.open.add(symbol)
            self.values[symbol] = self.compute(symbol)
        return self.values[symbol]

    def compute(self, symbol: str) -> _Value:
        """The matrix of a symbol, from those it depends on."""
        rows, cols = (self.sizes[size] for size in self.statement.signature[symbol])
        if symbol in self.assigned:
            return self.of(self.assigned[symbol])
        if symbol in self.statement.definitions:
            return self.of(self.statement.definitions[symbol])
        if symbol in self.selected:
            shift = self.selected[symbol] * (cols - rows)
            return self.filled(rows, cols, lambda i, j: self.field(int(j == i + shift)), 0)
        if symbol in self.statement.inverses:
            kind, inverted = self.statement.inverses[symbol]
            return _inverse(self.value(inverted), kind)
        if symbol in self.statement.exists:
            raise AlgebraError("a claimed existence is not tested")
        return self.filled(rows, cols, lambda i, j: self.entry(symbol, i, j), 1)

    def filled(self, rows: int, cols: int, entry: Callable[[int, int], Any], degree: int) -> _Value:
        """A matrix by its entries."""
        from sympy.polys.matrices import DomainMatrix

        entries = [[entry(i, j) for j in range(cols)] for i in range(rows)]
        return _Value(DomainMatrix(entries, (rows, cols), self.field), (degree, 0), (0.0, 0.0))

    def of(self, polynomial: Polynomial) -> _Value:
        """The matrix of a typed polynomial."""
        from sympy.polys.matrices import DomainMatrix

        rows, cols = self.sizes[str(polynomial.rows)], self.sizes[str(polynomial.cols)]
        total = _Value(DomainMatrix.zeros((rows, cols), self.field), (0, 0), (0.0, 0.0))
        for word, coefficient in polynomial.terms.items():
            product = _Value(DomainMatrix.eye(rows, self.field), (0, 0), (0.0, 0.0))
            for letter in word:
                base = letter.rstrip("'")
                factor = self.value(base)
                product = _times(product, factor if letter == base else _transposed(factor))
            scale = self.field(coefficient.numerator) / self.field(coefficient.denominator)
            bits = math.log2(abs(coefficient.numerator)), math.log2(coefficient.denominator)
            product.bits = product.bits[0] + bits[0], product.bits[1] + bits[1]
            product.matrix = product.matrix * scale
            total = _plus(total, product)
        return total


def _assignments(statement: Statement) -> dict[str, Polynomial]:
    """Free symbols that a hypothesis says are equal to something else."""
    if statement.scalars:
        raise AlgebraError(f"{statement.name} has scalars, which generic matrices are not")
    found: dict[str, Polynomial] = {}
    for fact in statement.facts.values():
        if fact.label is None or fact.key.startswith(("left_inverse", "right_inverse")):
            continue
        for symbol in statement.free:
            rest = {w: c for w, c in fact.polynomial.terms.items() if w != (symbol,)}
            coefficient = fact.polynomial.terms.get((symbol,))
            others = {letter.rstrip("'") for word in rest for letter in word}
            if (
                coefficient
                and symbol not in found
                and symbol not in others
                and len(rest) < len(fact.polynomial.terms)
            ):
                rows, cols = statement.signature[symbol]
                found[symbol] = Polynomial(rows, cols, {w: -c / coefficient for w, c in rest.items()})
                break
        else:
            raise AlgebraError(f"the hypothesis {fact.label} of {statement.name} is no assignment")
    return found


def _transposed(a: _Value) -> _Value:
    """The transpose."""
    return _Value(a.matrix.transpose(), a.degree, a.bits)


def _times(a: _Value, b: _Value) -> _Value:
    """A product, with bounds."""
    inner = math.log2(max(a.matrix.shape[1], 1))
    return _Value(
        a.matrix * b.matrix,
        (a.degree[0] + b.degree[0], a.degree[1] + b.degree[1]),
        (a.bits[0] + b.bits[0] + inner, a.bits[1] + b.bits[1]),
    )


def _plus(a: _Value, b: _Value) -> _Value:
    """A sum, brought to the product of the denominators, with bounds."""
    first, second = a.degree[0] + b.degree[1], b.degree[0] + a.degree[1]
    bits = max(a.bits[0] + b.bits[1], b.bits[0] + a.bits[1]) + 1
    return _Value(
        a.matrix + b.matrix,
        (max(first, second), a.degree[1] + b.degree[1]),
        (bits, a.bits[1] + b.bits[1]),
    )


def _inverted(a: _Value) -> _Value:
    """The inverse of a regular matrix, as adjugate over determinant, with bounds."""
    from sympy.polys.matrices.exceptions import DMNonInvertibleMatrixError

    size = a.matrix.shape[0]
    try:
        matrix = a.matrix.inv()
    except DMNonInvertibleMatrixError as error:
        raise AlgebraError("a matrix that must be inverted is singular at these sizes") from error
    log = math.log2(math.factorial(size))
    # (N/d)⁻¹ = d · adj(N) / det(N)
    degree = (size - 1) * a.degree[0] + a.degree[1], size * a.degree[0]
    return _Value(matrix, degree, ((size - 1) * a.bits[0] + a.bits[1] + log, size * a.bits[0] + log))


def _inverse(a: _Value, kind: str) -> _Value:
    """Inverse, one-sided inverse or Moore-Penrose inverse of a matrix of generic rank."""
    if kind == "invertible":
        return _inverted(a)
    if kind == "right-invertible":
        return _times(_transposed(a), _inverted(_times(a, _transposed(a))))
    if kind == "left-invertible":
        return _times(_inverted(_times(_transposed(a), a)), _transposed(a))
    columns, rows = a.matrix.rref()[1], a.matrix.transpose().rref()[1]
    if not rows:
        return _transposed(a)
    # a = L · M⁻¹ · U with L some columns, U some rows, M where they meet; so a⁺ = Uᵀ(UUᵀ)⁻¹ · M · (LᵀL)⁻¹Lᵀ.
    part = _Value(a.matrix.extract(list(rows), list(range(a.matrix.shape[1]))), a.degree, a.bits)
    left = _Value(a.matrix.extract(list(range(a.matrix.shape[0])), list(columns)), a.degree, a.bits)
    middle = _Value(a.matrix.extract(list(rows), list(columns)), a.degree, a.bits)
    return _times(_times(_inverse(part, "right-invertible"), middle), _inverse(left, "left-invertible"))


def _is_prime(n: int) -> bool:
    """Miller-Rabin with bases that are proved to decide all numbers below 2⁶⁴."""
    if n % 2 == 0:
        return n == 2
    d, s = n - 1, 0
    while d % 2 == 0:
        d, s = d // 2, s + 1
    for base in (2, 3, 5, 7, 11, 13, 17, 19, 23, 29, 31, 37):
        x = pow(base, d, n)
        if n == base or x in (1, n - 1):
            continue
        if not any((x := x * x % n) == n - 1 for _ in range(s - 1)):
            return False
    return True
