"""Accuracies, distances, membership inference and removal guarantees."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ..lazy import lazily
from .accuracies import accuracy, average_gap
from .auditing import GuaranteeAudit, audit_guarantee
from .certificate import RemovalCertificate, removal_certificate
from .convex import Objective
from .distances import agreement, function_distance, kl_divergence, parameter_distance
from .gaussian import classical_sigma, gaussian_delta, gaussian_epsilon, gaussian_sigma
from .guarantees import Guarantee, guarantee
from .intervals import Estimate, binomial_rate
from .margins import Klom, klom
from .membership import attack, paper_membership_score
from .outputs import log_probabilities, probabilities
from .public import Public
from .removal import descent, newton_removal, noisy_descent
from .roc import Attack, calibrated, roc
from .scores import confidence, entropy, logit_confidence, loss, modified_entropy
from .shadows import likelihood_ratio

__all__ = [
    "Attack",
    "Estimate",
    "Guarantee",
    "GuaranteeAudit",
    "Klom",
    "Objective",
    "Public",
    "RemovalCertificate",
    "accuracy",
    "agreement",
    "attack",
    "audit_guarantee",
    "average_gap",
    "binomial_rate",
    "calibrated",
    "classical_sigma",
    "confidence",
    "descent",
    "entropy",
    "function_distance",
    "gaussian_delta",
    "gaussian_epsilon",
    "gaussian_sigma",
    "guarantee",
    "kl_divergence",
    "klom",
    "likelihood_ratio",
    "log_probabilities",
    "logit_confidence",
    "loss",
    "modified_entropy",
    "newton_removal",
    "noisy_descent",
    "paper_membership_score",
    "parameter_distance",
    "probabilities",
    "removal_certificate",
    "roc",
]

if not TYPE_CHECKING:

    def __getattr__(name: str) -> Any:
        return lazily(__name__, name)
