"""Calling a Keras model as it is: on one batch, from a fresh state, and with an error of ours where it can't be called so."""

from __future__ import annotations

import inspect
import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import keras

from vizcnn.errors import UnsupportedModelError, VizcnnError


@contextmanager
def fresh_state(model: Any) -> Iterator[None]:
    """Let stateful recurrent layers begin with zeros on each call, and leave the state that they hold as it is."""
    stateful = [layer for layer in model._flatten_layers() if getattr(layer, "stateful", False) is True]
    try:
        for layer in stateful:
            layer.stateful = False
        yield
    finally:
        for layer in stateful:
            layer.stateful = True


def stateful_note(model: Any) -> str | None:
    """Return what to say of a model that keeps a state from one batch to the next; None where it doesn't."""
    names = [layer.name for layer in model._flatten_layers() if getattr(layer, "stateful", False) is True]
    if not names:
        return None
    return (
        f"Layer {names[0]!r} keeps a state from one batch to the next; every image is explained from a state of zeros."
    )


@contextmanager
def errors_of_ours(model: Any, name: str, shape: Sequence[int | None], backend: Any) -> Iterator[None]:
    """Say that a model can't be called on inputs of a shape, where its own code fails.

    Parameters
    ----------
    model : keras.Model
        The model.
    name : str
        What to call it.
    shape : tuple of int or None
        Shape (N, ...) of the inputs.
    backend : Backend
        Whose errors are let through: those that are dealt with where batches are run.
    """
    try:
        yield
    except VizcnnError:
        raise
    except Exception as error:  # what a layer of the user's raises, which is anything
        if backend.is_out_of_memory(error) or backend.is_unsupported(error):
            raise
        inputs = "(N, " + ", ".join(str(size) for size in shape[1:]) + ")"
        raise UnsupportedModelError(
            f"Model {name!r} can't be called on inputs of shape {inputs}: {_reason(model, error)}. {_remedy(model)}"
        ) from error


def check_outputs(name: str, names: Sequence[str], tensors: Sequence[Any]) -> None:
    """Refuse a model that doesn't return a row for each image."""
    if not tensors:
        raise UnsupportedModelError(f"Model {name!r} must return a tensor, one row per image; it returns none.")
    for output, tensor in zip(names, tensors, strict=True):
        if not len(tensor.shape):
            raise UnsupportedModelError(
                f"Model {name!r} must return one row per image; its output {output!r} is a single number for all of them."
            )


def _reason(model: Any, error: Exception) -> str:
    if isinstance(model, keras.Sequential) and not model.layers:
        return "it has no layers"
    if type(model).call is keras.Model.call:
        return f"its class {type(model).__name__} has no `call`, so it computes nothing"
    text = re.sub(r"\x1b\[[0-9;]*m", "", str(error))
    text = re.sub(r"^(Exception encountered when calling [^\n]*\n+)+", "", text).partition("\n\nArguments received")[0]
    return f"{type(error).__name__}: {' '.join(text.split())[:300].rstrip('.')}"


def _remedy(model: Any) -> str:
    if isinstance(model, keras.Sequential) and not model.layers:
        return "Add layers, or load its weights together with its architecture."
    if type(model).call is keras.Model.call:
        return "Write one, or load it with the class that it was trained with."
    if str(getattr(type(model).call, "__module__", "")).startswith("keras."):
        return "Call it in Python, model(inputs, training=False), to see where."
    needed = [
        parameter.name
        for parameter in inspect.signature(type(model).call).parameters.values()
        if parameter.default is parameter.empty and parameter.kind is parameter.POSITIONAL_OR_KEYWORD
    ]
    others = [name for name in needed[2:] if name != "training"]
    arguments = ", ".join(["image", *(f"{name}=..." for name in others)])
    return (
        f"vizcnn calls a model on one batch of images. One that takes something else is wrapped: image = keras.Input(shape); "
        f"wrapped = keras.Model(image, model({arguments})), with what it takes made of the image."
    )
