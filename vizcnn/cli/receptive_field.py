"""`vizcnn receptive-field`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from vizcnn.cli import options
from vizcnn.cli.app import MODEL, command
from vizcnn.cli.console import echo, notes, run_method
from vizcnn.cli.folders import check_folder
from vizcnn.cli.model import ModelFile
from vizcnn.files import file_stems


@command(
    MODEL,
    "vizcnn receptive-field model.keras",
    "vizcnn receptive-field model.keras --layer conv2 --out out",
)
@options.takes_model
def receptive_field(
    model: ModelFile,
    out: Annotated[
        Path | None,
        typer.Option(
            "--out", "-o", metavar="DIR", help="Where a picture of each goes. Default: none.", show_default=False
        ),
    ] = None,
    layer: options.Layers = None,
) -> None:
    """Tell what part of the input the cells of layers see; without --layer of all that have a map of rows and columns."""
    if out is not None:
        check_folder(out, [])
    adapter = model.load()
    wanted = layer or [info.path for info in adapter.layers if info.is_spatial and not info.is_container]
    for name, file in zip(wanted, file_stems([str(name) for name in wanted]), strict=True):
        result, messages = run_method("receptive_field", adapter, name)
        echo(result.title)
        if out is not None:
            echo(f"  {result.save(out / f'{file}.receptive_field.png')}")
        notes(messages)
