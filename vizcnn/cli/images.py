"""Images as they are typed: files and folders, of which some can't be read."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

import typer

from vizcnn.cli.console import fail
from vizcnn.errors import InputError
from vizcnn.inputs import ImageSet, image_files, load

if TYPE_CHECKING:
    from vizcnn.adapter import ModelAdapter


@dataclass(frozen=True)
class Unreadable:
    """A file or folder that can't be read, and why."""

    path: Path
    error: str


def find_images(paths: Iterable[Path]) -> tuple[list[Path], list[Unreadable]]:
    """Return the files that paths and folders mean, each once, and the folders that hold none."""
    found: dict[Path, Path] = {}
    bad = []
    for path in paths:
        try:
            for file in image_files([path]):
                found.setdefault(file.resolve(), file)
        except InputError as error:
            bad.append(Unreadable(path, str(error)))
    return list(found.values()), bad


def check_images(files: Iterable[Path], model: ModelAdapter) -> Iterator[ImageSet | Unreadable]:
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
            yield Unreadable(file, str(error))
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
        if isinstance(image, Unreadable):
            bad.append(image)
        else:
            good += singles(image)
    for unread in bad:
        fail(unread.error)
    if not good:
        raise typer.Exit(2)
    together = load(
        [image.sources[0] for image in good],
        good[0].sample_shape,
        preprocess=model.preprocess,
        decoding=model.decoding,
    )
    return replace(together, names=tuple(image.names[0] for image in good)), bool(bad)
