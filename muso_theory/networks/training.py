"""Training in numpy: gradient descent and its adaptive kin, on squared loss or cross-entropy."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal, final

import numpy as np

from ..arguments import checked
from ..arrays import Array, float_values, real_array
from ..descent.hyper import Hyper
from ..descent.loop import DivergedError, Loop, run
from ..descent.losses import LOSSES, LossName, targets_for
from ..descent.passes import Batch, Passes
from ..descent.schedules import ResolvedSteps
from ..descent.updates import OPTIMIZERS, State, optimizer_named
from ..errors import check_integer, expected
from ..former import former
from ..streams import DROPPED
from .network import Sequential

__all__ = ["NETWORK_OPTIMIZERS", "DivergedError", "NetworkLoop", "TrainedNetwork", "check_descent", "train"]
former(__name__)

RECORDED_BYTES = 1 << 28
"""What layers keep of the samples whose loss is recorded, about."""

NETWORK_OPTIMIZERS = ("gd", "momentum", "nesterov", "adam", "adamw")
"""Rules for networks, where batches are an option beside the rule."""


@final
@dataclass(frozen=True, repr=False, eq=False)
class TrainedNetwork:
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
        return f"TrainedNetwork({self.steps} steps, loss {self.losses[0]:.3g} → {self.losses[-1]:.3g})"


@final
class NetworkLoop(Loop):
    """Descent of a network's loss, batch by batch.

    Args:
        net: the network.
        params: where to start.
        inputs: (n, *input_shape).
        targets: says the targets (m, k) of some samples.
        loss: the loss.
        optimizer: one of ``NETWORK_OPTIMIZERS``.
        passes: orders of visits, and η.
        momentum: μ.
        mean: whether a batch's gradient is the mean over its samples rather than their sum.
        weights: factor of every sample's loss (n, 1), or what says it (m, 1) from a batch's samples and outputs.
        weight_decay: λ, added as λθ to the gradient; decoupled, as ηλθ, for ``"adamw"``.
        beside: what is added to every batch's gradient at θ, such as that of a penalty, or noise.
        mask: zeros and ones shaped like the parameters; where it is zero nothing moves.
    """

    def __init__(
        self,
        net: Sequential,
        params: Sequence[Array],
        inputs: Array,
        targets: Callable[[Batch], Array],
        loss: LossName,
        optimizer: str,
        passes: Passes,
        *,
        momentum: float = Hyper.momentum,
        mean: bool,
        weights: Array | Callable[[Batch, Array], Array] | None = None,
        weight_decay: float = 0.0,
        mask: Sequence[Array] | None = None,
        beside: Callable[[State], State] | None = None,
    ) -> None:
        if not (np.isfinite(weight_decay) and weight_decay >= 0):
            raise expected("a nonnegative number", "weight_decay", weight_decay, "out of range", "0")
        if mask is not None and [m.shape for m in mask] != [p.shape for p in params]:
            raise expected(
                "a mask shaped like the parameters", "mask", [m.shape for m in mask], "shapes", "None"
            )
        super().__init__(OPTIMIZERS[optimizer], Hyper(momentum), list(params), passes)
        self.rng = np.random.default_rng((passes.seed, DROPPED))
        self.after = list(params)
        self.net, self.inputs, self.targets, self.loss = net, inputs, targets, LOSSES[loss]
        self.mean, self.weights, self.weight_decay, self.mask = mean, weights, weight_decay, mask
        self.beside = beside

    def gradient(self, place: State, rows: Batch, rates: Array) -> State:
        """The batch's gradient with its decay, times η unless the rule is adaptive."""
        out, cache, self.after = self.net.chain.forward_training(place, self.inputs[rows], self.rng)
        cotangent = self.loss.derivative(out, self.targets(rows))
        if self.mean:
            cotangent = cotangent / len(out)
        if self.weights is not None:
            factor = self.weights(rows, out) if callable(self.weights) else self.weights[rows]
            cotangent = factor * cotangent
        gradient = self.net.pull_back(place, cache, cotangent)
        if self.beside is not None:
            gradient = [g + more for g, more in zip(gradient, self.beside(place), strict=True)]
        if self.weight_decay and not self.optimizer.decoupled:
            # Of θ itself, also where Nesterov's gradient is taken ahead of it.
            gradient = [
                g + self.weight_decay * p if moves else g
                for p, g, moves in zip(self.state, gradient, self.net.trainable, strict=True)
            ]
        return gradient if self.update.adaptive else [float(rates[0]) * g for g in gradient]

    def step(self, gradient: State, rates: Array) -> State:
        """The next parameters."""
        moved = super().step(gradient, rates)
        if self.weight_decay and self.optimizer.decoupled:
            shrink = float(rates[0]) * self.weight_decay
            moved = [m - shrink * p for m, p in zip(moved, self.state, strict=True)]
        if not all(self.net.trainable):
            # Running statistics have no gradient; the batch just seen moves them.
            steps = zip(moved, self.after, self.net.trainable, strict=True)
            moved = [m if moves else after for m, after, moves in steps]
        if self.mask is None:
            return moved
        return [np.where(keep, m, p) for keep, m, p in zip(self.mask, moved, self.state, strict=True)]


@checked
def train(
    net: Sequential,
    params: Sequence[Array],
    X: Array,
    targets: Array,
    *,
    epochs: int,
    learning_rate: float,
    loss: LossName = "squared",
    optimizer: str = "gd",
    momentum: float = Hyper.momentum,
    batch_size: int | None = None,
    reduction: Literal["sum", "mean"] = "sum",
    weight_decay: float = 0.0,
    weights: Array | None = None,
    mask: Sequence[Array] | None = None,
    seed: int = 0,
    tolerance: float = 0.0,
    record_every: int = 1,
    callback: Callable[[int, list[Array]], None] | None = None,
) -> TrainedNetwork:
    """Train a network; the same arguments give the same bits.

    Batch normalisation takes the statistics of each batch and moves its running ones, which are among the parameters;
    dropout leaves entries out by ``seed``. Recorded losses are those of the network as it evaluates.

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
        BadInputError: for settings out of range, a momentum that the optimizer ignores, or targets that do not fit.
        DivergedError: for training that diverged to NaN or infinity.

    Example:
        >>> import numpy as np
        >>> from muso_theory.networks import mlp
        >>> net = mlp([2, 16, 1], activation="tanh")
        >>> X, y = np.eye(2), np.array([[1.0], [-1.0]])
        >>> train(net, net.init(0), X, y, epochs=200, learning_rate=0.1).losses[-1] < 1e-8
        True
    """
    check_descent(optimizer, epochs, learning_rate, batch_size, seed, momentum)
    check_integer("record_every", record_every, 1)
    if not tolerance >= 0:
        raise expected("a nonnegative tolerance", "tolerance", tolerance, type(tolerance).__name__, "1e-12")
    inputs, wanted = net.check_inputs(X, real=True), real_array("targets", targets, None)
    if not len(inputs):
        raise expected("at least one sample", "X", inputs.shape, "shape", "a training set")
    if not wanted.ndim or len(wanted) != len(inputs):
        hint = "one target a sample"
        raise expected(f"{len(inputs)} targets", "targets", wanted.shape, "shape", hint)
    n, start = len(inputs), list(net.check_params(params, real=True))
    size = min(batch_size or n, n)
    order = "shuffled" if size < n else "full"
    loop = NetworkLoop(
        net,
        start,
        inputs,
        lambda rows: wanted[rows],
        loss,
        optimizer,
        Passes(n, order, ResolvedSteps(learning_rate, size, restart=True), seed),
        momentum=momentum,
        mean=reduction == "mean",
        weights=None if weights is None else _column(weights, inputs),
        weight_decay=weight_decay,
        mask=mask,
    )
    losses: list[float] = []

    def watch() -> bool:
        nonlocal wanted
        with np.errstate(all="ignore"):
            outputs = _outputs(net, loop.state, inputs)
            wanted = targets_for(outputs, wanted, loss)
            value = loop.loss.value(outputs, wanted)
        if not np.isfinite(value):
            raise diverged(learning_rate, f"loss {value} after epoch {loop.epochs}")
        losses.append(value)
        if callback is not None:
            callback(loop.epochs, loop.state)
        return value <= tolerance and tolerance > 0

    run(loop, sorted({0, *range(record_every, epochs, record_every), epochs}), watch)
    return TrainedNetwork(loop.state, losses, loop.steps, losses[-1] <= tolerance)


def _outputs(net: Sequential, params: State, inputs: Array) -> Array:
    """Outputs, of as many samples at a time as their values inside the network take HELD_BYTES."""
    shape, entries = net.input_shape, 0
    for layer in net.layers:
        shape = layer.output_shape(shape)
        entries += math.prod(shape)
    step = max(1, RECORDED_BYTES // (entries * inputs.itemsize))
    parts = [net.chain.forward(params, inputs[i : i + step])[0] for i in range(0, len(inputs), step)]
    return parts[0] if len(parts) == 1 else np.concatenate(parts)


def diverged(value: float, what: str, setting: str = "learning_rate") -> DivergedError:
    """A divergence in words, ready to be raised: the setting that led there, what was seen, and a quarter to try."""
    if setting == "learning_rate":
        what_for, hint = "a learning rate at which training converges", f"{value / 4:.3g}"
    else:
        what_for, hint = "a value that leaves a network at work", "another one"
    return DivergedError(str(expected(what_for, setting, value, what, hint)))


def _column(weights: Array, inputs: Array) -> Array:
    """Weights of samples as a column in the inputs' precision."""
    column = float_values("weights", weights, (1,))
    if len(column) != len(inputs):
        raise expected(f"{len(inputs)} weights", "weights", column.shape, "shape", "one weight a sample")
    return column.astype(inputs.dtype)[:, None]


def check_descent(
    optimizer: str,
    epochs: int,
    rate: float,
    batch_size: int | None,
    seed: int,
    momentum: float = Hyper.momentum,
) -> None:
    """Refuse settings of a descent that are out of range, wherever they are held until it runs."""
    optimizer_named(optimizer, "optimizer", NETWORK_OPTIMIZERS).refuse_idle("optimizer", momentum=momentum)
    check_integer("epochs", epochs)
    if batch_size is not None:
        check_integer("batch_size", batch_size, 1, hint="64 or None")
    check_integer("seed", seed)
    if not (np.isfinite(rate) and rate > 0):
        raise expected("a positive learning rate", "learning_rate", rate, type(rate).__name__, "0.1")
    Hyper(momentum)
