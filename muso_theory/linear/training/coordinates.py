"""Coordinates in which a method runs: w itself, or coefficients of the feature rows."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import final

import numpy as np

from ...arrays import Array, row_blocks
from ...descent.passes import Batch
from ...descent.updates import State
from ...former import former

__all__ = ["Coordinates", "Dual", "Primal", "image_of", "transposed_image"]
former(__name__)


def image_of(features: Array, w: Array) -> Array:
    """Φw in float64, a block of rows at a time.

    Args:
        features: Φ, shape (n, D), any real dtype.
        w: shape (D, C).

    Returns:
        Shape (n, C).
    """
    out = np.empty((features.shape[0], w.shape[1]))
    for block in row_blocks(features):
        out[block] = np.asarray(features[block], dtype=np.float64) @ w
    return out


def transposed_image(features: Array, a: Array) -> Array:
    """Φᵀa in float64, a block of rows at a time.

    Args:
        features: Φ, shape (n, D), any real dtype.
        a: shape (n, C).

    Returns:
        Shape (D, C).
    """
    out = np.zeros((features.shape[1], a.shape[1]))
    for block in row_blocks(features):
        out += np.asarray(features[block], dtype=np.float64).T @ a[block]
    return out


class Coordinates(ABC):
    """Where a method's iterates live."""

    form: str
    """Its name."""

    @abstractmethod
    def origin(self) -> State:
        """Coordinates of the start."""

    @abstractmethod
    def outputs(self, state: State, rows: Batch) -> Array:
        """Φ_rows w."""

    @abstractmethod
    def gradient(self, state: State, rows: Batch, derivative: Array, decay: float) -> State:
        """Coordinates of Φ_rowsᵀ derivative + decay · (w − anchor)."""

    @abstractmethod
    def explicit(self, state: State) -> Array:
        """The parameters w, shape (D, C)."""


@final
class Primal(Coordinates):
    """The parameters themselves; the slow twin of ``Dual``, and the only home of adaptive methods.

    Args:
        features: Φ, shape (n, D), float64.
        start: shape (D, C).
        anchor: where weight decay pulls to, shape (D, C).
    """

    form = "primal"

    def __init__(self, features: Array, start: Array, anchor: Array) -> None:
        self.features, self.start, self.anchor = features, start, anchor

    def origin(self) -> State:
        """The start."""
        return [self.start.copy()]

    def outputs(self, state: State, rows: Batch) -> Array:
        """Φ_rows w."""
        return np.asarray(self.features[rows] @ state[0])

    def gradient(self, state: State, rows: Batch, derivative: Array, decay: float) -> State:
        """Φ_rowsᵀ derivative + decay · (w − anchor)."""
        slope = self.features[rows].T @ derivative
        return [slope + decay * (state[0] - self.anchor) if decay else slope]

    def explicit(self, state: State) -> Array:
        """The parameters, a copy."""
        return state[0].copy()


@final
class Dual(Coordinates):
    """[a, s] with w = anchor + s(start − anchor) + Φᵀa: every method whose steps are combinations of gradients.

    A gradient is a combination of feature rows, and decay pulls straight to the anchor: so (n, C) coefficients and one
    number follow all iterates, whatever D (as in the representer theorem, Kimeldorf, Wahba 1971).

    Args:
        features: Φ, shape (n, D).
        gram: K, shape (n, n).
        start: shape (D, C).
        anchor: shape (D, C).
    """

    form = "dual"

    def __init__(self, features: Array, gram: Array, start: Array, anchor: Array) -> None:
        self.features, self.gram, self.anchor = features, gram, anchor
        self.away = start - anchor
        self.at_anchor = image_of(features, anchor)
        self.at_away = image_of(features, self.away) if self.away.any() else np.zeros_like(self.at_anchor)

    def origin(self) -> State:
        """A = 0, s = 1."""
        return [np.zeros_like(self.at_anchor), np.ones(1)]

    def outputs(self, state: State, rows: Batch) -> Array:
        """Φ_rows w = Φ_rows anchor + s Φ_rows(start − anchor) + K_rows a."""
        a, s = state
        return np.asarray(self.at_anchor[rows] + s * self.at_away[rows] + self.gram[rows] @ a)

    def gradient(self, state: State, rows: Batch, derivative: Array, decay: float) -> State:
        """Derivative + decay · a on the rows, and decay · s."""
        a, s = state
        slope = decay * a
        if isinstance(rows, slice):
            slope[rows] += derivative
        else:
            np.add.at(slope, rows, derivative)
        return [slope, decay * s]

    def explicit(self, state: State) -> Array:
        """The parameters, shape (D, C)."""
        a, s = state
        return np.asarray(self.anchor + s * self.away + transposed_image(self.features, a))
