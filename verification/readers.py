"""Every reader of files that others may have written, a file that each accepts, and ways to damage it."""

from __future__ import annotations

import io
import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from hypothesis import strategies as st

import muso_theory as mt
from muso_theory.algebra.statement import parse_statement
from muso_theory.claims.theorems.writing import load_certificate
from muso_theory.commands.repeat import recheck
from muso_theory.data import load
from muso_theory.errors import MusoError, printable
from muso_theory.files.writing import npz_bytes
from muso_theory.networks import files as networks
from muso_theory.pages.instances import read_instances
from muso_theory.parallel.checkpoints import Checkpoints
from muso_theory.refutation.replaying import replay

from . import ROOT
from .commands import muso

__all__ = ["JSON_READERS", "READERS", "bad_bytes", "damaged", "read", "reshaped", "valid_files"]

_POINT = {"n": 1}


def _checkpoint(path: Path) -> None:
    """Read a file in the place of the checkpoint of a point; what does not fit is no result."""
    store = Checkpoints(path.parent / "kept", "code")
    (path.parent / "kept" / f"{store.key(_POINT)}.json").write_bytes(path.read_bytes())
    if store.read(_POINT) is None:
        raise MusoError("it is measured again")


def _statement(path: Path) -> None:
    """Parse the lines of a statement."""
    parse_statement("fuzzed", path.read_text(encoding="utf-8", errors="replace").splitlines())


READERS: dict[str, Callable[[Path], Any]] = {
    "npz": lambda path: load(path),
    "npy": lambda path: load(path, target="0"),
    "csv": lambda path: load(path),
    "stdin": lambda path: load("-", stdin=io.BytesIO(path.read_bytes())),
    "report": lambda path: recheck(path, "digits"),
    "replay": replay,
    "checkpoint": _checkpoint,
    "certificate": load_certificate,
    "evidence": lambda path: read_instances([path]),
    "network": networks.load,
    "statement": _statement,
}
"""Readers by name; each takes a path."""

JSON_READERS = ("report", "replay", "checkpoint", "certificate", "evidence")

_SUFFIX = {"npz": ".npz", "npy": ".npy", "csv": ".csv", "network": ".npz", "statement": ".txt"}


def valid_files(folder: Path) -> dict[str, bytes]:
    """A file that each reader accepts.

    The report is about other data than its reader's, and is told so as a mismatch.
    """
    rng = np.random.default_rng(0)
    X, y = rng.integers(-3, 4, (5, 3)).astype(float), rng.integers(-3, 4, 5) / 2
    data = npz_bytes({"X": X, "y": y, "forget": np.array([0])})
    (folder / "d.npz").write_bytes(data)
    words = ("--features", "identity", "--claim", "full-rank", "--json", folder / "report.json")
    assert muso("check", folder / "d.npz", *words).status in (0, 1, 3)
    matrix = io.BytesIO()
    np.save(matrix, X)
    net = mt.networks.mlp([3, 2, 1])
    mt.networks.save(folder / "net.npz", net, net.init(0))
    found = mt.refute(lambda p: mt.optimal_labels(p) + 1, max_examples=20, name="zero-labels")
    assert found is not None
    Checkpoints(folder / "kept", "code").write(_POINT, {"x": 1.5})
    certificates = ROOT / "proofs" / "certificates"
    return {
        "npz": data,
        "npy": matrix.getvalue(),
        "csv": b"a,b,y\n1,2,0.5\n3,4,1.5\n5,7,2.5\n",
        "stdin": data,
        "report": (folder / "report.json").read_bytes(),
        "replay": found.to_json().encode(),
        "checkpoint": next((folder / "kept").glob("*.json")).read_bytes(),
        "certificate": min(certificates.glob("*.json")).read_bytes(),
        "evidence": (folder / "report.json").read_bytes(),
        "network": (folder / "net.npz").read_bytes(),
        "statement": b"matrix A : n x D\npinv A\nconclude A A^+ A = A\n",
    }


def read(
    reader: str, data: bytes, folder: Path, readers: Mapping[str, Callable[[Path], Any]] = READERS
) -> str:
    """What a reader says of bytes: its refusal, or "" where it takes them.

    Anything but a printable `MusoError` leaves this function.
    """
    path = folder / f"fuzzed{_SUFFIX.get(reader, '.json')}"
    path.write_bytes(data)
    try:
        readers[reader](path)
    except MusoError as error:
        said = str(error)
    else:
        return ""
    assert said, "a refusal without words"
    assert said == printable(said), "a refusal that a terminal would obey"
    return said


_LONG = (b"[" * 3000, b"9" * 5000, b'"1e999999999"', b"\x1b[2J", b"\xff" * 8, bytes(8))


def damaged(data: bytes) -> st.SearchStrategy[bytes]:
    """A file with pieces removed, put in or copied from elsewhere, bits flipped, and perhaps cut."""
    places = st.integers(0, max(len(data) - 1, 0))
    put = st.one_of(
        st.binary(max_size=8),
        st.sampled_from(_LONG),
        st.tuples(places, st.integers(1, 64)).map(lambda piece: data[piece[0] : sum(piece)]),
    )
    edits = st.lists(st.tuples(places, st.integers(0, 8), put), max_size=4)
    flips = st.lists(st.tuples(places, st.integers(0, 7)), max_size=4)
    cut = st.one_of(st.just(len(data)), places)
    return st.tuples(edits, flips, cut).map(lambda how: _edited(data, *how))


def _edited(
    data: bytes, edits: list[tuple[int, int, bytes]], flips: list[tuple[int, int]], cut: int
) -> bytes:
    """One damaged file; places are of the whole one."""
    changed = bytearray(data)
    for place, bit in flips:
        changed[place] ^= 1 << bit
    del changed[cut:]
    for place, removed, put in edits:
        changed[place : place + removed] = put
    return bytes(changed)


_VALUES = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(), st.floats(), st.text(max_size=5)),
    lambda inner: st.one_of(
        st.lists(inner, max_size=3), st.dictionaries(st.text(max_size=3), inner, max_size=3)
    ),
    max_leaves=6,
)


def reshaped(data: bytes) -> st.SearchStrategy[bytes]:
    """A JSON document with another value in one place."""

    def put(chosen: Any, value: Any) -> bytes:
        document = json.loads(data)
        inner: Any = document
        while True:
            key = chosen.choice(list(inner)) if isinstance(inner, dict) else chosen.randrange(len(inner))
            if not isinstance(inner[key], dict | list) or not inner[key] or chosen.random() < 0.3:
                break
            inner = inner[key]
        inner[key] = value
        return json.dumps(document).encode()

    return st.builds(put, st.randoms(use_true_random=False), _VALUES)


def bad_bytes(reader: str, valid: bytes) -> st.SearchStrategy[bytes]:
    """Whatever may come in the place of a file that a reader accepts: any bytes, a damaged file, another document.

    Most are damaged files, since any bytes seldom pass the first check.
    """
    kinds = [damaged(valid), damaged(valid), st.binary(max_size=200)]
    return st.one_of(*kinds, *([reshaped(valid)] * 2 if reader in JSON_READERS else []))
