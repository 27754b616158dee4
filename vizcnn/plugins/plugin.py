"""What is known of a registered visualization: its functions, what it takes and needs, its options."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from vizcnn.registry import Registered

FAMILIES = {
    "gradient": "by the gradient of the score by the input",
    "cam": "class activation maps, from the feature maps of a layer",
    "perturbation": "by changing the image, of any model",
    "transformer": "by the attention of a transformer",
    "model": "of the model itself",
    "guest": "of other libraries",
    "": "others",
}
"""Families of methods, in the order in which they are listed, and what their members have in common."""


@dataclass(frozen=True)
class Plugin(Registered):
    """A registered visualization.

    Attributes
    ----------
    name : str
        What it is asked for by.
    run : callable
        The plugin's own: adapter, batch of inputs, score, as far as it takes them, then the options.
    needs : frozenset of str
        What the model must be able to answer, of `ModelAdapter.capabilities`.
    options : mapping
        Names of the options to their defaults.
    summary : str
        First line of its documentation.
    interpretation : str
        What its pictures show and what they may not be read as, in plain words: the paragraph under that line, or the line
        itself, and the section "Warnings".
    module : str
        The one that it comes from.
    aliases : mapping
        Old names of options to their names, and pairs of an option and an old value to the value.
    function : callable
        The public function: model, images, target, as far as the plugin takes them, then keyword-only options.
    takes : tuple of str
        Of "model", "images" and "target", what the public function takes.
    family : str
        One of `FAMILIES`.

    Examples
    --------
    >>> from vizcnn.plugins import registry
    >>> plugin = registry.get("gradcam")
    >>> plugin.needs, plugin.takes, plugin.family
    (frozenset({'gradients'}), ('model', 'images', 'target'), 'cam')
    """

    function: Callable[..., Any]
    takes: tuple[str, ...]
    family: str = ""

    @property
    def explains(self) -> bool:
        """Whether it explains images, one map each, and so has a place in `vizcnn.explain`."""
        return self.takes == ("model", "images", "target")

    @property
    def kind(self) -> str:
        """See `Registered.kind`."""
        return "method"
