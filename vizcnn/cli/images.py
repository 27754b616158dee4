"""Images as they are typed: files and folders, of which some can't be read."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import typer

from vizcnn.cli.console import echo_error
from vizcnn.errors import InputError
from vizcnn.inputs import ImageSet, image_files

if TYPE_CHECKING:
    from vizcnn.adapter import ModelAdapter


@dataclass(frozen=True)
class Unreadable:
    """A file or folder that can't be read, and why."""

    path: Path
    error: str


def find_images(paths: Iterable[Path], model: ModelAdapter) -> tuple[list[Path], list[Unreadable]]:
    """Return the files that paths and folders mean to a model, each once, and the folders that hold none.

    Of a model of video a folder of pictures is one clip, and returned as it is.
    """
    from vizcnn.inputs.clip_files import clip_paths

    inside = clip_paths if len(model.input_shape) == 4 else image_files
    files: dict[Path, Path] = {}
    bad = []
    for path in paths:
        try:
            for file in inside([path]):
                files.setdefault(file.resolve(), file)
        except InputError as error:
            bad.append(Unreadable(path, str(error)))
    return list(files.values()), bad


def open_images(
    files: Iterable[Path], model: ModelAdapter, *, to_the_end: bool = False
) -> Iterator[ImageSet | Unreadable]:
    """Yield each file's images as the model takes them; or why they can't be.

    Where the model leaves the size open, the first good image decides.

    Parameters
    ----------
    files : iterable of Path
        The files.
    model : ModelAdapter
        The model.
    to_the_end : bool, default False
        Read all their pixels, to know whether they are whole; by default only those of an image that decides on the size.

    Yields
    ------
    ImageSet or Unreadable
    """
    shape = model.input_shape
    for file in files:
        try:
            images = model.load_images(file, shape)
            if to_the_end or None in shape:
                images.preview(0, 1)
        except InputError as error:
            yield Unreadable(file, str(error))
        else:
            shape = images.sample_shape
            yield images


def read_images(paths: Iterable[Path], model: ModelAdapter, *, to_the_end: bool = False) -> tuple[ImageSet, bool]:
    """Open all images that paths and folders mean as one set, and print which can't be; exit with 2 where none can.

    Parameters
    ----------
    paths : iterable of Path
        Files and folders.
    model : ModelAdapter
        The model, whose size they get.
    to_the_end : bool, default False
        See `open_images`.

    Returns
    -------
    (ImageSet, bool)
        The images, and whether there are others.
    """
    files, bad = find_images(paths, model)
    good: list[ImageSet] = []
    for images in open_images(files, model, to_the_end=to_the_end):
        if isinstance(images, Unreadable):
            bad.append(images)
        else:
            good.append(images)
    for unread in bad:
        echo_error(unread.error)
    if not good:
        raise typer.Exit(2)
    return ImageSet.join(good), bool(bad)
