"""The installed visualizations: found, listed, and looked up by name.

vizcnn's own are the modules beside this one. Packages add theirs by an entry point in the group ``vizcnn.plugins`` that names
a module, or a function in it; importing the module registers them (`vizcnn.plugins.register`).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from vizcnn.adapter import ModelAdapter
from vizcnn.aliases import moved
from vizcnn.plugins.plugin import Plugin
from vizcnn.registry import Registry

GROUP = "vizcnn.plugins"
"""The entry-point group of plugins from other packages."""

INSTALLED: Registry[Plugin] = Registry("method", "vizcnn.plugins", GROUP)


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
    INSTALLED.add(plugin)


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
    return INSTALLED.get(name)


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
    ('ablationcam', 'activation_maximization', 'activations')
    """
    return INSTALLED.names()


def methods() -> tuple[str, ...]:
    """Return the names of the installed methods.

    Returns
    -------
    tuple of str
        vizcnn's own, and those that other packages registered.

    Examples
    --------
    >>> import vizcnn as vz
    >>> {"gradcam", "occlusion", "saliency"} <= set(vz.methods())
    True
    """
    return names()


def failures() -> Mapping[str, str]:
    """Return the entry points that failed to load, and why."""
    INSTALLED.load()
    return dict(INSTALLED.failed)


def parse(method: str | tuple[str, Mapping[str, Any]]) -> tuple[Plugin, dict[str, Any]]:
    """Read a method with options, as in ``"saliency:rule=guided,reduce=sum"``.

    Returns
    -------
    (Plugin, dict)
        The plugin, and the options.

    Raises
    ------
    MethodError, OptionError
        If there is no such method or option, or the text isn't of this form.
    """
    return INSTALLED.parse(method)


def works_on(adapter: ModelAdapter) -> tuple[str, ...]:
    """Return the methods whose needs a model meets."""
    return INSTALLED.works_on(adapter)


def check_needs(plugin: Plugin, adapter: ModelAdapter) -> None:
    """Raise `CapabilityError` unless a model can answer what a plugin needs."""
    INSTALLED.check_needs(plugin, adapter)


__getattr__ = moved(__name__, {"register": "vizcnn.plugins.register.register"})
