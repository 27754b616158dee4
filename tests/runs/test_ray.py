"""Runs on a real Ray cluster, of two nodes on this machine: `make test-ray`, in an environment of its own."""

from __future__ import annotations

import os
import shutil
import signal
import threading
import time
from collections.abc import Iterator
from dataclasses import replace
from functools import partial, wraps
from pathlib import Path
from typing import Any

import numpy as np
import pandas
import pytest
from typer.testing import CliRunner

import vizcnn as vz
from tests.runs.made import OCCLUSION, RISE, contents, model, softmax, write_images
from vizcnn.cli import app
from vizcnn.errors import InputError, ResultError
from vizcnn.runs.files import Folder
from vizcnn.runs.job import Job
from vizcnn.runs.on_ray import RayCluster
from vizcnn.runs.open_source import open_source
from vizcnn.runs.plan import Plan
from vizcnn.runs.ray_connection import connected
from vizcnn.runs.run import open_run
from vizcnn.runs.running import run_job

ray = pytest.importorskip("ray")
pytestmark = [pytest.mark.slow, pytest.mark.filterwarnings("default")]  # Ray warns of its own ways

_NODE = {"object_store_memory": 100 * 2**20}


class InOrder(Folder):
    """A folder whose images are explained in the order of their paths, as a dataset's are in that of its rows."""

    in_order = True

    def entries(self) -> Iterator[Any]:
        yield from sorted(super().entries())


@pytest.fixture(scope="module")
def cluster() -> Iterator[Any]:
    """A cluster of one node with one CPU."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("RAY_USAGE_STATS_ENABLED", "0")
        from ray.cluster_utils import Cluster

        made = Cluster(initialize_head=True, head_node_args={"num_cpus": 1, "include_dashboard": False, **_NODE})
        patch.setenv("RAY_ADDRESS", made.address)
        with connected():
            yield made
        made.shutdown()


@pytest.fixture(scope="module")
def images(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_images(tmp_path_factory.mktemp("ray") / "images", 80, broken=(7, 20))


def job(images: Path, out: Path, open_model: Any = model, source: Any = None) -> Job:
    """A run whose model is opened by a function, and stands for a file."""
    source = source or open_source(images)
    return Job(open_model, images / "a" / "000.png", source, out, (OCCLUSION, RISE), shard_size=8)


def done(asked: Job, executor: RayCluster | None = None) -> None:
    run_job(asked, (0, 1), executor=executor, retry=False, say=lambda _: None)


def stuck_model(out: Path, head: str) -> Any:
    """Return the model; on another node than the head the first one stops in the middle of a shard, for good."""
    calls = 0

    @wraps(softmax)
    def function(inputs: np.ndarray) -> np.ndarray:
        nonlocal calls
        calls += (out / "manifest.json").exists() and ray.get_runtime_context().get_node_id() != head
        if calls == 30 and not out.with_name("stuck").exists():
            out.with_name("stuck").touch()
            time.sleep(1000)
        return softmax(inputs)

    return model(function=function)


def test_node_that_dies_in_the_middle_of_a_shard_changes_no_file(cluster: Any, images: Path, tmp_path: Path) -> None:
    done(job(images, tmp_path / "whole"))
    node = cluster.add_node(num_cpus=1, **_NODE)
    journals = []

    def kill() -> None:
        while not (tmp_path / "stuck").exists():
            time.sleep(0.05)
        journals.extend((tmp_path / "out" / "journal").iterdir())
        cluster.remove_node(node, allow_graceful=False)

    killer = threading.Thread(target=kill, daemon=True)
    killer.start()
    head = ray.get_runtime_context().get_node_id()
    done(job(images, tmp_path / "out", partial(stuck_model, tmp_path / "out", head)), RayCluster())
    killer.join(0)
    assert (tmp_path / "stuck").exists()
    assert journals
    assert contents(tmp_path / "out") == contents(tmp_path / "whole")
    done(job(images, tmp_path / "out"), RayCluster())  # nothing is left to do
    assert contents(tmp_path / "out") == contents(tmp_path / "whole")


def killing_model(out: Path) -> Any:
    """Return the model; once the run has begun, it kills the process that asks it, as lack of memory does."""

    @wraps(softmax)
    def function(inputs: np.ndarray) -> np.ndarray:
        if (out / "manifest.json").exists():
            os.kill(os.getpid(), signal.SIGKILL)
        return softmax(inputs)

    return model(function=function)


def test_batch_that_kills_its_process_each_time_ends_the_run(cluster: Any, images: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    with pytest.raises(ResultError, match=r"A node of the Ray cluster failed: .* died .* fewer `workers`"):
        done(job(images, out, partial(killing_model, out)), RayCluster())
    done(job(images, out))
    assert open_run(out).is_complete


def test_run_interrupted_in_the_middle_of_a_shard_goes_on_with_ray_or_without(
    cluster: Any, images: Path, tmp_path: Path
) -> None:
    out = tmp_path / "out"
    asked = job(images, out, partial(stuck_model, out, ""))

    def interrupt() -> None:
        while not (tmp_path / "stuck").exists():
            time.sleep(0.05)
        os.kill(os.getpid(), signal.SIGINT)

    threading.Thread(target=interrupt, daemon=True).start()
    with pytest.raises(KeyboardInterrupt):
        done(asked, RayCluster())
    assert list((out / "journal").iterdir())
    shutil.copytree(out, tmp_path / "copy")
    done(job(images, tmp_path / "whole"))
    done(job(images, tmp_path / "copy"))  # the manifest names no folder of its own
    done(job(images, out), RayCluster())
    assert contents(out) == contents(tmp_path / "copy") == contents(tmp_path / "whole")


def test_command_on_ray_makes_the_files_of_one_without(cluster: Any, tmp_path: Path) -> None:
    source = vz.assets.digits()[0].parent
    for out, *words in (("one",), ("ray", "--executor", "ray", "--workers", "1")):
        command = ["run", vz.assets.DIGITS_CNN, source, "--out", tmp_path / out, "--method", "gradcam", *words]
        result = CliRunner().invoke(app, [*map(str, command)])
        assert result.exit_code == 0, result.output
    assert contents(tmp_path / "ray") == contents(tmp_path / "one")


def dataset_of(images: Path, blocks: int = 7) -> Any:
    paths = sorted(path.relative_to(images).as_posix() for path in images.rglob("*.png"))
    rows = [{"path": path, "bytes": (images / path).read_bytes(), "label": path[0]} for path in paths]
    return ray.data.from_items(rows, override_num_blocks=blocks)


def test_rows_of_a_dataset_are_the_same_files_as_a_folder_in_their_order(
    cluster: Any, images: Path, tmp_path: Path
) -> None:
    node = cluster.add_node(num_cpus=1, **_NODE)  # reading takes a CPU beside that of the actor
    try:
        done(job(images, tmp_path / "whole", source=InOrder(images, labelled=True)))
        source = dataset_of(images)
        assert not source.context.execution_options.preserve_order
        source.context.target_max_block_size = 1000  # a shard is more than a block
        asked = job(images, tmp_path / "out", source=open_source(source))
        done(asked, RayCluster())
        assert not source.context.execution_options.preserve_order
        before, after = contents(tmp_path / "whole"), contents(tmp_path / "out")
        assert before.pop("manifest.json") != after.pop("manifest.json")
        assert after == before
        about, counts = (open_run(tmp_path / name).about for name in ("out", "whole"))
        assert about["source"]["kind"] == "Ray Dataset"
        assert about["source"]["digest"] == counts["source"]["digest"]
        assert about["counts"] == counts["counts"]
        # Gone on with: of the shard that is missing alone.
        (tmp_path / "out" / "rows" / "00004.parquet").unlink()
        (tmp_path / "out" / "manifest.json").write_text(
            (tmp_path / "out" / "manifest.json").read_text().replace('"complete": true', '"complete": false')
        )
        done(replace(asked, source=open_source(dataset_of(images, 3))), RayCluster())
        assert {**contents(tmp_path / "out"), "manifest.json": ""} == {**before, "manifest.json": ""}
        # By name of the column, whichever it is; a folder's own order is another, and the numbers are the same.
        paths = [{"file": str(path)} for path in sorted(images.rglob("*.png"))]
        files = ray.data.from_items(paths, override_num_blocks=3)
        done(job(images, tmp_path / "files", source=open_source(files, columns={"path": "file"})), RayCluster(1))
        done(job(images, tmp_path / "folder"))
        rows = open_run(tmp_path / "files").table
        rows["path"] = [Path(path).relative_to(images).as_posix() for path in rows["path"]]
        columns = ["path", "sha256", "predicted_class", f"{RISE}.scale", f"{RISE}.mass", "score"]
        expected = open_run(tmp_path / "folder").table[columns].sort_values("path", ignore_index=True)
        pandas.testing.assert_frame_equal(rows[columns].sort_values("path", ignore_index=True), expected, rtol=1e-5)
    finally:
        cluster.remove_node(node, allow_graceful=False)


def test_dataset_that_does_not_fit_is_refused(cluster: Any, images: Path) -> None:
    def listed(rows: list[Any], **columns: str) -> None:
        Plan.of(open_source(ray.data.from_items(rows), columns=columns), 8)

    with pytest.raises(
        InputError, match=r"must have a column 'path'; it has 'file'. Say by `columns` what it is called"
    ):
        listed([{"file": "a"}])
    with pytest.raises(InputError, match=r"must have a column 'class'"):
        listed([{"path": "a"}], label="class")
    with pytest.raises(InputError, match=r"`source` must name each image by a path of its own; got 'a' again"):
        listed([{"path": "a"}, {"path": "a"}])
    with pytest.raises(InputError, match=r"`source` must name each row by a path; got a row without one"):
        listed([{"path": "a"}, {"path": None}])


def test_error_of_a_node_is_raised_here(cluster: Any, images: Path, tmp_path: Path) -> None:
    def broken(inputs: np.ndarray) -> np.ndarray:
        raise ZeroDivisionError("in a model")

    with pytest.raises(Exception, match="in a model"):
        done(job(images, tmp_path / "out", partial(model, function=broken)), RayCluster())
