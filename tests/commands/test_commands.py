"""The ``muso`` command as a user runs it: what it answers, where, and with which exit status."""

from __future__ import annotations

import hashlib
import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from muso_theory.claims import CATALOGUE
from muso_theory.claims.checks import everywhere
from muso_theory.claims.families import CHECKS
from muso_theory.commands import check as check_command
from muso_theory.commands import cli
from muso_theory.evidence import Verdict
from muso_theory.files.writing import npz_bytes
from muso_theory.glossary import GLOSSARY
from muso_theory.inputs.maps import map_options
from muso_theory.machine import versions
from muso_theory.map_names import FEATURE_MAPS
from tests import ROOT
from tests.running import (
    IDENTITY,
    answered,
    command,
    minimum_norm,
    retrained,
    small,
    tall,
    write,
)
from verification.commands import muso

HOLDS = {"PROVED", "CERTIFIED", "MEASURED"}


@pytest.fixture
def data(tmp_path: Path) -> Path:
    return write(tmp_path / "small.npz", small())


# Sources


def test_answers_on_stdout_and_says_nothing_on_stderr(data: Path) -> None:
    answer = muso("check", data, *IDENTITY)
    assert answer.status == 0
    assert answer.err == ""
    lines = answer.out.splitlines()
    assert lines[0] == "small.npz: n = 8, D = 12, 2 to forget"
    assert lines[-2].startswith("Verdict ")
    assert lines[-1].endswith("exit status 0")
    for claim in (CATALOGUE[slug] for slug, check in CHECKS.items() if check.listed is everywhere):
        (line,) = [line for line in lines if line.split()[1:2] == [claim.slug]]
        assert line.split()[0] in HOLDS
    assert all(line == line.rstrip() and len(line) <= 118 for line in lines)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("source", "options", "n", "d"),
    [  # breast_cancer has columns of very different scale: plain float64 hands out labels that are not good enough
        ("digits", ("--classes", "3,7", "--n-features", "400"), 362, 400),
        ("breast_cancer", ("--n-features", "600", "--forget", "class:benign"), 569, 600),
        ("mnist", ("--classes", "3,7", "--n-features", "1200", "--forget", "retain:300"), 1000, 1200),
    ],
)
def test_embedded_data(source: str, options: tuple[str, ...], n: int, d: int) -> None:
    answer = muso("check", source, *options, "--claim", "exact-labels", "--json", "-")
    assert answer.err == ""
    assert (answer.report["input"]["n"], answer.report["input"]["D"]) == (n, d)
    assert answer.verdicts["exact-labels"] in HOLDS
    assert answer.status == (0 if answer.verdicts["exact-labels[output]"] in HOLDS else 3)
    if source != "breast_cancer":
        assert answer.status == 0
    if source == "mnist":
        assert answer.report["input"]["forget"] == 700


CSV = b"a,b,forget,y\n1,2,0,1\n3,-1,0,2\n0,5,1,4\n2,2,0,-3\n"


@pytest.mark.parametrize("kind", ["npz", "csv"])
def test_a_file_and_a_pipe_give_the_same_evidence(tmp_path: Path, kind: str) -> None:
    content = CSV if kind == "csv" else npz_bytes(small())
    path = tmp_path / f"data.{kind}"
    path.write_bytes(content)
    options = (*IDENTITY, "--arithmetic", "rational", "--json", "-")
    file, pipe = muso("check", path, *options), muso("check", "-", *options, stdin=content)
    assert file.status == pipe.status
    for answer in (file, pipe):
        assert answer.report["input"]["data_sha256"] == hashlib.sha256(content).hexdigest()
        assert answer.report["settings"]["source"]["forget"] == "column"
    assert file.report["evidence"] == pipe.report["evidence"]


def test_a_csv_of_classes() -> None:
    rows = "\n".join(f"{i % 5},{(i * i) % 7},{i % 3},{'cat' if i % 2 else 'dog'}" for i in range(14))
    answer = muso("check", "-", "--n-features", 40, "--json", "-", stdin=f"a,b,c,pet\n{rows}\n".encode())
    assert answer.report["input"]["n"] == 14
    assert answer.report["settings"]["source"]["forget"] == "random:0.1"


# Options


@pytest.mark.parametrize("name", FEATURE_MAPS)
def test_every_feature_map(data: Path, name: str) -> None:
    options = ("--claim", "exact-labels", "--json", "-")
    known = map_options(name)
    size = ("--n-features", 30) if "n_features" in known else ()
    answer = muso("check", data, "--features", name, *size, *options)
    assert answer.status == 0
    assert answer.report["input"]["D"] == 30 or not size
    assert answer.report["input"]["D"] == 12 or name != "identity"
    assert answer.report["settings"]["source"]["features"] == name
    told = {row["word"]: row for row in answer.report["input"]["understood"]}["map"]
    assert ("the input itself" if name == "identity" else f"{FEATURE_MAPS[name]}, D = ") in told["value"]
    assert told["how"] == ("default" if {*known} - {"n_features"} else "given")  # no more was said
    other = "gaussian" if name != "gaussian" else "laplacian"
    assert (
        muso("check", data, "--features", other, "--n-features", 30, *options).report["input"]["sha256"]
        != (answer.report["input"]["sha256"])
    )


def test_bandwidth(data: Path) -> None:
    options = ("check", data, "--n-features", 30, "--claim", "exact-labels")
    assert "bandwidth 2.5, seed 0" in muso(*options, "--bandwidth", "2.5").out
    X = small()["X"]
    found = []
    for rows, fit in ((np.delete(X, [1, 4], 0), "retain"), (X, "all")):
        distances = [np.linalg.norm(a - b) for i, a in enumerate(rows) for b in rows[:i]]
        found.append(f"bandwidth {np.median(distances):.6g} (median)")
        assert found[-1] in muso(*options, "--fit-map", fit).out
    assert found[0] != found[1]


@pytest.mark.parametrize(
    ("classes", "forget", "expected"),
    [
        ("3,7", "class:7", lambda c: ((c == 3) | (c == 7), c == 7)),
        ("odd-even", "subclass:3", lambda c: (c >= 0, c == 3)),
        ("1,4|0,2", "subclass:4", lambda c: ((c == 1) | (c == 4) | (c == 0) | (c == 2), c == 4)),
        ("3,7", "random:0.1", 36),
        ("3,7", "random:25", 25),
        ("3,7", "rows:0,4-9", 7),
        ("3,7", "retain:300", 62),
    ],
)
def test_classes_and_forget_sets(classes: str, forget: str, expected: Any) -> None:
    from sklearn.datasets import load_digits

    options = ("--classes", classes, "--forget", forget, *IDENTITY, "--arithmetic", "float64")
    answer = muso("check", "digits", *options, "--claim", "consistent-sizes", "--json", "-")
    c = load_digits().target
    kept, forgotten = expected(c) if callable(expected) else ((c == 3) | (c == 7), expected)
    assert answer.report["input"]["n"] == kept.sum()
    assert answer.report["input"]["forget"] == np.sum(forgotten)


@pytest.mark.parametrize(
    ("arithmetic", "verdicts"),
    [("auto", HOLDS), ("float64", {"MEASURED"}), ("ball", {"CERTIFIED"}), ("rational", {"PROVED"})],
)
def test_every_arithmetic(data: Path, arithmetic: str, verdicts: set[str]) -> None:
    answer = muso("check", data, *IDENTITY, "--arithmetic", arithmetic, "--json", "-")
    assert answer.status in ({0} if arithmetic != "ball" else {0, 3})
    assert answer.verdicts["exact-labels"] in verdicts
    assert answer.report["settings"]["arithmetic"] == arithmetic


def test_claims_asked_for_bring_their_conditions(data: Path) -> None:
    options = ("--claim", "label-free", "--claim", "exact-labels", "--json", "-")
    answer = muso("check", data, *IDENTITY, *options)
    theorems = [row for row in answer.verdicts if not row.endswith("[output]")]
    assert theorems == ["least-squares-on-retain", "exact-labels", "label-free"]
    assert answer.verdicts["exact-labels[output]"] == "CERTIFIED"


def test_a_failed_hypothesis_is_3_and_an_asserted_claim_1(tmp_path: Path) -> None:
    path = write(tmp_path / "tall.npz", tall())
    options = ("check", path, *IDENTITY, "--arithmetic", "rational", "--json", "-")
    excused, insisted = muso(*options), muso(*options, "--assert", "label-free")
    assert (excused.status, insisted.status) == (3, 1)
    assert (excused.verdicts["label-free"], insisted.verdicts["label-free"]) == ("VACUOUS", "REFUTED")
    assert excused.verdicts["exact-labels"] == insisted.verdicts["exact-labels"] == "PROVED"
    assert insisted.report["settings"]["asserted"] == ["label-free"]


def test_an_asserted_claim_is_checked_although_another_was_asked_for(tmp_path: Path) -> None:
    path = write(tmp_path / "tall.npz", tall())
    options = ("--arithmetic", "rational", "--claim", "exact-labels", "--assert", "label-free", "--json", "-")
    answer = muso("check", path, *IDENTITY, *options)
    assert answer.status == 1
    assert answer.verdicts["label-free"] == "REFUTED"


def test_settings_reach_the_checks(data: Path) -> None:
    options = ("--ridge", "0.25", "--subset", "0.5", "--tolerance", "1e-3", "--seed", 3, "--w-init", "zero")
    options += ("--budget", "7.5")
    answer = muso("check", data, *IDENTITY, *options, "--arithmetic", "rational", "--json", "-")
    settings = answer.report["settings"]
    shown = {name: settings[name] for name in ("ridge", "subset", "tolerance", "seed", "budget")}
    assert shown == {"ridge": "0.25", "subset": "0.5", "tolerance": "0.001", "seed": 3, "budget": "7.5"}
    assert settings["source"]["w_init"] == "zero"
    facts = {e["claim"]: e["facts"] for e in answer.report["evidence"]}
    assert "λ = 0.25" in facts["ridge-anchored"]
    assert "|S| = 3 of 6" in facts["downsampling"]
    others = {muso("check", data, *IDENTITY, "--seed", s, "--json", "-").out for s in (0, 1)}
    assert len(others) == 2


@pytest.mark.slow
def test_same_command_same_bytes_on_stdout_and_in_files(tmp_path: Path) -> None:
    target, page = tmp_path / "report.json", tmp_path / "report.html"
    options = ("check", "digits", "--classes", "3,7", "--n-features", 100, "--forget", "random:20")
    first, again = muso(*options, "--json", "-"), muso(*options, "--json", "-", "--html", page)
    assert first == again
    printed = muso(*options, "--json", target)
    assert printed == muso(*options)
    assert target.read_text(encoding="utf-8") == first.out
    html = page.read_text(encoding="utf-8")
    assert html.startswith("<!doctype html>")
    assert first.report["verdict"] in html
    assert "<script" not in html
    assert "http:" not in html
    assert "https:" not in html
    assert sorted(tmp_path.iterdir()) == [page, target]


# Audits


@pytest.mark.parametrize(("arithmetic", "right"), [("rational", {"CERTIFIED", "PROVED"}), ("auto", HOLDS)])
@pytest.mark.parametrize("given", ["labels", "w_unlearned"])
def test_what_the_user_brings_is_audited(
    tmp_path: Path, given: str, arithmetic: str, right: set[str]
) -> None:
    arrays = small(w_init=np.zeros(12))
    w = retrained(arrays)
    exact = w if given == "w_unlearned" else arrays["X"][arrays["forget"]] @ w
    options = (*IDENTITY, "--claim", "exact-labels", "--arithmetic", arithmetic, "--json", "-")
    row = f"exact-labels[{given}]"
    if arithmetic == "rational":  # equality of floats has to be asked for
        path = write(tmp_path / "strict.npz", {**arrays, given: exact})
        assert muso("check", path, *options, "--tolerance", "0").verdicts[row] == "REFUTED"
    good = muso("check", write(tmp_path / "good.npz", {**arrays, given: exact}), *options)
    assert good.status == 0
    assert good.verdicts[row] in right
    assert good.report["settings"]["audited"] == [given]
    wrong = exact.copy()
    wrong[0] += 0.5
    path = write(tmp_path / "wrong.npz", {**arrays, given: wrong})
    bad = muso("check", path, *options)
    assert bad.status == 1
    assert bad.verdicts[row] == "REFUTED"
    lax = muso("check", path, *options, "--tolerance", "0.999")
    assert lax.status in (0, 1)  # half a unit may be more than doing nothing
    if arithmetic == "rational":
        audited = next(e for e in bad.report["evidence"] if e["row"] == row)
        (finding,) = audited["findings"]
        gap = np.linalg.norm(wrong - exact)
        if given == "labels":
            delta = np.zeros(8)
            delta[arrays["forget"]] = wrong - exact
            gap = np.linalg.norm(minimum_norm(arrays["X"], delta))
        assert float(audited["bound"]) == pytest.approx(gap, rel=1e-9)
        assert finding["verdict"] == "REFUTED"


def test_a_pretrained_model_outside_the_span_is_found(tmp_path: Path) -> None:
    arrays = small(w_init=np.zeros(12))
    inside = minimum_norm(arrays["X"], arrays["y"])
    outside = inside + np.linalg.svd(arrays["X"])[2][-1]
    options = (
        *IDENTITY,
        "--claim",
        "start-span",
        "--arithmetic",
        "rational",
        "--tolerance",
        "1e-6",
        "--json",
        "-",
    )
    found = {}
    for name, w in (("inside", inside), ("outside", outside)):
        path = write(tmp_path / f"{name}.npz", {**arrays, "w_pretrained": w})
        found[name] = muso("check", path, *options)
        found[f"{name}, asserted"] = muso("check", path, *options, "--assert", "start-in-span")
    assert {name: answer.status for name, answer in found.items()} == {
        "inside": 0,
        "inside, asserted": 0,
        "outside": 1,
        "outside, asserted": 1,
    }
    assert found["outside"].verdicts["start-in-span[w_pretrained]"] == "REFUTED"
    assert found["outside"].verdicts["start-span"] == "PROVED"  # the theorem is about the exact w_p


# Labels


@pytest.mark.parametrize("method", ["closed-form", "label-free", "leave-block-out", "ridge", "subsample"])
def test_every_label_method(data: Path, tmp_path: Path, method: str) -> None:
    target = tmp_path / "labels.npz"
    options = ("labels", data, *IDENTITY, "--w-init", "zero", "--method", method)
    answer = muso(*options, "-o", target)
    far = method == "subsample"  # handed out, not handed in: what nobody claimed is not refuted
    assert (answer.status, answer.err, "REFUTED" in answer.out) == (3 * far, "", False)
    assert ("not within the tolerance: UNDECIDED; try --method closed-form" in answer.out) == far
    assert f"2 labels by {method}, shape (2,), written to {target}" in answer.out
    arrays = small()
    with np.load(target) as found:
        assert sorted(found) == ["forget", "labels", "made_with"]
        assert found["forget"].tolist() == [1, 4]
        error = np.abs(found["labels"] - arrays["X"][[1, 4]] @ retrained(arrays)).max()
    assert (error > 1e-2) if method == "subsample" else (error < (1e-5 if method == "ridge" else 1e-10))
    content = target.read_bytes()
    muso(*options, "--output", target)
    assert target.read_bytes() == content


def test_the_last_lines_name_the_row_that_decided(tmp_path: Path) -> None:
    wrong = np.asarray(small()["y"])[[1, 4]] + 1.0
    path = write(tmp_path / "audited.npz", small(forget=np.array([1, 4]), labels=wrong))
    answer = muso("check", path, *IDENTITY, "--claim", "exact-labels")
    assert answer.status == 1
    line = next(line for line in answer.out.splitlines() if line.startswith("Verdict REFUTED"))
    assert line == "Verdict REFUTED, the worst of 3, by exact-labels[labels]: false, with a witness."
    assert (
        "= 1e-06 of doing nothing)" in answer.out
    )  # also where the row holds: what the bound is small beside


def test_label_free_labels_that_are_not_the_optimal_ones_come_with_a_warning(tmp_path: Path) -> None:
    target = tmp_path / "labels.npz"
    barely = np.column_stack([np.ones(6), np.arange(6.0)])
    shifted = {"X": barely, "y": 1e7 + np.array([0, 1.0, 0, 1, 0, 1]), "forget": np.array([5])}
    for arrays, words in (
        (tall(), "needs least-squares-on-retain: "),
        (shifted, "least-squares-on-retain is violated"),
    ):
        path = write(tmp_path / "data.npz", arrays)
        options = (
            "labels",
            path,
            *IDENTITY,
            "--task",
            "regression",
            "--w-init",
            "zero",
            "-o",
            target,
            "--method",
        )
        warned, silent = muso(*options, "label-free"), muso(*options, "closed-form")
        assert (warned.status, silent.status, silent.err) == (3, 0, "")
        assert warned.err.startswith(
            "muso: label-free does not hold for this data, so these are not the optimal labels: "
        )
        assert words in warned.err
        assert "≥" in warned.err
        assert target.exists()


def test_label_options(data: Path, tmp_path: Path) -> None:
    target, found = tmp_path / "labels.npz", []
    for options in (("--subset", 1), ("--subset", 0.5, "--seed", 1), ("--method", "ridge", "--ridge", 10)):
        method = () if "--method" in options else ("--method", "subsample")
        answer = muso("labels", data, *IDENTITY, "--w-init", "zero", *method, *options, "-o", target)
        assert answer.status == (
            0 if options == ("--subset", 1) else 3
        )  # the others are far from the optimum
        found.append(np.load(target)["labels"])
    best = small()["X"][[1, 4]] @ retrained(small())
    np.testing.assert_allclose(found[0], best, atol=1e-10)
    assert all(np.abs(labels - best).max() > 1e-3 for labels in found[1:])


def test_round_trip_of_labels(tmp_path: Path) -> None:
    path, target = write(tmp_path / "data.npz", small()), tmp_path / "labels.npz"
    options = ("--n-features", 40, "--seed", 5)
    assert muso("labels", path, *options, "-o", target).status == 0
    with np.load(target) as found:
        merged = {**small(), "forget": found["forget"], "labels": found["labels"]}
    audit = ("--claim", "exact-labels", "--arithmetic", "rational", "--tolerance", "1e-6", "--json", "-")
    write(path, merged)
    good = muso("check", path, *options, *audit)
    assert good.status == 0
    assert good.report["settings"]["audited"] == ["labels"]
    other_start = muso("check", path, *options, "--w-init", "normal", *audit)
    assert other_start.status == 1
    assert other_start.verdicts["exact-labels[labels]"] == "REFUTED"


# Claims and words


def test_claims_lists_every_claim() -> None:
    answer = muso("claims")
    assert answer.status == 0
    assert all(slug in answer.out for slug in CATALOGUE)


@pytest.mark.parametrize("slug", CATALOGUE)
def test_claims_shows_one_in_full(slug: str) -> None:
    answer, claim = muso("claims", slug), CATALOGUE[slug]
    assert answer.status == 0
    words = " ".join(answer.out.split())
    for text in (claim.words, claim.statement, claim.source, claim.holds, claim.fails, *claim.hypotheses):
        assert " ".join(text.split()) in words


@pytest.mark.slow
def test_explain_knows_every_word() -> None:
    for word in (*GLOSSARY, *CATALOGUE, *(verdict.name for verdict in Verdict)):
        for spelling in (word, word.upper(), word.lower()):
            answer = muso("explain", spelling)
            assert answer.status == 0, spelling
            assert word in answer.out
    for verdict in Verdict:
        assert verdict.value in muso("explain", verdict.name).out
    for word in ("Φ_F", "gap share", "doing nothing", "K_RF"):  # as reports and results write them
        assert muso("explain", word).status == 0, word
    assert "of the samples to forget" in muso("explain", "Φ_F").out
    assert muso("explain", "Φ_X").status == 2


@pytest.mark.parametrize(
    ("symbol", "name"), [("w_u", "w_unlearned"), ("Φ", "features"), ("K", "gram"), ("‖w_u − w_r‖", "gap")]
)
def test_explain_knows_symbols(symbol: str, name: str) -> None:
    assert muso("explain", symbol).out.startswith(f"{name} ")


# Terminals


def test_a_narrow_terminal_gets_every_word(data: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    monkeypatch.setenv("TERM", "dumb")
    narrow, wide = muso("check", data, *IDENTITY, terminal=True), muso("check", data, *IDENTITY)
    lines = narrow.out.splitlines()
    assert max(map(len, lines)) <= 80
    assert len(lines) < 2 * len(wide.out.splitlines())
    for claim in (CATALOGUE[slug] for slug, check in CHECKS.items() if check.listed is everywhere):
        assert claim.slug in narrow.out
    for answer in (narrow, wide):
        assert "Fine-tuning on these labels ends at the retrained parameters." in " ".join(answer.out.split())


def test_a_terminal_without_these_letters(data: Path) -> None:
    answer = muso("claims", "exact-labels", encoding="ascii")
    assert answer.status == 0
    assert "\\u03a6_F w_r" in answer.out
    options = ("check", data, *IDENTITY, "--json", "-")
    assert json.loads(muso(*options, encoding="latin-1").out.encode("latin-1")) == muso(*options).report


# Processes


def test_help_imports_nothing_heavy() -> None:
    script = (
        "import sys\nfrom muso_theory.commands.cli import main\n"
        "try: main(['--help'])\nexcept SystemExit as stop: assert not stop.code\n"
        "heavy = {'numpy', 'scipy', 'sklearn', 'flint', 'sympy', 'mpmath', 'matplotlib', 'hypothesis'}\n"
        "print('HEAVY', sorted(heavy & set(sys.modules)))"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert "check" in done.stdout
    assert done.stdout.splitlines()[-1] == "HEAVY []"


@pytest.mark.slow
def test_a_pipeline_of_processes(data: Path) -> None:
    same = {"OPENBLAS_NUM_THREADS": versions()["blas threads"]}
    with data.open("rb") as stream:
        process = command("check", "-", *IDENTITY, "--json", "-", stdin=stream, env=same)
        there = answered(process)
    assert (there.status, there.err) == (0, "")
    here = muso("check", "-", *IDENTITY, "--json", "-", stdin=data.read_bytes())
    assert there.out == here.out


@pytest.mark.slow
def test_verdicts_do_not_depend_on_the_number_of_threads(tmp_path: Path) -> None:
    """One number of threads gives one set of bytes; another may change last digits, and nothing else."""
    rng = np.random.default_rng(0)
    arrays = {"X": rng.standard_normal((100, 300)), "y": rng.standard_normal(100), "forget": np.arange(9)}
    options = ("check", write(tmp_path / "data.npz", arrays), *IDENTITY, "--json", "-")
    runs = [command(*options, env={"OMP_NUM_THREADS": count}) for count in ("1", "1", "2")]
    outs = [run.communicate(timeout=600)[0] for run in runs]
    assert [run.returncode for run in runs] == [0, 0, 0]
    assert outs[0] == outs[1]
    one, two = (json.loads(outs[i]) for i in (0, 2))
    assert one["input"] == two["input"]
    assert [(e["claim"], e["verdict"]) for e in one["evidence"]] == [
        (e["claim"], e["verdict"]) for e in two["evidence"]
    ]


@pytest.mark.slow
def test_a_closed_pipe_keeps_the_verdict(tmp_path: Path) -> None:
    """The reader is gone before the first byte: no traceback, and the status is still the verdict's."""
    running = []
    for name, arrays, status, options in (("a", small(), 0, ()), ("b", tall(), 3, ("--json", "-"))):
        read, into = os.pipe()
        os.close(read)
        path = write(tmp_path / f"{name}.npz", arrays)
        running.append((command("check", path, *IDENTITY, *options, stdout=into), status))
        os.close(into)
    for process, status in running:
        answer = answered(process)
        assert (answer.err, answer.status) == ("", status)


@pytest.mark.slow
@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs a full device")
def test_a_full_disk_is_no_verdict(data: Path) -> None:
    with open("/dev/full", "wb") as full:
        process = command("check", data, *IDENTITY, stdout=full)
        answer = answered(process)
    assert answer.status == 2
    assert answer.err.count("\n") == 1
    assert "No space left" in answer.err


def test_interrupted(tmp_path: Path) -> None:
    """Ctrl-C while reading data that never ends: 130, one line, and nothing half-written."""
    target = tmp_path / "report.json"
    process = command("check", "-", "--json", target, stdin=subprocess.PIPE)
    assert process.stdin is not None
    # More than a pipe holds: this returns when the program reads.
    process.stdin.write(bytes(2**20))
    process.stdin.flush()
    assert process.poll() is None
    process.send_signal(signal.SIGINT)
    answer = answered(process)
    assert (answer.status, answer.out, answer.err) == (130, "", "muso: interrupted\n")
    assert list(tmp_path.iterdir()) == []


def test_interrupted_while_writing(data: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupt(*_: object) -> None:
        raise KeyboardInterrupt

    target = data.with_name("report.json")
    old = '{"schema": 2, "title": "what a check wrote before"}'  # which may be written over
    target.write_text(old)
    monkeypatch.setattr(os, "replace", interrupt)
    answer = muso("check", data, *IDENTITY, "--json", target)
    assert (answer.status, answer.out, answer.err) == (130, "", "muso: interrupted\n")
    assert target.read_text() == old
    assert sorted(data.parent.iterdir()) == sorted([data, target])


def test_nothing_is_drawn_where_no_page_is_asked_for(data: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    drawn: list[object] = []
    monkeypatch.setattr(check_command, "_write_pages", lambda *words: drawn.append(words))
    words = ("check", data, "--features", "identity", "--claim", "exact-labels")
    assert muso(*words).status == 0
    assert not drawn
    assert muso(*words, "--html", data.with_suffix(".html")).status == 0
    assert muso(*words, "--figures", data.with_suffix("")).status == 0
    assert len(drawn) == 2


@pytest.mark.parametrize("method", ["closed-form", "a-method", "label-free", "ridge"])
def test_labels_that_miss_the_tolerance_name_a_method_that_may_not(method: str) -> None:
    audit = SimpleNamespace(
        findings=[SimpleNamespace(in_full="‖w_u − w_r‖ of the given labels ≥ 1: REFUTED")],
        needs="",
        verdict=Verdict.REFUTED,
    )
    told, status = cli._handed_out(audit, method)
    assert status == 3
    assert told.startswith("‖w_u − w_r‖ of these labels ≥ 1, which is not within the tolerance: UNDECIDED")
    assert ("try --method closed-form" in told) is (method != "closed-form")
    open_ = SimpleNamespace(findings=[], needs="more digits", verdict=Verdict.UNDECIDED)
    assert cli._handed_out(open_, method) == ("not decided: more digits", 3)
    good = SimpleNamespace(findings=[SimpleNamespace(in_full="fine")], verdict=Verdict.CERTIFIED)
    assert cli._handed_out(good, method) == ("fine", 0)
