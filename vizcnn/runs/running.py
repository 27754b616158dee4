"""How a run is done: checked, estimated, worked through by one process or several, and finished."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, nullcontext
from dataclasses import dataclass, replace
from functools import cache
from typing import Protocol

from vizcnn.errors import OptionError, ResultError, check_choice
from vizcnn.progress import track
from vizcnn.runs import workers as processes
from vizcnn.runs.finishing import begin, check_folder, finish, forget_failures, unfinished
from vizcnn.runs.job import Job
from vizcnn.runs.layout import RunFolder
from vizcnn.runs.manifest import Manifest
from vizcnn.runs.plan import Plan
from vizcnn.runs.rows import rows_schema
from vizcnn.runs.sampling import BY, check_labels
from vizcnn.runs.worker import Worker
from vizcnn.text import size_text

Say = Callable[[str], None]


class Executor(Protocol):
    """Who works on a run, where it isn't this process."""

    def check(self, job: Job) -> None:
        """Raise an error where it can't be sent there."""

    def ready(self, job: Job) -> AbstractContextManager[None]:
        """Be there for a run, until it is left; raise an error where that can't be."""

    def shared(self, plan: Plan) -> AbstractContextManager[Plan]:
        """Bring what is listed to where all that work on it read one copy, until it is left."""

    def begin(self, job: Job, plan: Plan, *, is_done: bool = False) -> None:
        """Begin it, or check it; see `begin_run`."""

    def work(self, job: Job, plan: Plan, part: tuple[int, int], todo: list[int]) -> Iterator[int]:
        """Work on shards, those of a part; yield how many images are done, as they come."""


@dataclass(frozen=True)
class Processes:
    """Processes of this machine.

    Attributes
    ----------
    count : int
        How many.
    """

    count: int

    def check(self, job: Job) -> None:
        """See `Executor.check`."""
        if job.model_file is None:
            raise OptionError(f"`workers` {self.count} need the path of a model's file, which each of them opens.")
        if not job.source.travels:
            raise OptionError(
                f"`workers` {self.count} need a source that each of them opens, as files; got {job.source.about['kind']}."
            )

    def ready(self, job: Job) -> AbstractContextManager[None]:
        """See `Executor.ready`."""
        del job
        return nullcontext()

    def shared(self, plan: Plan) -> AbstractContextManager[Plan]:
        """See `Executor.shared`."""
        return processes.shared(plan)

    def begin(self, job: Job, plan: Plan, *, is_done: bool = False) -> None:
        """See `Executor.begin`."""
        processes.begin(job, plan, is_done=is_done)

    def work(self, job: Job, plan: Plan, part: tuple[int, int], todo: list[int]) -> Iterator[int]:
        """See `Executor.work`."""
        yield from processes.work(job, plan, part, min(self.count, len(todo)))


def run_job(
    job: Job, part: tuple[int, int], *, workers: int = 1, executor: Executor | None = None, retry: bool, say: Say
) -> None:
    """Do what is missing of a run.

    Parameters
    ----------
    job : Job
        The run.
    part : (int, int)
        Which part of the shards is worked on, and how many parts there are.
    workers : int, default 1
        Processes that do it, where there is no executor.
    executor : Executor, default None
        Who does it.
    retry : bool
        Whether shards in which something failed are worked on anew.
    say : callable
        Is told what there is to do.

    Raises
    ------
    InputError, ResultError, OptionError, MethodError, CapabilityError, LayerError
        As `explain_dataset` says.
    """
    executor = executor or (Processes(workers) if workers > 1 else None)
    _check(job, workers)
    if executor is not None:
        executor.check(job)
        if not job.folder.storage.is_shared:
            raise OptionError(f"`out` {str(job.out)!r} is in the memory of this process, where no other one can write.")
    folder, survey = job.folder, job.survey
    with ExitStack() as stack:
        is_theirs = executor is not None and not job.source.travels
        if executor is not None and is_theirs:  # who lists the images too: a Ray Dataset itself would start a cluster
            stack.enter_context(executor.ready(job))
        listed = (survey or job).plan()
        if job.names is not None:
            listed.labels(job.names, named=True)
        if job.sample_by == "mistakes":
            check_labels(listed.listing)
        manifest = Manifest.read(folder)
        if manifest is None:
            check_folder(folder)
        else:
            manifest.check_same(job.known(), folder)
        if executor is None:
            job = replace(job, open_model=cache(job.open_model))
        elif not is_theirs:
            stack.enter_context(executor.ready(job))
        share: Callable[[Plan], AbstractContextManager[Plan]] = nullcontext if executor is None else executor.shared
        if survey is not None:
            survey = replace(survey, open_model=job.open_model)
            with share(listed) as shared:
                _work(survey, shared, part, executor=executor, retry=False, say=say)
            listed = job.plan(listed)
        with share(listed) as shared:
            _work(job, shared, part, executor=executor, retry=retry, say=say)


def _check(job: Job, workers: int) -> None:
    """Check what can be checked before images are listed."""
    for name, number in (("workers", workers), ("shard_size", job.shard_size), ("sample", job.sample)):
        if number is not None and number < 1:
            raise OptionError(f"`{name}` must be at least 1; got {number}.")
    check_choice("sample_by", job.sample_by, BY)
    if job.sample is None and job.sample_by != "class":
        raise OptionError(f"`sample_by` {job.sample_by!r} needs a `sample`: how many images are taken.")
    job.calls(), job.metric_calls()
    _ = job.folder.storage  # which may need a package


def _work(job: Job, plan: Plan, part: tuple[int, int], *, executor: Executor | None, retry: bool, say: Say) -> None:
    """Do what is missing of a run, a survey to its end: what other processes have of it is waited for."""
    folder, is_survey = job.folder, job.methods is None
    manifest = Manifest.read(folder)
    worker: Worker | None = None
    if manifest is not None:
        manifest.check_same(job.known(plan), folder)
        is_done = manifest.about["complete"] and not retry and not unfinished(folder, manifest)
        if executor is None:
            worker = _worker_of(job, plan, manifest, is_done=is_done)
        elif is_done or retry or not _mine(job, unfinished(folder, manifest), part):
            # Where there is work, those that do it check that.
            executor.begin(job, plan, is_done=is_done)
        if is_done:
            if not is_survey:
                say(f"All {len(plan):,} images are explained already, in {str(folder.path)!r}: nothing to do.")
            return
        if retry:
            forget_failures(folder, manifest, range(part[0], manifest.num_shards, part[1]))
            manifest = Manifest.read(folder) or manifest
    else:
        check_folder(folder)
    if executor is not None:
        if manifest is None:
            executor.begin(job, plan)
            manifest = Manifest.read(folder)
            if manifest is None:
                raise _killed(folder)
        todo = _todo(job, plan, manifest, part, say)
        done = executor.work(job, plan, part, todo) if todo else iter(())
    else:
        worker = worker or Worker.of(job, plan)
        if manifest is None:
            manifest = _begin(worker, say)
        todo = _todo(job, plan, manifest, part, say)
        done = _beside_others(worker, manifest, part, 0) if is_survey else worker.work(manifest, todo)
    total = sum(len(plan.shard(shard)) for shard in todo)
    for _ in track(_by_image(done), total, f"{job.verb}ing {total:,} images"):
        pass
    left = unfinished(folder, manifest)
    if not left:
        finish(folder, manifest)
    elif mine := _mine(job, left, part):
        if executor is not None:
            raise _killed(folder)
        others = sum(len(plan.shard(shard)) for shard in mine)
        say(f"{others:,} images are in the hands of other processes.")


def begin_run(job: Job, plan: Plan, *, is_done: bool = False) -> None:
    """Begin a run, or make sure that it is the one that is there: what one of several processes does first.

    Parameters
    ----------
    job : Job
        The run.
    plan : Plan
        Its images.
    is_done : bool, default False
        Whether nothing is left to do: then versions move nothing any more.
    """
    manifest = Manifest.read(job.folder)
    if manifest is None:
        _begin(Worker.of(job, plan), lambda _: None)
    else:
        _worker_of(job, plan, manifest, is_done=is_done)


def _worker_of(job: Job, plan: Plan, manifest: Manifest, *, is_done: bool) -> Worker:
    """Return this process's part in the run that is there, or raise an error if that is another one; see `begin_run`."""
    worker = Worker.of(job, plan, _shape_of(manifest))
    known = worker.known()
    if is_done:
        del known["versions"]
    manifest.check_same(known, job.folder)
    return worker


def work_on(job: Job, plan: Plan, part: tuple[int, int], turn: int) -> Iterator[int]:
    """Work on a run beside others, until nothing is left that nobody works on.

    Parameters
    ----------
    job : Job
        The run.
    plan : Plan
        Its images.
    part : (int, int)
        As `run_job` takes it.
    turn : int
        Which of the workers this is; each begins elsewhere.

    Yields
    ------
    int
        How many images were explained, after each batch.
    """
    worker = Worker.of(job, plan)
    manifest = _read(job.folder)
    manifest.check_same(worker.known(), job.folder)
    yield from _beside_others(worker, manifest, part, turn)


def _beside_others(worker: Worker, manifest: Manifest, part: tuple[int, int], turn: int) -> Iterator[int]:
    job, folder = worker.job, worker.job.folder
    while todo := _mine(job, unfinished(folder, manifest), part):
        start = turn % len(todo)
        yield from worker.work(manifest, [*todo[start:], *todo[:start]])
        if left := _mine(job, unfinished(folder, manifest), part):
            time.sleep(0.5)  # others are at work on these; where one dies, its shard is taken over
            if left == todo:
                time.sleep(1)


def _begin(worker: Worker, say: Say) -> Manifest:
    manifest, seconds = worker.manifest()
    manifest = begin(worker.job.folder, manifest)
    manifest.check_same(worker.known(), worker.job.folder)  # which another process may have written
    batches = -(-manifest.count // worker.explainer.batch_size)
    if seconds * batches > 5:
        say(f"About {_duration(seconds * batches)} on one process like this one.")
    return manifest


def _shape_of(manifest: Manifest) -> tuple[int, ...]:
    return tuple(manifest.about["settings"]["input_shape"])


def _read(folder: RunFolder) -> Manifest:
    manifest = Manifest.read(folder)
    if manifest is None:
        raise ResultError(f"`out` {str(folder.path)!r} is gone. Start the run again.")
    return manifest


def _killed(folder: RunFolder) -> ResultError:
    return ResultError(
        f"All `workers` were killed from outside, by lack of memory perhaps. What is explained stays in {str(folder.path)!r}: "
        f"start the run again, with fewer of them."
    )


def _mine(job: Job, shards: list[int], part: tuple[int, int]) -> list[int]:
    """Return the shards of a part, in the order in which it works on them; of a survey all, but each part begins elsewhere."""
    if job.methods is not None:
        return [shard for shard in shards if shard % part[1] == part[0]]
    start = len(shards) * part[0] // part[1]
    return [*shards[start:], *shards[:start]]


def _todo(job: Job, plan: Plan, manifest: Manifest, part: tuple[int, int], say: Say) -> list[int]:
    """Return the shards that are missing, and say how much that is; refuse what the disk can't hold."""
    folder = job.folder
    todo = _mine(job, unfinished(folder, manifest), part)
    mine = sum(len(plan.shard(shard)) for shard in _mine(job, list(range(plan.num_shards)), part))
    count = sum(len(plan.shard(shard)) for shard in todo)
    size = estimated_bytes(plan, manifest, todo)
    of = "" if mine == len(plan) else f" of part {part[0] + 1} of {part[1]}"
    done = f"{mine - count:,} of {mine:,} images{of} are {job.verb}ed already; " if count < mine else ""
    say(f"{done}{count:,} images{of} to {job.verb}, which take about {size_text(size)}.")
    free = folder.storage.free
    if free is not None and size > free:
        raise ResultError(
            f"`out` {str(folder.path)!r} lies on a disk with {size_text(free)} free; the run needs about {size_text(size)}. Free "
            f"some, take fewer methods or a `sample`, or name a folder elsewhere."
        )
    return todo


def estimated_bytes(plan: Plan, manifest: Manifest, shards: list[int]) -> int:
    """Return about how many bytes the files of shards will have.

    Returns
    -------
    int
    """
    layouts = manifest.layouts.values()
    columns = len(rows_schema(layouts))
    numbers = sum(len(layout.numbers) for layout in layouts)
    total = 0
    for shard in shards:
        places = plan.shard(shard)
        paths = plan.listing.key_bytes(places)
        total += len(places) * (_ROW_BYTES + 4 * numbers) + paths // 2 + _COLUMN_BYTES * columns
        total += sum(layout.num_bytes * len(places) for layout in layouts)
    return total


_ROW_BYTES, _COLUMN_BYTES = 90, 230
"""What Parquet takes for a row, beside its path and the numbers of its maps; and for a column, however many rows there are."""


def _by_image(batches: Iterator[int]) -> Iterator[None]:
    for count in batches:
        yield from [None] * count


def _duration(seconds: float) -> str:
    return (
        f"{seconds:.0f} s"
        if seconds < 90
        else f"{seconds / 60:.0f} min"
        if seconds < 5400
        else f"{seconds / 3600:.1f} h"
    )
