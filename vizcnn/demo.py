"""The demo: a trained model, its images, and every installed method on them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path
from typing import Any

from vizcnn.adapter import ModelAdapter, adapt
from vizcnn.errors import VizcnnError
from vizcnn.explanation import Explanation, explain
from vizcnn.pictures import file_names, listening, read_jobs
from vizcnn.plugins import registry

PHOTOGRAPH = "https://storage.googleapis.com/download.tensorflow.org/example_images/YellowLabradorLooking_new.jpg"
"""A Labrador, by Mirko (CC BY-SA 3.0); it comes from the same host as Keras's weights."""

_VARIANTS = ("vanilla", "guided", "relu")
_IN_GRID = 3


@dataclass(frozen=True)
class Show:
    """What a demo explains.

    Attributes
    ----------
    title : str
        What it is called.
    model : ModelAdapter
        The model.
    images : list of Path
        Its images.
    methods : list of str
        The methods, with a variant for each gradient rule.
    """

    title: str
    model: ModelAdapter
    images: list[Path]
    methods: list[str]


@dataclass(frozen=True)
class Page:
    """A picture that the demo wrote, or why it could not."""

    name: str
    file: Path | None = None
    notes: tuple[str, ...] = ()
    error: str | None = None


def digits() -> Show:
    """Return the CNN that vizcnn carries, and its ten digits."""
    folder = Path(str(files("vizcnn"))) / "assets"
    model = adapt(folder / "digits_cnn.keras", labels=folder / "digits_cnn.labels.txt")
    return Show("ten handwritten digits", model, sorted((folder / "digits").glob("*.png")), every_method())


def photograph(image: Path | None = None) -> Show:
    """Return MobileNetV2 with its ImageNet weights, and a photograph.

    Parameters
    ----------
    image : Path, default None
        The photograph; None: a public one, which is downloaded.

    Returns
    -------
    Show

    Raises
    ------
    ModelFileError
        If something has to be downloaded and can't be.
    """
    from vizcnn.adapter.loading import download, load_application

    model, labels = load_application("MobileNetV2")
    file = download(PHOTOGRAPH, "the photograph") if image is None else image
    adapter = adapt(model, preprocess="mobilenet_v2", labels=labels)
    return Show("a photograph", adapter, [file], every_method())


def every_method() -> list[str]:
    """Return all methods that explain images, and of those with a gradient rule each variant."""
    found = []
    for name in registry.names():
        plugin = registry.get(name)
        if plugin.explains:
            rules = [rule for rule in _VARIANTS[1:] if rule in plugin.choices("rule")]
            found += [name, *(f"{name}:rule={rule}" for rule in rules)]
    return found


def pages(show: Show, out: Path) -> Iterator[Page]:
    """Write a picture for each method, a row per image; then all methods on a few of the images side by side.

    Methods that reimplement another library's have a grid of their own, named after it: one of all would be too wide to read.
    """
    names = file_names(read_jobs(show.methods))
    grids: dict[str, list[str]] = {}
    for method in show.methods:
        page = _page(show, show.images, [method], out / f"{names[method]}.png", method)
        if page.error is None:
            library, slash, _ = method.partition("/")
            grids.setdefault(f"all-{library}" if slash else "all", []).append(method)
        yield page
    for grid, methods in grids.items():
        yield _page(show, show.images[:_IN_GRID], methods, out / f"{grid}-methods.png", "all methods")


def _page(show: Show, images: list[Path], methods: list[Any], file: Path, name: str) -> Page:
    try:
        with listening():  # the notes are those of the results
            explanation: Explanation = explain(show.model, images, methods=methods)
        notes = dict.fromkeys(note for result in explanation.results.values() for note in result.notes)
        return Page(name, explanation.save(file), tuple(notes))
    except VizcnnError as error:
        return Page(name, error=str(error))
