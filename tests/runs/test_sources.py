"""Where the images of a run come from."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from tests.runs.made import explained, write_images
from vizcnn.errors import InputError, OptionError
from vizcnn.runs.files import Folder
from vizcnn.runs.labels import Labels
from vizcnn.runs.open_source import open_source, reopened
from vizcnn.runs.plan import Plan, part_of_shards
from vizcnn.runs.source import Entry, Source


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


def keys(source: Any, **options: Any) -> list[tuple[Any, ...]]:
    return sorted(tuple(entry)[:3] for entry in open_source(source, **options).entries())


def test_folder_is_walked_hidden_files_and_others_left_out(tmp_path: Path) -> None:
    for name in ("a/1.png", "a/deep/2.JPG", "3.webp", ".hidden/4.png", "a/._5.png", "notes.txt"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    (tmp_path / "a" / "loop").symlink_to(tmp_path)
    found = {key for key, *_ in keys(tmp_path)}
    assert {"a/1.png", "a/deep/2.JPG", "3.webp"} <= found
    assert not [key for key in found if "hidden" in key or "._" in key or "notes" in key]
    assert len(found) < 10  # a link to itself ends
    assert keys(tmp_path, labels_by="folders")[0] == ("3.webp", None, None)
    assert ("a/deep/2.JPG", "a", None) in keys(tmp_path, labels_by="folders")


def test_files_are_listed_without_being_opened(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_images(tmp_path, 30)
    monkeypatch.setattr(Path, "open", lambda *_, **__: pytest.fail("opened"))
    monkeypatch.setattr(os, "stat", lambda *_, **__: pytest.fail("looked at"))
    assert len(list(Folder(tmp_path).entries())) == 30


@pytest.mark.parametrize("suffix", [".csv", ".tsv", ".parquet"])
def test_table_says_paths_labels_and_targets(tmp_path: Path, suffix: str) -> None:
    file = tmp_path / f"images{suffix}"
    rows = {"file": ["x/1.png", "2.png"], "class": ["cat", None], "target": [3, None], "more": ["a", "b"]}
    if suffix == ".parquet":
        pq.write_table(pa.table(rows), file)
    else:
        between = "," if suffix == ".csv" else "\t"
        lines = [rows, *zip(*rows.values(), strict=True)]
        text = "\n".join(between.join("" if value is None else str(value) for value in line) for line in lines)
        file.write_text(f"\ufeff{text}\n", encoding="utf-8")
    columns = {"path": "file", "label": "class"}
    assert keys(file, columns=columns) == [("2.png", None, None), ("x/1.png", "cat", 3)]
    with pytest.raises(
        InputError, match=r"must have a column 'path'; it has 'file', 'class', 'target', 'more'. Say by `columns`"
    ):
        keys(file)
    with pytest.raises(InputError, match="must have a column 'kind'"):
        keys(file, columns={**columns, "label": "kind"})


def test_list_is_a_path_a_line(tmp_path: Path) -> None:
    (tmp_path / "list.txt").write_text("a.png\n\n  b c.png \r\n/d.png\n")
    assert keys(tmp_path / "list.txt") == [("/d.png", None, None), ("a.png", None, None), ("b c.png", None, None)]


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda folder: folder / "none", "doesn't exist"),
        (lambda folder: folder, "holds no image"),
        (lambda folder: folder / "model.h5", "must be a folder of images, a list of paths"),
        (lambda folder: folder / "bad.parquet", "can't be read as Parquet"),
        (lambda folder: folder / "bad.txt", "isn't a list in UTF-8"),
        (lambda folder: folder / "gap.csv", "must name a file in every row; row 2 names none"),
        (lambda folder: 3, "`source` must be a folder of images.*got int"),
    ],
)
def test_bad_source_is_told_before_the_model_is_loaded(tmp_path: Path, make: Any, message: str) -> None:
    for name, data in (
        ("model.h5", b"x"),
        ("bad.parquet", b"x"),
        ("bad.txt", b"\xff\xfe\n"),
        ("gap.csv", b'path\na\n ""\n'),
    ):
        (tmp_path / name).write_bytes(data)
    (tmp_path / "gap.csv").write_bytes(b"path,label\na,1\n,2\n")
    with pytest.raises(InputError, match=message):
        explained(make(tmp_path), tmp_path / "out", model="no model.keras")


def test_labels_that_mean_no_class_are_refused(tmp_path: Path) -> None:
    images = write_images(tmp_path / "images", 3)
    for name in "abc":
        (images / name).rename(images / f"{name}{name}")
    with pytest.raises(InputError, match=r"none does. Labels: 'aa', 'bb', 'cc'. Classes: 'a', 'b', 'c'"):
        explained(images, tmp_path / "out", labels_by="folders")


def test_labels_are_classes_by_name_by_index_or_as_keras_counts_folders() -> None:
    names = ("class 0", "class 1", "class 2")
    assert Labels.of(["b", "a", "c"], names, named=False, in_folders=True).classes == {"a": 0, "b": 1, "c": 2}
    assert Labels.of(["2", "x"], names, named=False, in_folders=False).classes == {"2": 2}
    assert Labels.of(["2", "1"], ("3", "2", "1"), named=True, in_folders=False).classes == {"1": 2, "2": 1}
    with pytest.raises(InputError):
        Labels.of(["b", "a"], names, named=False, in_folders=True)


def test_order_depends_on_nothing_but_the_paths() -> None:
    entries = [Entry(f"{number}.png") for number in range(100)]
    plan = Plan.of(Made(*entries), 32)
    assert plan.listing.keys == Plan.of(Made(*reversed(entries)), 32).listing.keys
    assert plan.listing.keys != sorted(plan.listing.keys)
    assert [len(plan.shard(number)) for number in range(plan.num_shards)] == [32, 32, 32, 4]
    assert plan.digest() == Plan.of(Made(*reversed(entries)), 32).digest()
    relabelled = [Entry(entry.key, "x") for entry in entries]
    assert plan.digest() != Plan.of(Made(*relabelled), 32).digest()


def test_sample_takes_of_each_class_as_many_and_always_the_same() -> None:
    entries = [Entry(f"{number}.png", "rare" if number % 10 == 0 else "common") for number in range(100)]
    plan = Plan.of(Made(*entries), 32, sample=30)
    labels = plan.listing.labels
    assert (labels.count("rare"), labels.count("common")) == (10, 20)
    assert set(Plan.of(Made(*entries), 32, sample=12).listing.keys) < set(plan.listing.keys)
    assert plan.listing.keys == Plan.of(Made(*reversed(entries)), 32, sample=30).listing.keys


def test_part_of_shards() -> None:
    assert (part_of_shards(None), part_of_shards("1/1"), part_of_shards(" 2/8")) == ((0, 1), (0, 1), (1, 8))
    for text in ("0/2", "2", "a/b", "3/2"):
        with pytest.raises(OptionError, match="`shard` must be"):
            part_of_shards(text)


def test_source_is_found_again_by_what_the_manifest_says(tmp_path: Path) -> None:
    write_images(tmp_path / "images", 3)
    (tmp_path / "list.txt").write_text("images/a/000.png")
    for source in (tmp_path / "images", tmp_path / "list.txt"):
        opened = open_source(source)
        entry = next(opened.entries())
        assert reopened(opened.about).read(entry) == opened.read(entry) != b""
    with pytest.raises(InputError, match="came from a generator"):
        reopened({"kind": "generator"})
