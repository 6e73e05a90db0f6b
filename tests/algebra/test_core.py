"""Typed free algebra, the statement language, prover and shortening."""

import itertools
import random
from fractions import Fraction

import pytest

from muso_theory.algebra.exact import evaluate, multiply, pseudo_inverse, transpose
from muso_theory.algebra.expression import parse_equation, parse_expression
from muso_theory.algebra.polynomial import AlgebraError, Polynomial
from muso_theory.algebra.prover import NotFoundError, find_combination
from muso_theory.algebra.render import reason, unicode_math
from muso_theory.algebra.shorten import shortened
from muso_theory.algebra.statement import parse_statement

SIGNATURE = {"A": ("n", "D"), "B": ("D", "n"), "Q": ("n", "n")}


def random_expression(rng: random.Random, depth: int = 3) -> str:
    """A well-typed n x n expression."""
    if depth == 0:
        return rng.choice(["Q", "Q'", "A B", "A A'", "B' B", "I", "2", "1/3 Q"])
    left, right = random_expression(rng, depth - 1), random_expression(rng, depth - 1)
    return rng.choice([f"({left}) + ({right})", f"({left}) - ({right})", f"({left}) ({right})", f"({left})'"])


@pytest.mark.parametrize("seed", range(25))
def test_expansion_is_a_homomorphism(seed: int) -> None:
    """Evaluating an expanded expression is evaluating its parts: against plain matrices."""
    rng = random.Random(seed)
    sizes = {"n": 2, "D": 3}
    values = {
        s: [[Fraction(rng.randint(-3, 3)) for _ in range(sizes[c])] for _ in range(sizes[r])]
        for s, (r, c) in SIGNATURE.items()
    }
    p = parse_expression(random_expression(rng), SIGNATURE).typed("n", "n")
    q = parse_expression(random_expression(rng, 2), SIGNATURE).typed("n", "n")
    a, b = evaluate(p, values, sizes), evaluate(q, values, sizes)
    assert evaluate(p * q, values, sizes) == multiply(a, b)
    assert evaluate(p.transpose(), values, sizes) == transpose(a)
    assert evaluate(p - q, values, sizes) == [
        [x - y for x, y in zip(u, v, strict=True)] for u, v in zip(a, b, strict=True)
    ]


@pytest.mark.parametrize("seed", range(25))
def test_printing_reads_back(seed: int) -> None:
    p = parse_expression(random_expression(random.Random(seed)), SIGNATURE).typed("n", "n")
    assert parse_expression(str(p), SIGNATURE).typed("n", "n") == p


@pytest.mark.parametrize(
    "text",
    [
        "A A", "A + B", "A + I", "Q + A B B", "Z", "A''x", "(A", "A)", "", "+", "1/0 Q", "A * B", "A^2", "Q; Q",
        "(" * 30 + "Q" + ")" * 30, "Q " * 100, "٣ Q", "Q\u00a0Q", "Q\n\tQ",
    ],
)  # fmt: skip
def test_bad_expressions_are_refused(text: str) -> None:
    with pytest.raises(AlgebraError):
        parse_expression(text, SIGNATURE).typed("n", "n")


def test_expansion_does_not_blow_up() -> None:
    with pytest.raises(AlgebraError, match="5000 terms"):
        parse_expression(" ".join(["(Q + A B)"] * 40), SIGNATURE)


@pytest.mark.parametrize(
    ("lines", "words"),
    [
        (["matrix A : n x D", "matrix A : n x D", "conclude A = A"], "twice"),
        (["matrix A : n x D", "let A = 2 A", "conclude A = A"], "twice"),
        (["let w = w", "conclude w = w"], "unknown symbol"),
        (["matrix A : n x D", "let w = x", "let x = A", "conclude w = x"], "unknown symbol"),
        (["matrix A : n x D", "pinv A", "pinv A", "conclude A = A"], "twice"),
        (["matrix A : n x D", "pinv A^+", "conclude A = A"], "cannot read"),
        (["matrix A : n x D", "assume h: A invertible", "conclude A = A"], "square"),
        (["matrix A : n x D", "assume h: A = 0", "assume h: A = 0", "conclude A = A"], "two hypotheses"),
        (["matrix A : n x D", "conclude A = A", "assume h: A = 0"], "followed by"),
        (["exists a : n x D", "let b = a", "conclude a = b"], "data come first"),
        (["partition n = n + f by S, T", "conclude S = S"], "three different"),
        (["matrix I : n x n", "conclude I = 0"], "reserved"),
        (["matrix A : n x D", "assume h: A = A'", "conclude A = 0"], "expected type"),
        (["matrix A : n x D", "axiom A = 0", "conclude A = 0"], "starts with one of"),
        (["matrix A : n x D"], "concludes nothing"),
        (["matrix A : n x D", "without h: A right-invertible", "conclude A A^R = I"], "unknown symbol"),
        (["matrix  A : n x D", "conclude A = A"], "starts with one of"),
    ],
)
def test_smuggling_by_statement_is_refused(lines: list[str], words: str) -> None:
    """Definitions must be conservative: one origin per symbol, earlier symbols only, hypotheses said."""
    with pytest.raises(AlgebraError, match=words):
        parse_statement("t", lines)


def test_symmetry_is_never_implied() -> None:
    statement = parse_statement("t", ["matrix L : n x n", "conclude L = L'"])
    with pytest.raises(NotFoundError):
        find_combination(statement.conclusions[0], {})


def test_prover_finds_what_is_there_and_no_more() -> None:
    statement = parse_statement(
        "t", ["matrix A : n x D", "pinv A", "conclude A A^+ = I", "conclude A^+ A A' = A'"]
    )
    facts = {key: fact.polynomial for key, fact in statement.facts.items()}
    with pytest.raises(NotFoundError):
        find_combination(statement.conclusions[0], facts, max_work=20_000)
    terms = find_combination(statement.conclusions[1], facts)
    total = Polynomial("D", "n", {})
    for term in terms:
        key = term.fact.removesuffix("'")
        g = facts[key] if key == term.fact else facts[key].transpose()
        a, b = (Polynomial.word(w, statement.signature) for w in (term.left, term.right))
        total = total + (a * g * b).scaled(term.coefficient)
    assert total == statement.conclusions[1]


def test_prover_respects_its_limits() -> None:
    signature = {"A": ("n", "n"), "B": ("n", "n"), "C": ("n", "n")}
    facts = {
        "f": parse_equation("A B A = B C B + A", signature),
        "g": parse_equation("B C B C = A B", signature),
    }
    with pytest.raises(NotFoundError, match="limits"):
        find_combination(parse_equation("A = C", signature), facts, max_work=5_000)


def test_shortening_keeps_the_sum() -> None:
    statement = parse_statement(
        "t", ["matrix A : m x D", "matrix X : D x m", "pinv A", "assume a: A X A = A", "assume b: X A X = X",
              "assume c: (A X)' = A X", "assume d: (X A)' = X A", "conclude X = A^+"],
    )  # fmt: skip
    facts = {key: fact.polynomial for key, fact in statement.facts.items()}
    found = find_combination(statement.conclusions[0], facts)
    short = shortened(statement.conclusions[0], found, facts)
    assert len(short) <= len(found)
    total = Polynomial("D", "m", {})
    for term in short:
        g = facts[term.fact.removesuffix("'")]
        g = g.transpose() if term.fact.endswith("'") else g
        a, b = (Polynomial.word(w, statement.signature) for w in (term.left, term.right))
        total = total + (a * g * b).scaled(term.coefficient)
    assert total == statement.conclusions[0]


@pytest.mark.parametrize("seed", range(20))
def test_pseudo_inverse_satisfies_penrose(seed: int) -> None:
    rng = random.Random(seed)
    rows, cols = rng.randint(1, 4), rng.randint(1, 4)
    a = [[Fraction(rng.choice([0, 0, 1, -1, 2])) for _ in range(cols)] for _ in range(rows)]
    x = pseudo_inverse(a)
    ax, xa = multiply(a, x), multiply(x, a)
    assert multiply(ax, a) == a
    assert multiply(xa, x) == x
    assert transpose(ax) == ax
    assert transpose(xa) == xa


def test_terms_are_read_positive_before_negative_and_short_before_long() -> None:
    signature = {"A": ("n", "n"), "B": ("n", "n")}
    polynomial = parse_expression("- A A + B + 1/2 A - 3 B B A", signature)
    assert str(polynomial) == "1/2 A + B - A A - 3 B B A"


def test_overlaps_cancel_the_word_they_overlap_in() -> None:
    """The S-polynomial of AB − I and BC − I is A − C: the leading words ABC are gone before anything is reduced."""
    from muso_theory.algebra.prover import _Element, _Search

    search = _Search({}, {}, 1000, float("inf"))
    f, g = (
        _Element(lead, {(): -1}, {((), key, ()): 1}) for lead, key in ((("A", "B"), "f"), (("B", "C"), "g"))
    )
    search.overlaps(f, g)
    [(_, _, terms, cofactors)] = search.pairs
    assert terms in ({("A",): 1, ("C",): -1}, {("A",): -1, ("C",): 1})
    assert sorted(cofactors.values()) == [-1, 1]


def test_coefficients_of_a_support_are_found_exactly() -> None:
    """2a + b = target and a − b = nothing have one solution, an inconsistent system none."""
    from muso_theory.algebra.shorten import _exact

    support = [((), "f", ()), ((), "g", ())]
    versions = {
        "f": {("x",): Fraction(2), ("y",): Fraction(1)},
        "g": {("x",): Fraction(1), ("y",): Fraction(-1)},
    }
    found = _exact({("x",): Fraction(1)}, support, versions)
    assert found is not None
    assert [(term.fact, term.coefficient) for term in found] == [("f", Fraction(1, 3)), ("g", Fraction(1, 3))]
    assert _exact({("z",): Fraction(1)}, support, versions) is None
    assert _exact({("x",): Fraction(1)}, [*support, ((), "f", ())], versions) is None  # not unique


def test_ratios_stay_exact() -> None:
    from muso_theory.algebra.prover import _ratio

    for a, b in ((3, 1), (3, -1), (1, 3), (Fraction(2, 3), -1), (4, Fraction(2, 5)), (2**70 + 1, -1)):
        found = _ratio(a, b)
        assert isinstance(found, int | Fraction)
        assert found * b == a


def test_a_number_has_a_square_type_or_is_zero() -> None:
    for rows, cols in itertools.product(("D", "n"), repeat=2):
        assert not Polynomial.number(0).typed(rows, cols).terms
        if rows == cols:
            assert Polynomial.number(3).typed(rows, cols).rows == rows
        else:
            with pytest.raises(AlgebraError, match="multiple of an identity"):
                Polynomial.number(3).typed(rows, cols)
        for other in itertools.product(("D", "n"), repeat=2):
            symbol = Polynomial.letter("M", {"M": (rows, cols)})
            if other == (rows, cols):
                assert symbol.typed(*other) == symbol
            else:
                with pytest.raises(AlgebraError, match="expected type"):
                    symbol.typed(*other)


@pytest.mark.parametrize(
    ("kind", "mark", "left", "right"),
    [
        ("invertible", "^-1", True, True),
        ("left-invertible", "^L", True, False),
        ("right-invertible", "^R", False, True),
    ],
)
@pytest.mark.parametrize("first", [True, False])
def test_a_reason_names_the_inverse_that_the_statement_has(
    kind: str, mark: str, left: bool, right: bool, first: bool
) -> None:
    """A statement may have a pseudo-inverse of the same matrix, which is none, and inverses of others."""
    own, others = {f"A{mark}": (kind, "A")}, {"A^+": ("pinv", "A"), "B^L": ("left-invertible", "B")}
    facts = {**own, **others} if first else {**others, **own}
    symbol = unicode_math(f"A{mark}")
    assert reason("left_inverse(A)", facts) == f"{symbol} A = I"
    assert reason("right_inverse(A)", facts) == f"A {symbol} = I"
    assert reason("left_inverse(A)", others) == "A⁻¹ A = I"
    size = "n x n" if left and right else "n x m"
    statement = parse_statement("x", [f"matrix A : {size}", f"assume h: A {kind}", "conclude A = A"])
    assert statement.inverses == own
    keys = set(statement.facts)
    assert ("left_inverse(A)" in keys, "right_inverse(A)" in keys) == (left, right)
