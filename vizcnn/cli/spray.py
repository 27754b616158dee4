"""`vizcnn spray`."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer

from vizcnn.cli import options
from vizcnn.cli.app import DATASET, command
from vizcnn.cli.console import catch_warnings, echo, notes, quiet_stderr


@command(
    DATASET,
    "vizcnn spray run --out suspects.png",
    "vizcnn spray run --method hirescam --target 3 --out found.npz",
)
def spray(
    run: options.Run,
    out: Annotated[
        Path | None,
        typer.Option(
            "--out",
            "-o",
            metavar="FILE",
            help="Write a picture of the first twelve suspects; .npz: all that was found.",
            show_default=False,
        ),
    ] = None,
    method: Annotated[
        str | None, typer.Option("--method", "-m", metavar="METHOD", help="A method of the run. Default: its first.")
    ] = None,
    model: Annotated[
        str | None, typer.Option(metavar="FILE", help="The model. Default: the file that the run had.")
    ] = None,
    target: Annotated[
        list[str] | None,
        typer.Option(
            "--target",
            "-t",
            metavar="CLASS",
            help="A class to look at; again for each. Default: all.",
            show_default=False,
        ),
    ] = None,
    sample: Annotated[int, typer.Option(metavar="N", help="Maps of each class, at the most.")] = 2000,
    cover: Annotated[int, typer.Option(metavar="N", help="Of how many clusters the place is covered.")] = 12,
    as_json: Annotated[bool, typer.Option("--json", help="Print each cluster as a line of JSON.")] = False,
) -> None:
    """Look in a run for images that are decided by something else than the others of their class: Clever Hans."""
    from vizcnn.cli.folders import check_file
    from vizcnn.render.style import NOTEBOOK
    from vizcnn.results import Spray
    from vizcnn.runs.run import open_run
    from vizcnn.runs.spraying import check_spray
    from vizcnn.runs.spraying import spray as look

    if out is not None:
        check_file(out, Spray.suffixes)
    check_spray()
    with quiet_stderr(), catch_warnings() as messages:
        found = look(open_run(run), method, model=model, classes=target or None, sample=sample, cover=cover)
        written = found.save(out) if out is not None else None
    notes(("model", text) for text in messages)
    notes((note.kind, str(note)) for note in found.notes)
    if written is not None and written.suffix != ".npz" and len(found.suspects) > NOTEBOOK:
        notes([("picture", f"It shows {NOTEBOOK} of {len(found.suspects)} suspects; a file .npz holds all.")])
    if as_json:
        for line in json.loads(found.to_frame().to_json(orient="records")):
            echo(json.dumps(line, ensure_ascii=False))
        return
    echo(str(found))
    if written is not None:
        echo(str(written))
