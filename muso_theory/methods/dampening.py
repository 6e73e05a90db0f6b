"""Selective synaptic dampening: parameters that matter more for F than for all samples are scaled down."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import final

import numpy as np

from ..arguments import checked
from ..arrays import Array
from ..errors import expected
from ..linear.closed_forms import Point, float_model
from ..linear.problem import UnlearningProblem
from ..networks.problem import NetworkProblem
from .method import NETWORK, Method
from .noise import feature_squares, fisher_diagonal
from .ranges import require_positive

__all__ = ["SynapticDampening"]


@final
@checked
@dataclass(frozen=True)
class SynapticDampening(Method):
    """Scale down the parameters whose Fisher information on F is large, without training, shape (D,) or (D, C).

    I_F and I are diagonals of the mean Fisher information on F and on all samples. Since I = (n_F I_F + n_R I_R)/n, no
    parameter has I_F > (n/n_F) I: an α of n/n_F or more selects nothing, and is refused. At α = λ the scaling is
    continuous in the data; else a parameter may jump at its threshold. The paper tunes both to every task.

    For squared loss I_j is the mean of φ_j², whatever w. On a network it is that of the model's own predictive law,
    which needs no labels; the authors take gradients of the loss at the true ones, so there it is after their method.

    Args:
        alpha: α > 0: parameters with I_F > αI are selected.
        dampening: λ > 0: selected ones are multiplied by min(1, λI/I_F).
        samples: on a network, so many evenly spaced ones of F and of R each estimate the information.

    Example:
        >>> problem = UnlearningProblem(np.array([[1.0, 0], [1, 1]]), np.array([1.0, 3.0]), [1])
        >>> SynapticDampening()(problem)  # w_p = (1, 2); I_F = (1, 1), I = (1, 1/2)
        array([1., 1.])
    """

    alpha: float = 1.0
    dampening: float = 1.0
    samples: int = field(default=200, kw_only=True, metadata=NETWORK)
    name = "ssd"
    formula = "w_j min(1, λI_j/I_F,j) where I_F,j > αI_j, from w_p; I = diag ΦᵀΦ/n, I_F = diag Φ_FᵀΦ_F/n_F"
    source = "after Foster, Schoepf, Brintrup 2024 (Selective synaptic dampening), arXiv 2308.07707"
    exactness = "not exact: it shrinks parameters of w_p towards zero, whatever w_r is"

    def __post_init__(self) -> None:
        """Refuse settings out of range."""
        super().__post_init__()
        require_positive("alpha", self.alpha)
        require_positive("dampening", self.dampening)

    def on_linear(self, problem: UnlearningProblem) -> Point:
        """The scaled point in model coordinates."""
        model = float_model(problem)
        parts = [feature_squares(problem, part) for part in (problem.forget, problem.retain)]
        factors = self._factors(parts[0], parts[1], len(problem.forget), len(problem.retain))
        return model.at(factors[:, None] * model.explicit(model.pretrained))

    def on_network(self, problem: NetworkProblem) -> list[Array]:
        """θ_p scaled."""
        parts = [
            fisher_diagonal(problem, _spaced(part, self.samples)) for part in (problem.forget, problem.retain)
        ]
        factors = self._factors(parts[0], parts[1], len(problem.forget), len(problem.retain))
        scaled = [
            (factor * array).astype(array.dtype)
            for factor, array in zip(problem.net.unflatten(factors), problem.pretrained, strict=True)
        ]
        return problem.check_trained(scaled, self.dampening, "dampening")

    def _factors(self, on_forget: Array, on_retain: Array, n_forget: int, n_retain: int) -> Array:
        """What every parameter is multiplied by, (P,)."""
        n = n_forget + n_retain
        if self.alpha >= n / n_forget:
            what = f"a threshold below n/n_F = {n / n_forget:.3g}, above which no parameter is selected,"
            raise expected(what, "alpha", self.alpha, f"{n_forget} of {n} samples to forget", "1.0")
        everywhere = (n_forget * on_forget + n_retain * on_retain) / n
        chosen = on_forget > self.alpha * everywhere
        ratio = np.divide(everywhere, on_forget, out=np.ones_like(everywhere), where=chosen)
        return np.where(chosen, np.minimum(1.0, self.dampening * ratio), 1.0)


def _spaced(samples: Array, count: int) -> Array:
    """At most so many of the samples, evenly spaced."""
    size = min(count, len(samples))
    return samples[np.arange(size) * len(samples) // size]
