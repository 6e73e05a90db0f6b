"""Methods that leave the pretrained model's own outputs on F behind: SCRUB, and negative preference optimisation."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import final

import numpy as np

from ..arguments import checked
from ..arrays import Array
from ..descent.losses import sample_losses
from ..descent.passes import Batch
from ..linear.closed_forms import Point, float_model
from ..linear.problem import UnlearningProblem
from ..networks.problem import NetworkProblem
from .fitting import Descent
from .method import LINEAR, NETWORK, Method
from .moves import forget_rows, largest_eigenvalue, moved, require_finite, retain_rows
from .ranges import require_positive

__all__ = ["NegativePreference", "Scrub"]


def _checked(problem: UnlearningProblem, w: Point, eta: float) -> Point:
    """Refuse a point that left the finite numbers."""
    for part in (w.coefficients, w.offset):
        if part is not None:
            require_finite(np.asarray(part), eta)
    return w


@final
@checked
@dataclass(frozen=True)
class Scrub(Method):
    """Ascend the divergence from w_p's outputs on F, then descend it and the loss on R, in turn, shape (D,) or (D, C).

    The divergence is KL of the predicted classes, without temperature; for squared loss, KL of normal laws of unit
    variance, ½‖Φw − Φw_p‖². Both are losses whose labels are w_p's own outputs. The first ascent has no gradient, since
    it starts at w_p, so that the first descent moves alone; where w_p fits R it does not either, and nothing happens.
    Not so on a network whose training differs from its evaluation: w_p's outputs are those of evaluation, by running
    statistics and with nothing dropped, steps are taken in training mode, by the statistics of each batch, as the
    published code does. There the first ascent has a gradient.

    Args:
        alpha: α > 0, weight of the divergence on R.
        gamma: γ > 0, weight of the loss on R.
        ascents: rounds, the first ones, that begin with an ascent; at least 0.
        steps: rounds of a linear model, a step up and one down.
        step_size: η > 0 of a linear model; None is 1/(λ_max(K) max(1/n_F, (α + γ)/n_R)).
        descent: on a network, both; a round is an epoch on F and one on R, each with moments of its own. Its default
            takes plain steps, since adaptive ones would enlarge the rounding errors of the first ascent.

    Example:
        >>> problem = UnlearningProblem(np.array([[1.0], [1.0]]), np.array([3.0, 1.0]), [1])
        >>> Scrub(alpha=1.0, gamma=1.0, ascents=2, steps=1, step_size=0.25)(problem)  # w_p = 2: no ascent yet
        array([2.25])
        >>> Scrub(alpha=1.0, gamma=1.0, ascents=2, steps=2, step_size=0.25)(problem)  # up by 1/16, then down
        array([2.40625])
    """

    alpha: float = 1e-3
    gamma: float = 0.99
    ascents: int = 2
    steps: int = field(default=10, metadata=LINEAR)
    step_size: float | None = field(default=None, metadata=LINEAR)
    descent: Descent = field(
        default=Descent(optimizer="gd", learning_rate=1e-2), kw_only=True, metadata=NETWORK
    )
    name = "scrub"
    follows_own_labels = True
    formula = (
        "w ← w + η/n_F Φ_FᵀΦ_F(w − w_p) in the first rounds, then in all "
        "w ← w − η/n_R Φ_Rᵀ[αΦ_R(w − w_p) + γ(Φ_R w − y_R)], from w_p"
    )
    source = "Kurmanji, Triantafillou, Hayes, Triantafillou 2023 (SCRUB), arXiv 2302.09880"
    exactness = "not exact: a finite number of steps, none of them where w_p interpolates"

    def __post_init__(self) -> None:
        """Refuse settings out of range."""
        super().__post_init__()
        require_positive("alpha", self.alpha)
        require_positive("gamma", self.gamma)

    @np.errstate(over="ignore", invalid="ignore")  # divergence is told in the end
    def on_linear(self, problem: UnlearningProblem) -> Point:
        """The last iterate in model coordinates."""
        model, w = float_model(problem), float_model(problem).pretrained
        n_retain, n_forget = len(problem.retain), len(problem.forget)
        weight = max(1 / n_forget, (self.alpha + self.gamma) / n_retain)
        eta = self.step_size or 1 / (largest_eigenvalue(problem) * weight)
        targets = model.targets(model.retain)
        kept, left = model.predict(model.retain, w), model.predict(model.forget, w)
        for t in range(self.steps):
            if t < self.ascents:
                away = model.predict(model.forget, w) - left
                w = moved(problem, w, forget_rows(problem, eta / n_forget * away))
            outputs = model.predict(model.retain, w)
            pull = self.alpha * (outputs - kept) + self.gamma * (outputs - targets)
            w = moved(problem, w, retain_rows(problem, -eta / n_retain * pull))
        return _checked(problem, w, eta)

    def on_network(self, problem: NetworkProblem) -> list[Array]:
        """θ_p after epochs of ascent on F and descent on R."""
        own = problem.as_targets(problem.outputs(problem.pretrained))
        total = self.alpha + self.gamma
        # α∂KL + γ∂ℓ is (α + γ)∂ℓ at the mean of both labels: ∂ℓ is affine in them.
        mixed = (self.alpha * own + self.gamma * problem.targets) / total
        signs = np.where(np.isin(np.arange(len(problem.X)), problem.forget), -1.0, total)[:, None]
        up, down = (
            self.descent.loop(problem, part, labels[part], weights=signs[part].astype(problem.X.dtype))
            for part, labels in ((problem.forget, own), (problem.retain, mixed))
        )
        with np.errstate(all="ignore"):  # divergence is told below
            for epoch in range(self.descent.epochs):
                if epoch < self.ascents:
                    up.state = down.state
                    up.advance(1)
                    down.state = up.state
                down.advance(1)
        return problem.check_trained(down.state, self.descent.learning_rate)


@final
@checked
@dataclass(frozen=True)
class NegativePreference(Method):
    """Steps up the forget loss, each sample's fading as it becomes less likely than under w_p, shape (D,) or (D, C).

    With the likelihood e^−ℓ of a sample the objective is 2/β times the mean over F of log(1 + (p/p_pretrained)^β). Its
    gradient is that of ascent, every sample's part times W = 2/(1 + e^(β(ℓ − ℓ_p))), ℓ_p the loss at w_p: 1 at w_p, and
    falling as ℓ grows. As β → 0 it is gradient ascent. Where w_p interpolates F the gradient is zero: it never starts.
    On a network with batch norm or dropout ℓ_p is that of evaluation and ℓ that of training, by the statistics of each
    batch, so that W is not 1 at w_p.

    Args:
        inverse_temperature: β > 0.
        steps: number of steps of a linear model.
        step_size: η > 0 of a linear model; None is n_F/λ_max(K).
        descent: on a network, the ascent.

    Example:
        >>> rows = np.array([[1.0, 0], [0, 1], [1, 1]])
        >>> problem = UnlearningProblem(rows, np.array([1.0, 1.0, 0.0]), [2])
        >>> NegativePreference(steps=1, step_size=0.5)(problem).round(12)  # w_p = (1/3, 1/3); at first W = 1
        array([0.66666667, 0.66666667])
    """

    inverse_temperature: float = 0.1
    steps: int = field(default=5, metadata=LINEAR)
    step_size: float | None = field(default=None, metadata=LINEAR)
    descent: Descent = field(default=Descent(epochs=1, learning_rate=1e-4), kw_only=True, metadata=NETWORK)
    name = "npo"
    follows_own_labels = True
    formula = "w ← w + η/n_F Φ_FᵀW(Φ_F w − y_F), W = diag 2/(1 + exp(β(ℓ_i(w) − ℓ_i(w_p)))), from w_p"
    source = "Zhang, Lin, Bai, Mei 2024 (Negative preference optimization), arXiv 2404.05868"
    exactness = "not exact: it moves in row(Φ_F) only (forget-only), and not at all where w_p interpolates"

    def __post_init__(self) -> None:
        """Refuse settings out of range."""
        super().__post_init__()
        require_positive("inverse_temperature", self.inverse_temperature)

    @np.errstate(over="ignore", invalid="ignore")  # divergence is told in the end
    def on_linear(self, problem: UnlearningProblem) -> Point:
        """The last iterate in model coordinates."""
        model, w = float_model(problem), float_model(problem).pretrained
        n_forget, targets = len(problem.forget), model.targets(model.forget)
        eta = self.step_size or n_forget / largest_eigenvalue(problem)
        before = sample_losses(model.predict(model.forget, w), targets, "squared")
        for _ in range(self.steps):
            outputs = model.predict(model.forget, w)
            weights = self._weights(sample_losses(outputs, targets, "squared"), before)
            w = moved(problem, w, forget_rows(problem, eta / n_forget * weights * (outputs - targets)))
        return _checked(problem, w, eta)

    def on_network(self, problem: NetworkProblem) -> list[Array]:
        """θ_p after steps up the loss on F."""
        targets, loss = problem.targets[problem.forget], problem.recipe.loss
        before = sample_losses(problem.outputs(problem.pretrained, problem.forget), targets, loss)

        def weights(rows: Batch, outputs: Array) -> Array:
            return -self._weights(sample_losses(outputs, targets[rows], loss), before[rows])

        return self.descent.finish(problem, self.descent.loop(problem, problem.forget, weights=weights))

    def _weights(self, losses: Array, before: Array) -> Array:
        """W of every sample, (m, 1), in the precision of the losses."""
        with np.errstate(over="ignore"):  # e^∞ gives 0, as it should
            return np.asarray(2 / (1 + np.exp(self.inverse_temperature * (losses - before))))[:, None]
