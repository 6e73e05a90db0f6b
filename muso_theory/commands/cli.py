"""The ``muso`` command: answers go to stdout, progress and errors to stderr; the exit status tells the verdict.

Nothing heavy is imported before a command runs, so that ``muso --help`` answers at once.
"""

from __future__ import annotations

import contextlib
import os
import re
import sys
import traceback
from pathlib import Path
from typing import Annotated, Any

import typer
import typer.core

from ..errors import MusoError, expected, nearest, refuse_idle
from ..options import Arithmetics, Data, Force, Source, takes_source
from ..parallel import stopping
from ..settings import Settings
from . import completing
from .check import check
from .command_line import Debug, answer, say
from .figure import figure
from .refute import refute
from .sweep import sweep
from .theorem import is_theorem_file, prove_file, say_exported, say_site
from .unlearn import unlearn

__all__ = ["app", "main"]


class _Group(typer.core.TyperGroup):
    """Gives every failure of a command its exit status; typer's own would use 1, which here says REFUTED."""

    def main(self, *arguments: Any, **extra: Any) -> Any:
        """Run everything; what cannot be printed, help and completion too, ends in words and exit status 2."""
        _never_fail_to_encode()
        try:
            return super().main(*arguments, **extra)
        except SystemExit as end:
            if isinstance(end.__context__, BrokenPipeError):  # typer's 1: a reader has seen enough
                raise SystemExit(0) from None
            raise
        except OSError as error:
            with contextlib.suppress(OSError):
                say(f"muso: {_told(error)}", err=True)
            raise SystemExit(2) from None

    def invoke(self, ctx: Any) -> Any:
        """Run a command; a user's mistake ends in one line on stderr and exit status 2."""
        try:
            with stopping.gently():
                return super().invoke(ctx)
        except KeyboardInterrupt:
            say(f"muso: {stopping.word()}", err=True)
            raise typer.Exit(stopping.status()) from None
        except Exception as error:
            if hasattr(error, "exit_code"):  # typer's own: an exit, or a mistake in the usage
                if hasattr(error, "message"):
                    error.message = _usage(str(error.message))
                raise
            say("".join(traceback.format_exception(error)) if ctx.obj else f"muso: {_told(error)}", err=True)
            raise typer.Exit(2) from None


def _usage(words: str) -> str:
    """A mistake in the usage in typer's words, with the nearest right one and without those of its libraries."""
    wrong = re.fullmatch(r"(?:Value error, )?'(.*)' is not one of (.*)\.", words)
    if wrong:
        hint = nearest(wrong[1], re.findall(r"'([^']+)'", wrong[2]))
        return f"{wrong[1]!r} is not one of {wrong[2]}; try {hint}"
    missing = re.fullmatch(r"No such command '(version|help)'\.", words)
    return f"{words[:-1]}; try --{missing[1]}" if missing else words


def _told(error: Exception) -> str:
    """An error in one line."""
    if isinstance(error, MusoError):
        return str(error)
    text = " ".join(str(error).split())
    if isinstance(error, MemoryError):
        return f"out of memory: {text or 'no further details'}; try fewer samples or a smaller --n-features"
    if isinstance(error, OSError):
        return f"{text or type(error).__name__}; try --debug for the traceback"
    return f"internal error: {type(error).__name__}: {text}; try --debug for the traceback"


def _never_fail_to_encode() -> None:
    """Let a terminal without ‖ or ≤ show their escapes, and a process without stdout or stderr run all the same."""
    if sys.stdout is None:
        sys.stdout = open(os.devnull, "w")  # noqa: SIM115
    if sys.stderr is None:  # else print(…, file=sys.stderr) would write to standard output
        sys.stderr = open(os.devnull, "w")  # noqa: SIM115
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="backslashreplace")


app = typer.Typer(
    name="muso",
    cls=_Group,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    context_settings={"help_option_names": ["--help", "-h"]},
)


def _version(asked: bool) -> None:
    """Print the version and end."""
    if asked:
        from .. import __version__

        say(f"muso-theory {__version__}")
        raise typer.Exit


@app.callback()
def muso(
    version: Annotated[
        bool, typer.Option("--version", help="Show the version and exit.", callback=_version, is_eager=True)
    ] = False,
) -> None:
    """Verify, certify and try to refute exact unlearning by relabelling."""


for command in (check, unlearn, sweep, figure, refute):
    app.command()(command)


@app.command()
@takes_source("features_precision", "network", "audit")
def labels(
    source: Source,
    output: Annotated[Path, typer.Option("--output", "-o", help="The .npz file to write.")],
    method: Annotated[
        str,
        typer.Option(
            help="closed-form, label-free, leave-block-out, ridge or subsample.",
            autocompletion=completing.label_methods,
        ),
    ] = ("closed-form"),
    ridge: Annotated[float, typer.Option(help="λ of method ridge.")] = 1e-8,
    subset: Annotated[float, typer.Option(help="Fraction of R for method subsample.")] = Settings.subset,
    arithmetic: Annotated[
        Arithmetics, typer.Option(help="How labels are computed; ball and rational round once.")
    ] = Arithmetics.auto,
    force: Force = False,
    debug: Debug = False,
) -> None:
    """Compute labels for the forget samples and write them, with the forget indices, to a .npz file."""
    from dataclasses import asdict

    from ..files.writing import Outputs, npz_bytes
    from . import terminal

    outputs = Outputs(*source.files, force=force)
    outputs.file(output, "labels")
    from ..checking.run import check as check_claims
    from ..inputs import prepare
    from ..linear.labels import optimal_labels
    from ..linear.solution import parameter_gap
    from ..screen import progress

    with progress() as tell:
        prepared = prepare(source, tell)
        problem = prepared.problem
        found = optimal_labels(
            problem, method, ridge=ridge, subset=subset, seed=source.seed, arithmetic=arithmetic.value
        )
        # Floats alone would tell a gap that they cannot see: what was written is judged like labels handed in.
        report = check_claims(problem, "exact-labels", labels=found)
        audit, better = report["exact-labels[labels]"], report["exact-labels[output]"].needs
        doubt = _doubt(problem) if method == "label-free" else ""
    forget, written = prepared.by_sample(found)
    outputs.write(output, npz_bytes({"forget": forget, "labels": written, "made_with": prepared.made_with}))
    if method == "subsample" and parameter_gap(problem, found) >= parameter_gap(
        problem, problem.targets[problem.forget]
    ):
        doubt = (
            "these labels leave no smaller gap than doing nothing: a larger --subset, or --method closed-form"
        )
    if not doubt and method in ("closed-form", "leave-block-out") and better:
        doubt = f"these floats are not good enough: {better}"
    if doubt:
        say(f"muso: {doubt}", err=True)
    if arithmetic is Arithmetics.float64:
        from ..linear.closed_forms import float_model

        for assumed in float_model(problem).assumed_ranks:
            say(f"muso: {assumed}", err=True)
    with answer():
        size = f"n = {problem.n_samples}, D = {problem.n_features}, {len(problem.forget)} to forget"
        rows = [asdict(row) for row in problem.understood]
        terminal.show_understood(
            f"{prepared.dataset.name}: {size}", {"understood": rows, "notes": prepared.notes}
        )
        say(f"\n{len(found)} labels by {method}, shape {found.shape}, written to {output}")
        told, status = _handed_out(audit, method)
        say(told)
    raise typer.Exit(status)


def _handed_out(audit: Any, method: str) -> tuple[str, int]:
    """What is said of labels that are handed out, and the status: nobody claimed them, so nothing is refuted."""
    from ..evidence import Verdict

    told = "; ".join(finding.in_full for finding in audit.findings) or f"not decided: {audit.needs}"
    refuted = f": {Verdict.REFUTED.name}"
    cure = "" if method == "closed-form" else "; try --method closed-form"
    told = told.replace(refuted, f", which is not within the tolerance: UNDECIDED{cure}")
    return told.replace("of the given labels", "of these labels"), 0 if audit.verdict.holds else 3


def _doubt(problem: Any) -> str:
    """Why label-free labels are not those of the retrained model, or may not be; empty where they are."""
    from ..checking.run import check as run
    from ..claims import find
    from ..evidence import Verdict, short

    row = run(problem, "label-free").theorem("label-free")
    if row.verdict is Verdict.UNDECIDED:
        return f"it is not decided whether label-free holds for this data: {row.needs}"
    if row.verdict is Verdict.VACUOUS:
        why = (
            row.summary
            if row.failed
            else f"{', '.join(find(row.claim).hypotheses)} is violated: {short(row)}"
        )
        return f"label-free does not hold for this data, so these are not the optimal labels: {why}"
    return ""


@app.command()
def recheck(
    report: Annotated[Path, typer.Argument(metavar="REPORT", help="A file written by muso check --json.")],
    data: Data,
    independent: Annotated[
        bool, typer.Option("--independent", help="Confirm verdicts by balls or rationals too, at any price.")
    ] = False,
    debug: Debug = False,
) -> None:
    """Compute everything in a stored REPORT again from DATA; exit status 1 if it does not stand."""
    from ..screen import progress
    from . import terminal
    from .repeat import recheck as run

    with progress() as tell:
        result = run(report, data, independent, tell)
    with answer():
        terminal.show_recheck(report, result)
    raise typer.Exit(1 if result.mismatches else 0)


@app.command()
def claims(
    claim: Annotated[
        str | None, typer.Argument(help="One claim, in full.", autocompletion=completing.claim_words)
    ] = None,
    debug: Debug = False,
) -> None:
    """List the claims and conditions, or show one in full."""
    from .words import show_claims

    with answer():
        show_claims(claim)


@app.command()
def prove(
    claim: Annotated[
        list[str] | None,
        typer.Argument(
            help="Claims to prove, all that have a proof; or FILE.txt, a theorem of your own.",
            autocompletion=completing.proofs,
        ),
    ] = None,
    check_: Annotated[
        bool,
        typer.Option("--check", help="Check every certificate after finding it, as that of FILE always is."),
    ] = False,
    write: Annotated[
        Path | None, typer.Option(help="Write certificates, pages and the theorem graph to a folder.")
    ] = None,
    html: Annotated[
        Path | None,
        typer.Option(
            help="Write a site to a folder: the theorem graph, and a page for every claim, or for FILE."
        ),
    ] = None,
    coq: Annotated[
        Path | None, typer.Option(help="Write the theorems to a folder as files for Coq, one a claim.")
    ] = None,
    evidence: Annotated[
        list[Path] | None,
        typer.Option(
            help="Show what this report (muso check --json) or result of a campaign found; repeatable."
        ),
    ] = None,
    seconds: Annotated[float, typer.Option(help="Of FILE: about how long to try.")] = 60.0,
    weaken: Annotated[
        bool, typer.Option("--weaken", help="Of FILE: say which hypotheses are needed, and which are not.")
    ] = False,
    force: Force = False,
    debug: Debug = False,
) -> None:
    """Prove claims for all data and dimensions, from scratch; one claim prints its page.

    A theorem of your own, in FILE.txt, is PROVED (exit status 0), REFUTED (1) or neither (3); 2 if it cannot be read.
    """
    from ..files.writing import Outputs

    own = [word for word in claim or () if is_theorem_file(word)]
    if own:
        if len(claim or ()) > 1:
            raise expected("one FILE", "claim", own[0], "with others", f"muso prove {own[0]}")
        if evidence:
            raise expected(
                "claims with --evidence", "claim", own[0], "a file, of which no report speaks", "a claim"
            )
        outputs = Outputs(own[0], force=force)
        outputs.folder(write, f"{Path(own[0]).stem}.md")
        outputs.folder(html, "index.html")
        outputs.folder(coq, "_CoqProject")
        prove_file(own[0], seconds, weaken, write, html, coq, force)
    if weaken:
        raise expected("FILE.txt with --weaken", "claim", claim, "no file", "muso prove mine.txt --weaken")
    # 60 is the default, which says nothing.
    refuse_idle("--seconds", seconds, 60.0, "prove", "without FILE.txt", ["FILE.txt"])
    outputs = Outputs(*(evidence or ()), force=force)
    outputs.folder(write, "theorems.md")
    outputs.folder(html, "index.html")
    outputs.folder(coq, "_CoqProject")
    from ..claims.theorems.library import check_certificate, parts
    from ..claims.theorems.library import prove as search
    from ..claims.theorems.registry import slugs
    from ..claims.theorems.sealing import write_coq
    from ..claims.theorems.writing import write_proofs
    from ..pages.instances import read_instances
    from ..screen import progress
    from ..steps import Step
    from . import terminal

    instances = read_instances(evidence or ())
    names = list(claim or slugs())
    for name in names:
        parts(name)
    with progress() as tell:
        proofs, checked = [], {}
        for number, name in enumerate(names):
            tell(Step(f"proving {name}", number, len(names)))
            proofs.append(search(name))
            if check_:
                checked[name] = check_certificate(proofs[-1].certificate)
        written = [] if write is None else write_proofs(write, force=force)
        exported = (
            None if coq is None else write_coq(coq, [proof.certificate for proof in proofs], force=force)
        )
        if html is not None:
            from ..pages.onward import draw_shown
            from ..pages.site import write_site

            tell("writing the site")
            pages = write_site(html, proofs, instances, draw_shown(evidence or ()), force=force)
    with answer():
        if claim and len(names) == 1 and not check_:
            say(proofs[0].to_markdown(), end="")
        else:
            terminal.show_proofs(proofs, checked)
        if write is not None:
            say(f"{len(written)} files written to {write}")
        if exported is not None:
            say_exported(coq, exported)
        if html is not None:
            say_site(html, pages)
    raise typer.Exit(0 if all(result.accepted for result in checked.values()) else 1)


@app.command()
def explain(
    word: Annotated[
        str,
        typer.Argument(
            help="A verdict, a claim, a condition, a symbol or a term.", autocompletion=completing.words
        ),
    ],
    debug: Debug = False,
) -> None:
    """Say what a word of the reports means."""
    from . import words

    with answer():
        words.explain(word)


def main(arguments: list[str] | None = None) -> None:
    """Run the command line and end the process with its exit status.

    0: every verdict is PROVED, CERTIFIED or MEASURED. 1: something is REFUTED. 2: bad usage, unreadable data
    or an internal error. 3: nothing is refuted but something is UNDECIDED or VACUOUS. 130: interrupted
    (143 by SIGTERM, 129 by SIGHUP).
    """
    app(args=arguments, prog_name="muso")


if __name__ == "__main__":
    main()
