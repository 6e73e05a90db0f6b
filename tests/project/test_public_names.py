"""Every name that a room exports is used in some test, and the small ones that no other test needs are used here."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import numpy as np
import pytest
from matplotlib.figure import Figure

import muso_theory as mt
from muso_theory import data, inputs, networks, numbers, pages, plots, refutation
from muso_theory.errors import MusoError
from muso_theory.evaluation import log_probabilities, probabilities
from muso_theory.evidence import NOTHING, Audit, at_most
from tests import ROOT


def exported(package: Path) -> dict[str, str]:
    """The names in ``__all__`` of rooms, with the room; those made from tables are read from what is imported."""
    found = {name: "muso_theory" for name in mt.__all__ if not name.startswith("_")}
    for file in package.rglob("__init__.py"):
        for node in ast.parse(file.read_text(encoding="utf-8")).body:
            if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "__all__":
                listed = node.value.elts if isinstance(node.value, ast.List | ast.Tuple) else []
                found |= {str(e.value): file.parent.name for e in listed if isinstance(e, ast.Constant)}
    return found


def test_every_exported_name_is_in_some_test() -> None:
    text = "\n".join(path.read_text(encoding="utf-8") for path in (ROOT / "tests").rglob("*.py"))
    names, words = exported(ROOT / "muso_theory"), set(re.findall(r"\w+", text))
    assert len(names) > 250
    assert {name: room for name, room in names.items() if name not in words} == {}


def test_styles_name_what_they_have() -> None:
    assert len(plots.COLOURS) >= 6
    assert len(set(plots.MARKERS)) == len(plots.MARKERS) >= len(plots.COLOURS)
    for form in plots.FORMATS:
        plots.check_style("plain", form=form)
    for wrong in (
        {"venue": "nature"},
        {"venue": "plain", "width": "wide"},
        {"venue": "plain", "form": "gif"},
    ):
        with pytest.raises(MusoError, match="try"):
            plots.check_style(**wrong)
    svg = plots.inline_svg(Figure(), "one", "A title", "What is seen")
    assert 'role="img"' in svg
    assert "What is seen" in svg


@pytest.mark.parametrize("name", networks.ACTIVATIONS)
def test_slopes_of_activations_are_those_of_differences(name: str) -> None:
    function: networks.Nonlinearity = networks.nonlinearity(name)
    x = np.array([-1.7, -0.3, 0.4, 2.1])
    (above, _), (below, _) = (function.value_and_slope(x + h) for h in (1e-6, -1e-6))
    value, slope = function.value_and_slope(x)
    np.testing.assert_allclose((above - below) / 2e-6, slope, rtol=1e-7, atol=1e-9)
    np.testing.assert_allclose(value, (above + below) / 2, rtol=1e-9, atol=1e-9)


def test_log_probabilities_are_logs_and_do_not_underflow() -> None:
    z = np.array([[0.3, -1.0, 2.0], [0.0, 0.0, 0.0]])
    np.testing.assert_allclose(log_probabilities(z), np.log(probabilities(z)), rtol=1e-12)
    assert log_probabilities([[0.0, 5000.0]]).tolist() == [[-5000.0, 0.0]]


def test_a_search_says_what_it_covered(tmp_path: Path) -> None:
    file = tmp_path / "rules.py"
    file.write_text("def zero(problem):\n    return 0 * problem.targets[problem.forget]\n")
    named = refutation.NamedRule(f"{file}:zero")
    assert (named.name, named.kind) == (f"{file}:zero", "labels")
    found = mt.refute_report(lambda problem: mt.optimal_labels(problem), max_examples=20, guided=0)
    coverage: refutation.Coverage = found.coverage
    assert found.counterexample is None
    assert coverage.tried == sum(coverage.structures.values()) == sum(coverage.sizes.values()) > 0


def test_small_words() -> None:
    assert {"digits", "breast_cancer"} <= set(data.BUILTIN)
    assert at_most(numbers.Quantity.enclosure(0.25, 0.5)) == "≤ 0.5"
    exact = numbers.Quantity.exact(0)
    assert Audit("gap", exact, NOTHING).verdict is mt.Verdict.PROVED
    assert Audit("gap", numbers.Quantity.enclosure(1, 2), NOTHING).verdict is mt.Verdict.REFUTED
    assert issubclass(numbers.NoArithmeticError, numbers.UndecidedError)
    problem = mt.UnlearningProblem(np.eye(2, 3), np.ones(2), [0])
    found = pages.details(problem, mt.check(problem, "exact-labels"))
    assert isinstance(found, pages.Details)
    assert isinstance(inputs.prepare(inputs.Source("digits", n_features=8)), inputs.Prepared)
