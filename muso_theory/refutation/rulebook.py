"""Ways to unlearn that look right: most are wrong, some are right, and ``refute`` must tell which.

Every rule is written as a textbook would, with pseudo-inverses, and works on float64 arrays and on arrays of Fractions.
It shares no code with :mod:`muso_theory.methods`, some of which it writes a second time: so each can be held against
the other, and a slip in one is not a slip in both.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from fractions import Fraction
from functools import cached_property
from typing import Any, final

import numpy as np

from ..arrays import Array
from ..linear.problem import UnlearningProblem
from ..numbers import RATIONAL
from .structures import exact_array

__all__ = ["RIGHT", "RULEBOOK", "WRONG", "BookRule", "Letters", "leave_block_out", "pseudo_inverse"]


def pseudo_inverse(a: Array) -> Array:
    """A⁺, exactly for an object array of Fractions, else by ``numpy.linalg.pinv``.

    Example:
        >>> pseudo_inverse(exact_array([[1, 1], [1, 1]])).tolist()[0]
        [Fraction(1, 4), Fraction(1, 4)]
    """
    if a.dtype != object:
        return np.asarray(np.linalg.pinv(a, rcond=1e-10))
    m = RATIONAL.matrix(a)
    basis = RATIONAL.factor(RATIONAL.gram(m)).basis
    if not basis:
        return exact_array(np.zeros(a.shape[::-1], dtype=int))
    # A = C·B with rows B independent and C of full column rank, so A⁺ = Bᵀ(BBᵀ)⁻¹(CᵀC)⁻¹Cᵀ.
    b = RATIONAL.take(m, basis)
    right = RATIONAL.factor(RATIONAL.gram(b)).solve(b).transpose()
    left = (m * right).transpose()
    result = right * RATIONAL.factor(RATIONAL.gram(left)).solve(left)
    out = np.empty(a.size, dtype=object)
    out[:] = [Fraction(int(x.p), int(x.q)) for x in result.entries()]
    return out.reshape(a.shape[::-1])


class Letters:
    """A problem's matrices by the letters of the theory, each by a pseudo-inverse; outputs are columns.

    Attributes are phi, phi_r, phi_f (Φ and its rows of R and F), y, y_r, y_f, w0, w_p, w_r, and optimal = Φ_F w_r.

    Args:
        problem: the problem, in floats or in Fractions.

    Example:
        >>> Letters(UnlearningProblem(np.array([[1.0, 0, 1], [1, 1, 0]]), np.array([1.0, 2.0]), [1])).optimal.round(12)
        array([[0.5]])
    """

    def __init__(self, problem: UnlearningProblem) -> None:
        self.problem = problem
        self.phi = problem.features if problem.features.dtype == object else problem.features.astype(float)
        self.y = problem.targets.reshape(problem.n_samples, -1)
        zero = np.zeros((problem.n_features, problem.n_outputs))
        start = exact_array(zero) if self.phi.dtype == object else zero
        self.w0 = start if problem.w_init is None else problem.w_init.reshape(zero.shape)
        self.r, self.f = problem.retain, problem.forget
        self.phi_r, self.phi_f = self.phi[self.r], self.phi[self.f]
        self.y_r, self.y_f = self.y[self.r], self.y[self.f]

    def number(self, x: float) -> Any:
        """A constant in the numbers of the problem."""
        return Fraction(x).limit_denominator(10**9) if self.phi.dtype == object else x

    def identity(self, size: int) -> Array:
        """I."""
        return exact_array(np.eye(size, dtype=int)) if self.phi.dtype == object else np.eye(size)

    def update(self, phi: Array, y: Array, w: Array) -> Array:
        """G_{Φ,y}(w)."""
        return np.asarray(w + pseudo_inverse(phi) @ (y - phi @ w))

    @cached_property
    def w_p(self) -> Array:
        """G_{Φ,y}(w₀), (D, C)."""
        return self.update(self.phi, self.y, self.w0)

    @cached_property
    def w_r(self) -> Array:
        """G_{Φ_R,y_R}(w₀), (D, C)."""
        return self.update(self.phi_r, self.y_r, self.w0)

    @cached_property
    def optimal(self) -> Array:
        """Φ_F w_r, (n_F, C)."""
        return np.asarray(self.phi_f @ self.w_r)

    def project(self, phi: Array, w: Array) -> Array:
        """w₀ + Φ⁺Φ(w − w₀)."""
        return np.asarray(self.w0 + pseudo_inverse(phi) @ (phi @ (w - self.w0)))

    def fine_tuned(self, labels: Array, start: Array) -> Array:
        """Fine-tuning on everyone with new labels for F."""
        y = self.y.copy()
        y[self.f] = labels
        return self.update(self.phi, y, start)


@final
@dataclass(frozen=True)
class BookRule:
    """One entry: a rule or method, and what is known about it.

    Args:
        name: its name.
        words: what it does, or where it goes wrong.
        formula: computes it from the letters, (n_F, C) or (D, C).
        kind: "labels" or "parameters".
        assuming: conditions under which it is right.

    Example:
        >>> problem = UnlearningProblem(np.array([[1.0, 0, 1], [1, 1, 0]]), np.array([1.0, 2.0]), [1])
        >>> RULEBOOK["closed-form"](problem).round(12), RULEBOOK["retain-mean"](problem)
        (array([0.5]), array([1.]))
    """

    name: str
    words: str
    formula: Callable[[Letters], Array]
    kind: str = "labels"
    assuming: tuple[str, ...] = ()

    def __call__(self, problem: UnlearningProblem) -> Array:
        """Labels or parameters in the shape of the problem's."""
        return np.asarray(problem.shaped(self.formula(Letters(problem))))


def _leave_block_out(m: Letters) -> Array:
    inverse = pseudo_inverse(m.phi @ m.phi.T)
    block = inverse[np.ix_(m.f, m.f)]
    return np.asarray(m.y_f - pseudo_inverse(block) @ (inverse @ (m.y - m.phi @ m.w0))[m.f])


def leave_block_out(problem: UnlearningProblem) -> Array:
    """ỹ_F = y_F − [(K⁺)_FF]⁺[K⁺(y − Φw₀)]_F: right where K is invertible (claim leave-block-out).

    Example:
        >>> leave_block_out(UnlearningProblem(np.array([[1.0, 0, 1], [1, 1, 0]]), np.array([1.0, 2.0]), [1])).round(12)
        array([0.5])
    """
    return problem.shaped(_leave_block_out(Letters(problem)))


def _random(m: Letters) -> Array:
    rows = np.random.default_rng(0).integers(len(m.y), size=len(m.f))
    return np.asarray(m.y[rows])


def _wrong_block(m: Letters) -> Array:
    k = m.phi @ m.phi.T
    return np.asarray(m.y_f - k[np.ix_(m.f, m.f)] @ (pseudo_inverse(k) @ (m.y - m.phi @ m.w0))[m.f])


def _transposed(m: Letters) -> Array:
    cross = (m.phi_r @ m.phi_f.T).reshape(len(m.f), len(m.r))  # where .T is meant
    dual = pseudo_inverse(m.phi_r @ m.phi_r.T) @ (m.y_r - m.phi_r @ m.w0)
    return np.asarray(m.phi_f @ m.w0 + cross @ dual)


def _jitter(m: Letters, epsilon: float = 1e-6) -> Array:
    k = m.phi_r @ m.phi_r.T + m.number(epsilon) * m.identity(len(m.r))
    return np.asarray(m.phi_f @ m.w0 + m.phi_f @ m.phi_r.T @ pseudo_inverse(k) @ (m.y_r - m.phi_r @ m.w0))


def _subset(m: Letters) -> Array:
    kept = m.r[: (len(m.r) + 1) // 2]
    return np.asarray(m.phi_f @ m.project(m.phi[kept], m.w_p))


def _forget_only(m: Letters) -> Array:
    return m.update(m.phi_f, m.optimal, m.w_p)


def _stale(m: Letters) -> Array:
    earlier = np.delete(np.arange(len(m.y)), m.r[-1])
    return np.asarray(m.phi_f @ m.project(m.phi_r, m.update(m.phi[earlier], m.y[earlier], m.w0)))


def _off_span(m: Letters) -> Array:
    start = m.w_p.copy()
    start[0] += 1
    return m.fine_tuned(m.optimal, start)


def _woodbury(m: Letters) -> Array:
    epsilon = m.number(1e-2)
    inner = epsilon * m.identity(len(m.r)) + epsilon * (m.phi_r @ m.phi_r.T)  # one ε too many
    projected = m.phi_r.T @ pseudo_inverse(inner) @ m.phi_r @ (m.w_p - m.w0)
    return np.asarray(m.phi_f @ (m.w0 + projected))


def _single_precision(m: Letters) -> Array:
    return np.asarray(m.optimal.astype(np.float32).astype(np.float64))


def _teacher(m: Letters) -> Array:
    draws = np.random.default_rng(0).integers(-2, 3, m.w0.shape)
    return np.asarray(m.phi_f @ (exact_array(draws) if m.phi.dtype == object else draws.astype(float)))


def _ascent(m: Letters) -> Array:
    return np.asarray(m.w_p + m.number(0.125) * m.phi_f.T @ (m.phi_f @ m.w_p - m.y_f))


def _dual_dropped(m: Letters) -> Array:
    dual = pseudo_inverse(m.phi @ m.phi.T) @ (m.y - m.phi @ m.w0)
    return np.asarray(m.w0 + m.phi_r.T @ dual[m.r])


def _ridge_at_pretrained(m: Letters) -> Array:
    """Relabelled ridge fine-tuning anchored at w_p."""
    gram = m.phi.T @ m.phi + m.identity(len(m.w0))
    y = m.y.copy()
    y[m.f] = m.optimal
    return np.asarray(m.w_p + pseudo_inverse(gram) @ m.phi.T @ (y - m.phi @ m.w_p))


def _hard(m: Letters) -> Array:
    return np.asarray(np.where(m.optimal >= 0, m.number(1.0), m.number(-1.0)))


def _scrubbing(m: Letters) -> Array:
    """w_p − (I − P_R)Φ_Fᵀ S⁻¹(y_F − Φ_F w_r): NTK scrubbing."""
    off = m.phi_f.T - pseudo_inverse(m.phi_r) @ (m.phi_r @ m.phi_f.T)
    return np.asarray(m.w_p - off @ pseudo_inverse(m.phi_f @ off) @ (m.y_f - m.optimal))


def _kernel(m: Letters) -> Array:
    """Φ_F w_r plus (I − Φ_FΦ_F⁺)1, which lies in ker Φ_Fᵀ."""
    ones = m.identity(1)[0, 0] + 0 * m.y_f
    return np.asarray(m.optimal + ones - m.phi_f @ (pseudo_inverse(m.phi_f) @ ones))


def _any_start(m: Letters) -> Array:
    return m.fine_tuned(m.optimal, m.w0 + m.phi.T @ (m.y * m.y + 1))


def _sequential(m: Letters) -> Array:
    """One request after the other, the last sample first."""
    w, keep = m.w_p, list(range(len(m.y)))
    for row in m.f[::-1]:
        here, keep = list(keep), [i for i in keep if i != row]
        retrained = m.update(m.phi[keep], m.y[keep], m.w0)
        y = m.y.copy()
        y[row] = m.phi[row] @ retrained
        w = m.update(m.phi[here], y[here], w)
    return w


def _ridge_corrected(m: Letters) -> Array:
    """The ridge label with its error taken back (claim ridge-inverse)."""
    epsilon = m.number(0.25)
    k = m.phi_r @ m.phi_r.T
    shifted, cross = pseudo_inverse(k + epsilon * m.identity(len(m.r))), m.phi_f @ m.phi_r.T
    r = m.y_r - m.phi_r @ m.w0
    return np.asarray(
        m.phi_f @ m.w0 + cross @ shifted @ r + epsilon * (cross @ shifted @ pseudo_inverse(k) @ r)
    )


_PARAMETERS = "parameters"
_ON_RETAIN = ("least-squares-on-retain",)

WRONG: dict[str, BookRule] = {
    rule.name: rule
    for rule in (
        BookRule("random-labels", "labels drawn from the targets", _random),
        BookRule("original-labels", "no unlearning", lambda m: m.y_f),
        BookRule("zero-labels", "all labels zero", lambda m: 0 * m.y_f),
        BookRule("retain-mean", "the mean retained target", lambda m: 0 * m.y_f + m.y_r.sum(0) / len(m.r)),
        BookRule("hard-labels", "the sign of the optimal label", _hard),
        BookRule("pretrained-labels", "the pretrained predictions", lambda m: m.phi_f @ m.w_p),
        BookRule(
            "label-free-anywhere",
            "label-free where w_p does not minimise on R",
            lambda m: m.phi_f @ m.project(m.phi_r, m.w_p),
        ),
        BookRule("start-forgotten", "w₀ taken for zero", lambda m: m.phi_f @ pseudo_inverse(m.phi_r) @ m.y_r),
        BookRule("wrong-block", "K_FF for [(K⁻¹)_FF]⁻¹", _wrong_block),
        BookRule("transposed-block", "K_RF reshaped where it must be transposed", _transposed),
        BookRule("ridge-jitter", "(K_RR + 1e-6 I)⁻¹ for K_RR⁻¹", _jitter),
        BookRule("half-retain", "label-free from half of the retain set", _subset),
        BookRule("forget-only", "fine-tuning on the forget samples alone", _forget_only, _PARAMETERS),
        BookRule("stale-pretrained", "w_p from before the last sample came", _stale),
        BookRule("off-span-start", "fine-tuning from w_p + e₁", _off_span, _PARAMETERS),
        BookRule("sign-error", "P_R(w₀ − w_p)", lambda m: m.phi_f @ (2 * m.w0 - m.project(m.phi_r, m.w_p))),
        BookRule("woodbury-slip", "(εI + εΦ_RΦ_Rᵀ)⁻¹ where (εI + Φ_RΦ_Rᵀ)⁻¹ is meant", _woodbury),
        BookRule("float32-labels", "the optimal labels in single precision", _single_precision),
        BookRule("bad-teacher", "predictions of a random model", _teacher),
        BookRule(
            "warm-retraining", "w_r taken as G_R(w_p)", lambda m: m.phi_f @ m.update(m.phi_r, m.y_r, m.w_p)
        ),
        BookRule("gradient-ascent", "one step up the forget loss", _ascent, _PARAMETERS),
        BookRule(
            "dual-dropped", "the forget samples' dual coefficients set to zero", _dual_dropped, _PARAMETERS
        ),
        BookRule(
            "ridge-at-pretrained", "ridge fine-tuning anchored at w_p", _ridge_at_pretrained, _PARAMETERS
        ),
    )
}
"""Plausible and wrong."""

RIGHT: dict[str, BookRule] = {
    rule.name: rule
    for rule in (
        BookRule("closed-form", "Φ_F w_r", lambda m: m.optimal),
        BookRule(
            "label-free",
            "Φ_F(w₀ + P_R(w_p − w₀))",
            lambda m: m.phi_f @ m.project(m.phi_r, m.w_p),
            "labels",
            _ON_RETAIN,
        ),
        BookRule("leave-block-out", "from one inverse", _leave_block_out, "labels", ("full-rank",)),
        BookRule("ridge-corrected", "the ridge label with its error taken back", _ridge_corrected),
        BookRule(
            "subset-for-itself",
            "subset labels where dropping the rest of R costs nothing: S = R",
            lambda m: m.phi_f @ m.project(m.phi[m.r], m.w_p),
            "labels",
            ("interpolates-retain",),
        ),
        BookRule("kernel-moved", "a particular label plus ker Φ_Fᵀ", _kernel),
        BookRule("any-start", "fine-tuning from w₀ + Φᵀc", _any_start, _PARAMETERS),
        BookRule(
            "ntk-scrubbing", "w_p − (I − P_R)Φ_Fᵀ S⁻¹(y_F − Φ_F w_r)", _scrubbing, _PARAMETERS, ("full-rank",)
        ),
        BookRule(
            "shifted-projection",
            "w₀ + P_R(w_p − w₀)",
            lambda m: m.project(m.phi_r, m.w_p),
            _PARAMETERS,
            _ON_RETAIN,
        ),
        BookRule("sequential", "one request after the other", _sequential, _PARAMETERS),
    )
}
"""Right under their conditions."""

RULEBOOK: dict[str, BookRule] = WRONG | RIGHT
"""All of them by name."""
