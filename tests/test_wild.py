"""Model files as people really have them: each row of the README beside them, where VIZCNN_TEST_DATA has them."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import vizcnn as vz
from tests import framework
from tests.few import few, is_tried_everywhere, on_any_network
from vizcnn.errors import ModelFileError, RuleError
from vizcnn.plugins import registry
from vizcnn.targets import Box, Region

WILD = Path(os.environ.get("VIZCNN_TEST_DATA", "")) / "wild"

pytestmark = [
    pytest.mark.skipif(
        not os.environ.get("VIZCNN_TEST_DATA") or not WILD.is_dir(),
        reason="VIZCNN_TEST_DATA names no folder with a folder 'wild' of model files",
    ),
    pytest.mark.filterwarnings("ignore::vizcnn.errors.VizcnnWarning"),  # maps of noise may well be blank
]

OURS = [name for name in registry.names() if "/" not in name and on_any_network(registry.get(name))]
QUICK = ("saliency", "gradcam", "occlusion")
ONE_OF_A_KIND = [name for name in OURS if is_tried_everywhere(registry.get(name))]


def explained(
    model: Any,
    images: Any,
    target: Any = None,
    patch_size: int | tuple[int | None, ...] | None = None,
    without: frozenset[str] = frozenset(),
    methods: Sequence[str] = QUICK,
) -> dict[str, np.ndarray]:
    """Explain by some methods; each map is finite and not constant."""
    maps = {}
    for method in methods:
        if method in without:
            continue
        plugin = registry.get(method)
        options = {"patch_size": patch_size} if method == "occlusion" else few(plugin)
        try:
            maps[method] = plugin.function(model, images, target, **options).values
        except RuleError:
            assert method == "guided_gradcam"  # where there is no ReLU
            continue
        assert np.isfinite(maps[method]).all()
    assert np.ptp(maps["saliency"]) > 0
    assert np.ptp(maps["occlusion"]) > 0
    return maps


ALONE = frozenset({"guided_gradcam"})
"""What says that the layer's map lies nowhere in the image, where it is drawn alone."""


def noise(*shape: int) -> np.ndarray:
    return np.random.default_rng(0).uniform(0, 255, (1, *shape)).astype(np.float32)


def test_emotions_of_keras_209() -> None:
    explained(
        vz.adapt(WILD / "emotion_mini_xception_keras209.hdf5", preprocess="-1..1"),
        noise(64, 64, 1),
        3,
        methods=ONE_OF_A_KIND,
    )


def test_chess_of_keras_290() -> None:
    explained(vz.adapt(WILD / "chess_keras290.h5", preprocess="0..1"), WILD / "chess_keras290.board.jpg")


def test_potato_leaves_are_classified_right_and_explained() -> None:
    cnn = vz.adapt(WILD / "potato_nested_preprocessing_keras214.h5")
    photographs = [
        WILD / f"potato_nested_preprocessing_keras214.{name}.jpg" for name in ("early_blight", "late_blight")
    ]
    result = vz.saliency(cnn, photographs)
    assert [prediction.index for prediction in result.predictions] == [0, 1]
    explained(cnn, photographs, methods=ONE_OF_A_KIND)


@pytest.mark.slow
def test_region_of_a_unet_is_explained() -> None:
    mask = np.zeros((28, 28), bool)
    mask[8:20, 8:20] = True
    explained(vz.adapt(WILD / "unet_keras224.h5", preprocess="0..1"), noise(28, 28, 1), Region(mask, 0))


@pytest.mark.parametrize("output", [0, 1])
def test_either_output_of_age_and_gender_is_explained(output: int) -> None:
    cnn = vz.adapt(WILD / "age_gender_two_outputs_keras370.h5", preprocess="0..1")
    explained(cnn, noise(128, 128, 3), {list(cnn.output_shapes)[output]: 0})


@pytest.mark.slow
def test_teachable_machine_is_repaired_with_all_its_weights() -> None:
    labels = WILD / "teachable_machine_keras240.labels.txt"
    cnn = vz.adapt(WILD / "teachable_machine_keras240.h5", preprocess="-1..1", labels=labels)
    assert len(cnn.model.weights) == 263
    assert any("groups" in repair for repair in cnn.repairs)
    assert any("a list of one" in repair for repair in cnn.repairs)
    explained(cnn, noise(224, 224, 3))


def test_cifar10_is_repaired() -> None:
    cnn = vz.adapt(WILD / "cifar10_keras214.keras", preprocess="0..1")
    assert any("batch_input_shape" in repair for repair in cnn.repairs)
    assert any("axis" in repair for repair in cnn.repairs)
    explained(cnn, WILD / "cifar10_keras214.falcon.jpg")


def test_clean_document_is_repaired() -> None:
    cnn = vz.adapt(WILD / "clean_document_keras214.keras", preprocess="0..1", image_size=(64, 96))
    assert any("module that is gone" in repair for repair in cnn.repairs)
    explained(cnn, noise(64, 96, 3), Region(np.ones((64, 96), bool), 0))


@pytest.mark.slow
def test_brain_tumor_is_repaired() -> None:
    cnn = vz.adapt(WILD / "brain_tumor_keras350.keras")
    assert any("value_range" in repair for repair in cnn.repairs)
    explained(cnn, noise(224, 224, 3))


def test_denoiser_is_repaired_and_its_flat_input_is_the_image_that_it_makes_of_it() -> None:
    cnn = vz.adapt(WILD / "denoiser_keras222.h5")
    assert any("bare list of layers" in repair for repair in cnn.repairs)
    assert vz.filters(cnn).values.shape[:2] == (5, 5)
    assert len(vz.architecture(cnn).layers) > 5
    assert cnn.input_shape == (72, 72, 1)
    maps = vz.saliency(vz.adapt(WILD / "denoiser_keras222.h5", preprocess="0..1"), noise(72, 72, 1), 2592)
    assert np.ptp(maps.values) > 0


@pytest.mark.slow
def test_autoencoder_under_the_wrong_name_is_read_by_its_content() -> None:
    cnn = vz.adapt(WILD / "autoencoder_hdf5_inside_keras212.keras", preprocess="0..1")
    explained(cnn, noise(96, 96, 1), Region(np.ones((96, 96), bool), 0), without=ALONE)


def test_weights_only_are_joined_with_the_json_beside_them(tmp_path: Path) -> None:
    weights = WILD / "emotion_weights_only_keras26.h5"
    cnn = vz.adapt(weights, preprocess="0..1")
    explained(cnn, noise(*cnn.input_shape))
    alone = tmp_path / "alone.h5"
    alone.write_bytes(weights.read_bytes())
    with pytest.raises(ModelFileError, match="holds weights only, without the architecture"):
        vz.adapt(alone)
    assert vz.adapt(alone, architecture=weights.with_suffix(".json")).num_params == cnn.num_params


def test_missing_layer_class_is_named_with_its_place() -> None:
    with pytest.raises(
        ModelFileError, match=r"'functional_2/\w+' is a 'L1'.* isn't part of Keras.*custom_objects={'L1': L1}"
    ):
        vz.adapt(WILD / "custom_layer_keras321.keras")


def test_pointer_of_git_lfs_is_named_with_the_size_of_the_file() -> None:
    with pytest.raises(ModelFileError, match=r"pointer that git-LFS left in place of the file of [\d,]+ bytes"):
        vz.adapt(WILD / "lfs_pointer.hdf5")


@framework.needs_tensorflow
def test_saved_model_is_differentiated_and_has_no_map() -> None:
    cnn = vz.adapt(WILD / "nepali_digits_savedmodel_tf29", preprocess="0..1")
    assert cnn.num_classes() == 10
    assert [info.kind for info in cnn.layers if info.role == "dense"] == ["MatMul"] * 3  # it has no convolution
    image = noise(32, 32, 1)
    assert np.ptp(vz.occlusion(cnn, image).values) > 0
    result = vz.saliency(cnn, image)
    step = np.zeros_like(image)
    row, column = np.unravel_index(result.values[0].argmax(), (32, 32))
    step[0, row, column] = 0.5
    inputs = vz.inputs.load(
        np.concatenate([image + step, image - step]), (32, 32, 1), preprocess=cnn.preprocess
    ).inputs(slice(None))
    up, down = cnn.scores(inputs, result.classes[0])
    assert abs(abs(up - down) - result.values[0].max() / 255) < 0.05 * abs(up - down)
    with pytest.raises(vz.errors.LayerError, match="no operation with more than one row and column"):
        vz.gradcam(cnn, image)


def test_onnx_is_explained_by_every_method_that_needs_scores_alone() -> None:
    pytest.importorskip("onnxruntime")
    cnn = vz.adapt(WILD / "deepfake_meso4.onnx", preprocess="0..1")
    assert cnn.output_activation(next(iter(cnn.output_shapes))) == "sigmoid"
    able = [name for name in OURS if not registry.get(name).needs - cnn.capabilities - {"images", "maps"}]
    assert {"occlusion", "rise"} <= set(able)
    for method in able:
        plugin = registry.get(method)
        options = {"patch_size": 64, "stride": 32} if method == "occlusion" else few(plugin)
        values = plugin.function(cnn, WILD / "deepfake_meso4.real.jpg", **options).values
        assert np.isfinite(values).all()
        assert np.ptp(values) > 0


@pytest.mark.slow
def test_fusion_has_a_map_for_each_input() -> None:
    ct, mri = (WILD / f"fusion_two_inputs_keras305.{name}.png" for name in ("ct", "mri"))
    path, whole = WILD / "fusion_two_inputs_keras305.keras", Region(np.ones((256, 256), bool), 0)
    for image, fixed in ((ct, {1: mri}), (mri, {0: ct})):
        maps = explained(vz.adapt(path, fixed_inputs=fixed, preprocess="0..1"), image, whole, patch_size=128)
        assert maps["occlusion"].shape == (1, 256, 256)


def test_eegnet_with_channels_first_is_repaired() -> None:
    cnn = vz.adapt(WILD / "eegnet_channels_first_keras216.h5")
    assert any("SeparableConv2D(kernel_initializer" in repair for repair in cnn.repairs)
    assert any("VarianceScaling" in repair for repair in cnn.repairs)
    explained(cnn, noise(*cnn.input_shape) / 255)


def test_ecg_with_a_mask_of_tensorflow_functions_is_repaired() -> None:
    cnn = vz.adapt(WILD / "ecg_mask_keras214.h5")
    assert {f"the TensorFlow function {name}" for name in ("math.not_equal", "cast")} <= set(cnn.repairs)
    explained(cnn, noise(*cnn.input_shape) / 255)


@pytest.mark.slow
def test_ecg_transformer_that_was_written_on_windows_is_repaired() -> None:
    cnn = vz.adapt(WILD / "ecg_transformer_keras215.keras")
    assert "paths with the backslashes of Windows" in cnn.repairs
    signal = noise(*cnn.input_shape) / 255
    for method in ONE_OF_A_KIND:
        plugin = registry.get(method)
        if not plugin.missing_needs(cnn):
            assert np.isfinite(plugin.function(cnn, signal, **few(plugin)).values).all()
    assert vz.attention_rollout(cnn, signal).raw.sum() == pytest.approx(1, abs=1e-4)
    # Its normalization over one channel leaves nothing of the attention: it is a function of the signal's mean, and each
    # sample's gradient is the same.
    (turned,), (before,) = cnn.outputs(signal[:, ::-1].copy()), cnn.outputs(signal)
    np.testing.assert_allclose(turned, before, rtol=1e-5)


def test_encoder_of_keras_core_is_read_as_keras() -> None:
    cnn = vz.adapt(WILD / "encoder_keras_core015.keras", preprocess="0..1")
    assert "Keras Core 0.1.5" in cnn.source
    explained(cnn, noise(28, 28, 1), Region(np.ones((14, 14), bool), 0))


def test_video_has_a_map_for_each_frame() -> None:
    clip = np.random.default_rng(0).uniform(0, 255, (20, 64, 64, 3)).astype(np.float32)
    cnn = vz.adapt(WILD / "video_convlstm_keras380.h5", preprocess="0..1")
    maps = explained(cnn, clip, patch_size=(10, 32, None))
    for method, values in maps.items():
        assert values.shape == (1, 20, 64, 64)
        between = np.ptp(values[0], axis=0)
        blank = not values.any()  # of features with a sign a ReLU may leave nothing
        assert blank or between.any(), f"{method} has one map for all frames"


def test_doodles_of_tensorflow_js_are_read_with_their_names() -> None:
    cnn = vz.adapt(WILD / "doodle_tfjs", preprocess="0..1")
    assert cnn.labels is not None
    assert cnn.labels[:2] == ("drums", "sun")
    assert len(cnn.labels) == cnn.num_classes() == 100
    assert cnn.num_params == 126564  # all of the one shard, 506,256 bytes
    explained(cnn, noise(28, 28, 1), "sun")


def test_steering_with_arithmetic_as_python_code_is_read_and_not_run() -> None:
    cnn = vz.adapt(WILD / "steering_lambda_keras2.h5")
    assert cnn.repairs[:2] == (
        "lambda_1: x / 255.0 - 0.5",
        "lambda_2: keras.backend.tf.image.resize_images(x, (64, 64), align_corners=True)",
    )
    explained(cnn, noise(160, 320, 3), patch_size=64)


def test_siamese_distance_as_python_code_is_read_and_not_run() -> None:
    path = WILD / "siamese_lambda_keras350.keras"
    cnn = vz.adapt(path, fixed_inputs={1: np.zeros((720, 720, 1), np.float32)}, preprocess="0..1")
    assert "lambda_3: tf.sqrt(tf.reduce_sum(tf.square(tensors[0] - tensors[1]), axis=1, keepdims=True))" in cnn.repairs
    (same,), (other,) = (cnn.outputs(np.full((1, 720, 720, 1), value, np.float32)) for value in (0, 1))
    assert same != other
    assert np.ptp(vz.saliency(cnn, noise(720, 720, 1), 0).values) > 0


def test_box_of_a_face_detector_is_explained() -> None:
    model = vz.adapt(WILD / "face_boxes.tflite", preprocess="-1..1")
    result = vz.occlusion(model, WILD / "deepfake_meso4.real.jpg", patch_size=24, stride=12)
    left, top, right, bottom = result.extras["boxes"][0, 0]
    assert left < 50 < 110 < right  # of 128: the face is in the middle of the portrait
    assert top < 30 < 90 < bottom
    inside = np.zeros((128, 128), bool)
    inside[int(top) : int(bottom), int(left) : int(right)] = True
    assert result.values[0][inside].mean() > 3 * abs(result.values[0][~inside].mean())
    same = vz.occlusion(model, WILD / "deepfake_meso4.real.jpg", Box((55, 20, 256, 215)), patch_size=24, stride=12)
    assert np.corrcoef(result.values.ravel(), same.values.ravel())[0, 1] > 0.9


def test_steering_of_keras_1_is_read_with_all_its_weights() -> None:
    cnn = vz.adapt(WILD / "steering_keras121.h5")
    assert "a description of Keras 1" in cnn.repairs
    assert len(cnn.model.weights) == 10
    explained(cnn, WILD / "steering_keras121.center.jpg")
