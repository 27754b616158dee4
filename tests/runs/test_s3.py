"""A run in S3, as a server on this machine speaks it: where s3fs and moto are installed: ``make test-s3``."""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import vizcnn as vz
from tests.runs.made import RISE, contents, explained, model, write_images
from tests.runs.test_workers import job, mortal_model
from vizcnn.errors import ResultError
from vizcnn.runs import workers
from vizcnn.runs.object_storage import ObjectStorage
from vizcnn.runs.running import run_job

s3fs = pytest.importorskip("s3fs")
server = pytest.importorskip("moto.server")

pytestmark = [pytest.mark.slow, pytest.mark.filterwarnings("ignore::ResourceWarning", "ignore::DeprecationWarning")]


@pytest.fixture(scope="module")
def store() -> Iterator[Any]:
    """An empty bucket, and in this process's environment what s3fs needs to know of it."""
    running = server.ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    running.start()
    host, port = running.get_host_and_port()
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("AWS_ENDPOINT_URL", f"http://{host}:{port}")
        patch.setenv("AWS_ACCESS_KEY_ID", "somebody")
        patch.setenv("AWS_SECRET_ACCESS_KEY", "secret")
        patch.setenv("AWS_DEFAULT_REGION", "us-east-1")
        files = s3fs.S3FileSystem()
        files.mkdir("bucket")
        yield files
    running.stop()


@pytest.fixture(scope="module")
def images(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_images(tmp_path_factory.mktemp("s3") / "images", 40, broken=(7,))


@pytest.fixture(scope="module")
def whole(images: Path) -> Path:
    explained(images, images.with_name("whole"))
    return images.with_name("whole")


_LATER: dict[str, Any] = {}
"""Other connections, which are closed at the end."""


def objects(store: Any, root: str) -> dict[str, str]:
    store.invalidate_cache()
    return {
        path.removeprefix(f"{root}/"): hashlib.sha256(store.cat_file(path)).hexdigest() for path in store.find(root)
    }


def test_run_in_s3_is_that_in_a_folder_and_read_alike(store: Any, images: Path, whole: Path) -> None:
    run, here = explained(images, "s3://bucket/alike"), vz.open_run(whole, model=model())
    assert objects(store, "bucket/alike") == contents(whole)
    assert run.table.equals(here.table)
    np.testing.assert_array_equal(run.maps(slice(5, 20), RISE), here.maps(slice(5, 20), RISE))
    assert sum(1 for _ in run.images()) == 40
    said: list[str] = []
    explained(images, "s3://bucket/alike", say=said.append)
    assert said == ["All 40 images are explained already, in 's3://bucket/alike': nothing to do."]


def test_processes_of_which_one_dies_end_in_the_same_objects(
    store: Any, images: Path, whole: Path, tmp_path: Path
) -> None:
    asked = job(images, "s3://bucket/two", partial(mortal_model, tmp_path, 40))
    with workers.shared(asked.plan()) as plan:
        workers.begin(job(images, "s3://bucket/two"), plan)
        assert (
            sum(workers.work(asked, plan, (0, 1), 2)) >= 32
        )  # of its last two batches the one that dies tells nothing
    assert (tmp_path / "died").exists()
    run_job(job(images, "s3://bucket/two"), (0, 1), retry=False, say=lambda _: None)
    assert objects(store, "bucket/two") == contents(whole)


def test_images_in_s3_are_explained_as_those_in_a_folder(store: Any, images: Path, whole: Path, tmp_path: Path) -> None:
    store.put(f"{images}/", "bucket/images/", recursive=True)
    run = explained("s3://bucket/images", tmp_path / "run")
    here = vz.open_run(whole).table
    assert run.table["score"].equals(here["score"])
    assert run.table["path"].equals(here["path"])


def test_who_comes_second_leaves_what_is_there(store: Any) -> None:
    storage = ObjectStorage("s3://bucket/first")
    storage.write_first("manifest.json", b"one")
    with pytest.raises(FileExistsError):
        storage._files.pipe_file("bucket/first/manifest.json", b"other", mode="create")
    storage.write_first("manifest.json", b"other")
    assert storage.read("manifest.json") == b"one"


def test_what_another_process_writes_is_seen_at_once(store: Any) -> None:
    storage = ObjectStorage("s3://bucket/seen")
    assert storage.names("rows") == []
    command = "import s3fs; s3fs.S3FileSystem().pipe_file('bucket/seen/rows/00000.parquet', b'rows')"
    subprocess.run([sys.executable, "-c", command], check=True, env=dict(os.environ))
    assert storage.names("rows") == ["00000.parquet"]
    assert storage.exists("rows/00000.parquet")


def test_bucket_that_is_not_there_or_a_network_that_is_gone_is_one_line(
    store: Any, images: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(ResultError, match=r"`out` 's3://nowhere/run/.*' can't be written: The specified bucket does"):
        explained(images, "s3://nowhere/run", model="no model.keras")
    assert not store.exists("nowhere")
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:9")
    monkeypatch.setattr(s3fs.S3FileSystem, "_cache", _LATER)
    with pytest.raises(ResultError, match=r"`out` 's3://bucket/run/manifest.json' can't be read: Could not connect"):
        explained(images, "s3://bucket/run", model="no model.keras")
