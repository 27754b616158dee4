"""How outputs are read: one unit as two classes, the axis of the classes, numbers that are none."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest
from keras import layers, ops
from typer.testing import CliRunner

import vizcnn as vz
from tests import framework
from tests.models import dense, images
from vizcnn.cli.app import app
from vizcnn.targets import Region

SHAPE = (4, 5, 2)
KERNEL = np.linspace(-1, 1, 40, dtype=np.float32)[::-1].reshape(40, 1) * np.array([1, -1] * 20, np.float32)[:, None]
BIAS = np.array([0.25], np.float32)
NAMES = ["cat", "dog"]
ZERO = "ignore:The map of .* is zero everywhere"
CLOSE = {"rtol": 1e-3, "atol": 2e-3}


def _model(head: Callable[[Any], Any], name: str = "tiny") -> Any:
    image = keras.Input(SHAPE)
    return keras.Model(image, head(layers.Flatten()(image)), name=name)


def _logits(x: np.ndarray) -> np.ndarray:
    return (x.reshape(len(x), -1) @ KERNEL + BIAS)[:, 0]


def _unit(activation: str | None = None, **options: Any) -> Any:
    return dense("unit", (KERNEL, BIAS), activation=activation, **options)


def _one_half(x: Any) -> Any:
    return 1 / (1 + ops.exp(-x))


class _Sub(keras.Model):
    """Squeezes and clips in its own call, where no layer is seen."""

    def __init__(self) -> None:
        super().__init__(name="sub")
        self.flat, self.unit = layers.Flatten(), _unit("sigmoid")

    def call(self, x: Any) -> Any:
        return ops.clip(ops.squeeze(self.unit(self.flat(x)), axis=-1), 1e-7, 1 - 1e-7)


ENDS: dict[str, Callable[[Any], Any]] = {
    "mixed precision": lambda x: layers.Activation("linear", dtype="float32")(
        _unit("sigmoid", dtype="mixed_float16")(x)
    ),
    "cast": lambda x: ops.cast(_unit("sigmoid")(x), "float16"),
    "squeeze": lambda x: ops.squeeze(_unit("sigmoid")(x), axis=-1),
    "squeeze before": lambda x: ops.sigmoid(ops.squeeze(_unit()(x), axis=-1)),
    "clip": lambda x: ops.clip(_unit("sigmoid")(x), 1e-7, 1 - 1e-7),
    "stop_gradient": lambda x: ops.stop_gradient(_unit("sigmoid")(x)),
    "identity": lambda x: layers.Identity()(_unit("sigmoid")(x)),
    "one entry": lambda x: _unit("sigmoid")(x)[:, 0],
    "reshape": lambda x: layers.Reshape((1, 1))(_unit("sigmoid")(x)),
    "hard sigmoid": lambda x: _unit("hard_sigmoid")(x),
    "log sigmoid": lambda x: _unit("log_sigmoid")(x),
    "nested": lambda x: keras.Sequential([keras.Input((40,)), _unit("sigmoid"), layers.Reshape(())])(x),
    "written out": lambda x: _one_half(_unit()(x)),  # decided by the numbers
    "logit": lambda x: _unit()(x),  # two names say that it is one
}


@pytest.mark.parametrize("end", ENDS.values(), ids=ENDS)
def test_one_unit_is_two_classes_however_it_ends(end: Callable[[Any], Any]) -> None:
    x = images(6, SHAPE)
    logits = _logits(x)
    assert (logits > 0).any()
    assert (logits < 0).any()
    adapter = vz.adapt(_model(end), labels=NAMES)
    result = vz.saliency(adapter, x)
    expected = ["dog" if logit >= 0 else "cat" for logit in logits]
    assert [p.label for p in result.predictions] == list(result.target) == expected
    assert [result.title(i).split()[0] for i in range(6)] == expected
    np.testing.assert_allclose(result.scores, np.abs(logits), **CLOSE)
    np.testing.assert_allclose(adapter.scores(x, "dog"), logits, **CLOSE)
    np.testing.assert_allclose(adapter.scores(x, 0), -logits, **CLOSE)
    gradient = adapter.gradients(x, "cat").gradients
    np.testing.assert_allclose(gradient.reshape(6, -1), np.repeat(-KERNEL.T, 6, axis=0), **CLOSE)


def test_subclassed_model_that_squeezes_and_clips_is_two_classes() -> None:
    x, model = images(4, SHAPE), _Sub()
    model(x)
    adapter = vz.adapt(model, labels=NAMES)
    np.testing.assert_allclose(adapter.scores(x, "cat"), -_logits(x), **CLOSE)


@pytest.mark.parametrize("squeezed", [False, True], ids=["(N, 1)", "(N,)"])
def test_function_of_one_probability_is_two_classes(squeezed: bool) -> None:
    def function(batch: np.ndarray) -> np.ndarray:
        p = 1 / (1 + np.exp(-_logits(batch)))
        return p if squeezed else p[:, None]

    x = images(6, SHAPE)
    box = vz.adapt(function, input_shape=SHAPE, labels=NAMES)
    np.testing.assert_allclose(box.scores(x, "cat"), -_logits(x), **CLOSE)
    result = vz.occlusion(box, x, patch_size=2)
    assert [p.label for p in result.predictions] == ["dog" if logit >= 0 else "cat" for logit in _logits(x)]
    assert any("read as the probability of the second of two classes" in note for note in result.notes)


def test_function_of_one_logit_is_two_classes_even_where_it_lies_within_0_to_1() -> None:
    box = vz.adapt(lambda batch: batch.mean(axis=(1, 2, 3)), input_shape=SHAPE, labels=NAMES)
    result = vz.occlusion(box, np.abs(images(1, SHAPE)), patch_size=2)
    assert (result.predictions[0].label, result.predictions[0].probability) == ("dog", None)
    assert any("read as a logit: 0 or more is 'dog', less is 'cat'" in note for note in result.notes)


@pytest.mark.parametrize("activation", [None, "sigmoid", "hard_sigmoid", "tanh"])
@pytest.mark.filterwarnings(ZERO)
def test_unit_that_is_undecided_says_the_second_everywhere(activation: str | None) -> None:
    model = _model(lambda x: layers.Dense(1, activation, kernel_initializer="zeros")(x))
    result = vz.saliency(vz.adapt(model, labels=NAMES), images(2, SHAPE))
    said = {prediction.label for prediction in result.predictions} | set(result.target)
    said |= {top[0][0] for top in result.top_classes}
    assert said == {"dog"}
    assert result.classes == (1, 1)
    assert [title.split()[0] for title in map(result.title, range(2))] == ["dog", "dog"]


@pytest.mark.filterwarnings(ZERO)
def test_predicted_class_leads_the_most_probable_of_many_equals() -> None:
    model = _model(lambda x: layers.Dense(40, "softmax", kernel_initializer="zeros")(x))
    result = vz.saliency(model, images(1, SHAPE))
    assert result.top_classes[0][0] == ("class 0", pytest.approx(1 / 40))
    assert result.target == ("class 0",)


def test_two_names_for_a_unit_of_a_regression_are_said_to_be_doubtful() -> None:
    model = _model(_unit())
    model.compile("adam", "mse")
    notes = " ".join(vz.saliency(vz.adapt(model, labels=NAMES), images(1, SHAPE)).notes)
    assert "0 or more is 'dog', less is 'cat'" in notes
    assert "trained by the loss of a regression" in notes


def test_function_that_is_positive_on_all_images_is_no_probability_where_it_is_negative_on_negative_numbers() -> None:
    box = vz.adapt(lambda batch: np.tanh(batch.mean(axis=(1, 2, 3))), labels=NAMES, input_shape=SHAPE)
    result = vz.occlusion(box, images(2, SHAPE), "cat")
    assert result.probabilities == (None, None)
    np.testing.assert_allclose(result.scores, -np.tanh(images(2, SHAPE).mean(axis=(1, 2, 3))), rtol=1e-5)


def test_one_label_names_what_a_unit_says_yes_to() -> None:
    x, adapter = images(6, SHAPE), vz.adapt(_model(_unit("sigmoid")), labels=["dog"])
    assert {p.label for p in adapter.predictions(adapter.outputs(x))} == {"dog", "not dog"}
    np.testing.assert_allclose(adapter.scores(x, "dog"), _logits(x), **CLOSE)


@pytest.mark.filterwarnings(
    "ignore:You are using a softmax over axis -1:UserWarning"
)  # of Keras, where it runs eagerly
def test_softmax_over_one_unit_is_told_to_be_constant() -> None:
    x, adapter = images(2, SHAPE), vz.adapt(_model(_unit("softmax")), labels=NAMES)
    with pytest.warns(
        vz.errors.VizcnnWarning, match="'unit' is a softmax over one unit, which is 1 whatever the image"
    ):
        scores = adapter.scores(x, "dog")
    np.testing.assert_allclose(scores, _logits(x), **CLOSE)
    assert adapter.predictions(adapter.outputs(x))[0].label == "dog"


# Names ---------------------------------------------------------------------------------------------------------------------


def _classes(count: int, labels: Any) -> Any:
    return vz.adapt(_model(layers.Dense(count, activation="softmax")), labels=labels)


def test_background_or_heading_before_the_names_is_left_out_and_said() -> None:
    adapter = _classes(2, ["background", *NAMES])
    with pytest.warns(
        vz.errors.VizcnnWarning, match="has 3 names .* has 2 classes: the first name, 'background', is left"
    ):
        assert adapter.head(adapter.output_name(None)).names == ("cat", "dog")


@pytest.mark.parametrize(
    ("count", "labels", "match"),
    [
        (2, ["bird", *NAMES], "`labels` has 3 names .* has 2 classes: every name may be off by one"),
        (3, NAMES, "`labels` has 2 names .* has 3 classes: every name may be off by one.* background as its first"),
        (5, NAMES, "`labels` has 2 names .* has 5 classes: names may be wrong"),
    ],
)
def test_count_of_names_that_differs_from_the_classes_is_said(count: int, labels: Any, match: str) -> None:
    adapter = _classes(count, labels)
    with pytest.warns(vz.errors.VizcnnWarning, match=match):
        adapter.scores(images(1, SHAPE))
    assert adapter.notes


def test_names_are_those_of_the_output_that_they_fit() -> None:
    def ends(x: Any) -> list[Any]:
        return [layers.Dense(1, name="age")(x), layers.Dense(2, activation="softmax", name="gender")(x)]

    adapter = vz.adapt(_model(ends), labels=["man", "woman"])
    assert adapter.output_name(None) == "gender"
    assert (adapter.head("age").names, adapter.head("age").is_classes) == (("age",), False)
    assert adapter.head("gender").names == ("man", "woman")


def test_of_features_and_probabilities_the_probabilities_are_the_classes() -> None:
    adapter = vz.adapt(_model(lambda x: [layers.Dense(7, name="pool")(x), layers.Dense(3, "softmax", name="top")(x)]))
    assert (adapter.output_name(None), adapter.num_classes()) == ("top", 3)
    assert vz.saliency(adapter, images(1, SHAPE)).predictions[0].probability is not None


# Numbers -------------------------------------------------------------------------------------------------------------------


def _landmarks(loss: Any, activation: str | None = None, units: int = 8) -> Any:
    model = _model(layers.Dense(units, activation=activation, name="points"))
    model.compile(loss=loss)
    return model


@pytest.mark.parametrize(
    "model",
    [
        _landmarks("mse"),
        _landmarks(keras.losses.Huber()),
        _landmarks("mean_absolute_error", "sigmoid", 4),  # the corners of a box
        _model(layers.Dense(8, name="landmarks")),
        _model(layers.Dense(1, name="age")),
    ],
    ids=["mse", "huber", "box", "by name", "one number"],
)
@pytest.mark.parametrize("suffix", ["", ".keras", ".h5"], ids=["in memory", "keras", "h5"])
@pytest.mark.filterwarnings("ignore:You are saving your model as an HDF5 file")
def test_numbers_are_no_classes(model: Any, suffix: str, tmp_path: Path) -> None:
    if suffix:
        model.save(tmp_path / f"model{suffix}")
    adapter = vz.adapt(tmp_path / f"model{suffix}" if suffix else model)
    result = vz.occlusion(adapter, images(1, SHAPE), patch_size=2)
    assert (result.predictions[0].index, result.predictions[0].probability, result.classes) == (None, None, (None,))
    assert "class" not in result.title(0)
    assert (result.class_map, result.top_classes) == (None, ())
    assert any("explained as a number" in note or "no classes" in note for note in result.notes)


def test_unit_that_was_trained_to_tell_two_classes_apart_does() -> None:
    model = _model(_unit())
    model.compile(loss=keras.losses.BinaryCrossentropy(from_logits=True))
    np.testing.assert_allclose(vz.adapt(model).scores(images(3, SHAPE), 0), -_logits(images(3, SHAPE)), **CLOSE)


def test_whole_numbers_are_no_scores() -> None:
    adapter = vz.adapt(_model(lambda x: ops.argmax(layers.Dense(3)(x), axis=-1)))
    with pytest.raises(vz.errors.TargetError, match="needs scores of classes, and output 'argmax' holds whole numbers"):
        adapter.scores(images(1, SHAPE))


def test_sequence_says_what_is_averaged() -> None:
    adapter = vz.adapt(_model(lambda x: layers.Dense(3, "softmax", name="letters")(layers.Reshape((10, 4))(x))))
    notes = vz.saliency(adapter, images(1, SHAPE)).notes
    assert any(
        "'letters' holds 3 values at each of 10 positions: scores and probabilities are means" in n for n in notes
    )


# Maps ----------------------------------------------------------------------------------------------------------------------


def _net(head: Callable[[Any], Any], *, first: bool = False) -> Any:
    """Return a model of maps; the weights are the same with channels first and last."""
    keras.utils.set_random_seed(3)
    form = "channels_first" if first else "channels_last"
    image = keras.Input((2, 4, 5) if first else SHAPE)
    return keras.Model(image, head(layers.Conv2D(4, 3, padding="same", data_format=form, name="body")(image)))


def _conv(units: int, activation: str | None = None, *, first: bool = False) -> Any:
    form, normal = "channels_first" if first else "channels_last", keras.initializers.RandomNormal
    return layers.Conv2D(
        units,
        1,
        activation=activation,
        data_format=form,
        bias_initializer=normal(stddev=1.0, seed=1),
        kernel_initializer=normal(stddev=1.0, seed=2),
        name="top",
    )


@pytest.mark.skipif(framework.BACKEND != "tensorflow", reason="of channels first on a processor")
@pytest.mark.parametrize("activation", ["softmax", "sigmoid", None])
def test_map_of_channels_first_has_its_classes_there(activation: str | None) -> None:
    x = images(2, SHAPE)
    last = vz.adapt(_net(_conv(3, None if activation == "softmax" else activation)))
    first = _net(_conv(3, None if activation == "softmax" else activation, first=True), first=True)
    if activation == "softmax":
        first = keras.Model(first.input, layers.Softmax(axis=1)(first.output))
        last = vz.adapt(keras.Model(last.model.input, layers.Softmax()(last.model.output)))
    adapter = vz.adapt(first)
    assert adapter.num_classes() == 3
    for target in (None, 0, 2, Region((1, 1, 3, 4), 1), Region(np.eye(4, 5, dtype=bool))):
        np.testing.assert_allclose(adapter.scores(x, target), last.scores(x, target), rtol=1e-4, atol=1e-5)
    ours, theirs = (vz.saliency(model, x) for model in (adapter, last))
    assert ours.predictions == pytest.approx(theirs.predictions) or ours.target == theirs.target


def test_classes_are_followed_through_a_permutation() -> None:
    adapter = vz.adapt(_net(lambda x: layers.Permute((3, 1, 2))(_conv(3, "softmax")(x))))
    plain = vz.adapt(_net(_conv(3, "softmax")))
    assert (adapter.num_classes(), adapter.head(adapter.output_name(None)).positions) == (3, (4, 5))
    np.testing.assert_allclose(adapter.scores(images(2, SHAPE), 2), plain.scores(images(2, SHAPE), 2), rtol=1e-4)


def test_title_and_map_are_of_the_same_class() -> None:
    # A few places are very sure of class 0, so its mean logit is the largest; most places are class 1.
    image = keras.Input((2, 5, 2))
    adapter = vz.adapt(keras.Model(image, layers.Softmax()(image)))
    x = np.zeros((1, 2, 5, 2), np.float32)
    x[..., 1] = 1
    x[0, 0, 0, 0] = 50
    taken = adapter.gradients(x)
    assert adapter.predictions(taken.outputs)[0].index == 1
    np.testing.assert_allclose(taken.scores, [1], atol=1e-5)
    np.testing.assert_allclose(taken.gradients[0, ..., 1], (x[0, ..., 0] == 0) / 9, atol=1e-6)  # where it is predicted
    assert not taken.gradients[..., 0].any()


@pytest.mark.filterwarnings(ZERO)
def test_unit_at_one_place_is_two_classes_and_no_map() -> None:
    unit = layers.Conv2D(
        1, SHAPE[:2], activation="sigmoid", kernel_initializer="zeros", bias_initializer=keras.initializers.Constant(-4)
    )
    image = keras.Input(SHAPE)
    result = vz.saliency(vz.adapt(keras.Model(image, unit(image)), labels=NAMES), images(1, SHAPE))
    assert (result.predictions[0].label, result.target[0], result.top_classes[0][0][0]) == ("cat",) * 3
    assert result.predictions[0].probability == pytest.approx(1 / (1 + np.exp(-4)), rel=1e-4)
    np.testing.assert_allclose(result.scores, [4], rtol=1e-4)


OBJECTS: dict[str, Callable[[Any], Any]] = {
    "one channel": lambda x: _conv(1, "sigmoid")(x),
    "no channel": lambda x: ops.squeeze(_conv(1, "sigmoid")(x), axis=-1),
    "logits": lambda x: _conv(1)(x),
}


@pytest.mark.parametrize("head", OBJECTS.values(), ids=OBJECTS)
def test_map_of_one_object_explains_the_object(head: Callable[[Any], Any]) -> None:
    model = _net(head)
    kernel, _ = model.get_layer("top").get_weights()
    model.get_layer("top").set_weights([kernel, np.array([-9], np.float32)])  # it is nowhere
    adapter, x = vz.adapt(model, labels=["background", "cell"]), images(2, SHAPE)
    result = vz.saliency(adapter, x)
    assert result.target == ("cell", "cell") == tuple(p.label for p in result.predictions)
    body = adapter.activations(x, ["body"])["body"]
    np.testing.assert_allclose(result.scores, (body @ kernel[0, 0] - 9).mean(axis=(1, 2, 3)), rtol=1e-4)
    np.testing.assert_allclose(adapter.scores(x, "background"), -result.scores, rtol=1e-5)
    box = adapter.scores(x, Region((0, 0, 2, 2), "cell"))
    np.testing.assert_allclose(box, (body[:, :2, :2] @ kernel[0, 0] - 9).mean(axis=(1, 2, 3)), rtol=1e-4)


def test_function_of_maps_with_channels_first_has_its_classes_there() -> None:
    box = vz.adapt(lambda batch: np.stack([batch[..., 0], batch[..., 1], -batch[..., 0]], axis=1), input_shape=SHAPE)
    x = images(2, SHAPE)
    np.testing.assert_allclose(box.scores(x, 2), -x[..., 0].mean(axis=(1, 2)), rtol=1e-5)
    assert box.num_classes() == 3


def test_map_that_is_flattened_has_a_unit_for_each_place() -> None:
    image = keras.Input((4, 5, 1))
    cnn = vz.adapt(keras.Model(image, layers.Flatten()(layers.Conv2D(1, 1, kernel_initializer="ones")(image))))
    result = vz.saliency(cnn, np.ones((4, 5, 1), np.float32), 7)
    assert np.argwhere(result.values[0]).tolist() == [[1, 2]]


# The command line ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("labels", "match"), [(["2", "7", "9"], "taken for the label '2', of class index 0"),
                                                (["a", "b", "c"], "taken for a class index, that of 'c'; no label")])  # fmt: skip
def test_command_says_whether_a_number_is_an_index_or_a_label(labels: list[str], match: str, tmp_path: Path) -> None:
    image = keras.Input((4, 5, 3))
    keras.Model(image, layers.Dense(3, "softmax")(layers.Flatten()(image))).save(tmp_path / "model.keras")
    (tmp_path / "labels.json").write_text(json.dumps(labels), encoding="utf-8")
    from PIL import Image

    Image.fromarray(np.zeros((4, 5, 4), np.uint8)).convert("RGB").save(tmp_path / "image.png")
    arguments = [
        "explain",
        "model.keras",
        "image.png",
        "--labels",
        "labels.json",
        "--target",
        "2",
        "--json",
        "-m",
        "saliency",
    ]
    paths = [str(tmp_path / a) if (tmp_path / a).exists() else a for a in arguments]
    run = CliRunner().invoke(app, [*paths, "--out", str(tmp_path / "out")])
    assert match in run.output, run.output
