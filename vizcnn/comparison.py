"""Methods beside each other, measured on the same images: how good each map is, and which method serves a model best."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from typing import Any

import numpy as np

from vizcnn.adapter import ModelAdapter, as_adapter
from vizcnn.algorithms.null_maps import NULLS, null_maps
from vizcnn.errors import InputError, OptionError, VizcnnError, listed, warn
from vizcnn.inputs import ImageSet
from vizcnn.measures import registry as metric_registry
from vizcnn.measures.run import Asked, MetricCall, read_metrics
from vizcnn.plugins import door, registry
from vizcnn.progress import duration, track
from vizcnn.race import Answer, Entry, Race
from vizcnn.registry import asked_names, is_one
from vizcnn.results import AttributionBatch, Attributions, Comparison, Context
from vizcnn.stream import Method, MethodCall, read_methods, read_regions
from vizcnn.targets import resolve_on
from vizcnn.targets.score import Score

DEFAULT_METRICS = ("deletion", "insertion")
"""What methods are compared by where nothing is named: what costs little and works on any model."""

MIN_TOLD_SECONDS = 60.0
"""Seconds from which on a warning says how long it takes."""


def evaluate(
    model: Any,
    images: Any,
    maps_or_methods: Any,
    metrics: Sequence[Asked] | Asked = DEFAULT_METRICS,
    target: Any = None,
    *,
    nulls: bool = False,
    regions: Any = None,
) -> Comparison:
    """Measure maps, wherever they come from.

    Parameters
    ----------
    model : keras.Model, path or ModelAdapter
        The model.
    images : path, image, array of shape (N, H, W, C), or a list
        The images. See the glossary for all forms.
    maps_or_methods : ndarray of shape (N, H, W), Attributions, name of a method, a list of names, or a mapping
        What is measured: maps, at any size, which are stretched over the inputs; what a method returned; or methods, which are
        run, with options as `explain` takes them. A mapping gives names of your own to any of these.
    metrics : sequence of str or (str, dict), default ("deletion", "insertion")
        The metrics, with options as `explain` takes them; see `vizcnn.metrics`.
    target : optional
        What the maps explain, default None: the class that the model predicts for each image. See `vizcnn.targets`.
    nulls : bool, default False
        Whether maps without meaning are measured too, for comparison: edges, a spot in the middle, and chance.
    regions : optional
        Where in each image the object is, for the metrics that ask, as `explain` takes them. Default None: none is known.

    Returns
    -------
    Comparison
        `values` (methods, metrics, N): each number; `.to_frame()`, `.plot()`, `.save()`.

    Raises
    ------
    OptionError
        If there is nothing to measure, or not a map for each image.
    MethodError, CapabilityError
        If a method or a metric doesn't exist, or doesn't work on this model.

    Examples
    --------
    >>> import numpy as np, vizcnn as vz
    >>> cnn, digits = vz.assets.digits_cnn(), vz.assets.digits()[:3]
    >>> noise = np.random.default_rng(0).normal(size=(3, 28, 28))
    >>> measured = vz.evaluate(cnn, digits, {"mine": noise, "theirs": "gradcam"}, metrics="insertion")
    >>> measured.values.shape, measured.standings[0].method
    ((2, 1, 3), 'theirs')
    """
    asked = _named(maps_or_methods)
    calls = read_metrics(metrics)
    _check_metrics(calls)
    adapter = as_adapter(model)
    loaded = door.load_images(adapter, images)
    score = resolve_on(target, adapter, loaded)
    for metric in calls:
        metric_registry.INSTALLED.check_needs(metric.metric, adapter)
    entries = [_entry(name, one, adapter, loaded, score) for name, one in asked.items()]
    entries += _nulls(adapter, loaded, score) if nulls else []
    race = Race(adapter, loaded, score, entries, calls, read_regions(regions, loaded, calls))
    return _run(race, "evaluate", {})


def compare(
    model: Any,
    images: Any,
    target: Any = None,
    *,
    methods: Sequence[Method] | Method | None = None,
    metrics: Sequence[Asked] | Asked = DEFAULT_METRICS,
    layer: str | None = None,
    nulls: bool = True,
    max_seconds: float | None = None,
    regions: Any = None,
) -> Comparison:
    """Compare methods on your own images: which maps find what the model decides by, and which can't be told apart.

    Parameters
    ----------
    model : keras.Model, path or ModelAdapter
        The model.
    images : path, image, array of shape (N, H, W, C), or a list
        The images, twenty or more: few can't tell methods apart. See the glossary for all forms.
    target : optional
        What is explained, default None: the class that the model predicts for each image. See `vizcnn.targets`.
    methods : sequence of str or (str, dict), default None
        Names, with options as `explain` takes them. None: every method of vizcnn's own that works on the model and takes no more
        than 5 seconds an image; the others are named in `left_out`, with the reason.
    metrics : sequence of str or (str, dict), default ("deletion", "insertion")
        What they are compared by; see `vizcnn.metrics`. Those that describe a map and don't judge it, such as `sparseness`, rank
        by taste.
    layer : str, default None
        The layer, for the methods that look at one.
    nulls : bool, default True
        Whether maps without meaning are measured too: a method that is no better shows nothing of the model.
    max_seconds : float, default None
        When it ends, with the images that are done by then; None: when all are. So does Ctrl-C.
    regions : optional
        Where in each image the object is, for the metrics that ask, as `explain` takes them. Default None: none is known.

    Returns
    -------
    Comparison
        `standings`, `verdicts` in sentences, `.to_frame()`, `.plot()`, `.save()`; with `is_partial` where it was cut short.

    Raises
    ------
    MethodError, OptionError, CapabilityError, LayerError
        If a method, a metric, an option or a layer doesn't exist, or one that was named doesn't work on this model.

    Warnings
    --------
    The first is the best by these metrics on these images, and by no more: all of them show the model images as it never saw one.

    Notes
    -----
    Methods are ranked in each image by each metric; the mean of these ranks orders them. Intervals hold 95 % of means over images
    that are drawn anew. Whether the order is more than chance is told by parting the images in two halves, many times: where
    Kendall's tau between the orders of the halves isn't above 0 in 95 % of them, there is no difference. Methods and metrics are
    timed on the first few images, and where all of it takes over a minute, a warning says so then.

    Examples
    --------
    >>> import vizcnn as vz
    >>> compared = vz.compare(vz.assets.digits_cnn(), vz.assets.digits(), methods=["gradcam", "saliency"])
    >>> compared
    <Comparison of 2 methods by 2 metrics on 10 images>
    """
    race = prepare(
        model,
        images,
        target,
        methods=methods,
        metrics=metrics,
        layer=layer,
        nulls=nulls,
        max_seconds=max_seconds,
        regions=regions,
    )
    asked = {"layer": layer, "max_seconds": max_seconds}
    return _run(race, "compare", {name: value for name, value in asked.items() if value is not None})


def prepare(
    model: Any,
    images: Any,
    target: Any = None,
    *,
    methods: Sequence[Method] | Method | None = None,
    metrics: Sequence[Asked] | Asked = DEFAULT_METRICS,
    layer: str | None = None,
    nulls: bool = True,
    max_seconds: float | None = None,
    regions: Any = None,
) -> Race:
    """Return what `compare` runs, checked; its arguments are as there.

    Returns
    -------
    Race
    """
    if max_seconds is not None and not max_seconds > 0:
        raise OptionError(f"`max_seconds` must be above 0, or None; got {max_seconds!r}.")
    named = None if methods is None else read_methods(methods, layer)
    calls = read_metrics(metrics)
    _check_metrics(calls)
    adapter = as_adapter(model)
    for metric in calls:
        metric_registry.INSTALLED.check_needs(metric.metric, adapter)
    left_out: dict[str, str] = {}
    if named is None:
        able = _able(adapter, left_out)
        looks = any("layer" in registry.get(name).options for name in able)
        named = read_methods(able, layer if looks else None)
    for call in named:
        registry.check_needs(call.plugin, adapter)
    loaded = door.load_images(adapter, images)
    score = resolve_on(target, adapter, loaded)
    entries = []
    for call in named:
        try:
            entries.append(_of_method(call.name, call, adapter, loaded, score))
        except VizcnnError as error:
            if methods is not None:
                raise
            left_out[call.name] = str(error)
    if nulls:
        entries += _nulls(adapter, loaded, score)
    known = read_regions(regions, loaded, calls)
    return Race(adapter, loaded, score, entries, calls, known, methods is None, max_seconds, left_out)


def _able(model: ModelAdapter, left_out: dict[str, str]) -> list[str]:
    """Return vizcnn's own methods that explain images of a model, and say of the others why not."""
    able = []
    for name in registry.names():
        plugin = registry.get(name)
        if not plugin.explains or plugin.family == "guest":
            continue
        missing = plugin.missing_needs(model)
        if missing:
            left_out[name] = missing[:1].upper() + missing[1:] + "."
        else:
            able.append(name)
    if not able:
        raise OptionError(f"`model` must be one that some method explains; {model.name!r} is none.")
    return able


def _run(race: Race, method: str, options: Mapping[str, Any]) -> Comparison:
    total, told = len(race.images), False
    what = f"{len(race.entries)} maps by {len(race.metrics)} metrics, {total} images"
    try:
        for done in track(race.steps(), len(race.parts()), what):
            if race.estimate is not None and not told and race.estimate > MIN_TOLD_SECONDS:
                warn([f"Comparing {what} takes about {duration(race.estimate)} on this machine; {done} are done. "
                      f"`max_seconds` and Ctrl-C cut it short, and keep what is done."])  # fmt: skip
            told = told or race.estimate is not None
    except KeyboardInterrupt:
        if not race.has_some:
            raise
    return race.result(method, options)


def _named(asked: Any) -> dict[str, Any]:
    """Return what is to be measured by name."""
    if isinstance(asked, Mapping):
        found = {str(name): one for name, one in asked.items()}
    elif isinstance(asked, Attributions):
        found = {asked.method: asked}
    elif isinstance(asked, str) or (
        isinstance(asked, list | tuple) and all(isinstance(one, str | tuple) for one in asked)
    ):
        several: list[Any] = [asked] if is_one(asked) else list(asked)
        found = dict(zip(asked_names(several), several, strict=True))
    else:
        found = {"map": asked}
    if not found:
        raise OptionError("`maps_or_methods` must hold maps or name a method; got none.")
    return found


def _entry(name: str, asked: Any, model: ModelAdapter, images: ImageSet, score: Score) -> Entry:
    if isinstance(asked, str | tuple):
        (call,) = read_methods(asked)
        registry.check_needs(call.plugin, model)
        return _of_method(name, call, model, images, score)
    maps = _maps_of(name, asked, images)
    signed = asked.signed if isinstance(asked, Attributions) else bool((maps < 0).any())
    context = Context(model, name, images, score, {})
    return Entry(name, _answering(partial(_rows_of, maps), context, signed=signed))


def _of_method(name: str, call: MethodCall, model: ModelAdapter, images: ImageSet, score: Score) -> Entry:
    options = call.plugin.checked_options(call.options)
    run = door.MethodRun.of(call.plugin, model, images, score, options)
    return Entry(name, run.answer, run.maps, is_seeded="seed" in call.plugin.options)


def _nulls(model: ModelAdapter, images: ImageSet, score: Score) -> Iterator[Entry]:
    for name in NULLS:
        answer = _answering(partial(_of_inputs, name), Context(model, name, images, score, {}), signed=False)
        yield Entry(name, answer, partial(_null, name), is_null=True)


def _rows_of(maps: np.ndarray, part: slice, inputs: np.ndarray) -> np.ndarray:
    del inputs
    rows: np.ndarray = maps[part]
    return rows


def _of_inputs(name: str, part: slice, inputs: np.ndarray) -> np.ndarray:
    del part
    return null_maps(inputs)[name]


def _null(name: str, inputs: np.ndarray, *asked: Any, **changed: Any) -> np.ndarray:
    """Return null maps: whatever is asked of whichever model, they are the same."""
    del asked, changed
    return null_maps(inputs)[name]


def _answering(maps: Callable[[slice, np.ndarray], np.ndarray], context: Context, *, signed: bool) -> Answer:
    """Return what makes a result of maps that no method made."""

    def answer(part: slice, inputs: np.ndarray) -> Attributions:
        batch = AttributionBatch(maps(part, inputs), signed=signed)
        (result,) = AttributionBatch.stream([(part, inputs, batch)], context)
        return result

    return answer


def _maps_of(name: str, asked: Any, images: ImageSet) -> np.ndarray:
    """Return maps (N, h, w) that were given, one for each image."""
    given = [asked.map(index) for index in range(len(asked))] if isinstance(asked, Attributions) else asked
    maps = np.asarray(given)
    axes = len(images.sample_shape) - 1
    if maps.dtype.kind not in "fiub" or maps.ndim not in (axes, axes + 1):
        raise OptionError(
            f"`maps_or_methods` must hold arrays of shape (N, H, W), results of methods, or names of methods; got "
            f"{maps.dtype} of shape {maps.shape} as {name!r}. Methods: {listed(registry.names())}."
        )
    maps = maps[None] if maps.ndim == axes else maps
    if len(maps) != len(images):
        raise OptionError(
            f"`maps_or_methods` must hold a map for each of {len(images)} images; got {len(maps)} as {name!r}."
        )
    if not np.isfinite(maps).all():
        raise InputError(f"`maps_or_methods` must hold finite numbers; {name!r} holds NaN or infinity.")
    return maps.astype(np.float32)


def _check_metrics(calls: Sequence[MetricCall]) -> None:
    if not calls:
        raise OptionError("`metrics` must name at least one metric; got none.")
