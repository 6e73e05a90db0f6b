"""What a report page shows beyond evidence: the spectrum, the ladder of gaps, the labels."""

from __future__ import annotations

import base64
import csv
import io
from dataclasses import dataclass
from typing import final

import numpy as np

from ..arrays import Array
from ..checking.report import Report
from ..errors import MusoError
from ..evidence import Evidence
from ..former import former
from ..linear.closed_forms import float_model
from ..linear.problem import UnlearningProblem
from ..linear.solution import parameter_gap
from ..methods.rules import RULES
from ..numbers import Grade

__all__ = ["Details", "details"]
former(__name__)

_WORDS = {
    "original-labels": "doing nothing",
    "random-labels": "random labels",
    "bad-teacher": "bad teacher (random model)",
    "zero-labels": "all labels zero",
    "hard-labels": "exact labels, rounded to classes",
    "retain-mean": "mean retained label",
}


@final
@dataclass(frozen=True)
class _Gap:
    """One way to label and what it leaves.

    Args:
        words: the way, in words.
        gap: ‖w_u − w_r‖.
        proved: whether the gap is a rigorous upper bound; else it is measured in float64.
    """

    words: str
    gap: float
    proved: bool = False


@final
@dataclass(frozen=True)
class Details:
    """Numbers for the pictures and tables of a page.

    Args:
        eigenvalues: of K (or ΦᵀΦ where that is smaller), in ascending order; the two ends only when K is large.
        complete: whether these are all.
        ladder: gaps from the largest to the smallest.
        kinds: the sorts of label in the table, such as ``target``.
        outputs: columns a sort has.
        labels: rows of the label table: sample, targets, optimal labels, and the user's where given.
    """

    eigenvalues: tuple[float, ...]
    complete: bool
    ladder: tuple[_Gap, ...]
    kinds: tuple[str, ...]
    outputs: int
    labels: tuple[tuple[float, ...], ...]

    @property
    def columns(self) -> tuple[str, ...]:
        """Heads of the label table."""
        if self.outputs == 1:
            return ("sample", *self.kinds)
        return ("sample", *(f"{kind} {k}" for kind in self.kinds for k in range(self.outputs)))

    @property
    def csv(self) -> str:
        """All labels as a data URI of a CSV file, every number exact."""
        stream = io.StringIO()
        writer = csv.writer(stream, lineterminator="\n")
        writer.writerow(self.columns)
        writer.writerows([int(row[0]), *row[1:]] for row in self.labels)
        return "data:text/csv;base64," + base64.b64encode(stream.getvalue().encode()).decode()


def details(problem: UnlearningProblem, report: Report, labels: object = None) -> Details:
    """Measure what a page shows about a problem.

    Args:
        report: a report about it, whose proved bound takes the place of a measurement where there is one.
        labels: the labels that the user had audited, or None.

    Example:
        >>> problem = UnlearningProblem(np.array([[1.0, 0, 1], [1, 1, 0]]), np.array([1.0, 2.0]), [1])
        >>> found = details(problem, Report("a problem", {}))
        >>> np.round(found.eigenvalues, 9), found.ladder[-1].words, found.columns
        (array([1., 3.]), 'exact labels, as floats', ('sample', 'target', 'optimal label'))
    """
    model = float_model(problem)
    eigenvalues = tuple(float(value) for value in model.eigenvalues)
    shown: dict[str, Array] = {
        "target": problem.targets[problem.forget],
        "optimal label": np.array(model.optimal_labels),
    }
    if labels is not None:
        shown["your label"] = problem.label_columns(labels)
    parts = [problem.forget.reshape(-1, 1), *(a.reshape(len(a), -1) for a in shown.values())]
    rows = np.hstack([np.asarray(part, dtype=np.float64) for part in parts])
    return Details(
        eigenvalues,
        model.has_all_eigenvalues,
        tuple(_ladder(problem, report, labels)),
        tuple(shown),
        problem.n_outputs,
        tuple(tuple(float(v) for v in row) for row in rows),
    )


def _ladder(problem: UnlearningProblem, report: Report, labels: object) -> list[_Gap]:
    """Every rule that applies, from the largest gap to the smallest; exact labels last."""
    rungs = []
    for name, rule in RULES.items():
        try:
            given = rule()(problem)
        except MusoError:
            continue  # hard labels need classes
        rungs.append(_Gap(_WORDS.get(name, name), parameter_gap(problem, given)))
    if labels is not None:
        proved = _bound(report.evidence.get("exact-labels[labels]"), "your labels")
        rungs.append(proved or _Gap("your labels", parameter_gap(problem, labels)))
    rungs.sort(key=lambda rung: -rung.gap)
    # Optimal labels held against themselves would always leave nothing: the two models are what may differ.
    model = float_model(problem)
    left = float(model.distance(model.unlearned(model.optimal_labels), model.retrained).upper)
    proved = _bound(report.evidence.get("exact-labels[output]"), "exact labels, as floats")
    return [*rungs, proved or _Gap("exact labels, as floats", left)]


def _bound(evidence: Evidence | None, words: str) -> _Gap | None:
    """The bound that the report proved, if it did."""
    if evidence is not None and evidence.findings and not evidence.failed:
        quantity = evidence.findings[0].quantity
        if quantity.grade is not Grade.MEASURED and np.isfinite(quantity.bound):
            return _Gap(words, quantity.bound, proved=True)
    return None
