"""One HTML file to hand over: what a model predicted, and what the pictures say, recolored in the browser from the values."""

from vizcnn.report.comparison import write_comparison
from vizcnn.report.page import LONGEST, render_page, write_page

__all__ = ["LONGEST", "render_page", "write_comparison", "write_page"]
