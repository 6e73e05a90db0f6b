"""What labels from a part of the retain set cost in exactness, and save in time."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from ..marks import distinct, label_below, only, panels, style_of

if TYPE_CHECKING:
    from matplotlib.figure import Figure

NEEDS = ("ablation",)

CAPTION = """
Labels computed from a share of the retain set, drawn uniformly or by ridge leverage scores, on
{ablation|downsampled/data}. First panel: root-sum-square error of the labels, one mark for each of the
{ablation|downsampled/seeds} seeds. Second: wall time to compute them, the least over the seeds: one
call takes less than a millisecond, and all else that the machine does can only add to that, so that a larger single
time tells of the machine and only orders of magnitude count. The two ways are drawn side by side; all is measured in
float64. Theory's predictions of the errors agree to within
{ablation|largest relative error by axis/downsampling|.0e}. Where marks of the two ways stand level they drew the same
samples. At the full share the error is rounding and lies far below what is shown.
"""


def _series(result: Mapping[str, Any], sampling: str) -> list[Mapping[str, Any]]:
    """Rows of one way of sampling, on the first data set, below the full share."""
    data = result["downsampled"]["data"]
    rows = only(result["rows"], axis="downsampling", quantity="label error", data=data, sampling=sampling)
    return [row for row in rows if row["ratio"] < 1]


def draw(results: Mapping[str, Any]) -> Figure:
    """Error and time over the share."""
    figure, (errors, times) = panels(2, 0.85, sharex=True)
    for i, sampling in enumerate(("uniform", "leverage")):
        rows = _series(results["ablation"], sampling)
        aside = (1.06, 0.94)[i]
        look = style_of(i, fillstyle="none", linestyle="none", label=sampling)
        errors.plot([row["ratio"] * aside for row in rows], [row["measured"] for row in rows], **look)
        ratios = distinct(rows, "ratio")
        least = [1e3 * min(row["seconds"] for row in only(rows, ratio=ratio)) for ratio in ratios]
        times.plot([ratio * aside for ratio in ratios], least, **look)
    errors.set_ylabel("error of labels")
    times.set_ylabel("milliseconds")
    times.set_ylim(0, None)
    times.set_xscale("log")
    label_below((errors, times), "share of the retain set")
    errors.legend(loc="upper right")
    return figure
