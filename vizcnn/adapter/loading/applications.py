"""Models and files that are downloaded, once."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from vizcnn.errors import ModelFileError


def load_application(name: str) -> tuple[Any, tuple[str, ...]]:
    """Load a model of `keras.applications` with its ImageNet weights, from Keras's cache or from the network.

    Parameters
    ----------
    name : str
        Its function, such as "MobileNetV2".

    Returns
    -------
    (keras.Model, tuple of str)
        The model, and the names of its 1,000 classes.

    Raises
    ------
    ModelFileError
        If there is no such model, or it can't be downloaded.
    """
    import keras
    import numpy as np

    make = getattr(keras.applications, name, None)
    if not callable(make):
        raise ModelFileError(f"`name` must be a model of keras.applications, such as 'MobileNetV2'; got {name!r}.")
    with _downloads(f"the ImageNet weights of {name}"):
        model = make(weights="imagenet")
        best = keras.applications.imagenet_utils.decode_predictions(np.eye(1000, dtype=np.float32), top=1)
    return model, tuple(label for ((_, label, _),) in best)


def download(url: str, what: str) -> Path:
    """Return the local copy of a file, which is downloaded into Keras's cache the first time.

    Parameters
    ----------
    url : str
        Where it is.
    what : str
        What to call it in the message.

    Returns
    -------
    Path
        The copy.

    Raises
    ------
    ModelFileError
        If it can't be downloaded.
    """
    import keras

    with _downloads(what):
        return Path(keras.utils.get_file(origin=url))


@contextmanager
def _downloads(what: str) -> Iterator[None]:
    try:
        yield
    except Exception as error:  # Keras raises a bare Exception where the network fails
        raise ModelFileError(
            f"{what[0].upper()}{what[1:]} can't be downloaded: {_first_sentence(str(error))}. It requires a network "
            f"connection, once."
        ) from error


def _first_sentence(text: str) -> str:
    line = text.splitlines()[0] if text else "nothing more"
    return line[:200].rstrip(".")
