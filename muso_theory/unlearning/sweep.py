"""Sweeps: one thing is varied, over seeds, and methods are held against retraining at every value."""

from __future__ import annotations

import math
import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from functools import lru_cache
from pathlib import Path
from typing import Any, final

from ..arguments import checked
from ..errors import MusoError, expected, nearest, refuse_idle
from ..evaluation import removal_certificate
from ..evaluation.gaussian import check_delta
from ..evidence import Verdict, short, worst
from ..files.results import sealed
from ..former import former
from ..inputs import Prepared, Source, prepare
from ..linear.problem import UnlearningProblem
from ..methods import serving
from ..parallel.points import GridPoint, Workers, measure_all, package_hash
from ..settings import Settings
from ..understood import Understood, listed
from .run import made, started, unlearn_prepared
from .scoring import scores
from .unlearned import RETRAINED, UNTOUCHED, Unlearned

__all__ = ["AXES", "measure", "planned", "sweep"]
former(__name__)


@final
@dataclass(frozen=True)
class _Axis:
    """What is varied.

    Args:
        what: an allowed value, in words.
        allows: whether a value is allowed.
        values: the usual values, for so many samples.
        methods: the usual methods.
        setting: the setting of a method that it varies; empty where it varies the problem or what is published.
    """

    what: str
    allows: Callable[[float], bool]
    values: Callable[[int], Sequence[float]]
    methods: tuple[str, ...]
    setting: str = ""


_MOST_SEEDS = 10_000
"""Each of which is measured at every value."""

_RELABELLED = ("label-free", "random-labels")

AXES = {
    "n-features": _Axis(
        "an even number of features",
        lambda v: v >= 2 and v % 2 == 0,
        # From half as many features as samples, across the interpolation threshold, to sixteen times as many; of few
        # samples several shares are the same even number.
        lambda n: sorted({2 * max(1, round(n * share / 2)) for share in (0.5, 0.9, 1.1, 2, 4, 8, 16)}),
        _RELABELLED,
    ),
    "ridge": _Axis(
        "a positive number",
        lambda v: v > 0,
        lambda n: [1e-12, 1e-10, 1e-8, 1e-6, 1e-4, 1e-2, 1.0],
        ("ridge-labels",),
        "ridge",
    ),
    "subset": _Axis(
        "a fraction in (0, 1]",
        lambda v: 0 < v <= 1,
        lambda n: [0.05, 0.1, 0.2, 0.4, 0.6, 0.8, 1.0],
        ("subsampled-labels",),
        "subset",
    ),
    "forget-fraction": _Axis(
        "a fraction in (0, 1)",
        lambda v: 0 < v < 1,
        lambda n: [share for share in (0.02, 0.05, 0.1, 0.2, 0.4, 0.6) if round(share * n) >= 1],
        _RELABELLED,
    ),
    "epsilon": _Axis(
        "a positive number", lambda v: v > 0, lambda n: [0.1, 0.3, 1.0, 3.0, 10.0], ("label-free", UNTOUCHED)
    ),
}
"""What can be varied, by name."""


@checked
def sweep(
    data: str | Source,
    over: str,
    *,
    values: Sequence[float] | None = None,
    seeds: int = 3,
    methods: Sequence[str] = (),
    test: float | None = None,
    delta: float = 1e-5,
    budget: float = Settings.budget,
    workers: Workers | None = None,
    folder: Path | None = None,
    progress: Callable[[str], None] | None = None,
    **options: Any,
) -> dict[str, Any]:
    """Vary one thing over seeds, unlearn at every value, and hold the outcome against retraining.

    Args:
        data: name or path of data as the command line takes it.
        over: "n-features", "ridge" or "subset" (settings of label methods), "forget-fraction" (of samples, drawn by
            seed), or "epsilon" (what is published is (ε, δ)-indistinguishable from retraining: noise for the proved
            gap).
        values: of the axis; None takes a grid that suits it.
        seeds: how many; each draws features, w₀, forget set, test split and method anew.
        methods: names of ``mt.methods.serving("linear")``; none takes those that suit the axis.
        test: share of the samples not to be forgotten that is held out, for test accuracy and attack.
        delta: δ of axis epsilon.
        budget: seconds that a check may be estimated to take, see ``mt.check``.
        workers: how many processes, or a Dask cluster; None is two processes.
        folder: keeps finished points, so that an interrupted sweep goes on there; None keeps nothing.
        progress: called with a line of words while the data are read, and after each point; None tells the latter on
            stderr.
        options: of the command line, such as ``features="laplacian"`` or ``forget="class:1"``.

    Returns:
        A result of kind ``sweep``, as ``muso figure`` draws it: rows with ``value``, ``seed``, ``series`` (the method,
        ``retraining``, or ``none`` for doing nothing) and numbers, or ``failed`` where a method refuses a value. Of a
        method that is exact by a claim, ``verdict`` is that claim's on this data, and ``why`` what fails.

    Raises:
        BadInputError: an axis that is unknown or does not apply to this data and these methods, values out of range,
            or whatever the data refuse.
        KeyboardInterrupt: interrupted; finished points are in ``folder``.

    Example:
        >>> found = sweep("breast_cancer", "subset", values=[0.5, 1.0], seeds=1, n_features=1200, standardize=True,
        ...               workers=Workers(jobs=1))
        >>> half, whole = (row["gap"] for row in found["rows"] if row["series"] == "subsampled-labels")
        >>> whole < 1e-6 * half  # labels from half of R are not those of all of R
        True
    """
    source = data if isinstance(data, Source) else Source(data, **options)
    plan = planned(
        source, over, values, seeds, methods, test=test, delta=delta, budget=budget, progress=progress
    )
    return plan.measured(workers or Workers(), folder, progress)


@final
@dataclass(frozen=True)
class _Planned:
    """A sweep before it is measured: what was understood of its data is known, and can be told.

    Args:
        head: the result without its rows.
        points: what is to be measured.
    """

    head: Mapping[str, Any]
    points: Sequence[GridPoint]

    def measured(
        self, workers: Workers, folder: Path | None, progress: Callable[[str], None] | None
    ) -> dict[str, Any]:
        """Measure all points."""
        name = f"sweep over {self.head['axis']}"
        with tempfile.TemporaryDirectory() as passing:
            done = measure_all(
                name,
                measure,
                self.points,
                folder or Path(passing),
                package_hash,
                workers,
                progress=progress,
            )
        rows = [row for point in done for row in point["rows"]]
        failed = [row["failed"] for row in rows if "failed" in row]
        if failed and all("failed" in row or row["series"] in (RETRAINED, UNTOUCHED) for row in rows):
            grid = self.head["settings"]["values"]
            raise expected(
                "a value that a method accepts", "values", grid, failed[0], "other values or methods"
            )
        return sealed({**self.head, "rows": rows})


def planned(
    source: Source,
    over: str,
    values: Sequence[float] | None,
    seeds: int,
    methods: Sequence[str],
    *,
    test: float | None,
    delta: float,
    budget: float,
    progress: Callable[[str], None] | None,
) -> _Planned:
    """Read the data of a sweep and say what will be measured; the arguments are those of `sweep`.

    Raises:
        BadInputError: as `sweep`, before anything is measured.
    """
    if over not in AXES:
        raise expected("an axis", "over", over, "unknown", nearest(over, AXES))
    axis = AXES[over]
    refuse_idle("delta", delta, 1e-5, "over", over, ["epsilon"])
    if over == "epsilon":
        check_delta(delta)
    names = tuple(dict.fromkeys(methods or axis.methods))
    _check_applies(over, axis, source, names, seeds)
    tell = progress or (lambda line: None)
    base = prepare(source, tell, test=test)
    if over == "n-features" and base.dataset.is_features:
        hint = "data with X in it, or --over subset"
        raise expected("inputs to make features of", "over", over, "the data bring their features", hint)
    grid = [
        _value(over, axis, v) for v in (axis.values(base.problem.n_samples) if values is None else values)
    ]
    if not grid or len(set(grid)) < len(grid):
        raise expected("different values", "values", values, "empty or repeated", "leaving it out")
    common = {"axis": over, "methods": list(names), "test": test, "delta": delta, "budget": budget}
    # With the content of the data and of what maps are fitted on, so that a changed file is measured again.
    common_input = {**common, "input": [base.dataset.sha256, base.problem.sha256]}
    drawn = range(source.seed, source.seed + seeds)
    points = [
        {**common_input, "value": value, "seed": seed, "source": asdict(replace(source, seed=seed))}
        for seed in drawn
        for value in grid
    ]
    # What is told of map, forget set and samples is true of the first point: the source's own value may be none.
    first = prepare(_at(source, over, grid[0]), tell, test=test) if over in _OF_PROBLEM else base
    head = {
        "kind": "sweep",
        "axis": over,
        "title": f"{base.dataset.name}: n = {base.problem.n_samples}",
        "input": {
            "data_sha256": base.dataset.sha256,
            "understood": [asdict(row) for row in _understood(over, first.problem, grid, drawn, delta)],
            # How well features approximate their kernel is a matter of their number.
            "notes": [] if over == "n-features" else list(first.notes),
        },
        "settings": {**common, "values": grid, "seeds": seeds, "source": asdict(source)},
    }
    return _Planned(head, points)


_OF_PROBLEM = ("n-features", "forget-fraction")
"""Axes along which the problem itself varies."""


def _at(source: Source, over: str, value: float) -> Source:
    """The source at a value of the axis."""
    if over == "n-features":
        return replace(source, n_features=int(value))
    return replace(source, forget=f"random:{value}") if over == "forget-fraction" else source


def _understood(
    over: str, first: UnlearningProblem, grid: Sequence[float], seeds: Sequence[int], delta: float
) -> list[Understood]:
    """What was understood of the first point, with what varies named as varied."""
    all_values = listed([f"{value:g}" for value in grid])
    told = {row.word: row for row in first.understood}
    if over == "n-features":
        word, words = "map", told["map"].value.replace(f"D = {grid[0]}", f"D = {all_values}")
    elif over == "forget-fraction":
        word, words = "forget", f"random {all_values} of the samples"
    else:
        word, words = over, all_values + (f" at δ = {delta:g}" if over == "epsilon" else "")
    told[word] = Understood(word, words, "varied", "--over")
    of_value = [f"{over} {grid[0]:g}"] if over in _OF_PROBLEM and len(grid) > 1 else []
    if len(seeds) > 1 or of_value:
        first_point = " and ".join([f"seed {seeds[0]}", *of_value])
        words = f"{listed(seeds)}; what is drawn or fitted is told of {first_point}"
        told["seeds"] = Understood("seeds", words, "varied" if len(seeds) > 1 else "given", "--seeds")
    return list(told.values())


def _check_applies(over: str, axis: _Axis, source: Source, names: Sequence[str], seeds: int) -> None:
    """Refuse an axis that varies nothing here, before anything is measured."""
    if isinstance(seeds, bool) or not isinstance(seeds, int) or not 1 <= seeds <= _MOST_SEEDS:
        what = f"a positive number of seeds, at most {_MOST_SEEDS:,},"
        raise expected(what, "seeds", seeds, type(seeds).__name__, "3")
    if source.data == "-":
        raise expected("data that every process can read", "data", "-", "standard input", "a file")
    if source.network is not None:
        raise expected(
            "a feature map", "network", source.network, "a sweep is of linear models", "--features"
        )
    for name in names:
        method = made(name, {})
        if axis.setting and axis.setting not in method.settings("linear"):
            able = [m for m, k in serving("linear").items() if axis.setting in k.settings("linear")]
            what = f"methods that have a {axis.setting}: {', '.join(able)}"
            raise expected(what, "method", name, f"axis {over} does not apply", able[0])
    if over == "n-features" and source.features == "identity":
        hint = "--features gaussian, or --over subset"
        raise expected("a random feature map", "features", "identity", f"axis {over} does not apply", hint)
    if over == "forget-fraction" and source.forget is not None:
        hint = "leaving out one of the two"
        raise expected("no --forget beside this axis", "forget", source.forget, f"axis {over} sets it", hint)


def _value(over: str, axis: _Axis, value: float) -> float:
    """One value of an axis, a whole number for numbers of features."""
    if isinstance(value, bool) or not isinstance(value, int | float) or not axis.allows(value):
        hint = "such numbers, or leaving --values out"
        if over == "n-features" and isinstance(value, int | float) and 1 < value < math.inf:
            hint = f"{2 * round(value / 2)}, or leaving --values out"
        raise expected(axis.what, "values", value, f"axis {over}", hint)
    return int(value) if over == "n-features" else float(value)


@lru_cache(maxsize=1)
def _prepared(source: Source, test: float | None) -> Prepared:
    """The data of a point; points of one seed share it, with its Gram matrix, where the axis varies only the method."""
    prepared = prepare(source, test=test)
    return replace(prepared, problem=started(prepared.problem))


def measure(point: GridPoint) -> dict[str, Any]:
    """Unlearn by each method at one value and seed."""
    over, value, seed = point["axis"], point["value"], point["seed"]
    source = _at(Source(**point["source"]), over, value)
    beside: dict[str, dict[str, Any]] = {}
    own: dict[str, dict[str, Any]] = {}
    for name in point["methods"]:
        try:
            found = _of_method(_prepared(source, point["test"]), name, point)
            own[name] = found.pop(name)
            beside = found
        except MusoError as error:
            own[name] = {"failed": str(error)}
    rows = {name: row for name, row in beside.items() if name not in own} | own
    common = {"axis": over, "value": value, "seed": seed}
    return {"rows": [{**common, "series": name, **numbers} for name, numbers in rows.items()]}


def _of_method(prepared: Prepared, name: str, point: GridPoint) -> dict[str, dict[str, Any]]:
    """Numbers of a method with what it promises, and of retraining and of doing nothing beside it."""
    setting = AXES[point["axis"]].setting
    settings = {setting: point["value"]} if setting else {}
    found = unlearn_prepared(prepared, made(name, settings, point["seed"]), budget=point["budget"])
    rows = {
        row["method"]: {k: v for k, v in row.items() if k not in ("method", "seed")} for row in found.rows
    }
    if point["axis"] == "epsilon":
        certificate = removal_certificate(found.report, found.w_unlearned, point["value"], point["delta"])
        published = certificate.release(found.w_unlearned, point["seed"])
        noisy = {
            "noise σ": certificate.sigma,
            "gap, bound": certificate.gap_bound,
            "audit": found.gap.verdict.name,
            **scores(found.problem, published, prepared.held_out),
        }
        rows = {RETRAINED: scores(found.problem, found.w_retrained, prepared.held_out), name: noisy}
    rows[name] |= _promised(found)
    if point["test"] is not None and found.missing:
        rows[name]["no attack"] = found.missing
    return rows


def _promised(found: Unlearned) -> dict[str, str]:
    """The claim by which a method is exact, its verdict on this data, and what fails."""
    slug = found.method.exactness
    if slug not in found.report:
        return {} if found.method.claims_exactness else {"promise": "none", "why": slug}
    row, problem = found.report.theorem(slug), found.problem
    why = "" if row.verdict in (Verdict.PROVED, Verdict.CERTIFIED) else short(row)
    if row.verdict is Verdict.VACUOUS and problem.n_features < problem.n_samples:
        # rank(Φ) ≤ D < n, so that K = ΦΦᵀ is singular: there are labels that no parameters interpolate.
        why += f"; full-rank fails, as D = {problem.n_features} < n = {problem.n_samples}"
    verdict = row.verdict
    if problem.map_may_tell:
        # Exact parameters of such a map make no model that forgot, whatever the method promises.
        free = found.report.theorem("map-free-of-forget")
        verdict, why = (
            worst((verdict, free.verdict)),
            "; ".join(filter(None, (why, f"{free.claim}: {short(free)}"))),
        )
    return {"promise": slug, "verdict": verdict.name, **({"why": why} if why else {})}
