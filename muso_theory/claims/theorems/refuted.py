"""Plausible theorems that are false, each with an exact counterexample that the search finds by itself."""

from __future__ import annotations

from dataclasses import dataclass
from typing import final

from ...algebra.render import unicode_math
from ...algebra.search import counterexample
from ...algebra.statement import parse_statement
from ...algebra.theorem import text_lines
from .regularised import RIDGE
from .settings import DATA, RELABELLED, TRAINED
from .subsets import SUBSET

__all__ = ["REFUTED", "refuted", "refuted_page"]

REFUTED = {
    "forget-only fine-tuning is exact for some labels": text_lines(
        DATA,
        TRAINED,
        """
        pinv Phi_F
        exists ytilde_F : f x c
        conclude w_p + Phi_F^+ (ytilde_F - Phi_F w_p) = w_r
        """,
    ),
    "the label-free form needs no interpolation": text_lines(
        DATA, TRAINED, "conclude w_0 + Phi_R^+ Phi_R (w_p - w_0) = w_r"
    ),
    # For one forget sample and one output, b'b > 0 makes the label a positive multiple of the prediction.
    "hard labels, of the sign of the prediction and of size one, are exact": text_lines(
        DATA,
        TRAINED,
        RELABELLED,
        """
        matrix b : f x f
        assume sign: ytilde_F = b' b Phi_F w_r
        assume size-one: ytilde_F' ytilde_F = I
        conclude w_u = w_r
        """,
    ),
    "ridge fine-tuning may be anchored at w_p": text_lines(
        RIDGE,
        """
        let w_p = w_0 + A^+ Phi' (y - Phi w_0)
        let w_u = w_p + A^+ Phi' (S_R' y_R + S_F' Phi_F w_r - Phi w_p)
        assume positive: M left-invertible
        conclude w_u = w_r
        """,
    ),
    "labels from a subset S of the retain set unlearn the rest of it too": text_lines(
        SUBSET, "assume least-squares-on-subset: Phi_S' (Phi_S w_p - y_S) = 0", "conclude w_u = w_S"
    ),
    "an affine constraint may be dropped in fine-tuning": text_lines(
        """
        matrix Phi : n x D
        matrix y : n x c
        matrix C : k x D
        partition n = r + f by S_R, S_F
        pinv C
        let Z = Phi (I - C^+ C)
        let Z_R = S_R Z
        pinv Phi
        pinv Z
        pinv Z_R
        let w_p = Z^+ y
        let w_r = Z_R^+ S_R y
        let w_u = w_p + Phi^+ (S_R' S_R y + S_F' S_F Phi w_r - Phi w_p)
        conclude w_u = w_r
        """
    ),
    "wherever pretraining ended, exact relabelling leaves no gap": text_lines(
        DATA,
        """
        let w_r = w_0 + Phi_R^+ (y_R - Phi_R w_0)
        matrix w_p : D x c
        conclude w_p + Phi^+ (S_R' y_R + S_F' Phi_F w_r - Phi w_p) = w_r
        """,
    ),
    "fine-tuning on the retain set alone is exact": text_lines(
        DATA, TRAINED, "conclude w_p + Phi_R^+ (y_R - Phi_R w_p) = w_r"
    ),
    "keeping the predictions of the pretrained model is exact": text_lines(
        DATA, TRAINED, RELABELLED, "assume kept: ytilde_F = Phi_F w_p", "conclude w_u = w_r"
    ),
}
"""What is claimed, in words, to its statement."""


@final
@dataclass(frozen=True)
class _FalseTheorem:
    """A plausible statement and the data on which it fails.

    Args:
        words: what is claimed.
        statement: its lines.
        data: symbols and matrices of the counterexample; empty if none was found.
        results: the trained models on that data.
    """

    words: str
    statement: tuple[str, ...]
    data: tuple[tuple[str, str], ...]
    results: tuple[tuple[str, str], ...]


def refuted_page() -> str:
    """The page of false theorems: statement and counterexample of each.

    Example:
        >>> refuted_page().count("Counterexample:")
        9
    """
    lines = [
        "# False theorems",
        "",
        "Each has an exact counterexample, found by the same search that tries hypotheses.",
    ]
    for false in refuted():
        said = [
            line for line in false.statement if line.partition(" ")[0] in ("exists", "assume", "conclude")
        ]
        title = f"{false.words[0].upper()}{false.words[1:]}"
        lines += ["", f"## {title}", "", "```", *map(unicode_math, said), "```", ""]
        if not false.data:
            lines.append("No counterexample found.")
            continue
        shown = [
            ", ".join(f"{unicode_math(s)} = [{v}]" for s, v in part) for part in (false.data, false.results)
        ]
        lines.append(f"Counterexample: {shown[0]}; then {shown[1]}.")
    return "\n".join(lines) + "\n"


def refuted() -> list[_FalseTheorem]:
    """Search the counterexample of every false theorem, in the order of `REFUTED`."""
    found = []
    for words, statement in REFUTED.items():
        parsed = parse_statement(words, statement)
        model = counterexample(parsed)
        values = {} if model is None else model[1]
        shown = {
            s: "; ".join(" ".join(map(str, row)) for row in values[s])
            for s in parsed.signature
            if s in values
        }
        data = tuple((s, shown[s]) for s in parsed.free if s in shown)
        results = tuple((s, shown[s]) for s in ("w_p", "w_r", "w_u") if s in shown)
        found.append(_FalseTheorem(words, tuple(statement), data, results))
    return found
