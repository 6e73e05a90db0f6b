"""What claims and words mean, on a terminal; nothing is computed, and no numerics are imported."""

from __future__ import annotations

import re
from dataclasses import fields

from rich.table import Table
from rich.text import Text

from ..claims import CATALOGUE, Claim, find
from ..claims.theorems.registry import slugs
from ..claims.theorems.status import theorem_status
from ..errors import expected, nearest
from ..glossary import GLOSSARY
from ..options import Source
from ..screen import plain_table, printed
from ..verdict import Verdict

__all__ = ["explain", "show_claims"]


def show_claims(slug: str | None) -> None:
    """Print the catalogue, or one claim in full."""
    if slug is not None:
        if slug not in CATALOGUE and theorem_status(slug).hash:
            _show_rows(f"{slug} (theorem)", _general_rows(slug))
        else:
            _show_claim(find(slug))
        return
    table = plain_table()
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
    with printed() as console:
        console.print(table)


def _show_claim(claim: Claim) -> None:
    """Print one claim in full."""
    number = "" if claim.is_condition else f", claim {claim.number}"
    rows = [("In words", f"{claim.words}."), ("Statement", claim.statement), ("Source", claim.source)]
    for hypothesis in claim.hypotheses:
        rows.append(("Needs", f"{hypothesis}: {CATALOGUE[hypothesis].statement}"))
        rows.append(("", f"without it {claim.needs[hypothesis]}"))
    if not claim.hypotheses and not claim.is_condition:
        rows.append(("Needs", "nothing of the data"))
    rows += [
        ("Given" if i == 0 else "", f"{label}: {how}") for i, (label, how) in enumerate(claim.given.items())
    ]
    used = [other.slug for other in CATALOGUE.values() if claim.slug in other.hypotheses]
    if used:
        rows.append(("Used by", ", ".join(used)))
    rows += [("If it holds", claim.holds), ("If not", claim.fails)]
    if claim.campaign:
        rows.append(("Measured by", f"python -m verification {claim.campaign}"))
    _show_rows(f"{claim.slug} ({claim.kind}{number})", rows + _general_rows(claim.slug))


def _general_rows(slug: str) -> list[tuple[str, str]]:
    """What is proved about a claim for all data, and what dropping each hypothesis showed."""
    status = theorem_status(slug)
    if not status.hash:
        unproved = CATALOGUE[slug].unproved
        return [("In general", f"no proof: {unproved}")] if unproved else []
    rows = [("In general", f"{status.words}, certificate {status.hash[:16]}, page proofs/pages/{slug}.md")]
    rows += [("", f"beyond algebra: {words}") for words in status.beyond]
    rows += [("Theorem", f"{name}: {says}") for name, says in status.theorems]
    for name, label, formula, trial, model in status.hypotheses:
        rows.append(("Trial", f"{name}: {label} ({formula}) {trial}; model {model}"))
    return rows


def _show_rows(title: str, rows: list[tuple[str, str]]) -> None:
    """Print a title and named lines, hanging."""
    grid = Table.grid(padding=(0, 1))
    for name, words in rows:
        grid.add_row(Text(f"  {name}"), Text(words))
    with printed() as console:
        console.print(Text(title, style="bold"))
        console.print(grid)


def explain(word: str) -> None:
    """Print what a word means: a verdict, claim, condition, term or symbol; case does not matter."""
    verdicts = {verdict.name.lower(): verdict for verdict in Verdict}
    terms = {entry.name.lower(): entry for entry in GLOSSARY.values()}
    for entry in GLOSSARY.values():  # a symbol belongs to the first entry that shows it: w_u to w_unlearned
        terms.setdefault(re.split(r" = | \(", entry.symbol)[0].lower(), entry)
    options = {f.name.replace("_", "-"): f for f in fields(Source) if "help" in f.metadata}
    plain = word.lower().lstrip("-")
    spellings = [word.lower(), plain, plain.replace(" ", "-"), plain.replace("-", "_")]  # --w-init is w_init
    # Φ_F are rows of Φ.
    rows = re.fullmatch(r"(.+)_(r|f|rr|rf|fr|ff)", word.lower())
    spellings += [rows[1]] if rows else []
    key = next((key for key in spellings if key in {*CATALOGUE, *verdicts, *terms}), plain)
    if key in CATALOGUE:
        _show_claim(CATALOGUE[key])
    elif key in verdicts:
        with printed() as console:
            console.print(Text(f"{verdicts[key].name}: {verdicts[key].value}."))
    elif key and key in terms:
        entry = terms[key]
        with printed() as console:
            heading = entry.name + (f"   {entry.symbol}" if entry.symbol else "")
            console.print(Text(heading, style="bold"))
            console.print(Text(f"  {entry.meaning}"))
            if rows and key == rows[1]:
                console.print(Text("  Subscript F: of the samples to forget; R: of those that stay."))
            if entry.code:
                console.print(Text(f"  In code: {entry.code}"))
    elif theorem_status(key).hash:
        show_claims(key)
    elif (option := key.replace("_", "-")) in options:
        _show_rows(f"--{option}", [("", options[option].metadata["help"])])
    else:
        known = [*CATALOGUE, *GLOSSARY, *(verdict.name for verdict in Verdict), *options]
        raise expected("a word of the reports", "word", word, "unknown", nearest(word, known, "muso claims"))
