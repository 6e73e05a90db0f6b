"""Accuracies, distances, membership inference and removal guarantees."""

from .accuracies import accuracy, average_gap
from .distances import agreement, function_distance, kl_divergence, parameter_distance
from .intervals import Rate, binomial_rate
from .membership import attack, paper_membership_score
from .outputs import log_probabilities, probabilities
from .roc import Attack, Difference, calibrated, roc
from .scores import confidence, entropy, logit_confidence, loss, modified_entropy

__all__ = [
    "Attack",
    "Difference",
    "Rate",
    "accuracy",
    "agreement",
    "attack",
    "average_gap",
    "binomial_rate",
    "calibrated",
    "confidence",
    "entropy",
    "function_distance",
    "kl_divergence",
    "log_probabilities",
    "logit_confidence",
    "loss",
    "modified_entropy",
    "paper_membership_score",
    "parameter_distance",
    "probabilities",
    "roc",
]
