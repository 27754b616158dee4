"""Results on matplotlib Axes; the only module that imports pyplot."""

from __future__ import annotations

import io
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.colors import Normalize
from matplotlib.figure import Figure

from vizcnn.errors import OptionError
from vizcnn.render.image import DIVERGING, SEQUENTIAL, limits, opacity, resize, to_display

if TYPE_CHECKING:
    from vizcnn.explanation import Explanation
    from vizcnn.results import Attributions

DPI = 150
"""Dots per inch of what `save` writes."""

_PANEL = (3.2, 3.4)
_GRAY = np.array([0.299, 0.587, 0.114])


def plot_attributions(
    result: Attributions,
    ax: Any = None,
    *,
    index: int | None = None,
    overlay: bool = True,
    cmap: str | None = None,
    vmin: float | None = None,
    vmax: float | None = None,
    percentile: float = 99.0,
    alpha: float = 0.7,
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
        Colour map; None: "RdBu_r" for signed maps, "inferno" for the others.
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
    if not 0 < percentile <= 100:
        raise OptionError(f"`percentile` must be above 0 and at most 100; got {percentile!r}.")
    if not 0 <= alpha <= 1:
        raise OptionError(f"`alpha` must be from 0 to 1; got {alpha!r}.")
    if index is not None and not -len(result) <= index < len(result):
        raise OptionError(f"`index` must name one of {len(result)} images; got {index!r}.")
    chosen = range(len(result)) if index is None else [index % len(result)]
    axes = _axes(ax, (1, len(chosen)), "image")
    for axis, i in zip(axes, chosen, strict=True):
        values = result.values[i] if result.values[i].ndim == 2 else result.values[i].sum(axis=-1)
        low, high = limits(values, signed=result.signed, percentile=percentile, vmin=vmin, vmax=vmax)
        _draw_map(
            axis,
            result.images[i] if overlay else None,
            values,
            cmap=cmap or (DIVERGING if result.signed else SEQUENTIAL),
            norm=Normalize(low, high),
            alpha=alpha,
            colorbar=colorbar,
        )
        if title:
            axis.set_title(result.title(i), fontsize=9)
    return axes[0] if len(axes) == 1 else np.array(axes)


def plot_explanation(explanation: Explanation, axes: Any = None, **style: Any) -> np.ndarray:
    """Draw a row per image: the image, then each method's map over it.

    Parameters
    ----------
    explanation : Explanation
        What to draw.
    axes : sequence of Axes, default None
        One per panel, rows * (methods + 1) of them; None: a new pyplot figure.
    **style
        As `plot_attributions` takes them.

    Returns
    -------
    ndarray of Axes, shape (images, methods + 1)
    """
    results = list(explanation.results.values())
    shape = (len(results[0]), len(results) + 1)
    grid = np.array(_axes(axes, shape, "panel"), dtype=object).reshape(shape)
    for i, row in enumerate(grid):
        image = to_display(results[0].images[i])
        _show_image(row[0], image)
        row[0].set_title(results[0].title(i), fontsize=9)
        for axis, (name, result) in zip(row[1:], explanation.results.items(), strict=True):
            plot_attributions(result, axis, index=i, title=False, **style)
            if i == 0:
                axis.set_title(f"{name}\n{result.layer}" if result.layer else name, fontsize=9)
    return grid


def save(plot: Callable[..., Any], file: io.BytesIO, suffix: str, *, shape: tuple[int, int], **style: Any) -> None:
    """Draw on a figure that pyplot doesn't know, and write it."""
    figure = _figure(shape)
    axes = figure.subplots(*shape, squeeze=False).ravel()
    plot(list(axes) if len(axes) > 1 else axes[0], **style)
    figure.savefig(file, format=suffix.lstrip(".").lower(), dpi=DPI)


def png(plot: Callable[..., Any], *, shape: tuple[int, int], **style: Any) -> bytes:
    """Return what `save` writes as PNG."""
    buffer = io.BytesIO()
    save(plot, buffer, ".png", shape=shape, **style)
    return buffer.getvalue()


def _figure(shape: tuple[int, int]) -> Figure:
    figure = Figure(figsize=_size(shape), layout="constrained")
    FigureCanvasAgg(figure)
    return figure


def _size(shape: tuple[int, int]) -> tuple[float, float]:
    rows, columns = shape
    return _PANEL[0] * columns, _PANEL[1] * rows


def _axes(ax: Any, shape: tuple[int, int], what: str) -> list[Axes]:
    count = shape[0] * shape[1]
    if ax is None:
        import matplotlib.pyplot as plt

        _, grid = plt.subplots(*shape, figsize=_size(shape), squeeze=False, layout="constrained")
        return list(grid.ravel())
    given = [ax] if isinstance(ax, Axes) else list(np.ravel(np.array(ax, dtype=object)))
    if len(given) != count or not all(isinstance(axis, Axes) for axis in given):
        raise OptionError(
            f"`ax` must be one Axes per {what}, {count} in all; got {_counted(given)}. With `index` one image is drawn on one "
            f"Axes."
        )
    return given


def _counted(given: Sequence[Any]) -> str:
    return f"{len(given)} Axes" if all(isinstance(axis, Axes) for axis in given) else repr(given)


def _draw_map(
    axis: Axes,
    image: np.ndarray | None,
    values: np.ndarray,
    *,
    cmap: str,
    norm: Normalize,
    alpha: float,
    colorbar: bool,
) -> None:
    weight: Any = None
    if image is not None:
        pixels = to_display(image)
        values = resize(values, pixels.shape[:2]) if values.shape != pixels.shape[:2] else values
        axis.imshow(np.rint(pixels @ _GRAY).astype(np.uint8), cmap="gray", vmin=0, vmax=255)
        weight = opacity(values, vmin=float(norm.vmin or 0), vmax=float(norm.vmax or 0), alpha=alpha)
    drawn = axis.imshow(values, cmap=cmap, norm=norm, alpha=weight)
    _bare(axis)
    if colorbar:
        bar = axis.figure.colorbar(_mappable(drawn), ax=axis, fraction=0.046, pad=0.03)
        bar.ax.tick_params(labelsize=7)


def _mappable(drawn: Any) -> Any:
    """Return the image's colours without its opacity, which a colour bar can't show."""
    from matplotlib.cm import ScalarMappable

    return ScalarMappable(norm=drawn.norm, cmap=drawn.cmap)


def _show_image(axis: Axes, image: np.ndarray) -> None:
    axis.imshow(image)
    _bare(axis)


def _bare(axis: Axes) -> None:
    axis.set_xticks([])
    axis.set_yticks([])
