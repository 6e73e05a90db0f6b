"""Factors of the tangent kernel, layer by layer, and how many of them fit into memory."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from typing import Any

from ..arrays import Array
from ..errors import expected
from .composition import leaves
from .convolution import PATCH_BYTES, Conv2D
from .cotangents import Cotangent
from .grams import Contraction, GramTerm
from .layer import Layer, Params
from .network import Sequential

__all__ = ["budgeted", "gram_terms", "nbytes", "parametrised_paths"]


def gram_terms(
    net: Sequential, params: Sequence[Array], X: Array, only: Sequence[str] | None = None
) -> list[GramTerm]:
    """Every parametrised layer's share of the kernel, in factors, in forward order.

    Args:
        net: the network.
        params: checked parameters.
        X: checked inputs.
        only: the paths of some of the layers; None is all.

    Returns:
        One term a layer.
    """
    out, cache = net.chain.forward(params, X)
    found: dict[str, GramTerm] = {}

    def visit(path: str, layer: Layer, p: Params, local_cache: Any, cotangent: Cotangent) -> None:
        if only is None or path in only:
            found[path] = layer.gram_term(p, local_cache, cotangent, len(out))

    net.chain.backward(params, cache, Cotangent.identity(net.output_shape, out.dtype), visit, "", False)
    return [found[path] for path in parametrised_paths(net) if path in found]


def parametrised_paths(net: Sequential) -> list[str]:
    """Places of the layers with parameters."""
    return [path for path, layer in leaves(net.layers) if layer.param_shapes]


def nbytes(terms: Iterable[GramTerm]) -> int:
    """Bytes that terms hold, counting shared memory once."""
    places: dict[int, int] = {}
    for term in terms:
        for array in term.arrays:
            places[array.__array_interface__["data"][0]] = array.nbytes
    return sum(places.values())


def _tile_bytes(contract: Contraction, step: int, k: int, itemsize: int) -> int:
    """Bytes one thread needs for tiles: two of the result and one Gram of inputs with its repetition."""
    entries = {"full": (step * k) ** 2, "trace": step * step, "diag": step * step * k}[contract]
    return (2 * entries + step * step * (1 + k)) * itemsize


def budgeted(
    net: Sequential,
    params: Sequence[Array],
    X: Array,
    contract: Contraction,
    step: int,
    threads: int,
    limit: int,
) -> tuple[list[list[str]], int, int]:
    """Choose which layers are taken at a time, the chunk length and how many chunks of factors to hold.

    The price of one sample is measured on one sample: the factors it leaves behind, and the widest cotangent on
    the way, of which a few copies are in work at a time besides the buffers of patches. Layers are taken together as
    long as one sample's factors of them fit; each block of layers costs another pass through the network.

    Returns:
        Paths of each block of layers, samples a chunk, and chunks.
    """
    paths = parametrised_paths(net)
    terms = dict(zip(paths, gram_terms(net, params, X[:1]), strict=True))
    widest, patches = 0, 0

    def visit(path: str, layer: Layer, p: Params, local_cache: Any, cotangent: Cotangent) -> None:
        nonlocal widest, patches
        widest = max(widest, net.n_out * math.prod(cotangent.shape) * X.itemsize)
        if isinstance(layer, Conv2D):
            patches = max(patches, math.prod(cotangent.shape[:2]) * layer.fan_in * layer.groups * X.itemsize)

    out, cache = net.chain.forward(params, X[:1])
    net.chain.backward(params, cache, Cotangent.identity(net.output_shape, out.dtype), visit, "", False)

    def price(block: Sequence[str]) -> tuple[int, int]:
        """Bytes of one sample's factors, and of what all samples have in common."""
        held = [terms[path] for path in block]
        arrays = (array for term in held for array in term.arrays)
        fixed = sum(array.nbytes for array in arrays if len(array) == net.n_out and len(array) > 1)
        return max(nbytes(held) - fixed, 1), fixed

    def need(length: int, one: int, fixed: int) -> int:
        buffers = 4 * min(max(PATCH_BYTES, patches), patches * net.n_out * length)
        tiles = _tile_bytes(contract, length, net.n_out, X.itemsize)
        work = (3 * one + 4 * widest) * length + buffers + tiles
        return (2 * one * length + threads * work + fixed) * 5 // 4  # small arrays and fragmentation

    smallest = max(need(1, *price([path])) for path in paths)
    if limit < smallest:
        raise expected(
            "a memory budget that holds one sample's factors of one layer twice and their tile",
            "max_bytes",
            limit,
            "bytes above the result",
            f"max_bytes={smallest}, the smallest that works with threads={threads}",
        )
    blocks: list[list[str]] = []
    for path in paths:
        if blocks and need(1, *price([*blocks[-1], path])) <= limit:
            blocks[-1].append(path)
        else:
            blocks.append([path])
    one, fixed = (max(part) for part in zip(*map(price, blocks), strict=True))
    while step > 1 and need(step, one, fixed) > limit:
        step = max(1, step // 2)
    spare = max(0, limit - need(step, one, fixed))
    return blocks, step, 1 + spare * 4 // 5 // (one * step + fixed)
