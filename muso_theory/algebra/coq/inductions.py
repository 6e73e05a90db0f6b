"""Inductions for Coq: an inductive predicate, whose constructors are the base and the step, and its theorem."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from ..induction import Induction
from ..polynomial import AlgebraError
from ..statement import Statement
from .lines import Entry, conclusion_text, entries, given_text, identifier, pattern
from .syntax import Names, read_expression

__all__ = ["induction_text"]


def induction_text(induction: Induction, base: Statement, step: Statement) -> str:
    """The predicate, the theorem and its proof from those of base and step.

    Raises:
        AlgebraError: if what stays fixed is called differently in base or step.
    """
    return "\n".join(_Export(induction, base, step).written())


class _Export:
    """An induction with the names that everything has in Coq."""

    def __init__(self, induction: Induction, base: Statement, step: Statement) -> None:
        self.induction, self.ambient = induction, induction.ambient
        self.names = Names(self.ambient.signature)
        self.name = identifier(induction.name)
        self.states = induction.states
        self.fixed = [entry for entry in entries(self.ambient) if not set(entry.symbols) & set(self.states)]
        symbols = [s for entry in self.fixed for s in entry.symbols]
        kept = {size for s in symbols for size in self.ambient.signature[s]}
        objects = self.names.objects
        self.sizes = [objects[size] for size in objects if size in kept]
        self.moving = [size for size in objects if size not in kept]
        self.data = [self.names.symbols[s] for s in symbols]
        self.family = " ".join([f"@{self.name}_built R", *self.sizes, *self.data])
        self.base = _Host(self, base, (induction.base_values,))
        self.step = _Host(self, step, (*induction.parts, induction.built))

    def binders(self) -> str:
        """The states with their types."""
        return " ".join(
            f"({self.names.symbols[s]} : {self.names.kind(*self.ambient.signature[s])})" for s in self.states
        )

    def written(self) -> list[str]:
        """All lines."""
        names, signature = self.names, self.ambient.signature
        moving = [names.objects[size] for size in self.moving]
        sizes = f" ({' '.join(self.sizes)} : nat)" if self.sizes else ""
        data = "".join(
            f"\n    ({names.symbols[s]} : {names.kind(*signature[s])})" for e in self.fixed for s in e.symbols
        )
        lengths = f" ({' '.join(moving)} : nat)" if moving else ""
        at = " ".join([self.family, *moving, *(names.symbols[s] for s in self.states)])
        opened = " ".join(["R", *self.sizes, *self.bound(self.fixed)])
        predicate = conclusion_text(self.ambient, names)
        return [
            f"Inductive {self.name}_built (R : realFieldType){sizes}{data} :",
            f"  forall{lengths} {self.binders()}, Prop :=",
            *self.base.constructor("base"),
            *self.step.constructor("step"),
            ".",
            "",
            f"Theorem {self.name} : forall (R : realFieldType){sizes},",
            *given_text(self.fixed, names, signature),
            f"  forall{lengths} {self.binders()}, {at} ->",
            f"  {predicate}.",
            "Proof.",
            f"move=> {opened}.",
            f"refine (@{self.name}_built_ind R {' '.join([*self.sizes, *self.data])}",
            f"  (fun{lengths} {self.binders()} => {predicate})",
            "  _ _).",
            f"- {self.base.proof()}",
            f"- {self.step.proof()}",
            "Qed.",
        ]

    def bound(self, given: Iterable[Entry]) -> list[str]:
        """Names for what lines introduce."""
        return [
            word for e in given for word in (*(self.names.symbols[s] for s in e.symbols), e.proof) if word
        ]


class _Host:
    """Base or step: a theorem, and what the states are there.

    Args:
        objects: for every object that is built there, the parts first, state to expression.
    """

    def __init__(self, export: _Export, statement: Statement, objects: Iterable[Mapping[str, str]]) -> None:
        self.export, self.statement = export, statement
        self.names = Names(statement.signature)
        self.objects = list(objects)
        self.given = entries(statement)
        fixed = {entry.line for entry in export.fixed}
        # A step assumes what its parts are known to satisfy; a base has hypotheses of its own.
        self.premises = (
            [e for e in self.given if e.line.startswith("assume ") and e.line not in fixed]
            if len(self.objects) > 1
            else []
        )
        self.own = [e for e in self.given if e.line not in fixed and e not in self.premises]
        for entry in export.fixed:
            for s in entry.symbols:
                kinds = (
                    self.names.kind(*statement.signature[s]),
                    export.names.kind(*export.ambient.signature[s]),
                )
                if len({*kinds}) > 1 or self.names.symbols[s] != export.names.symbols[s]:
                    raise AlgebraError(f"{s} has two names in Coq in {export.induction.name}")

    def sizes(self) -> list[str]:
        """Sizes that do not stay fixed."""
        return [size for size in self.names.objects.values() if size not in self.export.sizes]

    def at(self, values: Mapping[str, str]) -> str:
        """That an object with these states is built."""
        signature = self.export.ambient.signature
        trees = {s: read_expression(values[s], self.statement.signature) for s in self.export.states}
        local: dict[str, str] = {}
        for s, tree in trees.items():
            local |= dict(zip(signature[s], (tree.rows, tree.cols), strict=True))
        sizes = [self.names.objects[local[size]] for size in self.export.moving]
        return " ".join(
            [self.export.family, *sizes, *(f"({self.names.text(tree)})" for tree in trees.values())]
        )

    def constructor(self, kind: str) -> list[str]:
        """The constructor."""
        sizes = f" ({' '.join(self.sizes())} : nat)," if self.sizes() else ""
        *parts, built = self.objects
        return [
            f"  | {self.export.name}_{kind} :" + (f" forall{sizes}" if sizes else ""),
            *(f"  {line}" for line in given_text(self.own, self.names, self.statement.signature)),
            *(f"    {self.at(part)} ->" for part in parts),
            f"    {self.at(built)}",
        ]

    def proof(self) -> str:
        """The theorem does what is asked."""
        count = len(self.export.ambient.conclusions)
        parts = [[f"part_{i}_{j}" for j in range(1, count + 1)] for i in range(1, len(self.objects))]
        known = iter([proof for part in parts for proof in part])
        bound = [
            word for e in self.own for word in (*(self.names.symbols[s] for s in e.symbols), e.proof) if word
        ]
        opened = [*self.sizes(), *bound, *(word for part in parts for word in ("_", pattern(part)))]
        arguments = ["R", *self.names.objects.values()]
        for entry in self.given:
            arguments += [self.names.symbols[s] for s in entry.symbols]
            if entry.head:
                arguments.append(next(known) if entry in self.premises else entry.proof)
        theorem = f"exact (@{identifier(self.statement.name)} {' '.join(arguments)})."
        return f"move=> {' '.join(opened)}; {theorem}" if opened else theorem
