"""Clips and volumes, (T, H, W, C): from arrays, animations, videos and folders of frames to what a model takes of them.

A clip in a file stays there until its batch is due, and is read a frame at a time; of its frames as many are taken as the model
takes, evenly spread, or in windows one after another.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from copy import copy
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from vizcnn.errors import InputError, Note
from vizcnn.inputs.chosen_frames import evenly, open_length, windows
from vizcnn.inputs.clip_files import clip_paths, pictures_in
from vizcnn.inputs.decoding import AS_KERAS, Decoding
from vizcnn.inputs.files import read_npy
from vizcnn.inputs.frames import Arrays, FrameSource, Pages, Pictures, open_frames
from vizcnn.inputs.image_set import MAX_PIXELS, ImageSet
from vizcnn.inputs.pixels import MODES, Encoded
from vizcnn.inputs.sizes import geometry_of, own_size
from vizcnn.inputs.sources import LABELS_LEFT_OUT, Held, Sources, describe, is_finite
from vizcnn.resample import resize_frames


def load_clips(
    clips: Any,
    shape: Sequence[int | None],
    preprocess: Callable[[np.ndarray], np.ndarray] | None = None,
    *,
    image_size: tuple[int, int] | None = None,
    decoding: Decoding | None = None,
) -> ImageSet:
    """Take clips or volumes in any form and check them.

    Parameters
    ----------
    clips : path, folder, file's bytes or open file, Pillow image, array, tensor, dataset, or a list of these
        Files are animations (GIF, WebP, PNG), videos, TIFF of several pages and ``.npy``. A folder of pictures is one clip, its
        frames in natural order; one of such files or of such folders holds a clip in each. Arrays are (T, H, W, C), or
        (N, T, H, W, C); that of a single channel may be missing.
    shape : (T, H, W, C)
        What the model takes, None where open; of volumes (D, H, W, C).
    preprocess : callable, default None
        Turns one clip, float32, into the model's input of the same shape.
    image_size : (int, int), default None
        Height and width where the model leaves them open; None: those of the first clip.
    decoding : Decoding, default None
        How files are read, which of their frames, and whether a long clip becomes several samples.

    Returns
    -------
    ImageSet

    Raises
    ------
    InputError
        If a file can't be read or is a still image, an array doesn't fit the model, or holds NaN or infinity.

    Examples
    --------
    >>> import numpy as np, vizcnn as vz
    >>> clips = vz.inputs.load(np.zeros((50, 30, 40, 3), np.uint8), (10, 15, 20, 3))
    >>> clips.inputs(slice(None)).shape
    (1, 10, 15, 20, 3)
    >>> clips.notes[0]
    'Of 50 frames 10 were taken, evenly spread: 0, 5, 11, 16, 22, 27, 33, 38, 44, 49.'
    >>> cut = vz.inputs.Decoding(stride=20)
    >>> vz.inputs.load(np.zeros((50, 15, 20, 3), np.uint8), (10, 15, 20, 3), decoding=cut).names
    ('image, frames 0 to 9', 'image, frames 20 to 29', 'image, frames 40 to 49')
    """
    decoding = decoding or AS_KERAS
    sources = Sources(shape)
    entries = [entry for item in sources.walk(clips) for entry in _entries(item, tuple(shape), decoding)]
    if not entries:
        raise InputError(f"`images` must hold at least one clip; got {describe(clips)}.")
    unnamed = ["image"] if len(entries) == 1 else [f"image {position}" for position in range(len(entries))]
    names = [name or other for (name, _), other in zip(entries, unnamed, strict=True)]
    items = [_Item(name, held, decoding) for name, (_, held) in zip(names, entries, strict=True)]
    channels = shape[3] or items[0].channels
    if channels not in MODES and not all(item.is_array for item in items):
        raise InputError(f"`images` files have 1, 3 or 4 channels; the model takes {channels}. Give arrays instead.")
    length = shape[0] or open_length(len(items[0].indices), decoding, is_array=items[0].is_array)
    first = image_size or own_size(items[0], preprocess, is_open=not (shape[1] and shape[2]))
    size = length, shape[1] or first[0], shape[2] or first[1]
    if decoding.stride:
        items = [window for item in items for window in item.windows(length, decoding.stride)]
        names = [item.name for item in items]
    geometry = geometry_of(items, preprocess, size[1:])
    notes = [
        *_notes(items, names, size, channels, decoding, is_open=shape[0] is None),
        *[LABELS_LEFT_OUT] * sources.labelled,
    ]
    return ImageSet(
        sources=[item.taken(length, channels) for item in items],
        size=size,
        channels=channels,
        names=tuple(names),
        notes=tuple(notes),
        preprocess=preprocess,
        decoding=decoding,
        geometry=geometry,
    )


def open_clip(clip: Any, decoding: Decoding = AS_KERAS) -> FrameSource:
    """Open one clip, to read its frames one after another.

    Parameters
    ----------
    clip : path, folder, file's bytes or open file, Pillow image, or array of shape (T, H, W, C) or (T, H, W)
        The clip.
    decoding : Decoding, default Decoding()
        How files are read, and which of their frames.

    Returns
    -------
    FrameSource

    Raises
    ------
    InputError
        If it isn't one clip, can't be read, or has no such frames.
    """
    shape = (None, None, None, None)
    entries = [entry for item in Sources(shape).walk(clip) for entry in _entries(item, shape, decoding)]
    if len(entries) != 1:
        raise InputError(f"`clip` must be one clip; got {len(entries)}.")
    name, held = entries[0]
    item = _Item(name or "clip", held, decoding)
    return Arrays(item.name, held) if isinstance(held, np.ndarray) else held


@dataclass(frozen=True, eq=False)
class Clip:
    """Frames of a clip that lies in a file or folder.

    Attributes
    ----------
    source : FrameSource
        The file or folder.
    indices : tuple of int
        Which of its frames, in order; one may come several times.
    size : (int, int)
        Height and width that they are read with.

    Examples
    --------
    >>> import vizcnn as vz
    >>> from vizcnn.inputs.frames import Pictures
    >>> clip = vz.inputs.clips.Clip(Pictures("digits", vz.assets.digits()), (1, 1, 3), (28, 28))
    >>> clip.shape(1), clip.read(1).shape
    ((3, 28, 28, 1), (3, 28, 28, 1))
    """

    source: FrameSource = field(repr=False)
    indices: tuple[int, ...]
    size: tuple[int, int]

    def __str__(self) -> str:
        return self.source.name

    def shape(self, channels: int) -> tuple[int, ...]:
        """Return the shape (T, H, W, C) of the clip, without reading it.

        Parameters
        ----------
        channels : int
            1, 3 or 4.

        Returns
        -------
        tuple of int
        """
        return (len(self.indices), *self.size, channels)

    def read(self, channels: int) -> np.ndarray:
        """Return the frames.

        Parameters
        ----------
        channels : int
            1, 3 or 4.

        Returns
        -------
        ndarray, shape (T, H, W, C)
            uint8, or the file's own numbers where they have more bits.

        Raises
        ------
        InputError
            If the file is damaged.
        """
        places = defaultdict(list)
        for place, index in enumerate(self.indices):
            places[index].append(place)
        clip = None
        for index, frame in self.source.frames(channels, places.keys()):
            pixels = resize_frames(frame[None], self.size)[0]
            clip = np.empty(self.shape(channels), pixels.dtype) if clip is None else clip
            clip[places.pop(index)] = pixels
        if clip is None or places:
            raise InputError(
                f"`images` file {self.source.name!r} is damaged: of {self.source.num_frames} frames, number "
                f"{min(places)} can't be read. Take those before it: Decoding(frames='0:{min(places)}')."
            )
        return clip


class _Item:
    """A clip or a volume before it is read: how many frames there are to take from, and what holds them."""

    def __init__(self, name: str, held: FrameSource | np.ndarray, decoding: Decoding) -> None:
        self.name, self.held = name, held
        self.is_array = isinstance(held, np.ndarray)
        if isinstance(held, np.ndarray):
            if not is_finite(held):
                raise InputError(f"`images` must be finite; {name} holds NaN or infinity. Clean it before explaining.")
            count = len(held)
            self.size: tuple[int, int] = (held.shape[1], held.shape[2])
            self.channels: int = held.shape[3]
        else:
            count, self.size, self.channels = held.num_frames, held.size, held.channels
            if count < 2:
                raise InputError(
                    f"`images` must be clips, and {name!r} is a still image. Give an animation (GIF), a video, a "
                    f"folder of frames in order, or an array."
                )
        self.whole: int | None = None  # frames of the clip that this is a window of
        self.indices = decoding.frames_of(count)
        if not self.indices:
            raise InputError(
                f"`frames` {decoding.frames!r} must name some of the {count} frames of {name}; it names none."
            )

    def windows(self, length: int, stride: int) -> Iterator[_Item]:
        """Yield the clip in windows of a length; itself where it is no longer."""
        for window in windows(len(self.indices), length, stride):
            part = copy(self)
            part.indices = self.indices[window.start : window.stop]
            if len(window) < len(self.indices):
                part.whole = len(self.indices)
                part.name = f"{self.name}, frames {part.indices[0]} to {part.indices[-1]}"
            yield part

    def chosen(self, length: int) -> tuple[int, ...]:
        """Return the indices of as many frames, evenly spread."""
        return tuple(self.indices[place] for place in evenly(len(self.indices), length))

    def taken(self, length: int, channels: int) -> Clip | np.ndarray:
        """Return what an `ImageSet` holds of it."""
        chosen = self.chosen(length)
        if isinstance(self.held, np.ndarray):
            step = self.indices.step
            each = chosen == tuple(self.indices) and step > 0  # a view of the array, and no copy
            return self.held[chosen[0] : chosen[-1] + 1 : step] if each else self.held[list(chosen)]
        clip = Clip(self.held, chosen, self.size_of(length))
        # Somebody else's image may be closed, or stand elsewhere, by the time that its batch is due.
        return clip.read(channels) if isinstance(self.held, Pages) and self.held.is_open else clip

    def size_of(self, length: int) -> tuple[int, int]:
        """Return height and width that frames are read with: fewer than they have, where all would not fit in the memory."""
        if isinstance(self.held, np.ndarray):
            return self.size
        factor = int(np.ceil(np.sqrt(length * self.size[0] * self.size[1] / MAX_PIXELS)))
        return max(1, self.size[0] // max(1, factor)), max(1, self.size[1] // max(1, factor))


_Entry = tuple[str | None, FrameSource | np.ndarray]


def _entries(item: Held, shape: tuple[int | None, ...], decoding: Decoding) -> Iterator[_Entry]:
    """Yield single clips, each with its name, None where it has none of its own."""
    if isinstance(item, Path):
        for path in clip_paths([item]):
            yield from _from_path(path, shape, decoding)
    elif isinstance(item, np.ndarray):
        yield from ((None, clip) for clip in _samples(item, shape))
    elif isinstance(item, Encoded):
        yield item.name, open_frames(item, decoding)
    elif isinstance(item, Image.Image):
        yield None, Pages(_kept(item), decoding)
    else:
        yield item.name, item


def _kept(image: Image.Image) -> Image.Image:
    if getattr(image, "n_frames", 1) < 2:
        raise InputError(
            f"`images` must be clips, and {describe(image)} is a still image. Give the frames of a clip as one array: "
            f"numpy.stack(frames)."
        )
    return image


def _from_path(path: Path, shape: tuple[int | None, ...], decoding: Decoding) -> Iterator[_Entry]:
    if path.is_dir():
        yield path.name, Pictures(path.name, pictures_in(path), decoding)
    elif path.suffix.lower() == ".npy":
        yield from ((path.name, clip) for clip in _samples(read_npy(path, "`images` file"), shape))
    else:
        yield path.name, open_frames(path, decoding)


def _samples(array: np.ndarray, shape: tuple[int | None, ...]) -> np.ndarray:
    """Return the clips of an array as a batch: one or several, perhaps without the axis of a single channel."""
    forms = [array[None], array]
    if shape[3] in (1, None):
        forms += [array[None, ..., None], array[..., None]]
    forms = [form for form in forms if form.ndim == 5 and shape[3] in (None, form.shape[4]) and form.size]
    # What the model takes as it is comes before what has to be sampled and resized.
    exact = (form for form in forms if all(a in (None, b) for a, b in zip(shape, form.shape[1:], strict=True)))
    chosen = next(exact, None)
    if chosen is None and forms:
        chosen = forms[0]
    if chosen is None:
        expected = f"({', '.join('any' if size is None else str(size) for size in shape)})"
        raise InputError(
            f"`images` must have the shape of the model's input, frames or slices, height, width and channels, {expected}, or "
            f"be a batch of such; got shape {array.shape}."
        )
    return chosen


def _notes(
    items: Sequence[_Item],
    names: Sequence[str],
    size: tuple[int, int, int],
    channels: int,
    decoding: Decoding,
    *,
    is_open: bool,
) -> Iterator[Note]:
    """Say which frames were taken, and what was done to them."""
    length, frame = size[0], size[1:]

    def of(kind: str, which: Sequence[int], template: str, **facts: Callable[[int], Any]) -> Iterator[Note]:
        if which:
            values = {name: [fact(at) for at in which] for name, fact in facts.items()}
            yield Note.about(which, names, kind, template, values, quiet=True)

    counts = [len(item.indices) for item in items]
    more = [at for at, count in enumerate(counts) if count > length]
    which = _in_words(items[more[0]].chosen(length)) if len({counts[at] for at in more}) == 1 else ""
    how = "" if not is_open else " (the model takes any number; others: Decoding(frames='0:100'))"
    yield from of(
        "frames",
        more,
        f"Of {{counts.listed}} frames {length} were taken, evenly spread{which}{how}.",
        counts=counts.__getitem__,
    )
    cut = [at for at, item in enumerate(items) if item.whole is not None]
    text = (
        f"Clips of {{counts.listed}} frames were cut into windows of {length}, {decoding.stride} from one to the next."
    )
    yield from of("frames", cut, text, counts=lambda at: items[at].whole)
    fewer = [at for at, count in enumerate(counts) if count < length]
    text = f"Clips of {{counts.listed}} frames were brought to the {length} that the model takes: some are shown again."
    yield from of("frames", fewer, text, counts=counts.__getitem__)
    others = [at for at, item in enumerate(items) if item.size != frame]
    text = f"Frames of {{sizes.listed}} (height x width) were resized to {frame[0]}x{frame[1]}."
    yield from of("resized", others, text, sizes=lambda at: items[at].size)
    smaller = [at for at, item in enumerate(items) if item.size_of(length) != item.size]
    text = "{count} have so large frames that these are read at {sizes.listed}."
    yield from of("large", smaller, text, sizes=lambda at: items[at].size_of(length))
    converted = [at for at, item in enumerate(items) if item.channels != channels]
    yield from of("converted", converted, f"{{count}} converted to {channels} channel{'s' * (channels > 1)}.")


def _in_words(indices: Sequence[int]) -> str:
    if len(indices) > 12:
        return f": {', '.join(map(str, indices[:3]))} ... {indices[-1]}"
    return f": {', '.join(map(str, indices))}"
