"""Several methods on the same images, a batch at a time: each image is read once, and there is one way with what fails."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from vizcnn.adapter import ModelAdapter
from vizcnn.adapter.sharing import sharing
from vizcnn.errors import InputError, MethodError, OptionError, VizcnnError, listed
from vizcnn.inputs import ImageSet
from vizcnn.inputs.regions import Regions
from vizcnn.measures import registry as metric_registry
from vizcnn.measures.run import MetricCall, measured, trusted
from vizcnn.measures.trust import TrustOfBatch
from vizcnn.plugins import door, registry
from vizcnn.plugins.plugin import Plugin
from vizcnn.registry import asked_names, is_one
from vizcnn.results import Attributions
from vizcnn.targets import resolve_on

Method = str | tuple[str, Mapping[str, Any]]


@dataclass(frozen=True)
class MethodCall:
    """A method as it was asked for.

    Attributes
    ----------
    name : str
        With its options, as in "saliency:rule=guided".
    plugin : Plugin
        The method.
    options : dict
        Its options, as far as they were given.
    """

    name: str
    plugin: Plugin
    options: dict[str, Any]


@dataclass(frozen=True)
class Failure:
    """What an explanation skips: a method, which isn't tried again, or an image.

    Attributes
    ----------
    method : str or None
        The method's name; None: the image itself can't be read.
    images : range
        On which images it failed; of a method that doesn't work on the model at all, all of them.
    error : Exception
        What was raised.
    """

    method: str | None
    images: range
    error: Exception

    @property
    def reason(self) -> str:
        """Why, in a line."""
        if isinstance(self.error, VizcnnError):
            return str(self.error)
        return f"{type(self.error).__name__}: {' '.join(str(self.error).split())[:300]}"


OnFailure = Callable[[Failure], None]


@dataclass(frozen=True)
class ExplainedBatch:
    """What all methods answer to some of the images.

    Attributes
    ----------
    part : slice
        Which images.
    results : dict of str to Attributions
        The methods that work, to their results.
    others : dict of int to dict
        The same by rank, 1 for the second most probable class of each image, where that is explained too.
    """

    part: slice
    results: dict[str, Attributions]
    others: dict[int, dict[str, Attributions]]


def read_methods(methods: Sequence[Method] | Method, layer: str | None = None) -> list[MethodCall]:
    """Read methods that explain images, each once.

    Parameters
    ----------
    methods : str, (str, dict), or a sequence of these
        As `explain` takes them.
    layer : str, default None
        The layer of those that look at one and name none; None: each decides.

    Returns
    -------
    list of MethodCall

    Raises
    ------
    MethodError, OptionError
        If there is no such method or option, one explains no images, or none looks at a layer.
    """
    asked: list[Any] = [methods] if is_one(methods) else list(methods)
    if not asked:
        raise OptionError("`methods` must name at least one method; got none.")
    parsed = [registry.parse(method) for method in asked]
    calls = {name: MethodCall(name, *found) for name, found in zip(asked_names(asked), parsed, strict=True)}
    for call in calls.values():
        if not call.plugin.explains:
            raise MethodError(
                f"`methods` must explain images; {call.name!r} doesn't, call vizcnn.{call.plugin.name}(...) instead."
            )
        if layer is not None and "layer" in call.plugin.options and not call.options.get("layers"):
            call.options.setdefault("layer", layer)
    if layer is not None and not any("layer" in call.plugin.options for call in calls.values()):
        raise OptionError(f"`layer` {layer!r} is for methods that look at a layer; none of {listed(calls)} does.")
    return list(calls.values())


def stream(
    model: ModelAdapter,
    images: ImageSet,
    target: Any,
    calls: Sequence[MethodCall],
    *,
    on_failure: OnFailure | None = None,
    longest: int | None = None,
    ranks: int = 1,
    metrics: Sequence[MetricCall] = (),
    trust: bool = False,
    regions: Any = None,
) -> Iterator[ExplainedBatch]:
    """Explain images by several methods, a batch at a time; each image is read once, however many methods there are.

    Parameters
    ----------
    model : ModelAdapter
        The model, made ready for the images.
    images : ImageSet
        The images.
    target : optional
        What is explained; None: the class that the model predicts for each image.
    calls : sequence of MethodCall
        The methods.
    on_failure : callable, default None
        Is told what failed, and the others go on. None: what is raised goes to the caller.
    longest : int, default None
        Most pixels, height and width, that results keep of their images; None: these stay where they are, to be read again when
        they are drawn.
    ranks : int, default 1
        How many of the most probable classes are explained, where `target` is None.
    metrics : sequence of MetricCall, default ()
        What is measured of each map; where that fails, so does the method.
    trust : bool, default False
        Whether it is measured too how far each map can be trusted; not of the less probable classes.
    regions : optional
        Where in each image the object is, for the metrics that ask; see `vizcnn.inputs.regions.Regions.of`.

    Yields
    ------
    ExplainedBatch
        Of the images that could be read, by the methods that work.

    Raises
    ------
    TargetError, CapabilityError
        If the model has no such target, or can't answer what a metric needs.
    OptionError
        If regions are missing, are of another form, or no metric asks for them.

    Examples
    --------
    >>> import vizcnn as vz
    >>> from vizcnn.stream import read_methods, stream
    >>> cnn = vz.adapt(vz.assets.DIGITS_CNN, batch_size=4)
    >>> digits = vz.inputs.load(vz.assets.digits(), cnn.input_shape)
    >>> for batch in stream(cnn, digits, None, read_methods(["saliency", "gradcam"])):
    ...     print(batch.part, {name: len(result) for name, result in batch.results.items()})
    slice(0, 4, None) {'saliency': 4, 'gradcam': 4}
    slice(4, 8, None) {'saliency': 4, 'gradcam': 4}
    slice(8, 10, None) {'saliency': 2, 'gradcam': 2}
    """
    score = resolve_on(target, model, images)
    for one in metrics:
        metric_registry.INSTALLED.check_needs(one.metric, model)
    known = read_regions(regions, images, metrics)
    working: dict[str, door.MethodRun] = {}
    for call in calls:
        with _telling(on_failure, call.name, range(len(images))):
            registry.check_needs(call.plugin, model)
            options = call.plugin.checked_options(call.options)
            working[call.name] = door.MethodRun.of(call.plugin, model, images, score, options)
    wanted = range(1, ranks if target is None else 1)
    for part, kept, inputs in _read(model, images, longest, on_failure) if working else ():
        indices = range(len(images))[part]
        where = None if known is None else known.masks(part)
        results = _answers(working, part, inputs, kept, metrics, on_failure, indices, trust=trust, regions=where)
        working = {name: run for name, run in working.items() if name in results}
        if not results:
            return
        others = {}
        for rank in wanted:
            classes = _classes_of_rank(next(iter(results.values())), rank)
            if classes is not None:
                runs = {name: run.on(kept, classes) for name, run in working.items()}
                of_kept = slice(0, len(kept))
                others[rank] = _answers(runs, of_kept, inputs, kept, metrics, on_failure, indices, regions=where)
        yield ExplainedBatch(part, results, others)
        del results, others, kept, inputs  # before the next batch is read


def _answers(
    runs: Mapping[str, door.MethodRun],
    part: slice,
    inputs: np.ndarray,
    kept: ImageSet,
    metrics: Sequence[MetricCall],
    on_failure: OnFailure | None,
    indices: range,
    *,
    trust: bool = False,
    regions: np.ndarray | None = None,
) -> dict[str, Attributions]:
    results = {}
    measuring: TrustOfBatch | None = None  # what the methods share of it
    model = next(iter(runs.values())).context.model
    with sharing(model, inputs) if len(runs) > 1 else nullcontext():
        for name, run in runs.items():
            with _telling(on_failure, name, indices):
                result, context = replace(run.answer(part, inputs), images=kept), run.context
                if context.score is not None:
                    score, seeded = context.score[part], "seed" in run.plugin.options
                    result = measured(
                        result, model, inputs, score, metrics, method=run.maps, seeded=seeded, regions=regions
                    )
                    if trust:
                        measuring = measuring or TrustOfBatch(model, inputs, score)
                        result = trusted(result, measuring, method=run.maps, seeded=seeded)
                results[name] = result
                del result
    return results


def read_regions(regions: Any, images: ImageSet, metrics: Sequence[MetricCall]) -> Regions | None:
    """Return where in each image the object is, where a metric asks.

    Parameters
    ----------
    regions : optional
        As `vizcnn.explain` takes them.
    images : ImageSet
        The images.
    metrics : sequence of MetricCall
        The metrics.

    Returns
    -------
    Regions or None

    Raises
    ------
    OptionError
        If they are missing, of another form, or nobody asks for them.
    """
    asking = [one.name for one in metrics if "regions" in one.metric.asks]
    if regions is None and asking:
        raise OptionError(
            f"`regions` must say where in each image the object is, for metric {asking[0]!r}: masks or boxes, a folder of masks, "
            f"or a CSV file of boxes."
        )
    if regions is not None and not asking:
        named = [name for name in metric_registry.metrics() if "regions" in metric_registry.get(name).asks]
        raise OptionError(f"`regions` are for metrics that ask for them; ask for one of {listed(named)}.")
    return None if regions is None else Regions.of(regions, images)


def _read(
    model: ModelAdapter, images: ImageSet, longest: int | None, on_failure: OnFailure | None
) -> Iterator[tuple[slice, ImageSet, np.ndarray]]:
    """Yield which images make up each batch, as results keep them, and as the model takes them; each is read once."""
    count, size, start = len(images), model.batch_size_for(images.sample_shape), 0
    while start < count:
        rows, shown, failure = _rows(images, range(start, min(start + size, count)), longest, on_failure)
        part = slice(start, start + len(rows))
        if len(rows):
            kept = images if len(rows) == count else images.part(part)
            inputs = images.preprocessed(rows)
            yield part, kept if longest is None else replace(kept, sources=shown), inputs
            del kept, inputs
        del rows
        start = part.stop
        if failure is not None and on_failure is not None:
            on_failure(failure)
            start += 1


def _rows(
    images: ImageSet, indices: range, longest: int | None, on_failure: OnFailure | None
) -> tuple[np.ndarray, list[Any], Failure | None]:
    """Return images at the model's size and to be shown; where one can't be read, those before it, and what failed."""
    ready = images.rows_of(slice(indices.start, indices.stop)) if longest is None else None
    if ready is not None:
        return ready, [], None
    rows = np.empty((len(indices), *images.sample_shape), dtype=np.float32)
    shown: list[Any] = []
    for row, index in zip(rows, indices, strict=True):
        try:
            shown.append(images.read(index, row, longest))
        except InputError as error:
            if on_failure is None:
                raise
            return rows[: len(shown)], shown, Failure(None, range(index, index + 1), error)
    return rows, shown, None


def _classes_of_rank(result: Attributions, rank: int) -> list[int] | None:
    """Return the class of a rank of each image, the predicted one being first; None where there are none, or not as many."""
    others = [
        [index for index in indices if index != predicted.index]
        for indices, predicted in zip(result.top_indices, result.predictions, strict=False)
    ]
    if not others or min(map(len, others)) < rank:
        return None
    return [of_image[rank - 1] for of_image in others]


@contextmanager
def _telling(on_failure: OnFailure | None, method: str, images: range) -> Iterator[None]:
    """Tell of what fails, where somebody is to be told; a stranger's plugin may raise anything."""
    try:
        yield
    except Exception as error:
        if on_failure is None:
            raise
        on_failure(Failure(method, images, error))
