"""Zip archives: what must hold of every entry before anything is unpacked."""

from __future__ import annotations

import stat
import zipfile
from collections import Counter
from pathlib import Path

from vizcnn.errors import ModelFileError

LARGEST = 16 * 2**30
"""Bytes that a file may unpack to."""

LARGEST_CONFIG = 16 * 2**20
"""Bytes that the description of a model may take, and the attributes of an HDF5 file."""

_SMALL = 2**20
"""Bytes that any entry may unpack to."""

_TIMES = 100
"""How many times its packed size an entry may unpack to."""

_MOST = 100_000
"""How many entries an archive may have."""


def read_entries(file: Path) -> list[zipfile.ZipInfo]:
    """Return the entries of a zip archive, all of which are plain files of their own that unpack to what their size explains.

    Parameters
    ----------
    file : Path
        The archive.

    Returns
    -------
    list of ZipInfo

    Raises
    ------
    ModelFileError
        If it can't be read, or an entry is none of these.
    """
    try:
        with zipfile.ZipFile(file) as archive:
            entries = archive.infolist()
    except Exception as error:
        raise ModelFileError(
            f"`model` file {str(file)!r} is truncated: it begins like a .keras file and has no end. Copy it again."
        ) from error
    counts = Counter(entry.filename for entry in entries)
    why = next((f"its entry {entry.filename!r} {why}" for entry in entries if (why := _why_not(entry, counts))), None)
    total = sum(entry.file_size for entry in entries)
    if total > LARGEST:
        why = f"it would unpack to {total:,} bytes, and more than {LARGEST:,} are not read, to protect memory"
    if len(entries) > _MOST:
        why = f"it has {len(entries):,} entries"
    if sum(entry.compress_size for entry in entries) > file.stat().st_size:
        why = "its entries lie over each other"
    if why:
        raise ModelFileError(f"`model` file {str(file)!r} isn't opened: {why}.")
    return entries


def _why_not(entry: zipfile.ZipInfo, counts: Counter[str]) -> str | None:
    """Return why an entry isn't unpacked; None where it is."""
    parts = entry.filename.replace("\\", "/").split("/")
    mode = entry.external_attr >> 16
    largest = LARGEST_CONFIG if entry.filename.endswith(".json") else LARGEST
    if counts[entry.filename] > 1:
        return f"is there {counts[entry.filename]} times"
    if ".." in parts or not parts[0] or ":" in parts[0]:
        return "lies outside of the archive"
    if stat.S_IFMT(mode) not in (0, stat.S_IFREG, stat.S_IFDIR):
        return "is a link or a device"
    if entry.flag_bits & 1:
        return "is encrypted"
    if entry.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
        return f"is packed by method {entry.compress_type}, of which only 0 and 8 are read"
    if entry.file_size > min(largest, max(_SMALL, _TIMES * entry.compress_size)):
        return (
            f"would unpack from {entry.compress_size:,} to {entry.file_size:,} bytes; more than {largest:,}, or "
            f"{_TIMES} times as many, are not read, to protect memory"
        )
    return None
