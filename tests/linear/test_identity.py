"""A problem is known by what was given, on every kernel of BLAS; labels do not depend on its threads."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from typing import Any

import numpy as np
import pytest
from sklearn.preprocessing import FunctionTransformer

import muso_theory as mt
from muso_theory.linear.identity import given_sha256

X = np.random.default_rng(0).standard_normal((12, 3))
Y = X[:, 0] + 1

_TOLD = """
import hashlib, json
import numpy as np
import muso_theory as mt
rng = np.random.default_rng(0)
X = rng.standard_normal((400, 20))
features = mt.GaussianFeatures(n_features=900)
problem = mt.UnlearningProblem.from_data(X, np.sin(X[:, 0]), forget=range(40), feature_map=features)
net = mt.networks.mlp([20, 30, 1], "erf")
linear = mt.networks.from_network(net, net.init(0), X[:40], X[:40, 0], forget=[1])
report = mt.check(problem, ["full-rank"])
def sha(a):
    return hashlib.sha256(np.ascontiguousarray(a).tobytes()).hexdigest()
print(json.dumps({
    "given": [problem.sha256, linear.sha256, report.inputs["sha256"]],
    "features": sha(problem.features), "labels": sha(mt.optimal_labels(problem)),
}))
"""


def told_by(kernel: str, threads: int) -> dict[str, Any]:
    environment = {**os.environ, "OPENBLAS_CORETYPE": kernel, "OPENBLAS_NUM_THREADS": str(threads)}
    done = subprocess.run(
        [sys.executable, "-c", _TOLD], env=environment, capture_output=True, text=True, check=True
    )
    return dict(json.loads(done.stdout))


def problem(**changes: Any) -> mt.UnlearningProblem:
    given = {
        "X": X,
        "y": Y,
        "forget": [1, 4],
        "feature_map": mt.GaussianFeatures(n_features=8, seed=3),
        **changes,
    }
    return mt.UnlearningProblem.from_data(given.pop("X"), given.pop("y"), **given)


@pytest.mark.slow
def test_kernels_and_threads_change_no_identity() -> None:
    here = told_by("Prescott", 1)
    others = [told_by("Prescott", 2), told_by("Haswell", 1)]
    assert all(other["given"] == here["given"] for other in others)
    assert others[0]["labels"] == here["labels"]
    if others[1]["features"] == here["features"]:
        pytest.skip("this BLAS has one kernel, or takes none of these, so nothing here could differ")


def test_everything_given_counts() -> None:
    base = problem().sha256
    changed = X.copy()
    changed[2, 1] = np.nextafter(changed[2, 1], 2)
    for changes in (
        {"X": changed},
        {"y": Y + 1},
        {"forget": [1, 5]},
        {"feature_map": mt.GaussianFeatures(n_features=8, seed=4)},
        {"feature_map": mt.GaussianFeatures(n_features=8, seed=3, bandwidth=2.0)},
        {"feature_map": mt.OrthogonalFeatures(n_features=8, seed=3)},
        {"fit_map": "all"},
        {"fit_map": X[:5] + 1},
        {"w_init": "zero"},
        {"w_init": "normal"},
        {"w_init": "normal", "seed": 1},
        {"w_init": np.ones(8)},
    ):
        assert problem(**changes).sha256 != base, changes
    assert problem(w_init="normal", seed=1).sha256 != problem(w_init="normal", seed=2).sha256
    # What changes nothing is nothing.
    mask = np.isin(np.arange(12), [1, 4])
    assert {problem(forget=mask).sha256, problem(X=np.asfortranarray(X)).sha256, problem(seed=5).sha256} == {
        base
    }
    # A seed counts where something was drawn from it, and nowhere else.
    for start in (None, "zero", np.ones(8)):
        assert problem(w_init=start, seed=1).sha256 == problem(w_init=start, seed=2).sha256, start


def test_networks_are_known_by_their_parts() -> None:
    net = mt.networks.mlp([3, 4, 1], "erf")
    build = mt.networks.from_network
    base = build(net, net.init(0), X, Y, forget=[1]).sha256
    assert build(net, net.init(0), X, Y, forget=[1]).sha256 == base
    assert build(net, net.init(1), X, Y, forget=[1]).sha256 != base
    assert build(mt.networks.mlp([3, 4, 1], "tanh"), net.init(0), X, Y, forget=[1]).sha256 != base
    assert build(mt.networks.mlp([3, 4, 1], "erf", b_std=0.2), net.init(0), X, Y, forget=[1]).sha256 != base


def test_what_does_not_say_what_it_is_made_of_is_known_by_its_features() -> None:
    by_hand = mt.UnlearningProblem(problem().features, Y, [1, 4])
    assert problem().sha256 != by_hand.sha256
    fitted = mt.GaussianFeatures(n_features=8, seed=3).fit(X)
    assert problem(feature_map=fitted).sha256 == mt.UnlearningProblem(fitted.transform(X), Y, [1, 4]).sha256
    one, other = (FunctionTransformer(f) for f in (np.sin, np.cos))
    assert given_sha256(map=one) == ""
    assert problem(feature_map=one).sha256 == mt.UnlearningProblem(np.sin(X), Y, [1, 4]).sha256
    assert problem(feature_map=one).sha256 != problem(feature_map=other).sha256


def test_no_two_things_have_one_text() -> None:
    given = [
        {"a": "1"}, {"a": 1}, {"a": None}, {"a": "None"}, {"a": [1, 2]}, {"a": [12]}, {"a": (1, 2)}, {"a": np.ones(1)},
        {"a": [1.0]}, {"a": 1, "b": 2}, {"a": "1;b:number:'2'"}, {"b": 1}, {"a": np.ones(1, np.float32)},
        {"a": [[1], 2]},
    ]  # fmt: skip
    hashes = [given_sha256(**one) for one in given]
    assert len(set(hashes)) == len(given)
