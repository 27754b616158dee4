"""Where pictures go: checked before anything is computed."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from vizcnn.errors import ResultError
from vizcnn.files import check_path


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
    import tempfile

    if any(image.is_dir() and out.resolve() == image.resolve() for image in images):
        raise ResultError(f"`out` must not be a folder whose images are explained; got {str(out)!r}. Name another one.")
    nearest = next(folder for folder in (out, *out.absolute().parents) if folder.exists())
    if not nearest.is_dir():
        raise ResultError(f"`out` {str(out)!r} can't be written: {str(nearest)!r} is a file, not a folder.")
    with tempfile.TemporaryFile(dir=nearest):
        pass


def check_file(out: Path, suffixes: Sequence[str]) -> None:
    """Make sure that a file can be written, without making it or its folder.

    Parameters
    ----------
    out : Path
        The file.
    suffixes : sequence of str
        Suffixes that it may have.

    Raises
    ------
    ResultError
        If not.
    """
    check_path(out, suffixes, "out")
    check_folder(out.parent, [])
