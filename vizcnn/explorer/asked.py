"""What the parameters of a question mean: an image, a target, a method, a layer and its unit. None of them names a file."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np

from vizcnn.adapter import LayerInfo, ModelAdapter
from vizcnn.algorithms.baselines import BASELINES
from vizcnn.errors import LayerError, OptionError, TargetError, VizcnnError
from vizcnn.explorer.studio import Studio
from vizcnn.inputs import ImageSet
from vizcnn.plugins import registry
from vizcnn.stream import MethodCall, read_methods
from vizcnn.targets import Box, Class, Similarity, resolve_on
from vizcnn.targets.default import default_target
from vizcnn.targets.typed import read_target

DEFAULT_METHODS = ("gradcam", "occlusion", "saliency")
"""What is shown where no method is asked for: the first that works on the model."""

_OF_FILES = ("baseline", "background", "segments")
"""Options that may be images of files; here only names that stand for none."""


MAX_VALUES = 5000
"""Values of an output that are told, all of them; of a larger one the highest."""


def default_method(studio: Studio) -> str:
    """Return the method that is shown where none is asked for."""
    works = [name for name in registry.works_on(studio.model) if registry.get(name).explains]
    return next((name for name in DEFAULT_METHODS if name in works), works[0] if works else DEFAULT_METHODS[0])


def method_of(studio: Studio, parameters: Mapping[str, str]) -> MethodCall:
    """Read ``method``, a name with options as on the command line, and ``layer``, where it looks at one.

    Returns
    -------
    MethodCall

    Raises
    ------
    MethodError, OptionError
        If there is no such method or option.
    """
    (call,) = read_methods([parameters.get("method") or default_method(studio)])
    for option in _OF_FILES:
        value = call.options.get(option)
        if isinstance(value, (list, tuple)):
            raise OptionError(f"`{option}` of several can't be asked for here.")
        if isinstance(value, str) and not _is_no_file(value):
            raise OptionError(f"`{option}` must be a number or a name here, and no file; got {value!r}.")
    layer = parameters.get("layer")
    if layer and "layer" in call.plugin.options and not call.options.get("layers"):
        return replace(call, options={"layer": studio.model.layer(layer).path, **call.options})
    return call


def target_of(studio: Studio, text: str | None) -> Any:
    """Read ``target`` as on the command line; of ``like:IMAGE;layer=LAYER`` the image is another one of the explorer.

    Returns
    -------
    None, int, str, dict, or Target
        As `vizcnn.targets.typed.read_target` does.

    Raises
    ------
    TargetError
        If the model has no such thing.
    """

    def like(typed: str) -> Similarity:
        known = Similarity.read(typed)
        return replace(known, reference=studio.source(known.reference))

    def box(typed: str) -> Box:
        if "anchors" in typed:
            raise TargetError("`target` box: the anchors are read from a file, which can't be named here.")
        return Box.read(typed)

    return read_target(text or None, studio.model, {"like": like, "box": box})


def image_of(studio: Studio, parameters: Mapping[str, str]) -> ImageSet:
    """Return the image of ``image``, the first one where several lie in it, and have the model ready for it."""
    images = studio.image(parameters.get("image") or "0")
    studio.model.prepare(images.sample_shape)
    return images.part(slice(0, 1)) if len(images) > 1 else images


def as_seen(images: ImageSet) -> np.ndarray:
    """Return the first image's pixels as the model sees them, of `sample_shape`: cut, and at the input's size."""
    row = np.empty(images.sample_shape, dtype=np.float32)
    images.read(0, row)
    return row


def whole(asked: Mapping[str, str], name: str, default: int, low: int, high: int) -> int:
    """Return a whole number within a range.

    Parameters
    ----------
    asked : mapping
        The address's parameters.
    name : str
        Which one.
    default : int
        What it is where it is left out.
    low, high : int
        Its lowest and its highest value.

    Returns
    -------
    int

    Raises
    ------
    OptionError
        If it is something else.
    """
    text = asked.get(name, "")
    if not text:
        return default
    # More digits than any of these numbers has would take Python long to read.
    number = int(text) if text.isascii() and text.isdecimal() and len(text) < 10 else None
    if number is None or not low <= number <= high:
        raise OptionError(f"`{name}` must be a whole number from {low} to {high}; got {text[:40]!r}.")
    return number


def layer_of(model: ModelAdapter, asked: Mapping[str, str]) -> LayerInfo:
    """Return the layer that "layer" names.

    Parameters
    ----------
    model : ModelAdapter
        The model.
    asked : mapping
        The address's parameters.

    Returns
    -------
    LayerInfo

    Raises
    ------
    LayerError
        If none is named, or there is none of that name.
    """
    path = asked.get("layer", "")
    if not path:
        raise LayerError("The link names no layer.")
    return model.layer(path)


def unit_of(asked: Mapping[str, str], count: int) -> int:
    """Return the channel, or unit, that "unit" names of so many.

    Parameters
    ----------
    asked : mapping
        The address's parameters.
    count : int
        How many there are.

    Returns
    -------
    int

    Raises
    ------
    OptionError
        If there is no such one.
    """
    return whole(asked, "unit", 0, 0, count - 1)


def said_of(studio: Studio, images: ImageSet, inputs: np.ndarray, target: str | None = None) -> dict[str, Any]:
    """Return what the model says of one image: the values of each output, and the score of a target.

    Parameters
    ----------
    studio : Studio
        The model.
    images : ImageSet
        The image.
    inputs : ndarray, shape (1, H, W, C)
        What the model takes, of this image or of a changed copy.
    target : str, default None
        What was typed; None: no score is told, but of a model whose answer isn't a class.

    Returns
    -------
    dict
        "outputs": of each its "name", its "values" or only the highest ones, whose indices "shown" are, whether they are
        probabilities, the "predicted" one; "score": the target's, and what it is called.
    """
    model = studio.model
    score, outputs = None, None
    if target or explained_of(model) != Class.__name__:
        resolved = resolve_on(target_of(studio, target), model, images)
        scores, outputs = model.scores_and_outputs(inputs, resolved)
        score = {"name": resolved.names[0] or "what the model says", "value": float(scores[0])}
    outputs = outputs if outputs is not None else model.outputs(inputs)
    return {"outputs": [_said_by(studio, outputs, name) for name in model.output_shapes], "score": score}


def _said_by(studio: Studio, outputs: tuple[np.ndarray, ...], name: str) -> dict[str, Any]:
    model = studio.model
    indices, values, are_probabilities = model.class_outputs(outputs, name)
    (row,) = np.asarray(values, dtype=np.float64)
    shown = np.arange(len(row)) if len(row) <= MAX_VALUES else np.argsort(-row)[:MAX_VALUES]
    head = model.head(name)
    return {
        "name": name,
        "values": row[shown],
        "shown": None if len(row) <= MAX_VALUES else shown,
        "are_probabilities": are_probabilities,
        "predicted": int(indices[0]) if head.is_classes else None,
    }


def explained_of(model: ModelAdapter) -> str:
    """Return what is explained without a target, by what the target is called: "Class", "Box", "Text", "Region" ..."""
    try:
        target = default_target(model)
    except VizcnnError:  # not known before it has seen an image
        return "Class"
    return type(target).__name__ if target is not None else Class.__name__


def _is_no_file(name: str) -> bool:
    return name in BASELINES or name.isidentifier()
