"""Scalar ingredients, proved with sympy: kernels of random features, their variances, and step-size inequalities.

Each entry reduces what is claimed to expressions that sympy shows to be zero, says in words which step is not
sympy's (a projection to one or two dimensions, Price's theorem), and comes with an integral and a closed form that
mpmath compares to any number of digits.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, final

__all__ = ["SCALARS"]


@final
@dataclass(frozen=True)
class _ScalarProof:
    """A scalar identity or inequality.

    Args:
        name: what it is about.
        claim: the claim of the toolkit that uses it.
        words: the statement, and the step that is not sympy's.
        residuals: gives expressions, each of which must be 0 (or True, for an inequality).
        numeric: gives integral and closed form at the current precision of mpmath; None if there is no integral.

    Example:
        >>> {proof.name: proof.proved() for proof in SCALARS if proof.claim == "ridge-inverse"}
        {'ridge-factor': True}
    """

    name: str
    claim: str
    words: str
    residuals: Callable[[], list[Any]]
    numeric: Callable[[], list[tuple[Any, Any]]] | None = None

    def proved(self) -> bool:
        """Whether sympy finds every residual exactly zero, or exactly true; False if there is none."""
        import sympy as sp

        # Python takes 1 for True; sympy's own true equals no number.
        residuals = [sp.sympify(residual) for residual in self.residuals()]
        return bool(residuals) and all(residual in (sp.S.Zero, sp.true) for residual in residuals)

    def largest_error(self, digits: int) -> Any:
        """Largest difference of integral and closed form, to so many digits; 0 if there is no integral."""
        import mpmath

        with mpmath.workdps(digits + 10):
            pairs = self.numeric() if self.numeric else []
            return max((abs(a - b) for a, b in pairs), default=mpmath.mpf(0))


def _gaussian() -> list[Any]:
    """E cos(w t) for w normal."""
    import sympy as sp

    w, t, s = sp.symbols("w t sigma", positive=True)
    density = s / sp.sqrt(2 * sp.pi) * sp.exp(-(s**2) * w**2 / 2)
    value = sp.integrate(density * sp.cos(w * t), (w, -sp.oo, sp.oo))
    return [sp.simplify(value - sp.exp(-(t**2) / (2 * s**2)))]


def _gaussian_numeric() -> list[tuple[Any, Any]]:
    """The same by quadrature."""
    from mpmath import cos, exp, inf, mpf, pi, quad, sqrt

    return [
        (quad(lambda w, t=t: exp(-(w**2) / 2) * cos(w * t) / sqrt(2 * pi), [-inf, inf]), exp(-(t**2) / 2))
        for t in (mpf("0.3"), mpf("1.7"))
    ]


def _phase() -> list[Any]:
    """Mean and second moment over a uniform phase."""
    import sympy as sp

    u, v, b = sp.symbols("u v b", real=True)
    product = 2 * sp.cos(u + b) * sp.cos(v + b)

    def mean(f: Any) -> Any:
        return sp.integrate(sp.expand(f.rewrite(sp.exp)), (b, 0, 2 * sp.pi)) / (2 * sp.pi)

    second = sp.cos(u - v) ** 2 + sp.Rational(1, 2)
    return [
        sp.simplify((mean(product) - sp.cos(u - v)).rewrite(sp.exp).expand()),
        sp.simplify((mean(product**2) - second).rewrite(sp.exp).expand()),
    ]


def _phase_numeric() -> list[tuple[Any, Any]]:
    """The same by quadrature."""
    from mpmath import cos, mpf, pi, quad

    u, v = mpf("0.4"), mpf("-1.1")
    return [(quad(lambda b: 2 * cos(u + b) * cos(v + b), [0, 2 * pi]) / (2 * pi), cos(u - v))]


def _variance() -> list[Any]:
    """Var cos(w t) in terms of k, for any even frequency distribution."""
    import sympy as sp

    x = sp.symbols("x", real=True)
    return [sp.simplify(sp.cos(x) ** 2 - (1 + sp.cos(2 * x)) / 2)]


def _variance_numeric() -> list[tuple[Any, Any]]:
    """The variance of one Gaussian frequency."""
    from mpmath import cos, exp, inf, mpf, pi, quad, sqrt

    t = mpf("0.9")
    second = quad(lambda w: exp(-(w**2) / 2) * cos(w * t) ** 2 / sqrt(2 * pi), [-inf, inf])
    return [(second - exp(-(t**2)), (1 + exp(-2 * t**2)) / 2 - exp(-(t**2)))]


def _laplacian() -> list[Any]:
    """E cos(w t) for w Cauchy, as a partial fraction of its two-sided Laplace transform."""
    import sympy as sp

    w, t, a = sp.symbols("w t a", positive=True)
    back = sp.integrate(sp.exp(-a * t) * sp.cos(w * t), (t, 0, sp.oo), conds="none")
    return [
        sp.simplify(back - a / (a**2 + w**2)),
        sp.integrate(a / (a**2 + w**2), (w, -sp.oo, sp.oo)) - sp.pi,
    ]


def _laplacian_numeric() -> list[tuple[Any, Any]]:
    """The cosine transform itself."""
    from mpmath import cos, exp, inf, mpf, pi, quadosc

    t = mpf("0.7")
    return [(2 * quadosc(lambda w: cos(w * t) / (1 + w**2) / pi, [0, inf], omega=t), exp(-t))]


def _matern() -> list[Any]:
    """Student frequencies: densities proportional to (a² + w²)^-(n+1), by differentiation in a."""
    import sympy as sp

    t, a, w = sp.symbols("t a w", positive=True)
    residuals = []
    value, density = sp.pi * sp.exp(-a * t) / a, 1 / (a**2 + w**2)
    for n, shape in ((1, 1 + a * t), (2, 1 + a * t + (a * t) ** 2 / 3)):
        # d/da of ∫cos(wt)(a²+w²)^-n dw is -2na ∫cos(wt)(a²+w²)^-(n+1) dw
        value, density = -sp.diff(value, a) / (2 * n * a), -sp.diff(density, a) / (2 * n * a)
        residuals.append(sp.simplify(density - (a**2 + w**2) ** (-n - 1)))
        residuals.append(sp.simplify(value / sp.limit(value, t, 0) - shape * sp.exp(-a * t)))
    return residuals


def _matern_numeric() -> list[tuple[Any, Any]]:
    """Matérn 3/2 and 5/2, at one length scale."""
    from mpmath import cos, exp, inf, mpf, quad, quadosc

    t, a, result = mpf("0.8"), mpf("1.3"), []
    for n in (1, 2):
        shape = 1 + a * t + (n - 1) * (a * t) ** 2 / 3
        mass = quad(lambda w, n=n: (a**2 + w**2) ** (-n - 1), [0, inf])
        value = quadosc(lambda w, n=n: cos(w * t) * (a**2 + w**2) ** (-n - 1), [0, inf], omega=t)
        result.append((value / mass, shape * exp(-a * t)))
    return result


def _arc_cosine(degree: int) -> list[Any]:
    """2 E[θ(u)θ(v)(uv)^degree] in polar coordinates of the plane of the two inputs."""
    import sympy as sp

    angle, p, r = sp.symbols("theta phi r", positive=True)
    radial = sp.integrate(r ** (2 * degree + 1) * sp.exp(-(r**2) / 2), (r, 0, sp.oo))
    angular = sp.integrate((sp.cos(p) * sp.cos(p - angle)) ** degree, (p, angle - sp.pi / 2, sp.pi / 2))
    closed = (sp.pi - angle, sp.sin(angle) + (sp.pi - angle) * sp.cos(angle))[degree] / sp.pi
    return [sp.simplify(2 * radial * angular / (2 * sp.pi) - closed)]


def _arc_cosine_numeric(degree: int) -> list[tuple[Any, Any]]:
    """The same by quadrature."""
    from mpmath import cos, exp, inf, mpf, pi, quad, sin

    angle = mpf("0.8")
    radial = quad(lambda r: r ** (2 * degree + 1) * exp(-(r**2) / 2), [0, inf])
    angular = quad(lambda p: (cos(p) * cos(p - angle)) ** degree, [angle - pi / 2, pi / 2])
    closed = (pi - angle, sin(angle) + (pi - angle) * cos(angle))[degree] / pi
    return [(radial * angular / pi, closed)]


def _erf() -> list[Any]:
    """Price's theorem: the derivative in the covariance c is E[erf'(u) erf'(v)], a Gaussian integral."""
    import sympy as sp

    a, b, c = sp.symbols("a b c", positive=True)
    covariance = sp.Matrix([[a, c], [c, b]])
    # ∫∫ (4/π) exp(-u²-v²) N(u, v; Σ) = (4/π) det(Σ)^-½ det(Σ⁻¹ + 2I)^-½ = (4/π) det(I + 2Σ)^-½
    factor = sp.simplify(
        covariance.det() * (covariance.inv() + 2 * sp.eye(2)).det() - (sp.eye(2) + 2 * covariance).det()
    )
    closed = 2 / sp.pi * sp.asin(2 * c / sp.sqrt((1 + 2 * a) * (1 + 2 * b)))
    slope = 4 / sp.pi / sp.sqrt((sp.eye(2) + 2 * covariance).det())
    quotient = sp.simplify(sp.diff(closed, c) ** 2 / slope**2)
    return [factor, quotient - 1, closed.subs(c, 0)]


def _erf_numeric() -> list[tuple[Any, Any]]:
    """The expectation itself; given u, E erf(v) is an erf again, so one integral remains."""
    from mpmath import asin, erf, exp, inf, mpf, pi, quad, sqrt

    a, b, c = mpf("0.9"), mpf("1.3"), mpf("0.6")
    inner = c / sqrt(a) / sqrt(1 + 2 * (b - c**2 / a))
    left = quad(lambda x: exp(-(x**2) / 2) / sqrt(2 * pi) * erf(sqrt(a) * x) * erf(inner * x), [-inf, inf])
    return [(left, 2 / pi * asin(2 * c / sqrt((1 + 2 * a) * (1 + 2 * b))))]


def _step_size() -> list[Any]:
    """1 - (1 - ηλ)² = ηλ(2 - ηλ) > 0 for 0 < ηλ < 2."""
    import sympy as sp

    x = sp.symbols("x", real=True)
    between = sp.solveset(x * (2 - x) > 0, x, sp.S.Reals) == sp.Interval.open(0, 2)
    return [sp.expand(1 - (1 - x) ** 2 - x * (2 - x)), between]


def _ostrowski() -> list[Any]:
    """2/γ - q > 0 exactly if γq < 2, for γ > 0."""
    import sympy as sp

    g, q = sp.symbols("gamma q")
    return [sp.simplify((2 / g - q) - (2 - g * q) / g)]


def _ridge_factor() -> list[Any]:
    """ε/(λ + ε) falls in λ."""
    import sympy as sp

    e, x = sp.symbols("epsilon lambda", positive=True)
    return [sp.simplify(sp.diff(e / (x + e), x) + e / (x + e) ** 2), (e / (x + e) ** 2).is_positive]


def _time() -> list[Any]:
    """q^T g ≤ ε exactly from T = log(ε/g)/log q on, for 0 < q < 1."""
    import sympy as sp

    q, g, e = sp.symbols("q g epsilon", positive=True)
    steps = sp.log(e / g) / sp.log(q)
    return [sp.simplify(sp.expand_log(sp.log(q) * steps + sp.log(g) - sp.log(e)))]


SCALARS = (
    _ScalarProof(
        "gaussian-features", "kernel-limit",
        "E cos(w·d) = exp(-|d|²/2σ²) for w ~ N(0, I/σ²), since w·d is normal with variance |d|²/σ²",
        _gaussian, _gaussian_numeric,
    ),
    _ScalarProof(
        "random-phase", "kernel-limit",
        "averaged over the phase b, 2cos(u+b)cos(v+b) is cos(u-v), and its square is cos²(u-v) + 1/2",
        _phase, _phase_numeric,
    ),
    _ScalarProof(
        "variance", "kernel-limit",
        "one paired frequency has variance (1 + k(2d))/2 - k(d)², from cos² x = (1 + cos 2x)/2",
        _variance, _variance_numeric,
    ),
    _ScalarProof(
        "laplacian-features", "kernel-limit",
        "E cos(w t) = exp(-a t) for w Cauchy with scale a; sympy shows the inverse, Fourier inversion the rest",
        _laplacian, _laplacian_numeric,
    ),
    _ScalarProof(
        "matern-features", "kernel-limit",
        "Student frequencies give Matérn kernels of order 3/2 and 5/2; differentiation under the integral",
        _matern, _matern_numeric,
    ),
    _ScalarProof(
        "arc-cosine-0", "kernel-limit",
        "2 E[step(u) step(v)] = 1 - θ/π; two unit inputs at angle θ span a plane, where u, v are rotation invariant",
        lambda: _arc_cosine(0), lambda: _arc_cosine_numeric(0),
    ),
    _ScalarProof(
        "arc-cosine-1", "kernel-limit",
        "2 E[relu(u) relu(v)] = (sin θ + (π - θ) cos θ)/π, in the same plane",
        lambda: _arc_cosine(1), lambda: _arc_cosine_numeric(1),
    ),
    _ScalarProof(
        "erf", "ntk-limit",
        "E[erf(u) erf(v)] = (2/π) arcsin(2c/√((1+2a)(1+2b))); Price's theorem gives the derivative in the covariance c",
        _erf, _erf_numeric,
    ),
    _ScalarProof(
        "step-size", "implicit-bias", "|1 - ηλ| < 1 exactly if 0 < ηλ < 2", _step_size,
    ),
    _ScalarProof(
        "ostrowski-reich", "cyclic-sgd", "2/γ - |φ|² > 0 exactly if γ|φ|² < 2", _ostrowski,
    ),
    _ScalarProof(
        "ridge-factor", "ridge-inverse", "ε/(λ + ε) decreases in λ, so the smallest eigenvalue decides", _ridge_factor,
    ),
    _ScalarProof(
        "time", "gd-finite-time", "q^T g = ε at T = log(ε/g)/log q", _time,
    ),
)  # fmt: skip
"""All scalar proofs."""
