"""A model that takes an image as one row of numbers is explained on images, however it makes an image of the row."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import keras
import numpy as np
import pytest
from keras import layers, ops

import vizcnn as vz
from vizcnn.adapter.keras.unflattening import unflattened_shape

X = np.random.default_rng(0).uniform(0, 255, (2, 6, 8)).astype(np.float32)


def _model(unflatten: Callable[[Any], Any]) -> Any:
    row = keras.Input((48,))
    x = layers.Conv2D(2, 3, name="conv")(unflatten(row))
    return keras.Model(row, layers.Dense(3)(layers.GlobalAveragePooling2D()(x)))


def _expanded(x: Any) -> Any:
    return ops.expand_dims(ops.reshape(x, (-1, 6, 8)), -1)


UNFLATTENED: dict[str, Callable[[Any], Any]] = {
    "layer": lambda x: layers.Reshape((6, 8, 1))(x),
    "operation": lambda x: ops.reshape(x, (-1, 6, 8, 1)),
    "scaled before": lambda x: ops.reshape(layers.Rescaling(1 / 255)(x), (-1, 6, 8, 1)),
    "divided and normalized before": lambda x: layers.Reshape((6, 8, 1))(layers.BatchNormalization()(x / 255.0)),
    "in two steps": _expanded,
    "in a nested model": lambda x: keras.Sequential(
        [keras.Input((48,)), layers.Rescaling(1 / 255), layers.Reshape((6, 8, 1))]
    )(x),
    "after a nested model": lambda x: layers.Reshape((6, 8, 1))(
        keras.Sequential([keras.Input((48,)), layers.Rescaling(1 / 255)])(x)
    ),
}


@pytest.mark.parametrize("unflatten", UNFLATTENED.values(), ids=UNFLATTENED)
def test_images_go_to_a_model_that_unflattens_them_itself(unflatten: Any, tmp_path: Any) -> None:
    model = _model(unflatten)
    model.save(tmp_path / "model.keras")
    adapter = vz.adapt(tmp_path / "model.keras", preprocess="none")
    assert adapter.input_shape == (6, 8, 1)
    np.testing.assert_allclose(
        adapter.outputs(X[..., None])[0], ops.convert_to_numpy(model(X.reshape(2, 48))), rtol=1e-5, atol=1e-5
    )
    assert vz.explain(adapter, X, 1, methods="saliency")["saliency"].values.shape == (2, 6, 8)


def test_row_that_a_matrix_mixes_first_is_no_image() -> None:
    model = _model(lambda x: layers.Reshape((6, 8, 1))(layers.Dense(48)(x)))
    assert unflattened_shape(model, (48,)) is None
    assert vz.adapt(model).input_shape == (48, 1)  # a signal
