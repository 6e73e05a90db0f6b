"""Generated cases for `CertifiedForms`, and exact rational arithmetic to hold its bounds against.

Every enclosure of `CertifiedForms` is compared with the exact value of the same quantity over the
rationals, and eigenvalue bounds with the signs of the pivots of K − cI in balls of growing precision.
Cases are sizes 1 to 40, exponents from 2^-500 to 2^500 and into the subnormals, exact and near
singularity, huge condition numbers, cancellation in Φw₀, duplicated rows across the retain and forget
sets, independent rows as well as independent columns.
"""

from __future__ import annotations

import collections
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

import flint
import numpy as np

from muso_theory import UnlearningProblem
from muso_theory.linear.certified import CertifiedForms
from muso_theory.numbers import RATIONAL, Quantity, UndecidedError
from muso_theory.numbers.leastsquares import DualSystem
from muso_theory.numbers.point_ball import CertifiedParameters
from muso_theory.numbers.primal import PrimalSystem
from muso_theory.numbers.rational_matrix import RationalMatrix
from verification.exact_truth import read

Array = np.ndarray[Any, Any]
KINDS = (
    "gaussian",
    "integers",
    "float32",
    "exponent",
    "row exponents",
    "subnormal",
    "near duplicate",
    "duplicate",
    "low rank",
    "ill conditioned",
    "cancellation",
    "large start",
    "wild targets",
)
_WILD = ("exponent", "subnormal", "cancellation", "large start", "wild targets")


@dataclass(frozen=True)
class Generated:
    """One generated problem with the floats to be judged."""

    kind: str
    features: Array
    targets: Array
    retain: Array
    forget: Array
    w_init: Array | None
    labels: dict[str, Array]
    parameters: dict[str, Array]


def generate(seed: int, index: int) -> Generated:
    """Make one case; the same seed and index give the same case.

    Returns:
        The case.
    """
    rng = np.random.default_rng([seed, index])
    kind = KINDS[index % len(KINDS)]
    n = (
        1 + int(rng.integers(1, 3))
        if rng.random() < 0.1
        else int(np.ceil(np.exp(rng.uniform(np.log(2), np.log(40)))))
    )
    width = int(np.ceil(np.exp(rng.uniform(0, np.log(40)))))
    if rng.random() < 0.6 and width < n:
        n, width = max(width, 2), n
    outputs = int(rng.choice([1, 1, 1, 2, 3]))
    phi = rng.standard_normal((n, width))
    y = rng.standard_normal((n, outputs))
    w_init = None if rng.random() < 0.4 else rng.standard_normal((width, outputs))
    if kind == "integers":
        phi, y = np.round(3 * phi), np.round(3 * y)
    elif kind == "float32":
        phi = phi.astype(np.float32)
    elif kind == "exponent":
        phi = np.ldexp(phi, int(rng.integers(-500, 501)))
        y = np.ldexp(y, int(rng.integers(-500, 501)))
    elif kind == "row exponents":
        reach = int(rng.choice([3, 20, 100, 500]))
        phi = np.ldexp(phi, rng.integers(-reach, reach + 1, size=(n, 1)))
    elif kind == "subnormal":
        phi = np.ldexp(phi, int(rng.integers(-1074, -1000)))
        if rng.random() < 0.5:
            phi[0, 0] = 1.0
        y = np.ldexp(y, int(rng.integers(-1074, -900)))
    elif kind == "near duplicate":
        phi[-1] = phi[0] + np.ldexp(rng.standard_normal(width), -int(rng.integers(1, 56)))
    elif kind == "duplicate":
        for _ in range(int(rng.integers(1, 4))):
            a, b = rng.integers(0, n, 2)
            phi[a] = phi[b]
            if rng.random() < 0.5:
                y[a] = y[b]
    elif kind == "low rank":
        rank = int(rng.integers(0, min(n, width) + 1))
        phi = (rng.integers(-3, 4, (n, rank)) @ rng.integers(-3, 4, (rank, width))).astype(float)
    elif kind == "ill conditioned":
        u, s, v = np.linalg.svd(phi, full_matrices=False)
        phi = (u * 10.0 ** -np.linspace(0, rng.uniform(0, 17), len(s))) @ v
    elif kind == "cancellation":
        # Φw₀ cancels to about y: large entries of both signs.
        w_init = np.ldexp(rng.standard_normal((width, outputs)), int(rng.integers(5, 60)))
        if width > 1:
            phi[:, -1] = phi[:, 0] + np.ldexp(rng.standard_normal(n), -int(rng.integers(0, 30)))
            w_init[-1] = -w_init[0]
    elif kind == "large start":
        w_init = np.ldexp(rng.standard_normal((width, outputs)), int(rng.integers(-500, 501)))
    elif kind == "wild targets":
        y = np.ldexp(y, rng.integers(-500, 501, size=y.shape))
    forget = np.sort(rng.choice(n, size=int(rng.integers(1, n)), replace=False))
    retain = np.setdiff1d(np.arange(n), forget)
    wide = phi.astype(np.float64)
    start = np.zeros((width, outputs)) if w_init is None else w_init
    with np.errstate(all="ignore"):
        try:
            w_r = start + np.linalg.pinv(wide[retain]) @ (y[retain] - wide[retain] @ start)
        except np.linalg.LinAlgError:
            w_r = start.copy()
        w_r = np.nan_to_num(w_r, posinf=1e300, neginf=-1e300)
        optimal = np.nan_to_num(wide[forget] @ w_r, posinf=1e300, neginf=-1e300)
    slip = optimal.copy()
    slip.flat[int(rng.integers(slip.size))] *= 1 + 1e-7
    off_row = w_r + 1e-9 * np.abs(w_r).max(initial=0.0) * rng.standard_normal(w_r.shape)
    return Generated(
        kind,
        phi,
        y,
        retain,
        forget,
        w_init,
        {"optimal": optimal, "slip": slip, "random": rng.choice([-1.0, 1.0], size=optimal.shape)},
        {"retrained": w_r, "perturbed": np.nan_to_num(off_row, posinf=1e300, neginf=-1e300)},
    )


class _Truth:
    """The exact values, over ℚ."""

    def __init__(self, case: Generated) -> None:
        ring = RATIONAL
        self.case = case
        self.phi = ring.matrix(case.features.astype(np.float64))
        self.gram = ring.gram(self.phi)
        self.whole = ring.factor(self.gram)
        retain, forget = case.retain.tolist(), case.forget.tolist()
        phi_r, self.phi_f = ring.take(self.phi, retain), ring.take(self.phi, forget)
        y_r = ring.take(ring.matrix(case.targets), retain)
        shape = (case.features.shape[1], case.targets.shape[1])
        start = ring.zeros(*shape) if case.w_init is None else ring.matrix(case.w_init)
        a = ring.factor(ring.take(self.gram, retain, retain)).solve(ring.sub(y_r, ring.matmul(phi_r, start)))
        self.w_r = ring.add(start, ring.matmul(ring.transpose(phi_r), a))
        self.phi_r, self.y_r, self.start = phi_r, y_r, start

    def ridge_distance(self, fit: CertifiedParameters, ridge: float) -> Fraction:
        """Squared distance of an enclosed point from the ridge minimiser on R anchored at w₀."""
        ring, count = RATIONAL, len(self.case.retain)
        k = ring.take(self.gram, self.case.retain.tolist(), self.case.retain.tolist())
        regular = ring.add(k, ring.scale(ridge, ring.identity(count)))
        a = ring.factor(regular).solve(ring.sub(self.y_r, ring.matmul(self.phi_r, self.start)))
        true = ring.add(self.start, ring.matmul(ring.transpose(self.phi_r), a))
        found = ring.add(ring.matrix(fit.high), ring.matrix(fit.low))
        return Fraction(ring.square_norm(ring.sub(found, true)).upper)

    def coefficient_distance(self, found: Array, g: Array) -> Fraction:
        """Squared distance of floats from the solution of K_RR a = g."""
        k = RATIONAL.take(self.gram, self.case.retain.tolist(), self.case.retain.tolist())
        true = RATIONAL.factor(k).solve(RATIONAL.matrix(g))
        return Fraction(RATIONAL.square_norm(RATIONAL.sub(RATIONAL.matrix(found), true)).upper)

    def label_error(self, labels: Array) -> Fraction:
        """‖δ‖²."""
        return Fraction(RATIONAL.square_norm(self._delta(labels)).upper)

    def _delta(self, labels: Array) -> Any:
        return RATIONAL.sub(RATIONAL.matrix(labels), RATIONAL.matmul(self.phi_f, self.w_r))

    def parameter_gap(self, labels: Array) -> Fraction:
        """‖Φ⁺(0; δ)‖²."""
        delta = self._delta(labels).tolist()
        n, outputs = self.case.targets.shape
        padded = [[flint.fmpq(0)] * outputs for _ in range(n)]
        for i, row in zip(self.case.forget.tolist(), delta, strict=True):
            padded[i] = row
        g = RationalMatrix(*flint.fmpq_mat(n, outputs, [x for row in padded for x in row]).numer_denom())
        a = self.whole.solve(g)
        return Fraction(RATIONAL.energy(a, self.gram).upper)

    def unlearned_gap(self, w: Array) -> Fraction:
        """‖w − w_r‖²."""
        return Fraction(RATIONAL.square_norm(RATIONAL.sub(RATIONAL.matrix(w), self.w_r)).upper)

    def residual(self, w: Array) -> Fraction:
        """‖y_R − Φ_R w‖²."""
        image = RATIONAL.matmul(self.phi_r, RATIONAL.matrix(w))
        return Fraction(RATIONAL.square_norm(RATIONAL.sub(self.y_r, image)).upper)


def positive_definite(matrix: Any, shift: Fraction, weight: Any = None) -> bool | None:
    """Decide whether K − shift·W is positive definite by the signs of its pivots in balls.

    Args:
        matrix: K, symmetric ``fmpq_mat``.
        shift: rational.
        weight: W, symmetric; None is the identity.

    Returns:
        True or False when proved; None when even 16,384 bits leave a pivot at zero (an exactly singular
        matrix).
    """
    n = matrix.nrows()
    rows = matrix.tolist()
    moved = flint.fmpq(shift.numerator, shift.denominator)
    identity = [[flint.fmpq(int(i == j)) for j in range(n)] for i in range(n)]
    w = identity if weight is None else weight.tolist()
    bits = 256
    while bits <= 16384:
        with flint.ctx.workprec(bits):
            a = [[flint.arb(rows[i][j] - moved * w[i][j]) for j in range(i + 1)] for i in range(n)]
            verdict = _pivots_positive(a)
        if verdict is not None:
            return verdict
        bits *= 4
    return None


def _pivots_positive(a: list[list[Any]]) -> bool | None:
    """Eliminate in balls; None as soon as a pivot's sign is open."""
    n = len(a)
    for k in range(n):
        pivot = a[k][k]
        if pivot < 0:
            return False
        if not pivot > 0:
            return None
        for i in range(k + 1, n):
            ratio = a[i][k] / pivot
            for j in range(k + 1, i + 1):
                a[i][j] -= ratio * a[j][k]
    return True


def check_case(
    case: Generated, model: Callable[[UnlearningProblem], CertifiedForms] = CertifiedForms
) -> dict[str, Any]:
    """Compare every enclosure of one case with the exact value.

    Args:
        case: the case.
        model: what makes the certified model; a planted failure replaces it.

    Returns:
        Per quantity "sound", "undecided" or "VIOLATED", and the widths of the sound ones.
    """
    outcome: dict[str, str] = {}
    sharpness: dict[str, float] = {}
    truth = _Truth(case)

    def judge(name: str, claim: Callable[[], Quantity], square: Callable[[], Fraction]) -> None:
        try:
            quantity = claim()
        except UndecidedError:
            outcome[name] = "undecided"
            return
        value = square()
        if quantity.upper == math.inf:
            outcome[name] = "undecided"
            return
        low, high = Fraction(quantity.lower), Fraction(quantity.upper)
        outcome[name] = "sound" if low >= 0 and low * low <= value <= high * high else "VIOLATED"
        if quantity.bound < float("inf") and value and Fraction(quantity.bound) ** 2 < value:
            outcome[name] = "VIOLATED"
        if value:
            ratio = high * high / value
            sharpness[name] = math.sqrt(ratio) if ratio < 10**300 else 1e150

    try:
        certified = model(UnlearningProblem(case.features, case.targets, case.forget, case.w_init))
    except UndecidedError:
        return {"kind": case.kind, "outcome": {"problem": "undecided"}, "sharpness": {}, "condition": None}
    for name, labels in case.labels.items():
        judge(
            f"label error, {name}",
            lambda labels=labels: certified.label_distance(certified.given(labels), certified.optimal_labels),
            lambda labels=labels: truth.label_error(labels),
        )
        judge(
            f"gap, {name}",
            lambda labels=labels: certified.gap(certified.given(labels)),
            lambda labels=labels: truth.parameter_gap(labels),
        )
    judge(
        "pretrained gap",
        lambda: certified.gap(certified.targets(certified.forget)),
        lambda: truth.parameter_gap(case.targets[case.forget]),
    )
    for name, w in case.parameters.items():
        judge(
            f"unlearned gap, {name}",
            lambda w=w: certified.distance(certified.at(w), certified.retrained),
            lambda w=w: truth.unlearned_gap(w),
        )
        judge(
            f"residual, {name}",
            lambda w=w: certified.label_distance(
                certified.targets(certified.retain), certified.predict(certified.retain, certified.at(w))
            ),
            lambda w=w: truth.residual(w),
        )
    _check_systems(case, truth, outcome)
    condition = None
    try:
        eigenvalue = certified.spectrum[0]
        condition = certified.condition_number.bound
    except UndecidedError:
        outcome["eigenvalue"] = "undecided"
    else:
        # With B a basis of row(Φ), the positive eigenvalues μ of ΦᵀΦ are those of the pencil BΦᵀΦBᵀ − μBBᵀ.
        phi = read(case.features)
        basis = read(case.features[_independent(phi.transpose())])
        image = basis * phi.transpose()
        pencil, weight = image * image.transpose(), basis * basis.transpose()
        low, high = Fraction(eigenvalue.lower), Fraction(eigenvalue.upper)
        right = positive_definite(pencil, low, weight) is True
        right &= positive_definite(pencil, high, weight) is not True
        outcome["eigenvalue"] = "sound" if right and low > 0 else "VIOLATED"
    return {"kind": case.kind, "outcome": outcome, "sharpness": sharpness, "condition": condition}


def _independent(matrix: Any) -> list[int]:
    """Columns that are a basis of all of them: where the reduced echelon form has its pivots."""
    reduced, rank = matrix.rref()
    return [next(j for j in range(matrix.ncols()) if reduced[i, j] != 0) for i in range(rank)]


def _check_systems(case: Generated, truth: _Truth, outcome: dict[str, str]) -> None:
    """Compare what one system of rows proves with the exact solution: ridge minimisers and coefficients."""
    dual = len(case.retain) <= case.features.shape[1]
    system = (DualSystem if dual else PrimalSystem)(case.features, case.retain, "Φ_R")
    targets = case.targets[case.retain]
    with np.errstate(all="ignore"):
        ridge = float(np.ldexp(3.0, -((3 * len(case.forget) + 7 * len(targets)) % 60)))
    try:
        fit = system.fit(targets, case.w_init, ridge)
    except UndecidedError:
        outcome["ridge fit"] = "undecided"
    else:
        right = truth.ridge_distance(fit, ridge) <= fit.radius**2
        outcome["ridge fit"] = "sound" if right else "VIOLATED"
    if isinstance(system, DualSystem):
        try:
            found, radius = system.coefficients(targets)
        except UndecidedError:
            outcome["coefficients"] = "undecided"
        else:
            right = truth.coefficient_distance(found, targets) <= radius**2
            outcome["coefficients"] = "sound" if right else "VIOLATED"


def measure(point: Mapping[str, Any]) -> dict[str, Any]:
    """Check one chunk of cases.

    Returns:
        Counts by quantity and outcome, the violated cases by index, and the sharpness of well-conditioned
        ones.
    """
    import threadpoolctl

    counts: collections.Counter[str] = collections.Counter()
    kinds: collections.Counter[str] = collections.Counter()
    violations: list[list[Any]] = []
    sharp: dict[str, list[float]] = collections.defaultdict(list)
    vacuous: collections.Counter[str] = collections.Counter()
    with threadpoolctl.threadpool_limits(1):
        for index in range(point["first"], point["first"] + point["count"]):
            found = check_case(generate(point["seed"], index))
            decided = all(v != "undecided" for v in found["outcome"].values())
            kinds[f"{found['kind']}: {'decided' if decided else 'undecided somewhere'}"] += 1
            for name, verdict in found["outcome"].items():
                counts[f"{name}: {verdict}"] += 1
                if verdict == "VIOLATED":
                    violations.append([index, found["kind"], name])
            if found["condition"] is not None and found["condition"] <= 1e6:
                sharp[found["kind"]].extend(found["sharpness"].values())
            if found["condition"] is not None and found["condition"] <= 1e11:
                vacuous[found["kind"]] += sum(v > 1e8 for v in found["sharpness"].values())
    return {"counts": counts, "kinds": kinds, "violations": violations, "sharp": sharp, "vacuous": vacuous}
