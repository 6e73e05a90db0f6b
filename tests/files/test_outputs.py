"""No command writes over what it reads, and over somebody else's file only by force."""

from __future__ import annotations

import contextlib
import os
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import typer.main

import muso_theory as mt
from muso_theory.commands.cli import app
from muso_theory.files.kinds import FILE_KINDS
from muso_theory.files.writing import Outputs, npz_bytes, write_all, write_atomic
from verification.commands import muso
from verification.failing import Fault, failing

SMALL = ("--features", "identity", "--claim", "full-rank", "--forget", "rows:0")
RULE = "import muso_theory as mt\ndef wrong(p):\n    return mt.optimal_labels(p) + 1\n"


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with one file of each kind that a command reads."""
    monkeypatch.chdir(tmp_path)
    rng = np.random.default_rng(0)
    content = {"X": rng.normal(size=(6, 3)), "y": rng.normal(size=6)}
    write_atomic("d.npz", npz_bytes(content))
    write_atomic("public.npz", npz_bytes({"X": content["X"]}))
    lines = [
        ",".join(map(repr, [*x.tolist(), float(y)])) for x, y in zip(content["X"], content["y"], strict=True)
    ]
    Path("d.csv").write_text("\n".join(["a,b,c,y", *lines]) + "\n")
    Path("rule_of_mine.py").write_text(RULE)
    net = mt.networks.mlp([3, 4, 1])
    mt.networks.save("net.npz", net, net.init(0))
    Path("site").mkdir()
    (Path("site") / "evidence.json").write_text("{}")
    Path(".s.points").mkdir()
    write_atomic(".s.points/d.npz", npz_bytes(content))
    for name, inside in (
        ("l-drawn", "gaps.svg"),
        ("l-kept", "sum.npz"),
        ("l-proofs", "index.html"),
        (".l.points", "p"),
    ):
        Path(name).mkdir()
        os.symlink("../d.npz", Path(name, inside))
    Path("deep").mkdir()
    os.symlink("..", Path("deep", "certificates"))
    os.symlink("d.npz", "link.npz")
    os.link("d.npz", "hard.npz")
    return tmp_path


CHECK, LABELS = (
    ("check", "d.npz", *SMALL),
    ("labels", "d.npz", "--features", "identity", "--forget", "rows:0"),
)
REFUTE = ("refute", "rule_of_mine.py:wrong", "--max-examples", "5")
UNLEARN = ("unlearn", "d.npz", "--features", "identity", "--forget", "rows:0", "--method", "none")
NETWORK = (
    *("unlearn", "d.npz", "--forget", "rows:0", "--network", "net.npz", "--loss", "squared"),
    *("--method", "fine-tuning", "--epochs", "1"),
)
SWEEP = (
    *("sweep", "d.npz", "--features", "identity", "--forget", "rows:0"),
    *("--over", "subset", "--values", "1", "--seeds", "1", "--jobs", "1"),
)
OVER = [
    ((*CHECK, "--json", "d.npz"), "d.npz"),
    ((*CHECK, "--json", "link.npz"), "d.npz"),
    ((*CHECK, "--json", "hard.npz"), "d.npz"),
    (("check", "link.npz", *SMALL, "--json", "d.npz"), "d.npz"),
    ((*CHECK, "--html", "d.npz"), "d.npz"),
    ((*CHECK, "--network", "net.npz", "--json", "net.npz"), "net.npz"),
    ((*CHECK, "--fit-map", "public:public.npz", "--json", "public.npz"), "public.npz"),
    ((*CHECK, "--json", "new.json", "--html", "./new.json"), "d.npz"),
    (("check", "d.csv", *SMALL, "--html", "d.csv"), "d.csv"),
    ((*CHECK, "--figures", "."), "d.npz"),
    ((*CHECK, "--figures", "l-drawn"), "d.npz"),
    ((*CHECK, "--checkpoint", "l-kept"), "d.npz"),
    ((*CHECK, "--figures", "new", "--checkpoint", "./new"), "d.npz"),
    ((*LABELS, "-o", "d.npz"), "d.npz"),
    ((*LABELS, "-o", "./link.npz"), "d.npz"),
    (("labels", "d.csv", "--forget", "rows:0", "-o", "d.csv"), "d.csv"),
    ((*REFUTE, "--json", "rule_of_mine.py"), "rule_of_mine.py"),
    (("refute", "rule_of_mine:wrong", "--max-examples", "5", "--json", "rule_of_mine.py"), "rule_of_mine.py"),
    ((*UNLEARN, "-o", "hard.npz"), "d.npz"),
    ((*UNLEARN, "--json", "link.npz"), "d.npz"),
    ((*UNLEARN, "--html", "d.npz"), "d.npz"),
    ((*UNLEARN, "--fit-map", "public:public.npz", "--json", "public.npz"), "public.npz"),
    ((*UNLEARN, "--json", "new.json", "--html", "./new.json"), "d.npz"),
    ((*SWEEP, "--json", "hard.npz"), "d.npz"),
    ((*SWEEP, "--fit-map", "public:public.npz", "--json", "public.npz"), "public.npz"),
    ((*SWEEP, "--json", "l.json"), "d.npz"),
    ((SWEEP[0], ".s.points/d.npz", *SWEEP[2:], "--json", "s.json"), ".s.points/d.npz"),
    (("prove", "exact-labels", "--html", "site", "--evidence", "site/evidence.json"), "site/evidence.json"),
    (("prove", "exact-labels", "--write", "site", "--evidence", "site/evidence.json"), "site/evidence.json"),
    *((("prove", "exact-labels", f"--{door}", "l-proofs"), "d.npz") for door in ("write", "html", "coq")),
    *((("prove", "exact-labels", f"--{door}", "deep"), "d.npz") for door in ("write", "html", "coq")),
    (("prove", "exact-labels", "--html", "new", "--coq", "new"), "d.npz"),
]


@pytest.mark.parametrize(
    ("words", "victim"), OVER, ids=lambda value: " ".join(value) if isinstance(value, tuple) else ""
)
def test_nothing_is_written_over_what_is_read(words: tuple[str, ...], victim: str, here: Path) -> None:
    before = (here / victim).read_bytes()
    answer = muso(*words, "--force")
    assert (answer.status, answer.out) == (2, "")
    assert re.search(r"expected a (file|folder) of its own but got path=", answer.err)
    assert (here / victim).read_bytes() == before


def test_nothing_is_written_over_a_folder_that_is_read(here: Path) -> None:
    zarr = pytest.importorskip("zarr", reason="the extra [zarr] is not installed")
    group = zarr.open_group("d.zarr", mode="w")
    for name, values in {"features": np.eye(6), "y": np.arange(6.0)}.items():
        group.create_array(name, shape=values.shape, chunks=values.shape, dtype=values.dtype)[...] = values
    os.symlink("d.zarr", "link.zarr")
    os.link("d.zarr/features/zarr.json", "hard.json")
    before = Path("d.zarr", "features", "zarr.json").read_bytes()
    words = ("--claim", "full-rank", "--forget", "rows:0", "--force", "--json")
    for data in ("d.zarr", "link.zarr"):
        for path in ("d.zarr/features/zarr.json", "link.zarr/features/zarr.json", "link.zarr/new.json"):
            answer = muso("check", data, *words, path)
            assert (answer.status, answer.out) == (2, "")
            assert "expected a path outside what is read but got path=" in answer.err
    assert muso("check", "link.zarr", *words, "hard.json").status in (
        0,
        1,
        3,
    )  # which takes the place of one name
    assert Path("d.zarr", "features", "zarr.json").read_bytes() == before
    os.rename("d.zarr/features", "elsewhere")
    os.symlink("../elsewhere", "d.zarr/features")
    answer = muso("check", "d.zarr", *words, "d.zarr/features/zarr.json")
    assert (answer.status, answer.out) == (2, "")
    assert "d.zarr/features (symbolic link)" in answer.err
    assert Path("elsewhere", "zarr.json").read_bytes() == before


def test_standard_input_is_read_too(here: Path) -> None:
    with open("d.npz") as stream:
        saved = os.dup(0)
        os.dup2(stream.fileno(), 0)
        try:
            with pytest.raises(mt.MusoError, match="of its own"):
                Outputs("-").file("d.npz", "report")
        finally:
            os.dup2(saved, 0)


# -- another's file ------------------------------------------------------------------------------------------------

FILES = tuple(kind for kind in FILE_KINDS if kind not in ("caption", "drawing", "campaign", "certificate"))

DOORS: dict[tuple[str, str], tuple[str, ...]] = {
    ("check", "json"): CHECK,
    ("check", "html"): CHECK,
    ("check", "figures"): ("check", "d.npz", "--features", "identity", "--forget", "rows:0"),
    ("check", "checkpoint"): CHECK,
    ("labels", "output"): LABELS,
    ("refute", "json"): REFUTE,
    ("unlearn", "output"): UNLEARN,
    ("unlearn", "json"): UNLEARN,
    ("unlearn", "html"): UNLEARN,
    ("sweep", "json"): SWEEP,
    ("prove", "write"): ("prove", "exact-labels"),
    ("prove", "html"): ("prove", "exact-labels"),
    ("prove", "coq"): ("prove", "exact-labels"),
}
FOLDERS = {
    ("check", "figures"),
    ("check", "checkpoint"),
    ("prove", "write"),
    ("prove", "html"),
    ("prove", "coq"),
}


def _options(test: Callable[[Any], bool]) -> set[tuple[str, str]]:
    """Options of all commands that pass a test."""
    group: Any = typer.main.get_command(app)
    return {
        (name, str(option.name))
        for name, command in group.commands.items()
        for option in command.params
        if test(option)
    }


def test_every_door_is_here() -> None:
    """A new option that writes must be added above, and needs --force beside it."""
    assert _options(
        lambda o: re.match(r"Write|.*file to write", getattr(o, "help", "") or "") is not None
    ) >= set(DOORS)
    told = _options(lambda o: "rite" in (getattr(o, "help", "") or "") and o.name != "force")
    assert told - {("recheck", "report")} == {*DOORS, ("figure", "out")}
    assert {name for name, _ in DOORS} | {"figure"} == {
        name for name, _ in _options(lambda o: o.name == "force")
    }


@pytest.mark.parametrize("door", [d for d in DOORS if d not in FOLDERS], ids="-".join)
def test_files_of_others_need_force(door: tuple[str, str], here: Path) -> None:
    thesis = Path("thesis.npz" if door[1] == "output" else "thesis.tex")  # archives have a name of their own
    words = (*DOORS[door], f"--{door[1]}", str(thesis))
    thesis.write_text("\\documentclass{article}")
    refused = muso(*words)
    assert (refused.status, refused.out) == (2, "")
    assert "an existing file that is no" in refused.err
    assert "--force" in refused.err
    assert thesis.read_text() == "\\documentclass{article}"
    assert muso(*words, "--force").status in (0, 1, 3)
    written = thesis.read_bytes()
    assert written != b"\\documentclass{article}"
    again = muso(*words)  # what it wrote itself it may write again
    assert again.status in (0, 1, 3)
    assert thesis.read_bytes() == written
    thesis.write_bytes(b"")  # of an empty file nothing is lost
    assert muso(*words).status in (0, 1, 3)


@pytest.mark.parametrize("door", sorted(FOLDERS), ids="-".join)
def test_folders_of_others_need_force(door: tuple[str, str], here: Path) -> None:
    words = (*DOORS[door], f"--{door[1]}")
    Path("papers").mkdir()
    Path("papers", "index.txt").write_text("mine")
    refused = muso(*words, "papers")
    assert (refused.status, refused.out) == (2, "")
    assert "it holds other files" in refused.err
    assert os.listdir("papers") == ["index.txt"]
    assert muso(*words, "d.npz").status == 2
    if door != ("prove", "write"):  # which takes a minute
        assert muso(*words, "fresh").status in (0, 1, 3)
        assert muso(*words, "fresh").status in (0, 1, 3)


OWN_WORDS = {
    ("check", "figures"): ("captions.txt", "gaps.svg"),
    ("check", "checkpoint"): (".lock",),
    ("prove", "write"): ("theorems.md", "pages/gap-formula.md", "certificates/gap-formula.json"),
    ("prove", "html"): ("index.html", "exact-labels.html", "certificates/exact-labels.json"),
    ("prove", "coq"): ("_CoqProject", "exact_labels.v", "statements.txt"),
}
"""Files of each folder, its index first, as somebody may have written them by hand."""


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let `prove --write` write one claim: all of them take a minute."""
    import muso_theory.claims.theorems.writing as writing

    monkeypatch.setattr(writing, "slugs", lambda: ["gap-formula"])


@pytest.mark.usefixtures("quick")
@pytest.mark.parametrize("door", sorted(FOLDERS), ids="-".join)
def test_a_folder_with_files_of_these_names_is_not_taken_for_own(door: tuple[str, str], here: Path) -> None:
    words = (*DOORS[door], f"--{door[1]}", "mine")
    index, *others = OWN_WORDS[door]
    Path("mine").mkdir()
    Path("mine", index).write_text("written by hand")
    refused = muso(*words)
    assert (refused.status, refused.out, os.listdir("mine")) == (2, "", [index])
    assert f"({index} in it was not written by muso); try another name, or --force" in refused.err
    Path("mine", index).unlink()
    assert muso(*words).status in (0, 1, 3)
    for name in (index, *others):
        written = Path("mine", name).read_bytes()
        for mine in (b"written by hand", written + b"mine"):
            Path("mine", name).write_bytes(mine)
            refused = muso(*words)
            assert (refused.status, refused.out, Path("mine", name).read_bytes()) == (2, "", mine), name
            assert "--force" in refused.err
        Path("mine", name).write_bytes(written)
    assert muso(*words).status in (0, 1, 3)  # what nobody changed is written anew without a word
    Path("mine", index).write_text("written by hand")
    assert muso(*words, "--force").status in (0, 1, 3)
    if door != ("check", "checkpoint"):  # whose index is a lock, never written to
        assert muso(*words).status in (0, 1, 3)


def test_a_folder_keeps_what_two_theorems_have_written(tmp_path: Path) -> None:
    for name in ("a", "b", "a"):
        text = f"{name} {len(os.listdir(tmp_path))}"  # another one the second time
        if name == "b":
            (tmp_path / "b.md").write_text("")
        write_all(tmp_path, {f"{name}.md": text, "both.txt": text}, f"{name}.md")
    (tmp_path / "b.md").write_text("by hand")
    with pytest.raises(mt.MusoError, match=r"b\.md in it was not written by muso"):
        write_all(tmp_path, {"b.md": "new"}, "b.md")


def test_what_a_sweep_keeps_is_no_folder_of_others(here: Path) -> None:
    words = (*SWEEP, "--json", "new.json")
    Path(".new.points").mkdir()
    mine = Path(".new.points", "mine.json")
    mine.write_text("{}")
    refused = muso(*words)
    assert (refused.status, refused.out, mine.read_text()) == (2, "", "{}")
    assert "it holds other files" in refused.err
    assert [muso(*words, "--force").status, muso(*words).status] == [0, 0]
    assert mine.read_text() == "{}"


@pytest.mark.parametrize(
    "words", [(*LABELS, "-o", "-"), (*UNLEARN, "-o", "-"), (*UNLEARN, "--html", "-"), (*SWEEP, "--json", "-")]
)
def test_only_text_goes_to_standard_output(words: tuple[str, ...], here: Path) -> None:
    answer = muso(*words)
    assert (answer.status, answer.out) == (2, "")
    assert answer.err.startswith("muso: expected a file to write but got path=- (standard output for")
    assert not Path("-").exists()


@pytest.mark.skipif(not os.path.exists("/bin/sh"), reason="this system has no /bin/sh")
def test_without_standard_error_nothing_is_told_on_standard_output(here: Path) -> None:
    """What a second run of a sweep tells of the first goes nowhere."""

    def run(end: str) -> subprocess.CompletedProcess[str]:
        words = ("/bin/sh", "-c", f'exec "$@" {end}', "sh", sys.executable, "-m", "muso_theory")
        path = {**os.environ, "PYTHONPATH": str(Path(mt.__file__).parents[1])}
        return subprocess.run(
            [*words, *SWEEP, "--json", "new.json"],
            capture_output=True,
            text=True,
            timeout=300,
            check=False,
            env=path,
        )

    run("")
    told, silent = run(""), run("2>&-")
    assert "were measured before" in told.stderr
    assert (silent.returncode, silent.stdout) == (told.returncode, told.stdout)


def test_figures_are_written_over_figures_only(here: Path) -> None:
    assert muso("check", "d.npz", "--features", "identity", "--json", "r.json").status in (0, 1, 3)
    drawn = muso("figure", "r.json", "--out", "drawn")
    assert (drawn.status, muso("figure", "r.json", "--out", "drawn").status) == (0, 0)
    path = Path(drawn.out.splitlines()[0])
    for mine in (path, path.with_suffix(".txt")):
        path.with_suffix(".txt").unlink()
        mine.write_bytes(b"mine")
        refused = muso("figure", "r.json", "--out", "drawn")
        assert (refused.status, mine.read_bytes()) == (2, b"mine")
        assert muso("figure", "r.json", "--out", "drawn", "--force").status == 0


@pytest.mark.parametrize("form", ["pdf", "png", "svg", "txt"])
def test_what_was_changed_by_hand_needs_force(form: str, here: Path) -> None:
    assert muso("check", "d.npz", "--features", "identity", "--json", "r.json").status in (0, 1, 3)
    words = ("figure", "r.json", "--out", "drawn", "--format", "pdf" if form == "txt" else form)
    path = Path(muso(*words).out.splitlines()[0]).with_suffix(f".{form}")
    written = path.read_bytes()
    assert muso(*words).status == 0  # what nobody changed is drawn anew without a word
    assert path.read_bytes() == written
    path.write_bytes(written[:200] + b"mine" + written[200:])
    changed = path.read_bytes()
    refused = muso(*words)
    assert (refused.status, path.read_bytes()) == (2, changed)
    assert "changed after it was written" in refused.err
    assert muso(*words, "--force").status == 0
    assert path.read_bytes() == written


@pytest.mark.parametrize("command", [CHECK, UNLEARN], ids=["check", "unlearn"])
def test_a_page_with_notes_of_its_reader_needs_force(command: tuple[str, ...], here: Path) -> None:
    words, page = (*command, "--html", "page.html"), Path("page.html")
    assert [muso(*words).status, muso(*words).status] == [muso(*command).status] * 2
    page.write_text(page.read_text().replace("</main>", "<p>mine</p></main>"))
    refused = muso(*words)
    assert (refused.status, "<p>mine</p>" in page.read_text()) == (2, True)
    assert "changed after it was written" in refused.err


@pytest.mark.parametrize("name", ["gaps.svg", "spectrum.pdf", "captions.txt"])
def test_a_folder_with_a_changed_drawing_needs_force(name: str, here: Path) -> None:
    words = (*DOORS["check", "figures"], "--figures", "drawn")
    assert [muso(*words).status, muso(*words).status] == [muso(*words[:-2]).status] * 2
    path = Path("drawn", name)
    path.write_bytes(path.read_bytes() + b"mine")
    refused = muso(*words)
    assert (refused.status, path.read_bytes()[-4:]) == (2, b"mine")
    assert "changed after it was written" in refused.err
    assert muso(*words, "--force").status in (0, 1, 3)


MADE = {
    "report": (*CHECK, "--json", "report"),
    "report page": (*CHECK, "--html", "report page"),
    "unlearning page": (*UNLEARN, "--html", "unlearning page"),
    "labels": (*LABELS, "-o", "labels"),
    "counterexample": (*REFUTE, "--json", "counterexample"),
    "parameters": (*UNLEARN, "-o", "parameters"),
    "unlearning": (*UNLEARN, "--json", "unlearning"),
    "sweep": (*SWEEP, "--json", "sweep"),
    "network": (*NETWORK, "-o", "network"),
}
READERS = {
    "report": ("recheck", "FILE", "d.npz"),
    "counterexample": ("refute", "rule_of_mine.py:wrong", "--replay", "FILE"),
    "figure": ("figure", "FILE"),
    "evidence": ("prove", "exact-labels", "--html", "site of proofs", "--evidence", "FILE"),
    "audit": (*CHECK, "--audit", "FILE"),
    "network": (*CHECK[:2], "--network", "FILE"),
    "data": ("check", "FILE"),
    "public": (*CHECK, "--fit-map", "public:FILE"),
}
READ = {
    "report": {"report", "figure", "evidence"},
    "counterexample": {"counterexample"},
    "sweep": {"figure"},
    "unlearning": {"figure"},
    "labels": {"audit"},
    "parameters": {"audit"},
    "network": {"network"},
    "report page": set(),
    "unlearning page": set(),
}


@pytest.mark.parametrize("kind", FILES)
def test_a_file_of_another_kind_is_called_what_it_is(kind: str, here: Path) -> None:
    """Every door that reads a file of muso's own names a file of another kind, and what reads that."""
    muso(*MADE[kind])
    for door, words in READERS.items():
        answer = muso(*(word.replace("FILE", kind) for word in words))
        told = f"({FILE_KINDS[kind].words}); try {FILE_KINDS[kind].use.replace('{}', kind)}"
        if door in READ[kind]:
            assert told not in answer.err
        else:
            assert answer.status == 2
            assert told in answer.err, door


@pytest.mark.parametrize("kind", FILES)
@pytest.mark.parametrize("other", FILES)
def test_kinds_are_told_apart(kind: str, other: str, here: Path) -> None:
    assert muso(*MADE[other]).status in (0, 1, 3)
    with contextlib.nullcontext() if kind == other else pytest.raises(mt.MusoError, match="--force"):
        Outputs().file(other, kind)


def test_a_file_that_came_meanwhile_is_kept(tmp_path: Path) -> None:
    outputs, path = Outputs(), tmp_path / "report.json"
    outputs.file(path, "report")
    path.write_text("of somebody else")
    with pytest.raises(mt.MusoError, match="an existing file that is no report"):
        outputs.write(path, b"{}")
    assert path.read_text() == "of somebody else"


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="this system has no /dev/full")
@pytest.mark.parametrize(
    "words",
    [
        (*CHECK, "--json", "/dev/full"),
        (*CHECK, "--html", "/dev/full"),
        (*LABELS, "-o", "/dev/full"),
        (*REFUTE, "--json", "/dev/full"),
        (*UNLEARN, "-o", "/dev/full"),
        (*UNLEARN, "--json", "/dev/full"),
        (*UNLEARN, "--html", "/dev/full"),
    ],
    ids=["json", "html", "labels", "refute", "parameters", "unlearning", "page"],
)
def test_a_full_disk_ends_in_words(words: tuple[str, ...], here: Path) -> None:
    answer = muso(*words)
    assert answer.status == 2
    assert answer.err.startswith(
        "muso: expected a path that can be written but got path=/dev/full (No space left"
    )


@pytest.mark.parametrize("call", ["write", "fsync", "chmod", "replace"])
def test_whatever_fails_while_writing_the_old_file_stays(
    call: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "report.json"
    path.write_bytes(b"old")

    def fails(*_: object, **__: object) -> None:
        raise OSError(28, "No space left on device")

    if call == "write":
        monkeypatch.setattr(os, "fdopen", fails)
    else:
        monkeypatch.setattr(os, call, fails)
    with pytest.raises(mt.MusoError, match="No space left"):
        write_atomic(path, b"new")
    monkeypatch.undo()
    assert path.read_bytes() == b"old"
    assert os.listdir(tmp_path) == ["report.json"]


@pytest.mark.slow
@pytest.mark.parametrize(
    "words",
    [
        ("figure", "r.json", "--out", "drawn", "--format", "svg"),
        (*DOORS["check", "figures"], "--figures", "drawn"),
    ],
    ids=lambda words: words[0],
)
def test_what_was_cut_short_can_be_written_again(words: tuple[str, ...], here: Path) -> None:
    """A command knows the drawings and folders that it did not finish."""
    assert muso("check", "d.npz", "--features", "identity", "--json", "r.json").status in (0, 1, 3)
    with failing(Fault("rename", "EIO", 2, here / "drawn")):
        cut = muso(*words)
    assert (cut.status, "Input/output error" in cut.err) == (2, True)
    assert len(list(Path("drawn").rglob("*.*"))) == 1
    again = muso(*words)
    assert again.status in (0, 1, 3), again.err


def test_a_folder_is_known_by_its_index_however_early_it_was_cut(here: Path) -> None:
    for k in (1, 2, 3):
        with (
            failing(Fault("rename", "EIO", k, here / "site")),
            pytest.raises(mt.MusoError, match="Input/output"),
        ):
            write_all(f"site/{k}", {"a": "1", "in/b": b"2", "index.html": "3"}, "index.html")
        Outputs().folder(f"site/{k}", "index.html")  # is not refused
    assert len(write_all("site/1", {"a": "1", "in/b": b"2", "index.html": "3"}, "index.html")) == 3


def test_no_code_runs_while_a_rule_is_looked_for(here: Path) -> None:
    from muso_theory.refutation import source_file

    package = here / "pack"
    package.mkdir()
    (package / "__init__.py").write_text("raise SystemExit")
    (package / "rules.py").write_text("raise SystemExit")
    assert source_file("pack.rules:f") == package / "rules.py"
    assert source_file("pack.nothing:f") is None
    assert source_file("nowhere.at_all:f") is None
    assert "pack" not in sys.modules


def test_a_folder_with_the_name_of_embedded_data_is_not_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "breast_cancer").mkdir()
    words = ["--forget", "rows:0", "--claim", "consistent-sizes", "--json", "breast_cancer/r.json"]
    assert muso("check", "breast_cancer", *words).status == 0
    assert (tmp_path / "breast_cancer" / "r.json").exists()
