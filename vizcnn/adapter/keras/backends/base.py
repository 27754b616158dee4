"""What vizcnn asks of the framework that Keras runs on."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from typing import Any

import keras
import numpy as np

Compiled = Callable[..., dict[str, np.ndarray]]
"""Takes the arrays of one batch, and returns arrays by name."""


@dataclass
class Dataflow:
    """Which tensors of one symbolic run were computed from which; a tensor is known by a node, any hashable.

    Attributes
    ----------
    nodes : list
        The node of each tensor that the function returned, in their order; None for a constant.
    parents : callable
        Takes a node, and returns the nodes that it was computed from.
    """

    nodes: list[Any]
    parents: Callable[[Any], Sequence[Any]]


@dataclass(frozen=True)
class Detour:
    """A function of the framework that runs a model's function in a way that hides it: traced and kept, or run twice.

    Attributes
    ----------
    owner, name : object, str
        Where it is found: a module or class, and the attribute.
    plain : callable
        Takes its arguments, and returns what computes the same in plain sight, without arguments; None where nothing does.
    what : str
        What it is to the reader of a note, where there is no plain way.
    keeps : bool
        Whether what it traces is kept, or is no part of the run; then nothing may be read or replaced in it.
    """

    owner: Any
    name: str
    plain: Callable[..., Callable[[], Any] | None] = lambda *args, **kwargs: None
    what: str = ""
    keeps: bool = False


@dataclass(frozen=True)
class Lean:
    """A function that returns what one of Keras's does, up to rounding, in less time.

    Attributes
    ----------
    owner, name : object, str
        Where Keras's is found: a module, and the attribute.
    function : callable
        What takes its place.
    for_all : bool
        Whether it does all that Keras's does, so that it may serve other threads too.
    """

    owner: Any
    name: str
    function: Callable[..., Any]
    for_all: bool = True


def reduced(gradients: Sequence[Any], reduce: Sequence[Callable[[Any], Any]] | None) -> list[Any]:
    """Return what is made of each gradient, and None where there is none."""
    if reduce is None:
        return list(gradients)
    return [None if gradient is None else make(gradient) for gradient, make in zip(gradients, reduce, strict=True)]


class Backend(ABC):
    """TensorFlow, JAX or PyTorch, as the rest of the adapter sees it.

    Attributes
    ----------
    name : str
        As Keras calls it.
    """

    name: str

    @property
    @abstractmethod
    def max_useful_batch(self) -> int:
        """Samples from which on a larger batch is no faster."""

    @property
    def batch_memory(self) -> int:
        """Bytes that the tensors of one batch may take: a quarter of what an accelerator is known to have, at least 4 GiB."""
        return max(self._device_memory // 4, 4 * 2**30)

    @property
    def _device_memory(self) -> int:
        """Bytes of the accelerator that models run on; 0: there is none, or nobody knows."""
        return 0

    @abstractmethod
    def compile(
        self,
        function: Callable[..., dict[str, Any]],
        examples: Sequence[np.ndarray],
        *,
        captures: Sequence[Any] = (),
        mutates: Sequence[Any] = (),
        stays: frozenset[str] | None = None,
    ) -> Compiled:
        """Make `function` ready to run on arrays, any number of samples at a time.

        Parameters
        ----------
        function : callable
            Takes tensors, which may be asked for by `gradient`, and returns a dict of tensors, one row per sample each.
        examples : sequence of ndarray
            One array per argument; all but the first axis are fixed.
        captures : sequence of keras.Variable, default ()
            What it reads, the model's weights above all: their values at the time of each run count.
        mutates : sequence of keras.Variable, default ()
            What it assigns to; it then takes as many samples as the examples have, always.
        stays : frozenset of str, default None
            Names of answers that stay on the device, as tensors; arguments may be such tensors then, each with as many rows as
            it has. None: everything comes back as arrays.

        Returns
        -------
        callable
        """

    def padded(self, count: int) -> int:
        """Return how many rows are best brought where there are `count`: more, where each number is compiled for."""
        return count

    def fused(self, function: Callable[[], Any]) -> Any:
        """Return what a function computes by many small operations on tensors, done in one go where that is faster."""
        return function()

    def differentiable(self, tensor: Any) -> Any:
        """Return the tensor as one that `gradient` can be asked for, whatever it was computed from."""
        return tensor

    @abstractmethod
    def trace(self, function: Callable[..., Any], symbols: Sequence[Any]) -> None:
        """Run `function`, which returns a tensor, on symbols, with gradients in it as when it is compiled; nothing is computed.

        PyTorch has no symbols that could be differentiated by: there it runs on zeros.

        Parameters
        ----------
        function : callable
            Takes one tensor per symbol; it is called again where one of its gradients turns out not to exist.
        symbols : sequence of keras.KerasTensor
            Shapes, all of them known, and types of its arguments.
        """

    def gradient(self, total: Any, tensor: Any) -> Any | None:
        """Return d total / d tensor, inside a function that is compiled; None where `total` doesn't depend on it.

        `tensor` is any float tensor of that run, after the fact; what comes before it is not gone through. Custom gradients
        are followed.
        """
        (gradient,) = self.gradients(total, [tensor])
        return gradient

    @abstractmethod
    def gradients(
        self, total: Any, tensors: Sequence[Any], reduce: Sequence[Callable[[Any], Any]] | None = None
    ) -> list[Any]:
        """Return `gradient` by each of several tensors, from one way back.

        Parameters
        ----------
        total : tensor
            What is differentiated.
        tensors : sequence of tensor
            What it is differentiated by.
        reduce : sequence of callable, default None
            For each tensor what is made of its gradient as soon as that is known, so that it needn't be kept; None: the gradients
            themselves are returned.

        Returns
        -------
        list
            None where `total` doesn't depend on the tensor.
        """

    @abstractmethod
    def is_traced(self, tensor: Any) -> bool:
        """Tell whether this is a tensor of the run itself, rather than of a loop or function inside it."""

    @abstractmethod
    def dataflow(self, function: Callable[..., Sequence[Any]], symbols: Sequence[Any]) -> Dataflow:
        """Run `function` once on symbols, and tell which of the tensors that it returns were computed from which.

        Parameters
        ----------
        function : callable
            Takes one tensor per symbol and returns a sequence of tensors.
        symbols : sequence of keras.KerasTensor
            Shapes and types of its arguments.

        Returns
        -------
        Flow
        """

    def reads_others(self, function: Callable[[Any], Any], shape: Sequence[int], known: Sequence[Any]) -> bool:
        """Tell whether a function of one batch reads variables of the framework that aren't the values of known ones.

        JAX has no variables of its own, and answers no.

        Parameters
        ----------
        function : callable
            Takes a batch.
        shape : sequence of int
            Shape of a sample.
        known : sequence of keras.Variable
            What it may read.

        Returns
        -------
        bool
        """
        del function, shape, known
        return False

    @abstractmethod
    def activation_functions(self) -> Iterator[tuple[Any, str]]:
        """Yield (module, name) of the framework's own activations, which a layer may call instead of Keras's."""

    @abstractmethod
    def is_out_of_memory(self, error: Exception) -> bool:
        """Tell whether an error says that the device ran out of memory."""

    @abstractmethod
    def is_unsupported(self, error: Exception) -> bool:
        """Tell whether an error says that the device can't run an operation."""

    def array_modules(self) -> tuple[Any, ...]:
        """Return the framework's modules whose functions on arrays a layer may call instead of Keras's."""
        return ()

    def layout_functions(self) -> Iterator[tuple[Any, str]]:
        """Yield (module, name) of Keras's functions that this device only has for channels last."""
        yield from ()

    def lean_functions(self) -> Iterator[Lean]:
        """Yield what Keras's own functions do that is more than a run needs."""
        yield from ()

    def detours(self) -> Iterator[Detour]:
        """Yield what would hide from a tapped run what it runs."""
        yield from ()

    def casts(self) -> Iterator[tuple[Any, str]]:
        """Yield (module, name) of the functions that change the type of their first argument."""
        yield from ()

    def apart_from_other_traces(self) -> AbstractContextManager[Any]:
        """Return a block in which nothing that is traced is taken for, or kept as, a trace of other runs."""
        return nullcontext()

    runs_graphs = False
    """Whether what is compiled runs no Python but that which `draws` knows of."""

    def draws(self, function: Compiled) -> bool:
        """Tell whether what `compile` returned draws random numbers past Keras's seed generators, as far as that is known."""
        del function
        return False

    def random_state(self) -> Any:
        """Return the state of the framework's random numbers, where it has one for all."""
        return None

    def restore_random_state(self, state: Any) -> None:
        """Set what `random_state` returned."""
        del state

    def reseed(self, seed: int) -> None:
        """Set the framework's own seed, where it has one for all that functions which are compiled already heed."""
        del seed

    def numpy(self, tensor: Any) -> np.ndarray:
        """Return a tensor's or variable's value."""
        value = (
            tensor.value if isinstance(tensor, keras.Variable) else tensor
        )  # NumPy's own protocol warns of a variable
        return np.asarray(keras.ops.convert_to_numpy(value))

    def values(self, variables: Sequence[Any]) -> Iterable[np.ndarray]:
        """Return the values of variables, one after the other where nobody else takes them away meanwhile."""
        return map(self.numpy, variables)

    def summed(self, rows: Any, slots: Any, count: int) -> Any:
        """Return the sums of the rows that belong to each of `count` slots; those of a slot beyond are left out."""
        return keras.ops.segment_sum(rows, slots, num_segments=count + 1)[:-1]

    def float32(self, tensor: Any) -> Any:
        """Cast to float32."""
        return keras.ops.cast(tensor, "float32")
