"""TensorFlow SavedModels, run by their signature, or by the function that stands for one."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf
from tensorflow.core.protobuf import saved_model_pb2

from vizcnn.adapter.arrays import Array
from vizcnn.adapter.blackbox import as_kind
from vizcnn.adapter.runtimes.graph_adapter import GraphSource
from vizcnn.adapter.runtimes.graph_check import Closure, constants, largest_constants, node_of, pruned, reaches_outside
from vizcnn.adapter.runtimes.graph_endings import last_activation
from vizcnn.adapter.runtimes.graph_inline import Folded, Unfolding
from vizcnn.adapter.runtimes.graph_model import GraphModel
from vizcnn.adapter.runtimes.saved_model_functions import with_signature
from vizcnn.errors import ModelFileError, UnsupportedModelError, listed
from vizcnn.text import natural_key

_SIGNATURES = ("serving_default", "default", "predict")
"""Names of signatures, the first that is there is run: TensorFlow's own, TF-Hub's, and an Estimator's."""


def open_saved_model(
    folder: Path, *, trusted: bool = False, fixed: Callable[[Mapping[str, Shape]], Mapping[str, Array]] | None = None
) -> GraphSource:
    """Open a SavedModel.

    Parameters
    ----------
    folder : Path
        The folder.
    trusted : bool, default False
        Run operations that read or write other files, too.
    fixed : callable, default None
        Takes the shapes of a model's several inputs, and returns the values that all but one are held at.

    Returns
    -------
    GraphSource

    Raises
    ------
    ModelFileError
        If it is damaged, has no signature or function for images, or reaches outside of itself.
    UnsupportedModelError
        If it takes several inputs, and none are held.
    """
    try:
        content = _read(folder)
        stored = saved_model_pb2.SavedModel.FromString(content)
        graphs = [meta for meta in stored.meta_graphs if "serve" in meta.meta_info_def.tags] or list(stored.meta_graphs)
        meta = graphs[0]
        if all(name.startswith("__") for name in meta.signature_def):
            meta = with_signature(meta, folder, _SIGNATURES[0])
    except ModelFileError:
        raise
    except Exception as error:
        raise ModelFileError(f"`model` {str(folder)!r} is a damaged SavedModel ({_line(error)}).") from error
    signature = _signature(meta, folder)
    # A file keeps them in no order.
    taken, returned = (sorted(of.items(), key=_by_name) for of in (signature.inputs, signature.outputs))
    shapes = {name: _shape(info) for name, info in taken}
    held = _held(folder, shapes, fixed)
    free = next(name for name in shapes if name not in held)
    input_info, shape = signature.inputs[free], shapes[free]
    if input_info.dtype == _TEXT:
        raise _takes(folder, "text, such as encoded images")
    fetched = [node_of(info.name) for _, info in (*taken, *returned)]
    restored = [node_of(meta.saver_def.restore_op_name)] if meta.HasField("saver_def") else []
    kept = Closure(meta.graph_def, fetched), Closure(meta.graph_def, restored)
    if not trusted:
        _check(kept, meta, folder)
    if sum(map(constants, kept)) > largest_constants(len(content)):
        raise ModelFileError(
            f"`model` {str(folder)!r} isn't opened: its constants unpack to more than its size explains."
        )
    unfolded = _unfolded(kept[0])
    rank = _rank(unfolded.nodes, len(shape))
    if len(shape) not in (rank + 1, rank + 2) or input_info.dtype not in _TYPES:
        raise _takes(folder, f"inputs of shape {shape}")
    try:
        session = _session(_in_the_open(pruned(meta, kept), kept, unfolded), folder)
        find = session.graph.get_tensor_by_name
        outputs = {name: find(unfolded.tensor(info.name)) for name, info in returned}
        inputs = {name: find(unfolded.tensor(info.name)) for name, info in taken}
        fed = {inputs[name]: value for name, value in held.items()}
        model = GraphModel(session, inputs[free], outputs, fed, rank=rank)
    except Exception as error:
        raise ModelFileError(f"`model` {str(folder)!r} can't be run by TensorFlow: {_line(error)}") from error
    lacks_channels = len(shape) == rank + 1

    def as_fed(batch: Array) -> Array:
        return as_kind(batch[..., 0] if lacks_channels else batch, _TYPES[input_info.dtype])

    def run(batch: Array) -> Any:
        return session.run(outputs, {inputs[free]: as_fed(batch), **model.held(len(batch))})

    sample = (*shape[1:], *([1] if lacks_channels else []))
    found_endings = {name: last_activation((info.name, ()), kept[0].made_by) for name, info in returned}
    endings = {name: ending for name, ending in found_endings.items() if ending is not None}
    return GraphSource(run, sample, "SavedModel", shape[0], endings=endings, model=model, as_fed=as_fed, held=held)


Shape = tuple[int | None, ...]

_TYPES = {1: np.float32, 2: np.float64, 4: np.uint8, 19: np.float16}
"""TensorFlow's numbers of the types that images come in."""

_TEXT = 7
"""TensorFlow's number of the type of text."""


def _takes(folder: Path, what: str) -> ModelFileError:
    return ModelFileError(f"`model` {str(folder)!r} takes {what}; vizcnn explains models of images.")


def _by_name(entry: tuple[str, Any]) -> Any:
    return natural_key(entry[0])


def _signature(meta: Any, folder: Path) -> Any:
    """Return the signature that a model is run by."""
    names = [name for name in meta.signature_def if not name.startswith("__")]
    name = next((name for name in _SIGNATURES if name in names), names[0] if len(names) == 1 else None)
    if name is None or not meta.signature_def[name].inputs or not meta.signature_def[name].outputs:
        raise ModelFileError(
            f"`model` {str(folder)!r} has no signature {_SIGNATURES[0]!r}, by which it could be run (its signatures: "
            f"{', '.join(names) or 'none'}). Export it with one: model.export(folder)."
        )
    return meta.signature_def[name]


def _shape(info: Any) -> Shape:
    return tuple(None if size.size < 0 else int(size.size) for size in info.tensor_shape.dim)


def _held(
    folder: Path, shapes: Mapping[str, Shape], fixed: Callable[[Mapping[str, Shape]], Mapping[str, Array]] | None
) -> Mapping[str, Array]:
    if fixed is not None:
        return fixed({name: shape[1:] for name, shape in shapes.items()})
    if len(shapes) > 1:
        others = ", ".join(f"{name!r}: ..." for name in list(shapes)[1:])
        raise UnsupportedModelError(
            f"Model {folder.name!r} takes {len(shapes)} inputs, {listed(shapes)}; one is explained at a time, with the others "
            f"held fixed: vizcnn.adapt(model, fixed_inputs={{{others}}}), each an array of one sample or an image file (--fixed "
            f"NAME=VALUE on the command line)."
        )
    return {}


def _unfolded(closure: Closure) -> Unfolding | Folded:
    """Return the operations without calls; with them, where they can't be told: then the graph runs, and shows less."""
    try:
        return Unfolding(closure)
    except (AttributeError, IndexError, KeyError, ValueError, RecursionError):
        return Folded(closure)


def _rank(nodes: Sequence[Any], num_axes: int) -> int:
    """Return how many axes a map has: 3 in a model of volumes, 1 of signals, whose convolutions TensorFlow runs in two."""
    kinds = {node.name: node.op for node in nodes}
    if kinds.keys() and {"Conv3D", "Conv3DBackpropInputV2"} & set(kinds.values()):
        return 3
    convolved = [kinds.get(node_of(node.input[0])) for node in nodes if node.op == "Conv2D"]
    is_signal = bool(convolved) and num_axes == 3 and set(convolved) <= {"ExpandDims", "SpaceToBatchND"}
    return 1 if is_signal else 2


def _in_the_open(meta: Any, kept: Sequence[Closure], unfolded: Unfolding | Folded) -> Any:
    """Put the operations of what is run in the place of calls; what restores the variables stays as it is."""
    running, restoring = kept
    restored = [node for name, node in restoring.main.items() if name not in running.main]
    meta.graph_def.ClearField("node")
    meta.graph_def.node.extend([*unfolded.nodes, *restored])
    return meta


def _session(meta: Any, folder: Path) -> Any:
    # Not tf.saved_model.load: it builds the objects of the training, too, and fails on those of other versions.
    graph = tf.Graph()
    with graph.as_default():
        session = tf.compat.v1.Session(graph=graph)
        saver = tf.compat.v1.train.import_meta_graph(meta)
        if saver is not None:
            saver.restore(session, str(folder / "variables" / "variables"))
    return session


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
