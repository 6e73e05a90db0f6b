"""Reading what campaigns wrote."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from muso_theory.errors import MusoError, expected
from muso_theory.reading import read_json
from muso_theory.results import check_result

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


def load(directory: Path, name: str) -> dict[str, Any]:
    """A campaign's result.

    Raises:
        MissingResultError: see `find`.
        BadInputError: the file is no result, another campaign's, of another version, or was changed after
            it was written.
    """
    path = find(directory, name)
    again = f"python -m verification {name}"
    result = read_json(path, "file", constants=True)
    if not isinstance(result, dict) or "campaign" not in result:
        raise expected("a result file with the key 'campaign'", "file", path, type(result).__name__, again)
    if str(result["campaign"]).replace("_", "-") != name:
        raise expected(f"the result of {name}", "campaign", result["campaign"], str(path), again)
    check_result(result, path)
    return result
