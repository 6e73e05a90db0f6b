"""The frame of every page: one file, its style inside, nothing fetched and nothing run."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

from ..algebra.render import unicode_math
from ..errors import printable
from ..markup import Child, Markup, join, mathematics, tag

__all__ = ["page", "prose", "section"]

_STYLE = Path(__file__).with_name("style.css")
_POLICY = "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'"


def page(title: str, header: Sequence[Child], body: Sequence[Child], footer: Sequence[Child], by: str) -> str:
    """A whole page of HTML, which needs nothing from elsewhere and whose policy forbids to ask for it.

    Args:
        by: the command that makes it, by which files of one command are told from those of another.

    Example:
        >>> page("t", [tag("h1", "t")], ["1 < 2"], [], "check").count("1 &lt; 2")
        1
    """
    rules = _STYLE.read_text(encoding="utf-8")
    head = tag(
        "head",
        tag("meta", charset="utf-8"),
        tag("meta", name="generator", content=f"muso-theory {by}"),
        tag("meta", http_equiv="Content-Security-Policy", content=_POLICY),
        tag("meta", name="viewport", content="width=device-width, initial-scale=1"),
        tag("title", title),
        tag("style", Markup(rules)),
    )
    content = tag(
        "body",
        tag("a", "Skip to the main part", class_="skip", href="#main"),
        tag("header", *header),
        tag("main", *body, id="main", tabindex=-1),
        tag("footer", *footer),
    )
    return printable(f"<!doctype html>\n{tag('html', head, content, lang='en')}\n")


def section(name: str, title: str, *children: Child) -> Markup:
    """A named part of a page, which can be linked to."""
    heading = tag("h2", title, id=f"{name}-title")
    return tag("section", heading, join(*children), id=name, aria_labelledby=f"{name}-title")


def prose(words: str) -> Markup:
    """Words of a theorem as they are read: its letters are spelt out in the statement language.

    Example:
        >>> prose("||C Phi e|| >= c, eta < 2/lambda_max")
        '‖C Φ e‖ ≥ c, η &lt; 2/λ<sub>max</sub>'
    """
    text = unicode_math(words)
    for spelt, written in _WRITTEN:
        text = re.sub(spelt, written, text)
    return mathematics(text)


_WRITTEN = ((r"\|\|", "‖"), (">=", "≥"), ("<=", "≤"), (r"\beta(?![a-z])", "η"), (r"\blambda(?![a-z])", "λ"))
