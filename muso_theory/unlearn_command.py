"""``muso unlearn``: a method on the user's data, with evidence about what it leaves."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any

import typer

from . import completing
from .command_line import Debug, answer, say
from .errors import expected
from .options import Force, Source, takes_source
from .settings import Settings

__all__ = ["unlearn"]


@takes_source("features_precision", "network", "audit")
def unlearn(
    source: Source,
    method: Annotated[
        list[str] | None,
        typer.Option(
            help="label-free, exact-labels, random-labels, newton, …; an unknown one lists them; several are "
            "compared. [default: label-free]",
            autocompletion=completing.methods,
        ),
    ] = None,
    set_: Annotated[
        list[str] | None,
        typer.Option("--set", help="A setting of the methods that have it, such as ridge=1e-3; repeatable."),
    ] = None,
    test: Annotated[
        float | None,
        typer.Option(help="Share of the samples not to forget to hold out, for test accuracy and attack."),
    ] = None,
    tolerance: Annotated[
        float | None, typer.Option(help="The audit asks for gap ≤ tolerance × doing nothing. [default: 1e-6]")
    ] = None,
    budget: Annotated[
        float, typer.Option(help="Seconds that the audit may be estimated to take.")
    ] = Settings.budget,
    output: Annotated[
        Path | None,
        typer.Option("--output", "-o", help="Write w_unlearned, labels and rows of one method to .npz."),
    ] = None,
    json: Annotated[
        str | None, typer.Option(help="Write the result, for muso figure, to a file, or - for stdout.")
    ] = None,
    html: Annotated[
        Path | None, typer.Option(help="Write the result as one web page that needs nothing else.")
    ] = None,
    force: Force = False,
    debug: Debug = False,
) -> None:
    """Unlearn by methods on DATA: parameters, accuracies, the proved gap, and what a membership attack sees."""
    from .files import Outputs, npz_bytes

    outputs = Outputs(*source.files, force=force)
    outputs.file(output, "parameters")
    outputs.file(json, "unlearning")
    outputs.file(html, "page")
    from . import terminal
    from .inputs import prepare
    from .results import encoded
    from .screen import progress
    from .unlearned import content, models, told
    from .unlearning import made_all, unlearn_prepared

    chosen = made_all(method or ["label-free"], dict(_setting(words) for words in set_ or ()), source.seed)
    if output is not None and len(chosen) > 1:
        raise expected("one --method", "output", output, f"{len(chosen)} methods", "--json for their numbers")
    with progress() as tell:
        prepared = prepare(source, tell, test=test)
        results = [unlearn_prepared(prepared, one, tolerance, budget, tell) for one in chosen]
    if output is not None:
        assert prepared.rows is not None
        [found] = results
        arrays: dict[str, Any] = {"w_unlearned": found.w_unlearned}
        forget = found.problem.forget
        if found.labels is not None:
            forget, arrays["labels"] = prepared.by_sample(found.labels)
        elif prepared.dataset.X.ndim == 3:
            forget = prepared.by_sample(forget)[0]
        arrays |= {"forget": prepared.rows[forget], "trained_on": prepared.rows}
        arrays |= {"w_init": found.problem.w_init, "made_with": prepared.made_with}
        outputs.write(output, npz_bytes(arrays))
    if html is not None:
        from .pages.unlearned_page import unlearned_page

        outputs.write(html, unlearned_page(*results).encode())
    written = encoded(content(results))
    if json is not None and json != "-":
        outputs.write(json, written)
    with answer():
        if json == "-":
            typer.echo(written, nl=False)  # bytes: UTF-8 whatever the terminal speaks
        else:
            terminal.show_understood(results[0].report.title, results[0].report.inputs)
            if len(results) > 1:
                say("\n" + "\n".join(_compared(told(models(results)))))
            for found in results:
                say("")
                for name, words in found.components:
                    say(f"{name:<22}  {words}")
                say(f"\n{found!r}\n")
                terminal.show_report(found.report, understood=False)
    worst = {found.report.exit_status for found in results}
    raise typer.Exit(next(status for status in (2, 1, 3, 0) if status in worst))


def _compared(lines: list[tuple[str, list[str]]]) -> Iterator[str]:
    """The numbers of many models, one model a line: columns would be too wide."""
    (_, names), *numbers = lines
    for i, name in enumerate(names):
        yield f"{name}: " + "; ".join(f"{key} {cells[i]}" for key, cells in numbers if cells[i])


def _setting(words: str) -> tuple[str, Any]:
    """A setting as it was written: numbers as numbers, words as words."""
    name, equals, value = words.partition("=")
    if not (name and equals and value):
        raise expected("NAME=VALUE", "set", words, "text", "--set ridge=1e-3")
    try:
        return name.strip().replace("-", "_"), ast.literal_eval(value.strip())
    except (ValueError, SyntaxError):
        return name.strip().replace("-", "_"), value.strip()
