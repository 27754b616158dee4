"""`vizcnn compare`."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from vizcnn.cli import options
from vizcnn.cli.app import DECISIONS, command
from vizcnn.cli.console import catch_warnings, echo, notes, unsaid
from vizcnn.cli.folders import check_file
from vizcnn.cli.model import ModelFile

if TYPE_CHECKING:
    from vizcnn.race import Race
    from vizcnn.results import Comparison


@command(
    DECISIONS,
    "vizcnn compare model.keras photos --out which.html",
    "vizcnn compare model.keras photos -m gradcam -m saliency --metric road",
)
@options.takes_model
def compare(
    model: ModelFile,
    images: options.Images,
    out: Annotated[
        Path | None,
        typer.Option(
            "--out",
            "-o",
            metavar="FILE",
            help="Where it goes: a page (.html), a picture (.png, .pdf ...) or the numbers (.npz). Default: it is printed alone.",
            show_default=False,
        ),
    ] = None,
    method: Annotated[
        list[str] | None,
        typer.Option(
            "--method",
            "-m",
            metavar="METHOD",
            help="A method, with options if wanted; give it again for more. Default: every one that works on MODEL and is quick.",
            show_default=False,
        ),
    ] = None,
    metric: Annotated[
        list[str] | None,
        typer.Option(
            "--metric",
            metavar="METRIC",
            help="What they are compared by; give it again for more. Default: deletion and insertion.",
            show_default=False,
        ),
    ] = None,
    regions: options.Regions = None,
    target: options.Target = None,
    layer: options.Layer = None,
    nulls: Annotated[
        bool, typer.Option("--nulls/--no-nulls", help="Compare with maps that know nothing of MODEL, too.")
    ] = True,
    max_seconds: Annotated[
        float | None,
        typer.Option(
            metavar="N",
            help="Stop then, and keep what is done; so does Ctrl-C. Default: when all images are done.",
            show_default=False,
        ),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
) -> None:
    """Compare methods on your images: which maps find what MODEL decides by, and which can't be told apart."""
    from vizcnn.cli.images import read_images
    from vizcnn.comparison import DEFAULT_METRICS, prepare
    from vizcnn.targets.typed import read_target, target_note

    if out is not None:
        from vizcnn.results import Comparison

        check_file(out, (".html", *Comparison.suffixes))
    adapter = model.load()
    together, bad = read_images(images, adapter, to_the_end=True)
    adapter.prepare(together.sample_shape)
    notes(target_note(target, adapter))
    with catch_warnings() as messages:
        race = prepare(
            adapter,
            together,
            read_target(target, adapter),
            methods=method or None,
            metrics=metric or DEFAULT_METRICS,
            layer=layer,
            nulls=nulls,
            max_seconds=max_seconds,
            regions=regions,
        )
        stopped = _run(race, quiet=as_json)
        result = race.result("compare", {})
    notes(("compare", text) for text in unsaid(adapter, (*result.notes, *messages)))
    if as_json:
        echo(json.dumps(_as_json(result)))
    else:
        _show(result)
    if out is not None:
        echo(str(_write(result, out, adapter.source, model)), err=as_json)
    if stopped:
        raise typer.Exit(130)
    if bad:
        raise typer.Exit(1)


def _run(race: Race, *, quiet: bool) -> bool:
    """Run it, and tell beforehand how long it takes; return whether the user cut it short."""
    from vizcnn.progress import duration, track

    count = len(race.images)
    what = f"{len(race.entries)} maps by {len(race.metrics)} metrics, {count} images"
    told = quiet
    try:
        for done in track(race.steps(), len(race.parts()), what):
            if race.estimate is not None and not told:
                rest = f"; {done} are done" if done < count else ""
                echo(f"{what}: about {duration(race.estimate)} on this machine{rest}", err=True)
                told = True
    except KeyboardInterrupt:
        if not race.has_some:
            raise
        return True
    return False


def _show(result: Comparison) -> None:
    echo(str(result))
    reasons: dict[str, list[str]] = {}
    for name, why in result.left_out.items():
        reasons.setdefault(why.replace(repr(name), "it"), []).append(name)
    for why, names in reasons.items():
        echo(f"left out: {', '.join(names)}", dim=True)
        echo(f"  {why}", dim=True)


def _as_json(result: Comparison) -> dict[str, Any]:
    standings = [
        {
            "method": one.method,
            "is_null": one.is_null,
            "rank": _finite(one.rank),
            "rank_ends": [_finite(end) for end in one.rank_ends],
            "means": {name: _finite(value) for name, value in one.means.items()},
            "ends": {name: [_finite(end) for end in ends] for name, ends in one.ends.items()},
            "is_tied": one.is_tied,
            "not_above": list(one.not_above),
            "seconds": _finite(result.seconds_of(one.method)),
        }
        for one in result.standings
    ]
    agreements = {
        name: {"tau": _finite(one.tau), "least": _finite(one.least), "is_repeatable": one.is_repeatable}
        for name, one in result.agreements.items()
    }
    return {
        "model": result.model,
        "images": list(result.names),
        "num_images": result.num_images,
        "is_partial": result.is_partial,
        "better": dict(zip(result.metrics, result.better, strict=True)),
        "standings": standings,
        "agreements": agreements,
        "verdicts": list(result.verdicts),
        "left_out": result.left_out,
        "estimate": result.estimate,
    }


def _finite(number: float) -> float | None:
    return float(number) if math.isfinite(number) else None


def _write(result: Comparison, out: Path, source: str, model: ModelFile) -> Path:
    if out.suffix.lower() != ".html":
        return result.save(out)
    from vizcnn.cli.report import command_typed, hashes
    from vizcnn.measures.run import meanings_of
    from vizcnn.report import write_comparison

    about = {"command": command_typed(), "model": source, **hashes(Path(model.path))}
    return write_comparison(result, out, meanings=meanings_of(result.metrics), about=about)
