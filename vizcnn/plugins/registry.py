"""The installed visualizations: found, listed, and looked up by name.

vizcnn's own are the modules beside this one. Packages add theirs by an entry point in the group ``vizcnn.plugins`` that names
a module, or a function in it; importing the module registers them (`vizcnn.plugins.register`).
"""

from __future__ import annotations

import ast
import importlib
import importlib.metadata
import pkgutil
import re
import threading
from collections.abc import Mapping
from typing import Any

from vizcnn.adapter import ModelAdapter
from vizcnn.aliases import moved
from vizcnn.errors import CapabilityError, MethodError, OptionError, PluginWarning, did_you_mean, listed, warn
from vizcnn.plugins.plugin import Plugin

GROUP = "vizcnn.plugins"
"""The entry-point group of plugins from other packages."""

_plugins: dict[str, Plugin] = {}
_failed: dict[str, str] = {}
_loaded = False
_lock = threading.RLock()


def add(plugin: Plugin) -> None:
    """Add a plugin; one of the same module and name is replaced.

    Parameters
    ----------
    plugin : Plugin
        The plugin.

    Raises
    ------
    MethodError
        If the name is taken by another module's.
    """
    with _lock:
        other = _plugins.get(plugin.name)
        if other is not None and other.origin != plugin.origin:
            raise MethodError(f"`name` {plugin.name!r} is taken by the plugin of {other.origin}; choose another.")
        _plugins[plugin.name] = plugin


def get(name: str) -> Plugin:
    """Return a plugin by name.

    Parameters
    ----------
    name : str
        What it is asked for by.

    Returns
    -------
    Plugin

    Raises
    ------
    MethodError
        If there is none.

    Examples
    --------
    >>> from vizcnn.plugins import registry
    >>> registry.get("saliency").summary
    'Take the gradient of the score by every input value.'
    """
    _load()
    if name not in _plugins:
        reason = f" It comes from a plugin that failed to load: {_failed[name]}." if name in _failed else ""
        raise MethodError(
            f"`method` must be one of {listed(names(), limit=30)}; got {name!r}.{did_you_mean(name, names())}{reason}"
        )
    return _plugins[name]


def names() -> tuple[str, ...]:
    """Return the names of all plugins.

    Returns
    -------
    tuple of str
        vizcnn's own first, by the alphabet.

    Examples
    --------
    >>> from vizcnn.plugins import registry
    >>> registry.names()[:3]
    ('activation_maximization', 'activations', 'architecture')
    """
    _load()
    return tuple(
        sorted(_plugins, key=lambda name: (not _plugins[name].origin.startswith("vizcnn."), "/" in name, name))
    )


def methods() -> tuple[str, ...]:
    """Return the names of the installed methods.

    Returns
    -------
    tuple of str
        vizcnn's own, and those that other packages registered.

    Examples
    --------
    >>> import vizcnn as vz
    >>> [name for name in vz.methods() if vz.plugins.registry.get(name).explains][:3]
    ['gradcam', 'occlusion', 'saliency']
    """
    return names()


def failures() -> Mapping[str, str]:
    """Return the entry points that failed to load, and why."""
    _load()
    return dict(_failed)


def parse(method: str | tuple[str, Mapping[str, Any]]) -> tuple[Plugin, dict[str, Any]]:
    """Read a method with options, as in ``"saliency:rule=guided,reduce=signed"``.

    Returns
    -------
    (Plugin, dict)
        The plugin, and the options.

    Raises
    ------
    MethodError, OptionError
        If there is no such method or option, or the text isn't of this form.
    """
    if isinstance(method, tuple) and len(method) == 2 and isinstance(method[1], Mapping):
        plugin = get(method[0])
        plugin.checked_options(method[1])
        return plugin, dict(method[1])
    if not isinstance(method, str):
        raise MethodError(f"`method` must be a name, or a pair of a name and its options; got {method!r}.")
    name, _, text = method.partition(":")
    options = {}
    for entry in filter(None, re.split(r",(?=\s*\w+\s*=)", text)):
        option, equals, value = entry.partition("=")
        if not equals:
            raise OptionError(f"`method` options have the form 'name:option=value,option=value'; got {method!r}.")
        options[option.strip()] = _literal(value.strip())
    plugin = get(name.strip())
    plugin.checked_options(options)
    return plugin, options


def works_on(adapter: ModelAdapter) -> tuple[str, ...]:
    """Return the methods whose needs a model meets."""
    return tuple(name for name in names() if not get(name).missing_needs(adapter))


def check_needs(plugin: Plugin, adapter: ModelAdapter) -> None:
    """Raise `CapabilityError` unless a model can answer what a plugin needs."""
    missing = plugin.missing_needs(adapter)
    if missing:
        raise CapabilityError(
            f"Method {plugin.name!r} {missing.replace('the model', f'model {adapter.name!r}')}. Methods that work on it: "
            f"{listed(works_on(adapter))}."
        )


def _literal(text: str) -> Any:
    try:
        return ast.literal_eval(text)
    except (ValueError, SyntaxError):
        return text


def _load() -> None:
    """Import vizcnn's own plugins and those of other packages, once."""
    global _loaded
    with _lock:
        if _loaded:
            return
        _loaded = True
        package = importlib.import_module("vizcnn.plugins")
        for module in pkgutil.iter_modules(package.__path__):
            importlib.import_module(f"vizcnn.plugins.{module.name}")
        for point in importlib.metadata.entry_points(group=GROUP):
            try:
                point.load()
            except (Exception, SystemExit) as error:  # noqa: BLE001 - a stranger's package must not take vizcnn down
                _failed[point.name] = f"{type(error).__name__}: {error}"
                package_name = point.dist.name if point.dist is not None else "an unknown package"
                warn(
                    [f"The vizcnn plugin {point.name!r} of {package_name} failed to load: {_failed[point.name]}."],
                    PluginWarning,
                )


__getattr__ = moved(__name__, {"register": "vizcnn.plugins.register.register"})
