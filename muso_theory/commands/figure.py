"""``muso figure``: drawings of results, in the style of a venue."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from ..errors import expected
from ..options import Force
from .command_line import Debug, say

__all__ = ["figure"]


def figure(
    results: Annotated[
        list[Path],
        typer.Argument(metavar="RESULT", help="JSON of muso check, muso sweep, muso unlearn or a campaign."),
    ],
    out: Annotated[Path, typer.Option(help="The folder to write to.")] = Path("figures"),
    style: Annotated[str, typer.Option(help="neurips, icml, jmlr, tmlr or plain.")] = "plain",
    width: Annotated[str, typer.Option(help="column, or full: the width of the text.")] = "column",
    form: Annotated[str, typer.Option("--format", help="pdf, png or svg.")] = "pdf",
    panels: Annotated[
        str | None,
        typer.Option(
            help="Numbers of a sweep to draw, such as gap,forget accuracy. [default: the first six]"
        ),
    ] = None,
    force: Force = False,
    debug: Debug = False,
) -> None:
    """Draw every figure that the given RESULTs hold, each with its caption in a text file beside it."""
    from .. import plots
    from ..files.kinds import with_seal
    from ..files.writing import Outputs, make_folder
    from ..plots.gallery import draw_all
    from ..plots.sources import read
    from ..screen import progress

    plots.check_style(style, width, form)
    sources = [read(path) for path in results]
    # All are drawn before one is written: a folder never holds half of what was asked for.
    with progress() as tell:
        tell(f"drawing {len(sources)} results" if len(sources) > 1 else "drawing")
        chosen = [name.strip() for name in panels.split(",")] if panels else []
        drawn = list(draw_all(sources, style, width, form, chosen))
    names = [one.name for one in drawn]
    twice = next((name for name in names if names.count(name) > 1), None)
    if twice is not None:
        raise expected(
            "results whose files have names of their own", "figure", twice, "drawn twice", "other names"
        )
    make_folder(out)
    outputs = Outputs(*results, force=force)
    for one in drawn:
        outputs.file(out / f"{one.name}.{form}", "drawing")
        outputs.file(out / f"{one.name}.txt", "caption")
    for one in drawn:
        outputs.write(out / f"{one.name}.txt", with_seal(one.caption.encode(), "txt"))
        outputs.write(out / f"{one.name}.{form}", with_seal(one.data, form))
        say(str(out / f"{one.name}.{form}"))
