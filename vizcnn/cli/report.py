"""`vizcnn report`."""

from __future__ import annotations

import shlex
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from vizcnn.cli import options
from vizcnn.cli.app import DECISIONS, command
from vizcnn.cli.console import catch_warnings, echo, echo_error, notes
from vizcnn.cli.folders import check_file
from vizcnn.cli.model import ModelFile

if TYPE_CHECKING:
    from vizcnn.adapter import ModelAdapter
    from vizcnn.inputs import ImageSet
    from vizcnn.stream import Failure

DEFAULT_METHODS = ["saliency", "gradcam", "occlusion"]

NUM_WALKS = 10
"""Images whose way through the layers is shown, the first ones: each takes some hundred kB of the page."""

MIN_HEALTH_IMAGES = 10
"""Images from which on the health of the filters is told."""

RANKS = ("first", "second", "third", "fourth", "fifth")


@command(
    DECISIONS,
    "vizcnn report model.keras cat.jpg --labels labels.txt --out report.html",
    "vizcnn report model.keras photos -m gradcam --trust --out report.html",
)
@options.takes_model
def report(
    model: ModelFile,
    images: options.Images,
    out: Annotated[
        Path, typer.Option("--out", "-o", metavar="FILE.html", help="Where the page goes.", show_default=False)
    ],
    method: options.Methods = None,
    metric: options.Metrics = None,
    regions: options.Regions = None,
    trust: options.Trust = False,
    target: options.Target = None,
    layer: options.Layer = None,
    classes: Annotated[
        int,
        typer.Option(
            metavar="N", min=1, max=5, help="How many of the most probable classes the page can switch between."
        ),
    ] = 2,
) -> None:
    """Write one HTML file to hand over: what MODEL predicts and looks at, recolored and read in the browser."""
    from vizcnn.cli.explained import read_calls
    from vizcnn.cli.images import read_images
    from vizcnn.explanation import collect
    from vizcnn.measures.run import read_metrics
    from vizcnn.measures.trust import cost_of_trust
    from vizcnn.report import LONGEST
    from vizcnn.stream import stream
    from vizcnn.targets.typed import read_target, target_note

    check_file(out, (".html",))
    calls, metrics = read_calls(method or DEFAULT_METHODS, layer), read_metrics(metric or ())
    adapter = model.load()
    together, bad = read_images(images, adapter)
    adapter.prepare(together.sample_shape)
    wanted = read_target(target, adapter)
    notes(target_note(target, adapter))
    if trust:
        notes([("trust", cost_of_trust(together.sample_shape, len(calls)))])
    failures = _Failures()
    with catch_warnings():  # the page says what the results note
        batches = stream(
            adapter,
            together,
            wanted,
            calls,
            on_failure=failures.tell,
            longest=LONGEST,
            ranks=classes,
            metrics=metrics,
            regions=regions,
            trust=trust,
        )
        explanation, of_rank = collect(batches, len(together))
    if not explanation.results:
        raise typer.Exit(2)
    others = {f"the {RANKS[rank]} class": other for rank, other in of_rank.items()}
    figures = _figures(adapter, failures.without(together))
    about = {"command": command_typed(), "model": adapter.source, **hashes(Path(model.path))}
    echo(str(explanation.to_html(out, about=about, figures=figures, others=others)))
    if failures.skipped or bad:
        raise typer.Exit(1)


class _Failures:
    """Says what the page skips."""

    def __init__(self) -> None:
        self.skipped: list[Failure] = []

    def tell(self, failure: Failure) -> None:
        self.skipped.append(failure)
        echo_error(failure.reason if failure.method is None else f"{failure.method}: {failure.reason}")

    def without(self, images: ImageSet) -> ImageSet:
        """Return the images that could be read."""
        unread = {index for failure in self.skipped if failure.method is None for index in failure.images}
        kept = [images.part(slice(index, index + 1)) for index in range(len(images)) if index not in unread]
        return type(images).join(kept) if unread else images


def _figures(model: ModelAdapter, images: ImageSet) -> dict[str, Any]:
    """Return what is to be seen of the model itself, and of its way through the first images."""
    from vizcnn.errors import VizcnnError
    from vizcnn.plugins import registry

    wanted: list[tuple[str, str, list[Any]]] = [("How the model is built", "architecture", [])]
    for index, name in enumerate(images.names[:NUM_WALKS]):
        wanted.append((f"What its layers see in {name}", "activations", [images.sources[index]]))
    if len(images) >= MIN_HEALTH_IMAGES:
        wanted.append(("The health of its filters", "diagnose", [images]))
    figures = {}
    for title, method, arguments in wanted:
        try:
            with catch_warnings():
                figures[title] = registry.get(method).function(model, *arguments)
        except VizcnnError as error:
            notes([("report", f"without {title!r}: {error}")])
    return figures


def command_typed() -> str:
    """Return what was typed, with the names of files in place of where they lie."""
    return shlex.join(["vizcnn", *(Path(word).name if Path(word).exists() else word for word in sys.argv[1:])])


def hashes(model: Path) -> dict[str, str]:
    """Return what tells a model's file from others, by what it is called."""
    import hashlib

    if not model.is_file():
        return {}
    with model.open("rb") as file:
        return {"SHA-256 of the model's file": hashlib.file_digest(file, "sha256").hexdigest()}
