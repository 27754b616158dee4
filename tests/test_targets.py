"""Every form of target comes down to the score that it says."""

from __future__ import annotations

from typing import Any

import keras
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import vizcnn as vz
from tests.models import CLOSE, FORWARD, conv, convolve, differences, images, linear_model, nested, reference
from tests.rounding import assert_same_sums
from vizcnn.errors import TargetError
from vizcnn.targets import (
    Channel,
    Class,
    Contrast,
    Function,
    Neuron,
    Region,
    Score,
    Similarity,
    Target,
    WeightedSum,
    resolve,
)

LABELS = ["tabby, tabby cat", "Egyptian_cat", "tiger cat"]


@pytest.fixture(scope="module")
def network() -> Any:
    return vz.adapt(nested().model, labels=LABELS)


@pytest.fixture(scope="module")
def maps() -> Any:
    """Images in, maps of three classes out."""
    weights = (np.arange(6, dtype=np.float32).reshape(1, 1, 2, 3) - 2, np.array([1, 0, -1], np.float32))
    model = keras.Sequential([keras.Input((4, 5, 2)), conv("maps", weights)], name="maps")
    return vz.adapt(model), convolve(images(2, (4, 5, 2)), *weights)


def _logits() -> np.ndarray:
    return reference(images()).logits


# Classes ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("target", "indices"),
    [
        (2, [2, 2]),
        (np.int64(1), [1, 1]),
        ("Egyptian_cat", [1, 1]),
        ("egyptian cat", [1, 1]),  # case and underscores don't matter
        ("EGYPTIAN_CAT", [1, 1]),
        ("tabby", [0, 0]),  # one of the synonyms, as ImageNet's list has them
        ("Tabby cat", [0, 0]),
        ([0, 2], [0, 2]),
        ((1, 0), [1, 0]),
        (np.array([2, 1]), [2, 1]),
        (["tiger cat", 0], [2, 0]),
        ({"predictions": 2}, [2, 2]),
        ({"predictions": [0, "tiger cat"]}, [0, 2]),
        (Class(1), [1, 1]),
        (Class("tiger cat", "predictions"), [2, 2]),
        (Class([1, 2], 0), [1, 2]),
    ],
    ids=repr,
)
def test_target_is_a_class(network: Any, target: Any, indices: list[int]) -> None:
    np.testing.assert_allclose(network.scores(images(), target), _logits()[[0, 1], indices], **CLOSE)


@pytest.mark.parametrize("target", [None, Class(), {"predictions": None}, [None, None]], ids=repr)
def test_none_is_the_predicted_class_of_each_image(network: Any, target: Any) -> None:
    x = images(6, seed=3)
    logits = reference(x).logits
    target = [None] * 6 if isinstance(target, list) else target
    np.testing.assert_allclose(network.scores(x, target), logits.max(axis=-1), **CLOSE)


def test_none_may_stand_beside_classes(network: Any) -> None:
    np.testing.assert_allclose(network.scores(images(), [None, 0]), [_logits()[0].max(), _logits()[1, 0]], **CLOSE)


def test_score_says_what_it_explains(network: Any) -> None:
    score = resolve([None, 1], network, 2)
    assert (score.names, score.classes, score.output) == ((None, "Egyptian_cat"), (-1, 1), "predictions")
    assert len(score) == 2
    assert (score[1:].names, score[1:].params[0].tolist()) == (("Egyptian_cat",), [1])
    assert score.repeat(2).params[0].tolist() == [-1, -1, 1, 1]
    assert score.repeat(2).names == (None, None, "Egyptian_cat", "Egyptian_cat")


def test_score_that_is_resolved_is_taken_as_it_is(network: Any) -> None:
    score = resolve([2, 0], network, 2)
    assert resolve(score, network, 2) is score
    np.testing.assert_allclose(network.scores(images(), score), _logits()[[0, 1], [2, 0]], **CLOSE)


@pytest.mark.parametrize(
    ("target", "match"),
    [
        (3, "`target` must be a class index from 0 to 2 for output 'predictions' of model 'zoo'; got 3"),
        (-1, "must be a class index from 0 to 2 .*; got -1"),
        ([0, 7], "must be a class index from 0 to 2 .*; got 7"),
        (
            "tigr cat",
            r"must be a label of model 'zoo'; got 'tigr cat'\. Did you mean 'tiger cat'\? Labels: 'tabby, tabby cat'",
        ),
        ("zebra", r"must be a label of model 'zoo'; got 'zebra'\. Labels: "),
        ("", "must be a label of model 'zoo'; got ''"),
        ([0, 1, 2], "as a list must have one entry per image; got 3 for 2 images"),
        ([], "as a list must have one entry per image; got 0 for 2 images"),
        (True, "must be a class index or a label; got True"),
        ([1.5, 0], r"must be a class index or a label; got 1\.5"),
        (1.5, r"must be None, a class index, a label, a list .* or a function of the outputs; got 1\.5"),
        ({"predictions": 0, "more": 1}, "as a mapping takes one output's name to a class; got"),
        ({}, r"as a mapping takes one output's name to a class; got \{\}"),
        (np.eye(2), "must be a class index or a label; got array"),
    ],
    ids=repr,
)
def test_wrong_class_is_rejected(network: Any, target: Any, match: str) -> None:
    with pytest.raises(vz.errors.TargetError, match=match):
        network.scores(images(), target)


def test_output_that_does_not_exist_is_rejected(network: Any) -> None:
    with pytest.raises(
        vz.errors.OptionError, match=r"`output` must be one of 'predictions' or its position; got 'prediction'\. Did"
    ):
        network.scores(images(), {"prediction": 0})
    with pytest.raises(vz.errors.OptionError, match="`output` must be one of 'predictions' or its position; got 1"):
        network.scores(images(), Class(0, 1))


def test_score_of_other_images_is_rejected(network: Any) -> None:
    with pytest.raises(vz.errors.TargetError, match="`target` is a score of 3 samples; got 2"):
        network.scores(images(), resolve(0, network, 3))


def test_label_of_a_model_without_labels_is_rejected() -> None:
    adapter = vz.adapt(linear_model(np.zeros((1, 2)), (1, 1, 1)))
    with pytest.raises(vz.errors.TargetError, match=r"'cat' is a label, but model 'linear' has none\. Give .*--labels"):
        adapter.scores(np.zeros((1, 1, 1, 1)), "cat")


def test_label_of_several_classes_is_rejected() -> None:
    adapter = vz.adapt(linear_model(np.zeros((1, 3)), (1, 1, 1)), labels=["crane", "dog", "Crane"])
    with pytest.raises(
        vz.errors.TargetError, match=r"'CRANE' is the label of several classes, \[0, 2\]; give the index"
    ):
        adapter.scores(np.zeros((1, 1, 1, 1)), "CRANE")
    assert resolve("Crane", adapter, 1).classes == (2,)  # written as it is, it is one


# Units and channels ----------------------------------------------------------------------------------------------


def test_neuron_is_one_unit_of_a_map(network: Any) -> None:
    scores = network.scores(images(), Neuron("base/conv1", (2, 3, 1)))
    np.testing.assert_allclose(scores, reference(images()).first[:, 2, 3, 1], **CLOSE)


def test_neuron_of_a_dense_layer_is_a_number(network: Any) -> None:
    scores = network.scores(images(), Neuron("predictions", 1))
    np.testing.assert_allclose(scores, reference(images()).probabilities[:, 1], **CLOSE)


def test_channel_is_the_mean_of_its_map(network: Any) -> None:
    scores = network.scores(images(), Channel("out", 3))
    np.testing.assert_allclose(scores, reference(images()).last[..., 3].mean(axis=(1, 2)), **CLOSE)


def test_channel_may_be_read_in_the_middle_of_its_map(network: Any) -> None:
    scores = network.scores(images(), Channel("out", 3, "center"))
    np.testing.assert_allclose(scores, reference(images()).last[:, 3, 2, 3], **CLOSE)


def test_channel_has_no_other_places(network: Any) -> None:
    with pytest.raises(vz.errors.TargetError, match="`position` must be 'mean' or 'center'; got 'corner'"):
        network.scores(images(), Channel("out", 3, "corner"))


def test_gradient_of_a_channel_spreads_over_its_map(network: Any) -> None:
    taken = network.gradients(images(1), Channel("out", 3), of="out")
    np.testing.assert_allclose(taken.gradients[0, ..., 3], np.full((6, 5), 1 / 30), rtol=1e-5)
    assert not taken.gradients[..., :3].any()


@pytest.mark.parametrize(
    ("target", "match"),
    [
        (Channel("out", 4), "`channel` must be a whole number from 0 to 3 in the output of layer 'base/out'; got 4"),
        (Channel("out", -1), "`channel` must be a whole number from 0 to 3 .*; got -1"),
        (Channel("out", 1.5), "`channel` must be a whole number .*; got 1.5"),
        (
            Neuron("out", (6, 0, 0)),
            "`index` must be a whole number from 0 to 5 in the output of layer 'base/out'; got 6",
        ),
        (
            Neuron("out", (0, 0)),
            r"`index` must have 3 numbers, one per axis of the output \(None, 6, 5, 4\) .*; got \(0, 0\)",
        ),
        (
            Neuron("predictions", 3),
            "`index` must be a whole number from 0 to 2 in the output of layer 'predictions'; got 3",
        ),
        (Neuron("out", (0, 0, "a")), "`index` must be a whole number .*; got 'a'"),
    ],
    ids=repr,
)
def test_unit_that_does_not_exist_is_rejected(network: Any, target: Any, match: str) -> None:
    with pytest.raises(vz.errors.TargetError, match=match):
        network.scores(images(), target)


def test_layer_that_does_not_exist_is_rejected(network: Any) -> None:
    with pytest.raises(
        vz.errors.LayerError, match=r"`layer` must name a layer of model 'zoo'; got 'outt'\. Did you mean 'out'\?"
    ):
        network.scores(images(), Channel("outt", 0))


# Sums ------------------------------------------------------------------------------------------------------------


def test_contrast_is_a_difference(network: Any) -> None:
    scores = network.scores(images(), Contrast("tabby", [1, 2]))
    np.testing.assert_allclose(scores, _logits()[:, 0] - _logits()[[0, 1], [1, 2]], **CLOSE)


_weight = st.floats(-4, 4, width=32)


@given(weights=st.tuples(_weight, _weight, _weight), index=st.integers(0, 2), channel=st.integers(0, 3))
def test_mix_is_the_weighted_sum(network: Any, weights: tuple[float, ...], index: int, channel: int) -> None:
    parts = (index, Channel("out", channel), Neuron("base/conv1", (0, 0, 0)))
    expected = sum(w * network.scores(images(), part) for w, part in zip(weights, parts, strict=True))
    assert_same_sums(
        network.scores(images(), WeightedSum(parts, weights)), expected, *FORWARD, size=10
    )  # three of up to 4


def test_mix_without_weights_is_the_sum(network: Any) -> None:
    np.testing.assert_allclose(
        network.scores(images(), WeightedSum((0, 2))), _logits()[:, 0] + _logits()[:, 2], **CLOSE
    )


def test_mix_of_mixes_is_taken_apart(network: Any) -> None:
    scores = network.scores(images(), WeightedSum((Contrast(0, 1), 2), (2, 1)))
    np.testing.assert_allclose(scores, _logits() @ [2, -2, 1], **CLOSE)


def test_mix_is_named_by_its_parts(network: Any) -> None:
    assert resolve(Contrast(1, None), network, 1).names == ("Egyptian_cat − predicted",)
    assert resolve(WeightedSum((1, 2), (0.5, -2)), network, 1).names == ("0.5×Egyptian_cat − 2×tiger cat",)


@pytest.mark.parametrize("mix", [WeightedSum((0, 1), (1.0,)), WeightedSum(()), WeightedSum((0,), (1.0, 2.0))], ids=repr)
def test_mix_needs_one_weight_per_target(network: Any, mix: WeightedSum) -> None:
    with pytest.raises(vz.errors.TargetError, match="`weights` must have one number per target; got"):
        network.scores(images(), mix)


def test_wrong_part_of_a_mix_is_rejected(network: Any) -> None:
    with pytest.raises(vz.errors.TargetError, match="must be a class index from 0 to 2"):
        network.scores(images(), Contrast(0, 3))


# Regions of a map ------------------------------------------------------------------------------------------------


def test_class_of_a_map_is_its_mean(maps: Any) -> None:
    adapter, logits = maps
    np.testing.assert_allclose(adapter.scores(images(2, (4, 5, 2)), 1), logits[..., 1].mean(axis=(1, 2)), **CLOSE)


def test_region_is_a_box(maps: Any) -> None:
    adapter, logits = maps
    scores = adapter.scores(images(2, (4, 5, 2)), Region((1, 2, 3, 5), 0))
    np.testing.assert_allclose(scores, logits[:, 1:3, 2:5, 0].mean(axis=(1, 2)), **CLOSE)


def test_region_is_a_mask(maps: Any) -> None:
    adapter, logits = maps
    mask = np.zeros((4, 5), dtype=bool)
    mask[0, 0] = mask[3, 4] = True
    scores = adapter.scores(images(2, (4, 5, 2)), Region(mask, 2))
    np.testing.assert_allclose(scores, (logits[:, 0, 0, 2] + logits[:, 3, 4, 2]) / 2, **CLOSE)


def test_region_without_a_class_takes_the_highest_there(maps: Any) -> None:
    adapter, logits = maps
    scores = adapter.scores(images(2, (4, 5, 2)), Region((0, 0, 2, 2)))
    np.testing.assert_allclose(scores, logits[:, :2, :2].mean(axis=(1, 2)).max(axis=-1), **CLOSE)


@pytest.mark.parametrize(
    ("where", "match"),
    [
        ((2, 2, 2, 4), r"`where` must hold at least one pixel of the map of size \(4, 5\); got \(2, 2, 2, 4\)"),
        ((9, 0, 12, 5), "`where` must hold at least one pixel"),
        (np.zeros((4, 5), bool), "`where` must hold at least one pixel"),
        (np.ones((3, 5), bool), r"`where` must be a box or a mask of the map's size \(4, 5\); got shape \(3, 5\)"),
        (np.ones(7, bool), r"`where` must be a box or a mask .*; got shape \(7,\)"),
    ],
)
def test_region_outside_the_map_is_rejected(maps: Any, where: Any, match: str) -> None:
    with pytest.raises(vz.errors.TargetError, match=match):
        maps[0].scores(images(2, (4, 5, 2)), Region(where, 0))


def test_region_of_an_output_that_is_no_map_is_rejected(network: Any) -> None:
    with pytest.raises(
        vz.errors.TargetError, match=r"Region needs an output that is a map \(h, w, K\); output 'predictions' .*\(3,\)"
    ):
        network.scores(images(), Region((0, 0, 1, 1), 0))


# Functions -------------------------------------------------------------------------------------------------------


def test_function_of_the_outputs_is_a_target(network: Any) -> None:
    def margin(outputs: Any) -> Any:
        return outputs[:, 0] - outputs[:, 1]

    probabilities = reference(images()).probabilities
    np.testing.assert_allclose(network.scores(images(), margin), probabilities[:, 0] - probabilities[:, 1], **CLOSE)
    assert resolve(margin, network, 2).names == ("margin", "margin")
    assert resolve(Function(margin), network, 2).key == resolve(margin, network, 2).key


def test_function_sees_the_outputs_in_their_own_structure() -> None:
    x = keras.Input((1, 2, 1))
    flat = keras.layers.Flatten()(x)
    adapter = vz.adapt(keras.Model(x, {"once": flat, "twice": 2 * flat}))
    image = images(2, (1, 2, 1))
    scores = adapter.scores(image, lambda outputs: outputs["twice"][:, 0] + outputs["once"][:, 1])
    assert_same_sums(scores, 2 * image[:, 0, 0, 0] + image[:, 0, 1, 0], 2, size=3)


def test_further_axes_of_a_function_are_averaged(maps: Any) -> None:
    adapter, logits = maps
    scores = adapter.scores(images(2, (4, 5, 2)), lambda outputs: outputs[..., 1])
    np.testing.assert_allclose(scores, logits[..., 1].mean(axis=(1, 2)), **CLOSE)


def test_object_that_can_be_called_is_a_function(network: Any) -> None:
    class Second:
        name = "the second"

        def __call__(self, outputs: Any) -> Any:
            return outputs[:, 1]

    np.testing.assert_allclose(network.scores(images(), Second()), reference(images()).probabilities[:, 1], **CLOSE)
    assert resolve(Second(), network, 1).names == ("the second",)


def test_function_that_returns_one_number_is_rejected(network: Any) -> None:
    with pytest.raises(
        vz.errors.TargetError, match=r"as a function must return one score per image, shape \(N,\); got a single"
    ):
        network.scores(images(), lambda outputs: keras.ops.sum(outputs))


def test_error_of_a_function_is_its_own(network: Any) -> None:
    def broken(outputs: Any) -> Any:
        raise KeyError("no such output")

    with pytest.raises(KeyError, match="no such output"):
        network.scores(images(), broken)


# Likeness to another image ----------------------------------------------------------------------------------------------------


def _embedding() -> tuple[Any, np.ndarray]:
    weights = np.random.default_rng(5).normal(size=(12, 4)).astype(np.float32)
    return linear_model(weights, (2, 2, 3)), weights


def test_similarity_is_the_cosine_of_the_embeddings_and_has_its_gradient() -> None:
    model, weights = _embedding()
    x, reference = images(3, (2, 2, 3)), images(1, (2, 2, 3), seed=9)[0]
    target = Similarity(reference)
    anchor = reference.ravel() @ weights

    def cosine(batch: np.ndarray) -> np.ndarray:
        made = batch.reshape(len(batch), -1) @ weights
        return made @ anchor / np.linalg.norm(made, axis=1) / np.linalg.norm(anchor)

    result = vz.saliency(model, x, target, reduce="none")
    assert_same_sums(result.scores, cosine(x), 12, 4, 4, size=1)
    np.testing.assert_allclose(result.values[0], differences(cosine, x[0], 1e-3), atol=2e-3)
    assert result.target == ("like the reference",) * 3
    assert vz.occlusion(model, reference[None], target, patch_size=1).scores[0] == pytest.approx(1, abs=1e-5)
    assert_same_sums(vz.saliency(model, x, Similarity(anchor)).scores, result.scores, 12, 4, 4, size=1)


def test_similarity_of_another_reference_needs_no_new_tracing_and_a_layer_may_be_the_embedding(network: Any) -> None:
    x = images(2)
    with pytest.raises(TargetError, match=r"ends in a softmax. Name the layer before it: Similarity"):
        network.scores(x, Similarity(x[0]))
    layer = next(info.path for info in network.layers if "Pooling" in info.kind)
    scores = network.scores(x, Similarity(x[0], layer=layer))
    assert scores[0] == pytest.approx(1, abs=1e-5)
    traces = network.num_traces
    assert network.scores(x, Similarity(x[1], layer=layer))[1] == pytest.approx(1, abs=1e-5)
    assert network.num_traces == traces


@pytest.mark.parametrize(
    ("reference", "match"),
    [
        (np.ones(5), r"needs an embedding of 4 numbers, shape \(4,\); the reference has 5"),
        (np.zeros(4), "finite and not all zero"),
        (np.ones((2, 2, 2, 3)), "takes one reference image; got 2"),
    ],
)
def test_reference_that_is_none_is_rejected(reference: np.ndarray, match: str) -> None:
    with pytest.raises(TargetError, match=match):
        vz.adapt(_embedding()[0]).scores(images(1, (2, 2, 3)), Similarity(reference))


@pytest.mark.parametrize(
    ("given", "classes"),
    [
        (np.array(1), (1, 1)),
        (np.array("b"), (1, 1)),
        (np.array([1, 0]), (1, 0)),
        (keras.ops.convert_to_tensor(1), (1, 1)),
        (keras.ops.convert_to_tensor([1, 0]), (1, 0)),
        ([np.array(1), keras.ops.convert_to_tensor(0)], (1, 0)),
        ({"output": np.array(1)}, (1, 1)),
        (range(2), (0, 1)),
    ],
)
def test_arrays_and_tensors_are_the_classes_that_they_hold(given: Any, classes: tuple[int, ...]) -> None:
    model = keras.Sequential([keras.Input((2, 2, 1)), keras.layers.Flatten(), keras.layers.Dense(2, name="output")])
    adapter = vz.adapt(model, labels=["a", "b"])
    given = {next(iter(adapter.output_shapes)): given["output"]} if isinstance(given, dict) else given
    assert resolve(given, adapter, 2).classes == classes


class Brightest(Target):
    """A kind of target that nobody but this test knows: the largest number that the model returns."""

    def score(self, model: Any, count: int) -> Score:
        def formula(reading: Any, params: Any) -> Any:
            values = reading.output(model.output_name(None))
            return reading.xp.max(values, axis=tuple(range(1, len(values.shape))))

        return Score(("brightest",), formula, (), ("brightest",) * count, (None,) * count)


def test_another_kind_of_target_is_a_class_of_its_own_and_nothing_else() -> None:
    box = vz.adapt(lambda batch: batch[:, 0], input_shape=(2, 3, 1))
    x = np.arange(12, dtype=np.float32).reshape(2, 2, 3, 1)
    assert box.scores(x, Brightest()).tolist() == [2, 8]


def test_scores_are_found_where_they_were() -> None:
    from vizcnn import scores

    assert scores.Score is Score
    assert scores.class_score.__module__ == "vizcnn.targets.classes"
