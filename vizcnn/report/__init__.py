"""One HTML file to hand over: what a model predicted, and what the pictures say, recolored in the browser from the values."""

from vizcnn.report.comparison import write_comparison
from vizcnn.report.page import render_page, write_page
from vizcnn.report.parts import LONGEST

__all__ = ["LONGEST", "render_page", "write_comparison", "write_page"]
