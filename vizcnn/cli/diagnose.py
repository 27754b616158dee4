"""`vizcnn diagnose`."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from vizcnn.cli import options
from vizcnn.cli.app import MODEL, command
from vizcnn.cli.console import echo, notes, run_method, unsaid
from vizcnn.cli.folders import check_folder
from vizcnn.cli.model import ModelFile
from vizcnn.files import safe_name

if TYPE_CHECKING:
    from vizcnn.algorithms.diagnosis import Finding


@command(
    MODEL,
    "vizcnn diagnose model.keras photos",
    "vizcnn diagnose model.keras photos --json",
)
@options.takes_model
def diagnose(
    model: ModelFile,
    images: options.Images,
    out: Annotated[
        Path | None,
        typer.Option(
            "--out", "-o", metavar="DIR", help="Where a picture of it goes. Default: none.", show_default=False
        ),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print everything that was measured, as JSON.")] = False,
) -> None:
    """Examine the filters on images like those that MODEL is for: dead, saturated, duplicate, constant, short-sighted."""
    from vizcnn.cli.images import read_images

    if out is not None:
        check_folder(out, images)
    adapter = model.load()
    together, bad = read_images(images, adapter, to_the_end=True)
    result, messages = run_method("diagnose", adapter, together)
    notes(("images", text) for text in unsaid(adapter, (*result.notes, *(text for _, text in messages))))
    if as_json:
        whole = {**result.to_dict(), "findings": [_as_json(finding) for finding in result.findings]}
        echo(
            json.dumps(
                whole, default=lambda value: value.tolist() if hasattr(value, "tolist") else str(value), indent=2
            )
        )
    else:
        for finding in result.findings:
            echo(f"{finding.layer or 'model'}: {finding.figure}", bold=True)
            echo(f"  {finding.interpretation}\n  {finding.advice}")
        if not result.findings:
            echo(str(result))
    if out is not None:
        echo(str(result.save(out / f"{safe_name(adapter.name)}.diagnosis.png")), err=as_json)
    if bad:
        raise typer.Exit(1)


def _as_json(finding: Finding) -> dict[str, Any]:
    # "meaning" is the old name of "interpretation", for one more minor version.
    return {**finding._asdict(), "meaning": finding.interpretation}
