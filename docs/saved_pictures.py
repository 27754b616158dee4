"""Shows on a gallery page what its script saved: the picture in the docs is the file that a user gets."""

from __future__ import annotations

from pathlib import Path
from shutil import copyfile
from typing import Any

from sphinx_gallery.scrapers import figure_rst

OUT = Path(__file__).resolve().parents[1] / "out"
PICTURES = ("*.png", "*.gif", "*/*.gif")


def _written() -> dict[Path, int]:
    return {file: file.stat().st_mtime_ns for pattern in PICTURES for file in OUT.glob(pattern)}


_seen = _written()


def scrape(_block: Any, variables: dict[str, Any], configuration: dict[str, Any]) -> str:
    """Return the markup of the pictures that a block of a script wrote, in the order in which it wrote them."""
    written = _written()
    new = sorted((file for file in written if _seen.get(file) != written[file]), key=written.__getitem__)
    _seen.update(written)
    shown = []
    # The gallery's own names end in .png; browsers know an animation by its content.
    for file, place in zip(new, variables["image_path_iterator"], strict=False):
        copyfile(file, place)
        shown.append(place)
    return figure_rst(shown, configuration["src_dir"])


def _get_sg_image_scraper() -> Any:
    return scrape
