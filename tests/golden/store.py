"""The files of golden arrays: what a reference gives, its versions, and how it was set."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from importlib.metadata import version
from pathlib import Path

import numpy as np

FOLDER = Path(__file__).parent
LIBRARIES = ("captum", "saliency", "grad-cam", "xplique", "lime", "shap", "quantus")
"""The references, by the names of their packages."""
MOST = 45_000
"""Bytes of a file of arrays, about; a library has as many files as that takes."""


@dataclass(frozen=True)
class Golden:
    """What one library gives.

    Attributes
    ----------
    arrays : mapping
        By name: float32, a row for each of the two images.
    settings : mapping
        By the same names: the class that was asked, and how it was set.
    versions : mapping
        Of the library, and of what it runs on.
    """

    arrays: Mapping[str, np.ndarray]
    settings: Mapping[str, str]
    versions: Mapping[str, str]


def paths(library: str) -> list[Path]:
    """Return a library's files."""
    return sorted(FOLDER.glob(f"{library.replace('-', '_')}_[0-9].npz"))


@cache
def golden(library: str) -> Golden:
    """Read a library's files."""
    arrays: dict[str, np.ndarray] = {}
    for file in paths(library):
        with np.load(file) as stored:
            arrays.update({name: stored[name] for name in stored.files})
    about = json.loads(bytes(arrays.pop("about")))
    return Golden(arrays, about["settings"], about["versions"])


def keep(library: str, found: Mapping[str, tuple[str, np.ndarray]], beside: Sequence[str]) -> None:
    """Write what a library gives, in files of less than 50 KB.

    Parameters
    ----------
    library : str
        Its package.
    found : mapping
        By name: how it was set, and the arrays of the two images.
    beside : sequence of str
        Other packages whose versions matter.
    """
    about = {
        "settings": {name: setting for name, (setting, _) in found.items()},
        "versions": {package: version(package) for package in (library, *beside)},
    }
    arrays = {name: np.asarray(values, dtype=np.float32) for name, (_, values) in found.items()}
    for name, values in arrays.items():
        if not np.isfinite(values).all() or np.ptp(values) == 0:
            raise ValueError(
                f"{library}'s {name} is the same everywhere, or not finite: from {values.min()} to {values.max()}."
            )
    for old in paths(library):
        old.unlink()
    arrays["about"] = np.frombuffer(json.dumps(about, sort_keys=True).encode(), np.uint8)
    names = np.array(list(arrays))
    parts = np.cumsum([arrays[name].nbytes for name in names]) // MOST
    for part in range(parts[-1] + 1):
        file = FOLDER / f"{library.replace('-', '_')}_{part + 1}.npz"
        np.savez_compressed(file, **{name: arrays[name] for name in names[parts == part]})
        print(f"{file.name}: {(parts == part).sum()} arrays, {file.stat().st_size:,} bytes")
