"""Empty figures, and files whose bytes depend on nothing but what is drawn."""

from __future__ import annotations

import html
import io
import re
from typing import TYPE_CHECKING, Any

from .style import COLOURS, check_style

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = ["inline_svg", "new_figure", "render"]


def new_figure(rows: int = 1, columns: int = 1, height: float = 1.0, **options: Any) -> tuple[Figure, Any]:
    """An empty figure of the current style, without the machinery of windows.

    Args:
        height: times the usual height.
        options: for ``Figure.subplots``.
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
        form: ``pdf``, ``png`` or ``svg``.
        salt: makes the ids of an SVG its own, where several share a page.
        text: leave text in an SVG as text, so that it can be read aloud and found.
        opaque: on white, whatever the page; a ``png`` always is.

    Raises:
        BadInputError: another form.
    """
    import matplotlib as mpl

    check_style("plain", form=form)
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
