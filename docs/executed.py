"""Pages whose code is run: what they print must be what is shown.

A page is run from top to bottom in one folder. A ``python`` block is executed, or written to the file that its title
names; a ``sh`` block is a list of commands, each of which may end in ``# exits with N``. A ``text`` block is what the
block before it printed, where a line of three dots stands for any lines. A block marked ``{.not-run}`` needs what the
tests have not, and the page says so. ``python docs/executed.py PAGE...`` writes what was printed into the pages.
"""

from __future__ import annotations

import contextlib
import io
import math
import os
import re
import shlex
import subprocess
import sys
import tempfile
import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]

_BLOCK = re.compile(r"^```(?P<head>[^\n`]+)\n(?P<body>.*?)^```$", flags=re.M | re.S)
_NUMBER = re.compile(r"(?<![\w.])-?\d+(?:\.\d+)?(?:e[+-]?\d+)?(?![\w.]*\d)")
_DOTS = "..."
_NOISE = 1e-6
"""Below this a number in a text is rounding, of which another BLAS kernel has another."""


class PageError(Exception):
    """A page says what does not happen."""


@dataclass(frozen=True)
class Block:
    """One fenced block of a page.

    Args:
        language: python, sh or text.
        title: the file that it is written to, or nothing.
        runs: whether it is run.
        body: its lines.
        span: where the body is in the page.
    """

    language: str
    title: str
    runs: bool
    body: str
    span: tuple[int, int]


def blocks(page: str) -> list[Block]:
    """The fenced blocks of a page, in order."""
    found = []
    for match in _BLOCK.finditer(page):
        head = match["head"]
        title = re.search(r'title="([^"]+)"', head)
        found.append(
            Block(
                language=re.split(r"[ {]", head.strip())[0] or re.findall(r"\.(\w+)", head)[0],
                title=title[1] if title else "",
                runs="not-run" not in head,
                body=match["body"],
                span=match.span("body"),
            )
        )
    return found


def shown_files(page: str) -> list[str]:
    """The pictures that a page shows, which its code must have drawn."""
    return re.findall(r"!\[[^]]*\]\(([^)]+)\)", page)


def same(shown: str, printed: str) -> bool:
    """Whether two texts agree in all words, in numbers to a unit of the last digit shown, and in which are noise.

    Lines do not count: where one is broken depends on how long a number before it is.
    """
    parts = [part.split() for part in re.split(rf"^{re.escape(_DOTS)}$", shown, flags=re.M)]
    return _agree(parts, printed.split())


def _agree(parts: list[list[str]], printed: list[str]) -> bool:
    """Whether the words begin with the first part, and hold the others after it, the last one at their end."""
    first, rest = parts[0], parts[1:]
    if not all(map(_alike, first, printed)) or len(first) > len(printed):
        return False
    if not rest:
        return len(first) == len(printed)
    return any(_agree(rest, printed[start:]) for start in range(len(first), len(printed) + 1))


def _alike(shown: str, printed: str) -> bool:
    if _NUMBER.sub("#", shown) != _NUMBER.sub("#", printed):
        return False
    pairs = zip(_NUMBER.findall(shown), _NUMBER.findall(printed), strict=True)
    return all(_close(one, other) for one, other in pairs)


def _close(one: str, other: str) -> bool:
    if one == other:
        return True
    if not re.search(r"[.e]", one + other):
        return False  # whole numbers count something
    a, b = float(one), float(other)
    if max(abs(a), abs(b)) < _NOISE:
        return True
    digits = re.sub(r"e.*|[-.]", "", one).lstrip("0")
    unit = 10.0 ** (math.floor(math.log10(abs(a))) - len(digits) + 1) if a else 0.0
    return abs(a - b) <= 1.01 * unit


def run(page: str, folder: Path) -> Iterator[tuple[Block, str]]:
    """Run a page in a folder, which keeps what it writes.

    Yields:
        Every block of output with what was printed.

    Raises:
        PageError: code that raises, or a command that exits with another status than the page says.
    """
    names: dict[str, object] = {"__name__": "__main__"}
    printed = ""
    for block in blocks(page):
        if not block.runs:
            continue
        if block.language == "text":
            yield block, printed
        elif block.title:
            (folder / block.title).write_text(block.body, encoding="utf-8")
        elif block.language == "python":
            printed = _python(block.body, names, folder)
        elif block.language == "sh":
            printed = "".join(_command(line, folder) for line in block.body.splitlines())


def _python(body: str, names: dict[str, object], folder: Path) -> str:
    out = io.StringIO()
    known = set(sys.modules)
    sys.path.insert(0, str(folder))
    try:
        with contextlib.chdir(folder), contextlib.redirect_stdout(out), warnings.catch_warnings():
            warnings.simplefilter("error")
            exec(compile(body, "<page>", "exec"), names)
    except Exception as error:
        raise PageError(f"{body}\nraises {error!r}") from error
    finally:
        sys.path.remove(str(folder))
        for name in set(sys.modules) - known:  # another page may write another file of this name
            if str(getattr(sys.modules[name], "__file__", "")).startswith(str(folder)):
                del sys.modules[name]
    return out.getvalue()


def _command(line: str, folder: Path) -> str:
    command, _, comment = line.partition("  #")
    status = re.search(r"exits with (\d)", comment)
    words = shlex.split(command)
    if words[:1] == ["muso"]:
        words = ["-m", "muso_theory", *words[1:]]
    elif words[:1] == ["pytest"]:
        words = ["-m", *words, "-p", "no:cacheprovider"]
    elif words[:1] == ["python"]:
        words = words[1:]
    else:
        raise PageError(f"{line}\nis no command of muso, pytest or python")
    path = os.pathsep.join([str(ROOT), str(folder)])
    done = subprocess.run(
        [sys.executable, *words],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": path, "COLUMNS": "100", "PYTHONDONTWRITEBYTECODE": "1"},
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode != (int(status[1]) if status else 0):
        raise PageError(f"{line}\nexits with {done.returncode}\n{done.stdout}{done.stderr}")
    return done.stdout


def main(pages: list[str]) -> None:
    """Write what was printed into the pages."""
    for name in pages:
        path = Path(name)
        page = path.read_text(encoding="utf-8")
        with tempfile.TemporaryDirectory() as folder:
            found = list(run(page, Path(folder)))
        for block, printed in reversed(found):
            if _DOTS in block.body.splitlines():
                continue  # somebody chose what is shown
            start, end = block.span
            page = page[:start] + printed + page[end:]
        path.write_text(page, encoding="utf-8")


if __name__ == "__main__":
    main(sys.argv[1:])
