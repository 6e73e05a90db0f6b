"""The ``muso`` command: stdout is the answer, stderr is talk; the exit status is the verdict.

Nothing heavy is imported before a command runs, so that ``muso --help`` answers at once.
"""

from __future__ import annotations

import enum
import os
import sys
import traceback
from pathlib import Path
from typing import Annotated, Any

import typer
import typer.core

from . import stopping
from .command_line import Debug, answer, say
from .errors import MusoError, expected
from .figure_command import figure
from .options import Data, Force, Source, takes_source
from .sweep_command import sweep
from .unlearn_command import unlearn

__all__ = ["app", "main"]


class _Group(typer.core.TyperGroup):
    """Gives every failure of a command its exit status; typer's own would use 1, which here says REFUTED."""

    def invoke(self, ctx: Any) -> Any:
        """Run a command; a user's mistake ends in one line on stderr and exit status 2."""
        _never_fail_to_encode()
        try:
            with stopping.gently():
                return super().invoke(ctx)
        except KeyboardInterrupt:
            say(f"muso: {stopping.word()}", err=True)
            raise typer.Exit(stopping.status()) from None
        except Exception as error:
            if hasattr(error, "exit_code"):  # typer's own: an exit, or a mistake in the usage
                raise
            say("".join(traceback.format_exception(error)) if ctx.obj else f"muso: {_told(error)}", err=True)
            raise typer.Exit(2) from None


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
    """Let a terminal without ‖ or ≤ show their escapes, and a process without stdout run all the same."""
    if sys.stdout is None:
        sys.stdout = open(os.devnull, "w")  # noqa: SIM115
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="backslashreplace")


app = typer.Typer(
    name="muso",
    cls=_Group,
    help="Verify, certify and try to refute exact unlearning by relabelling.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)


class Arithmetics(enum.StrEnum):
    """Arithmetics by name."""

    auto = "auto"
    float64 = "float64"
    ball = "ball"
    rational = "rational"


@app.command()
@takes_source()
def check(
    source: Source,
    arithmetic: Annotated[Arithmetics, typer.Option(help="How numbers are computed.")] = Arithmetics.auto,
    budget: Annotated[
        float, typer.Option(help="Seconds that auto lets its arithmetics be estimated to take.")
    ] = 30.0,
    claim: Annotated[list[str] | None, typer.Option(help="Check only this claim; repeatable.")] = None,
    assert_: Annotated[
        list[str] | None,
        typer.Option(
            "--assert", help="Insist that this claim holds: a failed hypothesis is no excuse; repeatable."
        ),
    ] = None,
    tolerance: Annotated[
        float | None,
        typer.Option(
            help="Audits of floats ask for gap ≤ tolerance × doing nothing, or × ‖w_r − w₀‖ where doing nothing is "
            "itself within the rounding of floats. [default: 1e-6; equality of exact artefacts]"
        ),
    ] = None,
    ridge: Annotated[float, typer.Option(help="λ of ridge-anchored and ε of ridge-inverse.")] = 1e-3,
    subset: Annotated[float, typer.Option(help="Fraction of R kept by downsampling.")] = 0.2,
    optimizer: Annotated[
        str | None,
        typer.Option(
            help="How you train: gd, momentum, nesterov, cyclic-sgd, adam, …; adds conditions about it."
        ),
    ] = None,
    lr: Annotated[
        str | None,
        typer.Option(help="Its step, with gradients of ½(φᵀw − y)², or 'paper' for the paper's schedule."),
    ] = None,
    epochs: Annotated[int | None, typer.Option(help="Passes over the data.")] = None,
    momentum: Annotated[float, typer.Option(help="Of momentum and nesterov.")] = 0.9,
    json: Annotated[
        str | None, typer.Option(help="Write the evidence as JSON to a file, or - for stdout.")
    ] = None,
    html: Annotated[
        Path | None, typer.Option(help="Write the report as one web page that needs nothing else.")
    ] = None,
    figures: Annotated[
        Path | None, typer.Option(help="Write the page's figures to a folder, as PDF and SVG.")
    ] = None,
    force: Force = False,
    debug: Debug = False,
) -> None:
    """Check which conditions of exact unlearning hold on DATA, and which claims follow."""
    from .files import Outputs

    outputs = Outputs(*source.files, force=force)
    outputs.file(json, "report")
    outputs.file(html, "page")
    outputs.folder(figures, "captions.txt")
    from . import terminal
    from .checking import InterruptedCheck
    from .checking import check as run
    from .inputs import prepare
    from .screen import progress

    plan = None
    if optimizer is not None:
        from .linear.training.plan import TrainingPlan

        plan = TrainingPlan.from_words(optimizer, lr, epochs, momentum)
    interrupted = False
    with progress() as tell:
        prepared = prepare(source, tell)
        try:
            report = run(
                prepared.problem,
                claim or None,
                arithmetic.value,
                **prepared.audited,
                asserted=assert_ or (),
                tolerance=tolerance,
                ridge=ridge,
                subset=subset,
                seed=source.seed,
                budget=budget,
                optimizer=optimizer,
                lr=lr if plan is None else plan.lr,
                epochs=epochs,
                momentum=momentum,
                progress=tell,
            )
        except InterruptedCheck as stopped:
            report, interrupted = stopped.report, True
    if interrupted and not report.evidence:
        raise KeyboardInterrupt
    report = prepared.describe(report)
    if html is not None or figures is not None:
        _write_pages(prepared, report, outputs, html, figures)
    if json is not None and json != "-":
        outputs.write(json, report.to_json().encode())
    with answer():
        if json == "-":
            typer.echo(report.to_json().encode(), nl=False)  # bytes: UTF-8 whatever the terminal speaks
        else:
            terminal.show_report(report)
    if interrupted:
        raise KeyboardInterrupt
    raise typer.Exit(report.exit_status)


def _write_pages(prepared: Any, report: Any, outputs: Any, html: Path | None, figures: Path | None) -> None:
    """Write the web page and the figures of a report."""
    from . import pages, plots
    from .files import make_folder, write_atomic

    found, missing = None, ""
    try:
        found = pages.details(prepared.problem, report, prepared.audited["labels"])
    except MusoError as error:
        missing = str(error)
    if html is not None:
        outputs.write(html, pages.report_page(report, found, missing).encode())
    if figures is None:
        return
    if found is None:
        raise expected(
            "numbers that float64 can hold", "figures", figures, missing, "--html without --figures"
        )
    make_folder(figures)
    captions = []
    with plots.styled():
        for name, (drawn, caption) in pages.draw_figures(found, report).items():
            for form in ("pdf", "svg"):
                write_atomic(figures / f"{name}.{form}", plots.render(drawn, form))
            captions.append(f"{name}: {caption}\n")
    write_atomic(figures / "captions.txt", "\n".join(captions).encode())


@app.command()
@takes_source("features_precision", "network")
def labels(
    source: Source,
    output: Annotated[Path, typer.Option("--output", "-o", help="The .npz file to write.")],
    method: Annotated[
        str, typer.Option(help="closed-form, label-free, leave-block-out, ridge or subsample.")
    ] = ("closed-form"),
    ridge: Annotated[float, typer.Option(help="λ of method ridge.")] = 1e-8,
    subset: Annotated[float, typer.Option(help="Fraction of R for method subsample.")] = 0.2,
    arithmetic: Annotated[
        Arithmetics, typer.Option(help="How labels are computed; ball and rational round once.")
    ] = Arithmetics.auto,
    force: Force = False,
    debug: Debug = False,
) -> None:
    """Compute labels for the forget samples and write them, with the forget indices, to a .npz file."""
    from .files import Outputs, npz_bytes

    outputs = Outputs(*source.files, force=force)
    outputs.file(output, "labels")
    if output.suffix not in ("", ".npz"):
        raise expected("a .npz file", "output", output, output.suffix, output.with_suffix(".npz").name)
    from .inputs import prepare
    from .linear.labels import optimal_labels
    from .linear.solution import parameter_gap
    from .screen import progress

    with progress() as tell:
        prepared = prepare(source, tell)
        problem = prepared.problem
        found = optimal_labels(
            problem, method, ridge=ridge, subset=subset, seed=source.seed, arithmetic=arithmetic.value
        )
        gap = parameter_gap(problem, found)
        nothing = parameter_gap(problem, problem.targets[problem.forget])
        doubt = _doubt(problem) if method == "label-free" else ""
    forget, written = prepared.by_sample(found)
    outputs.write(output, npz_bytes({"forget": forget, "labels": written}))
    if method == "subsample" and gap >= nothing:
        doubt = (
            "these labels leave no smaller gap than doing nothing: a larger --subset, or --method closed-form"
        )
    if doubt:
        say(f"muso: {doubt}", err=True)
    if arithmetic is Arithmetics.float64:
        for assumed in problem.float_model.assumed_ranks:
            say(f"muso: {assumed}", err=True)
    with answer():
        say(f"{len(found)} labels by {method}, shape {found.shape}, written to {output}")
        say(f"‖w_u − w_r‖ ≈ {gap:.3g} measured in float64; doing nothing ≈ {nothing:.3g}")


def _doubt(problem: Any) -> str:
    """Why label-free labels are not those of the retrained model, or may not be; empty where they are."""
    from .checking import check as run
    from .claims import find
    from .evidence import Verdict, short

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
    from . import terminal
    from .repeat import recheck as run
    from .screen import progress

    with progress() as tell:
        result = run(report, data, independent, tell)
    with answer():
        terminal.show_recheck(report, result)
    raise typer.Exit(1 if result.mismatches else 0)


@app.command()
def claims(
    claim: Annotated[str | None, typer.Argument(help="One claim, in full.")] = None, debug: Debug = False
) -> None:
    """List the claims and conditions, or show one in full."""
    from .words import show_claims

    with answer():
        show_claims(claim)


@app.command()
def prove(
    claim: Annotated[list[str] | None, typer.Argument(help="Claims to prove; all that have a proof.")] = None,
    check_: Annotated[
        bool, typer.Option("--check", help="Check every certificate after finding it.")
    ] = False,
    write: Annotated[
        Path | None, typer.Option(help="Write certificates, pages and the theorem graph to a folder.")
    ] = None,
    html: Annotated[
        Path | None,
        typer.Option(help="Write a site to a folder: the theorem graph, and a page for every claim."),
    ] = None,
    evidence: Annotated[
        list[Path] | None,
        typer.Option(
            help="Show what this report (muso check --json) or result of a campaign found; repeatable."
        ),
    ] = None,
    force: Force = False,
    debug: Debug = False,
) -> None:
    """Prove claims for all data and dimensions, from scratch; one claim prints its page."""
    from .files import Outputs

    outputs = Outputs(*(evidence or ()), force=force)
    outputs.folder(write, "theorems.md")
    outputs.folder(html, "index.html")
    from . import terminal
    from .claims.theorems.library import check_certificate
    from .claims.theorems.library import prove as search
    from .claims.theorems.registry import parts, slugs
    from .claims.theorems.writing import write_proofs
    from .pages.instances import read_instances
    from .screen import progress

    instances = read_instances(evidence or ())
    names = list(claim or slugs())
    for name in names:
        parts(name)
    with progress() as tell:
        proofs, checked = [], {}
        for name in names:
            tell(f"proving {name}")
            proofs.append(search(name))
            if check_:
                checked[name] = check_certificate(proofs[-1].certificate)
        written = [] if write is None else write_proofs(write)
        if html is not None:
            from .pages.site import write_site

            tell("writing the site")
            pages = write_site(html, proofs, instances)
    with answer():
        if claim and len(names) == 1 and not check_:
            say(proofs[0].to_markdown(), end="")
        else:
            terminal.show_proofs(proofs, checked)
        if write is not None:
            say(f"{len(written)} files written to {write}")
        if html is not None:
            say(f"{len(pages)} files written to {html}, begin with {html / 'index.html'}")
    raise typer.Exit(0 if all(result.accepted for result in checked.values()) else 1)


@app.command()
def explain(
    word: Annotated[str, typer.Argument(help="A verdict, a claim, a condition, a symbol or a term.")],
    debug: Debug = False,
) -> None:
    """Say what a word of the reports means."""
    from . import words

    with answer():
        words.explain(word)


for command in (unlearn, sweep, figure):
    app.command()(command)


class Kind(enum.StrEnum):
    """What a rule returns."""

    labels = "labels"
    parameters = "parameters"


class Form(enum.StrEnum):
    """How a counterexample is printed."""

    table = "table"
    python = "python"
    latex = "latex"
    json = "json"


@app.command()
def refute(
    rule: Annotated[
        str | None,
        typer.Argument(metavar="RULE", help="MODULE:FUNCTION, FILE.py:FUNCTION or a rulebook name."),
    ] = None,
    kind: Annotated[Kind | None, typer.Option(help="What the rule returns. [default: labels]")] = None,
    exact: Annotated[
        bool, typer.Option("--exact", help="Hand the rule Fractions and hold it to equality.")
    ] = False,
    assuming: Annotated[
        list[str] | None, typer.Option(help="Only problems on which this condition holds; repeatable.")
    ] = None,
    claim: Annotated[str | None, typer.Option(help="Attack this claim instead of a rule.")] = None,
    without: Annotated[str | None, typer.Option(help="Drop this hypothesis of the claim.")] = None,
    max_examples: Annotated[int, typer.Option(help="Problems that the rule is asked in the search.")] = 2000,
    tolerance: Annotated[float, typer.Option(help="Audit of a float rule: gap ≤ tolerance × scale.")] = 1e-6,
    time_limit: Annotated[float, typer.Option(help="Seconds a call of the rule may take.")] = 5.0,
    seed: Annotated[int, typer.Option(help="Seed of the search.")] = 0,
    form: Annotated[Form, typer.Option("--format", help="How to print a counterexample.")] = Form.table,
    json: Annotated[
        Path | None, typer.Option(help="Write the counterexample to a replay file, or - for stdout.")
    ] = None,
    replay: Annotated[
        Path | None, typer.Option(help="Check a stored counterexample again: of RULE, or of a claim.")
    ] = None,
    force: Force = False,
    debug: Debug = False,
) -> None:
    """Search for a small exact problem on which a RULE, a method or a claim fails.

    Exit status 1 if one is found, 0 if none is, 2 if the rule cannot be loaded, 3 if it declined every problem, no
    problem met the conditions, or it did not return within the time limit.
    """
    if (claim is not None and (rule is not None or replay is not None)) or not (rule or claim or replay):
        given = [w for w, v in (("RULE", rule), ("--claim", claim), ("--replay", replay)) if v is not None]
        what, hint = "RULE, --claim, --replay FILE, or RULE with --replay FILE", "muso refute --help"
        raise expected(what, "given", " and ".join(given) or "none", "usage", hint)
    from .files import Outputs
    from .refutation import load_rule, refute_report, source_file

    outputs = Outputs(None if rule is None else source_file(rule), replay, force=force)
    outputs.file(json, "counterexample")
    loaded: Any = claim if rule is None else load_rule(rule)
    if replay is not None:
        from .refutation.replaying import replay as again

        text, status = again(replay, loaded, time_limit)
        with answer():
            say(text)
        raise typer.Exit(status)
    if str(json) == "-":
        json, form = None, Form.json
    result = refute_report(
        loaded,
        kind=kind.value if kind else getattr(loaded, "kind", "labels"),
        exact=exact,
        assuming=assuming if assuming else getattr(loaded, "assuming", ()),
        without=without,
        max_examples=max_examples,
        seed=seed,
        tolerance=tolerance,
        time_limit=time_limit,
        name=rule,
    )
    found = result.counterexample
    if found is not None and json is not None:
        outputs.write(json, found.to_json().encode())
    with answer():
        if found is None or form is Form.table:
            say(str(result))
        else:
            shown = {Form.python: found.to_python, Form.latex: found.to_latex, Form.json: found.to_json}[
                form
            ]()
            say(shown, end="")
    raise typer.Exit({"REFUTED": 1, "MEASURED": 0}.get(result.verdict.name, 3))


def main(arguments: list[str] | None = None) -> None:
    """Run the command line and end the process with its exit status.

    0: every verdict is PROVED, CERTIFIED or MEASURED. 1: something is REFUTED. 2: bad usage, unreadable data
    or an internal error. 3: nothing is refuted but something is UNDECIDED or VACUOUS. 130: interrupted
    (143 by SIGTERM, 129 by SIGHUP).

    Args:
        arguments: words after ``muso``; None reads the process's own.
    """
    app(args=arguments, prog_name="muso")


if __name__ == "__main__":
    main()
