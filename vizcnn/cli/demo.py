"""`vizcnn demo`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from vizcnn.cli.app import BEGIN, command
from vizcnn.cli.console import catch_warnings, echo, echo_error, notes, quiet_stderr


@command(
    BEGIN,
    "vizcnn demo",
    "vizcnn demo --imagenet --image cat.jpg --out out",
)
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
    """Look into the small CNN that vizcnn carries, and explain its digits by a dozen methods; no network needed."""
    if image is not None and not imagenet:
        raise typer.BadParameter(
            "it goes with --imagenet; the digits are the bundled CNN's own.", param_hint="'--image'"
        )
    from vizcnn.cli import demonstration
    from vizcnn.cli.folders import check_folder
    from vizcnn.progress import track

    check_folder(out, [])
    with catch_warnings() as messages, quiet_stderr():
        chosen = demonstration.photograph(image) if imagenet else demonstration.digits()
    notes(("model", text) for text in messages)
    every = demonstration.pictures(chosen, out)
    count = 0
    failed = False
    for pictures in track(every, len(chosen.looks) + len(chosen.methods) + 2, "explaining"):
        if pictures.error is not None:
            echo_error(f"{pictures.name}: {pictures.error}")
            failed = True
        else:
            count += len(pictures.files)
            for file in pictures.files:
                echo(str(file))
        notes((pictures.name, note) for note in pictures.notes)
    echo(f"{count} pictures of {chosen.title} are in {out}")
    if failed:
        raise typer.Exit(1 if count else 2)
