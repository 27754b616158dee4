"""Arguments and options that several commands take; those of the model are declared once, by `takes_model`."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any

import typer

from vizcnn.cli.model import ModelFile

_MODEL = "The model"
"""The panel of `--help` for options of loading."""

_KINDS = "A file: .keras, HDF5, .onnx, .tflite; or the folder of a SavedModel or a TensorFlow.js model."

Model = Annotated[str, typer.Argument(metavar="MODEL", help=_KINDS, show_default=False)]

MaybeModel = Annotated[str, typer.Argument(metavar="MODEL", help=_KINDS, show_default=False)]

Custom = Annotated[
    Path | None,
    typer.Option(
        "--custom-objects",
        metavar="FILE.py",
        help="A Python file, which is run, with the classes and functions that the model needs beside Keras's.",
        show_default=False,
        rich_help_panel=_MODEL,
    ),
]

FixedInputs = Annotated[
    list[str] | None,
    typer.Option(
        "--fixed-inputs",
        "--fixed",
        metavar="NAME=VALUE",
        help="For a model of several inputs: what one that isn't explained is held at, an image file, an .npy file or numbers "
        "with commas; again for each.",
        show_default=False,
        rich_help_panel=_MODEL,
    ),
]

TokenGrid = Annotated[
    str | None,
    typer.Option(
        metavar="ROWSxCOLUMNS",
        help="Rows and columns of patches that a vision transformer's tokens stand for. Default: those of square patches.",
        show_default=False,
        rich_help_panel=_MODEL,
    ),
]

InputLayer = Annotated[
    str | None,
    typer.Option(
        metavar="LAYER",
        help="Path or name of the layer whose output is explained in place of the model's input, as a spectrogram that the model "
        "makes itself. Default: the input.",
        show_default=False,
        rich_help_panel=_MODEL,
    ),
]

Architecture = Annotated[
    Path | None,
    typer.Option(
        metavar="FILE.json",
        help="What model.to_json() wrote, for a MODEL of weights alone. Default: the file of the same name beside it.",
        show_default=False,
        rich_help_panel=_MODEL,
    ),
]

Builder = Annotated[
    str | None,
    typer.Option(
        metavar="FILE.py:FUNCTION",
        help="The function that builds the model, for a MODEL of weights alone; the file is run.",
        show_default=False,
        rich_help_panel=_MODEL,
    ),
]

Trusted = Annotated[
    bool, typer.Option("--trusted", help="Run Python code that is stored in MODEL.", rich_help_panel=_MODEL)
]

Run = Annotated[
    Path,
    typer.Argument(metavar="RUN", help="The folder of a run, or its URL in an object store.", show_default=False),
]

Images = Annotated[
    list[Path],
    typer.Argument(metavar="IMAGE", help="Image files, or folders of them.", show_default=False),
]

Out = Annotated[Path, typer.Option("--out", "-o", metavar="DIR", help="Where the pictures go.", show_default=False)]

Labels = Annotated[
    str | None,
    typer.Option(
        metavar="FILE", help="The classes' names: one a line, or JSON.", show_default=False, rich_help_panel=_MODEL
    ),
]

Preprocess = Annotated[
    str | None,
    typer.Option(
        metavar="STEPS",
        help="How pictures become inputs, with commas: 'rows 60:140'; 'crop', 'crop 256' or 'pad' in place of stretching; 'bgr', "
        "'gray', 'yuv'; arithmetic as '/127.5 - 1', 'mean', 'std', 'standardize'; '0..1', '-1..1', 'imagenet', 'none'; a module "
        "of keras.applications ('mobilenet'); FILE.py:function, which is run. Default: stretched, pixels as they are.",
        show_default=False,
        rich_help_panel=_MODEL,
    ),
]

Decode = Annotated[
    str | None,
    typer.Option(
        metavar="HOW",
        help="How image files are read, with commas: 'upright' turns photos as EXIF says, 'background=white' lays transparent "
        "pixels on a color, 'page=1' takes another page or frame; of a clip 'frames=0:90:2' says which to take "
        "from, and 'stride=8' cuts it into windows. Default: as Keras's own loaders do.",
        show_default=False,
        rich_help_panel=_MODEL,
    ),
]

BatchSize = Annotated[
    int | None,
    typer.Option(
        metavar="N", help="Images at once. Default: by the model's size.", show_default=False, rich_help_panel=_MODEL
    ),
]

Runs = Annotated[
    int | None,
    typer.Option(
        "--num-runs",
        metavar="N",
        help="Runs that are averaged, of a model that draws random numbers (dropout that stays on). Default: one.",
        show_default=False,
        rich_help_panel=_MODEL,
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
        "Default: saliency and gradcam; in a report occlusion too; in a run gradcam alone.",
        show_default=False,
    ),
]

Metrics = Annotated[
    list[str] | None,
    typer.Option(
        "--metric",
        metavar="METRIC",
        help="What is measured of each map, with options if wanted: 'deletion:num_steps=50'. Give it again for more; 'vizcnn "
        "methods' lists them too. Default: nothing.",
        show_default=False,
    ),
]

Trust = Annotated[
    bool,
    typer.Option(
        "--trust",
        help="Measure how far each map can be trusted, and say it in plain words: four numbers, beside those of maps that know "
        "nothing of MODEL. It takes about a hundred more runs of MODEL for each image, and a few dozen for each further method.",
    ),
]

Regions = Annotated[
    Path | None,
    typer.Option(
        metavar="PATH",
        help="Where in each image the object is, for metrics such as pointing_game: a folder of mask pictures by the images' "
        "names, or a CSV of boxes with the columns image, left, top, right, bottom (in pixels).",
        show_default=False,
    ),
]

Target = Annotated[
    str | None,
    typer.Option(
        "--target",
        "-t",
        metavar="CLASS",
        help="What is explained: a class index, a label, OUTPUT=CLASS for a model of several outputs; like:FILE, the likeness to "
        "another image; channel:LAYER:NUMBER; unit:LAYER:ROW,COLUMN,CHANNEL; region:TOP,LEFT,BOTTOM,RIGHT:CLASS of a "
        "segmentation; box:LEFT,TOP,RIGHT,BOTTOM:CLASS of a detector; text:WORD; point:NAME; or one of these against another: "
        "'cat minus lynx'. "
        "Default: the class that the model predicts.",
        show_default=False,
    ),
]

Layer = Annotated[
    str | None,
    typer.Option(
        "--layer",
        "-l",
        metavar="LAYER",
        help="Path or name of the layer, for methods that look at one; 'vizcnn summary MODEL' lists them. Default: the last map.",
        show_default=False,
    ),
]

Layers = Annotated[
    list[str] | None,
    typer.Option(
        "--layer",
        "-l",
        metavar="LAYER",
        help="Path or name of a layer; give it again for more. 'vizcnn summary MODEL' lists them.",
        show_default=False,
    ),
]

NO_MODEL = ModelFile("", {})
"""The default of a command's model that may be left out."""

_OF_THE_MODEL: dict[str, tuple[Any, Any]] = {
    "labels": (Labels, None),
    "preprocess": (Preprocess, None),
    "decode": (Decode, None),
    "batch_size": (BatchSize, None),
    "num_runs": (Runs, None),
    "fixed_inputs": (FixedInputs, None),
    "token_grid": (TokenGrid, None),
    "input_layer": (InputLayer, None),
    "custom_objects": (Custom, None),
    "architecture": (Architecture, None),
    "builder": (Builder, None),
    "trusted": (Trusted, False),
}
"""Parameters of `vizcnn.adapt` to their options and defaults."""


def takes_model(command: Callable[..., None]) -> Callable[..., None]:
    """Give a command the argument MODEL and all options of loading one; it gets a `ModelFile` as ``model``.

    Parameters
    ----------
    command : callable
        The command; its first parameter is ``model``. Where that has a default, MODEL may be left out: its path is then "",
        and the options are there all the same.

    Returns
    -------
    callable
        What Typer takes.
    """
    signature = inspect.signature(command, eval_str=True)
    keyword = inspect.Parameter.KEYWORD_ONLY
    model, *own = (parameter.replace(kind=keyword) for parameter in signature.parameters.values())
    model = (
        model.replace(annotation=Model)
        if model.default is model.empty
        else model.replace(annotation=MaybeModel, default="")
    )
    added = [
        inspect.Parameter(name, keyword, default=default, annotation=option)
        for name, (option, default) in _OF_THE_MODEL.items()
    ]
    parameters = [model, *own, *added]

    def run(**arguments: Any) -> None:
        settings = {name: arguments.pop(name) for name in _OF_THE_MODEL}
        command(ModelFile(arguments.pop("model"), settings), **arguments)

    run.__name__, run.__doc__ = command.__name__, command.__doc__
    run.__annotations__ = {parameter.name: parameter.annotation for parameter in parameters}
    run.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]
    return run
