"""Finished points on disk: used only where point, code, versions and content all fit their hash."""

from __future__ import annotations

import contextlib
import hashlib
import json
import re
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from ..errors import BadInputError, expected, printable
from ..files.reading import read_json
from ..files.writing import clear_unfinished, make_folder, write_atomic
from ..former import former
from ..machine import installed

__all__ = ["Checkpoints", "GridPoint"]
former(__name__)

GridPoint = Mapping[str, Any]
"""What is measured at once: settings by name."""

_FINISHED = re.compile(r"[0-9a-f]{24}\.json")


class Checkpoints:
    """The checkpoints of one campaign or sweep, in a folder of their own.

    Args:
        folder: of the files; made if it does not exist.
        code: hash of everything that measures. Points of other code, or of other versions of Python and libraries, have
            other keys, and are cleared when a run has finished.

    Raises:
        BadInputError: a folder that cannot be made.
    """

    def __init__(self, folder: Path, code: str) -> None:
        make_folder(folder)
        self._folder, self._code = folder, code
        # Kernels and threads of BLAS are left out: which libraries are loaded by now would be part of the key.
        self._versions = installed()

    def key(self, point: GridPoint) -> str:
        """Name of a point: a hash of code, versions and point."""
        return _hash([self._code, self._versions, _plain(point)])[:24]

    @contextlib.contextmanager
    def locked(self) -> Iterator[None]:
        """Keep other runs out; the lock ends with the process, however that ends.

        Yields:
            Nothing.

        Raises:
            BadInputError: another run holds it.
        """
        try:
            stream = (self._folder / ".lock").open("a")
        except OSError as error:
            raise expected(
                "a folder to write to", "folder", self._folder, str(error), "another one"
            ) from None
        with stream:
            try:
                import fcntl

                fcntl.flock(stream, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except ImportError:  # no such locks here
                pass
            except OSError:
                got = "another run is at work there"
                raise expected("a folder of its own", "folder", self._folder, got, "waiting for it") from None
            yield

    def read(self, point: GridPoint) -> dict[str, Any] | None:
        """What was measured before, or None where there is nothing, or nothing that fits, which is told."""
        path = self._path(point)
        if not path.exists():
            return None
        with contextlib.suppress(BadInputError):
            stored = read_json(path, "checkpoint", constants=True)
            if isinstance(stored, dict) and set(stored) == {*self._content(point, None), "sha256"}:
                seal = stored.pop("sha256")
                result = stored["result"]
                if isinstance(result, dict) and seal == _hash(stored) == _hash(self._content(point, result)):
                    return result
        words = f"{self._folder.name}: the checkpoint {path.name} does not fit its hash; its point is measured again"
        print(printable(words), file=sys.stderr)
        return None

    def write(self, point: GridPoint, result: Mapping[str, Any]) -> None:
        """Keep what was measured. The order of its keys is kept, since rows are made in it.

        Raises:
            BadInputError: it cannot be written.
        """
        content = self._content(point, result)
        text = json.dumps({**content, "sha256": _hash(content)}, indent=1, ensure_ascii=False)
        write_atomic(self._path(point), printable(text).encode())

    def clear(self) -> None:
        """Remove what other code or other versions have left, and what a run that was killed did not finish writing."""
        clear_unfinished(self._folder, _FINISHED)
        for path in self._folder.iterdir():
            if not _FINISHED.fullmatch(path.name):  # somebody else's
                continue
            stored: Any = None
            try:
                stored = read_json(path, "checkpoint", constants=True)
            except BadInputError as error:
                if isinstance(error.__cause__, OSError):
                    continue  # what the system did not read just now may be a finished point
            mine = isinstance(stored, dict) and stored.get("code") == self._code
            if not mine or stored.get("versions") != self._versions:
                path.unlink(missing_ok=True)

    def _path(self, point: GridPoint) -> Path:
        return self._folder / f"{self.key(point)}.json"

    def _content(self, point: GridPoint, result: Mapping[str, Any] | None) -> dict[str, Any]:
        """What the hash covers."""
        plain = {"code": self._code, "versions": self._versions, "point": _plain(point)}
        return {**plain, "result": _plain(result)}


def _plain(value: Any) -> Any:
    """A value as it is once it was written as JSON and read again."""
    return json.loads(json.dumps(value))


def _hash(content: Any) -> str:
    """SHA-256 of the JSON, keys in their own order: rows are made in it, so that it is part of the content."""
    return hashlib.sha256(json.dumps(content).encode()).hexdigest()
