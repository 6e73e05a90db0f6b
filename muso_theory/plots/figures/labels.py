"""What the forget samples are labelled with."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from muso_theory.plots import new_figure

from ..marks import style_of

if TYPE_CHECKING:
    from matplotlib.figure import Figure

NEEDS = ("anatomy",)

CAPTION = """
Labels of {anatomy|linear/n_forget} forget samples ({anatomy|linear/data}, seed {anatomy|linear/seed}), one column for
each, by four rules: the original targets, the labels that are optimal in theory (the retrained model's outputs,
computed in float64), random classes, and the outputs of a random teacher. The optimal labels are as far from the
targets as the retrained model is, and no class. Campaign: {anatomy|verdict}.
"""


def draw(results: Mapping[str, Any]) -> Figure:
    """Labels of each forget sample."""
    figure, axes = new_figure(height=1.2)
    for i, (name, values) in enumerate(results["anatomy"]["linear"]["labels"].items()):
        axes.plot(
            range(len(values)),
            values,
            linestyle="none",
            fillstyle=("none", "full", "none", "none")[i % 4],
            markeredgewidth=0.7,
            label=name,
            **style_of(i),
        )
    axes.set_xlabel("forget sample")
    axes.set_ylabel("label")
    figure.legend(loc="outside upper center", ncols=4, columnspacing=0.8, handletextpad=0.1)
    return figure
