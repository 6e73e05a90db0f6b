"""How a claim is checked on data, apart from its words."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from ..former import former
from ..linear.problem import UnlearningProblem
from .case import Artefact, Case, Found

__all__ = ["Check", "by_name_only", "everywhere", "on_a_tangent"]
former(__name__)


def everywhere(problem: UnlearningProblem) -> bool:
    """A claim that speaks of every problem."""
    return True


def by_name_only(problem: UnlearningProblem) -> bool:
    """A claim that a check of all claims leaves out: about something else, or so that its report stays short."""
    return False


def on_a_tangent(problem: UnlearningProblem) -> bool:
    """A claim about the network whose tangent the problem is."""
    return problem.tangent is not None


@dataclass(frozen=True)
class Check:
    """How a claim is checked: on the exact data, on what was handed in, and on what is handed out.

    Args:
        theorem: how the claim, or condition, is checked on the exact data of an instance.
        listed: whether a check of all claims includes it on a problem; naming a claim includes it anywhere.
        on_any_problem: whether it can be tried on any problem, not only on one of a network, or with other settings.
        of_training: a claim about training that is listed, too, where a user says how he trains.
        climbs: whether another arithmetic may decide what one has left open.
        by_floats: whether that is float64 where Φ has full rank: the others read this number off a float64 model.
        audits: which artefacts it can audit.
        audit: how it judges one of them.
        anywhere: what it asks of labels and parameters whatever w₀ was; it refutes at most.
        audited: what a row about an artefact means, where that is not whether the claim's statement holds of it.
        output: how it judges the floats that this package hands out for it, if any.
        uses: which of the settings that only some claims use, ``ridge`` and ``subset``, its theorem does.
    """

    theorem: Callable[[Case], Found]
    listed: Callable[[UnlearningProblem], bool] = everywhere
    on_any_problem: bool = True
    of_training: bool = False
    climbs: bool = True
    by_floats: bool = False
    audits: tuple[str, ...] = ()
    audit: Callable[[Case, Artefact], Found] | None = None
    anywhere: Callable[[Case, Artefact], Found] | None = None
    audited: str = ""
    output: Callable[[Case], Found] | None = None
    uses: tuple[str, ...] = ()
