"""Opening zip archives of others: zipfile makes an object of every member before it can be asked how many there are."""

from __future__ import annotations

import contextlib
import io
import os
import zipfile
from collections.abc import Iterator
from typing import IO, Any

from ..errors import expected

__all__ = ["open_archive"]

_MOST_MEMBERS = 10_000

_MEMBER = b"PK\x01\x02"
"""What the directory of an archive says before each member."""


class _Counted(io.RawIOBase):
    """A stream of which no more is read than so many members.

    What an archive says of their number, and of where its directory is, is not believed: whatever is read is counted.
    """

    def __init__(self, stream: IO[bytes]) -> None:
        self._stream, self._left = stream, _MOST_MEMBERS

    def seekable(self) -> bool:
        return True

    def seek(self, place: int, whence: int = os.SEEK_SET) -> int:
        return self._stream.seek(place, whence)

    def tell(self) -> int:
        return self._stream.tell()

    def read(self, n_bytes: int = -1) -> bytes:
        data = self._stream.read(n_bytes)
        self._left -= data.count(_MEMBER)
        if self._left < 0:
            what = f"an archive of at most {_MOST_MEMBERS:,} files"
            raise expected(what, "files", "more", "in its directory", "an archive of fewer")
        return data


@contextlib.contextmanager
def open_archive(source: str | os.PathLike[str] | IO[bytes]) -> Iterator[zipfile.ZipFile]:
    """A zip archive, once it is known to hold at most 10,000 files.

    Args:
        source: path, or binary stream.

    Raises:
        BadInputError: more files.
        zipfile.BadZipFile: no archive; `reading.BROKEN` says what else comes of broken ones.

    Example:
        >>> stream = io.BytesIO()
        >>> with zipfile.ZipFile(stream, "w") as archive:
        ...     archive.writestr("a.txt", "words")
        >>> with open_archive(stream) as archive:
        ...     archive.namelist()
        ['a.txt']
    """
    with contextlib.ExitStack() as stack:
        stream: Any = source if hasattr(source, "read") else stack.enter_context(open(source, "rb"))
        zipfile.ZipFile(_Counted(stream)).close()
        yield stack.enter_context(zipfile.ZipFile(stream))
