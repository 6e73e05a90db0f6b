"""Pages that people open in a browser: the report, and the theorems."""

from typing import TYPE_CHECKING, Any

from ..lazy import lazily
from .details import Details, details
from .instances import Observation, read_instances
from .onward import draw_shown
from .report_page import draw_figures, report_page
from .site import theorem_site, write_site

__all__ = [
    "Details",
    "Observation",
    "details",
    "draw_figures",
    "draw_shown",
    "read_instances",
    "report_page",
    "theorem_site",
    "write_site",
]

if not TYPE_CHECKING:

    def __getattr__(name: str) -> Any:
        return lazily(__name__, name)
