"""The floating-point mode is tested for real: bits of MXCSR are set, in this thread, another one, and BLAS's own."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from threadpoolctl import threadpool_info, threadpool_limits

import muso_theory as mt
from muso_theory.checking.rechecking import compare
from muso_theory.errors import ArithmeticModeError, MusoError
from muso_theory.evaluation import Objective, removal_certificate
from muso_theory.evaluation.gaussian import (
    classical_sigma,
    delta_enclosure,
    gaussian_delta,
    gaussian_epsilon,
    gaussian_sigma,
    noise_suffices,
)
from muso_theory.evaluation.release import least_sigma, rounded_normal
from muso_theory.linear.certified import CertifiedForms
from muso_theory.linear.label_ball import LabelBall
from muso_theory.linear.precise import feature_error, perturbation
from muso_theory.machine import versions
from muso_theory.networks import linearise
from muso_theory.networks.distance import between_modes, tangent_distance
from muso_theory.networks.duals import enclosed_derivative, enclosed_inputs
from muso_theory.networks.enclosure import enclosed_tangent, rows_of
from muso_theory.networks.rational import rational_jacobian
from muso_theory.networks.tables import _table
from muso_theory.numbers import Quantity, UndecidedError, accurate, ieee, threads
from muso_theory.numbers.accurate import accurate_product
from muso_theory.numbers.gram import blocked_gram
from muso_theory.numbers.gramcheck import check_gram, spot_check_gram
from muso_theory.numbers.ieee import ieee_proof, one_blas_thread, require_ieee
from muso_theory.numbers.leastsquares import DualSystem
from muso_theory.numbers.modular import has_full_rank
from muso_theory.numbers.primal import PrimalSystem
from muso_theory.numbers.spectrum import (
    largest_eigenvalue_bound,
    rayleigh_bound,
    smallest_eigenvalue_bound,
    trace_bound,
)
from muso_theory.numbers.threads import over_blocks
from tests import ROOT
from tests.numbers.floating_mode import DAZ, FLUSH, MODES, Register, floating_mode, needs_mxcsr

pytestmark = needs_mxcsr

WORDS = {
    "flush-to-zero": "flushes subnormal results to zero",
    "denormals-are-zero": "reads subnormal numbers as zero",
    "both": "flushes subnormal results to zero and reads subnormal numbers as zero",
    "down": "rounds downward or towards zero",
    "up": "rounds upward",
    "towards zero": "rounds downward or towards zero",
}


def in_a_thread(work: Callable[[], Any]) -> Any:
    """What it gives or raises in a thread of its own."""
    found: list[Any] = []

    def run() -> None:
        try:
            found.append(work())
        except Exception as error:
            found.append(error)

    thread = threading.Thread(target=run)
    thread.start()
    thread.join()
    return found[0]


# -- this thread ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", MODES)
def test_every_other_mode_is_refused_after_a_first_success(name: str) -> None:
    require_ieee()
    with floating_mode(MODES[name]), pytest.raises(ArithmeticModeError, match=f"this thread {WORDS[name]};"):
        require_ieee()
    require_ieee()


def test_a_comparison_of_floats_would_not_see_it() -> None:
    tiny = np.array([1], dtype=np.int64).view(np.float64)
    with floating_mode(DAZ):
        assert bool((tiny == 0.0)[0])
        with pytest.raises(ArithmeticModeError):
            require_ieee()
    assert not bool((tiny == 0.0)[0])


@pytest.mark.parametrize("name", MODES)
def test_the_mode_is_that_of_the_thread_that_computes(name: str) -> None:
    def there() -> None:
        with floating_mode(MODES[name]):
            require_ieee()

    require_ieee()
    assert isinstance(in_a_thread(there), ArithmeticModeError)
    require_ieee()
    assert in_a_thread(require_ieee) is None


def test_a_mode_that_changes_during_a_proof_is_refused_after_it() -> None:
    mode = floating_mode(FLUSH)

    @ieee_proof()
    def proof() -> None:
        mode.__enter__()

    try:
        with pytest.raises(ArithmeticModeError):
            proof()
    finally:
        mode.__exit__(None, None, None)
    with pytest.raises(KeyError), ieee_proof():  # an exception is what it was
        raise KeyError


def test_the_refusal_is_nothing_that_is_fallen_back_on() -> None:
    assert issubclass(ArithmeticModeError, MusoError)
    assert not issubclass(ArithmeticModeError, (UndecidedError, ArithmeticError, ValueError))


# -- what would be false -------------------------------------------------------------------------------------

P, Q, HALF = 1.75e-154, 1.2e-154, 16
"""P² is normal and PQ is not: under flush-to-zero the two rows below look orthogonal."""


def leaning_rows() -> np.ndarray:
    return np.array([[P] * HALF + [Q] * HALF, [Q] * HALF + [P] * HALF])


TRUTH = HALF * (Fraction(P) - Fraction(Q)) ** 2
"""λ_min of their Gram matrix [[a, b], [b, a]], a − b."""


def test_without_the_guard_flush_to_zero_certifies_a_false_bound(monkeypatch: pytest.MonkeyPatch) -> None:
    def bound() -> Fraction:
        system = DualSystem(leaning_rows(), slice(None), "Φ")
        return system.smallest

    assert 0 < bound() <= TRUTH
    with floating_mode(FLUSH), pytest.raises(ArithmeticModeError):
        bound()
    monkeypatch.setattr(ieee, "require_ieee", lambda: None)
    with floating_mode(FLUSH):
        false = bound()
    assert false > 5 * TRUTH


@pytest.mark.parametrize("ridge", [0.0, 1e-300, 1.0])
@pytest.mark.parametrize("system", [DualSystem, PrimalSystem])
def test_a_ridge_does_not_swallow_the_refusal(system: type, ridge: float) -> None:
    rows = system(np.array([[2.0, 1.0], [1.0, 3.0]]), slice(None), "Φ")
    with floating_mode(FLUSH), pytest.raises(ArithmeticModeError):
        rows.floor(ridge)
    assert rows.floor(ridge) > 1


PHI = np.array([[2.0, 1.0, 0.5], [1.0, 3.0, -1.0]])
Y = np.array([1.0, -1.0])
COLUMN = np.ones((2, 1))
PROBLEM = mt.UnlearningProblem(PHI, Y, [1])
MAP = mt.GaussianFeatures(n_features=8, bandwidth=1.0, seed=0).fit(np.eye(2))
FORMS = CertifiedForms(PROBLEM)
FIT = FORMS.fit(FORMS.everything, FORMS.targets(FORMS.everything))
LABELS = FORMS.targets(FORMS.forget)


SYSTEMS = FORMS.systems
NET = mt.networks.mlp([2, 3, 1], activation="tanh")
PARAMS = NET.init(0)
TANGENT = linearise(NET, PARAMS, np.eye(2), max_features=100)
LINEAR = linearise(mt.networks.mlp([2, 1], activation="identity"), [np.ones((2, 1)), np.ones(1)], np.eye(2))
[(_, _, [SHARE, *_])] = enclosed_tangent(NET, PARAMS, np.eye(2))
BALL = LabelBall(COLUMN, Fraction(1, 9), COLUMN * 2.0**-60)
CERTIFICATE = removal_certificate(Quantity.enclosure(0, 1e-9), COLUMN, 1.0, 1e-5)
REPORT = mt.check(PROBLEM, "exact-labels")


def fresh() -> CertifiedForms:
    return CertifiedForms(mt.UnlearningProblem(PHI, Y, [1]))


PROOFS: dict[str, Callable[[], object]] = {
    "check": lambda: mt.check(PROBLEM, "exact-labels"),
    "check in rationals": lambda: mt.check(PROBLEM, "exact-labels", arithmetic="rational"),
    "Gram matrix": lambda: blocked_gram(PHI),
    "product": lambda: accurate_product(PHI, slice(None), np.ones((3, 1))),
    "λ_min from below": lambda: smallest_eigenvalue_bound(np.eye(2), Fraction(0), 1.0),
    "λ_min from above": lambda: rayleigh_bound(np.eye(2), COLUMN, Fraction(0)),
    "λ_max": lambda: largest_eigenvalue_bound(np.eye(2), Fraction(0)),
    "trace": lambda: trace_bound(np.eye(2), 2),
    "minimum norm": lambda: DualSystem(PHI, slice(None), "Φ").fit(COLUMN, None),
    "dual coefficients": lambda: DualSystem(PHI, slice(None), "Φ").coefficients(COLUMN),
    "norm of an update": lambda: DualSystem(PHI, slice(None), "Φ").pseudo_norm(COLUMN),
    "least squares": lambda: PrimalSystem(PHI.T, slice(None), "Φ").fit(np.ones((3, 1)), None),
    "distance of parameters": lambda: FIT.distance(np.zeros((3, 1))),
    "smallest eigenvalue": lambda: fresh().systems.min_eigenvalue,
    "largest eigenvalue": lambda: fresh().systems.max_eigenvalue,
    "λ_min(K_RR)": lambda: fresh().systems.retain_min_eigenvalue,
    "norm of rows": lambda: SYSTEMS.norm(FORMS.forget),
    "leave-block-out": lambda: FORMS.leave_block_out(),
    "gap of labels": lambda: fresh().unlearned_gap(LABELS),
    "product of a ball": lambda: BALL.times(Fraction(1, 3)),
    "sum of balls": lambda: BALL.plus(BALL),
    "radius of a ball": lambda: BALL.miss,
    "norm of a ball": lambda: BALL.norm(),
    "Gram matrix of others": lambda: check_gram(PHI, np.arange(2), PHI @ PHI.T),
    "Gram matrix of our own": lambda: spot_check_gram(PHI, np.arange(2), PHI @ PHI.T),
    "fit with balls": lambda: FORMS.fit(FORMS.everything, FORMS.targets(FORMS.everything)),
    "prediction with balls": lambda: FORMS.predict(FORMS.forget, FIT),
    "distance with balls": lambda: FORMS.distance(FIT, FORMS.start),
    "gradient with balls": lambda: FORMS.gradient_norm(FORMS.forget, LABELS, FIT),
    "mixture of balls": lambda: FORMS.mix(1, LABELS, -1, LABELS),
    "distance of labels": lambda: FORMS.label_distance(LABELS, LABELS),
    "gap formula with balls": lambda: FORMS.square_gap(LABELS),
    "gap with balls": lambda: FORMS.gap(LABELS),
    "coefficients with balls": lambda: FORMS.dual_coefficients(),
    "features": lambda: feature_error(MAP, np.eye(2), MAP.transform(np.eye(2))),
    "features' consequences": lambda: perturbation(
        mt.UnlearningProblem(MAP.transform(np.eye(2)), Y, [1]), FEATURE_ERROR
    ),
    "convex objective": lambda: Objective(PHI, Y, "logistic", 0.5).gap_bound(np.zeros(3)),
    "removal certificate": lambda: removal_certificate(Quantity.enclosure(0, 1e-9), COLUMN, 1.0, 1e-5),
    "release": lambda: CERTIFICATE.release(COLUMN, seed=1),
    "normal noise": lambda: rounded_normal(COLUMN, 1.0, seed=1),
    "least noise": lambda: least_sigma(COLUMN),
    "δ": lambda: gaussian_delta(1.0, 4.0, 1.0),
    "δ of an enclosure": lambda: delta_enclosure(Quantity.enclosure(0.0, 1.0), 1.0, 0.0),
    "ε": lambda: gaussian_epsilon(1.0, 4.0, 1e-5),
    "σ": lambda: gaussian_sigma(1.0, 1.0, 1e-5),
    "whether σ suffices": lambda: noise_suffices(1.0, 4.0, 1.0, 1e-5),
    "classical σ": lambda: classical_sigma(1.0, 1.0, 1e-5),
    "derivative of a network": lambda: enclosed_derivative(NET, PARAMS, np.eye(2), PARAMS),
    "derivatives at a kink": lambda: enclosed_inputs(NET, PARAMS, np.eye(2), "1", 128),
    "tangent of a network": lambda: next(enclosed_tangent(NET, PARAMS, np.eye(2))),
    "rows of a tangent": lambda: rows_of(SHARE),
    "distance of a tangent": lambda: tangent_distance(TANGENT, TANGENT.features),
    "two modes of a tangent": lambda: between_modes(TANGENT, [0], np.ones(NET.n_params)),
    "tangent in rationals": lambda: rational_jacobian(LINEAR),
    "table of a curve": lambda: _table.__wrapped__("tanh", 1),
    "rank modulo a prime": lambda: has_full_rank(PHI),
    "labels by balls": lambda: mt.optimal_labels(PROBLEM, arithmetic="ball"),
    "solution in rationals": lambda: mt.solve(PROBLEM, arithmetic="rational"),
    "comparison of reports": lambda: compare(REPORT.to_dict(), REPORT),
    "falsifier": lambda: mt.refute_report("exact-labels", max_examples=2),
}
FEATURE_ERROR = feature_error(MAP, np.eye(2), MAP.transform(np.eye(2)))


@pytest.mark.parametrize("name", PROOFS)
def test_every_proof_asks_its_thread(name: str) -> None:
    PROOFS[name]()
    with floating_mode(FLUSH), pytest.raises(ArithmeticModeError):
        PROOFS[name]()

    def there() -> object:
        with floating_mode(FLUSH):
            return PROOFS[name]()

    assert isinstance(in_a_thread(there), ArithmeticModeError)
    PROOFS[name]()


@pytest.mark.parametrize("value", [Fraction(1, 2**1060), Fraction(3, 2**1075), Fraction(1, 10**320)])
def test_a_bound_is_read_rightly_in_any_mode(value: Fraction) -> None:
    ends = Quantity.exact(value), Quantity.exact(-value)
    right = [np.array([q.floor, q.bound]).tobytes() for q in ends]
    with floating_mode(FLUSH | DAZ):
        assert [np.array([q.floor, q.bound]).tobytes() for q in ends] == right
    low, high = ends[0].floor, ends[0].bound
    assert Fraction(low) <= value <= Fraction(high)
    assert high <= np.nextafter(low, 1.0)
    assert (ends[1].floor, ends[1].bound) == (-high, -low)


# -- BLAS ----------------------------------------------------------------------------------------------------


def blas_threads() -> list[int]:
    return [library["num_threads"] for library in threadpool_info() if library["user_api"] == "blas"]


def test_blas_has_one_thread_until_the_last_proof_ends() -> None:
    with threadpool_limits(2, user_api="blas"):
        before = blas_threads()
        first, second = one_blas_thread(), one_blas_thread()
        first.__enter__()
        second.__enter__()
        first.__exit__(None, None, None)
        assert set(blas_threads()) == {1}
        second.__exit__(None, None, None)
        assert blas_threads() == before


def test_a_report_states_the_threads_of_the_process_inside_a_proof_too() -> None:
    with threadpool_limits(2, user_api="blas"):
        outside = versions()
        assert outside["blas threads"] == "2"
        with ieee_proof():
            assert set(blas_threads()) == {1}
            assert versions() == outside
            with one_blas_thread():
                assert versions() == outside
        assert versions() == outside
    with threadpool_limits(1, user_api="blas"):
        assert versions()["blas threads"] == "1"


def test_a_process_of_two_threads_says_so_inside_a_proof() -> None:
    script = (
        "from muso_theory.machine import versions\nfrom muso_theory.numbers.ieee import ieee_proof\n"
        "with ieee_proof(): print(versions()['blas threads'])\nprint(versions()['blas threads'])"
    )
    env = {**os.environ, "OPENBLAS_NUM_THREADS": "2", "PYTHONPATH": str(Path(mt.__file__).parents[1])}
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True, env=env)
    available = str(min(2, os.cpu_count() or 1))
    assert done.stdout.split() == [available, available]


def test_workers_are_asked_exactly_where_there_may_be_some(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[int] = []
    monkeypatch.setattr(ieee, "_require_ieee_of_workers", asked.append)
    with threadpool_limits(2, user_api="blas"):
        with ieee_proof():
            pass
        assert not asked
        require_ieee()
        assert asked == [2]
        with ieee_proof():
            libraries = threadpool_limits(2, user_api="blas")  # somebody gives BLAS its workers back
        assert asked == [2, 2]
        libraries.restore_original_limits()
    monkeypatch.setattr(ieee, "_blas", lambda: type("None", (), {"lib_controllers": []}))
    require_ieee()
    assert asked == [2, 2, 2]


# OpenBLAS makes its workers when it is loaded, and they inherit the mode of the thread that loads it.
_LOADED_IN_ANOTHER_MODE = """
import sys
from contextlib import nullcontext
from tests.numbers.floating_mode import FLUSH, UP, floating_mode

mode = floating_mode({"flush": FLUSH, "up": UP, "none": 0}[sys.argv[1]])
if sys.argv[2] == "numpy":
    with mode:
        import numpy
else:
    import numpy
    with mode:
        import scipy.linalg.blas
import muso_theory.numbers
from muso_theory.errors import ArithmeticModeError
from muso_theory.numbers.gram import blocked_gram
from muso_theory.numbers.gramcheck import check_gram, spot_check_gram
from muso_theory.numbers.ieee import ieee_proof, require_ieee

with ieee_proof():
    pass
# Its threads are Python's, which inherit the mode of this one.
assert (blocked_gram(numpy.ones((2000, 256))) == 256).all()
try:
    require_ieee()
except ArithmeticModeError as error:
    print(error)
"""


@pytest.mark.slow
@pytest.mark.parametrize("library", ["numpy", "scipy"])
@pytest.mark.parametrize(
    ("mode", "words"), [("flush", WORDS["flush-to-zero"]), ("up", WORDS["up"]), ("none", "")]
)
def test_workers_of_blas_that_have_another_mode_are_found(library: str, mode: str, words: str) -> None:
    pools = [info for info in threadpool_info() if info["user_api"] == "blas"]
    if any(info["internal_api"] != "openblas" or info["threading_layer"] != "pthreads" for info in pools):
        pytest.skip("only OpenBLAS with threads of its own is known to make them when it is loaded")
    root = ROOT
    run = subprocess.run(
        [sys.executable, "-c", _LOADED_IN_ANOTHER_MODE, mode, library],
        env={**os.environ, "OPENBLAS_NUM_THREADS": "3", "PYTHONPATH": str(root)},
        capture_output=True,
        text=True,
        check=True,
    )
    told = [f"a thread of {library}'s BLAS {words};" in line for line in run.stdout.splitlines()]
    assert told == ([True] if words else [])


@pytest.mark.parametrize("alone", [True, False])
def test_a_thread_that_changes_its_mode_while_it_works_on_blocks_is_found(
    alone: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(threads, "thread_count", lambda: 3)
    done: list[int] = []
    over_blocks(done.append, range(7), alone=alone)
    assert sorted(done) == list(range(7))

    register = Register()

    def work(block: int) -> None:
        if block == 4:
            register.write(register.read() | FLUSH)

    try:
        with pytest.raises(ArithmeticModeError, match=r"this thread flushes"):
            over_blocks(work, range(7), alone=alone)
    finally:
        register.write(register.read() & ~FLUSH)
    require_ieee()


def test_threads_change_no_digit_of_a_gram_matrix(monkeypatch: pytest.MonkeyPatch) -> None:
    phi = np.random.default_rng(5).standard_normal((700, 3000))
    for given in (phi, phi.astype(np.float32)):
        grams = []
        for count in (1, 2, 5):
            monkeypatch.setattr(threads, "thread_count", lambda count=count: count)
            grams.append(blocked_gram(given))
        assert (grams[0] == grams[1]).all()
        assert (grams[0] == grams[2]).all()
        assert (grams[0] == grams[0].T).all()


@pytest.mark.parametrize("transposed", [False, True])
@pytest.mark.parametrize("rows", [slice(None), np.arange(699, 0, -1)])
def test_threads_change_no_digit_of_a_product(
    rows: Any, transposed: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    rng = np.random.default_rng(6)
    phi = rng.standard_normal((700, 3001))
    x = rng.standard_normal((len(phi[rows]) if transposed else 3001, 2))
    products, started = [], []
    plain = threads.ThreadPoolExecutor
    monkeypatch.setattr(threads, "ThreadPoolExecutor", lambda count: started.append(count) or plain(count))
    for count in (1, 2, 3, 9):
        for module in (threads, accurate):
            monkeypatch.setattr(module, "thread_count", lambda count=count: count)
        products.append(accurate_product(phi, rows, x, 1e-20 * x, transposed=transposed))
    assert started == [2, 3, 6]  # there are six blocks
    for other in products[1:]:
        for name in ("high", "low", "error"):
            assert (getattr(other, name) == getattr(products[0], name)).all()
    product = phi[rows].T @ x if transposed else phi[rows] @ x
    assert np.abs(products[-1].high - product).max() < 1e-10
