"""Results as panels: what of them is drawn."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Protocol

import numpy as np

from vizcnn.algorithms.trust import Trust
from vizcnn.errors import OptionError
from vizcnn.inputs import Geometry
from vizcnn.render.class_map import ClassPanel
from vizcnn.render.panels import ImageAt, Panel
from vizcnn.render.style import SHARPEST
from vizcnn.resample import within


class _Mapped(Protocol):
    """A result that has a map for each image."""

    @property
    def images(self) -> Sequence[np.ndarray]: ...

    @property
    def alone(self) -> bool: ...

    @property
    def is_video(self) -> bool: ...

    @property
    def signed(self) -> bool: ...

    @property
    def layer(self) -> str | None: ...

    @property
    def geometry(self) -> Sequence[Geometry]: ...

    @property
    def values(self) -> np.ndarray: ...

    @property
    def extras(self) -> Mapping[str, np.ndarray]: ...

    def __len__(self) -> int: ...

    def map(self, index: int) -> np.ndarray: ...

    def title(self, index: int) -> str: ...

    def measured(self, index: int) -> str: ...

    @property
    def trust(self) -> Sequence[Trust]: ...


def chosen(index: int | None, count: int) -> Sequence[int]:
    """Return the indices of the images that are drawn.

    Parameters
    ----------
    index : int or None
        The one that is asked for; None: all.
    count : int
        How many there are.

    Returns
    -------
    sequence of int

    Raises
    ------
    OptionError
        If there is no such image, or none at all.
    """
    if not count:
        raise OptionError("A result must hold at least one image to be drawn; this one holds none.")
    if index is None:
        return range(count)
    if not -count <= index < count:
        raise OptionError(f"`index` must name one of {count} images; got {index!r}.")
    return [index % count]


def map_panel(result: _Mapped, index: int, title: str | None = None) -> Panel:
    """Return the map of one image over it; `title` in place of the classes."""
    image = ImageAt(result.images, index)
    return Panel(
        image=None if result.alone else image,
        values=_laid(result, index, image),
        signed=result.signed,
        title=result.title(index) if title is None else title,
        caption=result.measured(index),
        footnote=result.trust[index].caption if result.trust else "",
        boxes=outlined(result, index),
        is_video=result.is_video,
    )


def _laid(result: _Mapped, index: int, image: ImageAt) -> np.ndarray:
    """Return a map as it is stretched over its image: no number where the model sees nothing of that."""
    values = result.map(index)
    if not result.geometry or result.alone:
        return values
    height, width = image.shape[-3:-1]
    size, geometry = within((height, width), SHARPEST), result.geometry[index]
    if values.ndim == 2:
        return geometry.on_picture(values, size, outside=np.nan)
    return np.stack([geometry.on_picture(frame, size, outside=np.nan) for frame in values])


def outlined(result: _Mapped, index: int) -> Sequence[Sequence[float]]:
    """Return the boxes that a target was about, as shares of the image."""
    boxes = result.extras.get("boxes")
    if boxes is None or result.alone or result.values.ndim != 3:
        return ()
    size = result.values.shape[1:]
    geometry = result.geometry[index] if result.geometry else Geometry.whole(size, size)
    corners = geometry.to_picture(boxes[index].reshape(-1, 2)[:, ::-1]) / geometry.picture
    shares: list[list[float]] = corners[:, ::-1].reshape(-1, 4).tolist()
    return shares


def map_panels(result: _Mapped, index: int | None = None, limit: int | None = None) -> list[Panel]:
    """Return the maps of all images, of one, or of the first ones."""
    return [map_panel(result, i) for i in chosen(index, len(result))[:limit]]


def grid_panels(
    results: Mapping[str, _Mapped], index: int | None = None, limit: int | None = None
) -> list[list[Panel]]:
    """Return a row for each image: the image, and the map of each method, which the first row names."""
    first = next(iter(results.values()))
    rows: list[list[Panel]] = []
    for i in chosen(index, len(first))[:limit]:
        titles = [f"{name}\n{result.layer}" if result.layer else name for name, result in results.items()]
        maps = [
            map_panel(result, i, "" if rows else title) for title, result in zip(titles, results.values(), strict=True)
        ]
        image = ImageAt(first.images, i)
        alone = Panel(image, title=first.title(i), boxes=outlined(first, i), is_video=first.is_video)
        rows.append([alone, *maps])
    return rows


def class_panels(result: Any, index: int | None = None) -> list[ClassPanel]:
    """Return the classes predicted over all images, or over one; the result must have a map of them."""
    return [
        ClassPanel(
            image=ImageAt(result.images, i),
            values=result.class_map[i],
            title=result.title(i),
            names=result.class_labels,
            # None in a result from before numbers were told from classes.
            unchanged=-1 if result.predictions[i].index is None else result.predictions[i].index,
            extent=_on_picture(
                _extent(result.options, result.class_map.shape[1:], result.values.shape[1:3]),
                result.geometry[i] if result.geometry else None,
            ),
        )
        for i in chosen(index, len(result))
    ]


def _on_picture(
    extent: tuple[float, float, float, float], geometry: Geometry | None
) -> tuple[float, float, float, float]:
    """Return shares of the input as shares of the picture."""
    if geometry is None:
        return extent
    left, right, bottom, top = extent
    corners = geometry.to_picture(np.array([[top, left], [bottom, right]]) * geometry.size) / geometry.picture
    return float(corners[0, 1]), float(corners[1, 1]), float(corners[1, 0]), float(corners[0, 0])


def _extent(
    options: Mapping[str, Any], positions: tuple[int, ...], size: tuple[int, ...]
) -> tuple[float, float, float, float]:
    """Return left, right, bottom and top, as shares of the image, so that each position is drawn at its patch's center."""
    patch, stride = options.get("patch_size"), options.get("stride")
    edges = []
    for axis in (1, 0):
        first = (patch[axis] - stride[axis]) / 2 if patch and stride else 0.0
        step = stride[axis] if stride else size[axis] / positions[axis]
        edges += [first / size[axis], (first + step * positions[axis]) / size[axis]]
    left, right, top, bottom = edges
    return left, right, bottom, top
