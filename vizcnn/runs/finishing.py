"""The beginning and the end of a run's folder: each by one process at a time."""

from __future__ import annotations

import json
import re
import time
from collections import Counter
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from functools import reduce
from pathlib import Path
from typing import Any, BinaryIO

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from vizcnn.errors import ResultError
from vizcnn.files import unwritable, write_file
from vizcnn.runs.journal import Journal
from vizcnn.runs.layout import RunFolder
from vizcnn.runs.manifest import Manifest
from vizcnn.runs.maps import begin_arrays

_OWN = {"manifest.json", "failures.jsonl", "rows", "maps", "journal", "predictions"}


def check_folder(folder: RunFolder) -> None:
    """Make sure that a folder that is no run yet is empty, and can be written.

    Raises
    ------
    ResultError
        If not, or it is the address of an object store.
    """
    if re.match(r"[A-Za-z][A-Za-z0-9+.-]+:/", folder.path.as_posix()):
        raise ResultError(
            f"`out` must be a folder of a file system; got {folder.path.as_posix()!r}. A run appends to its journals, which an "
            f"object store doesn't let it: name a folder, and copy that when the run is complete."
        )
    try:
        folder.journals.mkdir(parents=True, exist_ok=True)
        others = [one.name for one in folder.path.iterdir() if one.name not in _OWN and not _is_partial(one)]
    except OSError as error:
        raise unwritable(folder.path, error, "out") from error
    if others:
        with suppress(OSError):
            folder.journals.rmdir()
        raise ResultError(
            f"`out` must be a new folder, or that of a run; {str(folder.path)!r} holds {others[0]!r}. Name another one."
        )


def begin(folder: RunFolder, manifest: Manifest) -> Manifest:
    """Write what the run is, its manifest last: once that is there, the run has begun.

    Returns
    -------
    Manifest
        That of the folder, where another process was faster.
    """
    with _alone(folder):
        there = Manifest.read(folder)
        if there is not None:
            return there
        begin_arrays(folder, manifest.layouts.values(), manifest.count, manifest.shard_size)
        manifest.write(folder)
        return manifest


def unfinished(folder: RunFolder, manifest: Manifest) -> list[int]:
    """Return the shards that aren't written yet.

    Returns
    -------
    list of int
    """
    return [shard for shard in range(manifest.num_shards) if not folder.rows(shard).exists()]


def forget_failures(folder: RunFolder, manifest: Manifest) -> None:
    """Let the shards in which something failed be worked on anew."""
    for shard in range(manifest.num_shards):
        if folder.rows(shard).exists() and next(_failures(folder, manifest, [shard]), None) is not None:
            folder.rows(shard).unlink()
    with _alone(folder):
        Manifest({**manifest.about, "complete": False, "counts": {"images": manifest.count}}).write(folder)


def finish(folder: RunFolder, manifest: Manifest) -> None:
    """Write the ledger of failures and the counts, once all shards are there, and put away what was left on the way."""
    with _alone(folder):
        shards = range(manifest.num_shards)
        lines = [json.dumps(failure, ensure_ascii=False) + "\n" for failure in _failures(folder, manifest, shards)]

        def write(file: BinaryIO) -> None:
            file.write("".join(lines).encode("utf-8", "backslashreplace"))

        write_file(folder.failures, write, (".jsonl",))
        Manifest({**manifest.about, "complete": True, "counts": _counts(folder, manifest)}).write(folder)
        for partial in filter(_is_partial, folder.path.rglob(".vizcnn-*.part")):
            partial.unlink(missing_ok=True)
    with suppress(OSError):
        folder.journals.rmdir()


def _is_partial(path: Path) -> bool:
    return path.name.startswith(".vizcnn-") and path.suffix == ".part"


@contextmanager
def _alone(folder: RunFolder) -> Iterator[None]:
    lock = None
    while lock is None:
        lock = Journal.claim(folder.journals / "lock", pa.schema([]))
        time.sleep(0 if lock else 0.05)
    try:
        yield
    finally:
        lock.close(remove=True)


def _failures(folder: RunFolder, manifest: Manifest, shards: Iterable[int]) -> Iterator[dict[str, Any]]:
    columns = {"error": None, **{f"{method}.error": method for method in manifest.layouts}}
    for shard in shards:
        table = pq.read_table(folder.rows(shard), columns=["path", *columns])
        some = reduce(pc.or_, [table[column].is_valid() for column in columns])
        for row in table.filter(some).to_pylist():
            for column, method in columns.items():
                if row[column] is not None:
                    yield {"path": row["path"], "method": method, "reason": row[column]}


def _counts(folder: RunFolder, manifest: Manifest) -> dict[str, Any]:
    """Count over all rows, a shard at a time."""
    total: Counter[str] = Counter()
    notes: dict[str, Counter[str]] = {method: Counter() for method in manifest.layouts}
    failed: Counter[str] = Counter()
    columns = [name for method in notes for name in (f"{method}.notes", f"{method}.error")]
    for shard in range(manifest.num_shards):
        table = pq.read_table(folder.rows(shard), columns=["label_class", "predicted_class", "error", *columns])
        right = pc.equal(table["label_class"], table["predicted_class"])  # null where one of them is
        total["unreadable"] += _num_said(table["error"])
        total["labelled"] += _num_said(right)
        total["correct"] += pc.sum(right).as_py() or 0
        for method, kinds in notes.items():
            failed[method] += _num_said(table[f"{method}.error"])
            for found in pc.value_counts(pc.list_flatten(table[f"{method}.notes"])).to_pylist():
                kinds[found["values"]] += found["counts"]
    return {
        "images": manifest.count,
        "unreadable": total["unreadable"],
        "labelled": total["labelled"],
        "correct": total["correct"],
        "methods": {
            method: {"failed": failed[method], "notes": dict(sorted(kinds.items()))} for method, kinds in notes.items()
        },
    }


def _num_said(column: pa.ChunkedArray) -> int:
    return len(column) - int(column.null_count)
