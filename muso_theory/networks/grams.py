"""Structured Gram matrices: what one layer adds to J₁J₂ᵀ, without its rows of J where that is cheaper.

Each class holds one layer's factors for a batch of samples; ``tile`` multiplies two of them out for a
contraction of the outputs:

- ``"full"``: (n1, k, n2, k), every pair of outputs;
- ``"trace"``: (n1, n2), the *sum* over outputs of the diagonal blocks;
- ``"diag"``: (n1, n2, k), the diagonal blocks, as ``np.diagonal(full, axis1=1, axis2=3)`` orders them.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import Any, Literal, final

import numpy as np

from ..arrays import Array

__all__ = [
    "Contraction",
    "FactoredGram",
    "GramTerm",
    "HadamardGram",
    "KroneckerGram",
    "PatchGram",
    "PooledGram",
    "RowsGram",
]

Contraction = Literal["full", "trace", "diag"]


def _pairwise(left: Array, right: Array) -> Array:
    """The product left @ rightᵀ; numpy hands it to syrk, at half the price, when both are the same array."""
    return np.asarray(left @ right.T)


def _stacked(left: Array, right: Array) -> Array:
    """For (n, k, d) stacks, the products over d of equal k, as (n1, n2, k)."""
    return np.moveaxis(left.swapaxes(0, 1) @ right.transpose(1, 2, 0), 0, 2)


def _outputs_gram(left: Array, right: Array, out: Array | None) -> Array:
    """For (n, k, d) stacks, all products over d, as (n1, k, n2, k)."""
    (n1, k, d), n2 = left.shape, len(right)
    flat = None if out is None else out.reshape(n1 * k, n2 * k)
    return np.matmul(left.reshape(n1 * k, d), right.reshape(n2 * k, d).T, out=flat).reshape(n1, k, n2, k)


def _written(block: Array, out: Array | None) -> Array:
    """Copy into ``out`` where there is one."""
    if out is None:
        return np.asarray(block)
    out[...] = block
    return out


def _scale_blocks(block: Array, factor: Array) -> None:
    """Multiply entry (i, k, j, l) by factor (i, j) in place."""
    n1, k, n2, _ = block.shape
    # one long inner loop instead of n1 * k * n2 short ones
    block.reshape(n1, k, n2 * k)[...] *= np.repeat(factor, k, axis=1)[:, None, :]


class GramTerm(ABC):
    """One layer's share of the tangent kernel, in factors, for a batch of samples."""

    @property
    @abstractmethod
    def arrays(self) -> tuple[Array, ...]:
        """The arrays held."""

    @abstractmethod
    def take(self, rows: slice) -> GramTerm:
        """The same term for some of the samples, sharing memory."""

    @abstractmethod
    def tile(self, other: Any, contract: Contraction, out: Array | None = None) -> Array:
        """Multiply out against another batch (or itself), writing into ``out`` if that is given."""

    def add_to(self, other: Any, contract: Contraction, total: Array, buffer: Array) -> None:
        """Add the tile to ``total`` in place, with ``buffer`` (of the same shape) as scratch."""
        total += self.tile(other, contract, buffer)


@dataclass(frozen=True, eq=False)
class _InputGram(GramTerm):
    """Shared part of the dense layers' terms: the Gram s_w² A Aᵀ + s_b² of the layer's inputs.

    Args:
        inputs: A, the layer's inputs (n, d).
        weight_scale: s_w² = 1 in standard parameterisation, w_std²/fan_in in NTK parameterisation.
        bias_scale: s_b² = 1 or b_std².
    """

    inputs: Array
    weight_scale: Any
    bias_scale: Any

    def input_gram(self, other: _InputGram) -> Array:
        """The Gram of the inputs (n1, n2)."""
        gram = _pairwise(self.inputs, other.inputs)
        gram *= self.weight_scale
        gram += self.bias_scale
        return gram


@final
@dataclass(frozen=True, eq=False)
class HadamardGram(_InputGram):
    """A dense layer deep in the network: (s_w² A Aᵀ + s_b²) ∘ (Δ Δᵀ).

    Args:
        deltas: Δ, derivatives of the outputs by the layer's output (n, k, d_out).
    """

    deltas: Array

    @property
    def arrays(self) -> tuple[Array, ...]:
        """Inputs and deltas."""
        return (self.inputs, self.deltas)

    def take(self, rows: slice) -> HadamardGram:
        """Restrict to some samples."""
        return HadamardGram(self.inputs[rows], self.weight_scale, self.bias_scale, self.deltas[rows])

    def tile(self, other: HadamardGram, contract: Contraction, out: Array | None = None) -> Array:
        """Multiply out."""
        gram = self.input_gram(other)
        if contract == "full":
            block = _outputs_gram(self.deltas, other.deltas, out)
            _scale_blocks(block, gram)
            return block
        if contract == "trace":
            n1, n2 = len(self.deltas), len(other.deltas)
            return np.multiply(
                gram, _pairwise(self.deltas.reshape(n1, -1), other.deltas.reshape(n2, -1)), out=out
            )
        return np.multiply(gram[:, :, None], _stacked(self.deltas, other.deltas), out=out)


@final
@dataclass(frozen=True, eq=False)
class FactoredGram(_InputGram):
    """The last hidden dense layer, where Δ(i, k) = slope_i ∘ head_k is never held for all samples.

    Args:
        slopes: (n, d_out).
        head: (k, d_out).
    """

    slopes: Array
    head: Array

    @property
    def arrays(self) -> tuple[Array, ...]:
        """Inputs, slopes and head."""
        return (self.inputs, self.slopes, self.head)

    def take(self, rows: slice) -> FactoredGram:
        """Restrict to some samples."""
        return FactoredGram(
            self.inputs[rows], self.weight_scale, self.bias_scale, self.slopes[rows], self.head
        )

    def tile(self, other: FactoredGram, contract: Contraction, out: Array | None = None) -> Array:
        """Multiply out; the trace needs one n×n Gram, because Σ_k head_k² collapses."""
        gram = self.input_gram(other)
        if contract == "trace":
            if self.head.dtype == object or np.iscomplexobj(self.head):
                inner = _pairwise(self.slopes * (self.head * self.head).sum(axis=0), other.slopes)
            else:
                # Σ_k Δ_kΔ_kᵀ = S diag(Σ_k head_k²) Sᵀ: roots on both sides make one symmetric product, at half price.
                weight = np.sqrt(np.einsum("kd,kd->d", self.head, self.head))
                left = self.slopes * weight
                inner = _pairwise(left, left if other is self else other.slopes * weight)
            return np.multiply(gram, inner, out=out)
        left = self.slopes[:, None] * self.head
        right = left if other is self else other.slopes[:, None] * other.head
        if contract == "full":
            block = _outputs_gram(left, right, out)
            _scale_blocks(block, gram)
            return block
        return np.multiply(gram[:, :, None], _stacked(left, right), out=out)


@final
@dataclass(frozen=True, eq=False)
class KroneckerGram(_InputGram):
    """A dense layer whose deltas are the same for every sample (the head): (s_w² A Aᵀ + s_b²) ⊗ CCᵀ.

    Args:
        outputs: CCᵀ (k, k); the identity for the head itself.
    """

    outputs: Array

    @property
    def arrays(self) -> tuple[Array, ...]:
        """Inputs and the small Gram of the outputs."""
        return (self.inputs, self.outputs)

    def take(self, rows: slice) -> KroneckerGram:
        """Restrict to some samples."""
        return KroneckerGram(self.inputs[rows], self.weight_scale, self.bias_scale, self.outputs)

    def tile(self, other: KroneckerGram, contract: Contraction, out: Array | None = None) -> Array:
        """Multiply out."""
        gram = self.input_gram(other)
        if contract == "full":
            return np.multiply(gram[:, None, :, None], self.outputs[None, :, None, :], out=out)
        diagonal = np.diagonal(self.outputs)
        if contract == "trace":
            return np.asarray(np.multiply(gram, diagonal.sum(), out=out))
        return np.asarray(np.multiply(gram[:, :, None], diagonal, out=out))

    def add_to(self, other: KroneckerGram, contract: Contraction, total: Array, buffer: Array) -> None:
        """Add, touching only the diagonal blocks when CCᵀ is diagonal."""
        small = self.outputs
        if contract != "full" or np.any(small - np.diag(np.diagonal(small))):
            super().add_to(other, contract, total, buffer)
            return
        gram = self.input_gram(other)
        for k, weight in enumerate(np.diagonal(small)):
            total[:, k, :, k] += gram if weight == 1 else weight * gram


@final
@dataclass(frozen=True, eq=False)
class RowsGram(GramTerm):
    """A layer that is cheapest through its own rows of J (convolutions, normalisations).

    Args:
        rows: (n, k, p), the layer's columns of the Jacobian.
    """

    rows: Array

    @property
    def arrays(self) -> tuple[Array, ...]:
        """The rows."""
        return (self.rows,)

    def take(self, rows: slice) -> RowsGram:
        """Restrict to some samples."""
        return RowsGram(self.rows[rows])

    def tile(self, other: RowsGram, contract: Contraction, out: Array | None = None) -> Array:
        """Multiply out."""
        if contract == "full":
            return _outputs_gram(self.rows, other.rows, out)
        if contract == "trace":
            n1, n2 = len(self.rows), len(other.rows)
            return np.matmul(self.rows.reshape(n1, -1), other.rows.reshape(n2, -1).T, out=out)
        block = _stacked(self.rows, other.rows)
        return _written(block, out)


@final
@dataclass(frozen=True, eq=False)
class PooledGram(GramTerm):
    """A convolution under global average pooling: row (i, k) of J is head[k, c] · features[c, i], per channel c.

    Args:
        features: (c, n, p).
        head: (k, c).
    """

    features: Array
    head: Array

    @property
    def arrays(self) -> tuple[Array, ...]:
        """Pooled features and head."""
        return (self.features, self.head)

    def take(self, rows: slice) -> PooledGram:
        """Restrict to some samples."""
        return PooledGram(self.features[:, rows], self.head)

    def tile(self, other: PooledGram, contract: Contraction, out: Array | None = None) -> Array:
        """Multiply out: one n×n Gram a channel, then a small product over channels."""
        # ⟨row (i, k), row (j, l)⟩ = Σ_c head[k, c] head[l, c] ⟨features[c, i], features[c, j]⟩.
        per_channel = self.features @ other.features.swapaxes(1, 2)
        channels, n1, n2 = per_channel.shape
        k = len(self.head)
        flat = per_channel.reshape(channels, n1 * n2).T
        if contract == "full":
            pairs = (self.head[:, None] * self.head).reshape(k * k, channels)
            block = (flat @ pairs.T).reshape(n1, n2, k, k).swapaxes(1, 2)
        elif contract == "trace":
            block = (flat @ (self.head * self.head).sum(axis=0)).reshape(n1, n2)
        else:
            block = (flat @ (self.head * self.head).T).reshape(n1, n2, k)
        return _written(block, out)


@final
@dataclass(frozen=True, eq=False)
class PatchGram(GramTerm):
    """A convolution with few positions and many channels: Σ over positions p, q of (patch_p · patch_q)(Δ_p · Δ_q).

    A row of J is Σ_p patch_p ⊗ Δ_p, so the inner product of two rows is that sum. Of P positions P(fan_in + k·c_out)
    numbers are held for a sample, not k·fan_in·c_out (R. Novak, J. Sohl-Dickstein, S. Schoenholz 2022).

    Args:
        patches: scaled, with a column for the bias where there is one, (n, P, p).
        deltas: derivatives of the outputs by the layer's output (n, k, P, c_out).
    """

    patches: Array
    deltas: Array

    @property
    def arrays(self) -> tuple[Array, ...]:
        """Patches and deltas."""
        return (self.patches, self.deltas)

    def take(self, rows: slice) -> PatchGram:
        """Restrict to some samples."""
        return PatchGram(self.patches[rows], self.deltas[rows])

    def tile(self, other: PatchGram, contract: Contraction, out: Array | None = None) -> Array:
        """Multiply out, one sample of the left batch after the other."""
        (n1, k, P, c), n2 = self.deltas.shape, len(other.deltas)
        shape = {"full": (n1, k, n2, k), "trace": (n1, n2), "diag": (n1, n2, k)}[contract]
        block = np.empty(shape, np.result_type(self.patches, self.deltas)) if out is None else out
        patches, deltas = other.patches.reshape(n2 * P, -1).T, other.deltas.reshape(-1, c).T
        for i in range(n1):
            near = (self.patches[i] @ patches).reshape(P, n2, 1, P)
            if contract == "full":
                pairs = (self.deltas[i].reshape(k * P, c) @ deltas).reshape(k, P, n2, k, P)
                block[i] = (pairs * near).sum(axis=(1, 4))
                continue
            for a in range(k):
                pairs = (self.deltas[i, a] @ other.deltas[:, a].reshape(n2 * P, c).T).reshape(P, n2, P)
                found = (pairs * near[:, :, 0]).sum(axis=(0, 2))
                if contract == "diag":
                    block[i, :, a] = found
                else:
                    block[i] = found if not a else block[i] + found
        return block
