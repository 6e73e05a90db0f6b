"""Results on a terminal: reports, proofs and rechecks, as tables on stdout."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from rich.table import Table
from rich.text import Text

from .algebra.checker import CheckResult
from .claims.theorems.library import Proof
from .claims.theorems.registry import parts
from .claims.theorems.status import theorem_status
from .evidence import Evidence, Verdict, short
from .rechecking import NOT_CHECKED, Recheck
from .report import Report
from .screen import printed

__all__ = ["show_proofs", "show_recheck", "show_report"]

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


def show_report(report: Report) -> None:
    """Print a report: conditions, claims, notes, and the verdict in one sentence.

    Args:
        report: the report.
    """
    with printed() as console:
        console.print(Text(report.title, style="bold"))
        console.print(_understood(report))
        for note in report.inputs.get("notes", []):
            console.print(Text(f"  {note}"))
        for name, rows in report.groups().items():
            if rows:
                console.print()
                console.print(_table(name, rows, console.width))
        console.print()
        console.print(_conclusion(report))


def _understood(report: Report) -> Table:
    """What was understood of the input, and the option that says it outright."""
    grid = Table.grid(padding=(0, 2))
    for row in report.inputs.get("understood", ()):
        how = row["how"] if row["how"] == "given" else f"{row['how']}, {row['option']}"
        grid.add_row(Text(f"  {row['word']}"), Text(row["value"]), Text(how, style="dim"))
    return grid


def _conclusion(report: Report) -> Text:
    """The overall verdict in one sentence, and how it came about."""
    count = {verdict: sum(e.verdict is verdict for e in report.rows) for verdict in Verdict}
    tally = ", ".join(f"{number} {verdict.name}" for verdict, number in count.items() if number)
    kinds = ", ".join(dict.fromkeys(kind for e in report.rows for kind in e.arithmetic.split(", ") if kind))
    line = Text("Verdict ")
    line.append(report.verdict.name, style=_STYLES[report.verdict])
    names = [e.name for e in report.rows if e.verdict is report.verdict]
    others = f" and {len(names) - 1} more" if len(names) > 1 else ""
    line.append(f", the worst of {len(report.rows)}, by {names[0]}{others}: {report.verdict.value}.\n")
    line.append(f"{tally}; arithmetic {kinds}; exit status {report.exit_status}")
    return line


def _table(name: str, rows: Sequence[Evidence], width: int) -> Table:
    """One table of evidence: verdict, slug, the number, what it means."""
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="underline")
    table.add_column("Verdict", no_wrap=True, width=max(len(verdict.name) for verdict in Verdict))
    if width >= _WIDE:
        table.add_column(name, no_wrap=True, width=max(len(e.name) for e in rows))
        table.add_column("Evidence, and what it means")
    else:
        table.add_column(f"{name}, evidence, and what it means")
    for e in rows:
        verdict = Text(e.verdict.name, style=_STYLES[e.verdict])
        slug = Text(e.name, style="bold")
        told = Text(short(e, limit=True))
        if e.facts and not e.failed:
            told.append("; " + "; ".join(e.facts))
        told.append(f"\n{e.meaning}", style="italic")
        cells = [slug, told] if width >= _WIDE else [Text.assemble(slug, "  ", told)]
        table.add_row(verdict, *cells)
    return table


def show_proofs(proofs: list[Proof], checked: dict[str, CheckResult]) -> None:
    """Print what is proved in general: claim, status, certificate, and what remains beyond algebra.

    Args:
        proofs: the proofs.
        checked: results of the checker, by claim; empty when it was not asked.
    """
    with printed() as console:
        table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="underline")
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
            for remains in theorem_status(proof.slug).remains:
                console.print(Text(f"{proof.slug}, beyond algebra: {remains}"))


def show_recheck(path: Path, result: Recheck) -> None:
    """Print what came of checking a stored report again.

    Args:
        path: the report.
        result: the comparison.
    """
    with printed() as console:
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
            console.print(
                Text(f"{path} {far}: {count}", style="bold yellow" if result.unsettled else "bold green")
            )
        for leaf, why in NOT_CHECKED.items():
            console.print(Text(f"not checked: {leaf}, {why}"))
        if result.unchecked:
            what = "digits of measurements, and of floats that another machine handed out"
            console.print(Text(f"not checked, {what}: {', '.join(result.unchecked)}"))
