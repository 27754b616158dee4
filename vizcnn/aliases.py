"""Old names of what has a new one: they work for one more minor version, and warn."""

from __future__ import annotations

import importlib
import warnings
from collections.abc import Callable, Mapping
from typing import Any


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
    >>> with warnings.catch_warnings(record=True) as caught:
    ...     warnings.simplefilter("always")
    ...     getattr_("enlarge").__name__, str(caught[0].message)
    ('resize', 'old.enlarge is vizcnn.resample.resize now; the old name goes with the next minor version.')
    """

    def find(name: str) -> Any:
        if name not in names:
            raise AttributeError(f"module {module!r} has no attribute {name!r}")
        now = names[name]
        warnings.warn(
            f"{module}.{name} is {now} now; the old name goes with the next minor version.",
            DeprecationWarning,
            stacklevel=2,
        )
        home, _, attribute = now.rpartition(".")
        return getattr(importlib.import_module(home), attribute)

    return find
