"""What is left out means the same everywhere: one name of a setting has one number that it defaults to."""

from __future__ import annotations

import ast
from collections import defaultdict
from collections.abc import Iterator

from tests import ROOT

PACKAGE = ROOT / "muso_theory"

OWN: dict[str, set[str]] = {
    "alpha": {"FisherNoise", "Scrub", "SynapticDampening"},
    "batch_size": {"Published"},
    "bits": {"Quantity.outward"},
    "budget": {"Settings", "shrink"},
    "digits": {"feature_error", "round_digits"},
    "epochs": {"DifferenceLabels", "Recipe"},
    "epsilon": {"Hyper", "_jitter"},
    "heads": {"tiny_transformer"},
    "learning_rate": {"Published"},
    "level": {"audit_guarantee"},
    "max_samples": {"kernel_approximation", "small_networks"},
    "momentum": {"BatchNorm", "step_limit"},
    "ridge": {"RidgeLabels", "RidgeMethod", "Settings", "labels", "optimal_labels"},
    "ridge_lag": {"Alternating", "Published"},
    "scale": {"BadTeacher", "is_constant"},
    "seconds": {"Runner.__init__", "derive", "find_chain", "find_combination"},
    "steps": {"DifferenceLabels", "linear_outputs", "smallest_eigenvalue_estimate"},
    "tolerance": {"Alternating", "Alternation", "check_gradients", "signatures", "train"},
}
"""Names of settings, with whose default is another: it is another thing, or a method's own."""


def functions(tree: ast.AST, prefix: str = "") -> Iterator[tuple[str, ast.AST]]:
    """All functions and classes, by qualified name."""
    for node in ast.iter_child_nodes(tree):
        if isinstance(node, ast.FunctionDef | ast.ClassDef):
            yield f"{prefix}{node.name}", node
            yield from functions(node, f"{prefix}{node.name}.")
        else:
            yield from functions(node, prefix)


def defaults(node: ast.AST) -> Iterator[tuple[str, ast.expr]]:
    """Parameters of a function and fields of a class, with their defaults."""
    if isinstance(node, ast.FunctionDef):
        last = [*node.args.posonlyargs, *node.args.args][::-1]
        yield from ((a.arg, d) for a, d in zip(last, node.args.defaults[::-1], strict=False))
        pairs = zip(node.args.kwonlyargs, node.args.kw_defaults, strict=True)
        yield from ((a.arg, d) for a, d in pairs if d is not None)
    elif isinstance(node, ast.ClassDef):
        for field in node.body:
            if isinstance(field, ast.AnnAssign) and isinstance(field.target, ast.Name) and field.value:
                yield field.target.id, field.value


def numbers() -> dict[str, dict[float, set[str]]]:
    """By name of the setting and its default, whose it is."""
    found: dict[str, dict[float, set[str]]] = defaultdict(lambda: defaultdict(set))
    for path in sorted(PACKAGE.rglob("*.py")):
        for owner, node in functions(ast.parse(path.read_text(encoding="utf-8"))):
            for name, default in defaults(node):
                try:
                    value = ast.literal_eval(default)
                except ValueError:
                    continue
                if isinstance(value, int | float) and not isinstance(value, bool):
                    found[name][value].add(owner)
    return found


def test_one_name_has_one_default() -> None:
    several = {}
    for name, by_value in numbers().items():
        shared = {value: owners - OWN.get(name, set()) for value, owners in by_value.items()}
        left = {value: owners for value, owners in shared.items() if owners}
        if len(left) > 1:
            several[name] = left
    assert several == {}


def test_every_exception_is_one() -> None:
    found = numbers()
    for name, owners in OWN.items():
        assert owners <= set().union(*found[name].values()), name
        assert len(found[name]) > 1, name
        for who in found[name].values():
            assert who <= owners or not who & owners, (name, who)


def test_every_seed_is_zero_where_none_is_given() -> None:
    assert set(numbers()["seed"]) == {0}
