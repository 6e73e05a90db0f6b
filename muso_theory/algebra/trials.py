"""What the models that come with a theorem must show of its hypotheses, checked exactly.

The trials of a theorem are a ``model`` of all its hypotheses, so that it is not vacuous, and for every hypothesis

    needed      a model of all others in which the conclusion fails; an inverse that the hypothesis would have
                provided is replaced by the Moore-Penrose inverse, which always exists
    redundant   for a hypothesis that the theorem does without: a model in which it fails, so that the theorem says
                more than with it
"""

from __future__ import annotations

from collections.abc import Mapping
from fractions import Fraction
from typing import Any

from .exact import Matrix, evaluate, rank
from .exact import solve as solve_linear
from .polynomial import AlgebraError, Polynomial
from .statement import Premise, Statement

__all__ = ["ExactModel", "check_trials", "concludes", "failing", "read_model", "violates", "write_model"]

ExactModel = tuple[dict[str, int], dict[str, Matrix]]
"""Object to size, and symbol to matrix."""

_MAX_SIZE = 8
_MAX_DIGITS = 60


def check_trials(statement: Statement, trials: Mapping[str, Any], *, open_: bool = False) -> None:
    """Check the models that come with a theorem.

    Args:
        open_: whether a hypothesis may be left untried, an empty entry: of a user's own theorem.

    Raises:
        AlgebraError: if a model does not show what it is there to show, or a hypothesis has not been tried.
    """
    if not isinstance(trials, dict) or sorted(trials) != ["hypotheses", "model"]:
        raise AlgebraError("expected trials with the keys hypotheses and model")
    model = read_model(statement, trials["model"])
    if failed := failing(statement, model):
        raise AlgebraError(f"the model of {statement.name} violates {failed[0]}")
    if not concludes(statement, model):
        raise AlgebraError(f"the model of {statement.name} violates the conclusion: the theorem is false")
    tried = trials["hypotheses"]
    if not isinstance(tried, dict) or sorted(tried) != sorted(h.label for h in statement.hypotheses):
        raise AlgebraError(f"expected one trial for every hypothesis of {statement.name}")
    for hypothesis in statement.hypotheses:
        trial = tried[hypothesis.label]
        kind = "needed" if hypothesis.assumed else "redundant"
        if open_ and trial == {}:
            continue
        if not isinstance(trial, dict) or list(trial) != [kind]:
            raise AlgebraError(f"expected a trial of {hypothesis.label} that shows it to be {kind}")
        model = read_model(statement, trial[kind])
        failed = failing(statement, model, hypothesis.label if hypothesis.assumed else None)
        if failed:
            raise AlgebraError(f"the model for {hypothesis.label} violates {failed[0]} as well")
        if hypothesis.assumed and concludes(statement, model):
            raise AlgebraError(f"the model without {hypothesis.label} does not violate the conclusion")
        if not hypothesis.assumed and not violates(statement, hypothesis, model):
            raise AlgebraError(f"the model does not violate {hypothesis.label}")


def failing(statement: Statement, model: ExactModel, dropped: str | None = None) -> list[str]:
    """Keys of the facts that a model violates.

    Args:
        dropped: a hypothesis that need not hold; inverses that it provides must then be Moore-Penrose inverses.
    """
    sizes, values = model
    failed = []
    for fact in statement.facts.values():
        if (fact.label is None or fact.label != dropped) and _nonzero(
            evaluate(fact.polynomial, values, sizes)
        ):
            failed.append(fact.key)
    failed += [
        f"scalar({group[0]})" for group in statement.scalars if not _one_number([values[s] for s in group])
    ]
    for symbol, (kind, inverted) in statement.inverses.items():
        if kind != "pinv" and dropped is not None and _provides(statement, dropped, inverted, kind):
            failed += [
                key
                for key, p in _penrose(statement, inverted, symbol)
                if _nonzero(evaluate(p, values, sizes))
            ]
    return failed


def concludes(statement: Statement, model: ExactModel) -> bool:
    """Whether the conclusion holds in a model; for a claimed existence, whether a solution exists.

    Raises:
        AlgebraError: if the conclusions are not linear in what is claimed to exist.
    """
    sizes, values = model
    if not statement.exists:
        return not any(_nonzero(evaluate(c, values, sizes)) for c in statement.conclusions)
    for conclusion in statement.conclusions:
        if any(sum(letter.rstrip("'") in statement.exists for letter in w) > 1 for w in conclusion.terms):
            raise AlgebraError("conclusions must be linear in what is claimed to exist")

    def residual(unit: tuple[str, int, int] | None) -> list[Fraction]:
        trial = dict(values)
        for symbol in statement.exists:
            rows, cols = statement.signature[symbol]
            trial[symbol] = [
                [Fraction((symbol, i, j) == unit) for j in range(sizes[cols])] for i in range(sizes[rows])
            ]
        return [x for c in statement.conclusions for row in evaluate(c, trial, sizes) for x in row]

    start = residual(None)
    units = [
        (symbol, i, j)
        for symbol in statement.exists
        for i in range(sizes[statement.signature[symbol][0]])
        for j in range(sizes[statement.signature[symbol][1]])
    ]
    columns = [[x - y for x, y in zip(residual(unit), start, strict=True)] for unit in units]
    matrix = [list(row) for row in zip(*columns, strict=True)]
    return solve_linear(matrix, [-x for x in start]) is not None


def violates(statement: Statement, hypothesis: Premise, model: ExactModel) -> bool:
    """Whether a hypothesis that the theorem does without, one of its ``without`` lines, fails in a model."""
    sizes, values = model
    symbol, _, kind = hypothesis.text.partition(" ")
    if kind in ("invertible", "left-invertible", "right-invertible"):
        rows, cols = (sizes[size] for size in statement.signature[symbol])
        return rank(values[symbol]) < (rows if kind == "right-invertible" else cols)
    return any(
        _nonzero(evaluate(f.polynomial, values, sizes))
        for f in statement.spare
        if f.label == hypothesis.label
    )


def read_model(statement: Statement, data: Any) -> ExactModel:
    """Read a model, in which every symbol but those claimed to exist has a matrix of its size.

    Args:
        data: ``{"sizes": {object: size}, "matrices": {symbol: rows of numbers as text}}``.

    Raises:
        AlgebraError: if anything is missing, too much, too large or of the wrong shape.
    """
    if not isinstance(data, dict) or sorted(data) != ["matrices", "sizes"]:
        raise AlgebraError("expected a model with the keys matrices and sizes")
    sizes, matrices = data["sizes"], data["matrices"]
    objects = {size for s, pair in statement.signature.items() for size in pair}
    if not isinstance(sizes, dict) or set(sizes) != objects:
        raise AlgebraError(f"expected the sizes {', '.join(sorted(objects))}")
    if any(type(size) is not int or not 1 <= size <= _MAX_SIZE for size in sizes.values()):
        raise AlgebraError(f"expected sizes from 1 to {_MAX_SIZE}")
    if not isinstance(matrices, dict) or set(matrices) != set(statement.signature) - set(statement.exists):
        raise AlgebraError(f"expected a matrix for every symbol of {statement.name}")
    values = {}
    for symbol, rows in matrices.items():
        height, width = (sizes[size] for size in statement.signature[symbol])
        if not isinstance(rows, list) or len(rows) != height:
            raise AlgebraError(f"expected {height} rows in the matrix {symbol}")
        if any(not isinstance(row, list) or len(row) != width for row in rows):
            raise AlgebraError(f"expected {width} columns in the matrix {symbol}")
        values[symbol] = [[_number(x) for x in row] for row in rows]
    return dict(sizes), values


def write_model(model: ExactModel) -> dict[str, Any]:
    """The JSON form of a model, for :func:`read_model`."""
    sizes, values = model
    return {
        "sizes": dict(sizes),
        "matrices": {symbol: [[str(x) for x in row] for row in matrix] for symbol, matrix in values.items()},
    }


def _number(text: object) -> Fraction:
    """A rational in its one accepted spelling."""
    try:
        value = (
            Fraction(text) if isinstance(text, str) and len(text) <= _MAX_DIGITS and "e" not in text else None
        )
    except (ValueError, ZeroDivisionError):
        value = None
    if value is None or str(value) != text:
        raise AlgebraError(f"expected a reduced fraction as text in a model but got {str(text)[:40]!r}")
    return value


def _one_number(matrices: list[Matrix]) -> bool:
    """Whether matrices are the same multiple of identities; that they commute with what is there is not enough."""
    number = matrices[0][0][0]
    return all(
        x == (number if i == j else 0) for m in matrices for i, row in enumerate(m) for j, x in enumerate(row)
    )


def _nonzero(matrix: Matrix) -> bool:
    """Whether any entry differs from zero."""
    return any(x for row in matrix for x in row)


def _provides(statement: Statement, label: str, inverted: str, kind: str) -> bool:
    """Whether a hypothesis is the one that says ``inverted`` is invertible in this way."""
    return any(h.label == label and h.text == f"{inverted} {kind}" for h in statement.hypotheses)


def _penrose(statement: Statement, a: str, x: str) -> list[tuple[str, Polynomial]]:
    """The Penrose equations of two symbols."""
    p, q = Polynomial.letter(a, statement.signature), Polynomial.letter(x, statement.signature)
    equations = [p * q * p - p, q * p * q - q, (p * q).transpose() - p * q, (q * p).transpose() - q * p]
    return [(f"penrose{i}({a})", e) for i, e in enumerate(equations, start=1)]
