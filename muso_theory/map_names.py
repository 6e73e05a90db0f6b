"""Words for feature maps: the one list, which commands read that never import the maps themselves."""

from __future__ import annotations

__all__ = ["FEATURE_MAPS"]

FEATURE_MAPS = {
    "identity": "IdentityFeatures",
    "gaussian": "GaussianFeatures",
    "laplacian": "LaplacianFeatures",
    "matern": "MaternFeatures",
    "orthogonal": "OrthogonalFeatures",
    "arccos": "ArcCosineFeatures",
}
"""By word, the name of the class in ``linear.features``."""
