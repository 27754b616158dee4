"""What is known of a registered visualization: its functions, what it takes and needs, its options."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Literal, get_args, get_origin, get_type_hints

import numpy as np

from vizcnn.adapter import ModelAdapter
from vizcnn.errors import OptionError, UnsupportedModelError, check_choice, did_you_mean, listed


@dataclass(frozen=True)
class Plugin:
    """A registered visualization.

    Attributes
    ----------
    name : str
        What it is asked for by.
    function : callable
        The public function: model, images, target, as far as the plugin takes them, then keyword-only options.
    run : callable
        The plugin's own: adapter, batch of inputs, score, as far as it takes them, then the options.
    takes : tuple of str
        Of "model", "images" and "target", what the public function takes.
    needs : frozenset of str
        What the model must be able to answer, of `ModelAdapter.capabilities`.
    options : mapping
        Names of the options to their defaults.
    summary : str
        First line of its documentation.
    meaning : str
        What its pictures show and what they may not be read as, in plain words: the paragraph under that line, or the line
        itself, and the section "Warnings".
    origin : str
        The module that it comes from.

    Examples
    --------
    >>> from vizcnn.plugins import registry
    >>> plugin = registry.get("gradcam")
    >>> plugin.needs, plugin.takes, plugin.options
    (frozenset({'gradients'}), ('model', 'images', 'target'), {'layer': None, 'rule': 'vanilla', 'relu': True})
    """

    name: str
    function: Callable[..., Any]
    run: Callable[..., Any]
    takes: tuple[str, ...]
    needs: frozenset[str]
    options: Mapping[str, Any]
    summary: str
    meaning: str
    origin: str

    @cached_property
    def option_types(self) -> dict[str, Any]:
        """Types of the options; those of the other arguments may be names that only a type checker knows."""
        annotations = {option: kind for option, kind in self.run.__annotations__.items() if option in self.options}
        holder = type("Options", (), {"__annotations__": annotations})
        return get_type_hints(holder, globalns=self.run.__globals__)

    @property
    def explains(self) -> bool:
        """Whether it explains images, one map each, and so has a place in `vizcnn.explain`."""
        return self.takes == ("model", "images", "target")

    @property
    def package(self) -> str:
        """The package that it comes from."""
        return self.origin.partition(".")[0]

    def choices(self, option: str) -> tuple[Any, ...]:
        """Return the values that an option may take.

        Parameters
        ----------
        option : str
            The option's name.

        Returns
        -------
        tuple
            () where it isn't one of a few.

        Examples
        --------
        >>> from vizcnn.plugins import registry
        >>> saliency = registry.get("saliency")
        >>> saliency.choices("reduce")
        ('max_abs', 'signed', 'none')
        """
        kind = self.option_types.get(option)
        return get_args(kind) if get_origin(kind) is Literal else ()

    def checked_options(self, given: Mapping[str, Any]) -> dict[str, Any]:
        """Return all options, those that are given and the defaults of the others.

        Parameters
        ----------
        given : mapping
            Names to values.

        Returns
        -------
        dict

        Raises
        ------
        OptionError
            If there is no such option, or it may not have this value.

        Examples
        --------
        >>> from vizcnn.plugins import registry
        >>> registry.get("saliency").checked_options({"rule": "guided"})
        {'rule': 'guided', 'reduce': 'max_abs'}
        """
        unknown = [option for option in given if option not in self.options]
        if unknown:
            known = listed(self.options) if self.options else "none"
            hint = did_you_mean(unknown[0], self.options)
            raise OptionError(f"Method {self.name!r} has no option {unknown[0]!r}.{hint} Its options: {known}.")
        options = {**self.options, **given}
        for option, kind in self.option_types.items():
            _check_type(option, options[option], kind)
        return options

    def missing_needs(self, model: ModelAdapter) -> str:
        """Say what it needs that a model doesn't offer.

        Parameters
        ----------
        model : ModelAdapter
            The model.

        Returns
        -------
        str
            "" where the model offers everything.

        Examples
        --------
        >>> import vizcnn as vz
        >>> vz.plugins.registry.get("gradcam").missing_needs(vz.adapt(lambda x: x, input_shape=(2, 2, 1)))
        "needs gradients, which the model can't answer"
        """
        missing = sorted(self.needs - model.capabilities - {"images", "maps"})
        if missing == ["tensorflow"]:
            return "needs a Keras model on TensorFlow, and the model is none"
        if missing:
            return f"needs {' and '.join(missing)}, which the model can't answer"
        flat = any(info.rank != 2 for info in model.layers) if "maps" in self.needs else False
        if flat or ("images" in self.needs and not _takes_images(model)):
            return "needs images, and the model takes signals or volumes"
        return ""


def _takes_images(model: ModelAdapter) -> bool:
    try:
        return len(model.input_shape) in (0, 3)
    except UnsupportedModelError:
        return True  # several inputs, say: that is told elsewhere


def _check_type(option: str, value: Any, kind: Any) -> None:
    if get_origin(kind) is Literal:
        check_choice(option, value, get_args(kind))
    elif kind is bool and not isinstance(value, bool | np.bool_):
        raise OptionError(f"`{option}` must be True or False; got {value!r}.")
