"""Claims about updates that stand for retraining, and about what forgetting costs: 26 to 32.

A step w + A⁻¹Φ_Fᵀd, A = ΦᵀΦ + λI, is a fit that is anchored at w, of the targets Φw + (0; d); without a ridge it is
w + Φ⁺(0; d). So all of these claims but forget-features are written in the verbs of a
model.
"""

from __future__ import annotations

from fractions import Fraction

import numpy as np

from ..evidence import Identity, Inequality, show
from ..linear.closed_forms import ClosedForms
from ..linear.model import Labels, Parameters
from ..linear.problem import UnlearningProblem
from ..numbers import Matrix, NoArithmeticError, Quantity
from .case import Case, Found, Yardstick
from .checks import Check, by_name_only
from .following import explicit_model

__all__ = ["UPDATES"]

_SHARE = 10
"""One feature in so many is forgotten, and at least one."""


def _two_features(case: Case) -> Found:
    return [Inequality("D − 1", Quantity.exact(case.problem.n_features - 1), positive=True)], []


def _proper_subset(case: Case) -> Found:
    beyond = len(case.model.retain) - len(case.subset)
    return [Inequality("|R| − |S|", Quantity.exact(beyond), positive=True)], []


def _minus(case: Case, d: Labels) -> Labels:
    return case.model.mix(-1, d, 0, d)


def _downdate(case: Case) -> Found:
    model = case.model
    # y_F − ỹ_F = [(K⁻¹)_FF]⁻¹[K⁻¹(y − Φw₀)]_F for the leave-block-out labels ỹ_F, and ΦᵀK⁻¹ = Φ⁺. That K_RR⁻¹ is what
    # the theorem says is seen of one vector: w_r − w₀ = Φ_RᵀK_RR⁻¹(y_R − Φ_R w₀).
    change = model.mix(1, model.leave_block_out(), -1, model.targets(model.forget))
    reached = model.pushed(model.pretrained, change)
    what = "‖w_p − ΦᵀK⁻¹S_Fᵀ[(K⁻¹)_FF]⁻¹[K⁻¹(y − Φw₀)]_F − w_r‖"
    return [case.identity(what, model.distance(reached, model.retrained), case.parameter_yardsticks)], [
        f"the update moves w_p by {show(model.distance(reached, model.pretrained))}"
    ]


def _lengths_add(case: Case, end: Parameters, name: str) -> Identity:
    """‖w_p − w‖² = ‖w_p − w_r‖² + ‖w_r − w‖² for w in w₀ + row(Φ_R)."""
    model = case.model
    first, rest = (model.square_distance(model.retrained, w) for w in (model.pretrained, end))

    def explained() -> Quantity:
        # w_r − w lies in row(Φ_R), where w_p − w_r has the part m = Φ_R⁺(Φ_R w_p − y_R): the rest is 2⟨m, w_r − w⟩.
        projected = model.project(model.retain, model.pretrained)
        missed, way = model.distance(projected, model.retrained), rest.sqrt()
        both = missed.plus(way).squared()
        return both.minus(missed.squared()).minus(way.squared()).positive_part()

    whole = model.square_distance(model.pretrained, end)
    what = f"|‖w_p − {name}‖² − ‖w_p − w_r‖² − ‖w_r − {name}‖²|"
    return case.identity(
        what, whole.gap_to(first.plus(rest)), case.square_yardsticks, explained, squared=True
    )


def _energy(case: Case) -> Found:
    return [_lengths_add(case, case.model.start, "w₀")], [
        f"remembering F costs ‖w_p − w_r‖ {show(case.doing_nothing)} of ‖w_p − w₀‖ {show(case.travelled)}"
    ]


def _capacity(case: Case) -> Found:
    model, subset = case.model, case.subset
    fewer = model.fit(subset, model.targets(subset))
    return [_lengths_add(case, fewer, "w_r(S)")], [
        f"|S| = {len(subset)} of {len(model.retain)}: forgetting F costs ‖w_p − w_r‖ {show(case.doing_nothing)}, "
        f"all but S ‖w_p − w_r(S)‖ {show(model.distance(model.pretrained, fewer))}"
    ]


class _Ridge:
    """The ridge models of a case, all anchored at w₀: trained, retrained, and their residuals on F."""

    def __init__(self, case: Case) -> None:
        self.case, self.ridge, model = case, case.settings.ridge, case.model
        self.pretrained = model.fit(model.everything, model.targets(model.everything), ridge=self.ridge)
        self.retrained = model.fit(model.retain, model.targets(model.retain), ridge=self.ridge)
        self.residual, self.left_out = (
            model.mix(1, model.targets(model.forget), -1, model.predict(model.forget, w))
            for w in (self.pretrained, self.retrained)
        )
        self.nothing = model.distance(self.pretrained, self.retrained)

    def hat(self, d: Labels) -> Labels:
        """H_FF d, with H = Φ(ΦᵀΦ + λI)⁻¹Φᵀ."""
        model = self.case.model
        after = model.predict(model.forget, model.pushed(model.start, d, self.ridge))
        return model.mix(1, after, -1, model.predict(model.forget, model.start))

    def block_out(self, hat: Labels) -> Identity:
        """(I − H_FF)(y_F − Φ_F w_r) = y_F − Φ_F w_p, with H_FF(y_F − Φ_F w_r) at hand."""
        model = self.case.model
        error = model.label_distance(model.mix(1, self.left_out, -1, hat), self.residual)
        # I − H_FF is small where F is nearly interpolated: only beside the small side is a wrong w_r^λ seen.
        yardsticks = ((self.size_of(self.residual), "‖y_F − Φ_F w_p^λ‖"), *self.case.label_yardsticks)
        what = "‖(I − H_FF)(y_F − Φ_F w_r^λ) − (y_F − Φ_F w_p^λ)‖"
        return self.case.identity(what, error, yardsticks)

    def size_of(self, d: Labels) -> Quantity:
        """‖d‖."""
        model = self.case.model
        zeros = np.zeros((len(model.forget), self.case.problem.n_outputs))
        return model.label_distance(d, model.given(zeros))


def _ridge_block_out(case: Case) -> Found:
    ridge = _Ridge(case)
    return [ridge.block_out(ridge.hat(ridge.left_out))], [
        f"λ = {ridge.ridge:g}; left out, F is predicted with ‖y_F − Φ_F w_r^λ‖ {show(ridge.size_of(ridge.left_out))}"
    ]


def _influence(case: Case) -> Found:
    ridge, model = _Ridge(case), case.model
    hat = ridge.hat(ridge.left_out)
    # The first finding says that y_F − Φ_F w_r is (I − H_FF)⁻¹e_F, so that no inverse is formed for the second.
    updated = model.pushed(ridge.pretrained, _minus(case, ridge.residual), ridge.ridge)
    missed = model.distance(updated, model.pushed(ridge.retrained, hat, ridge.ridge))
    way = model.distance(ridge.pretrained, model.start)
    yardsticks: tuple[Yardstick, ...] = ((ridge.nothing, "‖w_p^λ − w_r^λ‖"), (way, "‖w_p^λ − w₀‖"))
    return [
        ridge.block_out(hat),
        case.identity("‖(w_IF − w_r^λ) − A⁻¹Φ_FᵀH_FF(I − H_FF)⁻¹e_F‖", missed, yardsticks),
    ], [
        f"λ = {ridge.ridge:g}: the influence-function update misses w_r^λ by "
        f"{show(model.distance(updated, ridge.retrained))}, doing nothing by {show(ridge.nothing)}"
    ]


def _label_correction(case: Case) -> Found:
    model = case.model
    d = model.given(np.ones((len(model.forget), case.problem.n_outputs)))
    labels = model.relabelled(model.mix(1, model.targets(model.forget), 1, d))
    corrected = model.fit(model.everything, labels)
    moved = model.square_distance(corrected, model.pretrained)
    length = moved.sqrt()
    return [
        case.identity(
            "‖w'_p − w_p − Φ⁺S_Fᵀd‖",
            model.distance(corrected, model.pushed(model.pretrained, d)),
            ((length, "‖w'_p − w_p‖"), *case.parameter_yardsticks),
        ),
        case.identity(
            "|‖w'_p − w_p‖² − dᵀ(K⁺)_FF d|",
            moved.gap_to(model.square_gap(d)),
            ((moved, "‖w'_p − w_p‖²"), *case.square_yardsticks),
            squared=True,
        ),
    ], [f"with 1 added to every label of F: ‖w'_p − w_p‖ {show(length)}"]


def _forget_features(case: Case) -> Found:
    model, problem, ridge = explicit_model(case), case.problem, case.settings.ridge
    arithmetic, size = model.arithmetic, (problem.n_features, problem.n_outputs)
    n_forgotten = max(1, problem.n_features // _SHARE)
    n_kept = problem.n_features - n_forgotten
    if not n_kept:
        raise NoArithmeticError("no feature is left", "a second feature")
    targets = model.targets(model.everything)
    zero = model.at(np.zeros(size, dtype=np.int64))
    w = model.final(model.fit(model.everything, targets, zero, ridge=ridge))
    fewer = UnlearningProblem(problem.features[:, :n_kept], problem.targets, problem.forget)
    kept = ClosedForms(fewer, arithmetic)
    refitted = kept.final(kept.fit(kept.everything, targets, ridge=ridge))
    padded = arithmetic.vstack(refitted, arithmetic.zeros(n_forgotten, problem.n_outputs))
    update = arithmetic.sub(w, _dropping(model, w, n_kept, ridge))
    change, length, error = (
        arithmetic.square_norm(v).sqrt()
        for v in (arithmetic.sub(w, padded), w, arithmetic.sub(update, padded))
    )
    what = "‖w − A⁻¹T_Gᵀ[(A⁻¹)_GG]⁻¹w_G − (w_K; 0)‖"
    return [case.identity(what, error, ((change, "‖w − (w_K; 0)‖"), (length, "‖w‖")))], [
        f"λ = {ridge:g}, w₀ = 0, G the last {n_forgotten} of {problem.n_features} features: "
        f"‖w − (w_K; 0)‖ {show(change)} of ‖w‖ {show(length)}"
    ]


def _dropping(model: ClosedForms, w: Matrix, n_kept: int, ridge: float) -> Matrix:
    """A⁻¹T_Gᵀ[(A⁻¹)_GG]⁻¹w_G for the features G from ``n_kept`` on, A = ΦᵀΦ + λI."""
    arithmetic, n_features = model.arithmetic, model.problem.n_features
    unit = arithmetic.matrix(np.eye(n_features, dtype=np.int64)[:, n_kept:])
    factor = model.factor(model.everything, ridge)
    if model.is_dual_for(model.everything, ridge):  # λA⁻¹ = I − Φᵀ(K + λI)⁻¹Φ
        seen = factor.solve(model.image(model.everything, unit))
        reach = arithmetic.sub(unit, model.transposed_image(model.everything, seen))
        reach = arithmetic.scale(1 / Fraction(ridge), reach)
    else:
        reach = factor.solve(unit)
    gone = list(range(n_kept, n_features))
    block = arithmetic.take(reach, gone)
    block = arithmetic.scale(0.5, arithmetic.add(block, arithmetic.transpose(block)))
    return arithmetic.matmul(reach, arithmetic.factor(block).solve(arithmetic.take(w, gone)))


UPDATES = {
    "two-features": Check(_two_features, listed=by_name_only),
    "proper-subset": Check(_proper_subset, listed=by_name_only, uses=("subset",)),
    "downdate": Check(_downdate, listed=by_name_only),
    "energy": Check(_energy, listed=by_name_only),
    "capacity": Check(_capacity, listed=by_name_only, uses=("subset",)),
    "ridge-block-out": Check(_ridge_block_out, listed=by_name_only, uses=("ridge",)),
    "influence": Check(_influence, listed=by_name_only, uses=("ridge",)),
    "forget-features": Check(_forget_features, listed=by_name_only, uses=("ridge",)),
    "label-correction": Check(_label_correction, listed=by_name_only),
}
