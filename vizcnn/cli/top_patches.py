"""`vizcnn top-patches`."""

from __future__ import annotations

from typing import Annotated

import typer

from vizcnn.cli import options
from vizcnn.cli.app import MODEL, command
from vizcnn.cli.console import echo, notes, run_method, unsaid
from vizcnn.cli.folders import check_folder
from vizcnn.cli.model import ModelFile
from vizcnn.files import file_stems, safe_name


@command(
    MODEL,
    "vizcnn top-patches model.keras photos --out out",
    "vizcnn top-patches model.keras photos --layer conv2 --channel 5 --out out",
)
@options.takes_model
def top_patches(
    model: ModelFile,
    images: options.Images,
    out: options.Out,
    layer: options.Layers = None,
    channel: Annotated[
        list[int] | None,
        typer.Option(
            metavar="N", min=0, help="A channel; give it again for more. Default: the first 16 of each layer."
        ),
    ] = None,
    num_patches: Annotated[int, typer.Option(metavar="N", min=1, help="Patches of each channel.")] = 9,
    spread: Annotated[
        int, typer.Option(metavar="N", min=0, help="And as many over the whole range of each channel's values.")
    ] = 0,
) -> None:
    """Cut out the pieces of images that excite the channels of layers most; without --layer of the last map."""
    from vizcnn.cli.images import read_images

    check_folder(out, images)
    adapter = model.load()
    together, bad = read_images(images, adapter)
    wanted: list[str | None] = [*layer] if layer else [None]
    for name, file in zip(wanted, file_stems([str(name) for name in layer or ["last"]]), strict=True):
        result, messages = run_method(
            "top_patches", adapter, together, name, channels=channel, num_patches=num_patches, spread=spread
        )
        echo(str(result.save(out / f"{file if name else safe_name(result.layer)}.top_patches.png")))
        notes(("images", text) for text in unsaid(adapter, (*result.notes, *(text for _, text in messages))))
    if bad:
        raise typer.Exit(1)
