"""What a layer is: its forward, forward-mode, reverse-mode, per-example and structured Gram rules.

A layer is a final frozen dataclass of sizes; it holds no parameters. Its five rules stand side by side,
because each is the other's check (:func:`muso_theory.networks.check_gradients` runs them all):

- ``forward(p, x)`` gives the output and what the other rules need of the input (the cache);
- ``jvp`` pushes a tangent of the parameters and of the input forward;
- ``pull`` takes a cotangent of the output back to the input;
- ``gradient`` and ``rows`` take it to the parameters, summed over samples and one row a sample and output;
- ``gram_term`` gives the layer's share of the tangent kernel in factors.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from types import MappingProxyType
from typing import Any, ClassVar

import numpy as np

from ..arrays import Array
from ..errors import expected
from ..former import former
from .cotangents import Cotangent
from .grams import GramTerm, RowsGram

__all__ = ["LAYERS", "Layer", "Params", "Visitor"]
former(__name__)

Params = Sequence[Array]
Visitor = Callable[[str, "Layer", Params, Any, Cotangent], None]
"""Called at every layer with parameters on the way back: path, layer, its parameters, its cache, its cotangent."""


LAYERS: dict[str, type[Layer]] = {}
"""Layers by their name in network files; a subclass of `Layer` with a ``kind`` enters itself."""


class Layer(ABC):
    """One differentiable map with a fixed number of parameter arrays.

    A layer of your own is a frozen dataclass with these rules and a ``kind``. Its fields say all that it is made of, in
    numbers, text, truth values, tuples of these, and tuples of layers: so it is saved, and loaded in Python wherever
    its module was imported. With parameters it has ``init``, ``gradient`` and ``rows`` besides the abstract rules, and
    its share of the tangent kernel follows from the rows.

    Example:
        >>> import tempfile
        >>> from dataclasses import dataclass
        >>> from pathlib import Path
        >>> from typing import ClassVar
        >>> import numpy as np
        >>> from muso_theory.networks import Dense, Layer, Sequential, check_gradients, load, save
        >>> @dataclass(frozen=True)
        ... class Scale(Layer):  # y = s ∘ x of flat inputs, the scales s (size,) learned
        ...     size: int
        ...     kind: ClassVar[str] = "example-scale"
        ...
        ...     @property
        ...     def param_shapes(self):
        ...         return ((self.size,),)
        ...
        ...     def output_shape(self, shape):
        ...         if shape != (self.size,):
        ...             raise ValueError(f"expected inputs ({self.size},) but got {shape}")
        ...         return shape
        ...
        ...     def init(self, rng):
        ...         return [np.ones(self.size)]
        ...
        ...     def forward(self, p, x):
        ...         return p[0] * x, x
        ...
        ...     def jvp(self, p, cache, dp, dx):
        ...         return dp[0] * cache if dx is None else dp[0] * cache + p[0] * dx
        ...
        ...     def pull(self, p, cache, cotangent):
        ...         return cotangent.linear(lambda dy: dy * p[0], (self.size,), len(cache))
        ...
        ...     def gradient(self, p, cache, dy):
        ...         return [(dy * cache).sum(axis=0)]
        ...
        ...     def rows(self, p, cache, dy):
        ...         return [dy * cache[:, None]]
        >>> net = Sequential((2,), (Dense(2, 3), Scale(3), Dense(3, 1)))
        >>> params, X = net.init(0), np.array([[1.0, -0.5], [0.25, 2.0]])
        >>> check_gradients(net, params, X).wrong
        []
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     save(Path(folder) / "net.npz", net, params)
        ...     load(Path(folder) / "net.npz")[0] == net
        True
    """

    fresh: ClassVar[bool] = False
    """Whether the output is a new array that no cache refers to, so that what follows may overwrite it."""

    kind: ClassVar[str] = ""
    """Its name in network files; a layer without one is not saved."""

    activates: ClassVar[bool] = False
    """Whether network files write the activation that follows into the entry of this layer."""

    spelled: ClassVar[Mapping[str, str]] = MappingProxyType({})
    """Fields that network files call otherwise."""

    later: ClassVar[tuple[str, ...]] = ()
    """Fields that network files name only where they differ from their default: older files lack them."""

    def __init_subclass__(cls) -> None:
        super().__init_subclass__()
        kind = cls.__dict__.get("kind", "")
        known = LAYERS.get(kind)
        if known is not None and (known.__module__, known.__qualname__) != (cls.__module__, cls.__qualname__):
            hint = "another name, with your own prefix"
            raise expected("a kind of its own", "kind", kind, f"that of {known.__qualname__}", hint)
        if kind:
            LAYERS[kind] = cls

    @property
    def param_shapes(self) -> tuple[tuple[int, ...], ...]:
        """Shapes of the parameter arrays, in order."""
        return ()

    @property
    def trainable(self) -> tuple[bool, ...]:
        """Which parameter arrays derivatives are taken by; the others, running statistics, are held as they are.

        Their gradients and columns of J are zero, whatever the output depends on.
        """
        return (True,) * len(self.param_shapes)

    @property
    def analytic(self) -> bool:
        """Whether the layer is an analytic function of parameters and input, as the complex step needs."""
        return True

    @abstractmethod
    def output_shape(self, shape: tuple[int, ...]) -> tuple[int, ...]:
        """Shape of one sample's output; refuses an input shape that does not fit."""

    def init(self, rng: np.random.Generator) -> list[Array]:
        """Draw initial parameters.

        Returns:
            One array a parameter shape.
        """
        return self._without_parameters("init")

    @abstractmethod
    def forward(self, p: Params, x: Array) -> tuple[Array, Any]:
        """Output (n, *output shape) and the cache."""

    def forward_training(
        self, p: Params, x: Array, rng: np.random.Generator
    ) -> tuple[Array, Any, list[Array]]:
        """What training computes in the place of ``forward``, where that differs: batch statistics, dropped entries.

        Args:
            p: the layer's parameters.
            x: inputs of one batch.
            rng: what chance there is.

        Returns:
            Output, cache, and the parameters with the batch's share in the running statistics.
        """
        return (*self.forward(p, x), list(p))

    def reach(self, x: Array) -> Array | None:
        """How far each entry of x may move before the layer's derivative jumps; None where it never does."""
        return None

    @abstractmethod
    def jvp(self, p: Params, cache: Any, dp: Params, dx: Array | None) -> Array | None:
        """Tangent of the output for tangents of the parameters and the input (None means zero)."""

    @abstractmethod
    def pull(self, p: Params, cache: Any, cotangent: Cotangent) -> Cotangent:
        """Cotangent of the input.

        An entrywise layer asks for ``cotangent.scale(slope)``, a linear map for ``cotangent.linear(…)``, and any other
        makes ``Cotangent(values, input shape, per_sample=True)`` with values (n, k, *input shape) of
        ``cotangent.expand(n)``.

        Returns:
            The cotangent for the same outputs.
        """

    def gradient(self, p: Params, cache: Any, dy: Array) -> list[Array]:
        """Cotangent of the parameters for one cotangent (n, *output shape), summed over samples.

        Returns:
            One array a parameter.
        """
        return self._without_parameters("gradient")

    def rows(self, p: Params, cache: Any, dy: Array) -> list[Array]:
        """Derivatives by the parameters for every sample and output, from dy (n, k, *output shape).

        Returns:
            One array (n, k, *parameter shape) a parameter.
        """
        return self._without_parameters("rows")

    def _without_parameters(self, rule: str) -> list[Array]:
        """No arrays, which is right for a layer without parameters; another one lacks the rule."""
        if self.param_shapes:
            hint = f"defining {rule} in {type(self).__name__}"
            raise expected(f"the rule '{rule}' of a layer with parameters", "layer", self, "none", hint)
        return []

    def gram_term(self, p: Params, cache: Any, cotangent: Cotangent, n: int) -> GramTerm:
        """The share of n samples in the tangent kernel in factors: the layer's rows of J where it knows no better.

        Returns:
            The term.
        """
        rows = self.rows(p, cache, cotangent.expand(n))
        return RowsGram(np.concatenate([row.reshape(n, cotangent.n_out, -1) for row in rows], axis=2))

    def backward(
        self, p: Params, cache: Any, cotangent: Cotangent, visit: Visitor, path: str, wanted: bool
    ) -> Cotangent | None:
        """Visit every layer with parameters from the output to the input.

        Args:
            p: the layer's parameters.
            cache: its cache.
            cotangent: cotangent of its output.
            visit: called where there are parameters.
            path: the layer's name within the network.
            wanted: whether the cotangent of the input is needed.

        Returns:
            The cotangent of the input, or None when it is not wanted.
        """
        if self.param_shapes:
            visit(path, self, p, cache, cotangent)
        return self.pull(p, cache, cotangent) if wanted else None
