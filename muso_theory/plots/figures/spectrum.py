"""The spectrum of K, and the step sizes that it allows."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from ..canvas import new_figure
from ..drawings import spectrum as draw_spectrum
from ..marks import reference

if TYPE_CHECKING:
    from matplotlib.figure import Figure

NEEDS = ("anatomy",)
OWN = ("sweep", "unlearn")

CAPTION = """
Eigenvalues of the Gram matrix K of {anatomy|linear/n_retain} retain and {anatomy|linear/n_forget} forget samples
({anatomy|linear/data}, {anatomy|linear/n_features} random Fourier features, bandwidth {anatomy|linear/bandwidth}, seed
{anatomy|linear/seed}), measured in float64. Right scale: the step size from which gradient descent diverges along an
eigenvector, which theory gives. Dashed: the limit for all of them, {anatomy|linear/step limit of gradient descent|.3g};
a pass over single samples allows {anatomy|linear/step limit of one sample|.3g}.
"""


def draw(results: Mapping[str, Any]) -> Figure:
    """Spectrum with stability limits."""
    return _plot(results["anatomy"]["linear"]["eigenvalues"])


def own(result: Mapping[str, Any]) -> Figure | None:
    """The same of a user's run, where it holds eigenvalues."""
    return _plot(result["eigenvalues"]) if result.get("eigenvalues") else None


def told(result: Mapping[str, Any]) -> str:
    """What the figure shows, in words."""
    return (
        f"The {len(result['eigenvalues'])} eigenvalues of the Gram matrix K, measured in float64. Right scale: the "
        "step size from which gradient descent diverges along an eigenvector. Dashed: the limit for all of them."
    )


def _plot(values: Sequence[float]) -> Figure:
    """Eigenvalues, and the largest as a line."""
    figure, axes = new_figure(height=1.1)
    draw_spectrum(axes, values)
    reference(axes, [1, len(values)], [max(values)] * 2, "stability limit of gradient descent")
    axes.legend(loc="lower left")
    return figure
