"""Run a stored report again on its data."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import asdict, fields, replace
from pathlib import Path
from typing import Any, get_args, get_origin, get_type_hints

from .checking import check, cut_short
from .errors import expected
from .inputs import Source, prepare
from .ladder import Ladder
from .linear.training.plan import TrainingPlan
from .machine import blas_environment
from .reading import read_text
from .rechecking import Recheck, compare, parse_report
from .report import Report

__all__ = ["recheck", "repeat"]


def recheck(
    path: Path, data: str, independent: bool = False, tell: Callable[[str], None] = lambda line: None
) -> Recheck:
    """Compute everything that a stored report says again, from the data.

    A report from another BLAS kernel is repeated in a process that uses that kernel, where this machine has it, so
    that every digit can be compared.

    Args:
        path: a report written by ``muso check --json``.
        data: name, path or ``-`` of the data.
        independent: also decide every claim in rationals, or in balls where the matrix is regular.
        tell: progress.

    Returns:
        What does not agree.

    Raises:
        BadInputError: an unreadable report, or data that cannot be loaded.
    """
    text = read_text(path, "report")
    document = parse_report(text, str(path))
    other = blas_environment(document["versions"])
    # Standard input can be read only once.
    if other is not None and data != "-":
        tell(f"repeating with the BLAS kernel {other['OPENBLAS_CORETYPE']}")
        result = _in_another_process(other, text, data, independent)
        if result is not None:
            return result
    return repeat(document, data, independent, tell)


def repeat(
    document: dict[str, Any],
    data: str,
    independent: bool = False,
    tell: Callable[[str], None] = lambda line: None,
) -> Recheck:
    """Compute everything that a stored report says again, in this process.

    Args:
        document: the report, as parsed.
        data: name, path or ``-`` of the data.
        independent: also decide every claim in a second arithmetic.
        tell: progress.

    Returns:
        What does not agree.

    Raises:
        BadInputError: settings that no check accepts, or data that cannot be loaded.
    """
    settings = document["settings"]
    prepared = prepare(_source(settings, data), tell)
    problem, options = prepared.problem, _options(settings)

    def again(arithmetic: str) -> Report:
        return check(problem, **{**options, "arithmetic": arithmetic}, **prepared.audited, progress=tell)

    def tighter() -> Iterator[Report]:
        """Arithmetics that the report's own budget allows."""
        for arithmetic in ("ball", "rational"):
            rung = next(iter(Ladder(problem, arithmetic, options["budget"])))
            if rung.cost.seconds <= options["budget"]:
                tell(f"proving bounds that other digits do not imply, in {arithmetic} arithmetic")
                yield again(arithmetic)

    fresh = again(options["arithmetic"])
    if "interrupted" in settings:
        rows = [str(entry.get("row")) for entry in document["evidence"] if isinstance(entry, dict)]
        fresh = cut_short(fresh, str(settings["interrupted"]), rows)
    fresh = prepared.describe(fresh)
    second = None
    if independent:
        second = again("rational" if problem.float_model.is_singular else "ball")
    return compare(document, fresh, second, tighter)


def _in_another_process(
    environment: dict[str, str], text: str, data: str, independent: bool
) -> Recheck | None:
    """Repeat in a process with other variables; None where that process cannot, and this one has to say why."""
    code = "from muso_theory.repeat import _answer; _answer()"
    package = str(Path(__file__).resolve().parents[1])
    paths = os.pathsep.join((package, *filter(None, [os.environ.get("PYTHONPATH")])))
    done = subprocess.run(
        [sys.executable, "-P", "-c", code],
        input=json.dumps([text, data, independent]),
        env={**os.environ, **environment, "PYTHONPATH": paths},
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        encoding="utf-8",
        check=False,
    )
    try:
        words = json.loads(done.stdout) if done.returncode == 0 else None
    except ValueError:
        words = None
    if words is None:
        return None
    return Recheck(
        tuple(words["mismatches"]),
        words["identical"],
        tuple(words["implied_rows"]),
        words["independent"],
        tuple(words["unchecked"]),
        words["unsettled"],
    )


def _answer() -> None:
    """The other process: a report and data on standard input, what came of it on standard output."""
    text, data, independent = json.load(sys.stdin)
    result = repeat(parse_report(text, "report"), data, independent)
    json.dump(asdict(result), sys.stdout)


def _source(settings: Any, data: str) -> Source:
    """The words of the command that wrote the report, about the data given now."""
    stored = settings.get("source") if isinstance(settings, dict) else None
    if not isinstance(stored, dict) or set(stored) != {field.name for field in fields(Source)}:
        raise expected(
            "a report of muso check", "settings", "no source", "other settings", "muso check DATA --json"
        )
    source = Source(**stored)
    if not all(_fits(getattr(source, key), hint) for key, hint in get_type_hints(Source).items()):
        raise expected(
            "settings as they were written", "source", stored, "other types", "writing the report anew"
        )
    return replace(source, data=data)


def _fits(value: Any, hint: Any) -> bool:
    """Whether a stored value has the type of its field; a truth value is no number."""
    if get_origin(hint) is tuple:
        return type(value) is tuple and all(type(word) is str for word in value)
    return type(value) in (get_args(hint) or (hint,))


def _slugs(words: Any) -> list[str]:
    """A list of words, and nothing else."""
    if not isinstance(words, list) or not all(isinstance(word, str) for word in words):
        raise TypeError(f"{words!r} is not a list of claims")
    return words


def _training(words: Any) -> dict[str, Any]:
    """How the user trains, as arguments; nothing where the report does not say."""
    if words is None:
        return {}
    if not isinstance(words, dict) or set(words) != {"optimizer", "lr", "epochs", "momentum"}:
        raise TypeError("training is not an optimizer with lr, epochs and momentum")
    if type(words["optimizer"]) is not str:
        raise TypeError("the optimizer is no word")
    plan = TrainingPlan.from_words(words["optimizer"], words["lr"], words["epochs"], float(words["momentum"]))
    return {"optimizer": plan.optimizer, "lr": plan.lr, "epochs": plan.epochs, "momentum": plan.momentum}


def _options(settings: dict[str, Any]) -> dict[str, Any]:
    """The settings of the check as arguments."""
    try:
        numbers = {name: float(settings[name]) for name in ("ridge", "subset", "budget")}
        tolerance = settings["tolerance"]
        if type(settings["arithmetic"]) is not str or type(settings["seed"]) is not int:
            raise TypeError("arithmetic is no word or seed no integer")
        return {
            **numbers,
            **_training(settings.get("training")),
            "tolerance": None if tolerance is None else float(tolerance),
            "arithmetic": settings["arithmetic"],
            "seed": settings["seed"],
            "asserted": _slugs(settings["asserted"]),
            "claims": None if settings["claims"] is None else _slugs(settings["claims"]),
        }
    except (KeyError, TypeError, ValueError) as error:
        raise expected(
            "complete settings", "settings", error, "incomplete", "writing the report anew"
        ) from None
