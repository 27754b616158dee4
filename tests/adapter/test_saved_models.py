"""SavedModels can be looked into: their operations are layers, and gradients and maps are those of the model that was saved."""

from __future__ import annotations

import io
import tarfile
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest
from keras import layers
from typer.testing import CliRunner

import vizcnn as vz
from tests import framework
from vizcnn.cli.app import app
from vizcnn.errors import CapabilityError, InputError, LayerError, ModelFileError, RuleError, UnsupportedModelError

if framework.BACKEND != "tensorflow":
    pytest.skip("TensorFlow's own files", allow_module_level=True)

import tensorflow as tf

pytestmark = pytest.mark.filterwarnings("ignore::vizcnn.errors.VizcnnWarning")  # of inputs that are no pixels

ARCHIVE = Path(__file__).parents[1] / "legacy" / "saved_models" / "tf_keras_2.21.tar.xz"
INPUTS = np.random.default_rng(0).uniform(0, 1, (3, 16, 16, 3)).astype(np.float32)


def randomized(model: Any) -> Any:
    """Give a model weights of which no bias is zero and no statistic one."""
    rng = np.random.default_rng(0)
    model.set_weights([rng.uniform(0.1, 1, weight.shape) - 0.45 * (weight.ndim > 1) for weight in model.get_weights()])
    return model


def network() -> Any:
    image = keras.Input((16, 16, 3), name="image")
    x = layers.Conv2D(8, 3, padding="same", activation="relu", name="conv1")(image)
    x = layers.BatchNormalization(name="bn")(x)
    x = layers.ReLU(6, name="relu6")(layers.DepthwiseConv2D(3, strides=2, name="depthwise")(x))
    x = layers.Add(name="sum")([x, layers.Conv2D(8, 1, activation="swish", name="conv2")(x)])
    x = layers.GlobalAveragePooling2D(name="pool")(layers.MaxPooling2D(name="max")(x))
    return randomized(keras.Model(image, layers.Dense(4, activation="softmax", name="classes")(x), name="net"))


@pytest.fixture(scope="module")
def pair(tmp_path_factory: pytest.TempPathFactory) -> tuple[Any, Any]:
    """The exported model, and the Keras model itself."""
    model, folder = network(), tmp_path_factory.mktemp("exported") / "net"
    model.export(folder, verbose=False)
    return vz.adapt(folder), vz.adapt(model)


@pytest.fixture(scope="module")
def legacy(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, np.ndarray]]:
    folder = tmp_path_factory.mktemp("legacy")
    with tarfile.open(ARCHIVE) as packed:
        packed.extractall(folder, filter="data")
    return folder, dict(np.load(io.BytesIO((folder / "expected.npz").read_bytes())))


def close(got: Any, expected: Any) -> None:
    np.testing.assert_allclose(got, expected, rtol=1e-4, atol=1e-4 * max(float(np.abs(expected).max()), 1e-12))


@pytest.mark.parametrize("target", [1, None])
def test_saliency_and_gradcam_are_those_of_the_keras_model(pair: tuple[Any, Any], target: Any) -> None:
    graph, model = pair
    close(graph.scores(INPUTS, target), model.scores(INPUTS, target))
    for method in (vz.saliency, vz.gradcam, vz.smoothgrad):
        got, expected = method(graph, INPUTS, target), method(model, INPUTS, target)
        close(got.values, expected.values)
        assert got.predictions == expected.predictions
        assert np.ptp(expected.values) > 0


def test_default_layer_is_the_last_map_before_the_head(pair: tuple[Any, Any]) -> None:
    graph, model = pair
    assert model.default_layer() == "sum"
    assert graph.default_layer().split("/")[-2:] in (["sum_1", "Add"], ["sum", "Add"])
    assert graph.layer(graph.default_layer()).output_shape == (None, 7, 7, 8)


def test_output_that_was_resized_is_not_its_own_explanation(tmp_path: Path) -> None:
    front = [layers.Conv2D(4, 3, padding="same", activation="relu", name="inside"), layers.Conv2D(3, 1, name="classes")]
    model = keras.Sequential([keras.Input((8, 8, 3)), *front, layers.Resizing(16, 16), layers.Softmax()])
    model.export(tmp_path / "m", verbose=False)
    graph = vz.adapt(tmp_path / "m")
    result = vz.gradcam(graph, INPUTS[:, :8, :8])
    assert result.layer == path_of(graph, "inside", "Relu")
    close(result.values, vz.gradcam(model, INPUTS[:, :8, :8]).values)
    close(result.scores, vz.adapt(model).scores(INPUTS[:, :8, :8]))  # of the region of the largest class


@pytest.mark.parametrize("rule", ["guided", "relu"])
def test_rules_change_the_gradient_of_relu_and_nothing_else(pair: tuple[Any, Any], rule: str) -> None:
    graph, model = pair
    got, plain = graph.gradients(INPUTS, 1, rule=rule), graph.gradients(INPUTS, 1)
    close(got.gradients, model.gradients(INPUTS, 1, rule=rule).gradients)
    assert np.abs(got.gradients - plain.gradients).max() > 0.1 * np.abs(plain.gradients).max()
    np.testing.assert_array_equal(got.scores, plain.scores)


def path_of(graph: Any, scope: str, kind: str) -> str:
    (path,) = (info.path for info in graph.layers if scope in info.path and info.kind == kind)
    return str(path)


def test_operations_are_read_and_replaced_by_name(pair: tuple[Any, Any]) -> None:
    graph, model = pair
    path = path_of(graph, "conv1", "Relu")
    maps = graph.activations(INPUTS, [path])[path]
    close(maps, model.activations(INPUTS, ["conv1"])["conv1"])
    close(graph.scores_from(path, maps, 1), graph.scores(INPUTS, 1))
    close(graph.scores_from(path, maps * 0.5, 1), model.scores_from("conv1", maps * 0.5, 1))
    close(vz.gradcam(graph, INPUTS, 1, layer=path).values, vz.gradcam(model, INPUTS, 1, layer="conv1").values)
    target = vz.targets.Channel(path, 3)
    close(graph.gradients(INPUTS, target).gradients, model.gradients(INPUTS, vz.targets.Channel("conv1", 3)).gradients)


def test_kernels_and_numbers_of_weights_are_those_of_the_keras_model(pair: tuple[Any, Any]) -> None:
    graph, model = pair
    np.testing.assert_array_equal(graph.kernels(path_of(graph, "conv1", "Conv2D")), model.kernels("conv1"))
    assert graph.num_params == model.num_params
    roles = [
        graph.layer(path_of(graph, "depthwise", "DepthwiseConv2dNative")).role,
        graph.layer(graph.default_layer()).role,
    ]
    assert roles == ["depthwise convolution", "addition"]
    with pytest.raises(LayerError, match="has no kernels"):
        graph.kernels(path_of(graph, "conv1", "Relu"))


def test_connections_lead_from_the_input_to_the_output(pair: tuple[Any, Any]) -> None:
    graph, _ = pair
    first, last = path_of(graph, "conv1", "Conv2D"), path_of(graph, "classes", "Softmax")
    assert ("<input>", first) in graph.connections
    assert (last, f"<{next(iter(graph.output_shapes))}>") in graph.connections
    branches = [to for source, to in graph.connections if source == path_of(graph, "relu6", "Relu6")]
    assert len(branches) == 2
    assert len(vz.architecture(graph).layers) == len(graph.layers)


def test_wrong_layer_names_those_with_maps(pair: tuple[Any, Any]) -> None:
    graph, _ = pair
    with pytest.raises(LayerError, match="must name a layer of model 'net'; got 'conv9'"):
        vz.gradcam(graph, INPUTS, layer="conv9")
    with pytest.raises(InputError, match=r"must have shape \(None, 16, 16, 8\)"):
        graph.scores_from(path_of(graph, "conv1", "Relu"), np.zeros((1, 2, 2, 8)), 1)
    path = path_of(graph, "conv2", "Sigmoid")
    with pytest.raises(InputError, match="`inputs` are needed beside the activations"):
        graph.scores_from(path, graph.activations(INPUTS, [path])[path], 1)


def exported(model: Any, folder: Path) -> Any:
    model.export(folder, verbose=False)
    return vz.adapt(folder)


@pytest.mark.parametrize(
    ("head", "target"),
    [
        (lambda x: layers.Dense(1, activation="sigmoid")(layers.Flatten()(x)), 1),
        (lambda x: layers.Dense(2)(layers.Flatten()(x)), 1),
        (lambda x: layers.Reshape((3,))(layers.Dense(3, activation="sigmoid")(layers.Flatten()(x))), 2),
        (lambda x: layers.Conv2D(3, 1, activation="softmax")(x), vz.targets.Region((1, 1, 3, 3), 1)),
    ],
    ids=["sigmoid", "logits", "moved sigmoid", "segmentation"],
)
def test_scores_are_logits_whatever_the_head_is(tmp_path: Path, head: Any, target: Any) -> None:
    image = keras.Input((6, 6, 1))
    model = randomized(keras.Model(image, head(layers.Conv2D(2, 3, activation="relu", padding="same")(image))))
    graph, inputs = exported(model, tmp_path / "m"), INPUTS[:2, :6, :6, :1]
    expected = vz.adapt(model)
    close(graph.scores(inputs, target), expected.scores(inputs, target))
    close(graph.gradients(inputs, target).gradients, expected.gradients(inputs, target).gradients)
    close(vz.gradcam(graph, inputs, target).values, vz.gradcam(expected, inputs, target).values)


def test_signals_are_told_from_images_by_their_convolutions(tmp_path: Path) -> None:
    stack = [layers.Conv1D(4, 3, activation="relu"), layers.GlobalAveragePooling1D(), layers.Dense(3, "softmax")]
    model = randomized(keras.Sequential([keras.Input((20, 2)), *stack]))
    graph, inputs = (
        exported(model, tmp_path / "m"),
        np.random.default_rng(0).uniform(0, 1, (2, 20, 2)).astype(np.float32),
    )
    assert graph.input_shape == (20, 2)
    for method in (vz.saliency, vz.gradcam):
        close(method(graph, inputs, 1).values, method(vz.adapt(model), inputs, 1).values)


@pytest.mark.parametrize("name", ["plain", "with_hub", "two_and_two"])
def test_saved_models_of_keras_2_have_the_gradients_that_they_had_there(
    legacy: tuple[Path, dict[str, np.ndarray]], name: str
) -> None:
    folder, expected = legacy
    fixed = {"right": expected[f"{name}/input_1"][0]} if name == "two_and_two" else None
    cnn, inputs = vz.adapt(folder / name, fixed_inputs=fixed), expected[f"{name}/input_0"]
    outputs = {
        key.rpartition("output_")[2]: value for key, value in expected.items() if key.startswith(f"{name}/output_")
    }
    got = dict(zip(cnn.output_shapes, cnn.outputs(inputs), strict=True))
    assert got.keys() == (outputs.keys() if len(outputs) > 1 else {"classes"})
    for output in got:
        close(got[output][:1], outputs[output][:1])  # of two inputs, the first sample's is held
    logit = cnn.gradients(inputs, {"kind": 1} if len(outputs) > 1 else 1).gradients
    probabilities = outputs.get("kind", outputs.get("classes"))
    others = [cnn.gradients(inputs, {"kind": index} if len(outputs) > 1 else index).gradients for index in range(3)]
    of_log = logit - sum(probabilities[:, index, None, None, None] * others[index] for index in range(3))
    close(of_log[:1], expected[f"{name}/gradient"][:1])


def test_layer_of_tf_hub_is_looked_into(legacy: tuple[Path, dict[str, np.ndarray]]) -> None:
    cnn = vz.adapt(legacy[0] / "with_hub")
    result = vz.gradcam(cnn, legacy[1]["with_hub/input_0"], 1)
    assert result.layer.endswith("maps")
    assert np.ptp(result.values) > 0
    module = vz.adapt(legacy[0] / "module")
    assert module.input_shape == (12, 12, 3)
    assert module.default_layer() == "maps"


def test_several_inputs_are_held_but_one(legacy: tuple[Path, dict[str, np.ndarray]], tmp_path: Path) -> None:
    path = legacy[0] / "two_and_two"
    with pytest.raises(UnsupportedModelError, match="takes 2 inputs, 'left', 'right'; one is explained at a time"):
        vz.adapt(path)
    with pytest.raises(vz.errors.OptionError, match=r"`fixed_inputs` must name inputs of the model.*got 'rihgt'"):
        vz.adapt(path, fixed_inputs={"rihgt": [0] * 5})
    with pytest.raises(InputError, match=r"input 'right' must have shape \(5,\)"):
        vz.adapt(path, fixed_inputs={"right": [0, 1]})
    scores = [
        vz.adapt(path, fixed_inputs={"right": [value] * 5}).scores(legacy[1]["two_and_two/input_0"], {"kind": 1})
        for value in (0.0, 1.0)
    ]
    assert (scores[0] != scores[1]).all()
    from PIL import Image

    Image.fromarray(np.zeros((12, 12, 3), np.uint8)).save(tmp_path / "image.png")
    command = ["explain", str(path), str(tmp_path / "image.png"), "-o", str(tmp_path / "out"), "--fixed", "right=0,0,0,0,1",
               "--target", "sure=1", "-m", "saliency"]  # fmt: skip
    result = CliRunner().invoke(app, command)
    assert result.exit_code == 0, result.output


def test_graph_of_tensorflow_1_is_differentiated(tmp_path: Path) -> None:
    v1 = tf.compat.v1
    with tf.Graph().as_default(), v1.Session() as session:
        image = v1.placeholder(tf.float32, (None, 5, 5, 1), name="image")
        kernel = v1.get_variable("kernel", initializer=np.arange(9, dtype=np.float32).reshape(3, 3, 1, 1))
        maps = tf.nn.conv2d(image, kernel, 1, "SAME", name="maps")
        scores = tf.reduce_sum(maps, (1, 2), name="scores")
        session.run(v1.global_variables_initializer())
        v1.saved_model.simple_save(session, str(tmp_path / "m"), {"image": image}, {"scores": scores})
    cnn = vz.adapt(tmp_path / "m")
    gradient = cnn.gradients(np.ones((1, 5, 5, 1), np.float32), 0).gradients[0, ..., 0]
    assert gradient[2, 2] == 36  # the sum of the kernel
    assert gradient[0, 0] == 0 + 1 + 3 + 4  # what of it reaches the corner
    assert cnn.default_layer() == "maps"


def saved(function: Any, folder: Path, shape: tuple[int | None, ...] = (None, 4, 4, 1), kind: Any = tf.float32) -> Path:
    module = tf.Module()
    module.run = tf.function(function, input_signature=[tf.TensorSpec(shape, kind)])
    tf.saved_model.save(module, str(folder), signatures=module.run)
    return folder


def test_what_has_no_gradient_says_so(tmp_path: Path) -> None:
    cnn = vz.adapt(saved(lambda x: tf.reduce_sum(tf.round(x), (1, 2)), tmp_path / "m"))
    with pytest.raises(CapabilityError, match="has no gradient by its input"):
        vz.saliency(cnn, np.ones((1, 4, 4, 1), np.float32), 0)
    with pytest.raises(RuleError, match="the graph has none"):
        vz.saliency(cnn, np.ones((1, 4, 4, 1), np.float32), 0, rule="guided")
    assert np.isfinite(vz.occlusion(cnn, np.ones((1, 4, 4, 1), np.float32), 0, patch_size=2).values).all()


def test_loop_and_branch_are_differentiated(tmp_path: Path) -> None:
    def function(x: Any) -> Any:
        for _ in tf.range(3):
            x = x * 2.0
        x = tf.cond(tf.reduce_sum(x) > 0, lambda: x * 3.0, lambda: x)
        return tf.reduce_sum(x, (1, 2))

    cnn = vz.adapt(saved(function, tmp_path / "m"))
    gradient = cnn.gradients(np.ones((2, 4, 4, 1), np.float32), 0).gradients
    np.testing.assert_allclose(gradient, 24.0)


def test_encoded_images_are_no_inputs(tmp_path: Path) -> None:
    path = saved(lambda x: tf.strings.length(x)[:, None] + 0, tmp_path / "m", (None,), tf.string)
    with pytest.raises(ModelFileError, match="takes text, such as encoded images"):
        vz.adapt(path)


def test_functions_that_unfold_to_too_much_are_not_unfolded(monkeypatch: pytest.MonkeyPatch) -> None:
    from vizcnn.adapter.runtimes import graph_inline

    monkeypatch.setattr(graph_inline, "_MOST", 3)
    with pytest.raises(ValueError, match="too many operations"):
        graph_inline.Unfolding(_closure())


def test_graph_that_is_not_unfolded_still_answers(pair: tuple[Any, Any], tmp_path: Path) -> None:
    from vizcnn.adapter.runtimes import graph_inline

    pair[1].model.export(tmp_path / "m", verbose=False)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(graph_inline, "_MOST", 3)
        cnn = vz.adapt(tmp_path / "m")
    close(cnn.outputs(INPUTS)[0], pair[1].outputs(INPUTS)[0])


def _closure() -> Any:
    from vizcnn.adapter.runtimes.graph_check import Closure

    function = tf.function(lambda x: tf.nn.relu(tf.nn.relu(tf.nn.relu(x + 1.0)))).get_concrete_function(
        tf.TensorSpec((2,))
    )
    definition = function.graph.as_graph_def()
    return Closure(definition, [definition.node[-1].name])
