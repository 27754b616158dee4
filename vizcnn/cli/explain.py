"""`vizcnn explain`."""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated

import typer

from vizcnn.cli import options
from vizcnn.cli.app import app
from vizcnn.cli.console import adapted, fail, listening, notes, say

if TYPE_CHECKING:
    from vizcnn.cli.pictures import Explained

DEFAULT_METHODS = ("saliency", "gradcam")
"""What `vizcnn explain` does where no method is named."""


@app.command()
def explain(
    model: options.Model,
    images: options.Images,
    out: options.Out,
    method: options.Methods = None,
    target: options.Target = None,
    layer: options.Layer = None,
    labels: options.Labels = None,
    preprocess: options.Preprocess = None,
    decode: options.Decode = None,
    batch_size: options.BatchSize = None,
    num_runs: options.Runs = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object a line for each image.")] = False,
    custom_objects: options.Custom = None,
    architecture: options.Architecture = None,
    trusted: options.Trusted = False,
    fixed: options.Fixed = None,
    token_grid: options.TokenGrid = None,
) -> None:
    """Explain why a model decides as it does on images: a picture for each image and method."""
    from vizcnn.adapter.labels import read_labels
    from vizcnn.cli import pictures
    from vizcnn.progress import track

    pictures.check_folder(out, images)
    with listening() as heard:
        jobs = pictures.read_jobs(method or DEFAULT_METHODS, layer)
    notes(("plugins", text) for text in heard)
    files, bad = pictures.find_images(images)
    names = read_labels(labels)
    adapter, said = adapted(
        model,
        custom_objects=custom_objects,
        architecture=architecture,
        trusted=trusted,
        fixed=fixed,
        token_grid=token_grid,
        preprocess=preprocess,
        decode=decode,
        labels=names,
        batch_size=batch_size,
        num_runs=num_runs,
    )
    good = []
    for image in track(pictures.check_images(files, adapter), len(files), "reading images"):
        if isinstance(image, pictures.Explained):
            bad.append(image)
        else:
            good += pictures.singles(image)
    show = _Json() if as_json else _Text()
    failed: list[tuple[str, str]] = []
    done = 0
    if good:
        adapter.prepare(good[0].sample_shape)
        if layer is not None:
            adapter.layer(layer)
        wanted = pictures.read_target(target, adapter)
        understood = pictures.target_note(target, adapter)
        steps = pictures.explain_images(adapter, good, jobs, wanted, out)
        for step in track(steps, len(good), f"explaining {len(good)} images"):
            if isinstance(step, tuple):
                failed.append(step)
            elif step.error is not None:
                bad.append(step)
            else:
                done += 1
                step.notes = [*(("model", text) for text in said), *understood, *step.notes]
                show.image(step, failed)
    for image in bad:
        show.image(image, failed)
    for name, reason in failed:
        fail(f"{name}: {reason}")
    for image in bad:
        fail(str(image.error))
    if done and (bad or failed):
        total = len(good) + len(bad)
        fail(f"{done} of {total} images explained, by {len(jobs) - len(failed)} of {len(jobs)} methods.")
    if bad or failed:
        raise typer.Exit(1 if done else 2)


class _Text:
    """Short lines for people; a note is said once."""

    def __init__(self) -> None:
        self._said: set[tuple[str, str]] = set()

    def image(self, image: Explained, failed: Sequence[tuple[str, str]]) -> None:
        if image.prediction is None:
            return  # listed at the end
        from vizcnn.results.attributions import with_probability

        said = with_probability(image.prediction.label, image.prediction.probability)
        if image.target != image.prediction.label:
            said += f", explained {with_probability(str(image.target), image.target_probability)}"
        say(f"{image.image}: {said}", bold=True)
        for file in (*image.files.values(), *([image.grid] if image.grid else [])):
            say(f"  {file}")
        fresh = [note for note in dict.fromkeys(image.notes) if note not in self._said]
        self._said |= set(fresh)
        notes(fresh)


class _Json:
    """One object a line for programs."""

    def image(self, image: Explained, failed: Sequence[tuple[str, str]]) -> None:
        seen = image.prediction
        line = {
            "image": str(image.image),
            "class": None if seen is None else seen.index,
            "label": None if seen is None else seen.label,
            "probability": None if seen is None else _finite(seen.probability),
            "target": image.target,
            "target_probability": _finite(image.target_probability),
            "files": {method: str(file) for method, file in image.files.items()},
            "grid": None if image.grid is None else str(image.grid),
            "layers": image.layers,
            "notes": [f"{origin}: {note}" for origin, note in image.notes],
            "failed": dict(failed),
            "error": image.error,
        }
        say(json.dumps(line))


def _finite(number: float | None) -> float | None:
    return number if number is not None and math.isfinite(number) else None
