"""Branches of one input: summed, multiplied, or laid side by side."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, ClassVar, final

import numpy as np

from ..arguments import checked
from ..arrays import Array
from ..errors import expected
from .composition import Branched, Chain
from .cotangents import Cotangent
from .layer import Layer

__all__ = ["Concatenate", "Gate", "Residual"]


@final
@checked
@dataclass(frozen=True)
class Residual(Branched):
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
    def branches(self) -> Mapping[str, Chain]:
        """Body and shortcut as chains."""
        return {"body": Chain(tuple(self.body)), "shortcut": Chain(tuple(self.shortcut))}

    def output_shape(self, shape: tuple[int, ...]) -> tuple[int, ...]:
        """The common output shape of the two branches.

        Returns:
            The output shape.

        Raises:
            BadInputError: if they differ.
        """
        body, shortcut = (branch.output_shape(shape) for branch in self.branches.values())
        if body != shortcut:
            raise expected(
                f"a body that ends in the shortcut's shape {shortcut}",
                "shape",
                body,
                "shape of the body",
                "a shortcut of one dense or 1×1 convolution layer",
            )
        return body

    def join(self, outputs: Sequence[Array]) -> tuple[Array, Any]:
        """The sum.

        Returns:
            It, and nothing held.
        """
        return outputs[0] + outputs[1], None

    def join_tangents(self, held: Any, tangents: Sequence[Array | None]) -> Array:
        """Sum of tangents.

        Returns:
            The tangent.
        """
        body, shortcut = tangents
        if body is None or shortcut is None:
            return np.asarray(shortcut if body is None else body)
        return body + shortcut

    def part(self, held: Any, cotangent: Cotangent, n: int) -> Sequence[Cotangent]:
        """The same for both.

        Returns:
            Two cotangents.
        """
        return cotangent, cotangent


@final
@checked
@dataclass(frozen=True)
class Gate(Branched):
    """y = gate(x) ∘ x, entry by entry and channel by channel: squeeze-and-excite with a gate that pools positions.

    Refuses (BadInputError) a gate whose outputs are neither of the input's shape nor one a channel.

    Args:
        gate: layers that make the factors, of the input's shape or (channels,).

    Example:
        >>> import numpy as np
        >>> from muso_theory.networks import Activation
        >>> Gate((Activation("sigmoid"),)).forward([], np.zeros((1, 2)) + 2)[0].round(3)  # 2/(1 + e⁻²)
        array([[1.762, 1.762]])
    """

    gate: tuple[Layer, ...]
    kind: ClassVar[str] = "gate"
    spelled: ClassVar[Mapping[str, str]] = MappingProxyType({"gate": "layers"})

    def __str__(self) -> str:
        return f"gate of {len(self.gate)} layers"

    @property
    def branches(self) -> Mapping[str, Chain]:
        """The gate, and what it multiplies."""
        return {"gate": Chain(tuple(self.gate)), "input": Chain(())}

    def output_shape(self, shape: tuple[int, ...]) -> tuple[int, ...]:
        """The input shape.

        Returns:
            The same shape.

        Raises:
            BadInputError: if the gate ends in another.
        """
        gate = self.branches["gate"].output_shape(shape)
        if gate not in (shape, shape[-1:]):
            what = f"a gate that ends in {shape} or {shape[-1:]}"
            raise expected(what, "shape", gate, "shape of the gate", "a last dense layer of as many outputs")
        return shape

    def join(self, outputs: Sequence[Array]) -> tuple[Array, Any]:
        """The product; both factors are held, the gate's with axes of length 1 where it is one a channel.

        Returns:
            Product and factors.
        """
        gate, x = outputs
        wide = gate.reshape(len(gate), *(1,) * (x.ndim - gate.ndim), *gate.shape[1:])
        return wide * x, (wide, x, gate.shape[1:])

    def join_tangents(self, held: Any, tangents: Sequence[Array | None]) -> Array:
        """Product rule.

        Returns:
            The tangent.
        """
        wide, x, _ = held
        of_gate, of_x = tangents
        total = np.zeros_like(wide * x)
        if of_gate is not None:
            total = total + of_gate.reshape(wide.shape) * x
        return np.asarray(total if of_x is None else total + wide * of_x)

    def part(self, held: Any, cotangent: Cotangent, n: int) -> Sequence[Cotangent]:
        """Times the input for the gate, summed where it is one a channel; times the gate for the input.

        Returns:
            Two cotangents.
        """
        wide, x, shape = held
        axes = tuple(range(2, x.ndim + 1 - len(shape)))
        to_gate = (cotangent.expand(n) * x[:, None]).sum(axis=axes)
        return Cotangent(to_gate, shape, per_sample=True), cotangent.scale(np.broadcast_to(wide, x.shape))


@final
@checked
@dataclass(frozen=True)
class Concatenate(Branched):
    """Outputs of branches side by side along the last axis: features, or channels of images of one size.

    Refuses (BadInputError) fewer than one branch, and branches that end in images of different sizes.

    Args:
        chains: the branches' layers; a branch of none is the identity.

    Example:
        >>> from muso_theory.networks import Dense
        >>> Concatenate(((), (Dense(4, 3),))).output_shape((4,))
        (7,)
    """

    chains: tuple[tuple[Layer, ...], ...]
    kind: ClassVar[str] = "concatenate"
    spelled: ClassVar[Mapping[str, str]] = MappingProxyType({"chains": "branches"})

    def __post_init__(self) -> None:
        if not self.chains:
            raise expected("at least one branch", "chains", self.chains, "empty", "((), (Dense(4, 3),))")

    def __str__(self) -> str:
        return f"concatenation of {len(self.chains)} branches"

    @property
    def branches(self) -> Mapping[str, Chain]:
        """The branches by number."""
        return {f"branch{index}": Chain(tuple(layers)) for index, layers in enumerate(self.chains)}

    def output_shape(self, shape: tuple[int, ...]) -> tuple[int, ...]:
        """The sum of the last axes.

        Returns:
            The output shape.

        Raises:
            BadInputError: if other axes differ.
        """
        shapes = [branch.output_shape(shape) for branch in self.branches.values()]
        if len({one[:-1] for one in shapes}) > 1:
            hint = "strides and padding that end in one size"
            raise expected(
                "branches that differ in the last axis only", "shapes", shapes, "of branches", hint
            )
        return (*shapes[0][:-1], sum(one[-1] for one in shapes))

    def join(self, outputs: Sequence[Array]) -> tuple[Array, Any]:
        """Lay side by side; the widths and shapes are held.

        Returns:
            Output and shapes.
        """
        return np.concatenate(outputs, axis=-1), [out.shape for out in outputs]

    def join_tangents(self, held: Any, tangents: Sequence[Array | None]) -> Array:
        """Tangents side by side.

        Returns:
            The tangent.
        """
        pairs = zip(held, tangents, strict=True)
        return np.concatenate([np.zeros(shape) if dy is None else dy for shape, dy in pairs], axis=-1)

    def part(self, held: Any, cotangent: Cotangent, n: int) -> Sequence[Cotangent]:
        """Cut the last axis.

        Returns:
            One cotangent a branch, as factored as it comes.
        """
        found, start = [], 0
        for shape in held:
            cut = slice(start, start + shape[-1])
            left = None if cotangent.left is None else cotangent.left[..., cut]
            found.append(Cotangent(cotangent.right[..., cut], shape[1:], left, cotangent.per_sample))
            start += shape[-1]
        return found
