"""What all commands do alike: answer on stdout, refuse paths before the work, show tracebacks when asked."""

from __future__ import annotations

import contextlib
import os
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated

import typer

from .errors import expected

__all__ = ["Debug", "answer", "check_folder", "check_spared", "check_writable"]


@contextlib.contextmanager
def answer() -> Iterator[None]:
    """Write to stdout; a reader that has seen enough (``| head -1``) changes neither words nor verdict."""
    try:
        try:
            yield
        finally:
            sys.stdout.flush()
    except OSError as error:
        # The interpreter flushes once more when it ends, and must not fail again.
        with contextlib.suppress(OSError, ValueError):
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        if not isinstance(error, BrokenPipeError):
            raise


def check_writable(*paths: str | Path | None) -> None:
    """Refuse an output path that cannot be written before the work, not after it."""
    for path in paths:
        if path is None or str(path) == "-":
            continue
        target = os.path.realpath(path)
        if os.path.isdir(target):
            raise expected("a file to write", "path", path, "directory", "a file name inside it")
        folder = os.path.dirname(target)
        if not os.path.isdir(folder):
            raise expected(
                "a path in an existing directory", "path", path, "no such directory", f"mkdir -p {folder}"
            )


def check_spared(data: str, *paths: str | Path | None) -> None:
    """Refuse to write an answer over the data that it is about, or one answer over another."""
    taken = {os.path.realpath(data)} if os.path.exists(data) else set()
    for path in paths:
        if path is None or str(path) == "-":
            continue
        target = os.path.realpath(path)
        if target in taken and not target.startswith("/dev/"):
            raise expected("a file of its own", "path", path, "the data, or written twice", "another name")
        taken.add(target)


def check_folder(path: Path | None) -> None:
    """Refuse a folder to write that is a file, or whose parent does not exist, before the work."""
    if path is None:
        return
    if path.exists() and not path.is_dir():
        raise expected("a folder", "path", path, "file", "another name")
    if not path.resolve().parent.is_dir():
        raise expected("a path in an existing directory", "path", path, "no such directory", "mkdir -p")


def _debug(ctx: typer.Context, debug: bool) -> bool:
    """Tell the group, which words the errors."""
    ctx.find_root().obj = debug
    return debug


Debug = Annotated[bool, typer.Option("--debug", help="Show the traceback of an error.", callback=_debug)]
