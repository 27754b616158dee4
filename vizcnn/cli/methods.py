"""`vizcnn methods`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from vizcnn.cli.app import app
from vizcnn.cli.console import catch_warnings, echo, echo_error

if TYPE_CHECKING:
    from vizcnn.registry import Registered


@app.command()
def methods() -> None:
    """List the installed methods and metrics, with their options and the package that each comes from."""
    from vizcnn.measures import registry as metric_registry
    from vizcnn.plugins import registry

    with catch_warnings():  # a plugin that fails to load is listed below
        plugins = [registry.get(name) for name in registry.names()]
        metrics = [metric_registry.get(name) for name in metric_registry.metrics()]
    for package in dict.fromkeys(plugin.package for plugin in plugins):
        echo(f"from {package}", bold=True)
        for plugin in plugins:
            if plugin.package == package:
                echo(f"  {plugin.name}: {plugin.summary}" + ("" if plugin.explains else " (from Python only)"))
                _options_of(plugin)
    echo("metrics, for --metric", bold=True)
    for metric in metrics:
        echo(f"  {metric.name}: {metric.summary} {metric.better.capitalize()} numbers are better.")
        _options_of(metric)
    for name, reason in {**registry.failures(), **metric_registry.INSTALLED.failed}.items():
        echo_error(f"plugin {name} failed to load: {reason}")


def _options_of(registered: Registered) -> None:
    for option, default in registered.options.items():
        choices = registered.choices(option)
        echo(f"      {option}={default}" + (f"   one of {', '.join(map(str, choices))}" if choices else ""))
