"""The room `proofs/`: current, reproducible byte for byte, readable, and checked by a bare Python."""

import json
import re
import subprocess
import sys
from pathlib import Path
from xml.etree import ElementTree

import pytest

from muso_theory.claims.theorems.library import check_certificate, prove
from muso_theory.claims.theorems.registry import THEOREMS, slugs
from muso_theory.claims.theorems.showing import unproved
from muso_theory.claims.theorems.status import INDEX, theorem_status
from muso_theory.claims.theorems.writing import load_certificate, write_index, write_proofs
from muso_theory.errors import MusoError
from tests import ROOT

ROOM = ROOT / "proofs"
SCREEN = 66
"""Lines; two of them are the longest page."""


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The room, written from scratch."""
    root = tmp_path_factory.mktemp("proofs")
    write_proofs(root)
    return root


@pytest.mark.slow
def test_everything_is_reproduced_byte_for_byte(written: Path) -> None:
    made = {path.relative_to(written): path.read_bytes() for path in written.rglob("*") if path.is_file()}
    kept = {path: (ROOM / path).read_bytes() for path in made}
    assert made == kept
    for folder in ("certificates", "pages"):
        assert {p.name for p in (ROOM / folder).iterdir()} == {p.name for p in (written / folder).iterdir()}


@pytest.mark.slow
def test_shipped_index_is_current(tmp_path: Path) -> None:
    write_index(tmp_path / "index.json")
    assert (tmp_path / "index.json").read_bytes() == INDEX.read_bytes()


def test_statements_kept_by_hand_are_those_registered() -> None:
    blocks: dict[str, list[str]] = {}
    for line in (ROOM / "statements.txt").read_text(encoding="utf-8").splitlines():
        if line.startswith("theorem "):
            lines = blocks[line.removeprefix("theorem ")] = []
        elif line.startswith("  "):
            lines.append(line.removeprefix("  "))
    assert blocks == {name: list(theorem.lines) for name, theorem in THEOREMS.items()}


def test_bare_python_checks_everything() -> None:
    run = subprocess.run(
        [sys.executable, "-I", "-S", str(ROOM / "check.py")],
        capture_output=True,
        text=True,
        timeout=600,
        check=False,
    )
    assert run.returncode == 0, run.stdout + run.stderr
    assert f"{len(slugs())} of {len(slugs())} certificates accepted" in run.stdout
    assert "trusts: Moore-Penrose inverses exist" in run.stdout
    assert "beyond algebra:" in run.stdout


def test_checker_imports_the_standard_library_only() -> None:
    source = (ROOM / "check.py").read_text(encoding="utf-8")
    imported = {line.split()[1] for line in source.splitlines() if line.startswith(("import ", "from "))}
    assert imported <= set(sys.stdlib_module_names)


def test_checker_misses_a_missing_certificate(tmp_path: Path) -> None:
    (tmp_path / "certificates").mkdir()
    for name in ("check.py", "statements.txt"):
        (tmp_path / name).write_bytes((ROOM / name).read_bytes())
    kept = sorted((ROOM / "certificates").iterdir())[1:]
    for file in kept:
        (tmp_path / "certificates" / file.name).write_bytes(file.read_bytes())
    run = subprocess.run(
        [sys.executable, "-I", str(tmp_path / "check.py")],
        capture_output=True,
        text=True,
        timeout=600,
        check=False,
    )
    assert run.returncode == 1
    assert "MISSING  adaptive-optimizer" in run.stdout


@pytest.mark.parametrize("slug", slugs())
def test_files_hold_what_prove_finds(slug: str) -> None:
    loaded = load_certificate(ROOM / "certificates" / f"{slug}.json")
    assert check_certificate(loaded).accepted
    assert loaded == json.loads(json.dumps(prove(slug).certificate))
    assert theorem_status(slug).hash == prove(slug).hash


def test_pages_fit_two_screens() -> None:
    for page in (ROOM / "pages").glob("*.md"):
        if page.name == "refuted.md":
            continue
        text = page.read_text(encoding="utf-8")
        for heading in ("Main results", "Hypotheses and counterexamples", "Proof", "References"):
            assert f"## {heading}" in text, page.name
        if page.name != "lemmas.md":  # no claim, but what claims share
            # What does not fit is folded: the steps of long proofs.
            unfolded = re.sub(r"<details>.*?</details>", "", text, flags=re.DOTALL)
            assert len(unfolded.splitlines()) <= 2 * SCREEN, page.name


def test_a_readers_way_leads_somewhere() -> None:
    """Theorem, proof, check and figure of every page, and whatever else a page links to."""
    for page in (ROOM / "pages").glob("*.md"):
        text = page.read_text(encoding="utf-8")
        headings = {
            re.sub(r"[^\w\- ]", "", line.strip("# ").lower()).replace(" ", "-")
            for line in text.splitlines()
            if line.startswith(("## ", "### "))
        }
        for target in re.findall(r"\]\(([^)]+)\)", text):
            file, _, anchor = target.partition("#")
            assert (page.parent / file).exists(), (page.name, target)
            if file and anchor:
                continue  # a step leads to a theorem of another page: tests/project/test_way.py
            assert not anchor or anchor in headings, (page.name, target)
        if page.stem in slugs():
            assert {"main-results", "proof", "check"} <= headings, page.name


def test_graph_is_a_drawing_with_statuses_in_words() -> None:
    root = ElementTree.parse(ROOM / "theorems.svg").getroot()
    words = [element.text for element in root.iter() if element.tag.endswith("text")]
    assert {*slugs(), *unproved()} < set(words)
    assert words.count("proved") + words.count("core proved") == len(words) / 2 - len(unproved())
    told = {
        title.text.partition(": ")[0] for title in root.iter() if title.tag.endswith("title") and title.text
    }
    assert set(unproved()) < told  # whoever points at one reads what remains of it
    assert words.count("core proved") == sum(theorem_status(slug).status == "core proved" for slug in slugs())


def crossing(path: str, boxes: list[tuple[float, float, float, float]]) -> list[tuple[float, float]]:
    """Points of a path of curves and lines that lie inside a box."""
    numbers = [float(x) for x in re.findall(r"-?[0-9.]+", path)]
    at, rest, points = (numbers[0], numbers[1]), numbers[2:], []
    for kind in re.findall("[CL]", path):
        pairs = list(zip(rest[::2], rest[1::2], strict=False))[: 3 if kind == "C" else 1]
        rest = rest[2 * len(pairs) :]
        a, b, c, d = (at, *pairs) if kind == "C" else (at, at, pairs[0], pairs[0])
        for s in (k / 60 for k in range(1, 60)):
            weights = ((1 - s) ** 3, 3 * s * (1 - s) ** 2, 3 * s * s * (1 - s), s**3)
            x, y = (sum(w * p[i] for w, p in zip(weights, (a, b, c, d), strict=True)) for i in (0, 1))
            points.append((x, y))
        at = pairs[-1]
    return [(x, y) for x, y in points if any(u < x < u + w and v < y < v + h for u, v, w, h in boxes)]


def test_arrows_of_the_graph_run_behind_no_box() -> None:
    root = ElementTree.parse(ROOM / "theorems.svg").getroot()
    boxes = [
        tuple(float(e.attrib[k]) for k in ("x", "y", "width", "height"))
        for e in root.iter()
        if e.tag.endswith("rect")
    ]
    paths = [e.attrib for e in root.iter() if e.tag.endswith("path") and "marker-end" in e.attrib]
    assert len(paths) > 40
    assert [p["d"] for p in paths if crossing(p["d"], boxes)] == []
    # The straight way from the first column to the last does meet a box.
    assert crossing(f"M{boxes[0][0]},{boxes[0][1] + 5} L{boxes[-1][0] + 900},{boxes[0][1] + 5}", boxes)


def test_claim_two_needs_no_rank_size_or_consistency() -> None:
    hypotheses = {h[1]: h[3] for h in theorem_status("exact-labels").hypotheses}
    assert hypotheses.pop("optimal-label") == "needed"
    assert set(hypotheses.values()) == {"redundant"}
    assert len(hypotheses) >= 4


def test_status_says_what_remains() -> None:
    assert theorem_status("label-free").status == "proved"
    core = theorem_status("implicit-bias")
    assert core.status == "core proved"
    assert "2/lambda_max" in core.remains[0]
    assert theorem_status("alternating").status == "none"


def test_status_is_cheap_and_light() -> None:
    code = (
        "import sys; from muso_theory.claims.theorems.status import theorem_status; theorem_status('exact-labels'); "
        "print(sorted({'sympy', 'sklearn', 'matplotlib', 'hypothesis'} & set(sys.modules)))"
    )
    run = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=ROOM.parent
    )
    assert run.stdout.strip() == "[]"


def test_latex_and_markdown() -> None:
    proof = prove("ridge-anchored")
    assert r"\Phi_{F}^{\top}" in proof.to_latex()
    assert proof.to_latex().count(r"\begin{theorem}") == len(proof.theorems)
    assert proof.hash[:16] in proof.to_markdown()
    assert repr(proof).startswith("Proof(proved: ridge-anchored")


@pytest.mark.parametrize("slug", ["exact-label", "lemma", "", "lazy-training", "lemma/gap"])
def test_unknown_claims_are_refused(slug: str) -> None:
    with pytest.raises(MusoError, match="expected a claim with a general proof"):
        prove(slug)


@pytest.mark.parametrize(
    ("slug", "words"),
    [
        ("lazy-training", "no closed form.*verification lazy"),
        ("full-rank", "a condition on data.*--claim full-rank"),
    ],
)
def test_a_claim_without_a_proof_says_why_and_what_is_known(slug: str, words: str) -> None:
    with pytest.raises(MusoError, match=words):
        prove(slug)


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", "JSON text"),
        (b"not json", "JSON text"),
        (b"\xff\xfe", "text in UTF-8"),
        (b"[" * 100_000, "more than 40 levels"),
        (b'{"a": 1, "a": 2}', "the key 'a' occurs twice"),
        (b" " * 3_000_000, "at most 2,000,000 bytes"),
    ],
)
def test_bad_files_are_refused(tmp_path: Path, content: bytes, words: str) -> None:
    file = tmp_path / "c.json"
    file.write_bytes(content)
    with pytest.raises(MusoError, match=f"{words}.*certificate=|certificate=.*{words}"):
        load_certificate(file)


def test_bad_directory_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x")
    with pytest.raises(MusoError, match="expected a folder that can be made"):
        write_proofs(tmp_path / "file")
    with pytest.raises(MusoError, match="expected a readable file but got certificate="):
        load_certificate(tmp_path)
