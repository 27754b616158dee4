"""Groups of images on matplotlib figures: for each a map over what its images have in common, the images, and a text."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, BinaryIO

import numpy as np

from vizcnn.render.canvas import check_axes, hide_ticks, new_figure, save
from vizcnn.render.lettering import PLAIN
from vizcnn.render.maps import plot_maps
from vizcnn.render.montage import draw_montage, to_rgb
from vizcnn.render.panels import LONGEST, Panel
from vizcnn.text import printable

_MAP, _BAR, _IMAGES, _LINE, _GAP = 1.9, 0.75, 6.4, 0.17, 0.3
"""Inches: the width of a map, of its bar, of the images beside it, the height of a line of text, and the gap below a group."""

_LETTERS, _COLUMNS = 112, 8


@dataclass(frozen=True, eq=False)
class Drawn:
    """A group, as it is drawn.

    Attributes
    ----------
    panel : Panel
        Its map.
    images : ndarray of uint8, shape (n, H, W, C)
        Some of its images.
    text : str
        What is said of it.
    """

    panel: Panel
    images: np.ndarray
    text: str

    @property
    def lines(self) -> str:
        """The text, in lines that fit."""
        text = printable(self.text).replace(" %", "\N{NO-BREAK SPACE}%")
        return "\n".join(part for line in text.splitlines() for part in textwrap.wrap(line, _LETTERS))


def plot_groups(groups: Sequence[Drawn], ax: Any = None, *, title: bool = True) -> np.ndarray:
    """Draw groups, one below the other.

    Parameters
    ----------
    groups : sequence of Drawn
        What to draw.
    ax : sequence of Axes, default None
        Two for each group; None: a new pyplot figure.
    title : bool, default True
        Write what is said of each above it.

    Returns
    -------
    ndarray of Axes, shape (groups, 2)
    """
    axes = _new_axes(groups, pyplot=True) if ax is None else check_axes(ax, 2 * len(groups), "map and for its images")
    grid = np.array(axes, dtype=object).reshape(-1, 2)
    for (left, right), group in zip(grid, groups, strict=True):
        plot_maps([group.panel], left, title=False)
        if title:
            left.set_title(group.lines, loc="left", fontsize=8.5, **PLAIN)
        if len(group.images):
            draw_montage(right, to_rgb(group.images) / np.float32(255), signed=False, columns=_COLUMNS)
        else:
            hide_ticks(right)
            right.set_axis_off()
    return grid


def save_groups(groups: Sequence[Drawn], file: BinaryIO, suffix: str, **style: Any) -> None:
    """Write what `plot_groups` draws, on a figure that pyplot doesn't know.

    Parameters
    ----------
    groups : sequence of Drawn
        What to draw.
    file : binary file
        Where to.
    suffix : str
        Kind of the picture, as ``.png``.
    **style
        As `plot_groups` takes them.
    """
    axes = _new_axes(groups, pyplot=False)
    plot_groups(groups, axes, **style)
    save(axes[0].figure, file, suffix, longest=LONGEST)


def _new_axes(groups: Sequence[Drawn], *, pyplot: bool) -> list[Any]:
    """Make two Axes for each group, of a size that its map and its images fill."""
    texts = [_LINE * (group.lines.count("\n") + 1) + _GAP / 2 for group in groups]
    maps = [_MAP * group.panel.aspect for group in groups]
    images = [_IMAGES * _ratio(group.images) for group in groups]
    heights = [text + max(pair) + _GAP for text, *pair in zip(texts, maps, images, strict=True)]
    width, height = _GAP / 2 + _MAP + _BAR + _IMAGES + _GAP / 2, sum(heights)
    figure = new_figure((width, height), pyplot=pyplot, layout=None)
    axes, below = [], height
    for text, of_map, of_images, own in zip(texts, maps, images, heights, strict=True):
        for left, wide, high in ((_GAP / 2, _MAP, of_map), (_GAP / 2 + _MAP + _BAR, _IMAGES, of_images)):
            bottom = below - text - high
            axes.append(figure.add_axes((left / width, bottom / height, wide / width, high / height)))
        below -= own
    return axes


def _ratio(images: np.ndarray) -> float:
    """Return height by width of the montage of images."""
    rows = -(-len(images) // _COLUMNS)
    return float(rows * images.shape[1] / (_COLUMNS * images.shape[2])) if rows else 0.1
