"""Everything that a check is told beside the problem: one object from the command line to the report and back."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from fractions import Fraction
from numbers import Integral, Rational, Real
from sys import float_info
from typing import TYPE_CHECKING, Any, final

from .errors import BadInputError, check_integer, expected, nearest

# Commands read their defaults here before they know whether they will compute: what computes is imported when needed.
if TYPE_CHECKING:
    from .descent.plan import TrainingPlan

__all__ = ["TOLERANCE", "Settings"]

TOLERANCE = Fraction(1, 10**6)
"""What is asked where nothing else was said: a gap of at most a millionth of doing nothing."""

_SEED_BITS = 128
"""NumPy tells two to this power seeds apart; reports write theirs down, and JSON has no end of digits."""


@final
@dataclass(frozen=True)
class Settings:
    """How claims are checked. Its defaults are those of every function and command that checks.

    Args:
        arithmetic: "auto" (proved float64 bounds, then balls, then rationals), "float64" (ordinary floats, measured),
            "ball" (enclosures, precision doubled until decided) or "rational" (exact).
        tolerance: what audits, outputs and violated hypotheses are held to, relative to a scale, in [0, 1). None is
            `TOLERANCE` for floats and equality for artefacts that are exact themselves; 0 asks equality.
        ridge: λ of ridge claims (``ridge-anchored``, ``influence``, …) and ε of ``ridge-inverse``.
        subset: fraction of R that ``downsampling`` and ``capacity`` keep, in (0, 1].
        seed: seed of every random choice in a check, below 2¹²⁸.
        budget: seconds that "auto" lets its arithmetics be estimated to take together.
        asserted: claims that are said to hold here: a failed hypothesis does not excuse them.
        claims: slugs to check, with the conditions that they need; None is all that speak of this kind of problem.
        training: how the user trains, or None.
        memory: gigabytes that the process may take, which decide whether K goes into tiles; None is what there is.

    Raises:
        BadInputError: a setting out of range, or an unknown arithmetic.

    Example:
        >>> Settings(tolerance=0.25).limit, Settings().limit
        (Fraction(1, 4), Fraction(1, 1000000))
    """

    arithmetic: str = "auto"
    tolerance: float | Fraction | None = None
    ridge: float = 1e-3
    subset: float = 0.2
    seed: int = 0
    budget: float = 30.0
    asserted: tuple[str, ...] = ()
    claims: tuple[str, ...] | None = None
    training: TrainingPlan | None = None
    memory: float | None = None

    def __post_init__(self) -> None:
        from .linear.handed import ARITHMETICS

        if not isinstance(self.arithmetic, str) or self.arithmetic not in ARITHMETICS:
            hint = nearest(self.arithmetic, ARITHMETICS)
            raise expected("an arithmetic", "arithmetic", self.arithmetic, "unknown", hint)
        if self.tolerance is not None and not (
            _is_number(self.tolerance, exact=True) and 0 <= self.tolerance < 1
        ):
            kind, hint = type(self.tolerance).__name__, "1e-6, or 0 for equality"
            raise expected("a number in [0, 1)", "tolerance", self.tolerance, kind, hint)
        for name in ("ridge", "budget"):
            value = getattr(self, name)
            if not (_is_number(value) and 0 < value <= float_info.max):
                hint = repr(getattr(Settings, name))
                raise expected("a positive number", name, value, type(value).__name__, hint)
            object.__setattr__(self, name, float(value))
        if self.memory is not None:
            if not (_is_number(self.memory) and 0 < self.memory <= float_info.max):
                kind = type(self.memory).__name__
                raise expected("a positive number of gigabytes", "memory", self.memory, kind, "2.0")
            object.__setattr__(self, "memory", float(self.memory))
        object.__setattr__(self, "seed", check_integer("seed", self.seed, bits=_SEED_BITS))
        if not (_is_number(self.subset) and 0 < self.subset <= 1):
            raise expected(
                "a fraction in (0, 1]",
                "subset",
                self.subset,
                type(self.subset).__name__,
                repr(Settings.subset),
            )
        object.__setattr__(self, "subset", float(self.subset))
        if self.claims is not None and not self.claims:
            raise expected("at least one claim", "claims", self.claims, "empty", "None for all claims")

    @property
    def limit(self) -> Fraction:
        """The tolerance, exactly."""
        return TOLERANCE if self.tolerance is None else Fraction(self.tolerance)

    def to_words(self) -> dict[str, Any]:
        """The settings as a report stores them, numbers as exact strings; `from_words` reads them."""
        return {
            "arithmetic": self.arithmetic,
            "tolerance": None if self.tolerance is None else repr(float(self.limit)),
            "ridge": repr(self.ridge),
            "subset": repr(self.subset),
            "seed": self.seed,
            "budget": repr(self.budget),
            "asserted": sorted(self.asserted),
            **({} if self.training is None else {"training": self.training.settings}),
            **({} if self.memory is None else {"memory": repr(self.memory)}),
            "claims": None if self.claims is None else sorted(self.claims),
        }

    @classmethod
    def from_words(cls, words: Mapping[str, Any]) -> Settings:
        """Read the settings of a stored report.

        Args:
            words: as `to_words` made them; other keys are left alone.

        Raises:
            BadInputError: a setting that is missing or of another type.

        Example:
            >>> Settings.from_words(Settings(ridge=0.5, seed=3).to_words()) == Settings(ridge=0.5, seed=3)
            True
        """
        try:
            numbers = {name: float(words[name]) for name in ("ridge", "subset", "budget")}
            tolerance, claims, memory = words["tolerance"], words["claims"], words.get("memory")
            if type(words["arithmetic"]) is not str or type(words["seed"]) is not int:
                raise TypeError("arithmetic is no word or seed no integer")
            return cls(
                arithmetic=words["arithmetic"],
                tolerance=None if tolerance is None else float(tolerance),
                seed=words["seed"],
                asserted=_slugs(words["asserted"]),
                claims=None if claims is None else _slugs(claims),
                training=_training(words.get("training")),
                memory=None if memory is None else float(memory),
                **numbers,
            )
        except BadInputError:
            raise
        except (KeyError, TypeError, ValueError, OverflowError) as error:
            hint = "writing the report anew"
            raise expected("complete settings", "settings", error, "incomplete", hint) from None


def _is_number(value: object, exact: bool = False) -> bool:
    """Whether a value is a real number, a fraction only where it is used exactly; a truth value is none."""
    if isinstance(value, bool) or (
        isinstance(value, Rational) and not (exact or isinstance(value, Integral))
    ):
        return False
    return isinstance(value, Real)


def _slugs(words: Any) -> tuple[str, ...]:
    """A list of words, and nothing else."""
    if not isinstance(words, list) or not all(isinstance(word, str) for word in words):
        raise TypeError(f"{words!r} is not a list of claims")
    return tuple(words)


def _training(words: Any) -> TrainingPlan | None:
    """How the user trains; None where the report does not say."""
    if words is None:
        return None
    if not isinstance(words, dict) or set(words) != {"optimizer", "lr", "epochs", "momentum"}:
        raise TypeError("training is not an optimizer with lr, epochs and momentum")
    if type(words["optimizer"]) is not str:
        raise TypeError("the optimizer is no word")
    from .descent.plan import TrainingPlan

    return TrainingPlan.from_words(words["optimizer"], words["lr"], words["epochs"], float(words["momentum"]))
