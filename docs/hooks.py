"""What the site shows of the package: claims, glossary, commands and Python interface, written while it is built."""

from __future__ import annotations

import importlib
import logging
import pkgutil
import re
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import click
import typer

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

import muso_theory as mt  # noqa: E402
from docs import executed  # noqa: E402
from muso_theory.claims import CATALOGUE, Claim, markdown_table  # noqa: E402
from muso_theory.claims.theorems.status import theorem_status  # noqa: E402
from muso_theory.commands.cli import app  # noqa: E402
from muso_theory.glossary import GLOSSARY  # noqa: E402
from verification import folding  # noqa: E402
from verification.__main__ import markdown_table as campaigns_table  # noqa: E402
from verification.__main__ import stored  # noqa: E402

LOG = logging.getLogger("mkdocs.hooks.muso")


def claims_page() -> str:
    """The catalogue: the table, and every claim and condition in full."""
    table = markdown_table().replace("](proofs/pages/", "](../proofs/")
    table = table.replace("](verification/results/", "](../results/")
    parts = [
        "# Claims\n",
        "A claim about *w* is about parameters, not accuracy. `muso claims ID` shows one in the terminal.\n",
        table,
        "## Every claim in full\n",
        *(_claim(claim) for claim in CATALOGUE.values() if not claim.is_condition),
        "## Conditions\n",
        "Hypotheses that claims use. One that fails makes what needs it `VACUOUS`.\n",
        *(_claim(claim) for claim in CATALOGUE.values() if claim.is_condition),
    ]
    return "\n".join(parts)


def _claim(claim: Claim) -> str:
    status = theorem_status(claim.slug)
    lines = [
        f"### `{claim.slug}` {{ #{claim.slug} }}\n",
        f"{_text(claim.words)}.\n",
        f"- Statement: {_text(claim.statement)}",
        f"- Source: {_text(claim.source)}",
    ]
    for slug in claim.hypotheses:
        lines.append(f"- Needs [`{slug}`](#{slug}); without it {_text(claim.needs[slug])}")
    used = [other.slug for other in CATALOGUE.values() if claim.slug in other.hypotheses]
    if used:
        lines.append("- Used by " + ", ".join(f"[`{slug}`](#{slug})" for slug in used))
    lines += [f"- If it holds: {_text(claim.holds)}", f"- If not: {_text(claim.fails)}"]
    if status.hash:
        lines.append(f"- In general: [{status.words}](../proofs/{claim.slug}.md)")
    elif claim.unproved:
        lines.append(f"- In general: no proof: {_text(claim.unproved)}")
    if claim.campaign:
        lines.append(f"- Measured by `python -m verification {claim.campaign}`")
    return "\n".join(lines) + "\n"


def glossary_page() -> str:
    """The words of the field, the symbols used here and the letters of the paper."""
    rows = ["# Glossary\n", "| word | symbol | in code | meaning |", "|---|---|---|---|"]
    for word in GLOSSARY.values():
        code = f"`{word.code}`" if word.code else ""
        rows.append(f"| **{word.name}** | {_cell(word.symbol)} | {code} | {_cell(word.meaning)} |")
    rows += ["", "## Verdicts\n", "| verdict | meaning |", "|---|---|"]
    rows += [f"| `{verdict.name}` | {_cell(verdict.value)} |" for verdict in mt.Verdict]
    return "\n".join(rows) + "\n"


def commands_page() -> str:
    """What every command says of itself, after the words that hold for all of them."""
    group: Any = typer.main.get_command(app)
    parts = [(ROOT / "docs" / "reference" / "commands.md").read_text(encoding="utf-8")]
    top = click.Context(group, info_name="muso", max_content_width=100, terminal_width=100)
    for name in group.list_commands(top):
        command = group.get_command(top, name)
        context = click.Context(
            command, info_name=name, parent=top, max_content_width=100, terminal_width=100
        )
        parts.append(f"## muso {name}\n\n```text\n{command.get_help(context)}\n```\n")
    return "\n".join(parts)


def rooms() -> dict[str, list[str]]:
    """The modules of every room that say what is public in them; files directly in the package are one room."""
    found: dict[str, list[str]] = {"muso_theory": []}
    for info in pkgutil.walk_packages(mt.__path__, "muso_theory."):
        parts = info.name.split(".")
        if any(part.startswith("_") for part in parts[1:]):
            continue
        module = importlib.import_module(info.name)
        room = ".".join(parts[:2]) if len(parts) > 2 or info.ispkg else "muso_theory"
        own = [name for name in getattr(module, "__all__", ()) if _home(module, name) == info.name]
        found.setdefault(room, []).extend([info.name] if own else [])
    return {room: modules for room, modules in found.items() if modules}


def _home(module: Any, name: str) -> str:
    """Where something public is defined; constants belong to whoever lists them, unless it is a package."""
    value = getattr(module, name, None)
    home = getattr(value, "__module__", None)
    return home if isinstance(home, str) else "" if hasattr(module, "__path__") else module.__name__


def python_pages() -> Iterator[tuple[str, str]]:
    """One page a room, and one that leads to all."""
    index = ["# Python interface\n", "Everything here is `import muso_theory as mt`:\n"]
    index += ["| name | what |", "|---|---|"]
    for name in mt.__all__:
        value = getattr(mt, name)
        words = (getattr(value, "__doc__", None) or "").strip().split("\n")[0]
        home = getattr(value, "__module__", None)
        target = (
            f"[`mt.{name}`][{home}.{name}]" if isinstance(home, str) and callable(value) else f"`mt.{name}`"
        )
        index.append(f"| {target} | {_cell(words)} |")
    index += ["", "Rooms:\n"]
    for room, modules in rooms().items():
        file = f"python-{room.rpartition('.')[2]}.md"
        title = "The package itself" if room == "muso_theory" else f"`{room}`"
        words = (importlib.import_module(room).__doc__ or "").strip().split("\n")[0]
        index.append(f"- [{title}]({file}): {_text(words)}")
        yield (
            f"reference/{file}",
            "\n".join([f"# {title}\n", _text(words) + "\n", *(f"::: {m}\n" for m in modules)]),
        )
    yield "reference/python.md", "\n".join(index) + "\n"


def proof_pages() -> Iterator[tuple[str, str | bytes]]:
    """The pages of the proofs as they are stored, and the figures that they lead to; certificates stay behind."""
    for path in sorted((ROOT / "proofs" / "pages").glob("*.md")):
        page = path.read_text(encoding="utf-8").replace("](../../verification/results/", "](../results/")
        page = page.replace("](../../docs/", "](../").replace("](../../figures/gallery/", "](../figures/")
        page = re.sub(r"^- (\[\w+\]\(\.\./figures/\w+\.svg\)) (\(.+\))$", r"!\1\n\n\2", page, flags=re.M)
        yield f"proofs/{path.name}", re.sub(r"\[([^\]]+)\]\(\.\./certificates/[^)]+\)", r"`\1`", page)
    for path in sorted((ROOT / "figures" / "gallery").glob("*.*")):
        yield f"figures/{path.name}", path.read_bytes()


def result_pages() -> Iterator[tuple[str, str]]:
    """What every campaign concludes, and a page of each with its tables, whole behind what they are folded to."""
    index = [
        "# Results\n",
        "What each campaign concludes from its rows; `python -m verification conclude` says it again.\n",
    ]
    for label, result, made in stored():
        small = " (small version)" if result["quick"] else ""
        index.append(f"## [{label}]({label}.md){small}\n\n{folding.told(result['conclusions'])}")
        page, _ = folding.write(made, result["conclusions"], whole=True)
        yield f"results/{label}.md", f"# {label}{small}\n\n{result['verdict']}\n\n{page}"
    yield "results/index.md", "\n".join(index)


def pictures(page: str, folder: str) -> Iterator[tuple[str, bytes]]:
    """Run a page and take the pictures that it draws and shows."""
    with tempfile.TemporaryDirectory() as work:
        for block, printed in executed.run(page, Path(work)):
            if not executed.same(block.body, printed):
                LOG.warning("a page does not show what its code prints:\n%s\n%s", block.body, printed)
        for name in executed.shown_files(page):
            yield f"{folder}/{name}", (Path(work) / name).read_bytes()


def _text(words: str) -> str:
    """Words as Markdown that shows them as they are."""
    for sign in ("\\", "*", "_", "<", "[", "]"):
        words = words.replace(sign, f"\\{sign}" if sign != "<" else "&lt;")
    return words


def _cell(words: str) -> str:
    return _text(words).replace("|", "\\|")


def on_files(files: Any, config: Any) -> Any:
    """Add the pages that are written from the package, and the pictures that tutorials draw."""
    from mkdocs.structure.files import File

    made: list[tuple[str, str | bytes]] = [
        ("reference/claims.md", claims_page()),
        ("reference/glossary.md", glossary_page()),
        ("reference/commands.md", commands_page()),
        *python_pages(),
        *proof_pages(),
        *result_pages(),
    ]
    for file in files.documentation_pages():
        if file.src_uri.startswith("tutorials/"):
            made += pictures(file.content_string, "tutorials")
    below: list[Any] = config.nav[-1]["Reference"]
    below += [{"Rooms": [uri for uri, _ in made if uri.startswith("reference/python-")]}]
    below += [{"Results": sorted(uri for uri, _ in made if uri.startswith("results/"))}]
    below += [{"Proofs": [uri for uri, _ in made if uri.startswith("proofs/")]}]
    for uri, content in made:
        old = files.get_file_from_path(uri)
        if old is not None:
            files.remove(old)
        files.append(File.generated(config, uri, content=content))
    return files


def on_page_markdown(markdown: str, page: Any, **_: Any) -> str:
    """Put the table of campaigns where a page asks for it."""
    return markdown.replace("<!-- campaigns -->", campaigns_table())
