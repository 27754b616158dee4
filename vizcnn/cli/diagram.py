"""`vizcnn diagram`."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from vizcnn.cli import options
from vizcnn.cli.app import MODEL, command
from vizcnn.cli.console import echo, notes, run_method
from vizcnn.cli.model import ModelFile


class Fold(StrEnum):
    """How far a diagram is folded."""

    auto = "auto"
    always = "always"
    never = "never"


@command(
    MODEL,
    "vizcnn diagram model.keras --out model.svg",
)
@options.takes_model
def diagram(
    model: ModelFile,
    out: Annotated[
        Path,
        typer.Option("--out", "-o", metavar="FILE", help="The picture: .png, .svg or .pdf.", show_default=False),
    ],
    depth: options.Depth = None,
    fold: Annotated[
        Fold,
        typer.Option(help="Blocks and repetitions as one box: where the diagram would be too large, always, or never."),
    ] = Fold.auto,
) -> None:
    """Draw how a model is put together: a box for each layer, sized by its shape."""
    from vizcnn.cli.folders import check_file
    from vizcnn.results import Architecture

    check_file(out, Architecture.suffixes)
    adapter, model_notes = model.open()
    result, messages = run_method("architecture", adapter, depth=depth)
    echo(str(result.save(out, fold=fold.value)))
    notes([*(("model", text) for text in model_notes), *messages])
