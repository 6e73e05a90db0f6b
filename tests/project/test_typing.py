"""What a type checker tells those who use the package."""

from __future__ import annotations

import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

import muso_theory as mt
from tests import ROOT

RIGHT = """
import numpy as np

import muso_theory as mt

rows = np.array([[1, 0, 1], [1, 1, 0], [2, 1, 1]])
problem = mt.UnlearningProblem(rows, targets=np.array([1, 2, 5]), forget=[2])
also = mt.UnlearningProblem([[1.0, 0.0], [0.0, 1.0]], [1.0, 2.0], forget=[2], w_init=[0.0, 0.0])
report: mt.Report = mt.check(problem, ["exact-labels", "label-free"])
certified: bool = report["exact-labels"].verdict is mt.Verdict.CERTIFIED
bound: float | None = report["exact-labels"].bound
solution: mt.Solution = mt.solve(problem)
gap: float = mt.parameter_gap(problem, solution.forget_labels)
page: str = report.to_json() + report.to_markdown()


def rule(problem: mt.UnlearningProblem) -> object:
    return 0 * problem.targets[problem.forget]


found: mt.Counterexample | None = mt.refute(rule, max_examples=10)
unlearned: mt.Unlearned = mt.unlearn(problem, "label-free")
features = mt.GaussianFeatures(n_features=100, bandwidth=2.0, seed=0)
words: str = mt.claims["exact-labels"].words
"""

WRONG = {
    "mt.chekc(problem)": 'Module has no attribute "chekc"',
    "mt.UnlearningProblem(problem.features, problem.targets, forgte=[2])": 'Unexpected keyword argument "forgte"',
    "mt.GaussianFeatures(13, 2000)": "Too many positional arguments",
    'mt.check(problem)["exact-labels"].verdikt': '"Evidence" has no attribute "verdikt"',
    "mt.refute(1)": 'Argument 1 to "refute" has incompatible type "int"',
}


def _told(folder: Path, **files: str) -> dict[str, list[str]]:
    """What mypy --strict, as this project runs it, says of each file."""
    for name, source in files.items():
        (folder / f"{name}.py").write_text(source, encoding="utf-8")
    paths = [str(folder / f"{name}.py") for name in files]
    options = ["--no-error-summary", "--strict", "--hide-error-context", "--no-pretty"]
    ran = subprocess.run(
        [sys.executable, "-m", "mypy", *options, *paths],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=600,
    )
    assert not ran.stderr, ran.stderr
    lines = ran.stdout.splitlines()
    return {name: [line for line in lines if Path(line.split(":")[0]).stem == name] for name in files}


@pytest.mark.slow
def test_a_project_that_uses_the_package(tmp_path: Path) -> None:
    pytest.importorskip("mypy")
    wrong = "import numpy as np\nimport muso_theory as mt\n"
    wrong += "problem = mt.UnlearningProblem(np.eye(3), [1, 2, 3], [0])\n" + "\n".join(WRONG)
    named = "import muso_theory as mt\n" + "\n".join(f"mt.{name}" for name in mt.__all__)
    told = _told(tmp_path, right=RIGHT, wrong=wrong, named=named)
    assert told["right"] == []
    assert told["named"] == []  # every public name is known, though it is loaded when it is first used
    for number, (line, words) in enumerate(WRONG.items(), 4):
        assert any(f":{number}: error: {words}" in text for text in told["wrong"]), (line, *told["wrong"])


def test_the_package_says_that_it_is_typed() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    assert "py.typed" in project["tool"]["setuptools"]["package-data"]["muso_theory"]
    assert (ROOT / "muso_theory" / "py.typed").is_file()
