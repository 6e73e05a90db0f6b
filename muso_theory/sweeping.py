"""Sweeps: one thing is varied, over seeds, and methods are held against retraining at every value."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, fields, replace
from functools import lru_cache
from pathlib import Path
from typing import Any, final

from .arguments import checked
from .errors import MusoError, expected, nearest
from .evaluation import removal_certificate
from .inputs import Prepared, Source, prepare
from .linear.baselines import METHODS
from .points import Point, Workers, measure_all, package_hash
from .results import sealed
from .scoring import scores
from .unlearned import NOTHING, RETRAINED
from .unlearning import made, started, unlearn_prepared

__all__ = ["AXES", "Axis", "measure", "sweep"]


@final
@dataclass(frozen=True)
class Axis:
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


_RELABELLED = ("label-free", "random-labels")

AXES = {
    "n-features": Axis(
        "an even number of features",
        lambda v: v >= 2 and v % 2 == 0,
        # From half as many features as samples, across the interpolation threshold, to sixteen times as many.
        lambda n: [2 * max(1, round(n * share / 2)) for share in (0.5, 0.9, 1.1, 2, 4, 8, 16)],
        _RELABELLED,
    ),
    "ridge": Axis(
        "a positive number",
        lambda v: v > 0,
        lambda n: [1e-12, 1e-10, 1e-8, 1e-6, 1e-4, 1e-2, 1.0],
        ("ridge-labels",),
        "ridge",
    ),
    "subset": Axis(
        "a fraction in (0, 1]",
        lambda v: 0 < v <= 1,
        lambda n: [0.05, 0.1, 0.2, 0.4, 0.6, 0.8, 1.0],
        ("subsampled-labels",),
        "subset",
    ),
    "forget-fraction": Axis(
        "a fraction in (0, 1)", lambda v: 0 < v < 1, lambda n: [0.02, 0.05, 0.1, 0.2, 0.4, 0.6], _RELABELLED
    ),
    "epsilon": Axis(
        "a positive number", lambda v: v > 0, lambda n: [0.1, 0.3, 1.0, 3.0, 10.0], ("label-free", NOTHING)
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
    budget: float = 30.0,
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
        methods: names of ``mt.linear.baselines.METHODS``; none takes those that suit the axis.
        test: share of the samples not to be forgotten that is held out, for test accuracy and attack.
        delta: δ of axis epsilon.
        budget: seconds that a check may be estimated to take, see ``mt.check``.
        workers: how many processes, or a Dask cluster; None is two processes.
        folder: keeps finished points, so that an interrupted sweep goes on there; None keeps nothing.
        progress: called with a line of words while the data are read, and after each point; None tells the latter on
            stderr.
        options: of the command line, such as ``features="laplacian"`` or ``forget="class:1"``.

    Returns:
        A result of kind ``sweep``, as ``muso figure`` draws it: rows with ``value``, ``seed``, ``series`` (the method)
        and numbers, or ``failed`` where a method refuses a value.

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
    if over not in AXES:
        raise expected("an axis", "over", over, "unknown", nearest(over, AXES))
    axis = AXES[over]
    names = tuple(dict.fromkeys(methods or axis.methods))
    _check_applies(over, axis, source, names, seeds)
    base = prepare(source, progress or (lambda line: None), test=test)
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
    points = [
        {**common_input, "value": value, "seed": seed, "source": asdict(replace(source, seed=seed))}
        for seed in range(source.seed, source.seed + seeds)
        for value in grid
    ]
    workers = workers or Workers()
    with tempfile.TemporaryDirectory() as passing:
        done = measure_all(
            f"sweep over {over}",
            measure,
            points,
            folder or Path(passing),
            package_hash(),
            workers,
            progress=progress,
        )
    rows = [row for point in done for row in point["rows"]]
    failed = [row["failed"] for row in rows if "failed" in row]
    if failed and not any("gap" in row or "noise σ" in row for row in rows):
        raise expected("a value that a method accepts", "values", grid, failed[0], "other values or methods")
    return sealed(
        {
            "kind": "sweep",
            "axis": over,
            "title": f"{base.dataset.name}: n = {base.problem.n_samples}",
            "input": {
                "data_sha256": base.dataset.sha256,
                "understood": [asdict(row) for row in base.problem.understood],
                "notes": list(base.notes),
            },
            "settings": {**common, "values": grid, "seeds": seeds, "source": asdict(source)},
            "rows": rows,
        }
    )


def _check_applies(over: str, axis: Axis, source: Source, names: Sequence[str], seeds: int) -> None:
    """Refuse an axis that varies nothing here, before anything is measured."""
    if isinstance(seeds, bool) or not isinstance(seeds, int) or seeds < 1:
        raise expected("a positive number of seeds", "seeds", seeds, type(seeds).__name__, "3")
    if source.data == "-":
        raise expected("data that every process can read", "data", "-", "standard input", "a file")
    if source.network is not None:
        raise expected(
            "a feature map", "network", source.network, "a sweep is of linear models", "--features"
        )
    for name in names:
        kind = type(made(name, {}))
        if axis.setting and axis.setting not in {f.name for f in fields(kind)}:  # type: ignore[arg-type]
            able = [m for m, k in METHODS.items() if axis.setting in {f.name for f in fields(k)}]  # type: ignore[arg-type]
            what = f"methods that have a {axis.setting}: {', '.join(able)}"
            raise expected(what, "method", name, f"axis {over} does not apply", able[0])
    if over == "n-features" and source.features == "identity":
        hint = "--features gaussian, or --over subset"
        raise expected("a random feature map", "features", "identity", f"axis {over} does not apply", hint)
    if over == "forget-fraction" and source.forget is not None:
        hint = "leaving out one of the two"
        raise expected("no --forget beside this axis", "forget", source.forget, f"axis {over} sets it", hint)


def _value(over: str, axis: Axis, value: float) -> float:
    """One value of an axis, a whole number for numbers of features."""
    if isinstance(value, bool) or not isinstance(value, int | float) or not axis.allows(value):
        raise expected(axis.what, "values", value, f"axis {over}", "leaving --values out")
    return int(value) if over == "n-features" else float(value)


@lru_cache(maxsize=1)
def _prepared(source: Source, test: float | None) -> Prepared:
    """The data of a point; points of one seed share it, with its Gram matrix, where the axis varies only the method."""
    prepared = prepare(source, test=test)
    return replace(prepared, problem=started(prepared.problem))


def measure(point: Point) -> dict[str, Any]:
    """Unlearn by each method at one value and seed.

    Args:
        point: as `sweep` makes it.

    Returns:
        ``rows``, one a method and one of retraining.
    """
    over, value, seed = point["axis"], point["value"], point["seed"]
    source = Source(**point["source"])
    if over == "n-features":
        source = replace(source, n_features=value)
    if over == "forget-fraction":
        source = replace(source, forget=f"random:{value}")
    rows: dict[str, dict[str, Any]] = {}
    for name in point["methods"]:
        try:
            prepared = _prepared(source, point["test"])
            rows |= _of_method(prepared, name, point)
        except MusoError as error:
            rows[name] = {"failed": str(error)}
    common = {"axis": over, "value": value, "seed": seed}
    return {"rows": [{**common, "series": name, **numbers} for name, numbers in rows.items()]}


def _of_method(prepared: Prepared, name: str, point: Point) -> dict[str, dict[str, Any]]:
    """Numbers of a method, and of retraining beside it."""
    setting = AXES[point["axis"]].setting
    settings = {setting: point["value"]} if setting else {}
    found = unlearn_prepared(prepared, made(name, settings, point["seed"]), budget=point["budget"])
    left_out = ("method", "seed", "gap share")
    taken = {row["method"]: {k: v for k, v in row.items() if k not in left_out} for row in found.rows}
    rows = {name: taken[name], RETRAINED: taken[RETRAINED]}
    if point["axis"] == "epsilon":
        certificate = removal_certificate(found.report, found.w_unlearned, point["value"], point["delta"])
        published = certificate.release(found.w_unlearned, point["seed"])
        rows[RETRAINED] = scores(found.problem, found.w_retrained, prepared.held_out)
        rows[name] = {
            "noise σ": certificate.sigma,
            "gap, bound": certificate.gap_bound,
            **scores(found.problem, published, prepared.held_out),
        }
    return rows
