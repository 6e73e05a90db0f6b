"""Where each theorem comes from: the source that its claim names, and the works behind it in full."""

from __future__ import annotations

from ..catalogue import CATALOGUE

__all__ = ["WORKS", "references", "source_of"]

WORKS = {
    "arXiv 2410.08557": "Yang, He, He, Qiu, Huang: MUSO",
    "arXiv 1802.08246": "Gunasekar et al.: Characterizing implicit bias",
    "arXiv 1806.07572": "Jacot, Gabriel, Hongler: Neural tangent kernel",
    "arXiv 2003.02960": "Golatkar, Achille, Soatto: Forgetting outside the box",
    "arXiv 2505.22601": "Block et al.: Machine unlearning under overparameterization",
    "arXiv 1911.03030": "Guo et al.: Certified data removal from machine learning models",
    "arXiv 1703.04730": "Koh, Liang: Understanding black-box predictions via influence functions",
    "arXiv 2108.11577": "Warnecke et al.: Machine unlearning of features and labels",
    "Woodbury 1950": "Woodbury; see Hager: Updating the inverse of a matrix",
    "Allen 1974": "Allen: Variable selection and data augmentation",
    "Ostrowski 1954": "Ostrowski; see Hackbusch: Iterative Solution of Large Sparse Systems, ch. 3",
    "Ben-Israel, Greville": "Generalized Inverses, ch. 1 and 3",
}
"""What a source names, to what it is in full."""

_BESIDE = {
    "lemma": "Ben-Israel, Greville",
    "ntk-scrubbing": "arXiv 2003.02960",
    "orthogonal-gradient": "arXiv 2505.22601",
    "newton-removal": "arXiv 1911.03030",
    "minimum-norm": "Ben-Israel, Greville",
    "ridge-minimiser": "classical",
    "downsample-gap": "analyses the down-sampling of arXiv 2410.08557",
    "newton-glm": "exact error of the update of arXiv 1911.03030",
    "affine-constraint": "extends arXiv 2410.08557",
    "inexact-training": "complements arXiv 2410.08557",
    "mirror-descent": "arXiv 1802.08246; extends arXiv 2410.08557",
}
"""Sources of theorems about methods and of lemmas, which are no claims."""


def source_of(slug: str) -> str:
    """Where the theorem of a claim, of a method, or a ``"lemma"`` comes from.

    Example:
        >>> source_of("momentum"), source_of("lemma")
        ('Polyak 1964, Nesterov 1983; applied to arXiv 2410.08557', 'Ben-Israel, Greville')
    """
    return CATALOGUE[slug].source if slug in CATALOGUE else _BESIDE.get(slug, "a theorem of your own")


def references(slug: str) -> list[str]:
    """The works that the source of `source_of` names, in full.

    Example:
        >>> references("momentum")
        ['arXiv 2410.08557: Yang, He, He, Qiu, Huang: MUSO']
    """
    source = source_of(slug)
    return [f"{name}: {work}" for name, work in WORKS.items() if name in source]
