"""A run on a Ray cluster, as far as that needs no cluster: `make test-ray` has one."""

from __future__ import annotations

import os
import pickle
import signal
import socket
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import numpy as np
import pyarrow
import pytest
from typer.testing import CliRunner

import vizcnn as vz
from tests.runs.made import OCCLUSION, RISE, contents, model, write_images
from vizcnn.cli import app
from vizcnn.errors import InputError, OptionError, ResultError
from vizcnn.runs import dataset, on_ray
from vizcnn.runs.job import Job
from vizcnn.runs.layout import place_of
from vizcnn.runs.on_ray import RayCluster, Sent, ShardActor
from vizcnn.runs.open_source import open_source
from vizcnn.runs.ray_rows import HeldRows, RayRows
from vizcnn.runs.running import run_job
from vizcnn.runs.source import Entry, SourceGoneError


@dataclass
class Rows:
    """A Ray Dataset of a list, of one block for each row; what an actor is given and returns is pickled on its way."""

    rows: list[dict[str, Any]]
    context: Any

    def map_batches(self, actor: type, *, fn_constructor_args: Any, batch_size: int, **asked: Any) -> Rows:
        assert asked["max_restarts"] == 3  # of Ray Data's own will without end
        assert "max_task_retries" not in asked  # they are used up while it isn't known yet that a node died
        actors = [actor(*fn_constructor_args) for _ in range(getattr(asked["compute"], "size", 1))]
        done = []
        for number, row in enumerate(self.rows):
            batch = {name: np.array([value]) for name, value in row.items()}
            columns = pickle.loads(pickle.dumps(actors[number % len(actors)](batch)))
            done.append({name: values[0] for name, values in columns.items()})
        return Rows(done, self.context)

    def iter_rows(self) -> Iterator[Mapping[str, Any]]:
        return iter(self.rows)


class RayError(Exception):
    """What Ray raises."""


class RayTaskError(RayError):
    """What it raises of an error of Python's on a node."""


@pytest.fixture
def ray(monkeypatch: pytest.MonkeyPatch) -> Any:
    """Ray as far as a run needs it, in this process: one node of two CPUs and a GPU."""
    fake, data = ModuleType("ray"), ModuleType("ray.data")
    asked: list[Any] = []

    def remote(**options: Any) -> Any:
        asked.append(options)
        return lambda function: SimpleNamespace(
            remote=lambda *given, **named: function(*pickle.loads(pickle.dumps(given)), **named)
        )

    fake.asked, fake.remote, fake.data = asked, remote, data
    fake.exceptions = SimpleNamespace(RayError=RayError, RayTaskError=RayTaskError)
    fake.is_initialized = lambda: True
    fake.put = lambda thing: SimpleNamespace(held=pickle.dumps(thing))
    fake.get = lambda ref: pickle.loads(ref.held) if hasattr(ref, "held") else ref
    fake.cluster_resources = lambda: {"CPU": 2.0, "GPU": 1.0}
    fake.nodes = lambda: [{"Alive": True, "Resources": {"CPU": 2.0, "GPU": 1.0}}, {"Alive": False, "Resources": {}}]
    data.Dataset = Rows
    data.ActorPoolStrategy = SimpleNamespace
    data.from_items = lambda rows, override_num_blocks: Rows(rows, SimpleNamespace())
    monkeypatch.setitem(sys.modules, "ray", fake)
    monkeypatch.setitem(sys.modules, "ray.data", data)
    return fake


@pytest.fixture(scope="module")
def images(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_images(tmp_path_factory.mktemp("ray") / "images", 40, broken=(7,))


def job(images: Path, out: Path) -> Job:
    """A run whose model is opened by a function, and stands for a file."""
    return Job(model, images / "a" / "000.png", open_source(images), out, (OCCLUSION, RISE), shard_size=8)


def ready(cluster: RayCluster, asked: Job) -> None:
    with cluster.ready(asked):
        pass


def done(asked: Job, executor: Any = None, say: Any = None) -> None:
    run_job(asked, (0, 1), executor=executor, retry=False, say=say or (lambda _: None))


def test_shards_by_actors_are_the_same_files_as_by_one_process(images: Path, tmp_path: Path, ray: Any) -> None:
    done(job(images, tmp_path / "whole"))
    said: list[str] = []
    done(job(images, tmp_path / "ray"), RayCluster(2, num_gpus=0), said.append)
    assert contents(tmp_path / "ray") == contents(tmp_path / "whole")
    assert ray.asked == [{"max_calls": 1, "num_cpus": 1}]
    (tmp_path / "ray" / "rows" / "00003.parquet").unlink()
    about = tmp_path / "ray" / "manifest.json"
    about.write_text(about.read_text().replace('"complete": true', '"complete": false'))
    done(job(images, tmp_path / "ray"), RayCluster(), said.append)
    assert said[1].startswith("32 of 40 images are explained already; 8 images to explain")
    assert contents(tmp_path / "ray") == contents(tmp_path / "whole")


def test_actor_is_given_what_was_asked_for_and_a_gpu_where_there_is_one(ray: Any) -> None:
    assert RayCluster()._resources == {"num_cpus": 1, "num_gpus": 1}
    assert RayCluster(num_cpus=0.5, num_gpus=0)._resources == {"num_cpus": 0.5}
    assert (RayCluster()._room, RayCluster(num_cpus=0.5, num_gpus=0)._room, RayCluster(num_gpus=0.25)._room) == (
        1,
        4,
        2,
    )
    ray.cluster_resources = lambda: {"CPU": 2.0}
    assert RayCluster()._resources == {"num_cpus": 1}


def test_what_the_cluster_has_no_room_for_is_said(images: Path, tmp_path: Path, ray: Any) -> None:
    asked = job(images, tmp_path)
    with pytest.warns(
        UserWarning, match=r"No node of the Ray cluster has room for an actor, num_cpus=1, num_gpus=2: the run waits"
    ):
        ready(RayCluster(num_gpus=2), asked)
    rows = replace(asked, source=open_source(Rows([], None)))
    ready(RayCluster(), rows)
    with pytest.raises(
        OptionError, match="`num_cpus` 2 must leave a CPU of the cluster to read a Ray Dataset; it has 2"
    ):
        ready(RayCluster(num_cpus=2), rows)


def test_backend_of_the_caller_is_that_of_the_actors(
    images: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("KERAS_BACKEND", "jax")
    asked = job(images, tmp_path)
    sent = Sent.of(asked, asked.plan())
    monkeypatch.setenv("KERAS_BACKEND", "torch")
    monkeypatch.chdir("/")
    sent.arrive()
    assert (os.environ["KERAS_BACKEND"], os.getcwd()) == ("jax", sent.home)


@pytest.mark.parametrize("argument", ["model", "source", "out"])
def test_what_a_node_does_not_see_is_named(argument: str, images: Path, tmp_path: Path) -> None:
    asked = job(images, tmp_path)
    plan = asked.plan()
    none = tmp_path / "none"
    changed = {
        "model": {"model_file": none},
        "source": {"source": replace(asked.source, root=none)},
        "out": {"out": none},
    }
    message = (
        rf"`{argument}` '.*none' isn't there on the node '.+'\. With `executor` 'ray' all nodes of the cluster must"
    )
    with pytest.raises(OptionError, match=message):
        Sent.of(replace(asked, **changed[argument]), plan).arrive()


def test_run_in_an_object_store_needs_no_file_system_that_nodes_share(images: Path, tmp_path: Path, ray: Any) -> None:
    bucket = pytest.importorskip("tests.runs.bucket")
    done(job(images, tmp_path / "whole"))
    done(job(images, bucket.url_of(tmp_path / "run")), RayCluster())
    assert contents(tmp_path / "run") == contents(tmp_path / "whole")


def test_folder_that_is_another_one_on_the_nodes_is_refused(
    images: Path, tmp_path: Path, ray: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(on_ray, "begin_run", lambda *_, **__: None)
    with pytest.raises(
        ResultError, match=r"`out` '.*' is another folder on the nodes of the cluster\. With `executor`"
    ):
        done(job(images, tmp_path / "out"), RayCluster())


def test_error_of_an_actor_is_raised_where_it_was_asked(
    images: Path, tmp_path: Path, ray: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    done(job(images, tmp_path / "out"), RayCluster())
    (tmp_path / "out" / "rows" / "00000.parquet").unlink()

    def fail(*_: Any) -> None:
        raise ZeroDivisionError("of a node")

    monkeypatch.setattr(on_ray, "finish_shard", fail)
    about = tmp_path / "out" / "manifest.json"
    about.write_text(about.read_text().replace('"complete": true', '"complete": false'))
    with pytest.raises(RuntimeError, match="A worker failed: ZeroDivisionError: of a node"):
        done(job(images, tmp_path / "out"), RayCluster())
    about.unlink()
    with pytest.raises(ResultError, match=r"`out` '.*out' is gone"):
        on_ray._raise(
            ShardActor(ray.put(Sent.of(job(images, tmp_path / "out"), job(images, tmp_path / "out").plan())), [0])(
                {"shard": np.array([0])}
            )["error"][0]
        )


def test_rows_of_a_shard_are_explained_in_their_order_alone(images: Path, tmp_path: Path, ray: Any) -> None:
    files = sorted(images.rglob("*.png"))
    rows = HeldRows.of(
        {"path": [file.name for file in files], "image": [file.read_bytes() for file in files]}, {"kind": "ray"}
    )
    asked = replace(job(images, tmp_path / "out"), source=rows)
    done(asked)
    before = contents(tmp_path / "out")
    for number in (1, 4):
        (tmp_path / "out" / "rows" / f"{number:05d}.parquet").unlink()
    actor = ShardActor(ray.put(Sent.of(asked, asked.plan())), [1])

    def given(part: slice) -> dict[str, list[Any]]:
        return actor({"path": np.array([*rows.rows][part]), "image": np.array([*rows.rows.values()][part], object)})

    assert given(slice(8, 16)) == {"images": [8], "error": [b""]}
    assert given(slice(32, 40))["images"] == [0]  # nobody asked for these
    after = contents(tmp_path / "out")
    assert before.pop("rows/00004.parquet")
    assert after == before
    for part in (slice(9, 17), slice(8, 15)):
        with pytest.raises(ResultError, match="`source` gave other rows than it was listed with, or in another order"):
            on_ray._raise(given(part)["error"][0])


def test_row_is_bytes_an_array_a_record_or_what_lies_at_its_path(images: Path) -> None:
    file = images / "a" / "000.png"
    array = np.zeros((2, 2, 3), np.uint8)
    rows = HeldRows.of(
        {"path": ["bytes", "array", "record"], "image": [b"1", array, {"bytes": b"2", "path": None}]}, {}
    )
    assert rows.read(Entry("bytes")) == b"1"
    assert rows.read(Entry("record")) == b"2"
    assert rows.read(Entry("array")) is array
    for path in (str(file), file.as_uri()):
        assert HeldRows.of({"path": [path]}, {}).read(Entry(path)) == file.read_bytes()
    with pytest.raises(InputError, match="`source` row 'other' isn't among those that were read"):
        rows.read(Entry("other"))
    gone = str(images / "gone" / "a.png")
    with pytest.raises(InputError, match=r"gone/a.png") as caught:
        HeldRows.of({"path": [gone]}, {}).read(Entry(gone))
    assert not isinstance(caught.value, SourceGoneError)  # which would stop the whole run


def test_what_does_not_go_with_ray_is_said_before_a_model_is_loaded(
    images: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def asked(source: Any = images, model_file: Any = "none.keras", **options: Any) -> None:
        vz.explain_dataset(model_file, source, tmp_path / "out", methods="gradcam", **options)

    with pytest.raises(OptionError, match=r"`executor` must be one of .*'ray'.* got 'dask'"):
        asked(executor="dask")
    for name in ("num_cpus", "num_gpus"):
        with pytest.raises(OptionError, match=f"`{name}` 2 is for `executor` 'ray', which isn't asked for"):
            asked(**{name: 2})
        with pytest.raises(OptionError, match=f"`{name}` must be 0 or more; got -1"):
            asked(executor="ray", **{name: -1})
    monkeypatch.setattr(dataset.importlib.util, "find_spec", lambda name: None if name == "ray" else object())
    with pytest.raises(OptionError, match=r"'ray' needs Ray Data, which isn't installed: pip install 'vizcnn\[ray\]'"):
        asked(executor="ray")
    command = ["run", "none.keras", str(images), "--out", str(tmp_path / "out"), "--executor", "ray"]
    result = CliRunner().invoke(app, command)
    assert result.exit_code == 2
    assert "pip install 'vizcnn[ray]'" in result.stderr
    monkeypatch.undo()


def test_model_and_source_that_cannot_be_sent_are_refused(images: Path, tmp_path: Path, ray: Any) -> None:
    asked = job(images, tmp_path / "out")
    with pytest.raises(OptionError, match="`executor` 'ray' needs the path of a model's file, which each node opens"):
        RayCluster().check(replace(asked, model_file=None))
    arrays = open_source(np.zeros((2, 8, 8, 3), np.float32))
    with pytest.raises(
        OptionError, match="'ray' needs a source that each node opens, as files, or a Ray Dataset; got array"
    ):
        RayCluster().check(replace(asked, source=arrays))
    with pytest.raises(InputError, match=r"`source` must be .* or a Ray Dataset; got generator"):
        open_source(one for one in "ab")
    rows = open_source(Rows([], None))
    with pytest.raises(OptionError, match="`sample` isn't for a Ray Dataset; give"):
        RayCluster().check(replace(asked, source=rows, sample=3))
    with pytest.raises(OptionError, match="`executor` 'local' can't read a Ray Dataset"):
        dataset.ray_cluster("local", rows, None, None, None)
    with pytest.raises(OptionError, match="`labels_by` 'folders' is for folders; a Ray Dataset has a column"):
        open_source(Rows([], None), labels_by="folders")


def test_cluster_that_does_not_answer_is_an_error(
    images: Path, tmp_path: Path, ray: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = job(images, tmp_path)
    ray.is_initialized = lambda: False
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))  # and nobody listens
        address = f"127.0.0.1:{taken.getsockname()[1]}"
        for written in (address, f"ray://{address}"):
            monkeypatch.setenv("RAY_ADDRESS", written)
            with pytest.raises(
                OptionError, match=f"a cluster that answers; at RAY_ADDRESS='{written}' none does: .*refused"
            ):
                ready(RayCluster(), asked)

    def init(**_: Any) -> None:
        raise ConnectionError("no such file\nand more")

    ray.init = init
    monkeypatch.setenv("RAY_ADDRESS", "auto")
    with pytest.raises(OptionError, match=r"at RAY_ADDRESS='auto' none does: no such file\.$"):
        ready(RayCluster(), asked)


def test_cluster_begins_when_the_folder_is_right_ends_with_the_run_and_leaves_sigterm_alone(
    images: Path, tmp_path: Path, ray: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("RAY_ADDRESS", raising=False)
    calls: list[str] = []

    def init(**_: Any) -> None:
        calls.append("init")
        signal.signal(signal.SIGTERM, signal.SIG_IGN)

    ray.is_initialized, ray.init, ray.shutdown = lambda: False, init, lambda: calls.append("shutdown")
    (tmp_path / "note.txt").touch()
    with pytest.raises(ResultError, match="`out` must be a new folder"):
        done(job(images, tmp_path), RayCluster())
    assert not calls
    before = signal.getsignal(signal.SIGTERM)
    with RayCluster(1, num_gpus=0).ready(job(images, tmp_path)):
        assert signal.getsignal(signal.SIGTERM) is before
        assert calls == ["init"]
    assert calls == ["init", "shutdown"]


def test_what_ray_itself_raises_says_what_to_do(
    images: Path, tmp_path: Path, ray: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = job(images, tmp_path / "out")

    def fail(*_: Any, **__: Any) -> None:
        raise error

    monkeypatch.setattr(Rows, "map_batches", fail)
    monkeypatch.setattr(ray, "get", fail)
    error: RayError = RayTaskError("ray::begun()\n  File 'a.py'\nModuleNotFoundError: No module named 'vizcnn'")
    with pytest.raises(
        ResultError,
        match=r"failed: ModuleNotFoundError: No module named 'vizcnn'\. .*'vizcnn\[ray\]' must be installed",
    ):
        RayCluster().begin(asked, asked.plan())
    error = RayError("The actor died unexpectedly.\n\tactor_id: 7")
    with pytest.raises(
        ResultError, match=r"failed: The actor died unexpectedly\. What is explained stays: start .* fewer `workers`"
    ):
        list(RayCluster().work(asked, asked.plan(), (0, 1), [0]))


def dataset_of(**columns: list[Any]) -> RayRows:
    """Return a Ray Dataset that can be listed, and has no rows when it is read."""
    dataset = SimpleNamespace(
        columns=lambda: [*columns],
        select_columns=lambda _: dataset,
        rename_columns=lambda _: dataset,
        repartition=lambda **_: Rows([], None),
        take_batch=lambda *_, **__: {"path": columns["path"]},
        iter_batches=lambda **_: [pyarrow.table(columns)],
        context=SimpleNamespace(execution_options=SimpleNamespace(preserve_order=False)),
    )
    return RayRows(dataset, {})


def test_dataset_is_listed_by_the_cluster_that_the_run_is_connected_to(tmp_path: Path) -> None:
    """A Ray Dataset that is asked for its rows before starts a cluster of its own, which nobody ends."""
    events: list[str] = []

    class Held(HeldRows):
        travels = False

        def entries(self) -> Iterator[Entry]:
            events.append("listed")
            raise InputError("that far")

    class Theirs:
        check = shared = staticmethod(lambda _: None)

        @contextmanager
        def ready(self, job: Job) -> Iterator[None]:
            events.append("ready")
            yield
            events.append("ended")

    job = Job(model, tmp_path / "model.keras", Held({}, {"kind": "rows"}), place_of(tmp_path / "out"), (OCCLUSION,))
    with pytest.raises(InputError, match="that far"):
        run_job(job, (0, 1), executor=Theirs(), retry=False, say=print)
    assert events == ["ready", "listed"]


def test_rows_that_a_dataset_gives_no_more_are_missed(images: Path, tmp_path: Path, ray: Any) -> None:
    asked = replace(job(images, tmp_path / "out"), source=dataset_of(path=["a", "b"]))
    with pytest.raises(ResultError, match="`source` gave other rows than it was listed with"):
        list(RayCluster().work(asked, asked.plan(), (0, 1), [0]))


def test_empty_label_or_target_of_a_row_is_none_as_in_a_table() -> None:
    rows = dataset_of(path=["a", "b"], label=["", "cat"], target=["", "dog"])
    assert [*rows.entries()] == [Entry("a"), Entry("b", "cat", "dog")]
