"""A counterexample: a small exact problem, what a rule answered, and the exact gap that this leaves."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from functools import cached_property
from typing import Any, final

import numpy as np

from ..arrays import Array
from ..errors import BadInputError, expected, printable
from ..files.reading import exact_number, parse_json
from ..former import former
from ..linear.closed_forms import ClosedForms
from ..linear.problem import UnlearningProblem
from ..markup import Markup, join, mathematics, table, tag
from ..numbers import RATIONAL
from .exact_text import (
    as_latex,
    as_number,
    as_pmatrix,
    as_python,
    as_relation,
    as_strings,
    as_vectors,
    fractions_of,
    from_strings,
)
from .isolation import Failure

__all__ = ["REFUTED_KINDS", "Counterexample", "exact_square_gap"]
former(__name__)

REFUTED_KINDS = ("labels", "parameters", "claim")
_SCHEMA = 1


def exact_square_gap(problem: UnlearningProblem, values: Array, kind: str = "labels") -> Fraction:
    """‖w_u − w_r‖² in exact arithmetic, by fine-tuning in closed form (not by claim gap-formula).

    Args:
        values: labels (n_F,) or (n_F, C), or with ``kind="parameters"`` the unlearned w, (D,) or (D, C).
        kind: "labels" or "parameters".

    Raises:
        BadInputError: wrong shape, entries that are not finite real numbers.

    Example:
        >>> problem = UnlearningProblem(np.array([[1, 0, 1], [1, 1, 0]]), np.array([1, 2]), [1])
        >>> exact_square_gap(problem, np.array([1])), exact_square_gap(problem, np.array([0.5]))
        (Fraction(1, 6), Fraction(0, 1))
    """
    model = ClosedForms(problem, RATIONAL)
    if kind == "labels":
        w = model.unlearned(model.given(problem.label_columns(values)))
    else:
        w = model.at(problem.parameter_columns(values, "w_unlearned"))
    return Fraction(model.square_distance(w, model.retrained).upper)


@final
@dataclass(frozen=True, eq=False, repr=False)
class Counterexample:
    """A problem on which a rule, a method or a claim fails.

    Args:
        problem: the problem; arrays of exact Fractions, mostly integers.
        rule: name of the rule or claim.
        kind: "labels", "parameters" or "claim".
        failure: what is wrong.
        values: what the rule returned, taken exactly; None for a claim or when nothing came.
        square_gap: ‖w_u − w_r‖², exact; None when the rule misbehaved before a gap could be had.
        exact: whether the rule was given Fractions and held to equality (else float64 and a tolerance).
        tolerance: what a float rule is audited with.
        detail: words on what happened.

    Example:
        >>> problem = UnlearningProblem(np.array([[1], [1]]), np.array([0, 1]), [1])
        >>> found = Counterexample(problem, "original", "labels", Failure.GAP, np.array([1]), Fraction(1, 4), True)
        >>> found
        Counterexample(original: does not unlearn exactly; n=2, D=1, gap² = 1/4)
        >>> print(found)
        original does not unlearn exactly
          row  set     Φ   y  given  Φ_F w_r
            0  retain  1   0
            1  forget  1   1      1        0
        w₀ = 0, w_p = (1/2), w_r = (0)
        ‖w_u − w_r‖² = 1/4, of doing nothing 1/4
    """

    problem: UnlearningProblem
    rule: str
    kind: str
    failure: Failure
    values: Array | None = None
    square_gap: Fraction | None = None
    exact: bool = False
    tolerance: float = 1e-6
    detail: str = ""

    @cached_property
    def _model(self) -> ClosedForms:
        return ClosedForms(self.problem, RATIONAL)

    @cached_property
    def square_nothing(self) -> Fraction:
        """‖w_p − w_r‖², the squared gap of doing nothing."""
        model = self._model
        return Fraction(model.square_distance(model.pretrained, model.retrained).upper)

    @property
    def optimal_labels(self) -> Array:
        """Φ_F w_r, (n_F, C), Fractions."""
        return fractions_of(self._model.optimal_labels)

    def stands(self) -> bool:
        """Whether the stored gap is what exact arithmetic gives again; True if there is none and none is needed.

        Returns:
            False for a file that was tampered with: another gap, or a gap without the values that leave it.
        """
        if self.kind == "claim":
            return True
        if self.failure is not Failure.GAP:
            return self.square_gap is None
        if self.values is None:
            return False
        return exact_square_gap(self.problem, self.values, self.kind) == self.square_gap != 0

    def __repr__(self) -> str:
        p = self.problem
        gap = "" if self.square_gap is None else f", gap² {as_relation(self.square_gap)}"
        told = f"{self.rule}: {self.failure.value}; n={p.n_samples}, D={p.n_features}{gap}"
        return f"Counterexample({printable(told)})"

    def __str__(self) -> str:
        lines = [f"{self.rule} {self.failure.value}", *self._table(), *self._conclusion()]
        return printable("\n".join(lines))

    # -- for people ------------------------------------------------------------------------------------

    def _repr_html_(self) -> Markup:
        heading, *rows = self._cells()
        samples = table(
            f"{printable(self.rule)} {self.failure.value}",
            heading,
            rows,
            name="numbers",
        )
        return join(samples, (tag("p", mathematics(printable(line))) for line in self._conclusion()))

    def _cells(self) -> list[list[str]]:
        """Rows of samples below their headings."""
        problem, optimal = self.problem, self.optimal_labels
        given = None
        if self.kind == "labels" and self._has_values and self.values is not None:
            given = self.values.reshape(len(problem.forget), -1)
        cells = [["row", "set", *_heading("Φ", problem.n_features), *_heading("y", problem.n_outputs)]]
        extra = [name for name, shown in (("given", given is not None), ("Φ_F w_r", True)) if shown]
        cells[0] += [h for name in extra for h in _heading(name, problem.n_outputs)]
        where = {int(row): k for k, row in enumerate(problem.forget)}
        for i in range(problem.n_samples):
            line = [str(i), "forget" if i in where else "retain"]
            line += [as_number(x) for x in problem.features[i]]
            line += [as_number(x) for x in np.atleast_1d(problem.targets[i])]
            if i in where:
                line += [] if given is None else [as_number(x) for x in given[where[i]]]
                line += [as_number(x) for x in optimal[where[i]]]
            cells.append(line + [""] * (len(cells[0]) - len(line)))
        return cells

    def _table(self) -> Iterator[str]:
        """The same, aligned."""
        problem, cells = self.problem, self._cells()
        widths = [max(len(row[j]) for row in cells) for j in range(len(cells[0]))]
        wide = {0, 1, 2 + problem.n_features, 2 + problem.n_features + problem.n_outputs}
        for row in cells:
            text = ""
            for j, (cell, width) in enumerate(zip(row, widths, strict=True)):
                gap = "  " if j in wide or j == 2 or (row[j] != "" and j > max(wide)) else " "
                text += gap + (
                    cell.ljust(width)
                    if j == 1 or (row is cells[0] and 2 <= j < 2 + problem.n_features)
                    else cell.rjust(width)
                )
            yield text.rstrip()

    def _conclusion(self) -> Iterator[str]:
        """Parameters, and the gap."""
        model, problem = self._model, self.problem
        start = "0" if problem.w_init is None else as_vectors(problem.w_init)
        w_p, w_r = (as_vectors(self._explicit(point)) for point in (model.pretrained, model.retrained))
        yield f"w₀ = {start}, w_p = {w_p}, w_r = {w_r}"
        if self.kind == "parameters" and self._has_values and self.values is not None:
            yield f"w given = {as_vectors(self.values)}"
        if self.detail:
            yield self.detail
        if self.square_gap is not None:
            what = "gap²" if self.kind == "claim" else "‖w_u − w_r‖²"
            line = f"{what} {as_relation(self.square_gap)}, of doing nothing {as_number(self.square_nothing)}"
            if self.kind != "claim" and not self.exact:
                line += f"; tolerance {self.tolerance:g} on the root"
            yield line

    @property
    def _has_values(self) -> bool:
        return self.values is not None and self.failure is Failure.GAP

    def _explicit(self, point: Any) -> Array:
        """The parameters exactly, (D, C)."""
        model = self._model
        arithmetic = model.arithmetic
        shape = (self.problem.n_features, self.problem.n_outputs)
        out = arithmetic.zeros(*shape)
        if self.problem.w_init is not None:
            out = arithmetic.matrix(self.problem.w_init.reshape(shape))
        if point.coefficients is not None:
            features = arithmetic.take(model._features, [int(i) for i in model.order])
            out = arithmetic.add(out, arithmetic.matmul(arithmetic.transpose(features), point.coefficients))
        if point.offset is not None:
            out = arithmetic.add(out, point.offset)
        return fractions_of(out)

    # -- for programs ----------------------------------------------------------------------------------

    def to_python(self) -> str:
        """A script that shows the failure with nothing but this package."""
        p = self.problem
        # An audit of parameters needs a w₀ that is given, and not one that is assumed.
        zero = (
            f"np.zeros({(p.n_features, *p.targets.shape[1:])}, dtype=int)"
            if self.kind == "parameters"
            else "None"
        )
        w_init = zero if p.w_init is None else as_python(p.w_init)
        lines = [
            *_comments(f"{self.rule} {self.failure.value}"),
            "import numpy as np",
            "",
            "import muso_theory as mt",
            "",
            f"features = {as_python(p.features)}",
            f"targets = {as_python(p.targets)}",
            f"w_init = {w_init}",
            f"problem = mt.UnlearningProblem(features, targets, {p.forget.tolist()}, w_init)",
        ]
        if self.kind == "claim":
            named = f"[{json.dumps(self.rule.partition(' ')[0])}]"  # a file may say anything here
            lines += _comments(self.detail)
            lines.append(f'print(mt.check(problem, {named}, "rational", asserted={named}))')
        elif self._has_values and self.values is not None:
            name = "labels" if self.kind == "labels" else "w_unlearned"
            values = (
                as_python(self.values) if self.exact else f"np.array({self.values.astype(float).tolist()})"
            )
            tolerance = 0 if self.exact else self.tolerance
            lines += [
                f"{name} = {values}",
                f'print(mt.check(problem, ["exact-labels"], "rational", {name}={name}, tolerance={tolerance!r}))',
            ]
        else:
            told = f"{self.rule}(problem) {self.failure.value}: {self.detail}"
            lines += [*_comments(told), "print(problem)"]
        if any("Fraction(" in line for line in lines):
            lines[1:1] = ["from fractions import Fraction", ""]
        return "\n".join(lines) + "\n"

    def to_latex(self) -> str:
        """The counterexample as displayed mathematics, for the amsmath package."""
        p = self.problem
        parts = [rf"\Phi = {as_pmatrix(p.features)}", rf"y = {as_pmatrix(p.targets)}"]
        parts.append(rf"F = \{{{', '.join(str(int(i) + 1) for i in p.forget)}\}}")
        parts.append("w_0 = 0" if p.w_init is None else rf"w_0 = {as_pmatrix(p.w_init)}")
        if self._has_values and self.values is not None:
            symbol = r"\tilde y_F" if self.kind == "labels" else "w_u"
            parts.append(rf"{symbol} = {as_pmatrix(self.values)}")
        parts.append(rf"\Phi_F w_r = {as_pmatrix(self.optimal_labels)}")
        if self.square_gap is not None and self.kind != "claim":
            parts.append(rf"\lVert w_u - w_r \rVert^2 = {as_latex(self.square_gap)}")
        return "\\[\n" + ",\\quad\n".join(parts) + ".\n\\]\n"

    def to_json(self) -> str:
        """Everything, numbers as exact strings, as JSON: what ``muso refute --replay`` reads."""
        p = self.problem
        content = {
            "schema": _SCHEMA,
            "rule": self.rule,
            "kind": self.kind,
            "failure": self.failure.name,
            "exact": self.exact,
            "tolerance": repr(self.tolerance),
            "detail": self.detail,
            "square_gap": None if self.square_gap is None else str(self.square_gap),
            "problem": {
                "features": as_strings(p.features),
                "targets": as_strings(p.targets),
                "forget": p.forget.tolist(),
                "w_init": None if p.w_init is None else as_strings(p.w_init),
            },
            "values": as_strings(self.values) if self._has_values and self.values is not None else None,
        }
        return json.dumps(content, indent=1, ensure_ascii=False) + "\n"

    @classmethod
    def from_json(cls, text: str) -> Counterexample:
        """Read what ``to_json`` wrote.

        Returns:
            The counterexample; ask ``stands()`` whether its gap is true.

        Raises:
            BadInputError: not such a file, or of another schema.
        """
        try:
            content = parse_json(text, "replay")
            p = content[
                "problem"
            ]  # what a file is comes before its version: each kind of file counts its own
            if content["schema"] != _SCHEMA:
                raise expected(
                    f"schema {_SCHEMA}", "schema", content["schema"], "another", "this version's muso refute"
                )
            start, values, gap = p["w_init"], content["values"], content["square_gap"]
            if content["kind"] not in REFUTED_KINDS:
                raise ValueError(f"kind {content['kind']!r}")
            if not 0 < float(content["tolerance"]) < float("inf"):
                raise ValueError(f"tolerance {content['tolerance']!r}")
            return cls(
                UnlearningProblem(
                    from_strings(p["features"]),
                    from_strings(p["targets"]),
                    np.array(p["forget"]),
                    None if start is None else from_strings(start),
                ),
                str(content["rule"]),
                content["kind"],
                Failure[content["failure"]],
                None if values is None else from_strings(values),
                None if gap is None else exact_number(gap, "square_gap"),
                bool(content["exact"]),
                float(content["tolerance"]),
                str(content["detail"]),
            )
        except BadInputError:
            raise
        except (KeyError, TypeError, ValueError, ArithmeticError, AttributeError) as error:
            got = f"it has no {error}" if isinstance(error, KeyError) else f"{type(error).__name__}: {error}"
            raise expected(
                "a counterexample written by muso refute",
                "replay",
                "this file",
                got,
                "muso refute --json FILE",
            ) from error


def _comments(text: str) -> list[str]:
    """Words as comments, a line each, whatever ends a line."""
    return [f"# {line}" for line in printable(text).splitlines()]


def _heading(name: str, width: int) -> list[str]:
    return [name] + [""] * (width - 1)
