"""What the numbers of a report name, as exact numbers: the judge looks up a finding's words here.

Every identity of a theorem is evaluated, not assumed to be zero. Words that are not listed are an error, so that no
finding escapes judgement by being renamed.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from functools import cached_property
from typing import Any

import numpy as np
from flint import fmpq, fmpq_mat

from .exact_numbers import (
    AffineNumber,
    AtMost,
    Eigenvalue,
    Exactly,
    ExactNumber,
    GaussianDelta,
    Inverse,
    Ratio,
    Root,
    Signed,
    Sum,
)
from .exact_truth import FlintMatrix, Truth, norm, null_space, read, square_norm, stack

__all__ = ["OPEN", "Quantities"]

_DELTA = Fraction(1, 10**5)
"""What is asked of published noise, at ε = 1."""

OPEN = re.compile(
    r"‖\(I − P\)\(w_t − w₀\)‖ of the float iterate at t = \d+|"
    r"1 − ρ\(a pass on row\(Φ\)\)|‖w_E − w_r‖ predicted for E = \d+"
)
"""Numbers about iterates and radii in floats, which are measured and have no exact value here."""


@dataclass
class Quantities:
    """The exact numbers of one check.

    Args:
        truth: the problem.
        settings: keyword arguments of the check.
        handed_out: floats that the toolkit hands out for this problem, by name.
    """

    truth: Truth
    settings: Mapping[str, Any]
    handed_out: Callable[[str], Any] = field(repr=False)

    def number(self, what: str) -> ExactNumber | None:
        """The number that some words of a finding name; None for numbers that have no exact value."""
        if OPEN.fullmatch(what):
            return None
        if what in self._fixed:
            return self._fixed[what]()
        for pattern, find in self._patterns:
            found = re.fullmatch(pattern, what)
            if found:
                return find(*found.groups())
        raise KeyError(what)

    # -- by pattern

    @property
    def _patterns(self) -> list[tuple[str, Callable[..., ExactNumber | None]]]:
        return [
            (r"n(_R|_F)? − rank Φ(?:_R|_F)?", self._missing_rank),
            (r"λ_min\(K(?:_(RR|FF))?\)", self._smallest_of),
            (r"‖w_u − w_r‖ of the given (\w+)", lambda name: self._gap(self.artefact(name), name)),
            (r"‖w_u − w_r‖ of the float labels by ([\w-]+)", self._output_gap),
            (r"‖w_u − w_r‖ of the float (w_unlearned)", self._output_gap),
            (r"‖Φ_([FR])\(w_u − w_r\)‖ of the given (\w+)", self._audited_outputs),
            (r"‖\(I − P\)\((w_pretrained|w_unlearned) − w₀\)‖", self._audited_start),
            (
                r"‖Φ(_R)?⁺\(y(?:_R)? − Φ(?:_R)? (w_pretrained|w_unlearned|w_u)\)‖(?: of the given labels)?",
                self._from_anywhere,
            ),
            (r"‖(w_pretrained) − G\(w₀\)‖", lambda name: norm(self.artefact(name) - self.truth.pretrained)),
            (
                r"δ at ε = 1, σ = (\S+?)(?: of the (given|float) (\w+))?"
                r"(?: \((perhaps )?(more) noise than doing nothing needs\))?",
                self._delta,
            ),
            (r"([\d.e+-]+) − γλ_max", self._stability),
            (r"smallest pivot of (\S+)·I − (?:K|ΦᵀΦ)", self._pivot),
            (r"‖\(w_T − w_r\) − \(I − ηΦᵀΦ\)\^T\(w_p − w_r\)‖, T = (\d+)", self._finite_time),
            (r"‖w_u\(T'\) − w_r\(T\)‖, T = (\d+), T' = 2", self._early),
            (r"‖\(I − P\)\(w_T − w₀\)‖, (heavy ball|Nesterov)", self._momentum_span),
            (r"‖\(w_T − w_r\) − p_T\(ΦᵀΦ\)\(w_p − w_r\)‖, (heavy ball|Nesterov)", self._momentum),
            (r"\|‖w_u − w_r‖² − ‖\(I − P\)\(w_p − w₀\)‖²\|, (.*)", self._adaptive),
            (r"‖w_u − w_r‖, F(.) then F.", self._sequential),
        ]

    # -- conditions

    def _rows(self, suffix: str | None) -> list[int]:
        t = self.truth
        return {"R": t.retain, "F": t.forget}.get((suffix or "").strip("_")[:1], t.everything)

    def _missing_rank(self, suffix: str | None) -> ExactNumber:
        rows = self._rows(suffix)
        return Exactly(Fraction(len(rows) - self.truth.rank(rows)))

    def _smallest_of(self, suffix: str | None) -> ExactNumber:
        return Eigenvalue(self.truth.gram_spectrum(self._rows(suffix)), 0)

    def _condition_number(self) -> ExactNumber | None:
        t = self.truth
        return Ratio(t.largest_eigenvalue, t.smallest_eigenvalue) if t.rank(t.everything) else None

    def _steps(self) -> list[Fraction]:
        """γ_i‖φ_i‖² for a constant step."""
        step = Fraction(self.settings["lr"])
        return [step * square_norm(self.truth.features([i])) for i in self.truth.everything]

    def _limit(self) -> Fraction:
        mu = Fraction(self.settings.get("momentum", 0.9))
        bounds = {"gd": Fraction(2), "momentum": 2 * (1 + mu), "nesterov": 2 * (1 + mu) / (1 + 2 * mu)}
        return bounds[self.settings["optimizer"]]

    def _stability(self, _: str) -> ExactNumber:
        return AffineNumber(self._limit(), -Fraction(self.settings["lr"]), self.truth.largest_eigenvalue)

    def _pivot(self, threshold: str) -> ExactNumber:
        return Signed(self.truth.largest_eigenvalue.compare(Fraction(threshold)) < 0)

    # -- what is handed in or out

    def artefact(self, name: str) -> FlintMatrix:
        """What was handed in, exactly."""
        return read(np.asarray(self.settings[name]))

    def _gap(self, values: FlintMatrix, name: str) -> Root:
        return self.truth.label_gap(values) if name == "labels" else self.truth.gap(values)

    def _output_gap(self, name: str) -> Root:
        values = read(np.asarray(self.handed_out(name)))
        return self._gap(values, "w_unlearned" if name == "w_unlearned" else "labels")

    def _audited_outputs(self, rows: str, name: str) -> Root:
        values = self.artefact(name)
        w = self.truth.unlearned(values) if name == "labels" else values
        return norm(self.truth.predict(self._rows(rows), w - self.truth.retrained))

    def _from_anywhere(self, suffix: str | None, name: str) -> Root:
        t = self.truth
        w = t.unlearned(self.artefact("labels")) if name == "w_u" else self.artefact(name)
        rows = t.retain if suffix else t.everything
        return norm(t.fit(rows, t.y(rows), w) - w)

    def _audited_start(self, name: str) -> Root:
        return norm(self.truth.off_span(self.artefact(name)))

    def _delta(
        self, sigma: str, whose: str | None, name: str | None, perhaps: str | None, more: str | None
    ) -> ExactNumber:
        if more and not perhaps:
            idle = GaussianDelta(self.truth.gap(self.truth.pretrained).square, Fraction(sigma), Fraction(1))
            if not idle.within(0, _DELTA):
                raise KeyError("noise of which doing nothing needs more")
        if whose is None or name is None:
            gap = self.truth.label_gap(self.truth.optimal_labels)
        elif whose == "given":
            gap = self._gap(self.artefact(name), name)
        else:
            gap = self._output_gap(name)
        # σ is told rounded up, so that its δ is at most that of the σ meant.
        return AtMost(GaussianDelta(gap.square, Fraction(sigma), Fraction(1)))

    # -- theorems about labels

    @cached_property
    def subset(self) -> list[int]:
        """S, drawn as the documentation says."""
        retain = np.array(self.truth.retain)
        share = max(self.settings.get("subset", 0.2), 1 / len(retain))
        rng = np.random.default_rng(self.settings.get("seed", 0))
        return [int(i) for i in retain[np.sort(rng.permutation(len(retain))[: round(share * len(retain))])]]

    def _kernel_label(self) -> FlintMatrix:
        t = self.truth
        kernel = null_space(t.features(t.forget).transpose())
        ones = fmpq_mat(kernel.ncols(), t.outputs, [fmpq(1)] * (kernel.ncols() * t.outputs))
        return t.optimal_labels + kernel * ones

    def missed(self, rows: Sequence[int]) -> FlintMatrix:
        """Φ_A⁺(Φ_A w_p − y_A): what a violated hypothesis explains of label-free and downsampling."""
        t = self.truth
        return t.inverse(rows) * (t.predict(rows, t.pretrained) - t.y(rows))

    def _block_out(self) -> ExactNumber | None:
        t = self.truth
        return norm(t.leave_block_out() - t.optimal_labels) if t.rank(t.everything) == t.n else None

    def _ridge_inverse(self) -> ExactNumber | None:
        t = self.truth
        if t.rank(t.retain) < len(t.retain):
            return None
        shifted, predicted = t.shifted_labels(self.settings.get("ridge", 1e-3))
        return norm(shifted - t.optimal_labels - predicted)

    def _ridge_anchored(self) -> ExactNumber:
        t, ridge = self.truth, self.settings.get("ridge", 1e-3)
        retrained = t.ridge(t.retain, t.y(t.retain), ridge)
        labels = stack(t.y(t.retain), t.predict(t.forget, retrained))
        return norm(t.ridge(t.everything, labels, ridge) - retrained)

    def _downsampled(self) -> ExactNumber:
        t = self.truth
        retrained = t.fit(self.subset, t.y(self.subset))
        return norm(t.label_free(self.subset) - t.predict(t.forget, retrained))

    def _kept(self, rows: Sequence[int]) -> Fraction:
        """‖(P_R − P_rows)(w_p − w₀)‖²."""
        t = self.truth
        return square_norm(t.project(t.retain, t.pretrained) - t.project(rows, t.pretrained))

    def _nested(self) -> ExactNumber:
        half = self.subset[: max(1, len(self.subset) // 2)]
        return Exactly(max(Fraction(0), self._kept(self.subset) - self._kept(half)))

    # -- theorems about parameters

    def _formula(self, labels: FlintMatrix) -> ExactNumber:
        t = self.truth
        return Exactly(abs(t.label_gap(labels).square - t.formula_gap(labels).square))

    def _forget_only(self) -> ExactNumber:
        t = self.truth
        best = t.fit(t.forget, t.optimal_labels, t.pretrained)
        left, moved = square_norm(best - t.retrained), square_norm(best - t.pretrained)
        return Exactly(abs(left + moved - t.doing_nothing.square))

    def _requests(self, keep: list[int], one: list[int], two: list[int]) -> ExactNumber:
        """Forget one, then two, each by relabelling, against retraining on what is kept."""
        t, w = self.truth, self.truth.pretrained
        for kept, gone in (([*keep, *two], one), (keep, two)):
            retrained = t.fit(kept, t.y(kept))
            w = t.fit([*kept, *gone], stack(t.y(kept), t.predict(gone, retrained)), w)
        return norm(w - t.fit(keep, t.y(keep)))

    def _sequential(self, first: str) -> ExactNumber | None:
        t = self.truth
        if len(t.forget) > 1:
            half = len(t.forget) // 2
            parts, keep = (t.forget[:half], t.forget[half:]), t.retain
        elif len(t.retain) > 1:
            parts, keep = (t.forget, t.retain[-1:]), t.retain[:-1]
        else:
            return None
        return self._requests(keep, *(parts if first == "₁" else parts[::-1]))

    def _off_start(self, w: FlintMatrix) -> ExactNumber:
        """Squared errors of a start off the span, which add."""
        t = self.truth
        ended = square_norm(t.unlearned(t.optimal_labels, w) - t.retrained)
        return Exactly(abs(ended - square_norm(t.off_span(w))))

    def _adaptive(self, name: str) -> ExactNumber:
        t = self.truth
        if name == "weight decay to 0":
            ridge = self.settings.get("ridge", 1e-3)
            zero = fmpq_mat(t.width, t.outputs)
            return self._off_start(t.ridge(t.everything, t.y(t.everything), ridge, zero))
        slope = t.gradient(t.everything, t.y(t.everything), t.start).tolist()
        signs = [(fmpq(0) < -x) - (fmpq(0) > -x) for row in slope for x in row]
        return self._off_start(t.start + fmpq_mat(t.width, t.outputs, signs))

    # -- theorems about training

    @cached_property
    def step(self) -> Fraction:
        """A step 1/‖Φ‖_F² ≤ 1/λ_max, by which identities that hold for every step are evaluated."""
        return 1 / (square_norm(self.truth.phi) or Fraction(1))

    @cached_property
    def _eta(self) -> fmpq:
        return fmpq(self.step.numerator, self.step.denominator)

    @cached_property
    def _relabelled(self) -> FlintMatrix:
        return stack(self.truth.y(self.truth.retain), self.truth.optimal_labels)

    def _curve(self, w: FlintMatrix) -> FlintMatrix:
        """ΦᵀΦw."""
        return self.truth.phi.transpose() * (self.truth.phi * w)

    def _finite_time(self, steps: str) -> ExactNumber:
        t, error = self.truth, self.truth.pretrained - self.truth.retrained
        w = t.descend(t.everything, self._relabelled, t.pretrained, self.step, int(steps))
        for _ in range(int(steps)):
            error = error - self._eta * self._curve(error)
        return norm(w - t.retrained - error)

    def _early(self, steps: str) -> ExactNumber:
        """With Φᵀu = w_r(T) − w_p and T' = 2, labels Φw_p + (2I − ηK)⁻¹u/η reach w_r(T)."""
        t, eta = self.truth, self._eta
        target = t.descend(t.retain, t.y(t.retain), t.start, self.step, int(steps))
        phi = t.features(t.everything)
        gram = phi * phi.transpose()
        twice = fmpq_mat(t.n, t.n, [fmpq(2 * (i == j)) for i in range(t.n) for j in range(t.n)]) - eta * gram
        u = t.inverse(t.everything).transpose() * (target - t.pretrained)
        labels = phi * t.pretrained + twice.inv() * u / eta
        return norm(t.descend(t.everything, labels, t.pretrained, self.step, 2) - target)

    def _iterate(self, name: str) -> tuple[FlintMatrix, FlintMatrix]:
        """Two steps of momentum ½ from w_p, in parameters and in the error's own recursion."""
        t, half = self.truth, fmpq(1, 2)
        w = before = t.pretrained
        error = last = t.pretrained - t.retrained
        for _ in range(2):
            place = w + half * (w - before) if name == "Nesterov" else w
            push = self._eta * t.gradient(t.everything, self._relabelled, place)
            w, before = w + half * (w - before) - push, w
            seen = error + half * (error - last) if name == "Nesterov" else error
            error, last = error + half * (error - last) - self._eta * self._curve(seen), error
        return w, error

    def _momentum_span(self, name: str) -> ExactNumber:
        return norm(self.truth.off_span(self._iterate(name)[0]))

    def _momentum(self, name: str) -> ExactNumber:
        w, error = self._iterate(name)
        return norm(w - self.truth.retrained - error)

    def _sweep(self) -> tuple[FlintMatrix, FlintMatrix]:
        """A pass of SGD with steps 1/‖φ_i‖², and the coefficients (Γ⁻¹ + L)⁻¹r by forward substitution."""
        t = self.truth
        phi = t.features(t.everything)
        sizes = [square_norm(t.features([i])) for i in t.everything]
        steps = [1 / size if size else Fraction(1) for size in sizes]
        gram = phi * phi.transpose()
        lower = [
            gram[i, j] if j < i else fmpq(i == j) / fmpq(steps[i].numerator, steps[i].denominator)
            for i in range(t.n)
            for j in range(t.n)
        ]
        residual = self._relabelled - phi * t.pretrained
        return t.kaczmarz(self._relabelled, t.pretrained, steps), fmpq_mat(t.n, t.n, lower).solve(residual)

    def _sweep_parameters(self) -> ExactNumber:
        w, a = self._sweep()
        return norm(w - self.truth.pretrained - self.truth.features(self.truth.everything).transpose() * a)

    def _sweep_residual(self) -> ExactNumber:
        t, (w, a) = self.truth, self._sweep()
        phi = t.features(t.everything)
        before = self._relabelled - phi * t.pretrained
        return norm(self._relabelled - phi * w - (before - phi * (phi.transpose() * a)))

    # -- by name

    @cached_property
    def _fixed(self) -> dict[str, Callable[[], ExactNumber | None]]:
        t = self.truth
        everything, retain, forget = t.everything, t.retain, t.forget
        w_p, w_r, labels = t.pretrained, t.retrained, t.optimal_labels
        return {
            "n − n_R − n_F": lambda: Exactly(Fraction(t.n - len(retain) - len(forget))),
            "n − D": lambda: Exactly(Fraction(t.n - t.width)),
            "n − 2": lambda: Exactly(Fraction(t.n - 2)),
            "networks behind Φ": lambda: Exactly(Fraction(0)),
            "κ⁺(K)": self._condition_number,
            "λ_max": lambda: t.largest_eigenvalue,
            "2/λ_max": lambda: Inverse(Fraction(2), t.largest_eigenvalue),
            "‖y_R − Φ_R w_r‖": lambda: norm(t.residual(retain, w_r)),
            "‖y_R − Φ_R w_p‖": lambda: norm(t.residual(retain, w_p)),
            "‖Φ_Rᵀ(Φ_R w_p − y_R)‖": lambda: norm(t.gradient(retain, t.y(retain), w_p)),
            "‖Φ_Sᵀ(Φ_S w_p − y_S)‖": lambda: norm(t.gradient(self.subset, t.y(self.subset), w_p)),
            "‖(I − P)(w_p − w₀)‖": lambda: norm(t.off_span(w_p)),
            "‖(I − P)(w₁ − w₀)‖": lambda: Root(Fraction(0)),
            "2 − max γ_i‖φ_i‖²": lambda: Exactly(2 - max(self._steps())),
            "2 − min γ_i‖φ_i‖²": lambda: Exactly(2 - min(self._steps())),
            "min γ_i‖φ_i‖²": lambda: Exactly(min(self._steps())),
            "‖w_u − w_r‖": lambda: t.label_gap(labels),
            "gap of Φ_F w_r + a vector of ker Φ_Fᵀ": lambda: t.label_gap(self._kernel_label()),
            "squared gap of a label outside the set": lambda: Signed(t.rank(forget) > 0),
            "‖w₀ + P_R(w_p − w₀) − w_r‖": lambda: norm(t.project(retain, w_p) - w_r),
            "‖Φ_F(w₀ + P_R(w_p − w₀)) − Φ_F w_r‖": lambda: norm(t.label_free(retain) - labels),
            "‖ỹ_F(K⁻¹) − Φ_F w_r‖": self._block_out,
            "‖w_u^λ − w_r^λ‖": self._ridge_anchored,
            "‖(ỹ_ε − ỹ) + ε K_FR(K_RR + εI)⁻¹K_RR⁻¹r_R‖": self._ridge_inverse,
            "‖ỹ_F(S) − Φ_F w_r(S)‖": self._downsampled,
            "what ‖(P_R − P_S)·‖² exceeds ‖(P_R − P_½S)·‖² by": self._nested,
            "‖Φᵀ(y − ΦG(w₀))‖": lambda: norm(t.gradient(everything, t.y(everything), w_p)),
            "‖(I − P)(G(w₀) − w₀)‖": lambda: norm(t.off_span(w_p)),
            "‖G(G(w₀)) − G(w₀)‖": lambda: norm(t.fit(everything, t.y(everything), w_p) - w_p),
            "‖w_u − w_r‖ from w₀": lambda: norm(t.unlearned(labels, t.start) - w_r),
            "‖w_u − w_r‖ from a model of the forget samples": lambda: norm(
                t.unlearned(labels, t.fit(forget, t.y(forget))) - w_r
            ),
            "|‖w_u − w_r‖² − ‖(I − P)(s − w₀)‖²| from beside w₀": lambda: self._off_start(
                t.start + fmpq_mat(t.width, t.outputs, [fmpq(1)] * (t.width * t.outputs))
            ),
            "|‖w_u − w_r‖² − ‖Φ⁺(0; δ)‖²|, original labels": lambda: self._formula(t.y(forget)),
            "|‖w_u − w_r‖² − ‖Φ⁺(0; δ)‖²|, zero labels": lambda: self._formula(0 * t.y(forget)),
            "|‖(I − P_F)(w_r − w_p)‖² + ‖P_F(w_r − w_p)‖² − ‖w_r − w_p‖²|": self._forget_only,
            "‖Φ_F(w_u − w_r)‖": lambda: norm(t.predict(forget, t.unlearned(labels) - w_r)),
            "‖Φ_R(w_u − w_r)‖": lambda: norm(t.predict(retain, t.unlearned(labels) - w_r)),
            "‖w₁ − (w_p + Φᵀ(Γ⁻¹ + L)⁻¹r)‖": self._sweep_parameters,
            "‖r₁ − (I − K(Γ⁻¹ + L)⁻¹)r‖": self._sweep_residual,
            "‖w_u^λ − w_r^λ‖ with soft labels": lambda: None,
        }

    # -- what tolerances are relative to

    def scale(self, words: str, what: str) -> ExactNumber | None:
        """The length, or its square, that a tolerance is relative to, by the words of report and finding.

        None where it depends on a step or a start that the report does not tell.
        """
        remarks = (
            ": nothing to unlearn at this precision",
            ": finer than floats of this size",
            ": unless there is nothing to unlearn, which is open",
        )
        for remark in remarks:
            words = words.removesuffix(remark)
        if what.startswith("|‖w_u − w_r‖² − ‖(I − P)(w_p − w₀)‖²|"):
            return None  # w_p is where another optimizer ends
        if words == "its value at w₀" or words == "its value at w₀ and at 0":
            named = {"Φ_R": self.truth.retain, "Φ_S": self.subset}
            rows = next((found for name, found in named.items() if name in what), self.truth.everything)
            points = [self.truth.start, 0 * self.truth.start][: 2 if "at 0" in words else 1]
            return Sum(tuple(norm(self.truth.gradient(rows, self.truth.y(rows), w)) for w in points))
        if words == "the latter":
            half = self.subset[: max(1, len(self.subset) // 2)]
            return Exactly(self._kept(half))
        squared = words.endswith("²") and words.removesuffix("²") in self._lengths
        if squared:
            length = self._lengths[words.removesuffix("²")]()
            return length.squared()
        return self._lengths[words]() if words in self._lengths else None

    @cached_property
    def _lengths(self) -> dict[str, Callable[[], Sum]]:
        t = self.truth
        retraining = norm(t.retrained - t.start)
        travelled, nothing = norm(t.pretrained - t.start), t.doing_nothing
        change = norm(t.y(t.forget) - t.optimal_labels)

        def labels_moved() -> Root:
            return norm(t.optimal_labels - t.predict(t.forget, t.start))

        def residual(w: FlintMatrix) -> Root:
            return norm(t.residual(t.retain, w))

        return {
            "doing nothing": lambda: Sum((nothing,)),
            "‖w_r − w₀‖": lambda: Sum((retraining,)),
            "‖w_p − w₀‖": lambda: Sum((travelled,)),
            "‖w_p − w₀‖ + doing nothing": lambda: Sum((travelled, nothing)),
            **{
                f"doing nothing + ‖{name}‖": lambda name=name: Sum((nothing, norm(self.artefact(name))))
                for name in ("w_pretrained", "w_unlearned")
            },
            "doing nothing + their gap for the assumed w₀": lambda: Sum(
                (nothing, t.label_gap(self.artefact("labels")))
            ),
            "the label change": lambda: Sum((change,)),
            "‖Φ_F(w_r − w₀)‖": lambda: Sum((labels_moved(),)),
            "‖y_R − Φ_R w₀‖ + ‖y_R‖": lambda: Sum((residual(t.start), residual(0 * t.start))),
        }
