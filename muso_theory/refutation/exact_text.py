"""Exact numbers and arrays as text: for people, as Python, as LaTeX, and in JSON and back."""

from __future__ import annotations

from fractions import Fraction
from typing import Any

import numpy as np

from ..arrays import Array
from ..files.reading import exact_number
from ..numbers import RATIONAL
from .structures import exact_array

__all__ = [
    "as_latex",
    "as_number",
    "as_pmatrix",
    "as_python",
    "as_relation",
    "as_strings",
    "as_vectors",
    "fractions_of",
    "from_strings",
]


def fractions_of(matrix: Any) -> Array:
    """An exact matrix as an object array of Fractions."""
    rows, columns = RATIONAL.shape(matrix)
    out = np.empty(rows * columns, dtype=object)
    out[:] = [Fraction(int(x.p), int(x.q)) for x in matrix.entries()]
    return out.reshape(rows, columns)


def as_relation(value: Any) -> str:
    """A number as a relation: ``= 1/2``, or ``≈ 0.333333333`` where it is rounded."""
    text = as_number(value)
    return f"≈ {text[1:]}" if text.startswith("≈") else f"= {text}"


def as_number(value: Any) -> str:
    """A fraction if it can be read, else a float."""
    text = str(value)
    return text if len(text) <= 12 else f"≈{float(value):.9g}"


def as_vectors(values: Array) -> str:
    """One parameter vector in brackets, several as rows."""
    columns = values.reshape(values.shape[0], -1).T
    return "; ".join("(" + ", ".join(as_number(x) for x in column) + ")" for column in columns)


def as_python(values: Array) -> str:
    """An exact array as Python."""

    def text(x: Any) -> str:
        if isinstance(x, list):
            return "[" + ", ".join(map(text, x)) + "]"
        value = Fraction(x)
        return str(value.numerator) if value.denominator == 1 else repr(value)

    return f"np.array({text(values.tolist())}, dtype=object)"


def as_strings(values: Array) -> Any:
    """Exact strings in nested lists, as JSON keeps them."""
    return (
        np.array([str(x) for x in exact_array(values).ravel()], dtype=object).reshape(values.shape).tolist()
    )


def from_strings(values: Any) -> Array:
    """Exact strings back as Fractions."""
    array = np.array(values, dtype=object)
    out = np.empty(array.size, dtype=object)
    out[:] = [exact_number(x, "entry") for x in array.ravel()]
    return out.reshape(array.shape)


def as_latex(value: Any) -> str:
    """One exact number as LaTeX."""
    x = Fraction(value)
    if x.denominator == 1:
        return str(x.numerator)
    sign = "-" if x < 0 else ""
    return rf"{sign}\tfrac{{{abs(x.numerator)}}}{{{x.denominator}}}"


def as_pmatrix(values: Array) -> str:
    """An exact array as a matrix of LaTeX."""
    rows = values.reshape(values.shape[0], -1)
    body = r" \\ ".join(" & ".join(as_latex(x) for x in row) for row in rows)
    return rf"\begin{{pmatrix}} {body} \end{{pmatrix}}"
