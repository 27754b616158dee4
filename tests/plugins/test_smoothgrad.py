"""SmoothGrad against a loop over noisy copies, tf-keras-vis, and what can be worked out by hand."""

from __future__ import annotations

from typing import Any

import keras
import numpy as np
import pytest
from keras import layers

import vizcnn as vz
from tests.models import images, linear_model
from tests.rounding import rounding
from vizcnn.algorithms.changes import add_noise
from vizcnn.errors import OptionError

SHAPE = (7, 8, 2)
SAMPLES = 6


@pytest.fixture(scope="module")
def cnn() -> Any:
    keras.utils.set_random_seed(3)
    model = keras.Sequential(
        [
            keras.Input(SHAPE),
            layers.Conv2D(4, 3, activation="relu"),
            layers.Conv2D(4, 3, activation="relu"),
            layers.Flatten(),
            layers.Dense(3, activation="softmax"),
        ]
    )
    return vz.adapt(model)


CLOSE = rounding(18, 36, 48, 36, 18, SAMPLES, size=4)
"""Both convolutions and the dense layer of this network, the way back, and the sum over copies."""


def slow(cnn: Any, image: np.ndarray, target: Any, noise: float, samples: int = SAMPLES, seed: int = 0) -> np.ndarray:
    """Return the gradient (samples, H, W, C) by each noisy copy of an image, one at a time."""
    fields = add_noise(samples, image.shape, seed=seed).numbers(slice(0, samples))["noise"]
    scale = noise * (image.max() - image.min())
    return np.concatenate([cnn.gradients((image + scale * field)[None], target).gradients for field in fields])


@pytest.mark.parametrize("noise", [0.05, 0.4])
def test_smoothgrad_is_the_mean_gradient_of_noisy_copies(cnn: Any, noise: float) -> None:
    batch = images(2, SHAPE)
    result = vz.smoothgrad(cnn, batch, [1, 2], num_samples=SAMPLES, noise=noise, reduce="none")
    for index, target in enumerate([1, 2]):
        np.testing.assert_allclose(result.values[index], slow(cnn, batch[index], target, noise).mean(axis=0), **CLOSE)


def test_vargrad_and_squaregrad_are_variance_and_mean_square(cnn: Any) -> None:
    image = images(1, SHAPE)
    gradients = slow(cnn, image[0], 1, 0.3)
    for statistic, expected in [("variance", gradients.var(axis=0)), ("square", (gradients**2).mean(axis=0))]:
        options = {"num_samples": SAMPLES, "noise": 0.3, "reduce": "none"}
        result = vz.smoothgrad(cnn, image, 1, statistic=statistic, **options)
        np.testing.assert_allclose(result.values[0], expected, **CLOSE)
        assert not result.signed


def test_without_noise_it_is_saliency(cnn: Any) -> None:
    image = images(1, SHAPE)
    for rule in ("vanilla", "guided"):
        smooth = vz.smoothgrad(cnn, image, 1, noise=0, num_samples=SAMPLES, rule=rule)
        plain = vz.saliency(cnn, image, 1, rule=rule)
        np.testing.assert_allclose(smooth.values, plain.values, **CLOSE)
        np.testing.assert_allclose(smooth.raw, plain.raw, **CLOSE)
        assert smooth.scores.tolist() == pytest.approx(plain.scores.tolist())


def test_gradient_of_a_linear_model_is_its_weights_and_does_not_vary() -> None:
    weights = images(1, (24, 2), seed=4)[0]
    model, image = linear_model(weights, (3, 4, 2)), images(1, (3, 4, 2))
    mean = vz.smoothgrad(model, image, 1, noise=0.5, reduce="none")
    np.testing.assert_allclose(mean.values[0], weights[:, 1].reshape(3, 4, 2), **rounding(25))
    with pytest.warns(vz.errors.VizcnnWarning, match="zero"):
        variance = vz.smoothgrad(model, image, 1, noise=0.5, statistic="variance", reduce="none")
    assert not variance.values.any()


def test_noise_is_a_share_of_the_image_s_range(cnn: Any) -> None:
    batch = images(2, SHAPE)
    batch[1] *= 0.25
    result = vz.smoothgrad(cnn, batch, 1, num_samples=SAMPLES, noise=0.2, reduce="none")
    for values, image in zip(result.values, batch, strict=True):
        np.testing.assert_allclose(values, slow(cnn, image, 1, 0.2).mean(axis=0), **CLOSE)


def test_predicted_class_stays_the_explained_one(cnn: Any) -> None:
    image = images(1, SHAPE)
    predicted = int(cnn.outputs(image)[0].argmax())
    unnamed, named = (vz.smoothgrad(cnn, image, target, noise=3.0, num_samples=SAMPLES) for target in (None, predicted))
    np.testing.assert_array_equal(unnamed.values, named.values)


def test_a_batch_is_its_loop(cnn: Any) -> None:
    batch = images(3, SHAPE)
    together = vz.smoothgrad(cnn, batch, [0, 1, 2], num_samples=SAMPLES)
    for index in range(3):
        alone = vz.smoothgrad(cnn, batch[index : index + 1], index, num_samples=SAMPLES)
        np.testing.assert_allclose(together.values[index], alone.values[0], **CLOSE)


@pytest.mark.parametrize("statistic", ["mean", "square"])
def test_standard_error_is_how_far_maps_of_other_seeds_are_apart(statistic: str) -> None:
    keras.utils.set_random_seed(0)
    hidden = layers.Dense(64, activation="tanh", kernel_initializer=keras.initializers.RandomNormal(stddev=1.0, seed=0))
    cnn = vz.adapt(keras.Sequential([keras.Input(SHAPE), layers.Flatten(), hidden, layers.Dense(2)]))
    image, options = images(1, SHAPE), {"num_samples": 16, "noise": 0.3, "reduce": "none", "statistic": statistic}
    results = [vz.smoothgrad(cnn, image, 1, seed=seed, **options) for seed in range(30)]
    maps = np.array([result.values[0] for result in results])
    spread = np.sqrt(maps.var(axis=0, ddof=1).sum() / np.square(maps).sum(axis=(1, 2, 3)).mean())
    told = np.mean([result.measures["standard error"][0] for result in results])
    assert spread <= told * 1.1  # copies in pairs are rather closer together than what is said
    assert told < 2 * spread


def test_measure_is_zero_without_noise_and_missing_where_nothing_is_known(cnn: Any) -> None:
    image = images(1, SHAPE)
    assert vz.smoothgrad(cnn, image, 1, noise=0).measures["standard error"] == 0
    assert not vz.smoothgrad(cnn, image, 1, statistic="variance").measures
    assert not vz.smoothgrad(cnn, image, 1, num_samples=1).measures


def test_seed_repeats_the_map_and_another_changes_it(cnn: Any) -> None:
    image = images(1, SHAPE)
    first, again, other = (vz.smoothgrad(cnn, image, 1, num_samples=SAMPLES, seed=seed).values for seed in (1, 1, 2))
    np.testing.assert_array_equal(first, again)
    assert np.abs(first - other).max() > 1e-3


def test_channels_are_reduced_as_saliency_does(cnn: Any) -> None:
    image = images(1, SHAPE)
    raw, signed, largest = (
        vz.smoothgrad(cnn, image, 1, num_samples=SAMPLES, reduce=reduce) for reduce in ("none", "sum", "max_abs")
    )
    np.testing.assert_allclose(signed.values, raw.values.sum(axis=-1), rtol=1e-6, atol=1e-6)
    np.testing.assert_allclose(largest.values, np.abs(raw.values).max(axis=-1), rtol=1e-6)
    assert (raw.signed, signed.signed, largest.signed) == (True, True, False)


@pytest.mark.parametrize(
    ("options", "text"),
    [
        ({"num_samples": 0}, "`num_samples` must be a positive whole number; got 0"),
        ({"num_samples": 2.5}, "`num_samples` must be a whole number; got 2.5"),
        ({"noise": -0.1}, "`noise` must be a number that is not negative, a share of the image's range; got -0.1"),
        (
            {"noise": float("nan")},
            "`noise` must be a number that is not negative, a share of the image's range; got nan",
        ),
        ({"statistic": "median"}, "`statistic` must be one of 'mean', 'variance', 'square'; got 'median'"),
    ],
)
def test_wrong_options_are_rejected(cnn: Any, options: Any, text: str) -> None:
    with pytest.raises(OptionError) as error:
        vz.smoothgrad(cnn, images(1, SHAPE), 0, **options)
    assert text in str(error.value)


@pytest.mark.parametrize(
    ("seed", "rule"), [(-1, "not be negative"), ("a", "be a whole number"), (1.5, "be a whole number")]
)
@pytest.mark.parametrize("method", ["smoothgrad", "occlusion"])
def test_seed_that_is_none_is_refused(method: str, seed: Any, rule: str) -> None:
    options = {"baseline": "noise"} if method == "occlusion" else {}
    with pytest.raises(OptionError, match=f"`seed` must {rule}"):
        getattr(vz, method)(vz.assets.digits_cnn(), vz.assets.digits()[0], seed=seed, **options)
