"""`vizcnn serve`."""

from __future__ import annotations

import webbrowser
from pathlib import Path
from typing import Annotated

import typer

from vizcnn.cli import options
from vizcnn.cli.app import app
from vizcnn.cli.console import echo
from vizcnn.cli.model import ModelFile


@app.command()
@options.takes_model
def serve(
    model: ModelFile,
    images: Annotated[
        list[Path] | None,
        typer.Argument(metavar="[IMAGE]...", help="Image files, or folders of them.", show_default=False),
    ] = None,
    port: Annotated[
        int | None, typer.Option(metavar="N", help="Port of this machine. Default: a free one.", show_default=False)
    ] = None,
    no_browser: Annotated[bool, typer.Option("--no-browser", help="Only print the link.")] = False,
) -> None:
    """Open the explorer: look into MODEL and at its decisions, a click each, in a browser on this machine."""
    from vizcnn.inputs import image_files
    from vizcnn.serve.server import Server
    from vizcnn.serve.studio import Studio

    files = list(image_files(images)) if images else []
    with Server(Studio(Path(model.path).name, model.open, files), port=port) as server:
        echo(server.url)
        if not no_browser:
            webbrowser.open(server.url)
        server.wait()
