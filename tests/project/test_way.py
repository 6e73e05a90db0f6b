"""A reader's way: at most three links from the README to what each certified claim says, and to all that shows it."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import unquote

import pytest

from docs import hooks
from muso_theory.claims.theorems.registry import slugs
from muso_theory.claims.theorems.showing import check_command, gallery_figures
from muso_theory.files.results import restored
from tests import ROOT

README = ROOT / "README.md"
PARTS = ("main-results", "hypotheses-and-counterexamples", "proof", "check", "figure")


def targets(page: Path, text: str) -> Iterator[tuple[Path, str]]:
    """Files that a page links to, each with the heading that is meant."""
    for link in re.findall(r"\]\(([^)\s]+)\)", re.sub(r"```.*?```", "", text, flags=re.S)):
        if not re.match(r"[a-z]+:", link):
            name, _, place = unquote(link).partition("#")
            yield ((page.parent / name).resolve() if name else page), place


def places(page: Path) -> set[str]:
    """The headings of a page, as GitHub and MkDocs name them."""
    text = re.sub(r"```.*?```", "", page.read_text(encoding="utf-8"), flags=re.S)
    return {
        re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-")
        for heading in re.findall(r"^#+ (.*)$", text, flags=re.M)
    }


def broken(page: Path, text: str) -> list[str]:
    """Links of a page that lead to no file, or to a heading that its file has not."""
    return [
        f"{target.name}#{place}"
        for target, place in targets(page, text)
        if not target.exists() or (place and place not in places(target))
    ]


def walked(far: int = 3) -> dict[tuple[Path, str], int]:
    """What can be reached from the README, and by how many links."""
    found: dict[tuple[Path, str], int] = {(README, ""): 0}
    seen, now = {README}, [README]
    for links in range(1, far + 1):
        reached = []
        for page in now:
            for target, place in targets(page, page.read_text(encoding="utf-8")):
                found.setdefault((target, place), links)
                found.setdefault((target, ""), links)  # a heading is on its page
                if target not in seen and target.suffix == ".md" and target.exists():
                    seen.add(target)
                    reached.append(target)
        now = reached
    return found


@pytest.fixture(scope="module")
def way() -> dict[tuple[Path, str], int]:
    return walked()


@pytest.mark.parametrize("slug", slugs())
def test_three_links_lead_to_statement_proof_check_and_figure(
    slug: str, way: dict[tuple[Path, str], int]
) -> None:
    page = ROOT / "proofs" / "pages" / f"{slug}.md"
    text = page.read_text(encoding="utf-8")
    assert broken(page, text) == []
    for part in PARTS:
        assert way.get((page, part), 9) <= 3, part
    linked = {target for target, _ in targets(page, text)}
    row, searched = (ROOT / "verification" / "results" / f"{n}.md" for n in ("theorems", "hypotheses"))
    assert {page.parents[1] / "certificates" / f"{slug}.json", row, searched} <= linked
    assert f"| {slug} |" in row.read_text(encoding="utf-8")
    pictures = {ROOT / "figures" / "gallery" / f"{name}.svg" for name in gallery_figures(slug)}
    assert pictures
    assert pictures <= linked
    for target in (row, searched, *pictures):
        assert way.get((target, ""), 9) <= 3, target
    assert not check_command(slug) or f"`{check_command(slug)}`" in text


def test_the_figure_of_all_claims_has_each_claim_in_it() -> None:
    path = ROOT / "verification" / "results" / "identities.json"
    rows = restored(json.loads(path.read_text(encoding="utf-8")))["rows"]
    drawn = {row["claim"] for row in rows if row.get("share") or row.get("of bound")}
    assert {slug for slug in slugs() if "identities" in gallery_figures(slug)} <= drawn


def test_a_broken_link_and_a_longer_way_are_seen() -> None:
    page = ROOT / "proofs" / "pages" / "energy.md"
    text = page.read_text(encoding="utf-8")
    for there, gone in (("identities.svg", "identity.svg"), ("(#proof)", "(#prove)"), ("pages", "paged")):
        slip = text.replace(there, gone, 1) if there != "pages" else text + "[x](../paged/energy.md)"
        assert len(broken(page, slip)) == 1, gone
    assert (page, "proof") not in walked(1)


def test_the_site_shows_what_pages_link_to() -> None:
    pages = dict(hooks.proof_pages())
    shown = pages["proofs/energy.md"]
    assert isinstance(shown, str)
    assert "![identities](../figures/identities.svg)" in shown
    for link in re.findall(r"\]\((\.\./[^)#]+)", shown):
        uri = link.removeprefix("../")
        assert uri in pages or uri.startswith("results/") or (ROOT / "docs" / uri).exists(), link
