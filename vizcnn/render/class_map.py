"""Maps of classes: what a model predicts while a part of the image is hidden."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, BinaryIO

import matplotlib as mpl
import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import to_rgb
from matplotlib.patches import Patch

from vizcnn.render.canvas import check_axes, hide_ticks, one_or_all, save
from vizcnn.render.lettering import plain_legend, set_title
from vizcnn.render.panels import LONGEST, Panel, grayscale, new_panels, sharpness
from vizcnn.render.style import check_alpha

MAX_CLASSES = 8
"""Classes that get a color of their own, the most frequent ones; the others share one."""

_UNCHANGED, _OTHERS = "0.92", "0.35"
_LEGEND = 0.19
"""Inches that a line of the legend takes."""


@dataclass(frozen=True, eq=False)
class ClassPanel(Panel):
    """An image and the classes over it.

    Attributes
    ----------
    values : ndarray of int, shape (rows, columns)
        The class at each position.
    names : sequence of str
        What the classes are called.
    unchanged : int
        The class that needs no color: the one predicted while nothing is hidden; -1 where there is none.
    extent : (float, float, float, float)
        Left, right, bottom and top of the positions, as shares of the image.
    """

    names: Sequence[str] = ()
    unchanged: int = -1
    extent: tuple[float, float, float, float] = (0.0, 1.0, 1.0, 0.0)

    @property
    def counts(self) -> list[tuple[int, int]]:
        """The classes with the number of their positions, the most frequent first."""
        return Counter(np.ravel(self.values).tolist()).most_common() if self.values is not None else []


def plot_class_maps(
    panels: Sequence[ClassPanel], ax: Any = None, *, alpha: float = 0.6, legend: bool = True, title: bool = True
) -> Any:
    """Draw classes over their images.

    Parameters
    ----------
    panels : sequence of ClassPanel
        What to draw.
    ax : Axes or sequence of Axes, default None
        Where to draw, one each; None: a new pyplot figure.
    alpha : float, default 0.6
        Opacity of the colors, 0 to 1.
    legend : bool, default True
        Write each class's color, name and count below the image.
    title : bool, default True
        Write the panels' titles above them.

    Returns
    -------
    Axes or ndarray of Axes
        What was drawn on.
    """
    check_alpha(alpha)
    remedy = "With `index` one image is drawn on one Axes."
    axes = _axes(panels, pyplot=True) if ax is None else check_axes(ax, len(panels), "image", remedy)
    for axis, panel in zip(axes, panels, strict=True):
        _draw(axis, panel, alpha, legend=legend)
        if title:
            set_title(axis, panel.heading)
    return one_or_all(axes)


def save_class_maps(panels: Sequence[ClassPanel], file: BinaryIO, suffix: str, **style: Any) -> None:
    """Write what `plot_class_maps` draws, on a figure that pyplot doesn't know.

    Parameters
    ----------
    panels : sequence of ClassPanel
        What to draw.
    file : binary file
        Where to.
    suffix : str
        Kind of the picture, as ``.png``.
    **style
        As `plot_class_maps` takes them.
    """
    check_alpha(style.get("alpha", 0.6))
    axes = _axes(panels, pyplot=False)
    plot_class_maps(panels, axes, **style)
    save(axes[0].figure, file, suffix, longest=LONGEST)  # type: ignore[arg-type]


def _axes(panels: Sequence[ClassPanel], *, pyplot: bool) -> list[Axes]:
    lines = max(min(len(panel.counts), MAX_CLASSES + 1) for panel in panels)
    return new_panels([panel.aspect for panel in panels], below=_LEGEND * lines + 0.1, bar=False, pyplot=pyplot)


def _draw(axis: Axes, panel: ClassPanel, alpha: float, *, legend: bool) -> None:
    image, classes, counts = panel.pixels(sharpness(axis)), panel.values, panel.counts
    if image is None or classes is None:
        raise RuntimeError("there is no map of classes")
    palette = iter(mpl.colormaps["tab10"].colors)  # type: ignore[attr-defined]
    colors = {cls: to_rgb(_UNCHANGED) if cls == panel.unchanged else next(palette) for cls, _ in counts[:MAX_CLASSES]}
    painted = np.array([colors.get(cls, to_rgb(_OTHERS)) for cls in classes.ravel()]).reshape(*classes.shape, 3)

    pixels = grayscale(image)
    height, width = pixels.shape
    axis.imshow(pixels, cmap="gray", vmin=0, vmax=255)
    # No color where the decision stays: the image shows there.
    weight = np.where(classes == panel.unchanged, 0.0, alpha)
    left, right, bottom, top = panel.extent
    extent = (left * width - 0.5, right * width - 0.5, bottom * height - 0.5, top * height - 0.5)
    axis.imshow(painted, alpha=weight, extent=extent, interpolation="nearest")
    axis.set_xlim(-0.5, width - 0.5)
    axis.set_ylim(height - 0.5, -0.5)
    hide_ticks(axis)
    if legend:
        handles = [_entry(colors[cls], _name(panel, cls), count, classes.size) for cls, count in counts[:MAX_CLASSES]]
        rest = counts[MAX_CLASSES:]
        if rest:
            handles.append(_entry(_OTHERS, f"{len(rest)} others", sum(count for _, count in rest), classes.size))
        legend_artist = axis.legend(handles=handles, loc="upper left", bbox_to_anchor=(0, -0.02), borderaxespad=0, frameon=False,
                            fontsize=7, handlelength=1.2, handleheight=0.9, labelspacing=0.3)  # fmt: skip
        plain_legend(legend_artist)


def _entry(color: Any, name: str, count: int, total: int) -> Patch:
    return Patch(facecolor=color, edgecolor="0.5", linewidth=0.5, label=f"{name}: {count} of {total}")


def _name(panel: ClassPanel, cls: int) -> str:
    label = panel.names[cls]
    short = label if len(label) <= 24 else f"{label[:23]}…"
    return f"{short} (nothing hidden)" if cls == panel.unchanged else short
