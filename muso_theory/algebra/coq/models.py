"""Models for Coq: that a theorem is not vacuous, and that its conclusion fails once a hypothesis is dropped."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from fractions import Fraction
from typing import Any

from ..exact import Matrix, evaluate, reduced, transpose
from ..polynomial import AlgebraError, Polynomial, Signature
from ..statement import Statement
from ..trials import read_model
from .lines import Entry, conclusion_text, conclusions, entries, identifier, pattern, pinv_entry
from .script import combination_text
from .syntax import Equation, Names, fraction, read_equation

__all__ = ["model_theorems"]


def model_theorems(statement: Statement, trials: Mapping[str, Any]) -> list[tuple[str, str]]:
    """Name and text of what the trials of a theorem show; redundant hypotheses need no theorem of their own.

    Raises:
        AlgebraError: if a model is malformed, or its conclusion does not fail where it should.
    """
    name = identifier(statement.name)
    found = [_Model(statement, trials["model"], None).theorem(f"{name}_not_vacuous")]
    for hypothesis in statement.hypotheses:
        if hypothesis.assumed:
            data = trials["hypotheses"][hypothesis.label]["needed"]
            model = _Model(statement, data, f"assume {hypothesis.label}: {hypothesis.text}")
            found.append(model.theorem(f"{name}_needs_{identifier(hypothesis.label)}"))
    return [theorem for theorem in found if theorem is not None]


class _Model:
    """One model, and what it shows.

    Args:
        dropped: the line of the hypothesis that it need not satisfy, or None for a model of all.
    """

    def __init__(self, statement: Statement, data: Any, dropped: str | None) -> None:
        self.statement, self.dropped = statement, dropped
        self.sizes, self.values = read_model(statement, data)
        self.given = [e for entry in entries(statement) if (e := self.kept(entry)) is not None]
        self.signature = {s: t for s, t in statement.signature.items() if s not in statement.exists}
        self.conclusions = conclusions(statement)
        if dropped is not None and statement.exists:
            self.obstruct()
        self.signature |= {s: statement.signature[s] for s in statement.exists}
        self.names = Names(self.signature, self.sizes)

    def kept(self, entry: Entry) -> Entry | None:
        """A line that the model satisfies; an inverse that a dropped hypothesis provided is a Moore-Penrose inverse."""
        if entry.line != self.dropped:
            return entry
        return (
            pinv_entry(entry.line, entry.of[0], entry.of[1], self.statement.signature)
            if entry.symbols
            else None
        )

    def obstruct(self) -> None:
        """Rows u that show a linear system to have no solution: u L = 0 for its matrix L, and u b != 0."""
        exists = self.statement.exists
        blocks: list[list[Matrix]] = []
        for equation in self.conclusions:
            halves = _split(equation.polynomial(), exists, self.statement.signature)
            blocks.append([evaluate(half, self.values, self.sizes) for half in halves])
        matrix = [row for left, _ in blocks for row in left]
        right = [row for _, rest in blocks for row in rest]
        for vector in _kernel(transpose(matrix)):
            if any(
                sum(x * row[j] for x, row in zip(vector, right, strict=True)) for j in range(len(right[0]))
            ):
                break
        else:
            raise AlgebraError(f"a model of {self.statement.name} does not violate the conclusion")
        self.sizes["one"] = 1
        for number, (left, _) in enumerate(blocks, start=1):
            self.signature[f"u_{number}"] = ("one", self.conclusions[number - 1].left.rows)
            self.values[f"u_{number}"] = [vector[: len(left)]]
            vector = vector[len(left) :]

    def theorem(self, name: str) -> tuple[str, str] | None:
        """Name and text; None if there is nothing to show."""
        if self.dropped is None and not any(entry.head for entry in self.given):
            return None
        lines = [f"Theorem {name} : forall R : realFieldType,"]
        script = ["Proof.", "move=> R.", self.setting()]
        last = max((i for i, entry in enumerate(self.given) if entry.head), default=-1)
        for i, entry in enumerate(self.given):
            bound = " ".join(
                f"({self.names.symbols[s]} : {self.names.kind(*self.signature[s])})" for s in entry.symbols
            )
            link = "" if self.dropped is None and i == last else " /\\"
            words = [
                f"exists {bound}," if bound else "",
                f"{entry.says(self.names)}{link}" if entry.head else "",
            ]
            if self.dropped is None and i > last:
                raise AlgebraError("a model ends with a matrix of which nothing is said")
            lines.append("  " + " ".join(word for word in words if word))
            script += [f"exists (value R ds ts {self.names.number[s]})." for s in entry.symbols]
            if entry.head:
                whole = f"exact {self.shown(entry)}."
                script.append(whole if not link else f"split; first {whole}")
        if self.dropped is None:
            lines[-1] += "."
        else:
            lines.append(f"  ~ ({conclusion_text(self.statement, self.names)}).")
            script.append(self.refusal())
        return name, "\n".join([*lines, *script, "Qed."])

    def shown(self, entry: Entry) -> str:
        """The proof of what a line says, by computation."""
        if entry.head != "same_scalar":
            return entry.assembled([self.equal(e) for e in (entry.facts or {}).values()])
        number, names = fraction(self.values[entry.of[0]][0][0]), self.names
        halves = []
        for symbol in entry.of:
            # Written as a code and not as an equation to be read: there 0 I would be the zero matrix.
            place = names.place[self.signature[symbol][0]]
            code = f"(Eqn {place} {place} (Var {names.number[symbol]}) (Num {number}))"
            halves.append(f"(@equal R ds ts {code} ltac:(by_computation))")
        return f"(ex_intro _ (rat_val R {number}) (conj {halves[0]} {halves[1]}))"

    def setting(self) -> str:
        """Sizes and entries."""
        names = self.names
        tables = [
            f"Filled {names.place[r]} {names.place[c]} {_table(self.values[s])}"
            for s, (r, c) in self.signature.items()
            if s in self.values
        ]
        return (
            f"pose ds := [:: {'; '.join(names.objects.values())}]%N.\npose ts := [:: {_INDENT.join(tables)}]."
        )

    def equal(self, equation: Equation) -> str:
        """The proof of an equation by computation."""
        return f"(@equal R ds ts {self.names.equation_code(equation)} ltac:(by_computation))"

    def refusal(self) -> str:
        """The proof that some conclusion fails."""
        proofs = [f"end_{i}" for i in range(1, len(self.conclusions) + 1)]
        opened = pattern(proofs)
        if self.statement.exists:
            for x in reversed(self.statement.exists):
                opened = f"[{self.names.symbols[x]} {opened}]"
            return "\n".join([f"move=> {opened}.", *self.contradiction(proofs)])
        fails = next(i for i, equation in enumerate(self.conclusions) if self.violated(equation))
        code = self.names.equation_code(self.conclusions[fails])
        return f"move=> {opened}; exact (@different R ds ts {code} ltac:(by_computation) {proofs[fails]})."

    def violated(self, equation: Equation) -> bool:
        """Whether an equation fails in the model."""
        return any(x for row in evaluate(equation.polynomial(), self.values, self.sizes) for x in row)

    def contradiction(self, proofs: Sequence[str]) -> list[str]:
        """From u (L a - b) = 0 and u L = 0 follows u b = 0, which is false."""
        names, (a,) = self.names, self.statement.exists
        kernel, rest = Polynomial.number(0), Polynomial.number(0)
        for i, equation in enumerate(self.conclusions, start=1):
            u = Polynomial.letter(f"u_{i}", self.signature)
            left, constant = _split(equation.polynomial(), (a,), self.signature)
            kernel, rest = kernel + u * left, rest + u * constant
        null, goal = (read_equation(f"{p} = 0", self.signature) for p in (kernel, rest))
        words = [(Fraction(1), f"u_{i + 1}", i, False, "") for i in range(len(proofs))]
        words.append((Fraction(-1), "", len(proofs), False, a))
        proof = combination_text(names, [*self.conclusions, null], words, goal, [*proofs, self.equal(null)])
        rows, cols = (names.place[size] for size in self.signature[a])
        return [
            f"pose env := model R ds ts ++ [:: @Sized R ds {rows} {cols} {names.symbols[a]}].",
            f"exact (@different R ds ts {names.equation_code(goal)} ltac:(by_computation)\n  {proof}).",
        ]


_INDENT = ";\n  "


def _table(matrix: Matrix) -> str:
    """The entries of a matrix, row by row."""
    rows = ("[:: " + "; ".join(fraction(x)[1:-1] for x in row) + "]" for row in matrix)
    return f"[:: {'; '.join(rows)}]"


def _split(p: Polynomial, exists: tuple[str, ...], signature: Signature) -> tuple[Polynomial, Polynomial]:
    """L and b of a conclusion L a + b, where a is claimed to exist."""
    (a,) = exists if len(exists) == 1 else ("",)
    left = {w[:-1]: c for w, c in p.terms.items() if a in w}
    if not a or any(a in w for w in left) or any(f"{a}'" in w for w in p.terms):
        raise AlgebraError("only systems L a + b in one matrix a can be shown to have no solution")
    rest = {w: c for w, c in p.terms.items() if a not in w}
    return Polynomial(p.rows, signature[a][0], left), Polynomial(p.rows, p.cols, rest)


def _kernel(matrix: Matrix) -> list[list[Fraction]]:
    """A basis of the vectors that a matrix maps to zero."""
    rows, pivots = reduced(matrix)
    width, basis = len(matrix[0]), []
    for free in (j for j in range(width) if j not in pivots):
        vector = [Fraction(j == free) for j in range(width)]
        for row, pivot in zip(rows, pivots, strict=True):
            vector[pivot] = -row[free]
        basis.append(vector)
    return basis
