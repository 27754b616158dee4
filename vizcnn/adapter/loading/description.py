"""What in the description of a model may not be built: strange classes, and code."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Mapping
from typing import TYPE_CHECKING, Any

from vizcnn.adapter.loading import functions
from vizcnn.adapter.loading.allowed import CODE, is_function, is_unloaded, objects_called, why_not_class
from vizcnn.adapter.loading.nodes import Node, nodes
from vizcnn.adapter.loading.operators import operation_of
from vizcnn.errors import ModelFileError

if TYPE_CHECKING:
    from vizcnn.adapter.loading.lambdas import ReadLambda

_KERAS = (
    "keras",
    "tf_keras",
    "tensorflow.keras",
    "tensorflow.python.keras",
    "tensorflow.python.framework",
    "builtins",
    "tensorflow.python.ops.init_ops_v2",
)


def strip_compile_config(config: dict[str, Any]) -> bool:
    """Take out, in place, how a model and those inside it were compiled: Keras would build and run it, and it isn't needed.

    Parameters
    ----------
    config : dict
        The description.

    Returns
    -------
    bool
        Whether a model inside another had one; that of the whole model Keras leaves alone by itself.
    """
    config.pop("compile_config", None)
    stripped = [node.value.pop("compile_config", None) for node in list(nodes(config))]
    return any(value is not None for value in stripped)


def check(
    config: Mapping[str, Any],
    known: Collection[str],
    file: str,
    *,
    trusted: bool,
    lambdas: Iterable[ReadLambda] = (),
) -> None:
    """Refuse a description that needs classes which aren't known, or would reach outside of the model.

    Parameters
    ----------
    config : mapping
        The description.
    known : collection of str
        Names of classes and functions that the user passed.
    file : str
        What to call the file.
    trusted : bool
        Whether code that is stored in it may be run, and other files opened.
    lambdas : iterable of ReadLambda, default ()
        What was read of Lambdas in it: nothing of them is run.

    Raises
    ------
    ModelFileError
        If so; the text names class and place.
    """
    read = {id(inner.value) for one in lambdas if one.reading for inner in nodes(one.node.value)}
    unread = {id(one.node.value): one.why_not for one in lambdas if not one.reading}
    for node in nodes(config):
        if id(node.value) in read:
            continue
        name, registered = node.class_name, str(node.value.get("registered_name") or "")
        function = node.value["config"] if name == "function" else None
        if name in known or (isinstance(function, str) and function in known):
            continue
        objects = objects_called(name, node.module)
        if name != "function" and not objects and {registered, registered.rpartition(">")[2]} & set(known):
            continue
        if not trusted:
            _check_harmless(node, objects, known, file, unread.get(id(node.value)))
        if functions.layer_of_applications(name) and _is_keras(node.module):
            continue
        if not _is_keras(node.module) or registered.partition(">")[1]:
            raise ModelFileError(_missing(node, registered or name, file))
        if name in _MARKS or name == "function" or objects or name in _REMOVED_CLASSES or operation_of(node):
            continue
        if node.module.startswith("keras.") and not registered.partition(">")[1]:
            raise ModelFileError(_of_another_version(node, file))
        if "module" not in node.value or node.module.startswith("keras"):
            raise ModelFileError(_missing(node, registered or name, file))


def _check_harmless(
    node: Node, objects: Collection[Any], known: Collection[str], file: str, unread: str | None
) -> None:
    config = node.value["config"]
    why = CODE.get(node.class_name) or next(filter(None, map(why_not_class, objects)), None)
    if node.class_name == "Lambda" and isinstance(config, Mapping):
        function = config.get("function")
        named = function.get("config") if isinstance(function, Mapping) else function
        why = None if isinstance(named, str) and named in known else why
    if unread is not None:
        why = f"{why}, which can't be read as arithmetic: {unread}"
    if node.class_name == "function" and not is_function(config, node.module):
        why = f"names the function {config!r} of {node.module!r}, which has no place in a model"
    elif is_unloaded(node.module):
        why = f"imports the module {node.module!r}, which has no place in a model"
    if isinstance(config, Mapping) and isinstance(config.get("vocabulary"), str):
        why = f"opens another file, {config['vocabulary']!r}"
    if node.class_name in ("__numpy__", "__tensor__") and isinstance(config, Mapping):
        kind = str(config.get("dtype"))
        why = None if _NUMBERS.fullmatch(kind) else f"holds an array of {kind!r}, which are no numbers"
    if why:
        what = f"{node.place!r} ({node.class_name})" if node.place else node.class_name
        raise ModelFileError(
            f"`model` file {file!r} isn't opened: {what} {why}. If you trust whoever made the file, pass safe_mode=False to "
            f"vizcnn.adapt, or --trusted on the command line."
        )


def _missing(node: Node, registered: str, file: str) -> str:
    also = f", registered as {registered!r}," if registered != node.class_name else ""
    home = "" if _is_keras(node.module) else f" It was defined in the module {node.module!r}."
    if node.module.partition(".")[0] == "keras_hub":  # which no file may have imported by itself
        return (
            f"`model` file {file!r} can't be loaded: {node.place or 'the model'!r} is a {node.class_name!r} of KerasHub, which "
            f"isn't imported. In Python, import keras_hub first; on the command line give --custom-objects FILE.py, with "
            f"'from keras_hub.models import *'."
        )
    return (
        f"`model` file {file!r} can't be loaded: {node.place or 'the model'!r} is a {node.class_name!r}{also} which isn't part "
        f"of Keras.{home} Pass it: vizcnn.adapt(path, custom_objects={{{node.class_name!r}: {node.class_name}}}), or on the "
        f"command line --custom-objects FILE.py, a file that defines it."
    )


def _of_another_version(node: Node, file: str) -> str:
    import keras

    return (
        f"`model` file {file!r} can't be loaded: {node.place or 'the model'!r} is a {node.class_name!r} of {node.module!r}, "
        f"which Keras {keras.__version__} doesn't have; the file comes from another version. Install the one that wrote it "
        f"(pip install -U keras for the newest)."
    )


def _is_keras(module: str) -> bool:
    return any(module == home or module.startswith(f"{home}.") for home in _KERAS)


_NUMBERS = re.compile(r"bool|b?float\d+\w*|u?int\d+|complex\d+")

# How Keras writes values that JSON doesn't know; they are no classes.
_MARKS = frozenset({"__keras_tensor__", "__tuple__", "__numpy__", "__tensor__", "__ellipsis__", "__slice__", "__bytes__",
                    "__dict__", "__list__", "__set__", "__lambda__", "__complex__", "__np_dtype__", "dtype",
                    "str", "int", "float", "bool", "TensorShape", "CompileConfig"})  # fmt: skip


_REMOVED_CLASSES = frozenset({"BatchNormalizationV1", "BatchNormalizationV2", "Functional", "Model", "Operation",
                   "Policy", "PolicyV1", "SlicingOpLambda", "Swish", "SyncBatchNormalization", "TFOpLambda",
                   "TensorFlowOpLayer", "RandomHeight", "RandomWidth",
                   *functions.LAYERS_OF_APPLICATIONS, *functions.GONE_LAYERS})  # fmt: skip
"""Classes of Keras that have another name or place now, or none; `repairs` knows what becomes of them."""
