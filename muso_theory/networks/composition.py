"""Composition of layers: one after the other, and residual sums."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, ClassVar, final

import numpy as np

from ..arguments import checked
from ..arrays import Array
from ..errors import expected
from .activation import Activation
from .cotangents import Cotangent
from .functions import nonlinearity
from .layer import Layer, Params, Visitor

__all__ = ["Chain", "Residual", "is_analytic", "leaves", "with_inputs"]


@final
@dataclass(frozen=True)
class Chain(Layer):
    """Layers one after the other; the body of a network and of a residual block."""

    layers: tuple[Layer, ...]

    def __str__(self) -> str:
        return ", ".join(str(layer) for layer in self.layers) or "identity"

    @property
    def param_shapes(self) -> tuple[tuple[int, ...], ...]:
        """Those of the layers, in forward order."""
        return tuple(shape for layer in self.layers for shape in layer.param_shapes)

    def _split(self, arrays: Params) -> Iterator[tuple[Layer, Params]]:
        """Each layer with its own part of a flat list."""
        start = 0
        for layer in self.layers:
            stop = start + len(layer.param_shapes)
            yield layer, arrays[start:stop]
            start = stop

    def output_shape(self, shape: tuple[int, ...]) -> tuple[int, ...]:
        """Compose.

        Returns:
            The output shape of the last layer.

        Raises:
            BadInputError: naming the layer that its input does not fit.
        """
        for index, layer in enumerate(self.layers):
            try:
                shape = layer.output_shape(shape)
            except ValueError as problem:
                raise type(problem)(f"layer {index} ({layer}): {problem}") from None
        return shape

    def init(self, rng: np.random.Generator) -> list[Array]:
        """Draw every layer's parameters in order.

        Returns:
            The flat list.
        """
        return [array for layer in self.layers for array in layer.init(rng)]

    def forward(self, p: Params, x: Array) -> tuple[Array, Any]:
        """Compose; the cache is the list of caches.

        Returns:
            Output and cache.
        """
        caches, fresh = [], False
        for layer, part in self._split(p):
            if fresh and isinstance(layer, Activation):
                x, cache = layer.forward(part, x, out=x)
            else:
                x, cache = layer.forward(part, x)
            fresh = layer.fresh
            caches.append(cache)
        return x, caches

    def jvp(self, p: Params, cache: Any, dp: Params, dx: Array | None) -> Array | None:
        """Chain rule, forward.

        Returns:
            The tangent of the output.
        """
        for (layer, part), (_, tangent), local in zip(self._split(p), self._split(dp), cache, strict=True):
            dx = layer.jvp(part, local, tangent, dx)
        return dx

    def pull(self, p: Params, cache: Any, cotangent: Cotangent) -> Cotangent:
        """Chain rule, backward.

        Returns:
            The cotangent of the input.
        """
        for (layer, part), local in reversed(list(zip(self._split(p), cache, strict=True))):
            cotangent = layer.pull(part, local, cotangent)
        return cotangent

    def backward(
        self, p: Params, cache: Any, cotangent: Cotangent, visit: Visitor, path: str, wanted: bool
    ) -> Cotangent | None:
        """Visit the layers from last to first; stop where no parameters remain and the input is not wanted.

        Returns:
            The cotangent of the input, or None when it is not wanted.
        """
        prefix = f"{path}." if path else ""
        steps = list(zip(self._split(p), cache, strict=True))
        current: Cotangent | None = cotangent
        for index in reversed(range(len(steps))):
            (layer, part), local = steps[index]
            more = wanted or any(earlier.param_shapes for earlier in self.layers[:index])
            if current is None:
                break
            current = layer.backward(part, local, current, visit, f"{prefix}{index}", more)
        return current if wanted else None


@final
@checked
@dataclass(frozen=True)
class Residual(Layer):
    """Residual sum y = body(x) + shortcut(x); an empty shortcut is the identity.

    Parameters are those of the body, then those of the shortcut. Refuses (BadInputError) inputs for which the
    two shapes differ.

    Args:
        body: layers of the body.
        shortcut: layers of the shortcut.

    Example:
        >>> from muso_theory.networks import Activation, Dense
        >>> Residual((Dense(4, 4), Activation("relu"))).output_shape((4,))
        (4,)
    """

    body: tuple[Layer, ...]
    shortcut: tuple[Layer, ...] = ()
    kind: ClassVar[str] = "residual"
    spelled: ClassVar[Mapping[str, str]] = MappingProxyType({"body": "layers"})

    def __str__(self) -> str:
        return f"residual of {len(self.body)} layers"

    @property
    def branches(self) -> tuple[Chain, Chain]:
        """Body and shortcut as chains."""
        return Chain(tuple(self.body)), Chain(tuple(self.shortcut))

    @property
    def param_shapes(self) -> tuple[tuple[int, ...], ...]:
        """Body's, then shortcut's."""
        body, shortcut = self.branches
        return body.param_shapes + shortcut.param_shapes

    def _parts(self, arrays: Params) -> tuple[Params, Params]:
        """Body's and shortcut's parts of a flat list."""
        count = len(self.branches[0].param_shapes)
        return arrays[:count], arrays[count:]

    def output_shape(self, shape: tuple[int, ...]) -> tuple[int, ...]:
        """The common output shape of the two branches.

        Returns:
            The output shape.

        Raises:
            BadInputError: if they differ.
        """
        body, shortcut = (branch.output_shape(shape) for branch in self.branches)
        if body != shortcut:
            raise expected(
                f"a body that ends in the shortcut's shape {shortcut}",
                "shape",
                body,
                "shape of the body",
                "a shortcut of one dense or 1×1 convolution layer",
            )
        return body

    def init(self, rng: np.random.Generator) -> list[Array]:
        """Draw both branches.

        Returns:
            The flat list.
        """
        return [array for branch in self.branches for array in branch.init(rng)]

    def forward(self, p: Params, x: Array) -> tuple[Array, Any]:
        """Sum of branches; the cache is both caches and the number of samples.

        Returns:
            Output and cache.
        """
        results = [
            branch.forward(part, x) for branch, part in zip(self.branches, self._parts(p), strict=True)
        ]
        return results[0][0] + results[1][0], (results[0][1], results[1][1], len(x))

    def jvp(self, p: Params, cache: Any, dp: Params, dx: Array | None) -> Array | None:
        """Sum of tangents.

        Returns:
            The tangent of the output.
        """
        parts = zip(self.branches, self._parts(p), cache[:2], self._parts(dp), strict=True)
        body, shortcut = (branch.jvp(part, local, tangent, dx) for branch, part, local, tangent in parts)
        if body is None or shortcut is None:
            return shortcut if body is None else body
        return body + shortcut

    def pull(self, p: Params, cache: Any, cotangent: Cotangent) -> Cotangent:
        """Sum of cotangents.

        Returns:
            The cotangent of the input.
        """
        parts = zip(self.branches, self._parts(p), cache[:2], strict=True)
        cotangent = cotangent.lent()
        body, shortcut = (branch.pull(part, local, cotangent) for branch, part, local in parts)
        return body.add(shortcut, cache[2])

    def backward(
        self, p: Params, cache: Any, cotangent: Cotangent, visit: Visitor, path: str, wanted: bool
    ) -> Cotangent | None:
        """Visit the body, then the shortcut.

        Returns:
            The cotangent of the input, or None when it is not wanted.
        """
        parts = zip(("body", "shortcut"), self.branches, self._parts(p), cache[:2], strict=True)
        cotangent = cotangent.lent()
        results = [
            branch.backward(part, local, cotangent, visit, f"{path}.{name}", wanted)
            for name, branch, part, local in parts
        ]
        if results[0] is None or results[1] is None:
            return None
        return results[0].add(results[1], cache[2])


def is_analytic(layer: Layer) -> bool:
    """Whether a layer (and every layer inside it) is an analytic function."""
    if isinstance(layer, Residual):
        return all(is_analytic(inner) for inner in (*layer.body, *layer.shortcut))
    return not isinstance(layer, Activation) or nonlinearity(layer.name).analytic


def leaves(layers: Sequence[Layer], path: str = "") -> Iterator[tuple[str, Layer]]:
    """Layers that are not composite, in forward order, each with its path within the network.

    Yields:
        Path and layer: "2" for the third layer, "2.body.0" inside a residual block.
    """
    prefix = f"{path}." if path else ""
    for index, layer in enumerate(layers):
        if isinstance(layer, Residual):
            yield from leaves(layer.body, f"{prefix}{index}.body")
            yield from leaves(layer.shortcut, f"{prefix}{index}.shortcut")
        else:
            yield f"{prefix}{index}", layer


def with_inputs(
    layers: Sequence[Layer], params: Params, x: Array, path: str = ""
) -> Iterator[tuple[str, Layer, Params, Array]]:
    """Layers that are not composite, as in :func:`leaves`, each with its parameters and the input that it receives.

    Args:
        layers: of a network.
        params: theirs, in forward order, of any numbers that the layers can compute with.
        x: the network's input (n, …).
        path: where the layers are.

    Yields:
        Path, layer, its parameters, its input.
    """
    prefix, start = f"{path}." if path else "", 0
    for index, layer in enumerate(layers):
        stop = start + len(layer.param_shapes)
        p, name = params[start:stop], f"{prefix}{index}"
        if isinstance(layer, Residual):
            cut = len(layer.branches[0].param_shapes)
            yield from with_inputs(layer.body, p[:cut], x, f"{name}.body")
            yield from with_inputs(layer.shortcut, p[cut:], x, f"{name}.shortcut")
        else:
            yield name, layer, p, x
        x = layer.forward(p, x)[0]
        start = stop
