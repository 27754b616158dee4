"""`vizcnn explain`."""

from __future__ import annotations

import json
import math
import textwrap
from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated

import typer

from vizcnn.cli import options
from vizcnn.cli.app import DECISIONS, command
from vizcnn.cli.console import catch_warnings, echo, echo_error, notes
from vizcnn.cli.folders import check_folder
from vizcnn.cli.model import ModelFile

if TYPE_CHECKING:
    from vizcnn.cli.explained import ImageReport

DEFAULT_METHODS = ("saliency", "gradcam")
"""What `vizcnn explain` does where no method is named."""


@command(
    DECISIONS,
    "vizcnn explain model.keras cat.jpg photos --labels labels.txt --out out",
    "vizcnn explain model.keras cat.jpg -m saliency:rule=guided --trust --out out",
    "vizcnn explain model.keras cat.jpg --target 'tabby minus lynx' --out out",
)
@options.takes_model
def explain(
    model: ModelFile,
    images: options.Images,
    out: options.Out,
    method: options.Methods = None,
    metric: options.Metrics = None,
    regions: options.Regions = None,
    trust: options.Trust = False,
    target: options.Target = None,
    layer: options.Layer = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object a line for each image.")] = False,
) -> None:
    """Explain why a model decides as it does on images: a picture for each image and method."""
    from vizcnn.cli.explained import ImageReport, explain_images, read_calls
    from vizcnn.cli.images import Unreadable, find_images, open_images
    from vizcnn.inputs import ImageSet
    from vizcnn.measures.run import read_metrics
    from vizcnn.measures.trust import cost_of_trust
    from vizcnn.progress import track
    from vizcnn.stream import Failure
    from vizcnn.targets.typed import read_target, target_note

    check_folder(out, images)
    with catch_warnings() as messages:
        calls, metrics = read_calls(method or DEFAULT_METHODS, layer), read_metrics(metric or ())
    notes(("plugins", text) for text in messages)
    adapter, model_notes = model.open()
    files, unread = find_images(images, adapter)
    results = []
    for one in track(open_images(files, adapter), len(files), "opening images"):
        if isinstance(one, Unreadable):
            unread.append(one)
        else:
            results.append(one)
    bad = [ImageReport(one.path, error=one.error) for one in unread]
    show = _Json() if as_json else _Text()
    failed: list[tuple[str, str]] = []
    done = 0
    good = ImageSet.join(results) if results else ()
    if isinstance(good, ImageSet):
        adapter.prepare(good.sample_shape)
        if layer is not None:
            adapter.layer(layer)
        wanted = read_target(target, adapter)
        understood = target_note(target, adapter)
        if trust:
            notes([("trust", cost_of_trust(good.sample_shape, len(calls)))])
        steps = explain_images(adapter, good, calls, wanted, out, metrics, trust=trust, regions=regions)
        for step in track(steps, len(good), f"explaining {len(good)} images"):
            if isinstance(step, Failure):
                failed.append((str(step.method), step.reason))
            elif step.error is not None:
                bad.append(step)
            else:
                done += 1
                step.notes = [*(("model", text) for text in model_notes), *understood, *step.notes]
                show.image(step, failed)
    order = {file: position for position, file in enumerate(files)}
    bad.sort(key=lambda image: order.get(image.image, -1))  # as they were typed
    for left_out in bad:
        show.image(left_out, failed)
    for name, reason in failed:
        echo_error(f"{name}: {reason}")
    for left_out in bad:
        echo_error(str(left_out.error))
    if done and (bad or failed):
        total = len(good) + len(unread)
        echo_error(f"{done} of {total} images explained, by {len(calls) - len(failed)} of {len(calls)} methods.")
    if bad or failed:
        raise typer.Exit(1 if done else 2)


class _Text:
    """Short lines for people; a note is said once."""

    def __init__(self) -> None:
        self._said: set[tuple[str, str]] = set()

    def image(self, image: ImageReport, failed: Sequence[tuple[str, str]]) -> None:
        if image.prediction is None:
            return  # listed at the end
        from vizcnn.algorithms.trust import is_of_trust
        from vizcnn.results.attributions import in_words, with_probability

        line = with_probability(image.prediction.label, image.prediction.probability)
        if image.target != image.prediction.label:
            line += f", explained {with_probability(str(image.target), image.target_probability)}"
        echo(f"{image.image}: {line}", bold=True)
        for method, file in (*image.files.items(), *([("", image.grid)] if image.grid else [])):
            trust = image.trust.get(method)
            numbers = image.measures.get(method, {})
            measures = in_words({name: numbers[name] for name in numbers if trust is None or not is_of_trust(name)})
            echo(f"  {file}" + (f"  {measures}" if measures else ""))
            if trust is not None:
                for line in (trust.label.capitalize(), trust.sentence, *trust.lines):
                    echo(textwrap.fill(line, 110, initial_indent="    ", subsequent_indent="    "))
        fresh = [note for note in dict.fromkeys(image.notes) if note not in self._said]
        self._said |= set(fresh)
        notes(fresh)


class _Json:
    """One object a line for programs."""

    def image(self, image: ImageReport, failed: Sequence[tuple[str, str]]) -> None:
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
            "measures": {
                method: {name: _finite(value) for name, value in values.items()}
                for method, values in image.measures.items()
            },
            "trust": {method: trust.to_dict() for method, trust in image.trust.items()},
            "notes": [f"{origin}: {note}" for origin, note in image.notes],
            "note_kinds": [getattr(note, "kind", "") for _, note in image.notes],
            "failed": dict(failed),
            "error": image.error,
        }
        echo(json.dumps(line))


def _finite(number: float | None) -> float | None:
    return number if number is not None and math.isfinite(number) else None
