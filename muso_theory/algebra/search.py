"""Looking for models: of all hypotheses, of all but one, and counterexamples to false theorems.

Free matrices are filled with small integers, definitions follow, and hypotheses that are affine in some free matrix
are satisfied by solving for it. Sizes grow, so the first model found is one of the smallest. Seeds are explicit; the
same statement gives the same models on every machine.
"""

from __future__ import annotations

import functools
import itertools
import math
import random
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from fractions import Fraction
from typing import Any, final

from .exact import Matrix, evaluate, pseudo_inverse, rank, solve
from .polynomial import Polynomial
from .statement import Statement
from .trials import ExactModel, concludes, failing, violates, write_model

__all__ = ["counterexample", "find_model", "find_trials", "hunt", "models", "shrunk"]

TRIES = 80
"""Models looked at per choice of sizes; the models in stored certificates hang on it."""

_ENTRIES = (0, 0, 0, 1, 1, -1, 2)
_GENERIC = (1, 2, 3, -1, -2, 1, 1, 0)


def find_trials(statement: Statement, *, tries: int = TRIES, deadline: float = math.inf) -> dict[str, Any]:
    """Try every hypothesis of a theorem, by `time.monotonic` until some time.

    Returns:
        The ``trials`` entry of its certificate. A hypothesis for which no model is found is left out, and the
        checkers will say so.

    Example:
        >>> from muso_theory.algebra.statement import parse_statement
        >>> lines = ["matrix A : n x D", "matrix B : n x D", "assume same: A = B", "conclude A' = B'"]
        >>> find_trials(parse_statement("demo", lines))["hypotheses"]["same"]["needed"]["matrices"]
        {'A': [['0']], 'B': [['1']]}
    """
    model = find_model(statement, tries=tries)
    trials: dict[str, Any] = {"hypotheses": {}}
    if model is not None:
        trials["model"] = write_model(model)
    for hypothesis in statement.hypotheses:
        if hypothesis.assumed:
            found = counterexample(statement, dropped=hypothesis.label, tries=tries, deadline=deadline)
            kind = "needed"
        else:
            found, kind = _violating(statement, hypothesis.label, tries, deadline), "redundant"
        if found is not None:
            trials["hypotheses"][hypothesis.label] = {kind: write_model(found)}
    return trials


def find_model(statement: Statement, *, tries: int) -> ExactModel | None:
    """A model of all hypotheses with sizes of about two and few zeros, or None if none was found."""
    rng = random.Random(f"model of {statement.name}")
    for sizes in sorted(_sizes(statement), key=lambda s: sum((size - 2) ** 2 for size in s.values())):
        for _ in range(tries // 4):
            model = _attempt(statement, sizes, rng, None, _GENERIC)
            if model and not failing(statement, model):
                return model
    # Equations such as X'X + Z'Z = I are met by matrices with many zeros, if by any that are drawn.
    return next(models(statement, f"sparse model of {statement.name}", tries=tries), None)


def counterexample(
    statement: Statement, *, dropped: str | None = None, tries: int = TRIES, deadline: float = math.inf
) -> ExactModel | None:
    """An exact model of the hypotheses in which the conclusion fails, or None (which proves nothing).

    Args:
        dropped: a hypothesis that need not hold.
        tries: models looked at per choice of sizes.
        deadline: when to stop, by `time.monotonic`.
    """
    name = f"{statement.name} without {dropped}"
    for model in models(statement, name, dropped=dropped, tries=tries, deadline=deadline):
        if not concludes(statement, model):
            return model
    return None


def models(
    statement: Statement,
    seed: str | int,
    *,
    dropped: str | None = None,
    tries: int = TRIES,
    entries: tuple[int, ...] = _ENTRIES,
    deadline: float = math.inf,
) -> Iterator[ExactModel]:
    """Random exact models of the hypotheses, or of all but one, from small to large.

    Args:
        dropped: a hypothesis that need not hold; it fails in some of the models and holds in others.
        tries: models looked at per choice of sizes.
        entries: what free matrices are filled with.
        deadline: when to stop, by `time.monotonic`; no limit for what must be the same on every machine.

    Example:
        >>> from muso_theory.algebra.statement import parse_statement
        >>> demo = parse_statement("demo", ["matrix A : n x D", "assume zero: A = 0", "conclude A A' = 0"])
        >>> all(concludes(demo, model) for model in models(demo, 1, tries=5))
        True
        >>> all(concludes(demo, model) for model in models(demo, 1, dropped="zero", tries=5))
        False
    """
    rng = random.Random(seed)
    for sizes in _sizes(statement):
        for _ in range(tries):
            if time.monotonic() > deadline:
                return
            model = _attempt(statement, sizes, rng, dropped, entries)
            if model and not failing(statement, model, dropped):
                yield model


@final
@dataclass(frozen=True)
class _Hunt:
    """What a search for a counterexample came to.

    Args:
        model: the first that was found, which is of the smallest sizes, with its entries made smaller; or None.
        tried: exact models of the hypotheses that were looked at.
        largest: the largest of their dimensions.
        held: one of those in which the conclusion holds, if there is one: the hypotheses do not contradict.
    """

    model: ExactModel | None
    tried: int
    largest: int
    held: ExactModel | None

    def __str__(self) -> str:
        found = "no" if self.model is None else "one"
        return f"{self.tried} exact models of the hypotheses, dimensions up to {self.largest}: {found} counterexample"


def hunt(statement: Statement, deadline: float, *, dropped: str | None = None, rounds: int = 5) -> _Hunt:
    """Search a counterexample, in rounds of ever more models of every size, until some time.

    Args:
        deadline: when to stop, by `time.monotonic`.
        dropped: a hypothesis that need not hold.
        rounds: each looks at four times as many models of a size as the one before.

    Example:
        >>> from muso_theory.algebra.statement import parse_statement
        >>> lines = ["matrix A : n x n", "conclude A A = A"]
        >>> hunt(parse_statement("demo", lines), math.inf).model
        ({'n': 1}, {'A': [[Fraction(-1, 1)]]})
    """
    tried, largest, held = 0, 0, None
    for number in range(rounds):
        entries = (_ENTRIES, _GENERIC)[number % 2]
        found = models(
            statement,
            f"hunt {number}",
            dropped=dropped,
            tries=20 * 4**number,
            entries=entries,
            deadline=deadline,
        )
        for model in found:
            tried, largest = tried + 1, max(largest, *model[0].values())
            if not concludes(statement, model):
                return _Hunt(shrunk(statement, model, dropped=dropped), tried, largest, held)
            held = held or model
    return _Hunt(None, tried, largest, held)


def shrunk(statement: Statement, model: ExactModel, *, dropped: str | None = None) -> ExactModel:
    """A counterexample with as many zeros, and then numbers as small, as changes of single entries lead to."""
    sizes, values = model
    free = {symbol: [list(row) for row in values[symbol]] for symbol in statement.free}
    numbers = {symbol: values[symbol] for group in statement.scalars for symbol in group}

    def still() -> ExactModel | None:
        """The changed model, if it is a counterexample still."""
        completed = _complete(statement, sizes, {**free, **numbers}, dropped)
        if completed is None:
            return None
        changed = (dict(sizes), {symbol: [list(row) for row in rows] for symbol, rows in completed.items()})
        return None if failing(statement, changed, dropped) or concludes(statement, changed) else changed

    places = [(row, j) for matrix in free.values() for row in matrix for j in range(len(row))]
    improved = True
    while improved:
        improved = False
        for row, j in places:
            entry = row[j]
            for smaller in (Fraction(0), Fraction(1), Fraction(-1)):
                if _weight(smaller) >= _weight(entry):
                    break
                row[j] = smaller
                if (found := still()) is not None:
                    model, improved = found, True
                    break
                row[j] = entry
    return model


def _weight(entry: Fraction) -> tuple[int, int, bool]:
    """How complicated a number is to read."""
    return entry.denominator, abs(entry.numerator), entry < 0


def _violating(statement: Statement, label: str, tries: int, deadline: float) -> ExactModel | None:
    """A model of the theorem in which a hypothesis that it does without fails."""
    rng = random.Random(f"{statement.name} beyond {label}")
    hypothesis = next(h for h in statement.hypotheses if h.label == label)
    for sizes in _sizes(statement):
        for _ in range(tries):
            if time.monotonic() > deadline:
                return None
            model = _attempt(statement, sizes, rng, None, _ENTRIES)
            if model and violates(statement, hypothesis, model) and not failing(statement, model):
                return model
    return None


def _sizes(statement: Statement) -> Iterator[dict[str, int]]:
    """Choices of dimensions from small to large; a partitioned one is the sum of its parts."""
    sums: dict[str, tuple[str, str]] = {}
    for s, t in statement.selections:
        part, whole = statement.signature[s]
        sums.setdefault(whole, (part, statement.signature[t][0]))
    objects = sorted({size for pair in statement.signature.values() for size in pair})
    base = [size for size in objects if size not in sums]
    choices = sorted(itertools.product((1, 2, 3), repeat=len(base)), key=lambda c: (sum(c), c))
    for choice in choices:
        if sum(choice) > len(base) + 4:
            return
        sizes = dict(zip(base, choice, strict=True))
        while len(sizes) < len(objects):
            for whole, (a, b) in sums.items():
                if a in sizes and b in sizes:
                    sizes[whole] = sizes[a] + sizes[b]
        if all(sizes[statement.signature[s][1]] == sizes[statement.signature[s][0]] + sizes[statement.signature[t][0]]
               for s, t in statement.selections):  # fmt: skip
            yield sizes


def _attempt(
    statement: Statement,
    sizes: Mapping[str, int],
    rng: random.Random,
    dropped: str | None,
    entries: tuple[int, ...],
) -> ExactModel | None:
    """One random model; hypotheses that fail are satisfied one after the other by solving for a free matrix."""
    free = {
        symbol: _random(
            sizes[statement.signature[symbol][0]], sizes[statement.signature[symbol][1]], rng, entries
        )
        for symbol in statement.free
    }
    for names in statement.scalars:
        # One number for all sizes of a scalar; it is drawn with the free matrices, and never solved for.
        number = Fraction(rng.choice(entries))
        free |= {s: _multiple(number, sizes[statement.signature[s][0]]) for s in names}
    values = _complete(statement, sizes, free, dropped)
    satisfied: list[Polynomial] = []
    # In random order: what can be solved for depends on what has been fixed before.
    for equation, symbols in sorted(_equations(statement, dropped), key=lambda _: rng.random()):
        if values is None:
            return None
        satisfied.append(equation)
        if not any(x for row in evaluate(equation, values, sizes) for x in row):
            continue
        values = None
        for symbol in sorted(symbols, key=lambda _: rng.random()):
            matrix = _solve_for(statement, sizes, free, dropped, symbol, satisfied, rng)
            if matrix is not None:
                free[symbol] = matrix
                values = _complete(statement, sizes, free, dropped)
                break
    return None if values is None else (dict(sizes), values)


@functools.cache
def _equations(statement: Statement, dropped: str | None) -> list[tuple[Polynomial, tuple[str, ...]]]:
    """The hypotheses to satisfy, each with the free matrices in which it is affine."""
    result = []
    for fact in statement.facts.values():
        if fact.label not in (None, dropped) and not fact.key.startswith(("left_inverse", "right_inverse")):
            words = [
                [letter.rstrip("'") for letter in word] for word in statement.unfolded(fact.polynomial).terms
            ]
            affine = tuple(
                symbol
                for symbol in statement.free
                if any(symbol in word for word in words)
                and all(word.count(symbol) <= 1 for word in words)
                and not _inverted_after(statement, symbol)
            )
            result.append((fact.polynomial, affine))
    return result


def _solve_for(
    statement: Statement,
    sizes: Mapping[str, int],
    free: Mapping[str, Matrix],
    dropped: str | None,
    symbol: str,
    equations: list[Polynomial],
    rng: random.Random,
) -> Matrix | None:
    """Satisfy equations by the choice of one free matrix in which they are affine."""
    rows, cols = len(free[symbol]), len(free[symbol][0])

    def residual(entries: list[Fraction]) -> list[Fraction] | None:
        matrix = [entries[i * cols : (i + 1) * cols] for i in range(rows)]
        values = _complete(statement, sizes, {**free, symbol: matrix}, dropped)
        if values is None:
            return None
        return [x for p in equations for row in evaluate(p, values, sizes) for x in row]

    start = residual([Fraction(0)] * (rows * cols))
    moved = [residual([Fraction(i == k) for i in range(rows * cols)]) for k in range(rows * cols)]
    if start is None or None in moved:
        return None
    columns = [[x - y for x, y in zip(column or [], start, strict=True)] for column in moved]
    choice = [Fraction(rng.choice(_ENTRIES)) for _ in range(rows * cols)]
    found = solve([list(row) for row in zip(*columns, strict=True)], [-x for x in start], choice)
    # An earlier equation may not be affine in this matrix: then the solution is none.
    if found is None or any(residual(found) or [Fraction(1)]):
        return None
    return [found[i * cols : (i + 1) * cols] for i in range(rows)]


def _inverted_after(statement: Statement, symbol: str) -> bool:
    """Whether some inverse depends on this symbol, so that nothing is affine in it."""
    depends = {symbol}
    for name, definition in statement.definitions.items():
        if definition.symbols() & depends:
            depends.add(name)
    return any(inverted in depends for _, inverted in statement.inverses.values())


def _complete(
    statement: Statement, sizes: Mapping[str, int], free: Mapping[str, Matrix], dropped: str | None
) -> dict[str, Matrix] | None:
    """Matrices for all symbols from those of the free ones; None if an inverse that is assumed does not exist."""
    values: dict[str, Matrix] = {}
    selected = {s: i for pair in statement.selections for i, s in enumerate(pair)}
    kept = {h.text for h in statement.hypotheses if h.assumed and h.label != dropped}
    for symbol, (rows, cols) in statement.signature.items():
        if symbol in statement.exists:
            continue
        if symbol in free:
            values[symbol] = free[symbol]
        elif symbol in selected:
            shift = selected[symbol] * (sizes[cols] - sizes[rows])
            values[symbol] = [
                [Fraction(j == i + shift) for j in range(sizes[cols])] for i in range(sizes[rows])
            ]
        elif symbol in statement.definitions:
            values[symbol] = evaluate(statement.definitions[symbol], values, sizes)
        else:
            kind, inverted = statement.inverses[symbol]
            matrix = values[inverted]
            required = f"{inverted} {kind}" in kept
            if required and rank(matrix) < len(matrix[0] if kind == "left-invertible" else matrix):
                return None
            values[symbol] = pseudo_inverse(matrix)
    return values


def _multiple(number: Fraction, size: int) -> Matrix:
    """A number times an identity."""
    return [[number * (i == j) for j in range(size)] for i in range(size)]


def _random(rows: int, cols: int, rng: random.Random, entries: tuple[int, ...]) -> Matrix:
    """A matrix of small integers."""
    return [[Fraction(rng.choice(entries)) for _ in range(cols)] for _ in range(rows)]
