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
LIBRARIES = ("captum", "saliency", "grad-cam", "xplique", "lime", "shap")
"""The references, by the names of their packages; a file each."""


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


def path(library: str) -> Path:
    """Return a library's file."""
    return FOLDER / f"{library.replace('-', '_')}.npz"


@cache
def golden(library: str) -> Golden:
    """Read a library's file."""
    with np.load(path(library)) as stored:
        arrays = {name: stored[name] for name in stored.files if name != "about"}
        about = json.loads(bytes(stored["about"]))
    return Golden(arrays, about["settings"], about["versions"])


def keep(library: str, found: Mapping[str, tuple[str, np.ndarray]], beside: Sequence[str]) -> None:
    """Write what a library gives.

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
            raise ValueError(f"{library}'s {name} is no map: from {values.min()} to {values.max()}.")
    text = json.dumps(about, indent=1, sort_keys=True).encode()
    np.savez_compressed(path(library), about=np.frombuffer(text, np.uint8), **arrays)
    print(f"{path(library).name}: {len(arrays)} arrays, {path(library).stat().st_size:,} bytes")
