"""Labels as differences: what the linear view of a network is trusted with, and what it is not.

The linear view f(θ) ≈ f(θ₀) + J(θ − θ₀) of an ordinary network is off by more than the little that forgetting random
samples changes. What it gets right is a difference: it is trained twice, on all samples and on the retained ones, for
as many steps, and what these two differ by is added to the outputs of the network itself,

    ỹ = f(θ_p) + f_lin,R(t) − f_lin,all(t).

Retraining stops early, so that its outputs on R are no targets either: all samples get such labels (claim
early-stopping: with all labels free the stopped model is reached exactly; with the targets of R it is not). The number
of steps t is that after which the linear view fits its training data as well as θ_p does; θ_r is not looked at.

Of a linear model that is trained to the end, f_lin,all = Φw_p and f_lin,R = Φw_r, so ỹ = Φw_r. On F these are the
exact labels. On R they stand for y_R, and retraining on them ends at w_r as well, which is in w₀ + row(Φ_R) (claim
implicit-bias). So by claim exact-labels, for the targets Φ_R w_r, fine-tuning on ỹ ends at w_r; it may start at w_p, a
point of w₀ + row(Φ) (claim start-span).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import final

import numpy as np

from ..arguments import checked
from ..arrays import Array
from ..descent.losses import targets_for
from ..errors import check_integer, expected
from ..former import former
from ..machine import memory
from ..networks.problem import NetworkProblem
from ..networks.tangent_kernel import empirical_ntk
from .fitting import Descent
from .method import Method

__all__ = ["DifferenceLabels", "DifferenceResult", "MeanKernel", "linear_outputs"]
former(__name__)

_ROOM = 48
"""Bytes a pair of samples: six arrays (n, n) in double precision, the kernel, its eigenvectors (found in no more), and
for either view its columns and its rows of them; beside them what grows with n alone."""


class MeanKernel:
    """A tangent kernel on all samples, its mean over outputs, with its eigenvalues.

    Args:
        values: (n, n).
    """

    def __init__(self, values: Array) -> None:
        self.values = np.asarray(values, dtype=np.float64)
        if not self.values.any():
            hint = "inputs or biases that are not zero"
            raise expected("a network that can learn", "kernel", self.values.shape, "all zero", hint)
        self.eigenvalues, self.vectors = np.linalg.eigh(self.values)
        self.largest = float(self.eigenvalues[-1])


class _LinearView:
    """Nesterov's descent of the linear view, in dual coefficients; the loss is that of the recipe."""

    def __init__(self, problem: NetworkProblem, kernel: MeanKernel, rows: Array) -> None:
        self.problem, self.values, self.rows = problem, kernel.values[:, rows], rows
        self.own = self.values[rows]
        self.base = problem.outputs(problem.start).astype(np.float64)
        # The Hessian of softmax is at most a half, that of ½‖·‖² one.
        self.rate = (2.0 if problem.recipe.loss == "cross-entropy" else 1.0) / kernel.largest
        self.dual = self.ahead = np.zeros((len(rows), problem.net.n_out))
        self.steps = 0

    def outputs(self) -> Array:
        """On all samples."""
        return np.asarray(self.base + self.values @ self.dual)

    def misfit(self, outputs: Array) -> float:
        """‖y − f‖, under cross-entropy ‖y − softmax f‖, over all samples."""
        return float(np.linalg.norm(self.problem.targets - self.problem.as_targets(outputs)))

    def step(self) -> None:
        """One step."""
        seen = self.base[self.rows] + self.own @ self.ahead
        error = self.problem.targets[self.rows] - self.problem.as_targets(seen)
        # θ ← θ + ηJᵀe is a ← a + ηe in the coefficients a of θ − θ₀ = Jᵀa, so that only the kernel is needed. Weights
        # (t − 1)/(t + 2) are Nesterov's of 1983, for η ≤ 1/L, L the largest eigenvalue times the loss's curvature.
        moved = self.ahead + self.rate * error
        self.steps += 1
        self.ahead = moved + (self.steps - 1) / (self.steps + 2) * (moved - self.dual)
        self.dual = moved


@final
@dataclass(frozen=True, eq=False)
class _LinearOutputs:
    """Outputs of the linear view after the same number of steps on either set, (n, k).

    Args:
        everyone: trained on all samples.
        retained: trained on R.
        steps: how many.
        fits: whether it came to fit all samples as well as θ_p does.
    """

    everyone: Array
    retained: Array
    steps: int
    fits: bool

    def labels(self, problem: NetworkProblem) -> Array:
        """ỹ of all samples, outputs (n, k)."""
        return np.asarray(problem.outputs(problem.pretrained) + self.retained - self.everyone)


def linear_outputs(problem: NetworkProblem, kernel: MeanKernel, steps: int = 300) -> _LinearOutputs:
    """Train the linear view on all samples and on R, until it fits all of them as well as θ_p does.

    Args:
        problem: the problem.
        kernel: of the view.
        steps: at most.

    Returns:
        Where both end.
    """
    everyone = _LinearView(problem, kernel, np.arange(len(problem.X)))
    retained = _LinearView(problem, kernel, problem.retain)
    enough = everyone.misfit(problem.outputs(problem.pretrained).astype(np.float64))
    fits = everyone.misfit(everyone.outputs()) <= enough
    while not fits and everyone.steps < steps:
        everyone.step()
        retained.step()
        fits = everyone.misfit(everyone.outputs()) <= enough
    return _LinearOutputs(everyone.outputs(), retained.outputs(), everyone.steps, fits)


@final
@dataclass(frozen=True, eq=False)
class DifferenceResult:
    """What difference labels asked for, and how much of it was reached.

    Args:
        params: θ_u.
        labels: ỹ of all samples, outputs (n, k).
        steps: t, of the linear view.
        fits: whether the view came to fit all samples as well as θ_p does; if not, t is the most that was allowed.
        epochs: passes of fine-tuning.
        predicted: share of the change ỹ − f(θ_p) on F that so many passes leave, by claim gd-finite-time.
        measured: the share that they left.
    """

    params: list[Array]
    labels: Array
    steps: int
    fits: bool
    epochs: int
    predicted: float
    measured: float


@final
@checked
@dataclass(frozen=True)
class DifferenceLabels(Method):
    """Label all samples by what the linear view at θ_p changes when F is left out, and descend on the squared loss.

    The view starts from the outputs at θ₀ and has one kernel for all outputs, the mean of theirs at θ_p; of the recipe
    it follows the loss, and knows no weight decay. Labels are outputs, logits under cross-entropy.

    Descent is plain, which stays in row(J), where labels fix the end (claim start-span; Adam leaves it), at a quarter
    of the largest stable step of full batches, for as many epochs as the kernel predicts.

    The kernel with all that is made of it takes 48 n² bytes, and some n³ operations.

    Args:
        steps: of the linear view at most.
        left: share of the change of the outputs on F that the predicted number of epochs leaves, in (0, 1).
        epochs: of fine-tuning at most.
        batch_size: samples a step; None takes all. Small ones may diverge, which is refused.
        seed: of the order of the batches.
        max_bytes: memory for the kernel; None is all that the machine has.

    Example:
        >>> from muso_theory.networks import mlp
        >>> X, y = np.eye(6), np.array([0, 0, 1, 1, 2, 2])
        >>> problem = NetworkProblem.pretrain(mlp([6, 8, 3], "tanh"), X, y, forget=[5])
        >>> found = DifferenceLabels(left=0.1).run(problem)
        >>> found.fits, found.labels.shape, found.predicted <= 0.1
        (True, (6, 3), True)
    """

    steps: int = 300
    left: float = 0.03
    epochs: int = 60
    batch_size: int | None = 64
    seed: int = 0
    max_bytes: int | None = None
    name = "difference-labels"
    formula = "ỹ = f(θ_p) + f_lin,R(t) − f_lin,all(t); descend from θ_p on ½‖f − ỹ‖² over all samples"
    source = "this project, from claims early-stopping, linearised-network and gd-finite-time"
    exactness = "for linear models trained to the end as exact-labels; for networks measured"

    def __post_init__(self) -> None:
        """Refuse settings out of range."""
        super().__post_init__()
        Descent(batch_size=self.batch_size)
        if not 0 < self.left < 1:
            raise expected("a share in (0, 1)", "left", self.left, type(self.left).__name__, "0.03")
        if self.max_bytes is not None:
            check_integer("max_bytes", self.max_bytes, 1, hint="None")

    def _kernel(self, problem: NetworkProblem) -> MeanKernel:
        """Σ_c J_c J_cᵀ/k at θ_p, where it fits into memory."""
        n, most = len(problem.X), memory() if self.max_bytes is None else self.max_bytes
        if (need := _ROOM * n**2) > most:
            hint = f"max_bytes={need} on a machine that has them, or fewer retained samples"
            raise expected(
                f"memory for a kernel of {n} samples, {need} bytes", "max_bytes", most, "bytes", hint
            )
        total = empirical_ntk(problem.net, problem.pretrained, problem.X, contract="trace")
        return MeanKernel(total / problem.net.n_out)

    def labels(self, problem: NetworkProblem) -> Array:
        """ỹ of all samples, outputs (n, k)."""
        return linear_outputs(problem, self._kernel(problem), self.steps).labels(problem)

    def on_network(self, problem: NetworkProblem) -> list[Array]:
        """θ_p after descent on the labels."""
        return self.run(problem).params

    @checked
    def run(self, problem: NetworkProblem) -> DifferenceResult:
        """Unlearn, and tell how far the labels were reached.

        Args:
            problem: the problem.

        Returns:
            Parameters, labels, and the shares of the change that were to be left and were.

        Raises:
            BadInputError: a kernel beyond memory or zero, targets that are none of the recipe's loss.
            DivergedError: descent that diverged.
        """
        targets_for(problem.targets, problem.targets, problem.recipe.loss)
        kernel = self._kernel(problem)
        view = linear_outputs(problem, kernel, self.steps)
        labels, n = view.labels(problem), len(problem.X)
        rate = 0.5 * n / kernel.largest  # η λ_max/n = ½: batches differ, so the mean must have room
        change = labels - problem.outputs(problem.pretrained)
        epochs, predicted = self._epochs_to(problem, kernel, change, rate)
        descent = Descent(epochs, rate, "gd", self.batch_size, self.seed)
        params = descent.fit(problem, np.arange(n), labels, loss="squared")
        left = labels - problem.outputs(params)
        rest, whole = (float(np.linalg.norm(array[problem.forget])) for array in (left, change))
        return DifferenceResult(
            params, labels, view.steps, view.fits, epochs, predicted, rest / (whole or 1.0)
        )

    def _epochs_to(
        self, problem: NetworkProblem, kernel: MeanKernel, change: Array, rate: float
    ) -> tuple[int, float]:
        """Fewest epochs of descent that leave no more of a change on F, and the share that they leave.

        A step on the mean of a batch moves the outputs, in the mean over batches, by (η/n) K (ỹ − f).
        """
        vectors, forget, n = kernel.vectors, problem.forget, len(problem.X)
        wanted = vectors.T @ change.astype(np.float64)
        batches = -(-n // (self.batch_size or n))
        each = (1 - rate / n * np.maximum(kernel.eigenvalues, 0)) ** batches
        whole = float(np.linalg.norm((vectors @ wanted)[forget])) or 1.0
        share, epochs = 1.0, 0
        while share > self.left and epochs < self.epochs:
            epochs += 1
            rest = vectors @ (each[:, None] ** epochs * wanted)
            share = float(np.linalg.norm(rest[forget])) / whole
        return epochs, share
