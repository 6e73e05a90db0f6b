"""The way on from a theorem on the site: the check on data, and the figures that show it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from ..claims import CATALOGUE
from ..claims.theorems.showing import FIGURES, campaigns, check_command, figures
from ..files.reading import read_json
from ..markup import Markup, badge, figure, join, mathematics, table, tag
from .instances import Observation
from .layout import section

__all__ = ["Drawn", "check_section", "draw_shown", "figure_section", "way"]

Drawn = Mapping[str, tuple[str, str]]
"""Figures by name, each as an ``svg`` element with its caption."""


def draw_shown(paths: Iterable[str | Path]) -> dict[str, tuple[str, str]]:
    """The figures of claims that can be drawn from results of campaigns.

    Args:
        paths: result files, or folders of them; reports among them are left alone.

    Returns:
        By the name of a figure its picture, to stand in a page, and its caption.

    Raises:
        BadInputError: a result that cannot be read, or was changed after it was written.
    """
    from ..plots.gallery import draw_inline, script
    from ..plots.sources import read

    found = [
        file
        for path in map(Path, paths)
        for file in (sorted(path.glob("*.json")) if path.is_dir() else [path])
    ]
    results = [read(file) for file in found if "campaign" in read_json(file, "evidence", constants=True)]
    sources = {result.name: result for result in results if not result.quick}
    return {name: draw_inline(name, sources) for name in FIGURES if set(script(name).NEEDS) <= sources.keys()}


def way(slug: str, proved: bool) -> Markup:
    """Links to the parts of a claim's page, in the order of reading."""
    parts = [("results", "Claim")]
    if proved:
        parts = [("results", "Theorem"), ("hypotheses", "Counterexamples"), ("proof", "Proof")]
    parts += [("instances", "Check")]
    parts += [("figure", "Figure")] if figures(slug) else []
    return tag(
        "nav",
        tag("ul", [tag("li", tag("a", words, href=f"#{to}")) for to, words in parts]),
        aria_label="Page",
    )


def check_section(slug: str, instances: Sequence[Observation], rest: str) -> Markup:
    """What asks for the claim on data, what campaigns measured, and what was found.

    Args:
        slug: the claim.
        instances: evidence on data.
        rest: what any number of instances is no proof of, in words.
    """
    rows = []
    if command := check_command(slug):
        needs = ", ".join(f"{need}: {CATALOGUE[need].statement}" for need in CATALOGUE[slug].hypotheses)
        asked = mathematics(f", which needs {needs}" if needs else ", which needs nothing of the data")
        rows.append(tag("li", "On your data: ", tag("code", command), asked, "."))
    rows += [
        tag("li", "Measured by a campaign: ", tag("code", f"python -m verification {name}"), ".")
        for name in campaigns(slug)
    ]
    told = tag("ul", rows) if rows else tag("p", "No row of a report is about it.")
    found = [_found(instances, rest)] if instances else []
    return section("instances", "Check", join(told, *found))


def _found(instances: Sequence[Observation], rest: str) -> Markup:
    """What reports and campaigns found on data."""
    rows = [
        (i.source, "" if i.verdict is None else badge(i.verdict), mathematics(i.words)) for i in instances
    ]
    caption = f"What is found on instances holds for their data; any number of them is no proof{rest}"
    return table(caption, ("Data", "Verdict", "Found"), rows, name="numbers")


def figure_section(slug: str, drawn: Drawn) -> list[Markup]:
    """The figures that show a claim, drawn or by the command that draws them; nothing where none does."""
    shown = []
    for name in figures(slug):
        picture, caption = drawn.get(name, ("", ""))
        if picture:
            shown.append(figure(Markup(picture), mathematics(caption)))
        else:
            shown.append(
                tag(
                    "p",
                    "Drawn from results of campaigns: ",
                    tag("code", f"python -m figures {name}"),
                    "; here, where the site is written with ",
                    tag("code", "--evidence"),
                    " and these results.",
                )
            )
    return [section("figure", "Figure", join(*shown))] if shown else []
