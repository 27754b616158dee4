"""Pictures of one size side by side, as pixels and on one Axes: kernels, feature maps, maximized images."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, BinaryIO

import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import Normalize
from matplotlib.patches import Rectangle

from vizcnn.render.canvas import check_axes, new_figure, save
from vizcnn.render.image import limits
from vizcnn.render.lettering import set_title, write_text
from vizcnn.render.style import default_cmap
from vizcnn.text import short

_LABEL = 30
"""Letters that a picture's label may have."""


def montage(
    pictures: np.ndarray | Sequence[np.ndarray],
    *,
    columns: int | None = None,
    gap: int = 2,
    blank: float | None = None,
) -> np.ndarray:
    """Put pictures of one size side by side, in rows.

    Parameters
    ----------
    pictures : ndarray, shape (n, H, W) or (n, H, W, C)
        The pictures; or a sequence of them.
    columns : int, default None
        Pictures in a row; None: about as many as there are rows.
    gap : int, default 2
        Pixels between them.
    blank : float, default None
        What stands between them, and where the last row ends early; None: white in uint8, NaN in real numbers.

    Returns
    -------
    ndarray, shape (rows * (H + gap) - gap, columns * (W + gap) - gap[, C])
        Of the pictures' dtype.

    Examples
    --------
    >>> import numpy as np
    >>> from vizcnn.render.montage import montage
    >>> montage([np.zeros((8, 8, 3), np.uint8)] * 5, columns=3).shape
    (18, 28, 3)
    """
    pictures = np.asarray(pictures)
    if blank is None:
        blank = 255 if pictures.dtype == np.uint8 else np.nan
    columns = columns or int(np.ceil(np.sqrt(len(pictures))))
    rows = -(-len(pictures) // columns)
    height, width = pictures.shape[1:3]
    shape = (rows * (height + gap) - gap, columns * (width + gap) - gap, *pictures.shape[3:])
    whole = np.full(shape, blank, pictures.dtype)
    for index, picture in enumerate(pictures):
        top, left = (index // columns) * (height + gap), (index % columns) * (width + gap)
        whole[top : top + height, left : left + width] = picture
    return whole


def columns_for(count: int, aspect: float = 1.0) -> int:
    """Return how many pictures go in a row, so that the montage is somewhat wider than high; `aspect` is a picture's."""
    return max(1, min(count, int(np.ceil(np.sqrt(1.6 * count / aspect)))))


def draw_montage(
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
    pictures : ndarray, shape (n, h, w), or (n, h, w, 3) for color
        Values; colors are 0..1.
    signed : bool
        Whether the sign means something: then the scale is centered on zero.
    columns : int, default None
        Pictures in a row; None: so that the montage is somewhat wider than high.
    labels : sequence of str, default ()
        Written at the pictures' upper left corners.
    title : str, default ""
        Above the montage.
    cmap : str, default None
        Color map; None: that of `vizcnn.render.style`, for signed montages or the others.
    vmin, vmax : float, default None
        Ends of the scale; None: found.
    colorbar : bool, default True
        Draw a color bar, where the pictures are no colors themselves.

    Returns
    -------
    Axes
        The one given.
    """
    height, width = pictures.shape[1:3]
    gap = max(1, round(min(height, width) / 16))
    columns = columns or columns_for(len(pictures), width / height)
    pixels = montage(pictures, columns=columns, gap=gap)
    if pixels.ndim == 3:
        artist = axis.imshow(np.where(np.isnan(pixels), 1.0, pixels), interpolation="nearest")
    else:
        low, high = limits(pictures, signed=signed, percentile=100, vmin=vmin, vmax=vmax)
        colors = cmap or default_cmap(signed=signed, montage=True)
        artist = axis.imshow(
            np.ma.masked_invalid(pixels), cmap=colors, norm=Normalize(low, high), interpolation="nearest"
        )
        if colorbar:
            axis.figure.colorbar(artist, ax=axis, fraction=0.03, pad=0.02).ax.tick_params(labelsize=7)
    for index in range(len(pictures) if pixels.ndim == 3 else 0):
        corner = (index % columns) * (width + gap) - 0.5, (index // columns) * (height + gap) - 0.5
        axis.add_patch(Rectangle(corner, width, height, fill=False, edgecolor="0.7", linewidth=0.4, clip_on=False))
    for index, label in enumerate(labels):
        left, top = (index % columns) * (width + gap), (index // columns) * (height + gap)
        style = {"facecolor": "white", "alpha": 0.7, "pad": 0.8, "linewidth": 0}
        write_text(axis, left - 0.4, top - 0.4, short(label, _LABEL), fontsize=5.5, va="top", ha="left", bbox=style)
    axis.set_axis_off()
    if title:
        set_title(axis, title)
    return axis


def to_rgb(images: np.ndarray) -> np.ndarray:
    """Return (n, H, W, 3) of images with one, three or other numbers of channels; of the others their mean."""
    if images.shape[-1] not in (1, 3):
        images = images.mean(axis=-1, keepdims=True)
    return np.broadcast_to(images, (*images.shape[:3], 3))


@contextmanager
def on_axes(ax: Any = None, count: int = 1) -> Iterator[list[Axes]]:
    """Yield the Axes that were given, or new ones of pyplot's, one above the other, whose figure then fits what was drawn.

    Parameters
    ----------
    ax : Axes or sequence of Axes, default None
        What was given.
    count : int, default 1
        How many there must be.

    Yields
    ------
    list of Axes

    Raises
    ------
    OptionError
        If others were given.
    """
    if ax is not None:
        yield check_axes(ax, count, "montage")
        return
    axes = _new_axes(count, pyplot=True)
    yield axes
    _fit(axes)


def write(plot: Callable[..., Any], file: BinaryIO, suffix: str, count: int = 1, **style: Any) -> None:
    """Draw on new Axes that pyplot doesn't know, and write the figure."""
    axes = _new_axes(count, pyplot=False)
    plot(axes, **style)
    _fit(axes)
    save(axes[0].figure, file, suffix)  # type: ignore[arg-type]


def _new_axes(count: int, *, pyplot: bool) -> list[Axes]:
    return list(new_figure(pyplot=pyplot).subplots(count, 1, squeeze=False).ravel())


def _fit(axes: Sequence[Axes]) -> None:
    """Give the figure the height that its montages need at its width, and each of them its share."""
    shapes = [axis.images[0].get_size() for axis in axes]
    widest = max(width / height for height, width in shapes)
    inches = [min(_WIDTH * height / width, _HIGHEST) + _TITLE for height, width in shapes]
    figure = axes[0].get_figure(root=True)
    grid = axes[0].get_gridspec()
    if figure is None or grid is None:
        raise RuntimeError("new Axes have no figure")
    # Where all montages are high and narrow, the figure needn't be wide.
    wide = max(_NARROWEST, min(1.0, widest * _HIGHEST / _WIDTH) * (_WIDTH + _BAR))
    figure.set_size_inches(wide, sum(inches))
    grid.set_height_ratios(inches)


_WIDTH, _HIGHEST, _NARROWEST = 6.4, 8.0, 3.0
"""Inches: how wide a montage is, how high one may be, and how wide a figure is at least."""

_TITLE, _BAR = 0.35, 0.6
"""Inches that a title takes above a montage, and a color bar beside it."""
