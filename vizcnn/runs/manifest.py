"""What a run is: its model, source and settings. A folder is gone on with by the same run alone."""

from __future__ import annotations

import dataclasses
import hashlib
import importlib
import json
from collections.abc import Iterator, Mapping
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from vizcnn._version import __version__
from vizcnn.errors import ResultError
from vizcnn.runs.layout import MANIFEST, MapLayout, RunFolder

if TYPE_CHECKING:
    from vizcnn.adapter import ModelAdapter

SCHEMA_VERSION = 1
"""The version of what `manifest.schema.json` describes."""

SCHEMA = Path(__file__).with_name("manifest.schema.json")
"""The JSON schema of manifests."""


def versions(model: ModelAdapter) -> dict[str, str]:
    """Return the versions of all that moves the numbers of a run.

    Returns
    -------
    dict of str to str
    """
    packages = ("numpy", "pillow", "opencv-python-headless", *model.packages)
    return {"vizcnn": __version__, **{name: _version(name) for name in packages}}


def _version(name: str) -> str:
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:  # installed by another name, as tensorflow-cpu
        return str(importlib.import_module(_MODULES.get(name, name)).__version__)


_MODULES = {"pillow": "PIL", "opencv-python-headless": "cv2"}
"""Packages to their modules, where these are called otherwise."""


def digest_of_files(path: Path) -> str:
    """Return the SHA-256 of a file, or of all files of a folder with their names.

    Returns
    -------
    str
    """
    digest = hashlib.sha256()
    for file in sorted(path.rglob("*")) if path.is_dir() else [path]:
        if file.is_file():
            with file.open("rb") as stream:
                own = hashlib.file_digest(stream, "sha256")
            if path.is_file():
                return own.hexdigest()
            digest.update(f"{file.relative_to(path).as_posix()} {own.hexdigest()}\n".encode())
    return digest.hexdigest()


def digest_of_weights(model: Any) -> str | None:
    """Return the SHA-256 of a model's weights; None where it has none that can be read.

    Returns
    -------
    str or None
    """
    weights = getattr(model, "get_weights", None)
    if weights is None:
        return None
    digest = hashlib.sha256()
    for array in map(np.ascontiguousarray, weights()):
        digest.update(f"{array.dtype} {array.shape}\n".encode())
        digest.update(array.reshape(-1).view(np.uint8).data)
    return digest.hexdigest()


def plain(value: Any) -> Any:
    """Return a setting as JSON takes it; of what it doesn't take, what tells it from another.

    Returns
    -------
    any

    Examples
    --------
    >>> from vizcnn.runs.manifest import plain
    >>> import vizcnn as vz
    >>> plain({"layer": "conv5", "target": vz.targets.Contrast(3, 8)})
    {'layer': 'conv5', 'target': {'object': 'Contrast(target=3, other=8)'}}
    """
    if value is None or isinstance(value, bool | int | float | str):
        return value
    if isinstance(value, np.generic):
        return value.item()
    if isinstance(value, Mapping):
        return {str(key): plain(one) for key, one in value.items()}
    if isinstance(value, list | tuple):
        return [plain(one) for one in value]
    if isinstance(value, np.ndarray):
        return {"object": f"array {value.shape}, sha256 {hashlib.sha256(value.tobytes()).hexdigest()}"}
    if dataclasses.is_dataclass(value) or not callable(value):
        arrays = [plain(array)["object"] for array in _arrays(value)]  # of which `str` shows the corners alone
        return {"object": str(value), **({"arrays": arrays} if arrays else {})}
    return {"object": f"{getattr(value, '__module__', '')}.{getattr(value, '__qualname__', type(value).__qualname__)}"}


def _arrays(value: Any) -> Iterator[np.ndarray]:
    if isinstance(value, np.ndarray):
        yield value
    elif isinstance(value, list | tuple):
        for one in value:
            yield from _arrays(one)
    elif isinstance(value, Mapping):
        yield from _arrays([*value.values()])
    elif dataclasses.is_dataclass(value):
        for field in dataclasses.fields(value):
            yield from _arrays(getattr(value, field.name))


@dataclasses.dataclass(frozen=True)
class Manifest:
    """What a run is.

    Attributes
    ----------
    about : dict
        As `manifest.json` holds it.
    """

    about: dict[str, Any]

    @property
    def layouts(self) -> dict[str, MapLayout]:
        """How the maps of each method are kept."""
        return MapLayout.all_of(self.about["maps"])

    @property
    def count(self) -> int:
        """How many images the run has."""
        return int(self.about["counts"]["images"])

    @property
    def shard_size(self) -> int:
        """How many images a shard has."""
        return int(self.about["settings"]["shard_size"])

    @property
    def num_shards(self) -> int:
        """How many shards the run has."""
        return -(-self.count // self.shard_size)

    @classmethod
    def read(cls, folder: RunFolder) -> Manifest | None:
        """Read that of a folder.

        Parameters
        ----------
        folder : RunFolder
            The folder.

        Returns
        -------
        Manifest or None
            None where there is none.

        Raises
        ------
        ResultError
            If it can't be read, is no manifest, or is that of another version of vizcnn.
        """
        name = f"`{folder.argument}` {folder.storage.address(MANIFEST)!r}"
        try:
            data = folder.storage.read(MANIFEST)
        except FileNotFoundError:
            return None
        try:
            about = json.loads(data)
            version = about["schema"]
        except (ValueError, KeyError, TypeError) as error:
            raise ResultError(f"{name} isn't the manifest of a run. Name another folder.") from error
        if version != SCHEMA_VERSION:
            raise ResultError(
                f"{name} must have the schema version {SCHEMA_VERSION}; got {version!r}. It was written by vizcnn "
                f"{about.get('versions', {}).get('vizcnn', '?')}, this is {__version__}: use that one, or another folder."
            )
        return cls(about)

    def write(self, folder: RunFolder, *, first: bool = False) -> None:
        """Write it whole or not at all; the first one only where there is none."""
        data = (json.dumps(self.about, indent=1, ensure_ascii=False) + "\n").encode("utf-8", "backslashreplace")
        write = folder.storage.write_first if first else folder.storage.write
        write(MANIFEST, data)

    def check_same(self, asked: Mapping[str, Any], folder: RunFolder) -> None:
        """Make sure that what is asked for now is this run.

        Parameters
        ----------
        asked : mapping
            "model", "source", "settings", "versions" and "classes", or some of these, as far as they are known.
        folder : RunFolder
            Where it lies.

        Raises
        ------
        ResultError
            If it is another one; what differs is said.
        """
        other = self.difference(asked)
        if other is not None:
            raise ResultError(
                f"`out` {str(folder.path)!r} holds a run with another {other}. Name another folder, or ask for the same."
            )

    def difference(self, asked: Mapping[str, Any]) -> str | None:
        """Return the first thing in which what is asked for isn't this run, what it is there, and what now.

        What a manifest doesn't know, one of a run before it was written, may be the same.

        Parameters
        ----------
        asked : mapping
            As `check_same` takes it.

        Returns
        -------
        str or None
            None where there is no such thing.
        """
        for part in ("settings", "model", "source", "versions"):
            have, now = self.about.get(part, {}), asked.get(part, {})
            names = [*now, *(name for name in have if part == "versions" and now and name not in now)]
            for name in names:
                is_told_by_hash = (part, name) == ("model", "name") and have.get("sha256") is not None
                if name in have and not is_told_by_hash and not _may_be_same(have[name], now.get(name)):
                    return _difference(_called(part, name, is_file="file" in have), have[name], now.get(name))
        if self.about.get("classes", []) != asked.get("classes", self.about.get("classes", [])):
            return _difference("list of classes", self.about["classes"], asked["classes"])
        return None


def _may_be_same(there: Any, now: Any) -> bool:
    """Tell whether two settings are the same as far as both are known: older runs don't know the arrays of an object."""
    if isinstance(there, Mapping) and isinstance(now, Mapping):
        names = there.keys() & now.keys() if "object" in there and "object" in now else there.keys() | now.keys()
        return all(name in there and name in now and _may_be_same(there[name], now[name]) for name in names)
    if isinstance(there, list) and isinstance(now, list):
        return len(there) == len(now) and all(map(_may_be_same, there, now))
    return bool(there == now)


def _difference(what: str, there: Any, now: Any) -> str:
    return f"{what}: there {_short(there)}, now {_short(now)}"


def _called(part: str, name: str, *, is_file: bool) -> str:
    if name == "labelled":
        return "source of its labels (whether folders are classes)"
    if name == "digest":
        return "source (digest of its images)"
    if name in ("sha256", "weights"):
        return f"sha256 of its model's {'file' if is_file and name == 'sha256' else 'weights'}"
    return f"{name} of its {part}" if part in ("model", "source") else f"{name} ({part})"


def _short(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 80 else f"{text[:77]}..."
