"""Files of other frameworks, and other files, that are given for a model: what each is, and what to give instead."""

from __future__ import annotations

import re
from pathlib import Path

_CONVERT = "Convert it to ONNX or to Keras first."
_SAVE = "Save a SavedModel or a .keras file."
_UNPACK = "Unpack it first."

_BY_CONTENT: tuple[tuple[bytes, str], ...] = (
    (rb"\x80[\x02-\x05].{0,4000}torch", f"it is a PyTorch file. vizcnn explains Keras models. {_CONVERT}"),
    (rb"\x80[\x02-\x05]", "it is a Python pickle, which is never opened: reading one runs what is in it."),
    (rb".{8}\{\s*\"", "it is a safetensors file: weights without the architecture. Load them in Python, and pass the model."),
    (rb"\x93NUMPY", "it is a NumPy array. Load weights in Python, and pass the model."),
    (rb"\x1f\x8b", f"it is gzipped. {_UNPACK}"),
    (rb"BZh|\xfd7zXZ\0|7z\xbc\xaf|Rar!", f"it is packed. {_UNPACK}"),
    (rb".{257}ustar", f"it is a tar archive. {_UNPACK}"),
    (rb"\x89PNG|\xff\xd8\xff|GIF8|RIFF....WEBP|BM.{4}\0\0\0\0", "it is an image. The model comes first, then the images."),
    (rb"\0{4}[\x01\x02]\0{3}.\0{3}", f"it holds weights of Darknet. {_CONVERT}"),
    (rb"\s*(#[^\n]*\n\s*)*\[net(work)?\]", f"it is a configuration of Darknet, without weights. {_CONVERT}"),
    (rb"\s*(<\?xml[^>]*>\s*)?<net\b", f"it is the description of an OpenVINO model. {_CONVERT}"),
    (rb"\s*(#[^\n]*\n\s*)*item\s*\{", "it is a label map, the names of classes; `labels` takes them as a list or a text file."),
    (rb"\s*(#[^\n]*\n\s*)*(node|graph_def|meta_graphs?)\s*\{", f"it is a TensorFlow graph as text. {_SAVE}"),
    (rb"\s*(#[^\n]*\n\s*)*(name:[^\n]*\n\s*)?(input|layers?)\s*[:{]", f"it is a description of a Caffe network. {_CONVERT}"),
    (rb"\s*model_checkpoint_path:", "it says which TensorFlow checkpoint is the last one. Save the whole model."),
    (rb"\x0a[\x80-\xff]*.\x0a[\x01-\x7f][\w./:-]+\x12[\x01-\x7f]\w+", f"it is a frozen TensorFlow graph. {_SAVE}"),
    (rb"\s*(#!|\"\"\"|import |from \w+ import )", "it is Python source. Run it, save the model as a .keras file, and name that."),
)  # fmt: skip

_BY_NAME: tuple[tuple[str, str], ...] = (
    (r"\.caffemodel$", f"it holds weights of Caffe. {_CONVERT}"),
    (r"\.(mlmodel|mlpackage)$", f"it is a Core ML model. {_CONVERT}"),
    (r"\.(index|data-\d+-of-\d+|ckpt|meta)$", "it is a part of a TensorFlow checkpoint, weights without the architecture. Load "
     "them into the model in Python, and pass the model or save it as a .keras file."),
    (r"\.(engine|plan|trt)$", f"it is a TensorRT engine, which no other machine runs. {_CONVERT}"),
    (r"\.(pt|pth|ckpt)$", f"it is a PyTorch file. vizcnn explains Keras models. {_CONVERT}"),
)  # fmt: skip

_SAVED_MODEL = re.compile(rb"\x08\x01\x12[\x80-\xff]*[\0-\x7f]\x0a", re.DOTALL)
_CORE_ML = re.compile(rb"\x08[\x01-\x20]\x12[\x80-\xff]*[\0-\x7f]\x0a", re.DOTALL)


def part_of_saved_model(file: Path, head: bytes) -> str | None:
    """Return what a file is that belongs to a TensorFlow SavedModel, with the folder to name; None where it doesn't."""
    folder = next((place for place in (file.parent, file.parent.parent) if (place / "saved_model.pb").is_file()), None)
    is_part = file.name in ("keras_metadata.pb", "fingerprint.pb") or file.name.startswith("variables")
    if _SAVED_MODEL.match(head) or file.name == "saved_model.pb" or (is_part and folder is not None):
        return f"it is a part of a TensorFlow SavedModel. Name the folder, {str(folder or file.parent)!r}."
    return None


def is_core_ml(head: bytes) -> bool:
    """Tell whether this begins like a model of Core ML, which begins much like one of ONNX."""
    return bool(_CORE_ML.match(head))


def what_else(file: Path, head: bytes) -> str | None:
    """Return what a file is that isn't a model of Keras, and what to do; None where that isn't known."""
    if is_core_ml(head):
        return _BY_NAME[1][1]
    by_content = (text for pattern, text in _BY_CONTENT if re.match(pattern, head, re.DOTALL))
    by_name = (text for pattern, text in _BY_NAME if re.search(pattern, file.name, re.IGNORECASE))
    return next(by_content, None) or next(by_name, None)


def folder_of(file: Path) -> str:
    """Return what a folder holds that is no model, and what to name instead."""
    if (file.parent / "saved_model.pb").is_file():
        return f"it is a part of one. Name the folder {str(file.parent)!r}."
    models = sorted(
        path.name for path in file.iterdir() if path.suffix in (".keras", ".h5", ".hdf5", ".tflite", ".onnx")
    )
    if models:
        return f"it holds no saved_model.pb. Name the file, such as {models[0]!r}."
    if any(file.glob("*.index")):
        return "it holds a TensorFlow checkpoint, weights without the architecture. Load them in Python, and pass the model."
    described = file / "model.json"
    if described.is_file() or (file / "config.json").is_file():
        name = "model.json" if described.is_file() else "config.json"
        return f"it holds {name}, but no saved_model.pb. Name the .keras or HDF5 file itself."
    return "it holds no saved_model.pb. Name the .keras or HDF5 file itself."
