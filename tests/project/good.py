"""Good arguments by their names, for the calls that `contract` lists."""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from fractions import Fraction
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

import muso_theory as mt
from muso_theory.networks import NetworkProblem, Recipe, linearise
from muso_theory.numbers import Quantity
from tests.convex_data import declare, make


@cache
def x() -> Any:
    return np.random.default_rng(0).standard_normal((6, 8))


@cache
def net() -> Any:
    return mt.networks.mlp([3, 4, 2], "tanh")


@cache
def small_resnet() -> Any:
    return mt.networks.resnet8(2)


def state_dict() -> Any:
    return {name: np.ones(shape) for name, shape in mt.networks.state_dict_shapes(small_resnet()).items()}


@cache
def normed() -> Any:
    return mt.networks.Sequential((3,), (mt.networks.BatchNorm(3),))


def inputs() -> Any:
    return x()[:5, :3].copy()


def params(seed: int = 0) -> Any:
    return net().init(seed)


@cache
def tiny() -> NetworkProblem:
    made = NetworkProblem.pretrain(net(), inputs(), inputs()[:, :2], forget=[0], recipe=recipe())
    return made.with_retrained()


def fitted() -> NetworkProblem:
    X, recipe = np.eye(4), Recipe("squared", "gd", 0.1, 200, None)
    return NetworkProblem.pretrain(
        mt.networks.mlp([4, 8, 1], "erf", "ntk"), X, X[:, :1], forget=[3], recipe=recipe
    )


def problem() -> mt.UnlearningProblem:
    return mt.UnlearningProblem(x(), x()[:, 0] + 1, [1, 4])


def publish(seed: int) -> float:
    return float(np.random.default_rng(seed).normal())


def square(x: Any) -> Any:
    return x**2


def silent(*words: Any) -> None:
    """Progress that nobody sees."""


def frame() -> Any:
    return pd.DataFrame({"a": [1.0, 2.0, 4.0, 7.0], "b": [2.0, 1.0, 0.5, 3.0], "y": [0.5, 1.5, 2.5, 0.0]})


def logits() -> Any:
    return x()[:, :3].copy()


def rows() -> Any:
    return np.array([[0.5, 0.5], [0.9, 0.1], [0.25, 0.75], [0.8, 0.2], [0.3, 0.7]])


def certificate() -> Any:
    return mt.evaluation.removal_certificate(Quantity.exact(Fraction(1, 1000)), np.ones(3), 1.0, 1e-5)


def promise() -> Any:
    return mt.evaluation.guarantee("proved-gap", 1.0, 1e-5, gap=Quantity.exact(1))


def objective() -> Any:
    return make("logistic", n=6, d=3)


def noisy() -> Any:
    return mt.evaluation.guarantee(
        "noisy-descent", 1.0, 1e-5, public=declare(samples=6, forget=1, steps=2, clip=1.0)
    )


def dataset() -> Any:
    return mt.data.load("breast_cancer")


def recipe() -> Any:
    return Recipe("squared", "gd", 0.01, 1, None)


def prediction() -> Any:
    return mt.linear.predict_training(problem(), step_sizes=0.05)


@cache
def linear() -> Any:
    return linearise(net(), params(), inputs())


def alternating() -> Any:
    return mt.methods.Alternating.corrected(epochs=1)


@cache
def alternated() -> Any:
    return alternating().run(tiny())


def counterexample() -> Any:
    from muso_theory.refutation.counterexample import Failure

    problem = mt.UnlearningProblem(np.array([[1], [1]]), np.array([0, 1]), [1])
    return mt.Counterexample(problem, "original", "labels", Failure.GAP, np.array([1]), Fraction(1, 4), True)


def table() -> Any:
    return mt.data.Table("frame", frame(), str)


def attack() -> Any:
    return mt.evaluation.roc(SHARED["member_scores"](), SHARED["nonmember_scores"]())


@cache
def folder() -> Any:
    return tempfile.TemporaryDirectory()


def csv() -> Any:
    path = Path(folder().name) / "data.csv"
    if not path.exists():
        pd.DataFrame(np.column_stack([x(), x()[:, 0] + 1]), columns=[*"abcdefgh", "y"]).to_csv(
            path, index=False
        )
    return path


def handed(name: str) -> Path:
    path = Path(folder().name) / name
    if name.endswith(".npz"):
        np.savez(path, w_unlearned=np.ones(3), forget=[1])
    else:
        np.save(path, np.ones(3))
    return path


def saved() -> Any:
    path = Path(folder().name) / "net.npz"
    if not path.exists():
        mt.networks.save(path, net(), params())
    return path


SHARED: dict[str, Callable[[], Any]] = {
    "problem": problem,
    "net": net,
    "params": params,
    "X": inputs,
    "X1": inputs,
    "features": lambda: x().copy(),
    "outputs": logits,
    "other": lambda: logits() + 1,
    "objective": objective,
    "w": lambda: np.array([0.5, -1.0, 2.0]),
    "forget": lambda: [1, 4],
    "seed": lambda: 1,
    "delta": lambda: 1e-5,
    "epsilon": lambda: 1.0,
    "sigma": lambda: 2.0,
    "sensitivity": lambda: 1.0,
    "probabilities": rows,
    "classes": lambda: [0, 1, 1, 0, 1],
    "retain_probabilities": rows,
    "test_probabilities": rows,
    "forget_probabilities": rows,
    "member_scores": lambda: x()[:2].ravel() + 1,
    "nonmember_scores": lambda: x()[2:4].ravel(),
    "step_sizes": lambda: 0.1,
    "method": lambda: "cyclic-sgd",
    "epochs": lambda: 2,
    "promise": promise,
    "slug": lambda: "exact-labels",
    "name": lambda: "tanh",
    "labels": lambda: np.array([0.5, -1.0]),
    "start": params,
    "at": lambda: params(1),
}
"""A good argument by its name, where the table says nothing else."""
