"""A file that is named as a model twice is loaded once, unless it was changed in between."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest

import vizcnn as vz
from tests.models import images
from vizcnn.adapter import as_adapter
from vizcnn.adapter.recent import CAPACITY, RecentAdapters


def _linear(weight: float) -> keras.Model:
    dense = keras.layers.Dense(2, name="dense")
    model = keras.Sequential([keras.Input((2, 2, 1)), keras.layers.Flatten(), dense])
    dense.set_weights([weight * np.eye(4, 2), np.zeros(2)])
    return model


@pytest.fixture
def file(tmp_path: Path) -> Path:
    _linear(1).save(tmp_path / "m.keras")
    return tmp_path / "m.keras"


@pytest.fixture
def loads(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """Count how often Keras loads a model."""
    counted: list[Any] = []
    load = keras.saving.load_model
    monkeypatch.setattr(
        "keras.saving.load_model", lambda *args, **options: [counted.append(args), load(*args, **options)][1]
    )
    monkeypatch.setattr("vizcnn.adapter._of_files", RecentAdapters())
    return counted


def test_two_methods_on_a_path_load_and_compile_once(file: Path, loads: list[Any]) -> None:
    x = images(1, (2, 2, 1))
    vz.saliency(str(file), x, 0)
    traces = as_adapter(file).num_traces
    vz.saliency(file, x, 1)
    assert (len(loads), as_adapter(str(file)).num_traces) == (1, traces)


def test_file_that_was_changed_is_loaded_anew(file: Path, loads: list[Any]) -> None:
    x = np.ones((1, 2, 2, 1), np.float32)
    before = vz.saliency(str(file), x, 0).scores
    _linear(5).save(file)
    os.utime(file, ns=(1, 1))  # whatever the clock's resolution
    after = vz.saliency(str(file), x, 0).scores
    assert (before.tolist(), after.tolist(), len(loads)) == ([1], [5], 2)


@pytest.mark.parametrize("in_place", [True, False])
def test_file_of_the_same_size_and_time_is_loaded_anew(tmp_path: Path, in_place: bool) -> None:
    recent, loaded = RecentAdapters(), []
    file, other = tmp_path / "a.keras", tmp_path / "b.keras"
    for one, content in ((file, b"first"), (other, b"other")):
        one.write_bytes(content)
        os.utime(one, ns=(10**18, 10**18))
    recent.of(file, lambda path: loaded.append(path.read_bytes()))
    if in_place:
        file.write_bytes(b"other")
        os.utime(file, ns=(10**18, 10**18))
    else:
        other.replace(file)
    recent.of(file, lambda path: loaded.append(path.read_bytes()))
    assert loaded == [b"first", b"other"]


def test_path_is_the_same_however_it_is_spelled(file: Path, monkeypatch: pytest.MonkeyPatch, loads: list[Any]) -> None:
    monkeypatch.chdir(file.parent)
    (file.parent / "sub").mkdir()
    first = as_adapter(file)
    assert all(as_adapter(path) is first for path in ("m.keras", Path("m.keras"), str(file), "sub/../m.keras"))
    assert len(loads) == 1


def test_settings_of_their_own_have_an_adapter_of_their_own(file: Path, loads: list[Any]) -> None:
    as_adapter(file)
    assert vz.adapt(file, labels=["a", "b"]).labels == ("a", "b")
    assert as_adapter(file).labels is None


def test_only_a_few_are_kept(tmp_path: Path) -> None:
    recent, loaded = RecentAdapters(), []
    files = [tmp_path / f"{number}.keras" for number in range(CAPACITY + 1)]
    for file in files:
        file.write_bytes(b"model")
        recent.of(file, lambda path: loaded.append(path))
    recent.of(files[-1], lambda path: pytest.fail("it is kept"))
    recent.of(files[0], lambda path: loaded.append(path))
    assert loaded == [*files, files[0]]
