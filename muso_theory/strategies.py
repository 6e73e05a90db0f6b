"""Hypothesis strategies for unlearning problems, for this test suite and for other people's.

They shrink towards two samples, one feature, zero entries and w₀ = 0. With ``exact=True`` arrays hold Fractions
(dyadic, so that the float64 version is the same problem), else float64.

Example:
    >>> from hypothesis import given, settings
    >>> import muso_theory as mt
    >>> @settings(max_examples=5, derandomize=True, database=None)
    ... @given(problems(assuming="full-rank", exact=False))
    ... def relabelling_is_exact(problem):
    ...     assert mt.solve(problem).parameter_gap < 1e-6
    >>> relabelling_is_exact()
"""

from __future__ import annotations

from collections.abc import Iterable
from fractions import Fraction
from typing import TYPE_CHECKING, get_args

import numpy as np
from hypothesis import assume
from hypothesis import strategies as st

from .arguments import checked
from .arrays import Array
from .errors import expected
from .linear.problem import UnlearningProblem
from .refutation.rulebook import RIGHT, WRONG, BookRule
from .refutation.structures import STRUCTURES, draw_features, draw_problem, exact_array
from .refutation.trials import holds, in_floats, named_conditions

if TYPE_CHECKING:
    from .networks import Sequential

__all__ = [
    "conditioned_features",
    "feature_matrices",
    "forget_sets",
    "fourier_features",
    "label_rules",
    "labels_for",
    "orthogonal_matrices",
    "problems",
    "small_networks",
    "step_size_schedules",
]


def _structure(structure: str | None) -> st.SearchStrategy[str]:
    """One structure, or any."""
    return st.sampled_from(list(STRUCTURES)) if structure is None else st.just(structure)


@st.composite
@checked
def feature_matrices(
    draw: st.DrawFn,
    structure: str | None = None,
    max_samples: int = 6,
    max_features: int = 8,
    exact: bool = True,
) -> Array:
    """Feature matrices Φ by structure.

    Args:
        structure: "random", "binary", "duplicated", "low-rank", "graded", "orthogonal", "vandermonde" or "fourier";
            None is any of them.
        max_samples: largest n (n ≥ 2).
        max_features: largest D.
        exact: Fractions instead of float64.

    Returns:
        A strategy of arrays of shape (n, D). ``orthogonal`` makes the last row orthogonal to all others.

    Example:
        >>> from hypothesis import find
        >>> find(feature_matrices("low-rank", exact=False), lambda phi: phi.any()).shape
        (2, 1)
    """

    def integer(low: int, high: int) -> int:
        return draw(st.integers(low, high))

    n, d = integer(2, max_samples), integer(1, max_features)
    phi = draw_features(integer, draw(_structure(structure)), n, d, [n - 1])
    return phi if exact else phi.astype(np.float64)


@st.composite
@checked
def conditioned_features(draw: st.DrawFn, n: int, d: int, rank: int, max_condition: float = 1e6) -> Array:
    """Float64 feature matrices of a given rank whose κ⁺(K) is known up to rounding: made from their SVD.

    Args:
        n: rows.
        d: columns.
        rank: number of nonzero singular values, at most min(n, d).
        max_condition: largest κ⁺(K) = (σ_max/σ_min⁺)².

    Raises:
        BadInputError: a rank that does not fit.

    Example:
        >>> conditioned_features(4, 6, 3).example is not None
        True
    """
    if not 1 <= rank <= min(n, d):
        raise expected(f"a rank from 1 to {min(n, d)}", "rank", rank, "int", "min(n, d)")
    rng = np.random.default_rng(draw(st.integers(0, 2**16)))
    kappa = max_condition ** (draw(st.integers(0, 8)) / 8)
    values = np.logspace(0, -0.5 * np.log10(kappa), rank)
    left = np.linalg.qr(rng.standard_normal((n, rank)))[0]
    right = np.linalg.qr(rng.standard_normal((d, rank)))[0]
    return np.asarray((left * values) @ right.T)


@st.composite
@checked
def fourier_features(draw: st.DrawFn, n: int, n_features: int) -> Array:
    """Paired random Fourier features m^-½[cos Wx; sin Wx] of random data, float64, shape (n, 2m), rows of norm one."""
    if n_features < 2 or n_features % 2:
        raise expected("an even number of features", "n_features", n_features, "int", "2 or more")
    rng = np.random.default_rng(draw(st.integers(0, 2**16)))
    bandwidth = 2.0 ** draw(st.integers(-2, 3))
    angles = rng.standard_normal((n, 3)) @ rng.standard_normal((3, n_features // 2)) / bandwidth
    return np.asarray(np.hstack([np.cos(angles), np.sin(angles)]) / np.sqrt(n_features // 2))


@st.composite
@checked
def problems(
    draw: st.DrawFn,
    structure: str | None = None,
    assuming: Iterable[str] | str = (),
    exact: bool = True,
    max_samples: int = 6,
    max_features: int = 8,
    max_outputs: int = 2,
) -> UnlearningProblem:
    """Unlearning problems, small and of every kind: any rank, w₀ zero or not, one or several outputs.

    Args:
        structure: of the features, as in ``feature_matrices``.
        assuming: conditions of the catalogue that must hold, exactly, such as "full-rank".
        exact: Fractions instead of float64.
        max_samples: largest n.
        max_features: largest D.
        max_outputs: largest C.

    Raises:
        BadInputError: an unknown structure or condition.

    Example:
        >>> from hypothesis import find
        >>> find(problems(), lambda p: True)
        UnlearningProblem(n=2, D=1, outputs=1, forget=1, retain=1, w_init=zero, ...)
    """
    needed = named_conditions(assuming)

    def integer(low: int, high: int) -> int:
        return draw(st.integers(low, high))

    problem = draw_problem(integer, draw(_structure(structure)), max_samples, max_features, max_outputs)
    for slug in needed:
        assume(holds(slug, problem))
    return problem if exact else in_floats(problem)


@checked
def forget_sets(n: int) -> st.SearchStrategy[list[int]]:
    """Sorted forget sets of n ≥ 2 samples, neither empty nor complete.

    Example:
        >>> from hypothesis import find
        >>> find(forget_sets(5), lambda forget: True)
        [0]
    """
    return st.sets(st.integers(0, n - 1), min_size=1, max_size=n - 1).map(sorted)


@st.composite
@checked
def labels_for(draw: st.DrawFn, problem: UnlearningProblem) -> Array:
    """Small integer labels, Fractions of shape (n_F,) or (n_F, C), for the forget samples of a problem."""
    shape = (len(problem.forget), *problem.targets.shape[1:])
    size = int(np.prod(shape))
    values = draw(st.lists(st.integers(-4, 4), min_size=size, max_size=size))
    return exact_array(values).reshape(shape)


@checked
def label_rules(right: bool | None = None) -> st.SearchStrategy[BookRule]:
    """Rules and methods of the rulebook.

    Returns:
        A strategy of rules; a right one must be given problems that satisfy its ``assuming``.

    Example:
        >>> from hypothesis import find
        >>> find(label_rules(right=True), lambda rule: rule.kind == "parameters").kind
        'parameters'
    """
    rules = [*(RIGHT.values() if right is not False else ()), *(WRONG.values() if not right else ())]
    return st.sampled_from(rules)


@st.composite
@checked
def step_size_schedules(draw: st.DrawFn, largest: Fraction | int, max_steps: int = 8) -> list[Fraction]:
    """Exact stable step sizes of gradient descent on ½‖Φw − y‖²: constant, fading, or any, all in (0, 2/largest).

    Args:
        largest: an upper bound of λ_max(ΦᵀΦ), such as its trace; positive.
        max_steps: longest schedule.

    Raises:
        BadInputError: a bound that is not positive.

    Example:
        >>> from hypothesis import find
        >>> find(step_size_schedules(4), lambda etas: True)
        [Fraction(1, 16)]
    """
    if not largest > 0:
        raise expected("a positive bound of λ_max", "largest", largest, type(largest).__name__, "the trace")
    steps = draw(st.integers(1, max_steps))
    style = draw(st.sampled_from(("constant", "fading", "any")))
    first = draw(st.integers(1, 7))
    eighths = [first] * steps
    if style == "any":
        eighths = [first] + [draw(st.integers(1, 7)) for _ in range(steps - 1)]
    unit = Fraction(1, 4) / Fraction(largest)
    return [unit * k / (t + 1 if style == "fading" else 1) for t, k in enumerate(eighths)]


@st.composite
@checked
def orthogonal_matrices(draw: st.DrawFn, size: int) -> Array:
    """Exact orthogonal matrices of Fractions: signs, permutations, and rotations by the triangle 3, 4, 5.

    Example:
        >>> from hypothesis import find
        >>> find(orthogonal_matrices(1), lambda q: q[0, 0] < 0).tolist()
        [[Fraction(-1, 1)]]
    """
    q = exact_array(np.eye(size, dtype=int))
    q = q[draw(st.permutations(range(size)))]
    signs = draw(st.lists(st.booleans(), min_size=size, max_size=size))
    q = q * exact_array([[-1 if sign else 1] for sign in signs])
    for _ in range(draw(st.integers(0, 2)) if size > 1 else 0):
        i = draw(st.integers(0, size - 2))
        rotation = exact_array([[Fraction(3, 5), Fraction(-4, 5)], [Fraction(4, 5), Fraction(3, 5)]])
        q[i : i + 2] = rotation @ q[i : i + 2]
    return q


@st.composite
@checked
def small_networks(
    draw: st.DrawFn,
    max_layers: int = 3,
    max_width: int = 4,
    activations: Iterable[str] = ("erf", "tanh", "relu"),
    max_samples: int = 4,
) -> tuple[Sequential, list[Array], Array]:
    """Small fully connected networks with parameters and inputs, as ``networks.from_network`` takes them.

    They shrink towards one weight and one bias on one sample at zero.

    Args:
        max_layers: most layers with weights.
        max_width: most inputs, and most units of a layer.
        activations: names to choose one from, the simplest first.
        max_samples: most samples in X.

    Returns:
        A strategy of (network, params, X) with X of shape (n, inputs); params and X are random normal, or zero.

    Example:
        >>> from hypothesis import find
        >>> network, params, X = find(small_networks(), lambda example: True)
        >>> network, X.tolist()
        (Sequential((1,): dense 1→1; 2 parameters), [[0.0]])
    """
    from .networks import mlp
    from .networks.dense import Parameterization

    names = tuple(activations)
    for name, most in (("max_layers", max_layers), ("max_width", max_width), ("max_samples", max_samples)):
        if most < 1:
            raise expected("at least one", name, most, "int", "1")
    if not names:
        raise expected("at least one nonlinearity", "activations", names, "empty", "('erf',)")
    sizes = draw(st.lists(st.integers(1, max_width), min_size=2, max_size=max_layers + 1))
    style: Parameterization = draw(st.sampled_from(get_args(Parameterization)))
    network = mlp(sizes, draw(st.sampled_from(names)), style)
    samples, seed = draw(st.integers(1, max_samples)), draw(st.integers(0, 2**16))
    X = (
        np.random.default_rng(seed).standard_normal((samples, sizes[0]))
        if seed
        else np.zeros((samples, sizes[0]))
    )
    return network, list(network.init(seed)), X
