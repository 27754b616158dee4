"""The adapters of the last few files that were named as models, so that a second call doesn't load and compile them again."""

from __future__ import annotations

import os
import sys
import threading
from collections import OrderedDict
from collections.abc import Callable, Hashable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from vizcnn.adapter.base import ModelAdapter

CAPACITY = 3
"""Models that are kept."""

_MANY = 1000
"""Files of a folder that are looked at; a larger one is no model, or is loaded anew each time."""


@dataclass
class RecentAdapters:
    """Adapters by the path of their file; the one that was used last longest ago is thrown away."""

    _kept: OrderedDict[str, tuple[Hashable, ModelAdapter]] = field(default_factory=OrderedDict)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def of(self, path: str | os.PathLike[str], load: Callable[[Any], ModelAdapter]) -> ModelAdapter:
        """Return the adapter of a file, loaded anew where the file, or a class that it may refer to, is another than before.

        Parameters
        ----------
        path : path
            The file, or the folder of a model.
        load : callable
            Takes the path and returns an adapter.

        Returns
        -------
        ModelAdapter
        """
        key = os.path.abspath(os.fspath(path))
        state = _state(Path(key))
        with self._lock:
            kept = self._kept.get(key)
            if kept is not None and state is not None and kept[0] == state:
                self._kept.move_to_end(key)
                return kept[1]
        adapter = load(path)
        with self._lock:
            self._kept.pop(key, None)
            if state is not None:
                self._kept[key] = state, adapter
            while len(self._kept) > CAPACITY:
                self._kept.popitem(last=False)
        return adapter


def _state(path: Path) -> Hashable | None:
    """Return what changes with a model: its files, and the classes that are registered; None where unknown.

    A file's time can be set, so that of its last change on the disk counts too. The description of a model may lie beside the
    file of its weights, and so do its settings.
    """
    try:
        folder = path.is_dir()
        files = sorted(path.rglob("*")) if folder else [path, *sorted(path.parent.glob("*.json"))]
        files += path.parent.glob("vizcnn.toml")
        if len(files) > _MANY:
            return None
        stats = tuple((str(file), *_version(file.stat())) for file in files)
    except OSError:
        return None
    keras = sys.modules.get("keras")
    registered = keras.saving.get_custom_objects() if keras is not None else {}
    return stats, frozenset((name, id(thing)) for name, thing in registered.items())


def _version(stat: os.stat_result) -> tuple[int, ...]:
    return stat.st_ino, stat.st_size, stat.st_mtime_ns, stat.st_ctime_ns
