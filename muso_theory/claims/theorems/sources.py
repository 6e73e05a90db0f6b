"""Where each claim comes from."""

from __future__ import annotations

__all__ = ["SOURCES"]

_MUSO = "Yang, He, He, Qiu, Huang: MUSO, arXiv:2410.08557"
_LEMMAS = "Ben-Israel, Greville: Generalized Inverses, ch. 1 and 3"

SOURCES = {
    "lemma": _LEMMAS + ".",
    "implicit-bias": "Gunasekar et al.: Characterizing implicit bias, arXiv:1802.08246.",
    "exact-labels": f"{_MUSO}; there for full-rank, overparameterised models.",
    "label-solution-set": f"Extends {_MUSO}.",
    "start-span": f"Extends {_MUSO}.",
    "label-free": f"{_MUSO}.",
    "gap-formula": f"Extends {_MUSO}.",
    "leave-block-out": "Allen: Variable selection and data augmentation, 1974, for one sample.",
    "forget-only": f"Extends {_MUSO}.",
    "ridge-anchored": f"Extends {_MUSO}.",
    "cyclic-sgd": "Ostrowski 1954, Reich 1949; see Hackbusch: Iterative Solution of Large Sparse Systems, ch. 3.",
    "gd-finite-time": f"Extends {_MUSO}.",
    "momentum": "Polyak 1964; Nesterov 1983.",
    "ridge-inverse": f"The regularised inverse of {_MUSO}.",
    "downsampling": f"The variable down-sampling of {_MUSO}.",
    "sequential-requests": f"Extends {_MUSO}.",
    "linearised-network": "Jacot, Gabriel, Hongler: Neural tangent kernel, arXiv:1806.07572.",
    "ntk-scrubbing": "Golatkar, Achille, Soatto: Forgetting outside the box, arXiv:2003.02960.",
    "orthogonal-gradient": "Block et al.: Machine unlearning under overparameterization, arXiv:2505.22601.",
    "newton-removal": "Guo et al.: Certified data removal from machine learning models, arXiv:1911.03030.",
}
"""Slug to reference."""
