"""Small convex objectives, and public constants that hold for them."""

from __future__ import annotations

from typing import Any

import numpy as np

from muso_theory.evaluation import Objective, Public


def make(loss: str, ridge: float = 0.05, n: int = 60, d: int = 5, seed: int = 0) -> Objective:
    rng = np.random.default_rng(seed)
    phi = rng.standard_normal((n, d))
    phi /= np.linalg.norm(phi, axis=1, keepdims=True)
    return Objective(phi, np.sign(phi @ rng.standard_normal(d) + 0.3 * rng.standard_normal(n)), loss, ridge)


def declare(loss: str = "logistic", **more: Any) -> Public:
    """Constants for the data of `make`; rows divided by their norms are longer than 1 by rounding."""
    constants = {
        "samples": 60, "forget": 4, "ridge": 0.05, "feature_norm": 1 + 1e-9, "target_bound": 1.0, "rounding": 1e-8,
    }  # fmt: skip
    return Public(loss=loss, **{**constants, **more})
