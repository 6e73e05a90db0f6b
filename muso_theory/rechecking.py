"""Re-verify a stored report: nothing that it says is believed, everything is computed again from the data."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

from .errors import BadInputError, expected
from .evidence import Verdict
from .report import SCHEMA, Report, digest, evidence_dict

__all__ = ["Recheck", "compare", "parse_report"]

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
    if not isinstance(document, dict) or not {"schema", "settings", "input", "evidence"} <= set(document):
        raise expected("a report", "report", name, "other JSON", "a file written by muso check --json")
    if document["schema"] != SCHEMA:
        raise expected(f"schema version {SCHEMA}", "schema", document["schema"], name, "writing it anew")
    if not isinstance(document["evidence"], list) or not document["evidence"]:
        raise expected(
            "at least one piece of evidence", "evidence", document["evidence"], name, "writing it anew"
        )
    return document


def compare(document: dict[str, Any], fresh: Report, second: Report | None = None) -> Recheck:
    """Hold a stored report against fresh ones.

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
    now = fresh.to_dict()
    for key in ("data_sha256", "n", "D", "outputs", "forget"):
        if document["input"].get(key) != now["input"].get(key):
            mismatches.append(
                f"input {key}: {document['input'].get(key)} stored, {now['input'].get(key)} found"
            )
    if document.get("verdict") != now["verdict"]:
        mismatches.append(f"overall verdict: {document.get('verdict')} stored, {now['verdict']} found")
    stored = {e.get("claim"): e for e in document["evidence"] if isinstance(e, dict)}
    found = {e["claim"]: e for e in now["evidence"]}
    mismatches += [f"{claim}: stored but not checked" for claim in stored.keys() - found.keys()]
    mismatches += [f"{claim}: checked but not stored" for claim in found.keys() - stored.keys()]
    identical = consistent = independent = 0
    for claim in found:
        if claim not in stored:
            continue
        problems = list(_differences(stored[claim], found[claim]))
        mismatches += [f"{claim}: {problem}" for problem in problems]
        if stored[claim] == found[claim]:
            identical += 1
        elif not problems:
            consistent += 1
        if second is not None and claim in second:
            other = evidence_dict(second[claim])["verdict"]
            if other == Verdict.UNDECIDED.name:
                continue
            if (other in _FAILING) != (stored[claim].get("verdict") in _FAILING):
                mismatches.append(
                    f"{claim}: {stored[claim].get('verdict')} stored, {other} by {second[claim].arithmetic}"
                )
            else:
                independent += 1
    return Recheck(tuple(mismatches), identical, consistent, independent)


def _differences(stored: dict[str, Any], found: dict[str, Any]) -> Iterator[str]:
    """What in one piece of evidence is not borne out."""
    for key in ("verdict", "kind", "scope", "arithmetic", "asserted"):
        if stored.get(key) != found[key]:
            yield f"{key} {stored.get(key)} stored, {found[key]} found"
    old, new = stored.get("findings"), found["findings"]
    if not isinstance(old, list) or len(old) != len(new):
        yield "another number of findings"
        return
    for a, b in zip(old, new, strict=True):
        for key in ("what", "grade", "asks", "limit_is", "verdict"):
            if a.get(key) != b[key]:
                yield f"{key} {a.get(key)} stored, {b[key]} found"
        if not _agree(a, b):
            yield f"{b['what']}: [{a.get('lower')}, {a.get('upper')}] stored, [{b['lower']}, {b['upper']}] found"
        if not _near(_number(a.get("limit")), _number(b["limit"]), 1e-6):
            yield f"limit {a.get('limit')} stored, {b['limit']} found"
    bound, first = stored.get("bound"), old[0].get("upper") if old else None
    if (bound is None) != (first is None) or (old and not _near(_number(bound), _number(first), 1e-9)):
        yield f"bound {bound} stored beside an upper end of {first}"


def _agree(a: dict[str, Any], b: dict[str, Any]) -> bool:
    """Whether two enclosures of the same number can both be true, and are about as good."""
    low, high, low_now, high_now = (
        _number(x) for x in (a.get("lower"), a.get("upper"), b["lower"], b["upper"])
    )
    if b["grade"] == "EXACT":
        return low == low_now and high == high_now
    limit = _number(b["limit"])
    if b["grade"] == "FLOAT":
        return _near(high, high_now, 1e-6) or (high <= limit and high_now <= limit)
    return low <= high_now and low_now <= high and _near(high, high_now, 0.9)


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
