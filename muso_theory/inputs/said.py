"""Which options were said outright, and which are defaults."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from ..errors import expected
from ..linear.problem import UnlearningProblem
from ..options import USUAL_MAP, Source
from ..understood import How, Understood
from .maps import map_options

__all__ = ["decided", "how_forget", "require_usual"]


def how_forget(spec: str, usual: str) -> How:
    """How the forget set was decided: by a word, by the data, or by nobody."""
    if spec != usual:
        return "given"
    return "inferred" if spec == "column" else "default"


def decided(source: Source, problem: UnlearningProblem, where: str) -> list[Understood]:
    """What the problem understood of its map, with how a command decided it."""
    rows = {row.word: row for row in problem.understood}
    found = []
    if (made := rows.get("map")) is not None:
        # A map is made of several options; those that were not said are told as its defaults.
        how, options = _how(source, ("features", *map_options(source.features or USUAL_MAP)))
        found.append(replace(made, how=how, option=options))
    if (on := rows.get("map fitted on")) is not None:
        found.append(replace(on, value=where or on.value, how=_how(source, ("fit_map",))[0]))
    return found


def _how(source: Source, names: Sequence[str]) -> tuple[How, str]:
    """Whether all of some options were said, and those that were not where some were."""
    usual = [name for name in names if getattr(source, name) == getattr(Source(""), name)]
    told = usual if 0 < len(usual) < len(names) else names[:1]
    return "default" if usual else "given", ", ".join(f"--{name.replace('_', '-')}" for name in told)


def require_usual(source: Source, names: Sequence[str], why: str) -> None:
    """Refuse options that would change nothing, and so promise what is not done."""
    for name in names:
        value = getattr(source, name)
        if value != getattr(Source(""), name):
            option = f"--{name.replace('_', '-')}"
            raise expected("no such option here", option, value, why, f"leaving {option} out")
