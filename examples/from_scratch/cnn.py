"""A convolutional network in NumPy alone: forward, backward, and training by gradient descent.

Arrays are channels last, (N, H, W, C). A layer keeps nothing between calls: `forward` returns its output together with what
the way back needs, and is given that again. So one network can serve several threads, and training is a plain function.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view

Array = np.ndarray


class Layer:
    """One step of a network. `weights` is what training changes; most layers have none."""

    def __init__(self, **weights: Array) -> None:
        self.weights: dict[str, Array] = weights

    def forward(self, inputs: Array) -> tuple[Array, Any]:
        """Return the output, and what the way back needs to remember."""
        raise NotImplementedError

    def input_gradient(self, gradient: Array, memory: Any) -> Array:
        """Turn the gradient by the output into the gradient by the inputs."""
        raise NotImplementedError

    def weight_gradients(self, gradient: Array, memory: Any) -> dict[str, Array]:
        """Return the gradient by each of the weights, summed over the batch."""
        del gradient, memory
        return {}


class Convolution(Layer):
    """Slide kernels (kh, kw, C, K) over the image, wherever they fit inside.

    Each entry of a kernel meets a copy of the image, shifted by its place in the kernel. Those copies are the rows of a matrix,
    so that one matrix product serves all kernels at all positions.
    """

    def __init__(self, kernels: Array, bias: Array) -> None:
        super().__init__(kernels=kernels, bias=bias)

    def forward(self, inputs: Array) -> tuple[Array, Any]:
        kernels = self.weights["kernels"]
        height, width, _, count = kernels.shape
        grid = (inputs.shape[1] - height + 1, inputs.shape[2] - width + 1)
        shifted = sliding_window_view(inputs, grid, axis=(1, 2))  # (N, kh, kw, C, h, w), a view
        shifted = shifted.reshape(len(inputs), -1, grid[0] * grid[1])
        outputs = shifted.transpose(0, 2, 1) @ kernels.reshape(-1, count)
        outputs += self.weights["bias"]
        return outputs.reshape(-1, *grid, count), (inputs.shape, shifted)

    def input_gradient(self, gradient: Array, memory: Any) -> Array:
        shape, _ = memory
        kernels = self.weights["kernels"]
        _, height, width, count = gradient.shape
        shifted = gradient.reshape(-1, count) @ kernels.reshape(-1, count).T
        shifted = shifted.reshape(-1, height, width, *kernels.shape[:3])
        result = np.zeros(shape, dtype=gradient.dtype)
        for row, column in np.ndindex(kernels.shape[:2]):
            result[:, row : row + height, column : column + width] += shifted[:, :, :, row, column]
        return result

    def weight_gradients(self, gradient: Array, memory: Any) -> dict[str, Array]:
        _, shifted = memory
        kernels = self.weights["kernels"]
        flat = gradient.reshape(len(gradient), -1, kernels.shape[-1])
        by_kernels = (shifted @ flat).sum(axis=0).reshape(kernels.shape)
        ones = np.ones(flat.shape[1], dtype=flat.dtype)  # their product is a sum, only ten times faster than .sum()
        return {"kernels": by_kernels, "bias": (ones @ flat).sum(axis=0)}


class MaxPooling(Layer):
    """Keep the largest value of each square of `size` x `size`, and remember which one it was."""

    def __init__(self, size: int = 2) -> None:
        super().__init__()
        self.size = size

    def forward(self, inputs: Array) -> tuple[Array, Any]:
        places = np.ascontiguousarray(self._places(inputs))
        largest, argmax = places[0, 0], np.zeros(places.shape[2:], dtype=np.int8)
        for number, place in enumerate(np.ndindex(places.shape[:2])):
            argmax = np.maximum(argmax, (places[place] > largest) * np.int8(number))  # of equals the first
            largest = np.maximum(largest, places[place])
        return largest, (inputs.shape, argmax)

    def input_gradient(self, gradient: Array, memory: Any) -> Array:
        shape, argmax = memory
        result = np.zeros(shape, dtype=gradient.dtype)
        places = self._places(result)
        for number, place in enumerate(np.ndindex(places.shape[:2])):
            places[place] = gradient * (argmax == number)
        return result

    def _places(self, array: Array) -> Array:
        """View (N, H, W, K) as (size, size, N, h, w, K): first the top left corners of all squares, then their neighbors."""
        size = self.size
        count, height, width, channels = array.shape
        height, width = height // size, width // size
        squares = array[:, : height * size, : width * size].reshape(count, height, size, width, size, channels)
        return squares.transpose(2, 4, 0, 1, 3, 5)


class Activation(Layer):
    """A sigmoid or a hyperbolic tangent, value by value."""

    def __init__(self, function: str) -> None:
        if function not in ("sigmoid", "tanh"):
            raise ValueError(f"`function` must be 'sigmoid' or 'tanh'; got {function!r}.")
        super().__init__()
        self.function = function

    def forward(self, inputs: Array) -> tuple[Array, Any]:
        outputs = np.tanh(inputs) if self.function == "tanh" else sigmoid(inputs)
        return outputs, outputs

    def input_gradient(self, gradient: Array, memory: Any) -> Array:
        return gradient * (1 - memory * memory if self.function == "tanh" else memory * (1 - memory))


class Flatten(Layer):
    """Make one row of each sample."""

    def forward(self, inputs: Array) -> tuple[Array, Any]:
        return inputs.reshape(len(inputs), -1), inputs.shape

    def input_gradient(self, gradient: Array, memory: Any) -> Array:
        return gradient.reshape(memory)


class Dense(Layer):
    """Every output is a weighted sum of all inputs; the matrix is (inputs, outputs)."""

    def __init__(self, matrix: Array, bias: Array) -> None:
        super().__init__(matrix=matrix, bias=bias)

    def forward(self, inputs: Array) -> tuple[Array, Any]:
        return inputs @ self.weights["matrix"] + self.weights["bias"], inputs

    def input_gradient(self, gradient: Array, memory: Any) -> Array:
        del memory
        return gradient @ self.weights["matrix"].T

    def weight_gradients(self, gradient: Array, memory: Any) -> dict[str, Array]:
        return {"matrix": memory.T @ gradient, "bias": gradient.sum(axis=0)}


class Softmax(Layer):
    """Turn logits into probabilities."""

    def forward(self, inputs: Array) -> tuple[Array, Any]:
        powers = np.exp(inputs - inputs.max(axis=-1, keepdims=True))
        outputs = powers / powers.sum(axis=-1, keepdims=True)
        return outputs, outputs

    def input_gradient(self, gradient: Array, memory: Any) -> Array:
        return memory * (gradient - (gradient * memory).sum(axis=-1, keepdims=True))


@dataclass
class Run:
    """A batch on its way through a network: the output of each layer by name, and what each layer remembers."""

    inputs: Array
    outputs: dict[str, Array] = field(default_factory=dict)
    memories: dict[str, Any] = field(default_factory=dict)


@dataclass
class Network:
    """Layers by name, one after the other."""

    layers: dict[str, Layer]

    def forward(self, inputs: Array, last: str | None = None) -> Run:
        """Run a batch through the network, as far as the layer `last`."""
        run = Run(inputs)
        values = inputs
        for name, layer in self.layers.items():
            values, run.memories[name] = layer.forward(values)
            run.outputs[name] = values
            if name == last:
                break
        return run

    def backward(
        self, run: Run, gradients: Mapping[str, Array], first: str | None = None
    ) -> Iterator[tuple[str, Array]]:
        """Carry gradients back, from the last layer towards the first.

        Parameters
        ----------
        run : Run
            What `forward` returned.
        gradients : mapping
            Names of layers to the gradient by their output. Where there are several, they add up.
        first : str, default None
            The layer to stop at; None: the input.

        Yields
        ------
        (str, ndarray)
            A layer's name and the gradient by its output; at the very end "input" and the gradient by the input.
        """
        gradient: Array | None = None
        for name, layer in reversed(self.layers.items()):
            if name in gradients:
                gradient = gradients[name] if gradient is None else gradient + gradients[name]
            if gradient is None:
                continue
            yield name, gradient
            if name == first:
                return
            gradient = layer.input_gradient(gradient, run.memories[name])
        if gradient is not None:
            yield "input", gradient

    def loss(self, inputs: Array, labels: Array) -> float:
        """Return the mean cross-entropy."""
        return cross_entropy(self.forward(inputs).outputs["softmax"], labels)

    def gradients(self, inputs: Array, labels: Array) -> tuple[float, dict[str, dict[str, Array]]]:
        """Return the loss of a batch, and its gradient by every weight of every layer."""
        run = self.forward(inputs)
        probabilities = run.outputs["softmax"]
        by_logits = probabilities.copy()
        by_logits[np.arange(len(labels)), labels] -= 1  # softmax and cross-entropy together come down to this
        by_logits /= len(labels)
        found = {
            name: self.layers[name].weight_gradients(gradient, run.memories[name])
            for name, gradient in self.backward(run, {"preds": by_logits}, first=next(iter(self.layers)))
            if self.layers[name].weights
        }
        return cross_entropy(probabilities, labels), found

    def predict(self, inputs: Array, batch_size: int = 256) -> Array:
        """Return the class of each sample."""
        starts = range(0, len(inputs), batch_size)
        runs = [self.forward(inputs[start : start + batch_size], last="preds") for start in starts]
        return np.concatenate([run.outputs["preds"].argmax(axis=1) for run in runs])

    def accuracy(self, inputs: Array, labels: Array) -> float:
        """Return the share of samples whose class is right."""
        return float((self.predict(inputs) == labels).mean())


def make_cnn(
    *,
    size: int = 28,
    num_maps: int = 10,
    num_hidden: int = 100,
    num_classes: int = 10,
    activation: str = "tanh",
    dtype: Any = np.float32,
    seed: int = 0,
) -> Network:
    """Return an untrained network: convolution 5x5, max pooling 2x2, a hidden layer, softmax.

    The weights are drawn so that the values neither grow nor fade from layer to layer [1]_.

    References
    ----------
    .. [1] Glorot and Bengio, "Understanding the difficulty of training deep feedforward neural networks", AISTATS 2010.
    """
    random = np.random.default_rng(seed)

    def draw(*shape: int, fan_in: int, fan_out: int) -> Array:
        limit = np.sqrt(6 / (fan_in + fan_out))
        return random.uniform(-limit, limit, shape).astype(dtype)

    side = (size - 4) // 2
    pooled = side * side * num_maps
    layers: dict[str, Layer] = {
        "conv": Convolution(draw(5, 5, 1, num_maps, fan_in=25, fan_out=25 * num_maps), np.zeros(num_maps, dtype)),
        "conv_activation": Activation(activation),
        "pool": MaxPooling(2),
        "flatten": Flatten(),
        "hidden": Dense(draw(pooled, num_hidden, fan_in=pooled, fan_out=num_hidden), np.zeros(num_hidden, dtype)),
        "hidden_activation": Activation(activation),
        "preds": Dense(
            draw(num_hidden, num_classes, fan_in=num_hidden, fan_out=num_classes), np.zeros(num_classes, dtype)
        ),
        "softmax": Softmax(),
    }
    return Network(layers)


def train(
    network: Network,
    inputs: Array,
    labels: Array,
    *,
    num_epochs: int = 10,
    batch_size: int = 16,
    learning_rate: float = 0.1,
    seed: int = 0,
    report: Callable[[str], None] = print,
) -> list[float]:
    """Train by stochastic gradient descent; the step shrinks evenly to zero.

    Parameters
    ----------
    network : Network
        What to train, in place.
    inputs : ndarray, shape (N, H, W, C)
        The images.
    labels : ndarray of int, shape (N,)
        Their classes.
    num_epochs : int, default 10
        How often every image is seen.
    batch_size : int, default 16
        Images per step; 1 trains sample by sample.
    learning_rate : float, default 0.1
        Length of the first step.
    seed : int, default 0
        Seed of the order of the images.
    report : callable, default print
        Takes a line about each epoch.

    Returns
    -------
    list of float
        The loss of every step.
    """
    random = np.random.default_rng(seed)
    starts = range(0, len(inputs), batch_size)
    num_steps = num_epochs * len(starts)
    losses: list[float] = []
    for epoch in range(1, num_epochs + 1):
        order = random.permutation(len(inputs))
        for start in starts:
            chosen = order[start : start + batch_size]
            loss, gradients = network.gradients(inputs[chosen], labels[chosen])
            step = learning_rate * (1 - len(losses) / num_steps)
            for name, by_weight in gradients.items():
                for weight, gradient in by_weight.items():
                    network.layers[name].weights[weight] -= step * gradient
            losses.append(loss)
        report(f"epoch {epoch:2d} of {num_epochs}: loss {np.mean(losses[-len(starts) :]):.4f}")
    return losses


def sigmoid(values: Array) -> Array:
    """Return 1 / (1 + exp(-values)); by way of tanh, which doesn't overflow."""
    return 0.5 * np.tanh(0.5 * values) + 0.5


def cross_entropy(probabilities: Array, labels: Array) -> float:
    """Return the mean of -log(probability of the right class)."""
    right = probabilities[np.arange(len(labels)), labels]
    return float(-np.log(np.maximum(right, 1e-12)).mean())
