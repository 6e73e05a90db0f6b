"""A theorem of one's own, from a text file to an answer: proved, refuted, undecided, vacuous, or not readable."""

from __future__ import annotations

import functools
import itertools
import json
import random
import re
from fractions import Fraction
from pathlib import Path

import pytest
from typer.testing import CliRunner

import muso_theory as mt
from muso_theory.algebra.contradiction import contradiction
from muso_theory.algebra.exact import identity, multiply, solve, transpose
from muso_theory.algebra.statement import parse_statement
from muso_theory.algebra.trials import concludes, failing, read_model
from muso_theory.claims.theorems import attempts, weakening
from muso_theory.claims.theorems.attempts import search_model
from muso_theory.claims.theorems.registry import THEOREMS
from muso_theory.claims.theorems.weakening import weaken
from muso_theory.commands.cli import app
from muso_theory.evidence import Verdict
from tests.proofs.test_forged_certificates import run_checker

PENROSE = "matrix A : n x D\npinv A\nconclude A' A A^+ = A'"
COMMUTE = "matrix A : n x n\nmatrix B : n x n\nconclude A B = B A"
ANCHORED = """
theorem anchored
matrix Phi : n x D
matrix y : n x c
matrix M : k x D
partition n = r + f by S_R, S_F
let Phi_R = S_R Phi
let A = Phi' Phi + M' M
let A_R = Phi_R' Phi_R + M' M
pinv A
pinv A_R
assume positive: M left-invertible
let w_p = A^+ Phi' y
let w_r = A_R^+ Phi_R' S_R y
conclude w_p + A^+ Phi' (S_R' S_R y + S_F' S_F Phi w_r - Phi w_p) = w_r
"""
REVERSE = """
matrix A : m x n
matrix B : n x p
let M = A B
pinv A
pinv B
pinv M
assume rows: A^+ A B = B
assume columns: A B B^+ = A
conclude M^+ = B^+ A^+
"""

INFLUENCE = """
theorem my-influence
matrix Phi : n x D
matrix y : n x c
matrix w_0 : D x c
matrix L : D x D
partition n = r + f by S_R, S_F
let Phi_R = S_R Phi
let Phi_F = S_F Phi
let y_R = S_R y
let A = Phi' Phi + L
let A_R = Phi_R' Phi_R + L
assume regular: A invertible
assume regular-without-forget: A_R invertible
let w_p = w_0 + A^-1 Phi' (y - Phi w_0)
let w_r = w_0 + A_R^-1 Phi_R' (y_R - Phi_R w_0)
let H_FF = Phi_F A^-1 Phi_F'
let V = I - H_FF
pinv V
let e_F = S_F y - Phi_F w_p
let w_IF = w_p - A^-1 Phi_F' e_F
conclude w_IF - w_r = A^-1 Phi_F' H_FF V^+ e_F
"""


def test_a_true_theorem_has_a_certificate_that_both_checkers_accept(tmp_path: Path) -> None:
    theorem = mt.statement("theorem my-penrose\n" + PENROSE)
    answer = mt.prove(theorem, seconds=120)
    assert isinstance(answer, mt.TheoremAnswer)
    assert answer.verdict is Verdict.PROVED
    assert answer.proof is not None
    assert answer.proof.status == "proved"
    assert mt.check_certificate(answer.proof.certificate, theorem).accepted
    # Without the user's statement it is nothing, and a changed statement is another theorem.
    assert not mt.check_certificate(answer.proof.certificate)
    other = mt.statement("theorem my-penrose\n" + PENROSE.replace("A' A A^+ = A'", "A A^+ A = A"))
    assert not mt.check_certificate(answer.proof.certificate, other)
    certificate, statements = tmp_path / "c.json", tmp_path / "statements.txt"
    certificate.write_text(json.dumps(answer.proof.certificate))
    statements.write_text("theorem my-penrose\n" + "".join(f"  {line}\n" for line in theorem.lines))
    assert run_checker(Path("--statements"), statements, certificate).returncode == 0
    assert run_checker(certificate).returncode == 1
    statements.write_text(statements.read_text().replace("my-penrose", "exact-labels/mine"))
    assert run_checker(Path("--statements"), statements, certificate).returncode == 2


def test_a_long_proof_is_cut_at_what_was_found_on_the_way(tmp_path: Path) -> None:
    """The error of the influence function, whose proof in one sum has more terms than a checker reads."""
    theorem = mt.statement(INFLUENCE)
    answer = mt.prove(theorem, seconds=600)
    assert isinstance(answer, mt.TheoremAnswer)
    assert answer.proof is not None, answer.tried
    assert mt.check_certificate(answer.proof.certificate, theorem).accepted
    certificate, statements = tmp_path / "c.json", tmp_path / "statements.txt"
    certificate.write_text(json.dumps(answer.proof.certificate))
    statements.write_text("theorem my-influence\n" + "".join(f"  {line}\n" for line in theorem.lines))
    assert run_checker(Path("--statements"), statements, certificate).returncode == 0
    steps = answer.proof.certificate["theorems"][0]["steps"]
    assert len(steps) > 3
    assert max(len(step["terms"]) for step in steps) < 200
    # A step that rests on a link rests on it: without the link nothing is proved.
    assert not mt.check_certificate({**answer.proof.certificate, "theorems": [
        {**answer.proof.certificate["theorems"][0], "steps": steps[1:]}]}, theorem)  # fmt: skip


@pytest.mark.slow
def test_uncut_it_is_no_proof_that_a_checker_reads(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(attempts, "_LONGEST", 10**6)
    whole = mt.prove(mt.statement(INFLUENCE), seconds=600)
    assert whole.verdict is Verdict.UNDECIDED
    assert "at most 2000 terms" in whole.tried[-1]


@pytest.mark.parametrize("text", [COMMUTE, ANCHORED, "matrix A : n x D\npinv A\nconclude A A^+ = I"])
def test_a_false_theorem_has_an_exact_counterexample(text: str) -> None:
    answer = mt.prove(mt.statement(text), seconds=60)
    assert answer.verdict is Verdict.REFUTED
    parsed = parse_statement(answer.theorem.name, answer.theorem.lines)
    model = read_model(parsed, answer.model)
    assert not failing(parsed, model)
    assert not concludes(parsed, model)
    assert answer.fails
    assert answer.fails[0] in answer.to_markdown()


def test_counterexamples_are_small() -> None:
    model = mt.prove(mt.statement(COMMUTE)).model
    assert model is not None
    assert model["sizes"] == {"n": 2}
    entries = [x for rows in model["matrices"].values() for row in rows for x in row]
    assert sorted(entries) == ["0"] * 6 + ["1"] * 2


def test_hypotheses_that_contradict_are_vacuous_and_said_so() -> None:
    lines = ["matrix A : m x n", "matrix B : n x n", "assume one: A A' = I", "assume two: A A' = 2 I"]
    answer = mt.prove(mt.statement("\n".join([*lines, "conclude B B = B"])), seconds=20)
    assert answer.verdict is Verdict.VACUOUS
    assert "one, two together make an identity matrix zero" in answer.tried[-1]


SQUARES = """
matrix A : n x n
matrix B : n x n
matrix h : n x n
"""


@pytest.mark.parametrize(
    ("hypotheses", "words"),
    [
        (
            "squares: A' A + B' B = 0; regular: A invertible",
            "squares makes A zero.*; regular, squares together",
        ),
        ("squares: 2 A' A = - B B'; regular: B invertible", "squares makes B zero"),
        ("negative: A A' = - I", "negative makes a sum of squares zero of which an identity matrix is one"),
        ("brackets: (2 A - B)' (2 A - B) + I = 0", "brackets makes a sum of squares zero"),
        (
            "first: A' A + h = 0; second: B' B = h; regular: B invertible",
            "first, second together make B zero",
        ),
        ("total: A' A + B' B = I; part: A' A = 2 I", "part, total together make a sum of squares zero"),
        ("symmetric: A' = A; turn: A A = - I", "symmetric, turn together make a sum of squares zero"),
        ("trace: A B - B A = I", "trace makes a sum of squares zero of which an identity"),
        ("gram: A' A h + h = 0; regular: h invertible", "gram, regular together make a sum"),
    ],
)
def test_squares_that_contradict_are_vacuous_and_said_so(hypotheses: str, words: str) -> None:
    lines = "".join(f"assume {hypothesis}\n" for hypothesis in hypotheses.split("; "))
    theorem = mt.statement(SQUARES + lines + "conclude A B = h")
    answer = mt.prove(theorem, seconds=60)
    assert answer.verdict is Verdict.VACUOUS
    assert re.search(f"no model was found, and none exists: {words}", answer.tried[-1]), answer.tried[-1]


@pytest.mark.parametrize(
    "hypotheses",
    [
        "squares: A' A + B' B = 0",
        "turn: A A = - I",  # a rotation: only with A' = A is it a square
        "symmetric: A' = A; cube: A A A = 2 I",  # real, and not rational
        "trace: A B - B A = h",
        "total: A' A + B' B = 2 I; part: A' A = I",
        "skew: A' = - A; square: A A = - h' h; regular: h invertible",
        "first: A' A = B; second: B' B = h; regular: h invertible",
    ],
)
def test_what_some_matrices_satisfy_is_no_contradiction(hypotheses: str) -> None:
    lines = "".join(f"assume {hypothesis}\n" for hypothesis in hypotheses.split("; "))
    theorem = mt.statement(SQUARES + lines + "conclude A B = h")
    assert contradiction(parse_statement("mine", theorem.lines), 5.0) == ""


@pytest.mark.parametrize("name", sorted(THEOREMS)[2::9])
def test_no_theorem_of_the_collection_contradicts_itself(name: str) -> None:
    lines = THEOREMS[name].lines
    if not lines[0].startswith("induction"):
        assert contradiction(parse_statement(name, lines), 2.0) == ""


def test_random_hypotheses_that_hold_somewhere_do_not_contradict() -> None:
    """Relations between words in two drawn matrices: these satisfy them, whatever the search makes of squares."""
    rng = random.Random(0)
    for _ in range(30):
        size = rng.choice((1, 2, 2, 3))
        letters = {
            s: [[Fraction(rng.choice((0, 0, 1, -1, 2))) for _ in range(size)] for _ in range(size)]
            for s in "AB"
        }
        letters |= {s + "'": transpose(letters[s]) for s in "AB"}
        lines = ["matrix A : n x n", "matrix B : n x n"]
        every = [w for length in (1, 2, 3) for w in itertools.product(letters, repeat=length)]
        for number in range(3):
            words = [(), *rng.sample(every, 5)]
            values = [
                functools.reduce(multiply, (letters[x] for x in word), identity(size)) for word in words
            ]
            system = [
                list(row) for row in zip(*([x for r in value for x in r] for value in values), strict=True)
            ]
            last = solve([row[:-1] for row in system], [-row[-1] for row in system])
            if last is not None:
                terms = [
                    f"{c} {' '.join(w) or 'I'}".replace("-", "- ")
                    for c, w in zip([*last, 1], words, strict=True)
                ]
                lines.append(f"assume h{number}: {' + '.join(terms).replace('+ -', '-')} = 0")
        parsed = parse_statement("random", [*lines, "conclude A = A"])
        assert contradiction(parsed, 2.0) == "", lines


def test_what_squares_leave_is_proved_and_said() -> None:
    theorem = mt.statement(SQUARES + "assume squares: A' A + 2 B' B = 0\nconclude A h = B")
    answer = mt.prove(theorem, seconds=120)
    assert answer.verdict is Verdict.PROVED
    assert answer.proof is not None
    assert answer.tried[-1] == "proved, and squares, a sum of squares, leaves A = 0, B = 0 only"
    assert mt.check_certificate(answer.proof.certificate, theorem).accepted


def test_what_is_not_decided_says_what_was_tried() -> None:
    # True, and no consequence by algebra alone: A has an even size if A A = -I.
    text = "matrix A : n x n\nmatrix b : n x n\nassume turn: A A = - I\nconclude b b' b = b b' b + A b - A b"
    assert mt.prove(mt.statement(text), seconds=30).verdict is Verdict.PROVED
    cubic = "matrix A : n x n\nassume cube: A A A = 2 I\nconclude A = A'"
    answer = mt.prove(mt.statement(cubic), seconds=3)
    assert answer.verdict in (Verdict.UNDECIDED, Verdict.VACUOUS, Verdict.REFUTED)
    assert answer.tried
    assert all(answer.tried)


@pytest.mark.parametrize("order", [("one", "two"), ("two", "one")])
def test_hypotheses_of_which_one_is_enough_are_not_dropped_together(order: tuple[str, str]) -> None:
    bodies = {"one": "A = 0", "two": "2 A = 0"}
    assumed = "".join(f"  assume {name}: {bodies[name]}\n" for name in order)
    found = weaken(
        mt.statement(
            f"theorem either\n  matrix A : m x n\n{assumed}  conclude A B = 0\n".replace(
                "matrix A : m x n", "matrix A : m x n\n  matrix B : n x p"
            )
        ),
        seconds=20,
    )
    assert {kind for kind, _ in found.hypotheses.values()} == {"redundant"}
    assert found.fewer
    assert sum(line.startswith("assume ") for line in found.lines) == 1


def test_weakening_tells_needed_from_redundant() -> None:
    text = "matrix A : n x n\nassume symmetric: A = A'\nassume idle: A A = A\nconclude A A' = A' A"
    found = weaken(mt.statement(text), seconds=60)
    assert found.hypotheses["symmetric"][0] == "needed"
    assert found.hypotheses["idle"] == ("redundant", "proved without it")
    assert "assume idle: A A = A" not in found.lines
    assert "assume symmetric: A = A'" in found.lines


def test_a_plan_and_lemmas_of_the_collection() -> None:
    text = "matrix A : n x D\nmatrix X : D x D\nassume zero: A' A X = 0\nconclude A X = 0\ncancel A X"
    assert mt.prove(mt.statement(text), seconds=60).verdict is Verdict.PROVED
    text = PENROSE + "\nlemma lemma/pseudo-inverse with A = A\nhave A^+ A A' = A'"
    answer = mt.prove(mt.statement(text), seconds=60)
    assert answer.proof is not None
    assert [node["name"] for node in answer.proof.certificate["theorems"]] == ["lemma/pseudo-inverse", "mine"]


PLANNED = "matrix A : n x D\nmatrix B : k x n\nmatrix v : D x D\npinv A\nconclude A' A A^+ = A'\n"


@pytest.mark.parametrize(
    ("line", "words"),
    [
        (
            "lemma lemma/pseudo-invers with A = A",
            "column 7: expected a theorem of the collection.*'lemma/pseudo-inverse'",
        ),
        ("lemma lemma/pseudo-inverse with A = B", r"column 7: say what A\^\+ .*: mine has no inverse of B"),
        (
            "lemma lemma/pseudo-inverse with A = A, X = B",
            r"column 40: lemma/pseudo-inverse has no symbol 'X'; it has A, A\^\+",
        ),
        ("lemma lemma/pseudo-inverse with A = A A", "column 39: expected equal inner dimensions"),
        ("lemma lemma/pseudo-inverse with A = A, A = A", "column 40: expected one value for every symbol"),
        (
            "lemma lemma/update with A = A, t = A v, v = B",
            "column 41: v of lemma/update is D x c, B is k x n, and D is D",
        ),
        ("lemma lemma/update with A = A", "column 7: say what t of lemma/update is"),
        (
            "lemma implicit-bias/all-steps",
            "column 7: implicit-bias/all-steps is an induction, which cannot be applied",
        ),
        ("have A' = A", "column 9: the sides of an equation differ in size"),
        ("cancel A, B", "column 11: B has n columns, and A has D"),
        ("cancel B A, A A", "column 15: expected equal inner dimensions"),
        ("cancel 2", "column 8: 2 is a bare number"),
    ],
)
def test_a_plan_is_checked_where_it_is_read(line: str, words: str) -> None:
    with pytest.raises(mt.MusoError, match=f"line 6, {words}"):
        mt.statement(PLANNED + line)


def test_a_witness_has_the_size_that_is_claimed() -> None:
    text = "matrix A : n x D\npinv A\nexists X : D x n\nconclude A X A = A\nchoose X = A"
    with pytest.raises(mt.MusoError, match=r"line 5, column 12: X is D x n, and A is n x D"):
        mt.statement(text)
    assert mt.prove(mt.statement(text + "^+")).verdict is Verdict.PROVED


@pytest.mark.parametrize(
    ("plan", "idle"),
    [
        (
            "lemma lemma/pseudo-inverse with A = A\nhave A^+ A A' = A'\nhave A v = A v",
            ["have A^+ A A' = A'", "have A v = A v"],
        ),
        ("have A' A A^+ = A'", []),
        # What the lemma says is 0 = 0 in part: the prover has to live with facts that say nothing.
        (
            "lemma lemma/update with A = A, t = A v, v = v\ncancel A' A A^+ - A'",
            ["lemma lemma/update with A = A, t = A v, v = v"],
        ),
    ],
)
def test_lines_of_a_plan_that_the_proof_does_not_use_are_told(plan: str, idle: list[str]) -> None:
    answer = mt.prove(mt.statement(PLANNED + plan), seconds=120)
    assert answer.verdict is Verdict.PROVED
    assert list(answer.idle) == idle
    assert answer.to_markdown().count("Not used by the proof: ") == len(idle)


def test_a_line_that_only_a_lemma_assumes_is_used() -> None:
    """The lemma names no step: what it assumes it finds among all that is proved."""
    text = """
        matrix A : n x D
        matrix X : D x n
        pinv A
        assume same: X = A^+
        conclude X = A^+
        have A X A = A
        lemma lemma/unique-pseudo-inverse with A = A, X = X
        have X A A^+ = X
    """
    answer = mt.prove(mt.statement(text), seconds=60)
    assert answer.proof is not None
    assert answer.idle == ("have X A A^+ = X",)


def test_a_model_is_searched_alone() -> None:
    assert search_model(mt.statement(COMMUTE), 20).verdict is Verdict.REFUTED
    assert search_model(mt.statement(PENROSE), 1).verdict is Verdict.UNDECIDED


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (
            "matrix A : n x D\nconclude A A = A",
            "line 2, column 12: .*A, which is n x D, times A, which is n x D",
        ),
        (
            "matrix A : n x n\n  let   w = A  Aa\nconclude A = A",
            "line 2, column 16: unknown symbol 'Aa'; try 'A'",
        ),
        ("let a = b\nlet b = a\nconclude a = b", "line 1, column 9: b is defined in line 2 only, .*circle"),
        ("let a = a\nconclude a = a", "line 1, column 9: a is defined by itself"),
        (
            "matrix A : n x n\n let B = A^-1 A\nassume inv: A invertible\nconclude B = I",
            "line 2, column 10: A\\^-1 is declared in line 3 only.*the order is.*'assume inv: A invertible, and below "
            "it let B = A\\^-1 A'",
        ),
        (
            "let B = A^+ A\nmatrix A : n x n\npinv A\nconclude B = B",
            "column 9: A\\^\\+ .*what defines A above",
        ),
        (
            "matrix A : n x n\nassume A invertible\nconclude A = A",
            "column 8: .*'assume some-label: A invertible'",
        ),
        ("matrix A : n x n\nwithout A = A'\nconclude A = A", 'column 9: .*"without some-label: A = A\'"'),
        ("matrix A : n x n\nassume what\nconclude A = A", "column 8: .*'assume label: A B = C, or"),
        ("matrix A : n x n\nconclude A^+ A = A", "column 10: unknown symbol 'A\\^\\+'; .*'pinv A'"),
        ("matrix A : n x n\nconclude A^-1 A = A", "'assume some-label: A invertible'"),
        ("matrx A : n x n", "line 1, column 1: no line begins with 'matrx'; try 'matrix A : n x D'"),
        ("matrix Φ : n x D\nconclude Φ = Φ", "line 1, column 8: GREEK CAPITAL LETTER PHI .*write 'Phi'"),
        ("matrix А : n x n\nconclude A = A", "line 1, column 8: CYRILLIC CAPITAL LETTER A .*write 'A'"),
        ("matrix A : n x n\nconclude A = A − A", "line 2, column 16: MINUS SIGN .*write '-'"),
        (
            "matrix A : n x D\nassume sym: A = A'\nconclude A = A",
            "line 2, column 15: the sides .* differ in size",
        ),
        ("matrix A : n x n\nconclude (A A = A", "line 2, column 10: a bracket is not closed"),
        ("matrix A : n x n", "concludes nothing; the form is 'conclude A B = C'"),
        ("\n# nothing\n", "expected a theorem but got no line"),
        ("theorem exact-labels\nmatrix A : n x n\nconclude A = A", "a name of its own.*my-exact-labels"),
        ("theorem exact-labels/mine\nmatrix A : n x n\nconclude A = A", "a name of its own.*my-exact-labels"),
        (
            "matrix A : n x n\nconclude A = A\nlemma lemma/pseudo",
            "theorem of the collection.*lemma/pseudo-inverse",
        ),
        (
            "matrix A : n x D\nscalar A on n, D\nconclude A_n A = A A_D",
            "line 2, column 8: A is a matrix by line 1, "
            "'matrix A : n x D', and cannot be a scalar by line 2, 'scalar A on n, D', too",
        ),
        (
            "scalar eta on n, D\n\nmatrix eta : n x D\nconclude eta = eta",
            "line 3, column 8: eta is a scalar by line 1, "
            "'scalar eta on n, D', and cannot be a matrix by line 3",
        ),
        (
            "matrix eta_n : n x n\nscalar eta on n, D\nconclude eta_n = eta_n",
            "column 8: eta_n is declared in line 1 "
            "already, 'matrix eta_n : n x n', and again in line 2, 'scalar eta on n, D'",
        ),
        (
            "matrix A : n x D\nlet A = A\nconclude A = A",
            "column 5: A is declared in line 1 already, 'matrix A : n x D'",
        ),
        (
            "matrix A : n x D\nscalar eta on n, D\nconclude eta A = A eta",
            "line 3, column 10: unknown symbol 'eta'; the "
            "scalar of line 2, 'scalar eta on n, D', is written eta_n or eta_D",
        ),
        ("matrix A : 1 x 1\nconclude A = A", "line 1, column 8: sizes are letters.*'scalar eta on n'"),
        ("matrix A : n x 1\nconclude A = A", "sizes are letters"),
        ("partition 5 = 2 + 3 by S, T\nconclude S = S", "sizes are letters"),
        (
            "matrix A : n x n\nconclude A = 0.5 A",
            "line 2, column 14: numbers are whole or fractions: 0.5 is written 1/2",
        ),
        ("matrix A : n x n\nconclude .25 A = A", "line 2, column 10: .*: .25 is written 1/4"),
        ("matrix A : n x n\nconclude A^2 = A", "column 11: cannot read.*: a power is a product, A A"),
        ("matrix A : n x n\nconclude A^T A = A", "a transpose is written A'"),
        ("matrix A : n x n\nconclude A * A = A", "side by side"),
        ("matrix A : n x n\nconclude A/2 = A", "a fraction comes first"),
        (
            "matrix A : n x n\nassume positive: A >= 0\nconclude A = A",
            "an inequality is an equation with squares",
        ),
        (
            "theorem one\nmatrix A : n x n\nconclude A = A\ntheorem two",
            "line 4, column 1: a file holds one theorem.*; two has",
        ),
        (
            "matrix A : n x n\nconclude A = A\nmatrix B : n x n",
            "line 3, column 8: .*: data come first, and a file holds one",
        ),
        ("matrix A : n x n\nconclude A = A\nsays\n", "line 3, column 5: nothing follows 'says'"),
        ("matrix A : n x n\nconclude A = A\nlemma ", "line 3, column 6: nothing follows 'lemma'"),
        (
            "matrix A : n x n\nconclude A = A\nsays \x1b[31mred",
            "line 3, column 6: U\\+001B is not in the language",
        ),
        ("matrix A : n x n\n" * 60_000, "at most 100,000 characters"),
        ("matrix A : n x n\nconclude A = " + "A " * 1_500 + "\n", "line 2, column .*at most 2000 characters"),
    ],
)
def test_what_cannot_be_read_is_told_by_line_and_column(text: str, words: str) -> None:
    with pytest.raises(mt.MusoError, match=words):
        mt.statement(text if "\n" in text else text + "\n")


def test_a_byte_order_mark_is_no_letter(tmp_path: Path) -> None:
    file = tmp_path / "mine.txt"
    file.write_text(PENROSE, encoding="utf-8-sig")
    assert mt.statement(file).lines == mt.statement(PENROSE).lines


def test_words_mean_themselves_on_every_page() -> None:
    says = r"says a <b>bold</b> | `x` \frac *a* [link](x) & 1 < 2"
    answer = mt.prove(mt.statement(f"{PENROSE}\n{says}"), seconds=60)
    assert r"a \<b>bold\</b> | \`x\` \\frac \*a\* \[link](x) & 1 < 2." in answer.to_markdown()
    assert "### mine\n" in mt.prove(mt.statement(PENROSE), seconds=60).to_markdown()


def test_what_was_not_tried_in_time_is_not_called_needed(monkeypatch: pytest.MonkeyPatch) -> None:
    text = "matrix A : n x n\nassume symmetric: A = A'\nconclude A A' = A' A"
    monkeypatch.setattr(attempts, "find_trials", lambda statement, **_: {"hypotheses": {}})
    answer = mt.prove(mt.statement(text), seconds=60)
    assert "Not decided, whether needed: symmetric; try --weaken." in answer.to_markdown()
    assert "| not decided |" in answer.to_markdown()
    monkeypatch.setattr(
        weakening,
        "attempt",
        lambda theorem, *_: mt.TheoremAnswer(theorem, Verdict.UNDECIDED, None, None, ("x",)),
    )
    found = weaken(mt.statement(text), seconds=60)
    assert found.hypotheses["symmetric"] == (
        "open",
        "not decided within 60 s; a longer --seconds may decide it",
    )


def test_the_command_answers_by_its_exit_status(tmp_path: Path) -> None:
    runner = CliRunner()

    def run(text: str, *options: str) -> tuple[int, str]:
        file = tmp_path / "mine.txt"
        file.write_text(text)
        result = runner.invoke(app, ["prove", str(file), *options])
        return result.exit_code, result.output

    status, shown = run(REVERSE, "--write", str(tmp_path / "out"), "--seconds", "120")
    assert status == 0
    assert shown.startswith("PROVED: mine")
    assert {p.name for p in (tmp_path / "out").iterdir()} == {
        ".muso-sums",
        "mine.json",
        "mine.md",
        "mine.tex",
        "statements.txt",
    }
    files = (tmp_path / "out" / "statements.txt", tmp_path / "out" / "mine.json")
    assert run_checker(Path("--statements"), *files).returncode == 0
    assert run(COMMUTE)[0] == 1
    lines = "matrix A : m x n\nassume one: A A' = I\nassume two: A A' = 2 I\nconclude A = A + A - A"
    assert run(lines, "--seconds", "20")[0] == 3
    assert run("matrix A : n x n\nconclude A = B")[0] == 2
    assert run(PENROSE, "--seconds", "0")[0] == 2
    file = tmp_path / "mine.txt"
    file.write_text(COMMUTE)
    assert runner.invoke(app, ["refute", str(file)]).exit_code == 1


def test_what_would_help_is_said(tmp_path: Path) -> None:
    file = tmp_path / "mine.txt"
    file.write_text("matrix A : n x n\nassume ortho: A' A = I\nexists B : n x n\nconclude B A = I")
    answer = CliRunner().invoke(app, ["prove", str(file), "--seconds", "2", "--weaken"])
    assert answer.exit_code == 3
    assert "a line 'choose B = EXPRESSION' has to say what exists" in answer.output
    assert "No hypothesis was dropped: there is no proof" in answer.output
    file.write_text(PENROSE)
    answer = CliRunner().invoke(app, ["prove", str(file), "--seconds", "60", "--weaken"])
    assert answer.output.endswith("dropped alone\n\nThere is none.\n")


def test_what_became_of_each_hypothesis_is_in_all_that_is_written(tmp_path: Path) -> None:
    file, room, site = tmp_path / "mine.txt", tmp_path / "room", tmp_path / "site"
    file.write_text(
        "matrix A : n x n\nassume symmetric: A = A'\nassume idle: A A A = A A A'\nconclude A A' = A' A"
    )
    options = ["--weaken", "--seconds", "60", "--write", str(room), "--html", str(site)]
    answer = CliRunner().invoke(app, ["prove", str(file), *options])
    assert answer.exit_code == 0, answer.output
    data = json.loads((room / "mine-hypotheses.json").read_text())
    assert {label: found["kind"] for label, found in data["hypotheses"].items()} == {
        "symmetric": "needed",
        "idle": "redundant",
    }
    assert data["fewer"]
    assert not any("idle" in line for line in data["proved with"])
    page = re.sub(r"<[^>]+>", "", (site / "mine.html").read_text())
    for text in (answer.output, (room / "mine.md").read_text(), page):
        assert "Each hypothesis dropped alone" in text
        assert "symmetric: needed, without it" in text
        assert "idle: redundant, proved without it" in text
        assert "assume symmetric: A = A'" in text.replace("&#x27;", "'").partition("Proved with fewer")[2]
    remark = (room / "mine.tex").read_text().partition(r"\begin{remark}")[2]
    assert r"\texttt{symmetric} is needed." in remark
    assert r"with these alone: \texttt{symmetric}: $A = A^{\top}$" in remark
    bare = CliRunner().invoke(app, ["prove", str(file), "--seconds", "60", "--write", str(room), "--force"])
    assert bare.exit_code == 0
    assert "dropped alone" not in (room / "mine.md").read_text() + bare.output


def test_a_site_of_ones_own_theorem(tmp_path: Path) -> None:
    """The pages of the collection: statement, proof with links to lemmas, graph; and files that check by themselves."""
    file, site = tmp_path / "mine.txt", tmp_path / "site"
    file.write_text(f"theorem index\n{PENROSE}\nsays <b>rows</b>\nlemma lemma/pseudo-inverse with A = A\n")
    answer = CliRunner().invoke(app, ["prove", str(file), "--html", str(site), "--seconds", "120"])
    assert answer.exit_code == 0, answer.output
    assert f"begin with {site / 'index.html'}" in answer.output
    entrance, page = ((site / name).read_text() for name in ("index.html", "theorem-index.html"))
    assert '<a href="theorem-index.html">' in entrance
    assert entrance.count("<rect") == 2  # the theorem and the lemma
    assert 'marker-end="url(#uses)"' in entrance
    assert '<a href="lemmas.html#lemma-pseudo-inverse">' in page
    assert "&lt;b&gt;rows&lt;/b&gt;" in page
    assert 'id="lemma-pseudo-inverse"' in (site / "lemmas.html").read_text()
    names = [site / "certificates" / f"index.{kind}" for kind in ("statements", "json")]
    assert run_checker(Path("--statements"), *names).returncode == 0
    file.write_text(COMMUTE)
    answer = CliRunner().invoke(app, ["prove", str(file), "--html", str(tmp_path / "other")])
    assert answer.exit_code == 1
    assert "there is no proof to show" in answer.output
    assert not (tmp_path / "other").exists()
    both = CliRunner().invoke(app, ["prove", str(file), "exact-labels", "--html", str(site)])
    assert (both.exit_code, "one FILE" in both.output) == (2, True)


PUSH = """
theorem push-through
matrix A : n x D
scalar lam on n, D
let M = A A' + lam_n
let N = A' A + lam_D
assume samples: M invertible
assume parameters: N invertible
conclude A' M^-1 = N^-1 A'
"""


def test_a_theorem_may_speak_of_numbers() -> None:
    proved = mt.prove(mt.statement(PUSH), seconds=120)
    assert isinstance(proved, mt.TheoremAnswer)
    assert proved.verdict is Verdict.PROVED
    theorem = mt.statement("matrix A : n x D\nscalar lam on n, D\nconclude lam_n A = A")
    false = mt.prove(theorem, seconds=20)
    assert isinstance(false, mt.TheoremAnswer)
    assert false.verdict is Verdict.REFUTED
    assert false.model is not None
    matrices = false.model["matrices"]
    # The counterexample has one number for both sizes.
    assert {matrices["lam_n"][0][0]} == {row[i] for i, row in enumerate(matrices["lam_D"])}
    with pytest.raises(mt.MusoError, match=r"line 2, column 8.*two values of one size.*scalar eta on n, D"):
        mt.statement("matrix A : n x n\nscalar lam on n, n\nconclude lam_n A = A")


def test_no_rational_model_is_no_contradiction() -> None:
    """A A A = 2 I has the real model 2^(1/3) I and no rational one, so that nothing is said to be vacuous."""
    text = "matrix A : n x n\nassume symmetric: A' = A\nassume cube: A A A = 2 I\nconclude A A A A = 2 A\n"
    found = mt.prove(mt.statement(text), seconds=5)
    assert (found.verdict.name, found.proof) == ("UNDECIDED", None)
    assert "no rational data" in found.tried[-1]
    contradicting = mt.statement(
        "matrix A : n x n\nassume zero: A = 0\nassume inverse: A invertible\nconclude A = A A\n"
    )
    assert mt.prove(contradicting, seconds=5).verdict.name == "VACUOUS"


def test_what_is_true_by_expansion_is_written(tmp_path: Path) -> None:
    file = tmp_path / "expanded.txt"
    file.write_text("matrix A : n x n\nconclude A A - A A = 0\n")
    answer = CliRunner().invoke(app, ["prove", str(file), "--write", str(tmp_path / "out")])
    assert answer.exit_code == 0, answer.output
    assert "by expansion" in (tmp_path / "out" / "expanded.tex").read_text()


WITHOUT_RIDGE = """
matrix R : r x D
matrix F : f x D
matrix y : r x c
matrix z : f x c
let H = R' R + F' F
pinv H
pinv R
let w_p = H^+ (R' y + F' z)
let w_r = R^+ y
let w_i = w_p + H^+ F' (F w_p - z)
conclude w_i - w_r = H^+ F' F (w_p - w_r)
says the influence function is off by the forget samples' share, and P = NP
remains what this is good for
"""


def test_rows_that_their_gram_matrix_keeps_are_tried_unasked() -> None:
    """R H⁺H = R follows from a sum of squares that no line writes; without it the search ends in nothing."""
    theorem = mt.statement(WITHOUT_RIDGE)
    assert [*attempts._rows_kept(theorem, parse_statement(theorem.name, theorem.lines))] == [
        ("R - R H^+ H", "F - F H^+ H")
    ]
    assert mt.prove(theorem).verdict is Verdict.PROVED
    other = mt.statement(WITHOUT_RIDGE.replace("conclude w_i - w_r = H^+ F' F", "conclude w_i - w_r = F' F"))
    assert mt.prove(other).verdict is Verdict.REFUTED


def test_words_of_ones_own_theorem_are_shown_as_unchecked(tmp_path: Path) -> None:
    file = tmp_path / "mine.txt"
    file.write_text("matrix A : n x n\nlet B = A\nconclude B = A\nsays P = NP\nremains the whole world\n")
    site = tmp_path / "site"
    answer = CliRunner().invoke(app, ["prove", str(file), "--html", str(site)])
    assert answer.output.startswith("PROVED: mine, core proved\n")
    assert "In its author's words, which nothing checks: P = NP" in answer.output
    for name in ("index.html", "mine.html"):
        text = (site / name).read_text(encoding="utf-8")
        assert text.count("P = NP") == text.count("author's words, which nothing checks: P = NP") > 0
    lead = re.search(r'class="lead">(.*?)</p>', (site / "mine.html").read_text(encoding="utf-8"))
    assert lead is not None
    assert "P = NP" not in lead[1]


def test_the_first_line_says_what_a_sum_of_squares_leaves_beside_what_remains(tmp_path: Path) -> None:
    file = tmp_path / "mine.txt"
    file.write_text(
        "matrix A : n x D\nmatrix B : D x c\nassume squares: A' A = 0\nconclude A B = 0\nremains more\n"
    )
    answer = CliRunner().invoke(app, ["prove", str(file)])
    assert answer.output.startswith(
        "PROVED: mine, core proved, and squares, a sum of squares, leaves A = 0 only\n"
    )
