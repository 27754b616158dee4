"""`vizcnn activations`."""

from __future__ import annotations

from typing import Annotated

import typer

from vizcnn.cli import options
from vizcnn.cli.app import MODEL, command
from vizcnn.cli.console import echo, echo_error, notes, run_method, unsaid
from vizcnn.cli.folders import check_folder
from vizcnn.cli.model import ModelFile
from vizcnn.cli.picture_names import Plan
from vizcnn.errors import InputError


@command(
    MODEL,
    "vizcnn activations model.keras cat.jpg --out out",
    "vizcnn activations model.keras cat.jpg --layer conv2 --top 16 --out out",
)
@options.takes_model
def activations(
    model: ModelFile,
    images: options.Images,
    out: options.Out,
    layer: options.Layers = None,
    top: Annotated[
        int, typer.Option(metavar="N", min=1, help="Channels of each layer, those of the highest mean activation.")
    ] = 32,
) -> None:
    """Draw the feature maps that layers make of images; without --layer the journey through the network."""
    from vizcnn.cli.images import Unreadable, find_images, open_images
    from vizcnn.progress import track

    check_folder(out, images)
    adapter = model.load()
    files, bad = find_images(images, adapter)
    planned = Plan(files, {"activations": "activations"}, out)
    opened = open_images(files, adapter)
    done = 0
    for file, paths, image in zip(files, planned, track(opened, len(files), "drawing feature maps"), strict=True):
        if isinstance(image, Unreadable):
            bad.append(image)
            continue
        try:
            result, messages = run_method("activations", adapter, image, layer)
        except InputError as error:  # that its pixels can't be read shows here
            bad.append(Unreadable(file, str(error)))
            continue
        echo(str(result.save(paths["activations"], top=top)))
        notes([*((image.names[0], note) for note in unsaid(adapter, result.notes)), *messages])
        done += 1
    for one in bad:
        echo_error(one.error)
    if bad:
        raise typer.Exit(1 if done else 2)
