"""``muso unlearn``: a method on the user's data, with evidence about what it leaves."""

from __future__ import annotations

import ast
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, TypeAlias

import typer

from ..descent.hyper import Hyper
from ..errors import expected
from ..options import Force, Source, takes_source
from ..settings import Settings
from . import completing
from .command_line import Debug, answer, say

if TYPE_CHECKING:
    from ..unlearning.unlearned import Outcome

__all__ = ["unlearn"]


@takes_source("features_precision", "audit")
def unlearn(
    source: Source,
    method: Annotated[
        list[str] | None,
        typer.Option(
            help="label-free, exact-labels, random-labels, newton, …; an unknown one lists them; several are "
            "compared. [default: label-free; with --network alternating]",
            autocompletion=completing.method_words,
        ),
    ] = None,
    set_: Annotated[
        list[str] | None,
        typer.Option("--set", help="A setting of the methods that have it, such as ridge=1e-3; repeatable."),
    ] = None,
    loss: Annotated[
        str | None,
        typer.Option(
            help="Of --network: cross-entropy or squared. [default: cross-entropy of classes, else squared]"
        ),
    ] = None,
    optimizer: Annotated[
        str | None,
        typer.Option(help="Of --network: gd, momentum, nesterov, adam or adamw. [default: adam]"),
    ] = None,
    lr: Annotated[float | None, typer.Option(help="Of --network: learning rate. [default: 0.001]")] = None,
    epochs: Annotated[
        int | None, typer.Option(help="Of --network: passes over the data. [default: 30]")
    ] = None,
    batch_size: Annotated[
        str | None, typer.Option(help="Of --network: samples a step, or all. [default: 64]")
    ] = None,
    momentum: Annotated[
        float | None,
        typer.Option(help=f"Of --network, with momentum and nesterov. [default: {Hyper.momentum}]"),
    ] = None,
    weight_decay: Annotated[
        float | None, typer.Option(help="Of --network: weight decay. [default: 0]")
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
        typer.Option(
            "--output",
            "-o",
            help="Write w_unlearned, labels and rows of one method, or the network, to .npz.",
        ),
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
    """Unlearn by methods on DATA: parameters, accuracies, the proved gap, and what a membership attack sees.

    With --network it is trained, unlearned, and held against the retrained network: all is measured then.
    """
    from ..files.writing import Outputs, npz_bytes

    outputs = Outputs(*source.files, force=force)
    outputs.file(output, "parameters" if source.network is None else "network")
    outputs.file(json, "unlearning")
    outputs.file(html, "unlearning page")
    from ..files.results import encoded
    from ..unlearning.unlearned import rows_of_models, told_rows, unlearning_result
    from . import terminal

    ways, chosen = method or [], dict(_setting(words) for words in set_ or ())
    words = {"loss": loss, "optimizer": optimizer, "learning_rate": lr, "epochs": epochs}
    words |= {"batch_size": batch_size, "momentum": momentum, "weight_decay": weight_decay}
    recipe = {name: value for name, value in words.items() if value is not None}
    if output is not None and len(dict.fromkeys(ways)) > 1:
        raise expected("one --method", "output", output, f"{len(ways)} methods", "--json for their numbers")
    results: Sequence[Outcome]
    if source.network is None:
        from ..inputs.networks import RECIPE_OPTIONS

        for name, value in recipe.items():
            hint = f"leaving --{RECIPE_OPTIONS[name]} out, or --network"
            raise expected("no training of a network here", RECIPE_OPTIONS[name], value, "no --network", hint)
        results, written = _of_linear(source, ways, chosen, test, tolerance, budget)
    else:
        if (tolerance, budget) != (None, Settings.budget):
            name, value = ("budget", budget) if tolerance is None else ("tolerance", tolerance)
            got = "nothing of a trained network is proved"
            raise expected("no audit of a network", name, value, got, f"leaving --{name} out")
        results, written = _of_network(source, ways, chosen, test, recipe)
    if output is not None:
        outputs.write(output, npz_bytes(written))
    if html is not None:
        from ..files.kinds import with_seal
        from ..pages.unlearned_page import unlearned_page

        outputs.write(html, with_seal(unlearned_page(*results).encode(), "html"))
    data = encoded(unlearning_result(results))
    if json is not None and json != "-":
        outputs.write(json, data)
    with answer():
        if json == "-":
            typer.echo(data, nl=False)  # bytes: UTF-8 whatever the terminal speaks
        else:
            terminal.show_understood(results[0].title, results[0].inputs)
            if len(results) > 1:
                say("\n" + "\n".join(_compared(told_rows(rows_of_models(results)))))
            for found in results:
                say("")
                for name, words_of in found.components:
                    say(f"{name:<22}  {words_of}")
                say(f"\n{found!r}\n")
                terminal.show_outcome(found)
    worst = {found.exit_status for found in results}
    raise typer.Exit(next(status for status in (2, 1, 3, 0) if status in worst))


Results: TypeAlias = "tuple[Sequence[Outcome], dict[str, Any]]"
"""What methods made, and the arrays of one of them."""


def _of_linear(
    source: Source,
    ways: Sequence[str],
    chosen: dict[str, Any],
    test: float | None,
    tolerance: float | None,
    budget: float,
) -> Results:
    """Linear models."""
    from ..inputs import prepare
    from ..screen import progress
    from ..unlearning.run import made_all, unlearn_prepared

    methods = made_all(ways or ["label-free"], chosen, source.seed)
    with progress() as tell:
        prepared = prepare(source, tell, test=test)
        results = [unlearn_prepared(prepared, one, tolerance, budget, tell) for one in methods]
    assert prepared.rows is not None
    found = results[0]
    arrays: dict[str, Any] = {"w_unlearned": found.w_unlearned}
    forget = found.problem.forget
    if found.labels is not None:
        forget, arrays["labels"] = prepared.by_sample(found.labels)
    elif prepared.dataset.X.ndim == 3:
        forget = prepared.by_sample(forget)[0]
    arrays |= {"forget": prepared.rows[forget], "trained_on": prepared.rows}
    return results, arrays | {"w_init": found.problem.w_init, "made_with": prepared.made_with}


def _of_network(
    source: Source, ways: Sequence[str], chosen: dict[str, Any], test: float | None, recipe: dict[str, Any]
) -> Results:
    """A network, trained by a recipe."""
    from ..inputs.networks import prepare_network
    from ..networks.files import network_arrays
    from ..screen import progress
    from ..unlearning.network import unlearn_networks
    from ..unlearning.run import made_all

    if "batch_size" in recipe:
        recipe["batch_size"] = _batch(recipe["batch_size"])
    methods = made_all(ways or ["alternating"], chosen, source.seed, "network")
    with progress() as tell:
        prepared = prepare_network(source, recipe, tell, test=test)
        results = unlearn_networks(prepared, methods, tell)
    params = results[0].params
    return results, {} if params is None else network_arrays(prepared.problem.net, params)


def _batch(words: str) -> int | None:
    """A number of samples, or all."""
    if words == "all":
        return None
    if not (words.isdecimal() and int(words[:18])):
        raise expected("a number of samples, or all", "batch-size", words, "text", "--batch-size 64")
    return int(words[:18])


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
    except (ValueError, TypeError, SyntaxError, MemoryError, RecursionError):  # the last: thousands of signs
        return name.strip().replace("-", "_"), value.strip()
