"""Update rules: what a method does with a gradient. The state is a list of arrays, whatever the coordinates."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, final

import numpy as np

from ..arrays import Array
from ..errors import expected, nearest, refuse_idle
from ..former import former
from .hyper import Hyper

__all__ = ["OPTIMIZERS", "Optimizer", "State", "optimizer_named"]
former(__name__)

State = list[Array]
"""What moves: the parameters of a network, [w] of a linear model, or coordinates of w."""


class _Update(ABC):
    """One method's state and step.

    Args:
        hyper: its constants.
        start: the coordinates at the start.
    """

    adaptive = False
    """Whether the step is not a multiple of gradients, and so leaves w₀ + row(Φ)."""

    constants: tuple[str, ...] = ()
    """Which of `Hyper` the step uses."""

    def __init__(self, hyper: Hyper, start: State) -> None:
        self.hyper = hyper
        self.velocity = [np.zeros_like(x) for x in start]

    def lookahead(self, state: State) -> State:
        """Where the gradient is taken."""
        return state

    @abstractmethod
    def step(self, state: State, gradient: State, rate: float) -> State:
        """The next state.

        Args:
            state: the present one.
            gradient: for adaptive methods the gradient, for the others the gradient times the step size.
            rate: the step size, used by adaptive methods only.
        """


@final
class _PlainDescent(_Update):
    """w ← w − γ∇."""

    def step(self, state: State, gradient: State, rate: float) -> State:
        """One step down the gradient."""
        return [x - g for x, g in zip(state, gradient, strict=True)]


class _Momentum(_Update):
    """v ← μv − γ∇, w ← w + v; the rules differ in where the gradient is taken."""

    constants = ("momentum",)

    def step(self, state: State, gradient: State, rate: float) -> State:
        """One step with momentum."""
        mu = self.hyper.momentum
        self.velocity = [mu * v - g for v, g in zip(self.velocity, gradient, strict=True)]
        return [x + v for x, v in zip(state, self.velocity, strict=True)]


@final
class _HeavyBall(_Momentum):
    """v ← μv − γ∇(w), w ← w + v (Polyak 1964)."""


@final
class _Nesterov(_Momentum):
    """v ← μv − γ∇(w + μv), w ← w + v (Nesterov 1983)."""

    def lookahead(self, state: State) -> State:
        """The point w + μv."""
        return [x + self.hyper.momentum * v for x, v in zip(state, self.velocity, strict=True)]


class _Adaptive(_Update):
    """Steps divided, feature by feature, by a root of past squares of the gradient."""

    adaptive = True
    constants: tuple[str, ...] = ("epsilon",)

    def __init__(self, hyper: Hyper, start: State) -> None:
        super().__init__(hyper, start)
        self.squares = [np.zeros_like(x) for x in start]
        self.count = 0

    def scaled(self, gradient: State, squares: State) -> State:
        """Gradient / (√squares + ε)."""
        return [g / (np.sqrt(s) + self.hyper.epsilon) for g, s in zip(gradient, squares, strict=True)]


@final
class _AdaGrad(_Adaptive):
    """s ← s + ∇², w ← w − γ∇/(√s + ε) (Duchi, Hazan, Singer 2011)."""

    def step(self, state: State, gradient: State, rate: float) -> State:
        """One step."""
        self.squares = [s + g * g for s, g in zip(self.squares, gradient, strict=True)]
        return [x - rate * u for x, u in zip(state, self.scaled(gradient, self.squares), strict=True)]


@final
class _RMSProp(_Adaptive):
    """s ← β₂s + (1 − β₂)∇², w ← w − γ∇/(√s + ε) (Tieleman, Hinton 2012)."""

    constants = ("betas", "epsilon")

    def step(self, state: State, gradient: State, rate: float) -> State:
        """One step."""
        beta = self.hyper.betas[1]
        self.squares = [beta * s + (1 - beta) * g * g for s, g in zip(self.squares, gradient, strict=True)]
        return [x - rate * u for x, u in zip(state, self.scaled(gradient, self.squares), strict=True)]


@final
class _Adam(_Adaptive):
    """Moments with bias correction (Kingma, Ba 2015)."""

    constants = ("betas", "epsilon")

    def step(self, state: State, gradient: State, rate: float) -> State:
        """One step."""
        self.count += 1
        first, second = self.hyper.betas
        self.velocity = [first * m + (1 - first) * g for m, g in zip(self.velocity, gradient, strict=True)]
        self.squares = [
            second * s + (1 - second) * g * g for s, g in zip(self.squares, gradient, strict=True)
        ]
        # Rate first: the order of these products is part of what "the same bits" means for a network.
        means = [rate * (m / (1 - first**self.count)) for m in self.velocity]
        squares = [s / (1 - second**self.count) for s in self.squares]
        return [x - u for x, u in zip(state, self.scaled(means, squares), strict=True)]


@final
@dataclass(frozen=True)
class Optimizer:
    """An optimizer: an update rule and an order of visits.

    Args:
        name: its name.
        update: its update rule.
        order: how a pass visits the samples: ``full`` at once, ``cyclic`` in fixed order, ``shuffled`` by a fresh
            permutation, ``replacement`` independently.
        decoupled: whether weight decay acts beside the update rule rather than in the gradient.
    """

    name: str
    update: type[_Update]
    order: str
    decoupled: bool = False

    def refuse_idle(self, mode: str = "method", **given: Any) -> None:
        """Refuse constants that this optimizer does not use, unless they are the usual ones."""
        for name, value in given.items():
            users = [rule.name for rule in OPTIMIZERS.values() if name in rule.update.constants]
            refuse_idle(name, value, getattr(Hyper, name), mode, self.name, users)


OPTIMIZERS = {
    rule.name: rule
    for rule in (
        Optimizer("gd", _PlainDescent, "full"),
        Optimizer("momentum", _HeavyBall, "full"),
        Optimizer("nesterov", _Nesterov, "full"),
        Optimizer("cyclic-sgd", _PlainDescent, "cyclic"),
        Optimizer("shuffled-sgd", _PlainDescent, "shuffled"),
        Optimizer("sgd", _PlainDescent, "replacement"),
        Optimizer("adam", _Adam, "full"),
        Optimizer("adamw", _Adam, "full", decoupled=True),
        Optimizer("adagrad", _AdaGrad, "full"),
        Optimizer("rmsprop", _RMSProp, "full"),
    )
}


def optimizer_named(name: str, setting: str = "method", known: Iterable[str] = OPTIMIZERS) -> Optimizer:
    """Find an optimizer.

    Args:
        name: its name.
        setting: what the setting with this name is called.
        known: names that will do.

    Returns:
        The optimizer.

    Raises:
        BadInputError: no such optimizer; the nearest is suggested.

    Example:
        >>> optimizer_named("cyclic-sgd").order
        'cyclic'
    """
    if name not in known:
        what = f"an optimizer, one of {', '.join(known)},"
        raise expected(what, setting, name, type(name).__name__, nearest(str(name), known))
    return OPTIMIZERS[name]
