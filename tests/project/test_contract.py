"""Every public callable answers bad arguments in words, and good ones alike however their arrays are kept."""

from __future__ import annotations

import copy
import dataclasses
import inspect
import pickle
import re
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

import muso_theory as mt
from muso_theory.arguments import checked
from muso_theory.errors import MusoError
from tests.project import calls, contract
from tests.project.calls import Call, good_call
from tests.project.mistakes import instead_of, is_declared

CALLABLES = calls.public_callables()
METHODS = calls.public_methods(CALLABLES)
CALLED = {
    name: value
    for name, value in {**CALLABLES, **METHODS}.items()
    if name not in contract.RECORDS and not any(re.fullmatch(inside, name) for inside in contract.PROTOCOL)
}


@pytest.fixture(autouse=True)
def _in_a_folder_of_its_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A word is a good path for what writes files."""
    monkeypatch.chdir(tmp_path)


def violations(call: Call) -> Iterator[str]:
    """What a callable does with bad arguments other than refuse them in words."""
    with warnings.catch_warnings(), np.errstate(all="ignore"):
        warnings.simplefilter("ignore")
        for argument, good in call.arguments.items():
            for word, value in instead_of(good):
                try:
                    call(**{argument: value})
                except MusoError:
                    continue
                except Exception as error:
                    yield f"{call.name}({argument}: {word}) raised {type(error).__name__}: {error}"
                else:
                    if not is_declared(call, argument, word):
                        yield f"{call.name}({argument}: {word}) was taken"


def test_everything_public_has_a_good_call() -> None:
    """Whoever adds a public callable adds a good call, or says what only the package does with it."""
    assert len(CALLABLES) > 150
    assert [name for name, value in CALLED.items() if good_call(name, value) is None] == []
    known = {**CALLABLES, **METHODS}
    assert not (contract.RECORDS | contract.CALLS.keys() | contract.METHODS.keys()) - known.keys()
    for inside in contract.PROTOCOL:
        assert any(re.fullmatch(inside, name) for name in METHODS), inside


def test_a_callable_that_nobody_covered_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    def uncovered(strange: int) -> int:
        return strange

    uncovered.__module__ = "muso_theory.numbers.strange"
    monkeypatch.setattr(mt.numbers, "uncovered", uncovered, raising=False)
    monkeypatch.setattr(mt.numbers, "__all__", [*mt.numbers.__all__, "uncovered"])
    found = calls.public_callables()
    assert good_call("numbers.strange.uncovered", found["numbers.strange.uncovered"]) is None


@pytest.mark.parametrize("name", sorted(CALLED))
def test_bad_arguments_are_refused_in_words(name: str) -> None:
    call = good_call(name, CALLED[name])
    assert call is not None
    assert list(violations(call)) == []


@pytest.mark.parametrize("name", sorted(contract.RECORDS))
def test_records_do_not_stumble_over_what_they_keep(name: str) -> None:
    fields = list(inspect.signature(CALLABLES[name]).parameters)
    for _, value in instead_of(np.ones(2)):
        try:
            CALLABLES[name](**dict.fromkeys(fields, value))
        except MusoError:
            continue


def test_what_the_contract_forbids_is_seen() -> None:
    """Functions with one fault each: a foreign error, a bad value taken, and none."""

    def stumbles(problem: Any, seed: int = 0) -> int:
        return int(problem.n_samples + seed)

    def takes(problem: Any, weight: float = 1.0) -> float:
        return weight if isinstance(weight, float) else 0.0

    def probed(function: Callable[..., Any], name: str, good: Any) -> list[str]:
        return list(violations(Call("planted", function, {name: good}, {name: "float"}, {})))

    problem = mt.UnlearningProblem(np.eye(3), np.ones(3), [1])
    assert any("AttributeError" in line for line in probed(lambda given: stumbles(given), "given", problem))
    assert any("TypeError" in line for line in probed(lambda given: stumbles(problem, given), "given", 1))
    assert any(
        "text) was taken" in line for line in probed(lambda given: takes(problem, given), "given", 1.0)
    )

    @checked
    def careful(given: float) -> float:
        return given

    assert probed(careful, "given", 1.0) == []


# -- good calls, however the arrays are kept ----------------------------------------------------------------------


def _mapped(value: Any, change: Callable[[np.ndarray], Any]) -> Any:
    """The same argument, with its arrays changed."""
    if type(value) is np.ndarray:
        return change(value)
    if type(value) in (list, tuple):
        return type(value)(_mapped(one, change) for one in value)
    return value


def _read_only(array: np.ndarray) -> np.ndarray:
    frozen = array.copy()
    frozen.flags.writeable = False
    return frozen


def _strided(array: np.ndarray) -> np.ndarray:
    return np.repeat(array[..., None], 2, axis=-1)[..., 0]


KEPT: dict[str, Callable[[Any], Any]] = {
    "read-only": lambda value: _mapped(value, _read_only),
    "Fortran order": lambda value: _mapped(value, np.asfortranarray),
    "strided": lambda value: _mapped(value, _strided),
    "pickled": lambda value: pickle.loads(pickle.dumps(value)),
    "deep-copied": copy.deepcopy,
}


def alike(one: Any, other: Any) -> bool:
    """Whether two answers are the same, up to the order in which sums were rounded."""
    if isinstance(one, np.ndarray | float | complex) and not isinstance(one, bool):
        a, b = np.asarray(one), np.asarray(other)
        if a.dtype == object:
            return a.shape == b.shape and a.tolist() == b.tolist()
        if a.dtype.kind not in "fc":
            return bool(np.array_equal(a, b))
        return a.shape == b.shape and np.allclose(a, b, rtol=1e-7, atol=1e-9, equal_nan=True)
    if isinstance(one, list | tuple):
        return len(one) == len(other) and all(map(alike, one, other))
    if isinstance(one, dict):
        return one.keys() == other.keys() and all(alike(one[key], other[key]) for key in one)
    if dataclasses.is_dataclass(one) and not isinstance(one, type):
        return type(one) is type(other) and all(
            alike(getattr(one, f.name), getattr(other, f.name))
            for f in dataclasses.fields(one)
            # Hashes are of floats, which other strides may round otherwise.
            if f.compare and f.name != "_hashes"
        )
    if hasattr(one, "matvec"):
        ones = np.ones(one.shape[1])
        return alike(one @ ones, other @ ones)
    if isinstance(one, str | int | bool | type(None)):
        return bool(one == other)
    return type(one) is type(other)


@pytest.mark.parametrize("name", sorted(CALLED))
def test_good_calls_do_not_depend_on_how_arrays_are_kept(name: str) -> None:
    call = good_call(name, CALLED[name])
    assert call is not None
    with warnings.catch_warnings(), np.errstate(all="ignore"):
        warnings.simplefilter("ignore")
        usual = call()
        for word, keep in KEPT.items():
            if any(not callable(value) for value in call.arguments.values()):
                kept = {
                    key: value if callable(value) else keep(value) for key, value in call.arguments.items()
                }
                assert alike(usual, call(**kept)), word


def _of_numpy(value: Any) -> Any:
    """A number as NumPy would hand it over, in few bits where these hold it."""
    if type(value) in (list, tuple):
        return type(value)(map(_of_numpy, value))
    if type(value) is int and abs(value) < 2**63:
        return np.int8(value) if abs(value) < 100 else np.int64(value)
    if type(value) is float:
        short = np.float16(value) if abs(value) < 6e4 else np.float64(value)
        return short if float(short) == value else np.float64(value)
    return value


@pytest.mark.parametrize("name", sorted(CALLED))
def test_numbers_of_numpy_are_numbers(name: str) -> None:
    call = good_call(name, CALLED[name])
    assert call is not None
    theirs = {key: _of_numpy(value) for key, value in call.arguments.items()}
    changed = {key: value for key, value in theirs.items() if type(value) is not type(call.arguments[key])}
    with warnings.catch_warnings(), np.errstate(all="ignore"):
        warnings.simplefilter("ignore")
        usual = call()
        for key, value in changed.items():
            assert alike(usual, call(**{key: value})), key


def test_a_number_of_few_bits_is_no_trap() -> None:
    """Unread, an int8 wraps around and a float16 rounds every number that it meets."""

    @checked
    def shifted(by: float, times: tuple[int, ...] = (1,)) -> float:
        return by * 10 + 100 * times[0] + 2.0**-20

    assert shifted(np.int8(100), (np.int8(100),)) == shifted(100, (100,)) == shifted(np.float16(100), (100,))
    if (
        np.lib.NumpyVersion(np.__version__) >= "2.0.0"
    ):  # the control; before, Python's numbers beside it were of 64 bits
        assert float(shifted.__wrapped__(np.float16(100), (100,))) != shifted(100, (100,))
    with pytest.raises(MusoError, match="a number but got by="):
        shifted(1 + np.longdouble(2) ** -60)


def test_answers_that_differ_are_told_apart() -> None:
    assert not alike(np.ones(2), np.ones(2) + 1e-3)
    assert not alike([1.0, "a"], [1.0, "b"])
    assert not alike({"a": np.ones(2)}, {"a": np.zeros(2)})
    assert not alike(mt.PowerSteps(0.5) if hasattr(mt, "PowerSteps") else SimpleNamespace(), 1)
    p = mt.UnlearningProblem(np.eye(3), np.ones(3), [1])
    q = mt.UnlearningProblem(np.eye(3), np.ones(3), [2])
    assert not alike(p, q)
    assert alike(p, copy.deepcopy(p))


@pytest.mark.parametrize("copied", [copy.copy, copy.deepcopy, lambda p: pickle.loads(pickle.dumps(p))])
def test_copies_of_a_problem_stay_read_only(copied: Callable[[Any], Any]) -> None:
    problem = mt.UnlearningProblem(np.eye(3), np.ones(3), [1], np.zeros(3))
    other = copied(problem)
    assert other.sha256 == problem.sha256
    for name in ("features", "targets", "forget", "w_init", "retain"):
        with pytest.raises(ValueError, match="read-only"):
            getattr(other, name)[...] = 0
