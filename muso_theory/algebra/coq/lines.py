"""A statement for Coq: line by line, what is introduced, what is said of it, and which equations that gives."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import final

from ..polynomial import AlgebraError, Signature
from ..statement import Statement
from .syntax import Equation, Names, read_equation, read_expression, symbol_tree

__all__ = [
    "Entry",
    "conclusion_text",
    "conclusions",
    "entries",
    "given_text",
    "identifier",
    "pattern",
    "pinv_entry",
]

_VERBS = {
    "matrix", "state", "partition", "scalar", "let", "pinv", "assume", "without", "exists", "conclude", "predicate",
    "says", "remains", "induction", "base", "step",
}  # fmt: skip
_PROPERTIES = {
    "invertible": "is_inverse",
    "left-invertible": "is_left_inverse",
    "right-invertible": "is_right_inverse",
}
_PARTS = {
    "is_pinv": [f"(penrose{i} {{}})" for i in range(1, 5)],
    "row_partition": ["(orthonormal1 {})", "(orthonormal2 {})", "(disjoint {})", "(complete {})"],
    "is_inverse": ["(proj1 {})", "(proj2 {})"],
}


@final
@dataclass(frozen=True)
class Entry:
    """A line that introduces matrices or says something of them.

    Args:
        line: the line.
        symbols: the matrices that it introduces.
        head: the predicate that it states, ``"="`` for an equation, empty for none.
        of: the matrices of which a predicate holds.
        facts: the equations that the line gives, by the keys of certificates.
        proof: the name of the hypothesis in a script; empty if there is none.
        kinds: the sizes of the matrices of a scalar.
    """

    line: str
    symbols: tuple[str, ...]
    head: str = ""
    of: tuple[str, ...] = ()
    facts: Mapping[str, Equation] | None = None
    proof: str = ""
    kinds: tuple[tuple[str, str], ...] = ()

    def says(self, names: Names) -> str:
        """What is said, in Coq."""
        if self.head == "=":
            (equation,) = (self.facts or {}).values()
            return names.equation(equation)
        return " ".join([self.head, *(names.symbols[s] for s in self.of)])

    def proofs(self, names: Names) -> dict[str, str]:
        """The proof of each of its equations from the hypothesis."""
        if self.head == "same_scalar":
            return {
                key: self.scalar_proof(key, equation, names) for key, equation in (self.facts or {}).items()
            }
        parts = _PARTS.get(self.head, ["{}"])
        return {key: part.format(self.proof) for key, part in zip(self.facts or {}, parts, strict=False)}

    def scalar_proof(self, key: str, equation: Equation, names: Names) -> str:
        """That one of the two matrices of a scalar is symmetric, or commutes: named by their places."""
        sides = {size: i for i, size in enumerate(dict.fromkeys(size for size, _ in self.kinds), start=1)}
        left, right = sides[equation.left.rows], sides[equation.left.cols]
        if key.startswith("symmetric("):
            return f"(scalar_symmetric{left} {self.proof})"
        commuting = names.text(equation.left.parts[1])
        return f"(scalar_commutes{left}{right} {self.proof} {commuting})"

    def assembled(self, proofs: list[str]) -> str:
        """The proof of what is said from those of its equations."""
        return (
            proofs[0]
            if len(proofs) == 1
            else f"({'And4' if len(proofs) == 4 else 'conj'} {' '.join(proofs)})"
        )


def identifier(name: str) -> str:
    """The name of a theorem in Coq.

    Example:
        >>> identifier("gap-formula/norm")
        'gap_formula_norm'
    """
    return re.sub(r"[^A-Za-z0-9]", "_", name)


def entries(statement: Statement) -> list[Entry]:
    """What the lines of a statement introduce and say, without its conclusions.

    Raises:
        AlgebraError: if a line is of a kind that has no counterpart in Coq yet.
    """
    known: dict[str, tuple[str, str]] = {}
    found = []
    for line in statement.lines:
        verb, _, rest = line.partition(" ")
        if verb not in _VERBS:
            raise AlgebraError(f"{statement.name} has a line {verb!r}, which is not exported to Coq")
        entry = _entry(verb, rest, line, statement, known)
        if entry is not None:
            found.append(entry)
            known |= {symbol: statement.signature[symbol] for symbol in entry.symbols}
    return found


def _entry(
    verb: str, rest: str, line: str, statement: Statement, known: Mapping[str, tuple[str, str]]
) -> Entry | None:
    """One line."""
    name = rest.split(" ")[0]
    if verb in ("matrix", "state"):
        return Entry(line, (name,))
    if verb == "partition":
        s, t = rest.partition(" by ")[2].split(", ")
        texts = {
            f"orthonormal({s})": f"{s} {s}' = I", f"orthonormal({t})": f"{t} {t}' = I",
            f"disjoint({s},{t})": f"{s} {t}' = 0", f"complete({s},{t})": f"{s}' {s} + {t}' {t} = I",
        }  # fmt: skip
        return _predicate(line, (s, t), "row_partition", (s, t), texts, statement.signature, f"rows_{s}")
    if verb == "scalar":
        return _scalar(line, name, statement, known)
    if verb == "let":
        kind = statement.signature[name]
        body = read_expression(rest.partition(" = ")[2], known, kind)
        fact = {f"def({name})": Equation(symbol_tree(name, statement.signature), body)}
        return Entry(line, (name,), "=", (), fact, f"def_{name}")
    if verb == "pinv":
        return pinv_entry(line, name, f"{name}^+", statement.signature)
    if verb == "assume":
        return _assumption(rest, line, statement, known)
    return None


def _scalar(line: str, name: str, statement: Statement, known: Mapping[str, tuple[str, str]]) -> Entry:
    """One number as two matrices; of one size it is said twice of the same matrix."""
    symbols = next(
        group for group in statement.scalars if f" {name} on " in line and group[0].startswith(f"{name}_")
    )
    keys = {f"symmetric({s})" for s in symbols} | {f"commutes({name},{x})" for x in known}
    signature = {**known, **{s: statement.signature[s] for s in symbols}}
    sizes = {statement.signature[s][0]: s for s in symbols}
    texts = {}
    for key in (key for key in statement.facts if key in keys):
        x = key[key.rindex("(") + 1 : -1].rpartition(",")[2]
        rows, cols = signature[x]
        texts[key] = (
            f"{x}' = {x}" if key.startswith("symmetric") else f"{sizes[rows]} {x} = {x} {sizes[cols]}"
        )
    facts = {key: read_equation(text, signature) for key, text in texts.items()}
    kinds = tuple(statement.signature[s] for s in symbols)
    return Entry(line, symbols, "same_scalar", (symbols[0], symbols[-1]), facts, f"scalar_{name}", kinds)


def _assumption(rest: str, line: str, statement: Statement, known: Mapping[str, tuple[str, str]]) -> Entry:
    """A hypothesis: an equation, or that a matrix has an inverse."""
    label, _, body = rest.partition(": ")
    proof = f"hyp_{identifier(label)}"
    if relation := re.search(r"[<>≤≥]", body):
        raise AlgebraError(
            f"{statement.name} assumes {label} with {relation.group()!r}, which is not exported to Coq"
        )
    if "=" in body:
        return Entry(line, (), "=", (), {f"assume({label})": read_equation(body, known)}, proof)
    a, _, kind = body.partition(" ")
    if kind not in _PROPERTIES:
        raise AlgebraError(f"{statement.name} assumes {kind!r}, which is not exported to Coq")
    (x,) = (x for x, (own, b) in statement.inverses.items() if (own, b) == (kind, a))
    texts = {f"left_inverse({a})": f"{x} {a} = I", f"right_inverse({a})": f"{a} {x} = I"}
    if kind != "invertible":
        texts = {key: text for key, text in texts.items() if key.startswith(kind.partition("-")[0])}
    return _predicate(line, (x,), _PROPERTIES[kind], (a, x), texts, statement.signature, proof)


def pinv_entry(line: str, a: str, x: str, signature: Signature) -> Entry:
    """That x is the Moore-Penrose inverse of a."""
    texts = {
        f"penrose1({a})": f"{a} {x} {a} = {a}", f"penrose2({a})": f"{x} {a} {x} = {x}",
        f"penrose3({a})": f"({a} {x})' = {a} {x}", f"penrose4({a})": f"({x} {a})' = {x} {a}",
    }  # fmt: skip
    return _predicate(line, (x,), "is_pinv", (a, x), texts, signature, f"pinv_{a}")


def _predicate(
    line: str, symbols: tuple[str, ...], head: str, of: tuple[str, ...], texts: Mapping[str, str],
    signature: Signature, proof: str,
) -> Entry:  # fmt: skip
    """A line whose meaning is several equations."""
    return Entry(
        line, symbols, head, of, {k: read_equation(text, signature) for k, text in texts.items()}, proof
    )


def conclusions(statement: Statement) -> list[Equation]:
    """The equations that a theorem concludes."""
    texts = [line.removeprefix("conclude ") for line in statement.lines if line.startswith("conclude ")]
    for text in texts:
        if relation := re.search(r"[<>≤≥]|^[^=]*$", text):
            what = relation.group() if len(relation.group()) == 1 else text
            raise AlgebraError(f"{statement.name} concludes {what!r}, which is not exported to Coq")
    return [read_equation(text, statement.signature) for text in texts]


def conclusion_text(statement: Statement, names: Names) -> str:
    """What a theorem concludes, in Coq."""
    text = " /\\\n  ".join(names.equation(equation) for equation in conclusions(statement))
    for x in reversed(statement.exists):
        text = f"exists {names.symbols[x]} : {names.kind(*statement.signature[x])}, {text}"
    return text


def pattern(proofs: Sequence[str]) -> str:
    """Names for the parts of a conjunction.

    Example:
        >>> pattern(["a", "b", "c"])
        '[a [b c]]'
    """
    *first, text = proofs
    for proof in reversed(first):
        text = f"[{proof} {text}]"
    return text


def given_text(given: Iterable[Entry], names: Names, signature: Signature) -> list[str]:
    """One line for each line of a statement that introduces something or says something of it."""
    lines = []
    for entry in given:
        bound = " ".join(f"({names.symbols[s]} : {names.kind(*signature[s])})" for s in entry.symbols)
        label = f" (* {entry.line.split(' ')[1][:-1]} *)" if entry.line.startswith("assume ") else ""
        words = [f"forall {bound}," if bound else "", f"{entry.says(names)} ->{label}" if entry.head else ""]
        lines.append("  " + " ".join(word for word in words if word))
    return lines
