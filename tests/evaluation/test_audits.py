"""Audits of guarantees: what they refute, what they could have refuted, and the campaign that counts both."""

from __future__ import annotations

import json
import math
import statistics
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scipy.stats import binom, norm

import muso_theory as mt
from muso_theory.errors import BadInputError
from muso_theory.evaluation import Guarantee, audit_guarantee, auditing, guarantee
from muso_theory.evaluation.events import Events
from muso_theory.numbers import Quantity
from verification import guarantees as campaign
from verification import guarantees_audits as planted
from verification.campaign import Options
from verification.guarantees_tables import RELABELLING
from verification.tables import latex, markdown

E = mt.evaluation
Draw = Callable[[np.random.Generator], np.ndarray]


def at_distance(epsilon: float) -> Guarantee:
    return guarantee("proved-gap", epsilon, 1e-5, gap=Quantity.exact(1))


def rows(draw: Draw) -> Callable[[int], np.ndarray]:
    return lambda seed: draw(np.random.default_rng(seed))


def normals(n: int, mean: float = 0.0, scale: float = 1.0, d: int = 1) -> Callable[[int], np.ndarray]:
    """Normals on a grid, so that no last bit tells what was added; the mean is in the first column."""
    return rows(lambda rng: np.round(mean * np.eye(d)[0] + scale * rng.standard_normal((n, d)), 6))


# -- what an audit can show -------------------------------------------------------------------------------


def test_an_audit_that_cannot_fail_is_refused() -> None:
    """With 100 draws no output at all refuted ε = 10, and the audit was silent about it."""
    with pytest.raises(
        BadInputError, match=r"at least \d+ draws, or no outcome would refute ε = 10"
    ) as refused:
        audit_guarantee(at_distance(10.0), lambda s: [0.0], lambda s: [1.0], draws=60)
    need = int(str(refused.value).split("draws=")[-1])
    found = audit_guarantee(at_distance(10.0), lambda s: [0.0], lambda s: [1.0], draws=need)
    assert found.violated
    assert found.ratio == found.largest[1] > found.promise.ratio
    with pytest.raises(BadInputError, match=f"draws={need - 1}"):
        audit_guarantee(at_distance(10.0), lambda s: [0.0], lambda s: [1.0], draws=need - 1)
    with pytest.raises(BadInputError, match="draws can refute"):
        audit_guarantee(at_distance(1e4), lambda s: [0.0], lambda s: [1.0], draws=100)
    assert "could be shown" in str(found)


@pytest.mark.slow
@pytest.mark.parametrize(("epsilon", "draws"), [(0.1, 40_000), (1.0, 1000), (1.0, 10_000), (10.0, 400)])
def test_the_factor_that_an_audit_finds_is_that_of_binomials(epsilon: float, draws: int) -> None:
    """Counts of a half-line drawn from their exact distribution: found in nine of ten runs at the factor, not below."""
    promise = at_distance(epsilon)
    factor = E.GuaranteeAudit(0.0, 0.0, promise, draws, 0.9999).detects
    counted, tail = draws - draws // 4, 0.0001 / 4
    rng = np.random.default_rng(0)

    def found(share: float) -> float:
        """The best share of runs, over half-lines, in which either bound exceeds the promise."""
        shift = share * promise.ratio / 2
        best = 0.0
        for start in np.linspace(-4, 4, 33):
            a = rng.binomial(counted, norm.cdf(shift - start), 400)
            b = rng.binomial(counted, norm.cdf(-shift - start), 400)
            low = np.array([E.binomial_rate(int(k), counted, 1 - 2 * tail).interval[0] for k in np.unique(a)])
            high = np.array(
                [E.binomial_rate(int(k), counted, 1 - 2 * tail).interval[1] for k in np.unique(b)]
            )
            p, q = (ends[np.searchsorted(np.unique(c), c)] for ends, c in ((low, a), (high, b)))
            with np.errstate(divide="ignore", invalid="ignore"):
                shown = np.log((p - promise.delta) / q) > promise.epsilon
                shown |= norm.ppf(p) - norm.ppf(q) > promise.ratio
            best = max(best, float(shown.mean()))
        return best

    # The quantiles of both counts are taken singly, so that somewhat more than nine of ten are found.
    assert found(factor) > 0.9
    assert found(1 + 0.6 * (factor - 1)) < 0.9


def test_the_table_of_draws_finds_half_the_noise() -> None:
    for epsilon, draws in planted.DRAWS.items():
        assert 1.5 < E.GuaranteeAudit(0.0, 0.0, at_distance(epsilon), draws, 0.9999).detects <= 2.0


@pytest.mark.parametrize("epsilon", [1.0, 10.0])
def test_half_the_noise_is_found_and_enough_is_not(epsilon: float) -> None:
    """The mechanism itself, at just its distance; 0.1 is in the campaign, as it takes 280,000 draws."""
    draws = planted.DRAWS[epsilon]
    assert not planted.audited(planted.noise(at_distance(epsilon)), draws).violated
    assert planted.audited(planted.noise(at_distance(epsilon), 2.0), draws).violated


@pytest.mark.slow
def test_half_the_noise_is_found_at_the_smallest_epsilon() -> None:
    promise, n = at_distance(0.1), planted.DRAWS[0.1]

    def audit(sigma: float) -> E.GuaranteeAudit:
        return audit_guarantee(promise, normals(n, 1.0, sigma), normals(n, 0.0, sigma), draws=n, batch=n)

    assert audit(promise.sigma / 2).violated
    assert not audit(promise.sigma).violated


# -- leaks -------------------------------------------------------------------------------------------------


@pytest.mark.slow
@pytest.mark.parametrize("name", sorted(planted.VALID))
def test_no_audit_refutes_a_guarantee(name: str) -> None:
    for epsilon in (1.0, 10.0):
        setting = planted.VALID[name](epsilon)
        audit = planted.audited(setting, 400 if name in planted.SLOW else 1000)
        assert not audit.violated
        # No audit is of data that do not differ.
        assert 0.04 < setting.share <= 1 + 1e-9
        # Where the data nearly reach the distance the audit has something to see.
        assert (
            epsilon < 10
            or setting.share < 0.8
            or setting.numbers > 4
            or audit.ratio > 0.4 * audit.promise.ratio
        )


def test_audits_of_other_seeds_see_other_draws() -> None:
    """512 rows of one ε and Δ/σ were audited with the same two seeds: one audit, counted as many."""
    setting = planted.noise(at_distance(10.0))
    found = {planted.audited(setting, 400, seed).ratio for seed in range(4)}
    assert len(found) > 1
    assert planted.audited(setting, 400, 1) == planted.audited(setting, 400, 1)


@pytest.mark.slow
@pytest.mark.parametrize("epsilon", [0.1, 1.0, 10.0])
@pytest.mark.parametrize("name", sorted(set(planted.LEAKS) - {"half the noise"}))
def test_every_planted_leak_is_caught(name: str, epsilon: float) -> None:
    assert planted.audited(planted.LEAKS[name](epsilon), 400 if name in planted.SLOW else 20_000).violated


@pytest.mark.parametrize("scale", [1.0, 1e200, 1e-300, 5e-324])
def test_what_differs_without_noise_is_seen_at_any_size(scale: float) -> None:
    found = audit_guarantee(at_distance(1.0), lambda s: [scale], lambda s: [2 * scale], draws=400)
    assert found.violated
    assert not audit_guarantee(at_distance(1.0), lambda s: [scale], lambda s: [scale], draws=400).violated


@pytest.mark.parametrize("scale", [1.0, 1e12, 1e300])
def test_a_leak_beside_loud_noise_is_seen(scale: float) -> None:
    def publish(secret: float, shift: int) -> Callable[[int], np.ndarray]:
        return lambda s: np.array([scale * np.random.default_rng(s).standard_normal(), secret])

    promise = at_distance(1.0)
    assert audit_guarantee(promise, publish(0.0, 0), publish(1.0, 1), draws=400).violated
    assert not audit_guarantee(promise, publish(0.0, 0), publish(0.0, 1), draws=400).violated


@pytest.mark.parametrize("often", [0.01, 0.05])
def test_a_secret_that_is_rarely_published_is_seen(often: float) -> None:
    """Evenly spaced quantiles step over the few largest values."""

    def leak(n: int, value: float) -> Callable[[int], np.ndarray]:
        return rows(
            lambda rng: np.where(rng.random((n, 1)) < often, value, np.round(rng.standard_normal((n, 1)), 6))
        )

    n = 20_000
    for value in (1e9, -1e9, 0.25):  # at either end, and a value that comes back amidst the others
        found = audit_guarantee(at_distance(0.5), leak(n, value), normals(n), draws=n, batch=n)
        assert found.violated
        # It is no more certain than its counts: the true ε at δ of an event of this probability is without bound.
        assert found.epsilon <= found.largest[0]


def test_low_bits_are_read_from_the_number_itself() -> None:
    values = np.array([[1.0], [1.5], [0.75], [-0.75], [2.0**-1074], [3 * 2.0**900], [1 + 2.0**-52], [0.0]])
    events = Events(np.zeros((3, 1)), np.zeros((3, 1)))
    assert events(values, column=4).tolist() == [0, -1, -2, -2, -1074, 900, -52, 1100]


def test_events_are_the_numbers_that_they_are_said_to_be() -> None:
    """By plain loops: in units of the median deviation about the median of both samples, and two normals of these."""
    rng = np.random.default_rng(5)
    x, y = rng.normal((3.0, -1.0), 1.0, (9, 2)), rng.normal(0.0, 2.0, (9, 2))
    asked = rng.standard_normal((4, 2))
    units = []
    for column in np.vstack([x, y]).T.tolist():
        middle = statistics.median(column)
        units.append((middle, statistics.median(abs(value - middle) for value in column)))

    def standard(rows: np.ndarray) -> list[list[float]]:
        return [[(v - m) / s for v, (m, s) in zip(row, units, strict=True)] for row in rows.tolist()]

    z, mine, other = standard(asked), standard(x), standard(y)
    centres = [[statistics.fmean(column) for column in zip(*rows, strict=True)] for rows in (mine, other)]
    spread = [
        (statistics.pvariance(a) + statistics.pvariance(b)) / 2 + 1e-6
        for a, b in zip(zip(*mine, strict=True), zip(*other, strict=True), strict=True)
    ]

    def far(row: list[float], centre: list[float]) -> float:
        return sum((v - c) ** 2 / s for v, c, s in zip(row, centre, spread, strict=True))

    near, wide = (
        statistics.fmean(far(row, centre) for row in rows) / 2 + 1e-12
        for rows, centre in zip((mine, other), centres, strict=True)
    )
    wanted = []
    for row in z:
        single = [*row, *(-v for v in row), *map(abs, row), *(-abs(v) for v in row)]
        along = sum(v * (a - b) / s for v, a, b, s in zip(row, *centres, spread, strict=True))
        wanted.append([*single, along, far(row, centres[1]) / wide - far(row, centres[0]) / near])
    found = Events(x, y)(asked)
    np.testing.assert_allclose(found[:, [*range(8), 16, 17]], wanted, rtol=1e-9)


def test_values_that_come_back_are_counted_by_column() -> None:
    x = np.array([[1.0, 5.0], [1.0, 6.0], [2.0, 7.0]])
    y = np.array([[3.0, 8.0], [4.0, 8.0], [9.0, 9.0]])
    found = Events(x, y)(np.array([[1.0, 1.0], [8.0, 8.0], [2.0, 5.0]]))
    assert found[:, 12:14].tolist() == [[1, 0], [0, 0], [0, 0]]  # of the one data set
    assert found[:, 14:16].tolist() == [[0, 0], [0, 1], [0, 0]]  # of the other


def test_an_event_does_not_depend_on_how_many_draws_it_is_asked_about() -> None:
    x, y = np.random.default_rng(0).standard_normal((2, 300, 37))
    events = Events(x[:100], y[:100])
    every = events(x)
    assert every.tobytes() == np.vstack([events(x[i : i + 1]) for i in range(300)]).tobytes()
    for column in (0, 40, 295, 8 * 37, 8 * 37 + 1):
        assert events(x[7:9], column).tobytes() == np.ascontiguousarray(every[7:9, column]).tobytes()


def test_an_audit_is_right_about_a_known_distance() -> None:
    """N(0, 1) against N(μ, 1): the bounds are below the truth and close to it; equal samples give nothing."""
    promise = Guarantee("proved-gap", 10.0, 1e-5, 1.0, 0.5)
    n = 12_000  # a quarter chooses, so that 9,000 count
    found = audit_guarantee(promise, normals(n, 2.0, 1.0, 3), normals(n, 0.0, 1.0, 3), draws=n, batch=n)
    assert 1.6 < found.ratio < 2.0
    assert 2.0 < found.epsilon < found.epsilon_of_ratio < 10.0
    same = audit_guarantee(promise, normals(n, 0.0, 1.0, 3), normals(n, 0.0, 1.0, 3), draws=n, batch=n)
    assert same.ratio < 0.1
    assert same.epsilon < 0.1
    # A difference of spread alone, over many parameters.
    for scales in ((1.3, 1.0), (1.0, 1.3)):
        clouds = (normals(400, 0.0, scale, 300) for scale in scales)
        assert audit_guarantee(promise, *clouds, draws=400, batch=400).ratio > 2


def test_what_is_exactly_private_is_not_found_to_be_less_so() -> None:
    """One of two answers is given e^ε times as often as the other, but with probability δ the data set is named.

    P(S) = e^ε Q(S) + δ where S is the first answer or the first name, so that no smaller ε is right.
    """
    epsilon, delta, n = 1.0, 0.3, 40_000
    promise = Guarantee("proved-gap", 10.0, delta, 1.0, 1.0)

    def mechanism(sign: float) -> Callable[[int], np.ndarray]:
        def answers(rng: np.random.Generator) -> np.ndarray:
            likelier = rng.random((n, 1)) < math.exp(epsilon) / (1 + math.exp(epsilon))
            named = rng.random((n, 1)) < delta
            return sign * np.where(named, 2.0, np.where(likelier, 1.0, -1.0))

        return rows(answers)

    for first, second in ((1.0, -1.0), (-1.0, 1.0)):
        found = audit_guarantee(promise, mechanism(first), mechanism(second), draws=n, batch=n)
        assert 0.9 * epsilon < found.epsilon <= epsilon


@pytest.mark.parametrize("level", [0.9, 0.95, 0.999])
@pytest.mark.parametrize("n", [30, 300])
def test_all_bounds_of_an_audit_hold_together_at_its_level(level: float, n: int) -> None:
    """Two bounds, each of a P from below and of a Q from above: together they fail as often as they may, and no more.

    How often one fails is exact: the chance of the counts whose bound is on the wrong side, at the worst probability.
    """
    counts = np.arange(n + 1)
    low, high = auditing._bounds(counts, counts, n, auditing._tail(level))
    # The chance that P < low (or Q > high) grows with P until the next bound is passed: the worst are just beside them.
    of_p = max(binom.pmf(counts[low > p], n, p).sum() for p in low[1:] * (1 - 1e-9))
    of_q = max(binom.pmf(counts[high < q], n, q).sum() for q in high[:-1] * (1 + 1e-9))
    assert 0.99 * (1 - level) < 2 * (of_p + of_q) <= (1 - level) * (1 + 1e-6)


def test_the_confidence_of_an_audit_is_kept() -> None:
    """At level .9 a true guarantee may be called violated in a tenth of the audits, and no more."""
    promise = Guarantee("proved-gap", 1.0, 0.5, 1.0, 1.0)
    promise = replace(promise, epsilon=promise.epsilon_at(0.01), delta=0.01)

    def normal(mean: float, run: int) -> Callable[[int], np.ndarray]:
        return lambda seed: np.round(mean + np.random.default_rng((run, seed)).standard_normal((400, 1)), 6)

    runs = [
        audit_guarantee(promise, normal(1.0, run), normal(0.0, run), draws=400, level=0.9, batch=400)
        for run in range(200)
    ]
    # 20 expected at worst; 40 has a probability below 1e-5.
    assert binom.sf(39, 200, 0.1) < 1e-4
    assert sum(found.violated for found in runs) < 40


def test_batches_and_single_draws_are_one_thing() -> None:
    promise = at_distance(1.0)
    single = [lambda s, at=at: at + np.random.default_rng(s).standard_normal(2) for at in (3.0, 0.0)]
    batched = [
        lambda s, draw=draw, calls=4: np.stack([draw(calls * s + i) for i in range(calls)]) for draw in single
    ]
    assert audit_guarantee(promise, *single, draws=400) == audit_guarantee(
        promise, *batched, draws=400, batch=4
    )


@pytest.mark.parametrize(
    "change",
    [{"draws": 3}, {"draws": 100.0}, {"level": 1.0}, {"level": math.nan}, {"batch": 3}, {"batch": 0}],
)
def test_senseless_audits_are_refused(change: dict[str, Any]) -> None:
    promise = Guarantee("proved-gap", 1.0, 1e-5, 1.0, 4.0)
    with pytest.raises(BadInputError, match="expected"):
        audit_guarantee(promise, lambda s: [0.0], lambda s: [0.0], **{"draws": 200, **change})
    with pytest.raises(BadInputError, match="one size"):
        audit_guarantee(promise, lambda s: [0.0], lambda s: [0.0, 1.0], draws=200)
    with pytest.raises(BadInputError, match="finite"):
        audit_guarantee(promise, lambda s: [math.nan], lambda s: [0.0], draws=200)
    with pytest.raises(BadInputError, match="one a row"):
        audit_guarantee(promise, lambda s: [0.0], lambda s: [0.0], draws=200, batch=2)


# -- the campaign --------------------------------------------------------------------------------------


POINT = {
    "data": "breast_cancer", "loss": "logistic", "ridge per sample": 1e-3, "share": 0.01, "seed": 0, "epsilon": 1.0,
}  # fmt: skip


def without_times(found: Any) -> Any:
    if isinstance(found, dict):
        return {k: without_times(v) for k, v in found.items() if not k.endswith("seconds")}
    return [without_times(v) for v in found] if isinstance(found, list) else found


@pytest.fixture(scope="module")
def ridge() -> dict[str, Any]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(campaign, "RELEASES", 2)
        return campaign.measure(POINT)


def test_a_point_of_the_campaign(ridge: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(campaign, "RELEASES", 2)
    found = ridge
    again = campaign.measure(POINT)
    assert json.dumps(without_times(found)) == json.dumps(without_times(again))
    assert found["ratio"] > 1e6
    rows = {row["method"]: row for row in found["rows"]}
    noise = {method: row["noise"] for method, row in rows.items()}
    assert noise[RELABELLING] < 1e-6 * noise["doing nothing, proved gap"]
    assert noise["doing nothing, proved gap"] < noise["output noise, any data"]
    assert noise["Newton step, proved gap"] < noise["Newton step, any data"]
    exact, plain = rows[RELABELLING], rows["retrained, without noise"]
    assert exact["test accuracy"] == plain["test accuracy"]
    for method, row in rows.items():
        if "without noise" not in method:
            assert row["any data"] == method.endswith("any data")
            found = campaign.measure_audit(
                {"epsilon": 1.0, "Δ": row["Δ"], "σ": row["σ"], "draws": 400, "seed": 0}
            )
            assert not found["violated"]
            # Noise that was raised for the floats hides far more than Δ.
            assert found["Δ/σ promised"] == pytest.approx(row["Δ"] / row["σ"])
            assert (found["detects"] < 5) == (method != RELABELLING)
    # Other samples, other noise only where the gap is private.
    other = {row["method"]: row for row in campaign.measure({**POINT, "seed": 1})["rows"]}
    for method, row in rows.items():
        if method.endswith("any data") and "noisy" not in method:
            assert row["noise"] == other[method]["noise"]
    assert noise["doing nothing, proved gap"] != other["doing nothing, proved gap"]["noise"]
    monkeypatch.setitem(campaign._SAMPLES, "breast_cancer", 100)
    with pytest.raises(BadInputError, match="declared public"):
        campaign.measure(POINT)


def test_the_campaign_writes_its_tables_and_judges(
    ridge: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    interpolating = campaign.measure_interpolating({"data": "breast_cancer", "features": 800, "seed": 0})
    assert interpolating["verdict"] == "CERTIFIED"
    audit = planted.shown(
        planted.noise(at_distance(1.0)), E.GuaranteeAudit(0.0, 0.0, at_distance(1.0), 4000, 0.9999)
    )
    ridge = json.loads(json.dumps(ridge))

    def run(
        ratio: float = 1e9, violated: bool = False, caught: bool = True, row: bool = False, weak: bool = False
    ) -> dict[str, Any]:
        def measured(
            _name: str, _measure: object, points: list[Any], _options: object
        ) -> list[dict[str, Any]]:
            return [
                {
                    **audit,
                    "violated": caught if point["planted"] else violated,
                    "detects": 3.0 if weak else 1.9,
                }
                if "audited" in point
                else {**audit, "violated": row}
                if "σ" in point
                else {**(ridge if "loss" in point else interpolating), "ratio": ratio}
                for point in points
            ]

        monkeypatch.setattr(campaign, "measure_points", measured)
        return campaign.run(True, Options(tmp_path))

    found = run()
    assert not found["failed"]
    tables = campaign.tabulate(found)
    for entry in tables.values():
        assert markdown(entry["rows"], entry["columns"]).count("\n") == len(entry["rows"]) + 2
        assert latex(entry["rows"], entry["columns"]).isascii()
    gap = next(row for row in tables["assumptions"]["rows"] if row["guarantee"] == "proved-gap")
    assert "σ" not in gap["public"]
    assert "σ" in gap["private"]
    assert "only 1.0e+00 times" in run(ratio=1.0)["verdict"]
    for bad in ({"ratio": 1.0}, {"violated": True}, {"caught": False}, {"row": True}):
        assert run(**bad)["failed"]
    # Rows of one ε and Δ/σ are one audit, each with a seed of its own.
    rows = [(p["epsilon"], row) for p in found["points"] if "rows" in p for row in p["rows"] if "σ" in row]
    pairs = {(epsilon, f"{row['Δ'] / row['σ']:.9g}") for epsilon, row in rows}
    noisy = found["audits of noise"]
    assert 0 < len(noisy) == len(pairs) < len(rows)
    assert all("audit" in row for _, row in rows)
    seeds = [audit["seed"] for audit in [*found["audits"], *noisy]]
    assert len(set(seeds)) == len(seeds)
    small = sum(not row["planted"] for row in found["audits"])
    assert f"0 of {small + len(noisy)} audits" in found["verdict"]
    assert f"{len(noisy)} pairs of ε and Δ/σ of {len(rows)} rows" in found["verdict"]
    assert f"; {small + len(noisy)} of the" in found["verdict"]
    assert f"; {len(noisy)} of the" in run(weak=True)["verdict"]


def test_draws_come_in_batches_that_divide_them_and_count_the_same() -> None:
    def publish(mean: float, batch: int) -> Callable[[int], np.ndarray]:
        return lambda seed: mean + np.arange(batch)[:, None] % 2

    found = [
        audit_guarantee(at_distance(1.0), publish(0.0, batch), publish(3.0, batch), draws=400, batch=batch)
        for batch in (2, 20, 400)
    ]
    assert len({(each.epsilon, each.ratio) for each in found}) == 1
    one = audit_guarantee(at_distance(1.0), lambda seed: [0.0], lambda seed: [3.0], draws=400, batch=1)
    assert one.violated
    for wrong in (0, -1, 3, 401, 800):
        with pytest.raises(BadInputError, match="batch"):
            audit_guarantee(at_distance(1.0), publish(0.0, 1), publish(3.0, 1), draws=400, batch=wrong)
