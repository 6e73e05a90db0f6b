"""The README is run, not believed."""

from __future__ import annotations

import io
import re
import shlex
import subprocess
import sys
from contextlib import redirect_stdout
from pathlib import Path

import numpy as np
import pytest

import muso_theory as mt
import verification.__main__ as verification
from figures.__main__ import main as draw
from muso_theory.claims import markdown_table

ROOT = Path(__file__).resolve().parents[1]
README = (ROOT / "README.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"```(\w+)\n(.*?)```", README, flags=re.S)


def blocks(language: str) -> list[str]:
    return [body for name, body in BLOCKS if name == language]


def test_first_screen() -> None:
    first, second = blocks("sh")[0].splitlines()
    assert first == "pip install . && muso check digits"
    assert second == "pip install '.[test]' && pytest"
    assert README.split("## Claims")[0].count("\n") <= 40
    ci = (ROOT / ".ci" / "run").read_text(encoding="utf-8").splitlines()
    assert ci.index(first) < ci.index(second)


def test_python_blocks_print_what_is_shown() -> None:
    shown = blocks("text")[0]
    names: dict[str, object] = {}
    out = io.StringIO()
    with redirect_stdout(out):
        for block in blocks("python"):
            exec(block, names)
    assert out.getvalue() == shown


@pytest.mark.parametrize("block", blocks("sh")[1:])
def test_commands_run(block: str, tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    np.savez(tmp_path / "data.npz", X=rng.standard_normal((12, 3)), y=rng.standard_normal(12), forget=[1, 5])
    for line in block.splitlines():
        command, _, comment = line.partition("#")
        status = re.search(r"exits with (\d)", comment)
        words = shlex.split(command)
        assert words[0] == "muso"
        done = subprocess.run(
            [sys.executable, "-m", "muso_theory", *words[1:]],
            cwd=tmp_path,
            env={"PYTHONPATH": str(ROOT), "PATH": "/usr/bin:/bin"},
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == (int(status[1]) if status else 0), line + done.stdout + done.stderr
        assert done.stdout
        assert not done.stderr


def test_claims_table_is_current() -> None:
    table = README.split("<!-- claims -->\n")[1].split("<!-- /claims -->")[0]
    assert table == markdown_table()


def test_campaigns_table_is_current() -> None:
    table = README.split("<!-- campaigns -->\n")[1].split("<!-- /campaigns -->")[0]
    assert table == verification.markdown_table()


def test_every_campaign_has_a_committed_result() -> None:
    results = ROOT / "verification" / "results"
    every = [task for name in verification.names() for task in verification.tasks(name, None, False)]
    missing = [
        task.label for task in every if not any((results / task.file(quick)).exists() for quick in (0, 1))
    ]
    assert missing == []


GALLERY = re.findall(r"figures/gallery/(\w+)\.svg", README)


def test_the_gallery_is_what_its_command_draws(tmp_path: Path) -> None:
    import matplotlib as mpl

    if mpl.__version__ != (made := "3.11.2"):
        pytest.skip(f"drawn with matplotlib {made}; another version draws other bytes")
    [line] = re.findall(r"`python -m figures (.*? --out figures/gallery)`", README)
    names = shlex.split(line)
    assert names[:3] == GALLERY
    assert draw([*names[:-1], str(tmp_path)]) == 0
    kept = ROOT / "figures" / "gallery"
    assert {path.name for path in kept.iterdir()} == {
        f"{n}.{kind}" for n in GALLERY for kind in ("svg", "txt")
    }
    for path in kept.iterdir():
        assert (tmp_path / path.name).read_bytes() == path.read_bytes(), path.name


def test_everything_public_can_be_reached() -> None:
    for name in mt.__all__:
        assert getattr(mt, name) is not None
    with pytest.raises(AttributeError, match="no attribute"):
        mt.nothing  # noqa: B018
