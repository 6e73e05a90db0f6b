"""Methods that hide the forget samples under noise; their expected gap is the gap of doing nothing plus the noise."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import final

import numpy as np

from ..arguments import checked
from ..arrays import Array, row_blocks
from ..linear.closed_forms import Point, float_model
from ..linear.problem import UnlearningProblem
from ..networks.problem import NetworkProblem, softmax
from ..streams import FISHER_NOISE
from .method import LINEAR, NETWORK, Method
from .moves import noisy
from .ranges import require_nonnegative, require_positive

__all__ = ["FisherNoise", "OutputNoise"]


@final
@checked
@dataclass(frozen=True)
class OutputNoise(Method):
    """Publish w_p + N(0, σ²I), shape (D,) or (D, C): output perturbation as in differential privacy.

    E‖w_u − w_r‖² = ‖w_p − w_r‖² + C·D·σ².

    Args:
        sigma: σ ≥ 0; others are refused with BadInputError.
        seed: seed of the noise.

    Example:
        >>> problem = UnlearningProblem(np.array([[1.0, 0, 1], [1, 1, 0]]), np.array([1.0, 2.0]), [1])
        >>> round(OutputNoise(sigma=0.5).expected_square_gap(problem), 12)  # 1.5 + 3/4
        2.25
    """

    sigma: float = 1e-2
    seed: int = 0
    name = "output-noise"
    formula = "w_p + N(0, σ²I)"
    source = (
        "Dwork, Roth 2014, The algorithmic foundations of differential privacy, appendix A (Gaussian mechanism); "
        "Chaudhuri, Monteleoni, Sarwate 2011, arXiv 0912.0071, for the idea, with noise of density ∝ e^(−β‖n‖)"
    )
    exactness = "not exact: it hides w_p − w_r rather than removing it (removal-certificate)"

    def __post_init__(self) -> None:
        """Refuse settings out of range."""
        super().__post_init__()
        require_nonnegative("sigma", self.sigma)

    def on_linear(self, problem: UnlearningProblem) -> Point:
        """The published point in model coordinates."""
        return noisy(problem, float_model(problem).pretrained, self.sigma, self.seed)

    def _moments(self, problem: UnlearningProblem) -> tuple[Point, float]:
        """w_p, and σ² for every parameter."""
        spread = self.sigma**2 * problem.n_features * problem.n_outputs
        return float_model(problem).pretrained, spread


@final
@checked
@dataclass(frozen=True)
class FisherNoise(Method):
    """Noise shaped by the Fisher information of the retain set: w_p + α(F_R + εI)^-¼ n, shape (D,) or (D, C).

    For squared loss the mean Fisher information of a retained sample is F_R = Φ_RᵀΦ_R/n_R; as published its diagonal is
    used. Where n < D it is singular, so that ε bounds the noise in the directions that no retained sample sees; those
    get the most of it.

    E‖w_u − w_r‖² = ‖w_p − w_r‖² + C·α²·tr (F_R + εI)^-½.

    On a network F_R is the diagonal for the model's own predictive distribution, as in the paper; gradients at the true
    labels vanish once the data are fitted, and with them the difference between parameters that matter and others.
    Running statistics, which no gradient sees, get no noise.

    Args:
        alpha: α = (λσ_h²)^¼ of the paper, > 0.
        damping: ε > 0; a parameter that no sample sees gets noise of deviation α ε^(−¼).
        diagonal: use the diagonal of F_R; False is the whole matrix, through the eigenvectors of K_RR where n_R ≤ D.
        seed: seed of n ~ N(0, I), and on a network of the samples.
        samples: on a network, how many retained ones the Fisher information is estimated from.

    Example:
        >>> problem = UnlearningProblem(np.array([[2.0, 0, 0], [1, 1, 0]]), np.array([1.0, 2.0]), [1])
        >>> method = FisherNoise(alpha=1.0, damping=1e-4)
        >>> round(method.expected_square_gap(problem) - 2.25, 3)  # tr(F_R + εI)^-½ = 1/2 + 2/0.01
        200.5
    """

    alpha: float = 1e-2
    damping: float = 1e-4
    diagonal: bool = field(default=True, metadata=LINEAR)
    seed: int = 0
    samples: int = field(default=200, kw_only=True, metadata=NETWORK)
    name = "fisher-noise"
    formula = "w_p + α(F_R + εI)^-¼ N(0, I), F_R = Φ_RᵀΦ_R/n_R or its diagonal"
    source = "Golatkar, Achille, Soatto 2020 (Eternal sunshine), arXiv 1911.04933"
    exactness = "not exact: it hides w_p − w_r rather than removing it (removal-certificate)"

    def __post_init__(self) -> None:
        """Refuse settings out of range."""
        super().__post_init__()
        require_positive("alpha", self.alpha)
        require_positive("damping", self.damping)

    def on_linear(self, problem: UnlearningProblem) -> Point:
        """The published point in model coordinates."""
        model = float_model(problem)
        if self.diagonal:
            spread = self.alpha * (feature_squares(problem, problem.retain) + self.damping) ** -0.25
            return noisy(problem, model.pretrained, spread[:, None], self.seed)
        plain = noisy(problem, Point(), 1.0, self.seed).offset
        values, vectors = self._spectrum(problem)
        floor = self.damping**-0.25
        gain = (values + self.damping) ** -0.25 - floor
        if model.is_dual or len(problem.retain) <= problem.n_features:
            # With K_RR/n_R = UΛUᵀ, g(F) = g(0) I + Φ_RᵀU (g(Λ) − g(0))(n_RΛ)⁻¹Uᵀ Φ_R.
            inner = vectors @ (
                (gain / values / len(problem.retain))[:, None]
                * (vectors.T @ model.image(model.retain, plain))
            )
            padded = np.zeros((problem.n_samples, problem.n_outputs))
            padded[: len(problem.retain)] = inner
            bent = model.combine(padded)
        else:
            bent = vectors @ (gain[:, None] * (vectors.T @ plain))
        noise = self.alpha * (floor * plain + bent)
        start = model.pretrained
        return Point(start.coefficients, noise if start.offset is None else start.offset + noise)

    def on_network(self, problem: NetworkProblem) -> list[Array]:
        """θ_p with noise."""
        rng = np.random.default_rng((self.seed, FISHER_NOISE))
        chosen = rng.permutation(problem.retain)[: self.samples]
        fishers = problem.net.unflatten(fisher_diagonal(problem, chosen))
        noisy = []
        for array, fisher, moves in zip(problem.pretrained, fishers, problem.net.trainable, strict=True):
            if not moves:
                noisy.append(array)
                continue
            spread = self.alpha * (fisher + self.damping) ** -0.25
            noisy.append((array + spread * rng.standard_normal(array.shape)).astype(array.dtype))
        return problem.check_trained(noisy, self.alpha, "alpha")

    def _moments(self, problem: UnlearningProblem) -> tuple[Point, float]:
        """w_p, and α² tr(F_R + εI)^-½ for every output."""
        if self.diagonal:
            trace = float(np.sum((feature_squares(problem, problem.retain) + self.damping) ** -0.5))
        else:
            values, _ = self._spectrum(problem)
            missing = problem.n_features - len(values)
            trace = float(np.sum((values + self.damping) ** -0.5)) + missing * self.damping**-0.5
        return float_model(problem).pretrained, self.alpha**2 * problem.n_outputs * trace

    @staticmethod
    def _spectrum(problem: UnlearningProblem) -> tuple[Array, Array]:
        """Nonzero eigenvalues of F_R, with eigenvectors of K_RR (n_R ≤ D) or of F_R (n_R > D)."""
        model = float_model(problem)
        if model.is_dual or len(problem.retain) <= problem.n_features:
            matrix = model.gram_block(model.retain)
        else:
            rows = np.asarray(problem.features[problem.retain], dtype=np.float64)
            matrix = rows.T @ rows
        values, vectors = np.linalg.eigh(matrix / len(problem.retain))
        kept = values > 16 * len(values) * np.finfo(float).eps * max(values[-1], 0.0)
        return values[kept], vectors[:, kept]


def feature_squares(problem: UnlearningProblem, samples: Array) -> Array:
    """The diagonal of Φ_SᵀΦ_S/|S| of samples S, shape (D,), streamed.

    It is that of the mean Fisher information of a linear model under a normal likelihood of unit variance.

    Example:
        >>> feature_squares(UnlearningProblem(np.array([[2.0, 0.0], [0.0, 2.0]]), np.ones(2), [1]), np.array([0, 1]))
        array([2., 2.])
    """
    out, chosen = np.zeros(problem.n_features), np.zeros(problem.n_samples, dtype=bool)
    chosen[samples] = True
    for block in row_blocks(problem.features):
        rows = np.asarray(problem.features[block], dtype=np.float64)[chosen[block]]
        out += np.einsum("ij,ij->j", rows, rows)
    return out / len(samples)


def fisher_diagonal(problem: NetworkProblem, samples: Array) -> Array:
    """Diagonal of the Fisher information at θ_p, the mean over some samples.

    Under cross-entropy it is E_c (∂ log p_c)² with c drawn from the model's own p; under the squared loss, that of a
    normal likelihood of unit variance, Σ_c (∂ f_c)².

    Args:
        problem: the problem.
        samples: indices.

    Returns:
        (D,) in float64, in the order of ``net.flatten``.
    """
    total = np.zeros(problem.net.n_params)
    for begin in range(0, len(samples), 16):  # a Jacobian of 16 samples at a time
        chosen = samples[begin : begin + 16]
        J = problem.net.jacobian(problem.pretrained, problem.X[chosen]).astype(np.float64)
        if problem.recipe.loss == "cross-entropy":
            p = softmax(problem.outputs(problem.pretrained, chosen))[:, :, None]
            J = np.sqrt(p) * (J - np.sum(p * J, axis=1, keepdims=True))
        total += np.einsum("nkd,nkd->d", J, J)
    return total / len(samples)
