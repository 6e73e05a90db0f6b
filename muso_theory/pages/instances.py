"""Evidence on instances for the pages of theorems: stored reports, and results of campaigns."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, final

from ..checking.report import REPORT_SCHEMA, digest
from ..claims.theorems.showing import BEARS_ON
from ..errors import expected
from ..evidence import Verdict
from ..files.kinds import refuse_other_kinds
from ..files.reading import read_json
from ..files.results import check_result, restored
from ..former import former

__all__ = ["Observation", "read_instances"]
former(__name__)


@final
@dataclass(frozen=True)
class Observation:
    """What one file says about one claim.

    Args:
        claim: the claim.
        source: the report's title, or the campaign's name.
        words: what was found.
        verdict: of a report's evidence; None for a campaign, which judges no single claim.
    """

    claim: str
    source: str
    words: str
    verdict: Verdict | None = None


def read_instances(paths: Iterable[str | Path]) -> list[Observation]:
    """Read what stored reports and campaign results say about claims.

    Args:
        paths: files of ``muso check --json``, result files of campaigns, or folders of them.

    Raises:
        BadInputError: a path that does not exist, a file that is neither, one of another schema version, or one that
            was changed after it was written.
    """
    found: list[Observation] = []
    for path in map(Path, paths):
        if not path.exists():
            raise expected("a report or a result file", "evidence", path, "missing", "muso check DATA --json")
        for file in sorted(path.glob("*.json")) if path.is_dir() else [path]:
            found += _read(file)
    return found


def _read(file: Path) -> list[Observation]:
    """What one file says."""
    refuse_other_kinds(file, "evidence", "report", "campaign")
    document: Any = read_json(file, "evidence", constants=True)
    if isinstance(document, dict) and isinstance(document.get("evidence"), list):
        try:
            found = [
                Observation(e["claim"], document["title"], e["meaning"], Verdict[e["verdict"]])
                for e in document["evidence"]
                if e["kind"] == "theorem"
            ]
        except (KeyError, TypeError):
            pass
        else:
            again = "muso check --json"
            if document.get("schema") != REPORT_SCHEMA:
                raise expected(
                    f"reports of schema version {REPORT_SCHEMA}",
                    "schema",
                    document.get("schema"),
                    str(file),
                    again,
                )
            if document.get("digest") != digest(document):
                changed = f"{file}: changed after it was written"
                raise expected("a report as it was written", "digest", document.get("digest"), changed, again)
            return found
    elif isinstance(document, dict) and isinstance(document.get("campaign"), str):
        document = restored(document)
        check_result(document, file)
        return list(_of_campaign(document))
    raise expected("a report or a campaign's result", "evidence", file, "another JSON", "muso check --json")


def _of_campaign(result: dict[str, Any]) -> Iterator[Observation]:
    """What a campaign says of single claims, or else its verdict for the claims that it bears on."""
    name = result["campaign"]
    source = f"campaign {name}"
    source += ", quick: no evidence" if result.get("quick") else ""
    source += ", failed its own judgement" if result.get("failed") else ""
    claims = result.get("claims")  # a list of them, or only their number
    for about in claims if isinstance(claims, list) and claims else BEARS_ON.get(name, ()):
        if isinstance(about, str):
            words = f"of all that it measured: {result.get('verdict', 'no verdict')}"
            yield Observation(about, source, _of_rows(result, about) or words)
        elif "hypothesis" in about:
            words = f"without {about['hypothesis']}: no counterexample among {about['tried']} problems"
            if about["search"] == "needed":
                words = f"false without {about['hypothesis']}: a counterexample has {about['size']}"
            yield Observation(about["claim"], source, words)


def _of_rows(result: dict[str, Any], claim: str) -> str:
    """What rows about one claim say, where a campaign has such: by what both sides of it differ."""
    rows = [row for row in result.get("rows", ()) if row.get("claim") == claim]
    told = []
    if shares := [row["share"] for row in rows if row.get("share") is not None]:
        told.append(f"both sides differ by at most {max(shares):.1e} of their yardstick, rows: {len(shares)}")
    if without := [row["share without"] for row in rows if row.get("share without") is not None]:
        told.append(f"without a hypothesis by {min(without):.2g} to {max(without):.2g}, rows: {len(without)}")
    if bounds := [row["of bound"] for row in rows if row.get("of bound") is not None]:
        told.append(f"{min(bounds):.2g} to {max(bounds):.2g} of what the bound allows, rows: {len(bounds)}")
    return "; ".join(told)
