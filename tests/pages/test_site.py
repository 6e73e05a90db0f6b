"""The theorem site: every page says what the certificate says, and every link leads somewhere."""

from __future__ import annotations

import itertools
import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import numpy as np
import pytest

import muso_theory as mt
from muso_theory.algebra.render import _breakable, mathml
from muso_theory.claims.theorems.library import Proof
from muso_theory.claims.theorems.registry import slugs
from muso_theory.claims.theorems.showing import figures, unproved
from muso_theory.claims.theorems.writing import load_certificate
from muso_theory.files.results import result_hash
from muso_theory.pages import Observation, draw_shown, read_instances, theorem_site, write_site
from muso_theory.pages.layout import prose
from muso_theory.plots import sources
from tests import ROOT
from tests.pages.browser import resolves
from verification.commands import muso

ROOM = ROOT / "proofs"
SLUGS = ("exact-labels", "label-free", "cyclic-sgd")


def sealed(result: dict[str, Any]) -> str:
    """A result as a campaign would write it."""
    return json.dumps(result | {"sha256": result_hash(result)})


def stored(slug: str) -> Proof:
    return Proof(slug, load_certificate(ROOM / "certificates" / f"{slug}.json"))  # type: ignore[arg-type]


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("site")
    report = root / "report.json"
    problem = mt.UnlearningProblem(np.array([[1, 0, 1], [1, 1, 0], [2, 1, 1]]), np.array([1, 2, 5]), [1])
    report.write_text(mt.check(problem).to_json(), encoding="utf-8")
    campaign = root / "baselines.json"
    campaign.write_text(sealed({"campaign": "baselines", "claims": ["label-free"], "verdict": "fine"}))
    write_site(root / "site", [stored(slug) for slug in SLUGS], read_instances([report, campaign]))
    return root / "site"


def links(page: Path) -> Iterator[str]:
    yield from re.findall(r'href="([^"]+)"', page.read_text(encoding="utf-8"))


def test_every_link_resolves(site: Path) -> None:
    pages = sorted(site.glob("*.html"))
    assert {p.stem for p in pages} == {*SLUGS, "index", "lemmas", "refuted"}
    for page in pages:
        found = list(links(page))
        assert found
        assert [link for link in found if not resolves(link, page)] == []


def test_a_broken_link_is_seen(site: Path) -> None:
    page = site / "label-free.html"
    for link in ("#nowhere", "gone.html", "lemmas.html#gone", "https://example.org", "//example.org/x"):
        assert not resolves(link, page)


def test_the_graph_leads_to_every_claim(site: Path) -> None:
    text = (site / "index.html").read_text(encoding="utf-8")
    svg = re.search(r"<svg.*?</svg>", text, flags=re.S)
    assert svg
    inside = set(re.findall(r'<a href="([^"]+)"', svg[0]))
    assert {f"{slug}.html" for slug in SLUGS} <= inside
    assert len(inside) == svg[0].count("<rect")


@pytest.mark.parametrize("slug", SLUGS)
def test_a_page_says_what_the_certificate_says(site: Path, slug: str) -> None:
    text = (site / f"{slug}.html").read_text(encoding="utf-8")
    proof = stored(slug)
    assert proof.hash in text
    assert (
        json.loads((site / "certificates" / f"{slug}.json").read_text(encoding="utf-8")) == proof.certificate
    )
    for node in proof.theorems:
        assert f"<code>{node['name']}</code>" in text
        for line in node["statement"]:
            verb, _, rest = line.partition(" ")
            if verb in ("let", "conclude", "predicate"):
                assert mathml(rest) in text
        for hypothesis in node.get("trials", {}).get("hypotheses", {}):
            assert f"<strong>{hypothesis}</strong>" in text
    assert all(str(prose(words)) in text for words in proof.remains)


def test_evidence_on_data_is_shown_with_its_verdict(site: Path) -> None:
    text = (site / "label-free.html").read_text(encoding="utf-8")
    assert "n = 3, D = 3, 1 to forget" in text
    assert ">VACUOUS</span>" in text
    assert "campaign baselines" in text
    assert "any number of them is no proof" in text
    bare = theorem_site([stored("cyclic-sgd")])["cyclic-sgd.html"]
    assert "any number of them is no proof" not in bare


def test_three_clicks_lead_from_a_theorem_to_a_figure(site: Path) -> None:
    """Theorem, proof, check and figure: each is linked from the top of the page, in this order."""
    text = (site / "label-free.html").read_text(encoding="utf-8")
    (page,) = re.findall(r'<nav aria-label="Page">.*?</nav>', text, flags=re.S)
    parts = ["results", "hypotheses", "proof", "instances", "figure"]
    assert re.findall(r'href="#([^"]+)"', page) == parts
    assert "muso check DATA --claim label-free" in text
    assert "least-squares-on-retain: Φ" in re.sub(r"<[^>]+>", "", text)
    assert "python -m figures exactness" in text  # no results were given that it could be drawn from
    for slug in ("forget-only", "downdate", "minimum-norm", "affine-constraint"):
        page = theorem_site([stored(slug)])[f"{slug}.html"]
        assert 'href="#figure"' in page
        assert "python -m figures identities" in page
    assert all(map(figures, slugs()))  # each claim with a theorem


def test_a_page_draws_what_it_shows_and_has_the_rows_of_its_claim() -> None:
    """From results that are kept: of a figure of all claims the page shows the picture, of its rows what they say."""
    result = ROOT / "verification" / "results" / "identities.json"
    for slug, said in (
        ("capacity", "without a hypothesis by"),
        ("inexact-training", "of what the bound allows"),
    ):
        pages = theorem_site([stored(slug)], read_instances([result]), draw_shown([result]))
        figure = re.findall(r'<section id="figure".*?</section>', pages[f"{slug}.html"], flags=re.S)
        assert figure[0].count("<svg") == 1
        assert "python -m figures identities" not in figure[0]
        assert said in pages[f"{slug}.html"]


@pytest.mark.slow
def test_the_whole_collection_shows_claims_without_a_proof_and_draws_figures(tmp_path: Path) -> None:
    results = [
        ROOT / "verification" / "results" / f"{name}.json"
        for name in ("anatomy", "ablation", "ntk-limit", "identities")
    ]
    report = tmp_path / "report.json"
    problem = mt.UnlearningProblem(np.array([[1, 0, 1], [1, 1, 0], [2, 1, 1]]), np.array([1, 2, 5]), [1])
    report.write_text(mt.check(problem).to_json(), encoding="utf-8")
    drawn = draw_shown([*results, report])
    assert {"exactness", "limits", "downsampling"} <= drawn.keys()
    assert "precision_ladder" not in drawn
    write_site(tmp_path / "site", [stored(slug) for slug in slugs()], read_instances(results), drawn)
    pages = sorted((tmp_path / "site").glob("*.html"))
    assert {page.stem for page in pages} == {*slugs(), *unproved(), "index", "lemmas", "refuted"}
    for page in pages:
        assert [link for link in links(page) if not resolves(link, page)] == []
    index = (tmp_path / "site" / "index.html").read_text(encoding="utf-8")
    for slug in slugs():  # the index leads to the page, the page to its parts, and each has a picture
        assert f'href="{slug}.html"' in index
        page = (tmp_path / "site" / f"{slug}.html").read_text(encoding="utf-8")
        for part in ("results", "hypotheses", "proof", "instances", "figure"):
            assert f'href="#{part}"' in page
        assert "<svg" in page.partition('<section id="figure"')[2], slug
    text = (tmp_path / "site" / "kernel-limit.html").read_text(encoding="utf-8")
    assert text.count("<svg") == 1
    for slug in unproved():
        assert re.search(rf'<a href="{slug}\.html">\s*<g><title>{slug}: ', index)
        plain = " ".join(
            re.sub(r"<[^>]+>", "", (tmp_path / "site" / f"{slug}.html").read_text("utf-8")).split()
        )
        assert "What remains" in plain
    assert index.count('stroke-dasharray="4 3"') == len(unproved())


def test_mathml_is_well_formed_for_every_formula() -> None:
    count = 0
    for line in (ROOM / "statements.txt").read_text(encoding="utf-8").splitlines():
        verb, _, rest = line.strip().partition(" ")
        if verb not in ("let", "conclude", "predicate"):
            continue
        written = mathml(rest)
        tree = ElementTree.fromstring(f"<x>{written.replace('<wbr>', '<wbr/>')}</x>")
        names = "".join(tree.itertext())
        assert names.count("=") == rest.count("=")
        assert names.count("⊤") == rest.count("'")
        assert names.count("(") == rest.count("(")
        count += 1
    assert count > 100


def _may_break(text: str) -> list[int]:
    """Where a line may break: before a relation or a sign and after a comma, in short equations outside brackets."""
    return [
        match.end() if match.group() == ", " else match.start() + 1
        for match in re.finditer(r", | [=+-] ", text)
        if len(text) >= 36 or text[: match.start()].count("(") == text[: match.start()].count(")")
    ]


@pytest.mark.parametrize(
    "text",
    [
        "a = (b + c) d + (e - f) g - h",
        "(a + b) c = d, (e + f) g = h",
        "((a + b) c + d) e = f - (g)",
        "a (b) c (d) e (f) g (h) = i",
        "a + b = ((c - d) (e + f) - g)",
        "a = (b + c) d + (e - f) g - h (a + b) c (d - e)",
        "w_p = w_0 + Phi^+ (y - Phi w_0)",
    ],
)
def test_a_line_breaks_at_every_sign_outside_brackets_and_within_long_ones(text: str) -> None:
    cuts = [0, *_may_break(text), len(text)]
    assert _breakable(text) == [text[a:b].strip() for a, b in itertools.pairwise(cuts)]
    assert mathml(text).count("<wbr>") == (len(cuts) - 2 if len(text) > 24 else 0)


@pytest.mark.slow
def test_the_same_proofs_give_the_same_site() -> None:
    one, two = (theorem_site([stored("exact-labels")]) for _ in range(2))
    assert one == two


def test_by_command(tmp_path: Path) -> None:
    answer = muso("prove", "exact-labels", "--html", tmp_path / "site")
    assert answer.status == 0
    assert "begin with" in answer.out
    assert (tmp_path / "site" / "exact-labels.html").is_file()


@pytest.mark.parametrize(
    ("content", "why"),
    [("{}", "another JSON"), ("nonsense", "JSON text"), ('{"evidence": [{}]}', "another JSON")],
)
def test_evidence_that_is_none_is_refused(tmp_path: Path, content: str, why: str) -> None:
    (tmp_path / "x.json").write_text(content, encoding="utf-8")
    answer = muso("prove", "exact-labels", "--html", tmp_path / "site", "--evidence", tmp_path / "x.json")
    assert (answer.status, why in answer.err) == (2, True)
    assert not (tmp_path / "site").exists()
    answer = muso("prove", "exact-labels", "--evidence", tmp_path / "gone.json")
    assert (answer.status, "missing" in answer.err) == (2, True)


def test_a_file_is_no_folder(tmp_path: Path) -> None:
    (tmp_path / "site").write_text("here", encoding="utf-8")
    answer = muso("prove", "exact-labels", "--html", tmp_path / "site")
    assert (answer.status, "expected a folder" in answer.err) == (2, True)
    with pytest.raises(mt.BadInputError, match="a folder that can be made"):
        write_site(tmp_path / "site", [])


def test_evidence_that_was_changed_or_is_of_another_version_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "x.json"
    result = {"campaign": "lazy", "verdict": "1 of 8", "schema": 1}
    path.write_text(sealed(result).replace("1 of 8", "8 of 8"), encoding="utf-8")
    with pytest.raises(mt.BadInputError, match="changed after it was written"):
        read_instances([path])
    path.write_text(sealed(result | {"schema": 3}), encoding="utf-8")
    with pytest.raises(mt.BadInputError, match="schema version 1"):
        read_instances([path])
    problem = mt.UnlearningProblem(np.array([[1, 0, 1], [1, 1, 0], [2, 1, 1]]), np.array([1, 2, 5]), [1])
    report = mt.check(problem, ["label-free"]).to_json()
    path.write_text(report.replace('"VACUOUS"', '"PROVED"'), encoding="utf-8")
    with pytest.raises(mt.BadInputError, match="changed after it was written"):
        read_instances([path])
    # A wrong seal is one whether it sorts before the right one or after it.
    for written, key in ((json.loads(report), "digest"), (result, "sha256")):
        for seal in ("0" * 64, "g" * 64, None):
            path.write_text(json.dumps({**written, key: seal}), encoding="utf-8")
            for read in (lambda: read_instances([path]), lambda: sources.read(path)):
                with pytest.raises(mt.BadInputError, match="changed after it was written"):
                    read()
    path.write_text(report.replace('"schema": ', '"schema": 9'), encoding="utf-8")
    with pytest.raises(mt.BadInputError, match="schema version"):
        read_instances([path])


def test_what_is_stored_can_be_read() -> None:
    found = read_instances([ROOT / "verification" / "results"])
    assert {"campaign identities", "campaign hypotheses"} <= {one.source for one in found}
    assert set(slugs()) <= {one.claim for one in found}


def test_a_campaign_shows_what_kind_of_evidence_it_is(tmp_path: Path) -> None:
    path = tmp_path / "x.json"
    result = {"campaign": "lazy", "verdict": "1 of 8", "quick": True, "failed": True}
    path.write_text(sealed(result), encoding="utf-8")
    found, other = read_instances([path])
    assert (found.claim, other.claim) == ("lazy-training", "linearised-network")
    assert found.source == "campaign lazy, quick: no evidence, failed its own judgement"
    assert found.words == "of all that it measured: 1 of 8"
    judged = {
        "hypothesis": "step-size",
        "claim": "implicit-bias",
        "search": "needed",
        "size": "n = 2, D = 1",
        "tried": 1,
    }
    other = {
        "hypothesis": "full-rank-retain",
        "claim": "ridge-inverse",
        "search": "none found",
        "tried": 4169,
    }
    plain = {"claim": "exact-labels", "status": "proved"}
    path.write_text(sealed({"campaign": "hypotheses", "claims": [judged, other, plain]}), encoding="utf-8")
    first, second = read_instances([path])
    assert (first.claim, first.words) == (
        "implicit-bias",
        "false without step-size: a counterexample has n = 2, D = 1",
    )
    assert second.words == "without full-rank-retain: no counterexample among 4169 problems"


def test_rows_of_a_campaign_speak_of_their_own_claim_alone(tmp_path: Path) -> None:
    path = tmp_path / "x.json"
    rows = [
        {"claim": "a", "share": 1e-3}, {"claim": "exact-labels", "share": 2e-9, "share without": 0.5},
        {"claim": "exact-labels", "share": 4e-9, "share without": 0.25, "of bound": 0.125},
        {"claim": "zz", "of bound": 8.0},
    ]  # fmt: skip
    path.write_text(sealed({"campaign": "mine", "claims": ["exact-labels"], "rows": rows}), encoding="utf-8")
    (found,) = read_instances([path])
    assert found.words == (
        "both sides differ by at most 4.0e-09 of their yardstick, rows: 2; "
        "without a hypothesis by 0.25 to 0.5, rows: 2; 0.12 to 0.12 of what the bound allows, rows: 1"
    )


@pytest.mark.slow
def test_instances_are_needless_only_where_the_proof_is_whole() -> None:
    for slug, needless in (("exact-labels", True), ("cyclic-sgd", False)):
        found = [Observation(slug, "campaign x", "fine")]
        page = theorem_site([stored(slug)], found)[f"{slug}.html"]
        assert ("none is needed here" in page) is needless
        assert "any number of them is no proof" in page
