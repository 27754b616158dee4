"""Options that make a method cheap, for tests of what all methods have in common."""

from __future__ import annotations

from typing import Any

from vizcnn.plugins.plugin import Plugin

FEW = {"num_samples": 8, "num_segments": 4, "num_steps": 4, "top": 8}


def takes_no_gradient(plugin: Plugin) -> bool:
    """Tell whether a method explains without a gradient: of many such, what one asks of a model, all do."""
    return plugin.explains and "gradients" not in plugin.needs


def on_any_network(plugin: Plugin) -> bool:
    """Tell whether a method explains images by a network of whatever kind, as those of transformers don't."""
    return plugin.explains and plugin.family != "transformer"


def few(plugin: Plugin) -> dict[str, Any]:
    """Return few samples, segments, steps and channels, of a method that has any."""
    return {option: value for option, value in FEW.items() if option in plugin.options}
