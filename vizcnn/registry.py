"""What can be installed beside vizcnn's own, methods and metrics: found, listed, looked up by name, read with options.

vizcnn's own are the modules of a package. Others add theirs by an entry point that names a module, or a function in it; importing
the module registers them.
"""

from __future__ import annotations

import ast
import importlib
import importlib.metadata
import pkgutil
import re
import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any, Generic, Literal, TypeVar, get_args, get_origin, get_type_hints

import numpy as np

from vizcnn.adapter import ModelAdapter
from vizcnn.aliases import renamed
from vizcnn.errors import (
    CapabilityError,
    MethodError,
    OptionError,
    PluginWarning,
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


Item = TypeVar("Item", bound=Registered)


class Registry(Generic[Item]):
    """Functions of one kind, by name.

    Parameters
    ----------
    kind : str
        What one of them is called in messages.
    package : str
        The package whose modules are vizcnn's own.
    group : str
        The entry-point group of those of other packages.

    Attributes
    ----------
    entries : dict
        Names to what is registered.
    failed : dict of str to str
        The entry points that failed to load, and why.
    """

    def __init__(self, kind: str, package: str, group: str) -> None:
        self.kind, self.package, self.group = kind, package, group
        self.entries: dict[str, Item] = {}
        self.failed: dict[str, str] = {}
        self.loaded = False
        self._lock = threading.RLock()

    def add(self, item: Item) -> None:
        """Add one; one of the same module and name is replaced, and a name that another module has is refused."""
        with self._lock:
            other = self.entries.get(item.name)
            if other is not None and other.module != item.module:
                raise MethodError(f"`name` {item.name!r} is taken by the plugin of {other.module}; choose another.")
            self.entries[item.name] = item

    def get(self, name: str) -> Item:
        """Return one by its name."""
        self.load()
        if name not in self.entries:
            failed = self.failed.get(name)
            reason = f" It comes from a plugin that failed to load: {failed}." if failed else ""
            names = self.names()
            raise MethodError(
                f"`{self.kind}` must be one of {listed(names, limit=30)}; got {name!r}.{did_you_mean(name, names)}{reason}"
            )
        return self.entries[name]

    def names(self) -> tuple[str, ...]:
        """Return all names, vizcnn's own first, by the alphabet."""
        self.load()
        return tuple(
            sorted(
                self.entries, key=lambda name: (not self.entries[name].module.startswith("vizcnn."), "/" in name, name)
            )
        )

    def parse(self, asked: str | tuple[str, Mapping[str, Any]]) -> tuple[Item, dict[str, Any]]:
        """Read a name with options, as in ``"saliency:rule=guided,reduce=sum"``, or as a pair."""
        if isinstance(asked, tuple) and len(asked) == 2 and isinstance(asked[1], Mapping):
            item, options = self.get(asked[0]), dict(asked[1])
        elif isinstance(asked, str):
            item, options = self._read(asked)
        else:
            raise MethodError(f"`{self.kind}` must be a name, or a pair of a name and its options; got {asked!r}.")
        options = item.renamed_options(options)
        item.checked_options(options)
        return item, options

    def _read(self, text: str) -> tuple[Item, dict[str, Any]]:
        name, _, given = text.partition(":")
        options = {}
        for entry in filter(None, re.split(r",(?=\s*\w+\s*=)", given)):
            option, equals, value = entry.partition("=")
            if not equals:
                raise OptionError(
                    f"`{self.kind}` options have the form 'name:option=value,option=value'; got {text!r}."
                )
            options[option.strip()] = _literal(value.strip())
        return self.get(name.strip()), options

    def works_on(self, adapter: ModelAdapter) -> tuple[str, ...]:
        """Return the names of those whose needs a model meets."""
        return tuple(name for name in self.names() if not self.get(name).missing_needs(adapter))

    def check_needs(self, item: Item, adapter: ModelAdapter) -> None:
        """Raise `CapabilityError` unless a model can answer what one of them needs."""
        missing = item.missing_needs(adapter)
        if missing:
            raise CapabilityError(
                f"{self.kind.capitalize()} {item.name!r} {missing.replace('this model', f'model {adapter.name!r}')}. "
                f"{self.kind.capitalize()}s that work on it: {listed(self.works_on(adapter))}."
            )

    def load(self) -> None:
        """Import vizcnn's own and those of other packages, once."""
        with self._lock:
            if self.loaded:
                return
            self.loaded = True
            package = importlib.import_module(self.package)
            for module in pkgutil.iter_modules(package.__path__):
                importlib.import_module(f"{self.package}.{module.name}")
            for point in importlib.metadata.entry_points(group=self.group):
                try:
                    point.load()
                except (Exception, SystemExit) as error:  # noqa: BLE001 - a stranger's package must not take vizcnn down
                    self.failed[point.name] = f"{type(error).__name__}: {error}"
                    package_name = point.dist.name if point.dist is not None else "an unknown package"
                    warn(
                        [
                            f"The vizcnn plugin {point.name!r} of {package_name} failed to load: {self.failed[point.name]}."
                        ],
                        PluginWarning,
                    )


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


def is_one(asked: Any) -> bool:
    """Tell whether one name is asked for, with options or without, rather than several."""
    return isinstance(asked, str) or (isinstance(asked, tuple) and len(asked) == 2 and isinstance(asked[1], Mapping))


def asked_names(asked: Sequence[str | tuple[str, Mapping[str, Any]]]) -> list[str]:
    """Return what was asked for as texts, options included.

    Parameters
    ----------
    asked : sequence of str or (str, mapping)
        Names, with options.

    Returns
    -------
    list of str
        Of options that have no short text, such as arrays, only what they are; of several that would be called alike the later
        ones are numbered.

    Examples
    --------
    >>> import numpy as np
    >>> from vizcnn.registry import asked_names
    >>> asked_names(["saliency", ("rise", {"cells": 5}), ("occlusion", {"baseline": np.zeros((8, 8))})])
    ['saliency', 'rise:cells=5', 'occlusion:baseline=an array']
    """
    known: dict[str, list[Any]] = {}
    names = []
    for one in asked:
        text = one if isinstance(one, str) else _name_of(*one)
        alike = known.setdefault(text, [])
        place = next((place for place, other in enumerate(alike) if _is_same(one, other)), len(alike))
        if place == len(alike):
            alike.append(one)
        names.append(f"{text} ({place + 1})" if place else text)
    return names


def _name_of(name: str, options: Mapping[str, Any]) -> str:
    text = ",".join(f"{option}={_short(value)}" for option, value in options.items())
    return f"{name}:{text}" if text else name


def _short(value: Any) -> str:
    if isinstance(value, Path):
        return value.name
    if isinstance(value, list | tuple) and any(isinstance(entry, Path) or hasattr(entry, "shape") for entry in value):
        return f"{len(value)} images"
    if isinstance(value, np.ndarray) and value.size > 4:
        return "an array"
    return f"a {type(value).__name__}" if hasattr(value, "shape") and not isinstance(value, np.ndarray) else str(value)


def _is_same(one: Any, other: Any) -> bool:
    """Tell whether two that are called alike ask for the same; of arrays only the same one is."""
    return isinstance(one, str) or isinstance(other, str) or _values(one) == _values(other)


def _values(asked: tuple[str, Mapping[str, Any]]) -> dict[str, Any]:
    return {option: id(value) if hasattr(value, "shape") else repr(value) for option, value in asked[1].items()}


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


def _literal(text: str) -> Any:
    try:
        return ast.literal_eval(text)
    except (ValueError, SyntaxError):
        return text
