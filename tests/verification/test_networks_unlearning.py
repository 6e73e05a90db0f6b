"""Campaigns alternating and ablation-networks: kept models, scores, what is averaged and what is judged."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from muso_theory.errors import BadInputError
from muso_theory.files.results import restored
from muso_theory.methods import Alternating, Descent, NoUnlearning, RandomRelabelling, Retraining, serving
from muso_theory.networks import Recipe
from muso_theory.networks.training import DivergedError
from tests import ROOT
from verification import ablation_networks, alternating, network_lazy
from verification.campaign import Options, measure_points, measuring
from verification.network_scenarios import FORGETTING, NETWORKS, build, trained
from verification.network_scores import Scorer, memorising, unlearn
from verification.network_shadows import measure_margins, summarise_margins
from verification.scenarios import scenario


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> str:
    return str(tmp_path_factory.mktemp("models"))


def quick(models: str, forgetting: str = "class", **settings: Any) -> Any:
    return trained(models, "digits-mlp", forgetting, 0, epochs=3, **settings)


def test_models_are_trained_once_and_a_torn_file_is_trained_again(tmp_path, monkeypatch) -> None:
    first = quick(str(tmp_path))
    files = sorted(tmp_path.glob("*.npz"))
    assert len(files) == 2
    right = Recipe.fit

    def never(*_: Any, **__: Any) -> Any:
        raise AssertionError("trained again")

    monkeypatch.setattr(Recipe, "fit", never)
    again = quick(str(tmp_path))
    for name in ("pretrained", "retrained"):
        pairs = zip(getattr(first.problem, name), getattr(again.problem, name), strict=True)
        assert all(np.array_equal(a, b) and a.dtype == b.dtype == np.float32 for a, b in pairs)
    with pytest.raises(AssertionError, match="trained again"):
        quick(str(tmp_path), n_retain=100)  # other data, another model
    with pytest.raises(AssertionError, match="trained again"):
        quick(str(tmp_path), loss="squared")
    monkeypatch.setattr(Recipe, "fit", right)
    files[0].write_bytes(files[0].read_bytes()[:1000])
    quick(str(tmp_path))
    assert len(files[0].read_bytes()) > 1000


@pytest.mark.parametrize("forgetting", FORGETTING)
def test_kin_are_test_samples_drawn_like_the_forgotten(forgetting) -> None:
    problem, X_test, y_test, kin, _ = build("digits-mlp", forgetting, 0)
    assert len(X_test) == len(y_test) == 360
    forgotten = set(problem.targets[problem.forget].argmax(axis=1))
    if forgetting.startswith("random"):
        assert len(kin) == len(X_test)
        share = float(forgetting.split()[1]) / 100
        assert len(problem.forget) == round(share * len(problem.X))
    else:
        assert forgotten == set(y_test[kin])
        assert len(kin) == 36
    if forgetting == "subclass":
        assert problem.net.n_out == 5
        assert (
            len(forgotten & set(problem.targets[problem.retain].argmax(axis=1))) == 1
        )  # the other half stays
    if forgetting == "class":
        assert not forgotten & set(problem.targets[problem.retain].argmax(axis=1))


def test_unknown_names_and_absent_classes_are_refused() -> None:
    with pytest.raises(BadInputError, match="try 'digits-mlp'"):
        build("digit-mlp", "class", 0)
    with pytest.raises(BadInputError, match="a way of forgetting"):
        build("digits-mlp", "everything", 0)
    with pytest.raises(BadInputError, match="class '12' is absent"):
        scenario("digits", "class:12", one_hot=True)


def test_scores_of_the_retrained_model_are_the_null(models) -> None:
    found = quick(models)
    scorer = Scorer(found)
    null = scorer(found.problem.retrained)
    assert (null["parameter gap"], null["forget output gap"], null["average gap"]) == (0, 0, 0)
    assert null["AUC difference"] == 0
    assert not null["AUC differs"]
    nothing = scorer(found.problem.pretrained)
    assert nothing["parameter gap"] == nothing["forget output gap"] == nothing["test output gap"] == 1
    assert nothing["average gap"] > 10
    with_class = {name: scores["forget accuracy"] for name, scores in (("r", null), ("p", nothing))}
    assert with_class["r"] == 0
    assert with_class["p"] > 0.5


def test_accuracies_of_the_kept_and_of_the_forgotten_kind_are_told_apart(models) -> None:
    found = quick(models)
    problem = found.problem
    scores = Scorer(found)(problem.retrained)
    right = problem.net(problem.retrained, found.X_test).argmax(axis=1) == found.y_test
    other = np.delete(right, found.kin)
    assert scores["kin accuracy"] == right[found.kin].mean() == 0
    assert scores["test accuracy"] == other.mean() > right.mean()
    everyone = Scorer(quick(models, "random 10 %"))
    assert len(everyone.kept) == len(everyone.found.kin) == 360


def test_attacks_use_every_sample_in_the_direction_known_beforehand(models) -> None:
    found = quick(models, "random 1 %")
    problem = found.problem
    scorer = Scorer(found)
    assert set(scorer.null) == {"", "entropy ", "loss "}
    for attack in scorer.null.values():
        assert (len(attack.members), len(attack.nonmembers)) == (len(problem.forget), 360)
    # Wrong and sure on every forget sample: less of a member than any, and never turned round.
    opposite = [-a if i >= len(problem.pretrained) - 2 else a for i, a in enumerate(problem.pretrained)]
    scores = scorer(opposite)
    p = problem.probabilities(problem.outputs(opposite, problem.forget)).astype(float)
    own = p[np.arange(len(p)), problem.targets[problem.forget].argmax(axis=1)]
    kin = problem.probabilities(problem.net(opposite, found.X_test)).astype(float)
    others = kin[np.arange(360), found.y_test]
    assert scores["loss AUC"] == pytest.approx(np.mean(own[:, None] > others), abs=1e-3)


def test_a_network_that_memorises_is_detected_and_its_retrained_twin_is_not() -> None:
    found = memorising(0, epochs=60)
    assert found["AUC"] > 0.8
    assert found["AUC null interval"][0] <= 0.5 <= found["AUC null interval"][1]
    assert found["AUC differs"]
    assert found["TPR"] > 3 * found["TPR null"]


def test_models_as_a_distribution() -> None:
    rng = np.random.default_rng(0)
    centre = rng.normal(0, 2, 40)

    def draw(shift: float) -> list[float]:
        return list(centre + shift + rng.standard_normal(40))

    items = [
        {
            "network": "n",
            "forgetting": "f",
            "diverged": False,
            "methods": {"same": draw(0), "off": draw(3), "lost": draw(0) if seed > 9 else None},
            "retrained": [draw(0), draw(0)],
        }
        for seed in range(12)
    ]
    same, off, lost = summarise_margins([*items, {**items[0], "diverged": True}])
    assert abs(same["LiRA AUC"]["mean"] - 0.5) < 0.1
    assert abs(same["KLoM"] - same["KLoM null"]) < 0.1
    assert off["LiRA AUC"]["mean"] > 0.9
    assert off["KLoM"] > 2 * off["KLoM null"]
    assert (lost["runs"], lost["diverged"]) == (12, 10)
    assert "KLoM" not in lost


@pytest.mark.slow
def test_margins_of_models_that_differ_in_their_seed_alone(models) -> None:
    first, second = (
        measure_margins(
            "digits-mlp", "class", seed, models, {"none": NoUnlearning(), "retraining": Retraining()}
        )
        for seed in (0, 1)
    )
    assert (
        len(first["methods"]["none"]) == len(second["methods"]["none"]) == len(first["retrained"][0]) == 143
    )
    everything = [
        *first["methods"].values(),
        *first["retrained"],
        *second["methods"].values(),
        *second["retrained"],
    ]
    assert len({tuple(margins) for margins in everything}) == 8
    assert min(first["methods"]["none"]) > max(first["methods"]["retraining"])


def test_a_diverged_run_is_told_and_not_averaged(models) -> None:
    scorer = Scorer(quick(models))
    fine = unlearn(scorer, RandomRelabelling(descent=Descent(1)))
    lost = unlearn(scorer, Alternating.corrected(learning_rate=1e4, epochs=2, iterations=2, watch=0))
    assert lost["diverged"]
    assert "average gap" not in lost
    item = {"network": "n", "loss": "l", "forgetting": "f"}
    results = [{**item, "methods": {"m": fine}}, {**item, "methods": {"m": lost}}]
    (row,) = alternating.summarise(results)
    assert (row["runs"], row["diverged"]) == (2, 1)
    assert row["average gap"] == {"mean": fine["average gap"], "sd": None, "n": 1}


def test_training_that_diverged_is_a_result_of_its_own(monkeypatch, models) -> None:
    def diverge(*_: Any, **__: Any) -> Any:
        raise DivergedError("on purpose")

    monkeypatch.setattr(alternating, "trained", diverge)
    point = {"kind": "scenario", "network": "digits-mlp", "forgetting": "class", "loss": "squared", "seed": 0}
    assert alternating.measure(point, models) == {**point, "diverged": True, "reason": "on purpose"}


def test_methods_are_called_what_the_registry_calls_them() -> None:
    own = {
        "alternating, last layer",
        "alternating, last layer, soft",
        "alternating, corrected",
        alternating.REORDERED,
    }
    names = set(serving("network")) - {"alternating", "published"} | own
    assert set(alternating.methods("digits-mlp", "squared", 0)) == names
    kept = ROOT / "verification" / "results" / "alternating.json"
    result = restored(json.loads(kept.read_text(encoding="utf-8")))
    for part in ("rows", "runs", "models"):
        assert {row["method"] for row in result[part]} <= names


def test_every_method_is_scored_in_a_scenario(monkeypatch, models) -> None:
    monkeypatch.setitem(alternating._FINE_TUNING, "digits-mlp", 1)
    monkeypatch.setitem(alternating._ITERATIONS, "digits-mlp", 3)
    monkeypatch.setattr(alternating, "trained", lambda *_, **__: quick(models, n_retain=200))
    point = {
        "kind": "scenario",
        "network": "digits-mlp",
        "forgetting": "class",
        "loss": "cross-entropy",
        "seed": 0,
    }
    found = alternating.measure(point, models)
    assert {"alternating, last layer", "alternating, corrected", "saliency"} <= set(found["methods"])
    paper = found["methods"]["alternating, last layer"]
    assert paper["head"]["features"] == 129
    assert isinstance(paper["signatures"], list)
    again = found["methods"][alternating.REORDERED]
    assert again["parameter gap"] > 0  # what the order of the batches is worth
    assert found["methods"]["retraining"]["seconds"] == again["seconds"] > 0
    rows = alternating.summarise([found])
    assert len(rows) == len(found["methods"])
    tables = alternating.tabulate({"rows": rows, "runs": [], "lazy": [], "models": []})
    assert set(tables) == {
        "digits-mlp, cross-entropy",
        "digits-mlp, cross-entropy, membership",
        "models",
        "lazy",
    }


def test_the_linearisation_predicts_what_remains_and_wrong_labels_leave_more() -> None:
    found = network_lazy.lazy("erf", 512, 0, n=12, n_forget=2)
    judged = next(row for row in found["rows"] if row["steps"] == "7 %")
    assert judged["predicted"] <= network_lazy.PROMISE
    assert judged["measured"] < 0.1
    assert 0.5 < judged["ratio"] < 2
    assert found["control"] > 0.5
    (row,) = [
        row
        for row in network_lazy.lazy_rows([{"activation": "erf", "width": 512, "seed": 0, **found}])
        if row["steps"] == "7 %"
    ]
    assert row["largest"] == judged["measured"]


def test_all_points_have_five_seeds_and_known_names() -> None:
    points = alternating.points()
    # Its results are of these networks; one that is added for another campaign changes nothing here.
    networks = ["digits-mlp", "digits-cnn", "mnist-mlp", "mnist-cnn"]
    assert list(dict.fromkeys(p["network"] for p in points if p["kind"] == "scenario")) == networks
    assert "digits-resnet" in NETWORKS
    for network in networks:
        for forgetting in FORGETTING:
            own = [p for p in points if (p.get("network"), p.get("forgetting")) == (network, forgetting)]
            assert {p["seed"] for p in own if p.get("loss") == "cross-entropy"} == set(range(5))
    assert len(alternating.points(quick=True)) < len(points) / 10
    assert {p["variant"] for p in ablation_networks.points()} == {"last layer", "corrected"}


def test_an_ablation_changes_one_choice(models, monkeypatch) -> None:
    monkeypatch.setattr(ablation_networks, "trained", lambda *_, **__: quick(models, n_retain=150))
    for axis in set(ablation_networks.AXES) - {"subset", "rate", "width", "depth"}:
        monkeypatch.delitem(ablation_networks.AXES, axis)
    point = {"variant": "last layer", "forgetting": "class", "seed": 0, "sizes": {}, "ends": False}
    found = ablation_networks.measure(point, models)
    assert set(found["axes"]) == {"default", "subset", "rate"}
    assert found["axes"]["rate"]["3 ×"]["parameter gap"] > found["axes"]["default"][""]["parameter gap"]
    rows = ablation_networks.summarise([found])
    assert {(row["axis"], row["value"]) for row in rows} >= {
        ("subset", "1"),
        ("width", "128"),
        ("depth", "1"),
    }


def test_ablated_settings_are_options_of_the_method() -> None:
    for variant in ("last layer", "corrected"):
        for axis, values in ablation_networks.AXES.items():
            for settings in values.values():
                if ablation_networks._fits(variant, axis, settings):
                    assert ablation_networks._method(variant, 0, settings).seed == 0
    assert not ablation_networks._fits("corrected", "relabel", {"relabel": "batch"})


def keep(point: Mapping[str, Any], folder: str) -> dict[str, Any]:
    """What a campaign with files of its own measures."""
    with (Path(folder) / "log").open("a") as log:
        log.write("x")
    return {"x": point["x"]}


def test_where_things_are_kept_changes_no_checkpoint(tmp_path) -> None:
    options = Options(directory=tmp_path / "results", jobs=1)
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
        assert measure_points("t", keep, [{"x": 1}], options, where={"folder": str(tmp_path / name)}) == [
            {"x": 1}
        ]
    assert (tmp_path / "a" / "log").exists()
    assert not (tmp_path / "b" / "log").exists()


def test_a_checkpoint_depends_on_the_modules_beside_the_campaign() -> None:
    names = {Path(path).stem for path in measuring(alternating.__file__)}
    assert {"alternating", "network_scenarios", "network_scores", "scenarios"} <= names
    assert "campaign" not in names


def test_a_residual_network_with_batch_norm_is_trained_on_what_is_kept(models) -> None:
    found = trained(models, "digits-resnet", "class", 0, n_retain=400, epochs=8)
    problem = found.problem
    assert not all(problem.net.trainable)
    one, other = (
        problem.net(params, problem.X).argmax(axis=1) for params in (problem.pretrained, problem.retrained)
    )
    classes = problem.targets.argmax(axis=1)
    assert np.mean(one[problem.forget] == classes[problem.forget]) > 0.5
    assert np.mean(other[problem.forget] == classes[problem.forget]) < 0.1
    # Statistics are parameters that training moved, so that retraining has others.
    held = [i for i, moves in enumerate(problem.net.trainable) if not moves]
    assert any(not np.array_equal(problem.pretrained[i], problem.retrained[i]) for i in held)
