"""Cotangents of all outputs at once, kept in factors for as long as the structure lasts."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import final

import numpy as np

from ..arrays import Array

__all__ = ["Cotangent"]


@final
@dataclass(frozen=True, eq=False)
class Cotangent:
    """The derivative of every output with respect to some layer's output, for a batch of n samples.

    Entry (i, c, …) is ``left[i, …] * right[i if per_sample else 0, c, …]``. Below a linear head the derivative is the
    same for every sample (right has one row, left is None); an activation multiplies it by a slope that
    depends on the sample but not on the output (left); global average pooling makes it constant over
    positions (right has spatial axes of length 1). Only a layer that mixes coordinates after a slope
    forces the full (n, n_out, …) array, and then right is that array and left is None.

    Args:
        right: (n if per_sample else 1, n_out, …); spatial axes may have length 1.
        shape: shape of one sample's layer output.
        left: (n, …) or None for ones.
        per_sample: whether ``right`` has a row a sample; a batch of one sample cannot tell by its shape.
        owned: whether nobody else holds ``right``, so that it may be overwritten.

    Example:
        >>> head = Cotangent.identity((2,), np.dtype(float))
        >>> head.scale(np.array([[1.0, 3.0]])).expand(1)
        array([[[1., 0.],
                [0., 3.]]])
    """

    right: Array
    shape: tuple[int, ...]
    left: Array | None = None
    per_sample: bool = False
    owned: bool = False

    @classmethod
    def identity(cls, shape: tuple[int, ...], dtype: np.dtype[np.generic]) -> Cotangent:
        """The cotangent at the network's own output: one unit vector an output, shared by all samples.

        Returns:
            A shared cotangent with right = I.
        """
        size = int(np.prod(shape))
        return cls(np.eye(size, dtype=dtype).reshape(1, size, *shape), shape)

    @property
    def n_out(self) -> int:
        """Number of network outputs."""
        return int(self.right.shape[1])

    @property
    def shared(self) -> bool:
        """Whether every sample has the same cotangent."""
        return self.left is None and not self.per_sample

    @property
    def uniform(self) -> bool:
        """Whether the factor that depends on the output is constant over positions and shared by samples."""
        return not self.per_sample and len(self.shape) == 3 and self.right.shape[2:4] == (1, 1)

    def scale(self, slope: Array) -> Cotangent:
        """Multiply by a slope (n, …) that depends on the sample alone.

        Returns:
            The product, in factors unless both factors would depend on the sample and the position.
        """
        if not self.per_sample or self.right.shape[2:] != self.shape:
            left = slope if self.left is None else self.left * slope
            return Cotangent(self.right, self.shape, left, self.per_sample)
        values = self.expand(len(slope))
        overwrite = self.owned and self.left is None and values.dtype == np.result_type(values, slope)
        product = np.multiply(values, slope[:, None], out=values if overwrite else None)
        return Cotangent(product, self.shape, per_sample=True, owned=True)

    def linear(self, transpose: Callable[[Array], Array], shape: tuple[int, ...], n: int) -> Cotangent:
        """Pull back through a linear map that is the same for every sample.

        Args:
            transpose: maps (m, n_out, *output shape) to (m, n_out, *input shape).
            shape: the input shape.
            n: number of samples.

        Returns:
            The pulled-back cotangent; shared if this one is.
        """
        # A shared cotangent stays so, at the price of one sample: the map does not depend on the sample either.
        values = np.broadcast_to(self.right, (1, self.n_out, *self.shape)) if self.shared else self.expand(n)
        return Cotangent(transpose(values), shape, per_sample=not self.shared, owned=not self.shared)

    def lent(self) -> Cotangent:
        """The same cotangent for two readers: nobody may overwrite it.

        Returns:
            A view that is not owned.
        """
        return Cotangent(self.right, self.shape, self.left, self.per_sample)

    def reshape(self, shape: tuple[int, ...]) -> Cotangent:
        """View the same numbers in another layer shape (row-major).

        Returns:
            The reshaped cotangent, in factors.
        """
        full = (self.right.shape[0], self.n_out, *self.shape)
        right = np.broadcast_to(self.right, full).reshape(self.right.shape[0], self.n_out, *shape)
        left = None if self.left is None else self.left.reshape(-1, *shape)
        return Cotangent(right, shape, left, self.per_sample)

    def expand(self, n: int) -> Array:
        """Multiply the factors out.

        Returns:
            The full array (n, n_out, …).
        """
        if self.left is None:
            if self.right.shape == (n, self.n_out, *self.shape):
                return self.right
            return np.broadcast_to(self.right, (n, self.n_out, *self.shape))
        return np.asarray(self.left[:, None] * self.right)

    def add(self, other: Cotangent, n: int) -> Cotangent:
        """Sum of two cotangents at the same place: what a residual sum pulls back.

        Returns:
            The sum, shared if both are.
        """
        if self.shared and other.shared:
            return Cotangent(self.right + other.right, self.shape)
        return Cotangent(self.expand(n) + other.expand(n), self.shape, per_sample=True)
