"""The command that examines a model's filters."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer

from vizcnn.cli import options
from vizcnn.cli.app import app
from vizcnn.cli.console import adapted, listening, notes, say
from vizcnn.files import safe_name


@app.command()
def diagnose(
    model: options.Model,
    images: options.Images,
    out: Annotated[
        Path | None,
        typer.Option(
            "--out", "-o", metavar="DIR", help="Where a picture of it goes. Default: none.", show_default=False
        ),
    ] = None,
    preprocess: options.Preprocess = None,
    decode: options.Decode = None,
    batch_size: options.BatchSize = None,
    num_runs: options.Runs = None,
    custom_objects: options.Custom = None,
    architecture: options.Architecture = None,
    trusted: options.Trusted = False,
    fixed: options.Fixed = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print everything that was measured, as JSON.")] = False,
) -> None:
    """Examine the filters on images like those that MODEL is for: dead, saturated, duplicate, constant, short-sighted."""
    from vizcnn.cli import pictures
    from vizcnn.plugins import registry

    if out is not None:
        pictures.check_folder(out, images)
    adapter, said = adapted(
        model,
        preprocess=preprocess,
        decode=decode,
        batch_size=batch_size,
        num_runs=num_runs,
        custom_objects=custom_objects,
        architecture=architecture,
        trusted=trusted,
        fixed=fixed,
    )
    notes(("model", text) for text in said)
    together, bad = pictures.read_images(images, adapter)
    with listening() as heard:
        result = registry.get("diagnose").function(adapter, together)
    notes(("images", text) for text in dict.fromkeys((*result.notes, *heard)))
    if as_json:
        whole = {**result.to_dict(), "findings": [finding._asdict() for finding in result.findings]}
        say(
            json.dumps(
                whole, default=lambda value: value.tolist() if hasattr(value, "tolist") else str(value), indent=2
            )
        )
    else:
        for finding in result.findings:
            say(f"{finding.layer or 'model'}: {finding.figure}", bold=True)
            say(f"  {finding.meaning}\n  {finding.advice}")
        if not result.findings:
            say(str(result))
    if out is not None:
        say(str(result.save(out / f"{safe_name(adapter.name)}.diagnosis.png")), err=as_json)
    if bad:
        raise typer.Exit(1)
