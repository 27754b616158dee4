"""TensorFlow: compiled functions, gradients in a graph, and the activations that a model may call."""

from __future__ import annotations

import importlib
import re
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from operator import attrgetter
from typing import Any

import keras
import numpy as np
import tensorflow as tf
from keras.src.backend import compute_output_spec
from tensorflow.python.autograph.core import ag_ctx
from tensorflow.python.eager import context
from tensorflow.python.eager.polymorphic_function.autograph_util import py_func_from_autograph
from tensorflow.python.eager.polymorphic_function.concrete_function import ConcreteFunction
from tensorflow.python.ops import custom_gradient, math_ops
from typing_extensions import override

from vizcnn.adapter.keras.backends import base


class Backend(base.Backend):
    """See `vizcnn.adapter.keras.backends.base`."""

    name = "tensorflow"
    runs_graphs = True

    @property
    def max_useful_batch(self) -> int:
        """See `base.Backend`; caches of a processor are full early."""
        return 64 if tf.config.list_physical_devices("GPU") else 32

    def compile(
        self,
        function: Callable[..., dict[str, Any]],
        examples: Sequence[np.ndarray],
        *,
        captures: Sequence[Any] = (),
        mutates: Sequence[Any] = (),
        stays: frozenset[str] | None = None,
    ) -> base.Compiled:
        """See `base.Backend`; traced once, for any number of samples. Variables are captured by reference."""
        specs = [tf.TensorSpec((None, *array.shape[1:]), array.dtype) for array in examples]
        # Always a graph, never eager: TensorFlow's eager gradient of some strided convolutions corrupts memory.
        concrete = tf.function(function, autograph=False).get_concrete_function(*specs)
        mutated = {id(variable.value) for variable in mutates}
        written = [variable for variable in _written(concrete.graph) if id(variable) not in mutated]

        def run(*arrays: np.ndarray) -> dict[str, np.ndarray]:
            before = [variable.read_value() for variable in written]
            try:
                answer = concrete(*map(tf.constant, arrays))
                return {name: tensor if name in (stays or ()) else tensor.numpy() for name, tensor in answer.items()}
            finally:
                for variable, value in zip(written, before, strict=True):
                    variable.assign(value)

        run.draws = _draws(concrete.graph)  # type: ignore[attr-defined]
        return run

    def fused(self, function: Callable[[], Any]) -> Any:
        """See `base.Backend`; TensorFlow's own broadcasting takes ten times as long as XLA's loops on a processor."""
        return tf.function(function, autograph=False, jit_compile=True)()

    def draws(self, function: base.Compiled) -> bool:
        """See `base.Backend`; the graph says it."""
        return bool(getattr(function, "draws", False))

    def random_state(self) -> Any:
        """See `base.Backend`; that of eager operations under a global seed."""
        generator = getattr(context.context(), "_rng", None)
        return None if generator is None else (generator, generator.getstate())

    @override
    def restore_random_state(self, state: Any) -> None:
        if state is not None:
            generator, before = state
            if generator.getstate() != before:
                generator.setstate(before)
                context.context().clear_kernel_cache()  # a kernel goes on from where it is, whatever its seed

    def function(
        self, function: Callable[..., Any], shapes: Sequence[tuple[int | None, ...]]
    ) -> tuple[Callable[..., Any], tuple[int | None, ...]]:
        """Trace `function`, float32 tensors to one tensor, and return what runs it on tensors, and the result's shape.

        What it returns can be differentiated from outside, and that gradient runs compiled too.
        """
        specs = [tf.TensorSpec((None, *shape), tf.float32) for shape in shapes]
        concrete = tf.function(function, autograph=False).get_concrete_function(*specs)
        return concrete, tuple(concrete.output_shapes)

    @override
    def trace(self, function: Callable[..., Any], symbols: Sequence[Any]) -> None:
        compute_output_spec(function, *symbols)

    def gradients(
        self, total: Any, tensors: Sequence[Any], reduce: Sequence[Callable[[Any], Any]] | None = None
    ) -> list[Any]:
        """See `base.Backend`; `tf.gradients` takes any tensors of the graph that is being traced, and a graph keeps none."""
        gradients = [None if one is None else tf.convert_to_tensor(one) for one in tf.gradients(total, [*tensors])]
        return base.reduced(gradients, reduce)

    @override
    def is_traced(self, tensor: Any) -> bool:
        return tf.is_tensor(tensor) and getattr(tensor, "graph", None) is tf.compat.v1.get_default_graph()

    @override
    def dataflow(self, function: Callable[..., Sequence[Any]], symbols: Sequence[Any]) -> base.Dataflow:
        nodes: list[Any] = []

        def run(*tensors: Any) -> Any:
            returned = function(*tensors)
            nodes[:] = [tensor.ref() for tensor in returned]
            return list(returned)

        def parents(node: Any) -> list[Any]:
            return [tensor.ref() for tensor in node.deref().op.inputs]

        compute_output_spec(run, *symbols)
        return base.Dataflow(nodes, parents)

    @override
    def reads_others(self, function: Callable[[Any], Any], shape: Sequence[int], known: Sequence[Any]) -> bool:
        spec = tf.TensorSpec((1, *shape), tf.float32)
        graph = tf.function(function, autograph=False).get_concrete_function(spec).graph
        values = {id(variable.value) for variable in known}
        return any(id(variable) not in values for variable in graph.variables)

    def numpy(self, tensor: Any) -> np.ndarray:
        """See `base.Backend`; a variable of Keras would be read by a protocol of NumPy's that it answers with a warning."""
        return np.asarray(tf.convert_to_tensor(tensor.value if isinstance(tensor, keras.Variable) else tensor))

    @override
    def float32(self, tensor: Any) -> Any:
        return tensor if tensor.dtype == tf.float32 else tf.cast(tensor, tf.float32)

    @override
    def is_out_of_memory(self, error: Exception) -> bool:
        return isinstance(error, tf.errors.ResourceExhaustedError)

    @override
    def is_unsupported(self, error: Exception) -> bool:
        return isinstance(error, tf.errors.UnimplementedError | tf.errors.InvalidArgumentError)

    def layout_functions(self) -> Iterator[tuple[Any, str]]:
        """See `base.Backend`; a processor has no convolutions of channels first."""
        if not tf.config.list_physical_devices("GPU"):
            nn = importlib.import_module("keras.src.backend.tensorflow.nn")
            for name in ("conv", "depthwise_conv", "separable_conv", "conv_transpose", "max_pool", "average_pool"):
                if hasattr(nn, name):
                    yield nn, name

    def detours(self) -> Iterator[base.Detour]:
        """See `base.Backend`; a concrete function is kept by whoever asks for it, so nothing is replaced inside."""
        function = type(tf.function(lambda: None))
        yield base.Detour(function, "__call__", _python_function)
        for name in ("get_concrete_function", "_get_concrete_function_garbage_collected"):
            yield base.Detour(function, name, what="a concrete function", keeps=True)
        yield base.Detour(ConcreteFunction, "_call_flat", what="a concrete function", keeps=True)
        for name in ("_graph_mode_decorator", "_eager_mode_decorator"):
            yield base.Detour(custom_gradient, name, _without_recomputing, "a custom gradient")

    @override
    def array_modules(self) -> tuple[Any, ...]:
        return (tf,)

    def casts(self) -> Iterator[tuple[Any, str]]:
        """See `base.Backend`; Keras's own cast ends in these."""
        yield from ((module, "cast") for module in (tf, tf.dtypes, math_ops))

    @override
    def activation_functions(self) -> Iterator[tuple[Any, str]]:
        for name in _ACTIVATIONS:
            yield tf.nn, name


_DRAWING = re.compile("Random|Multinomial|Rng|Stateful|PyFunc|SampleDistorted")
_READING = frozenset({"ReadVariableOp", "ResourceGather", "ResourceGatherNd", "VariableShape", "VarIsInitializedOp"})


def _draws(graph: Any) -> bool:
    """Tell whether a graph, or a function that it may call, has an operation that draws random numbers."""
    functions = attrgetter("library.function")(graph.as_graph_def()) if graph._functions else ()
    kinds = {operation.type for operation in graph.get_operations()}
    kinds |= {node.op for function in functions for node in function.node_def}
    return any(_DRAWING.search(kind) for kind in kinds)


def _written(graph: Any) -> list[Any]:
    """Return the variables that a graph may assign to: those that something else than a read takes."""
    variables = {id(variable.handle): variable for variable in graph.variables}
    captured = [(variables.get(id(outside)), inside) for outside, inside in graph.captures]
    return [
        variable
        for variable, inside in captured
        if variable is not None and any(consumer.type not in _READING for consumer in inside.consumers())
    ]


def _python_function(function: Any, *args: Any, **kwargs: Any) -> Callable[[], Any]:
    """Return the call of the Python function of a `tf.function`, on what TensorFlow would hand it."""
    python = function.python_function
    args, kwargs = tf.nest.map_structure(_as_traced, (args, kwargs))
    if not function._autograph:
        return partial(python, *args, **kwargs)
    converted = py_func_from_autograph(python, function._experimental_autograph_options)

    def run() -> Any:
        with ag_ctx.ControlStatusCtx(ag_ctx.Status.ENABLED):
            return converted(*args, **kwargs)

    return run


def _as_traced(value: Any) -> Any:
    return tf.convert_to_tensor(value) if isinstance(value, np.ndarray) else value


def _without_recomputing(function: Any, args: Any, kwargs: Any) -> Callable[[], Any] | None:
    """Return the call of what `tf.recompute_grad` was given; None for any other custom gradient."""
    if function.__qualname__ != "recompute_grad.<locals>.inner":
        return None
    plain = dict(zip(function.__code__.co_freevars, function.__closure__, strict=True))["f"].cell_contents
    return partial(plain, *args, **kwargs)


_ACTIVATIONS = ("relu", "relu6", "leaky_relu", "crelu", "elu", "selu", "gelu", "silu", "swish", "softplus", "softsign",
                "sigmoid", "tanh", "softmax")  # fmt: skip
