"""Re-verify a stored report: nothing that it says is believed, everything is computed again from the data."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

from .errors import BadInputError, expected
from .evidence import About, Verdict
from .report import SCHEMA, Report, digest

__all__ = ["Recheck", "compare", "parse_report"]

_NUMBER = re.compile(r"\d+(?:\.\d+)?(?:e[+-]?\d+)?")

_FAILING = (Verdict.REFUTED.name, Verdict.VACUOUS.name)


@dataclass(frozen=True)
class Recheck:
    """What came of it.

    Args:
        mismatches: everything in the stored report that the data do not bear out; empty if it stands.
        identical: findings whose numbers came out the same to the last digit.
        consistent: findings whose numbers differ by rounding only.
        independent: claims confirmed by a second arithmetic.
    """

    mismatches: tuple[str, ...]
    identical: int
    consistent: int
    independent: int = 0


def parse_report(text: str, name: str) -> dict[str, Any]:
    """Read a stored report.

    Args:
        text: its JSON.
        name: what to call it in an error.

    Returns:
        The report as plain data.

    Raises:
        BadInputError: not JSON, not a report, or of another schema version.
    """
    try:
        document = json.loads(text)
    except (json.JSONDecodeError, RecursionError) as error:
        raise BadInputError(
            f"expected a JSON report but got {name}: {error}; try muso check DATA --json FILE"
        ) from None
    layout = {"schema": int, "settings": dict, "input": dict, "evidence": list}
    if not isinstance(document, dict) or any(
        not isinstance(document.get(key), kind) for key, kind in layout.items()
    ):
        raise expected("a report", "report", name, "other JSON", "a file written by muso check --json")
    if document["schema"] != SCHEMA:
        raise expected(f"schema version {SCHEMA}", "schema", document["schema"], name, "writing it anew")
    if not document["evidence"]:
        raise expected(
            "at least one piece of evidence", "evidence", document["evidence"], name, "writing it anew"
        )
    return document


def compare(document: dict[str, Any], fresh: Report, second: Report | None = None) -> Recheck:
    """Hold a stored report against fresh ones, field by field: nothing may be missing, added or different.

    Numbers may differ by rounding: an exact one not at all, a proved bound by a factor of three, a float by one part
    in a million or below its limit. Words may differ in such numbers only. The versions of the tools and the name
    under which the data are found are not compared; nor is the hash of features that were computed, whose last bits
    depend on the machine.

    Args:
        document: the stored report.
        fresh: the same check, run again on the data.
        second: the same claims in another arithmetic, or None.

    Returns:
        What does not agree, and how well the rest does.
    """
    mismatches: list[str] = []
    if document.get("digest") != digest(document):
        mismatches.append("the digest does not fit the content: the report was changed after it was written")
    stored = _comparable({key: value for key, value in document.items() if key != "digest"})
    found = _comparable(fresh.to_dict())
    mismatches += list(_differences("", stored, found))
    pairs = list(zip(_entries(stored), _entries(found), strict=False))
    identical = sum(a == b for a, b in pairs)
    consistent = sum(a != b and not list(_differences("", a, b)) for a, b in pairs)
    independent = 0
    others = {} if second is None else second.evidence
    for entry in _entries(stored):
        row = entry.get("row") if isinstance(entry, dict) else None
        # What is handed out depends on the arithmetic; theorems and audits do not.
        if not isinstance(row, str) or row not in others or others[row].about is About.OUTPUT:
            continue
        other = others[row].verdict.name
        if other == Verdict.UNDECIDED.name:
            continue
        if (other in _FAILING) != (entry.get("verdict") in _FAILING):
            mismatches.append(f"{row}: {entry.get('verdict')} stored, {other} by {others[row].arithmetic}")
        else:
            independent += 1
    return Recheck(tuple(mismatches), identical, consistent, independent)


def _entries(document: Any) -> list[Any]:
    """The evidence of a report, or nothing."""
    evidence = document.get("evidence") if isinstance(document, dict) else None
    return evidence if isinstance(evidence, list) else []


def _comparable(document: dict[str, Any]) -> dict[str, Any]:
    """A copy without what may differ between two honest runs."""
    copied: dict[str, Any] = json.loads(json.dumps(document))
    copied.pop("versions", None)
    settings, inputs = copied.get("settings"), copied.get("input")
    source = settings.get("source") if isinstance(settings, dict) else None
    if isinstance(source, dict):
        source.pop("data", None)
        if source.get("features") != "identity" and isinstance(inputs, dict):
            inputs.pop("sha256", None)
    return copied


def _differences(where: str, stored: Any, found: Any) -> Iterator[str]:
    """Everything in which two values differ by more than rounding, and where."""
    if stored == found:
        return
    if isinstance(stored, dict) and isinstance(found, dict):
        name = found.get("claim") or found.get("what")
        here = f"{where}{name}: " if name else where
        for key in (*found, *(key for key in stored if key not in found)):
            if key not in stored or key not in found:
                yield f"{here}{key}: {'missing' if key in found else 'not expected'}"
            elif key in ("lower", "upper", "bound", "limit"):
                if not _agree(key, stored, found):
                    yield f"{here}{key}: {stored[key]} stored, {found[key]} found"
            else:
                yield from _differences(
                    f"{here}{key}: " if not isinstance(found[key], list) else here, stored[key], found[key]
                )
    elif isinstance(stored, list) and isinstance(found, list):
        if len(stored) != len(found):
            yield f"{where}{len(stored)} entries stored, {len(found)} found"
            return
        for a, b in zip(stored, found, strict=True):
            yield from _differences(where, a, b)
    elif not (isinstance(stored, str) and isinstance(found, str) and _same_words(stored, found)):
        yield f"{where}{_short(stored)} stored, {_short(found)} found"


def _short(value: Any) -> str:
    """A value in at most 80 characters."""
    text = value if isinstance(value, str) else json.dumps(value)
    return text if len(text) <= 80 else text[:77] + "..."


def _same_words(stored: str, found: str) -> bool:
    """Whether two sentences differ in numbers only, and in those by rounding only."""
    if _NUMBER.split(stored) != _NUMBER.split(found):
        return False
    numbers = zip(_NUMBER.findall(stored), _NUMBER.findall(found), strict=True)
    return all(_near(_number(a), _number(b), 0.7) for a, b in numbers)


def _agree(key: str, stored: dict[str, Any], found: dict[str, Any]) -> bool:
    """Whether two numbers can both be true, and are about as good."""
    old, new = _number(stored[key]), _number(found[key])
    if stored[key] == found[key]:
        return True
    if key in ("bound", "limit") or found.get("grade") == "RIGOROUS":
        # A bound on something that is zero is as large as the rounding behind it: a third or three times as much.
        return _near(old, new, 0.67 if key != "limit" else 1e-6) and _ordered(stored)
    if found.get("grade") == "FLOAT":
        limit = _number(found["limit"])
        return _near(old, new, 1e-6) or (old <= limit and new <= limit)
    return False


def _ordered(finding: dict[str, Any]) -> bool:
    """Whether the ends of an enclosure are in order, where there are two."""
    if "lower" not in finding or "upper" not in finding:
        return True
    return bool(_number(finding["lower"]) <= _number(finding["upper"]))


def _near(a: Fraction | float, b: Fraction | float, relative: float) -> bool:
    """Whether two numbers agree up to a relative difference."""
    if a == b:
        return True
    if not (math.isfinite(a) and math.isfinite(b)):
        return False
    return abs(Fraction(a) - Fraction(b)) <= Fraction(relative) * max(abs(Fraction(a)), abs(Fraction(b)))


def _number(text: Any) -> Fraction | float:
    """A number from its text; nonsense becomes NaN, which agrees with nothing."""
    try:
        if isinstance(text, str) and not set(text) & set(".en"):
            return Fraction(text)
        return float(text)
    except (ValueError, TypeError, ZeroDivisionError):
        return math.nan
