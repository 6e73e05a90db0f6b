"""Unlearning a network: the data, what to forget, and the two models to compare."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any, final

import numpy as np

from ..arguments import checked
from ..arrays import Array, forget_indices, plain_array, real_array, refuse_another_order
from ..descent.losses import LossName, loss_and_cotangent
from ..errors import expected
from ..linear.task import Task
from ..numbers.constant import rounding
from .network import Sequential
from .recipe import Recipe
from .training import diverged

__all__ = ["NetworkProblem", "onto_simplex", "softmax"]


@checked
def softmax(outputs: Array) -> Array:
    """Class probabilities of rows of logits.

    Args:
        outputs: (n, k).

    Returns:
        Rows that sum to one.

    Example:
        >>> softmax(np.zeros((1, 4)))
        array([[0.25, 0.25, 0.25, 0.25]])
    """
    outputs = real_array("outputs", outputs, (2,))
    if not outputs.size:
        raise expected("rows of logits", "outputs", outputs.shape, "empty", "the outputs of a network")
    shifted = np.exp(outputs - outputs.max(axis=1, keepdims=True))
    return np.asarray(shifted / shifted.sum(axis=1, keepdims=True))


@final
@checked
@dataclass(frozen=True, eq=False, repr=False)
class NetworkProblem:
    """Which samples a trained network must forget, and from where it was trained.

    Everything is computed in the precision of ``X``; nothing is modified.

    Args:
        net: the network.
        X: inputs (n, *input_shape), float32 or float64.
        targets: class indices (n,), which become one-hot rows, or (n, k).
        forget: mask (n,) or indices of the samples to forget; beside ``X`` of pandas a mask with its labels, or labels
            as an Index.
        start: θ₀, the initial parameters of pretraining and of retraining.
        pretrained: θ_p.
        recipe: how θ_p was trained.
        retrained: θ_r, when it is known; only scores and oracles read it.

    Raises:
        BadInputError: shapes that do not fit, class indices out of range, an empty or complete forget set.

    Example:
        >>> from muso_theory.networks import mlp
        >>> X, y = np.eye(6), np.array([0, 0, 1, 1, 2, 2])
        >>> NetworkProblem.pretrain(mlp([6, 8, 3]), X, y, forget=[5], recipe=Recipe(epochs=2))
        NetworkProblem(6 samples, 1 to forget, 3 outputs, 83 parameters)
    """

    net: Sequential
    X: Array
    targets: Array
    forget: Array | Any  # as it came, for `forget_indices` to read: labels of pandas are no positions
    start: Sequence[Array]
    pretrained: Sequence[Array]
    recipe: Recipe = Recipe()
    retrained: Sequence[Array] | None = None

    def __post_init__(self) -> None:
        refuse_another_order("targets", self.targets, getattr(self.X, "index", None), "X.index")
        X = self.net.check_inputs(self.X, real=True)
        set_field = object.__setattr__
        set_field(self, "X", X)
        set_field(self, "targets", _rows(self.targets, len(X), self.net.n_out).astype(X.dtype))
        set_field(self, "forget", forget_indices(self.forget, len(X)))
        for name in ("start", "pretrained", "retrained"):
            params = getattr(self, name)
            if params is not None:
                set_field(
                    self,
                    name,
                    [np.asarray(a, dtype=X.dtype) for a in self.net.check_params(params, real=True)],
                )

    def __repr__(self) -> str:
        n, k = self.targets.shape
        return f"NetworkProblem({n} samples, {len(self.forget)} to forget, {k} outputs, {self.net.n_params} parameters)"

    @classmethod
    @checked
    def pretrain(
        cls,
        net: Sequential,
        X: Array,
        y: Array,
        *,
        forget: Any,
        recipe: Recipe = Recipe(),
        seed: int = 0,
    ) -> NetworkProblem:
        """Draw initial parameters and train on everything.

        Args:
            net: the network.
            X: inputs.
            y: class indices (n,) or targets (n, k).
            forget: mask or indices.
            recipe: how to train.
            seed: of the initial parameters.

        Returns:
            The problem.
        """
        X = net.check_inputs(X, real=True)
        start = [a.astype(X.dtype) for a in net.init(seed)]
        problem = cls(net, X, y, forget, start, start, recipe)
        return replace(problem, pretrained=recipe.fit(net, start, problem.X, problem.targets))

    @cached_property
    def retain(self) -> Array:
        """Indices of the samples to keep."""
        return np.setdiff1d(np.arange(len(self.X)), self.forget)

    @cached_property
    def task(self) -> Task:
        """The targets as classes or values, for rules that choose other ones."""
        return Task(
            self.targets, self.forget, np.zeros((len(self.forget), self.net.n_out), dtype=self.X.dtype)
        )

    def retrain(self) -> list[Array]:
        """The gold standard: train from θ₀ on the retained samples alone, where θ_r is not known.

        Returns:
            θ_r.
        """
        if self.retrained is not None:
            return list(self.retrained)
        return self.recipe.fit(self.net, self.start, self.X[self.retain], self.targets[self.retain])

    @checked
    def with_retrained(self, retrained: Sequence[Array] | None = None) -> NetworkProblem:
        """The same problem with θ_r, so that gaps can be measured.

        Args:
            retrained: θ_r; trained here when left out.

        Returns:
            A new problem.
        """
        return replace(self, retrained=self.retrain() if retrained is None else retrained)

    def _rows(self, samples: Any) -> Any:
        """Indices of samples in any order, a mask, or a slice."""
        if isinstance(samples, slice):
            return samples
        index = plain_array("samples", samples)
        of = np.arange(len(self.X))
        if index.ndim != 1 or (
            index.size and (index.dtype.kind not in "biu" or not np.isin(index, of).all())
        ):
            raise expected(
                f"indices below {len(of)}", "samples", index.shape, f"dtype {index.dtype}", "problem.forget"
            )
        return of[index] if index.size else of[:0]

    @checked
    def outputs(self, params: Sequence[Array], samples: Any = slice(None)) -> Array:
        """Outputs on some samples, (m, k), computed a thousand at a time.

        Args:
            params: parameters.
            samples: indices, all when left out.

        Returns:
            The outputs.
        """
        X, params = self.X[self._rows(samples)], self.net.check_params(params, real=True)
        parts = [
            self.net(params, X[i : i + 1024]).reshape(-1, self.net.n_out) for i in range(0, len(X), 1024)
        ]
        return np.concatenate(parts) if parts else np.zeros((0, self.net.n_out), dtype=X.dtype)

    @checked
    def mean_loss(self, params: Sequence[Array], samples: Array, loss: LossName | None = None) -> float:
        """Mean loss on some samples.

        Args:
            params: parameters.
            samples: indices.
            loss: the recipe's when left out.

        Returns:
            The loss; infinite when the outputs are.
        """
        samples = self._rows(samples)
        if not len(samples):
            raise expected("at least one sample", "samples", "[]", "empty", "problem.retain")
        with np.errstate(all="ignore"):
            outputs = self.outputs(params, samples)
            total = loss_and_cotangent(outputs, self.targets[samples], loss or self.recipe.loss)[0]
        return total / len(samples) if np.isfinite(total) else float("inf")

    @checked
    def distance(self, params: Sequence[Array], others: Sequence[Array]) -> float:
        """‖θ − θ'‖ in double precision, over what gradients move: running statistics are left out.

        Args:
            params: θ.
            others: θ'.

        Returns:
            The distance.
        """
        squares = (
            np.sum(np.square(np.subtract(a, b, dtype=np.float64)))
            for a, b in zip(*map(self._moved, (params, others)), strict=True)
        )
        return float(np.sqrt(sum(squares)))

    def _moved(self, params: Sequence[Array]) -> list[Array]:
        """The arrays that gradients move; running statistics have units of their own: a variance would drown all."""
        arrays = self.net.check_params(params, real=True)
        return [array for array, moves in zip(arrays, self.net.trainable, strict=True) if moves]

    @checked
    def relative_gaps(self, params: Sequence[Array]) -> tuple[float, float]:
        """Gaps to retraining in parameters and in outputs on F, as shares of those of doing nothing.

        Args:
            params: θ.

        Returns:
            ‖θ − θ_r‖/‖θ_p − θ_r‖ by :meth:`distance`, and ‖f_F(θ) − f_F(θ_r)‖/‖f_F(θ_p) − f_F(θ_r)‖.

        Raises:
            BadInputError: when θ_r is not known, or doing nothing leaves no gap.
        """
        if self.retrained is None:
            raise expected("a problem with θ_r", "retrained", None, "unknown", "problem.with_retrained()")
        wanted = self.outputs(self.retrained, self.forget)
        nothing = float(np.linalg.norm(self.outputs(self.pretrained, self.forget) - wanted))
        found = float(np.linalg.norm(self.outputs(params, self.forget) - wanted))
        size = self.distance(self.pretrained, self.retrained)
        unit = float(rounding(1.0, self.X))
        known = np.linalg.norm([np.linalg.norm(array) for array in self._moved(self.retrained)])
        # A gap of rounding errors is none, and shares of it would be numbers without a meaning.
        if not (size > unit * known and nothing > unit * np.linalg.norm(wanted)):
            hint = "more training" if self.recipe.epochs else "a recipe of at least one epoch"
            hint += ", or other samples to forget"
            raise expected("a pretrained model apart from θ_r", "retrained", (size, nothing), "gaps", hint)
        return self.distance(params, self.retrained) / size, found / nothing

    @checked
    def is_broken(self, params: Sequence[Array], loss: LossName | None = None) -> bool:
        """Whether the mean retained loss is more than ten times that of the untrained network.

        Args:
            params: θ, finite.
            loss: the recipe's when left out.

        Returns:
            The judgement.
        """
        return self.mean_loss(params, self.retain, loss) > 10 * self.mean_loss(self.start, self.retain, loss)

    @checked
    def check_trained(self, params: list[Array], value: float, setting: str = "learning_rate") -> list[Array]:
        """Refuse parameters that diverged.

        Args:
            params: θ.
            value: of the setting that led there, for the words.
            setting: what it is called.

        Returns:
            The same parameters.

        Raises:
            DivergedError: not finite, or broken as in :meth:`is_broken`.
        """
        if not all(
            np.isfinite(plain_array("params", array, text=False).astype(float)).all() for array in params
        ):
            raise diverged(value, "parameters are not finite", setting)
        if self.is_broken(params):
            raise diverged(value, "the retained loss is ten times that of an untrained network", setting)
        return params

    def as_targets(self, outputs: Array) -> Array:
        """Outputs (n, k) as something to imitate: their softmax under cross-entropy, themselves otherwise."""
        return softmax(outputs) if self.recipe.loss == "cross-entropy" else outputs

    @checked
    def probabilities(self, outputs: Array) -> Array:
        """Class probabilities: softmax of logits; of regressed one-hot targets the nearest distribution.

        Args:
            outputs: (n, k).

        Returns:
            (n, k) rows on the simplex.
        """
        outputs = real_array("outputs", outputs, (2,))
        return softmax(outputs) if self.recipe.loss == "cross-entropy" else onto_simplex(outputs)


def onto_simplex(rows: Array) -> Array:
    """The nearest point of the probability simplex to each row (Held, Wolfe, Crowder 1974).

    Args:
        rows: (n, k).

    Returns:
        Nonnegative rows that sum to one.

    Example:
        >>> onto_simplex(np.array([[1.5, 0.25], [0.5, 0.5]]))
        array([[1. , 0. ],
               [0.5, 0.5]])
    """
    n, k = rows.shape
    ordered = -np.sort(-rows, axis=1)
    shift = (np.cumsum(ordered, axis=1) - 1.0) / np.arange(1, k + 1)
    support = (ordered > shift).sum(axis=1)
    return np.asarray(np.maximum(rows - shift[np.arange(n), support - 1][:, None], 0.0))


def _rows(targets: Any, n: int, k: int) -> Array:
    """Targets as (n, k) floats."""
    array = real_array("targets", targets, None)
    if array.shape == (n,) and array.dtype.kind in "iu" and k > 1:
        if array.size and not 0 <= array.min() <= array.max() < k:
            bad = int(array.max() if array.max() >= k else array.min())
            raise expected(
                f"class indices from 0 to {k - 1}", "targets", bad, "index out of range", "a wider network"
            )
        return np.asarray(np.eye(k)[array])
    if array.shape == (n,) and k == 1:
        array = array[:, None]
    if array.shape != (n, k):
        raise expected(
            f"targets ({n}, {k}) or {n} class indices", "targets", array.shape, "shape", "one row a sample"
        )
    return array
