"""The pieces of many images that excite the channels of a layer most."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any, ClassVar

import numpy as np

from vizcnn.adapter.reach import Reach
from vizcnn.errors import Note, OptionError
from vizcnn.render.keywords import takes_style
from vizcnn.results.base import Context
from vizcnn.results.checks import Shapes
from vizcnn.results.montage import MontageResult

MOST_CHANNELS = 64
"""Channels that are kept of a layer with more, where none are named."""


@dataclass(frozen=True, eq=False)
class PatchBatch:
    """What the top_patches plugin returns for one batch: each image's highest value of each channel, and where it is.

    Attributes
    ----------
    layer : str
        The layer's path.
    values : ndarray of float32, shape (N, K)
        The highest values.
    places : ndarray of int, shape (N, K)
        Their cells, numbered row by row.
    grid : tuple of int
        Rows and columns; () of a layer without a map.
    """

    layer: str
    values: np.ndarray
    places: np.ndarray
    grid: tuple[int, ...]

    @classmethod
    def collect(cls, parts: Iterable[tuple[slice, np.ndarray, PatchBatch]], context: Context) -> TopPatches:
        """Keep the highest of all batches, and cut what they see out of their images."""
        asked, spread = context.options["channels"], int(context.options["spread"])
        best, all_images = _Best(int(context.options["num_patches"])), _All(spread, int(context.options["seed"]))
        for part, _, batch in parts:
            columns = _named(asked, batch.values.shape[1], batch.layer)
            best.add(np.arange(len(context.images))[part], batch.values[:, columns], batch.places[:, columns])
            all_images.add(batch.values[:, columns], batch.places[:, columns])
        kept = _highest(best.values) if asked is None else np.arange(best.values.shape[1])
        channels = kept if asked is None else columns
        notes = _notes(
            channels, best.values[:, kept], batch.values.shape[1] - len(kept) if asked is None else 0, batch.layer
        )
        ranks, images, values, places = (
            np.concatenate([of_best.T[kept], drawn], axis=1)
            for of_best, drawn in zip(best.rows(), all_images.drawn(kept, channels), strict=True)
        )
        shape = context.images.sample_shape
        reach = context.model.reach(batch.layer, shape) if batch.grid else None
        boxes = _boxes(places, batch.grid, reach, shape[:-1])
        return TopPatches(
            patches=_cut(context, images, boxes),
            values=values,
            images=images,
            boxes=boxes,
            ranks=ranks,
            images_seen=len(context.images),
            channels=tuple(int(channel) for channel in channels),
            names=tuple(tuple(context.images.names[image] for image in row) for row in images),
            layer=batch.layer,
            model=context.model.name,
            notes=(*context.images.notes, *notes),
            options={**context.options, "layer": batch.layer},
        )


class _Best:
    """The highest values of each channel over all images so far, the highest first; rows (k, K)."""

    def __init__(self, count: int) -> None:
        self._count = count
        self.values = np.empty((0, 0), np.float32)
        self.images = self.places = np.empty((0, 0), np.int64)

    def add(self, images: np.ndarray, values: np.ndarray, places: np.ndarray) -> None:
        of_image = np.broadcast_to(images[:, None], values.shape)
        if len(self.values):
            values, of_image, places = (
                np.concatenate(pair) for pair in ((self.values, values), (self.images, of_image), (self.places, places))
            )
        order = np.argsort(-values, axis=0, kind="stable")[: self._count]  # of equals the earlier image comes first
        self.values, self.images, self.places = (
            np.take_along_axis(rows, order, axis=0) for rows in (values, of_image, places)
        )

    def rows(self) -> tuple[np.ndarray, ...]:
        """Return ranks, images, values and places."""
        ranks = np.broadcast_to(np.arange(len(self.values))[:, None], self.values.shape)
        return ranks, self.images, self.values, self.places


class _All:
    """The highest value of each channel on every image, and its place, of which images are drawn over the whole range."""

    def __init__(self, count: int, seed: int) -> None:
        self._count, self._seed = count, seed
        self._values: list[np.ndarray] = []
        self._places: list[np.ndarray] = []

    def add(self, values: np.ndarray, places: np.ndarray) -> None:
        if self._count:
            self._values.append(values)
            self._places.append(places.astype(np.int32))

    def drawn(self, kept: np.ndarray, channels: np.ndarray) -> tuple[np.ndarray, ...]:
        """Return ranks, images, values and places (K, spread): of each part of the images, ordered by value, one by chance."""
        if not self._count:
            return tuple(np.empty((len(kept), 0), kind) for kind in (np.int64, np.int64, np.float32, np.int64))
        values, places = (np.concatenate(rows)[:, kept].T for rows in (self._values, self._places))
        edges = np.linspace(0, values.shape[1], min(self._count, values.shape[1]) + 1).astype(np.int64)
        # Of each channel by itself, so that it doesn't matter which others are asked for.
        ranks = np.stack(
            [np.random.default_rng((self._seed, int(channel))).integers(edges[:-1], edges[1:]) for channel in channels]
        )
        images = np.take_along_axis(np.argsort(-values, axis=1, kind="stable"), ranks, axis=1)
        found = (np.take_along_axis(rows, images, axis=1) for rows in (values, places))
        return (ranks, images, *found)


def _named(asked: Any, count: int, layer: str) -> np.ndarray:
    """Return the channels that are asked for, of so many; None asks for all."""
    if asked is None:
        return np.arange(count)
    channels = np.atleast_1d(np.asarray(asked))
    if (
        channels.dtype.kind not in "iu"
        or channels.ndim != 1
        or not len(channels)
        or not ((channels >= 0) & (channels < count)).all()
    ):
        raise OptionError(f"`channels` must be indices from 0 to {count - 1} of layer {layer!r}; got {asked!r}.")
    return channels


def _highest(values: np.ndarray) -> np.ndarray:
    return np.sort(np.argsort(-values[0], kind="stable")[:MOST_CHANNELS])


def _notes(channels: np.ndarray, values: np.ndarray, left_out: int, layer: str) -> tuple[Note, ...]:
    """Return what is to be said of channels with these highest values (k, K)."""
    notes = []
    if left_out:
        text = (
            f"Of the {len(channels) + left_out} channels of layer {layer!r} the {MOST_CHANNELS} with the highest values are "
            f"kept; `channels` names others."
        )
        notes.append(Note(text, "left out"))
    dead = [
        str(channel)
        for channel, column in zip(channels, values.T, strict=True)
        if column[0] <= 0 and np.ptp(column) == 0
    ]
    if dead:
        which = f"Channel{'s' * (len(dead) > 1)} {', '.join(dead)} of layer {layer!r}"
        notes.append(
            Note(f"{which} never rose above zero on these images, so the patches say nothing of them.", "dead")
        )
    return tuple(notes)


def _boxes(places: np.ndarray, grid: tuple[int, ...], reach: Reach | None, size: tuple[int, ...]) -> np.ndarray:
    """Return what the cells see, (K, k, 2, 2): the first and the one behind the last of rows, and of columns."""
    if reach is None:
        return np.broadcast_to(np.array([(0, length) for length in size]), (*places.shape, 2, 2)).copy()
    cells = np.unravel_index(places, grid)
    axes = zip(cells, reach.low, reach.high, strict=True)
    return np.stack([np.stack([low[at], high[at] + 1], axis=-1) for at, low, high in axes], axis=-2).astype(np.int64)


def _cut(context: Context, images: np.ndarray, boxes: np.ndarray) -> np.ndarray:
    """Return the patches (K, k, h, w, C) as uint8, smaller ones at the side that the image's edge has left them, on gray."""
    shape = context.images.sample_shape
    height, width = (int((boxes[..., axis, 1] - boxes[..., axis, 0]).max()) for axis in (0, 1))
    patches = np.full((*images.shape, height, width, shape[-1]), 127, np.uint8)
    row = np.empty(shape, np.float32)
    for image in np.unique(images):
        context.images.read(int(image), row)
        pixels = _as_bytes(row, context.images.float_range_of(int(image)))
        for channel, rank in np.argwhere(images == image):
            (top, bottom), (left, right) = boxes[channel, rank]
            down = height - (bottom - top) if top == 0 else 0
            across = width - (right - left) if left == 0 else 0
            patch = pixels[top:bottom, left:right]
            patches[channel, rank, down : down + bottom - top, across : across + right - left] = patch
    return patches


def _as_bytes(image: np.ndarray, ends: tuple[float, float] | None) -> np.ndarray:
    """Return an image as it is shown; one of floats from the lowest to the highest of its values."""
    if ends is not None:
        image = (image - ends[0]) * (255 / (ends[1] - ends[0] or 1.0))
    return np.clip(np.round(image), 0, 255).astype(np.uint8)


@dataclass(frozen=True, eq=False)
class TopPatches(MontageResult):
    """The pieces of images that excite each channel of a layer most, each of another image.

    Behind them, where they were asked for, stand pieces that were drawn over the channel's whole range.

    Attributes
    ----------
    patches : ndarray of uint8, shape (K, k, h, w, C)
        What the cell with the highest value sees of each image, at the model's size: the `num_patches` most exciting, the most
        exciting first; then the `spread` that were drawn, in the same order. What lies beyond the image's edge is gray.
    values : ndarray of float32, shape (K, k)
        The channel's value there.
    images : ndarray of int, shape (K, k)
        Which image.
    boxes : ndarray of int, shape (K, k, 2, 2)
        Where the patch lies in it, at the model's size: ``[[top, bottom], [left, right]]``.
    ranks : ndarray of int, shape (K, k)
        The place of that image among all, by the channel's highest value: 0 for the first, `images_seen` - 1 for the last.
    images_seen : int
        How many images were looked at.
    channels : tuple of int
        Which channels.
    names : tuple of tuple of str
        The names of the images.
    layer, model : str
        Where they come from.
    method : str
        "top_patches".
    options : dict
        The method's options.
    notes : tuple of Note
        What the reader should know.

    Examples
    --------
    >>> import vizcnn as vz
    >>> found = vz.top_patches(vz.assets.digits_cnn(), vz.assets.digits(), "conv2", channels=[3, 5], num_patches=4)
    >>> found.patches.shape, found.names[0][0]
    ((2, 4, 8, 8, 1), 'digit_4.png')
    """

    patches: np.ndarray
    values: np.ndarray
    images: np.ndarray
    boxes: np.ndarray
    ranks: np.ndarray
    images_seen: int
    channels: tuple[int, ...]
    names: tuple[tuple[str, ...], ...]
    layer: str
    model: str
    method: str = "top_patches"
    options: dict[str, Any] = field(default_factory=dict)
    notes: tuple[Note, ...] = ()

    kind: ClassVar[str] = "top patches"

    def __len__(self) -> int:
        return len(self.channels)

    def __repr__(self) -> str:
        return f"<TopPatches of layer {self.layer!r} of {self.model!r}: {self.patches.shape[1]} of each of {len(self)} channels>"

    def _check(self) -> None:
        shapes = Shapes()
        shapes.check("patches", self.patches, "K", "k", None, None, None, kinds="u")
        shapes.check("values", self.values, "K", "k")
        shapes.check("images", self.images, "K", "k", kinds="iu")
        shapes.check("ranks", self.ranks, "K", "k", kinds="iu")
        shapes.check("boxes", self.boxes, "K", "k", 2, 2, kinds="iu")
        shapes.count("channels", self.channels, "K")
        shapes.count("names", self.names, "K")

    @takes_style("columns")
    def plot(self, ax: Any = None, *, channels: Any = None, **style: Any) -> Any:
        """Draw the patches, a row for each channel, with its number at the first and the highest value of each.

        At those that were drawn over the whole range also stands the share of the images that excite the channel less.

        Parameters
        ----------
        ax : Axes, default None
            Where to; None: a new figure.
        channels : sequence of int, default None
            Which of `channels`; None: the first 16.
        **style
            `columns` of `vizcnn.render.montage.draw_montage`: patches in a row, all of a channel where it isn't given.

        Returns
        -------
        Axes
            What was drawn on.

        Raises
        ------
        OptionError
            If one of the channels isn't there.

        Examples
        --------
        >>> import vizcnn as vz
        >>> found = vz.top_patches(vz.assets.digits_cnn(), vz.assets.digits(), "conv2", channels=[3, 5])
        >>> found.plot(channels=5).get_title().startswith("conv2: patches that excite 1 of 2")
        True
        """
        from vizcnn.render import montage

        wanted = self.channels[:_SHOWN] if channels is None else tuple(np.atleast_1d(channels).tolist())
        if not wanted or not set(wanted) <= set(self.channels):
            raise OptionError(f"`channels` must be some of {', '.join(map(str, self.channels))}; got {channels!r}.")
        rows = [self.channels.index(channel) for channel in wanted]
        count = self.patches.shape[1]
        labels = [self._label(row, at) for row in rows for at in range(count)]
        shown = f"{len(rows)} of {len(self)} channels" if len(rows) < len(self) else f"{len(self)} channels"
        pictures = self.patches[rows].reshape(-1, *self.patches.shape[2:])
        with montage.on_axes(ax) as axes:
            montage.draw_montage(
                axes[0],
                montage.to_rgb(pictures / np.float32(255)),
                signed=False,
                labels=labels,
                columns=style.get("columns") or count,
                title=f"{self.layer}: patches that excite {shown}",
            )
        return axes[0]

    def _label(self, row: int, at: int) -> str:
        value = f"{self.values[row, at]:.3g}"
        if at == 0:
            return f"{self.channels[row]}: {value}"
        if at < self.values.shape[1] - min(self.options.get("spread", 0), self.images_seen):
            return value
        return f"{value} (above {1 - self.ranks[row, at] / max(1, self.images_seen - 1):.0%})"


_SHOWN = 16
"""Channels that are drawn where none are named."""
