"""Campaign ``layers``: what every layer and the published models were tried on, and the time and memory that they take.

A row a layer, in the smallest network that needs it, in both parameterisations: the largest difference of its rules to
their oracles (finite differences, and what follows from them), of the tangent kernel to the product of Jacobian rows,
whether what is saved is loaded bit by bit, and how many of ten bad inputs are refused in words. A row a published model
with random arrays of the published names and shapes: sampled coordinates of the gradient against central differences,
the kernel of one output on 16 images, its Gram summed by blocks of parameters, against two gradients. Then ``resnet8``:
an epoch of training, and the trace of its kernel. Seconds are processor time with one thread of BLAS.
"""

from __future__ import annotations

import os
import tempfile
import time
import tracemalloc
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from muso_theory.arrays import Array
from muso_theory.errors import MusoError
from muso_theory.networks import (
    Recipe,
    Sequential,
    check_gradients,
    efficientnet_b0,
    empirical_ntk,
    from_state_dict,
    load,
    resnet8,
    resnet18,
    save,
)

from .campaign import Options, measure_points
from .layer_nets import PARAMETERIZATIONS, arrays_of, inputs, kinked, moved, off, smooth
from .scenarios import scenario
from .tables import Column, table

__all__ = ["measure", "points", "refused", "run", "tabulate"]

SECONDS = (60, 400)
"""Expected time of the quick and of the full campaign on two cores."""

RULES, KERNEL, COORDINATES = 1e-10, 1e-12, 1e-5
"""Largest differences allowed: of rules and kernels relative to the largest entry, of sampled coordinates relative to
the largest of their array. Central differences of a network with rectifiers have no more digits."""

BUDGET = 1 << 30
"""Bytes that a kernel may take."""

IMAGES = 16
MODELS: dict[str, Callable[[], Sequential]] = {
    "resnet18": lambda: resnet18(1),
    "efficientnet_b0": lambda: efficientnet_b0(1, (64, 64, 3)),
}


def points(quick: bool = False) -> list[dict[str, Any]]:
    """All points, the expensive ones first."""
    large = [
        {"kind": "model", "model": name, "images": 4 if quick else IMAGES}
        for name in MODELS
        if not quick or name == "resnet18"
    ]
    resnet = [
        {"kind": "epoch", "model": "resnet8", "images": 500 if quick else 5000},
        {"kind": "trace", "model": "resnet8", "images": 32 if quick else 256},
    ]
    names = [*smooth("standard"), *kinked("standard")]
    return (
        large
        + resnet
        + [{"kind": "layer", "layer": name, "param": param} for param in PARAMETERIZATIONS for name in names]
    )


def _bad(net: Sequential, params: list[Array], X: Array) -> dict[str, Callable[[], Any]]:
    """Calls that must be refused, whatever the layers are."""
    unfit = X[..., :-1] if X.dtype.kind == "f" else X[:, :-1]
    holes = X.astype(float).copy()
    holes.flat[3] = np.nan
    wrong = [*params[:-1], np.ones((*params[-1].shape, 2))]
    return {
        "inputs of another shape": lambda: net(params, unfit),
        "one sample without its axis": lambda: net(params, X[0]),
        "NaN in the inputs": lambda: net(params, holes),
        "infinite parameters": lambda: net([*params[:-1], np.full_like(params[-1], np.inf)], X),
        "masked inputs": lambda: net(params, np.ma.masked_greater(X, 0)),
        "inputs of text": lambda: net(params, X.astype(str)),
        "an array too few": lambda: net(params[:-1], X),
        "an array of another shape": lambda: net(wrong, X),
        "NaN in the parameters": lambda: net([np.full_like(a, np.nan) for a in params], X),
        "a file without arrays": lambda: load(Path(os.devnull)),
    }


def refused(calls: Mapping[str, Callable[[], Any]]) -> list[str]:
    """The calls that did not end in an error of this package."""
    passed = []
    for name, call in calls.items():
        try:
            call()
        except MusoError:
            continue
        except Exception as error:
            passed.append(f"{name}: {type(error).__name__}")
        else:
            passed.append(f"{name}: accepted")
    return passed


def _layer(layer: str, param: str) -> dict[str, Any]:
    """Rules, kernels, file and refusals of one layer."""
    net = {**smooth(param), **kinked(param)}[layer]
    params, X = moved(net), inputs(net)
    errors = check_gradients(net, params, X, throw=False).errors
    J = net.jacobian(params, X)
    kernels = {
        "full": np.einsum("akp,blp->akbl", J, J),
        "trace": np.einsum("akp,bkp->ab", J, J),
        "diag": np.einsum("akp,bkp->abk", J, J),
    }
    with tempfile.TemporaryDirectory() as folder:
        save(Path(folder) / "net.npz", net, params)
        again, loaded = load(Path(folder) / "net.npz")
    calls = _bad(net, params, X)
    return {
        "rules": len(errors),
        "gradient": max(errors.values()),
        "kernel": max(off(empirical_ntk(net, params, X, contract=c), K) for c, K in kernels.items()),
        "same file": bool(again == net and all(map(np.array_equal, params, loaded))),
        "bad inputs": len(calls),
        "not refused": refused(calls),
    }


def _coordinates(net: Sequential, params: list[Array], X: Array, gradient: list[Array], n: int = 12) -> float:
    """The largest difference of sampled coordinates to central differences, relative to the largest of their array."""
    rng, worst, h = np.random.default_rng(1), 0.0, 1e-5
    for index in rng.choice(np.flatnonzero(net.trainable), n, replace=False):
        place, scale = tuple(rng.integers(size) for size in params[index].shape), abs(gradient[index]).max()
        ends = []
        for sign in (1, -1):
            shifted = params.copy()
            shifted[index] = params[index].copy()
            shifted[index][place] += sign * h
            ends.append(float(net(shifted, X)[0, 0]))
        worst = max(worst, abs((ends[0] - ends[1]) / (2 * h) - gradient[index][place]) / max(scale, 1e-3))
    return float(worst)


def _timed(work: Callable[[], Any]) -> tuple[Any, dict[str, float]]:
    """What work returns, its processor seconds, and the most bytes that it held at once."""
    tracemalloc.start()
    started = time.process_time()
    found = work()
    seconds, (_, peak) = time.process_time() - started, tracemalloc.get_traced_memory()
    tracemalloc.stop()
    return found, {"seconds": seconds, "megabytes": peak / 2**20}


def _model(model: str, images: int) -> dict[str, Any]:
    """A published model from arrays of its published names: gradient and kernel of one output."""
    net = MODELS[model]()
    arrays = arrays_of(net)
    params = from_state_dict(net, arrays)
    X = np.random.default_rng(0).standard_normal((images, *net.input_shape))
    rows = [net.vjp(params, X[i : i + 1], np.ones((1, 1))) for i in (0, 1)]
    kernel, took = _timed(lambda: empirical_ntk(net, params, X, max_bytes=BUDGET).reshape(images, images))
    flat = np.array([net.flatten(row) for row in rows])
    return {
        "arrays": len(arrays),
        "parameters": net.n_trainable,
        "gradient": _coordinates(net, params, X[:1], rows[0]),
        "kernel": off(kernel[:2, :2], flat @ flat.T),
        "least eigenvalue": float(np.linalg.eigvalsh(kernel)[0] / np.trace(kernel)),
        **took,
    }


def _mnist(images: int) -> tuple[Array, Array]:
    """So many of the embedded images and their classes, float32; the first again where there are fewer."""
    found = scenario("mnist", "random:0.1", 0, one_hot=True)
    X, y = np.concatenate([found.X, found.X_test]), np.concatenate([found.y, found.y_test])
    index = np.arange(images) % len(X)
    return X[index].reshape(-1, 28, 28, 1).astype(np.float32), y[index]


def _epoch(images: int) -> dict[str, Any]:
    """One epoch of resnet8: what it takes, and that it learns."""
    X, y = _mnist(images)
    net = resnet8(10, (28, 28, 1))
    start = [array.astype(np.float32) for array in net.init(0)]
    started = time.process_time()
    params = Recipe("cross-entropy", epochs=1, seed=0).fit(net, start, X, y)
    seconds = time.process_time() - started
    right = net(params, X[:1000]).argmax(axis=1) == y[:1000].argmax(axis=1)
    return {
        "parameters": net.n_trainable,
        "seconds": seconds,
        "accuracy": float(right.mean()),
    }


def _trace(images: int) -> dict[str, Any]:
    """The trace of the kernel of resnet8, in blocks."""
    X, _ = _mnist(images)
    net = resnet8(10, (28, 28, 1))
    params = net.init(0)
    kernel, took = _timed(
        lambda: empirical_ntk(net, params, X.astype(float), contract="trace", max_bytes=BUDGET)
    )
    J = net.jacobian(params, X[:2].astype(float))
    return {
        "parameters": net.n_trainable,
        "kernel": off(kernel[:2, :2], np.einsum("akp,bkp->ab", J, J)),
        **took,
    }


def measure(point: Mapping[str, Any]) -> dict[str, Any]:
    """One row."""
    kinds = {"layer": _layer, "model": _model, "epoch": _epoch, "trace": _trace}
    given = {key: value for key, value in point.items() if key != "kind"}
    if point["kind"] in ("epoch", "trace"):
        given.pop("model")
    return {**point, **kinds[point["kind"]](**given)}


def run(quick: bool, options: Options) -> dict[str, Any]:
    """Measure all rows."""
    found = measure_points("layers", measure, points(quick), options)
    bad = [row for row in found if not _good(row)]
    return {
        "points": found,
        "verdict": f"{len(found) - len(bad)} of {len(found)} rows agree with their oracles",
        "failed": len(bad),
    }


def _good(row: Mapping[str, Any]) -> bool:
    """Whether a row agrees with its oracles, is loaded as it was saved, and refuses what is bad."""
    limit = RULES if row["kind"] == "layer" else COORDINATES
    return bool(
        row.get("gradient", 0.0) <= limit
        and row.get("kernel", 0.0) <= KERNEL
        and row.get("same file", True)
        and not row.get("not refused")
    )


def tabulate(result: Mapping[str, Any]) -> dict[str, Any]:
    """A row a layer, and a row a model."""
    rows = {kind: [r for r in result["points"] if r["kind"] == kind] for kind in ("layer", "model")}
    layers = [
        {
            **row,
            "file": "same bits" if row["same file"] else "differs",
            "refused": f"{row['bad inputs'] - len(row['not refused'])} of {row['bad inputs']}",
        }
        for row in rows["layer"]
    ]
    others = [r for r in result["points"] if r["kind"] in ("epoch", "trace")]
    number, large = Column("images", spec="d"), ".3g"
    return {
        "layers": table(
            "Layers: largest relative differences",
            layers,
            [
                Column("layer"),
                Column("param", "parameterisation"),
                Column("rules", "rules", "d"),
                Column("gradient", "rules and their oracles", ".1e"),
                Column("kernel", "kernel and Jacobian rows", ".1e"),
                Column("file", "saved and loaded"),
                Column("refused", "bad inputs refused"),
            ],
        ),
        "models": table(
            "Published models, one output",
            rows["model"],
            [
                Column("model"),
                Column("arrays", "arrays by name", "d"),
                Column("parameters", spec="d"),
                number,
                Column("gradient", "sampled coordinates", ".1e"),
                Column("kernel", "kernel and gradients", ".1e"),
                Column("seconds", "processor seconds", large),
                Column("megabytes", "peak MB", large),
            ],
        ),
        "resnet8": table(
            "resnet8 on MNIST",
            others,
            [
                Column("kind", "work"),
                number,
                Column("seconds", "processor seconds", large),
                Column("megabytes", "peak MB", large),
                Column("accuracy", "accuracy after it", large),
            ],
        ),
    }
