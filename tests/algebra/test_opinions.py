"""Second opinions that know nothing of certificates: prime fields, symbolic entries, scalar identities."""

import itertools

import mpmath
import pytest

from muso_theory.algebra.opinions import modular_opinion, symbolic_opinion
from muso_theory.algebra.polynomial import AlgebraError
from muso_theory.algebra.scalars import SCALARS, _ScalarProof
from muso_theory.algebra.statement import Statement, parse_statement
from muso_theory.claims.theorems.registry import THEOREMS

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


@pytest.mark.slow
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
def test_scalar_proofs(proof: _ScalarProof) -> None:
    assert proof.proved()
    assert proof.largest_error(20) < mpmath.mpf(10) ** -20


@pytest.mark.slow
@pytest.mark.parametrize("proof", SCALARS, ids=lambda proof: proof.name)
def test_scalar_proofs_to_fifty_digits(proof: _ScalarProof) -> None:
    assert proof.largest_error(50) < mpmath.mpf(10) ** -50


def test_scalar_proofs_can_fail() -> None:
    import sympy as sp

    x = sp.symbols("x")
    wrong = _ScalarProof(
        "wrong", "none", "x = 2x", lambda: [x - 2 * x], lambda: [(mpmath.mpf(1), mpmath.mpf(2))]
    )
    assert not wrong.proved()
    assert wrong.largest_error(20) == 1
    zero = sp.Integer(0)
    for residuals in ([], [sp.Integer(1)], [1], [zero, sp.Integer(1)], [zero, False], [sp.false], [x]):
        assert not _ScalarProof("wrong", "none", "", lambda residuals=residuals: residuals).proved(), (
            residuals
        )
    for residuals in ([zero], [0, zero], [sp.true], [True, zero], [x - x]):
        assert _ScalarProof("right", "none", "", lambda residuals=residuals: residuals).proved(), residuals


@pytest.mark.parametrize("proof", SCALARS, ids=lambda proof: proof.name)
def test_a_scalar_proof_that_has_an_integral_evaluates_some(proof: _ScalarProof) -> None:
    with mpmath.workdps(20):
        assert proof.numeric is None or proof.numeric()


# -- how sure an opinion is ------------------------------------------------------------------------------


def test_primes_are_told_from_composites() -> None:
    """Small numbers, and the smallest composites that pass for the first k bases."""
    import sympy

    from muso_theory.algebra.opinions import _is_prime

    pseudoprimes = (
        2047,
        1373653,
        25326001,
        3215031751,
        2152302898747,
        3474749660383,
        341550071728321,
        3825123056546413051,
    )
    for n in (*range(2, 2000), *pseudoprimes, 2**61 - 1, 2**61 - 3, 2**31 - 1):
        assert _is_prime(n) == sympy.isprime(n), n


def test_bounds_of_sums_products_and_inverses_are_those_of_fractions() -> None:
    """N/d by hand: degrees add in products, a sum has the product of the denominators, (N/d)⁻¹ = d·adj(N)/det(N)."""
    from sympy import GF
    from sympy.polys.matrices import DomainMatrix

    from muso_theory.algebra.opinions import _inverted, _plus, _times, _Value

    field = GF(2**61 - 1)
    square = DomainMatrix([[field(2), field(1)], [field(1), field(3)]], (2, 2), field)
    a, b = _Value(square, (3, 2), (5.0, 7.0)), _Value(square, (4, 6), (11.0, 13.0))
    product, total, inverse = _times(a, b), _plus(a, b), _inverted(a)
    assert (product.degree, product.bits) == ((7, 8), (5 + 11 + 1, 20))
    assert (total.degree, total.bits) == ((3 + 6, 8), (max(5 + 13, 11 + 7) + 1, 20))
    assert (inverse.degree, inverse.bits) == ((3 + 2, 6), (5 + 7 + 1, 11))
    assert (inverse.matrix * square - DomainMatrix.eye(2, field)).is_zero_matrix


def test_degrees_are_bounds_of_the_true_ones() -> None:
    """With indeterminate entries the degrees can be read off."""
    import sympy as sp
    from sympy import QQ
    from sympy.polys.matrices import DomainMatrix

    from muso_theory.algebra.opinions import _inverse, _inverted, _plus, _times, _Value

    names = sp.symbols("a0:4")
    field = QQ.frac_field(*names)
    generic = _Value(
        DomainMatrix([list(field.gens[:2]), list(field.gens[2:])], (2, 2), field), (1, 0), (0.0, 0.0)
    )
    wide = _Value(generic.matrix.extract([0], [0, 1]), (1, 0), (0.0, 0.0))
    for value in (
        _inverted(generic),
        _times(_inverted(generic), _inverted(generic)),
        _plus(_inverted(generic), generic),
        _inverse(wide, "right-invertible"),
        _inverse(wide, "pinv"),
    ):
        for entry in value.matrix.to_list_flat():
            top, bottom = sp.fraction(sp.cancel(field.to_sympy(entry)))
            assert sp.Poly(bottom, *names).total_degree() <= value.degree[1]
            if top != 0:
                assert sp.Poly(top, *names).total_degree() <= value.degree[0]


def test_the_chance_of_failure_is_that_of_an_unlucky_point_or_prime() -> None:
    from muso_theory.algebra.opinions import _Generic

    statement, sizes = STATEMENTS["exact-labels"], {"n": 2, "r": 1, "f": 1, "c": 1, "D": 3}
    opinion = modular_opinion(statement, sizes, seed=0)
    from sympy import GF

    generic = _Generic(
        statement, sizes, GF(opinion.prime), lambda symbol, i, j: GF(opinion.prime)(i + 2 * j + 1)
    )
    degree, bits = generic.size_of_numerators()
    assert degree > 10
    assert bits > 1
    point, prime = degree / (2**60 - degree), bits / 60 / 2**54
    assert opinion.failure == pytest.approx(point + prime, rel=1e-12, abs=0)
    assert symbolic_opinion(statement, {**sizes, "D": 2}).failure == 0
