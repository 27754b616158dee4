"""A path to a model, or an error that says what is wrong with that file. What a file holds decides, not its name."""

from __future__ import annotations

import os
import re
import tempfile
import zipfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from vizcnn.errors import ModelFileError

_HDF5 = b"\x89HDF\r\n\x1a\n"
_ZIP = b"PK\x03\x04"


def load_model(path: str | os.PathLike[str], *, custom_objects: Mapping[str, Any] | None = None) -> Any:
    """Load a Keras model.

    Code that is stored in a file is never run: Keras's safe mode stays on, and the model isn't compiled.

    Parameters
    ----------
    path : path
        A ``.keras`` file or an HDF5 file, under any name.
    custom_objects : mapping, default None
        Names to classes or functions of the model's own.

    Returns
    -------
    keras.Model

    Raises
    ------
    ModelFileError
        If it can't be read as a model; the text says why and what to do.
    """
    file = Path(path)
    suffix = _kind(file)
    import keras

    with tempfile.TemporaryDirectory() as folder:
        # Keras goes by the name.
        named = file if file.suffix == suffix else Path(folder) / f"model{suffix}"
        if named is not file:
            named.symlink_to(file.resolve())
        try:
            return keras.saving.load_model(
                named, custom_objects=dict(custom_objects or {}), compile=False, safe_mode=True
            )
        except Exception as error:  # Keras raises what its layers' constructors raise, which is anything
            raise ModelFileError(f"`model` file {str(path)!r} can't be loaded: {_reason(error)}") from error


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
            f"{what[0].upper()}{what[1:]} can't be downloaded: {_first_sentence(str(error))}. It takes a network "
            f"connection, once."
        ) from error


def _kind(file: Path) -> str:
    """Return the suffix by which Keras knows this kind of file."""
    if file.is_dir():
        saved = (file / "saved_model.pb").exists()
        raise ModelFileError(
            f"`model` {str(file)!r} is a folder{', a TensorFlow SavedModel' if saved else ''}; vizcnn opens .keras and HDF5 "
            f"files. Save the model with model.save('model.keras')."
        )
    try:
        with file.open("rb") as stream:
            head = stream.read(512)
    except FileNotFoundError:
        raise ModelFileError(f"`model` file {str(file)!r} doesn't exist.") from None
    except OSError as error:
        raise ModelFileError(f"`model` file {str(file)!r} can't be opened: {error.strerror or error}.") from error
    if head.startswith(_HDF5):
        return ".h5"
    if head.startswith(_ZIP):
        _check_zip(file)
        return ".keras"
    raise ModelFileError(f"`model` file {str(file)!r} isn't a Keras model: {_what(head)}")


def _check_zip(file: Path) -> None:
    try:
        with zipfile.ZipFile(file) as archive:
            names = archive.namelist()
    except zipfile.BadZipFile:
        raise ModelFileError(
            f"`model` file {str(file)!r} is truncated: it begins like a .keras file and has no end. Copy it again."
        ) from None
    if "config.json" not in names:
        raise ModelFileError(
            f"`model` file {str(file)!r} isn't a Keras model: it is a zip archive without a config.json."
        )


def _what(head: bytes) -> str:
    if not head:
        return "it is empty."
    if head.startswith(b"version https://git-lfs"):
        size = re.search(rb"^size (\d+)", head, re.MULTILINE)
        whole = f" of {int(size[1]):,} bytes" if size else ""
        return f"it is the pointer that git-LFS left in place of the file{whole}. Run `git lfs pull`."
    if re.match(rb"\s*<(!doctype|html)", head, re.IGNORECASE):
        return "it is a web page, as a failed download leaves it. Download it again."
    return f"it begins with {head[:8]!r}, where a .keras file has {_ZIP!r} and an HDF5 file {_HDF5!r}."


def _reason(error: Exception) -> str:
    text = str(error).strip()
    missing = re.search(r"Could not locate (?:class|function) '([^']+)'", text) or re.search(
        r"Unknown (?:layer|object|\w+ function): '?([\w>.-]+)'?", text
    )
    if missing:
        name = missing[1]
        bare = name.rsplit(">", 1)[-1]
        registered = re.search(r"'registered_name': '([^']+)'", text)
        also = f" (registered as {registered[1]!r})" if registered and registered[1] != name else ""
        return (
            f"it needs {name!r}{also}, which is not part of Keras. Pass it: "
            f"vizcnn.adapt(path, custom_objects={{{bare!r}: {bare}}})."
        )
    if "No model config found" in text or "No model found in config file" in text:
        return "it holds weights only, without the architecture. Build the model in Python, load_weights, and pass the model."
    if "lambda" in text.lower() and "safe" in text.lower():
        return "it holds a Python lambda, code that would run on loading. Load it yourself if you trust it, and pass the model."
    if isinstance(error, OSError):
        return f"it is damaged or truncated ({_first_sentence(text)})."
    cause = text.rpartition("Exception encountered: ")[2]  # Keras wraps it in as many layers as the model has
    return f"Keras says {type(error).__name__}: {_first_sentence(cause)}."


def _first_sentence(text: str) -> str:
    line = text.splitlines()[0] if text else "nothing more"
    return line[:200].rstrip(".")
