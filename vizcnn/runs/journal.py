"""What a shard's journal keeps: the answers to each of its batches, as they come, until all of them are there."""

from __future__ import annotations

import pyarrow as pa

from vizcnn.runs.layout import RunFolder
from vizcnn.runs.storage import Records


class Journal:
    """The journal of one shard, which belongs to one process as long as that has it open.

    Parameters
    ----------
    records : Records
        Where it is written.
    schema : Schema
        The columns of its batches.
    """

    def __init__(self, records: Records, schema: pa.Schema) -> None:
        self._records, self._schema = records, schema

    @classmethod
    def claim(cls, folder: RunFolder, shard: int, schema: pa.Schema, most: int | None = None) -> Journal | None:
        """Open the journal of a shard, or make it.

        Parameters
        ----------
        folder : RunFolder
            The folder of the run.
        shard : int
            The shard.
        schema : Schema
            The columns of its batches.
        most : int, default None
            Batches of the shard: a journal that holds more is another one's, and is begun anew.

        Returns
        -------
        Journal or None
            None where another process has it open.
        """
        records = folder.storage.records(folder.journal(shard))
        if records is not None and most is not None and records.count > most:
            records.close(remove=True)
            records = folder.storage.records(folder.journal(shard))
        return None if records is None else cls(records, schema)

    @property
    def count(self) -> int:
        """Batches that it holds."""
        return self._records.count

    def append(self, batch: pa.RecordBatch) -> None:
        """Write the answers to the next batch.

        Raises
        ------
        ResultError
            If the disk is full, say; what was there before stays.
        """
        self._records.append(batch.serialize().to_pybytes())

    def table(self) -> pa.Table:
        """Return the answers to all batches."""
        batches = (pa.ipc.read_record_batch(pa.py_buffer(data), self._schema) for data in self._records)
        return pa.Table.from_batches(list(batches), self._schema)

    def close(self, *, remove: bool = False) -> None:
        """Let others have it; it is removed when its shard is written."""
        self._records.close(remove=remove)
