"""What methods made of a problem, as one page."""

from __future__ import annotations

import shlex
from collections.abc import Sequence

from .. import plots
from ..checking.report import digest
from ..checking.summary import evidence_table, sentence
from ..evidence import Verdict, worst
from ..markup import Markup, badge, figure, join, mathematics, table, tag, understood_table
from ..plots.figures import accuracies
from ..unlearning.unlearned import Outcome, Unlearned, rows_of_models, score_table, unlearning_result
from .layout import page, section
from .report_page import GROUPS, command, provenance

__all__ = ["unlearned_page"]


def unlearned_page(*results: Outcome) -> str:
    """What one method made of a problem, or several, as one self-contained web page.

    Returns:
        HTML without scripts or outside resources; the same results give the same bytes.

    Example:
        >>> import numpy as np
        >>> import muso_theory as mt
        >>> problem = mt.UnlearningProblem(np.eye(3, 4), np.array([1.0, -1.0, 1.0]), [2])
        >>> "by label-free" in unlearned_page(mt.unlearn(problem))
        True
    """
    first, several = results[0], len(results) > 1
    names = ", ".join(result.method.name for result in results)
    title = f"Unlearning by {names}, {first.title}"
    parts = [section("understood", "What was understood", understood_table(first.inputs["understood"]))]
    cells = dict.fromkeys(
        (f"{name}, {result.method.name}" if several and name in _OF_THE_METHOD else name, mathematics(words))
        for result in results
        for name, words in result.components
    )
    parts.append(section("parts", "How", table("The four parts.", ("Part", "What"), cells, name="numbers")))
    attacks = (_attack(result, several) for result in results)
    numbers = (score_table(rows_of_models(results)), _picture(results), *dict.fromkeys(attacks))
    parts.append(section("numbers", "Scores and attacks", *numbers))
    for result in results:
        groups = result.report.groups() if isinstance(result, Unlearned) else {}
        of = f"{result.method.name}: " if several else ""
        for name, (heading, words) in GROUPS.items():
            if name in groups:
                anchor = f"{of}{heading}".lower().replace(": ", "-").replace(" ", "-")
                parts.append(section(anchor, f"{of}{heading}", evidence_table(words, groups[name])))
    report = first.report if isinstance(first, Unlearned) else None
    stored = first.inputs, first.settings, None if report is None else digest(report.to_dict())
    parts.append(section("provenance", "Provenance", provenance(*stored, _again(results))))
    header = [tag("h1", title)]
    for result in results:
        lead = (badge(result.verdict), " ", _lead(result))
        header.append(tag("p", f"{result.method.name}: " if several else "", *lead, class_="lead"))
    footer = [
        tag("p", "Verdicts hold for the data given, not for others; accuracies and attacks are measured."),
        tag("dl", [join(tag("dt", badge(v)), tag("dd", f"{v.value}.")) for v in reversed(Verdict)]),
    ]
    verdict = worst(result.verdict for result in results)
    return page(f"{verdict.name}: {title}", header, parts, footer, "unlearn")


def _lead(result: Outcome) -> Markup:
    """What stands behind the gap, in one sentence."""
    if isinstance(result, Unlearned):
        return mathematics(sentence((result.gap,), result.verdict))
    if "failed" in result.row:
        return mathematics(f"{result.row['failed']}.")
    words = (
        f"‖θ_u − θ_r‖ = {result.row['gap']:.3g}" if "gap" in result.row else "This is the retrained network"
    )
    return mathematics(f"{words}, measured on one run of training; no theorem speaks of trained networks.")


_OF_THE_METHOD = ("label modifier", "parameter updater")


def _picture(results: Sequence[Outcome]) -> Markup:
    """Accuracies and attacks, where there are classes."""
    whole = unlearning_result(results)
    with plots.styled():
        drawn = accuracies.own(whole)
        if drawn is None:
            return join()
        caption = accuracies.told(whole)
        svg = plots.inline_svg(drawn, "figure-accuracies", "Accuracies and membership attack", caption)
        return figure(Markup(svg), mathematics(caption))


def _attack(result: Outcome, several: bool) -> Markup:
    """What the attack says, with the retrained model as its null."""
    difference = result.difference
    if difference is None:
        return tag("p", f"No membership attack: {result.missing}.")
    low, high = difference.interval
    tells = "tells the two apart" if difference.excludes_zero else "does not tell the two apart"
    words = f"AUC {difference.value:+.3f} in [{low:.3f}, {high:.3f}] against the same attack on the retrained model"
    of = f", {result.method.name}" if several else ""
    return tag("p", f"Membership attack on the forget samples{of}: {words}: it {tells}.")


def _again(results: Sequence[Outcome]) -> str:
    """The command that repeats it; empty where it did not come from a command."""
    settings = results[0].settings
    if "source" not in settings:
        return ""
    asked = settings["unlearning"]
    words = [command({k: v for k, v in settings.items() if k not in ("claims", "ridge")}, "unlearn")]
    asked_of = [result.settings["unlearning"] for result in results]
    words += [word for one in asked_of for word in ("--method", one["method"])]
    for setting in dict.fromkeys(setting for one in asked_of for setting in one["set"]):
        words += ["--set", shlex.quote(setting)]
    return " ".join([*words, *(["--test", str(asked["test"])] if asked["test"] is not None else [])])
