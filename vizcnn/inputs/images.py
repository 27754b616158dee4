"""From whatever people have (files, folders, Pillow images, arrays, tensors, datasets) to one batch of images after another.

Files stay on disk until their batch is due: a thousand photographs cost the memory of one batch. What was done to them
(resized, converted) is said in `ImageSet.notes`.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from vizcnn.errors import InputError, Note
from vizcnn.inputs.decoding import AS_KERAS, Decoding
from vizcnn.inputs.files import read_npy
from vizcnn.inputs.fit import Fit
from vizcnn.inputs.geometry import Geometry
from vizcnn.inputs.image_set import ImageSet, ImageSource, is_read_smaller
from vizcnn.inputs.pixels import MODES, SUFFIXES, Encoded, Header, measure, opened, pixels_of
from vizcnn.inputs.preprocessing import Preprocess
from vizcnn.inputs.sizes import geometry_of, own_size
from vizcnn.inputs.sources import LABELS_LEFT_OUT, Held, Sources, describe, is_finite


def load(
    images: Any,
    shape: Sequence[int | None] = (),
    *,
    preprocess: Callable[[np.ndarray], np.ndarray] | None = None,
    image_size: tuple[int, int] | None = None,
    decoding: Decoding | None = None,
) -> ImageSet:
    """Take images in any form and check them.

    Parameters
    ----------
    images : path, folder, file's bytes or open file, Pillow image, array, tensor, dataset, generator, or a list of these
        Arrays are (H, W), (H, W, C) or (N, H, W, C), and (N, H, W) for a model of one channel. A dataset is a
        `tf.data.Dataset`, a `keras.utils.PyDataset`, a PyTorch `DataLoader` or their like; its labels are left out.
    shape : (H, W, C), default ()
        What the model takes, None where open; (T, C) where that is signals (`load_arrays`), (T, H, W, C) where it is video or
        volumes (`load_clips`).
    preprocess : callable, default None
        Turns one image's pixels (H, W, C), float32, into the model's input of the same shape; or a `vizcnn.Preprocess`.
    image_size : (int, int), default None
        Height and width where the model leaves them open; None: those of the first image.
    decoding : Decoding, default None
        How files are read; None: as Keras's own loaders do.

    Returns
    -------
    ImageSet

    Raises
    ------
    InputError
        If a file isn't an image, an array has the wrong number of axes or channels, or holds NaN or infinity.

    Examples
    --------
    >>> import numpy as np, vizcnn as vz
    >>> images = vz.inputs.load([vz.assets.digits()[3], np.zeros((28, 28, 1))], (28, 28, 1))
    >>> images.names, images.sample_shape
    (('digit_3.png', 'image 1'), (28, 28, 1))
    """
    if isinstance(images, ImageSet):
        if images.serves(shape, preprocess, image_size):
            return images
        decoding = decoding or images.decoding
        images = [
            getattr(source, "source", source) for source in images.sources
        ]  # of a clip all that it was taken from
    if len(shape) == 2:
        from vizcnn.inputs.arrays import load_arrays

        if isinstance(preprocess, Preprocess) and preprocess.fit != Fit():
            raise InputError(
                f"`preprocess` {preprocess.name!r} must leave out cutting and fitting for signals: these are of pictures."
            )
        return load_arrays(images, shape, preprocess)
    if len(shape) == 4:
        from vizcnn.inputs.clips import load_clips

        return load_clips(images, shape, preprocess, image_size=image_size, decoding=decoding)
    height, width, channels = tuple(shape) if len(shape) == 3 else (None, None, None)
    decoding = decoding or AS_KERAS
    sources = Sources((height, width, channels))
    entries = [entry for item in sources.walk(images) for entry in _entries(item, sources)]
    unnamed = ["image"] if len(entries) == 1 else [f"image {position}" for position in range(len(entries))]
    image_sources = [
        _Source(name or other, item, decoding) for (name, item), other in zip(entries, unnamed, strict=True)
    ]
    if not image_sources:
        raise InputError(f"`images` must hold at least one image; got {describe(images)}.")
    channels = channels or image_sources[0].channels
    for source in image_sources:
        _check_channels(source, channels)
    set_sources: list[ImageSource] = [source.for_channels(channels) for source in image_sources]
    first = image_size or own_size(image_sources[0], preprocess, is_open=not (height and width))
    size = (height or first[0], width or first[1])
    geometry = geometry_of(image_sources, preprocess, size)
    notes = [
        *_decoding_notes(image_sources, channels, decoding),
        *_size_notes(image_sources, size, geometry, preprocess, is_fixed=bool(height and width)),
    ]
    if sources.labelled:
        notes.append(LABELS_LEFT_OUT)
    return ImageSet(
        sources=set_sources,
        size=size,
        channels=channels,
        names=tuple(source.name for source in image_sources),
        notes=tuple(notes),
        preprocess=preprocess,
        decoding=decoding,
        file_ranges={source.item: source.range for source in image_sources if source.holds_floats},
        geometry=geometry,
    )


class _Source:
    """One image before it is read: its size and channels, and what holds it."""

    def __init__(self, name: str, item: Held, decoding: Decoding) -> None:
        self.name = name
        self.item: Any = item
        self.header: Header | None = None
        self.range: Any = None
        self._decoding = decoding
        if isinstance(item, np.ndarray):
            if not is_finite(item):
                raise InputError(f"`images` must be finite; {name} holds NaN or infinity. Clean it before explaining.")
            self.size: tuple[int, int] = (item.shape[0], item.shape[1])
            self.channels: int = item.shape[2]
            return
        if isinstance(item, Image.Image):
            self._decoding = replace(decoding, page=0)  # it stands where it was left
            self.header = measure(item, self._decoding, name)
        else:
            with opened(item) as image:
                self.header = measure(image, decoding, str(item))
                if self.header.is_deep:
                    values = pixels_of(image, 1, str(item), decoding)
                    self.range = (float(values.min()), float(values.max()))
        self.size, self.channels = self.header.size, self.header.channels

    @property
    def holds_floats(self) -> bool:
        """Whether it is a file of floats."""
        return self.header is not None and self.header.mode == "F" and not isinstance(self.item, Image.Image)

    def for_channels(self, channels: int) -> Path | Encoded | np.ndarray:
        """Return what an `ImageSet` holds of it."""
        if isinstance(self.item, Image.Image):
            pixels = pixels_of(self.item, channels, self.name, self._decoding)
            self.range = (float(pixels.min()), float(pixels.max()))
            return pixels
        source: Path | Encoded | np.ndarray = self.item
        return source


_Entry = tuple[str | None, Held]


def _entries(item: Held, sources: Sources) -> Iterator[_Entry]:
    """Yield single images, each with its name, None where it has none of its own."""
    if isinstance(item, Path):
        yield from _from_path(item)
    elif isinstance(item, np.ndarray):
        yield from ((None, image) for image in _samples(item, sources))
    elif hasattr(item, "num_frames"):
        raise InputError(
            f"`images` must be images, as the model takes; {describe(getattr(item, 'name', item))} is a clip."
        )
    else:
        yield getattr(item, "name", None), item


def _from_path(path: Path) -> Iterator[_Entry]:
    for file in image_files([path]):
        if file.suffix.lower() == ".npy":
            array = read_npy(file, "`images` file")
            yield from ((file.name, image) for image in _samples(array, Sources(())))
        elif file.suffix.lower() == ".npz":
            raise InputError(
                f"`images` file {str(file)!r} is an archive of arrays. Give one: numpy.load(path)['name']."
            )
        else:
            yield file.name, file


def _samples(array: np.ndarray, sources: Sources) -> np.ndarray:
    """Return the images of an array as a batch."""
    shape = array.shape
    if array.ndim == 2:
        array = array[None, :, :, None]
    elif array.ndim == 3:
        array = array[..., None] if sources.is_batch(array) else array[None]
    if array.ndim != 4:
        raise InputError(
            f"`images` as an array must be (H, W), (H, W, C) or (N, H, W, C); got shape {shape}. A list takes images of "
            f"different sizes."
        )
    if 0 in array.shape[1:]:
        raise InputError(f"`images` must not be empty; got an array of shape {shape}.")
    return array


def _check_channels(source: _Source, channels: int) -> None:
    if source.header is None and source.channels != channels:
        raise InputError(
            f"`images` must have {channels} channel{'s' * (channels > 1)}, as the model takes; {source.name} has shape "
            f"{(*source.size, source.channels)}. {_channel_remedy(source.channels, channels)}"
        )
    if source.header is not None and channels not in MODES:
        raise InputError(f"`images` files have 1, 3 or 4 channels; the model takes {channels}. Give arrays instead.")


def _channel_remedy(have: int, want: int) -> str:
    if have == 1 and want == 3:
        return "Repeat the one channel: np.repeat(images, 3, axis=-1)."
    if have in (3, 4) and want == 1:
        return "Average the channels: images.mean(axis=-1, keepdims=True); from files vizcnn does this itself."
    if have == 4 and want == 3:
        return "Drop the fourth channel: images[..., :3]."
    return "Axes are (H, W, C) or (N, H, W, C), channels last."


def _decoding_notes(image_sources: Sequence[_Source], channels: int, decoding: Decoding) -> Iterator[Note]:
    """Say what was done to make pixels of files, and what wasn't."""
    names = [source.name for source in image_sources]

    def of(
        kind: str, test: Callable[[Header], bool], template: str, **facts: Callable[[_Source], Any]
    ) -> Iterator[Note]:
        which = [at for at, source in enumerate(image_sources) if source.header is not None and test(source.header)]
        values = {name: [fact(image_sources[at]) for at in which] for name, fact in facts.items()}
        if which:
            yield Note.about(which, names, kind, template, values, quiet=True)

    yield from of(
        "converted",
        lambda header: header.channels != channels,
        f"{{count}} converted to {channels} channel{'s' * (channels > 1)}.",
    )
    yield from of(
        "converted",
        lambda header: header.mode in _OTHER_COLORS,
        f"{{count}} converted from {{modes.listed}} to {MODES.get(channels)}.",
        modes=lambda source: source.header.mode if source.header is not None else "",
    )
    yield from of(
        "turned",
        lambda header: header.orientation > 1 and not decoding.upright,
        "{count} not turned upright as the EXIF orientation says, which Keras's loaders don't either. If the model was "
        "trained on upright photos, read them so: Decoding(upright=True).",
    )
    yield from of(
        "turned",
        lambda header: header.was_turned or (header.orientation > 1 and decoding.upright),
        "{count} turned upright, as the orientation in the file says.",
    )
    yield from of(
        "transparent",
        lambda header: header.has_alpha and channels < 4,
        f"{{count}} laid on {decoding.background} where transparent."
        if decoding.background is not None
        else "{count} read without the transparency, as Keras's loaders do: a transparent pixel has the color that is "
        "stored beneath it. To lay it on a color: Decoding(background='white').",
    )
    yield from of(
        "pages",
        lambda header: header.num_pages > 1,
        f"{{count}} with several pages or frames: page {decoding.page} is read. Another one: Decoding(page=1).",
    )
    yield from of(
        "deep",
        lambda header: header.is_cut_to_8_bits,
        "{count} with colors of 16 bits, of which the upper 8 are read: 0 to 255.",
    )
    yield from of(
        "deep",
        lambda header: header.is_deep,
        "{count} hold {kinds.listed}, {low.min:.6g} to {high.max:.6g}, which are kept as they are: `preprocess`, or the "
        "model, has to scale them.",
        kinds=lambda source: _kind(source.header),
        low=lambda source: source.range[0],
        high=lambda source: source.range[1],
    )


_OTHER_COLORS = {"CMYK", "YCbCr", "LAB", "HSV"}


def _kind(header: Header | None) -> str:
    mode = "" if header is None else header.mode
    return "floats" if mode == "F" else "32-bit numbers" if mode == "I" else "16-bit numbers"


def _size_notes(
    image_sources: Sequence[_Source],
    size: tuple[int, int],
    geometry: Sequence[Geometry],
    preprocess: Any,
    *,
    is_fixed: bool,
) -> Iterator[Note]:
    names = [source.name for source in image_sources]
    others = [at for at, source in enumerate(image_sources) if source.size != size]
    if others:
        why = "the model takes" if is_fixed else "images of one call share"
        verb = preprocess.verb(geometry[others[0]]) if geometry else "resized"
        text = f"Images of {{sizes.listed}} (height x width) were {verb} to the {size[0]}x{size[1]} that {why}."
        yield Note.about(
            others, names, "resized", text, {"sizes": [image_sources[at].size for at in others]}, quiet=True
        )
    smaller = [
        at
        for at, source in enumerate(image_sources)
        if source.header is not None and not isinstance(source.item, Image.Image) and is_read_smaller(source.size, size)
    ]
    if smaller:
        text = (
            f"{{count}} are so large that they are read at a fraction of their size, at least four times the "
            f"{size[0]}x{size[1]} that they were resized to."
        )
        yield Note.about(smaller, names, "large", text, quiet=True)


def image_files(paths: Iterable[str | os.PathLike[str]]) -> list[Path]:
    """Return the image files that paths and folders mean, in order.

    Parameters
    ----------
    paths : iterable of path
        Files, taken as they are, and folders, of which the images are taken by name (`SUFFIXES`).

    Returns
    -------
    list of Path

    Raises
    ------
    InputError
        If a folder holds no image.

    Examples
    --------
    >>> import vizcnn as vz
    >>> folder = vz.assets.digits()[0].parent
    >>> [file.name for file in vz.inputs.image_files(["cat.jpg", folder])][:3]
    ['cat.jpg', 'digit_0.png', 'digit_1.png']
    """
    return [file for path in map(Path, paths) for file in (_images_in(path) if os.path.isdir(path) else [path])]


def _images_in(folder: Path) -> list[Path]:
    try:
        files = sorted(file for file in folder.iterdir() if file.suffix.lower() in SUFFIXES)
    except OSError as error:
        raise InputError(f"`images` folder {str(folder)!r} can't be read: {error.strerror or error}.") from error
    if not files:
        raise InputError(f"`images` folder {str(folder)!r} holds no image ({', '.join(SUFFIXES)}).")
    return files
