"""A run in an object store: the same files as in a folder, whatever happens on the way."""

from __future__ import annotations

import hashlib
import os
import random
import re
import shutil
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import zarr
from typer.testing import CliRunner

import vizcnn as vz
from tests.runs.made import OCCLUSION, RISE, contents, explained, model, starts_until_whole, write_images
from vizcnn.cli import app
from vizcnn.errors import InputError, OptionError, ResultError
from vizcnn.runs import object_storage
from vizcnn.runs.finishing import begin, check_folder, finish
from vizcnn.runs.job import Job
from vizcnn.runs.layout import RunFolder, place_of
from vizcnn.runs.manifest import Manifest
from vizcnn.runs.object_storage import ObjectStorage, check_url
from vizcnn.runs.open_source import open_source
from vizcnn.runs.ray_rows import HeldRows
from vizcnn.runs.running import run_job, work_on
from vizcnn.runs.source import Entry, SourceGoneError
from vizcnn.runs.storage import framed
from vizcnn.runs.worker import Worker

fsspec = pytest.importorskip("fsspec")
bucket = pytest.importorskip("tests.runs.bucket")


@pytest.fixture(scope="module")
def images(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_images(tmp_path_factory.mktemp("objects") / "images", 24, broken=(7,))


@pytest.fixture(scope="module")
def whole(images: Path) -> Path:
    """The folder of a run on a file system."""
    explained(images, images.with_name("whole"), labels_by="folders")
    return images.with_name("whole")


@pytest.fixture
def memory() -> Iterator[Any]:
    files = fsspec.filesystem("memory")
    yield files
    files.store.clear()
    files.pseudo_dirs[:] = [""]


def asked(images: Path, out: str) -> Job:
    return Job(model, None, open_source(images, labels_by="folders"), place_of(out), (OCCLUSION, RISE), shard_size=8)


def test_run_in_a_store_is_that_in_a_folder_and_read_alike(
    images: Path, whole: Path, memory: Any, tmp_path: Path
) -> None:
    run = explained(images, "memory://bucket/run", labels_by="folders")
    objects = {path.removeprefix("/bucket/run/"): file.getvalue() for path, file in memory.store.items()}
    assert {path: hashlib.sha256(data).hexdigest() for path, data in objects.items()} == contents(whole)
    here = vz.open_run(whole, model=model())
    assert repr(run) == repr(here) == repr(vz.open_run("memory://bucket/run"))
    assert run.path == "memory://bucket/run"
    assert run.table.equals(here.table)
    assert run.top("score", 2, by="label").equals(here.top("score", 2, by="label"))
    np.testing.assert_array_equal(run.maps(slice(5, 20), RISE), here.maps(slice(5, 20), RISE))
    for one, other in zip(run.images(), here.images(), strict=True):
        np.testing.assert_array_equal(one.maps[OCCLUSION], other.maps[OCCLUSION])
    np.testing.assert_array_equal(run.result(3).values, here.result(3).values)
    np.testing.assert_array_equal(run.mean_maps().means, here.mean_maps().means)
    assert run.failures.equals(here.failures)
    assert len(run.failures) == 1
    folder = run.to_fiftyone(tmp_path / "fiftyone", OCCLUSION)
    assert "memory://bucket/run" in (folder / "metadata.json").read_text()


def test_run_stopped_after_every_batch_ends_in_the_same_objects(
    images: Path, whole: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(object_storage, "SECONDS", 0.0)
    run, journals = tmp_path / "run", tmp_path / "run" / "journal"

    def stopped() -> None:
        assert list(journals.iterdir())

    starts = starts_until_whole(
        lambda: explained(images, bucket.url_of(run), labels_by="folders"), monkeypatch, stopped
    )
    assert starts == 7  # of 24 images in batches of four each once, and one that writes the last shard
    assert contents(tmp_path / "run") == contents(whole)


def test_network_that_fails_at_random_ends_the_run_in_one_line_and_loses_nothing(
    images: Path, whole: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    chance, ends = random.Random(3), []

    def disturb(operation: str, path: str) -> None:
        if chance.random() < 0.1:
            raise ConnectionError("Could not connect to the endpoint URL\nTraceback")

    monkeypatch.setattr(object_storage, "SECONDS", 0.0)
    monkeypatch.setattr(bucket.Bucket, "disturb", disturb)
    while not ends or ends[-1]:
        try:
            explained(images, bucket.url_of(tmp_path / "run"), labels_by="folders")
            ends.append("")
        except ResultError as error:
            ends.append(str(error))
    assert 3 < len(ends) < 50
    told = re.compile(r"`out` 'bucket://.*/run.*' can't be (read|written): Could not connect to the endpoint URL\.")
    assert all(told.fullmatch(end) for end in ends[:-1])
    assert contents(tmp_path / "run") == contents(whole)


def test_end_of_a_run_reads_each_shard_once(whole: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    shutil.copytree(whole, tmp_path / "run")
    before = contents(whole)
    folder, got = RunFolder(bucket.url_of(tmp_path / "run")), []
    manifest = Manifest.read(folder)
    assert manifest is not None
    (tmp_path / "run" / "failures.jsonl").unlink()
    unfinished = Manifest({**manifest.about, "complete": False, "counts": {"images": 24}})
    unfinished.write(folder)
    monkeypatch.setattr(bucket.Bucket, "disturb", lambda *asked: got.append(asked))
    finish(folder, unfinished)
    assert contents(tmp_path / "run") == before
    assert sorted(Path(path).name for what, path in got if what == "get" and "/rows/" in path) == [
        f"{shard:05d}.parquet" for shard in range(3)
    ]


def test_records_wait_in_memory_for_five_seconds_or_ctrl_c(images: Path, tmp_path: Path) -> None:
    job = replace(asked(images, bucket.url_of(tmp_path / "run")), shard_size=24)
    worker = Worker.of(job, job.plan())
    check_folder(job.folder)
    work = worker.work(begin(job.folder, worker.manifest()[0]), [0])
    assert next(work) == 4
    assert not (tmp_path / "run" / "journal").exists()
    work.close()
    assert job.folder.storage.names("journal/00000") == ["000000"]
    records = job.folder.storage.records("journal/00000")
    assert 1 <= records.count <= 4
    records.close(remove=True)


def test_two_machines_on_the_same_shards_write_the_same_objects(
    images: Path, whole: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(object_storage, "SECONDS", 0.0)
    job = asked(images, bucket.url_of(tmp_path / "run"))
    check_folder(job.folder)
    begin(job.folder, Worker.of(job, job.plan()).manifest()[0])
    machines = {name: work_on(job, job.plan(), (0, 1), 0) for name in ("one", "other")}
    done = dict.fromkeys(machines, 0)
    while machines:
        for name, work in list(machines.items()):
            monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / name))
            try:
                done[name] += next(work)
            except StopIteration:
                del machines[name]
    assert sum(done.values()) > 24  # some of them twice
    run_job(job, (0, 1), retry=False, say=lambda _: None)  # finishes it
    assert contents(tmp_path / "run") == contents(whole)


def test_processes_of_a_machine_share_the_shards(images: Path, tmp_path: Path) -> None:
    storage, said = ObjectStorage(bucket.url_of(tmp_path / "run")), []
    one = storage.records(RunFolder.journal(0))
    assert storage.records(RunFolder.journal(0)) is None
    run_job(asked(images, storage.address()), (0, 1), retry=False, say=said.append)
    assert said[-1] == "8 images are in the hands of other processes."
    one.close()
    storage.records(RunFolder.journal(0)).close()


def test_records_are_read_as_far_as_they_are_whole_and_follow_each_other(tmp_path: Path) -> None:
    storage = ObjectStorage(bucket.url_of(tmp_path))

    def put(first: int, *records: bytes, lost: int = 0) -> None:
        data = b"".join(part for one in records for part in framed(one))
        storage.write(f"journal/00003/{first:06d}", data[: len(data) - lost])

    put(0, b"a", b"b")
    put(1, b"b", b"c", b"d", lost=1)  # of another machine, which was killed as it was put
    put(4, b"e")  # what came before is missing
    records = storage.records(RunFolder.journal(3))
    assert (records.count, list(records)) == (3, [b"a", b"b", b"c"])
    records.append(b"d")
    records.close()
    again = storage.records(RunFolder.journal(3))
    assert list(again) == [b"a", b"b", b"c", b"d", b"e"]
    again.close(remove=True)
    assert storage.names("journal") == []


def test_records_that_cannot_be_removed_get_no_more(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    storage = ObjectStorage(bucket.url_of(tmp_path))
    records = storage.records(RunFolder.journal(3))
    for seconds in (0.0, 5.0):
        monkeypatch.setattr(object_storage, "SECONDS", seconds)
        records.append(b"a")

    def disturb(operation: str, path: str) -> None:
        if operation == "remove":
            raise ConnectionError

    monkeypatch.setattr(bucket.Bucket, "disturb", disturb)
    with pytest.raises(ResultError, match="can't be written: ConnectionError"):
        records.close(remove=True)
    records.close()
    assert storage.names(RunFolder.journal(3)) == ["000000"]


def test_what_is_wrong_with_a_store_is_said_before_the_model_is_loaded(
    images: Path, memory: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refused(url: str, message: str, **options: Any) -> None:
        with pytest.raises(ResultError, match=message):
            explained(images, url, model="no model.keras", **options)

    refused("nowhere://bucket/run", "`out` 'nowhere://bucket/run' can't be reached: Protocol not known: nowhere")
    memory.pipe_file("/thesis/a.tex", b"...")
    refused("memory://thesis", "must be a new folder, or that of a run; 'memory://thesis' holds 'a.tex'")
    explained(images, "memory://run", sample=4)
    refused("memory://run", "`out` 'memory://run' holds a run with another sample")
    for operation, path, error, message in (
        ("put", ".part", PermissionError("Access Denied"), r"vizcnn-.*part' can't be written: Access Denied\."),
        (
            "put",
            ".part",
            FileNotFoundError("The specified bucket does not exist"),
            r"written: The specified bucket does not exist\.",
        ),
        ("get", "manifest.json", ValueError(), r"manifest.json' can't be read: ValueError\."),
        ("list", "", OSError(5, "Slow down"), r"' can't be read: Slow down\."),
    ):

        def disturb(done: str, where: str, failing: Any = (operation, path, error)) -> None:
            if done == failing[0] and where.endswith(failing[1]):
                raise failing[2]

        monkeypatch.setattr(bucket.Bucket, "disturb", disturb)
        refused(bucket.url_of(tmp_path), message)
    core = sys.modules["fsspec.core"]
    with monkeypatch.context() as patch:
        patch.setattr(core, "url_to_fs", lambda *_, **__: fsspec.get_filesystem_class("s3"))
        patch.setitem(sys.modules, "s3fs", None)
        refused("s3://bucket/run", r"`out` 's3://bucket/run' can't be reached: Install s3fs to access S3\.")
    monkeypatch.setitem(sys.modules, "fsspec.core", None)
    refused("s3://bucket/run", r"needs fsspec, which isn't installed: pip install 'vizcnn\[remote\]'\.")


def test_address_with_a_password_or_a_query_is_refused_and_told_without_it(images: Path, tmp_path: Path) -> None:
    for url, told in (
        ("sftp://me:secret@host:22/run", "sftp://...@host:22/run"),
        ("sftp://me:secret@secret@host/a@b", "sftp://...@host/a@b"),
        ("s3://AKIA:secret/secret@bucket/run.tar", "s3://...@bucket/run.tar"),
        ("https://host/run.tar?sig=secret/?secret", "https://host/run.tar?..."),
    ):
        message = re.escape(
            f"must be an address without a password or a query; got '{told}'. Who asks is said by variables"
        )
        with pytest.raises(ResultError, match=f"^`out` {message}"):
            explained(images, url, model="no model.keras")
        with pytest.raises(ResultError, match=f"^`path` {message}"):
            vz.open_run(url)
        with pytest.raises(InputError, match=f"^`source` {message}"):
            explained(url, tmp_path / "run", model="no model.keras")
    for url in (
        "az://photos@account.dfs.core.windows.net/run",
        "hdfs://host:8020/me@home/a:b@c",
        "s3://bucket/a:b@c",
        "github://organization:repository@commit/images",
    ):
        check_url(url, "out")


def test_memory_is_no_place_for_other_processes(images: Path, memory: Any) -> None:
    job = asked(images, "memory://run")

    class Elsewhere:
        def check(self, job: Job) -> None:
            pass

    with pytest.raises(OptionError, match="`out` 'memory://run' is in the memory of this process, where no other one"):
        run_job(job, (0, 1), executor=Elsewhere(), retry=False, say=lambda _: None)


def test_manifest_of_whoever_came_first_stays(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    storage = ObjectStorage(bucket.url_of(tmp_path))
    real = bucket.Bucket.pipe_file
    for name, put in (
        ("a", real),
        ("b", lambda self, path, value: real(self, path, value)),  # which knows no "create"
        ("c", lambda self, path, value, mode="": real(self, path, value)),  # which leaves it out without a word
    ):
        monkeypatch.setattr(bucket.Bucket, "pipe_file", put)
        storage.write_first(name, b"one")
        storage.write_first(name, b"other")
        assert storage.read(name) == b"one"


def test_arrays_are_those_of_the_machine_that_began_first(
    images: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    job = asked(images, bucket.url_of(tmp_path / "run"))
    first = Worker.of(job, job.plan()).manifest()[0]
    second = Manifest({**first.about, "settings": {**first.about["settings"], "shard_size": 4}})

    def disturb(operation: str, path: str) -> None:
        """Let the first machine begin when the second one has seen no manifest, and puts its arrays."""
        if operation == "put" and path.endswith("/maps/zarr.json"):
            monkeypatch.undo()
            monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "other machine"))
            begin(job.folder, first)

    monkeypatch.setattr(bucket.Bucket, "disturb", disturb)
    assert begin(job.folder, second).about == first.about
    array = zarr.open_array(job.folder.storage.for_zarr(f"maps/{first.layouts[RISE].stem}"), mode="r")
    assert array.shards[0] == 8


def test_lock_files_lie_where_nobody_else_can_write(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "temporary"))
    storage = ObjectStorage(bucket.url_of(tmp_path / "run"))
    with storage.changing("tags.csv"):
        pass
    (own,) = (tmp_path / "temporary").iterdir()
    storage.records("journal/00000").close(remove=True)
    if sys.platform == "win32":
        return  # where each user has a folder of temporary files
    assert own.stat().st_mode & 0o777 == 0o700

    def refused(message: str) -> None:
        with pytest.raises(ResultError, match=f"`TMPDIR` .*{message}"):
            storage.records("journal/00000")
        with pytest.raises(ResultError, match=f"`TMPDIR` .*{message}"), storage.changing("tags.csv"):
            pass

    own.chmod(0o770)
    refused(f"temporary' must be where '{own.name}' is this user's own folder; others can write into it")
    own.chmod(0o700)
    own.rename(tmp_path / "elsewhere")
    own.symlink_to(tmp_path / "elsewhere")
    refused("is this user's own folder")
    own.unlink()
    own.write_bytes(b"")
    refused(f"{own.name}' can't be written: File exists")
    own.unlink()
    user = os.getuid()
    monkeypatch.setattr(os, "getuid", lambda: user + 1)
    (tmp_path / "temporary" / f"vizcnn-{user + 1}").mkdir(mode=0o700)
    refused("is this user's own folder")


def test_what_failed_is_tried_again_whatever_journals_hold(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    images, url = write_images(tmp_path / "images", 9, broken=(7,)), bucket.url_of(tmp_path / "run")

    def disturb(operation: str, path: str) -> None:
        if operation == "remove" and "/journal/" in path:
            raise ConnectionError("Could not connect to the endpoint URL")

    with monkeypatch.context() as patch:
        patch.setattr(object_storage, "SECONDS", 0.0)
        patch.setattr(bucket.Bucket, "disturb", disturb)
        with pytest.raises(ResultError, match="journal/00000/000000' can't be written: Could not connect"):
            explained(images, url)
    assert RunFolder(url).finished() == RunFolder(url).begun() == [0]
    write_images(images, 9)
    assert len(explained(images, url, retry=True).failures) == 0
    explained(images, tmp_path / "fresh")
    assert contents(tmp_path / "run") == contents(tmp_path / "fresh")


def test_places_are_told_from_paths() -> None:
    for given, place in (
        (Path("s3://bucket/run/"), "s3://bucket/run"),
        ("file:///data/run", Path("/data/run")),
        ("runs/a:b", Path("runs/a:b")),
        ("C:/runs", Path("C:/runs")),
    ):
        assert place_of(given) == place


def test_commands_take_an_address(images: Path, memory: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("vizcnn.cli.run._opened", lambda _: model())
    words = ["run", images / "a" / "000.png", images, "--out", "memory://run", "--method", RISE]
    done = CliRunner().invoke(app, list(map(str, words)))
    assert done.stdout.splitlines()[-1].endswith(f"by '{RISE}': 24 of 24 images")
    assert done.stderr.endswith("see memory://run/failures.jsonl.\n")
    assert not list(Path.cwd().glob("memory:*"))
    words = ["export", "memory://run", "--to", "fiftyone", "--out", tmp_path / "fiftyone"]
    assert CliRunner().invoke(app, list(map(str, words))).exit_code == 0


def test_explorer_opens_and_tags_a_run_in_a_store(images: Path, memory: Any) -> None:
    records = pytest.importorskip("vizcnn.explorer.records")
    explained(images, "memory://shared/run", sample=4)
    kept = records.open_kept(Path("memory://shared/run"))
    assert kept.about()["name"] == "run"
    assert kept.tags.add(b"[0]", "odd") == {"tags": {0: ["odd"]}, "file": "memory://shared/run/tags.csv"}
    assert records.open_kept(Path("memory://shared/run")).tags.about()["tags"] == {0: ["odd"]}


def test_images_in_a_store_are_explained_as_those_in_a_folder(
    images: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (images / "a" / ".hidden.png").write_bytes(b"")
    (images / "notes.md").write_bytes(b"")
    options: dict[str, Any] = {"methods": RISE, "labels_by": "folders"}
    here = explained(images, tmp_path / "here", **options).table
    run = explained(bucket.url_of(images), tmp_path / "there", **options)
    same = [name for name in here if name != "error"]  # which names the file
    assert run.table[same].equals(here[same])
    assert run.result(0).values.shape == (1, 8, 8)
    with pytest.raises(
        ResultError, match=r"FiftyOne shows images that are files; '.*png' of the run lies in an object store"
    ):
        run.to_fiftyone(tmp_path / "fiftyone")
    addresses = tmp_path / "list.txt"
    addresses.write_text("\n".join(f"{bucket.url_of(images)}/{path}" for path in [*here["path"], "a/gone.png"]))
    listed = explained(addresses, tmp_path / "listed", methods=RISE).table
    assert sorted(listed["score"].dropna()) == sorted(here["score"].dropna())
    reasons = listed.set_index("path")["error"].dropna()
    assert reasons[f"{bucket.url_of(images)}/a/gone.png"].endswith("a/gone.png' doesn't exist.")


def test_row_of_a_ray_dataset_is_read_at_the_address_that_is_its_path(
    images: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def read(url: str) -> bytes | np.ndarray:
        return HeldRows.of({"path": [url]}, {}).read(Entry(url))

    file = images / "a" / "000.png"
    assert read(bucket.url_of(file)) == file.read_bytes()
    with pytest.raises(InputError, match=r"`images` file 'bucket://.*/gone.png' doesn't exist") as caught:
        read(bucket.url_of(images / "gone.png"))
    assert not isinstance(caught.value, SourceGoneError)  # which would stop the whole run

    def disturb(operation: str, path: str) -> None:
        raise PermissionError("The provided token has expired.")

    monkeypatch.setattr(bucket.Bucket, "disturb", disturb)
    with pytest.raises(SourceGoneError, match=r"000.png' can't be read: The provided token has expired. Start the run"):
        read(bucket.url_of(file))


def test_store_of_images_that_does_not_answer_ends_the_run_and_blames_none_of_them(
    images: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def disturb(operation: str, path: str) -> None:
        if operation == "get" and path.endswith("022.png"):
            raise PermissionError("The provided token has expired.")

    with monkeypatch.context() as patch:
        patch.setattr(bucket.Bucket, "disturb", disturb)
        with pytest.raises(
            InputError, match=r"`source` .*022.png' can't be read: The provided token has expired. Start"
        ):
            explained(bucket.url_of(images), tmp_path / "out")
    assert len(explained(bucket.url_of(images), tmp_path / "out").failures) == 1
    for source, message in (
        (f"{bucket.url_of(images)}/none", "`source` 'bucket://.*/none' doesn't exist"),
        (
            "s3://bucket/shards.tar",
            "`source` in an object store must be a folder of images; got 's3://bucket/shards.tar'",
        ),
        ("nowhere://bucket", "`source` 'nowhere://bucket' can't be reached: Protocol not known"),
    ):
        with pytest.raises(InputError, match=message):
            explained(source, tmp_path / "new", model="no model.keras")
