"""Faults that people make, seeded one by one: each is named by a note of its kind, and good maps have none of these."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest
from keras import layers

import vizcnn as vz
from tests.few import EVERYWHERE, few
from tests.test_zoo import KINDS
from vizcnn.plugins import registry

pytestmark = pytest.mark.filterwarnings("ignore::vizcnn.errors.VizcnnWarning")

IMAGES = np.random.default_rng(0).uniform(0, 1, (3, 16, 16, 3)).astype(np.float32)
PIXELS = (IMAGES * 255).astype(np.uint8)


def network(
    *first: Any,
    after: tuple[Any, ...] = (),
    head: tuple[Any, ...] = (),
    activation: str | None = "relu",
    bias: float = 0.1,
    units: int = 3,
    **dense: Any,
) -> Any:
    """Return a small CNN, with other layers before its convolution, after it, and after its logits."""
    keras.utils.set_random_seed(1)
    kernel = keras.initializers.RandomUniform(-0.1, 0.3, seed=1)
    bias_initializer = keras.initializers.Constant(bias)
    conv = layers.Conv2D(
        4, 3, activation=activation, kernel_initializer=kernel, bias_initializer=bias_initializer, name="conv"
    )
    pool = layers.GlobalAveragePooling2D()
    return keras.Sequential(
        [keras.Input((16, 16, 3)), *first, conv, *after, pool, layers.Dense(units, name="logits", **dense), *head]
    )


def kinds(result: vz.Attributions) -> set[str]:
    return {note.kind for note in result.notes}


# The faults ---------------------------------------------------------------------------------------------------------------

Fault = Callable[[], vz.Attributions]
FAULTS: dict[str, tuple[str, Fault]] = {}
"""Names to the kind of the note, and what is done wrong."""


def fault(kind: str) -> Callable[[Fault], Fault]:
    def add(seeded: Fault) -> Fault:
        FAULTS[seeded.__name__] = kind, seeded
        return seeded

    return add


@fault("range")
def pixels_for_a_model_that_takes_0_to_1() -> vz.Attributions:
    return vz.saliency(network(), PIXELS)


@fault("range")
def scaled_images_for_a_model_that_scales_them() -> vz.Attributions:
    return vz.saliency(network(layers.Rescaling(1 / 255)), IMAGES)


@fault("range")
def pixels_are_scaled_by_preprocess_and_by_the_model() -> vz.Attributions:
    return vz.saliency(vz.adapt(network(layers.Rescaling(1 / 255)), preprocess="-1..1"), PIXELS)


@fault("unlike training")
def inputs_far_smaller_than_in_training() -> vz.Attributions:
    normalized = layers.BatchNormalization(name="norm")
    model = network(after=(normalized, layers.ReLU()), head=(layers.Softmax(),), activation=None, units=8)
    values = keras.Model(model.inputs, model.get_layer("conv").output).predict(IMAGES, verbose=0)
    moments = values.mean(axis=(0, 1, 2)), values.var(axis=(0, 1, 2))
    normalized.set_weights([*normalized.get_weights()[:2], *moments])
    assert "unlike training" not in kinds(vz.saliency(model, IMAGES))
    return vz.saliency(model, IMAGES / 255)


@fault("dead layer")
def layer_whose_units_are_dead() -> vz.Attributions:
    return vz.gradcam(network(bias=-900.0), IMAGES, 0, layer="conv")


@fault("saturated")
def probability_of_a_saturated_output() -> vz.Attributions:
    model = network(
        head=(layers.Softmax(),), kernel_initializer="zeros", bias_initializer=lambda shape, dtype: [900, 0, 0]
    )
    return vz.saliency(model, IMAGES, lambda outputs: outputs[:, 0])


@fault("constant output")
def activations_inside_are_saturated() -> vz.Attributions:
    return vz.saliency(network(after=(layers.Rescaling(1e6), layers.Activation("sigmoid"))), IMAGES, 0)


@fault("flat")
def bias_drowns_the_image() -> vz.Attributions:
    return vz.saliency(network(layers.Rescaling(1e-9), bias_initializer="ones"), IMAGES, 0)


@fault("before normalization")
def convolution_before_its_normalization_is_named() -> vz.Attributions:
    model = network(after=(layers.BatchNormalization(), layers.ReLU()), activation=None)
    return vz.gradcam(model, IMAGES, 0, layer="conv")


@fault("no features")
def layer_that_only_scales_is_named() -> vz.Attributions:
    return vz.gradcam(network(layers.Rescaling(1 / 255, name="scale")), PIXELS, 0, layer="scale")


@fault("coarse")
def layer_of_one_place_is_named() -> vz.Attributions:
    return vz.gradcam(network(after=(layers.AveragePooling2D(14, name="all"),)), IMAGES, 0, layer="all")


@fault("unused layer")
def layer_that_the_score_does_not_depend_on_is_named() -> vz.Attributions:
    image = keras.Input((16, 16, 3))
    used, unused = (layers.Conv2D(2, 3, activation="relu", bias_initializer="ones", name=name)(image) for name in "ab")
    both = layers.Concatenate()([layers.GlobalAveragePooling2D()(x) for x in (used, unused)])
    model = keras.Model(image, layers.Dense(2, name="logits")(both))
    kernel = np.array([[1.0, 0], [0, 1], [0, 0], [0, 0]], np.float32)
    model.get_layer("logits").set_weights([kernel, np.zeros(2, np.float32)])
    return vz.gradcam(model, IMAGES, 0, layer="b")


@fault("constant output")
def head_without_its_weights() -> vz.Attributions:
    return vz.saliency(network(kernel_initializer="zeros"), IMAGES, 0)


@fault("broken")
def weights_that_are_no_numbers() -> vz.Attributions:
    return vz.saliency(network(kernel_initializer=keras.initializers.Constant(np.nan)), IMAGES, 0)


@fault("reading")
def labels_of_another_model() -> vz.Attributions:
    return vz.saliency(vz.adapt(network(), labels=["cat", "dog", "cow", "hen", "ant"]), IMAGES)


@fault("reading")
def softmax_over_one_unit() -> vz.Attributions:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # Keras says so too, where the model is called in Python
        return vz.saliency(network(head=(layers.Softmax(),), units=1), IMAGES)


@fault("softmax twice")
def softmax_after_a_softmax() -> vz.Attributions:
    return vz.saliency(network(head=(layers.Softmax(), layers.Softmax())), IMAGES)


@fault("random")
def dropout_that_stays_on() -> vz.Attributions:
    class Always(layers.Dropout):
        def call(self, inputs: Any, training: Any = None) -> Any:
            return super().call(inputs, training=True)

    return vz.saliency(network(after=(Always(0.5),)), IMAGES, 0)


@fault("border")
def frame_that_the_model_has_learned() -> vz.Attributions:
    weights = np.zeros((16, 16, 3, 2), np.float32)
    weights[[0, -1], :, :, 0] = weights[:, [0, -1], :, 0] = 1
    weights[1:-1, 1:-1, :, 0] = 0.01
    model = keras.Sequential([keras.Input((16, 16, 3)), layers.Flatten(), layers.Dense(2)])
    model.layers[-1].set_weights([weights.reshape(-1, 2), np.zeros(2, np.float32)])
    return vz.saliency(model, IMAGES, 0)


@fault("blank image")
def image_of_one_color() -> vz.Attributions:
    return vz.gradcam(network(kernel_initializer="ones"), np.full((1, 16, 16, 3), 0.5), 0)


@fault("negative")
def class_that_nothing_speaks_for() -> vz.Attributions:
    return vz.gradcam(network(kernel_initializer=keras.initializers.Constant(-1.0)), IMAGES, 0)


@fault("rule")
def guided_rule_for_few_of_the_activations() -> vz.Attributions:
    return vz.saliency(network(after=(layers.Conv2D(4, 3, activation="tanh"),)), IMAGES, 0, rule="guided")


@pytest.mark.parametrize("name", FAULTS)
def test_fault_is_named_by_a_note_of_its_kind(name: str) -> None:
    kind, seeded = FAULTS[name]
    assert kind in kinds(seeded())


def test_what_no_note_names_is_known() -> None:
    # That blue stands for red, and that classes have each other's names, isn't seen in a range, a probability or a map.
    right = vz.adapt(network(units=3), labels=["cat", "dog", "cow"])
    wrong = vz.adapt(right.model, labels=["dog", "cat", "cow"], preprocess="bgr")
    assert kinds(vz.saliency(wrong, IMAGES)) == kinds(vz.saliency(right, IMAGES)) == set()
    assert len(FAULTS) / (len(FAULTS) + 2) >= 18 / 20


# Good maps ----------------------------------------------------------------------------------------------------------------

ALARMS = frozenset(kind for kind, _ in FAULTS.values()) - {"reading", "negative", "coarse", "rule", "random", "range"}
"""Kinds of notes that a good map hasn't; the others say what is so of a small model with random weights."""


def alarms(make: Any, shape: tuple[int, ...], methods: list[str]) -> tuple[int, list[Any]]:
    """Return how many maps were made, and the alarms that they gave."""
    keras.utils.set_random_seed(0)
    adapter, images = vz.adapt(make()), np.random.default_rng(0).uniform(0, 1, (3, *shape)).astype(np.float32)
    count, given = 0, []
    for name in methods:
        plugin = registry.get(name)
        try:
            result = plugin.function(
                adapter, images, **few(plugin), **({"patch_size": 2} if name == "occlusion" else {})
            )
        except vz.errors.VizcnnError:
            continue
        count += len(result)
        given += [(name, note.kind, str(note)) for note in result.notes if note.kind in ALARMS]
    return count, given


def test_good_maps_give_no_alarm() -> None:
    make, shape, _ = KINDS["separable_and_transposed"]
    assert alarms(make, shape, ["saliency", "gradcam", "occlusion"]) == (9, [])
    cnn, digits = vz.assets.digits_cnn(), vz.assets.digits()
    explained = vz.explain(cnn, digits, methods=["saliency", "gradcam", "integrated_gradients:num_steps=8"])
    assert explained.notes == {}


@pytest.mark.slow
def test_one_good_map_in_a_hundred_gives_an_alarm_at_most() -> None:
    found = {name: alarms(make, shape, sorted(EVERYWHERE)) for name, (make, shape, _) in KINDS.items()}
    count = sum(number for number, _ in found.values())
    given = [(name, one) for name, (_, some) in found.items() for one in some]
    assert count > 300
    assert len(given) <= count / 100, given


@pytest.mark.slow
def test_photographs_give_no_alarm(test_data: Path) -> None:
    from skimage import data

    labels = test_data / "imagenet_class_index.json"
    cnn = vz.adapt(test_data / "mobilenet_025_224_imagenet.keras", preprocess="mobilenet", labels=labels)
    photographs = [data.chelsea(), data.coffee(), data.astronaut(), data.rocket()]
    explained = vz.explain(cnn, photographs, methods=["saliency", "gradcam", "gradcam:layer=conv_pw_11_relu"])
    assert not {note.kind for notes in explained.notes.values() for note in notes} & ALARMS
    before = vz.gradcam(cnn, photographs[0], layer="conv_pw_11")
    assert "before normalization" in kinds(before)
