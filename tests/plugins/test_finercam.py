"""Finer-CAM against the maps of a difference of logits that is written out."""

from __future__ import annotations

from typing import Any

import keras
import numpy as np
import pytest
from keras import layers

import vizcnn as vz
from tests.models import images
from vizcnn.errors import LayerError, OptionError, TargetError

SHAPE = (9, 8, 2)


@pytest.fixture(scope="module")
def cnn() -> vz.ModelAdapter:
    keras.utils.set_random_seed(5)
    image = keras.Input(SHAPE)
    x = layers.Conv2D(5, 3, activation="relu", name="maps")(layers.Conv2D(4, 3, activation="tanh", name="early")(image))
    x = layers.Dense(6, activation="tanh")(layers.Flatten()(x))
    return vz.adapt(keras.Model(image, layers.Dense(5, activation="softmax")(x)))


def logits(cnn: vz.ModelAdapter, x: np.ndarray) -> np.ndarray:
    return np.stack([cnn.scores(x, index) for index in range(5)], axis=1)


@pytest.mark.parametrize("cam", ["gradcam", "hirescam", "layercam"])
@pytest.mark.parametrize("target", [2, None])
def test_it_is_the_map_of_the_weighed_difference(cnn: vz.ModelAdapter, cam: str, target: int | None) -> None:
    x, alpha = images(3, SHAPE), 0.8
    result = vz.finercam(cnn, x, target, rivals=3, alpha=alpha, cam=cam, layer="maps")
    scores = logits(cnn, x)
    for number, image in enumerate(x):
        own = scores[number].argmax() if target is None else target
        others = sorted((i for i in range(5) if i != own), key=lambda i: abs(scores[number, i] - scores[number, own]))[
            :3
        ]
        assert result.extras["rivals"][number].tolist() == others
        shares = np.exp(scores[number, others]) / np.exp(scores[number, others]).sum()
        weights = (1.0, *(-alpha * shares))
        mixed = vz.targets.WeightedSum((int(own), *others), tuple(map(float, weights)))
        expected = getattr(vz, cam)(cnn, image[None], mixed, layer="maps").raw
        np.testing.assert_allclose(result.raw[number], expected[0], rtol=0, atol=2e-4 * np.abs(expected).max())
        apart = scores[number, own] - alpha * (shares * scores[number, others]).sum()
        assert result.scores[number] == pytest.approx(apart, abs=1e-4)


def test_without_rivals_logits_it_is_the_map_of_the_class(cnn: vz.ModelAdapter) -> None:
    x = images(2, SHAPE)
    ours, theirs = vz.finercam(cnn, x, 1, alpha=0), vz.gradcam(cnn, x, 1)
    np.testing.assert_allclose(ours.raw, theirs.raw, rtol=0, atol=1e-5 * np.abs(theirs.raw).max())


def test_more_rivals_than_classes_are_all_others(cnn: vz.ModelAdapter) -> None:
    assert vz.finercam(cnn, images(1, SHAPE), 1, rivals=50, relu=False).extras["rivals"].shape == (1, 4)


def test_one_unit_for_two_classes_has_one_rival() -> None:
    keras.utils.set_random_seed(0)
    stack = [layers.Conv2D(3, 3, activation="relu"), layers.Flatten(), layers.Dense(1, activation="sigmoid")]
    model, x = vz.adapt(keras.Sequential([keras.Input(SHAPE), *stack])), images(2, SHAPE)
    ours, yes, no = (
        vz.finercam(model, x, 1, relu=False),
        vz.gradcam(model, x, 1, relu=False),
        vz.gradcam(model, x, 0, relu=False),
    )
    np.testing.assert_allclose(ours.raw, yes.raw - no.raw, rtol=0, atol=1e-5)


def test_rivals_stay_with_the_result_as_class_names(cnn: vz.ModelAdapter, tmp_path: Any) -> None:
    result = vz.finercam(vz.assets.digits_cnn(), vz.assets.digits()[3])
    result.save(tmp_path / "finer.npz")
    loaded = vz.load_result(tmp_path / "finer.npz")
    np.testing.assert_array_equal(loaded.extras["rivals"], result.extras["rivals"])
    assert "3" not in [loaded.class_labels[index] for index in loaded.extras["rivals"][0]]


def test_what_is_no_class_is_refused(cnn: vz.ModelAdapter) -> None:
    x = images(1, SHAPE)
    for target in (vz.targets.Channel("maps", 2), vz.targets.Contrast(1, 2)):
        with pytest.raises(TargetError, match="must be a class"):
            vz.finercam(cnn, x, target)
    with pytest.raises(OptionError, match="`rivals` must be a positive whole number"):
        vz.finercam(cnn, x, rivals=0)
    regression = keras.Sequential([keras.Input(SHAPE), layers.Conv2D(2, 3), layers.Flatten(), layers.Dense(1)])
    with pytest.raises(TargetError):
        vz.finercam(regression, x)


# Several layers, for every method of a layer ----------------------------------------------------------------------------------

OF_LAYERS = ("gradcam", "gradcam_plus_plus", "hirescam", "layercam", "xgradcam", "eigencam", "eigengradcam", "fem", "finercam",
             "scorecam", "ablationcam")  # fmt: skip


@pytest.mark.filterwarnings("ignore::vizcnn.errors.VizcnnWarning")
@pytest.mark.parametrize("method", OF_LAYERS)
def test_maps_of_several_layers_become_one(cnn: vz.ModelAdapter, method: str) -> None:
    x, run = images(2, SHAPE), getattr(vz, method)
    parts = []
    for layer in ("early", "maps"):
        values = run(cnn, x, 1, layer=layer).values
        most = np.abs(values).max(axis=(1, 2), keepdims=True)
        parts.append(np.divide(values, most, out=np.zeros_like(values), where=most > 0))
    for fuse, expected in (
        ("mean", (parts[0] + parts[1]) / 2),
        ("max", np.where(np.abs(parts[1]) > np.abs(parts[0]), *parts[::-1])),
        ("product", parts[0] * parts[1]),
    ):
        result = run(cnn, x, 1, layers=["early", "maps"], fuse=fuse)
        np.testing.assert_allclose(result.values, expected, atol=1e-5)
        np.testing.assert_allclose(result.raw, np.stack(parts, axis=1), atol=1e-5)
        assert result.layer is None
        assert result.options["layers"] == ["early", "maps"]


@pytest.mark.filterwarnings("ignore::vizcnn.errors.VizcnnWarning")
def test_layers_in_place_of_a_layer(cnn: vz.ModelAdapter) -> None:
    x = images(1, SHAPE)
    with pytest.raises(OptionError, match="only one of them may be given; got 'maps' too"):
        vz.gradcam(cnn, x, 1, layer="maps", layers=["early"])
    with pytest.raises(OptionError, match="`layers` must name at least one layer"):
        vz.gradcam(cnn, x, 1, layers=[])
    with pytest.raises(LayerError, match="mapz"):
        vz.gradcam(cnn, x, 1, layers=["mapz"])
    with pytest.raises(OptionError, match="`fuse` must be one of"):
        vz.gradcam(cnn, x, 1, layers=["maps"], fuse="sum")
    one = vz.gradcam(cnn, x, 1, layers="maps")
    assert one.options["layers"] == ["maps"]
    explained = vz.explain(cnn, x, methods=("gradcam:layers=['early','maps'],fuse=max", "saliency"), target=1)
    assert explained["gradcam:layers=['early','maps'],fuse=max"].raw.shape == (1, 2, 9, 8)
