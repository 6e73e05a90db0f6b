"""Judges: from rows to one sentence with its number, its interval, its verdict and the rows that it rests on.

A judge takes what is claimed (a slug of the catalogue, or the subject in a word), the words with fields in braces that
it fills in, and rows that `select` found. Words are neutral: which of two is lower, and whether seeds tell them apart,
is computed and told by the judge.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
from scipy import stats

from .rows import FoundRows, Row, Tally, Value, value_of
from .words import between, counted, outward, p_value, short

__all__ = [
    "FEW",
    "FEWEST",
    "LEVEL",
    "OPEN",
    "VERDICTS",
    "Draft",
    "compare",
    "finished",
    "fit",
    "fit_by_seed",
    "holm",
    "intervals",
    "largest",
    "none",
    "ratio",
    "share",
    "told",
]

Draft = dict[str, Any]
"""A conclusion before `finished` has corrected its test and ended its sentence."""

LEVEL = 0.95
"""Of every interval; a test asks for a p-value below one minus it, after Holm's correction."""
FEWEST = 3
"""Fewer seeds, or cases, than that say nothing of a mean."""

HOLDS, FAILS, LOWER, HIGHER = "holds", "fails", "lower", "higher"
OPEN, FEW, MEASURED = "not told apart", "too few", "measured"
VERDICTS = (HOLDS, FAILS, LOWER, HIGHER, OPEN, FEW, MEASURED)
"""What a conclusion may say of its number; ``measured`` where nothing was promised of it."""


def _draft(
    claim: str, sentence: str, number: Row, against: Any, verdict: str, rows: FoundRows | Row
) -> Draft:
    return {
        "claim": claim,
        "sentence": sentence,
        "number": dict(number),
        "against": against,
        "verdict": verdict,
        "rows": rows.told() if isinstance(rows, FoundRows) else dict(rows),
    }


# -- counts ------------------------------------------------------------------------------------------------


def none(claim: str, words: str, tally: Tally, *, drawn: str = "") -> Draft:
    """That nothing of a kind was seen: words with ``{k}`` and ``{n}``.

    Where nothing was seen in n independent draws, the rate is below 1 − 0.05^(1/n) < 3/n with confidence 0.95, the rule
    of three; cases that somebody chose have no rate.

    Args:
        drawn: what was drawn at random, in words; nothing where the cases were chosen.
    """
    k, n = tally.k, tally.n
    sentence = words.format(k=counted(k), n=counted(n))
    number: dict[str, Any] = {"value": k, "n": n}
    if drawn and n and not k:
        number |= {"low": 0.0, "high": 1 - (1 - LEVEL) ** (1 / n)}
        rate = counted(math.floor(1 / number["high"]))
        sentence += f"; with 95 % confidence fewer than 1 in {rate} {drawn} would"
    return _draft(claim, sentence, number, 0, FEW if not n else FAILS if k else HOLDS, tally.rows)


def share(
    claim: str, words: str, tally: Tally, *, drawn: bool = False, at_least: float | None = None
) -> Draft:
    """How many do something: words with ``{k}``, ``{n}`` and ``{share}``.

    Args:
        drawn: whether they are independent draws; the share then has an interval of Clopper and Pearson.
        at_least: the share that was promised.
    """
    k, n = tally.k, tally.n
    sentence = words.format(k=counted(k), n=counted(n), share=f"{100 * k / n:.1f} %" if n else "–")
    if not n:
        return _draft(claim, sentence, {"value": None, "n": 0}, at_least, FEW, tally.rows)
    number: dict[str, Any] = {"value": k / n, "n": n}
    low = high = k / n
    if drawn:
        found = stats.binomtest(k, n).proportion_ci(LEVEL, method="exact")
        low, high = float(found.low), float(found.high)
        number |= {"low": low, "high": high}
        sentence += f" ({100 * k / n:.1f} %, 95 % interval {100 * low:.1f} to {100 * high:.1f} %)"
    verdict = MEASURED
    if at_least is not None:
        verdict = HOLDS if low >= at_least else FAILS if high < at_least else FEW
    return _draft(claim, sentence, number, at_least, verdict, tally.rows)


# -- sizes -------------------------------------------------------------------------------------------------


def largest(claim: str, words: str, rows: FoundRows, value: Value, *, at_most: float | None = None) -> Draft:
    """The range of a number over rows: words with ``{largest}``, ``{least}``, ``{median}`` and ``{n}``.

    Args:
        at_most: what was promised of the largest; a number that is not finite breaks it.
    """
    values = [v for v in (value_of(row, value) for row in rows.found) if v is not None]
    if not values:
        empty = words.format(largest="–", least="–", median="–", n=0)
        return _draft(claim, empty, {"value": None, "n": 0}, at_most, FEW, rows)
    top, bottom, middle = max(values), min(values), float(np.median(values))
    if not all(map(math.isfinite, values)):
        top, bottom, middle = math.inf, -math.inf, math.nan
    number = {"value": top, "least": bottom, "median": middle, "n": len(values)}
    ends = {"largest": outward(top, up=True), "least": outward(bottom, up=False)}
    sentence = words.format(**ends, median=short(middle), n=counted(len(values)))
    verdict = MEASURED if at_most is None else HOLDS if top <= at_most else FAILS
    return _draft(claim, sentence, number, at_most, verdict, rows)


def told(claim: str, words: str, value: Any, rows: Row) -> Draft:
    """Any other number of a result, without an interval and so without a promise: words with ``{value}``."""
    return _draft(
        claim, words.format(value=short(value)), {"value": value, "n": rows["n"]}, None, MEASURED, rows
    )


# -- differences -------------------------------------------------------------------------------------------


def compare(
    claim: str,
    words: str,
    rows: FoundRows,
    value: Value,
    pair: tuple[str, str],
    *,
    by: str = "method",
    setting: Sequence[str] = (),
    seed: str = "seed",
    logs: bool = False,
) -> Draft:
    """Two methods, paired by seed: words with ``{one}``, ``{other}``, ``{ratio}``, ``{n}`` and ``{settings}``.

    Settings of one seed share their data, so only seeds count as independent: a seed's difference is the mean over the
    settings that have both. Tested by a paired t test over seeds, whose interval is told; `finished` corrects the
    p-values of a campaign by Holm and adds the verdict.

    Args:
        value: the number that is compared, by key or function.
        pair: the two values of the column ``by``.
        setting: columns that make a setting.
        logs: compare by the ratio, in geometric means, what differs by orders of magnitude.
    """
    first, second = (_by_unit(rows, value, by, name, setting, seed) for name in pair)
    common = sorted(set(first) & set(second), key=str)
    seeds: dict[Any, list[tuple[float, float]]] = {}
    for place, unit in common:
        both = first[place, unit], second[place, unit]
        seeds.setdefault(unit, []).append((math.log(both[0]), math.log(both[1])) if logs else both)
    means = np.array([np.mean(pairs, axis=0) for pairs in seeds.values()]).reshape(-1, 2)
    n, back = len(means), math.exp if logs else float
    one, other = means.mean(axis=0) if n else (math.nan, math.nan)
    gaps = means[:, 0] - means[:, 1]
    value = back(one - other)
    sentence = words.format(
        one=short(back(one)),
        other=short(back(other)),
        ratio=short(value),
        n=n,
        settings=len({place for place, _ in common}),
    )
    number = {
        "value": value if n else None,
        "n": n,
        "of": "seeds",
        "scale": "ratio" if logs else "difference",
    }
    draft = _draft(claim, sentence, number, 1.0 if logs else 0.0, FEW, rows.but(**{by: list(pair)}))
    if n >= FEWEST:
        low, high = (back(end) for end in _interval(gaps))
        # Equal differences leave the test without a scale: it is certain of any but zero.
        p = float(stats.ttest_1samp(gaps, 0.0).pvalue) if np.ptp(gaps) > 0 else float(not gaps.any())
        draft |= {"number": {**number, "low": low, "high": high}, "p": p}
    return draft


def _by_unit(
    rows: FoundRows, value: Value, by: str, name: str, setting: Sequence[str], seed: str
) -> dict[tuple[Any, Any], float]:
    """A method's number, by setting and seed."""
    found = {}
    for row in rows.but(**{by: name}).found:
        number = value_of(row, value)
        if number is not None and math.isfinite(number):
            found[tuple(row[key] for key in setting), row[seed]] = number
    return found


def ratio(
    claim: str,
    words: str,
    rows: FoundRows,
    value: Value,
    *,
    at_most: float | None = None,
    of: str = "cases",
) -> Draft:
    """The geometric mean of ratios: words with ``{ratio}``, ``{least}``, ``{largest}`` and ``{n}``.

    Args:
        value: a ratio, positive.
        at_most: what was promised of it.
        of: what the rows are, in words.
    """
    values = [v for v in (value_of(row, value) for row in rows.found) if v is not None and 0 < v < math.inf]
    if len(values) < FEWEST:
        few = words.format(ratio="–", least="–", largest="–", n=len(values))
        return _draft(claim, few, {"value": None, "n": len(values)}, at_most, FEW, rows)
    logs = np.log(values)
    low, high = (math.exp(end) for end in _interval(logs))
    mean = math.exp(float(logs.mean()))
    ends = {"largest": outward(max(values), up=True), "least": outward(min(values), up=False)}
    sentence = words.format(ratio=short(mean), **ends, n=counted(len(values)))
    number = {"value": mean, "low": low, "high": high, "n": len(values), "of": of}
    verdict = MEASURED if at_most is None else HOLDS if high <= at_most else FAILS if low > at_most else FEW
    return _draft(claim, f"{sentence} (95 % interval {between(low, high)})", number, at_most, verdict, rows)


def _interval(values: Any) -> tuple[float, float]:
    """Student's interval of a mean."""
    n = len(values)
    half = float(stats.t.ppf((1 + LEVEL) / 2, n - 1) * np.std(values, ddof=1) / math.sqrt(n))
    return float(np.mean(values)) - half, float(np.mean(values)) + half


# -- exponents ---------------------------------------------------------------------------------------------


def intervals(claim: str, words: str, rows: FoundRows, between: tuple[float, float]) -> Draft:
    """Exponents that a campaign fitted, with ``slope``, ``low`` and ``high``.

    Words with ``{k}``, ``{n}``, ``{least}`` and ``{largest}``. It holds where every interval lies between both ends and
    fails where one lies wholly outside; else the seeds are too few.
    """
    fitted = [row for row in rows.found if row.get("slope") is not None]
    k = sum(between[0] <= row["low"] and row["high"] <= between[1] for row in fitted)
    outside = any(row["high"] < between[0] or between[1] < row["low"] for row in fitted)
    slopes = [row["slope"] for row in fitted] or [math.nan]
    sentence = words.format(k=k, n=len(rows.found), least=short(min(slopes)), largest=short(max(slopes)))
    number = {"value": k, "n": len(rows.found)}
    if fitted:
        number |= {"low": min(row["low"] for row in fitted), "high": max(row["high"] for row in fitted)}
    whole = bool(fitted) and k == len(rows.found)
    return _draft(claim, sentence, number, list(between), HOLDS if whole else FAILS if outside else FEW, rows)


def fit(
    claim: str,
    words: str,
    rows: FoundRows,
    x: str,
    y: Value,
    *,
    between: tuple[float, float] | None = None,
) -> Draft:
    """The exponent of y over x, by least squares of their logarithms: words with ``{slope}`` and ``{n}``."""
    pairs = [(row[x], value_of(row, y)) for row in rows.found]
    points = [(math.log(a), math.log(b)) for a, b in pairs if a and b and a > 0 and b > 0]
    if len({a for a, _ in points}) < FEWEST:
        few = words.format(slope="–", n=len(points))
        return _draft(claim, few, {"value": None, "n": len(points)}, between, FEW, rows)
    found = stats.linregress(*zip(*points, strict=True))
    half = float(stats.t.ppf((1 + LEVEL) / 2, len(points) - 2) * found.stderr)
    slope, low, high = float(found.slope), float(found.slope) - half, float(found.slope) + half
    sentence = words.format(slope=f"{slope:.2f}", n=counted(len(points)))
    verdict = MEASURED
    if between is not None:
        outside = high < between[0] or between[1] < low
        verdict = HOLDS if between[0] <= low and high <= between[1] else FAILS if outside else FEW
    number = {"value": slope, "low": low, "high": high, "n": len(points)}
    against = None if between is None else list(between)
    return _draft(
        claim, f"{sentence} (95 % interval {low:.2f} to {high:.2f})", number, against, verdict, rows
    )


def fit_by_seed(claim: str, words: str, rows: FoundRows, x: str, y: Value, *, seed: str = "seed") -> Draft:
    """The mean over seeds of every seed's exponent of y over x: words with ``{slope}``, ``{n}`` and ``{seeds}``.

    Problems of one seed share their data, so the interval is over seeds, not over problems.
    """
    slopes, n = [], 0
    for one in sorted({row[seed] for row in rows.found}):
        found = fit(claim, "", rows.but(**{seed: one}), x, y)["number"]
        if found["value"] is not None:
            slopes.append(found["value"])
            n += found["n"]
    if len(slopes) < FEWEST:
        few = words.format(slope="–", n=counted(n), seeds=len(slopes))
        return _draft(claim, few, {"value": None, "n": len(slopes), "of": "seeds"}, None, FEW, rows)
    slope, (low, high) = float(np.mean(slopes)), _interval(slopes)
    sentence = words.format(slope=f"{slope:.2f}", n=counted(n), seeds=len(slopes))
    number = {"value": slope, "low": low, "high": high, "n": len(slopes), "of": "seeds"}
    sentence += f" (95 % interval over seeds {low:.2f} to {high:.2f})"
    return _draft(claim, sentence, number, None, MEASURED, rows)


# -- one campaign's --------------------------------------------------------------------------------------------


def finished(drafts: Sequence[Draft]) -> list[dict[str, Any]]:
    """The conclusions of one campaign: tests corrected for their number, by Holm, and every verdict in words.

    A family that answers one question is corrected on its own, with its members that no sentence tells.
    """
    families = [draft["family"] for draft in drafts if "family" in draft]
    inside = {id(member) for family in families for member in family}
    for group in (*families, [draft for draft in drafts if id(draft) not in inside]):
        _tell_tests([draft for draft in group if "p" in draft])
    for draft in drafts:
        few = "; too few to judge" if draft["verdict"] == FEW else ""
        if family := [member["verdict"] for member in draft.get("family", ()) if "p" in member]:
            lower, higher = family.count(LOWER), family.count(HIGHER)
            few += f"; of all {len(family)}, {lower} lower and {higher} higher"
        draft["sentence"] = draft["sentence"][:1].upper() + draft["sentence"][1:] + few + "."
    return [{key: value for key, value in draft.items() if key != "family"} for draft in drafts]


def _tell_tests(tested: Sequence[Draft]) -> None:
    """Correct tests for their number, and say what they say."""
    for draft, p in zip(tested, holm([draft["p"] for draft in tested]), strict=True):
        draft["p"] = p
        number = draft["number"]
        draft["verdict"] = OPEN if p > 1 - LEVEL else LOWER if number["value"] < draft["against"] else HIGHER
        ends = between(number["low"], number["high"])
        if draft["verdict"] == OPEN:  # equal or merely unknown: the width of the interval says which
            ends += f", {_width(number)}"
        how = f"paired t test over {number['n']} seeds" + (
            f", Holm over {len(tested)}" if len(tested) > 1 else ""
        )
        draft["sentence"] += (
            f": {draft['verdict']} (95 % interval of the {number['scale']} {ends}; {p_value(p)}, {how})"
        )


def _width(number: Row) -> str:
    """How wide an interval is, in words."""
    low, high = number["low"], number["high"]
    return f"a factor of {short(high / low)}" if number["scale"] == "ratio" else f"{short(high - low)} wide"


def holm(p: Sequence[float]) -> list[float]:
    """S. Holm, "A simple sequentially rejective multiple test procedure", Scand. J. Statist. 1979."""
    order = np.argsort(p, kind="stable")
    raised = np.maximum.accumulate([(len(p) - i) * p[j] for i, j in enumerate(order)] or [0.0])
    found = [0.0] * len(p)
    for j, value in zip(order, raised, strict=False):
        found[j] = min(1.0, float(value))
    return found
