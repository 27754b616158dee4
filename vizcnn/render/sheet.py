"""Sheets of many small pictures on one Axes: kernels, feature maps, maximized images."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, BinaryIO

import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.colors import Normalize
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

from vizcnn.render.image import limits

DPI = 150
"""Dots per inch of what is saved."""


def tile(pictures: np.ndarray, columns: int, gap: int = 1) -> np.ndarray:
    """Put pictures side by side, in rows, with gaps of NaN between them.

    Parameters
    ----------
    pictures : ndarray, shape (n, h, w) or (n, h, w, 3)
        The pictures.
    columns : int
        Pictures in a row.
    gap : int, default 1
        Pixels between them.

    Returns
    -------
    ndarray of float32, shape (rows * (h + gap) - gap, columns * (w + gap) - gap[, 3])
        NaN in the gaps, and where the last row ends early.
    """
    count, height, width = pictures.shape[:3]
    rows = -(-count // columns)
    sheet = np.full(
        (rows * (height + gap) - gap, columns * (width + gap) - gap, *pictures.shape[3:]), np.nan, np.float32
    )
    for index, picture in enumerate(pictures):
        top, left = (index // columns) * (height + gap), (index % columns) * (width + gap)
        sheet[top : top + height, left : left + width] = picture
    return sheet


def columns_for(count: int, aspect: float = 1.0) -> int:
    """Return how many pictures go in a row, so that the sheet is somewhat wider than high; `aspect` is a picture's."""
    return max(1, min(count, int(np.ceil(np.sqrt(1.6 * count / aspect)))))


def draw_sheet(
    axis: Axes,
    pictures: np.ndarray,
    *,
    signed: bool,
    columns: int | None = None,
    labels: Sequence[str] = (),
    title: str = "",
    cmap: str | None = None,
    vmin: float | None = None,
    vmax: float | None = None,
    colorbar: bool = True,
) -> Axes:
    """Draw pictures as one image, all on one scale.

    Parameters
    ----------
    axis : Axes
        Where to.
    pictures : ndarray, shape (n, h, w), or (n, h, w, 3) for colour
        Values; colours are 0..1.
    signed : bool
        Whether the sign means something: then the scale is centred on zero.
    columns : int, default None
        Pictures in a row; None: so that the sheet is somewhat wider than high.
    labels : sequence of str, default ()
        Written at the pictures' upper left corners.
    title : str, default ""
        Above the sheet.
    cmap : str, default None
        Colour map; None: "RdBu_r" where signed, "viridis" otherwise.
    vmin, vmax : float, default None
        Ends of the scale; None: found.
    colorbar : bool, default True
        Draw a colour bar, where the pictures are no colours themselves.

    Returns
    -------
    Axes
        The one given.
    """
    height, width = pictures.shape[1:3]
    gap = max(1, round(min(height, width) / 16))
    columns = columns or columns_for(len(pictures), width / height)
    sheet = tile(pictures, columns, gap)
    if sheet.ndim == 3:
        drawn = axis.imshow(np.where(np.isnan(sheet), 1.0, sheet), interpolation="nearest")
    else:
        low, high = limits(pictures, signed=signed, percentile=100, vmin=vmin, vmax=vmax)
        colours = cmap or ("RdBu_r" if signed else "viridis")
        drawn = axis.imshow(
            np.ma.masked_invalid(sheet), cmap=colours, norm=Normalize(low, high), interpolation="nearest"
        )
        if colorbar:
            axis.figure.colorbar(drawn, ax=axis, fraction=0.03, pad=0.02).ax.tick_params(labelsize=7)
    for index in range(len(pictures) if sheet.ndim == 3 else 0):
        corner = (index % columns) * (width + gap) - 0.5, (index // columns) * (height + gap) - 0.5
        axis.add_patch(Rectangle(corner, width, height, fill=False, edgecolor="0.7", linewidth=0.4))
    for index, label in enumerate(labels):
        left, top = (index % columns) * (width + gap), (index // columns) * (height + gap)
        style = {"facecolor": "white", "alpha": 0.7, "pad": 0.8, "linewidth": 0}
        axis.text(left - 0.4, top - 0.4, label, fontsize=5.5, va="top", ha="left", bbox=style)
    axis.set_axis_off()
    if title:
        axis.set_title(title, fontsize=9)
    return axis


def new_axes(count: int = 1, *, size: tuple[float, float] = (7.0, 4.5), pyplot: bool = True) -> list[Axes]:
    """Return Axes one above the other, on a new figure; without `pyplot` one that nobody else knows of."""
    figsize = (size[0], size[1] * count)
    if pyplot:
        import matplotlib.pyplot as plt

        figure = plt.figure(figsize=figsize, layout="constrained")
    else:
        figure = Figure(figsize=figsize, layout="constrained")
        FigureCanvasAgg(figure)
    return list(figure.subplots(count, 1, squeeze=False).ravel())


def write(plot: Callable[..., Any], file: BinaryIO, suffix: str, count: int = 1, **style: Any) -> None:
    """Draw on new Axes that pyplot doesn't know, and write the figure."""
    axes = new_axes(count, pyplot=False)
    plot(axes[0] if count == 1 else axes, **style)
    figure = axes[0].get_figure(root=True)
    if figure is None:
        raise RuntimeError("new Axes have no figure")
    figure.savefig(file, format=suffix.lstrip(".").lower(), dpi=DPI)
