"""Conditions about how a user trains: in Python, by command, and in stored reports."""

from __future__ import annotations

import itertools
import json
from fractions import Fraction
from types import SimpleNamespace

import numpy as np
import pytest
from typer.testing import CliRunner

import muso_theory as mt
from muso_theory.claims import training
from muso_theory.claims.case import Case
from muso_theory.commands.cli import app
from muso_theory.descent.plan import TrainingPlan
from muso_theory.evidence import Verdict
from muso_theory.numbers import NoArithmeticError, Quantity, UndecidedError
from muso_theory.settings import Settings
from tests.zoo import ZOO

CONDITIONS = ("optimizer-in-span", "ostrowski-reich", "stable-step", "enough-epochs")
DYNAMICS = {"convex-loss", "cyclic-sgd", "gd-finite-time", "early-stopping", "momentum", "adaptive-optimizer"}


def square_norm(row):
    return sum((Fraction(float(x)) ** 2 for x in row), Fraction(0))


def verdicts(problem, **plan):
    report = mt.check(problem, ["exact-labels"], **plan)
    return {slug: report[slug].verdict.name for slug in CONDITIONS if slug in report}


def equal_norms(n=8, d=20):
    rng = np.random.default_rng(0)
    features = rng.standard_normal((n, d))
    features /= np.linalg.norm(features, axis=1, keepdims=True)
    return mt.UnlearningProblem(features, rng.standard_normal(n), [1, 5], rng.standard_normal(d))


def test_without_an_optimizer_nothing_is_said_about_training():
    report = mt.check(equal_norms(), arithmetic="rational")
    assert not set(CONDITIONS) & set(report)
    assert "training" not in report.settings
    assert DYNAMICS - set(report) == {"convex-loss"}


def test_an_optimizer_lists_the_claims_about_training_on_large_data_too():
    rng = np.random.default_rng(0)
    large = mt.UnlearningProblem(rng.standard_normal((60, 1000)), rng.standard_normal(60), [0])
    assert not DYNAMICS & set(mt.check(large, arithmetic="float64"))
    report = mt.check(large, arithmetic="float64", optimizer="gd", lr=1e-3)
    assert set(report) >= DYNAMICS
    assert all(report[slug].verdict is Verdict.MEASURED for slug in DYNAMICS)


@pytest.mark.parametrize(
    ("plan", "expected"),
    [
        (("cyclic-sgd", 1.9, 100_000), ("PROVED", "CERTIFIED", "CERTIFIED", "MEASURED")),
        (("cyclic-sgd", 1.9, 2), ("PROVED", "CERTIFIED", "CERTIFIED", "UNDECIDED")),
        (("cyclic-sgd", 2.1, None), ("PROVED", "VACUOUS", "VACUOUS", None)),
        (("cyclic-sgd", "paper", 3_000), ("PROVED", "VACUOUS", "MEASURED", "MEASURED")),
        (("shuffled-sgd", 1.9, 100), ("PROVED", "CERTIFIED", "CERTIFIED", None)),
        (("sgd", 2.1, None), ("PROVED", "VACUOUS", "VACUOUS", None)),
        (("gd", 0.3, 100_000), ("PROVED", None, "CERTIFIED", "MEASURED")),
        (("gd", 5.0, None), ("PROVED", None, "VACUOUS", None)),
        (("nesterov", 0.3, None), ("PROVED", None, "CERTIFIED", None)),
        (("adam", 0.01, 10), ("VACUOUS", None, None, None)),
        (("rmsprop", None, None), ("VACUOUS", None, None, None)),
    ],
    ids=str,
)
def test_verdicts_of_a_plan(plan, expected):
    optimizer, lr, epochs = plan
    found = verdicts(equal_norms(), optimizer=optimizer, lr=lr, epochs=epochs)
    wanted = dict(zip(CONDITIONS, expected, strict=True))
    if lr == "paper":  # γ_0‖φ_0‖² is 2 up to the rounding of the features, which is known exactly
        first = 2 * square_norm(equal_norms().features[0])
        inside = found.pop("ostrowski-reich") in ("PROVED", "CERTIFIED")
        assert inside is (first < 2)
        del wanted["ostrowski-reich"]
        if inside:
            del found["stable-step"], wanted["stable-step"]
    assert found == {slug: verdict for slug, verdict in wanted.items() if verdict}


def test_conditions_agree_with_training():
    problem = equal_norms()
    for lr, converges in ((1.99, True), (2.01, False)):
        assert (verdicts(problem, optimizer="cyclic-sgd", lr=lr)["stable-step"] == "CERTIFIED") is converges
        end = mt.linear.train(problem.features, problem.targets, step_sizes=lr, epochs=1000)
        assert (end.residual_norm < end.initial_residual_norm) is converges


def test_integers_are_held_exactly_to_the_boundary():
    features = np.array([[1, 1, 0], [0, 1, 1]])
    problem = mt.UnlearningProblem(features, np.array([1, 2]), [0])
    assert verdicts(problem, optimizer="cyclic-sgd", lr=1.0)["ostrowski-reich"] == "VACUOUS"
    assert verdicts(problem, optimizer="cyclic-sgd", lr=0.999)["ostrowski-reich"] == "PROVED"


def test_an_adaptive_method_cannot_leave_a_span_that_is_everything():
    found = verdicts(ZOO["under-parameterised"](), optimizer="adam")
    assert found == {"optimizer-in-span": "CERTIFIED"}


def test_the_warning_is_in_the_report():
    evidence = mt.check(equal_norms(), ["exact-labels"], optimizer="adam")["optimizer-in-span"]
    assert "leaves the span" in evidence.meaning
    assert "adaptive-optimizer" in evidence.facts[0]


def test_too_few_epochs_are_counted():
    problem = equal_norms()
    evidence = mt.check(problem, ["exact-labels"], optimizer="cyclic-sgd", lr=1.0, epochs=3)["enough-epochs"]
    needed = int(evidence.facts[1].removeprefix("--epochs ").split()[0])
    for epochs, name in ((needed, "MEASURED"), (needed - 1, "UNDECIDED")):
        assert verdicts(problem, optimizer="cyclic-sgd", lr=1.0, epochs=epochs)["enough-epochs"] == name


BAD = [
    ({"lr": 0.1}, "optimizer"),
    ({"epochs": 3}, "optimizer"),
    ({"optimizer": "adm"}, "'adam'"),
    ({"optimizer": "gd", "lr": -1.0}, "positive number"),
    ({"optimizer": "gd", "lr": [0.1, 0.2]}, "a number or text or None"),
    ({"optimizer": "gd", "lr": np.array([0.1, 0.2])}, "a number or text or None"),
    ({"optimizer": "gd", "lr": 10**400}, "positive number"),
    ({"optimizer": "gd", "lr": True}, "a number or text or None"),
    ({"optimizer": "momentum", "lr": 0.1, "momentum": [0.5]}, "momentum"),
    ({"optimizer": "gd", "lr": "paper"}, "constant step"),
    ({"optimizer": "gd", "lr": "fast"}, "positive number"),
    ({"optimizer": "gd", "lr": 0.1, "epochs": 0}, "an integer of at least 1"),
    ({"optimizer": "gd", "epochs": 5}, "step size beside"),
    ({"optimizer": "momentum", "lr": 0.1, "momentum": 1.0}, "momentum"),
    ({"claims": ["stable-step"]}, "optimizer, step and epochs"),
    ({"claims": ["ostrowski-reich"], "optimizer": "gd", "lr": 0.1}, "about gd"),
]


@pytest.mark.parametrize(("settings", "words"), BAD, ids=lambda value: str(value))
def test_bad_plans_are_refused(settings, words):
    with pytest.raises(mt.BadInputError, match=words):
        mt.check(equal_norms(), **settings)


def test_by_command_with_recheck(tmp_path):
    problem = equal_norms()
    path, stored = tmp_path / "data.npz", tmp_path / "report.json"
    np.savez(path, features=problem.features, y=problem.targets, forget=problem.forget)
    run = CliRunner().invoke
    words = [
        "check",
        str(path),
        "--optimizer",
        "cyclic-sgd",
        "--lr",
        "1.5",
        "--epochs",
        "5000",
        "--json",
        str(stored),
    ]
    done = run(app, words)
    assert done.exit_code == 0, done.output
    assert "stable-step" in done.stdout
    document = json.loads(stored.read_text(encoding="utf-8"))
    assert document["settings"]["training"] == {
        "optimizer": "cyclic-sgd",
        "lr": "1.5",
        "epochs": 5000,
        "momentum": "0.9",
    }
    again = run(app, ["recheck", str(stored), str(path)])
    assert again.exit_code == 0, again.output
    # What the report does not say about training is missed.
    from muso_theory.checking.report import digest

    del document["settings"]["training"]
    del document["digest"]
    stored.write_text(json.dumps(document | {"digest": digest(document)}), encoding="utf-8")
    forged = run(app, ["recheck", str(stored), str(path)])
    assert forged.exit_code != 0
    document["settings"]["training"] = {"optimizer": "gd"}
    stored.write_text(json.dumps(document), encoding="utf-8")
    assert run(app, ["recheck", str(stored), str(path)]).exit_code == 2
    assert run(app, [*words[:4], "--lr", "2.5"]).exit_code == 3
    assert run(app, ["check", str(path), "--optimizer", "adam"]).exit_code == 3
    assert run(app, ["check", str(path), "--lr", "2.5"]).exit_code == 2


def test_a_first_step_in_the_span_certifies_no_adaptive_method():
    # The first step of Adam is (1, 1, 1), a row; later ones are no combination of the rows.
    problem = mt.UnlearningProblem(np.array([[1.0, 1, 1], [0, 1, -1]]), np.array([3.0, 0.5]), [1])
    assert verdicts(problem, optimizer="adam", lr=0.1)["optimizer-in-span"] == "VACUOUS"
    # Here every step is in the span, and no number of steps would prove it.
    problem = mt.UnlearningProblem(np.array([[1.0, 1, 0, 0], [0, 0, 1, 1]]), np.array([3.0, 0.5]), [1])
    assert verdicts(problem, optimizer="adam", lr=0.1)["optimizer-in-span"] == "MEASURED"


@pytest.mark.parametrize("arithmetic", ["float64", "auto", "ball"])
@pytest.mark.parametrize("method", ["gd", "momentum", "nesterov"])
def test_the_largest_stable_step_is_named_to_one_percent(method, arithmetic):
    problem = equal_norms()
    report = mt.check(problem, ["stable-step"], arithmetic=arithmetic, optimizer=method, lr=1e-3)
    named = float(report["stable-step"].facts[0].split("< ")[1])
    largest = float(np.linalg.eigvalsh(problem.features @ problem.features.T)[-1])
    assert named == pytest.approx(mt.linear.training.step_limit(method, 0.9) / largest, rel=1e-2)


@pytest.mark.parametrize("method", ["gd", "momentum", "nesterov"])
@pytest.mark.parametrize("largest", [3, 7, 13, 29])
def test_a_step_below_the_named_limit_is_stable(method, largest):
    """So the limit is rounded down: 2/3 of 1/λ_max is named as .666666 and not as .666667."""
    features = np.diag(np.sqrt([largest, 1.0])) @ np.eye(2, 3)
    problem = mt.UnlearningProblem(features, np.array([1.0, 2.0]), [1])
    for arithmetic in ("float64", "rational"):
        plan = (
            {"optimizer": method, "lr": 1e-3, "momentum": 0.5}
            if method != "gd"
            else {"optimizer": method, "lr": 1e-3}
        )
        report = mt.check(problem, ["stable-step"], arithmetic=arithmetic, **plan)
        named = Fraction(report["stable-step"].facts[0].split("< ")[1])
        limit = Fraction({"gd": 2.0, "momentum": 3.0, "nesterov": 1.5}[method]) / largest
        assert limit * (1 - Fraction(1, 10**5)) < named <= limit


def test_numbers_of_numpy_are_stored_as_numbers():
    plan = {
        "optimizer": "momentum",
        "lr": np.float32(0.5),
        "momentum": np.float64(0.5),
        "epochs": np.int64(5),
    }
    settings = json.loads(mt.check(equal_norms(), ["stable-step"], **plan).to_json())["settings"]
    assert settings["training"] == {"optimizer": "momentum", "lr": "0.5", "epochs": 5, "momentum": "0.5"}


@pytest.mark.parametrize("lr", [1e-320, 1e308])
@pytest.mark.parametrize("optimizer", ["gd", "momentum", "nesterov", "cyclic-sgd", "shuffled-sgd", "sgd"])
def test_absurd_steps_get_a_verdict(optimizer, lr):
    found = verdicts(equal_norms(), optimizer=optimizer, lr=lr, epochs=1000)
    # Rows whose products underflow are squared exactly.
    assert (found["stable-step"] in ("PROVED", "CERTIFIED")) is (lr < 1)
    assert found.get("enough-epochs", "UNDECIDED") == "UNDECIDED"


@pytest.mark.parametrize(("scale", "verdict"), [(0.0, "PROVED"), (1e200, "VACUOUS")])
def test_features_beyond_floats_are_decided_exactly(scale, verdict):
    problem = mt.UnlearningProblem(scale * np.ones((3, 4)), np.ones(3), [1])
    found = verdicts(problem, optimizer="cyclic-sgd", lr=0.1, epochs=10)
    assert found["stable-step"] == verdict


SIZES = {
    "underflow": [[1.0, 0.0], [0.0, 1e-170], [1.0, 1.0]],
    "subnormal": [[1.0, 0.0], [0.0, 5e-324], [1.0, 1.0]],
    "near underflow": [[1.0, 0.0], [1e-162, 1e-162], [1.0, 1.0]],
    "overflow": [[1e200, 0.0], [0.0, 1.0], [1.0, 1.0]],
    "zero": [[1.0, 0.0], [0.0, 0.0], [1.0, 1.0]],
    "ordinary": [[0.1, 0.7], [0.3, 0.2], [0.9, 0.4]],
}


@pytest.mark.parametrize("lr", [0.1, 1e-300, 1e-10, 1.0])
@pytest.mark.parametrize("name", SIZES)
def test_sizes_of_steps_are_enclosed_beyond_the_range_of_floats(name, lr):
    problem = mt.UnlearningProblem(np.array(SIZES[name]), np.array([1.0, 2.0, 3.0]), [0])
    row = mt.check(problem, ["ostrowski-reich"], optimizer="sgd", lr=lr, asserted=["ostrowski-reich"])
    evidence = row["ostrowski-reich"]
    truth = [Fraction(lr) * square_norm(x) for x in SIZES[name]]
    below, smallest = (finding.quantity for finding in evidence.findings)
    assert below.lower <= 2 - max(truth) <= below.upper
    assert smallest.lower <= min(truth) <= smallest.upper
    holds = evidence.verdict in (Verdict.PROVED, Verdict.CERTIFIED)
    assert holds is (min(truth) > 0 and max(truth) < 2)
    assert holds or evidence.verdict is Verdict.REFUTED


@pytest.mark.parametrize("count", [3, 60_000])
def test_rows_of_which_there_are_too_many_are_enclosed(count):
    features = np.ones((count, 2))
    features[1] = 1e-170
    problem = mt.UnlearningProblem(features, np.ones(count), [0])
    evidence = mt.check(problem, ["ostrowski-reich"], "float64", optimizer="sgd", lr=1.0)["ostrowski-reich"]
    below, smallest = (finding.quantity for finding in evidence.findings)
    assert below.lower <= 0 <= below.upper
    assert smallest.lower <= 2 * Fraction(1e-170) ** 2 <= smallest.upper
    assert evidence.verdict is Verdict.VACUOUS


@pytest.mark.parametrize(
    ("lr", "optimizer", "verdict"),
    [
        (np.nextafter(2.0, 0), "sgd", "CERTIFIED"),
        (2.0, "sgd", "VACUOUS"),
        (2.0, "cyclic-sgd", "VACUOUS"),
        (np.nextafter(2.0, 3), "sgd", "VACUOUS"),
        (np.nextafter(2.0, 0), "gd", "CERTIFIED"),
        (2.0, "gd", "VACUOUS"),
        (2.5, "gd", "VACUOUS"),
    ],
)
@pytest.mark.parametrize("dtype", [float, int])
def test_the_boundary_is_decided_exactly_on_small_data(lr, optimizer, verdict, dtype):
    problem = mt.UnlearningProblem(np.eye(3, dtype=dtype), np.array([1, 2, 3], dtype=dtype), [0])
    evidence = mt.check(problem, ["stable-step"], optimizer=optimizer, lr=lr)["stable-step"]
    assert evidence.verdict.name.replace("PROVED", "CERTIFIED") == verdict
    assert "some" not in evidence.summary


@pytest.mark.parametrize("method", ["gd", "momentum", "nesterov"])
@pytest.mark.parametrize(
    ("share", "stable"), [(0.75, True), (0.95, True), (0.999999, True), (1.000001, False)]
)
def test_the_step_of_small_float_data_is_decided_by_proof(method, share, stable):
    problem = equal_norms()
    largest = float(np.linalg.eigvalsh(problem.features @ problem.features.T)[-1])
    lr = share * mt.linear.training.step_limit(method, 0.9) / largest
    for arithmetic in ("auto", "ball", "rational"):
        row = mt.check(problem, ["stable-step"], arithmetic, optimizer=method, lr=lr)["stable-step"]
        found = ("CERTIFIED", "PROVED") if stable else ("VACUOUS",)
        assert row.verdict.name in found, arithmetic


def test_pivots_of_a_matrix_that_is_not_definite_are_followed_to_the_first_that_is_not_positive():
    # K = [[1, 2], [2, 5]] has λ_max = 3 + 2√2; at t = 5.8 the first pivot is positive, and the second is not.
    problem = mt.UnlearningProblem(np.array([[1, 0], [2, 1]]), np.array([1, 2]), [0])
    for t, stable in ((5.8, False), (5.83, True)):
        row = mt.check(problem, ["stable-step"], optimizer="gd", lr=2 / t)["stable-step"]
        assert row.verdict.name == ("PROVED" if stable else "VACUOUS")


@pytest.mark.parametrize("optimizer", ["gd", "nesterov", "sgd", "cyclic-sgd"])
def test_words_about_steps_that_no_float_names(optimizer):
    def facts(features):
        problem = mt.UnlearningProblem(features, np.zeros(3), [0])
        return mt.check(problem, ["stable-step"], optimizer=optimizer, lr=0.1)["stable-step"]

    zero = facts(np.zeros((3, 3)))
    assert "any step is stable" in zero.facts[0]
    assert zero.verdict.name in ("PROVED", "CERTIFIED")
    huge = facts(1e200 * np.eye(3))
    assert "beyond the range of float64" in huge.facts[0]
    assert huge.verdict is Verdict.VACUOUS
    partly = facts(np.diag([1.0, 1.0, 0.0]))
    assert "inf" not in partly.facts[0]
    assert "stable for γ < " in partly.facts[0]


@pytest.mark.parametrize(("scale", "words"), [(0.0, "for any η"), (1e200, "beyond the range of float64")])
def test_the_condition_on_steps_names_no_limit_of_zero(scale, words):
    problem = mt.UnlearningProblem(scale * np.eye(3), np.zeros(3), [0])
    for arithmetic in ("auto", "rational", "float64"):
        row = mt.check(problem, ["step-size"], arithmetic)["step-size"]
        assert not any("η < 0" in fact for fact in row.facts), arithmetic
        assert not row.facts or words in row.facts[0]


def test_an_adaptive_method_leaves_no_gap_where_the_rows_span_everything():
    def row(features):
        problem = mt.UnlearningProblem(features, np.array([1, 2, 3]), [0])
        return mt.check(problem, ["adaptive-optimizer"])["adaptive-optimizer"]

    full, thin = row(np.eye(3, dtype=int)), row(np.eye(3, 5, dtype=int))
    assert full.verdict is thin.verdict is Verdict.PROVED
    assert "no gap stays" in full.facts[-1]
    assert not any("no gap" in fact for fact in thin.facts)
    assert "leaves a gap" not in full.meaning


@pytest.mark.parametrize("lr", [1e217, 1e-100])
def test_the_limit_of_features_whose_squares_overflow_is_not_searched_for(lr):
    # One column: the factors of Φ stay finite where its squares do not.
    problem = mt.UnlearningProblem(np.array([[1e67], [-3e159], [0.0], [0.0]]), np.ones(4), [0])
    row = mt.check(problem, ["stable-step"], optimizer="cyclic-sgd", lr=lr)["stable-step"]
    assert row.verdict is Verdict.UNDECIDED


# -- what float64 trains with, and what is proved --------------------------------------------------------


def near_duplicates(n: int, d: int) -> mt.UnlearningProblem:
    """Two rows 1e-9 apart with opposite targets: w_p is enormous, and float64 cuts its direction off."""
    rng = np.random.default_rng(0)
    X, y = rng.standard_normal((n, d)), rng.standard_normal(n)
    X[-1], y[-1] = X[-2] + 1e-9 * rng.standard_normal(d), -y[-2]
    return mt.UnlearningProblem(X, y, [n - 1])


@pytest.mark.parametrize("arithmetic", ["auto", "float64", "ball", "rational"])
def test_training_that_float64_cannot_see_is_not_called_enough(arithmetic: str) -> None:
    problem = near_duplicates(4, 6)
    row = mt.check(problem, ["enough-epochs"], arithmetic, optimizer="gd", lr=0.05, epochs=400)[
        "enough-epochs"
    ]
    assert row.verdict is mt.Verdict.UNDECIDED
    if arithmetic != "float64":
        assert row.needs.startswith("nothing in this package decides it")
        assert "whose w_p and w_r are off by ≥ " in row.needs


@pytest.mark.parametrize("optimizer", ["gd", "cyclic-sgd", "momentum"])
def test_a_direction_that_float64_cuts_off_keeps_its_gap(optimizer: str) -> None:
    problem = mt.UnlearningProblem(np.array([[1e-8, 0.0], [0.0, 1.0]]), np.ones(2), [0])
    row = mt.check(problem, ["enough-epochs"], optimizer=optimizer, lr=1.0, epochs=2)["enough-epochs"]
    assert row.verdict is mt.Verdict.UNDECIDED
    assert "Fine-tuning may stop" not in row.meaning
    good = mt.UnlearningProblem(np.array([[0.9, 0.0], [0.0, 1.0]]), np.ones(2), [0])
    row = mt.check(good, ["enough-epochs"], optimizer=optimizer, lr=0.5, epochs=900)["enough-epochs"]
    assert row.verdict is mt.Verdict.MEASURED


def test_iterates_of_larger_data_are_measured_only_beside_the_same_start() -> None:
    from muso_theory.claims.following import _SMALL

    problem = near_duplicates(_SMALL[0] + 4, 90)
    row = mt.check(problem, ["gd-finite-time"])["gd-finite-time"]
    assert row.verdict in (mt.Verdict.CERTIFIED, mt.Verdict.UNDECIDED)  # by balls: floats cannot
    assert row.arithmetic != "verified float64"


@pytest.mark.filterwarnings("error")
def test_training_that_diverges_is_told_without_warnings_of_numpy() -> None:
    rng = np.random.default_rng(3)
    problem = mt.UnlearningProblem(rng.standard_normal((6, 9)), rng.standard_normal(6), [0, 3])
    for optimizer in ("gd", "momentum", "cyclic-sgd"):
        row = mt.check(problem, ["enough-epochs"], optimizer=optimizer, lr=10.0, epochs=100)["enough-epochs"]
        assert row.verdict is mt.Verdict.UNDECIDED  # a measurement refutes nothing


# -- sizes of steps, in floats and exactly -------------------------------------------------------------


def scaled_rows(n: int = 9, d: int = 4) -> dict[str, np.ndarray]:
    """Rows whose squares are ordinary, zero, beyond the floats on either side, or beside the boundary of 2."""
    rng = np.random.default_rng(3)
    rows = rng.standard_normal((n, d))
    mixed = rows.copy()
    mixed[2], mixed[4], mixed[6] = 0, 2.0**-600 * rows[4], 2.0**600 * rows[6]
    beside = rows / 8
    beside[1], beside[5] = [2, 0, 0, 0], [2, 2.0**-27, 0, 0]
    small = rows * np.ldexp(1.0, -np.arange(n))[:, None] * 2.0**-446  # squares pass 2⁻⁹⁰⁰ on the way
    return {"ordinary": rows, "mixed": mixed, "beside 2": beside, "tiny": small, "equal": np.ones((n, d))}


@pytest.mark.parametrize("entries", [0, 8, 10**6])
@pytest.mark.parametrize("name", scaled_rows())
def test_sizes_of_steps_enclose_the_exact_ones(name, entries, monkeypatch):
    monkeypatch.setattr(training, "_EXACT_ENTRIES", entries)
    rows, lr = scaled_rows()[name], 0.5
    problem = mt.UnlearningProblem(rows, np.ones(len(rows)), [1])
    plan = TrainingPlan.from_words("cyclic-sgd", lr, None, 0.9)
    smallest, largest, where = training._sizes(Case(problem, None, Settings(training=plan)))
    exact = [Fraction(lr) * square_norm(row) for row in rows]
    assert smallest.lower <= min(exact) <= smallest.upper
    assert largest.lower <= max(exact) <= largest.upper
    row = int(where.removeprefix("sample "))
    if entries > 8:
        # Exact where floats see nothing, and as near as they do elsewhere.
        for found, value in ((smallest, min(exact)), (largest, max(exact))):
            assert found.upper <= found.lower * (1 + Fraction(1, 2**46)), name
            assert value == 0 or found.upper > 0
        assert exact[row] >= max(exact) * (1 - Fraction(1, 2**46))
        if name == "beside 2":
            assert largest.lower == largest.upper == max(exact) > 2
    elif name in ("ordinary", "equal"):
        assert exact[row] >= max(exact) * (1 - Fraction(1, 2**46))


@pytest.mark.parametrize(
    ("below", "above", "words"),
    [
        ((-1, -1), (1, 1), "some γ_i‖φ_i‖² are above 2 and some below"),
        ((0, 0), (0, 1), "the largest γ_i‖φ_i‖² is 2"),
        ((0, 0), (1, 1), "the largest γ_i‖φ_i‖² is 2"),
        ((-1, 0), (1, 1), "not known"),
        ((-1, -1), (0, 1), "not known"),
        ((-1, 1), (1, 1), "not known"),
    ],
)
def test_where_sizes_lie_is_told_as_far_as_it_is_known(below, above, words):
    assert words in training._beside_two(Quantity.enclosure(*above), Quantity.enclosure(*below))


def test_words_about_two_are_true_of_all_numbers_that_the_enclosures_allow():
    ends = (-2, 0, 1)
    pairs = [(low, high) for low in ends for high in ends if low <= high]
    for above, below in itertools.product(pairs, repeat=2):
        words = training._beside_two(Quantity.enclosure(*above), Quantity.enclosure(*below))
        # 2 − min and 2 − max: some are above 2 where the latter is negative, some below where the former is positive.
        assert ("some γ_i‖φ_i‖² are above 2" in words) is (below[1] < 0 < above[0])
        assert ("the largest γ_i‖φ_i‖² is 2" in words) is (below == (0, 0))


@pytest.mark.parametrize(
    ("low", "tighter"), [(0.0, True), (0.4, True), (0.5, False), (0.6, False), (2.0, False)]
)
def test_tighter_bounds_are_asked_for_only_where_they_may_decide(low, tighter, monkeypatch):
    """A gap of 1 beside a limit of ½: what float64 is off by is known to lie between `low` and 2."""
    predicted = SimpleNamespace(gap=lambda epochs: 1.0, doing_nothing=1.0)
    monkeypatch.setattr(training, "predict_training", lambda *args, **kwargs: predicted)
    case = SimpleNamespace(
        settings=SimpleNamespace(limit=Fraction(1, 2), training=TrainingPlan("gd", 0.1, 5)),
        problem=equal_norms(),
        model=None,
        float_error=Quantity.enclosure(low, 2.0),
        doing_nothing=Quantity.measured(1.0),
    )
    with pytest.raises((UndecidedError, NoArithmeticError)) as raised:
        training._enough_epochs(case)
    assert isinstance(raised.value, NoArithmeticError) is not tighter
    assert ("tighter bounds" in str(raised.value)) is tighter
