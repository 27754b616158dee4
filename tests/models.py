"""Tiny models with weights set by hand, and what they must answer, worked out in NumPy by the formulas.

`ZOO` holds one small network put together in every way that Keras allows. `reference` computes what it returns, what its
layers hold and what each gradient rule gives, without a framework.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import keras
import numpy as np
from keras import layers

from tests import framework
from tests.rounding import rounding

HEIGHT, WIDTH, CHANNELS, CLASSES = 6, 5, 3, 3

FORWARD = (9 * CHANNELS, 9 * 4, HEIGHT * WIDTH, 4)
"""Products in each sum of the network of the zoo: of both convolutions, the mean over positions, the dense layer."""

BOTH_WAYS = FORWARD * 2
"""The same with the way back."""

CLOSE = rounding(*BOTH_WAYS)
"""Tolerances of anything that the network answers to images in -1..1."""


def images(count: int = 2, shape: tuple[int, ...] = (HEIGHT, WIDTH, CHANNELS), seed: int = 0) -> np.ndarray:
    """Return random images in -1..1, float32."""
    return np.random.default_rng(seed).uniform(-1, 1, (count, *shape)).astype(np.float32)


def _numbers(seed: int, *shape: int) -> np.ndarray:
    return (np.random.default_rng(seed).normal(size=shape) * 0.5).astype(np.float32)


CONV1 = (_numbers(1, 3, 3, CHANNELS, 4), _numbers(2, 4))
CONV2 = (_numbers(3, 3, 3, 4, 4), _numbers(4, 4))
DENSE = (_numbers(5, 4, CLASSES), _numbers(6, CLASSES))


class Fixed(keras.initializers.Initializer):
    """Start from these numbers, so that a layer which isn't built yet has them too."""

    def __init__(self, values: np.ndarray) -> None:
        self.values = values

    def __call__(self, shape: Any, dtype: Any = None) -> Any:
        return keras.ops.reshape(keras.ops.convert_to_tensor(self.values, dtype), shape)


def conv(name: str, weights: tuple[np.ndarray, np.ndarray], **options: Any) -> Any:
    kernel, bias = weights
    start = {"kernel_initializer": Fixed(kernel), "bias_initializer": Fixed(bias)}
    return layers.Conv2D(kernel.shape[-1], kernel.shape[:2], padding="same", name=name, **start, **options)


def dense(name: str, weights: tuple[np.ndarray, np.ndarray], **options: Any) -> Any:
    kernel, bias = weights
    return layers.Dense(len(bias), name=name, kernel_initializer=Fixed(kernel), bias_initializer=Fixed(bias), **options)


def linear_model(weights: np.ndarray, shape: tuple[int, ...], activation: str | None = None, bias: float = 0.0) -> Any:
    """Return a model whose logits are ``images.reshape(N, -1) @ weights + bias``."""
    weights = np.asarray(weights, dtype=np.float32)
    head = dense("logits", (weights, np.full(weights.shape[-1], bias, np.float32)), activation=activation)
    return keras.Sequential([keras.Input(shape), layers.Flatten(name="flatten"), head], name="linear")


def differences(function: Callable[[np.ndarray], np.ndarray], x: np.ndarray, step: float = 1e-2) -> np.ndarray:
    """Return the gradient of a score by one image, from the change that each of its values makes: no autodiff."""
    steps = (np.eye(x.size, dtype=np.float32) * np.float32(step)).reshape(x.size, *x.shape)
    up, down = np.asarray(function(x + steps)), np.asarray(function(x - steps))
    return ((up.astype(np.float64) - down) / (2 * step)).reshape(x.shape)


# The reference ------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Reference:
    """What the network of the zoo answers: x -> conv1, relu -> conv2 (+ skip), relu -> mean -> dense -> softmax."""

    first: np.ndarray  # after the first relu
    last: np.ndarray  # after the second
    logits: np.ndarray
    by_input: np.ndarray  # d logit of the class / d input
    by_first: np.ndarray
    by_last: np.ndarray

    @property
    def probabilities(self) -> np.ndarray:
        grown = np.exp(self.logits - self.logits.max(axis=-1, keepdims=True))
        return grown / grown.sum(axis=-1, keepdims=True)


def convolve(x: np.ndarray, kernel: np.ndarray, bias: np.ndarray | float = 0.0) -> np.ndarray:
    """Correlate with zero padding, one pixel at a time."""
    kh, kw = kernel.shape[:2]
    padded = np.pad(x, ((0, 0), (kh // 2, kh // 2), (kw // 2, kw // 2), (0, 0)))
    out = np.zeros((*x.shape[:3], kernel.shape[-1]))
    for row in range(kh):
        for column in range(kw):
            out += padded[:, row : row + x.shape[1], column : column + x.shape[2]] @ kernel[row, column]
    return out + bias


def convolve_back(gradient: np.ndarray, kernel: np.ndarray) -> np.ndarray:
    """Return the gradient by what went into `convolve`."""
    return convolve(gradient, np.flip(kernel, (0, 1)).swapaxes(2, 3))


RULES: dict[str, Callable[[np.ndarray, np.ndarray], np.ndarray]] = {
    "vanilla": lambda gradient, before: gradient * (before > 0),
    "guided": lambda gradient, before: np.maximum(gradient, 0) * (before > 0),
    "relu": lambda gradient, before: np.maximum(gradient, 0),
}
"""What ReLU hands back: Simonyan et al.; Springenberg et al.; Zeiler and Fergus."""


def reference(x: np.ndarray, index: int = 0, *, skip: bool = True, rule: str = "vanilla") -> Reference:
    x = x.astype(np.float64)
    back = RULES[rule]
    before1 = convolve(x, *CONV1)
    first = np.maximum(before1, 0)
    before2 = convolve(first, *CONV2) + (first if skip else 0)
    last = np.maximum(before2, 0)
    logits = last.mean(axis=(1, 2)) @ DENSE[0] + DENSE[1]
    by_last = np.broadcast_to(DENSE[0][:, index] / (x.shape[1] * x.shape[2]), last.shape)
    by_before2 = back(by_last, before2)
    by_first = convolve_back(by_before2, CONV2[0]) + (by_before2 if skip else 0)
    by_input = convolve_back(back(by_first, before1), CONV1[0])
    return Reference(first, last, logits, by_input, by_first, by_last)


# The zoo: one network, put together in every way ----------------------------------------------------------------------


@dataclass(frozen=True)
class Built:
    """A model of the zoo: where the two maps after ReLU are found, and whether it has the skip connection."""

    model: Any
    first: str
    last: str
    skip: bool = True
    softmax: bool = True


def _input() -> Any:
    return keras.Input((HEIGHT, WIDTH, CHANNELS), name="image")


def _plain_layers() -> list[Any]:
    return [
        conv("conv1", CONV1, activation="relu"),
        conv("conv2", CONV2, activation="relu"),
        layers.GlobalAveragePooling2D(name="pool"),
        dense("predictions", DENSE, activation="softmax"),
    ]


def _features(x: Any) -> Any:
    first = conv("conv1", CONV1, activation="relu")(x)
    second = conv("conv2", CONV2)(first)
    return layers.Activation("relu", name="out")(layers.Add(name="add")([first, second]))


def _head(x: Any) -> Any:
    x = layers.GlobalAveragePooling2D(name="pool")(x)
    return dense("predictions", DENSE, activation="softmax")(x)


def base_model() -> Any:
    """Return the convolutional part as a Functional model of its own."""
    x = _input()
    return keras.Model(x, _features(x), name="base")


def sequential() -> Built:
    return Built(keras.Sequential([_input(), *_plain_layers()], name="zoo"), "conv1", "conv2", skip=False)


def sequential_never_called() -> Built:
    return Built(keras.Sequential(_plain_layers(), name="zoo"), "conv1", "conv2", skip=False)


def sequential_called() -> Built:
    built = sequential_never_called()
    built.model(images(1))
    return built


def functional() -> Built:
    x = _input()
    return Built(keras.Model(x, _head(_features(x)), name="zoo"), "conv1", "out")


def functional_of_a_list() -> Built:
    x = _input()
    return Built(keras.Model([x], [_head(_features(x))], name="zoo"), "conv1", "out")


def functional_of_a_dict() -> Built:
    x = _input()
    return Built(keras.Model({"image": x}, _head(_features(x)), name="zoo"), "conv1", "out")


def functional_on_a_base() -> Built:
    """The head is put on the base's output, so the base is not a layer of the model."""
    base = base_model()
    return Built(keras.Model(base.input, _head(base.output), name="zoo"), "conv1", "out")


def nested() -> Built:
    x = _input()
    return Built(keras.Model(x, _head(base_model()(x)), name="zoo"), "base/conv1", "base/out")


def nested_in_sequential() -> Built:
    head = [layers.GlobalAveragePooling2D(name="pool"), dense("predictions", DENSE, activation="softmax")]
    return Built(keras.Sequential([_input(), base_model(), *head], name="zoo"), "base/conv1", "base/out")


def nested_in_sequential_never_called() -> Built:
    head = [layers.GlobalAveragePooling2D(name="pool"), dense("predictions", DENSE, activation="softmax")]
    return Built(keras.Sequential([base_model(), *head], name="zoo"), "base/conv1", "base/out")


def nested_twice() -> Built:
    x, inner = _input(), base_model()
    outer = keras.Model(x, layers.Activation("linear", name="same")(inner(x)), name="outer")
    y = _input()
    return Built(keras.Model(y, _head(outer(y)), name="zoo"), "outer/base/conv1", "outer/base/out")


def preprocessing_inside() -> Built:
    """Halve, then double: layers of Keras's preprocessing kind in front, the network itself unchanged."""
    x = _input()
    front = [layers.Rescaling(0.5), layers.RandomFlip(), layers.Normalization(mean=0.0, variance=0.25)]
    y = keras.Sequential(front, name="front")(x)
    return Built(keras.Model(x, _head(_features(y)), name="zoo"), "conv1", "out")


def relu_layers() -> Built:
    """ReLU and softmax as layers of their own."""
    x = _input()
    first = layers.ReLU(name="relu1")(conv("conv1", CONV1)(x))
    second = conv("conv2", CONV2)(first)
    last = layers.Activation(framework.nn.relu, name="relu2")(first + second)
    logits = dense("logits", DENSE)(layers.GlobalAveragePooling2D()(last))
    return Built(keras.Model(x, layers.Softmax(name="softmax")(logits), name="zoo"), "relu1", "relu2")


def operations() -> Built:
    """Nodes of `keras.ops` in a Functional model."""
    x = _input()
    first = keras.ops.relu(conv("conv1", CONV1)(x))
    last = keras.ops.relu(keras.ops.add(first, conv("conv2", CONV2)(first)))
    logits = dense("logits", DENSE)(keras.ops.mean(last, axis=(1, 2)))
    model = keras.Model(x, keras.ops.softmax(logits), name="zoo")
    first_path, last_path = (node.name for node in model.operations if type(node).__name__ == "Relu")
    return Built(model, first_path, last_path)


class Subclassed(keras.Model):
    """Layers in a list and a dict; activations called as functions."""

    def __init__(self) -> None:
        super().__init__(name="zoo")
        self.convs = [conv("conv1", CONV1), conv("conv2", CONV2)]
        self.parts = {"relu": layers.ReLU(name="relu"), "head": dense("head", DENSE)}
        self.same = layers.Activation("linear", name="same")

    def call(self, x: Any, training: bool = False) -> Any:
        first = self.same(keras.ops.relu(self.convs[0](x)))
        last = self.parts["relu"](framework.nn.relu(first + self.convs[1](first)))
        return framework.nn.softmax(self.parts["head"](framework.mean(last, axis=(1, 2))), **framework.LAST)


def subclassed() -> Built:
    return Built(Subclassed(), "same", "relu")


def subclassed_called() -> Built:
    built = subclassed()
    built.model(images(1))
    return built


class FunctionalOfItsOwn(keras.Model):
    """A class that is made like a Functional model, and goes on from there in a `call` of its own."""

    def __init__(self) -> None:
        x = _input()
        super().__init__(x, _features(x), name="zoo")
        self.pool = layers.GlobalAveragePooling2D(name="pool")
        self.head = dense("head", DENSE, activation="softmax")

    def call(self, x: Any, training: bool | None = None, mask: Any = None) -> Any:
        return self.head(self.pool(super().call(x, training=training)))


def functional_with_a_call() -> Built:
    return Built(FunctionalOfItsOwn(), "conv1", "out")


class Wrapper(keras.Model):
    """A subclassed model that holds a Functional one."""

    def __init__(self) -> None:
        super().__init__(name="zoo")
        self.base = base_model()
        self.pool = layers.GlobalAveragePooling2D(name="pool")
        self.head = dense("head", DENSE, activation=framework.softmax)

    def call(self, x: Any) -> Any:
        return self.head(self.pool(self.base(x)))


def wrapped() -> Built:
    return Built(Wrapper(), "base/conv1", "base/out")


class Block(layers.Layer):
    """A layer that holds layers."""

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        self.first = conv("conv1", CONV1, activation=layers.ReLU(name="gate"))
        self.second = conv("conv2", CONV2)

    def call(self, x: Any) -> Any:
        first = self.first(x)
        return keras.activations.relu(first + self.second(first))


def layer_of_layers() -> Built:
    model = keras.Sequential([_input(), Block(name="block"), layers.GlobalAveragePooling2D(name="pool")], name="zoo")
    model.add(dense("predictions", DENSE, activation="softmax"))
    return Built(model, "block/conv1", "block")


def open_size() -> Built:
    x = keras.Input((None, None, CHANNELS), name="image")
    return Built(keras.Model(x, _head(_features(x)), name="zoo"), "conv1", "out")


def without_softmax() -> Built:
    x = _input()
    logits = dense("logits", DENSE)(layers.GlobalAveragePooling2D(name="pool")(_features(x)))
    return Built(keras.Model(x, logits, name="zoo"), "conv1", "out", softmax=False)


Builder = Callable[[], Built]

ZOO: dict[str, Builder] = {
    build.__name__: build
    for build in (
        sequential,
        sequential_never_called,
        sequential_called,
        functional,
        functional_of_a_list,
        functional_of_a_dict,
        functional_on_a_base,
        nested,
        nested_in_sequential,
        nested_in_sequential_never_called,
        nested_twice,
        preprocessing_inside,
        relu_layers,
        operations,
        subclassed,
        subclassed_called,
        wrapped,
        functional_with_a_call,
        layer_of_layers,
        open_size,
        without_softmax,
    )
}
