"""Writing theorems for Coq, and sealing what it said of them."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from ...algebra.coq.export import PROJECT, Export, coq_files
from ...algebra.coq.lines import identifier
from ...algebra.theorem import canonical
from ...errors import expected
from ...files.writing import make_folder, write_all
from .kernels import SEAL

__all__ = ["KERNEL", "seal", "sealed_result", "write_coq"]

KERNEL = ("Algebra.v", "Models.v", "Trust.v", "Convergence.v", "Limits.v")
"""The files of `proofs/coq` that are written by hand."""

ASKED = "Statements.v"
"""What is to be proved, as `proofs/coq/judge.py` writes it."""


def write_coq(
    directory: str | Path, certificates: Iterable[Mapping[str, Any]], *, force: bool = False
) -> Export:
    """Write theorems as files for Coq, which ``proofs/coq/check.sh`` compiles.

    Args:
        directory: where to; a folder that need not exist.
        force: write over files of others.

    Raises:
        BadInputError: if the directory is a file, cannot be written, or has files of others in it.
    """
    make_folder(directory)
    export = coq_files(certificates)
    write_all(directory, export.files, PROJECT, force=force)
    return export


def sealed_result(directory: str | Path, certificates: Iterable[Mapping[str, Any]]) -> dict[str, Any]:
    """What Coq has shown of certificates.

    Args:
        directory: the files that were compiled, with what Coq printed of them in ``listing.txt``.

    Returns:
        Under ``export`` the hash of these files, under ``closed`` the theorems that rest on no axiom, under
        ``certificates`` the hashes of those certificates all of whose theorems do, under ``beyond`` the lines
        ``remains`` that a theorem of ``Limits.v`` takes over, each with its claim, and the theorem's name.

    Raises:
        BadInputError: if the files are of other certificates.
    """
    folder, certificates = Path(directory), list(certificates)
    for name, text in coq_files(certificates).files.items():
        if (folder / name).read_text(encoding="utf-8") != text:
            raise expected(
                "files of these certificates", "directory", directory, f"another {name}", "a new export"
            )
    names = [line for line in (folder / PROJECT).read_text(encoding="utf-8").split() if line.endswith(".v")]
    data = b"".join((folder / name).read_bytes() for name in (*KERNEL, ASKED, *names))
    listing = (folder / "listing.txt").read_text(encoding="utf-8")
    shown = re.findall(r"^(\S+)\n +: (.*)\nClosed under the global context$", listing, re.MULTILINE)
    # What is judged is said by Statements.v, so its names count, not those of what was exported.
    said = " ".join(text for name, text in shown if name.startswith("judged_"))
    judged = set(re.findall(r"(?<![\w.])Statements\.(\w+)", said))
    theorems = {
        certificate["claim"]: [n["name"] for n in certificate["theorems"]] for certificate in certificates
    }
    proved = {name for found in theorems.values() for name in found if identifier(name) in judged}
    closed = {name for name, _ in shown}
    return {
        "export": hashlib.sha256(data).hexdigest(),
        "certificates": {
            certificate["claim"]: hashlib.sha256(canonical(certificate)).hexdigest()
            for certificate in certificates
            if theorems[certificate["claim"]] and proved.issuperset(theorems[certificate["claim"]])
        },
        "closed": sorted(proved),
        "beyond": _beyond((folder / "Limits.v").read_text(encoding="utf-8"), closed, certificates),
    }


def _beyond(text: str, closed: set[str], certificates: Iterable[Mapping[str, Any]]) -> dict[str, str]:
    """The lines that stand above the theorems of ``Limits.v``, with the names of those theorems.

    Raises:
        BadInputError: if such a line is none of the certified theorem that it names.
    """
    nodes = {node["name"]: node["statement"] for c in certificates for node in c["theorems"]}
    found = {}
    for owner, words, name in re.findall(
        r"\(\* remains of (\S+): (.*?) \*\)\nTheorem (\w+)", text, re.DOTALL
    ):
        line = " ".join(words.split())
        if owner in nodes and f"remains {line}" not in nodes[owner]:
            raise expected(
                f"a line `remains` of {owner}", "Limits.v", line, f"above {name}", "its present words"
            )
        if owner in nodes and f"Limits.{name}" in closed:
            found[f"{owner.partition('/')[0]}: {line}"] = name
    return found


def seal(result: Mapping[str, Any], *, write: bool) -> bool:
    """Hold a result against the one that is sealed, or seal it.

    Returns:
        Whether the sealed result is this one.
    """
    text = json.dumps(result, indent=1) + "\n"
    if write:
        SEAL.write_text(text, encoding="utf-8", newline="\n")
    return SEAL.is_file() and SEAL.read_text(encoding="utf-8") == text
