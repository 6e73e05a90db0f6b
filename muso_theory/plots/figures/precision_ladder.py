"""What each arithmetic still knows of a gap as the problem becomes ill-conditioned."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from ...numbers.rounding import U
from ..canvas import new_figure
from ..marks import floor_of, legend_outside, reference, style_of

if TYPE_CHECKING:
    from matplotlib.figure import Figure

NEEDS = ("precision",)

RUNGS = {
    "float32": "float32, error",
    "float64": "float64, error",
    "verified float64": "verified float64, bound",
    "MP 50 digits": "50 digits, error",
    "exact": "exact rationals, error",
}

CAPTION = """
Relative error of ‖w_p − w_r‖ over the condition number of the system, against the exact rational value (the exact rung
is that value itself), for {precision|points/#} problems (families {precision|points/*/family}; deterministic, no
seeds). All errors are measured; the verified rung shows the radius it proves, and is absent where it says that it
cannot decide, as is float32 where it gives infinity. Dashed: unit roundoff times condition number, the growth that
theory expects of float64. Multiprecision values are rounded to float64 before they are compared; zeros are drawn on the
lower edge. Verdict of the campaign: {precision|verdict}.
"""


def _series(result: Mapping[str, Any]) -> dict[str, tuple[list[float], list[float]]]:
    """Condition numbers and errors of each rung, where it gave an answer."""
    found = {}
    for rung in RUNGS:
        known = [
            (point["condition"], point["rungs"][rung].get("relative error"))
            for point in sorted(result["points"], key=lambda point: point["condition"])
            if rung in point["rungs"]
        ]
        # Words stand where a rung has no number: undecided, infinite.
        kept = [(x, y) for x, y in known if isinstance(y, float)]
        found[rung] = ([x for x, _ in kept], [y for _, y in kept])
    return found


def draw(results: Mapping[str, Any]) -> Figure:
    """Error over condition number."""
    figure, axes = new_figure(height=1.1)
    axes.set_xscale("log")
    axes.set_yscale("log", nonpositive="mask")
    ends = [point["condition"] for point in results["precision"]["points"]]
    series = _series(results["precision"])
    for i, (rung, (x, y)) in enumerate(series.items()):
        style = style_of(i, fillstyle="none")
        positive = [(a, b) for a, b in zip(x, y, strict=True) if b > 0]
        zeros = [a for a, b in zip(x, y, strict=True) if b == 0]
        axes.plot(
            [a for a, _ in positive],
            [b for _, b in positive],
            linestyle="none",
            label=RUNGS[rung],
            **style,
        )
        if zeros:
            axes.plot(
                zeros,
                [0.0] * len(zeros),
                linestyle="none",
                label=RUNGS[rung],
                transform=floor_of(axes),
                clip_on=False,
                **style,
            )
    reference(axes, [min(ends), 1 / U], [U * min(ends), 1.0], "κ · unit roundoff")
    axes.set_ylim(min(1e-18, *(b / 3 for _, y in series.values() for b in y if b > 0)), 1e3)
    axes.set_xlabel("condition number κ")
    axes.set_ylabel("relative error")
    # A rung with errors and zeros was drawn twice.
    legend_outside(figure, [axes])
    return figure
