"""What Ray adds to a run: processors' time of the actors, and of the process that hands out the shards.

Grad-CAM by the bundled CNN, as many images for each actor (weak scaling), beside one process without Ray; what is loaded and
compiled for the first shard isn't counted. On one machine actors share its processors, so the clock says nothing of many
machines. Usage, in the environment that `make test-ray` makes:

    .venv-ray/bin/python -m tests.benchmarks.bench_ray
"""

from __future__ import annotations

import os
import shutil
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import ray.data

import vizcnn as vz
from vizcnn.adapter import as_adapter
from vizcnn.runs.job import Job
from vizcnn.runs.on_ray import Sent, ShardActor, quiet
from vizcnn.runs.open_source import open_source
from vizcnn.runs.plan import Plan
from vizcnn.runs.ray_connection import connected
from vizcnn.runs.running import begin_run
from vizcnn.runs.worker import Worker

SHARDS, SHARD_SIZE, MOST = 5, 512, 2
"""Of each actor: shards, the first of which isn't counted; images of each; and the most actors."""


EMPTY = (100, 1000)
"""Shards by which it is measured what one costs the driver."""


class TimedActor(ShardActor):
    """An actor that tells its processors' time too."""

    def __call__(self, rows: Mapping[str, Any]) -> dict[str, list[Any]]:
        start, is_first = time.process_time(), "_worker" not in vars(self)
        done = super().__call__(rows)
        return {**done, "seconds": [time.process_time() - start], "first": [is_first], "actor": [os.getpid()]}


def main() -> None:
    """Print the times."""
    with connected(), tempfile.TemporaryDirectory() as folder:
        for count in range(1, MOST + 1):
            source = Path(folder) / f"images-{count}"
            source.mkdir()
            digits = vz.assets.digits()
            for number in range(count * SHARDS * SHARD_SIZE):
                shutil.copy(digits[number % len(digits)], source / f"{number:06d}.png")
            if count == 1:
                told("one process without Ray", alone(*begun(source, Path(folder) / "alone")))
            rows = list(on_ray(*begun(source, Path(folder) / f"ray-{count}"), count))
            actors = {row["actor"] for row in rows}
            told(f"{len(actors)} actors", [row["seconds"] for row in rows if not row["first"]])
        few, many = map(handed_out, EMPTY)
        print(f"the driver: {few:.1f} s, and {1000 * (many - few) / (EMPTY[1] - EMPTY[0]):.1f} ms a shard")


def begun(source: Path, out: Path) -> tuple[Job, Plan]:
    model = vz.assets.DIGITS_CNN
    job = Job(partial(as_adapter, model), model, open_source(source), out, ("gradcam",), shard_size=SHARD_SIZE)
    job.folder.storage.prepare()
    plan = job.plan()
    begin_run(job, plan)
    return job, plan


def alone(job: Job, plan: Plan) -> list[float]:
    from vizcnn.runs.manifest import Manifest

    worker, manifest, seconds = Worker.of(job, plan), Manifest.read(job.folder), []
    for shard in range(plan.num_shards):
        start = time.process_time()
        for _ in worker.work(manifest, [shard]):
            pass
        seconds.append(time.process_time() - start)
    return seconds[1:]


def on_ray(job: Job, plan: Plan, count: int) -> Iterator[Mapping[str, Any]]:
    shards = range(plan.num_shards)
    return by_actors(TimedActor, shards, count, ray.put(Sent.of(job, plan)), frozenset(shards))


def by_actors(actor: type, shards: Sequence[int], count: int, *given: Any) -> Iterator[Mapping[str, Any]]:
    """Let actors work on shards, as `RayCluster` does."""
    items = ray.data.from_items([{"shard": shard} for shard in shards], override_num_blocks=len(shards))
    items.context.enable_progress_bars = False
    pool = ray.data.ActorPoolStrategy(size=count, max_tasks_in_flight_per_actor=1)
    with quiet():
        done = items.map_batches(actor, batch_size=1, compute=pool, fn_constructor_args=given, num_cpus=1)
        yield from done.iter_rows()


class Idle:
    """An actor that does nothing."""

    def __call__(self, rows: Mapping[str, Any]) -> Mapping[str, Any]:
        return {"images": [0]}


def handed_out(count: int) -> float:
    """Return the seconds of this process's processors' time that it takes to hand out so many shards."""
    start = time.process_time()
    list(by_actors(Idle, range(count), 1))
    return time.process_time() - start


def told(who: str, seconds: list[float]) -> None:
    mean = sum(seconds) / len(seconds)
    print(
        f"{who}: {1000 * mean / SHARD_SIZE:.2f} ms of processors' time an image, {len(seconds)} shards of {SHARD_SIZE}"
    )


if __name__ == "__main__":
    main()
