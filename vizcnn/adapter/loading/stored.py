"""A model as its file holds it: the description, the weights, and who wrote it; without building anything."""

from __future__ import annotations

import json
import shutil
import stat
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import h5py
import numpy as np

from vizcnn.adapter.loading.archive import LARGEST_CONFIG
from vizcnn.adapter.loading.contents import HDF5, WEIGHTS
from vizcnn.adapter.loading.hdf5 import inspect_hdf5
from vizcnn.errors import ModelFileError


@dataclass(frozen=True)
class Stored:
    """A description of a model and its weights, in a file or in two.

    Attributes
    ----------
    file : Path
        The file that was named.
    config : dict
        The description, as Keras serializes it.
    form : {"keras", "hdf5"}
        How description and weights go together; of weights alone the form that fits them.
    version : str or None
        The Keras that wrote it.
    architecture : Path or None
        The file that the description comes from, where it is another.
    size : int
        Bytes of all arrays in the file.
    loss : default None
        What the model was trained by, as Keras serializes it, where the file says so.
    assets : tuple of str, default ()
        Entries beside description and weights: the vocabularies of layers.
    groups : tuple of str, default ()
        The names in the root of the weights.
    origin : str, default None
        The file that was named, where `file` was made of it.
    """

    file: Path
    config: dict[str, Any]
    form: str
    version: str | None
    architecture: Path | None = None
    size: int = 0
    loss: Any = None
    assets: tuple[str, ...] = ()
    groups: tuple[str, ...] = ()
    origin: str | None = None

    @property
    def label(self) -> str:
        """What to call the file in a message."""
        return self.origin or str(self.file)

    def write(self, folder: Path, config: dict[str, Any]) -> Path:
        """Write a whole model file with another description, and return it."""
        if self.form == "keras":
            return self._write_zip(folder / "model.keras", config)
        path = folder / "model.h5"
        if self.architecture is None:
            shutil.copyfile(self.file, path)
        with h5py.File(path, "a" if self.architecture is None else "w") as file:
            if self.architecture is not None:
                with h5py.File(self.file, "r") as weights:
                    group = file.create_group("model_weights")
                    for name in weights:
                        weights.copy(weights[name], group, name)
                    for name, value in weights.attrs.items():
                        group.attrs[name] = value
                        file.attrs[name] = value
            if "training_config" in file.attrs:
                del file.attrs["training_config"]
            file.attrs["model_config"] = json.dumps(config)
        return path

    def _write_zip(self, path: Path, config: dict[str, Any]) -> Path:
        weights = path.with_name("weights.h5")
        if self.architecture is None:
            with zipfile.ZipFile(self.file) as archive, archive.open(WEIGHTS) as source, weights.open("wb") as target:
                shutil.copyfileobj(source, target)
        else:
            shutil.copyfile(self.file, weights)
        with zipfile.ZipFile(path, "w") as archive:
            archive.writestr("config.json", json.dumps(config))
            archive.writestr("metadata.json", json.dumps({"keras_version": self.version or "3.0.0"}))
            archive.write(weights, WEIGHTS)
            self._copy_assets(archive)
        return path

    def _copy_assets(self, target: zipfile.ZipFile) -> None:
        if self.assets:
            with zipfile.ZipFile(self.file) as source:
                for name in self.assets:
                    target.writestr(name, source.read(name))

    def arrays(self) -> Iterator[tuple[str, np.ndarray]]:
        """Yield the path and the value of each weight in the file; those of the optimizer are none."""
        if self.form == "keras" and self.architecture is None:
            with (
                zipfile.ZipFile(self.file) as archive,
                archive.open(WEIGHTS) as stream,
                h5py.File(stream, "r") as file,
            ):
                yield from _arrays(file)
            return
        with h5py.File(self.file, "r") as file:
            yield from _arrays(file.get("model_weights", file))

    def arrays_by_layer(self) -> Iterator[tuple[str, list[np.ndarray]]]:
        """Yield the name of each layer that an HDF5 file lists, and its weights."""
        with h5py.File(self.file, "r") as file:
            group = file.get("model_weights", file)
            for name in group.attrs.get("layer_names", ()):
                layer = group[name]
                yield _text(name) or "", [layer[place][()] for place in layer.attrs.get("weight_names", ())]


_KERAS_2_LAYERS = "_layer_checkpoint_dependencies"


def read_stored(file: Path, kind: str, architecture: Path | None = None) -> Stored:
    """Read what a file holds.

    Parameters
    ----------
    file : Path
        The file.
    kind : {"keras", "hdf5"}
        What it was found to be.
    architecture : Path, default None
        The JSON file that describes the model, where the file holds weights alone. None: one of the same name beside it.

    Returns
    -------
    Stored

    Raises
    ------
    ModelFileError
        If it is damaged, refers to other files, or the description of the model is nowhere.
    """
    if kind == "keras":
        return _read_zip(file)
    inside = inspect_hdf5(file)
    version = inside.version
    if inside.config is not None:
        loss = _loss(inside.training)
        return Stored(
            file, _json(inside.config, file), "hdf5", version, size=inside.size, loss=loss, groups=inside.groups
        )
    legacy = "layer_names" in inside.names
    if version is None and not legacy and _KERAS_2_LAYERS not in inside.groups:
        version = "3"  # weights alone don't say; Keras 2 wrote them otherwise
    beside = architecture or next((path for path in _beside(file) if path.is_file()), None)
    if beside is None:
        raise ModelFileError(
            f"`model` file {str(file)!r} can't be loaded: it holds weights only, without the architecture. Give the JSON file of "
            f"model.to_json() as `architecture`, or put it beside the weights as {_beside(file)[0].name!r}; or give the "
            f"function that builds the model as `builder` (--builder FILE.py:function on the command line)."
        )
    config = read_architecture(beside)
    modern = config.get("build_config") is not None or "registered_name" in config
    form = "hdf5" if legacy or not modern else "keras"
    return Stored(
        file, config, form, version or _text(config.get("keras_version")), beside, inside.size, groups=inside.groups
    )


def _read_zip(file: Path) -> Stored:
    with zipfile.ZipFile(file) as archive:
        names = archive.namelist()
        if WEIGHTS not in names:
            raise ModelFileError(f"`model` file {str(file)!r} can't be loaded: it holds no {WEIGHTS}, so no weights.")
        with archive.open(WEIGHTS) as stream:
            head = stream.read(len(HDF5))
        if head != HDF5:
            raise ModelFileError(f"`model` file {str(file)!r} can't be loaded: its {WEIGHTS} is damaged.")
        config = _json(archive.read("config.json"), file)
        metadata = _json(archive.read("metadata.json"), file) if "metadata.json" in names else {}
    inside = inspect_hdf5(file, WEIGHTS)
    trained = config.get("compile_config")
    loss = trained.get("loss") if isinstance(trained, dict) else None
    assets = tuple(name for name in names if name.startswith("assets/"))
    version = _text(metadata.get("keras_version"))
    return Stored(file, config, "keras", version, size=inside.size, loss=loss, assets=assets, groups=inside.groups)


def read_architecture(path: Path) -> dict[str, Any]:
    """Read the JSON file that `keras.Model.to_json` made.

    Returns
    -------
    dict
        The description.

    Raises
    ------
    ModelFileError
        If it can't be read, or describes no model.
    """
    try:
        status = path.stat()
        if not stat.S_ISREG(status.st_mode):
            raise ModelFileError(
                f"`architecture` {str(path)!r} isn't opened: it is a folder, a pipe or a device, and no file."
            )
        if status.st_size > LARGEST_CONFIG:
            raise ModelFileError(f"`architecture` {str(path)!r} is larger than {LARGEST_CONFIG:,} bytes.")
        text = path.read_bytes()
    except OSError as error:
        raise ModelFileError(f"`architecture` {str(path)!r} can't be opened: {error.strerror or error}.") from error
    config = _json(text, path)
    if "class_name" not in config or "config" not in config:
        raise ModelFileError(
            f"`architecture` {str(path)!r} describes no model; it must be what model.to_json() returns."
        )
    return config


def _beside(file: Path) -> list[Path]:
    stem = file.name.removesuffix(".h5").removesuffix(".hdf5").removesuffix(".weights")
    names = dict.fromkeys([f"{stem}.json", f"{file.stem}.json", f"{stem}.config.json", f"{stem}_architecture.json"])
    return [file.with_name(name) for name in names]


def _json(text: bytes | str, file: Path) -> dict[str, Any]:
    try:
        config = json.loads(text)
        if isinstance(config, str):  # twice encoded, as some scripts leave it
            config = json.loads(config)
    except (ValueError, RecursionError) as error:
        raise ModelFileError(
            f"`model` file {str(file)!r} can't be loaded: its description is not JSON ({error})."
        ) from error
    if not isinstance(config, dict):
        raise ModelFileError(f"`model` file {str(file)!r} can't be loaded: its description describes no model.")
    return config


def _loss(training_config: str | None) -> Any:
    """Return the loss that an HDF5 file keeps beside the model, where that can be read; the model doesn't need it."""
    try:
        config = json.loads(training_config or "{}")
    except (ValueError, RecursionError):
        return None
    return config.get("loss") if isinstance(config, dict) else None


def _text(value: Any) -> str | None:
    return value.decode("utf-8", "replace") if isinstance(value, bytes) else None if value is None else str(value)


def _arrays(group: Any) -> Iterator[tuple[str, np.ndarray]]:
    arrays: list[tuple[str, Any]] = []
    group.visititems(lambda path, entry: arrays.append((path, entry)) if isinstance(entry, h5py.Dataset) else None)
    for path, entry in arrays:
        if (
            not path.startswith(("optimizer", "metrics"))
            and "seed_generator" not in path
            and entry.dtype.kind in "fiub"
        ):
            yield path, entry[()]
