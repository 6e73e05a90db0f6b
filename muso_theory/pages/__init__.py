"""Pages that people open in a browser: the report, and the theorems."""

from muso_theory.pages.details import Details, details
from muso_theory.pages.report_page import draw_figures, report_page

__all__ = ["Details", "details", "draw_figures", "report_page"]
