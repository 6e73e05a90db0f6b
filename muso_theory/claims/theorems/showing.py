"""Where a reader goes on from a theorem: to the check on data, to what campaigns measured, and to what shows it."""

from __future__ import annotations

from ..catalogue import CATALOGUE
from .registry import slugs

__all__ = [
    "BEARS_ON",
    "FIGURES",
    "GALLERY",
    "campaigns",
    "check_command",
    "figures",
    "gallery_figures",
    "status_without_proof",
    "unproved",
]

_ON_BOTH_SIDES = tuple(slug for slug in slugs() if slug != "linearised-network")
"""Claims with a theorem that any data can be asked about, so that campaign and figure ``identities`` show them all."""

BEARS_ON = {
    "ablation": (
        "gap-formula", "momentum", "adaptive-optimizer", "ridge-inverse", "downsampling", "label-free",
        "linearised-network", "kernel-limit",
    ),
    "ablation-networks": ("alternating",),
    "alternating": ("alternating", "exact-labels", "lazy-training", "linearised-network"),
    "anatomy": ("exact-labels", "label-free", "implicit-bias", "linearised-network"),
    "baselines": (
        "exact-labels", "label-free", "gap-formula", "ntk-scrubbing", "newton-removal", "orthogonal-gradient",
    ),
    "deep-features": ("exact-labels", "label-free"),
    "guarantees": ("removal-certificate",),
    "identities": _ON_BOTH_SIDES,
    "lazy": ("lazy-training", "linearised-network"),
    "network-paper": ("alternating",),
    "network-residual": ("alternating",),
    "ntk-limit": ("ntk-limit",),
    "paper-convergence": ("implicit-bias", "cyclic-sgd", "gd-finite-time", "early-stopping", "label-free"),
    "paper-linear": ("exact-labels", "label-free", "gap-formula", "gd-finite-time"),
    "performance-dynamics": ("cyclic-sgd", "gd-finite-time", "leave-block-out"),
    "performance-kappa": ("leave-block-out",),
    "precision": ("gap-formula",),
}  # fmt: skip
"""Campaigns, to the claims that they bear on."""

FIGURES = {
    "exactness": ("exact-labels", "label-free"),
    "gap_by_epoch": ("implicit-bias", "cyclic-sgd", "gd-finite-time"),
    "precision_ladder": ("gap-formula",),
    "downsampling": ("downsampling",),
    "limits": ("kernel-limit", "ntk-limit"),
    "lazy_width": ("lazy-training", "linearised-network"),
    "accuracies": ("alternating",),
    "trade_off": ("alternating",),
    "guarantees": ("removal-certificate",),
    "spectrum": ("implicit-bias",),
    "labels": ("exact-labels", "label-free"),
    "layers": ("linearised-network",),
    "identities": _ON_BOTH_SIDES,
}
"""Figures of the campaigns, to the claims that they show; those of thousands of points are too large for a page."""

GALLERY = ("exactness", "gap_by_epoch", "precision_ladder", "identities", "layers")
"""Figures that are kept beside the code: of each claim with a theorem at least one."""


def campaigns(slug: str) -> tuple[str, ...]:
    """The campaigns that bear on a claim.

    Example:
        >>> campaigns("downsampling"), figures("downsampling")
        (('ablation', 'identities'), ('downsampling', 'identities'))
    """
    return tuple(name for name, claims in BEARS_ON.items() if slug in claims)


def figures(slug: str) -> tuple[str, ...]:
    """The figures that show a claim."""
    return tuple(name for name, claims in FIGURES.items() if slug in claims)


def gallery_figures(slug: str) -> tuple[str, ...]:
    """Those of them that are kept beside the code.

    Example:
        >>> gallery_figures("downsampling"), gallery_figures("linearised-network")
        (('identities',), ('layers',))
    """
    return tuple(name for name in figures(slug) if name in GALLERY)


def check_command(slug: str) -> str:
    """What asks for a claim on data, if anything does.

    Example:
        >>> check_command("energy"), check_command("newton-removal")
        ('muso check DATA --claim energy', '')
    """
    return f"muso check DATA --claim {slug}" if slug in CATALOGUE else ""


def unproved() -> tuple[str, ...]:
    """The claims of the catalogue that have no general proof."""
    return tuple(claim.slug for claim in CATALOGUE.values() if not claim.is_condition and claim.unproved)


def status_without_proof(slug: str) -> str:
    """What a claim without a general proof has instead, in words.

    Example:
        >>> status_without_proof("lazy-training"), status_without_proof("removal-certificate")
        ('measured: campaign lazy', 'no general proof')
    """
    campaign = CATALOGUE[slug].campaign
    return f"measured: campaign {campaign}" if campaign else "no general proof"
