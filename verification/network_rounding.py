"""How much of the published algorithm is the rounding of its inverses: against ε, the precision and the BLAS kernel."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from muso_theory.arrays import Array
from muso_theory.errors import MusoError
from muso_theory.evaluation import accuracy
from muso_theory.methods import Published
from muso_theory.networks import NetworkProblem
from muso_theory.networks.training import DivergedError

from .kernels import KERNELS
from .network_scenarios import trained
from .network_switches import Frozen
from .tables import mean_sd

__all__ = [
    "EPSILONS",
    "forget_accuracy",
    "kernel_runs",
    "rounding",
    "summarise_kernels",
    "summarise_rounding",
]

EPSILONS = (1e-8, 1e-6, 1e-4, 1e-2, 1.0)
"""Ridges, constant over the epochs."""
REVISIONS = ("2025-02", "2024-10")
PRECISIONS = ("float32", "float64", "50 digits")
STRONG: dict[str, Any] = {"learning_rate": 1e-3, "batch_size": 64}
"""Steps at which labels are followed, so that what they are is seen in the network."""


def forget_accuracy(problem: NetworkProblem, method: Published) -> float | None:
    """After unlearning; None where an inverse or training diverged."""
    try:
        with np.errstate(all="ignore"):
            params = method(problem)
    except DivergedError:
        return None
    return accuracy(problem.outputs(params, problem.forget), problem.targets[problem.forget].argmax(axis=1))


def rounding(
    problem: NetworkProblem, forgetting: str, seed: int, epsilons: tuple[float, ...]
) -> list[dict[str, Any]]:
    """Π of the pretrained network's frozen features, its labels of F, and what they unlearn, at every precision.

    Returns:
        One entry for each revision, ε and precision: ``distance`` ‖Π − Π₅₀‖/‖Π₅₀‖ (Frobenius), ``flipped``, the share
        of F whose label is another than at 50 digits; both None where there is no finite inverse.
    """
    frozen, found = Frozen(problem), []
    scenario = "random" if forgetting.startswith("random") else "class"
    zero, one = np.zeros((frozen.Z.shape[1],) * 2), np.eye(frozen.Z.shape[1])
    for revision in REVISIONS:
        for ridge in epsilons:
            settings: dict[str, Any] = {"revision": revision, "ridge": (ridge, ridge), "seed": seed, **STRONG}
            base = Published.of(scenario, **settings)  # type: ignore[arg-type]
            rows = frozen.subset(base)
            exact = frozen.head(base, ridge, rows, precision="50 digits", w_init=zero, w=one)
            labels = _labels(frozen, exact)
            for precision in PRECISIONS:
                method = Published.of(scenario, precision=precision, **settings)  # type: ignore[arg-type]
                entry = {"revision": revision, "ridge": ridge, "precision": precision}
                entry |= {"distance": None, "flipped": None}
                try:
                    made = frozen.head(method, ridge, rows, w_init=zero, w=one).astype(np.float64)
                    entry["distance"] = float(np.linalg.norm(made - exact) / np.linalg.norm(exact))
                    entry["flipped"] = float(np.mean(_labels(frozen, made) != labels))
                except DivergedError:
                    pass
                entry["forget accuracy"] = forget_accuracy(problem, method)
                found.append(entry)
    return found


def _labels(frozen: Frozen, projector: Array) -> Array:
    """Classes by the head w₀ + Π(w_p − w₀)."""
    head = frozen.w_init + projector @ (frozen.w - frozen.w_init)
    return np.asarray(frozen.outputs(head).argmax(axis=1))


_WORKER = """
import json, sys
from verification.network_rounding import under_this_kernel
print(json.dumps(under_this_kernel(*json.loads(sys.argv[1]))))
"""


def under_this_kernel(models: str, network: str, forgetting: str, seed: int) -> dict[str, Any]:
    """Forget accuracy of both revisions in both precisions, and the kernels that this process uses."""
    from threadpoolctl import threadpool_info

    problem = trained(models, network, forgetting, seed).problem
    return {
        "taken": sorted(
            {str(info.get("architecture")) for info in threadpool_info() if "architecture" in info}
        ),
        "runs": {
            f"{revision}, {precision}": forget_accuracy(
                problem,
                Published.of("class", revision=revision, precision=precision, seed=seed, **STRONG),  # type: ignore[arg-type]
            )
            for revision in REVISIONS
            for precision in PRECISIONS[:2]
        },
    }


def kernel_runs(models: str, network: str, forgetting: str, seed: int) -> list[dict[str, Any]]:
    """The same stored networks, unlearned under every BLAS kernel that this processor takes, one thread each.

    Raises:
        MusoError: a process failed.
    """
    trained(
        models, network, forgetting, seed
    )  # by this process, so that all kernels unlearn the same networks
    found = []
    for kernel in KERNELS:
        environment = {**os.environ, "OPENBLAS_NUM_THREADS": "1"}
        environment.pop("OPENBLAS_CORETYPE", None)
        if kernel != "unset":
            environment["OPENBLAS_CORETYPE"] = kernel
        words = json.dumps([models, network, forgetting, seed])
        done = subprocess.run(
            [sys.executable, "-c", _WORKER, words],
            env=environment,
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode:
            raise MusoError(f"kernel {kernel}: {done.stderr.strip()[-300:]}")
        run = json.loads(done.stdout)
        if run["taken"] not in [
            other["taken"] for other in found
        ]:  # a processor lacks some, and others share a table
            found.append({"kernel": kernel, **run})
    return found


def summarise_rounding(items: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Mean and deviation over seeds."""
    groups: dict[tuple[Any, ...], list[Mapping[str, Any]]] = {}
    keys = ("network", "forgetting", "revision", "precision", "ridge")
    for item in items:
        for entry in item["rounding"]:
            both = {**item, **entry}
            groups.setdefault(tuple(both[key] for key in keys), []).append(entry)
    rows = []
    for key, entries in groups.items():
        row: dict[str, Any] = dict(zip(keys, key, strict=True))
        row |= {"runs": len(entries), "no inverse": sum(entry["distance"] is None for entry in entries)}
        row["each forget accuracy"] = [entry["forget accuracy"] for entry in entries]
        row["diverged"] = row["each forget accuracy"].count(None)
        for name in ("distance", "flipped", "forget accuracy"):
            known = [entry[name] for entry in entries if entry[name] is not None]
            if known:
                row |= {name: mean_sd(known), f"least {name}": min(known), f"largest {name}": max(known)}
        rows.append(row)
    return rows


def summarise_kernels(items: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Of every network and algorithm the forget accuracy by kernel, and how far kernels are apart for one seed."""
    groups: dict[tuple[str, str], list[list[float]]] = {}
    names = [run["kernel"] for run in items[0]["kernels"]] if items else []
    for item in items:
        for name in item["kernels"][0]["runs"]:
            values = [run["runs"][name] for run in item["kernels"]]
            groups.setdefault((item["network"], name), []).append(values)
    rows = []
    for (network, name), seeds in groups.items():
        row: dict[str, Any] = {"network": network, "algorithm": name, "runs": len(seeds)}
        for kernel, values in zip(names, zip(*seeds, strict=True), strict=True):
            known = [value for value in values if value is not None]
            row[kernel] = mean_sd(known) if known else None
        spreads = [max(known) - min(known) for seed in seeds if (known := [v for v in seed if v is not None])]
        row["largest spread"] = max(spreads) if spreads else None
        rows.append(row)
    return rows
