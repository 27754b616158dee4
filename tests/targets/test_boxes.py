"""What a detector predicts in a box: held by the unchanged image, written a second time in plain NumPy."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest
from typer.testing import CliRunner

import vizcnn as vz
from tests.targets.detectors import (
    CLASSES,
    CLOSE,
    CORNERS,
    HEAD,
    PLACES,
    SIZE,
    black_box,
    detector,
    expected,
    pictures,
    scores_of,
    sigmoid,
    weights_of,
)
from vizcnn import cli
from vizcnn.adapter.changed import Change
from vizcnn.errors import TargetError
from vizcnn.targets import Box, BoxLayout, Contrast


@pytest.fixture(scope="module")
def cnn() -> Any:
    return vz.adapt(detector(), labels=["cat", "dog"], preprocess="none")


def test_score_of_a_box_by_hand() -> None:
    def two_boxes(x: np.ndarray) -> Any:
        boxes = np.array([[[0, 0, 4, 4], [0, 0, 4, 8], [4, 4, 8, 8]]] * len(x), np.float32)
        return {"boxes": boxes, "scores": np.array([[[0.0], [0.0], [9.0]]] * len(x), np.float32) + x[:, :1, :1, 0]}

    model = vz.adapt(two_boxes, input_shape=(8, 8, 1))
    x = np.ones((1, 8, 8, 1), np.float32)
    x[0, 0, 0] = 2
    # Overlaps are 1, 1/2 and 0, and the model as sure of both: 2 from both.
    np.testing.assert_allclose(model.scores(x, Box((0, 0, 4, 4))), [2.0])
    x[0, 0, 0] = -1.0
    np.testing.assert_allclose(model.scores(x, Box((4, 4, 8, 8))), [8.0])


@pytest.mark.parametrize("index", [0, "dog"])
@pytest.mark.parametrize("box", [(0, 0, 8, 8), (7, 0, 16, 9)])
def test_score_is_that_of_a_second_version(cnn: Any, box: Any, index: Any) -> None:
    x = pictures()
    np.testing.assert_allclose(cnn.scores(x, Box(box, index)), expected(x, box, {0: 0, "dog": 1}[index]), **CLOSE)


@pytest.mark.parametrize("activation", ["sigmoid", "softmax"])
def test_logits_behind_probabilities_are_explained(activation: str) -> None:
    x, model = pictures(), vz.adapt(detector(activation))
    layout = BoxLayout(background=-1)

    def softmax(rows: np.ndarray) -> np.ndarray:
        return np.exp(rows) / np.exp(rows).sum(axis=-1, keepdims=True)

    sure = {"sigmoid": sigmoid, "softmax": softmax}[activation]
    want = expected(x, (0, 0, 8, 8), 1, sure)
    np.testing.assert_allclose(model.scores(x, Box((0, 0, 8, 8), 1, layout=layout)), want, **CLOSE)


def test_gradient_goes_through_the_scores_and_not_through_what_counts(cnn: Any) -> None:
    x, box = pictures(1), (0, 0, 8, 8)
    weights = weights_of(CORNERS, sigmoid(scores_of(x)[0])[:, 0], box)
    want = HEAD.reshape(SIZE, SIZE, 3, PLACES, CLASSES)[..., 0] @ weights
    np.testing.assert_allclose(cnn.gradients(x, Box(box, 0)).gradients[0], want, **CLOSE)


def test_best_box_alone_counts(cnn: Any) -> None:
    x = pictures()
    logits = scores_of(x)[..., 0]
    weights = [weights_of(CORNERS, sigmoid(row), (0, 0, 8, 8)) for row in logits]
    want = [row[weight.argmax()] for row, weight in zip(logits, weights, strict=True)]
    np.testing.assert_allclose(cnn.scores(x, Box((0, 0, 8, 8), 0, reduce="max")), want, **CLOSE)


def test_only_boxes_that_overlap_enough_count(cnn: Any) -> None:
    x = pictures()
    np.testing.assert_allclose(cnn.scores(x, Box((0, 0, 8, 8), 0, min_overlap=1.0)), scores_of(x)[:, 0, 0], **CLOSE)


def test_most_confident_box_is_the_default_and_names_the_result(cnn: Any) -> None:
    x = pictures(3)
    place = scores_of(x).reshape(3, -1).argmax(axis=1)
    result = vz.saliency(cnn, x)
    np.testing.assert_allclose(result.extras["boxes"][:, 0], CORNERS[place // CLASSES])
    labels = [["cat", "dog"][index] for index in place % CLASSES]
    assert result.target == tuple(f"{label} in a box" for label in labels)
    want = [expected(x[i : i + 1], CORNERS[place[i] // CLASSES], place[i] % CLASSES)[0] for i in range(3)]
    np.testing.assert_allclose(result.scores, want, **CLOSE)


def test_class_may_be_said_without_a_box(cnn: Any) -> None:
    x = pictures(3)
    place = scores_of(x)[..., 0].argmax(axis=1)
    result = vz.saliency(cnn, x, Box(index="cat"))
    np.testing.assert_allclose(result.extras["boxes"][:, 0], CORNERS[place])
    assert result.target == ("cat in a box",) * 3


def test_changed_copies_keep_to_what_counts_in_the_unchanged_image(cnn: Any) -> None:
    x = pictures()
    change = Change("negative", 2, lambda part: {"by": np.array([-1.0, 3.0], np.float32)[part]}, _scaled)
    by_hand = []
    for image in x:
        logits = scores_of(image[None])[0]
        place, index = np.unravel_index(logits.argmax(), logits.shape)
        weights = weights_of(CORNERS, sigmoid(logits)[:, index], CORNERS[place])
        by_hand.append([weights @ (by * logits[:, index]) for by in (-1.0, 3.0)])
    boxes = np.repeat(CORNERS[None], len(x), axis=0)
    plain = vz.adapt(
        lambda inputs: {"boxes": boxes[:1].repeat(len(inputs), axis=0), "scores": scores_of(inputs)},
        input_shape=(SIZE, SIZE, 3),
    )
    for model in (cnn, plain):
        np.testing.assert_allclose(model.changed_scores(x, Box(), change).copy_scores, by_hand, **CLOSE)


def _scaled(xp: Any, images: Any, companions: Any, numbers: Any) -> Any:
    return images * xp.reshape(numbers["by"], (-1, 1, 1, 1))


def test_one_function_is_compiled_for_all_boxes(cnn: Any) -> None:
    cnn.scores(pictures(), Box((0, 0, 8, 8), 0))
    before = cnn.num_traces
    cnn.scores(pictures(), Box((3, 3, 9, 9), 1))
    cnn.scores(pictures(), Box([(0, 0, 8, 8), (8, 8, 16, 16)], 1))
    assert cnn.num_traces == before


def test_one_box_against_another(cnn: Any) -> None:
    x = pictures()
    contrast = Contrast(Box((0, 0, 8, 8), 0), Box((8, 0, 16, 8), 1))
    want = expected(x, (0, 0, 8, 8), 0) - expected(x, (8, 0, 16, 8), 1)
    result = vz.saliency(cnn, x, contrast)
    np.testing.assert_allclose(result.scores, want, **CLOSE)
    assert result.extras["boxes"].shape == (2, 2, 4)


def test_box_is_said_in_the_pixels_of_the_picture(cnn: Any) -> None:
    wide = np.random.default_rng(1).integers(0, 255, (32, 64, 3), np.uint8)
    result = vz.saliency(cnn, wide, Box((0, 0, 32, 16), 0))
    np.testing.assert_allclose(result.extras["boxes"], [[[0, 0, 8, 8]]])


# What is refused -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("target", "match"),
    [
        (Box((1, 2, 3)), r"`where` must be four numbers, left, top, .*, or four for each of 2 images; got \(1, 2, 3\)"),
        (Box("dog"), "`where` must be four numbers"),
        (Box((5, 0, 5, 9)), r"`where` must have its right beyond its left and its bottom below its top; got \(5, 0, 5, 9\)"),
        (Box((0, 0, float("nan"), 9)), "`where` must have its right beyond its left"),
        (Box((0, 0, 9, 9), 2), "`target` must be a class index from 0 to 1"),
        (Box((0, 0, 9, 9), "cow"), "`target` must be a label of model .*; got 'cow'"),
        (Box((0, 0, 9, 9), reduce="sum"), "`reduce` must be 'mean' or 'max'; got 'sum'"),
        (Box((0, 0, 9, 9), min_overlap=2), "`min_overlap` must be from 0 to 1; got 2"),
        (Box((0, 0, 9, 9), layout="rows"), "`layout` must be a vizcnn.targets.BoxLayout or None; got 'rows'"),
        (Box((0, 0, 9, 9), layout=BoxLayout(anchors=np.ones((5, 4)))), "`anchors` must be one for each of the 8 boxes"),
    ],
)  # fmt: skip
def test_box_that_cannot_be_is_rejected(cnn: Any, target: Box, match: str) -> None:
    with pytest.raises(TargetError, match=match):
        cnn.scores(pictures(), target)


def test_layout_that_cannot_be_is_rejected() -> None:
    with pytest.raises(TargetError, match=r"`kind` must be one of 'candidates', .*; got 'ssd'"):
        BoxLayout("ssd")
    with pytest.raises(
        TargetError, match=r"`coordinates` must be one of 'xyxy', .*with or without 'rel_' before it; got 'xxyy'"
    ):
        BoxLayout(coordinates="xxyy")
    with pytest.raises(TargetError, match=r"`anchors` must be finite boxes \(A, 4\)"):
        BoxLayout(anchors=np.ones(3))


def test_model_without_boxes_is_rejected() -> None:
    model = black_box(lambda inputs: inputs.mean(axis=(1, 2)))
    with pytest.raises(TargetError, match=r"can't read boxes from the outputs of model '<lambda>', 'output' \(3,\)"):
        model.scores(pictures(), Box((0, 0, 8, 8)))


# On the command line, and drawn ----------------------------------------------------------------------------------------


def test_box_can_be_typed(tmp_path: Path) -> None:
    inputs = keras.Input((SIZE, SIZE, 3))
    flat = keras.layers.Flatten()(inputs)
    scores = keras.layers.Reshape((PLACES, CLASSES), name="scores")(
        keras.layers.Dense(PLACES * CLASSES, name="head")(flat)
    )
    boxes = keras.layers.Dense(PLACES * 4, kernel_initializer="zeros", name="places")(flat)
    model = keras.Model(inputs, {"boxes": keras.layers.Reshape((PLACES, 4), name="boxes")(boxes), "scores": scores})
    model.get_layer("head").set_weights([HEAD, np.zeros(PLACES * CLASSES, np.float32)])
    model.get_layer("places").set_weights([np.zeros((SIZE * SIZE * 3, PLACES * 4), np.float32), CORNERS.ravel()])
    model.save(tmp_path / "detector.keras")
    (tmp_path / "labels.txt").write_text("cat\ndog\n")
    keras.utils.save_img(tmp_path / "picture.png", pictures(1)[0], scale=False)

    def run(target: str) -> Any:
        args = ["explain", tmp_path / "detector.keras", tmp_path / "picture.png", "--labels", tmp_path / "labels.txt"]
        options = ["--out", tmp_path / "out", "-m", "saliency", "--json", "--target", target]
        return CliRunner().invoke(cli.app, [str(arg) for arg in (*args, *options)])

    result = run("box:0,0,8,8:dog;overlap=1")
    assert result.exit_code == 2
    assert "must name one of reduce, min_overlap, kind, boxes" in result.output
    assert "`min_overlap` must be from 0 to 1; got 'half'" in run("box:0,0,8,8;min_overlap=half").output
    result = run("box:0,0,8,8:dog;coordinates=xyxy")
    assert result.exit_code == 0, result.output
    assert '"target": "dog in a box"' in result.stdout
    assert "four numbers; got '0,0,8'" in run("box:0,0,8:dog").output
    assert '"target": "cat in a box"' in run("box::cat").stdout


def test_fields_of_a_box_are_typed_beside_those_of_its_layout() -> None:
    box = Box.read("0,0,8,8:dog;reduce=max;min_overlap=0.7;coordinates=xyxy")
    assert (box.reduce, box.min_overlap, box.layout.coordinates) == ("max", 0.7, "xyxy")
    assert Box.read(";reduce=max").layout is None


def test_box_of_a_picture_that_is_cropped_lies_where_the_crop_does() -> None:
    wide = np.random.default_rng(1).integers(0, 255, (32, 64, 3), np.uint8)
    model = vz.adapt(detector(), labels=["cat", "dog"], preprocess="crop, none")
    result = vz.saliency(model, wide, Box((16, 0, 32, 16), 0))
    np.testing.assert_allclose(result.extras["boxes"], [[[0, 0, 8, 8]]])
    axis = result.plot(overlay=False)
    height, width = axis.images[-1].get_size()
    edges = axis.patches[0].get_bbox().extents + 0.5
    np.testing.assert_allclose(edges / [width, height, width, height], [0.25, 0, 0.5, 0.5])
    axis.figure.clear()


def test_box_is_outlined_where_it_is(cnn: Any) -> None:
    picture = np.random.default_rng(1).integers(0, 255, (32, 64, 3), np.uint8)
    result = vz.saliency(cnn, picture, Box((0, 0, 32, 16), 0))
    axis = result.plot(overlay=False)
    (outline,) = axis.patches
    height, width = axis.images[-1].get_size()
    np.testing.assert_allclose(outline.get_bbox().extents, [-0.5, -0.5, width / 2 - 0.5, height / 2 - 0.5])
    axis.figure.clear()
