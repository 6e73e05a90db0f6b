"""One good call of every public callable, found by reflection, and what may be put in the place of its arguments."""

from __future__ import annotations

import enum
import importlib
import inspect
import math
import re
import tempfile
import types
from collections.abc import Callable, Iterator
from fractions import Fraction
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
import scipy.sparse
from hypothesis import Phase, find, settings

import muso_theory as mt
from muso_theory.claims.theorems.library import prove
from muso_theory.methods.monitors import Convergence, Epoch
from muso_theory.networks import NetworkProblem, Recipe, linearise
from muso_theory.numbers import Quantity
from muso_theory.points import Workers
from tests.convex_data import declare, make

# -- what is public -------------------------------------------------------------------------------------------


def public_callables() -> dict[str, Any]:
    """Everything that can be called in `__all__` of the package, its public rooms, and theirs, by its home and name."""
    found: dict[str, Any] = {}
    rooms, todo = set(), [mt]
    while todo:
        room = todo.pop()
        rooms.add(room)
        for name in getattr(room, "__all__", ()):
            value = getattr(room, name)
            if isinstance(value, types.ModuleType):
                todo += [] if value in rooms else [value]
            elif getattr(value, "__module__", "").startswith("muso_theory") and _is_called(value):
                home = value.__module__.removeprefix("muso_theory.")
                found[f"{home}.{getattr(value, '__name__', name)}"] = value
    return found


def _is_called(value: Any) -> bool:
    """Whether users call it: not exceptions, words of an enumeration, and classes that are there to be derived from."""
    if inspect.isclass(value):
        return not (issubclass(value, BaseException | enum.Enum) or inspect.isabstract(value))
    return callable(value)


def public_methods(callables: dict[str, Any]) -> dict[str, Any]:
    """Public methods with arguments of public classes, each once, by the class that defines it."""
    found: dict[str, Any] = {}
    for kind in filter(inspect.isclass, callables.values()):
        for base in kind.__mro__:
            if not base.__module__.startswith("muso_theory"):
                continue
            for name, member in vars(base).items():
                method = getattr(member, "__func__", member)
                if inspect.isfunction(method) and (name == "__call__" or not name.startswith("_")):
                    bound = not isinstance(member, staticmethod)
                    if len(inspect.signature(method).parameters) > bound:
                        found[f"{base.__module__.removeprefix('muso_theory.')}.{base.__name__}.{name}"] = (
                            method
                        )
    return found


PROTOCOL = {
    r"networks\.(activation|convolution|dense|flatten|layer|normalisation|pooling)\.\w+\.\w+": "within layers",
    r"networks\.(composition|cotangents|functions)\.\w+\.\w+": "within layers",
    r"networks\.network\.Sequential\.(forward|pull_back)": "the network hands itself the cache of its layers",
    r"numbers\.\w+\.(Arithmetic|Factor|BALL|MP|CholeskyFactor)\.\w+": "takes the matrices of its own arithmetic",
    r"numbers\.quantity\.Quantity\.(plus|minus|gap_to|outward)": "between quantities",
    r"methods\.\w+\.\w+\.(on_\w+|start|reference|choose|everyone|stopped|distribution|spread|mask|labels)": (
        "what a method or rule defines, and its __call__ asks for"
    ),
    r"methods\.fitting\.Descent\.\w+": "methods call it",
    r"networks\.problem\.NetworkProblem\.as_targets": "methods call it",
    r"data\.frames\.Choices\.refuse": "readers of data call it",
    r"linear\.problem\.UnlearningProblem\.identified_by": "what makes a problem calls it",
    r"evaluation\.public\.Public\.(number|require)": "mechanisms call it by the names that they need",
}
"""Methods that only the package calls, and why; everything else that is public needs a good call."""


# -- good arguments -------------------------------------------------------------------------------------------


@cache
def _x() -> Any:
    return np.random.default_rng(0).standard_normal((6, 8))


@cache
def _net() -> Any:
    return mt.networks.mlp([3, 4, 2], "tanh")


def _inputs() -> Any:
    return _x()[:5, :3].copy()


def _params(seed: int = 0) -> Any:
    return _net().init(seed)


@cache
def _tiny() -> NetworkProblem:
    made = NetworkProblem.pretrain(_net(), _inputs(), _inputs()[:, :2], forget=[0], recipe=_recipe())
    return made.with_retrained()


def _fitted() -> NetworkProblem:
    X, recipe = np.eye(4), Recipe("squared", "gd", 0.1, 200, None)
    return NetworkProblem.pretrain(
        mt.networks.mlp([4, 8, 1], "erf", "ntk"), X, X[:, :1], forget=[3], recipe=recipe
    )


def _problem() -> mt.UnlearningProblem:
    return mt.UnlearningProblem(_x(), _x()[:, 0] + 1, [1, 4])


def publish(seed: int) -> float:
    return float(np.random.default_rng(seed).normal())


def square(x: Any) -> Any:
    return x**2


def silent(*words: Any) -> None:
    """Progress that nobody sees."""


def _frame() -> Any:
    return pd.DataFrame({"a": [1.0, 2.0, 4.0, 7.0], "b": [2.0, 1.0, 0.5, 3.0], "y": [0.5, 1.5, 2.5, 0.0]})


def _logits() -> Any:
    return _x()[:, :3].copy()


def _rows() -> Any:
    return np.array([[0.5, 0.5], [0.9, 0.1], [0.25, 0.75], [0.8, 0.2], [0.3, 0.7]])


def _certificate() -> Any:
    return mt.evaluation.removal_certificate(Quantity.exact(Fraction(1, 1000)), np.ones(3), 1.0, 1e-5)


def _promise() -> Any:
    return mt.evaluation.guarantee("proved-gap", 1.0, 1e-5, gap=Quantity.exact(1))


def _objective() -> Any:
    return make("logistic", n=6, d=3)


def _noisy() -> Any:
    return mt.evaluation.guarantee(
        "noisy-descent", 1.0, 1e-5, public=declare(samples=6, forget=1, steps=2, clip=1.0)
    )


def _dataset() -> Any:
    return mt.data.load("breast_cancer")


def _recipe() -> Any:
    return Recipe("squared", "gd", 0.01, 1, None)


def _prediction() -> Any:
    return mt.linear.predict_training(_problem(), step_sizes=0.05)


@cache
def _linear() -> Any:
    return linearise(_net(), _params(), _inputs())


def _alternating() -> Any:
    return mt.methods.Alternating.corrected(epochs=1)


@cache
def _alternated() -> Any:
    return _alternating().run(_tiny())


def _counterexample() -> Any:
    from muso_theory.refutation.counterexample import Failure

    problem = mt.UnlearningProblem(np.array([[1], [1]]), np.array([0, 1]), [1])
    return mt.Counterexample(problem, "original", "labels", Failure.GAP, np.array([1]), Fraction(1, 4), True)


def _table() -> Any:
    return mt.data.Table("frame", _frame(), str)


def _attack() -> Any:
    return mt.evaluation.roc(SHARED["member_scores"](), SHARED["nonmember_scores"]())


@cache
def _folder() -> Any:
    return tempfile.TemporaryDirectory()


def _csv() -> Any:
    path = Path(_folder().name) / "data.csv"
    if not path.exists():
        pd.DataFrame(np.column_stack([_x(), _x()[:, 0] + 1]), columns=[*"abcdefgh", "y"]).to_csv(
            path, index=False
        )
    return path


def _handed(name: str) -> Path:
    path = Path(_folder().name) / name
    if name.endswith(".npz"):
        np.savez(path, w_unlearned=np.ones(3), forget=[1])
    else:
        np.save(path, np.ones(3))
    return path


def _saved() -> Any:
    path = Path(_folder().name) / "net.npz"
    if not path.exists():
        mt.networks.save(path, _net(), _params())
    return path


SHARED: dict[str, Callable[[], Any]] = {
    "problem": _problem,
    "net": _net,
    "params": _params,
    "X": _inputs,
    "X1": _inputs,
    "features": lambda: _x().copy(),
    "outputs": _logits,
    "other": lambda: _logits() + 1,
    "objective": _objective,
    "w": lambda: np.array([0.5, -1.0, 2.0]),
    "forget": lambda: [1, 4],
    "seed": lambda: 1,
    "delta": lambda: 1e-5,
    "epsilon": lambda: 1.0,
    "sigma": lambda: 2.0,
    "sensitivity": lambda: 1.0,
    "probabilities": _rows,
    "classes": lambda: [0, 1, 1, 0, 1],
    "retain_probabilities": _rows,
    "test_probabilities": _rows,
    "forget_probabilities": _rows,
    "member_scores": lambda: _x()[:2].ravel() + 1,
    "nonmember_scores": lambda: _x()[2:4].ravel(),
    "step_sizes": lambda: 0.1,
    "method": lambda: "cyclic-sgd",
    "epochs": lambda: 2,
    "promise": _promise,
    "slug": lambda: "exact-labels",
    "name": lambda: "tanh",
    "labels": lambda: np.array([0.5, -1.0]),
    "start": _params,
    "at": lambda: _params(1),
}
"""A good argument by its name, where the table says nothing else."""

CALLS: dict[str, Callable[[], dict[str, Any]]] = {
    "networks.linearised.from_network": lambda: {"y": _inputs()[:, :2]},
    "checking.check": lambda: {"claims": ["exact-labels"], "labels": np.array([0.5, -1.0])},
    "claims.theorems.library.check_certificate": lambda: {"certificate": prove("exact-labels").certificate},
    "claims.theorems.library.prove": lambda: {"claim": "exact-labels"},
    "claims.theorems.attempts.statement": lambda: {"source": "matrix A : n x n\nconclude A = A"},
    "data.artefacts.read_artefacts": lambda: {"path": _handed("g.npz"), "n_samples": 6},
    "data.artefacts.read_start": lambda: {"path": str(_handed("w0.npy"))},
    "data.classes.select_classes": lambda: {"dataset": _dataset(), "spec": "malignant,benign"},
    "data.forget.parse_forget": lambda: {"spec": "random:0.1", "dataset": _dataset()},
    "data.frames.frame_dataset": lambda: {"table": _table(), "sha256": "0" * 64},
    "data.frames.frame_samples": lambda: {"table": _table(), "columns": ["a"]},
    "data.sources.load": lambda: {"source": "breast_cancer"},
    "data.sources.public_samples": lambda: {"source": str(_csv()), "dataset": mt.data.load(_csv())},
    "evaluation.accuracies.accuracy": lambda: {"targets": [0, 1, 2, 0, 1, 2]},
    "evaluation.accuracies.average_gap": lambda: {"scores": {"a": 0.5}, "retrained": {"a": 0.25}},
    "evaluation.auditing.audit_guarantee": lambda: {
        "publish": publish,
        "publish_neighbour": publish,
        "draws": 100,
        "level": 0.9,
    },
    "evaluation.certificate.removal_certificate": lambda: {
        "gap": Quantity.exact(Fraction(1, 1000)),
        "w_unlearned": np.ones(3),
        "sigma": None,
    },
    "evaluation.convex.Objective": lambda: {
        "features": np.eye(3),
        "targets": np.array([1.0, -1.0, 1.0]),
        "loss": "logistic",
        "ridge": 0.1,
        "tilt": None,
    },
    "evaluation.distances.agreement": dict,
    "evaluation.distances.parameter_distance": lambda: {"other": np.ones(3)},
    "evaluation.guarantees.guarantee": lambda: {
        "mechanism": "output-noise",
        "public": declare(),
        "sigma": None,
    },
    "evaluation.intervals.binomial_rate": lambda: {"successes": 3, "trials": 5},
    "evaluation.margins.klom": lambda: {"unlearned": _x() + 1, "retrained": _x()},
    "evaluation.membership.attack": lambda: {"method": "logistic"},
    "evaluation.public.Public": lambda: {"samples": 6, "forget": 1, "epsilon": None},
    "evaluation.removal.descent": lambda: {"steps": 2},
    "evaluation.removal.newton_removal": dict,
    "evaluation.removal.noisy_descent": lambda: {"promise": _noisy()},
    "evaluation.roc.calibrated": lambda: {"on_unlearned": _attack(), "on_retrained": _attack()},
    "evaluation.scores.logit_confidence": lambda: {"targets": [0, 1, 2, 0, 1, 2]},
    "evaluation.shadows.likelihood_ratio": lambda: {
        "observed": _x()[0] + 1,
        "shadows": _x(),
        "included": np.indices((6, 8)).sum(axis=0) % 2 == 0,
    },
    "inputs.frame.from_frame": lambda: {"frame": _frame(), "forget": [0], "feature_map": None},
    "linear.approximation.kernel_approximation": lambda: {
        "feature_map": mt.GaussianFeatures(n_features=8),
        "n_features": [8],
        "repeats": 1,
    },
    "linear.labels.label_solution_set": dict,
    "linear.labels.leave_block_out_labels": lambda: {"forget_sets": [[1], [4]]},
    "linear.labels.optimal_labels": lambda: {"method": "closed-form"},
    "linear.problem.UnlearningProblem": lambda: {"targets": _x()[:, 0], "w_init": np.zeros(8)},
    "linear.training.early_stopping.early_stopping_labels": lambda: {
        "step": 0.01,
        "retrain_steps": 2,
        "finetune_steps": 3,
    },
    "linear.training.prediction.epochs_needed": lambda: {"gap": 1e-3, "step_sizes": 0.05},
    "linear.training.prediction.predict_gap": lambda: {"step_sizes": 0.05},
    "linear.training.prediction.gd_epochs": lambda: {"step": 0.01, "accuracy": 1e-3},
    "linear.training.prediction.off_span_gap": lambda: {"w": np.ones(8)},
    "descent.schedules.PAPER_STEPS": lambda: {"t": 3},
    "descent.schedules.PowerSteps": lambda: {"first": 0.5},
    "linear.training.train.train": lambda: {"targets": _x()[:, 0], "start": None, "epsilon": 1e-8},
    "linear.training.stability.stability": dict,
    "linear.training.stability.step_limit": lambda: {"method": "gd"},
    "networks.builders.cnn": lambda: {"input_shape": (4, 4, 1), "channels": [2], "n_out": 2},
    "networks.builders.mlp": lambda: {"sizes": [3, 4, 2]},
    "networks.composition.Residual": lambda: {"body": (mt.networks.Dense(3, 3),)},
    "networks.pooling.AvgPool": lambda: {"window": (2, 2)},
    "networks.convolution.Conv2D": lambda: {"c_in": 1, "c_out": 2, "kernel": (2, 2)},
    "networks.files.from_architecture": lambda: {"arch": mt.networks.architecture(_net())},
    "networks.files.load": lambda: {"path": _saved()},
    "networks.files.save": lambda: {"path": _saved()},
    "networks.gradcheck.check_gradients": dict,
    "networks.infinite_width.infinite_width": lambda: {"net": mt.networks.mlp([3, 4, 2], "erf", "ntk")},
    "networks.activation.Activation": dict,
    "networks.dense.Dense": lambda: {"n_in": 3, "n_out": 2},
    "networks.network.Sequential": lambda: {"input_shape": (3,), "layers": (mt.networks.Dense(3, 2),)},
    "networks.normalisation.LayerNorm": lambda: {"size": 3},
    "networks.oracles.differentiate": lambda: {"f": square, "method": "central"},
    "networks.oracles.finite_differences": lambda: {"method": "richardson"},
    "descent.losses.loss_and_cotangent": lambda: {"targets": _logits(), "loss": "squared"},
    "networks.training.train": lambda: {"targets": _inputs()[:, :2], "learning_rate": 0.01},
    "methods.langevin.amplified": lambda: {
        "distance": 1.0,
        "contraction": 0.5,
        "noise": 1.0,
        "steps": 2,
    },
    "methods.serving": lambda: {"kind": "linear"},
    "methods.projector.check_projector": lambda: {"projector": np.eye(8), "Z": _x().copy()},
    "methods.tangent.fitted_logits": lambda: {
        "J": np.eye(6),
        "base": np.zeros((3, 2)),
        "targets": np.array([[1.0, 0], [0, 1], [1, 0]]),
    },
    "methods.head.head_labels": lambda: {
        "Z_retain": _x()[:4].copy(),
        "Z_forget": _x()[4:].copy(),
        "w_init": np.zeros((8, 2)),
        "w": np.ones((8, 2)),
    },
    "methods.projector.row_projector": lambda: {"Z": _x().copy()},
    "methods.published.published_head": lambda: {
        "Z": _x().copy(),
        "w_init": np.zeros((_x().shape[1], 2)),
        "w_pretrained": np.ones((_x().shape[1], 2)),
        "ridge": 0.5,
    },
    "methods.tangent.tangent_labels": lambda: {
        "X_retain": _inputs()[:3],
        "X_forget": _inputs()[3:],
        "y_retain": _inputs()[:3, :2],
    },
    "methods.tangent.tangent_step": lambda: {"residual": _inputs()[:, :2]},
    "methods.monitors.signatures": lambda: {
        "history": [Epoch(0.1, 0.5, 0.2, 1.0)],
        "convergence": Convergence.SETTLED,
    },
    "methods.linearised.predict_residual": lambda: {"problem": _tiny()},
    "methods.linearised.steps_to": lambda: {"problem": _fitted(), "relative": 0.5},
    "networks.problem.NetworkProblem": lambda: {
        "targets": _inputs()[:, :2],
        "forget": np.array([0]),
        "start": _params(),
        "pretrained": _params(1),
    },
    "numbers.balls.BALL": lambda: {"bits": 64},
    "numbers.constant.is_constant": lambda: {"values": np.array([1.0, 1.0])},
    "numbers.multiprecision.MP": lambda: {"digits": 20},
    "refutation.search.refute": lambda: {"rule": "label-free", "max_examples": 1},
    "refutation.search.refute_report": lambda: {"rule": "label-free", "max_examples": 1},
    "strategies.conditioned_features": lambda: {"n": 3, "d": 4, "rank": 2},
    "strategies.forget_sets": lambda: {"n": 4},
    "strategies.fourier_features": lambda: {"n": 3, "n_features": 4},
    "strategies.orthogonal_matrices": lambda: {"size": 3},
    "strategies.step_size_schedules": lambda: {"largest": 4},
    "sweeping.sweep": lambda: {
        "data": str(_csv()),
        "over": "ridge",
        "values": [0.1],
        "seeds": 1,
        "workers": Workers(jobs=1),
        "n_features": 8,
    },
    "unlearning.unlearn": lambda: {"data": _problem(), "method": "label-free"},
}

METHODS: dict[str, Callable[[], tuple[Any, dict[str, Any]]]] = {
    "evaluation.certificate.RemovalCertificate.release": lambda: (
        _certificate(),
        {"w_unlearned": np.ones(3)},
    ),
    "evaluation.convex.Objective.gap_bound": lambda: (_objective(), {}),
    "evaluation.convex.Objective.gradient": lambda: (_objective(), {}),
    "evaluation.convex.Objective.hessian": lambda: (_objective(), {}),
    "evaluation.convex.Objective.labels": lambda: (_objective(), {"features": np.eye(3)}),
    "evaluation.convex.Objective.minimiser": lambda: (_objective(), {"start": np.zeros(3)}),
    "evaluation.convex.Objective.on": lambda: (
        _objective(),
        {"rows": [0, 2], "targets": np.array([1.0, -1.0])},
    ),
    "evaluation.convex.Objective.sample_gradients": lambda: (_objective(), {}),
    "evaluation.guarantees.Guarantee.delta_at": lambda: (_promise(), {}),
    "evaluation.guarantees.Guarantee.epsilon_at": lambda: (_promise(), {}),
    "evaluation.guarantees.Guarantee.release": lambda: (
        _promise(),
        {"w": _objective().on([0, 2, 3, 5]).minimiser()},
    ),
    "evaluation.margins.Klom.quantile": lambda: (mt.evaluation.klom(_x() + 1, _x()), {"q": 0.5}),
    "evaluation.public.Public.holds_for": lambda: (declare(), {"objective": make("logistic")}),
    "evaluation.roc.Attack.tpr": lambda: (_attack(), {"fpr": 0.1}),
    "methods.langevin.LangevinDescent.divergence": lambda: (
        mt.methods.LangevinDescent(radius=1.0),
        {"order": 2.0},
    ),
    "methods.langevin.LangevinDescent.epsilon": lambda: (
        mt.methods.LangevinDescent(radius=1.0),
        {"delta": 0.5},
    ),
    "methods.method.Method.__call__": lambda: (mt.methods.Retraining(), {}),
    "methods.method.Method.serves": lambda: (mt.methods.Retraining, {"kind": "linear"}),
    "methods.method.Method.settings": lambda: (mt.methods.Retraining, {"kind": "network"}),
    "methods.method.Method.expected_square_gap": lambda: (
        mt.methods.Retraining(),
        {},
    ),
    "methods.method.Method.gaps": lambda: (mt.methods.Retraining(), {"w": None}),
    "linear.feature_map.FeatureMap.fit": lambda: (mt.GaussianFeatures(n_features=8), {"X": _x()}),
    "linear.feature_map.FeatureMap.kernel": lambda: (
        mt.GaussianFeatures(n_features=8).fit(_x()),
        {"X": _x(), "Y": _x()},
    ),
    "linear.feature_map.FeatureMap.transform": lambda: (
        mt.GaussianFeatures(n_features=8).fit(_x()),
        {"X": _x()},
    ),
    "linear.problem.UnlearningProblem.from_data": lambda: (
        None,
        {"y": _x()[:5, 0], "feature_map": mt.GaussianFeatures(n_features=8), "w_init": "normal"},
    ),
    "linear.problem.UnlearningProblem.label_columns": lambda: (_problem(), {}),
    "linear.problem.UnlearningProblem.parameter_columns": lambda: (_problem(), {"parameters": np.ones(8)}),
    "linear.problem.UnlearningProblem.shaped": lambda: (_problem(), {"values": np.ones((8, 1))}),
    "linear.problem.UnlearningProblem.telling": lambda: (_problem(), {}),
    "methods.rules.LabelRule.__call__": lambda: (mt.ZeroLabels(), {}),
    "methods.rules.LabelRule.expected_square_gap": lambda: (mt.ZeroLabels(), {}),
    "linear.training.prediction.Prediction.epochs_needed": lambda: (_prediction(), {"gap": 1e-3}),
    "linear.training.prediction.Prediction.gap": lambda: (_prediction(), {}),
    "descent.schedules.PowerSteps.__call__": lambda: (mt.linear.PowerSteps(0.5), {"t": 3}),
    "networks.linearised.Linearisation.bare": lambda: (_linear(), {"y": _inputs()[:, :2]}),
    "networks.linearised.Linearisation.rows": lambda: (_linear(), {"samples": [1]}),
    "networks.linearised.Linearisation.targets": lambda: (_linear(), {"y": _inputs()[:, :2]}),
    "networks.network.Sequential.__call__": lambda: (_net(), {}),
    "networks.network.Sequential.check_inputs": lambda: (_net(), {}),
    "networks.network.Sequential.check_params": lambda: (_net(), {}),
    "networks.network.Sequential.flatten": lambda: (_net(), {}),
    "networks.network.Sequential.init": lambda: (_net(), {}),
    "networks.network.Sequential.jacobian": lambda: (_net(), {}),
    "networks.network.Sequential.jvp": lambda: (_net(), {"tangent": _params(1)}),
    "networks.network.Sequential.unflatten": lambda: (_net(), {"vector": _net().flatten(_params())}),
    "networks.network.Sequential.vjp": lambda: (_net(), {"cotangent": np.ones((5, 2))}),
    "methods.alternating.Alternating.corrected": lambda: (None, {"epochs": 1}),
    "methods.alternating.Alternating.last_layer": lambda: (None, {"epochs": 1}),
    "methods.alternating.Alternating.ridge_at": lambda: (_alternating(), {"epoch": 1}),
    "methods.published.Published.of": lambda: (None, {"forgetting": "random"}),
    "methods.published.Published.ridge_at": lambda: (mt.methods.Published(), {"epoch": 1}),
    "methods.published.Published.run": lambda: (
        mt.methods.Published("projector", "float64", labels="soft", subset=1.0, loss="squared"),
        {"problem": _tiny()},
    ),
    "methods.alternating.Alternating.run": lambda: (_alternating(), {"problem": _tiny()}),
    "methods.monitors.AlternatingResult.signatures": lambda: (
        _alternated(),
        {"tolerance": 0.1},
    ),
    "networks.problem.NetworkProblem.check_trained": lambda: (_tiny(), {"rate": 0.1}),
    "networks.problem.NetworkProblem.distance": lambda: (_tiny(), {"others": _params(1)}),
    "networks.problem.NetworkProblem.is_broken": lambda: (_tiny(), {}),
    "networks.problem.NetworkProblem.mean_loss": lambda: (_tiny(), {"samples": np.array([1, 2])}),
    "networks.problem.NetworkProblem.outputs": lambda: (_tiny(), {"samples": np.array([1, 2])}),
    "networks.problem.NetworkProblem.pretrain": lambda: (
        None,
        {"y": _inputs()[:, :2], "forget": [0], "recipe": _recipe()},
    ),
    "networks.problem.NetworkProblem.probabilities": lambda: (
        _tiny(),
        {"outputs": _logits()[:, :2]},
    ),
    "networks.problem.NetworkProblem.relative_gaps": lambda: (_tiny(), {}),
    "networks.problem.NetworkProblem.with_retrained": lambda: (_tiny(), {"retrained": _params(2)}),
    "networks.recipe.Recipe.fit": lambda: (
        _recipe(),
        {"targets": _inputs()[:, :2], "net": _net()},
    ),
    "numbers.quantity.Quantity.enclosure": lambda: (None, {"lower": Fraction(0), "upper": Fraction(1)}),
    "numbers.quantity.Quantity.exact": lambda: (None, {"value": Fraction(1, 3)}),
    "numbers.quantity.Quantity.measured": lambda: (None, {"value": 0.5}),
    "refutation.counterexample.Counterexample.from_json": lambda: (
        None,
        {"text": _counterexample().to_json()},
    ),
    "report.Report.theorem": lambda: (mt.check(_problem(), ["full-rank"]), {"claim": "full-rank"}),
}
"""Of methods: on what, None for class methods; arguments as above."""

RECORDS = frozenset(
    [
        "claims.catalogue.Claim",
        "claims.theorems.attempts.TheoremAnswer",
        "claims.theorems.proof.Proof",
        "data.dataset.Dataset",
        "data.frames.Choices",
        "data.tables.Table",
        "evaluation.auditing.GuaranteeAudit",
        "evaluation.certificate.RemovalCertificate",
        "evaluation.guarantees.Guarantee",
        "evaluation.intervals.Rate",
        "evaluation.margins.Klom",
        "evaluation.roc.Attack",
        "methods.published.PublishedResult",
        "methods.published.PublishedRound",
        "evaluation.roc.Difference",
        "evidence.row.Evidence",
        "methods.method.Gaps",
        "linear.labels.LabelSolutionSet",
        "linear.solution.Solution",
        "linear.training.prediction.Prediction",
        "linear.training.train.Snapshot",
        "linear.training.train.Training",
        "linear.training.stability.Stability",
        "networks.cotangents.Cotangent",
        "networks.gradcheck.GradientCheck",
        "networks.linearised.Linearisation",
        "networks.oracles.FiniteDifferences",
        "networks.training.TrainedNetwork",
        "methods.monitors.AlternatingResult",
        "methods.head.HeadCondition",
        "methods.projector.ProjectorCheck",
        "methods.monitors.Epoch",
        "methods.linearised.PredictedResidual",
        "numbers.float64.CholeskyFactor",
        "numbers.quantity.Quantity",
        "refutation.counterexample.Counterexample",
        "refutation.search.Refutation",
        "report.Report",
        "unlearned.Unlearned",
    ]
)
"""What the package returns. A constructor keeps what it is given; it may refuse, and must not stumble."""


# -- calls ----------------------------------------------------------------------------------------------------


class Call(NamedTuple):
    """A callable with one good call."""

    name: str
    function: Callable[..., Any]
    arguments: dict[str, Any]
    annotations: dict[str, str]
    defaults: dict[str, Any]

    def __call__(self, **changes: Any) -> Any:
        """Call it; parameters that take no name are handed over by place."""
        given = {**self.arguments, **changes}
        result = self.function(**given)
        if self.name.startswith("strategies."):
            return _drawn(result)
        # scikit-learn's convention: a constructor keeps what it is given, and fit refuses it.
        return result.fit(_x()) if self.name.startswith("linear.features.") else result


def _drawn(strategy: Any) -> Any:
    quick = settings(max_examples=2, derandomize=True, database=None, deadline=None, phases=[Phase.generate])
    return find(strategy, lambda _: True, settings=quick)


def good_call(name: str, value: Any) -> Call | None:
    """The good call of a public function, class or method, or None where an argument has no good value."""
    owner, overrides = None, {}
    if name in METHODS:
        owner, overrides = METHODS[name]()
        if owner is None:
            owner = getattr(importlib.import_module(value.__module__), value.__qualname__.split(".")[0])
        function = getattr(owner, value.__name__)
    else:
        function, overrides = value, CALLS.get(name, dict)()
    arguments, annotations, defaults = {}, {}, {}
    for parameter in inspect.signature(function).parameters.values():
        word = parameter.name
        if parameter.kind in (parameter.VAR_POSITIONAL, parameter.VAR_KEYWORD):
            continue
        annotations[word] = str(parameter.annotation)
        if word in overrides:
            arguments[word] = overrides[word]
        elif parameter.default is not parameter.empty:
            arguments[word] = parameter.default
        elif word in SHARED:
            arguments[word] = SHARED[word]()
        else:
            return None
        if parameter.default is not parameter.empty:
            defaults[word] = parameter.default
    arguments |= {
        word: given for word, given in overrides.items() if word not in annotations and given is not None
    }
    return Call(name, function, arguments, annotations, defaults)


# -- what comes instead ---------------------------------------------------------------------------------------


def instead_of(good: Any) -> Iterator[tuple[str, Any]]:
    """What users hand in by mistake, as near to a good argument as it can be."""
    yield "None", None
    yield "5", 5
    yield "text", "x"
    yield "object", object()
    yield "ragged", [[1.0], [1.0, 2.0]]
    yield "empty", []
    yield "0-d", np.array(1.5)
    if isinstance(good, list) and good and all(isinstance(item, np.ndarray) for item in good):
        for word, spoilt in _arrays(good[0]):
            yield f"[0] {word}", [spoilt, *good[1:]]
        return
    numbers = isinstance(good, np.ndarray | list | tuple) and np.asarray(good).dtype.kind in "iufb"
    yield from _arrays(np.array(good, dtype=float) if numbers and np.size(good) else np.ones((2, 2)))
    if not numbers:
        yield "nan", math.nan
        yield "complex", 1j
        yield "masked", np.ma.masked


def _arrays(good: Any) -> Iterator[tuple[str, Any]]:
    """Arrays of the right shape that are no arrays of numbers."""
    spoilt = good.astype(float)
    spoilt.flat[0] = math.nan
    yield "array with nan", spoilt
    yield "masked array", np.ma.array(good, mask=np.zeros(good.shape, bool))
    yield "sparse array", scipy.sparse.csr_array(np.atleast_2d(good) if good.ndim < 3 else good[0])
    yield "complex array", good + 0j
    yield "array of text", np.full(good.shape, "x")


_LITERAL = re.compile(r"Literal\[[^\]]*\]")
_INNER = re.compile(r"\[[^\[\]]*\]")


def is_declared(call: Call, argument: str, word: str) -> bool:
    """Whether the annotation, or the list of exceptions below, says that this is a legal value."""
    if word in LEGAL.get(f"{call.name}({argument})", ()):
        return True
    if (
        word in COMPLEX
        and call.name.startswith(("networks.", "methods.head.", "methods.tangent."))
        and argument in DIFFERENTIATED
    ):
        return True
    text = _LITERAL.sub("", call.annotations.get(argument, ""))
    while _INNER.search(text):
        text = _INNER.sub("", text)
    words = set(re.findall(r"\w+", text))
    match word:
        case "None":
            return "None" in words or call.defaults.get(argument, call) is None
        case "5":
            return bool(words & {"int", "float", "Number", "Fraction", "StepSizes"})
        case "text":
            return "str" in words
        case "empty":
            return bool(words & {"Sequence", "Iterable", "Mapping", "tuple", "list"})
        case "nan":
            default = call.defaults.get(argument)
            return isinstance(default, float) and math.isnan(default)
    return False


_KEPT = {word for word, _ in instead_of(1.0)} | {"None"}

LEGAL: dict[str, set[str]] = {
    "claims.theorems.library.check_certificate(certificate)": _KEPT,  # the answer says what is wrong with it
    "linear.feature_map.FeatureMap.fit(y)": _KEPT,  # scikit-learn's convention: y is there and not read
    "inputs.frame.from_frame(feature_map)": {"None"},
    "linear.problem.UnlearningProblem.from_data(feature_map)": {"None"},
    "refutation.search.refute(max_examples)": {"5"},
    "linear.training.prediction.epochs_needed(step_sizes)": {"5"},
    "linear.training.prediction.predict_gap(step_sizes)": {"5"},
    "methods.alternating.Alternating.last_layer(epochs)": {"5"},
    "methods.alternating.Alternating.corrected(epochs)": {"5"},
    "methods.monitors.AlternatingResult.signatures(tolerance)": {"5"},
    "evaluation.roc.roc(samples)": {"ragged"},  # members and nonmembers need not be equally many
    "numbers.constant.is_constant(values)": {"5", "0-d", "array with nan"},  # NaN differs from everything
    "numbers.constant.is_constant(like)": {
        "empty",
        "0-d",
        "array with nan",
        "complex array",
    },  # its dtype counts
    "numbers.quantity.Quantity.enclosure(lower)": {"nan"},  # becomes the infinite end
    "numbers.quantity.Quantity.enclosure(upper)": {"nan"},
    "numbers.quantity.Quantity.measured(value)": {"nan"},  # a measurement that failed
    "linear.problem.UnlearningProblem.shaped(values)": {
        "array with nan",
        "complex array",
    },  # nothing is computed
    "descent.losses.loss_and_cotangent(outputs)": {
        "array with nan",
        "complex array",
    },  # how divergence is noticed
    "descent.losses.loss_and_cotangent(targets)": {"array with nan", "complex array"},
    "networks.linearised.Linearisation.rows(samples)": {"empty"},
    "networks.problem.NetworkProblem.outputs(samples)": {"empty"},
}
"""Legal values that annotations do not tell, by callable and argument."""

COMPLEX = {"complex array", "[0] complex array"}
DIFFERENTIATED = {"params", "X", "X1", "X2", "tangent", "cotangent", "vector", "outputs", "targets"}
"""What networks take in complex numbers, too: by complex steps their derivatives are tested."""
