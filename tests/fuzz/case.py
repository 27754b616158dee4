"""One changed file, and what reading it comes to."""

from __future__ import annotations

import shutil
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from tests.fuzz.changes import changed
from tests.fuzz.seeds import MODELS, OTHERS

KINDS = (*MODELS, *OTHERS)
GRACE = 2**30
"""Bytes of memory above what a file's size explains."""


@dataclass(frozen=True)
class Case:
    """A changed file, which its kind and two numbers make again.

    Attributes
    ----------
    kind : str
        The seed that it was made of.
    seed, number : int
        What its changes are drawn by.
    """

    kind: str
    seed: int
    number: int

    @property
    def name(self) -> str:
        """What its folder is called."""
        return f"{self.kind}-{self.seed}-{self.number}"

    def write(self, seeds: Path, folder: Path) -> Path:
        """Write it into an empty folder, and return what is read."""
        chance = np.random.default_rng([self.seed, KINDS.index(self.kind), self.number])
        if not (seeds / self.kind).is_dir():
            (whole,) = seeds.glob(f"{self.kind}.*")
            path = folder / whole.name
            path.write_bytes(changed(whole.read_bytes(), chance))
            return path
        copy = folder / self.kind
        shutil.copytree(seeds / self.kind, copy)
        files = sorted(file for file in copy.rglob("*") if file.is_file())
        one = files[int(chance.integers(len(files)))]
        one.write_bytes(changed(one.read_bytes(), chance))
        return copy / "m.weights.h5" if self.kind == "weights" else copy


def outcome(path: Path, kind: str) -> tuple[str, str]:
    """Read a file, and return what came of it: "read", "refused" or "foreign", and the text of the error."""
    import vizcnn as vz

    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            _door(kind)(path)
    except vz.errors.VizcnnError as error:
        return "refused", str(error)
    except Exception as error:
        return "foreign", f"{type(error).__module__}.{type(error).__name__}: {error}"
    return "read", ""


def _door(kind: str) -> Callable[[Path], Any]:
    """Return what reads a kind of file."""
    import vizcnn as vz
    from vizcnn.adapter.labels import read_labels
    from vizcnn.inputs import load, read_idx

    if kind in MODELS:
        return vz.adapt
    if kind == "idx":
        return read_idx
    if kind in ("json", "txt", "csv"):
        return read_labels
    if kind in ("attributions", "filters", "activations", "diagnosis"):
        return vz.load_result
    return lambda path: load(path, (6, 6, 3)).inputs(slice(0, 1))
