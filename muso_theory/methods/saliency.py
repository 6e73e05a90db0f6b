"""Saliency-masked relabelling: only the parameters that matter most for the forget loss may move."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from typing import Literal, final

import numpy as np

from ..arguments import checked
from ..arrays import Array
from ..descent.losses import loss_and_cotangent
from ..errors import BadInputError, expected
from ..linear.closed_forms import Point, float_model
from ..linear.problem import UnlearningProblem
from ..networks.problem import NetworkProblem
from ..numbers import FLOAT64
from .fitting import Descent
from .method import LINEAR, NETWORK, Method
from .ranges import require_fraction
from .rules import RandomLabels, block_trace, forget_inverse

__all__ = ["SaliencyRelabelling", "largest"]

_ROUNDING = 1e-10


def largest(sizes: Array, share: float) -> Array:
    """The mask of exactly ⌈share·P⌉ largest of P entries, ties to the earlier one.

    A quantile as the threshold lets all ties through: where most entries are zero, so may it be.

    Args:
        sizes: P numbers of any shape.
        share: in (0, 1], taken as the decimal that it prints as, so that 0.7 of 10 is 7.

    Returns:
        Booleans, of the same shape.

    Raises:
        BadInputError: a share outside, or sizes that are not finite.

    Example:
        >>> largest(np.array([0.0, 2.0, 0.0, 0.0]), 0.5)
        array([ True,  True, False, False])
    """
    if not 0 < share <= 1:
        raise expected("a share in (0, 1]", "share", share, type(share).__name__, "0.5")
    if not np.isfinite(sizes).all():
        raise expected(
            "finite saliencies", "sizes", sizes.shape, "NaN or inf", "a model that did not diverge"
        )
    kept = math.ceil(Fraction(repr(float(share))) * sizes.size)
    out = np.zeros(sizes.size, dtype=bool)
    out[np.argsort(-sizes, axis=None, kind="stable")[:kept]] = True
    return out.reshape(sizes.shape)


@final
@checked
@dataclass(frozen=True)
class SaliencyRelabelling(Method):
    """Random labels for F, then fine-tuning of the most salient parameters only, to the limit, shape (D,) or (D, C).

    A parameter of an output is salient when its entry of |∇| is among the ⌈``fraction``·P⌉ largest (:func:`largest`).
    As published ∇ is the gradient of the forget loss, Φ_Fᵀ(Φ_F w_p − y_F), which vanishes where w_p interpolates F and
    is then refused with BadInputError: a mask made of rounding errors would mean nothing. The default takes the
    gradient of the loss on the mean random label μ, Φ_Fᵀ(Φ_F w_p − μ), which is what fine-tuning is about to follow.

    Args:
        seed: seed of the labels.
        fraction: part of the parameters that may move, in (0, 1].
        saliency: "relabelled" for the mean random label, "forget" for the data's own, as on a network.
        descent: on a network, the fine-tuning.

    Example:
        >>> rows = np.array([[1.0, 0, 2], [1, 1, 0]])
        >>> problem = UnlearningProblem(rows, np.array([1.0, -1.0]), [1])
        >>> method = SaliencyRelabelling(seed=0, fraction=0.5)
        >>> method.mask(problem).ravel()
        array([ True,  True, False])
        >>> w_p = float_model(problem).explicit(float_model(problem).pretrained)[:, 0]
        >>> (method(problem) - w_p).round(12) + 0.0  # the label 1 instead of −1, without touching R's output
        array([0., 2., 0.])
    """

    seed: int = 0
    fraction: float = 0.5
    saliency: Literal["relabelled", "forget"] = field(default="relabelled", metadata=LINEAR)
    descent: Descent = field(default=Descent(), kw_only=True, metadata=NETWORK)
    name = "saliency"
    formula = (
        "w_p + m⊙(Φ_m)⁺((y_R, ỹ_F) − Φw_p), m the ⌈fraction·P⌉ largest |Φ_Fᵀ(Φ_F w_p − E ỹ_F)|, "
        "ỹ_F uniform among the other targets"
    )
    source = "after Fan et al. 2024 (SalUn), arXiv 2310.12508, whose mask is that of saliency='forget'"
    exactness = "not exact: random labels, and a start that may not leave w_p off the mask"

    def __post_init__(self) -> None:
        """Refuse settings out of range."""
        super().__post_init__()
        require_fraction("fraction", self.fraction, "0.5")
        if self.saliency not in ("relabelled", "forget"):
            what = "'relabelled' or 'forget'"
            raise expected(what, "saliency", self.saliency, type(self.saliency).__name__, "'relabelled'")

    def mask(self, problem: UnlearningProblem) -> Array:
        """Which parameters may move.

        Args:
            problem: the problem.

        Returns:
            Booleans, shape (D, C).

        Raises:
            BadInputError: a gradient that is zero up to rounding.
        """
        model = float_model(problem)
        own = self.saliency == "forget"
        target = model.targets(model.forget) if own else self._mean_labels(problem)
        error = model.predict(model.forget, model.pretrained) - target
        scale = np.abs(model.targets(model.everything)).max() + np.abs(target).max()
        if np.abs(error).max() <= _ROUNDING * scale:
            raise BadInputError(
                f"expected a forget loss with a gradient but got one of {np.abs(error).max():.1e} (w_p interpolates "
                "the forget samples, so its saliency is rounding error); try saliency='relabelled'"
            )
        rows = FLOAT64.matrix(problem.features[problem.forget])
        return largest(np.abs(FLOAT64.matmul(FLOAT64.transpose(rows), error)), self.fraction)

    def on_linear(self, problem: UnlearningProblem) -> Point:
        """The masked fine-tuning's limit in model coordinates."""
        labels = problem.label_columns(RandomLabels(self.seed)(problem))
        return self._fine_tuned(problem, labels)

    def on_network(self, problem: NetworkProblem) -> list[Array]:
        """θ_p relabelled at random, where |∇L_F(θ_p)| is largest."""
        net = problem.net
        gradient = net.flatten(mean_gradient(problem, problem.pretrained, problem.forget))
        moves = np.repeat(net.trainable, [array.size for array in problem.pretrained])
        mask = np.ones(len(gradient), dtype=bool)  # running statistics follow the batches, as in training
        mask[moves] = largest(np.abs(gradient[moves]), self.fraction)
        return self.descent.relabel(problem, RandomLabels(self.seed)(problem), mask=net.unflatten(mask))

    def _mean_labels(self, problem: UnlearningProblem) -> Array:
        """μ, shape (n_F, C)."""
        return RandomLabels(self.seed).distribution(problem)[0]

    def _masked(self, problem: UnlearningProblem) -> list[tuple[Array, UnlearningProblem | None]]:
        """For each output its mask and the problem in the masked parameters alone, None where nothing may move."""
        mask = self.mask(problem)
        parts: list[tuple[Array, UnlearningProblem | None]] = []
        for column in mask.T:
            if not column.any():
                parts.append((column, None))
                continue
            if parts and parts[-1][1] is not None and np.array_equal(column, parts[-1][0]):
                parts.append(parts[-1])
                continue
            zero = np.zeros(problem.n_samples)
            parts.append((column, UnlearningProblem(problem.features[:, column], zero, problem.forget)))
        return parts

    def _fine_tuned(self, problem: UnlearningProblem, labels: Array) -> Point:
        """w_p + m⊙(Φ_m)⁺((y_R, labels) − Φw_p), output by output."""
        model = float_model(problem)
        residual = model.relabelled(labels) - model.predict(model.everything, model.pretrained)
        step = np.zeros((problem.n_features, problem.n_outputs))
        for output, (column, part) in enumerate(self._masked(problem)):
            if part is not None:
                inner = float_model(part)
                moved = inner.fit(inner.everything, residual[:, [output]])
                step[column, output] = inner.explicit(moved)[:, 0]
        start = model.pretrained
        return Point(start.coefficients, step if start.offset is None else start.offset + step)

    def _moments(self, problem: UnlearningProblem) -> tuple[Point, float]:
        """The mask does not depend on the draw, so the mean label gives the mean, and tr((K_m⁺)_FF Σ) the spread."""
        _, blocks = RandomLabels(self.seed).distribution(problem)
        spread = 0.0
        for output, (_, part) in enumerate(self._masked(problem)):
            if part is not None:
                spread += block_trace(forget_inverse(part), blocks[output])
        return self._fine_tuned(problem, self._mean_labels(problem)), spread


def mean_gradient(problem: NetworkProblem, params: Sequence[Array], samples: Array) -> list[Array]:
    """∇L_S, the mean over samples S."""
    out, cache = problem.net.forward(params, problem.X[samples])
    _, cotangent = loss_and_cotangent(out, problem.targets[samples], problem.recipe.loss)
    return problem.net.pull_back(params, cache, cotangent / len(samples))
