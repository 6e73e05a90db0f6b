"""Feature maps and networks by the words that name them, and how well they do what they are for."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any

import numpy as np

from ..arrays import Array
from ..claims.theorems.status import theorem_status
from ..errors import check_integer, expected, nearest
from ..files.kinds import refuse_other_kinds
from ..former import former
from ..linear.problem import UnlearningProblem
from ..map_names import FEATURE_MAPS
from ..options import Source

__all__ = [
    "MAP_OPTIONS",
    "approximation",
    "built_network",
    "map_options",
    "named_map",
    "network_inputs",
    "network_notes",
    "resized",
]
former(__name__)


MAP_OPTIONS = ("n_features", "bandwidth", "seed")
"""Options that make a feature map, as far as its class has parameters of these names."""

_POOR = 0.1


def named_map(name: str, n_features: int, bandwidth: str, seed: int) -> Any:
    """The unfitted feature map of a name, with those of the options that it has; None for the identity."""
    made, known = _class(name), map_options(name)
    if made is None:
        return None
    options: dict[str, Any] = {
        "n_features": check_integer("n_features", n_features, 1),
        "bandwidth": bandwidth,
        "seed": seed,
    }
    if "bandwidth" in known and bandwidth != "median":
        try:
            options["bandwidth"] = float(bandwidth)
        except ValueError:
            got = (bandwidth, "text", "--bandwidth median")
            raise expected("'median' or a number", "bandwidth", *got) from None
    return made(**{option: options[option] for option in known})


def map_options(name: str) -> tuple[str, ...]:
    """Which of ``MAP_OPTIONS`` the feature map of a name has, by the signature of its class."""
    made = _class(name)
    known = {} if made is None else inspect.signature(made).parameters
    return tuple(option for option in MAP_OPTIONS if option in known)


def _class(name: str) -> Any:
    """The class of a name; None for the identity."""
    from ..linear import features

    if name not in FEATURE_MAPS:
        raise expected("a feature map", "features", name, "unknown", nearest(name, FEATURE_MAPS))
    return None if name == "identity" else getattr(features, FEATURE_MAPS[name])


def approximation(transformer: Any, X: Any, tell: Callable[[str], None]) -> list[str]:
    """How well the features approximate their kernel: a poor approximation is a failure signature."""
    from ..linear.approximation import kernel_approximation

    tell("comparing features with their kernel")
    (row,) = kernel_approximation(
        transformer, X, n_features=(transformer.n_features,), repeats=1, threshold=_POOR, max_samples=300
    )
    judgement = "poor: results speak of these features, not of the kernel" if row.poor else "good"
    return [
        f"kernel approximation {judgement} (relative spectral error {row.spectral_error:.2g}, "
        f"alignment {row.alignment:.4f}, on {row.n_samples} samples)"
    ]


def built_network(words: str, seed: int) -> tuple[Any, Any]:
    """A network and its parameters: from a file, or built and initialised from ``mlp:SIZES:ACTIVATION``."""
    from .. import networks

    if words.endswith(".npz"):
        return networks.load(words)
    refuse_other_kinds(words, "network", "network")
    kind, _, rest = words.partition(":")
    sizes, _, activation = rest.partition(":")
    try:
        widths = [int(size) for size in sizes.split("-")]
    except ValueError:
        widths = []
    if kind != "mlp" or len(widths) < 2:
        what = "a network such as mlp:64-256-1:erf or an .npz file"
        raise expected(what, "network", words, "text", "mlp:64-256-1:erf")
    net = networks.mlp(widths, activation=activation or "relu", parameterization="ntk")
    return net, net.init(seed)


def network_inputs(X: Any, net: Any, words: str, image: tuple[int, ...] = ()) -> Array:
    """Rows of a table in the shape that the network takes; rows that were images must have been of that shape.

    As many pixels in another order would pass for an image: torch puts channels first.
    """
    X = np.asarray(X)
    if len(image) == len(net.input_shape) and image != tuple(net.input_shape):
        wanted, got = ("×".join(map(str, shape)) for shape in (net.input_shape, image))
        first = (net.input_shape[-1], *net.input_shape[:-1])
        hint = "X of shape (n, height, width, channels)"
        if image == first:
            hint = "np.moveaxis(X, 1, -1), which puts channels last"
        raise expected(f"images {wanted}, height × width × channels", "X", f"images {got}", words, hint)
    size = int(np.prod(net.input_shape))
    if X.ndim != 2 or X.shape[1] != size:
        hint = resized(words, 0, X.shape[-1], "inputs")
        raise expected(f"a network of {X.shape[-1]} inputs", "network", words, f"{size} inputs", hint)
    shaped: Array = X.reshape(len(X), *net.input_shape)
    return shaped


def resized(words: str, place: int, size: int, what: str) -> str:
    """The words of a network with another number of inputs or outputs."""
    kind, *rest = words.split(":")
    if kind != "mlp":
        return f"a network made for these {what}"
    sizes = rest[0].split("-")
    sizes[place] = str(size)
    return ":".join([kind, "-".join(sizes), *rest[1:]])


def network_notes(source: Source, net: Any, problem: UnlearningProblem) -> list[str]:
    """What a linearised network is, in words."""
    general = theorem_status("linearised-network")
    held = "its Gram only, the empirical NTK" if problem.tangent.by_gram else "the Jacobian itself"
    return [
        f"network {source.network}: {net.n_params} parameters, linearised; seed {source.seed}",
        f"claim linearised-network: {general.status} in general, certificate {general.hash[:16]}",
        f"features: the tangent at these parameters in floats, used through {held}",
    ]
