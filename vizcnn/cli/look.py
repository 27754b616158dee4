"""Commands that look into a model: what it is made of, and what its units answer to."""

from __future__ import annotations

import re
from collections.abc import Sequence
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from vizcnn.cli import options
from vizcnn.cli.app import app
from vizcnn.cli.console import adapted, fail, listening, notes, say
from vizcnn.cli.picture_names import Plan
from vizcnn.files import file_stems, safe_name

if TYPE_CHECKING:
    from vizcnn.adapter import ModelAdapter

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


class Fold(StrEnum):
    """How far a diagram is folded."""

    auto = "auto"
    always = "always"
    never = "never"


class Channels(StrEnum):
    """What becomes of a kernel's input channels."""

    auto = "auto"
    mean = "mean"
    norm = "norm"
    each = "each"


class Parametrization(StrEnum):
    """What activation maximization changes."""

    fourier = "fourier"
    pixel = "pixel"


@app.command()
def summary(
    model: options.Model,
    depth: options.Depth = None,
    custom_objects: options.Custom = None,
    architecture: options.Architecture = None,
    trusted: options.Trusted = False,
) -> None:
    """Show a model's inputs, outputs and layers, with shapes and parameter counts."""
    adapter, said = adapted(model, custom_objects=custom_objects, architecture=architecture, trusted=trusted)
    _, result = _run("architecture", adapter, depth=depth)
    say(result.summary)
    notes(("model", text) for text in said)


@app.command()
def diagram(
    model: options.Model,
    out: Annotated[
        Path,
        typer.Option("--out", "-o", metavar="FILE", help="The picture: .png, .svg or .pdf.", show_default=False),
    ],
    depth: options.Depth = None,
    fold: Annotated[
        Fold,
        typer.Option(help="Blocks and repetitions as one box: where the diagram would be too large, always, or never."),
    ] = Fold.auto,
    custom_objects: options.Custom = None,
    architecture: options.Architecture = None,
    trusted: options.Trusted = False,
) -> None:
    """Draw how a model is put together: a box for each layer, sized by its shape."""
    from vizcnn.cli import pictures

    pictures.check_folder(out.parent, [])
    adapter, said = adapted(model, custom_objects=custom_objects, architecture=architecture, trusted=trusted)
    heard, result = _run("architecture", adapter, depth=depth)
    say(str(result.save(out, fold=fold.value)))
    notes([*(("model", text) for text in said), *heard])


@app.command()
def filters(
    model: options.Model,
    out: options.Out,
    layer: Layers = None,
    top: Annotated[
        int, typer.Option(metavar="N", min=1, help="Kernels on a page, those of the largest norm first.")
    ] = 64,
    page: Annotated[int, typer.Option(metavar="N", min=0, help="Which page.")] = 0,
    channels: Annotated[
        Channels,
        typer.Option(help="A kernel's input channels: in colour or as it fits, their mean, their norm, or each alone."),
    ] = Channels.auto,
    exciting: Annotated[
        int, typer.Option(metavar="N", min=0, help="For how many kernels to find the input that excites them most.")
    ] = 0,
    preprocess: options.Preprocess = None,
    custom_objects: options.Custom = None,
    architecture: options.Architecture = None,
    trusted: options.Trusted = False,
    fixed: options.Fixed = None,
) -> None:
    """Draw the kernels of convolutions; without --layer those of the first."""
    from vizcnn.cli import pictures

    pictures.check_folder(out, [])
    adapter, said = adapted(
        model,
        custom_objects=custom_objects,
        architecture=architecture,
        trusted=trusted,
        fixed=fixed,
        preprocess=preprocess,
    )
    notes(("model", text) for text in said)
    names = file_stems([str(name) for name in layer or ["filters"]])
    wanted: list[str | None] = [*layer] if layer else [None]
    for name, file in zip(wanted, names, strict=True):
        heard, result = _run("filters", adapter, name, exciting=exciting)
        path = out / (f"{file}.filters.png" if name else f"{safe_name(result.layer)}.filters.png")
        say(str(result.save(path, top=top, page=page, channels=channels.value)))
        notes(heard)


@app.command()
def activations(
    model: options.Model,
    images: options.Images,
    out: options.Out,
    layer: Layers = None,
    top: Annotated[
        int, typer.Option(metavar="N", min=1, help="Channels of each layer, those of the highest mean activation.")
    ] = 32,
    preprocess: options.Preprocess = None,
    decode: options.Decode = None,
    custom_objects: options.Custom = None,
    architecture: options.Architecture = None,
    trusted: options.Trusted = False,
    fixed: options.Fixed = None,
) -> None:
    """Draw the feature maps that layers make of images; without --layer the journey through the network."""
    from vizcnn.cli import pictures
    from vizcnn.inputs import ImageSet
    from vizcnn.progress import track

    pictures.check_folder(out, images)
    files, bad = pictures.find_images(images)
    adapter, said = adapted(
        model,
        custom_objects=custom_objects,
        architecture=architecture,
        trusted=trusted,
        fixed=fixed,
        preprocess=preprocess,
        decode=decode,
    )
    notes(("model", text) for text in said)
    planned = Plan(files, {"activations": "activations"}, out)
    checked = pictures.check_images(files, adapter)
    done = 0
    for paths, image in zip(planned, track(checked, len(files), "drawing feature maps"), strict=True):
        if not isinstance(image, ImageSet):
            bad.append(image)
            continue
        heard, result = _run("activations", adapter, image, layer)
        say(str(result.save(paths["activations"], top=top)))
        notes([*((image.names[0], note) for note in result.notes), *heard])
        done += 1
    for one in bad:
        fail(str(one.error))
    if bad:
        raise typer.Exit(1 if done else 2)


@app.command()
def maximize(
    model: options.Model,
    out: options.Out,
    target: Annotated[
        list[str] | None,
        typer.Option(
            "--target",
            "-t",
            metavar="CLASS",
            help="A class index or label, or with --layer a channel; give it again for more. Default: the first ten classes.",
            show_default=False,
        ),
    ] = None,
    layer: Annotated[
        str | None, typer.Option(metavar="LAYER", help="The layer whose channels are meant.", show_default=False)
    ] = None,
    steps: Annotated[int, typer.Option(metavar="N", min=1, help="Steps of the ascent.")] = 256,
    seed: options.Seed = 0,
    num_images: Annotated[int, typer.Option(metavar="N", min=1, help="Images for each target, unlike each other.")] = 1,
    parametrization: Annotated[
        Parametrization, typer.Option(help="What is changed: the image's spectrum, or its pixels.")
    ] = Parametrization.fourier,
    size: Annotated[
        str | None,
        typer.Option(
            metavar="HxW",
            help="Size of the images, where the model leaves it open. Default: 224x224.",
            show_default=False,
        ),
    ] = None,
    labels: options.Labels = None,
    preprocess: options.Preprocess = None,
    gif: Annotated[bool, typer.Option("--gif", help="Write how the images came to be, too.")] = False,
    custom_objects: options.Custom = None,
    architecture: options.Architecture = None,
    trusted: options.Trusted = False,
    fixed: options.Fixed = None,
) -> None:
    """Make the images that classes or channels answer to most (activation maximization)."""
    from vizcnn.adapter.labels import read_labels
    from vizcnn.cli import pictures
    from vizcnn.results.attributions import with_probability

    pictures.check_folder(out, [])
    open_size = _size(size)
    adapter, said = adapted(
        model,
        custom_objects=custom_objects,
        architecture=architecture,
        trusted=trusted,
        fixed=fixed,
        preprocess=preprocess,
        labels=read_labels(labels),
    )
    notes(("model", text) for text in said)
    heard, result = _run(
        "activation_maximization",
        adapter,
        _targets(target, layer, adapter),
        layer=layer,
        steps=steps,
        seed=seed,
        num_images=num_images,
        parametrization=parametrization.value,
        size=open_size,
        frames=min(steps, FRAMES) if gif else 0,
    )
    stem = "maximized" if layer is None else f"{safe_name(layer)}.maximized"
    say(str(result.save(out / f"{stem}.png")))
    if gif:
        say(str(result.save_animation(out / f"{stem}.gif")))
    for name, prediction in zip(result.target, result.predictions, strict=True):
        say(f"  made for {name}, taken for {with_probability(prediction.label, prediction.probability)}")
    notes(heard)


FRAMES = 32
"""Images on the way that an animation shows."""


def _run(method: str, *args: Any, **given: Any) -> tuple[list[tuple[str, str]], Any]:
    """Run a method; return what it says beside its result, too."""
    from vizcnn.plugins import registry

    with listening() as heard:
        result = registry.get(method).function(*args, **given)
    return [(method, text) for text in heard], result


def _size(text: str | None) -> tuple[int, int] | None:
    if text is None:
        return None
    found = re.fullmatch(r"(\d+)(?:x(\d+))?", text)
    if not found or not int(found[1]) or (found[2] is not None and not int(found[2])):
        raise typer.BadParameter("it must be HxW, as in 224x320.", param_hint="'--size'")
    return int(found[1]), int(found[2] or found[1])


def _targets(texts: Sequence[str] | None, layer: str | None, model: ModelAdapter) -> Any:
    from vizcnn.cli.pictures import read_target, target_note

    if not texts:
        return None
    if layer is None:
        wanted = [read_target(text, model) for text in texts]
        notes(note for text in texts for note in target_note(text, model))
        return wanted
    if not all(text.isdecimal() for text in texts):
        raise typer.BadParameter("with --layer it must be the number of a channel.", param_hint="'--target'")
    return [int(text) for text in texts]
