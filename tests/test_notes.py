"""A map that is blank or suspect explains itself: in `.notes`, and as a warning where the call was made."""

from __future__ import annotations

import linecache
import warnings
from typing import Any

import keras
import numpy as np
import pytest
from keras import layers

import vizcnn as vz
from vizcnn.errors import VizcnnWarning

IMAGES = np.random.default_rng(0).uniform(0, 1, (3, 6, 6, 1)).astype(np.float32)


def network(*head: Any, first: Any = None, activation: str = "relu", dense: float | np.ndarray = 0.5) -> keras.Model:
    """Return two 3x3 mean filters, then two classes with the given weights: with images in 0..1 every unit is on."""
    model = keras.Sequential(
        [
            keras.Input((6, 6, 1)),
            *([first] if first is not None else []),
            layers.Conv2D(
                2, 3, activation=activation, kernel_initializer=keras.initializers.Constant(1 / 9), name="conv"
            ),
            layers.GlobalAveragePooling2D(),
            layers.Dense(2, name="dense"),
            *head,
        ]
    )
    weights = np.broadcast_to(np.asarray(dense, dtype=np.float32), (2, 2))
    model.get_layer("dense").set_weights([weights, np.zeros(2, dtype=np.float32)])
    return model


def noted(method: Any, *args: Any, **options: Any) -> str:
    """Call a method, and return its one note, which must be the one warning given, at this very line."""
    with pytest.warns(VizcnnWarning) as caught:
        result = method(*args, **options)
    (warning,) = caught
    assert warning.filename == __file__
    assert "method(*args" in linecache.getline(warning.filename, warning.lineno)
    assert result.notes == (str(warning.message),)
    return result.notes[0]


# Blank maps ---------------------------------------------------------------------------------------------------------------


def test_zero_gradient_is_noted():
    model = network(dense=[[1, 0], [1, 0]])
    images = np.stack([np.full((6, 6, 1), -1.0), *IMAGES[:2]])  # of the first one the ReLU leaves nothing
    with pytest.warns(VizcnnWarning):
        (note,) = vz.saliency(model, images, target=0).notes
    assert note.startswith(
        "The map of 1 of 3 images (image 0) is zero everywhere (0 is its lowest and its highest value): "
        "nothing in the image moves this score."
    )


def test_score_that_is_the_same_of_any_image_is_noted():
    note = noted(vz.saliency, network(dense=0), IMAGES, target=0)
    assert note.startswith(
        "The map of 3 of 3 images (image 0, image 1, image 2) is zero everywhere, since the model gives this score to any image, "
        "to noise too."
    )
    assert note.kind == "constant output"


def test_saturated_output_is_noted_with_its_probability():
    model = network(layers.Softmax(), dense=[[500, -500], [500, -500]])
    note = noted(vz.saliency, model, IMAGES[:1], target=lambda outputs: outputs[:, 0])
    assert note.startswith("The map of image is zero everywhere, and the output is saturated (probability 1.000000)")
    assert "Explain a logit" in note


def test_logit_of_a_saturated_output_is_not_blank():
    model = network(layers.Softmax(), dense=[[500, -500], [500, -500]])
    result = vz.saliency(model, IMAGES[:1], target=0)
    assert result.notes == ()
    assert result.values.max() > 1


def test_map_that_is_negative_before_its_relu_is_noted():
    result = noted(vz.gradcam, network(dense=-0.5), np.ones((1, 6, 6, 1)), target=0)
    # Two channels, each 1 everywhere, times the mean gradient -0.5 / 16.
    assert "before its ReLU (highest value -0.0625), so it is drawn blank" in result


def test_negative_maps_are_counted_over_all_batches():
    images = np.concatenate([IMAGES[:1], np.zeros((1, 6, 6, 1), np.float32), IMAGES[1:]])
    adapter = vz.adapt(network(dense=-0.5), batch_size=1)
    with pytest.warns(VizcnnWarning) as caught:
        result = vz.gradcam(adapter, images, target=0)
    assert len(caught) == len(result.notes) == 2
    assert result.notes[0].startswith("The map of 3 of 4 images (image 0, image 2, image 3) is negative everywhere")
    assert result.notes[1].startswith("The map of 1 of 4 images (image 1) is zero everywhere")


def test_signed_map_that_is_negative_is_not_blank():
    assert vz.gradcam(network(dense=-0.5), IMAGES, target=0, relu=False).notes == ()


# Suspect maps -------------------------------------------------------------------------------------------------------------


def test_constant_map_is_noted():
    note = noted(vz.gradcam, network(), np.ones((1, 6, 6, 1)), target=0)
    assert note.startswith("The map of image has one value everywhere, as its image has: nothing in it can be told")
    stripes = np.tile(np.array([1.0, 2.0, 3.0])[:, None], (2, 6))[
        None, :, :, None
    ]  # three rows have the same mean everywhere
    note = noted(vz.gradcam, network(), stripes, target=0)
    assert note.startswith("The map of image has one value everywhere: it does not distinguish parts of the image.")


def test_layer_one_pixel_wide_is_noted():
    model = keras.Sequential(
        [
            keras.Input((6, 6, 1)),
            layers.Conv2D(2, 6, kernel_initializer="ones", name="wide"),
            layers.Flatten(),
            layers.Dense(2, kernel_initializer="ones"),
        ]
    )
    note = noted(vz.gradcam, model, IMAGES, target=0, layer="wide")
    assert note == "The map of layer 'wide' is 1x1 pixels, so it says little of where: name a layer that comes earlier."


def test_overflow_is_noted():
    note = noted(vz.saliency, network(dense=np.inf), IMAGES[:1], target=0)
    assert note.startswith("The map of image holds NaN or infinity: the model's numbers overflow.")


def test_rule_that_replaced_only_some_activations_is_noted():
    model = network(layers.Dense(3, "tanh", kernel_initializer="ones"), layers.Dense(2, kernel_initializer="ones"))
    note = noted(vz.saliency, model, IMAGES, target=0, rule="guided")
    assert note == "Rule 'guided' replaced 1 activations (ReLU) and left 1 as they are: tanh (1)."


# Inputs in the wrong range ------------------------------------------------------------------------------------------------


def test_pixels_for_a_model_that_does_not_scale_them_are_noted():
    note = noted(vz.saliency, network(), IMAGES * 200, target=0)
    assert note.startswith(
        f"The inputs lie in {(IMAGES * 200).min():.4g} to {(IMAGES * 200).max():.4g}, and the model has no"
    )
    assert (
        "Give the `preprocess` of training (vizcnn.adapt, or --preprocess), or 'none' if raw pixels are right." in note
    )


def test_preprocess_none_says_that_raw_pixels_are_right():
    assert vz.saliency(vz.adapt(network(), preprocess="none"), IMAGES * 200, target=0).notes == ()
    assert vz.saliency(vz.adapt(network(), preprocess="none"), IMAGES, target=0).notes == ()


def test_inputs_outside_the_range_of_the_preprocessing_are_noted():
    adapter = vz.adapt(network(), preprocess="0..1")
    note = noted(vz.saliency, adapter, np.linspace(0, 510, 36).reshape(6, 6), target=0)
    assert note == "The inputs lie in 0 to 2, outside the 0 to 1 that the model takes. Check `preprocess`."


def test_scaled_images_for_a_model_that_scales_them_itself_are_noted():
    model = network(first=layers.Rescaling(1 / 255))
    note = noted(vz.saliency, model, np.linspace(0, 1, 36).reshape(6, 6), target=0)
    assert note.startswith("The images lie in 0 to 1, but the model takes pixels, 0 to 255: they look scaled already.")


def test_scaled_images_for_a_preprocessing_that_scales_them_are_noted():
    adapter = vz.adapt(network(activation="linear"), preprocess="-1..1")
    note = noted(vz.saliency, adapter, np.linspace(-1, 1, 36).reshape(6, 6), target=0)
    assert note.startswith("The images lie in -1 to 1, but `preprocess` '-1..1' takes pixels, 0 to 255")


def test_dark_pixels_do_not_look_scaled():
    adapter = vz.adapt(network(activation="linear"), preprocess="0..1")
    assert vz.saliency(adapter, np.ones((6, 6), dtype=np.uint8), target=0).notes == ()


# Where warnings are given -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("method", ["saliency", "gradcam"])
def test_healthy_maps_have_no_notes(method):
    assert getattr(vz, method)(network(dense=[[1, 0], [0, 1]]), IMAGES, target=0).notes == ()


def test_resizing_is_noted_without_a_warning():
    result = vz.saliency(network(), np.ones((12, 12), np.float32), target=0)
    assert result.notes == ("Images of 12x12 (height x width) were resized to the 6x6 that the model takes.",)


def test_each_note_of_an_explanation_is_given_at_the_callers_line():
    with pytest.warns(VizcnnWarning, match="zero everywhere") as caught:
        explanation = vz.explain(network(dense=0), IMAGES[:1], 0)
    assert {w.filename for w in caught} == {__file__}
    assert set(explanation.notes) == {"saliency", "gradcam"}


def test_same_note_is_shown_once_per_line_by_default():
    model = network(dense=0)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("default")
        for _ in range(3):
            vz.saliency(model, IMAGES[:1], 0)
    assert len(caught) == 1
