"""What a file is: the content decides, not the name."""

from __future__ import annotations

import json
import re
import stat
from collections.abc import Collection, Sequence
from pathlib import Path, PurePosixPath

from vizcnn.adapter.loading.archive import LARGEST_CONFIG, read_entries
from vizcnn.adapter.loading.others import folder_of, is_core_ml, part_of_saved_model, what_else
from vizcnn.adapter.runtimes import kind_by_runtime
from vizcnn.errors import ModelFileError

HDF5 = b"\x89HDF\r\n\x1a\n"
ZIP = b"PK\x03\x04"

MODEL_JSON = "model.json"
"""What TensorFlow.js calls the description of a model."""

WEIGHTS = "model.weights.h5"
"""What a .keras archive calls the file of its weights."""

_HEAD = 4096


def kind_of(file: Path) -> str:
    """Return what a file holds.

    Parameters
    ----------
    file : Path
        A file, or the folder of a SavedModel or of a TensorFlow.js model.

    Returns
    -------
    str
        "keras", "hdf5" (a whole model or weights alone), "tfjs" (a layers model of TensorFlow.js), "zip"
        (an archive that may hold one of them), or the kind of one of `vizcnn.adapter.runtimes`.

    Raises
    ------
    ModelFileError
        If it is something else; the text says what, and what to do.
    """
    if file.is_dir():
        return _folder(file)
    try:
        if not stat.S_ISREG(file.stat().st_mode):
            raise ModelFileError(f"`model` file {str(file)!r} isn't opened: it is a pipe or a device, and no file.")
        with file.open("rb") as stream:
            head = stream.read(_HEAD)
    except FileNotFoundError:
        raise ModelFileError(f"`model` file {str(file)!r} doesn't exist.") from None
    except OSError as error:
        raise ModelFileError(f"`model` file {str(file)!r} can't be opened: {error.strerror or error}.") from error
    if head.startswith(HDF5):
        return "hdf5"
    if head.startswith(ZIP):
        return _kind_of_zip(file)
    part = part_of_saved_model(file, head)
    kind = None if part is not None or is_core_ml(head) else kind_by_runtime(file, head)
    if kind is None and _JSON.match(head) and _kind_of_json(file) == "layers":
        kind = "tfjs"
    if kind is not None:
        return kind
    raise ModelFileError(f"`model` file {str(file)!r} isn't a Keras model: {part or _what(file, head)}")


def _folder(file: Path) -> str:
    kind = kind_by_runtime(file, b"")
    if kind is not None:
        return kind
    described = _kind_of_json(file / MODEL_JSON)
    if described == "layers":
        return "tfjs"
    if described is not None:
        raise ModelFileError(f"`model` {str(file)!r} is a folder that isn't a Keras model: {_OF_TFJS[described]}")
    raise ModelFileError(f"`model` {str(file)!r} is a folder that isn't a TensorFlow SavedModel: {folder_of(file)}")


def _kind_of_zip(file: Path) -> str:
    names = [entry.filename for entry in read_entries(file) if not entry.is_dir()]
    if any(name.endswith(("/data.pkl", "/version")) for name in names):
        raise ModelFileError(f"`model` file {str(file)!r} isn't a Keras model: {_PYTORCH}")
    if "config.json" in names and (WEIGHTS in names or not models_among(names)):
        return "keras"
    if models_among(names):
        return "zip"
    inside = ", ".join(map(repr, sorted(names)[:8])) + (", ..." if len(names) > 8 else "")
    raise ModelFileError(
        f"`model` file {str(file)!r} isn't a Keras model: it is a zip archive without a config.json, and no model is in it; it "
        f"holds {inside or 'nothing'}."
    )


def models_among(names: Sequence[str]) -> list[str]:
    """Return which files or folders in an archive may be models, by their names.

    Parameters
    ----------
    names : sequence of str
        Paths of its files.

    Returns
    -------
    list of str
        Files, and folders of SavedModels; a ``.json`` may describe a model of TensorFlow.js.
    """
    paths = [PurePosixPath(name) for name in names]
    paths = [path for path in paths if not any(part.startswith(("__MACOSX", "._")) for part in path.parts)]
    folders = [path.parent for path in paths if path.name == "saved_model.pb"]
    with_shards = {path.parent for path in paths if path.suffix == ".bin"}
    models = [
        path
        for path in paths
        if path.suffix.lower() in _MODELS
        or (path.suffix == ".json" and (path.name == MODEL_JSON or _may_be(path, with_shards)))
    ]
    models = [path for path in models if not any(folder in path.parents for folder in folders if folder.parts)]
    return list(dict.fromkeys(map(str, [*folders, *models])))


def _may_be(path: PurePosixPath, with_shards: Collection[PurePosixPath]) -> bool:
    return path.parent in with_shards and path.name not in ("metadata.json", "config.json")


_MODELS = frozenset({".keras", ".h5", ".hdf5", ".tflite", ".onnx"})
"""Endings of files that hold a model."""

_PYTORCH = "it is a PyTorch file. vizcnn explains Keras models; convert it to ONNX or to Keras first."


_JSON = re.compile(rb"(\xef\xbb\xbf)?\s*(\[\s*)?\{")


def _what(file: Path, head: bytes) -> str:
    if not head:
        return "it is empty."
    if head.startswith(b"version https://git-lfs"):
        size = re.search(rb"^size (\d+)", head, re.MULTILINE)
        whole = f" of {int(size[1]):,} bytes" if size else ""
        return f"it is the pointer that git-LFS left in place of the file{whole}. Run `git lfs pull`."
    if re.match(rb"(\xef\xbb\xbf)?\s*(<\?xml[^>]*>\s*)?<(!doctype|html)", head, re.IGNORECASE):
        return "it is a web page, as a failed download leaves it. Download it again."
    if _JSON.match(head):
        return _what_json(file, head)
    if not head.strip(b"\0"):
        return "it holds nothing but zeros, as an interrupted copy leaves it. Copy it again."
    known = what_else(file, head)
    if known is not None:
        return known
    return f"it begins with {head[:8]!r}, where a .keras file has {ZIP!r} and an HDF5 file {HDF5!r}."


def _kind_of_json(file: Path) -> str | None:
    try:
        if not stat.S_ISREG(file.stat().st_mode) or file.stat().st_size > LARGEST_CONFIG:
            return None
        return kind_of_json(file.read_bytes())
    except OSError:
        return None


def kind_of_json(text: bytes) -> str | None:
    """Return which model of TensorFlow.js a JSON file describes: "layers", "graph", or "weights" alone; None: none."""
    try:
        content = json.loads(text)
    except (ValueError, RecursionError):
        return None
    if isinstance(content, list):
        return "weights" if content and all(isinstance(group, dict) and "paths" in group for group in content) else None
    if not isinstance(content, dict) or not {"modelTopology", "weightsManifest"} & content.keys():
        return None
    topology = content.get("modelTopology")
    if content.get("format") == "graph-model" or (isinstance(topology, dict) and "node" in topology):
        return "graph"
    return "layers" if topology else "weights"


_OF_TFJS = {
    "graph": (
        "it is a graph model of TensorFlow.js, whose layers are gone. Use the model that it was converted from, or save that "
        "as a layers model (tensorflowjs_converter --output_format=tfjs_layers_model)."
    ),
    "weights": (
        "it is a manifest of TensorFlow.js's weights without the architecture. Name the model.json that holds both."
    ),
}
"""Files of TensorFlow.js that no model can be made of, and what to do."""


def _what_json(file: Path, head: bytes) -> str:
    kind = _kind_of_json(file)
    if kind in _OF_TFJS:
        return _OF_TFJS[kind]
    text = head.decode("utf-8", "replace")
    if '"modelTopology"' in text:
        return "it is a damaged model.json of TensorFlow.js. Copy it again."
    if '"class_name"' in text:
        return "it is an architecture without weights. Name the weights file, with this one as `architecture`."
    try:
        error = json.loads(text)
    except ValueError:
        return "it is a JSON file, but no architecture of a model."
    message = str(error.get("error") or error.get("message") or "") if isinstance(error, dict) else ""
    return f"it is a JSON file, but no architecture of a model{f'; it says {message[:100]!r}' if message else ''}."
