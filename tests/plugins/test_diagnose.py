"""The health of filters: right on networks built to have each fault, quiet on healthy ones."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest
from keras import layers
from matplotlib.figure import Figure
from PIL import Image
from typer.testing import CliRunner

import vizcnn as vz
from vizcnn.algorithms.diagnosis import near_duplicates
from vizcnn.cli import app
from vizcnn.errors import LayerError, OptionError
from vizcnn.plugins import registry

SHAPE = (12, 12, 1)


def images(count: int = 6, shape: tuple[int, ...] = SHAPE) -> np.ndarray:
    return np.random.default_rng(0).uniform(0, 1, (count, *shape)).astype(np.float32)


def network(activation: Any = "relu", filters: int = 10, **options: Any) -> Any:
    keras.utils.set_random_seed(0)
    image = keras.Input(SHAPE)
    x = layers.Conv2D(filters, 3, activation=activation, padding="same", name="first", **options)(image)
    x = layers.Conv2D(8, 7, activation="relu", padding="same", name="second")(x)
    return keras.Model(image, layers.Dense(3, name="logits")(layers.GlobalAveragePooling2D()(x)))


def kinds(model: Any, x: np.ndarray | None = None) -> list[tuple[str, str | None]]:
    return [(finding.kind, finding.layer) for finding in vz.diagnose(model, images() if x is None else x).findings]


def changed(model: Any, layer: str, kernel: Any = None, bias: Any = None) -> Any:
    weights = model.get_layer(layer).get_weights()
    model.get_layer(layer).set_weights(
        [weights[0] if kernel is None else kernel(weights[0]), weights[1] if bias is None else bias(weights[1])]
    )
    return model


def test_healthy_networks_are_quiet() -> None:
    assert kinds(network()) == []
    assert kinds(network("tanh")) == []
    assert kinds(vz.assets.digits_cnn(), vz.assets.digits()) == []


# Each fault ---------------------------------------------------------------------------------------------------------------


def test_units_that_are_never_active_are_dead_and_named() -> None:
    def sunk(bias: np.ndarray) -> np.ndarray:
        bias[[2, 5]] = -100
        return bias

    assert (
        vz.diagnose(changed(network(), "first", bias=sunk), images()).findings == ()
    )  # of six images: they may be rare
    result = vz.diagnose(changed(network(), "first", bias=sunk), images(50))
    (finding,) = result.findings
    assert (finding.kind, finding.layer, finding.units) == ("dead", "first", (2, 5))
    assert finding.figure == "2 of 10 units are zero everywhere on these 50 images"
    np.testing.assert_array_equal(result.dead, [2, 0])
    np.testing.assert_array_equal(result.units, [10, 8])


def test_one_image_in_which_a_unit_is_active_is_enough() -> None:
    def needs_light(weights: np.ndarray) -> np.ndarray:
        weights[..., 2:5] = 1
        return weights

    model = changed(
        network(), "first", kernel=needs_light, bias=lambda bias: np.where(np.arange(10) // 3 == 1, 0, bias)
    )
    model = changed(
        model, "first", bias=lambda bias: np.concatenate([bias[:2], [-8, -8, -8], bias[5:]]).astype(np.float32)
    )
    dark = images(50) * 0.5
    assert ("dead", "first") in kinds(model, dark)
    assert ("dead", "first") not in kinds(model, np.concatenate([dark, np.ones((1, *SHAPE), np.float32)]))


@pytest.mark.parametrize("activation", ["tanh", "sigmoid", "relu6"])
def test_units_at_the_end_of_their_activation_are_saturated(activation: str) -> None:
    model = changed(network(activation), "first", bias=lambda bias: bias + 100)
    assert ("saturated", "first") in kinds(model)
    assert ("constant", "first") in kinds(model)  # for the same reason
    assert ("saturated", "first") not in kinds(network(activation))


def test_kernels_that_nearly_equal_others_are_duplicates_whatever_their_length() -> None:
    def copied(kernel: np.ndarray) -> np.ndarray:
        kernel[..., 7] = 3 * kernel[..., 1]
        kernel[..., 8] = kernel[..., 1] + 0.01 * kernel[..., 0]
        kernel[..., 9] = -kernel[..., 1]  # the opposite is another filter
        return kernel

    result = vz.diagnose(changed(network(), "first", kernel=copied), images())
    (finding,) = result.findings
    assert (finding.kind, finding.layer, finding.units) == ("duplicate", "first", (7, 8))
    assert near_duplicates(np.ones((1, 1, 3, 4))) == ()  # of three numbers many are alike
    assert near_duplicates(np.zeros((3, 3, 1, 4))) == ()


def test_duplicates_of_a_convolution_are_told_at_the_activation_that_follows_it() -> None:
    keras.utils.set_random_seed(0)
    image = keras.Input(SHAPE)
    x = layers.ReLU(name="active")(layers.BatchNormalization()(layers.Conv2D(6, 5, name="conv")(image)))
    model = keras.Model(image, layers.Dense(2)(layers.GlobalAveragePooling2D()(x)))
    model.get_layer("conv").set_weights(
        [np.repeat(np.random.default_rng(0).normal(size=(5, 5, 1, 1)), 6, axis=-1), np.zeros(6)]
    )
    assert ("duplicate", "active") in kinds(model)


def test_layer_that_is_the_same_for_all_images_is_constant() -> None:
    model = changed(network(), "first", kernel=lambda kernel: kernel * 1e-4, bias=lambda bias: bias + 1)
    assert ("constant", "first") in kinds(model)


def test_receptive_field_is_what_moves_a_unit_in_the_middle() -> None:
    keras.utils.set_random_seed(0)
    image = keras.Input((32, 32, 1))
    x = layers.Conv2D(8, 3, activation="relu", padding="same")(image)
    x = layers.Conv2D(8, 3, activation="relu", padding="same", name="last")(layers.MaxPooling2D(2)(x))
    model = keras.Model(image, layers.Dense(2)(layers.GlobalAveragePooling2D()(x)))
    result = vz.diagnose(model, images(6, (32, 32, 1)))
    # 3 pixels of a map of half the size, each of which sees 2x2 windows of 3x3: (3 * 2) + 2 = 8, by hand.
    assert result.receptive_field == (8, 8)
    assert [(f.kind, f.layer) for f in result.findings] == [("receptive field", "last")]
    assert "sees 8x8 of the image's 32x32 pixels" in result.findings[0].figure


def test_receptive_field_is_known_where_dead_units_send_no_gradient() -> None:
    model = changed(network(), "second", bias=lambda bias: bias - 1000)
    assert vz.diagnose(model, images()).receptive_field == (9, 9)  # 3, and then 7


def test_how_a_unit_fares_is_said_in_words() -> None:
    def sunk(bias: np.ndarray) -> np.ndarray:
        bias[2] = -100
        return bias

    model = changed(network(), "first", bias=sunk)
    result = vz.diagnose(model, images())
    maps = vz.adapt(model).activations(images(), ["first"])["first"]
    np.testing.assert_allclose(result.active_share["first"], (maps > 0).mean(axis=(0, 1, 2)), rtol=1e-6)
    share = (maps[..., 1] > 0).mean()
    assert result.unit_in_words("first", 1) == (f"It is above zero at {share:.0%} of all places, on 6 images.",)
    assert result.unit_in_words("first", 2) == (
        "It is dead on 6 images: never above zero, so it tells nothing and learns nothing.",
        "On so few images it may only be rare.",
    )
    ended = vz.diagnose(changed(network("sigmoid"), "first", bias=lambda bias: bias + 100), images())
    assert ended.end_share["first"].tolist() == [1.0] * 10
    assert ended.unit_in_words("first", 0)[1].startswith(
        "It is saturated: at an end of its activation 100% of the time"
    )
    with pytest.raises(OptionError, match="`unit` must be one of a layer with an activation; got 10 of 'first'"):
        result.unit_in_words("first", 10)


@pytest.mark.parametrize("pooling", [layers.GlobalAveragePooling2D, layers.GlobalMaxPooling2D, layers.Flatten])
def test_a_small_field_is_a_fault_where_the_positions_are_pooled_away(pooling: Any) -> None:
    keras.utils.set_random_seed(0)
    image = keras.Input((32, 32, 1))
    x = layers.Conv2D(8, 3, activation="relu", name="last")(image)
    found = kinds(keras.Model(image, layers.Dense(2)(pooling()(x))), images(6, (32, 32, 1)))
    assert (("receptive field", "last") in found) == (pooling is not layers.Flatten)


def test_share_of_biases_is_that_of_the_formula() -> None:
    image = keras.Input((2, 2, 1))
    dense = layers.Dense(1, name="dense")
    relu = layers.Conv2D(1, 1, activation="relu", name="conv")
    model = keras.Model(image, dense(layers.Flatten()(relu(image))))
    relu.set_weights([np.full((1, 1, 1, 1), 2.0), np.array([1.0])])
    dense.set_weights([np.ones((4, 1)), np.array([10.0])])
    x = np.array([1.0, 2.0, 3.0, 4.0], np.float32).reshape(1, 2, 2, 1)
    # 2 * (1 + 2 + 3 + 4) = 20 from the image; 4 * 1 + 10 = 14 from the biases.
    np.testing.assert_allclose(vz.diagnose(model, x).bias_share, [14 / 34], rtol=1e-5)
    dense.set_weights([np.ones((4, 1)), np.array([1000.0])])
    assert ("bias", None) in kinds(model, x)


# What it is made of -------------------------------------------------------------------------------------------------------


def test_batches_change_nothing() -> None:
    model, x = network("tanh"), images(7)
    whole, parts = (vz.diagnose(vz.adapt(model, batch_size=size), x) for size in (7, 2))
    for name in ("dead", "saturated", "duplicate", "units"):
        np.testing.assert_array_equal(getattr(whole, name), getattr(parts, name))
    np.testing.assert_allclose(parts.variation, whole.variation, rtol=1e-4)
    np.testing.assert_allclose(parts.bias_share, whole.bias_share, rtol=1e-4)
    values = vz.adapt(model).activations(x, ["first"])["first"].reshape(-1, 10).astype(np.float64)
    slow = np.median([channel.std() / np.sqrt((channel**2).mean()) for channel in values.T])
    assert whole.variation[0] == pytest.approx(slow, rel=1e-4)


def test_signals_have_health_too() -> None:
    keras.utils.set_random_seed(0)
    signal = keras.Input((40, 2))
    x = layers.Conv1D(4, 9, activation="relu", bias_initializer=keras.initializers.Constant(-50))(signal)
    model = keras.Model(signal, layers.Dense(2)(layers.GlobalMaxPooling1D()(x)))
    assert vz.diagnose(model, images(3, (40, 2))).findings[0].kind == "dead"


def test_model_without_a_known_activation_says_so() -> None:
    with pytest.raises(LayerError, match="has no layer with an activation, so its health"):
        vz.diagnose(keras.Sequential([keras.Input(SHAPE), layers.Flatten(), layers.Dense(2)]), images())


def test_result_comes_back_and_is_drawn(tmp_path: Path) -> None:
    result = vz.diagnose(changed(network(), "first", bias=lambda bias: bias - 100), images())
    back = vz.load_result(result.save(tmp_path / "a.npz"))
    assert back.findings == result.findings
    assert str(back) == str(result)
    assert repr(back).endswith(f"on 6 images, {len(result.findings)} findings>")
    axis = back.plot(Figure().add_subplot())
    assert [label.get_text() for label in axis.get_yticklabels()] == ["first (10)", "second (8)"]
    assert axis.patches[0].get_width() == 1.0  # all of the first layer is dead
    assert result.save(tmp_path / "a.png").stat().st_size > 5000
    assert result.to_dict()["layers"] == ("first", "second")


def test_command_prints_findings_and_writes_a_picture(tmp_path: Path) -> None:
    changed(network(), "first", bias=lambda bias: bias - 100).save(tmp_path / "m.keras")
    Image.fromarray((images(1)[0, ..., 0] * 255).astype(np.uint8)).save(tmp_path / "a.png")
    (tmp_path / "b.png").write_bytes(b"none")
    command = ["diagnose", str(tmp_path / "m.keras"), str(tmp_path / "a.png"), "--preprocess", "0..1"]
    done = CliRunner().invoke(app, [*command, "--out", str(tmp_path / "out")])
    assert done.exit_code == 0, done.stderr
    assert "first: 10 of 10 units are zero everywhere on these 1 images" in done.stdout
    assert (tmp_path / "out/m.keras.diagnosis.png").exists()
    found = json.loads(CliRunner().invoke(app, [*command, "--json"]).stdout)
    assert found["findings"][0]["kind"] == "dead"
    assert found["dead"] == [10, 8]  # nothing comes through to the second
    with_bad = CliRunner().invoke(app, [*command, str(tmp_path / "b.png")])
    assert with_bad.exit_code == 1
    assert "isn't an image" in with_bad.stderr
    assert "first: 10 of 10" in with_bad.stdout


def test_it_is_registered_as_a_method_that_looks_at_images() -> None:
    assert registry.get("diagnose").takes == ("model", "images")
    assert registry.get("diagnose").summary.startswith("Examine the filters of a model")


def test_the_model_itself_is_measured_once_however_many_batches_there_are(monkeypatch: pytest.MonkeyPatch) -> None:
    cnn, asked = vz.adapt(network(), batch_size=2), []
    kernels = cnn.kernels
    monkeypatch.setattr(cnn, "kernels", lambda layer: asked.append(layer) or kernels(layer))
    vz.diagnose(cnn, images(7))
    assert asked == ["first", "second"]
