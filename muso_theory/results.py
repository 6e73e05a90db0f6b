"""Result files: what they hold of all runs alike, their kinds, and the hash that tells whether they were changed.

Three kinds share this layout; the fourth, the report of ``muso check``, has its own (`muso_theory.report`).

- A *campaign* of ``python -m verification`` has ``campaign``, its name, and what its figures and tables read.
- A *sweep* has ``kind`` ``sweep``, ``axis`` (what is varied) and ``rows``; a row has ``axis``, ``value``, ``seed`` and
  named numbers, and may have ``series``, the line that it belongs to. A number ``X, predicted`` is what theory gives
  for the number ``X``, and ``X, bound`` a proved upper bound of it.
- An *unlearn* has ``kind`` ``unlearn`` and ``rows``; a row has ``method``, ``seed`` and named numbers, such as ``retain
  accuracy``, ``forget accuracy``, ``test accuracy``, ``gap``, ``AUC``, and may have ``AUC interval``, two numbers.

Sweep and unlearn may also have ``title``, ``input`` and ``settings`` as a report has them, ``quick``, and beside the
rows ``eigenvalues`` (of the Gram matrix, all of them) and ``labels`` (the labels of each rule). All have ``schema`` and
``sha256``.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from .errors import expected, printable

__all__ = ["ROW_KEYS", "SCHEMA", "check_result", "content_hash", "encoded", "sealed", "timeless"]

SCHEMA = 1
"""The version of result files; a file that names none is of the first."""

ROW_KEYS = {"sweep": ("axis", "value", "seed"), "unlearn": ("method", "seed")}
"""What every row of these kinds has beside its numbers."""


def timeless(content: Any) -> Any:
    """A result without its times and its environment: what the same code reproduces with the same kernels of BLAS.

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
    return hashlib.sha256(printable(whole).encode()).hexdigest()


def sealed(result: Mapping[str, Any]) -> dict[str, Any]:
    """A result with its schema version and its hash, ready to be written as JSON.

    Args:
        result: as JSON holds it.

    Returns:
        A copy with ``schema`` and ``sha256``, which `check_result` accepts.

    Example:
        >>> row = {"axis": "ridge", "value": 0.1, "seed": 0, "gap": 2.5}
        >>> check_result(sealed({"kind": "sweep", "axis": "ridge", "rows": [row]}), "sweep.json")
    """
    whole = {**result, "schema": SCHEMA}
    return whole | {"sha256": content_hash(whole)}


def encoded(result: Mapping[str, Any]) -> bytes:
    r"""A result as the bytes of its file: the same result gives the same.

    Args:
        result: as JSON holds it.

    Returns:
        UTF-8.

    Example:
        >>> encoded({"x": 0.5})
        b'{\n "x": 0.5\n}\n'
    """
    return (printable(json.dumps(result, indent=1, ensure_ascii=False, allow_nan=False)) + "\n").encode()


def check_result(result: Mapping[str, Any], path: str | Path) -> None:
    """Refuse a result that this version cannot read, or that is not as it was written.

    Args:
        result: the content of a result file.
        path: of the file, for the error.

    Raises:
        BadInputError: another schema version, no hash, one that does not fit the content, or a row of a sweep or
            unlearn result without the keys that its kind has.
    """
    kind = result.get("kind")
    again = (
        f"muso {kind} DATA"
        if kind in ROW_KEYS
        else f"python -m verification {result.get('campaign', 'NAME')}"
    )
    version = result.get("schema", SCHEMA)
    if version != SCHEMA:
        raise expected(f"results of schema version {SCHEMA}", "schema", version, str(path), again)
    if result.get("sha256") != content_hash(result):
        found = f"{path}: changed after it was written"
        raise expected("a result as it was written", "sha256", result.get("sha256"), found, again)
    if kind not in ROW_KEYS:
        return
    rows = result.get("rows")
    if not isinstance(rows, list) or not rows:
        raise expected("a list of rows", "rows", rows, f"{path}: {type(rows).__name__}", again)
    for i, row in enumerate(rows):
        missing = [key for key in ROW_KEYS[kind] if not isinstance(row, Mapping) or key not in row]
        if missing:
            raise expected(f"rows with {', '.join(missing)}", f"rows[{i}]", row, str(path), again)
