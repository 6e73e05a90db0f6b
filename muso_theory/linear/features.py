"""Feature maps: scikit-learn transformers that know the kernel they approximate.

Random features φ have E[φ(x)ᵀφ(x')] = k(x, x'), the expectation being over the draw of the map. Each
class states its kernel, the law of its frequencies and what every single feature contributes to
that expectation. Any other scikit-learn transformer may be used in their place; only
:func:`muso_theory.linear.approximation.kernel_approximation` needs the exact kernel.

References:
    Rahimi & Recht, "Random features for large-scale kernel machines", NeurIPS 2007.
    Cho & Saul, "Kernel methods for deep learning", NeurIPS 2009.
    Yu, Suresh, Choromanski, Holtmann-Rice & Kumar, "Orthogonal random features", NeurIPS 2016.
"""

from __future__ import annotations

import math
from abc import abstractmethod
from collections.abc import Iterator
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
from sklearn.base import ClassNamePrefixFeaturesOutMixin, OneToOneFeatureMixin

from ..arrays import FloatArray
from ..errors import check_integer, expected
from ..streams import FEATURES
from . import kernels
from .feature_map import FeatureMap, check_choice, check_positive
from .kernels import Metric

__all__ = [
    "ArcCosineFeatures",
    "GaussianFeatures",
    "IdentityFeatures",
    "LaplacianFeatures",
    "MaternFeatures",
    "OrthogonalFeatures",
]

Balls = Iterator[tuple[slice, Iterator[Any]]]
"""What ``_in_balls`` makes of the balls of Wx, for `linear.precise`: blocks of columns, and the features in them."""

_BLOCK_ENTRIES = 2**22
"""Entries of Wx held at a time: 32 MiB of float64, whatever the number of rows."""


class IdentityFeatures(OneToOneFeatureMixin, FeatureMap):  # type: ignore[misc]
    """The linear model: φ(x) = x, kernel xᵀx', no randomness.

    ``transform`` returns the data itself, not a copy, when it is already float64.

    Example:
        >>> IdentityFeatures().fit_transform([[1.0, 2.0]])
        array([[1., 2.]])
    """

    def __init__(self) -> None: ...  # inspection would take that of ``__new__``

    def _resolve(self, X: FloatArray) -> None:
        """Nothing to resolve: the map has no parameters."""

    def _map(self, X: npt.NDArray[Any]) -> npt.NDArray[Any]:
        """Return the data as float64."""
        return np.asarray(X, dtype=np.float64)

    def _in_balls(self, projections: Any) -> Balls:
        """The input itself."""
        yield slice(None), iter(projections.entries())

    def _exact_kernel(self, X: FloatArray, Y: FloatArray) -> FloatArray:
        """Return inner products."""
        return kernels.linear_kernel(X, Y)


class _RandomFeatures(ClassNamePrefixFeaturesOutMixin, FeatureMap):  # type: ignore[misc]
    """Random features φ(x) = scale · activation(Wx): drawing W, and mapping in blocks of rows."""

    n_features: int
    seed: int
    dtype: str

    @abstractmethod
    def _activate(self, projection: npt.NDArray[Any], out: npt.NDArray[Any]) -> None:
        """Write the features of one block of rows, from their projections Wx."""

    def _check_common(self) -> tuple[int, np.random.Generator]:
        """Check the parameters that all random maps share."""
        n_features = check_integer("n_features", self.n_features, 1)
        check_choice("dtype", self.dtype, ("float64", "input"))
        return n_features, np.random.default_rng((check_integer("seed", self.seed), FEATURES))

    def _map(self, X: npt.NDArray[Any]) -> npt.NDArray[Any]:
        """Map in blocks of rows, computing in float64 and rounding once if float32 is asked for."""
        n, n_features = X.shape[0], self._n_features_out
        single = self.dtype == "input" and X.dtype == np.float32
        features = np.empty((n, n_features), dtype=np.float32 if single else np.float64)
        rows = max(1, _BLOCK_ENTRIES // self.frequencies_.shape[0])
        for start in range(0, n, rows):
            block = np.asarray(X[start : start + rows], dtype=np.float64)
            self._activate(block @ self.frequencies_.T, features[start : start + rows])
        return features

    @property
    def _n_features_out(self) -> int:
        """Number of feature columns, the attribute from which scikit-learn makes their names."""
        paired = getattr(self, "variant", None) == "paired"
        return int(self.frequencies_.shape[0]) * (2 if paired else 1)


class _FourierFeatures(_RandomFeatures):
    """Random Fourier features of a shift-invariant kernel, paired or with random phases.

    If W has the kernel's spectral law, E[cos wᵀ(x − x')] = k(x, x') for each frequency w (Bochner).
    ``"paired"``: m = n_features/2 frequencies, φ(x) = m^-½ [cos Wx; sin Wx]; each pair contributes
    cos wᵀ(x − x')/m, and ‖φ(x)‖ = 1. ``"phase"``: D = n_features frequencies and phases b uniform on
    [0, 2π), φ(x) = (2/D)^½ cos(Wx + b); each feature contributes an expected k(x, x')/D.
    """

    _metric: Metric = "euclidean"

    def __init__(
        self,
        *,
        n_features: int = 5000,
        bandwidth: float | Literal["median"] = "median",
        variant: Literal["paired", "phase"] = "paired",
        seed: int = 0,
        dtype: Literal["float64", "input"] = "float64",
    ) -> None:
        self.n_features = n_features
        self.bandwidth = bandwidth
        self.variant = variant
        self.seed = seed
        self.dtype = dtype

    @abstractmethod
    def _draw(self, rng: np.random.Generator, m: int, d: int) -> FloatArray:
        """Draw m frequencies in d dimensions for bandwidth 1."""

    def _resolve(self, X: FloatArray) -> None:
        """Resolve the bandwidth and draw frequencies and phases."""
        n_features, rng = self._check_common()
        check_choice("variant", self.variant, ("paired", "phase"))
        if self.variant == "paired" and n_features % 2:
            raise expected(
                "an even n_features for paired cosines and sines",
                "n_features",
                n_features,
                "odd",
                f"{n_features + 1} or variant='phase'",
            )
        if isinstance(self.bandwidth, str):
            check_choice("bandwidth", self.bandwidth, ("median",))
            self.bandwidth_ = kernels.median_distance(X, self._metric)
        else:
            self.bandwidth_ = check_positive(
                "bandwidth", self.bandwidth, "a positive finite bandwidth, or 'median',"
            )
        m = n_features // 2 if self.variant == "paired" else n_features
        self.frequencies_ = self._draw(rng, m, X.shape[1]) / self.bandwidth_
        if self.variant == "phase":
            self.phases_ = rng.uniform(0.0, 2.0 * math.pi, size=m)

    def _activate(self, projection: npt.NDArray[Any], out: npt.NDArray[Any]) -> None:
        """Write cosines and sines, or cosines with phases."""
        m = projection.shape[1]
        if self.variant == "paired":
            scale = 1.0 / math.sqrt(m)
            sines = np.sin(projection)
            sines *= scale
            out[:, m:] = sines
            np.cos(projection, out=projection)
        else:
            scale = math.sqrt(2.0 / m)
            projection += self.phases_
            np.cos(projection, out=projection)
        projection *= scale
        out[:, :m] = projection

    def _in_balls(self, projections: Any) -> Balls:
        """Cosines and sines, or cosines with phases."""
        import flint

        entries, m = projections.entries(), int(projections.ncols())
        if self.variant == "paired":
            scale = 1 / flint.arb(m).sqrt()
            pairs = [x.sin_cos() for x in entries]
            yield slice(0, m), (scale * cosine for _, cosine in pairs)
            yield slice(m, None), (scale * sine for sine, _ in pairs)
        else:
            scale = (flint.arb(2) / m).sqrt()
            phases = [flint.arb(b) for b in self.phases_.tolist()] * int(projections.nrows())
            yield slice(None), (scale * (x + b).cos() for x, b in zip(entries, phases, strict=True))


class GaussianFeatures(_FourierFeatures):
    """Random Fourier features of the Gaussian kernel exp(−‖x − x'‖² / (2σ²)).

    Frequencies: w ~ N(0, I/σ²). Expectation: every frequency has E[cos wᵀ(x − x')] = k(x, x'), so
    a pair of paired features contributes k(x, x')/m on average, and a feature with phase k(x, x')/D.
    Source: Rahimi & Recht (2007).

    Args:
        n_features: D, the number of features, even for ``"paired"``.
        bandwidth: σ > 0, or ``"median"``: the median pairwise Euclidean distance of the data given to
            ``fit`` (of a fixed sub-sample of 1000 rows when there are more). ``bandwidth_`` is the number.
        variant: ``"paired"`` for m^-½ [cos Wx; sin Wx] with m = D/2, cosine block first, or ``"phase"`` for
            (2/D)^½ cos(Wx + b).
        seed: of the frequencies and phases.
        dtype: ``"float64"``, or ``"input"`` to give float32 features for float32 data (computed in float64
            and rounded once).

    Example:
        >>> X = np.array([[0.0, 0.0], [1.0, 0.0], [0.0, 2.0]])
        >>> fm = GaussianFeatures(n_features=20000, bandwidth="median", seed=0).fit(X)
        >>> fm.bandwidth_, fm.transform(X).shape
        (2.0, (3, 20000))
        >>> bool(abs(fm.transform(X) @ fm.transform(X).T - fm.kernel(X)).max() < 0.02)
        True
    """

    def _draw(self, rng: np.random.Generator, m: int, d: int) -> FloatArray:
        """Draw standard normal frequencies."""
        return rng.standard_normal((m, d))

    def _exact_kernel(self, X: FloatArray, Y: FloatArray) -> FloatArray:
        """Return the Gaussian kernel."""
        return kernels.gaussian_kernel(X, Y, self.bandwidth_)


class OrthogonalFeatures(GaussianFeatures):
    """Orthogonal random features of the Gaussian kernel exp(−‖x − x'‖² / (2σ²)).

    Frequencies: blocks of d rows of a Haar orthogonal matrix (QR of a normal matrix, signs fixed), each
    row times an independent chi_d length, over σ. A single row is then N(0, I/σ²), so every frequency
    contributes the same expectation as in :class:`GaussianFeatures`; rows within a block repel each other,
    which lowers the variance. Source: Yu et al. (2016). Parameters as in :class:`GaussianFeatures`.

    Example:
        >>> fm = OrthogonalFeatures(n_features=4, bandwidth=1.0).fit(np.eye(2))
        >>> W = fm.frequencies_
        >>> bool(abs(W[0] @ W[1]) < 1e-14)
        True
    """

    def _draw(self, rng: np.random.Generator, m: int, d: int) -> FloatArray:
        """Draw blocks of orthogonal rows with chi-distributed lengths."""
        blocks = []
        for _ in range(-(-m // d)):
            q, r = np.linalg.qr(rng.standard_normal((d, d)))
            # Without the signs of R's diagonal Q would not be Haar distributed.
            blocks.append((q * np.where(np.diagonal(r) < 0, -1.0, 1.0)).T)
        directions = np.concatenate(blocks)[:m]
        lengths = np.sqrt(rng.chisquare(d, size=(m, 1)))
        return np.asarray(lengths * directions)


class LaplacianFeatures(_FourierFeatures):
    """Random Fourier features of the Laplacian kernel exp(−‖x − x'‖₁ / σ).

    Frequencies: independent Cauchy(0, 1/σ) in every coordinate, since E[cos(w t)] = exp(−|t|/σ) for each; a
    frequency vector contributes the product over coordinates, k(x, x'). Source: Rahimi & Recht (2007).
    Parameters as in :class:`GaussianFeatures`, but ``bandwidth="median"`` is the median pairwise L1
    distance, the distance that this kernel uses.

    Example:
        >>> X = np.array([[0.0, 0.0], [1.0, 1.0], [3.0, 1.0]])
        >>> LaplacianFeatures(n_features=10).fit(X).bandwidth_
        2.0
    """

    _metric: Metric = "cityblock"

    def _draw(self, rng: np.random.Generator, m: int, d: int) -> FloatArray:
        """Draw standard Cauchy frequencies."""
        return rng.standard_cauchy((m, d))

    def _exact_kernel(self, X: FloatArray, Y: FloatArray) -> FloatArray:
        """Return the Laplacian kernel."""
        return kernels.laplacian_kernel(X, Y, self.bandwidth_)


class MaternFeatures(_FourierFeatures):
    """Random Fourier features of the Matérn kernel 2^{1−ν}/Γ(ν) · z^ν K_ν(z), z = √(2ν) ‖x − x'‖/σ.

    Frequencies: multivariate t with 2ν degrees of freedom and scale I/σ², that is g (2ν/c)^½ / σ with g
    standard normal and one c ~ χ²_{2ν} per frequency; its density is the kernel's spectral density, so
    every frequency has E[cos wᵀ(x − x')] = k(x, x'). Source: Rahimi & Recht (2007) for the construction,
    Rasmussen & Williams, "Gaussian processes for machine learning" (2006), eq. 4.15, for the density.

    Args:
        n_features: D, even for ``"paired"``.
        bandwidth: length scale σ > 0, or ``"median"``.
        nu: smoothness ν, 0 < ν ≤ 50 (the Gaussian kernel is the limit of large ν).
        variant: ``"paired"`` or ``"phase"``.
        seed: of the frequencies and phases.
        dtype: ``"float64"`` or ``"input"``.

    Example:
        >>> fm = MaternFeatures(n_features=100, bandwidth=1.0, nu=0.5).fit(np.eye(2))
        >>> fm.kernel([[0.0, 0.0]], [[3.0, 4.0]]).round(4)
        array([[0.0067]])
    """

    def __init__(
        self,
        *,
        n_features: int = 5000,
        bandwidth: float | Literal["median"] = "median",
        nu: float = 1.5,
        variant: Literal["paired", "phase"] = "paired",
        seed: int = 0,
        dtype: Literal["float64", "input"] = "float64",
    ) -> None:
        super().__init__(n_features=n_features, bandwidth=bandwidth, variant=variant, seed=seed, dtype=dtype)
        self.nu = nu

    def _draw(self, rng: np.random.Generator, m: int, d: int) -> FloatArray:
        """Draw multivariate t frequencies."""
        nu = check_positive("nu", self.nu, "a smoothness nu with 0 < nu <= 50")
        if nu > 50.0:
            raise expected("a smoothness nu with 0 < nu <= 50", "nu", nu, "too smooth", "GaussianFeatures")
        normal = rng.standard_normal((m, d))
        return np.asarray(normal * np.sqrt(2.0 * nu / rng.chisquare(2.0 * nu, size=(m, 1))))

    def _exact_kernel(self, X: FloatArray, Y: FloatArray) -> FloatArray:
        """Return the Matérn kernel."""
        return kernels.matern_kernel(X, Y, self.bandwidth_, float(self.nu))


class ArcCosineFeatures(_RandomFeatures):
    """Random ReLU or step features of the arc-cosine kernels of Cho & Saul (2009).

    Degree 1: φ(x) = (2/D)^½ max(0, Wx), kernel ‖x‖‖x'‖ (sin θ + (π − θ) cos θ)/π. Degree 0:
    φ(x) = (2/D)^½ H(Wx) with H(0) = ½, kernel 1 − θ/π. θ is the angle between x and x'. Frequencies:
    w ~ N(0, I). The factor 2 is Cho & Saul's normalisation: every feature contributes an expected
    (2/D) E[a(wᵀx) a(wᵀx')] = k(x, x')/D, and k(x, x) = ‖x‖² for degree 1. There is no bandwidth: scaling
    x scales degree 1 and leaves degree 0 as it is.

    Args:
        n_features: D, any positive integer.
        degree: 0 or 1.
        seed: of the frequencies.
        dtype: ``"float64"``, or ``"input"`` to keep float32.

    Example:
        >>> X = np.array([[3.0, 4.0]])
        >>> fm = ArcCosineFeatures(n_features=50000, degree=1, seed=0).fit(X)
        >>> fm.kernel(X)
        array([[25.]])
        >>> bool(abs((fm.transform(X) ** 2).sum() - 25.0) < 0.5)
        True
    """

    def __init__(
        self,
        *,
        n_features: int = 5000,
        degree: Literal[0, 1] = 1,
        seed: int = 0,
        dtype: Literal["float64", "input"] = "float64",
    ) -> None:
        self.n_features = n_features
        self.degree = degree
        self.seed = seed
        self.dtype = dtype

    def _resolve(self, X: FloatArray) -> None:
        """Check the degree and draw normal frequencies."""
        n_features, rng = self._check_common()
        if check_integer("degree", self.degree, 0) > 1:
            raise expected("degree 0 or 1", "degree", self.degree, type(self.degree).__name__, "1")
        self.frequencies_ = rng.standard_normal((n_features, X.shape[1]))

    def _activate(self, projection: npt.NDArray[Any], out: npt.NDArray[Any]) -> None:
        """Write the scaled ReLU, or the scaled step."""
        if self.degree == 1:
            np.maximum(projection, 0.0, out=projection)
        else:
            np.heaviside(projection, 0.5, out=projection)
        projection *= math.sqrt(2.0 / projection.shape[1])
        out[...] = projection

    def _in_balls(self, projections: Any) -> Balls:
        """The scaled ReLU, or the scaled step."""
        import flint

        entries, scale = projections.entries(), (flint.arb(2) / int(projections.ncols())).sqrt()
        if self.degree == 1:
            yield slice(None), (scale * x.nonnegative_part() for x in entries)
        else:
            # The sign of a ball that straddles zero is the ball [−1, 1], that of an exact zero is zero.
            yield slice(None), (scale * (1 + x.sgn()) / 2 for x in entries)

    def _exact_kernel(self, X: FloatArray, Y: FloatArray) -> FloatArray:
        """Return the arc-cosine kernel."""
        return kernels.arc_cosine_kernel(X, Y, self.degree)
