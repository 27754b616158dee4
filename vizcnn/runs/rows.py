"""The columns of a run's rows, and of its journals, which keep the maps beside them until a shard is written."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from vizcnn.runs.layout import MapLayout, RunFolder

if TYPE_CHECKING:
    import pandas

_OF_IMAGES = {
    "index": pa.int64(),
    "path": pa.string(),
    "sha256": pa.string(),
    "label": pa.string(),
    "label_class": pa.int32(),
    "target": pa.string(),
    "target_class": pa.int32(),
    "target_probability": pa.float32(),
    "score": pa.float32(),
    "prediction": pa.string(),
    "predicted_class": pa.int32(),
    "probability": pa.float32(),
    "top_labels": pa.list_(pa.string()),
    "top_classes": pa.list_(pa.int32()),
    "top_probabilities": pa.list_(pa.float32()),
    "error": pa.string(),
}


def rows_schema(layouts: Iterable[MapLayout]) -> pa.Schema:
    """Return the columns of rows: those of images, and by method those of its maps."""
    columns = dict(_OF_IMAGES)
    for layout in layouts:
        columns |= {name: pa.float32() for name in layout.numbers}
        columns |= {f"{layout.method}.notes": pa.list_(pa.string()), f"{layout.method}.error": pa.string()}
    return pa.schema(columns)


def journal_schema(layouts: Iterable[MapLayout]) -> pa.Schema:
    """Return the columns of a journal: those of rows, and the maps."""
    layouts = list(layouts)
    maps = [pa.field(maps_column(layout), pa.binary(layout.num_bytes)) for layout in layouts]
    return pa.schema([*rows_schema(layouts), *maps])


def maps_column(layout: MapLayout) -> str:
    """Return the column of a journal that holds the maps of a method."""
    return f"{layout.method}.map"


class Columns:
    """The columns of a batch while they are filled: what was said first of an image stays, what nobody says is missing.

    Parameters
    ----------
    schema : Schema
        The columns.
    count : int
        How many images there are.
    """

    def __init__(self, schema: pa.Schema, count: int) -> None:
        self._schema = schema
        self._columns: dict[str, list[Any]] = {name: [None] * count for name in schema.names}

    def take(
        self, found: Mapping[str, Sequence[Any]], places: Iterable[int] | None = None, of: Iterable[int] | None = None
    ) -> None:
        """Write down what was found.

        Parameters
        ----------
        found : mapping of str to sequence
            Columns, with a value for each image.
        places : iterable of int, default None
            The images that it is written down of; None: all.
        of : iterable of int, default None
            Where in the columns these images are; None: at their places.
        """
        for name, values in found.items():
            column = self._columns[name]
            at = range(len(column)) if places is None else list(places)
            for place, row in zip(at, at if of is None else of, strict=True):
                if column[place] is None:
                    column[place] = values[row]

    def record_batch(self) -> pa.RecordBatch:
        """Return them as journals hold them."""
        arrays = [pa.array(self._columns[field.name], field.type) for field in self._schema]
        return pa.RecordBatch.from_arrays(arrays, schema=self._schema)


def maps_of(table: pa.Table, layout: MapLayout) -> np.ndarray:
    """Return the maps that a journal holds of a method, (N, H, W) in float16; NaN where there is none."""
    missing = np.full(layout.shape, np.nan, np.float16).tobytes()
    data = b"".join(missing if one is None else one for one in table.column(maps_column(layout)).to_pylist())
    return np.frombuffer(data, np.float16).reshape(-1, *layout.shape)


def predictions_of(folder: RunFolder) -> pandas.DataFrame:
    """Return "label_class", "predicted_class" and "probability" of all images of a finished run, by their places."""
    columns = ["index", "label_class", "predicted_class", "probability"]
    return pa.concat_tables(read_all_rows(folder, folder.finished(), columns)).to_pandas().set_index("index")


def write_rows(folder: RunFolder, shard: int, table: pa.Table) -> None:
    """Write the rows of a shard whole or not at all."""
    data = pa.BufferOutputStream()
    pq.write_table(table, data, compression="zstd")
    folder.storage.write(folder.rows(shard), data.getvalue().to_pybytes())


def read_rows(folder: RunFolder, shard: int, columns: Sequence[str] | None = None) -> pa.Table:
    """Return the rows of a shard, or some columns of them.

    Returns
    -------
    pyarrow.Table

    Raises
    ------
    ResultError
        If they can't be read.
    """
    name = folder.rows(shard)
    with folder.storage.reading(name):
        return pq.read_table(folder.storage.for_arrow(name), columns=columns)


def read_all_rows(folder: RunFolder, shards: Iterable[int], columns: Sequence[str] | None = None) -> Iterator[pa.Table]:
    """Yield the rows of shards in their order; from afar the next ones are read meanwhile.

    Yields
    ------
    pyarrow.Table
    """
    at_once = folder.storage.reads_at_once
    if at_once == 1:
        yield from (read_rows(folder, shard, columns) for shard in shards)
        return
    with ThreadPoolExecutor(at_once, "vizcnn-rows") as pool:
        waiting: deque[Future[pa.Table]] = deque()
        try:
            for shard in shards:
                waiting.append(pool.submit(read_rows, folder, shard, columns))
                if len(waiting) == at_once:
                    yield waiting.popleft().result()
            while waiting:
                yield waiting.popleft().result()
        finally:
            pool.shutdown(cancel_futures=True)
