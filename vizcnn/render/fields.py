"""Boxes drawn on the frame of an image, with or without the image."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.patches import Rectangle

from vizcnn.render.image import to_display
from vizcnn.render.lettering import set_title
from vizcnn.resample import resize

_MIDDLE, _OTHERS = "#d6604d", "#4393c3"

Box = Sequence[Sequence[int]]
"""(first, behind the last) of rows, and of columns."""


def draw_fields(
    axis: Axes, size: tuple[int, int], middle: Box, others: Sequence[Box], *, image: Any = None, title: str = ""
) -> Axes:
    """Draw what some cells see.

    Parameters
    ----------
    axis : Axes
        Where to.
    size : (int, int)
        Height and width of the model's input.
    middle : box
        What the cell in the middle sees, which is drawn full.
    others : sequence of box
        What others see, which are outlined.
    image : ndarray, shape (H, W[, C]), default None
        What lies under it, stretched over the input; None: nothing.
    title : str, default ""
        Above it.

    Returns
    -------
    Axes
        The one given.
    """
    pixels = np.full((*size, 3), 244, np.uint8) if image is None else resize(to_display(np.asarray(image)), size)
    axis.imshow(pixels, cmap="gray", vmin=0, vmax=255)
    for box in others:
        axis.add_patch(_rectangle(box, fill=False, edgecolor=_OTHERS, linewidth=1.2, linestyle=(0, (3, 2))))
    axis.add_patch(_rectangle(middle, facecolor=(*_rgb(_MIDDLE), 0.25), edgecolor=_MIDDLE, linewidth=1.8))
    axis.set_xlim(-0.5, size[1] - 0.5)
    axis.set_ylim(size[0] - 0.5, -0.5)
    axis.tick_params(labelsize=7)
    if title:
        set_title(axis, title)
    return axis


def draw_intervals(
    axis: Axes, length: int, middle: Sequence[int], others: Sequence[Sequence[int]], *, title: str = ""
) -> Axes:
    """Draw what some cells of a signal see, one below the other; as `draw_fields`."""
    rows = sorted([(tuple(one), _OTHERS) for one in others] + [(tuple(middle), _MIDDLE)])
    for row, ((first, end), color) in enumerate(rows):
        axis.barh(row, end - first, left=first - 0.5, color=color, height=0.7)
    axis.set_xlim(-0.5, length - 0.5)
    axis.set_ylim(len(rows) - 0.4, -0.6)
    axis.set_yticks([])
    axis.tick_params(labelsize=7)
    if title:
        set_title(axis, title)
    return axis


def _rectangle(box: Box, **style: Any) -> Rectangle:
    (top, bottom), (left, right) = box
    return Rectangle((left - 0.5, top - 0.5), right - left, bottom - top, **style)


def _rgb(color: str) -> tuple[float, float, float]:
    return tuple(int(color[at : at + 2], 16) / 255 for at in (1, 3, 5))  # type: ignore[return-value]
