"""What the field gets wrong, pitfall by pitfall, and what is done here instead."""

from __future__ import annotations

import gc
import weakref
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest
from keras import applications, layers

import vizcnn as vz
from tests.models import (
    CLOSE,
    CONV1,
    DENSE,
    Fixed,
    conv,
    dense,
    functional,
    images,
    linear_model,
    nested,
    reference,
    sequential,
)
from tests.models import sequential_never_called as never_called
from tests.rounding import rounding

# 1: gradients of a saturated softmax are zero --------------------------------------------------------------------


def _saturated() -> Any:
    return linear_model(np.array([[1000, 0], [-2000, 0], [0, 500], [3000, 0]]), (2, 2, 1), "softmax")


def test_pitfall_01_saturated_softmax_has_a_map_of_its_logits() -> None:
    model = _saturated()
    result = vz.saliency(model, np.ones((1, 2, 2, 1), np.float32), 0, reduce="sum")
    assert result.probabilities == (1.0,)
    np.testing.assert_allclose(result.values[0], [[1000, -2000], [0, 3000]])
    assert model.layers[-1].activation is keras.activations.softmax  # looked through, not taken off


def test_pitfall_01_probability_itself_can_be_asked_for_and_its_blank_map_explains_itself() -> None:
    with pytest.warns(vz.errors.VizcnnWarning, match="zero everywhere"):
        result = vz.saliency(_saturated(), np.ones((1, 2, 2, 1), np.float32), lambda probabilities: probabilities[:, 0])
    assert not result.values.any()


# 2: an option that is ignored ------------------------------------------------------------------------------------


def test_pitfall_02_target_and_layer_change_the_numbers_as_they_should() -> None:
    x, adapter = images(), vz.adapt(functional().model)
    for index in (0, 1):
        expected = reference(x, index)
        last = vz.gradcam(adapter, x, index, relu=False).raw
        first = vz.gradcam(adapter, x, index, relu=False, layer="conv1").raw
        for raw, by, values in ((last, expected.by_last, expected.last), (first, expected.by_first, expected.first)):
            np.testing.assert_allclose(raw, (by.mean(axis=(1, 2), keepdims=True) * values).sum(axis=-1), **CLOSE)


# 3: a single sigmoid unit ----------------------------------------------------------------------------------------


def test_pitfall_03_sides_of_a_sigmoid_unit_are_opposite_and_alive() -> None:
    model = linear_model(np.array([[1], [-2], [0], [3]]), (2, 2, 1), "sigmoid")
    x = np.ones((1, 2, 2, 1), np.float32)
    sides = [vz.saliency(model, x, side, reduce="sum").values[0] for side in (0, 1)]
    np.testing.assert_allclose(sides[1], [[1, -2], [0, 3]])
    np.testing.assert_allclose(sides[0], -sides[1])


# 4: normalization hides sign and magnitude -----------------------------------------------------------------------


def test_pitfall_04_values_are_in_units_of_the_score() -> None:
    weights = np.array([[1, 0], [-2, 0], [0.5, 0], [3, 0]])
    x = np.ones((1, 2, 2, 1), np.float32)
    once, twice = (vz.saliency(linear_model(k * weights, (2, 2, 1)), x, 0, reduce="sum").values for k in (1, 2))
    np.testing.assert_allclose(once[0], [[1, -2], [0.5, 3]])
    np.testing.assert_allclose(twice, 2 * once)


def test_pitfall_04_constant_map_is_no_division_by_zero() -> None:
    model = linear_model(np.zeros((4, 2)), (2, 2, 1))
    with pytest.warns(vz.errors.VizcnnWarning, match="zero everywhere"):
        result = vz.saliency(model, np.ones((1, 2, 2, 1), np.float32), 0)
    np.testing.assert_array_equal(result.values, np.zeros((1, 2, 2)))


# 5: guided only where there is a plain ReLU at the top level -----------------------------------------------------


def test_pitfall_05_guided_reaches_relu6_in_a_nested_model() -> None:
    inner = keras.Sequential([keras.Input((4,)), layers.ReLU(max_value=6.0)], name="inner")
    head = dense("head", (np.array([[1], [-1], [1], [1]]), np.zeros(1)))
    model = keras.Sequential([keras.Input((1, 4, 1)), layers.Flatten(), inner, head])
    x = np.array([1, 2, -3, 9], np.float32).reshape(1, 1, 4, 1)
    result = vz.saliency(model, x, 0, rule="guided", reduce="sum")
    # Below zero and above six the unit is saturated: nothing passes there.
    np.testing.assert_array_equal(result.values.ravel(), [1, 0, 0, 0])


def test_pitfall_05_guided_without_relu_is_an_error() -> None:
    model = keras.Sequential([keras.Input((4, 4, 1)), layers.Conv2D(2, 3, activation="silu"), layers.Flatten()])
    with pytest.raises(vz.errors.RuleError, match=r"has none of them: its activations are silu \(1\)"):
        vz.saliency(model, images(1, (4, 4, 1)), 0, rule="guided")


# 6: the wrong layer ----------------------------------------------------------------------------------------------


def test_pitfall_06_mobilenet_layer_is_before_the_pooling() -> None:
    model = applications.MobileNet(weights=None, alpha=0.25, classes=3, input_shape=(64, 64, 3))
    result = vz.gradcam(model, images(1, (64, 64, 3)), 0, relu=False)
    assert result.layer == "conv_pw_13_relu"
    assert result.raw.shape == (1, 2, 2)
    assert np.ptp(result.raw) > 0


def test_pitfall_06_layer_is_after_the_addition() -> None:
    assert vz.gradcam(functional().model, images(1), 0, relu=False).layer == "out"


@pytest.mark.parametrize("kind", [layers.SeparableConv2D, layers.DepthwiseConv2D])
def test_pitfall_06_separable_convolutions_are_layers_too(kind: Any) -> None:
    first = layers.Conv2D(4, 3, name="first")
    last = kind(kernel_size=3, name="last") if kind is layers.DepthwiseConv2D else kind(4, 3, name="last")
    model = keras.Sequential([keras.Input((8, 8, 3)), first, last, layers.Flatten(), layers.Dense(2)])
    assert vz.gradcam(model, images(1, (8, 8, 3)), 0, relu=False).layer == "last"


# 7: gradients averaged over the batch ----------------------------------------------------------------------------


def test_pitfall_07_each_image_has_weights_of_its_own() -> None:
    x, adapter, targets = images(3), vz.adapt(functional().model), [0, 1, 2]
    result = vz.gradcam(adapter, x, targets, layer="conv1", relu=False)
    for i, index in enumerate(targets):
        expected = reference(x[i : i + 1], index)
        weights = expected.by_first.mean(axis=(1, 2), keepdims=True)
        np.testing.assert_allclose(result.raw[i], (weights * expected.first).sum(axis=-1)[0], **CLOSE)
        alone = vz.gradcam(adapter, x[i : i + 1], index, layer="conv1", relu=False)
        np.testing.assert_allclose(result.values[i], alone.values[0], **CLOSE)


# 8 and 9: what is called Grad-CAM --------------------------------------------------------------------------------


def _four_cells(weight: float) -> Any:
    """Return a model whose map is the mean of each 2x2 block, weighed by `weight`."""
    x = keras.Input((4, 4, 1))
    mean = Fixed(np.full(4, 0.25, np.float32))
    cells = layers.Conv2D(1, 2, strides=2, kernel_initializer=mean, name="cells")(x)
    pooled = layers.GlobalAveragePooling2D()(cells)
    return keras.Model(x, dense("head", (np.array([[4 * weight, 0]]), np.zeros(2)))(pooled))


def _blocks(*values: float) -> np.ndarray:
    return np.kron(np.array(values).reshape(2, 2), np.ones((2, 2))).reshape(1, 4, 4, 1).astype(np.float32)


def test_pitfall_08_default_gradcam_is_vanilla_and_cut_at_zero() -> None:
    result = vz.gradcam(_four_cells(1.0), _blocks(-2, -1, 1, 2), 0)
    np.testing.assert_allclose(result.raw[0], [[-2, -1], [1, 2]], **rounding(4, 4, 4))
    assert result.values.min() == 0
    assert result.options["rule"] == "vanilla"


def test_pitfall_09_negative_gradients_do_not_turn_the_map_over() -> None:
    with pytest.warns(vz.errors.VizcnnWarning, match="negative everywhere before its ReLU"):
        result = vz.gradcam(_four_cells(-1.0), _blocks(1, 2, 3, 4), 0)
    np.testing.assert_allclose(result.raw[0], [[-1, -2], [-3, -4]], **rounding(4, 4, 4))
    assert not result.values.any()


# 10: upsampling that shifts the map ------------------------------------------------------------------------------


def test_pitfall_10_map_is_enlarged_bilinearly_with_half_pixel_centers() -> None:
    result = vz.gradcam(_four_cells(1.0), _blocks(0, 1, 2, 3), 0)
    np.testing.assert_allclose(result.raw[0], [[0, 1], [2, 3]], **rounding(4, 4, 4))
    expected = [[0, 1, 3, 4], [2, 3, 5, 6], [6, 7, 9, 10], [8, 9, 11, 12]]
    np.testing.assert_allclose(result.values[0], np.array(expected) / 4, rtol=1e-5, atol=1e-5)


# 16: other images change yours, and bytes wrap around ------------------------------------------------------------


@pytest.mark.parametrize("method", [vz.saliency, vz.gradcam])
def test_pitfall_16_other_images_do_not_change_yours(method: Any) -> None:
    x, adapter = images(4), vz.adapt(nested().model)
    x[1:] *= 100
    with pytest.warns(vz.errors.VizcnnWarning, match="The inputs lie in"):
        together = method(adapter, x, 1)
    np.testing.assert_allclose(together.values[0], method(adapter, x[:1], 1).values[0], **CLOSE)


def test_pitfall_16_bytes_do_not_wrap_around() -> None:
    model = linear_model(np.array([[200, 0], [-100, 0], [300, 0], [1, 0]]), (2, 2, 1))
    with pytest.warns(vz.errors.VizcnnWarning, match="The inputs lie in"):
        result = vz.saliency(model, np.full((1, 2, 2, 1), 250, np.uint8), 0, reduce="sum")
    np.testing.assert_array_equal(result.values[0], [[200, -100], [300, 1]])
    np.testing.assert_array_equal(result.scores, [250 * 401])


# 17: reductions of the channels that can't be compared -----------------------------------------------------------


def test_pitfall_17_reduction_of_the_channels_is_said_and_can_be_chosen() -> None:
    model = linear_model(np.array([[1, 0], [-3, 0], [2, 0], [4, 0], [1, 0], [-1, 0]]), (1, 2, 3))
    x = images(1, (1, 2, 3))
    np.testing.assert_array_equal(vz.saliency(model, x, 0).values[0], [[3, 4]])
    np.testing.assert_array_equal(vz.saliency(model, x, 0, reduce="sum").values[0], [[0, 4]])
    none = vz.saliency(model, x, 0, reduce="none")
    np.testing.assert_array_equal(none.values[0], [[[1, -3, 2], [4, 1, -1]]])
    assert vz.saliency(model, x, 0).options["reduce"] == "max_abs"


# 18: state that leaks --------------------------------------------------------------------------------------------


def test_pitfall_18_models_are_not_kept_alive_and_not_changed() -> None:
    gone = []
    for _ in range(3):
        model = functional().model
        before, weights = model.to_json(), [w.copy() for w in model.get_weights()]
        vz.saliency(model, images(1), 0, rule="guided")
        vz.gradcam(model, images(1), 0, relu=False)
        assert model.to_json() == before
        assert all(np.array_equal(now, then) for now, then in zip(model.get_weights(), weights, strict=True))
        gone.append(weakref.ref(model))
        del model
    gc.collect()
    assert [ref() for ref in gone] == [None] * 3


# 19: the state of training ---------------------------------------------------------------------------------------


class _Explain(keras.callbacks.Callback):
    def __init__(self) -> None:
        super().__init__()
        self.maps: list[np.ndarray] = []

    def on_train_batch_end(self, batch: int, logs: Any = None) -> None:
        self.maps = [vz.saliency(self.model, images(1), 0).raw for _ in range(2)]


def _trained(callbacks: list[Any]) -> Any:
    keras.utils.set_random_seed(0)
    model = keras.Sequential([keras.Input((6, 5, 3)), conv("conv", CONV1), layers.BatchNormalization()])
    for layer in (
        layers.Dropout(0.5, seed=1),
        layers.GlobalAveragePooling2D(),
        dense("head", DENSE, activation="softmax"),
    ):
        model.add(layer)
    model.compile("adam", "sparse_categorical_crossentropy")
    model.fit(images(8), np.arange(8) % 3, batch_size=4, epochs=2, shuffle=False, verbose=0, callbacks=callbacks)
    return model


def test_pitfall_19_explaining_in_a_callback_leaves_training_as_it_was() -> None:
    explain = _Explain()
    watched, alone = _trained([explain]), _trained([])
    for now, then in zip(watched.variables, alone.variables, strict=True):
        np.testing.assert_array_equal(np.asarray(now), np.asarray(then), err_msg=now.path)
    for now, then in zip(watched.optimizer.variables, alone.optimizer.variables, strict=True):
        np.testing.assert_array_equal(np.asarray(now), np.asarray(then), err_msg=now.path)
    np.testing.assert_array_equal(*explain.maps)  # nothing was dropped at random


# 23: the process dies --------------------------------------------------------------------------------------------


def test_pitfall_23_mini_xception_is_explained_and_the_process_lives(test_data: Path) -> None:
    path = test_data / "wild" / "emotion_mini_xception_keras209.hdf5"
    if not path.exists():
        pytest.skip(f"VIZCNN_TEST_DATA has no {path.name}")
    x = np.random.default_rng(0).uniform(-1, 1, (2, 64, 64, 1)).astype(np.float32)
    model = vz.adapt(path)
    for rule in ("vanilla", "guided", "relu"):
        for _ in range(5):
            assert np.abs(vz.saliency(model, x, rule=rule).values).max() > 0
    assert vz.gradcam(model, x, 3, relu=False).layer


# 24: Sequential models -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("build", [sequential, never_called])
def test_pitfall_24_sequential_models_are_like_all_others(build: Any) -> None:
    x, model = images(), build().model
    for rule in ("vanilla", "guided"):
        expected = reference(x, 1, skip=False, rule=rule)
        np.testing.assert_allclose(vz.saliency(model, x, 1, rule=rule).raw, expected.by_input, **CLOSE)
    expected = reference(x, 1, skip=False)
    result = vz.gradcam(model, x, 1, relu=False)
    weights = expected.by_last.mean(axis=(1, 2), keepdims=True)
    np.testing.assert_allclose(result.raw, (weights * expected.last).sum(axis=-1), **CLOSE)
    assert result.layer == "conv2"
