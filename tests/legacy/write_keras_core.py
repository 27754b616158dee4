"""Writes tiny models with Keras Core, and what they predict, into an archive: ``python write_keras_core.py ARCHIVE.tar.xz``.

Runs with ``pip install tensorflow-cpu==2.13.* keras-core==0.1.7``. Keras Core was Keras 3 before it was released.
"""

from __future__ import annotations

import os
import sys
import tarfile
import tempfile
from pathlib import Path

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import keras_core as keras
import numpy as np

L, ops = keras.layers, keras.operations if hasattr(keras, "operations") else keras.ops
SHAPE = (6, 4, 3)


def sequential():
    return keras.Sequential(
        [L.Input(SHAPE), L.Conv2D(2, 3, activation="leaky_relu"), L.Flatten(), L.Dense(2, "softmax")]
    )


def functional():
    image = L.Input(SHAPE, name="image")
    x = L.BatchNormalization()(L.SeparableConv2D(4, 3, padding="same", depthwise_regularizer="l1")(image))
    x = L.Add()(
        [L.Activation("hard_sigmoid")(x), L.Conv2D(4, 1, kernel_regularizer="l2", kernel_constraint="max_norm")(image)]
    )
    return keras.Model(image, L.Dense(2, "sigmoid")(L.GlobalAveragePooling2D()(x)))


def operations():
    image = L.Input(SHAPE)
    x = ops.relu(L.Conv2D(3, 1)(image / 255.0 - 0.5))
    return keras.Model(image, ops.mean(ops.concatenate([x, -ops.flip(x, axis=-1)], axis=-1), axis=(1, 2)))


def nested():
    base = functional()
    image = L.Input(SHAPE)
    return keras.Model(image, L.Dense(3)(base(L.Rescaling(1 / 127.5, -1.0)(image))))


def recurrent():
    image = L.Input(SHAPE)
    x = L.Reshape((6, 12))(image)
    x = L.Bidirectional(L.LSTM(2, return_sequences=True))(x)
    return keras.Model(image, [L.GRU(2)(x), L.Dense(2)(x)])


MODELS = (sequential, functional, operations, nested, recurrent)


def main(archive):
    expected = {}
    with tempfile.TemporaryDirectory() as folder:
        for make in MODELS:
            for suffix in (".keras", ".h5"):
                keras.utils.set_random_seed(0)
                path = Path(folder) / f"{make.__name__}{suffix}"
                model = make()
                rng = np.random.default_rng(0)
                inputs = [rng.normal(0, 1, (2, *tensor.shape[1:])).astype("f4") for tensor in model.inputs]
                try:
                    model.save(path)
                except Exception as error:
                    print(f"left out: {path.name} - {type(error).__name__}: {str(error)[:150]}")
                    path.unlink(missing_ok=True)
                    continue
                outputs = model.predict(inputs[0], verbose=0)
                for index, output in enumerate(outputs if isinstance(outputs, list) else [outputs]):
                    expected[f"{path.name}/{index}"] = output
        np.savez(Path(folder) / "expected.npz", **expected)
        with tarfile.open(archive, "w:xz", preset=9) as packed:
            for path in sorted(Path(folder).iterdir()):
                packed.add(path, path.name)
    print(f"{archive}: {len(expected)} predictions by Keras Core {keras.__version__}")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
