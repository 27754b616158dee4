"""Images in folders, and a model of NumPy alone: a process that explains them starts in a second, and may be killed."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

import vizcnn as vz
from vizcnn.adapter.blackbox import adapt_function
from vizcnn.adapter.preprocessing import resolve_preprocess
from vizcnn.runs.journal import Journal
from vizcnn.runs.source import Entry, Source

SIZE = 8
OCCLUSION, RISE = "occlusion:patch_size=4,stride=4", "rise:num_samples=4,cells=2"


class Made(Source):
    """Names alone."""

    def __init__(self, *entries: Entry) -> None:
        self._entries = entries

    @property
    def about(self) -> dict[str, Any]:
        return {"kind": "made"}

    def entries(self) -> Any:
        return iter(self._entries)

    def read(self, entry: Entry) -> bytes:
        raise AssertionError("it is listed alone")


def write_images(folder: Path, count: int, *, broken: tuple[int, ...] = ()) -> Path:
    """Write images of three classes, a folder for each; of some nothing but the beginning."""
    generator = np.random.default_rng(0)
    for number in range(count):
        path = folder / "abc"[number % 3] / f"{number:03d}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(generator.integers(0, 256, (SIZE, SIZE, 3), dtype=np.uint8)).save(path)
        if number in broken:
            path.write_bytes(path.read_bytes()[:60])
    return folder


def softmax(inputs: np.ndarray) -> np.ndarray:
    weights = np.random.default_rng(1).normal(size=(SIZE * SIZE * 3, 3)) / 500
    powers = np.exp(inputs.reshape(len(inputs), -1) @ weights)
    return powers / powers.sum(axis=1, keepdims=True)


def model(batch_size: int = 4, function: Any = softmax) -> Any:
    """Return an adapter that needs no framework."""
    as_they_are = resolve_preprocess("none")
    return adapt_function(
        function, (SIZE, SIZE, 3), labels=("a", "b", "c"), batch_size=batch_size, preprocess=as_they_are
    )


def explained(source: Any, out: Path, **options: Any) -> vz.Run:
    """Run over them, in shards of eight."""
    asked: dict[str, Any] = {"methods": [OCCLUSION, RISE], "shard_size": 8, **options}
    return vz.explain_dataset(asked.pop("model", None) or model(), source, out, **asked)


def contents(folder: Path) -> dict[str, str]:
    """Return the hash of each file of a folder."""
    files = (path for path in sorted(folder.rglob("*")) if path.is_file())
    return {path.relative_to(folder).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest() for path in files}


def starts_until_whole(
    run: Callable[[], Any], monkeypatch: pytest.MonkeyPatch, stopped: Callable[[], None] = lambda: None
) -> int:
    """Stop a run after each batch that it wrote down, and start it again; return how often, until it is whole."""
    real = Journal.append

    def append(self: Any, batch: Any) -> None:
        real(self, batch)
        raise KeyboardInterrupt

    monkeypatch.setattr(Journal, "append", append)
    for start in range(1, 101):
        try:
            run()
        except KeyboardInterrupt:
            stopped()
        else:
            return start
    raise AssertionError("the run came to no end")
