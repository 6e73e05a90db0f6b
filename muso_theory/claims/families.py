"""How every claim is checked, by slug: ``CHECKS["exact-labels"]``. In words they are in ``catalogue.toml``."""

from __future__ import annotations

from .alternating import ALTERNATION
from .approximate import APPROXIMATE
from .checks import Check
from .conditions import CONDITIONS
from .dynamics import DYNAMICS
from .geometries import GEOMETRIES
from .guarantees import GUARANTEES
from .labelling import LABELLING
from .networks import NETWORKS
from .parameters import PARAMETERS
from .random_features import RANDOM_FEATURES
from .tangents import TANGENTS
from .training import TRAINING
from .updates import UPDATES

__all__ = ["CHECKS"]

CHECKS: dict[str, Check] = {
    **CONDITIONS,
    **TRAINING,
    **LABELLING,
    **PARAMETERS,
    **DYNAMICS,
    **GUARANTEES,
    **UPDATES,
    **GEOMETRIES,
    **APPROXIMATE,
    **RANDOM_FEATURES,
    **TANGENTS,
    **NETWORKS,
    **ALTERNATION,
}
