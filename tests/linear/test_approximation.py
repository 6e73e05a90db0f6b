"""The kernel-approximation diagnostic: definitions, the −½ slope, and planted failures."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.kernel_approximation import RBFSampler

from muso_theory.errors import MusoError
from muso_theory.linear.approximation import (
    ApproximationRow,
    approximation_slope,
    centred_alignment,
    kernel_alignment,
    kernel_approximation,
    spectral_error,
)
from muso_theory.linear.features import (
    ArcCosineFeatures,
    GaussianFeatures,
    IdentityFeatures,
    LaplacianFeatures,
    MaternFeatures,
    OrthogonalFeatures,
)

X = np.random.default_rng(5).standard_normal((60, 4))
MAPS = [
    GaussianFeatures(),
    GaussianFeatures(variant="phase"),
    LaplacianFeatures(),
    MaternFeatures(nu=1.5),
    OrthogonalFeatures(),
    ArcCosineFeatures(degree=0),
    ArcCosineFeatures(degree=1),
]


def by_name(feature_map: object) -> str:
    return " ".join(repr(feature_map).split())


def test_measures_are_their_definitions():
    rng = np.random.default_rng(0)
    A, B = (M @ M.T for M in rng.standard_normal((2, 12, 5)))
    H = np.eye(12) - 1 / 12
    cosine = np.trace(A @ B) / np.sqrt(np.trace(A @ A) * np.trace(B @ B))
    assert kernel_alignment(A, B) == pytest.approx(cosine, rel=1e-12)
    assert centred_alignment(A, B) == pytest.approx(kernel_alignment(H @ A @ H, H @ B @ H), rel=1e-12)
    assert spectral_error(A, B) == pytest.approx(np.linalg.norm(A - B, 2) / np.linalg.norm(B, 2), rel=1e-12)


def test_centring_sees_through_a_constant_offset():
    offset = 100.0 * np.ones((12, 12))
    noise = np.random.default_rng(1).standard_normal((2, 12, 5))
    A, B = (M @ M.T + offset for M in noise)
    assert kernel_alignment(A, B) > 0.99
    assert centred_alignment(A, B) < 0.9


@pytest.mark.parametrize("fm", MAPS, ids=by_name)
def test_error_falls_with_slope_minus_one_half(fm):
    rows = kernel_approximation(fm, X, n_features=(16, 64, 256, 1024, 4096, 16384), repeats=6, threshold=0.05)
    errors = [row.spectral_error for row in rows]
    assert errors == sorted(errors, reverse=True)
    assert approximation_slope(rows) == pytest.approx(-0.5, abs=0.1)
    assert rows[-1].alignment > 0.99
    assert rows[-1].centred_alignment > 0.97
    assert [row.poor for row in rows] == [error > 0.05 for error in errors]
    assert rows[0].poor
    assert not rows[-1].poor


def test_a_biased_map_does_not_show_the_slope():
    class Halved(GaussianFeatures):
        def transform(self, X):
            return super().transform(X) * np.sqrt(0.5)

    rows = kernel_approximation(Halved(), X, n_features=(64, 1024, 16384))
    assert rows[-1].poor
    assert approximation_slope(rows) > -0.2
    # Alignment is blind to scale, which is why the spectral error decides.
    assert rows[-1].alignment > 0.99


def test_wrong_bandwidth_is_poor():
    class Mistuned(GaussianFeatures):
        def kernel(self, X, Y=None):
            return GaussianFeatures(n_features=2, bandwidth=3 * self.bandwidth_).fit(X).kernel(X, Y)

    assert kernel_approximation(Mistuned(), X, n_features=(16384,))[0].poor


def test_repeatable_and_leaves_the_map_alone():
    fm = GaussianFeatures(n_features=10, seed=3)
    first = kernel_approximation(fm, X, n_features=(10, 20), repeats=2)
    assert first == kernel_approximation(fm, X, n_features=(10, 20), repeats=2)
    assert first != kernel_approximation(
        GaussianFeatures(n_features=10, seed=4), X, n_features=(10, 20), repeats=2
    )
    assert fm.get_params() == GaussianFeatures(n_features=10, seed=3).get_params()
    assert not hasattr(fm, "bandwidth_")


def test_sub_sample_uses_the_bandwidth_of_all_rows():
    rows = kernel_approximation(GaussianFeatures(), X, n_features=(20000,), max_samples=20)
    assert rows[0].n_samples == 20
    assert not rows[0].poor
    all_rows = GaussianFeatures(bandwidth=GaussianFeatures().fit(X).bandwidth_)
    assert rows == kernel_approximation(all_rows, X, n_features=(20000,), max_samples=20)


@pytest.mark.parametrize(
    "fm", [IdentityFeatures(), RBFSampler(), object()], ids=["identity", "RBFSampler", "not a map"]
)
def test_maps_without_kernel_or_size_are_refused(fm):
    with pytest.raises(MusoError, match="knows its kernel"):
        kernel_approximation(fm, X)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({"n_features": ()}, "at least one"),
        ({"n_features": (7,)}, "even"),
        ({"repeats": 0}, "repeats=0"),
        ({"threshold": 0.0}, "threshold=0.0"),
        ({"max_samples": 1}, "max_samples=1"),
    ],
)
def test_bad_arguments(arguments, words):
    with pytest.raises(MusoError, match=words):
        kernel_approximation(GaussianFeatures(), X, **arguments)


def test_equal_rows_are_refused():
    with pytest.raises(MusoError, match="distinct"):
        kernel_approximation(GaussianFeatures(bandwidth=1.0), np.ones((5, 2)), n_features=(10,))


def test_slope_needs_two_sizes():
    row = ApproximationRow(10, 1.0, 1.0, 0.1, 0.0, False, 0.1, 1, 5)
    with pytest.raises(MusoError, match="two numbers"):
        approximation_slope([row, row])
