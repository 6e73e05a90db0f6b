"""Conclusions: made of rows alone, judged by tests that a twin agrees with, and never more than the samples carry."""

from __future__ import annotations

import json
import math
import shutil
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scipy import stats

from muso_theory.claims import CATALOGUE
from muso_theory.files.results import laid_out, result_hash
from tests import ROOT
from verification import __main__ as runner
from verification import folding, tables
from verification.campaign import Options, concluded, read_result, result_file
from verification.concluding import MOST, conclude, concluding
from verification.concluding.families import ranked
from verification.concluding.judges import (
    VERDICTS,
    compare,
    finished,
    fit,
    fit_by_seed,
    holm,
    intervals,
    largest,
    none,
    ratio,
    share,
    told,
)
from verification.concluding.rows import FoundRows, Tally, count, select

RESULTS = sorted((ROOT / "verification" / "results").glob("*.json"))
SUBJECTS = {
    "check",
    "costs",
    "files",
    "layers",
    "performance",
    "precision",
    "prove",
    "reading",
    "refute",
    "tests",
}

each_result = pytest.mark.parametrize("path", RESULTS, ids=lambda path: path.stem)


# -- committed results ---------------------------------------------------------------------------------------


def alike(one: Any, other: Any) -> bool:
    """Equal but for last digits, which move with the versions of NumPy and SciPy."""
    if isinstance(one, dict) and isinstance(other, dict):
        return one.keys() == other.keys() and all(alike(one[key], other[key]) for key in one)
    if isinstance(one, list) and isinstance(other, list):
        return len(one) == len(other) and all(map(alike, one, other))
    if isinstance(one, float) and isinstance(other, float):
        return one == other or math.isclose(one, other, rel_tol=1e-6, abs_tol=1e-12)
    return bool(one == other)


@each_result
def test_a_committed_result_concludes_what_its_rows_say(path: Path) -> None:
    result = read_result(path)
    again = concluded(result)
    assert alike(again.pop("conclusions"), result["conclusions"])
    own = ("conclusions", "sha256")
    assert {key: again[key] for key in again if key not in own} == {
        key: result[key] for key in result if key not in own
    }


@each_result
def test_a_result_has_at_most_ten_sentences_each_with_its_evidence(path: Path) -> None:
    result = read_result(path)
    assert 1 <= len(result["conclusions"]) <= MOST
    for conclusion in result["conclusions"]:
        assert conclusion["verdict"] in VERDICTS
        assert conclusion["claim"] in {*CATALOGUE, *SUBJECTS}
        sentence = conclusion["sentence"]
        assert sentence[0] == sentence[0].upper()
        assert sentence.endswith(".")
        assert not set("{}|*") & set(sentence)
        assert "nan" not in sentence
        assert {"of", "where", "n"} == set(conclusion["rows"])
        of = conclusion["rows"]["of"]
        if isinstance(result.get(of.partition("/")[0]), list):
            assert conclusion["rows"]["n"] <= len(select(result, of, conclusion["rows"]["where"]).found)


def test_every_campaign_concludes() -> None:
    labels = {campaign.label for name in runner.names() for campaign in runner.campaigns(name, None, False)}
    assert set(concluding()) == labels


@each_result
def test_one_seed_never_fails(path: Path) -> None:
    result = read_result(path)
    first = {
        name: [row for row in rows if row.get("seed", 0) == 0]
        for name, rows in result.items()
        if isinstance(rows, list) and name != "conclusions" and all(isinstance(row, dict) for row in rows)
    }
    fails = {conclusion["claim"] for conclusion in result["conclusions"] if conclusion["verdict"] == "fails"}
    for conclusion in conclude({**result, **first, "quick": True}):
        assert conclusion["verdict"] != "fails" or conclusion["claim"] in fails  # with all seeds, too
        if "p" in conclusion:
            assert conclusion["number"]["n"] >= 3


def test_the_folder_of_results_stays_small() -> None:
    kept = [*RESULTS, *(path.with_suffix(".md") for path in RESULTS)]
    assert sum(path.stat().st_size for path in kept) <= 3 * 2**20


# -- judges, each against a twin -----------------------------------------------------------------------------


def rows_of(found: list[dict[str, Any]]) -> FoundRows:
    return select({"rows": found}, "rows")


def only(draft: dict[str, Any]) -> dict[str, Any]:
    [conclusion] = finished([draft])
    return conclusion


def test_nothing_seen_in_n_draws_obeys_the_rule_of_three() -> None:
    seen = only(
        none(
            "check", "{k} of {n} fail", Tally(0, 1000, {"of": "x", "where": {}, "n": 1000}), drawn="of these"
        )
    )
    assert seen["verdict"] == "holds"
    assert (1 - seen["number"]["high"]) ** 1000 == pytest.approx(0.05)
    assert 2.9 / 1000 < seen["number"]["high"] < 3 / 1000
    assert seen["sentence"] == "0 of 1,000 fail; with 95 % confidence fewer than 1 in 334 of these would."
    chosen = only(none("check", "{k} of {n} fail", count(rows_of([{"x": 1}]), lambda row: row["x"] == 2)))
    assert "confidence" not in chosen["sentence"]
    assert only(none("check", "{k} of {n} fail", count(rows_of([{"x": 2}]), bool)))["verdict"] == "fails"
    assert only(none("check", "{k} of {n} fail", count(rows_of([]), bool)))["verdict"] == "too few"


@pytest.mark.parametrize(("k", "n"), [(0, 5), (3, 7), (89, 119), (5, 5)])
def test_a_share_has_the_interval_of_clopper_and_pearson(k: int, n: int) -> None:
    number = share("tests", "{k} of {n}", Tally(k, n, {"of": "x", "where": {}, "n": n}), drawn=True)["number"]
    assert number["low"] == pytest.approx(stats.beta.ppf(0.025, k, n - k + 1) if k else 0.0)
    assert number["high"] == pytest.approx(stats.beta.ppf(0.975, k + 1, n - k) if k < n else 1.0)


@pytest.mark.parametrize(
    ("k", "n", "verdict"), [(50, 50, "holds"), (4, 5, "too few"), (10, 50, "fails"), (0, 0, "too few")]
)
def test_a_promised_share_is_too_few_before_it_fails(k: int, n: int, verdict: str) -> None:
    tally = Tally(k, n, {"of": "x", "where": {}, "n": n})
    assert share("tests", "{k} of {n}", tally, drawn=True, at_least=0.9)["verdict"] == verdict


def paired(differences: list[float], settings: int = 1) -> FoundRows:
    return rows_of(
        [
            {"method": name, "seed": seed, "at": at, "gap": 1.0 + at + (d if name == "a" else 0.0)}
            for seed, d in enumerate(differences)
            for at in range(settings)
            for name in ("a", "b")
        ]
    )


def compared(rows: FoundRows, **more: Any) -> dict[str, Any]:
    return compare("check", "{one} against {other}", rows, "gap", ("a", "b"), setting=("at",), **more)


def test_a_difference_is_the_paired_t_test_of_seeds() -> None:
    differences = [0.1, 0.3, 0.2, 0.25]
    found = only(compared(paired(differences, settings=3)))
    twin = stats.ttest_rel(1 + np.array(differences), np.ones(4))
    interval = twin.confidence_interval(0.95)
    assert found["p"] == pytest.approx(twin.pvalue)
    assert (found["number"]["low"], found["number"]["high"]) == pytest.approx((interval.low, interval.high))
    assert found["number"]["n"] == 4
    assert found["verdict"] == "higher"
    assert ": higher (95 % interval" in found["sentence"]


def test_settings_of_one_seed_are_no_more_samples() -> None:
    one, many = (compared(paired([0.1, 0.3, 0.2], settings=n))["p"] for n in (1, 50))
    assert one == pytest.approx(many)


def test_noise_as_large_as_the_effect_is_called_noise() -> None:
    found = only(compared(paired([0.5, -0.4, 0.1, -0.2])))
    assert found["verdict"] == "not told apart"
    assert (
        ": not told apart (95 % interval of the difference −0.624 to 0.624, 1.25 wide; p = 1"
        in found["sentence"]
    )


@pytest.mark.parametrize("n", [0, 1, 2])
def test_two_seeds_are_too_few_to_compare(n: int) -> None:
    found = only(compared(paired([0.5] * n)))
    assert found["verdict"] == "too few"
    assert found["sentence"].endswith("too few to judge.")
    assert "p" not in found


def test_equal_differences_are_certain_and_none_is_noise() -> None:
    assert only(compared(paired([0.25] * 4)))["verdict"] == "higher"
    assert only(compared(paired([0.0] * 4)))["verdict"] == "not told apart"


def test_ratios_are_compared_by_their_logarithms() -> None:
    scaled = rows_of(
        [
            {"method": name, "seed": seed, "gap": 10.0**seed * (factor if name == "a" else 1.0)}
            for seed, factor in enumerate((0.5, 0.4, 0.6))
            for name in ("a", "b")
        ]
    )
    found = only(compare("check", "{ratio}", scaled, "gap", ("a", "b"), logs=True))
    assert found["number"]["value"] == pytest.approx(math.exp(np.mean(np.log([0.5, 0.4, 0.6]))))
    assert found["verdict"] == "lower"
    assert found["against"] == 1.0


def test_holm_agrees_with_its_definition_and_is_stricter_than_no_correction() -> None:
    rng = np.random.default_rng(3)
    for n in range(1, 7):
        p = list(rng.random(n) ** 2)
        order = sorted(range(n), key=lambda i: p[i])
        twin = {order[j]: min(1.0, max((n - i) * p[order[i]] for i in range(j + 1))) for j in range(n)}
        assert holm(p) == pytest.approx([twin[i] for i in range(n)])
        assert all(after >= before for after, before in zip(holm(p), p, strict=True))
    assert holm([]) == []


def test_a_difference_alone_can_be_noise_among_many() -> None:
    alone, weak = paired([0.2, 0.3, 0.25]), paired([0.5, -0.4, 0.1])
    assert only(compared(alone))["verdict"] == "higher"
    several = finished([compared(alone), *(compared(weak) for _ in range(5))])
    assert several[0]["verdict"] == "not told apart"
    assert "Holm over 6" in several[0]["sentence"]


def many(methods: Mapping[str, list[float]]) -> FoundRows:
    """Methods by what they leave beyond doing nothing, in two settings; ``half`` in the first alone."""
    return rows_of(
        [
            {"method": name, "seed": seed, "at": at, "gap": 1.0 + at + difference}
            for name, differences in {"none": [0.0] * 4, **methods}.items()
            for seed, difference in enumerate(differences)
            for at in (range(1) if name == "half" else range(2))
        ]
    )


def best_of(rows: FoundRows, tell: tuple[str, ...] = ()) -> list[dict[str, Any]]:
    names = {row["method"] for row in rows.found} - {"none"}
    return finished(
        ranked("check", "{who} leaves {one}", rows, "gap", names, "none", tell=tell, setting=("at",))
    )


def test_the_best_of_many_is_named_and_corrected_for_all_that_were_tried() -> None:
    rng = np.random.default_rng(4)
    methods = {f"m{i}": list(0.1 * rng.standard_normal(4)) for i in range(14)}
    rows = many({**methods, "good": [-0.4, -0.5, -0.45, -0.42], "worse": [0.4, 0.5, 0.45, 0.42]})
    first, bad = best_of(rows, tell=("worse",))
    alone = only(compare("check", "", rows, "gap", ("good", "none"), setting=("at",)))
    assert first["sentence"].startswith("The best of 16 methods, good, leaves")
    assert first["sentence"].endswith("Holm over 16); of all 16, 1 lower and 1 higher.")
    assert first["p"] == pytest.approx(15 * alone["p"], rel=0.2)
    assert (first["verdict"], bad["verdict"]) == ("lower", "higher")
    assert "family" not in first


def test_the_luckiest_of_many_is_noise() -> None:
    rng = np.random.default_rng(5)
    others = {f"m{i}": list(0.01 * rng.standard_normal(4)) for i in range(20)}
    rows = many({**others, "lucky": [-0.3, -0.1, -0.25, -0.1]})
    assert only(compare("check", "", rows, "gap", ("lucky", "none"), setting=("at",)))["verdict"] == "lower"
    [found] = best_of(rows)
    assert "methods, lucky, leaves" in found["sentence"]
    assert found["verdict"] == "not told apart"


def test_a_method_that_had_easy_settings_alone_is_not_the_best() -> None:
    [found] = best_of(many({"half": [-0.9] * 4, "whole": [-0.1] * 4}))
    assert "The best of 1 methods that were run everywhere, whole, leaves" in found["sentence"]
    assert "Holm over 2)" in found["sentence"]


def test_problems_of_one_seed_are_no_more_samples_of_an_exponent() -> None:
    def problems(copies: int) -> FoundRows:
        slopes = enumerate((0.9, 1.0, 1.2))
        return rows_of(
            [
                {"seed": s, "x": x, "y": x**slope}
                for s, slope in slopes
                for x in (1.0, 10.0, 100.0)
                for _ in range(copies)
            ]
        )

    one, more = (fit_by_seed("check", "{slope} {n} {seeds}", problems(n), "x", "y") for n in (1, 50))
    interval = stats.ttest_1samp([0.9, 1.0, 1.2], 0.0).confidence_interval(0.95)
    for found in (one, more):
        assert (found["number"]["low"], found["number"]["high"]) == pytest.approx(
            (interval.low, interval.high)
        )
    rows = fit("check", "{slope}", problems(50), "x", "y")["number"]
    assert rows["high"] - rows["low"] < 0.1 * (interval.high - interval.low)
    assert only(fit_by_seed("check", "{slope}", problems(1).but(seed=0), "x", "y"))["verdict"] == "too few"


def test_a_switch_set_to_its_default_is_no_switch() -> None:
    result = read_result(ROOT / "verification" / "results" / "ablation-networks.json")
    found = conclude(result)[0]
    assert found["number"]["n"] == 27
    for row in result["rows"]:
        if (row["axis"], row["value"]) == ("depth", "1"):
            row["test accuracy"] = {**row["test accuracy"], "mean": 0.5}
    assert conclude(result)[0]["number"]["n"] == 28


def test_hypotheses_are_counted_by_theorem() -> None:
    result = read_result(ROOT / "verification" / "results" / "theorems.json")
    for row in result["claims"]:
        assert row["most in one"] <= row["needed"] <= row["theorems"] * row["most in one"]
    most = max(row["most in one"] for row in result["claims"])
    assert conclude(result)[-1]["number"]["value"] == most < max(row["needed"] for row in result["claims"])


def test_an_exponent_is_found_and_held_against_its_range() -> None:
    rng = np.random.default_rng(0)
    points = rows_of(
        [{"x": x, "y": x**-0.5 * math.exp(0.02 * rng.standard_normal())} for x in 2.0 ** np.arange(9)]
    )
    inside = only(fit("ntk-limit", "like x^{slope}", points, "x", "y", between=(-0.6, -0.4)))
    assert inside["number"]["low"] < -0.5 < inside["number"]["high"]
    assert inside["verdict"] == "holds"
    assert only(fit("ntk-limit", "{slope}", points, "x", "y", between=(0.4, 0.6)))["verdict"] == "fails"
    two = points._replace(found=points.found[:2])
    assert only(fit("ntk-limit", "{slope}", two, "x", "y", between=(0.4, 0.6)))["verdict"] == "too few"


def slopes(*ends: tuple[float, float]) -> FoundRows:
    return rows_of([{"slope": (low + high) / 2, "low": low, "high": high} for low, high in ends])


@pytest.mark.parametrize(
    ("rows", "verdict"),
    [
        (slopes((-0.55, -0.45), (-0.5, -0.45)), "holds"),
        (slopes((-0.55, -0.45), (-0.9, -0.1)), "too few"),
        (slopes((-0.55, -0.45), (-0.2, -0.1)), "fails"),
        (rows_of([{"slope": None}]), "too few"),
        (rows_of([]), "too few"),
    ],
)
def test_fitted_exponents_are_too_few_before_they_fail(rows: FoundRows, verdict: str) -> None:
    assert (
        intervals("ntk-limit", "{k} of {n}, {least} to {largest}", rows, (-0.6, -0.4))["verdict"] == verdict
    )


@pytest.mark.parametrize(
    ("values", "verdict"),
    [
        ([0.1, 0.2], "holds"),
        ([0.1, 2.0], "fails"),
        ([0.1, math.nan], "fails"),
        ([], "too few"),
        ([None], "too few"),
    ],
)
def test_a_largest_number_is_held_against_its_promise(values: list[Any], verdict: str) -> None:
    rows = rows_of([{"x": value} for value in values])
    assert largest("check", "{largest}", rows, "x", at_most=1.0)["verdict"] == verdict


def test_a_range_in_words_is_never_narrower_than_the_numbers() -> None:
    values = np.exp(np.random.default_rng(1).uniform(-30, 30, 200))
    for value in values:
        found = largest(
            "check", "{least} {largest}", rows_of([{"x": float(value)}, {"x": float(value)}]), "x"
        )
        least, most = (float(word.replace(",", "")) for word in found["sentence"].split())
        assert least <= value * (1 + 1e-12)
        assert most >= value * (1 - 1e-12)
        assert most <= value * 1.011


def test_a_ratio_is_a_geometric_mean_with_an_interval() -> None:
    rows = rows_of([{"x": x} for x in (1.0, 2.0, 4.0)])
    found = ratio("costs", "{ratio}", rows, "x", at_most=100.0)
    assert found["number"]["value"] == pytest.approx(2.0)
    assert found["number"]["low"] == pytest.approx(
        2 * math.exp(-stats.t.ppf(0.975, 2) * math.log(2) / math.sqrt(3))
    )
    assert found["verdict"] == "holds"
    assert ratio("costs", "{ratio}", rows, "x", at_most=1.0)["verdict"] == "too few"
    assert ratio("costs", "{ratio}", rows.but(x=1.0), "x")["verdict"] == "too few"


def test_any_other_number_promises_nothing() -> None:
    assert told("check", "{value} percent", 2.5, {"of": "rows", "where": {}, "n": 9})["verdict"] == "measured"


# -- input that is not as it should be -----------------------------------------------------------------------


def stored(folder: Path, change: Callable[[dict[str, Any]], Any]) -> Path:
    """A copy of a committed result that somebody changed, and sealed again."""
    result = read_result(ROOT / "verification" / "results" / "anatomy.json")
    change(result)
    result["sha256"] = result_hash(result)
    path = folder / "anatomy.json"
    path.write_text(laid_out(result), encoding="utf-8")
    return path


def run(*words: str) -> int:
    return runner.main(["conclude", *words])


def test_conclude_writes_what_the_campaign_wrote(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    def stale(result: dict[str, Any]) -> None:
        result["conclusions"] = []

    path = stored(tmp_path, stale)
    assert run("anatomy", "--results", str(tmp_path)) == 0
    kept = ROOT / "verification" / "results"
    for suffix in (".json", ".md"):
        assert path.with_suffix(suffix).read_bytes() == (kept / "anatomy").with_suffix(suffix).read_bytes()
    assert read_result(path)["conclusions"][0]["sentence"] in capsys.readouterr().out


def test_another_number_concludes_something_else(tmp_path: Path) -> None:
    def slip(result: dict[str, Any]) -> None:
        result["phases"][0]["relative gap"]["exact-labels"] = 0.5

    path = stored(tmp_path, slip)
    assert concluded(read_result(path)) != read_result(path)
    assert run("anatomy", "--results", str(tmp_path)) == 0
    assert read_result(path)["conclusions"][0]["verdict"] == "fails"


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda result: result.pop("phases"), "expected a result with the rows 'phases'"),
        (lambda result: result["phases"][0].pop("proved"), "expected rows that hold what is concluded"),
        (lambda result: result.update(schema=1), "expected a result of version 2"),
    ],
)
def test_a_result_without_the_rows_is_refused_in_words(
    change: Callable[[dict[str, Any]], Any], words: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = stored(tmp_path, change)
    before = path.read_bytes()
    assert run("anatomy", "--results", str(tmp_path)) == 2
    assert words in capsys.readouterr().err
    assert path.read_bytes() == before


def test_a_changed_result_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "anatomy.json"
    shutil.copy(ROOT / "verification" / "results" / "anatomy.json", path)
    path.write_text(path.read_text(encoding="utf-8").replace("holds", "fails"), encoding="utf-8")
    assert run("--results", str(tmp_path)) == 2
    assert "expected a result as it was written" in capsys.readouterr().err


def test_a_page_says_what_the_results_say_now(tmp_path: Path) -> None:
    path = stored(tmp_path, lambda result: None)
    sentences = [each["sentence"] for each in read_result(path)["conclusions"]]
    line = "- {} ([anatomy](verification/results/anatomy.md))\n"
    page = tmp_path / "README.md"
    page.write_text(
        "- Other words.\n" + "".join(line.format(s.replace("7", "8")) for s in sentences), encoding="utf-8"
    )
    assert run("anatomy", "--results", str(tmp_path), "--readme", str(page)) == 0
    assert page.read_text(encoding="utf-8") == "- Other words.\n" + "".join(map(line.format, sentences))


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (("anatomi",), "expected a campaign but got 'anatomi'; try 'anatomy'"),
        (("anatomy",), "expected a stored result such as anatomy.json"),
    ],
)
def test_unknown_campaigns_and_empty_folders_are_refused(
    words: tuple[str, ...], told: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(*words, "--results", str(tmp_path)) == 2
    assert told in capsys.readouterr().err


def test_a_campaign_without_conclusions_has_none(tmp_path: Path) -> None:
    def tabulate(result: Mapping[str, Any]) -> dict[str, Any]:
        return {"t": tables.table("All.", [{"x": 1}], [("x",)])}

    path = result_file(Options(directory=tmp_path).directory, "unheard", False, {"rows": []}, 0.0, tabulate)
    assert json.loads(path.read_text())["conclusions"] == []


# -- folded tables -------------------------------------------------------------------------------------------


def test_ranks_are_averaged_over_settings_and_their_interval_is_over_seeds() -> None:
    rng = np.random.default_rng(2)
    rows = [
        {"who": who, "at": at, "seed": seed, "gap": rng.random() + "abc".index(who) * 0.3}
        for seed in range(4)
        for at in range(3)
        for who in "abc"
    ]
    text = folding.ranking(tables.Ranking("who", "gap", ("at",), rows))
    table = {
        cells[1].strip(" *"): cells[2:5] for cells in (line.split("|") for line in text.splitlines()[4:])
    }
    values = np.array([row["gap"] for row in rows]).reshape(4, 3, 3)
    means = stats.rankdata(values, axis=2).mean(axis=1)
    for name, seeds in zip("abc", means.T, strict=True):
        low, high = stats.t.interval(0.95, 3, seeds.mean(), stats.sem(seeds))
        twin = (seeds.mean(), max(low, 1), min(high, 3))
        assert [float(cell) for cell in table[name]] == pytest.approx(twin, abs=0.0051)
    assert text.splitlines()[4].startswith(f"| **{'abc'[means.mean(axis=0).argmin()]}** |")


def test_a_long_table_is_folded_with_the_whole_behind() -> None:
    def written(n: int, width: int = 1, *, whole: bool = False) -> str:
        rows = [{"kind": "ab"[i % 2], "x": f"row {i} " * width} for i in range(n)]
        return folding.write({"main": tables.table("Gaps.", rows, [("kind",), ("x",)])}, whole=whole)[0]

    assert "<details" not in written(60)
    folded = written(61)
    assert "| a | 31 | 31 different |" in folded
    assert folded.index("| a | 31 |") < folded.index("<details") < folded.index("| a | row 0")
    assert folded.count("| row ") == 61
    wide = written(61, width=40)
    assert "<details" not in wide
    assert "All 61 rows are on the site's page" in wide
    assert written(61, width=40, whole=True).count("| row ") == 61


def test_a_digest_says_the_range_of_numbers_and_counts_words() -> None:
    rows = [
        {"k": k, "n": {"mean": n, "sd": 0.0}, "w": w}
        for k, n, w in (("a", 1, "x"), ("a", 3, "y"), ("b", 2, None))
    ]
    lines = folding.digest(rows, [("k",), ("n", "n", ".1f"), ("w",)], ["k"]).splitlines()
    assert lines[2:] == ["| a | 2 | 1.0 to 3.0 | x 1, y 1 |", "| b | 1 | 2.0 | – |"]
