"""Pages that people open in a browser: the report, and the theorems."""

from muso_theory.pages.details import Details, details
from muso_theory.pages.instances import Instance, read_instances
from muso_theory.pages.report_page import draw_figures, report_page
from muso_theory.pages.site import theorem_site, write_site

__all__ = [
    "Details",
    "Instance",
    "details",
    "draw_figures",
    "read_instances",
    "report_page",
    "theorem_site",
    "write_site",
]
