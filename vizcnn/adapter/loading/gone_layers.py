"""Layers of Keras 1 and 2 that this Keras hasn't, or has with another arithmetic."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import keras
from keras import ops

from vizcnn.adapter.loading.cudnn_layers import CuDNNGRU as CuDNNGRU
from vizcnn.adapter.loading.cudnn_layers import CuDNNLSTM as CuDNNLSTM

Tensor = Any


class ThresholdedReLU(keras.layers.Layer):  # type: ignore[misc]
    """x where it is above theta, and 0 elsewhere."""

    def __init__(self, theta: float = 1.0, **options: Any) -> None:
        super().__init__(**options)
        self.theta = float(theta)

    def call(self, x: Tensor) -> Tensor:
        """Return the output."""
        return ops.where(x > self.theta, x, ops.zeros_like(x))

    def get_config(self) -> dict[str, Any]:
        """Return the arguments."""
        return {**super().get_config(), "theta": self.theta}


class _WithActivation(keras.layers.Layer):  # type: ignore[misc]
    """A layer with a bias and an activation."""

    def __init__(self, activation: Any = None, use_bias: bool = True, **options: Any) -> None:
        super().__init__(**options)
        self.activation, self.use_bias = keras.activations.get(activation), use_bias

    def get_config(self) -> dict[str, Any]:
        """Return the arguments."""
        activation = keras.activations.serialize(self.activation)
        return {**super().get_config(), "activation": activation, "use_bias": self.use_bias}


class Highway(_WithActivation):
    """A dense layer of which a gate lets through a share, and of its input the rest [1]_.

    References
    ----------
    .. [1] Srivastava et al., "Highway Networks", 2015. arXiv:1505.00387
    """

    def build(self, shape: Sequence[Any]) -> None:
        """Make the weights."""
        size = shape[-1]
        self.kernel = self.add_weight((size, size), name="kernel")
        self.carry_kernel = self.add_weight((size, size), name="carry_kernel")
        if self.use_bias:
            self.bias = self.add_weight((size,), name="bias", initializer="zeros")
            self.carry_bias = self.add_weight((size,), name="carry_bias", initializer="ones")

    def call(self, x: Tensor) -> Tensor:
        """Return the output."""
        bias, carry = (self.bias, self.carry_bias) if self.use_bias else (0.0, 0.0)
        gate = ops.sigmoid(ops.matmul(x, self.carry_kernel) + carry)
        return self.activation(ops.matmul(x, self.kernel) + bias) * gate + (1 - gate) * x


class MaxoutDense(keras.layers.Layer):  # type: ignore[misc]
    """The largest of several dense layers, unit by unit [1]_.

    References
    ----------
    .. [1] Goodfellow et al., "Maxout Networks", ICML 2013. arXiv:1302.4389
    """

    def __init__(self, units: int, nb_feature: int = 4, use_bias: bool = True, **options: Any) -> None:
        super().__init__(**options)
        self.units, self.nb_feature, self.use_bias = units, nb_feature, use_bias

    def build(self, shape: Sequence[Any]) -> None:
        """Make the weights."""
        self.kernel = self.add_weight((self.nb_feature, shape[-1], self.units), name="kernel")
        if self.use_bias:
            self.bias = self.add_weight((self.nb_feature, self.units), name="bias", initializer="zeros")

    def call(self, x: Tensor) -> Tensor:
        """Return the output."""
        outputs = ops.einsum("ni,kio->nko", x, self.kernel)
        return ops.max(outputs + self.bias if self.use_bias else outputs, axis=1)

    def get_config(self) -> dict[str, Any]:
        """Return the arguments."""
        return {**super().get_config(), "units": self.units, "nb_feature": self.nb_feature, "use_bias": self.use_bias}


class _PerPosition(keras.layers.Layer):  # type: ignore[misc]
    """A layer with parameters for each position of its input, but for the axes that share them."""

    parameters: tuple[str, ...]

    def __init__(self, shared_axes: Sequence[int] = (), **options: Any) -> None:
        super().__init__(**options)
        self.shared_axes = list(shared_axes)

    def build(self, shape: Sequence[Any]) -> None:
        """Make the weights."""
        sizes = [1 if axis in self.shared_axes else size for axis, size in enumerate(shape)][1:]
        for name in self.parameters:
            setattr(self, name, self.add_weight(sizes, name=name))

    def get_config(self) -> dict[str, Any]:
        """Return the arguments."""
        return {**super().get_config(), "shared_axes": self.shared_axes}


class ParametricSoftplus(_PerPosition):
    """alpha * log(1 + exp(beta * x)), its parameters trained."""

    parameters = ("alpha", "beta")

    def call(self, x: Tensor) -> Tensor:
        """Return the output."""
        return ops.softplus(self.beta * x) * self.alpha


class SReLU(_PerPosition):
    """A rectifier of three straight pieces, their ends and slopes trained [1]_.

    References
    ----------
    .. [1] Jin et al., "Deep Learning with S-shaped Rectified Linear Activation Units", 2015. arXiv:1512.07030
    """

    parameters = ("t_left", "a_left", "t_right", "a_right")

    def call(self, x: Tensor) -> Tensor:
        """Return the output."""
        above, highest = x - self.t_left, ops.abs(self.t_right)
        return self.t_left + self.below(above, highest) + ops.relu(above - highest) * self.a_right

    def below(self, above: Tensor, highest: Tensor) -> Tensor:
        """Return the pieces to the left and in the middle."""
        return ops.minimum(ops.relu(above), highest) - self.a_left * ops.relu(-above)


class SReLUOfTheano(SReLU):
    """The same, where a falling slope to the left is cut off too."""

    def below(self, above: Tensor, highest: Tensor) -> Tensor:
        """Return the pieces to the left and in the middle."""
        return ops.minimum(ops.where(above > 0, above, self.a_left * above), highest)


class Cosine(keras.layers.Layer):  # type: ignore[misc]
    """The cosine between two tensors along an axis of each, with another axis behind the batch, as Keras 1 joined them."""

    def __init__(self, axes: Any = -1, **options: Any) -> None:
        super().__init__(**options)
        self.axes = axes

    def call(self, tensors: Sequence[Tensor]) -> Tensor:
        """Return the output."""
        one, other = tensors
        axes = [self.axes % len(one.shape)] * 2 if isinstance(self.axes, int) else list(self.axes)
        product = keras.layers.Dot(axes)
        norm = ops.sqrt(product([one, one]) * product([other, other]))
        return ops.expand_dims(product([one, other]) / ops.maximum(norm, keras.config.epsilon()), 1)

    def get_config(self) -> dict[str, Any]:
        """Return the arguments."""
        return {**super().get_config(), "axes": self.axes}


class BatchNormalizationPerSample(keras.layers.Layer):  # type: ignore[misc]
    """Each vector along the last axis by its own mean and deviation: mode 1 of Keras 1's batch normalization."""

    def __init__(self, epsilon: float = 1e-6, **options: Any) -> None:
        super().__init__(**options)
        self.epsilon = epsilon

    def build(self, shape: Sequence[Any]) -> None:
        """Make the weights."""
        self.gamma = self.add_weight((shape[-1],), name="gamma", initializer="ones")
        self.beta = self.add_weight((shape[-1],), name="beta", initializer="zeros")

    def call(self, x: Tensor) -> Tensor:
        """Return the output."""
        mean, variance = ops.moments(x, axes=-1, keepdims=True)
        return self.gamma * (x - mean) / (ops.sqrt(variance + self.epsilon) + self.epsilon) + self.beta

    def get_config(self) -> dict[str, Any]:
        """Return the arguments."""
        return {**super().get_config(), "epsilon": self.epsilon}


class _LocallyConnected(_WithActivation):
    """A convolution with a kernel of its own at each place."""

    ndim: int

    def __init__(
        self, filters: int, kernel_size: Any, strides: Any = 1, padding: str = "valid", data_format: Any = None,
        implementation: int = 1, **options: Any,
    ) -> None:  # fmt: skip
        super().__init__(**options)
        if padding != "valid" or implementation != 1:
            raise ValueError("a locally connected layer is read with padding 'valid' and implementation 1 alone")
        self.filters, self.padding, self.implementation = filters, padding, implementation
        self.kernel_size, self.strides = (_each(value, self.ndim) for value in (kernel_size, strides))
        self.data_format = data_format or "channels_last"

    def build(self, shape: Sequence[Any]) -> None:
        """Make the weights."""
        sizes = shape[2:] if self.data_format == "channels_first" else shape[1:-1]
        channels = shape[1] if self.data_format == "channels_first" else shape[-1]
        parts = zip(sizes, self.kernel_size, self.strides, strict=True)
        self.places = tuple((size - kernel) // step + 1 for size, kernel, step in parts)
        inputs = math.prod(self.kernel_size) * channels
        self.kernel = self.add_weight((math.prod(self.places), inputs, self.filters), name="kernel")
        if self.use_bias:
            self.bias = self.add_weight((*self.places, self.filters), name="bias", initializer="zeros")

    def call(self, x: Tensor) -> Tensor:
        """Return the output."""
        first = self.data_format == "channels_first"
        x = ops.moveaxis(x, 1, -1) if first else x
        x = x if self.ndim == 2 else ops.expand_dims(x, 2)
        sizes = (*self.kernel_size, 1)[:2]
        patches = ops.image.extract_patches(x, sizes, strides=(*self.strides, 1)[:2], data_format="channels_last")
        patches = ops.reshape(patches, (-1, math.prod(self.places), math.prod(sizes), x.shape[-1]))
        patches = ops.swapaxes(patches, 2, 3) if first else patches
        outputs = ops.einsum("npi,pio->npo", ops.reshape(patches, (-1, *self.kernel.shape[:2])), self.kernel)
        outputs = ops.reshape(outputs, (-1, *self.places, self.filters))
        if first:
            outputs = ops.moveaxis(outputs, -1, 1)
        if self.use_bias:  # with the channels first it is read as it lies in memory, as Keras did
            outputs = outputs + ops.reshape(self.bias, (1, *outputs.shape[1:]))
        return self.activation(outputs)

    def get_config(self) -> dict[str, Any]:
        """Return the arguments."""
        names = ("filters", "kernel_size", "strides", "padding", "data_format", "implementation")
        return {**super().get_config(), **{name: getattr(self, name) for name in names}}


class LocallyConnected1D(_LocallyConnected):
    """Of signals."""

    ndim = 1


class LocallyConnected2D(_LocallyConnected):
    """Of images."""

    ndim = 2


class Deconvolution2D(keras.layers.Conv2DTranspose):  # type: ignore[misc]
    """A transposed convolution that was told the size of its output, as Keras 1 was."""

    def __init__(self, output_shape: Any = None, **options: Any) -> None:
        super().__init__(**options)
        self.told = output_shape

    def build(self, shape: Sequence[Any]) -> None:
        """Make the weights, and find the padding that makes the output of that size."""
        first = self.data_format == "channels_first"
        before, after = (value[2:] if first else value[1:-1] for value in (shape, self.told))
        steps, kernel = _each(self.strides, 2), _each(self.kernel_size, 2)
        cut = [2 * (size // 2) if self.padding == "same" else 0 for size in kernel]
        least = [(n - 1) * step + size - less for n, step, size, less in zip(before, steps, kernel, cut, strict=True)]
        self.output_padding = tuple(size - smallest for size, smallest in zip(after, least, strict=True))
        super().build(shape)

    def get_config(self) -> dict[str, Any]:
        """Return the arguments."""
        config = {key: value for key, value in super().get_config().items() if key != "output_padding"}
        return {**config, "output_shape": self.told}


def _each(value: Any, ndim: int) -> tuple[int, ...]:
    """Return a size for each axis of space."""
    return (value,) * ndim if isinstance(value, int) else tuple(value)


def _padded(x: Tensor, before: Sequence[int], after: Sequence[int], data_format: str, value: float = 0.0) -> Tensor:
    sides = list(zip(before, after, strict=True))
    pads = [(0, 0), (0, 0), *sides] if data_format == "channels_first" else [(0, 0), *sides, (0, 0)]
    return ops.pad(x, pads, constant_values=value)


class _ConvolutionOfTheano:
    """A convolution whose padding "same" has half of the kernel before the input, as Theano's."""

    kernel_size: tuple[int, ...]
    dilation_rate: tuple[int, ...]
    data_format: str

    def convolution_op(self, inputs: Tensor, kernel: Tensor) -> Tensor:
        """Convolve."""
        sizes = [rate * (size - 1) + 1 for size, rate in zip(self.kernel_size, self.dilation_rate, strict=True)]
        x = _padded(inputs, [size // 2 for size in sizes], [(size - 1) // 2 for size in sizes], self.data_format)
        return ops.conv(x, kernel, strides=list(self.strides), padding="valid",  # type: ignore[attr-defined]
                        dilation_rate=self.dilation_rate, data_format=self.data_format)  # fmt: skip


class _PoolingOfTheano:
    """A pooling whose padding "same" puts as much before the input as behind it, as Theano's."""

    pool_size: tuple[int, ...]
    strides: tuple[int, ...]
    data_format: str
    pool_mode: str

    def call(self, inputs: Tensor) -> Tensor:
        """Pool."""
        sizes = [size - 2 if size > 2 and size % 2 else size - 1 for size in self.pool_size]
        last = [size + step for size, step in zip(self.pool_size, self.strides, strict=True)]
        options = {"strides": self.strides, "padding": "valid", "data_format": self.data_format}
        if self.pool_mode == "max":
            pooled = ops.max_pool(_padded(inputs, sizes, last, self.data_format, -math.inf), self.pool_size, **options)
        else:
            inside = _padded(ops.ones_like(inputs), sizes, last, self.data_format)
            pooled = ops.average_pool(_padded(inputs, sizes, last, self.data_format), self.pool_size, **options)
            pooled = pooled / ops.maximum(ops.average_pool(inside, self.pool_size, **options), keras.config.epsilon())
        space = slice(2, None) if self.data_format == "channels_first" else slice(1, -1)
        ends = [-(-size // step) for size, step in zip(inputs.shape[space], self.strides, strict=True)]
        parts = [slice(None)] * 2 + [slice(0, end) for end in ends]
        return pooled[tuple(parts if self.data_format == "channels_first" else [parts[0], *parts[2:], parts[1]])]


class Conv1DOfTheano(_ConvolutionOfTheano, keras.layers.Conv1D):  # type: ignore[misc]
    """Of signals."""

    def call(self, inputs: Tensor) -> Tensor:
        """Return the output."""
        return super(keras.layers.Conv1D, self).call(inputs)  # by `convolution_op`, as the others


class Conv2DOfTheano(_ConvolutionOfTheano, keras.layers.Conv2D):  # type: ignore[misc]
    """Of images."""


class Conv3DOfTheano(_ConvolutionOfTheano, keras.layers.Conv3D):  # type: ignore[misc]
    """Of volumes."""


class MaxPooling1DOfTheano(_PoolingOfTheano, keras.layers.MaxPooling1D):  # type: ignore[misc]
    """Of signals."""


class MaxPooling2DOfTheano(_PoolingOfTheano, keras.layers.MaxPooling2D):  # type: ignore[misc]
    """Of images."""


class MaxPooling3DOfTheano(_PoolingOfTheano, keras.layers.MaxPooling3D):  # type: ignore[misc]
    """Of volumes."""


class AveragePooling1DOfTheano(_PoolingOfTheano, keras.layers.AveragePooling1D):  # type: ignore[misc]
    """Of signals."""


class AveragePooling2DOfTheano(_PoolingOfTheano, keras.layers.AveragePooling2D):  # type: ignore[misc]
    """Of images."""


class AveragePooling3DOfTheano(_PoolingOfTheano, keras.layers.AveragePooling3D):  # type: ignore[misc]
    """Of volumes."""
