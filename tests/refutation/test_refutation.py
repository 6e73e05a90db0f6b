"""The falsifier breaks what is wrong, leaves alone what is right, and survives every rule that misbehaves."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from fractions import Fraction
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import muso_theory as mt
from muso_theory import pytest_plugin
from muso_theory.claims.families import CHECKS
from muso_theory.evidence import Verdict
from muso_theory.refutation import (
    RIGHT,
    STRUCTURES,
    WRONG,
    Counterexample,
    Failure,
    Refutation,
    exact_square_gap,
    load_rule,
    refute,
    refute_report,
)
from muso_theory.refutation.isolation import Runner, _where
from muso_theory.refutation.replaying import replay
from muso_theory.refutation.shrinking import shrink, size
from tests import ROOT
from verification.commands import muso


def good(problem: mt.UnlearningProblem) -> np.ndarray:
    return mt.optimal_labels(problem)


@cache
def broken(name: str, exact: bool = True) -> Refutation:
    """What the search finds against a wrong rule."""
    rule = WRONG[name]
    return refute_report(rule, kind=rule.kind, exact=exact)


def found(name: str, exact: bool = True) -> Counterexample:
    counterexample = broken(name, exact).counterexample
    assert counterexample is not None
    return counterexample


# -- the rulebook --------------------------------------------------------------------------------------


def test_the_rulebook_is_as_large_as_promised() -> None:
    assert len(WRONG) >= 15
    assert len(RIGHT) >= 8


@pytest.mark.slow
def test_all_wrong_rules_are_refuted() -> None:
    small = 0
    for name in WRONG:
        assert broken(name).verdict is Verdict.REFUTED
        problem = found(name).problem
        small += problem.n_samples <= 4 and problem.n_features <= 5
    assert small >= 12


@pytest.mark.slow
@pytest.mark.parametrize("exact", [True, False], ids=["exact", "float"])
@pytest.mark.parametrize("name", WRONG)
def test_counterexamples_are_true_and_small(name: str, exact: bool) -> None:
    counterexample = found(name, exact)
    assert counterexample.failure is Failure.GAP
    assert counterexample.stands()
    problem = counterexample.problem
    assert problem.n_samples <= 4
    assert problem.n_features <= 5
    # Confirmed by the report, which knows nothing of the search.
    values = counterexample.values
    assert values is not None
    given = {
        "labels" if counterexample.kind == "labels" else "w_unlearned": values
        if exact
        else values.astype(float)
    }
    if problem.w_init is None:
        zero = np.zeros((problem.n_features, *problem.targets.shape[1:]), dtype=int)
        problem = mt.UnlearningProblem(problem.features, problem.targets, problem.forget, zero)
    report = mt.check(problem, ["exact-labels"], "rational", **given)  # type: ignore[arg-type]
    assert report["exact-labels"].verdict is Verdict.REFUTED


@pytest.mark.slow
@pytest.mark.parametrize("name", RIGHT)
def test_right_rules_are_not_refuted(name: str) -> None:
    rule = RIGHT[name]
    options: dict[str, Any] = {"kind": rule.kind, "assuming": rule.assuming, "guided": 0}
    result = refute_report(rule, exact=True, max_examples=300, **options)
    assert result.verdict is Verdict.MEASURED
    assert result.coverage.tried >= 100
    assert refute(rule, max_examples=60, **options) is None


@pytest.mark.parametrize(
    "name", [name for name, rule in RIGHT.items() if rule.assuming and name != "ntk-scrubbing"]
)
def test_right_rules_need_their_conditions(name: str) -> None:
    rule = RIGHT[name]
    assert refute(rule, kind=rule.kind, exact=True) is not None


def test_scrubbing_with_pseudo_inverses_needs_its_condition() -> None:
    rule = RIGHT["ntk-scrubbing"]
    assert refute(rule, kind="parameters", exact=True) is not None


@pytest.mark.parametrize(
    ("method", "assuming"),
    [("closed-form", ()), ("label-free", "least-squares-on-retain"), ("leave-block-out", "full-rank")],
)
def test_label_methods_of_the_package_pass_as_float_rules(method: str, assuming: str) -> None:
    assert refute(lambda p: mt.optimal_labels(p, method), assuming=assuming, max_examples=150) is None


def test_float64_sees_the_rank_of_a_gram_matrix_that_lapack_blurs() -> None:
    """Found by the falsifier: K_RR has rank 2, and LAPACK's third eigenvalue is 2.5·n·eps·λ_max instead of 0."""
    features = np.array([[1 / 8, 1 / 8, 1], [3 / 4, 3 / 4, 0], [0, 0, 1], [1, 1, 1 / 8]])
    problem = mt.UnlearningProblem(features, [0.0, 0.0, 0.0, 1.0], [2])
    assert good(problem) == pytest.approx([-24 / 701])


def test_a_ridge_in_the_label_is_seen_where_the_gram_matrix_is_graded() -> None:
    result = refute(lambda p: mt.optimal_labels(p, "ridge", ridge=1e-8))
    assert result is not None
    assert result.square_gap is not None
    assert result.square_gap > 0


# -- misbehaviour ----------------------------------------------------------------------------------------


def _writes(p: mt.UnlearningProblem) -> np.ndarray:
    p.features[0, 0] += 1
    return good(p)


def _writes_by_force(p: mt.UnlearningProblem) -> np.ndarray:
    base = p.features.base
    assert base is not None
    base.flags.writeable = True
    base[0, 0] += 1
    return good(p)


def _unseeded(p: mt.UnlearningProblem) -> np.ndarray:
    return good(p) + np.random.default_rng().standard_normal()


def _dies(p: mt.UnlearningProblem) -> np.ndarray:
    os._exit(3)


def _hangs(p: mt.UnlearningProblem) -> np.ndarray:
    while True:
        pass


MISBEHAVIOUR: list[tuple[Callable[[Any], Any], Failure]] = [
    (lambda p: 1 / 0, Failure.RAISES),
    (lambda p: good(p) * np.nan, Failure.NOT_FINITE),
    (lambda p: good(p)[:0], Failure.WRONG_SHAPE),
    (lambda p: None, Failure.WRONG_SHAPE),
    (lambda p: np.full(good(p).shape, "a"), Failure.NOT_NUMBERS),
    (lambda p: good(p) * 1j, Failure.NOT_NUMBERS),
    (lambda p: np.full(good(p).shape, None), Failure.NOT_NUMBERS),
    (_writes, Failure.MUTATES),
    (_writes_by_force, Failure.MUTATES),
    (_unseeded, Failure.RANDOM),
    (_dies, Failure.DIES),
]


@pytest.mark.parametrize(("rule", "failure"), MISBEHAVIOUR)
def test_misbehaving_rules_are_reported_as_such(rule: Callable[[Any], Any], failure: Failure) -> None:
    result = refute(rule, max_examples=20)
    assert result is not None
    assert result.failure is failure
    assert result.square_gap is None
    assert failure.value in str(result)
    assert (result.problem.n_samples, result.problem.n_features) == (2, 1)
    assert Counterexample.from_json(result.to_json()).failure is failure


def test_a_rule_that_forgets_its_return_is_told_so() -> None:
    assert "returned None" in str(refute(lambda p: None, max_examples=20))
    assert "returned None" not in str(refute(lambda p: good(p)[:0], max_examples=20))


def test_a_rule_by_name_is_told_how_to_be_had() -> None:
    with pytest.raises(mt.BadInputError, match=r"mt\.refutation\.load_rule\('retain-mean'\)"):
        refute("retain-men")
    assert refute(mt.refutation.load_rule("retain-mean"), max_examples=100) is not None
    with pytest.raises(mt.BadInputError, match="'exact-labels'"):
        refute("exact-label")


def test_absurdly_large_answers_are_gaps() -> None:
    result = refute(lambda p: good(p) + 1e300, max_examples=20)
    assert result is not None
    assert result.failure is Failure.GAP
    assert result.square_gap is not None
    assert result.square_gap > 10**500


@pytest.mark.parametrize(
    "change",
    [
        {"values": None, "square_gap": "7"},
        {"values": None, "square_gap": None},
        {"failure": "RAISES", "square_gap": "7"},
        {"tolerance": "nan"},
        {"tolerance": "inf"},
        {"tolerance": "-1"},
    ],
)
def test_a_replay_file_with_a_number_that_nothing_supports_is_refused(
    change: dict[str, Any], tmp_path: Path
) -> None:
    name = next(iter(WRONG))
    path = tmp_path / "told.json"
    path.write_text(json.dumps(json.loads(found(name).to_json()) | change), encoding="utf-8")
    with pytest.raises(mt.BadInputError):
        replay(path)


def _hangs_on_more_than(samples: int, otherwise: Callable[[Any], Any]) -> Callable[[Any], Any]:
    def rule(p: mt.UnlearningProblem) -> Any:
        return _hangs(p) if p.n_samples > samples else otherwise(p)

    return rule


@pytest.mark.parametrize(("samples", "answered"), [(0, False), (3, True)])
def test_running_out_of_time_is_neither_a_counterexample_nor_its_absence(
    samples: int, answered: bool
) -> None:
    rule = _hangs_on_more_than(samples, good)
    result = refute_report(rule, time_limit=0.3)
    assert result.verdict is Verdict.UNDECIDED
    assert result.counterexample is None
    assert result.coverage.skipped["no answer within the time limit"] == 3  # and not a thousand times 0.3 s
    assert (result.coverage.tried > 0) is answered
    with pytest.raises(mt.MusoError, match=r"did not answer in 0\.3 s on 3 problems"):
        refute(rule, time_limit=0.3)


def test_a_rule_that_hangs_and_is_wrong_is_refuted() -> None:
    result = refute(_hangs_on_more_than(3, lambda p: good(p) + 1), time_limit=0.3)
    assert result is not None
    assert result.failure is Failure.GAP


def _declines(p: mt.UnlearningProblem) -> np.ndarray:
    raise mt.MusoError("not for this problem")


def _declines_larger(p: mt.UnlearningProblem) -> np.ndarray:
    return good(p) if p.n_samples <= 3 else _declines(p)


def test_declining_every_problem_is_told_from_no_counterexample() -> None:
    with pytest.raises(mt.MusoError, match=r"declined each of the \d+ problems it was asked"):
        refute(_declines, max_examples=20)
    with pytest.raises(mt.MusoError, match="no problem could be asked: full-rank fails"):
        refute(good, max_examples=20, assuming="full-rank", max_features=1, guided=0)
    assert refute(_declines_larger, max_examples=20) is None  # the control: some problems were answered


@pytest.mark.slow
@pytest.mark.parametrize(
    ("text", "status"),
    [
        ("return mt.optimal_labels(p) + 1", 1),
        ("return mt.optimal_labels(p)", 0),
        ("raise mt.MusoError('not for me')", 3),
        ("while True: pass", 3),
        ("return (", 2),
    ],
)
def test_the_command_line_tells_what_came_of_a_search(text: str, status: int, tmp_path: Path) -> None:
    path = tmp_path / "rule.py"
    path.write_text(f"import muso_theory as mt\n\n\ndef rule(p):\n    {text}\n", encoding="utf-8")
    words = [
        "refute",
        f"{path}:rule",
        "--max-examples",
        "20",
        "--time-limit",
        "2" if "while" in text else "20",
    ]
    assert muso(*words).status == status


def test_honest_refusals_are_no_failures_and_leave_the_search_undecided() -> None:
    def refuses(p: mt.UnlearningProblem) -> np.ndarray:
        raise mt.MusoError("not for this problem")

    result = refute_report(refuses, max_examples=20, guided=0)
    assert result.verdict is Verdict.UNDECIDED
    assert result.coverage.skipped["refused by the rule"] == 20
    assert "left out: refused by the rule 20" in str(result)


def test_no_process_is_left_behind() -> None:
    with Runner(good) as runner:
        runner(mt.UnlearningProblem(np.eye(2), [1.0, 2.0], [1]))
        process = runner._process
        assert process.is_alive()
        pid = process.pid
    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)


def test_what_a_rule_prints_does_not_reach_stdout(capfd: pytest.CaptureFixture[str]) -> None:
    def chatty(p: mt.UnlearningProblem) -> np.ndarray:
        print("hello")
        os.write(1, b"hello")
        return good(p)

    assert refute(chatty, max_examples=3, guided=0) is None
    assert not capfd.readouterr().out


# -- how float rules are judged --------------------------------------------------------------------------


@pytest.mark.parametrize(("error", "verdict"), [(1e-9, Verdict.MEASURED), (1e-3, Verdict.REFUTED)])
def test_float_rules_are_held_to_the_tolerance(error: float, verdict: Verdict) -> None:
    assert refute_report(lambda p: good(p) * (1 + error), max_examples=200, guided=0).verdict is verdict


def test_exact_rules_are_held_to_equality() -> None:
    tiny = Fraction(1, 10**40)
    assert refute(lambda p: RIGHT["closed-form"](p) + tiny, exact=True) is not None


def test_float_rules_see_float64_and_exact_rules_see_fractions() -> None:
    def kinds(p: mt.UnlearningProblem) -> np.ndarray:
        expected_kind = (np.float64, Fraction)[p.features.dtype == object]
        assert type(p.features[0, 0]) is type(p.targets.ravel()[0]) is expected_kind
        return RIGHT["closed-form"](p)

    for exact in (False, True):
        assert refute(kinds, exact=exact, max_examples=30, guided=0) is None


def test_ill_conditioned_problems_are_left_out_for_float_rules_only() -> None:
    coverage = refute_report(good, max_examples=300, guided=0).coverage
    assert coverage.skipped["ill-conditioned"] > 0
    assert refute_report(RIGHT["closed-form"], exact=True, max_examples=300, guided=0).coverage.tried == 300


# -- guided search -----------------------------------------------------------------------------------------


def drifts(p: mt.UnlearningProblem) -> np.ndarray:
    """Right to ten digits on small targets, and worse and worse on large ones."""
    return RIGHT["closed-form"](p) + 1e-13 * p.targets[p.forget] ** 6


@pytest.mark.slow
def test_guided_search_finds_what_random_search_misses() -> None:
    assert refute(drifts, guided=0) is None
    result = refute_report(drifts)
    assert result.counterexample is not None
    assert set(result.coverage.structures) == {*STRUCTURES, "guided"}
    counterexample = result.counterexample
    assert counterexample.stands()
    assert max(abs(x) for x in counterexample.problem.targets) > 3
    assert all(Fraction(x).denominator <= 1024 for x in counterexample.problem.features.ravel())


# -- coverage, determinism, shrinking ------------------------------------------------------------------------


def test_coverage_is_counted() -> None:
    result = refute_report(RIGHT["closed-form"], exact=True, max_examples=200, guided=0)
    coverage = result.coverage
    assert coverage.tried == 200 == sum(coverage.sizes.values()) == sum(coverage.ranks.values())
    assert set(coverage.structures) == set(STRUCTURES)
    assert len(coverage.ranks) == 4
    assert len(coverage.sizes) > 20
    assert "which proves nothing\n200 problems tried" in str(result)
    assert result.verdict is Verdict.MEASURED
    with pytest.raises(TypeError, match="not a truth value"):
        bool(result)


def test_the_same_seed_gives_the_same_bytes_and_nothing_is_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    texts = [
        result.to_json()
        for seed in (0, 0, 5)
        if (result := refute(WRONG["transposed-block"], exact=True, seed=seed)) is not None
    ]
    assert texts[0] == texts[1]
    assert len(texts) == 3
    first, other = (
        refute_report(good, max_examples=40, seed=seed, guided=0).coverage.sizes for seed in (0, 1)
    )
    assert first != other
    assert not list(tmp_path.iterdir())


def test_shrinking_never_grows_and_keeps_the_failure() -> None:
    rng = np.random.default_rng(0)
    problem = mt.UnlearningProblem(
        rng.integers(-3, 4, (6, 8)).astype(object), rng.integers(-3, 4, 6).astype(object), [1, 4]
    )

    def fails(p: mt.UnlearningProblem) -> bool:
        return exact_square_gap(p, p.targets[p.forget]) != 0

    smaller = shrink(problem, fails)
    assert fails(smaller)
    assert size(smaller) < size(problem)
    assert (smaller.n_samples, smaller.n_features) == (2, 1)
    assert shrink(problem, fails, budget=0) is problem


# -- claims ----------------------------------------------------------------------------------------------------

THEOREMS = [
    claim
    for claim in mt.claims.CATALOGUE.values()
    if not claim.is_condition and CHECKS[claim.slug].on_any_problem
]
HYPOTHESES = [(claim.slug, hypothesis) for claim in THEOREMS for hypothesis in claim.hypotheses]
# K_RR⁺ for K_RR⁻¹ makes the first redundant; two requests out of two samples leave nothing to speak of in the second,
# nor does forgetting the only feature in the third, holding the only parameter, or all of R but R in the last.
NOT_REFUTED = {
    ("ridge-inverse", "full-rank-retain"),
    ("sequential-requests", "three-samples"),
    ("forget-features", "two-features"),
    ("affine-constraint", "two-features"),
    ("capacity", "proper-subset"),
}


@pytest.mark.slow
@pytest.mark.parametrize("claim", THEOREMS, ids=lambda claim: claim.slug)
def test_claims_as_stated_are_not_refuted(claim: Any) -> None:
    result = refute_report(claim.slug, max_examples=200)
    assert result.verdict is Verdict.MEASURED, str(result)
    assert result.coverage.tried >= 50


@pytest.mark.parametrize(("slug", "hypothesis"), HYPOTHESES)
def test_dropping_a_hypothesis_is_refuted_by_search(slug: str, hypothesis: str) -> None:
    result = refute_report(slug, without=hypothesis, max_examples=200)
    if (slug, hypothesis) in NOT_REFUTED:
        assert result.verdict is Verdict.MEASURED
        return
    counterexample = result.counterexample
    assert counterexample is not None
    assert counterexample.kind == "claim"
    assert counterexample.problem.n_samples <= 3
    others = [h for h in mt.claims[slug].hypotheses if h != hypothesis]
    for other in others:
        assert mt.check(counterexample.problem, [other], "rational")[other].verdict is Verdict.PROVED


def test_a_false_claim_would_be_refuted(monkeypatch: pytest.MonkeyPatch) -> None:
    """Control: label-free with its hypothesis struck from the catalogue."""
    from dataclasses import replace

    from muso_theory.claims import CATALOGUE

    monkeypatch.setitem(CATALOGUE, "label-free", replace(CATALOGUE["label-free"], needs={}))
    assert refute("label-free") is not None


# -- what a counterexample can be turned into ------------------------------------------------------------------


@pytest.mark.parametrize("name", ["transposed-block", "forget-only", "float32-labels", "start-forgotten"])
@pytest.mark.parametrize("exact", [True, False], ids=["exact", "float"])
def test_every_form(name: str, exact: bool, capsys: pytest.CaptureFixture[str]) -> None:
    counterexample = found(name, exact)
    exec(compile(counterexample.to_python(), name, "exec"), {})
    assert capsys.readouterr().out.startswith("REFUTED")
    again = Counterexample.from_json(counterexample.to_json())
    assert again.to_json() == counterexample.to_json()
    assert str(again) == str(counterexample)
    latex = counterexample.to_latex()
    assert latex.count(r"\begin{pmatrix}") == latex.count(r"\end{pmatrix}") >= 4
    assert latex.count("{") == latex.count("}")
    table = str(counterexample).splitlines()
    assert len(table) == 4 + counterexample.problem.n_samples + (counterexample.kind == "parameters")


def test_a_claims_script_runs(capsys: pytest.CaptureFixture[str]) -> None:
    counterexample = refute("label-free", without="least-squares-on-retain")
    assert counterexample is not None
    exec(compile(counterexample.to_python(), "claim", "exec"), {})
    assert "REFUTED    label-free" in capsys.readouterr().out


def test_a_tampered_gap_does_not_stand() -> None:
    content = json.loads(found("zero-labels").to_json())
    content["square_gap"] = "7"
    assert not Counterexample.from_json(json.dumps(content)).stands()


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"schema": 2}', '{"schema": 1, "problem": {}}'])
def test_other_files_are_refused(text: str) -> None:
    with pytest.raises(mt.MusoError, match="expected"):
        Counterexample.from_json(text)


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda: refute("no-claim"), "expected a claim"),
        (lambda: refute("full-rank"), "expected a theorem"),
        (lambda: refute("label-free", without="full-rank"), "expected a hypothesis of label-free"),
        (lambda: refute(good, without="full-rank"), "expected a claim"),
        (lambda: refute(good, assuming="full-rnk"), "try 'full-rank'"),
        (lambda: refute(good, assuming="exact-labels"), "expected a condition"),
        (lambda: refute(good, kind="label"), "'labels' or 'parameters'"),
        (lambda: refute(good, max_examples=0), "an integer of at least 1"),
        (lambda: refute(good, max_samples=1), "an integer of at least 2"),
        (lambda: refute(good, tolerance=0), "a positive number"),
        (lambda: refute(3), "a callable or text but got rule=3"),  # type: ignore[arg-type]
        (lambda: refute(lambda: 0), "expected a rule of one argument"),
        (lambda: refute(lambda features, targets: targets), "missing a required argument: 'targets'"),
        (lambda: load_rule("zero-label"), "try 'zero-labels'"),
        (lambda: load_rule("muso_theory:optimal_label"), "no optimal_label"),
        (lambda: load_rule("nowhere.at_all:f"), "can be imported"),
        (lambda: load_rule("nowhere.py:f"), "an existing file"),
        (lambda: load_rule("muso_theory:__version__"), "expected a callable"),
    ],
)
def test_mistakes_are_worded(call: Callable[[], Any], words: str) -> None:
    with pytest.raises(mt.MusoError, match="expected") as told:
        call()
    assert words in str(told.value)


# -- the command -------------------------------------------------------------------------------------------------


@pytest.fixture
def rules(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A user's module in the current directory."""
    path = tmp_path / "my_rules_for_muso.py"
    path.write_text(
        "import muso_theory as mt\n"
        "def right(problem):\n    return mt.optimal_labels(problem)\n"
        "def wrong(problem):\n    return mt.optimal_labels(problem) + 1\n"
        "def hangs(problem):\n    while True: pass\n"
    )
    monkeypatch.chdir(tmp_path)
    before = list(sys.path)
    yield path
    sys.path[:] = before
    sys.modules.pop("my_rules_for_muso", None)


def test_command_on_a_users_rule(rules: Path, tmp_path: Path) -> None:
    replay = tmp_path / "found.json"
    bad = muso("refute", "my_rules_for_muso:wrong", "--json", replay)
    assert (bad.status, bad.err) == (1, "")
    assert bad.out.startswith("REFUTED  my_rules_for_muso:wrong\n")
    fine = muso("refute", f"{rules}:right", "--max-examples", 50)
    assert (fine.status, fine.err) == (0, "")
    assert fine.out.startswith(f"MEASURED  {rules}:right: no counterexample found, which proves nothing")
    again = muso("refute", "my_rules_for_muso:wrong", "--replay", replay)
    assert again.status == 1
    assert "the rule, asked again, fails as stored" in again.out
    # The rule is mended; the stored problem refutes it no longer.
    rules.write_text(rules.read_text().replace(" + 1", ""))
    mended = muso("refute", "my_rules_for_muso:wrong", "--replay", replay)
    assert (mended.status, mended.out.split()[0]) == (0, "MEASURED")
    # The rule is gone; the gap still stands by itself.
    rules.unlink()
    gone = muso("refute", "--replay", replay)
    assert gone.status == 1
    assert "was not asked again" in gone.out
    content = json.loads(replay.read_text())
    content["square_gap"] = "1/7"
    replay.write_text(json.dumps(content))
    assert muso("refute", "--replay", replay).status == 2


@pytest.mark.slow
def test_command_on_claims_and_formats() -> None:
    assert muso("refute", "--claim", "gap-formula", "--max-examples", 40).status == 0
    dropped = muso("refute", "--claim", "label-free", "--without", "least-squares-on-retain")
    assert dropped.status == 1
    assert dropped.out.splitlines()[1] == "label-free without least-squares-on-retain is false here"
    for form, start in (("python", "# zero-labels"), ("latex", "\\["), ("json", "{")):
        shown = muso("refute", "zero-labels", "--exact", "--format", form)
        assert (shown.status, shown.out.startswith(start)) == (1, True)
    assert Counterexample.from_json(muso("refute", "zero-labels", "--json", "-").out).rule == "zero-labels"
    scrubbing = muso("refute", "ntk-scrubbing", "--exact", "--max-examples", 30)
    assert scrubbing.status == 0  # kind and conditions come with the rulebook's entry
    for usage in (
        (),
        ("zero-labels", "--claim", "gap-formula"),
        ("no-such-rule",),
        ("--replay", "nowhere.json"),
    ):
        answer = muso("refute", *usage)
        assert (answer.status, answer.out) == (2, "")
        assert answer.err.startswith("muso: expected ")


def test_replay_of_a_claim(tmp_path: Path) -> None:
    path = tmp_path / "claim.json"
    assert muso("refute", "--claim", "leave-block-out", "--without", "full-rank", "--json", path).status == 1
    assert muso("refute", "--replay", path).status == 1
    path.write_text(path.read_text().replace(" without full-rank", ""))
    assert muso("refute", "--replay", path).status == 0


# -- the pytest plugin -------------------------------------------------------------------------------------------


def pytest_run(folder: Path, *words: str) -> subprocess.CompletedProcess[str]:
    env = {
        **os.environ,
        "PYTHONPATH": str(ROOT),
        "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1",
        "PYTHONDONTWRITEBYTECODE": "1",
    }
    line = [
        sys.executable,
        "-m",
        "pytest",
        "-p",
        "muso_theory.pytest_plugin",
        "-p",
        "no:cacheprovider",
        "-q",
        *words,
    ]
    return subprocess.run(line, cwd=folder, env=env, capture_output=True, text=True, check=False)


@pytest.mark.slow
def test_pytest_plugin(rules: Path, tmp_path: Path) -> None:
    options = ("--muso-rule", "my_rules_for_muso:right", "--muso-examples", "30")
    good_run = pytest_run(tmp_path, *options)
    assert good_run.returncode == 0, good_run.stdout + good_run.stderr
    assert "1 passed" in good_run.stdout
    bad_run = pytest_run(tmp_path, *options, "--muso-rule", "my_rules_for_muso:wrong")
    assert bad_run.returncode == 1
    assert "1 failed, 1 passed" in bad_run.stdout
    assert "REFUTED  my_rules_for_muso:wrong" in bad_run.stdout
    assert "Traceback" not in bad_run.stdout
    assert [path.name for path in tmp_path.iterdir()] == ["my_rules_for_muso.py"]


def test_an_option_of_the_plugin_defaults_to_what_its_help_says() -> None:
    parser = pytest.Parser(_ispytest=True)
    pytest_plugin.pytest_addoption(parser)
    options = [option.attrs() for group in parser._groups for option in group.options]
    told = [
        (a["default"], m[1]) for a in options if (m := re.search(r"\(default (\w+)\)", a.get("help", "")))
    ]
    assert len(told) == 2
    assert all(str(default) == words for default, words in told)


def test_a_misspelt_rule_is_a_mistake_in_the_usage_and_no_failed_test(tmp_path: Path) -> None:
    run = pytest_run(tmp_path, "--muso-rule", "retain-men")
    assert run.returncode == 4, run.stdout
    assert "try 'retain-mean'" in run.stderr
    assert "failed" not in run.stdout


def test_pytest_plugin_is_silent_and_light_when_not_asked(tmp_path: Path) -> None:
    (tmp_path / "test_light.py").write_text(
        "import sys\ndef test_light():\n    assert not {'numpy', 'scipy', 'hypothesis', 'flint'} & set(sys.modules)\n"
    )
    run = pytest_run(tmp_path)
    assert (run.returncode, "1 passed" in run.stdout) == (0, True), run.stdout


def test_help_stays_light() -> None:
    code = "import sys, muso_theory.commands.cli; print({'numpy', 'scipy', 'hypothesis', 'flint'} & set(sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "set()"


@pytest.mark.parametrize("word", ["tolerance", "time_limit"])
@pytest.mark.parametrize("value", [0, -1.0, float("inf"), float("nan")])
def test_only_positive_numbers_limit_a_search(word: str, value: float) -> None:
    with pytest.raises(mt.MusoError, match=f"expected a (positive )?number but got {word}="):
        refute_report("label-free", **{word: value})


def test_an_exception_is_told_by_the_rules_own_last_line(tmp_path: Path) -> None:
    """However the files are called through which it passed besides."""
    sources = {"rule": "def rule(f):\n    return f()\n"} | {
        name: f"def f():\n    raise KeyError({name!r})\n" for name in ("a_library", "z_library")
    }
    made: dict[str, Any] = {}
    for name, text in sources.items():
        path = tmp_path / f"{name}.py"
        path.write_text(text)
        exec(compile(text, str(path), "exec"), names := {})
        made[name] = names.get("rule") or names["f"]
    for name in ("a_library", "z_library"):
        with pytest.raises(KeyError) as raised:
            made["rule"](made[name])
        assert _where(raised.value) == ", line 2 of rule.py: return f()"
