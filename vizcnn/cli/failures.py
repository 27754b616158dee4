"""`vizcnn failures`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from vizcnn.cli import options
from vizcnn.cli.app import DATASET, command
from vizcnn.cli.console import catch_warnings, echo, notes, quiet_stderr


@command(
    DATASET,
    "vizcnn failures run --out mistakes.html",
)
def failures(
    run: options.Run,
    out: Annotated[
        Path, typer.Option("--out", "-o", metavar="FILE", help="Where to: .html or a picture.", show_default=False)
    ],
    method: Annotated[
        str | None, typer.Option("--method", "-m", metavar="METHOD", help="A method of the run. Default: its first.")
    ] = None,
    count: Annotated[int, typer.Option(metavar="N", help="How many, at most.")] = 12,
    model: Annotated[
        str | None, typer.Option(metavar="FILE", help="The model. Default: the file that the run had.")
    ] = None,
) -> None:
    """Show the mistakes that the model of a run is surest of: the class it took, the true one, and what decided."""
    from vizcnn.cli.folders import check_file
    from vizcnn.files import PICTURES
    from vizcnn.runs.dataset import check_extra
    from vizcnn.runs.layout import RunFolder
    from vizcnn.runs.run import open_run

    check_file(out, (".html", *PICTURES))
    check_extra()
    with quiet_stderr(), catch_warnings() as messages:
        opened = open_run(run)
        mistakes = opened.mistakes(count, method, model=model)
        about = {"run": RunFolder(opened.path).absolute, "mistakes": str(len(mistakes))}
        written = mistakes.to_html(out, about=about) if out.suffix.lower() == ".html" else mistakes.save(out)
    notes(("model", text) for text in messages)
    echo(str(written))
