"""Grad-CAM's layer in models with attention, and in models whose maps have one row: never what is no picture of the input."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest
from keras import layers, ops
from PIL import Image
from typer.testing import CliRunner

import vizcnn as vz
from tests.rounding import rounding
from vizcnn.adapter import LAST_SPATIAL
from vizcnn.adapter.changed import Copies
from vizcnn.algorithms.changes import blend
from vizcnn.cli import app
from vizcnn.errors import LayerError, OptionError

pytestmark = pytest.mark.filterwarnings("ignore::vizcnn.errors.VizcnnWarning")

SHAPE = (16, 16, 3)
TOKENS = rounding(48, *[8] * 10, size=4)
"""Patches of 4x4x3 in layers of eight units, normalized to values of a few."""


def gradients(xp: Any, copies: Copies) -> Any:
    return copies.gradients


def image(shape: tuple[int, ...] = SHAPE, count: int = 2) -> np.ndarray:
    return np.random.default_rng(0).uniform(0, 1, (count, *shape)).astype(np.float32)


@keras.saving.register_keras_serializable("attention tests")
class Patches(layers.Layer):
    """Cut an image into rows of tokens, as keras.io's example does: there is no map that says their grid."""

    def __init__(self, height: int = 4, width: int = 4, **options: Any) -> None:
        super().__init__(**options)
        self.height, self.width = height, width

    def call(self, x: Any) -> Any:
        rows, columns = x.shape[1] // self.height, x.shape[2] // self.width
        x = ops.reshape(x, (-1, rows, self.height, columns, self.width, x.shape[3]))
        return ops.reshape(
            ops.transpose(x, (0, 1, 3, 2, 4, 5)), (-1, rows * columns, self.height * self.width * x.shape[5])
        )

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "height": self.height, "width": self.width}


@keras.saving.register_keras_serializable("attention tests")
class ExtraTokens(layers.Layer):
    """Put tokens of its own before those of the patches: class, distillation, registers."""

    def __init__(self, count: int = 1, **options: Any) -> None:
        super().__init__(**options)
        self.count = count

    def build(self, shape: Any) -> None:
        self.tokens = self.add_weight(shape=(1, self.count, shape[-1]), initializer="normal")

    def call(self, x: Any) -> Any:
        return ops.concatenate([ops.repeat(self.tokens, ops.shape(x)[0], axis=0), x], axis=1)

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "count": self.count}


class SelfAttention(layers.Layer):
    """Attention with layers of its own for query, key, value and the softmax, as KerasHub's."""

    def __init__(self, heads: int = 2, **options: Any) -> None:
        super().__init__(**options)
        self.heads = heads
        self.query, self.key, self.value = (layers.Dense(8, name=name) for name in ("query", "key", "value"))
        self.softmax = layers.Softmax(name="softmax")

    def call(self, x: Any) -> Any:
        count = x.shape[1]
        q, k, v = (
            ops.transpose(ops.reshape(dense(x), (-1, count, self.heads, 8 // self.heads)), (0, 2, 1, 3))
            for dense in (self.query, self.key, self.value)
        )
        mixed = ops.matmul(self.softmax(ops.matmul(q, ops.transpose(k, (0, 1, 3, 2)))), v)
        return ops.reshape(ops.transpose(mixed, (0, 2, 1, 3)), (-1, count, 8))


def by_operations(x: Any) -> Any:
    """Attend by nodes of keras.ops."""
    count = x.shape[1]
    q, k, v = (
        ops.transpose(ops.reshape(layers.Dense(8, name=name)(x), (-1, count, 2, 4)), (0, 2, 1, 3)) for name in "qkv"
    )
    weights = ops.softmax(ops.matmul(q, ops.transpose(k, (0, 1, 3, 2))))
    return ops.reshape(ops.transpose(ops.matmul(weights, v), (0, 2, 1, 3)), (-1, count, 8))


def transformer(
    attend: Any = None, *, extra: int = 0, patches: tuple[int, int] = (4, 4), shape: tuple[int, ...] = SHAPE
) -> Any:
    keras.utils.set_random_seed(0)
    inputs = keras.Input(shape)
    x = layers.Dense(8, name="projection")(Patches(*patches, name="patches")(inputs))
    x = ExtraTokens(extra, name="extra")(x) if extra else x
    y = layers.LayerNormalization(name="before")(x)
    x = layers.Add(name="added")([x, attend(y) if attend else layers.MultiHeadAttention(2, 4, name="attention")(y, y)])
    x = layers.LayerNormalization(name="after")(x)
    return keras.Model(inputs, layers.Dense(3)(x[:, 0] if extra else layers.GlobalAveragePooling1D()(x)))


ATTENTIONS = {
    "Keras's layer": (None, 0),
    "a layer that holds others": (SelfAttention(name="attention"), 1),
    "operations": (by_operations, 1),
}


@pytest.mark.parametrize(("attend", "extra"), ATTENTIONS.values(), ids=ATTENTIONS)
def test_tokens_before_the_last_attention_are_taken_and_never_what_is_inside(attend: Any, extra: int) -> None:
    result = vz.gradcam(transformer(attend, extra=extra), image(), 0, relu=False)
    assert (result.layer, result.raw.shape, result.alone) == ("before", (2, 4, 4), False)
    assert result.notes == ()


@pytest.mark.parametrize("attend", [None, by_operations], ids=["Keras's layer", "operations"])
def test_map_that_is_decoded_from_the_tokens_is_taken(attend: Any) -> None:
    encoder = transformer(attend)
    x = layers.Reshape((4, 4, 8))(encoder.get_layer("after").output)
    x = layers.Conv2D(6, 3, padding="same", activation="relu", name="fused")(x)
    masks = layers.Resizing(16, 16)(layers.Conv2D(3, 1)(x))
    result = vz.gradcam(keras.Model(encoder.input, masks), image(), 0, relu=False)
    assert (result.layer, result.raw.shape) == ("fused", (2, 4, 4))


def test_any_number_of_extra_tokens_is_left_out_and_told() -> None:
    model = transformer(extra=5)
    adapter = vz.adapt(model)
    result = vz.gradcam(adapter, image(), 0, relu=False)
    assert (result.layer, result.raw.shape) == ("before", (2, 4, 4))
    assert "the first 5 (class, distillation or register tokens) are left out" in result.notes[0]
    before = ops.convert_to_numpy(keras.Model(model.input, model.get_layer("before").output)(image()))
    found = adapter.activations(image(), ["before", "projection"])  # the projection is of patches alone
    np.testing.assert_allclose(found["before"], before[:, 5:].reshape(2, 4, 4, 8), **TOKENS)
    assert found["projection"].shape == (2, 4, 4, 8)


def test_grid_of_patches_that_are_not_square_is_given() -> None:
    model = transformer(patches=(8, 2), extra=1)
    result = vz.gradcam(vz.adapt(model, token_grid=(2, 8)), image(), 0, relu=False)
    assert (result.layer, result.raw.shape) == ("before", (2, 2, 8))


def test_grid_must_be_two_numbers() -> None:
    with pytest.raises(OptionError, match=r"`token_grid` must be \(rows, columns\) of patches; got \(4,\)"):
        vz.adapt(transformer(), token_grid=(4,))  # type: ignore[arg-type]


def windowed() -> Any:
    """Return a model with windows folded into the batch."""
    inputs = keras.Input(SHAPE)
    x = layers.Conv2D(8, 2, strides=2, name="patches")(inputs)
    windows = ops.reshape(ops.transpose(ops.reshape(x, (-1, 2, 4, 2, 4, 8)), (0, 1, 3, 2, 4, 5)), (-1, 16, 8))
    y = layers.LayerNormalization(name="windows")(windows)
    y = layers.MultiHeadAttention(2, 4, name="attention")(y, y)
    y = ops.reshape(ops.transpose(ops.reshape(y, (-1, 2, 2, 4, 4, 8)), (0, 1, 3, 2, 4, 5)), (-1, 8, 8, 8))
    x = layers.Add(name="added")([x, y])
    return keras.Model(inputs, layers.Dense(3)(layers.GlobalAveragePooling2D()(x)))


def test_windows_folded_into_the_batch_are_passed_over() -> None:
    model = windowed()
    result = vz.gradcam(model, image(), 0)
    assert (result.layer, result.raw.shape) == ("added", (2, 8, 8))
    with pytest.raises(LayerError, match=r"`layer` 'windows' returns 8 rows for 2 inputs"):
        vz.gradcam(model, image(), 0, layer="windows")
    with pytest.raises(LayerError, match=r"`layer` 'windows' returns 8 rows for 2 inputs"):
        vz.activations(model, image(), "windows")


def test_windows_folded_into_the_batch_are_passed_over_for_changed_copies_too() -> None:
    adapter, x = vz.adapt(windowed()), image()
    change, black = (
        blend(np.ones(3, np.float32)),
        {"baseline": np.zeros((2, 1, 1, 1))},
    )  # three copies, as the images are
    changed = adapter.changed_gradients(x, 0, change, companions=black, sums={"all": gradients}, of=LAST_SPATIAL)
    assert changed.layer == "added"
    taken = adapter.gradients(x, 0, of="added")
    np.testing.assert_allclose(changed.sums["all"], 3 * taken.gradients, **TOKENS)
    with pytest.raises(LayerError, match=r"`layer` 'windows' returns \d+ rows for \d+ inputs"):
        adapter.changed_gradients(x, 0, change, companions=black, sums={"all": gradients}, of="windows")


class ChannelAttention(layers.Layer):
    """The half of CBAM that weighs channels."""

    def build(self, shape: Any) -> None:
        self.first, self.second = layers.Dense(2, activation="relu"), layers.Dense(shape[-1])

    def call(self, x: Any) -> Any:
        squeezed = [ops.mean(x, axis=(1, 2), keepdims=True), ops.max(x, axis=(1, 2), keepdims=True)]
        return x * ops.sigmoid(sum(self.second(self.first(one)) for one in squeezed))


class SpatialAttention(layers.Layer):
    """The half of CBAM that weighs positions, by a convolution of its own."""

    def build(self, shape: Any) -> None:
        self.conv = layers.Conv2D(1, 3, padding="same", activation="sigmoid", name="conv")

    def call(self, x: Any) -> Any:
        both = [ops.mean(x, axis=-1, keepdims=True), ops.max(x, axis=-1, keepdims=True)]
        return x * self.conv(ops.concatenate(both, axis=-1))


def squeeze_and_excitation(x: Any) -> Any:
    weights = layers.Dense(8, activation="sigmoid")(layers.GlobalAveragePooling2D(keepdims=True)(x))
    return layers.Multiply(name="weighed")([x, weights])


@pytest.mark.parametrize(
    ("block", "layer"),
    [
        (lambda x: SpatialAttention(name="spatial")(ChannelAttention(name="channel")(x)), "spatial"),
        (squeeze_and_excitation, "weighed"),
        (lambda x: layers.Conv2D(4, 3, activation="relu", name="last")(SpatialAttention()(x)), "last"),
    ],
)
def test_convolutional_network_with_attention_takes_its_last_map(block: Any, layer: str) -> None:
    inputs = keras.Input(SHAPE)
    x = block(layers.Conv2D(8, 3, padding="same", activation="relu", name="conv")(inputs))
    model = keras.Model(inputs, layers.Dense(3)(layers.GlobalAveragePooling2D()(x)))
    result = vz.gradcam(model, image(), 0)
    assert (result.layer, result.alone) == (layer, False)


def test_layer_inside_an_attention_can_be_named() -> None:
    model = transformer(SelfAttention(name="attention"), extra=1)
    assert vz.gradcam(model, image(), 0, layer="attention/query").raw.shape == (2, 4, 4)
    assert vz.gradcam(model, image(), 0, layer="attention/softmax", relu=False).alone


# One row ---------------------------------------------------------------------------------------------------------------------


def test_inputs_of_one_row_have_maps_of_one_row() -> None:
    inputs = keras.Input((1, 32, 4))
    x = layers.Conv2D(3, (1, 3), padding="same", activation="relu", name="conv")(inputs)
    result = vz.gradcam(keras.Model(inputs, layers.Dense(3)(layers.GlobalAveragePooling2D()(x))), image((1, 32, 4)), 0)
    assert (result.layer, result.values.shape) == ("conv", (2, 1, 32))


def test_network_that_leaves_one_row_names_the_layer_that_works() -> None:
    inputs = keras.Input((16, 32, 1))
    x = layers.Conv2D(3, (16, 3), activation="relu", name="columns")(inputs)
    model = keras.Model(inputs, layers.Dense(3)(layers.GlobalAveragePooling2D()(x)))
    with pytest.raises(LayerError, match=r"its last map is 1x30, that of layer='columns'\. Name that one\."):
        vz.gradcam(model, image((16, 32, 1)), 0)
    assert vz.gradcam(model, image((16, 32, 1)), 0, layer="columns").values.shape == (2, 16, 32)


def test_command_line_takes_the_grid(tmp_path: Path) -> None:
    transformer(patches=(2, 8), extra=1).save(tmp_path / "vit.keras")
    Image.fromarray((image()[0] * 255).astype(np.uint8)).save(tmp_path / "one.png")
    given = [
        "explain",
        str(tmp_path / "vit.keras"),
        str(tmp_path / "one.png"),
        "-m",
        "gradcam",
        "-o",
        str(tmp_path / "out"),
    ]
    wrong = CliRunner().invoke(app, [*given, "--token-grid", "8"])
    assert wrong.exit_code == 2
    assert "must have the form ROWSxCOLUMNS; got '8'" in " ".join(wrong.stderr.split())
    done = CliRunner().invoke(app, [*given, "--json", "--token-grid", "8x2"])
    assert done.exit_code == 0, done.stderr
    assert json.loads(done.stdout)["layers"] == {"gradcam": "before"}
