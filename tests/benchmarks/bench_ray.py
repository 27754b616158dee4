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
from collections.abc import Iterator, Mapping
from functools import partial
from pathlib import Path
from typing import Any

import ray.data

import vizcnn as vz
from vizcnn.adapter import as_adapter
from vizcnn.runs.job import Job
from vizcnn.runs.on_ray import RayCluster, Sent, ShardActor, connect, quiet
from vizcnn.runs.open_source import open_source
from vizcnn.runs.plan import Plan
from vizcnn.runs.running import begin_run
from vizcnn.runs.worker import Worker

SHARDS, SHARD_SIZE, MOST = 5, 512, 2
"""Of each actor: shards, the first of which isn't counted; images of each; and the most actors."""


class TimedActor(ShardActor):
    """An actor that tells its processors' time too."""

    def __call__(self, rows: Mapping[str, Any]) -> dict[str, list[Any]]:
        start, is_first = time.process_time(), "_worker" not in vars(self)
        done = super().__call__(rows)
        return {**done, "seconds": [time.process_time() - start], "first": [is_first], "actor": [os.getpid()]}


def main() -> None:
    """Print the times."""
    connect()
    with tempfile.TemporaryDirectory() as folder:
        for count in range(1, MOST + 1):
            source = Path(folder) / f"images-{count}"
            source.mkdir()
            digits = vz.assets.digits()
            for number in range(count * SHARDS * SHARD_SIZE):
                shutil.copy(digits[number % len(digits)], source / f"{number:06d}.png")
            if count == 1:
                told("one process without Ray", alone(*begun(source, Path(folder) / "alone")), 0, 0)
            start = time.process_time()
            rows = list(on_ray(*begun(source, Path(folder) / f"ray-{count}"), count))
            driver = time.process_time() - start
            seconds = [row["seconds"] for row in rows if not row["first"]]
            told(f"{len({row['actor'] for row in rows})} actors", seconds, driver, len(rows))


def begun(source: Path, out: Path) -> tuple[Job, Plan]:
    model = vz.assets.DIGITS_CNN
    job = Job(partial(as_adapter, model), model, open_source(source), out, ("gradcam",), shard_size=SHARD_SIZE)
    job.folder.journals.mkdir(parents=True)
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
    todo = list(range(plan.num_shards))
    shards = ray.data.from_items([{"shard": shard} for shard in todo], override_num_blocks=len(todo))
    pool = ray.data.ActorPoolStrategy(size=count, max_tasks_in_flight_per_actor=1)
    given = (ray.put(Sent.of(job, plan)), frozenset(todo))
    with quiet():
        yield from shards.map_batches(
            TimedActor, batch_size=1, compute=pool, fn_constructor_args=given, **RayCluster()._resources
        ).iter_rows()


def told(who: str, seconds: list[float], driver: float, shards: int) -> None:
    mean = sum(seconds) / len(seconds)
    own = f"; the driver {1000 * driver / shards:.0f} ms a shard" if shards else ""
    print(
        f"{who}: {1000 * mean / SHARD_SIZE:.2f} ms of processors' time an image, {len(seconds)} shards of {SHARD_SIZE}{own}"
    )


if __name__ == "__main__":
    main()
