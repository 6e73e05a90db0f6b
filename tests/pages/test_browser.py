"""Pages in a real browser: silent, self-contained, accessible, whole on a phone and on paper."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

import muso_theory as mt
from muso_theory.claims.theorems.library import Proof
from muso_theory.claims.theorems.writing import load_certificate
from muso_theory.pages import Observation, details, report_page, write_site
from tests import ROOT
from tests.pages.browser import NARROW, WIDE, Browser, axe_source, running
from tests.zoo import ZOO

CERTIFICATES = ROOT / "proofs" / "certificates"
PAGES = ("good", "bad", "index", "label-free", "cyclic-sgd", "lemmas", "refuted")
VIEWS = ((NARROW, True), (WIDE, False))


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    yield from running()


@pytest.fixture(scope="module")
def room(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A report where all is well, one with a refuted audit and empty claims, and a site of four claims."""
    root = tmp_path_factory.mktemp("pages")
    rng = np.random.default_rng(0)
    targets = np.eye(3)[rng.integers(0, 3, 30)]
    good = mt.UnlearningProblem.from_data(rng.standard_normal((30, 50)), targets, forget=range(15), seed=0)
    bad = ZOO["under-parameterised"]()
    labels = mt.optimal_labels(bad) + 1
    slugs = ("exact-labels", "gap-formula", "label-free", "cyclic-sgd")
    proofs = [Proof(slug, load_certificate(CERTIFICATES / f"{slug}.json")) for slug in slugs]  # type: ignore[arg-type]
    write_site(
        root, proofs, [Observation("label-free", "campaign x", "‖w_u − w_r‖ ≤ 1e-9", mt.Verdict.CERTIFIED)]
    )
    for name, problem, given in (("good", good, None), ("bad", bad, labels)):
        report = mt.check(problem, labels=given)
        (root / f"{name}.html").write_text(
            report_page(report, details(problem, report, given)), encoding="utf-8"
        )
    return root


@pytest.mark.slow
@pytest.mark.parametrize("name", PAGES)
@pytest.mark.parametrize(("width", "dark"), VIEWS, ids=["phone-dark", "desk-light"])
def test_pages_are_silent_and_whole(browser: Browser, room: Path, name: str, width: int, dark: bool) -> None:
    browser.show(room / f"{name}.html", width, dark)
    assert browser.console() == []
    assert browser.requests() == []
    assert browser.broken_links() == []
    assert browser.overflow() <= 0


@pytest.mark.slow
@pytest.mark.parametrize("name", PAGES)
@pytest.mark.parametrize(("width", "dark"), VIEWS, ids=["phone-dark", "desk-light"])
def test_pages_are_accessible(browser: Browser, room: Path, name: str, width: int, dark: bool) -> None:
    axe = axe_source()
    browser.show(room / f"{name}.html", width, dark)
    assert browser.violations(axe) == []


@pytest.mark.parametrize("name", PAGES)
def test_pages_print_whole(browser: Browser, room: Path, name: str, tmp_path: Path) -> None:
    browser.show(room / f"{name}.html")
    assert browser.cut_in_print() == []
    browser.show(room / f"{name}.html")
    rows = browser.driver.execute_script(
        "return [...document.querySelectorAll('tbody th')].map(e => e.innerText.split('\\n')[0].trim())"
    )
    pdf = tmp_path / "page.pdf"
    pdf.write_bytes(browser.printed())
    assert pdf.read_bytes().startswith(b"%PDF")
    if shutil.which("pdftotext"):
        read = subprocess.run(
            ["pdftotext", "-raw", str(pdf), "-"], capture_output=True, text=True, check=True
        )
        words = "".join(read.stdout.split())
        assert [row for row in rows if "".join(row.split()) not in words] == []


def test_keyboard_and_graph(browser: Browser, room: Path) -> None:
    from selenium.webdriver.common.keys import Keys

    browser.show(room / "index.html")
    body = browser.driver.find_element("tag name", "body")
    body.send_keys(Keys.TAB)
    focused = browser.driver.switch_to.active_element
    assert focused.get_attribute("class") == "skip"
    assert focused.rect["x"] >= 0
    browser.driver.find_element("css selector", '.graph a[href="label-free.html"]').click()
    assert browser.driver.current_url.endswith("label-free.html")
    assert browser.driver.find_element("tag name", "h1").text == "label-free"
    assert browser.driver.execute_script("return document.querySelectorAll('math').length") > 20


def test_details_open_on_paper(browser: Browser, room: Path, tmp_path: Path) -> None:
    if not shutil.which("pdftotext"):
        pytest.skip("pdftotext is not installed: apt-get install poppler-utils")
    browser.show(room / "good.html")
    hidden = browser.driver.execute_script(
        "return [...document.querySelectorAll('details:not([open])')]"
        ".map(e => [...e.children].slice(1).map(c => c.textContent).join(''))"
    )
    assert len(hidden) > 5
    (tmp_path / "page.pdf").write_bytes(browser.printed())
    read = subprocess.run(
        ["pdftotext", "-raw", str(tmp_path / "page.pdf"), "-"], capture_output=True, text=True, check=True
    )
    printed = "".join(read.stdout.split())
    # The first words of what each closed detail hides; later ones may be broken by the end of a page.
    assert [text for text in hidden if "".join(text.split())[:20] not in printed] == []


BAD = """<!doctype html><html lang="en"><title>bad</title><body style="background:#fff">
<h1>bad</h1><p style="color:#ddd">pale</p>
<a href="#nowhere">a</a><a href="gone.html">b</a><a href="https://example.org">c</a>
<img src="https://example.invalid/x.png" alt="x">
<table style="width:2000px"><caption>t</caption><tr><td>x</td></tr></table>
<script>console.error("planted"); nothing()</script></body></html>"""


def test_every_check_sees_what_it_is_for(browser: Browser, tmp_path: Path) -> None:
    page = tmp_path / "bad.html"
    page.write_text(BAD, encoding="utf-8")
    browser.show(page, NARROW)
    assert any("planted" in line for line in browser.console())
    assert any("example.invalid" in url for url in browser.requests())
    assert sorted(browser.broken_links()) == ["#nowhere", "gone.html", "https://example.org"]
    assert browser.overflow() > 0
    assert any(line.startswith("TABLE") for line in browser.cut_in_print())


def test_the_accessibility_check_sees_low_contrast(browser: Browser, tmp_path: Path) -> None:
    axe = axe_source()
    page = tmp_path / "bad.html"
    page.write_text(BAD, encoding="utf-8")
    browser.show(page)
    assert any("color-contrast" in line for line in browser.violations(axe))
