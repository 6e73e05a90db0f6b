"""The terminal: what is printed on stdout, and progress on stderr."""

from __future__ import annotations

import contextlib
import sys
import time
from collections.abc import Callable, Iterable, Iterator

from rich.console import Console, ConsoleOptions, RenderableType
from rich.segment import Segment
from rich.text import Text

from .errors import printable

__all__ = ["printed", "progress"]


class _Screen(Console):
    """A console that shows control characters, and obeys only its own."""

    def render(self, renderable: RenderableType, options: ConsoleOptions | None = None) -> Iterable[Segment]:
        """Every piece of text, also of cells within cells, before it is coloured."""
        for piece in super().render(renderable, options):
            yield piece if piece.control else piece._replace(text=printable(piece.text))


@contextlib.contextmanager
def printed() -> Iterator[Console]:
    """A console for standard output; when it is not a terminal, wide enough for a table."""
    width = None if sys.stdout.isatty() else 118
    console = _Screen(width=width, highlight=False)
    with console.capture() as captured:
        yield console
    # Written here and not by rich: it pads every line, and it would exit with 1 when a pipe is closed.
    sys.stdout.write("".join(line.rstrip(" ") + "\n" for line in captured.get().splitlines()))


@contextlib.contextmanager
def progress() -> Iterator[Callable[[str], None]]:
    """Tell what is going on: on stderr, only on a terminal, only after a second.

    Yields:
        A function that takes a line of words.
    """
    console = _Screen(stderr=True)
    began = time.monotonic()
    with contextlib.ExitStack() as stack:
        status = console.status("starting")
        shown = False

        def tell(line: str) -> None:
            nonlocal shown
            if not console.is_terminal:
                return
            status.update(Text(line))
            if not shown and time.monotonic() - began > 1:
                stack.enter_context(status)
                shown = True

        yield tell
