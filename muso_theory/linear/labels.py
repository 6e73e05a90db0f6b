"""Optimal labels for the forget samples: five ways to compute them, and all of them at once."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction
from functools import partial
from numbers import Real
from typing import Any

import numpy as np
from scipy.linalg.lapack import dpocon

from ..arguments import checked
from ..arrays import Array, forget_indices, outline, plain_array
from ..errors import SingularMatrixError, check_integer, expected, nearest, refuse_idle
from ..evidence.digits import round_digits
from ..numbers import FLOAT64, CholeskyFactor
from ..numbers.ieee import one_blas_thread
from ..numbers.spans import right_side
from ..rows import taken
from .closed_forms import ClosedForms, Point, float_model
from .handed import Handed
from .kept import kept
from .model import Rows
from .problem import UnlearningProblem, require_problem
from .spreading import spread

__all__ = [
    "LABEL_METHODS",
    "LabelSolutionSet",
    "label_solution_set",
    "leave_block_out_labels",
    "optimal_labels",
]

LABEL_METHODS = ("closed-form", "label-free", "leave-block-out", "ridge", "subsample")


@checked
def optimal_labels(
    problem: UnlearningProblem,
    method: str = "closed-form",
    *,
    ridge: float = 1e-8,
    subset: float | Array = 0.2,
    seed: int = 0,
    arithmetic: str = "auto",
) -> Array:
    """Labels ỹ_F for the forget samples, computed by one of five formulas.

    ====================  =======================================  ====================================
    method                formula                                  equals Φ_F w_r
    ====================  =======================================  ====================================
    ``closed-form``       Φ_F w_r                                  always (claim exact-labels)
    ``label-free``        Φ_F(w₀ + P_R(w_p − w₀))                  iff w_p minimises on R (label-free)
    ``leave-block-out``   y_F − [(K⁻¹)_FF]⁻¹[K⁻¹(y − Φw₀)]_F       K invertible (leave-block-out)
    ``ridge``             Φ_F w₀ + K_FR(K_RR + λI)⁻¹(y_R − Φ_Rw₀)  off by O(λ) (ridge-inverse)
    ``subsample``         Φ_F(w₀ + P_S(w_p − w₀)), S ⊂ R           off unless S = R (downsampling)
    ====================  =======================================  ====================================

    The formula is evaluated as it stands, also where its hypothesis fails; ``check`` tells whether it holds.

    Args:
        problem: the problem.
        method: one of the names above.
        ridge: λ > 0 of ``ridge``.
        subset: for ``subsample`` a fraction of R in (0, 1], drawn from ``seed``, or row indices inside R.
        seed: seed of the random subset.
        arithmetic: "auto" computes in float64 as long as that keeps six digits, and rounds what preconditioned float64
            encloses where it does not (Φ of full rank and at most 2²⁴ entries); "float64" computes in float64 always,
            "ball" and "rational" in theirs, rounded once at the end.

    Returns:
        Labels in the order of ``problem.forget``, shape (n_F,) or (n_F, C), float64.

    Raises:
        BadInputError: no problem or a changed one, unknown method, λ not positive, a subset that is empty or outside R,
            λ or a subset with a method that has none.

    Example:
        >>> import numpy as np
        >>> problem = UnlearningProblem(np.array([[1.0, 0, 1], [1, 1, 0]]), np.array([1.0, 2.0]), [1])
        >>> optimal_labels(problem).round(12), optimal_labels(problem, "leave-block-out").round(12)
        (array([0.5]), array([0.5]))
    """
    require_problem(problem)
    problem.require_unchanged()
    if method not in LABEL_METHODS:
        raise expected(
            "a label method", "method", method, type(method).__name__, nearest(method, LABEL_METHODS)
        )
    refuse_idle("ridge", ridge, 1e-8, "method", method, ["ridge"])
    refuse_idle("subset", np.asarray(subset).tolist(), 0.2, "method", method, ["subsample"])
    if method == "ridge" and not (_is_number(ridge) and 0 < ridge < np.inf):
        raise expected(
            "a positive number", "ridge", ridge, type(ridge).__name__, "1e-8, or method='closed-form'"
        )

    def formula(model: ClosedForms) -> Any:
        if method == "closed-form":
            return model.optimal_labels
        if method == "leave-block-out":
            return model.leave_block_out()
        if method == "ridge":
            ridged = model.fit(model.retain, model.targets(model.retain), ridge=ridge)
            return model.predict(model.forget, ridged)
        rows = model.retain if method == "label-free" else subset_positions(problem, subset, seed)
        return model.label_free(rows)

    # More threads add up in another order, and give labels with other last digits.
    with one_blas_thread():
        return problem.shaped(Handed(problem, arithmetic).compute(formula))


def subset_positions(problem: UnlearningProblem, subset: float | Array, seed: int) -> Rows:
    """Positions (retain first) of a subset S of the retain set.

    Args:
        problem: the problem.
        subset: fraction in (0, 1] or row indices inside R.
        seed: seed of the draw.

    Returns:
        Sorted positions.

    Raises:
        BadInputError: fraction out of range or giving no sample, indices outside R.
    """
    n_retain = len(problem.retain)
    if np.ndim(subset) == 0:
        if not (_is_number(subset) and 0 < subset <= 1):
            raise expected(
                "a fraction in (0, 1]", "subset", subset, type(subset).__name__, "0.2, or row indices of R"
            )
        size = subset_size(float(subset), n_retain)
        chosen = np.sort(np.random.default_rng(check_integer("seed", seed)).permutation(n_retain)[:size])
        return tuple(int(i) for i in chosen)
    indices = plain_array("subset", subset)
    inside = np.isin(indices, problem.retain)
    if indices.ndim != 1 or indices.size == 0 or not inside.all():
        raise expected(
            "row indices of retained samples", "subset", subset, "outside R", "a part of problem.retain"
        )
    return tuple(int(i) for i in np.unique(np.searchsorted(problem.retain, indices)))


def subset_size(subset: float, n_retain: int, whole: Callable[[float], int] = round) -> int:
    """How many samples a fraction of R is.

    Args:
        subset: the fraction.
        n_retain: samples in R.
        whole: how it is made a whole number.

    Raises:
        BadInputError: it is none.

    Example:
        >>> subset_size(0.2, 13), subset_size(0.2, 13, whole=int)
        (3, 2)
    """
    size = whole(subset * n_retain)
    if size < 1:
        # Rounded up: a share that is told must be enough, also of those that are cut and not rounded.
        least, of = f"{round_digits(Fraction(1, n_retain), up=True)} or more", f"of {n_retain} retained"
        raise expected("a subset of at least one sample", "subset", subset, of, least)
    return size


def _is_number(value: object) -> bool:
    return isinstance(value, Real) and not isinstance(value, bool)


@dataclass(frozen=True, eq=False, repr=False)
class LabelSolutionSet:
    """Every labelling that unlearns exactly: ``particular`` + span of the ``kernel`` columns.

    Args:
        particular: Φ_F w_r, shape (n_F,) or (n_F, C).
        kernel: orthonormal basis of ker Φ_Fᵀ, shape (n_F, k); k = 0 means the optimal label is unique.
    """

    particular: Array
    kernel: Array

    __repr__ = outline

    @property
    def is_unique(self) -> bool:
        """Whether Φ_F has (numerically) full row rank."""
        return bool(self.kernel.shape[1] == 0)


def label_solution_set(problem: UnlearningProblem) -> LabelSolutionSet:
    """All optimal labels: Φ_F w_r + ker Φ_Fᵀ (claim label-solution-set), ranks judged in float64.

    Args:
        problem: the problem.

    Returns:
        A particular label and a basis of the directions that do not matter.

    Raises:
        BadInputError: no problem.

    Example:
        >>> import numpy as np
        >>> rows = np.array([[1.0, 0, 1], [1, 1, 0], [1, 1, 0]])
        >>> found = label_solution_set(UnlearningProblem(rows, np.array([1.0, 2.0, 3.0]), [1, 2]))
        >>> found.particular.round(12), abs(found.kernel.T @ [1, 1]).round(12), found.is_unique
        (array([0.5, 0.5]), array([0.]), False)
    """
    require_problem(problem)
    problem.require_unchanged()
    model = float_model(problem)
    kernel = model.forget_kernel()
    if kernel is None:
        kernel = np.zeros((len(problem.forget), 0))
    return LabelSolutionSet(optimal_labels(problem), np.asarray(kernel))


def leave_block_out_labels(problem: UnlearningProblem, forget_sets: Iterable[object]) -> list[Array]:
    """Optimal labels of many forget sets from one factorisation (claim leave-block-out, where K is invertible).

    The problem's own forget set plays no part. K⁻¹ is formed once, in O(n³); each forget set then costs a
    solve with its own n_F × n_F block, instead of a retraining. With more samples than features the least squares fit w
    of all samples and a factor of ΦᵀΦ are, and labels are

        ỹ_F = y_F − (I − Φ_F(ΦᵀΦ)⁻¹Φ_Fᵀ)⁻¹(y_F − Φ_F w),

    Φ_F w_r by the Woodbury identity where Φ_R has full column rank. All in plain float64. The condition takes digits
    away unseen, and so does a target far larger than its label, being subtracted: `optimal_labels` answers one request
    with digits that are looked at.

    Args:
        problem: features, targets and w₀.
        forget_sets: masks or index arrays.

    Returns:
        One label array a forget set, in ascending order of its indices.

    Raises:
        BadInputError: no problem, or no forget sets of it; rows of Φ whose squares are near the ends of float64.
        SingularMatrixError: K, or ΦᵀΦ of more samples than features, is not (numerically) invertible, or would not be
            without some forget set, as far as float64 tells.

    Example:
        >>> import numpy as np
        >>> problem = UnlearningProblem(np.array([[1.0, 0, 1], [1, 1, 0]]), np.array([1.0, 2.0]), [1])
        >>> [labels.round(12) for labels in leave_block_out_labels(problem, [[0], [1]])]
        [array([1.]), array([0.5])]
    """
    require_problem(problem)
    try:
        listed = list(forget_sets)
    except TypeError:
        what, got = "several forget sets", type(forget_sets).__name__
        raise expected(what, "forget_sets", forget_sets, got, "[[0], [1, 2]]") from None
    tall = problem.n_samples > problem.n_features
    correct, exponent, targets = _by_residuals(problem) if tall else _by_inverse(problem)
    rows = [forget_indices(forget, problem.n_samples) for forget in listed]
    labels: list[Array] = [np.empty(0)] * len(rows)
    for some in _alike(rows, problem.n_features if tall else 1):
        corrections = correct(np.stack([rows[i] for i in some]))
        for i, correction in zip(some, corrections, strict=True):
            labels[i] = problem.shaped(targets[rows[i]] - np.ldexp(correction, exponent))
    if tall:
        problem.require_unchanged()  # its rows have been read for these requests
    return labels


_FAR = 1e250
"""What K⁻¹ may have on its diagonal: beyond it and its inverse, products of a few entries leave what float64 holds."""

_STACK = 1 << 20
"""Entries of the blocks of K⁻¹, or of columns of ΦᵀΦ, that are in memory at a time."""

_LOST = 1e-8
"""Smallest eigenvalue of I − Φ_F(ΦᵀΦ)⁻¹Φ_Fᵀ that is told from 0, unless the condition of ΦᵀΦ says more."""

_Corrections = Callable[[Array], Array]


def _alike(rows: Sequence[Array], columns: int) -> Iterator[list[int]]:
    """Places of forget sets of one size, as many as are solved in one call, which has so many entries a row or more."""
    by_size: dict[int, list[int]] = {}
    for i, forget in enumerate(rows):
        by_size.setdefault(len(forget), []).append(i)
    for size, places in by_size.items():
        most = max(1, _STACK // (size * max(size, columns)))
        yield from (places[first : first + most] for first in range(0, len(places), most))


@kept
def _by_inverse(problem: UnlearningProblem) -> tuple[_Corrections, int, Array]:
    """2⁻ᵉ(y_F − ỹ_F) of stacked forget sets, e and y: K⁻¹ is formed once, and requests are solves of their own size.

    The power of two keeps targets of any size away from the ends of float64. All are of the arrays as they were when
    the problem was made, whatever is written into these later.
    """
    problem.require_unchanged()
    model = float_model(problem)
    factor = model.factor(model.everything)
    if factor.rank < factor.size:
        raise SingularMatrixError(
            f"expected an invertible Gram matrix but got numerical rank {factor.rank} for "
            f"{problem.n_samples} samples; try optimal_labels(method='closed-form') for each forget set"
        )
    with np.errstate(over="ignore", invalid="ignore", divide="ignore"):
        inverse = (
            factor.inverse() if isinstance(factor, CholeskyFactor) else factor.solve(np.eye(factor.size))
        )
    _require_far(np.diagonal(inverse), "K⁻¹", problem.features.shape)
    residual = model.targets(model.everything) - model.predict(model.everything, Point())
    exponent = int(np.frexp(np.abs(residual).max())[1])
    weighted, place = factor.solve(np.ldexp(residual, -exponent)), np.argsort(model.order)
    return partial(_solved_in_inverse, place, inverse, weighted), exponent, _targets(problem)


def _solved_in_inverse(place: Array, inverse: Array, weighted: Array, rows: Array) -> Array:
    """[(K⁻¹)_FF]⁻¹[K⁻¹ residual]_F for each row of stacked forget sets."""
    at = place[rows]
    return np.linalg.solve(inverse[at[:, :, None], at[:, None, :]], weighted[at])


@kept
def _by_residuals(problem: UnlearningProblem) -> tuple[_Corrections, int, Array]:
    """The same with more samples than features, from a factor of ΦᵀΦ and the residuals of one fit of all samples.

    Where Φ has full column rank that fit does not depend on w₀. Whether arrays are what they were is asked after each
    call, which reads rows of Φ again.
    """
    model, features = float_model(problem), problem.features
    factor = model.factor(model.everything)
    if not isinstance(factor, CholeskyFactor) or factor.rank < problem.n_features:
        what, hint = "Φ of full column rank", "optimal_labels of a problem with each forget set"
        got = (
            f"rank {factor.rank}" if factor.rank < problem.n_features else "too near to a lower rank, or to 0"
        )
        raise SingularMatrixError(str(expected(what, "features", features.shape, f"{got} in float64", hint)))
    _require_far(np.square(np.diagonal(factor.lower)), "ΦᵀΦ's factor", features.shape)
    targets = _targets(problem)
    exponent = int(np.frexp(np.abs(targets).max())[1])
    scaled = np.ldexp(targets, -exponent)
    w = factor.solve(right_side(features, np.arange(len(targets)), scaled, None, spread()))
    # What Φ_F(ΦᵀΦ)⁻¹Φ_Fᵀ is off by grows with the condition of ΦᵀΦ, here of its factor's norms from above.
    lower = np.tril(factor.lower[: factor.size])
    norm = float(np.abs(lower).sum(axis=0).max() * np.abs(lower).sum(axis=1).max())
    reciprocal = float(dpocon(np.asfortranarray(lower), norm, uplo="L")[0])
    least = max(_LOST, factor.size * float(np.finfo(np.float64).eps) / max(reciprocal, 1e-300))
    return partial(_solved_by_residuals, features, factor, scaled, w, least), exponent, targets


def _solved_by_residuals(
    features: Any, factor: CholeskyFactor, targets: Array, w: Array, least: float, rows: Array
) -> Array:
    """(I − Φ_F(ΦᵀΦ)⁻¹Φ_Fᵀ)⁻¹(y_F − Φ_F w) for each row of stacked forget sets."""
    sets, size = rows.shape
    theirs = np.asarray(taken(features, rows.ravel()), dtype=np.float64)
    z = factor.forward(theirs.T).T.reshape(sets, size, -1)  # rows of Φ_F L⁻ᵀ, with ΦᵀΦ = LLᵀ
    left = np.eye(size) - z @ z.swapaxes(1, 2)
    smallest = np.linalg.eigvalsh(left)[:, 0]
    if len(features) - size < factor.size or (smallest < least).any():
        first = int(np.argmin(smallest))
        what = "Φ_R of full column rank, told from less in float64"
        got = f"1 − leverage is {smallest[first]:.1g}, where {least:.1g} may be 0"
        hint = "optimal_labels of a problem with this forget set"
        raise SingularMatrixError(str(expected(what, "forget set", rows[first], got, hint)))
    return np.linalg.solve(left, (targets[rows.ravel()] - theirs @ w).reshape(sets, size, -1))


def _targets(problem: UnlearningProblem) -> Array:
    """Y in float64, shape (n, C)."""
    return np.array(FLOAT64.matrix(problem.targets.reshape(problem.n_samples, problem.n_outputs)))


def _require_far(diagonal: Array, whose: str, shape: tuple[int, ...]) -> None:
    """Refuse a diagonal near the ends of float64."""
    if not ((diagonal > 1 / _FAR) & (diagonal < _FAR)).all():
        what = f"rows of Φ whose squares are far from the ends of float64 ({_FAR:g})"
        got = f"diagonal of {whose} from {diagonal.min():.2g} to {diagonal.max():.2g}"
        raise expected(what, "features", shape, got, "features × a power of two")
