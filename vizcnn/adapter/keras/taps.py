"""Read or replace what happens inside a model while it runs; undone on leaving the `with` block.

A layer instance gets its own `call`, and an activation function its own wrapper in the module that holds it, for as long
as the block lasts. No graph is rebuilt, so this holds for Sequential, Functional, nested, shared and subclassed models and
for `keras.ops` nodes alike. Only the thread that opened the block is tapped: others pass through to the original.

A function of the model's own that the framework would trace and keep (`tf.function`), or run again for its gradient (`remat`),
is run by its Python function instead: what is traced in a block must not outlive it.

Long, for all that is replaced in a run is put in place and taken off by one class.
"""

from __future__ import annotations

import importlib
import inspect
import sys
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from contextlib import ExitStack
from dataclasses import dataclass, field
from functools import wraps
from types import TracebackType
from typing import Any, Self

import keras
from keras.src.random.seed_generator import SeedGenerator

from vizcnn.adapter.keras.attention_steps import attention_in_steps
from vizcnn.adapter.keras.backends import current
from vizcnn.adapter.keras.backends.base import Detour
from vizcnn.adapter.keras.block import Block
from vizcnn.adapter.keras.calls import Activation, Call
from vizcnn.adapter.keras.endings import Ending, begin, follow
from vizcnn.adapter.keras.frames import Frames, all_at_once, is_frame_by_frame
from vizcnn.adapter.keras.functions import activation_functions, followed_functions
from vizcnn.adapter.keras.rules import acts_on, with_rule


class StopForward(BaseException):
    """Ends a run after the last layer asked for. A BaseException: what a model catches is Exception."""


@dataclass
class Taps:
    """The record of one run of a model, and what is replaced during it.

    Parameters
    ----------
    operations : mapping
        Paths to the layers and `keras.ops` nodes that are tapped.
    rule : str, default "vanilla"
        The gradient rule that ReLU gets: "guided", "relu", or "redirected_relu" for gradient ascent.
    stop_after : collection of str, default ()
        The run ends by `StopForward` as soon as all of these paths have been called.
    overrides : mapping, default {}
        Paths, or ``path[1]`` for a second call, to what takes the place of what the layer returns, a tensor or several; or to
        functions of the taps and of that, which return it.
    stop_before : callable, default None
        Takes a layer and the tensors that it is called on, and tells whether the run ends there by `StopForward`.
    copy_identity : bool, default False
        A layer that returns what it was given (dropout, outside of training) returns a copy, so that the two can be told apart.
    stand_in : callable, default None
        Takes a layer, the tensors it was called on and what it returned, and returns what takes the place of that.
    channels_first : int, default 0
        How many axes the tensors have that keep their channels before rows and columns; 0: none has.
    past_casts : bool, default False
        A number that is cast to an integer and back hands its gradient on, as if it had stayed what it was.
    plain_attention : bool, default False
        Attention that is computed in one go, as by flash attention, is computed step by step, so that its softmax is seen.
    generators : list, default []
        Where Keras's seed generators that are asked for a seed are written to.
    before_activation : collection of str, default ()
        Paths of layers with an `activation` of their own of which the tensor before it is kept.
    """

    operations: Mapping[str, Any]
    rule: str = "vanilla"
    stop_after: frozenset[str] = frozenset()
    overrides: Mapping[str, Any] = field(default_factory=dict)
    stop_before: Callable[[Any, tuple[Any, ...]], bool] | None = None
    copy_identity: bool = False
    stand_in: Callable[[Any, tuple[Any, ...], Any], Any] | None = None
    channels_first: int = 0
    past_casts: bool = False
    plain_attention: bool = False
    generators: list[Any] = field(default_factory=list)
    before_activation: frozenset[str] = frozenset()
    calls: list[Call] = field(default_factory=list)
    activations: list[Activation] = field(default_factory=list)
    _cast: dict[int, tuple[Any, Any]] = field(default_factory=dict)
    _endings: dict[int, Ending] = field(default_factory=dict)
    _counts: Counter[str] = field(default_factory=Counter)
    _stack: list[str] = field(default_factory=list)
    _before: dict[str, Any] = field(default_factory=dict)
    _inside: bool = False
    _hidden: str = ""
    _paused: bool = False
    _frames: Frames = field(init=False)
    _block: Block = field(default_factory=Block)
    _traces: ExitStack = field(default_factory=ExitStack)

    def __post_init__(self) -> None:
        self._frames = Frames(self._endings)

    def __enter__(self) -> Self:
        try:
            self._block.open(sys._getframe(1))
            self._replace_all()
            self._traces.enter_context(current().apart_from_other_traces())
            return self
        except BaseException:
            self._close()
            raise

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> bool:
        try:
            self._close()
        finally:
            self._block.close()  # whatever interrupted the first time
        return kind is not None and issubclass(kind, StopForward)

    def _close(self) -> None:
        try:
            self._traces.close()
        finally:
            self._block.close()

    def _replace_all(self) -> None:
        change, backend = self._block.change, current()
        wrappers = {}
        for owner, attribute, name in activation_functions():
            original = getattr(owner, attribute)
            wrappers[id(original)] = self._tapped_activation(name, original)
            change(owner, attribute, wrappers[id(original)])
        for owner, name in followed_functions():
            change(owner, name, self._followed(name, getattr(owner, name)))
        for owner, attribute in backend.layout_functions():
            change(owner, attribute, _channels_last(getattr(owner, attribute)))
        for lean in backend.lean_functions():
            original = getattr(lean.owner, lean.name)
            change(lean.owner, lean.name, lean.function if lean.for_all else self._in_this_run(lean.function, original))
        if self.past_casts:
            for owner, attribute in backend.casts():
                change(owner, attribute, self._passed_over(getattr(owner, attribute)))
        if self.plain_attention:
            nn = importlib.import_module(f"keras.src.backend.{backend.name}.nn")
            change(nn, "dot_product_attention", self._in_steps(nn.dot_product_attention))
        change(SeedGenerator, "next", self._noted_seed(SeedGenerator.next))
        for detour in (*_KERAS_DETOURS, *backend.detours()):
            change(detour.owner, detour.name, self._past(detour, getattr(detour.owner, detour.name)))
        for path, operation in self.operations.items():
            method = "quantized_call" if getattr(operation, "quantization_mode", None) else "call"
            original = getattr(operation, method)
            if is_frame_by_frame(operation):
                original = all_at_once(operation, self._frames)
            change(operation, method, self._tapped_call(path, operation, original))
            # A layer that was given the framework's own function holds it itself, where no module's wrapper reaches.
            wrapper = wrappers.get(id(vars(operation).get("activation")))
            if path in self.before_activation and operation.activation not in (None, keras.activations.linear):
                wrapper = self._noted_activation(path, wrapper or operation.activation)
            if wrapper is not None:
                change(operation, "activation", wrapper)

    def _is_here(self) -> bool:
        return not self._paused and self._block.is_here()

    def _tapped_call(self, path: str, operation: Any, original: Callable[..., Any]) -> Callable[..., Any]:
        @wraps(original, updated=())
        def call(*args: Any, **kwargs: Any) -> Any:
            if not self._is_here():
                return original(*args, **kwargs)
            inputs = _tensors(args, kwargs)
            if self.stop_before is not None and self.stop_before(operation, inputs):
                raise StopForward
            opaque = type(operation).__name__ in _OPAQUE and not self._inside
            self._stack.append(path)
            self._inside |= opaque
            try:
                output = original(*args, **kwargs)
            finally:
                self._stack.pop()
                self._inside &= not opaque
            if self.stand_in is not None:
                output = self.stand_in(operation, inputs, output)
            if self.copy_identity:
                known = {id(tensor) for tensor in inputs}
                output = keras.tree.map_structure(lambda t: self._copy(t) if id(t) in known else t, output)
            output = self._frames.unfolded(output)
            index = self._counts[path]
            override = self.overrides.get(f"{path}[{index}]" if index else path)
            if override is not None:
                override = override(self, output) if callable(override) else override
                output = keras.tree.map_structure(_in_place_of, override, output)
            if opaque:
                self._add(type(operation).__name__, False, output)
            self._end_of_layer(operation, args, output)
            inputs, before = self._frames.unfolded(inputs), self._before.pop(path, None)
            self.calls.append(Call(path, index, operation, output, inputs, (args, kwargs), before))
            self._counts[path] += 1
            if self.stop_after and self.stop_after <= self._counts.keys():
                raise StopForward
            return self._frames.folded(output)

        return call

    def _tapped_activation(self, name: str, original: Callable[..., Any]) -> Callable[..., Any]:
        @wraps(original)
        def activation(*args: Any, **kwargs: Any) -> Any:
            # One activation is often written by others (silu by sigmoid, the ReLU layer by relu): the outermost counts.
            if self._inside or not self._is_here():
                return original(*args, **kwargs)
            self._inside = True
            try:
                replace = not self._hidden and acts_on(self.rule, name, args, kwargs)
                output = with_rule(self.rule, original, args, kwargs) if replace else original(*args, **kwargs)
            finally:
                self._inside = False
            if args and len(getattr(output, "shape", ())):
                axis = _softmax_axis(args, kwargs) if name.endswith("softmax") else None
                rank = len(output.shape)
                if axis is not None and axis < rank - 1 and rank < 4 and not self.channels_first:
                    self._begin(output, args[0], "weights")  # of the steps of a sequence, rather than of classes
                else:
                    self._begin(output, args[0], name, axis)
            name_here = f"{name} in {self._hidden}" if self._hidden else name
            self._add(name_here, replace, output, (args[1:], kwargs))
            return output

        return activation

    def _in_this_run(self, function: Callable[..., Any], original: Callable[..., Any]) -> Callable[..., Any]:
        """Return a function in this run, and the original everywhere else."""

        @wraps(original, updated=())
        def either(*args: Any, **kwargs: Any) -> Any:
            return (function if self._is_here() else original)(*args, **kwargs)

        return either

    def _noted_activation(self, path: str, original: Callable[..., Any]) -> Callable[..., Any]:
        """Return a layer's own activation, which keeps what it is given."""

        def activation(x: Any, *args: Any, **kwargs: Any) -> Any:
            if self._is_here():
                self._before[path] = x
            return original(x, *args, **kwargs)

        return activation

    def _past(self, detour: Detour, original: Callable[..., Any]) -> Callable[..., Any]:
        """Return what takes the place of a function of the framework that would hide from the block what it runs."""

        @wraps(original, updated=())
        def function(*args: Any, **kwargs: Any) -> Any:
            if self._inside or not self._is_here():
                return original(*args, **kwargs)
            plain = detour.plain(*args, **kwargs)
            if plain is not None:
                return plain()
            before = self._hidden, self._paused
            self._hidden, self._paused = detour.what, detour.keeps
            try:
                output = original(*args, **kwargs)
            finally:
                self._hidden, self._paused = before
            if detour.keeps and detour.what:
                self._add(detour.what, False, output)
            return output

        return function

    def _followed(self, name: str, original: Callable[..., Any]) -> Callable[..., Any]:
        @wraps(original, updated=())
        def function(*args: Any, **kwargs: Any) -> Any:
            output = original(*args, **kwargs)
            if not (args or kwargs):
                return output
            first, *rest = args or (next(iter(kwargs.values())),)
            ending = self._endings.get(id(first))
            if ending is not None and output is not first and self._is_here():
                options = kwargs if args else dict(list(kwargs.items())[1:])
                reached = follow(ending, name, original, rest, options, output)
                if reached is not None:
                    self._endings[id(output)] = reached
            return output

        return function

    def _passed_over(self, original: Callable[..., Any]) -> Callable[..., Any]:
        """Return a cast with the gradient of a straight line: an integer remembers what it was made of (a tensor, kept)."""

        @wraps(original)
        def cast(x: Any, *args: Any, **kwargs: Any) -> Any:
            output = original(x, *args, **kwargs)
            if not keras.ops.is_tensor(x) or output is x or not self._is_here():
                return output
            was = self._cast[id(x)][1] if id(x) in self._cast else x if _is_float(x) else None
            if was is None or (_is_float(x) and _is_float(output)):
                return output
            if not _is_float(output):
                self._cast[id(output)] = output, was
                return output
            source = original(was, output.dtype)
            return output + (source - keras.ops.stop_gradient(source))

        return cast

    def _in_steps(self, original: Callable[..., Any]) -> Callable[..., Any]:
        @wraps(original)
        def attend(*args: Any, **kwargs: Any) -> Any:
            in_steps = self._is_here() and kwargs.get("attn_logits_soft_cap") is None
            return (attention_in_steps if in_steps else original)(*args, **kwargs)

        return attend

    def _noted_seed(self, original: Callable[..., Any]) -> Callable[..., Any]:
        @wraps(original)
        def following(generator: Any, *args: Any, **kwargs: Any) -> Any:
            if self._is_here() and not any(generator is known for known in self.generators):
                self.generators.append(generator)
            return original(generator, *args, **kwargs)

        return following

    def _add(self, name: str, replaced: bool, output: Any, options: tuple[Any, Any] = ((), {})) -> None:
        path = self._stack[-1] if self._stack else ""
        self.activations.append(Activation(name, path, replaced, output, len(self.calls), options))

    def _begin(self, output: Any, source: Any, name: str, axis: int | None = None) -> None:
        """Note that an activation made a tensor; without an axis of its own its classes are where the source has them."""
        if axis is None:
            known = self._endings.get(id(source))
            axis = known.axis if known is not None else 1 if len(output.shape) == self.channels_first else -1
        self._endings[id(output)] = begin(output, source, name, axis)

    def _end_of_layer(self, operation: Any, args: tuple[Any, ...], output: Any) -> None:
        """Note a layer with weights and without an activation; and carry on what one entry of a sigmoid is."""
        if id(output) in self._endings or not len(getattr(output, "shape", ())):
            return
        if hasattr(operation, "kernel") and getattr(operation, "activation", None) in (None, keras.activations.linear):
            self._begin(output, output, "linear")
        elif type(operation).__name__ == "GetItem" and len(args) > 1:
            ending = self._endings.get(id(args[0]))
            if ending is not None and ending.is_single:
                self._endings[id(output)] = ending.taken_apart(output, args[1])

    def _copy(self, tensor: Any) -> Any:
        copy = keras.ops.copy(tensor)
        if id(tensor) in self._endings:
            self._endings[id(copy)] = self._endings[id(tensor)].copied(copy)
        return copy

    def ending(self, output: Any) -> Ending | None:
        """Return the last activation on the way to this very tensor, where the way is known."""
        return self._endings.get(id(output))

    def made_at_the_end(self, tensors: Iterable[Any]) -> set[int]:
        """Return the `id` of each tensor that is an output already, but for its last activation and what moves it about."""
        known: set[int] = set()
        for tensor in tensors:
            known.add(id(tensor))
            ending = self.ending(tensor)
            if ending is None:
                continue
            known.add(id(ending.made))
            if ending.is_probability:
                known |= {id(ending.logits), id(ending.source)}
            before = self.ending(ending.source)
            if before is not None and before.name == "linear":
                known.add(id(before.made))
        return known

    def rule_report(self, tensors: tuple[Any, ...]) -> tuple[Counter[str], Counter[str]]:
        """Count the activations that were replaced, and those that were not, by name; those that make `tensors` don't count."""
        known = {id(tensor) for tensor in tensors} | {
            id(self._endings[id(tensor)].made) for tensor in tensors if id(tensor) in self._endings
        }
        done = Counter(a.name for a in self.activations if a.replaced)
        kept = Counter(a.name for a in self.activations if not a.replaced and id(a.output) not in known)
        return done, kept


_KERAS_DETOURS = (
    Detour(keras.Layer, "rematerialized_call", lambda layer, call, *args, **kwargs: lambda: call),
    Detour(keras.src.backend, "compute_output_spec", keeps=True),
)

_PLAIN = (bool, int, float, str, type(None))

# Written by relu, but not one: PReLU adds the relu of -x with a learned slope.
_OPAQUE = frozenset({"PReLU"})


def _channels_last(original: Callable[..., Any]) -> Callable[..., Any]:
    """Return a function that computes the same with channels last, whichever its inputs have."""
    signature = inspect.signature(original)

    @wraps(original)
    def function(*args: Any, **kwargs: Any) -> Any:
        bound = signature.bind(*args, **kwargs)
        form = bound.arguments.get("data_format") or keras.config.image_data_format()
        first = next(iter(bound.arguments))
        values = bound.arguments[first]
        if form != "channels_first":
            return original(*args, **kwargs)
        bound.arguments[first] = keras.ops.moveaxis(values, 1, -1)
        bound.arguments["data_format"] = "channels_last"
        return keras.ops.moveaxis(original(*bound.args, **bound.kwargs), -1, 1)

    return function


def _tensors(args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> tuple[Any, ...]:
    """Return the tensors that a layer is called on; the mask that Keras hands along is none of them."""
    arguments = (args, {name: value for name, value in kwargs.items() if name != "mask"})
    flat = (*args, *arguments[1].values())
    # PyTorch's trees take a third of what Keras itself takes for a layer, and nearly every layer is called on one tensor.
    is_flat = len(arguments[1]) < 2 and all(isinstance(value, _PLAIN) or keras.ops.is_tensor(value) for value in flat)
    return tuple(value for value in (flat if is_flat else keras.tree.flatten(arguments)) if keras.ops.is_tensor(value))


def _in_place_of(new: Any, old: Any) -> Any:
    return new if new is old else keras.ops.cast(new, old.dtype)


def _is_float(tensor: Any) -> bool:
    return bool(keras.backend.is_float_dtype(keras.backend.standardize_dtype(tensor.dtype)))


def _softmax_axis(args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> int:
    """Return the axis that a softmax goes over, counted from the front."""
    axis = kwargs.get("axis", kwargs.get("dim", args[1] if len(args) > 1 else -1))  # PyTorch calls it dim
    return axis % len(args[0].shape) if isinstance(axis, int) else len(args[0].shape) - 1
