"""Image files in, pictures out: what `vizcnn explain` does, without the command line around it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from vizcnn.cli.console import catch_warnings
from vizcnn.cli.picture_names import GRID, Plan, classes_file, method_slugs
from vizcnn.errors import LayerError, MethodError, OptionError, ResultError, listed
from vizcnn.explanation import Explanation
from vizcnn.inputs import ImageSet
from vizcnn.plugins import registry
from vizcnn.render.style import SHARPEST
from vizcnn.stream import ExplainedBatch, Failure, MethodCall, stream

if TYPE_CHECKING:
    from vizcnn.adapter import ModelAdapter, Prediction
    from vizcnn.algorithms.trust import Trust
    from vizcnn.measures.run import MetricCall
    from vizcnn.results import Attributions


@dataclass
class ImageReport:
    """What became of one image.

    Attributes
    ----------
    image : Path
        The file.
    prediction : Prediction or None
        What the model says of it.
    target, target_probability
        What is explained, and its probability where the model gives one.
    files, layers, measures : dict
        The picture of each method, the layer that it looked at, and the numbers that belong to its map.
    trust : dict
        By method, how far its map can be trusted, where that was asked for.
    grid : Path or None
        The picture of all methods.
    notes : list of (str, str)
        Method (or "image", "model") and what it says.
    error : str or None
        Why it could not be explained.
    """

    image: Path
    prediction: Prediction | None = None
    target: str | None = None
    target_probability: float | None = None
    files: dict[str, Path] = field(default_factory=dict)
    layers: dict[str, str] = field(default_factory=dict)
    measures: dict[str, dict[str, float]] = field(default_factory=dict)
    trust: dict[str, Trust] = field(default_factory=dict)
    grid: Path | None = None
    notes: list[tuple[str, str]] = field(default_factory=list)
    error: str | None = None


def read_calls(methods: Sequence[str], layer: str | None = None) -> list[MethodCall]:
    """Read methods in the registry's text form, each once, and give them the layer where they look at one.

    Parameters
    ----------
    methods : sequence of str
        As in ``"saliency:rule=guided"``.
    layer : str, default None
        The layer of those that name none; None: each decides.

    Returns
    -------
    list of MethodCall

    Raises
    ------
    MethodError, OptionError
        If a method or an option doesn't exist, or none of the methods looks at a layer.
    """
    calls = []
    for name in dict.fromkeys(methods):
        plugin, options = registry.parse(name)
        if not plugin.explains:
            fitting = [other for other in registry.names() if registry.get(other).explains]
            raise MethodError(
                f"`method` {name!r} doesn't explain images. Methods that do: {listed(fitting, limit=30)}."
            )
        if layer is not None and "layer" in plugin.options:
            options.setdefault("layer", layer)
        calls.append(MethodCall(name, plugin, options))
    if layer is not None and not any("layer" in call.plugin.options for call in calls):
        raise OptionError(
            f"`layer` {layer!r} is used by none of the methods {listed(call.name for call in calls)}; leave it out."
        )
    return calls


def explain_images(
    model: ModelAdapter,
    images: ImageSet,
    calls: Sequence[MethodCall],
    target: Any,
    out: Path,
    metrics: Sequence[MetricCall] = (),
    *,
    trust: bool = False,
    regions: Any = None,
) -> Iterator[ImageReport | Failure]:
    """Explain images a batch at a time, and write the pictures of each batch before the next one is begun.

    Parameters
    ----------
    model : ModelAdapter
        The model.
    images : ImageSet
        The images, at the size that the model takes.
    calls : sequence of MethodCall
        The methods.
    target : optional
        What is explained.
    out : Path
        The folder.
    metrics : sequence of MetricCall, default ()
        What is measured of each map.
    trust : bool, default False
        Whether it is measured how far each map can be trusted.
    regions : optional
        Where in each image the object is, for the metrics that ask.

    Yields
    ------
    ImageReport or Failure
        What became of each image; or a method that doesn't work on this model, and why.

    Raises
    ------
    LayerError
        If the layer that was asked for doesn't exist, or a method can't use it.
    """
    named = zip(images.sources, images.names, strict=True)
    paths = [source if isinstance(source, Path) else Path(name) for source, name in named]
    planned = Plan(paths, method_slugs([call.name for call in calls]), out)
    with_layer = {call.name for call in calls if call.options.get("layer") is not None}
    failures: list[Failure] = []

    def on_failure(failure: Failure) -> None:
        if isinstance(failure.error, LayerError) and failure.method in with_layer:
            raise failure.error  # the call is wrong, rather than the model unfit
        failures.append(failure)

    batches = stream(
        model,
        images,
        target,
        calls,
        on_failure=on_failure,
        longest=SHARPEST,
        metrics=metrics,
        trust=trust,
        regions=regions,
    )
    remarks: dict[str, None] = {}
    for batch, messages in _with_messages(batches):
        yield from _told(failures, paths)
        noted = {note for result in batch.results.values() for note in result.notes}
        remarks |= dict.fromkeys(text for text in messages if text not in noted)
        for i, index in enumerate(range(len(images))[batch.part]):
            results = {method: result[i] for method, result in batch.results.items()}
            try:
                yield _write(paths[index], planned[index], results, model.notes, remarks)
            except ResultError as error:  # its file may be a folder, say: the others go on
                yield ImageReport(paths[index], error=str(error))
    yield from _told(failures, paths)


def _with_messages(batches: Iterator[ExplainedBatch]) -> Iterator[tuple[ExplainedBatch, list[str]]]:
    """Yield each batch with what was warned of while it was explained."""
    while True:
        with catch_warnings() as messages:
            batch = next(batches, None)
        if batch is None:
            return
        yield batch, messages


def _told(failures: list[Failure], paths: Sequence[Path]) -> Iterator[ImageReport | Failure]:
    """Yield what failed since the last time."""
    for failure in failures:
        if failure.method is None:
            yield from (ImageReport(paths[index], error=failure.reason) for index in failure.images)
        else:
            yield failure
    failures.clear()


def _write(
    file: Path,
    paths: Mapping[str, Path],
    results: Mapping[str, Attributions],
    of_model: Sequence[str],
    remarks: Iterable[str],
) -> ImageReport:
    """Write the pictures of one image."""
    first = next(iter(results.values()))
    report = ImageReport(file, first.predictions[0], first.target[0], first.probabilities[0])
    of_image = getattr(first.images, "notes", ())
    report.notes = [*(("image", note) for note in of_image), *(("model", note) for note in (*of_model, *remarks))]
    for method, result in results.items():
        with catch_warnings() as messages:
            report.files[method] = result.save(paths[method])
            if result.class_map is not None and result.class_map.ndim == 3:  # of signals and volumes it isn't drawn
                report.files[f"{method} classes"] = result.save_classes(classes_file(paths[method]))
        report.notes += [("picture", text) for text in messages]
        report.notes += [(method, note) for note in result.notes if note not in of_image and note not in of_model]
        if result.layer is not None:
            report.layers[method] = result.layer
        if result.trust:
            report.trust[method] = result.trust[0]
        if result.measures:
            report.measures[method] = {name: float(values[0]) for name, values in result.measures.items()}
    if len(results) > 1:
        with catch_warnings():
            report.grid = Explanation(dict(results)).save(paths[GRID])
    return report
