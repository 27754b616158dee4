"""The exceptions and warnings of vizcnn.

Every error that vizcnn raises on purpose derives from `VizcnnError` and from the built-in that a caller would expect::

    VizcnnError
    ├── ModelError                  the model, or its file
    │   ├── ModelFileError          (ValueError)  not a model, truncated, a layer class that isn't known ...
    │   └── UnsupportedModelError   (ValueError)  this kind of model can't be adapted
    ├── InputError                  (ValueError)  an image that isn't one, wrong channels or size, NaN ...
    ├── TargetError                 (ValueError)  a class, label or unit that doesn't exist
    ├── LayerError                  (ValueError)  a layer that doesn't exist, or has no spatial map
    ├── OptionError                 (ValueError)  a method's option with a wrong value
    ├── CapabilityError             (TypeError)   the model can't answer what the method needs
    ├── RuleError                   (ValueError)  a gradient rule with nothing to act on
    ├── MethodError                 (ValueError)  no method of that name
    └── ResultError                 (ValueError)  a file that isn't a saved result, or a path that can't be written

Warnings are `VizcnnWarning`; a plugin that fails to load is a `PluginWarning`.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable
from typing import Any


class VizcnnError(Exception):
    """Base of every error that vizcnn raises on purpose."""


class ModelError(VizcnnError):
    """Base of what is wrong with a model or with its file."""


class ModelFileError(ModelError, ValueError):
    """The file can't be read as a model; the text says why and what to do."""


class UnsupportedModelError(ModelError, ValueError):
    """The model is one that vizcnn can't adapt."""


class InputError(VizcnnError, ValueError):
    """The images can't be given to the model."""


class TargetError(VizcnnError, ValueError):
    """The target doesn't exist in this model."""


class LayerError(VizcnnError, ValueError):
    """The layer doesn't exist in this model, or lacks what is asked of it."""


class OptionError(VizcnnError, ValueError):
    """An option of a method has a value that it can't take."""


class CapabilityError(VizcnnError, TypeError):
    """The model can't answer what the method needs."""


class RuleError(VizcnnError, ValueError):
    """A gradient rule finds nothing to act on."""


class MethodError(VizcnnError, ValueError):
    """No method is registered under that name."""


class ResultError(VizcnnError, ValueError):
    """A result can't be read from, or written to, that path."""


class VizcnnWarning(UserWarning):
    """Something about a result that its reader should know."""


class PluginWarning(VizcnnWarning):
    """A third-party plugin could not be loaded."""


def did_you_mean(value: object, choices: Iterable[str]) -> str:
    """Return ``" Did you mean 'x'?"`` for a close name among `choices`, else an empty string."""
    names = list(choices)
    close = difflib.get_close_matches(str(value), names, n=1, cutoff=0.6)
    if not close:
        folded = {name.casefold(): name for name in names}
        close = [folded[key] for key in difflib.get_close_matches(str(value).casefold(), list(folded), n=1, cutoff=0.6)]
    return f" Did you mean {close[0]!r}?" if close else ""


def listed(names: Iterable[object], limit: int = 12) -> str:
    """Return names as ``'a', 'b', ... (40 in all)``."""
    everything = list(names)
    text = ", ".join(repr(name) for name in everything[:limit])
    return text if len(everything) <= limit else f"{text}, ... ({len(everything)} in all)"


def check_choice(argument: str, value: Any, choices: Iterable[Any]) -> None:
    """Raise `OptionError` unless `value` is one of `choices`."""
    allowed = list(choices)
    if value not in allowed:
        hint = did_you_mean(value, [c for c in allowed if isinstance(c, str)])
        raise OptionError(f"`{argument}` must be one of {listed(allowed)}; got {value!r}.{hint}")
