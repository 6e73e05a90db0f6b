"""The search for models satisfies hypotheses by solving for them, at every partition, and reads models strictly."""

from __future__ import annotations

import itertools
import random
from fractions import Fraction
from typing import Any

import pytest

from muso_theory.algebra.polynomial import AlgebraError, Polynomial
from muso_theory.algebra.prover import NotFoundError, Term, find_chain, find_combination
from muso_theory.algebra.search import _equations, _sizes, _solve_for, find_model, models
from muso_theory.algebra.shorten import fewer_facts, shortened
from muso_theory.algebra.statement import parse_statement
from muso_theory.algebra.trials import failing, read_model


def test_hypotheses_are_solved_for_not_waited_for() -> None:
    """AXB = C is met by one random choice of small integers in thousands; X is solved for instead."""
    statement = parse_statement("t", ["matrix A : n x n", "matrix X : n x m", "matrix B : m x m", "matrix C : n x m",
                                      "assume h: A X B = C", "conclude X = X"])  # fmt: skip
    found = [m for m in models(statement, 0, tries=20) if m[0]["n"] == m[0]["m"] == 2]
    assert len(found) >= 8
    model = find_model(statement, tries=20)
    assert model is not None
    assert model[0] == {"n": 2, "m": 2}
    assert any(x for row in model[1]["C"] for x in row)


def test_nested_partitions_have_sizes_that_add_up() -> None:
    statement = parse_statement(
        "t", ["partition n = r + f by S_R, S_F", "partition r = s + t by S_S, S_T", "conclude S_R = S_R"]
    )
    found = list(_sizes(statement))
    assert len(found) >= 8
    assert all(
        sizes["r"] == sizes["s"] + sizes["t"] and sizes["n"] == sizes["r"] + sizes["f"] for sizes in found
    )


@pytest.mark.parametrize("entry", ["abc", "1/0", "2/4", "1e3", "+1", "01", 1, 1.0, None, True, "", "1" * 61])
def test_entries_of_models_have_one_spelling(entry: Any) -> None:
    statement = parse_statement("t", ["matrix A : n x n", "conclude A = A"])
    good = {"sizes": {"n": 1}, "matrices": {"A": [["-1/2"]]}}
    assert failing(statement, read_model(statement, good)) == []
    with pytest.raises(AlgebraError, match="reduced fraction"):
        read_model(statement, {**good, "matrices": {"A": [[entry]]}})


@pytest.mark.parametrize(
    "damage",
    [
        {"matrices": {"A": ["12", ["3", "4"]]}},
        {"matrices": {"A": [["1", "2"], "34"]}},
        {"matrices": {"A": [("1", "2"), ["3", "4"]]}},
        {"matrices": {"A": [{"1": 0, "2": 0}, ["3", "4"]]}},
        {"matrices": {"A": [None, ["3", "4"]]}},
        {"matrices": {"A": [["1", "2"], ["3"]]}},
        {"matrices": {"A": [["1", "2"], ["3", "4", "5"]]}},
        {"matrices": {"A": [["1", "2"], []]}},
        {"matrices": {"A": [["1", "2"]]}},
        {"matrices": {"A": [["1", "2"], ["3", "4"], ["5", "6"]]}},
        {"matrices": {"A": (["1", "2"], ["3", "4"])}},
        {"matrices": {"A": {"1": 0, "2": 0}}},
        {"matrices": {"A": "12"}},
        {"matrices": {}},
        {"matrices": {"A": [["1", "2"], ["3", "4"]], "B": [["1"]]}},
        {"matrices": [["A"]]},
        {"sizes": {"n": 2}},
        {"sizes": {"n": 2, "m": 2, "k": 2}},
        {"sizes": {"n": 2, "m": 0}},
        {"sizes": {"n": True, "m": 2}},
        {"sizes": {"n": 2.0, "m": 2}},
        {"sizes": {"n": "2", "m": 2}},
        {"sizes": {"n": 10**9, "m": 2}},
        {"sizes": [["n", 2], ["m", 2]]},
        {"more": 1},
    ],
)
def test_models_have_one_form(damage: dict[str, Any]) -> None:
    """What reads like a matrix, such as a text of two digits in place of a row of two, is none."""
    statement = parse_statement("t", ["matrix A : n x m", "conclude A = A"])
    good = {"sizes": {"n": 2, "m": 2}, "matrices": {"A": [["1", "2"], ["3", "4"]]}}
    assert read_model(statement, good)[1]["A"] == [[1, 2], [3, 4]]
    with pytest.raises(AlgebraError, match="expected"):
        read_model(statement, {**good, **damage})


def test_a_solution_at_which_an_inverse_is_lost_is_none() -> None:
    """X = −M solves the equation but has no (X + M)⁻¹, which X = 0 and the unit matrices have."""
    statement = parse_statement("t", ["matrix X : n x n", "matrix M : n x n", "let S = X + M",
                                      "assume i: S invertible", "assume e: X = - M", "conclude X = X"])  # fmt: skip
    [equation] = [f.polynomial for key, f in statement.facts.items() if f.label == "e"]
    rng, found = random.Random(0), []
    for m in ([[3, 1], [0, 2]], [[1, 0], [0, -5]]):
        free = {
            "X": [[Fraction(0)] * 2 for _ in range(2)],
            "M": [[Fraction(x) for x in row] for row in m],
        }
        found.append(_solve_for(statement, {"n": 2}, free, None, "X", [equation], rng))
        # Without that hypothesis the same equation is solved.
        free_of_it = _solve_for(statement, {"n": 2}, free, "i", "X", [equation], rng)
        assert free_of_it == [[-x for x in row] for row in free["M"]]
    assert found == [None, None]


def test_the_limit_of_degrees_counts_letters_that_have_no_weight() -> None:
    """P = 0 follows through X Y Z U V alone, two letters longer than all that is given."""
    statement = parse_statement("t", [*(f"matrix {letter} : n x n" for letter in "ABCDEFPQUVXYZ"),
                                      "assume a: X Y Z = A B C", "assume b: Z U V = D E F", "assume c: B C U = Q",
                                      "assume d: A Q V = P", "assume e: X Y D = 0", "conclude P = 0"])  # fmt: skip
    facts = {key: fact.polynomial for key, fact in statement.facts.items()}
    [target] = statement.conclusions
    found = find_combination(target, facts, max_degree=2)
    # A letter of weight 1 is a letter without a weight.
    assert find_combination(target, facts, dict.fromkeys("ABCDEFPQUVXYZ", 1), max_degree=2) == found
    with pytest.raises(NotFoundError, match="limits"):
        find_combination(target, facts, max_degree=1)


WOODBURY = [
    "matrix A : n x n", "matrix U : n x k", "matrix V : k x n", "let M = A + U V", "assume regular: A invertible",
    "assume sum: M invertible", "let C = I + V A^-1 U", "assume core: C invertible",
    "conclude M^-1 = A^-1 - A^-1 U C^-1 V A^-1",
]  # fmt: skip


@pytest.mark.parametrize("longest", [1, 4, 10**6])
def test_a_chain_adds_up_link_by_link(longest: int) -> None:
    statement = parse_statement("t", WOODBURY)
    given = {key: fact.polynomial for key, fact in statement.facts.items()}
    [target] = statement.conclusions
    links, found = find_chain(target, given, longest=longest)
    assert bool(links) == (longest < 10)
    assert links or found == find_combination(target, given)
    known = dict(given)
    for key, zero, terms in (*links, ("target", target.terms, found)):
        total: dict[tuple[str, ...], Fraction] = {}
        for term in terms:
            fact = known[term.fact] if term.fact in known else known[term.fact.removesuffix("'")].transpose()
            for word, c in fact.terms.items():
                whole = term.left + word + term.right
                total[whole] = total.get(whole, Fraction(0)) + term.coefficient * c
        assert {word: c for word, c in total.items() if c} == dict(zero)
        # Only now is it known: no link rests on itself or on one after it.
        known[key] = Polynomial("n", "n", {word: Fraction(c) for word, c in zero.items()})


def test_an_existence_is_claimed_before_the_conclusion() -> None:
    with pytest.raises(AlgebraError, match="followed by"):
        parse_statement("t", ["matrix A : n x D", "conclude A = A", "exists x : n x n"])


def test_shortening_finds_the_one_fact_that_is_enough() -> None:
    """A − 2B follows from A = 0 and B = 0, or from A = B and B = 0, or at once from A = 2B."""
    statement = parse_statement("t", ["matrix A : n x n", "matrix B : n x n", "assume a: A = 0", "assume b: B = 0",
                                      "assume c: 2 B = A", "conclude A B = 2 B B"])  # fmt: skip
    facts = {key: fact.polynomial for key, fact in statement.facts.items()}
    [target] = statement.conclusions
    long = find_combination(target, {k: p for k, p in facts.items() if k != "assume(c)"})
    # A B = A·B and B B = B·B: one fact each, two terms; with the third a single negative one.
    short = shortened(target, long, facts)
    assert len(short) == 1
    [term] = short
    assert term.fact in ("assume(b)", "assume(c)", "assume(a)")
    total = facts[term.fact].scaled(term.coefficient)
    assert total  # a multiple of a fact, not nothing
    two = (*find_combination(target, {"assume(a)": facts["assume(a)"], "assume(b)": facts["assume(b)"]}),)
    assert len(fewer_facts(target, two, facts, {})) <= len(two)


def test_shortening_uses_both_signs() -> None:
    statement = parse_statement("t", ["matrix A : n x n", "matrix B : n x n", "assume a: A = 0", "assume b: B = 0",
                                      "conclude A - B = 0"])  # fmt: skip
    facts = {key: fact.polynomial for key, fact in statement.facts.items()}
    [target] = statement.conclusions
    plain = find_combination(target, facts)
    doubled = tuple(t for term in plain for t in (term, term, term))
    short = shortened(target, doubled, facts)
    assert sorted((term.fact, term.coefficient) for term in short) == [("assume(a)", 1), ("assume(b)", -1)]


def test_only_what_a_matrix_enters_once_is_solved_for() -> None:
    """A hypothesis is affine in a free matrix that no term of it holds twice, transposed or not."""
    lines = ["matrix A : n x n", "matrix B : n x n", "conclude A = A"]
    lines[2:2] = ["assume square: A A = B", "assume gram: A' A = B", "assume plain: A B = B + A"]
    statement = parse_statement("t", lines)
    keys = [fact.key for fact in statement.facts.values() if fact.label is not None]
    affine = dict(zip(keys, [symbols for _, symbols in _equations(statement, None)], strict=True))
    assert affine == {"assume(square)": ("B",), "assume(gram)": ("B",), "assume(plain)": ("A", "B")}


def test_fewer_terms_are_shorter_wherever_their_facts_stand() -> None:
    """X = 0 follows from X = P, P = Q and Q = 0, the first three facts, and from X = R and R = 0, the last two."""
    others = [f"Y{k}" for k in range(10)]
    lines = ["X - P = 0", "P - Q = 0", "Q = 0", *(f"{y} = 0" for y in others), "X - R = 0", "R = 0"]
    declared = [f"matrix {x} : n x n" for x in (*"PQRX", *others)]
    assumed = [f"assume f{k:02}: {line}" for k, line in enumerate(lines)]
    statement = parse_statement("t", [*declared, *assumed, "conclude X = 0"])
    facts = {key: fact.polynomial for key, fact in statement.facts.items()}
    [target] = statement.conclusions
    chain = [Term(Fraction(1), (), f"assume(f{k:02})", ()) for k in (0, 1, 2, *range(3, 14))]
    nothing = [Term(Fraction(-1), (), f"assume(f{k:02})", ()) for k in range(3, 14)]
    short = shortened(target, (*chain, *nothing), facts)
    assert sorted(term.fact for term in short) == ["assume(f13)", "assume(f14)"]
    assert all(term.coefficient == 1 for term in short)


@pytest.mark.parametrize("count", [1, 2, 3, 4])
def test_sizes_are_tried_from_small_to_large_each_once(count: int) -> None:
    """One, two or three of each, up to four more than one of each in all."""
    names = "abcd"[:count]
    lines = [*(f"matrix M{name} : {name} x {name}" for name in names), "conclude Ma = Ma"]
    found = [tuple(sizes[name] for name in names) for sizes in _sizes(parse_statement("t", lines))]
    assert found == sorted(found, key=lambda choice: (sum(choice), choice))
    assert set(found) == {c for c in itertools.product((1, 2, 3), repeat=count) if sum(c) - count <= 4}
    assert len(set(found)) == len(found)
