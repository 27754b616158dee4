"""`vizcnn maximize`."""

from __future__ import annotations

import re
from collections.abc import Sequence
from enum import StrEnum
from typing import TYPE_CHECKING, Annotated, Any

import typer

from vizcnn.cli import options
from vizcnn.cli.app import MODEL, command
from vizcnn.cli.console import echo, notes, run_method
from vizcnn.cli.folders import check_folder
from vizcnn.cli.model import ModelFile
from vizcnn.files import safe_name

if TYPE_CHECKING:
    from vizcnn.adapter import ModelAdapter

FRAMES = 32
"""Images on the way that an animation shows."""


class Parametrization(StrEnum):
    """What activation maximization changes."""

    fourier = "fourier"
    pixel = "pixel"


@command(
    MODEL,
    "vizcnn maximize model.keras --target tabby --gif --out out",
    "vizcnn maximize model.keras --layer conv2 --target 5 --out out",
)
@options.takes_model
def maximize(
    model: ModelFile,
    out: options.Out,
    target: Annotated[
        list[str] | None,
        typer.Option(
            "--target",
            "-t",
            metavar="CLASS",
            help="A class index or label, or with --layer a channel; give it again for more. Default: the first ten classes.",
            show_default=False,
        ),
    ] = None,
    layer: Annotated[
        str | None,
        typer.Option("--layer", "-l", metavar="LAYER", help="The layer whose channels are meant.", show_default=False),
    ] = None,
    steps: Annotated[int, typer.Option(metavar="N", min=1, help="Steps of the ascent.")] = 256,
    seed: options.Seed = 0,
    num_images: Annotated[int, typer.Option(metavar="N", min=1, help="Images for each target, unlike each other.")] = 1,
    parametrization: Annotated[
        Parametrization, typer.Option(help="What is changed: the image's spectrum, or its pixels.")
    ] = Parametrization.fourier,
    size: Annotated[
        str | None,
        typer.Option(
            metavar="HxW",
            help="Size of the images, where the model leaves it open. Default: 224x224.",
            show_default=False,
        ),
    ] = None,
    gif: Annotated[bool, typer.Option("--gif", help="Write how the images came to be, too.")] = False,
) -> None:
    """Make the images that classes or channels answer to most (activation maximization)."""
    from vizcnn.results.attributions import with_probability

    check_folder(out, [])
    open_size = _size(size)
    adapter = model.load()
    result, messages = run_method(
        "activation_maximization",
        adapter,
        _targets(target, layer, adapter),
        layer=layer,
        steps=steps,
        seed=seed,
        num_images=num_images,
        parametrization=parametrization.value,
        size=open_size,
        frames=min(steps, FRAMES) if gif else 0,
    )
    stem = "maximized" if layer is None else f"{safe_name(layer)}.maximized"
    echo(str(result.save(out / f"{stem}.png")))
    if gif:
        echo(str(result.save_animation(out / f"{stem}.gif")))
    for name, prediction in zip(result.target, result.predictions, strict=True):
        echo(f"  made for {name}, taken for {with_probability(prediction.label, prediction.probability)}")
    notes(messages)


def _size(text: str | None) -> tuple[int, int] | None:
    if text is None:
        return None
    match = re.fullmatch(r"(\d+)(?:x(\d+))?", text)
    if not match or not int(match[1]) or (match[2] is not None and not int(match[2])):
        raise typer.BadParameter("it must be HxW, as in 224x320.", param_hint="'--size'")
    return int(match[1]), int(match[2] or match[1])


def _targets(texts: Sequence[str] | None, layer: str | None, model: ModelAdapter) -> Any:
    from vizcnn.targets.typed import read_target, target_note

    if not texts:
        return None
    if layer is None:
        wanted = [read_target(text, model) for text in texts]
        notes(note for text in texts for note in target_note(text, model))
        return wanted
    if not all(text.isdecimal() for text in texts):
        raise typer.BadParameter("with --layer it must be the number of a channel.", param_hint="'--target'")
    return [int(text) for text in texts]
