"""Re-verify a stored report: nothing that it says is believed, everything is computed again from the data.

Where versions, processor and BLAS are those of the report, every leaf of it must come out again, to the last digit.
Elsewhere kernels sum in another order, so proved bounds come out a little larger or smaller. A stated bound then
stands only if it follows from a bound that was proved here: the stated enclosure contains the new one, or one that a
tighter arithmetic proves. There is no tolerance: whatever stands is true. A bound that was loosened stands there too,
as the weaker statement that it is, unless its own verdict no longer follows from it.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from ..errors import expected
from ..evidence import About, Verdict
from ..files.reading import parse_json
from ..numbers.ieee import ieee_proof
from ..understood import COMPUTED
from .implication import contains, end_of_first, noise_fits, possible, still_supported, words_follow
from .report import REPORT_SCHEMA, Report, digest

__all__ = ["NOT_CHECKED", "Recheck", "compare", "parse_report"]

NOT_CHECKED = {
    "versions": "the versions and the machine at the time; only that each is named",
    "input.understood of K and cluster": "where it was computed",
    "settings.source.data": "the folder in which the data lay; their name and content are checked",
}
"""What may always differ between two runs; everything else is checked or told in ``Recheck.unchecked``."""

_FAILING = (Verdict.REFUTED.name, Verdict.VACUOUS.name)
_ENDS = ("lower", "upper")
_WORDS = ("what", "facts", "failed_hypotheses", "needs")

_Path = tuple[str | int, ...]
_ABSENT = object()


@dataclass(frozen=True)
class Recheck:
    """What checking a stored report again found.

    Args:
        mismatches: everything in the stored report that the data do not bear out, by leaf; empty if it stands.
        identical: rows that came out the same to the last digit.
        implied_rows: names of rows with other digits, all of which follow from what was proved here.
        independent: claims confirmed by a second arithmetic.
        unchecked: leaves that could not be checked here, beyond NOT_CHECKED: digits of measurements, and of floats
            that another BLAS kernel handed out.
        unsettled: rows with such leaves; they are neither identical nor implied.
        interrupted: how far the check came that wrote the report; empty for a whole one.
    """

    mismatches: tuple[str, ...]
    identical: int
    implied_rows: tuple[str, ...]
    independent: int = 0
    unchecked: tuple[str, ...] = ()
    unsettled: int = 0
    interrupted: str = ""

    @property
    def implied(self) -> int:
        """How many rows have other digits that follow."""
        return len(self.implied_rows)


def parse_report(text: str, name: str) -> dict[str, Any]:
    """Read a stored report as plain data.

    Raises:
        BadInputError: not JSON, a key that occurs twice, not a report, or of another schema version.
    """
    document = parse_json(text, "report", name)
    again = "a file written by muso check --json"
    if not isinstance(document, dict):
        raise expected("a report", "report", name, "other JSON", again)
    layout = {"schema": int, "versions": dict, "settings": dict, "input": dict, "evidence": list}
    # What a file is comes before its version: each kind of file counts its own.
    absent = [key for key in layout if key not in document]
    if "schema" in absent or "evidence" in absent:
        raise expected("a report", "report", name, f"{absent[-1]} is missing", again)
    if type(document["schema"]) is not int or document["schema"] != REPORT_SCHEMA:
        raise expected(
            f"schema version {REPORT_SCHEMA}", "schema", document["schema"], name, "writing it anew"
        )
    for key, kind in layout.items():
        if not isinstance(document.get(key), kind):
            got = f"{key} is missing" if key in absent else f"{key} is another type"
            raise expected("a report", "report", name, got, again)
    if not document["evidence"]:
        raise expected(
            "at least one piece of evidence", "evidence", document["evidence"], name, "writing it anew"
        )
    return document


@ieee_proof()
def compare(
    document: dict[str, Any],
    fresh: Report,
    second: Report | None = None,
    tighter: Callable[[], Iterable[Report]] = tuple,
) -> Recheck:
    """Hold a stored report against fresh ones, leaf by leaf: nothing may be missing, added or different.

    Args:
        fresh: the same check, run again on the data.
        second: the same claims in another arithmetic, or None.
        tighter: the same claims in arithmetics that prove tighter bounds; asked only where a bound of a report from
            another machine does not follow from ``fresh``.
    """
    mismatches: list[str] = []
    if document.get("digest") != digest(document):
        mismatches.append("digest: it does not fit the content, which was changed after it was written")
    stored, place = _apart({key: value for key, value in document.items() if key != "digest"})
    found, here = _apart(json.loads(json.dumps(fresh.to_dict())))
    same_machine = place == here and stored.get("versions") == found["versions"]
    rows = _Rows(stored, found, tighter)
    unchecked, digits, unsettled = [], set(), set()
    for path, old, new in _differences((), stored, found):
        if _need_not_agree(path, old, new):
            continue
        follows = None if same_machine else rows.follows(path, old, new)
        if follows is None:
            mismatches.append(_told(_leaf(path, found), old, new))
        else:
            digits.add(path[1])
            if not follows:
                unchecked.append(_leaf(path, found))
                unsettled.add(path[1])
    identical = sum(a == b for a, b in zip(_entries(stored), _entries(found), strict=False))
    failed, independent = _confirmed(stored, second)
    implied = (
        () if mismatches else tuple(rows.found[int(index)]["row"] for index in sorted(digits - unsettled))
    )
    cut = str(fresh.settings.get("interrupted", ""))
    found_here = (*mismatches, *failed)
    return Recheck(found_here, identical, implied, independent, tuple(unchecked), len(unsettled), cut)


def _apart(document: dict[str, Any]) -> tuple[dict[str, Any], list[Any]]:
    """A report without what it says of where it was computed, and whether that was in tiles: last digits say so."""
    inputs = document.get("input")
    if not (isinstance(inputs, dict) and isinstance(rows := inputs.get("understood"), list)):
        return document, []
    apart = [row for row in rows if _is_place(row)]
    if len(apart) > len({row["word"] for row in apart}):  # no check writes a word twice
        return document, []
    rest = {**document, "input": {**inputs, "understood": [row for row in rows if row not in apart]}}
    return rest, [row["value"] for row in apart if row["word"] == "K"]


def _is_place(row: Any) -> bool:
    """Whether this row says where it was computed, and nothing else."""
    if not (isinstance(row, dict) and set(row) == {"word", "value", "how", "option"}):
        return False
    if not all(isinstance(words, str) for words in row.values()) or row["word"] not in COMPUTED:
        return False
    how, option, value = COMPUTED[row["word"]]
    return (row["how"], row["option"]) == (how, option) and re.fullmatch(value, row["value"]) is not None


def _confirmed(stored: dict[str, Any], second: Report | None) -> tuple[list[str], int]:
    """Rows that a second arithmetic contradicts, and how many it confirms."""
    mismatches, independent = [], 0
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
    return mismatches, independent


def _entries(document: Any) -> list[Any]:
    """The evidence of a report, or nothing."""
    evidence = document.get("evidence") if isinstance(document, dict) else None
    return evidence if isinstance(evidence, list) else []


def _differences(path: _Path, stored: Any, found: Any) -> Iterator[tuple[_Path, Any, Any]]:
    """Every leaf in which two documents differ, type included: in JSON 1, 1.0 and true are three things."""
    if isinstance(stored, dict) and isinstance(found, dict):
        for key in (*found, *(key for key in stored if key not in found)):
            old, new = stored.get(key, _ABSENT), found.get(key, _ABSENT)
            yield from _differences((*path, key), old, new)
    elif isinstance(stored, list) and isinstance(found, list):
        if path == ("evidence",) and len(stored) != len(found):
            names = [_names(stored), _names(found)]
            for name in dict.fromkeys((*names[0], *names[1])):
                if names[0].count(name) != names[1].count(name):
                    yield (*path, name), f"{names[0].count(name)} rows", f"{names[1].count(name)} rows"
        elif len(stored) != len(found):
            yield (*path, "length"), len(stored), len(found)
        else:
            for i, (old, new) in enumerate(zip(stored, found, strict=True)):
                yield from _differences((*path, i), old, new)
    elif type(stored) is not type(found) or stored != found:
        yield path, stored, found


def _names(evidence: list[Any]) -> list[str]:
    return [_short(entry.get("row") if isinstance(entry, dict) else entry) for entry in evidence]


def _need_not_agree(path: _Path, stored: Any, found: Any) -> bool:
    """Whether this is one of NOT_CHECKED: text where text belongs, and the same file name in another folder."""
    if not (isinstance(stored, str) and isinstance(found, str)):
        return False
    if path[0] == "versions":
        return len(path) == 2 and bool(stored)
    # Not the path of this machine's flavour: a report may come from another.
    names = [text.replace("\\", "/").rstrip("/").rpartition("/")[2] for text in (stored, found)]
    return path == ("settings", "source", "data") and names[0] == names[1]


class _Rows:
    """What of the evidence follows from other evidence about the same data."""

    def __init__(
        self, stored: dict[str, Any], found: dict[str, Any], tighter: Callable[[], Iterable[Report]]
    ) -> None:
        self.stored, self.found = _entries(stored), _entries(found)
        self._more = (json.loads(json.dumps(report.to_dict())) for report in _lazily(tighter))
        self._known: list[dict[str, Any]] = []

    def follows(self, path: _Path, old: Any, new: Any) -> bool | None:
        """True where a stated leaf follows from what is proved here, False where that cannot be checked, else None."""
        if len(path) < 3 or path[0] != "evidence" or not (isinstance(old, str) and isinstance(new, str)):
            return None
        index, inner = path[1], path[2:]
        assert isinstance(index, int)
        stated, fresh = self.stored[index], self.found[index]
        handed_out = fresh["about"] == About.OUTPUT.name.lower()
        if inner == ("bound",):
            return True if old == end_of_first(stated) else None
        if inner[-1] in _ENDS:
            place = inner[1]
            finding, told = fresh["findings"][place], stated["findings"][place]
            holder = finding[inner[2]] if len(inner) == 4 else finding
            if holder["grade"] == "PROVED" or not still_supported(told, finding):
                return None
            if place == 0 and stated["bound"] != end_of_first(stated):
                return None
            if holder["grade"] == "MEASURED" or (handed_out and len(inner) == 3):
                return False if possible(told, finding) else None
            # A tighter arithmetic may find another quantity at the same place, or hold it against another limit.
            same = (row for row in self._rows(fresh) if _at(row, (*inner[:2], "what")) == finding["what"])
            return True if any(contains(inner[-1], old, _at(row, inner)) for row in same) else None
        if inner[0] in _WORDS or inner[-1] == "what":
            if handed_out and not noise_fits(stated, fresh):
                return None
            for row in self._rows(fresh):
                proved = _at(row, inner)
                if words_follow(old, proved):
                    return True
                if handed_out and words_follow(old, proved, handed_out=True):
                    return False
        return None

    def _rows(self, fresh: dict[str, Any]) -> Iterator[dict[str, Any]]:
        """The row as found here, then in tighter arithmetics, computed when they are asked for."""
        yield fresh
        for report in self._reports():
            yield from (row for row in report["evidence"] if row["row"] == fresh["row"])

    def _reports(self) -> Iterator[dict[str, Any]]:
        yield from self._known
        for report in self._more:
            self._known.append(report)
            yield report


def _lazily(tighter: Callable[[], Iterable[Report]]) -> Iterator[Report]:
    yield from tighter()


def _at(row: Any, path: _Path) -> Any:
    """The leaf of a row at a path, or None."""
    for key in path:
        if isinstance(row, dict):
            row = row.get(key)
        elif isinstance(row, list) and isinstance(key, int) and key < len(row):
            row = row[key]
        else:
            return None
    return row


def _leaf(path: _Path, found: dict[str, Any]) -> str:
    """A leaf as text, rows of the evidence by name: ``evidence[exact-labels].findings[0].upper``."""
    text = ""
    for i, key in enumerate(path):
        if isinstance(key, int):
            text += f"[{found['evidence'][key]['row'] if i == 1 and path[0] == 'evidence' else key}]"
        else:
            text += f".{key}" if text else key
    return text


def _told(leaf: str, stored: Any, found: Any) -> str:
    if stored is _ABSENT:
        return f"{leaf}: missing"
    if found is _ABSENT:
        return f"{leaf}: not expected"
    return f"{leaf}: {_short(stored)} stored, {_short(found)} found"


def _short(value: Any) -> str:
    """A value in at most 80 characters."""
    text = value if isinstance(value, str) and value else json.dumps(value)
    return text if len(text) <= 80 else text[:77] + "..."
