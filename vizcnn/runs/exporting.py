"""What exports to other programs have in common: a new folder, whole or not at all, and a run's images once more."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from vizcnn.errors import ResultError
from vizcnn.files import unwritable

if TYPE_CHECKING:
    from vizcnn.runs.stored import StoredRun


@contextmanager
def new_folder(path: str | os.PathLike[str]) -> Iterator[Path]:
    """Give a folder to write into, which takes its place once all of it is written.

    Yields
    ------
    Path

    Raises
    ------
    ResultError
        If there is something at its place, or it can't be written.
    """
    target = Path(path).absolute()  # what is written may say where it lies
    if target.exists() and (not target.is_dir() or any(target.iterdir())):
        raise ResultError(f"`path` must be a new folder; {str(path)!r} is there already. Name another one.")
    partial = None
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        partial = Path(tempfile.mkdtemp(prefix=".vizcnn-", suffix=".part", dir=target.parent))
        yield partial
        partial.chmod(0o755)
        if target.exists():
            target.rmdir()
        partial.rename(target)
    except OSError as error:
        raise unwritable(target, error) from error
    finally:
        if partial is not None:
            shutil.rmtree(partial, ignore_errors=True)


def explained_parts(run: StoredRun, method: str) -> Iterator[tuple[list[dict[str, Any]], np.ndarray]]:
    """Yield the rows of a shard whose images have a map, and those maps as they are kept, (n, h, w).

    Maps of a method whose values aren't signed keep none of their sign, as its results do.

    Yields
    ------
    (list of dict, ndarray of float32)
    """
    layout = run.about["maps"][method]
    for rows in run.rows():
        good = rows[rows[f"{method}.scale"].notna()]
        if len(good):
            maps = run.maps(slice(int(rows.index[0]), int(rows.index[-1]) + 1), method)[good.index - rows.index[0]]
            records = good.astype(object).where(good.notna(), None).reset_index().to_dict("records")
            yield records, maps if layout["signed"] else np.maximum(maps, 0)


def checked_method(run: StoredRun, method: str | None, what: str) -> str:
    """Return a method of a run, the first one where none was named.

    Returns
    -------
    str

    Raises
    ------
    ResultError
        If its maps are none of images.
    """
    method = run.layout(method).method
    shape = run.about["maps"][method]["shape"]
    if len(shape) != 2 or len(run.about["settings"]["input_shape"]) != 3:
        raise ResultError(f"{what} shows maps of images (H, W); those of {method!r} have the shape {tuple(shape)}.")
    return method
