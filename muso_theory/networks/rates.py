"""Slopes of log quantity against log width, each with an interval and its bend."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

__all__ = ["fit_slope"]


def fit_slope(values: Mapping[int, Sequence[float]]) -> dict[str, Any] | None:
    """Least-squares slope of log(value) against log(width), one independent line a seed.

    The slope is the mean over seeds and its interval Student's for that mean at 95 %; a regression over all
    points at once has the same slope. The interval covers the scatter between seeds. Whether the points lie on
    one line at all is another question: ``bend`` is the slope of the wider half of the widths minus that of the
    narrower half, with its own interval, and ``upper_half`` the slope of the wider half alone.

    Args:
        values: for each width one positive value a seed, seeds in the same order at every width.

    Returns:
        JSON-able numbers, or None for fewer than three widths or without a seed.
    """
    widths = sorted(values)
    if len(widths) < 3 or not values[widths[0]]:
        return None
    x = np.log(widths)
    y = np.log([values[width] for width in widths])
    half = len(widths) // 2
    slopes = np.polyfit(x, y, 1)[0]
    result: dict[str, Any] = {
        **_named("", slopes),
        "seeds": int(y.shape[1]),
        "widths": [int(width) for width in widths],
        "values": [float(value) for value in np.exp(y.mean(axis=1))],
    }
    if len(widths) >= 6:
        upper, lower = np.polyfit(x[half:], y[half:], 1)[0], np.polyfit(x[:half], y[:half], 1)[0]
        result |= {**_named("upper_half_", upper), **_named("bend_", upper - lower)}
    return result


def _named(prefix: str, slopes: np.ndarray) -> dict[str, float | None]:
    """Mean and the ends of its 95 % interval; no ends from a single seed."""
    from scipy.stats import t as student

    mean, low, high = float(slopes.mean()), None, None
    if len(slopes) > 1:
        reach = float(student.ppf(0.975, len(slopes) - 1) * slopes.std(ddof=1) / np.sqrt(len(slopes)))
        low, high = mean - reach, mean + reach
    return {f"{prefix}slope": mean, f"{prefix}low": low, f"{prefix}high": high}
