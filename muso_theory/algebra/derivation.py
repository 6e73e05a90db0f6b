"""From a declared theorem to a certificate: the prover fills in every step of the plan."""

from __future__ import annotations

import hashlib
import math
import re
import time
from collections.abc import Mapping
from dataclasses import replace
from fractions import Fraction
from typing import Any

from .expression import parse_equation, parse_expression
from .induction import parse_induction
from .instance import Instance
from .polynomial import AlgebraError, Polynomial, Signature, Word
from .prover import Combination, NotFoundError, find_chain
from .shorten import fewer_facts, shortened
from .statement import Statement, parse_statement
from .theorem import Apply, Cancel, Have, Theorem, Witness, canonical

__all__ = ["Node", "content_hash", "derive", "lemma_values"]

Node = dict[str, Any]
"""A certificate of one theorem: name, statement, steps; JSON-able."""


_STEPS = 50
"""Steps beyond which a proof is not cut into more: checkers read 60."""


def derive(
    theorem: Theorem,
    known: Mapping[str, Node],
    *,
    seconds: float = 20.0,
    polish: float = math.inf,
    longest: float = math.inf,
) -> Node:
    """Prove a theorem from scratch.

    Args:
        known: certificates of the theorems that the plan may use, by name.
        seconds: how long to look for one step.
        polish: how long to make one step shorter; no limit for what must be the same on every machine.
        longest: terms beyond which a step is cut into several, at what was found on the way to it.

    Raises:
        AlgebraError: if a step of the plan cannot be proved within the limits (a ``NotFoundError``), or the
            statement is malformed.

    Example:
        >>> from muso_theory.algebra.theorem import text_lines
        >>> demo = Theorem("lemma/demo", text_lines("matrix A : n x D", "pinv A", "conclude A' A A^+ = A'"))
        >>> for term in derive(demo, {})["steps"][0]["terms"]:
        ...     print(term)
        ['1', '', "penrose1(A)'", '']
        ['-1', "A'", 'penrose3(A)', '']
    """
    if theorem.lines and theorem.lines[0].startswith("induction"):
        induction = parse_induction(theorem.name, theorem.lines)
        missing = [name for name in (induction.base, induction.step) if name not in known]
        if missing:
            raise AlgebraError(f"{theorem.name} needs {missing[0]}, which is not proved")
        hashes = {"base": content_hash(known[induction.base]), "step": content_hash(known[induction.step])}
        return {
            "name": theorem.name,
            "statement": list(theorem.lines),
            "steps": [{"rule": "induction", **hashes}],
        }
    return _Derivation(theorem, known, seconds, polish, longest).run()


def content_hash(node: Node) -> str:
    """Hash of a theorem and its proof; since a use of a lemma records the lemma's hash, it covers all ancestors."""
    return hashlib.sha256(canonical({key: node[key] for key in ("name", "statement", "steps")})).hexdigest()


def lemma_values(lemma: Statement, host: Statement, given: Mapping[str, str]) -> dict[str, Polynomial]:
    """What every symbol of a lemma becomes in the host: given ones, namesakes, and what follows from them.

    Args:
        given: expressions for some symbols.

    Raises:
        AlgebraError: if a symbol is neither given nor has a counterpart in the host.
    """
    values: dict[str, Polynomial] = {}
    for symbol in lemma.signature:
        text = given.get(symbol)
        if text is None and symbol in lemma.inverses:
            _, inverted = lemma.inverses[symbol]
            counterpart = str(values[inverted]) + symbol[len(inverted) :]
            text = counterpart if counterpart in host.signature else None
            # A namesake is no inverse of something of another size.
            if text is None and host.signature.get(symbol) != (values[inverted].cols, values[inverted].rows):
                raise AlgebraError(
                    f"say what {symbol} of {lemma.name} is: {host.name} has no inverse of {values[inverted]}"
                )
        if text is None and symbol in lemma.definitions:
            value = lemma.definitions[symbol].substitute(values, {})
            same = host.unfolded(value)
            # A host symbol with the same definition reads better than the expression, and may have an inverse.
            text = next((s for s, d in host.definitions.items() if host.unfolded(d) == same), str(value))
        if text is None and symbol in host.signature:
            text = symbol
        if text is None:
            raise AlgebraError(f"say what {symbol} of {lemma.name} is in {host.name}")
        values[symbol] = parse_expression(text, host.signature)
    return values


class _Derivation:
    """The certificate of one theorem while it is built."""

    def __init__(
        self, theorem: Theorem, known: Mapping[str, Node], seconds: float, polish: float, longest: float
    ) -> None:
        self.theorem, self.known, self.seconds, self.polish = theorem, known, seconds, polish
        self.longest = longest
        self.statement = parse_statement(theorem.name, theorem.lines)
        self.signature: Signature = self.statement.signature
        self.facts = {key: fact.polynomial for key, fact in self.statement.facts.items()}
        self.weights: dict[str, int] = {}
        for symbol, definition in self.statement.definitions.items():
            self.weigh(symbol, definition)
        self.steps: list[dict[str, Any]] = []

    def run(self) -> Node:
        """Carry out the plan, then prove every conclusion that it has not reached."""
        for step in self.theorem.plan:
            match step:
                case Apply():
                    self.apply(step)
                case Have():
                    self.have(step.equation, step.using)
                case Cancel():
                    self.cancel(step)
                case Witness():
                    self.witness(step)
        wanted = [
            line.removeprefix("conclude ") for line in self.theorem.lines if line.startswith("conclude ")
        ]
        for text, conclusion in zip(wanted, self.statement.conclusions, strict=True):
            if conclusion not in self.proved():
                self.have(text)
        return {"name": self.theorem.name, "statement": list(self.theorem.lines), "steps": self.steps}

    def record(self, step: dict[str, Any], **polynomials: Polynomial) -> None:
        """Append a step and make what it proves available."""
        self.steps.append(step)
        for suffix, polynomial in polynomials.items():
            self.facts[f"step({len(self.steps)})" + suffix.replace("_", ".").removesuffix(".")] = polynomial

    def have(self, equation: str, using: tuple[str, ...] = ()) -> None:
        """Find a combination for an equation."""
        target = parse_equation(equation, self.signature)
        self.combine(equation, target, self.combination(target, using))

    def combine(self, equation: str, target: Polynomial, terms: Combination) -> None:
        """Append an equation with the terms that add up to it."""
        written = [[str(t.coefficient), " ".join(t.left), t.fact, " ".join(t.right)] for t in terms]
        self.record({"rule": "combination", "conclusion": equation, "terms": written}, _=target)

    def combination(self, target: Polynomial, using: tuple[str, ...] = ()) -> Combination:
        """Find and shorten."""
        if using:
            chosen = {key: p for key, p in self.facts.items() if key in using or self.recent(key, using)}
            return self.shortest(target, chosen, seconds=self.seconds)
        # What was proved on the way first, then definitions, and only then everything: the proof reads better so.
        near = {
            key: p
            for key, p in self.facts.items()
            if key.startswith("step(") or self.statement.facts[key].label is not None or "(S_" in key
        }
        defined = {key: p for key, p in self.facts.items() if key.startswith("def(")}
        for chosen in (near, near | defined):
            try:
                return self.shortest(target, chosen, max_degree=8, max_work=40_000)
            except NotFoundError:
                continue
        return self.shortest(target, self.facts, seconds=self.seconds)

    def recent(self, key: str, using: tuple[str, ...]) -> bool:
        """Whether a fact is among the steps asked for: "steps" for all, "last" or "last 3" for the latest."""
        if not key.startswith("step("):
            return False
        back = max((int(u[4:] or 1) for u in using if re.fullmatch(r"last( \d+)?", u)), default=0)
        return "steps" in using or int(key[5 : key.index(")")]) > len(self.steps) - back

    def shortest(self, target: Polynomial, chosen: Mapping[str, Polynomial], **limits: Any) -> Combination:
        """Find a combination, then make it use fewer facts and fewer terms, or record what is found on the way."""
        longest = self.longest
        links, found = find_chain(target, chosen, self.weights, longest=longest, **limits)
        while links and len(self.steps) + len(links) > _STEPS:
            longest *= 4
            links, found = find_chain(target, chosen, self.weights, longest=longest, **limits)
        if not links:
            found = fewer_facts(target, found, chosen, self.weights, time.monotonic() + self.polish)
            return shortened(target, found, chosen)
        names: dict[str, str] = {}
        for key, polynomial, terms in links:
            equation = self.equation(polynomial)
            self.combine(equation, parse_equation(equation, self.signature), _renamed(terms, names))
            names[key] = f"step({len(self.steps)})"
        return _renamed(found, names)

    def equation(self, terms: Mapping[Word, Fraction | int]) -> str:
        """What is zero, as an equation of its leading word, which comes first, with the rest."""
        lead, *rest = (Polynomial.word(word, self.signature).scaled(Fraction(c)) for word, c in terms.items())
        return f"{lead} = {-sum(rest, Polynomial.number(0))}"

    def apply(self, step: Apply) -> None:
        """Use a lemma."""
        if step.lemma not in self.known:
            raise AlgebraError(f"{self.theorem.name} uses {step.lemma}, which is not proved")
        node = self.known[step.lemma]
        lemma = parse_statement(step.lemma, node["statement"])
        written = {
            symbol: str(value) for symbol, value in lemma_values(lemma, self.statement, step.values).items()
        }
        instance = Instance(lemma, self.statement, written)
        for _, needed in instance.unknown(self.proved()):
            self.have(f"{needed} = 0")
        proved = {f"_{i}": conclusion for i, conclusion in enumerate(instance.conclusions, start=1)}
        self.record(
            {"rule": "lemma", "lemma": step.lemma, "hash": content_hash(node), "with": written}, **proved
        )

    def weigh(self, symbol: str, definition: Polynomial) -> None:
        """Make a symbol heavier than its definition, so that the prover replaces it first."""
        heaviest = max(
            (sum(self.weights.get(x, 1) for x in _plain(word)) for word in definition.terms), default=0
        )
        self.weights[symbol] = 1 + heaviest

    def proved(self) -> list[Polynomial]:
        """What the steps so far establish."""
        return [p for key, p in self.facts.items() if key.startswith("step(")]

    def cancel(self, step: Cancel) -> None:
        """Prove that a sum of squares vanishes, then that its first root does."""
        self.have(" + ".join(f"({root})' ({root})" for root in step.squares) + " = 0")
        source, squares = f"step({len(self.steps)})", [["1", root] for root in step.squares]
        for text in step.squares:
            root = parse_expression(text, self.signature)
            written = {
                "rule": "cancellation",
                "from": source,
                "squares": squares,
                "conclusion": f"{text} = 0",
            }
            self.record(written, _=root)

    def witness(self, step: Witness) -> None:
        """Name a matrix claimed to exist."""
        value = parse_expression(step.value, self.signature).typed(*self.signature[step.symbol])
        self.weigh(step.symbol, value)
        equation = Polynomial.letter(step.symbol, self.signature) - value
        self.record({"rule": "witness", "symbol": step.symbol, "value": step.value}, _=equation)


def _renamed(terms: Combination, names: Mapping[str, str]) -> Combination:
    """Terms with other keys for some facts."""
    return tuple(replace(term, fact=names.get(term.fact, term.fact)) for term in terms)


def _plain(word: Word) -> list[str]:
    """The symbols of a word, without primes."""
    return [letter.rstrip("'") for letter in word]
