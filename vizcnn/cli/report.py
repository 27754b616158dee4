"""`vizcnn report`."""

from __future__ import annotations

import hashlib
import shlex
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from vizcnn.cli import options
from vizcnn.cli.app import app
from vizcnn.cli.console import fail, listening, notes, say
from vizcnn.cli.folders import check_file
from vizcnn.cli.model import ModelFile

if TYPE_CHECKING:
    from vizcnn.adapter import ModelAdapter
    from vizcnn.cli.explained import Job
    from vizcnn.inputs import ImageSet
    from vizcnn.results import Attributions

DEFAULT_METHODS = ["saliency", "gradcam", "occlusion"]

WALKS = 1
"""Images whose way through the layers is shown, the first ones."""

ENOUGH = 10
"""Images from which on the health of the filters is told."""


@app.command()
@options.takes_model
def report(
    model: ModelFile,
    images: options.Images,
    out: Annotated[
        Path, typer.Option("--out", "-o", metavar="FILE.html", help="Where the page goes.", show_default=False)
    ],
    method: options.Methods = None,
    target: options.Target = None,
    layer: options.Layer = None,
    classes: Annotated[
        int,
        typer.Option(
            metavar="N", min=1, max=5, help="How many of the most probable classes the page can switch between."
        ),
    ] = 2,
) -> None:
    """Write one HTML file to hand over: what MODEL predicts and looks at, recoloured and read in the browser."""
    from vizcnn.cli.explained import read_jobs
    from vizcnn.cli.images import read_images
    from vizcnn.cli.targets import read_target, target_note
    from vizcnn.explanation import Explanation

    check_file(out, (".html",))
    jobs = read_jobs(method or DEFAULT_METHODS, layer)
    adapter = model.load()
    together, bad = read_images(images, adapter)
    adapter.prepare(together.sample_shape)
    wanted = read_target(target, adapter)
    notes(target_note(target, adapter))
    results, failed = _explained(adapter, together, jobs, wanted)
    if not results:
        raise typer.Exit(2)
    others = {}
    if target is None and classes > 1:
        jobs = [job for job in jobs if job.name in results]
        for rank, ranked in _ranked(adapter, together, classes):
            more, missed = _explained(adapter, together, jobs, ranked)
            if not missed:
                others[f"the {rank} class"] = Explanation(more)
    figures = _figures(adapter, together)
    about = {"command": _command(), "model": adapter.origin, **_hashes(Path(model.path))}
    say(str(Explanation(results).to_html(out, about=about, figures=figures, others=others)))
    if failed or bad:
        raise typer.Exit(1)


def _explained(
    model: ModelAdapter, images: ImageSet, jobs: Sequence[Job], target: Any
) -> tuple[dict[str, Attributions], int]:
    """Return the results of all methods that work, and how many don't."""
    from vizcnn.errors import VizcnnError

    results, failed = {}, 0
    for job in jobs:
        try:
            with listening():  # the page says what the results note
                results[job.name] = job.plugin.function(model, images, target, **job.options)
        except VizcnnError as error:
            failed += 1
            fail(f"{job.name}: {error}")
    return results, failed


def _ranked(model: ModelAdapter, images: ImageSet, count: int) -> Iterator[tuple[str, list[int]]]:
    """Yield "second", "third", ..., and the class of that rank of each image."""
    import numpy as np

    from vizcnn.adapter.base import slices

    if not model.head(model.output_name(None)).is_classes:
        return
    parts = slices(len(images), model.batch_size_for(images.sample_shape))
    read = [model.class_values(model.outputs(images.inputs(part))) for part in parts]
    predicted, values = (np.concatenate([batch[i] for batch in read]) for i in (0, 1))
    values[np.arange(len(values)), predicted] = np.inf  # what is shown first comes first
    order = np.argsort(-values, axis=1, kind="stable")
    for place, rank in enumerate(("second", "third", "fourth", "fifth")[: min(count, order.shape[1]) - 1], start=1):
        yield rank, order[:, place].tolist()


def _figures(model: ModelAdapter, images: ImageSet) -> dict[str, Any]:
    """Return what is to be seen of the model itself, and of its way through the first images."""
    from vizcnn.errors import VizcnnError
    from vizcnn.plugins import registry

    wanted: list[tuple[str, str, list[Any]]] = [("How the model is built", "architecture", [])]
    for index, name in enumerate(images.names[:WALKS]):
        wanted.append((f"What its layers see in {name}", "activations", [images.sources[index]]))
    if len(images) >= ENOUGH:
        wanted.append(("The health of its filters", "diagnose", [images]))
    figures = {}
    for title, method, given in wanted:
        try:
            with listening():
                figures[title] = registry.get(method).function(model, *given)
        except VizcnnError as error:
            notes([("report", f"without {title!r}: {error}")])
    return figures


def _command() -> str:
    """Return what was typed, with the names of files in place of where they lie."""
    return shlex.join(["vizcnn", *(Path(word).name if Path(word).exists() else word for word in sys.argv[1:])])


def _hashes(model: Path) -> dict[str, str]:
    if not model.is_file():
        return {}
    with model.open("rb") as file:
        return {"SHA-256 of the model's file": hashlib.file_digest(file, "sha256").hexdigest()}
