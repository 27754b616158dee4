"""From whatever people have to single things that hold images: files, the bytes of files, Pillow images and arrays."""

from __future__ import annotations

import contextlib
import glob
import io
import os
import re
import stat
from collections.abc import Iterable, Iterator, Mapping, Sequence, Set
from numbers import Number
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from vizcnn.errors import InputError, Note, VizcnnError, listed
from vizcnn.inputs.files import MAX_BYTES, NPY, npy_of
from vizcnn.inputs.pixels import Encoded

MAX_IMAGES = 10_000
"""Images that are taken from what doesn't say how many it has."""

MAX_ARRAY_BYTES = 2**30
"""Bytes of arrays that are taken from what makes them one after another."""

LABELS_LEFT_OUT = Note(
    "`images` came with labels, which were left out. Say as `target` which class is explained.", "labels", quiet=True
)
"""The note on images that were given as ``(x, y)``."""

_FORMS = "`images` must be paths, Pillow images, numeric arrays, or a list of these"
_DEEPEST = 16
_ADDRESS = re.compile(r"[a-zA-Z][a-zA-Z0-9+.-]+://|data:")
_KEYS = ("image", "images", "img", "x", "input", "inputs", "pixels", "pixel_values")

Held = Path | Encoded | Image.Image | np.ndarray
"""What holds images: a path may be a folder's, and an array a batch."""


class Sources:
    """Walks through what was given as images.

    Parameters
    ----------
    shape : tuple of int
        Shape of one of the model's inputs, None where open; () where it isn't known.

    Attributes
    ----------
    labelled : bool
        Whether labels came with the images, as in ``(x, y)``, and were left out.
    """

    def __init__(self, shape: Sequence[int | None]) -> None:
        self.labelled = False
        self._shape = tuple(shape)

    def walk(self, images: Any, depth: int = 0) -> Iterator[Held]:
        """Yield all that holds images, in order.

        Parameters
        ----------
        images : object
            What was given.
        depth : int
            How deep in lists it was found.

        Yields
        ------
        Path, Encoded, Pillow image or ndarray

        Raises
        ------
        InputError
            If it isn't of a form that holds images, or never ends.
        """
        if depth > _DEEPEST:
            raise InputError(f"{_FORMS}; got lists in lists, {_DEEPEST} deep.")
        if isinstance(images, str | os.PathLike):
            yield from _paths(images)
        elif isinstance(images, Image.Image | Encoded) or hasattr(images, "num_frames"):
            yield images  # a clip that is open already is what it is
        elif isinstance(images, bytes | bytearray | memoryview):
            yield _held(Encoded(bytes(images), "image"))
        elif hasattr(images, "read"):
            yield _held(_read(images))
        elif isinstance(images, Mapping | Set):
            raise InputError(_unordered(images))
        elif hasattr(images, "as_numpy_iterator"):
            yield from self._from_dataset(images, depth)
        elif isinstance(images, list | tuple):
            yield from self._from_list(images, depth)
        elif _is_iterable_of_images(images):
            yield from self._from_iterable(images, depth)
        else:
            yield from self._from_array(images, depth)

    def is_batch(self, array: np.ndarray) -> bool:
        """Tell whether an array's first axis counts samples; that of a single channel may be missing."""
        rank = len(self._shape) or 3
        if array.ndim != rank:
            return array.ndim == rank + 1
        return bool(
            self._shape and self._shape[-1] == 1 and array.shape[-1] != 1 and array.shape[1:] == self._shape[:-1]
        )

    def _from_list(self, images: Sequence[Any], depth: int) -> Iterator[Held]:
        if _is_numbers(images):
            yield from self._from_array(images, depth)
        elif len(images) in (2, 3) and all(self._is_labels(other, images[0]) for other in images[1:]):
            self.labelled = True
            yield from self.walk(images[0], depth + 1)
        else:
            for image in images:
                yield from self.walk(image, depth + 1)

    def _is_labels(self, other: Any, first: Any) -> bool:
        """Tell whether `other` is labels, or weights, of `first`: numbers, one or a vector of them per image."""
        labels = _numbers(other)
        if labels is None:
            return False
        if len(self._shape) in (0, 3) and labels.ndim <= 1:
            return True  # no image is a number or a vector
        images = _numbers(first)
        return images is not None and self.is_batch(images) and labels.ndim in (1, 2) and len(labels) == len(images)

    def _from_array(self, images: Any, depth: int) -> Iterator[Held]:
        array = _unboxed(images)
        if array.dtype.kind in "OUT" and array.ndim == 1:
            for image in array.tolist():
                yield from self.walk(image, depth + 1)
        else:
            yield as_array(images)

    def _from_dataset(self, dataset: Any, depth: int) -> Iterator[Held]:
        """Take a tf.data.Dataset, of images alone or with labels, or of paths."""
        count = int(dataset.cardinality())
        if count == -1:
            raise InputError("`images` must end; got a tf.data.Dataset that repeats for ever. Give dataset.take(100).")
        elements = (
            self.walk(_image_of(element), depth + 1)
            for element in _or_input_error(dataset.as_numpy_iterator(), dataset)
        )
        items = (one for element in elements for one in element)
        yield from items if count >= 0 else _within_limits(items, dataset, MAX_IMAGES)

    def _from_iterable(self, images: Any, depth: int) -> Iterator[Held]:
        """Take a generator, an iterator, or what has a length and indices (a Keras `PyDataset` never ends if iterated)."""
        by_index = hasattr(images, "__len__") and hasattr(images, "__getitem__")
        items = _indexed(images) if by_index else images
        items = (one for item in _or_input_error(items, images) for one in self.walk(_image_of(item), depth + 1))
        yield from _within_limits(items, images, None if by_index else MAX_IMAGES)


def as_array(images: Any) -> np.ndarray:
    """Return an array or tensor of any framework as an array of numbers."""
    array = _unboxed(images)
    if array.dtype.kind == "V":
        with contextlib.suppress(TypeError, ValueError):
            array = array.astype(np.float32)  # bfloat16 and its like, which NumPy doesn't count as floats
    if array.dtype.kind not in "fiub":
        raise InputError(f"{_FORMS}; got {describe(images)}.")
    return array


def is_finite(array: np.ndarray) -> bool:
    """Tell whether all values are finite as float32; the ends tell it without a copy, and NaN is both of them."""
    with np.errstate(all="ignore"):
        return array.size == 0 or bool(np.isfinite([np.float32(array.min()), np.float32(array.max())]).all())


def describe(images: Any) -> str:
    """Return what was given, in a few words."""
    if isinstance(images, np.ndarray):
        return f"an array of shape {images.shape}, dtype {images.dtype}"
    try:
        text = repr(images)
    except Exception:  # noqa: BLE001 - a stranger's object
        text = f"a {type(images).__name__}"
    return text if len(text) <= 80 else f"{text[:77]}..."


def _unboxed(images: Any) -> np.ndarray:
    try:
        if hasattr(images, "detach"):  # a PyTorch tensor that may need a gradient or live on a device
            images = images.detach().cpu()
        return np.asarray(images)
    except Exception as error:  # each framework raises kinds of its own
        raise InputError(f"`images` can't be read as an array: {error}. Got {describe(images)}.") from error


def _is_iterable_of_images(images: Any) -> bool:
    is_array = any(hasattr(images, name) for name in ("__array__", "__array_interface__", "detach", "__dlpack__"))
    return (
        not isinstance(images, type)
        and not is_array
        and (hasattr(images, "__iter__") or (hasattr(images, "__len__") and hasattr(images, "__getitem__")))
    )


def _numbers(values: Any) -> np.ndarray | None:
    """Return numbers as an array, None where they are none; lists of arrays are not joined."""
    if isinstance(values, list | tuple) and not _is_numbers(values):
        return None
    if not isinstance(values, list | tuple | Number) and not hasattr(values, "__array__"):
        return None
    with contextlib.suppress(InputError):
        array = _unboxed(values)
        return array if array.dtype.kind in "fiub" else None
    return None


def _is_numbers(values: Any) -> bool:
    """Tell whether lists hold numbers, however deep: they are an array that was written out."""
    for _ in range(_DEEPEST):
        if not isinstance(values, list | tuple) or not values:
            break
        values = values[0]
    return isinstance(values, Number) or (isinstance(values, np.ndarray) and values.ndim == 0)


def _paths(path: str | os.PathLike[str]) -> Iterator[Path]:
    text = os.fsdecode(path)
    if not text:
        raise InputError(f"{_FORMS}; got ''.")
    if _ADDRESS.match(text):
        raise InputError(
            f"`images` must be files of this machine; got the address {describe(text)}. Fetch it first, and give the file or its "
            f"bytes."
        )
    path = Path(text)
    if glob.has_magic(text) and not os.path.lexists(path):
        matches = sorted(glob.glob(text, recursive=True))
        if not matches:
            raise InputError(f"`images` pattern {text!r} matches no file.")
        yield from map(Path, matches)
    else:
        yield path


def _read(file: Any) -> Encoded:
    """Read an open file, `io.BytesIO` and its like."""
    if isinstance(file, io.TextIOBase):
        raise InputError(f"`images` {describe(file)} is open for text. Open the image's file by open(path, 'rb').")
    name = getattr(file, "name", None)
    name = Path(name).name if isinstance(name, str) and name else "image"
    try:
        number = file.fileno()
    except (AttributeError, OSError, ValueError):
        number = None
    try:
        if number is not None and not stat.S_ISREG(os.fstat(number).st_mode):
            raise InputError(f"`images` {describe(file)} isn't an open file but a pipe or a device. Give a file.")
        if getattr(file, "seekable", bool)():
            file.seek(0)
        data = file.read(MAX_BYTES + 1)
    except InputError:
        raise
    except (OSError, ValueError, TypeError, io.UnsupportedOperation) as error:
        raise InputError(f"`images` {describe(file)} can't be read: {error}.") from error
    if not isinstance(data, bytes | bytearray) or len(data) > MAX_BYTES:
        what = (
            "gives more than 4 GiB" if isinstance(data, bytes | bytearray) else f"gives {type(data).__name__}, no bytes"
        )
        raise InputError(f"`images` {describe(file)} {what}. Open the image's file by open(path, 'rb').")
    return Encoded(bytes(data), name)


def _held(file: Encoded) -> Encoded | np.ndarray:
    """Return a file as it is, or the array that it holds."""
    return npy_of(file.data, f"`images` file {file.name!r}") if file.data.startswith(NPY) else file


def _unordered(images: Mapping[Any, Any] | Set[Any]) -> str:
    if isinstance(images, Set):
        return f"{_FORMS}; got a set, which has no order. Give sorted(images), or a list."
    keys = list(images)
    if not keys:
        return f"{_FORMS}; got an empty dict."
    return f"{_FORMS}; got a dict with the keys {listed(keys)}. Give the images alone, as in images[{keys[0]!r}]."


def _image_of(element: Any) -> Any:
    """Return the image or images of an element of a dataset, without its labels."""
    if isinstance(element, tuple) and element:
        element = element[0]
    if isinstance(element, Mapping):
        keys = [key for key in _KEYS if key in element] or (list(element) if len(element) == 1 else [])
        if not keys:
            raise InputError(
                f"`images` of a dataset of dicts must be under one of {listed(_KEYS)}; its keys are {listed(element)}. Give the "
                f"images alone, as by dataset.map."
            )
        element = element[keys[0]]
    if isinstance(element, bytes):  # how TensorFlow hands out text: a path
        return os.fsdecode(element)
    if isinstance(element, np.ndarray) and element.dtype.kind == "O":
        return [os.fsdecode(one) if isinstance(one, bytes) else one for one in element.ravel()]
    return element


def _indexed(images: Any) -> Iterator[Any]:
    for index in range(len(images)):
        yield images[index]


def _or_input_error(items: Iterable[Any], images: Any) -> Iterator[Any]:
    """Yield items, and say in our words what goes wrong while they are made."""
    iterator: Iterator[Any] | None = None
    position = 0
    while True:
        try:
            iterator = iter(items) if iterator is None else iterator
            item = next(iterator)
        except StopIteration:
            return
        except VizcnnError:
            raise
        except Exception as error:
            reason = " ".join(f"{type(error).__name__}: {error}".split())
            raise InputError(f"`images` {describe(images)} failed at item {position}: {reason[:300]}.") from error
        yield item
        position += 1


def _within_limits(items: Iterable[Held], images: Any, most: int | None) -> Iterator[Held]:
    """Yield what holds images, until there is more of it than one call can be meant to explain."""
    size = 0
    for position, one in enumerate(items):
        size += one.nbytes if isinstance(one, np.ndarray) else 0
        if position == most or size > MAX_ARRAY_BYTES:
            many = f"{position:,} images" if position == most else f"{MAX_ARRAY_BYTES // 2**30} GiB"
            raise InputError(
                f"`images` must end; {describe(images)} gave {many}, and goes on. Give some of it, as by "
                f"list(itertools.islice(images, 100)), or the paths of files, which are read when they are due."
            )
        yield one
