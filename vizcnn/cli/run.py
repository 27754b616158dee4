"""`vizcnn run`."""

from __future__ import annotations

import signal
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from vizcnn.cli import options
from vizcnn.cli.app import DATASET, command
from vizcnn.cli.console import echo, echo_error
from vizcnn.cli.model import ModelFile

if TYPE_CHECKING:
    from vizcnn.adapter import ModelAdapter
    from vizcnn.runs import Run

Source = Annotated[
    Path,
    typer.Argument(
        metavar="SOURCE",
        help="A folder of images and of folders of these, here or as s3://bucket/photos, a list of paths (.txt), a table with a "
        "column of paths (.csv, .tsv, .parquet), or archives of images ('*.tar', .tfrecord, .parquet).",
        show_default=False,
    ),
]

Folder = Annotated[
    Path,
    typer.Option(
        "--out",
        "-o",
        metavar="DIR",
        help="The folder of the run, or one in an object store, as s3://bucket/run; one that was begun goes on.",
        show_default=False,
    ),
]


@command(
    DATASET,
    "vizcnn run model.keras photos --out run --method gradcam",
    "vizcnn run model.keras photos --labels-by folders --sample 1000 --out run",
    "vizcnn run model.keras photos.parquet --out run --workers 2 --shard 3/64",
)
@options.takes_model
def run(
    model: ModelFile,
    source: Source,
    out: Folder,
    method: options.Methods = None,
    metric: options.Metrics = None,
    target: options.Target = None,
    layer: options.Layer = None,
    labels_by: Annotated[
        str | None,
        typer.Option(
            metavar="folders", help="True classes are the folders that the images lie in. Default: a column 'label'."
        ),
    ] = None,
    column: Annotated[
        list[str] | None,
        typer.Option(
            metavar="ROLE=NAME", help="What the column 'path', 'image', 'label' or 'target' is called; again for each."
        ),
    ] = None,
    sample: Annotated[
        int | None, typer.Option(metavar="N", help="Explain N images, always the same. Default: all.")
    ] = None,
    sample_by: Annotated[
        str,
        typer.Option(
            metavar="NAME",
            help="Which: as many of each 'class', as many of each tenth of 'confidence', or 'mistakes' first, the surest before "
            "the others; for the last two all images are predicted first.",
        ),
    ] = "class",
    shard: Annotated[
        str | None, typer.Option(metavar="I/N", help="Do the I-th of N parts; other machines do the others.")
    ] = None,
    workers: Annotated[
        int | None,
        typer.Option(
            metavar="N",
            help="Processes that share the work. Default: one; on Ray as many as the cluster has room for.",
            show_default=False,
        ),
    ] = None,
    executor: Annotated[
        str,
        typer.Option(
            metavar="NAME",
            help="Where these run: 'local', on this machine, or 'ray', on the Ray cluster at RAY_ADDRESS, whose nodes share a "
            "file system or write to an object store.",
        ),
    ] = "local",
    num_cpus: Annotated[
        float | None, typer.Option(metavar="N", help="CPUs of each process on Ray. Default: 1.", show_default=False)
    ] = None,
    num_gpus: Annotated[
        float | None,
        typer.Option(
            metavar="N", help="GPUs of each process on Ray. Default: 1 where the cluster has any.", show_default=False
        ),
    ] = None,
    retry: Annotated[bool, typer.Option("--retry", help="Try again what couldn't be explained.")] = False,
) -> None:
    """Explain a whole dataset into a folder of tables and maps; stopped at any moment, it goes on where it was."""
    from vizcnn.adapter.labels import read_labels
    from vizcnn.runs.dataset import check_extra, ray_cluster
    from vizcnn.runs.layout import place_of
    from vizcnn.runs.open_source import open_source
    from vizcnn.runs.run import open_run
    from vizcnn.targets.typed import read_target

    check_extra()
    from vizcnn.runs.job import Job
    from vizcnn.runs.plan import part_of_shards
    from vizcnn.runs.running import run_job

    model.check()
    opened = open_source(source, labels_by=labels_by, columns=_columns(column or ()))
    ray = ray_cluster(executor, opened, workers, num_cpus, num_gpus)
    job = Job(
        open_model=partial(_opened, model),
        model_file=Path(model.path),
        source=opened,
        out=place_of(out),
        methods=tuple(method or ("gradcam",)),
        metrics=tuple(metric or ()),
        target=target,
        layer=layer,
        sample=sample,
        sample_by=sample_by,
        read_target=read_target,
        names=read_labels(model.settings["labels"]),
    )
    try:
        with _termination():
            run_job(
                job,
                part_of_shards(shard),
                workers=1 if workers is None else workers,
                executor=ray,
                retry=retry,
                say=echo,
            )
    except KeyboardInterrupt as stop:
        echo_error("stopped; what is explained stays. The same command goes on with it.")
        raise typer.Exit(143 if isinstance(stop, _Terminated) else 130) from None
    ran = open_run(out)
    echo(repr(ran)[1:-1])
    if ran.is_complete:
        _tell(ran)


def _opened(model: ModelFile) -> ModelAdapter:
    return model.load()


class _Terminated(KeyboardInterrupt):
    """The process was asked to end."""


@contextmanager
def _termination() -> Iterator[None]:
    """Take SIGTERM as Ctrl-C is taken: what is being written is put away."""

    def stop(*_: Any) -> None:
        raise _Terminated

    before = signal.signal(signal.SIGTERM, stop)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


def _columns(texts: Sequence[str]) -> dict[str, str]:
    columns: dict[str, str] = {}
    for text in texts:
        role, equals, name = text.partition("=")
        if not (equals and name):
            raise typer.BadParameter(f"must have the form ROLE=NAME; got {text!r}.", param_hint="'--column'")
        if role in columns:
            raise typer.BadParameter(
                f"must name the column {role!r} once; got {columns[role]!r} and {name!r}.", param_hint="'--column'"
            )
        columns[role] = name
    return columns


def _tell(ran: Run) -> None:
    from vizcnn.runs.layout import FAILURES, RunFolder
    from vizcnn.runs.run import open_run

    counts, settings = ran.about["counts"], ran.about["settings"]
    of_all = counts
    if settings["sample"] is not None and settings["sample_by"] != "class":  # which says nothing of a model
        of_all = open_run(RunFolder(ran.path).predictions.path).about["counts"]
    if of_all["labelled"]:
        share = of_all["correct"] / of_all["labelled"]
        echo(f"{share:.1%} of {of_all['labelled']:,} images with a true class are predicted right.")
    failed = counts["unreadable"] + sum(of["failed"] for of in counts["methods"].values())
    if failed:
        echo_error(
            f"{counts['unreadable']:,} images can't be read, {failed - counts['unreadable']:,} maps couldn't be made: see "
            f"{RunFolder(ran.path).storage.address(FAILURES)}."
        )
        raise typer.Exit(1)
