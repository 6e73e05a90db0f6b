"""Where relabelling is exact: neither size nor rank decides, but what the forget samples share with the rest."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from muso_theory.plots import new_figure

from .drawing import distinct, only

if TYPE_CHECKING:
    from matplotlib.figure import Figure

NEEDS = ("anatomy",)

HATCHES = {"exact-labels": "//", "label-free": ".."}
"""What is laid over the problems on which a claim is proved."""

CAPTION = """
Gap to retraining of the label-free rule, relative to doing nothing, over features per sample D / n and rank per sample;
n = {anatomy|phases/0/n}, {anatomy|phases/0/n_forget} forgotten, integer features of {anatomy|linear/data}, seed
{anatomy|linear/seed}; white: impossible. Gaps are measured in float64; hatching is theory, decided on the same integers
in exact arithmetic: strokes where exact-labels (which need the retrained model) are proved exact, which is everywhere,
dots where label-free is. Upper: rank is lost by all samples alike, and label-free needs full rank, however many
features there are. Lower: rank is lost by repeated retain samples alone, with contradicting targets, and label-free
holds though the model neither fits its targets nor has more features than samples: what counts is that forget samples
are independent of retain samples. Where a claim is proved the gap is at most
{anatomy|largest relative gap where proved|.0e}, where not at least {anatomy|smallest relative gap where not|.2g}.
"""


def _laid(claim: str) -> dict[str, Any]:
    """The hatching of a claim and nothing else."""
    return {"fill": False, "hatch": HATCHES[claim], "linewidth": 0, "edgecolor": "black", "zorder": 2}


def draw(results: Mapping[str, Any]) -> Figure:
    """Cells over size and rank, one panel a way to lose rank."""
    from matplotlib import colormaps
    from matplotlib.colors import LogNorm
    from matplotlib.patches import Patch, Rectangle

    phases = results["anatomy"]["phases"]
    n = phases[0]["n"]
    sizes, ranks = sorted(distinct(phases, "D")), sorted(distinct(phases, "rank"))
    figure, panels = new_figure(2, 1, height=1.9, sharex=True)
    for axes, lost in zip(panels, distinct(phases, "rank lost"), strict=True):
        cells = np.full((len(ranks), len(sizes)), np.nan)
        for row in only(phases, rank_lost=lost):
            x, y = sizes.index(row["D"]), ranks.index(row["rank"])
            cells[y, x] = row["relative gap"]["label-free"]
            for claim in HATCHES:
                if row["proved"][claim]:
                    place = {"xy": (x - 0.5, y - 0.5), "width": 1, "height": 1}
                    axes.add_patch(Rectangle(**place, **_laid(claim), label=f"_{claim} proved"))
        drawn = axes.pcolormesh(
            range(len(sizes)),
            range(len(ranks)),
            cells,
            norm=LogNorm(1e-16, 1),
            cmap=colormaps["Blues"].resampled(32),
            alpha=0.6,
            shading="nearest",
        )
        axes.set_xticks(range(len(sizes)), [f"{size / n:.3g}" for size in sizes])
        axes.set_yticks(range(len(ranks)), [f"{rank / n:.3g}" for rank in ranks])
        axes.set_ylabel("rank / n")
        axes.set_title(f"rank lost {lost}", fontsize="medium")
        axes.grid(visible=False)
    panels[1].set_xlabel("features per sample, D / n")
    figure.colorbar(drawn, ax=panels, label="gap of label-free / gap of doing nothing", aspect=40)
    handles = [Patch(**_laid(claim) | {"linewidth": 0.5}, label=f"{claim} proved") for claim in HATCHES]
    figure.legend(handles=handles, loc="outside upper center", ncols=2, handlelength=2.5, handleheight=1.3)
    return figure
