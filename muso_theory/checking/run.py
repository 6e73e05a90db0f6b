"""Check claims on an instance: from a problem to a report."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict, replace

import numpy as np

from ..arguments import checked
from ..claims import CATALOGUE, Claim, find
from ..claims.case import Artefact, Case
from ..claims.families import CHECKS
from ..claims.training import TRAINING, applies
from ..descent.plan import TrainingPlan
from ..errors import expected
from ..evidence import Evidence
from ..former import former
from ..linear.closed_forms import float_model
from ..linear.problem import UnlearningProblem, require_problem
from ..linear.spreading import workers_told
from ..linear.tiling import tiles_told, within
from ..linear.unfinished import kept_in
from ..numbers.ieee import ieee_proof
from ..settings import Settings
from ..steps import Step, telling
from .climbing import climber
from .report import Report

__all__ = ["InterruptedCheck", "check", "check_with", "cut_short", "refuse_unused"]
former(__name__)


class InterruptedCheck(KeyboardInterrupt):
    """Ctrl-C during a check.

    Args:
        report: the evidence that was finished before, in ``.report``.
    """

    def __init__(self, report: Report) -> None:
        super().__init__("interrupted")
        self.report = report


@checked
def check(
    problem: UnlearningProblem,
    claims: Iterable[str] | str | None = None,
    arithmetic: str = Settings.arithmetic,
    *,
    labels: object = None,
    w_unlearned: object = None,
    w_pretrained: object = None,
    asserted: Sequence[str] = (),
    tolerance: float | None = None,
    ridge: float = Settings.ridge,
    subset: float = Settings.subset,
    seed: int = Settings.seed,
    budget: float = Settings.budget,
    optimizer: str | None = None,
    lr: float | str | None = None,
    epochs: int | None = None,
    momentum: float = TrainingPlan.momentum,
    progress: Callable[[str], None] | None = None,
    checkpoint: str | os.PathLike[str] | None = None,
    memory: float | None = None,
) -> Report:
    """Check conditions and claims of exact unlearning on one problem.

    Args:
        claims: slugs to check, with the conditions that they need; None means all that speak of
            this kind of problem (claims about networks need a problem made by ``from_network``).
        arithmetic: "auto" (proved float64 bounds, then balls, then rationals), "float64" (ordinary floats, measured),
            "ball" (enclosures, precision doubled until decided) or "rational" (exact).
        labels: your labels for the forget samples, audited in rows such as ``exact-labels[labels]``.
        w_unlearned: your unlearned parameters, audited in rows such as ``exact-labels[w_unlearned]``.
        w_pretrained: your pretrained parameters, audited in ``implicit-bias[w_pretrained]`` and
            ``start-in-span[w_pretrained]``. No audit touches a theorem.
        asserted: claims that you say hold here: a failed hypothesis does not excuse them, and a false one is REFUTED.
        tolerance: audits ask for ‖w_u − w_r‖ ≤ tolerance · ‖w_p − w_r‖ (or · ‖w_r − w₀‖ where doing nothing is within
            half a last place of every float that is judged), and a hypothesis may be violated by tolerance times a
            norm of the data; in [0, 1). None is 1e-6 for floats and equality for artefacts that are exact themselves
            (integers, Fractions); 0 asks equality of everything but our own floats, which are held to 1e-6.
        ridge: λ of ridge claims (``ridge-anchored``, ``influence``, …) and ε of ``ridge-inverse``.
        subset: fraction of R that ``downsampling`` and ``capacity`` keep.
        seed: seed of every random choice that a check makes.
        budget: seconds that "auto" lets its arithmetics be estimated to take together, for all claims, by a formula of
            sizes and lengths of numbers. What is estimated to take longer is not started, and the rows say so.
        optimizer: how you train, a method of ``linear.train``: adds conditions about it (optimizer-in-span,
            stable-step, ostrowski-reich, enough-epochs) and, on large data too, the claims about training.
        lr: its step γ, with gradients of ½(φᵀw − y)², or "paper" for the paper's schedule.
        epochs: passes over the data.
        momentum: μ of momentum and nesterov.
        progress: called with a line about every step; what it is given also knows how many steps are done of how many,
            or, within a long step, how many spans of rows or tiles.
        checkpoint: a folder where, with more rows than columns, ΦᵀΦ is kept while it is summed, and K that has no room
            in memory: the same check goes on there after an interruption.
        memory: gigabytes that the process may take, 10⁹ bytes each; None is what the machine has. With no more rows
            than columns K goes into tiles on disk where it is estimated to take more.

    Raises:
        BadInputError: unknown claim or arithmetic, labels or parameters of the wrong shape, settings out of range, a
            ridge or subset that no claim asked for uses, a checkpoint with nothing to keep or too little room, less
            memory than tiles of K take.
        MusoError: too little room on disk for tiles of K, or a cluster that is lost, differs, or does not see them.
        InterruptedCheck: on Ctrl-C, carrying the evidence that is finished.

    Example:
        >>> import numpy as np
        >>> problem = UnlearningProblem(np.array([[1, 0, 1], [1, 1, 0], [2, 1, 1]]), np.array([1, 2, 5]), [1])
        >>> check(problem, ["exact-labels", "label-free"])
        VACUOUS  n = 3, D = 3, 1 to forget
          w₀: zero, assumed (default, --w-init); outputs: 1; forget: 1 of 3 rows
          VACUOUS    label-free            needs least-squares-on-retain: ‖Φ_Rᵀ(Φ_R w_p − y_R)‖ ≥ 0.94
          CERTIFIED  exact-labels[output]  ‖w_u − w_r‖ of the float labels by closed-form ≤ ...
          PROVED     exact-labels          ‖w_u − w_r‖ = 0
    """
    require_problem(problem)
    slugs = None if claims is None else (claims,) if isinstance(claims, str) else tuple(claims)
    refuse_unused(slugs, asserted, ridge=ridge, subset=subset)
    if optimizer is None and (lr is not None or epochs is not None):
        raise expected("an optimizer beside lr and epochs", "optimizer", None, "missing", "optimizer='gd'")
    if optimizer is None and momentum != TrainingPlan.momentum:
        raise expected("an optimizer beside momentum", "momentum", momentum, "alone", "optimizer='momentum'")
    settings = Settings(
        arithmetic=arithmetic,
        tolerance=tolerance,
        ridge=ridge,
        subset=subset,
        seed=seed,
        budget=budget,
        asserted=tuple(asserted),
        claims=slugs,
        training=None if optimizer is None else TrainingPlan(optimizer, lr, epochs, momentum),
        memory=memory,
    )
    with within(settings.memory, problem, slugs is None), kept_in(checkpoint, problem):
        return check_with(
            problem,
            settings,
            labels=labels,
            w_unlearned=w_unlearned,
            w_pretrained=w_pretrained,
            progress=progress,
        )


def refuse_unused(claims: Iterable[str] | None, asserted: Iterable[str], **given: float) -> None:
    """Refuse a setting that no claim asked for uses, unless it is the usual one.

    Args:
        claims: as `check` takes them; of all claims, some use every setting.
        asserted: these are checked as well.
        given: settings by name, such as ``ridge``.

    Raises:
        BadInputError: such a setting, or an unknown claim.

    Example:
        >>> refuse_unused(["ridge-anchored"], [], ridge=0.5)
        >>> refuse_unused(["exact-labels"], [], ridge=0.5)
        Traceback (most recent call last):
        muso_theory.errors.BadInputError: expected a claim that uses ridge but got ridge=0.5 (no claim that was asked \
for); try asking for ridge-anchored, or leaving ridge out
    """
    if claims is None:
        return
    asked = {find(slug).slug for slug in (*claims, *asserted)}
    for name, value in given.items():
        users = [slug for slug, check in CHECKS.items() if name in check.uses]
        if value != getattr(Settings, name) and not asked & {*users}:
            hint = f"asking for {users[0]}, or leaving {name} out"
            raise expected(f"a claim that uses {name}", name, value, "no claim that was asked for", hint)


@checked
def check_with(
    problem: UnlearningProblem,
    settings: Settings,
    *,
    labels: object = None,
    w_unlearned: object = None,
    w_pretrained: object = None,
    progress: Callable[[str], None] | None = None,
) -> Report:
    """Check conditions and claims with settings in one object, as commands and repetitions have them.

    Raises:
        BadInputError: an unknown claim, labels or parameters of the wrong shape.
        InterruptedCheck: on Ctrl-C, carrying the evidence that is finished.
    """
    wanted = _wanted(problem, settings)
    artefacts = tuple(
        Artefact(name, problem.label_columns(it) if name == "labels" else problem.parameter_columns(it, name))
        for name, it in (("labels", labels), ("w_unlearned", w_unlearned), ("w_pretrained", w_pretrained))
        if it is not None
    )
    for artefact in artefacts:
        _require_audited(artefact.name, wanted)
    rows_of = climber(Case(problem, float_model(problem), settings), artefacts, wanted)
    evidence: dict[str, Evidence] = {}
    told = (*problem.understood, *tiles_told(problem), *workers_told(problem))
    report = Report(
        title=_title(problem, audits=bool(artefacts)),
        evidence=evidence,
        inputs={
            "sha256": problem.sha256,
            "n": problem.n_samples,
            "D": problem.n_parameters,
            "outputs": problem.n_outputs,
            "forget": len(problem.forget),
            "audited": {artefact.name: artefact.sha256 for artefact in artefacts},
            "understood": [asdict(row) for row in told],
        },
        settings={**settings.to_words(), "audited": [artefact.name for artefact in artefacts]},
    )
    number = 0
    try:
        # What overflows is infinite or NaN, which no row is decided by: that is told in words and not by NumPy.
        with ieee_proof(), np.errstate(over="ignore", invalid="ignore"), telling(progress) as tell:
            for number, claim in enumerate(wanted):
                tell(Step(f"checking {claim.slug}", number, len(wanted)))
                for row in rows_of(claim):
                    evidence[row.name] = row
            _require_unchanged(problem, artefacts, report)
    except KeyboardInterrupt:
        raise InterruptedCheck(cut_short(report, f"{number} of {len(wanted)} claims decided")) from None
    return report


def cut_short(report: Report, how_far: str, rows: Iterable[str] | None = None) -> Report:
    """A report whose title and settings say that it was interrupted, so that nobody takes it for a whole one.

    It has the rows of these names, or all.
    """
    kept = set(report.evidence if rows is None else rows)
    return replace(
        report,
        title=f"{report.title}; interrupted, {how_far}",
        evidence={name: row for name, row in report.evidence.items() if name in kept},
        settings={**report.settings, "interrupted": how_far},
    )


def _require_audited(name: str, wanted: Iterable[Claim]) -> None:
    """Refuse to leave unjudged what was handed in."""
    if not any(name in CHECKS[claim.slug].audits for claim in wanted):
        judges = [slug for slug, check in CHECKS.items() if name in check.audits]
        asked = ", ".join(claim.slug for claim in wanted)
        hint = f"--claim {judges[0]} beside it, or leaving {name} out"
        raise expected(f"a claim that judges {name}: {', '.join(judges)}", "claims", asked, "none does", hint)


def _require_unchanged(problem: UnlearningProblem, artefacts: Iterable[Artefact], report: Report) -> None:
    """Refuse to report about arrays that are no longer what was checked."""
    problem.require_unchanged()
    for artefact in artefacts:
        if artefact.sha256 != report.inputs["audited"][artefact.name]:
            name, shape = artefact.name, artefact.values.shape
            raise expected("the array that was handed in", name, shape, "changed since", f"{name}.copy()")


def _title(problem: UnlearningProblem, audits: bool) -> str:
    outputs = "" if problem.n_outputs == 1 else f", {problem.n_outputs} outputs"
    floats = "" if problem.tangent is None else ", Φ a network's float tangent"
    # A theorem takes w₀ as given; whether an audit holds depends on which w₀ it was.
    start = ", w₀ = 0 (assumed)" if audits and problem.w_init is None else ""
    size = f"n = {problem.n_samples}, D = {problem.n_parameters}{outputs}"
    return f"{size}, {len(problem.forget)} to forget{floats}{start}"


def _wanted(problem: UnlearningProblem, settings: Settings) -> list[Claim]:
    """Claims asked for and the conditions that they use, in the order of the catalogue."""
    plan = settings.training
    named = {find(slug).slug for slug in (*settings.asserted, *(settings.claims or ()))}
    if settings.claims is None:
        return [
            claim
            for slug, claim in CATALOGUE.items()
            if CHECKS[slug].listed(problem)
            or applies(slug, plan)
            or (plan is not None and CHECKS[slug].of_training)
        ]
    named |= {hypothesis for slug in named for hypothesis in CATALOGUE[slug].hypotheses}
    if problem.map_may_tell:
        # Exact parameters of a map that read what is to be forgotten do not make a model that forgot.
        named.add("map-free-of-forget")
    for slug in TRAINING:
        if slug in named and not applies(slug, plan):
            what = "an optimizer, step and epochs" if plan is None else f"a condition about {plan.optimizer}"
            raise expected(
                what, "claim", slug, "says nothing without", "--optimizer gd --lr 0.1 --epochs 100"
            )
        if applies(slug, plan):
            named.add(slug)
    return [claim for claim in CATALOGUE.values() if claim.slug in named]
