"""`vizcnn methods`."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Annotated

import typer

from vizcnn.cli.app import BEGIN, command
from vizcnn.cli.console import catch_warnings, echo, echo_error

if TYPE_CHECKING:
    from vizcnn.plugins.plugin import Plugin
    from vizcnn.registry import Registered


@command(
    BEGIN,
    "vizcnn methods",
    "vizcnn methods occlusion deletion",
)
def methods(
    names: Annotated[
        list[str] | None, typer.Argument(metavar="NAME", help="Methods or metrics whose options are listed.")
    ] = None,
) -> None:
    """List the installed methods by family, and the metrics; or the options of some of them."""
    from vizcnn.measures import registry as metric_registry
    from vizcnn.plugins import registry

    with catch_warnings():  # a plugin that fails to load is listed below
        plugins = [registry.get(name) for name in registry.names()]
        metrics = [metric_registry.get(name) for name in metric_registry.metrics()]
        known = {one.name: one for one in (*metrics, *plugins)}
        asked = [known.get(name) or registry.get(name) for name in names or ()]
    for one in asked:
        echo(f"{one.name}: {one.summary}", bold=True)
        _options_of(one)
    if not asked:
        _list(plugins)
        echo("metrics, for --metric", bold=True)
        for metric in metrics:
            echo(f"  {metric.name}: {metric.summary} {metric.better.capitalize()} numbers are better.")
        echo("`vizcnn methods NAME` lists the options of one.")
    for name, reason in {**registry.failures(), **metric_registry.INSTALLED.failed}.items():
        echo_error(f"plugin {name} failed to load: {reason}")


def _list(plugins: Iterable[Plugin]) -> None:
    from vizcnn.plugins.plugin import FAMILIES

    for family, meaning in FAMILIES.items():
        members = [plugin for plugin in plugins if plugin.family == family]
        if members:
            echo(f"{family}: {meaning}" if family else meaning, bold=True)
        for plugin in members:
            origin = "" if plugin.package == "vizcnn" else f" (from {plugin.package})"
            echo(f"  {plugin.name}: {plugin.summary}{origin}" + ("" if plugin.explains else " (not by --method)"))


def _options_of(registered: Registered) -> None:
    for option, default in registered.options.items():
        choices = registered.choices(option)
        echo(f"  {option}={default}" + (f"   one of {', '.join(map(str, choices))}" if choices else ""))
