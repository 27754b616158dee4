"""`vizcnn filters`."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated

import typer

from vizcnn.cli import options
from vizcnn.cli.app import MODEL, command
from vizcnn.cli.console import echo, notes, run_method
from vizcnn.cli.folders import check_folder
from vizcnn.cli.model import ModelFile
from vizcnn.files import file_stems, safe_name


class Channels(StrEnum):
    """What becomes of a kernel's input channels."""

    auto = "auto"
    mean = "mean"
    norm = "norm"
    each = "each"


@command(
    MODEL,
    "vizcnn filters model.keras --out out",
    "vizcnn filters model.keras --layer conv2 --preferred-inputs 16 --out out",
)
@options.takes_model
def filters(
    model: ModelFile,
    out: options.Out,
    layer: options.Layers = None,
    top: Annotated[
        int, typer.Option(metavar="N", min=1, help="Kernels on a page, those of the largest norm first.")
    ] = 64,
    page: Annotated[int, typer.Option(metavar="N", min=0, help="Which page.")] = 0,
    channels: Annotated[
        Channels,
        typer.Option(help="A kernel's input channels: in color or as it fits, their mean, their norm, or each alone."),
    ] = Channels.auto,
    preferred_inputs: Annotated[
        int, typer.Option(metavar="N", min=0, help="For how many kernels to find the input that excites them most.")
    ] = 0,
    exciting: Annotated[int | None, typer.Option(min=0, hidden=True)] = None,
) -> None:
    """Draw the kernels of convolutions; without --layer those of the first."""
    check_folder(out, [])
    adapter = model.load()
    names = file_stems([str(name) for name in layer or ["filters"]])
    inputs = {"preferred_inputs": preferred_inputs} if exciting is None else {"exciting": exciting}
    wanted: list[str | None] = [*layer] if layer else [None]
    for name, file in zip(wanted, names, strict=True):
        result, messages = run_method("filters", adapter, name, **inputs)
        path = out / (f"{file}.filters.png" if name else f"{safe_name(result.layer)}.filters.png")
        echo(str(result.save(path, top=top, page=page, channels=channels.value)))
        notes(messages)
