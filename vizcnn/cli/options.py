"""Arguments and options that several commands take."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

Model = Annotated[str, typer.Argument(metavar="MODEL", help="A .keras or HDF5 file.", show_default=False)]

Custom = Annotated[
    Path | None,
    typer.Option(
        "--custom-objects",
        metavar="FILE.py",
        help="A Python file, which is run, with the classes and functions that the model needs beside Keras's.",
        show_default=False,
    ),
]

Fixed = Annotated[
    list[str] | None,
    typer.Option(
        metavar="NAME=VALUE",
        help="For a model of several inputs: what one that isn't explained is held at, an image file, an .npy file or numbers "
        "with commas; again for each.",
        show_default=False,
    ),
]

TokenGrid = Annotated[
    str | None,
    typer.Option(
        metavar="ROWSxCOLUMNS",
        help="Rows and columns of patches that a vision transformer's tokens stand for. Default: those of square patches.",
        show_default=False,
    ),
]

Architecture = Annotated[
    Path | None,
    typer.Option(
        metavar="FILE.json",
        help="What model.to_json() wrote, for a MODEL of weights alone. Default: the file of the same name beside it.",
        show_default=False,
    ),
]

Trusted = Annotated[bool, typer.Option("--trusted", help="Run Python code that is stored in MODEL.")]

Images = Annotated[
    list[Path], typer.Argument(metavar="IMAGE", help="Image files, or folders of them.", show_default=False)
]

Out = Annotated[Path, typer.Option("--out", "-o", metavar="DIR", help="Where the pictures go.", show_default=False)]

Labels = Annotated[
    str | None, typer.Option(metavar="FILE", help="The classes' names: one a line, or JSON.", show_default=False)
]

Preprocess = Annotated[
    str | None,
    typer.Option(
        metavar="NAME",
        help="How pixels become inputs: a module of keras.applications ('mobilenet'), '0..1', '-1..1' or 'none'.  "
        "[default: as they are]",
        show_default=False,
    ),
]

Decode = Annotated[
    str | None,
    typer.Option(
        metavar="HOW",
        help="How image files are read, with commas: 'upright' turns photos as EXIF says, 'background=white' lays transparent "
        "pixels on a colour, 'page=1' takes another page or frame.  [default: as Keras's own loaders do]",
        show_default=False,
    ),
]

BatchSize = Annotated[
    int | None, typer.Option(metavar="N", help="Images at once. Default: by the model's size.", show_default=False)
]

Runs = Annotated[
    int | None,
    typer.Option(
        "--num-runs",
        metavar="N",
        help="Runs that are averaged, of a model that draws random numbers (dropout that stays on). Default: one.",
        show_default=False,
    ),
]

Depth = Annotated[
    int | None,
    typer.Option(
        metavar="N",
        help="How deep nested layers are shown; 0: the model's own alone. Default: all.",
        show_default=False,
    ),
]

Seed = Annotated[int, typer.Option(metavar="N", help="Equal seeds make equal images.")]

Methods = Annotated[
    list[str] | None,
    typer.Option(
        "--method",
        "-m",
        metavar="METHOD",
        help="A method, with options if wanted: 'saliency:rule=guided'. Give it again for more; 'vizcnn methods' lists them. "
        "Default: saliency and gradcam, in a report occlusion too.",
        show_default=False,
    ),
]

Target = Annotated[
    str | None,
    typer.Option(
        metavar="CLASS",
        help="What is explained: a class index, a label, OUTPUT=CLASS for a model of several outputs, or like:FILE, the likeness "
        "to another image. Default: the class that the model predicts.",
        show_default=False,
    ),
]

Layer = Annotated[
    str | None,
    typer.Option(
        metavar="LAYER",
        help="Path or name of the layer, for methods that look at one; 'vizcnn summary MODEL' lists them. Default: the last map.",
        show_default=False,
    ),
]
