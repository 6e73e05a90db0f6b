"""What the fates of mutants come to: the score by room, kills by kind, and whether the campaign failed."""

from __future__ import annotations

import collections
from collections.abc import Mapping
from typing import Any

from .mutants import ROOMS
from .tables import Column, table

__all__ = ["score", "summary"]

_KINDS = ("test", "import", "processor time")


def score(rows: list[dict[str, Any]], equivalent: Mapping[str, str]) -> dict[str, Any]:
    """Count fates.

    Args:
        rows: as `try_mutants` returns.
        equivalent: by key, why that mutant is no other program.

    Returns:
        Counts and the mutation score, None when nothing counts.
    """
    fates = collections.Counter(row["fate"] for row in rows)
    argued = sum(row["fate"] == "survived" and row["key"] in equivalent for row in rows)
    counted = len(rows) - argued
    return {
        "mutants": len(rows),
        "killed": fates["killed"],
        "survived": fates["survived"],
        "unclear": fates["unclear"],
        "equivalent": argued,
        "killed by": dict(collections.Counter(row["kind"] for row in rows if row["fate"] == "killed")),
        "score": round(fates["killed"] / counted, 4) if counted else None,
    }


def _table(by_room: Mapping[str, dict[str, Any]], total: dict[str, Any]) -> dict[str, Any]:
    rows = [
        {"room": room, **found, **{kind: found["killed by"].get(kind, 0) for kind in _KINDS}}
        for room, found in {**by_room, "all": total}.items()
    ]
    kinds = [Column(kind, f"by {kind}", "d") for kind in _KINDS]
    counts = [Column(key, spec="d") for key in ("survived", "unclear", "equivalent")]
    columns = [Column("room"), Column("mutants", spec="d"), Column("killed", spec="d"), *kinds, *counts]
    return table("Mutants of four rooms", rows, [*columns, Column("score", spec=".1%")])


def summary(
    rows: list[dict[str, Any]], control: list[dict[str, Any]], equivalent: Mapping[str, str]
) -> dict[str, Any]:
    """Sum up a campaign.

    Args:
        rows: as `try_mutants` returns.
        control: as `try_mutants` returns.
        equivalent: by key, why that mutant is no other program.

    Returns:
        Scores by room, every mutant not killed as a diff with the reason if it is argued equivalent, for each killed
        one the test that did it, and the controls.
    """
    refuted = [row["key"] for row in rows if row["fate"] == "killed" and row["key"] in equivalent]
    total = score(rows, equivalent)
    lost = sum(row["fate"] != "survived" for row in control)
    by_room = {room: score([r for r in rows if r["room"] == room], equivalent) for room in ROOMS}
    return {
        "total": total,
        "rooms": by_room,
        "not killed": [{**r, "equivalent": equivalent.get(r["key"])} for r in rows if r["fate"] != "killed"],
        "killed": [{k: v for k, v in row.items() if k != "fate"} for row in rows if row["fate"] == "killed"],
        "arguments refuted": refuted,
        "arguments not drawn": sorted(set(equivalent) - {row["key"] for row in rows}),
        "controls": control,
        "controls lost": lost,
        "tables": {"rooms": _table(by_room, total)},
        "verdict": (
            f"{total['killed']} of {total['mutants']} mutants killed, {total['equivalent']} equivalent, "
            f"score {100 * (total['score'] or 0):.1f} %; {lost} of {len(control)} controls lost"
        ),
        "failed": bool(refuted or lost or not control) or (total["score"] or 0) < 0.95,
    }
