"""Where the images of a run come from."""

from __future__ import annotations

import io
import os
import pickle
import tarfile
import tracemalloc
from collections import Counter
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from PIL import Image

import vizcnn as vz
from tests.framework import needs_tensorflow
from tests.runs.made import OCCLUSION, SIZE, Made, explained, model, write_images
from vizcnn.errors import InputError, OptionError, TargetError
from vizcnn.runs.datasets import Elements
from vizcnn.runs.files import Folder
from vizcnn.runs.job import Job
from vizcnn.runs.labels import Labels
from vizcnn.runs.open_source import open_source, reopened
from vizcnn.runs.plan import Plan, part_of_shards
from vizcnn.runs.sampling import sampled
from vizcnn.runs.source import Entry, entries_of
from vizcnn.runs.worker import Worker

pytestmark = pytest.mark.filterwarnings("ignore::vizcnn.errors.VizcnnWarning")


def keys(source: Any, **options: Any) -> list[tuple[Any, ...]]:
    return sorted(tuple(entry)[:3] for entry in open_source(source, **options).entries())


def test_folder_is_walked_hidden_files_and_others_left_out(tmp_path: Path) -> None:
    for name in ("a/1.png", "a/deep/2.JPG", "3.webp", ".hidden/4.png", "a/._5.png", "notes.txt"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    assert [key for key, *_ in keys(tmp_path)] == ["3.webp", "a/1.png", "a/deep/2.JPG"]
    labels = [("3.webp", None, None), ("a/1.png", "a", None), ("a/deep/2.JPG", "a", None)]
    assert keys(tmp_path, labels_by="folders") == labels


def test_link_out_of_a_folder_is_followed_and_one_that_leads_back_is_not(tmp_path: Path) -> None:
    for name in ("images/a/1.png", "elsewhere/2.png"):
        (tmp_path / name).parent.mkdir(parents=True)
        (tmp_path / name).touch()
    for name, target in (("images/a/back", "images"), ("images/up", "."), ("images/b", "elsewhere"), ("images/c", "images/a"),
                         ("elsewhere/self", "elsewhere"), ("elsewhere/images", "images")):  # fmt: skip
        (tmp_path / name).symlink_to(tmp_path / target)
    (tmp_path / "images" / "3.png").symlink_to(tmp_path / "elsewhere" / "2.png")
    assert [key for key, *_ in keys(tmp_path / "images")] == ["3.png", "a/1.png", "b/2.png"]


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
        InputError, match=r"must have a column .*; it has 'file', 'class', 'target', 'more'. Say by `columns`"
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
        (lambda folder: folder / "model.h5", "must be a folder of images, here or in an object store, a list of paths"),
        (lambda folder: folder / "bad.parquet", "can't be read as Parquet"),
        (lambda folder: folder / "bad.txt", "isn't a list in UTF-8"),
        (lambda folder: folder / "gap.csv", "must name a file in every row; row 2 names none"),
        (lambda folder: folder / "empty.csv", "must say a label of its images; the column is empty"),
        (lambda folder: folder / "images.parquet", "must have a column 'kind'; it has 'image'"),
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
    (tmp_path / "empty.csv").write_bytes(b"path,kind\na,\nb,\n")
    pq.write_table(pa.table({"image": [b""]}), tmp_path / "images.parquet")
    source = make(tmp_path)
    columns = {"label": "kind"} if "kind" in message or "empty" in message else None
    with pytest.raises(InputError, match=message):
        explained(source, tmp_path / "out", model="no model.keras", columns=columns)


def test_folders_without_folders_give_no_labels(tmp_path: Path) -> None:
    (tmp_path / "1.png").touch()
    with pytest.raises(InputError, match="must say a label of its images; all of them lie in the folder itself"):
        explained(tmp_path, tmp_path / "out", model="no model.keras", labels_by="folders")


@pytest.mark.parametrize("name", ["list.txt", "images.tar"])
def test_columns_of_what_has_none_are_refused(tmp_path: Path, name: str) -> None:
    (tmp_path / name).touch()
    with pytest.raises(OptionError, match=r"`columns` is for tables, Parquet and TFRecord; `source` is of '.t..'"):
        open_source(tmp_path / name, columns={"label": "kind"})


def test_labels_that_mean_no_class_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    images = write_images(tmp_path / "images", 3)
    for name in "abc":
        (images / name).rename(images / f"{name}{name}")
    message = r"none does. Labels: 'aa', 'bb', 'cc'. Classes: 'a', 'b', 'c'"
    asked = Job(model, None, open_source(images, labels_by="folders"), tmp_path / "out", (OCCLUSION,))
    with pytest.raises(InputError, match=message):  # as soon as the model says what its classes are
        Worker.of(asked, asked.plan())
    monkeypatch.setattr(Worker, "of", lambda *_: pytest.fail("the model is opened"))
    with pytest.raises(InputError, match=message):  # which this one says already
        explained(images, tmp_path / "out", labels_by="folders")


def test_target_of_an_image_that_the_model_lacks_is_refused_before_any_is_explained(tmp_path: Path) -> None:
    images = write_images(tmp_path / "images", 40)
    rows = [f"{path.relative_to(images)},{'d' if '039' in path.name else 'a'}" for path in images.rglob("*.png")]
    (images / "asked.csv").write_text("\n".join(["path,target", *rows]))
    with pytest.raises(TargetError, match="'d'"):
        explained(images / "asked.csv", tmp_path / "out")
    assert not (tmp_path / "out" / "manifest.json").exists()


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
    order = plan.listing.keys(range(100))
    assert order == Plan.of(Made(*reversed(entries)), 32).listing.keys(range(100)) != sorted(order)
    assert [len(plan.shard(number)) for number in range(plan.num_shards)] == [32, 32, 32, 4]
    assert plan.digest == Plan.of(Made(*reversed(entries)), 32).digest
    relabelled = [Entry(entry.key, "x") for entry in entries]
    assert plan.digest != Plan.of(Made(*relabelled), 32).digest


def sample(entries: list[Entry], count: int) -> list[Entry]:
    listed = Plan.of(Made(*entries), 32)
    return listed.taken(sampled(listed.at_random, listed.listing, None, "class", count)).listing.entries(range(count))


def test_sample_takes_of_each_class_as_many_and_always_the_same() -> None:
    entries = [Entry(f"{number}.png", "rare" if number % 10 == 0 else "common") for number in range(100)]
    taken = sample(entries, 30)
    assert Counter(entry.label for entry in taken) == {"rare": 10, "common": 20}
    assert set(sample(entries, 12)) < set(taken)
    assert taken == sample(entries[::-1], 30)


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


def pictures(count: int = 5) -> list[bytes]:
    """Return the bytes of image files."""
    generator = np.random.default_rng(0)
    made = []
    for _ in range(count):
        Image.fromarray(generator.integers(0, 256, (SIZE, SIZE, 3), dtype=np.uint8)).save(file := io.BytesIO(), "PNG")
        made.append(file.getvalue())
    return made


def write_tar(folder: Path) -> Path:
    for shard, part in enumerate((pictures()[:3], pictures()[3:])):
        with tarfile.open(folder / f"{shard}.tar", "w") as tar:
            for number, data in enumerate(part):
                of_sample = {"png": data, "cls": str(number).encode(), "json": b"{}"}
                for name, content in ((f"x/{number:03d}.{suffix}", content) for suffix, content in of_sample.items()):
                    info = tarfile.TarInfo(name)
                    info.size = len(content)
                    tar.addfile(info, io.BytesIO(content))
    return folder / "*.tar"


def write_bytes_in_parquet(folder: Path) -> Path:
    images = [{"bytes": data, "path": None} for data in pictures()]
    pq.write_table(pa.table({"image": images, "label": [0, 1, 2, 0, 1]}), folder / "images.parquet", row_group_size=2)
    return folder / "images.parquet"


def write_tfrecords(folder: Path) -> Path:
    import tensorflow as tf

    feature = tf.train.Feature
    with tf.io.TFRecordWriter(str(folder / "images.tfrecord")) as writer:
        for number, data in enumerate(pictures()):
            features = {
                "image/encoded": feature(bytes_list=tf.train.BytesList(value=[data])),
                "image/class/label": feature(int64_list=tf.train.Int64List(value=[number % 3])),
                "weight": feature(float_list=tf.train.FloatList(value=[0.5, 1.5])),
            }
            writer.write(tf.train.Example(features=tf.train.Features(feature=features)).SerializeToString())
    return folder / "images.tfrecord"


@pytest.mark.parametrize(
    "write", [write_tar, write_bytes_in_parquet, pytest.param(write_tfrecords, marks=needs_tensorflow)]
)
def test_archive_is_read_in_its_order_with_its_labels(tmp_path: Path, write: Any) -> None:
    source = open_source(write(tmp_path))
    entries = list(source.entries())
    assert [source.read(entry) for entry in entries] == pictures()
    assert [entry.label for entry in entries] == ["0", "1", "2", "0", "1"]
    assert len({entry.key for entry in entries}) == 5
    assert pickle.loads(pickle.dumps(source)).read(entries[3]) == pictures()[3]
    run = explained(source, tmp_path / "out", methods=OCCLUSION)
    assert run.table["path"].tolist() == [entry.key for entry in entries]
    assert run.table["label_class"].tolist() == [0, 1, 2, 0, 1]
    assert run.result(4, model=model()).names == (entries[4].key.rpartition("/")[2],)
    part = explained(source, tmp_path / "part", methods=OCCLUSION, sample=3)
    assert part.table["path"].tolist() == [key for key in run.table["path"] if key in set(part.table["path"])]


def test_archive_that_is_cut_off_or_lacks_images_is_refused(tmp_path: Path) -> None:
    (tmp_path / "cut.tfrecord").write_bytes(b"\x80\0\0\0\0\0\0\0....and too little")
    (tmp_path / "no.tar").write_bytes(b"no archive" * 100)
    pq.write_table(pa.table({"text": ["a"]}), tmp_path / "text.parquet")
    for name, message in (
        ("cut.tfrecord", "can't be read as tfrecord: it is cut off"), ("no.tar", "can't be read as tar"),
        ("text.parquet", "must have a column of paths or of images' bytes; it has 'text'. Say by `columns`"),
    ):  # fmt: skip
        with pytest.raises(InputError, match=message):
            keys(tmp_path / name)
    with pytest.raises(InputError, match=r"must be archives of one kind; got files of '.parquet', '.tar', '.tfrecord'"):
        keys(tmp_path / "*")


def test_features_of_a_record_may_be_called_otherwise(tmp_path: Path) -> None:
    pytest.importorskip("tensorflow")
    file = write_tfrecords(tmp_path)
    with pytest.raises(
        InputError, match="must have a feature 'jpeg'; it has 'image/class/label', 'image/encoded', 'weight'"
    ):
        keys(file, columns={"image": "jpeg"})
    assert {label for _, label, _ in keys(file, columns={"label": "weight"})} == {None}


class Batches(keras.utils.PyDataset):
    def __init__(self, x: np.ndarray, y: np.ndarray) -> None:
        super().__init__()
        self.x, self.y = x, y

    def __len__(self) -> int:
        return -(-len(self.x) // 2)

    def __getitem__(self, number: int) -> Any:
        part = slice(2 * number, 2 * number + 2)
        return self.x[part], self.y[part]


def data() -> tuple[np.ndarray, np.ndarray]:
    x = np.random.default_rng(0).integers(0, 256, (5, SIZE, SIZE, 3)).astype(np.float32)
    return x, np.array([0, 1, 2, 0, 1])


def dataset(x: np.ndarray, y: np.ndarray) -> Any:
    import tensorflow as tf

    return tf.data.Dataset.from_tensor_slices((x, y)).batch(2)


@pytest.mark.parametrize(
    ("make", "kind"),
    [
        (lambda x, y: (x, y), "array"),
        (lambda x, y: (x, np.eye(3)[y]), "array"),
        (Batches, "PyDataset"),
        pytest.param(dataset, "tf.data", marks=needs_tensorflow),
    ],
)
def test_data_of_a_program_is_gone_through_in_its_order(tmp_path: Path, make: Any, kind: str) -> None:
    x, y = data()
    source = open_source(make(x, y))
    assert source.about == {"kind": kind}
    entries = list(source.entries())
    assert [entry.label for entry in entries] == ["0", "1", "2", "0", "1"]
    for number in (0, 3, 1, 4, 0):
        np.testing.assert_array_equal(source.read(entries[number]), x[number])
    run = explained(make(x, y), tmp_path, methods=OCCLUSION)
    alone = vz.explain(model(), x, methods=OCCLUSION)[OCCLUSION]
    np.testing.assert_allclose(run.table["score"], alone.scores, rtol=1e-5)
    assert run.table["label_class"].tolist() == y.tolist()
    with pytest.raises(InputError, match=f"can't be read again: they came from a {kind}"):
        run.result(0)


def test_images_that_are_expected_are_gone_to_once_in_whichever_order_they_are_read() -> None:
    passed: list[int] = []

    def one_by_one() -> Any:
        for number in range(3000):
            passed.append(number)
            yield np.full((1, 1, 1), number, np.float32), None

    source = Elements("generator", one_by_one)
    entries = list(source.entries())[::300]
    passed.clear()
    for entry in entries:
        source.expect(entry)
    for number, entry in reversed([*enumerate(entries)]):  # as threads may come
        assert source.read(entry)[0, 0, 0] == 300 * number
    assert passed == list(range(2701))
    assert (source.read(entries[1])[0, 0, 0], len(passed)) == (300, 2701 + 301)  # once more, from the beginning


@needs_tensorflow
def test_dataset_that_is_shuffled_anew_each_time_is_not_trusted(tmp_path: Path) -> None:
    import tensorflow as tf

    x, y = data()
    source = open_source(tf.data.Dataset.from_tensor_slices((x, y)).shuffle(5, seed=1, reshuffle_each_iteration=True))
    entries = list(source.entries())
    with pytest.raises(
        InputError, match=r"gave another image . than before. It must give the same images in the same order"
    ):
        [source.read(entry) for entry in entries]
    with pytest.raises(InputError, match=r"must end; got a tf.data.Dataset that repeats for ever"):
        open_source(dataset(x, y).repeat())


def test_archive_is_gone_through_once_and_not_kept_in_memory(tmp_path: Path) -> None:
    with tarfile.open(tmp_path / "images.tar", "w") as tar:
        for number in range(2000):
            tar.addfile(tarfile.TarInfo(f"{number}.png"))
    source = open_source(tmp_path / "images.tar")
    tracemalloc.start()
    found = entries_of(source, {"images.tar/7.png", "images.tar/1990.png", "images.tar/none.png"})
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert sorted(found) == ["images.tar/1990.png", "images.tar/7.png"]
    assert peak < 400_000  # what tarfile knows of all of them takes two million bytes


def test_column_of_what_a_source_has_not_is_refused(tmp_path: Path) -> None:
    table, records = tmp_path / "images.csv", tmp_path / "images.tfrecord"
    for file, role, what in ((table, "image", "a table of paths"), (records, "path", "an archive of images")):
        file.write_text("path\na.png\n")
        with pytest.raises(OptionError, match=f"`columns` must not name '{role}': `source` is {what}"):
            open_source(file, columns={role: "path"})


def test_parquet_of_images_alone_is_listed_without_reading_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "images.parquet"
    pq.write_table(pa.table({"image": pa.array([b"1", b"2", b"3"], pa.binary())}), file, row_group_size=2)
    monkeypatch.setattr(pq.ParquetFile, "read_row_group", lambda *_, **__: pytest.fail("it was read"))
    assert [entry.key for entry in open_source(file).entries()] == [f"images.parquet/{number}" for number in range(3)]
