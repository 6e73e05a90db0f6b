"""``muso sweep``: one thing varied over seeds, on the user's data."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from ..errors import expected
from ..options import Force, Source, takes_source
from ..settings import Settings
from . import completing
from .command_line import Debug, answer, say

__all__ = ["sweep"]


@takes_source("features_precision", "network", "audit")
def sweep(
    source: Source,
    over: Annotated[
        str,
        typer.Option(
            help="What is varied: n-features, ridge, subset, forget-fraction or epsilon.",
            autocompletion=completing.axes,
        ),
    ],
    json: Annotated[Path, typer.Option(help="The file to write, which muso figure draws.")],
    values: Annotated[
        str | None, typer.Option(help="Values such as 0.1,0.2,0.5. [default: a grid that suits the axis]")
    ] = None,
    seeds: Annotated[int, typer.Option(help="How many seeds, counted from --seed.")] = 3,
    method: Annotated[
        list[str] | None,
        typer.Option(
            help="A method of muso unlearn; repeatable. [default: those that suit the axis]",
            autocompletion=completing.method_words,
        ),
    ] = None,
    test: Annotated[
        float | None,
        typer.Option(help="Share of the samples not to forget to hold out, for test accuracy and attack."),
    ] = None,
    delta: Annotated[float, typer.Option(help="δ of axis epsilon.")] = 1e-5,
    budget: Annotated[
        float, typer.Option(help="Seconds that a check may be estimated to take.")
    ] = Settings.budget,
    jobs: Annotated[int, typer.Option(help="Processes.")] = 2,
    backend: Annotated[
        str | None, typer.Option(help="loky, threading or dask. [default: joblib's own]")
    ] = None,
    scheduler: Annotated[
        str | None, typer.Option(help="Address of a Dask scheduler whose workers have this package and DATA.")
    ] = None,
    fresh: Annotated[bool, typer.Option("--fresh", help="Measure again what was measured before.")] = False,
    force: Force = False,
    debug: Debug = False,
) -> None:
    """Vary one thing on DATA over seeds, and hold methods against retraining at every value.

    Finished points are kept beside the file, in the folder .NAME.points: the same command goes on after Ctrl-C, and
    points that were measured before are not measured again. The file holds the values and seeds of the last command.
    """
    from ..files.writing import Outputs

    outputs = Outputs(*source.files, force=force)
    outputs.file(json, "sweep")
    folder = json.with_name(f".{json.stem}.points")
    outputs.folder(folder, ".lock")
    from ..files.results import encoded
    from ..parallel.points import Workers
    from ..screen import progress
    from ..unlearning.sweep import planned
    from . import terminal

    workers = Workers(jobs=jobs, fresh=fresh, backend=backend, scheduler=scheduler)
    try:
        with progress() as tell:
            plan = planned(
                source,
                over,
                None if values is None else [_number(word) for word in values.split(",")],
                seeds,
                tuple(method or ()),
                test=test,
                delta=delta,
                budget=budget,
                progress=tell,
            )
        with answer():
            terminal.show_understood(plan.head["title"], plan.head["input"])
        with progress() as tell:
            found = plan.measured(workers, folder, tell)
    except KeyboardInterrupt:
        kept = len(list(folder.glob("[!.]*.json")))
        say(f"muso: {kept} finished points are kept in {folder}; the same command goes on", err=True)
        raise
    outputs.write(json, encoded(found))
    with answer():
        terminal.show_sweep(found)
        say(f"All {len(found['rows'])} rows are in {json}; muso figure {json} draws them.")


def _number(word: str) -> float:
    """One of the numbers of --values."""
    try:
        return float(word)
    except ValueError:
        raise expected("numbers with commas between", "values", word, "text", "--values 0.1,0.2") from None
