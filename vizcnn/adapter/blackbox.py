"""Models that only answer: functions, and files that some runtime runs. Nothing is known of what is inside."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from typing_extensions import override

from vizcnn.adapter.arrays import AXES, Array, Outputs, slices
from vizcnn.adapter.base import ModelAdapter
from vizcnn.adapter.heads import LOGARITHMS, PROBABILITIES, Head, Traits, last_axis
from vizcnn.adapter.layers import LayerInfo
from vizcnn.adapter.losses import task_by_name
from vizcnn.adapter.predictions import looks_like_probabilities
from vizcnn.adapter.probe import extremes, is_within, read_as_probability
from vizcnn.errors import CapabilityError, OptionError, UnsupportedModelError
from vizcnn.targets.score import Score

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
    endings : mapping
        Names of outputs to the last activation on the way, as far as the file says: "softmax", "sigmoid", "linear", ...
    channels_first : bool
        Whether maps have their channels before rows and columns.
    """

    function: Callable[[Array], Any]
    input_shape: tuple[int | None, ...] = ()
    kind: str = "function"
    batch: int | None = None
    tolerance: float = 0.0
    endings: Mapping[str, str] = field(default_factory=dict)
    channels_first: bool = False


class _Reading:
    """What a black box returned, as the formulas of `vizcnn.targets` read it."""

    xp: Any = np

    def __init__(self, outputs: Mapping[str, Array], heads: Callable[[str], Head]) -> None:
        self._outputs = outputs
        self._heads = heads

    def returned(self) -> Any:
        """Return what the model returned: an array, or a tuple of several."""
        values = tuple(self._outputs.values())
        return values[0] if len(values) == 1 else values

    def output(self, output: str) -> Array:
        """Return an output as it is."""
        return self._outputs[output]

    def logits(self, output: str) -> Array:
        """Return an output as it is; a sigmoid's logits; of a softmax the logarithm, as good as logits but for a constant."""
        values, activation = self._outputs[output], self.head(output).activation
        if activation is None or self.head(output).is_logarithm:
            return values
        logarithm: Array = np.log(np.maximum(values, _LEAST))
        return logarithm if activation == "softmax" else logarithm - np.log(np.maximum(1 - values, _LEAST))

    def head(self, output: str) -> Head:
        """Return how an output is read."""
        return self._heads(output)

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
        self.source = f"a black box: {source.kind}"
        self._source = source
        self._lock = threading.Lock()
        self._shapes: dict[str, tuple[int | None, ...]] = {}
        self._kinds: dict[str, str | None] = {}
        self._axes: dict[str, int | None] = {}
        self._bare: set[str] = set()
        self._tried: set[str] = set()
        self._sample: tuple[int, ...] | None = None

    @property
    @override
    def capabilities(self) -> frozenset[str]:
        return frozenset({"outputs", "scores"})

    @property
    def layers(self) -> tuple[LayerInfo, ...]:
        """None."""
        return ()

    @property
    @override
    def input_shape(self) -> tuple[int | None, ...]:
        return self._source.input_shape

    @property
    @override
    def shown_shape(self) -> tuple[int | None, ...]:
        return self._sample or self.input_shape

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
        """See `ModelAdapter.output_activation`: as the file says, else by what it returned so far."""
        return self._kinds[output] if output in self.output_shapes else None

    @override
    def output_traits(self, output: str) -> Traits:
        shape = (None, *self.output_shapes[output])
        ending = self._source.endings.get(output, "")
        kind = self._kinds[output] or LOGARITHMS.get(ending)
        axis = self._axes[output]
        constant = kind == "softmax" and (axis is None or shape[axis] == 1)
        return Traits(
            "sigmoid" if constant else kind,
            axis,
            shape,
            is_logarithm=ending in LOGARITHMS,
            task=task_by_name(output),
            is_constant=constant,
        )

    def prepare(self, sample_shape: tuple[int, ...]) -> None:
        """See `ModelAdapter.prepare`: the first run tells what the model returns."""
        if not self._shapes:
            self._probe(sample_shape)

    def _outputs(self, inputs: Array) -> Outputs:
        return tuple(self._run(inputs).values())

    def _scores_and_outputs(self, inputs: Array, score: Score) -> tuple[Array, Outputs]:
        outputs = self._run(inputs)
        values = score.formula(_Reading(outputs, self.head), score.params)
        return np.asarray(values, dtype=np.float32), tuple(outputs.values())

    def _run(self, inputs: Array) -> dict[str, Array]:
        """Run all samples, a batch at a time, and return the outputs by name."""
        size = self._source.batch or self.batch_size_for(inputs.shape[1:])
        parts = [self._mean_of_runs(inputs[part]) for part in slices(len(inputs), size)]
        outputs = {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}
        with self._lock:
            self._learn(outputs)
            # An output that once was no distribution holds none, whatever it looked like on other images.
            self._bare |= {name for name, activation in self._kinds.items() if activation is None}
        return outputs

    def _mean_of_runs(self, inputs: Array) -> dict[str, Array]:
        runs = [self._run_batch(inputs) for _ in range(self.num_runs)]
        means = {name: np.mean([run[name] for run in runs], axis=0, dtype=np.float64) for name in runs[0]}
        return {name: np.asarray(mean, dtype=np.float32) for name, mean in means.items()}

    def _probe(self, sample_shape: tuple[int, ...]) -> None:
        """Run the model on nothing, to see what it returns; what that holds is decided by real images."""
        outputs = self._run_batch(np.zeros((self._source.batch or 1, *sample_shape), dtype=np.float32))
        with self._lock:
            if not self._shapes:
                self._learn(outputs)

    def _learn(self, outputs: Mapping[str, Array]) -> None:
        self._shapes = {name: values.shape[1:] for name, values in outputs.items()}
        for name, values in outputs.items():
            ending = self._source.endings.get(name)
            self._axes[name] = self._axis(values, ending)
            single = self._axes[name] is None or values.shape[int(self._axes[name] or 0)] == 1
            if ending is not None and (single or ending != "softmax"):
                self._kinds[name] = PROBABILITIES.get(ending)
            elif single:
                self._kinds[name] = "sigmoid" if self._is_probability(name, values) else None
            else:
                is_probability = name not in self._bare and self._are_probabilities(values, int(self._axes[name] or 0))
                self._kinds[name] = "softmax" if is_probability else None

    def _axis(self, values: Array, ending: str | None) -> int | None:
        """Return the axis of the units; None where there is one unit."""
        shape, size = values.shape, (self._sample or self.input_shape)[:-1]
        if len(shape) == 3 and len(size) == 2 and shape[1:] == size:
            return None  # a map of one value, without an axis for it
        if len(shape) == 4 and len(size) == 2 and self._has_channels_first(values, size):
            return 1
        return last_axis(shape)

    def _has_channels_first(self, values: Array, size: tuple[int | None, ...]) -> bool:
        """Tell where a map has its channels: after what holds probabilities, and which axes are as long as the image's."""
        first, last = (self._are_probabilities(values, axis) for axis in (1, 3))
        if first != last:
            return first
        rows_second, rows_first = values.shape[2:] == size, values.shape[1:3] == size
        if rows_second != rows_first:
            return rows_second and values.shape[3] > 1
        return self._source.channels_first

    def _are_probabilities(self, values: Array, axis: int) -> bool:
        atol = max(2e-3, self._source.tolerance)
        return looks_like_probabilities(_rows(np.moveaxis(values, axis, -1)), atol=atol)

    def _is_probability(self, name: str, values: Array) -> bool:
        """Tell whether one unit holds a probability: it was within 0..1 on all images so far, and on what can be no image."""
        if name in self._bare or not is_within(values):
            if self._kinds.get(name) == "sigmoid" and name in self._tried:
                self.add_note(
                    f"Model {self.name!r}: output {name!r} was read as a probability, and now is {values.min():.4g} to "
                    f"{values.max():.4g}: from here on it is read as a plain number. Run it again on all images.",
                    "reading",
                )
            self._bare.add(name)
            return False
        if name not in self._tried and self._sample is not None:
            self._tried.add(name)
            if not is_within(self._on_extremes(name, self._sample)):
                self._bare.add(name)
                return False
            self.add_note(read_as_probability(self.name, name), "reading", quiet=True)
        return True

    def _on_extremes(self, name: str, sample_shape: tuple[int, ...]) -> Array:
        """Return what the model says of what is no image; nothing where it refuses."""
        noise = extremes(sample_shape, self._source.batch or 8)
        values = [np.empty(0, np.float32)]
        for shown in (noise, -noise):
            # a stranger's function may refuse what is no image
            with suppress(Exception):
                values.append(self._run_batch(shown)[name].ravel())
        return np.concatenate(values)

    def _run_batch(self, inputs: Array) -> dict[str, Array]:
        self._sample = inputs.shape[1:]
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
