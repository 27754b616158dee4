"""Models that draw random numbers in inference: it is said, averaged on request, and nobody's seeds are changed."""

from __future__ import annotations

import random
import warnings
from collections.abc import Callable
from typing import Any

import keras
import numpy as np
import pytest
from keras import layers

import vizcnn as vz
from tests import framework
from tests.models import dense, images, linear_model

SHAPE = (4, 4, 1)
WEIGHTS = np.random.default_rng(8).normal(size=(16, 2)).astype(np.float32)


@keras.saving.register_keras_serializable("vizcnn_tests")
class DropoutThatStaysOn(layers.Layer):
    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        self.dropout = layers.Dropout(0.5, seed=3)

    def call(self, x: Any) -> Any:
        return self.dropout(x, training=True)


class NoiseThatStaysOn(layers.Layer):
    def __init__(self) -> None:
        super().__init__()
        self.noise = layers.GaussianNoise(0.5)

    def call(self, x: Any) -> Any:
        return self.noise(x, training=True)


class Sampling(layers.Layer):
    def __init__(self) -> None:
        super().__init__()
        self.seeds = keras.random.SeedGenerator(5)

    def call(self, x: Any) -> Any:
        return x * keras.random.uniform(keras.ops.shape(x), 0.5, 1.5, seed=self.seeds)


class GlobalSeed(layers.Layer):
    def call(self, x: Any) -> Any:
        return x * keras.random.uniform(keras.ops.shape(x), 0.5, 1.5)


class TheFrameworksOwn(layers.Layer):
    def call(self, x: Any) -> Any:
        if framework.BACKEND == "tensorflow":
            import tensorflow as tf

            return x * tf.random.uniform(tf.shape(x), 0.5, 1.5)
        import torch

        return x * (0.5 + torch.rand(x.shape))


KINDS: list[Callable[[], Any]] = [DropoutThatStaysOn, NoiseThatStaysOn, Sampling]
if framework.BACKEND != "jax":  # there, Keras itself refuses these
    KINDS += [GlobalSeed, TheFrameworksOwn]


def _model(kind: Callable[[], Any]) -> Any:
    head = [layers.Flatten(), dense("logits", (WEIGHTS, np.zeros(2, np.float32)))]
    return keras.Sequential([keras.Input(SHAPE), kind(), *head], name="chance")


def _read(variable: Any) -> np.ndarray:
    return np.asarray(keras.ops.convert_to_numpy(variable.value * 1))


def _x() -> np.ndarray:
    return np.abs(images(2, SHAPE))


@pytest.mark.parametrize("kind", KINDS)
def test_random_model_is_named_with_the_spread_of_its_scores(kind: Any) -> None:
    adapter = vz.adapt(_model(kind))
    with pytest.warns(vz.errors.VizcnnWarning, match="draws random numbers in inference"):
        result = vz.saliency(adapter, _x(), 0)
    (note,) = [text for text in result.notes if "random numbers" in text]
    spread = float(note.partition("deviation of ")[2].split(". ")[0])
    samples = [_model(kind)(_x()) for _ in range(3)]
    assert 0.05 < spread < 5, samples
    assert "num_runs=20" in note
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert note in vz.saliency(adapter, _x(), 0).notes


def test_mean_over_runs_comes_near_the_expectation() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        one, many = (
            vz.adapt(_model(DropoutThatStaysOn), num_runs=count).gradients(_x(), 0).gradients for count in (1, 200)
        )
    expected = np.broadcast_to(WEIGHTS[:, 0].reshape(SHAPE), one.shape)  # inverted dropout keeps the mean
    assert np.abs(one - expected).mean() > 0.4
    assert np.abs(many - expected).mean() < 0.1
    assert np.abs(many - expected).max() > 1e-4


def test_scores_and_outputs_are_means_too_and_the_note_says_so() -> None:
    adapter = vz.adapt(_model(Sampling), num_runs=50)
    with pytest.warns(vz.errors.VizcnnWarning, match="means over 50 runs"):
        scores, (outputs,) = adapter.scores_and_outputs(_x(), 1)
    np.testing.assert_allclose(scores, outputs[:, 1], rtol=1e-5)
    expected = _x().reshape(2, 16) @ WEIGHTS
    np.testing.assert_allclose(outputs, expected, atol=0.7)


@pytest.mark.filterwarnings("ignore:Model 'chance' draws")
def test_class_of_a_changed_copy_is_the_one_that_most_runs_predict() -> None:
    kernel, bias = np.eye(16, 3, dtype=np.float32), np.array([0, -9, 0], np.float32)
    kernel[1, 1] = 0  # by the noise on the first pixel it is class 0 or class 2
    head = [layers.Flatten(), dense("logits", (kernel, bias))]
    model = keras.Sequential([keras.Input(SHAPE), NoiseThatStaysOn(), *head], name="chance")
    classes = vz.occlusion(vz.adapt(model, num_runs=9), 0 * _x(), 0, patch_size=2).class_map
    assert classes is not None
    assert set(np.unique(classes)) <= {0, 2}  # never the mean of both, 1


def test_black_box_is_averaged_over_as_many_runs_as_are_asked_for() -> None:
    runs: list[int] = []

    def rising(inputs: np.ndarray) -> np.ndarray:
        runs.append(len(inputs))
        return np.full((len(inputs), 2), [len(runs), 0.0])

    adapter = vz.adapt(rising, input_shape=SHAPE, num_runs=3)
    adapter.prepare(SHAPE)
    asked = len(runs)
    scores, (outputs,) = adapter.scores_and_outputs(_x(), 0)
    assert len(runs) == asked + 3
    np.testing.assert_array_equal(scores, [asked + 2] * 2)
    np.testing.assert_array_equal(outputs[:, 0], [asked + 2] * 2)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.filterwarnings("ignore:Model 'chance' draws")
def test_seeds_of_the_user_are_where_they_were(kind: Any) -> None:
    keras.utils.set_random_seed(7)
    model, x = _model(kind), _x()
    expected = [keras.ops.convert_to_numpy(model(x)) for _ in range(2)], random.random(), np.random.rand()  # noqa: NPY002
    keras.utils.set_random_seed(7)
    model = _model(kind)
    first = keras.ops.convert_to_numpy(model(x))
    state = [_read(variable) for variable in model.variables]
    vz.saliency(vz.adapt(model, num_runs=3), x, 0)
    vz.activation_maximization(model, 0, steps=2, input_range=(0, 1))
    for now, then in zip(model.variables, state, strict=True):
        np.testing.assert_array_equal(_read(now), then)
    np.testing.assert_array_equal(first, expected[0][0])
    np.testing.assert_array_equal(keras.ops.convert_to_numpy(model(x)), expected[0][1])
    assert (random.random(), np.random.rand()) == expected[1:]  # noqa: NPY002


def test_model_that_draws_nothing_runs_once_and_says_nothing() -> None:
    model, x = linear_model(WEIGHTS, SHAPE), _x()
    adapter = vz.adapt(model, num_runs=7)
    np.testing.assert_array_equal(adapter.scores(x, 0), vz.adapt(model).scores(x, 0))
    assert adapter.notes == ()


def test_number_of_runs_must_be_positive() -> None:
    with pytest.raises(vz.errors.OptionError, match="`num_runs` must be a positive integer or None; got 0"):
        vz.adapt(linear_model(WEIGHTS, SHAPE), num_runs=0)


class StatisticsThatMove(layers.Layer):
    """Batch normalization that is trained in inference, a counter, and a loss."""

    def __init__(self) -> None:
        super().__init__()
        self.norm = layers.BatchNormalization()
        self.count = self.add_weight(shape=(), initializer="zeros", trainable=False, name="count")

    def call(self, x: Any) -> Any:
        self.count.assign(self.count + 1)
        self.add_loss(keras.ops.mean(x))
        return self.norm(x, training=True)


def test_what_a_model_assigns_in_inference_is_not_kept() -> None:
    model, x = _model(StatisticsThatMove), _x()
    state = [_read(variable) for variable in model.variables]
    adapter = vz.adapt(model)
    before = len(model.losses)
    gradients = adapter.gradients(x, 0).gradients
    adapter.outputs(x)
    for now, then in zip(model.variables, state, strict=True):
        np.testing.assert_array_equal(_read(now), then)
    assert len(model.losses) == before
    np.testing.assert_array_equal(adapter.gradients(x, 0).gradients, gradients)


@framework.needs_tensorflow
def test_variable_of_tensorflow_that_a_model_assigns_to_is_as_before() -> None:
    import tensorflow as tf

    class Counter(layers.Layer):
        def __init__(self) -> None:
            super().__init__()
            self.kept = [tf.Variable(2.0), tf.random.Generator.from_seed(1)]

        def call(self, x: Any) -> Any:
            self.kept[0].assign_add(1.0)
            return x * self.kept[0] + self.kept[1].uniform(())

    model = _model(Counter)
    counter, generator = model.layers[0].kept
    before = counter.numpy(), generator.state.numpy().tolist()
    scores = vz.adapt(model).scores(_x(), 0)
    assert (counter.numpy(), generator.state.numpy().tolist()) == before
    low = _x().reshape(2, 16) @ WEIGHTS[:, 0] * 3.0
    assert (np.abs(scores - low) <= np.abs(WEIGHTS[:, 0].sum()) + 1e-4).all()
