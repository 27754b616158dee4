"""An object store in a folder, which several processes see: objects are put whole, never appended to, renamed or locked."""

from __future__ import annotations

import io
import os
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, ClassVar

import fsspec


def url_of(folder: Path) -> str:
    """Return the address of a folder as one of the store."""
    return f"bucket:/{folder}"


class Bucket(fsspec.AbstractFileSystem):
    """The store: the object ``bucket://a/b`` lies in the file ``/a/b``; there are no folders but those that objects lie in."""

    protocol = "bucket"
    disturb: ClassVar[Callable[[str, str], None]] = staticmethod(lambda operation, path: None)

    @classmethod
    def _strip_protocol(cls, path: Any) -> str:
        return str(path).removeprefix("bucket://").strip("/")

    def _file(self, operation: str, path: str) -> Path:
        type(self).disturb(operation, path)
        return Path("/", self._strip_protocol(path))

    def info(self, path: str, **kwargs: Any) -> dict[str, Any]:
        file = self._file("info", path)
        if file.is_file():
            return {"name": self._strip_protocol(path), "size": file.stat().st_size, "type": "file"}
        if any(_objects(file)):
            return {"name": self._strip_protocol(path), "size": 0, "type": "directory"}
        raise FileNotFoundError(path)

    def ls(self, path: str, detail: bool = True, **kwargs: Any) -> list[Any]:
        folder = self._file("list", path)
        files = [file.relative_to(folder).parts[0] for file in _objects(folder)]
        if not files:
            raise FileNotFoundError(path)
        found = [f"{self._strip_protocol(path)}/{name}" for name in dict.fromkeys(files)]
        return [self.info(one) for one in found] if detail else found

    def cat_file(self, path: str, start: int | None = None, end: int | None = None, **kwargs: Any) -> bytes:
        return self._file("get", path).read_bytes()[start:end]

    def pipe_file(self, path: str, value: bytes, mode: str = "overwrite", **kwargs: Any) -> None:
        file = self._file("put", path)
        file.parent.mkdir(parents=True, exist_ok=True)
        partial = file.with_name(f"{_PARTIAL}{uuid.uuid4().hex}")
        partial.write_bytes(value)
        try:
            if mode == "create":
                os.link(partial, file)
            else:
                partial.replace(file)
        finally:
            partial.unlink(missing_ok=True)

    def rm_file(self, path: str) -> None:
        self._file("remove", path).unlink()

    def _open(self, path: str, mode: str = "rb", **kwargs: Any) -> io.BytesIO:
        if mode != "rb":
            raise NotImplementedError("objects are put whole")
        return io.BytesIO(self.cat_file(path))

    def mv(self, *args: Any, **kwargs: Any) -> None:
        raise NotImplementedError("objects aren't renamed")


_PARTIAL = ".bucket-"
"""How the name begins of what is no object yet."""


def _objects(folder: Path) -> Iterator[Path]:
    return (file for file in folder.rglob("*") if file.is_file() and not file.name.startswith(_PARTIAL))


fsspec.register_implementation("bucket", Bucket, clobber=True)
