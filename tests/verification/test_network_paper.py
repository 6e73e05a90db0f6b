"""Campaign network-paper: one choice at a time, theory beside it, rounding told from the algorithm, and the causes."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

import numpy as np
import pytest

from muso_theory.errors import BadInputError
from muso_theory.methods import DifferenceLabels, Published
from muso_theory.networks import NetworkProblem, Recipe, mlp
from muso_theory.networks.training import DivergedError
from verification import network_paper
from verification.campaign import measuring
from verification.folding import write
from verification.kernels import KERNELS
from verification.network_causes import CLEAR, REORDERED, causes, summarise_causes, summarise_theory
from verification.network_difference import adam_metric, difference, kernel_at
from verification.network_rounding import (
    kernel_runs,
    rounding,
    summarise_kernels,
    summarise_rounding,
)
from verification.network_scenarios import trained
from verification.network_switches import FEW, SWITCHES, Frozen, head_theory, published, relabelled


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> str:
    return str(tmp_path_factory.mktemp("models"))


def small(models: str, forgetting: str = "class", **settings: Any) -> Any:
    return trained(models, "digits-mlp", forgetting, 0, epochs=3, n_retain=150, width=24, **settings)


# -- switches --------------------


@pytest.mark.parametrize("forgetting", ["class", "subclass", "random 1 %", "random 10 %"])
def test_every_switch_changes_its_own_fields_alone(forgetting: str) -> None:
    base = published("published (revision 2025-02)", forgetting, 3)
    assert base == Published.of("random" if forgetting.startswith("random") else "class", seed=3)
    for name, changes in SWITCHES.items():
        fields, usual = asdict(published(name, forgetting, 3)), asdict(base)
        differing = {key for key in fields if fields[key] != usual[key]}
        if name == "other schedule":
            assert differing == {"schedule"}
        else:
            assert differing == {key for key in changes if changes[key] != usual[key]}
    assert set(FEW) < set(SWITCHES)
    with pytest.raises(BadInputError, match="a switch"):
        published("hard labels", forgetting, 0)


def test_adam_is_adamw_without_decay(models: str) -> None:
    problem = small(models).problem
    first, second = (Published.of("class", optimizer=name)(problem) for name in ("adam", "adamw"))
    assert all(np.array_equal(a, b) for a, b in zip(first, second, strict=True))


def test_points_have_five_seeds_and_an_added_network_enters_by_itself(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    points = network_paper.points()
    groups: dict[tuple[str, ...], set[int]] = {}
    for point in points:
        groups.setdefault((point["kind"], point["network"], point["forgetting"]), set()).add(point["seed"])
    assert all(seeds == set(range(5)) for seeds in groups.values())
    for forgetting in ("class", "subclass", "random 1 %", "random 10 %"):
        assert {("switches", name, forgetting) for name in ("digits-mlp", "digits-cnn")} <= set(groups)
    assert {("switches", "mnist-cnn", "class"), ("kernels", "digits-cnn", "class")} <= set(groups)
    assert len(network_paper.points(quick=True)) == 5
    monkeypatch.setitem(network_paper.NETWORKS, "digits-other", network_paper.NETWORKS["digits-mlp"])
    added = [point for point in network_paper.points() if point["network"] == "digits-other"]
    assert {point["forgetting"] for point in added} == {"class", "subclass", "random 1 %", "random 10 %"}
    assert {point["kind"] for point in added} == {"switches"}


def test_a_checkpoint_depends_on_every_module_of_the_campaign() -> None:
    names = {path.rsplit("/", 1)[1] for path in measuring(network_paper.__file__)}
    parts = ("causes", "difference", "rounding", "scenarios", "scores", "switches", "tables")
    assert {f"network_{part}.py" for part in parts} <= names


# -- theory --------------------


def test_theory_of_the_head_is_what_its_linear_model_does(models: str) -> None:
    found = small(models)
    frozen = Frozen(found.problem)
    told = head_theory(frozen)
    retain, forget = found.problem.retain, found.problem.forget
    Z, moved = frozen.Z, frozen.w - frozen.w_init
    labels = Z[forget] @ (frozen.w_init + np.linalg.pinv(Z[retain]) @ Z[retain] @ moved)
    assert told["relabelled"] == np.mean(labels.argmax(axis=1) != frozen.classes)
    assert told["label shift"] < 1e-6  # the labels are the network's own outputs
    assert (told["label-free"], told["own labels"]) == ("VACUOUS", "CERTIFIED")
    assert told["audit of the labels"] == "REFUTED"
    # By explicit weights: what these labels leave of the gap of the head, in the norm of the parameters.
    y = found.problem.targets.astype(float)
    live = (Z[retain] != 0).any(axis=0)
    Z, start = Z[:, live], frozen.w_init[live]

    def end(rows: Any, targets: np.ndarray) -> np.ndarray:
        return np.asarray(start + np.linalg.pinv(Z[rows]) @ (targets - Z[rows] @ start))

    given = y.copy()
    given[forget] = labels
    everyone = np.arange(len(Z))
    gap, nothing = (np.linalg.norm(end(everyone, t) - end(retain, y[retain])) for t in (given, y))
    assert told["gap of the labels"] == pytest.approx(gap / nothing, rel=1e-6)


def test_a_head_with_room_for_the_forgotten_is_relabelled_by_theory() -> None:
    # The control: few retained samples of two classes, so that the projector takes the third away.
    rng = np.random.default_rng(0)
    y = np.repeat(np.arange(3), 6)
    X = np.eye(3, 30)[y] * 3 + 0.1 * rng.standard_normal((18, 30))
    problem = NetworkProblem.pretrain(mlp([30, 64, 3], "tanh"), X, y, forget=y == 2, recipe=Recipe(epochs=60))
    told = head_theory(Frozen(problem))
    assert told["label shift"] > 0.1
    assert not told["degenerate"]


def test_expected_labels_are_those_of_exact_arithmetic(models: str) -> None:
    problem = small(models).problem
    frozen = Frozen(problem)
    for name in ("correct projector", "published (revision 2025-02)", "intention of 2024-10"):
        method = published(name, "class", 0)
        rows = frozen.subset(method)
        Z, moved = frozen.Z[rows], frozen.w - frozen.w_init
        shares = []
        for ridge in (method.ridge_at(0), method.ridge_at(4)):
            sigma, right = np.linalg.svd(Z, full_matrices=False)[1:]
            # λ/(λ + ε), and by the second revision λ/(λ + 1)/ε.
            second = name.endswith("2025-02)")
            weights = sigma**2 / (sigma**2 + 1) / ridge if second else sigma**2 / (sigma**2 + ridge)
            head = frozen.w_init + right.T @ (weights[:, None] * (right @ moved))
            shares.append(np.mean(frozen.outputs(head).argmax(axis=1) != frozen.classes))
        assert relabelled(frozen, method) == pytest.approx(shares, abs=2 / len(problem.forget))


# -- rounding --------------------


def test_rounding_is_measured_against_fifty_digits(models: str) -> None:
    entries = rounding(small(models).problem, "class", 0, (1e-6, 1.0))
    assert len(entries) == 12
    by = {(e["revision"], e["ridge"], e["precision"]): e for e in entries}
    for revision in ("2025-02", "2024-10"):
        for ridge in (1e-6, 1.0):
            exact, double, single = (by[revision, ridge, p] for p in ("50 digits", "float64", "float32"))
            assert (exact["distance"], exact["flipped"]) == (0, 0)
            assert double["distance"] < 1e-4
            assert single["distance"] is None or single["distance"] > 100 * double["distance"]
    rows = summarise_rounding([{"network": "n", "forgetting": "f", "rounding": entries}] * 2)
    assert len(rows) == 12
    assert all(row["runs"] == 2 for row in rows)


def test_an_inverse_that_does_not_exist_is_counted(models: str, monkeypatch: pytest.MonkeyPatch) -> None:
    right = np.linalg.inv

    def singular(a: np.ndarray) -> Any:
        if a.dtype == np.float32:
            raise np.linalg.LinAlgError("on purpose")
        return right(a)

    monkeypatch.setattr(np.linalg, "inv", singular)
    entries = rounding(small(models).problem, "class", 0, (1e-6,))
    rows = summarise_rounding([{"network": "n", "forgetting": "f", "rounding": entries}])
    lost = [row for row in rows if row["precision"] == "float32"]
    assert [(row["no inverse"], row["diverged"]) for row in lost] == [(1, 1), (1, 1)]
    assert all("distance" not in row for row in lost)
    assert sum(row["no inverse"] for row in rows) == 2


def test_a_spread_over_kernels_is_of_one_seed() -> None:
    def item(**values: list[float | None]) -> dict[str, Any]:
        kernels = [{"kernel": f"k{i}", "runs": {n: v[i] for n, v in values.items()}} for i in range(2)]
        return {"network": "n", "kernels": kernels}

    first, second = summarise_kernels([item(a=[0.0, 0.5], b=[1.0, 1.0]), item(a=[0.9, 1.0], b=[1.0, None])])
    assert (first["largest spread"], second["largest spread"]) == (0.5, 0.0)
    assert first["k0"]["mean"] == pytest.approx(0.45)
    assert second["k1"]["n"] == 1
    assert summarise_kernels([]) == []


@pytest.mark.slow
def test_every_kernel_unlearns_the_same_networks(models: str) -> None:
    found = kernel_runs(models, "digits-mlp", "class", 0)
    assert {run["kernel"] for run in found} <= set(KERNELS)
    assert all(0 <= value <= 1 for run in found for value in run["runs"].values() if value is not None)
    for algorithm in ("2025-02, float64", "2024-10, float64"):
        exact = [run["runs"][algorithm] for run in found]
        assert max(exact) - min(exact) < 0.05


# -- differences, and causes --------------------


def linear_problem(seed: int = 0, **settings: Any) -> NetworkProblem:
    """A network that is a linear model."""
    rng = np.random.default_rng(seed)
    X, y = rng.standard_normal((24, 6)), rng.standard_normal((24, 2))
    recipe = Recipe("squared", "gd", 0.05, 40, None)
    usual: dict[str, Any] = {"forget": [0, 5, 9], "recipe": recipe}
    return NetworkProblem.pretrain(mlp([6, 2]), X, y, **(usual | settings)).with_retrained()


def test_a_metric_weighs_the_features() -> None:
    problem = linear_problem()
    plain = kernel_at(problem, problem.pretrained)
    ones = np.ones(problem.net.n_params)
    np.testing.assert_allclose(kernel_at(problem, problem.pretrained, ones).values, plain.values, atol=1e-10)
    np.testing.assert_allclose(
        kernel_at(problem, problem.pretrained, 4 * ones).values, plain.values / 4, atol=1e-10
    )
    metric = adam_metric(problem, problem.pretrained)
    assert metric.shape == ones.shape
    assert metric.min() > 0
    assert np.ptp(metric) > 0


def test_the_study_runs_the_method(models: str) -> None:
    problem = small(models, "random 10 %").problem
    params, told = difference(problem, 3)
    found = DifferenceLabels(seed=3)(problem)
    assert all(np.array_equal(a, b) for a, b in zip(params, found, strict=True))
    assert told["fits"]
    assert told["left, predicted"] <= 0.03 < told["left, measured"] < 1
    # The control: another seed, other batches.
    assert problem.distance(params, DifferenceLabels(seed=4)(problem)) > 0


def test_absolute_labels_inherit_the_error_of_the_view_and_differences_do_not(models: str) -> None:
    found = causes(small(models, "random 10 %").problem, 0)
    labels, runs = found["labels"], found["runs"]
    assert labels["absolute at θ_p"] > labels["difference at θ_p"]
    # The data's own targets on R undo even labels that know θ_r; its outputs on R do not.
    assert runs["oracle on all, 30 epochs"] < runs["oracle on F, data on R, 30 epochs"]
    assert {REORDERED, "difference on all, by theory"} <= set(runs)
    assert 0 < found["theory"]["left, measured"] < 1
    item = {"network": "n", "loss": "l", "forgetting": "f", **found}
    rows = summarise_causes([item, {**item, "runs": dict.fromkeys(runs)}])
    assert all((row["runs"], row["diverged"]) == (2, 1) for row in rows)
    assert all(row["left"]["n"] == 1 for row in rows)
    near = next(row for row in rows if row["what"] == REORDERED)
    assert near["nearer"] == f"{int(near['left']['mean'] < 1 - CLEAR)} of 1"
    (told,) = summarise_theory([item])
    assert told["epochs"]["mean"] == found["theory"]["epochs"]


# -- the campaign --------------------


def test_a_point_measures_every_switch_and_diverged_runs_are_averaged_nowhere(
    models: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(network_paper, "trained", lambda *_, **__: small(models))
    point = {
        "kind": "switches",
        "network": "digits-mlp",
        "forgetting": "class",
        "seed": 0,
        "all": True,
        "few": True,
    }
    found = network_paper.measure(point, models)
    assert [row["switch"] for row in found["rows"]] == list(SWITCHES)
    assert set(found["others"]) == {"doing nothing", REORDERED, "alternating, corrected", "difference labels"}
    assert found["others"]["doing nothing"]["forget output gap"] == 1
    assert all(len(row["expected"]) == 2 for row in found["rows"])
    lost = {**found, "rows": [{**row, "diverged": True} for row in found["rows"]]}
    lost["rows"] = [
        {k: v for k, v in row.items() if k in ("switch", "rate", "batch", "diverged")} for row in lost["rows"]
    ]
    for row in network_paper.summarise([found, lost]):
        if row["rate"] is not None:
            assert (row["runs"], row["diverged"], row["forget accuracy"]["n"]) == (2, 1, 1)
    rows = network_paper.summarise([found])
    result: dict[str, Any] = {
        "rows": rows,
        "theory": network_paper.scenes([found]),
        "printed": network_paper._printed([]),
    }
    result |= {"rounding": [], "kernels": [], "labels": [], "causes": [], "steps": []}
    tables = network_paper.tabulate(result)
    assert "digits-mlp, class" in tables
    assert "digits-mlp, class, all steps" not in tables  # there is one
    other = [{**row, "rate": 0.5, "forget accuracy": 0.25} for row in rows if row["rate"] is not None]
    across = network_paper.tabulate({**result, "rows": rows + other})["digits-mlp, class, all steps"]["rows"]
    for row in other:
        (found,) = (one for one in across if one["switch"] == row["switch"])
        assert found[f"forget, 0.5, {row['batch']}"] == 0.25
        assert found[f"gap in f_F, 0.5, {row['batch']}"] == row["forget output gap"]
    assert all("theirs" in row["whose"] for row in tables["printed"]["rows"])
    assert write(tables)[1].isascii()  # everything has a form in LaTeX


def test_training_that_diverged_is_a_result_of_its_own(monkeypatch: pytest.MonkeyPatch, models: str) -> None:
    def diverge(*_: Any, **__: Any) -> Any:
        raise DivergedError("on purpose")

    monkeypatch.setattr(network_paper, "trained", diverge)
    for kind in ("switches", "rounding", "causes"):
        point = {
            "kind": kind,
            "network": "digits-mlp",
            "forgetting": "class",
            "seed": 0,
            "all": True,
            "few": True,
        }
        assert network_paper.measure(point, models) == {**point, "diverged": True, "reason": "on purpose"}


def test_the_paper_s_numbers_are_marked_as_theirs() -> None:
    item = {"network": "n", "forgetting": "random 1 %", "retrained": {"test": 97.0, "forget": 95.0}}
    rows = network_paper._printed([item, {**item, "forgetting": "class"}])
    assert [row["whose"] for row in rows] == ["theirs, ResNet-18"] * 4 + ["ours"]
    printed = [(row["test"], row["forget"], row["membership"]) for row in rows[:4]]
    assert printed[:2] == [(93.29, 92.96, 79.00), (92.91, 93.57, 80.75)]
    assert printed[2:] == [(76.41, 75.28, 55.44), (75.44, 74.68, 54.59)]
    assert "membership" not in rows[4]
