"""`vizcnn serve`."""

from __future__ import annotations

import os
import signal
import threading
import webbrowser
from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from vizcnn.cli import options
from vizcnn.cli.app import DECISIONS, command
from vizcnn.cli.console import catch_warnings, echo, echo_error, quiet_stderr
from vizcnn.cli.model import ModelFile
from vizcnn.errors import ModelFileError, OptionError, VizcnnError

if TYPE_CHECKING:
    from vizcnn.adapter import ModelAdapter
    from vizcnn.explorer.records import Records
    from vizcnn.explorer.server import Server


@command(
    DECISIONS,
    "vizcnn serve model.keras photos --labels labels.txt",
    "vizcnn serve --run run",
    "vizcnn serve model.keras --run maps",
)
@options.takes_model
def serve(
    model: ModelFile = options.NO_MODEL,
    images: Annotated[
        list[Path] | None,
        typer.Argument(metavar="IMAGE", help="Image files, or folders of them.", show_default=False),
    ] = None,
    run: Annotated[
        Path | None,
        typer.Option(
            "--run",
            metavar="DIR",
            help="What 'vizcnn run' wrote, or its URL in an object store, MODEL by default its own; or what ExplainCallback "
            "left of a training, MODEL by default the latest one in that folder.",
            show_default=False,
        ),
    ] = None,
    port: Annotated[
        int | None, typer.Option(metavar="N", help="Port of this machine. Default: a free one.", show_default=False)
    ] = None,
    no_browser: Annotated[bool, typer.Option("--no-browser", help="Only print the link.")] = False,
) -> None:
    """Open the explorer: look into MODEL and at its decisions, a click each, in a browser on this machine."""
    from vizcnn.explorer.server import Server
    from vizcnn.explorer.studio import Origin, Studio
    from vizcnn.inputs import image_files
    from vizcnn.inputs.files import check_file

    files: Sequence[Any] = image_files(images or ())
    for file in files:
        check_file(file, "`images` file")
    kept, records, is_named, shown = None, None, bool(model.path), model
    if run is not None:
        from vizcnn.explorer.records import Records, open_kept
        from vizcnn.explorer.run_rows import RunImages

        kept = open_kept(run)
        shown = model = replace(model, path=model.path or kept.model_file() or "")
        if isinstance(kept, Records):
            files, records = files or RunImages(kept), kept
            shown = replace(model, settings={"preprocess": kept.preprocess} | model.given)
    if model.path:
        if not Path(model.path).exists():
            raise ModelFileError(f"`model` file {model.path!r} doesn't exist.")
        studio = Studio(
            Path(model.path).name,
            partial(_opened, model, records),
            files,
            origin=Origin(tuple(shown.as_python()), tuple(shown.as_words())),
            kept=kept,
            is_needed=is_named or records is not None,
        )
    elif run is not None:
        if model.given:
            raise OptionError(
                f"`{next(iter(model.given))}` is of a model, and none lies in {str(run)!r}: give `model` too."
            )
        studio = Studio(run.name, None, kept=kept)
    else:
        raise OptionError("`model` must be given: vizcnn serve MODEL [IMAGE]..., or the folder of a run by --run.")
    run_server(Server(studio, port=port, paint_first=not no_browser), no_browser=no_browser)


def _opened(model: ModelFile, records: Records | None) -> tuple[ModelAdapter, list[str]]:
    """Load the model, of a run as that had it but for given options; what is wrong with it is said on the page, and here."""
    try:
        if records is None:
            return model.open()
        with quiet_stderr(), catch_warnings() as messages:
            return records.model(model.path, model.arguments()), messages
    except VizcnnError as error:
        echo_error(str(error))
        raise


def run_server(server: Server, *, no_browser: bool) -> None:
    """Print the link and wait; Ctrl-C and SIGTERM end it, whatever is at work."""
    stopped = threading.Event()

    def stop(*_: Any) -> None:
        stopped.set()

    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, stop)
    echo(server.url)
    if not no_browser:
        threading.Thread(target=webbrowser.open, args=(server.url,), daemon=True).start()
    while not stopped.wait(0.5):
        pass
    if not server.close(timeout=2.0):
        os._exit(0)  # a framework's own threads can't be ended while they work
