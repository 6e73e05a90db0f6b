"""Campaign ``torch-compare``: published models against torchvision, from the same arrays.

``--peer torch=PYTHON`` names a Python that has torch and torchvision; without it nothing is compared, and the result
says so. Parameters and running statistics are random. Compared are outputs in float64 (within 1e-12 of the largest) and
float32 (1e-5), and the tangent kernel of all outputs (1e-10); processor seconds of a forward pass of 128 images in
float32 stand beside each other.
"""

from __future__ import annotations

import json
import subprocess
import tempfile
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from muso_theory.networks import Sequential, efficientnet_b0, empirical_ntk, from_state_dict, resnet18, vgg11

from .campaign import Options, measure_points
from .layer_nets import off
from .tables import Column, table

__all__ = ["measure", "points", "run", "tabulate"]

SECONDS = (60, 300)
"""Expected time of the quick and of the full campaign on two cores."""

WORKER = Path(__file__).with_name("torch_worker.py")

LIMITS = {"float64": 1e-12, "float32": 1e-5, "kernel": 1e-10}
"""Largest differences allowed, relative to the largest entry."""

MODELS: dict[str, Callable[[int, tuple[int, int, int]], Sequential]] = {
    "resnet18-small": lambda k, shape: resnet18(k, True, shape),
    "resnet18": lambda k, shape: resnet18(k, False, shape),
    "efficientnet_b0": efficientnet_b0,
    "vgg11_bn": lambda k, shape: vgg11(k, True, shape),
}


def points(quick: bool = False) -> list[dict[str, Any]]:
    """One point a model."""
    sizes = {"vgg11_bn": 32, "resnet18-small": 32, "resnet18": 64, "efficientnet_b0": 64}
    return [
        {"model": name, "size": size, "samples": 2 if name == "vgg11_bn" else 3, "outputs": 2}
        for name, size in sizes.items()
        if not quick or name == "efficientnet_b0"
    ]


def measure(point: Mapping[str, Any], torch: str) -> dict[str, Any]:
    """One model, from the arrays that torchvision has.

    Args:
        point: model, size of the images, samples and outputs.
        torch: the Python that has torch.
    """
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder) / "found.npz"
        words = [point["model"], *(str(point[key]) for key in ("size", "samples", "outputs")), str(out)]
        done = subprocess.run([torch, str(WORKER), *words], capture_output=True, text=True, check=False)
        if done.returncode:
            return {**point, "failed": done.stderr.strip().splitlines()[-1:]}
        told = json.loads(done.stdout)
        with np.load(out) as archive:
            content = dict(archive)
    size = point["size"]
    net = MODELS[point["model"]](point["outputs"], (size, size, 3))
    state = {name.removeprefix("state/"): a for name, a in content.items() if name.startswith("state/")}
    params, X = from_state_dict(net, state), content["X"]
    single = [array.astype(np.float32) for array in params]
    theta = empirical_ntk(net, params, X).reshape(content["kernel"].shape)
    many, seconds = np.zeros((128, size, size, 3), np.float32), []
    for _ in range(3):
        started = time.process_time()
        net(single, many)
        seconds.append(time.process_time() - started)
    return {
        **point,
        "parameters": net.n_trainable,
        "float64": off(net(params, X), content["outputs"]),
        "float32": off(net(single, X.astype(np.float32)), content["single"]),
        "kernel": off(theta, content["kernel"]),
        "versions": told["versions"],
        "forward seconds": min(seconds),
        "torch forward seconds": told["forward seconds"],
    }


def run(quick: bool, options: Options) -> dict[str, Any]:
    """Run the campaign, or say that there is nothing to compare with."""
    if "torch" not in options.peers:
        return {
            "points": [],
            "verdict": "skipped: --peer torch=PYTHON names no Python that has torch and torchvision",
            "failed": 0,
        }
    where = {"torch": options.peers["torch"]}
    found = measure_points("torch-compare", measure, points(quick), options, threads=None, where=where)
    good = [all(one.get(key, np.inf) <= limit for key, limit in LIMITS.items()) for one in found]
    return {
        "points": found,
        "verdict": f"{sum(good)} of {len(good)} models agree with torchvision",
        "failed": len(good) - sum(good),
    }


def tabulate(result: Mapping[str, Any]) -> dict[str, Any]:
    """Differences and seconds, a model a row."""
    columns = [
        Column("model"),
        Column("parameters", "parameters", "d"),
        Column("float64", "outputs in float64", ".1e"),
        Column("float32", "in float32", ".1e"),
        Column("kernel", "tangent kernel", ".1e"),
        Column("forward seconds", "processor seconds for 128 images", ".2f"),
        Column("torch forward seconds", "of torch", ".2f"),
    ]
    rows = [one for one in result["points"] if "failed" not in one]
    return {"models": table("Largest relative differences to torchvision", rows, columns)}
