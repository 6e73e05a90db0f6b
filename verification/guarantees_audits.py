"""Data on which guarantees are audited, and leaks that an audit must catch.

For every mechanism there are two neighbouring data sets, and the mechanism itself publishes. How much of its distance
these data reach is told beside every audit: too little noise by a factor f is seen as that factor times this share.
`noise` draws the sampler at two points that are just the distance apart, so that the noise itself is audited; that
points are no further apart is proved for every release and not audited. Newton steps end far nearer to retraining than
their bound allows, so that they are audited at the furthest point that a release accepts, too.

Each leak is a mistake that was made, or is easy to make: everything is as in a valid guarantee but for one thing.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any, NamedTuple

import numpy as np

from muso_theory import evaluation
from muso_theory.arrays import Array
from muso_theory.evaluation import Guarantee, GuaranteeAudit, Objective, Public, audit_guarantee, guarantee
from muso_theory.evaluation.public import rate
from muso_theory.evaluation.release import rounded_normal
from muso_theory.evaluation.removal import descent, newton_noise, newton_removal, noisy_descent
from muso_theory.numbers import Quantity

__all__ = ["DELTA", "DRAWS", "LEAKS", "SLOW", "VALID", "Setting", "audited", "noise", "shown"]

PublishSide = Callable[[int, int], Array]
"""A seed and a number of draws → so many draws, one a row."""

DELTA = 1e-5
_ROUNDING = 1e-9

DRAWS = {0.1: 320_000, 0.3: 44_000, 1.0: 5_000, 3.0: 1_000, 10.0: 400}
"""With so many an audit at the full distance finds half the noise."""


class Setting(NamedTuple):
    """What is audited.

    Args:
        promise: the guarantee.
        publish: draws on two neighbouring data sets.
        share: of the largest distance, that these data reach.
        numbers: how many are published.
    """

    promise: Guarantee
    publish: tuple[PublishSide, PublishSide]
    share: float
    numbers: int = 1


def audited(setting: Setting, draws: int, seed: int = 0) -> GuaranteeAudit:
    """Audit a setting; every seed has draws of its own."""
    first, second = setting.publish
    return audit_guarantee(
        setting.promise,
        lambda s: first(s, draws),
        lambda s: second(s, draws),
        draws=draws,
        batch=draws,
        seed=seed,
    )


def shown(setting: Setting, audit: GuaranteeAudit) -> dict[str, Any]:
    """What an audit found and what it could have found, as plain numbers."""
    share = setting.share
    return {
        "ε at least": audit.epsilon,
        "ε of a Gaussian at least": audit.epsilon_of_ratio,
        "Δ/σ at least": audit.ratio,
        "Δ/σ promised": audit.promise.ratio,
        "ε promised": audit.promise.epsilon,
        "largest ε": audit.largest[0],
        "largest Δ/σ": audit.largest[1],
        "share of Δ": share,
        "numbers": setting.numbers,
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


def _many(promise: Guarantee, w: Array, objective: Objective, forget: object) -> PublishSide:
    """Draws of ``release``; all releases of a guarantee are one draw."""

    def publish(seed: int, draws: int) -> Array:
        rows = promise.release(w, objective, forget, seed, draws=draws * promise.releases)
        return rows.reshape(draws, -1)

    return publish


def _between(
    promise: Guarantee, points: tuple[Array, Array], publish: tuple[PublishSide, PublishSide]
) -> Setting:
    share = float(np.linalg.norm(points[0] - points[1])) / promise.sensitivity
    return Setting(promise, publish, share, len(points[0]) * promise.releases)


def _output(worlds: tuple[Objective, Objective], epsilon: float, releases: int = 1) -> Setting:
    """Output noise, published so many times with fresh noise."""
    promise = guarantee("output-noise", epsilon, DELTA, public=_declared(worlds[0]), releases=releases)
    first, second = (world.minimiser() for world in worlds)
    publish = (_many(promise, first, worlds[0], ()), _many(promise, second, worlds[1], ()))
    return _between(promise, (first, second), publish)


def _requests(epsilon: float) -> Setting:
    """Four requests of one sample while nothing is done: one release hides all four."""
    whole = Objective(np.ones((5, 1)) * np.array([[1.0]] * 4 + [[0.0]]), np.ones(5), "squared", 1e6)
    worlds = whole, whole.on(np.array([4]))
    promise = guarantee("output-noise", epsilon, DELTA, public=_declared(whole), requests=4)
    first, second = (world.minimiser() for world in worlds)
    publish = (_many(promise, first, whole, np.arange(4)), _many(promise, second, worlds[1], ()))
    return _between(promise, (first, second), publish)


def _common() -> tuple[Objective, Objective]:
    """Five samples along one line, of which one leaves: there the Newton step misses by as much as was found."""
    whole = Objective(np.array([[1.0], *[[0.998]] * 4]), np.array([-1.0, *[0.88] * 4]), "logistic", 3.03)
    return whole, whole.on(np.arange(1, 5))


def _furthest(loss: str, epsilon: float) -> Setting:
    """A Newton step that misses the retrained point by just what its guarantee allows, and is released."""
    whole, kept = _lone(loss)
    promise = guarantee("newton-step", epsilon, DELTA, public=_declared(whole))
    w_r = kept.minimiser()
    w = w_r + (1 - 1e-6) * promise.sensitivity
    return _between(promise, (w, w_r), (_many(promise, w, whole, [0]), _many(promise, w_r, kept, ())))


def _removal(name: str, worlds: tuple[Objective, Objective], epsilon: float, **more: Any) -> Setting:
    """What is published after removal, against retraining that is published likewise."""
    whole, kept = worlds
    public = _declared(whole, **more)
    promise = guarantee(name, epsilon, DELTA, public=public)
    w_p, w_r = whole.minimiser(), kept.minimiser()
    if name == "newton-step":
        w, _ = newton_removal(whole, w_p, np.array([0]))
    else:
        w = descent(kept, w_p, int(public.steps or 0), rate(public))
    return _between(promise, (w, w_r), (_many(promise, w, whole, [0]), _many(promise, w_r, kept, ())))


def _trained(promise: Guarantee, world: Objective) -> PublishSide:
    """Draws of noisy descent, a training each."""

    def publish(seed: int, draws: int) -> Array:
        return np.stack([noisy_descent(promise, world, (seed << 20) + i) for i in range(draws)])

    return publish


def _clipped_descent(epsilon: float) -> Setting:
    """Every clipped gradient of the sample has norm C, and steps are short, so that they add up."""
    worlds = _lone("logistic", ridge=0.01)
    public = _declared(worlds[0], samples=1000, steps=4, clip=0.25)
    promise = guarantee("noisy-descent", epsilon, DELTA, public=public)
    return Setting(promise, (_trained(promise, worlds[0]), _trained(promise, worlds[1])), 1.0)


def _nothing(epsilon: float) -> Setting:
    """The pretrained model under the noise that its proved gap asks for."""
    whole, kept = _lone("logistic")
    w_p, w_r = whole.minimiser(), kept.minimiser()
    promise = guarantee("proved-gap", epsilon, DELTA, gap=kept.gap_bound(w_p))
    return _between(promise, (w_p, w_r), (_many(promise, w_p, whole, [0]), _many(promise, w_r, kept, ())))


def _certificate(epsilon: float) -> Setting:
    """A certificate for parameters at just the distance that it bounds."""
    gap, w_r = 1e-6, np.array([1.0, 2.0])
    w = w_r + np.array([gap, 0.0])
    certificate = evaluation.removal_certificate(Quantity.enclosure(0.0, gap * (1 + 1e-9)), w, epsilon, DELTA)
    if not np.array_equal(certificate.release(w, 0), rounded_normal(w, certificate.sigma, 0)):
        raise AssertionError("a release is the rounded normal")
    return _between(certificate.guarantee, (w, w_r), (_at(w, certificate.sigma), _at(w_r, certificate.sigma)))


def _at(w: Array, sigma: float) -> PublishSide:
    """Draws of the sampler itself."""
    return lambda seed, draws: rounded_normal(np.tile(w, (draws, 1)), sigma, seed)


def noise(promise: Guarantee, factor: float = 1.0) -> Setting:
    """Two points at just the distance Δ under the noise of a guarantee, divided by a factor that plants a mistake.

    For several steps of training this is the one step that they compose to.
    """
    points = np.array([promise.distance]), np.zeros(1)
    sigma = promise.sigma / factor
    one = replace(promise, sensitivity=promise.distance, releases=1)
    return _between(one, points, (_at(points[0], sigma), _at(points[1], sigma)))


def _at_distance(epsilon: float) -> Guarantee:
    return guarantee("proved-gap", epsilon, DELTA, gap=Quantity.exact(1))


def _spread(epsilon: float, private: bool) -> Setting:
    """Descent on eight samples and on one, in 24 parameters: a step made from their number shows in the spread.

    The seven that leave have gradients of norm C in the first step, so that the data reach the whole distance.
    """
    rows = np.eye(1, 24) * np.array([[0.0]] + [[1.0]] * 7)
    whole = Objective(rows, np.ones(8), "logistic", 0.5)
    worlds = whole, whole.on(np.array([0]))
    public = _declared(whole, forget=7, steps=1, clip=0.5)
    promise = guarantee("noisy-descent", epsilon, DELTA, public=public)

    def publish(world: Objective) -> PublishSide:
        n = len(world.features)
        used = replace(public, samples=n, forget=min(7, n)) if private else public
        # σ does not see the number of samples; the step does.
        own = guarantee("noisy-descent", epsilon, DELTA, public=used, sigma=promise.sigma)
        return _trained(own, world)

    return Setting(promise, (publish(worlds[0]), publish(worlds[1])), 1.0, 24)


def _longest(epsilon: float, private: bool) -> Setting:
    """A forget sample that is the longest row: noise that is made from the longest row tells whether it is there."""
    rows = np.vstack([0.5 * np.eye(1, 24), np.eye(1, 24)])
    whole = Objective(rows, np.ones(2), "squared", 1.0)
    worlds = whole, whole.on(np.array([0]))
    promise = guarantee("output-noise", epsilon, DELTA, public=_declared(whole))
    points = tuple(world.minimiser() for world in worlds)

    def publish(world: Objective, w: Array) -> PublishSide:
        longest = float(np.linalg.norm(world.features, axis=1).max())
        used = _declared(whole, feature_norm=longest) if private else _declared(whole)
        return _many(guarantee("output-noise", epsilon, DELTA, public=used), w, world, ())

    drawn = tuple(publish(world, w) for world, w in zip(worlds, points, strict=True))
    return _between(promise, (points[0], points[1]), (drawn[0], drawn[1]))


def _drawn(epsilon: float, first: Callable[..., Array], second: Callable[..., Array]) -> Setting:
    """Two ways to publish a point at distance 1 and a zero, each a function of normals z, uniforms u and σ."""
    promise = _at_distance(epsilon)

    def publish(draw: Callable[..., Array]) -> PublishSide:
        def rows(seed: int, draws: int) -> Array:
            rng = np.random.default_rng(seed)
            return draw(rng.standard_normal((draws, 1)), rng.random((draws, 1)), promise.sigma)

        return rows

    return Setting(promise, (publish(first), publish(second)), 1.0)


def _rounded_tilt(epsilon: float, spacing: float) -> Setting:
    """Minimisers of F + bᵀw that are rounded to a grid: the gradient residual depends on the tilt b."""
    sigma = newton_noise(0.5, epsilon, DELTA)
    return _drawn(
        epsilon, lambda z, u, s: spacing * np.round(-sigma * z / spacing), lambda z, u, s: -sigma * z
    )


def _secret(epsilon: float) -> Setting:
    """A secret that is now and then published as it is.

    At ε = 10 one in a hundred outputs would break the guarantee too, but 20,000 draws cannot tell: the other side would
    have to be shown to give the secret with a probability below 7·10⁻⁶. So there it is one in four.
    """
    often = 0.01 if epsilon <= 1 else 0.25
    return _drawn(
        epsilon,
        lambda z, u, s: np.where(u < often, 1e9, np.round(s * z, 6)),
        lambda z, u, s: np.round(s * z, 6),
    )


VALID: dict[str, Callable[[float], Setting]] = {
    "noise at distance Δ": lambda epsilon: noise(_at_distance(epsilon)),
    "output noise, squared loss": lambda epsilon: _output(_lone("squared"), epsilon),
    "output noise, logistic loss": lambda epsilon: _output(_lone("logistic"), epsilon),
    "output noise, four releases": lambda epsilon: _output(_lone("squared"), epsilon, 4),
    "output noise, four requests": _requests,
    "Newton step, squared loss, furthest point": lambda epsilon: _furthest("squared", epsilon),
    "Newton step, logistic loss, furthest point": lambda epsilon: _furthest("logistic", epsilon),
    "Newton step, logistic loss": lambda epsilon: _removal("newton-step", _common(), epsilon),
    "descent-to-delete": lambda epsilon: _removal("descent-to-delete", _lone("squared"), epsilon, steps=3),
    "noisy descent": _clipped_descent,
    "noisy descent, public step": lambda epsilon: _spread(epsilon, False),
    "output noise, public norm": lambda epsilon: _longest(epsilon, False),
    "proved gap of doing nothing": _nothing,
    "certificate": _certificate,
}
"""Guarantees that must stand, for an ε."""

SLOW = {
    "noisy descent": 4000,
    "noisy descent, public step": 1000,
    "step from the number of samples": 1000,
    "output noise, public norm": 1000,
    "sensitivity from the longest row": 1000,
}
"""Audits that take long for every draw, and how many they get at most."""

LEAKS: dict[str, Callable[[float], Setting]] = {
    "half the noise": lambda epsilon: noise(_at_distance(epsilon), 2.0),
    "step from the number of samples": lambda epsilon: _spread(epsilon, True),
    "sensitivity from the longest row": lambda epsilon: _longest(epsilon, True),
    "residual that depends on the tilt": lambda epsilon: _rounded_tilt(epsilon, 0.3),
    "a secret in one of 100 outputs, of 4 at ε = 10": _secret,
    "noise of 24 bits": lambda epsilon: _drawn(
        epsilon, lambda z, u, s: (s * z).astype(np.float32).astype(np.float64), lambda z, u, s: s * z
    ),
    "noise of 53 bits, no grid": lambda epsilon: _drawn(
        epsilon, lambda z, u, s: 1 + s * z, lambda z, u, s: s * z
    ),
}
"""Mistakes that must be caught."""
