"""The k-th call of an operation of the system fails, as SQLite's tests have it: an error, Ctrl-C, or the process ends.

What is counted is what concerns one folder, so that k does not depend on where a library was loaded from.
"""

from __future__ import annotations

import builtins
import contextlib
import errno
import io
import os
import re
import signal
import sys
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from unittest import mock

import numpy as np

__all__ = ["ERRORS", "Fault", "called", "failing", "general"]

ERRORS: Mapping[str, tuple[str, ...]] = {
    "open": ("EACCES", "EIO", "interrupt"),
    "read": ("EIO",),
    "write": ("ENOSPC", "ENOSPC from then on", "EIO", "EINTR", "interrupt", "kill"),
    "fsync": ("EIO", "ENOSPC from then on", "interrupt", "kill"),
    "rename": ("EACCES", "EIO", "interrupt", "kill"),
    "mkdir": ("EACCES", "ENOSPC", "interrupt"),
    "remove": ("EACCES",),
    "memory": ("MemoryError",),
    "call": ("MemoryError", "EIO", "interrupt", "kill"),
    "worker": ("kill",),
}
"""How each operation can fail: an error, Ctrl-C, or the end of the process. Python writes again after EINTR."""

_CALLS: Mapping[str, tuple[tuple[Any, str], ...]] = {
    "open": ((os, "open"), (io, "open"), (builtins, "open")),
    "read": ((io, "open"), (builtins, "open")),
    "write": ((io, "open"), (builtins, "open")),
    "fsync": ((os, "fsync"),),
    "rename": ((os, "replace"), (os, "rename")),
    "mkdir": ((os, "mkdir"),),
    "remove": ((os, "unlink"), (os, "remove")),
    "memory": tuple((np, name) for name in ("array", "empty", "zeros", "ones", "eye", "concatenate")),
}


@dataclass
class Fault:
    """The k-th call of an operation fails; 0 lets all pass.

    Args:
        operation: one of `ERRORS`.
        error: one of its errors.
        k: which call, from 1.
        folder: calls that concern other folders pass uncounted.
    """

    operation: str
    error: str
    k: int
    folder: Path
    places: list[str] = field(default_factory=list)

    @property
    def met(self) -> bool:
        """Whether the call came."""
        return 0 < self.k <= len(self.places)

    def check(self, place: str, before: Callable[[], Any] = lambda: None) -> None:
        """Count a call, and let it fail when it is its turn."""
        self.places.append(place)
        lasting = self.error.endswith(" from then on")
        if len(self.places) != self.k and not (lasting and self.met):
            return
        if self.error == "interrupt":
            raise KeyboardInterrupt
        if self.error == "MemoryError":
            raise MemoryError
        if self.error != "EINTR":
            before()
        if self.error == "kill":
            os.kill(os.getpid(), signal.SIGKILL)
        number = getattr(errno, self.error.partition(" ")[0])
        raise OSError(number, os.strerror(number))

    def place(self, file: Any) -> str | None:
        """Name of a file, or of a descriptor's, in the folder; None for others."""
        with contextlib.suppress(TypeError, ValueError, OSError):
            name = os.readlink(f"/proc/self/fd/{file}") if isinstance(file, int) else os.fspath(file)
            path = Path(os.path.abspath(name))
            if path.is_relative_to(self.folder):
                return general(str(path.relative_to(self.folder)))
        return None

    def wrapped(self, real: Callable[..., Any]) -> Callable[..., Any]:
        """A function of the system that fails when it is its turn."""

        def call(*given: Any, **named: Any) -> Any:
            if self.operation == "memory":
                frame = sys._getframe(1)
                self.check(f"{frame.f_globals.get('__name__')}.{frame.f_code.co_name}")
            elif (place := self.place(given[0])) is None:
                pass
            elif self.operation in ("read", "write"):
                return self._opened(place, real, *given, **named)
            elif self.operation == "fsync" or not isinstance(given[0], int):
                self.check(place)
            return real(*given, **named)

        return call

    def _opened(
        self, place: str, real: Any, file: Any, mode: str = "r", buffering: int = -1, *more: Any, **named: Any
    ) -> Any:
        """A file whose reads or writes fail when it is their turn."""
        writes = any(letter in mode for letter in "wax+")
        if writes != (self.operation == "write"):
            return real(file, mode, buffering, *more, **named)
        raw = _Raw(file, mode.replace("b", "").replace("t", ""), opener=named.get("opener"))
        raw.fault, raw.place = self, place
        if buffering == 0:
            return raw
        buffered: Any = io.BufferedWriter(raw) if writes else io.BufferedReader(raw)
        return buffered if "b" in mode else io.TextIOWrapper(buffered, named.get("encoding"))


class _Raw(io.FileIO):
    """A file of the system; what fails to be written is written by half, and nothing more after it."""

    fault: Fault
    place: str
    broken: OSError | None = None

    def write(self, data: Any) -> Any:
        """Write, or half of it."""
        if self.broken is not None:
            raise self.broken
        whole = bytes(data)
        try:
            self.fault.check(self.place, lambda: super(_Raw, self).write(whole[: len(whole) // 2]))
        except InterruptedError:
            raise
        except OSError as error:
            self.broken = error
            raise
        return super().write(data)

    def readinto(self, buffer: Any) -> Any:
        """Read into a buffer."""
        self.fault.check(self.place)
        return super().readinto(buffer)

    def readall(self) -> Any:
        """Read all."""
        self.fault.check(self.place)
        return super().readall()


@contextlib.contextmanager
def failing(fault: Fault) -> Iterator[Fault]:
    """Let the system fail while this context lasts."""
    called.append(fault)
    with contextlib.ExitStack() as stack:
        stack.callback(called.remove, fault)
        for module, name in _CALLS.get(fault.operation, ()):
            stack.enter_context(mock.patch.object(module, name, fault.wrapped(getattr(module, name))))
        yield fault


called: list[Fault] = []
"""The fault under way, for the points of the small campaign."""


def general(path: str) -> str:
    """A path without what is drawn at random, or depends on versions."""
    return re.sub(r"[0-9a-f]{24}", "POINT", re.sub(r"\.[a-z0-9_]{8}\.tmp$", ".tmp", path))
