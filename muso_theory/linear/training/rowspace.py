"""Orthonormal coordinates of the row space, in which errors of training are small vectors.

w − w₀ = Vz + (a part that no sample sees), with V an orthonormal basis of row(Φ). The rows of A = ΦV, shape (n, r),
are the samples in these coordinates: AAᵀ = K and AᵀA has the nonzero spectrum of ΦᵀΦ.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import final

import numpy as np
import scipy.linalg

from ...arrays import Array
from ...numbers import FLOAT64, CholeskyFactor
from ...numbers.float64 import SpectralFactor
from ..closed_forms import Point, float_model
from ..problem import UnlearningProblem, require_problem
from .coordinates import image_of, transposed_image

__all__ = ["RowSpace"]


@final
@dataclass(frozen=True, eq=False)
class RowSpace:
    """The row space of some features.

    Args:
        features: Φ, shape (n, D), float64 or float32.
        samples: A, shape (n, r), rows in the order of Φ.
        order: positions in which ``factor`` was made.
        factor: factorisation of K in that order, or None when n > D.
        vectors: U and Σ of Φ = UΣVᵀ when n > D, shapes (n, r) and (r,).
    """

    features: Array
    samples: Array
    order: Array
    factor: CholeskyFactor | SpectralFactor | None = None
    vectors: tuple[Array, Array] | None = None

    @classmethod
    def of(cls, problem: UnlearningProblem) -> RowSpace:
        """The row space of a problem, from the factorisation that it shares with everything else.

        Args:
            problem: the problem.

        Returns:
            The coordinates.

        Raises:
            BadInputError: features beyond the range of float64.
        """
        require_problem(problem)
        model = float_model(problem)
        features = FLOAT64.matrix(problem.features)
        if not model.is_dual:
            return cls._tall(features)
        return cls._wide(features, model.order, model.factor(model.everything))

    @classmethod
    def from_features(cls, features: Array) -> RowSpace:
        """The row space of a feature matrix.

        Args:
            features: Φ, shape (n, D), any real dtype.

        Returns:
            The coordinates.

        Raises:
            BadInputError: features beyond the range of float64.
        """
        phi = FLOAT64.matrix(features)
        if len(phi) > phi.shape[1]:
            return cls._tall(phi)
        return cls._wide(phi, np.arange(len(phi)), FLOAT64.factor(FLOAT64.gram(phi)))

    @classmethod
    def _wide(cls, features: Array, order: Array, factor: object) -> RowSpace:
        """From a factorisation of K."""
        assert isinstance(factor, CholeskyFactor | SpectralFactor)
        if isinstance(factor, CholeskyFactor):
            root = np.tril(factor.lower[: factor.size])
        else:
            root = factor.vectors * np.sqrt(factor.values)
        samples = np.empty_like(root)
        samples[order] = root
        return cls(features, samples, order, factor)

    @classmethod
    def _tall(cls, features: Array) -> RowSpace:
        """More samples than features: from the singular value decomposition."""
        u, s, _ = scipy.linalg.svd(
            np.asarray(features, dtype=np.float64), full_matrices=False, check_finite=False
        )
        kept = s > max(features.shape) * np.finfo(np.float64).eps * s[0]
        u, s = u[:, kept], s[kept]
        return cls(features, u * s, np.arange(len(features)), None, (u, s))

    @property
    def rank(self) -> int:
        """Numerical rank r of Φ."""
        return int(self.samples.shape[1])

    @cached_property
    def gram(self) -> Array:
        """K = AAᵀ, shape (n, n), in the order of Φ."""
        return np.asarray(self.samples @ self.samples.T)

    @cached_property
    def spectrum(self) -> tuple[Array, Array]:
        """Eigenvalues and eigenvectors of AᵀA, the nonzero ones of K, ascending."""
        if self.vectors is not None:
            s = self.vectors[1][::-1]
            return s * s, np.asarray(np.eye(len(s))[:, ::-1])
        if isinstance(self.factor, SpectralFactor):
            return self.factor.values, np.eye(self.rank)
        values, vectors = scipy.linalg.eigh(self.samples.T @ self.samples, driver="evd", check_finite=False)
        return np.maximum(values, 0.0), vectors

    def pull(self, outputs: Array) -> Array:
        """Coordinates z of the minimum-norm point with Az = outputs, in the least-squares sense.

        Args:
            outputs: shape (n, C).

        Returns:
            A⁺ outputs, shape (r, C).
        """
        if self.vectors is not None:
            u, s = self.vectors
            return np.asarray((u.T @ outputs) / s[:, None])
        if isinstance(self.factor, CholeskyFactor):
            return self.factor.forward(outputs[self.order])
        assert self.factor is not None
        vectors, values = self.factor.vectors, self.factor.values
        return np.asarray((vectors.T @ outputs[self.order]) / np.sqrt(values)[:, None])

    def coordinates(self, point: Point) -> Array:
        """Coordinates of a point of the closed forms, relative to w₀.

        Args:
            point: w = w₀ + Φᵀa + v, with v in the row space.

        Returns:
            z, shape (r, C).
        """
        parts = []
        if point.coefficients is not None:
            parts.append(self.samples[self.order].T @ point.coefficients)
        if point.offset is not None:
            parts.append(self.pull(image_of(self.features, point.offset)))
        return np.asarray(sum(parts)) if parts else np.zeros((self.rank, 1))

    def split(self, v: Array) -> tuple[Array, float]:
        """Split a displacement of the parameters.

        Args:
            v: shape (D, C).

        Returns:
            Its coordinates z, shape (r, C), and ‖(I − P)v‖.
        """
        outputs = image_of(self.features, v)
        z = self.pull(outputs)
        # The row-space part is Vz = Φᵀ(A⁺)ᵀz: subtracting it keeps the digits that ‖v‖² − ‖z‖² would lose.
        return z, float(np.linalg.norm(v - transposed_image(self.features, self._lift(z))))

    def _lift(self, z: Array) -> Array:
        """Coefficients a with Φᵀa = Vz, shape (n, C)."""
        if self.vectors is not None:
            u, s = self.vectors
            return np.asarray(u @ (z / s[:, None]))
        out = np.empty((len(self.samples), z.shape[1]))
        if isinstance(self.factor, CholeskyFactor):
            out[self.order] = self.factor.backward(z)
        else:
            assert self.factor is not None
            out[self.order] = self.factor.vectors @ (z / np.sqrt(self.factor.values)[:, None])
        return out
