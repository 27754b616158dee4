"""PyTorch: everything runs at once, and autograd answers after the fact."""

from __future__ import annotations

import sys
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, nullcontext
from functools import partial
from typing import Any

import keras
import numpy as np
import torch
import torch.utils.checkpoint
from keras.src.backend import compute_output_spec
from keras.src.backend.torch import nn
from keras.src.tree import torchtree_impl
from torch.overrides import TorchFunctionMode
from typing_extensions import override

from vizcnn.adapter.keras.backends import base


class Backend(base.Backend):
    """See `vizcnn.adapter.keras.backends.base`."""

    name = "torch"

    def __init__(self) -> None:
        self._run = threading.local()

    @property
    def max_useful_batch(self) -> int:
        """See `base.Backend`; from more than 32 on caches of a processor cost more than Python is saved."""
        return 64 if torch.cuda.is_available() else 32

    @property
    @override
    def _device_memory(self) -> int:
        return torch.cuda.get_device_properties(0).total_memory if torch.cuda.is_available() else 0

    def compile(
        self,
        function: Callable[..., dict[str, Any]],
        examples: Sequence[np.ndarray],
        *,
        captures: Sequence[Any] = (),
        mutates: Sequence[Any] = (),
        stays: frozenset[str] | None = None,
    ) -> base.Compiled:
        """See `base.Backend`; nothing is compiled. A function that asked for no gradient on its first run is not taped again."""
        taped = True

        def run(*arrays: np.ndarray) -> dict[str, np.ndarray]:
            nonlocal taped
            self._run.differentiates = False
            before = torch.get_rng_state()
            with torch.set_grad_enabled(taped):
                tensors = [keras.ops.convert_to_tensor(array) for array in arrays]
                if taped and not mutates and stays is None and tensors[0].is_floating_point():
                    tensors[0].requires_grad_()
                answer = function(*tensors)
            taped = self._run.differentiates
            run.draws = not torch.equal(before, torch.get_rng_state())  # type: ignore[attr-defined]
            return {
                name: tensor.detach() if name in (stays or ()) else self.numpy(tensor)
                for name, tensor in answer.items()
            }

        return run

    @override
    def differentiable(self, tensor: Any) -> Any:
        return tensor.detach().requires_grad_(torch.is_grad_enabled())

    @override
    def trace(self, function: Callable[..., Any], symbols: Sequence[Any]) -> None:
        with torch.set_grad_enabled(True):
            tensors = [keras.ops.zeros(symbol.shape, symbol.dtype) for symbol in symbols]
            function(tensors[0].requires_grad_(), *tensors[1:])

    @override
    def gradients(
        self, total: Any, tensors: Sequence[Any], reduce: Sequence[Callable[[Any], Any]] | None = None
    ) -> list[Any]:
        self._run.differentiates = True
        answers: list[Any] = [None] * len(tensors)
        reached = [at for at, tensor in enumerate(tensors) if total.requires_grad and tensor.requires_grad]
        if reduce is not None:
            # A hook sees a gradient on its way to the tensor of that one which is asked for, and lets it go.
            hooks = [tensors[at].register_hook(_keeping(answers, at, reduce[at])) for at in reached[1:]]
            if reached:
                _differentiate(total, tensors, reached[:1], answers, reduce)
            for hook in hooks:
                hook.remove()
        _differentiate(total, tensors, [at for at in reached if answers[at] is None], answers, reduce)
        return answers

    def is_traced(self, tensor: Any) -> bool:
        """See `base.Backend`; a loop is run like everything else."""
        return bool(torch.is_tensor(tensor))

    def dataflow(self, function: Callable[..., Sequence[Any]], symbols: Sequence[Any]) -> base.Dataflow:
        """See `base.Backend`; PyTorch reports each function that it is asked to run."""
        nodes: list[Any] = []
        sources: dict[int, list[int]] = {}
        kept: list[Any] = []  # an id says nothing of a tensor that is gone

        class Record(TorchFunctionMode):  # type: ignore[misc]  # PyTorch isn't installed where types are checked
            def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
                answer = func(*args, **(kwargs or {}))
                operands = [value for value in keras.tree.flatten((args, kwargs or {})) if torch.is_tensor(value)]
                for tensor in keras.tree.flatten(answer):
                    if torch.is_tensor(tensor) and not any(tensor is one for one in operands):
                        sources[id(tensor)] = [id(one) for one in operands]
                        kept.extend([tensor, *operands])
                return answer

        def run(*tensors: Any) -> Any:
            with Record():
                returned = function(*tensors)
            kept.extend(returned)
            nodes[:] = [id(tensor) for tensor in returned]
            return list(returned)

        compute_output_spec(run, *symbols)

        def parents(node: int, _kept: list[Any] = kept) -> list[int]:
            return sources.get(node, [])

        return base.Dataflow(nodes, parents)

    @override
    def reads_others(self, function: Callable[[Any], Any], shape: Sequence[int], known: Sequence[Any]) -> bool:
        read: dict[int, Any] = {}

        class Record(TorchFunctionMode):  # type: ignore[misc]  # PyTorch isn't installed where types are checked
            def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
                operands = keras.tree.flatten((args, kwargs or {}))
                read.update({id(one): one for one in operands if isinstance(one, torch.nn.Parameter)})
                return func(*args, **(kwargs or {}))

        with torch.no_grad(), Record():
            function(keras.ops.zeros((1, *shape)))
        return not read.keys() <= {id(variable.value) for variable in known}

    def numpy(self, tensor: Any) -> np.ndarray:
        """See `base.Backend`; a copy, since PyTorch's own shares its memory with the tensor, which may be a weight."""
        tensor = getattr(tensor, "value", tensor).detach().cpu()
        return np.array((tensor.float() if tensor.dtype == torch.bfloat16 else tensor).numpy())

    @override
    def summed(self, rows: Any, slots: Any, count: int) -> Any:
        # Keras's own brings a place for each number of the rows, and takes as long as a run of a small model.
        return rows.new_zeros((count + 1, *rows.shape[1:])).index_add_(0, slots, rows)[:-1]

    @override
    def random_state(self) -> Any:
        return torch.get_rng_state(), torch.cuda.get_rng_state_all() if torch.cuda.is_available() else None

    @override
    def restore_random_state(self, state: Any) -> None:
        torch.set_rng_state(state[0])
        if state[1] is not None:
            torch.cuda.set_rng_state_all(state[1])

    @override
    def reseed(self, seed: int) -> None:
        torch.manual_seed(seed)

    def draws(self, function: base.Compiled) -> bool:
        """See `base.Backend`; told by the run that was the last."""
        return bool(getattr(function, "draws", False))

    def detours(self) -> Iterator[base.Detour]:
        """See `base.Backend`; a checkpoint would run its function again for the gradient, when the run is over."""
        module = torch.utils.checkpoint
        yield base.Detour(module, "_checkpoint_without_reentrant_generator", lambda *_, **__: lambda: iter((None,)))
        yield base.Detour(module.CheckpointFunction, "apply", lambda function, _, *args: partial(function, *args))

    @override
    def lean_functions(self) -> Iterator[base.Lean]:
        yield base.Lean(torchtree_impl, "is_nested", _nested(torchtree_impl.is_nested))
        yield base.Lean(torchtree_impl, "map_structure", _mapped(torchtree_impl.map_structure))
        yield base.Lean(nn, "batch_normalization", _apart_from_weights(nn.batch_normalization), for_all=False)
        if hasattr(nn, "_transpose_spatial_inputs"):
            lean = _where_it_lies(nn._transpose_spatial_inputs)
            yield base.Lean(nn, "_transpose_spatial_inputs", lean, for_all=False)

    def apart_from_other_traces(self) -> AbstractContextManager[Any]:
        """See `base.Backend`; what is compiled runs as it is written."""
        return torch.compiler.set_stance("force_eager") if "torch._dynamo" in sys.modules else nullcontext()

    @override
    def activation_functions(self) -> Iterator[tuple[Any, str]]:
        for name in _ACTIVATIONS:
            yield torch.nn.functional, name
            if hasattr(torch, name):
                yield torch, name

    def is_out_of_memory(self, error: Exception) -> bool:
        """See `base.Backend`; a processor's allocator says it in words only."""
        return isinstance(error, torch.OutOfMemoryError) or "can't allocate memory" in str(error)

    @override
    def is_unsupported(self, error: Exception) -> bool:
        return isinstance(error, NotImplementedError) or (
            isinstance(error, RuntimeError) and "not implemented for" in str(error)
        )


def _where_it_lies(copied: Callable[[Any], Any]) -> Callable[[Any], Any]:
    """Return what puts the channels of an image before rows and columns, and leaves the numbers where they are.

    Channels that are last in memory are what PyTorch's convolutions are quick on. Keras copies each of their inputs into the
    other order first, and back. Only on a processor: the gradients of pools of such images are wrong on CUDA where they are
    padded (PyTorch's issue 188344), and end the process on a Mac's GPU (175190).
    """

    def channels_first(inputs: Any) -> Any:
        stays = inputs.ndim in (4, 5) and inputs.device.type == "cpu"
        return torch.movedim(inputs, -1, 1) if stays else copied(inputs)

    return channels_first


def _apart_from_weights(function: Callable[..., Any]) -> Callable[..., Any]:
    """Return a function that isn't differentiated by weights: for these autograd would copy what they are multiplied with."""

    def apart(*args: Any, **kwargs: Any) -> Any:
        return function(*map(_constant, args), **{name: _constant(value) for name, value in kwargs.items()})

    return apart


def _constant(value: Any) -> Any:
    return value.detach() if isinstance(value, torch.nn.Parameter) else value


def _nested(generally: Callable[[Any], bool]) -> Callable[[Any], bool]:
    """Return `keras.tree.is_nested`, quick on a tensor."""

    def is_nested(structure: Any) -> bool:
        return type(structure) not in _LEAVES and generally(structure)

    return is_nested


def _mapped(generally: Callable[..., Any]) -> Callable[..., Any]:
    """Return `keras.tree.map_structure`, quick on the arguments of a layer, as a tuple of one tensor is."""

    def map_structure(function: Callable[..., Any], *structures: Any, **options: Any) -> Any:
        if len(structures) == 1 and not options.keys() - {"none_is_leaf"} and options.get("none_is_leaf", True):
            (structure,) = structures
            if type(structure) is dict and all(type(value) in _LEAVES for value in structure.values()):
                return {name: function(value) for name, value in structure.items()}
            if type(structure) in (tuple, list) and all(type(value) in _LEAVES for value in structure):
                return type(structure)(map(function, structure))
        return generally(function, *structures, **options)

    return map_structure


def _keeping(answers: list[Any], at: int, make: Callable[[Any], Any]) -> Callable[[Any], None]:
    """Return a hook that keeps what is made of a gradient, and leaves the gradient as it is."""

    def hook(gradient: Any) -> None:
        answers[at] = make(gradient)

    return hook


def _differentiate(
    total: Any,
    tensors: Sequence[Any],
    places: Sequence[int],
    answers: list[Any],
    reduce: Sequence[Callable[[Any], Any]] | None,
) -> None:
    """Differentiate by the tensors at these places, and put what is made of the gradients there."""
    if not places:
        return
    by = [tensors[at] for at in places]
    gradients = torch.autograd.grad(total, by, retain_graph=True, allow_unused=True)
    makers = None if reduce is None else [reduce[at] for at in places]
    for at, answer in zip(places, base.reduced(gradients, makers), strict=True):
        answers[at] = answer


_LEAVES = frozenset({torch.Tensor, torch.nn.Parameter, type(None), bool, int, float, str})

_ACTIVATIONS = ("relu", "relu6", "leaky_relu", "elu", "selu", "celu", "gelu", "silu", "glu", "softplus", "softsign", "sigmoid",
                "hardsigmoid", "hardtanh", "tanh", "softmax", "log_softmax")  # fmt: skip
