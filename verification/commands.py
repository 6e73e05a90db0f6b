"""The ``muso`` command in this process: what it answers, where, and with which exit status."""

from __future__ import annotations

import contextlib
import io
import json
import re
import sys
from dataclasses import dataclass
from typing import Any

from muso_theory.commands.cli import main

__all__ = ["Answer", "muso", "without_progress"]


@dataclass(frozen=True)
class Answer:
    """How a command ended."""

    status: int
    out: str
    err: str

    @property
    def report(self) -> dict[str, Any]:
        """Standard output as one JSON document: anything else on it fails here."""
        return json.loads(self.out)  # type: ignore[no-any-return]

    @property
    def verdicts(self) -> dict[str, str]:
        """Verdicts by row."""
        return {e["row"]: e["verdict"] for e in self.report["evidence"]}


def muso(*words: object, stdin: bytes = b"", encoding: str = "utf-8", terminal: bool = False) -> Answer:
    """Run the command in this process, with byte streams of its own."""

    class Stream(io.TextIOWrapper):
        def isatty(self) -> bool:
            return terminal

    out, err = (Stream(io.BytesIO(), encoding=encoding) for _ in range(2))
    before, status = sys.stdin, None
    sys.stdin = io.TextIOWrapper(io.BytesIO(stdin))
    try:
        with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
            try:
                main([str(word) for word in words])
            except SystemExit as stopped:
                status = int(stopped.code or 0)
            out.flush(), err.flush()
    finally:
        sys.stdin = before
    assert status is not None, "the command did not end the process"
    texts = [stream.buffer.getvalue().decode(encoding) for stream in (out, err)]
    return Answer(status, texts[0], without_progress(texts[1]))


def without_progress(text: str) -> str:
    """What was said on stderr but the lines that come and go with the load of the machine."""
    return re.sub(r"(?m)^muso: .*: \d+ s(, about \d+ s left)?\n", "", text)
