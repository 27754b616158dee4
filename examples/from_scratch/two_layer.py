"""The smallest network that can learn "either, but not both": two layers of sigmoids, with the way back written out."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

Array = np.ndarray

INPUTS = np.array([[0, 0, 1], [0, 1, 1], [1, 0, 1], [1, 1, 1]], dtype=np.float64)
"""Four rows: two bits, and a one that serves the hidden units as their bias."""

OUTPUTS = np.array([[0], [1], [1], [0]], dtype=np.float64)
"""Whether exactly one of the two bits is set."""


@dataclass
class TwoLayerNetwork:
    """Inputs -> hidden sigmoids -> sigmoid outputs.

    Attributes
    ----------
    first : ndarray, shape (inputs, hidden)
        Weights of the hidden layer.
    second : ndarray, shape (hidden, outputs)
        Weights of the output.
    """

    first: Array
    second: Array

    def forward(self, inputs: Array) -> tuple[Array, Array]:
        """Return the hidden units (N, hidden) and the outputs (N, outputs)."""
        hidden = sigmoid(inputs @ self.first)
        outputs = sigmoid(hidden @ self.second)
        return hidden, outputs

    def backward(self, inputs: Array, hidden: Array, outputs: Array, truth: Array) -> tuple[Array, Array]:
        """Return the gradient of the loss by the first and by the second weights: the chain rule, from the back.

        The loss is sum((outputs - truth)²), and the slope of a sigmoid whose value is s is s(1 - s).
        """
        by_outputs = 2 * (outputs - truth)
        by_sums = by_outputs * outputs * (1 - outputs)  # before the sigmoid of the output
        by_second = hidden.T @ by_sums
        by_hidden = by_sums @ self.second.T
        by_hidden_sums = by_hidden * hidden * (1 - hidden)
        by_first = inputs.T @ by_hidden_sums
        return by_first, by_second

    def predict(self, inputs: Array) -> Array:
        """Return the outputs."""
        return self.forward(inputs)[1]


def make_two_layer(num_inputs: int = 3, num_hidden: int = 4, num_outputs: int = 1, *, seed: int = 0) -> TwoLayerNetwork:
    """Return an untrained network; its weights are drawn from -1 to 1."""
    random = np.random.default_rng(seed)
    return TwoLayerNetwork(
        random.uniform(-1, 1, (num_inputs, num_hidden)), random.uniform(-1, 1, (num_hidden, num_outputs))
    )


def train(
    network: TwoLayerNetwork,
    inputs: Array = INPUTS,
    truth: Array = OUTPUTS,
    *,
    num_iterations: int = 1500,
    learning_rate: float = 1.0,
) -> list[float]:
    """Step down the gradient of all rows together, and return the loss before every step."""
    losses = []
    for _ in range(num_iterations):
        hidden, outputs = network.forward(inputs)
        losses.append(loss(outputs, truth))
        by_first, by_second = network.backward(inputs, hidden, outputs, truth)
        network.first -= learning_rate * by_first
        network.second -= learning_rate * by_second
    return losses


def loss(outputs: Array, truth: Array) -> float:
    """Return the sum of squares."""
    return float(((outputs - truth) ** 2).sum())


def sigmoid(values: Array) -> Array:
    """Return 1 / (1 + exp(-values)); by way of tanh, which doesn't overflow."""
    return 0.5 * np.tanh(0.5 * values) + 0.5
