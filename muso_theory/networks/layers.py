"""Layers: for each kind its forward, forward-mode, reverse-mode, per-example and structured Gram rules.

A layer is a final frozen dataclass of sizes; it holds no parameters. Its five rules stand side by side,
because each is the other's check (:func:`muso_theory.networks.check_gradients` runs them all):

- ``forward(p, x)`` gives the output and what the other rules need of the input (the cache);
- ``jvp`` pushes a tangent of the parameters and of the input forward;
- ``pull`` takes a cotangent of the output back to the input;
- ``gradient`` and ``rows`` take it to the parameters, summed over samples and one row a sample and output;
- ``gram_term`` gives the layer's share of the tangent kernel in factors.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, ClassVar, Literal, final

import numpy as np

from ..arguments import checked
from ..arrays import Array
from ..errors import expected, nearest
from .cotangents import Cotangent
from .functions import functions_for, nonlinearity
from .grams import FactoredGram, GramTerm, HadamardGram, KroneckerGram, RowsGram

__all__ = ["KINDS", "Activation", "Dense", "Flatten", "Layer", "Parameterization", "Visitor"]

Parameterization = Literal["standard", "ntk"]
Params = Sequence[Array]
Visitor = Callable[[str, "Layer", Params, Any, Cotangent], None]
"""Called at every layer with parameters on the way back: path, layer, its parameters, its cache, its cotangent."""


KINDS: dict[str, type[Layer]] = {}
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

    def __init_subclass__(cls) -> None:
        super().__init_subclass__()
        kind = cls.__dict__.get("kind", "")
        known = KINDS.get(kind)
        if known is not None and (known.__module__, known.__qualname__) != (cls.__module__, cls.__qualname__):
            hint = "another name, with your own prefix"
            raise expected("a kind of its own", "kind", kind, f"that of {known.__qualname__}", hint)
        if kind:
            KINDS[kind] = cls

    @property
    def param_shapes(self) -> tuple[tuple[int, ...], ...]:
        """Shapes of the parameter arrays, in order."""
        return ()

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


def affine_scales(
    param: Parameterization, fan_in: int, w_std: float, b_std: float, like: Array
) -> tuple[Any, Any]:
    """Factors of the stored W and b in z = s_w·xW + s_b·b.

    Returns:
        (1, 1) in standard parameterisation, (w_std/√fan_in, b_std) in NTK parameterisation, in the kind of
        number that ``like`` holds.
    """
    if param == "standard":
        return 1, 1
    return w_std / functions_for(like).root(fan_in), b_std


def init_affine(
    rng: np.random.Generator, shape: tuple[int, ...], param: Parameterization, w_std: float, b_std: float
) -> list[Array]:
    """Draw W and b so that both parameterisations give the same distribution over functions.

    Returns:
        W of the given shape (last axis: outputs) and b.
    """
    weight = rng.standard_normal(shape)
    bias = rng.standard_normal(shape[-1])
    if param == "standard":
        weight *= w_std / math.sqrt(math.prod(shape[:-1]))
        bias *= b_std
    return [weight, bias]


def check_affine(kind: str, sizes: dict[str, int], param: str, w_std: float, b_std: float) -> None:
    """Refuse sizes below one, an unknown parameterisation and scales that are no nonnegative numbers."""
    for name, size in sizes.items():
        if not isinstance(size, (int, np.integer)) or isinstance(size, bool) or size < 1:
            raise expected(
                f"a positive whole number in {kind}",
                name,
                size,
                type(size).__name__,
                "an integer of at least 1",
            )
    if param not in ("standard", "ntk"):
        raise expected(
            "a parameterization",
            "param",
            param,
            type(param).__name__,
            nearest(str(param), ["standard", "ntk"]),
        )
    for name, scale in (("w_std", w_std), ("b_std", b_std)):
        if not (math.isfinite(scale) and scale >= 0):
            raise expected(f"a finite nonnegative scale in {kind}", name, scale, type(scale).__name__, "1.0")


@final
@checked
@dataclass(frozen=True)
class Dense(Layer):
    """Affine map z = x W + b of flat inputs, W (in, out).

    With ``param="ntk"`` it is z = (w_std/√n_in)·x W + b_std·b and derivatives are in the stored W and b.
    Refuses (BadInputError) sizes below one, an unknown parameterisation, inputs that are not (n, n_in).

    Args:
        n_in: inputs.
        n_out: outputs.
        param: ``"standard"`` or ``"ntk"``.
        w_std: standard deviation of the weights times √n_in at initialisation (both parameterisations).
        b_std: standard deviation of the biases at initialisation (both parameterisations).

    Example:
        >>> import numpy as np
        >>> layer = Dense(2, 1, param="ntk", w_std=1.0, b_std=0.5)
        >>> layer.forward([np.ones((2, 1)), np.ones(1)], np.array([[1.0, 1.0]]))[0].round(6)
        array([[1.914214]])
    """

    n_in: int
    n_out: int
    param: Parameterization = "standard"
    w_std: float = 1.0
    b_std: float = 0.1
    fresh: ClassVar[bool] = True
    kind: ClassVar[str] = "dense"
    activates: ClassVar[bool] = True

    def __post_init__(self) -> None:
        check_affine("dense", {"n_in": self.n_in, "n_out": self.n_out}, self.param, self.w_std, self.b_std)

    def __str__(self) -> str:
        return f"dense {self.n_in}→{self.n_out}"

    @property
    def param_shapes(self) -> tuple[tuple[int, ...], ...]:
        """W (in, out) and b (out,)."""
        return ((self.n_in, self.n_out), (self.n_out,))

    def output_shape(self, shape: tuple[int, ...]) -> tuple[int, ...]:
        """(n_out,) for (n_in,).

        Returns:
            The output shape.

        Raises:
            BadInputError: for any other input shape.
        """
        if shape != (self.n_in,):
            hint = "a flatten layer before it" if len(shape) > 1 else f"n_in={math.prod(shape)}"
            raise expected(
                f"an input of shape ({self.n_in},)", "shape", shape, "shape before the layer", hint
            )
        return (self.n_out,)

    def init(self, rng: np.random.Generator) -> list[Array]:
        """Draw W and b.

        Returns:
            [W, b].
        """
        return init_affine(rng, (self.n_in, self.n_out), self.param, self.w_std, self.b_std)

    def _scales(self, like: Array) -> tuple[Any, Any]:
        """Factors of the stored W and b."""
        return affine_scales(self.param, self.n_in, self.w_std, self.b_std, like)

    def forward(self, p: Params, x: Array) -> tuple[Array, Any]:
        """The affine map; the cache is the input.

        Returns:
            Output and cache.
        """
        weight, bias = p
        z = x @ weight
        if self.param == "ntk":
            s_w, s_b = self._scales(z)
            z *= s_w
            bias = s_b * bias
        if z.dtype != np.result_type(z, bias):
            return z + bias, x
        z += bias
        return z, x

    def jvp(self, p: Params, cache: Any, dp: Params, dx: Array | None) -> Array | None:
        """s_w (x dW + dx W) + s_b db.

        Returns:
            The tangent of the output.
        """
        s_w, s_b = self._scales(cache)
        z = cache @ dp[0]
        if dx is not None:
            z = z + dx @ p[0]
        return np.asarray(s_w * z + s_b * dp[1])

    def pull(self, p: Params, cache: Any, cotangent: Cotangent) -> Cotangent:
        """s_w Δ Wᵀ.

        Returns:
            The cotangent of the input.
        """
        s_w, _ = self._scales(cache)

        def transpose(values: Array) -> Array:
            m, k, _ = values.shape
            back = values.reshape(m * k, self.n_out) @ p[0].T
            if self.param == "ntk":
                back *= s_w
            return back.reshape(m, k, self.n_in)

        return cotangent.linear(transpose, (self.n_in,), len(cache))

    def gradient(self, p: Params, cache: Any, dy: Array) -> list[Array]:
        """s_w xᵀ Δ and s_b Σ Δ.

        Returns:
            [dW, db].
        """
        s_w, s_b = self._scales(cache)
        return [s_w * (cache.T @ dy), s_b * dy.sum(axis=0)]

    def rows(self, p: Params, cache: Any, dy: Array) -> list[Array]:
        """s_w x ⊗ Δ and s_b Δ for every sample and output.

        Returns:
            Arrays (n, k, in, out) and (n, k, out).
        """
        s_w, s_b = self._scales(cache)
        return [(s_w * cache)[:, None, :, None] * dy[:, :, None, :], s_b * dy]

    def gram_term(self, p: Params, cache: Any, cotangent: Cotangent, n: int) -> GramTerm:
        """(s_w² A Aᵀ + s_b²) ∘ (Δ Δᵀ), with Δ as factored as it comes.

        Returns:
            A Kronecker term for the head, a factored one below it, a Hadamard one deeper.
        """
        s_w, s_b = self._scales(cache)
        scales = (cache, s_w * s_w, s_b * s_b)
        if cotangent.shared:
            head = cotangent.right[0]
            return KroneckerGram(*scales, head @ head.T)
        if cotangent.left is not None and not cotangent.per_sample:
            return FactoredGram(*scales, cotangent.left, cotangent.right[0])
        return HadamardGram(*scales, cotangent.expand(n))


@final
@dataclass(frozen=True)
class Activation(Layer):
    """A nonlinearity applied entrywise.

    Refuses (BadInputError) unknown names, with a suggestion, and complex inputs to relu and leaky_relu:
    they are not analytic, so the complex step would differentiate something else. relu'(0) = 0.

    Args:
        name: a key of ``muso_theory.networks.ACTIVATIONS``.

    Example:
        >>> import numpy as np
        >>> Activation("relu").forward([], np.array([[-1.0, 2.0]]))[0]
        array([[-0.,  2.]])
    """

    name: str
    kind: ClassVar[str] = "activation"
    spelled: ClassVar[Mapping[str, str]] = MappingProxyType({"name": "activation"})

    def __post_init__(self) -> None:
        nonlinearity(self.name)

    def __str__(self) -> str:
        return self.name

    def output_shape(self, shape: tuple[int, ...]) -> tuple[int, ...]:
        """The input shape.

        Returns:
            The same shape.
        """
        return shape

    def forward(self, p: Params, x: Array, out: Array | None = None) -> tuple[Array, Any]:
        """Values; the cache is the slope at every entry.

        Args:
            p: nothing.
            x: inputs.
            out: room that the values may take; may be x.

        Returns:
            Output and cache.

        Raises:
            BadInputError: for complex input to a function that is not analytic.
        """
        function = nonlinearity(self.name)
        if np.iscomplexobj(x) and not function.analytic:
            raise expected(
                "an analytic activation for complex numbers (the complex step needs one)",
                "activation",
                self.name,
                "not analytic at 0",
                "method='richardson', or a smooth activation such as 'softplus'",
            )
        return function.value_and_slope(x, out)

    def jvp(self, p: Params, cache: Any, dp: Params, dx: Array | None) -> Array | None:
        """Slope times tangent.

        Returns:
            The tangent of the output.
        """
        return None if dx is None else cache * dx

    def pull(self, p: Params, cache: Any, cotangent: Cotangent) -> Cotangent:
        """Slope times cotangent.

        Returns:
            The cotangent of the input.
        """
        return cotangent.scale(cache)


@final
@dataclass(frozen=True)
class Flatten(Layer):
    """Row-major flattening of each sample.

    Example:
        >>> Flatten().output_shape((8, 8, 3))
        (192,)
    """

    kind: ClassVar[str] = "flatten"

    def __str__(self) -> str:
        return "flatten"

    def output_shape(self, shape: tuple[int, ...]) -> tuple[int, ...]:
        """One axis.

        Returns:
            (product of the input shape,).
        """
        return (math.prod(shape),)

    def forward(self, p: Params, x: Array) -> tuple[Array, Any]:
        """Reshape; the cache is the input's shape.

        Returns:
            Output and cache.
        """
        return x.reshape(len(x), -1), x.shape

    def jvp(self, p: Params, cache: Any, dp: Params, dx: Array | None) -> Array | None:
        """Reshape the tangent.

        Returns:
            The tangent of the output.
        """
        return None if dx is None else dx.reshape(len(dx), -1)

    def pull(self, p: Params, cache: Any, cotangent: Cotangent) -> Cotangent:
        """Reshape the cotangent.

        Returns:
            The cotangent of the input.
        """
        return cotangent.reshape(tuple(cache[1:]))
