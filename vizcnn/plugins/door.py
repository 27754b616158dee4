"""The public door that all visualizations share: from what people have to what a plugin takes, and back to one result.

It adapts the model, loads the images, resolves the target, checks options and what the plugin needs, cuts the work into
batches, and writes method, layer, options and notes onto the result.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any

import numpy as np

from vizcnn.adapter import ModelAdapter, as_adapter
from vizcnn.adapter.base import slices
from vizcnn.errors import warn
from vizcnn.inputs import ImageSet, load
from vizcnn.plugins import registry
from vizcnn.plugins.plugin import Plugin
from vizcnn.progress import track
from vizcnn.results import Context, Picture
from vizcnn.targets import resolve


def call(plugin: Plugin, model: Any, given: Mapping[str, Any], options: Mapping[str, Any]) -> Any:
    """Run a plugin as its public function does.

    Parameters
    ----------
    plugin : Plugin
        The plugin.
    model : keras.Model, path or ModelAdapter
        The model.
    given : mapping
        "images" and "target", as far as the plugin takes them and they are given.
    options : mapping
        The options that are given.

    Returns
    -------
    Attributions, FeatureMaps, Kernels, Images, Architecture or Diagnosis
        What the plugin returns, of all batches.
    """
    checked = plugin.checked_options(options)
    adapter = as_adapter(model)
    registry.check_needs(plugin, adapter)
    images = load_images(adapter, given["images"]) if "images" in plugin.takes else None
    if checked.get("layer") is not None:
        checked["layer"] = layer_paths(adapter, checked["layer"])
    target = given.get("target")
    if images is None:
        result = plugin.run(adapter, *([target] if "target" in plugin.takes else []), **checked)
        return _completed(result, adapter, checked)
    score = resolve(target, adapter, len(images)) if "target" in plugin.takes else None
    context = Context(adapter, plugin.name, images, score, checked)
    parts = _parts(plugin, context)
    first = next(parts)
    return _completed(type(first[2]).collect(_chain(first, parts), context), adapter, checked)


def _completed(result: Any, adapter: ModelAdapter, options: Mapping[str, Any]) -> Any:
    """Write the options onto a result, and what the model's adapter notes; and warn of its notes, once."""
    if not isinstance(result, Picture):  # a stranger's plugin may return what it likes
        return result
    complete: Any = result
    known = adapter.notes
    warn(note for note in complete.notes if note not in known)  # of its own the adapter warns, once
    notes = (*complete.notes, *(note for note in known if note not in complete.notes))
    return replace(complete, options={**options, **complete.options}, notes=notes)


def layer_paths(adapter: ModelAdapter, layer: Any) -> Any:
    """Return the path of a layer, or the list of several."""
    return [adapter.layer(one).path for one in layer] if isinstance(layer, list | tuple) else adapter.layer(layer).path


def load_images(adapter: ModelAdapter, images: Any) -> ImageSet:
    """Load images as a model takes them, and get the model ready for them."""
    loaded = load(
        images,
        adapter.input_shape,
        preprocess=adapter.preprocess,
        image_size=adapter.image_size,
        decoding=adapter.decoding,
    )
    adapter.prepare(loaded.sample_shape)
    return loaded


def _parts(plugin: Plugin, context: Context) -> Iterator[tuple[slice, np.ndarray, Any]]:
    count = len(context.images)
    size = context.model.batch_size_for(context.images.sample_shape)
    batches = list(slices(count, size))
    for part in track(batches, len(batches), f"{plugin.name}, {count} images"):
        inputs = context.images.inputs(part)
        scores = [] if context.score is None else [context.score[part]]
        yield part, inputs, plugin.run(context.model, inputs, *scores, **context.options)


def _chain(first: Any, rest: Iterator[Any]) -> Iterator[Any]:
    yield first
    yield from rest
