"""What a method made of a problem, as one page."""

from __future__ import annotations

import shlex

from muso_theory import plots
from muso_theory.evidence import Verdict
from muso_theory.markup import (
    Markup,
    badge,
    figure,
    join,
    mathematics,
    table,
    tag,
    understood_table,
)
from muso_theory.pages.layout import page, section
from muso_theory.pages.report_page import GROUPS, command, provenance
from muso_theory.plots.figures import accuracies
from muso_theory.summary import evidence_table, sentence
from muso_theory.unlearning import Unlearned, score_table

__all__ = ["unlearned_page"]


def unlearned_page(result: Unlearned) -> str:
    """The result as one self-contained web page.

    Args:
        result: what a method made.

    Returns:
        HTML without scripts or outside resources; the same result gives the same bytes.

    Example:
        >>> import numpy as np
        >>> import muso_theory as mt
        >>> problem = mt.UnlearningProblem(np.eye(3, 4), np.array([1.0, -1.0, 1.0]), [2])
        >>> "by label-free" in unlearned_page(mt.unlearn(problem))
        True
    """
    report, method = result.report, result.method
    title = f"Unlearning by {method.name}, {report.title}"
    parts = [section("understood", "What was understood", understood_table(report.inputs["understood"]))]
    cells = [(name, mathematics(words)) for name, words in result.components]
    parts.append(section("parts", "How", table("The four parts.", ("Part", "What"), cells, name="numbers")))
    parts.append(
        section("numbers", "What came of it", score_table(result), _picture(result), _attack(result))
    )
    groups = report.groups()
    for name, (heading, words) in GROUPS.items():
        if name in groups:
            anchor = heading.lower().replace(" ", "-")
            parts.append(section(anchor, heading, evidence_table(words, groups[name])))
    parts.append(section("provenance", "Provenance", provenance(report, _again(result))))
    header = [
        tag("h1", title),
        tag(
            "p",
            badge(result.gap.verdict),
            " ",
            mathematics(sentence((result.gap,), result.gap.verdict)),
            class_="lead",
        ),
    ]
    footer = [
        tag("p", "Verdicts hold for the data given, not for others; accuracies and attacks are measured."),
        tag("dl", [join(tag("dt", badge(v)), tag("dd", f"{v.value}.")) for v in reversed(Verdict)]),
    ]
    return page(f"{result.gap.verdict.name}: {title}", header, parts, footer)


def _picture(result: Unlearned) -> Markup:
    """Accuracies and attacks, where there are classes."""
    content = result.to_dict()
    with plots.styled():
        drawn = accuracies.own(content)
        if drawn is None:
            return join()
        caption = accuracies.told(content)
        svg = plots.inline_svg(drawn, "figure-accuracies", "Accuracies and membership attack", caption)
        return figure(Markup(svg), mathematics(caption))


def _attack(result: Unlearned) -> Markup:
    """What the attack says, with the retrained model as its null."""
    difference = result.difference
    if difference is None:
        return tag("p", f"No membership attack: {result.missing}.")
    low, high = difference.interval
    tells = "tells the two apart" if difference.excludes_zero else "does not tell the two apart"
    words = f"AUC {difference.value:+.3f} in [{low:.3f}, {high:.3f}] against the same attack on the retrained model"
    return tag("p", f"Membership attack on the forget samples: {words}: it {tells}.")


def _again(result: Unlearned) -> str:
    """The command that repeats it; empty where it did not come from a command."""
    settings = result.report.settings
    if "source" not in settings:
        return ""
    asked = settings["unlearning"]
    words = [command({k: v for k, v in settings.items() if k not in ("claims", "ridge")}, "unlearn")]
    words += ["--method", asked["method"]]
    for setting in asked["set"]:
        words += ["--set", shlex.quote(setting)]
    return " ".join([*words, *(["--test", str(asked["test"])] if asked["test"] is not None else [])])
