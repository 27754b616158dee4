"""The values that the inputs of a model are held at, all but the one that is explained."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from vizcnn.adapter.arrays import Array
from vizcnn.errors import InputError, OptionError, did_you_mean, listed
from vizcnn.inputs import Decoding, load
from vizcnn.inputs.files import read_npy


def held_values(
    fixed_inputs: Any,
    shapes: Mapping[str, tuple[int | None, ...]],
    *,
    preprocess: Callable[[Array], Array] | None = None,
    decoding: Decoding | None = None,
) -> dict[str, Array]:
    """Return the values of all inputs but one.

    Parameters
    ----------
    fixed_inputs : mapping
        Names or positions of the inputs that are held fixed, to their values: an array of one sample, with or without the
        batch axis, an ``.npy`` file of one, or for an image its file.
    shapes : mapping
        Names of all inputs to the shape of one sample.
    preprocess : callable, default None
        Turns the pixels of a file into inputs.
    decoding : Decoding, default None
        How a file is read; None: as Keras's own loaders do.

    Returns
    -------
    dict of str to ndarray of float32, shape (1, ...)

    Raises
    ------
    OptionError
        If an input doesn't exist, or not exactly one is left.
    InputError
        If a value has another shape than the input.
    """
    if not isinstance(fixed_inputs, Mapping):
        raise OptionError(f"`fixed_inputs` must be a mapping of inputs to their values; got {fixed_inputs!r}.")
    names, values = list(shapes), {}
    for key, value in fixed_inputs.items():
        name = names[_position(key, names)]
        values[name] = _value(name, value, shapes[name], preprocess, decoding)
    free = [name for name in names if name not in values]
    if len(free) != 1:
        raise OptionError(
            f"`fixed_inputs` must hold all inputs but the one that is explained; of {listed(names)} it leaves "
            f"{listed(free) if free else 'none'}."
        )
    return values


def _position(key: str | int, names: list[str]) -> int:
    if isinstance(key, int) and not isinstance(key, bool) and -len(names) <= key < len(names):
        return key % len(names)
    if key in names:
        return names.index(str(key))
    raise OptionError(
        f"`fixed_inputs` must name inputs of the model, {listed(names)}, or their positions; got {key!r}."
        f"{did_you_mean(key, names)}"
    )


def _value(name: str, value: Any, shape: tuple[int | None, ...], preprocess: Any, decoding: Decoding | None) -> Array:
    if isinstance(value, str | os.PathLike) and os.fspath(value).endswith(".npy"):
        value = read_npy(value, f"`fixed_inputs` {name!r} file")
    if isinstance(value, str | os.PathLike):
        if len(shape) != 3:
            raise InputError(
                f"`fixed_inputs` input {name!r} has shape {shape}, which is not an image; give an array in place of a file."
            )
        return load(value, shape, preprocess=preprocess, decoding=decoding).inputs(slice(0, 1))
    try:
        array = np.asarray(value, dtype=np.float32)
    except (TypeError, ValueError) as error:
        raise InputError(f"`fixed_inputs` input {name!r} must be numbers of shape {shape}; got {value!r}.") from error
    if array.ndim == len(shape):
        array = array[None]
    fits = array.ndim == len(shape) + 1 and len(array) == 1
    if not fits or any(want not in (None, have) for want, have in zip(shape, array.shape[1:], strict=True)):
        raise InputError(f"`fixed_inputs` input {name!r} must have shape {shape}, one sample; got {np.shape(value)}.")
    if not np.isfinite(array).all():
        raise InputError(f"`fixed_inputs` input {name!r} must be finite; it holds NaN or infinity.")
    return array
