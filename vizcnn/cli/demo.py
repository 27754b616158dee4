"""`vizcnn demo`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from vizcnn.cli.app import app
from vizcnn.cli.console import fail, hushed, listening, notes, say


@app.command()
def demo(
    out: Annotated[Path, typer.Option("--out", "-o", metavar="DIR", help="Where the pictures go.")] = Path("out/demo"),
    imagenet: Annotated[
        bool, typer.Option("--imagenet", help="Explain a MobileNetV2 on a photograph; both are downloaded once.")
    ] = False,
    image: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="With --imagenet: explain this photograph instead.", show_default=False),
    ] = None,
) -> None:
    """Look into the small CNN that vizcnn carries, and explain its digits by every installed method; no network needed."""
    if image is not None and not imagenet:
        raise typer.BadParameter(
            "it goes with --imagenet; the digits are the bundled CNN's own.", param_hint="'--image'"
        )
    from vizcnn.cli import demonstration
    from vizcnn.cli.folders import check_folder
    from vizcnn.progress import track

    check_folder(out, [])
    with listening() as heard, hushed():
        show = demonstration.photograph(image) if imagenet else demonstration.digits()
    notes(("model", text) for text in heard)
    pages = demonstration.pages(show, out)
    count = 0
    failed = False
    for page in track(pages, len(show.looks) + len(show.methods) + 2, "explaining"):
        if page.error is not None:
            fail(f"{page.name}: {page.error}")
            failed = True
        else:
            count += len(page.files)
            for file in page.files:
                say(str(file))
        notes((page.name, note) for note in page.notes)
    say(f"{count} pictures of {show.title} are in {out}")
    if failed:
        raise typer.Exit(1 if count else 2)
