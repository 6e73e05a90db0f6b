"""Reading the files that figures are drawn from, and saying what they are."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, final

from ..checking.report import digest
from ..errors import BadInputError, expected
from ..files.kinds import FILE_KINDS, refuse_other_kinds
from ..files.reading import read_json
from ..files.results import ROW_KEYS, check_result, restored
from ..former import former

__all__ = ["DRAWN_FROM", "ResultFile", "read"]
former(__name__)

DRAWN_FROM = {
    "report": FILE_KINDS["report"].words,
    "campaign": FILE_KINDS["campaign"].words,
    "sweep": FILE_KINDS["sweep"].words,
    "unlearn": FILE_KINDS["unlearning"].words,
}
"""What figures can be drawn from."""


@final
@dataclass(frozen=True)
class ResultFile:
    """A result file that was read.

    Args:
        kind: one of `DRAWN_FROM`.
        content: what it holds.
        path: where it was.
    """

    kind: str
    content: Mapping[str, Any]
    path: Path

    @property
    def name(self) -> str:
        """The campaign, or the kind."""
        return str(self.content["campaign"]).replace("_", "-") if self.kind == "campaign" else self.kind

    @property
    def sha256(self) -> str:
        """The hash of the content that the file carries, which was compared with the content."""
        return str(self.content["digest" if self.kind == "report" else "sha256"])

    @property
    def quick(self) -> bool:
        """Whether it is of a run of less than full size, which is no evidence."""
        return bool(self.content.get("quick"))

    @property
    def told(self) -> str:
        """Which file this is, for a caption."""
        about = self.content.get("input") or {}
        data = about.get("data_sha256") or about.get("sha256")
        of = f"; data sha256 {data[:16]}" if data else ""
        return f"{self.path.name} (sha256 {self.sha256[:16]}{of})"


def read(path: str | Path) -> ResultFile:
    """A result file.

    Args:
        path: of the file.

    Returns:
        What it holds, and of which kind it is.

    Raises:
        BadInputError: no such file, no JSON, none of the kinds, of another version, or changed after it was written.
    """
    path = Path(path)
    options = "; or ".join(DRAWN_FROM.values())
    if not path.exists():
        raise expected("a result file", "RESULT", path, "no such file", options)
    refuse_other_kinds(path, "RESULT", "report", "sweep", "unlearning", "campaign")
    try:
        content = read_json(path, "RESULT", constants=True)
    except BadInputError as error:
        broken = error.__context__
        if not isinstance(broken, json.JSONDecodeError):
            raise BadInputError(f"{error}: {options}") from None
        if path.suffix.lower() in (".csv", ".tsv"):
            options = f"muso check {path} --json report.json first, if these are data; or {options}"
        where = f"something else at line {broken.lineno}, column {broken.colno}"
        raise expected("a result, which is JSON text,", "RESULT", path, where, options) from None
    if isinstance(content, dict) and "campaign" in content:
        content = restored(content)
        check_result(content, path)
        return ResultFile("campaign", content, path)
    if isinstance(content, dict) and content.get("kind") in ROW_KEYS:
        check_result(content, path)
        return ResultFile(str(content["kind"]), content, path)
    if isinstance(content, dict) and isinstance(content.get("evidence"), list) and "digest" in content:
        if content["digest"] != digest(content):
            found = f"{path}: changed after it was written"
            raise expected(
                "a report as it was written", "digest", content["digest"], found, "muso check --json"
            )
        return ResultFile("report", content, path)
    if isinstance(content, dict):
        kind = f"kind {content['kind']!r}" if "kind" in content else "keys " + ", ".join(list(content)[:6])
    else:
        kind = type(content).__name__
    raise expected("a result that figures are drawn from", "RESULT", path, kind, options)
