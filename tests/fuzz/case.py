"""One changed file, and what reading it comes to."""

from __future__ import annotations

import base64
import json
import shutil
import tempfile
import warnings
import zipfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from tests.fuzz.changes import changed
from tests.fuzz.seeds import MODELS, OTHERS, tiny

KINDS = (*MODELS, *OTHERS)
GRACE = 2**30
"""Bytes of memory above what a file's size explains."""

LARGEST_INPUT = 10_000
"""Numbers in an input that a graph is shown."""


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

    if kind == "lambda":
        return _read_code
    if kind == "built":
        return lambda path: vz.adapt(path, builder=tiny)
    if kind in ("savedmodel", "functions"):
        return _explain
    if kind in MODELS:
        return vz.adapt
    if kind == "idx":
        return read_idx
    if kind in ("json", "txt", "csv"):
        return read_labels
    if kind in ("attributions", "filters", "activations", "diagnosis"):
        return vz.load_result
    return lambda path: load(path, (6, 6, 3)).inputs(slice(0, 1))


def _read_code(path: Path) -> Any:
    """Read a model with a Lambda that stores this code."""
    import vizcnn as vz

    with tempfile.TemporaryDirectory() as folder:
        return vz.adapt(_with_code(path, Path(folder) / "model.keras"))


def _with_code(path: Path, file: Path) -> Path:
    """Write a model with a Lambda that stores this code."""
    import keras

    model = keras.Sequential([keras.Input((6, 6, 3)), keras.layers.Lambda(lambda x: x, name="code")])
    model.save(file)
    with zipfile.ZipFile(file) as archive:
        entries = {name: archive.read(name) for name in archive.namelist()}
    config = json.loads(entries["config.json"])
    stored = {"code": base64.b64encode(path.read_bytes()).decode(), "defaults": [-1], "closure": None}
    config["config"]["layers"][1]["config"]["function"]["config"] = stored
    entries["config.json"] = json.dumps(config).encode()
    with zipfile.ZipFile(file, "w") as archive:
        for name, content in entries.items():
            archive.writestr(name, content)
    return file


def _explain(path: Path) -> None:
    """Read a graph, and differentiate it."""
    import vizcnn as vz

    model = vz.adapt(path)
    if None not in model.input_shape and np.prod(model.input_shape) < LARGEST_INPUT:
        model.gradients(np.zeros((1, *model.input_shape), np.float32), 0, of=vz.adapter.LAST_SPATIAL)
