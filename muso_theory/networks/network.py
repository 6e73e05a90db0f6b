"""Networks: parameters as a list and as a vector, outputs, and derivatives of the whole."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, final

import numpy as np

from ..arguments import checked
from ..arrays import Array, is_float64, plain_array, real_array
from ..errors import Renamed, check_integer, expected
from ..former import former
from .composition import Chain, leaves
from .cotangents import Cotangent
from .descriptions import MOST_LAYERS
from .layer import Layer, Params

__all__ = ["Sequential"]
former(__name__)

MOST_PARAMETERS = 1 << 28
"""They take 2 GB."""


@final
@checked
@dataclass(frozen=True)
class Sequential:
    """A network: layers in sequence on inputs of a known shape.

    Parameters are a plain list of arrays W, b, W, b, … in forward order; ``flatten`` and ``unflatten`` view
    them as one vector, whose order is that of the columns of ``jacobian``. Inputs are (n, *input_shape).
    float32, float64, complex128 and mpmath numbers (dtype object) run through the same layers; integers are
    taken as float64. Refuses (BadInputError) layers whose shapes do not fit, naming the layer; inputs and
    parameters of other shapes; NaN or infinity in either.

    Args:
        input_shape: shape of one sample, (features,) or (height, width, channels).
        layers: the layers.

    Example:
        >>> import numpy as np
        >>> from muso_theory.networks import Activation, Dense
        >>> net = Sequential((3,), (Dense(3, 5), Activation("tanh"), Dense(5, 2)))
        >>> params = net.init(seed=0)
        >>> net(params, np.ones((4, 3))).shape, net.jacobian(params, np.ones((4, 3))).shape
        ((4, 2), (4, 2, 32))
    """

    input_shape: tuple[int, ...]
    layers: tuple[Layer, ...]

    linearise = Renamed("networks.linearise")

    def __post_init__(self) -> None:
        object.__setattr__(self, "input_shape", tuple(int(size) for size in self.input_shape))
        object.__setattr__(self, "layers", tuple(self.layers))
        if any(size < 1 for size in self.input_shape) or not self.input_shape:
            raise expected("positive sizes", "input_shape", self.input_shape, "tuple", "(64,) or (8, 8, 1)")
        if not self.layers:
            raise expected("at least one layer", "layers", self.layers, "empty", "Dense(64, 1)")
        given: tuple[object, ...] = self.layers
        for index, layer in enumerate(given):
            if not isinstance(layer, Layer):
                hint = "Dense(64, 1)"
                raise expected("a layer", f"layers[{index}]", layer, type(layer).__name__, hint)
        if len(self.layers) > MOST_LAYERS:
            raise expected(
                f"at most {MOST_LAYERS:,} layers", "len(layers)", len(self.layers), "tuple", "fewer"
            )
        _ = self.output_shape
        if self.n_params > MOST_PARAMETERS:
            what = f"at most {MOST_PARAMETERS:,} parameters"
            raise expected(what, "n_params", self.n_params, "of all layers", "a narrower network")

    def __repr__(self) -> str:
        inner = ", ".join(str(layer) for layer in self.layers)
        return f"Sequential({self.input_shape}: {inner}; {self.n_params} parameters)"

    @property
    def chain(self) -> Chain:
        """The layers as one layer."""
        return Chain(self.layers)

    @property
    def output_shape(self) -> tuple[int, ...]:
        """Shape of one sample's output."""
        return self.chain.output_shape(self.input_shape)

    @property
    def n_out(self) -> int:
        """Number of outputs."""
        return math.prod(self.output_shape)

    @property
    def param_shapes(self) -> tuple[tuple[int, ...], ...]:
        """Shapes of the parameter arrays, in order."""
        return self.chain.param_shapes

    @property
    def n_params(self) -> int:
        """Number of parameters D, running statistics included: the columns of J, where theirs are zero."""
        return sum(math.prod(shape) for shape in self.param_shapes)

    @property
    def analytic(self) -> bool:
        """Whether every layer is analytic, so that the complex step differentiates the network."""
        return self.chain.analytic

    @property
    def trainable(self) -> tuple[bool, ...]:
        """Which parameter arrays derivatives are taken by; the others are running statistics."""
        return self.chain.trainable

    @property
    def n_trainable(self) -> int:
        """Number of parameters that training moves by their gradient: all but running statistics."""
        return sum(
            math.prod(shape) for shape, moves in zip(self.param_shapes, self.trainable, strict=True) if moves
        )

    @checked
    def init(self, seed: int | np.random.Generator) -> list[Array]:
        """Draw initial parameters.

        W ~ N(0, w_std²/fan_in) and b ~ N(0, b_std²) in standard, all N(0, 1) in NTK parameterisation.

        Args:
            seed: a seed, or a generator that is then advanced.

        Returns:
            Float64 arrays in forward order; cast them for float32.
        """
        if not isinstance(seed, np.random.Generator):
            seed = check_integer("seed", seed)
        return self.chain.init(np.random.default_rng(seed))

    @checked
    def check_params(self, params: Sequence[Array], *, real: bool = False) -> list[Array]:
        """Refuse parameters that do not fit the network.

        Args:
            params: the list of arrays.
            real: refuse complex and mpmath numbers, which only outputs and derivatives are for.

        Returns:
            The same arrays.

        Raises:
            BadInputError: for another number of arrays, another shape, no numbers, NaN or infinity.
        """
        shapes = self.param_shapes
        if len(params) != len(shapes):
            hint = "net.init(seed), or net.unflatten(vector)"
            raise expected(f"{len(shapes)} parameter arrays", "len(params)", len(params), "list", hint)
        arrays = [_numbers(f"params[{index}]", array, real) for index, array in enumerate(params)]
        for index, (array, shape) in enumerate(zip(arrays, shapes, strict=True)):
            if array.shape != shape:
                raise expected(f"shape {shape}", f"params[{index}]", array.shape, "shape", "net.init(seed)")
        return arrays

    @checked
    def check_inputs(self, X: Array, name: str = "X", *, real: bool = False) -> Array:
        """Refuse inputs that do not fit the network.

        Args:
            X: inputs.
            name: what to call them in the refusal.
            real: refuse complex and mpmath numbers, which only outputs and derivatives are for.

        Returns:
            The inputs; integers and booleans as float64.

        Raises:
            BadInputError: for another shape, NaN or infinity, or a dtype that is no number.
        """
        array = _numbers(name, X, real)
        if array.dtype.kind in "iub":
            array = array.astype(np.float64)
        if array.shape[1:] != self.input_shape:
            shape = ", ".join(["n", *map(str, self.input_shape)])
            raise expected(
                f"inputs ({shape}) for layer 0 ({self.layers[0]})",
                name,
                array.shape,
                "shape",
                f"{name}.reshape(-1, {', '.join(map(str, self.input_shape))})",
            )
        return array

    def forward(self, params: Sequence[Array], X: Array) -> tuple[Array, Any]:
        """Outputs with the caches that derivatives need.

        Returns:
            Outputs (n, *output shape) and the cache.
        """
        return self.chain.forward(self.check_params(params), self.check_inputs(X))

    @checked
    def __call__(self, params: Sequence[Array], X: Array) -> Array:
        """Outputs of the network.

        Args:
            params: parameters in forward order.
            X: inputs (n, *input_shape).

        Returns:
            Outputs (n, *output shape).
        """
        return self.forward(params, X)[0]

    @checked
    def flatten(self, params: Sequence[Array]) -> Array:
        """View parameters as one vector (D,).

        Returns:
            A copy, array by array in row-major order.
        """
        return np.concatenate([np.ravel(array) for array in self.check_params(params)] or [np.empty(0)])

    @checked
    def unflatten(self, vector: Array) -> list[Array]:
        """Cut a vector (D,) into the parameter arrays.

        Args:
            vector: D numbers.

        Returns:
            Views of the vector.

        Raises:
            BadInputError: for another length.
        """
        array = _numbers("vector", vector)
        if array.shape != (self.n_params,):
            raise expected(
                f"a vector ({self.n_params},)", "vector", array.shape, "shape", "net.flatten(params)"
            )
        pieces, start = [], 0
        for shape in self.param_shapes:
            stop = start + math.prod(shape)
            pieces.append(array[start:stop].reshape(shape))
            start = stop
        return pieces

    @checked
    def jvp(self, params: Sequence[Array], X: Array, tangent: Sequence[Array]) -> Array:
        """Directional derivative J·v by forward mode.

        Args:
            params: where.
            X: inputs (n, *input_shape).
            tangent: direction v, arrays shaped like the parameters.

        Returns:
            Tangents of the outputs (n, *output shape).
        """
        arrays = self.check_params(params)
        out, cache = self.chain.forward(arrays, self.check_inputs(X))
        result = self.chain.jvp(arrays, cache, self.check_params(tangent), None)
        return np.zeros_like(out) if result is None else result

    @checked
    def vjp(self, params: Sequence[Array], X: Array, cotangent: Array) -> list[Array]:
        """Jᵀu by reverse mode, summed over samples.

        Args:
            params: where.
            X: inputs (n, *input_shape).
            cotangent: u, shaped like the outputs.

        Returns:
            Arrays shaped like the parameters.

        Raises:
            BadInputError: if the cotangent is not shaped like the outputs.
        """
        arrays = self.check_params(params)
        out, cache = self.chain.forward(arrays, self.check_inputs(X))
        u = _numbers("cotangent", cotangent)
        if u.shape != out.shape:
            raise expected(
                f"a cotangent shaped like the outputs {out.shape}",
                "cotangent",
                u.shape,
                "shape",
                f"cotangent.reshape{out.shape}",
            )
        return self.pull_back(arrays, cache, u)

    def pull_back(self, params: Sequence[Array], cache: Any, u: Array) -> list[Array]:
        """Jᵀu from the caches of a forward pass that is already done.

        Args:
            params: where.
            cache: the second result of ``forward``.
            u: cotangent, shaped like the outputs.

        Returns:
            Arrays shaped like the parameters.
        """
        found: dict[str, list[Array]] = {}

        def visit(path: str, layer: Layer, p: Params, local: Any, cotangent: Cotangent) -> None:
            found[path] = layer.gradient(p, local, cotangent.expand(len(u))[:, 0])

        start = Cotangent(u[:, None], self.output_shape, per_sample=True)
        self.chain.backward(list(params), cache, start, visit, "", False)
        return [array for path, _ in leaves(self.layers) for array in found.get(path, [])]

    @checked
    def jacobian(self, params: Sequence[Array], X: Array) -> Array:
        """Per-example Jacobian of the (flattened) outputs by the parameters, by reverse mode.

        Args:
            params: where.
            X: inputs (n, *input_shape).

        Returns:
            J (n, n_out, n_params), columns in the order of ``flatten``.
        """
        arrays = self.check_params(params)
        out, cache = self.chain.forward(arrays, self.check_inputs(X))
        found: dict[str, list[Array]] = {}

        def visit(path: str, layer: Layer, p: Params, local: Any, cotangent: Cotangent) -> None:
            rows = layer.rows(p, local, cotangent.expand(len(out)))
            found[path] = [array.reshape(len(out), self.n_out, -1) for array in rows]

        start = Cotangent.identity(self.output_shape, out.dtype)
        self.chain.backward(arrays, cache, start, visit, "", False)
        blocks = [array for path, _ in leaves(self.layers) for array in found.get(path, [])]
        if not blocks:
            return np.zeros((len(out), self.n_out, 0), dtype=out.dtype)
        return np.concatenate(blocks, axis=2)


def _numbers(name: str, values: object, real: bool = False) -> Array:
    """Read finite numbers: real ones, or whatever the layers compute with."""
    array = plain_array(name, values)
    if array.dtype.kind in "cO" and not real:
        _check_finite(array, name)
    elif not is_float64(real_array(name, array, None)):
        raise expected("floats", name, array.dtype, "dtype", "float64")
    return array


def _check_finite(array: Array, name: str) -> None:
    """Refuse NaN and infinity in complex and mpmath numbers."""
    try:
        values = array if array.dtype.kind == "c" else np.array([complex(value) for value in array.flat])
    except (TypeError, ValueError):
        raise expected("numbers", name, array.shape, "objects that are none", "a float array") from None
    if not np.isfinite(values).all():
        raise expected(
            "finite numbers",
            name,
            array.shape,
            "shape of an array with NaN or infinity",
            "np.isfinite to find them; nothing is repaired quietly",
        )
