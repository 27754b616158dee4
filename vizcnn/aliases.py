"""Old names of what has a new one: they work for one more minor version, and warn."""

from __future__ import annotations

import importlib
import warnings
from collections.abc import Callable, Mapping
from typing import Any

from vizcnn.errors import RenamedWarning, warn


def renamed(old: str, now: str) -> Any:
    """Return a property for the old name of an attribute.

    Parameters
    ----------
    old, now : str
        Its names.

    Returns
    -------
    property
        It warns, and reads or sets the attribute.

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

    def put(self: Any, value: Any) -> None:
        warn_of_old(f"`{old}` is `{now}`")
        setattr(self, now, value)

    return property(get, put, doc=f"Old name of `{now}`.")


def warn_of_old(what: str) -> None:
    """Warn whoever called the caller that something has another name now; `what` says which."""
    text = f"{what} now; the old name goes with the next minor version."
    warnings.warn(text, DeprecationWarning, stacklevel=3)


def old_keyword(old: str, value: Any, now: str, current: Any) -> Any:
    """Return an argument that was given under its name, or under its old one, with a warning at the line outside vizcnn.

    Parameters
    ----------
    old : str
        The old name.
    value : any
        What was given under it; None: nothing.
    now : str
        The name.
    current : any
        What was given under that, or its default.

    Returns
    -------
    any

    Examples
    --------
    >>> import warnings
    >>> from vizcnn.aliases import old_keyword
    >>> def hold(*, keep_alive=True, hold=None):
    ...     return old_keyword("hold", hold, "keep_alive", keep_alive)
    >>> with warnings.catch_warnings(record=True) as messages:
    ...     warnings.simplefilter("always")
    ...     hold(hold=False), str(messages[0].message)
    (False, '`hold` is called `keep_alive` now; the old name goes with the next minor version.')
    """
    if value is None:
        return current
    warn([f"`{old}` is called `{now}` now; the old name goes with the next minor version."], RenamedWarning)
    return value


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
