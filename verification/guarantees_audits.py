"""Data on which guarantees are audited, and leaks that an audit must catch.

For every mechanism there are two neighbouring data sets on which its distance is nearly reached, so that the audit has
something to see, and the mechanism itself publishes. `LOOSE` are those whose bound no data here come close to. Each
leak is a mistake that was made, or is easy to make: everything is as in a valid guarantee but for one number.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np

from muso_theory import evaluation
from muso_theory.evaluation import GuaranteeAudit, Objective, Public, audit_guarantee, guarantee
from muso_theory.evaluation.public import rate
from muso_theory.evaluation.removal import descent, newton_noise, newton_removal, noisy_descent
from muso_theory.numbers import Quantity

__all__ = ["DELTA", "LEAKS", "LOOSE", "VALID"]

Array = np.ndarray[Any, Any]
Audit = Callable[[float, int], GuaranteeAudit]
DELTA = 1e-5
_ROUNDING = 1e-9


def _lone(loss: str, ridge: float = 50.0, d: int = 1) -> tuple[Objective, Objective]:
    """One sample beside one that says nothing, and the latter alone: only the ridge curves, as in the worst case."""
    whole = Objective(np.vstack([np.eye(1, d), np.zeros((1, d))]), np.ones(2), loss, ridge)
    return whole, whole.on(np.array([1]))


def _declared(objective: Objective, **more: Any) -> Public:
    constants = {
        "samples": len(objective.features), "forget": 1, "loss": objective.loss, "ridge": objective.ridge,
        "feature_norm": 1.0, "target_bound": 1.0, "rounding": _ROUNDING,
    }  # fmt: skip
    return Public(**{**constants, **more})


def _output(
    worlds: tuple[Objective, Objective], epsilon: float, draws: int, requests: int = 1
) -> GuaranteeAudit:
    """Output noise, published so many times with fresh noise."""
    promise = guarantee("output-noise", epsilon, DELTA, public=_declared(worlds[0]), requests=requests)

    def publish(objective: Objective) -> Callable[[int], Array]:
        w = objective.minimiser()
        return lambda seed: np.array(
            [promise.release(w, objective, requests * seed + i) for i in range(requests)]
        )

    return audit_guarantee(promise, *(publish(world) for world in worlds), draws=draws)


def _removal(name: str, loss: str, epsilon: float, draws: int, **more: Any) -> GuaranteeAudit:
    """What is published after removal, against retraining that is published likewise."""
    whole, kept = _lone(loss)
    public = _declared(whole, **more)
    promise = guarantee(name, epsilon, DELTA, public=public)
    w_p, w_r = whole.minimiser(), kept.minimiser()
    if name == "newton-step":
        w, _ = newton_removal(whole, w_p, np.array([0]))
    else:
        w = descent(kept, w_p, int(public.steps or 0), rate(public))
    return audit_guarantee(
        promise, lambda s: promise.release(w, kept, s), lambda s: promise.release(w_r, kept, s), draws=draws
    )


def _clipped_descent(epsilon: float, draws: int) -> GuaranteeAudit:
    """Every clipped gradient of the sample has norm C, and steps are short, so that they add up."""
    worlds = _lone("logistic", ridge=0.01)
    public = _declared(worlds[0], samples=1000, steps=4, clip=0.25)
    promise = guarantee("noisy-descent", epsilon, DELTA, public=public)
    return audit_guarantee(
        promise, *(lambda s, world=world: noisy_descent(promise, world, s) for world in worlds), draws=draws
    )


def _nothing(epsilon: float, draws: int) -> GuaranteeAudit:
    """The pretrained model under the noise that its proved gap asks for."""
    whole, kept = _lone("logistic")
    w_p, w_r = whole.minimiser(), kept.minimiser()
    promise = guarantee("proved-gap", epsilon, DELTA, gap=kept.gap_bound(w_p))
    return audit_guarantee(
        promise, lambda s: promise.release(w_p, kept, s), lambda s: promise.release(w_r, kept, s), draws=draws
    )


def _certificate(epsilon: float, draws: int, noise_of: float | None = None) -> GuaranteeAudit:
    """A certificate for parameters at just the distance that it bounds; ``noise_of`` plants the noise of another ε."""
    gap, w_r = 1e-6, np.array([1.0, 2.0])
    w = w_r + np.array([gap, 0.0])
    bound = Quantity.enclosure(0.0, gap * (1 + 1e-9))
    promise = evaluation.removal_certificate(bound, w, epsilon, DELTA).guarantee
    used = epsilon if noise_of is None else noise_of
    released = [evaluation.removal_certificate(bound, point, used, DELTA) for point in (w, w_r)]
    return audit_guarantee(
        promise, lambda s: released[0].release(w, s), lambda s: released[1].release(w_r, s), draws=draws
    )


def _spread(epsilon: float, draws: int, private: bool) -> GuaranteeAudit:
    """Descent on eight samples and on one, in 24 parameters: a step made from their number shows in the spread."""
    whole = Objective(np.zeros((8, 24)), np.ones(8), "logistic", 0.5)
    worlds = whole, whole.on(np.array([0]))
    public = _declared(whole, forget=7, steps=1, clip=1.0)
    promise = guarantee("noisy-descent", epsilon, DELTA, public=public)

    def publish(world: Objective) -> Callable[[int], Array]:
        n = len(world.features)
        used = replace(public, samples=n, forget=min(7, n)) if private else public
        # σ does not see the number of samples; the step does.
        own = guarantee("noisy-descent", epsilon, DELTA, public=used, sigma=promise.sigma)
        return lambda seed: noisy_descent(own, world, seed)

    return audit_guarantee(promise, *(publish(world) for world in worlds), draws=draws)


def _longest(epsilon: float, draws: int, private: bool) -> GuaranteeAudit:
    """A forget sample that is the longest row: noise that is made from the longest row tells whether it is there."""
    rows = np.vstack([0.5 * np.eye(1, 24), np.eye(1, 24)])
    whole = Objective(rows, np.ones(2), "squared", 1.0)
    worlds = whole, whole.on(np.array([0]))
    promise = guarantee("output-noise", epsilon, DELTA, public=_declared(whole))

    def publish(world: Objective) -> Callable[[int], Array]:
        w = world.minimiser()
        longest = float(np.linalg.norm(world.features, axis=1).max())
        used = _declared(whole, feature_norm=longest) if private else _declared(whole)
        own = guarantee("output-noise", epsilon, DELTA, public=used)
        return lambda seed: own.release(w, world, seed)

    return audit_guarantee(promise, *(publish(world) for world in worlds), draws=draws)


def _rounded_tilt(epsilon: float, draws: int) -> GuaranteeAudit:
    """Points with a gradient residual that the tilt depends on: minimisers of F + bᵀw, rounded to a grid."""
    ridge, residual = 1.0, 0.5
    spacing = 2 * residual / ridge
    promise = guarantee("proved-gap", epsilon, DELTA, gap=Quantity.enclosure(0, residual))
    sigma = newton_noise(residual, epsilon, DELTA)

    def publish(rounds: bool) -> Callable[[int], Array]:
        def draw(seed: int) -> Array:
            w = -sigma * np.random.default_rng(seed).standard_normal() / ridge
            w = spacing * round(w / spacing) if rounds else w
            # Whether it lies on the grid is for everybody to see.
            return np.array([w, float(w == spacing * round(w / spacing))])

        return draw

    return audit_guarantee(promise, publish(True), publish(False), draws=draws)


VALID: dict[str, Audit] = {
    "output noise, squared loss": lambda epsilon, draws: _output(_lone("squared"), epsilon, draws),
    "output noise, logistic loss": lambda epsilon, draws: _output(_lone("logistic"), epsilon, draws),
    "output noise, four releases": lambda epsilon, draws: _output(_lone("logistic"), epsilon, draws, 4),
    "Newton step, squared loss": lambda epsilon, draws: _removal("newton-step", "squared", epsilon, draws),
    "Newton step, logistic loss": lambda epsilon, draws: _removal("newton-step", "logistic", epsilon, draws),
    "descent-to-delete": lambda epsilon, draws: _removal(
        "descent-to-delete", "squared", epsilon, draws, steps=3
    ),
    "noisy descent": _clipped_descent,
    "noisy descent, public step": lambda epsilon, draws: _spread(epsilon, draws, False),
    "output noise, public norm": lambda epsilon, draws: _longest(epsilon, draws, False),
    "proved gap of doing nothing": _nothing,
    "certificate": _certificate,
}
"""Guarantees that must stand, each a function of ε and the number of draws."""

LOOSE = (
    "Newton step, squared loss",
    "Newton step, logistic loss",
    "noisy descent, public step",
    "output noise, public norm",
)

LEAKS: dict[str, Audit] = {
    "step from the number of samples": lambda epsilon, draws: _spread(epsilon, draws, True),
    "sensitivity from the longest row": lambda epsilon, draws: _longest(epsilon, draws, True),
    "noise of a larger ε": lambda epsilon, draws: _certificate(epsilon, draws, epsilon + 10),
    "residual that depends on the tilt": _rounded_tilt,
}
"""Mistakes that must be caught."""
