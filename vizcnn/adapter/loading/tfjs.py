"""TensorFlow.js layers models: a model.json, and shards of weights beside it, to a description and an HDF5 file of weights."""

from __future__ import annotations

import json
import math
import stat
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path, PureWindowsPath
from typing import Any

import h5py
import numpy as np

from vizcnn.adapter.loading.archive import LARGEST_CONFIG
from vizcnn.adapter.loading.contents import MODEL_JSON
from vizcnn.adapter.loading.nodes import nodes
from vizcnn.adapter.loading.repairs import home_of, is_keras_2
from vizcnn.adapter.loading.stored import Stored
from vizcnn.errors import ModelFileError

_TYPES = frozenset({"float16", "float32", "int32", "uint8", "uint16", "bool"})
"""Types of arrays, as they are stored; texts and complex numbers have no place in a model of images."""

_SMALLER = frozenset({"uint8", "uint16", "float16"})
"""Types that arrays are quantized to."""


def read_tfjs(file: Path, folder: Path) -> Stored:
    """Read a layers model.

    Parameters
    ----------
    file : Path
        Its model.json, or the folder that holds one.
    folder : Path
        Where the weights are written to, as HDF5.

    Returns
    -------
    Stored
        With `file` in that folder: it holds each array under the name that it has in the manifest.

    Raises
    ------
    ModelFileError
        If the description or an array is damaged or missing, or lies outside of the folder.
    """
    described = file / MODEL_JSON if file.is_dir() else file
    reader = _Reader(file, described.parent)
    content = reader.json(described)
    topology = content["modelTopology"]
    if not isinstance(topology, dict):
        raise reader.error("its modelTopology describes no model")
    version = topology.get("keras_version")
    if not isinstance(version, str) or not version[:1].isdecimal():
        version = None  # "tfjs-layers 1.3.1", which describes as Keras 2 does
    config = topology.get("model_config", topology)
    config = json.loads(config) if isinstance(config, str) else config
    if not isinstance(config, dict) or "class_name" not in config or "config" not in config:
        raise reader.error("its modelTopology describes no model")
    config = {"class_name": config["class_name"], "config": config["config"]}
    weights, size = folder / "arrays.h5", 0
    with h5py.File(weights, "w") as stored:
        for name, array in reader.arrays(content.get("weightsManifest")):
            if name in stored:
                raise reader.error(f"its weight {name!r} is there twice")
            try:
                stored[name] = array
            except (ValueError, OSError) as error:  # a name within another's
                raise reader.error(f"its weight {name!r} can't be told from others by its name") from error
            size += array.nbytes
    form = "hdf5"
    if not is_keras_2(version):
        form = "keras"
        _name_modules(config)
    return Stored(weights, config, form, version, described, size, origin=str(file))


class _Reader:
    """Reads what a model.json names, and nothing outside of its folder."""

    def __init__(self, file: Path, folder: Path) -> None:
        self._file = file
        self._folder = folder

    def error(self, why: str) -> ModelFileError:
        """Return the error that says why the model can't be loaded."""
        return ModelFileError(f"`model` {str(self._file)!r} can't be loaded: {why}.")

    def json(self, described: Path) -> dict[str, Any]:
        """Read the description."""
        self._check(described, described.name)
        try:
            content = json.loads(described.read_bytes())
        except (ValueError, RecursionError) as error:
            raise self.error(f"its {described.name} is not JSON ({error})") from error
        if not isinstance(content, dict) or "modelTopology" not in content:
            raise self.error(f"its {described.name} describes no model")
        return content

    def arrays(self, manifest: Any) -> Iterator[tuple[str, np.ndarray]]:
        """Yield each array by its name."""
        if not isinstance(manifest, list) or not all(map(_is_group, manifest)):
            raise self.error("it names no weights, or not as TensorFlow.js does (its weightsManifest)")
        for group in manifest:
            yield from self._group(group["paths"], group["weights"])

    def _group(self, paths: Sequence[Any], entries: Sequence[Any]) -> Iterator[tuple[str, np.ndarray]]:
        sizes = [self._size(entry) for entry in entries]
        files = [self._shard(path) for path in paths]
        stored = sum(file.stat().st_size for file in files)
        if stored != sum(sizes):
            what = "are truncated" if stored < sum(sizes) else "hold more than it names"
            names = ", ".join(file.name for file in files[:3]) + (", ..." if len(files) > 3 else "")
            raise self.error(
                f"its shards {what}: {names or 'none'} hold {stored:,} bytes, and the weights in them take {sum(sizes):,}. "
                f"Copy them again, all from one export"
            )
        content, start = b"".join(file.read_bytes() for file in files), 0
        for entry, size in zip(entries, sizes, strict=True):
            yield entry["name"], self._array(entry, content[start : start + size])
            start += size

    def _shard(self, path: Any) -> Path:
        name = str(path)
        parts = PureWindowsPath(name)
        if "://" in name or parts.drive or parts.root or ".." in parts.parts or not parts.parts or "\0" in name:
            raise self.error(f"its shard {name[:100]!r} lies outside of its folder")
        file = self._folder / name
        self._check(file, name)
        return file

    def _check(self, file: Path, name: str) -> None:
        try:
            if not file.resolve().is_relative_to(self._folder.resolve()):
                raise self.error(f"its {name!r} leads outside of its folder")
            status = file.stat()
        except FileNotFoundError:
            raise self.error(f"its {name!r} is missing; it belongs beside {MODEL_JSON}") from None
        except (OSError, RuntimeError) as error:
            reason = getattr(error, "strerror", None) or error
            raise self.error(f"its {name[:100]!r} can't be opened ({reason})") from error
        if not stat.S_ISREG(status.st_mode):
            raise self.error(f"its {name!r} is a folder, a pipe or a device, and no file")
        if file.suffix == ".json" and status.st_size > LARGEST_CONFIG:
            raise self.error(f"its {name!r} is larger than {LARGEST_CONFIG:,} bytes")

    def _size(self, entry: Any) -> int:
        """Return the bytes that an array takes in its shards, once it is known to be one."""
        shape: Any = entry.get("shape") if isinstance(entry, Mapping) else None
        if not _is_shape(shape) or not _is_name(entry.get("name")):
            raise self.error(f"its weightsManifest has no name and shape for a weight: {str(entry)[:100]}")
        kind, quantization = _stored_type(entry), entry.get("quantization")
        if kind not in _TYPES or entry.get("dtype") not in _TYPES or (quantization and kind not in _SMALLER):
            raise self.error(f"its weight {entry['name']!r} is of a type that isn't read, {str(kind)[:50]!r}")
        if quantization and kind != "float16" and not all(map(_is_number, map(quantization.get, ("scale", "min")))):
            raise self.error(f"its weight {entry['name']!r} is quantized without a scale and a minimum")
        return int(math.prod(shape)) * int(np.dtype(kind).itemsize)

    @staticmethod
    def _array(entry: Mapping[str, Any], content: bytes) -> np.ndarray:
        kind, wanted = np.dtype(_stored_type(entry)), np.dtype(entry["dtype"])
        values: np.ndarray = np.frombuffer(content, kind.newbyteorder("<")).reshape(entry["shape"])
        quantization = entry.get("quantization")
        if quantization and kind.kind == "u":
            scaled = values * np.float64(quantization["scale"]) + np.float64(quantization["min"])
            values = np.round(scaled) if wanted.kind in "iu" else scaled
        return values.astype(wanted)


def _is_group(group: Any) -> bool:
    return isinstance(group, Mapping) and all(isinstance(group.get(key), list) for key in ("paths", "weights"))


def _stored_type(entry: Mapping[str, Any]) -> Any:
    quantization = entry.get("quantization")
    return quantization.get("dtype") if isinstance(quantization, Mapping) else entry.get("dtype")


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)


def _is_shape(shape: Any) -> bool:
    sizes = isinstance(shape, list) and len(shape) <= _MOST_AXES
    return sizes and all(type(size) is int and 0 <= size < _LONGEST_AXIS for size in shape)


_MOST_AXES, _LONGEST_AXIS = 32, 2**40


def _is_name(name: Any) -> bool:
    return isinstance(name, str) and all(part not in ("", ".", "..") for part in name.split("/")) and "\0" not in name


def _name_modules(config: dict[str, Any]) -> None:
    """Write in place where each class is: the converter leaves that out of a description of Keras 3."""
    for node in nodes(config):
        module = "keras.src.models.functional" if node.class_name == "Functional" else home_of(node.class_name)
        if "module" not in node.value and module is not None:
            node.value["module"] = module
            node.value.setdefault("registered_name", None)
