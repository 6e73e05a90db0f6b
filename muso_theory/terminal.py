"""What a person sees: tables on stdout, progress on stderr, one plain web page."""

from __future__ import annotations

import contextlib
import html
import sys
import time
from collections.abc import Callable, Iterator

from rich.console import Console
from rich.table import Table
from rich.text import Text

from .claims import CATALOGUE, find
from .errors import expected, nearest
from .evidence import Evidence, Verdict
from .glossary import GLOSSARY
from .report import Report, short

__all__ = ["explain", "page", "progress", "show_claims", "show_report"]

_STYLES = {
    Verdict.PROVED: "bold green",
    Verdict.CERTIFIED: "bold cyan",
    Verdict.MEASURED: "bold blue",
    Verdict.VACUOUS: "bold bright_black",
    Verdict.UNDECIDED: "bold yellow",
    Verdict.REFUTED: "bold red",
}


def _console() -> Console:
    """Standard output, wide enough for a table when it is not a terminal."""
    width = None if sys.stdout.isatty() else 118
    return Console(width=width, highlight=False)


@contextlib.contextmanager
def progress() -> Iterator[Callable[[str], None]]:
    """Tell what is going on: on stderr, only on a terminal, only after a second.

    Yields:
        A function that takes a line of words.
    """
    console = Console(stderr=True)
    began = time.monotonic()
    with contextlib.ExitStack() as stack:
        status = console.status("starting")
        shown = False

        def tell(line: str) -> None:
            nonlocal shown
            if not console.is_terminal:
                return
            status.update(line)
            if not shown and time.monotonic() - began > 1:
                stack.enter_context(status)
                shown = True

        yield tell


def show_report(report: Report) -> None:
    """Print a report: conditions, claims, notes, and the verdict in one sentence.

    Args:
        report: the report.
    """
    console = _console()
    console.print(Text(report.title, style="bold"))
    for note in report.inputs.get("notes", []):
        console.print(Text(f"  {note}"))
    conditions = [e for e in report.values() if e.is_condition]
    theorems = [e for e in report.values() if not e.is_condition]
    for name, rows in (("Conditions", conditions), ("Claims", theorems)):
        if rows:
            console.print()
            console.print(_table(name, rows))
    count = {verdict: sum(e.verdict is verdict for e in report.values()) for verdict in Verdict}
    tally = ", ".join(f"{number} {verdict.name}" for verdict, number in count.items() if number)
    console.print()
    line = Text("Verdict ")
    line.append(report.verdict.name, style=_STYLES[report.verdict])
    line.append(f": {report.verdict.value}. ({tally}; exit status {report.exit_status})")
    console.print(line)


def _table(name: str, rows: list[Evidence]) -> Table:
    """One table of evidence: verdict, slug, the number, what it means."""
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="underline")
    table.add_column(name, no_wrap=True)
    table.add_column("Verdict", no_wrap=True)
    table.add_column("Evidence, and what it means", ratio=1)
    for e in rows:
        told = Text(short(e))
        if e.facts and not e.failed:
            told.append("; " + "; ".join(e.facts))
        told.append(f" [{e.arithmetic}]", style="dim")
        told.append(f"\n{e.meaning}", style="italic")
        table.add_row(Text(e.claim), Text(e.verdict.name, style=_STYLES[e.verdict]), told)
    return table


def show_claims(slug: str | None) -> None:
    """Print the catalogue, or one claim in full.

    Args:
        slug: a claim, or None for all.
    """
    console = _console()
    if slug is not None:
        claim = find(slug)
        number = "" if claim.is_condition else f", claim {claim.number}"
        console.print(Text(f"{claim.slug} ({claim.kind}{number})", style="bold"))
        console.print(Text(f"  In words    {claim.words}."))
        console.print(Text(f"  Statement   {claim.statement}"))
        console.print(Text(f"  Source      {claim.source}"))
        for hypothesis in claim.hypotheses:
            console.print(Text(f"  Needs       {hypothesis}: {CATALOGUE[hypothesis].statement}"))
            console.print(Text(f"              without it {claim.without[hypothesis]}"))
        if not claim.hypotheses and not claim.is_condition:
            console.print(Text("  Needs       nothing"))
        used = [other.slug for other in CATALOGUE.values() if slug in other.hypotheses]
        if used:
            console.print(Text(f"  Used by     {', '.join(used)}"))
        console.print(Text(f"  If it holds {claim.holds}"))
        console.print(Text(f"  If not      {claim.fails}"))
        return
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="underline")
    for heading in ("No.", "Claim", "In words", "Needs"):
        table.add_column(heading, no_wrap=heading in ("No.", "Claim"))
    for claim in CATALOGUE.values():
        number = "" if claim.is_condition else str(claim.number)
        table.add_row(number, claim.slug, claim.words, ", ".join(claim.hypotheses))
    console.print(table)


def explain(word: str) -> None:
    """Print what a word means.

    Args:
        word: a verdict, claim, condition, term or symbol; case does not matter.

    Raises:
        BadInputError: an unknown word; the nearest is suggested.
    """
    console = _console()
    verdicts = {verdict.name.lower(): verdict for verdict in Verdict}
    terms = {entry.name.lower(): entry for entry in GLOSSARY.values()}
    terms |= {entry.symbol.split(" ")[0].lower(): entry for entry in GLOSSARY.values() if entry.symbol}
    key = word.lower()
    if key in verdicts:
        console.print(Text(f"{verdicts[key].name}: {verdicts[key].value}."))
    elif word in CATALOGUE:
        show_claims(word)
    elif key in terms:
        entry = terms[key]
        console.print(Text(f"{entry.name}" + (f"   {entry.symbol}" if entry.symbol else ""), style="bold"))
        console.print(Text(f"  {entry.meaning}"))
        if entry.code:
            console.print(Text(f"  In code: {entry.code}"))
    else:
        known = [*CATALOGUE, *GLOSSARY, *(verdict.name for verdict in Verdict)]
        raise expected("a word of the reports", "word", word, "unknown", nearest(word, known, "muso claims"))


def page(report: Report) -> str:
    """The report as one self-contained web page.

    Args:
        report: the report.

    Returns:
        HTML without scripts or outside resources.
    """
    notes = "".join(f"<li>{html.escape(note)}</li>" for note in report.inputs.get("notes", []))
    return (
        '<!doctype html><html lang="en"><head><meta charset="utf-8"><title>'
        f"{html.escape(report.title)}</title><style>body{{font-family:system-ui;max-width:70rem;margin:2rem auto;"
        "padding:0 1rem}table{border-collapse:collapse}td,th{text-align:left;vertical-align:top;padding:.3rem .8rem "
        ".3rem 0;border-bottom:1px solid #ccc}caption{text-align:left;font-weight:bold;padding:.5rem 0}</style></head>"
        f"<body><main><h1>{report.verdict.name}</h1><p>{html.escape(report.verdict.value)}</p><ul>{notes}</ul>"
        f"{report._repr_html_()}</main></body></html>\n"
    )
