"""Results on matplotlib Axes; the only module that imports pyplot."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any, BinaryIO

import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.cm import ScalarMappable
from matplotlib.colors import Normalize
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator, ScalarFormatter

from vizcnn.errors import OptionError
from vizcnn.render.image import DIVERGING, SEQUENTIAL, limits, opacity, resize, to_display

if TYPE_CHECKING:
    from vizcnn.explanation import Explanation
    from vizcnn.results import Attributions

DPI = 150
"""Dots per inch of what `save` writes."""

NOTEBOOK = 12
"""Images, or rows of images, that a notebook shows of a result."""

_LONGEST = 8000
"""Pixels, height or width, that a picture of many panels is kept within."""

_WIDTH, _IMAGE, _TITLE = 3.2, 2.6, 0.55
"""Inches: a panel's width, its image's width beside the colour bar, and what a title takes of its height."""

_COLUMNS = 4
_TITLE_LETTERS = 40
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
    _check_style(percentile, alpha, vmin, vmax)
    chosen = _chosen(index, len(result))
    axes = _new_panels(result, chosen, pyplot=True) if ax is None else _given(ax, len(chosen), "image")
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
            _set_title(axis, result.title(i))
    return axes[0] if len(axes) == 1 else np.array(axes)


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
    chosen = _chosen(index, len(first))
    shape = (len(chosen), len(results) + 1)
    if axes is None:
        grid = _new_grid([_aspect(first.images[i]) for i in chosen], shape[1], pyplot=True)
    else:
        grid = np.array(_given(axes, shape[0] * shape[1], "panel"), dtype=object).reshape(shape)
    for row, i in zip(grid, chosen, strict=True):
        row[0].imshow(to_display(first.images[i]))
        _bare(row[0])
        for axis, result in zip(row[1:], results.values(), strict=True):
            plot_attributions(result, axis, index=i, title=False, **style)
        if title:
            _set_title(row[0], first.title(i))
    if title:
        for axis, (name, result) in zip(grid[0, 1:], results.items(), strict=True):
            _set_title(axis, f"{name}\n{result.layer}" if result.layer else name)
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
    axes = _new_panels(shown, _chosen(style.get("index"), len(shown)), pyplot=False)
    plot_attributions(shown, axes, **style)
    _write(axes[0], file, suffix, len(shown), len(result))


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
    aspects = [_aspect(first.images[i]) for i in _chosen(style.get("index"), len(first))]
    grid = _new_grid(aspects, len(shown.results) + 1, pyplot=False)
    plot_explanation(shown, grid, **style)
    _write(grid[0, 0], file, suffix, len(first), count)


def _first(result: Attributions, limit: int | None) -> Attributions:
    if limit is None or len(result) <= limit:
        return result
    return replace(result, values=result.values[:limit], images=[result.images[i] for i in range(limit)])


def _write(axis: Axes, file: BinaryIO, suffix: str, shown: int, count: int) -> None:
    figure = axis.figure
    if shown < count:
        figure.suptitle(f"the first {shown} of {count} images", fontsize=9)
    inches = max(figure.get_size_inches())  # type: ignore[union-attr]
    figure.savefig(file, format=suffix.lstrip(".").lower(), dpi=min(DPI, _LONGEST / inches))  # type: ignore[union-attr]


def _chosen(index: int | None, count: int) -> Sequence[int]:
    if index is None:
        return range(count)
    if not -count <= index < count:
        raise OptionError(f"`index` must name one of {count} images; got {index!r}.")
    return [index % count]


def _check_style(percentile: float, alpha: float, vmin: float | None, vmax: float | None) -> None:
    if not 0 < percentile <= 100:
        raise OptionError(f"`percentile` must be above 0 and at most 100; got {percentile!r}.")
    if not 0 <= alpha <= 1:
        raise OptionError(f"`alpha` must be from 0 to 1; got {alpha!r}.")
    if vmin is not None and vmax is not None and vmin >= vmax:
        raise OptionError(f"`vmin` must be below `vmax`; got {vmin!r} and {vmax!r}.")


def _aspect(image: np.ndarray) -> float:
    """Return height by width, within what a row of panels can follow."""
    return float(np.clip(image.shape[0] / image.shape[1], 0.25, 1.6))


def _new_panels(result: Attributions, chosen: Sequence[int], *, pyplot: bool) -> list[Axes]:
    """Make one Axes per image, in rows that are as high as their images."""
    aspects = [_aspect(result.images[i]) for i in chosen]
    columns = min(len(aspects), max(_COLUMNS, int(np.ceil(np.sqrt(len(aspects))))))
    rows = [max(aspects[start : start + columns]) for start in range(0, len(aspects), columns)]
    axes = list(_new_grid(rows, columns, pyplot=pyplot).ravel())
    for axis in axes[len(aspects) :]:
        axis.remove()
    return axes[: len(aspects)]


def _new_grid(aspects: Sequence[float], columns: int, *, pyplot: bool) -> np.ndarray:
    """Make a figure with one row of Axes per aspect; one of pyplot's, or one that nobody has to close."""
    heights = [_IMAGE * aspect + _TITLE for aspect in aspects]
    settings: dict[str, Any] = {"figsize": (_WIDTH * columns, sum(heights)), "layout": "constrained"}
    if pyplot:
        import matplotlib.pyplot as plt

        figure = plt.figure(**settings)
    else:
        figure = Figure(**settings)
        FigureCanvasAgg(figure)
    return np.asarray(figure.subplots(len(aspects), columns, squeeze=False, height_ratios=heights))


def _given(ax: Any, count: int, what: str) -> list[Axes]:
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


def _set_title(axis: Axes, text: str) -> None:
    lines = [short for line in text.splitlines() for short in textwrap.wrap(line, _TITLE_LETTERS)]
    axis.set_title("\n".join(lines), fontsize=9)


def _bare(axis: Axes) -> None:
    axis.set_xticks([])
    axis.set_yticks([])
