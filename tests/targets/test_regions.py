"""Where a class is predicted in a map, and which one is explained by itself."""

from __future__ import annotations

from typing import Any

import keras
import numpy as np
import pytest

import vizcnn as vz
from tests.models import conv
from tests.rounding import rounding
from vizcnn.adapter.changed import Change
from vizcnn.targets import Region

KERNEL = np.random.default_rng(7).normal(size=(1, 1, 3, 5)).astype(np.float32)
CLOSE = rounding(3, 64)


def pictures(count: int = 3) -> np.ndarray:
    return np.random.default_rng(8).normal(size=(count, 8, 8, 3)).astype(np.float32)


def logits_of(x: np.ndarray) -> np.ndarray:
    return x @ KERNEL[0, 0]


@pytest.fixture(scope="module")
def cnn() -> Any:
    maps = conv("maps", (KERNEL, np.zeros(5, np.float32)), activation="softmax")
    return vz.adapt(keras.Sequential([keras.Input((8, 8, 3)), maps]), preprocess="none")


def expected(x: np.ndarray, index: int | None = None, left_out: int = -1) -> tuple[list[int], list[float]]:
    """Return the largest class of each image and its mean logit where it is predicted, position by position."""
    classes, scores = [], []
    for logits in logits_of(x):
        counts = np.zeros(5)
        for rows in logits:
            for values in rows:
                counts[values.argmax()] += values.argmax() != left_out
        chosen = int(counts.argmax()) if index is None else index
        there = [values[chosen] for rows in logits for values in rows if values.argmax() == chosen]
        classes.append(chosen)
        scores.append(float(np.mean(there)))
    return classes, scores


def test_region_of_the_largest_class_by_hand() -> None:
    model = vz.adapt(lambda inputs: inputs, input_shape=(2, 2, 2), labels=["sky", "grass"])
    x = np.array([[[[3, 0], [0, 5]], [[1, 2], [0, 4]]]], np.float32)  # grass at three places, by 5, 2 and 4
    np.testing.assert_allclose(model.scores(x), [11 / 3])
    np.testing.assert_allclose(model.scores(x, Region(index="sky")), [3.0])


def test_largest_class_is_explained_where_it_is_predicted(cnn: Any) -> None:
    classes, scores = expected(pictures())
    result = vz.saliency(cnn, pictures())
    assert result.classes == tuple(classes)
    np.testing.assert_allclose(result.scores, scores, **CLOSE)


def test_class_may_be_said(cnn: Any) -> None:
    np.testing.assert_allclose(cnn.scores(pictures(), Region(index=2)), expected(pictures(), 2)[1], **CLOSE)


def test_gradient_goes_through_the_region_alone(cnn: Any) -> None:
    x = pictures(1)
    there = logits_of(x)[0].argmax(axis=-1) == expected(x)[0][0]
    want = there[..., None] * KERNEL[0, 0, :, expected(x)[0][0]] / there.sum()
    np.testing.assert_allclose(cnn.gradients(x).gradients[0], want, **CLOSE)


def test_background_that_is_named_is_left_out() -> None:
    x = pictures()
    largest = expected(x)[0][0]
    names = [f"thing {i}" for i in range(5)]
    names[largest] = "Background"
    model = vz.adapt(lambda inputs: logits_of(inputs), input_shape=(8, 8, 3), labels=names)
    classes, scores = expected(x, left_out=largest)
    assert largest not in classes
    assert vz.occlusion(model, x, patch_size=4).classes == tuple(classes)
    np.testing.assert_allclose(model.scores(x), scores, **CLOSE)


def test_region_is_that_of_the_unchanged_image(cnn: Any) -> None:
    x = pictures(2)
    change = Change("scaled", 2, lambda part: {"by": np.array([-1.0, 3.0], np.float32)[part]}, _scaled)
    want = np.outer(expected(x)[1], [-1.0, 3.0])
    plain = vz.adapt(lambda inputs: logits_of(inputs), input_shape=(8, 8, 3))
    for model in (cnn, plain):
        np.testing.assert_allclose(model.changed_scores(x, None, change).copy_scores, want, **CLOSE)


def _scaled(xp: Any, images: Any, companions: Any, numbers: Any) -> Any:
    return images * xp.reshape(numbers["by"], (-1, 1, 1, 1))


@pytest.mark.parametrize(
    ("channels", "activation", "is_region"),
    [(1, "sigmoid", True), (3, "softmax", True), (3, "sigmoid", False), (3, None, False), (21, None, True)],
)
def test_what_is_taken_for_a_segmentation(channels: int, activation: str | None, is_region: bool) -> None:
    layers = [keras.Input((8, 8, 3)), keras.layers.Conv2D(channels, 3, padding="same", activation=activation)]
    score = vz.targets.resolve(None, vz.adapt(keras.Sequential(layers)), 1)
    assert (score.key[0] == "predicted region") is is_region


def test_map_of_one_object_is_explained_where_the_object_is() -> None:
    unit = keras.layers.Conv2D(1, 1, activation="sigmoid", kernel_initializer="ones")
    model = vz.adapt(keras.Sequential([keras.Input((4, 4, 1)), unit]), preprocess="none")
    x = np.random.default_rng(1).normal(size=(1, 4, 4, 1)).astype(np.float32)
    np.testing.assert_allclose(model.scores(x), [x[x > 0].mean()], rtol=1e-5)
    np.testing.assert_allclose(model.scores(-np.abs(x)), [-np.abs(x).mean()], rtol=1e-5)  # nowhere: the whole map


def test_class_of_a_region_of_a_random_model_is_voted_for() -> None:
    runs = iter([2, 0, 2, 2, 0])  # the mean of these is class 1

    def random(inputs: np.ndarray) -> np.ndarray:
        index = next(runs) if inputs.any() else 2  # it is shown nothing first
        return np.broadcast_to(np.eye(3, dtype=np.float32)[index] * 5, (len(inputs), 4, 4, 3)).copy()

    model = vz.adapt(random, input_shape=(4, 4, 3), num_runs=5, labels=["a", "b", "c"])
    score = Region((0, 0, 2, 2)).score(model, 1)
    chosen = model.with_predicted_classes(np.ones((1, 4, 4, 3), np.float32), score, ())
    assert chosen.classes == (2,)
