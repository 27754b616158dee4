"""Recurrent layers of Keras 2 that ran on NVIDIA's cuDNN alone: the same cells, with weights in cuDNN's order."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import keras
from keras import ops

Tensor = Any


class _Cell(keras.layers.Layer):  # type: ignore[misc]
    """A cell whose gates each have a kernel that lies in memory as its transpose, and two biases."""

    num_gates: int
    num_states: int

    def __init__(self, units: int, **options: Any) -> None:
        super().__init__(**options)
        self.units = self.output_size = units
        self.state_size = units if self.num_states == 1 else [units] * self.num_states

    def build(self, shape: Sequence[Any]) -> None:
        """Make the weights."""
        width = self.num_gates * self.units
        self.kernel = self.add_weight((shape[-1], width), name="kernel")
        self.recurrent_kernel = self.add_weight((self.units, width), name="recurrent_kernel")
        self.bias = self.add_weight((2 * width,), name="bias", initializer="zeros")

    def gates(self, x: Tensor, state: Tensor) -> tuple[list[Tensor], list[Tensor]]:
        """Return for each gate what the input gives to it, and what the state gives."""
        biases = ops.split(self.bias, 2 * self.num_gates)
        by_input = [ops.matmul(x, self._turned(kernel)) for kernel in self._each(self.kernel)]
        by_state = [ops.matmul(state, self._turned(kernel)) for kernel in self._each(self.recurrent_kernel)]
        return (
            [values + bias for values, bias in zip(by_input, biases[: self.num_gates], strict=True)],
            [values + bias for values, bias in zip(by_state, biases[self.num_gates :], strict=True)],
        )

    def _each(self, kernel: Tensor) -> list[Tensor]:
        kernels: list[Tensor] = ops.split(kernel, self.num_gates, axis=1)
        return kernels

    def _turned(self, kernel: Tensor) -> Tensor:
        return ops.transpose(ops.reshape(kernel, (self.units, -1)))

    def get_config(self) -> dict[str, Any]:
        """Return the arguments."""
        return {**super().get_config(), "units": self.units}


class _LSTMCell(_Cell):
    num_gates, num_states = 4, 2

    def call(self, x: Tensor, states: Sequence[Tensor]) -> tuple[Tensor, list[Tensor]]:
        """Return the output, and the states after it."""
        before, memory = states
        enter, forget, new, out = map(ops.add, *self.gates(x, before))
        memory = ops.sigmoid(forget) * memory + ops.sigmoid(enter) * ops.tanh(new)
        output = ops.sigmoid(out) * ops.tanh(memory)
        return output, [output, memory]


class _GRUCell(_Cell):
    num_gates, num_states = 3, 1

    def call(self, x: Tensor, states: Sequence[Tensor]) -> tuple[Tensor, list[Tensor]]:
        """Return the output, and the state after it."""
        (before,) = states if isinstance(states, list | tuple) else (states,)
        by_input, by_state = self.gates(x, before)
        keep, reset = (ops.sigmoid(one + other) for one, other in zip(by_input[:2], by_state[:2], strict=True))
        output = keep * before + (1 - keep) * ops.tanh(by_input[2] + reset * by_state[2])
        return output, [output]


class _Recurrent(keras.layers.RNN):  # type: ignore[misc]
    """A layer of such cells; how its weights were initialized and held in check is past."""

    cell_type: type[_Cell]

    def __init__(
        self, units: int, return_sequences: bool = False, return_state: bool = False, go_backwards: bool = False,
        stateful: bool = False, name: str | None = None, trainable: bool = True, dtype: Any = None, **training: Any,
    ) -> None:  # fmt: skip
        del training
        self.units = units
        super().__init__(
            self.cell_type(units),
            return_sequences=return_sequences,
            return_state=return_state,
            go_backwards=go_backwards,
            stateful=stateful,
            name=name,
            trainable=trainable,
            dtype=dtype,
        )

    def get_config(self) -> dict[str, Any]:
        """Return the arguments."""
        config = super().get_config()
        del config["cell"]
        return {**config, "units": self.units}

    @classmethod
    def from_config(cls, config: dict[str, Any], custom_objects: Any = None) -> Any:
        """Make the layer of its arguments."""
        return cls(**config)


class CuDNNLSTM(_Recurrent):
    """Long short-term memory."""

    cell_type = _LSTMCell


class CuDNNGRU(_Recurrent):
    """Gated recurrent units, the reset after the product."""

    cell_type = _GRUCell
