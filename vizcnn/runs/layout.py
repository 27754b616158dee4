"""What lies where in the folder of a run, and which columns its rows have.

::

    manifest.json            what was run: model, source, settings, counts
    rows/00000.parquet       a row for each image of a shard; once it is there, the shard is finished
    maps/NAME/c/0/0/0        the maps of a shard by a method: a Zarr array of all images
    failures.jsonl           what couldn't be explained, and why; once all shards are finished
    journal/00000            what a shard that isn't finished knows already; in an object store a folder of parts
    lock                     of the process that writes the beginning or the end
    predictions/             a run of predictions alone, by which a sample was taken
"""

from __future__ import annotations

import math
import os
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path, PurePath
from typing import Any

import numpy as np

from vizcnn.files import file_stems
from vizcnn.runs import statistics
from vizcnn.runs.local_storage import LocalStorage
from vizcnn.runs.object_storage import ObjectStorage, check_url
from vizcnn.runs.storage import Storage

MANIFEST, FAILURES, JOURNALS, LOCK = "manifest.json", "failures.jsonl", "journal", "lock"

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
    """The folder of a run: where it lies, and what its files are called.

    Attributes
    ----------
    path : Path or str
        The folder; as text, its URL in an object store.
    argument : str, default "out"
        What errors call it.
    """

    path: Path | str
    argument: str = "out"

    @cached_property
    def storage(self) -> Storage:
        """What reads and writes its files."""
        if isinstance(self.path, Path):
            return LocalStorage(self.path, self.argument)
        check_url(self.path, self.argument)
        return ObjectStorage(self.path, self.argument)

    @property
    def name(self) -> str:
        """What it is called."""
        return PurePath(self.path).name

    @property
    def absolute(self) -> str:
        """Where it lies, wherever one asks from."""
        return self.path if isinstance(self.path, str) else str(self.path.absolute())

    @property
    def predictions(self) -> RunFolder:
        """The run of predictions by which a sample is taken."""
        return RunFolder(place_of(f"{self.path}/predictions"), self.argument)

    @staticmethod
    def rows(shard: int) -> str:
        """Return the file of a shard's rows."""
        return f"rows/{shard:05d}.parquet"

    @staticmethod
    def journal(shard: int) -> str:
        """Return what a shard's journal is called."""
        return f"{JOURNALS}/{shard:05d}"

    def is_finished(self, shard: int) -> bool:
        """Tell whether a shard is finished."""
        return self.storage.exists(self.rows(shard))

    def finished(self) -> list[int]:
        """Return the shards that are finished."""
        return self._shards("rows", r"(\d+)\.parquet")

    def begun(self) -> list[int]:
        """Return the shards that have a journal."""
        return self._shards(JOURNALS, r"(\d+)")

    def _shards(self, folder: str, pattern: str) -> list[int]:
        found = (re.fullmatch(pattern, name) for name in self.storage.names(folder))
        return sorted(int(one[1]) for one in found if one)


def place_of(path: str | os.PathLike[str]) -> Path | str:
    """Return where a run lies: the path of a folder, or as text the URL of one in an object store.

    Returns
    -------
    Path or str

    Examples
    --------
    >>> from pathlib import PurePosixPath
    >>> from vizcnn.runs.layout import place_of
    >>> place_of("s3://bucket/run/"), place_of(PurePosixPath("s3://bucket/run"))  # which makes one slash of two
    ('s3://bucket/run', 's3://bucket/run')
    """
    found = re.fullmatch(r"([A-Za-z][A-Za-z0-9+.-]+):(/+)(.*)", os.fspath(path))
    if found is None:
        return Path(path)
    scheme, slashes, rest = found.groups()
    if scheme in ("file", "local"):
        return Path("/" if len(slashes) != 2 else "", rest)
    return f"{scheme}://{rest.rstrip('/')}"
