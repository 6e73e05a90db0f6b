"""The terminal: what is printed on stdout, and progress on stderr."""

from __future__ import annotations

import contextlib
import sys
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from functools import partial

from rich.console import Console, ConsoleOptions, RenderableType
from rich.segment import Segment

from .errors import printable
from .steps import Step

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
def progress(first: float | None = None, every: float = 60.0) -> Iterator[Callable[[str], None]]:
    """Tell on stderr what is going on: a bar on a terminal, else a line now and then.

    Args:
        first: seconds of silence before; None is 1 on a terminal and 10 elsewhere.
    """
    console, watch, over = _Screen(stderr=True), _Watch(), threading.Event()
    silence = (1.0 if console.is_terminal else 10.0) if first is None else first
    target = partial(_draw, console) if console.is_terminal else partial(_log, every)
    # A thread, because one step may take minutes in which nothing else is told.
    thread = threading.Thread(target=lambda: over.wait(silence) or target(watch, over), daemon=True)
    thread.start()
    try:
        yield watch.tell
    finally:
        over.set()
        thread.join()


class _Watch:
    """The last line, and since when it counts; a part of a step has a time of its own, and the step goes on."""

    def __init__(self) -> None:
        self.line = self._whole = "starting"
        self.began = self._whole_began = time.monotonic()

    def tell(self, line: str) -> None:
        """Another line."""
        now = time.monotonic()
        whole = line.within if isinstance(line, Step) and line.within is not None else line
        if not _goes_on(self._whole, whole):
            self._whole_began = now
        if whole is line:
            self.began = self._whole_began
        elif line != self.line or not _goes_on(self.line, line):
            self.began = now
        self.line, self._whole = line, whole

    @property
    def times(self) -> str:
        """Seconds so far and, where the end is known, about how many are left."""
        elapsed = time.monotonic() - self.began
        left = self.line.left(elapsed) if isinstance(self.line, Step) else None
        return f"{elapsed:.0f} s" if left is None else f"{elapsed:.0f} s, about {left:.0f} s left"

    def __str__(self) -> str:
        count = f" ({self.line.done} of {self.line.total} done)" if isinstance(self.line, Step) else ""
        return f"{self.line}{count}: {self.times}"


def _goes_on(before: str, line: str) -> bool:
    """Whether both lines count the same, so that the time of what is done is known."""
    return (
        isinstance(before, Step)
        and isinstance(line, Step)
        and before.total == line.total
        and before.done <= line.done
    )


def _draw(console: Console, watch: _Watch, over: threading.Event) -> None:
    """A bar until it is over; it leaves nothing behind."""
    from rich.progress import BarColumn, Progress, SpinnerColumn, TextColumn

    words, times = (
        TextColumn(f"{{task.{field}}}", markup=False) for field in ("description", "fields[times]")
    )
    with Progress(
        SpinnerColumn(), words, BarColumn(20), times, console=console, transient=True, auto_refresh=False
    ) as bar:
        task = bar.add_task("", total=None, times="")
        while True:
            line = watch.line
            done, total = (line.done, line.total) if isinstance(line, Step) else (0, None)
            bar.update(
                task,
                description=printable(line),
                completed=done,
                total=total,
                times=watch.times,
                refresh=True,
            )
            if over.wait(0.1):
                return


def _log(every: float, watch: _Watch, over: threading.Event) -> None:
    """Lines until it is over; a log that cannot be written stops no work."""
    with contextlib.suppress(OSError, ValueError):
        while True:
            print(printable(f"muso: {watch}"), file=sys.stderr, flush=True)
            if over.wait(every):
                return
