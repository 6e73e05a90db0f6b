"""What a method of unlearning is: a frozen rule from a problem to parameters, for linear models, networks or both."""

from __future__ import annotations

import inspect
from abc import ABC
from dataclasses import MISSING, dataclass, fields, replace
from typing import Any, ClassVar, Literal, NamedTuple, Self, final, overload

import numpy as np

from ..arguments import checked
from ..arrays import Array
from ..errors import Renamed, check_integer, expected, nearest
from ..former import former
from ..linear.closed_forms import Point, float_model
from ..linear.problem import UnlearningProblem
from ..networks.problem import NetworkProblem
from .ranges import require_positive

__all__ = ["LINEAR", "METHODS", "NETWORK", "Gaps", "Kind", "Method", "NoUnlearning", "Retraining"]
former(__name__)

Kind = Literal["linear", "network"]
"""Kinds of problems: an `UnlearningProblem`, or a `NetworkProblem`."""

_LEAST = {
    "ascents": 0,
    "seed": 0,
    "epochs": 1,
    "iterations": 1,
    "relabel_every": 1,
    "samples": 1,
    "steps": 1,
    "training": 1,
}
"""Settings that are whole numbers, whatever method has them, and the least that will do."""

LINEAR, NETWORK = {"only": "linear"}, {"only": "network"}
"""Marks of settings that count for one kind of problem."""

METHODS: dict[str, type[Method]] = {}
"""Every method by name, the two ends of the scale first; a class that has a name enters itself."""


class Gaps(NamedTuple):
    """How far a method is from two references, absolutely and as shares of what doing nothing leaves.

    A method with a ridge aims at w_r^λ, from w_p^λ. Held against w_r alone, it shows the bias of its ridge in place of
    the error of its unlearning; held against w_r^λ alone, it hides that this is another model.

    Args:
        common: ‖w_u − w_r‖, against the retrained model without ridge, the same for every method.
        common_share: that over ‖w_p − w_r‖.
        own: ‖w_u − reference‖, against the method's own reference.
        own_share: that over the distance of the method's own start from it, for a ridge ‖w_p^λ − w_r^λ‖.
    """

    common: float
    common_share: float
    own: float
    own_share: float


@dataclass(frozen=True)
class Method(ABC):
    """A way to unlearn: call it with a problem to get w_u, shape (D,) or (D, C), or of a network θ_u.

    Subclasses are frozen dataclasses that set the class attributes below and write one of two forms, or both:
    ``on_linear`` and ``on_network``. A name that another class has, and a name without formula, source or exactness,
    are refused with BadInputError where the class is defined. Every method starts from what is trained on all samples,
    w_p or θ_p, or for the methods with a ridge λ from the minimiser w_p^λ of ‖Φw − y‖² + λ‖w − w₀‖².

    For a linear model work is done in the coefficients of Φᵀ where n ≤ D and never with a D × D matrix there; float64
    throughout. On a network everything is in the precision of its inputs, and training follows the loss of its recipe;
    parameters that are not finite or broken (`NetworkProblem.is_broken`) are refused with DivergedError.

    Example:
        >>> @dataclass(frozen=True)
        ... class StartingOver(Method):
        ...     name = "starting-over"
        ...     formula, source, exactness = "w₀", "this example", "not exact, unless w_r = w₀"
        ...     def on_linear(self, problem):
        ...         return Point()  # w₀
        >>> problem = UnlearningProblem(np.array([[1.0, 0, 1], [1, 1, 0]]), np.array([1.0, 2.0]), [1], np.ones(3))
        >>> METHODS.pop("starting-over")()(problem)
        array([1., 1., 1.])
    """

    name: ClassVar[str]
    """Its name in tables and in ``METHODS``."""

    formula: ClassVar[str]
    """The update of a linear model in the symbols of this project; of what serves networks alone, that of θ."""

    source: ClassVar[str]
    """Author, year, and the paper's arXiv number where there is one."""

    exactness: ClassVar[str]
    """The slug of the theorem by which w_u is exact under ``assuming``, or in words why and where it is not.

    It is about linear models. A network is one as far as it is its linearisation (claim lazy-training), and trained to
    the end.
    """

    assuming: ClassVar[tuple[str, ...]] = ()
    """Conditions of the catalogue under which the theorem of ``exactness`` holds."""

    follows_own_labels: ClassVar[bool] = False
    """Whether it follows gradients of the data's own labels alone (or of w_p's own outputs), which all vanish where w_p
    fits the labels: there it equals doing nothing."""

    def __init_subclass__(cls) -> None:
        """Enter the registry, under a name that no other class has."""
        super().__init_subclass__()
        if "name" not in vars(cls):
            return
        for word in ("formula", "source", "exactness"):
            told = getattr(cls, word, None)
            if not isinstance(told, str):
                hint = f"{word} = '…' in its class"
                what = "without" if told is None else type(told).__name__
                raise expected(
                    f"a {word} of method {cls.name}, in words", "class", cls.__qualname__, what, hint
                )
        known = METHODS.get(cls.name)
        if known is not None and (known.__module__, known.__qualname__) != (cls.__module__, cls.__qualname__):
            hint = "another name, with your own prefix"
            raise expected("a name of its own", "name", cls.name, f"that of {known.__qualname__}", hint)
        METHODS[cls.name] = cls

    point = Renamed("methods.Method.on_linear")

    def __new__(cls, *_given: Any, **settings: Any) -> Self:
        """Refuse a setting that it does not have; those of its fine-tuning are settings of ``descent``."""
        parameters = inspect.signature(cls.__init__).parameters
        known = [name for name in parameters if name != "self"]
        unknown = [name for name in settings if name not in known]
        if unknown and not any(p.kind is p.VAR_KEYWORD for p in parameters.values()):
            name = unknown[0]
            hint = nearest(name, known, "leaving it out")
            descent: Any = parameters["descent"].default if "descent" in known else None
            if name in getattr(descent, "__dataclass_fields__", ()):
                hint = f"descent={replace(descent, **{name: settings[name]})!r}"
            what = f"a setting of {cls.__name__}: {', '.join(known) or 'it has none'}"
            raise expected(what, name, settings[name], "unknown", hint)
        return super().__new__(cls)

    def __post_init__(self) -> None:
        """Refuse settings out of range; a subclass with ranges of its own calls this as well."""
        for f in fields(self):
            value = getattr(self, f.name)
            if f.name in _LEAST and not (value is None and f.default is None):
                check_integer(f.name, value, _LEAST[f.name])
            if f.name == "step_size" and not (value is None and f.default is None):
                require_positive("step_size", value)

    @classmethod
    @checked
    def serves(cls, kind: Kind) -> bool:
        """Whether it unlearns problems of a kind.

        Args:
            kind: "linear" or "network".

        Returns:
            Whether it has that form.
        """
        form = f"on_{kind}"
        return getattr(cls, form) is not getattr(Method, form)

    @classmethod
    @checked
    def settings(cls, kind: Kind) -> tuple[str, ...]:
        """Names of its settings that count for a kind of problem; a call refuses that others are set.

        Args:
            kind: "linear" or "network".

        Returns:
            The names.
        """
        return tuple(f.name for f in fields(cls) if f.metadata.get("only", kind) == kind)

    @property
    def claims_exactness(self) -> bool:
        """Whether ``exactness`` names a theorem."""
        return " " not in self.exactness

    @property
    def needs_retrained(self) -> bool:
        """Whether the retrained model itself is consulted, which a real deletion request does not have."""
        return False

    @overload
    def __call__(self, problem: UnlearningProblem) -> Array: ...

    @overload
    def __call__(self, problem: NetworkProblem) -> list[Array]: ...

    @final
    @checked
    def __call__(self, problem: UnlearningProblem | NetworkProblem) -> Array | list[Array]:
        """Unlearn.

        Args:
            problem: the problem.

        Returns:
            w_u, shape (D,) or (D, C) like w₀; of a network θ_u.

        Raises:
            BadInputError: no problem, one of the other kind, or a setting that counts for the other kind alone.
            DivergedError: training of a network diverged.
        """
        if isinstance(problem, NetworkProblem):
            self._refuse_idle("network")
            return self.on_network(problem)
        self._refuse_idle("linear")
        return problem.shaped(float_model(problem).explicit(self.on_linear(problem)))

    def _refuse_idle(self, kind: Kind) -> None:
        """Refuse a setting that would be ignored."""
        Method.__post_init__(self)  # a class of a user's own may have overridden it
        used = self.settings(kind)
        for f in fields(self):
            usual = f.default if f.default_factory is MISSING else f.default_factory()
            if f.name not in used and getattr(self, f.name) != usual:
                what, got = f"{f.name} for {f.metadata['only']} problems only", f"a {kind} problem"
                raise expected(what, f.name, getattr(self, f.name), got, f"leaving {f.name} out")

    def on_linear(self, problem: UnlearningProblem) -> Point:
        """w_u in the coordinates of ``float_model(problem)``: coefficients of Φᵀ and an offset, both relative to w₀."""
        raise expected(
            "a NetworkProblem", "problem", problem, f"method {self.name}", "a method for linear models"
        )

    def on_network(self, problem: NetworkProblem) -> list[Array]:
        """θ_u."""
        raise expected(
            "an UnlearningProblem", "problem", problem, f"method {self.name}", "a method for networks"
        )

    def reference(self, problem: UnlearningProblem) -> Point:
        """What exactness is measured from: w_r, or where the method has an objective of its own, its retraining."""
        return float_model(problem).retrained  # type: ignore[no-any-return]

    def start(self, problem: UnlearningProblem) -> Point:
        """What it unlearns: w_p, or where the method has an objective of its own, the minimiser of that."""
        return float_model(problem).pretrained  # type: ignore[no-any-return]

    @property
    def has_own_reference(self) -> bool:
        """Whether exactness is measured from anything but w_r."""
        return type(self).reference is not Method.reference

    @final
    @checked
    def gaps(self, problem: UnlearningProblem, w: Point | None = None) -> Gaps:
        """Gaps to the common reference and to the method's own.

        Args:
            problem: the problem.
            w: w_u in model coordinates; None computes it.

        Returns:
            Both, each beside its share of doing nothing; a share of a gap of zero is infinite, or NaN.

        Example:
            >>> from muso_theory.methods import NewtonRemoval
            >>> problem = UnlearningProblem(np.array([[1.0, 0, 1], [1, 1, 0]]), np.array([1.0, 2.0]), [1])
            >>> [round(gap, 3) for gap in NewtonRemoval(ridge=1.0).gaps(problem)]  # exact for w_r^λ, not for w_r
            [0.236, 0.192, 0.0, 0.0]
        """
        model = float_model(problem)
        w = self.on_linear(problem) if w is None else w
        found = []
        for start, reference in (
            (model.pretrained, model.retrained),
            (self.start(problem), self.reference(problem)),
        ):
            gap, nothing = (float(model.distance(v, reference).upper) for v in (w, start))
            found += [gap, float(np.divide(gap, nothing)) if nothing else np.inf if gap else np.nan]
        return Gaps(*found)

    @final
    @checked
    def expected_square_gap(self, problem: UnlearningProblem, *, own: bool = False) -> float | None:
        """E‖w_u − w_r‖² over the method's randomness, in closed form; w_r is the retrained model without ridge.

        Args:
            problem: the problem.
            own: to the method's own reference in place of w_r.

        Returns:
            The expectation, for a deterministic method its own squared gap; None where there is no closed form.
        """
        found = self._expected(problem)
        if found is None or not (own and self.has_own_reference):
            return found
        mean, spread = self._moments(problem)
        return float(float_model(problem).square_distance(mean, self.reference(problem)).upper) + spread

    def _expected(self, problem: UnlearningProblem) -> float | None:
        """By mean and covariance; methods of which a theorem says more override it."""
        mean, spread = self._moments(problem)
        model = float_model(problem)
        return float(model.square_distance(mean, model.retrained).upper) + spread

    def _moments(self, problem: UnlearningProblem) -> tuple[Point, float]:
        """Mean of w_u, and the trace of its covariance over all outputs."""
        return self.on_linear(problem), 0.0


@final
@dataclass(frozen=True)
class Retraining(Method):
    """Train on R alone from w₀: w_r = w₀ + Φ_R⁺(y_R − Φ_R w₀), the definition of exact.

    Example:
        >>> problem = UnlearningProblem(np.array([[1.0, 0, 1], [1, 1, 0]]), np.array([1.0, 2.0]), [1])
        >>> Retraining()(problem).round(12)
        array([0.5, 0. , 0.5])
    """

    name = "retraining"
    formula = "w₀ + Φ_R⁺(y_R − Φ_R w₀)"
    source = "the gold standard, by definition"
    exactness = "implicit-bias"

    @property
    def needs_retrained(self) -> bool:
        """It is the retrained model."""
        return True

    def on_linear(self, problem: UnlearningProblem) -> Point:
        """w_r in model coordinates."""
        return float_model(problem).retrained  # type: ignore[no-any-return]

    def on_network(self, problem: NetworkProblem) -> list[Array]:
        """θ_r, as it is known or trained now."""
        return problem.check_trained(problem.retrain(), problem.recipe.learning_rate)


@final
@dataclass(frozen=True)
class NoUnlearning(Method):
    """Keep w_p, shape (D,) or (D, C): the gap that every method is measured against.

    Example:
        >>> problem = UnlearningProblem(np.array([[1.0, 0, 1], [1, 1, 0]]), np.array([1.0, 2.0]), [1])
        >>> NoUnlearning()(problem).round(12) + 0.0, round(NoUnlearning().expected_square_gap(problem), 12)
        (array([1., 1., 0.]), 1.5)
    """

    name = "none"
    formula = "w_p"
    source = "the pretrained model"
    exactness = "not exact, unless Φ_Fᵀ(y_F − Φ_F w_r) = 0 (label-solution-set)"

    def on_linear(self, problem: UnlearningProblem) -> Point:
        """w_p in model coordinates."""
        return float_model(problem).pretrained  # type: ignore[no-any-return]

    def on_network(self, problem: NetworkProblem) -> list[Array]:
        """θ_p."""
        return list(problem.pretrained)

    def _expected(self, problem: UnlearningProblem) -> float | None:
        """‖w_p − w_r‖² = ‖Φ⁺(0; y_F − Φ_F w_r)‖² (claim gap-formula)."""
        model = float_model(problem)
        return float(model.square_gap(model.targets(model.forget) - model.optimal_labels).upper)
