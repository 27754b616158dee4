"""`vizcnn video`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from vizcnn.cli import options
from vizcnn.cli.app import DECISIONS, command
from vizcnn.cli.console import catch_warnings, echo, notes, unsaid
from vizcnn.cli.folders import check_file
from vizcnn.cli.model import ModelFile
from vizcnn.files import ANIMATIONS


@command(
    DECISIONS,
    "vizcnn video model.keras clip.gif --out overlay.gif",
    "vizcnn video model.keras clip.mp4 --frames ::2 --out overlay.mp4",
)
@options.takes_model
def video(
    model: ModelFile,
    clip: Annotated[
        Path,
        typer.Argument(metavar="CLIP", help="A GIF, a video, a folder of frames, or an .npy file.", show_default=False),
    ],
    out: Annotated[
        Path,
        typer.Option("--out", "-o", metavar="FILE", help="Where the clip goes: a .gif or .mp4.", show_default=False),
    ],
    method: Annotated[
        str, typer.Option("--method", "-m", metavar="METHOD", help="A method, with options if wanted.")
    ] = "gradcam",
    target: options.Target = None,
    layer: options.Layer = None,
    frames: Annotated[
        str | None,
        typer.Option(
            metavar="START:STOP:STEP",
            help="Which frames, as in '0:100' or '::2'. Default: all, or as many as a model of video takes.",
            show_default=False,
        ),
    ] = None,
    stride: Annotated[
        int | None,
        typer.Option(
            metavar="FRAMES",
            min=1,
            help="Of a model of video: all frames in windows, that many from one to the next. Default: one, evenly spread.",
            show_default=False,
        ),
    ] = None,
    longest: Annotated[
        int, typer.Option(metavar="PIXELS", min=16, help="Height or width that frames are kept within.")
    ] = 640,
) -> None:
    """Explain a clip frame by frame, by a model of images or of video: the clip again, with the maps over it."""
    from vizcnn.errors import ResultError
    from vizcnn.explained_video import explain_video
    from vizcnn.inputs.decoding import Decoding
    from vizcnn.targets.typed import read_target, target_note

    check_file(out, ANIMATIONS)
    if out.exists() and clip.exists() and out.samefile(clip):
        raise ResultError(f"`out` must not be the clip that is explained; got {str(out)!r}.")
    Decoding(frames=frames)  # what is wrong with it is said before the model is loaded
    adapter = model.load()
    wanted = read_target(target, adapter)
    explained = explain_video(
        adapter, clip, wanted, method=method, layer=layer, frames=frames, stride=stride, longest=longest
    )
    notes(target_note(target, adapter))
    with catch_warnings():  # the notes are printed
        file = explained.save(out)
    echo(str(file), bold=True)
    notes(("video", note) for note in unsaid(adapter, explained.notes))
