"""The forms in which detectors return boxes: each is read as the same boxes by hand are."""

from __future__ import annotations

from typing import Any

import keras
import numpy as np
import pytest

import vizcnn as vz
from tests.targets.detectors import (
    CLOSE,
    CORNERS,
    PLACES,
    SIZE,
    Constant,
    black_box,
    detector,
    expected,
    pictures,
    scores_of,
    sigmoid,
    weights_of,
)
from vizcnn.errors import TargetError
from vizcnn.targets import Box, BoxLayout

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
