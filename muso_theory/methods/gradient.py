"""Methods that follow gradients of the data's own labels: none of them moves a model that fits these to the end."""

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
from .fitting import Descent, row_steps, trained
from .method import LINEAR, NETWORK, Method
from .moves import moved

__all__ = ["FineTuning", "GradientAscent", "NegGradPlus"]


@final
@checked
@dataclass(frozen=True)
class FineTuning(Method):
    """Fine-tune w_p on R with its own targets, shape (D,) or (D, C).

    In the limit it leaves (I − P_R)(w_p − w₀): all of the gap when w_p interpolates, nothing when row(Φ_R) is all
    of row(Φ), as for Φ_R of full column rank.

    Args:
        epochs: passes of cyclic SGD with steps 1/‖φ_i‖²; None is the limit of gradient descent.
        descent: on a network: min L_R from θ_p.

    Example:
        >>> problem = UnlearningProblem(np.array([[1.0, 0, 1], [1, 1, 0]]), np.array([1.0, 2.0]), [1])
        >>> FineTuning()(problem).round(12) + 0.0  # w_p fits R already and stays where it is
        array([1., 1., 0.])
    """

    epochs: int | None = field(default=None, metadata=LINEAR)
    descent: Descent = field(default=Descent(), kw_only=True, metadata=NETWORK)
    name = "fine-tuning"
    follows_own_labels = True
    formula = "w_p + Φ_R⁺(y_R − Φ_R w_p)"
    source = "folklore; the limit of gradient descent on R by claim implicit-bias"
    exactness = "not exact, unless w_p − w₀ lies in row(Φ_R) (start-span)"

    def on_linear(self, problem: UnlearningProblem) -> Point:
        """The fine-tuned point in model coordinates."""
        model = float_model(problem)
        if self.epochs is not None:
            steps = row_steps(problem, model.retain)
            return model.at(trained(problem, model.pretrained, "cyclic-sgd", steps, self.epochs).w)
        return model.fit(model.retain, model.targets(model.retain), model.pretrained)

    def on_network(self, problem: NetworkProblem) -> list[Array]:
        """θ_p after descent on R."""
        return self.descent.fit(problem, problem.retain)

    def _expected(self, problem: UnlearningProblem) -> float | None:
        """‖(I − P_R)(w_p − w₀)‖² in the limit (claim start-span)."""
        if self.epochs is not None:
            return super()._expected(problem)
        model = float_model(problem)
        inside = model.project(model.retain, model.pretrained)
        return float(model.square_distance(model.pretrained, inside).upper)


def _signed_descent(problem: UnlearningProblem, weights: Array, step_size: float | None, steps: int) -> Point:
    """Descent from w_p on ½Σ s_i‖φ_iᵀw − y_i‖², s of either sign in position order; usual η 1/(λ_max(K) max|s|)."""
    model = float_model(problem)
    largest = float(model.spectrum[1].upper) * float(np.abs(weights).max())
    eta = step_size if step_size is not None else 1 / largest if largest > 0 else 1.0
    targets = model.targets(model.everything)
    w = model.pretrained
    for _ in range(steps):
        pull = eta * weights[:, None] * (targets - model.predict(model.everything, w))
        w = moved(problem, w, pull)
    return Point(w.coefficients, w.offset)


@final
@checked
@dataclass(frozen=True)
class GradientAscent(Method):
    """Steps up the forget loss ½‖Φ_F w − y_F‖², shape (D,) or (D, C).

    Where w_p interpolates F the gradient is zero and ascent never starts.

    Args:
        steps: number of steps.
        step_size: η > 0; None is 1/λ_max(K).
        descent: on a network: max L_F from θ_p, which has no maximum.

    Example:
        >>> rows = np.array([[1.0, 0], [0, 1], [1, 1]])
        >>> problem = UnlearningProblem(rows, np.array([1.0, 1.0, 0.0]), [2])
        >>> GradientAscent(steps=1, step_size=0.5)(problem).round(12)  # w_p = (1/3, 1/3)
        array([0.66666667, 0.66666667])
    """

    steps: int = field(default=5, metadata=LINEAR)
    step_size: float | None = field(default=None, metadata=LINEAR)
    descent: Descent = field(default=Descent(epochs=1, learning_rate=1e-4), kw_only=True, metadata=NETWORK)
    name = "gradient-ascent"
    follows_own_labels = True
    formula = "w ← w + η Φ_Fᵀ(Φ_F w − y_F), from w_p"
    source = "Graves, Nagisetty, Ganesh 2021, arXiv 2010.10981; Thudi et al. 2022, arXiv 2109.13398"
    exactness = "not exact: it moves in row(Φ_F) only (forget-only), and not at all where w_p interpolates"

    def on_linear(self, problem: UnlearningProblem) -> Point:
        """The last iterate in model coordinates."""
        weights = np.zeros(problem.n_samples)
        weights[len(problem.retain) :] = -1.0
        return _signed_descent(problem, weights, self.step_size, self.steps)

    def on_network(self, problem: NetworkProblem) -> list[Array]:
        """θ_p after steps up the loss on F."""
        return self.descent.fit(problem, problem.forget, weights=-np.ones(len(problem.forget)))


@final
@checked
@dataclass(frozen=True)
class NegGradPlus(Method):
    """Descend the mean retain loss and ascend the mean forget loss at once, shape (D,) or (D, C).

    Where w_p interpolates both gradients are zero and nothing happens.

    Args:
        beta: weight of the retain loss, in (0, 1].
        steps: number of steps.
        step_size: η > 0; None is 1/(λ_max(K) max(β/n_R, (1 − β)/n_F)).
        descent: on a network: min β L_R − (1 − β) L_F from θ_p.

    Example:
        >>> rows = np.array([[1.0, 0], [0, 1], [1, 1]])
        >>> problem = UnlearningProblem(rows, np.array([1.0, 1.0, 0.0]), [2])
        >>> NegGradPlus(beta=0.5, steps=1, step_size=1.0)(problem).round(12)  # w_r = (1, 1)
        array([0.83333333, 0.83333333])
    """

    beta: float = 0.95
    steps: int = field(default=10, metadata=LINEAR)
    step_size: float | None = field(default=None, metadata=LINEAR)
    descent: Descent = field(default=Descent(learning_rate=3e-4), kw_only=True, metadata=NETWORK)
    name = "neggrad+"
    follows_own_labels = True
    formula = "w ← w − η[β/n_R Φ_Rᵀ(Φ_R w − y_R) − (1 − β)/n_F Φ_Fᵀ(Φ_F w − y_F)], from w_p"
    source = "Kurmanji, Triantafillou, Hayes, Triantafillou 2023, arXiv 2302.09880"
    exactness = "not exact: a finite number of steps, none of them where w_p interpolates"

    def __post_init__(self) -> None:
        """Refuse settings out of range."""
        super().__post_init__()
        if not 0 < self.beta <= 1:
            raise expected("a weight in (0, 1]", "beta", self.beta, type(self.beta).__name__, "0.95")

    def on_linear(self, problem: UnlearningProblem) -> Point:
        """The last iterate in model coordinates."""
        n_retain, n_forget = len(problem.retain), len(problem.forget)
        weights = np.repeat([self.beta / n_retain, (self.beta - 1) / n_forget], [n_retain, n_forget])
        return _signed_descent(problem, weights, self.step_size, self.steps)

    def on_network(self, problem: NetworkProblem) -> list[Array]:
        """θ_p after descent on all samples."""
        n, n_forget = len(problem.X), len(problem.forget)
        # Weighted so that a mean over all samples is the objective.
        weights = np.full(n, self.beta * n / (n - n_forget))
        weights[problem.forget] = -(1 - self.beta) * n / n_forget
        return self.descent.fit(problem, np.arange(n), weights=weights)
