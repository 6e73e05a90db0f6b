"""What every method has in common: a registry, kinds of problems that it serves, settings that count for one."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field, fields, replace
from typing import Any, get_args, get_type_hints

import numpy as np
import pytest

import muso_theory as mt
from muso_theory.errors import BadInputError
from muso_theory.methods import (
    METHODS,
    BadTeaching,
    Descent,
    Method,
    NoUnlearning,
    RandomRelabelling,
    RidgeFineTuning,
    Scrub,
    serving,
)
from muso_theory.methods.rules import RULES
from muso_theory.networks import NetworkProblem, Recipe, mlp
from tests import ROOT
from tests.zoo import ZOO


def network() -> NetworkProblem:
    X = np.random.default_rng(0).standard_normal((9, 4))
    net, recipe = mlp([4, 5, 3]), Recipe(epochs=2)
    return NetworkProblem.pretrain(net, X, np.arange(9) % 3, forget=[1, 4, 5], recipe=recipe)


def problem(kind: str) -> Any:
    return network() if kind == "network" else ZOO["several-outputs"]()


def test_every_method_serves_one_kind_of_problem_or_both() -> None:
    linear, networks = serving("linear"), serving("network")
    assert linear.keys() | networks.keys() == METHODS.keys()
    assert linear.keys() & networks.keys()
    assert linear.keys() - networks.keys()
    assert networks.keys() - linear.keys()
    assert list(METHODS)[:2] == ["retraining", "none"]
    assert all(method.name == name for name, method in METHODS.items())


def test_the_documentation_names_eleven_methods_of_one_paper_that_serve_both() -> None:
    page = (ROOT / "docs" / "how-to" / "network.md").read_text(encoding="utf-8")
    rows = re.findall(r"^\| [^|]+ \| `([^`]+)` \| `([^`]+)` \|$", page, re.MULTILINE)
    assert len(rows) == 11
    both = serving("linear").keys() & serving("network").keys()
    for name, kind in rows:
        assert name in both
        assert METHODS[name].__name__ == kind


@pytest.mark.parametrize("kind", ["linear", "network"])
@pytest.mark.parametrize("name", METHODS)
def test_a_method_refuses_the_kind_that_it_does_not_serve(name: str, kind: Any) -> None:
    method, given = METHODS[name](), problem(kind)
    if method.serves(kind):
        assert len(method(given)) > 0
        return
    with pytest.raises(mt.BadInputError, match=f"method {name}"):
        method(given)


def others(name: str, setting: str) -> list[Any]:
    """Values of a setting that are not its usual one, on either side of it."""
    usual = getattr(METHODS[name](), setting)
    if isinstance(usual, Descent):
        return [replace(usual, epochs=usual.epochs + 1)]
    if isinstance(usual, str):  # of the words that its type allows
        return [word for word in get_args(get_type_hints(METHODS[name])[setting]) if word != usual]
    if isinstance(usual, bool) or not usual:
        return [not usual if isinstance(usual, bool) else 1]
    return [usual + 1, usual / 2 if isinstance(usual, float) else max(1, usual - 1)]


IDLE = [
    (name, f.name, kind)
    for name in serving("linear").keys() & serving("network").keys()
    for kind in ("linear", "network")
    for f in fields(METHODS[name])
    if f.name not in METHODS[name].settings(kind)
]


@pytest.mark.parametrize(("name", "setting", "kind"), sorted(IDLE))
def test_a_setting_that_would_be_ignored_is_refused(name: str, setting: str, kind: Any) -> None:
    usual = METHODS[name]()
    for other in others(name, setting):
        with pytest.raises(
            mt.BadInputError, match=f"expected {setting} for .* problems only .*; try leaving"
        ):
            replace(usual, **{setting: other})(problem(kind))


@pytest.mark.parametrize("name", serving("network"))
def test_a_method_of_networks_that_draws_repeats_by_its_seeds(name: str) -> None:
    method, given = METHODS[name], network()
    known = method.settings("network")

    def made(seed: int) -> Method:
        settings: dict[str, Any] = {"seed": seed} if "seed" in known else {}
        if "descent" in known:
            settings["descent"] = replace(method().descent, seed=seed, batch_size=1)
        elif "batch_size" in known:
            settings["batch_size"] = 3
        return method(**settings)

    first, again, other = (made(seed)(given) for seed in (1, 1, 2))
    assert all(np.array_equal(a, b) for a, b in zip(first, again, strict=True))
    assert (given.distance(first, other) > 0) == bool({"seed", "descent"} & {*known})


@pytest.fixture
def entered() -> Iterator[None]:
    """What a test enters into the registry leaves it."""
    before = dict(METHODS)
    yield
    METHODS.clear()
    METHODS.update(before)


WORDS = {"formula": "w_p", "source": "this test", "exactness": "not exact"}


def named(name: str, qualname: str, **body: Any) -> Any:
    """A new class of methods, as a class statement in some function makes it."""
    return type(qualname, (Method,), {"name": name, "__module__": __name__, "__qualname__": qualname, **body})


@pytest.mark.usefixtures("entered")
def test_a_class_with_a_name_enters_the_registry() -> None:
    @dataclass(frozen=True)
    class Twice(Method):
        name = "doing-nothing-twice"
        formula, source, exactness = "w_p", "this test", "not exact"

        def on_network(self, problem: NetworkProblem) -> list[Any]:
            return list(problem.pretrained)

    assert METHODS["doing-nothing-twice"] is Twice
    assert "doing-nothing-twice" in serving("network")
    assert "doing-nothing-twice" not in serving("linear")


@pytest.mark.usefixtures("entered")
@pytest.mark.parametrize("name", ["retraining", "mine"])
def test_a_name_that_another_class_has_is_refused(name: str) -> None:
    if name == "mine":
        named(name, "Mine", **WORDS)
    kept = METHODS[name]
    message = (
        f"expected a name of its own but got name={name} .that of {kept.__qualname__}.; try another name"
    )
    with pytest.raises(mt.BadInputError, match=message):
        named(name, "Yours", **WORDS)
    assert METHODS[name] is kept


@pytest.mark.usefixtures("entered")
def test_a_class_may_be_defined_again() -> None:
    """As in a notebook whose cell is run twice, and by `dataclass` with slots, which makes the class anew."""
    before = named("mine", "Mine", **WORDS)
    again = named("mine", "Mine", **WORDS)
    assert METHODS["mine"] is again is not before


@pytest.mark.usefixtures("entered")
@pytest.mark.parametrize("missing", WORDS)
def test_a_named_class_says_what_it_is(missing: str) -> None:
    given = {word: text for word, text in WORDS.items() if word != missing}
    with pytest.raises(
        mt.BadInputError,
        match=f"expected a {missing} of method mine, in words but got class=Mine .without.; try {missing} = ",
    ):
        named("mine", "Mine", **given)
    assert "mine" not in METHODS
    inherited = type("Inherited", (type("Family", (Method,), given),), {"name": "mine", missing: "w_p"})
    assert METHODS["mine"] is inherited


@pytest.mark.usefixtures("entered")
def test_a_setting_whose_default_is_made_is_idle_at_that_value() -> None:
    @dataclass(frozen=True)
    class Chosen(Method):
        name = "chosen"
        formula, source, exactness = "w_p", "this test", "not exact"
        layers: list[int] = field(default_factory=list, metadata={"only": "network"})

        def on_linear(self, problem: mt.UnlearningProblem) -> Any:
            return METHODS["none"]().on_linear(problem)

    assert len(Chosen()(problem("linear"))) > 0
    with pytest.raises(mt.BadInputError, match="expected layers for network problems only"):
        Chosen([1])(problem("linear"))


def test_label_rules_serve_networks_too() -> None:
    given = network()
    own, forget = given.targets, given.forget
    np.testing.assert_array_equal(mt.OriginalLabels()(given), own[forget])
    np.testing.assert_array_equal(mt.ZeroLabels()(given), 0 * own[forget])
    np.testing.assert_allclose(mt.MeanLabel()(given), np.tile(own[given.retain].mean(axis=0), (3, 1)))
    aim = given.outputs(given.retrain(), forget).argmax(axis=1)
    np.testing.assert_array_equal(mt.HardLabels()(given), np.eye(3)[aim])
    drawn = np.array([mt.RandomLabels(seed)(given) for seed in range(20)])
    assert set(drawn.ravel()) == {0.0, 1.0}
    assert (drawn.sum(axis=2) == 1).all()
    assert not (drawn * own[forget]).any()  # never its own class
    assert (drawn.mean(axis=0) > 0).sum() == 6  # every other one comes up
    with pytest.raises(mt.BadInputError, match="UnlearningProblem"):
        mt.RandomLabels().expected_square_gap(given)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "name", [name for name, method in METHODS.items() if "seed" in method.settings("linear")]
)
def test_seeds_that_are_none_are_refused(name: str) -> None:
    problem = mt.UnlearningProblem(np.eye(5, 8), np.arange(5.0), [1])
    with pytest.raises(BadInputError, match="a non-negative integer"):
        METHODS[name](seed=-1)  # type: ignore[call-arg]
    if not METHODS[name].serves("linear"):
        return
    with pytest.raises(BadInputError, match="a non-negative integer"):
        mt.unlearn(problem, name, seed=-1)


NONSENSE = {
    "alpha": [0.0],
    "ascents": [-1, 0.5],
    "batch_size": [0, 1.5],
    "beta": [0.0, 1.5],
    "dampening": [0.0, np.inf],
    "damping": [-1.0],
    "decay": [0.0, 1.5],
    "epochs": [-1, 1.5],
    "fraction": [0.0],
    "gamma": [0.0],
    "inverse_temperature": [0.0, np.nan],
    "iterations": [0, True],
    "learning_rate": [0.0, np.inf],
    "left": [0.0, 1.0, np.nan],
    "max_bytes": [0, 1.5],
    "momentum": [1.0],
    "optimizer": ["rmsprop"],
    "oracle_stop": [-0.1],
    "penalty": [-1.0],
    "radius": [0.0, np.inf],
    "relabel_every": [0],
    "ridge": [-1.0],
    "samples": [0, 2.5],
    "scale": [-1.0, np.inf],
    "seed": [-1, 0.5, True],
    "sigma": [-1.0],
    "step_size": [0.0],
    "steps": [0, 1.5],
    "strength": [-1.0],
    "subset": [0],
    "training": [0, 1.5],
}
"""Settings by name, whatever has them, and what none of them can be."""

MADE: list[Any] = [*METHODS.values(), *RULES.values(), Descent, Recipe]

SET = [(kind, f.name) for kind in MADE for f in fields(kind) if f.name in NONSENSE]


def test_every_setting_with_a_range_is_tried() -> None:
    words = {
        "descent",
        "diagonal",
        "feature_shift",
        "frozen",
        "head",
        "labels",
        "linearised_at",
        "precision",
        "projector",
        "loss",
        "revision",
        "rule",
        "saliency",
        "sampling",
        "schedule",
        "view",
        "relabel",
    }
    free = {"ridge_lag", "tolerance", "watch", "weight_decay"}  # alternating and recipes: when they run
    have = {f.name for kind in MADE for f in fields(kind)}
    assert have - words - free == NONSENSE.keys()


@pytest.mark.parametrize(("kind", "setting"), SET)
def test_a_setting_out_of_range_is_refused_where_it_is_made(kind: Any, setting: str) -> None:
    kind(**{setting: getattr(kind(), setting)})
    for value in NONSENSE[setting]:
        with pytest.raises(BadInputError, match=f"{setting}.*; try"):
            kind(**{setting: value})


def ends(words: str) -> tuple[list[float], list[float]]:
    """What a range that is told in words allows and refuses at its very ends."""
    if found := re.search(r"an integer of at least (\d+)|a non-negative integer", words):
        least = int(found[1] or 0)
        return [least, least + 1], [least - 1]
    if found := re.search(r"([(\[])(\d), (\d)([)\]])", words):
        (left, low, high, right), inf = found.groups(), np.inf
        low, high = float(low), float(high)
        inner = [
            np.nextafter(low, inf) if left == "(" else low,
            np.nextafter(high, 0) if right == ")" else high,
        ]
        outer = [
            low if left == "(" else np.nextafter(low, -inf),
            high if right == ")" else np.nextafter(high, inf),
        ]
        return inner, outer
    if "≥ 0" in words or "nonnegative" in words:
        return [0.0, 5e-324, 1e308], [-5e-324, np.inf]
    assert "positive" in words, words
    return [5e-324, 1e308], [0.0, np.inf]


LAYERS = [
    lambda **words: mt.networks.BatchNorm(4, **words),
    mt.networks.Dropout,
    mt.networks.SelfAttention,
]
UNRANGED = {"optimizer", "momentum"}  # one is no number, the other counts beside some of it only
SINGLE = [
    (kind, name)
    for kind, name in SET
    if name not in UNRANGED and not isinstance(getattr(kind(), name), tuple)
]
RANGES = [*SINGLE, *zip(LAYERS, ("momentum", "rate", "heads"), strict=True)]


@pytest.mark.parametrize(("kind", "setting"), RANGES)
def test_a_range_ends_where_the_words_of_its_refusal_say(kind: Any, setting: str) -> None:
    with pytest.raises(BadInputError) as refusal:
        kind(**{setting: -1})
    words = str(refusal.value).partition(" but got ")[0]
    allowed, refused = ends(words)
    for value in allowed:
        kind(**{setting: value})
    for value in refused:
        with pytest.raises(BadInputError, match=f"^{re.escape(words)} but got {setting}="):
            kind(**{setting: value})


@pytest.mark.usefixtures("entered")
def test_a_class_of_a_user_with_checks_of_its_own_has_its_seed_checked_when_called() -> None:
    @dataclass(frozen=True)
    class Mine(Method):
        seed: int = 0
        name, formula, source, exactness = "mine", "w_p", "a test", "not exact"

        def __post_init__(self) -> None:
            """Nothing of its base."""

        def on_linear(self, problem: mt.UnlearningProblem) -> Any:
            return METHODS["none"]().on_linear(problem)

    problem = mt.UnlearningProblem(np.eye(5, 8), np.arange(5.0), [1])
    Mine(seed=3)(problem)
    with pytest.raises(BadInputError, match="a non-negative integer but got seed=-1"):
        Mine(seed=-1)(problem)


def test_a_setting_of_the_fine_tuning_is_told_where_it_goes() -> None:
    """The command takes it beside the others; a class takes a descent, and says the one that would do the same."""
    told = r"try descent=Descent\(epochs=3, learning_rate=0.01, optimizer='gd', batch_size=64, seed=0\)"
    with pytest.raises(BadInputError, match=f"a setting of Scrub: alpha, .* but got epochs=3 .*{told}"):
        Scrub(epochs=3)  # type: ignore[call-arg]
    assert Scrub().descent == Descent(optimizer="gd", learning_rate=1e-2)
    with pytest.raises(BadInputError, match="seed"):  # what would be refused there is refused here
        Scrub(seed=-1)  # type: ignore[call-arg]
    for method, wrong, hint in (
        ("scrub", "alhpa", "try 'alpha'"),
        ("retraining", "ridge", "try leaving it out"),
    ):
        with pytest.raises(BadInputError, match=hint):
            METHODS[method](**{wrong: 1.0})
    with pytest.raises(TypeError, match="positional"):  # how many there are is for Python to say
        NoUnlearning(1)  # type: ignore[call-arg]


def test_a_class_of_a_user_may_take_what_it_likes() -> None:
    class Own(Method):
        def __init__(self, **settings: int) -> None:
            self.kept = settings

    assert Own(strange=3).kept == {"strange": 3}


def test_a_penalty_that_leaves_no_step_is_refused_as_such() -> None:
    problem = mt.UnlearningProblem(np.eye(3, 4), np.ones(3), [1])
    with pytest.raises(BadInputError, match=r"penalty=1e\+308 \(too large\)"):
        RidgeFineTuning(penalty=1e308)(problem)
    assert np.isfinite(RidgeFineTuning(penalty=8e307)(problem)).all()


@pytest.mark.parametrize("word", ["formula", "source", "exactness"])
def test_a_class_cannot_say_what_it_is_by_none(word: str) -> None:
    with pytest.raises(mt.BadInputError, match=r"in words but got class=Mine \(int\)"):
        type("Mine", (Method,), {**WORDS, word: 3, "name": "mine"})
    assert "mine" not in METHODS


def test_settings_of_one_kind_come_by_name_where_they_might_be_taken_for_others() -> None:
    """What only networks read has a name, in every method, and of a relabelling only the rule's own settings have none.

    Else a class that adds a setting to its rule's would have it after all of the fine-tuning.
    """
    for method in METHODS.values():
        for setting in fields(method):
            assert setting.kw_only or setting.metadata.get("only") != "network", (method, setting.name)
    assert BadTeaching(3, 0.25) == BadTeaching(seed=3, scale=0.25)
    with pytest.raises(TypeError, match="positional"):
        RandomRelabelling(3, None)
