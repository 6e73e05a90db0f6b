"""Names of earlier versions: whoever asks for one is told the name of today, which exists and is written down."""

from __future__ import annotations

import importlib
import pkgutil
from functools import reduce
from typing import Any

import pytest

import muso_theory
from muso_theory.errors import Renamed, RenamedError
from muso_theory.methods import _RENAMED
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
        ("networks.Training", "networks.TrainedNetwork"),
        *((f"methods.{before}", f"methods.{now}") for before, now in _RENAMED.items()),
    ],
)
def test_an_old_name_of_a_room_tells_the_new_one(name: str, now: str) -> None:
    with pytest.raises(RenamedError, match=f"{name} is called {now} now"):
        reduce(getattr, name.split("."), muso_theory)
    assert reduce(getattr, now.split("."), muso_theory)
    for word in (name, now):
        assert f"`{word}" in CHANGES or f"`{word.removeprefix('methods.')}" in CHANGES


def test_a_name_that_never_was_is_told_as_such() -> None:
    for room in (muso_theory.linear, muso_theory.methods, muso_theory.networks):
        with pytest.raises(AttributeError, match="no attribute 'nothing'"):
            room.nothing  # noqa: B018
