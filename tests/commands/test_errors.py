"""Bad input: exit status 2, one line on stderr that says what helps, nothing on stdout, nothing written."""

from __future__ import annotations

import pickle
import re
import socket
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import muso_theory as mt
import muso_theory.checking.run
from muso_theory.claims import CATALOGUE, find
from muso_theory.claims.theorems.registry import THEOREMS, slugs
from muso_theory.claims.theorems.showing import BEARS_ON
from muso_theory.evaluation.mechanisms import MECHANISMS
from tests.running import IDENTITY, small, write
from verification.commands import muso


def with_entry(place: tuple[int, ...], value: float) -> np.ndarray:
    X = small()["X"]
    X[place] = value
    return X  # type: ignore[no-any-return]


def refused(*words: object, stdin: bytes = b"", debug: bool = True) -> str:
    """The one line of a refusal. Asking for ``--debug`` shows where it comes from and changes no status."""
    answer = muso(*words, stdin=stdin)
    assert answer.status == 2, answer
    assert answer.out == ""
    assert answer.err.startswith("muso: ")
    assert answer.err.count("\n") == 1, answer.err
    assert "Traceback" not in answer.err
    assert "internal error" not in answer.err
    if debug:
        traced = muso(*words, "--debug", stdin=stdin)
        assert (traced.status, traced.out) == (2, "")
        assert traced.err.startswith("Traceback")
        assert traced.err.rstrip().endswith(answer.err.removeprefix("muso: ").rstrip())
    return answer.err


def misused(*words: object) -> str:
    """The message of a mistake that the parser of options finds."""
    answer = muso(*words)
    assert answer.status == 2, answer
    assert answer.out == ""
    assert "Traceback" not in answer.err
    assert "Usage: muso" in answer.err
    return " ".join(answer.err.split())


@pytest.mark.parametrize(
    ("changes", "parts"),
    [
        ({"X": with_entry((2, 3), np.nan)}, ("X[2, 3]=nan", "row 2, column 3")),
        ({"X": with_entry((5, 0), -np.inf)}, ("X[5, 0]=-inf", "row 5, column 0")),
        ({"y": np.where(np.arange(8) == 6, np.nan, 1.0)}, ("y[6]=nan", "row 6")),
        ({"y": np.arange(7.0)}, ("X (8, 12)", "y.shape=(7,)")),
        ({"y": np.zeros((8, 2, 2))}, ("y.shape=(8, 2, 2)",)),
        ({"X": np.arange(8.0)}, ("X.shape=(8,)", "2-dimensional")),
        ({"X": np.zeros((0, 3)), "y": np.zeros(0), "forget": None}, ("X.shape=(0, 3)", "empty")),
        ({"forget": np.array([], dtype=int)}, ("at least one sample to forget",)),
        ({"forget": np.zeros(8, dtype=bool)}, ("at least one sample to forget",)),
        ({"forget": np.arange(8)}, ("at least one sample to retain",)),
        ({"forget": np.array([1, 99])}, ("forget[1]=99", "from 0 to 7")),
        ({"forget": np.array([-1, 2])}, ("forget[0]=-1",)),
        ({"forget": np.array([1, 1])}, ("distinct", "forget=1")),
        ({"forget": np.array([0.5, 1.0])}, ("forget=(2,)", "float64")),
        ({"forget": np.ones(5, dtype=bool)}, ("forget.shape=(5,)", "8 samples")),
        ({"y": None}, ("an array named y", "holds X, forget")),
        ({"X": None}, ("X or features", "holds y, forget")),
        ({"X": small()["X"] + 1j}, ("X=(8, 12)", "complex128")),
        ({"y": np.array(["a"] * 8)}, ("two classes",)),
        ({"y": np.ones(8)}, ("two classes",)),
        ({"w_unlearnt": np.zeros(12)}, ("array=w_unlearnt", "try 'w_unlearned'")),
        ({"labels": np.zeros(3)}, ("labels of shape (2,)", "labels.shape=(3,)")),
        ({"w_unlearned": np.zeros(5)}, ("w_unlearned", "(12,)", "(5,)")),
        ({"w_pretrained": np.zeros((12, 3))}, ("w_pretrained", "(12, 3)")),
        ({"w_init": np.zeros(5)}, ("w_init", "(12,)", "(5,)")),
        ({"w_unlearned": np.full(12, np.nan)}, ("w_unlearned[0]=nan",)),
    ],
)
def test_archives(tmp_path: Path, changes: dict[str, Any], parts: tuple[str, ...]) -> None:
    error = refused("check", write(tmp_path / "bad.npz", small(**changes)), *IDENTITY)
    for part in parts:
        assert part in error


def test_labels_go_with_their_own_forget_set(tmp_path: Path) -> None:
    path = write(tmp_path / "data.npz", small(labels=np.zeros(2)))
    assert "try --forget column" in refused("check", path, *IDENTITY, "--forget", "random:2")


def test_files_that_are_none(tmp_path: Path) -> None:
    whole = write(tmp_path / "whole.npz", small()).read_bytes()
    (tmp_path / "half.npz").write_bytes(whole[: len(whole) // 2])
    (tmp_path / "short.npz").write_bytes(whole[:-3])
    (tmp_path / "empty.npz").write_bytes(b"")
    (tmp_path / "text.npz").write_text("a,y\n1,2\n")
    (tmp_path / "pickle.npz").write_bytes(pickle.dumps(small()))
    (tmp_path / "data.parquet").write_bytes(b"PAR1")
    (tmp_path / "folder.npz").mkdir()
    np.savez(tmp_path / "object.npz", X=np.array([[1, None]], dtype=object), y=[1.0])
    messages = {
        "half": "complete .npz archive",
        "short": "complete .npz archive",
        "empty": "empty file",
        "text": "no npz file",
        "pickle": "a pickle, never read",
        "folder": "directory",
        "object": "never pickled objects",
        "absent": "no such name or file",
    }
    for name, message in messages.items():
        assert message in refused("check", tmp_path / f"{name}.npz"), name
    assert "a complete .parquet file" in refused("check", tmp_path / "data.parquet")
    assert "try 'digits'" in refused("check", "digit")
    refused("check", "")


class _Bomb:
    def __reduce__(self) -> tuple[Any, ...]:
        return (exec, ("raise RuntimeError('unpickled')",))


def test_nothing_is_ever_unpickled(tmp_path: Path) -> None:
    trap = np.empty(1, dtype=object)
    trap[0] = _Bomb()
    with pytest.raises(RuntimeError, match="unpickled"):
        pickle.loads(pickle.dumps(trap))
    np.savez(tmp_path / "trap.npz", X=trap, y=[1.0])
    assert "never pickled objects" in refused("check", tmp_path / "trap.npz")
    assert "never read" in refused("check", "-", stdin=pickle.dumps(trap))


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        ("a,b,y\n1,2,3\n1,x,4\n", ("column 'b'=x", "line 3")),
        ("a,b,y\n1,2,3\n1,,4\n", ("column 'b'", "line 3", "empty cell")),
        ("a,b,y\n1,2,3\n1,nan,4\n", ("column 'b'=nan", "line 3")),
        ("a,b,y\n1,2,3\n1,2\n", ("line 3", "3 cells")),
        ("a,forget,y\n1,0,3\n1,maybe,4\n", ("'forget'=maybe", "line 3")),
        ("a,b,y\n", ("rows after the header",)),
        ("1,2,3\n4,5,6\n", ("header",)),
        ("a|b|y\n1|2|3\n", ("commas instead of '|'",)),
        ("a,a,y\n1,2,3\n", ("distinct column names",)),
        ("a,b,y\n1,2,cat\n3,4,cat\n", ("two classes",)),
        ("", ("empty",)),
    ],
)
def test_tables(tmp_path: Path, text: str, parts: tuple[str, ...]) -> None:
    path = tmp_path / "bad.csv"
    path.write_text(text)
    for error in (refused("check", path), refused("check", "-", stdin=text.encode())):
        for part in parts:
            assert part in error


@pytest.mark.parametrize(
    ("options", "parts"),
    [
        (("--n-features", "0"), ("n_features=0", "at least 1")),
        (("--n-features", "-2"), ("n_features=-2",)),
        (("--n-features", "7"), ("even", "n_features=7", "try 8")),
        (("--bandwidth", "0"), ("positive", "bandwidth=0")),
        (("--bandwidth", "-1"), ("positive", "bandwidth=-1")),
        (("--bandwidth", "nan"), ("positive", "bandwidth=nan")),
        (("--bandwidth", "inf"), ("positive", "bandwidth=inf")),
        (("--bandwidth", "foo"), ("'median'", "bandwidth=foo")),
        (("--seed", "-1"), ("seed=-1",)),
        ((*IDENTITY, "--seed", "-1"), ("seed=-1",)),
        ((*IDENTITY, "--tolerance", "1"), ("tolerance=1",)),
        ((*IDENTITY, "--tolerance", "nan"), ("tolerance=nan",)),
        ((*IDENTITY, "--tolerance", "-1"), ("tolerance=-1",)),
        ((*IDENTITY, "--tolerance", "inf"), ("tolerance=inf",)),
        ((*IDENTITY, "--ridge", "0"), ("ridge=0",)),
        ((*IDENTITY, "--ridge", "nan"), ("ridge=nan",)),
        ((*IDENTITY, "--budget", "0"), ("budget=0",)),
        ((*IDENTITY, "--budget", "nan"), ("budget=nan",)),
        ((*IDENTITY, "--subset", "0"), ("subset=0", "(0, 1]")),
        ((*IDENTITY, "--subset", "-1"), ("subset=-1",)),
        ((*IDENTITY, "--subset", "2"), ("subset=2",)),
        ((*IDENTITY, "--subset", "nan"), ("subset=nan",)),
        ((*IDENTITY, "--claim", "exact-label"), ("claim=exact-label", "try 'exact-labels'")),
        ((*IDENTITY, "--assert", "label-fre"), ("claim=label-fre", "try 'label-free'")),
        ((*IDENTITY, "--forget", ""), ("class:7",)),
        ((*IDENTITY, "--forget", "clas:1"), ("forget=clas:1", "try class:1")),
        ((*IDENTITY, "--forget", "class:9"), ("taken for a regression", "try --task classification")),
        ((*IDENTITY, "--task", "classification", "--forget", "class:9"), ("class '9' is absent",)),
        ((*IDENTITY, "--forget", "random:0"), ("from 1 to 7",)),
        ((*IDENTITY, "--forget", "random:1.5"), ("between 0 and 1",)),
        ((*IDENTITY, "--forget", "random:8"), ("from 1 to 7",)),
        ((*IDENTITY, "--forget", "retain:0"), ("from 1 to 7",)),
        ((*IDENTITY, "--forget", "rows:0-99"), ("from 0 to 7",)),
        ((*IDENTITY, "--forget", "rows:0-7"), ("at least one sample to retain",)),
        ((*IDENTITY, "--classes", "1,99"), ("class '99'",)),
        ((*IDENTITY, "--classes", "1,1"), ("repeated",)),
        ((*IDENTITY, "--classes", ""), ("classes=",)),
    ],
)
def test_options_of_check(tmp_path: Path, options: tuple[str, ...], parts: tuple[str, ...]) -> None:
    error = refused("check", write(tmp_path / "data.npz", small()), *options)
    for part in parts:
        assert part in error


def test_more_features_than_memory(tmp_path: Path) -> None:
    path = write(tmp_path / "data.npz", small())
    error = refused("check", path, "--n-features", 10**15, debug=False)
    assert "the memory of this machine" in error
    assert "try --n-features 5000" in error


@pytest.mark.parametrize(
    ("options", "part"),
    [
        (("--method", "rige"), "try 'ridge'"),
        (("--method", "ridge", "--ridge", "0"), "ridge=0"),
        (("--method", "subsample", "--subset", "0"), "subset=0"),
        (("--seed", "-1"), "seed=-1"),
    ],
)
def test_options_of_labels(tmp_path: Path, options: tuple[str, ...], part: str) -> None:
    path = write(tmp_path / "data.npz", small())
    assert part in refused("labels", path, *IDENTITY, *options, "-o", tmp_path / "labels.npz")
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize(
    ("command", "wrong", "right"),
    [
        ("unlearn -o", "w.npy", "w.npz"),
        ("unlearn -o", "w.txt", "w.npz"),
        ("labels -o", "l.csv", "l.npz"),
        ("check --json", "r.html", "r.json"),
        ("unlearn --json", "u.csv", "u.json"),
        ("check --html", "r.json", "r.html"),
        ("unlearn --html", "u.pdf", "u.html"),
    ],
)
def test_a_name_that_says_that_something_else_is_in_the_file(
    tmp_path: Path, command: str, wrong: str, right: str
) -> None:
    verb, option = command.split()
    words = (verb, write(tmp_path / "data.npz", small()), *IDENTITY, option)
    assert f"try {right}" in refused(*words, tmp_path / wrong)
    assert not (tmp_path / wrong).exists()
    assert muso(*words, tmp_path / right).status in (0, 1, 3)
    assert (tmp_path / right).exists()


def test_labels_that_need_an_inverse_that_is_not_there(tmp_path: Path) -> None:
    X = small()["X"]
    X[7] = X[0]
    path = write(tmp_path / "data.npz", small(X=X))
    options = ("labels", path, *IDENTITY, "--method", "leave-block-out", "-o", tmp_path / "labels.npz")
    error = refused(*options)
    assert "try" in error
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize("command", ["check --json", "check --html", "labels -o"])
def test_outputs_are_refused_before_the_work(
    tmp_path: Path, command: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    verb, option = command.split()
    path = write(tmp_path / "data.npz", small())
    monkeypatch.setattr("muso_theory.inputs.samples.load", lambda *_, **__: pytest.fail("worked for nothing"))
    (tmp_path / "folder").mkdir()
    for target, why in (("nowhere/report", "no such directory"), ("folder", "directory"), ("", "directory")):
        where = tmp_path / target if target else ""
        assert why in refused(verb, path, *IDENTITY, option, where)
    assert sorted(tmp_path.iterdir()) == [path, tmp_path / "folder"]


@pytest.mark.parametrize("command", ["check --json", "check --html", "labels -o"])
def test_outputs_that_turn_out_unwritable(tmp_path: Path, command: str) -> None:
    """What only the write itself finds out; a socket is unwritable for root too."""
    verb, option = command.split()
    path, target = write(tmp_path / "data.npz", small()), tmp_path / "socket"
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(target))
        assert "can be written" in refused(verb, path, *IDENTITY, option, target)
    assert sorted(tmp_path.iterdir()) == [path, target]


@pytest.mark.parametrize(
    ("words", "parts"),
    [
        (("check",), ("DATA",)),
        (("check", "digits", "more"), ("more",)),
        (("check", "digits", "--feature", "identity"), ("--features",)),
        (("check", "digits", "--features", "gausian"), ("gaussian", "laplacian")),
        (("check", "digits", "--arithmetic", "ratinal"), ("rational",)),
        (("check", "digits", "--n-features", "many"), ("--n-features",)),
        (("check", "digits", "--tolerance", "small"), ("--tolerance",)),
        (("labels", "digits"), ("--output",)),
        (("chek", "digits"), ("chek",)),
        ((), ("check", "labels", "claims", "explain")),
    ],
)
def test_usage(words: tuple[str, ...], parts: tuple[str, ...]) -> None:
    error = misused(*words)
    for part in parts:
        assert part in error


def test_one_class_alone() -> None:
    assert "at least two classes" in refused("check", "digits", "--classes", "3")


def test_unknown_words_suggest_the_nearest() -> None:
    assert "try 'exact-labels'" in refused("claims", "exact-label")
    assert "try 'gap'" in refused("explain", "gapp")
    assert "try 'VACUOUS'" in refused("explain", "vacous")
    refused("explain", "")


@pytest.mark.parametrize(
    ("word", "told"),
    [
        ("newton-removal", "(a theorem that no report has a row of); try muso prove newton-removal"),
        (
            "gap-formula/norm",
            "(a theorem of gap-formula); try muso prove gap-formula, or muso check DATA --claim gap-f",
        ),
        ("lemma/gap", "(a lemma of theorems); try proofs/pages/lemmas.md"),
        ("scrub", "(a method of unlearning); try muso unlearn DATA --method scrub"),
        ("ntk-scrubbing", "try muso prove ntk-scrubbing, or muso unlearn DATA --method ntk-scrubbing"),
        ("newton-step", "(a mechanism of guarantees); try mt.evaluation.guarantee"),
        (
            "lazy",
            "(a campaign, which bears on lazy-training, linearised-network); try python -m verification lazy",
        ),
        ("energi", "(unknown); try 'energy'"),
    ],
)
def test_a_word_that_another_command_knows_is_no_unknown_one(word: str, told: str) -> None:
    assert told in refused("check", "digits", "--claim", word)


def test_whatever_another_command_knows_is_told() -> None:
    known = {*THEOREMS, *slugs(), *mt.methods.METHODS, *MECHANISMS, *BEARS_ON} - set(CATALOGUE)
    for word in known:
        with pytest.raises(mt.BadInputError, match=re.escape(f"claim={word} (a ")):
            find(word)


def test_a_bug_is_no_verdict(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An internal error says so and ends with 2, never with the 1 that means REFUTED."""

    def broken(*_: object, **__: object) -> None:
        raise ZeroDivisionError("on\npurpose")

    monkeypatch.setattr(muso_theory.checking.run, "check", broken)
    path = write(tmp_path / "data.npz", small())
    answer = muso("check", path, *IDENTITY)
    assert (answer.status, answer.out) == (2, "")
    assert answer.err == (
        "muso: internal error: ZeroDivisionError: on purpose; try --debug for the traceback\n"
    )
    traced = muso("check", path, *IDENTITY, "--debug")
    assert (traced.status, traced.out) == (2, "")
    assert traced.err.startswith("Traceback")
    assert "in broken" in traced.err


@pytest.mark.parametrize(
    ("words", "why"),
    [
        (("--features", "identity", "--n-features", 40), "the feature map identity has none"),
        (("--features", "identity", "--bandwidth", 2), "the feature map identity has none"),
        (("--features", "arccos", "--bandwidth", 2), "the feature map arccos has none"),
        (("--momentum", 0.5), "an optimizer beside momentum"),
        (("--optimizer", "gd", "--momentum", 0.5), "momentum with optimizer momentum, nesterov only"),
        (("--claim", "exact-labels", "--ridge", 0.5), "a claim that uses ridge"),
        (("--claim", "exact-labels", "--subset", 0.5), "a claim that uses subset"),
    ],
)
def test_an_option_that_would_change_nothing_is_refused(words: tuple[object, ...], why: str) -> None:
    answer = muso("check", "breast_cancer", *words)
    assert (answer.status, answer.out) == (2, "")
    assert why in answer.err


SEARCHED = ["--max-examples 7", "--seed 3", "--format python", "--json out.json"]
OF_RULES = ["--kind parameters", "--exact", "--assuming full-rank", "--tolerance 7"]


@pytest.mark.parametrize(
    "words",
    [
        *(f"refute mine.txt {option}" for option in (*SEARCHED, *OF_RULES)),
        *(f"refute mine.txt {option}" for option in ("--without X", "--time-limit 3", "--replay z.json")),
        *(f"refute zero-labels --replay z.json {option}" for option in (*SEARCHED, *OF_RULES)),
        *(f"refute zero-labels --replay z.json {option}" for option in ("--without X", "--seconds 5")),
        *(f"refute --claim exact-labels {option}" for option in OF_RULES),
        *(f"refute --claim exact-labels {option}" for option in ("--time-limit 3", "--seconds 5")),
        "refute zero-labels --seconds 5",
        "refute zero-labels --exact --tolerance 7",
        "prove exact-labels --seconds 5",
        "sweep breast_cancer --over subset --json s.json --delta 0.5",
    ],
)
def test_an_option_that_this_mode_ignores_is_refused(words: str) -> None:
    option = words.rsplit(" --", 1)[1].split()[0]
    answer = muso(*words.split())
    assert (answer.status, answer.out) == (2, "")
    assert re.search(rf"expected (--)?{option} with .* only but got", answer.err)


@pytest.mark.parametrize("seconds", ["0", "-3", "nan", "inf"])
def test_a_time_limit_of_a_replay_that_is_none(seconds: str, tmp_path: Path) -> None:
    answer = muso("refute", "zero-labels", "--replay", tmp_path / "z.json", "--time-limit", seconds)
    assert (answer.status, answer.out) == (2, "")
    assert "expected a positive number but got time_limit" in answer.err


@pytest.mark.parametrize(
    "words",
    [
        ("check", "\0"),
        *(("check", "d.npz", option, "a\0.npz") for option in ("--json", "--network", "--audit", "--w-init")),
        ("check", "d.npz", "--w-init", "a\0.npy"),
        ("check", "d.npz", "--target", "a\0.npy"),
        ("check", "d.npz", "--fit-map", "public:a\0"),
        ("unlearn", "d.npz", "--json", "a\0"),
        ("refute", "a\0.py:rule"),
        ("prove", "a\0.txt"),
        *(("sweep", "d.npz", "--over", "subset", "--json", path) for path in ("", ".", "/")),
        ("unlearn", "d.npz", "--set", f"ridge={'-' * 20_000}1"),
        ("unlearn", "d.npz", "--method", "ridge-labels", "--set", f"ridge={'(' * 20_000}1"),
        ("unlearn", "d.npz", "--set", "ridge={[]}"),
    ],
    ids=lambda words: ascii(" ".join(words))[:50],
)
def test_words_that_are_no_path_and_no_number(
    words: tuple[str, ...], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    write(tmp_path / "d.npz", small())
    answer = muso(*words)
    assert (answer.status, answer.out) == (2, "")
    assert answer.err.startswith("muso: expected ")
