"""What a person sees: tables on stdout, progress on stderr."""

from __future__ import annotations

import contextlib
import re
import sys
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path

from rich.console import Console, ConsoleOptions, RenderableType
from rich.segment import Segment
from rich.table import Table
from rich.text import Text

from .algebra.checker import CheckResult
from .claims import CATALOGUE, Claim, find
from .claims.theorems import Proof, parts, slugs, theorem_status
from .errors import expected, nearest, printable
from .evidence import Evidence, Verdict, short
from .glossary import GLOSSARY
from .rechecking import NOT_CHECKED, Recheck
from .report import Report

__all__ = ["explain", "progress", "show_claims", "show_proofs", "show_recheck", "show_report"]

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


class _Screen(Console):
    """A console that shows control characters, and obeys only its own."""

    def render(self, renderable: RenderableType, options: ConsoleOptions | None = None) -> Iterable[Segment]:
        """Every piece of text, also of cells within cells, before it is coloured."""
        for piece in super().render(renderable, options):
            yield piece if piece.control else piece._replace(text=printable(piece.text))


@contextlib.contextmanager
def _printed() -> Iterator[Console]:
    """A console for standard output; when it is not a terminal, wide enough for a table."""
    width = None if sys.stdout.isatty() else 118
    console = _Screen(width=width, highlight=False)
    with console.capture() as captured:
        yield console
    # Written here and not by rich: it pads every line, and it would exit with 1 when a pipe is closed.
    sys.stdout.write("".join(line.rstrip(" ") + "\n" for line in captured.get().splitlines()))


@contextlib.contextmanager
def progress() -> Iterator[Callable[[str], None]]:
    """Tell what is going on: on stderr, only on a terminal, only after a second.

    Yields:
        A function that takes a line of words.
    """
    console = _Screen(stderr=True)
    began = time.monotonic()
    with contextlib.ExitStack() as stack:
        status = console.status("starting")
        shown = False

        def tell(line: str) -> None:
            nonlocal shown
            if not console.is_terminal:
                return
            status.update(Text(line))
            if not shown and time.monotonic() - began > 1:
                stack.enter_context(status)
                shown = True

        yield tell


def show_report(report: Report) -> None:
    """Print a report: conditions, claims, notes, and the verdict in one sentence.

    Args:
        report: the report.
    """
    with _printed() as console:
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


def show_claims(slug: str | None) -> None:
    """Print the catalogue, or one claim in full.

    Args:
        slug: a claim, or None for all.
    """
    if slug is not None:
        if slug not in CATALOGUE and theorem_status(slug).hash:
            _show_rows(f"{slug} (theorem)", _general_rows(slug))
        else:
            _show_claim(find(slug))
        return
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="underline")
    for heading in ("No.", "Claim", "In words", "In general", "Needs"):
        table.add_column(heading, no_wrap=heading in ("No.", "Claim"))
    for claim in CATALOGUE.values():
        number = "" if claim.is_condition else str(claim.number)
        status = theorem_status(claim.slug)
        known = status.status if status.hash else ""
        table.add_row(number, claim.slug, claim.words, known, ", ".join(claim.hypotheses))
    for slug in slugs():
        if slug not in CATALOGUE:
            status = theorem_status(slug)
            table.add_row("", slug, status.theorems[0][1], status.status, "")
    with _printed() as console:
        console.print(table)


def _show_claim(claim: Claim) -> None:
    """Print one claim in full."""
    number = "" if claim.is_condition else f", claim {claim.number}"
    rows = [("In words", f"{claim.words}."), ("Statement", claim.statement), ("Source", claim.source)]
    for hypothesis in claim.hypotheses:
        rows.append(("Needs", f"{hypothesis}: {CATALOGUE[hypothesis].statement}"))
        rows.append(("", f"without it {claim.without[hypothesis]}"))
    if not claim.hypotheses and not claim.is_condition:
        rows.append(("Needs", "nothing"))
    used = [other.slug for other in CATALOGUE.values() if claim.slug in other.hypotheses]
    if used:
        rows.append(("Used by", ", ".join(used)))
    rows += [("If it holds", claim.holds), ("If not", claim.fails)]
    if claim.campaign:
        rows.append(("Measured by", f"python -m verification {claim.campaign}"))
    _show_rows(f"{claim.slug} ({claim.kind}{number})", rows + _general_rows(claim.slug))


def _general_rows(slug: str) -> list[tuple[str, str]]:
    """What is proved about a claim for all data, and how its hypotheses fared on trial."""
    status = theorem_status(slug)
    if not status.hash:
        return []
    rows = [("In general", f"{status.status}, certificate {status.hash[:16]}, page proofs/pages/{slug}.md")]
    rows += [("", f"beyond algebra: {words}") for words in status.remains]
    rows += [("Theorem", f"{name}: {says}") for name, says in status.theorems]
    for name, label, formula, trial, model in status.hypotheses:
        rows.append(("Trial", f"{name}: {label} ({formula}) {trial}; model {model}"))
    return rows


def _show_rows(title: str, rows: list[tuple[str, str]]) -> None:
    """Print a title and named lines, hanging."""
    grid = Table.grid(padding=(0, 1))
    for name, words in rows:
        grid.add_row(Text(f"  {name}"), Text(words))
    with _printed() as console:
        console.print(Text(title, style="bold"))
        console.print(grid)


def explain(word: str) -> None:
    """Print what a word means.

    Args:
        word: a verdict, claim, condition, term or symbol; case does not matter.

    Raises:
        BadInputError: an unknown word; the nearest is suggested.
    """
    verdicts = {verdict.name.lower(): verdict for verdict in Verdict}
    terms = {entry.name.lower(): entry for entry in GLOSSARY.values()}
    for entry in GLOSSARY.values():  # a symbol belongs to the first entry that shows it: w_u to w_unlearned
        terms.setdefault(re.split(r" = | \(", entry.symbol)[0].lower(), entry)
    key = word.lower()
    if key in CATALOGUE:
        _show_claim(CATALOGUE[key])
    elif key in verdicts:
        with _printed() as console:
            console.print(Text(f"{verdicts[key].name}: {verdicts[key].value}."))
    elif key and key in terms:
        entry = terms[key]
        with _printed() as console:
            heading = entry.name + (f"   {entry.symbol}" if entry.symbol else "")
            console.print(Text(heading, style="bold"))
            console.print(Text(f"  {entry.meaning}"))
            if entry.code:
                console.print(Text(f"  In code: {entry.code}"))
    else:
        known = [*CATALOGUE, *GLOSSARY, *(verdict.name for verdict in Verdict)]
        raise expected("a word of the reports", "word", word, "unknown", nearest(word, known, "muso claims"))


def show_proofs(proofs: list[Proof], checked: dict[str, CheckResult]) -> None:
    """Print what is proved in general: claim, status, certificate, and what remains beyond algebra.

    Args:
        proofs: the proofs.
        checked: results of the checker, by claim; empty when it was not asked.
    """
    with _printed() as console:
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
    with _printed() as console:
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
