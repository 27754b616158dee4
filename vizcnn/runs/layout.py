"""What lies where in the folder of a run, and which columns its rows have.

::

    manifest.json            what was run: model, source, settings, counts
    rows/00000.parquet       a row for each image of a shard; once it is there, the shard is finished
    maps/NAME/c/0/0/0        the maps of a shard by a method: a Zarr array of all images
    failures.jsonl           what couldn't be explained, and why; once all shards are finished
    journal/00000            what a shard that isn't finished knows already
    predictions/             a run of predictions alone, by which a sample was taken
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from vizcnn.files import file_stems
from vizcnn.runs import statistics

MANIFEST, FAILURES = "manifest.json", "failures.jsonl"

_CHUNK_BYTES = 2**18
"""Of one chunk, the least that is read of maps."""


@dataclass(frozen=True)
class MapLayout:
    """The maps of a method, as they are kept.

    Attributes
    ----------
    method : str
        The method, with its options.
    stem : str
        The name of its array.
    shape : tuple of int
        Rows and columns of a map; (T,) of signals, (D, H, W) of volumes.
    resolution : {"layer", "input"}
        Whether these are of the layer, or of the model's input.
    layer : str or None
        The layer.
    signed : bool
        Whether the method's maps are signed; those of a layer's resolution are kept with their sign in any case.
    measures : tuple of str
        Numbers that belong to each map.
    """

    method: str
    stem: str
    shape: tuple[int, ...]
    resolution: str
    layer: str | None
    signed: bool
    measures: tuple[str, ...]

    @property
    def num_bytes(self) -> int:
        """Bytes of one map, as float16."""
        return 2 * math.prod(self.shape)

    @property
    def axes(self) -> tuple[str, ...]:
        """Names of the axes of all maps."""
        return ("image", *statistics.AXES.get(len(self.shape), map(str, range(len(self.shape)))))

    def chunk(self, shard_size: int) -> int:
        """Return how many maps are read together: the largest part of a shard that keeps within a quarter of a MB."""
        fitting = (
            size
            for size in range(shard_size, 0, -1)
            if shard_size % size == 0 and size * self.num_bytes <= _CHUNK_BYTES
        )
        return next(fitting, 1)

    @property
    def numbers(self) -> tuple[str, ...]:
        """Names of the columns that hold a number of each map, `scale` first."""
        own = ("scale", *statistics.names(len(self.shape)), *self.measures)
        return tuple(f"{self.method}.{name}" for name in own)

    def to_dict(self) -> dict[str, Any]:
        """Return it as JSON takes it."""
        return {
            "array": f"maps/{self.stem}",
            "shape": list(self.shape),
            "resolution": self.resolution,
            "layer": self.layer,
            "signed": self.signed,
            "measures": list(self.measures),
        }

    @classmethod
    def all_of(cls, maps: Mapping[str, Mapping[str, Any]]) -> dict[str, MapLayout]:
        """Return those of a manifest, by method."""
        return {
            method: cls(
                method,
                Path(about["array"]).name,
                tuple(about["shape"]),
                about["resolution"],
                about["layer"],
                about["signed"],
                tuple(about["measures"]),
            )
            for method, about in maps.items()
        }


def stems_of(methods: Sequence[str]) -> dict[str, str]:
    """Return the names of the arrays of methods."""
    return dict(zip(methods, file_stems(methods), strict=True))


def scaled(maps: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return maps as they are kept: as shares of each one's largest magnitude, in float16.

    Parameters
    ----------
    maps : ndarray, shape (N, ...)
        The maps.

    Returns
    -------
    (ndarray of float16, ndarray of float32)
        The shares, -1 to 1, and the scale (N,) that gives the maps back. What is lost of a value v of a map of scale s is at most
        ``abs(v) / 2048 + s / 2**25``.

    Examples
    --------
    >>> import numpy as np
    >>> from vizcnn.runs.layout import scaled
    >>> shares, scale = scaled(np.array([[0.0, 3e-9, -4e-9]]))
    >>> shares.tolist(), scale
    ([[0.0, 0.75, -1.0]], array([4.e-09], dtype=float32))
    """
    flat = np.abs(maps.reshape(len(maps), -1))
    largest = np.max(np.where(np.isfinite(flat), flat, 0), axis=1, initial=0)
    scale = np.where(largest > 0, largest, 1).astype(np.float32)
    shares = maps / scale.reshape(-1, *[1] * (maps.ndim - 1))
    return shares.astype(np.float16), scale


@dataclass(frozen=True)
class RunFolder:
    """The paths in the folder of a run."""

    path: Path

    @property
    def manifest(self) -> Path:
        """The file that says what was run."""
        return self.path / MANIFEST

    @property
    def failures(self) -> Path:
        """The ledger of what couldn't be explained."""
        return self.path / FAILURES

    @property
    def maps(self) -> Path:
        """The folder of the arrays of maps."""
        return self.path / "maps"

    @property
    def journals(self) -> Path:
        """The folder of journals."""
        return self.path / "journal"

    @property
    def predictions(self) -> Path:
        """The folder of the run of predictions by which a sample is taken."""
        return self.path / "predictions"

    def rows(self, shard: int) -> Path:
        """Return the file of a shard's rows."""
        return self.path / "rows" / f"{shard:05d}.parquet"

    def journal(self, shard: int) -> Path:
        """Return the file of a shard's journal."""
        return self.journals / f"{shard:05d}"
