"""The campaign machinery: same bytes on any backend and after a kill, every campaign in turn, tables, scenarios."""

from __future__ import annotations

import importlib
import json
import os
import signal
import subprocess
import sys
import textwrap
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from muso_theory.errors import BadInputError
from muso_theory.files.results import laid_out, restored
from muso_theory.linear.features import GaussianFeatures
from muso_theory.plots import sources
from tests import ROOT
from verification import __main__ as runner
from verification.campaign import Options, measure_points, measuring, result_file, timeless
from verification.folding import write
from verification.scenarios import noisy_start, scenario
from verification.tables import Column, latex, markdown, mean_sd, table


def spectrum(point: Mapping[str, Any]) -> dict[str, Any]:
    """Something whose last digits depend on the number of BLAS threads, and a time."""
    a = np.random.default_rng(point["seed"]).standard_normal((300, 300))
    return {"value": np.linalg.eigvalsh(a @ a.T)[:2].tolist(), "seconds": time.perf_counter()}


def timeless_bytes(path: Path) -> bytes:
    return json.dumps(timeless(read(path))).encode()


def read(path: Path) -> Any:
    """What a result file holds."""
    return restored(json.loads(path.read_text(encoding="utf-8")))


# -- backends ----------------------------------------------------------------------------------------------


POINTS = [{"seed": seed} for seed in range(4)]


@pytest.fixture(scope="module")
def reference(tmp_path_factory: pytest.TempPathFactory) -> Any:
    options = Options(directory=tmp_path_factory.mktemp("one"), jobs=1)
    return timeless(measure_points("t", spectrum, POINTS, options))


@pytest.mark.parametrize("backend", [None, "loky", "threading"])
def test_backends_agree_to_the_bit(backend: str | None, reference: Any, tmp_path: Path) -> None:
    found = measure_points("t", spectrum, POINTS, Options(directory=tmp_path, jobs=2, backend=backend))
    assert timeless(found) == reference
    assert len(list((tmp_path / ".checkpoints" / "t").glob("[!.]*.json"))) == len(POINTS)


@pytest.fixture(scope="module")
def scheduler() -> Iterator[str]:
    distributed = pytest.importorskip("distributed", reason="needs the extra [cluster]")
    with distributed.LocalCluster(
        n_workers=2, threads_per_worker=1, dashboard_address=":0", processes=True
    ) as cluster:
        yield cluster.scheduler_address


def test_a_dask_cluster_agrees_to_the_bit(scheduler: str, reference: Any, tmp_path: Path) -> None:
    options = Options(directory=tmp_path, scheduler=scheduler)
    assert timeless(measure_points("t", spectrum, POINTS, options)) == reference


def test_the_documented_line_is_enough(scheduler: str, reference: Any, tmp_path: Path) -> None:
    import joblib
    from distributed import Client

    with Client(scheduler), joblib.parallel_config(backend="dask"):
        assert timeless(measure_points("t", spectrum, POINTS, Options(directory=tmp_path))) == reference


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"backend": "dusk"}, "'dask'"),
        ({"backend": "loky", "scheduler": "tcp://localhost:1"}, "backend dask with a scheduler"),
    ],
)
def test_bad_backends_are_refused(options: dict[str, str], words: str) -> None:
    with pytest.raises(BadInputError, match=words):
        Options(**options)  # type: ignore[arg-type]


def test_options_that_are_none_are_refused_in_words(capsys: pytest.CaptureFixture[str]) -> None:
    assert runner.main(["identities", "--quick", "--jobs", "0"]) == 2
    assert capsys.readouterr().err.startswith("expected a number of processes")


def test_an_address_without_a_scheduler_is_refused(tmp_path: Path) -> None:
    pytest.importorskip("distributed", reason="needs the extra [cluster]")
    options = Options(directory=tmp_path, scheduler="nowhere")
    with pytest.raises(BadInputError, match="a Dask scheduler that answers"):
        measure_points("t", spectrum, POINTS, options)


# -- resuming after a kill ---------------------------------------------------------------------------------


CAMPAIGN = textwrap.dedent(
    """
    import sys, time
    from pathlib import Path
    import numpy as np
    from verification.campaign import Options, measure_points, result_file

    def measure(point):
        with Path(sys.argv[2]).open("a") as log:
            log.write(f"{point['seed']}\\n")
        if point["seed"] == 2 and not Path(sys.argv[2]).with_name("go on").exists():
            time.sleep(600)
        a = np.random.default_rng(point["seed"]).standard_normal((60, 60))
        return {"value": np.linalg.svd(a, compute_uv=False).tolist(), "seconds": time.perf_counter()}

    if __name__ == "__main__":
        options = Options(directory=Path(sys.argv[1]), jobs=1)
        rows = measure_points("killed", measure, [{"seed": s} for s in range(5)], options)
        result_file(options.directory, "killed", False, {"points": rows}, 0.0, lambda result: {})
    """
)


def run_campaign(script: Path, results: Path, log: Path) -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        [sys.executable, str(script), str(results), str(log)],
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        stderr=subprocess.DEVNULL,
    )


def test_a_killed_campaign_goes_on_and_ends_with_the_same_bytes(tmp_path: Path) -> None:
    script = tmp_path / "campaign_script.py"
    script.write_text(CAMPAIGN, encoding="utf-8")
    go_on = tmp_path / "go on"
    go_on.touch()
    assert run_campaign(script, tmp_path / "whole", tmp_path / "log whole").wait(timeout=600) == 0

    killed, log = tmp_path / "killed", tmp_path / "log"
    go_on.unlink()
    process = run_campaign(script, killed, log)
    deadline = time.monotonic() + 600
    while len(list(killed.glob(".checkpoints/killed/[!.]*.json"))) < 2 and time.monotonic() < deadline:
        time.sleep(0.02)
    process.send_signal(signal.SIGKILL)
    assert process.wait(timeout=600) == -signal.SIGKILL
    finished = len(list(killed.glob(".checkpoints/killed/[!.]*.json")))
    assert finished == 2
    go_on.touch()
    assert not (killed / "killed.json").exists()

    assert run_campaign(script, killed, log).wait(timeout=600) == 0
    assert timeless_bytes(killed / "killed.json") == timeless_bytes(tmp_path / "whole" / "killed.json")
    first, second = (read(tmp_path / d / "killed.json") for d in ("killed", "whole"))
    assert first["sha256"] == second["sha256"]
    assert first["points"][0]["seconds"] != second["points"][0]["seconds"]
    measured = log.read_text().split()
    assert sorted(set(measured)) == list("01234")
    # A point is begun twice only if it was under way when the campaign was killed.
    assert len(measured) <= 6
    assert measured[:finished] == list("01234")[:finished]
    assert not set(measured[finished + 1 :]) & set(measured[:finished])


def test_checkpoints_know_every_module_that_measures(tmp_path: Path) -> None:
    from verification import paper_convergence

    names = {Path(path).stem for path in measuring(paper_convergence.__file__)}
    assert {"paper_convergence", "experiment", "theory", "scenarios"} <= names
    assert not {"campaign", "tables", "paper_linear"} & names

    # A point is measured again once a module that its module imports has changed.
    package = tmp_path / "toy"
    package.mkdir()
    (package / "__init__.py").touch()
    (package / "one.py").write_text("from .two import f\ndef measure(point):\n    return {'value': f()}\n")
    (package / "two.py").write_text("def f():\n    return 1\n")
    code = (
        "from pathlib import Path; from verification.campaign import Options, measure_points; import toy.one as one; "
        f"print(measure_points('toy', one.measure, [{{'x': 1}}], Options(directory=Path({str(tmp_path)!r}), jobs=1)))"
    )

    def answer() -> str:
        paths = os.pathsep.join([str(ROOT), str(tmp_path)])
        done = subprocess.run(
            [sys.executable, "-c", code],
            env={**os.environ, "PYTHONPATH": paths, "PYTHONDONTWRITEBYTECODE": "1"},
            capture_output=True,
            text=True,
            check=True,
        )
        return done.stdout + done.stderr

    assert "[{'value': 1}]" in answer()
    assert "1 of 1 points were measured before" in answer()
    (package / "two.py").write_text("def f():\n    return 2\n")
    assert answer() == "[{'value': 2}]\n"


def test_a_changed_number_changes_the_hash(tmp_path: Path) -> None:
    def written(x: float, seconds: int, took: float) -> Any:
        return read(result_file(tmp_path, "a", True, {"x": x, "seconds": seconds}, took, lambda result: {}))

    one, same, other = written(1.0, 1, 1.0), written(1.0, 2, 9.0), written(1.0 + 1e-11, 1, 1.0)
    assert one["sha256"] == same["sha256"] != other["sha256"]
    assert one["schema"] == 2
    assert one["wall seconds"] == 1.0
    # The digits after the twelfth belong to a machine.
    assert written(1.0 + 1e-14, 1, 1.0)["sha256"] == one["sha256"]


CELLS = st.none() | st.integers(0, 2) | st.sampled_from([1.0, True]) | st.text(max_size=3) | st.just([1, 2])
NESTED = st.dictionaries(st.sampled_from("ab"), CELLS | st.dictionaries(st.sampled_from("ab"), CELLS))
ROWS = st.lists(st.dictionaries(st.sampled_from("abc"), CELLS | NESTED | st.lists(NESTED, max_size=3)))


@given(
    st.dictionaries(
        st.text(max_size=3), st.one_of(st.floats(allow_nan=False), ROWS, st.lists(ROWS, max_size=3))
    )
)
def test_what_is_laid_out_is_read_back(content: dict[str, Any]) -> None:
    again = restored(json.loads(laid_out(content)))
    # By text, as 1, 1.0 and true are equal and not the same.
    assert json.dumps(again, sort_keys=True) == json.dumps(content, sort_keys=True)


def test_nothing_is_repeated_where_a_result_is_laid_out() -> None:
    rows = [
        {"data": name, "seed": seed, "gap": {"mean": seed / 4, "n": 5}}
        for name in ("digits", "breast_cancer")
        for seed in range(20)
    ]
    text = laid_out({"rows": rows})
    assert [text.count(word) for word in ("digits", "breast_cancer", '"n"', '"mean"')] == [1, 1, 2, 2]
    assert restored(json.loads(text)) == {"rows": rows}


def test_a_result_has_its_verdict_on_top_and_one_line_a_row(tmp_path: Path) -> None:
    rows = [{"x": i, "y": [i, {"z": i}]} for i in range(5)] + [{"x": 1.5} for _ in range(4)]
    content = {"rows": rows, "verdict": "fine", "also": 3, "none": []}
    lines = result_file(tmp_path, "a", False, content, 1.0, lambda result: {}).read_text().splitlines()
    assert lines[1:5] == [' "campaign": "a",', ' "quick": false,', ' "schema": 2,', ' "verdict": "fine",']
    assert sum(line.startswith("  [") for line in lines) == len(rows)
    assert lines[-2].startswith(' "environment": ')
    assert ' "none": [],' in lines


@pytest.mark.parametrize(
    "torn",
    [
        {"columns": 3, "rows": []},
        {"columns": ["x"], "rows": [[1, 2]]},
        {"columns": [[1]], "rows": [[1]]},
        {"columns": ["x"], "rows": [1]},
        {"columns": [[]], "rows": [[1]]},
        {"columns": ["x", ["x", "y"]], "rows": [[1, 2]]},
        {"columns": [{"x": 1}], "rows": [[2]]},
        {"blocks": 3},
        {"blocks": [{"x": 1}]},
    ],
)
def test_a_torn_table_is_refused_in_words(torn: Any, tmp_path: Path) -> None:
    (tmp_path / "a.json").write_text(json.dumps({"campaign": "a", "schema": 2, "rows": torn}))
    with pytest.raises(BadInputError, match="as it was written"):
        sources.read(tmp_path / "a.json")


# -- all campaigns -----------------------------------------------------------------------------------------


def test_names_have_hyphens_and_machinery_is_not_listed() -> None:
    assert "soundness" in runner.names()
    assert not {"campaign", "tables", "scenarios", "--main--", "performance-ntk"} & set(runner.names())
    for name in runner.names():
        campaign = importlib.import_module(f"verification.{name.replace('-', '_')}")
        assert callable(campaign.run)
        assert callable(campaign.tabulate)


def fake(name: str, seconds: tuple[float, float] | None, outcome: Any) -> ModuleType:
    module = ModuleType(name)
    if seconds:
        module.SECONDS = seconds  # type: ignore[attr-defined]

    def run(quick: bool, options: Options) -> dict[str, Any]:
        if isinstance(outcome, BaseException):
            raise outcome
        return dict(outcome)

    def tabulate(result: Mapping[str, Any]) -> dict[str, Any]:
        return {"t": table("All.", [{"x": len(result)}], [("x",)])}

    module.run, module.tabulate = run, tabulate  # type: ignore[attr-defined]
    return module


@pytest.mark.parametrize(
    ("outcome", "status", "words"),
    [
        ({"verdict": "fine"}, 0, "3 of 3 campaigns ended well"),
        ({"verdict": "wrong", "failed": True}, 1, "2 of 3 campaigns ended well; not mid-dle"),
        (BadInputError("expected more"), 2, "2 of 3 campaigns ended well; not mid-dle"),
        (ZeroDivisionError("slip"), 2, "2 of 3 campaigns ended well; not mid-dle"),
    ],
)
def test_all_goes_on_when_one_fails(
    outcome: Any,
    status: int,
    words: str,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    good = {"verdict": "fine"}
    modules = {
        "long": fake("long", None, good),
        "mid-dle": fake("mid_dle", (1, 600), outcome),
        "short": fake("short", (1, 3), good),
    }
    monkeypatch.setattr(runner, "names", lambda: sorted(modules))
    for name, module in modules.items():
        monkeypatch.setitem(sys.modules, f"verification.{name.replace('-', '_')}", module)
    assert runner.main(["all", "--results", str(tmp_path)]) == status
    out, err = capsys.readouterr()
    assert "3 campaigns, about 10 min on two cores, and 1 of unknown length" in out
    assert out.index("short: fine") < out.index("long: fine")
    assert words in out
    assert (tmp_path / "long.md").exists()
    assert (tmp_path / "long.tex").exists()
    assert (tmp_path / "mid-dle.json").exists() == (status < 2)
    assert ("ZeroDivisionError" in err) == isinstance(outcome, ZeroDivisionError)


def test_interrupting_all_stops_it(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(runner, "names", lambda: ["first", "second"])
    monkeypatch.setitem(sys.modules, "verification.first", fake("first", (1, 1), KeyboardInterrupt()))
    monkeypatch.setitem(sys.modules, "verification.second", fake("second", None, {}))
    assert runner.main(["all", "--results", str(tmp_path)]) == 130
    assert not list(tmp_path.glob("*.json"))


# -- tables ------------------------------------------------------------------------------------------------


def test_tables_show_what_the_rows_hold() -> None:
    rows = [
        {"method": "fine_tune 100%", "gap": mean_sd([1e-4, 3e-4]), "n": 300, "exact": False},
        {"method": "MUSO", "gap": {"mean": 0.0, "sd": None, "n": 1}, "exact": True},
        {"method": "ascent", "gap": mean_sd([1.0, np.inf]), "n": 1.5},
    ]
    columns = [Column("method"), ("gap", "‖w − w_r‖²/D", ".2e"), ("n", "n"), ("exact", "exact?")]
    assert markdown(rows, columns).splitlines() == [
        "| method | ‖w − w_r‖²/D | n | exact? |",
        "|---|---:|---:|---|",
        "| fine_tune 100% | 2.00e-04 ± 1.41e-04 | 300 | no |",
        "| MUSO | 0.00e+00 | – | yes |",
        "| ascent | not finite | 1.5 | – |",
    ]
    text = latex(rows, columns)
    assert text.isascii()
    assert r"fine\_tune 100\% & $2.00 \times 10^{-4} \pm 1.41 \times 10^{-4}$ & $300$ & no \\" in text
    assert r"$\|$w $-$ w\_r$\|$$^2$/D" in text
    assert text.count("&") == 4 * 3
    pages, floats = write({"main": table("Gaps.", rows, columns)})
    assert "Gaps." in pages
    assert r"\label{tab:main}" in floats
    assert json.loads(json.dumps(table("Gaps.", rows[:2], columns)))["columns"][1][2] == ".2e"


def test_a_folded_table_is_whole_in_latex() -> None:
    _, floats = write({"main": table("Gaps.", [{"x": f"row {i}"} for i in range(61)], [("x",)])})
    assert floats.count("row ") == 61


def test_tables_refuse_what_they_cannot_set() -> None:
    with pytest.raises(BadInputError, match="LaTeX form"):
        latex([{"x": "雪"}], [("x",)])
    with pytest.raises(BadInputError, match="at least one value"):
        mean_sd([])
    assert mean_sd([1.0, 2.0, 6.0])["sd"] == pytest.approx(np.std([1, 2, 6], ddof=1))


# -- scenarios ---------------------------------------------------------------------------------------------


def test_class_forgetting_takes_a_whole_class_and_so_many_of_the_rest() -> None:
    found = scenario("mnist:3,7", "class", n_retain=300)
    assert set(found.y[found.forget]) == {1.0}
    assert set(found.y[found.retain]) == {-1.0}
    assert len(found.retain) == 300
    assert len(found.forget) == 400
    assert found.X.max() == 1.0
    assert len(found.X_test) == 200


def test_subclass_forgetting_leaves_both_classes() -> None:
    cluster = scenario("mnist:3,7", "subclass", seed=2, n_retain=300)
    assert set(cluster.y[cluster.forget]) == {1.0}
    assert set(cluster.y[cluster.retain]) == {-1.0, 1.0}
    merged = scenario("digits:odd-even", "subclass:4", n_retain=300, one_hot=True)
    assert merged.y.shape == (len(merged.X), 2)
    assert set(map(tuple, merged.y[merged.forget])) == {(0.0, 1.0)}


def test_random_forgetting_keeps_what_the_paper_keeps() -> None:
    found = scenario("mnist:3,7", "random", n_retain=300, scale="byte")
    assert len(found.retain) == 300
    assert len(found.forget) == 500
    assert found.X.max() == 255.0
    part = scenario("breast_cancer", "random:0.1", n_retain=200, n_forget=20)
    assert len(part.retain) == 200
    assert len(part.forget) == 20
    assert set(part.y) == {-1.0, 1.0}
    assert scenario("digits", "class:4").y.shape[1] == 10


def test_train_and_test_are_disjoint_and_the_seed_decides() -> None:
    one, again, other = (scenario("digits:3,7", "random", seed, n_retain=100) for seed in (0, 0, 1))
    assert not {x.tobytes() for x in one.X} & {x.tobytes() for x in one.X_test}
    assert one.X.tobytes() == again.X.tobytes()
    assert one.X.tobytes() != other.X.tobytes()


def test_order_is_random_unless_the_stored_one_is_asked_for() -> None:
    stored = scenario("mnist:3,7", "random", n_retain=300, order="data")
    mixed = scenario("mnist:3,7", "random", n_retain=300)
    assert np.all(np.diff(stored.y) >= 0)
    assert np.abs(np.diff(mixed.y)).sum() > 300
    for found in (stored, mixed):
        assert len(found.retain) == 300
    assert {x.tobytes() for x in stored.X[stored.forget]} == {x.tobytes() for x in mixed.X[mixed.forget]}


def test_standardisation_does_not_see_the_test_samples() -> None:
    found = scenario("breast_cancer", "random")
    np.testing.assert_allclose(found.X.mean(axis=0), 0, atol=1e-12)
    assert np.abs(found.X_test.mean(axis=0)).max() > 1e-3


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("digits:3,7", "class"), "at most"),
        (("digits", "klass"), "one of class"),
        (("no such data", "class"), "data set name"),
    ],
)
def test_scenarios_refuse(arguments: tuple[str, str], words: str) -> None:
    with pytest.raises(BadInputError, match=words):
        scenario(*arguments, n_retain=300)


def test_scale_is_refused_where_it_has_no_meaning() -> None:
    with pytest.raises(BadInputError, match="pixels"):
        scenario("breast_cancer", "random", scale="byte")
    with pytest.raises(BadInputError, match="one of unit"):
        scenario("digits", "random", scale="255")
    with pytest.raises(BadInputError, match="'random' or 'data'"):
        scenario("digits", "random", order="sorted")


def test_noisy_start_is_retrained_plus_noise() -> None:
    found = scenario("digits:3,7", "random", n_retain=50)
    feature_map = GaussianFeatures(n_features=200, bandwidth=2.0, seed=1)
    problem, test = found.problem(feature_map, noise=0.5, seed=3)
    assert test.shape == (len(found.X_test), 200)
    assert problem.w_init is not None
    quiet = noisy_start(problem, noise=0.0)
    retain = problem.retain
    np.testing.assert_allclose(problem.features[retain] @ quiet, problem.targets[retain], atol=1e-6)
    assert np.std(problem.w_init - quiet) == pytest.approx(0.5, rel=0.2)
