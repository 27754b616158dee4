"""What `vizcnn.adapt` takes as `preprocess`: names, text, functions and Keras's layers, as one `Preprocess`."""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from vizcnn.errors import OptionError
from vizcnn.inputs.fit import Fit
from vizcnn.inputs.geometry import Geometry, Size
from vizcnn.inputs.preprocessing import Preprocess
from vizcnn.inputs.preprocessing_text import SCALINGS, read_text
from vizcnn.inputs.steps import Function

_COMPLETE = "keras.applications."


def resolve_preprocess(
    preprocess: str | Callable[[np.ndarray], Any] | None, *, may_run: bool = True
) -> Preprocess | None:
    """Return what a name, the short text form or a function means; see `vizcnn.adapt`.

    Parameters
    ----------
    preprocess : str, callable, Preprocess or None
        What was given.
    may_run : bool, default True
        Whether FILE.py:function is run.

    Returns
    -------
    Preprocess or None

    Raises
    ------
    OptionError
        If it is none of these, or isn't understood.
    """
    if preprocess is None or isinstance(preprocess, Preprocess):
        return preprocess
    if isinstance(preprocess, str):
        try:
            return Preprocess.of(*read_text(preprocess, may_run=may_run))
        except OptionError:
            function = _of_applications(preprocess.strip())
            if function is None:
                raise
            return Preprocess(function, preprocess, takes_batches=True)
    keras = sys.modules.get("keras")
    if keras is not None and isinstance(preprocess, keras.Layer):
        return _of_layer(preprocess, keras)
    if callable(preprocess):
        return Preprocess(preprocess)
    raise OptionError(
        f"`preprocess` must be a function, one of {', '.join(map(repr, SCALINGS))}, the name of a keras.applications module "
        f"such as 'mobilenet_v2', or steps with commas such as 'crop, bgr, / 255'; got {preprocess!r}."
    )


def _of_applications(name: str) -> Callable[..., Any] | None:
    """Return the function of a module of keras.applications that is newer than our list."""
    import keras

    module = vars(keras.applications).get(name.removeprefix(_COMPLETE))
    return getattr(module, "preprocess_input", None) if not name.startswith("_") else None


def _of_layer(layer: Any, keras: Any) -> Preprocess:
    """Return what a layer does; of a Sequential that resizes or crops first it is known where, and maps go back through that."""
    layers = list(layer.layers) if isinstance(layer, keras.Sequential) else [layer]
    makes_size = any(isinstance(one, keras.layers.Resizing | keras.layers.CenterCrop) for one in layers)
    function = Function(
        lambda image: layer(image[None])[0],  # layers take batches
        layer.name,
        makes_size=makes_size,
        geometry=_geometry_of(layers, keras) if makes_size else None,
    )
    return Preprocess.of(Fit("none") if makes_size else Fit(), (function,), layer.name)


def _geometry_of(layers: Sequence[Any], keras: Any) -> Callable[[Size, Size], Geometry] | None:
    """Return the geometry of layers that resize, crop, or do both at first; None for others."""
    resizing, crop = keras.layers.Resizing, keras.layers.CenterCrop
    first = [one for one in layers[:2] if isinstance(one, resizing | crop)]
    kinds = [type(one) for one in first]
    if kinds not in ([resizing], [crop], [resizing, crop]) or any(
        isinstance(one, resizing | crop) for one in layers[2:]
    ):
        return None
    last = first[-1]

    def geometry(picture: Size, size: Size) -> Geometry:
        whole = Geometry.whole(picture, picture)
        if kinds[0] is resizing:
            whole = Fit(_how(first[0])).geometry(picture, (first[0].height, first[0].width))
        elif picture[0] < size[0] or picture[1] < size[1]:
            return Fit("crop").geometry(picture, size)  # which is what CenterCrop does of smaller ones
        if kinds[-1] is not crop:
            return whole
        cut = ((whole.size[0] - last.height) // 2, (whole.size[1] - last.width) // 2)
        return replace(whole, offset=(whole.offset[0] - cut[0], whole.offset[1] - cut[1]), size=size)

    return geometry


def _how(resizing: Any) -> str:
    if resizing.crop_to_aspect_ratio:
        return "crop"
    return "pad" if getattr(resizing, "pad_to_aspect_ratio", False) else "squash"
