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

from ..checking.ladder import Ladder
from ..checking.rechecking import Recheck, compare, parse_report
from ..checking.report import Report
from ..checking.run import check_with, cut_short
from ..errors import BadInputError, expected
from ..files.kinds import refuse_other_kinds
from ..files.reading import read_text
from ..inputs import Prepared, Source, prepare
from ..linear.closed_forms import float_model
from ..linear.tiling import within
from ..linear.unfinished import kept_in
from ..machine import blas_environment
from ..settings import Settings

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

    Raises:
        BadInputError: an unreadable report, or data that cannot be loaded.
    """
    refuse_other_kinds(path, "report", "report")
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

    Raises:
        BadInputError: settings that no check accepts, or data that cannot be loaded.
    """
    settings = document["settings"]
    prepared = _prepared(settings, data, tell)
    problem, asked = prepared.problem, Settings.from_words(settings)

    def again(arithmetic: str) -> Report:
        settings = replace(asked, arithmetic=arithmetic)
        with within(asked.memory, problem, asked.claims is None), kept_in(None, problem):
            return check_with(problem, settings, **prepared.audited, progress=tell)

    def tighter() -> Iterator[Report]:
        """Arithmetics that the report's own budget allows."""
        for arithmetic in ("ball", "rational"):
            rung = next(iter(Ladder(problem, arithmetic, asked.budget)))
            if rung.cost.seconds <= asked.budget:
                tell(f"proving bounds that other digits do not imply, in {arithmetic} arithmetic")
                yield again(arithmetic)

    fresh = again(asked.arithmetic)
    if "interrupted" in settings:
        # Rows come in the order of the claims: what an interruption leaves are the first of them, and it says how many.
        rows = list(fresh.evidence)[: len(document["evidence"])]
        claims = dict.fromkeys(row.claim for row in fresh.rows)
        done = sum(all(row.name in rows for row in fresh.rows if row.claim == claim) for claim in claims)
        fresh = cut_short(fresh, f"{done} of {len(claims)} claims decided", rows)
    fresh = prepared.describe(fresh)
    second = None
    if independent:
        second = again("rational" if float_model(problem).is_singular else "ball")
    return compare(document, fresh, second, tighter)


def _prepared(settings: Any, data: str, tell: Callable[[str], None]) -> Prepared:
    """The problem of a report from the data given now.

    Raises:
        BadInputError: data that the words of the report do not fit: of another kind, in most cases.
    """
    source = _source(settings, data)
    try:
        return prepare(source, tell)
    except BadInputError as error:
        name = Path(str(settings["source"]["data"])).name
        if name == Path(data).name:
            raise
        target = f" with target {Path(source.target).name}" if source.target else ""
        what = f"the data of the report, {name}{target},"
        raise expected(what, "DATA", data, f"read in the same way: {error}", name) from None


def _in_another_process(
    environment: dict[str, str], text: str, data: str, independent: bool
) -> Recheck | None:
    """Repeat in a process with other variables; None where that process cannot, and this one has to say why."""
    code = "from muso_theory.commands.repeat import _answer; _answer()"
    package = str(Path(__file__).resolve().parents[2])
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
        words["interrupted"],
    )


def _answer() -> None:
    """The other process: a report and data on standard input, the outcome on standard output."""
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
