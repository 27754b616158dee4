"""From whatever people have (files, folders, Pillow images, arrays, tensors, tf.data) to one batch after another.

Files stay on disk until their batch is due: a thousand photographs cost the memory of one batch. What was done to them
(resized, converted) is said in `ImageSet.notes`.
"""

from __future__ import annotations

import contextlib
import os
import struct
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image, ImageOps, UnidentifiedImageError

from vizcnn.errors import InputError
from vizcnn.render.image import resize

SUFFIXES = (".png", ".jpg", ".jpeg", ".bmp", ".gif", ".tif", ".tiff", ".webp")
"""Files that are taken from a folder."""

_MODES = {1: "L", 3: "RGB", 4: "RGBA"}


@dataclass(frozen=True, eq=False)
class ImageSet(Sequence[np.ndarray]):
    """Images at their own resolution, and the model's inputs made of them; signals and volumes too.

    As a sequence it gives each image as it was, (H, W, C): uint8 from files and Pillow, otherwise the array's own dtype.
    A signal is (T, C), a volume (D, H, W, C).

    Attributes
    ----------
    sources : list of Path or ndarray
        Where each image is.
    size : tuple of int
        Height and width that the model is given; length of a signal; depth, height and width of a volume.
    channels : int
        Channels that the model is given.
    names : tuple of str
        File names, or ``image 0``.
    notes : tuple of str
        What had to be done to the images.

    Examples
    --------
    >>> import vizcnn as vz
    >>> images = vz.inputs.load(vz.assets.digits(), (14, 14, 1))
    >>> len(images), images.names[3], images[3].shape, images.sample_shape
    (10, 'digit_3.png', (28, 28, 1), (14, 14, 1))
    >>> images.notes
    ('Images of 28x28 (height x width) were resized to the 14x14 that the model takes.',)
    """

    sources: list[Path | np.ndarray]
    size: tuple[int, ...]
    channels: int
    names: tuple[str, ...]
    notes: tuple[str, ...] = ()
    preprocess: Callable[[np.ndarray], np.ndarray] | None = field(default=None, repr=False)

    def __len__(self) -> int:
        return len(self.sources)

    def __getitem__(self, index: Any) -> Any:
        if isinstance(index, slice):
            return [self[i] for i in range(*index.indices(len(self)))]
        source = self.sources[index]
        return source if isinstance(source, np.ndarray) else read_image(source, self.channels)

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
        chosen = self.sources[part]
        batch = np.empty((len(chosen), *self.sample_shape), dtype=np.float32)
        for row, source in zip(batch, chosen, strict=True):
            image = source if isinstance(source, np.ndarray) else read_image(source, self.channels)
            row[...] = image if image.shape == row.shape else resize(image, (self.size[0], self.size[1]))
        return batch if self.preprocess is None else self.preprocess(batch)

    def float_range(self) -> tuple[float, float] | None:
        """Return the lowest and the highest value where all images are arrays of floats.

        Returns
        -------
        (float, float) or None
            None where one of them is a file or holds whole numbers.

        Examples
        --------
        >>> import numpy as np, vizcnn as vz
        >>> vz.inputs.load(np.linspace(-1, 1, 64).reshape(8, 8)).float_range()
        (-1.0, 1.0)
        """
        arrays = [source for source in self.sources if isinstance(source, np.ndarray) and source.dtype.kind == "f"]
        if len(arrays) < len(self):
            return None
        return min(float(array.min()) for array in arrays), max(float(array.max()) for array in arrays)

    def _serves(
        self,
        shape: Sequence[int | None],
        preprocess: Callable[[np.ndarray], np.ndarray] | None,
        size: tuple[int, int] | None,
    ) -> bool:
        if shape and len(shape) != len(self.sample_shape):
            return False
        fits = all(want in (None, have) for want, have in zip(shape, self.sample_shape, strict=False))
        return fits and preprocess is self.preprocess and (None not in shape[:-1] or size in (None, self.size))


def load(
    images: Any,
    shape: Sequence[int | None] = (),
    *,
    preprocess: Callable[[np.ndarray], np.ndarray] | None = None,
    image_size: tuple[int, int] | None = None,
) -> ImageSet:
    """Take images in any form and check them.

    Parameters
    ----------
    images : path, folder, Pillow image, array, tensor, tf.data.Dataset, or a list of these
        Arrays are (H, W), (H, W, C) or (N, H, W, C), and (N, H, W) for a model of one channel.
    shape : (H, W, C), default ()
        What the model takes, None where open; (T, C) or (D, H, W, C) where that is signals or volumes (`load_arrays`).
    preprocess : callable, default None
        Turns a batch of pixels into the model's inputs.
    image_size : (int, int), default None
        Height and width where the model leaves them open; None: those of the first image.

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
        if images._serves(shape, preprocess, image_size):
            return images
        images = images.sources
    if len(shape) in (2, 4):
        from vizcnn.inputs.arrays import load_arrays

        return load_arrays(images, shape, preprocess)
    height, width, channels = tuple(shape) if len(shape) == 3 else (None, None, None)
    entries = list(_collect(images, (height, width, channels)))
    unnamed = ["image"] if len(entries) == 1 else [f"image {position}" for position in range(len(entries))]
    found = [_Source(name or other, source) for (name, source), other in zip(entries, unnamed, strict=True)]
    if not found:
        raise InputError(f"`images` must hold at least one image; got {describe(images)}.")
    notes = []
    channels = channels or found[0].channels
    for source in found:
        if not source.is_picture and source.channels != channels:
            raise InputError(
                f"`images` must have {channels} channel{'s' * (channels > 1)}, as the model takes; {source.name} has shape "
                f"{(*source.size, source.channels)}. {_channel_remedy(source.channels, channels)}"
            )
        if source.is_picture and channels not in _MODES:
            raise InputError(
                f"`images` files have 1, 3 or 4 channels; the model takes {channels}. Give arrays instead."
            )
    converted = sum(source.channels != channels for source in found)
    if converted:
        notes.append(f"{converted} of {len(found)} images converted to {channels} channel{'s' * (channels > 1)}.")
    first = image_size or found[0].size
    size = (height or first[0], width or first[1])
    others = sorted({source.size for source in found if source.size != size})
    if others:
        shown = ", ".join(f"{h}x{w}" for h, w in others[:3]) + (", ..." if len(others) > 3 else "")
        why = "the model takes" if height and width else "images of one call share"
        notes.append(f"Images of {shown} (height x width) were resized to the {size[0]}x{size[1]} that {why}.")
    return ImageSet(
        sources=[source.kept(channels) for source in found],
        size=size,
        channels=channels,
        names=tuple(source.name for source in found),
        notes=tuple(notes),
        preprocess=preprocess,
    )


def read_image(path: Path, channels: int = 3) -> np.ndarray:
    """Read a file as pixels, upright, transparent parts on white.

    Parameters
    ----------
    path : path
        The file.
    channels : int, default 3
        1 (grey), 3 (RGB) or 4 (RGBA): what it is converted to.

    Returns
    -------
    ndarray of uint8, shape (H, W, channels)

    Raises
    ------
    InputError
        If the file isn't there, isn't an image, or is too large to be one in good faith.

    Examples
    --------
    >>> import vizcnn as vz
    >>> pixels = vz.inputs.read_image(vz.assets.digits()[3])
    >>> pixels.shape, pixels.dtype
    ((28, 28, 3), dtype('uint8'))
    """
    with _open(path) as image:
        return _pixels(image, channels, str(path))


class _Source:
    """One image before it is read: its size and channels, and what holds it."""

    def __init__(self, name: str, source: _Held) -> None:
        self.name = name
        self.is_picture = not isinstance(source, np.ndarray)
        self._source = source
        if isinstance(source, np.ndarray):
            if not is_finite(source):
                raise InputError(f"`images` must be finite; {name} holds NaN or infinity. Clean it before explaining.")
            self.size: tuple[int, int] = (source.shape[0], source.shape[1])
            self.channels: int = source.shape[2]
        elif isinstance(source, Image.Image):
            self.size, self.channels = _measured(source)
        else:
            with _open(source) as image, _blaming(source):
                self.size, self.channels = _measured(image)

    def kept(self, channels: int) -> Path | np.ndarray:
        """Return what an `ImageSet` holds of it."""
        if isinstance(self._source, Image.Image):
            return _pixels(self._source, channels, self.name)
        return self._source


_Held = Path | Image.Image | np.ndarray
_Entry = tuple[str | None, _Held]


def _measured(image: Image.Image) -> tuple[tuple[int, int], int]:
    """Return height and width, as it stands upright, and channels."""
    # Of a PNG without EXIF before its pixels, Pillow would read all pixels to look for it behind them.
    known = image.format != "PNG" or "exif" in image.info
    upright = not known or image.getexif().get(0x0112, 1) < 5
    size = (image.height, image.width) if upright else (image.width, image.height)
    return size, 1 if image.mode in ("1", "L", "LA") or image.mode[0] in "IF" else 3


def _collect(images: Any, shape: tuple[int | None, int | None, int | None]) -> Iterator[_Entry]:
    """Yield every image with its name, None where it has none of its own."""
    if isinstance(images, str | os.PathLike):
        yield from _from_path(Path(images))
    elif isinstance(images, Image.Image):
        yield None, images
    elif hasattr(images, "as_numpy_iterator"):
        yield from _from_dataset(images, shape)
    elif isinstance(images, list | tuple):
        for image in images:
            yield from _collect(image, shape)
    else:
        yield from _from_array(as_array(images), shape)


def _from_path(path: Path) -> Iterator[tuple[str, Path]]:
    if path.is_dir():
        files = sorted(file for file in path.iterdir() if file.suffix.lower() in SUFFIXES)
        if not files:
            raise InputError(f"`images` folder {str(path)!r} holds no image ({', '.join(SUFFIXES)}).")
        yield from ((file.name, file) for file in files)
    else:
        yield path.name, path


def _from_dataset(dataset: Any, shape: tuple[int | None, int | None, int | None]) -> Iterator[_Entry]:
    if int(dataset.cardinality()) == -1:
        raise InputError("`images` must end; got a tf.data.Dataset that repeats for ever. Give dataset.take(100).")
    for element in dataset.as_numpy_iterator():
        yield from _from_array(as_array(element[0] if isinstance(element, tuple) else element), shape)


def _from_array(array: np.ndarray, shape: tuple[int | None, int | None, int | None]) -> Iterator[_Entry]:
    if array.ndim == 2:
        array = array[None, :, :, None]
    elif array.ndim == 3:
        is_batch = shape[2] == 1 and array.shape[-1] != 1 and array.shape[1:] == (shape[0] or -1, shape[1] or -1)
        array = array[..., None] if is_batch else array[None]
    if array.ndim != 4:
        raise InputError(
            f"`images` as an array must be (H, W), (H, W, C) or (N, H, W, C); got shape {array.shape}. A list takes images of "
            f"different sizes."
        )
    if 0 in array.shape[1:]:
        raise InputError(f"`images` must not be empty; got an array of shape {array.shape}.")
    yield from ((None, image) for image in array)


def is_finite(array: np.ndarray) -> bool:
    """Tell whether all values are finite as float32; the sum tells it without a copy."""
    with np.errstate(all="ignore"):
        total = abs(array.sum(dtype=np.float64))
        return bool(total <= np.finfo(np.float32).max or np.isfinite(array.astype(np.float32)).all())


def as_array(images: Any) -> np.ndarray:
    """Return an array or tensor of any framework as an array of numbers."""
    if hasattr(images, "detach"):  # a PyTorch tensor that may need a gradient or live on a device
        images = images.detach().cpu()
    try:
        array = np.asarray(images)
    except (TypeError, ValueError) as error:
        raise InputError(f"`images` can't be read as an array: {error}. Got {describe(images)}.") from error
    if array.dtype.kind == "V":
        with contextlib.suppress(TypeError, ValueError):
            array = array.astype(np.float32)  # bfloat16 and its like, which NumPy doesn't count as floats
    if array.dtype.kind not in "fiub":
        raise InputError(
            f"`images` must be paths, Pillow images, numeric arrays, or a list of these; got {describe(images)}."
        )
    return array


def _open(path: Path) -> Image.Image:
    try:
        return Image.open(path)
    except FileNotFoundError:
        raise InputError(f"`images` file {str(path)!r} doesn't exist.") from None
    except UnidentifiedImageError:
        raise InputError(f"`images` file {str(path)!r} isn't an image that Pillow can read.") from None
    except Image.DecompressionBombError as error:
        raise InputError(f"`images` file {str(path)!r} is too large to open safely: {error} Shrink it first.") from None
    except (OSError, ValueError, SyntaxError) as error:
        raise InputError(f"`images` file {str(path)!r} can't be opened: {error}.") from error


@contextlib.contextmanager
def _blaming(name: object) -> Iterator[None]:
    """Say which file it is that Pillow can't read to its end."""
    try:
        yield
    except InputError:
        raise
    except Image.DecompressionBombError as error:
        raise InputError(f"`images` file {str(name)!r} is too large to open safely: {error} Shrink it first.") from None
    except (OSError, ValueError, SyntaxError, struct.error) as error:
        raise InputError(f"`images` file {str(name)!r} is damaged: {error}.") from error


def _pixels(image: Image.Image, channels: int, name: str) -> np.ndarray:
    with _blaming(name):
        image = ImageOps.exif_transpose(image)
        if image.mode[0] in "IF":
            return _deep_pixels(image, channels, name)
        if channels < 4 and (image.mode in ("RGBA", "LA", "PA") or "transparency" in image.info):
            image = image.convert("RGBA")
            image = Image.alpha_composite(Image.new("RGBA", image.size, "white"), image)
        pixels = np.asarray(image.convert(_MODES[channels]))
    return pixels if pixels.ndim == 3 else pixels[..., None]


def _deep_pixels(image: Image.Image, channels: int, name: str) -> np.ndarray:
    """Bring 16-bit, 32-bit and float images to 0..255: by 16 bits where they fit, by their own range otherwise."""
    values = np.asarray(image, dtype=np.float64)
    if not np.isfinite(values).all():
        raise InputError(f"`images` file {name!r} holds NaN or infinity. Clean it before explaining.")
    is_deep = image.mode.startswith("I;16") or (image.mode == "I" and values.max() > 255)
    low, high = (0.0, 65535.0) if is_deep else (0.0, 255.0)
    if values.min() < low or values.max() > high:
        low, high = float(values.min()), float(values.max())
    pixels = np.rint((values - low) / ((high - low) or 1.0) * 255).astype(np.uint8)
    return np.repeat(pixels[..., None], channels, axis=-1)


def _channel_remedy(have: int, want: int) -> str:
    if have == 1 and want == 3:
        return "Repeat the one channel: np.repeat(images, 3, axis=-1)."
    if have in (3, 4) and want == 1:
        return "Average the channels: images.mean(axis=-1, keepdims=True); from files vizcnn does this itself."
    if have == 4 and want == 3:
        return "Drop the fourth channel: images[..., :3]."
    return "Axes are (H, W, C) or (N, H, W, C), channels last."


def describe(images: Any) -> str:
    """Return what was given, in a few words."""
    if isinstance(images, np.ndarray):
        return f"an array of shape {images.shape}, dtype {images.dtype}"
    text = repr(images)
    return text if len(text) <= 80 else f"{text[:77]}..."


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
    return [file for path in paths for _, file in _from_path(Path(path))]
