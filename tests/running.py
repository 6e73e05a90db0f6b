"""The ``muso`` command in tests: processes of it, and small data to give it."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from muso_theory.files.writing import npz_bytes
from tests import ROOT
from verification.commands import Answer, without_progress

IDENTITY = ("--features", "identity")


def answered(process: subprocess.Popen[bytes]) -> Answer:
    """What a process says until it ends."""
    out, err = process.communicate(timeout=600)
    return Answer(process.returncode, (out or b"").decode(), without_progress(err.decode()))


def command(*words: object, **options: Any) -> subprocess.Popen[bytes]:
    """Start the command as a process of its own."""
    env = {**os.environ, "OMP_NUM_THREADS": "1", **options.pop("env", {})}
    line = [sys.executable, "-m", "muso_theory", *map(str, words)]
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, **options}
    return subprocess.Popen(line, cwd=ROOT, env=env, preexec_fn=heed_interrupts, **pipes)


def heed_interrupts() -> None:
    """A shell starts what runs in the background with Ctrl-C ignored, and the tests with it; their children heed it."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)


def small(**changes: Any) -> dict[str, Any]:
    """Small whole numbers: 8 independent samples of 12 features, two to forget. None removes an array."""
    rng = np.random.default_rng(0)
    arrays: dict[str, Any] = {
        "X": rng.integers(-3, 4, (8, 12)).astype(float),
        "y": rng.integers(-2, 3, 8).astype(float),
        "forget": np.array([1, 4]),
    }
    return {name: array for name, array in {**arrays, **changes}.items() if array is not None}


def tall(**changes: Any) -> dict[str, Any]:
    """More samples than features, targets that no model fits: w_p is no minimiser on the retain set."""
    rng = np.random.default_rng(1)
    arrays = {"X": rng.integers(-3, 4, (12, 4)).astype(float), "y": rng.integers(-4, 5, 12).astype(float)}
    return {**arrays, "forget": np.array([0, 5, 7]), **changes}


def write(path: Path, arrays: Mapping[str, Any]) -> Path:
    path.write_bytes(npz_bytes(arrays))
    return path


def minimum_norm(X: np.ndarray, y: np.ndarray) -> np.ndarray:
    return np.linalg.pinv(X) @ y  # type: ignore[no-any-return]


def retrained(arrays: Mapping[str, Any]) -> np.ndarray:
    """The naive oracle for w₀ = 0."""
    keep = np.setdiff1d(np.arange(len(arrays["y"])), arrays["forget"])
    return minimum_norm(arrays["X"][keep], arrays["y"][keep])
