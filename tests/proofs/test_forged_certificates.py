"""The stand-alone checker on forged certificates, and what statements list as assumed."""

from __future__ import annotations

import hashlib
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from muso_theory.algebra.checker import check_bundle
from muso_theory.algebra.polynomial import AlgebraError
from muso_theory.algebra.statement import parse_statement
from tests import ROOT
from tests.proofs.test_tampering import check, rehash, verdicts

ROOM = ROOT / "proofs"


def run_checker(*files: Path) -> subprocess.CompletedProcess[str]:
    """The stand-alone checker, as anyone would run it."""
    command = [sys.executable, "-I", "-S", str(ROOM / "check.py"), *map(str, files)]
    return subprocess.run(command, capture_output=True, text=True, timeout=600, check=False)


def renamed(name: str) -> str:
    """A certificate whose first lemma is called otherwise, and used under that name."""
    certificate = json.loads((ROOM / "certificates" / "exact-labels.json").read_text())
    step = next(s for node in certificate["theorems"] for s in node["steps"] if s["rule"] == "lemma")
    step["lemma"] = certificate["theorems"][0]["name"] = name
    return json.dumps(certificate)


def test_a_rejected_certificate_cannot_write_lines_of_acceptance(tmp_path: Path) -> None:
    file = tmp_path / "forged.json"
    file.write_text(renamed("x\naccepted exact-labels\n19 of 19 certificates accepted"))
    result = run_checker(file)
    assert result.returncode == 1
    assert not any(line.startswith(("accepted", "19 of 19")) for line in result.stdout.splitlines())


def test_a_lone_surrogate_is_rejected_without_a_traceback(tmp_path: Path) -> None:
    file = tmp_path / "surrogate.json"
    file.write_text(renamed("\ud800"))
    result = run_checker(file)
    assert "Traceback" not in result.stderr
    assert "0 of 1 certificates accepted" in result.stdout


def test_an_unknown_version_is_bad_input(tmp_path: Path) -> None:
    file = tmp_path / "version.json"
    text = (ROOM / "certificates" / "exact-labels.json").read_text()
    file.write_text(json.dumps({**json.loads(text), "version": 2}))
    assert run_checker(file).returncode == 2


def test_an_induction_lists_the_hypotheses_of_its_base() -> None:
    lines = run_checker(ROOM / "certificates" / "cyclic-sgd.json").stdout.splitlines()
    start = next(i for i, line in enumerate(lines) if "cyclic-sgd/one-pass:" in line)
    # one-sample, the base, assumes of every gamma that 2 / gamma - ||phi||^2 is a square, and not that of 0.
    assert "small-step" in lines[start + 1]
    assert "positive" in lines[start + 1]


def test_a_partition_of_known_sizes_is_no_free_choice() -> None:
    # n, r and f are sizes of the data already: n = r + f restricts them, though no line says "assume".
    lines = ["matrix A : n x r", "matrix B : n x f", "partition n = r + f by S, T", "conclude S S' = I"]
    with pytest.raises(AlgebraError):
        parse_statement("demo", lines)


def long_certificate(count: int) -> tuple[dict[str, Any], list[str]]:
    """A valid certificate of ``count`` pairs of terms that cancel, around the one that proves something."""
    lines = ["matrix A : n x n", "assume h: A A A + A A + A = 0", "conclude A A A + A A + A = 0"]
    around = [(" ".join("A" * (1 + i % 25)), " ".join("A" * (1 + i // 25 % 25))) for i in range(count)]
    terms = [["1", "", "assume(h)", ""]]
    terms += [[sign, left, "assume(h)", right] for sign in ("1", "-1") for left, right in around]
    trials: dict[str, Any] = {"model": {"sizes": {"n": 1}, "matrices": {"A": [["0"]]}}}
    trials["hypotheses"] = {"h": {"needed": {"sizes": {"n": 1}, "matrices": {"A": [["1"]]}}}}
    step = {"rule": "combination", "conclusion": lines[2].removeprefix("conclude "), "terms": terms}
    node = {"name": "t/x", "statement": lines, "steps": [step], "trials": trials}
    bundle = {"format": "muso-theory certificate", "version": 1, "claim": "t", "theorems": [node]}
    return bundle, lines


def test_checking_takes_steps_in_proportion_to_the_size_of_a_certificate() -> None:
    spent = []
    for count in (100, 200, 400, 800):
        bundle, lines = long_certificate(count)
        registered = check.read_statements("theorem t/x\n" + "".join(f"  {line}\n" for line in lines))
        assert check.check(bundle, registered) == ["t/x"]
        assert check_bundle(bundle, {"t/x": lines}).accepted
        spent.append(check.Meter.spent / len(json.dumps(bundle)))
    assert max(spent) < 1.5 * min(spent)


def test_a_small_certificate_that_takes_much_work_is_refused() -> None:
    bundle, lines = long_certificate(800)
    registered = check.read_statements("theorem t/x\n" + "".join(f"  {line}\n" for line in lines))
    check.check(bundle, registered)
    allowed, check.WORK = check.WORK, check.Meter.spent - 1
    try:
        with pytest.raises(check.Rejected, match="takes more than"):
            check.check(bundle, registered)
    finally:
        check.WORK = allowed


def _square(bundle: dict[str, Any]) -> dict[str, Any]:
    """A step of cancellation."""
    return next(s for node in bundle["theorems"] for s in node["steps"] if s["rule"] == "cancellation")


FORGERIES: dict[str, Any] = {
    "a square as text": lambda s: s.update(squares=["1A"]),
    "a square as an object": lambda s: s.update(squares=[{"1": 0, "A": 0}]),
    "a square of three": lambda s: s.update(squares=[[*s["squares"][0], "A"]]),
    "a square of one": lambda s: s.update(squares=[s["squares"][0][:1]]),
    "squares as text": lambda s: s.update(squares="1A"),
    "no squares": lambda s: s.update(squares=[]),
    "weight zero": lambda s: s["squares"][0].__setitem__(0, "0"),
    "weight negative": lambda s: s["squares"][0].__setitem__(0, "-1"),
    "weight a number": lambda s: s["squares"][0].__setitem__(0, 1),
    "weight with a sign": lambda s: s["squares"][0].__setitem__(0, "+1"),
    "weight not reduced": lambda s: s["squares"][0].__setitem__(0, "2/2"),
    "weight doubled": lambda s: s["squares"][0].__setitem__(0, "2"),
    "a root more": lambda s: s["squares"].append(["1", s["squares"][0][1]]),
    "another root concluded": lambda s: s.update(conclusion="w_r = 0"),
    "the transposed root concluded": lambda s: s.update(conclusion=f"({s['squares'][0][1]})' = 0"),
    "twice the root concluded": lambda s: s.update(conclusion=f"2 ({s['squares'][0][1]}) = 0"),
    "from nothing": lambda s: s.update({"from": "step(99)"}),
    "from itself": lambda s: s.update({"from": "def(A)"}),
    "from a number": lambda s: s.update({"from": 1}),
    "an entry more": lambda s: s.update(note="x"),
}


@pytest.mark.parametrize("forgery", FORGERIES)
def test_both_checkers_refuse_a_forged_cancellation(forgery: str) -> None:
    bundle = json.loads((ROOM / "certificates" / "newton-removal.json").read_text())
    FORGERIES[forgery](_square(bundle))
    rehash(bundle)
    assert verdicts(bundle) == (False, False)


def _own() -> tuple[dict[str, Any], list[str]]:
    """A certificate of a theorem of one's own, whose one hypothesis is untried."""
    bundle, lines = long_certificate(1)
    bundle["claim"], bundle["theorems"][0]["name"] = "mine", "mine"
    bundle["theorems"][0]["trials"]["hypotheses"] = {"h": {}}
    return bundle, lines


def _both(bundle: Any, lines: list[str], own: bool) -> tuple[bool, bool]:
    """Accepted by the package, and by the checker of the standard library."""
    try:
        text = "theorem mine\n" + "".join(f"  {line}\n" for line in lines)
        check.check(bundle, check.read_statements(text), {"mine"} if own else ())
        second = True
    except check.Rejected:
        second = False
    first = check_bundle(bundle, {}, {"mine": lines}) if own else check_bundle(bundle, {"mine": lines})
    return first.accepted, second


def test_only_of_ones_own_theorem_a_hypothesis_may_be_untried() -> None:
    bundle, lines = _own()
    assert _both(bundle, lines, own=True) == (True, True)
    assert _both(bundle, lines, own=False) == (False, False)


OWN_FORGERIES: dict[str, Any] = {
    "no model": lambda n: n["trials"].pop("model"),
    "no trials": lambda n: n.pop("trials"),
    "a model that is none": lambda n: n["trials"]["model"]["matrices"].update(A=[["1"]]),
    "the hypothesis left out": lambda n: n["trials"]["hypotheses"].clear(),
    "a hypothesis that is none": lambda n: n["trials"]["hypotheses"].update(other={}),
    "untried as null": lambda n: n["trials"]["hypotheses"].update(h=None),
    "untried as a list": lambda n: n["trials"]["hypotheses"].update(h=[]),
    "untried as text": lambda n: n["trials"]["hypotheses"].update(h=""),
    "untried as zero": lambda n: n["trials"]["hypotheses"].update(h=0),
    "redundant without a model": lambda n: n["trials"]["hypotheses"].update(h={"redundant": {}}),
    "needed by a model of it": lambda n: n["trials"]["hypotheses"].update(h={"needed": n["trials"]["model"]}),
    "another conclusion": lambda n: n["statement"].__setitem__(2, "conclude A = 0"),
    "a stronger hypothesis": lambda n: n["statement"].__setitem__(1, "assume h: A = 0"),
    "a hypothesis more": lambda n: n["statement"].insert(2, "assume k: A = 0"),
    "the hypothesis gone": lambda n: n["statement"].pop(1),
    "a term gone": lambda n: n["steps"][0]["terms"].pop(),
    "a term twice": lambda n: n["steps"][0]["terms"].append(n["steps"][0]["terms"][0]),
    "a coefficient of another size": lambda n: n["steps"][0]["terms"][0].__setitem__(0, "2"),
    "a fact that is none": lambda n: n["steps"][0]["terms"][0].__setitem__(2, "assume(k)"),
    "no steps": lambda n: n["steps"].clear(),
    "another name": lambda n: n.update(name="mine/two"),
    "a name of the collection": lambda n: n.update(name="exact-labels"),
}


@pytest.mark.parametrize("forgery", OWN_FORGERIES)
def test_both_checkers_refuse_a_forged_theorem_of_ones_own(forgery: str) -> None:
    bundle, lines = _own()
    OWN_FORGERIES[forgery](bundle["theorems"][0])
    assert _both(bundle, lines, own=True) == (False, False)


def test_names_of_files_are_printed_escaped(tmp_path: Path) -> None:
    forged = tmp_path / "x\naccepted exact-labels\n36 of 36.json"
    forged.write_text("{}")
    unreadable = tmp_path / "y\naccepted label-free.json"
    unreadable.write_text("not json")
    result = run_checker(forged, unreadable)
    assert result.returncode == 2
    told = result.stdout.splitlines() + result.stderr.splitlines()
    assert not any(line.startswith(("accepted", "36 of 36")) for line in told)


def test_the_hash_of_the_statements_is_printed_and_stands_in_the_room() -> None:
    digest = hashlib.sha256((ROOM / "statements.txt").read_bytes()).hexdigest()
    shown = run_checker(ROOM / "certificates" / "exact-labels.json").stdout.splitlines()
    assert shown[0] == f"statements statements.txt: sha256 {digest}"
    assert f"sha256 {digest}" in (ROOM / "README.md").read_text()
