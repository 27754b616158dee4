"""Images in an object store: those of a folder there, or of addresses that a list names."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Any

from vizcnn.errors import InputError, ResultError
from vizcnn.inputs.pixels import SUFFIXES
from vizcnn.runs.object_storage import ObjectStorage
from vizcnn.runs.source import Entry, Source, SourceGoneError


@dataclass(frozen=True)
class ObjectFolder(Source):
    """The images of a folder in an object store, and of all folders in it.

    Attributes
    ----------
    url : str
        The folder.
    labelled : bool
        Whether the first folder on an image's path is its class.
    """

    url: str
    labelled: bool = False

    @property
    def about(self) -> dict[str, Any]:
        """See `Source.about`."""
        return {"kind": "folder", "path": self.url, "labelled": self.labelled}

    @property
    def promised(self) -> tuple[str, ...]:  # type: ignore[override]
        """See `Source.promised`."""
        return ("label",) if self.labelled else ()

    def entries(self) -> Iterator[Entry]:
        """See `Source.entries`; what is hidden is left out, as in a folder of files."""
        try:
            for key in _opened(self.url).all_names():
                parts = PurePosixPath(key).parts
                if PurePosixPath(key).suffix.lower() in SUFFIXES and not any(part.startswith(".") for part in parts):
                    yield Entry(key, parts[0] if self.labelled and len(parts) > 1 else None)
        except FileNotFoundError as error:
            raise InputError(f"`source` {self.url!r} doesn't exist.") from error
        except ResultError as error:
            raise InputError(str(error)) from error

    def read(self, entry: Entry) -> bytes:
        """See `Source.read`."""
        return read_object(f"{self.url}/{entry.key}")


def read_object(url: str) -> bytes:
    """Return what an object holds; that the store doesn't answer isn't the image's fault.

    Returns
    -------
    bytes

    Raises
    ------
    SourceGoneError
        If the store doesn't answer, or not to this one.
    InputError
        If there is no such object.
    """
    folder, _, name = url.rpartition("/")
    try:
        return _opened(folder).read(name)
    except FileNotFoundError as error:
        raise InputError(f"`images` file {url!r} doesn't exist.") from error
    except ResultError as error:
        raise SourceGoneError(f"{error} Start the run again once it can.") from error


def _opened(url: str) -> ObjectStorage:
    try:
        return ObjectStorage(url, "source")
    except ResultError as error:
        raise InputError(str(error)) from error
