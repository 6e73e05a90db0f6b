"""Ways to smuggle a false verdict past the checkers; each is refused, by both."""

import importlib.util
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from muso_theory.algebra.checker import FORMAT, VERSION, check_bundle
from muso_theory.algebra.derivation import content_hash
from muso_theory.claims.theorems.library import check_certificate, prove
from tests import ROOT

ROOM = ROOT / "proofs"
_SPEC = importlib.util.spec_from_file_location("proofs_check", ROOM / "check.py")
assert _SPEC is not None
assert _SPEC.loader is not None
check = importlib.util.module_from_spec(_SPEC)
_SPEC.loader.exec_module(check)

VACUOUS: dict[str, Any] = {"model": {"sizes": {}, "matrices": {}}, "hypotheses": {}}


def model(sizes: dict[str, int], **matrices: list[list[str]]) -> dict[str, Any]:
    """Trials of a theorem without hypotheses."""
    return {"model": {"sizes": sizes, "matrices": matrices}, "hypotheses": {}}


def attempt(*nodes: dict[str, Any], claim: str = "t") -> tuple[bool, str, bool, str]:
    """Both verdicts on theorems that are registered as they stand, so that only the proof can be at fault."""
    bundle = {"format": FORMAT, "version": VERSION, "claim": claim, "theorems": list(nodes)}
    mine = check_bundle(bundle, {node["name"]: node["statement"] for node in nodes})
    try:
        statements = {node["name"]: check.Statement(node["name"], node["statement"]) for node in nodes}
        check.check(bundle, statements)
        second, why = True, ""
    except check.Rejected as error:
        second, why = False, str(error)
    return mine.accepted, mine.reason, second, why


def node(name: str, statement: list[str], steps: list[dict[str, Any]], trials: Any = None) -> dict[str, Any]:
    """A certificate of one theorem."""
    return {"name": name, "statement": statement, "steps": steps, "trials": trials or VACUOUS}


def combination(conclusion: str, *terms: list[str]) -> dict[str, Any]:
    """A combination step."""
    return {"rule": "combination", "conclusion": conclusion, "terms": list(terms)}


ONE = {"n": 1, "D": 1}
PENROSE = ["matrix A : n x D", "pinv A", "conclude A' A A^+ = A'"]
GOOD = [combination("A' A A^+ = A'", ["1", "", "penrose1(A)'", ""], ["-1", "A'", "penrose3(A)", ""])]
UNIT = model(ONE, A=[["1"]], **{"A^+": [["1"]]})


def test_the_honest_proof_is_accepted() -> None:
    assert attempt(node("t", PENROSE, GOOD, UNIT))[::2] == (True, True)


SMUGGLED = {
    "a wrong sum": node("t", PENROSE, [combination("A' A A^+ = A'", GOOD[0]["terms"][0])], UNIT),
    "an ill-typed product": node(
        "t", PENROSE, [combination("A' A A^+ = A'", ["1", "A", "penrose1(A)'", ""], *GOOD[0]["terms"])], UNIT
    ),
    "a fact of the future": node("t", PENROSE, [combination("A' A A^+ = A'", ["1", "", "step(1)", ""])], UNIT),
    "no proof at all": node("t", PENROSE, [], UNIT),
    "another conclusion": node("t", PENROSE, [combination("A A^+ A = A", ["1", "", "penrose1(A)", ""])], UNIT),
    "a model that is none": node("t", PENROSE, GOOD, model(ONE, A=[["1"]], **{"A^+": [["2"]]})),
    "no model": node("t", PENROSE, GOOD),
    "a hypothesis that it does without": node(
        "t", ["matrix A : n x n", "without zero: A = 0", "conclude A A = 0"],
        [combination("A A = 0", ["1", "A", "assume(zero)", ""])], model({"n": 1}, A=[["0"]]),
    ),
    "cancellation with a minus": node(
        "t", ["matrix A : n x D", "matrix B : n x D", "assume h: A' A - B' B = 0", "conclude A = 0"],
        [{"rule": "cancellation", "from": "assume(h)", "squares": [["1", "A"], ["-1", "B"]], "conclusion": "A = 0"}],
        model(ONE, A=[["1"]], B=[["1"]]),
    ),
    "cancellation without a transpose": node(
        "t", ["matrix A : n x n", "assume h: A A = 0", "conclude A = 0"],
        [{"rule": "cancellation", "from": "assume(h)", "squares": [["1", "A"]], "conclusion": "A = 0"}],
        model({"n": 1}, A=[["0"]]),
    ),
    "cancellation of another root": node(
        "t", ["matrix A : n x n", "matrix B : n x n", "assume h: A' A = 0", "conclude B = 0"],
        [{"rule": "cancellation", "from": "assume(h)", "squares": [["1", "A"]], "conclusion": "B = 0"}],
        model({"n": 1}, A=[["0"]], B=[["1"]]),
    ),
    "a witness that refers to itself": node(
        "t", ["matrix A : n x n", "exists x : n x n", "conclude A x = I"],
        [{"rule": "witness", "symbol": "x", "value": "x"}, combination("A x = I")], model({"n": 1}, A=[["1"]]),
    ),
    "a witness of the wrong type": node(
        "t", ["matrix A : n x D", "exists x : D x n", "conclude x = A'"],
        [{"rule": "witness", "symbol": "x", "value": "A"}, combination("x = A'", ["1", "", "step(1)", ""])],
    ),
    "a witness for what is given": node(
        "t", ["matrix A : n x n", "conclude A = 0"],
        [{"rule": "witness", "symbol": "A", "value": "0 A"}, combination("A = 0", ["1", "", "step(1)", ""])],
    ),
    "two witnesses": node(
        "t", ["matrix A : n x n", "exists x : n x n", "conclude A = 0"],
        [{"rule": "witness", "symbol": "x", "value": "0 A"}, {"rule": "witness", "symbol": "x", "value": "A"},
         combination("A = 0", ["1", "", "step(1)", ""], ["-1", "", "step(2)", ""])],
    ),
    "an existence that nobody names": node(
        "t", ["matrix A : n x n", "exists x : n x n", "conclude A x = A x"], [combination("A x = A x")],
    ),
    "a number between different sizes": node(
        "t", ["matrix A : n x D", "conclude A = 1"], [combination("A = 1")], model(ONE, A=[["1"]])
    ),
    "an unknown rule": node("t", PENROSE, [{"rule": "oracle", "conclusion": "A' A A^+ = A'"}], UNIT),
}  # fmt: skip


@pytest.mark.parametrize("trick", SMUGGLED)
def test_smuggling_is_refused_by_both(trick: str) -> None:
    first, why, second, reason = attempt(SMUGGLED[trick])
    assert (first, second) == (False, False), (why, reason)
    assert why


def test_squares_are_refused_for_what_is_wrong_with_them() -> None:
    """Not for a missing model, which would hide that nobody looks at weights, transposes and roots."""
    reasons = {
        "cancellation with a minus": "positive weights",
        "cancellation without a transpose": "not this sum of squares",
        "cancellation of another root": "not the root",
    }
    for trick, reason in reasons.items():
        assert reason in attempt(SMUGGLED[trick])[1], trick


def lemma_step(lemma: dict[str, Any], **values: str) -> dict[str, Any]:
    """Use a theorem."""
    return {"rule": "lemma", "lemma": lemma["name"], "hash": content_hash(lemma), "with": values}


def test_a_lemma_needs_its_assumptions() -> None:
    lemma = node(
        "lemma/zero", ["matrix A : n x n", "assume zero: A = 0", "conclude A A = 0"],
        [combination("A A = 0", ["1", "A", "assume(zero)", ""])],
        {**model({"n": 1}, A=[["0"]]), "hypotheses": {"zero": {"needed": model({"n": 1}, A=[["1"]])["model"]}}},
    )  # fmt: skip
    honest = node(
        "t", ["matrix B : m x m", "assume nil: B = 0", "conclude 4 B B = 0"], [lemma_step(lemma, A="2 B")],
        {**model({"m": 1}, B=[["0"]]), "hypotheses": {"nil": {"needed": model({"m": 1}, B=[["1"]])["model"]}}},
    )  # fmt: skip
    first, why, second, reason = attempt(lemma, honest)
    # The lemma needs 2B = 0, which is not literally among the facts: it must be proved first.
    assert (first, second) == (False, False), (why, reason)
    honest["steps"] = [combination("2 B = 0", ["2", "", "assume(nil)", ""]), *honest["steps"]]
    assert attempt(lemma, honest)[::2] == (True, True)
    thief = node(
        "t", ["matrix B : m x m", "conclude B B = 0"], [lemma_step(lemma, A="B")], model({"m": 1}, B=[["0"]])
    )
    assert attempt(lemma, thief)[::2] == (False, False)


def test_cycles_are_refused() -> None:
    statement = ["matrix A : n x n", "conclude A = 0"]
    a, b = (node(name, statement, [], model({"n": 1}, A=[["0"]])) for name in ("t", "lemma/b"))
    a["steps"] = [{"rule": "lemma", "lemma": "lemma/b", "hash": "0", "with": {"A": "A"}}]
    b["steps"] = [{"rule": "lemma", "lemma": "t", "hash": "0", "with": {"A": "A"}}]
    first, why, second, reason = attempt(a, b)
    assert (first, second) == (False, False)
    assert "prove itself" in why
    assert "prove itself" in reason


def test_the_statement_must_be_the_registered_one() -> None:
    certificate = json.loads(json.dumps(prove("exact-labels").certificate))
    target = certificate["theorems"][-1]
    assert target["name"] == "exact-labels"
    target["statement"] = [
        "conclude w_u = w_u" if "conclude" in line else line for line in target["statement"]
    ]
    target["steps"] = [combination("w_u = w_u")]
    result = check_certificate(certificate)
    assert not result
    assert "not the registered one" in result.reason


INDUCTION = [
    node("t/base", ["matrix a : n x n", "assume zero: a = 0", "conclude a = 0"],
         [combination("a = 0", ["1", "", "assume(zero)", ""])],
         {**model({"n": 1}, a=[["0"]]), "hypotheses": {"zero": {"needed": model({"n": 1}, a=[["1"]])["model"]}}}),
    node("t/step", ["matrix x : n x n", "assume before: x = 0", "let next = 2 x", "conclude next = 0"],
         [combination("next = 0", ["1", "", "def(next)", ""], ["2", "", "assume(before)", ""])],
         {"model": {"sizes": {"n": 1}, "matrices": {"x": [["0"]], "next": [["0"]]}}, "hypotheses": {"before": {
             "needed": {"sizes": {"n": 1}, "matrices": {"x": [["1"]], "next": [["2"]]}}}}}),
]  # fmt: skip


def induction(*, step_line: str = "step t/step from s = x to s = next") -> dict[str, Any]:
    """The induction over these two."""
    lines = [
        "induction over doublings",
        "state s : n x n",
        "predicate s = 0",
        "base t/base with s = a",
        step_line,
    ]
    hashes = {"base": content_hash(INDUCTION[0]), "step": content_hash(INDUCTION[1])}
    return {"name": "t/all", "statement": lines, "steps": [{"rule": "induction", **hashes}]}


def test_induction() -> None:
    assert attempt(*INDUCTION, induction())[::2] == (True, True)


@pytest.mark.parametrize("line", ["step t/step from s = next to s = next", "step t/step from s = x to s = x",
                                  "step t/base from s = a to s = a", "step t/all from s = x to s = next"])  # fmt: skip
def test_crooked_inductions_are_refused(line: str) -> None:
    bundle = induction(step_line=line)
    if "t/base" in line:
        bundle["steps"][0]["step"] = content_hash(INDUCTION[0])
    accepted = attempt(*INDUCTION, bundle)[::2]
    # A step from x to x proves the predicate of x from itself: true of what is built by doing nothing.
    harmless = line.endswith("from s = a to s = a")
    assert accepted == ((True, True) if harmless else (False, False))


@pytest.mark.slow
@pytest.mark.parametrize(
    "bundle",
    [None, [], 1, "x", {}, {"format": FORMAT, "version": VERSION, "claim": "exact-labels", "theorems": "x"},
     {"format": FORMAT, "version": 2, "claim": "exact-labels", "theorems": []},
     {"format": FORMAT, "version": True, "claim": "exact-labels", "theorems": []},
     {"format": FORMAT, "version": VERSION, "claim": "exact-labels", "theorems": [[]] * 200_000},
     {"format": FORMAT, "version": VERSION, "claim": "x" * 3_000_000, "theorems": []},
     {"format": FORMAT, "version": VERSION, "claim": "lemma", "theorems": [{"name": 1.5}]}],
)  # fmt: skip
def test_malformed_bundles_are_refused(bundle: Any) -> None:
    assert not check_certificate(bundle)
    with pytest.raises(check.Rejected):
        check.check(bundle, check.read_statements((ROOM / "statements.txt").read_text(encoding="utf-8")))


def test_absurd_nesting_is_refused() -> None:
    deep: Any = []
    for _ in range(100_000):
        deep = [deep]
    bundle = {"format": FORMAT, "version": VERSION, "claim": "exact-labels", "theorems": [deep]}
    assert "deeply nested" in check_certificate(bundle).reason
    with pytest.raises(check.Rejected):
        check.check(bundle, {})


@pytest.mark.parametrize(
    ("content", "status"),
    [
        ("not json", 2),
        ("[" * 100_000, 2),
        ('{"a": 1, "a": 2}', 2),
        ("{}", 1),
        ("9" * 5_000, 2),
        ("null", 1),
        ("", 2),
    ],
)
def test_command_line_of_the_checker(tmp_path: Path, content: str, status: int) -> None:
    file = tmp_path / "certificate.json"
    file.write_text(content)
    run = subprocess.run(
        [sys.executable, "-I", str(ROOM / "check.py"), str(file)],
        capture_output=True,
        text=True,
        timeout=600,
        check=False,
    )
    assert run.returncode == status
    assert "Traceback" not in run.stderr


# -- what is refused although the proof is right ---------------------------------------------------------


@pytest.mark.parametrize("version", [2, 0, True, 1.0, "1", None])
def test_another_version_is_refused_whatever_it_proves(version: Any) -> None:
    good = prove("sequential-requests").certificate
    assert check_certificate(good)
    result = check_certificate({**good, "version": version})
    assert not result
    assert "version" in result.reason


@pytest.mark.parametrize("extra", [{"note": "x"}, {"proof": []}])
def test_a_theorem_with_another_key_is_refused(extra: dict[str, Any]) -> None:
    first, why, second, _ = attempt({**node("t", PENROSE, GOOD, UNIT), **extra})
    assert (first, second) == (False, False)
    assert "keys" in why


def test_long_statements_are_refused_beyond_eighty_lines() -> None:
    for lines, accepted in ((80, True), (81, False)):
        statement = [*PENROSE, *("remains more" for _ in range(lines - len(PENROSE)))]
        assert attempt(node("t", statement, GOOD, UNIT))[0] is accepted


@pytest.mark.parametrize("rule", ["combination", "lemma", "induction ", "zzz"])
def test_an_induction_is_proved_by_no_other_rule(rule: str) -> None:
    crooked = induction()
    crooked["steps"][0]["rule"] = rule
    assert attempt(*INDUCTION, crooked)[::2] == (False, False)


def test_each_state_has_one_value() -> None:
    crooked = induction()
    crooked["statement"] = [line.replace("with s = a", "with s = a, s = a") for line in crooked["statement"]]
    assert attempt(*INDUCTION, crooked)[0] is False


def test_a_step_may_assume_nothing_beyond_its_parts() -> None:
    base, step = INDUCTION
    zero = {"n": 1}
    greedy = node(
        "t/step",
        ["matrix x : n x n", "matrix z : n x n", "assume before: x = 0", "assume more: z = 0", "let next = 2 x + z",
         "conclude next = 0"],
        [combination("next = 0", ["1", "", "def(next)", ""], ["2", "", "assume(before)", ""],
                     ["1", "", "assume(more)", ""])],
        {"model": {"sizes": zero, "matrices": {"x": [["0"]], "z": [["0"]], "next": [["0"]]}}, "hypotheses": {
            "before": {"needed": {"sizes": zero, "matrices": {"x": [["1"]], "z": [["0"]], "next": [["2"]]}}},
            "more": {"needed": {"sizes": zero, "matrices": {"x": [["0"]], "z": [["1"]], "next": [["1"]]}}}}},
    )  # fmt: skip
    assert attempt(greedy, claim="t")[0] is True  # a theorem, but no building step
    whole = induction()
    whole["steps"][0]["step"] = content_hash(greedy)
    first, why, second, _ = attempt(base, greedy, whole)
    assert (first, second) == (False, False)
    assert "something other than the predicate" in why
    assert step["name"] == greedy["name"]


def test_what_stays_fixed_has_the_sizes_of_the_states() -> None:
    """The states of the host may live in another space than the matrix kept fixed: then it is another induction."""
    from muso_theory.algebra.induction import check_induction, parse_induction
    from muso_theory.algebra.polynomial import AlgebraError
    from muso_theory.algebra.statement import parse_statement

    def statements(size: str) -> list[Any]:
        lines = ["matrix B : n x n", f"matrix a : {size} x {size}", "assume zero: a = 0", "conclude a = 0"]
        return [parse_statement("t/base", lines), parse_statement("t/step", [
            "matrix B : n x n", f"matrix a : {size} x {size}", "assume zero: a = 0", "conclude a = 0"])]  # fmt: skip

    whole = parse_induction(
        "t", ["induction over nothing", "matrix B : n x n", "state s : n x n", "predicate s = 0",
              "base t/base with s = a", "step t/step from s = a to s = a"],
    )  # fmt: skip
    check_induction(whole, *statements("n"))
    for other in ("m", "z"):
        with pytest.raises(AlgebraError, match="is not the same"):
            check_induction(whole, *statements(other))
