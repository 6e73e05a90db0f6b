"""Streams of random numbers: draws by (seed, stream) of different numbers are independent, whatever the seed.

What a seed alone draws (orders of batches, labels and noise of linear methods) has no stream. Some numbers occur more
than once, of draws by different laws, which come from the same bits where their seeds are the same. No number changes,
as results rest on them.
"""

from __future__ import annotations

from typing import Final

FEATURES: Final = 1
"""Frequencies and phases of feature maps, independent of normal initial parameters."""

FORGET: Final = 2
"""Forget sets."""

RETRAINED_MODELS: Final = 0
"""Halves of retrained models whose margins are compared."""

UNLEARNED_MODELS: Final = 1
"""Unlearned models whose margins are compared."""

TEST: Final = 11
"""Samples that are held out."""

NETWORK_LABELS: Final = 1
"""Random labels of a network, independent of the order of its batches."""

TEACHER: Final = 2
"""The parameters of a bad teacher that is a network."""

FISHER_NOISE: Final = 3
"""Samples of the Fisher matrix of a network, and the noise."""

ORTHOGONAL_GRADIENT: Final = 4
"""Retained samples whose gradients a network keeps its outputs along."""

GRADIENT_NOISE: Final = 5
"""Noise on the gradients of a network, independent of the order of its batches."""

ALTERNATING: Final = 25
"""Subsets of alternating unlearning."""

WATCHED: Final = 26
"""Samples on which alternating unlearning watches the tangent kernel."""

DROPPED: Final = 28
"""Entries that dropout leaves out of a network in training, independent of the order of its batches."""

PROBES: Final = 29
"""Random directions along which a tangent kernel is estimated."""

PUBLISHED: Final = 27
"""Streams and cuts of the published network algorithm."""

KERNEL_DRAWS: Final = 30
"""Columns of a feature matrix that stand for random features."""
