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

Warnings are `VizcnnWarning`; a plugin that fails to load is a `PluginWarning`, an old name a `RenamedWarning`. What the reader of
a result should know is a `Note` on it; `warn` makes warnings of notes.
"""

from __future__ import annotations

import difflib
import os
import sys
import warnings
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from pathlib import Path
from typing import Any

from vizcnn.notes import Note as Note


class VizcnnError(Exception):
    """Base of every error that vizcnn raises on purpose.

    Examples
    --------
    >>> import vizcnn as vz
    >>> try:
    ...     vz.gradcam(vz.assets.digits_cnn(), vz.assets.digits()[3], target=12)
    ... except vz.errors.VizcnnError as error:
    ...     print(type(error).__name__, isinstance(error, ValueError))
    TargetError True
    """


class ModelError(VizcnnError):
    """Base of what is wrong with a model or with its file.

    Examples
    --------
    >>> import vizcnn as vz
    >>> try:
    ...     vz.adapt("missing.keras")
    ... except vz.errors.ModelError as error:
    ...     print(error)
    `model` file 'missing.keras' doesn't exist.
    """


class ModelFileError(ModelError, ValueError):
    """The file can't be read as a model; the text says why and what to do.

    Examples
    --------
    >>> import vizcnn as vz
    >>> vz.adapt(vz.assets.digits()[3])
    Traceback (most recent call last):
    ...
    vizcnn.errors.ModelFileError: `model` file '...digit_3.png' isn't a Keras model: it is an image. ...
    """


class UnsupportedModelError(ModelError, ValueError):
    """The model is one that vizcnn can't adapt.

    Examples
    --------
    >>> import vizcnn as vz
    >>> vz.adapt([1, 2, 3])
    Traceback (most recent call last):
    ...
    vizcnn.errors.UnsupportedModelError: `model` must be a Keras 3 model, the path of one, or ...; got builtins.list. ...
    """


class InputError(VizcnnError, ValueError):
    """The images can't be given to the model.

    Examples
    --------
    >>> import numpy as np, vizcnn as vz
    >>> vz.saliency(vz.assets.digits_cnn(), np.zeros((28, 28, 3)))
    Traceback (most recent call last):
    ...
    vizcnn.errors.InputError: `images` must have 1 channel, as the model takes; image has shape (28, 28, 3). Average ...
    """


class TargetError(VizcnnError, ValueError):
    """The target doesn't exist in this model.

    Examples
    --------
    >>> import vizcnn as vz
    >>> vz.saliency(vz.assets.digits_cnn(), vz.assets.digits()[3], target="tree")
    Traceback (most recent call last):
    ...
    vizcnn.errors.TargetError: `target` must be a label of model 'digits_cnn.keras'; got 'tree'. Labels: '0', '1', ...
    """


class LayerError(VizcnnError, ValueError):
    """The layer doesn't exist in this model, or lacks what is asked of it.

    Examples
    --------
    >>> import vizcnn as vz
    >>> vz.gradcam(vz.assets.digits_cnn(), vz.assets.digits()[3], layer="conv9")
    Traceback (most recent call last):
    ...
    vizcnn.errors.LayerError: `layer` must name a layer of model 'digits_cnn.keras'; got 'conv9'. Did you mean 'conv5'? ...
    """


class OptionError(VizcnnError, ValueError):
    """An option of a method has a value that it can't take.

    Examples
    --------
    >>> import vizcnn as vz
    >>> vz.occlusion(vz.assets.digits_cnn(), vz.assets.digits()[3], patch_size=40)
    Traceback (most recent call last):
    ...
    vizcnn.errors.OptionError: `patch_size` must not be larger than the image, 28x28; got 40x40.
    """


class CapabilityError(VizcnnError, TypeError):
    """The model can't answer what the method needs.

    Examples
    --------
    >>> import numpy as np, vizcnn as vz
    >>> def first_pixel(inputs):
    ...     return inputs[:, 0, 0]
    >>> vz.saliency(first_pixel, np.zeros((8, 8, 2)))
    Traceback (most recent call last):
    ...
    vizcnn.errors.CapabilityError: Method 'saliency' needs gradients, which model 'first_pixel' can't answer. ...
    """


class RuleError(VizcnnError, ValueError):
    """A gradient rule finds nothing to act on.

    Examples
    --------
    >>> import keras, numpy as np, vizcnn as vz
    >>> linear = keras.Sequential(
    ...     [keras.Input((8, 8, 1)), keras.layers.Flatten(), keras.layers.Dense(2)], name="linear"
    ... )
    >>> vz.saliency(linear, np.zeros((8, 8, 1)), rule="guided")
    Traceback (most recent call last):
    ...
    vizcnn.errors.RuleError: `rule` 'guided' changes how ReLU ... hands the gradient on, and model 'linear' has none ...
    """


class MethodError(VizcnnError, ValueError):
    """No method is registered under that name.

    Examples
    --------
    >>> import vizcnn as vz
    >>> vz.explain(vz.assets.digits_cnn(), vz.assets.digits()[3], methods="gradcamm")
    Traceback (most recent call last):
    ...
    vizcnn.errors.MethodError: `method` must be one of ...; got 'gradcamm'. Did you mean 'gradcam'?
    """


class ResultError(VizcnnError, ValueError):
    """A result can't be read from, or written to, that path.

    Examples
    --------
    >>> import vizcnn as vz
    >>> vz.load_result("missing.npz")
    Traceback (most recent call last):
    ...
    vizcnn.errors.ResultError: `path` 'missing.npz' doesn't exist.
    """


class VizcnnWarning(UserWarning):
    """Something about a result that its reader should know.

    Examples
    --------
    >>> import numpy as np, vizcnn as vz, warnings
    >>> with warnings.catch_warnings(record=True) as caught:
    ...     warnings.simplefilter("always", vz.errors.VizcnnWarning)
    ...     result = vz.saliency(vz.assets.digits_cnn(), np.full((28, 28, 1), 0.5))
    >>> print(caught[0].message)
    The images lie in 0.5 to 0.5, but the model takes pixels, 0 to 255: ...
    """


class PluginWarning(VizcnnWarning):
    """A plugin of another package could not be loaded, or one that failed was left out.

    Examples
    --------
    >>> import numpy as np, vizcnn as vz, tempfile, warnings
    >>> callback = vz.callbacks.ExplainCallback(np.zeros((28, 28, 3)), folder=tempfile.mkdtemp())
    >>> callback.set_model(vz.assets.digits_cnn().model)
    >>> with warnings.catch_warnings(record=True) as caught:
    ...     warnings.simplefilter("always", vz.errors.PluginWarning)
    ...     callback.on_epoch_end(0)
    >>> print(caught[0].message)
    ExplainCallback skips 'images': InputError: `images` must have 1 channel, as the model takes; ...
    """


class RenamedWarning(VizcnnWarning, FutureWarning):
    """An option, or a value of one, was given by its old name, which works for one more minor version.

    Examples
    --------
    >>> import vizcnn as vz, warnings
    >>> with warnings.catch_warnings(record=True) as messages:
    ...     warnings.simplefilter("always", vz.errors.RenamedWarning)
    ...     result = vz.saliency(vz.assets.digits_cnn(), vz.assets.digits()[3], reduce="signed")
    >>> print(messages[0].message)
    `reduce` 'signed' of method 'saliency' is called 'sum' now; the old name goes with the next minor version.
    >>> result.options["reduce"]
    'sum'
    """


_SILENT: ContextVar[bool] = ContextVar("silent", default=False)


@contextmanager
def silent() -> Iterator[None]:
    """Give no warnings inside: for whoever shows the notes of the results in another way.

    Examples
    --------
    >>> from vizcnn.errors import silent, warn
    >>> with silent():
    ...     warn(["The image is small."])
    """
    token = _SILENT.set(True)
    try:
        yield
    finally:
        _SILENT.reset(token)


def warn(notes: Iterable[str], category: type[Warning] = VizcnnWarning) -> None:
    """Give each note that isn't quiet as a warning, at the line outside vizcnn that made the call."""
    for note in () if _SILENT.get() else notes:
        if not getattr(note, "quiet", False):
            warnings.warn(str(note), category, stacklevel=_depth())


def _depth() -> int:
    """Return how many frames above `warn` the caller of vizcnn is."""
    home = str(Path(__file__).parent) + os.sep
    frame, depth = sys._getframe(1), 1
    while frame.f_back is not None and frame.f_code.co_filename.startswith(home):
        frame, depth = frame.f_back, depth + 1
    return depth


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
