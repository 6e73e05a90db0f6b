"""The README is run, not believed."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import pytest

import muso_theory as mt
import verification.__main__ as verification
from docs import executed
from figures.__main__ import main as draw
from muso_theory.claims import markdown_table
from tests import ROOT
from verification.campaign import read_result

README = (ROOT / "README.md").read_text(encoding="utf-8")
CI = ROOT / ".ci" / "run"


def test_first_screen() -> None:
    first, second = executed.blocks(README)[0].body.splitlines()
    assert first == "pip install . && muso check digits"
    assert second == "pip install '.[test]' && pytest"
    assert README.split("## Claims")[0].count("\n") <= 40


@pytest.mark.skipif(not CI.exists(), reason="a source distribution holds no .ci")
def test_ci_runs_the_first_two_commands() -> None:
    ci = CI.read_text(encoding="utf-8").splitlines()
    first, second = executed.blocks(README)[0].body.splitlines()
    assert ci.index(first) < ci.index(second)


@pytest.mark.slow
def test_it_prints_what_it_shows(tmp_path: Path) -> None:
    installing = executed.blocks(README)[0]
    found = list(executed.run(README[installing.span[1] + 3 :], tmp_path))
    assert len(found) == 5
    for block, printed in found:
        assert executed.same(block.body, printed), printed
    drawn = [line for line in found[3][1].splitlines() if (tmp_path / line).stat().st_size > 0]
    assert len(drawn) == 3


def test_claims_table_is_current() -> None:
    table = README.split("<!-- claims -->\n")[1].split("<!-- /claims -->")[0]
    assert table == markdown_table()


def test_every_link_leads_to_a_file() -> None:
    links = [link for link in re.findall(r"\]\(([^)#]+)", README) if not link.startswith("https://")]
    assert len(links) > 20
    assert [link for link in links if not (ROOT / link).exists()] == []


def test_every_campaign_has_a_committed_result() -> None:
    results = ROOT / "verification" / "results"
    every = [
        campaign for name in verification.names() for campaign in verification.campaigns(name, None, False)
    ]
    missing = [
        campaign.label
        for campaign in every
        if not any((results / campaign.file(quick)).exists() for quick in (0, 1))
    ]
    assert missing == []


def unfounded(readme: str) -> list[str]:
    """Lines of "What we found" that are no sentence of the result that they link to."""
    found = readme.split("## What we found\n\n")[1].split("\n## ")[0]
    _, _, listed = found.partition("\n\n")
    bad = []
    for line in listed.strip().splitlines():
        shape = re.fullmatch(r"- (.+) \(\[([\w-]+)\]\(verification/results/\2\.md\)\)", line)
        path = ROOT / "verification" / "results" / f"{shape[2] if shape else 'no'}.json"
        known = path.is_file() and [each["sentence"] for each in read_result(path)["conclusions"]]
        if not shape or not known or shape[1] not in known:
            bad.append(line)
    return bad


def test_every_sentence_on_what_we_found_is_concluded_from_rows() -> None:
    begin, end = README.index("## What we found"), README.index("## Three figures")
    assert README.count("](verification/results/", begin) == README.count("\n- ", begin, end)
    assert unfounded(README) == []
    [first, *_] = re.findall(r"\n(- .+\(\[[\w-]+\]\(verification/results/.+)\n", README)
    for slip in (
        re.sub(r"\d", "7", first),
        "- It is better.",
        first.replace("](verification", "](elsewhere"),
        "Plain words.",
    ):
        assert unfounded(README.replace(first, slip)) == [slip]


GALLERY = re.findall(r"figures/gallery/(\w+)\.svg", README)


def test_the_gallery_is_what_its_command_draws(tmp_path: Path) -> None:
    import matplotlib as mpl

    if mpl.__version__ != (made := "3.11.2"):
        pytest.skip(f"drawn with matplotlib {made}; another version draws other bytes")
    [line] = re.findall(r"`python -m figures (.*? --out figures/gallery)`", README)
    names = shlex.split(line)
    names = names[: names.index("--format")]
    assert names[:3] == GALLERY
    assert draw([*names, "--format", "svg", "--out", str(tmp_path)]) == 0
    kept = ROOT / "figures" / "gallery"
    assert {path.name for path in kept.iterdir()} == {f"{n}.{kind}" for n in names for kind in ("svg", "txt")}
    for path in kept.iterdir():
        assert same_drawing((tmp_path / path.name).read_text(), path.read_text()), path.name


def same_drawing(one: str, other: str) -> bool:
    """Whether two drawings have the same elements and words, at places within a hundredth of a point.

    Logarithms and sums of another processor move the sixth digit of a place, and with it the names that matplotlib
    hashes from the places.
    """
    names, places = re.compile(r"\b[pm][0-9a-f]{10}\b"), re.compile(r"-?\d+(?:\.\d+)?")
    one, other = (names.sub("", text) for text in (one, other))
    if places.sub("", one) != places.sub("", other):
        return False
    return all(
        abs(float(a) - float(b)) <= 0.01
        for a, b in zip(places.findall(one), places.findall(other), strict=True)
    )


def test_another_drawing_is_seen() -> None:
    drawn = (ROOT / "figures" / "gallery" / "gap_by_epoch.svg").read_text()
    place = re.findall(r"\d+\.\d{6}", drawn)[40]
    assert same_drawing(drawn, drawn.replace(place, f"{float(place) + 1e-6:.6f}", 1))
    assert not same_drawing(drawn, drawn.replace(place, f"{float(place) + 0.02:.6f}", 1))
    assert not same_drawing(drawn, drawn.replace("#000000", "#000001", 1))
    assert not same_drawing(drawn, drawn.replace("<use ", "<g ", 1))


def test_everything_public_can_be_reached() -> None:
    for name in mt.__all__:
        assert getattr(mt, name) is not None
    with pytest.raises(AttributeError, match="no attribute"):
        mt.nothing  # noqa: B018
