"""TensorFlow SavedModels, run by their signature."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf
from tensorflow.core.protobuf import saved_model_pb2

from vizcnn.adapter.blackbox import Source, as_kind
from vizcnn.adapter.runtimes.graph_check import Closure, constants, largest_constants, node_of, pruned, reaches_outside
from vizcnn.adapter.runtimes.graph_endings import last_activation
from vizcnn.errors import ModelFileError

_SIGNATURE = "serving_default"


def open_saved_model(folder: Path, *, trusted: bool = False) -> Source:
    """Open a SavedModel.

    Parameters
    ----------
    folder : Path
        The folder.
    trusted : bool, default False
        Run operations that read or write other files, too.

    Returns
    -------
    Source

    Raises
    ------
    ModelFileError
        If it is damaged, has no signature for one image, or reaches outside of itself.
    """
    try:
        content = _read(folder)
        stored = saved_model_pb2.SavedModel.FromString(content)
        graphs = [meta for meta in stored.meta_graphs if "serve" in meta.meta_info_def.tags] or list(stored.meta_graphs)
        meta = graphs[0]
    except ModelFileError:
        raise
    except Exception as error:
        raise ModelFileError(f"`model` {str(folder)!r} is a damaged SavedModel ({_line(error)}).") from error
    signature = meta.signature_def.get(_SIGNATURE) if _SIGNATURE in meta.signature_def else None
    if signature is None or len(signature.inputs) != 1:
        names = [name for name in meta.signature_def if not name.startswith("__")]
        raise ModelFileError(
            f"`model` {str(folder)!r} has no signature {_SIGNATURE!r} of one input, by which it could be run (its signatures: "
            f"{', '.join(names) or 'none'})."
        )
    (input_info,) = signature.inputs.values()
    shape = tuple(None if size.size < 0 else int(size.size) for size in input_info.tensor_shape.dim)
    if len(shape) not in (3, 4) or input_info.dtype not in _TYPES:
        raise ModelFileError(
            f"`model` {str(folder)!r} takes inputs of shape {shape}; vizcnn explains models of images."
        )
    fetched = [node_of(info.name) for info in (input_info, *signature.outputs.values())]
    restored = [node_of(meta.saver_def.restore_op_name)] if meta.HasField("saver_def") else []
    kept = Closure(meta.graph_def, fetched), Closure(meta.graph_def, restored)
    if not trusted:
        _check(kept, meta, folder)
    if sum(map(constants, kept)) > largest_constants(len(content)):
        raise ModelFileError(
            f"`model` {str(folder)!r} isn't opened: its constants unpack to more than its size explains."
        )
    try:
        session, fetches = _session(pruned(meta, kept), folder, dict(signature.outputs))
    except Exception as error:
        raise ModelFileError(f"`model` {str(folder)!r} can't be run by TensorFlow: {_line(error)}") from error
    lock = threading.Lock()

    def run(batch: np.ndarray) -> Any:
        rows = batch[..., 0] if len(shape) == 3 else batch
        with lock:
            return session.run(fetches, {input_info.name: as_kind(rows, _TYPES[input_info.dtype])})

    sample = (*shape[1:], *([1] if len(shape) == 3 else []))
    found_endings = {
        name: last_activation((info.name, ()), kept[0].made_by) for name, info in signature.outputs.items()
    }
    endings = {name: ending for name, ending in found_endings.items() if ending is not None}
    return Source(run, sample, "SavedModel", shape[0], endings=endings)


_TYPES = {1: np.float32, 2: np.float64, 4: np.uint8, 19: np.float16}
"""TensorFlow's numbers of the types that images come in."""


def _session(meta: Any, folder: Path, outputs: dict[str, Any]) -> tuple[Any, dict[str, Any]]:
    # Not tf.saved_model.load: it builds the objects of the training, too, and fails on those of other versions.
    graph = tf.Graph()
    with graph.as_default():
        session = tf.compat.v1.Session(graph=graph)
        saver = tf.compat.v1.train.import_meta_graph(meta)
        if saver is not None:
            saver.restore(session, str(folder / "variables" / "variables"))
        fetches = {name: graph.get_tensor_by_name(info.name) for name, info in outputs.items()}
    return session, fetches


def _check(kept: Sequence[Closure], meta: Any, folder: Path) -> None:
    """Refuse what could reach outside of the model, when it runs or when its variables are restored."""
    running, restoring = kept
    outside = reaches_outside(running) + reaches_outside(restoring, node_of(meta.saver_def.filename_tensor_name))
    if outside:
        raise ModelFileError(
            f"`model` {str(folder)!r} isn't opened: it may reach outside of itself by {', '.join(dict.fromkeys(outside))}. If "
            f"you trust whoever made it, pass safe_mode=False to vizcnn.adapt, or --trusted on the command line."
        )


def _read(folder: Path) -> bytes:
    """Return the graph's bytes, where it and the variables are files."""
    file = folder / "saved_model.pb"
    for part in (file, *(folder / "variables").glob("*")):
        if not part.is_file():
            raise ModelFileError(
                f"`model` {str(folder)!r} isn't opened: its {part.name!r} is a folder, a pipe or a device, and no file."
            )
    return file.read_bytes()


def _line(error: Exception) -> str:
    text = str(error).strip().splitlines()
    return f"{type(error).__name__}: {text[0][:200] if text else ''}"
