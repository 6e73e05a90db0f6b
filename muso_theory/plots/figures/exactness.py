"""Where relabelling is exact: neither size nor rank decides, but what the forget samples share with the rest."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from ..marks import distinct, label_below, legend_outside, only, panels

if TYPE_CHECKING:
    from matplotlib.figure import Figure

NEEDS = ("anatomy",)

MARKS = {
    "exact-labels": {"marker": "o", "fillstyle": "none", "markersize": 4.5},
    "label-free": {"marker": ".", "fillstyle": "full", "markersize": 3.5},
}
"""How a cell says that a claim is proved there: a ring, and a dot, which fits into the ring."""

CAPTION = """
Gap to retraining of the label-free rule, relative to doing nothing, over features per sample D / n and rank per sample;
n = {anatomy|phases/0/n}, {anatomy|phases/0/n_forget} forgotten, integer features of {anatomy|linear/data}, seed
{anatomy|linear/seed}; white: impossible. Gaps are measured in float64; marks are theory, decided on the same integers
in exact arithmetic: a ring where exact-labels (which need the retrained model) are proved exact, which is everywhere,
a dot where label-free is. Upper: rank is lost by all samples alike, and label-free needs full rank, however many
features there are. Lower: rank is lost by repeated retain samples alone, with contradicting targets, and label-free
holds though the model neither fits its targets nor has more features than samples: what counts is that forget samples
are independent of retain samples. Where a claim is proved the gap is at most
{anatomy|largest relative gap where proved|.0e}, where not at least {anatomy|smallest relative gap where not|.2g}.
"""


def draw(results: Mapping[str, Any]) -> Figure:
    """Cells over size and rank, one panel a way to lose rank."""
    from matplotlib import colormaps
    from matplotlib.colors import LogNorm

    phases = results["anatomy"]["phases"]
    n = phases[0]["n"]
    sizes, ranks = sorted(distinct(phases, "D")), sorted(distinct(phases, "rank"))
    ways = distinct(phases, "rank lost")
    figure, places = panels(len(ways), 0.9, sharex=True, sharey=True)
    for axes, lost in zip(places, ways, strict=True):
        rows = only(phases, rank_lost=lost)
        cells = np.full((len(ranks), len(sizes)), np.nan)
        for row in rows:
            cells[ranks.index(row["rank"]), sizes.index(row["D"])] = row["relative gap"]["label-free"]
        drawn = axes.pcolormesh(
            range(len(sizes)),
            range(len(ranks)),
            cells,
            norm=LogNorm(1e-16, 1),
            cmap=colormaps["Blues"].resampled(32),
            alpha=0.6,
            shading="nearest",
        )
        for claim, mark in MARKS.items():
            proved = [row for row in rows if row["proved"][claim]]
            axes.plot(
                [sizes.index(row["D"]) for row in proved],
                [ranks.index(row["rank"]) for row in proved],
                linestyle="none",
                color="black",
                markeredgewidth=0.6,
                label=f"{claim} proved",
                **mark,
            )
        axes.set_xticks(range(len(sizes)), [f"{size / n:.3g}" for size in sizes])
        axes.set_yticks(range(len(ranks)), [f"{rank / n:.3g}" for rank in ranks])
        axes.set_title(f"rank lost {lost}", fontsize="medium")
        axes.grid(visible=False)
    for axes in places:
        if axes.get_subplotspec().is_first_col():
            axes.set_ylabel("rank / n")
    label_below(places, "features per sample, D / n")
    bar = figure.colorbar(drawn, ax=places, aspect=40)
    bar.set_label("gap of label-free rule\nrelative to doing nothing")
    legend_outside(figure, places, handletextpad=0.1)
    return figure
