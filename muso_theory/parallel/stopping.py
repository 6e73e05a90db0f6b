"""Ending by a signal as by Ctrl-C: told in words, what is finished kept, no process left behind."""

from __future__ import annotations

import contextlib
import signal
import threading
from collections.abc import Iterator
from typing import Any

__all__ = ["gently", "status", "word"]

_WORDS = {"SIGTERM": "terminated", "SIGHUP": "hung up"}

_received: list[int] = []


@contextlib.contextmanager
def gently() -> Iterator[None]:
    """Let SIGTERM and SIGHUP raise KeyboardInterrupt, as SIGINT does, while this context lasts.

    Whoever handles an interruption then handles these, too. A signal that the process was started to ignore (``nohup``)
    stays ignored; outside the main thread nothing changes.

    Yields:
        Nothing.

    Example:
        >>> with gently(), contextlib.suppress(KeyboardInterrupt):
        ...     signal.raise_signal(signal.SIGTERM)
        >>> word(), status()
        ('terminated', 143)
    """
    _received.clear()
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before: dict[int, Any] = {}
    for name in _WORDS:
        number = getattr(signal, name, None)
        if number is not None and signal.getsignal(number) is signal.SIG_DFL:
            before[number] = signal.signal(number, _interrupt)
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _interrupt(number: int, frame: object) -> None:
    """Remember the signal."""
    _received.append(number)
    raise KeyboardInterrupt


def word() -> str:
    """How the last interruption came about, for a message."""
    return _WORDS[signal.Signals(_received[-1]).name] if _received else "interrupted"


def status() -> int:
    """The exit status of a process that was interrupted: 128 and the signal's number, 130 for Ctrl-C."""
    return 128 + (_received[-1] if _received else signal.SIGINT)
