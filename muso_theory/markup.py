"""HTML from small functions that escape whatever is not markup already, and the parts that pages share."""

from __future__ import annotations

import html
import re
from collections.abc import Iterable, Mapping, Sequence
from typing import final

from .former import former
from .verdict import Verdict

__all__ = [
    "Markup",
    "badge",
    "figure",
    "join",
    "mathematics",
    "table",
    "tag",
    "understood_table",
    "unfolded",
    "verdict_table",
]
former(__name__)

_BACKGROUNDS = {
    Verdict.PROVED: "#005a32",
    Verdict.CERTIFIED: "#08519c",
    Verdict.MEASURED: "#54278f",
    Verdict.VACUOUS: "#595959",
    Verdict.UNDECIDED: "#7a4100",
    Verdict.REFUTED: "#a50f15",
}
"""White words on these have a contrast of more than 7, on light pages and on dark ones."""

_VOID = frozenset({"meta", "link", "br", "hr", "img"})


@final
class Markup(str):
    """Text that is HTML already, and is not escaped again."""

    __slots__ = ()


Child = str | Iterable[str]


def tag(name: str, /, *children: Child, **attributes: str | int | None) -> Markup:
    """One element.

    Args:
        children: text, which is escaped, or markup, which is not; iterables of them.
        attributes: ``class_`` is written ``class``, other underscores as hyphens; None is left out.

    Example:
        >>> tag("p", "a < b ", tag("b", "c"), class_="note", data_x=None)
        '<p class="note">a &lt; b <b>c</b></p>'
    """
    words = "".join(
        f' {key.rstrip("_").replace("_", "-")}="{html.escape(str(value))}"'
        for key, value in attributes.items()
        if value is not None
    )
    if name in _VOID:
        return Markup(f"<{name}{words}>")
    return Markup(f"<{name}{words}>{join(*children)}</{name}>")


def join(*children: Child) -> Markup:
    """Children one after another; text is escaped, and markup is not."""
    parts = []
    for child in children:
        for piece in (child,) if isinstance(child, str) else child:
            parts.append(piece if isinstance(piece, Markup) else html.escape(piece, quote=False))
    return Markup("".join(parts))


def mathematics(text: str) -> Markup:
    """Text with its indices and exponents set as such: ``w_u``, ``λ_max``, ``w_r^λ``; names of code stay as they are.

    Example:
        >>> mathematics("‖w_u − w_r^λ‖ < ‖(K⁻¹)_FF‖ of the given w_unlearned")
        '‖w<sub>u</sub> − w<sub>r</sub><sup>λ</sup>‖ &lt; ‖(K⁻¹)<sub>FF</sub>‖ of the given w_unlearned'
        >>> mathematics("gap ≤ 2e-9")  # a number is not broken at its sign
        'gap <span style="white-space:nowrap">≤ 2e-9</span>'
    """
    indexed = _EXPONENT.sub(r"<sup>\1</sup>", _INDEX.sub(r"<sub>\1</sub>", html.escape(text, quote=False)))
    return Markup(_TINY.sub(r'<span style="white-space:nowrap">\1</span>', indexed))


_INDEX = re.compile(r"(?<=[\w)\]⁻⁺¹ᵀ])_(max|min|[A-Za-zελ]{1,2})(?![A-Za-z0-9_])")
_TINY = re.compile(r"((?:[≤≥≈=] )?[\d.]+e-\d+)")
_EXPONENT = re.compile(r"\^([A-Za-zλ0-9])(?![A-Za-z0-9_])")


def badge(verdict: Verdict) -> Markup:
    """A verdict as a coloured word; it brings its colours, so that it needs no style sheet."""
    colours = f"background:{_BACKGROUNDS[verdict]};color:#fff;padding:.1em .45em;border-radius:.25em;white-space:nowrap"
    style = f"{colours};font-weight:600;font-size:.85em;print-color-adjust:exact"
    return tag("span", verdict.name, class_="verdict", title=verdict.value, style=style)


def table(
    caption: Child, headings: Sequence[str], rows: Iterable[Sequence[Child]], head: int = 0, name: str = ""
) -> Markup:
    """A table whose columns and rows are named for those who cannot see it.

    On a narrow screen the style sheet of a page puts the cells of a row below one another; the roles keep it a
    table then.

    Args:
        rows: cells, as many as headings.
        head: which cell names its row.
        name: class of the table, for the style sheet.
    """
    columns = [tag("th", heading, scope="col", role="columnheader") for heading in headings]
    body = []
    for cells in rows:
        made = []
        for i, cell in enumerate(cells):
            if i == head:
                made.append(tag("th", cell, scope="row", role="rowheader"))
            else:
                made.append(tag("td", cell, role="cell"))
        body.append(tag("tr", made, role="row"))
    return tag(
        "table",
        tag("caption", caption),
        tag("thead", tag("tr", columns, role="row"), role="rowgroup"),
        tag("tbody", body, role="rowgroup"),
        class_=name or None,
        role="table",
    )


def figure(picture: Markup, *caption: Child) -> Markup:
    """A picture with what it shows."""
    return tag("figure", picture, tag("figcaption", *caption))


def understood_table(
    rows: Iterable[Mapping[str, str]], caption: str = "What was understood of the input."
) -> Markup:
    """What was understood of the input, as a table; nothing where nothing is known.

    Example:
        >>> row = {"word": "w₀", "value": "zero, assumed", "how": "default", "option": "--w-init"}
        >>> "zero, assumed" in understood_table([row]), understood_table([])
        (True, '')
    """
    cells = [(row["word"], row["value"], row["how"], tag("code", row["option"])) for row in rows]
    headings = ("What", "Understood as", "How", "Said outright by")
    return table(caption, headings, cells, name="understood") if cells else join()


def verdict_table(caption: Child, rows: Iterable[Sequence[Child]]) -> Markup:
    """A table of evidence."""
    return table(caption, ("Verdict", "Claim", "Evidence, and what it means"), rows, head=1, name="evidence")


def unfolded(number: Child, meaning: Child, heading: str, lines: Iterable[str]) -> Markup:
    """A cell of a table: the number that decides, what it means, and lines to unfold under a heading, if any."""
    items = [tag("li", line) for line in lines]
    return join(
        tag("span", number, class_="number"),
        tag("br"),
        tag("em", meaning),
        tag("details", tag("summary", heading), tag("ul", items)) if items else "",
    )
