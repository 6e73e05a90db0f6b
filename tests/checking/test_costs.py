"""Estimates know lengths of numbers and memory, the budget is kept, and numbers beyond the floats go through."""

from __future__ import annotations

import hashlib
import itertools
import json
import re
from fractions import Fraction
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

import muso_theory as mt
from muso_theory import arrays
from muso_theory.checking import climbing, costs, ladder
from muso_theory.checking.implication import number
from muso_theory.checking.ladder import Ladder
from muso_theory.claims import approximate, geometries
from muso_theory.evidence import Allowance, Audit, Hypothesis, Identity, Inequality, Output, show
from muso_theory.files.results import restored
from muso_theory.linear import tiling
from muso_theory.linear.precise import seconds_of_map
from muso_theory.networks import mlp
from muso_theory.networks.enclosure import seconds_of_tangent
from muso_theory.numbers import Quantity
from muso_theory.numbers.modular import seconds_of_rank
from muso_theory.settings import Settings
from tests import ROOT
from verification import costs as campaign

Array = np.ndarray[Any, Any]
RESULT = ROOT / "verification" / "results" / "costs.json"
HUGE = 10**400
LONG = 3**10_100  # 16,008 bits, 4,820 digits


def exact(values: list[Any]) -> Array:
    return np.array(values, dtype=object)


def fractions(n: int, d: int, bits: int) -> mt.UnlearningProblem:
    point = {"kind": "fraction", "n": n, "D": d, "bits": bits, "outputs": 1}
    return campaign.problem_of(point)


# -- lengths and estimates ---------------------------------------------------------------------------------


def length_by_definition(array: Array) -> tuple[int, float]:
    """Bits of the largest numerator over a common denominator: of all, and of each row on average."""

    def bits(values: list[Any]) -> int:
        common = 1
        for value in values:
            common = np.lcm(common, Fraction(value).denominator)
        whole = [Fraction(value) * int(common) for value in values]
        divisor = np.gcd.reduce(exact([int(x) for x in whole])) if common == 1 else 1
        power = (divisor & -divisor) if divisor else 1
        return max(abs(int(x)) // power for x in whole).bit_length()

    rows = array.tolist()
    return bits([x for row in rows for x in row]), float(np.mean([bits(row) for row in rows]))


def test_lengths_of_floats_are_those_over_a_common_power_of_two() -> None:
    rng = np.random.default_rng(0)
    for scale in (0, 10, 40):
        table = np.ldexp(
            rng.integers(-7, 8, (5, 4)).astype(float), rng.integers(-scale - 1, scale + 1, (5, 4))
        )
        found = costs.entry_length(table)
        whole, rows = length_by_definition(table)
        assert found.common == pytest.approx(whole, abs=2)
        assert found.row == pytest.approx(rows, abs=2)
    assert costs.entry_length(np.zeros((3, 2))) == costs._Length(0.0, 0.0)
    assert costs.entry_length(np.array([1e-320, 1e300])).common > 2000  # a subnormal number


@pytest.mark.parametrize("exponent", [-300, -20, 0, 3, 20, 300])
def test_zeros_and_powers_of_two_make_no_number_longer(exponent: int) -> None:
    table = np.array([[3.0, 5.0, 0.75], [1.0, -7.0, 8.0]])
    length = costs.entry_length(table)
    padded = np.hstack([np.zeros((2, 1)), table, np.zeros((2, 2))])
    for other in (table, -table, padded, np.vstack([padded, padded])):
        found = costs.entry_length(np.ldexp(other, exponent))
        assert (found.common, found.row) == (length.common, length.row)


def test_lengths_of_fractions_are_those_over_common_denominators() -> None:
    table = exact([[Fraction(1, 3), Fraction(1, 9)], [Fraction(5, 7), 2], [Fraction(1, 2**40), 0]])
    found = costs.entry_length(table)
    assert found.common == pytest.approx(
        40 + 6 + 2, abs=2
    )  # 2^40 · 9 · 7, and a numerator of 2 bits above it
    assert found.row < found.common
    assert costs.entry_length(exact([[LONG, 1]])).common == pytest.approx(LONG.bit_length(), abs=1)
    many = exact([[Fraction(1, 2**1000 + 2 * i + 1)] for i in range(3000)])
    assert costs.entry_length(many).common > 2e6  # extended, and not multiplied out


def test_an_estimate_knows_the_lengths_of_numbers_and_not_the_sizes_alone() -> None:
    short, long = (costs.rational_cost(fractions(8, 10, bits)) for bits in (20, 1000))
    assert long.seconds > 50 * short.seconds
    assert long.gigabytes > 2 * short.gigabytes
    thin, wide = (costs.ball_cost(fractions(8, 10, 20), bits) for bits in (128, 2048))
    assert wide.seconds > thin.seconds
    assert costs.certified_cost(fractions(8, 10, 20)).seconds < 1


def of_sizes(n: int = 300, d: int = 700, c: int = 3, gone: int = 10) -> Any:
    """A problem of which nothing but its sizes is asked."""
    features = np.broadcast_to(np.float64(1.0), (n, d))
    return SimpleNamespace(
        n_samples=n, n_features=d, n_outputs=c, forget=range(gone), features=features, w_init=None,
        targets=np.broadcast_to(np.float64(1.0), (n, c)),
    )  # fmt: skip


def _seconds_of_tangent(n: int = 10, width: int = 2000, k: int = 9) -> float:
    net = mlp([width, width, k])
    params = [np.broadcast_to(0.0, shape) for shape in net.param_shapes]
    return seconds_of_tangent(net, params, np.broadcast_to(1.0, (n, width)))


def _seconds_of_map(rows: int = 100, count: int = 50, width: int = 5000, digits: int = 200) -> float:
    feature_map: Any = SimpleNamespace(
        frequencies_=np.broadcast_to(0.0, (count, width)), n_features_in_=count
    )
    return seconds_of_map(feature_map, rows, digits)


COSTS = {
    "certified": costs.certified_cost, "preconditioned": costs.preconditioned_cost,
    "rational": costs.rational_cost, "ball": lambda problem: costs.ball_cost(problem, 200),
}  # fmt: skip

# What is estimated, a size with where it starts, and the powers between which the estimate grows with it.
GROWTHS = [
    (_seconds_of_map, "rows", 100, 1, 1), (_seconds_of_map, "count", 50, 1, 1),
    (_seconds_of_map, "width", 5000, 1, 1), (_seconds_of_map, "digits", 3000, 1, 1.4),
    (_seconds_of_tangent, "n", 10, 1, 1), (_seconds_of_tangent, "width", 2000, 1.6, 2),
    (_seconds_of_tangent, "k", 9, 1, 1.1),
    (seconds_of_rank, "n", 4000, 1, 2), (seconds_of_rank, "d", 4000, 1, 2),
    (lambda **sizes: tiling.dual_bytes(of_sizes(**sizes)), "n", 9, 2, 2),
    *((lambda **sizes: tiling.tiled_bytes(of_sizes(**sizes)), size, start, 1, top)
      for size, start, top in (("n", 2048, 1), ("c", 5, 1), ("gone", 2048, 2))),
    (lambda **sizes: tiling.disk_bytes(of_sizes(**sizes)), "n", 1 << 14, 1.9, 2),
    *((lambda what=what, **sizes: getattr(costs.ball_cost(of_sizes(), sizes["bits"]), what), "bits", 64, 1, 1)
      for what in ("seconds", "gigabytes")),
    *((lambda estimate=estimate, **sizes: estimate(of_sizes(**sizes)).seconds, "c", 3, 1, 1)
      for estimate in COSTS.values()),
]  # fmt: skip


@pytest.mark.parametrize(("estimate", "size", "start", "least", "most"), GROWTHS)
def test_an_estimate_grows_with_every_size_by_its_power(
    estimate: Any, size: str, start: int, least: float, most: float
) -> None:
    """Whatever does not grow falls out of a difference; the next one is 2ᵖ times as large where the power is p."""
    names = {"n": start, "d": start} if estimate is seconds_of_rank else {}
    first, second, third = (estimate(**{**names, size: start * factor}) for factor in (1, 2, 4))
    assert 0 < first < second < third
    assert least - 1e-6 <= np.log2((third - second) / (second - first)) <= most + 1e-6


@pytest.mark.parametrize("name", COSTS)
def test_no_check_costs_less_for_more_data_or_more_than_cubes_of_it(name: str) -> None:
    most = 24 if name == "rational" else 8.1  # solutions are as long as determinants
    for size, start in (("n", 50), ("n", 3000), ("d", 20), ("d", 2000), ("c", 1)):
        found = [COSTS[name](of_sizes(**{size: start * factor})) for factor in (1, 2, 4)]
        for less, more in itertools.pairwise(found):
            assert less.seconds < more.seconds < most * less.seconds
            assert less.gigabytes <= more.gigabytes < 8.1 * less.gigabytes


def test_what_is_small_costs_next_to_nothing() -> None:
    small = of_sizes(8, 10, 1, 1)
    for estimate in COSTS.values():
        found = estimate(small)
        assert 0.01 < found.seconds < 0.3
        assert 0.005 < found.gigabytes < 0.05
    assert _seconds_of_map(1, 1, 1, 30) < 1e-5
    assert _seconds_of_tangent(1, 1, 1) < 1e-5
    # And memory is that of what is held: a few matrices of n² numbers beside libraries.
    grown = tiling.dual_bytes(of_sizes(30_000)) - tiling.dual_bytes(of_sizes(20_000))
    assert 2 < grown / (8 * (30_000**2 - 20_000**2)) < 8
    assert 1e8 < tiling.dual_bytes(small) < 1e9


def test_float_bounds_of_a_large_problem_fit_the_default_budget() -> None:
    def sized(n: int, width: int) -> Any:
        return SimpleNamespace(
            n_samples=n,
            n_features=width,
            n_outputs=1,
            forget=[0],
            features=np.broadcast_to(0.0, (n, width)),
            targets=np.zeros((n, 1)),
            w_init=None,
        )

    assert costs.certified_cost(sized(3000, 8000)).seconds < Settings().budget
    wider = sized(20_000, 40_000)
    assert costs.certified_cost(wider).seconds > Settings().budget  # the control


@pytest.mark.parametrize("claim", ["mirror-descent", "newton-glm"])
def test_steps_of_a_claim_beyond_the_budget_are_not_started(
    claim: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    problem = mt.UnlearningProblem(np.array([[1.0, 0.5, 0.2], [0.3, 0.1, 0.9]]), np.array([1.0, -1.0]), [0])
    assert mt.check(problem, claim)[claim].verdict is mt.Verdict.MEASURED  # the control: they are cheap here
    own = costs.own_cost(claim, problem)
    assert own is not None
    assert own.seconds < 0.1
    monkeypatch.setattr(
        climbing, "own_cost", lambda slug, problem: costs.Cost(1e4, 0.01) if slug == claim else None
    )
    row = mt.check(problem, claim)[claim]
    assert row.verdict is mt.Verdict.UNDECIDED
    assert re.match(r"--budget 11000 tries it: its steps in float64 take about 1e\+04 s", row.needs)
    assert mt.check(problem, claim, budget=float(row.needs.split()[1]))[claim].verdict is mt.Verdict.MEASURED
    assert mt.check(problem, claim, arithmetic="float64")[claim].verdict is mt.Verdict.MEASURED
    monkeypatch.setattr(climbing, "own_cost", lambda slug, problem: costs.Cost(0.01, 1e9))
    assert "more than the memory of this machine" in mt.check(problem, claim)[claim].needs


def test_steps_of_two_claims_fit_the_budget_together() -> None:
    ladder = Ladder(fractions(3, 4, 20), "auto", 30.0)
    assert ladder.starts(costs.Cost(20.0, 0.01)) == ""
    assert ladder.starts(costs.Cost(20.0, 0.01)).startswith("--budget 4")
    assert ladder.starts(costs.Cost(5.0, 0.01)) == ""  # what was not started spends nothing


def test_steps_of_claims_take_what_their_products_do_and_some_ten_of_them(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The estimate's two assumptions, by counting: no clock is read."""
    sizes = [SimpleNamespace(n_samples=n, n_features=d, n_outputs=1) for n, d in ((1000, 2000), (2000, 4000))]
    for claim in ("mirror-descent", "newton-glm"):
        small, large = (costs.own_cost(claim, size) for size in sizes)  # type: ignore[arg-type]
        assert 7 < large.seconds / small.seconds < 9  # type: ignore[union-attr]
        assert 3 < large.gigabytes / small.gigabytes < 5  # type: ignore[union-attr]
    assert costs.own_cost("exact-labels", sizes[0]) is None  # type: ignore[arg-type]
    calls: list[str] = []
    value, hessian = geometries._Mirror._value, approximate._Logistic.hessian
    monkeypatch.setattr(
        geometries._Mirror, "_value", lambda self, p: calls.append("mirror") or value(self, p)
    )
    monkeypatch.setattr(
        approximate._Logistic, "hessian", lambda self, v: calls.append("newton") or hessian(self, v)
    )
    rng = np.random.default_rng(4)
    problem = mt.UnlearningProblem(rng.standard_normal((20, 30)), rng.standard_normal(20), [0, 5])
    mt.check(problem, ["mirror-descent", "newton-glm"])
    assert 3 * 3 < calls.count("mirror") <= 3 * 20  # three models, a value before and one a step
    assert 2 * 3 < calls.count("newton") - 24 - 1 <= 2 * 20  # two models, and the nodes


def test_a_point_of_balls_is_measured_at_its_own_precision(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ladder, "PRECISIONS", ladder.PRECISIONS)  # set back afterwards
    check, seen = mt.check, []

    def spy(*args: Any, **settings: Any) -> mt.Report:
        seen.append(check(*args, **settings))
        return seen[-1]

    monkeypatch.setattr(mt, "check", spy)
    point = {"arithmetic": "ball", "precision": 512, "kind": "float", "n": 3, "D": 4, "bits": 0, "outputs": 1}
    campaign._check(point, SimpleNamespace(send=lambda found: None))
    used = {row.arithmetic for row in seen[0].rows}
    assert "ball(512)" in used
    assert "ball(128)" not in used


def test_estimates_agree_with_the_committed_measurements() -> None:
    """Anew from the code as it is: a model that changes without being measured again is found here."""
    result = restored(json.loads(RESULT.read_text(encoding="utf-8")))
    assert not result["failed"]
    assert len(result["points"]) >= 30
    for row in result["points"]:
        cost = campaign.estimate(row, campaign.problem_of(row))
        assert cost.seconds == pytest.approx(row["estimated seconds"], rel=1e-9)
        assert cost.gigabytes == pytest.approx(row["estimated GB"], rel=1e-9)
        assert campaign.within(row)
    assert max(row["over budget"] for row in result["budgets"]) <= campaign.FACTOR
    assert any(row["not started"] for row in result["budgets"])
    # The control: an estimate by sizes alone is off by five orders of magnitude here.
    worst = next(row for row in result["points"] if row["kind"] == "fraction" and row["bits"] == 1000)
    assert not campaign.within({**worst, "estimated seconds": 8.3e-4})
    assert not campaign.within({**worst, "estimated GB": 1.0})


# -- the budget --------------------------------------------------------------------------------------------


def test_what_exceeds_the_budget_is_not_started(monkeypatch: pytest.MonkeyPatch) -> None:
    problem = fractions(8, 10, 1000)
    report = mt.check(problem, ["exact-labels", "full-rank"], budget=2.0)
    assert "rational" not in {row.arithmetic for row in report.rows}
    assert Ladder(problem, "auto", 2.0).named("rational") is None
    assert Ladder(problem, "auto", 200.0).named("rational") is not None
    monkeypatch.setattr(costs, "entry_length", lambda array: costs._Length(53.0, 53.0))
    assert (
        Ladder(problem, "auto", 2.0).named("rational") is not None
    )  # the control: by the sizes alone it was


def test_an_undecided_row_says_what_was_not_started_and_its_estimate() -> None:
    features = fractions(8, 10, 1000).features.copy()
    features[-1] = features[0] + features[1]
    report = mt.check(mt.UnlearningProblem(features, np.arange(8), [7]), "full-rank", budget=2.0)
    row = report["full-rank"]
    assert row.verdict is mt.Verdict.UNDECIDED
    assert "rational tries it, in about" in row.needs
    assert "not started: it would exceed the budget of 2 s" in row.needs


def test_the_arithmetics_of_a_ladder_fit_the_budget_together() -> None:
    rng = np.random.default_rng(0)
    left, _ = np.linalg.qr(rng.standard_normal((60, 60)))
    features = (left * np.logspace(0, -13, 60)) @ rng.standard_normal((60, 90))
    problem = mt.UnlearningProblem(features, rng.standard_normal(60), [0])
    counts = []
    for budget in (0.01, 2.0, 5.0, 1000.0):
        tried = [rung for rung in Ladder(problem, "auto", budget) if rung.name != "verified float64"]
        assert sum(rung.cost.seconds for rung in tried) <= budget
        counts.append(len(tried))
    assert counts[0] == 0
    assert counts == sorted(counts)
    assert counts[-1] == 7


def test_dear_float_bounds_are_not_started_either(monkeypatch: pytest.MonkeyPatch) -> None:
    problem = mt.UnlearningProblem(np.eye(3, 4), np.arange(3.0), [0])
    dear = costs.Cost(1e4, 0.01)
    monkeypatch.setattr(ladder, "certified_cost", lambda problem: dear)
    found = Ladder(problem, "auto", 30.0)
    monkeypatch.setattr(ladder, "float_model", lambda problem: pytest.fail("it was started"))
    assert "verified float64" not in [rung.name for rung in found]
    assert found.full_rank is None
    assert found.advice().startswith("--budget 10000 tries proved float64 bounds first: about 1e+04 s")
    assert next(iter(Ladder(problem, "auto", 1e5))).name == "verified float64"


def test_what_exceeds_the_memory_is_not_started(monkeypatch: pytest.MonkeyPatch) -> None:
    problem = fractions(3, 4, 20)
    assert Ladder(problem, "auto", 30.0).named("rational") is not None
    monkeypatch.setattr(ladder, "_memory", lambda: 1e-3)
    report = mt.check(problem, "exact-labels")
    assert report.verdict is mt.Verdict.UNDECIDED
    assert "0.01 GB, more than the memory of this machine" in report["exact-labels"].needs


# -- long numbers ------------------------------------------------------------------------------------------


def naive_sha256(problem: mt.UnlearningProblem) -> str:
    """The hash of exact arrays that are one block, as it always was."""
    digest = hashlib.sha256()
    for name, array in (("features", problem.features), ("targets", problem.targets)):
        digest.update(f"{name}:{array.dtype.kind}{array.dtype.itemsize}:{array.shape};".encode())
        digest.update(",".join(str(v) for v in array.ravel()).encode())
    digest.update(b"w_init:zero;forget:" + problem.forget.astype("<i8").tobytes())
    return digest.hexdigest()


def test_hashes_of_exact_arrays_are_as_before_and_any_length_has_one() -> None:
    assert fractions(3, 4, 1000).sha256 == naive_sha256(fractions(3, 4, 1000))
    features = [[LONG, 1], [2, Fraction(1, LONG)]]
    hashes = {
        mt.UnlearningProblem(exact([[LONG + k, 1], features[1]]), exact([1, 2]), [0]).sha256 for k in range(3)
    }
    assert len(hashes) == 3
    with pytest.raises(ValueError, match="digits"):
        str(LONG)  # the control: Python does not write it


def test_blocks_of_long_object_arrays_are_told_apart(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(arrays, "_BLOCK_BYTES", 8)  # a block a row
    one, other = (
        mt.UnlearningProblem(exact(rows), exact([1, 1]), [0]) for rows in ([[1], [23]], [[12], [3]])
    )
    assert one.sha256 != other.sha256


BEYOND = {
    "features": (exact([[HUGE, 1, 2], [3, 4, 5]]), exact([1, 2]), [0]),
    "targets": (exact([[1, 1, 2], [3, 4, 5]]), exact([HUGE, 2]), [0]),
    "w_init": (exact([[1, 1, 2], [3, 4, 5]]), exact([1, 2]), [0], exact([HUGE, 0, 0])),
    "long": (exact([[LONG, 1, 5], [2, Fraction(1, LONG), 1]]), exact([1, 2]), [0]),
    "small": (exact([[Fraction(1, HUGE), 1, 2], [3, 4, 5]]), exact([1, 2]), [0]),
}


@pytest.mark.parametrize("name", BEYOND)
def test_integers_beyond_the_floats_are_checked_exactly(name: str) -> None:
    problem = mt.UnlearningProblem(*BEYOND[name])  # type: ignore[arg-type]
    report = mt.check(problem, ["exact-labels", "gap-formula", "leave-block-out", "label-free"])
    for claim in ("exact-labels", "gap-formula", "leave-block-out", "label-free"):
        row = report.theorem(claim)
        assert row.verdict is mt.Verdict.PROVED, (claim, row.needs)
        assert row.arithmetic == "rational"
    json.loads(report.to_json())
    wrong = mt.check(problem, "exact-labels", labels=problem.targets[problem.forget] + 1)
    assert wrong["exact-labels"].verdict is mt.Verdict.REFUTED  # the control


@pytest.mark.parametrize("name", ["features", "targets", "w_init", "long"])
def test_float_solves_of_integers_beyond_the_floats_are_refused_in_words(name: str) -> None:
    problem = mt.UnlearningProblem(*BEYOND[name])  # type: ignore[arg-type]
    for solve in (mt.solve, mt.optimal_labels):
        with pytest.raises(mt.MusoError, match="range of float64"):
            solve(problem)
    rows = mt.check(problem, arithmetic="float64").rows
    assert all(row.verdict is not mt.Verdict.REFUTED for row in rows)
    assert any("range of float64" in row.needs or row.needs.startswith("--") for row in rows)


# -- bounds beyond the floats ------------------------------------------------------------------------------


def test_an_infinite_bound_decides_nothing() -> None:
    nothing = Quantity.enclosure(0.0, np.inf)
    wide = Allowance(float("inf"), float("inf"), "1e-06 of something unbounded")
    findings = [Identity("gap", nothing, wide), Audit("gap", nothing, wide), Output("gap", nothing, wide)]
    findings += [Hypothesis("residual", nothing, wide), Inequality("size", nothing, bar=1e300)]
    findings += [Inequality("size", Quantity.measured(np.inf), positive=True)]
    for finding in findings:
        assert finding.verdict is mt.Verdict.UNDECIDED, finding
        assert "inf" not in str(finding).replace("infinite", "") or finding.quantity.lower == np.inf
    assert show(nothing) == "has no finite bound"
    assert (
        show(Quantity.measured(np.nan)) == show(Quantity.measured(np.inf)) == "is beyond the range of float64"
    )
    small = Allowance(Fraction(1), Fraction(1), "a length")
    assert Audit("gap", Quantity.enclosure(0.0, 0.5), small).verdict is mt.Verdict.CERTIFIED  # the control


LARGE = {
    "features": (np.array([[1e-200, 1e-201], [1e-200, 3e-201]]), np.array([1e150, 1.0])),
    "more": (np.array([[1e-160, 1e-161], [1e-160, 3e-161]]), np.array([1e150, 1.0])),
    "targets": (np.array([[1.0, 0.5], [0.3, 0.1]]), np.array([1e308, -1e308])),
    "tall": (np.array([[1.0, 0.5], [0.3, 0.1], [0.2, 0.7]]), np.array([1e308, -1e308, 1e308])),
}


@pytest.mark.filterwarnings("ignore::RuntimeWarning")
@pytest.mark.parametrize("arithmetic", ["auto", "float64", "ball", "rational"])
@pytest.mark.parametrize("name", LARGE)
def test_a_gap_beyond_the_floats_kills_no_report(name: str, arithmetic: str) -> None:
    problem = mt.UnlearningProblem(*LARGE[name], [0])
    report = mt.check(problem, arithmetic=arithmetic, labels=problem.targets[:1] / 2)  # half of the way
    document = json.loads(report.to_json())
    good = {"PROVED", "CERTIFIED"}
    for row in document["evidence"]:
        if row["verdict"] in good:
            # A number that must be large is bounded from below, and needs no other end.
            assert all(
                "inf" not in (f["upper"], row["bound"]) for f in row["findings"] if f["asks"] == "<= limit"
            )
    for evidence in report.rows:
        if evidence.verdict.name in good:
            assert "≤ inf" not in evidence.summary
        assert "nan" not in evidence.summary
    if arithmetic != "float64":
        assert report.theorem("exact-labels").verdict in (mt.Verdict.PROVED, mt.Verdict.CERTIFIED)
        assert report.theorem("full-rank").verdict.name in (*good, "VACUOUS")
        gap = report["exact-labels[labels]" if "exact-labels[labels]" in report.evidence else "exact-labels"]
        assert gap.verdict is mt.Verdict.REFUTED


def test_bounds_beyond_the_floats_are_written_outward() -> None:
    from muso_theory.checking.report import _quantity_dict

    for q in (
        Quantity.enclosure(0, Fraction(HUGE * 7, 3)),
        Quantity.enclosure(Fraction(0), Fraction(LONG**5, 7)),
    ):
        text = _quantity_dict(q)["upper"]
        read = number(text)  # as recheck reads it
        assert isinstance(read, Fraction)
        assert q.upper <= read <= q.upper * (1 + Fraction(1, 2**60))
    assert _quantity_dict(Quantity.enclosure(0.0, np.inf))["upper"] == "inf"
