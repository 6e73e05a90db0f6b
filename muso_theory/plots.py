"""Pictures: one style, a few drawings, and files whose bytes depend on nothing but what is drawn.

A style is a pure function that returns rcParams, to be used in a context; nothing global is touched.
"""

from __future__ import annotations

import contextlib
import io
import re
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from .errors import expected, nearest
from .evidence import round_digits

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = [
    "COLOURS",
    "FORMATS",
    "MARKERS",
    "VENUES",
    "gap_ladder",
    "inline_svg",
    "new_figure",
    "render",
    "spectrum",
    "style",
    "styled",
]

COLOURS = {
    "blue": "#0072b2",
    "vermilion": "#d55e00",
    "green": "#009e73",
    "purple": "#aa4499",
    "orange": "#e69f00",
    "sky": "#56b4e9",
    "grey": "#808080",
}
"""Okabe and Ito's, told apart by colour-blind readers (purple darkened, so that it is seen on white)."""

MARKERS = ("o", "s", "^", "D", "v", "P", "X", "*")
"""One a series, so that no figure needs its colours."""

VENUES = ("plain", "neurips", "icml", "jmlr", "tmlr")
FORMATS = ("pdf", "png", "svg")

_BUNDLES = {"neurips": "neurips2024", "icml": "icml2024", "jmlr": "jmlr2001", "tmlr": "tmlr2023"}


def style(venue: str = "plain") -> dict[str, Any]:
    """The rcParams of a venue: sizes of its columns and fonts; the fonts are those that matplotlib brings along.

    Args:
        venue: ``plain`` for screens, or a venue that tueplots (extra ``figures``) knows the measures of.

    Returns:
        rcParams, for ``matplotlib.rc_context``; TeX is never used.

    Raises:
        BadInputError: an unknown venue, or tueplots is not installed.

    Example:
        >>> style()["pdf.fonttype"], style()["text.usetex"]
        (42, False)
    """
    if venue not in VENUES:
        raise expected("a venue", "style", venue, "unknown", nearest(venue, VENUES))
    params: dict[str, Any] = {"figure.figsize": (4.3, 2.8), "font.size": 10.0}
    params |= {"font.family": "sans-serif", "mathtext.fontset": "dejavusans"}
    for name in ("axes.labelsize", "axes.titlesize", "legend.fontsize", "xtick.labelsize", "ytick.labelsize"):
        params[name] = 9.0
    if venue != "plain":
        try:
            from tueplots import bundles
        except ImportError:
            raise expected(
                "tueplots to be installed", "style", venue, "missing", "pip install '.[figures]', or plain"
            ) from None
        bundle = getattr(bundles, _BUNDLES[venue])
        narrow = {} if venue in ("jmlr", "tmlr") else {"column": "half", "nrows": 1, "ncols": 1}
        given = bundle(usetex=False, **narrow)
        width = float(given["figure.figsize"][0])
        if not narrow:
            width = min(width, 4.2)
        params |= {key: value for key, value in given.items() if "size" in key and key != "figure.figsize"}
        params |= {"figure.figsize": (width, 0.68 * width)}
        params |= {"font.family": "STIXGeneral", "mathtext.fontset": "stix"}
    return params | {
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


@contextlib.contextmanager
def styled(venue: str = "plain") -> Iterator[dict[str, Any]]:
    """Draw in the style of a venue; what was set before comes back afterwards.

    Args:
        venue: see `style`.

    Yields:
        The rcParams.
    """
    import matplotlib as mpl

    params: Any = style(venue)  # matplotlib's own stubs name every key
    with mpl.rc_context():
        mpl.rcdefaults()
        mpl.rcParams.update(params)
        yield params


def new_figure(rows: int = 1, columns: int = 1, height: float = 1.0, **options: Any) -> tuple[Figure, Any]:
    """An empty figure of the current style, without the machinery of windows.

    Args:
        rows: rows of panels.
        columns: columns of panels.
        height: times the usual height.
        options: for ``Figure.subplots``.

    Returns:
        The figure and its panels.
    """
    import matplotlib as mpl
    from matplotlib.figure import Figure

    width, tall = mpl.rcParams["figure.figsize"]
    made = Figure(figsize=(width, tall * height))
    return made, made.subplots(rows, columns, **options)


def render(
    drawn: Figure, form: str = "pdf", salt: str = "", text: bool = False, opaque: bool = False
) -> bytes:
    """The bytes of a figure; the same figure gives the same bytes, whatever the date.

    Args:
        drawn: the figure.
        form: ``pdf``, ``png`` or ``svg``.
        salt: makes the ids of an SVG its own, where several share a page.
        text: leave text in an SVG as text, so that it can be read aloud and found.
        opaque: on white, whatever the page; a ``png`` always is.

    Returns:
        The file.

    Raises:
        BadInputError: another form.
    """
    import matplotlib as mpl

    if form not in FORMATS:
        raise expected("a format", "format", form, "unknown", nearest(form, FORMATS))
    nothing: dict[str, Any] = {
        "pdf": dict.fromkeys(("CreationDate", "ModDate", "Creator", "Producer")),
        "png": {"Software": None},
        "svg": dict.fromkeys(("Date", "Creator", "Format", "Type")),
    }[form]
    stream = io.BytesIO()
    options: Any = {"svg.hashsalt": f"muso-theory{salt}", "svg.fonttype": "none" if text else "path"}
    with mpl.rc_context(options):
        drawn.savefig(stream, format=form, metadata=nothing, transparent=not (opaque or form == "png"))
    return stream.getvalue()


def inline_svg(drawn: Figure, name: str, title: str, description: str) -> str:
    """A figure as SVG to be put into a page: it takes the page's text colour, and says what it shows.

    Args:
        drawn: the figure, drawn in the plain style.
        name: its own name on the page; all ids begin with it.
        title: what it is.
        description: what is seen, for those who do not see it.

    Returns:
        An ``svg`` element of role ``img``; series have the classes of no style sheet but the colours ``--blue`` etc.,
        which a page may set.
    """
    import html

    text = render(drawn, "svg", name, text=True).decode()
    text = text[text.index("<svg") :]
    text = re.sub(r"<metadata>.*?</metadata>|<!--.*?-->", "", text, flags=re.S)
    text = re.sub(r' xmlns(:\w+)?="[^"]*"| version="1.1"', "", text)
    text = text.replace("xlink:href", "href")
    text = re.sub(r'\bid="', f'id="{name}-', text)
    text = re.sub(r"url\(#", f"url(#{name}-", text)
    text = re.sub(r'href="#', f'href="#{name}-', text)
    for colour, code in COLOURS.items():
        text = text.replace(code, f"var(--{colour}, {code})")
    text = re.sub(r"#000000|\bblack\b", "currentColor", text)
    # Text without a fill of its own is black.
    text = re.sub(r'<text style="(?![^"]*fill)', '<text style="fill: currentColor; ', text)
    width, height = re.findall(r'(?:width|height)="([\d.]+)pt"', text)[:2]
    size = f'width="{float(width) * 4 / 3:.0f}" height="{float(height) * 4 / 3:.0f}"'
    text = re.sub(r'width="[\d.]+pt"', "", re.sub(r'height="[\d.]+pt"', "", text, count=1), count=1)
    said = f'<title id="{name}-title">{html.escape(title)}</title>'
    said += f'<desc id="{name}-desc">{html.escape(description)}</desc>'
    opening = f'<svg role="img" aria-labelledby="{name}-title" aria-describedby="{name}-desc" {size}'
    text = text.replace("<svg", opening, 1)
    head, _, rest = text.partition(">")
    return re.sub(r"\n\s*", "\n", f"{head}>{said}{rest}").strip()


def spectrum(
    axes: Axes, eigenvalues: Sequence[float], floor: float | None = None, ceiling: float | None = None
) -> None:
    """Eigenvalues of K in falling order, and beside each the step size from which gradient descent diverges along it.

    Args:
        axes: where to draw.
        eigenvalues: of K, in any order; those that are not positive are left out.
        floor: a proved lower bound of the smallest, or None.
        ceiling: a proved upper bound of the largest, or None.
    """
    values = np.sort([v for v in eigenvalues if v > 0])[::-1]
    axes.set_yscale("log")
    axes.plot(
        np.arange(1, len(values) + 1),
        values,
        color=COLOURS["blue"],
        marker="." if len(values) > 60 else "o",
        markersize=3,
        linewidth=0.8,
        label="eigenvalues, measured",
    )
    for value, words, up in ((ceiling, "largest ≤", True), (floor, "smallest ≥", False)):
        if value is not None and 0 < value < float("inf"):
            axes.axhline(
                value,
                color=COLOURS["vermilion"],
                linestyle="-." if up else "--",
                linewidth=1,
                label=f"{words} {round_digits(value, up)}, proved",
            )
    if len(values) > 100:
        axes.set_xscale("log")
    axes.set_xlabel("eigenvalue, in falling order")
    axes.set_ylabel("λ of K")
    right = axes.secondary_yaxis("right", functions=(_step_limit, _step_limit))
    right.set_ylabel("step limit 2/λ")
    axes.legend(loc="lower left")


def _step_limit(value: Any) -> Any:
    """2/λ, its own inverse; nothing is said at zero."""
    with np.errstate(divide="ignore"):
        return 2 / np.maximum(np.asarray(value, dtype=float), np.finfo(float).tiny)


def gap_ladder(axes: Axes, gaps: Sequence[tuple[str, float, bool]]) -> None:
    """What each way to label leaves of ‖w_u − w_r‖, on a logarithmic scale.

    Args:
        axes: where to draw.
        gaps: name, gap, and whether the gap is a proved bound; drawn from top to bottom.
    """
    drawn: Any = axes.get_figure()
    values = [value for _, value, _ in gaps if value > 0 and np.isfinite(value)]
    lowest = min(values, default=1e-16)
    left = min(1e-16, lowest) if len(values) < len(gaps) else lowest
    axes.set_xscale("log")
    for proved, marker, colour, words in (
        (False, "o", COLOURS["blue"], "measured in float64"),
        (True, "D", COLOURS["vermilion"], "proved upper bound"),
    ):
        rows = [i for i, (_, _, is_proved) in enumerate(gaps) if is_proved is proved]
        if rows:
            shown = [max(gaps[i][1], left / 3) for i in rows]
            axes.hlines(rows, left / 10, shown, color=COLOURS["grey"], linewidth=0.8, alpha=0.6)
            axes.plot(shown, rows, linestyle="none", marker=marker, color=colour, markersize=6, label=words)
            for i, x in zip(rows, shown, strict=True):
                gap = gaps[i][1]
                told = f"≤ {round_digits(gap, up=True)}" if proved else f"{gap:.2g}"
                axes.annotate(told, (x, i), (6, 0), textcoords="offset points", va="center", fontsize="small")
    axes.set_yticks(range(len(gaps)), [name for name, _, _ in gaps])
    axes.set_ylim(len(gaps) - 0.5, -0.5)
    axes.set_xlim(left / 10, 300 * max(values, default=1.0))
    axes.grid(visible=False, axis="y")
    axes.set_xlabel("‖w_u − w_r‖")
    drawn.legend(loc="outside upper right", ncols=2)
