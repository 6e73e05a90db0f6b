"""Forgeries of scalars and of hypotheses that an induction keeps fixed: neither checker accepts one.

What a certificate proves is in its statements, so here the statements are forged too, and registered as they are: a
statement that says more than its rule allows must be refused for what it is.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from muso_theory.algebra.checker import check_bundle
from muso_theory.algebra.derivation import content_hash, derive
from muso_theory.algebra.search import find_trials
from muso_theory.algebra.statement import parse_statement
from muso_theory.algebra.theorem import Theorem
from tests.proofs.test_tampering import check

Node = dict[str, Any]
Forgery = Callable[[dict[str, Node]], object]


def bundle(nodes: dict[str, Node]) -> dict[str, Any]:
    """The certificate of a claim t, its hashes recomputed so that nothing is refused for a hash alone."""
    for _ in range(3):
        for node in nodes.values():
            for step in node["steps"]:
                if step["rule"] == "lemma":
                    step["hash"] = content_hash(nodes[step["lemma"]])
                if step["rule"] == "induction":
                    for kind in ("base", "step"):
                        named = next(line for line in node["statement"] if line.startswith(kind + " "))
                        step[kind] = content_hash(nodes[named.split()[1]])
    theorems = list(nodes.values())
    return {"format": "muso-theory certificate", "version": 1, "claim": "t", "theorems": theorems}


def accepted(nodes: dict[str, Node]) -> tuple[bool, bool]:
    """By the package, and by the checker of the standard library."""
    certificate = bundle(nodes)
    registered = {node["name"]: node["statement"] for node in nodes.values()}
    try:
        text = "".join(
            f"theorem {name}\n" + "".join(f"  {line}\n" for line in lines)
            for name, lines in registered.items()
        )
        second = bool(check.check(certificate, check.read_statements(text)))
    except check.Rejected:
        second = False
    return check_bundle(certificate, registered).accepted, second


def term(key: str, left: str = "", right: str = "", c: str = "1") -> list[str]:
    """One summand of a combination."""
    return [c, left, key, right]


def combination(conclusion: str, *terms: list[str]) -> Node:
    """A step."""
    return {"rule": "combination", "conclusion": conclusion, "terms": list(terms)}


def theorem(name: str, lines: str, steps: list[Node], model: str, **hypotheses: Any) -> Node:
    """A theorem, its model as ``size n = 1; A = 1 2 / 3 4; ...``."""
    trials = {"model": read(model), "hypotheses": {k: {"needed": read(m)} for k, m in hypotheses.items()}}
    return {"name": name, "statement": stripped(lines), "steps": steps, "trials": trials}


def stripped(lines: str) -> list[str]:
    """The lines of a statement."""
    return [line.strip() for line in lines.strip().splitlines()]


def read(text: str) -> dict[str, Any]:
    """A model."""
    model: dict[str, Any] = {"sizes": {}, "matrices": {}}
    for part in text.split("; "):
        name, _, value = part.partition(" = ")
        if name.startswith("size "):
            model["sizes"][name.removeprefix("size ")] = int(value)
        else:
            model["matrices"][name] = [row.split(" ") for row in value.split(" / ")]
    return model


# ---- scalars


def scalars() -> dict[str, Node]:
    """A number moves from the left of a matrix to its right, and a theorem that uses it."""
    first = theorem(
        "t/moves",
        """
        matrix A : n x D
        scalar a on n, D
        let B = a_n A
        conclude B = A a_D
        """,
        [combination("B = A a_D", term("def(B)"), term("commutes(a,A)"))],
        "size n = 1; size D = 2; A = 1 0; a_n = 3; a_D = 3 0 / 0 3; B = 3 0",
    )
    values = {"A": "C", "a_n": "2 b_p", "a_D": "2 b_q", "B": "2 b_p C"}
    second = theorem(
        "t/used",
        """
        matrix C : p x q
        matrix M : p x p
        scalar b on p, q
        conclude 2 b_p C = 2 C b_q
        """,
        [
            combination("2 b_p C = 2 C b_q", term("commutes(b,C)", c="2")),
            combination("2 b_p' = 2 b_p", term("symmetric(b_p)", c="2")),
            combination("2 b_q' = 2 b_q", term("symmetric(b_q)", c="2")),
            {"rule": "lemma", "lemma": "t/moves", "hash": "", "with": values},
        ],
        "size p = 1; size q = 1; C = 1; M = 1; b_p = 2; b_q = 2",
    )
    return {"t/moves": first, "t/used": second}


def line(at: int, text: str, name: str = "t/moves", *, instead: bool = False) -> Forgery:
    """Put a line into a statement."""

    def change(nodes: dict[str, Node]) -> None:
        lines = nodes[name]["statement"]
        lines[at : at + instead] = [text]

    return change


def model(**matrices: str) -> Forgery:
    """Put matrices into the model."""

    def change(nodes: dict[str, Node]) -> None:
        found = nodes["t/moves"]["trials"]["model"]["matrices"]
        found.update({name: [row.split(" ") for row in text.split(" / ")] for name, text in matrices.items()})

    return change


def value(**texts: str) -> Forgery:
    """Put other expressions in for the symbols of the lemma."""
    return lambda nodes: nodes["t/used"]["steps"][-1]["with"].update(texts)


def fact(key: str) -> Forgery:
    """Argue from another fact."""
    return lambda nodes: nodes["t/moves"]["steps"][0]["terms"][1].__setitem__(2, key)


def all_of(*changes: Forgery) -> Forgery:
    """Several changes together."""

    def change(nodes: dict[str, Node]) -> None:
        for one in changes:
            one(nodes)

    return change


def concluding(text: str, *terms: list[str], name: str = "t/moves") -> Forgery:
    """Conclude something else by these terms."""

    def change(nodes: dict[str, Node]) -> None:
        nodes[name]["statement"][-1] = f"conclude {text}"
        nodes[name]["steps"] = [combination(text, *terms)]

    return change


SCALARS: dict[str, Forgery] = {
    "a diagonal matrix that commutes is no number": model(a_D="3 0 / 0 4"),
    "a triangular matrix that commutes is no number": model(a_D="3 0 / 1 3"),
    "two numbers": model(A="0 0", B="0 0", a_D="5 0 / 0 5"),
    "two numbers on the diagonal of a matrix that is not used": model(A="0 0", B="0 0", a_D="3 0 / 0 2"),
    "an off-diagonal entry that is not used": model(A="0 0", B="0 0", a_D="3 1 / 0 3"),
    "a number without one of its matrices": lambda n: n["t/moves"]["trials"]["model"]["matrices"].pop("a_D"),
    "one size twice": line(1, "scalar a on n, n", instead=True),
    "three sizes": line(1, "scalar a on n, D, c", instead=True),
    "no size": line(1, "scalar a", instead=True),
    "no blank between sizes": line(1, "scalar a on n,D", instead=True),
    "a number as a name": line(1, "scalar 2 on n, D", instead=True),
    "one name for two numbers": line(2, "scalar a on m"),
    "a matrix of that name before": line(1, "matrix a_n : n x n"),
    "a matrix of that name after": line(2, "matrix a_n : n x n"),
    "a definition of that name": line(2, "let a_D : D x D = 2"),
    "after the conclusion": all_of(line(4, "scalar b on n")),
    "after a claimed existence": all_of(line(3, "exists X : n x D"), line(4, "scalar b on n")),
    "as a hypothesis": line(1, "assume number: a on n, D", instead=True),
    "commutes with what comes later": all_of(line(2, "matrix E : n x D"), fact("commutes(a,E)")),
    "commutes with a third size": all_of(line(1, "matrix E : D x c"), fact("commutes(a,E)")),
    "of one size only": line(1, "scalar a on n", instead=True),
    "another number's fact": fact("commutes(b,A)"),
    "a symmetric matrix that is no number": fact("symmetric(A)"),
    "a fact of no matrix": fact("commutes(a)"),
    "the line as a fact": fact("scalar(a)"),
    "the number is one": concluding("a_n = I", term("symmetric(a_n)")),
    "the number is its square": concluding("a_n a_n = a_n", term("symmetric(a_n)", right="a_n")),
    "the number of the other size": concluding("a_n A = a_D A", term("commutes(a,A)")),
    "a lemma on a matrix that does not commute": value(a_n="M", B="M C"),
    "a lemma on two numbers": value(a_D="3 b_q"),
    "a lemma on a bare number": value(a_n="2", a_D="2", B="2 C"),
    "a lemma on a number plus a matrix": value(a_n="2 b_p + M", B="2 b_p C + M C"),
    "a lemma on the transpose of a matrix": value(a_n="M M'", B="M M' C"),
}


def test_scalars_as_they_are_meant() -> None:
    assert accepted(scalars()) == (True, True)


@pytest.mark.parametrize("forgery", SCALARS)
def test_both_checkers_refuse_a_forged_scalar(forgery: str) -> None:
    nodes = scalars()
    SCALARS[forgery](nodes)
    assert accepted(nodes) == (False, False)


# ---- hypotheses that an induction keeps fixed


def induction() -> dict[str, Node]:
    """A vector that a matrix keeps is kept by all its powers."""
    ones = "size D = 1; size c = 1; M = 1; v = 1"
    base = theorem(
        "t/first",
        """
        matrix M : D x D
        matrix v : D x c
        assume kept: M v = v
        let w_s = M v
        conclude w_s = v
        """,
        [combination("w_s = v", term("def(w_s)"), term("assume(kept)"))],
        f"{ones}; w_s = 1",
        kept="size D = 1; size c = 1; M = 2; v = 1; w_s = 2",
    )
    step = theorem(
        "t/step",
        """
        matrix M : D x D
        matrix v : D x c
        assume kept: M v = v
        matrix w : D x c
        assume before: w = v
        let w_next = M w
        conclude w_next = v
        """,
        [
            combination(
                "w_next = v", term("def(w_next)"), term("assume(before)", left="M"), term("assume(kept)")
            )
        ],
        f"{ones}; w = 1; w_next = 1",
        kept="size D = 1; size c = 1; M = 2; v = 1; w = 1; w_next = 2",
        before="size D = 1; size c = 1; M = 1; v = 1; w = 2; w_next = 2",
    )
    lines = """
        induction over the number of steps
        matrix M : D x D
        matrix v : D x c
        assume kept: M v = v
        state w : D x c
        predicate w = v
        base t/first with w = w_s
        step t/step from w = w to w = w_next
        """
    whole = {
        "name": "t/all",
        "statement": stripped(lines),
        "steps": [{"rule": "induction", "base": "", "step": ""}],
    }
    return {"t/first": base, "t/step": step, "t/all": whole}


def also(text: str, at: int, *names: str) -> Forgery:
    """The same line in several statements."""
    return all_of(*(line(at, text, name) for name in names))


def proved(*names: str) -> Forgery:
    """Prove changed statements properly, hypotheses tried, so that only the induction can be at fault."""

    def change(nodes: dict[str, Node]) -> None:
        for name in names:
            lines = nodes[name]["statement"]
            nodes[name] = derive(Theorem(name, tuple(lines)), {})
            nodes[name]["trials"] = find_trials(parse_statement(name, lines))
            assert accepted({name: nodes[name]}) == (True, True)

    return change


INDUCTIONS: dict[str, Forgery] = {
    "another hypothesis under its label in the step": all_of(
        line(2, "assume kept: M = I", "t/step", instead=True), proved("t/step")
    ),
    "the hypothesis in the step for another matrix": all_of(
        line(2, "assume kept: N v = v", "t/step", instead=True),
        line(2, "matrix N : D x D", "t/step"),
        line(6, "let w_next = N w", "t/step", instead=True),
        proved("t/step"),
    ),
    "the hypothesis under another label in the step": all_of(
        line(2, "assume held: M v = v", "t/step", instead=True), proved("t/step")
    ),
    "the hypothesis turned round in the step": all_of(
        line(2, "assume kept: v = M v", "t/step", instead=True), proved("t/step")
    ),
    "the hypothesis in neither": line(3, "assume zero: v = 0", "t/all"),
    "a premise more in the step": all_of(
        line(5, "let w_next = M w + N", "t/step", instead=True),
        line(5, "assume more: N = 0", "t/step"),
        line(5, "matrix N : D x c", "t/step"),
        proved("t/step"),
    ),
    "the premise before it": all_of(
        line(5, "let w_next = M w + N", "t/step", instead=True),
        line(3, "assume more: N = 0", "t/step"),
        line(3, "matrix N : D x c", "t/step"),
        proved("t/step"),
    ),
    "a step without its premise": all_of(
        line(5, "let w_next = M v", "t/step", instead=True),
        lambda n: n["t/step"]["statement"].pop(4),
        proved("t/step"),
    ),
    "the hypothesis speaks of a state": all_of(
        line(3, "assume kept: M w = v", "t/all", instead=True),
        line(2, "assume kept: M w = v", "t/step", instead=True),
    ),
    "the predicate as a hypothesis": line(5, "assume before: w = v", "t/all"),
    "a hypothesis after the predicate": line(6, "assume late: M v = v", "t/all"),
    "two hypotheses of one label": line(4, "assume kept: v = v", "t/all"),
    "a hypothesis that is not assumed": line(3, "without kept: M v = v", "t/all", instead=True),
    "a claimed existence": line(4, "exists X : D x D", "t/all"),
    "a conclusion beside the predicate": line(6, "conclude v = 0", "t/all"),
    "an inverse that the base does not have": all_of(
        also("assume inverse: M invertible", 3, "t/all", "t/step"),
        line(6, "let w_next = M^-1 w", "t/step", instead=True),
        proved("t/step"),
    ),
    "fixed data that are defined in the step": all_of(
        line(1, "let v = u", "t/step", instead=True), line(1, "matrix u : D x c", "t/step"), proved("t/step")
    ),
    "fixed data that the step does not have": line(2, "matrix X : D x D", "t/all"),
    "a fixed definition that the base does not have": all_of(
        also("let N = M M", 3, "t/all", "t/step"), proved("t/step")
    ),
    "a fixed number that the step does not have": all_of(
        also("scalar a on D", 3, "t/all", "t/first"), proved("t/first")
    ),
    "a fixed number of another size in the base": all_of(
        also("scalar a on D", 3, "t/all", "t/step"),
        line(3, "scalar a on c", "t/first"),
        proved("t/first", "t/step"),
    ),
    "a state that is a number": all_of(
        line(4, "scalar w on D", "t/all"), line(5, "state w_D : D x D", "t/all", instead=True)
    ),
    "a part that is a number": all_of(
        line(4, "state a : D x D", "t/all"),
        line(3, "scalar b on D", "t/step"),
        line(7, "base t/first with w = w_s, a = M", "t/all", instead=True),
        line(8, "step t/step from w = w, a = b_D to w = w_next, a = b_D", "t/all", instead=True),
        proved("t/step"),
    ),
    "a part that is defined": line(7, "step t/step from w = w_next to w = w_next", "t/all", instead=True),
    "trials of the induction": lambda n: n["t/all"].update(trials=n["t/first"]["trials"]),
    "two bases": line(7, "base t/step with w = w_next", "t/all"),
    "two steps": line(8, "step t/first from w = v to w = w_s", "t/all"),
    "an induction as the base": line(6, "base t/all with w = w", "t/all", instead=True),
    "the base does not conclude the predicate": line(6, "base t/first with w = v + v", "t/all", instead=True),
    "the step builds what it was given": line(7, "step t/step from w = w to w = w", "t/all", instead=True),
    "the hypothesis of the step untried": lambda n: n["t/step"]["trials"]["hypotheses"].pop("kept"),
    "the hypothesis of the step tried by a model of it": lambda n: n["t/step"]["trials"]["hypotheses"].update(
        kept={"needed": n["t/step"]["trials"]["model"]}
    ),
    "a hypothesis between bare numbers": also("assume bare: 0 = 0", 3, "t/all", "t/step"),
    "a blank more in the hypothesis": line(3, "assume kept:  M v = v", "t/all", instead=True),
}


def test_an_induction_may_keep_a_hypothesis_fixed() -> None:
    assert accepted(induction()) == (True, True)


def test_the_base_may_do_without_it() -> None:
    nodes = induction()
    nodes["t/first"] = theorem(
        "t/first",
        """
        matrix M : D x D
        matrix v : D x c
        let w_s = v
        conclude w_s = v
        """,
        [combination("w_s = v", term("def(w_s)"))],
        "size D = 1; size c = 1; M = 1; v = 1; w_s = 1",
    )
    assert accepted(nodes) == (True, True)


@pytest.mark.parametrize("forgery", INDUCTIONS)
def test_both_checkers_refuse_a_forged_hypothesis_of_an_induction(forgery: str) -> None:
    nodes = induction()
    INDUCTIONS[forgery](nodes)
    assert accepted(nodes) == (False, False)
