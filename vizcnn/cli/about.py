"""Commands about vizcnn itself: what is installed, and a demonstration of it."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from vizcnn.cli.app import app
from vizcnn.cli.console import fail, hushed, listening, notes, say

if TYPE_CHECKING:
    from vizcnn.plugins.plugin import Plugin


@app.command()
def methods() -> None:
    """List the installed methods, with their options and the package that each comes from."""
    from vizcnn.plugins import registry

    with listening():  # a plugin that fails to load is listed below
        plugins = [registry.get(name) for name in registry.names()]
    for package in dict.fromkeys(plugin.package for plugin in plugins):
        say(f"from {package}", bold=True)
        for plugin in plugins:
            if plugin.package == package:
                say(f"  {plugin.name}: {plugin.summary}" + ("" if plugin.explains else " (from Python only)"))
                _options_of(plugin)
    for name, reason in registry.failures().items():
        fail(f"plugin {name} failed to load: {reason}")


@app.command()
def demo(
    out: Annotated[Path, typer.Option("--out", "-o", metavar="DIR", help="Where the pictures go.")] = Path("out/demo"),
    imagenet: Annotated[
        bool, typer.Option("--imagenet", help="Explain a MobileNetV2 on a photograph; both are downloaded once.")
    ] = False,
    image: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="With --imagenet: explain this photograph instead.", show_default=False),
    ] = None,
) -> None:
    """Look into the small CNN that vizcnn carries, and explain its digits by every installed method; no network needed."""
    if image is not None and not imagenet:
        raise typer.BadParameter(
            "it goes with --imagenet; the digits are the bundled CNN's own.", param_hint="'--image'"
        )
    from vizcnn.cli import demonstration, pictures
    from vizcnn.progress import track

    pictures.check_folder(out, [])
    with listening() as heard, hushed():
        show = demonstration.photograph(image) if imagenet else demonstration.digits()
    notes(("model", text) for text in heard)
    pages = demonstration.pages(show, out)
    count = 0
    failed = False
    for page in track(pages, len(show.looks) + len(show.methods) + 2, "explaining"):
        if page.error is not None:
            fail(f"{page.name}: {page.error}")
            failed = True
        else:
            count += len(page.files)
            for file in page.files:
                say(str(file))
        notes((page.name, note) for note in page.notes)
    say(f"{count} pictures of {show.title} are in {out}")
    if failed:
        raise typer.Exit(1 if count else 2)


def _options_of(plugin: Plugin) -> None:
    for option, default in plugin.options.items():
        choices = plugin.choices(option)
        say(f"      {option}={default}" + (f"   one of {', '.join(map(str, choices))}" if choices else ""))
