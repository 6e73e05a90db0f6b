"""Sequences (length, features): embeddings of tokens, and places."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar, final

import numpy as np

from ..arguments import checked
from ..arrays import Array
from ..errors import check_integer, expected
from ..former import former
from .cotangents import Cotangent
from .layer import Layer, Params

__all__ = ["Embedding", "Position"]
former(__name__)


@final
@checked
@dataclass(frozen=True)
class Embedding(Layer):
    """Rows of a table: token t of a sequence (length,) becomes the features E[t], E (tokens, size).

    Tokens are whole numbers from 0, which may come as floats; derivatives are by the table alone, as a token does not
    move. Entries are N(0, 1) at initialisation. Refuses (BadInputError) other inputs.

    Args:
        tokens: how many there are.
        size: features of each.

    Example:
        >>> import numpy as np
        >>> Embedding(3, 1).forward([np.array([[5.0], [6.0], [7.0]])], np.array([[2, 0]]))[0].ravel()
        array([7., 5.])
    """

    tokens: int
    size: int
    kind: ClassVar[str] = "embedding"

    def __post_init__(self) -> None:
        check_integer("tokens", self.tokens, 1, hint="100")
        check_integer("size", self.size, 1, hint="32")

    def __str__(self) -> str:
        return f"embedding {self.tokens}→{self.size}"

    @property
    def param_shapes(self) -> tuple[tuple[int, ...], ...]:
        """The table."""
        return ((self.tokens, self.size),)

    def output_shape(self, shape: tuple[int, ...]) -> tuple[int, ...]:
        """(length, size) for (length,).

        Returns:
            The output shape.

        Raises:
            BadInputError: for other inputs.
        """
        if len(shape) != 1:
            hint = "an embedding as the first layer"
            raise expected("sequences of tokens (length,)", "shape", shape, "shape before it", hint)
        return (shape[0], self.size)

    def init(self, rng: np.random.Generator) -> list[Array]:
        """Draw the table.

        Returns:
            [E].
        """
        return [rng.standard_normal((self.tokens, self.size))]

    def reach(self, x: Array) -> Array:
        """Tokens do not move.

        Returns:
            Zeros.
        """
        return np.zeros(x.shape)

    def forward(self, p: Params, x: Array) -> tuple[Array, Any]:
        """Look the tokens up; the cache is the tokens as indices.

        Returns:
            Output and cache.

        Raises:
            BadInputError: for what is no token.
        """
        found = np.asarray(x, dtype=np.complex128 if x.dtype.kind == "c" else np.float64)
        index = found.real.astype(np.intp)
        wrong = (
            (index != found) | (index < 0) | (index >= self.tokens)
        )  # the complex step moves parameters, not tokens
        if wrong.any():
            hint = "integers as tokens, or an embedding of more"
            raise expected(f"tokens from 0 to {self.tokens - 1}", "X", found[wrong][0], "token", hint)
        return p[0][index], index

    def jvp(self, p: Params, cache: Any, dp: Params, dx: Array | None) -> Array | None:
        """Rows of the table's tangent.

        Returns:
            The tangent of the output.
        """
        return np.asarray(dp[0][cache])

    def pull(self, p: Params, cache: Any, cotangent: Cotangent) -> Cotangent:
        """Zero.

        Returns:
            The cotangent of the tokens.
        """
        shape = cache.shape[1:]
        return Cotangent(np.zeros((1, cotangent.n_out, *shape), cotangent.right.dtype), shape)

    def gradient(self, p: Params, cache: Any, dy: Array) -> list[Array]:
        """Cotangents summed by token.

        Returns:
            [dE].
        """
        table = np.zeros((self.tokens, self.size), dtype=dy.dtype)
        np.add.at(table, cache, dy)
        return [table]

    def rows(self, p: Params, cache: Any, dy: Array) -> list[Array]:
        """The same for every sample and output.

        Returns:
            An array (n, k, tokens, size).
        """
        n, k = dy.shape[:2]
        table = np.zeros((n, self.tokens, k, self.size), dtype=dy.dtype)
        np.add.at(table, (np.arange(n)[:, None], cache), dy.swapaxes(1, 2))
        return [table.swapaxes(1, 2)]


@final
@checked
@dataclass(frozen=True)
class Position(Layer):
    """y = x + P, learned features of the places of a sequence, P (length, size), N(0, 1)/√size at initialisation.

    Args:
        length: of the sequences.
        size: features.

    Example:
        >>> import numpy as np
        >>> Position(2, 1).forward([np.array([[1.0], [2.0]])], np.zeros((1, 2, 1)))[0].ravel()
        array([1., 2.])
    """

    length: int
    size: int
    fresh: ClassVar[bool] = True
    kind: ClassVar[str] = "position"

    def __post_init__(self) -> None:
        check_integer("length", self.length, 1, hint="16")
        check_integer("size", self.size, 1, hint="32")

    def __str__(self) -> str:
        return f"position {self.length}×{self.size}"

    @property
    def param_shapes(self) -> tuple[tuple[int, ...], ...]:
        """One array."""
        return ((self.length, self.size),)

    def output_shape(self, shape: tuple[int, ...]) -> tuple[int, ...]:
        """The input shape.

        Returns:
            The same shape.

        Raises:
            BadInputError: for sequences of another shape.
        """
        if shape != (self.length, self.size):
            hint = f"Position{shape}" if len(shape) == 2 else "an embedding before it"
            raise expected(f"sequences ({self.length}, {self.size})", "shape", shape, "shape before it", hint)
        return shape

    def init(self, rng: np.random.Generator) -> list[Array]:
        """Draw the features.

        Returns:
            [P].
        """
        return [rng.standard_normal((self.length, self.size)) / np.sqrt(self.size)]

    def forward(self, p: Params, x: Array) -> tuple[Array, Any]:
        """The sum; nothing is cached.

        Returns:
            Output and nothing.
        """
        return x + p[0], len(x)

    def jvp(self, p: Params, cache: Any, dp: Params, dx: Array | None) -> Array | None:
        """Sum of tangents.

        Returns:
            The tangent of the output.
        """
        return np.broadcast_to(dp[0], (cache, *dp[0].shape)) if dx is None else dx + dp[0]

    def pull(self, p: Params, cache: Any, cotangent: Cotangent) -> Cotangent:
        """The same.

        Returns:
            The cotangent of the input.
        """
        return cotangent.lent()

    def gradient(self, p: Params, cache: Any, dy: Array) -> list[Array]:
        """Σ Δ over samples.

        Returns:
            [dP].
        """
        return [dy.sum(axis=0)]

    def rows(self, p: Params, cache: Any, dy: Array) -> list[Array]:
        """Δ.

        Returns:
            An array (n, k, length, size).
        """
        return [dy]
