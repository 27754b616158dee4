"""Image files in, pictures out: what `vizcnn explain` does, without the command line around it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from vizcnn.adapter.base import slices
from vizcnn.cli.console import listening
from vizcnn.cli.picture_names import GRID, Plan, classes_file, method_slugs
from vizcnn.errors import (
    LayerError,
    MethodError,
    OptionError,
    ResultError,
    VizcnnError,
    listed,
)
from vizcnn.explanation import Explanation
from vizcnn.inputs import ImageSet
from vizcnn.plugins import registry
from vizcnn.plugins.plugin import Plugin
from vizcnn.render.panels import ImageAt

if TYPE_CHECKING:
    from vizcnn.adapter import ModelAdapter, Prediction
    from vizcnn.results import Attributions


@dataclass(frozen=True)
class Job:
    """One method as it was asked for: its name with options, and what that means."""

    name: str
    plugin: Plugin
    options: Mapping[str, Any]


@dataclass
class Explained:
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
    grid: Path | None = None
    notes: list[tuple[str, str]] = field(default_factory=list)
    error: str | None = None


def read_jobs(methods: Sequence[str], layer: str | None = None) -> list[Job]:
    """Read methods in the registry's text form, each once, and give them the layer where they look at one.

    Parameters
    ----------
    methods : sequence of str
        As in ``"saliency:rule=guided"``.
    layer : str, default None
        The layer of those that name none; None: each decides.

    Returns
    -------
    list of Job

    Raises
    ------
    MethodError, OptionError
        If a method or an option doesn't exist, or none of the methods looks at a layer.
    """
    jobs = []
    for name in dict.fromkeys(methods):
        plugin, options = registry.parse(name)
        if not plugin.explains:
            fitting = [other for other in registry.names() if registry.get(other).explains]
            raise MethodError(
                f"`method` {name!r} doesn't explain images. Methods that do: {listed(fitting, limit=30)}."
            )
        if layer is not None and "layer" in plugin.options:
            options.setdefault("layer", layer)
        jobs.append(Job(name, plugin, options))
    if layer is not None and not any("layer" in job.plugin.options for job in jobs):
        raise OptionError(
            f"`layer` {layer!r} is used by none of the methods {listed(job.name for job in jobs)}; leave it out."
        )
    return jobs


def explain_images(
    model: ModelAdapter, images: Sequence[ImageSet], jobs: Sequence[Job], target: Any, out: Path
) -> Iterator[Explained | tuple[str, str]]:
    """Explain images a batch at a time, and write the pictures of each batch before the next one is begun.

    Parameters
    ----------
    model : ModelAdapter
        The model.
    images : sequence of ImageSet
        One image each, all of the size that the model takes.
    jobs : sequence of Job
        The methods.
    target : optional
        What is explained.
    out : Path
        The folder.

    Yields
    ------
    Explained or (str, str)
        What became of each image; or a method that doesn't work on this model, and why. It isn't tried again.

    Raises
    ------
    LayerError
        If the layer that was asked for doesn't exist, or a method can't use it.
    """
    files = [image.sources[0] for image in images]
    paths = [s if isinstance(s, Path) else Path(image.names[0]) for image, s in zip(images, files, strict=True)]
    planned = Plan(paths, method_slugs([job.name for job in jobs]), out)
    working = list(jobs)
    said: dict[str, None] = {}
    for part in slices(len(images), model.batch_size_for(images[0].sample_shape)):
        batch = replace(images[0], sources=files[part], names=tuple(path.name for path in paths[part]), notes=())
        runs: dict[str, _Run] = {}
        for job in list(working):
            try:
                runs[job.name] = _run(job, model, batch, target, said)
            except Exception as error:  # a stranger's plugin may raise anything; the others still run
                if isinstance(error, LayerError) and job.options.get("layer") is not None:
                    raise  # the call is wrong, rather than the model unfit
                working.remove(job)
                yield job.name, _reason(error)
        for i in range(len(batch)) if runs else ():
            position = part.start + i
            try:
                yield _write(paths[position], planned[position], runs, i, images[position].notes, said)
            except ResultError as error:  # its file may be a folder, say: the others go on
                yield Explained(paths[position], error=str(error))
        if not working:
            return


@dataclass(frozen=True)
class _Run:
    result: Attributions
    notes: list[list[str]]


def _run(job: Job, model: ModelAdapter, batch: ImageSet, target: Any, said: dict[str, None]) -> _Run:
    """Run a method on a batch, and find out which image each of its notes is about."""
    with listening() as heard:
        result = job.plugin.function(model, batch, target, **job.options)
    # What is heard and not noted is said once for each model, whatever the method and the image.
    said |= dict.fromkeys(text for text in heard if text not in result.notes)
    return _Run(result, [list(one.notes) for one in result])


def _write(
    file: Path, paths: Mapping[str, Path], runs: Mapping[str, _Run], i: int, notes: Iterable[str], said: Iterable[str]
) -> Explained:
    """Write the pictures of one image."""
    picture = ImageAt(next(iter(runs.values())).result.images, i).pixels()  # read once for all methods
    results = {method: replace(run.result[i], images=[picture]) for method, run in runs.items()}
    first = next(iter(results.values()))
    explained = Explained(file, first.predictions[0], first.target[0], first.probabilities[0])
    explained.notes = [("image", note) for note in notes] + [("model", note) for note in said]
    for method, result in results.items():
        with listening() as heard:
            explained.files[method] = result.save(paths[method])
            if result.class_map is not None and result.class_map.ndim == 3:  # of signals and volumes it isn't drawn
                explained.files[f"{method} classes"] = result.save_classes(classes_file(paths[method]))
        explained.notes += [("picture", text) for text in heard]
        explained.notes += [(method, note) for note in runs[method].notes[i]]
        if result.layer is not None:
            explained.layers[method] = result.layer
        if result.measures:
            explained.measures[method] = {name: float(values[0]) for name, values in result.measures.items()}
    if len(results) > 1:
        with listening():
            explained.grid = Explanation(results).save(paths[GRID])
    return explained


def _reason(error: Exception) -> str:
    if isinstance(error, VizcnnError):
        return str(error)
    return f"{type(error).__name__}: {' '.join(str(error).split())[:300]}"
