"""`vizcnn check`."""

from __future__ import annotations

import json
import textwrap
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from vizcnn.cli import options
from vizcnn.cli.app import BEGIN, command
from vizcnn.cli.console import echo, echo_error, notes
from vizcnn.cli.model import ModelFile
from vizcnn.errors import VizcnnError

if TYPE_CHECKING:
    from vizcnn.cli.checkup import Checkup


@command(
    BEGIN,
    "vizcnn check model.keras",
    "vizcnn check model.onnx --image cat.jpg",
    "vizcnn check model.keras --preprocess '/ 255' --labels labels.txt --write",
)
@options.takes_model
def check(
    model: ModelFile,
    image: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE", help="Run every method on this image once, and report the times.", show_default=False
        ),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
    write: Annotated[
        bool,
        typer.Option(
            "--write",
            help="Write the options given here into vizcnn.toml beside MODEL, where every command and vizcnn.adapt read them.",
        ),
    ] = False,
    overwrite: Annotated[
        bool, typer.Option("--overwrite", help="With --write: change a vizcnn.toml that is there.")
    ] = False,
) -> None:
    """Tell what a model file is, and which methods work on it; exit code 2 where none does."""
    from vizcnn.progress import track

    try:
        adapter, messages = model.open()
    except VizcnnError as error:
        if not as_json:
            raise
        echo(json.dumps({"model": model.path, "error": str(error)}))
        raise typer.Exit(2) from error
    if write:
        from vizcnn.adapter.settings import write_settings

        echo(f"wrote {write_settings(Path(model.path), model.plain_settings(), overwrite=overwrite)}", err=as_json)
    from vizcnn.cli import checkup

    result: Checkup | None = None
    for step in track(checkup.check_up(adapter, image), checkup.methods_count() + 1, "trying methods"):
        result = step if isinstance(step, checkup.Checkup) else None
    if result is None:
        raise RuntimeError("the check came to no end")
    if as_json:
        echo(json.dumps({**result.to_dict(), "explains": result.explains}))
    else:
        _show(result)
        repairs = {f"repaired in the file: {repair}." for repair in result.repairs}
        notes(("model", text) for text in dict.fromkeys([*messages, *result.notes]) if text not in repairs)
    if not result.explains:
        if not as_json:
            echo_error(f"no method explains images of model {result.model!r}.")
        raise typer.Exit(2)


def _show(result: Checkup) -> None:
    echo(f"{result.model}: {result.origin}", bold=True)
    for repair in result.repairs:
        echo(f"  repaired: {repair}")
    for title, ends in (("inputs", result.inputs), ("outputs", result.outputs)):
        echo(title, bold=True)
        width = max(map(len, ends), default=0)
        for name, about in ends.items():
            echo(f"  {name.ljust(width)}  {about['shape']}  {about['meaning']}")
        if not ends:
            echo("  not known before an image is shown")
    echo("maps", bold=True)
    layers = f"{len(result.maps)} layers: {', '.join(result.maps[:3])}{', ...' * (len(result.maps) > 3)}"
    default = f"; Grad-CAM takes {result.default_layer}" if result.default_layer else ""
    echo(f"  {layers}{default}" if result.maps else "  no layer with rows and columns")
    echo("methods", bold=True)
    for verdict in result.methods:
        if verdict.seconds is not None:
            echo(f"  yes  {verdict.method}, {verdict.seconds:.2f} s")
    reasons: dict[str, list[str]] = {}
    for verdict in result.methods:
        if verdict.seconds is None:
            reasons.setdefault(verdict.why, []).append(verdict.method)
    for why, methods in reasons.items():
        echo(
            textwrap.fill(
                ", ".join(methods),
                118,
                initial_indent="  no   " if why else "  yes  ",
                subsequent_indent="       ",
                break_on_hyphens=False,
            )
        )
        if why:
            echo(textwrap.fill(why, 118, initial_indent="       because: ", subsequent_indent="                "))
