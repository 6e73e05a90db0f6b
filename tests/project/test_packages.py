"""The source distribution lacks nothing that its tests read, and its description can be read anywhere."""

from __future__ import annotations

import ast
import re
import runpy
import shutil
import subprocess
import sys
import tarfile
import tomllib
from importlib.metadata import packages_distributions
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from tests import ROOT

ROOMS = ("docs", "figures", "muso_theory", "proofs", "tests", "verification")
FILES = (
    "CITATION.cff",
    "CHANGELOG.md",
    "CONTRIBUTING.md",
    "LICENSE",
    "MANIFEST.in",
    "README.md",
    "SECURITY.md",
    "mkdocs.yml",
    "pyproject.toml",
    "setup.py",
)
NOT_SHIPPED = (".ci", ".gitignore")
"""Files of the repository that nobody needs who has a source distribution."""
LITTER = shutil.ignore_patterns("__pycache__", "*.pyc", ".*", "*.egg-info", "build", "dist")


def missing(tree: Path, unpacked: Path) -> list[str]:
    """Files of the repository that are not in the distribution."""
    files = (path.relative_to(tree) for path in tree.rglob("*") if path.is_file())
    return sorted(str(name) for name in files if not (unpacked / name).is_file())


def relative_links(text: str) -> list[str]:
    """Targets of Markdown links that lead nowhere once the text is read elsewhere."""
    return re.findall(r"\]\((?!https://|#)([^)]*)\)", text)


def leads_somewhere(link: str) -> bool:
    """Whether the file of a link is there and, after a `#`, a heading of it that GitHub and MkDocs name so."""
    name, _, place = link.partition("#")
    if not (ROOT / name).exists() or not place:
        return (ROOT / name).exists()
    headings = re.findall(r"^#+ (.*)$", (ROOT / name).read_text(encoding="utf-8"), flags=re.M)
    return place in {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """A copy of the repository as it was before the build, and what its source distribution unpacks to."""
    pytest.importorskip("setuptools", minversion="77", reason="builds need it, as pyproject.toml says")
    work = tmp_path_factory.mktemp("packages")
    for name in ("tree", "copy"):
        for room in ROOMS:
            shutil.copytree(ROOT / room, work / name / room, ignore=LITTER)
        for file in FILES:
            shutil.copy(ROOT / file, work / name)
    build = f"from setuptools import build_meta; build_meta.build_sdist({str(work)!r})"
    done = subprocess.run(
        [sys.executable, "-c", build], cwd=work / "copy", capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    [archive] = work.glob("*.tar.gz")
    with tarfile.open(archive) as opened:
        opened.extraction_filter = staticmethod(
            getattr(tarfile, "data_filter", None)
        )  # of Python from 3.11.4 on
        opened.extractall(work / "unpacked")
    [unpacked] = (work / "unpacked").iterdir()
    return work / "tree", unpacked


@pytest.mark.slow
def test_the_source_distribution_lacks_nothing(built: tuple[Path, Path]) -> None:
    tree, unpacked = built
    assert missing(tree, unpacked) == []
    for name in NOT_SHIPPED:
        assert not (unpacked / name).exists()


def test_what_it_lacks_is_listed(built: tuple[Path, Path], tmp_path: Path) -> None:
    tree, unpacked = built
    shutil.copytree(unpacked, part := tmp_path / "part")
    shutil.rmtree(part / "proofs" / "certificates")
    (part / "CITATION.cff").unlink()
    found = missing(tree, part)
    assert "CITATION.cff" in found
    assert {name.rpartition("/")[0] for name in found} == {"", "proofs/certificates"}


def test_the_description_reads_on_a_package_index(built: tuple[Path, Path]) -> None:
    _, unpacked = built
    head, _, description = (unpacked / "PKG-INFO").read_text(encoding="utf-8").partition("\n\n")
    assert "Description-Content-Type: text/markdown" in head
    assert relative_links(description) == []
    assert "muso check" in description


def test_links_lead_into_the_repository_or_are_words() -> None:
    pytest.importorskip("setuptools", minversion="77", reason="builds need it, as pyproject.toml says")
    readable = runpy.run_path(str(ROOT / "setup.py"))["readable"]
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    links = relative_links(readme)
    assert links, "a README without links to its files would show nothing here"
    known = readable(readme, "https://host.test/x")
    for link in links:
        assert f"](https://host.test/x/{'raw' if link.endswith('.svg') else 'blob'}/main/{link})" in known
        assert leads_somewhere(link), link
    assert not leads_somewhere("proofs/READ.md")
    assert not leads_somewhere("proofs/README.md#somebody-else-s-theorem")
    text = "![a picture](a.svg) and [words](b.md), [there](https://host.test), [here](#here)"
    assert readable(text, None) == "a picture and words, [there](https://host.test), [here](#here)"
    assert relative_links(readable(readme, None)) == []


def test_one_address_everywhere_and_none_that_is_made_up() -> None:
    pyproject, citation = (
        (ROOT / name).read_text(encoding="utf-8") for name in ("pyproject.toml", "CITATION.cff")
    )
    repository = tomllib.loads(pyproject)["project"]["urls"].get("Repository")
    assert re.findall(r"^repository-code: (.*)$", citation, flags=re.M) == (
        [repository] if repository else []
    )
    assert not re.search(r"example\.(org|com|net)", pyproject + citation)
    security = (ROOT / "SECURITY.md").read_text(encoding="utf-8")
    assert ("No address is known yet" in security) == (repository is None)


@pytest.mark.parametrize(
    ("room", "extras"), [("muso_theory", ()), ("verification", ()), ("figures", ()), ("docs", ("docs",))]
)
def test_what_is_imported_at_once_is_installed(room: str, extras: tuple[str, ...]) -> None:
    """`pip install .` runs every campaign or says what it lacks; the site needs its own extra and no other."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    asked = {extra: map(Requirement, names) for extra, names in project["optional-dependencies"].items()}
    optional = {
        canonicalize_name(one.name): extra
        for extra, names in asked.items()
        for one in names
        if one.name != project["name"]
    }
    homes, found = packages_distributions(), {}
    for path in sorted((ROOT / room).rglob("*.py")):
        for node in ast.parse(path.read_text(encoding="utf-8")).body:
            names = [one.name for one in node.names] if isinstance(node, ast.Import) else []
            names += [node.module or ""] if isinstance(node, ast.ImportFrom) and not node.level else []
            for name in names:
                for home in homes.get(name.partition(".")[0], ()):
                    if optional.get(canonicalize_name(home)) not in (None, *extras):
                        found[str(path.relative_to(ROOT))] = home
    found.pop("muso_theory/pytest_plugin.py", None)  # which pytest imports
    assert not found
