"""Maps of classes: what the model predicts while a part of the image is hidden."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Any, BinaryIO

import matplotlib as mpl
import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import to_rgb
from matplotlib.patches import Patch

from vizcnn.errors import OptionError, ResultError
from vizcnn.render.lettering import plain_legend, set_title
from vizcnn.render.panels import bare, chosen, given_axes, grayscale, new_panels, sharpness, shown, write

if TYPE_CHECKING:
    from vizcnn.results import Attributions

SHOWN = 8
"""Classes that get a colour of their own, the most frequent ones; the others share one."""

_UNCHANGED, _OTHERS = "0.92", "0.35"
_LEGEND = 0.19
"""Inches that a line of the legend takes."""


def plot_classes(
    result: Attributions,
    ax: Any = None,
    *,
    index: int | None = None,
    alpha: float = 0.6,
    legend: bool = True,
    title: bool = True,
) -> Any:
    """Draw the classes over the images; see `vizcnn.results.Attributions.plot_classes`.

    Parameters
    ----------
    result : Attributions
        What to draw.
    ax : Axes or sequence of Axes, default None
        Where to draw; None: a new pyplot figure.
    index : int, default None
        Draw this image alone.
    alpha : float, default 0.6
        Opacity of the colours, 0 to 1.
    legend : bool, default True
        Write each class's colour, name and count below the image.
    title : bool, default True
        Write the predicted and the explained class above it.

    Returns
    -------
    Axes or ndarray of Axes
        What was drawn on.
    """
    _check(result, alpha)
    indices = chosen(index, len(result))
    axes = _panels(result, index, pyplot=True) if ax is None else given_axes(ax, len(indices), "image")
    for axis, i in zip(axes, indices, strict=True):
        _draw(axis, result, i, alpha, legend=legend)
        if title:
            set_title(axis, result.title(i))
    return axes[0] if len(axes) == 1 else np.array(axes)


def save_classes(result: Attributions, file: BinaryIO, suffix: str, **style: Any) -> None:
    """Write what `plot_classes` draws, on a figure that pyplot doesn't know.

    Parameters
    ----------
    result : Attributions
        What to draw.
    file : binary file
        Where to.
    suffix : str
        Kind of the picture, as ``.png``.
    **style
        As `plot_classes` takes them.
    """
    _check(result, style.get("alpha", 0.6))
    axes = _panels(result, style.get("index"), pyplot=False)
    plot_classes(result, axes, **style)
    write(axes[0], file, suffix, len(result), len(result))


def _check(result: Attributions, alpha: float) -> None:
    if result.class_map is not None and result.class_map.ndim != 3:
        raise ResultError("Maps of classes are drawn over images; of signals and volumes `tally` counts the classes.")
    if result.class_map is None:
        raise ResultError(f"Method {result.method!r} has no map of predicted classes; occlusion has one.")
    if not 0 <= alpha <= 1:
        raise OptionError(f"`alpha` must be from 0 to 1; got {alpha!r}.")


def _panels(result: Attributions, index: int | None, *, pyplot: bool) -> list[Axes]:
    lines = max(min(len(result.tally(i)), SHOWN + 1) for i in chosen(index, len(result)))
    return new_panels(result, chosen(index, len(result)), below=_LEGEND * lines + 0.1, pyplot=pyplot)


def _draw(axis: Axes, result: Attributions, i: int, alpha: float, *, legend: bool) -> None:
    if result.class_map is None:
        raise RuntimeError("there is no map of classes")
    classes = result.class_map[i]
    counts = Counter(classes.ravel().tolist()).most_common()
    index = result.predictions[i].index
    predicted = -1 if index is None else index  # a result from before numbers were told from classes
    palette = iter(mpl.colormaps["tab10"].colors)  # type: ignore[attr-defined]
    colours = {cls: to_rgb(_UNCHANGED) if cls == predicted else next(palette) for cls, _ in counts[:SHOWN]}
    painted = np.array([colours.get(cls, to_rgb(_OTHERS)) for cls in classes.ravel()]).reshape(*classes.shape, 3)

    pixels = grayscale(shown(result.images, i, sharpness(axis)))
    axis.imshow(pixels, cmap="gray", vmin=0, vmax=255)
    # No colour where the decision stays: the image shows there.
    weight = np.where(classes == predicted, 0.0, alpha)
    axis.imshow(painted, alpha=weight, extent=_extent(result, classes.shape, pixels.shape), interpolation="nearest")
    axis.set_xlim(-0.5, pixels.shape[1] - 0.5)
    axis.set_ylim(pixels.shape[0] - 0.5, -0.5)
    bare(axis)
    if legend:
        handles = [
            _entry(colours[cls], _name(result, cls, predicted), count, classes.size) for cls, count in counts[:SHOWN]
        ]
        rest = counts[SHOWN:]
        if rest:
            handles.append(_entry(_OTHERS, f"{len(rest)} others", sum(count for _, count in rest), classes.size))
        drawn = axis.legend(handles=handles, loc="upper left", bbox_to_anchor=(0, -0.02), borderaxespad=0, frameon=False,
                            fontsize=7, handlelength=1.2, handleheight=0.9, labelspacing=0.3)  # fmt: skip
        plain_legend(drawn)


def _extent(
    result: Attributions, positions: tuple[int, ...], pixels: tuple[int, ...]
) -> tuple[float, float, float, float]:
    """Return left, right, bottom and top, in pixels of the image, so that each position is drawn at its patch's centre."""
    edges = []
    for axis in (1, 0):
        size, count = result.values.shape[1:3][axis], positions[axis]
        patch, stride = (result.options.get(name) for name in ("patch_size", "stride"))
        first, step = (
            (patch[axis] - stride[axis]) / 2 if patch and stride else 0.0,
            stride[axis] if stride else size / count,
        )
        scale = pixels[axis] / size
        edges += [first * scale - 0.5, (first + step * count) * scale - 0.5]
    left, right, top, bottom = edges
    return left, right, bottom, top


def _entry(colour: Any, name: str, count: int, total: int) -> Patch:
    return Patch(facecolor=colour, edgecolor="0.5", linewidth=0.5, label=f"{name}: {count} of {total}")


def _name(result: Attributions, cls: int, predicted: int) -> str:
    label = result.class_labels[cls]
    short = label if len(label) <= 24 else f"{label[:23]}…"
    return f"{short} (nothing hidden)" if cls == predicted else short
