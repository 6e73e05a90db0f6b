"""``muso prove FILE`` and ``muso refute FILE``: a theorem of your own, from a text file."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import typer

from ..errors import expected
from .command_line import answer, say

if TYPE_CHECKING:
    from ..algebra.coq.export import Export

__all__ = ["is_theorem_file", "prove_file", "refute_file", "say_exported", "say_site"]

_STATUS = {"PROVED": 0, "REFUTED": 1}


def is_theorem_file(word: str) -> bool:
    """Whether an argument names a file of a theorem, not a claim or a rule.

    Example:
        >>> is_theorem_file("mine.txt"), is_theorem_file("exact-labels"), is_theorem_file("rules.py:mine")
        (True, False, False)
    """
    return word.endswith(".txt")


def prove_file(
    file: str,
    seconds: float,
    weaken: bool,
    write: Path | None,
    html: Path | None,
    coq: Path | None,
    force: bool = False,
) -> None:
    """Answer a theorem from a file, and exit: 0 proved, 1 refuted, 3 undecided or vacuous."""
    from ..claims.theorems.attempts import attempt, statement
    from ..claims.theorems.sealing import write_coq
    from ..claims.theorems.weakening import weaken as weakened
    from ..claims.theorems.writing import write_attempt
    from ..screen import progress

    _within(seconds)
    theorem = statement(file)
    with progress() as tell:
        found = attempt(theorem, seconds, tell)
        less = weakened(theorem, seconds, tell) if weaken and found.proof is not None else None
    pages = []
    if html is not None and found.proof is not None:
        from ..pages.site import write_site

        pages = write_site(html, [found.proof], weakened=less, force=force)
    written = [] if write is None else write_attempt(write, found, less, force=force)
    exported = (
        None if coq is None or found.proof is None else write_coq(coq, [found.proof.certificate], force=force)
    )
    with answer():
        say(f"{found.verdict.name}: {theorem.name}, {found.tried[-1]}\n")
        say(found.to_markdown(), end="")
        if less is not None:
            say(f"\n{less.to_markdown()}", end="")
        if weaken and less is None:
            say("\nNo hypothesis was dropped: there is no proof that could do without it.")
        if write is not None:
            say(f"{len(written)} files written to {write}; check them by themselves:")
            say(f"python proofs/check.py --statements {write / 'statements.txt'} {write / theorem.name}.json")
        if pages:
            say_site(html, pages)
        elif html is not None:
            say(f"nothing written to {html}: there is no proof to show")
        if exported is not None:
            say_exported(coq, exported)
        elif coq is not None:
            say(f"nothing written to {coq}: there is no proof to export")
    raise typer.Exit(_STATUS.get(found.verdict.name, 3))


def say_exported(folder: Path | None, exported: Export) -> None:
    """Where files for Coq are, how they are checked, and what is not among them."""
    say(
        f"{len(exported.files)} files written to {folder}, to be checked by: bash proofs/coq/check.sh {folder}"
    )
    for name, reason in exported.missing.items():
        say(f"not among them: {name}, {reason}")


def say_site(folder: Path | None, pages: list[Path]) -> None:
    """Where a site is."""
    say(f"{len(pages)} files written to {folder}, begin with {folder and folder / 'index.html'}")


def refute_file(file: str, seconds: float) -> None:
    """Search a counterexample to a theorem from a file, and exit: 1 found, 0 none, 3 no data to try it on."""
    from ..claims.theorems.attempts import search_model, statement

    _within(seconds)
    found = search_model(statement(file), seconds)
    none_found = (
        found.verdict.name == "UNDECIDED" and len(found.tried) == 1
    )  # more is said where there were no data
    with answer():
        say(found.to_markdown(), end="")
        if none_found:
            say("\nNo counterexample was found, which proves nothing: exit status 0, as of a rule.")
    raise typer.Exit(1 if found.verdict.name == "REFUTED" else 0 if none_found else 3)


def _within(seconds: float) -> None:
    """Refuse a budget that is none."""
    if not 0 < seconds < float("inf"):
        raise expected("a positive number of seconds", "--seconds", seconds, "float", "60")
