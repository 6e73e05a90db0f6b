"""Train a linear model: one entry point for every method, loss and step schedule."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any, Literal, final

import numpy as np

from ...arguments import checked
from ...arrays import Array, float_values, real_array
from ...descent.hyper import Hyper
from ...descent.loop import DivergedError, length, run
from ...descent.losses import loss_named
from ...descent.passes import Passes, batch_of
from ...descent.schedules import ResolvedSteps, StepSizes, step_sizes_of
from ...descent.updates import optimizer_named
from ...errors import BadInputError, check_integer, expected
from ...numbers.gram import blocked_gram
from .coordinates import Dual, Primal
from .engines import engine_for
from .stability import stability_hint

__all__ = ["Snapshot", "Training", "train"]

_LARGEST_GRAM = 4000
"""With more samples than features and than this, SGD runs on w rather than on K."""


@final
@dataclass(frozen=True, eq=False, repr=False)
class Snapshot:
    """The parameters after some epochs.

    Args:
        epoch: passes done.
        w: shape (D,) or (D, C).
        residual_norm: ‖∂ℓ/∂z‖ over all samples and outputs; for squared loss ‖y − Φw‖.
    """

    epoch: int
    w: Array
    residual_norm: float

    def __repr__(self) -> str:
        return f"Snapshot(epoch={self.epoch}, residual_norm={self.residual_norm:.3g})"


@final
@dataclass(frozen=True, eq=False, repr=False)
class Training:
    """The result of ``train``.

    Args:
        w: final parameters, shape (D,) or (D, C).
        residual_norm: ‖∂ℓ/∂z‖ at the end; for squared loss ‖y − Φw‖.
        initial_residual_norm: the same at the start.
        epochs: passes done; fewer than asked for when stopped early.
        steps: parameter updates done.
        converged: whether residual_norm ≤ tolerance × initial_residual_norm.
        stopped: whether the tolerance or the callback ended the run before its epochs did.
        method: the training method.
        form: "primal" (step by step on w), "dual" (step by step on K), "sweeps" (claim cyclic-sgd) or "spectrum".
        trajectory: snapshots at the epochs asked for.
    """

    w: Array
    residual_norm: float
    initial_residual_norm: float
    epochs: int
    steps: int
    converged: bool
    stopped: bool
    method: str
    form: str
    trajectory: tuple[Snapshot, ...] = ()

    def __repr__(self) -> str:
        return (
            f"Training({self.method}, {self.epochs} epochs by {self.form}, residual "
            f"{self.initial_residual_norm:.3g} → {self.residual_norm:.3g})"
        )


@checked
def train(
    features: Any,
    targets: Any,
    start: Any = None,
    method: str = "cyclic-sgd",
    *,
    step_sizes: StepSizes,
    epochs: int,
    loss: str = "squared",
    batch_size: int | None = None,
    momentum: float = Hyper.momentum,
    betas: tuple[float, float] = Hyper.betas,
    epsilon: float = Hyper.epsilon,
    weight_decay: float = 0.0,
    anchor: Any = None,
    restart: bool = True,
    seed: int = 0,
    tolerance: float = 0.0,
    record: Iterable[int] = (),
    callback: Callable[[int, Array], object] | None = None,
    form: Literal["auto", "primal", "dual"] = "auto",
    gram: Array | None = None,
) -> Training:
    """Train w on Σ ℓ(φ_iᵀw, y_i) + ½λ‖w − anchor‖², from a start.

    The loss is summed over samples and outputs, and is ½(φᵀw − y)² unless another is named; the paper's gradients, of
    (φᵀw − y)², are twice as long, so its step γ is 2γ here. A step on a batch descends the batch's losses and its
    share |batch|/n of the decay. Iterates are exact up to rounding: where all of them lie in start + row(Φ) the work is
    done on K = ΦΦᵀ, with the same iterates as the loop over samples (``form="primal"``). Arithmetic is float64,
    whatever the input.

    Args:
        features: Φ, shape (n, D).
        targets: y, shape (n,) or (n, C); for cross-entropy distributions (n, C) or class indices (n,).
        start: where to start, shape (D,) or (D, C); None is zero.
        method: "gd", "momentum" (heavy ball), "nesterov", "cyclic-sgd" (fixed order), "shuffled-sgd" (a fresh
            permutation a pass), "sgd" (with replacement, n visits a pass), "adam", "adamw", "adagrad" or "rmsprop".
        step_sizes: γ: a number, an array of one a sample, or a callable of the step t = 0, 1, … such as ``PowerSteps``;
            t starts again in every pass unless ``restart`` is false, and counts passes where a pass is one step.
        epochs: passes over the data.
        loss: "squared", "logistic" (targets ±1, or soft between) or "cross-entropy" (softmax).
        batch_size: samples a step. None is one for the three kinds of SGD and all for the others, which given a batch
            size visit batches in a fresh random order each pass; "gd" takes none.
        momentum: μ of momentum and nesterov.
        betas: decay rates of adam, adamw (both) and rmsprop (the second).
        epsilon: ε of the adaptive methods.
        weight_decay: λ. It acts in the gradient, except in adamw, where it acts beside it.
        anchor: where the decay pulls to: None is zero, "start" is the start, or an array like the start.
        restart: whether a callable's t starts again at 0 in every pass.
        seed: of the random orders.
        tolerance: stop after the first pass with ‖∂ℓ/∂z‖ ≤ tolerance × its value at the start; 0 never does.
        record: epochs whose parameters to keep in the trajectory; 0 is the start.
        callback: called with (epoch, w) at the recorded epochs, of which there must be some; training stops when it
            returns True.
        form: "auto", "primal" (step by step on w, the slow twin) or "dual" (on K).
        gram: K, if you have it already.

    Returns:
        Final parameters, residual, and the trajectory.

    Raises:
        BadInputError: shapes or settings that do not fit, no data, a sample of zero norm, a batch larger than n, no
            epochs, constants that the method has no use for, or a schedule that returns NaN or a negative number.
        DivergedError: a step so large that training diverges.

    Example:
        >>> rng = np.random.default_rng(0)
        >>> features, targets = rng.standard_normal((4, 9)) / 3, np.array([1.0, -1.0, 1.0, -1.0])
        >>> result = train(features, targets, step_sizes=1.0, epochs=2000)
        >>> result.form, result.residual_norm < 1e-12
        ('sweeps', True)
        >>> loop = train(features, targets, step_sizes=1.0, epochs=2000, form="primal")
        >>> bool(np.abs(loop.w - result.w).max() < 1e-12)
        True
    """
    rule = optimizer_named(method)
    phi = real_array("features", features, (2,))
    if phi.size == 0:
        raise expected("at least one sample and one feature", "features", phi.shape, "shape", "more data")
    y, shape = _targets(targets, phi, loss, start)
    n, width = phi.shape
    w = _parameters("start", start, shape)
    pull = w if isinstance(anchor, str) and anchor == "start" else _anchor(anchor, shape)
    pull = pull if weight_decay else w
    if gram is not None and (gram := float_values("gram", gram, (2,))).shape != (len(phi), len(phi)):
        raise expected(
            f"a Gram matrix of {len(phi)} rows", "gram", gram.shape, "shape", "features @ features.T"
        )
    size = batch_of(rule, batch_size, n)
    _settings(epochs, weight_decay, tolerance, seed)
    hyper = Hyper(momentum, betas, epsilon)
    rule.refuse_idle(momentum=momentum, betas=betas, epsilon=epsilon)
    steps = step_sizes_of(step_sizes, n, size, restart)
    if rule.update.adaptive and isinstance(steps.given, np.ndarray):
        raise expected("a number or a callable", "step_sizes", steps.given.shape, f"array, {method}", "0.01")
    if form == "dual" and rule.update.adaptive:
        raise expected("form 'primal'", "form", form, f"{method} leaves the span", "form='auto'")
    known = loss_named(loss, y)
    _nonzero_rows(phi)
    kept = _epochs_to_keep(record, epochs)
    if callback is not None and not kept:
        raise expected("epochs at which to call back", "record", [], "none", f"record=range({epochs + 1})")
    order = "shuffled" if rule.order == "full" and size < n else rule.order
    passes = Passes(n, order, steps, seed)
    # With few samples K is the cheaper place; passes of SGD over w are so slow in Python that more are few.
    few = n <= (width if rule.order == "full" else max(width, _LARGEST_GRAM))
    where: Dual | Primal
    if form == "dual" or (form == "auto" and few and not rule.update.adaptive):
        at_least_float = phi if phi.dtype in (np.float64, np.float32) else phi.astype(np.float64)
        where = Dual(phi, blocked_gram(at_least_float) if gram is None else gram, w, pull)
    else:
        where = Primal(phi.astype(np.float64, copy=False), w, pull)
    unwatched = epochs if tolerance == 0 else 0
    engine = engine_for(where, rule, hyper, passes, known, y, weight_decay, unwatched)
    first = norm = length(engine.derivative())
    trajectory: list[Snapshot] = []

    def watch() -> bool:
        nonlocal norm
        norm, enough = length(engine.derivative()), False
        if engine.epochs in kept:
            at = engine.explicit().reshape(shape)
            trajectory.append(Snapshot(engine.epochs, at, norm))
            answer = None if callback is None else callback(engine.epochs, at)
            enough = isinstance(answer, bool | np.bool_) and bool(answer)
        return enough or (tolerance > 0 and engine.epochs > 0 and norm <= tolerance * first)

    stops = range(epochs + 1) if tolerance > 0 else sorted({*kept, epochs})
    try:
        stopped = run(engine, stops, watch)
    except DivergedError as error:
        hint = stability_hint(phi, rule, steps, known.curvature, momentum, weight_decay)
        raise DivergedError(
            f"expected a step size at which {method} converges but {error} with step_sizes={_shown(steps)}; try {hint}"
        ) from None
    return Training(
        engine.explicit().reshape(shape),
        norm,
        first,
        engine.epochs,
        engine.steps,
        converged=norm <= tolerance * first,
        stopped=stopped and engine.epochs < epochs,
        method=method,
        form=engine.form,
        trajectory=tuple(trajectory),
    )


def _targets(targets: Any, phi: Array, loss: str, start: Any) -> tuple[Array, tuple[int, ...]]:
    """Targets as (n, C) float64, and the shape of the parameters."""
    y = real_array("targets", targets, (1, 2))
    if len(y) != len(phi):
        raise BadInputError(
            f"expected as many targets as feature rows but got targets of shape {y.shape} and features of "
            f"shape {phi.shape}; try one target row for each sample"
        )
    if loss == "cross-entropy" and y.ndim == 1:
        if y.dtype.kind not in "iu" or y.min(initial=0) < 0:
            raise expected("class indices or distributions", "targets", y.shape, str(y.dtype), "shape (n, C)")
        wide = start is not None and np.ndim(start) == 2
        classes = np.shape(start)[1] if wide else int(y.max()) + 1
        if y.max() >= classes:
            raise expected(
                f"class indices below {classes}", "targets", int(y.max()), "class", "a wider start"
            )
        y = np.eye(classes)[y]
    shape = (phi.shape[1], *y.shape[1:])
    return y.astype(np.float64).reshape(len(y), -1), shape


def _parameters(name: str, values: Any, shape: tuple[int, ...]) -> Array:
    """Parameters as a (D, C) float64 copy."""
    if values is None:
        return np.zeros((shape[0], int(np.prod(shape[1:], dtype=np.int64))))
    w = real_array(name, values, (1, 2), boolean=False)
    if w.shape != shape:
        raise BadInputError(
            f"expected {name} of shape {shape}, a parameter a feature and output, but got {name} of shape {w.shape}; "
            "try None for zero"
        )
    return w.astype(np.float64).reshape(shape[0], -1)


def _anchor(anchor: Any, shape: tuple[int, ...]) -> Array:
    """The anchor of the decay, (D, C)."""
    if isinstance(anchor, str):
        raise expected("None, 'start' or an array", "anchor", anchor, "str", "'start'")
    return _parameters("anchor", anchor, shape)


def _settings(
    epochs: int,
    decay: float,
    tolerance: float,
    seed: int,
) -> None:
    """Refuse settings out of range."""
    check_integer("epochs", epochs, 1, hint="epochs=100")
    check_integer("seed", seed)
    for name, value in (("weight_decay", decay), ("tolerance", tolerance)):
        if not 0 <= value < np.inf:
            raise expected("a finite number of at least 0", name, value, type(value).__name__, "1e-3")


def _nonzero_rows(phi: Array) -> None:
    """Refuse samples that no training can move."""
    zero = np.flatnonzero(~phi.astype(bool, copy=False).any(axis=1))
    if zero.size:
        i = int(zero[0])
        raise expected(
            "samples of nonzero norm", f"‖features[{i}]‖", 0, "all features are zero", "removing that sample"
        )


def _epochs_to_keep(record: Iterable[int], epochs: int) -> set[int]:
    """Recorded epochs."""
    kept = {int(e) for e in record}
    if kept and not 0 <= min(kept) <= max(kept) <= epochs:
        bad = min(kept) if min(kept) < 0 else max(kept)
        raise expected(
            f"epochs from 0 to {epochs}", "record", bad, "out of range", f"range(0, {epochs}, 100)"
        )
    return kept


def _shown(steps: ResolvedSteps) -> str:
    """Step sizes in a few characters."""
    if isinstance(steps.given, np.ndarray):
        return f"[{steps.given[0]:.3g}, …]"
    return f"{steps.given:.6g}" if isinstance(steps.given, float) else repr(steps.given)
