"""Evidence about a feature map itself: how far its float features are from it, and what survives that."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from math import inf
from sys import float_info
from typing import Any

from .evidence import Evidence, Inequality, Scope, Verdict, round_digits
from .linear.problem import UnlearningProblem
from .numbers import Quantity, UndecidedError

__all__ = ["feature_precision"]


def feature_precision(
    transformer: Any, X: Any, problem: UnlearningProblem, digits: int, tell: Callable[[str], None]
) -> Evidence:
    """Bound how far the float features are from their map, and say what survives that.

    Args:
        transformer: the fitted map, or None for the identity.
        digits: at which the map is evaluated again.

    Returns:
        Evidence ``feature-precision``: CERTIFIED where the map's own Φ has full rank too.
    """
    from .linear import precise
    from .linear.features import IdentityFeatures

    if transformer is None:
        transformer = IdentityFeatures().fit(X)
    seconds = precise.seconds_of_map(transformer, problem.n_samples, digits)
    words = f"features at {digits} digits, about {seconds:.2g} s in all"
    tell(words)
    error = precise.feature_error(
        transformer, X, problem.features, digits, lambda line: tell(f"{words}: {line}")
    )
    findings = [_finite("‖Φ̂ − Φ‖_F", error.frobenius)]
    needs = ""
    try:
        found = precise.perturbation(problem, error)
    except UndecidedError as obstacle:
        needs = f"verified float64: {obstacle}"
        unknown = Quantity.enclosure(-inf, inf)
        findings.append(Inequality(_MARGIN, unknown, positive=True))
    else:
        findings += [
            Inequality(_MARGIN, found.margin, positive=True),
            _finite("‖w_r(Φ̂) − w_r(Φ)‖", found.parameters),
            _finite("‖Φ̂_F w_r(Φ̂) − Φ_F w_r(Φ)‖", found.labels),
        ]
        if found.margin.lower <= 0:
            needs = "more digits, or features of higher precision"
    facts = [
        f"every entry of {error.rows} rows enclosed at {digits} digits",
        f"no entry off by more than {round_digits(error.largest.bound, up=True)}",
        *(str(finding) for finding in findings[1:]),
    ]
    evidence = Evidence(
        "feature-precision",
        Scope.INSTANCE,
        tuple(findings),
        "ball, verified float64",
        is_condition=True,
        needs=needs,
        facts=tuple(facts),
    )
    meaning = {
        Verdict.CERTIFIED: "The feature map's own Φ has full rank too; its parameters and labels differ by no more.",
        Verdict.UNDECIDED: "All else is about the float matrix Φ̂; of the feature map's own Φ nothing is proved.",
    }.get(evidence.verdict, "The float features are too far from their map: nothing carries over to it.")
    return replace(evidence, meaning=meaning)


_MARGIN = "σ_min(Φ̂) − ‖Φ̂ − Φ‖_F"
"""Where positive, a lower bound of σ_min(Φ)."""


def _finite(what: str, quantity: Quantity) -> Inequality:
    """A bound worth having whatever its size: held only against being finite."""
    return Inequality(what, quantity, bar=float_info.max, unit_of="any finite number")
