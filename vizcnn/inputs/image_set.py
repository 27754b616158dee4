"""Images at their own resolution, and the model's inputs made of them, one batch after another.

Long by the docstrings of its public methods.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import accumulate
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from vizcnn.errors import Note
from vizcnn.inputs.decoding import AS_KERAS, Decoding
from vizcnn.inputs.geometry import Geometry
from vizcnn.inputs.pixels import Encoded, measure, opened, pixels_of
from vizcnn.inputs.preprocessing import Preprocess, as_preprocess
from vizcnn.notes import join_notes, notes_of_part
from vizcnn.resample import resize, resize_frames, shrink

MAX_PIXELS = 32_000_000
"""Pixels up to which every one of a file goes into the model's inputs."""

_MARGIN = 4
"""Of larger files so many times the pixels that the model takes, down and across."""


class Frames(Protocol):
    """A clip that lies in a file; `vizcnn.inputs.clips.Clip` is one."""

    def shape(self, channels: int) -> tuple[int, ...]:
        """Return the shape (T, H, W, C), without reading it."""

    def read(self, channels: int) -> np.ndarray:
        """Return the frames (T, H, W, C)."""


ImageSource = Path | Encoded | Frames | np.ndarray
"""What holds an image, or a clip."""


@dataclass(frozen=True, eq=False)
class ImageSet(Sequence[np.ndarray]):
    """Images at their own resolution, and the model's inputs made of them; signals, volumes and clips too.

    As a sequence it gives each image as it was, (H, W, C): uint8 from files and Pillow, or their own numbers where they have
    more bits; otherwise the array's own dtype. A signal is (T, C), a volume (D, H, W, C), a clip (T, H, W, C).

    Attributes
    ----------
    sources : list of Path, Encoded, Clip or ndarray
        Where each image is.
    size : tuple of int
        Height and width that the model is given; length of a signal; depth (or frames), height and width of a
        volume (or clip).
    channels : int
        Channels that the model is given.
    names : tuple of str
        File names, or ``image 0``.
    notes : tuple of Note
        What had to be done to the images.
    preprocess : callable or None
        Turns one image's pixels (H, W, C) into the model's input.
    decoding : Decoding
        How files are read.
    file_ranges : mapping
        Lowest and highest value of files that hold floats.
    geometry : tuple of Geometry
        Where each image lies in its input; empty where all of them are stretched over the whole of it.

    Examples
    --------
    >>> import vizcnn as vz
    >>> images = vz.inputs.load(vz.assets.digits(), (14, 14, 1))
    >>> len(images), images.names[3], images[3].shape, images.sample_shape
    (10, 'digit_3.png', (28, 28, 1), (14, 14, 1))
    >>> images.notes
    ('Images of 28x28 (height x width) were resized to the 14x14 that the model takes.',)
    """

    sources: list[ImageSource]
    size: tuple[int, ...]
    channels: int
    names: tuple[str, ...]
    notes: tuple[Note, ...] = ()
    preprocess: Callable[[np.ndarray], np.ndarray] | None = field(default=None, repr=False)
    decoding: Decoding = AS_KERAS
    file_ranges: Mapping[Any, tuple[float, float]] = field(default_factory=dict, repr=False)
    geometry: tuple[Geometry, ...] = field(default=(), repr=False)

    def __len__(self) -> int:
        return len(self.sources)

    def __getitem__(self, index: Any) -> Any:
        if isinstance(index, slice):
            return [self[i] for i in range(*index.indices(len(self)))]
        return self._read(self.sources[index])

    def part(self, part: slice) -> ImageSet:
        """Return some of the images as a set of their own, without reading them.

        Parameters
        ----------
        part : slice
            Which images.

        Returns
        -------
        ImageSet
            With the notes that concern them.

        Examples
        --------
        >>> import vizcnn as vz
        >>> vz.inputs.load(vz.assets.digits(), (28, 28, 1)).part(slice(3, 5)).names
        ('digit_3.png', 'digit_4.png')
        """
        places, names = range(len(self))[part], self.names[part]
        return replace(
            self,
            sources=self.sources[part],
            names=names,
            notes=notes_of_part(self.notes, places, names),
            geometry=self.geometry[part],
        )

    def is_like(self, other: ImageSet) -> bool:
        """Tell whether other images are read and prepared in the same way, so that both can be one set.

        Parameters
        ----------
        other : ImageSet
            The others.

        Returns
        -------
        bool

        Examples
        --------
        >>> import vizcnn as vz
        >>> digits, small = (vz.inputs.load(vz.assets.digits(), (size, size, 1)) for size in (28, 14))
        >>> digits.is_like(digits.part(slice(0, 3))), digits.is_like(small)
        (True, False)
        """
        return all(
            getattr(self, name) == getattr(other, name) for name in ("size", "channels", "preprocess", "decoding")
        )

    @classmethod
    def join(cls, parts: Sequence[ImageSet]) -> ImageSet:
        """Return the images of several sets that are alike as one set, without reading them.

        Parameters
        ----------
        parts : sequence of ImageSet
            The sets, at least one.

        Returns
        -------
        ImageSet

        Examples
        --------
        >>> import vizcnn as vz
        >>> digits = vz.inputs.load(vz.assets.digits(), (28, 28, 1))
        >>> len(vz.inputs.ImageSet.join([digits.part(slice(0, 3)), digits.part(slice(3, 10))]))
        10
        """
        names = tuple(name for part in parts for name in part.names)
        starts = accumulate((len(part) for part in parts), initial=0)
        ranges = {id(part.file_ranges): part.file_ranges for part in parts}.values()
        return replace(
            parts[0],
            sources=[source for part in parts for source in part.sources],
            names=names,
            notes=join_notes(((start, part.notes) for start, part in zip(starts, parts, strict=False)), names),
            file_ranges={source: ends for known in ranges for source, ends in known.items()},
            geometry=_joined_geometry(parts),
        )

    @property
    def sample_shape(self) -> tuple[int, ...]:
        """Shape (H, W, C) of one input."""
        return (*self.size, self.channels)

    def inputs(self, part: slice) -> np.ndarray:
        """Return the model's inputs for some of the images.

        Parameters
        ----------
        part : slice
            Which images.

        Returns
        -------
        ndarray of float32, shape (n, H, W, C)
            Resized and preprocessed.

        Examples
        --------
        >>> import vizcnn as vz
        >>> images = vz.inputs.load(vz.assets.digits(), (28, 28, 1), preprocess=lambda pixels: pixels / 255)
        >>> inputs = images.inputs(slice(0, 4))
        >>> inputs.shape, float(inputs.max())
        ((4, 28, 28, 1), 1.0)
        """
        indices = range(len(self))[part]
        rows = np.empty((len(indices), *self.sample_shape), dtype=np.float32)
        for row, index in zip(rows, indices, strict=True):
            self.read(index, row)
        return self.preprocessed(rows)

    def read(self, index: int, row: np.ndarray, longest: int | None = None) -> np.ndarray | None:
        """Read an image once, at the model's size and to be shown.

        Parameters
        ----------
        index : int
            Which image.
        row : ndarray of float32, shape (H, W, C)
            Is filled with the image at the model's size, before its numbers are changed.
        longest : int, default None
            Most pixels, height and width, of the image that is returned; None: none is.

        Returns
        -------
        ndarray or None
            As `preview` does.

        Raises
        ------
        InputError
            If the file can't be read.

        Examples
        --------
        >>> import numpy as np, vizcnn as vz
        >>> images = vz.inputs.load(vz.assets.digits(), (28, 28, 1))
        >>> row = np.empty((28, 28, 1), np.float32)
        >>> small = images.read(3, row, 14)
        >>> small.shape, float(row.max())
        ((14, 14, 1), 255.0)
        """
        # Of a huge file no more pixels than the model and the picture take.
        enough = (max(self.size[0] * _MARGIN, longest or 0), max(self.size[-1] * _MARGIN, longest or 0))
        image = self._read(self.sources[index], enough)
        if self.geometry and isinstance(self.preprocess, Preprocess):
            row[...] = self._fitted(image, self.geometry[index], self.preprocess)
        elif image.ndim == 4:
            row[...] = resize_frames(image, (self.size[1], self.size[2]))
        else:
            row[...] = image if image.shape == row.shape else resize(image, (self.size[0], self.size[1]))
        return None if longest is None else shrink(image, longest)

    def rows_of(self, part: slice) -> np.ndarray | None:
        """Return images at the model's size, as `read` gives them, where they are there already; nobody may change them.

        Parameters
        ----------
        part : slice
            Which images.

        Returns
        -------
        ndarray of float32, shape (n, H, W, C), or None
            None where they have to be read.

        Examples
        --------
        >>> import vizcnn as vz
        >>> vz.inputs.load(vz.assets.digits(), (28, 28, 1)).rows_of(slice(0, 2)) is None
        True
        """
        del part
        return None

    @staticmethod
    def _fitted(image: np.ndarray, geometry: Geometry, preprocess: Preprocess) -> np.ndarray:
        if image.ndim == 3:
            return preprocess.fitted(image, geometry)
        return np.stack([preprocess.fitted(frame, geometry) for frame in image])

    def preprocessed(self, rows: np.ndarray) -> np.ndarray:
        """Return the model's inputs for images at its size.

        Parameters
        ----------
        rows : ndarray of float32, shape (n, H, W, C)
            The images, as `read` gives them.

        Returns
        -------
        ndarray of float32, shape (n, H, W, C)

        Examples
        --------
        >>> import numpy as np, vizcnn as vz
        >>> images = vz.inputs.load(vz.assets.digits(), (28, 28, 1), preprocess=lambda pixels: pixels / 255)
        >>> images.preprocessed(np.full((1, 28, 28, 1), 255, np.float32)).max()
        np.float32(1.0)
        """
        preprocess = as_preprocess(self.preprocess)
        # A function that resizes images itself was called when they were read.
        return rows if preprocess is None or preprocess.makes_size else preprocess(rows)

    def preview(self, index: int, longest: int) -> np.ndarray:
        """Return an image, made smaller where its height or width is above `longest`, without reading it larger than that takes.

        Parameters
        ----------
        index : int
            Which image.
        longest : int
            Most pixels of height and of width.

        Returns
        -------
        ndarray, shape (H, W, C)
            As the image itself; float32 where whole numbers of more than 8 bits were averaged. A signal as it is.

        Examples
        --------
        >>> import vizcnn as vz
        >>> vz.inputs.load(vz.assets.digits(), (28, 28, 1)).preview(3, 14).shape
        (14, 14, 1)
        """
        source = self.sources[index]
        if not isinstance(source, Path | Encoded):
            return shrink(self._read(source), longest)
        with opened(source) as image:
            height, width = measure(image, self.decoding, str(source)).size
            enough = min(1.0, 2 * longest / max(height, width))
            size_hint = (max(1, int(height * enough)), max(1, int(width * enough)))
            return shrink(pixels_of(image, self.channels, str(source), self.decoding, size_hint), longest)

    def shape_of(self, index: int) -> tuple[int, ...]:
        """Return the shape of an image; of a file without reading its pixels.

        Parameters
        ----------
        index : int
            Which image.

        Returns
        -------
        tuple of int
            (H, W, C); (T, C) of a signal, (D, H, W, C) of a volume.

        Examples
        --------
        >>> import vizcnn as vz
        >>> vz.inputs.load(vz.assets.digits(), (14, 14, 1)).shape_of(3)
        (28, 28, 1)
        """
        source = self.sources[index]
        if isinstance(source, np.ndarray):
            return source.shape
        if not isinstance(source, Path | Encoded):
            return source.shape(self.channels)
        with opened(source) as image:
            return (*measure(image, self.decoding, str(source)).size, self.channels)

    def float_range(self) -> tuple[float, float] | None:
        """Return the lowest and the highest value where all images hold floats.

        Returns
        -------
        (float, float) or None
            None where one of them holds whole numbers.

        Examples
        --------
        >>> import numpy as np, vizcnn as vz
        >>> vz.inputs.load(np.linspace(-1, 1, 64).reshape(8, 8)).float_range()
        (-1.0, 1.0)
        """
        ranges = [self._float_range(source) for source in self.sources]
        known = [ends for ends in ranges if ends is not None]
        if len(known) < len(ranges):
            return None
        return min(low for low, _ in known), max(high for _, high in known)

    def float_range_of(self, index: int) -> tuple[float, float] | None:
        """Return the lowest and the highest value of an image that holds floats.

        Parameters
        ----------
        index : int
            Which image.

        Returns
        -------
        (float, float) or None
            None where it holds whole numbers.

        Examples
        --------
        >>> import numpy as np, vizcnn as vz
        >>> vz.inputs.load(np.linspace(-1, 1, 64).reshape(8, 8)).float_range_of(0)
        (-1.0, 1.0)
        """
        return self._float_range(self.sources[index])

    def _float_range(self, source: ImageSource) -> tuple[float, float] | None:
        if not isinstance(source, np.ndarray):
            return self.file_ranges.get(source)
        return (float(source.min()), float(source.max())) if source.dtype.kind == "f" else None

    def _read(self, source: ImageSource, size_hint: tuple[int, int] | None = None) -> np.ndarray:
        """Return an image; of a huge file no more pixels than `wanted` takes."""
        if isinstance(source, np.ndarray):
            return source
        if not isinstance(source, Path | Encoded):
            return source.read(self.channels)
        with opened(source) as image:
            is_large = image.width * image.height > MAX_PIXELS
            return pixels_of(image, self.channels, str(source), self.decoding, size_hint if is_large else None)

    def serves(
        self,
        shape: Sequence[int | None],
        preprocess: Callable[[np.ndarray], np.ndarray] | None,
        size: tuple[int, int] | None,
    ) -> bool:
        """Tell whether these are the inputs of a model already.

        Parameters
        ----------
        shape : sequence of (int or None)
            Shape (H, W, C) of what the model takes; None where any size will do.
        preprocess : callable or None
            What the model's inputs go through first.
        size : (int, int) or None
            Height and width that were asked for.

        Returns
        -------
        bool

        Examples
        --------
        >>> import vizcnn as vz
        >>> digits = vz.inputs.load(vz.assets.digits(), (28, 28, 1))
        >>> digits.serves((28, 28, 1), None, None), digits.serves((None, None, 3), None, None)
        (True, False)
        """
        if shape and len(shape) != len(self.sample_shape):
            return False
        fits = all(want in (None, have) for want, have in zip(shape, self.sample_shape, strict=False))
        return fits and preprocess is self.preprocess and (None not in shape[:-1] or size in (None, self.size))


def _joined_geometry(parts: Sequence[ImageSet]) -> tuple[Geometry, ...]:
    """Return that of all images; of those that are stretched over the whole input it is made where others aren't."""
    if not any(part.geometry for part in parts):
        return ()
    return tuple(
        one
        for part in parts
        for one in part.geometry or (Geometry.whole(part.shape_of(index)[:2], part.size) for index in range(len(part)))
    )


def is_read_smaller(size: tuple[int, int], size_hint: tuple[int, ...]) -> bool:
    """Tell whether `ImageSet.inputs` reads a file of a size without making all of its pixels."""
    is_larger = all(have >= 2 * _MARGIN * want for have, want in zip(size, size_hint, strict=True))
    return is_larger and size[0] * size[1] > MAX_PIXELS
