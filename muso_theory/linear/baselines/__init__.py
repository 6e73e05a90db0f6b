"""Unlearning methods for linear models, one small frozen class each: ``method(problem)`` gives w_u.

Example:
    >>> import numpy as np
    >>> import muso_theory as mt
    >>> problem = mt.UnlearningProblem(np.array([[1.0, 0, 1], [1, 1, 0]]), np.array([1.0, 2.0]), [1])
    >>> methods = mt.linear.baselines.METHODS
    >>> methods["ntk-scrubbing"]()(problem).round(12), methods["ntk-scrubbing"].exactness
    (array([0.5, 0. , 0.5]), 'ntk-scrubbing')
"""

from __future__ import annotations

from .gradient import FineTuning, GradientAscent, NegGradPlus
from .limits import NoUnlearning, Retraining
from .method import Gaps, UnlearningMethod
from .noise import FisherNoise, OutputNoise
from .projections import (
    AnchoredOrthogonalGradient,
    NtkScrubbing,
    OrthogonalGradient,
    ProjectiveResidualUpdate,
)
from .relabelling import (
    BadTeaching,
    ClosedFormLabels,
    LabelFreeLabels,
    LeaveBlockOutLabels,
    RandomRelabelling,
    Relabelling,
    RidgeAnchoredLabels,
    RidgeLabels,
    SubsampledLabels,
)
from .saliency import SaliencyRelabelling
from .second_order import DescentToDelete, InfluenceStep, NewtonRemoval

__all__ = [
    "METHODS",
    "AnchoredOrthogonalGradient",
    "BadTeaching",
    "ClosedFormLabels",
    "DescentToDelete",
    "FineTuning",
    "FisherNoise",
    "Gaps",
    "GradientAscent",
    "InfluenceStep",
    "LabelFreeLabels",
    "LeaveBlockOutLabels",
    "NegGradPlus",
    "NewtonRemoval",
    "NoUnlearning",
    "NtkScrubbing",
    "OrthogonalGradient",
    "OutputNoise",
    "ProjectiveResidualUpdate",
    "RandomRelabelling",
    "Relabelling",
    "Retraining",
    "RidgeAnchoredLabels",
    "RidgeLabels",
    "SaliencyRelabelling",
    "SubsampledLabels",
    "UnlearningMethod",
]

METHODS: dict[str, type[UnlearningMethod]] = {
    method.name: method
    for method in (
        Retraining,
        NoUnlearning,
        FineTuning,
        GradientAscent,
        NegGradPlus,
        RandomRelabelling,
        BadTeaching,
        SaliencyRelabelling,
        InfluenceStep,
        NewtonRemoval,
        NtkScrubbing,
        FisherNoise,
        OrthogonalGradient,
        AnchoredOrthogonalGradient,
        ProjectiveResidualUpdate,
        DescentToDelete,
        OutputNoise,
        ClosedFormLabels,
        LabelFreeLabels,
        LeaveBlockOutLabels,
        RidgeLabels,
        SubsampledLabels,
        RidgeAnchoredLabels,
    )
}
"""All of them by name, in the order of tables."""
