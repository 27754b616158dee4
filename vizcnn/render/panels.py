"""Panels: an image and the map over it, which is all that drawing knows of a result; and figures with a place for each."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from vizcnn.render.canvas import new_figure
from vizcnn.render.image import to_display
from vizcnn.render.signals import lay_out_slices
from vizcnn.render.style import GRAY, SHARPEST
from vizcnn.resample import shrink

LONGEST = 8000
"""Pixels, height or width, that a picture of many panels is kept within."""

_WIDTH, _IMAGE, _TITLE = 3.2, 2.6, 0.55
"""Inches: a panel's width, its image's width beside the color bar, and what a title takes of its height."""

_COLUMNS = 4

_STRIP, _LABEL = 9.6, 0.25
"""Inches: the width of a strip of frames, and what its numbers take of its height."""

_FRAMES_ACROSS = 4
"""Of a strip so many times fewer pixels are read of each frame than of an image."""


class Images(Protocol):
    """Images that lie in files, and are read no larger than they are drawn; `vizcnn.inputs.ImageSet` is one."""

    def shape_of(self, index: int) -> tuple[int, ...]:
        """Return the shape of one of them."""

    def preview(self, index: int, longest: int) -> np.ndarray:
        """Return one of them, with no more than `longest` pixels down and across."""


@dataclass(frozen=True)
class ImageAt:
    """One of several images; read when it is drawn.

    Attributes
    ----------
    images : Images or sequence of ndarray
        The images.
    index : int
        Which of them.
    """

    images: Images | Sequence[np.ndarray]
    index: int

    @property
    def shape(self) -> tuple[int, ...]:
        """Its shape; of a file without reading its pixels."""
        if hasattr(self.images, "shape_of"):
            return tuple(self.images.shape_of(self.index))
        return self.images[self.index].shape

    def pixels(self, longest: int = SHARPEST) -> np.ndarray:
        """Return it with no more than `longest` pixels, down and across."""
        if hasattr(self.images, "preview"):
            return np.asarray(self.images.preview(self.index, longest))
        return shrink(self.images[self.index], longest)


@dataclass(frozen=True, eq=False)
class Panel:
    """An image and a map over it.

    Attributes
    ----------
    image : ndarray, ImageAt, or None
        The image (H, W, C), signal (T, C) or volume (D, H, W, C), at its own resolution; None: the map lies nowhere in it,
        and is drawn with axes of its own.
    values : ndarray, default None
        The map (H, W), its channels summed; of signals (T,), of volumes (D, H, W). None: the image alone.
    signed : bool, default False
        Whether its negative values mean something.
    title : str, default ""
        Above the picture.
    caption : str, default ""
        Under the title: what else there is to say, such as numbers.
    footnote : str, default ""
        Under the picture, in small letters.
    boxes : sequence of (float, float, float, float), default ()
        Left, top, right and bottom of what is outlined, as shares of the image.
    is_video : bool, default False
        Whether four axes are a clip (T, H, W, C), which is drawn as a strip of frames, and no volume.

    Examples
    --------
    >>> import numpy as np
    >>> from vizcnn.render.panels import Panel
    >>> Panel(np.zeros((30, 20, 3)), np.ones((30, 20)), title="cat").aspect
    1.5
    """

    image: np.ndarray | ImageAt | None
    values: np.ndarray | None = None
    signed: bool = False
    title: str = ""
    caption: str = ""
    footnote: str = ""
    boxes: Sequence[Sequence[float]] = ()
    is_video: bool = False

    @property
    def heading(self) -> str:
        """What stands above the picture."""
        return "\n".join(filter(None, (self.title, self.caption)))

    @property
    def aspect(self) -> float:
        """Height by width of what is drawn, within what a row of panels can follow."""
        image = self.values[..., None] if self.image is None and self.values is not None else self.image
        return strip_ratio(image.shape) if self.is_video and image is not None else aspect_ratio(image)

    def pixels(self, longest: int = SHARPEST) -> np.ndarray | None:
        """Return the image with no more than `longest` pixels, down and across.

        Parameters
        ----------
        longest : int, default `SHARPEST`
            Pixels of its height and of its width, at the most.

        Returns
        -------
        ndarray or None
            None where the panel has no image.

        Examples
        --------
        >>> import numpy as np
        >>> from vizcnn.render.panels import Panel
        >>> Panel(np.zeros((3000, 2000, 3))).pixels(600).shape
        (600, 400, 3)
        """
        if isinstance(self.image, ImageAt):
            return self.image.pixels(longest)
        return None if self.image is None else shrink(self.image, longest)


def aspect_ratio(image: np.ndarray | ImageAt | None) -> float:
    """Return height by width, within what a row of panels can follow; of what is drawn of a signal or a volume."""
    shape = (1, 1, 1) if image is None else image.shape
    if len(shape) == 2:
        return 0.5
    if len(shape) == 4:
        shape = lay_out_slices(np.empty(shape[:3], dtype=bool)).shape
    return float(np.clip(shape[0] / shape[1], 0.25, 1.6))


def strip_ratio(shape: Sequence[int]) -> float:
    """Return height by width of the strip that is drawn of a clip (T, H, W, C)."""
    rows, columns = lay_out_slices(np.empty(shape[:3], dtype=bool), strip=True).shape
    return float(min(1.0, rows / columns))


def new_strips(aspects: Sequence[float], *, pyplot: bool) -> list[Axes]:
    """Make one Axes per aspect, below each other and as wide as several panels."""
    heights = [(_STRIP - _WIDTH + _IMAGE) * aspect + _TITLE + _LABEL for aspect in aspects]
    figure = new_figure((_STRIP, sum(heights)), pyplot=pyplot)
    return list(np.ravel(figure.subplots(len(aspects), 1, squeeze=False, height_ratios=heights)))


def new_panels(aspects: Sequence[float], *, below: float = 0.0, bar: bool = True, pyplot: bool) -> list[Axes]:
    """Make one Axes per aspect, in rows that are as high as their images, with room for a color bar and so many inches below."""
    heights = [(aspect * (_IMAGE if bar else _WIDTH) + below) / _IMAGE for aspect in aspects]
    columns = min(len(heights), max(_COLUMNS, int(np.ceil(np.sqrt(len(heights))))))
    rows = [max(heights[start : start + columns]) for start in range(0, len(heights), columns)]
    axes = list(new_grid(rows, columns, pyplot=pyplot).ravel())
    for axis in axes[len(heights) :]:
        axis.remove()
    return axes[: len(heights)]


def new_grid(aspects: Sequence[float], columns: int, *, pyplot: bool) -> np.ndarray:
    """Make a figure with one row of Axes per aspect."""
    heights = [_IMAGE * aspect + _TITLE for aspect in aspects]
    figure = new_figure((_WIDTH * columns, sum(heights)), pyplot=pyplot)
    return np.asarray(figure.subplots(len(aspects), columns, squeeze=False, height_ratios=heights))


def sharpness(axis: Axes, panel: Panel | None = None) -> int:
    """Return the pixels, down or across, that an image may be drawn with on an Axes: more where that is larger than a panel."""
    box = axis.get_window_extent()
    return max(SHARPEST, int(2 * max(box.width, box.height))) // (_FRAMES_ACROSS if panel and panel.is_video else 1)


def say_how_many(figure: Figure | Any, shown: int, count: int) -> None:
    """Write above a figure where it shows fewer than all images."""
    if shown < count:
        figure.suptitle(f"the first {shown} of {count} images", fontsize=9)


def grayscale(image: np.ndarray) -> np.ndarray:
    """Return the brightness of an image's pixels, (H, W) of uint8."""
    gray: np.ndarray = np.rint(to_display(image) @ np.array(GRAY)).astype(np.uint8)
    return gray
