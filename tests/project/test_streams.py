"""Every draw by a seed and a number names its stream, and the numbers are those that results rest on."""

from __future__ import annotations

import ast

from muso_theory import streams
from tests import ROOT

NUMBERS = {
    **{"RETRAINED_MODELS": 0, "UNLEARNED_MODELS": 1},
    **{"FEATURES": 1, "FORGET": 2, "TEST": 11, "NETWORK_LABELS": 1, "TEACHER": 2},
    **{
        "FISHER_NOISE": 3,
        "ORTHOGONAL_GRADIENT": 4,
        "GRADIENT_NOISE": 5,
        "ALTERNATING": 25,
        "WATCHED": 26,
        "PUBLISHED": 27,
    },
    **{"DROPPED": 28, "PROBES": 29, "KERNEL_DRAWS": 30},
}


def seeds(source: str) -> list[ast.Tuple]:
    """Tuples that generators are made from."""
    calls = [node for node in ast.walk(ast.parse(source)) if isinstance(node, ast.Call)]
    made = [
        call for call in calls if isinstance(call.func, ast.Attribute) and call.func.attr == "default_rng"
    ]
    return [arg for call in made for arg in call.args if isinstance(arg, ast.Tuple)]


def named(seed: ast.Tuple) -> bool:
    return isinstance(seed.elts[-1], ast.Name) and seed.elts[-1].id in NUMBERS


def test_every_draw_names_its_stream() -> None:
    found = [seed for path in (ROOT / "muso_theory").rglob("*.py") for seed in seeds(path.read_text("utf-8"))]
    assert [ast.unparse(seed) for seed in found if not named(seed)] == []
    assert {seed.elts[-1].id for seed in found if isinstance(seed.elts[-1], ast.Name)} == NUMBERS.keys()


def test_a_bare_number_is_found() -> None:
    (bare,) = seeds("rng = np.random.default_rng((self.seed, 3))")
    assert not named(bare)


def test_numbers_stay() -> None:
    assert {name: number for name, number in vars(streams).items() if name.isupper()} == NUMBERS
