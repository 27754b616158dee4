"""Figures with a panel for each image, and what all panels share."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, BinaryIO

import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from vizcnn.errors import OptionError
from vizcnn.render.image import to_display
from vizcnn.render.lettering import save
from vizcnn.render.shapes import is_signal, is_volume, sheet
from vizcnn.render.style import DPI, GRAY
from vizcnn.resample import shrink

if TYPE_CHECKING:
    from vizcnn.results import Attributions

SHARPEST = 800
"""Pixels, height or width, that an image is read with to be drawn on a panel of this size, at twice the resolution of `save`."""

_LONGEST = 8000
"""Pixels, height or width, that a picture of many panels is kept within."""

_WIDTH, _IMAGE, _TITLE = 3.2, 2.6, 0.55
"""Inches: a panel's width, its image's width beside the colour bar, and what a title takes of its height."""

_COLUMNS = 4


def new_panels(result: Attributions, indices: Sequence[int], *, below: float = 0.0, pyplot: bool) -> list[Axes]:
    """Make one Axes per image, in rows that are as high as their images and leave so many inches below."""
    drawn = result.values[..., None] if result.alone else result.images
    aspects = [aspect_at(drawn, i) + below / _IMAGE for i in indices]
    columns = min(len(aspects), max(_COLUMNS, int(np.ceil(np.sqrt(len(aspects))))))
    rows = [max(aspects[start : start + columns]) for start in range(0, len(aspects), columns)]
    axes = list(new_grid(rows, columns, pyplot=pyplot).ravel())
    for axis in axes[len(aspects) :]:
        axis.remove()
    return axes[: len(aspects)]


def new_grid(aspects: Sequence[float], columns: int, *, pyplot: bool) -> np.ndarray:
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


def given_axes(ax: Any, count: int, what: str) -> list[Axes]:
    """Return the Axes that were given as a list of `count`."""
    given = [ax] if isinstance(ax, Axes) else list(np.ravel(np.array(ax, dtype=object)))
    if len(given) != count or not all(isinstance(axis, Axes) for axis in given):
        raise OptionError(
            f"`ax` must be one Axes per {what}, {count} in all; got {_counted(given)}. With `index` one image is drawn on one "
            f"Axes."
        )
    return given


def _counted(given: Sequence[Any]) -> str:
    return f"{len(given)} Axes" if all(isinstance(axis, Axes) for axis in given) else repr(given)


def chosen(index: int | None, count: int) -> Sequence[int]:
    """Return the indices of the images that are drawn."""
    if index is None:
        return range(count)
    if not -count <= index < count:
        raise OptionError(f"`index` must name one of {count} images; got {index!r}.")
    return [index % count]


def shape_at(images: Any, index: int) -> tuple[int, ...]:
    """Return the shape of one of several images; of a file without reading its pixels."""
    shape: tuple[int, ...] = images.shape_of(index) if hasattr(images, "shape_of") else images[index].shape
    return shape


def shown(images: Any, index: int, longest: int = SHARPEST) -> np.ndarray:
    """Return one of several images with no more pixels, down and across, than are shown; a file is read no larger than that."""
    image: np.ndarray = images.preview(index, longest) if hasattr(images, "preview") else shrink(images[index], longest)
    return image


def sharpness(axis: Axes) -> int:
    """Return the pixels, down or across, that an image may be drawn with on an Axes: more where that is larger than a panel."""
    box = axis.get_window_extent()
    return max(SHARPEST, int(2 * max(box.width, box.height)))


def aspect_at(images: Any, index: int) -> float:
    """Return the aspect of one of several images, as `aspect_of` does."""
    shape = shape_at(images, index)
    return _within(shape[0] / shape[1]) if len(shape) == 3 else aspect_of(images[index])


def aspect_of(image: np.ndarray) -> float:
    """Return height by width, within what a row of panels can follow; of what is drawn of a signal or a volume."""
    if is_signal(image):
        return 0.5
    if is_volume(image):
        image = sheet(image)
    return _within(image.shape[0] / image.shape[1])


def _within(aspect: float) -> float:
    return float(np.clip(aspect, 0.25, 1.6))


def write(axis: Axes, file: BinaryIO, suffix: str, shown: int, count: int) -> None:
    """Write the figure of an Axes, and say in it where `shown` are fewer than `count` images."""
    figure = axis.figure
    if shown < count:
        figure.suptitle(f"the first {shown} of {count} images", fontsize=9)
    inches = max(figure.get_size_inches())  # type: ignore[union-attr]
    save(figure, file, suffix, min(DPI, _LONGEST / inches))  # type: ignore[arg-type]


def bare(axis: Axes) -> None:
    """Take the ticks away."""
    axis.set_xticks([])
    axis.set_yticks([])


def grayscale(image: np.ndarray) -> np.ndarray:
    """Return the brightness of an image's pixels, (H, W) of uint8."""
    gray: np.ndarray = np.rint(to_display(image) @ np.array(GRAY)).astype(np.uint8)
    return gray
