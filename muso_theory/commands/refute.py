"""``muso refute``: a search for a small exact problem on which a rule, a method or a claim fails."""

from __future__ import annotations

import enum
import inspect
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

import typer

from ..errors import expected, refuse_idle
from ..options import Force
from . import completing
from .command_line import Debug, answer, say
from .theorem import is_theorem_file, refute_file

__all__ = ["refute"]


class _Kind(enum.StrEnum):
    """What a rule returns."""

    labels = "labels"
    parameters = "parameters"


class _Form(enum.StrEnum):
    """How a counterexample is printed."""

    table = "table"
    python = "python"
    latex = "latex"
    json = "json"


_OF_SEARCH = ("max_examples", "seed", "form", "json")

_USED = {
    "FILE.txt": ("seconds",),
    "--replay": ("replay", "time_limit"),
    "--claim": ("without", *_OF_SEARCH),
    # A hypothesis of a rule is refused by the search itself, which knows whether a claim has the rule's name.
    "RULE": ("kind", "exact", "assuming", "without", "tolerance", "time_limit", *_OF_SEARCH),
}
"""What is attacked or checked again, and the options that have a meaning there."""


def refute(
    rule: Annotated[
        str | None,
        typer.Argument(
            metavar="RULE",
            help="MODULE:FUNCTION, FILE.py:FUNCTION or a rulebook name; or FILE.txt, a theorem of your own.",
        ),
    ] = None,
    kind: Annotated[_Kind | None, typer.Option(help="What the rule returns. [default: labels]")] = None,
    exact: Annotated[
        bool, typer.Option("--exact", help="Hand the rule Fractions and hold it to equality.")
    ] = False,
    assuming: Annotated[
        list[str] | None,
        typer.Option(
            help="Only problems on which this condition holds; repeatable.",
            autocompletion=completing.condition_words,
        ),
    ] = None,
    claim: Annotated[
        str | None,
        typer.Option(help="Attack this claim instead of a rule.", autocompletion=completing.claim_words),
    ] = None,
    without: Annotated[
        str | None,
        typer.Option(help="Drop this hypothesis of the claim.", autocompletion=completing.condition_words),
    ] = None,
    max_examples: Annotated[int, typer.Option(help="Problems that the rule is asked in the search.")] = 2000,
    tolerance: Annotated[float, typer.Option(help="Audit of a float rule: gap ≤ tolerance × scale.")] = 1e-6,
    time_limit: Annotated[float, typer.Option(help="Seconds a call of the rule may take.")] = 5.0,
    seed: Annotated[int, typer.Option(help="Seed of the search.")] = 0,
    form: Annotated[_Form, typer.Option("--format", help="How to print a counterexample.")] = _Form.table,
    json: Annotated[
        Path | None, typer.Option(help="Write the counterexample to a replay file, or - for stdout.")
    ] = None,
    replay: Annotated[
        Path | None, typer.Option(help="Check a stored counterexample again: of RULE, or of a claim.")
    ] = None,
    seconds: Annotated[float, typer.Option(help="Of FILE.txt: how long to search.")] = 60.0,
    force: Force = False,
    debug: Debug = False,
) -> None:
    """Search for a small exact problem on which a RULE, a method or a claim fails.

    Exit status 1 if one is found, 0 if none is, 2 if the rule cannot be loaded, 3 if it declined every problem, no
    problem met the conditions, or it did not return within the time limit.
    """
    chosen = dict(locals())  # every option by its name, as given
    if (claim is not None and (rule is not None or replay is not None)) or not (rule or claim or replay):
        given = [w for w, v in (("RULE", rule), ("--claim", claim), ("--replay", replay)) if v is not None]
        what, hint = "RULE, --claim, --replay FILE, or RULE with --replay FILE", "muso refute --help"
        raise expected(what, "given", " and ".join(given) or "none", "usage", hint)
    is_file = rule is not None and is_theorem_file(rule)
    mode = "FILE.txt" if is_file else "--claim" if claim else "--replay" if replay else "RULE"
    _refuse_unused(mode, chosen)
    if rule is not None and is_file:
        refute_file(rule, seconds)
    from ..files.writing import Outputs
    from ..refutation import load_rule, refute_report, source_file
    from ..screen import progress

    outputs = Outputs(None if rule is None else source_file(rule), replay, force=force)
    outputs.file(json, "counterexample")
    loaded: Any = claim if rule is None else load_rule(rule)
    if replay is not None:
        from ..refutation.replaying import replay as again

        text, status = again(replay, loaded, time_limit)
        with answer():
            say(text)
        raise typer.Exit(status)
    if str(json) == "-":
        json, form = None, _Form.json
    with progress() as tell:
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
            progress=tell,
        )
    found = result.counterexample
    if found is not None and json is not None:
        outputs.write(json, found.to_json().encode())
    with answer():
        if found is None or form is _Form.table:
            say(str(result))
        else:
            shown = {_Form.python: found.to_python, _Form.latex: found.to_latex, _Form.json: found.to_json}[
                form
            ]()
            say(shown, end="")
    raise typer.Exit({"REFUTED": 1, "MEASURED": 0}.get(result.verdict.name, 3))


def _refuse_unused(mode: str, chosen: Mapping[str, Any]) -> None:
    """Refuse options that this mode would ignore, and a tolerance beside equality."""
    usual = inspect.signature(refute).parameters
    for name in dict.fromkeys(name for names in _USED.values() for name in names):
        users = [other for other, names in _USED.items() if name in names]
        option = "--format" if name == "form" else f"--{name.replace('_', '-')}"
        refuse_idle(option, chosen[name], usual[name].default, "refute", mode, users)
    if chosen["exact"]:
        allowed = usual["tolerance"].default
        refuse_idle("--tolerance", chosen["tolerance"], allowed, "a rule", "--exact", ["in floats"])
