"""Run a stored report again on its data."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import fields, replace
from pathlib import Path
from typing import Any

from .checking import check
from .errors import BadInputError, expected
from .inputs import Source, prepare
from .linear.training.plan import TrainingPlan
from .rechecking import Recheck, compare, parse_report

__all__ = ["recheck"]


def recheck(
    path: Path, data: str, independent: bool = False, tell: Callable[[str], None] = lambda line: None
) -> Recheck:
    """Compute everything that a stored report says again, from the data.

    Args:
        path: a report written by ``muso check --json``.
        data: name, path or ``-`` of the data.
        independent: also decide every claim in rationals, or in balls where the matrix is regular.
        tell: progress.

    Returns:
        What does not agree.

    Raises:
        BadInputError: an unreadable report, or data that cannot be loaded.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise BadInputError(f"expected a readable report but got {path}: {error}; try another file") from None
    document = parse_report(text, str(path))
    settings = document["settings"]
    prepared = prepare(_source(settings, data), tell)
    options = _options(settings)
    fresh = check(prepared.problem, **options, **prepared.audited, progress=tell)
    second = None
    if independent:
        exact = "rational" if prepared.problem.float_model.is_singular else "ball"
        second = check(
            prepared.problem, **{**options, "arithmetic": exact}, **prepared.audited, progress=tell
        )
    return compare(document, prepared.describe(fresh), second)


def _source(settings: Any, data: str) -> Source:
    """The words of the command that wrote the report, about the data given now."""
    stored = settings.get("source") if isinstance(settings, dict) else None
    if not isinstance(stored, dict) or set(stored) != {field.name for field in fields(Source)}:
        raise expected(
            "a report of muso check", "settings", "no source", "other settings", "muso check DATA --json"
        )
    kinds = {
        "n_features": int,
        "seed": int,
        "standardize": bool,
        "features": str,
        "bandwidth": str,
        "w_init": str,
    }
    if any(not isinstance(stored[key], kind) for key, kind in kinds.items()):
        raise expected(
            "settings as they were written", "source", stored, "other types", "writing the report anew"
        )
    return replace(Source(**stored), data=data)


def _slugs(words: Any) -> list[str]:
    """A list of words, and nothing else."""
    if not isinstance(words, list) or not all(isinstance(word, str) for word in words):
        raise TypeError(f"{words!r} is not a list of claims")
    return words


def _training(words: Any) -> dict[str, Any]:
    """How the user trains, as arguments; nothing where the report does not say."""
    if words is None:
        return {}
    if not isinstance(words, dict) or set(words) != {"optimizer", "lr", "epochs", "momentum"}:
        raise TypeError("training is not an optimizer with lr, epochs and momentum")
    plan = TrainingPlan.from_words(words["optimizer"], words["lr"], words["epochs"], float(words["momentum"]))
    return {"optimizer": plan.optimizer, "lr": plan.lr, "epochs": plan.epochs, "momentum": plan.momentum}


def _options(settings: dict[str, Any]) -> dict[str, Any]:
    """The settings of the check as arguments."""
    try:
        numbers = {name: float(settings[name]) for name in ("ridge", "subset", "budget")}
        tolerance = settings["tolerance"]
        return {
            **numbers,
            **_training(settings.get("training")),
            "tolerance": None if tolerance is None else float(tolerance),
            "arithmetic": settings["arithmetic"],
            "seed": settings["seed"],
            "asserted": _slugs(settings["asserted"]),
            "claims": None if settings["claims"] is None else _slugs(settings["claims"]),
        }
    except (KeyError, TypeError, ValueError) as error:
        raise expected(
            "complete settings", "settings", error, "incomplete", "writing the report anew"
        ) from None
