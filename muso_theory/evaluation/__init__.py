"""Accuracies, distances, membership inference and removal guarantees."""

from .accuracies import accuracy, average_gap
from .certificate import RemovalCertificate, removal_certificate
from .convex import Objective
from .distances import agreement, function_distance, kl_divergence, parameter_distance
from .gaussian import classical_sigma, gaussian_delta, gaussian_epsilon, gaussian_sigma
from .intervals import Rate, binomial_rate
from .margins import Klom, klom
from .membership import attack, paper_membership_score
from .outputs import log_probabilities, probabilities
from .roc import Attack, Difference, calibrated, roc
from .scores import confidence, entropy, logit_confidence, loss, modified_entropy
from .shadows import likelihood_ratio

__all__ = [
    "Attack",
    "Difference",
    "Klom",
    "Objective",
    "Rate",
    "RemovalCertificate",
    "accuracy",
    "agreement",
    "attack",
    "average_gap",
    "binomial_rate",
    "calibrated",
    "classical_sigma",
    "confidence",
    "entropy",
    "function_distance",
    "gaussian_delta",
    "gaussian_epsilon",
    "gaussian_sigma",
    "kl_divergence",
    "klom",
    "likelihood_ratio",
    "log_probabilities",
    "logit_confidence",
    "loss",
    "modified_entropy",
    "paper_membership_score",
    "parameter_distance",
    "probabilities",
    "removal_certificate",
    "roc",
]
