"""The gap after any number of epochs, and the epochs that a gap takes, from the data alone: no training."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Required, TypedDict, Unpack, final

import numpy as np

from ...arguments import checked
from ...arrays import Array
from ...descent.hyper import Hyper
from ...descent.schedules import StepSizes
from ...errors import check_integer, expected
from ..closed_forms import float_model
from ..problem import UnlearningProblem, require_problem
from .errormaps import ErrorMap, error_map
from .rowspace import RowSpace
from .stability import resolved

__all__ = [
    "Prediction",
    "decay_gap",
    "epochs_needed",
    "gd_epochs",
    "off_span_gap",
    "predict_gap",
    "predict_training",
]

_MOST_EPOCHS = 2**50


@final
@dataclass(frozen=True, eq=False)
class Prediction:
    """Fine-tuning as an affine map of the error w − w_r, ready for any number of epochs.

    Args:
        map: the map, in row-space coordinates.
        start: the error at the start, shape (r, C).
        off_span: ‖(I − P)(start − w₀)‖, which never changes.
        doing_nothing: ‖w_p − w_r‖.
    """

    map: ErrorMap
    start: Array
    off_span: float
    doing_nothing: float

    @checked
    def gap(self, epochs: int) -> float:
        """‖w_E − w_r‖ after so many epochs.

        Args:
            epochs: E, 0 or more.

        Returns:
            The gap; infinite where training would have overflowed.
        """
        with np.errstate(over="ignore", invalid="ignore", under="ignore"):
            error = self.map.advance(self.start, epochs)
            # Of numbers scaled to size one, so that no square overflows where the norm does not.
            largest = float(np.abs(error).max(initial=0.0))
            scale = largest if 0 < largest < math.inf else 1.0
            gap = float(np.hypot(scale * np.linalg.norm(error / scale), self.off_span))
        return math.inf if math.isnan(gap) else gap

    @checked
    def epochs_needed(self, gap: float) -> float:
        """Epochs after which the gap is at most this.

        Args:
            gap: the requested gap.

        Returns:
            The number found by bisection, exact where the gap falls with every epoch, as it does for gradient
            descent and cyclic SGD below the Ostrowski–Reich limit; infinity when 2⁵⁰ epochs do not suffice.
        """
        if self.gap(0) <= gap:
            return 0
        high = 1
        while not self.gap(high) <= gap:
            high *= 2
            if high > _MOST_EPOCHS:
                return math.inf
        low = high // 2
        while high > low + 1:
            middle = (low + high) // 2
            low, high = (low, middle) if self.gap(middle) <= gap else (middle, high)
        return high


class _Settings(TypedDict, total=False):
    """Settings of `predict_training`, for what calls it with them."""

    method: str
    step_sizes: Required[StepSizes]
    labels: Any
    start: Any
    momentum: float
    batch_size: int | None
    restart: bool


@checked
def predict_training(
    problem: UnlearningProblem,
    *,
    method: str = "cyclic-sgd",
    step_sizes: StepSizes,
    labels: Any = None,
    start: Any = None,
    momentum: float = Hyper.momentum,
    batch_size: int | None = None,
    restart: bool = True,
) -> Prediction:
    """Set up the prediction of fine-tuning on all samples with relabelled forget samples.

    It uses neither the iterates nor the dual path of ``train``: errors are propagated in an orthonormal basis of
    row(Φ), by the spectrum for full-batch methods and by powers of the pass for cyclic SGD.

    Args:
        problem: the problem; samples are visited in its order.
        method: "gd", "momentum", "nesterov" or "cyclic-sgd".
        step_sizes: γ, as for ``train``, gradients of ½(φᵀw − y)².
        labels: ỹ_F, shape (n_F,) or (n_F, C); None are the optimal ones.
        start: where fine-tuning starts, shape (D,) or (D, C); None is w_pretrained.
        momentum: μ.
        batch_size: samples a step of cyclic SGD.
        restart: whether a callable's t starts again in every pass.

    Returns:
        The prediction.

    Raises:
        BadInputError: a random or adaptive method, steps that differ from pass to pass (gd may), or settings that
            ``train`` refuses.
    """
    space = RowSpace.of(problem)
    rule, steps = resolved(space, method, step_sizes, batch_size, restart)
    rule.refuse_idle(momentum=momentum)
    model = float_model(problem)
    back = np.argsort(model.order)
    given = model.optimal_labels if labels is None else model.given(problem.label_columns(labels))
    residual = (model.relabelled(given) - model.predict(model.everything, model.retrained))[back]
    z_r = space.coordinates(model.retrained)
    doing_nothing = float(model.distance(model.pretrained, model.retrained).upper)
    if start is None:
        z, off_span = space.coordinates(model.pretrained), 0.0
    else:
        w = np.asarray(problem.parameter_columns(start, "start"), dtype=np.float64)
        initial = (
            0.0 if problem.w_init is None else np.asarray(problem.w_init, dtype=np.float64).reshape(w.shape)
        )
        z, off_span = space.split(w - initial)
    found = error_map(space, rule, steps, residual, momentum)
    return Prediction(found, z - z_r, off_span, doing_nothing)


@checked
def predict_gap(
    problem: UnlearningProblem, *, epochs: int | Iterable[int], **settings: Unpack[_Settings]
) -> Any:
    """‖w_E − w_r‖ after E epochs of fine-tuning from w_p on relabelled data, without training (claims 11, 12, 14).

    Args:
        problem: the problem.
        epochs: E, or several.
        settings: as for ``predict_training``: step_sizes, and method, labels, start, momentum, batch_size, restart.

    Returns:
        The gap, or an array of gaps for several epochs.

    Raises:
        BadInputError: epochs that are no whole numbers, or settings that ``predict_training`` refuses.

    Example:
        >>> problem = UnlearningProblem(np.array([[1.0, 0, 1], [1, 1, 0]]), np.array([1.0, 2.0]), [1])
        >>> predict_gap(problem, method="gd", step_sizes=0.5, epochs=[0, 1, 10]).round(9)
        array([1.22474487e+00, 6.12372436e-01, 1.19604000e-03])
    """
    prediction = predict_training(problem, **settings)
    several = isinstance(epochs, Iterable)
    wanted: Iterable[Any] = epochs if isinstance(epochs, Iterable) else [epochs]
    gaps = [prediction.gap(check_integer("epochs", e, hint="epochs=100")) for e in wanted]
    return np.array(gaps) if several else gaps[0]


@checked
def epochs_needed(problem: UnlearningProblem, gap: float, **settings: Unpack[_Settings]) -> float:
    """Epochs of fine-tuning until ‖w_E − w_r‖ ≤ gap, from the data alone.

    Args:
        problem: the problem.
        gap: the requested gap, absolute.
        settings: as for ``predict_training``: step_sizes, and method, labels, start, momentum, batch_size, restart.

    Returns:
        The number of epochs; infinity when the limit stays above.

    Raises:
        BadInputError: a gap that is not positive, or settings that ``predict_training`` refuses.

    Example:
        >>> problem = UnlearningProblem(np.array([[1.0, 0, 1], [1, 1, 0]]), np.array([1.0, 2.0]), [1])
        >>> epochs_needed(problem, 1e-3, method="gd", step_sizes=0.5)
        11
    """
    if not 0 < gap < math.inf:
        raise expected("a positive gap", "gap", gap, type(gap).__name__, "1e-6")
    return predict_training(problem, **settings).epochs_needed(gap)


@checked
def gd_epochs(problem: UnlearningProblem, step: float, accuracy: float) -> float:
    """Claim gd-finite-time: T ≥ log(ε/gap₀)/log(1 − ηλ_min⁺) steps suffice for a gap of ε, if 0 < η ≤ 1/λ_max.

    Args:
        problem: the problem.
        step: η ≤ 1/λ_max.
        accuracy: ε, absolute.

    Returns:
        The bound; ``epochs_needed`` gives the exact number, which is never larger.

    Raises:
        BadInputError: a step above 1/λ_max, or an accuracy that is not positive.

    Example:
        >>> problem = UnlearningProblem(np.array([[1.0, 0, 1], [1, 1, 0]]), np.array([1.0, 2.0]), [1])
        >>> round(gd_epochs(problem, 0.3, 1e-3), 3)
        19.935
    """
    space = RowSpace.of(problem)
    values = space.spectrum[0]
    if not 0 < step * values[-1] <= 1 + 1e-12:
        raise expected(
            "a step in (0, 1/λ_max]", "step", step, f"1/λ_max = {1 / values[-1]:.6g}", "a smaller step"
        )
    if not 0 < accuracy < math.inf:
        raise expected("a positive accuracy", "accuracy", accuracy, type(accuracy).__name__, "1e-6")
    model = float_model(problem)
    nothing = float(model.distance(model.pretrained, model.retrained).upper)
    if nothing <= accuracy:
        return 0.0
    return (
        math.log(accuracy / nothing) / math.log1p(-step * float(values[0])) if step * values[0] < 1 else 1.0
    )


@checked
def off_span_gap(problem: UnlearningProblem, w: Any, reference: Any = None) -> float:
    """‖(I − P)(w − w₀)‖: what fine-tuning can never remove (claims start-span and adaptive-optimizer).

    With labels that are exact, gradient descent from w = w_pretrained ends this far from w_r, however w came about:
    Adam, RMSProp, AdaGrad or weight decay leave w₀ + row(Φ). Pretraining with weight decay towards zero, to its limit,
    ends in row(Φ), so that the gap is ‖(I − P)w₀‖ whatever the decay.

    Args:
        problem: the problem.
        w: where fine-tuning starts, or ends: shape (D,) or (D, C).
        reference: parameters to take in place of w₀, such as a model retrained by Adam.

    Returns:
        The distance, Frobenius norm over the outputs.

    Raises:
        BadInputError: no problem, or parameters of another shape.

    Example:
        >>> problem = UnlearningProblem(np.array([[1.0, 0, 1], [1, 1, 0]]), np.array([1.0, 2.0]), [1])
        >>> round(off_span_gap(problem, [1.0, 0.0, 0.0]), 12)  # the row space lacks (1, -1, -1)/√3
        0.57735026919
    """
    require_problem(problem)
    point = np.asarray(problem.parameter_columns(w, "w"), dtype=np.float64)
    origin = problem.w_init if reference is None else problem.parameter_columns(reference, "reference")
    away = point if origin is None else point - np.asarray(origin, dtype=np.float64).reshape(point.shape)
    return RowSpace.of(problem).split(away)[1]


def decay_gap(problem: UnlearningProblem) -> float:
    """‖(I − P)w₀‖: the gap after pretraining with weight decay towards zero and exact relabelling.

    Args:
        problem: the problem.

    Returns:
        The gap; zero for w₀ = 0.

    Raises:
        BadInputError: no problem.
    """
    require_problem(problem)
    shape = (problem.n_features, *problem.targets.shape[1:])
    return off_span_gap(problem, np.zeros(shape))
