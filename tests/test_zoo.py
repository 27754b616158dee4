"""Every method of ours on every kind of model that people train: it works, or says in vizcnn's words why not."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest
from keras import layers
from matplotlib.figure import Figure

import vizcnn as vz
from tests.few import few, is_tried_everywhere
from tests.rounding import assert_same_sums
from tests.zoo import CAMS, SHAPE, ZOO, batches_of_two, channels_first, conv, head, images, segmentation, transformer
from vizcnn.adapter.keras.forward_pass import learn
from vizcnn.adapter.keras.structure import final_activations
from vizcnn.plugins import registry
from vizcnn.targets import Region

pytestmark = pytest.mark.filterwarnings("ignore::vizcnn.errors.VizcnnWarning")

METHODS = [name for name in registry.names() if "/" not in name]

OF_TRANSFORMERS = frozenset(name for name in METHODS if registry.get(name).family == "transformer")

SAMPLED = ("black_box", "channels_first", "mixed_float16", "several_inputs")
"""Kinds of models on which all methods are run."""


def methods_on(kind: str) -> list[str]:
    """Return the methods that are tried on a kind of model."""
    own = OF_TRANSFORMERS if "transformer" in kind else frozenset()
    return [name for name in METHODS if kind in SAMPLED or name in own or is_tried_everywhere(registry.get(name))]


def several_inputs() -> vz.ModelAdapter:
    image, number = keras.Input(SHAPE, name="image"), keras.Input((2,), name="number")
    x = layers.Concatenate()([layers.GlobalAveragePooling2D()(conv(image)), number])
    return vz.adapt(keras.Model([image, number], layers.Dense(3, "softmax")(x)), fixed_inputs={"number": [0.1, 0.9]})


def black_box() -> vz.ModelAdapter:
    weights = np.random.default_rng(0).normal(size=(int(np.prod(SHAPE)), 3))
    return vz.adapt(lambda x: x.reshape(len(x), -1) @ weights, input_shape=SHAPE)


def gradients_only_through_a_frozen_base() -> Any:
    image = keras.Input(SHAPE)
    base = keras.Model(image, conv(image), name="base")
    base.trainable = False
    other = keras.Input(SHAPE)
    return keras.Model(other, head(base(other)))


INSIDE = frozenset(name for name in METHODS if registry.get(name).needs - {"scores", "outputs", "images", "maps"})
"""Methods that ask for more than what comes out of a model."""

_KINDS = {
    **ZOO,
    "several_inputs": (several_inputs, SHAPE, frozenset()),
    "black_box": (black_box, SHAPE, INSIDE),
    "frozen_base": (gradients_only_through_a_frozen_base, SHAPE, frozenset()),
}
KINDS = {
    name: (make, shape, without if "transformer" in name else without | OF_TRANSFORMERS)
    for name, (make, shape, without) in _KINDS.items()
}


SAID_BY_A_RUN = frozenset(
    {"layers_in_lists_and_dicts", "never_called", "wrapped_three_times", "segmentation", "image_to_image", "regression"}
    | {"embedding", "one_number_without_an_axis", "preprocessing_inside"}
)
"""Kinds of models whose last layer doesn't say what makes probabilities of its outputs."""

LAWS = frozenset({*SAMPLED, "vision_transformer"} - {"mixed_float16"})
"""Kinds of models on which the laws are held each time; on the others by `make test-slow`."""


SLOW = frozenset({"vision_transformer_without_a_class_token", "mixed_float16", "int8"})
"""Kinds of models that are as others and take long: by `make test-slow`."""


def built(name: str) -> vz.ModelAdapter:
    """Return a model of this kind, with the same weights each time."""
    keras.utils.set_random_seed(0)
    return vz.adapt(KINDS[name][0]())


@cache
def kept(name: str) -> vz.ModelAdapter:
    """Return the same model to each test that asks for all methods, with what has been compiled of it."""
    return built(name)


def explained(adapter: vz.ModelAdapter, method: str, images: np.ndarray) -> vz.Attributions:
    plugin = registry.get(method)
    return plugin.function(adapter, images, **few(plugin), **({"patch_size": 2} if method == "occlusion" else {}))


@pytest.mark.parametrize(
    "name", [pytest.param(name, marks=pytest.mark.slow) if name in SLOW else name for name in KINDS]
)
def test_every_method_works_on_a_model_of_this_kind_or_says_why_not(name: str) -> None:
    _, shape, without = KINDS[name]
    adapter, twin, x = kept(name) if name in LAWS else built(name), built(name), images(3, shape)
    failed = set()
    for method in methods_on(name):
        plugin = registry.get(method)
        options = {"steps": 2} if method == "activation_maximization" else {}
        given = [{"images": x, "target": None}[argument] for argument in plugin.takes if argument != "model"]
        try:
            plugin.function(adapter, *given, **few(plugin), **options)
        except vz.errors.VizcnnError:
            failed.add(method)
    assert failed == without & set(methods_on(name))
    for ours, theirs in zip(adapter.outputs(x), twin.outputs(x), strict=True):
        np.testing.assert_array_equal(ours, theirs)  # the model is what it was


@pytest.mark.parametrize(
    "name", [name if name in LAWS else pytest.param(name, marks=pytest.mark.slow) for name in KINDS]
)
def test_laws_of_every_method_hold_on_a_model_of_this_kind(name: str, tmp_path: Path) -> None:
    _, shape, without = KINDS[name]
    adapter, x = kept(name), images(3, shape)
    for method in methods_on(name):
        if method in without | {*CAMS.split()} or not registry.get(method).explains:
            continue
        result = explained(adapter, method, x)
        assert result.values.shape == x.shape[:-1]
        assert result.values.dtype == result.raw.dtype == result.scores.dtype == np.float32
        assert np.isfinite(result.values).all()
        assert len(result.predictions) == len(result.target) == len(result.scores) == 3
        traces = getattr(adapter, "num_traces", 0)
        again = explained(adapter, method, x)
        assert getattr(adapter, "num_traces", 0) == traces
        np.testing.assert_array_equal(again.values, result.values)
        scale = np.abs(result.values).max() or 1.0
        low = 1e-2 if name.startswith(("mixed", "int8")) else 1e-4  # half precision rounds by the size of the batch
        for i in range(3):
            alone = explained(adapter, method, x[i : i + 1])
            np.testing.assert_allclose(alone.values[0], result.values[i], rtol=0, atol=low * scale)
        back = vz.load_result(result.save(tmp_path / f"{method}.npz"))
        np.testing.assert_array_equal(back.values, result.values)
        axes = back.plot([Figure().add_subplot() for _ in range(3)])
        assert all(axis.images or axis.lines for axis in axes)


@pytest.mark.parametrize("name", sorted(KINDS.keys() - {"black_box"}))
def test_what_the_last_layers_say_of_the_outputs_is_what_a_run_tells(name: str) -> None:
    adapter, shape = built(name), KINDS[name][1]
    told = final_activations(adapter.model)
    assert bool(told) == (name not in SAID_BY_A_RUN)
    if told:
        adapter.prepare(shape)
        learn(adapter._view)
        state = adapter._view.state
        assert (state.activations, state.endings) == (told, {output: (kind, 1) for output, kind in told.items()})


@pytest.mark.parametrize("name", [*SAMPLED, "one_dimensional", "three_dimensional"])
def test_occlusion_is_refined_on_a_model_of_this_kind(name: str) -> None:
    shape = KINDS[name][1]
    result = vz.occlusion(built(name), images(2, shape), patch_size=2, stride=1, refine=0.4)
    assert result.values.shape == (2, *shape[:-1])
    assert np.isfinite(result.values).all()
    np.testing.assert_allclose(result.measures["runs"], 0.4, atol=0.05)


# And what they say is right ----------------------------------------------------------------------------------------------------


def test_channels_first_answers_as_its_twin_with_channels_last() -> None:
    keras.utils.set_random_seed(0)
    first = channels_first()
    image = keras.Input(SHAPE)
    x = conv(layers.BatchNormalization()(layers.MaxPooling2D()(conv(image, padding="same"))))
    last = keras.Model(image, head(x))
    last.set_weights(first.get_weights())
    ours, theirs = vz.adapt(first), vz.adapt(last)
    assert ours.input_shape == SHAPE
    assert ours.layers[1].output_shape == theirs.layers[1].output_shape
    for method in (vz.saliency, vz.gradcam, vz.occlusion):
        np.testing.assert_allclose(method(ours, images(), 1).raw, method(theirs, images(), 1).raw, atol=1e-5)
    maps = [vz.activations(model, images(), model.layers[1].path).values for model in (ours, theirs)]
    np.testing.assert_allclose(*maps, atol=1e-5)


@pytest.mark.parametrize("token", [True, False])
def test_gradcam_of_a_transformer_is_taken_before_its_last_attention_on_the_grid_of_its_patches(token: bool) -> None:
    keras.utils.set_random_seed(1)
    model = transformer(token=token, blocks=2)
    x = images(2)
    result = vz.gradcam(model, x, 1)
    assert result.layer == "norm_1"
    assert result.raw.shape == (2, 4, 4)
    # By the formula, token by token: the weights are the mean gradient over the patches.
    inner = keras.Model(model.input, [model.get_layer("norm_1").output, model.get_layer("attention_1").output])
    taken = vz.adapt(model).gradients(x, 1, of="norm_1")
    tokens = inner.predict(x, verbose=0)[0][:, 1 if token else 0 :]
    np.testing.assert_allclose(taken.values.reshape(2, 16, 8), tokens, atol=1e-5)
    weights = taken.gradients.mean(axis=(1, 2))
    np.testing.assert_allclose(result.raw.reshape(2, 16), np.einsum("ntk,nk->nt", tokens, weights), atol=1e-5)
    assert np.ptp(result.raw) > 0


def test_batches_of_a_fixed_size_answer_as_single_images() -> None:
    keras.utils.set_random_seed(0)
    fixed = batches_of_two()
    image = keras.Input(SHAPE)
    free = keras.Model(image, head(conv(image)))
    free.set_weights(fixed.get_weights())
    assert_same_sums(vz.saliency(fixed, images(3), 0).raw, vz.saliency(free, images(3), 0).raw, *(27, 36, 64) * 2)


def test_region_of_a_segmentation_is_explained_by_its_own_pixels() -> None:
    keras.utils.set_random_seed(0)
    result = vz.saliency(segmentation(), images(1), Region((2, 2, 4, 4), 1))
    outside = np.ones((8, 8), bool)
    outside[1:5, 1:5] = False  # what the region sees through one 3x3 convolution
    assert (result.values[0][outside] == 0).all()
    assert result.values[0][2:4, 2:4].min() > 0


def test_model_in_training_is_explained_between_two_epochs_with_its_new_weights() -> None:
    keras.utils.set_random_seed(0)
    image = keras.Input(SHAPE)
    model = keras.Model(image, head(layers.Dropout(0.3)(conv(image))))
    model.compile("adam", "sparse_categorical_crossentropy")
    adapter, x, labels = vz.adapt(model), images(6), np.arange(6) % 3
    seen = []
    for _ in range(3):
        model.fit(x, labels, verbose=0)
        seen.append(vz.saliency(adapter, x[:1], 0).raw)
    traces = adapter.num_traces
    assert vz.saliency(adapter, x[:1], 0).raw.tobytes() == seen[-1].tobytes()
    assert adapter.num_traces == traces == 1
    assert not np.array_equal(seen[0], seen[1])
    keras.utils.set_random_seed(0)
    image = keras.Input(SHAPE)
    alone = keras.Model(image, head(layers.Dropout(0.3)(conv(image))))
    alone.compile("adam", "sparse_categorical_crossentropy")
    for _ in range(3):
        alone.fit(x, labels, verbose=0)
    for ours, theirs in zip(model.get_weights(), alone.get_weights(), strict=True):
        np.testing.assert_array_equal(ours, theirs)


def test_channels_first_is_told_by_the_convolutions_whatever_the_other_layers_have() -> None:
    keras.utils.set_random_seed(0)
    image = keras.Input((3, 8, 8))
    x = layers.Conv2D(4, 3, activation="relu", data_format="channels_first")(image)
    first = keras.Model(image, layers.Dense(3, "softmax")(layers.Flatten()(x)))
    image = keras.Input(SHAPE)
    flat = layers.Flatten()(layers.Permute((3, 1, 2))(conv(image)))
    last = keras.Model(image, layers.Dense(3, "softmax")(flat))
    last.set_weights(first.get_weights())
    assert vz.adapt(first).input_shape == SHAPE
    np.testing.assert_allclose(vz.saliency(first, images(), 1).raw, vz.saliency(last, images(), 1).raw, atol=1e-5)
