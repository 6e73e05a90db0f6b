"""The mechanisms that guarantees for any data are made of: what each promises, needs, assumes and checks."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from fractions import Fraction
from typing import final

from ..errors import expected
from ..former import former
from ..numbers import Quantity
from .public import Public, descent_reach, global_sensitivity, newton_reach, radius

__all__ = ["MECHANISMS", "PUBLISHED_ONCE", "REFUSALS", "SAMPLER"]
former(__name__)

_DATA = ("samples", "forget", "loss", "ridge", "feature_norm", "target_bound", "rounding")
SAMPLER = "the bits of the sampler are independent fair coins"
REFUSALS = "that a release was refused is not told"
PUBLISHED_ONCE = "no more than m points are published, each with its own secret seed"


@final
@dataclass(frozen=True)
class _Mechanism:
    """How one kind of guarantee gets its distance.

    Args:
        promise: what cannot be told apart.
        source: where it is published.
        needs: the constants that have to be declared public.
        served: whether something is done at every request, after which a point is published; if not, one publication
            has to hide the samples of all requests together.
        distance: Δ of one publication, from the public constants and the number of requests.
        reach: how far the published point may be from the minimiser of the objective that is handed to ``release``,
            which is proved anew for every release; None where the mechanism adds its noise while it trains.
        norm: largest norm of what the noise is added to.
        made: the function that makes the point, in code.
        assumed: what is neither computed nor checked.
        checked: what is checked when it is used.
    """

    promise: str
    source: str
    needs: tuple[str, ...]
    served: bool
    distance: Callable[[Public, int], Fraction]
    reach: Callable[[Public, int], Fraction] | None
    norm: Callable[[Public, int], Fraction]
    made: str
    assumed: tuple[str, ...]
    checked: tuple[str, ...]


def _newton(public: Public, requests: int) -> Fraction:
    if requests > 1:
        hint = "one request, and retraining before the next"
        what = "one request: what a Newton step leaves enters the next one, which no bound here covers"
        raise expected(what, "requests", requests, "int", hint)
    return newton_reach(public) + public.number("rounding")


def _descent(public: Public, requests: int) -> Fraction:
    return descent_reach(public, requests) + public.number("rounding")


def _output(public: Public, requests: int) -> Fraction:
    # Strong convexity bounds how far k samples move a minimiser by a multiple of k, so that rk move it r times as far;
    # both published points are rounded, hence twice the rounding.
    return requests * global_sensitivity(public) + 2 * public.number("rounding")


def _clipped(public: Public, requests: int) -> Fraction:
    # In units of C: T normal releases at distance rk are as one at √T rk, also where each step sees those before it
    # (J. Dong, A. Roth, W. Su, "Gaussian differential privacy", arXiv 1905.02383, composition).
    square = (requests * public.number("forget")) ** 2 * public.number("steps")
    return Fraction(Quantity.exact(square).sqrt().bound)


_BOUNDED = "every data set is within the public constants"
_HELD = "the data at hand are within the public constants"
_LEFT = "no more than rk samples are handed in as left"
_ASSUMED = (_BOUNDED, SAMPLER, REFUSALS, PUBLISHED_ONCE)

MECHANISMS = {
    "output-noise": _Mechanism(
        "the model with the samples of all requests from the model without them, nothing being done at removal",
        "the sensitivity of Chaudhuri, Monteleoni, Sarwate 2011, arXiv 0912.0071, whose noise is not normal; normal "
        "noise as in Balle, Wang 2018, arXiv 1805.06530",
        _DATA,
        False,
        _output,
        lambda public, _: public.number("rounding"),
        lambda public, _: radius(public) + public.number("rounding"),
        "objective.minimiser()",
        _ASSUMED,
        (
            _HELD,
            _LEFT,
            "the computed point is proved within the public rounding of the minimiser",
        ),
    ),
    "newton-step": _Mechanism(
        "the Newton step from the retrained model published likewise",
        "the residual of Guo, Goldstein, Hannun, van der Maaten 2020, arXiv 1911.03030, and noise on the parameters",
        _DATA,
        True,
        _newton,
        _newton,
        lambda public, k: radius(public) + _newton(public, k),
        "newton_removal(objective, objective.minimiser(), forget)[0]",
        _ASSUMED,
        (
            _HELD,
            _LEFT,
            "the computed point is proved within Δ of the exact retrained one",
        ),
    ),
    "descent-to-delete": _Mechanism(
        "the descended model from the retrained model published likewise",
        "Neel, Roth, Sharifi-Malvajerdi 2021, arXiv 2007.02923",
        (*_DATA, "steps"),
        True,
        _descent,
        _descent,
        lambda public, k: radius(public) + _descent(public, k),
        "descent(objective.on(retain), objective.minimiser(), public.steps, rate(public))",
        (*_ASSUMED, "the point before noise stays secret between requests"),
        (
            _HELD,
            _LEFT,
            "the computed point is proved within Δ of the exact retrained one",
        ),
    ),
    "noisy-descent": _Mechanism(
        "training with the samples of all requests from training without them, nothing being done at removal",
        "gradient descent with clipped gradients and normal noise, Abadi et al. 2016, arXiv 1607.00133",
        ("samples", "forget", "loss", "ridge", "feature_norm", "steps", "clip"),
        False,
        _clipped,
        None,
        lambda public, _: public.number("samples"),
        "noisy_descent(promise, objective, seed)",
        (
            *_ASSUMED,
            "no more than rk samples leave",
            "the gradient of a sample depends on it and on w alone, to the last bit",
        ),
        (_HELD, "clipped gradients are summed as integers, so that one sample moves the sum by at most C"),
    ),
}
"""The guarantees for any data, by name."""
