"""Ways to damage a file: as bytes, and as the zip archive, the JSON or the HDF5 file that it is."""

from __future__ import annotations

import contextlib
import io
import json
import warnings
import zipfile
from collections.abc import Callable
from functools import partial
from typing import Any

import h5py
import numpy as np

Chance = np.random.Generator

NUMBERS = (0, 1, 7, 0x7F, 0x80, 0xFF, 0x7FFF, 0xFFFF, 0x7FFFFFFF, 0x80000000, 0xFFFFFFFF)
VALUES = (
    None, True, -1, 0, 2, 2**31, 2**63, -(2**70), 1e308, 0.5, float("nan"), float("inf"), "",
    "x", "\x00", "relu", "Dense", "keras.layers",
    "a" * 10_000, [], {}, [None], [[1, 2], [3]], [2**31, 2**31], {"class_name": "Dense", "config": {}},
    {"class_name": "Conv2D", "config": {"filters": 3, "kernel_size": 3}, "module": "keras.layers"},
)  # fmt: skip


def changed(content: bytes, chance: Chance, *, is_whole: bool = True) -> bytes:
    """Return a file that has been damaged in one to three ways.

    HDF5 is only taken apart while it is whole: on a damaged file the library may not come to an end.
    """
    for number in range(int(chance.integers(1, 4))):
        is_whole = is_whole and number == 0
        ways: list[Callable[[bytes, Chance], bytes]] = [change_bytes]
        if content.startswith(b"PK\x03\x04"):
            ways += [partial(change_archive, is_whole=is_whole)] * 3
        if content.startswith(b"\x89HDF") and is_whole:
            ways += [change_hdf5] * 2
        if content[:1] in (b"{", b"["):
            ways += [change_json] * 3
        way = ways[int(chance.integers(len(ways)))]
        with contextlib.suppress(Exception):  # what was damaged before may not be read any more
            content = way(content, chance)
    return content


def change_bytes(content: bytes, chance: Chance) -> bytes:
    """Flip, overwrite, leave out, repeat or cut off some bytes."""
    if not content:
        return bytes(chance.integers(0, 256, 8, dtype=np.uint8))
    data, way = bytearray(content), int(chance.integers(7))
    place = int(chance.integers(len(data)))
    length = int(min(len(data) - place, 2 ** chance.integers(0, 10)))
    if way == 0:
        for _ in range(int(chance.integers(1, 9))):
            data[int(chance.integers(len(data)))] ^= 1 << int(chance.integers(8))
    elif way == 1:
        del data[place:]
    elif way == 2:
        data[place : place + length] = chance.integers(0, 256, length, dtype=np.uint8).tobytes()
    elif way == 3:
        data[place : place + length] = bytes([int(chance.choice([0, 255]))]) * length
    elif way == 4:
        del data[place : place + length]
    elif way == 5:
        data[place:place] = data[place : place + length]
    else:
        number = int(chance.choice(NUMBERS))
        size = int(chance.choice([4, 8]))
        data[place : place + size] = number.to_bytes(size, "little")
    return bytes(data)


def change_archive(content: bytes, chance: Chance, *, is_whole: bool = True) -> bytes:
    """Damage an entry, and pack the archive anew; or add one, or leave one out."""
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        parts = [(entry.filename, archive.read(entry)) for entry in archive.infolist()]
    index, way = int(chance.integers(len(parts))), int(chance.integers(10))
    name, part = parts[index]
    if way == 0:
        del parts[index]
    elif way == 1:
        parts.append((name, part))
    elif way == 2:
        parts[index] = (str(chance.choice(["../x", "/x", "x", "", "assets/x"])), part)
    else:
        parts[index] = (name, changed(part, chance, is_whole=is_whole))
    whole = io.BytesIO()
    packed = zipfile.ZIP_DEFLATED if chance.integers(3) == 0 else zipfile.ZIP_STORED
    with warnings.catch_warnings(), zipfile.ZipFile(whole, "w", packed) as archive:
        warnings.simplefilter("ignore")  # of names that are there twice
        for entry, value in parts:
            archive.writestr(entry, value)
    return whole.getvalue()


def change_json(content: bytes, chance: Chance) -> bytes:
    """Replace, leave out or repeat a value."""
    whole = json.loads(content)
    for _ in range(int(chance.integers(1, 3))):
        whole = _change_value(whole, chance)
    return json.dumps(whole).encode()


def _change_value(whole: Any, chance: Chance) -> Any:
    places: list[tuple[Any, Any]] = []
    waiting = [whole]
    while waiting:
        value = waiting.pop()
        keys = value.keys() if isinstance(value, dict) else range(len(value)) if isinstance(value, list) else ()
        places += [(value, key) for key in keys]
        waiting += [value[key] for key in keys]
    if not places:
        return VALUES[int(chance.integers(len(VALUES)))]
    where, key = places[int(chance.integers(len(places)))]
    way = int(chance.integers(6))
    other, from_key = places[int(chance.integers(len(places)))]
    if way == 0:
        del where[key]
    elif way == 1:
        where[key] = json.loads(json.dumps(other[from_key]))
    elif way == 2 and isinstance(where[key], int):
        where[key] = int(where[key] * chance.choice([-1, 0, 2, 1000, 10**6]))
    elif way == 3 and isinstance(where, dict):
        where[str(chance.choice(["compile_config", "x", "class_name", "module", "config"]))] = where.pop(key)
    else:
        where[key] = VALUES[int(chance.integers(len(VALUES)))]
    return whole


def change_hdf5(content: bytes, chance: Chance) -> bytes:
    """Change an attribute or an array, or what leads to it."""
    stream = io.BytesIO(content)
    with h5py.File(stream, "r+") as file:
        entries: list[Any] = [file]
        file.visititems(lambda _, entry: entries.append(entry))
        entry = entries[int(chance.integers(len(entries)))]
        arrays = [one for one in entries if isinstance(one, h5py.Dataset)]
        way = int(chance.integers(6))
        if way < 3 and len(entry.attrs):
            _change_attribute(entry, str(chance.choice(list(entry.attrs))), chance)
        elif way == 3 and entry.name != "/":
            del file[entry.name]
        elif way == 4 and arrays:
            _change_array(file, arrays[int(chance.integers(len(arrays)))].name, chance)
        elif entry.name != "/":
            entry.parent["moved"] = entry
            del file[entry.name]
    return stream.getvalue()


def _change_attribute(entry: Any, name: str, chance: Chance) -> None:
    value = entry.attrs[name]
    texts = value.encode("utf-8", "replace") if isinstance(value, str) else value
    if isinstance(texts, bytes) and chance.integers(3):
        entry.attrs[name] = np.bytes_(changed(texts, chance))
    elif chance.integers(2):
        del entry.attrs[name]
    else:
        values: list[Any] = [0, -1.5, "x", b"\xff", np.zeros(3), np.zeros(0), h5py.Empty("f4"), ["a", "b"]]
        entry.attrs[name] = values[int(chance.integers(len(values)))]


def _change_array(file: Any, name: str, chance: Chance) -> None:
    value = file[name][()]
    del file[name]
    shape = tuple(int(size) for size in chance.integers(0, 5, int(chance.integers(0, 4))))
    makers: list[Callable[[], Any]] = [
        lambda: file.create_dataset(name, data=np.zeros(shape, "f4")),
        lambda: file.create_dataset(name, data=np.asarray(value, "f8")),
        lambda: file.create_dataset(name, data="text"),
        lambda: file.create_dataset(name, shape=(10**6, 10**4), dtype="f4", chunks=(1000, 100), compression="gzip"),
        lambda: file.create_group(name),
        lambda: file.create_dataset(name, shape=np.shape(value), dtype="f4", external=[("/etc/passwd", 0, 4096)]),
    ]
    makers[int(chance.integers(len(makers)))]()
