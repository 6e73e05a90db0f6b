"""Rectifiers at 0: where a network has a derivative all the same, and where it surely has none.

Let D be the rest of a network as a function of the outputs a of some rectifiers, c_u = ∂D/∂a_u. Where c_u = 0 and the
input of u is 0, a_u changes by no more than its input does, so it enters D to second order: the derivative exists,
whatever slope is taken at u. By induction from the last layer to the first that holds for all such u together.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import takewhile
from typing import final

import numpy as np

from ..arrays import Array
from ..numbers import UndecidedError
from .batch_norm import BatchNorm
from .composition import leaves
from .convolution import Conv2D
from .dense import Dense
from .layer import Layer
from .network import Sequential
from .normalisation import LayerNorm
from .radii import BallArray

__all__ = ["KINK_BITS", "Bend", "KinkError", "Kinks", "bends_at", "refuse"]

KINK_BITS = 1024
"""Precision at which an input near a kink is computed again."""


class KinkError(UndecidedError):
    """A rectifier's input is, or may be, exactly 0, where it has no derivative, and an output may depend on it.

    Args:
        places: in words: layer, sample and unit.
        state: what is known there, in words.
        proved: whether the network is proved to have no derivative.
        count: at how many inputs.
    """

    def __init__(self, places: str, state: str, proved: bool, count: int = 1) -> None:
        super().__init__(f"{places} {state}", "other parameters or inputs")
        self.proved = proved
        self.count = count


@final
@dataclass(frozen=True, eq=False)
class Kinks:
    """Inputs of one layer of rectifiers that are not known to be on one side of 0, for a chunk of samples.

    Args:
        name: of the rectifier.
        start: the first sample.
        open: which inputs they are, (n, …).
        zero: those of them that are 0.
    """

    name: str
    start: int
    open: Array
    zero: Array


@final
@dataclass(frozen=True)
class Bend:
    """One such input that an output may depend on.

    Args:
        sample: which sample.
        place: it, the unit and the layer in words.
        state: what is known there, in words.
        proved: whether there surely is no derivative.
    """

    sample: int
    place: str
    state: str
    proved: bool


def bends_at(
    net: Sequential, path: str, kinks: Kinks, cotangent: BallArray, known: Sequence[Bend]
) -> list[Bend]:
    """The kinks of one layer that some output may depend on, and those where it surely has no derivative.

    Move one bias b of the layer right before the rectifiers. Units that it does not move, and those above it, stay
    as they are; units below are of second order. What is left of the outputs that is not linear in db is
    |db|·Σ c_u over the units u that b moves, times half of what the two slopes of the rectifier differ by.

    Args:
        net: the network.
        path: the rectifiers' place.
        kinks: theirs.
        cotangent: c, (n, k, …).
        known: bends of the layers after this one; below one of them nothing is proved.

    Returns:
        The bends.
    """
    before = takewhile(lambda leaf: leaf[0] != path, leaves(net.layers))
    if not any(layer.param_shapes for _, layer in before):
        return []  # these inputs are data: no parameter moves them
    matters = kinks.open & cotangent.differs.any(axis=1)
    parent, _, index = path.rpartition(".")
    has_bias = _has_bias(dict(leaves(net.layers)).get(f"{parent}.{int(index) - 1}".removeprefix(".")))
    below = {bend.sample for bend in known}
    found = []
    for i in np.flatnonzero(matters.reshape(len(matters), -1).any(axis=1)).tolist():
        here, sample = matters[i], i + kinks.start
        positions = tuple(
            range(here.ndim - 1)
        )  # which a bias has in common: it belongs to an entry of the last axis
        c = BallArray(cotangent.mid[i], cotangent.rad[i]).only(here).summed(tuple(a + 1 for a in positions))
        is_bent = (np.abs(c.mid) > c.rad).any(axis=0) & ~(here & ~kinks.zero[i]).any(axis=positions)
        for unit in np.argwhere(here):
            proved = has_bias and sample not in below and bool(is_bent[unit[-1]])
            if not kinks.zero[(i, *unit)]:
                state = (
                    f"cannot be told from 0 with {KINK_BITS} bits, and a rectifier has no derivative there"
                )
            elif proved:
                state = "is 0, and a rectifier has no derivative there"
            else:
                state = "is 0, and whether an output depends on it is not settled"
            number = np.ravel_multi_index(tuple(unit), here.shape)
            place = f"the input of unit {number} of layer {path} ({kinks.name}) at sample {sample}"
            found.append(Bend(sample, place, state, proved))
    return found


def refuse(bends: Sequence[Bend]) -> None:
    """Raise for the bends that are proved, or else for those that may be.

    Args:
        bends: of all layers.

    Raises:
        KinkError: there are some.
    """
    worst = [bend for bend in bends if bend.proved] or bends
    if worst:
        more = f" (and {len(worst) - 1} more)" if len(worst) > 1 else ""
        raise KinkError(worst[0].place + more, worst[0].state, worst[0].proved, len(worst))


def _has_bias(layer: Layer | None) -> bool:
    """Whether a layer adds a bias that moves, one for each entry of the last axis."""
    if isinstance(layer, Conv2D) and not layer.bias:
        return False
    if isinstance(layer, (Dense, Conv2D)):
        return layer.param == "standard" or layer.b_std > 0
    return isinstance(layer, (BatchNorm, LayerNorm))
