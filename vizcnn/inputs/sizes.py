"""The sizes that images and the frames of clips are brought to, and where each then lies in its input."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol

from vizcnn.errors import InputError
from vizcnn.inputs.fit import Fit
from vizcnn.inputs.geometry import Geometry
from vizcnn.inputs.preprocessing import Preprocess


class Sized(Protocol):
    """An image, or a clip, before it is read."""

    @property
    def size(self) -> tuple[int, int]:
        """Height and width."""


def own_size(source: Sized, preprocess: Any, *, is_open: bool) -> tuple[int, int]:
    """Return the size of an image where the model leaves it open: of what is left of it."""
    if not isinstance(preprocess, Preprocess):
        return source.size
    if preprocess.makes_size and is_open:
        raise InputError(
            f"`image_size` must be given, as the model takes any, and `preprocess` {preprocess.name!r} resizes images itself. "
            f"Give vizcnn.adapt what it resizes them to."
        )
    _, _, kept_height, kept_width = preprocess.fit.kept(source.size)
    return kept_height, kept_width


def geometry_of(sources: Sequence[Sized], preprocess: Any, size: tuple[int, int]) -> tuple[Geometry, ...]:
    """Return where each image lies in its input; () where all are stretched over the whole of it, as is usual."""
    if not isinstance(preprocess, Preprocess) or preprocess.fit == Fit():
        return ()
    return tuple(preprocess.geometry(source.size, size) for source in sources)
