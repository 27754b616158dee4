"""What a Lambda in a description computes, by its code; which Python wrote that is found by trying."""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from vizcnn.adapter.loading.lambdas.instructions import VERSIONS
from vizcnn.adapter.loading.lambdas.machine import Reading, Unbound, Unreadable, read
from vizcnn.adapter.loading.lambdas.marshalled import LARGEST, Malformed, read_code
from vizcnn.adapter.loading.lambdas.program import INPUTS, MASK, Ref
from vizcnn.adapter.loading.nodes import Node, nodes


@dataclass(frozen=True)
class ReadLambda:
    """A Lambda of a description, and what was read of it.

    Attributes
    ----------
    node : Node
        Where it is.
    reading : Reading or None
        What it computes; None where that can't be read.
    mask : Reading or None
        What it makes of a mask; None where it ends there.
    why_not : str
        Why it can't be read, as in "it has a loop".
    """

    node: Node
    reading: Reading | None
    mask: Reading | None = None
    why_not: str = ""

    @property
    def name(self) -> str:
        """The name of the layer."""
        return str(self.node.value["config"].get("name") or self.node.value.get("name") or "lambda")

    @property
    def notes(self) -> tuple[str, ...]:
        """What the readers of the model's pictures should know of it."""
        if self.reading is None or not self.reading.draws:
            return ()
        return (
            f"Layer {self.name!r} of the file draws random numbers ({self.reading.text}); here they are their mean, so that "
            f"each run is the same.",
        )

    def replace(self) -> str:
        """Put a layer that computes the same in its place in the description, and return what it computes."""
        config, reading = self.node.value["config"], self.reading
        if reading is None:
            raise ValueError(f"{self.name} can't be read: {self.why_not}")
        kept = {key: config[key] for key in _KEPT if key in config}
        kept["program"], kept["text"] = reading.program.to_json(), reading.text
        kept["mask_program"] = None if self.mask is None else self.mask.program.to_json()
        self.node.value.update(class_name="LambdaExpression", config=kept)
        if "module" in self.node.value:
            self.node.value.update(module=None, registered_name="LambdaExpression")
        return f"{self.name}: {reading.text}"


_KEPT = ("name", "trainable", "dtype", "batch_input_shape", "batch_shape", "input_dtype")


def read_lambdas(config: Mapping[str, Any], version: str | None, known: Collection[str]) -> Iterator[ReadLambda]:
    """Read all Lambdas of a description that hold their code.

    Parameters
    ----------
    config : mapping
        The description.
    version : str or None
        The version of Keras that wrote it.
    known : collection of str
        Names of the user's own classes and functions: those that they replace aren't read.

    Yields
    ------
    ReadLambda
    """
    for node in nodes(config):
        own = node.value["config"]
        if node.class_name != "Lambda" or "Lambda" in known or not isinstance(own, Mapping):
            continue
        stored = _stored(own.get("function"))
        if stored is not None:
            yield _read(node, stored, version)


def _read(node: Node, stored: tuple[Any, Any, Any], version: str | None) -> ReadLambda:
    own = node.value["config"]
    try:
        reading = _read_function(*stored, own.get("arguments"), version)
        mask = own.get("mask")
        if mask is None:
            return ReadLambda(node, reading)
        kept = _stored(mask)
        if kept is None:
            raise Unreadable("its mask is a function that the file doesn't hold")
        return ReadLambda(node, reading, _read_function(*kept, None, version))
    except (Unreadable, Malformed) as error:
        return ReadLambda(node, None, why_not=str(error))


def _stored(function: Any) -> tuple[Any, Any, Any] | None:
    """Return code, defaults and closure of a function in a description; None where it is only named there."""
    if isinstance(function, Mapping) and function.get("class_name") == "__lambda__":
        function = function.get("config")
        if isinstance(function, Mapping) and "value" in function:
            function = function["value"]
    if isinstance(function, Mapping):
        return (function["code"], function.get("defaults"), function.get("closure")) if "code" in function else None
    if isinstance(function, list) and 1 <= len(function) <= 3 and isinstance(function[0], str):
        code, defaults, closure = [*function, None, None][:3]
        return code, defaults, closure
    return None


def _read_function(code: Any, defaults: Any, closure: Any, arguments: Any, version: str | None) -> Reading:
    data = _bytes(code)
    readings: dict[str, Reading] = {}
    why_not: Exception | None = None
    for python in VERSIONS:
        try:
            reading = _read_as(data, python, defaults, closure, arguments, version)
        except Malformed as error:
            why_not = why_not or error
        except Unreadable as error:  # code of this version, at least as far as it was read: that says more
            why_not = error if isinstance(why_not, Malformed | None) else why_not
        else:
            readings.setdefault(json.dumps(reading.program.to_json()), reading)
    if len(readings) > 1:
        raise Unreadable("it isn't known which version of Python its code is of, and it reads differently in several")
    if not readings:
        raise why_not or Malformed("it is no code of Python")
    return next(iter(readings.values()))


def _read_as(
    data: bytes, python: tuple[int, int], defaults: Any, closure: Any, arguments: Any, version: str | None
) -> Reading:
    code = read_code(data, python)
    parameters = code.variables[: code.num_parameters]
    if not code.num_positional:
        raise Unreadable("it takes no input")
    bound: dict[str, Any] = {name: Unbound(name) for name in parameters}
    values = [_plain(value) for value in defaults] if isinstance(defaults, list) else []
    positional = parameters[: code.num_positional]
    bound.update(zip(positional[len(positional) - min(len(values), len(positional)) :], values, strict=False))
    bound.update({"mask": Ref(MASK), "training": False} if "mask" in bound else {"training": False})
    if isinstance(arguments, Mapping):
        bound.update({name: _plain(value) for name, value in arguments.items() if name in bound})
    bound[parameters[0]] = Ref(INPUTS)
    around = [_plain(value) for value in closure] if isinstance(closure, list) else []
    free = dict(zip(code.free, around, strict=False))
    return read(code, python, bound, free, first_tensorflow=_is_of_first_tensorflow(version))


_NOT_BASE64 = re.compile(r"[^A-Za-z0-9+/=\s]")


def _bytes(code: Any) -> bytes:
    """Return marshalled code, which earlier versions of Keras wrote as a text of its bytes."""
    if not isinstance(code, str) or len(code) > 2 * LARGEST:
        raise Malformed("its code is no text, or a very long one")
    try:
        if _NOT_BASE64.search(code):
            return code.encode("raw_unicode_escape")
        return base64.b64decode(code)
    except ValueError as error:
        raise Malformed(f"its code is damaged ({error})") from error


def _plain(value: Any) -> Any:
    """Return a value of a description as Python had it: numbers, texts, lists and tuples of these."""
    if value is None or isinstance(value, bool | int | float | str):
        return value
    if isinstance(value, list):
        return [_plain(entry) for entry in value]
    if isinstance(value, Mapping):
        inner = value.get("config")
        if value.get("class_name") == "__tuple__" and "items" in value:
            return tuple(_plain(entry) for entry in value["items"])
        if value.get("type") == "ndarray" and "value" in value:
            return _plain(value["value"])
        if value.get("class_name") in ("__numpy__", "__tensor__") and isinstance(inner, Mapping):
            return _plain(inner.get("value"))
    return Unbound("an object")


def _is_of_first_tensorflow(version: str | None) -> bool:
    """Tell whether a file comes from the time before TensorFlow 2."""
    numbers = re.match(r"(\d+)\.(\d+)", version or "1.0")
    return (
        numbers is not None and tuple(map(int, numbers.groups())) < (2, 3) and not str(version).startswith("2.2.4-tf")
    )
