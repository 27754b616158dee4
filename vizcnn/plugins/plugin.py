"""What is known of a registered visualization: its functions, what it takes and needs, its options."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from vizcnn.adapter import ModelAdapter
from vizcnn.algorithms.cost import Cost, Costs
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
    cost : Cost, callable or None
        How often the model is run for an image; see `cost_on`.

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
    cost: Costs | None = None

    def cost_on(
        self, model: ModelAdapter, sample_shape: Sequence[int], options: Mapping[str, Any] | None = None
    ) -> Cost | None:
        """Return how often a model is run to explain one image.

        Parameters
        ----------
        model : ModelAdapter
            The model.
        sample_shape : sequence of int
            Shape (H, W, C) of an input.
        options : mapping, default None
            The options that are given.

        Returns
        -------
        Cost or None
            About: a method that stops once its map is steady takes less. None: the method doesn't tell.

        Raises
        ------
        OptionError
            If there is no such option, or it may not have this value.

        Examples
        --------
        >>> import vizcnn as vz
        >>> cost = vz.plugins.registry.get("rise").cost_on(vz.assets.digits_cnn(), (28, 28, 1), {"num_samples": 200})
        >>> str(cost)
        '200 runs'
        """
        all_options = self.checked_options(options or {})
        one = self.cost(model, sample_shape, all_options) if callable(self.cost) else self.cost
        layers = all_options.get("layers")
        return one * len(layers) if one is not None and isinstance(layers, list | tuple) else one

    @property
    def explains(self) -> bool:
        """Whether it explains images, one map each, and so has a place in `vizcnn.explain`."""
        return self.takes == ("model", "images", "target")

    @property
    def kind(self) -> str:
        """See `Registered.kind`."""
        return "method"
