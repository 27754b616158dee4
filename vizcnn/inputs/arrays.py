"""Signals: inputs that no picture file holds, from arrays and ``.npy`` files."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from vizcnn.errors import InputError
from vizcnn.inputs.files import read_npy
from vizcnn.inputs.image_set import ImageSet
from vizcnn.inputs.sources import LABELS_LEFT_OUT, Held, Sources, describe, is_finite


def load_arrays(
    values: Any,
    shape: Sequence[int | None],
    preprocess: Callable[[np.ndarray], np.ndarray] | None = None,
) -> ImageSet:
    """Take signals in any form and check them.

    Parameters
    ----------
    values : array, tensor, tf.data.Dataset, path of an ``.npy`` file, a folder of them, or a list of these
        Arrays are of one sample or of a batch, with or without the axis of a single channel.
    shape : (T, C)
        What the model takes, None where open.
    preprocess : callable, default None
        Turns one sample, float32, into the model's input of the same shape.

    Returns
    -------
    ImageSet

    Raises
    ------
    InputError
        If a file can't be read, an array doesn't fit the model, or holds NaN or infinity.
    """
    sources = Sources(shape)
    samples = [sample for item in sources.walk(values) for sample in _named(item, tuple(shape))]
    if not samples:
        raise InputError(f"`images` must hold at least one sample; got {describe(values)}.")
    size = samples[0][1].shape[:-1]
    for name, array in samples:
        if array.shape[:-1] != size:
            raise InputError(
                f"`images` of one call must have one size; {name or 'one'} has {array.shape[:-1]}, not {size}."
            )
        if not is_finite(array):
            raise InputError(
                f"`images` must be finite; {name or 'one'} holds NaN or infinity. Clean it before explaining."
            )
    others = ["image"] if len(samples) == 1 else [f"image {position}" for position in range(len(samples))]
    return ImageSet(
        sources=[array for _, array in samples],
        size=size,
        channels=samples[0][1].shape[-1],
        names=tuple(name or other for (name, _), other in zip(samples, others, strict=True)),
        notes=(LABELS_LEFT_OUT,) * sources.labelled,
        preprocess=preprocess,
    )


def _named(item: Held, shape: tuple[int | None, ...]) -> Iterator[tuple[str | None, np.ndarray]]:
    """Yield single samples, each with its name, None where it has none of its own."""
    if isinstance(item, Path):
        for file in _files(item):
            yield from ((file.name, array) for array in _samples(read_npy(file, "`images` file"), shape))
    elif isinstance(item, np.ndarray):
        yield from ((None, array) for array in _samples(item, shape))
    else:
        raise InputError(f"`images` must be (T, C), which no picture file holds; got {describe(item)}.")


def _files(path: Path) -> list[Path]:
    if not path.is_dir():
        return [path]
    files = sorted(path.glob("*.npy"))
    if not files:
        raise InputError(f"`images` folder {str(path)!r} holds no .npy file, as signals come in.")
    return files


def _samples(array: np.ndarray, shape: tuple[int | None, ...]) -> np.ndarray:
    """Return the samples of an array as a batch: it is one, or several, and may lack the axis of a single channel."""
    forms = [array[None], array]
    if shape[-1] in (1, None):
        forms += [array[None, ..., None], array[..., None]]
    for form in forms:
        sizes = form.shape[1:]
        if len(sizes) == len(shape) and all(want in (None, have) for want, have in zip(shape, sizes, strict=True)):
            return form
    expected = f"({', '.join('any' if size is None else str(size) for size in shape)})"
    raise InputError(
        f"`images` must have the shape of the model's input, (T, C) = {expected}, or be a batch of such; got shape "
        f"{array.shape}."
    )
