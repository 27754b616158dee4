"""Models of several inputs: a map for each, with the others held fixed."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest
from keras import layers
from PIL import Image

import vizcnn as vz
from tests.rounding import rounding
from vizcnn.errors import InputError, OptionError, UnsupportedModelError


def model(struct: str = "list") -> Any:
    keras.utils.set_random_seed(4)
    ct, mri, age = keras.Input((6, 6, 1), name="ct"), keras.Input((6, 6, 1), name="mri"), keras.Input((2,), name="age")
    maps = [layers.Conv2D(3, 3, activation="relu", name=f"conv_{i}")(x) for i, x in enumerate((ct, mri))]
    joined = layers.Concatenate()([*(layers.Flatten()(x) for x in maps), age])
    inputs: Any = [ct, mri, age] if struct == "list" else {"mri": mri, "ct": ct, "age": age}
    return keras.Model(inputs, layers.Dense(2, activation="softmax", name="preds")(joined), name="fusion")


def values() -> dict[str, np.ndarray]:
    generator = np.random.default_rng(0)
    return {
        "ct": generator.uniform(size=(1, 6, 6, 1)).astype(np.float32),
        "mri": generator.uniform(size=(1, 6, 6, 1)).astype(np.float32),
        "age": np.array([[0.3, 0.7]], np.float32),
    }


def without(*names: str) -> dict[Any, Any]:
    return {name: value for name, value in values().items() if name not in names}


@pytest.mark.parametrize("struct", ["list", "dict"])
@pytest.mark.parametrize("free", ["ct", "mri"])
def test_each_input_has_a_map_with_the_others_as_they_are(struct: str, free: str) -> None:
    fusion, x = model(struct), values()
    cnn = vz.adapt(fusion, fixed_inputs=without(free))
    assert cnn.input_shape == (6, 6, 1)
    full = x if struct == "dict" else list(x.values())
    np.testing.assert_allclose(cnn.outputs(x[free])[0], fusion.predict(full, verbose=0), **rounding(128, 128))
    gradient = vz.saliency(cnn, x[free], 1).raw
    logits = keras.Model(fusion.input, fusion.get_layer("preds").output)
    logits.get_layer("preds").activation = keras.activations.linear
    step = 1e-2
    for row, column in ((0, 0), (3, 2)):
        moved = []
        for sign in (1, -1):
            changed = {name: value.copy() for name, value in x.items()}
            changed[free][0, row, column, 0] += sign * step
            moved.append(logits.predict(changed if struct == "dict" else list(changed.values()), verbose=0)[0, 1])
        assert gradient[0, row, column, 0] == pytest.approx((moved[0] - moved[1]) / (2 * step), rel=0.02, abs=1e-3)
    logits.get_layer("preds").activation = keras.activations.softmax


@pytest.mark.filterwarnings("ignore::vizcnn.errors.VizcnnWarning")
def test_all_methods_work_and_the_class_activation_map_is_of_the_free_input() -> None:
    cnn, x = vz.adapt(model(), fixed_inputs=without("mri")), values()["mri"]
    assert vz.gradcam(cnn, x, layer="conv_1").layer == "conv_1"
    assert vz.occlusion(cnn, np.repeat(x, 3, axis=0)).values.shape == (3, 6, 6)
    assert vz.activations(cnn, x, "conv_1").values.shape == (1, 4, 4, 3)
    assert len(vz.architecture(cnn).inputs) == 3
    made = vz.activation_maximization(cnn, 1, steps=2, input_range=(0, 1))
    assert made.values.shape == (1, 6, 6, 1)


def test_positions_samples_without_a_batch_axis_and_files_are_taken(tmp_path: Path) -> None:
    x = values()
    Image.fromarray((x["mri"][0, ..., 0] * 255).astype(np.uint8)).save(tmp_path / "mri.png")
    from_file = vz.adapt(model(), fixed_inputs={1: tmp_path / "mri.png", -1: x["age"][0]}, preprocess="0..1")
    plain = vz.adapt(model(), fixed_inputs=without("ct"), preprocess="0..1")
    np.testing.assert_allclose(from_file.outputs(x["ct"])[0], plain.outputs(x["ct"])[0], atol=0.01)


def test_model_of_several_inputs_says_how_the_others_are_given() -> None:
    with pytest.raises(
        UnsupportedModelError,
        match=r"takes 3 inputs, 'ct', 'mri', 'age'; .*fixed_inputs=\{'mri': ..., 'age': ...\}.*--fixed NAME=VALUE",
    ):
        vz.saliency(model(), values()["ct"])


@pytest.mark.parametrize(
    ("fixed_inputs", "error", "text"),
    [
        ({"mry": 0}, OptionError, r"`fixed_inputs` must name inputs of the model, .* got 'mry'. Did you mean 'mri'\?"),
        ([1], OptionError, "`fixed_inputs` must be a mapping of inputs to their values"),
        ({"age": [[1], [2, 3]]}, InputError, "`fixed_inputs` input 'age' must be numbers of shape"),
        ({"age": ["q"]}, InputError, "must be numbers"),
        ({3: 0}, OptionError, "or their positions; got 3"),
        (
            without("ct", "mri"),
            OptionError,
            "must hold all inputs but the one that is explained.* it leaves 'ct', 'mri'",
        ),
        (without(), OptionError, "it leaves none"),
        (
            {**without("ct"), "age": [1, 2, 3]},
            InputError,
            r"`fixed_inputs` input 'age' must have shape \(2,\), one sample; got \(3,\)",
        ),
        ({**without("ct"), "age": "a.png"}, InputError, "which is not an image; give an array"),
        ({**without("ct"), "age": [1, np.nan]}, InputError, "it holds NaN or infinity"),
    ],
)
def test_values_that_do_not_fit_are_rejected(fixed_inputs: Any, error: type[Exception], text: str) -> None:
    with pytest.raises(error, match=text):
        vz.adapt(model(), fixed_inputs=fixed_inputs)
