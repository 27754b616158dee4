"""`vizcnn methods`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from vizcnn.cli.app import app
from vizcnn.cli.console import fail, listening, say

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


def _options_of(plugin: Plugin) -> None:
    for option, default in plugin.options.items():
        choices = plugin.choices(option)
        say(f"      {option}={default}" + (f"   one of {', '.join(map(str, choices))}" if choices else ""))
