"""Second opinions that know nothing of certificates: prime fields, symbolic entries, scalar identities."""

import itertools

import mpmath
import pytest

from muso_theory.algebra.opinions import modular_opinion, symbolic_opinion
from muso_theory.algebra.polynomial import AlgebraError
from muso_theory.algebra.scalars import SCALARS, ScalarProof
from muso_theory.algebra.statement import Statement, parse_statement
from muso_theory.claims.theorems import THEOREMS

STATEMENTS = {
    n: parse_statement(n, t.lines) for n, t in THEOREMS.items() if not t.lines[0].startswith("induction")
}


def some_sizes(statement: Statement) -> list[dict[str, int]]:
    """Choices with wide, square and tall matrices; partitioned sizes are sums."""
    sums = {
        statement.signature[s][1]: (statement.signature[s][0], statement.signature[t][0])
        for s, t in statement.selections
    }
    base = sorted({d for pair in statement.signature.values() for d in pair} - set(sums))
    found = []
    for choice in itertools.islice(itertools.product((2, 1, 4), repeat=len(base)), 200):
        sizes = dict(zip(base, choice, strict=True))
        for _ in sums:
            sizes |= {w: sizes[a] + sizes[b] for w, (a, b) in sums.items() if a in sizes and b in sizes}
        found.append(sizes)
    return found


def test_schwartz_zippel() -> None:
    """Every theorem whose hypotheses are assignments or invertibility, at three sizes each."""
    tested = 0
    for name, statement in STATEMENTS.items():
        agreed = 0
        for sizes in some_sizes(statement):
            try:
                opinion = modular_opinion(statement, sizes, seed=agreed)
            except AlgebraError:
                continue
            assert opinion.agrees, (name, sizes)
            assert opinion.failure < 1e-12
            assert opinion.prime is not None
            assert opinion.prime.bit_length() == 61
            agreed += 1
            if agreed == 3:
                break
        tested += agreed > 0
    assert tested >= 35


@pytest.mark.parametrize("change", ["conclude w_u = w_p", "conclude w_u = 2 w_r", "conclude w_p = w_r"])
def test_opinions_notice_a_false_conclusion(change: str) -> None:
    lines = [change if line == "conclude w_u = w_r" else line for line in THEOREMS["exact-labels"].lines]
    assert change in lines
    sizes = {"n": 2, "r": 1, "f": 1, "c": 1, "D": 3}
    assert not modular_opinion(parse_statement("false", lines), sizes, seed=3).agrees
    assert not symbolic_opinion(parse_statement("false", lines), {**sizes, "D": 2}).agrees


@pytest.mark.parametrize(
    "name", ["exact-labels", "gap-formula/parameters", "gap-formula/schur", "leave-block-out"]
)
def test_symbolic_entries(name: str) -> None:
    sizes = {"n": 2, "r": 1, "f": 1, "c": 1, "D": 2}
    assert symbolic_opinion(STATEMENTS[name], sizes).agrees
    if "gram-invertible" not in {h.label for h in STATEMENTS[name].hypotheses}:
        assert symbolic_opinion(STATEMENTS[name], {**sizes, "D": 1}).agrees


def test_opinions_refuse_what_they_cannot_test() -> None:
    with pytest.raises(AlgebraError, match="no assignment"):
        modular_opinion(
            STATEMENTS["label-solution-set/necessary"], {"n": 2, "r": 1, "f": 1, "c": 1, "D": 2}, seed=0
        )
    with pytest.raises(AlgebraError, match="singular"):
        modular_opinion(STATEMENTS["leave-block-out"], {"n": 2, "r": 1, "f": 1, "c": 1, "D": 1}, seed=0)


@pytest.mark.parametrize("proof", SCALARS, ids=lambda proof: proof.name)
def test_scalar_proofs(proof: ScalarProof) -> None:
    assert proof.proved()
    assert proof.largest_error(50) < mpmath.mpf(10) ** -50


def test_scalar_proofs_can_fail() -> None:
    import sympy as sp

    x = sp.symbols("x")
    wrong = ScalarProof(
        "wrong", "none", "x = 2x", lambda: [x - 2 * x], lambda: [(mpmath.mpf(1), mpmath.mpf(2))]
    )
    assert not wrong.proved()
    assert wrong.largest_error() == 1
