"""Mutants: small wrong versions of a source file, drawn by seed.

They come from the mutation operators of cosmic-ray, used as a library: its own runner rewrites the checkout in
place and starts the test suite anew for each mutant, mutmut's wants to import everything once and cannot mutate what
runs at import, and both are much slower than `mutation_server`.

Of cosmic-ray's operators those are left out that tests kill without effort or that change nothing: an arithmetic or
order operator is replaced by the likely slip (+ by −, < by ≤), not by each of the eleven others; `is` is not
exchanged with `==`, which is the same for enums and None; `@final` and `@abstractmethod`, which speak to readers and
type checkers, are not removed. Nothing is mutated in annotations,
which never run, in messages (f-strings), nor in docstrings.
"""

from __future__ import annotations

import ast
import collections
import difflib
import hashlib
import keyword
import re
import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache, cached_property
from itertools import pairwise
from pathlib import Path
from typing import Any

__all__ = ["ROOMS", "Mutant", "draw", "mutants_of"]

ROOMS = ("linear", "numbers", "algebra", "claims")

_SLIPS = {
    "ReplaceBinaryOperator": (
        "Add_Sub Sub_Add Mul_Div Mul_Add Div_Mul FloorDiv_Div FloorDiv_Mul Mod_FloorDiv Pow_Mul RShift_LShift "
        "LShift_RShift BitOr_BitAnd BitAnd_BitOr BitXor_BitAnd"
    ),
    "ReplaceComparisonOperator": (
        "Eq_NotEq Eq_LtE Eq_GtE NotEq_Eq NotEq_Lt NotEq_Gt Lt_LtE Lt_GtE LtE_Lt LtE_Gt Gt_GtE Gt_LtE GtE_Gt GtE_Lt "
        "Is_IsNot IsNot_Is"
    ),
    "ReplaceUnaryOperator": "Delete_USub Delete_Not Delete_Invert",
}
_OPERATORS = (
    *(f"core/{kind}_{change}" for kind, changes in _SLIPS.items() for change in changes.split()),
    "core/AddNot",
    "core/ReplaceTrueWithFalse",
    "core/ReplaceFalseWithTrue",
    "core/ReplaceAndWithOr",
    "core/ReplaceOrWithAnd",
    "core/ReplaceBreakWithContinue",
    "core/ReplaceContinueWithBreak",
    "core/ExceptionReplacer",
    "core/NumberReplacer",
    "core/RemoveDecorator",
    "core/ZeroIterationForLoop",
)
_NEVER_MUTATED = ("name", "string", "newline", "endmarker", "import_name", "import_from", "fstring_string")
_DECLARATIONS = ("final", "abstractmethod")


@dataclass(frozen=True)
class Mutant:
    """One wrong version of a file.

    Args:
        file: path from the root, such as "muso_theory/linear/rules.py".
        operator: cosmic-ray's name of the change.
        occurrence: which of the places where that operator applies.
        line: line of the change, from 1.
        column: from 0.
        source: the whole mutated file.
        original: the whole file as it is.
    """

    file: str
    operator: str
    occurrence: int
    line: int
    column: int
    source: str
    original: str

    @property
    def room(self) -> str:
        """The room of the package that it is in."""
        return self.file.split("/")[1]

    @cached_property
    def key(self) -> str:
        """Content hash of the change and of the definition around it: another one as soon as that code changes."""
        first, last = _outline(self.original).definition(self.line)
        around = "\n".join(self.original.splitlines()[first - 1 : last])
        content = [self.file, around, str(self.line - first), str(self.column), self.operator, self.diff]
        return hashlib.sha256("\0".join(content).encode()).hexdigest()[:16]

    @cached_property
    def diff(self) -> str:
        """Lines removed and lines added, without their numbers."""
        lines = difflib.unified_diff(self.original.splitlines(), self.source.splitlines(), lineterm="", n=0)
        return "\n".join(line for line in lines if not line.startswith(("---", "+++", "@@")))

    @property
    def names(self) -> tuple[str, ...]:
        """The words of the changed line that may be names."""
        line = self.original.splitlines()[self.line - 1].partition("  # ")[0]
        return tuple(w for w in re.findall(r"[^\W\d]\w*", line) if not keyword.iskeyword(w))

    @property
    def lines(self) -> tuple[int, int]:
        """First and last line of the statement changed (of a compound one: its header)."""
        return _outline(self.original).statement(self.line)

    @property
    def runs_at_import(self) -> bool:
        """Whether the change is executed when the module is imported, not when a function is called."""
        return _outline(self.original).at_import(self.line, self.column)


class _Outline:
    """Where the statements and functions of a file are."""

    def __init__(self, source: str) -> None:
        tree = ast.parse(source)
        self._functions: list[tuple[int, int, int]] = []
        self._definitions: list[tuple[int, int]] = []
        self._statements: list[tuple[int, int]] = []
        for node in ast.walk(tree):
            if not isinstance(node, ast.stmt):
                continue
            first, last = node.lineno, node.end_lineno or node.lineno
            body = getattr(node, "body", None) or getattr(node, "cases", None)
            header = max(first, body[0].lineno - 1) if body and hasattr(body[0], "lineno") else last
            if isinstance(node, ast.FunctionDef | ast.ClassDef):
                first = min([first, *(d.lineno for d in node.decorator_list)])
                self._definitions.append((first, last))
            if isinstance(node, ast.FunctionDef):
                self._functions.append((node.body[0].lineno, node.body[0].col_offset, last))
            self._statements.append((first, header if body else last))

    def definition(self, line: int) -> tuple[int, int]:
        """The innermost function or class around a line, or that line alone."""
        around = [(a, b) for a, b in self._definitions if a <= line <= b]
        return min(around, key=lambda d: d[1] - d[0], default=(line, line))

    def statement(self, line: int) -> tuple[int, int]:
        around = [(a, b) for a, b in self._statements if a <= line <= b]
        return min(around, key=lambda s: s[1] - s[0], default=(line, line))

    def at_import(self, line: int, column: int) -> bool:
        return not any((a, c) <= (line, column) and line <= b for a, c, b in self._functions)


@cache
def _outline(source: str) -> _Outline:
    return _Outline(source)


class _Behaviour(ast.NodeTransformer):
    """What is left of a program without annotations, messages and declarations."""

    def visit_AnnAssign(self, node: ast.AnnAssign) -> ast.AST:
        self.generic_visit(node)
        node.annotation = ast.Constant(None)
        return node

    def visit_arg(self, node: ast.arg) -> ast.AST:
        node.annotation = None
        return node

    def visit_FunctionDef(self, node: ast.FunctionDef) -> ast.AST:
        self.generic_visit(node)
        node.returns = None
        node.decorator_list = [d for d in node.decorator_list if ast.unparse(d) not in _DECLARATIONS]
        return node

    def visit_ClassDef(self, node: ast.ClassDef) -> ast.AST:
        self.generic_visit(node)
        node.decorator_list = [d for d in node.decorator_list if ast.unparse(d) not in _DECLARATIONS]
        return node

    def visit_JoinedStr(self, node: ast.JoinedStr) -> ast.AST:
        return ast.Constant("")

    def visit_Subscript(self, node: ast.Subscript) -> ast.AST:
        # The part of a message that is shown is worded as the message is.
        return self.generic_visit(node) if not isinstance(node.value, ast.JoinedStr) else ast.Constant("")


def _behaviour(source: str) -> str | None:
    """The program without what does not matter, or None if it is none."""
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        try:
            tree = ast.parse(source)
            compile(source, "mutant", "exec")
        except (SyntaxError, SyntaxWarning):
            return None
    return ast.dump(_Behaviour().visit(tree))


@cache
def _operators() -> dict[str, Any]:
    from cosmic_ray.plugins import get_operator

    return {name: get_operator(name)() for name in _OPERATORS}


@cache
def _places(source: str) -> tuple[tuple[str, int, int, int], ...]:
    """Operator, occurrence, line and column of everything that cosmic-ray would change."""
    from cosmic_ray.ast import ast_nodes, get_ast

    nodes = [node for node in ast_nodes(get_ast(source)) if node.type not in _NEVER_MUTATED]
    found = []
    for name, operator in _operators().items():
        positions = (start for node in nodes for start, _ in operator.mutation_positions(node))
        found.extend((name, count, line, column) for count, (line, column) in enumerate(positions))
    return tuple(found)


def mutants_of(root: Path, file: str, only: set[tuple[int, int]] | None = None) -> Iterator[Mutant]:
    """All mutants of one file, in the order of its operators.

    Args:
        root: the repository.
        file: path from the root.
        only: lines and columns to mutate, or None for all.

    Yields:
        Mutants whose program differs.
    """
    from cosmic_ray.mutating import mutate_code

    original = (root / file).read_text(encoding="utf-8")
    usual = _behaviour(original)
    for name, occurrence, line, column in _places(original):
        if only is not None and (line, column) not in only:
            continue
        source = mutate_code(original, _operators()[name], occurrence)
        changed = None if source is None else _behaviour(source)
        if source is not None and changed is not None and changed != usual:
            yield Mutant(file, name.removeprefix("core/"), occurrence, line, column, source, original)


def _number(*parts: object) -> int:
    return int.from_bytes(hashlib.sha256("\0".join(map(str, parts)).encode()).digest()[:8], "big")


def draw(root: Path, size: int, seed: int, rooms: tuple[str, ...] = ROOMS) -> list[Mutant]:
    """Draw mutants, as many from each room as its share of places, at most one at a place.

    The order of places is by a hash of the seed, the file and the line's text, so that an edit elsewhere leaves most
    of a sample as it was.

    Args:
        root: the repository.
        size: how many; all places, once each, when there are fewer.
        seed: of the draw.
        rooms: rooms of the package.

    Returns:
        Mutants, by file and line.
    """
    places: dict[str, list[tuple[int, str, int, int]]] = {room: [] for room in rooms}
    for room in rooms:
        for path in sorted((root / "muso_theory" / room).rglob("*.py")):
            file, text = path.relative_to(root).as_posix(), path.read_text(encoding="utf-8")
            lines, seen = text.splitlines(), collections.Counter[tuple[str, int]]()
            for line, column in sorted({(place[2], place[3]) for place in _places(text)}):
                here = (lines[line - 1], column)
                seen[here] += 1
                places[room].append((_number(seed, file, *here, seen[here]), file, line, column))
    total = sum(map(len, places.values()))
    ends = [0]
    for room in rooms:
        ends.append(ends[-1] + len(places[room]))
    shares = [round(b * size / max(total, 1)) - round(a * size / max(total, 1)) for a, b in pairwise(ends)]
    drawn: list[Mutant] = []
    for room, share in zip(rooms, shares, strict=True):
        taken = 0
        for number, file, line, column in sorted(places[room]):
            if taken == share:
                break
            found = sorted(mutants_of(root, file, {(line, column)}), key=lambda m: m.key)
            if found:  # none where only an annotation or a message would change
                drawn.append(found[number % len(found)])
                taken += 1
    return sorted(drawn, key=lambda m: (m.file, m.line, m.column))
