"""Ways to unlearn a linear model or a network, one small frozen class each: ``method(problem)`` gives w_u or θ_u.

Example:
    >>> import numpy as np
    >>> import muso_theory as mt
    >>> problem = mt.UnlearningProblem(np.array([[1.0, 0, 1], [1, 1, 0]]), np.array([1.0, 2.0]), [1])
    >>> scrubbing = mt.methods.METHODS["ntk-scrubbing"]
    >>> scrubbing()(problem).round(12), scrubbing.exactness, scrubbing.serves("network")
    (array([0.5, 0. , 0.5]), 'ntk-scrubbing', True)
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ..arguments import checked
from ..lazy import lazily
from .alternating import Alternating
from .dampening import SynapticDampening
from .difference import DifferenceLabels, DifferenceResult
from .divergence import NegativePreference, Scrub
from .fitting import Descent
from .gradient import FineTuning, GradientAscent, NegGradPlus
from .head import HeadCondition, head_features, head_labels, head_matrix
from .inverses import published_head
from .langevin import LangevinDescent, amplified
from .linearised import LinearisedLabels, PredictedResidual, predict_residual, steps_to
from .method import METHODS, Gaps, Kind, Method, NoUnlearning, Retraining
from .monitors import AlternatingResult, Convergence, Epoch, FailureSign, signatures
from .noise import FisherNoise, OutputNoise
from .penalised import NoisyFineTuning, RidgeFineTuning, SparseFineTuning
from .projections import (
    AnchoredOrthogonalGradient,
    NtkScrubbing,
    OrthogonalGradient,
    ProjectiveResidualUpdate,
)
from .projector import ProjectorCheck, check_projector, row_projector
from .published import Published
from .relabelling import (
    BadTeaching,
    ClosedFormLabels,
    LabelFreeLabels,
    LeaveBlockOutLabels,
    RandomRelabelling,
    Relabelling,
    RidgeLabels,
    SubsampledLabels,
)
from .saliency import SaliencyRelabelling
from .second_order import DescentToDelete, InfluenceStep, NewtonRemoval, RidgeAnchoredLabels
from .tangent import fitted_logits, tangent_labels, tangent_step

__all__ = [
    "METHODS",
    "Alternating",
    "AlternatingResult",
    "AnchoredOrthogonalGradient",
    "BadTeaching",
    "ClosedFormLabels",
    "Convergence",
    "Descent",
    "DescentToDelete",
    "DifferenceLabels",
    "DifferenceResult",
    "Epoch",
    "FailureSign",
    "FineTuning",
    "FisherNoise",
    "Gaps",
    "GradientAscent",
    "HeadCondition",
    "InfluenceStep",
    "LabelFreeLabels",
    "LangevinDescent",
    "LeaveBlockOutLabels",
    "LinearisedLabels",
    "Method",
    "NegGradPlus",
    "NegativePreference",
    "NewtonRemoval",
    "NoUnlearning",
    "NoisyFineTuning",
    "NtkScrubbing",
    "OrthogonalGradient",
    "OutputNoise",
    "PredictedResidual",
    "ProjectiveResidualUpdate",
    "ProjectorCheck",
    "Published",
    "RandomRelabelling",
    "Relabelling",
    "Retraining",
    "RidgeAnchoredLabels",
    "RidgeFineTuning",
    "RidgeLabels",
    "SaliencyRelabelling",
    "Scrub",
    "SparseFineTuning",
    "SubsampledLabels",
    "SynapticDampening",
    "amplified",
    "check_projector",
    "fitted_logits",
    "head_features",
    "head_labels",
    "head_matrix",
    "predict_residual",
    "published_head",
    "row_projector",
    "serving",
    "signatures",
    "steps_to",
    "tangent_labels",
    "tangent_step",
]


@checked
def serving(kind: Kind) -> dict[str, type[Method]]:
    """Methods that unlearn problems of a kind.

    Args:
        kind: "linear" or "network".

    Returns:
        By name, in the order of tables.

    Example:
        >>> [name for name in serving("network") if name not in serving("linear")]
        ['alternating', 'difference-labels', 'linearised-labels', 'published']
    """
    return {name: method for name, method in METHODS.items() if method.serves(kind)}


if not TYPE_CHECKING:

    def __getattr__(name: str) -> Any:
        return lazily(__name__, name)
