"""What methods made of a problem: parameters and labels, with numbers and evidence about them."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, final

from ..arrays import Array
from ..checking.report import Report
from ..checking.summary import evidence_table
from ..errors import printable
from ..evaluation import Attack, Estimate, calibrated
from ..evidence import Evidence, Verdict, round_digits
from ..files.results import sealed
from ..former import former
from ..linear.problem import UnlearningProblem
from ..markup import Markup, join, table, understood_table
from ..methods import Method

__all__ = [
    "RETRAINED",
    "UNTOUCHED",
    "Outcome",
    "Unlearned",
    "rows_of_models",
    "score_table",
    "told_rows",
    "unlearning_result",
]
former(__name__)

RETRAINED, UNTOUCHED = "retraining", "none"
"""Names in the registry of the two models that every method stands between."""


class Outcome(ABC):
    """What a method made of a linear model or of a network, beside retraining and doing nothing."""

    method: Method
    rows: tuple[Mapping[str, Any], ...]
    attacks: Mapping[str, Attack]
    missing: str

    @property
    @abstractmethod
    def verdict(self) -> Verdict:
        """What stands behind the gap."""

    @property
    @abstractmethod
    def title(self) -> str:
        """What was unlearned, in one line."""

    @property
    @abstractmethod
    def inputs(self) -> Mapping[str, Any]:
        """What was understood, with hashes and notes, as result files have it."""

    @property
    @abstractmethod
    def settings(self) -> Mapping[str, Any]:
        """What a repetition needs; ``unlearning`` says the method and its settings."""

    @property
    @abstractmethod
    def components(self) -> tuple[tuple[str, str], ...]:
        """The four parts that the result is made of, each in words."""

    @property
    @abstractmethod
    def exit_status(self) -> int:
        """The exit status of a command that shows this."""

    @property
    def drawn_labels(self) -> dict[str, Array]:
        """The targets of the forget samples and their labels, by name, where a figure can show them."""
        return {}

    @property
    def evidence(self) -> dict[str, Any]:
        """The report, where there is one, as plain data."""
        return {}

    @property
    def row(self) -> Mapping[str, Any]:
        """The numbers of the method itself."""
        return next(row for row in self.rows if row["method"] == self.method.name)

    @property
    def difference(self) -> Estimate | None:
        """The attack's AUC on what was unlearned minus the same attack's on the retrained model, with its interval."""
        if self.method.name not in self.attacks:
            return None
        return calibrated(self.attacks[self.method.name], self.attacks[RETRAINED])

    def to_dict(self) -> dict[str, Any]:
        """The result as ``muso figure`` reads it, of kind ``unlearn``; the evidence is in ``report``."""
        return unlearning_result([self])

    def __repr__(self) -> str:
        lines = [f"{self.method.name}: {self.verdict.name}, {self.title}"]
        lines += [
            f"  {name:<10}" + "".join(f"  {cell:>24}" for cell in cells)
            for name, cells in told_rows(self.rows)
        ]
        if self.difference is not None:
            low, high = self.difference.interval
            lines.append(
                f"  attack AUC above retraining {self.difference.value:+.3f} in [{low:.3f}, {high:.3f}]"
            )
        return printable("\n".join(lines))

    def _repr_html_(self) -> str:
        whole = join(understood_table(self.inputs.get("understood", ())), score_table(self.rows))
        return Markup(printable(whole))


@final
@dataclass(frozen=True, eq=False, repr=False)
class Unlearned(Outcome):
    """What a method made of a problem.

    Args:
        method: the method, with its settings.
        problem: what it was applied to; w₀ is known here, since training began there.
        w_unlearned: w_u, shape (D,) or (D, C).
        w_retrained: w_r, the floats that the method is compared with.
        labels: what the forget samples were relabelled with, in the order of ``problem.forget``; None for methods
            that do not relabel.
        report: the audit of ``w_unlearned`` and, where they alone decide it, of ``labels``, beside the theorems that
            the method rests on.
        rows: numbers of retraining, of doing nothing and of the method, as a result file has them.
        attacks: the membership attack on each of the three; empty where none was made.
        missing: why there is no attack; empty where there is one.
    """

    method: Method
    problem: UnlearningProblem
    w_unlearned: Array
    w_retrained: Array
    labels: Array | None
    report: Report
    rows: tuple[Mapping[str, Any], ...]
    attacks: Mapping[str, Attack] = field(default_factory=dict)
    missing: str = ""

    @property
    def gap(self) -> Evidence:
        """The audit of w_u: ‖w_u − w_r‖ with its proved bounds."""
        return self.report.evidence["exact-labels[w_unlearned]"]

    @property
    def verdict(self) -> Verdict:
        """That of the audit of w_u."""
        return self.gap.verdict

    @property
    def title(self) -> str:
        """That of the report."""
        return self.report.title

    @property
    def inputs(self) -> Mapping[str, Any]:
        """Those of the report."""
        return self.report.inputs

    @property
    def settings(self) -> Mapping[str, Any]:
        """Those of the report."""
        return self.report.settings

    @property
    def exit_status(self) -> int:
        """That of the report."""
        return self.report.exit_status

    @property
    def components(self) -> tuple[tuple[str, str], ...]:
        """The four parts that the result is made of, each in words."""
        told = {row.word: row.value for row in self.problem.understood}
        labels = "none: this method does not relabel"
        if self.labels is not None:
            labels = f"{len(self.labels)} forget samples relabelled by {self.method.name}"
        return (
            ("feature generator", told.get("map", "features as given")),
            ("label modifier", labels),
            ("parameter updater", f"{self.method.formula}  ({self.method.source})"),
            ("membership evaluation", self.missing or "squared error, forget against test samples"),
        )

    @property
    def drawn_labels(self) -> dict[str, Array]:
        """The targets and the labels of one output."""
        if self.labels is None or self.problem.n_outputs > 1:
            return {}
        return {"targets": self.problem.targets[self.problem.forget], self.method.name: self.labels}

    @property
    def evidence(self) -> dict[str, Any]:
        """The report as plain data."""
        return self.report.to_dict()

    def _repr_html_(self) -> str:
        whole = join(
            understood_table(self.report.inputs.get("understood", ())),
            score_table(self.rows),
            evidence_table(f"{self.gap.verdict.name}: {self.report.title}", self.report.rows),
        )
        return Markup(printable(whole))


def rows_of_models(results: Sequence[Outcome]) -> list[Mapping[str, Any]]:
    """The numbers of all models, each once: those that stand on both sides, then every method's own."""
    found = {row["method"]: row for result in results for row in result.rows}
    # A row that is a method's own has its bound, where the same model beside other methods has none.
    return list((found | {result.method.name: result.row for result in results}).values())


def unlearning_result(results: Sequence[Outcome]) -> dict[str, Any]:
    """What methods made of one problem, as ``muso figure`` reads it."""
    first, one = results[0], len(results) == 1
    names = ", ".join(result.method.name for result in results)
    asked = [result.settings["unlearning"] for result in results]
    found: dict[str, Any] = {
        "kind": "unlearn",
        "title": f"{first.title}; method{'' if one else 's'} {names}",
        "input": first.inputs,
        "settings": {**first.settings, "unlearning": asked[0] if one else asked},
        "rows": rows_of_models(results),
    }
    reports = {result.method.name: result.evidence for result in results if result.evidence}
    if reports:
        found |= {"report": reports[first.method.name]} if one else {"reports": reports}
    apart = {result.method.name: result.difference for result in results}
    above = {n: {"value": d.value, "interval": list(d.interval)} for n, d in apart.items() if d is not None}
    if above:
        found["AUC above retraining"] = above[first.method.name] if one else above
    else:
        found["no attack"] = first.missing
    drawn = {name: values for result in results for name, values in result.drawn_labels.items()}
    if drawn:
        found["labels"] = {name: [float(v) for v in values.reshape(-1)] for name, values in drawn.items()}
    return sealed(found)


def told_rows(rows: Sequence[Mapping[str, Any]]) -> list[tuple[str, list[str]]]:
    """The numbers of models as text: a heading, then one line a number."""
    last_first = reversed(rows)  # a method's own has most numbers, in the order of reading
    keys = dict.fromkeys(key for row in last_first for key in row if key not in ("method", "seed"))
    lines = [("", [str(row["method"]) for row in rows])]
    for key in keys:
        if key == "failed":
            lines.append((key, ["diverged" if key in row else "" for row in rows]))
            continue
        if key == "audit" or key.endswith((" interval", ", bound", ", closed form")):
            continue
        cells = []
        for row in rows:
            value, interval, bound = (row.get(name) for name in (key, f"{key} interval", f"{key}, bound"))
            cell = "" if value is None else f"{value:.3g}" if "gap" in key else f"{value:.4f}"
            if bound is not None and value is not None and value > bound:
                # The rounding of floats is larger than what is proved of the exact number.
                cell = f"in floats {cell}"
            cell += f" in [{interval[0]:.3f}, {interval[1]:.3f}]" if interval else ""
            cells.append(
                cell + (f", proved ≤ {round_digits(bound, up=True, digits=3)}" if bound is not None else "")
            )
        lines.append((key, cells))
    return lines


def score_table(rows: Sequence[Mapping[str, Any]]) -> Any:
    """The same numbers as a table of a page."""
    (_, names), *lines = told_rows(rows)
    caption = "What each method made, beside retraining, which it aims at, and doing nothing."
    return table(caption, ("", *names), [(key, *cells) for key, cells in lines], head=0, name="numbers")
