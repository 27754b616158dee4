"""What a file is: the content decides, not the name."""

from __future__ import annotations

import json
import re
import stat
from pathlib import Path

from vizcnn.adapter.loading.archive import read_entries
from vizcnn.adapter.loading.others import folder_of, is_core_ml, part_of_saved_model, what_else
from vizcnn.adapter.runtimes import kind_by_runtime
from vizcnn.errors import ModelFileError

HDF5 = b"\x89HDF\r\n\x1a\n"
ZIP = b"PK\x03\x04"

_HEAD = 4096


def kind_of(file: Path) -> str:
    """Return what a file holds.

    Parameters
    ----------
    file : Path
        A file, or the folder of a SavedModel.

    Returns
    -------
    str
        "keras", "hdf5" (a whole model or weights alone), or the kind of one of `vizcnn.adapter.runtimes`.

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
        _check_zip(file)
        return "keras"
    part = part_of_saved_model(file, head)
    kind = None if part is not None or is_core_ml(head) else kind_by_runtime(file, head)
    if kind is not None:
        return kind
    raise ModelFileError(f"`model` file {str(file)!r} isn't a Keras model: {part or _what(file, head)}")


def _folder(file: Path) -> str:
    kind = kind_by_runtime(file, b"")
    if kind is not None:
        return kind
    raise ModelFileError(f"`model` {str(file)!r} is a folder that isn't a TensorFlow SavedModel: {folder_of(file)}")


def _check_zip(file: Path) -> None:
    names = {entry.filename for entry in read_entries(file)}
    if any(name.endswith(("/data.pkl", "/version")) for name in names):
        raise ModelFileError(f"`model` file {str(file)!r} isn't a Keras model: {_PYTORCH}")
    if any(name.endswith("saved_model.pb") for name in names):
        raise ModelFileError(
            f"`model` file {str(file)!r} is a zip archive with a TensorFlow SavedModel inside. Unpack it, and name the folder."
        )
    inside = sorted(name for name in names if name.endswith((".keras", ".h5", ".hdf5")) and name != "model.weights.h5")
    if "config.json" not in names:
        remedy = f" Unpack it, and name {inside[0]!r}." if inside else ""
        raise ModelFileError(
            f"`model` file {str(file)!r} isn't a Keras model: it is a zip archive without a config.json.{remedy}"
        )


_PYTORCH = "it is a PyTorch file. vizcnn explains Keras models; convert it to ONNX or to Keras first."


def _what(file: Path, head: bytes) -> str:
    if not head:
        return "it is empty."
    if head.startswith(b"version https://git-lfs"):
        size = re.search(rb"^size (\d+)", head, re.MULTILINE)
        whole = f" of {int(size[1]):,} bytes" if size else ""
        return f"it is the pointer that git-LFS left in place of the file{whole}. Run `git lfs pull`."
    if re.match(rb"(\xef\xbb\xbf)?\s*(<\?xml[^>]*>\s*)?<(!doctype|html)", head, re.IGNORECASE):
        return "it is a web page, as a failed download leaves it. Download it again."
    if re.match(rb"\s*\{", head):
        return _what_json(head)
    if not head.strip(b"\0"):
        return "it holds nothing but zeros, as an interrupted copy leaves it. Copy it again."
    known = what_else(file, head)
    if known is not None:
        return known
    return f"it begins with {head[:8]!r}, where a .keras file has {ZIP!r} and an HDF5 file {HDF5!r}."


def _what_json(head: bytes) -> str:
    text = head.decode("utf-8", "replace")
    if '"modelTopology"' in text:
        return "it is a TensorFlow.js model. Convert it to ONNX or to Keras first."
    if '"class_name"' in text:
        return "it is an architecture without weights. Name the weights file, with this one as `architecture`."
    try:
        error = json.loads(text)
    except ValueError:
        return "it is a JSON file, but no architecture of a model."
    message = str(error.get("error") or error.get("message") or "") if isinstance(error, dict) else ""
    return f"it is a JSON file, but no architecture of a model{f'; it says {message[:100]!r}' if message else ''}."
