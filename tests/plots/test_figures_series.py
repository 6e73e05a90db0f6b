"""Every series of every figure against the result file, selected here by other code; and every number in words.

`EXPECTED` says for each figure which numbers of the results stand in which panel under which name. That a comparison
can fail is seen on the same figures with one thing spoilt: names exchanged, values shifted, panels swapped.
"""

from __future__ import annotations

import copy
import math
from collections.abc import Callable
from functools import lru_cache
from typing import Any

import numpy as np
import pytest
from matplotlib.ticker import FixedLocator

import muso_theory.plots as plots
from figures.results import MissingResultError, find
from figures.results import load as load_result
from muso_theory.plots.captions import fill
from muso_theory.plots.gallery import NAMES, script
from muso_theory.plots.marks import BEHIND
from tests.plots.drawn import Points, Shown, held, numbers, shown, spoilt
from tests.plots.test_figures import RESULTS, changed, convergence, leaves

Results = dict[str, Any]


def load(name: str) -> Results:
    try:
        return {need: _loaded(need) for need in script(name).NEEDS}
    except MissingResultError as error:
        pytest.skip(str(error))


@lru_cache
def _loaded(need: str) -> Any:
    find(RESULTS, need)
    return load_result(RESULTS, need).content


def points(x: list[Any], y: list[Any]) -> Points:
    return [(a, b) for a, b in zip(x, y, strict=True)]


# -- what each figure must show -----------------------------------------------------------------------------


def gap_by_epoch(results: Results) -> Shown:
    random = [
        p
        for p in results["paper-convergence"]["points"]
        if (p["forgetting"], p["order"], p["seed"], p["scale"]) == ("random", "random", 0, "unit")
    ]
    conditions = [p["condition number of K"] for p in random]
    found: Shown = {}
    for p in random:
        if p["condition number of K"] not in (min(conditions), max(conditions)):
            continue
        title = f"{p['data']}, κ(K) = {p['condition number of K']:.2g}"
        for row in p["rows"]:
            name = row["labels"].replace("w_r", "$w_r$")
            found.setdefault((title, f"_theory of {row['labels']}"), []).append(
                (row["epochs"], row["predicted"])
            )
            if "measured" in row:
                found.setdefault((title, name), []).append((row["epochs"], row["measured"]))
    return found


def predicted_measured(results: Results) -> Shown:
    kept = {
        "paper-linear": [
            (row[f"{gap}, predicted"], row[gap])
            for row in results["paper-linear"]["rows"]
            for gap in ("gap", "gap to limit")
            if (row.get(f"{gap}, predicted") or 0) > 0 and (row.get(gap) or 0) > 0
        ],
        "ablation": [
            (row["predicted"], row["measured"])
            for row in results["ablation"]["rows"]
            if row["quantity"].startswith("gap")
            and (row.get("predicted") or 0) > 0
            and (row["measured"] or 0) > 0
        ],
    }
    return {("gap, measured / gap, predicted", name): pairs for name, pairs in kept.items()}


def exactness(results: Results) -> Shown:
    found: Shown = {}
    for row in results["anatomy"]["phases"]:
        title = f"rank lost {row['rank lost']}"
        at = (f"{row['D'] / row['n']:.3g}", f"{row['rank'] / row['n']:.3g}")
        found.setdefault((title, "cells"), []).append((*at, row["relative gap"]["label-free"]))
        for claim in row["proved"]:
            if row["proved"][claim]:
                found.setdefault((title, f"{claim} proved"), []).append(at)
    return found


def precision_ladder(results: Results) -> Shown:
    words = {
        "float32": "float32, error",
        "float64": "float64, error",
        "verified float64": "verified float64, bound",
        "MP 50 digits": "50 digits, error",
        "exact": "exact rationals, error",
    }
    found: Shown = {}
    for p in results["precision"]["points"]:
        for rung, label in words.items():
            error = p["rungs"].get(rung, {}).get("relative error")
            if error is not None and not isinstance(error, str):
                place = found.setdefault(("relative error / condition number κ", label), [])
                place.append((p["condition"], float(error)))
    return found


def downsampling(results: Results) -> Shown:
    rows = [r for r in results["ablation"]["rows"] if r["axis"] == "downsampling"]
    data = next(r["data"] for r in rows)
    found: Shown = {}
    for row in rows:
        if row["data"] == data and row["quantity"] == "label error" and row["ratio"] < 1:
            x = row["ratio"] * {"uniform": 1.06, "leverage": 0.94}[row["sampling"]]
            found.setdefault(("error of labels / ", row["sampling"]), []).append((x, row["measured"]))
            times = found.setdefault(("milliseconds / share of the retain set", row["sampling"]), [])
            times.append((x, 1000 * row["seconds"]))
    return {
        key: [(x, min(y for other, y in places if other == x)) for x in dict.fromkeys(x for x, _ in places)]
        if key[0].startswith("milliseconds")
        else places
        for key, places in found.items()
    }


def limits(results: Results) -> Shown:
    found: Shown = {}
    for row in results["ablation"]["features"]:
        place = found.setdefault(("distance of labels / random features D", row["data"]), [])
        place.append((float(row["setting"]), row["measured"]["mean"]))
    for fit in results["ntk-limit"]["slopes"]:
        label = f"{fit['activation']}, depth {fit['depth']}"
        found["distance of kernels / width", label] = points(fit["widths"], fit["values"])
    return found


def lazy_width(results: Results) -> Shown:
    found: Shown = {}
    for fit in results["lazy"]["slopes"]:
        if fit["quantity"] == "parameter_gap_linearised" and len(fit.get("widths") or []) > 1:
            label = f"{fit['activation']}, depth {fit['depth']}, rate {fit['rate']:g}"
            found["gap / gap of doing nothing / width", label] = points(fit["widths"], fit["values"])
    return found


def _class_of_mlp(rows: list[Any]) -> list[Any]:
    keys = ("network", "loss", "forgetting")
    return [r for r in rows if [r.get(k) for k in keys] == ["digits-mlp", "cross-entropy", "class"]]


def accuracies(results: Results) -> Shown:
    found: Shown = {}
    for row in _class_of_mlp(results["alternating"]["rows"]):
        for kind in ("retain", "forget", "test"):
            score = row.get(f"{kind} accuracy")
            if score is not None:
                found.setdefault((" / accuracy", kind), []).append((row["method"], score["mean"]))
                found.setdefault((" / accuracy", f"{kind} ±"), []).append((row["method"], score["sd"] or 0.0))
    for run in _class_of_mlp(results["alternating"]["runs"]):
        if "AUC" in run:
            found.setdefault((" / attack AUC", "_AUC"), []).append((run["AUC"], run["method"]))
            for end in run["AUC interval"]:
                found.setdefault((" / attack AUC", "_interval"), []).append((end, run["method"]))
    return found


def trade_off(results: Results) -> Shown:
    found: Shown = {}
    for row in _class_of_mlp(results["alternating"]["rows"]):
        if "forget accuracy" in row:
            for key, panel in (
                ("retain accuracy", " / accuracy on R"),
                ("forget accuracy", " / accuracy on F"),
                ("forget output gap", " / distance on F"),
            ):
                mean, sd = row[key]["mean"], row[key]["sd"]
                if key == "forget output gap" and mean == 0:
                    continue
                low = max(mean - sd, mean / 10) if key == "forget output gap" else mean - sd
                found.setdefault((panel, "_mean"), []).append((mean, row["method"]))
                bar = [(low, row["method"]), (mean + sd, row["method"])]
                found.setdefault((panel, "_sd"), []).extend(bar)
    return found


def guarantees(results: Results) -> Shown:
    found: Shown = {}
    for row in results["guarantees"]["over epsilon"]:
        if row["data"] == "digits:odd-even" and row["noise"]["mean"] > 0:
            place = found.setdefault((f"{row['loss']} loss", row["method"]), [])
            place.append((row["epsilon"], row["noise"]["mean"]))
    return found


def spectrum(results: Results) -> Shown:
    values = [v for v in results["anatomy"]["linear"]["eigenvalues"] if v > 0]
    ranked = [(i + 1, v) for i, v in enumerate(sorted(values, reverse=True))]
    return {("λ of K / eigenvalue, in falling order", "eigenvalues, measured"): ranked}


def labels(results: Results) -> Shown:
    return {
        ("label / forget sample", rule): list(enumerate(values))
        for rule, values in results["anatomy"]["linear"]["labels"].items()
    }


def layers(results: Results) -> Shown:
    found: Shown = {}
    for net in results["anatomy"]["networks"]:
        shares = zip(net["layers"], net["shares of the trace"], strict=True)
        found["share of the trace / ", net["network"]] = [
            (layer.split(" ", 1)[1], share) for layer, share in shares
        ]
    return found


def identities(results: Results) -> Shown:
    where = " / difference of both sides, as a share"
    held: dict[tuple[str, str], float] = {}
    found: Shown = {}
    for row in results["identities"]["rows"]:
        if row["verdict"] != "VACUOUS" and row["share"]:
            key = ("measured" if row["verdict"] == "MEASURED" else "proved to be at most"), row["claim"]
            held[key] = max(held.get(key, 0.0), row["share"])
        for key, name in (
            ("share without", "without its hypothesis"),
            ("of bound", "of what a bound allows"),
        ):
            if row.get(key):
                found.setdefault((where, name), []).append((row[key], row["claim"]))
    for (name, claim), share in held.items():
        found.setdefault((where, name), []).append((share, claim))
    return found


def rounding(results: Results) -> Shown:
    places = {
        "distance": "distance of Π / ",
        "flipped": "labels flipped / ridge ε",
        "forget accuracy": "forget accuracy / ridge ε",
    }
    found: Shown = {}
    for row in results["network-paper"]["rounding"]:
        if row["network"] != "digits-mlp" or row["forgetting"] != "class":
            continue
        for key, where in places.items():
            if (key != "forget accuracy" and row["precision"] == "50 digits") or key not in row:
                continue
            name = f"{row['revision']}, {row['precision']}"
            found.setdefault((where, name), []).append((row["ridge"], row[key]["mean"]))
    return found


def theorem_graph(results: Results) -> Shown:
    """Statuses by row; lines are compared by their ends, as pairs of names, in `test_lines_of_the_graph`."""
    found: Shown = {}
    content = results["theorems"]
    uses = {node["name"]: node["uses"] for node in content["nodes"]}

    def depth(name: str) -> int:
        return max((1 + depth(other) for other in uses.get(name, ())), default=0)

    for node in [*content["nodes"], *content["without a proof"]]:
        status = node["status"].split(":")[0]
        found.setdefault((" / used →  used by", status), []).append((depth(node["name"]), node["name"]))
    return found


EXPECTED: dict[str, Callable[[Results], Shown]] = {
    function.__name__: function
    for function in (
        gap_by_epoch, predicted_measured, exactness, precision_ladder, downsampling, limits, lazy_width, accuracies,
        trade_off, guarantees, spectrum, labels, layers, identities, rounding,
        theorem_graph,
    )
}  # fmt: skip


def same(found: Shown, wanted: Shown) -> bool:
    """Same panels, series and values to nine digits (the reach of a bar is a difference of two), in any order."""

    def rounded(point: Any) -> tuple[str, ...]:
        # By ever more digits: coordinates that are equal but for their last ones must not decide the order.
        return tuple(
            str(v if isinstance(v, str) else f"{float(v) or 0.0:.{digits}e}")
            for digits in (5, 7, 9, 11)
            for v in point
        )

    def close(a: Any, b: Any) -> bool:
        return a == b if isinstance(a, str) or isinstance(b, str) else math.isclose(a, b, rel_tol=1e-9)

    f, w = ({k: sorted(v, key=rounded) for k, v in content.items() if v} for content in (found, wanted))
    return f.keys() == w.keys() and all(
        len(f[k]) == len(w[k])
        and all(len(p) == len(q) and all(map(close, p, q)) for p, q in zip(f[k], w[k], strict=True))
        for k in f
    )


def read(name: str, figure: Any) -> Shown:
    """What a figure shows, lines of the graph left out."""
    return {key: place for key, place in shown(figure).items() if key[1] != "_uses"}


@pytest.mark.parametrize("name", NAMES)
def test_every_series_is_where_the_results_say_and_a_spoilt_one_is_seen(name: str) -> None:
    results = load(name)
    wanted = EXPECTED[name](results)
    assert wanted
    with plots.styled():
        figure = script(name).draw(results)
    assert same(read(name, figure), wanted)
    unseen = [what for what in spoilt(figure) if same(read(name, figure), wanted)]
    assert not [what for what in unseen if "_uses" not in what]
    assert same(read(name, figure), wanted)  # nothing stayed spoilt
    other = changed(copy.deepcopy(results))
    with plots.styled():
        figure = script(name).draw(other)
    assert same(read(name, figure), EXPECTED[name](other))
    assert name == "theorem_graph" or not same(read(name, figure), wanted)  # the graph shows no number


def test_every_figure_can_be_spoilt() -> None:
    for name in NAMES:
        try:
            results = {need: _loaded(need) for need in script(name).NEEDS}
        except MissingResultError:
            continue
        with plots.styled():
            assert list(spoilt(script(name).draw(results))), name


def test_each_curve_of_small_results_is_its_own_series() -> None:
    results = {"paper-convergence": convergence()}
    with plots.styled():
        figure = script("gap_by_epoch").draw(results)
    assert same(shown(figure), gap_by_epoch(results))


def ends_of_lines(figure: Any) -> set[tuple[str, str]]:
    """Pairs of what uses and what is used, as the graph draws them."""
    axes = figure.axes[0]
    rows = [label.get_text() for label in axes.get_yticklabels()]
    lines = [line.get_xydata() for line in axes.lines if line.get_label() == "_uses"]
    return {(rows[round(line[-1][1])], rows[round(line[0][1])]) for line in lines}


def reachable(pairs: set[tuple[str, str]]) -> set[tuple[str, str]]:
    closed = set(pairs)
    while more := {(a, d) for a, b in closed for c, d in closed if b == c} - closed:
        closed |= more
    return closed


def test_lines_of_the_graph() -> None:
    results = load("theorem_graph")
    uses = {(node["name"], other) for node in results["theorems"]["nodes"] for other in node["uses"]}
    with plots.styled():
        figure = script("theorem_graph").draw(results)
    drawn = ends_of_lines(figure)
    assert drawn <= uses
    assert reachable(drawn) == reachable(uses)
    lines = [line for line in figure.axes[0].lines if line.get_label() == "_uses"]
    for line in lines:  # right, down in a lane between two columns of marks, and right again
        x, y = line.get_data()
        assert x[0] < x[1] == x[2] < x[0] + 1 <= x[3]
        assert (y[0], y[2]) == (y[1], y[3])
    # What is used by several keeps its lane, and no two that are used from one column share one.
    lanes = {(line.get_xdata()[1], line.get_ydata()[0]) for line in lines}
    assert len({x for x, _ in lanes}) == len(lanes) == len({node for _, node in lanes})
    first = lines[0]
    first.set_ydata(first.get_ydata()[::-1])
    assert not ends_of_lines(figure) <= uses
    first.remove()
    assert reachable(ends_of_lines(figure)) != reachable(uses)


@pytest.mark.parametrize("name", NAMES)
def test_no_figure_needs_its_colours_and_a_name_has_one_look(name: str) -> None:
    with plots.styled():
        figure = script(name).draw(load(name))
    looks: dict[str, set[Any]] = {}
    for axes in figure.axes:
        for line in axes.lines:
            if not line.get_label().startswith("_"):
                look = (line.get_marker(), line.get_fillstyle(), line.get_linestyle())
                looks.setdefault(line.get_label(), set()).add((look, line.get_color()))
        for box in [box for box in axes.containers if hasattr(box, "patches")]:
            look = box.patches[0].get_hatch()
            looks.setdefault(box.get_label(), set()).add((look, box.patches[0].get_facecolor()))
    assert all(len(found) == 1 for found in looks.values()), looks
    without_colour = [look for found in looks.values() for look, _ in found]
    assert len(set(without_colour)) == len(looks), looks


def crowded(figure: Any) -> list[str]:
    """Marks beyond the limits of their panel, and names along an axis that stand closer than their letters are high."""
    found = []
    for axes in figure.axes:
        for line in axes.lines:
            if line.get_zorder() > BEHIND and line.get_transform() == axes.transData:
                for limits, values in (
                    (axes.get_xlim(), line.get_xdata()),
                    (axes.get_ylim(), line.get_ydata()),
                ):
                    places = np.asarray(values, dtype=float)
                    places = places[np.isfinite(places)]
                    if len(places) and not min(limits) <= places.min() <= places.max() <= max(limits):
                        found.append(f"{line.get_label()} beyond {limits}")
        names = [text for text in axes.get_yticklabels() if text.get_text()]
        places = sorted(axes.transData.transform((0, text.get_position()[1]))[1] for text in names)
        size = max((text.get_fontsize() for text in names), default=0.0)
        if isinstance(axes.yaxis.get_major_locator(), FixedLocator) and axes.get_yscale() == "linear":
            apart = np.diff(places) * 72 / figure.dpi
            if len(apart) and apart.min() < 0.8 * size:
                found.append(f"names {apart.min():.3g} apart, {size:.3g} high")
    return found


def test_a_mark_that_is_cut_off_and_names_that_meet_are_seen() -> None:
    with plots.styled():
        figure = script("theorem_graph").draw(load("theorem_graph"))
        assert not crowded(figure)
        low, high = figure.axes[0].get_ylim()
        figure.axes[0].set_ylim(low - 3, high)
        assert any("beyond" in words for words in crowded(figure))
        figure.axes[0].set_ylim(low, high)
        figure.set_size_inches(4, 2)
        figure.draw_without_rendering()
        assert any("apart" in words for words in crowded(figure))


@pytest.mark.parametrize("name", NAMES)
def test_marks_are_within_their_panels_and_names_have_room(name: str) -> None:
    with plots.styled():
        figure = script(name).draw(load(name))
        figure.draw_without_rendering()
    assert not crowded(figure)


# -- numbers in words ---------------------------------------------------------------------------------------


def texts(content: Any) -> set[str]:
    """All words of a result."""
    if isinstance(content, dict):
        return set().union(*(texts(v) for v in content.values())) if content else set()
    if isinstance(content, list):
        return set().union(*(texts(v) for v in content)) if content else set()
    return {content} if isinstance(content, str) else set()


def strange(text: str, results: Results) -> list[str]:
    """Numbers that no result holds."""
    leaf, words = leaves(results) | lengths(results), texts(results)
    return [number for number in numbers(text) if not held(number, leaf, words)]


def lengths(content: Any) -> set[float]:
    """How many entries each list has, which a caption may count."""
    below = content.values() if isinstance(content, dict) else content if isinstance(content, list) else ()
    own = {float(len(content))} if isinstance(content, list) else set()
    return own.union(*(lengths(item) for item in below))


@pytest.mark.slow
@pytest.mark.parametrize("name", NAMES)
def test_words_name_no_number_that_no_result_holds(name: str) -> None:
    results = load(name)
    caption = fill(script(name).CAPTION, results)
    assert not strange(caption, results)
    with plots.styled():
        figure = script(name).draw(results)
    words = [t.get_text() for axes in figure.axes for t in (axes.title, *axes.texts)]
    assert not [number for text in words for number in strange(text, results)]


@pytest.mark.parametrize("number", ["0.1234567", "123,457", "7.7e-77", "-8.25"])
def test_a_strange_number_is_seen(number: str) -> None:
    results = load("gap_by_epoch")
    caption = fill(script("gap_by_epoch").CAPTION, results)
    assert strange(f"{caption} The error is {number}.", results) == [number]


def test_a_number_is_held_to_its_digits() -> None:
    assert held("0.33", {1 / 3}, set())
    assert not held("0.34", {1 / 3}, set())
    assert held("1e-07", {9.8e-8}, set())
    assert not held("2e-07", {9.8e-8}, set())
    assert held("95", {0.0}, {"intervals at 95 %"})
    assert not math.isclose(1 / 3, 0.34)
