"""Attributions on matplotlib Axes: maps over their images, and several methods side by side."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any, BinaryIO

import numpy as np
from matplotlib.axes import Axes
from matplotlib.cm import ScalarMappable
from matplotlib.colors import Normalize
from matplotlib.ticker import MaxNLocator, ScalarFormatter

from vizcnn.errors import OptionError
from vizcnn.render.image import limits, opacity, to_display
from vizcnn.render.lettering import set_title
from vizcnn.render.panels import (
    aspect_at,
    bare,
    chosen,
    given_axes,
    grayscale,
    new_grid,
    new_panels,
    sharpness,
    shown,
    write,
)
from vizcnn.render.shapes import draw_signal, is_signal, is_volume, say_slices, sheet
from vizcnn.render.style import ALPHA, PERCENTILE, default_cmap
from vizcnn.resample import resize

if TYPE_CHECKING:
    from vizcnn.explanation import Explanation
    from vizcnn.results import Attributions


NOTEBOOK = 12
"""Images, or rows of images, that a notebook shows of a result."""


def plot_attributions(
    result: Attributions,
    ax: Any = None,
    *,
    index: int | None = None,
    overlay: bool = True,
    cmap: str | None = None,
    vmin: float | None = None,
    vmax: float | None = None,
    percentile: float = PERCENTILE,
    alpha: float = ALPHA,
    colorbar: bool = True,
    title: bool = True,
) -> Any:
    """Draw maps over their images; see `vizcnn.results.Attributions.plot`.

    Parameters
    ----------
    result : Attributions
        What to draw.
    ax : Axes or sequence of Axes, default None
        Where to draw; None: a new pyplot figure.
    index : int, default None
        Draw this image alone.
    overlay : bool, default True
        Lay the map over the image; False: the map alone.
    cmap : str, default None
        Colour map; None: that of `vizcnn.render.style`, for signed maps or the others.
    vmin, vmax : float, default None
        Ends of the colour scale; None: found per image, centred on zero for signed maps.
    percentile : float, default 99.0
        Percentile of the magnitudes, 0 to 100, that the scale ends at.
    alpha : float, default 0.7
        Highest opacity of the map, 0 to 1.
    colorbar : bool, default True
        Draw a colour bar.
    title : bool, default True
        Write the predicted and the explained class above the image.

    Returns
    -------
    Axes or ndarray of Axes
        What was drawn on.
    """
    _check_style(percentile, alpha, vmin, vmax)
    indices = chosen(index, len(result))
    axes = new_panels(result, indices, pyplot=True) if ax is None else given_axes(ax, len(indices), "image")
    for axis, i in zip(axes, indices, strict=True):
        _draw_result(
            axis,
            result,
            i,
            shown(result.images, i, sharpness(axis)),
            overlay=overlay,
            cmap=cmap,
            vmin=vmin,
            vmax=vmax,
            percentile=percentile,
            alpha=alpha,
            colorbar=colorbar,
        )
        if title:
            set_title(axis, result.title(i))
    return axes[0] if len(axes) == 1 else np.array(axes)


def _draw_result(
    axis: Axes,
    result: Attributions,
    i: int,
    sample: np.ndarray,
    *,
    overlay: bool = True,
    cmap: str | None = None,
    vmin: float | None = None,
    vmax: float | None = None,
    percentile: float = PERCENTILE,
    alpha: float = ALPHA,
    colorbar: bool = True,
) -> None:
    """Draw the map of one image over it."""
    _check_style(percentile, alpha, vmin, vmax)
    values = result.values[i]
    values = values.sum(axis=-1) if values.ndim == sample.ndim and not result.alone else values
    low, high = limits(values, signed=result.signed, percentile=percentile, vmin=vmin, vmax=vmax)
    colours = cmap or default_cmap(signed=result.signed)
    if result.alone:
        _draw_alone(axis, values, cmap=colours, norm=Normalize(low, high), colorbar=colorbar)
    else:
        _draw_map(
            axis,
            sample,
            values,
            overlay=overlay,
            cmap=colours,
            norm=Normalize(low, high),
            alpha=alpha,
            colorbar=colorbar,
        )


def plot_explanation(
    explanation: Explanation, axes: Any = None, *, index: int | None = None, title: bool = True, **style: Any
) -> np.ndarray:
    """Draw a row per image: the image, then each method's map over it.

    Parameters
    ----------
    explanation : Explanation
        What to draw.
    axes : sequence of Axes, default None
        One per panel, rows * (methods + 1) of them; None: a new pyplot figure.
    index : int, default None
        Draw the row of this image alone.
    title : bool, default True
        Write the classes above each image and the methods above the columns.
    **style
        As `plot_attributions` takes them.

    Returns
    -------
    ndarray of Axes, shape (images, methods + 1)
    """
    results = explanation.results
    first = next(iter(results.values()))
    indices = chosen(index, len(first))
    shape = (len(indices), len(results) + 1)
    if axes is None:
        grid = new_grid([aspect_at(first.images, i) for i in indices], shape[1], pyplot=True)
    else:
        grid = np.array(given_axes(axes, shape[0] * shape[1], "panel"), dtype=object).reshape(shape)
    for row, i in zip(grid, indices, strict=True):
        sample = shown(first.images, i, max(sharpness(axis) for axis in row))
        _draw_sample(row[0], sample)
        for axis, result in zip(row[1:], results.values(), strict=True):
            _draw_result(axis, result, i, sample, **style)
        if title:
            set_title(row[0], first.title(i))
    if title:
        for axis, (name, result) in zip(grid[0, 1:], results.items(), strict=True):
            set_title(axis, f"{name}\n{result.layer}" if result.layer else name)
    return grid


def save_attributions(
    result: Attributions, file: BinaryIO, suffix: str, *, limit: int | None = None, **style: Any
) -> None:
    """Write what `plot_attributions` draws, on a figure that pyplot doesn't know.

    Parameters
    ----------
    result : Attributions
        What to draw.
    file : binary file
        Where to.
    suffix : str
        Kind of the picture, as ``.png``.
    limit : int, default None
        Draw no more than so many images.
    **style
        As `plot_attributions` takes them.
    """
    shown = _first(result, limit)
    axes = new_panels(shown, chosen(style.get("index"), len(shown)), pyplot=False)
    plot_attributions(shown, axes, **style)
    write(axes[0], file, suffix, len(shown), len(result))


def save_explanation(
    explanation: Explanation, file: BinaryIO, suffix: str, *, limit: int | None = None, **style: Any
) -> None:
    """Write what `plot_explanation` draws, on a figure that pyplot doesn't know.

    Parameters
    ----------
    explanation : Explanation
        What to draw.
    file : binary file
        Where to.
    suffix : str
        Kind of the picture, as ``.png``.
    limit : int, default None
        Draw no more than so many rows.
    **style
        As `plot_explanation` takes them.
    """
    count = len(next(iter(explanation.results.values())))
    shown = replace(explanation, results={name: _first(r, limit) for name, r in explanation.results.items()})
    first = next(iter(shown.results.values()))
    aspects = [aspect_at(first.images, i) for i in chosen(style.get("index"), len(first))]
    grid = new_grid(aspects, len(shown.results) + 1, pyplot=False)
    plot_explanation(shown, grid, **style)
    write(grid[0, 0], file, suffix, len(first), count)


def _first(result: Attributions, limit: int | None) -> Attributions:
    if limit is None or len(result) <= limit:
        return result
    return replace(result, values=result.values[:limit], images=[shown(result.images, i) for i in range(limit)])


def _check_style(percentile: float, alpha: float, vmin: float | None, vmax: float | None) -> None:
    if not 0 < percentile <= 100:
        raise OptionError(f"`percentile` must be above 0 and at most 100; got {percentile!r}.")
    if not 0 <= alpha <= 1:
        raise OptionError(f"`alpha` must be from 0 to 1; got {alpha!r}.")
    if vmin is not None and vmax is not None and vmin >= vmax:
        raise OptionError(f"`vmin` must be below `vmax`; got {vmin!r} and {vmax!r}.")


def _draw_sample(axis: Axes, sample: np.ndarray) -> None:
    """Draw an image, a signal or a volume as it is."""
    if is_signal(sample):
        draw_signal(axis, sample)
        return
    axis.imshow(to_display(sheet(sample) if is_volume(sample) else sample))
    bare(axis)
    if is_volume(sample):
        say_slices(axis, len(sample))


def _draw_alone(axis: Axes, values: np.ndarray, *, cmap: str, norm: Normalize, colorbar: bool) -> None:
    """Draw a map that lies nowhere in its image, by axes of its own."""
    if values.ndim == 1:
        draw_signal(axis, None, values)
        axis.set_xlabel("position in the layer", fontsize=7)
        return
    drawn = axis.imshow(sheet(values) if values.ndim == 3 else values, cmap=cmap, norm=norm, interpolation="nearest")
    if values.ndim == 3:
        bare(axis)
        say_slices(axis, len(values))
    else:
        axis.set_xlabel("axis 2 of the layer", fontsize=7)
        axis.set_ylabel("axis 1 of the layer", fontsize=7)
        axis.tick_params(labelsize=7, length=2)
        axis.xaxis.set_major_locator(MaxNLocator(5, integer=True))
        axis.yaxis.set_major_locator(MaxNLocator(5, integer=True))
    if colorbar:
        _add_colorbar(axis, ScalarMappable(norm=drawn.norm, cmap=drawn.cmap))


def _draw_map(
    axis: Axes,
    image: np.ndarray,
    values: np.ndarray,
    *,
    overlay: bool,
    cmap: str,
    norm: Normalize,
    alpha: float,
    colorbar: bool,
) -> None:
    if is_signal(image):
        draw_signal(axis, image if overlay else None, values, cmap=cmap, norm=norm, alpha=alpha)
        if colorbar and overlay:
            _add_colorbar(axis, ScalarMappable(norm=norm, cmap=cmap))
        return
    weight: Any = None
    if is_volume(image):
        say_slices(axis, len(image))
        image, values = sheet(image), sheet(values)
    if overlay:
        pixels = to_display(image)
        values = resize(values, pixels.shape[:2]) if values.shape != pixels.shape[:2] else values
        axis.imshow(grayscale(image), cmap="gray", vmin=0, vmax=255)
        weight = opacity(values, vmin=float(norm.vmin or 0), vmax=float(norm.vmax or 0), alpha=alpha)
    drawn = axis.imshow(values, cmap=cmap, norm=norm, alpha=weight)
    bare(axis)
    if colorbar:
        _add_colorbar(axis, ScalarMappable(norm=drawn.norm, cmap=drawn.cmap))


def _add_colorbar(axis: Axes, mappable: ScalarMappable) -> None:
    """Draw a colour bar of the image's own height, without the opacity, which a colour bar can't show."""
    bar = axis.figure.colorbar(mappable, cax=axis.inset_axes((1.03, 0, 0.05, 1)), ticks=MaxNLocator(5))
    bar.formatter = ScalarFormatter(useMathText=True)
    bar.formatter.set_powerlimits((-2, 4))
    bar.update_ticks()
    bar.ax.tick_params(labelsize=7, length=2)
    offset = bar.ax.yaxis.get_offset_text()
    offset.set(size=7, ha="left")
