"""All figures by name: which results each needs, and the files that come of them."""

from __future__ import annotations

import importlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, final

from ..errors import expected, nearest, printable
from ..former import former
from ..understood import told_in_line
from .canvas import inline_svg, render
from .captions import fill
from .sources import DRAWN_FROM, ResultFile
from .style import check_style, styled

__all__ = ["NAMES", "OWN_FIGURES", "draw_all", "draw_campaigns", "draw_inline", "script"]
former(__name__)

NAMES = (
    "gap_by_epoch",
    "predicted_measured",
    "exactness",
    "precision_ladder",
    "downsampling",
    "limits",
    "lazy_width",
    "accuracies",
    "trade_off",
    "guarantees",
    "spectrum",
    "labels",
    "layers",
    "identities",
    "rounding",
    "theorem_graph",
)
"""Figures of the campaigns, in the order of a paper."""

OWN_FIGURES = ("margins", "sweep", "accuracies", "trade_off", "closed_form", "spectrum", "labels")
"""Figures of a user's own results."""


@final
@dataclass(frozen=True)
class _Drawn:
    """A figure that was drawn.

    Args:
        name: of its file, without ending.
        data: the bytes of the file.
        caption: what was measured, on what, and from which file.
        quick: whether a result behind it is of a quick run.
    """

    name: str
    data: bytes
    caption: str
    quick: bool


def script(name: str) -> Any:
    """The module that draws a figure.

    Raises:
        BadInputError: there is none of that name.
    """
    known = dict.fromkeys((*NAMES, *OWN_FIGURES))
    if name not in known:
        raise expected("a figure", "NAME", name, "unknown", nearest(name, known))
    return importlib.import_module(f".figures.{name}", __package__)


def draw_campaigns(
    name: str,
    sources: Mapping[str, ResultFile],
    venue: str = "plain",
    width: str = "column",
    form: str = "pdf",
) -> _Drawn:
    """A figure of the campaigns.

    Args:
        name: of the figure.
        sources: the results that it needs, by campaign.
        venue: see `muso_theory.plots.style`.
        width: see `muso_theory.plots.style`.
        form: of the file.

    Raises:
        BadInputError: an unknown name, venue, width or format, a result that the figure cannot read, or a caption that
            names a number that the results do not hold.
    """
    module = script(name)
    used = [sources[need] for need in module.NEEDS]
    contents = {need: sources[need].content for need in module.NEEDS}
    data = _file(name, lambda: module.draw(contents), used, venue, width, form)
    failed = [source.name for source in used if source.content.get("failed")]
    words = [
        fill(module.CAPTION, contents).strip(),
        *([f"Failed its own judgement: {', '.join(failed)}."] if failed else []),
        f"Made by: {'; '.join(f'python -m verification {need}' for need in module.NEEDS)}; python -m figures {name}.",
    ]
    return _captioned(name, data, words, used)


def draw_inline(name: str, sources: Mapping[str, ResultFile]) -> tuple[str, str]:
    """A figure of the campaigns as part of a page.

    Args:
        name: of the figure.
        sources: the results that it needs, by campaign.

    Returns:
        An ``svg`` element, empty where the results have not what it shows, and its caption.

    Raises:
        BadInputError: as `draw_campaigns`.
    """
    module = script(name)
    contents = {need: sources[need].content for need in module.NEEDS}
    caption = fill(module.CAPTION, contents).strip()
    with styled():
        picture = _picture(lambda: module.draw(contents), [sources[need] for need in module.NEEDS])
        title = name.replace("_", " ").capitalize()
        return "" if picture is None else inline_svg(picture, f"figure-{name}", title, caption), caption


def draw_all(
    sources: Sequence[ResultFile],
    venue: str = "plain",
    width: str = "column",
    form: str = "pdf",
    panels: Sequence[str] = (),
) -> Iterator[_Drawn]:
    """Every figure that can be drawn from these results.

    Args:
        sources: results of campaigns, of which some figures need several, and a user's own.
        venue: see `muso_theory.plots.style`.
        width: see `muso_theory.plots.style`.
        form: of the files.
        panels: the numbers that a sweep is drawn of; none takes the first six.

    Yields:
        The figures; one of a user's own result is named after its file.

    Raises:
        BadInputError: an unknown venue, width or format, a result from which no figure is drawn, or one that cannot
            be read; panels that a sweep has not, or without a sweep.
    """
    check_style(venue, width, form)
    if panels and all(source.kind != "sweep" for source in sources):
        raise expected(
            "a result of muso sweep", "panels", ", ".join(panels), "no sweep", "leaving --panels out"
        )
    for source in sources:
        if source.kind == "sweep":
            script("sweep").chosen_panels(source.content, panels)
    campaigns = {source.name: source for source in sources if source.kind == "campaign"}
    fed = [name for name in NAMES if set(script(name).NEEDS) <= set(campaigns)]
    for name in campaigns:
        partners = [script(figure).NEEDS for figure in NAMES if name in script(figure).NEEDS]
        if not partners:
            drawn_of = sorted({need for figure in NAMES for need in script(figure).NEEDS})
            raise expected(
                "a campaign that feeds a figure",
                "RESULT",
                name,
                "feeds none",
                "one of " + ", ".join(drawn_of),
            )
        if not any(set(needs) <= set(campaigns) for needs in partners):
            missing = [need for need in partners[0] if need not in campaigns]
            raise expected(
                "all results of a figure", "RESULT", name, "needs more", f"with {', '.join(missing)}"
            )
    for name in fed:
        yield draw_campaigns(name, campaigns, venue, width, form)
    for source in sources:
        if source.kind != "campaign":
            yield from _draw_own(source, venue, width, form, panels)


def _draw_own(
    source: ResultFile, venue: str, width: str, form: str, panels: Sequence[str] = ()
) -> Iterator[_Drawn]:
    """The figures of one user's result."""
    found = False
    for name in OWN_FIGURES:
        module = script(name)
        if source.kind not in module.OWN:
            continue
        given = (source.content, panels) if name == "sweep" else (source.content,)
        data = _file(name, partial(module.own, *given), [source], venue, width, form)
        if data:
            found = True
            title = source.content.get("title")
            words = [f"{title}."] if title and source.kind != "report" else []
            words += [module.told(*given), *_input(source.content)]
            yield _captioned(f"{source.path.stem}-{name}", data, words, [source])
    if not found:
        raise expected(
            "numbers to draw", "RESULT", source.path, DRAWN_FROM[source.kind], "one with more numbers"
        )


_CAPTIONED = ("target", "task", "forget", "map", "map fitted on", "w₀", "network", "training", "seeds")
"""What a caption tells of the input, beside what was varied."""


def _input(content: Mapping[str, Any]) -> list[str]:
    """What was understood of the input, for a caption."""
    rows = (content.get("input") or {}).get("understood", ())
    told = told_in_line(row for row in rows if row["word"] in _CAPTIONED or row["how"] == "varied")
    return [f"Understood: {told}."] if told else []


def _file(name: str, draw: Any, used: Sequence[ResultFile], venue: str, width: str, form: str) -> bytes:
    """The bytes of a figure, or none where the result has not what it shows."""
    with styled(venue, width):
        figure = _picture(draw, used)
        return b"" if figure is None else render(figure, form, opaque=form == "svg")


def _picture(draw: Any, used: Sequence[ResultFile]) -> Any:
    """What a script draws of results, or None where they have not what it shows."""
    try:
        return draw()
    except (KeyError, IndexError, ValueError, TypeError, AttributeError, ArithmeticError) as error:
        hint = "; ".join(f"{source.path.name} as this version writes it" for source in used)
        raise expected(
            "a result that the figure can read", "RESULT", used[0].path, repr(error), hint
        ) from error


def _captioned(name: str, data: bytes, words: Sequence[str], used: Sequence[ResultFile]) -> _Drawn:
    """A figure with its words, and from which files it is."""
    quick = [source.name for source in used if source.quick]
    parts = [
        *words,
        *([f"Quick run of: {', '.join(quick)}; no evidence."] if quick else []),
        f"Drawn from: {'; '.join(source.told for source in used)}.",
    ]
    caption = printable("\n".join(parts) + "\n")
    return _Drawn(f"{name}-quick" if quick else name, data, caption, bool(quick))
