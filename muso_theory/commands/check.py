"""``muso check``: evidence about claims on the user's data."""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import Annotated, Any

import typer

from ..descent.hyper import Hyper
from ..errors import MusoError, expected
from ..options import Arithmetics, Force, Source, takes_source
from ..parallel import stopping
from ..settings import Settings
from . import completing
from .command_line import Debug, answer, say

__all__ = ["check"]


@takes_source()
def check(
    source: Source,
    arithmetic: Annotated[Arithmetics, typer.Option(help="How numbers are computed.")] = Arithmetics.auto,
    budget: Annotated[
        float, typer.Option(help="Seconds that auto lets its arithmetics be estimated to take.")
    ] = Settings.budget,
    claim: Annotated[
        list[str] | None,
        typer.Option(help="Check only this claim; repeatable.", autocompletion=completing.claim_words),
    ] = None,
    assert_: Annotated[
        list[str] | None,
        typer.Option(
            "--assert",
            help="Insist that this claim holds: a failed hypothesis is no excuse; repeatable.",
            autocompletion=completing.claim_words,
        ),
    ] = None,
    tolerance: Annotated[
        float | None,
        typer.Option(
            help="Audits of floats ask for gap ≤ tolerance × doing nothing, or × ‖w_r − w₀‖ where doing nothing is "
            "itself within the rounding of floats. [default: 1e-6; equality of exact artefacts]"
        ),
    ] = None,
    ridge: Annotated[
        float, typer.Option(help="λ of ridge claims (ridge-anchored, influence, …) and ε of ridge-inverse.")
    ] = Settings.ridge,
    subset: Annotated[
        float, typer.Option(help="Fraction of R kept by downsampling and capacity.")
    ] = Settings.subset,
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
    momentum: Annotated[float, typer.Option(help="Of momentum and nesterov.")] = Hyper.momentum,
    json: Annotated[
        str | None, typer.Option(help="Write the evidence as JSON to a file, or - for stdout.")
    ] = None,
    html: Annotated[
        Path | None, typer.Option(help="Write the report as one web page that needs nothing else.")
    ] = None,
    figures: Annotated[
        Path | None, typer.Option(help="Write the page's figures to a folder, as PDF and SVG.")
    ] = None,
    checkpoint: Annotated[
        Path | None,
        typer.Option(
            help="Write sums over rows, of more samples than features, and a K that has no room in memory to a folder: "
            "the same command goes on there."
        ),
    ] = None,
    memory: Annotated[
        float | None,
        typer.Option(
            help="Gigabytes that this may take: a larger K goes into tiles on disk. [default: the machine's]"
        ),
    ] = None,
    scheduler: Annotated[
        str | None,
        typer.Option(
            help="Address of a Dask scheduler whose workers have this package: they go over the rows of DATA with more "
            "samples than features, and make the tiles of a K that has no room in memory."
        ),
    ] = None,
    force: Force = False,
    debug: Debug = False,
) -> None:
    """Check which conditions of exact unlearning hold on DATA, and which claims follow."""
    from ..files.writing import Outputs

    outputs = Outputs(*source.files, force=force)
    outputs.file(json, "report")
    outputs.file(html, "report page")
    outputs.folder(figures, "captions.txt")
    outputs.folder(checkpoint, ".lock")
    from ..checking.run import InterruptedCheck, refuse_unused
    from ..checking.run import check as run
    from ..inputs import prepare
    from ..screen import progress
    from . import terminal

    Settings(memory=memory)  # refused before data are read
    refuse_unused(claim or None, assert_ or (), ridge=ridge, subset=subset)
    plan = None
    if optimizer is not None:
        from ..descent.plan import TrainingPlan

        plan = TrainingPlan.from_words(optimizer, lr, epochs, momentum)
    if scheduler is not None:
        from ..parallel.cluster import require_address

        require_address(scheduler)
    interrupted = False
    with progress() as tell:
        prepared = prepare(source, tell)
        if scheduler is not None:
            tell("asking the scheduler")
        try:
            with _cluster(scheduler, prepared.problem, memory, every=not claim):
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
                    checkpoint=checkpoint,
                    memory=memory,
                )
        except InterruptedCheck as stopped:
            report, interrupted = stopped.report, True
        except KeyboardInterrupt:
            _say_kept(checkpoint, prepared.problem)
            raise
    if interrupted:
        _say_kept(checkpoint, prepared.problem)
    if interrupted and not report.evidence:
        raise KeyboardInterrupt
    if interrupted:  # drawing takes a while, and who pressed Ctrl-C wants to know that it was heard
        say(f"muso: {stopping.word()}: writing what was decided", err=True)
    report = prepared.describe(report)
    if html is not None or figures is not None:
        with progress() as tell:
            tell("drawing")
            _write_pages(prepared, report, outputs, html, figures, force)
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


def _say_kept(checkpoint: Path | None, problem: Any) -> None:
    """Tell who has stopped a check what is kept of it."""
    if checkpoint is not None:
        from ..linear.unfinished import kept_words

        say(f"muso: {checkpoint}: {kept_words(checkpoint, problem)}", err=True)


def _cluster(
    scheduler: str | None, problem: Any, memory: float | None = None, *, every: bool = True
) -> AbstractContextManager[None]:
    """Have spans of rows, or tiles of K, done by a cluster, if one was named and there are any."""
    if scheduler is None:
        return nullcontext()
    from ..linear.tiling import in_tiles, within

    with within(memory, problem, every):
        has_tiles = in_tiles(problem)
    if problem.n_samples <= problem.n_features and not has_tiles:
        size = f"{problem.n_samples} samples, {problem.n_features} features"
        hint = "leaving it out: with fewer samples, and room for K in memory, everything is computed here"
        raise expected("more samples than features", "scheduler", scheduler, size, hint)
    from ..parallel.cluster import connected

    return connected(scheduler, 1)


def _write_pages(
    prepared: Any, report: Any, outputs: Any, html: Path | None, figures: Path | None, force: bool
) -> None:
    """Write the web page and the figures of a report."""
    from .. import pages, plots
    from ..files.kinds import with_seal
    from ..files.writing import write_all

    found, missing = None, ""
    try:
        found = pages.details(prepared.problem, report, prepared.audited["labels"])
    except MusoError as error:
        missing = str(error)
    if html is not None:
        outputs.write(html, with_seal(pages.report_page(report, found, missing).encode(), "html"))
    if figures is None:
        return
    if found is None:
        raise expected(
            "numbers that float64 can hold", "figures", figures, missing, "--html without --figures"
        )
    drawn: dict[str, str | bytes] = {}
    captions = []
    with plots.styled():
        for name, (figure, caption) in pages.draw_figures(found, report).items():
            drawn |= {f"{name}.{form}": plots.render(figure, form) for form in ("pdf", "svg")}
            captions.append(f"{name}: {caption}\n")
    files = {**drawn, "captions.txt": "\n".join(captions)}
    write_all(figures, files, "captions.txt", sealed=True, force=force)
