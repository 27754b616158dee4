"""The public door that all visualizations share: from what people have to what a plugin takes, and back to one result.

It adapts the model, loads the images, resolves the target, checks options and what the plugin needs, cuts the work into
batches, and writes method, layer, options and notes onto the result.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any

import numpy as np

from vizcnn.adapter import ModelAdapter, as_adapter
from vizcnn.adapter.base import slices
from vizcnn.algorithms.baselines import shown, with_images
from vizcnn.algorithms.reduction import one_per_place
from vizcnn.errors import warn
from vizcnn.inputs import ImageSet
from vizcnn.plugins import registry
from vizcnn.plugins.plugin import Plugin
from vizcnn.progress import track
from vizcnn.results import AttributionBatch, Attributions, Context, Picture
from vizcnn.results.placing import over_inputs
from vizcnn.targets import resolve_on
from vizcnn.targets.score import Score


def call(plugin: Plugin, model: Any, arguments: Mapping[str, Any], options: Mapping[str, Any]) -> Any:
    """Run a plugin as its public function does.

    Parameters
    ----------
    plugin : Plugin
        The plugin.
    model : keras.Model, path or ModelAdapter
        The model.
    arguments : mapping
        "images" and "target", as far as the plugin takes them and they are given.
    options : mapping
        The options that are given.

    Returns
    -------
    Attributions, FeatureMaps, Kernels, Images, Architecture or Diagnosis
        What the plugin returns, of all batches.
    """
    all_options = plugin.checked_options(options)
    adapter = as_adapter(model)
    registry.check_needs(plugin, adapter)
    if "images" in plugin.takes:
        run = MethodRun.of(
            plugin, adapter, load_images(adapter, arguments["images"]), arguments.get("target"), all_options
        )
        parts = _tracked(run)
        first = next(parts)
        return _completed(type(first[2]).collect(_chain(first, parts), run.context), adapter, run.context.options)
    all_options = _with_layer_paths(all_options, adapter)
    result = plugin.run(adapter, *([arguments.get("target")] if "target" in plugin.takes else []), **all_options)
    return _completed(result, adapter, all_options)


def stream(
    plugin: Plugin, model: Any, images: Any, target: Any = None, options: Mapping[str, Any] | None = None
) -> Iterator[Attributions]:
    """Explain images a batch at a time.

    Parameters
    ----------
    plugin : Plugin
        The plugin, one that explains images.
    model : keras.Model, path or ModelAdapter
        The model.
    images : path, image, array of shape (N, H, W, C), or a list
        The images.
    target : optional
        What is explained, default None: the class that the model predicts for each image.
    options : mapping, default None
        The options that are given.

    Yields
    ------
    Attributions
        Of the images of one batch; `Attributions.join` of all is what the plugin's public function returns.

    Examples
    --------
    >>> import vizcnn as vz
    >>> from vizcnn.plugins import door, registry
    >>> cnn = vz.adapt(vz.assets.DIGITS_CNN, batch_size=4)
    >>> [result.values.shape for result in door.stream(registry.get("saliency"), cnn, vz.assets.digits())]
    [(4, 28, 28), (4, 28, 28), (2, 28, 28)]
    """
    all_options = plugin.checked_options(options or {})
    adapter = as_adapter(model)
    registry.check_needs(plugin, adapter)
    run = MethodRun.of(plugin, adapter, load_images(adapter, images), target, all_options)
    for part in run.batches():
        yield run.answer(part, run.context.images.inputs(part))


class MethodRun:
    """A method at work on images: it is handed one batch after another, by whoever reads the images.

    Parameters
    ----------
    plugin : Plugin
        The method.
    context : Context
        The model, all images, their score, and the options as its result has them.
    options : mapping
        The options as the method takes them.
    """

    def __init__(self, plugin: Plugin, context: Context, options: Mapping[str, Any]) -> None:
        self.plugin, self.context, self._options = plugin, context, options
        self._waiting: deque[tuple[slice, np.ndarray]] = deque()
        self._results: Iterator[Attributions] | None = None

    @classmethod
    def of(
        cls, plugin: Plugin, model: ModelAdapter, images: ImageSet, target: Any, options: Mapping[str, Any]
    ) -> MethodRun:
        """Resolve the target and the layer, and begin."""
        all_options = _with_layer_paths(options, model)
        score = resolve_on(target, model, images) if "target" in plugin.takes else None
        read = with_images(all_options, model, images.sample_shape)
        return cls(plugin, Context(model, plugin.name, images, score, shown(all_options)), read)

    def on(self, images: ImageSet, target: Any) -> MethodRun:
        """Return the same method with the same options, on other images and another target."""
        score = resolve_on(target, self.context.model, images)
        return MethodRun(self.plugin, replace(self.context, images=images, score=score), self._options)

    def batches(self) -> list[slice]:
        """Return which images make up each batch."""
        images = self.context.images
        return list(slices(len(images), self.context.model.batch_size_for(images.sample_shape)))

    def raw(self, part: slice, inputs: np.ndarray) -> Any:
        """Return what the plugin returns of a batch."""
        score = [] if self.context.score is None else [self.context.score[part]]
        return self.plugin.run(self.context.model, inputs, *score, **self._options)

    def maps(
        self, inputs: np.ndarray, score: Score, *, model: ModelAdapter | None = None, seed: int | None = None
    ) -> np.ndarray:
        """Return the maps of any inputs by the same method with the same options.

        Parameters
        ----------
        inputs : ndarray, shape (N, H, W, C)
            The model's inputs.
        score : Score
            What is explained of them.
        model : ModelAdapter, default None
            Another model with the same layers; None: the method's own.
        seed : int, default None
            Another seed, where the method has one; None: its own.

        Returns
        -------
        ndarray of float32, shape (N, H, W)
            As `Attributions.map` gives them: at the inputs' size, channels summed.

        Raises
        ------
        CapabilityError
            If that model can't answer what the method needs.
        """
        model = model or self.context.model
        registry.check_needs(self.plugin, model)
        options = self._options if seed is None or "seed" not in self._options else {**self._options, "seed": seed}
        batch: AttributionBatch = self.plugin.run(model, inputs, score, **options)
        values, _, _ = over_inputs(batch.values, batch.layer, model, inputs.shape[1:])
        return np.stack([one_per_place(value, inputs.ndim - 2) for value in values])

    def answer(self, part: slice, inputs: np.ndarray) -> Attributions:
        """Return the result of a batch.

        Parameters
        ----------
        part : slice
            Where its images are among all of them.
        inputs : ndarray, shape (N, H, W, C)
            The model's inputs.

        Returns
        -------
        Attributions
        """
        self._waiting.append((part, inputs))
        if self._results is None:
            parts = self._parts()
            first = next(parts)
            self._results = type(first[2]).stream(_chain(first, parts), self.context)
        return next(self._results)

    def _parts(self) -> Iterator[tuple[slice, np.ndarray, Any]]:
        while self._waiting:
            part, inputs = self._waiting.popleft()
            yield part, inputs, self.raw(part, inputs)


def _with_layer_paths(options: Mapping[str, Any], model: ModelAdapter) -> dict[str, Any]:
    named = {option: options[option] for option in ("layer", "layers") if options.get(option) is not None}
    several = {"layers": [named["layers"]]} if isinstance(named.get("layers"), str) else {}
    return {**options, **{option: _paths(given, model) for option, given in {**named, **several}.items()}}


def _paths(given: Any, model: ModelAdapter) -> Any:
    return [model.layer(one).path for one in given] if isinstance(given, list | tuple) else model.layer(given).path


def _completed(result: Any, adapter: ModelAdapter, options: Mapping[str, Any]) -> Any:
    """Write the options onto a result, and what the model's adapter notes; and warn of its notes, once."""
    if not isinstance(result, Picture):  # a stranger's plugin may return what it likes
        return result
    complete: Any = result
    warn_of(complete, adapter)
    notes = (*complete.notes, *(note for note in adapter.notes if note not in complete.notes))
    return replace(complete, options={**options, **complete.options}, notes=notes)


def warn_of(result: Any, adapter: ModelAdapter) -> None:
    """Warn of what a result notes; of its own notes the adapter warns, once."""
    warn(note for note in result.notes if note not in adapter.notes)


def load_images(adapter: ModelAdapter, images: Any) -> ImageSet:
    """Load images as a model takes them, and get the model ready for them."""
    image_set = adapter.load_images(images)
    adapter.prepare(image_set.sample_shape)
    return image_set


def _tracked(run: MethodRun) -> Iterator[tuple[slice, np.ndarray, Any]]:
    images, batches = run.context.images, run.batches()
    for part in track(batches, len(batches), f"{run.plugin.name}, {len(images)} images"):
        inputs = images.inputs(part)
        yield part, inputs, run.raw(part, inputs)


def _chain(first: Any, rest: Iterator[Any]) -> Iterator[Any]:
    yield first
    yield from rest
