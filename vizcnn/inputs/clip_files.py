"""Which clips paths and folders mean: files, folders of frames in natural order, folders of either."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path

from vizcnn.errors import InputError, listed
from vizcnn.inputs.frames import VIDEO_SUFFIXES
from vizcnn.inputs.pixels import SUFFIXES
from vizcnn.text import natural_key

CLIP_SUFFIXES = (".gif", ".npy", *VIDEO_SUFFIXES)
"""Files that are a clip each, where they lie in a folder; pictures in a folder are the frames of one clip."""


def clip_paths(paths: Iterable[Path]) -> list[Path]:
    """Return the clips that paths and folders mean, in natural order: files, and folders of frames.

    Parameters
    ----------
    paths : iterable of Path
        Files, taken as they are, folders of frames, and folders that hold clips.

    Returns
    -------
    list of Path

    Raises
    ------
    InputError
        If a folder holds neither, or both.

    Examples
    --------
    >>> import vizcnn as vz
    >>> from vizcnn.inputs.clip_files import clip_paths
    >>> folder = vz.assets.digits()[0].parent
    >>> clip_paths([folder]) == [folder]  # its pictures are the frames of one clip
    True
    """
    return [clip for path in map(Path, paths) for clip in (_clips_in(path) if path.is_dir() else [path])]


def _clips_in(folder: Path, depth: int = 1) -> list[Path]:
    inside = _listed(folder)
    clips = [path for path in inside if path.suffix.lower() in CLIP_SUFFIXES]
    pictures = _frames_among(inside)
    if clips and pictures:
        raise InputError(
            f"`images` folder {str(folder)!r} must hold the frames of one clip, or clips; it holds both, "
            f"{pictures[0].name!r} and {clips[0].name!r}. Put them in folders of their own."
        )
    if clips or pictures:
        return clips or [folder]
    folders = [path for path in inside if depth and path.is_dir()]
    if not folders:
        suffixes = listed([*CLIP_SUFFIXES, *SUFFIXES], limit=20)
        raise InputError(f"`images` folder {str(folder)!r} holds no clip, and no frames of one ({suffixes}).")
    return [clip for inner in folders for clip in _clips_in(inner, depth - 1)]


def pictures_in(folder: Path) -> list[Path]:
    """Return the pictures in a folder, in natural order."""
    return _frames_among(_listed(folder))


def _frames_among(paths: Sequence[Path]) -> list[Path]:
    suffixes = set(SUFFIXES) - set(CLIP_SUFFIXES)
    return [path for path in paths if path.suffix.lower() in suffixes]


def _listed(folder: Path) -> list[Path]:
    """Return what a folder holds in natural order: frame_2 before frame_10."""
    try:
        return sorted(folder.iterdir(), key=lambda path: natural_key(path.name))
    except OSError as error:
        raise InputError(f"`images` folder {str(folder)!r} can't be read: {error.strerror or error}.") from error
