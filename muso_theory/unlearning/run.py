"""Unlearn by a method, and report labels, parameters and membership, each with its evidence."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import fields, replace
from typing import Any, overload

import numpy as np

from ..arguments import checked
from ..arrays import Array
from ..checking.report import Report
from ..checking.run import check_with
from ..claims import CATALOGUE
from ..errors import expected, nearest
from ..evidence import About
from ..former import former
from ..inputs import Prepared, Source, prepare
from ..inputs.networks import RECIPE_OPTIONS, of_problem, prepare_network
from ..linear.handed import Handed
from ..linear.problem import UnlearningProblem, require_problem
from ..linear.solution import solve
from ..methods import METHODS, BadTeaching, Descent, Method, Relabelling, serving
from ..methods.method import Kind
from ..networks.problem import NetworkProblem
from ..networks.recipe import Recipe
from ..numbers import Grade
from ..settings import Settings
from .network import UnlearnedNetwork, unlearn_networks
from .scoring import attacks, scored_parts, scores
from .unlearned import RETRAINED, UNTOUCHED, Unlearned

__all__ = ["made", "made_all", "started", "unlearn", "unlearn_prepared"]
former(__name__)


def made(method: object, settings: Mapping[str, Any], seed: int = 0, kind: Kind = "linear") -> Method:
    """A method for linear models or for networks.

    Args:
        settings: its fields, for a name; of a method for networks that fine-tunes, those of its `Descent`, too.
        seed: of a method that draws and has none among its settings.
        kind: "linear" or "network".

    Raises:
        BadInputError: an unknown name (the nearest is told), a method of the other kind, or a setting that it has not.

    Example:
        >>> made("ridge-labels", {"ridge": 0.5}).ridge
        0.5
        >>> made("fine-tuning", {"epochs": 3}, kind="network").descent.epochs
        3
        >>> made("label-fre", {})
        Traceback (most recent call last):
        muso_theory.errors.BadInputError: expected an unlearning method but got method=label-fre (unknown); try ...
    """
    if isinstance(method, Method):
        if settings:
            name = next(iter(settings))
            raise expected("settings beside a name", name, settings[name], "beside a method", "replace(…)")
        return method
    able = serving(kind)
    if method not in able:
        if method in METHODS:
            what, other = ("linear models", "networks") if kind == "linear" else ("networks", "linear models")
            hint = (
                ("--network SPEC" if kind == "linear" else "leaving out --network")
                + ", or "
                + ", ".join(able)
            )
            raise expected(f"a method for {what}", "method", method, f"for {other} only", hint)
        raise expected("an unlearning method", "method", method, "unknown", nearest(str(method), able))
    made_of = able[str(method)]
    known = _settings(made_of, kind)
    for name, value in settings.items():
        if name not in known:
            what = f"a setting of {method}: {', '.join(known) or 'it has none'}"
            hint = nearest(name, known, "leaving it out")
            of_recipe = {option: field for field, option in RECIPE_OPTIONS.items()}.get(name)
            if kind == "network" and of_recipe:
                first = f"{of_recipe}=… of the method, or " if of_recipe in known else ""
                hint = f"{first}recipe=Recipe({of_recipe}=…) of the network's own training"
            raise expected(what, name, value, "unknown", hint)
    own = made_of.settings(kind)
    chosen = {**({"seed": seed} if "seed" in own else {}), **{k: v for k, v in settings.items() if k in own}}
    if kind == "network" and "descent" in own and "descent" not in settings:
        inner = {name: value for name, value in settings.items() if name not in own}
        usual = made_of().descent  # type: ignore[attr-defined]
        chosen["descent"] = replace(usual, **{"seed": seed, **inner})
    return made_of(**chosen)


def _settings(method: type[Method], kind: Kind) -> tuple[str, ...]:
    """What can be set of a method: its own settings, and those of the fine-tuning that it does."""
    own = method.settings(kind)
    if kind == "linear" or "descent" not in own:
        return own
    return tuple(dict.fromkeys([*(n for n in own if n != "descent"), *(f.name for f in fields(Descent))]))


def made_all(
    names: Sequence[str], settings: Mapping[str, Any], seed: int = 0, kind: Kind = "linear"
) -> list[Method]:
    """Several methods of one kind, each once, and each with those of the settings that it has.

    Raises:
        BadInputError: as `made`; of a setting that no method has, by the first one.

    Example:
        >>> [method.name for method in made_all(["label-free", "ridge-labels"], {"ridge": 0.5})]
        ['label-free', 'ridge-labels']
    """
    names = list(dict.fromkeys(names))
    kinds = {name: _settings(METHODS[name], kind) if name in METHODS else () for name in names}
    unused = {
        key: value for key, value in settings.items() if not any(key in known for known in kinds.values())
    }
    shares = [{k: v for k, v in settings.items() if k in kinds[name]} for name in names]
    return [made(name, share | unused, seed, kind) for name, share in zip(names, shares, strict=True)]


@overload
def unlearn(
    data: str | os.PathLike[str], method: str | Method | None = ..., *, network: str, **settings: Any
) -> UnlearnedNetwork: ...


@overload
def unlearn(data: NetworkProblem, method: str | Method | None = ..., **settings: Any) -> UnlearnedNetwork: ...


@overload
def unlearn(
    data: UnlearningProblem | str | os.PathLike[str], method: str | Method | None = ..., **settings: Any
) -> Unlearned: ...


@checked
def unlearn(
    data: UnlearningProblem | NetworkProblem | str | os.PathLike[str],
    method: str | Method | None = None,
    *,
    test: float | tuple[Any, Any] | None = None,
    seed: int = 0,
    tolerance: float | None = None,
    budget: float = Settings.budget,
    recipe: Recipe | None = None,
    progress: Callable[[str], None] = lambda line: None,
    **settings: Any,
) -> Unlearned | UnlearnedNetwork:
    """Unlearn by a method: features, then labels, then parameters, then what a membership attack sees.

    Data with ``network="mlp:64-128-10:relu"``, or a `NetworkProblem`, train that network, unlearn it and hold it
    against the retrained one: all is measured then.

    Args:
        data: a problem, or the name or path of data as the command line takes it.
        method: a name of ``mt.methods.serving("linear")``, or of a network ``serving("network")``, or a method; None
            is "label-free", of a network "alternating".
        test: samples that were never trained on, for test accuracy and attack: with data the share of the samples
            not to be forgotten that is held out before anything is fitted, with a problem their features (m, D), or
            inputs of a network, and targets (m,) or (m, C).
        seed: of features, w₀ or θ₀, forget set and test split of data, of the method if it draws, and of the attack.
        tolerance: see `check`; of linear models only.
        budget: see `check`; of linear models only.
        recipe: how the network of data is trained, with its own seed; None is ``Recipe()`` with the loss that fits
            and ``seed``.
        settings: fields of the method, such as ``ridge``, for networks also of its fine-tuning, such as ``epochs``;
            with data also the options of the command line, such as ``forget="class:1"`` or ``n_features=2000``.

    Raises:
        BadInputError: an unknown method or setting, or whatever data, problem and check refuse.

    Example:
        >>> rows = np.array([[1.0, 0, 1], [0, 1, 1], [1, 1, 0]])
        >>> problem = UnlearningProblem(rows, np.array([1.0, -1.0, 1.0]), [2])
        >>> found = unlearn(problem, "label-free")
        >>> found.w_unlearned.round(12) + 0.0, found.gap.verdict.name, found.row["gap, bound"] < 1e-12
        (array([ 1., -1.,  0.]), 'CERTIFIED', True)
        >>> found = unlearn("breast_cancer", "fine-tuning", network="mlp:30-8-2:erf", standardize=True, test=0.2)
        >>> found.verdict.name, found.row["gap"] > 0, len(found.attacks)
        ('MEASURED', True, 4)
    """
    words: dict[str, Any] = {}
    if isinstance(data, str | os.PathLike):
        of_source = {f.name for f in fields(Source)} - {"data", "seed"}
        words = {name: settings.pop(name) for name in list(settings) if name in of_source}
        if isinstance(test, tuple):
            raise expected("a share of the samples", "test", "arrays", "beside data", "test=0.2")
    elif test is not None and not isinstance(test, tuple):
        hint = "(features, targets) of samples that were never used"
        raise expected("two arrays beside a problem", "test", test, type(test).__name__, hint)
    of_network = isinstance(data, NetworkProblem) or words.get("network") is not None
    for name, value, idle in (
        ("recipe", recipe, not words.get("network")),
        ("tolerance", tolerance, of_network),
        ("budget", budget if budget != Settings.budget else None, of_network),
    ):
        if value is not None and idle:
            got = "a network: nothing is proved" if of_network else "no network of data"
            raise expected(f"no {name} here", name, value, got, f"leaving {name} out")
    usual, kind = ("alternating", "network") if of_network else ("label-free", "linear")
    unlearning = made(method or usual, settings, seed, kind)  # type: ignore[arg-type]
    if isinstance(data, NetworkProblem):
        (found,) = unlearn_networks(of_problem(data, test, seed), [unlearning], progress)  # type: ignore[arg-type]
        return found
    if isinstance(data, str | os.PathLike):
        source = Source(os.fspath(data), seed=seed, **words)
        if of_network:
            trained = prepare_network(source, recipe or {}, progress, test=test)  # type: ignore[arg-type]
            (found,) = unlearn_networks(trained, [unlearning], progress)
            return found
        prepared = prepare(source, progress, test=test)  # type: ignore[arg-type]
        return unlearn_prepared(prepared, unlearning, tolerance, budget, progress)
    require_problem(data)
    held = None if test is None else _held(data, *test)  # type: ignore[misc]
    return _unlearned(data, unlearning, held, seed, tolerance, budget, progress)


def unlearn_prepared(
    prepared: Prepared,
    method: Method,
    tolerance: float | None = None,
    budget: float = Settings.budget,
    progress: Callable[[str], None] = lambda line: None,
) -> Unlearned:
    """Unlearn on data that were read, and say in the report where they came from."""
    seed = prepared.origin.seed
    found = _unlearned(prepared.problem, method, prepared.held_out, seed, tolerance, budget, progress)
    report = prepared.describe(found.report)
    asked = {**report.settings["unlearning"], "test": prepared.test}
    return replace(found, report=replace(report, settings={**report.settings, "unlearning": asked}))


def _held(problem: UnlearningProblem, features: Any, targets: Any) -> tuple[Array, Array]:
    """Test samples of a shape that fits the problem."""
    features, targets = np.asarray(features), np.asarray(targets)
    wanted = (len(features), *problem.targets.shape[1:])
    if features.ndim != 2 or features.shape[1] != problem.n_features or targets.shape != wanted:
        what = f"test features (m, {problem.n_features}) with targets like the problem's"
        raise expected(what, "test", f"{features.shape}, {targets.shape}", "shapes", "the same feature map")
    return features, targets


def _unlearned(
    problem: UnlearningProblem,
    method: Method,
    held: tuple[Array, Array] | None,
    seed: int,
    tolerance: float | None,
    budget: float,
    progress: Callable[[str], None],
) -> Unlearned:
    """Labels, parameters, their audit, scores, attack."""
    if problem.tangent is not None:
        hint = "a networks.NetworkProblem and mt.methods.METHODS"
        raise expected("a linear model", "problem", problem, "a network's tangent", hint)
    problem = started(problem)
    progress(f"unlearning by {method.name}")
    solution = solve(problem)
    labels = method.labels(problem) if isinstance(method, Relabelling) else None
    w_unlearned = _parameters(problem, method)
    decided = labels if labels is not None and _by_labels_alone(method) else None
    chosen = {name: getattr(method, name) for name in method.settings("linear")}
    named = [method.exactness, *method.assuming] if method.claims_exactness else []
    settings = Settings(
        tolerance=tolerance,
        ridge=chosen.get("ridge", Settings.ridge),
        seed=seed,
        budget=budget,
        claims=("exact-labels", *(slug for slug in named if slug in CATALOGUE)),
    )
    report = check_with(problem, settings, labels=decided, w_unlearned=w_unlearned, progress=progress)
    asked = {"method": method.name, "set": [f"{name}={value!r}" for name, value in chosen.items()]}
    report = replace(report, settings={**report.settings, "unlearning": asked})
    models = {RETRAINED: solution.w_retrained, UNTOUCHED: solution.w_pretrained, method.name: w_unlearned}
    progress("scores and membership attack")
    found, missing = attacks(models, scored_parts(problem, held), seed)
    rows = []
    nothing = float(np.linalg.norm(solution.w_pretrained - solution.w_retrained))
    for name, w in models.items():
        row: dict[str, Any] = {"method": name, "seed": seed}
        if name != RETRAINED:
            row["gap"] = float(np.linalg.norm(w - solution.w_retrained))
            row["gap share"] = row["gap"] / nothing if nothing else 0.0
        if name == method.name:
            row |= _proved(report)
            if method.has_own_reference:  # w_r^λ, the model that it claims to reach
                row["gap to own reference"] = method.gaps(problem).own
        row |= scores(problem, w, held)
        if name in found:
            row |= {"AUC": found[name].auc, "AUC interval": list(found[name].interval)}
        rows.append(row)
    retrained = solution.w_retrained
    return Unlearned(method, problem, w_unlearned, retrained, labels, report, tuple(rows), found, missing)


def started(problem: UnlearningProblem) -> UnlearningProblem:
    """The problem with the w₀ that training begins at: an audit must allow for any, but here it is known."""
    if problem.w_init is not None:
        return problem
    # What was understood stays as it is: the words about w₀ are those of a check.
    zero = np.zeros((problem.n_features, *problem.targets.shape[1:]), dtype=np.int64)
    return replace(problem, w_init=zero)


def _by_labels_alone(method: Method) -> bool:
    """Whether w_u follows from the forget labels: fitted to the end, beside the targets of R."""
    return not isinstance(method, BadTeaching) and getattr(method, "oracle_stop", None) is None


def _parameters(problem: UnlearningProblem, method: Method) -> Array:
    """w_u; of methods that fit labels to the end, by the arithmetic that keeps digits where float64 does not."""
    if method.name in (RETRAINED, UNTOUCHED):
        solution = solve(problem)
        return solution.w_retrained if method.name == RETRAINED else solution.w_pretrained
    if not isinstance(method, Relabelling) or getattr(method, "oracle_stop", None) is not None:
        return method(problem)
    # w_p + Φ⁺(ỹ − Φw_p) = w₀ + Φ⁺(ỹ − Φw₀), as w_p − w₀ lies in row(Φ) and Φ⁺Φ is the projector there: fine-tuning to
    # the end is training on the new labels from w₀.
    order = np.concatenate([problem.retain, problem.forget])
    targets = np.empty((problem.n_samples, problem.n_outputs))
    targets[order] = method.everyone(problem)
    relabelled = replace(problem, targets=problem.shaped(targets))
    return relabelled.shaped(Handed(relabelled).compute(lambda model: model.final(model.pretrained)))


def _proved(report: Report) -> dict[str, Any]:
    """The audit's verdict, the proved bound of the gap, and its closed form for the float labels handed out."""
    # The closed form is about those very floats: where exact labels would leave no gap, it is that of their rounding.
    found: dict[str, Any] = {"audit": report.evidence["exact-labels[w_unlearned]"].verdict.name}
    for name, key in (("w_unlearned", "gap, bound"), ("labels", "gap, closed form")):
        row = report.evidence.get(f"exact-labels[{name}]")
        if row is not None and row.about is About.AUDIT and row.findings:
            quantity = row.findings[0].quantity
            # A value is more than a bound: its enclosure must have a lower end near the upper one.
            known = key == "gap, bound" or quantity.floor > 0.99 * quantity.bound
            if quantity.grade is not Grade.MEASURED and np.isfinite(quantity.bound) and known:
                found[key] = quantity.bound
    return found
