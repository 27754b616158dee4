"""The CNN that the MNIST examples look into: made once, kept in ``out/mnist_cnn.keras``, and loaded from there."""

from __future__ import annotations

from typing import Any

import keras
import numpy as np
from keras import layers
from mnist_data import Digits, load_mnist
from output import OUT

REQUIRED_ACCURACY = 0.97


def build() -> Any:
    """Return the network, untrained: 1,199,882 weights."""
    return keras.Sequential(
        [
            keras.Input((28, 28, 1)),
            layers.Conv2D(32, 3, activation="relu", name="conv1"),
            layers.Conv2D(64, 3, activation="relu", name="conv2"),
            layers.MaxPooling2D(name="pool"),
            layers.Dropout(0.25, name="dropout1"),
            layers.Flatten(name="flatten"),
            layers.Dense(128, activation="relu", name="dense"),
            layers.Dropout(0.5, name="dropout2"),
            layers.Dense(10, activation="softmax", name="preds"),
        ],
        name="mnist_cnn",
    )


def train(digits: Digits, epochs: int = 4) -> tuple[Any, float]:
    """Return the trained network and its held-out accuracy."""
    keras.utils.set_random_seed(0)
    model = build()
    model.compile(keras.optimizers.Adam(1e-3), "sparse_categorical_crossentropy", metrics=["accuracy"])
    # Small sets need more passes for as many steps.
    epochs = max(epochs, round(epochs * 4000 / len(digits.train_labels)))
    model.fit(as_inputs(digits.train_images), digits.train_labels, batch_size=64, epochs=epochs, verbose=2)
    _, accuracy = model.evaluate(as_inputs(digits.test_images), digits.test_labels, batch_size=256, verbose=0)
    return model, float(accuracy)


def trained() -> tuple[Any, Digits]:
    """Return the trained network and the digits; train it first where that was not done yet."""
    digits = load_mnist()
    file = OUT / f"mnist_cnn_{len(digits.train_labels)}.keras"
    if file.exists():
        return keras.models.load_model(file), digits
    model, accuracy = train(digits)
    print(f"held-out accuracy {accuracy:.2%}")
    if accuracy < REQUIRED_ACCURACY:
        raise SystemExit(f"The network is right on {accuracy:.2%} of the held-out digits, and should be on 97 %.")
    model.save(file)
    return model, digits


def as_inputs(images: np.ndarray) -> np.ndarray:
    """Return pixels 0..255 as the network takes them: (N, 28, 28, 1), 0..1."""
    return images[..., None].astype(np.float32) / 255


def one_of_each(digits: Digits) -> np.ndarray:
    """Return a held-out digit of each class, (10, 28, 28, 1), uint8."""
    first = [int(np.flatnonzero(digits.test_labels == digit)[0]) for digit in range(10)]
    return digits.test_images[first][..., None]
