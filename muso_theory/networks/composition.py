"""Composition of layers: one after the other, and branches of one input."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, final

import numpy as np

from ..arrays import Array
from ..former import former
from .activation import Activation
from .cotangents import Cotangent
from .layer import Layer, Params, Visitor

__all__ = ["Branched", "Chain", "leaves", "with_inputs"]
former(__name__)


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

    @property
    def trainable(self) -> tuple[bool, ...]:
        """Those of the layers."""
        return tuple(moves for layer in self.layers for moves in layer.trainable)

    @property
    def analytic(self) -> bool:
        """Whether every layer is."""
        return all(layer.analytic for layer in self.layers)

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
        return self._through(p, x, lambda layer, part, x: (*layer.forward(part, x), []))[:2]

    def forward_training(
        self, p: Params, x: Array, rng: np.random.Generator
    ) -> tuple[Array, Any, list[Array]]:
        """Compose what the layers compute in training.

        Returns:
            Output, caches and parameters.
        """
        return self._through(p, x, lambda layer, part, x: layer.forward_training(part, x, rng))

    def _through(
        self, p: Params, x: Array, step: Callable[[Layer, Params, Array], tuple[Array, Any, list[Array]]]
    ) -> tuple[Array, Any, list[Array]]:
        """One layer after the other; an activation may write into what nobody else holds."""
        caches, after, fresh = [], [], False
        for layer, part in self._split(p):
            if fresh and isinstance(layer, Activation):
                x, cache = layer.forward(part, x, out=x)
            else:
                x, cache, arrays = step(layer, part, x)
                after += arrays
            fresh = layer.fresh
            caches.append(cache)
        return x, caches, after

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


class Branched(Layer):
    """Chains of layers on the same input, whose outputs are joined.

    Parameters are those of the branches, one branch after the other.
    """

    fresh: ClassVar[bool] = True

    @property
    @abstractmethod
    def branches(self) -> Mapping[str, Chain]:
        """The chains by name; a chain of no layers is the identity."""

    @abstractmethod
    def join(self, outputs: Sequence[Array]) -> tuple[Array, Any]:
        """The branches' outputs as one, and what the derivatives need of them."""

    @abstractmethod
    def join_tangents(self, held: Any, tangents: Sequence[Array | None]) -> Array:
        """The tangent of the joined output; None means zero, and not all are None."""

    @abstractmethod
    def part(self, held: Any, cotangent: Cotangent, n: int) -> Sequence[Cotangent]:
        """A cotangent of the joined output for every branch's output."""

    @property
    def param_shapes(self) -> tuple[tuple[int, ...], ...]:
        """Those of the branches, in order."""
        return tuple(shape for branch in self.branches.values() for shape in branch.param_shapes)

    @property
    def trainable(self) -> tuple[bool, ...]:
        """Those of the branches."""
        return tuple(moves for branch in self.branches.values() for moves in branch.trainable)

    @property
    def analytic(self) -> bool:
        """Whether every branch is."""
        return all(branch.analytic for branch in self.branches.values())

    def parts(self, arrays: Params) -> Iterator[tuple[str, Chain, Params]]:
        """Each branch with its own part of a flat list.

        Args:
            arrays: one a parameter.

        Yields:
            Name, branch, its arrays.
        """
        start = 0
        for name, branch in self.branches.items():
            stop = start + len(branch.param_shapes)
            yield name, branch, arrays[start:stop]
            start = stop

    def init(self, rng: np.random.Generator) -> list[Array]:
        """Draw every branch.

        Returns:
            The flat list.
        """
        return [array for branch in self.branches.values() for array in branch.init(rng)]

    def forward(self, p: Params, x: Array) -> tuple[Array, Any]:
        """Join the branches' outputs; the cache is theirs, what the join holds, and the number of samples.

        Returns:
            Output and cache.
        """
        results = [branch.forward(part, x) for _, branch, part in self.parts(p)]
        y, held = self.join([out for out, _ in results])
        return y, ([cache for _, cache in results], held, len(x))

    def forward_training(
        self, p: Params, x: Array, rng: np.random.Generator
    ) -> tuple[Array, Any, list[Array]]:
        """The same of what the branches compute in training.

        Returns:
            Output, cache and parameters.
        """
        results = [branch.forward_training(part, x, rng) for _, branch, part in self.parts(p)]
        y, held = self.join([out for out, _, _ in results])
        after = [array for _, _, arrays in results for array in arrays]
        return y, ([cache for _, cache, _ in results], held, len(x)), after

    def jvp(self, p: Params, cache: Any, dp: Params, dx: Array | None) -> Array | None:
        """Join the branches' tangents.

        Returns:
            The tangent of the output.
        """
        local, held, _ = cache
        steps = zip(self.parts(p), self.parts(dp), local, strict=True)
        tangents = [branch.jvp(part, own, dpart, dx) for (_, branch, part), (_, _, dpart), own in steps]
        return None if all(tangent is None for tangent in tangents) else self.join_tangents(held, tangents)

    def pull(self, p: Params, cache: Any, cotangent: Cotangent) -> Cotangent:
        """Sum of the branches' cotangents.

        Returns:
            The cotangent of the input.
        """
        local, held, n = cache
        steps = zip(self.parts(p), local, self.part(held, cotangent.lent(), n), strict=True)
        return _sum([branch.pull(part, own, of) for (_, branch, part), own, of in steps], n)

    def backward(
        self, p: Params, cache: Any, cotangent: Cotangent, visit: Visitor, path: str, wanted: bool
    ) -> Cotangent | None:
        """Visit one branch after the other.

        Returns:
            The cotangent of the input, or None when it is not wanted.
        """
        local, held, n = cache
        steps = zip(self.parts(p), local, self.part(held, cotangent.lent(), n), strict=True)
        results = [
            branch.backward(part, own, of, visit, f"{path}.{name}", wanted)
            for (name, branch, part), own, of in steps
        ]
        found = [result for result in results if result is not None]
        return _sum(found, n) if wanted else None


def _sum(cotangents: Sequence[Cotangent], n: int) -> Cotangent:
    """What several readers of one value pull back."""
    total = cotangents[0]
    for other in cotangents[1:]:
        total = total.add(other, n)
    return total


def leaves(layers: Sequence[Layer], path: str = "") -> Iterator[tuple[str, Layer]]:
    """Layers that are not composite, in forward order, each with its path within the network.

    Yields:
        Path and layer: "2" for the third layer, "2.body.0" inside a residual block.
    """
    prefix = f"{path}." if path else ""
    for index, layer in enumerate(layers):
        if isinstance(layer, Branched):
            for name, branch in layer.branches.items():
                yield from leaves(branch.layers, f"{prefix}{index}.{name}")
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
        if isinstance(layer, Branched):
            for key, branch, part in layer.parts(p):
                yield from with_inputs(branch.layers, part, x, f"{name}.{key}")
        else:
            yield name, layer, p, x
        x = layer.forward(p, x)[0]
        start = stop
