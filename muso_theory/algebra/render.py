"""Writing statements and proofs for people: Unicode, LaTeX and MathML."""

from __future__ import annotations

import html
import re
from collections.abc import Mapping
from typing import Any

from .expression import NAME

__all__ = ["latex", "mathml", "reason", "unicode_math"]

_GREEK = {
    "Phi": "Φ", "phi": "φ", "theta": "θ", "delta": "δ", "gamma": "γ", "Psi": "Ψ", "eps": "ε", "ytilde": "ỹ",
}  # fmt: skip
_GREEK_LATEX = {
    "Phi": r"\Phi", "phi": r"\varphi", "theta": r"\theta", "delta": r"\delta", "gamma": r"\gamma", "Psi": r"\Psi",
    "eps": r"\varepsilon", "ytilde": r"\tilde y", "label": r"\ell", "small": r"a", "large": r"b", "step": r"c",
    "off": r"e_\perp", "on": r"e_\parallel", "out": r"f",
}  # fmt: skip
_MARKS = {"^+": "⁺", "^-1": "⁻¹", "^L": "ᴸ", "^R": "ᴿ", "": ""}
_SYMBOL = re.compile(rf"(?<![A-Za-z0-9_])({NAME})")


def unicode_math(text: str) -> str:
    """An expression or equation with Greek letters, superscripts and minus signs, as a page prints it.

    Example:
        >>> unicode_math("w_u - w_r = Phi^+ S_F' (ytilde_F - Phi_F w_r)")
        'w_u − w_r = Φ⁺ S_Fᵀ (ỹ_F − Φ_F w_r)'
    """

    def one(match: re.Match[str]) -> str:
        name, mark = _split(match.group(1))
        head, _, index = name.partition("_")
        head = _GREEK.get(head, head)
        digits = index.translate(str.maketrans("0123456789", "₀₁₂₃₄₅₆₇₈₉"))
        return head + (digits if index.isdigit() else f"_{index}" if index else "") + _MARKS[mark]

    # An apostrophe before a lone s is English.
    written = re.sub(r"'(?!s\b)", "ᵀ", _SYMBOL.sub(one, text)).replace("- ", "− ")
    return re.sub(r"(^|[(= ])-(?=\S)", r"\1−", written)


def latex(text: str) -> str:
    r"""An expression or equation in LaTeX, for mathematics mode.

    Example:
        >>> print(latex("Phi_R^+' w_0 = (A B)'"))
        (\Phi_{R}^{+})^{\top} w_{0} = (A B)^{\top}
    """

    def one(match: re.Match[str]) -> str:
        (name, mark), primed = _split(match.group(1)), match.group(2)
        head, _, index = name.partition("_")
        body = _GREEK_LATEX.get(head, head if len(head) == 1 else rf"\mathrm{{{head}}}")
        body += f"_{{{_GREEK_LATEX.get(index, index)}}}" if index else ""
        if mark:
            body += "^{" + {"^+": "+", "^-1": "-1", "^L": r"\mathrm{L}", "^R": r"\mathrm{R}"}[mark] + "}"
        if primed:
            body = (f"({body})" if mark else body) + r"^{\top}"
        return body

    written = re.sub(_SYMBOL.pattern + "('?)", one, text)
    return written.replace(")'", r")^{\top}")


def mathml(text: str) -> str:
    """An expression or equation in presentation MathML, with its Unicode form for those who do not see it.

    Returns:
        One ``math`` element; a long equation is several, so that a line may break before ``=``, ``+`` and ``−``.

    Example:
        >>> mathml("A' w_0 = 1").partition(">")[2]
        '<mrow><msup><mi>A</mi><mo>⊤</mo></msup><msub><mi>w</mi><mn>0</mn></msub><mo>=</mo><mn>1</mn></mrow></math>'
        >>> mathml("w_p = w_0 + Phi^+ (y - Phi w_0)").count("</math><wbr><math")
        2
    """
    return "<wbr>".join(
        f'<math alttext="{html.escape(unicode_math(part))}"><mrow>{_row(part)}</mrow></math>'
        for part in (_breakable(text) if len(text) > _LONG else [text])
    )


_LONG = 24
"""Characters that fit on the narrowest screen."""


def _breakable(text: str) -> list[str]:
    """A long equation in parts that begin with a relation or a sign, or follow a comma; short brackets stay whole."""
    parts, start, depth = [], 0, 0
    for match in re.finditer(r"[(]|[)]|, | [=+-] ", text):
        sign = match.group()
        depth += {"(": 1, ")": -1}.get(sign, 0)
        if sign in "()" or (depth and len(text) < 1.5 * _LONG):
            continue
        cut = match.end() if sign == ", " else match.start() + 1
        parts.append(text[start:cut].strip())
        start = cut
    return [part for part in (*parts, text[start:].strip()) if part]


def _row(text: str) -> str:
    """The elements of an expression."""
    words = []
    for symbol, primed, number, closed, sign in _MATHML.findall(text):
        if symbol:
            words.append(_raised(*_element(symbol), "⊤" if primed else ""))
        elif number:
            words.append(f"<mn>{number}</mn>")
        elif closed:
            words.append(_raised('<mo stretchy="false">)</mo>', "", "⊤"))
        elif sign in "()":
            words.append(f'<mo stretchy="false">{sign}</mo>')
        else:
            # At the beginning of a part a sign would count as a prefix, and lose its space.
            infix = ' form="infix"' if not words and sign in "=+-" and " " in text else ""
            words.append(f"<mo{infix}>{_SIGNS.get(sign, sign)}</mo>")
    return "".join(words)


_MATHML = re.compile(rf"({NAME})('?)|([0-9]+(?:/[0-9]+)?)|(\)')|(\S)")
_SIGNS = {"-": "−", "<": "&lt;", ">": "&gt;", "&": "&amp;"}


def _element(symbol: str) -> tuple[str, str]:
    """A symbol without its mark, and the mark."""
    name, mark = _split(symbol)
    head, _, index = name.partition("_")
    letter = _GREEK.get(head, head)
    base = f"<mi>{letter}</mi>" if letter != "ỹ" else '<mover accent="true"><mi>y</mi><mo>~</mo></mover>'
    if index:
        digits = "mn" if index.isdigit() else "mi"
        base = f"<msub>{base}<{digits}>{_GREEK.get(index, index)}</{digits}></msub>"
    return base, {"": "", "^+": "+", "^-1": "−1", "^L": "L", "^R": "R"}[mark]


def _raised(base: str, mark: str, prime: str) -> str:
    """A base with the mark of an inverse and of a transpose above it."""
    above = "".join(
        f"<mo>{sign}</mo>" if sign in "⊤+" else f"<mn>{sign}</mn>" for sign in (mark, prime) if sign
    )
    if not above:
        return base
    return f"<msup>{base}{above if not (mark and prime) else f'<mrow>{above}</mrow>'}</msup>"


def reason(key: str, facts: Mapping[str, Any]) -> str:
    """What a fact of a statement is called in a proof.

    Args:
        facts: the inverses of the statement: symbol to (kind, matrix inverted).

    Example:
        >>> reason("penrose1(Phi_R)", {}), reason("step(2).1", {}), reason("complete(S_R,S_F)", {})
        ('Penrose 1 for Φ_R', '(2.1)', 'S_RᵀS_R + S_FᵀS_F = I')
    """
    kind, _, rest = key.partition("(")
    inside, _, tail = rest.partition(")")
    x = unicode_math(inside)
    if kind == "step":
        return f"({inside}{tail})"
    if kind.startswith("penrose"):
        return f"Penrose {kind[-1]} for {x}"
    parts = [unicode_math(part) for part in inside.split(",")]
    inverse = x + {"left_inverse": "⁻¹", "right_inverse": "⁻¹"}.get(kind, "")
    return {
        "def": f"def. {x}",
        "assume": f"hypothesis {inside}",
        "orthonormal": f"{x}{x}ᵀ = I",
        "symmetric": f"{x} is a number",
        "commutes": f"{parts[0]} commutes with {parts[-1]}",
        "disjoint": f"{parts[0]}{parts[-1]}ᵀ = 0",
        "complete": f"{parts[0]}ᵀ{parts[0]} + {parts[-1]}ᵀ{parts[-1]} = I",
        "left_inverse": f"{_inverse(inside, facts) or inverse} {x} = I",
        "right_inverse": f"{x} {_inverse(inside, facts) or inverse} = I",
    }[kind]


def _inverse(name: str, facts: Mapping[str, Any]) -> str:
    """The symbol of the inverse that a statement has for a matrix."""
    found = [symbol for symbol, (kind, a) in facts.items() if a == name and kind != "pinv"]
    return unicode_math(found[0]) if found else ""


def _split(name: str) -> tuple[str, str]:
    """Split a symbol into its plain name and the mark of an inverse."""
    plain, caret, mark = name.partition("^")
    return plain, caret + mark
