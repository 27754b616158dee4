"""Image files in, pictures out: what `vizcnn explain` does, without the command line around it."""

from __future__ import annotations

import re
import tempfile
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

from vizcnn.adapter.base import slices
from vizcnn.cli.console import fail, listening
from vizcnn.cli.picture_names import GRID, Plan, classes_file, method_slugs
from vizcnn.errors import (
    InputError,
    LayerError,
    MethodError,
    OptionError,
    ResultError,
    VizcnnError,
    listed,
)
from vizcnn.explanation import Explanation
from vizcnn.inputs import ImageSet, image_files, load
from vizcnn.plugins import registry
from vizcnn.plugins.plugin import Plugin
from vizcnn.render.panels import shown
from vizcnn.targets import Similarity, resolve

if TYPE_CHECKING:
    import numpy as np

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
    files, layers : dict
        The picture of each method, and the layer that it looked at.
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


def check_folder(out: Path, images: Sequence[Path]) -> None:
    """Make sure that a folder can be written to, without making it, and that its pictures won't be taken for images.

    Parameters
    ----------
    out : Path
        The folder.
    images : sequence of Path
        What is explained.

    Raises
    ------
    ResultError
        If not.
    """
    try:
        _check_folder(out, images)
    except OSError as error:
        raise ResultError(f"`out` {str(out)!r} can't be written: {error.strerror or error}.") from error


def _check_folder(out: Path, images: Sequence[Path]) -> None:
    if any(image.is_dir() and out.resolve() == image.resolve() for image in images):
        raise ResultError(f"`out` must not be a folder whose images are explained; got {str(out)!r}. Name another one.")
    nearest = next(folder for folder in (out, *out.absolute().parents) if folder.exists())
    if not nearest.is_dir():
        raise ResultError(f"`out` {str(out)!r} can't be written: {str(nearest)!r} is a file, not a folder.")
    with tempfile.TemporaryFile(dir=nearest):
        pass


def read_target(text: str | None, model: ModelAdapter) -> Any:
    """Read a target: a label, a class index, one of these for an output, as in ``gender=1``, or ``like:FILE``, another image.

    Parameters
    ----------
    text : str or None
        What was typed; None: the predicted class.
    model : ModelAdapter
        The model, made ready for its images.

    Returns
    -------
    None, int, str, or dict
        What `vizcnn.targets.resolve` takes.

    Raises
    ------
    TargetError
        If the model has no such class.
    """
    target: Any = text
    if text is not None and text not in (model.labels or ()):
        output, equals, rest = text.partition("=")
        if text.startswith("like:"):
            return Similarity(text.removeprefix("like:"))
        target = {output: _index(rest)} if equals and output in model.output_shapes else _index(text)
    resolve(target, model, 1)
    return target


def target_note(text: str | None, model: ModelAdapter) -> list[tuple[str, str]]:
    """Say whether a number that was typed as the target was taken for an index or for a label.

    Parameters
    ----------
    text : str or None
        What was typed.
    model : ModelAdapter
        The model.

    Returns
    -------
    list of (str, str)
        "target" and the note; [] where the target isn't a number.
    """
    before, equals, rest = (text or "").rpartition("=")
    output = model.output_name(before if equals and before in model.output_shapes else None)
    number = rest.strip()
    if not re.fullmatch(r"[+-]?\d+", number):
        return []
    names = model.head(output).names
    if text in (model.labels or ()):
        index = names.index(number) if number in names else None
        other = names[int(number)] if index is not None and 0 <= int(number) < len(names) else None
        beside = "" if other is None or int(number) == index else f"; the class of index {int(number)} is {other!r}"
        return [("target", f"{number} was taken for the label {number!r}, of class index {index}{beside}.")]
    return [
        ("target", f"{number} was taken for a class index, that of {names[int(number)]!r}; no label is {number!r}.")
    ]


def find_images(paths: Iterable[Path]) -> tuple[list[Path], list[Explained]]:
    """Return the files that paths and folders mean, each once, and the folders that hold none."""
    found: dict[Path, Path] = {}
    bad = []
    for path in paths:
        try:
            for file in image_files([path]):
                found.setdefault(file.resolve(), file)
        except InputError as error:
            bad.append(Explained(path, error=str(error)))
    return list(found.values()), bad


def check_images(files: Iterable[Path], model: ModelAdapter) -> Iterator[ImageSet | Explained]:
    """Read each image to its end, and yield it as the model takes it; or why it can't be.

    Where the model leaves the size open, the first good image decides.
    """
    shape = model.input_shape
    for file in files:
        try:
            images = load(
                file, shape, preprocess=model.preprocess, image_size=model.image_size, decoding=model.decoding
            )
            images.preview(0, 1)
        except InputError as error:
            yield Explained(file, error=str(error))
        else:
            shape = images.sample_shape
            yield images


def singles(images: ImageSet) -> list[ImageSet]:
    """Return each image of a set by itself: a file of arrays may hold several."""
    return [
        replace(images, sources=[source], names=(name,))
        for source, name in zip(images.sources, images.names, strict=True)
    ]


def read_images(paths: Iterable[Path], model: ModelAdapter) -> tuple[ImageSet, bool]:
    """Read all images that paths and folders mean as one set, and print which can't be read; exit with 2 where none can.

    Parameters
    ----------
    paths : iterable of Path
        Files and folders.
    model : ModelAdapter
        The model, whose size they get.

    Returns
    -------
    (ImageSet, bool)
        The images, and whether there are others.
    """
    files, bad = find_images(paths)
    good: list[ImageSet] = []
    for image in check_images(files, model):
        if isinstance(image, Explained):
            bad.append(image)
        else:
            good += singles(image)
    for unread in bad:
        fail(str(unread.error))
    if not good:
        raise typer.Exit(2)
    together = load(
        [image.sources[0] for image in good],
        good[0].sample_shape,
        preprocess=model.preprocess,
        decoding=model.decoding,
    )
    return replace(together, names=tuple(image.names[0] for image in good)), bool(bad)


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
    some = [note for note in result.notes if len(batch) > 1 and f" of {len(batch)} images" in note]
    notes = [[note for note in result.notes if note not in some] for _ in range(len(batch))]
    for i, name in enumerate(batch.names) if some else ():
        alone = _run(job, model, replace(batch, sources=batch.sources[i : i + 1], names=(name,)), target, said)
        notes[i] += [note for note in alone.notes[0] if note not in notes[i]]
    return _Run(result, notes)


def _write(
    file: Path, paths: Mapping[str, Path], runs: Mapping[str, _Run], i: int, notes: Iterable[str], said: Iterable[str]
) -> Explained:
    """Write the pictures of one image."""
    picture = shown(next(iter(runs.values())).result.images, i)  # read once for all methods
    results = {method: _one(run.result, i, picture) for method, run in runs.items()}
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
    if len(results) > 1:
        with listening():
            explained.grid = Explanation(results).save(paths[GRID])
    return explained


def _one(result: Attributions, i: int, picture: np.ndarray) -> Attributions:
    one = slice(i, i + 1)
    return replace(
        result,
        values=result.values[one],
        raw=result.raw[one],
        scores=result.scores[one],
        images=[picture],
        target=result.target[one],
        classes=result.classes[one],
        probabilities=result.probabilities[one],
        predictions=result.predictions[one],
        names=result.names[one],
        class_map=None if result.class_map is None else result.class_map[one],
    )


def _reason(error: Exception) -> str:
    if isinstance(error, VizcnnError):
        return str(error)
    return f"{type(error).__name__}: {' '.join(str(error).split())[:300]}"


def _index(text: str) -> int | str:
    return int(text) if re.fullmatch(r"\s*[+-]?\d+\s*", text) else text
