"""What the pictures of many images by several methods are called, and where they go."""

from __future__ import annotations

import os
import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from vizcnn.errors import ResultError
from vizcnn.files import DistinctNames, cut, safe_name

GRID = "explanation"
"""The part of a file's name that stands for all methods side by side."""


def method_slugs(methods: Sequence[str]) -> dict[str, str]:
    """Return the part of a file's name that stands for each method, and for all of them; no two alike."""
    distinct = DistinctNames([GRID])
    # No dots, so that the last one in a file's name ends the name of the image.
    slugs = {method: cut(re.sub(r"[^\w+-]+", "-", method).strip("-"), 80) for method in methods}
    return {GRID: GRID, **{method: distinct.add(slug) for method, slug in slugs.items()}}


class Plan(Sequence[dict[str, Path]]):
    """Where the picture of each method goes, for each image.

    No two are alike, on file systems that know no upper case either. Images of one name get their suffix or folder into it,
    and a number where that doesn't tell them apart.

    Parameters
    ----------
    files : sequence of Path
        The images.
    slugs : mapping
        Methods to the part of a file's name that stands for each.
    out : Path
        The folder.

    Raises
    ------
    ResultError
        If a picture would replace an image.
    """

    def __init__(self, files: Sequence[Path], slugs: Mapping[str, str], out: Path) -> None:
        self._stems = _stems(files)
        self._slugs, self._out = slugs, out
        replaced = self._replaced(files)
        if replaced:
            raise ResultError(
                f"`out` must not hold images that a picture would replace; got {str(out)!r}, with {min(replaced)!r}."
            )

    def __len__(self) -> int:
        return len(self._stems)

    def __getitem__(self, index: int) -> dict[str, Path]:  # type: ignore[override]  # no slices
        return {method: self._out / f"{self._stems[index]}.{slug}.png" for method, slug in self._slugs.items()}

    def _replaced(self, files: Sequence[Path]) -> set[str]:
        """Return the names of images that lie where a picture goes, themselves or by a link."""
        stems, out = set(self._stems), os.path.realpath(self._out)
        endings = [ending for slug in self._slugs.values() for ending in (f".{slug}.png", f".{slug}.classes.png")]
        return {
            name
            for folder, name in _places(files)
            if folder == out and any(name.endswith(end) and name.removesuffix(end) in stems for end in endings)
        }


def _places(files: Sequence[Path]) -> Iterator[tuple[str, str]]:
    """Yield the folder, without links in it, and the name of each image; of a link those of what it leads to, too."""
    real: dict[str, str] = {}  # one look for all images of a folder
    for file in files:
        folder, name = os.path.split(file)
        if folder not in real:
            real[folder] = os.path.realpath(folder)
        yield real[folder], name
        if os.path.islink(file):
            yield os.path.split(os.path.realpath(file))


def classes_file(path: Path) -> Path:
    """Return where the map of predicted classes goes, beside the picture of a method that has one."""
    return path.with_suffix(".classes.png")


def _stems(files: Sequence[Path]) -> list[str]:
    folders: dict[str, str] = {}
    forms = []
    for file in files:
        folder, name = os.path.split(file)
        if folder not in folders:
            folders[folder] = os.path.basename(os.path.abspath(folder))
        stem = os.path.splitext(name)[0]
        forms.append([safe_name(stem), safe_name(name), safe_name(f"{folders[folder]}-{stem}")])
    counts = [Counter(form.casefold() for form in column) for column in zip(*forms, strict=True)]
    distinct = DistinctNames()
    return [
        distinct.add(
            next((name for name, count in zip(form, counts, strict=True) if count[name.casefold()] == 1), form[-1])
        )
        for form in forms
    ]
