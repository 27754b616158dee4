"""The maps of a run: for each method an array of Zarr v3, of which a file holds those of a shard."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np
import zarr
from zarr.storage import MemoryStore

from vizcnn.runs.layout import MapLayout, RunFolder


def begin_arrays(folder: RunFolder, layouts: Iterable[MapLayout], count: int, shard_size: int) -> None:
    """Write what the arrays of a run are, without any maps.

    Parameters
    ----------
    folder : RunFolder
        The folder.
    layouts : iterable of MapLayout
        The methods.
    count : int
        How many images there are.
    shard_size : int
        How many maps one file holds.
    """
    store: dict[str, Any] = {}
    zarr.create_group(MemoryStore(store), attributes={"of": "vizcnn run"})
    folder.storage.write("maps/zarr.json", store["zarr.json"].to_bytes())
    for layout in layouts:
        store.clear()
        _array(store, layout, count, shard_size)
        folder.storage.write(f"maps/{layout.stem}/zarr.json", store["zarr.json"].to_bytes())


def write_maps(folder: RunFolder, layout: MapLayout, maps: np.ndarray, shard: int, count: int, shard_size: int) -> None:
    """Write the maps of a shard whole or not at all.

    Parameters
    ----------
    folder : RunFolder
        The folder.
    layout : MapLayout
        The method.
    maps : ndarray of float16, shape (n, H, W)
        The maps of the shard.
    shard : int
        Which shard.
    count, shard_size : int
        As `begin_arrays` takes them.
    """
    store: dict[str, Any] = {}
    start = shard * shard_size
    _array(store, layout, count, shard_size)[start : start + len(maps)] = maps
    for name, data in store.items():
        if name != "zarr.json":  # the one file of these maps; none where all of them are missing
            folder.storage.write(f"maps/{layout.stem}/{name}", data.to_bytes())


def read_maps(folder: RunFolder, layout: MapLayout, places: range) -> np.ndarray:
    """Return the maps of a method at some places, as they are kept, (n, H, W) in float32; NaN where there is none."""
    name = f"maps/{layout.stem}"
    with folder.storage.reading(name):
        array = zarr.open_array(folder.storage.for_zarr(name), mode="r")
        return np.asarray(array[places.start : places.stop], np.float32)


def _array(store: dict[str, Any], layout: MapLayout, count: int, shard_size: int) -> Any:
    return zarr.create_array(
        MemoryStore(store),
        shape=(count, *layout.shape),
        shards=(shard_size, *layout.shape),
        chunks=(layout.chunk(shard_size), *layout.shape),
        dtype="float16",
        compressors=None,  # what is written is then known beforehand, and maps hardly get smaller
        fill_value=float("nan"),
        dimension_names=layout.axes,
        attributes={
            "method": layout.method,
            "layer": layout.layer,
            "values": f"shares of each map's largest magnitude, which rows have as '{layout.method}.scale'",
        },
    )
