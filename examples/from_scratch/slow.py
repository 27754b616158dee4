"""The network of `cnn.py` a second time, as one would first write it: one image, one position after another.

It is what the fast version is tested against, and what its speed is measured by.
"""

from __future__ import annotations

from typing import Any

import numpy as np

Array = np.ndarray


def convolve(image: Array, kernels: Array, bias: Array) -> Array:
    """Return (h, w, K): at each position the window under the kernels, weighted and added up."""
    height, width, _, count = kernels.shape
    outputs = np.empty((image.shape[0] - height + 1, image.shape[1] - width + 1, count), image.dtype)
    for row in range(outputs.shape[0]):
        for column in range(outputs.shape[1]):
            window = image[row : row + height, column : column + width, :, np.newaxis]
            outputs[row, column] = (window * kernels).sum(axis=(0, 1, 2)) + bias
    return outputs


def kernel_gradients(image: Array, gradient: Array, kernels: Array) -> tuple[Array, Array]:
    """Return the gradient by the kernels and by the bias."""
    height, width = kernels.shape[:2]
    by_kernels, by_bias = np.zeros_like(kernels), np.zeros(kernels.shape[-1], kernels.dtype)
    for row in range(gradient.shape[0]):
        for column in range(gradient.shape[1]):
            window = image[row : row + height, column : column + width, :, np.newaxis]
            by_kernels += window * gradient[row, column]
            by_bias += gradient[row, column]
    return by_kernels, by_bias


def image_gradient(image: Array, gradient: Array, kernels: Array) -> Array:
    """Return the gradient by the image."""
    height, width = kernels.shape[:2]
    result = np.zeros_like(image)
    for row in range(gradient.shape[0]):
        for column in range(gradient.shape[1]):
            result[row : row + height, column : column + width] += (kernels * gradient[row, column]).sum(axis=-1)
    return result


def pool(maps: Array, size: int) -> tuple[Array, Array]:
    """Return the largest value of each square, and where in the square it stood."""
    shape = (maps.shape[0] // size, maps.shape[1] // size, maps.shape[2])
    outputs, argmax = np.empty(shape, maps.dtype), np.empty(shape, np.int8)
    for row in range(shape[0]):
        for column in range(shape[1]):
            square = maps[row * size : (row + 1) * size, column * size : (column + 1) * size].reshape(-1, shape[2])
            argmax[row, column] = square.argmax(axis=0)
            outputs[row, column] = square.max(axis=0)
    return outputs, argmax


def unpool(gradient: Array, argmax: Array, shape: tuple[int, ...], size: int) -> Array:
    """Hand each gradient back to the value that was the largest."""
    result = np.zeros(shape, gradient.dtype)
    for row in range(gradient.shape[0]):
        for column in range(gradient.shape[1]):
            for channel in range(gradient.shape[2]):
                down, right = divmod(argmax[row, column, channel], size)
                result[row * size + down, column * size + right, channel] = gradient[row, column, channel]
    return result


def gradients(network: Any, images: Array, labels: Array) -> tuple[float, dict[str, dict[str, Array]], Array]:
    """Return the mean loss, its gradients by the weights as `Network.gradients` does, and that by the images."""
    count = len(images)
    kernels = network.layers["conv"].weights["kernels"]
    losses, by_images, by_weights = [], [], {}
    for image, label in zip(images, labels, strict=True):
        loss, found, by_conv = gradients_of_image(network, image, label)
        losses.append(loss)
        by_images.append(image_gradient(image, by_conv, kernels) / count)
        for layer, weights in found.items():
            sums = by_weights.setdefault(layer, {})
            for name, gradient in weights.items():
                sums[name] = sums.get(name, 0) + gradient / count
    return float(np.mean(losses)), by_weights, np.stack(by_images)


def gradients_of_image(network: Any, image: Array, label: int) -> tuple[float, dict[str, Any], Array]:
    """Return the loss, its gradients by the weights, and that by what the convolution returns."""
    weights = {name: layer.weights for name, layer in network.layers.items()}
    size = network.layers["pool"].size

    maps = _activate(network, "conv_activation", convolve(image, **weights["conv"]))
    pooled, argmax = pool(maps, size)
    flat = pooled.reshape(-1)
    hidden = _activate(network, "hidden_activation", flat @ weights["hidden"]["matrix"] + weights["hidden"]["bias"])
    logits = hidden @ weights["preds"]["matrix"] + weights["preds"]["bias"]
    powers = np.exp(logits - logits.max())
    probabilities = powers / powers.sum()

    by_logits = probabilities.copy()
    by_logits[label] -= 1
    by_hidden = weights["preds"]["matrix"] @ by_logits * _slope(network, "hidden_activation", hidden)
    by_pooled = (weights["hidden"]["matrix"] @ by_hidden).reshape(pooled.shape)
    by_conv = unpool(by_pooled, argmax, maps.shape, size) * _slope(network, "conv_activation", maps)
    by_kernels, by_bias = kernel_gradients(image, by_conv, weights["conv"]["kernels"])
    found: dict[str, Any] = {
        "conv": {"kernels": by_kernels, "bias": by_bias},
        "hidden": {"matrix": np.outer(flat, by_hidden), "bias": by_hidden},
        "preds": {"matrix": np.outer(hidden, by_logits), "bias": by_logits},
    }
    return float(-np.log(probabilities[label])), found, by_conv


def _activate(network: Any, layer: str, values: Array) -> Array:
    return np.tanh(values) if network.layers[layer].function == "tanh" else 1 / (1 + np.exp(-values))


def _slope(network: Any, layer: str, outputs: Array) -> Array:
    return 1 - outputs**2 if network.layers[layer].function == "tanh" else outputs * (1 - outputs)
