"""Mutants: small wrong versions of a file, made by the operators of cosmic-ray and drawn by seed.

Which operators count is configured in pyproject.toml. Nothing is mutated in annotations, which never run, and what
Python cannot read, or reads as the same program, is no mutant.
"""

from __future__ import annotations

import ast
import hashlib
import importlib
import re
import tomllib
import warnings
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache
from typing import Any

from muso_theory.errors import expected

from . import ROOT

__all__ = ["Mutant", "config", "cosmic_ray", "draw", "mutants_of"]


def cosmic_ray(module: str) -> Any:
    """A module of cosmic-ray, which is asked for where mutants are made: results are read and concluded without it."""
    try:
        return importlib.import_module(f"cosmic_ray.{module}")
    except ImportError as error:
        what, hint = "cosmic-ray, which plants mutants,", "pip install '.[test]'"
        raise expected(what, "cosmic_ray", "no module", str(error), hint) from None


@dataclass(frozen=True)
class Mutant:
    """One change of a file: `occurrence` is its number among the places where the operator applies."""

    file: str
    function: str
    operator: str
    line: int
    column: int
    was: str
    occurrence: int

    @property
    def room(self) -> str:
        """The room of the package that it is in; the package itself for a file that is in none."""
        return self.file.split("/")[-2 if self.file.count("/") == 1 else 1]

    @property
    def becomes(self) -> str | None:
        """The changed line; None where the program is no other, or no program."""
        source = (ROOT / self.file).read_text(encoding="utf-8")
        operator = cosmic_ray("plugins").get_operator(self.operator)()
        mutated = cosmic_ray("mutating").mutate_code(source, operator, self.occurrence)
        if _program(mutated) in (None, _program(source)):
            return None
        lines = zip(source.splitlines(), mutated.splitlines(), strict=False)
        return next(after.strip() for before, after in lines if after != before)

    def rank(self, seed: int) -> str:
        """Its place in a draw, by a hash of what an edit elsewhere leaves as it is."""
        content = (seed, self.file, self.function, self.operator, self.was, self.column)
        return hashlib.sha256(repr(content).encode()).hexdigest()


@cache
def _program(source: str) -> str | None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        try:
            compile(source, "mutant", "exec")
        except (SyntaxError, SyntaxWarning):
            return None
    return ast.dump(ast.parse(source))


@cache
def config() -> Any:
    """The configuration of cosmic-ray, from pyproject.toml."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    return cosmic_ray("config").ConfigDict(project["tool"]["cosmic-ray"])


@cache
def _operators() -> dict[str, Any]:
    plugins = cosmic_ray("plugins")
    excluded = re.compile("|".join(config().sub("filters", "operators-filter")["exclude-operators"]))
    names = (name for name in plugins.operator_names() if not excluded.match(name))
    return {name: plugins.get_operator(name)() for name in names}


def _annotates(node: Any) -> bool:
    """Whether a node is in the annotation of a parameter, a variable or what a function returns."""
    while (above := node.parent) is not None:
        if (
            above.type in ("tfpdef", "annassign")
            and above.children[-1 if above.type == "tfpdef" else 1] is node
        ):
            return True
        if above.type == "funcdef" and above.annotation is node:
            return True
        node = above
    return False


def mutants_of(file: str) -> list[Mutant]:
    """All changes of one file, in the order of the operators; of some the program is no other."""
    return _mutants(file, (ROOT / file).read_text(encoding="utf-8"))


@cache
def _mutants(file: str, source: str) -> list[Mutant]:
    trees, query = cosmic_ray("ast"), cosmic_ray("ast.ast_query").ASTQuery
    found, lines, nodes = [], source.splitlines(), list(trees.ast_nodes(trees.get_ast(source)))
    for name, operator in _operators().items():
        places = ((node, start) for node in nodes for start, _ in operator.mutation_positions(node))
        for occurrence, (node, (line, column)) in enumerate(places):
            if not _annotates(node):
                function, was = query(node).get_definition_name() or "", lines[line - 1].strip()
                found.append(Mutant(file, function, name, line, column, was, occurrence))
    return found


def draw(files: Iterable[str], size: int, seed: int) -> list[Mutant]:
    """Draw mutants by seed, at most one at a place, so that each room has its share."""
    drawn: dict[tuple[str, int, int], Mutant] = {}
    for mutant in sorted((m for file in files for m in mutants_of(file)), key=lambda m: m.rank(seed)):
        place = (mutant.file, mutant.line, mutant.column)
        if len(drawn) < size and place not in drawn and mutant.becomes is not None:
            drawn[place] = mutant
    return list(drawn.values())
