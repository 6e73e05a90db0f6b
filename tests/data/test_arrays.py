"""Every door for arrays refuses the same kinds in the same words, and arrays that change are noticed."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import scipy.sparse

import muso_theory as mt
from muso_theory import arrays, evaluation, networks
from muso_theory.arrays import first_nonfinite, float_values, forget_indices, real_array, row_blocks
from muso_theory.checking import run as checking
from muso_theory.claims.case import Artefact
from muso_theory.errors import BadInputError, MusoError
from muso_theory.linear.approximation import kernel_approximation
from muso_theory.linear.precise import feature_error
from muso_theory.linear.training.train import train
from muso_theory.methods.projector import row_projector
from muso_theory.networks.problem import NetworkProblem
from muso_theory.numbers import BALL, FLOAT64, MP, RATIONAL

N, D = 4, 3
PHI = np.random.default_rng(0).standard_normal((N, D))
Y = np.array([1.0, -1.0, 1.0, -1.0])
W = np.array([0.5, 0.25, -1.0])
PROBLEM = mt.UnlearningProblem(PHI, Y, [1])
NET = networks.mlp([D, 4, 1], activation="tanh")
NTK_NET = networks.mlp([D, 4, 1], activation="erf", parameterization="ntk")
PARAMS = NET.init(0)
MAP = mt.GaussianFeatures(n_features=8, bandwidth=1.0, seed=0).fit(PHI)
OBJECTIVE = evaluation.Objective(PHI, Y, "logistic", 0.5)


def fit(*given: Any, **options: Any) -> object:
    return networks.train(*given, epochs=1, learning_rate=0.1, **options)


def _model(a: Any) -> Any:
    return a if isinstance(a, np.ndarray) else [a]


def _params(a: Any) -> list[Any]:
    return [a, *PARAMS[1:]]


def _problem(**given: Any) -> mt.UnlearningProblem:
    return mt.UnlearningProblem(**{"features": PHI, "targets": Y, "forget": [1], **given})


def _network(**given: Any) -> Any:
    usual = {"net": NET, "X": PHI, "targets": Y, "forget": [1], "start": PARAMS, "pretrained": PARAMS}
    return NetworkProblem(**{**usual, **given})


Call = Callable[[Any], object]
DOORS: dict[str, tuple[np.ndarray, Call]] = {
    "features": (PHI, lambda a: _problem(features=a)),
    "targets": (Y, lambda a: _problem(targets=a)),
    "w_init": (W, lambda a: _problem(w_init=a)),
    "X": (PHI, lambda a: mt.UnlearningProblem.from_data(a, Y, forget=[1])),
    "y": (Y, lambda a: mt.UnlearningProblem.from_data(PHI, a, forget=[1])),
    "audited labels": (Y[:1], lambda a: mt.check(PROBLEM, "exact-labels", labels=a)),
    "audited w_unlearned": (W, lambda a: mt.check(PROBLEM, "exact-labels", w_unlearned=a)),
    "audited w_pretrained": (W, lambda a: mt.check(PROBLEM, "start-in-span", w_pretrained=a)),
    "labels of a gap": (Y[:1], lambda a: mt.parameter_gap(PROBLEM, a)),
    "features to train on": (PHI, lambda a: train(a, Y, step_sizes=0.1, epochs=1)),
    "targets to train on": (Y, lambda a: train(PHI, a, step_sizes=0.1, epochs=1)),
    "start of training": (W, lambda a: train(PHI, Y, start=a, step_sizes=0.1, epochs=1)),
    "step sizes": (np.abs(Y), lambda a: train(PHI, Y, step_sizes=a, epochs=1)),
    "inputs of a feature map": (PHI, lambda a: mt.GaussianFeatures(n_features=8, seed=0).fit(a)),
    "inputs of a fitted map": (PHI, lambda a: MAP.transform(a)),
    "inputs of a kernel": (PHI, lambda a: MAP.kernel(a)),
    "inputs of an approximation": (PHI, lambda a: kernel_approximation(MAP, a, n_features=(8,))),
    "features of a map": (MAP.transform(PHI), lambda a: feature_error(MAP, PHI, a)),
    "network's inputs to train on": (
        PHI,
        lambda a: fit(NET, PARAMS, a, Y[:, None]),
    ),
    "network's targets": (
        Y[:, None],
        lambda a: fit(NET, PARAMS, PHI, a),
    ),
    "network's parameters to train": (
        PARAMS[0],
        lambda a: fit(NET, _params(a), PHI, Y[:, None]),
    ),
    "weights of samples": (
        np.abs(Y),
        lambda a: fit(NET, PARAMS, PHI, Y[:, None], weights=a),
    ),
    "network's tangent, inputs": (
        PHI,
        lambda a: mt.networks.from_network(NET, PARAMS, a, Y, forget=[1]),
    ),
    "network's tangent, targets": (
        Y,
        lambda a: mt.networks.from_network(NET, PARAMS, PHI, a, forget=[1]),
    ),
    "network's tangent, parameters": (
        PARAMS[0],
        lambda a: mt.networks.from_network(NET, _params(a), PHI, Y, forget=[1]),
    ),
    "infinite width": (PHI, lambda a: networks.infinite_width(NTK_NET, a)),
    "network problem, inputs": (PHI, lambda a: _network(X=a)),
    "network problem, targets": (Y[:, None], lambda a: _network(targets=a)),
    "network problem, parameters": (PARAMS[0], lambda a: _network(start=_params(a))),
    "rows of a projector": (PHI, lambda a: row_projector(a)),
    "outputs": (Y, lambda a: evaluation.accuracy(a, Y)),
    "targets of outputs": (Y, lambda a: evaluation.accuracy(Y, a)),
    "outputs of two models": (Y, lambda a: evaluation.agreement(Y, a)),
    "parameters of two models": (
        W,
        lambda a: evaluation.parameter_distance(W, _model(a)),
    ),
    "parameters of two networks": (W, lambda a: evaluation.parameter_distance([W], [a])),
    "features of an objective": (PHI, lambda a: evaluation.Objective(a, Y, "logistic", 0.5)),
    "targets of an objective": (Y, lambda a: evaluation.Objective(PHI, a, "logistic", 0.5)),
    "tilt of an objective": (W, lambda a: evaluation.Objective(PHI, Y, "logistic", 0.5, a)),
    "point of an objective": (W, lambda a: OBJECTIVE.gap_bound(a)),
    "start of an objective": (W, lambda a: OBJECTIVE.minimiser(a)),
    "matrix of floats": (PHI, lambda a: FLOAT64.matrix(a)),
    "matrix of balls": (PHI, lambda a: BALL(128).matrix(a)),
    "matrix of rationals": (PHI, lambda a: RATIONAL.matrix(a)),
    "matrix of digits": (PHI, lambda a: MP(30).matrix(a)),
}
# Outputs and derivatives of networks take complex and mpmath numbers, too.
GENERIC: dict[str, tuple[np.ndarray, Call]] = {
    "network's inputs": (PHI, lambda a: NET(PARAMS, a)),
    "network's parameters": (PARAMS[0], lambda a: NET(_params(a), PHI)),
    "vector of parameters": (NET.flatten(PARAMS), lambda a: NET.check_params(NET.unflatten(a))),
    "cotangent": (Y[:, None], lambda a: NET.vjp(PARAMS, PHI, a)),
    "empirical tangent kernel": (PHI, lambda a: networks.empirical_ntk(NET, PARAMS, a)),
}


def _with(array: np.ndarray, value: Any, dtype: Any = None) -> np.ndarray:
    """A copy whose last entry is another."""
    out = np.array(array, dtype=dtype)
    out[(-1,) * out.ndim] = value
    return out


Bad = Callable[[np.ndarray], Any]
DISGUISED: dict[str, tuple[Bad, str]] = {
    "masked": (lambda a: np.ma.array(a, mask=_with(np.zeros(a.shape), 1, bool)), "ordinary array.*masked"),
    "masked, nothing hidden": (np.ma.array, "ordinary array.*masked"),
    "list of masked rows": (lambda a: [np.ma.array(row, mask=False) for row in a], "ordinary array.*masked"),
    "matrix": (np.matrix, "ordinary array.*matrix"),
    "sparse matrix": (lambda a: scipy.sparse.csr_matrix(np.atleast_2d(a)), "ordinary array.*sparse"),
    "sparse array": (lambda a: scipy.sparse.coo_array(np.atleast_2d(a)), "ordinary array.*sparse"),
    "ragged": (lambda a: [[1.0, 2.0], [3.0]], "rows of one length|dimension|matrix"),
    "NaN": (lambda a: _with(a, np.nan), "finite"),
    "infinity": (lambda a: _with(a, -np.inf), "finite"),
    "text": (lambda a: a.astype(str), "numbers"),
    "bytes": (lambda a: a.astype("S"), "numbers"),
    "dates": (lambda a: np.zeros(a.shape, dtype="M8[s]"), "numbers"),
    "records": (lambda a: np.zeros(a.shape, dtype=[("x", float)]), "numbers"),
}
UNREAL: dict[str, tuple[Bad, str]] = {
    "complex": (lambda a: a.astype(complex), "real numbers"),
    "words among numbers": (lambda a: _with(a, "x", object), "int|float"),
    "None among numbers": (lambda a: _with(a, None, object), "int|float"),
}
REFUSED = [
    # Text as targets of samples is classes.
    *((door, bad) for door in DOORS for bad in (*DISGUISED, *UNREAL) if (door, bad) != ("y", "text")),
    *((door, bad) for door in GENERIC for bad in DISGUISED),
]


@pytest.mark.parametrize("door", [*DOORS, *GENERIC])
def test_every_door_is_open_to_numbers(door: str) -> None:
    array, call = {**DOORS, **GENERIC}[door]
    call(array)
    writable = np.asfortranarray(array)
    writable.flags.writeable = False
    call(writable)


@pytest.mark.parametrize(("door", "bad"), REFUSED)
def test_every_door_refuses_what_is_no_array_of_numbers(door: str, bad: str) -> None:
    array, call = {**DOORS, **GENERIC}[door]
    spoil, words = {**DISGUISED, **UNREAL}[bad]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", PendingDeprecationWarning)  # numpy.matrix announces its end
        spoilt = spoil(array)
    with pytest.raises(MusoError, match=f"^expected .*({words})"):
        call(spoilt)


@pytest.mark.parametrize("door", ["audited labels", "audited w_unlearned", "outputs"])
def test_truth_values_are_no_parameters(door: str) -> None:
    array, call = DOORS[door]
    with pytest.raises(BadInputError, match="truth values"):
        call(array > 0)


def test_without_the_door_a_mask_is_ignored(monkeypatch: pytest.MonkeyPatch) -> None:
    masked = np.ma.array(PHI, mask=PHI > 1)
    with pytest.raises(BadInputError, match="masked"):
        _problem(features=masked)
    monkeypatch.setattr(arrays, "disguise", lambda values: None)
    assert _problem(features=masked).sha256 == PROBLEM.sha256


@pytest.mark.parametrize(
    "forget", [np.ma.array([1], mask=[False]), scipy.sparse.csr_matrix([[0, 1]]), [[1], [2, 3]]]
)
def test_forget_sets_come_through_the_same_door(forget: Any) -> None:
    for call in (lambda: _problem(forget=forget), lambda: _network(forget=forget)):
        with pytest.raises(BadInputError, match="forget"):
            call()


def test_a_rule_that_answers_with_a_mask_has_answered_with_no_numbers() -> None:
    def rule(problem: mt.UnlearningProblem) -> Any:
        return np.ma.array(mt.optimal_labels(problem), mask=False)

    found = mt.refute(rule, max_examples=5)
    assert found is not None
    assert "masked" in str(found)


# -- what keeps working --------------------------------------------------------------------------------------

QUARTERS = (np.arange(12).reshape(4, 3) % 5) / 4
EXACTLY = np.vectorize(Fraction, otypes=[object])
KINDS: dict[str, np.ndarray] = {
    "float64": QUARTERS,
    "Fortran": np.asfortranarray(QUARTERS),
    "float32": QUARTERS.astype(np.float32),
    "float16": QUARTERS.astype(np.float16),
    "big-endian": QUARTERS.astype(">f8"),
    "int64": (4 * QUARTERS).astype(np.int64),
    "uint8": (4 * QUARTERS).astype(np.uint8),
    "Fractions": EXACTLY(QUARTERS),
    "ints": (4 * QUARTERS).astype(int).astype(object),
    "bool": QUARTERS > 0.5,
    "strided": np.repeat(QUARTERS, 2, axis=0)[::2],
}
# Reports that exist name problems by these.
HASHES = {
    "float64": "c234d274f4991d96ec27e8e9a0e105acc68cf3e62edac0c0fc9c99cb4b6b251c",
    "Fortran": "c234d274f4991d96ec27e8e9a0e105acc68cf3e62edac0c0fc9c99cb4b6b251c",
    "float32": "e4c2291a23f9b8a5aa6b8363e5b89b5d02f95dd20655ca63f4696ed1a8b9d43e",
    "float16": "906b7e602d9bbafd3574ac040fd083818743b0ffef0803dfd860cb0b97011592",
    "big-endian": "c234d274f4991d96ec27e8e9a0e105acc68cf3e62edac0c0fc9c99cb4b6b251c",
    "int64": "ea08e392dda09d10d4b63bf36f13c9dc05791636ef202b70af6560a5ac25ac88",
    "uint8": "bdae3a36fdf6104dea5fcb1dbd8598c40d6f39ed6cf56174e11b074d4b7f09a4",
    "Fractions": "fcd6c2ca7d6630349625ee0275e6ec3efcba74c23e066770edb3bbb62be1226c",
    "ints": "ce48280b97a8d5714a5f724ffe89e1226361d5d76d22062f2dcfbf3a8a83a285",
    "bool": "5250dcdf0b6ddfc0f4880d8257bcf8b88a56df3b5dd09c55e6dec30795d7c0b4",
    "strided": "c234d274f4991d96ec27e8e9a0e105acc68cf3e62edac0c0fc9c99cb4b6b251c",
}


@pytest.mark.parametrize("kind", KINDS)
def test_hashes_are_what_they_were(kind: str, tmp_path: Path) -> None:
    array = KINDS[kind]
    y, w = np.array([1, -1, 0, 2]) / 2, np.array([1, 0, -2]) / 4
    given = [array]
    if array.dtype != object:
        np.save(tmp_path / "phi.npy", array)
        given.append(np.load(tmp_path / "phi.npy", mmap_mode="r"))
    for features in given:
        problem = mt.UnlearningProblem(features, y, [1], w)
        assert problem.sha256 == HASHES[kind]
        assert np.shares_memory(problem.features, features) or kind == "bool"
        assert not problem.features.flags.writeable


def test_rows_of_numbers_are_read_exactly() -> None:
    assert real_array("y", [1, Fraction(1, 3)], (1,)).tolist() == [1, Fraction(1, 3)]
    assert real_array("y", [10**400, 1], (1,)).dtype == object
    assert float_values("y", np.float32([0.1]), (1,))[0] == np.float32(0.1)
    with pytest.raises(BadInputError, match=r"above 2\*\*53"):
        float_values("y", [2**53 + 1], (1,))
    with pytest.raises(BadInputError, match="bool"):
        real_array("y", np.array([Fraction(1), True], dtype=object), (1,))


@pytest.mark.parametrize("shape", [(), (7,), (7, 3), (7, 2, 3)])
@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_the_first_that_is_not_finite_is_found(
    shape: tuple[int, ...], value: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(arrays, "_BLOCK_BYTES", 64)
    array = np.ones(shape)
    assert first_nonfinite(array) is None
    for index in np.ndindex(shape):
        one = array.copy()
        one[index] = value
        assert first_nonfinite(one) == index


def test_forget_sets_are_sorted_and_kept() -> None:
    mine = np.array([3, 1])
    assert forget_indices(mine, 4).tolist() == [1, 3]
    assert mine.tolist() == [3, 1]


# -- arrays that change --------------------------------------------------------------------------------------


def _owned() -> dict[str, np.ndarray]:
    return {"features": PHI.copy(), "targets": Y.copy(), "w_init": W.copy()}


@pytest.mark.parametrize("name", ["features", "targets", "w_init"])
@pytest.mark.parametrize("before", [True, False], ids=["before the check", "while it runs"])
def test_an_array_that_changed_is_named(name: str, before: bool) -> None:
    given = _owned()
    problem = mt.UnlearningProblem(**given, forget=[1])
    mt.check(problem, "exact-labels")

    def write(*_: object) -> None:
        given[name].ravel()[0] += 1e-9

    if before:
        write()
    with pytest.raises(MusoError, match=f"^expected the arrays that the problem .* got {name}=.*changed"):
        mt.check(problem, "exact-labels", progress=None if before else write)


def test_a_forget_set_that_changed_is_named() -> None:
    problem = mt.UnlearningProblem(**_owned(), forget=np.array([1]))
    problem.forget.flags.writeable = True
    problem.forget[0] = 2
    with pytest.raises(MusoError, match=r"got forget=.*changed"):
        mt.check(problem, "exact-labels")


@pytest.mark.parametrize("name", ["labels", "w_unlearned", "w_pretrained"])
def test_an_audited_array_that_changed_is_named(name: str) -> None:
    given = {"labels": Y[:1].copy()}.get(name, W.copy())
    claims = ["exact-labels", "start-in-span"]

    def write(*_: object) -> None:
        given[0] += 1e-9

    with pytest.raises(MusoError, match=f"got {name}=.*changed"):
        mt.check(PROBLEM, claims, progress=write, **{name: given})
    mt.check(PROBLEM, claims, **{name: given})


def test_without_the_hash_a_change_goes_unnoticed(monkeypatch: pytest.MonkeyPatch) -> None:
    given = _owned()
    problem = mt.UnlearningProblem(**given, forget=[1])
    mt.check(problem, "exact-labels")
    monkeypatch.setattr(checking, "_require_unchanged", lambda *_: None)
    given["features"][0, 0] += 1.0
    stale = mt.check(problem, "exact-labels")
    assert stale.inputs["sha256"] != _problem(**given).sha256


# -- hashes of long object arrays ----------------------------------------------------------------------------


def test_blocks_of_an_object_array_do_not_run_together(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(arrays, "_BLOCK_BYTES", 16)  # two numbers a block, not two million
    first, second = (np.array(values, dtype=object) for values in ([5, 1, 23, 4], [5, 12, 3, 4]))

    def unseparated(array: np.ndarray) -> str:
        """What was hashed: commas inside blocks, none between them."""
        return "".join(",".join(map(str, array[rows])) for rows in row_blocks(array))

    assert unseparated(first) == unseparated(second)
    assert _problem(targets=first).sha256 != _problem(targets=second).sha256
    monkeypatch.undo()
    whole = _problem(targets=first)
    monkeypatch.setattr(arrays, "_BLOCK_BYTES", 16)
    assert _problem(targets=first).sha256 == whole.sha256  # the blocks leave no trace
    assert Artefact("labels", first).sha256 != Artefact("labels", second).sha256


# -- blocks of rows, and what is a float64 --------------------------------------------------------------------


@pytest.mark.parametrize("shape", [(0, 3), (1, 1), (7, 3), (7, 3, 5), (64,), (5, 0), (9, 100)])
@pytest.mark.parametrize("most", [1, 8, 100, 400, 10_000])
def test_blocks_are_all_rows_in_order_and_as_many_as_fit(
    shape: tuple[int, ...], most: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(arrays, "_BLOCK_BYTES", most)
    blocks = list(row_blocks(np.zeros(shape)))
    assert [i for rows in blocks for i in range(rows.start, rows.stop)] == list(range(shape[0]))
    width = 8 * int(np.prod(shape[1:]))
    for rows in blocks:
        assert rows.stop - rows.start == 1 or (rows.stop - rows.start) * width <= most
    # All but the last are full: one row more would be too much.
    assert all((rows.stop - rows.start + 1) * max(width, 1) > most for rows in blocks[:-1])


@pytest.mark.parametrize(
    ("values", "is_one"),
    [
        (np.array([True, False]), True),
        *((np.zeros(2, dtype=kind), True) for kind in ("i1", "i8", "u1", "u8", "f2", "f4", "f8")),
        (np.zeros(2, dtype=np.longdouble), np.dtype(np.longdouble).itemsize <= 8),
        *((np.array(values, dtype=object), False) for values in ([1, 2], [0.5], [True])),
        *((np.array([sign * (2**53 + more)]), not more) for sign in (1, -1) for more in (0, 1)),
        (np.array([2**53 + 1], dtype=np.uint64), False),
        (np.zeros(0, dtype=int), True),
    ],
)
def test_float64_are_floats_of_that_width_and_integers_that_it_holds(
    values: np.ndarray, is_one: bool
) -> None:
    assert arrays.is_float64(values) is is_one
