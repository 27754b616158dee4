"""Names of the pictures that commands write: safe on every file system, and no two alike."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from itertools import count
from pathlib import Path

from vizcnn.errors import ResultError

GRID = "explanation"
"""The part of a file's name that stands for all methods side by side."""


def method_slugs(methods: Sequence[str]) -> dict[str, str]:
    """Return the part of a file's name that stands for each method, and for all of them; no two alike."""
    chosen = {GRID: GRID}
    for method in methods:
        # No dots, so that the last one in a file's name ends the name of the image.
        slug = _cut(re.sub(r"[^\w+-]+", "-", method).strip("-"), 80)
        chosen[method] = _fresh(slug, chosen.values())
    return chosen


def plan(files: Sequence[Path], slugs: Mapping[str, str], out: Path) -> list[dict[str, Path]]:
    """Return, for each image, where the picture of each method goes.

    No two are alike, on file systems that know no upper case too. Images of one name get their suffix or folder into it, and
    a number where that doesn't tell them apart.

    Parameters
    ----------
    files : sequence of Path
        The images.
    slugs : mapping
        Methods to the part of a file's name that stands for each.
    out : Path
        The folder.

    Returns
    -------
    list of dict
        Methods to files, for each image.

    Raises
    ------
    ResultError
        If a picture would replace an image.
    """
    planned = [{method: out / f"{stem}.{slug}.png" for method, slug in slugs.items()} for stem in _stems(files)]
    written = {path for paths in planned for path in paths.values()}
    written |= {classes_file(path) for path in written}
    replaced = {file.resolve() for file in files} & {path.resolve() for path in written}
    if replaced:
        raise ResultError(
            f"`out` must not hold images that a picture would replace; got {str(out)!r}, with {min(replaced).name!r}."
        )
    return planned


def classes_file(path: Path) -> Path:
    """Return where the map of predicted classes goes, beside the picture of a method that has one."""
    return path.with_suffix(".classes.png")


def _stems(files: Sequence[Path]) -> list[str]:
    forms = [
        [safe_name(file.stem), safe_name(file.name), safe_name(f"{file.absolute().parent.name}-{file.stem}")]
        for file in files
    ]
    counts = [Counter(form.casefold() for form in column) for column in zip(*forms, strict=True)]
    chosen: list[str] = []
    for form in forms:
        alone = (name for name, count in zip(form, counts, strict=True) if count[name.casefold()] == 1)
        chosen.append(_fresh(next(alone, form[-1]), chosen))
    return chosen


def _fresh(name: str, taken: Iterable[str]) -> str:
    used = {other.casefold() for other in taken}
    numbered = (f"{name}-{number}" if number > 1 else name for number in count(1))
    return next(candidate for candidate in numbered if candidate.casefold() not in used)


def file_stems(names: Sequence[str], most: int = 140) -> list[str]:
    """Return a file's name for each name, of so many bytes; no two alike on file systems that know no upper case too."""
    chosen: list[str] = []
    for name in names:
        chosen.append(_fresh(safe_name(name, most), chosen))
    return chosen


def safe_name(name: str, most: int = 140) -> str:
    """Return a name that every file system takes, and that leaves room for the method's."""
    text = re.sub(r"[^\w.()+ -]+", "_", name).strip(" .") or "image"
    return _cut(text, most)


def _cut(text: str, most: int) -> str:
    """Return the beginning of a text that takes no more bytes in a file's name."""
    return text.encode(errors="ignore")[:most].decode(errors="ignore")
