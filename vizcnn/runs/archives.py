"""Images inside larger files: tar archives as WebDataset writes them, Parquet with a column of bytes, TFRecord."""

from __future__ import annotations

import io
import os
import struct
import tarfile
import threading
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any, ClassVar

from vizcnn.errors import InputError, listed
from vizcnn.inputs.files import check_file
from vizcnn.inputs.pixels import SUFFIXES
from vizcnn.runs.files import open_parquet, wanted_columns
from vizcnn.runs.source import Entry, Source, SourceGoneError

TARS, TFRECORDS = (".tar",), (".tfrecord", ".tfrecords")


@dataclass(frozen=True)
class Archives(Source):
    """What the archives have in common: images are read in their order, by file and place.

    Attributes
    ----------
    files : tuple of Path
        The archives.
    columns : mapping of str to str
        "image", "label" and "target" to what they are called in them, where that is otherwise.
    """

    files: tuple[Path, ...]
    columns: Mapping[str, str]
    in_order = True
    kind: ClassVar[str]

    @property
    def about(self) -> dict[str, Any]:
        """See `Source.about`."""
        paths = [str(file.absolute()) for file in self.files]
        return {"kind": self.kind, "path": paths[0], "files": paths, "columns": dict(self.columns)}

    @property
    def promised(self) -> tuple[str, ...]:  # type: ignore[override]
        """See `Source.promised`."""
        return tuple(self.columns)

    def entries(self) -> Iterator[Entry]:
        """See `Source.entries`; an image is called by its archive and what it is called there."""
        for number, file in enumerate(self.files):
            check_file(file, "`source` file")
            try:
                for name, label, target, place in self._inside(file):
                    yield Entry(f"{file.name}/{name}", label, target, (number, *place))
            except (OSError, EOFError, ValueError, tarfile.TarError, struct.error) as error:
                if isinstance(error, InputError):
                    raise
                raise InputError(f"`source` file {str(file)!r} can't be read as {self.kind}: {error}.") from error

    def read(self, entry: Entry) -> bytes:
        """See `Source.read`."""
        place = entry.place if entry.place is not None else self._place(entry.key)
        file = self.files[place[0]]
        try:
            return self._bytes(file, *place[1:])
        except OSError as error:
            if not file.exists():
                raise SourceGoneError(
                    f"`source` {str(file)!r} isn't there any more. Bring it back, and start the run again."
                ) from error
            raise InputError(f"`images` {entry.key!r} can't be read: {error.strerror or error}.") from error

    def _place(self, key: str) -> tuple[int, ...]:
        """Find an image by its name alone."""
        for entry in self.entries():
            if entry.key == key and entry.place is not None:
                return entry.place
        raise InputError(f"`source` {str(self.files[0])!r} holds no {key!r} any more.")

    def _inside(self, file: Path) -> Iterator[tuple[str, str | None, str | int | None, tuple[int, ...]]]:
        """Yield name, label, target and place of each image of an archive."""
        raise NotImplementedError

    def _bytes(self, file: Path, *place: int) -> bytes:
        """Return the bytes of the image at a place."""
        with file.open("rb") as stream:
            stream.seek(place[0])
            return stream.read(place[1])


class Tar(Archives):
    """Tar archives; of files of one name, as WebDataset writes them, ``.cls`` holds the label."""

    kind: ClassVar[str] = "tar"

    def _inside(self, file: Path) -> Iterator[tuple[str, str | None, str | int | None, tuple[int, ...]]]:
        image: tarfile.TarInfo | None = None
        label: str | None = None
        stem = ""
        with tarfile.open(file, "r:") as tar:
            for member in tar:
                tar.members = []  # type: ignore[attr-defined]  # which it would keep for all files of the archive
                if not member.isfile():
                    continue
                base, suffix = _webdataset_name(member.name)
                if base != stem and image is not None:
                    yield image.name, label, None, (image.offset_data, image.size)
                    image = None
                if base != stem:
                    label, stem = None, base
                if suffix == ".cls":
                    content = tar.extractfile(member)
                    label = None if content is None else content.read(1000).decode("utf-8", "replace").strip()
                elif suffix in SUFFIXES:
                    image = member
            if image is not None:
                yield image.name, label, None, (image.offset_data, image.size)


class ParquetImages(Archives):
    """Parquet with a column of images' bytes: binary, or as Hugging Face's datasets have it, {bytes, path}."""

    kind: ClassVar[str] = "parquet"

    def _inside(self, file: Path) -> Iterator[tuple[str, str | None, str | int | None, tuple[int, ...]]]:
        table = open_parquet(file)
        image = image_column(file, self.columns.get("image"))
        names = wanted_columns(table.schema_arrow.names, {"image": image, **self.columns}, file, "image")
        others = {role: name for role, name in names.items() if role != "image"}
        number = 0
        for group in range(table.num_row_groups):
            rows: Any = table.read_row_group(group, columns=list(others.values())) if others else None
            values = {role: rows.column(name).to_pylist() for role, name in others.items()}
            for at in range(table.metadata.row_group(group).num_rows):
                label, target = (values[role][at] if role in values else None for role in ("label", "target"))
                yield f"{number}", None if label is None else str(label), target, (group, at)
                number += 1

    def _bytes(self, file: Path, *place: int) -> bytes:
        group, row = place
        with _GROUP_LOCK:
            images = _row_group(file, self.columns.get("image"), group)
        value = images[row].as_py()
        data = value["bytes"] if isinstance(value, Mapping) else value
        if not isinstance(data, bytes):
            raise InputError(f"`images` row {row} of group {group} of {file.name!r} holds no bytes.")
        return data


class TFRecords(Archives):
    """TFRecord files of `tf.train.Example`, with an image's file in one feature."""

    kind: ClassVar[str] = "tfrecord"

    def _inside(self, file: Path) -> Iterator[tuple[str, str | None, str | int | None, tuple[int, ...]]]:
        for number, (start, length, data) in enumerate(_records(file)):
            features = _features(data)
            self._feature(features, "image", ("image/encoded", "image_raw", "image"), file)
            found = {
                role: self._feature(features, role, names, file)
                for role, names in (("label", ("image/class/label", "label")), ("target", ("target",)))
            }
            label, target = found["label"], found["target"]
            target = target.decode("utf-8", "replace") if isinstance(target, bytes) else target
            text = label.decode("utf-8", "replace") if isinstance(label, bytes) else label
            yield f"{number}", None if text is None else str(text), target, (start, length)

    def _bytes(self, file: Path, *place: int) -> bytes:
        features = _features(super()._bytes(file, *place))
        data = self._feature(features, "image", ("image/encoded", "image_raw", "image"), file)
        if not isinstance(data, bytes):
            raise InputError(f"A record of {file.name!r} holds no bytes of an image.")
        return data

    def _feature(self, features: Mapping[str, Any], role: str, names: tuple[str, ...], file: Path) -> Any:
        asked = self.columns.get(role)
        for name in (asked,) if asked is not None else names:
            if name in features:
                return features[name]
        if asked is not None or role == "image":
            raise InputError(
                f"`source` {str(file)!r} must have a feature {asked or names[0]!r}; it has {listed(sorted(features))}. Say by "
                f"`columns` (--column {role}=NAME) what it is called."
            )
        return None


_GROUP_LOCK = threading.Lock()


@lru_cache(maxsize=3)
def _row_group(file: Path, asked: str | None, group: int) -> Any:
    """Return the images of a row group, of which the last few are kept."""
    import pyarrow.parquet as pq

    column = image_column(file, asked)
    return pq.ParquetFile(file).read_row_group(group, columns=[column]).column(column)


def image_column(file: Path, asked: str | None) -> str:
    """Return the column of a Parquet file that holds images: the one that was asked for, if any.

    Returns
    -------
    str

    Raises
    ------
    InputError
        If it has none.
    """
    import pyarrow as pa

    schema = open_parquet(file).schema_arrow

    def holds_bytes(kind: Any) -> bool:
        if pa.types.is_struct(kind):
            return bool(kind.get_field_index("bytes") >= 0)
        return bool(pa.types.is_binary(kind) or pa.types.is_large_binary(kind))

    fitting = [field.name for field in schema if holds_bytes(field.type) and asked in (None, field.name)]
    if not fitting:
        raise InputError(
            f"`source` {str(file)!r} must have a column of paths or of images' bytes; it has {listed(schema.names)}. Say by "
            f"`columns` (--column path=NAME or image=NAME) which it is."
        )
    return "image" if "image" in fitting else fitting[0]


def _webdataset_name(name: str) -> tuple[str, str]:
    """Return what the files of a sample have in common, and the suffix: both end at the first dot of the file's name."""
    folder, file = os.path.split(name)
    base, dot, suffix = file.partition(".")
    last = os.path.splitext(file)[1].lower()
    return os.path.join(folder, base), last if last in SUFFIXES else f"{dot}{suffix}".lower()


def _records(file: Path) -> Iterator[tuple[int, int, bytes]]:
    """Yield where each record of a TFRecord file begins, its length, and what it holds."""
    size = file.stat().st_size
    with file.open("rb") as stream:
        while head := stream.read(12):
            length = struct.unpack("<Q", head[:8])[0] if len(head) == 12 else size
            start = stream.tell()
            if start + length + 4 > size:
                raise EOFError("it is cut off")
            yield start, length, stream.read(length)
            stream.seek(4, io.SEEK_CUR)


def _features(data: bytes) -> dict[str, Any]:
    """Return the features of a `tf.train.Example`, of each its first value."""
    found: dict[str, Any] = {}
    for features in _fields(data, 1):
        for entry in _fields(features, 1):
            name = next(_fields(entry, 1), b"").decode("utf-8", "replace")
            for feature in _fields(entry, 2):
                for kind, values in _numbered(feature):
                    found[name] = _first_value(kind, values)
    return found


def _first_value(kind: int, values: Any) -> Any:
    if kind == 1:
        return next(_fields(values, 1), None)
    if kind == 3:
        value = next((value for number, value in _numbered(values) if number == 1), None)
        if isinstance(value, bytes):  # packed
            value = _varint(value, 0)[0] if value else None
        return value - 2**64 if value is not None and value >= 2**63 else value
    return None  # floats: no image, label or target


def _fields(data: Any, wanted: int) -> Iterator[bytes]:
    return (value for number, value in _numbered(data) if number == wanted and isinstance(value, bytes))


def _numbered(data: bytes) -> Iterator[tuple[int, Any]]:
    """Yield the fields of a message of protocol buffers, by number."""
    at = 0
    while at < len(data):
        tag, at = _varint(data, at)
        kind = tag & 7
        value: int | bytes | None = None
        if kind == 0:
            value, at = _varint(data, at)
        elif kind == 2:
            length, at = _varint(data, at)
            value, at = data[at : at + length], at + length
        elif kind in (1, 5):
            at += 8 if kind == 1 else 4
        else:
            raise ValueError("a record is no tf.train.Example")
        if at > len(data):
            raise ValueError("a record is no tf.train.Example")
        yield tag >> 3, value


def _varint(data: bytes, at: int) -> tuple[int, int]:
    value = shift = 0
    while True:
        if at >= len(data) or shift > 63:
            raise ValueError("a record is no tf.train.Example")
        byte = data[at]
        value |= (byte & 127) << shift
        at, shift = at + 1, shift + 7
        if byte < 128:
            return value, at
