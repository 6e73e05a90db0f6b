"""Finding what campaigns wrote."""

from __future__ import annotations

from pathlib import Path

from muso_theory.errors import MusoError, expected
from muso_theory.plots.sources import ResultFile, read

__all__ = ["MissingResultError", "find", "load"]


class MissingResultError(MusoError):
    """No campaign has left the result that a figure needs."""


def find(directory: Path, name: str) -> Path:
    """The file of a campaign's result: the full-size one, or else the quick one.

    Raises:
        MissingResultError: neither exists; names the campaign to run.
    """
    for candidate in (directory / f"{name}.json", directory / f"{name}-quick.json"):
        if candidate.is_file():
            return candidate
    raise MissingResultError(f"no result {name}.json in {directory}; try python -m verification {name}")


def load(directory: Path, name: str) -> ResultFile:
    """A campaign's result.

    Raises:
        MissingResultError: see `find`.
        BadInputError: the file is no result, another campaign's, of another version, or was changed after
            it was written.
    """
    source = read(find(directory, name))
    if source.name != name:
        again = f"python -m verification {name}"
        raise expected(f"the result of {name}", "campaign", source.name, str(source.path), again)
    return source
