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
from muso_theory.errors import Renamed, RenamedError
from muso_theory.former import FORMER
from muso_theory.methods import METHODS
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
    with pytest.raises(RenamedError, match=f"{owner.__name__}.{name} is replaced by {now};"):
        getattr(owner, name)
    assert reduce(getattr, now.split("."), muso_theory)
    assert f"`{now}(" in CHANGES
    assert f".{name}" in CHANGES


@pytest.mark.parametrize(("before", "now"), FORMER.items(), ids=FORMER)
def test_an_old_name_of_a_module_tells_the_new_one(before: str, now: str) -> None:
    home, _, name = before.rpartition(".")
    module = importlib.import_module(f"muso_theory.{home}" if home else "muso_theory")
    with pytest.raises(RenamedError, match=rf"^{before} is replaced by {now}; see CHANGELOG.md$"):
        getattr(module, name)
    assert f"`{before}" in CHANGES or f"`{name}" in CHANGES or f"`.{name}`" in CHANGES
    assert f"`{now}" in CHANGES


def test_an_old_name_that_is_not_in_the_table_tells_nothing() -> None:
    for module in (muso_theory.networks.distance, muso_theory.pages.details, muso_theory.claims):
        with pytest.raises(AttributeError, match="no attribute 'Nothing'"):
            module.Nothing  # noqa: B018


def test_an_import_of_an_old_name_is_refused_by_python_alone() -> None:
    """As CHANGELOG says: an import drops what a room answers, which must be an AttributeError for ``hasattr``."""
    with pytest.raises(ImportError, match="cannot import name 'Training'"):
        from muso_theory.networks import Training  # noqa: F401
    with pytest.raises(ImportError, match="No module named"):
        importlib.import_module("muso_theory.networks.layers")
    assert not hasattr(muso_theory.networks, "Training")
    assert "`from muso_theory.networks import Training`" in CHANGES


def _advised() -> list[str]:
    """Every name of today that the first table of changes, or an error of a class, tells."""
    rows = re.findall(r"^\|.*\| (.+) \|$", CHANGES.partition("Names that files had")[0], re.MULTILINE)
    names = {re.sub(r"\(.*", "", word) for row in rows for word in re.findall(r"`([^`]+)`", row)}
    told = {now for _, _, now in FOUND}
    return sorted((names | told) - METHODS.keys() - RULES.keys() - CATALOGUE.keys())


_TYPED = """
import sys
missing = []
for name in {names!r}:
    for module in [module for module in sys.modules if {anew} and module.partition(".")[0] == "muso_theory"]:
        del sys.modules[module]
    import muso_theory as mt
    try:
        eval("mt." + name)
    except AttributeError as error:
        missing.append(name)
print(missing)
"""


def _not_found(names: list[str], *, anew: bool = True) -> list[str]:
    """Which names do not follow from an import of the package alone, fresh for each of them or for all together."""
    script = _TYPED.format(names=names, anew=anew)
    found = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True, cwd=ROOT
    )
    return list(ast.literal_eval(found.stdout))


def test_a_new_name_works_as_it_is_told() -> None:
    names = _advised()
    assert len(names) > 40
    assert "networks.distance.tangent_distance" in names
    assert _not_found(names) == []


def test_what_replaces_names_of_modules_works_as_it_is_told() -> None:
    assert _not_found(sorted({*FORMER.values()}), anew=False) == []


def test_a_name_that_is_not_there_is_found_out() -> None:
    wrong = ["networks.distance.tangent_distances", "descent.update.OPTIMIZERS", "nothing"]
    for anew in (True, False):
        assert _not_found(["networks.softmax", *wrong], anew=anew) == wrong


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
