"""Validation, immutability and identity of the problem."""

from __future__ import annotations

import contextlib
import re
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest

import muso_theory as mt
from muso_theory.errors import BadInputError
from muso_theory.linear.closed_forms import float_model
from muso_theory.linear.labels import subset_size
from tests.zoo import ZOO

PHI = np.arange(12.0).reshape(4, 3)
Y = np.ones(4)


@pytest.mark.parametrize(
    ("features", "targets", "forget", "w_init", "words"),
    [
        (np.where(PHI == 4, np.nan, PHI), Y, [0], None, r"finite numbers.*features\[1, 1\]=nan"),
        (np.where(PHI == 4, np.inf, PHI), Y, [0], None, r"features\[1, 1\]=inf"),
        (PHI, np.array([1, 2, np.nan, 3]), [0], None, r"targets\[2\]=nan"),
        (PHI, np.ones(5), [0], None, r"targets of shape \(5,\) and features of shape \(4, 3\)"),
        (PHI, Y, [0], np.ones(2), r"w_init of shape \(3,\).*w_init of shape \(2,\)"),
        (PHI, np.ones((4, 2)), [0], np.ones(3), r"w_init of shape \(3, 2\)"),
        (PHI, Y, [], None, "at least one sample to forget"),
        (PHI, Y, np.zeros(4, bool), None, "at least one sample to forget"),
        (PHI, Y, [0, 1, 2, 3], None, "at least one sample to retain"),
        (PHI, Y, [4], None, r"from 0 to 3.*forget\[0\]=4"),
        (PHI, Y, [-1], None, r"from 0 to 3.*forget\[0\]=-1"),
        (PHI, Y, [1, 1], None, "distinct row indices.*forget=1"),
        (PHI, Y, np.ones(3, bool), None, "a mask of 4 samples"),
        (PHI, Y, [0.5], None, "boolean mask or integer indices"),
        (PHI, Y, [[0]], None, "a mask or a list"),
        (PHI + 1j, Y, [0], None, "not complex"),
        (PHI.astype(object), Y, [0], None, r"int and Fraction only.*features\[0, 0\]"),
        (np.array([["a"] * 3] * 4), Y, [0], None, "numbers.*<U1"),
        (PHI[0], Y, [0], None, "2-dimensional"),
        (PHI, np.ones((4, 0)), [0], None, "at least one output"),
        (np.zeros((0, 3)), np.zeros(0), [0], None, "at least one sample and one feature"),
        (np.zeros((3, 0)), np.zeros(3), [0], None, "at least one sample and one feature"),
        (PHI.astype(np.longdouble), Y, [0], None, "at most float64"),
    ],
)
def test_bad_input(features, targets, forget, w_init, words) -> None:  # type: ignore[no-untyped-def]
    with pytest.raises(mt.BadInputError, match=words) as refusal:
        mt.UnlearningProblem(features, targets, forget, w_init)
    assert "try " in str(refusal.value)


def test_non_finite_is_found_beyond_the_first_block() -> None:
    features = np.zeros((3000, 2000))
    features[2999, 5] = np.nan
    with pytest.raises(mt.BadInputError, match=r"features\[2999, 5\]"):
        mt.UnlearningProblem(features, np.zeros(3000), [0])


def test_mask_and_indices_mean_the_same() -> None:
    mask = np.array([False, True, False, True])
    a, b = mt.UnlearningProblem(PHI, Y, mask), mt.UnlearningProblem(PHI, Y, [3, 1])
    np.testing.assert_array_equal(a.forget, [1, 3])
    np.testing.assert_array_equal(a.retain, [0, 2])
    assert a.sha256 == b.sha256


def test_nothing_can_be_changed() -> None:
    problem = mt.UnlearningProblem(PHI, Y, [0])
    with pytest.raises(AttributeError):
        problem.features = PHI  # type: ignore[misc]
    for array in (problem.features, problem.targets, problem.forget, problem.retain):
        with pytest.raises(ValueError, match="read-only"):
            array[0] = 0
    assert np.shares_memory(problem.features, PHI), "features are not copied"


@pytest.mark.parametrize("change", ["features", "targets", "forget", "w_init", "dtype"])
def test_hash_sees_every_input(change: str) -> None:
    base = dict(features=PHI, targets=Y, forget=[0], w_init=np.ones(3))
    other = dict(base)
    other[change if change != "dtype" else "features"] = {
        "features": PHI + np.eye(4, 3) * 1e-12,
        "targets": np.array([1, 1, 1, 2.0]),
        "forget": [1],
        "w_init": np.zeros(3),
        "dtype": PHI.astype(np.float32),
    }[change]
    assert mt.UnlearningProblem(**base).sha256 != mt.UnlearningProblem(**other).sha256  # type: ignore[arg-type]
    assert mt.UnlearningProblem(**base).sha256 == mt.UnlearningProblem(**base).sha256  # type: ignore[arg-type]


def test_hash_does_not_depend_on_memory_layout() -> None:
    wide = np.zeros((4, 6))
    wide[:, ::2] = PHI
    for same in (np.asfortranarray(PHI), wide[:, ::2], PHI.astype(">f8")):
        assert mt.UnlearningProblem(same, Y, [0]).sha256 == mt.UnlearningProblem(PHI, Y, [0]).sha256


def test_exact_input() -> None:
    exact = mt.UnlearningProblem(np.array([[1, 2], [3, 4]]), np.array([Fraction(1, 3), 2], dtype=object), [0])
    assert exact.is_exact
    assert not ZOO["over-parameterised"]().is_exact
    assert mt.check(exact, ["exact-labels"]).theorem("exact-labels").verdict is mt.Verdict.PROVED


def test_from_data_applies_and_fits_transformers() -> None:
    from sklearn.preprocessing import PolynomialFeatures, StandardScaler

    X = np.random.default_rng(0).standard_normal((9, 2))
    unfitted = PolynomialFeatures(3)
    problem = mt.UnlearningProblem.from_data(X, X[:, 0], forget=[0], feature_map=unfitted)
    np.testing.assert_allclose(problem.features, PolynomialFeatures(3).fit_transform(X))
    assert not hasattr(unfitted, "powers_"), "the caller's transformer is left as it is"
    fitted = StandardScaler().fit(X[:4])
    problem = mt.UnlearningProblem.from_data(X, X[:, 0], forget=[0], feature_map=fitted)
    np.testing.assert_allclose(problem.features, fitted.transform(X))
    with pytest.raises(mt.BadInputError, match="scikit-learn transformer"):
        mt.UnlearningProblem.from_data(X, X[:, 0], forget=[0], feature_map="gaussian")


def test_from_data_start() -> None:
    X = np.eye(4)
    start = [
        mt.UnlearningProblem.from_data(X, Y, forget=[0], w_init="normal", seed=s).w_init for s in (0, 0, 1)
    ]
    np.testing.assert_array_equal(start[0], start[1])
    assert not np.array_equal(start[0], start[2])
    assert mt.UnlearningProblem.from_data(X, Y, forget=[0]).w_init is None
    assert not mt.UnlearningProblem.from_data(X, Y, forget=[0], w_init="zero").w_init.any()
    assert mt.UnlearningProblem.from_data(X, np.ones((4, 2)), forget=[0], w_init="normal").w_init.shape == (
        4,
        2,
    )  # type: ignore[union-attr]
    with pytest.raises(mt.BadInputError, match="'zero', 'normal' or an array"):
        mt.UnlearningProblem.from_data(X, Y, forget=[0], w_init="uniform")


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda p: mt.parameter_gap(p, [1.0]), r"labels of shape \(3,\)"),
        (lambda p: mt.parameter_gap(p, [1, np.nan, 2]), r"labels\[1\]=nan"),
        (lambda p: mt.optimal_labels(p, "label-fre"), "'label-free'"),
        (lambda p: mt.optimal_labels(p, "ridge", ridge=0), "a positive number"),
        (lambda p: mt.optimal_labels(p, "subsample", subset=0.0), r"\(0, 1\]"),
        (lambda p: mt.optimal_labels(p, "subsample", subset=0.01), "subset of at least one sample"),
        (lambda p: mt.optimal_labels(p, "subsample", subset=p.forget), "outside R"),
        (lambda p: mt.leave_block_out_labels(p, [[0, 0]]), "distinct"),
        (lambda p: mt.check(p, w_unlearned=np.ones(3)), r"w_unlearned of shape \(40,\)"),
        (lambda p: mt.check(p, ["exact-label"]), "'exact-labels'"),
        (lambda p: mt.check(p, arithmetic="balls"), "'ball'"),
        (lambda p: mt.check(p, tolerance=1), "tolerance=1"),
        (lambda p: mt.check(p, asserted=["nonsense-claim"]), "claim=nonsense-claim"),
    ],
)
def test_bad_arguments(call, words) -> None:  # type: ignore[no-untyped-def]
    with pytest.raises(mt.MusoError, match=words):
        call(ZOO["over-parameterised"]())


def test_classes_of_arrays_are_those_of_files() -> None:
    rng = np.random.default_rng(0)
    X, codes = rng.standard_normal((12, 3)), np.arange(12) % 3
    made = mt.UnlearningProblem.from_data(X, codes, forget=[1])
    assert made.targets.tolist() == np.eye(3)[codes].tolist()
    assert made.is_exact is False
    assert made.targets.dtype.kind == "i"  # whole numbers stay exact
    task = {row.word: (row.value, row.how) for row in made.understood}["task"]
    assert task == ("classification, one-hot: 0, 1, 2", "inferred")
    numbers = mt.UnlearningProblem.from_data(X, codes, forget=[1], task="regression")
    assert numbers.targets.tolist() == codes.tolist()
    words = mt.UnlearningProblem.from_data(X, np.array(list("ab") * 6, dtype=object), forget=[1])
    assert words.targets.tolist() == [-1, 1] * 6
    begun = mt.UnlearningProblem.from_data(X, codes, forget=[1], w_init=np.ones(3))
    assert begun.targets.tolist() == codes.tolist()
    measured = mt.UnlearningProblem.from_data(X, X[:, 0], forget=[1])
    assert measured.targets is not None
    np.testing.assert_array_equal(measured.targets, X[:, 0])
    with pytest.raises(mt.BadInputError, match="one class a sample"):
        mt.UnlearningProblem.from_data(X, np.eye(3)[codes], forget=[1], task="classification")
    with pytest.raises(mt.BadInputError, match="--task regression"):
        mt.UnlearningProblem.from_data(X, X[:, 0], forget=[1], task="classification")
    with pytest.raises(mt.BadInputError, match="a task"):
        mt.UnlearningProblem.from_data(X, codes, forget=[1], task="classes")


def test_class_codes_that_are_handed_in_as_numbers_are_told() -> None:
    X, codes = np.random.default_rng(0).standard_normal((12, 3)), np.arange(12) % 3
    told = {row.word: row.value for row in mt.UnlearningProblem(X, codes, [1]).understood}
    assert told["task"].startswith("regression on the numbers as given, 3 distinct integers")
    for targets in (codes % 2, X[:, 0], np.arange(12)):
        assert "task" not in {row.word for row in mt.UnlearningProblem(X, targets, [1]).understood}


def test_a_column_of_class_codes_is_no_regression() -> None:
    X, codes = np.random.default_rng(0).standard_normal((12, 3)), np.arange(12) % 3
    made = mt.UnlearningProblem.from_data(X, codes[:, None], forget=[1])
    assert made.targets.tolist() == np.eye(3)[codes].tolist()
    two = mt.UnlearningProblem.from_data(X, codes[:, None] % 2, forget=[1])
    assert two.targets.tolist() == (2 * (codes[:, None] % 2) - 1).tolist()
    measured = mt.UnlearningProblem.from_data(X, X[:, :1], forget=[1])
    assert measured.targets.shape == (12, 1)
    told = {row.word: row.value for row in mt.UnlearningProblem(X, codes[:, None], [1]).understood}
    assert "3 distinct integers" in told["task"]


@pytest.mark.parametrize(("n", "width"), [(9, 20), (40, 6)])
@pytest.mark.parametrize("dtype", [np.float64, np.float32])
def test_features_in_a_file_are_those_of_the_array(n: int, width: int, dtype: type, tmp_path: Path) -> None:
    rng = np.random.default_rng(n)
    phi, y = rng.standard_normal((n, width)).astype(dtype), rng.standard_normal((n, 2))
    np.save(tmp_path / "phi.npy", phi)
    np.save(tmp_path / "y.npy", y)
    problem = mt.UnlearningProblem(phi, y, [1, 4])
    mapped = mt.UnlearningProblem(tmp_path / "phi.npy", str(tmp_path / "y.npy"), [1, 4])
    assert isinstance(mapped.features, np.memmap)
    assert mapped.sha256 == problem.sha256
    assert (mt.optimal_labels(mapped) == mt.optimal_labels(problem)).all()
    one, other = (mt.check(p, ["exact-labels"])["exact-labels"] for p in (mapped, problem))
    assert one.verdict is other.verdict is mt.Verdict.CERTIFIED
    # A file is read a span at a time, so that roundings differ; both are proved.
    assert other.bound / 1.1 < one.bound < 1.1 * other.bound
    # What is in the file belongs to the problem's identity.
    phi[0, 0] += 1
    np.save(tmp_path / "phi.npy", phi)
    assert mt.UnlearningProblem(tmp_path / "phi.npy", y, [1, 4]).sha256 != problem.sha256


def test_files_that_hold_no_array_are_refused(tmp_path: Path) -> None:
    (tmp_path / "words.npy").write_text("no array")
    (tmp_path / "empty.npy").write_text("")
    np.savez(tmp_path / "several.npz", X=PHI)
    np.save(tmp_path / "objects.npy", np.array([{}]), allow_pickle=True)
    np.save(tmp_path / "text.npy", np.array([["a"]]))
    for name, words in (
        ("missing.npy", "No such file"),
        ("words.npy", "pickled"),
        ("empty.npy", "No data left"),
        ("several.npz", "NpzFile"),
        ("objects.npy", "Python objects|[Oo]bject arrays"),
        ("text.npy", "dtype <U1|numbers"),
    ):
        with pytest.raises(mt.MusoError, match=words):
            mt.UnlearningProblem(tmp_path / name, Y, [0])


@pytest.mark.parametrize("shape", [(9, 4), (9, 2, 5)])
@pytest.mark.parametrize("dtype", [np.float64, np.float32, np.int64])
def test_blocks_of_rows_are_those_of_the_array(shape: tuple[int, ...], dtype: type) -> None:
    rng = np.random.default_rng(len(shape))
    phi, y = (10 * rng.standard_normal(shape)).astype(dtype), rng.standard_normal((9, 2))
    problem = mt.UnlearningProblem(phi, y, [1, 4])
    stacked = mt.UnlearningProblem(lambda: (phi[i : i + 4] for i in range(0, 9, 4)), y, [1, 4])
    assert stacked.features.dtype == phi.dtype
    assert stacked.sha256 == problem.sha256
    assert (mt.optimal_labels(stacked) == mt.optimal_labels(problem)).all()
    # Another order of blocks is another problem, and is not taken for the same.
    turned = mt.UnlearningProblem(lambda: (phi[i : i + 4] for i in (4, 8, 0) if i < 9), y, [1, 4])
    assert turned.sha256 != problem.sha256


def test_blocks_that_do_not_fit_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    spent = iter([PHI])
    mt.UnlearningProblem(lambda: spent, Y, [0])
    for blocks, words in (
        (lambda: spent, "begins anew"),
        (lambda: [PHI, PHI[:1]], rf"features\(\)\[1\]=\(1, {PHI.shape[1]}\).*as many targets"),
        (lambda: [PHI[:-1]], f"{len(PHI)} rows in all"),
        (lambda: [PHI[:1], PHI[1:, :-1]], "the same of every block"),
        (lambda: [PHI[:1], PHI[1:].astype(np.float32)], "the same of every block"),
        (lambda: [PHI[:1], PHI[1:] * np.nan], r"features\(\)\[1\]\[0, 0\]=nan"),
        (lambda: PHI, "2-dimensional or 3-dimensional"),
        (lambda: None, "yields blocks"),
    ):
        with pytest.raises(mt.MusoError, match=words):
            mt.UnlearningProblem(blocks, Y, [0])
    monkeypatch.setattr("muso_theory.linear.given.memory", lambda: 8 * PHI.size - 1)
    with pytest.raises(mt.MusoError, match=f"{8 * PHI.size:,} bytes.*open_memmap"):
        mt.UnlearningProblem(lambda: [PHI], Y, [0])


def test_pandas_labels_in_another_order_are_refused_with_a_cure_that_works() -> None:
    pd = pytest.importorskip("pandas")
    X = pd.DataFrame(np.random.default_rng(0).standard_normal((6, 9)), index=list("abcdef"))
    y = pd.Series(np.arange(6.0) / 7, index=X.index)
    other = y.iloc[::-1]
    right = mt.UnlearningProblem.from_data(X, y, forget=[0, 2])
    made = (mt.UnlearningProblem.from_data, mt.UnlearningProblem)
    for make in made:
        with pytest.raises(mt.BadInputError, match=r"labels in the order of .*index.*another order.*\.loc\["):
            make(X, other, forget=[0, 2])
        assert (make(X, other.loc[X.index], forget=[0, 2]).targets == right.targets).all()
        assert (make(X, other.to_numpy(), forget=[0, 2]).targets == y.to_numpy()[::-1]).all()
        make(X, y.reset_index(drop=True), forget=[0, 2])  # labels that are not those of X: nothing to pair by
    net = mt.networks.mlp([9, 8, 1], activation="erf")
    with pytest.raises(mt.BadInputError, match=r"y\.loc\[X\.index\]"):
        mt.networks.from_network(net, net.init(0), X, other, forget=[0, 2])
    labels = pd.Series(mt.solve(right).forget_labels, index=right.forget)
    with pytest.raises(mt.BadInputError, match=r"labels\.loc\[problem\.forget\]"):
        mt.check(right, "exact-labels", labels=labels[::-1])
    again = labels[::-1].loc[right.forget]
    assert mt.check(right, "exact-labels", labels=again)["exact-labels[labels]"].verdict.holds


@pytest.mark.parametrize("shape", [(12, 4), (6, 9)])
def test_what_is_kept_of_arrays_that_were_changed_and_taken_back_decides_nothing(
    shape: tuple[int, int],
) -> None:
    rng = np.random.default_rng(0)
    phi, y = rng.standard_normal(shape), rng.standard_normal(shape[0])
    whole, problem = phi.copy(), mt.UnlearningProblem(phi, y, [1])
    mt.check(problem, "conditioning")
    phi[5] *= 1.01
    for ask in (
        mt.optimal_labels,
        mt.label_solution_set,
        lambda it: mt.leave_block_out_labels(it, [[1]]),
        mt.solve,
    ):
        with pytest.raises(BadInputError, match="changed since"):
            ask(problem)
    model = float_model(problem)  # as another door might form it
    model.fit(model.retain, model.targets(model.retain))
    phi[:] = whole
    wanted = mt.check(mt.UnlearningProblem(whole, y, [1]), ["exact-labels", "gap-formula"], labels=y[[1]])
    with contextlib.suppress(BadInputError):
        found = mt.check(problem, ["exact-labels", "gap-formula"], labels=y[[1]])
        assert [found[row].verdict for row in found] == [wanted[row].verdict for row in wanted]


@pytest.mark.parametrize("whole", [round, int])
def test_the_least_subset_that_a_refusal_names_is_one(whole) -> None:
    for n in range(1, 400):
        with pytest.raises(BadInputError, match="at least one sample") as refused:
            subset_size(0.4 / n, n, whole)
        least = float(re.search(r"try ([\d.]+) or more", str(refused.value))[1])
        assert subset_size(least, n, whole) == 1
        assert least <= 1.1 / n
