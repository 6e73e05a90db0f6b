"""Tables of results, in Markdown and in LaTeX, from the same rows.

A campaign's `tabulate` makes them of what its result holds; the runner writes them (`folding`) beside the JSON as
NAME.md and NAME.tex. Numbers stay numbers in the JSON; only here are they rounded.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from muso_theory.errors import expected

__all__ = [
    "Column",
    "Ranking",
    "Row",
    "cell_text",
    "escaped",
    "latex",
    "markdown",
    "mean_sd",
    "number_of",
    "number_text",
    "table",
]


class Column(NamedTuple):
    """One column of a table.

    Args:
        key: of the rows' dictionaries.
        title: what stands above; the key when left out.
        spec: format specification of its numbers, as in ``format(x, ".2e")``; three significant digits when left out.
    """

    key: str
    title: str = ""
    spec: str = ".3g"


class Ranking(NamedTuple):
    """Who is ranked by what: mean rank, 1 is best.

    Args:
        by: the column of those who compete.
        value: the number that they are ranked by; the smallest size is best.
        within: the columns that make a setting.
        rows: what every seed measured, one row a setting, competitor and ``seed``.
        without: who does not compete, such as the reference itself.
    """

    by: str
    value: str
    within: Sequence[str]
    rows: Sequence[Mapping[str, Any]]
    without: Sequence[str] = ()


Row = Mapping[str, Any]
Headings = Sequence[Column | Sequence[str]]

_SYMBOLS = {
    "\\": r"\textbackslash{}",
    "{": r"\{",
    "}": r"\}",
    "$": r"\$",
    "&": r"\&",
    "%": r"\%",
    "#": r"\#",
    "_": r"\_",
    "[": "{[}",
    "^": r"\^{}",
    "~": r"\~{}",
    "<": "$<$",
    ">": "$>$",
    "|": "$|$",
    "‖": r"$\|$",
    "²": "$^2$",
    "³": "$^3$",
    "⁺": "$^+$",
    "₀": "$_0$",
    "−": "$-$",
    "–": "--",
    "—": "---",
    "±": r"$\pm$",
    "×": r"$\times$",
    "·": r"$\cdot$",
    "≤": r"$\leq$",
    "≥": r"$\geq$",
    "≈": r"$\approx$",
    "→": r"$\to$",
    "½": r"$\frac12$",
    "√": r"$\surd$",
    "∞": r"$\infty$",
    "α": r"$\alpha$",
    "γ": r"$\gamma$",
    "δ": r"$\delta$",
    "ε": r"$\varepsilon$",
    "η": r"$\eta$",
    "κ": r"$\kappa$",
    "λ": r"$\lambda$",
    "ρ": r"$\rho$",
    "σ": r"$\sigma$",
    "θ": r"$\theta$",
    "Π": r"$\Pi$",
    "Φ": r"$\Phi$",
    "Δ": r"$\Delta$",
    "ŷ": r"$\hat y$",
    "ỹ": r"$\tilde y$",
}


def mean_sd(values: Iterable[float]) -> dict[str, Any]:
    """``mean`` and sample ``sd`` (n − 1; None for one value) of at least one number, ready for a cell.

    Returns:
        ``mean``, ``sd`` (None for one value) and ``n``; where a value is not finite both are None and
        ``not finite`` counts how many.

    Example:
        >>> mean_sd([1.0, 3.0])
        {'mean': 2.0, 'sd': 1.4142135623730951, 'n': 2}
    """
    numbers = np.array(list(values), dtype=np.float64)
    if numbers.size == 0:
        raise expected("at least one value", "values", "[]", "empty", "leaving the cell None")
    bad = int((~np.isfinite(numbers)).sum())
    if bad:
        return {"mean": None, "sd": None, "n": int(numbers.size), "not finite": bad}
    sd = float(numbers.std(ddof=1)) if numbers.size > 1 else None
    return {"mean": float(numbers.mean()), "sd": sd, "n": int(numbers.size)}


def table(
    title: str, rows: Sequence[Row], columns: Headings, fold: Ranking | Sequence[str] = ()
) -> dict[str, Any]:
    """One table of a result; a key that a row lacks, or None, is printed as a dash.

    Args:
        fold: to what it is folded where it is long: a ranking, or a digest by these columns.
    """
    keys = [Column(*column).key for column in columns]
    return {
        "title": title,
        "columns": [list(Column(*column)) for column in columns],
        "rows": [{key: row[key] for key in keys if key in row} for row in rows],
        "fold": fold,
    }


def markdown(rows: Sequence[Row], columns: Headings) -> str:
    r"""A GitHub-flavoured Markdown table.

    Example:
        >>> print(markdown([{"x": "a|b", "gap": mean_sd([1e-3, 3e-3])}], [("x",), ("gap", "‖w‖", ".1e")]), end="")
        | x | ‖w‖ |
        |---|---:|
        | a\|b | 2.0e-03 ± 1.4e-03 |
    """
    chosen = [Column(*column) for column in columns]
    head = "| " + " | ".join(_pipe(c.title or c.key) for c in chosen) + " |"
    rule = "|" + "|".join("---:" if _is_numeric(rows, c) else "---" for c in chosen) + "|"
    body = [
        "| " + " | ".join(_pipe(cell_text(row.get(c.key), c.spec, number_text, " ± ")) for c in chosen) + " |"
        for row in rows
    ]
    return "\n".join([head, rule, *body]) + "\n"


def latex(rows: Sequence[Row], columns: Headings) -> str:
    r"""A LaTeX ``tabular`` in plain ASCII that needs no package; text with no LaTeX form here is refused.

    Example:
        >>> print(latex([{"x": "a_b", "gap": mean_sd([1e-3, 3e-3])}], [("x",), ("gap", "‖w‖", ".1e")]), end="")
        \begin{tabular}{lr}
        \hline
        x & $\|$w$\|$ \\
        \hline
        a\_b & $2.0 \times 10^{-3} \pm 1.4 \times 10^{-3}$ \\
        \hline
        \end{tabular}
    """
    chosen = [Column(*column) for column in columns]
    alignment = "".join("r" if _is_numeric(rows, c) else "l" for c in chosen)
    lines = [rf"\begin{{tabular}}{{{alignment}}}", r"\hline"]
    lines.append(" & ".join(escaped(c.title or c.key) for c in chosen) + r" \\")
    lines.append(r"\hline")
    for row in rows:
        lines.append(
            " & ".join(_latex_cell(row.get(c.key), c.spec) for c in chosen) + r" \\",
        )
    return "\n".join([*lines, r"\hline", r"\end{tabular}"]) + "\n"


def number_of(cell: Any) -> int | float | None:
    """The number of a cell, or its mean; none where there is no finite one."""
    value = cell.get("mean") if isinstance(cell, Mapping) else cell
    fits = isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)
    return value if fits else None


def _is_numeric(rows: Sequence[Row], column: Column) -> bool:
    """Whether a column holds numbers, so that it is set flush right."""
    cells = [row[column.key] for row in rows if row.get(column.key) is not None]
    return bool(cells) and all(
        isinstance(cell, Mapping) or (isinstance(cell, int | float) and not isinstance(cell, bool))
        for cell in cells
    )


def cell_text(value: Any, spec: str, number: Any, between: str) -> str:
    """A value in words: numbers by their format, mean ± sd for what `mean_sd` made."""
    if value is None:
        return "–"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, Mapping):
        if value["mean"] is None:
            return "not finite"
        spread = value.get("sd")
        mean = number(value["mean"], spec)
        return str(mean if spread is None else f"{mean}{between}{number(spread, spec)}")
    if isinstance(value, int | float):
        return str(number(value, spec)) if math.isfinite(value) else "not finite"
    return str(value)


def number_text(value: float, spec: str) -> str:
    """A number as Python formats it; integers as they are unless a format asks for more."""
    return str(value) if isinstance(value, int) and spec.endswith("g") else format(value, spec)


def _latex_number(value: float, spec: str) -> str:
    """A number for math mode, with powers of ten written out."""
    mantissa, e, exponent = number_text(value, spec).partition("e")
    return rf"{mantissa} \times 10^{{{int(exponent)}}}" if e else mantissa


def _latex_cell(value: Any, spec: str) -> str:
    """A cell: numbers in math mode, text escaped."""
    text = cell_text(value, spec, _latex_number, r" \pm ")
    is_number = isinstance(value, int | float | Mapping) and not isinstance(value, bool)
    return f"${text}$" if is_number and text != "not finite" else escaped(text)


def _pipe(text: str) -> str:
    """Text inside a Markdown cell."""
    return text.replace("|", "\\|").replace("\n", " ")


def escaped(text: str) -> str:
    """Text as LaTeX in plain ASCII, so that it compiles with every engine."""
    out = []
    for character in text:
        if character in _SYMBOLS:
            out.append(_SYMBOLS[character])
        elif character.isascii() and character.isprintable():
            out.append(character)
        else:
            raise expected(
                "text with a LaTeX form",
                "text",
                text,
                f"{character!r} has none",
                "another word, or adding it",
            )
    return "".join(out)
