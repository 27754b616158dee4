"""Images that can't be explained: the others are what they were, and these are in the ledger, and tried again when asked."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

import vizcnn as vz
from tests.runs.made import contents, explained, model, write_images
from vizcnn.errors import ResultError
from vizcnn.runs import finishing, journal
from vizcnn.runs.layout import RunFolder
from vizcnn.runs.local_storage import LocalStorage
from vizcnn.runs.manifest import Manifest


def test_images_that_cannot_be_read_are_in_the_ledger_and_tried_again_when_asked(tmp_path: Path) -> None:
    images = write_images(tmp_path / "images", 20, broken=(7,))
    run = explained(images, tmp_path / "out")
    assert run.failures.to_dict("records") == [
        {"path": "b/007.png", "method": None, "reason": "`images` file '007.png' is damaged: image file is truncated."}
    ]
    row = run.table.set_index("path").loc["b/007.png"]
    assert row["error"] == run.failures["reason"][0]
    place = int(run.table.index[run.table["path"] == "b/007.png"][0])
    assert np.isnan(run.maps(place)).all()
    with pytest.raises(ResultError, match=r"Image 'b/007.png' couldn't be read: `images` file '007.png' is damaged"):
        run.result(place)
    write_images(images, 20)
    assert len(explained(images, tmp_path / "out").failures) == 1
    with pytest.raises(ResultError, match="another batch_size"):
        explained(images, tmp_path / "out", retry=True, model=model(2))
    assert len(vz.open_run(tmp_path / "out").failures) == 1  # nothing was forgotten for it
    assert len(explained(images, tmp_path / "out", retry=True).failures) == 0
    explained(images, tmp_path / "fresh")
    assert contents(tmp_path / "out") == contents(tmp_path / "fresh")


def test_parts_are_tried_again_one_by_one_and_after_a_stop_in_the_middle(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    images, out = write_images(tmp_path / "images", 16, broken=(0, 7)), tmp_path / "out"
    assert list(explained(images, out).failures["path"]) == ["b/007.png", "a/000.png"]  # of one shard, and of the other
    write_images(images, 16)
    explained(images, out, retry=True, shard="2/2")
    assert list(vz.open_run(out).failures["path"]) == ["b/007.png"]

    def stop(self: Any, name: str) -> None:
        (self.root / name).unlink()
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(LocalStorage, "remove", stop)
        with pytest.raises(KeyboardInterrupt):
            explained(images, out, retry=True)
    folder = RunFolder(out)
    manifest = Manifest.read(folder)
    assert manifest is not None
    assert manifest.about["complete"] is False
    finishing.finish(folder, manifest)  # by a process that saw all shards, just before
    assert Manifest.read(folder) == manifest
    assert len(explained(images, out).failures) == 0
    explained(images, tmp_path / "fresh")
    assert contents(out) == contents(tmp_path / "fresh")


def test_what_failed_of_an_unfinished_shard_is_tried_again_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    images = write_images(tmp_path / "images", 8, broken=(5,))
    real = journal.Journal.append

    def append(self: Any, batch: Any) -> None:
        real(self, batch)
        if batch["error"].null_count < len(batch):
            raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(journal.Journal, "append", append)
        with pytest.raises(KeyboardInterrupt):
            explained(images, tmp_path / "out")
    write_images(images, 8)
    assert len(explained(images, tmp_path / "out", retry=True).failures) == 0
    explained(images, tmp_path / "fresh")
    assert contents(tmp_path / "out") == contents(tmp_path / "fresh")


def test_image_that_cannot_be_read_leaves_the_numbers_of_the_others_as_they_are(tmp_path: Path) -> None:
    images = write_images(tmp_path / "images", 20)
    before = explained(images, tmp_path / "before").table
    (images / "b" / "007.png").write_bytes(b"")
    after = explained(images, tmp_path / "after").table
    others = before["path"] != "b/007.png"
    assert before[others].equals(after[others])
