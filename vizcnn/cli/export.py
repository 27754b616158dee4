"""`vizcnn export`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from vizcnn.cli import options
from vizcnn.cli.app import DATASET, command
from vizcnn.cli.console import echo, quiet_stderr


@command(
    DATASET,
    "vizcnn export run --to virelay --out virelay --clusters found.npz",
    "vizcnn export run --to fiftyone --out fiftyone --method gradcam",
)
def export(
    run: options.Run,
    out: Annotated[Path, typer.Option("--out", "-o", metavar="DIR", help="A new folder.", show_default=False)],
    to: Annotated[str, typer.Option(metavar="PROGRAM", help="'virelay' or 'fiftyone'.", show_default=False)],
    method: Annotated[
        str | None, typer.Option("--method", "-m", metavar="METHOD", help="A method of the run. Default: its first.")
    ] = None,
    model: Annotated[
        str | None,
        typer.Option(
            metavar="FILE", help="The model, which ViRelAy's images need. Default: the file that the run had."
        ),
    ] = None,
    clusters: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE.npz",
            help="For ViRelAy: the clusters that 'vizcnn spray RUN --out FILE.npz' found. Default: all images on a plane.",
            show_default=False,
        ),
    ] = None,
) -> None:
    """Write the images and maps of a run for another program to show: ViRelAy or FiftyOne."""
    from vizcnn.errors import OptionError, check_choice
    from vizcnn.results import Spray, load_result
    from vizcnn.runs.dataset import check_extra
    from vizcnn.runs.run import open_run

    check_choice("to", to, ("virelay", "fiftyone"))
    check_extra()
    opened = open_run(run)
    found = None if clusters is None else load_result(clusters)
    if found is not None and (to != "virelay" or not isinstance(found, Spray)):
        raise OptionError(f"`clusters` must be what 'vizcnn spray' found, for ViRelAy; got {found!r} for {to}.")
    if to == "fiftyone":
        echo(str(opened.to_fiftyone(out, method)))
        return
    with quiet_stderr():
        written = opened.to_virelay(out, method, model=model, analyses=found)
    echo(str(written))
