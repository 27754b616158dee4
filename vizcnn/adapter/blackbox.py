"""Models that only answer: functions, and files that some runtime runs. Nothing is known of what is inside."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from vizcnn.adapter.base import AXES, Array, LayerInfo, ModelAdapter, Outputs, looks_like_probabilities, slices
from vizcnn.errors import CapabilityError, InputError, OptionError, UnsupportedModelError
from vizcnn.targets import resolve

_LEAST = 1e-12
"""Probability that a score, its logarithm, ends at."""


@dataclass(frozen=True)
class Source:
    """What runs a black box.

    Attributes
    ----------
    function : callable
        Takes a batch (N, H, W, C) of float32 and returns an array, a sequence or a mapping of arrays, N rows each.
    input_shape : tuple
        Shape (H, W, C) of one input, None where open; () while nothing is known.
    kind : str
        What it is, in a word.
    batch : int or None
        The one number of samples that it takes; None: any.
    tolerance : float
        How far the sum of probabilities may be from one, where outputs are rounded.
    """

    function: Callable[[Array], Any]
    input_shape: tuple[int | None, ...] = ()
    kind: str = "function"
    batch: int | None = None
    tolerance: float = 0.0


class _Reading:
    """What a black box returned, as the formulas of `vizcnn.scores` read it."""

    xp: Any = np

    def __init__(self, outputs: Mapping[str, Array], activations: Mapping[str, str | None]) -> None:
        self._outputs = outputs
        self._activations = activations

    def returned(self) -> Any:
        """Return what the model returned: an array, or a tuple of several."""
        values = tuple(self._outputs.values())
        return values[0] if len(values) == 1 else values

    def logits(self, output: str) -> Array:
        """Return an output as it is, or of probabilities the logarithm: as good as logits, but for a constant per image."""
        values = self._outputs[output]
        if self._activations[output] != "softmax":
            return values
        logarithm: Array = np.log(np.maximum(values, _LEAST))
        return logarithm

    def activation(self, output: str) -> str | None:
        """Return "softmax" where the output holds probabilities."""
        return self._activations[output]

    def layer(self, path: str) -> Array:
        """Refuse: there is no layer."""
        raise CapabilityError(f"`target` looks at the layer {path!r}; of a black box only the outputs are known.")


class BlackBoxAdapter(ModelAdapter):
    """A model that only answers: occlusion and every method that needs no more than scores work on it.

    Parameters
    ----------
    source : Source
        What runs it.
    name : str
        What to call it.
    **settings
        As `vizcnn.adapt` takes them.
    """

    def __init__(self, source: Source, name: str, **settings: Any) -> None:
        super().__init__(name, **settings)
        self.origin = f"a black box: {source.kind}"
        self._source = source
        self._lock = threading.Lock()
        self._shapes: dict[str, tuple[int | None, ...]] = {}
        self._activations: dict[str, str | None] = {}
        self._bare: set[str] = set()

    @property
    def capabilities(self) -> frozenset[str]:
        """See `ModelAdapter.capabilities`."""
        return frozenset({"outputs", "scores"})

    @property
    def layers(self) -> tuple[LayerInfo, ...]:
        """None."""
        return ()

    @property
    def input_shape(self) -> tuple[int | None, ...]:
        """See `ModelAdapter.input_shape`."""
        return self._source.input_shape

    @property
    def output_shapes(self) -> Mapping[str, tuple[int | None, ...]]:
        """See `ModelAdapter.output_shapes`; the model is run once where it wasn't yet."""
        if not self._shapes:
            shape = self.input_shape
            if not shape or None in shape:
                raise UnsupportedModelError(
                    f"Nothing is known of what model {self.name!r} returns before it has seen an image; show it one first, or "
                    f"give vizcnn.adapt its `input_shape`."
                )
            self._probe(tuple(int(size or 1) for size in shape))
        return self._shapes

    def output_activation(self, output: str) -> str | None:
        """See `ModelAdapter.output_activation`: "softmax" where what it returned are probabilities."""
        return self._activations[output] if output in self.output_shapes else None

    def prepare(self, sample_shape: tuple[int, ...]) -> None:
        """See `ModelAdapter.prepare`: the first run tells what the model returns."""
        if not self._shapes:
            self._probe(sample_shape)

    def outputs(self, inputs: Array) -> Outputs:
        """See `ModelAdapter.outputs`."""
        return tuple(self._run(self._checked(inputs)).values())

    def scores(self, inputs: Array, target: Any = None) -> Array:
        """See `ModelAdapter.scores`."""
        return self.evaluate(inputs, target)[0]

    def evaluate(self, inputs: Array, target: Any = None) -> tuple[Array, Outputs]:
        """See `ModelAdapter.evaluate`."""
        outputs = self._run(self._checked(inputs))
        score = resolve(target, self, len(inputs))
        values = score.formula(_Reading(outputs, self._activations), score.params)
        return np.asarray(values, dtype=np.float32), tuple(outputs.values())

    def _checked(self, inputs: Array) -> Array:
        array = np.asarray(inputs, dtype=np.float32)
        want = self.input_shape or (None,) * 3
        fits = array.ndim == len(want) + 1 and all(w in (None, h) for w, h in zip(want, array.shape[1:], strict=True))
        if not fits or not len(array):
            axes = ", ".join(AXES[len(want)])
            raise InputError(f"The inputs of model {self.name!r} must have shape (N, {axes}) = (N, {str(want)[1:-1]}); got "
                             f"{array.shape}.")  # fmt: skip
        return array

    def _run(self, inputs: Array) -> dict[str, Array]:
        """Run all samples, a batch at a time, and return the outputs by name."""
        size = self._source.batch or self.batch_size_for(inputs.shape[1:])
        parts = [self._run_batch(inputs[part]) for part in slices(len(inputs), size)]
        outputs = {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}
        with self._lock:
            self._learn(outputs)
            # An output that once was no distribution holds none, whatever it looked like on other images.
            self._bare |= {name for name, activation in self._activations.items() if activation is None}
        return outputs

    def _probe(self, sample_shape: tuple[int, ...]) -> None:
        """Run the model on nothing, to see what it returns; what that holds is decided by real images."""
        outputs = self._run_batch(np.zeros((self._source.batch or 1, *sample_shape), dtype=np.float32))
        with self._lock:
            if not self._shapes:
                self._learn(outputs)

    def _learn(self, outputs: Mapping[str, Array]) -> None:
        self._shapes = {name: values.shape[1:] for name, values in outputs.items()}
        atol = max(2e-3, self._source.tolerance)
        for name, values in outputs.items():
            probable = values.ndim > 1 and name not in self._bare and looks_like_probabilities(_rows(values), atol=atol)
            self._activations[name] = "softmax" if probable else None

    def _run_batch(self, inputs: Array) -> dict[str, Array]:
        count, batch = len(inputs), self._source.batch
        if batch is not None and count < batch:
            inputs = np.concatenate([inputs, np.zeros((batch - count, *inputs.shape[1:]), dtype=np.float32)])
        try:
            outputs = _named(self._source.function(inputs))
        except Exception as error:
            if self._source.kind == "function":
                raise  # the user's own
            reason = " ".join(str(error).split())[:300]
            raise CapabilityError(
                f"Model {self.name!r} can't be run on inputs of shape {inputs.shape}: {reason}"
            ) from error
        for name, values in outputs.items():
            if not values.ndim or len(values) != len(inputs):
                raise UnsupportedModelError(
                    f"Model {self.name!r} must return one row per image; of {len(inputs)} images its output {name!r} has shape "
                    f"{values.shape}."
                )
        return {name: values[:count] for name, values in outputs.items()}


def as_kind(values: Array, kind: Any) -> Array:
    """Return values as numbers of a kind: rounded and clipped where it holds whole numbers."""
    if np.dtype(kind).kind == "f":
        return values.astype(kind)
    limits = np.iinfo(kind)
    clipped: Array = np.clip(np.rint(values), limits.min, limits.max).astype(kind)
    return clipped


def _rows(values: Array) -> Array:
    return values.reshape(-1, values.shape[-1])


def _named(returned: Any) -> dict[str, Array]:
    """Return outputs by name: their own, or "output" and their position."""
    if isinstance(returned, Mapping):
        named = {str(name): values for name, values in returned.items()}
    elif isinstance(returned, tuple | list) and not all(np.isscalar(value) for value in returned):
        named = (
            {f"output_{i}": values for i, values in enumerate(returned)}
            if len(returned) > 1
            else {"output": returned[0]}
        )
    else:
        named = {"output": returned}
    arrays = {}
    for name, values in named.items():
        values = values.detach().cpu() if hasattr(values, "detach") else values  # a PyTorch tensor
        arrays[name] = np.asarray(values, dtype=np.float32)
    return arrays


def adapt_function(
    function: Callable[[Array], Any], input_shape: Sequence[int | None] | None, **settings: Any
) -> BlackBoxAdapter:
    """Adapt a function from images to predictions; see `vizcnn.adapt`.

    Returns
    -------
    BlackBoxAdapter

    Raises
    ------
    OptionError
        If `input_shape` isn't (H, W, C).
    """
    shape = () if input_shape is None else tuple(input_shape)
    sizes = all(size is None or (isinstance(size, int | np.integer) and size > 0) for size in shape)
    if len(shape) not in (0, *AXES) or not sizes:
        raise OptionError(
            f"`input_shape` must be (height, width, channels), None where open, or (time, channels) of signals, (depth, height, "
            f"width, channels) of volumes; got {input_shape!r}."
        )
    name = getattr(function, "__name__", type(function).__name__)
    return BlackBoxAdapter(Source(function, shape), name, **settings)
