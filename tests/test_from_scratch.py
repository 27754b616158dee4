"""The networks written in NumPy alone: right by numbers, by a slow second version, and by Keras; and explained by the plugins."""

import gzip
import os
import struct
import subprocess
import sys
from pathlib import Path

import keras
import numpy as np
import pytest
from threadpoolctl import threadpool_limits

import vizcnn as vz
from examples import mnist_data
from examples.from_scratch import slow, two_layer
from examples.from_scratch.adapter import NumpyCnnAdapter, TwoLayerAdapter
from examples.from_scratch.cnn import MaxPooling, make_cnn, train
from tests.rounding import rounding
from vizcnn.errors import InputError, LayerError, RuleError
from vizcnn.targets import Channel, Contrast, Neuron, WeightedSum

EXAMPLES = Path(__file__).parents[1] / "examples"
RANDOM = np.random.default_rng(0)


def small_cnn(activation="tanh", **settings):
    return make_cnn(
        size=12, num_maps=3, num_hidden=7, num_classes=4, activation=activation, **{"dtype": np.float64} | settings
    )


IMAGES = RANDOM.normal(size=(5, 12, 12, 1))
LABELS = np.array([0, 3, 1, 2, 3])


def numeric_gradient(function, array, step=1e-6):
    """The slope of `function` by every entry of `array`, which is moved in place."""
    slopes = np.empty_like(array)
    for position in np.ndindex(array.shape):
        before = array[position]
        array[position] = before + step
        up = function()
        array[position] = before - step
        slopes[position] = (up - function()) / (2 * step)
        array[position] = before
    return slopes


# The convolutional network


@pytest.mark.parametrize("activation", ["tanh", "sigmoid"])
def test_gradients_by_every_weight_are_the_slopes_of_the_loss(activation):
    network = small_cnn(activation)
    loss, gradients = network.gradients(IMAGES, LABELS)
    assert loss == pytest.approx(network.loss(IMAGES, LABELS), rel=1e-12)
    assert set(gradients) == {"conv", "hidden", "preds"}
    for name, by_weight in gradients.items():
        assert set(by_weight) == set(network.layers[name].weights)
        for weight, gradient in by_weight.items():
            slopes = numeric_gradient(lambda: network.loss(IMAGES, LABELS), network.layers[name].weights[weight])
            np.testing.assert_allclose(gradient, slopes, atol=1e-8, err_msg=f"{name} {weight}")
            assert np.abs(slopes).max() > 1e-4


@pytest.mark.parametrize("activation", ["tanh", "sigmoid"])
def test_gradient_by_the_input_is_the_slope_of_a_probability(activation):
    network, images = small_cnn(activation), IMAGES[:2].copy()
    run = network.forward(images)
    *_, (name, gradient) = network.backward(run, {"softmax": np.tile([0.0, 0, 1, 0], (2, 1))})
    slopes = numeric_gradient(lambda: network.forward(images).outputs["softmax"][:, 2].sum(), images)
    assert name == "input"
    np.testing.assert_allclose(gradient, slopes, atol=1e-8)
    assert np.abs(slopes).max() > 1e-4


@pytest.mark.parametrize("activation", ["tanh", "sigmoid"])
def test_fast_network_equals_the_slow_one(activation):
    network = small_cnn(activation)
    loss, gradients = network.gradients(IMAGES, LABELS)
    slow_loss, slow_gradients, slow_by_images = slow.gradients(network, IMAGES, LABELS)
    assert loss == pytest.approx(slow_loss, rel=1e-12)
    for name, by_weight in slow_gradients.items():
        for weight, gradient in by_weight.items():
            np.testing.assert_allclose(gradients[name][weight], gradient, atol=1e-14, err_msg=f"{name} {weight}")
    run = network.forward(IMAGES)
    by_logits = (run.outputs["softmax"] - np.eye(4)[LABELS]) / len(LABELS)
    *_, (_, by_images) = network.backward(run, {"preds": by_logits})
    np.testing.assert_allclose(by_images, slow_by_images, atol=1e-14)


def test_pooling_keeps_the_largest_and_hands_the_gradient_to_it_alone():
    layer = MaxPooling(2)
    image = np.array([[1.0, 5, 2, 2, 9], [3, 4, 2, 2, 9], [9, 9, 9, 9, 9]]).reshape(1, 3, 5, 1)
    outputs, memory = layer.forward(image)
    gradient = layer.input_gradient(np.array([10.0, 20]).reshape(1, 1, 2, 1), memory)
    np.testing.assert_array_equal(outputs[0, ..., 0], [[5, 2]])
    np.testing.assert_array_equal(gradient[0, ..., 0], [[0, 10, 20, 0, 0], [0, 0, 0, 0, 0], [0, 0, 0, 0, 0]])


def test_sample_by_sample_and_mini_batches_take_different_steps_and_both_learn():
    for batch_size, steps in ((1, 20), (4, 8)):
        network, lines = small_cnn(), []
        losses = train(network, IMAGES, LABELS, num_epochs=4, batch_size=batch_size, report=lines.append)
        assert len(losses) == steps
        assert lines[-1] == f"epoch  4 of 4: loss {np.mean(losses[-steps // 4 :]):.4f}"
        assert network.loss(IMAGES, LABELS) < small_cnn().loss(IMAGES, LABELS) - 0.1


def test_training_follows_its_seed_and_its_learning_rate():
    def trained(**options):
        network = small_cnn()
        train(network, IMAGES, LABELS, num_epochs=2, batch_size=2, report=lambda line: None, **options)
        return network.layers["conv"].weights["kernels"]

    np.testing.assert_array_equal(trained(seed=1), trained(seed=1))
    assert np.abs(trained(seed=1) - trained(seed=2)).max() > 1e-6
    assert np.abs(trained(learning_rate=0.1) - trained(learning_rate=0.2)).max() > 1e-6


def test_first_step_is_the_learning_rate_times_the_gradient():
    network, before = small_cnn(), small_cnn()
    _, gradients = before.gradients(IMAGES, LABELS)
    train(network, IMAGES, LABELS, num_epochs=1, batch_size=5, learning_rate=0.3, report=lambda line: None)
    moved = network.layers["conv"].weights["kernels"] - before.layers["conv"].weights["kernels"]
    np.testing.assert_allclose(moved, -0.3 * gradients["conv"]["kernels"], atol=1e-14)


@pytest.mark.slow
def test_held_out_accuracy_on_mnist_is_93_percent_with_5000_images():
    if not os.environ.get("VIZCNN_MNIST"):
        pytest.skip("set VIZCNN_MNIST to the folder with MNIST's files to run this")
    digits = mnist_data.load_mnist()
    inputs = digits.train_images[:5000, ..., None].astype(np.float32) / 255
    network = make_cnn()
    with threadpool_limits(1):  # two threads get in each other's way on small matrices, and in that of other tests
        train(network, inputs, digits.train_labels[:5000], num_epochs=4, learning_rate=0.2, report=lambda line: None)
        accuracy = network.accuracy(digits.test_images[..., None].astype(np.float32) / 255, digits.test_labels)
    assert accuracy >= 0.93


def test_unknown_activation_is_rejected():
    with pytest.raises(ValueError, match="`function` must be 'sigmoid' or 'tanh'; got 'relu'"):
        make_cnn(activation="relu")


# The two-layer network


def test_two_layer_gradients_are_the_slopes_of_the_loss():
    network = two_layer.make_two_layer(seed=3)
    inputs, truth = two_layer.INPUTS, two_layer.OUTPUTS
    found = network.backward(inputs, *network.forward(inputs), truth)
    for weights, gradient in zip((network.first, network.second), found, strict=True):
        slopes = numeric_gradient(lambda: two_layer.loss(network.predict(inputs), truth), weights)
        np.testing.assert_allclose(gradient, slopes, atol=1e-8)
        assert np.abs(slopes).max() > 1e-3


@pytest.mark.parametrize("seed", range(5))
def test_two_layer_network_learns_all_four_rows(seed):
    network = two_layer.make_two_layer(seed=seed)
    losses = two_layer.train(network)
    assert len(losses) == 1500
    assert losses[-1] < 0.01 < 0.9 < losses[0]
    np.testing.assert_allclose(network.predict(two_layer.INPUTS), [[0], [1], [1], [0]], atol=0.05)


# Behind the adapter


@pytest.fixture(scope="module")
def twins():
    """The CNN of the examples, not quite untrained, and the same network rebuilt in Keras."""
    network = make_cnn(seed=1)
    random = np.random.default_rng(2)
    for layer in network.layers.values():
        for name, weights in layer.weights.items():
            layer.weights[name] = weights + random.normal(scale=0.05, size=weights.shape).astype(np.float32)
    model = keras.Sequential(
        [
            keras.Input((28, 28, 1)),
            keras.layers.Conv2D(10, 5, name="conv"),
            keras.layers.Activation("tanh", name="conv_activation"),
            keras.layers.MaxPooling2D(2, name="pool"),
            keras.layers.Flatten(name="flatten"),
            keras.layers.Dense(100, name="hidden"),
            keras.layers.Activation("tanh", name="hidden_activation"),
            keras.layers.Dense(10, name="preds"),
            keras.layers.Softmax(name="softmax"),
        ]
    )
    for name, layer in network.layers.items():
        model.get_layer(name).set_weights(list(layer.weights.values()))
    return NumpyCnnAdapter(network), vz.adapt(model)


IMAGE_BATCH = RANDOM.uniform(size=(3, 28, 28, 1)).astype(np.float32)
FORWARD = (25, 1440, 100, 10)
"""Products in each sum: of the convolution, the two dense layers, and the softmax."""

CLOSE = rounding(*FORWARD)


def test_outputs_kernels_and_every_activation_equal_keras(twins):
    numpy_cnn, keras_cnn = twins
    np.testing.assert_allclose(numpy_cnn.outputs(IMAGE_BATCH)[0], keras_cnn.outputs(IMAGE_BATCH)[0], **CLOSE)
    np.testing.assert_array_equal(numpy_cnn.kernels("conv"), keras_cnn.kernels("conv"))
    paths = [info.path for info in numpy_cnn.layers]
    ours, theirs = (cnn.activations(IMAGE_BATCH, paths) for cnn in twins)
    for path in paths:
        assert ours[path].dtype == np.float32
        np.testing.assert_allclose(ours[path], theirs[path], **CLOSE, err_msg=path)


def test_layers_are_told_as_keras_tells_them(twins):
    numpy_cnn, keras_cnn = twins
    for ours, theirs in zip(numpy_cnn.layers, keras_cnn.layers, strict=True):
        assert (ours.path, ours.kind, ours.num_params) == (theirs.path, theirs.kind, theirs.num_params)
        assert ours.output_shape == theirs.output_shape
    assert numpy_cnn.num_params == keras_cnn.num_params == 260 + 144_100 + 1_010


TARGETS = {
    "predicted": None,
    "one per image": [3, 0, 7],
    "contrast": Contrast(2, 8),
    "mix with the predicted class": WeightedSum((None, Channel("hidden", 4)), (0.5, 3.0)),
    "channel": Channel("conv_activation", 6),
    "neuron": Neuron("pool", (3, 4, 5)),
    "probability": Neuron("softmax", 2),
}


@pytest.mark.parametrize("target", TARGETS.values(), ids=TARGETS)
def test_scores_and_gradients_of_every_target_equal_keras(twins, target):
    ours, theirs = (cnn.gradients(IMAGE_BATCH, target) for cnn in twins)
    np.testing.assert_allclose(ours.scores, theirs.scores, **CLOSE)
    np.testing.assert_allclose(ours.gradients, theirs.gradients, **CLOSE)
    np.testing.assert_allclose(ours.scores, twins[0].scores(IMAGE_BATCH, target), **CLOSE)
    assert np.abs(ours.gradients).max() > 1e-3


def test_gradient_of_a_function_equals_its_own_derivative(twins):
    ours, theirs = (cnn.gradients(IMAGE_BATCH, lambda outputs: outputs[:, 1] ** 2) for cnn in twins)
    np.testing.assert_allclose(ours.gradients, theirs.gradients, **CLOSE)
    assert np.abs(ours.gradients).max() > 1e-3


@pytest.mark.parametrize("layer", ["conv", "conv_activation", "pool", "flatten", "hidden", "preds"])
def test_gradients_by_a_layer_equal_keras(twins, layer):
    ours, theirs = (cnn.gradients(IMAGE_BATCH, 5, of=layer) for cnn in twins)
    np.testing.assert_allclose(ours.gradients, theirs.gradients, **CLOSE)
    np.testing.assert_allclose(ours.values, theirs.values, **CLOSE)
    assert ours.layer == theirs.layer == layer


@pytest.mark.parametrize("target", [None, 4, Contrast(1, 7)])
def test_saliency_and_gradcam_equal_keras(twins, target):
    for method in (vz.saliency, vz.gradcam):
        ours, theirs = (method(cnn, IMAGE_BATCH, target) for cnn in twins)
        np.testing.assert_allclose(ours.values, theirs.values, **CLOSE)
        np.testing.assert_allclose(ours.raw, theirs.raw, **CLOSE)
        np.testing.assert_allclose(ours.scores, theirs.scores, **CLOSE)
        assert (ours.target, ours.layer) == (theirs.target, theirs.layer)
        assert np.abs(ours.raw).max() > 1e-3


def test_occlusion_equals_keras(twins):
    ours, theirs = (vz.occlusion(cnn, IMAGE_BATCH, 4, patch_size=7, stride=7, baseline=0.0) for cnn in twins)
    np.testing.assert_allclose(ours.values, theirs.values, **CLOSE)
    np.testing.assert_array_equal(ours.class_map, theirs.class_map)
    assert np.abs(ours.values).max() > 0.01


def test_filters_and_feature_maps_equal_keras(twins):
    ours, theirs = (vz.filters(cnn, "conv") for cnn in twins)
    np.testing.assert_array_equal(ours.values, theirs.values)
    ours, theirs = (vz.activations(cnn, IMAGE_BATCH, ["conv_activation", "pool"]) for cnn in twins)
    for layer in ("conv_activation", "pool"):
        np.testing.assert_allclose(ours.maps[layer], theirs.maps[layer], **CLOSE)


def test_batches_change_nothing(twins):
    by_one = NumpyCnnAdapter(twins[0].network, batch_size=1)
    images, target = IMAGE_BATCH, [3, 0, 7]
    for ask in (
        lambda cnn: cnn.gradients(images, target).gradients,
        lambda cnn: cnn.gradients(images, target, of="pool").values,
        lambda cnn: cnn.scores(images, target),
        lambda cnn: cnn.outputs(images)[0],
        lambda cnn: cnn.activations(images, "hidden")["hidden"],
    ):
        np.testing.assert_allclose(ask(by_one), ask(twins[0]), **rounding(*FORWARD, *FORWARD))


def test_nothing_is_computed_past_the_last_layer_asked_for(twins, monkeypatch):
    def fail(inputs):
        raise AssertionError("computed too much")

    monkeypatch.setattr(twins[0].network.layers["flatten"], "forward", fail)
    found = twins[0].activations(IMAGE_BATCH, ["pool", "conv"])
    assert {path: values.shape for path, values in found.items()} == {"pool": (3, 12, 12, 10), "conv": (3, 24, 24, 10)}


def test_what_the_network_cannot_answer_is_said(twins):
    cnn = twins[0]
    with pytest.raises(RuleError, match=r"has none: its activations are tanh \(2\). Use rule='vanilla'"):
        vz.saliency(cnn, IMAGE_BATCH, rule="guided")
    with pytest.raises(LayerError, match=r"'pool' is a MaxPooling2D, which has no kernels. Layers that do: 'conv'"):
        cnn.kernels("pool")
    with pytest.raises(LayerError, match="score doesn't depend on layer 'softmax' of model 'numpy_cnn'"):
        cnn.gradients(IMAGE_BATCH, 0, of="softmax")
    with pytest.raises(LayerError, match=r"`layer` 'conv\[1\]' can't be read: layer 'conv' is called once"):
        cnn.activations(IMAGE_BATCH, ["conv[1]"])
    with pytest.raises(InputError, match=r"must have shape \(N, H, W, C\) = \(N, 28, 28, 1\); got \(3, 27, 28, 1\)"):
        cnn.outputs(IMAGE_BATCH[:, 1:])


def test_two_layer_network_is_explained_and_equals_keras():
    network = two_layer.make_two_layer(seed=1)
    two_layer.train(network)
    layers = [
        keras.Input((1, 3, 1)),
        keras.layers.Flatten(),
        keras.layers.Dense(4, "sigmoid", use_bias=False, name="hidden"),
        keras.layers.Dense(1, "sigmoid", use_bias=False, name="preds"),
    ]
    model = keras.Sequential(layers)
    model.set_weights([network.first, network.second])
    images = two_layer.INPUTS.reshape(4, 1, 3, 1)
    for target in (None, 0, 1, Neuron("hidden", 2)):
        ours, theirs = (vz.saliency(cnn, images, target, reduce="sum") for cnn in (TwoLayerAdapter(network), model))
        np.testing.assert_allclose(ours.values, theirs.values, **CLOSE)
        np.testing.assert_allclose(ours.scores, theirs.scores, **CLOSE)
    ours = vz.saliency(TwoLayerAdapter(network), images)
    assert [prediction.index for prediction in ours.predictions] == [0, 1, 1, 0]


def test_two_layer_network_has_no_maps_and_no_kernels():
    cnn = TwoLayerAdapter(two_layer.make_two_layer())
    with pytest.raises(
        LayerError, match=r"no layer with more than one row and column.*\(its layers: Dense, Activation\)"
    ):
        vz.gradcam(cnn, two_layer.INPUTS.reshape(4, 1, 3, 1))
    assert cnn.capabilities == {"outputs", "scores", "layers", "activations", "gradients"}


def test_no_framework_is_loaded_to_explain_a_numpy_network():
    code = (
        "import sys, numpy as np, vizcnn as vz; from from_scratch.adapter import NumpyCnnAdapter;"
        "from from_scratch.cnn import make_cnn; cnn = NumpyCnnAdapter(make_cnn());"
        "vz.explain(cnn, np.ones((1, 28, 28, 1)), 3, methods=['saliency', 'gradcam']);"
        "print(sorted({'keras', 'tensorflow', 'jax', 'torch'} & set(sys.modules)))"
    )
    environment = {**os.environ, "PYTHONPATH": str(EXAMPLES)}
    ran = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=True)
    assert ran.stdout == "[]\n"


# Their data


def write_idx(folder, part, count, *, zipped=False):
    """Write images whose every pixel is their number, which is their label too."""
    numbers = np.arange(count, dtype=np.uint8)
    files = {
        f"{part}-images-idx3-ubyte": bytes([0, 0, 8, 3])
        + struct.pack(">3I", count, 2, 2)
        + np.repeat(numbers, 4).tobytes(),
        f"{part}-labels-idx1-ubyte": bytes([0, 0, 8, 1]) + struct.pack(">I", count) + numbers.tobytes(),
    }
    for name, content in files.items():
        (folder / (name + ".gz" * zipped)).write_bytes(gzip.compress(content) if zipped else content)


@pytest.mark.parametrize("zipped", [False, True])
def test_one_set_of_files_is_split_the_same_way_every_time(tmp_path, monkeypatch, capsys, zipped):
    write_idx(tmp_path, "t10k", 50, zipped=zipped)
    monkeypatch.setenv("VIZCNN_MNIST", str(tmp_path))
    digits, again = mnist_data.load_mnist(), mnist_data.load_mnist()
    assert capsys.readouterr().out.splitlines()[0] == "MNIST's test images: 40 images to train with, 10 held out"
    assert sorted([*digits.train_labels, *digits.test_labels]) == list(range(50))
    assert list(digits.train_labels) != sorted(digits.train_labels)
    np.testing.assert_array_equal(digits.train_images[:, 1, 1], digits.train_labels)
    np.testing.assert_array_equal(digits.test_labels, again.test_labels)


def test_training_and_test_files_keep_their_own_split(tmp_path, monkeypatch, capsys):
    write_idx(tmp_path, "train", 30)
    write_idx(tmp_path, "t10k", 7, zipped=True)
    monkeypatch.setenv("VIZCNN_MNIST", str(tmp_path))
    digits = mnist_data.load_mnist()
    assert capsys.readouterr().out == "MNIST: 30 images to train with, 7 held out\n"
    assert list(digits.test_labels) == list(range(7))
    assert list(digits.train_labels) != sorted(digits.train_labels) == list(range(30))


def test_folder_without_mnist_is_named(tmp_path, monkeypatch):
    monkeypatch.setenv("VIZCNN_MNIST", str(tmp_path))
    with pytest.raises(
        SystemExit, match=f"VIZCNN_MNIST is '{tmp_path}', which holds no MNIST: it must have t10k-images"
    ):
        mnist_data.load_mnist()


def test_digits_of_scikit_learn_stand_in_where_there_is_no_network(monkeypatch, capsys):
    def fail():
        raise OSError("no network")

    monkeypatch.delenv("VIZCNN_MNIST", raising=False)
    monkeypatch.setattr(keras.datasets.mnist, "load_data", fail)
    digits = mnist_data.load_mnist()
    said = capsys.readouterr().out
    assert "Keras could not download MNIST (OSError)" in said
    assert "scikit-learn's digits, enlarged: 1,438 images to train with, 359 held out" in said
    assert digits.train_images.shape == (1438, 28, 28)
    assert digits.train_images.dtype == digits.train_labels.dtype == np.uint8
    assert 250 < digits.train_images.max() <= 255
    assert set(digits.test_labels) == set(range(10))


def test_download_of_keras_is_taken_where_it_works(monkeypatch, capsys):
    images, labels = np.arange(20 * 784).reshape(20, 28, 28).astype(np.uint8), np.arange(20, dtype=np.uint8)
    monkeypatch.delenv("VIZCNN_MNIST", raising=False)
    monkeypatch.setattr(keras.datasets.mnist, "load_data", lambda: ((images, labels), (images[:5], labels[:5])))
    digits = mnist_data.load_mnist()
    assert capsys.readouterr().out == "MNIST by Keras: 20 images to train with, 5 held out\n"
    np.testing.assert_array_equal(digits.train_images, images[digits.train_labels])
    assert list(digits.test_labels) == [0, 1, 2, 3, 4]
