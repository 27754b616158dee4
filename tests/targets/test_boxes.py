"""What a detector predicts in a box: from every layout, held by the unchanged image, written a second time in plain NumPy."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest
from typer.testing import CliRunner

import vizcnn as vz
from tests.rounding import rounding
from vizcnn import cli
from vizcnn.adapter.changed import Change
from vizcnn.errors import TargetError
from vizcnn.targets import Box, BoxLayout, Contrast

SIZE = 16
CLOSE = rounding(SIZE * SIZE * 3, 12)


# A second, slow version ------------------------------------------------------------------------------------------------


def overlap(one: np.ndarray, other: np.ndarray) -> float:
    """Return the intersection over union of two boxes by their edges."""
    across = min(one[2], other[2]) - max(one[0], other[0])
    down = min(one[3], other[3]) - max(one[1], other[1])
    if across <= 0 or down <= 0:
        return 0.0
    areas = [(box[2] - box[0]) * (box[3] - box[1]) for box in (one, other)]
    return float(across * down / (areas[0] + areas[1] - across * down))


def weights_of(boxes: np.ndarray, sure: np.ndarray, box: Any, least: float = 0.5) -> np.ndarray:
    """Return how much each of (A, 4) counts in a box, by a loop."""
    shares = np.array([overlap(one, box) for one in boxes])
    counts = shares >= min(least, shares.max())
    weights = np.where(counts, shares * sure, 0.0)
    return weights / weights.sum()


def sigmoid(values: np.ndarray) -> np.ndarray:
    return 1 / (1 + np.exp(-np.asarray(values, np.float64)))


# A detector with weights set by hand -------------------------------------------------------------------------------------

PLACES, CLASSES = 8, 2
GENERATOR = np.random.default_rng(3)
HEAD = GENERATOR.normal(0, 0.05, (SIZE * SIZE * 3, PLACES * CLASSES)).astype(np.float32)
CORNERS = np.array(
    [
        [0, 0, 8, 8],
        [0, 0, 8, 10],
        [8, 0, 16, 8],
        [7, 8, 16, 16],
        [0, 8, 8, 16],
        [1, 0, 9, 8],
        [6, 1, 15, 9],
        [2, 2, 5, 14],
    ],
    np.float32,
)


def pictures(count: int = 2) -> np.ndarray:
    return np.random.default_rng(5).uniform(0, 1, (count, SIZE, SIZE, 3)).astype(np.float32)


def scores_of(x: np.ndarray) -> np.ndarray:
    return (x.reshape(len(x), -1) @ HEAD).reshape(len(x), PLACES, CLASSES)


class Constant(keras.layers.Layer):
    """Boxes that are the same for every image, as a layer returns them."""

    def __init__(self, values: np.ndarray, **options: Any) -> None:
        super().__init__(**options)
        self.values = values

    def call(self, inputs: Any) -> Any:
        start = keras.ops.zeros_like(keras.ops.sum(inputs, axis=(1, 2, 3)))
        return keras.ops.reshape(start, (-1, *[1] * self.values.ndim)) + keras.ops.convert_to_tensor(self.values)

    def compute_output_shape(self, shape: Any) -> Any:
        return (shape[0], *self.values.shape)


def detector(activation: str | None = None, boxes: np.ndarray = CORNERS) -> Any:
    inputs = keras.Input((SIZE, SIZE, 3))
    flat = keras.layers.Flatten()(inputs)
    scores = keras.layers.Dense(PLACES * CLASSES, use_bias=False, name="head")(flat)
    scores = keras.layers.Reshape((PLACES, CLASSES), name="scores" if activation is None else "raw")(scores)
    if activation is not None:
        scores = keras.layers.Activation(activation, name="scores")(scores)
    model = keras.Model(inputs, {"boxes": Constant(boxes, name="boxes")(inputs), "scores": scores})
    model.get_layer("head").set_weights([HEAD])
    return model


@pytest.fixture(scope="module")
def cnn() -> Any:
    return vz.adapt(detector(), labels=["cat", "dog"], preprocess="none")


def expected(x: np.ndarray, box: Any, index: int, sure: Any = sigmoid, logits: Any = scores_of) -> np.ndarray:
    values = logits(x)
    return np.array(
        [weights_of(CORNERS, sure(rows)[:, index], box) @ rows[:, index].astype(np.float64) for rows in values]
    )


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


# Layouts ---------------------------------------------------------------------------------------------------------------


def written(corners: np.ndarray, coordinates: str) -> np.ndarray:
    """Return boxes in other coordinates."""
    x0, y0, x1, y1 = (corners / SIZE if coordinates.startswith("rel_") else corners).T
    columns = {
        "xyxy": (x0, y0, x1, y1),
        "yxyx": (y0, x0, y1, x1),
        "xywh": (x0, y0, x1 - x0, y1 - y0),
        "center_xywh": ((x0 + x1) / 2, (y0 + y1) / 2, x1 - x0, y1 - y0),
    }
    return np.stack(columns[coordinates.removeprefix("rel_")], axis=-1).astype(np.float32)


def black_box(function: Any, **options: Any) -> Any:
    return vz.adapt(function, input_shape=(SIZE, SIZE, 3), **options)


@pytest.mark.parametrize("prefix", ["", "rel_"])
@pytest.mark.parametrize("coordinates", ["xyxy", "yxyx", "xywh", "center_xywh"])
def test_coordinates_may_be_said(coordinates: str, prefix: str) -> None:
    x, kind = pictures(), prefix + coordinates
    model = black_box(
        lambda inputs: {
            "boxes": np.repeat(written(CORNERS, kind)[None], len(inputs), axis=0),
            "scores": scores_of(inputs),
        }
    )
    target = Box((7, 0, 16, 9), 1, layout=BoxLayout(coordinates=kind))
    np.testing.assert_allclose(model.scores(x, target), expected(x, (7, 0, 16, 9), 1), **CLOSE)


@pytest.mark.parametrize("coordinates", ["xyxy", "rel_xyxy", "center_xywh", "rel_center_xywh"])
def test_coordinates_are_told_from_the_numbers(coordinates: str) -> None:
    x = pictures()
    model = black_box(
        lambda inputs: [scores_of(inputs), np.repeat(written(CORNERS, coordinates)[None], len(inputs), axis=0)]
    )
    np.testing.assert_allclose(model.scores(x, Box((7, 0, 16, 9), 1)), expected(x, (7, 0, 16, 9), 1), **CLOSE)
    words = {"xyxy": "left, top, right and bottom", "center_xywh": "center, width and height"}
    unit = "shares of the image" if coordinates.startswith("rel_") else "pixels"
    assert any(f"{words[coordinates.removeprefix('rel_')]} in {unit}" in note for note in model.notes)


def differences(corners: np.ndarray, anchors: np.ndarray, variances: Any) -> np.ndarray:
    """Return how boxes differ from anchors, as SSD counts it."""
    center = written(corners, "center_xywh")
    moved = (center[:, :2] - anchors[:, :2]) / anchors[:, 2:]
    grown = np.log(center[:, 2:] / anchors[:, 2:])
    return np.concatenate([moved, grown], axis=1).astype(np.float32) / np.float32(variances)


def test_boxes_are_counted_from_anchors() -> None:
    x, variances = pictures(), (0.1, 0.1, 0.2, 0.2)
    anchors = written(CORNERS + np.array([1, -1, 2, 1], np.float32), "center_xywh")
    deltas = differences(CORNERS, anchors, variances)
    layout = BoxLayout(anchors=anchors, variances=variances)
    model = vz.adapt(detector(boxes=deltas))
    box = Box((7, 0, 16, 9), 1, layout=layout)
    np.testing.assert_allclose(model.scores(x, box), expected(x, (7, 0, 16, 9), 1), **CLOSE)


def test_differences_without_anchors_are_refused() -> None:
    deltas = np.random.default_rng(0).normal(size=CORNERS.shape).astype(np.float32)
    with pytest.raises(
        TargetError, match=r"are no edges, and no centers and sizes.*BoxLayout\(anchors=\.\.\.\), \(A, 4\)"
    ):
        vz.adapt(detector(boxes=deltas)).scores(pictures(), Box((0, 0, 8, 8)))
    with pytest.warns(vz.errors.VizcnnWarning, match="Without a `target` a class is explained, and no box"):
        result = vz.saliency(vz.adapt(detector(boxes=deltas)), pictures())
    assert result.classes == tuple(scores_of(pictures()).mean(axis=1).argmax(axis=-1))


@pytest.mark.parametrize("turned", [False, True])
@pytest.mark.parametrize("objectness", [False, True])
def test_rows_of_yolo(objectness: bool, turned: bool) -> None:
    x, of_any = pictures(), np.linspace(0.2, 0.9, PLACES, dtype=np.float32)

    def rows(inputs: np.ndarray) -> np.ndarray:
        boxes = np.repeat(written(CORNERS, "center_xywh")[None], len(inputs), axis=0)
        first = [np.repeat(of_any[None, :, None], len(inputs), axis=0)] if objectness else []
        values = np.concatenate([boxes, *first, sigmoid(scores_of(inputs)).astype(np.float32)], axis=-1)
        return values.swapaxes(1, 2) if turned else values

    model = black_box(rows, labels=["cat", "dog"])
    logit = np.log(of_any / (1 - of_any))[:, None] if objectness else 0.0
    surety = of_any[:, None] if objectness else 1.0
    want = expected(
        x, (7, 0, 16, 9), 1, lambda values: sigmoid(values - logit) * surety, lambda inputs: scores_of(inputs) + logit
    )
    np.testing.assert_allclose(model.scores(x, Box((7, 0, 16, 9), "dog")), want, rtol=1e-4)


@pytest.mark.parametrize("with_anchors", [False, True])
def test_grid_of_yolo(with_anchors: bool) -> None:
    x = pictures()
    raw = (
        np.random.default_rng(2).uniform(0, 1, (2, 2, 2 * 7)).astype(np.float32)
    )  # two boxes of 5 + 2 numbers at four places
    anchors = np.array([[6, 8], [10, 4]], np.float32)

    def grid(inputs: Any) -> Any:
        return inputs.mean(axis=(1, 2, 3))[:, None, None, None] * raw

    layout = BoxLayout("grid", anchors=anchors if with_anchors else None, probabilities=False)
    scores = black_box(grid, labels=["cat", "dog"]).scores(x, Box((0, 0, 9, 9), "dog", layout=layout))
    want = []
    for image in x:
        boxes, logits, sure = [], [], []
        for row in range(2):
            for column in range(2):
                for b in range(2):
                    tx, ty, tw, th, of_any, _, dog = image.mean() * raw[row, column, 7 * b : 7 * b + 7]
                    if with_anchors:
                        center = (sigmoid(tx) + column) * 8, (sigmoid(ty) + row) * 8
                        width, height = anchors[b] * np.exp([tw, th])
                    else:
                        center, (width, height) = ((tx + column) * 8, (ty + row) * 8), (tw * SIZE, th * SIZE)
                    x0, y0 = center[0] - width / 2, center[1] - height / 2
                    boxes.append([x0, y0, x0 + width, y0 + height])
                    logits.append(of_any + dog)
                    sure.append(sigmoid(of_any) * sigmoid(dog))
        want.append(weights_of(np.array(boxes), np.array(sure), (0, 0, 9, 9)) @ np.array(logits))
    np.testing.assert_allclose(scores, want, rtol=1e-4)


def test_sides_of_yolo_are_the_means_of_their_distributions() -> None:
    rng = np.random.default_rng(6)
    places = [
        (x + 0.5, y + 0.5, stride) for stride in (8, 16, 32) for y in range(64 // stride) for x in range(64 // stride)
    ]
    raw = rng.normal(0, 1, (len(places), 64)).astype(np.float32)
    head = rng.normal(0, 1, (3, len(places) * 2)).astype(np.float32)

    def logits(images: np.ndarray) -> np.ndarray:
        return np.asarray(images.mean(axis=(1, 2)) @ head).reshape(-1, len(places), 2)

    def yolo(images: np.ndarray) -> dict[str, np.ndarray]:
        return {
            "boxes": np.repeat(raw[None], len(images), axis=0),
            "classes": sigmoid(logits(images)).astype(np.float32),
        }

    boxes = []
    for (x, y, stride), numbers in zip(places, raw.reshape(-1, 4, 16).astype(np.float64), strict=True):
        left, top, right, bottom = (
            sum(k * np.exp(side[k]) for k in range(16)) / np.exp(side).sum() for side in numbers
        )
        boxes.append(np.array([x - left, y - top, x + right, y + bottom]) * stride)
    images = rng.uniform(0, 1, (2, 64, 64, 3)).astype(np.float32)
    inputs = keras.Input((64, 64, 3))
    scores = keras.layers.Dense(len(places) * 2, use_bias=False, name="head")(
        keras.layers.GlobalAveragePooling2D()(inputs)
    )
    scores = keras.layers.Activation("sigmoid", name="classes")(keras.layers.Reshape((len(places), 2))(scores))
    cnn = keras.Model(inputs, {"boxes": Constant(raw, name="boxes")(inputs), "classes": scores})
    cnn.get_layer("head").set_weights([head])
    asked = tuple(map(float, boxes[9]))
    want = [weights_of(np.array(boxes), sigmoid(rows)[:, 1], asked) @ rows[:, 1] for rows in logits(images)]
    settings: dict[str, Any] = {"preprocess": "none", "labels": ["cat", "dog"]}
    for model in (vz.adapt(yolo, input_shape=(64, 64, 3), **settings), vz.adapt(cnn, **settings)):
        np.testing.assert_allclose(model.scores(images, Box(asked, "dog")), want, rtol=1e-4, atol=1e-4)


@pytest.mark.filterwarnings("ignore:The map of")  # what it finds is the same wherever a patch lies
@pytest.mark.parametrize("form", ["by name", "by number", "rows"])
def test_detections_are_matched_anew_in_each_image(form: str) -> None:
    boxes = np.array([[0, 0, 8, 8], [8, 8, 16, 16], [0, 0, 8, 6]], np.float32)
    scores, classes = np.array([0.9, 0.8, 0.7], np.float32), np.array([2, 0, 2], np.float32)

    def found(inputs: np.ndarray) -> Any:
        bright = inputs.mean(axis=(1, 2, 3)) > 0.6
        order = [[2, 1, 0] if one else [0, 1, 2] for one in bright]  # suppression sorts them otherwise
        answer = [np.stack([values[rows] for rows in order]) for values in (boxes, scores, classes)]
        if form == "rows":
            return np.concatenate([answer[0], answer[1][..., None], answer[2][..., None]], axis=-1)
        return dict(zip(("boxes", "scores", "classes"), answer, strict=True)) if form == "by name" else answer

    model, x = black_box(found), np.stack([np.full((SIZE, SIZE, 3), value, np.float32) for value in (0.2, 0.8)])
    np.testing.assert_allclose(model.scores(x, Box((0, 0, 8, 8), 2)), [0.9, 0.9])
    np.testing.assert_allclose(model.scores(x, Box((0, 0, 8, 3), 2)), [0.35, 0.35])  # 0.7 * 24/48 > 0.9 * 24/64
    np.testing.assert_allclose(model.scores(x, Box((0, 0, 8, 8), 0)), [0.0, 0.0])
    result = vz.occlusion(model, x, Box(), patch_size=8)
    assert result.target == ("class 2 in a box",) * 2
    np.testing.assert_allclose(result.extras["boxes"], [[[0, 0, 8, 8]]] * 2)


def test_anchors_of_mediapipe_are_the_published_ones() -> None:
    from vizcnn.targets.anchors import mediapipe_anchors

    faces = mediapipe_anchors((128, 128), 896)
    assert faces is not None
    np.testing.assert_allclose(faces[:3], [[4, 4, 1, 1], [4, 4, 1, 1], [12, 4, 1, 1]])
    np.testing.assert_allclose(faces[512:519:6], [[8, 8, 1, 1], [24, 8, 1, 1]])
    counts = {(256, 896): True, (192, 2016): True, (224, 2254): True, (192, 2304): True, (128, 895): False}
    assert {key: mediapipe_anchors((key[0], key[0]), key[1]) is not None for key in counts} == counts


def test_background_is_no_box() -> None:
    def ssd(inputs: np.ndarray) -> Any:
        logits = np.concatenate([np.full((len(inputs), PLACES, 1), 4.0), scores_of(inputs)], axis=-1)
        odds = np.exp(logits)
        boxes = np.repeat(CORNERS[None], len(inputs), axis=0)
        return {"boxes": boxes, "scores": odds / odds.sum(axis=-1, keepdims=True)}

    model, x = black_box(ssd, labels=["background", "cat", "dog"]), pictures(1)
    place = scores_of(x)[0].reshape(-1).argmax()
    result = vz.occlusion(model, x, patch_size=8)
    assert result.target == (f"{['cat', 'dog'][place % 2]} in a box",)


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
