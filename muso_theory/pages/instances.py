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
    for about in result.get("claims") or BEARS_ON.get(name, ()):
        if isinstance(about, str):
            yield Observation(
                about, source, f"of all that it measured: {result.get('verdict', 'no verdict')}"
            )
        elif "hypothesis" in about:
            words = f"without {about['hypothesis']}: no counterexample among {about['tried']} problems"
            if about["search"] == "needed":
                words = f"false without {about['hypothesis']}: a counterexample has {about['size']}"
            yield Observation(about["claim"], source, words)
