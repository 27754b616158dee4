"""Old names of what has a new one: they work for one more minor version, and warn."""

from __future__ import annotations

import importlib
import warnings
from collections.abc import Callable, Mapping
from typing import Any


def renamed(old: str, now: str) -> Any:
    """Return a property for the old name of an attribute.

    Parameters
    ----------
    old, now : str
        Its names.

    Returns
    -------
    property
        It warns, and gives what the attribute holds.

    Examples
    --------
    >>> import warnings
    >>> from vizcnn.aliases import renamed
    >>> class Finding:
    ...     interpretation = "The model decides by local texture."
    ...     meaning = renamed("meaning", "interpretation")
    >>> with warnings.catch_warnings(record=True) as messages:
    ...     warnings.simplefilter("always")
    ...     Finding().meaning, str(messages[0].message)
    ('The model decides by local texture.', '`meaning` is `interpretation` now; the old name goes with the next minor version.')
    """

    def get(self: Any) -> Any:
        warn_of_old(f"`{old}` is `{now}`")
        return getattr(self, now)

    return property(get, doc=f"Old name of `{now}`.")


def warn_of_old(what: str) -> None:
    """Warn whoever called the caller that something has another name now; `what` says which."""
    text = f"{what} now; the old name goes with the next minor version."
    warnings.warn(text, DeprecationWarning, stacklevel=3)


def moved(module: str, names: Mapping[str, str]) -> Callable[[str], Any]:
    """Return a `__getattr__` for a module that some names have left.

    Parameters
    ----------
    module : str
        The module's own name.
    names : mapping of str to str
        What was in it, to where it is now.

    Returns
    -------
    callable

    Examples
    --------
    >>> import warnings
    >>> from vizcnn.aliases import moved
    >>> getattr_ = moved("old", {"enlarge": "vizcnn.resample.resize"})
    >>> with warnings.catch_warnings(record=True) as messages:
    ...     warnings.simplefilter("always")
    ...     getattr_("enlarge").__name__, str(messages[0].message)
    ('resize', 'old.enlarge is vizcnn.resample.resize now; the old name goes with the next minor version.')
    """

    def find(name: str) -> Any:
        if name not in names:
            raise AttributeError(f"module {module!r} has no attribute {name!r}")
        now = names[name]
        warn_of_old(f"{module}.{name} is {now}")
        home, _, attribute = now.rpartition(".")
        return getattr(importlib.import_module(home), attribute)

    return find
