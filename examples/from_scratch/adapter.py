"""The networks of this folder as vizcnn sees models: whatever explains a Keras model explains them too.

This is also what it takes to teach vizcnn a new sort of model. `NumpyAdapter` holds what doesn't depend on the network, and a
subclass tells what its layers are, how to run them, and how to carry a gradient back.
"""

from __future__ import annotations

from abc import abstractmethod
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from vizcnn.adapter import LAST_SPATIAL, Gradients, LayerInfo, ModelAdapter
from vizcnn.adapter.base import slices, split_call
from vizcnn.adapter.heads import Head
from vizcnn.errors import LayerError, RuleError, listed
from vizcnn.targets.score import Score

Array = np.ndarray
Outputs = tuple[Array, ...]
Values = dict[str, Array]
"""Names of layers to their outputs, or to the gradients by these."""

STEP = 1e-5
"""How far `slopes` moves a value, up and down."""

_KINDS = {"Convolution": "Conv2D", "MaxPooling": "MaxPooling2D"}  # Keras's words, by which plugins know a layer


class ForwardPass:
    """A run of a network, as the formulas of `vizcnn.targets` read it; it notes which layers they looked at."""

    xp = np

    def __init__(
        self, values: Mapping[str, Array], logits: str, output: str, activation: str, head: Callable[[str], Head]
    ) -> None:
        self._values = values
        self._logits, self._output, self._activation = logits, output, activation
        self.head = head
        self.seen: list[str] = []

    def returned(self) -> Array:
        """Return what the network returned."""
        return self.layer(self._output)

    def logits(self, output: str) -> Array:
        """Return the output before its softmax or sigmoid."""
        return self.layer(self._logits)

    def output(self, output: str) -> Array:
        """Return the output; of the logits, so that no formula seems to look at one layer more."""
        values = self.logits(output)
        if self._activation == "sigmoid":
            return 1 / (1 + np.exp(-values))
        powers = np.exp(values - values.max(axis=-1, keepdims=True))
        return powers / powers.sum(axis=-1, keepdims=True)

    def layer(self, path: str) -> Array:
        """Return a layer's output."""
        name = _called_once(path)
        if name not in self.seen:
            self.seen.append(name)
        return self._values[name]


class NumpyAdapter(ModelAdapter):
    """What the adapters of the two networks share.

    Parameters
    ----------
    name : str
        What to call the model.
    logits, output : str
        Names of the layer that gives the logits, and of the last one.
    activation : str
        "softmax" or "sigmoid": what lies between the two.
    input_shape : (int, int, int)
        Shape (H, W, C) of one input.
    **settings
        As `vizcnn.adapt` takes them.
    """

    def __init__(
        self,
        name: str,
        *,
        logits: str,
        output: str,
        activation: str,
        input_shape: tuple[int, int, int],
        **settings: Any,
    ) -> None:
        super().__init__(name, **settings)
        self._ends = (logits, output, activation)
        self._input_shape = input_shape
        self._shapes = {
            layer: (None, *values.shape[1:])
            for layer, values in self._forward(np.zeros((1, *input_shape), dtype=np.float32))[0].items()
        }

    # What a subclass answers ------------------------------------------------------------------------------------------

    @abstractmethod
    def _forward(self, inputs: Array, last: str | None = None) -> tuple[Values, Any]:
        """Return the output of every layer, as far as `last`, and what `_backward` needs."""

    @abstractmethod
    def _backward(self, run: Any, gradients: Values) -> Iterator[tuple[str, Array]]:
        """Yield every layer and the gradient by its output, from the last one back; at the end "input" and that by the input."""

    # What follows from it ---------------------------------------------------------------------------------------------

    @property
    def input_shape(self) -> tuple[int, int, int]:
        """See `ModelAdapter.input_shape`."""
        return self._input_shape

    @property
    def output_shapes(self) -> dict[str, tuple[int | None, ...]]:
        """See `ModelAdapter.output_shapes`."""
        return {self._ends[1]: self._shapes[self._ends[1]][1:]}

    def output_activation(self, output: str) -> str:
        """See `ModelAdapter.output_activation`."""
        return self._ends[2]

    def _outputs(self, inputs: Array) -> Outputs:
        parts = [self._forward(part)[0][self._ends[1]] for part in self._batches(inputs)]
        return (_float32(parts),)

    def _scores_and_outputs(self, inputs: Array, score: Score) -> tuple[Array, Outputs]:
        scores, outputs, start = [], [], 0
        for part in self._batches(inputs):
            values, _ = self._forward(part)
            chosen = score[start : start + len(part)]
            scores.append(chosen.formula(self._reading(values), chosen.params))
            outputs.append(values[self._ends[1]])
            start += len(part)
        return _float32(scores), (_float32(outputs),)

    def _activations(self, inputs: Array, paths: tuple[str, ...]) -> dict[str, Array]:
        wanted = [_called_once(path) for path in paths]
        last = max(wanted, key=list(self._shapes).index, default=None)
        runs = [self._forward(part, last)[0] for part in self._batches(inputs)]
        return {path: _float32([run[name] for run in runs]) for path, name in zip(paths, wanted, strict=True)}

    def _gradients(self, inputs: Array, score: Score, path: str | None, rule: str) -> Gradients:
        self._check_rule(rule)
        wanted = self._wanted(path)
        found, start = [], 0
        for part in self._batches(inputs):
            values, run = self._forward(part)
            chosen = score[start : start + len(part)]
            scores, by_layer = slopes(chosen, values, self._reading)
            hit = next(((name, gradient) for name, gradient in self._backward(run, by_layer) if name in wanted), None)
            if hit is None:
                what = "any layer with rows and columns" if path == LAST_SPATIAL else f"layer {path!r}"
                raise LayerError(f"The score doesn't depend on {what} of model {self.name!r}; name one before it.")
            by = part if hit[0] == "input" else values[hit[0]]
            found.append((hit[1], by, scores, values[self._ends[1]]))
            start += len(part)
        gradient, by, scores, outputs = (_float32(parts) for parts in zip(*found, strict=True))
        return Gradients(gradient, by, scores, (outputs,), layer=None if path is None else hit[0])

    def _reading(self, values: Mapping[str, Array]) -> ForwardPass:
        return ForwardPass(values, *self._ends, self.head)

    def _check_rule(self, rule: str) -> None:
        if rule != "vanilla":
            count = Counter(info.activation for info in self.layers if info.activation)
            names = ", ".join(f"{name} ({number})" for name, number in count.items())
            raise RuleError(
                f"`rule` {rule!r} changes how ReLU hands the gradient on, and model {self.name!r} has none: its activations "
                f"are {names}. Use rule='vanilla'."
            )

    def _wanted(self, path: str | None) -> set[str]:
        """Return the names of the layers of which the last one that the score depends on is to be differentiated by."""
        if path is None:
            return {"input"}
        if path != LAST_SPATIAL:
            return {_called_once(path)}
        maps = {info.path for info in self.layers if info.is_spatial and info.role != "pooling"}
        if not maps:
            kinds = ", ".join(dict.fromkeys(info.kind for info in self.layers))
            raise LayerError(
                f"Model {self.name!r} has no layer with more than one row and column, so there is nothing to draw a class "
                f"activation map from (its layers: {kinds}). Saliency and occlusion need no such layer."
            )
        return maps

    def _batches(self, inputs: Array) -> Iterator[Array]:
        for part in slices(len(inputs), self.batch_size_for(self._input_shape)):
            yield inputs[part]


class NumpyCnnAdapter(NumpyAdapter):
    """A network of `cnn.py`.

    Parameters
    ----------
    network : Network
        The network; its last layers are "preds", which gives the logits, and "softmax".
    input_shape : (int, int, int), default (28, 28, 1)
        Shape (H, W, C) of one input.
    name : str, default "numpy_cnn"
        What to call it.
    **settings
        As `vizcnn.adapt` takes them.
    """

    def __init__(
        self, network: Any, *, input_shape: tuple[int, int, int] = (28, 28, 1), name: str = "numpy_cnn", **settings: Any
    ) -> None:
        self.network = network
        ends = {"logits": "preds", "output": "softmax", "activation": "softmax"}
        super().__init__(name, **ends, input_shape=input_shape, **settings)

    @property
    def capabilities(self) -> frozenset[str]:
        """See `ModelAdapter.capabilities`."""
        return frozenset({"outputs", "scores", "layers", "kernels", "activations", "gradients"})

    @property
    def layers(self) -> tuple[LayerInfo, ...]:
        """See `ModelAdapter.layers`."""
        return tuple(
            LayerInfo(
                path=name,
                kind=_KINDS.get(type(layer).__name__, type(layer).__name__),
                output_shape=self._shapes[name],
                num_params=sum(weights.size for weights in layer.weights.values()),
                activation=getattr(layer, "function", None),
            )
            for name, layer in self.network.layers.items()
        )

    def _kernels(self, layer: LayerInfo) -> Array:
        layers = self.network.layers
        weights = layers[_called_once(layer.path)].weights
        if "kernels" not in weights:
            having = listed(name for name, other in layers.items() if "kernels" in other.weights)
            raise LayerError(
                f"`layer` {layer.path!r} is a {layer.kind}, which has no kernels. Layers that do: {having}."
            )
        return np.array(weights["kernels"], dtype=np.float32)

    def _forward(self, inputs: Array, last: str | None = None) -> tuple[Values, Any]:
        run = self.network.forward(inputs, last)
        return run.outputs, run

    def _backward(self, run: Any, gradients: Values) -> Iterator[tuple[str, Array]]:
        yield from self.network.backward(run, gradients)


class TwoLayerAdapter(NumpyAdapter):
    """The network of `two_layer.py`; a row of inputs is an image of one row, (1, inputs, 1), and the output two classes.

    Parameters
    ----------
    network : TwoLayerNetwork
        The network, with one output.
    name : str, default "two_layer"
        What to call it.
    **settings
        As `vizcnn.adapt` takes them.
    """

    def __init__(self, network: Any, *, name: str = "two_layer", **settings: Any) -> None:
        self.network = network
        ends = {"logits": "preds", "output": "sigmoid", "activation": "sigmoid"}
        super().__init__(name, **ends, input_shape=(1, len(network.first), 1), **settings)

    @property
    def capabilities(self) -> frozenset[str]:
        """See `ModelAdapter.capabilities`; there is no convolution, so there are no kernels."""
        return frozenset({"outputs", "scores", "layers", "activations", "gradients"})

    @property
    def layers(self) -> tuple[LayerInfo, ...]:
        """See `ModelAdapter.layers`."""
        hidden, preds, sigmoid = (self._shapes[name] for name in ("hidden", "preds", "sigmoid"))
        return (
            LayerInfo("hidden", "Dense", hidden, self.network.first.size, activation="sigmoid"),
            LayerInfo("preds", "Dense", preds, self.network.second.size),
            LayerInfo("sigmoid", "Activation", sigmoid, 0, activation="sigmoid"),
        )

    def _forward(self, inputs: Array, last: str | None = None) -> tuple[Values, Any]:
        hidden, outputs = self.network.forward(inputs.reshape(len(inputs), -1))
        values = {"hidden": hidden, "preds": hidden @ self.network.second, "sigmoid": outputs}
        return values, (values, inputs.shape)

    def _backward(self, run: Any, gradients: Values) -> Iterator[tuple[str, Array]]:
        values, shape = run
        # Each layer, and how the gradient by its output becomes that by what came before.
        chain: list[tuple[str, Callable[[Array], Array]]] = [
            ("sigmoid", lambda by: by * values["sigmoid"] * (1 - values["sigmoid"])),
            ("preds", lambda by: by @ self.network.second.T),
            ("hidden", lambda by: (by * values["hidden"] * (1 - values["hidden"])) @ self.network.first.T),
        ]
        gradient: Any = None
        for name, before in chain:
            if name in gradients:
                gradient = gradients[name] if gradient is None else gradient + gradients[name]
            if gradient is not None:
                yield name, gradient
                gradient = before(gradient)
        yield "input", gradient.reshape(shape)


def slopes(score: Score, values: Values, read: Callable[[Mapping[str, Array]], ForwardPass]) -> tuple[Array, Values]:
    """Return the scores, and their gradient by the output of each layer that the score's formula reads.

    Formulas are short and mostly linear, so that moving every value up and down a little is exact to the last digits. All
    moves of a sample make one batch.

    Parameters
    ----------
    score : Score
        The score of these samples.
    values : mapping
        The output of every layer.
    read : callable
        Makes a `ForwardPass` of outputs.

    Returns
    -------
    (ndarray, dict)
        The scores (N,), and the gradients by layer.
    """
    exact = {name: array.astype(np.float64) for name, array in values.items()}
    reading = read(exact)
    scores = np.asarray(score.formula(reading, score.params))
    gradients = {name: np.empty_like(values[name]) for name in reading.seen}
    for i in range(len(scores)):
        sample = {name: exact[name][i : i + 1] for name in reading.seen}
        for name in reading.seen:
            gradients[name][i] = _slopes_of_one(score[i : i + 1], sample, name, read)
    return scores, gradients


def _slopes_of_one(
    score: Score, sample: Values, name: str, read: Callable[[Mapping[str, Array]], ForwardPass]
) -> Array:
    def scores_after(moves: Array) -> Array:
        moved = {other: np.repeat(array, len(moves), axis=0) for other, array in sample.items()}
        moved[name] += moves.reshape(moved[name].shape)
        many = score.repeat(len(moves))
        return np.asarray(many.formula(read(moved), many.params))

    size = sample[name].size
    found = np.empty(size)
    for part in slices(size, max(1, 2**20 // size)):
        moves = STEP * np.eye(part.stop - part.start, size, part.start)
        found[part] = (scores_after(moves) - scores_after(-moves)) / (2 * STEP)
    return found.reshape(sample[name].shape[1:])


def _called_once(path: str) -> str:
    """Return the name in ``conv[0]``; a layer of these networks is called once."""
    name, call = split_call(path)
    if call:
        raise LayerError(f"`layer` {path!r} can't be read: layer {name!r} is called once in a run of the model.")
    return name


def _float32(parts: Sequence[Any]) -> Array:
    return np.concatenate([np.asarray(part) for part in parts]).astype(np.float32, copy=False)
