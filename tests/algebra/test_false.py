"""False theorems: not proved, and refuted by an exact counterexample that is found without help."""

import pytest

from muso_theory.algebra.derivation import derive
from muso_theory.algebra.prover import NotFoundError
from muso_theory.algebra.search import counterexample
from muso_theory.algebra.statement import parse_statement
from muso_theory.algebra.theorem import Apply, Theorem
from muso_theory.algebra.trials import concludes, failing
from muso_theory.claims.theorems.library import prove
from muso_theory.claims.theorems.refuted import REFUTED
from muso_theory.claims.theorems.registry import THEOREMS


@pytest.mark.parametrize("name", REFUTED)
def test_false_theorem_is_refuted(name: str) -> None:
    statement = parse_statement(name, REFUTED[name])
    model = counterexample(statement)
    assert model is not None
    assert not failing(statement, model)
    assert not concludes(statement, model)


@pytest.mark.slow
@pytest.mark.parametrize("name", REFUTED)
def test_false_theorem_is_not_proved(name: str) -> None:
    if parse_statement(name, REFUTED[name]).exists:
        return  # no witness is offered, so there is nothing to derive from
    known = {
        node["name"]: node
        for slug in ("exact-labels", "gap-formula")
        for node in prove(slug).certificate["theorems"]
    }
    lines = REFUTED[name]
    applies = "let w_p = w_0 + Phi^+ (y - Phi w_0)" in lines and any("Phi_R^+" in line for line in lines)
    plan = (Apply("gap-formula/pretrained"),) if applies else ()
    with pytest.raises(NotFoundError):
        derive(Theorem("false", REFUTED[name], plan), known, seconds=1.5)


@pytest.mark.slow
@pytest.mark.parametrize("name", ["exact-labels", "label-free/sufficient", "ridge-anchored/exact-labels"])
def test_true_theorem_is_not_refuted(name: str) -> None:
    assert counterexample(parse_statement(name, THEOREMS[name].lines), tries=2) is None


def test_the_page_of_false_theorems_admits_what_it_cannot_refute(monkeypatch: pytest.MonkeyPatch) -> None:
    from muso_theory.claims.theorems import refuted

    true = ("matrix A : n x D", "conclude A = A")
    false = ("matrix A : n x D", "conclude A = 0 A")
    monkeypatch.setattr(refuted, "REFUTED", {"true": true, "false": false})
    page = refuted.refuted_page()
    assert (
        page.index("No counterexample found.") < page.index("## False") < page.index("Counterexample: A = [")
    )
