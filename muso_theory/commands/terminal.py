"""Results on a terminal: reports, proofs and rechecks, as tables on stdout."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from statistics import median
from typing import Any

from rich.table import Table
from rich.text import Text

from ..algebra.checker import CheckResult
from ..checking.rechecking import NOT_CHECKED, Recheck
from ..checking.report import Report
from ..claims.theorems.library import Proof, parts
from ..claims.theorems.status import theorem_status
from ..evidence import Evidence, Verdict, short
from ..former import former
from ..parallel import stopping
from ..screen import plain_table, printed
from ..unlearning.unlearned import UNTOUCHED, Outcome, Unlearned

__all__ = ["show_outcome", "show_proofs", "show_recheck", "show_report", "show_sweep", "show_understood"]
former(__name__)

_STYLES = {
    Verdict.PROVED: "bold green",
    Verdict.CERTIFIED: "bold cyan",
    Verdict.MEASURED: "bold blue",
    Verdict.VACUOUS: "bold bright_black",
    Verdict.UNDECIDED: "bold yellow",
    Verdict.REFUTED: "bold red",
}


_WIDE = 100
"""Columns from which slugs get a column of their own."""


def show_understood(title: str, inputs: Mapping[str, Any]) -> None:
    """Print what was understood of the input, and the options that say it outright."""
    grid = Table.grid(padding=(0, 2))
    for row in inputs.get("understood", ()):
        how = row["how"] if row["how"] == "given" else f"{row['how']}, {row['option']}"
        grid.add_row(Text(f"  {row['word']}"), Text(row["value"]), Text(how, style="dim"))
    with printed() as console:
        console.print(Text(title, style="bold"))
        console.print(grid)
        for note in inputs.get("notes", ()):
            console.print(Text(f"  {note}"))


def show_report(report: Report, understood: bool = True) -> None:
    """Print a report: conditions, claims, notes, and the verdict in one sentence."""
    if understood:
        show_understood(report.title, report.inputs)
    shared = _shared_needs(report)
    with printed() as console:
        for i, (name, rows) in enumerate((name, rows) for name, rows in report.groups().items() if rows):
            if understood or i:
                console.print()
            console.print(_table(name, rows, console.width, shared))
        console.print()
        for needs, mark in shared.items():
            count = sum(needs in e.needs for e in report.rows)
            console.print(Text(f"{mark} {count} rows are not decided: {needs}"))
        console.print(_conclusion(report))


def show_outcome(found: Outcome) -> None:
    """Print what stands behind an unlearning: the report of a linear model, or what was only measured."""
    if isinstance(found, Unlearned):
        show_report(found.report, understood=False)
        return
    with printed() as console:
        line = Text("Verdict ")
        line.append(found.verdict.name, style=_STYLES[found.verdict])
        line.append(f": {found.row.get('failed', found.verdict.value)}; exit status {found.exit_status}")
        console.print(line)


def _conclusion(report: Report) -> Text:
    """The overall verdict in one sentence, and how it came about."""
    count = {verdict: sum(e.verdict is verdict for e in report.rows) for verdict in Verdict}
    tally = ", ".join(f"{number} {verdict.name}" for verdict, number in count.items() if number)
    kinds = ", ".join(dict.fromkeys(kind for e in report.rows for kind in e.arithmetic.split(", ") if kind))
    line = Text("Verdict ")
    line.append(report.verdict.name, style=_STYLES[report.verdict])
    names = [e.name for e in report.rows if e.verdict is report.verdict]
    others = f" and {len(names) - 1} more" if len(names) > 1 else ""
    cut = "interrupted" in report.settings
    words = report.verdict.value
    if report.verdict is Verdict.VACUOUS and all(
        e.is_condition for e in report.rows if e.verdict is Verdict.VACUOUS
    ):
        words = "a condition does not hold on this data; no claim that was checked needs it"
    far, status = (" so far", stopping.status()) if cut else ("", report.exit_status)
    line.append(f"{far}, the worst of {len(report.rows)}, by {names[0]}{others}: {words}.\n")
    line.append(f"{tally}; arithmetic {kinds}; {'interrupted, ' if cut else ''}exit status {status}")
    return line


def _shared_needs(report: Report) -> dict[str, str]:
    """What several rows need to be decided, said once below the tables, and how a row refers to it."""
    counts = Counter(e.needs for e in report.rows if e.verdict is Verdict.UNDECIDED and e.needs)
    several = (needs for needs, count in counts.items() if count > 1)
    return {needs: f"[{number}]" for number, needs in enumerate(several, start=1)}


def _table(name: str, rows: Sequence[Evidence], width: int, shared: Mapping[str, str]) -> Table:
    """One table of evidence: verdict, slug, the number, what it means."""
    table = plain_table()
    table.add_column("Verdict", no_wrap=True, width=max(len(verdict.name) for verdict in Verdict))
    if width >= _WIDE:
        table.add_column(name, no_wrap=True, width=max(len(name), *(len(e.name) for e in rows)))
        table.add_column("Evidence, and what it means")
    else:
        table.add_column(f"{name}, evidence, and what it means")
    for e in rows:
        verdict = Text(e.verdict.name, style=_STYLES[e.verdict])
        slug = Text(e.name, style="bold")
        found, meaning = short(e, limit=True), e.meaning
        for needs, mark in shared.items():
            found, meaning = (words.replace(needs, f"see {mark} below") for words in (found, meaning))
        told = Text(found)
        if e.facts and not e.failed:
            told.append("; " + "; ".join(e.facts))
        told.append(f"\n{meaning}", style="italic")
        cells = [slug, told] if width >= _WIDE else [Text.assemble(slug, "  ", told)]
        table.add_row(verdict, *cells)
    return table


def show_sweep(result: Mapping[str, Any]) -> None:
    """Print a sweep: what each method came to at each value, and what it promises there."""
    rows, seeds = result["rows"], len({row["seed"] for row in result["rows"]})
    with printed() as console:
        for value in dict.fromkeys(row["value"] for row in rows):
            grid = Table.grid(padding=(0, 2))
            for name in dict.fromkeys(row["series"] for row in rows):
                mine = [row for row in rows if (row["value"], row["series"]) == (value, name)]
                told = Text("; ".join(_numbers(mine)))
                judged = "; ".join(_judgements(mine))
                told.append("\n" * bool(told.plain and judged) + judged, style="italic")
                named = f"{name} (doing nothing)" if name == UNTOUCHED else name
                grid.add_row(Text(f"  {named}"), told)
            console.print(Text(f"\n{result['axis']} {value:g}", style="bold"))
            console.print(grid)
        of = f"the median of {seeds} seeds" if seeds > 1 else "of one seed"
        console.print(Text(f"\nEach number is {of}."))
        for why in dict.fromkeys(row["no attack"] for row in rows if "no attack" in row):
            places = dict.fromkeys(f"{row['value']:g}" for row in rows if row.get("no attack") == why)
            console.print(Text(f"No attack at {', '.join(places)}: {why}."))


def _numbers(rows: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    """Medians over the seeds, each with what belongs to it in brackets."""
    keys = dict.fromkeys(key for row in rows for key in row if isinstance(row[key], float) and key != "value")
    middle = {key: f"{median(row[key] for row in rows if key in row):.3g}" for key in keys}
    for key, told in middle.items():
        if key.endswith((", bound", ", closed form")) or key == "gap share":
            continue
        beside = ((f"{key}, bound", "proved ≤ {}"), (f"{key} share", "{} of doing nothing"))
        more = [words.format(middle[other]) for other, words in beside if middle.get(other, "1") != "1"]
        yield f"{key} {told}" + (f" ({', '.join(more)})" if more else "")


def _judgements(rows: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    """What a method promises at a value, what was audited and what was refused, with how many seeds say so."""

    def counted(found: Sequence[tuple[str, str]]) -> str:
        kinds = dict.fromkeys(kind for kind, _ in found)
        parts = []
        for kind in kinds:
            whys = [why for other, why in found if other == kind]
            share = "" if len(whys) == len(rows) else f" ({len(whys)} of {len(rows)} seeds)"
            parts.append(f"{kind}{share}" + (f": {whys[0]}" if whys[0] else ""))
        return "; ".join(parts)

    promised = [(f"{r['promise']} {r['verdict']}", r.get("why", "")) for r in rows if "verdict" in r]
    promised += [("promises nothing", "") for row in rows if row.get("promise") == "none"]
    audited = [(f"audit of w_u {row['audit']}", "") for row in rows if "audit" in row]
    refused = [("refused", row["failed"]) for row in rows if "failed" in row]
    yield from (counted(found) for found in (promised, audited, refused) if found)


def show_proofs(proofs: list[Proof], checked: dict[str, CheckResult]) -> None:
    """Print what is proved in general: claim, status, certificate, and what remains beyond algebra."""
    with printed() as console:
        table = plain_table()
        for heading in ("Claim", "In general", "Theorems", "Certificate", *(("Checker",) if checked else ())):
            table.add_column(heading, no_wrap=True)
        for proof in proofs:
            row = [proof.slug, proof.status, str(len(parts(proof.slug))), proof.hash[:16]]
            if checked:
                result = checked[proof.slug]
                row.append("accepted" if result.accepted else f"rejected: {result.reason}")
            table.add_row(*row)
        console.print(table)
        for proof in proofs:
            for remains in theorem_status(proof.slug).beyond:
                console.print(Text(f"{proof.slug}, beyond algebra: {remains}"))


def show_recheck(path: Path, result: Recheck) -> None:
    """Print what checking a stored report again found."""
    with printed() as console:
        # The same problem from another file is not another one: both hashes differ where the data do.
        leaves = {mismatch.partition(": ")[0] for mismatch in result.mismatches}
        if {"input.sha256", "input.data_sha256"} <= leaves:
            console.print(Text("The data are not those that the report names:", style="bold red"))
        for mismatch in result.mismatches:
            console.print(Text(f"  {mismatch}"))
        count = f"{result.identical} rows identical"
        if result.implied:
            count += f", {result.implied} with other digits that follow from what is proved here"
            count += f" ({', '.join(result.implied_rows)})"
        if result.unsettled:
            count += f", {result.unsettled} with digits that cannot be checked on this machine"
        if result.independent:
            count += f", {result.independent} confirmed by another arithmetic"
        if result.mismatches:
            console.print(
                Text(f"{path} does not stand: {len(result.mismatches)} mismatches; {count}", style="bold red")
            )
        else:
            far = "stands as far as it can be checked here" if result.unsettled else "stands"
            if result.interrupted:
                far += f", as the part of a check that was interrupted ({result.interrupted})"
            doubt = result.unsettled or result.interrupted
            console.print(Text(f"{path} {far}: {count}", style="bold yellow" if doubt else "bold green"))
        for leaf, why in NOT_CHECKED.items():
            console.print(Text(f"not checked: {leaf}, {why}"))
        if result.unchecked:
            what = "digits of measurements, and of floats that another machine handed out"
            console.print(Text(f"not checked, {what}: {', '.join(result.unchecked)}"))
