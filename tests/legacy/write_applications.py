"""Writes a model of each family of Keras 2's `keras.applications`, and what it predicts: ``python write_applications.py FOLDER``.

Runs with tf-keras; 1.6 GB, so no archive of them is kept: `make test-keras2` writes them and reads them again.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import numpy as np
import tf_keras as keras

SIZES = {
    "ConvNeXtTiny": 32, "DenseNet121": 32, "EfficientNetB0": 32, "EfficientNetV2B0": 32, "InceptionResNetV2": 75,
    "InceptionV3": 75, "MobileNet": 32, "MobileNetV2": 32, "MobileNetV3Small": 32, "NASNetMobile": 32, "RegNetX002": 32,
    "RegNetY002": 32, "ResNet50": 32, "ResNet50V2": 32, "ResNetRS50": 32, "VGG16": 32, "Xception": 71,
}  # fmt: skip
"""One of each family, and the smallest image that it takes."""


def main(folder):
    folder.mkdir(parents=True, exist_ok=True)
    for name, size in SIZES.items():
        for suffix in (".h5", ".keras"):
            keras.backend.clear_session()
            keras.utils.set_random_seed(0)
            shape = (size, size, 3)
            model = getattr(keras.applications, name)(weights=None, input_shape=shape, include_top=False, pooling="avg")
            rng = np.random.default_rng(0)
            for weight in model.weights:  # what is made as ones and zeros would be the same in any order
                if "moving_variance" in weight.name:
                    weight.assign(rng.uniform(0.5, 1.5, weight.shape))
                elif "beta" in weight.name or "moving_mean" in weight.name:
                    weight.assign(rng.uniform(-0.2, 0.2, weight.shape))
            images = rng.uniform(0, 255, (1, *shape)).astype("f4")
            model.save(folder / f"{name}{suffix}")
            np.savez(folder / f"{name}{suffix}.npz", images=images, outputs=model(images, training=False).numpy())


if __name__ == "__main__":
    main(Path(sys.argv[1]))
