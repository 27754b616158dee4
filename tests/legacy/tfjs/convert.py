"""Converts a tiny Keras model with tensorflowjs's own converter, as it is and quantized: ``python convert.py FOLDER``.

Runs where tensorflowjs 4.22 lies on the path (``pip install --no-deps tensorflowjs six``) and Keras 3 is installed. The parts of
it that are needed are imported past its `__init__`, which wants every framework that it converts from.
"""

from __future__ import annotations

import importlib.machinery
import json
import sys
import tempfile
import types
import zipfile
from pathlib import Path

import h5py
import keras
import numpy as np
from keras import layers


def conversion():
    """Return the module that converts HDF5."""
    for name in ("tensorflowjs", "tensorflowjs.converters"):
        spec = importlib.machinery.PathFinder.find_spec(name.rpartition(".")[2], sys.path if "." not in name else
                                                        sys.modules["tensorflowjs"].__path__)  # fmt: skip
        module = sys.modules[name] = types.ModuleType(name)
        module.__path__ = list(spec.submodule_search_locations)
    from tensorflowjs.converters import keras_h5_conversion

    return keras_h5_conversion


def model():
    """Return a model with a nested one, statistics and a cell in a wrapper."""
    keras.utils.set_random_seed(1)
    image = keras.Input((8, 8, 2), name="image")
    x = layers.Conv2D(4, 3, padding="same", name="conv")(image)
    base = keras.Model(
        image, layers.DepthwiseConv2D(3, name="depthwise")(layers.BatchNormalization(name="bn")(x)), name="base"
    )
    y = layers.TimeDistributed(layers.Dense(5, activation="relu", name="inner"), name="rows")(base(image))
    y = layers.GlobalMaxPooling2D(name="pool")(y)
    whole = keras.Model(image, layers.Dense(3, activation="softmax", name="classes")(y), name="whole")
    rng = np.random.default_rng(1)
    whole.set_weights([rng.uniform(0.1, 1, weight.shape) - 0.4 * (weight.ndim > 1) for weight in whole.get_weights()])
    return whole


def main(folder):
    made, convert = model(), conversion()
    with tempfile.TemporaryDirectory() as scratch:
        made.save(Path(scratch) / "m.h5")
        made.save(Path(scratch) / "m.keras")
        zipfile.ZipFile(Path(scratch) / "m.keras").extractall(scratch)
        with h5py.File(Path(scratch) / "m.h5", "r+") as file:
            file.attrs["keras_version"] = "2.15.0"  # it takes no HDF5 file of Keras 3, which writes the same
        for name, quantized in (("plain", None), ("uint8", {"uint8": True}), ("uint16", {"uint16": "*kernel"}),
                                ("float16", {"float16": True})):  # fmt: skip
            topology, groups = convert.h5_merged_saved_model_to_tfjs_format(
                str(Path(scratch) / "m.h5"), name == "uint16"
            )
            (folder / name).mkdir(parents=True)
            convert.write_artifacts(topology, groups, str(folder / name), quantized, weight_shard_size_bytes=300)
        parts = [json.loads((Path(scratch) / f"{part}.json").read_text()) for part in ("metadata", "config")]
        topology, groups = convert.h5_v3_merged_saved_model_to_tfjs_format(
            str(Path(scratch) / "model.weights.h5"), *parts
        )
        (folder / "keras3").mkdir()
        convert.write_artifacts(topology, groups, str(folder / "keras3"))
    inputs = np.random.default_rng(0).uniform(0, 1, (2, 8, 8, 2)).astype(np.float32)
    outputs = made.predict(inputs, verbose=0).tolist()
    for name in ("plain", "uint8", "uint16", "float16", "keras3"):
        (folder / name / "values.json").write_text(json.dumps({"inputs": inputs.tolist(), "outputs": outputs}))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
