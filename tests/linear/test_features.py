"""Feature maps against slow loops, their own expectation, and their exact kernels."""

from __future__ import annotations

import math
import pickle

import numpy as np
import pytest
from sklearn.base import clone
from sklearn.exceptions import NotFittedError
from sklearn.gaussian_process.kernels import Matern
from sklearn.metrics.pairwise import laplacian_kernel, rbf_kernel
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.utils.estimator_checks import check_estimator

from muso_theory.errors import BadInputError, MusoError
from muso_theory.linear import features as features_module
from muso_theory.linear import kernels
from muso_theory.linear.features import (
    ArcCosineFeatures,
    GaussianFeatures,
    IdentityFeatures,
    LaplacianFeatures,
    MaternFeatures,
    OrthogonalFeatures,
)

X = np.random.default_rng(7).standard_normal((9, 3))
FOURIER = [
    GaussianFeatures(n_features=40, bandwidth=1.7, seed=1),
    GaussianFeatures(n_features=41, bandwidth=1.7, variant="phase", seed=1),
    LaplacianFeatures(n_features=40, bandwidth=2.5, seed=1),
    LaplacianFeatures(n_features=40, bandwidth=2.5, variant="phase", seed=1),
    MaternFeatures(n_features=40, bandwidth=1.3, nu=0.5, seed=1),
    MaternFeatures(n_features=40, bandwidth=1.3, nu=2.2, variant="phase", seed=1),
    OrthogonalFeatures(n_features=40, bandwidth=1.7, seed=1),
]
RANDOM = [*FOURIER, ArcCosineFeatures(n_features=40, degree=0), ArcCosineFeatures(n_features=40, degree=1)]
ALL = [*RANDOM, IdentityFeatures()]


def by_name(feature_map: object) -> str:
    return " ".join(repr(feature_map).split())


def loop_features(fm, X: np.ndarray) -> np.ndarray:
    """The definitions, one scalar at a time, from the fitted frequencies."""
    rows = []
    for x in X:
        z = [math.fsum(w_k * x_k for w_k, x_k in zip(w, x, strict=True)) for w in fm.frequencies_]
        m = len(z)
        if isinstance(fm, ArcCosineFeatures):
            step = [0.0 if t < 0 else (1.0 if t > 0 else 0.5) for t in z]
            rows.append(
                [
                    math.sqrt(2 / m) * (s if fm.degree == 0 else max(0.0, t))
                    for t, s in zip(z, step, strict=True)
                ]
            )
        elif fm.variant == "paired":
            rows.append([f(t) / math.sqrt(m) for f in (math.cos, math.sin) for t in z])
        else:
            rows.append([math.sqrt(2 / m) * math.cos(t + b) for t, b in zip(z, fm.phases_, strict=True)])
    return np.array(rows)


def rounding(fm, X: np.ndarray) -> np.ndarray:
    """How far two ways of summing wᵀx may drift apart: Cauchy frequencies, and so their phases, are large."""
    per_frequency = 1e-15 * (1.0 + np.abs(X) @ np.abs(fm.frequencies_).T)
    return np.hstack([per_frequency] * (fm._n_features_out // per_frequency.shape[1]))


def loop_kernel(fm, x: np.ndarray, y: np.ndarray) -> float:
    """The exact kernels written out for two vectors; Matérn by an integral without Bessel functions."""
    euclidean, manhattan = math.dist(x, y), sum(abs(a - b) for a, b in zip(x, y, strict=True))
    if isinstance(fm, IdentityFeatures):
        return math.fsum(a * b for a, b in zip(x, y, strict=True))
    if isinstance(fm, ArcCosineFeatures):
        cosine = math.fsum(a * b for a, b in zip(x, y, strict=True)) / (math.hypot(*x) * math.hypot(*y))
        theta = math.acos(min(1.0, max(-1.0, cosine)))
        if fm.degree == 0:
            return 1 - theta / math.pi
        shape = math.sin(theta) + (math.pi - theta) * math.cos(theta)
        return math.hypot(*x) * math.hypot(*y) * shape / math.pi
    if isinstance(fm, LaplacianFeatures):
        return math.exp(-manhattan / fm.bandwidth_)
    if isinstance(fm, MaternFeatures):
        # A Matérn kernel is a mixture of Gaussian ones: E exp(−ν r²/c) over c ~ χ²_{2ν}.
        from scipy.integrate import quad
        from scipy.stats import chi2

        r2, nu = (euclidean / fm.bandwidth_) ** 2, fm.nu

        def integrand(s: float) -> float:  # c = s², to tame the density at 0
            return math.exp(-nu * r2 / s**2) * chi2.pdf(s**2, 2 * nu) * 2 * s if s > 0 else 0.0

        return quad(integrand, 0.0, 12.0, epsabs=1e-12, limit=200)[0]
    return math.exp(-((euclidean / fm.bandwidth_) ** 2) / 2)


# --- definitions -----------------------------------------------------------------------------------


@pytest.mark.parametrize("fm", RANDOM, ids=by_name)
def test_features_are_their_definition(fm):
    fitted = clone(fm).fit(X)
    assert fitted.transform(X).shape == (9, fm.n_features)
    np.testing.assert_array_less(np.abs(fitted.transform(X) - loop_features(fitted, X)), rounding(fitted, X))


def test_paired_layout_is_cosine_block_then_sine_block():
    fitted = GaussianFeatures(n_features=6, bandwidth=2.0, seed=0).fit(X)
    features = fitted.transform(X)
    np.testing.assert_allclose(features[:, :3] * math.sqrt(3), np.cos(X @ fitted.frequencies_.T), atol=1e-14)
    np.testing.assert_allclose(features[:, 3:] * math.sqrt(3), np.sin(X @ fitted.frequencies_.T), atol=1e-14)
    np.testing.assert_allclose((features**2).sum(axis=1), 1.0, atol=1e-14)


@pytest.mark.parametrize("fm", ALL, ids=by_name)
def test_kernel_is_its_definition(fm):
    fitted, Y = clone(fm).fit(X), X[:4] + 0.3
    slow = np.array([[loop_kernel(fitted, x, y) for y in Y] for x in X])
    np.testing.assert_allclose(fitted.kernel(X, Y), slow, rtol=1e-9, atol=1e-9)


def test_kernels_agree_with_scikit_learn():
    np.testing.assert_allclose(
        kernels.gaussian_kernel(X, X, 1.5), rbf_kernel(X, gamma=1 / (2 * 1.5**2)), atol=1e-13
    )
    np.testing.assert_allclose(
        kernels.laplacian_kernel(X, X, 1.5), laplacian_kernel(X, gamma=1 / 1.5), atol=1e-13
    )
    for nu in (0.3, 0.5, 1.0, 1.5, 2.5, 7.3, 50.0):
        np.testing.assert_allclose(kernels.matern_kernel(X, X, 1.5, nu), Matern(1.5, nu=nu)(X), atol=1e-11)


@pytest.mark.parametrize("nu", [0.5, 1.0, 1.5, 30.0, 50.0])
def test_matern_is_finite_and_monotone_from_contact_to_far_away(nu):
    distance = np.concatenate([[0.0], np.logspace(-300, 5, 400)])
    value = kernels.matern_kernel(np.zeros((1, 1)), distance[:, None], 1.0, nu)[0]
    assert value[0] == 1.0
    assert value[-1] == 0.0
    assert (np.diff(value) <= 1e-12).all()


def test_arc_cosine_loses_no_digits_on_parallel_rows():
    rows = np.array([[1.0, 2.0, 3.0], [1.0 / 3, 2.0 / 3, 1.0], [-1.0, -2.0, -3.0]])
    angle_free = kernels.arc_cosine_kernel(rows, rows, 0)
    np.testing.assert_allclose(angle_free, [[1, 1, 0], [1, 1, 0], [0, 0, 1]], atol=1e-15)
    naive = np.arccos(np.clip(rows[0] @ rows[1] / np.linalg.norm(rows[0]) / np.linalg.norm(rows[1]), -1, 1))
    assert naive == 0 or naive > 1e-9  # why the obvious formula is not used


def test_arc_cosine_of_a_zero_row_matches_its_features():
    rows = np.array([[0.0, 0.0], [1.0, 0.0]])
    for degree in (0, 1):
        fm = ArcCosineFeatures(n_features=4000, degree=degree).fit(rows)
        np.testing.assert_allclose(fm.transform(rows) @ fm.transform(rows).T, fm.kernel(rows), atol=0.06)
    assert ArcCosineFeatures(degree=0).fit(rows).kernel(rows)[0].tolist() == [0.5, 0.5]


@pytest.mark.parametrize("fm", ALL, ids=by_name)
def test_kernels_are_symmetric_and_positive_semi_definite(fm):
    many = np.random.default_rng(3).standard_normal((60, 4))
    K = clone(fm).fit(many).kernel(many)
    np.testing.assert_allclose(K, K.T, rtol=0, atol=1e-14 * np.abs(K).max())
    assert np.linalg.eigvalsh(K).min() > -1e-12 * np.linalg.eigvalsh(K).max()


# --- expectation -----------------------------------------------------------------------------------


def z_scores(fm, scale: float = 1.0, seeds: int = 400) -> np.ndarray:
    """Distance of the mean of φ(x)ᵀφ(x') over seeds from k(x, x'), in standard errors, for several pairs."""
    left, right = X[:4], X[4:8]
    values = []
    for seed in range(seeds):
        fitted = clone(fm).set_params(seed=seed).fit(X)
        values.append(scale * (fitted.transform(left) * fitted.transform(right)).sum(axis=1))
    samples = np.array(values)
    exact = np.diagonal(clone(fm).fit(X).kernel(left, right))
    return np.abs(samples.mean(axis=0) - exact) / (samples.std(axis=0, ddof=1) / math.sqrt(seeds))


@pytest.mark.parametrize("fm", RANDOM, ids=by_name)
def test_features_are_unbiased(fm):
    # Four pairs: a deviation of 4.5 standard errors has probability below 3e-5 if the map is right.
    assert z_scores(fm).max() < 4.5


@pytest.mark.parametrize("fm", RANDOM, ids=by_name)
def test_a_wrong_normalisation_is_caught(fm):
    # Forgetting the 2 of sqrt(2/D) or pairing with 1/D in place of 1/m halves every inner product.
    assert z_scores(fm, scale=0.5).max() > 10.0


def test_a_wrong_frequency_law_is_caught():
    class Uniform(LaplacianFeatures):
        def _draw(self, rng, m, d):
            return rng.standard_normal((m, d))

    assert z_scores(Uniform(n_features=40, bandwidth=2.5)).max() > 10.0


def test_phases_go_all_the_way_round():
    phases = GaussianFeatures(n_features=4000, bandwidth=1.0, variant="phase").fit(X).phases_
    counts, _ = np.histogram(phases, bins=4, range=(0.0, 2.0 * math.pi))
    assert counts.sum() == 4000
    assert (np.abs(counts - 1000) < 140).all()  # five standard deviations


@pytest.mark.parametrize("d", [1, 3])
def test_orthogonal_frequencies_favour_no_direction(d):
    m = 6000
    W = OrthogonalFeatures(n_features=2 * m, bandwidth=1.0).fit(np.eye(4, d)).frequencies_
    assert (np.abs(W.mean(axis=0)) < 5 / math.sqrt(m)).all()
    np.testing.assert_allclose(W.T @ W / m, np.eye(d), atol=5 * math.sqrt(2 / m))
    for k in range(d):  # each position within a block by itself
        assert (np.abs(W[k::d].mean(axis=0)) < 5 / math.sqrt(m / d)).all()


def test_orthogonal_blocks_and_lower_variance():
    fm = OrthogonalFeatures(n_features=14, bandwidth=2.0, seed=4).fit(X)
    W = fm.frequencies_
    for start in (0, 3, 6):
        block = W[start : start + 3]
        gram = block @ block.T
        np.testing.assert_allclose(gram - np.diag(np.diagonal(gram)), 0.0, atol=1e-14)
    assert abs(W[0] @ W[3]) > 1e-6  # blocks are independent

    def variance(kind) -> float:
        values = [
            (f := kind(n_features=16, bandwidth=2.0, seed=s).fit(wide).transform(wide))[0] @ f[1]
            for s in range(300)
        ]
        return float(np.var(values))

    wide = np.random.default_rng(0).standard_normal((2, 8)) * 0.7
    assert variance(OrthogonalFeatures) < 0.5 * variance(GaussianFeatures)


# --- bandwidth -------------------------------------------------------------------------------------


def test_median_bandwidth_is_the_median_of_all_pairs():
    pairs = [(i, j) for i in range(len(X)) for j in range(i)]
    euclidean = np.median([math.dist(X[i], X[j]) for i, j in pairs])
    manhattan = np.median([np.abs(X[i] - X[j]).sum() for i, j in pairs])
    assert GaussianFeatures(n_features=2).fit(X).bandwidth_ == pytest.approx(euclidean, rel=1e-14)
    assert LaplacianFeatures(n_features=2).fit(X).bandwidth_ == pytest.approx(manhattan, rel=1e-14)


def test_median_of_many_rows_is_repeatable_close_and_independent_of_the_seed():
    many = np.random.default_rng(0).standard_normal((2500, 2))
    values = {GaussianFeatures(n_features=2, seed=s).fit(many).bandwidth_ for s in (0, 0, 5)}
    assert len(values) == 1
    from scipy.spatial.distance import pdist

    assert values.pop() == pytest.approx(float(np.median(pdist(many))), rel=0.03)


@pytest.mark.parametrize("fm", [f for f in FOURIER if f.variant == "paired"], ids=by_name)
def test_bandwidth_scales_the_data(fm):
    wide = clone(fm).set_params(bandwidth=2 * fm.bandwidth).fit(X)
    narrow = clone(fm).fit(X)
    np.testing.assert_allclose(wide.transform(2 * X), narrow.transform(X), atol=1e-13)
    np.testing.assert_allclose(wide.kernel(2 * X), narrow.kernel(X), atol=1e-13)


# --- the scikit-learn protocol, dtypes, determinism ----------------------------------------------------


@pytest.mark.parametrize("fm", ALL, ids=by_name)
def test_scikit_learn_protocol(fm):
    check_estimator(
        clone(fm),
        on_skip=None,
        expected_failed_checks={
            "check_dtype_object": "object arrays are refused: casting would round Fractions"
        },
    )


@pytest.mark.parametrize("fm", ALL, ids=by_name)
def test_clone_names_pickle_and_parameters(fm):
    before = fm.get_params()
    fitted = clone(fm).fit(X)
    assert clone(fitted).get_params() == before == fitted.get_params()
    names = fitted.get_feature_names_out()
    assert len(set(names)) == fitted.transform(X).shape[1]
    np.testing.assert_array_equal(pickle.loads(pickle.dumps(fitted)).transform(X), fitted.transform(X))


def test_pipeline():
    pipe = make_pipeline(StandardScaler(), GaussianFeatures(n_features=8))
    assert pipe.fit_transform(X).shape == (9, 8)


@pytest.mark.parametrize("fm", RANDOM, ids=by_name)
def test_float32_is_kept_on_request_only(fm):
    single = X.astype(np.float32)
    assert clone(fm).fit(single).transform(single).dtype == np.float64
    kept = clone(fm).set_params(dtype="input").fit(single)
    assert kept.transform(single).dtype == np.float32
    assert kept.transform(single.astype(np.float64)).dtype == np.float64
    wide = clone(fm).fit(single).transform(single)
    np.testing.assert_array_equal(kept.transform(single), wide.astype(np.float32))  # rounded once


@pytest.mark.parametrize("fm", RANDOM, ids=by_name)
def test_same_seed_same_bytes_other_seed_other_bytes(fm):
    first, again = clone(fm).fit(X), clone(fm).fit(X)
    assert first.transform(X).tobytes() == again.transform(X).tobytes()
    other = clone(fm).set_params(seed=99).fit(X)
    assert not np.allclose(other.transform(X), first.transform(X))


def test_frequencies_do_not_repeat_other_draws_of_the_same_seed():
    W = GaussianFeatures(n_features=40, bandwidth=1.0, seed=1).fit(X).frequencies_
    assert not np.isin(np.random.default_rng(1).standard_normal(W.size), W).any()


@pytest.mark.parametrize("fm", RANDOM, ids=by_name)
def test_blocks_of_rows_change_nothing(fm, monkeypatch):
    fitted = clone(fm).fit(X)
    whole = fitted.transform(X)
    monkeypatch.setattr(features_module, "_BLOCK_ENTRIES", 2 * fitted.frequencies_.shape[0])
    np.testing.assert_array_less(np.abs(fitted.transform(X) - whole), rounding(fitted, X))
    one_by_one = np.vstack([fitted.transform(x[None]) for x in X])
    np.testing.assert_array_less(np.abs(one_by_one - whole), rounding(fitted, X))


@pytest.mark.parametrize("fm", ALL, ids=by_name)
def test_input_is_not_modified(fm):
    data = X.copy()
    data.setflags(write=False)
    clone(fm).fit(data).transform(data)
    np.testing.assert_array_equal(data, X)


def test_memory_mapped_input(tmp_path):
    np.save(tmp_path / "x.npy", X)
    mapped = np.load(tmp_path / "x.npy", mmap_mode="r")
    fm = GaussianFeatures(n_features=6, seed=2)
    np.testing.assert_array_equal(clone(fm).fit(mapped).transform(mapped), clone(fm).fit(X).transform(X))


# --- refusals --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("fm", "words"),
    [
        (GaussianFeatures(bandwidth=0), "positive finite bandwidth.*bandwidth=0"),
        (GaussianFeatures(bandwidth=-2.0), "bandwidth=-2.0"),
        (GaussianFeatures(bandwidth=math.nan), "bandwidth=nan"),
        (GaussianFeatures(bandwidth=math.inf), "bandwidth=inf"),
        (GaussianFeatures(bandwidth=True), "bandwidth=True"),
        (GaussianFeatures(bandwidth=None), "bandwidth=None"),
        (GaussianFeatures(bandwidth="medain"), "try 'median'"),
        (LaplacianFeatures(bandwidth=0.0), "bandwidth=0.0"),
        (GaussianFeatures(n_features=0), "n_features=0"),
        (GaussianFeatures(n_features=-4), "n_features=-4"),
        (GaussianFeatures(n_features=7), "even n_features.*n_features=7.*try 8 or variant='phase'"),
        (OrthogonalFeatures(n_features=7), "even"),
        (GaussianFeatures(n_features=8.0), "integer.*n_features=8.0 .float"),
        (GaussianFeatures(n_features=True), "n_features=True"),
        (GaussianFeatures(n_features="8"), "integer"),
        (GaussianFeatures(variant="pared"), "try 'paired'"),
        (GaussianFeatures(dtype="float16"), "dtype=float16"),
        (GaussianFeatures(seed=-1), "seed=-1"),
        (GaussianFeatures(seed=None), "seed=None"),
        (MaternFeatures(nu=0.0), "nu=0.0"),
        (MaternFeatures(nu=51.0), "GaussianFeatures"),
        (ArcCosineFeatures(degree=2), "degree=2"),
        (ArcCosineFeatures(degree=True), "degree=True"),
        (ArcCosineFeatures(n_features=0), "n_features=0"),
    ],
    ids=by_name,
)
def test_bad_parameters(fm, words):
    with pytest.raises(MusoError, match=words):
        fm.fit(X)


@pytest.mark.parametrize("fm", ALL, ids=by_name)
def test_bad_data(fm):
    for value in (math.nan, math.inf, -math.inf):
        broken = X.copy()
        broken[4, 2] = value
        with pytest.raises(MusoError, match=r"finite.*X\[4, 2\]="):
            clone(fm).fit(broken)
        with pytest.raises(MusoError, match=r"finite.*X\[4, 2\]="):
            clone(fm).fit(X).transform(broken)
    fitted = clone(fm).fit(X)
    with pytest.raises(MusoError, match=r"3 columns.*X.shape=\(9, 2\)"):
        fitted.transform(X[:, :2])
    with pytest.raises(MusoError, match=r"3 columns"):
        fitted.kernel(X, X[:, :2])
    for strange in (
        X.astype(str),
        X.astype(object),
        X + 0j,
        X.astype(np.longdouble),
        "abc",
        [[1.0], [1.0, 2.0]],
    ):
        with pytest.raises(MusoError):
            clone(fm).fit(strange)
    for shape in ((9,), (9, 3, 1), (0, 3), (9, 0)):
        with pytest.raises(MusoError):
            clone(fm).fit(np.zeros(shape))


def test_integers_that_float64_would_round_are_refused():
    IdentityFeatures().fit(np.array([[2**53]]))
    with pytest.raises(MusoError, match=r"2\*\*53"):
        IdentityFeatures().fit(np.array([[2**53 + 1]]))


@pytest.mark.parametrize("fm", ALL, ids=by_name)
def test_unfitted(fm):
    for call in (lambda: clone(fm).transform(X), lambda: clone(fm).kernel(X)):
        with pytest.raises(NotFittedError, match="fit") as caught:
            call()
        assert isinstance(caught.value, BadInputError)


def test_median_of_constant_or_single_or_huge_data():
    with pytest.raises(BadInputError, match=r"median distance=0\.0.*number as bandwidth"):
        GaussianFeatures().fit(np.ones((5, 2)))
    GaussianFeatures(bandwidth=1.0).fit(np.ones((5, 2)))
    with pytest.raises(BadInputError, match="two rows"):
        GaussianFeatures().fit(X[:1])
    with pytest.raises(BadInputError, match="overflow"):
        GaussianFeatures().fit(np.array([[1e200], [-1e200], [3e200]]))


@pytest.mark.parametrize("kind", [GaussianFeatures, ArcCosineFeatures, IdentityFeatures])
def test_values_without_names_are_refused(kind: type) -> None:
    with pytest.raises(BadInputError, match="by name") as refused:
        kind(13, 2000)
    for name in kind().get_params():
        assert f"{name}=" in str(refused.value)


@pytest.mark.parametrize("feature_map", ALL, ids=by_name)
def test_data_of_another_width_than_fitted_are_refused(feature_map) -> None:
    fitted = clone(feature_map).fit(X)
    assert len(fitted.transform(X[:1])) == len(fitted.kernel(X[:1])) == 1
    for width in (1, 2, 4, 6):
        other = np.ones((3, width))
        for call in (fitted.transform, fitted.kernel, lambda other: fitted.kernel(X, other)):
            with pytest.raises(BadInputError, match=rf"3 columns, as seen by fit.*X has {width} features"):
                call(other)
