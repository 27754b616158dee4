"""What is known of one function that was registered: its options, what they may be, and what it needs of a model."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, Literal, get_args, get_origin, get_type_hints

import numpy as np

from vizcnn.adapter import ModelAdapter
from vizcnn.aliases import renamed
from vizcnn.errors import (
    OptionError,
    RenamedWarning,
    UnsupportedModelError,
    check_choice,
    did_you_mean,
    listed,
    warn,
)

SECTION = re.compile(r"^(\w[\w ]*)\n-{3,}\n", flags=re.MULTILINE)
"""The head of a docstring's section: its name, and a line under it."""


@dataclass(frozen=True)
class Registered:
    """What is known of a function that was registered.

    Attributes
    ----------
    name : str
        What it is asked for by.
    run : callable
        The function: its options are keyword-only.
    needs : frozenset of str
        What the model must be able to answer, of `ModelAdapter.capabilities`.
    options : mapping
        Names of the options to their defaults.
    summary : str
        First line of its documentation.
    interpretation : str
        What it shows and what it may not be read as, in plain words: the paragraph under that line, or the line itself, and the
        section "Warnings".
    module : str
        The one that it comes from.
    aliases : mapping
        Old names of options to their names, and pairs of an option and an old value to the value.
    """

    name: str
    run: Callable[..., Any]
    needs: frozenset[str]
    options: Mapping[str, Any]
    summary: str
    interpretation: str
    module: str
    aliases: Mapping[Any, Any] = field(default_factory=dict, kw_only=True)

    meaning = renamed("meaning", "interpretation")
    origin = renamed("origin", "module")

    @cached_property
    def option_types(self) -> dict[str, Any]:
        """Types of the options; those of the other arguments may be names that only a type checker knows."""
        annotations = {option: kind for option, kind in self.run.__annotations__.items() if option in self.options}
        holder = type("Options", (), {"__annotations__": annotations})
        return get_type_hints(holder, globalns=self.run.__globals__)

    @property
    def package(self) -> str:
        """The package that it comes from."""
        return self.module.partition(".")[0]

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
        ('max_abs', 'sum', 'none')
        """
        kind = self.option_types.get(option)
        return get_args(kind) if get_origin(kind) is Literal else ()

    def checked_options(self, given: Mapping[str, Any]) -> dict[str, Any]:
        """Return all options, those that are given and the defaults of the others.

        Parameters
        ----------
        given : mapping
            Names to values, old ones too.

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
        given = self.renamed_options(given)
        unknown = [option for option in given if option not in self.options]
        if unknown:
            known = listed(self.options) if self.options else "none"
            hint = did_you_mean(unknown[0], self.options)
            raise OptionError(
                f"{self.kind.capitalize()} {self.name!r} has no option {unknown[0]!r}.{hint} Its options: {known}."
            )
        options = {**self.options, **given}
        for option, kind in self.option_types.items():
            _check_type(option, options[option], kind)
        return options

    def renamed_options(self, given: Mapping[str, Any]) -> dict[str, Any]:
        """Return options by the names that they have now, and warn of old ones.

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
            If an option is given by its old name and by its name.

        Examples
        --------
        >>> import warnings
        >>> from vizcnn.plugins import registry
        >>> with warnings.catch_warnings(record=True):
        ...     warnings.simplefilter("always")
        ...     registry.get("saliency").renamed_options({"reduce": "signed"})
        {'reduce': 'sum'}
        """
        options: dict[str, Any] = {}
        for old, value in given.items():
            option = self.aliases.get(old, old)
            if option != old and option in given:
                raise OptionError(f"`{option}` must be given once; got `{old}` too, which is its old name.")
            now = self.aliases.get((option, value), value) if isinstance(value, str) else value
            if option != old:
                self._warn_of_old(f"Option `{old}`", f"`{option}`")
            if now is not value:
                self._warn_of_old(f"`{option}` {value!r}", repr(now))
            options[option] = now
        return options

    def _warn_of_old(self, old: str, now: str) -> None:
        text = f"{old} of {self.kind} {self.name!r} is called {now} now; the old name goes with the next minor version."
        warn([text], RenamedWarning)

    @property
    def kind(self) -> str:
        """What it is called in messages."""
        return "function"

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
        "needs gradients, which this model can't answer"
        """
        missing = sorted(self.needs - model.capabilities - {"images", "maps"})
        if "attention" in missing:
            return "needs attention among tokens, which this model doesn't have, or doesn't show"
        if missing == ["tensorflow"]:
            return "needs a Keras model on TensorFlow, and this model is not one"
        if missing:
            return f"needs {' and '.join(missing)}, which this model can't answer"
        flat = any(info.rank != 2 for info in model.layers) if "maps" in self.needs else False
        if flat or ("images" in self.needs and not _takes_images(model)):
            return "needs images, and this model takes signals or volumes"
        return ""


def described(documentation: str) -> tuple[str, str]:
    """Return the first line of a docstring, and its plain words on what it shows and what not."""
    head, *sections = SECTION.split(documentation)
    summary, *paragraphs = re.split(r"\n\s*\n", head.strip())
    warnings = [text for title, text in zip(sections[::2], sections[1::2], strict=True) if title == "Warnings"]
    plain = [
        re.sub(r"\s*\[\d+\]_", "", " ".join(text.split()))
        for text in (summary, *(paragraphs[:1] or [summary]), *warnings)
    ]
    return plain[0], " ".join(plain[1:])


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
    elif kind is int and (isinstance(value, bool) or not isinstance(value, int | np.integer)):
        raise OptionError(f"`{option}` must be a whole number; got {value!r}.")
    elif option == "seed" and value < 0:
        raise OptionError(f"`seed` must not be negative; got {value!r}.")
