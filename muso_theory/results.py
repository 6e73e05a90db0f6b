"""Result files of campaigns: what they hold of all runs alike, and the hash that tells whether they were changed."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from .errors import expected

__all__ = ["SCHEMA", "check_result", "content_hash", "timeless"]

SCHEMA = 1
"""The version of result files; a file that names none is of the first."""


def timeless(content: Any) -> Any:
    """A result without its times and its environment: what every run of the same code reproduces.

    Args:
        content: a result, or a part of one.

    Returns:
        A copy without the keys ``environment``, ``sha256``, ``seconds`` and those that end in `` seconds``.
    """
    if isinstance(content, Mapping):
        return {
            key: timeless(value)
            for key, value in content.items()
            if key not in ("environment", "sha256", "seconds") and not key.endswith(" seconds")
        }
    return [timeless(value) for value in content] if isinstance(content, list | tuple) else content


def content_hash(result: Mapping[str, Any]) -> str:
    """The hash that a result carries under ``sha256``: of all but times and environment.

    Args:
        result: as JSON holds it.

    Returns:
        SHA-256 in hexadecimal digits.

    Example:
        >>> content_hash({"x": 1, "seconds": 2.0}) == content_hash({"seconds": 3.0, "x": 1, "sha256": ""})
        True
    """
    whole = json.dumps(timeless(result), sort_keys=True, ensure_ascii=False)
    return hashlib.sha256(whole.encode()).hexdigest()


def check_result(result: Mapping[str, Any], path: str | Path) -> None:
    """Refuse a result that this version cannot read, or that is not as its campaign wrote it.

    Args:
        result: the content of a result file.
        path: of the file, for the error.

    Raises:
        BadInputError: another schema version, no hash, or one that does not fit the content.
    """
    again = f"python -m verification {result.get('campaign', 'NAME')}"
    version = result.get("schema", SCHEMA)
    if version != SCHEMA:
        raise expected(f"results of schema version {SCHEMA}", "schema", version, str(path), again)
    if result.get("sha256") != content_hash(result):
        found = f"{path}: changed after it was written"
        raise expected("a result as its campaign wrote it", "sha256", result.get("sha256"), found, again)
