"""The proof of one theorem as a script for Coq: every step of its certificate by the rule of the same name."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from fractions import Fraction
from typing import Any

from ..polynomial import AlgebraError, Polynomial
from ..statement import Statement
from .lines import Entry, conclusion_text, conclusions, entries, given_text, identifier, pattern
from .syntax import Equation, Names, Tree, fraction, read_equation, read_expression, symbol_tree

__all__ = ["combination_text", "conjunction", "theorem_text"]

_INDENT = ";\n        "

Summand = tuple[Fraction, str, str, str]
"""Coefficient, left word, key of a fact (a final ' transposes it), right word."""


def theorem_text(
    statement: Statement, checked: Mapping[str, Statement], steps: Sequence[Mapping[str, Any]]
) -> str:
    """Statement and proof of a theorem for Coq.

    Args:
        statement: the theorem.
        checked: statements of the theorems that it may use.
        steps: those of its certificate.

    Raises:
        AlgebraError: if a step is of a kind that has no counterpart in Coq yet.
    """
    return _Script(statement, checked).written(steps)


class _Script:
    """Follows a certificate and writes down what Coq has to do."""

    def __init__(self, statement: Statement, checked: Mapping[str, Statement]) -> None:
        self.statement, self.checked = statement, checked
        self.given = entries(statement)
        self.names = Names(statement.signature)
        self.facts: dict[str, Equation] = {}
        self.proofs: dict[str, str] = {}
        for entry in self.given:
            self.facts |= entry.facts or {}
            self.proofs |= entry.proofs(self.names)
        self.witnesses: dict[str, Tree] = {}
        self.lines: list[str] = []
        self.extra = 0

    def written(self, steps: Sequence[Mapping[str, Any]]) -> str:
        """Statement and proof."""
        names, s = self.names, self.statement
        rules = {
            "combination": self.combination, "lemma": self.lemma, "cancellation": self.cancellation,
            "witness": self.witness,
        }  # fmt: skip
        for number, step in enumerate(steps, start=1):
            if step["rule"] not in rules:
                raise AlgebraError(f"{s.name} uses the rule {step['rule']!r}, which is not exported to Coq")
            rules[step["rule"]](f"step({number})", step)
        sizes = " ".join(names.objects.values())
        stated = [
            f"Theorem {identifier(s.name)} : forall (R : realFieldType) ({sizes} : nat),",
            *given_text(self.given, names, s.signature),
            f"  {conclusion_text(s, names)}.",
        ]
        bound = [
            word for e in self.given for word in (*(names.symbols[x] for x in e.symbols), e.proof) if word
        ]
        opened = [f"move=> R {sizes}.", f"move=> {' '.join(bound)}."]
        for x, value in self.witnesses.items():
            kind = names.kind(*s.signature[x])
            opened.append(
                f"have [{names.symbols[x]} wit_{x}] : exists X : {kind}, X = {names.text(value)} by eexists."
            )
        letters = [
            f"@Sized R ds {names.place[rows]} {names.place[cols]} {names.symbols[x]}"
            for x, (rows, cols) in s.signature.items()
        ]
        opened += [
            f"pose ds := [:: {'; '.join(names.objects.values())}].",
            f"pose env := [:: {_INDENT.join(letters)}].",
        ]
        ending = conjunction([self.proofs[self.known(goal)] for goal in s.conclusions])
        for x in reversed(s.exists):
            ending = f"(ex_intro _ {names.symbols[x]} {ending})"
        return "\n".join([*stated, "Proof.", *opened, *self.lines, f"exact {ending}.", "Qed."])

    def known(self, polynomial: Polynomial) -> str:
        """The key of the step that proves this."""
        for key, equation in self.facts.items():
            if key.startswith("step(") and equation.polynomial() == polynomial:
                return key
        raise AlgebraError(f"{self.statement.name} does not reach its conclusion {polynomial} = 0")

    def establish(self, key: str, equation: Equation, proof: str) -> None:
        """Record a fact."""
        self.facts[key], self.proofs[key] = equation, proof

    # ---- the rules

    def combination(self, key: str, step: Mapping[str, Any]) -> None:
        """What is zero is a sum of terms that are."""
        equation = read_equation(step["conclusion"], self.statement.signature)
        terms = [(Fraction(c), left, fact, right) for c, left, fact, right in step["terms"]]
        self.add_up(key, _step_name(key), equation, terms)

    def add_up(self, key: str, name: str, equation: Equation, terms: Sequence[Summand]) -> None:
        """Write a combination down and record what it proves."""
        used = list(dict.fromkeys(fact.removesuffix("'") for _, _, fact, _ in terms))
        words = [
            (c, left, used.index(fact.removesuffix("'")), fact.endswith("'"), right)
            for c, left, fact, right in terms
        ]
        facts, proofs = [self.facts[fact] for fact in used], [self.proofs[fact] for fact in used]
        proof = combination_text(self.names, facts, words, equation, proofs)
        self.lines.append(f"have {name} : {self.names.equation(equation)}.\n  exact {proof}.")
        self.establish(key, equation, name)

    def cancellation(self, key: str, step: Mapping[str, Any]) -> None:
        """A positive sum of squares that is zero has no root that is not."""
        names, signature = self.names, self.statement.signature
        equation = read_equation(step["conclusion"], signature)
        roots = [(Fraction(weight), read_expression(text, signature)) for weight, text in step["squares"]]
        place = next(i for i, (_, root) in enumerate(roots) if root.polynomial() == equation.polynomial())
        squares = "; ".join(
            f"Square {fraction(weight)} {names.place[root.rows]} {names.code(root)}" for weight, root in roots
        )
        source = step["from"]
        name = _step_name(key)
        self.lines.append(
            f"have {name} : {names.equation(equation)}.\n"
            f"  exact (@cancellation R ds env {names.equation_code(self.facts[source])} [:: {squares}] {place}\n"
            f"    {names.equation_code(equation)} {self.proofs[source]} ltac:(by_computation))."
        )
        self.establish(key, equation, name)

    def witness(self, key: str, step: Mapping[str, Any]) -> None:
        """A matrix that is claimed to exist is written down before anything else."""
        x, signature = step["symbol"], self.statement.signature
        value = read_expression(step["value"], signature, signature[x])
        self.witnesses[x] = value
        self.establish(key, Equation(symbol_tree(x, signature), value), f"wit_{x}")

    def lemma(self, key: str, step: Mapping[str, Any]) -> None:
        """A proved theorem, other matrices put in for its symbols."""
        lemma = self.checked[step["lemma"]]
        signature = self.statement.signature
        values: dict[str, Tree] = {}
        objects: dict[str, str] = {}
        for symbol, (rows, cols) in lemma.signature.items():
            values[symbol] = value = read_expression(step["with"][symbol], signature)
            objects |= {rows: value.rows, cols: value.cols}
        given = entries(lemma)
        arguments = ["R", *(self.names.objects[objects[o]] for o in Names(lemma.signature).objects)]
        for entry in given:
            arguments += [f"({self.names.text(values[symbol])})" for symbol in entry.symbols]
            if entry.head:
                arguments.append(self.premise(entry, values, objects))
        stem = _step_name(key)
        proved = [equation.replaced(values, objects) for equation in conclusions(lemma)]
        proofs = [f"{stem}_{i}" for i in range(1, len(proved) + 1)]
        self.lines.append(f"have {pattern(proofs)} := @{identifier(lemma.name)} {' '.join(arguments)}.")
        for i, (equation, proof) in enumerate(zip(proved, proofs, strict=True), start=1):
            self.establish(f"{key}.{i}", equation, proof)

    # ---- the assumptions of a lemma

    def premise(self, entry: Entry, values: Mapping[str, Tree], objects: Mapping[str, str]) -> str:
        """The proof of an assumption of a lemma: a hypothesis as it stands, or put together from what is known."""
        of = tuple(values[symbol].symbol for symbol in entry.of)
        for own in self.given:
            if own.head == entry.head != "=" and own.of == of and all(of):
                return own.proof
        return entry.assembled(
            [self.fact(equation.replaced(values, objects)) for equation in (entry.facts or {}).values()]
        )

    def fact(self, wanted: Equation) -> str:
        """The proof of an equation that is known up to sign, transposition and definitions."""
        texts = self.names.equation(wanted)
        for key, equation in self.facts.items():
            if self.names.equation(equation) == texts:
                return self.proofs[key]
        goal = wanted.polynomial()
        target, terms = self.unfolded(goal)
        if target.terms:
            terms = terms + self.match(target)
        self.extra += 1
        self.add_up(f"fact({self.extra})", f"fact_{self.extra}", wanted, terms)
        return f"fact_{self.extra}"

    def match(self, target: Polynomial) -> list[Summand]:
        """An unfolded polynomial as a known fact and the definitions by which that is unfolded."""
        for key, equation in self.facts.items():
            for mark, p in (("", equation.polynomial()), ("'", equation.polynomial().transpose())):
                unfolded, steps = self.unfolded(p)
                for sign in (1, -1):
                    if unfolded.scaled(Fraction(sign)) == target:
                        # target = sign·unfolded(p) = sign·(p - Σ steps)
                        return [
                            (Fraction(sign), "", key + mark, ""),
                            *((-sign * c, left, fact, right) for c, left, fact, right in steps),
                        ]
        raise AlgebraError(f"{self.statement.name} lacks an assumption of a lemma: {target} = 0")

    def unfolded(self, polynomial: Polynomial) -> tuple[Polynomial, list[Summand]]:
        """A polynomial without defined symbols, and the terms by which it differs from the one given."""
        signature, definitions = self.statement.signature, self.statement.definitions
        terms: list[Summand] = []
        for symbol in reversed(list(definitions)):
            while found := next(
                ((w, c) for w, c in polynomial.terms.items() if symbol in w or f"{symbol}'" in w), None
            ):
                word, c = found
                at = next(i for i, letter in enumerate(word) if letter.removesuffix("'") == symbol)
                mark = word[at].removeprefix(symbol)
                left, right = word[:at], word[at + 1 :]
                # c·u·x·v = c·u·(x - e)·v + c·u·e·v
                terms.append((c, " ".join(left), f"def({symbol}){mark}", " ".join(right)))
                gone = Polynomial.letter(symbol, signature) - definitions[symbol]
                gone = gone.transpose() if mark else gone
                rows, cols = polynomial.rows, polynomial.cols
                whole = Polynomial.word(left, signature) * gone * Polynomial.word(right, signature)
                polynomial = polynomial - whole.scaled(c)
                assert (rows, cols) == (polynomial.rows, polynomial.cols)
        return polynomial, terms


def combination_text(
    names: Names, facts: Sequence[Equation], words: Sequence[tuple[Fraction, str, int, bool, str]],
    goal: Equation, proofs: Sequence[str],
) -> str:  # fmt: skip
    """The proof of an equation as a sum of terms c·a·g·b, g a fact by its place, perhaps transposed."""
    terms = [
        f"Term {fraction(c)} {names.word(left)} {place} {str(turned).lower()} {names.word(right)}"
        for c, left, place, turned, right in words
    ]
    return (
        f"(@combination R ds env [:: {_INDENT.join(names.equation_code(fact) for fact in facts)}]\n"
        f"    [:: {_INDENT.join(terms)}]\n"
        f"    {names.equation_code(goal)}\n    {conjunction([*proofs, 'I'])} ltac:(by_computation))"
    )


def conjunction(proofs: Sequence[str]) -> str:
    """Proofs of several things as one of all."""
    *first, text = proofs
    for proof in reversed(first):
        text = f"(conj {proof} {text})"
    return text


def _step_name(key: str) -> str:
    """What a step is called in a script."""
    return key.replace("step(", "step_").replace(")", "")
