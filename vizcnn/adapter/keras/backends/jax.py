"""JAX: programs compiled by XLA, one for each number of samples, with the weights as arguments.

JAX differentiates functions, and not one tensor by another after the fact. So a function is traced first; where it asks for a
gradient, its program gets a hole, and `_evaluate` fills the holes: what lies between the tensor and the total becomes the
function that is differentiated. What comes before the tensor is not gone through, as on the other backends. Where gradients by
several tensors are asked for at once, those that lie between are differentiated by as what is added to them, zero.
"""

from __future__ import annotations

import itertools
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager
from typing import Any

import jax
import jax.extend.core
import keras
import numpy as np
from jax import numpy as jnp
from keras.src.backend.common.symbolic_scope import SymbolicScope
from typing_extensions import override

from vizcnn.adapter.keras.backends import base
from vizcnn.errors import UnsupportedModelError

_HOLE = jax.extend.core.Primitive("vizcnn_gradients")
_HOLE.multiple_results = True
_HOLE.def_abstract_eval(lambda total, *tensors: list(tensors))


_RUN = jax.make_user_context(None) if hasattr(jax, "make_user_context") else None
_NUMBERS = itertools.count(1)


class Backend(base.Backend):
    """See `vizcnn.adapter.keras.backends.base`."""

    name = "jax"

    def __init__(self) -> None:
        self._tracing = threading.local()

    @property
    def max_useful_batch(self) -> int:
        """See `base.Backend`; caches of a processor are full early."""
        return 16 if jax.default_backend() == "cpu" else 64

    @property
    @override
    def _device_memory(self) -> int:
        return int((jax.local_devices()[0].memory_stats() or {}).get("bytes_limit", 0))

    def compile(
        self,
        function: Callable[..., dict[str, Any]],
        examples: Sequence[np.ndarray],
        *,
        captures: Sequence[Any] = (),
        mutates: Sequence[Any] = (),
        stays: frozenset[str] | None = None,
    ) -> base.Compiled:
        """See `base.Backend`.

        XLA compiles for one number of samples, on the first run. Other numbers are filled up to a power of two, so that the
        last, smaller batch of each run doesn't cost a compilation of its own.
        """
        variables = list({id(variable): variable for variable in (*captures, *mutates)}.values())
        programs: dict[tuple[int, ...], Callable[..., Any]] = {}
        names: list[str] = []

        def stateless(values: Sequence[Any], *tensors: Any) -> Any:
            with keras.StatelessScope(state_mapping=list(zip(variables, values, strict=True))) as scope:
                answer = function(*tensors)
                names[:] = answer  # JAX sorts a dict
                return list(answer.values()), [scope.get_current_value(variable) for variable in mutates]

        def run(*arrays: np.ndarray) -> dict[str, np.ndarray]:
            count = len(arrays[0])
            size = count if mutates or stays is not None else self.padded(count)
            if size > count:
                arrays = tuple(np.concatenate([a, np.repeat(a[-1:], size - count, axis=0)]) for a in arrays)
            sizes = tuple(map(len, arrays))
            if sizes not in programs:
                programs[sizes] = self._program(stateless, (_values(variables), *arrays))
            answer, changed = _patiently(lambda: programs[sizes](_values(variables), *arrays))
            for variable, value in zip(mutates, changed, strict=True):
                variable.assign(value)
            outputs = dict(zip(names, answer, strict=True))
            if stays is not None:
                return {name: tensor if name in stays else np.asarray(tensor) for name, tensor in outputs.items()}
            filled = {name: np.asarray(tensor) for name, tensor in outputs.items()}
            return {name: array[:count] if array.shape[:1] == (size,) else array for name, array in filled.items()}

        return run

    def padded(self, count: int) -> int:
        """See `base.Backend`; the next power of two."""
        return 1 << (count - 1).bit_length()

    def _program(self, function: Callable[..., Any], arguments: tuple[Any, ...]) -> Callable[..., Any]:
        """Trace a function and return what XLA makes of it."""
        traced, shapes = self._traced(function, arguments)
        structure = jax.tree.structure(shapes)

        def program(*arrays: Any) -> Any:
            return jax.tree.unflatten(structure, _evaluate(traced, jax.tree.leaves(arrays)))

        compiled: Callable[..., Any] = jax.jit(program)
        return compiled

    def _traced(self, function: Callable[..., Any], arguments: Sequence[Any]) -> tuple[Any, Any]:
        """Trace a function, again where one of its gradients turns out not to exist, and return that and its answer's shapes."""
        absent: set[int] = set()  # by their number among those asked for
        while True:
            self._tracing.absent, self._tracing.asked, self._tracing.holes = absent, 0, []
            traced, shapes = jax.make_jaxpr(self._marked(function), return_shape=True)(*arguments)
            holes = {self._tracing.holes[n][place] for n, place in _independent(traced.jaxpr)}
            if not holes:
                return traced, shapes
            absent |= holes

    @override
    def trace(self, function: Callable[..., Any], symbols: Sequence[Any]) -> None:
        with keras.StatelessScope(), SymbolicScope():
            self._traced(function, [jax.ShapeDtypeStruct(symbol.shape, symbol.dtype) for symbol in symbols])

    def _marked(self, function: Callable[..., Any]) -> Callable[..., Any]:
        """Return the function, which says which trace it runs in."""

        def marked(*arguments: Any) -> Any:
            self._tracing.top = getattr(jax.tree.leaves(arguments)[-1], "_trace", None)
            return function(*arguments)

        return marked

    @override
    def gradients(
        self, total: Any, tensors: Sequence[Any], reduce: Sequence[Callable[[Any], Any]] | None = None
    ) -> list[Any]:
        tracing, first = self._tracing, self._tracing.asked
        tracing.asked += len(tensors)
        places = [
            place
            for place, tensor in enumerate(tensors)
            if first + place not in tracing.absent
            and isinstance(total, jax.core.Tracer)
            and isinstance(tensor, jax.core.Tracer)
            and jnp.issubdtype(tensor.dtype, jnp.floating)
        ]
        gradients: list[Any] = [None] * len(tensors)
        if places:
            tracing.holes.append([first + place for place in places])
            for place, gradient in zip(places, _HOLE.bind(total, *(tensors[p] for p in places)), strict=True):
                gradients[place] = gradient
        return base.reduced(gradients, reduce)

    @override
    def is_traced(self, tensor: Any) -> bool:
        return isinstance(tensor, jax.core.Tracer) and getattr(tensor, "_trace", None) is self._tracing.top

    @override
    def dataflow(self, function: Callable[..., Sequence[Any]], symbols: Sequence[Any]) -> base.Dataflow:
        (unknown,) = jax.export.symbolic_shape("unknown", constraints=["unknown>=2"])

        def traced(stand_in: Any) -> Any:
            structs = [
                jax.ShapeDtypeStruct([stand_in if size is None else size for size in s.shape], s.dtype) for s in symbols
            ]
            with keras.StatelessScope(), SymbolicScope():
                return jax.make_jaxpr(self._marked(function))(*structs).jaxpr

        try:
            program = traced(unknown)
        except Exception:  # noqa: BLE001 - whatever can't be computed of an open size
            traced(83)  # what differs between the two is open
            program = traced(97)
        sources = {output: equation.invars for equation in program.eqns for output in equation.outvars}

        def parents(node: Any) -> list[Any]:
            return [var for var in sources.get(node, ()) if not isinstance(var, jax.extend.core.Literal)]

        return base.Dataflow([None if isinstance(v, jax.extend.core.Literal) else v for v in program.outvars], parents)

    @override
    def values(self, variables: Sequence[Any]) -> list[np.ndarray]:
        values: list[np.ndarray] = _patiently(lambda: [self.numpy(value) for value in _values(variables)])
        return values

    @override
    def array_modules(self) -> tuple[Any, ...]:
        return (jnp,)

    def detours(self) -> Iterator[base.Detour]:
        """See `base.Backend`; what is called inside a function with a gradient of its own has none."""
        for kind in (jax.custom_jvp, jax.custom_vjp):
            yield base.Detour(kind, "__call__", what="a custom gradient")

    def apart_from_other_traces(self) -> AbstractContextManager[Any]:
        """See `base.Backend`; what `jax.jit` and `jax.checkpoint` trace is kept under a key of its own."""
        apart: AbstractContextManager[Any] = jax.disable_jit() if _RUN is None else _RUN(next(_NUMBERS))
        return apart

    @override
    def activation_functions(self) -> Iterator[tuple[Any, str]]:
        for name in _ACTIVATIONS:
            yield jax.nn, name

    @override
    def is_out_of_memory(self, error: Exception) -> bool:
        return isinstance(error, jax.errors.JaxRuntimeError) and "RESOURCE_EXHAUSTED" in str(error)

    @override
    def is_unsupported(self, error: Exception) -> bool:
        return isinstance(error, NotImplementedError) or (
            isinstance(error, jax.errors.JaxRuntimeError) and "UNIMPLEMENTED" in str(error)
        )


def _values(variables: Sequence[Any]) -> list[Any]:
    try:
        return [variable.value for variable in variables]
    except TypeError as error:  # no value, and no initializer any more
        raise UnsupportedModelError(
            "The model's weights are with a training that runs in another thread. On JAX a model can be explained between two "
            "epochs, from a callback, or when the training is over."
        ) from error


def _patiently(run: Callable[[], Any], times: int = 20) -> Any:
    """Run again while another thread's program, a prediction say, has the weights for itself."""
    for _ in range(times):
        try:
            return run()
        except RuntimeError as error:
            if "deleted" not in str(error):
                raise
    return run()


def _evaluate(traced: Any, arguments: Sequence[Any]) -> list[Any]:
    """Run a traced program, filling its holes."""
    program = traced.jaxpr
    values = dict(zip((*program.constvars, *program.invars), (*traced.consts, *arguments), strict=True))
    makers = {output: n for n, equation in enumerate(program.eqns) for output in equation.outvars}
    done = 0
    for n, hole in enumerate(program.eqns):
        if hole.primitive is not _HOLE:
            continue
        start = min(makers.get(tensor, -1) for tensor in hole.invars[1:]) + 1
        _run(program.eqns[done:start], values)
        values |= _differentiated(hole, program.eqns[start:n], values)
        done = n + 1
    _run(program.eqns[done:], values)
    return [_value(values, var) for var in program.outvars]


def _differentiated(hole: Any, between: Sequence[Any], values: dict[Any, Any]) -> dict[Any, Any]:
    """Run the equations between the first tensor of a hole and the hole; return what they make, and what belongs into it."""
    total, *tensors = hole.invars
    outputs = [output for equation in between for output in equation.outvars]
    made = set(outputs)

    def after(*starts: Any) -> Any:
        given = dict(zip(tensors, starts, strict=True))
        inner = {**values, **{tensor: start for tensor, start in given.items() if tensor not in made}}
        _run(between, inner, {tensor: start for tensor, start in given.items() if tensor in made})
        return inner[total], [inner[output] for output in outputs]

    starts = [jnp.zeros(t.aval.shape, t.aval.dtype) if t in made else values[t] for t in tensors]
    one, pull, others = jax.vjp(after, *starts, has_aux=True)
    gradients = pull(jnp.ones_like(one))
    return {**dict(zip(outputs, others, strict=True)), **dict(zip(hole.outvars, gradients, strict=True))}


def _run(equations: Sequence[Any], values: dict[Any, Any], added: dict[Any, Any] | None = None) -> None:
    """Evaluate equations one after another; holes among them have their values already. Something is added to what some make."""
    for equation in equations:
        if equation.primitive is _HOLE:
            continue
        bound = equation.primitive.get_bind_params(equation.params)
        functions, params = bound if isinstance(bound, tuple) else ((), bound)
        with equation.ctx.manager:
            answer = equation.primitive.bind(*functions, *[_value(values, var) for var in equation.invars], **params)
        many = equation.primitive.multiple_results
        values.update(zip(equation.outvars, answer if many else [answer], strict=True))
        for output in equation.outvars:
            if added and output in added:
                values[output] += added[output]


def _value(values: dict[Any, Any], var: Any) -> Any:
    return var.val if isinstance(var, jax.extend.core.Literal) else values[var]


def _independent(program: Any) -> list[tuple[int, int]]:
    """Return which holes have a total that isn't computed from one of their tensors in real numbers: hole, and place in it."""
    holes = [equation for equation in program.eqns if equation.primitive is _HOLE]
    absent = []
    for number, hole in enumerate(holes):
        total, *tensors = hole.invars
        sources = set() if isinstance(total, jax.extend.core.Literal) else {total}
        for equation in reversed(program.eqns):
            if any(v in sources and jnp.issubdtype(v.aval.dtype, jnp.inexact) for v in equation.outvars):
                sources.update(var for var in equation.invars if not isinstance(var, jax.extend.core.Literal))
        absent += [(number, place) for place, tensor in enumerate(tensors) if tensor not in sources]
    return absent


_ACTIVATIONS = ("relu", "relu6", "leaky_relu", "elu", "selu", "celu", "gelu", "silu", "swish", "glu", "soft_sign", "softplus",
                "sigmoid", "log_sigmoid", "hard_sigmoid", "hard_silu", "hard_tanh", "softmax", "log_softmax", "squareplus",
                "sparse_plus")  # fmt: skip
