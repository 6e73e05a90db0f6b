"""Training in numpy: gradient descent and its adaptive kin, on squared loss or cross-entropy."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Literal, final

import numpy as np

from muso_theory.arguments import checked
from muso_theory.arrays import float_values, real_array
from muso_theory.errors import BadInputError, expected, nearest

from .functions import Array
from .network import Sequential
from .updates import OPTIMIZERS, Optimizer, Updates

__all__ = ["DivergedError", "Loss", "Optimizer", "Training", "loss_and_cotangent", "train"]

Loss = Literal["squared", "cross-entropy"]


class DivergedError(BadInputError):
    """Training that left the finite numbers, or that is no better than a broken model; it says at which rate."""


@checked
def loss_and_cotangent(outputs: Array, targets: Array, loss: Loss) -> tuple[float, Array]:
    """Loss summed over samples, and its derivative by the outputs.

    ``"squared"`` is ½Σ(f − y)², the loss of claim ``implicit-bias``; ``"cross-entropy"`` is −Σ y·log softmax(f) with
    rows of targets that sum to one (soft labels) or class indices.

    Args:
        outputs: f (n, k).
        targets: (n, k), or class indices (n,) for cross-entropy.
        loss: which.

    Returns:
        The loss, and an array shaped like the outputs.

    Raises:
        BadInputError: for an unknown loss, targets of another shape, or targets that are no distributions.

    Example:
        >>> import numpy as np
        >>> loss_and_cotangent(np.array([[1.0], [3.0]]), np.array([[0.0], [3.0]]), "squared")
        (0.5, array([[1.],
               [0.]]))
    """
    if loss == "squared":
        if targets.shape != outputs.shape:
            hint = f"targets.reshape{outputs.shape}"
            raise expected(
                f"targets {outputs.shape}, like the outputs", "targets", targets.shape, "shape", hint
            )
        residual = outputs - targets
        return float(np.sum(residual * residual)) / 2, residual
    if str(loss) != "cross-entropy":
        hint = nearest(str(loss), ["squared", "cross-entropy"])
        raise expected("a loss", "loss", loss, type(loss).__name__, hint)
    soft = _distributions(outputs, targets)
    shifted = outputs - outputs.max(axis=1, keepdims=True)
    log_sum = np.log(np.exp(shifted).sum(axis=1, keepdims=True))
    return float(-np.sum(soft * (shifted - log_sum))), np.exp(shifted - log_sum) - soft


def _distributions(outputs: Array, targets: Array) -> Array:
    """Targets of the cross-entropy as rows that sum to one."""
    if outputs.ndim != 2 or outputs.shape[1] < 2:
        raise expected(
            "at least two outputs for cross-entropy", "outputs", outputs.shape, "shape", "loss='squared'"
        )
    n, k = outputs.shape
    if targets.shape == (n,) and targets.dtype.kind in "iu":
        if targets.size and not 0 <= targets.min() <= targets.max() < k:
            hint = f"classes 0 to {k - 1}"
            raise expected(
                f"class indices below {k}", "targets", int(targets.max()), "index out of range", hint
            )
        return np.eye(k, dtype=outputs.dtype)[targets]
    if targets.shape != (n, k):
        raise expected(
            f"class indices ({n},) or distributions ({n}, {k})",
            "targets",
            targets.shape,
            f"shape, dtype {targets.dtype}",
            "targets.astype(int) for class indices",
        )
    if targets.min(initial=0.0) < -1e-6 or not np.allclose(targets.sum(axis=1), 1.0, atol=1e-5):
        raise expected(
            "rows that are distributions",
            "targets",
            targets.shape,
            "rows that do not sum to one",
            "softmax of the wanted outputs",
        )
    return targets


@final
@dataclass(frozen=True, repr=False)
class Training:
    """The result of :func:`train`.

    Args:
        params: final parameters.
        losses: loss summed over all samples before training and after every recorded epoch.
        steps: number of parameter updates.
        converged: whether ``tolerance`` was reached before the epochs ran out.
    """

    params: list[Array]
    losses: list[float]
    steps: int
    converged: bool

    def __repr__(self) -> str:
        return f"Training({self.steps} steps, loss {self.losses[0]:.3g} → {self.losses[-1]:.3g})"


def _batches(n: int, size: int | None, rng: np.random.Generator) -> Iterator[slice | Array]:
    """One epoch: everything at once, or a fresh random order in pieces."""
    if size is None or size >= n:
        yield slice(0, n)
        return
    order = rng.permutation(n)
    for start in range(0, n, size):
        yield order[start : start + size]


@checked
def train(
    net: Sequential,
    params: Sequence[Array],
    X: Array,
    targets: Array,
    *,
    epochs: int,
    learning_rate: float,
    loss: Loss = "squared",
    optimizer: Optimizer = "gd",
    momentum: float = 0.9,
    batch_size: int | None = None,
    reduction: Literal["sum", "mean"] = "sum",
    weight_decay: float = 0.0,
    weights: Array | None = None,
    mask: Sequence[Array] | None = None,
    seed: int = 0,
    tolerance: float = 0.0,
    record_every: int = 1,
    callback: Callable[[int, list[Array]], None] | None = None,
) -> Training:
    """Train a network; the same arguments give the same bits.

    Args:
        net: the network.
        params: where to start; not modified.
        X: inputs (n, *input_shape).
        targets: (n, k), or class indices (n,) for cross-entropy.
        epochs: passes over the data.
        learning_rate: η; gradient descent on the squared loss of a linearised network converges for η < 2/λ_max(Θ).
        loss: ``"squared"`` (½Σ(f − y)²) or ``"cross-entropy"``.
        optimizer: ``"gd"`` (with ``batch_size``: SGD), ``"momentum"`` (heavy ball), ``"nesterov"``, ``"adam"``
            or ``"adamw"`` (β = 0.9, 0.999, ε = 1e-8).
        momentum: of the two momentum methods.
        batch_size: samples a step, in a fresh random order every epoch; None takes all.
        reduction: ``"sum"`` over the batch, or its ``"mean"``.
        weight_decay: λ; the gradient gains λθ, and for ``"adamw"`` the step gains ηλθ instead.
        weights: factor of every sample's loss (n,); negative ones ascend.
        mask: zeros and ones shaped like the parameters; where it is zero nothing moves.
        seed: of the order of the batches.
        tolerance: stop when the loss summed over all samples is at most this; 0 never stops early.
        record_every: epochs between recorded losses (each costs a forward pass when batches are used).
        callback: called with the epoch and the parameters where losses are recorded.

    Returns:
        Final parameters and the recorded losses.

    Raises:
        BadInputError: for settings out of range or targets that do not fit.
        DivergedError: for training that diverged to NaN or infinity.

    Example:
        >>> import numpy as np
        >>> from muso_theory.networks import mlp
        >>> net = mlp([2, 16, 1], activation="tanh")
        >>> X, y = np.eye(2), np.array([[1.0], [-1.0]])
        >>> train(net, net.init(0), X, y, epochs=200, learning_rate=0.1).losses[-1] < 1e-8
        True
    """
    _check_settings(epochs, learning_rate, momentum, batch_size, tolerance, record_every)
    for name, value, known in (
        ("optimizer", optimizer, list(OPTIMIZERS)),
        ("reduction", reduction, ["sum", "mean"]),
    ):
        if value not in known:
            raise expected(f"a known {name}", name, value, type(value).__name__, nearest(str(value), known))
    inputs, wanted = net.check_inputs(X, real=True), real_array("targets", targets, None)
    if not len(inputs):
        raise expected("at least one sample", "X", inputs.shape, "shape", "a training set")
    if not wanted.ndim or len(wanted) != len(inputs):
        hint = "one target a sample"
        raise expected(f"{len(inputs)} targets", "targets", wanted.shape, "shape", hint)
    current, rng = list(net.check_params(params, real=True)), np.random.default_rng(seed)
    factor = None if weights is None else _column(weights, inputs)
    updates = Updates(optimizer, learning_rate, current, momentum, weight_decay, mask)
    losses: list[float] = []

    def record(epoch: int) -> bool:
        with np.errstate(all="ignore"):
            value = loss_and_cotangent(net.chain.forward(current, inputs)[0], wanted, loss)[0]
        if not np.isfinite(value):
            raise diverged(learning_rate, f"loss {value} after epoch {epoch}")
        losses.append(value)
        if callback is not None:
            callback(epoch, current)
        return value <= tolerance

    converged = record(0)
    epoch = 0
    while epoch < epochs and not (converged and tolerance > 0):
        epoch += 1
        with np.errstate(over="ignore", invalid="ignore"):  # divergence is reported by record
            for part in _batches(len(inputs), batch_size, rng):
                place = updates.lookahead(current)
                out, cache = net.chain.forward(place, inputs[part])
                _, cotangent = loss_and_cotangent(out, wanted[part], loss)
                if reduction == "mean":
                    cotangent = cotangent / len(out)
                if factor is not None:
                    cotangent = factor[part] * cotangent
                current = updates.step(current, net.pull_back(place, cache, cotangent))
        if epoch % record_every == 0 or epoch == epochs:
            converged = record(epoch)
    return Training(current, losses, updates.count, converged)


def diverged(rate: float, what: str) -> DivergedError:
    """Word a divergence.

    Args:
        rate: the learning rate.
        what: what was seen.

    Returns:
        The error, ready to be raised.
    """
    what_for = "a learning rate at which training converges"
    return DivergedError(str(expected(what_for, "learning_rate", rate, what, f"{rate / 4:.3g}")))


def _column(weights: Array, inputs: Array) -> Array:
    """Weights of samples as a column in the inputs' precision."""
    column = float_values("weights", weights, (1,))
    if len(column) != len(inputs):
        raise expected(f"{len(inputs)} weights", "weights", column.shape, "shape", "one weight a sample")
    return column.astype(inputs.dtype)[:, None]


def _check_settings(
    epochs: int, rate: float, momentum: float, batch_size: int | None, tolerance: float, record_every: int
) -> None:
    """Refuse settings out of range."""
    for name, count, least in (
        ("epochs", epochs, 0),
        ("batch_size", batch_size, 1),
        ("record_every", record_every, 1),
    ):
        if count is not None and (not isinstance(count, (int, np.integer)) or count < least):
            raise expected(
                f"a whole number of at least {least}", name, count, type(count).__name__, str(max(least, 1))
            )
    if not (np.isfinite(rate) and rate > 0):
        raise expected("a positive learning rate", "learning_rate", rate, type(rate).__name__, "0.1")
    if not 0 <= momentum < 1:
        raise expected("a momentum in [0, 1)", "momentum", momentum, type(momentum).__name__, "0.9")
    if not tolerance >= 0:
        raise expected("a nonnegative tolerance", "tolerance", tolerance, type(tolerance).__name__, "1e-12")
