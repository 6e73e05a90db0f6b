"""Names of earlier versions: whoever asks for one is told the name of today, which exists and is written down."""

from __future__ import annotations

import ast
import importlib
import pkgutil
import re
import subprocess
import sys
from functools import reduce
from typing import Any

import pytest

import muso_theory
from muso_theory.claims.catalogue import CATALOGUE
from muso_theory.descent.updates import _RENAMED as OPTIMIZERS
from muso_theory.errors import Renamed, RenamedError
from muso_theory.methods import _RENAMED, METHODS
from muso_theory.methods.rules import RULES
from tests import ROOT

CHANGES = (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")


def _renamed() -> list[tuple[Any, str, str]]:
    """Classes of the package with an attribute that was renamed."""
    modules = (
        importlib.import_module(module.name)
        for module in pkgutil.walk_packages(muso_theory.__path__, "muso_theory.")
        if not module.name.endswith("__main__")
    )
    classes = {value for module in modules for value in vars(module).values() if isinstance(value, type)}
    return sorted(
        (
            (owner, name, value.now)
            for owner in classes
            for name, value in vars(owner).items()
            if isinstance(value, Renamed)
        ),
        key=lambda found: found[1],
    )


FOUND = _renamed()


def test_some_were_renamed() -> None:
    assert len(FOUND) >= 5


@pytest.mark.parametrize(("owner", "name", "now"), FOUND, ids=[name for _, name, _ in FOUND])
def test_an_old_name_tells_the_new_one(owner: type, name: str, now: str) -> None:
    with pytest.raises(RenamedError, match=f"{owner.__name__}.{name} is called {now} now"):
        getattr(owner, name)
    assert reduce(getattr, now.split("."), muso_theory)
    assert f"`{now}(" in CHANGES
    assert f".{name}" in CHANGES


@pytest.mark.parametrize(
    ("name", "now"),
    [
        ("linear.baselines", "methods"),
        ("linear.rules", "methods.rules"),
        ("networks.unlearning", "methods"),
        ("networks.GradientError", "BadInputError"),
        ("networks.FiniteDifferences", "networks.finite_differences"),
        *((f"evaluation.{before}", "evaluation.Estimate") for before in ("Rate", "Difference")),
        ("networks.Training", "networks.TrainedNetwork"),
        ("linear.METHODS", "linear.OPTIMIZERS"),
        ("pages.Instance", "pages.Observation"),
        ("methods.kernel_alignment", "linear.approximation.centred_alignment"),
        *((f"methods.{before}", f"methods.{now}") for before, now in _RENAMED.items()),
        *((f"descent.updates.{before}", f"descent.updates.{now}") for before, now in OPTIMIZERS.items()),
    ],
)
def test_an_old_name_of_a_room_tells_the_new_one(name: str, now: str) -> None:
    with pytest.raises(RenamedError, match=f"{name} is called {now} now"):
        reduce(getattr, name.split("."), muso_theory)
    assert reduce(getattr, now.split("."), muso_theory)
    for word in (name, now):
        assert f"`{word}" in CHANGES or f"`{word.removeprefix('methods.')}" in CHANGES


def test_an_import_of_an_old_name_is_refused_by_python_alone() -> None:
    """As CHANGELOG says: an import drops what a room answers, which must be an AttributeError for ``hasattr``."""
    with pytest.raises(ImportError, match="cannot import name 'Training'"):
        from muso_theory.networks import Training  # noqa: F401
    with pytest.raises(ImportError, match="No module named"):
        importlib.import_module("muso_theory.networks.layers")
    assert not hasattr(muso_theory.networks, "Training")
    assert "`from muso_theory.networks import Training`" in CHANGES


@pytest.mark.parametrize(
    "name", ["METHODS", "losses", "passes", "plan", "result", "schedules", "sweep", "updates"]
)
def test_an_old_name_of_linear_training_tells_the_new_one(name: str) -> None:
    with pytest.raises(RenamedError, match=rf"linear.training.{name} is called [\w.]+ now"):
        getattr(muso_theory.linear.training, name)


def _advised() -> list[str]:
    """Every name of today that the table of changes or an error tells."""
    rows = re.findall(r"^\|.*\| (.+) \|$", CHANGES, re.MULTILINE)
    names = {re.sub(r"\(.*", "", word) for row in rows for word in re.findall(r"`([^`]+)`", row)}
    told = {now for _, _, now in FOUND} | {f"methods.{now}" for now in _RENAMED.values()}
    return sorted((names | told) - METHODS.keys() - RULES.keys() - CATALOGUE.keys())


_TYPED = """
import sys
missing = []
for name in {names!r}:
    for module in [module for module in sys.modules if module.partition(".")[0] == "muso_theory"]:
        del sys.modules[module]
    import muso_theory as mt
    try:
        eval("mt." + name)
    except AttributeError as error:
        missing.append(name)
print(missing)
"""


def _not_found(names: list[str]) -> list[str]:
    """Which names do not follow from a fresh import of the package alone."""
    script = _TYPED.format(names=names)
    found = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True, cwd=ROOT
    )
    return list(ast.literal_eval(found.stdout))


def test_a_new_name_works_as_it_is_told() -> None:
    names = _advised()
    assert len(names) > 40
    assert "networks.distance.tangent_distance" in names
    assert _not_found(names) == []


def test_a_name_that_is_not_there_is_found_out() -> None:
    wrong = ["networks.distance.tangent_distances", "descent.update.OPTIMIZERS", "nothing"]
    assert _not_found(["networks.softmax", *wrong]) == wrong


def test_a_setting_that_is_told_is_one() -> None:
    settings = re.findall(r"`(methods\.\w+)\((\w+)=", CHANGES)
    assert len(settings) >= 3
    for method, setting in settings:
        assert setting in reduce(getattr, method.split("."), muso_theory).__dataclass_fields__


def test_a_name_that_never_was_is_told_as_such() -> None:
    for room in (
        muso_theory,
        muso_theory.descent,
        muso_theory.linear,
        muso_theory.methods,
        muso_theory.networks,
    ):
        with pytest.raises(AttributeError, match="no attribute 'nothing'"):
            room.nothing  # noqa: B018
