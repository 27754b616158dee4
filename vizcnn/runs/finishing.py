"""The beginning and the end of a run's folder: each by one process at a time."""

from __future__ import annotations

import json
import time
from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping
from contextlib import closing, contextmanager
from functools import reduce
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from vizcnn.errors import ResultError
from vizcnn.runs.journal import Journal
from vizcnn.runs.layout import FAILURES, JOURNALS, LOCK, MANIFEST, RunFolder
from vizcnn.runs.manifest import Manifest
from vizcnn.runs.maps import begin_arrays
from vizcnn.runs.rows import journal_schema, read_all_rows

_BEFORE = {LOCK, "maps", "predictions"}
"""What a run leaves that is stopped before its manifest is written."""


def check_folder(folder: RunFolder) -> None:
    """Make sure that a folder that is no run yet is empty, or left by the beginning of one, and can be written.

    Raises
    ------
    ResultError
        If not.
    """
    others = [name for name in folder.storage.names() if name not in _BEFORE and not _is_partial(name)]
    if others and not folder.storage.exists(MANIFEST):  # which another process may have written by now
        raise ResultError(
            f"`out` must be a new folder, or that of a run; {str(folder.path)!r} holds {min(others)!r}. Name another one."
        )
    folder.storage.prepare()


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
        manifest.write(folder, first=True)
        there = Manifest.read(folder) or manifest
        if there.about != manifest.about:  # another machine was faster: the arrays are of its run
            begin_arrays(folder, there.layouts.values(), there.count, there.shard_size)
        return there


def unfinished(folder: RunFolder, manifest: Manifest) -> list[int]:
    """Return the shards that aren't written yet.

    Returns
    -------
    list of int
    """
    return sorted(set(range(manifest.num_shards)) - set(folder.finished()))


def forget_failures(folder: RunFolder, manifest: Manifest, shards: Collection[int]) -> None:
    """Let those of some shards in which something failed be worked on anew, whether they are written or in journals.

    The manifest says before that the run isn't whole any more: who is stopped on the way leaves what can be gone on with.
    """
    errors, schema = _errors(manifest.layouts), journal_schema(manifest.layouts.values())
    with _alone(folder):
        about = {**manifest.about, "complete": False, "counts": {"images": manifest.count}}
        Manifest(about).write(folder)
        finished = [shard for shard in folder.finished() if shard in shards]
        tables = read_all_rows(folder, finished, ["path", *errors])
        failed = {shard for shard, table in zip(finished, tables, strict=True) if any(_failures(table, errors))}
        begun = {shard for shard in folder.begun() if shard in shards} - {*finished}
        for shard in sorted(failed | begun):
            journal = Journal.claim(folder, shard, schema)
            if journal is None:
                continue  # somebody is at work on it
            with closing(journal):
                if shard in failed:
                    folder.storage.remove(folder.rows(shard))
                if shard in failed or any(_failures(journal.table(), errors)):
                    journal.close(remove=True)


def finish(folder: RunFolder, manifest: Manifest) -> None:
    """Write the ledger of failures and the counts, once all shards are there, and put away what was left on the way."""
    with _alone(folder):
        if unfinished(folder, manifest):
            return  # another process lets some be worked on anew
        counts, errors, lines = _Counts(manifest.layouts), _errors(manifest.layouts), []
        for table in read_all_rows(folder, range(manifest.num_shards), ["path", *errors, *counts.columns]):
            lines += [json.dumps(failure, ensure_ascii=False) + "\n" for failure in _failures(table, errors)]
            counts.add(table)
        folder.storage.write(FAILURES, "".join(lines).encode("utf-8", "backslashreplace"))
        about = {**manifest.about, "complete": True, "counts": {"images": manifest.count, **counts.to_dict()}}
        Manifest(about).write(folder)
        folder.storage.tidy(JOURNALS)


def _is_partial(name: str) -> bool:
    return name.startswith(".vizcnn-") and name.endswith(".part")


@contextmanager
def _alone(folder: RunFolder) -> Iterator[None]:
    lock = None
    while lock is None:
        lock = folder.storage.records(LOCK)
        time.sleep(0 if lock else 0.05)
    try:
        yield
    finally:
        lock.close(remove=True)


def _errors(methods: Iterable[str]) -> dict[str, str | None]:
    """Return the columns of errors, each with the method that failed; None: the image couldn't be read."""
    return {"error": None, **{f"{method}.error": method for method in methods}}


def _failures(table: pa.Table, errors: Mapping[str, str | None]) -> Iterator[dict[str, Any]]:
    some = reduce(pc.or_, [table[column].is_valid() for column in errors])
    for row in table.select(["path", *errors]).filter(some).to_pylist():
        for column, method in errors.items():
            if row[column] is not None:
                yield {"path": row["path"], "method": method, "reason": row[column]}


class _Counts:
    """What is counted over all rows, a shard at a time."""

    def __init__(self, methods: Iterable[str]) -> None:
        self._total: Counter[str] = Counter()
        self._failed: Counter[str] = Counter()
        self._notes: dict[str, Counter[str]] = {method: Counter() for method in methods}

    @property
    def columns(self) -> list[str]:
        """The columns that it reads, beside those of errors."""
        return ["label_class", "predicted_class", *(f"{method}.notes" for method in self._notes)]

    def add(self, table: pa.Table) -> None:
        """Count the rows of one more shard."""
        right = pc.equal(table["label_class"], table["predicted_class"])  # null where one of them is
        self._total["unreadable"] += _num_said(table["error"])
        self._total["labelled"] += _num_said(right)
        self._total["correct"] += pc.sum(right).as_py() or 0
        for method, kinds in self._notes.items():
            self._failed[method] += _num_said(table[f"{method}.error"])
            for found in pc.value_counts(pc.list_flatten(table[f"{method}.notes"])).to_pylist():
                kinds[found["values"]] += found["counts"]

    def to_dict(self) -> dict[str, Any]:
        """Return them as the manifest has them."""
        return {
            **{name: self._total[name] for name in ("unreadable", "labelled", "correct")},
            "methods": {
                method: {"failed": self._failed[method], "notes": dict(sorted(kinds.items()))}
                for method, kinds in self._notes.items()
            },
        }


def _num_said(column: pa.ChunkedArray) -> int:
    return len(column) - int(column.null_count)
