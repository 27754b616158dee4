"""What the cells of a layer see: by arithmetic, held to which pixels move them, and to what papers tell of known networks."""

from __future__ import annotations

from typing import Any

import keras
import numpy as np
import pytest
from keras import layers

import vizcnn as vz
from vizcnn.errors import CapabilityError, LayerError, UnsupportedModelError


def seen(model: Any, layer: str) -> dict[tuple[int, ...], Any]:
    """Return what each cell sees, found by changing one pixel at a time in a net whose weights are all positive."""
    inner = keras.Model(model.inputs, model.get_layer(layer).output)
    for weight in inner.trainable_weights:
        weight.assign(np.abs(keras.ops.convert_to_numpy(weight)) + 0.1)
    size = inner.input_shape[1:]
    plain = np.ones((1, *size), np.float32)
    changed = np.repeat(plain, np.prod(size[:-1]), axis=0)
    for row, place in zip(changed, np.ndindex(*size[:-1]), strict=True):
        row[place] = 100.0  # higher than all others, so that a maximum moves too
    outputs = inner.predict(np.concatenate([plain, changed]), verbose=0, batch_size=64).sum(axis=-1)
    moved = ~np.isclose(outputs[1:], outputs[:1], rtol=1e-6, atol=0)
    boxes = {}
    for cell in np.ndindex(*moved.shape[1:]):
        places = np.array(list(np.ndindex(*size[:-1])))[moved[(slice(None), *cell)]]
        boxes[cell] = tuple(zip(places.min(axis=0).tolist(), (places.max(axis=0) + 1).tolist(), strict=True))
    return boxes


def of(*stack: Any, size: tuple[int, ...] = (13, 10)) -> Any:
    image = x = keras.Input((*size, 1))
    for layer in stack:
        x = layer(x)
    return keras.Model(image, layers.Activation("linear", name="end")(x))


def branches() -> Any:
    image = keras.Input((13, 10, 1))
    trunk = layers.Conv2D(2, 3, strides=2, padding="same", activation="relu")(image)
    deep = layers.Conv2D(2, 3, padding="same", dilation_rate=2)(layers.BatchNormalization()(trunk))
    x = layers.Concatenate()([layers.Add()([deep, trunk]), layers.MaxPooling2D(3, strides=1, padding="same")(trunk)])
    return keras.Model(image, layers.Activation("linear", name="end")(x))


def squeezed() -> Any:
    image = keras.Input((9, 8, 1))
    x = layers.Conv2D(2, 3)(image)
    gate = layers.Dense(2, activation="sigmoid")(layers.GlobalAveragePooling2D()(x))
    x = layers.Multiply()([x, layers.Reshape((1, 1, 2))(gate)])
    return keras.Model(image, layers.Activation("linear", name="end")(x))


NETWORKS = {
    "window": lambda: of(layers.Conv2D(2, (3, 2), strides=(2, 1))),
    "same": lambda: of(layers.Conv2D(2, 4, strides=3, padding="same"), layers.Conv2D(2, 3, padding="same")),
    "padded": lambda: of(
        layers.ZeroPadding2D(((1, 0), (0, 2))),
        layers.Conv2D(2, 3, strides=2),
        layers.AveragePooling2D(2, padding="same"),
    ),
    "cropped": lambda: of(layers.Cropping2D(((1, 2), (3, 0))), layers.DepthwiseConv2D(3, padding="same")),
    "transposed": lambda: of(
        layers.Conv2D(2, 3, strides=2), layers.Conv2DTranspose(2, 3, strides=2, padding="same"), layers.Conv2D(1, 2)
    ),
    "transposed valid": lambda: of(layers.MaxPooling2D(2), layers.Conv2DTranspose(2, 4, strides=2)),
    "enlarged": lambda: of(layers.AveragePooling2D(3), layers.UpSampling2D(2), layers.Conv2D(1, 3, padding="same")),
    "between": lambda: of(layers.AveragePooling2D(3), layers.UpSampling2D(2, interpolation="bilinear")),
    "branches": branches,
    "squeezed": squeezed,
    "normalized": lambda: of(layers.Conv2D(2, 3), layers.LayerNormalization(axis=[1, 2, 3]), size=(7, 6)),
    "normalized channels": lambda: of(layers.Conv2D(2, 3), layers.LayerNormalization()),
    "signal": lambda: of(
        layers.Conv1D(2, 3, padding="causal"), layers.MaxPooling1D(2), layers.Conv1D(1, 2), size=(17,)
    ),
}


@pytest.mark.parametrize("name", NETWORKS)
def test_every_cell_sees_the_pixels_that_move_it(name: str) -> None:
    keras.utils.set_random_seed(1)
    model = NETWORKS[name]()
    reach = vz.adapt(model).reach("end")
    expected = seen(model, "end")
    assert reach.is_exact
    assert reach.grid == tuple(np.array(list(expected)).max(axis=0) + 1)
    assert {cell: reach.box(cell) for cell in expected} == expected
    assert reach.sees_all is (name in ("squeezed", "normalized"))


@pytest.mark.parametrize(
    ("make", "size", "layer", "extent"),
    [
        # As Araujo, Norris and Sim's table has them (Distill 2019).
        (keras.applications.VGG16, 224, "block5_pool", 212),
        (keras.applications.MobileNet, 224, "conv_pw_13_relu", 315),
        pytest.param(keras.applications.ResNet50, 224, "conv5_block3_out", 483, marks=pytest.mark.slow),
        pytest.param(keras.applications.InceptionV3, 299, "mixed10", 1311, marks=pytest.mark.slow),
    ],
)
def test_known_networks_see_what_the_paper_tells(make: Any, size: int, layer: str, extent: int) -> None:
    model = make(weights=None, include_top=False, input_shape=(size, size, 3))
    reach = vz.adapt(model).reach(layer)
    assert (reach.extent, reach.stride, reach.is_exact) == ((extent, extent), (32.0, 32.0), True)


class Twice(keras.Model):
    """Somebody's code, with a step that no layer takes."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = layers.Conv2D(4, 3, name="conv")
        self.end = layers.Conv2D(4, 3, name="end")

    def call(self, x: Any) -> Any:
        return self.end(self.conv(x) * 2.0)


def test_somebody_elses_steps_are_measured() -> None:
    keras.utils.set_random_seed(0)
    model = Twice()
    model(np.zeros((1, 12, 11, 1), np.float32))
    adapter = vz.adapt(model)
    assert adapter.reach("conv", (12, 11, 1)).is_exact
    reach = adapter.reach("end", (12, 11, 1))
    assert not reach.is_exact
    assert reach.grid == (8, 7)
    assert (reach.box((3, 3)), reach.box((0, 6))) == (((3, 8), (3, 8)), ((0, 5), (6, 11)))


def test_what_cannot_be_told_says_why() -> None:
    image = keras.Input((8, 8, 1))
    x = layers.Conv2D(2, 3, name="conv")(image)
    model = vz.adapt(keras.Model(image, layers.Dense(2, name="dense")(layers.Flatten()(x))))
    with pytest.raises(LayerError, match="'dense' has no map of rows and columns"):
        model.reach("dense")
    with pytest.raises(LayerError, match="nosuch"):
        model.reach("nosuch")
    open_size = vz.adapt(keras.Sequential([keras.Input((None, None, 1)), layers.Conv2D(2, 3, name="conv")]))
    with pytest.raises(UnsupportedModelError, match="any size"):
        open_size.reach("conv")
    assert open_size.reach("conv", (9, 9, 1)).box((0, 0)) == ((0, 3), (0, 3))
    with pytest.raises(CapabilityError, match="reach"):
        vz.adapt(lambda x: x[:, 0, 0], input_shape=(8, 8, 2)).reach("any")


def test_frames_are_measured() -> None:
    keras.utils.set_random_seed(0)
    video = keras.Input((3, 9, 8, 1))
    x = layers.TimeDistributed(layers.Conv2D(4, 3, name="conv"), name="each")(video)
    x = layers.ConvLSTM2D(2, 3, return_sequences=True, name="memory")(x)
    model = vz.adapt(keras.Model(video, layers.Dense(2)(layers.GlobalAveragePooling3D()(x))))
    assert model.reach("each").box((1, 3, 3)) == ((1, 2), (3, 6), (3, 6))
    assert model.reach("memory").box((1, 2, 2))[0] == (0, 2)  # a frame and those before it


def test_cells_look_at_the_middle_of_what_they_see_before_the_edges_cut_it() -> None:
    image = keras.Input((20, 20, 1))
    x = layers.Conv2D(2, 5, padding="same", name="same")(image)
    x = layers.Conv2D(2, 3, strides=2, name="valid")(x)
    x = layers.Conv2D(2, 9, padding="same", name="wide")(x)
    model = vz.adapt(keras.Model(image, layers.Dense(2)(layers.GlobalAveragePooling2D()(x))))
    np.testing.assert_array_equal(model.reach("same").centers[0], np.arange(20))
    np.testing.assert_array_equal(model.reach("valid").centers[1], 1 + 2 * np.arange(9))
    wide = model.reach("wide")  # 5 + 2 + 8 * 2 = 23 pixels: each is cut, so they lie evenly
    assert wide.extent == (23, 23)
    np.testing.assert_allclose(wide.centers[0], (np.arange(9) + 0.5) * 20 / 9 - 0.5)
