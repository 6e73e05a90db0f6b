"""Unlearning real networks: the alternating algorithm, its monitors, and the methods it is compared with."""

from .alternating import Alternating, AlternatingResult
from .baselines import (
    METHODS,
    BadTeacher,
    FineTune,
    FisherNoise,
    GradientAscent,
    LinearisedLabels,
    MinimumNormGradient,
    NegGradPlus,
    Nothing,
    NtkScrubbing,
    RandomLabels,
    Retrain,
    SalUn,
)
from .labels import (
    HeadCondition,
    ProjectorCheck,
    check_projector,
    head_features,
    head_labels,
    head_matrix,
    row_projector,
    tangent_labels,
    tangent_step,
)
from .methods import NetworkMethod
from .monitors import Convergence, Epoch, Signature, kernel_alignment, signatures
from .problem import NetworkProblem, Recipe, softmax

__all__ = [
    "METHODS",
    "Alternating",
    "AlternatingResult",
    "BadTeacher",
    "Convergence",
    "Epoch",
    "FineTune",
    "FisherNoise",
    "GradientAscent",
    "HeadCondition",
    "LinearisedLabels",
    "MinimumNormGradient",
    "NegGradPlus",
    "NetworkMethod",
    "NetworkProblem",
    "Nothing",
    "NtkScrubbing",
    "ProjectorCheck",
    "RandomLabels",
    "Recipe",
    "Retrain",
    "SalUn",
    "Signature",
    "check_projector",
    "head_features",
    "head_labels",
    "head_matrix",
    "kernel_alignment",
    "row_projector",
    "signatures",
    "softmax",
    "tangent_labels",
    "tangent_step",
]
