"""Data on which guarantees are audited, and leaks that an audit must catch.

For every mechanism there are two neighbouring data sets, and the mechanism itself publishes. How much of its distance
these data reach is told beside every audit: too little noise by a factor f is seen as that factor times this share.
`noise` draws the sampler at two points that are just the distance apart, so that the noise itself is audited; that
points are no further apart is proved for every release and not audited.

Each leak is a mistake that was made, or is easy to make: everything is as in a valid guarantee but for one thing.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np

from muso_theory import evaluation
from muso_theory.evaluation import Guarantee, GuaranteeAudit, Objective, Public, audit_guarantee, guarantee
from muso_theory.evaluation.public import rate
from muso_theory.evaluation.release import rounded_normal
from muso_theory.evaluation.removal import descent, newton_noise, newton_removal, noisy_descent
from muso_theory.numbers import Quantity

__all__ = ["DELTA", "DRAWS", "LEAKS", "SLOW", "VALID", "noise", "shown"]

Array = np.ndarray[Any, Any]
Publish = Callable[[int], Array]
Found = tuple[GuaranteeAudit, float]
"""An audit, and the share of the largest distance that its data reach."""

Audit = Callable[[float, int], Found]
DELTA = 1e-5
_ROUNDING = 1e-9

DRAWS = {0.1: 320_000, 0.3: 44_000, 1.0: 5_000, 3.0: 1_000, 10.0: 400}
"""With so many an audit at the full distance finds half the noise."""


def shown(found: Found) -> dict[str, Any]:
    """What an audit found and what it could have found, as plain numbers."""
    audit, share = found
    return {
        "ε at least": audit.epsilon,
        "ε of a Gaussian at least": audit.epsilon_of_ratio,
        "Δ/σ at least": audit.ratio,
        "Δ/σ promised": audit.promise.ratio,
        "ε promised": audit.promise.epsilon,
        "largest ε": audit.largest[0],
        "largest Δ/σ": audit.largest[1],
        "share of Δ": share,
        # None where the data do not differ at all, so that no noise is too little for them.
        "detects": audit.detects / share if share else None,
        "draws": audit.draws,
        "level": audit.level,
        "violated": audit.violated,
    }


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


def _many(promise: Guarantee, w: Array, objective: Objective, forget: object, draws: int) -> Publish:
    """Draws of ``release``, which proves the point anew each time; here once, and then all are drawn at once."""
    if not np.array_equal(promise.release(w, objective, forget, 0), rounded_normal(w, promise.sigma, 0)):
        raise AssertionError("a release is the rounded normal")
    rows = np.tile(w, (draws, promise.releases))
    return lambda seed: rounded_normal(rows, promise.sigma, seed)


def _between(
    promise: Guarantee, points: tuple[Array, Array], publish: tuple[Publish, Publish], draws: int
) -> Found:
    share = float(np.linalg.norm(points[0] - points[1])) / promise.sensitivity
    return audit_guarantee(promise, *publish, draws=draws, batch=draws), share


def _output(worlds: tuple[Objective, Objective], epsilon: float, draws: int, releases: int = 1) -> Found:
    """Output noise, published so many times with fresh noise."""
    promise = guarantee("output-noise", epsilon, DELTA, public=_declared(worlds[0]), releases=releases)
    first, second = (world.minimiser() for world in worlds)
    publish = (_many(promise, first, worlds[0], (), draws), _many(promise, second, worlds[1], (), draws))
    return _between(promise, (first, second), publish, draws)


def _requests(epsilon: float, draws: int) -> Found:
    """Four requests of one sample while nothing is done: one release hides all four."""
    whole = Objective(np.ones((5, 1)) * np.array([[1.0]] * 4 + [[0.0]]), np.ones(5), "squared", 1e6)
    worlds = whole, whole.on(np.array([4]))
    promise = guarantee("output-noise", epsilon, DELTA, public=_declared(whole), requests=4)
    first, second = (world.minimiser() for world in worlds)
    publish = (
        _many(promise, first, whole, np.arange(4), draws),
        _many(promise, second, worlds[1], (), draws),
    )
    return _between(promise, (first, second), publish, draws)


def _removal(name: str, loss: str, epsilon: float, draws: int, **more: Any) -> Found:
    """What is published after removal, against retraining that is published likewise."""
    whole, kept = _lone(loss)
    public = _declared(whole, **more)
    promise = guarantee(name, epsilon, DELTA, public=public)
    w_p, w_r = whole.minimiser(), kept.minimiser()
    if name == "newton-step":
        w, _ = newton_removal(whole, w_p, np.array([0]))
    else:
        w = descent(kept, w_p, int(public.steps or 0), rate(public))
    publish = (_many(promise, w, whole, [0], draws), _many(promise, w_r, kept, (), draws))
    return _between(promise, (w, w_r), publish, draws)


def _clipped_descent(epsilon: float, draws: int) -> Found:
    """Every clipped gradient of the sample has norm C, and steps are short, so that they add up."""
    worlds = _lone("logistic", ridge=0.01)
    public = _declared(worlds[0], samples=1000, steps=4, clip=0.25)
    promise = guarantee("noisy-descent", epsilon, DELTA, public=public)
    publish = (lambda s, world=world: noisy_descent(promise, world, s) for world in worlds)
    return audit_guarantee(promise, *publish, draws=draws), 1.0


def _nothing(epsilon: float, draws: int) -> Found:
    """The pretrained model under the noise that its proved gap asks for."""
    whole, kept = _lone("logistic")
    w_p, w_r = whole.minimiser(), kept.minimiser()
    promise = guarantee("proved-gap", epsilon, DELTA, gap=kept.gap_bound(w_p))
    publish = (_many(promise, w_p, whole, [0], draws), _many(promise, w_r, kept, (), draws))
    return _between(promise, (w_p, w_r), publish, draws)


def _certificate(epsilon: float, draws: int) -> Found:
    """A certificate for parameters at just the distance that it bounds."""
    gap, w_r = 1e-6, np.array([1.0, 2.0])
    w = w_r + np.array([gap, 0.0])
    certificate = evaluation.removal_certificate(Quantity.enclosure(0.0, gap * (1 + 1e-9)), w, epsilon, DELTA)
    if not np.array_equal(certificate.release(w, 0), rounded_normal(w, certificate.sigma, 0)):
        raise AssertionError("a release is the rounded normal")
    many = [np.tile(point, (draws, 1)) for point in (w, w_r)]
    publish = tuple((lambda s, rows=rows: rounded_normal(rows, certificate.sigma, s)) for rows in many)
    return _between(certificate.guarantee, (w, w_r), (publish[0], publish[1]), draws)


def noise(promise: Guarantee, draws: int, factor: float = 1.0) -> Found:
    """Two points at just the distance Δ under the noise of a guarantee, divided by a factor that plants a mistake.

    For several steps of training this is the one step that they compose to.
    """
    points = np.array([promise.distance]), np.zeros(1)
    sigma = promise.sigma / factor
    publish = tuple((lambda s, at=at: rounded_normal(np.tile(at, (draws, 1)), sigma, s)) for at in points)
    return _between(
        replace(promise, sensitivity=promise.distance, releases=1), points, (publish[0], publish[1]), draws
    )


def _at_distance(epsilon: float) -> Guarantee:
    return guarantee("proved-gap", epsilon, DELTA, gap=Quantity.exact(1))


def _spread(epsilon: float, draws: int, private: bool) -> Found:
    """Descent on eight samples and on one, in 24 parameters: a step made from their number shows in the spread."""
    whole = Objective(np.zeros((8, 24)), np.ones(8), "logistic", 0.5)
    worlds = whole, whole.on(np.array([0]))
    public = _declared(whole, forget=7, steps=1, clip=1.0)
    promise = guarantee("noisy-descent", epsilon, DELTA, public=public)

    def publish(world: Objective) -> Publish:
        n = len(world.features)
        used = replace(public, samples=n, forget=min(7, n)) if private else public
        # σ does not see the number of samples; the step does.
        own = guarantee("noisy-descent", epsilon, DELTA, public=used, sigma=promise.sigma)
        return lambda seed: noisy_descent(own, world, seed)

    return audit_guarantee(promise, *(publish(world) for world in worlds), draws=draws), 0.0


def _longest(epsilon: float, draws: int, private: bool) -> Found:
    """A forget sample that is the longest row: noise that is made from the longest row tells whether it is there."""
    rows = np.vstack([0.5 * np.eye(1, 24), np.eye(1, 24)])
    whole = Objective(rows, np.ones(2), "squared", 1.0)
    worlds = whole, whole.on(np.array([0]))
    promise = guarantee("output-noise", epsilon, DELTA, public=_declared(whole))
    points = tuple(world.minimiser() for world in worlds)

    def publish(world: Objective, w: Array) -> Publish:
        longest = float(np.linalg.norm(world.features, axis=1).max())
        used = _declared(whole, feature_norm=longest) if private else _declared(whole)
        return _many(guarantee("output-noise", epsilon, DELTA, public=used), w, world, (), draws)

    drawn = tuple(publish(world, w) for world, w in zip(worlds, points, strict=True))
    return _between(promise, (points[0], points[1]), (drawn[0], drawn[1]), draws)


def _drawn(epsilon: float, draws: int, first: Callable[..., Array], second: Callable[..., Array]) -> Found:
    """Two ways to publish a point at distance 1 and a zero, each a function of normals z, uniforms u and σ."""
    promise = _at_distance(epsilon)

    def publish(draw: Callable[..., Array]) -> Publish:
        def rows(seed: int) -> Array:
            rng = np.random.default_rng(seed)
            return draw(rng.standard_normal((draws, 1)), rng.random((draws, 1)), promise.sigma)

        return rows

    return audit_guarantee(promise, publish(first), publish(second), draws=draws, batch=draws), 1.0


def _rounded_tilt(epsilon: float, draws: int, spacing: float) -> Found:
    """Minimisers of F + bᵀw that are rounded to a grid: the gradient residual depends on the tilt b."""
    sigma = newton_noise(0.5, epsilon, DELTA)
    return _drawn(
        epsilon, draws, lambda z, u, s: spacing * np.round(-sigma * z / spacing), lambda z, u, s: -sigma * z
    )


def _secret(epsilon: float, draws: int) -> Found:
    """A secret that is now and then published as it is; ε = 10 itself allows rare events that only one side shows."""
    often = 0.01 if epsilon <= 1 else 0.25
    return _drawn(
        epsilon,
        draws,
        lambda z, u, s: np.where(u < often, 1e9, np.round(s * z, 6)),
        lambda z, u, s: np.round(s * z, 6),
    )


VALID: dict[str, Audit] = {
    "noise at distance Δ": lambda epsilon, draws: noise(_at_distance(epsilon), draws),
    "output noise, squared loss": lambda epsilon, draws: _output(_lone("squared"), epsilon, draws),
    "output noise, logistic loss": lambda epsilon, draws: _output(_lone("logistic"), epsilon, draws),
    "output noise, four releases": lambda epsilon, draws: _output(_lone("squared"), epsilon, draws, 4),
    "output noise, four requests": _requests,
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

SLOW = {
    "noisy descent": 4000,
    "noisy descent, public step": 1000,
    "step from the number of samples": 1000,
    "output noise, public norm": 1000,
    "sensitivity from the longest row": 1000,
}
"""Audits that take long for every draw, and how many they get at most."""

LEAKS: dict[str, Audit] = {
    "half the noise": lambda epsilon, draws: noise(_at_distance(epsilon), draws, 2.0),
    "step from the number of samples": lambda epsilon, draws: _spread(epsilon, draws, True),
    "sensitivity from the longest row": lambda epsilon, draws: _longest(epsilon, draws, True),
    "residual that depends on the tilt": lambda epsilon, draws: _rounded_tilt(epsilon, draws, 0.3),
    "a secret, rarely": _secret,
    "noise of 24 bits": lambda epsilon, draws: _drawn(
        epsilon, draws, lambda z, u, s: (s * z).astype(np.float32).astype(np.float64), lambda z, u, s: s * z
    ),
    "noise of 53 bits, no grid": lambda epsilon, draws: _drawn(
        epsilon, draws, lambda z, u, s: 1 + s * z, lambda z, u, s: s * z
    ),
}
"""Mistakes that must be caught."""
