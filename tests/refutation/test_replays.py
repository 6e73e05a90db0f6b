"""Replays of counterexamples: what is confirmed was computed again, whatever the file says."""

from __future__ import annotations

import ast
import json
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest

import muso_theory as mt
from muso_theory.errors import MusoError
from muso_theory.refutation import Counterexample, Failure, exact_square_gap, refute_report
from muso_theory.refutation.replaying import replay
from muso_theory.refutation.trials import square_scale

PROBLEM = mt.UnlearningProblem(np.array([[1, 0, 1], [1, 1, 0]]), np.array([1, 2]), [1])
OPTIMAL = Fraction(1, 2)


def stored(tmp_path: Path, **changes: object) -> Path:
    """An honest counterexample of a rule that cannot be found, changed."""
    labels = np.array([Fraction(1)])
    gap = exact_square_gap(PROBLEM, labels)
    found = Counterexample(PROBLEM, "nobody:rule", "labels", Failure.GAP, labels, gap, True)
    file = tmp_path / "counterexample.json"
    file.write_text(json.dumps({**json.loads(found.to_json()), **changes}))
    return file


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"failure": "RAISES", "square_gap": "999"}, "a stored gap that exact arithmetic confirms"),
        ({"failure": "CLAIM", "square_gap": "999"}, "a stored gap that exact arithmetic confirms"),
        ({"values": None, "square_gap": "999"}, "a stored gap that exact arithmetic confirms"),
        ({"failure": "NOT_FINITE", "values": ["1/2"], "square_gap": None}, "stored values that leave a gap"),
    ],
    ids=["other-failure", "claim-of-a-rule", "no-values", "optimal-label"],
)
def test_a_replay_confirms_no_gap_that_it_did_not_compute(
    tmp_path: Path, changes: dict[str, object], words: str
) -> None:
    with pytest.raises(MusoError, match=f"^expected .*{words}"):
        replay(stored(tmp_path, **changes))
    said, status = replay(stored(tmp_path))  # as it was computed
    assert said.startswith("REFUTED  the gap is confirmed")
    assert status == 1


def test_a_replay_holds_a_float_rule_to_its_tolerance(tmp_path: Path) -> None:
    label = OPTIMAL + Fraction(1, 10**30)
    gap = exact_square_gap(PROBLEM, np.array([label], dtype=object))
    file = stored(tmp_path, exact=False, values=[str(label)], square_gap=str(gap))
    with pytest.raises(MusoError, match="stored values that leave a gap"):
        replay(file)
    exact = stored(tmp_path, exact=True, values=[str(label)], square_gap=str(gap))
    assert replay(exact)[0].startswith("REFUTED  the gap is confirmed")


@pytest.mark.parametrize("start", [None, 10**9])
@pytest.mark.parametrize(("off", "stands"), [(Fraction(1, 10**4), True), (Fraction(1, 10**8), False)])
def test_search_replay_and_check_agree_where_doing_nothing_is_exact(
    tmp_path: Path, start: int | None, off: Fraction, stands: bool
) -> None:
    # y = Φw for some w: retraining changes nothing, and a gap is compared with another length.
    w_init = None if start is None else np.array([start, 0, 0])
    features = np.array([[1, 0, 1], [2, 0, 2]])
    targets = np.array([10**5, 2 * 10**5]) if start is None else features @ w_init
    problem = mt.UnlearningProblem(features, targets, [1], w_init)
    labels = np.array([int(targets[1]) + off * int(targets[0])])
    gap = exact_square_gap(problem, labels)
    found = Counterexample(problem, "nobody:rule", "labels", Failure.GAP, labels, gap, exact=False)
    file = tmp_path / "counterexample.json"
    file.write_text(found.to_json())
    assert (gap > Fraction(1, 10**12) * square_scale(problem)) is stands
    if not stands:
        with pytest.raises(MusoError, match="stored values that leave a gap"):
            replay(file)
        return
    assert replay(file)[1] == 1
    report = mt.check(problem, ["exact-labels"], "rational", labels=labels)
    assert report.verdict is mt.Verdict.REFUTED


def test_a_replayed_claim_shows_its_own_numbers(tmp_path: Path) -> None:
    found = refute_report("start-span", without="start-in-span").counterexample
    assert found is not None
    file = tmp_path / "claim.json"
    file.write_text(json.dumps({**json.loads(found.to_json()), "square_gap": "999", "detail": "forged"}))
    said, status = replay(file)
    assert said.startswith("REFUTED  the claim, checked again, fails as stored")
    assert f"gap² = {found.square_gap}," in said
    assert status == 1
    assert "999" not in said
    assert "forged" not in said


HOSTILE = [
    "x\nimport os; os.system('true')\n#",
    "x\rimport os",
    "x\x0cimport os\x0b\x1c\x85\u2028import os",
    'x"]);__import__("os").system("true");print(["',
    "x\\",
    "",
    " ",
]


@pytest.mark.parametrize("kind", ["labels", "parameters", "claim"])
@pytest.mark.parametrize("failure", ["GAP", "RAISES", "CLAIM"])
@pytest.mark.parametrize("words", HOSTILE)
def test_no_word_of_a_replay_becomes_code(kind: str, failure: str, words: str) -> None:
    """The scripts of a plain and of a hostile file are one program, but for what they print and look up."""
    found = refute_report("start-span", without="start-in-span").counterexample
    assert found is not None
    plain = json.loads(found.to_json()) | {"kind": kind, "failure": failure, "values": None}

    def program(said: str) -> list[str]:
        hostile = Counterexample.from_json(json.dumps(plain | {"rule": said, "detail": said}))
        tree = ast.parse(hostile.to_python())
        return [type(node).__name__ for node in ast.walk(tree)]

    assert program(words) == program("plain")


def test_the_script_of_a_rule_that_raises_many_lines_is_python() -> None:
    def rule(problem: mt.UnlearningProblem) -> object:
        raise ValueError("first line\nraise SystemExit('second line is code')")

    found = refute_report(rule, max_examples=3, guided=0).counterexample
    assert found is not None
    assert not any(isinstance(node, ast.Raise) for node in ast.walk(ast.parse(found.to_python())))


@pytest.mark.parametrize("value", [10**500, -(10**500)], ids=["large", "small"])
def test_a_tolerance_that_no_float_holds(tmp_path: Path, value: int) -> None:
    with pytest.raises(MusoError, match="a counterexample written by muso refute"):
        replay(stored(tmp_path, tolerance=value))
