"""What a run is: its model, source and settings. A folder is gone on with by the same run alone."""

from __future__ import annotations

import dataclasses
import hashlib
import json
import sys
from collections.abc import Mapping
from importlib import metadata
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np

from vizcnn._version import __version__
from vizcnn.errors import ResultError
from vizcnn.files import write_file
from vizcnn.runs.layout import MapLayout, RunFolder

SCHEMA_VERSION = 1
"""The version of what `manifest.schema.json` describes."""

SCHEMA = Path(__file__).with_name("manifest.schema.json")
"""The JSON schema of manifests."""


def versions(model: Any) -> dict[str, str]:
    """Return the versions of all that moves the numbers of a run, by a Keras model or another.

    Returns
    -------
    dict of str to str
    """
    keras = sys.modules.get("keras") if hasattr(model, "get_weights") else None
    packages = ["numpy", "pillow", "opencv-python-headless"]
    if keras is not None:
        packages += ["keras", keras.backend.backend()]
    return {"vizcnn": __version__, **{name: metadata.version(name) for name in packages}}


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
        digest.update(array.tobytes())
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
        return {"object": str(value)}
    return {"object": f"{getattr(value, '__module__', '')}.{getattr(value, '__qualname__', type(value).__qualname__)}"}


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
        name = repr(str(folder.manifest))
        try:
            about = json.loads(folder.manifest.read_bytes())
            version = about["schema"]
        except (FileNotFoundError, NotADirectoryError):
            return None
        except OSError as error:
            raise ResultError(f"`out` {name} can't be read: {error.strerror or error}.") from error
        except (ValueError, KeyError, TypeError) as error:
            raise ResultError(f"`out` {name} isn't the manifest of a run. Name another folder.") from error
        if version != SCHEMA_VERSION:
            raise ResultError(
                f"`out` {name} must have the schema version {SCHEMA_VERSION}; got {version!r}. It was written by vizcnn "
                f"{about.get('versions', {}).get('vizcnn', '?')}, this is {__version__}: use that one, or another folder."
            )
        return cls(about)

    def write(self, folder: RunFolder) -> None:
        """Write it whole or not at all."""
        data = (json.dumps(self.about, indent=1, ensure_ascii=False) + "\n").encode("utf-8", "backslashreplace")

        def write(file: BinaryIO) -> None:
            file.write(data)

        write_file(folder.manifest, write, (".json",))

    def check_same(self, asked: Mapping[str, Any], folder: RunFolder) -> None:
        """Make sure that what is asked for now is this run.

        Parameters
        ----------
        asked : mapping
            "model", "source", "settings" and "versions", or some of these, as far as they are known.
        folder : RunFolder
            Where it lies.

        Raises
        ------
        ResultError
            If it is another one; what differs is said.
        """
        for part in ("settings", "model", "source", "versions"):
            for name, value in asked.get(part, {}).items():
                have = self.about[part].get(name)
                if have != value:
                    raise ResultError(
                        f"`out` {str(folder.path)!r} holds a run with another {_called(part, name)}: there {_short(have)}, now "
                        f"{_short(value)}. Name another folder, or ask for the same."
                    )


def _called(part: str, name: str) -> str:
    if name in ("sha256", "digest"):
        return f"{part} ({name} of its {'files or weights' if part == 'model' else 'images'})"
    return f"{name} of its {part}" if part in ("model", "source") else f"{name} ({part})"


def _short(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 80 else f"{text[:77]}..."
