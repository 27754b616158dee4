"""Maps over their images on matplotlib Axes: one after another, or several methods side by side."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any, BinaryIO

import numpy as np
from matplotlib.axes import Axes
from matplotlib.cm import ScalarMappable
from matplotlib.colors import Normalize
from matplotlib.patches import Rectangle
from matplotlib.patheffects import withStroke
from matplotlib.ticker import MaxNLocator, ScalarFormatter

from vizcnn.render.canvas import check_axes, hide_ticks, one_or_all, save
from vizcnn.render.image import limits, opacity, to_display
from vizcnn.render.lettering import set_footnote, set_title
from vizcnn.render.panels import LONGEST, Panel, grayscale, new_grid, new_panels, new_strips, say_how_many, sharpness
from vizcnn.render.signals import draw_signal, is_signal, is_volume, label_slices, lay_out_slices
from vizcnn.render.style import OUTLINE, MapStyle, default_cmap
from vizcnn.resample import resize


def plot_maps(panels: Sequence[Panel], ax: Any = None, *, title: bool = True, **style: Any) -> Any:
    """Draw maps over their images.

    Parameters
    ----------
    panels : sequence of Panel
        What to draw.
    ax : Axes or sequence of Axes, default None
        Where to draw, one each; None: a new pyplot figure.
    title : bool, default True
        Write the panels' titles above them.
    **style
        Fields of `vizcnn.render.style.MapStyle`.

    Returns
    -------
    Axes or ndarray of Axes
        What was drawn on.
    """
    look = MapStyle(**style)
    axes = _axes(panels, pyplot=True) if ax is None else check_axes(ax, len(panels), "image", _ONE)
    for axis, panel in zip(axes, panels, strict=True):
        _draw(axis, panel, panel.pixels(sharpness(axis, panel)), look)
        if title:
            set_title(axis, panel.heading)
            set_footnote(axis, panel.footnote)
    return one_or_all(axes)


_ONE = "With `index` one image is drawn on one Axes."


def save_maps(panels: Sequence[Panel], file: BinaryIO, suffix: str, *, count: int | None = None, **style: Any) -> None:
    """Write what `plot_maps` draws, on a figure that pyplot doesn't know.

    Parameters
    ----------
    panels : sequence of Panel
        What to draw.
    file : binary file
        Where to.
    suffix : str
        Kind of the picture, as ``.png``.
    count : int, default None
        How many images there are, where only the first are drawn.
    **style
        As `plot_maps` takes them.
    """
    axes = _axes(panels, pyplot=False)
    plot_maps(panels, axes, **style)
    say_how_many(axes[0].figure, len(panels), count or 0)
    save(axes[0].figure, file, suffix, longest=LONGEST)  # type: ignore[arg-type]


def _axes(panels: Sequence[Panel], *, pyplot: bool) -> list[Axes]:
    new = new_strips if any(panel.is_video for panel in panels) else new_panels
    return new([panel.aspect for panel in panels], pyplot=pyplot)


def plot_grid(rows: Sequence[Sequence[Panel]], ax: Any = None, *, title: bool = True, **style: Any) -> np.ndarray:
    """Draw rows of panels, each of them on one and the same image.

    Parameters
    ----------
    rows : sequence of sequences of Panel
        What to draw; the image of the first panel in a row is that of all.
    ax : sequence of Axes, default None
        One per panel; None: a new pyplot figure.
    title : bool, default True
        Write the panels' titles above them.
    **style
        As `plot_maps` takes them.

    Returns
    -------
    ndarray of Axes, shape (rows, panels in a row)
    """
    look = MapStyle(**style)
    shape = (len(rows), len(rows[0]))
    if ax is None:
        grid = _grid(rows, pyplot=True)
    else:
        grid = np.array(check_axes(ax, shape[0] * shape[1], "panel", _ONE), dtype=object).reshape(shape)
    for axes, row in zip(grid, rows, strict=True):
        sample = row[0].pixels(max(sharpness(axis, row[0]) for axis in axes))
        for axis, panel in zip(axes, row, strict=True):
            _draw(axis, panel, sample, look)
            if title and panel.heading:
                set_title(axis, panel.heading)
            if title:
                set_footnote(axis, panel.footnote)
    return grid


def save_grid(
    rows: Sequence[Sequence[Panel]], file: BinaryIO, suffix: str, *, count: int | None = None, **style: Any
) -> None:
    """Write what `plot_grid` draws, on a figure that pyplot doesn't know.

    Parameters
    ----------
    rows : sequence of sequences of Panel
        What to draw.
    file : binary file
        Where to.
    suffix : str
        Kind of the picture, as ``.png``.
    count : int, default None
        How many images there are, where only the first are drawn.
    **style
        As `plot_grid` takes them.
    """
    grid = _grid(rows, pyplot=False)
    plot_grid(rows, grid, **style)
    say_how_many(grid[0, 0].figure, len(rows), count or 0)
    save(grid[0, 0].figure, file, suffix, longest=LONGEST)


def _grid(rows: Sequence[Sequence[Panel]], *, pyplot: bool) -> np.ndarray:
    if rows[0][0].is_video:
        axes = np.array(_axes([panel for row in rows for panel in row], pyplot=pyplot), dtype=object)
        return axes.reshape(len(rows), len(rows[0]))
    return new_grid([row[0].aspect for row in rows], len(rows[0]), pyplot=pyplot)


def _draw(axis: Axes, panel: Panel, sample: np.ndarray | None, look: MapStyle) -> None:
    """Draw one panel, with its image as it was read."""
    if panel.values is None:
        if sample is not None:
            _draw_sample(axis, sample, strip=panel.is_video)
            _outline(axis, panel.boxes)
        return
    low, high = limits(panel.values, signed=panel.signed, percentile=look.percentile, vmin=look.vmin, vmax=look.vmax)
    look = replace(look, cmap=look.cmap or default_cmap(signed=panel.signed))
    norm = Normalize(low, high)
    if panel.image is None or sample is None:
        _draw_alone(axis, panel.values, norm, look, strip=panel.is_video)
    elif is_signal(sample):
        _draw_over_signal(axis, sample, panel.values, norm, look)
    else:
        _draw_over_image(axis, sample, panel.values, norm, look, strip=panel.is_video)
        _outline(axis, panel.boxes)


def _draw_sample(axis: Axes, sample: np.ndarray, *, strip: bool) -> None:
    """Draw an image, a signal or a volume as it is."""
    if is_signal(sample):
        draw_signal(axis, sample)
        return
    axis.imshow(to_display(lay_out_slices(sample, strip=strip) if is_volume(sample) else sample))
    hide_ticks(axis)
    if is_volume(sample):
        label_slices(axis, len(sample), strip=strip)


def _draw_alone(axis: Axes, values: np.ndarray, norm: Normalize, look: MapStyle, *, strip: bool) -> None:
    """Draw a map that lies nowhere in its image, by axes of its own."""
    if values.ndim == 1:
        draw_signal(axis, None, values)
        axis.set_xlabel("position in the layer", fontsize=7)
        return
    laid = lay_out_slices(values, strip=strip) if values.ndim == 3 else values
    artist = axis.imshow(laid, cmap=look.cmap, norm=norm, interpolation="nearest")
    if values.ndim == 3:
        hide_ticks(axis)
        label_slices(axis, len(values), strip=strip)
    else:
        axis.set_xlabel("axis 2 of the layer", fontsize=7)
        axis.set_ylabel("axis 1 of the layer", fontsize=7)
        axis.tick_params(labelsize=7, length=2)
        axis.xaxis.set_major_locator(MaxNLocator(5, integer=True))
        axis.yaxis.set_major_locator(MaxNLocator(5, integer=True))
    if look.colorbar:
        _add_colorbar(axis, ScalarMappable(norm=artist.norm, cmap=artist.cmap), strip=strip)


def _draw_over_signal(axis: Axes, signal: np.ndarray, values: np.ndarray, norm: Normalize, look: MapStyle) -> None:
    lines = signal if look.overlay else None
    draw_signal(axis, lines, values, cmap=str(look.cmap), norm=norm, alpha=look.alpha)
    if look.colorbar and look.overlay:
        _add_colorbar(axis, ScalarMappable(norm=norm, cmap=look.cmap))


def _draw_over_image(
    axis: Axes, image: np.ndarray, values: np.ndarray, norm: Normalize, look: MapStyle, *, strip: bool
) -> None:
    weight: Any = None
    if is_volume(image):
        label_slices(axis, len(image), strip=strip)
        frame = (image.shape[1], image.shape[2])
        image = lay_out_slices(image, strip=strip)
        values = lay_out_slices(values, frame if look.overlay else None, strip=strip)
    if look.overlay:
        pixels = to_display(image)
        values = resize(values, pixels.shape[:2]) if values.shape != pixels.shape[:2] else values
        axis.imshow(grayscale(image), cmap="gray", vmin=0, vmax=255)
        weight = opacity(values, vmin=float(norm.vmin or 0), vmax=float(norm.vmax or 0), alpha=look.alpha)
    artist = axis.imshow(values, cmap=look.cmap, norm=norm, alpha=weight)
    hide_ticks(axis)
    if look.colorbar:
        _add_colorbar(axis, ScalarMappable(norm=artist.norm, cmap=artist.cmap), strip=strip)


def _outline(axis: Axes, boxes: Sequence[Sequence[float]]) -> None:
    """Draw the edges of boxes, which are shares of the image, so that they are seen on dark and on bright."""
    for left, top, right, bottom in boxes:
        height, width = axis.images[-1].get_size()
        corner = (left * width - 0.5, top * height - 0.5)
        edges = Rectangle(
            corner, (right - left) * width, (bottom - top) * height, fill=False, edgecolor=OUTLINE, linewidth=1.2
        )
        edges.set_path_effects([withStroke(linewidth=2.6, foreground="black")])
        axis.add_patch(edges)


def _add_colorbar(axis: Axes, mappable: ScalarMappable, *, strip: bool = False) -> None:
    """Draw a color bar of the image's own height, without the opacity, which a color bar can't show."""
    place = (1.01, 0, 0.012, 1) if strip else (1.03, 0, 0.05, 1)
    bar = axis.figure.colorbar(mappable, cax=axis.inset_axes(place), ticks=MaxNLocator(5))
    bar.formatter = ScalarFormatter(useMathText=True)
    bar.formatter.set_powerlimits((-2, 4))
    bar.update_ticks()
    bar.ax.tick_params(labelsize=7, length=2)
    offset = bar.ax.yaxis.get_offset_text()
    offset.set(size=7, ha="left")
