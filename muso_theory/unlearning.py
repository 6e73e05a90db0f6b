"""Unlearn by a method and say what came of it: features, labels, parameters, membership, each with its evidence."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, fields, replace
from typing import Any, final

import numpy as np

from .arguments import checked
from .checking import check
from .claims import CATALOGUE
from .errors import BadInputError, expected, nearest
from .evaluation import Attack, Difference, accuracy, attack, calibrated
from .evaluation.outputs import class_indices
from .evidence import About, Evidence
from .inputs import Prepared, Source, prepare
from .linear.baselines import METHODS, BadTeaching, Relabelling, UnlearningMethod
from .linear.handed import Handed
from .linear.problem import Array, UnlearningProblem, require_problem
from .linear.solution import solve
from .markup import evidence_table, join, table, understood_table
from .numbers import FLOAT64, Grade
from .report import Report
from .results import sealed
from .understood import Understood

__all__ = [
    "NOTHING",
    "RETRAINED",
    "Unlearned",
    "made",
    "score_table",
    "scores",
    "started",
    "told",
    "unlearn",
    "unlearn_prepared",
]

RETRAINED, NOTHING = "retraining", "none"
"""Names in the registry of the two models that every method stands between."""

_NO_TEST = "no samples were held out: --test 0.2"


@final
@dataclass(frozen=True, eq=False, repr=False)
class Unlearned:
    """What a method made of a problem.

    Args:
        method: the method, with its settings.
        problem: what it was applied to; w₀ is known here, since training began there.
        w_unlearned: w_u, shape (D,) or (D, C).
        w_retrained: w_r, the floats that the method is compared with.
        labels: what the forget samples were relabelled with, in the order of ``problem.forget``; None for methods
            that do not relabel.
        report: the audit of ``w_unlearned`` and, where they alone decide it, of ``labels``, beside the theorems that
            the method rests on.
        rows: numbers of retraining, of doing nothing and of the method, as a result file has them.
        attacks: the membership attack on each of the three; empty where none was made.
        missing: why there is no attack; empty where there is one.
    """

    method: UnlearningMethod
    problem: UnlearningProblem
    w_unlearned: Array
    w_retrained: Array
    labels: Array | None
    report: Report
    rows: tuple[Mapping[str, Any], ...]
    attacks: Mapping[str, Attack] = field(default_factory=dict)
    missing: str = ""

    @property
    def row(self) -> Mapping[str, Any]:
        """The numbers of the method itself."""
        return next(row for row in self.rows if row["method"] == self.method.name)

    @property
    def gap(self) -> Evidence:
        """The audit of w_u: ‖w_u − w_r‖ with its proved bounds."""
        return self.report.evidence["exact-labels[w_unlearned]"]

    @property
    def difference(self) -> Difference | None:
        """The attack's AUC on w_u minus the same attack's on the retrained model, with its interval."""
        if not self.attacks:
            return None
        return calibrated(self.attacks[self.method.name], self.attacks[RETRAINED])

    @property
    def components(self) -> tuple[tuple[str, str], ...]:
        """The four parts that the result is made of, each in words."""
        told = {row.word: row.value for row in self.problem.understood}
        labels = "none: this method does not relabel"
        if self.labels is not None:
            labels = f"{len(self.labels)} forget samples relabelled by {self.method.name}"
        return (
            ("feature generator", told.get("map", "features as given")),
            ("label modifier", labels),
            ("parameter updater", f"{self.method.formula}  ({self.method.source})"),
            ("membership evaluation", self.missing or "squared error, forget against test samples"),
        )

    def to_dict(self) -> dict[str, Any]:
        """The result as ``muso figure`` reads it.

        Returns:
            Plain data of kind ``unlearn``, with its hash; the evidence is in ``report``.
        """
        result: dict[str, Any] = {
            "kind": "unlearn",
            "title": f"{self.report.title}; method {self.method.name}",
            "input": self.report.inputs,
            "settings": self.report.settings,
            "rows": list(self.rows),
            "report": self.report.to_dict(),
        }
        if self.difference is not None:
            low, high = self.difference.interval
            result["AUC above retraining"] = {"value": self.difference.value, "interval": [low, high]}
        else:
            result["no attack"] = self.missing
        if self.labels is not None and self.problem.n_outputs == 1:
            own = self.problem.targets[self.problem.forget].reshape(-1)
            result["labels"] = {
                "targets": [float(v) for v in own],
                self.method.name: [float(v) for v in self.labels.reshape(-1)],
            }
        return sealed(result)

    def __repr__(self) -> str:
        lines = [f"{self.method.name}: {self.gap.verdict.name}, {self.report.title}"]
        lines += [f"  {name:<10}" + "".join(f"  {cell:>24}" for cell in cells) for name, cells in told(self)]
        if self.difference is not None:
            low, high = self.difference.interval
            lines.append(
                f"  attack AUC above retraining {self.difference.value:+.3f} in [{low:.3f}, {high:.3f}]"
            )
        return "\n".join(lines)

    def _repr_html_(self) -> str:
        return join(
            understood_table(self.report.inputs.get("understood", ())),
            score_table(self),
            evidence_table(f"{self.gap.verdict.name}: {self.report.title}", self.report.rows),
        )


def told(result: Unlearned) -> list[tuple[str, list[str]]]:
    """The numbers of the three models as text: a heading, then one line a number.

    Args:
        result: what to tell.

    Returns:
        Names with one cell a model.
    """
    rows = reversed(result.rows)  # the method's own has most numbers, in the order of reading
    keys = dict.fromkeys(key for row in rows for key in row if key not in ("method", "seed"))
    lines = [("", [str(row["method"]) for row in result.rows])]
    for key in keys:
        if key.endswith((" interval", ", bound", ", predicted")):
            continue
        cells = []
        for row in result.rows:
            value, interval, bound = (row.get(name) for name in (key, f"{key} interval", f"{key}, bound"))
            cell = "" if value is None else f"{value:.3g}" if "gap" in key else f"{value:.4f}"
            cell += f" in [{interval[0]:.3f}, {interval[1]:.3f}]" if interval else ""
            cells.append(cell + (f", proved ≤ {float(bound):.3g}" if bound is not None else ""))
        lines.append((key, cells))
    return lines


def score_table(result: Unlearned) -> Any:
    """The same numbers as a table of a page.

    Args:
        result: what to tell.

    Returns:
        The markup.
    """
    (_, names), *lines = told(result)
    caption = "What the method made, beside retraining, the place to be, and doing nothing."
    return table(caption, ("", *names), [(key, *cells) for key, cells in lines], head=0, name="numbers")


def made(method: object, settings: Mapping[str, Any], seed: int = 0) -> UnlearningMethod:
    """A method of the linear registry.

    Args:
        method: its name, or the method itself.
        settings: its fields, for a name.
        seed: of a method that draws and has none among its settings.

    Returns:
        The method.

    Raises:
        BadInputError: an unknown name (the nearest is told), a method for networks, or a setting that it has not.

    Example:
        >>> made("ridge-labels", {"ridge": 0.5}).ridge
        0.5
        >>> made("label-fre", {})
        Traceback (most recent call last):
        muso_theory.errors.BadInputError: expected an unlearning method but got method=label-fre (unknown); try ...
    """
    if isinstance(method, UnlearningMethod):
        if settings:
            name = next(iter(settings))
            raise expected("settings beside a name", name, settings[name], "beside a method", "replace(…)")
        return method
    if method not in METHODS:
        from .networks.unlearning import METHODS as OF_NETWORKS

        if method in OF_NETWORKS:
            hint = "muso_theory.networks.unlearning, or one of " + ", ".join(METHODS)
            raise expected("a method for linear models", "method", method, "for networks only", hint)
        raise expected("an unlearning method", "method", method, "unknown", nearest(str(method), METHODS))
    kind = METHODS[str(method)]
    known = [f.name for f in fields(kind)]  # type: ignore[arg-type]
    for name, value in settings.items():
        if name not in known:
            what = f"a setting of {method}: {', '.join(known) or 'it has none'}"
            raise expected(what, name, value, "unknown", nearest(name, known, "leaving it out"))
    return kind(**{**({"seed": seed} if "seed" in known else {}), **settings})


@checked
def unlearn(
    data: UnlearningProblem | str | os.PathLike[str],
    method: str | UnlearningMethod = "label-free",
    *,
    test: float | tuple[Any, Any] | None = None,
    seed: int = 0,
    tolerance: float | None = None,
    budget: float = 30.0,
    progress: Callable[[str], None] = lambda line: None,
    **settings: Any,
) -> Unlearned:
    """Unlearn by a method: features, then labels, then parameters, then what a membership attack sees.

    Args:
        data: a problem, or the name or path of data as the command line takes it.
        method: a name of ``mt.linear.baselines.METHODS``, or a method.
        test: samples that were never trained on, for test accuracy and attack: with data the share of the samples
            not to be forgotten that is held out before anything is fitted, with a problem their features (m, D) and
            targets (m,) or (m, C).
        seed: of features, w₀, forget set and test split of data, of the method if it draws, and of the attack.
        tolerance: see `check`.
        budget: see `check`.
        progress: called with a line of words before each step.
        settings: fields of the method, such as ``ridge``; with data also the options of the command line, such as
            ``forget="class:1"`` or ``n_features=2000``.

    Returns:
        Parameters, labels, evidence about them, scores and attacks.

    Raises:
        BadInputError: an unknown method or setting, or whatever data, problem and check refuse.

    Example:
        >>> rows = np.array([[1.0, 0, 1], [0, 1, 1], [1, 1, 0]])
        >>> problem = UnlearningProblem(rows, np.array([1.0, -1.0, 1.0]), [2])
        >>> found = unlearn(problem, "label-free")
        >>> found.w_unlearned.round(12) + 0.0, found.gap.verdict.name, found.row["gap, bound"] < 1e-12
        (array([ 1., -1.,  0.]), 'CERTIFIED', True)
    """
    if isinstance(data, str | os.PathLike):
        of_source = {f.name for f in fields(Source)} - {"data", "seed"}
        words = {name: settings.pop(name) for name in list(settings) if name in of_source}
        unlearning = made(method, settings, seed)
        source = Source(os.fspath(data), seed=seed, **words)
        if isinstance(test, tuple):
            raise expected("a share of the samples", "test", "arrays", "beside data", "test=0.2")
        prepared = prepare(source, progress, test=test)
        return unlearn_prepared(prepared, unlearning, tolerance, budget, progress)
    require_problem(data)
    if test is not None and not isinstance(test, tuple):
        hint = "(features, targets) of samples that were never used"
        raise expected("two arrays beside a problem", "test", test, type(test).__name__, hint)
    held = None if test is None else _held(data, *test)
    unlearning = made(method, settings, seed)
    return _unlearned(data, unlearning, held, seed, tolerance, budget, progress)


def unlearn_prepared(
    prepared: Prepared,
    method: UnlearningMethod,
    tolerance: float | None = None,
    budget: float = 30.0,
    progress: Callable[[str], None] = lambda line: None,
) -> Unlearned:
    """Unlearn on data that were read, and say in the report where they came from.

    Args:
        prepared: the problem, its origin and test samples.
        method: the method.
        tolerance: see `check`.
        budget: see `check`.
        progress: called with a line of words before each step.

    Returns:
        What `unlearn` returns.
    """
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
    method: UnlearningMethod,
    held: tuple[Array, Array] | None,
    seed: int,
    tolerance: float | None,
    budget: float,
    progress: Callable[[str], None],
) -> Unlearned:
    """Labels, parameters, their audit, scores, attack."""
    if problem.tangent is not None:
        hint = "muso_theory.networks.unlearning.METHODS"
        raise expected("a linear model", "problem", problem, "a network's tangent", hint)
    problem = started(problem)
    progress(f"unlearning by {method.name}")
    solution = solve(problem)
    labels = method.labels(problem) if isinstance(method, Relabelling) else None
    w_unlearned = _parameters(problem, method)
    decided = labels if labels is not None and _by_labels_alone(method) else None
    named = [method.exactness, *method.assuming] if method.claims_exactness else []
    report = check(
        problem,
        ["exact-labels", *(slug for slug in named if slug in CATALOGUE)],
        labels=decided,
        w_unlearned=w_unlearned,
        tolerance=tolerance,
        ridge=getattr(method, "ridge", 1e-3),
        seed=seed,
        budget=budget,
        progress=progress,
    )
    chosen = {f.name: getattr(method, f.name) for f in fields(method)}  # type: ignore[arg-type]
    asked = {"method": method.name, "set": [f"{name}={value!r}" for name, value in chosen.items()]}
    report = replace(report, settings={**report.settings, "unlearning": asked})
    models = {RETRAINED: solution.w_retrained, NOTHING: solution.w_pretrained, method.name: w_unlearned}
    progress("scores and membership attack")
    parts = _parts(problem, held)
    attacks, missing = _attacks(models, parts, seed)
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
        if name in attacks:
            row |= {"AUC": attacks[name].auc, "AUC interval": list(attacks[name].interval)}
        rows.append(row)
    retrained = solution.w_retrained
    return Unlearned(method, problem, w_unlearned, retrained, labels, report, tuple(rows), attacks, missing)


def started(problem: UnlearningProblem) -> UnlearningProblem:
    """The problem with the w₀ that training begins at: an audit must allow for any, but here it is known.

    Args:
        problem: any problem.

    Returns:
        It, or where w₀ was assumed zero one that says so.
    """
    if problem.w_init is not None:
        return problem
    start = Understood("w₀", "zero, where training begins", "default", "--w-init")
    zero = np.zeros((problem.n_features, *problem.targets.shape[1:]), dtype=np.int64)
    return replace(problem.telling(start), w_init=zero)


def _by_labels_alone(method: UnlearningMethod) -> bool:
    """Whether w_u follows from the forget labels: fitted to the end, beside the targets of R."""
    return not isinstance(method, BadTeaching) and getattr(method, "oracle_stop", None) is None


def _parameters(problem: UnlearningProblem, method: UnlearningMethod) -> Array:
    """w_u; of methods that fit labels to the end, by the arithmetic that keeps digits where float64 does not."""
    if method.name in (RETRAINED, NOTHING):
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


def _proved(report: Report) -> dict[str, float]:
    """The proved bound of the gap, and what the labels alone predict of it, where the report decides them."""
    found = {}
    for name, key in (("w_unlearned", "gap, bound"), ("labels", "gap, predicted")):
        row = report.evidence.get(f"exact-labels[{name}]")
        if row is not None and row.about is About.AUDIT and row.findings:
            quantity = row.findings[0].quantity
            # A prediction is a number and not only a bound: its enclosure must have a lower end near the upper one.
            known = key == "gap, bound" or quantity.floor > 0.99 * quantity.bound
            if quantity.grade is not Grade.FLOAT and np.isfinite(quantity.bound) and known:
                found[key] = quantity.bound
    return found


def _parts(problem: UnlearningProblem, held: tuple[Array, Array] | None) -> dict[str, tuple[Array, Array]]:
    """Features and targets of the retain and forget set, and of the test samples where there are any."""
    found = {
        name: (FLOAT64.matrix(problem.features[rows]), problem.targets[rows])
        for name, rows in (("retain", problem.retain), ("forget", problem.forget))
    }
    return found if held is None else found | {"test": held}


def _outputs(w: Array, features: Array) -> Array:
    """f(x) as columns."""
    return np.asarray(FLOAT64.matmul(FLOAT64.matrix(features), w.reshape(len(w), -1)))


def scores(problem: UnlearningProblem, w: Array, held: tuple[Array, Array] | None = None) -> dict[str, float]:
    """Accuracies of classes, or root mean squared errors of a regression, on retain, forget and test samples.

    Args:
        problem: the problem.
        w: parameters, shape (D,) or (D, C).
        held: features and targets of test samples.

    Returns:
        Numbers such as ``retain accuracy`` or ``retain error``.
    """
    classes = not any(r.word == "task" and r.value.startswith("regression") for r in problem.understood)
    try:
        class_indices(problem.targets, problem.n_samples, problem.n_outputs)
    except BadInputError:
        classes = False
    found = {}
    for name, (features, targets) in _parts(problem, held).items():
        outputs = _outputs(w, features)
        if classes:
            found[f"{name} accuracy"] = accuracy(outputs, targets)
        else:
            found[f"{name} error"] = float(np.sqrt(np.mean(_losses(outputs, targets))))
    return found


def _losses(outputs: Array, targets: Array) -> Array:
    """The squared error of each sample, the loss that all these models are trained by."""
    off: Array = outputs - np.asarray(targets, dtype=np.float64).reshape(outputs.shape)
    return np.asarray(np.square(off).sum(axis=1))


def _attacks(
    models: Mapping[str, Array], parts: Mapping[str, tuple[Array, Array]], seed: int
) -> tuple[dict[str, Attack], str]:
    """The same attack on every model, judged on the same samples, so that each has the retrained one as its null."""
    if "test" not in parts:
        return {}, _NO_TEST
    found = {}
    try:
        for name, w in models.items():
            mine, others = (_losses(_outputs(w, parts[p][0]), parts[p][1]) for p in ("forget", "test"))
            found[name] = attack(mine, others, seed)
    except BadInputError as error:
        return {}, str(error)
    return found, ""
