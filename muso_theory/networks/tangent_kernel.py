"""The empirical neural tangent kernel Θ = J₁J₂ᵀ, without J wherever a layer's structure allows.

A row of J is x ⊗ δ in a dense layer, whose share of Θ is (s_w² XXᵀ + s_b²) ∘ ΔΔᵀ: n(d_in + k·d_out) numbers are held
for it, not nk·d_in·d_out (R. Novak, J. Sohl-Dickstein, S. Schoenholz, "Fast finite width neural tangent kernel", 2022).
Θ is written in tiles. Factors of a block of samples are held while those of all others stream past it, each computed
once a block, and of a symmetric kernel only the tiles on and above the diagonal are multiplied out.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import nullcontext
from dataclasses import dataclass, field
from itertools import pairwise
from threading import local
from typing import Any, final

import numpy as np

from ..arguments import checked
from ..arrays import Array
from ..errors import check_integer, expected, nearest
from .composition import leaves
from .factors import budgeted, gram_terms, nbytes, parametrised_paths
from .grams import Contraction, GramTerm
from .network import Sequential
from .operators import jacobian_operator

__all__ = ["empirical_ntk", "ntk_operator", "parametrised_layers"]

TILE_ROWS = 1024
"""Rows of a tile (samples times outputs): two tiles stay in a shared cache, and BLAS is at full speed."""

TILE_SAMPLES = 256
"""Samples of a tile at most: what a wide network needs at once for a chunk stays below what it keeps of it."""

PASS_ROWS = 3072
"""Samples times outputs of one backward pass at most: what it needs at once stays small beside the factors."""

FACTOR_BYTES = 1 << 30
"""Bytes of layer factors kept at once when no budget is given."""

LARGE_BYTES = 4 << 30
"""The budget of a network so large that the factors of a chunk may be more than that."""


@checked
def parametrised_layers(net: Sequential) -> list[str]:
    """Names of the layers with parameters, in forward order: the first axis of ``per_layer=True``.

    Args:
        net: the network.

    Returns:
        Strings "path kind", for example "0 dense 64→512".

    Example:
        >>> from muso_theory.networks import mlp
        >>> parametrised_layers(mlp([4, 8, 1]))
        ['0 dense 4→8', '2 dense 8→1']
    """
    return [f"{path} {layer}" for path, layer in leaves(net.layers) if layer.param_shapes]


@final
@dataclass(frozen=True, eq=False)
class _Plan:
    """Where the tiles of one kernel go, and how they are multiplied out.

    Args:
        contract: of the outputs.
        out: the kernel.
        n_out: number of outputs.
        per_layer: whether every layer has a kernel of its own.
        first: number of the first of the layers at hand.
        adds: whether the shares of other layers are there already.
        scratch: of each thread.
    """

    contract: Contraction
    out: Array
    n_out: int
    per_layer: bool
    first: int = 0
    adds: bool = False
    scratch: local = field(default_factory=local)

    def _buffers(self, n1: int, n2: int) -> tuple[Array, Array]:
        """Two tiles of this thread's own, reused from tile to tile."""
        k = self.n_out
        shape = {"full": (n1, k, n2, k), "trace": (n1, n2), "diag": (n1, n2, k)}[self.contract]
        size = int(np.prod(shape))
        held = getattr(self.scratch, "held", None)
        if held is None or held[0].size < size:
            held = self.scratch.held = (np.empty(size, self.out.dtype), np.empty(size, self.out.dtype))
        return held[0][:size].reshape(shape), held[1][:size].reshape(shape)

    def _place(self, tile: Array, index: tuple[Any, ...], rows: slice, columns: slice, mirror: bool) -> None:
        """Write a tile, and its mirror image below the diagonal."""
        full = self.contract == "full"
        between = (slice(None),) if full else ()
        places = [((*index, rows, *between, columns), tile)]
        if mirror:
            across = tile.transpose(2, 3, 0, 1) if full else tile.swapaxes(0, 1)
            places.append(((*index, columns, *between, rows), across))
        for place, block in places:
            self.out[place] = self.out[place] + block if self.adds else block

    def run(
        self, left: list[GramTerm], right: list[GramTerm], rows: slice, columns: slice, mirror: bool
    ) -> None:
        """Multiply one tile out, layer by layer, and write it."""
        total, buffer = self._buffers(rows.stop - rows.start, columns.stop - columns.start)
        for index, (a, b) in enumerate(zip(left, right, strict=True)):
            if self.per_layer:
                self._place(a.tile(b, self.contract, total), (self.first + index,), rows, columns, mirror)
            elif index == 0:
                a.tile(b, self.contract, total)
            else:
                a.add_to(b, self.contract, total, buffer)
        if not self.per_layer:
            self._place(total, (), rows, columns, mirror)


@checked
def empirical_ntk(
    net: Sequential,
    params: Sequence[Array],
    X1: Array,
    X2: Array | None = None,
    contract: Contraction = "full",
    *,
    out: Array | None = None,
    max_bytes: int | None = None,
    threads: int | None = None,
    per_layer: bool = False,
    progress: Callable[[int, int], None] | None = None,
) -> Array:
    """The empirical neural tangent kernel Θ = J₁J₂ᵀ (claim ``linearised-network``: the Gram K = ΦΦᵀ with Φ = J).

    Dense layers contribute (s_w² A Aᵀ + s_b²) ∘ (Δ Δᵀ); the head's deltas are never formed; a convolution
    contributes its rows of J, or pooled features under global average pooling. With X2=None only the upper
    tiles are computed and mirrored. The result does not depend on tiles or threads beyond rounding.

    Args:
        net: the network; several output axes are flattened.
        params: its parameters.
        X1: inputs (n1, *input_shape).
        X2: inputs (n2, *input_shape), or None for X1 again at about half the price.
        contract: ``"full"`` (n1, k, n2, k); ``"trace"`` (n1, n2), the *sum* over outputs, not their mean;
            ``"diag"`` (n1, n2, k), one kernel an output, as ``np.diagonal(full, axis1=1, axis2=3)``.
        out: where to write, of the result's shape and dtype; a memory-mapped array streams tiles to disk.
        max_bytes: memory for factors and tiles, above the result; factors that do not fit are computed again
            for every block of rows, and where not even those of one sample fit, for a block of layers at a time: no
            Jacobian ever stands. None holds up to 1 GiB of factors, and takes 4 GiB as the budget of networks of
            millions of parameters.
        threads: Python threads over tiles, each with single-threaded BLAS; None leaves threads to BLAS.
        per_layer: give each layer's contribution, a leading axis in the order of
            :func:`parametrised_layers`, instead of their sum.
        progress: called with the number of finished and of all tiles.

    Returns:
        The kernel.

    Raises:
        BadInputError: for an unknown contraction, inputs or parameters that do not fit, an ``out`` of another
            shape or dtype, a network without parameters, or a budget too small for one sample (it says the smallest
            that works).

    Example:
        >>> import numpy as np
        >>> from muso_theory.networks import mlp
        >>> net = mlp([3, 16, 2], activation="erf", parameterization="ntk")
        >>> params, X = net.init(0), np.eye(3)
        >>> J = net.jacobian(params, X)
        >>> bool(np.allclose(empirical_ntk(net, params, X), np.einsum("akp,blp->akbl", J, J)))
        True
        >>> empirical_ntk(net, params, X, contract="trace").shape
        (3, 3)
    """
    if contract not in ("full", "trace", "diag"):
        hint = nearest(str(contract), ["full", "trace", "diag"])
        raise expected("a contraction", "contract", contract, type(contract).__name__, hint)
    for name, number, least in (("threads", threads, 1), ("max_bytes", max_bytes, 0)):
        if number is not None:
            check_integer(name, number, least, hint="None")
    if out is not None and not (isinstance(out, np.ndarray) and out.flags.writeable):
        got = type(out).__name__
        raise expected("an array that may be written to", "out", got, "not writeable", "np.empty or None")
    if not net.param_shapes:
        raise expected("a network with parameters", "net", net, "no parameters", "a Dense layer")
    arrays = net.check_params(params)
    first = net.check_inputs(X1, "X1")
    second = first if X2 is None else net.check_inputs(X2, "X2")
    symmetric = X2 is None
    n1, n2, k = len(first), len(second), net.n_out
    shape: tuple[int, ...] = {"full": (n1, k, n2, k), "trace": (n1, n2), "diag": (n1, n2, k)}[contract]
    if per_layer:
        shape = (sum(1 for _, layer in leaves(net.layers) if layer.param_shapes), *shape)
    dtype = np.result_type(first, second, *arrays)
    if out is None:
        out = np.empty(shape, dtype)
    elif out.shape != shape or out.dtype != dtype:
        got = f"shape {out.shape}, dtype {out.dtype}"
        raise expected(
            f"an array {shape} of {dtype}", "out", type(out).__name__, got, f"np.empty({shape}, {dtype!s})"
        )
    if not n1 or not n2:
        return out

    workers = threads or 1
    step = max(1, min(TILE_SAMPLES, PASS_ROWS // k, TILE_ROWS // k if contract == "full" else TILE_SAMPLES))
    if workers > 1:  # enough tiles for every thread
        step = max(1, min(step, -(-max(n1, n2) // (2 * workers))))
    blocks, held = [parametrised_paths(net)], 0
    if max_bytes is not None:
        blocks, step, held = budgeted(net, arrays, first, contract, step, workers, max_bytes)
    elif net.n_params * k * step * first.itemsize > FACTOR_BYTES:  # rows of J, if it came to them
        blocks, step, held = budgeted(net, arrays, first, contract, step, workers, LARGE_BYTES)

    def compute(pool: ThreadPoolExecutor | None) -> None:
        start = 0
        for number, paths in enumerate(blocks):
            plan = _Plan(contract, out, k, per_layer, start, adds=number > 0 and not per_layer)
            tell = None if progress is None else _shared(progress, number, len(blocks))
            _compute(net, arrays, first, second, symmetric, plan, paths, step, held, pool, tell)
            start += len(paths)

    if threads is None:
        compute(None)
        return out
    from threadpoolctl import threadpool_limits

    with threadpool_limits(1), ThreadPoolExecutor(workers) if workers > 1 else nullcontext() as pool:
        compute(pool)
    return out


def _shared(progress: Callable[[int, int], None], number: int, count: int) -> Callable[[int, int], None]:
    """Progress of one of so many equal parts."""
    return lambda done, total: progress(number * total + done, count * total)


def _slices(n: int, step: int) -> list[slice]:
    """Cut n samples into chunks of nearly equal length, at most ``step``."""
    count = -(-n // step)
    bounds = [n * index // count for index in range(count + 1)]
    return [slice(a, b) for a, b in pairwise(bounds)]


def _compute(
    net: Sequential,
    params: Sequence[Array],
    first: Array,
    second: Array,
    symmetric: bool,
    plan: _Plan,
    paths: Sequence[str],
    step: int,
    held: int,
    pool: ThreadPoolExecutor | None,
    progress: Callable[[int, int], None] | None,
) -> None:
    """Walk over the tiles: hold the factors of a block of rows, stream those of the columns past it."""
    rows, columns = _slices(len(first), step), _slices(len(second), step)
    every = map if pool is None else pool.map
    done, total = 0, len(rows) * (len(rows) + 1) // 2 if symmetric else len(rows) * len(columns)

    def factors(part: slice, X: Array) -> list[GramTerm]:
        return gram_terms(net, params, X[part], paths)

    def finish(jobs: list[tuple[list[GramTerm], list[GramTerm], slice, slice, bool]]) -> None:
        nonlocal done
        for _ in every(lambda job: plan.run(*job), jobs):
            done += 1
            if progress is not None:
                progress(done, total)

    # A backward pass costs far more than a tile. Held blocks make the passes over the columns as few as memory allows:
    # ⌈row chunks / count⌉ of them, half in the mean for a symmetric kernel, where columns before the block are done.
    start = 0
    while start < len(rows):
        probe = factors(rows[start], first)
        count = held or max(1, FACTOR_BYTES // max(1, nbytes(probe)))
        block = rows[start : start + count]
        terms = [probe, *every(lambda part: factors(part, first), block[1:])]
        if symmetric:
            finish(
                [
                    (terms[i], terms[j], block[i], block[j], i != j)
                    for i in range(len(block))
                    for j in range(i, len(block))
                ]
            )
        for part in columns[start + len(block) :] if symmetric else columns:
            across = factors(part, second)
            finish([(own, across, mine, part, symmetric) for own, mine in zip(terms, block, strict=True)])
        start += len(block)


@checked
def ntk_operator(net: Sequential, params: Sequence[Array], X1: Array, X2: Array | None = None) -> Any:
    """Θ = J₁J₂ᵀ as a ``scipy.sparse.linalg.LinearOperator``: products with it without forming it.

    Args:
        net: the network.
        params: its parameters.
        X1: inputs (n1, *input_shape).
        X2: inputs (n2, *input_shape), or None for X1.

    Returns:
        The operator (n1·n_out, n2·n_out), rows sample by sample, outputs fastest.

    Raises:
        BadInputError: for parameters or inputs that do not fit.

    Example:
        >>> import numpy as np
        >>> from muso_theory.networks import mlp
        >>> net = mlp([3, 8, 2])
        >>> params, X = net.init(0), np.eye(3)
        >>> theta = empirical_ntk(net, params, X).reshape(6, 6)
        >>> bool(np.allclose(ntk_operator(net, params, X) @ np.ones(6), theta @ np.ones(6)))
        True
    """
    from scipy.sparse.linalg import LinearOperator

    left = jacobian_operator(net, params, X1)
    right = left if X2 is None else jacobian_operator(net, params, X2)
    return LinearOperator(
        (left.shape[0], right.shape[0]),
        matvec=lambda v: left.matvec(right.rmatvec(v)),
        rmatvec=lambda u: right.matvec(left.rmatvec(u)),
        dtype=left.dtype,
    )
