"""The report as one page: the verdict in a sentence, then everything that stands behind it."""

from __future__ import annotations

import math
import shlex
from collections.abc import Mapping
from typing import Any

from .. import plots
from ..checking.report import Report, digest
from ..checking.summary import evidence_table, sentence
from ..claims import CATALOGUE
from ..claims.theorems.status import TheoremStatus, theorem_status
from ..evidence import Evidence, Inequality, Verdict, round_digits
from ..machine import versions
from ..markup import Markup, badge, figure, join, mathematics, table, tag, understood_table
from ..numbers import Grade
from ..settings import TOLERANCE, Settings
from .details import Details
from .layout import page, prose, section

__all__ = ["GROUPS", "command", "draw_figures", "provenance", "report_page"]

GROUPS = {
    "Claim": ("Claims", "Theorems on the exact numbers of this data, each with the number that decides it."),
    "Audit of what was given": ("Audits", "What was handed in, held against the retrained model."),
    "Floats handed out": ("Output", "The very floats that this package hands out for this data."),
    "Condition": ("Conditions", "What the claims rest on, checked on this data."),
}
"""Tables of evidence: the group of rows, its heading, and what it is."""

_ROWS = 12
"""Rows of the label table that the page shows."""

_COLUMNS = 4
"""More columns of labels than this, and the table shows each sample's largest entries only."""


def report_page(report: Report, found: Details | None = None, missing: str = "") -> str:
    """The report as one self-contained web page.

    Args:
        found: the numbers of pictures and labels, or None for a page without.
        missing: why they are not there.

    Example:
        >>> from muso_theory.evidence import NOTHING, Identity, Scope
        >>> from muso_theory.numbers import Quantity
        >>> gap = Identity("gap", Quantity.exact(0), NOTHING)
        >>> proved = Evidence("exact-labels", Scope.INSTANCE, (gap,), "rational")
        >>> page = report_page(Report("toy", {"exact-labels": proved}))
        >>> "Relabelling by exact labels unlearns here: proved, gap = 0" in page
        True
    """
    general = {slug: status for slug in report if (status := theorem_status(slug)).hash}
    links = {slug: f"#general-{slug}" for slug in general}
    parts: dict[str, tuple[str, Markup]] = {}
    groups = report.groups()
    if report.inputs.get("understood"):
        parts["understood"] = ("What was understood", understood_table(report.inputs["understood"]))
    for name, (title, words) in GROUPS.items():
        if name in groups:
            parts[title.lower().replace(" ", "-")] = (title, evidence_table(words, groups[name], links))
    if found is not None:
        parts["gaps"] = ("What each labelling leaves", _gaps(found))
        parts["spectrum"] = ("Spectrum and step size", _spectrum(found, report.evidence))
        parts["labels"] = ("Labels", _labels(found))
    elif missing:
        parts["gaps"] = ("Gaps, spectrum and labels", tag("p", f"Not shown: {missing}."))
    if general:
        parts["general"] = ("What is known for all data", join(*map(_general, general.values())))
    parts["provenance"] = ("Provenance", provenance(report.inputs, report.settings, digest(report.to_dict())))
    contents = [tag("li", tag("a", title, href=f"#{name}")) for name, (title, _) in parts.items()]
    header = [
        tag("h1", f"Exact unlearning, {report.title}"),
        tag(
            "p",
            badge(report.verdict),
            " ",
            mathematics(sentence(report.rows, report.verdict)),
            class_="lead",
        ),
        tag("nav", tag("ul", contents), aria_label="Parts of this report"),
    ]
    footer = [
        tag("p", "Verdicts hold for the data given, not for others; a claim about parameters is not one about "
                 "accuracy; a certified bound on floats is a bound, not an equality."),
        tag("dl", [join(tag("dt", badge(v)), tag("dd", f"{v.value}.")) for v in reversed(Verdict)]),
    ]  # fmt: skip
    body = [section(name, title, content) for name, (title, content) in parts.items()]
    return page(f"{report.verdict.name}: {report.title}", header, body, footer, "check")


def draw_figures(found: Details, evidence: Mapping[str, Evidence]) -> dict[str, tuple[Any, str]]:
    """The pictures of a report, each with its caption."""
    smallest, largest = _bounds(evidence)
    spectrum, axes = plots.new_figure()
    plots.spectrum(axes, found.eigenvalues, smallest, largest, found.complete)
    gaps, axes = plots.new_figure(height=0.35 + 0.09 * len(found.ladder))
    plots.gap_ladder(axes, [(rung.words, rung.gap, rung.proved) for rung in found.ladder])
    last = found.ladder[-1]
    exact = f"at most {round_digits(last.gap, up=True)}" if last.proved else f"{last.gap:.2g}"
    top, low = found.eigenvalues[-1], min((v for v in found.eigenvalues if v > 0), default=0.0)
    how = "all eigenvalues" if found.complete else "the two ends of the spectrum"
    return {
        "gaps": (
            gaps,
            f"The distance ‖w_u − w_r‖ to the retrained model that each way to label the forget samples leaves, from "
            f"{found.ladder[0].gap:.3g} ({found.ladder[0].words}) to {exact} (exact labels); "
            "claim gap-formula, without training. Random labels and models: seed 0.",
        ),
        "spectrum": (
            spectrum,
            f"Spectrum of the Gram matrix K: {how}, measured in float64 from {low:.3g} to {top:.3g}. Gradient descent "
            f"converges for steps below 2/λ_max = {2 / top:.3g}; along an eigenvector it diverges from 2/λ on, right "
            "scale. The smallest eigenvalue decides how many steps the last digits take.",
        ),
    }


def _bounds(evidence: Mapping[str, Evidence]) -> tuple[float | None, float | None]:
    """Proved bounds of the smallest and largest eigenvalue, where the report has them."""
    smallest = largest = None
    if "full-rank" in evidence and evidence["full-rank"].findings:
        finding = evidence["full-rank"].findings[0]
        if (
            isinstance(finding, Inequality)
            and finding.positive
            and finding.what.startswith("λ_min(K")
            and finding.quantity.grade is Grade.CERTIFIED
        ):
            smallest = finding.quantity.floor if finding.quantity.floor > 0 else None
    if "step-size" in evidence and evidence["step-size"].findings:
        quantity = evidence["step-size"].findings[0].quantity
        if quantity.grade is Grade.CERTIFIED and quantity.floor > 0:
            largest = math.nextafter(2 / quantity.floor, math.inf)
    return smallest, largest


def _drawn(found: Details, evidence: Mapping[str, Evidence], name: str, title: str) -> Markup:
    """One picture as part of the page."""
    with plots.styled():
        drawn, caption = draw_figures(found, evidence)[name]
        return figure(Markup(plots.inline_svg(drawn, f"figure-{name}", title, caption)), mathematics(caption))


def _gaps(found: Details) -> Markup:
    """The ladder as a picture and as a table."""
    rows = []
    for rung in found.ladder:
        gap = f"≤ {round_digits(rung.gap, up=True, digits=6)}" if rung.proved else f"{rung.gap:.6g}"
        rows.append((rung.words, mathematics(gap), "proved bound" if rung.proved else "measured"))
    return join(
        _drawn(found, {}, "gaps", "Gaps of labelling rules"),
        table("The same numbers.", ("Labels", mathematics("‖w_u − w_r‖"), "Known by"), rows, name="numbers"),
    )


def _spectrum(found: Details, evidence: Mapping[str, Evidence]) -> Markup:
    """The spectrum, and what it says about step sizes."""
    return _drawn(found, evidence, "spectrum", "Spectrum of K with limits of the step size")


def _labels(found: Details) -> Markup:
    """The first labels, and all of them to download."""
    shown = min(_ROWS, len(found.labels))
    width = found.outputs
    if width * len(found.kinds) <= _COLUMNS:
        headings = list(found.columns)
        rows = [[f"{row[0]:.0f}", *(f"{value:.6g}" for value in row[1:])] for row in found.labels[:shown]]
    else:
        headings = ["sample", *(f"{kind}, largest entry" for kind in found.kinds)]
        rows = []
        for row in found.labels[:shown]:
            vectors = [row[1 + i * width : 1 + (i + 1) * width] for i in range(len(found.kinds))]
            best = [max(range(width), key=vector.__getitem__) for vector in vectors]
            cells = [f"{vector[k]:.4g} at output {k}" for vector, k in zip(vectors, best, strict=True)]
            rows.append([f"{row[0]:.0f}", *cells])
    caption = f"The first {shown} of {len(found.labels)} forget samples; sample numbers are rows of the data, from 0."
    link = tag(
        "a",
        f"Download all {len(found.labels)} as CSV",
        href=found.csv,
        download="labels.csv",
        class_="download",
    )
    return join(table(caption, headings, rows, name="numbers"), tag("p", link))


def _general(status: TheoremStatus) -> Markup:
    """What is proved about a claim for all data: statement, theorems, trials, certificate."""
    claim = CATALOGUE.get(status.slug)
    rest = [tag("p", "Beyond algebra there remains: ", prose(words), ".") for words in status.beyond]
    says = [tag("li", tag("code", name), ": ", prose(words)) for name, words in status.theorems]
    needed = sum(h[3] == "needed" for h in status.hypotheses)
    tried = f"{len(status.hypotheses)} hypotheses tried one by one"
    if len(status.hypotheses) == 1:
        tried = "one hypothesis tried"
    trials = f"{tried}: {needed} needed (an exact counterexample without each)"
    return tag(
        "div",
        tag("h3", tag("code", status.slug), f", {status.words} for all data and dimensions"),
        tag("p", mathematics(claim.statement), class_="math") if claim else "",
        tag("ul", says),
        rest,
        tag("p", f"{trials}, {len(status.hypotheses) - needed} redundant.") if status.hypotheses else "",
        tag("p", "Certificate sha256 ", tag("code", status.hash), class_="quiet"),
        id=f"general-{status.slug}",
        class_="theorem",
    )


def provenance(
    inputs: Mapping[str, Any], settings: Mapping[str, Any], stored: str | None, again: str = ""
) -> Markup:
    """Hashes, versions, seeds, settings, and the command that repeats it all.

    Args:
        inputs: facts about the input.
        settings: what a repetition needs.
        stored: the hash of the report's JSON, where there is a report.
        again: the command; empty is that of ``muso check``.
    """
    source = settings.get("source")
    hashes = [("what was given, sha256", inputs.get("sha256"))]
    hashes.append(("data as read, sha256", inputs.get("data_sha256")))
    hashes.append(("this report's JSON, sha256", stored))
    facts = [(name, str(value)) for name, value in hashes if value]
    facts += [(name, str(value)) for name, value in _settings(settings)]
    facts += [(f"version of {name}", value) for name, value in versions().items()]
    notes = tag("ul", [tag("li", note) for note in inputs.get("notes", [])])
    repeat = join()
    if isinstance(source, dict):
        piped = ", with the same data on standard input" if source.get("data") == "-" else ""
        repeat = join(tag("h3", "To repeat", piped), tag("pre", again or command(settings), tabindex=0))
    return join(notes, repeat, table("What the numbers depend on.", ("What", "Value"), facts, name="numbers"))


def _settings(settings: Mapping[str, Any]) -> list[tuple[str, Any]]:
    """Settings that were set, flattened."""
    found = []
    training = settings.get("training") or {}
    for key, value in {**settings, **training}.items():
        if key not in ("source", "training", "unlearning") and value not in (None, [], ""):
            found.append((key, ", ".join(value) if isinstance(value, list) else value))
    return found


def command(settings: Mapping[str, Any], name: str = "check") -> str:
    """The command that repeats a report, one line for a shell, options at their defaults left out.

    Example:
        >>> command({"seed": 0, "source": {"data": "digits", "classes": "3,7"}})
        'muso check digits --classes 3,7'
    """
    from ..options import Source

    source = dict(settings["source"])
    plain = Source("")
    data = str(source.pop("data"))
    # What begins with a dash is an option, unless it is the one that stands for standard input.
    words = ["muso", name, f"./{data}" if data.startswith("-") and data != "-" else data]
    for key, value in source.items():
        if value is None or value == getattr(plain, key, None):
            continue
        option = f"--{key.replace('_', '-')}"
        if value is True:
            words.append(option)
        else:
            for word in value if isinstance(value, list | tuple) else (value,):
                words += [option, str(word)]
    usual = Settings(tolerance=TOLERANCE).to_words()
    for key in ("arithmetic", "tolerance", "ridge", "subset", "budget"):
        value = settings.get(key)
        if value is not None and value != usual[key]:
            words += [f"--{key}", str(value)]
    # Of how the user trains, everything is said: no default is worth knowing there.
    for key, value in (settings.get("training") or {}).items():
        if value is not None:
            words += [f"--{key}", str(value)]
    for key, option in (("claims", "--claim"), ("asserted", "--assert")):
        for slug in settings.get(key) or ():
            if key == "asserted" or slug not in settings.get("asserted", ()):
                words += [option, slug]
    return shlex.join(words)
