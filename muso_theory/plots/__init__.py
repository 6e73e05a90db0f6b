"""Pictures: the styles of venues, a few drawings, the figures of a paper, and files with the same bytes every time."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ..lazy import lazily
from .canvas import inline_svg, new_figure, render
from .drawings import gap_ladder, spectrum
from .style import COLOURS, FORMATS, MARKERS, VENUES, WIDTHS, check_style, style, styled

__all__ = [
    "COLOURS",
    "FORMATS",
    "MARKERS",
    "VENUES",
    "WIDTHS",
    "check_style",
    "gap_ladder",
    "inline_svg",
    "new_figure",
    "render",
    "spectrum",
    "style",
    "styled",
]

if not TYPE_CHECKING:

    def __getattr__(name: str) -> Any:
        return lazily(__name__, name)
