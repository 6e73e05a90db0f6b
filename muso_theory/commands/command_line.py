"""What all commands do alike: answer on stdout, escape what they print, show tracebacks when asked."""

from __future__ import annotations

import contextlib
import os
import sys
from collections.abc import Iterator
from typing import Annotated

import typer

from ..errors import printable
from ..former import former

__all__ = ["Debug", "answer", "say"]
former(__name__)


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


def say(text: str, end: str = "\n", err: bool = False) -> None:
    """Print text, whatever is in it: everything that a command says passes here or through the tables."""
    typer.echo(printable(text) + end, nl=False, err=err)


def _debug(ctx: typer.Context, debug: bool) -> bool:
    """Keep --debug where the group, which words errors, looks for it."""
    ctx.find_root().obj = debug
    return debug


Debug = Annotated[bool, typer.Option("--debug", help="Show the traceback of an error.", callback=_debug)]
