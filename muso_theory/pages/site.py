"""The theorem site: the graph, and a page for every claim that is proved for all data."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from ..algebra.derivation import Node
from ..algebra.render import mathml, unicode_math
from ..claims import CATALOGUE
from ..claims.theorems.content import (
    Clause,
    Formula,
    Piece,
    proof_steps,
    result,
    says,
    setting,
    shared_lines,
    trials,
)
from ..claims.theorems.graph import graph_svg
from ..claims.theorems.library import Proof
from ..claims.theorems.refuted import refuted
from ..claims.theorems.registry import THEOREMS
from ..claims.theorems.showing import status_without_proof, unproved
from ..claims.theorems.sources import references, source_of
from ..claims.theorems.weakening import AGAIN, HEADING, Weakened
from ..claims.theorems.writing import certificate_text, claims_graph, statements_text
from ..files.writing import make_folder, write_all
from ..markup import Markup, join, mathematics, table, tag
from .instances import Observation
from .layout import page, prose, section
from .onward import Drawn, check_section, figure_section, way

__all__ = ["theorem_site", "write_site"]

_LONG = 30
"""Steps of all proofs of a page from which on they are folded."""


def write_site(
    directory: str | Path,
    proofs: Sequence[Proof],
    instances: Iterable[Observation] = (),
    drawn: Drawn | None = None,
    weakened: Weakened | None = None,
    *,
    force: bool = False,
) -> list[Path]:
    """Write the site of some proofs.

    Args:
        directory: where; made if it does not exist. ``index.html`` is the entrance.
        instances: evidence on data, shown on the pages of their claims.
        drawn: figures, shown likewise; see :func:`draw_shown`.
        weakened: of one theorem of your own, what became of it without each hypothesis.
        force: write over files of others.

    Raises:
        BadInputError: the directory is a file, cannot be written, or has files of others in it.
    """
    make_folder(directory)  # before the work
    files = theorem_site(proofs, instances, drawn, weakened)
    return write_all(directory, files, "index.html", sealed=True, force=force)


def theorem_site(
    proofs: Sequence[Proof],
    instances: Iterable[Observation] = (),
    drawn: Drawn | None = None,
    weakened: Weakened | None = None,
) -> dict[str, str]:
    """The contents of the site's files by their names; every link between them resolves."""
    known = {proof.slug: _file(proof.slug) for proof in proofs}
    others = [slug for slug in claims_graph(list(proofs))[1] if slug in unproved()]
    known |= {slug: f"{slug}.html" for slug in others}
    nodes = {node["name"]: node for proof in proofs for node in proof.certificate["theorems"]}
    lemmas = [nodes[name] for name in THEOREMS if name in nodes and name.partition("/")[0] not in known]
    links = dict(known)
    for name in nodes:
        slug = name.partition("/")[0]
        if name not in known:
            links[name] = f"{known.get(slug, 'lemmas.html')}#{_anchor(name)}"
        links.setdefault(slug, links[name])
    by_claim: dict[str, list[Observation]] = {}
    for instance in instances:
        by_claim.setdefault(instance.claim, []).append(instance)
    files = {"index.html": _index(proofs, links)}
    for proof in proofs:
        dropped = weakened if proof.own else None
        files[known[proof.slug]] = _claim(proof, links, by_claim.get(proof.slug, []), drawn or {}, dropped)
        files[f"certificates/{proof.slug}.json"] = certificate_text(proof.certificate)
        if proof.own:  # by a name that bears no seal: check.py reads every line
            files[f"certificates/{proof.slug}.statements"] = statements_text(proof.own)
    files |= {known[slug]: _unproved(slug, by_claim.get(slug, []), drawn or {}) for slug in others}
    files["lemmas.html"] = _lemmas(lemmas, links)
    files["refuted.html"] = _refuted()
    return files


def _file(slug: str) -> str:
    """The page of a claim; a theorem of one's own may have the name of another page."""
    return f"theorem-{slug}.html" if slug in ("index", "lemmas", "refuted") else f"{slug}.html"


def _anchor(name: str) -> str:
    """The id of a theorem on its page."""
    return name.replace("/", "-")


def _frame(title: str, lead: Sequence[Markup | str], body: Sequence[Markup]) -> str:
    """A page of the site with its navigation."""
    places = (("index.html", "All theorems"), ("lemmas.html", "Lemmas"), ("refuted.html", "False theorems"))
    nav = tag(
        "nav", tag("ul", [tag("li", tag("a", words, href=to)) for to, words in places]), aria_label="Site"
    )
    footer = tag(
        "p",
        "Written from the certificates, which a checker in the standard library alone confirms: ",
        tag("code", "python proofs/check.py"),
        ".",
    )
    return page(title, [nav, tag("h1", title), tag("p", *lead, class_="lead")], body, [footer], "prove")


def _index(proofs: Sequence[Proof], links: Mapping[str, str]) -> str:
    """The entrance: the graph and the list of claims."""
    edges, statuses, remains = claims_graph(list(proofs))
    svg = graph_svg(edges, statuses, links, remains)
    svg = svg.replace(' xmlns="http://www.w3.org/2000/svg"', ' role="group" aria-labelledby="graph-name"')
    svg = svg.replace("<title>", '<title id="graph-name">', 1).replace('fill="white"', 'fill="var(--ground)"')
    svg = svg.replace('fill="#555555"', 'class="status"')
    rows = []
    for proof in proofs:
        claim = CATALOGUE.get(proof.slug)
        words = claim.words if claim else says(proof.theorems[0])
        rows.append(
            (
                tag("a", tag("code", proof.slug), href=links[proof.slug]),
                prose(words),
                proof.status,
                str(len(proof.theorems)),
                prose("; ".join(proof.beyond)),
            )
        )
    for slug in (slug for slug in statuses if slug in unproved()):
        claim = CATALOGUE[slug]
        name = tag("a", tag("code", slug), href=links[slug])
        rows.append((name, prose(claim.words), statuses[slug], "0", mathematics(claim.unproved)))
    outcomes = [trial.outcome for proof in proofs for trial in trials(proof.theorems)]
    theorems = sum(len(proof.theorems) for proof in proofs)
    lead = (
        f"{theorems} theorems of {len(proofs)} claims, for all data and dimensions; of {len(outcomes)} hypotheses "
        f"{outcomes.count('needed')} are needed, each shown by an exact counterexample without it."
    )
    graph = tag(
        "div", Markup(svg), class_="graph", tabindex=0, role="region", aria_label="Graph of theorems, scrolls"
    )
    how = tag(
        "p",
        "An edge leads from a theorem to one that uses it; every box is a link, and dashed where there is no proof.",
        class_="quiet",
    )
    headings = ("Claim", "In words", "In general", "Theorems", "What remains")
    return _frame(
        "Theorems of exact unlearning",
        [lead],
        [
            section("graph", "What uses what", how, graph),
            section("claims", "Claims", table("Every claim has a page.", headings, rows, name="evidence")),
        ],
    )


def _claim(
    proof: Proof,
    links: Mapping[str, str],
    instances: Sequence[Observation],
    drawn: Drawn,
    weakened: Weakened | None,
) -> str:
    """The page of one claim."""
    claim = CATALOGUE.get(proof.slug)
    words = (
        claim.words if claim else ""
    )  # what is proved of one's own theorem are its formulas, which stand below
    lead = [tag("strong", f"{proof.words[0].upper()}{proof.words[1:]}"), " for all data and dimensions: "]
    body = [way(proof.slug, proved=True), section("results", "Main results", _statements(proof.theorems))]
    if proof.remains:
        rest = [tag("li", prose(remains)) for remains in proof.beyond]
        body.append(section("remains", "What remains beyond algebra", tag("ul", rest)))
    body += [
        section("hypotheses", "Hypotheses and counterexamples", _trials(proof.theorems)),
        *([] if weakened is None else [section("dropped", HEADING, _dropped(weakened))]),
        section("proof", "Proof", _proofs(proof.theorems, links)),
    ]
    beyond = " of what remains beyond algebra." if proof.remains else ", and none is needed here."
    body += [check_section(proof.slug, instances, beyond), *figure_section(proof.slug, drawn)]
    works = tag("ul", [tag("li", work) for work in references(proof.slug)])
    certificate = tag("a", f"certificates/{proof.slug}.json", href=f"certificates/{proof.slug}.json")
    hashed = tag("p", "Certificate ", certificate, ", sha256 ", tag("code", proof.hash))
    if proof.own:
        files = f"certificates/{proof.slug}"
        command = f"python proofs/check.py --statements {files}.statements {files}.json"
        hashed = join(hashed, tag("p", "Checked by itself: ", tag("code", command), "."))
    body.append(
        section("certificate", "Source and certificate", tag("p", source_of(proof.slug)), works, hashed)
    )
    return _frame(
        proof.slug,
        [*lead, prose(words), "."]
        if words
        else [*lead[:1], " for all data and dimensions, as it stands below."],
        body,
    )


def _unproved(slug: str, instances: Sequence[Observation], drawn: Drawn) -> str:
    """The page of a claim that has no general proof: what it says, and why."""
    claim = CATALOGUE[slug]
    status = status_without_proof(slug)
    lead = [tag("strong", f"{status[0].upper()}{status[1:]}"), ": ", prose(claim.words), "."]
    body = [
        way(slug, proved=False),
        section(
            "results", "Claim", tag("p", mathematics(claim.statement)), tag("p", f"Source: {claim.source}.")
        ),
        section("remains", "What remains", tag("p", mathematics(claim.unproved), ".")),
        check_section(slug, instances, "."),
        *figure_section(slug, drawn),
    ]
    return _frame(slug, lead, body)


def _statements(nodes: Sequence[Node]) -> Markup:
    """What is proved."""
    shared = shared_lines(nodes)
    parts = []
    if shared:
        parts.append(tag("div", tag("h3", "Throughout"), _clauses(setting(shared)), class_="theorem"))
    for node in nodes:
        name = tag("h3", tag("code", node["name"]))
        words = tag("p", prose(says(node)), ".") if says(node) else ""
        clauses = _clauses(result(node, shared))
        parts.append(tag("div", name, words, clauses, class_="theorem", id=_anchor(node["name"])))
    return join(parts)


def _clauses(clauses: Sequence[Clause]) -> Markup:
    """Clauses as a list of terms."""
    rows = []
    for clause in clauses:
        rows.append(tag("dt", clause.head))
        rows.append(tag("dd", [tag("span", _written(part), class_="part") for part in clause.parts]))
    return tag("dl", rows, class_="clauses")


def _written(pieces: Iterable[Piece]) -> Markup:
    """Words, and formulas in MathML."""
    return join([Markup(mathml(p.text)) if isinstance(p, Formula) else mathematics(p) for p in pieces])


def _trials(nodes: Sequence[Node]) -> Markup:
    """What dropping each hypothesis showed."""
    found = trials(nodes)
    if not found:
        return tag("p", "No hypotheses.")
    rows = []
    for trial in found:
        said = join(tag("strong", trial.label), ": ", _written(trial.formula))
        model = [
            tag("span", _written((symbol, f" = {values}")), class_="part") for symbol, values in trial.model
        ]
        rows.append((tag("code", trial.theorem), said, trial.outcome, model))
    caption = (
        "Each hypothesis was dropped alone. Needed: the exact matrices shown satisfy all others and violate the "
        "conclusion. Redundant: they violate the hypothesis, and the conclusion holds."
    )
    return table(caption, ("Theorem", "Hypothesis", "Trial", "Exact model"), rows, name="evidence trials")


def _dropped(weakened: Weakened) -> Markup:
    """What became of the theorem without each hypothesis."""
    rows = [tag("li", tag("code", label), ": ", mathematics(words)) for label, words in weakened.told.items()]
    told = [tag("p", AGAIN), tag("ul", rows)] if rows else [tag("p", "There is none.")]
    if weakened.fewer:
        told += [tag("p", "Proved with fewer:"), tag("pre", "\n".join(weakened.lines))]
    return join(*told)


def _proofs(nodes: Sequence[Node], links: Mapping[str, str]) -> Markup:
    """The proofs, lemmas linked to where they are stated; on a long page their steps are unfolded one by one."""
    parts, long = [], sum(len(node["steps"]) for node in nodes) > _LONG
    for node in nodes:
        steps = []
        for pieces in proof_steps(node):
            first, *rest = pieces
            if isinstance(first, str) and first in links:
                steps.append(tag("li", tag("a", tag("code", first), href=links[first]), _written(rest), "."))
            else:
                steps.append(tag("li", _written(pieces), "."))
        listed = tag("ol", steps, class_="steps")
        if long:
            listed = tag("details", tag("summary", f"Steps: {len(steps)}"), listed)
        parts.append(join(tag("h3", tag("code", node["name"])), listed))
    return join(parts)


def _lemmas(nodes: Sequence[Node], links: Mapping[str, str]) -> str:
    """The lemmas that the claims use."""
    if not nodes:
        return _frame("Lemmas", ["These claims use no lemma."], [])
    lead = "What the claims rest on; proved and checked with every claim that uses them."
    parts = [
        section("statements", "Statements", join([_statements([node]) for node in nodes])),
        section("hypotheses", "Hypotheses and counterexamples", _trials(nodes)),
        section("proofs", "Proofs", _proofs(nodes, links)),
    ]
    return _frame("Lemmas", [lead], parts)


def _refuted() -> str:
    """Plausible theorems that are false."""
    parts = []
    for number, false in enumerate(refuted(), 1):
        clauses = _clauses(result({"name": false.words, "statement": list(false.statement)}, ()))
        data, results = (
            ", ".join(f"{unicode_math(s)} = [{v}]" for s, v in part) for part in (false.data, false.results)
        )
        found = f"Counterexample: {data}; then {results}." if data else "No counterexample found."
        title = f"{false.words[0].upper()}{false.words[1:]}"
        parts.append(section(f"false-{number}", title, clauses, tag("p", mathematics(found))))
    lead = "Each of these is false, by an exact counterexample that the search for models found by itself."
    return _frame("False theorems", [lead], parts)
