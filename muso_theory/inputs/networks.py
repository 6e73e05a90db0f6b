"""From the words of a command to a network that was trained, and must forget."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import asdict, dataclass, fields, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from ..arrays import Array
from ..data import Dataset
from ..errors import check_integer, expected
from ..options import Source
from ..understood import Understood
from .maps import built_network, network_inputs, resized
from .samples import chosen

if TYPE_CHECKING:
    from ..networks.problem import NetworkProblem
    from ..networks.recipe import Recipe

__all__ = [
    "RECIPE_OPTIONS",
    "PreparedNetwork",
    "of_problem",
    "prepare_network",
    "recipe_words",
    "told_recipe",
]

RECIPE_OPTIONS = {
    "loss": "loss",
    "optimizer": "optimizer",
    "learning_rate": "lr",
    "epochs": "epochs",
    "batch_size": "batch-size",
    "momentum": "momentum",
    "weight_decay": "weight-decay",
}
"""Fields of a recipe by the options that say them; its seed is the one of everything."""

_FREE = "the scaler was fitted on samples to forget, so that no parameters make a model that forgot: --fit-map retain"
_MEASURED = (
    "every number is MEASURED, in floats and on one run of training: no theorem speaks of trained networks"
)


@dataclass(frozen=True, eq=False)
class PreparedNetwork:
    """A network trained on data, and how it came about.

    Args:
        problem: the problem; θ_r is not trained yet.
        title: what it is about, in one line.
        understood: what was understood.
        notes: facts in words for the reader.
        forgets: whether parameters that forgot would make a model that forgot: no scaler knows what they forget.
        classes: whether targets are classes.
        seed: of θ₀, batches, forget set and test split.
        origin: the words that made it; None where it did not come of a command.
        sha256: of the data as read.
        test: share of samples that was held out.
        held_out: inputs and targets of these test samples.
    """

    problem: NetworkProblem
    title: str
    understood: tuple[Understood, ...]
    notes: tuple[str, ...] = (_MEASURED,)
    forgets: bool = True
    classes: bool = True
    seed: int = 0
    origin: Source | None = None
    sha256: str = ""
    test: float | None = None
    held_out: tuple[Array, Array] | None = None

    @property
    def inputs(self) -> dict[str, Any]:
        """Facts about the input, as reports have them."""
        found = {"data_sha256": self.sha256} if self.sha256 else {}
        return {**found, "understood": [asdict(row) for row in self.understood], "notes": list(self.notes)}

    @property
    def settings(self) -> dict[str, Any]:
        """What a repetition needs, by the names of options."""
        recipe = self.problem.recipe
        source = {} if self.origin is None else {"source": asdict(self.origin)}
        return {"seed": self.seed, **source, "training": recipe_words(recipe)}


def prepare_network(
    source: Source,
    recipe: Recipe | Mapping[str, Any],
    tell: Callable[[str], None] = lambda line: None,
    *,
    test: float | None = None,
) -> PreparedNetwork:
    """Load data, build the network and train it on all samples.

    Args:
        source: words of a command; its ``network`` gives θ₀, drawn or from a file.
        recipe: how to train it, or the fields of a `Recipe` that were said outright.
        test: as for `prepare`.

    Raises:
        BadInputError: whatever the data refuse, a network of other inputs or outputs than they need, a recipe that
            diverges.
    """
    from ..networks.problem import NetworkProblem
    from ..networks.recipe import Recipe

    seed, words = check_integer("seed", source.seed), str(source.network)
    net, start = built_network(words, seed)
    samples = chosen(source, net, tell, test)
    dataset = samples.dataset
    targets, unseen = _targets(dataset, samples.held_out, net, words)
    if isinstance(recipe, Recipe):
        plan, said = recipe, tuple(RECIPE_OPTIONS)
    else:
        usual = {"loss": "cross-entropy" if dataset.classes and net.n_out > 1 else "squared"}
        plan, said = Recipe(**{**usual, **recipe, "seed": seed}), tuple(recipe)
    X = network_inputs(samples.X, net, words, dataset.image)
    if not plan.epochs:
        got = "nothing is trained, and so nothing unlearned"
        raise expected("at least one epoch", "epochs", plan.epochs, got, "--epochs 1, or leaving it out")
    drawn = f"drawn by seed {seed}"
    if words.endswith(".npz"):
        drawn = "as in this file, which may know what is to be forgotten"
    told = [*samples.told, Understood("network", f"{words}, {net.n_params} parameters", "given", "--network")]
    told += [Understood("θ₀", f"{drawn}; where pretraining and retraining begin", "given", "--network")]
    told += [told_recipe(plan, said)]
    problem = NetworkProblem(net, X, targets, samples.forget, start, start, plan)
    tell(f"training the network on all {len(X)} samples")
    pretrained = plan.fit(net, problem.start, problem.X, problem.targets)
    problem = replace(problem, pretrained=problem.check_trained(pretrained, plan.learning_rate))
    forgets = samples.fitted_on not in ("all", "copies", "near")
    held_out = None
    if samples.held_out is not None:
        held_out = network_inputs(samples.held_out[0], net, words, dataset.image), unseen
    return PreparedNetwork(
        problem,
        f"{dataset.name}: {_sizes(problem)}",
        tuple(told),
        (_MEASURED,) if forgets else (_MEASURED, _FREE),
        forgets,
        bool(dataset.classes),
        seed,
        samples.origin,
        dataset.sha256,
        test,
        held_out,
    )


def of_problem(problem: NetworkProblem, test: tuple[Any, Any] | None, seed: int) -> PreparedNetwork:
    """A problem of a user's own, which was trained by whoever made it.

    Args:
        test: inputs and targets that were never trained on.
        seed: of what methods draw.
    """
    held_out = None
    if test is not None:
        as_problem = replace(problem, X=test[0], targets=test[1], forget=np.array([0]), retrained=None)
        held_out = as_problem.X, as_problem.targets
    n, k = problem.targets.shape
    one_hot = k > 1 and bool(
        np.isin(problem.targets, (0, 1)).all() and (problem.targets.sum(axis=1) == 1).all()
    )
    classes = one_hot or (k == 1 and bool(np.isin(problem.targets, (-1, 1)).all()))
    forget = Understood("forget", f"{len(problem.forget)} of {n} samples", "given", "forget")
    told = (told_recipe(problem.recipe, tuple(RECIPE_OPTIONS)), forget)
    return PreparedNetwork(problem, _sizes(problem), told, classes=classes, seed=seed, held_out=held_out)


def _sizes(problem: NetworkProblem) -> str:
    """A problem in one line."""
    n, k = problem.targets.shape
    outputs = f", {k} outputs" if k > 1 else ""
    return f"n = {n}, {problem.net.n_params} parameters{outputs}, {len(problem.forget)} to forget"


def _targets(dataset: Dataset, held_out: Any, net: Any, words: str) -> tuple[Array, Array]:
    """Targets in the shape of the network's outputs, of the samples and of those held out."""
    both = [dataset.y, dataset.y[:0] if held_out is None else held_out[1]]
    if len(dataset.classes) == 2 and net.n_out == 2:  # −1 and +1, as two outputs
        both = [np.eye(2)[(y > 0).astype(int)] for y in both]
    k = both[0].shape[1] if both[0].ndim > 1 else 1
    if net.n_out != k:
        what = "1 output, or 2 for two classes" if k == 1 else f"{k} outputs, one a class or column"
        got = f"{net.n_out} output{'s' * (net.n_out > 1)}"
        raise expected(f"a network of {what},", "network", words, got, resized(words, -1, k, "targets"))
    return both[0].reshape(-1, k), both[1].reshape(-1, k)


def recipe_words(recipe: Recipe) -> dict[str, Any]:
    """A recipe by the options of the command line; momentum only where the optimizer has one."""
    values = {option: getattr(recipe, name) for name, option in RECIPE_OPTIONS.items()}
    values["batch-size"] = "all" if recipe.batch_size is None else recipe.batch_size
    if recipe.momentum == next(f.default for f in fields(recipe) if f.name == "momentum"):
        del values["momentum"]
    return values


def told_recipe(recipe: Recipe, said: Collection[str]) -> Understood:
    """How a network is trained, in words, with the options that were not said."""
    batches = "all samples a step" if recipe.batch_size is None else f"batches of {recipe.batch_size}"
    words = f"{recipe.loss} by {recipe.optimizer}, learning rate {recipe.learning_rate:g}, {recipe.epochs} epochs, "
    words += f"{batches}, order by seed {recipe.seed}"
    words += f", weight decay {recipe.weight_decay:g}" if recipe.weight_decay else ""
    usual = [name for name in RECIPE_OPTIONS if name not in said and name not in ("momentum", "weight_decay")]
    options = ", ".join(f"--{RECIPE_OPTIONS[name]}" for name in usual or RECIPE_OPTIONS)
    return Understood("training", words, "default" if usual else "given", options)
