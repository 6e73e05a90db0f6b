"""What the forget samples are labelled with."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from ..canvas import new_figure
from ..marks import legend_outside, positions, style_of

if TYPE_CHECKING:
    from matplotlib.figure import Figure

NEEDS = ("anatomy",)
OWN = ("sweep", "unlearn")

CAPTION = """
Labels of {anatomy|linear/n_forget} forget samples ({anatomy|linear/data}, seed {anatomy|linear/seed}), one column for
each, by four rules: the original targets, the labels that are optimal in theory (the retrained model's outputs,
computed in float64), random classes, and the outputs of a random teacher. The optimal labels are as far from the
targets as the retrained model is, and no class. Campaign: {anatomy|verdict}.
"""


def draw(results: Mapping[str, Any]) -> Figure:
    """Labels of each forget sample."""
    return _plot(results["anatomy"]["linear"]["labels"])


def own(result: Mapping[str, Any]) -> Figure | None:
    """The same of a user's run, where it holds labels."""
    rules = result.get("labels") or {}
    return _plot(rules, positions([*rules])) if rules else None


def told(result: Mapping[str, Any]) -> str:
    """What the figure shows, in words."""
    return f"Labels of each forget sample by {', '.join(result['labels'])}; one column a sample."


def _plot(rules: Mapping[str, Sequence[float]], looks: Sequence[int] = (0, 1, 2, 3)) -> Figure:
    """One mark a sample and rule, in the looks of these positions."""
    figure, axes = new_figure(height=1.1)
    for i, (name, values) in enumerate(rules.items()):
        look = style_of(
            looks[i], fillstyle=("none", "full", "none", "none")[i % 4], linestyle="none", markeredgewidth=0.7
        )
        axes.plot(range(len(values)), values, label=name, **look)
    axes.set_xlabel("forget sample")
    axes.xaxis.get_major_locator().set_params(integer=True)
    axes.set_ylabel("label")
    legend_outside(figure, [axes], columnspacing=0.8, handletextpad=0.1)
    return figure
