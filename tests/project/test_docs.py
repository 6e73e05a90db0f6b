"""The documentation is run, not believed: every page prints what it shows, and shows what its code draws."""

from __future__ import annotations

import re
from pathlib import Path
from types import ModuleType

import pytest

import muso_theory as mt
from docs import executed, hooks
from muso_theory.claims import CATALOGUE
from muso_theory.glossary import GLOSSARY
from tests import ROOT
from verification.campaign import read_result

PAGES = sorted((ROOT / "docs").rglob("*.md"))
RUN = [page for page in PAGES if executed.blocks(page.read_text(encoding="utf-8"))]


def named(page: Path) -> str:
    return page.relative_to(ROOT / "docs").as_posix()


@pytest.mark.slow
@pytest.mark.parametrize("page", RUN, ids=named)
def test_a_page_prints_what_it_shows(page: Path, tmp_path: Path) -> None:
    text = page.read_text(encoding="utf-8")
    for block, printed in executed.run(text, tmp_path):
        assert executed.same(block.body, printed), printed
    for name in executed.shown_files(text):
        assert (tmp_path / name).stat().st_size > 0


def test_all_code_is_run_but_that_of_torch() -> None:
    left = [
        (named(page), block.body)
        for page in RUN
        for block in executed.blocks(page.read_text())
        if not block.runs
    ]
    assert {page for page, _ in left} == {"how-to/torch.md"}
    assert len(left) == 2
    assert all("torch" in body for _, body in left)
    known = {
        (block.language, bool(block.title)) for page in RUN for block in executed.blocks(page.read_text())
    }
    assert known <= {("python", False), ("python", True), ("sh", False), ("text", False)}


@pytest.mark.parametrize(
    ("shown", "printed", "agree"),
    [
        ("a  ≤ 0.0019 for 12 rows", "a ≤ 0.0019  for 12 rows", True),
        ("≤ 0.0019", "≤ 0.002", True),
        ("≤ 0.0019", "≤ 0.0022", False),
        ("≤ 1.7e-12", "≤ 9.9e-13", True),
        ("≤ 1.7e-12", "≤ 1.7e-03", False),
        ("≥ 1.1e+09", "≥ 1.2e+09", True),
        ("≥ 1.1e+09", "≥ 1.1e+08", False),
        ("12 rows", "13 rows", False),
        ("PROVED 1", "CERTIFIED 1", False),
        ("gap 2.5", "gap -2.5", False),
        ("one\ntwo", "one", False),
        ("one\n...\n", "one\ntwo\nthree\n", True),
        ("one\n...\n", "two\nthree\n", False),
        ("one\n...\nfour\n...\n", "one\ntwo\nfour\nfive\n", True),
        ("one\n...\nfour\n", "one\ntwo\nfour\nfive\n", False),
        ("...\n5 rows", "one\n5 rows", True),
        ("...\n5 rows\n...\n", "one 5\nrows two", True),
        ("...\n5 rows", "one\n6 rows", False),
    ],
)
def test_what_agrees(shown: str, printed: str, agree: bool) -> None:
    assert executed.same(shown, printed) is agree


@pytest.mark.slow
@pytest.mark.parametrize(
    ("page", "why"),
    [
        ("```python\nnothing\n```\n", "NameError"),
        ("```python\nimport warnings\nwarnings.warn('old')\n```\n", "UserWarning"),
        ("```sh\nmuso explain VACUOUS  # exits with 3\n```\n", "exits with 0"),
        ("```sh\nmuso explain vacous\n```\n", "exits with 2"),
        ("```sh\nrm -r x\n```\n", "no command"),
    ],
)
def test_a_page_that_is_wrong_fails(page: str, why: str, tmp_path: Path) -> None:
    with pytest.raises(executed.PageError, match=why):
        list(executed.run(page, tmp_path))


def test_what_is_printed_can_be_written_into_a_page(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text(
        "```python\nprint(6 * 7)\n```\n\n```text\n41\n```\n\n```text\n42\n...\n```\n", encoding="utf-8"
    )
    executed.main([str(page)])
    assert page.read_text(encoding="utf-8").endswith("```text\n42\n```\n\n```text\n42\n...\n```\n")


def test_the_catalogue_is_whole() -> None:
    page = hooks.claims_page()
    for claim in CATALOGUE.values():
        assert page.count(f"{{ #{claim.slug} }}") == 1
        for slug in claim.hypotheses:
            assert f"Needs [`{slug}`](#{slug})" in page
    proofs = dict(hooks.proof_pages())
    links = re.findall(r"\(\.\./(proofs/[^)]+)\)", page)
    assert links
    assert set(links) <= set(proofs)


def test_the_glossary_is_whole() -> None:
    page = hooks.glossary_page()
    for word in GLOSSARY.values():
        assert f"| **{word.name}** |" in page
    assert all(f"`{verdict.name}`" in page for verdict in mt.Verdict)


def test_every_command_is_shown() -> None:
    page = hooks.commands_page()
    for name in ("check", "figure", "refute", "explain"):
        assert f"## muso {name}\n" in page
        assert f"Usage: muso {name} [OPTIONS]" in page
    assert "--arithmetic" in page


def test_everything_public_has_a_page() -> None:
    shown = {module for modules in hooks.rooms().values() for module in modules}
    for name in mt.__all__:
        value = getattr(mt, name)
        if isinstance(value, ModuleType):
            assert any(f"{module}.".startswith(f"{value.__name__}.") for module in shown), name
            continue
        home = getattr(value, "__module__", None)
        assert home is None or not home.startswith("muso_theory") or home in shown, name
    [index] = [page for uri, page in hooks.python_pages() if uri == "reference/python.md"]
    assert "[`mt.check`][muso_theory.checking.run.check]" in index


def test_the_campaigns_stand_where_they_are_asked_for() -> None:
    page = (ROOT / "docs" / "how-to" / "reproduce.md").read_text(encoding="utf-8")
    assert page.count("<!-- campaigns -->") == 1
    assert "| `soundness` |" in hooks.on_page_markdown(page, page=None)
    assert hooks.on_page_markdown("nothing", page=None) == "nothing"


def test_every_result_has_a_page_with_what_it_concludes_and_whole_tables() -> None:
    pages = dict(hooks.result_pages())
    results = ROOT / "verification" / "results"
    assert len(pages) == len(list(results.glob("*.json"))) + 1
    for result in map(read_result, results.glob("*.json")):
        page = pages[f"results/{result['campaign']}.md"]
        for conclusion in result["conclusions"]:
            assert conclusion["sentence"] in page
            assert conclusion["sentence"] in pages["results/index.md"]
        assert "rows are on the site" not in page
    assert "<details" in pages["results/alternating.md"]


def test_docstrings_are_read_as_they_are_meant() -> None:
    pytest.importorskip("griffe", reason="needs the extra [docs]")
    from docs.docstrings import plain

    assert plain("See :class:`Report`.\n\nExample:\n    >>> 1\n") == "See `Report`.\n\nExamples:\n    >>> 1\n"
