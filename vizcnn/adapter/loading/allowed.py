"""What a description may name: classes and functions of Keras that compute, and none that reach outside of the model."""

from __future__ import annotations

import inspect
import sys
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from types import MappingProxyType
from typing import Any

CODE = MappingProxyType(
    {
        "Lambda": "runs a Python function that is stored in the file",
        "__lambda__": "is a Python function that is stored in the file",
        "TFSMLayer": "opens another file, and runs what is in it",
        "TorchModuleWrapper": "holds a Python pickle",
        "JaxLayer": "runs a Python function that is stored in the file",
        "FlaxLayer": "runs a Python function that is stored in the file",
    }
)
"""Classes that run code, and how."""

_CLASSES = ("layers", "initializers", "regularizers", "constraints", "activations", "dtype_policies", "optimizers", "losses",
            "metrics", "quantizers", "ops", "random", "saving")  # fmt: skip
"""Parts of Keras where a class may be looked for by its name alone, as descriptions of Keras 2 give it."""

_FUNCTIONS = ("activations", "initializers", "regularizers", "constraints", "losses", "metrics", "ops")
"""Parts of Keras whose functions compute: none of them opens a file or runs what it is given."""

_READERS = frozenset({"get", "deserialize", "serialize"})
"""Functions of those parts that make objects of descriptions."""


def objects_called(name: str, module: str | None) -> list[Any]:
    """Return all that Keras might take a class of that name for."""
    import keras

    homes = [keras, *(getattr(keras, part) for part in _CLASSES), *_module(module)]
    objects = [getattr(home, name) for home in homes if hasattr(home, name)]
    return list({id(value): value for value in objects}.values())


def why_not_class(value: Any) -> str | None:
    """Return what is wrong with building an object of a class that a file names; None where it only computes."""
    if not inspect.isclass(value) or not issubclass(value, _computing()):
        return "is nothing that a model is made of"
    return next((why for kind, why in _running_code().items() if issubclass(value, kind)), None)


def is_function(name: Any, module: str) -> bool:
    """Tell whether this is a function of Keras that only computes."""
    import keras

    if not isinstance(name, str) or name in _READERS:
        return False
    homes = [part for part in _FUNCTIONS if module == "builtins" or module in (f"keras.{part}", f"keras.src.{part}")]
    homes += [part for part in _FUNCTIONS if module.startswith(f"keras.src.{part}.")]
    return any(inspect.isfunction(getattr(getattr(keras, part), name, None)) for part in homes)


def is_unloaded(module: str) -> bool:
    """Tell whether Keras would import one of its own modules, which no model needs, to look for a class in it."""
    import keras

    first, *parts = module.split(".")
    if first != "keras":
        return False
    return any(
        ".".join([first, *parts[:count]]) not in sys.modules and _is_on_disk(Path(keras.__file__).parent, parts[:count])
        for count in range(1, len(parts) + 1)
    )


def _is_on_disk(folder: Path, parts: list[str]) -> bool:
    path = folder.joinpath(*parts)
    return path.is_dir() or path.with_name(f"{path.name}.py").is_file()


def _module(name: str | None) -> Iterator[Any]:
    """Yield what a module's name means: a public part of Keras, and what was imported under that name."""
    import keras

    if name is None or name.partition(".")[0] != "keras":
        return
    if name in sys.modules:
        yield sys.modules[name]
    home: Any = keras
    for part in name.split(".")[1:]:
        home = getattr(home, part, None)
    if home is not None:
        yield home


@cache
def _running_code() -> dict[type, str]:
    """Return the classes of `CODE` themselves: what all layers inherit of JAX's backend is called JaxLayer too."""
    import keras

    return {getattr(keras.layers, name): why for name, why in CODE.items() if hasattr(keras.layers, name)}


@cache
def _computing() -> tuple[type, ...]:
    import keras

    return (
        keras.Operation,  # layers and models too
        keras.Initializer,
        keras.Regularizer,
        keras.constraints.Constraint,
        keras.DTypePolicy,
        keras.Quantizer,
        keras.quantizers.QuantizationConfig,
        keras.random.SeedGenerator,
        keras.Loss,
        keras.Metric,
        keras.Optimizer,
        keras.optimizers.schedules.LearningRateSchedule,
    )
