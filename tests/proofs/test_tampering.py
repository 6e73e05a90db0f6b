"""Tampering: mutated certificates are rejected by both checkers, or are still correct proofs of the same statements.

MUSO_MUTATIONS=5000 runs the long version; hashes are recomputed after every mutation, so that nothing is rejected
for a hash alone.
"""

import copy
import importlib.util
import json
import os
import random
import sys
from collections import Counter
from types import ModuleType
from typing import Any

import pytest

from muso_theory.algebra.checker import uses
from muso_theory.algebra.derivation import content_hash
from muso_theory.algebra.polynomial import Polynomial
from muso_theory.algebra.statement import parse_statement
from muso_theory.claims.theorems.library import check_certificate, prove
from muso_theory.claims.theorems.registry import THEOREMS, slugs
from muso_theory.errors import MusoError
from tests import ROOT

ROOM = ROOT / "proofs"
SMALL = (
    "exact-labels",
    "label-free",
    "forget-only",
    "newton-removal",
    "gd-finite-time",
    "start-span",
    "downsampling",
)


def load_check() -> ModuleType:
    """proofs/check.py as a module; it is not part of the package."""
    spec = importlib.util.spec_from_file_location("proofs_check", ROOM / "check.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules["proofs_check"] = module
    spec.loader.exec_module(module)
    return module


check = load_check()
REGISTERED = check.read_statements((ROOM / "statements.txt").read_text(encoding="utf-8"))


def verdicts(bundle: Any) -> tuple[bool, bool]:
    """Accepted by the package, accepted by the standard-library checker."""
    try:
        check.check(bundle, REGISTERED)
        second = True
    except check.Rejected:
        second = False
    return check_certificate(bundle).accepted, second


def rehash(bundle: Any) -> None:
    """Record the hashes that belong to the mutated proofs; cycles keep wrong ones."""
    try:
        nodes = {node["name"]: node for node in bundle["theorems"]}
        for _ in range(6):
            for node in bundle["theorems"]:
                wanted = dict(uses(node))
                for step in node["steps"]:
                    if step.get("rule") == "lemma" and step["lemma"] in nodes:
                        step["hash"] = content_hash(nodes[step["lemma"]])
                    if step.get("rule") == "induction":
                        base, rest = wanted
                        step["base"], step["step"] = content_hash(nodes[base]), content_hash(nodes[rest])
    except (KeyError, TypeError, AttributeError, IndexError, MusoError):
        return


def combinations(bundle: Any) -> list[tuple[Any, Any]]:
    """All combination steps with their theorem."""
    return [
        (n, s) for n in bundle["theorems"] for s in n["steps"] if s["rule"] == "combination" and s["terms"]
    ]


def mutate(bundle: Any, rng: random.Random) -> str:
    """Change one thing in place; the name of what was changed."""
    node, step = rng.choice(combinations(bundle))
    term = rng.choice(step["terms"])
    other = rng.choice(step["terms"])
    facts = [t[2] for _, s in combinations(bundle) for t in s["terms"]]
    words = [w for _, s in combinations(bundle) for t in s["terms"] for w in (t[1], t[3])]
    lines = node["statement"]
    lemma_steps = [s for n in bundle["theorems"] for s in n["steps"] if s["rule"] == "lemma"]
    names = [n["name"] for n in bundle["theorems"]]
    kind = rng.choice(
        ["coefficient", "sign", "word", "letter", "fact", "prime", "drop", "twice", "swap-words", "line", "drop-line",
         "type", "schema", "cycle", "lemma-value", "conclusion", "order", "trial", "trial-size", "label", "square",
         "step-drop", "theorem-drop", "rename", "shuffle", "witness", "json"]
    )  # fmt: skip
    if kind == "coefficient":
        term[0] = rng.choice(["2", "0", "1/2", "-1", "1", "-2", "01", "1.0", "1e0", "", "1/0"])
    elif kind == "sign":
        term[0] = term[0][1:] if term[0].startswith("-") else "-" + term[0]
    elif kind == "word":
        term[rng.choice([1, 3])] = rng.choice(words)
    elif kind == "letter":
        side = rng.choice([1, 3])
        letters = term[side].split(" ")
        i = rng.randrange(len(letters))
        letters[i] = rng.choice([letters[i] + "'", letters[i].rstrip("'"), "Phi", "", "I"])
        term[side] = " ".join(letters)
    elif kind == "fact":
        term[2] = rng.choice(facts)
    elif kind == "prime":
        term[2] = term[2][:-1] if term[2].endswith("'") else term[2] + "'"
    elif kind == "drop":
        step["terms"].remove(term)
    elif kind == "twice":
        step["terms"].append(list(term))
    elif kind == "swap-words":
        term[1], other[1] = other[1], term[1]
    elif kind == "line":
        i = rng.randrange(len(lines))
        lines[i] = rng.choice(lines)
    elif kind == "drop-line":
        lines.pop(rng.randrange(len(lines)))
    elif kind == "type":
        i = rng.randrange(len(lines))
        lines[i] = (
            lines[i].replace(" x D", " x n", 1) if " x D" in lines[i] else lines[i].replace(" x c", " x D", 1)
        )
    elif kind == "schema":
        i = rng.randrange(len(lines))
        lines[i] = rng.choice(
            [lines[i].replace("pinv", "matrix"), lines[i].replace("assume", "let"),
             lines[i].replace("let ", "assume x: "), lines[i].replace("Phi_R", "Phi"),
             lines[i].replace("without", "assume"), lines[i] + " "]
        )  # fmt: skip
    elif kind == "cycle" and lemma_steps:
        rng.choice(lemma_steps)["lemma"] = rng.choice(names)
    elif kind == "lemma-value" and lemma_steps:
        values = rng.choice(lemma_steps)["with"]
        values[rng.choice(list(values))] = rng.choice([*values.values(), "Phi", "0", "I", "2 w_0"])
    elif kind == "conclusion":
        step["conclusion"] = rng.choice(
            [s["conclusion"] for _, s in combinations(bundle)] + ["0 = 0", "w_r = w_r"]
        )
    elif kind == "order":
        i = rng.randrange(len(node["steps"]))
        node["steps"].insert(0, node["steps"].pop(i))
    elif kind in ("trial", "trial-size", "label"):
        tried = [n for n in bundle["theorems"] if "trials" in n]
        trials = rng.choice(tried)["trials"]
        models = [trials["model"], *(m for t in trials["hypotheses"].values() for m in t.values())]
        model = rng.choice(models)
        if kind == "trial":
            matrix = model["matrices"][rng.choice(list(model["matrices"]))]
            rng.choice(matrix)[0] = rng.choice(["0", "1", "-1", "7", "1/3"])
        elif kind == "trial-size":
            model["sizes"][rng.choice(list(model["sizes"]))] = rng.choice([0, 1, 2, 9, True, 10**9])
        elif trials["hypotheses"]:
            label = rng.choice(list(trials["hypotheses"]))
            trial = trials["hypotheses"].pop(label)
            if rng.random() < 0.5:
                trials["hypotheses"][label] = {
                    "redundant" if "needed" in trial else "needed": next(iter(trial.values()))
                }
    elif kind == "square":
        squares = [s for n in bundle["theorems"] for s in n["steps"] if s["rule"] == "cancellation"]
        if squares:
            chosen = rng.choice(squares)
            chosen["squares"][0][0] = rng.choice(["-1", "0", "2"])
            chosen["conclusion"] = rng.choice([chosen["conclusion"], "w_r = 0"])
    elif kind == "step-drop":
        node["steps"].pop(rng.randrange(len(node["steps"])))
    elif kind == "theorem-drop":
        bundle["theorems"].pop(rng.randrange(len(bundle["theorems"])))
    elif kind == "rename":
        node["name"] = rng.choice([*names, "exact-labels", "lemma/x"])
    elif kind == "shuffle":
        rng.shuffle(step["terms"])
    elif kind == "witness":
        named = [s for n in bundle["theorems"] for s in n["steps"] if s["rule"] == "witness"]
        if named:
            rng.choice(named)["value"] = rng.choice(
                ["ytilde_F", "Phi_F w_r", "2 Phi_F w_r", "a", "0 Phi_F w_r"]
            )
    elif kind == "json":
        key = rng.choice(["format", "version", "claim", "theorems"])
        bundle[key] = rng.choice([None, 1, True, 1.0, "x", [], {}, "exact-labels", "lemma"])
    return kind


def sympy_sums_agree(bundle: Any) -> bool:
    """A third opinion, slow: expand every combination with sympy's noncommutative symbols."""
    import sympy as sp

    for node in bundle["theorems"]:
        if node["steps"][0]["rule"] == "induction":
            continue
        statement = parse_statement(node["name"], node["statement"])
        symbols: dict[str, Any] = {}

        def word(letters: Any, symbols: dict[str, Any] = symbols) -> Any:
            result = sp.Integer(1)
            for letter in letters:
                result = result * symbols.setdefault(letter, sp.Symbol(letter, commutative=False))
            return result

        def poly(p: Polynomial) -> Any:
            return sum(
                (sp.Rational(c.numerator, c.denominator) * word(w) for w, c in p.terms.items()), sp.Integer(0)
            )

        from muso_theory.algebra.expression import parse_equation
        from muso_theory.algebra.instance import Instance

        facts = {key: fact.polynomial for key, fact in statement.facts.items()}
        for i, step in enumerate(node["steps"], 1):
            if step["rule"] == "lemma":
                lemma = parse_statement(step["lemma"], THEOREMS[step["lemma"]].lines)
                for k, conclusion in enumerate(Instance(lemma, statement, step["with"]).conclusions, 1):
                    facts[f"step({i}).{k}"] = conclusion
                continue
            if step["rule"] == "witness":
                facts[f"step({i})"] = parse_equation(
                    f"{step['symbol']} = {step['value']}", statement.signature
                )
                continue
            goal = facts[f"step({i})"] = parse_equation(step["conclusion"], statement.signature)
            if step["rule"] == "combination":
                total = sp.Integer(0)
                for c, left, key, right in step["terms"]:
                    g = facts[key.removesuffix("'")]
                    g = g.transpose() if key.endswith("'") else g
                    a, b = word(left.split(" ") if left else []), word(right.split(" ") if right else [])
                    total += sp.Rational(c) * sp.expand(a * poly(g) * b)
                if sp.expand(total - poly(goal)) != 0:
                    return False
    return True


@pytest.fixture(scope="module")
def bundles() -> dict[str, Any]:
    """Certificates as files would give them."""
    return {slug: json.loads(json.dumps(prove(slug).certificate)) for slug in slugs()}


@pytest.mark.slow
def test_both_checkers_accept_every_certificate(bundles: dict[str, Any]) -> None:
    for slug, bundle in bundles.items():
        assert verdicts(bundle) == (True, True), slug


@pytest.mark.slow
def test_mutations(bundles: dict[str, Any]) -> None:
    count = int(os.environ.get("MUSO_MUTATIONS", "200"))
    rng = random.Random(20240809)
    outcomes: Counter[str] = Counter()
    unchanged = accepted = 0
    while outcomes.total() < count:
        original = bundles[rng.choice(SMALL)]
        bundle = copy.deepcopy(original)
        kind = mutate(bundle, rng)
        rehash(bundle)
        if json.dumps(bundle) == json.dumps(original):
            unchanged += 1
            continue
        first, second = verdicts(bundle)
        assert first == second, (kind, check_certificate(bundle))
        outcomes[f"{kind}: {'accepted' if first else 'rejected'}"] += 1
        if first:
            accepted += 1
            for node in bundle["theorems"]:
                assert node["statement"] == list(THEOREMS[node["name"]].lines), kind
            if accepted <= 20 or kind != "shuffle":
                assert sympy_sums_agree(bundle), kind
    print(
        f"\n{count} mutations ({unchanged} draws changed nothing), {accepted} still correct:",
        dict(sorted(outcomes.items())),
    )
    assert count - accepted > count // 2


def test_sympy_expands_to_the_same(bundles: dict[str, Any]) -> None:
    for slug in ("exact-labels", "newton-removal", "forget-only"):
        assert sympy_sums_agree(bundles[slug])
    broken = copy.deepcopy(bundles["exact-labels"])
    combinations(broken)[0][1]["terms"].pop()
    assert not sympy_sums_agree(broken)
