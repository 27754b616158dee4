"""A run on a Ray cluster: Ray hands out its shards, and brings them to actors that work on them as any process does.

What is computed doesn't pass through Ray: an actor keeps a journal of its shard in the folder of the run, and writes the shard's
files there. One that dies leaves its journal, and Ray gives the shard to another.
"""

from __future__ import annotations

import os
import pickle
import socket
import time
import warnings
from collections.abc import Collection, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, nullcontext, suppress
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from vizcnn.errors import OptionError, ResultError, warn
from vizcnn.runs import gpus
from vizcnn.runs.job import Job
from vizcnn.runs.layout import place_of
from vizcnn.runs.manifest import Manifest
from vizcnn.runs.plan import Plan
from vizcnn.runs.ray_connection import connected, told
from vizcnn.runs.ray_rows import HeldRows, RayRows, quiet
from vizcnn.runs.running import begin_run
from vizcnn.runs.worker import Worker
from vizcnn.runs.workers import as_told

if TYPE_CHECKING:
    import numpy as np

_INHERITED = ("KERAS_BACKEND",)
"""Variables of this process's environment that move the numbers of a run."""

_RESTARTS = 3
"""How often an actor that died is started anew, and does its shard again: of Ray Data's own will without end."""


@dataclass(frozen=True)
class RayCluster:
    """The Ray cluster that this process is connected to, or that ``RAY_ADDRESS`` names; without one, this machine.

    Attributes
    ----------
    actors : int or None
        How many actors at most; None: as many as there is room for.
    num_cpus : float
        CPUs that each is given.
    num_gpus : float or None
        GPUs that each is given; None: one, where the cluster has any.
    """

    actors: int | None = None
    num_cpus: float = 1
    num_gpus: float | None = None

    def check(self, job: Job) -> None:
        """Make sure that a run can be sent to the nodes of a cluster.

        Raises
        ------
        OptionError
            If not.
        """
        if job.model_file is None:
            raise OptionError(
                "`executor` 'ray' needs the path of a model's file, which each node opens. Save the model by "
                "model.save('model.keras'), where all nodes see it."
            )
        if isinstance(job.source, RayRows):
            if job.sample is not None:
                raise OptionError(
                    "`sample` isn't for a Ray Dataset; give dataset.limit(1000), or dataset.random_sample(0.1, seed=0)."
                )
        elif not job.source.travels:
            raise OptionError(
                f"`executor` 'ray' needs a source that each node opens, as files, or a Ray Dataset; got "
                f"{job.source.about['kind']}."
            )

    @contextmanager
    def ready(self, job: Job) -> Iterator[None]:
        """Be connected to the cluster while a run is worked on, and make sure that it has room.

        Yields
        ------
        None

        Raises
        ------
        OptionError
            If none answers, or it is too small.
        """
        with connected():
            self._check_room(reading=isinstance(job.source, RayRows))
            yield

    def _check_room(self, *, reading: bool) -> None:
        """Make sure that Ray doesn't wait for ever for what the cluster hasn't."""
        import ray

        cpus = ray.cluster_resources().get("CPU", 0)
        if reading and cpus < self.num_cpus + 1:
            raise OptionError(
                f"`num_cpus` {self.num_cpus:g} must leave a CPU of the cluster to read a Ray Dataset; it has {cpus:g}."
            )
        if not self._room:
            given = ", ".join(f"{name}={number:g}" for name, number in self._resources.items())
            warn([f"No node of the Ray cluster has room for an actor, {given}: the run waits until one has."])

    def shared(self, plan: Plan) -> AbstractContextManager[Plan]:
        """See `Executor.shared`: Ray's store of objects has one copy of what is sent, on each node."""
        return nullcontext(plan)

    def begin(self, job: Job, plan: Plan, *, is_done: bool = False) -> None:
        """Begin a run on a node of the cluster, or check it; see `begin_run`."""
        import ray

        begun = ray.remote(max_calls=1, **self._resources)(_begun)  # the process ends, and gives its GPU back
        with quiet(), told():
            _raise(ray.get(begun.remote(Sent.of(job, plan), is_done=is_done)))
        if Manifest.read(job.folder) is None:
            raise ResultError(f"`out` {str(job.out)!r} is another folder on the nodes of the cluster. {_SHARED}")

    def work(self, job: Job, plan: Plan, part: tuple[int, int], todo: list[int]) -> Iterator[int]:
        """Let actors work on shards.

        Parameters
        ----------
        job : Job
            The run.
        plan : Plan
            Its images.
        part : (int, int)
            The part of the shards that this call works on, as `run_job` takes it.
        todo : list of int
            The shards of the part that aren't finished.

        Yields
        ------
        int
            How many images a shard has that is finished.

        Raises
        ------
        ResultError
            If a node fails time and again, or a Ray Dataset doesn't give the rows that it was listed with.
        """
        import ray.data
        from ray.data import ActorPoolStrategy

        del part
        count = max(1, min(self.actors or self._room, len(todo)))
        with quiet(), _in_order(job), told():
            if isinstance(job.source, RayRows):
                # Reading needs CPUs too: actors are added as long as there are some left.
                shards = job.source.shards(plan.shard_size)
                pool, size = ActorPoolStrategy(min_size=1, max_size=count), plan.shard_size
            else:
                shards = ray.data.from_items([{"shard": shard} for shard in todo], override_num_blocks=len(todo))
                shards.context.enable_progress_bars = False
                pool, size = ActorPoolStrategy(size=count, max_tasks_in_flight_per_actor=1), 1
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", DeprecationWarning)  # of `max_restarts`, which nothing else says yet
                done = shards.map_batches(
                    ShardActor,
                    batch_size=size,
                    batch_format="numpy",
                    compute=pool,
                    fn_constructor_args=(
                        ray.put(Sent.of(job, plan, self._resources.get("num_gpus", 0))),
                        frozenset(todo),
                    ),
                    max_restarts=_RESTARTS,
                    **self._resources,
                )
            for row in done.iter_rows():
                _raise(row["error"])
                yield int(row["images"])
        if isinstance(job.source, RayRows) and not set(todo) <= set(job.folder.finished()):
            raise _other_rows()

    @property
    def _resources(self) -> dict[str, float]:
        """What each actor is given."""
        import ray

        gpus = self.num_gpus
        if gpus is None:
            gpus = 1 if ray.cluster_resources().get("GPU") else 0
        return {"num_cpus": self.num_cpus, **({"num_gpus": gpus} if gpus else {})}

    @property
    def _room(self) -> int:
        """How many actors fit on the nodes of the cluster."""
        import ray

        asked = {name: self._resources.get(key, 0) for key, name in (("num_cpus", "CPU"), ("num_gpus", "GPU"))}
        nodes = [node["Resources"] for node in ray.nodes() if node["Alive"]]
        fitting = ([int(node.get(name, 0) // number) for name, number in asked.items() if number] for node in nodes)
        return sum(min(numbers, default=1) for numbers in fitting)


@dataclass(frozen=True)
class Sent:
    """What an actor is given, once.

    Attributes
    ----------
    job : Job
        The run.
    plan : Plan
        Its images.
    home : str
        The folder that paths are relative to.
    variables : mapping of str to str
        What its environment must have.
    """

    job: Job
    plan: Plan
    home: str
    variables: Mapping[str, str]

    @classmethod
    def of(cls, job: Job, plan: Plan, gpu: float = 0) -> Sent:
        """Return what is sent of a run, to actors that have so much of a GPU; of a Ray Dataset's images the first ones."""
        job = replace(job, source=job.source.first() if isinstance(job.source, RayRows) else job.source)
        _ = plan.digest  # once, for all
        inherited = {name: os.environ[name] for name in _INHERITED if name in os.environ}
        return cls(job, plan, os.getcwd(), {**inherited, **(gpus.share(gpu) if gpu else {})})

    def arrive(self) -> None:
        """Get this process ready for the run.

        Raises
        ------
        OptionError
            If this node doesn't see the files that the run needs.
        """
        os.environ.update(self.variables)
        with suppress(OSError):
            os.chdir(self.home)
        about = self.job.source.about
        files = [*about.get("files", ()), *([about["path"]] if "path" in about else [])]
        needed = [("model", self.job.model_file), ("out", self.job.out), *(("source", file) for file in files)]
        for argument, path in needed:
            if path is not None and isinstance(place_of(path), Path) and not Path(path).exists():
                where = os.path.join(self.home, path)
                raise OptionError(f"`{argument}` {where!r} isn't there on the node {socket.gethostname()!r}. {_SHARED}")


_SHARED = (
    "With `executor` 'ray' all nodes of the cluster must see it at the same path; `out` may lie in an object store."
)


class ShardActor:
    """Finishes the shards that it is given, with the model that it has loaded for the first.

    Parameters
    ----------
    sent : ray.ObjectRef
        The run, a `Sent`.
    todo : collection of int
        Shards that are worked on; others are passed by.
    """

    def __init__(self, sent: Any, todo: Collection[int]) -> None:
        self._ref, self._todo = sent, todo

    @cached_property
    def _worker(self) -> tuple[Worker, Manifest]:
        import ray

        sent = ray.get(self._ref)
        sent.arrive()
        worker, manifest = Worker.of(sent.job, sent.plan), Manifest.read(sent.job.folder)
        if manifest is None:
            raise ResultError(f"`out` {str(sent.job.out)!r} is gone. Start the run again.")
        manifest.check_same(worker.known(), sent.job.folder)
        return worker, manifest

    def __call__(self, rows: Mapping[str, np.ndarray]) -> dict[str, list[Any]]:
        """Finish shards: those whose numbers, or the one whose rows are given; what goes wrong is told by the row returned."""
        try:
            worker, manifest = self._worker
            if "shard" in rows:
                counts = [finish_shard(worker, manifest, int(shard)) for shard in rows["shard"]]
            else:
                counts = [self._finish_rows(worker, manifest, rows)]
            return {"images": [sum(counts)], "error": [b""]}
        except Exception as error:  # noqa: BLE001 - told where somebody sees it
            return {"images": [0], "error": [pickle.dumps(as_told(error))]}

    def _finish_rows(self, worker: Worker, manifest: Manifest, rows: Mapping[str, np.ndarray]) -> int:
        plan, held = worker.plan, HeldRows.of(rows, worker.job.source.about)
        keys = list(held.rows)
        shard = self._places[keys[0]] // plan.shard_size if keys[0] in self._places else 0
        places = plan.shard(shard)
        if keys != plan.listing.keys(places):
            raise _other_rows()
        if shard not in self._todo:
            return 0
        return finish_shard(replace(worker, job=replace(worker.job, source=held)), manifest, shard)

    @cached_property
    def _places(self) -> dict[str, int]:
        """Where the first image of each shard is."""
        plan = self._worker[0].plan
        firsts = range(0, len(plan), plan.shard_size)
        return dict(zip(plan.listing.keys(firsts), firsts, strict=True))


def finish_shard(worker: Worker, manifest: Manifest, shard: int) -> int:
    """Work on a shard until its files are there, by this process or another: one that was given up for dead may live on.

    Returns
    -------
    int
        How many images it has.
    """
    folder = worker.job.folder
    while not folder.is_finished(shard):
        for _ in worker.work(manifest, [shard]):
            pass
        if not folder.is_finished(shard):
            time.sleep(1)
    return len(worker.plan.shard(shard))


def _other_rows() -> ResultError:
    return ResultError(
        "`source` gave other rows than it was listed with, or in another order: leave out `random_shuffle`, or keep the rows by "
        "dataset.materialize()."
    )


@contextmanager
def _in_order(job: Job) -> Iterator[None]:
    if isinstance(job.source, RayRows):
        with job.source.in_order_of_rows():
            yield
    else:
        yield


def _begun(sent: Sent, *, is_done: bool) -> bytes:
    """Begin a run, or check it; return what went wrong."""
    try:
        sent.arrive()
        begin_run(sent.job, sent.plan, is_done=is_done)
        return b""
    except Exception as error:  # noqa: BLE001 - told where somebody sees it
        return pickle.dumps(as_told(error))


def _raise(error: bytes) -> None:
    if error:
        raise pickle.loads(error)
