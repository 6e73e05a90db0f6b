"""Evidence for people: as a table, and in one sentence."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from ..claims import CATALOGUE
from ..evidence import About, Evidence, Verdict, short
from ..markup import Child, Markup, badge, join, mathematics, tag, verdict_table

__all__ = ["evidence_table", "sentence"]


def evidence_table(
    caption: Child, evidence: Iterable[Evidence], links: Mapping[str, str] | None = None
) -> Markup:
    """Evidence as a table: verdict, claim, the number that decides, what it means, and all findings to unfold."""
    return verdict_table(caption, [(badge(e.verdict), _named(e, links or {}), e.told()) for e in evidence])


def _named(e: Evidence, links: Mapping[str, str]) -> Markup:
    """Slug and words of a claim."""
    slug = tag("code", e.name)
    linked = tag("a", slug, href=links[e.claim]) if e.claim in links else slug
    words = CATALOGUE[e.claim].words if e.claim in CATALOGUE else ""
    return join(linked, tag("span", " ", mathematics(words), class_="words"))


def sentence(rows: Sequence[Evidence], verdict: Verdict) -> str:
    """A report in one sentence: what was found, how sure it is, and what it costs not to unlearn."""
    judged = [e for e in rows if not e.is_condition and e.about is About.THEOREM]
    kind = "claim" if judged else "row"
    judged = judged or list(rows)
    parts = []
    for e in rows:
        if e.claim == "exact-labels" and e.findings and not (e.failed and not e.asserted):
            parts.append(f"{_SUBJECTS[e.about].format(e.artefact)} {_EXACT[e.verdict].format(short(e))}")
    groups = [(v, [e.name for e in judged if e.verdict is v]) for v in Verdict]
    parts += [_counted(v, names, len(judged), kind) for v, names in groups if names]
    if verdict not in (e.verdict for e in judged):
        others = ", ".join(e.name for e in rows if e.verdict is verdict)
        parts.append(f"the worst verdict, {verdict.name}, is about {others}")
    text = "; ".join(parts) or "nothing was checked"
    return text[0].upper() + text[1:] + "."


_SUBJECTS = {
    About.THEOREM: "relabelling by exact labels unlearns here:",
    About.AUDIT: "the given {}:",
    About.OUTPUT: "the floats handed out:",
}


def _counted(verdict: Verdict, slugs: list[str], total: int, kind: str) -> str:
    """How many claims have a verdict; the bad ones by name."""
    one = len(slugs) == 1
    what = f"the {kind}" if total == 1 else f"{len(slugs)} of {total} {kind}s"
    if len(slugs) == total > 1:
        what = f"all {total} {kind}s"
    if not verdict.holds:
        what += f" ({', '.join(slugs[:3])}{', …' if len(slugs) > 3 else ''})"
    if verdict is Verdict.VACUOUS:
        return f"{what} {'says' if one else 'say'} nothing about this data"
    return f"{what} {'is' if one else 'are'} {verdict.name.lower()}"


_EXACT = {
    Verdict.PROVED: "proved, {}",
    Verdict.CERTIFIED: "within a proved bound, {}",
    Verdict.MEASURED: "as far as floats can tell, {}",
    Verdict.REFUTED: "refuted, {}",
    Verdict.UNDECIDED: "not decided, {}",
    Verdict.VACUOUS: "{}",
}
