"""The look of pictures: colours, marks, and the measures of venues as rcParams; nothing global is touched."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import Any

from ..errors import expected, nearest

__all__ = ["COLOURS", "FORMATS", "MARKERS", "VENUES", "WIDTHS", "check_style", "style", "styled"]

COLOURS = {
    "blue": "#0072b2",
    "vermilion": "#d55e00",
    "green": "#009e73",
    "purple": "#aa4499",
    "orange": "#e69f00",
    "sky": "#56b4e9",
    "grey": "#808080",
    "brown": "#7a4b00",
    "black": "#202020",
}
"""Okabe and Ito's, told apart by colour-blind readers (purple darkened, so that it is seen on white), and two more."""

MARKERS = ("o", "s", "^", "D", "v", "P", "X", "*", "h")
"""One a series, so that no figure needs its colours."""

VENUES = ("plain", "neurips", "icml", "jmlr", "tmlr")
WIDTHS = ("column", "full")
FORMATS = ("pdf", "png", "svg")

_YEARS = {"neurips": "neurips2024", "icml": "icml2024", "jmlr": "jmlr2001", "tmlr": "tmlr2023"}

_BESIDE = 0.6
"""Share of the text's width that a ``column`` takes where a venue has one column only."""

_HEIGHTS = {"column": 0.68, "full": 0.42}
"""Height of a panel over the width of its figure."""


def check_style(venue: str, width: str = "column", form: str = "pdf") -> None:
    """Refuse a style, width or format that is unknown, and name the nearest that is known."""
    if venue not in VENUES:
        raise expected("a venue", "style", venue, "unknown", nearest(venue, VENUES))
    if width not in WIDTHS:
        raise expected("a width", "width", width, "unknown", nearest(width, WIDTHS))
    if form not in FORMATS:
        raise expected("a format", "format", form, "unknown", nearest(form, FORMATS))


def style(venue: str = "plain", width: str = "column") -> dict[str, Any]:
    """The rcParams of a venue: widths and font sizes as tueplots gives them, fonts that matplotlib brings along.

    Args:
        venue: ``plain`` for screens, or ``neurips``, ``icml``, ``jmlr``, ``tmlr``.
        width: ``full`` is the width of the text; ``column`` is one column where the venue has two, and else 0.6 of
            the text.

    Returns:
        rcParams, for ``matplotlib.rc_context``; TeX is never used, and fonts in a PDF are TrueType.

    Raises:
        BadInputError: an unknown venue or width.

    Example:
        >>> style("neurips", "full")["figure.figsize"][0], style("icml")["figure.figsize"][0]
        (5.5, 3.25)
        >>> style()["pdf.fonttype"], style()["text.usetex"]
        (42, False)
    """
    check_style(venue, width)
    return _measures(venue, width) | {
        "axes.grid": True,
        "axes.spines.right": False,
        "axes.spines.top": False,
        "axes.unicode_minus": True,
        "axes.linewidth": 0.6,
        "figure.constrained_layout.use": True,
        "font.sans-serif": ["DejaVu Sans"],
        "hatch.linewidth": 0.6,
        "grid.color": COLOURS["grey"],
        "grid.alpha": 0.25,
        "grid.linewidth": 0.5,
        "legend.frameon": False,
        "lines.linewidth": 1.2,
        "lines.markersize": 3.5,
        "pdf.fonttype": 42,
        "ps.fonttype": 42,
        "savefig.dpi": 200,
        "svg.fonttype": "path",
        "svg.hashsalt": "muso-theory",
        "text.usetex": False,
        "xtick.major.width": 0.6,
        "ytick.major.width": 0.6,
    }


def _measures(venue: str, width: str) -> dict[str, Any]:
    """Size of the figure, sizes of its letters, and its fonts."""
    ratio = _HEIGHTS[width]
    if venue == "plain":
        wide = {"column": 4.3, "full": 7.0}[width]
        names = ("axes.labelsize", "axes.titlesize", "legend.fontsize", "xtick.labelsize", "ytick.labelsize")
        sizes = {"figure.figsize": (wide, ratio * wide), "font.size": 10.0, **dict.fromkeys(names, 9.0)}
        return sizes | {"font.family": "sans-serif", "mathtext.fontset": "dejavusans"}
    from tueplots import figsizes, fontsizes

    # The bundles are not used: those of JMLR and TMLR need TeX, and no two take the same arguments.
    year = _YEARS[venue]
    shape = {"height_to_width_ratio": ratio, "nrows": 1, "ncols": 1}
    if venue == "icml":
        size = getattr(figsizes, f"{year}_{'half' if width == 'column' else 'full'}")(**shape)
    else:
        size = getattr(figsizes, year)(rel_width=_BESIDE if width == "column" else 1.0, **shape)
    fonts = {"font.family": "STIXGeneral", "mathtext.fontset": "stix"}
    # Of the sizes only that of the figure: cropping on saving would make it another than the venue's.
    return {"figure.figsize": size["figure.figsize"], **getattr(fontsizes, year)(), **fonts}


@contextlib.contextmanager
def styled(venue: str = "plain", width: str = "column") -> Iterator[dict[str, Any]]:
    """Draw in the style of a venue; what was set before comes back afterwards."""
    params: Any = style(venue, width)  # matplotlib's own stubs name every key
    import matplotlib as mpl

    with mpl.rc_context():
        mpl.rcdefaults()
        mpl.rcParams.update(params)
        yield params
