"""Options that make a method cheap, for tests of what all methods have in common."""

from __future__ import annotations

from typing import Any

from vizcnn.plugins.plugin import Plugin

FEW = {"num_samples": 8, "num_segments": 4, "num_steps": 4, "top": 8}


EVERYWHERE = frozenset({"saliency", "smoothgrad", "guided_gradcam", "gradcam", "fullgrad", "occlusion"})
"""Methods that together ask of a model all that methods ask: gradients by the input, of copies of it, by a layer, by all layers,
and by another rule; and scores alone."""


def is_tried_everywhere(plugin: Plugin) -> bool:
    """Tell whether a method is tried on every kind of model: of those that ask the same of it one is enough."""
    return not plugin.explains or plugin.name in EVERYWHERE


def on_any_network(plugin: Plugin) -> bool:
    """Tell whether a method explains images by a network of whatever kind, as those of transformers don't."""
    return plugin.explains and plugin.family != "transformer"


def few(plugin: Plugin) -> dict[str, Any]:
    """Return few samples, segments, steps and channels, of a method that has any."""
    return {option: value for option, value in FEW.items() if option in plugin.options}
