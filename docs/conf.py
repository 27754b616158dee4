"""How Sphinx builds the docs: the pages here, the API from its docstrings, the gallery from `examples/`."""

from __future__ import annotations

import os
import sys
import warnings
from datetime import date
from pathlib import Path
from typing import Any

# As in the tests; the gallery's scripts are imported below, before any of them can say so itself.
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
os.environ.setdefault("MPLBACKEND", "Agg")

from docutils import nodes
from sphinx.addnodes import pending_xref
from sphinx.application import Sphinx

import vizcnn

# What a script warns of stands on its page, without the place of this machine's files.
warnings.formatwarning = lambda message, category, *_place, **_line: f"{category.__name__}: {message}\n"

sys.path.insert(0, str(Path(__file__).parent))  # for saved_pictures

project = "vizcnn"
author = "The vizcnn developers"
copyright = f"{date.today().year}, {author}"
version = release = vizcnn.__version__

extensions = [
    "myst_parser",
    "numpydoc",
    "sphinx.ext.autodoc",
    "sphinx.ext.autosummary",
    "sphinx_gallery.gen_gallery",
]
exclude_patterns = ["_build", "gallery/*.ipynb"]
templates_path = ["_templates"]
html_static_path = ["_static"]
html_css_files = ["vizcnn.css"]
html_theme = "pydata_sphinx_theme"
html_title = "vizcnn"
html_show_sourcelink = False
html_theme_options: dict[str, Any] = {
    "show_prev_next": False,
    "navigation_with_keys": False,
    "footer_end": [],
    "secondary_sidebar_items": {
        "**": ["page-toc"],
        **{
            page: []
            for page in ("which_method", "metrics", "planted_evidence", "compared", "models", "benchmarks", "golden")
        },  # wide tables
    },
}
# No section navigation on pages without sections.
_ALONE = (
    "index",
    "getting_started",
    "explorer",
    "which_method",
    "metrics",
    "planted_evidence",
    "compared",
    "glossary",
    "benchmarks",
    "golden",
    "models",
    "architecture",
    "changelog",
)
html_sidebars: dict[str, list[str]] = {page: [] for page in _ALONE}

autodoc_typehints = "none"  # the docstrings say more: shapes, units, defaults
autosummary_generate = True
autosummary_ignore_module_all = False
numpydoc_show_class_members = False
myst_heading_anchors = 3
myst_enable_extensions = ["deflist"]


sphinx_gallery_conf = {
    "examples_dirs": ["../examples"],
    "gallery_dirs": ["gallery"],
    "filename_pattern": r"plot_",
    "ignore_pattern": r"^(?!plot_)",  # what the scripts share
    "within_subsection_order": "FileNameSortKey",
    "image_scrapers": ("saved_pictures",),
    "capture_repr": (),
    "abort_on_example_error": True,
    "doc_module": ("vizcnn",),
    "backreferences_dir": "generated/used_in",
    "reference_url": {"vizcnn": None},
    "remove_config_comments": True,
    "show_memory": False,
    "min_reported_time": 1e9,
    "write_computation_times": False,
    "show_signature": False,
}


def _no_citations_in_tables(app: Sphinx, doctree: nodes.document) -> None:
    """Take the marks of papers out of the summaries that the API's tables quote: the papers stand on the pages behind them."""
    if app.env.docname == "api":
        for mark in list(
            doctree.findall(
                lambda node: node.get("refdomain") == "citation" if isinstance(node, pending_xref) else False
            )
        ):
            before = mark.parent[mark.parent.index(mark) - 1]
            mark.parent.replace(before, nodes.Text(before.astext().rstrip()))
            mark.parent.remove(mark)


def setup(app: Sphinx) -> None:
    """Connect it."""
    app.connect("doctree-read", _no_citations_in_tables)
