"""Files of heads of deep networks on their way to a problem: mapped as they lie, classes as codes."""

from __future__ import annotations

import tracemalloc
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from muso_theory.data import load
from muso_theory.errors import BadInputError
from muso_theory.inputs.preparing import Prepared, prepare
from muso_theory.linear.problem import UnlearningProblem
from muso_theory.options import Source
from muso_theory.rows import OneHot


def peak(work: Callable[[], Any]) -> int:
    """Bytes that some work has at once beside what was there; of a second run, when all modules are there."""
    work()
    tracemalloc.start()
    try:
        work()
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


def head(folder: Path, n: int, width: int, classes: int, dtype: Any = np.float32) -> tuple[str, str]:
    """Paths of features and of integer classes."""
    paths = str(folder / "big.npy"), str(folder / "classes.npy")
    np.save(paths[0], np.random.default_rng(5).standard_normal((n, width)).astype(dtype))
    np.save(paths[1], np.arange(n) % classes)
    return paths


def prepared(data: str, target: str) -> Prepared:
    """What a command makes of them."""
    return prepare(Source(data, target=target, task="classification", forget="class:1"))


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_features_in_a_file_stay_there(dtype: Any, tmp_path: Path) -> None:
    paths = head(tmp_path, 200, 50_000 if dtype == np.float32 else 25_000, 4, dtype)  # 40 MB
    assert peak(lambda: load(paths[0], target=paths[1])) < 8_000_000
    assert (
        peak(lambda: prepared(*paths)) < 20_000_000
    )  # blocks of rows, of which a whole copy would be twice that
    features = prepared(*paths).problem.features
    assert (features.dtype, features.flags.writeable) == (dtype, False)
    assert getattr(features, "_mmap", None) is not None
    # The control: whoever asks for all of it has it whole.
    assert peak(lambda: load(paths[0], target=paths[1]).X + 0) > 40_000_000


def test_a_problem_of_files_is_that_of_their_arrays(tmp_path: Path) -> None:
    paths = head(tmp_path, 24, 30, 3)
    by_command = prepared(*paths).problem
    codes = np.arange(24) % 3
    by_hand = UnlearningProblem(paths[0], OneHot(codes, 3), np.flatnonzero(codes == 1))
    assert by_command.sha256 == by_hand.sha256
    np.savez(tmp_path / "both.npz", features=np.load(paths[0]), y=codes)
    of_archive = prepare(Source(str(tmp_path / "both.npz"), task="classification", forget="class:1")).problem
    assert (of_archive.features.dtype, of_archive.sha256) == (np.float32, by_hand.sha256)


def test_what_is_wrong_in_a_mapped_file_is_still_named(tmp_path: Path) -> None:
    paths = head(tmp_path, 24, 30, 3)
    array = np.load(paths[0])
    array[17, 4] = np.nan
    np.save(paths[0], array)
    with pytest.raises(BadInputError, match=r"finite numbers but got features\[17, 4\]=nan"):
        load(paths[0], target=paths[1])
    np.save(paths[0], np.asfortranarray(array[:, :4]))
    assert load(paths[0], target=paths[1]).X.tolist() == array[:, :4].tolist()
    np.save(paths[0], np.empty((0, 4), np.float32))
    with pytest.raises(BadInputError, match="non-empty array"):
        load(paths[0], target=paths[1])
    np.save(paths[0], array[:, :4].astype(np.float16))
    assert load(paths[0], target=paths[1]).X.dtype == np.float64


def test_many_classes_stay_codes_from_the_file_to_the_problem(tmp_path: Path) -> None:
    n, classes = 6_000, 1_000  # 48 MB as columns
    paths = head(tmp_path, n, 8, classes)
    dataset = load(paths[0], target=paths[1], task="classification")
    assert isinstance(dataset.y, OneHot)
    assert peak(lambda: load(paths[0], target=paths[1], task="classification")) < 8_000_000
    problem = prepared(*paths).problem
    assert isinstance(problem.targets, OneHot)
    assert problem.targets.codes.tolist() == (np.arange(n) % classes).tolist()
    held_out = prepare(Source(paths[0], target=paths[1], task="classification", forget="class:1"), test=0.2)
    assert isinstance(held_out.problem.targets, OneHot)
    some = load(paths[0], target=paths[1], task="classification", classes=",".join(map(str, range(900))))
    assert isinstance(some.y, OneHot)
    # The control: columns are what a reader has who asks for them.
    assert peak(lambda: dataset.y + 0) > 40_000_000


def test_a_class_is_not_forgotten_of_targets_that_were_taken_for_numbers(tmp_path: Path) -> None:
    paths = head(tmp_path, 200, 4, 100)
    words = (
        r"targets that are classes.*class:7 \(100 distinct whole .*regression\); try --task classification"
    )
    for spec in ("class:7", "subclass:7"):
        with pytest.raises(BadInputError, match=words):
            prepare(Source(paths[0], target=paths[1], forget=spec))
    as_classes = prepare(Source(paths[0], target=paths[1], task="classification", forget="class:7"))
    assert as_classes.problem.targets.shape == (200, 100)
    # The controls: who says regression has it, few numbers are classes, and numbers that w_init belongs to are meant.
    said = prepare(Source(paths[0], target=paths[1], task="regression", forget="class:7"))
    assert said.problem.targets.ndim == 1
    assert said.problem.forget.tolist() == as_classes.problem.forget.tolist() == [7, 107]
    few = head(tmp_path, 200, 4, 20)
    assert prepare(Source(few[0], target=few[1], forget="class:7")).problem.n_outputs == 20
    np.savez(tmp_path / "w.npz", features=np.load(paths[0]), y=np.arange(200) % 100, w_init=np.ones(4))
    assert prepare(Source(str(tmp_path / "w.npz"), forget="class:7")).problem.n_outputs == 1


@pytest.mark.parametrize("kind", [str, Path])
def test_paths_make_a_problem_of_data_as_the_problem_itself_takes_them(kind: Any, tmp_path: Path) -> None:
    data, target = map(kind, head(tmp_path, 24, 30, 3))
    y = np.arange(24) % 3
    made = UnlearningProblem.from_data(data, y, forget=[1])
    assert made.sha256 == UnlearningProblem.from_data(np.load(data), y, forget=[1]).sha256
    assert getattr(made.features, "_mmap", None) is not None
    assert UnlearningProblem.from_data(data, target, forget=[1]).sha256 == made.sha256
    for absent in (tmp_path / "absent.npy", __file__):
        with pytest.raises(BadInputError, match=r"or the path of one in a \.npy file but got X="):
            UnlearningProblem.from_data(kind(absent), y, forget=[1])


def test_a_function_is_wanted_and_not_what_it_yields() -> None:
    y = np.arange(6.0)

    def blocks() -> Any:
        yield np.eye(3)
        yield 2 * np.eye(3)

    assert UnlearningProblem(blocks, y, [0]).features.shape == (6, 3)
    words = r"a function that yields blocks of rows but got features=generator.*features=blocks, …\), the function"
    with pytest.raises(BadInputError, match=words):
        UnlearningProblem(blocks(), y, [0])
    with pytest.raises(BadInputError, match="X=generator"):
        UnlearningProblem.from_data(blocks(), y, forget=[0])
    with pytest.raises(BadInputError, match=r"X=function \(a function\); try mt.UnlearningProblem"):
        UnlearningProblem.from_data(blocks, y, forget=[0])


class _Rows:
    """A source of one's own that lacks something."""

    shape, dtype = (6, 3), np.dtype("f8")

    def __getitem__(self, key: Any) -> Any:
        return np.eye(6, 3)[key]


def test_a_source_of_ones_own_is_told_what_it_lacks() -> None:
    y = np.arange(6.0)
    words = r"a shape \(n, D\), dtype, chunks and rows by slices but got features=_Rows \(without chunks\)"
    with pytest.raises(BadInputError, match=words):
        UnlearningProblem(_Rows(), y, [0])
    with pytest.raises(BadInputError, match=words.replace("features", "X")):
        UnlearningProblem.from_data(_Rows(), y, forget=[0])
    whole = type("Whole", (_Rows,), {"chunks": (2, 3)})
    assert UnlearningProblem(whole(), y, [0]).features.shape == (6, 3)
