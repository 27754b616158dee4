"""What an HDF5 file says of itself, read by a process that may be given up (`hdf5_reader`)."""

from __future__ import annotations

import json
import os
import struct
import subprocess
import sys
import zipfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from vizcnn.adapter.loading.archive import LARGEST, LARGEST_CONFIG
from vizcnn.errors import ModelFileError

_GENEROUS = 2**28
"""Bytes that even a small file may unpack to."""

_TIMES = 10
"""How many times its own size a file may unpack to."""

_PATIENCE = 20.0
"""Seconds that the process may take in all, and for each 20 MiB; it ends by itself before, after 2 seconds of its own work."""


@dataclass(frozen=True)
class Inspected:
    """What an HDF5 file holds, without the values.

    Attributes
    ----------
    version, config, training : str or None
        Its attributes keras_version, model_config and training_config.
    names : tuple of str
        The names of all its attributes.
    groups : tuple of str
        The names in its root.
    size : int
        Bytes of all arrays.
    """

    version: str | None
    config: str | None
    training: str | None
    names: tuple[str, ...]
    groups: tuple[str, ...]
    size: int


def inspect_hdf5(file: Path, member: str | None = None) -> Inspected:
    """Read the structure and the attributes of an HDF5 file, or of one that lies in a zip archive.

    Parameters
    ----------
    file : Path
        The file.
    member : str, default None
        Its name in the archive, where the file is one.

    Returns
    -------
    Inspected

    Raises
    ------
    ModelFileError
        If it is damaged, refers to other files, or unpacks to more than its size explains.
    """
    size, offset = _place(file, member)
    asked = {"path": str(file), "member": member, "offset": offset, "size": size,
             "largest": min(LARGEST, max(_GENEROUS, _TIMES * size)), "largest_attribute": LARGEST_CONFIG}  # fmt: skip
    answer = _ask(asked)
    what = f"`model` file {str(file)!r}"
    if "refused" in answer:
        raise ModelFileError(f"{what} isn't opened: {answer['refused']}.")
    if "damaged" in answer:
        raise ModelFileError(f"{what} can't be loaded: it is damaged or truncated ({answer['damaged'][:200]}).")
    texts = answer["attributes"]
    return Inspected(
        texts.get("keras_version"),
        texts.get("model_config"),
        texts.get("training_config"),
        tuple(answer["names"]),
        tuple(answer["groups"]),
        answer["bytes"],
    )


def _ask(asked: dict[str, Any]) -> dict[str, Any]:
    script = Path(__file__).with_name("hdf5_reader.py")
    paths = os.pathsep.join(filter(None, sys.path))  # it finds h5py where this process does
    try:
        done = subprocess.run(
            [sys.executable, "-P", str(script)],
            input=json.dumps(asked),
            capture_output=True,
            encoding="utf-8",
            errors="replace",
            timeout=_PATIENCE * (1 + asked["size"] / (20 * 2**20)),
            env={**os.environ, "PYTHONPATH": paths, "OPENBLAS_NUM_THREADS": "1", "PYTHONUTF8": "1"},
            check=False,
        )
        answer = json.loads(done.stdout) if done.returncode == 0 else None
    except (subprocess.TimeoutExpired, ValueError):
        answer = None
    if not isinstance(answer, dict):
        return {"damaged": "reading it doesn't come to an end"}
    return answer


def _place(file: Path, member: str | None) -> tuple[int, int | None]:
    """Return the bytes of an HDF5 file, and where they lie in the archive; None where they are packed."""
    if member is None:
        return file.stat().st_size, None
    with zipfile.ZipFile(file) as archive, file.open("rb") as stream:
        entry = archive.getinfo(member)
        if entry.compress_type != zipfile.ZIP_STORED:
            return entry.file_size, None
        stream.seek(entry.header_offset)
        *_, name, extra = struct.unpack("<4s5H3L2H", stream.read(30))
    return entry.file_size, entry.header_offset + 30 + int(name) + int(extra)
